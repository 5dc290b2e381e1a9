"""A training that is saved in the middle and goes on in another process ends exactly where it would have ended.

The program below trains with dropout, batch normalisation, shuffled data, an optimizer with moments and a schedule,
so that there is much to forget.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import regrad as rg
from regrad.files import load

PROGRAM = """
import sys

import regrad as rg
from regrad.files import load, save

name, first, last, before, after = sys.argv[1:]
OPTIMIZERS = {
    "Adam": lambda params: rg.optim.Adam(params, lr=0.01, weight_decay=0.1, amsgrad=True),
    "AdamW": lambda params: rg.optim.AdamW([{"params": params[:2], "lr": 0.1}, {"params": params[2:]}]),
    "SGD": lambda params: rg.optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True),
}

rg.manual_seed(7)
x = rg.randn(50, 4)
y = (x[:, :1] * x[:, 1:2]).tanh()
nn = rg.nn
model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
optimizer = OPTIMIZERS[name](list(model.parameters()))
scheduler = rg.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.7)
losses = []

if before != "-":
    rg.manual_seed(999)  # what the file does not bring back would differ
    checkpoint = load(before)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    rg.set_rng_state(checkpoint["rng"])
    losses = checkpoint["losses"]

for epoch in range(int(first), int(last)):
    for batch in rg.randperm(50).split(16):
        optimizer.zero_grad()
        loss = ((model(x[batch]) - y[batch]) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()

save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
      "rng": rg.get_rng_state(), "losses": losses, "epoch": int(last)}, after)
"""


def train(*arguments):
    places = {"PYTHONPATH": str(Path(rg.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | places, capture_output=True, text=True, check=False)
    assert "" == done.stderr


def exact(x):
    if isinstance(x, rg.Tensor):
        return str(x.dtype), tuple(x.shape), x.detach().numpy().tobytes()
    if isinstance(x, dict):
        return [(key, exact(value)) for key, value in x.items()]
    if isinstance(x, (list, tuple)):
        return [exact(value) for value in x]
    return x.hex() if isinstance(x, float) else x


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(name, tmp_path):
    train(name, 0, 6, "-", tmp_path / "whole")
    train(name, 0, 3, "-", tmp_path / "half")
    train(name, 3, 6, tmp_path / "half", tmp_path / "rest")
    whole, rest = load(tmp_path / "whole"), load(tmp_path / "rest")
    assert 24 == len(whole["losses"])
    assert np.mean(whole["losses"][-4:]) < np.mean(whole["losses"][:4])
    assert exact(whole) == exact(rest)
