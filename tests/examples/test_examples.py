"""Every example runs, small: its loss falls and its report is made."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEPS = {  # name: how many steps; enough for the loss to fall
    "actor_critic": 4, "char_transformer": 12, "digits_cnn": 12, "gan": 12, "lstm_series": 12, "maml": 10,
    "matrix_factorisation": 40, "newton_logistic": 6, "pcgrad": 20, "pinn": 12, "vae": 20,
}  # fmt: skip
FALLS = set(STEPS) - {"actor_critic", "gan"}  # a game's loss has no direction


def test_every_example_is_here():
    scripts = {path.stem for path in (ROOT / "examples").glob("*.py")} - {"common", "data"}
    assert scripts == set(STEPS)
    readme = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert all(f"[{name}.py]({name}.py)" in readme for name in STEPS)


@pytest.mark.parametrize("name", STEPS)
def test_an_example_runs(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / f"{name}.py",
         "--steps", str(STEPS[name]), "--losses", tmp_path / "losses.json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "MPLCONFIGDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    losses = json.loads((tmp_path / "losses.json").read_text())
    assert STEPS[name] == len(losses)
    assert all(abs(loss) < 1e4 for loss in losses)
    if name in FALLS:
        assert losses[-1] < losses[0]
