"""How long saved values live, and the stories told when they are gone or changed.

`check_alive` and `check_intact` run before a pass and change nothing. When they find something, `freed_error` and
`modified_error` work out what happened: who freed or wrote, where, which of the usual causes it is, and what to do.
`live_nodes` and `saved_bytes` look only when asked; nothing is counted while ops run.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from regrad.errors import GraphFreedError, SavedModifiedError
from regrad.graph import sharing, slots, versions
from regrad.graph.node import Consumed, Leaf, Node, Output, Pass, Plan, node_of
from regrad.graph.provenance import inside, operand_text, place, source_line, variables
from regrad.graph.value import SPENT, Value, root

__all__ = [
    "check_alive",
    "check_intact",
    "check_nan",
    "check_nan_root",
    "check_unseen",
    "freed_error",
    "is_strict",
    "live_nodes",
    "modified_error",
    "note_nan",
    "reachable",
    "saved_bytes",
    "strict",
]

_strict: ContextVar[bool] = ContextVar("regrad_strict", default=False)


class strict:
    """Under this context any second visit of a node that a pass has consumed raises, whatever the op.

    By default a second pass over nodes that saved nothing (``add``, ``neg``, ``expand``) succeeds, as in PyTorch.

    >>> import regrad as rg
    >>> t = rg.ones(2, requires_grad=True)
    >>> y = (t + 1).sum()
    >>> y.backward()
    >>> with rg.graph.strict():
    ...     try: y.backward()
    ...     except rg.GraphFreedError as error: print(error.cause)
    SAME_ROOT_TWICE
    """

    def __enter__(self) -> None:
        self._was = _strict.get()
        _strict.set(True)

    def __exit__(self, *exc: object) -> None:
        _strict.set(self._was)


def is_strict() -> bool:
    """Does a second visit of any consumed node raise here?"""
    return _strict.get()


# -- before a pass


def check_alive(nodes: dict[int, Node], masks: dict[int, int] | None, roots: Iterable[Any]) -> None:
    """Raise `GraphFreedError` if a node that is to run has lost its saved values."""
    picky = is_strict()
    for seq in sorted(nodes, reverse=True):
        node = nodes[seq]
        if masks is not None and seq not in masks:
            continue
        if (type(node.saved) is not tuple and (node.plan.holds or picky)) or (
            node.extra is not None and node.extra.done and _lacks(node, -1 if masks is None else masks[seq])
        ):
            starts = [node_of(e) for e in roots]
            raise freed_error(node, starts, nodes)


def _lacks(node: Node, mask: int) -> bool:
    """Has a slot that the rules in ``mask`` read been freed by a pass that frees what it used?"""
    return type(node.saved) is tuple and any(
        type(entry) is Pass and any(mask >> i & 1 for i in (readers or range(len(node.edges))))
        for entry, readers in zip(node.saved, node.plan.readers, strict=False)
    )


def check_spent(nodes: dict[int, Node], wanted: Any, roots: Iterable[Any]) -> None:
    """Raise `GraphFreedError` if a wanted input may be behind a spent root: if it is older."""
    spent = max((n for n in nodes.values() if n.plan.op is SPENT_OP), key=lambda n: n.number, default=None)
    if spent is not None and any(n < spent.number for n in (*(leaf.born for leaf in wanted.leaves), *wanted.outputs)):
        raise freed_error(spent, [node_of(e) for e in roots], nodes)


def check_intact(nodes: dict[int, Node], masks: dict[int, int] | None) -> None:
    """Raise `SavedModifiedError` if a value that is to be read was written to after it was saved."""
    written = versions.histories
    for seq, node in nodes.items():
        if type(node.saved) is not tuple or (masks is not None and seq not in masks):
            continue
        for entry in node.saved:
            if (
                type(entry) is np.ndarray
            ):  # the usual case, told apart fast: nothing has written to this memory since
                past = written.get(id(entry if entry.base is None else root(entry)))
                if past is None or past.last[-1].seq < seq:
                    continue
            elif type(entry) is tuple:
                if not entry or type(entry[0]) is int:  # a shape
                    continue
            elif not hasattr(entry, "unpack"):  # a number
                continue
            _check_node(node, -1 if masks is None else masks[seq])
            break


def _check_node(node: Node, mask: int) -> None:
    """Raise if one of the values that the rules in ``mask`` read has been written to."""
    if node.plan.op.custom == "unchecked":
        return
    for (name, readers, array), source in _slots(node):
        if any(mask >> i & 1 for i in readers):
            past = versions.stale(node, array)
            if past is not None:
                raise modified_error(node, name, array, source, past)


def check_unseen(nodes: dict[int, Node], masks: dict[int, int] | None) -> None:
    """Raise `SavedModifiedError` if a value that is to be read was changed through NumPy after it was saved."""
    if sharing.level() == "off":
        return
    prints = sharing.prints
    seen: dict[int, bool] = {}
    for seq, node in nodes.items():
        saved = node.saved
        if type(saved) is not tuple or (masks is not None and seq not in masks):
            continue
        for entry in saved:
            if type(entry) is np.ndarray:
                key = id(entry)
                if key in prints and seen.get(key) is not False and sharing.changed(entry, seen):
                    break
            elif (entry and type(entry[0]) is not int) if type(entry) is tuple else hasattr(entry, "unpack"):
                break
        else:
            continue
        if node.plan.op.custom == "unchecked":
            continue
        mask = -1 if masks is None else masks[seq]
        for (name, readers, array), source in _slots(node):
            if any(mask >> i & 1 for i in readers) and sharing.changed(array, seen):
                past = versions.History(None)
                past.count = versions.version(array) + 1
                past.last.append(versions.Write(node.seq + 1, sharing.UNSEEN, "", "", ()))
                raise modified_error(node, name, array, source, past)


def _slots(node: Node) -> Iterator[tuple[tuple[str, tuple[int, ...], np.ndarray], tuple[str, int]]]:
    if type(node.saved) is not tuple:
        return
    plan = node.plan
    for name, readers, source, entry in zip(plan.slots, plan.readers, plan.sources, node.saved, strict=False):
        for k, array in enumerate(slots.arrays_of(entry)):
            many = type(entry) is tuple
            yield (
                (name, readers or tuple(range(len(node.edges))), array),
                ((source[0], source[1] + k) if many else source),
            )


# -- after a pass

_FEW = 64  # a root whose freed values lie deeper than this is left as it is


class _SpentOp:
    """The op of what stands in the place of a spent root's node."""

    custom = False
    many = False
    diff = None
    rules: dict[str, Any] = {}  # noqa: RUF012 - it has none


SPENT_OP = _SpentOp()


def spend(value: Value) -> None:
    """Let a root whose graph a pass has freed go on without it: with its value, and a shell that tells the story.

    Only where every way from the root meets a freed node, so that any further pass would raise. What is computed from
    spent values alone is spent as well, so that a sum of losses drags no graphs along.
    """
    root_node: Any = value.edge.node if type(value.edge) is Output else value.edge
    if value._view is not None or type(root_node) is not Node:
        return
    if hasattr(value, "_leaves"):  # loaded: its graph is the only way to its leaves, and to their gradients
        return
    gone: Node | None = None
    waiting, seen = [root_node], {root_node.seq}
    while waiting:
        node = waiting.pop()
        if type(node.saved) is Pass:
            gone = node if gone is None or node.seq > gone.seq else gone
            continue
        if type(node.saved) is not Consumed or len(seen) > _FEW:
            return
        for edge in node.edges:
            if type(edge) is Leaf:
                return
            parent = edge.node if type(edge) is Output else edge
            if parent is not None and parent.seq not in seen:
                seen.add(parent.seq)
                waiting.append(parent)
    extra = root_node.extra
    if gone is None or gone.plan.op.custom or (extra is not None and (extra.watched() or extra.planned is not None)):
        return
    shell = object.__new__(Node)
    shell.plan = _SPENT_PLAN
    shell.edges, shell.shapes, shell.extra = (), None, None
    shell.saved, shell.seq = gone.saved, -root_node.seq  # no other node's: the root's own may still be reached
    shell.params = Told(root_node.plan.op.grad_name, gone.plan.op.name, gone.code, gone.lasti)
    shell.code, shell.lasti = root_node.code, root_node.lasti
    value.edge, value._view = shell, SPENT


def _nothing(*_: Any) -> Any:
    raise AssertionError("a spent root is never run")


_SPENT_PLAN = Plan(SPENT_OP, 0, (), (), (), _nothing, (), _nothing)
_SPENT_PLAN.holds = True  # so that every pass that meets one is refused


class Told(NamedTuple):
    """What a spent root still tells: its node's name, and the op that lost its values and where that was made."""

    grad_name: str
    op: str
    code: Any
    lasti: int


# -- under anomaly mode


def _holds_nan(array: Any) -> bool:
    return isinstance(array, (np.ndarray, np.generic)) and array.dtype.kind in "fcV" and bool(np.isnan(array).any())


def note_nan(node: Node, arrays: Iterable[Any], outs: Iterable[Any]) -> None:
    """Remember that the result of ``node`` holds nan, and which of its inputs did."""
    if any(map(_holds_nan, outs)):
        node.more().nan_from = tuple(i for i, a in enumerate(arrays) if _holds_nan(a))


def check_nan(node: Node, pieces: Iterable[Any], nodes: Iterable[Node]) -> None:
    """Raise if a rule of ``node``, in a pass over ``nodes``, produced nan."""
    for k, piece in enumerate(pieces):
        if _holds_nan(piece.array if isinstance(piece, Value) else piece):
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its {k}th output.\n"
                f"  backward of:   {node.op!r} at {_show(node.made_at)}{_line(node.made_at)}\n"
                + (_first_nan(nodes) or (
                    "  first nan:     here: nothing in the forward was nan\n"
                    f"  what to do:    Keep what {node.op!r} is given away from where its derivative is infinite"
                    " (infinity times 0 is nan), such as with x.clamp(min=1e-8); where() afterwards comes too late."
                ))
            )


def check_nan_root(edge: Any, array: Any) -> None:
    """Raise if what is to be differentiated is nan itself."""
    if _holds_nan(array):
        raise RuntimeError(
            "backward() of nan: its gradients would say nothing, and nothing has been changed.\n" + (
                _first_nan(reachable([edge]).values()) or "  first nan:     before anomaly detection was on"
            )
        )


def _first_nan(nodes: Iterable[Node]) -> str:
    """Where nan first appeared in the forward, and what to do; empty if none was noted."""
    noted = ((n, n.extra.nan_from) for n in nodes if n.extra is not None and n.extra.nan_from is not None)
    node, came = min(noted, key=lambda pair: pair[0].seq, default=(None, ()))
    if node is None:
        return ""
    where = f"{node.op!r} at {_show(node.made_at)}{_line(node.made_at)}"
    if not came:
        return (
            f"  first nan:     made in the forward by {where}\n"
            f"  what to do:    Look at what {node.op!r} was given there: keep it inside of its domain (as by"
            " x.clamp(min=1e-8)), and if values have grown step by step, lower the lr or clip the gradients."
        )
    edge = node.edges[came[0]] if came[0] < len(node.edges) else None
    owner = edge.owner() if type(edge) is Leaf else None
    if owner is None:
        name = operand_text(node.code, node.lasti, came[0]) or f"input {came[0]}"
        return (
            f"  first nan:     came in with {name}, read in the forward by {where}\n"
            "  what to do:    Clean what comes in: drop the samples that hold nan, or give them a number, as"
            " rg.nan_to_num(x) does."
        )
    return (
        f"  first nan:     in {_name_of(owner, owner.array) or 'a leaf'}, of shape {tuple(owner.array.shape)}, read in"
        f" the forward by {where}\n"
        "  what to do:    An earlier step has made it nan: start again from good weights, with a lower lr, with"
        " gradients clipped, or with anomaly detection on from the first step."
    )


# -- the story of a freed graph

_FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have"
    " already been freed). Saved intermediate values of the graph are freed when you call .backward() or"
    " autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or"
    " if you need to access saved tensors after calling backward."
)


def freed_error(node: Node, starts: Iterable[Any], nodes: dict[int, Node] | None = None) -> GraphFreedError:
    """Tell what freed ``node``, why this pass met it, and what to do."""
    freer: Pass = freer_of(node)
    lost = node.params if node.plan.op is SPENT_OP else node  # whose values are gone, and where that was made
    roots = [s for s in starts if isinstance(s, Node)]
    nodes = reachable(roots) if nodes is None else nodes
    found = _boundary(nodes, freer)
    made, freed = place(lost.code, lost.lasti), freer.place
    where = f"{node.op!r} (made at {_show(made)})"
    other = f" in thread {freer.thread!r}" if freer.thread != "MainThread" else ""
    shared: tuple[Node, ...] = ()
    boundary = None
    if freer.kind == "release":
        cause, advice = (
            "RELEASED",
            "The values were released on purpose: build the forward again, or release less.",
        )
    elif any(r.number in freer.roots for r in roots):
        cause = "SAME_ROOT_TWICE"
        advice = (
            "Build the forward again before each backward: move it inside the loop, so that every step has a"
            " graph of its own. (Only if this very graph must be used again, say so in the earlier pass.)"
        )
    elif found is not None and found[0].seq > freer.seq:
        cause = "STALE_INPUT"
        child, parent = found
        number = next(i for i, e in enumerate(child.edges) if node_of(e) is parent)
        name = _variable_of(parent) or operand_text(child.code, child.lasti, number)
        boundary = Boundary(name, _shape_of(parent, child, number), parent.op, parent.made_at, child.made_at)
        whole = name.partition("[")[0]  # of a state of several parts
        cut = f"rg.graph.detach_tree({whole})" if whole != name else f"{whole or 'h'}.detach()"
        advice = (
            f"{boundary} came over from an earlier step whose graph is gone: detach it between steps, such as"
            f" `{whole or 'h'} = {cut}`."
        )
    else:
        cause = "SHARED_TRUNK"
        shared = tuple(n for n in nodes.values() if freer_of(n) is freer)
        advice = (
            "Two losses share these nodes. Sum the losses and run one backward, or let the earlier pass keep"
            " what this one needs: its `retain_graph=True`."
        )
    lines = [
        _FREED,
        f"  what is gone:  the values saved by {where}{_line(made)}",
        f"  freed by:      {freer.kind} at {_show(freed)}{other}{_line(freed)}",
    ]
    if boundary is not None:
        lines.append(
            f"  came in by:    {boundary}, read at {_show(boundary.read_at)}{_line(boundary.read_at)}"
        )
    if shared:
        names = ", ".join(dict.fromkeys(n.op for n in shared[:6]))
        lines.append(f"  shared nodes:  {len(shared)} ({names}{', ...' if len(shared) > 6 else ''})")
    lines += [f"  cause:         {cause}", f"  what to do:    {advice}"]
    error = GraphFreedError("\n".join(lines))
    error.op, error.made_at, error.freed_by, error.freed_at = node.op, made, freer.kind + other, freed
    error.cause, error.boundary, error.shared, error.advice = cause, boundary, shared, advice
    return error


def freer_of(node: Node) -> Any:
    """The pass or release that consumed ``node`` or some of its slots; None while all of it is alive."""
    if isinstance(node.saved, Consumed):
        return node.saved.by
    if isinstance(node.saved, Pass):
        return node.saved
    return next((entry for entry in node.saved if type(entry) is Pass), None)


class Boundary:
    """The value that came over from an earlier step, and the line that read it."""

    def __init__(self, name: str, shape: tuple[int, ...] | None, op: str, made_at: Any, read_at: Any) -> None:
        self.name, self.shape, self.op, self.made_at, self.read_at = name, shape, op, made_at, read_at

    def __str__(self) -> str:
        size = "" if self.shape is None else f" of shape {self.shape}"
        return f"{self.name or 'a value'}{size} (result of {self.op!r} at {_show(self.made_at)})"


def _boundary(nodes: dict[int, Node], freer: Pass) -> tuple[Node, Node] | None:
    """(reader, value): the newest value from before ``freer`` that hangs on consumed nodes, and who reads it after.

    Where nobody reads after ``freer``: the newest consumed node that an unconsumed one reads.
    """
    found: list[tuple[Node, Node]] = []
    hanging: set[int] = set()  # the nodes that are consumed or lead to one that is
    for seq in sorted(nodes):
        node = nodes[seq]
        if type(node.saved) is not tuple:
            hanging.add(seq)
            continue
        for edge in node.edges:
            parent = node_of(edge)
            if isinstance(parent, Node) and parent.seq in hanging:
                hanging.add(seq)
                if type(parent.saved) is not tuple or parent.seq < freer.seq < seq:
                    found.append((node, parent))
    return max(found, key=lambda pair: (pair[0].seq > freer.seq, pair[1].seq), default=None)


def reachable(roots: Iterable[Any]) -> dict[int, Node]:
    """Every node that can be reached from ``roots`` (edges or nodes), by sequence number."""
    nodes: dict[int, Node] = {}
    stack = list(roots)
    while stack:
        edge = stack.pop()
        node = edge.node if type(edge) is Output else edge
        if isinstance(node, Node) and node.seq not in nodes:
            nodes[node.seq] = node
            stack.extend(node.edges)
    return nodes


def _show(where: Any) -> str:
    return "an unknown place" if where is None else f"{where.file}:{where.line}"


def _line(where: Any) -> str:
    text = source_line(where)
    return f"\n                 {text}" if text else ""


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not inside[frame.f_code.co_filename]:
            yield frame
        frame = frame.f_back


def _values_in_scope() -> Iterator[tuple[str, Value]]:
    """(name, tensor) of what the user's frames hold, one level into their containers and objects."""
    for frame in _frames():
        for name, thing in variables(frame):
            if isinstance(thing, Value):
                yield name, thing
            elif isinstance(thing, dict):
                yield from ((f"{name}[{k!r}]", v) for k, v in list(thing.items()) if isinstance(v, Value))
            elif isinstance(thing, (list, tuple)):
                yield from ((f"{name}[{k}]", v) for k, v in enumerate(thing) if isinstance(v, Value))
            elif hasattr(thing, "named_parameters") and not isinstance(thing, type):
                yield from ((f"{name}.{k}", v) for k, v in thing.named_parameters())
            elif (
                hasattr(thing, "__dict__")
                and not isinstance(thing, type)
                and type(thing).__module__ != "builtins"
            ):
                yield from ((f"{name}.{k}", v) for k, v in list(vars(thing).items()) if isinstance(v, Value))


def _variable_of(node: Node) -> str:
    """The name under which the user holds the node's result, or what the same call has given since; empty if none."""
    since = ""
    for name, value in _values_in_scope():
        edge = node_of(value.edge)
        if edge is node:
            return name
        if not since and isinstance(edge, Node) and _call_of(edge) == _call_of(node):
            since = name
    return since


def _call_of(node: Node) -> tuple[Any, ...]:
    return node.code, node.lasti, node.plan.op


def _shape_of(node: Node, reader: Node, number: int) -> tuple[int, ...] | None:
    """The shape of the result of ``node``, as its reader or a variable of the user's knows it."""
    if isinstance(reader.saved, tuple):
        for source, entry in zip(reader.plan.sources, reader.saved, strict=False):
            if source == ("in", number) and isinstance(entry, np.ndarray):
                return tuple(entry.shape)
    if reader.shapes is not None and reader.shapes[number] is not None:
        return tuple(reader.shapes[number])
    for _, value in _values_in_scope():
        if value.edge is node:
            return tuple(value.array.shape)
    return None


# -- the story of a modified value


def modified_error(
    node: Node, slot: str, array: Any, source: tuple[str, int], past: Any
) -> SavedModifiedError:
    """Tell which saved value was written to, by whom, and what to do."""
    late = [w for w in past.last if w.seq > node.seq]
    write = late[-1]
    expected, now = past.count - len(late), past.count
    owner = _owner_of(node, source, array)
    name = _name_of(owner, array)
    edge = node.edges[source[1]] if source[0] == "in" and source[1] < len(node.edges) else None
    maker, number = (edge.node, edge.index) if type(edge) is Output else (edge, 0)
    maker = node if source[0] == "out" else maker
    of = f", which is output {number} of {maker.name()}," if maker is not None else ","
    kind = {
        "f2": "Half",
        "f4": "Float",
        "f8": "Double",
        "c8": "ComplexFloat",
        "c16": "ComplexDouble",
        "i8": "Long",
        "i4": "Int",
        "b1": "Bool",
        "u1": "Byte",
    }.get(array.dtype.str[1:], str(array.dtype))
    first = (
        "one of the variables needed for gradient computation has been modified by an inplace operation:"
        f" [torch.{kind}Tensor {list(array.shape)}]{of} is at version {now}; expected version {expected}"
        " instead. Hint: the lines below name the read and the write."
    )
    writer, written = _writer(write)
    read = node.made_at
    what = name or ("the result" if source[0] == "out" else f"the value saved as {slot!r}")
    step = "step" in writer.rsplit(".", 1)[-1]
    if step:
        advice = (
            "Take the optimizer step after both backward calls, or detach what the second loss should not"
            " reach, or build the second forward after the step."
        )
    elif not write.sites:
        advice = (
            "Write after the backward, or to a copy; inside `with rg.graph.guard('lock'):` the write itself"
            " raises, so that its line shows."
        )
    elif source[0] == "out":
        advice = (
            f"Write out of place (such as `y = y * 2` for `y *= 2`): {node.op!r} needs its own result for its"
            " derivative."
        )
    else:
        advice = (
            "Write after the backward, or write out of place, or clone the value before it is read; "
            "`with rg.autograd.graph.allow_mutation_on_saved_tensors():` keeps copies by itself."
        )
    calls = [p for p in (place(*s) for s in write.sites) if p is not None]
    lines = [
        first,
        f"  what changed:  {what}, shape {tuple(array.shape)}",
        f"  read by:       {node.op!r} at {_show(read)}{_line(read)}",
        f"  written by:    {writer}" + (f" at {_show(written)}{_line(written)}" if written else ""),
    ]
    lines += [f"                 called from {_show(p)}{_line(p)}" for p in calls[1:3]]
    lines.append(f"  what to do:    {advice}")
    error = SavedModifiedError("\n".join(lines))
    error.name, error.op, error.read_at, error.written_at = name, node.op, read, written
    error.writer, error.versions, error.advice = writer, (expected, now), advice
    return error


def _writer(write: versions.Write) -> tuple[str, Any]:
    """(who wrote, where): an optimizer's ``SGD.step``, the user's function that wrote, or the op itself."""
    first = place(*write.sites[0]) if write.sites else None
    if write.actor and write.actor.rsplit(".", 1)[-1] == "step":
        return write.actor, first
    if write.user and not write.user.startswith("<"):
        return write.user.replace("<locals>.", ""), first
    return write.op, first


def _owner_of(node: Node, source: tuple[str, int], array: Any) -> Any:
    """The leaf that a node read, itself or through views such as ``w.t()``; None where it was computed."""
    edge: Any = node.edges[source[1]] if source[0] == "in" and source[1] < len(node.edges) else None
    while edge is not None and type(edge) is not Leaf:
        maker = node_of(edge)
        edge = maker.edges[0] if maker.edges else None
    owner = edge.owner() if type(edge) is Leaf else None
    return owner if owner is not None and root(owner.array) is root(array) else None


def _name_of(owner: Any, array: Any) -> str:
    """The value's name: the one it was given, else the one under which the user's code holds it."""
    if owner is not None and owner.meta is not None and owner.meta.name:
        return str(owner.meta.name)
    memory = root(array)
    for name, value in _values_in_scope():
        if value is owner or (
            owner is None and value.array.shape == array.shape and root(value.array) is memory
        ):
            return name
    return ""


# -- looking


def live_nodes() -> Iterator[Node]:
    """Every node alive in the process, found through the garbage collector's books (it need not be enabled)."""
    return (n for n in [o for o in gc.get_objects() if type(o) is Node] if _finished(n))


def _finished(node: Node) -> bool:
    """Is the node whole? Another thread may be about to make it; the number comes last."""
    try:
        _number_of(node)
    except AttributeError:
        return False
    return True


_number_of = Node.__dict__["seq"].__get__  # past Node.__getattr__


def saved_bytes(nodes: Iterable[Node] | None = None) -> int:
    """Bytes of the arrays that nodes hold for backward; memory shared by several of them counts once."""
    return sum(slots.all_memories(live_nodes() if nodes is None else nodes).values())


# -- pickling

_values_only: ContextVar[bool] = ContextVar("regrad_values_only", default=False)


class values_only:
    """Inside this context, pickling a tensor that is attached to a graph stores its value and nothing else.

    >>> import pickle
    >>> y = rg.ones(2, requires_grad=True) * 2
    >>> with rg.graph.values_only():
    ...     pickle.loads(pickle.dumps(y))
    tensor([2., 2.])
    """

    def __enter__(self) -> None:
        self._was = _values_only.get()
        _values_only.set(True)

    def __exit__(self, *exc: object) -> None:
        _values_only.set(self._was)


def pickling_values() -> bool:
    """May an attached tensor be pickled as its value?"""
    return _values_only.get()
