"""The situations in which people meet ``retain_graph``: values, what is kept or freed, and errors are PyTorch's.

The expected numbers are worked out by hand beside each test.
"""

from __future__ import annotations

import pytest

import regrad as rg


def test_a_single_loss_needs_nothing() -> None:
    """y = x^2 + 3x at 2: dy/dx = 2x + 3 = 7; afterwards the graph holds no bytes."""
    x = rg.tensor(2.0, requires_grad=True)
    y = x**2 + 3 * x
    assert rg.graph.saved(y).nbytes > 0
    y.backward()
    assert x.grad.item() == 7.0
    assert rg.graph.saved(y).nbytes == 0
    assert rg.graph.graph_state(y) == "consumed"


def test_a_second_backward_fails() -> None:
    x = rg.tensor(2.0, requires_grad=True)
    y = x**2
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()
    assert x.grad.item() == 4.0


def test_retain_graph_allows_a_second_backward_and_gradients_add_up() -> None:
    """dy/dx = 2x = 4, twice: 8."""
    x = rg.tensor(2.0, requires_grad=True)
    y = x**2
    y.backward(retain_graph=True)
    kept = rg.graph.saved(y).nbytes
    y.backward()
    assert x.grad.item() == 8.0
    assert kept > 0
    assert rg.graph.saved(y).nbytes == 0


def shared_trunk() -> tuple[rg.Tensor, rg.Tensor, rg.Tensor]:
    """h = 3x^2 at x = 2, l1 = h^2, l2 = 5h: dl1/dx = 2h * 6x = 288, dl2/dx = 5 * 6x = 60."""
    x = rg.tensor(2.0, requires_grad=True)
    h = 3 * x**2
    return x, h**2, 5 * h


def test_two_losses_over_one_trunk_need_the_first_pass_to_retain() -> None:
    x, l1, l2 = shared_trunk()
    l1.backward(retain_graph=True)
    assert x.grad.item() == 288.0
    l2.backward()
    assert x.grad.item() == 348.0


def test_two_losses_without_retain_fail_at_the_second() -> None:
    x, l1, l2 = shared_trunk()
    l1.backward()
    with pytest.raises(rg.GraphFreedError) as caught:
        l2.backward()
    assert caught.value.cause == "SHARED_TRUNK"
    assert x.grad.item() == 288.0


def test_the_sum_of_two_losses_needs_nothing() -> None:
    x, l1, l2 = shared_trunk()
    (l1 + l2).backward()
    assert x.grad.item() == 348.0


def test_order_matters_only_for_who_must_retain() -> None:
    x, l1, l2 = shared_trunk()
    l2.backward(retain_graph=True)
    l1.backward()
    assert x.grad.item() == 348.0
    with pytest.raises(rg.GraphFreedError):
        l2.backward()


def test_losses_that_share_only_leaves_need_nothing() -> None:
    x = rg.tensor(2.0, requires_grad=True)
    l1, l2 = x**2, x**3
    l1.backward()
    l2.backward()
    assert x.grad.item() == 4.0 + 12.0


def test_gradients_of_two_inner_layers_from_one_graph() -> None:
    """x = 2, h1 = x^2 = 4, h2 = h1^2 = 16, y = h2^2: dy/dh2 = 32, dy/dh1 = 32 * 8 = 256."""
    x = rg.tensor(2.0, requires_grad=True)
    h1 = x**2
    h2 = h1**2
    y = h2**2
    (g2,) = rg.autograd.grad(y, h2, retain_graph=True)
    (g1,) = rg.autograd.grad(y, h1)
    assert (g2.item(), g1.item()) == (32.0, 256.0)
    assert x.grad is None
    with pytest.raises(rg.GraphFreedError):
        rg.autograd.grad(y, h1)


def test_a_partial_pass_frees_only_what_it_executed() -> None:
    """grad(y, h2) runs only the last node: the trunk is still alive, but y's own node is not."""
    x = rg.tensor(2.0, requires_grad=True)
    h1 = x**2
    h2 = h1**2
    y = h2**2
    rg.autograd.grad(y, h2)
    assert rg.graph.graph_state(y) == "partial"
    h2.backward()
    assert x.grad.item() == 8.0 * 4.0


def test_retained_gradients_of_inner_tensors() -> None:
    x = rg.tensor(2.0, requires_grad=True)
    h = x**2
    h.retain_grad()
    y = h * 3
    y.backward()
    assert (h.grad.item(), x.grad.item()) == (3.0, 12.0)


def test_create_graph_keeps_the_graph_and_gives_second_derivatives() -> None:
    """y = x^3: y' = 3x^2 = 12, y'' = 6x = 12."""
    x = rg.tensor(2.0, requires_grad=True)
    y = x**3
    (g,) = rg.autograd.grad(y, x, create_graph=True)
    (gg,) = rg.autograd.grad(g, x)
    assert (g.item(), gg.item()) == (12.0, 12.0)
    y.backward()
    assert x.grad.item() == 12.0


def test_kept_graphs_cost_memory_until_the_last_pass() -> None:
    x = rg.ones(1000, requires_grad=True)
    losses = [(x.exp() * k).sum() for k in range(4)]
    each = rg.graph.saved(losses[0]).nbytes
    assert each == 4000
    assert rg.graph.saved(*losses).nbytes == 4 * each
    for k, loss in enumerate(losses):
        loss.backward()
        assert rg.graph.saved(*losses).nbytes == (3 - k) * each
