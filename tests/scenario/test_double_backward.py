"""Rows A1, A2, A3 and A5 of docs/demands.md: a second backward, what its error says, and what it leaves untouched."""

from __future__ import annotations

import gc
import inspect

import pytest

import regrad as rg
from tests.scenario.looking import line_of


def test_a1_a_graph_built_outside_the_loop_fails_with_the_story() -> None:
    x = rg.tensor([1.0, 2.0, 3.0])
    w = rg.tensor([0.5, 0.5, 0.5], requires_grad=True)
    out = (x * w).tanh()  # forward
    loss = (out * out).sum()
    with pytest.raises(rg.GraphFreedError) as caught:
        for _ in range(2):
            loss.backward()  # the pass
            w.data -= 0.1 * w.grad
    error = caught.value
    made = {line_of("# forward"), line_of("loss = (out")}
    assert error.made_at.line in made
    assert error.freed_at.line == line_of("# the pass")
    assert error.freed_at.file == __file__
    assert error.cause == "SAME_ROOT_TWICE"
    assert "forward" in error.advice
    assert "inside the loop" in error.advice
    assert "retain_graph=True" not in error.advice
    assert str(error).startswith("Trying to backward through the graph a second time")


def cell(x: rg.Tensor, h: rg.Tensor, w: rg.Tensor) -> tuple[rg.Tensor, rg.Tensor]:
    h = (x * w + h * w).tanh()
    return h * w, h


def test_a2_state_carried_across_steps_is_named() -> None:
    w = rg.tensor([0.5, -0.5], requires_grad=True)
    h = rg.zeros(2)
    with pytest.raises(rg.GraphFreedError) as caught:
        for step in range(2):
            y, h = cell(rg.ones(2) * step, h, w)
            y.sum().backward()
    error = caught.value
    assert error.cause == "STALE_INPUT"
    assert error.boundary.name == "h"
    assert error.boundary.shape == (2,)
    assert error.boundary.op == "tanh"
    _, first = inspect.getsourcelines(cell)
    assert error.boundary.made_at.line == error.boundary.read_at.line == first + 1
    assert "detach it between steps" in error.advice


def test_a2_detach_tree_lets_the_loop_run_in_constant_bytes() -> None:
    gc.collect()  # graphs that the tracebacks of earlier tests hold
    w = rg.tensor([0.5, -0.5], requires_grad=True)
    state = {"h": rg.zeros(2), "more": (rg.zeros(2), None)}
    seen = set()
    for step in range(1000):
        y, h = cell(rg.ones(2), state["h"], w)
        state = {"h": h, "more": (y, None)}
        y.sum().backward()
        state = rg.graph.detach_tree(state)
        w.grad = None
        if step % 100 == 0:
            seen.add(rg.graph.memory_stats()["saved_bytes"])
    assert seen == {0}


TRUNKS = {
    "add": lambda t: t + 1,
    "neg": lambda t: -t,
    "expand": lambda t: t.expand(2, 3),
    "mul": lambda t: 2 * t,
    "exp": lambda t: t.exp(),
}


def shared(name: str) -> str:
    t = rg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    k = TRUNKS[name](t)
    l1, l2 = k.sum(), (k + 1).sum()
    l1.backward()
    try:
        l2.backward()
    except rg.GraphFreedError as error:
        assert error.op == name
        return error.cause
    return "ok"


def test_a3_by_default_a_shared_trunk_behaves_as_in_pytorch() -> None:
    assert {name: shared(name) for name in TRUNKS} == {
        "add": "ok",
        "neg": "ok",
        "expand": "ok",
        "mul": "SHARED_TRUNK",
        "exp": "SHARED_TRUNK",
    }


def test_a3_strict_refuses_every_consumed_node() -> None:
    with rg.graph.strict():
        assert {shared(name) for name in TRUNKS} == {"SHARED_TRUNK"}


def test_a3_the_shared_nodes_are_listed() -> None:
    t = rg.tensor([1.0], requires_grad=True)
    k = t.exp()
    l1, l2 = (k * 2).sum(), (k * 3).sum()
    l1.backward()
    with pytest.raises(rg.GraphFreedError) as caught:
        l2.backward()
    assert [n.op for n in caught.value.shared] == ["exp"]


def test_a5_a_refused_backward_leaves_everything_as_it_was() -> None:
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    w1 = rg.tensor([3.0, 4.0], requires_grad=True)
    w2 = rg.tensor([5.0, 6.0], requires_grad=True)
    trunk = x.exp()
    l1, l2 = (trunk * w1).sum(), (trunk * w2).sum()
    l1.backward()
    fired = []
    w2.register_hook(fired.append)
    trunk.register_hook(fired.append)
    before = (x.grad.clone(), w1.grad.clone(), rg.graph.memory_stats())
    with pytest.raises(rg.GraphFreedError):
        l2.backward()
    assert w2.grad is None
    assert fired == []
    assert bool((x.grad == before[0]).all())
    assert bool((w1.grad == before[1]).all())
    assert rg.graph.memory_stats() == before[2]
    l3 = (w2 * 2).sum()
    l3.backward()
    assert w2.grad.tolist() == [2.0, 2.0]


def test_a_failing_hook_rolls_gradients_back_and_keeps_the_graph() -> None:
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    h = x.exp()
    y = (h * x).sum()

    def trouble(_: rg.Tensor) -> None:
        raise MemoryError("planted")

    handle = h.register_hook(trouble)
    held = rg.graph.memory_stats()["saved_bytes"]
    with pytest.raises(MemoryError):
        y.backward()
    assert x.grad is None
    assert rg.graph.memory_stats()["saved_bytes"] == held
    handle.remove()
    y.backward()
    assert x.grad.tolist() == pytest.approx([2 * 2.718281828, 3 * 7.389056], rel=1e-6)


@pytest.mark.parametrize("repeat", [1, 2])
def test_the_pass_in_another_thread_is_named(repeat: int) -> None:
    import threading

    x = rg.tensor([1.0], requires_grad=True)
    y = (x * x).sum()
    worker = threading.Thread(target=y.backward, name=f"worker-{repeat}")
    worker.start()
    worker.join()
    with pytest.raises(rg.GraphFreedError, match=f"worker-{repeat}"):
        y.backward()
