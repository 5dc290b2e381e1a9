"""Several losses over one trunk: the bytes that stay alive and the time that it takes, beside PyTorch if it is there.

    python benchmarks/lifetime.py [--rounds N]

Memory: K losses over a trunk, a backward for each. Regrad runs them in a plan; PyTorch retains the graph for all but
the last, as its users do, and what it saves is counted by hooks, each storage once. Nothing is timed there, the clock
of the integral is the number of passes, so the numbers are the same on every machine.

Time: eight losses over a trunk of six layers, batch and width 256, and the gradient of each loss with respect to the
trunk's parameters: `rg.graph.grad_each` beside a loop of ``torch.autograd.grad(..., retain_graph=True)``. Each library
is in a process of its own and is asked in turn; the ratios are those of neighbours. Start reading at `main`.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import pathlib
import statistics
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

HERE = pathlib.Path(__file__).parent
THREADS = "2"
WIDTH, LAYERS, LOSSES = 256, 6, 8
MODES = {"batched": True, "loop": False, "auto": "auto"}
TARGET = 0.6


def losses_of(lib: Any, count: int, head_layers: int) -> tuple[Callable[[], list[Any]], list[Any]]:
    """(a forward, the trunk's parameters)."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return lib.tensor((rng.normal(size=shape) / WIDTH**0.5).astype(np.float32))

    trunk = [(draw(WIDTH, WIDTH).requires_grad_(), draw(WIDTH).requires_grad_()) for _ in range(LAYERS)]
    heads = [[draw(WIDTH, WIDTH).requires_grad_() for _ in range(head_layers)] for _ in range(count)]
    ends = [draw(WIDTH, 1).requires_grad_() for _ in range(count)]
    x, y = draw(WIDTH, WIDTH), draw(WIDTH, 1)

    def forward() -> list[Any]:
        h = x
        for w, b in trunk:
            h = lib.relu(h @ w + b)
        losses = []
        for layers, end in zip(heads, ends, strict=True):
            z = h
            for w in layers:
                z = lib.tanh(z @ w)
            losses.append(((z @ end - y) ** 2).mean())
        return losses

    return forward, [p for pair in trunk for p in pair]


# -- memory


class Kept:
    """A tensor that PyTorch saved, for as long as PyTorch keeps it."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


def torch_bytes(torch: Any, count: int) -> list[int]:
    """Bytes saved before the first pass and after each."""
    forward, _ = losses_of(torch, count, 2)
    kept: weakref.WeakSet[Kept] = weakref.WeakSet()

    def pack(tensor: Any) -> Kept:
        box = Kept(tensor)
        kept.add(box)
        return box

    def now() -> int:
        storages = {t.data_ptr(): t.nbytes() for t in (box.tensor.untyped_storage() for box in kept)}
        return sum(storages.values())

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda box: box.tensor):
        losses = forward()
    found = [now()]
    for k, loss in enumerate(losses):
        loss.backward(retain_graph=k < count - 1)
        gc.collect()
        found.append(now())
    return found


def regrad_bytes(rg: Any, count: int) -> list[int]:
    """The same with Regrad."""
    forward, _ = losses_of(rg, count, 2)
    losses = forward()
    found = [rg.graph.saved(*losses).nbytes]
    with rg.graph.plan(*losses):
        for loss in losses:
            loss.backward()
            found.append(rg.graph.saved(*losses).nbytes)
    return found


def memory(torch: Any) -> list[list[str]]:
    """A row for each number of losses."""
    import regrad as rg

    rows = []
    for count in (2, 4, 8, 16):
        ours = regrad_bytes(rg, count)
        row = [str(count), mib(max(ours)), mib(sum(ours)), " ".join(f"{b / 2**20:.1f}" for b in ours)]
        if torch is not None:
            theirs = torch_bytes(torch, count)
            row += [mib(max(theirs)), mib(sum(theirs)), " ".join(f"{b / 2**20:.1f}" for b in theirs)]
            row += [f"{max(ours) / max(theirs):.2f}", f"{sum(ours) / sum(theirs):.2f}"]
        rows.append(row)
    return rows


def mib(nbytes: int) -> str:
    """Bytes in MiB."""
    return f"{nbytes / 2**20:.1f}"


# -- time


def serve(name: str) -> None:
    """A child: for each line it reads, the seconds for all gradients; the forward is not timed."""
    lib = importlib.import_module(name)
    if name == "torch":
        lib.set_num_threads(int(THREADS))
    forward, parameters = losses_of(lib, LOSSES, 0)
    for line in sys.stdin:
        mode = line.strip()
        losses = forward()
        start = time.perf_counter()
        if name == "torch":
            kept = [lib.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
        else:
            kept = lib.graph.grad_each(losses, parameters, batched=MODES[mode])
        print(time.perf_counter() - start, flush=True)
        del kept, losses


class Child:
    """One library, served."""

    def __init__(self, name: str) -> None:
        env = {**os.environ, "OMP_NUM_THREADS": THREADS, "OPENBLAS_NUM_THREADS": THREADS}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )

    def ask(self, mode: str) -> float:
        """Seconds for the gradients of all losses."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(mode + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def timing(rounds: int, with_torch: bool) -> list[list[str]]:
    """A row for each way of `grad_each`."""
    children = {"regrad": Child("regrad")}
    if with_torch:
        children["torch"] = Child("torch")
    asked = [("regrad", mode) for mode in MODES] + [("torch", "loop")] * with_torch
    took: dict[tuple[str, str], list[float]] = {key: [] for key in asked}
    for k in range(rounds + 2):
        for name, mode in asked[k % len(asked) :] + asked[: k % len(asked)]:
            seconds = children[name].ask(mode)
            if k >= 2:  # warm
                took[name, mode].append(seconds)
    for child in children.values():
        child.close()
    rows = []
    for mode in MODES:
        ours = took["regrad", mode]
        row = [mode, f"{statistics.median(ours) * 1e3:.1f}", f"{min(ours) * 1e3:.1f}"]
        if with_torch:
            theirs = took["torch", "loop"]
            row += [f"{statistics.median(theirs) * 1e3:.1f}", f"{min(theirs) * 1e3:.1f}"]
            row += [f"{statistics.median(a / b for a, b in zip(ours, theirs, strict=True)):.2f}"]
            row += [f"{min(ours) / min(theirs):.2f}"]
        rows.append(row)
    return rows


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    width = len(rows[0])
    lines = [head[:width], ["---"] * width, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Measure and print; keep the tables beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    there = importlib.util.find_spec("torch") is not None
    torch = importlib.import_module("torch") if there else None
    text = "\n".join(
        [
            "# Several losses over one trunk",
            "",
            "MiB saved for backward: the most, the sum over passes, after each pass; a plan beside retained graphs.",
            "",
            table(
                ["losses", "most", "sum", "after each pass", "PyTorch: most", "sum", "after each", "ratio of most",
                 "of sums"],
                memory(torch),
            ),
            "",
            f"Milliseconds for the gradients of {LOSSES} losses by the parameters of {LAYERS} layers of {WIDTH}; two"
            f" threads each. Target: a ratio of {TARGET}.",
            "",
            table(
                ["grad_each", "median", "least", "PyTorch loop: median", "least", "ratio of neighbours",
                 "of the least"],
                timing(options.rounds, there),
            ),
            "",
        ]
    )
    print(text)
    if there:
        (HERE / "LIFETIME.md").write_text(text)


if __name__ == "__main__":
    main()
