"""A graph's life in words, its states, and the list of what is alive."""

import gc

import pytest

import regrad as rg
from regrad.graph import tracking
from tests.scenario.looking import line_of


def made():
    x = rg.ones(4, requires_grad=True)
    return x, x.exp(), (x.exp() * x).sum()


def test_a_live_graph_can_be_run():
    _, _, y = made()
    life = rg.graph.explain(y)
    assert ("live", "sum", 3, 32, (), "runs") == (life.state, life.op, life.nodes, life.nbytes, life.passes, life.next)
    assert "state:     live; 3 nodes hold 32 bytes" in repr(life)
    assert "a further backward runs" in repr(life)


def test_passes_are_told_in_order_with_what_they_freed():
    _, _, y = made()
    y.backward(retain_graph=True)  # keeps
    y.backward()  # frees
    life = rg.graph.explain(y)
    assert ("consumed", "GraphFreedError", "SAME_ROOT_TWICE") == (life.state, life.next, life.cause)
    assert [(line_of("# keeps"), True), (line_of("# frees"), False)] == [(p.place.line, p.kept) for p in life.passes]
    assert "kept the graph" in repr(life)
    assert f"{__file__}:{line_of('# frees')} freed" in repr(life)


def test_what_another_loss_has_freed_is_told():
    x, _, _ = made()
    trunk = x.exp()
    one, two = trunk.sum(), trunk.sin().sum()
    one.backward()
    life = rg.graph.explain(two)
    assert ("partial", "SHARED_TRUNK") == (life.state, life.cause)
    assert [(1, ("exp",), False)] == [(p.freed, p.ops, p.ours) for p in life.passes]


def test_a_written_value_is_told():
    x = rg.ones(2, requires_grad=True)
    h = x * 1
    y = (h * h).sum()
    with rg.no_grad():
        h.add_(1)
    life = rg.graph.explain(y)
    assert ("live", "SavedModifiedError") == (life.state, life.next)
    assert "h written by" in life.cause


def test_a_leaf_has_no_graph():
    x, _, _ = made()
    assert ("leaf", "nothing") == (rg.graph.explain(x).state, rg.graph.explain(x).next)
    assert "no graph" in repr(rg.graph.explain(rg.ones(1)))
    with pytest.raises(TypeError, match="expected a tensor or a node"):
        rg.graph.explain(3)


def test_states():
    x, h, y = made()
    assert ("leaf", "live", "live") == (x.graph_state, h.graph_state, y.graph_state)
    y.backward()
    assert ("live", "consumed") == (h.graph_state, y.graph_state)
    rg.graph.release(h)
    assert "released" == h.graph_state == rg.graph.explain(h).state
    assert "RELEASED" == rg.graph.explain(h).cause
    a, b = rg.ones(2, requires_grad=True), rg.ones(2, requires_grad=True)
    z = a * b
    rg.autograd.grad(z.sum(), a, release="used")
    assert "partial" == z.graph_state


def test_explaining_changes_nothing():
    x, _, y = made()
    before = rg.graph.memory_stats()
    rg.graph.explain(y)
    assert before == rg.graph.memory_stats()
    y.backward()
    assert x.grad is not None


def test_only_the_last_tensor_of_a_graph_is_a_root_and_shared_bytes_count_once():
    gc.collect()
    x = rg.ones(4, requires_grad=True)
    trunk = x.exp()
    one, two = trunk.sum(), trunk.sin().sum()
    mine = [r for r in rg.graph.alive() if r.tensor is one or r.tensor is two or r.tensor is trunk]
    assert [one, two] == [r.tensor for r in mine]
    assert [16, 16] == [r.nbytes for r in mine]  # sin reads the result of exp, which is saved already
    assert [16, 0] == [r.unique for r in mine]


def test_ages_are_exact_while_tracked_and_bounds_else():
    x = rg.ones(4, requires_grad=True)
    loose = x.exp()
    with rg.graph.track_memory():
        timed = x.exp()
        mine = {id(r.tensor): r for r in rg.graph.alive()}
    assert not tracking.tracker.on
    assert mine[id(timed)].timed
    assert mine[id(timed)].seconds < 60
    (r,) = [r for r in rg.graph.alive() if r.tensor is loose]
    assert not r.timed
    assert r.age.startswith("< ")


def test_spent_roots_are_not_alive():
    x = rg.ones(4, requires_grad=True)
    y = x.exp().sum()
    y.backward()
    assert [] == [r for r in rg.graph.alive() if r.tensor is y]
