"""The situations behind ``retain_graph``, on a real regression problem: ``python -m regrad.cli.tour``.

The data are scikit-learn's 442 diabetes patients. A small network is trained first; on its graph the situations follow,
each with what the graph holds before and after. Start reading at `SITUATIONS`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import regrad as rg

__all__ = ["main"]


def data() -> tuple[Any, Any]:
    """Ten measurements of each patient, and the disease's progression a year later, both scaled."""
    try:
        from sklearn.datasets import load_diabetes
    except ImportError:
        sys.exit("The tour needs scikit-learn, for its data: pip install 'regrad[demo]'")
    x, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    return rg.tensor(x / x.std(axis=0), dtype=rg.float32), rg.tensor(y[:, None], dtype=rg.float32)


class Network:
    """A trunk of one hidden layer under two heads: the progression, and the measurements themselves again."""

    def __init__(self) -> None:
        rg.manual_seed(0)
        self.trunk, self.head, self.back = (self._layer(n, m) for n, m in ((10, 32), (32, 1), (32, 10)))
        self.parameters = [self.trunk, self.head, self.back]
        for name, p in zip(("trunk.weight", "head.weight", "back.weight"), self.parameters, strict=True):
            p.name = name

    @staticmethod
    def _layer(n: int, m: int) -> Any:
        return (rg.randn(n, m) / n**0.5).requires_grad_()

    def losses(self, x: Any, y: Any) -> tuple[Any, Any, Any]:
        """(hidden layer, loss of the progression, loss of the reconstruction)."""
        hidden = (x @ self.trunk).tanh()
        return hidden, ((hidden @ self.head - y) ** 2).mean(), ((hidden @ self.back - x) ** 2).mean()

    def step(self, rate: float) -> None:
        """One step of gradient descent."""
        with rg.no_grad():
            for p in self.parameters:
                if p.grad is not None:
                    p -= rate * p.grad
                    p.grad = None


def train(net: Network, x: Any, y: Any, steps: int, tick: Callable[[], None]) -> tuple[float, float]:
    """Train on the sum of both losses; returns the first and the last progression loss."""
    first = last = 0.0
    for k in range(steps):
        _, progression, reconstruction = net.losses(x, y)
        (progression + 0.1 * reconstruction).backward()
        net.step(0.1)
        last = progression.item()
        first = first if k else last
        tick()
    return first, last


def held(*roots: Any) -> int:
    """Bytes that the graphs of ``roots`` hold."""
    return rg.graph.saved(*roots).nbytes


def one_loss(net: Network, x: Any, y: Any) -> tuple[int, int, str]:
    """One loss, one backward: nothing to retain."""
    _, loss, _ = net.losses(x, y)
    before = held(loss)
    loss.backward()
    return before, held(loss), f"|trunk.grad| = {net.trunk.grad.norm().item():.4f}"


def two_losses(net: Network, x: Any, y: Any) -> tuple[int, int, str]:
    """Two losses on one trunk: backward(retain_graph=True), then a plain backward."""
    _, one, two = net.losses(x, y)
    before = held(one, two)
    one.backward(retain_graph=True)
    between = held(one, two)
    two.backward()
    return (
        before,
        held(one, two),
        f"{between:,} bytes between the passes; |trunk.grad| = {net.trunk.grad.norm().item():.4f}",
    )


def summed(net: Network, x: Any, y: Any) -> tuple[int, int, str]:
    """The same two losses, summed: the same gradient without retaining."""
    _, one, two = net.losses(x, y)
    before = held(one, two)
    (one + two).backward()
    return before, held(one, two), f"|trunk.grad| = {net.trunk.grad.norm().item():.4f}"


def inner_gradients(net: Network, x: Any, y: Any) -> tuple[int, int, str]:
    """Gradients by two inner layers from one graph: retain the first time only."""
    before_tanh = x @ net.trunk
    hidden = before_tanh.tanh()
    loss = ((hidden @ net.head - y) ** 2).mean()
    before = held(loss)
    (by_hidden,) = rg.autograd.grad(loss, hidden, retain_graph=True)
    (by_input,) = rg.autograd.grad(loss, before_tanh)
    return (
        before,
        held(loss),
        f"|d/d tanh| = {by_hidden.norm().item():.4f}, |d/d input of tanh| = {by_input.norm().item():.4f}",
    )


def second_backward(net: Network, x: Any, y: Any) -> tuple[int, int, str]:
    """A second backward over a freed graph: refused, with the story."""
    _, loss, _ = net.losses(x, y)
    before = held(loss)
    loss.backward()
    try:
        loss.backward()
    except rg.GraphFreedError as error:
        return before, held(loss), str(error)
    raise AssertionError("a second backward over a freed graph went through")


SITUATIONS = [one_loss, two_losses, summed, inner_gradients, second_backward]


def main() -> None:
    """Run the tour."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.progress import Progress
    from rich.table import Table

    console = Console()
    x, y = data()
    net = Network()
    steps = 300
    with Progress(console=console) as progress:
        task = progress.add_task(f"training on {x.shape[0]} patients", total=steps)
        first, last = train(net, x, y, steps, lambda: progress.advance(task))
    console.print(
        f"mean squared error of the progression (its variance is 1): {first:.3f} before, {last:.3f} after"
        f" {steps} steps"
    )
    table = Table(
        "situation", "bytes held before", "after", "outcome", title="What a graph holds for backward"
    )
    stories = []
    for situation in SITUATIONS:
        for p in net.parameters:
            p.grad = None
        before, after, outcome = situation(net, x, y)
        if "\n" in outcome:
            stories.append(outcome)
            outcome = "GraphFreedError, told below"
        table.add_row(situation.__doc__ or "", f"{before:,}", f"{after:,}", outcome)
    console.print(table)
    for story in stories:
        console.print(Panel(story, title="what the error says", highlight=False))


if __name__ == "__main__":
    main()
