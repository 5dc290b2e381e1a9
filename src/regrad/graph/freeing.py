"""Freeing on purpose: saved values that no backward will read, and what lies behind a tensor.

`release` lets go of values and leaves the graph as it is; `cut_behind` makes a constant of what lies behind a tensor.
"""

from __future__ import annotations

import weakref
from typing import Any

from regrad.graph import engine, lifetime, observers, report, slots
from regrad.graph.lifetime import reachable
from regrad.graph.node import Leaf, Node, Output, Plan, stop_key, tick
from regrad.graph.provenance import site
from regrad.graph.value import Value, edge_now, root

__all__ = ["cut_behind", "release"]


def _nodes(things: Any, what: str) -> dict[int, Node]:
    """What the graphs of these tensors consist of."""
    things = things if isinstance(things, (list, tuple)) else (things,)
    for k, t in enumerate(things):
        if not isinstance(t, Value):
            raise TypeError(f"rg.graph.release: {what} {k} is no tensor but a {type(t).__name__}")
    return reachable(edge_now(t) for t in things)


def release(*roots: Any, below: Any = None, keep: Any = None) -> int:
    """Free the values that the graphs of ``roots`` hold for backward; returns the bytes that this set free.

    ``below``  free only what this tensor (or several) was computed from
    ``keep``   do not free what these tensors were computed from

    Values of tensors stay; a backward that needs what was freed raises `GraphFreedError`, which names this call.

    >>> x = rg.ones(100, requires_grad=True)
    >>> h = x.exp()
    >>> loss = (h * h).sum()
    >>> rg.graph.release(loss)
    400
    >>> round(loss.item())
    739
    """
    if not roots:
        raise TypeError("rg.graph.release: give at least one tensor whose graph is to be released")
    nodes = _nodes(list(roots), "argument")
    going = dict(nodes)
    if below is not None:
        under = _nodes(below, "below")
        going = {seq: n for seq, n in going.items() if seq in under}
    if keep is not None:
        kept = _nodes(keep, "keep")
        going = {seq: n for seq, n in going.items() if seq not in kept}
    before = lifetime.saved_bytes(nodes.values())
    by = engine.new_pass("release", [edge_now(t) for t in roots], *site(2))
    for node in going.values():
        engine.free(node, by)
    return before - lifetime.saved_bytes(nodes.values())


class _CutOp:
    """The op of a node behind which the graph was cut."""

    custom = False
    many = False
    diff = None
    rules: dict[str, Any] = {}  # noqa: RUF012 - it has none
    name = "cut"
    grad_name = "CutBackward"


def _no_pieces(*_: Any) -> tuple[()]:
    return ()


_CUT = Plan(_CutOp(), 0, (), (), (), _no_pieces, (), lambda _: (_no_pieces, ()))


def cut_behind(*tensors: Any) -> int:
    """Make constants of ``tensors`` in the live graph: no gradient passes them any more. Returns the bytes set free.

    What was computed from them goes on as before; what they were computed from is dropped, if nothing else needs it.
    The window of a truncated backpropagation through time moves on by it, without computing anything again.

    >>> w = rg.tensor([0.], requires_grad=True)
    >>> first = w.exp().square()
    >>> second = first * w
    >>> rg.graph.cut_behind(first)
    4
    >>> second.backward()
    >>> w.grad
    tensor([1.])
    """
    nodes: list[Node] = []
    outputs: dict[tuple[int, int], Node] = {}
    for k, t in enumerate(tensors):
        if not isinstance(t, Value):
            raise TypeError(f"rg.graph.cut_behind: argument {k} is no tensor but a {type(t).__name__}")
        edge = edge_now(t)
        if type(edge) is Leaf:
            raise RuntimeError(
                f"rg.graph.cut_behind: argument {k} is a leaf: nothing lies behind it. To stop its gradient use"
                " requires_grad_(False) before computing with it."
            )
        if type(edge) is Output:
            outputs[stop_key(edge)] = edge.node
        elif edge is not None:
            nodes.append(edge)
    behind = list(reachable([*nodes, *outputs.values()]).values())
    memories = {id(m): m for n in behind for _, _, a in slots.entries(n) for m in (root(a),)}
    objects = [(weakref.ref(n), slots.object_bytes(n)) for n in behind if n.plan.op.custom]
    edge = None
    behind.clear()
    for node in nodes:
        observers.drops(node)
        node.plan, node.edges, node.saved, node.shapes, node.params = _CUT, (), (), None, None
    if outputs:
        _cut_outputs(outputs)
    for still in lifetime.live_nodes():
        for _, _, array in slots.entries(still):
            memories.pop(id(root(array)), None)
    freed: int = sum(size for ref, size in objects if (n := ref()) is None or n.plan is _CUT)
    return freed + sum(int(m.nbytes) for m in memories.values())


def _cut_outputs(outputs: dict[tuple[int, int], Node]) -> None:
    """Lead whatever reads one of these outputs to a cut node instead: the other outputs of their nodes go on."""
    ends = {}
    for key, node in outputs.items():
        ends[key] = end = object.__new__(Node)
        end.plan, end.edges, end.saved, end.shapes, end.params, end.extra = _CUT, (), (), None, None, None
        end.seq, end.code, end.lasti = -tick(), node.code, node.lasti  # a number of its own, older than any reader
    outputs.clear()
    for node in lifetime.live_nodes():
        if any(type(e) is Output and stop_key(e) in ends for e in node.edges):
            node.edges = tuple(ends.get(stop_key(e), e) if type(e) is Output else e for e in node.edges)
    for value in report.live_values():
        if type(value.edge) is Output:
            value.edge = ends.get(stop_key(value.edge), value.edge)
