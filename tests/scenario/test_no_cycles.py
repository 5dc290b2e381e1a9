"""Rows B3, B4 and J3 of docs/demands.md: with the garbage collector off, graphs die by reference counting alone."""

from __future__ import annotations

import gc
import sys
import time
import weakref

import pytest

import regrad as rg
from regrad.autograd import Function

pytestmark = pytest.mark.usefixtures("collector_off")

SAVES_ITS_OUTPUT = {
    "tanh": lambda x: x.tanh(),
    "exp": lambda x: x.exp(),
    "sigmoid": lambda x: x.sigmoid(),
    "div": lambda x: x / (x + 1),
    "pow": lambda x: x**3,
}


@pytest.mark.parametrize("name", SAVES_ITS_OUTPUT)
def test_b3_backward_with_create_graph_leaves_no_cycle(name: str) -> None:
    f = SAVES_ITS_OUTPUT[name]
    for k in range(200):
        x = rg.tensor([0.5, 1.5], dtype=rg.float64, requires_grad=True)
        y = f(x).sum()
        y.backward(create_graph=True)
        if k == 0:
            first = x.grad
            x.grad = None
            (second,) = rg.autograd.grad(first.sum(), x)
            h = 1e-6
            up = rg.tensor(x.detach().numpy() + h, requires_grad=True)
            down = rg.tensor(x.detach().numpy() - h, requires_grad=True)
            f(up).sum().backward()
            f(down).sum().backward()
            assert second.tolist() == pytest.approx(((up.grad - down.grad) / (2 * h)).tolist(), rel=1e-6)
            del first, second, up, down
        alive = weakref.ref(x)
        del x, y
        assert alive() is None
    assert rg.graph.memory_stats()["saved_bytes"] == 0


class KeepsItsOutput(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.y = x * 2
        return ctx.y

    @staticmethod
    def backward(ctx, g):
        return g * 2


def test_b4_an_output_kept_on_ctx_makes_no_cycle() -> None:
    x = rg.ones(3, requires_grad=True)
    y = KeepsItsOutput.apply(x)
    assert y.grad_fn.y.tolist() == [2.0, 2.0, 2.0]
    alive = weakref.ref(y)
    node = weakref.ref(y.grad_fn)
    del y
    assert alive() is None
    assert node() is None


def test_b4_a_hook_makes_no_cycle() -> None:
    x = rg.ones(3, requires_grad=True)
    y = x.exp()
    y.register_hook(lambda g: g * 2)
    alive, node = weakref.ref(y), weakref.ref(y.grad_fn)
    del y
    assert alive() is None
    assert node() is None


def test_b4_an_identity_pack_hook_makes_no_cycle() -> None:
    x = rg.ones(3, requires_grad=True)
    with rg.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x.exp()
    alive, node = weakref.ref(y), weakref.ref(y.grad_fn)
    del y
    assert alive() is None
    assert node() is None


def test_b4_a_hook_whose_closure_holds_the_node_goes_on_firing() -> None:
    x = rg.ones(3, requires_grad=True)
    y = x.exp()
    node = y.grad_fn
    fired = []
    y.register_hook(lambda g: fired.append(node.name()))
    z = y.sum()
    z.backward(retain_graph=True)
    gc.collect()
    z.backward()
    assert fired == ["ExpBackward0", "ExpBackward0"]


def seconds(job) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def test_j3_a_chain_of_a_million_ops_builds_runs_and_dies() -> None:
    x = rg.tensor([1.0], requires_grad=True)
    c = rg.tensor([1e-7])

    def chain(n: int) -> None:
        y = x
        for _ in range(n):
            y = y + c * y
        x.grad = None
        y.sum().backward()
        assert x.grad.item() == pytest.approx((1 + 1e-7) ** n, rel=1e-2)

    limit = sys.getrecursionlimit()
    depth = len(__import__("inspect").stack())
    sys.setrecursionlimit(depth + 200)
    try:
        chain(500_000)  # two ops each: a million nodes
        y = x
        for _ in range(1_000_000):
            y = -y
        del y  # dies without a backward
    finally:
        sys.setrecursionlimit(limit)


def test_j3_a_ladder_of_splits_and_joins_dies() -> None:
    before = rg.graph.memory_stats()["nodes"]
    x = rg.ones(4, requires_grad=True)
    y = x
    for _ in range(20_000):
        a, b = y.split(2)
        y = rg.cat([b, a])
    y.sum().backward()
    assert x.grad.tolist() == [1.0] * 4
    del y, a, b
    assert rg.graph.memory_stats()["nodes"] == before


def test_j3_the_work_grows_linearly() -> None:
    """Counted, not timed: a pass visits each node once, whatever the depth."""
    from regrad.graph.lifetime import reachable

    for n in (100, 1_000, 10_000):
        x = rg.tensor([1.0], requires_grad=True)
        y = x
        for _ in range(n):
            y = y * 1.0
        visits = []
        for node in list(reachable([y.grad_fn]).values())[:: max(1, n // 50)]:
            node.register_prehook(lambda g, visits=visits: visits.append(1))
        hooked = len(range(0, n, max(1, n // 50)))
        y.backward()
        assert len(visits) == hooked
