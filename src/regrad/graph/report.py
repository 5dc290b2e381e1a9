"""Looking at what a graph holds: `saved`, `memory_stats`, and the state of a root. Nothing is counted until asked.

A `Saved` report is a list of `Record`, one for each saved array; it prints as a table and groups `by` line, op or
module. Looking never triggers an unpack hook.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from regrad.graph import lifetime, slots
from regrad.graph.node import Leaf, Node, Output, Pass
from regrad.graph.provenance import Place, place
from regrad.graph.value import Value, edge_now, root

__all__ = ["Record", "Saved", "graph_state", "memory_stats", "saved"]


class Record(NamedTuple):
    """One array that a node holds for backward.

    ``op``, ``slot``  the op and the name under which its rules know the array
    ``shape``, ``dtype``, ``nbytes``  of the array; ``unique``: the bytes it adds, 0 where an earlier record has them
    ``made_at``       file and line of the op
    ``readers``       names of the op's arguments whose gradients read it
    ``is_param``      the array is a leaf's own
    """

    op: str
    slot: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    unique: int
    made_at: Place | None
    readers: tuple[str, ...]
    is_param: bool


class Saved(list[Record]):
    """The saved arrays of a graph."""

    @property
    def nbytes(self) -> int:
        """Bytes in all, memory that several records share counted once."""
        return sum(r.unique for r in self)

    def by(self, key: str) -> dict[Any, int]:
        """Unique bytes by "line", "op" or "slot", in the order in which they were made."""
        picks: dict[str, Callable[[Record], str]] = {
            "line": lambda r: str(r.made_at),
            "op": lambda r: r.op,
            "slot": lambda r: f"{r.op}.{r.slot}",
        }
        pick = picks.get(key)
        if pick is None:
            raise ValueError(f"saved().by({key!r}): choose 'line', 'op' or 'slot'")
        total: dict[Any, int] = defaultdict(int)
        for r in self:
            total[pick(r)] += r.unique
        return dict(total)

    def diff(self, other: Saved) -> Saved:
        """The records that are here and not in ``other``."""
        left = list(other)
        out = Saved()
        for r in self:
            if r in left:
                left.remove(r)
            else:
                out.append(r)
        return out

    def __repr__(self) -> str:
        head = ("op", "slot", "shape", "dtype", "bytes", "unique", "read for", "made at")
        rows = [
            (
                r.op,
                r.slot,
                str(list(r.shape)),
                r.dtype,
                f"{r.nbytes:,}",
                f"{r.unique:,}",
                ", ".join(r.readers),
                str(r.made_at),
            )
            for r in self
        ]
        widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]
        lines = [
            "  ".join(
                cell.rjust(w) if k in (4, 5) else cell.ljust(w)
                for k, (cell, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in [head, *rows]
        ]
        return "\n".join([*lines, f"{len(self)} arrays, {self.nbytes:,} bytes"])


def _start(thing: Any) -> Any:
    edge: Any = edge_now(thing) if isinstance(thing, Value) else thing
    return edge.node if type(edge) is Output else edge


def saved(*roots: Any) -> Saved:
    """What the graphs of ``roots`` (tensors or nodes) hold for backward; without roots, what all live graphs hold.

    >>> x = rg.ones(4, requires_grad=True)
    >>> rg.graph.saved((x * x).exp()).by("op")
    {'mul': 16, 'exp': 16}
    """
    nodes: Iterable[Node]
    nodes = lifetime.reachable([_start(r) for r in roots]).values() if roots else lifetime.live_nodes()
    found = Saved()
    counted: set[int] = set()
    for node in sorted(nodes, key=lambda n: n.seq):
        owners = [e.owner() for e in node.edges if type(e) is Leaf]
        leaves = {id(root(o.array)) for o in owners if o is not None}
        for name, readers, array in slots.entries(node):
            memory = root(array)
            fresh = id(memory) not in counted
            counted.add(id(memory))
            args = getattr(node.plan.op, "args", ())
            found.append(
                Record(
                    node.op,
                    name,
                    tuple(array.shape),
                    str(array.dtype),
                    int(array.nbytes),
                    int(memory.nbytes) if fresh else 0,
                    place(node.code, node.lasti),
                    tuple(args[i] if i < len(args) else str(i) for i in readers),
                    id(memory) in leaves,
                )
            )
    return found


def memory_stats() -> dict[str, int]:
    """Bytes and nodes that live graphs hold now: ``saved_bytes`` (memory shared by slots counts once), ``nodes``.

    The number is exact and found by walking the live nodes, so that ops pay nothing for it.

    >>> rg.graph.memory_stats()["saved_bytes"] >= 0
    True
    """
    nodes = list(lifetime.live_nodes())
    return {"saved_bytes": lifetime.saved_bytes(nodes), "nodes": len(nodes)}


def graph_state(root_tensor: Any) -> str:
    """The state of a tensor's graph: "leaf", "live", "partial" (some nodes are consumed), "consumed" or "released"."""
    start = _start(root_tensor)
    if not isinstance(start, Node):
        return "leaf"
    nodes = lifetime.reachable([start]).values()
    gone = [n for n in nodes if type(n.saved) is not tuple]
    if not gone:
        return "live"
    if len(gone) < len(list(nodes)):
        return "partial"
    return (
        "released"
        if any(isinstance(n.saved, Pass) and n.saved.kind == "release" for n in gone)
        else "consumed"
    )
