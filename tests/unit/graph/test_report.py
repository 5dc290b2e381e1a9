"""What a graph holds: records, tables, bytes that agree with a walk of one's own, and the states of a root."""

import gc
import inspect

import numpy as np
import pytest

import regrad as rg
from regrad.graph.node import Node


def owner(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def walked():
    """Bytes of all arrays that nodes hold, found by looking at every object there is."""
    found = {}
    for thing in gc.get_objects():
        if isinstance(thing, Node) and isinstance(thing.saved, tuple):
            stack = list(thing.saved)
            while stack:
                entry = stack.pop()
                if isinstance(entry, np.ndarray):
                    found[id(owner(entry))] = owner(entry).nbytes
                elif isinstance(entry, tuple):
                    stack.extend(entry)
    return sum(found.values())


def graph():
    x = rg.ones(4, requires_grad=True)
    return x, (x * x).exp().sum()


def test_records_say_what_is_held():
    x, y = graph()
    line = inspect.getsourcelines(graph)[1] + 2
    records = rg.graph.saved(y)
    assert ["mul", "mul", "exp"] == [r.op for r in records]
    assert ["b", "a", "out"] == [r.slot for r in records]
    assert [16, 0, 16] == [r.unique for r in records]
    assert [True, True, False] == [r.is_param for r in records]
    assert [("a",), ("b",), ("x",)] == [r.readers for r in records]
    assert {((4,), "float32", 16, (__file__, line))} == {
        (r.shape, r.dtype, r.nbytes, r.made_at[:2]) for r in records
    }
    assert 32 == records.nbytes
    assert x.is_leaf


def test_records_are_grouped():
    _, y = graph()
    records = rg.graph.saved(y)
    assert {"mul": 16, "exp": 16} == records.by("op")
    assert {"mul.b": 16, "mul.a": 0, "exp.out": 16} == records.by("slot")
    assert [32] == list(records.by("line").values())
    with pytest.raises(ValueError, match="choose 'line', 'op', 'slot'"):
        records.by("colour")


def test_a_difference_of_reports():
    x = rg.ones(4, requires_grad=True)
    h = x * x
    before = rg.graph.saved(h)
    after = rg.graph.saved(h.exp())
    assert ["exp"] == [r.op for r in after.diff(before)]
    assert [] == list(before.diff(after))


def test_a_report_prints_as_a_table():
    _, y = graph()
    place = f"{__file__}:{inspect.getsourcelines(graph)[1] + 2}"
    assert [
        "op   slot  shape  dtype    bytes  unique  read for  made at",
        f"mul  b     [4]    float32     16      16  a         {place}",
        f"mul  a     [4]    float32     16       0  b         {place}",
        f"exp  out   [4]    float32     16      16  x         {place}",
        "3 arrays, 32 bytes",
    ] == repr(rg.graph.saved(y)).split("\n")


def test_bytes_equal_a_walk_over_all_objects():
    x = rg.rand(50, 50, requires_grad=True)
    h = (x @ x.t()).tanh()
    parts = h.split(10)
    y = rg.cat(parts).softmax(1)[3:] * h[3:]
    z = y.max(0)[0].sum() + x.var()
    assert walked() == rg.graph.memory_stats()["saved_bytes"] > 0
    z.backward()
    assert walked() == rg.graph.memory_stats()["saved_bytes"]


def test_memory_that_is_shared_counts_once():
    x = rg.ones(100, requires_grad=True)
    assert 400 == rg.graph.saved(x[:50] * x[50:]).nbytes


def test_a_pass_frees_what_it_ran():
    _, y = graph()
    y.backward(retain_graph=True)
    assert 32 == rg.graph.saved(y).nbytes
    y.backward()
    assert 0 == rg.graph.saved(y).nbytes


def test_states_of_a_root():
    x, y = graph()
    assert ("leaf", "live") == (rg.graph.graph_state(x), rg.graph.graph_state(y))
    z = y * y
    y.backward()
    assert ("consumed", "partial") == (rg.graph.graph_state(y), rg.graph.graph_state(z))


def test_nodes_die_with_their_root():
    gc.collect()
    before = rg.graph.memory_stats()["nodes"]
    _, y = graph()
    assert before + 3 == rg.graph.memory_stats()["nodes"]
    del y
    assert before == rg.graph.memory_stats()["nodes"]


# -- trees


def test_leaves_in_the_order_of_first_use():
    a, b, c = (rg.ones(1, requires_grad=True) for _ in range(3))
    y = b * c + a
    assert [id(b), id(c), id(a)] == [id(t) for t in rg.graph.leaves(y)]
    assert [id(b), id(c), id(a)] == [id(t) for t in rg.graph.leaves(y, a)]
    del c
    assert 2 == len(rg.graph.leaves(y))


def test_a_tree_is_cut_from_its_graphs():
    h = rg.ones(1, requires_grad=True) * 2
    tree = rg.graph.detach_tree({"a": (h, [h, None]), "b": 3})
    assert 3 == tree["b"]
    assert not tree["a"][0].requires_grad
    assert tree["a"][1][1] is None
    values = rg.graph.detach_tree((rg.rand(3, requires_grad=True) * 1).max(0))
    assert not values.values.requires_grad
