"""Gradients never share memory with each other, with a user's array or with a saved value."""

from __future__ import annotations

import tracemalloc

import numpy as np

import regrad as rg


def apart(*tensors: rg.Tensor) -> bool:
    return not any(np.shares_memory(a.numpy(), b.numpy()) for k, a in enumerate(tensors) for b in tensors[:k])


def test_two_leaves_of_one_sum_get_gradients_of_their_own() -> None:
    a, b = (rg.ones(3, requires_grad=True) for _ in range(2))
    (a + b).sum().backward()
    assert apart(a.grad, b.grad)
    a.grad.add_(1)
    assert b.grad.tolist() == [1.0] * 3


def test_a_cotangent_stays_the_users() -> None:
    a, b, g = rg.ones(3, requires_grad=True), rg.ones(3, requires_grad=True), rg.ones(3)
    (a + 0).backward(g)
    b.backward(g)
    assert apart(a.grad, b.grad, g)


def test_returned_gradients_are_apart() -> None:
    a, b = (rg.ones(3, requires_grad=True) for _ in range(2))
    assert apart(*rg.autograd.grad((a + b).sum(), (a, b)))
    h = a * 1
    assert apart(*rg.autograd.grad(h.sum(), (a, h)))


def test_a_gradient_is_no_view_of_a_saved_value() -> None:
    a = rg.ones(2, 3, requires_grad=True)
    w = rg.rand(3, 2)
    y = (a * w.t()).sum()
    y.backward(retain_graph=True)
    a.grad.zero_()
    a.grad = None
    y.backward()
    assert a.grad.tolist() == w.t().tolist()


def test_a_gradient_that_nobody_else_holds_is_not_copied() -> None:
    size = 1_000_000
    a = rg.ones(size, requires_grad=True)
    y = (a * 2.0).sum()
    tracemalloc.start()
    y.backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 4 * size <= peak < 6 * size


def test_a_scalar_leaf_can_be_its_own_root() -> None:
    x = rg.tensor(2.0, requires_grad=True)
    x.backward()
    x.backward()
    assert x.grad.item() == 2.0
    x.grad.zero_()
    y = rg.tensor(2.0, requires_grad=True)
    y.backward(create_graph=True)
    y.grad.detach().zero_()
    z = rg.tensor(3.0, requires_grad=True)
    z.backward()
    assert z.grad.item() == 1.0


def test_multiplying_by_a_number_holds_no_bytes() -> None:
    t = rg.ones(1000, requires_grad=True)
    for y in (t * 2.0, 2.0 * t, t + 1, 1 - t, -t, t / 4):
        assert rg.graph.saved(y).nbytes == 0
    assert rg.graph.saved(t * t).nbytes == 4000
    assert rg.graph.saved(t.exp()).nbytes == 4000
    assert rg.graph.saved(t * rg.ones(1000)).nbytes == 4000
