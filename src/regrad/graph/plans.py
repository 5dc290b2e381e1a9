"""Losses whose backward is still to come: `plan`, and what other live tensors can still reach.

A plan is noted on the nodes that its roots were computed by. So it holds in whichever thread the backward is called,
and costs nothing where there is none. Start reading at `plan`.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterable
from typing import Any

from regrad.graph.lifetime import reachable
from regrad.graph.node import Leaf, Node, Output
from regrad.graph.value import Value, edge_now

__all__ = ["live_edges", "plan", "plan_of"]


class plan:
    """Declare the losses that backward will be called on, in any order: each call frees what no other one needs.

    After a backward, exactly what the remaining losses reach is kept, and the last one leaves nothing. A loss may also
    be given to `regrad.autograd.grad`. Losses that were not run keep their graphs. Needs no ``retain_graph``.

    >>> w = rg.ones(3, requires_grad=True)
    >>> h = w.exp()
    >>> one, two = (h * h).sum(), h.sin().sum()
    >>> with rg.graph.plan(one, two):
    ...     one.backward()
    ...     left = rg.graph.saved(two).nbytes
    ...     two.backward()
    >>> left, rg.graph.saved(one, two).nbytes
    (24, 0)
    """

    def __init__(self, *roots: Any) -> None:
        roots = tuple(roots[0]) if len(roots) == 1 and isinstance(roots[0], (list, tuple)) else roots
        self._lock = threading.Lock()
        self._pending: dict[int, Any] = {}
        for k, tensor in enumerate(roots):
            edge = edge_now(tensor) if isinstance(tensor, Value) else None
            if edge is None or type(edge) is Leaf:
                raise RuntimeError(
                    f"rg.graph.plan: argument {k} is {'a leaf' if edge is not None else 'not a tensor with a graph'};"
                    " give the losses whose backward is to come"
                )
            node = edge.node if type(edge) is Output else edge
            self._pending[node.seq] = node

    def __enter__(self) -> plan:
        for node in self._pending.values():
            extra = node.more()
            if extra.planned is not None:
                raise RuntimeError("rg.graph.plan: a root is already in another plan; leave that one first")
        for node in self._pending.values():
            node.more().planned = self
        return self

    def __exit__(self, *exc: object) -> None:
        for node in self._pending.values():
            node.more().planned = None
        self._pending.clear()

    @property
    def pending(self) -> int:
        """How many losses have not been run yet."""
        return len(self._pending)

    def started(self, edges: Iterable[Any]) -> frozenset[int]:
        """The roots ``edges`` are about to run: the numbers of the nodes that those still pending will need."""
        with self._lock:
            for edge in edges:
                node = edge.node if type(edge) is Output else edge
                if isinstance(node, Node) and self._pending.pop(node.seq, None) is not None:
                    node.more().planned = None
            return frozenset(reachable(self._pending.values()))


def plan_of(edges: Iterable[Any]) -> plan | None:
    """The plan that waits for a pass from one of these edges."""
    for edge in edges:
        node = edge.node if type(edge) is Output else edge
        if type(node) is Node and node.extra is not None and node.extra.planned is not None:
            return node.extra.planned  # type: ignore[no-any-return]
    return None


def live_edges(roots: Iterable[Any]) -> list[Any]:
    """The edges of all tensors that are alive, but for those of ``roots``: looked up in the collector's books."""
    own = {id(e) for e in roots} | {id(e.node) for e in roots if type(e) is Output}
    edges = [getattr(o, "edge", None) for o in gc.get_objects() if issubclass(type(o), Value)]
    return [e for e in edges if type(e) in (Node, Output) and id(e) not in own]
