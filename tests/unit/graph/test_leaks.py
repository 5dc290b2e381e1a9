"""Graphs that outlive their context or step; the scenarios are in tests/scenario/test_seeing.py."""

import gc
import warnings

import pytest

import regrad as rg

pytestmark = pytest.mark.usefixtures("collector_off")


def made():
    return (rg.ones(3, requires_grad=True) * 2).exp()


def test_graphs_from_before_do_not_count():
    before = made()
    with rg.graph.must_free():
        total = (before * 1).sum().item()
    assert total == pytest.approx(22.167, abs=1e-3)


def test_a_graph_without_a_tensor_is_found_by_its_node():
    with pytest.raises(rg.GraphEscapedError) as caught, rg.graph.must_free():
        node = made().grad_fn
    (escaped,) = caught.value.roots
    assert ("exp", None, 12) == escaped[:3]
    assert ["node"] == [c.name for c in escaped.holders]
    assert node.op == "exp"


def test_an_exception_from_inside_is_not_hidden():
    kept = []
    with pytest.raises(ZeroDivisionError), rg.graph.must_free():
        kept.append(made())
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), rg.graph.assert_freed():
        raise ZeroDivisionError


def test_many_escapes_are_counted_and_some_are_told_in_full():
    kept = []
    with pytest.raises(rg.GraphEscapedError, match="and 15 more") as caught, rg.graph.must_free():
        kept += [made() for _ in range(25)]
    assert 25 == len(caught.value.roots)
    assert 25 * 12 == caught.value.nbytes


def test_what_the_function_returns_is_dropped():
    rg.graph.assert_freed(made)
    rg.graph.assert_freed(lambda k: [made() for _ in range(k)], 3)


def test_a_cycle_counts_as_held():
    def cycle():
        h = made()
        loss = h.sum()
        h.register_hook(lambda g: g * loss)

    with pytest.raises(AssertionError, match="a reference cycle"):
        rg.graph.assert_freed(cycle)
    gc.collect()


def test_a_guard_wants_an_optimizer_or_nothing():
    with pytest.raises(TypeError, match="expected an optimizer"):
        rg.graph.leak_guard(3)


def test_a_guard_leaves_the_optimizer_as_it_was():
    w = rg.ones(2, requires_grad=True)
    optimizer = rg.optim.SGD([w], lr=0.1)
    kept = []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with rg.graph.leak_guard(optimizer):
            for _ in range(4):
                kept.append((w.exp() * 1).sum())
                optimizer.step()
        for _ in range(4):
            kept.append((w.exp() * 1).sum())
            optimizer.step()
    assert [rg.GraphGrowthWarning] == [w.category for w in told]


def test_a_window_of_steps_may_be_allowed():
    w = rg.ones(2, requires_grad=True)
    window = []
    with rg.graph.leak_guard(after=3) as guard:
        for _ in range(10):
            window.append((w.exp() * 1).sum())
            del window[:-3]
            guard.step()
    assert not guard.warned


def test_something_made_once_and_used_in_every_step_is_no_growth():
    w = rg.ones(2, requires_grad=True)
    table = None
    with rg.graph.leak_guard() as guard:
        for _ in range(6):
            table = w.exp() if table is None else table
            (table * 2).sum().backward(retain_graph=True)
            guard.step()
    assert not guard.warned
