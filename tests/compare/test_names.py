"""docs/pytorch_names.json is what the installed PyTorch has. Run by ``make compare``, since it needs PyTorch."""

import runpy
import warnings
from pathlib import Path

MAKER = Path(__file__).parents[2] / "docs" / "pytorch_names.py"


def test_the_names_are_those_of_pytorch():
    made = runpy.run_path(str(MAKER))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of its own deprecated modules
        found = made["text"](made["collect"]())
    assert found == made["FILE"].read_text(encoding="utf-8"), "run `python docs/pytorch_names.py`"
