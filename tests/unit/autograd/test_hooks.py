"""Hooks on tensors, leaves and nodes, on several gradients, and on saved values."""

from __future__ import annotations

from typing import Any

import pytest

import regrad as rg
from regrad.autograd import graph


def leaf(*data: float) -> Any:
    return rg.tensor(list(data), dtype=rg.float64, requires_grad=True)


def test_a_hook_sees_the_gradient_until_it_is_removed() -> None:
    x, seen = leaf(1.0, 2.0), []
    handle = x.register_hook(lambda g: seen.append(g.tolist()))
    (x * x).sum().backward()
    handle.remove()
    handle.remove()
    (x * x).sum().backward()
    assert (seen, x.grad.tolist()) == ([[2.0, 4.0]], [4.0, 8.0])


def test_hooks_run_in_order_and_each_may_replace_the_gradient() -> None:
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: None)
    x.register_hook(lambda g: g + 1)
    (x * x).sum().backward()
    assert x.grad.tolist() == [5.0, 9.0]


@pytest.mark.parametrize("retain_first", [False, True])
def test_a_retained_gradient_is_the_one_after_the_hooks(retain_first: bool) -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    if retain_first:
        y.retain_grad()
    y.register_hook(lambda g: g * 3)
    y.retain_grad()
    y.sum().backward()
    assert (y.grad.tolist(), x.grad.tolist()) == ([3.0, 3.0], [6.0, 12.0])
    assert (y.retains_grad, x.retains_grad) == (True, False)


def test_node_hooks_see_and_replace_what_goes_in_and_out() -> None:
    x, seen = leaf(1.0, 2.0), []
    y = x * 3
    y.grad_fn.register_prehook(lambda outer: (outer[0] * 5,))
    y.grad_fn.register_hook(lambda inner, outer: seen.append((inner[0].tolist(), outer[0].tolist())))
    y.grad_fn.register_hook(lambda inner, outer: (inner[0] + 1, inner[1]))
    y.sum().backward()
    assert seen == [([15.0, 15.0], [5.0, 5.0])]
    assert x.grad.tolist() == [16.0, 16.0]


def test_an_optimizer_step_in_the_backward_pass() -> None:
    x = leaf(1.0, 2.0)

    def step(p: Any) -> None:
        with rg.no_grad():
            p.sub_(p.grad * 0.25)
        p.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    assert (x.tolist(), x.grad) == ([0.5, 1.0], None)


def test_a_post_accumulate_hook_sees_the_sum() -> None:
    x, seen = leaf(1.0), []
    x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.item()))
    for _ in range(2):
        (x * x).sum().backward()
    assert seen == [2.0, 4.0]
    with pytest.raises(
        RuntimeError, match="post accumulate grad hooks cannot be registered on non-leaf tensors"
    ):
        (x * 2).register_post_accumulate_grad_hook(lambda p: None)


def test_multi_grad_hooks_wait_for_all_or_for_any() -> None:
    a, b, every, one = leaf(1.0), leaf(2.0), [], []
    with graph.register_multi_grad_hook(
        (a, b), lambda gs: every.append([None if g is None else g.item() for g in gs])
    ):
        graph.register_multi_grad_hook((a, b), lambda g: one.append(g.item()), mode="any")
        (a * b).sum().backward()
        (a * 2).sum().backward()
    (a * b).sum().backward()
    assert every == [[2.0, 1.0], [2.0, None]]
    assert len(one) == 3
    with pytest.raises(ValueError, match="Expects mode to be one of"):
        graph.register_multi_grad_hook((a,), print, mode="most")


def test_hooks_that_are_refused() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        x.detach().register_hook(print)
    x.register_hook(lambda g: 3)
    with pytest.raises(TypeError, match="returned int"):
        x.sum().backward()
    y = leaf(1.0, 2.0)
    y.register_hook(lambda g: g[:1])
    with pytest.raises(RuntimeError, match="has changed the size of value"):
        y.sum().backward()
    z = leaf(1.0) * 3
    z.grad_fn.register_hook(lambda inner, outer: (inner[0],))
    with pytest.raises(RuntimeError, match="returned 1 gradients where 2 are needed"):
        z.backward()


def test_the_innermost_saved_tensors_hooks_count() -> None:
    x, seen = leaf(1.0, 2.0), []

    def pair(name: str) -> Any:
        return graph.saved_tensors_hooks(
            lambda v: (seen.append("pack " + name), v)[1], lambda v: (seen.append("unpack " + name), v)[1]
        )

    with pair("a"):
        with pair("b"):
            y = x.exp()
        z = y * 2 * y
    z.sum().backward()
    assert seen.count("pack b") == seen.count("unpack b") == 1
    assert seen.count("pack a") == seen.count("unpack a") >= 2
    expected = (4 * (2 * x).exp()).detach()
    assert x.grad.allclose(expected)


def test_saved_values_may_be_packed_as_anything() -> None:
    x = leaf(1.0, 2.0)
    with graph.saved_tensors_hooks(
        lambda v: ("note", v.tolist()), lambda pair: rg.tensor(pair[1], dtype=rg.float64)
    ):
        y = (x * x).sum()
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0]
    with graph.saved_tensors_hooks(lambda v: v, lambda v: 3):
        y = x.exp()
    with pytest.raises(TypeError, match="int"):
        y.sum().backward()


def test_save_on_cpu_and_disabled_hooks() -> None:
    x = leaf(1.0, 2.0)
    with graph.save_on_cpu():
        y = (x * x).sum()
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0]
    with (
        graph.disable_saved_tensors_hooks("not here"),
        pytest.raises(RuntimeError, match="not here"),
        graph.save_on_cpu(),
    ):
        y = x * x


def test_saved_values_may_be_written_to_where_that_is_allowed() -> None:
    x = leaf(1.0, 2.0)
    with graph.allow_mutation_on_saved_tensors() as kept:
        y = x.clone()
        z = (y**2).sum()
        y.sin_()
        z.backward()
    assert (x.grad.tolist(), kept.copies) == ([2.0, 4.0], 1)
    y = x.clone()
    z = (y**2).sum()
    y.sin_()
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        z.backward()


def test_gradient_edges_stand_for_tensors() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    edge = graph.get_gradient_edge(y)
    assert rg.autograd.grad((y * 3).sum(), edge)[0].tolist() == [3.0, 3.0]
    rg.autograd.backward(graph.get_gradient_edge(x * 3), rg.ones(2, dtype=rg.float64))
    assert x.grad.tolist() == [3.0, 3.0]
    first, second = x.unbind(0)
    assert rg.autograd.grad(first * 2 + second * 5, graph.get_gradient_edge(second))[0].item() == 5.0
    with pytest.raises(
        RuntimeError,
        match="not possible to get the gradient edge for a Tensor that does not require gradients",
    ):
        graph.get_gradient_edge(x.detach())
