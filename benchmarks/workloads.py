"""The workloads, written once against the torch-shaped API and run with either library (see `run`).

Each function takes the library and gives a job: a function without arguments that does ``count`` units of work. Start
reading at `WORKLOADS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Job = tuple[Callable[[], Any], int]


def _pair(lib: Any, grad: bool = True) -> tuple[Any, Any]:
    a, b = lib.full((8,), 1.01), lib.full((8,), 0.99)
    return (a.requires_grad_(), b.requires_grad_()) if grad else (a, b)


def record(lib: Any) -> Job:
    """One recorded multiplication of 8 elements."""
    a, b = _pair(lib)

    def job() -> None:
        for _ in range(1000):
            a * b

    return job, 1000


def record_scalar(lib: Any) -> Job:
    """One recorded multiplication of 8 elements by a Python number."""
    a, _ = _pair(lib)

    def job() -> None:
        for _ in range(1000):
            a * 0.5

    return job, 1000


def no_grad(lib: Any) -> Job:
    """One multiplication of 8 elements under no_grad."""
    a, b = _pair(lib)

    def job() -> None:
        with lib.no_grad():
            for _ in range(1000):
                a * b

    return job, 1000


def backward_node(lib: Any) -> Job:
    """The backward of one node in a chain of 1,000 (multiplication and sine); the forward is not timed."""
    a, b = _pair(lib)
    x = a
    for _ in range(500):
        x = (x * b).sin()
    y = x.sum()

    def job() -> None:
        y.backward(retain_graph=True)

    return job, 1000


def chain(lib: Any) -> Job:
    """A chain of 20 ops (multiplication and sine), forward and backward."""
    a, b = _pair(lib)

    def job() -> None:
        for _ in range(50):
            x = a
            for _ in range(10):
                x = (x * b).sin()
            x.sum().backward()

    return job, 50


def recurrence(lib: Any) -> Job:
    """A scalar recurrence of 200 steps, forward and backward."""
    s = lib.tensor(1.0, requires_grad=True)

    def job() -> None:
        x = s
        for _ in range(200):
            x = x * 0.99 + s
        x.backward()

    return job, 1


def mlp(lib: Any) -> Job:
    """One step of a small MLP: 32 samples, 64-64-64, forward and backward."""
    w1, w2 = (lib.full((64, 64), 0.01).requires_grad_() for _ in range(2))
    x = lib.ones(32, 64)

    def job() -> None:
        for _ in range(10):
            h = (x @ w1).tanh()
            h = (h @ w2).relu()
            (h * h).mean().backward()
            w1.grad = w2.grad = None

    return job, 10


# name: (workload, what one unit is, the bar: ratio to PyTorch eager, or None)
WORKLOADS: dict[str, tuple[Callable[[Any], Job], str, float | None]] = {
    "record": (record, "recorded op", 0.75),
    "record, scalar operand": (record_scalar, "recorded op", None),
    "no-grad op": (no_grad, "op", None),
    "backward node": (backward_node, "node", None),
    "chain of 20 ops": (chain, "forward + backward", 0.6),
    "recurrence of 200 steps": (recurrence, "forward + backward", None),
    "small MLP": (mlp, "forward + backward", None),
}
