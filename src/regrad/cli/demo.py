"""Two losses over one encoder, on real handwritten digits: ``python -m regrad.cli.demo``.

An encoder reads scikit-learn's 1,797 digits (8 by 8 pixels). One head classifies them, another draws them again. The
network is trained three times from the same weights on the same batches; only the backward differs:

    summed     one backward of the sum of both losses
    retained   two backward calls, the first with ``retain_graph=True``
    named      two backward calls, the first with ``retain_graph=`` the second loss: it keeps exactly what that one
               will read

The gradients are equal; what the graph holds between the calls is not. A table tells, and a picture shows it.
Start reading at `WAYS`.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import regrad as rg
from regrad import nn
from regrad.nn import functional as F
from regrad.utils.data import DataLoader, TensorDataset

__all__ = ["main"]

HELD_OUT = 360
BATCH = 64
SHOWN = 20  # digits in the picture


class Digits(NamedTuple):
    """Images of shape ``(n, 64)``, pixels from 0 to 1, and the digits that they show."""

    images: Any
    labels: Any

    @classmethod
    def load(cls) -> tuple[Digits, Digits]:
        """The digits to train on and those held out, apart by a fixed shuffle."""
        try:
            from sklearn.datasets import load_digits
        except ImportError:
            sys.exit("The demonstration needs scikit-learn, for its data: pip install 'regrad[demo]'")
        images, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(images))
        images, labels = rg.tensor(images[order] / 16, dtype=rg.float32), rg.tensor(labels[order])
        return cls(images[HELD_OUT:], labels[HELD_OUT:]), cls(images[:HELD_OUT], labels[:HELD_OUT])


class Network(nn.Module):
    """An encoder under two heads: which digit it is, and the image again."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(32, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 10))
        self.decoder = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 64), nn.Sigmoid())

    def forward(self, images: Any) -> tuple[Any, Any, Any]:
        """(code, scores of the ten digits, image drawn from the code)."""
        code = self.encoder(images)
        return code, self.classifier(code), self.decoder(code)


class Step(NamedTuple):
    """A forward pass: the two losses, and the code that both were computed from."""

    code: Any
    classify: Any
    draw: Any

    @classmethod
    def forward(cls, net: Network, images: Any, labels: Any) -> Step:
        """Both losses of a batch."""
        code, scores, drawn = net(images)
        return cls(code, F.cross_entropy(scores, labels), 5 * F.mse_loss(drawn, images))


def summed(step: Step, between: Callable[[], None]) -> None:
    """One backward of the sum."""
    (step.classify + step.draw).backward()


def retained(step: Step, between: Callable[[], None]) -> None:
    """Two backward calls; the first keeps the whole graph for the second."""
    step.classify.backward(retain_graph=True)
    between()
    step.draw.backward()


def named(step: Step, between: Callable[[], None]) -> None:
    """Two backward calls; the first keeps exactly what the second will read."""
    step.classify.backward(retain_graph=step.draw)
    between()
    step.draw.backward()


WAYS = {"summed": summed, "retained": retained, "named": named}


class Run(NamedTuple):
    """What a training tells, one entry an epoch: both losses, and which part of the held-out digits is told right."""

    net: Network
    losses: list[tuple[float, float]]
    accuracy: list[float]


def accuracy(net: Network, digits: Digits) -> float:
    """Which part of the digits the network tells right."""
    net.eval()
    with rg.no_grad():
        scores = net(digits.images)[1]
    net.train()
    return float((scores.argmax(1) == digits.labels).float().mean())


def train(way: Callable[..., None], digits: Digits, held_out: Digits, epochs: int, tick: Callable[[], None]) -> Run:
    """Train a network by one of the ways; same seed, same batches."""
    rg.manual_seed(0)
    net = Network()
    optimizer = rg.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    data = TensorDataset(digits.images, digits.labels)
    loader: Any = DataLoader(data, batch_size=BATCH, shuffle=True, drop_last=True)
    schedule = rg.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
    losses, right = [], []
    for _ in range(epochs):
        total = np.zeros(2)
        for images, labels in loader:
            optimizer.zero_grad()
            step = Step.forward(net, images, labels)
            way(step, lambda: None)
            optimizer.step()
            schedule.step()
            total += step.classify.item(), step.draw.item()
        losses.append((total[0] / len(loader), total[1] / len(loader)))
        right.append(accuracy(net, held_out))
        tick()
    return Run(net, losses, right)


def seconds_per_step(digits: Digits, rounds: int = 100) -> dict[str, float]:
    """Forward, backward and optimizer step on one batch: the median time of each way, measured in turns."""
    rg.manual_seed(0)
    net = Network()
    optimizer = rg.optim.AdamW(net.parameters(), lr=3e-3)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            start = time.perf_counter()
            optimizer.zero_grad()
            way(Step.forward(net, digits.images[:BATCH], digits.labels[:BATCH]), lambda: None)
            optimizer.step()
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(times)) for name, times in seconds.items()}


def gradients(way: Callable[..., None], digits: Digits) -> np.ndarray:
    """The gradient of all parameters on the first batch, as one vector."""
    rg.manual_seed(0)
    net = Network()
    way(Step.forward(net, digits.images[:BATCH], digits.labels[:BATCH]), lambda: None)
    return np.concatenate([p.grad.numpy().ravel() for p in net.parameters()])


class Held(NamedTuple):
    """Bytes that the graph holds for backward: over a step, and after the forward and each pass."""

    over_step: list[int]
    forward: int
    between: int | None
    after: int


def held(way: Callable[..., None], digits: Digits) -> Held:
    """Follow what one step holds, op by op."""
    rg.manual_seed(0)
    net = Network()
    bytes_held: list[int] = []

    def look(*_: Any) -> None:
        bytes_held.append(rg.graph.memory_stats()["saved_bytes"] - before)

    before = rg.graph.memory_stats()["saved_bytes"]
    look()
    hooks = [m.register_forward_hook(look) for m in net.modules() if not list(m.children())]
    step = Step.forward(net, digits.images[:BATCH], digits.labels[:BATCH])
    look()
    forward, middle = bytes_held[-1], []

    def between() -> None:
        look()
        middle.append(bytes_held[-1])

    nodes = {step.classify.grad_fn, step.draw.grad_fn}
    waiting = list(nodes)
    while waiting:
        for node, _ in waiting.pop().next_functions:
            if node is not None and node not in nodes and hasattr(node, "next_functions"):
                nodes.add(node)
                waiting.append(node)
    hooks += [node.register_hook(look) for node in nodes]
    way(step, between)
    for hook in hooks:
        hook.remove()
    look()
    return Held(bytes_held, forward, middle[0] if middle else None, bytes_held[-1])


def draw(runs: dict[str, Run], bytes_held: dict[str, Held], digits: Digits, path: Path) -> None:
    """Learning curves, digits drawn again, and bytes over one step, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    styles: dict[str, Any] = {
        "summed": dict(lw=5, alpha=0.35), "retained": dict(lw=2.5, ls="--"), "named": dict(lw=1.2),
    }  # fmt: skip
    figure = plt.figure(figsize=(13, 8), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 1.15])
    curves, right, drawn, memory = (figure.add_subplot(grid[i, j]) for i in range(2) for j in range(2))
    for name, run in runs.items():
        epochs = range(1, len(run.losses) + 1)
        curves.plot(epochs, [c for c, _ in run.losses], color="C0", label=f"classify, {name}", **styles[name])
        curves.plot(epochs, [d for _, d in run.losses], color="C1", label=f"draw, {name}", **styles[name])
        right.plot(epochs, [100 * a for a in run.accuracy], color="C2", label=name, **styles[name])
        memory.plot([n / 1024 for n in bytes_held[name].over_step], label=name, **styles[name])
    curves.set(title="Losses on the training digits", xlabel="epoch", yscale="log")
    right.set(title="Held-out digits told right", xlabel="epoch", ylabel="%")
    memory.set(title="What the graph holds over one step", xlabel="forward, then backward, op by op", ylabel="KiB")
    for axes in (curves, right, memory):
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    run = runs["named"]
    run.net.eval()
    with rg.no_grad():
        _, scores, again = run.net(digits.images[:SHOWN])
    shown, half = [x.numpy().reshape(-1, 8, 8) for x in (digits.images[:SHOWN], again)], SHOWN // 2
    rows = [images[part] for part in (slice(0, half), slice(half, SHOWN)) for images in shown]
    drawn.imshow(
        np.vstack([np.hstack([np.pad(image, 1, constant_values=0.5) for image in row]) for row in rows]),
        cmap="gray_r", vmin=0, vmax=1,
    )  # fmt: skip
    told = [str(d) for d in scores.argmax(1).tolist()]
    drawn.set_xticks([10 * i + 4.5 for i in range(half)], [f"{a}\n{b}" for a, b in zip(told[:half], told[half:])])
    drawn.set_yticks([10 * i + 4.5 for i in range(4)], ["held out", "drawn again"] * 2)
    drawn.set(title="Held-out digits, drawn again from 32 numbers, and told (below)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> dict[str, Run]:
    """Run the demonstration: a table in the terminal, a picture in a file."""
    parser = argparse.ArgumentParser(
        prog="python -m regrad.cli.demo", description="Two losses over one encoder, three ways."
    )
    parser.add_argument("--epochs", type=int, default=30, help="how often each training goes over the digits (30)")
    parser.add_argument("--picture", type=Path, default=Path("regrad-demo.png"), help="where the picture goes")
    options = parser.parse_args(arguments)

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Table

    console = Console()
    digits, held_out = Digits.load()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    runs, bytes_held = {}, {}
    with Progress(*columns, console=console) as progress:
        tasks = {name: progress.add_task(f"training, {name}", total=options.epochs) for name in WAYS}
        for name, way in WAYS.items():
            bytes_held[name] = held(way, digits)
            tick = functools.partial(progress.advance, tasks[name])
            runs[name] = train(way, digits, held_out, options.epochs, tick)
        rest = progress.add_task("timing, drawing", total=2)
        seconds = seconds_per_step(digits)
        progress.advance(rest)
        draw(runs, bytes_held, held_out, options.picture)
        progress.advance(rest)

    reference = gradients(summed, digits)
    largest = np.abs(reference).max()
    apart = {name: np.abs(gradients(way, digits) - reference).max() / largest for name, way in WAYS.items()}
    rows: dict[str, Callable[[Run, Held, str], str]] = {
        "held-out digits told right": lambda run, held, name: f"{run.accuracy[-1]:.1%}",
        "loss of telling": lambda run, held, name: f"{run.losses[-1][0]:.4f}",
        "loss of drawing": lambda run, held, name: f"{run.losses[-1][1]:.4f}",
        "gradients, from those of the sum": lambda run, held, name: f"{apart[name]:.0e}" if apart[name] else "equal",
        "bytes after the forward": lambda run, held, name: f"{held.forward:,}",
        "bytes between the two calls": lambda run, held, name: "" if held.between is None else f"{held.between:,}",
        "bytes at the end": lambda run, held, name: f"{held.after:,}",
        "milliseconds a step": lambda run, held, name: f"{1000 * seconds[name]:.2f}",
    }
    table = Table(title=f"{len(digits.images):,} digits, {options.epochs} epochs, batches of {BATCH}")
    table.add_column("")
    for name in WAYS:
        table.add_column(name, justify="right")
    for row, tell in rows.items():
        table.add_row(row, *(tell(runs[name], bytes_held[name], name) for name in WAYS))
    console.print(table)
    for name, way in WAYS.items():
        console.print(f"  [bold]{name}[/bold]: {way.__doc__}")
    saved = bytes_held["retained"].between or 0
    kept = bytes_held["named"].between or 0
    console.print(
        f"Between the two calls the named way holds {kept:,} bytes, {1 - kept / saved:.0%} less than"
        " retain_graph=True; and at the end it leaves nothing behind."
    )
    console.print(f"The picture is in [bold]{options.picture.resolve()}[/bold]", soft_wrap=True)
    return runs


if __name__ == "__main__":
    main()
