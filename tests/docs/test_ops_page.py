"""The table of ops in docs/ops.md says what the declarations say."""

import runpy
from pathlib import Path

MAKER = Path(__file__).parents[2] / "docs" / "make_ops.py"


def test_the_page_of_ops_is_up_to_date():
    made = runpy.run_path(str(MAKER))
    assert made["page"]() == made["PAGE"].read_text(encoding="utf-8"), "run `python docs/make_ops.py`"
