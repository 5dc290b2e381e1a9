"""Looking at what a graph holds: `saved`, `memory_stats`, and the state of a root. Nothing is counted until asked.

A `Saved` report is a list of `Record`, one for each saved array; it prints as a table and groups `by` line, op or
module. Looking never triggers an unpack hook.
"""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from regrad.graph import lifetime, slots
from regrad.graph.node import Leaf, Node, node_of
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
    ``module``        dotted path of the module whose parameters the op reads; where it reads none, of the one before it
    ``pinned_by``     what else holds the memory: the leaf's name (or "a leaf"), "a tensor", "an array"; "" if nothing
    ``note``          that the same values are held twice, in two precisions
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
    module: str = ""
    pinned_by: str = ""
    note: str = ""

    @property
    def what(self) -> tuple[Any, ...]:
        """What tells the record from others, whatever else is alive."""
        return self[:5] + self[6:10]


class Saved(list[Record]):
    """The saved arrays of a graph."""

    @property
    def nbytes(self) -> int:
        """Bytes in all, memory that several records share counted once."""
        return sum(r.unique for r in self)

    def by(self, key: str) -> dict[Any, int]:
        """Unique bytes by "line", "op", "slot", "module" or "pinned_by", in the order in which they were made."""
        picks: dict[str, Callable[[Record], str]] = {
            "line": lambda r: str(r.made_at),
            "op": lambda r: r.op,
            "slot": lambda r: f"{r.op}.{r.slot}",
            "module": lambda r: r.module,
            "pinned_by": lambda r: r.pinned_by,
        }
        pick = picks.get(key)
        if pick is None:
            raise ValueError(f"saved().by({key!r}): choose 'line', 'op', 'slot', 'module' or 'pinned_by'")
        total: dict[Any, int] = defaultdict(int)
        for r in self:
            total[pick(r)] += r.unique
        return dict(total)

    def diff(self, other: Saved) -> Saved:
        """The records that are here and not in ``other``."""
        left = Counter(r.what for r in other)
        out = Saved()
        for r in self:
            if left[r.what]:
                left[r.what] -= 1
            else:
                out.append(r)
        return out

    def __repr__(self) -> str:
        head = ["op", "slot", "shape", "dtype", "bytes", "unique", "read for", "made at"]
        rows = [
            [
                *(r.op, r.slot, str(list(r.shape)), r.dtype, f"{r.nbytes:,}", f"{r.unique:,}", ", ".join(r.readers)),
                str(r.made_at),
            ]
            for r in self
        ]
        for title, cells in (("module", [r.module for r in self]), ("note", [r.note for r in self])):
            if any(cells):
                head.append(title)
                for row, cell in zip(rows, cells, strict=True):
                    row.append(cell)
        return "\n".join([*table(head, rows, (4, 5)), f"{len(self)} arrays, {self.nbytes:,} bytes"])


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> list[str]:
    """The lines of a table: columns as wide as they need be, ``numbers`` flush right."""
    every = [head, *rows]
    widths = [max(len(row[k]) for row in every) for k in range(len(head))]
    pads = [str.rjust if k in numbers else str.ljust for k in range(len(head))]
    return ["  ".join(pad(cell, w) for pad, cell, w in zip(pads, row, widths, strict=True)).rstrip() for row in every]


def live_values() -> Iterator[Value]:
    """Every tensor alive in the process that has an array, found through the garbage collector's books."""
    return (o for o in gc.get_objects() if issubclass(type(o), Value) and _finished(o))


def _finished(value: Value) -> bool:
    """Is the tensor whole? Another thread may be about to make it, and a lazy parameter waits for its shape."""
    try:
        _array_of(value), _edge_of(value)
    except AttributeError:
        return False
    return True


_array_of, _edge_of = Value.__dict__["array"].__get__, Value.__dict__["edge"].__get__  # past properties of subclasses


def _start(thing: Any) -> Any:
    return node_of(edge_now(thing) if isinstance(thing, Value) else thing)


def saved(*roots: Any) -> Saved:
    """What the graphs of ``roots`` (tensors or nodes) hold for backward; without roots, what all live graphs hold.

    >>> x = rg.ones(4, requires_grad=True)
    >>> rg.graph.saved((x * x).exp()).by("op")
    {'mul': 16, 'exp': 16}

    No unpack hook is called. ``by("module")`` goes by the names of the parameters:

    >>> net = rg.nn.Sequential(rg.nn.Linear(4, 3), rg.nn.Tanh(), rg.nn.Linear(3, 1))
    >>> rg.graph.saved(net(rg.ones(2, 4, requires_grad=True))).by("module")
    {'0': 104, '2': 12}
    """
    nodes: Iterable[Node]
    nodes = lifetime.reachable([_start(r) for r in roots]).values() if roots else lifetime.live_nodes()
    found = Saved()
    counted: set[int] = set()
    modules: dict[int, tuple[int, str]] = {}
    twins = _Twins()
    pins = _pins()
    for node in sorted(nodes, key=lambda n: n.seq):
        owners = [e.owner() for e in node.edges if type(e) is Leaf]
        leaves = {id(root(o.array)) for o in owners if o is not None}
        modules[id(node)] = _module_of(node, owners, modules)
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
                    modules[id(node)][1],
                    pins.get(id(memory), ""),
                    twins.note(array, memory, f"{node.op}.{name}") if fresh else "",
                )
            )
        kept = slots.object_bytes(node)
        if kept:
            found.append(Record(node.op, "objects", (), "object", kept, kept, place(node.code, node.lasti), (), False))
    return found


def _module_of(node: Node, owners: list[Any], known: dict[int, tuple[int, str]]) -> tuple[int, str]:
    """(number of the node that read its parameters, its path) of the module that ``node`` belongs to."""
    for owner in owners:
        if owner is not None and owner.meta is not None and owner.meta.name:
            return node.seq, owner.meta.name.rpartition(".")[0]
    before = (known.get(id(node_of(e))) for e in node.edges)
    return max((b for b in before if b is not None), default=(0, ""))


def _pins() -> dict[int, str]:
    """What holds a memory beside graphs, by the memory's id: leaves, by name, and other tensors."""
    pins: dict[int, str] = {}
    for value in live_values():
        key = id(root(_array_of(value)))
        if type(value.edge) is Leaf:
            pins[key] = (value.meta.name if value.meta is not None else None) or "a leaf"
        else:
            pins.setdefault(key, "a tensor")
    return pins


class _Twins:
    """Finds memories that hold the same values in two precisions, such as a float32 and a float64 copy."""

    def __init__(self) -> None:
        self._seen: dict[Any, list[tuple[Any, str]]] = defaultdict(list)

    def note(self, array: Any, memory: Any, name: str) -> str:
        """What to say of ``array``, whose slot is called ``name``."""
        if array.dtype.kind not in "fc" or array.size < 2:
            return ""
        others = self._seen[array.shape, array.dtype.kind]
        found = ""
        for other, what in others:
            few, many = sorted((array, other), key=lambda a: a.dtype.itemsize)
            if few.dtype.itemsize < many.dtype.itemsize and _equal(few, many):
                found = f"the values of {what} ({other.dtype}) in {array.dtype}"
                break
        others.append((array, name))
        return found


def _equal(few: Any, many: Any) -> bool:
    """Are these the same values, in the lower precision?"""
    at = (0,) * few.ndim
    with np.errstate(all="ignore"):
        same = bool(many[at].astype(few.dtype) == few[at])  # most pairs differ here already
        return same and np.array_equal(many.astype(few.dtype), few, equal_nan=True)


def memory_stats() -> dict[str, Any]:
    """What live graphs hold: exact, and found by walking the live nodes, so that ops pay nothing for it.

    ``saved_bytes``       bytes held now; memory that slots share counts once
    ``nodes``             live nodes
    ``peak_saved_bytes``  the most that was held since `reset_peak_memory_stats`, or since the outermost `track_memory`
                          began; None while nobody tracks
    ``threads``           while somebody tracks: saved_bytes and peak_saved_bytes of each thread's own graphs, by name

    >>> rg.graph.memory_stats()["saved_bytes"] >= 0
    True
    """
    from regrad.graph import tracking

    nodes = list(lifetime.live_nodes())
    stats: dict[str, Any] = {"saved_bytes": lifetime.saved_bytes(nodes), "nodes": len(nodes)}
    peak = tracking.peak_memory()
    stats["peak_saved_bytes"] = None if peak is None else peak.nbytes
    stats["threads"] = {}
    if peak is not None:
        _, own = tracking.tracker.held()
        stats["threads"] = {
            name: {"saved_bytes": own.get(name, 0), "peak_saved_bytes": most} for name, most in peak.threads.items()
        }
    return stats


def graph_state(root_tensor: Any) -> str:
    """The state of a tensor's graph, also as `Tensor.graph_state`.

    "leaf" (there is none), "live", "partial" (some values are gone), "consumed" (by a pass) or "released" (on purpose).

    >>> x = rg.ones(2, requires_grad=True)
    >>> y = x.exp().sum()
    >>> x.graph_state, y.graph_state, y.backward(), y.graph_state
    ('leaf', 'live', None, 'consumed')
    """
    start = _start(root_tensor)
    if not isinstance(start, Node):
        return "leaf"
    nodes = lifetime.reachable([start]).values()
    freers = [f for f in map(lifetime.freer_of, nodes) if f is not None]
    if not freers:
        return "live"
    if len(freers) < len(nodes) or any(type(n.saved) is tuple for n in nodes):
        return "partial"
    return "released" if any(f.kind == "release" for f in freers) else "consumed"
