"""Losses whose backward is still to come: `plan`, and what other live tensors can still reach.

A plan is noted on the nodes that its roots were computed by. So it holds in whichever thread the backward is called,
and costs nothing where there is none. Start reading at `plan`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

from regrad.graph import engine, report
from regrad.graph.lifetime import reachable
from regrad.graph.node import Leaf, Node, Output, Pass, node_of, stop_key
from regrad.graph.value import Value, edge_now

__all__ = ["live_edges", "plan", "plan_of"]


class plan:
    """Declare the losses that backward will be called on, in any order: each call frees what no other one needs.

    After a backward, exactly what the remaining losses reach is kept, and the last one leaves nothing. A loss may also
    be given to `regrad.autograd.grad`. Losses that were not run keep their graphs. Needs no ``retain_graph``. Threads
    may share the work: what one of them still reads is not freed by another, and gradients that other threads
    accumulate are added at the end, in the order of the losses.

    >>> w = rg.ones(3, requires_grad=True)
    >>> h = w.exp()
    >>> one, two = (h * h).sum(), h.sin().sum()
    >>> with rg.graph.plan(one, two):
    ...     one.backward()
    ...     left = rg.graph.saved(two).nbytes
    ...     two.backward()
    >>> left, rg.graph.saved(one, two).nbytes
    (12, 0)
    """

    def __init__(self, *roots: Any) -> None:
        roots = tuple(roots[0]) if len(roots) == 1 and isinstance(roots[0], (list, tuple)) else roots
        self._lock = threading.RLock()
        self._thread = threading.get_ident()
        self._pending: dict[Any, Node] = {}  # by edge: a node may have several outputs that are roots
        self._running: dict[Any, Node] = {}
        self._held: dict[int, list[tuple[Leaf, Any, Pass]]] = {}  # gradients from other threads
        for k, tensor in enumerate(roots):
            edge = edge_now(tensor) if isinstance(tensor, Value) else None
            if edge is None or type(edge) is Leaf:
                raise RuntimeError(
                    f"rg.graph.plan: argument {k} is {'a leaf' if edge is not None else 'not a tensor with a graph'};"
                    " give the losses whose backward is to come"
                )
            self._pending[stop_key(edge)] = node_of(edge)
        self._order = [seq for seq, _ in self._pending]

    def __enter__(self) -> plan:
        if any(node.more().planned is not None for node in self._pending.values()):
            raise RuntimeError("rg.graph.plan: a root is already in another plan; leave that one first")
        for node in self._pending.values():
            node.more().planned = self
        return self

    def __exit__(self, *exc: object) -> None:
        for node in self._pending.values():
            node.more().planned = None
        self._pending.clear()
        for seq in self._order:
            for leaf, g, by in self._held.pop(seq, ()):
                tensor = leaf.owner()
                if tensor is not None:
                    engine.accumulate_into(tensor, g, False, by)

    @property
    def pending(self) -> int:
        """How many losses have not been run yet."""
        return len(self._pending)

    # -- what a pass from a root tells its plan

    def started(self, edges: Iterable[Any]) -> None:
        """The roots ``edges`` are about to run."""
        with self._lock:
            for key, node in _roots_of(edges):
                if self._pending.pop(key, None) is not None:
                    self._running[key] = node

    def failed(self, edges: Iterable[Any]) -> None:
        """They have not: they are still to come."""
        with self._lock:
            for key, node in _roots_of(edges):
                if self._running.pop(key, None) is not None:
                    self._pending[key] = node

    def finished(self, edges: Iterable[Any], by: Pass) -> None:
        """They have run: free what they reach and no root that is still to come, or running in another thread, does."""
        with self._lock:
            own = dict(_roots_of(edges))
            for key in own:
                self._running.pop(key, None)
            left = {seq for seq, _ in (*self._pending, *self._running)}
            for node in own.values():
                if node.seq not in left:
                    node.more().planned = None
            needed = self.needed()
            for seq, node in reachable(own.values()).items():
                if seq not in needed:
                    engine.free(node, by)

    def needed(self) -> dict[int, Node]:
        """The nodes that roots still to come, or running in another thread, reach."""
        return reachable([*self._pending.values(), *self._running.values()])

    def needs(self, node: Node) -> bool:
        """Will a root that is still to come read what ``node`` holds?"""
        with self._lock:
            return node.seq in reachable(self._pending.values())

    def held_back(self, leaf: Leaf, g: Any, by: Pass) -> bool:
        """Keep a gradient that another thread brings for the end: it is added in the order of the roots."""
        if threading.get_ident() == self._thread:
            return False
        with self._lock:
            self._held.setdefault(by.roots[0], []).append((leaf, g, by))
        return True


def _roots_of(edges: Iterable[Any]) -> Iterator[tuple[Any, Node]]:
    """What tells each edge from others, and its node."""
    for edge in edges:
        node = node_of(edge)
        if type(node) is Node:
            yield stop_key(edge), node


def plan_of(edges: Iterable[Any]) -> plan | None:
    """The plan that waits for a pass from one of these edges."""
    for _, node in _roots_of(edges):
        if node.extra is not None and node.extra.planned is not None:
            return node.extra.planned  # type: ignore[no-any-return]
    return None


def live_edges(roots: Iterable[Any]) -> list[Any]:
    """The edges of all tensors that are alive, but for those of ``roots``: looked up in the collector's books."""
    own = {id(e) for e in roots} | {id(e.node) for e in roots if type(e) is Output}
    edges = [value.edge for value in report.live_values()]
    return [e for e in edges if type(e) in (Node, Output) and id(e) not in own]
