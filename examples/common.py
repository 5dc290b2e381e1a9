"""What the examples share: the library they run on, equal starting weights, a progress bar.

Every example is written once, against names that Regrad and PyTorch have in common, and takes the library from here:

    python examples/digits_cnn.py                      # on Regrad
    python examples/digits_cnn.py --library torch      # on PyTorch, unchanged

A script of its own would say ``import regrad as torch`` instead. Whatever is random (starting weights, batches, noise)
is drawn by NumPy, so that both libraries train on the same numbers and their losses can be compared.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

_parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
_parser.add_argument("--library", choices=["regrad", "torch"], default="regrad", help="what to run on")
_parser.add_argument("--dtype", choices=["float32", "float64"], default="float32", help="of weights and data")
_parser.add_argument("--steps", type=int, help="training steps instead of the example's own number")
_parser.add_argument("--losses", type=Path, help="write the loss of every step to this file, as JSON")
options, _ = _parser.parse_known_args()

torch: Any = importlib.import_module(options.library)
nn: Any = importlib.import_module(f"{options.library}.nn")
F: Any = importlib.import_module(f"{options.library}.nn.functional")
torch.set_default_dtype(getattr(torch, options.dtype))
torch.manual_seed(0)


def tensor(array: Any) -> Any:
    """An array as a tensor: whole numbers as they are, others in the dtype of the run."""
    array = np.asarray(array)
    return torch.tensor(array, dtype=torch.get_default_dtype() if array.dtype.kind == "f" else None)


def equal_weights(*modules: Any, seed: int = 0) -> None:
    """Start modules from weights that do not depend on the library: normal, of variance 1 / fan-in; biases 0."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for module in modules:
            for name, p in module.named_parameters():
                if p.ndim > 1:
                    p.copy_(tensor(rng.normal(size=tuple(p.shape)) / np.sqrt(p[0].numel())))
                elif "bias" in name:
                    p.zero_()


def run(train: Callable[[], Iterator[float]], steps: int, report: Callable[[], str] | None = None) -> None:
    """Take the losses of ``train`` one by one, with a progress bar, and say at the end what came of it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    _parser.parse_args()  # now in earnest: an unknown option is an error
    steps = options.steps or steps
    console, losses = Console(), []
    loss_column = TextColumn("{task.fields[loss]}")
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), loss_column)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"training on {options.library}", total=steps, loss="")
        for _, loss in zip(range(steps), train()):
            losses.append(loss)
            progress.update(task, advance=1, loss=f"loss {loss:.4f}")
    console.print(f"loss {losses[0]:.4f} at the first of {len(losses)} steps, {losses[-1]:.4f} at the last")
    if report is not None:
        console.print(report())
    if options.losses is not None:
        options.losses.write_text(json.dumps(losses))
