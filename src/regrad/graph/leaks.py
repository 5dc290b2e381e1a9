"""Graphs that live longer than they should: `must_free`, `assert_freed`, `leak_guard`.

Nothing is noted while ops run. Nodes are numbered by one clock, so that a look at the live ones tells which were made
since a context began, and in which step. Start reading at `_escaped`.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from regrad.errors import GraphEscapedError, GraphGrowthWarning
from regrad.graph import holders, lifetime, report
from regrad.graph.lifetime import SPENT_OP, reachable
from regrad.graph.node import Node, node_of, tick
from regrad.graph.provenance import Place, levels, source_line, with_source

__all__ = ["Escaped", "assert_freed", "leak_guard", "must_free"]

_TOLD = 10  # so many roots are told of in full
_SOON = 8  # a guard looks after each of so many steps; after that, once in so many


class Escaped(NamedTuple):
    """A root that outlived its context: the op and line that made it, the bytes that its graph holds, who holds it."""

    op: str
    shape: tuple[int, ...] | None
    nbytes: int
    made_at: Place | None
    holders: holders.Holders


def roots_among(nodes: dict[int, Node]) -> list[tuple[Node, Any]]:
    """(node, its tensor or None) for the nodes that no other one of ``nodes`` leads to, by age."""
    inner = {id(node_of(e)) for n in nodes.values() for e in n.edges if e is not None}
    tensors: dict[int, Any] = {}
    for value in report.live_values():
        edge = node_of(value.edge)
        tensors.setdefault(id(edge), value)
    return [(n, tensors.get(id(n))) for _, n in sorted(nodes.items()) if id(n) not in inner]


def _escaped(since: int) -> list[tuple[Node, Any]]:
    """The roots of graphs that were made after the time ``since`` and that no pass has consumed."""
    alive = {id(n): n for n in lifetime.live_nodes() if n.seq > since and type(n.saved) is tuple}
    return roots_among({n.seq: n for n in alive.values()})


def _error_since(since: int) -> GraphEscapedError | None:
    """The error of a context that began at ``since``, if graphs have escaped from it.

    Made here and raised by the caller, so that its traceback does not know the graphs, and keep them.
    """
    found = _escaped(since)
    return _told(found, since) if found else None


def _told(found: list[tuple[Node, Any]], since: int) -> GraphEscapedError:
    every = reachable([n for n, _ in found])
    roots = []
    chains = holders.search([t if t is not None else n for n, t in found[:_TOLD]])
    chains += [holders.Holders() for _ in found[_TOLD:]]
    for (node, tensor), held_by in zip(found, chains, strict=True):
        own = [n for n in reachable([node]).values() if n.seq > since]
        shape = None if tensor is None else tuple(tensor.array.shape)
        roots.append(Escaped(node.op, shape, lifetime.saved_bytes(own), node.made_at, held_by))
    nbytes = lifetime.saved_bytes([n for n in every.values() if n.seq > since])
    lines = [f"{len(found)} graph{'s' if len(found) > 1 else ''} made in here outlived the context ({nbytes:,} bytes):"]
    for r in roots[:_TOLD]:
        size = "" if r.shape is None else f" of shape {r.shape}"
        text = source_line(r.made_at)
        lines.append(f"  result of {r.op!r}{size} made at {r.made_at}, {r.nbytes:,} bytes{f': {text}' if text else ''}")
        lines += [f"    held by {chain}" for chain in r.holders[:3]] or ["    held by nobody with a name"]
    if len(found) > _TOLD:
        lines.append(f"  and {len(found) - _TOLD} more")
    lines.append(
        "  what to do: keep .item() or .detach() of what is to be kept, or compute it under rg.no_grad(), or run its"
        " backward in here."
    )
    error = GraphEscapedError("\n".join(lines))
    error.roots, error.nbytes = tuple(roots), nbytes
    return error


class must_free:
    """Assert that no graph made inside this context outlives it; else `GraphEscapedError` says who holds which.

    A graph that a backward has consumed holds nothing and may stay. Graphs made by other threads in the meantime count
    as well. An exception from inside passes through, unchecked.

    >>> outputs = []
    >>> w = rg.ones(2, requires_grad=True)
    >>> try:
    ...     with rg.graph.must_free():
    ...         outputs.append((w * w).sum())
    ... except rg.GraphEscapedError as error:
    ...     print(error.roots[0].op, error.nbytes, error.roots[0].holders[0].name)
    sum 8 outputs[0]
    """

    def __enter__(self) -> must_free:
        self._since = tick()
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        error = _error_since(self._since) if kind is None else None
        if error is not None:
            raise error


class assert_freed:
    """Assert in a test that the graphs which ``fn(*args)`` makes are gone when it returns; or as a context.

    The collector of reference cycles is not run: a graph that only it could free counts as held. What ``fn`` returns is
    dropped. Raises AssertionError, with the chains that hold what is left.

    >>> w = rg.ones(2, requires_grad=True)
    >>> _ = rg.graph.assert_freed(lambda: (w * w).sum())
    >>> with rg.graph.assert_freed():
    ...     (w * w).sum().backward()
    """

    def __init__(self, fn: Callable[..., Any] | None = None, *args: Any, **kwargs: Any) -> None:
        if fn is not None:
            with self:
                fn(*args, **kwargs)

    def __enter__(self) -> None:
        self._since = tick()

    def __exit__(self, kind: Any, *_: object) -> None:
        error = _error_since(self._since) if kind is None else None
        if error is not None:
            raise AssertionError(str(error))


class leak_guard:
    """Warn, once, when graphs of earlier steps stay alive and add up; say where, and how much each step adds.

    Call ``step()`` at the end of each step, or give the optimizer, whose every step then counts: ``leak_guard(opt)``.
    The `GraphGrowthWarning` comes with the third step: when graphs of both steps before are still there. (After eight
    steps it looks once in eight, so that little time is lost where nothing leaks.) It names the
    line at which a value of an earlier step goes into a graph of the newest one, such as ``total = total + loss``;
    where there is no such line, the graphs are held one by one, and it names the holder. Roots that a backward has run
    and freed hold no graph, and so do not count.

    ``after``  so many earlier steps may still be there

    >>> import warnings
    >>> w = rg.ones(2, requires_grad=True)
    >>> history = []
    >>> with warnings.catch_warnings(record=True) as told, rg.graph.leak_guard() as guard:
    ...     warnings.simplefilter("always")
    ...     for _ in range(5):
    ...         history.append((w * w).sum())
    ...         guard.step()
    >>> [w.message.bytes_per_step for w in told], told[0].message.holders[0].name
    ([0], 'history[0]')
    """

    def __init__(self, step: Any = None, *, after: int = 1) -> None:
        self._marks = [tick()]  # the time at which each step began
        self._after = after
        self._handle: Any = None
        self.warned = False
        if step is not None and not hasattr(step, "register_step_post_hook"):
            raise TypeError(f"rg.graph.leak_guard: expected an optimizer or nothing, got {type(step).__name__}")
        self._optimizer = step

    def __enter__(self) -> leak_guard:
        self._marks = [tick()]
        if self._optimizer is not None:
            self._handle = self._optimizer.register_step_post_hook(lambda *_: self.step())
        return self

    def __exit__(self, *exc: object) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def steps(self, data: Iterable[Any]) -> Iterator[Any]:
        """The elements of ``data``; each is a step."""
        for item in data:
            yield item
            self.step()

    def step(self) -> None:
        """The step is over: are graphs of the steps before still alive?"""
        if self.warned:
            return
        marks = self._marks
        earlier = self._after + 1
        if len(marks) > earlier and (len(marks) <= _SOON or len(marks) % _SOON == 0):
            kept: list[dict[int, Node]] = [{} for _ in range(earlier + 1)]
            older, first = marks[-earlier:], marks[0]
            for node in lifetime.live_nodes():
                if node.seq > first and node.plan.op is not SPENT_OP:
                    kept[sum(node.seq > mark for mark in older)][node.seq] = node
            # The newest of the earlier steps are held, and some from before them: the number grows.
            if all(kept[1:-1]) and kept[0]:
                self.warned = True
                self._warn(kept, marks)
        marks.append(tick())

    def _warn(self, kept: list[dict[int, Node]], marks: list[int]) -> None:
        last = marks[-1]
        nodes = {seq: n for step in kept for seq, n in step.items()}
        before = {seq: n for seq, n in nodes.items() if seq <= marks[-2]}
        newest = {seq: n for seq, n in nodes.items() if marks[-2] < seq <= last}
        nbytes = lifetime.saved_bytes([*before.values(), *newest.values()]) - lifetime.saved_bytes(before.values())
        reads = Counter(
            (n.code, n.lasti, n.op)
            for seq, n in sorted(nodes.items(), reverse=True)
            for e in n.edges
            if _step_of(e, marks) not in (0, _step_of(n, marks))
        )
        oldest = roots_among({s: n for s, n in nodes.items() if s <= last})
        node, tensor = oldest[0]
        held = holders.search([node if tensor is None else tensor])[0]
        place, op = node.made_at, node.op
        if reads:
            code, lasti, op = reads.most_common(1)[0][0]
            place = next(n for n in nodes.values() if n.code is code and n.lasti == lasti).made_at
        lines = [
            f"graphs of earlier steps are still alive, and each step adds {nbytes:,} bytes in {len(newest)} nodes."
        ]
        if reads:
            lines.append(f"  accumulated by:  {op!r} at {with_source(place)}")
            advice = "add .item() or .detach() of it to what is summed over steps; or detach a state between steps."
        else:
            lines.append(f"  made by:         {op!r} at {with_source(place)}")
            advice = "keep .item() or .detach() of it."
        lines += [f"  held by:         {chain}" for chain in held[:3]]
        lines.append(f"  what to do:      {advice}")
        warning = GraphGrowthWarning("\n".join(lines))
        warning.line, warning.op, warning.holders = place, op, held
        warning.bytes_per_step, warning.nodes_per_step = nbytes, len(newest)
        del node, tensor
        oldest.clear()
        warnings.warn(warning, stacklevel=levels())


def _step_of(edge: Any, marks: list[int]) -> int:
    """In which step the node of an edge was made; 0: before the first, or there is none."""
    node = node_of(edge)
    return bisect_left(marks, node.seq) if isinstance(node, Node) and node.plan.op is not SPENT_OP else 0
