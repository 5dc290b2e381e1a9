"""Every example trains on Regrad as on PyTorch: from equal weights, in float64, its losses agree step by step.

Run by ``make compare``, since it needs PyTorch.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem not in ("common", "data"))
STEPS = 200
CHECKED = 50
TOLERANCE = 1e-9


def losses(name, library, folder):
    file = folder / f"{library}.json"
    command = [sys.executable, ROOT / "examples" / f"{name}.py", "--library", library,
               "--dtype", "float64", "--steps", str(STEPS), "--losses", file]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text())


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_agrees_with_pytorch(name, tmp_path):
    ours, theirs = (losses(name, library, tmp_path) for library in ("regrad", "torch"))
    apart = [abs(a - b) / max(abs(b), 1e-300) for a, b in zip(ours, theirs, strict=True)]
    text = f"{name}: relative difference {max(apart[:CHECKED]):.1e} to step {CHECKED}, {max(apart):.1e} to step {STEPS}"
    print(text)
    assert STEPS == len(apart)
    assert max(apart[:CHECKED]) <= TOLERANCE, text
