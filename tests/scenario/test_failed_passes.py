"""Rows A5 and B5 of docs/demands.md: a pass that is refused or fails changes nothing, or leaves nothing."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np
import pytest

import regrad as rg
from regrad.graph.node import Plan
from tests.scenario.looking import held

grad = rg.autograd.grad

pytestmark = pytest.mark.usefixtures("collector_off")


# -- A5: refused before anything has changed


def three_losses() -> tuple[list[rg.Tensor], list[rg.Tensor], list[rg.Tensor]]:
    x = rg.rand(50, dtype=rg.float64).requires_grad_()
    heads = [rg.rand(50, dtype=rg.float64).requires_grad_() for _ in range(3)]
    trunk = x.exp()
    return [x, *heads], [(trunk * w).tanh().sum() for w in heads], [trunk]


REFUSED = {
    "backward": lambda ls, leaves: ls[1].backward(),
    "backward of two": lambda ls, leaves: rg.autograd.backward([ls[2], ls[1]]),
    "grad": lambda ls, leaves: grad(ls[1], leaves[0]),
    "grad_each": lambda ls, leaves: rg.graph.grad_each([ls[2], ls[1]], leaves[0]),
    "grad_each, batched": lambda ls, leaves: rg.graph.grad_each([ls[2], ls[1]], leaves[0], batched=True),
    "losses together": lambda ls, leaves: rg.graph.backward({ls[2]: None, ls[1]: None}),
}


@pytest.mark.parametrize("why", ["freed", "written"])
@pytest.mark.parametrize("how", REFUSED)
def test_a5_a_refused_pass_changes_no_gradient_no_slot_and_calls_no_hook(how: str, why: str) -> None:
    leaves, losses, (trunk,) = three_losses()
    fired: list[object] = []
    if why == "freed":
        losses[0].backward()
    else:
        losses[0].backward(retain_graph=True)
        trunk.detach().mul_(2)
    for t in (*leaves, trunk):
        t.register_hook(fired.append)
    grads = [None if t.grad is None else t.grad.tolist() for t in leaves]
    states = [rg.graph.graph_state(loss) for loss in losses]
    bytes_before = held(*losses)
    with pytest.raises(rg.GraphFreedError if why == "freed" else rg.SavedModifiedError):
        REFUSED[how](losses, leaves)
    assert fired == []
    assert grads == [None if t.grad is None else t.grad.tolist() for t in leaves]
    assert leaves[2].grad is None
    assert states == [rg.graph.graph_state(loss) for loss in losses]
    assert bytes_before == held(*losses)


def test_a5_losses_of_which_the_last_is_refused_leave_all_as_it_was() -> None:
    leaves, losses, (trunk,) = three_losses()
    extra = leaves[0].sin()
    dead = (extra * 2).sum()
    dead.backward()
    leaves[0].grad = None
    with pytest.raises(rg.GraphFreedError):
        rg.graph.backward({losses[0]: None, (extra * 3).sum(): rg.graph.stop_at(trunk)})
    assert all(t.grad is None for t in leaves)
    losses[0].backward()
    assert leaves[1].grad is not None


def test_a5_an_input_that_was_not_used_is_refused_before_the_pass() -> None:
    leaves, losses, _ = three_losses()
    before = held(*losses)
    with pytest.raises(RuntimeError, match="not have been used"):
        grad(losses[0], leaves[2])
    assert before == held(*losses)
    (g,) = grad(losses[0], leaves[1])
    assert g is not None


# -- B5: a fault in the middle


class Trouble:
    """A hook that raises until it is told not to."""

    def __init__(self) -> None:
        self.on, self.calls = True, 0

    def __call__(self, g: rg.Tensor) -> None:
        self.calls += 1
        if self.on:
            raise MemoryError("planted")


def ten_nodes(hook: Trouble | None) -> tuple[rg.Tensor, rg.Tensor, list[weakref.ref]]:
    """A chain of ten ops, the fifth with the hook; weak references to what they save."""
    x = rg.rand(1000, dtype=rg.float64).requires_grad_()
    h, saved = x, []
    for k in range(9):
        h = h.tanh()
        saved.append(weakref.ref(h.array))
        if k == 4 and hook is not None:
            h.register_hook(hook)
    return x, h.sum(), saved


def chain_gradient(x: rg.Tensor) -> np.ndarray:
    h, slope = x.detach().numpy(), 1.0
    for _ in range(9):
        h = np.tanh(h)
        slope = slope * (1 - h * h)
    return slope


def planted_in_a_kernel(y: rg.Tensor, nth: int) -> Callable[[], None]:
    """From now on the rule of the n-th node from the root raises; what puts the right one back."""
    node = y.grad_fn
    for _ in range(nth):
        node = node.next_functions[0][0]
    old = node.plan

    def pull(*args: object) -> object:
        del args  # a kernel's own frame holds nothing
        raise MemoryError("planted")

    def undo() -> None:
        node.plan = old

    node.plan = Plan(
        old.op, old.mask, old.slots, old.readers, old.sources, pull, old.targets, lambda _: (pull, old.targets)
    )
    return undo


@pytest.mark.parametrize("where", ["hook", "kernel"])
def test_b5_keep_rolls_back_and_the_graph_runs_again(where: str) -> None:
    hook = Trouble() if where == "hook" else None
    x, y, _ = ten_nodes(hook)
    x.grad = rg.ones(1000, dtype=rg.float64)
    undo = planted_in_a_kernel(y, 5) if hook is None else None
    before = held(y)
    with pytest.raises(MemoryError):
        y.backward(on_error="keep")
    assert held(y) == before == 9 * 8000
    assert x.grad.tolist() == [1.0] * 1000
    if hook is not None:
        hook.on = False
    else:
        undo()
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 1 + chain_gradient(x), rtol=1e-12)
    assert held(y) == 0


@pytest.mark.parametrize("where", ["hook", "kernel"])
def test_b5_release_leaves_nothing_while_the_exception_is_still_held(where: str) -> None:
    hook = Trouble() if where == "hook" else None
    x, y, saved = ten_nodes(hook)
    if hook is None:
        planted_in_a_kernel(y, 5)
    with pytest.raises(MemoryError) as caught:
        y.backward(on_error="release")
    assert caught.value.__traceback__ is not None
    assert held(y) == rg.graph.memory_stats()["saved_bytes"] == 0
    assert [ref() for ref in saved] == [None] * 9
    assert x.grad is None
    with pytest.raises(rg.GraphFreedError):
        y.backward()


def test_b5_by_default_a_failing_hook_keeps_and_release_frees_in_one_go() -> None:
    hook = Trouble()
    x, y, saved = ten_nodes(hook)
    with pytest.raises(MemoryError):
        y.backward()
    assert held(y) == 9 * 8000
    assert rg.graph.release(y) == 9 * 8000
    assert [ref() for ref in saved] == [None] * 9
    assert x.grad is None


def test_b5_by_default_a_failing_kernel_leaves_nothing_but_what_is_to_be_kept() -> None:
    x = rg.rand(1000, dtype=rg.float64).requires_grad_()
    trunk = x.tanh().tanh()
    l1, l2 = trunk.sin().tanh().tanh().sum(), trunk.exp().sum()
    of_l2 = held(l2)
    planted_in_a_kernel(l1, 2)
    with pytest.raises(MemoryError):
        l1.backward(retain_graph=l2)
    assert held(l1, l2) == of_l2
    l2.backward()
    assert x.grad is not None


def test_b5_several_losses_fail_together() -> None:
    leaves, losses, (trunk,) = three_losses()
    hook = Trouble()
    handle = leaves[3].register_hook(hook)
    before = held(*losses)
    together = {losses[0]: None, losses[1]: rg.graph.stop_at(trunk), losses[2]: None}
    with pytest.raises(MemoryError):
        rg.graph.backward(together)
    assert all(t.grad is None for t in leaves)
    assert held(*losses) == before
    handle.remove()
    rg.graph.backward(together)
    assert held(*losses) == 0
    again, fresh, _ = three_losses()
    for a, b in zip(again, leaves, strict=True):
        a.data.copy_(b.data)
    t = again[0].exp()
    fresh = [((t if k != 1 else t.detach()) * w).tanh().sum() for k, w in enumerate(again[1:])]
    sum(fresh[1:], fresh[0]).backward()
    for a, b in zip(again, leaves, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12)


def test_b5_several_losses_are_released_together() -> None:
    leaves, losses, (trunk,) = three_losses()
    leaves[3].register_hook(Trouble())
    with pytest.raises(MemoryError):
        rg.graph.backward({loss: rg.graph.stop_at(trunk) for loss in losses}, on_error="release")
    assert held(*losses) == 0
    assert all(t.grad is None for t in leaves)


def test_b5_a_failed_pass_of_a_plan_is_still_to_come() -> None:
    leaves, losses, _ = three_losses()
    hook = Trouble()
    leaves[2].register_hook(hook)
    with rg.graph.plan(*losses) as plan:
        losses[0].backward()
        kept = held(*losses)
        with pytest.raises(MemoryError):
            losses[1].backward()
        assert (plan.pending, held(*losses)) == (2, kept)
        hook.on = False
        losses[1].backward()
        losses[2].backward()
    assert held(*losses) == 0
    assert all(t.grad is not None for t in leaves)
