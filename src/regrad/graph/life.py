"""The life of a graph in words, and all graphs that are alive: `explain`, `alive`.

Nothing is noted while ops run. What is told comes from the nodes, from the latest passes, which are remembered
(`regrad.graph.node.recent`), and from a rehearsal of the checks that a further backward would make. Ages in seconds are
exact while memory is tracked; else they are known to the nearest earlier pass. Start reading at `explain`.
"""

from __future__ import annotations

import weakref
from collections import Counter
from time import monotonic
from typing import Any, NamedTuple

from regrad.errors import GraphFreedError, SavedModifiedError
from regrad.graph import leaks, lifetime, report, slots, tracking, versions
from regrad.graph.lifetime import SPENT_OP, reachable
from regrad.graph.node import BEGIN, Leaf, Node, Pass, node_of, recent
from regrad.graph.provenance import Place, source_line, with_source
from regrad.graph.value import Value, edge_now

__all__ = ["Alive", "Life", "LiveRoot", "RanPass", "alive", "explain"]


class RanPass(NamedTuple):
    """A pass from this root, or one that freed some of its graph: what it was, where, and how many nodes it freed.

    ``kept`` says whether it was asked to keep the graph; ``ours``, whether it started from this root.
    """

    kind: str
    place: Place | None
    freed: int
    ops: tuple[str, ...]
    kept: bool
    ours: bool

    def __str__(self) -> str:
        if self.freed:
            names = ", ".join(self.ops[:4]) + (", ..." if len(self.ops) > 4 else "")
            what = f"freed {self.freed} node{'s' if self.freed > 1 else ''} ({names})"
        else:
            what = "kept the graph" if self.kept else "freed nothing that is left to see"
        text = source_line(self.place)
        return f"{self.kind} at {self.place} {what}{f': {text}' if text else ''}"


class Life(NamedTuple):
    """The life of one root's graph; prints as a story.

    ``state``    "leaf", "live", "partial", "consumed" or "released"
    ``op``, ``made_at``  what made the root, and where
    ``nodes``, ``nbytes``  nodes of the graph, and the bytes that they hold now
    ``passes``   what ran or freed it, in order
    ``next``     what a further backward would do: "runs", "GraphFreedError", "SavedModifiedError" or "nothing"
    ``cause``, ``advice``  of that error
    """

    state: str
    op: str
    made_at: Place | None
    nodes: int
    nbytes: int
    passes: tuple[RanPass, ...]
    next: str
    cause: str
    advice: str

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        if self.state == "leaf":
            return ["no graph: a leaf, or computed without recording. " + self.advice]
        lines = [
            f"made:      by {self.op!r} at {with_source(self.made_at)}",
            f"state:     {self.state}; {self.nodes} node{'s' if self.nodes != 1 else ''} hold"
            f"{'s' if self.nodes == 1 else ''} {self.nbytes:,} bytes",
            *(f"pass:      {p}" for p in self.passes),
        ]
        if self.next == "runs":
            return [*lines, "next:      a further backward runs"]
        what = f"{self.next}{f' ({self.cause})' if self.cause else ''}"
        return [*lines, f"next:      a further backward raises {what}: {self.advice}"]


def explain(tensor: Any) -> Life:
    """The life of a tensor's graph: where it was made, what ran and freed it, what a further backward would do.

    >>> x = rg.ones(2, requires_grad=True)
    >>> y = x.exp().sum()
    >>> rg.graph.explain(y).next
    'runs'
    >>> y.backward()
    >>> life = rg.graph.explain(y)
    >>> life.state, life.next, life.cause, [p.kind for p in life.passes]
    ('consumed', 'GraphFreedError', 'SAME_ROOT_TWICE', ['backward()'])
    """
    node = node_of(edge_now(tensor) if isinstance(tensor, Value) else tensor)
    if not isinstance(node, (Node, Leaf, type(None))):
        raise TypeError(f"rg.graph.explain: expected a tensor or a node, got {type(tensor).__name__}")
    if not isinstance(node, Node):
        advice = (
            "A backward from here would only add to its own .grad."
            if node is not None
            else "It needs no gradient; call requires_grad_() on an input before computing it."
        )
        return Life("leaf", "", None, 0, 0, (), "nothing", "", advice)
    nodes = reachable([node])
    next_, cause, advice = _rehearse(node, nodes)
    op = node.params.grad_name.removesuffix("Backward0").lower() if node.plan.op is SPENT_OP else node.op
    held = lifetime.saved_bytes(nodes.values())
    state = report.graph_state(node)
    passes = tuple(_passes(node, nodes))
    return Life(state, op, node.made_at, len(nodes), held, passes, next_, cause, advice)


def _rehearse(node: Node, nodes: dict[int, Node]) -> tuple[str, str, str]:
    """(what a backward from ``node`` would do, the cause, the advice), by the checks that it would make."""
    try:
        lifetime.check_alive(nodes, None, [node])
        if versions.clock.last > min(nodes):
            lifetime.check_intact(nodes, None)
    except GraphFreedError as error:
        return "GraphFreedError", error.cause, error.advice
    except SavedModifiedError as error:
        what = f"{error.name or 'a value'} written by {error.writer} at {error.written_at}"
        return "SavedModifiedError", what, error.advice
    return "runs", "", ""


def _passes(node: Node, nodes: dict[int, Node]) -> list[RanPass]:
    """The passes that freed nodes of the graph, and the remembered ones that started from its root, in order."""
    freed: dict[int, tuple[Pass, list[Node]]] = {}
    for each in sorted(nodes.values(), key=lambda n: -n.seq):
        by = lifetime.freer_of(each)
        if by is not None:
            freed.setdefault(by.seq, (by, []))[1].append(each)
    for by in list(recent):
        if node.number in by.roots:
            freed.setdefault(by.seq, (by, []))
    return [
        RanPass(
            by.kind, by.place, len(gone), tuple(Counter(n.op for n in gone)), by.retained, node.number in by.roots
        )
        for _, (by, gone) in sorted(freed.items())
    ]


# -- all that is alive


class LiveRoot(NamedTuple):
    """A tensor with a graph that no other live tensor's graph contains.

    ``nbytes``   bytes that its graph holds; ``unique``: those that no older root in the list holds
    ``passes``   passes since it was made; ``seconds``: its age, exact if ``timed``, else at most so much
    """

    op: str
    shape: tuple[int, ...]
    state: str
    nbytes: int
    unique: int
    nodes: int
    passes: int
    seconds: float
    timed: bool
    made_at: Place | None
    ref: Any

    @property
    def tensor(self) -> Any:
        """The tensor, or None when it is gone: the list keeps nothing alive."""
        return self.ref()

    @property
    def age(self) -> str:
        """The age in words."""
        return f"{'' if self.timed else '< '}{self.seconds:.3g} s, {self.passes} passes"


class Alive(list[LiveRoot]):
    """The live roots, the oldest first; prints as a table."""

    @property
    def nbytes(self) -> int:
        """Bytes that the listed graphs hold, memory that they share counted once."""
        return sum(r.unique for r in self)

    def __repr__(self) -> str:
        head = ("op", "shape", "state", "bytes", "unique", "age", "made at")
        rows = [
            (r.op, str(list(r.shape)), r.state, f"{r.nbytes:,}", f"{r.unique:,}", r.age, str(r.made_at)) for r in self
        ]
        count = f"{len(self)} root{'s' if len(self) != 1 else ''}, {self.nbytes:,} bytes"
        return "\n".join([*report.table(head, rows, (3, 4)), count])


def alive() -> Alive:
    """The tensors that hold graphs now, the oldest first: state, bytes, age, and the line that made each.

    Of tensors in one graph only the last is listed. Nothing is kept alive by the list.

    >>> outputs = [(rg.ones(4, requires_grad=True) * 2).exp() for _ in range(3)]
    >>> mine = [r for r in rg.graph.alive() if any(r.tensor is t for t in outputs)]
    >>> [(r.op, r.state, r.nbytes) for r in mine]
    [('exp', 'live', 16), ('exp', 'live', 16), ('exp', 'live', 16)]
    """
    nodes = {}
    for value in report.live_values():
        node = node_of(value.edge)
        if type(node) is Node and node.plan.op is not SPENT_OP:
            nodes[node.seq] = node
    found = Alive()
    now = monotonic()
    seen = tracking.tracker.table_now()
    stamps = sorted([BEGIN, *((p.seq, p.when) for p in list(recent))])
    counted: set[Any] = set()
    for node, tensor in leaks.roots_among(reachable(nodes.values())):
        if tensor is None:
            continue
        own = reachable([node])
        held = slots.all_memories(own.values())
        unique = sum(nbytes for key, nbytes in held.items() if key not in counted)
        counted.update(held)
        noted = seen.get(id(node))
        made = noted.when if noted is not None else max((w for s, w in stamps if s <= node.number), default=now)
        found.append(
            LiveRoot(
                node.op, tuple(tensor.array.shape), report.graph_state(node), sum(held.values()), unique, len(own),
                sum(s > node.number for s, _ in stamps), now - made, noted is not None, node.made_at,
                weakref.ref(tensor),
            )
        )  # fmt: skip
    return found
