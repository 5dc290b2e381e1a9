"""The pass: from roots back to leaves, over arrays (fast) or over recorded tensors (higher order).

Start reading at `run`. It collects what the roots reach, keeps what leads to a wanted input, checks that all of it
is alive and intact, and only then runs: nodes by descending sequence number, each by its plan's ``pull``. Gradients
of leaves are committed at the end, so that a pass that fails has changed none. Nothing recurses.

Three words: a *piece* is what one rule contributes to the gradient of one input; ``pending`` holds, per node, the
sum of the pieces that have arrived; a *due* leaf is one with hooks, finished as soon as its last piece is in.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from regrad.errors import GraphFreedError
from regrad.graph import lifetime, observers, sharing, slots, versions
from regrad.graph.modes import MODE, RECORD, SILENT, Mode, mode
from regrad.graph.node import Leaf, Node, Output, Pass, Plan, Terms, node_of, recent, stop_key
from regrad.graph.provenance import inside
from regrad.graph.quiet import QUIET, quiet_reset, quiet_set
from regrad.graph.value import Value, edge_now, wrap

__all__ = ["run", "sum_to"]

_walks: ContextVar[tuple[_Walk, ...]] = ContextVar(
    "regrad_walks", default=()
)  # the passes under way, innermost last
_commit = threading.RLock()  # gradients of leaves are added up by one pass at a time
getrefcount = sys.getrefcount


def sum_to(piece: Any, shape: tuple[int, ...]) -> Any:
    """Sum an array over the dimensions that broadcasting added, down to ``shape``."""
    if piece.shape == shape:
        return piece
    extra = piece.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(shape) if n == 1 and piece.shape[i + extra] != 1
    )
    if axes:
        piece = piece.sum(axis=axes, keepdims=True)
    return piece.reshape(shape) if piece.shape != shape else piece


class Wanted:
    """The inputs asked for: which nodes lead to them, and with which of their rules."""

    def __init__(self, edges: Sequence[Any], nodes: dict[int, Node]) -> None:
        self.leaves: dict[Leaf, list[int]] = {}
        self.outputs: dict[int, list[tuple[int, int]]] = (
            {}
        )  # seq -> (output number, position among the inputs)
        for k, edge in enumerate(edges):
            if type(edge) is Leaf:
                self.leaves.setdefault(edge, []).append(k)
            elif type(edge) is Output:
                self.outputs.setdefault(edge.node.seq, []).append((edge.index, k))
            else:
                self.outputs.setdefault(edge.seq, []).append((0, k))
        self.masks: dict[int, int] = (
            {}
        )  # seq -> inputs whose gradient is needed; absent: the node need not run
        self.beyond: frozenset[int] = frozenset()  # nodes at which the gradient stops
        self.missed: set[Any] = {stop_key(edge) for edge in edges}  # what no node reads
        indices = {seq: {index for index, _ in pairs} for seq, pairs in self.outputs.items()}
        for seq in sorted(nodes):
            mask = 0
            for i, edge in enumerate(nodes[seq].edges):
                if edge is None:
                    continue
                if type(edge) is Leaf:
                    hit = edge in self.leaves
                elif type(edge) is Output:
                    hit = edge.index in indices.get(edge.node.seq, ()) or edge.node.seq in self.masks
                else:
                    hit = edge.seq in indices or edge.seq in self.masks
                if hit:
                    mask |= 1 << i
                    self.missed.discard(edge if type(edge) is Leaf else stop_key(edge))
            if mask:
                self.masks[seq] = mask


def run(
    roots: list[Any],
    cotangents: list[Any],
    wanted_edges: Sequence[Any] | None,
    *,
    retain: bool,
    record: bool,
    accumulate: bool,
    pass_: Pass,
    recorded_sum_to: Callable[[Any, Any], Any] | None = None,
    terms: Terms | None = None,
    log: list[Callable[[], None]] | None = None,
    unused: Callable[[int], Exception] | None = None,
    dry: bool = False,
) -> list[Any]:
    """Run one pass from the edges ``roots`` with their cotangents (arrays, or tensors when ``record``).

    ``wanted_edges`` are the inputs asked for; None: every leaf that is reached. With ``accumulate`` the gradients
    of leaves go to ``.grad``, and only those of inner wanted edges are returned; otherwise all wanted ones are, one
    entry for each edge, None where none arrived. ``terms``: what else the pass keeps, frees and stops at.
    ``log`` gets functions that take back what the pass did to gradients, should a later one fail. ``unused`` makes the
    error for a wanted input that the roots do not depend on; None: there may be such. ``dry``: check, and do not run.
    """
    # -- what do the roots reach?
    nodes: dict[int, Node] = {}
    stack: list[Node] = []
    for edge in roots:
        if type(edge) is Output:
            edge = edge.node
        if type(edge) is not Leaf and edge.seq not in nodes:
            nodes[edge.seq] = edge
            stack.append(edge)
    hooked = False
    dead = False
    due_at: dict[Leaf, int] = {}
    pop, push = stack.pop, stack.append
    while stack:
        node = pop()
        if node.extra is not None:
            hooked = True
            dead = dead or node.extra.done != 0
        if type(node.saved) is not tuple:
            dead = True
        for edge in node.edges:
            if edge is None:
                continue
            kind = type(edge)
            if kind is Leaf:
                if edge.hooked and due_at.get(edge, node.seq) >= node.seq:
                    due_at[edge] = node.seq
                continue
            if kind is Output:
                edge = edge.node
            seq = edge.seq
            if seq not in nodes:
                nodes[seq] = edge
                push(edge)
    if hooked and not retain and (terms is None or terms.plan is None):
        terms = _mindful(nodes, terms)
    wanted = None
    if wanted_edges is not None:
        wanted = Wanted(wanted_edges, nodes)
        if dead:
            lifetime.check_spent(nodes, wanted, roots)
        if unused is not None and wanted.missed:
            missed = wanted.missed - {stop_key(edge) for edge in roots}
            if missed:
                raise unused(next(k for k, edge in enumerate(wanted_edges) if stop_key(edge) in missed))
    if terms is not None and terms.stops:
        wanted = _before_stops(roots, nodes, wanted, terms.stops)
    order = sorted(nodes, reverse=True)

    # -- is all of it alive and intact? Nothing has been changed yet.
    if dead or lifetime.is_strict():
        lifetime.check_alive(nodes, None if wanted is None else wanted.masks, roots)
    if order and sharing.lent:
        sharing.settle(order[-1])
    checked = versions.clock.last
    if order and checked > order[-1]:
        lifetime.check_intact(nodes, None if wanted is None else wanted.masks)
    if sharing.prints:
        lifetime.check_unseen(nodes, None if wanted is None else wanted.masks)
    if dry:
        return []

    # -- run
    pass_.retained = retain
    recent.append(pass_)
    state = mode()
    token = MODE.set(
        state if state.record is record else SILENT if state is RECORD else state.but(record=record)
    )
    quiet = quiet_set(QUIET)
    # Tangents and batches live on tensors: inside a dual level or a vmap the rules run on these.
    tensors = record or bool(state.dual) or state.batch is not None
    walk = _Walk(
        nodes,
        order,
        wanted,
        retain,
        tensors,
        accumulate,
        pass_,
        recorded_sum_to if tensors and recorded_sum_to else sum_to,
    )
    walk.terms, walk.logged = terms, log is not None
    walk.hooked = hooked or bool(due_at) or state.anomaly is not None
    walk.checked = checked
    walk.result = [None] * (0 if wanted_edges is None else len(wanted_edges))
    for leaf, seq in due_at.items():
        walk.due.setdefault(seq, []).append(leaf)
    inner = _walks.set((*_walks.get(), walk)) if walk.hooked else None
    try:
        for edge, g in zip(roots, cotangents, strict=True):
            walk.arrive(edge, wrap(g) if tensors and not isinstance(g, Value) else g)
        cotangents.clear()
        if walk.hooked or wanted is not None or tensors or terms is not None or observers.observers:
            walk.general(state)
        else:
            walk.plain()
        walk.finish()
        if observers.observers:
            observers.ran(pass_, walk.nodes, None if wanted is None else wanted.masks, record)
    except BaseException as error:
        walk.undo(error)
        _forget_frames(error)
        raise
    finally:
        quiet_reset(quiet)
        MODE.reset(token)
        if inner is not None:
            _walks.reset(inner)
    if log is not None:
        log.extend(walk.log)
    return walk.result


def current_pass() -> int:
    """The sequence number of the pass that is calling this hook; 0 outside any."""
    walks = _walks.get()
    return walks[-1].pass_.seq if walks else 0


class PassInfo(NamedTuple):
    """The pass that is calling a hook.

    ``number``    its number on the clock of nodes, writes and passes
    ``kind``      "backward()" or "grad()"
    ``roots``     the numbers (``grad_fn.seq``) of the nodes that it started from
    ``retained``  does all of the graph stay alive?
    ``partial``   does it go to some inputs only?
    ``place``     file and line of the call
    """

    number: int
    kind: str
    roots: tuple[int, ...]
    retained: bool
    partial: bool
    place: Any

    def started_from(self, tensor: Any) -> bool:
        """Is ``tensor`` one of the pass's roots?"""
        node = node_of(edge_now(tensor))
        return type(node) is Node and node.number in self.roots


def pass_info() -> PassInfo | None:
    """The pass that is calling this hook; None outside any.

    >>> w = rg.ones(1, requires_grad=True)
    >>> handle = w.register_hook(lambda g: print(rg.graph.current_pass().kind))
    >>> (w * 2).sum().backward()
    backward()
    """
    walks = _walks.get()
    if not walks:
        return None
    walk = walks[-1]
    by = walk.pass_
    return PassInfo(by.seq, by.kind, by.roots, walk.retain, walk.wanted is not None, by.place)


def keeps(node: Node) -> bool:
    """Will ``node`` go on living after the pass that is running it?"""
    walks = _walks.get()
    if not walks:
        return True
    walk = walks[-1]
    if walk.retain or walk.terms is None:
        return walk.retain
    return node.seq in walk.terms.keep or (walk.terms.plan is not None and walk.terms.plan.needs(node))


def pass_is_partial() -> bool:
    """Does the pass that is calling this hook go only to some inputs?"""
    walks = _walks.get()
    return bool(walks) and walks[-1].wanted is not None


def will_run(edge: Any) -> bool:
    """Does the pass that is calling this hook reach ``edge``?"""
    walks = _walks.get()
    if not walks:
        return False
    walk = walks[-1]
    if type(edge) is Leaf:
        if walk.wanted is not None:
            return edge in walk.wanted.leaves
        return any(e is edge for n in walk.nodes.values() for e in n.edges)
    seq = edge.node.seq if type(edge) is Output else edge.seq
    if walk.wanted is not None:
        return seq in walk.wanted.masks or seq in walk.wanted.outputs
    return seq in walk.nodes


class _Walk:
    """The state of one pass while it runs."""

    __slots__ = (
        "accumulate",
        "checked",
        "due",
        "freed",
        "hooked",
        "leaves",
        "log",
        "logged",
        "nodes",
        "order",
        "owned",
        "pass_",
        "pending",
        "record",
        "result",
        "retain",
        "sum_to",
        "terms",
        "wanted",
    )

    def __init__(
        self,
        nodes: dict[int, Node],
        order: list[int],
        wanted: Wanted | None,
        retain: bool,
        record: bool,
        accumulate: bool,
        pass_: Pass,
        sum_to: Callable[[Any, Any], Any],
    ) -> None:
        self.nodes, self.order, self.wanted, self.retain, self.record = nodes, order, wanted, retain, record
        self.accumulate, self.pass_, self.sum_to = accumulate, pass_, sum_to
        self.pending: dict[int, Any] = {}
        self.leaves: dict[Leaf, Any] = {}
        self.owned: set[Any] = (
            set()
        )  # keys whose pending sum was made here, so that it may be added to in place
        self.due: dict[int, list[Leaf]] = {}
        self.freed: list[tuple[Node, int | None]] = []  # to be freed at the end, because a hook might still fail
        self.terms: Terms | None = None
        self.log: list[Callable[[], None]] = []  # how to undo what has been committed
        self.hooked = self.logged = False
        self.checked = 0
        self.result: list[Any] = []

    def arrive(self, edge: Any, piece: Any) -> None:
        """Add a piece to what has arrived at ``edge``."""
        kind = type(edge)
        if kind is Output:
            slots = self.pending.get(edge.node.seq)
            if slots is None:
                slots = self.pending[edge.node.seq] = [None] * edge.count
            have = slots[edge.index]
            slots[edge.index] = piece if have is None else have + piece
            return
        box: dict[Any, Any]
        box, key = (self.leaves, edge) if kind is Leaf else (self.pending, edge.seq)
        if key not in box:
            box[key] = piece
        elif key in self.owned and not self.record and type(box[key]) is np.ndarray:
            have = box[key]
            np.add(have, piece, out=have)
        else:
            box[key] = box[key] + piece
            self.owned.add(key)

    def plain(self) -> None:
        """The fast walk: arrays, all leaves, no hooks. A saved value dies as soon as its rule has run."""
        nodes, pending, leaves, owned = self.nodes, self.pending, self.leaves, self.owned
        retain, pass_, arrive = self.retain, self.pass_, self.arrive
        take, pass_type, add, ndarray = pending.pop, Pass, np.add, np.ndarray
        for seq in self.order:
            node = nodes.pop(seq)
            g = take(seq, None)
            kept = node.saved
            plan = node.plan
            if type(kept) is pass_type:
                raise lifetime.freed_error(node, (node,))
            if not retain:
                node.saved = pass_ if plan.holds else pass_.mark(kept)
            if g is None:
                continue
            pieces = plan.pull(g, kept, node.params)
            shapes = node.shapes
            edges = node.edges
            del g, kept
            for i, piece in zip(plan.targets or range(len(edges)), pieces):
                edge = edges[i]
                if piece is None or edge is None:
                    continue
                if shapes is not None and piece.shape != shapes[i]:
                    piece = sum_to(piece, shapes[i])
                kind = type(edge)
                key: Any
                box: dict[Any, Any]
                if kind is Node:
                    key, box = edge.seq, pending
                elif kind is Leaf:
                    key, box = edge, leaves
                else:
                    arrive(edge, piece)
                    continue
                if key not in box:
                    box[key] = piece
                elif key in owned and type(have := box[key]) is ndarray:
                    add(have, piece, have)
                else:
                    box[key] = box[key] + piece
                    owned.add(key)
            piece = pieces = None

    def general(self, state: Mode) -> None:
        """The walk with everything: hooks, wanted inputs, recorded gradients, packed values, anomaly checks."""
        wanted = self.wanted
        masks = None if wanted is None else wanted.masks
        terms = self.terms
        keep = () if terms is None else terms.keep
        frees = not self.retain and (terms is None or terms.plan is None)
        # What a failure may not take away is freed at the end.
        late = self.hooked if terms is None or terms.on_error is None else terms.on_error == "keep"
        late = late or (terms is not None and (terms.going is not None or terms.release == "used"))
        for seq in self.order:
            node = self.nodes[seq]
            g = self.pending.pop(seq, None)
            if g is not None:
                if node.extra is not None:
                    g = self.before(node, g)
                if wanted is not None and seq in wanted.outputs:
                    for index, k in wanted.outputs[seq]:
                        self.result[k] = g[index] if type(g) is list else g
                if terms is not None and terms.stops and type(g) is list:
                    g = [None if (seq, index) in terms.stops else each for index, each in enumerate(g)]
            if masks is None or seq in masks:
                if type(node.saved) is Pass:
                    raise lifetime.freed_error(node, (node,))
                if versions.clock.last > self.checked:  # a hook has written to something since the check
                    lifetime.check_intact({seq: node}, masks)
                if self.hooked and sharing.prints:
                    lifetime.check_unseen({seq: node}, masks)
                if g is not None:
                    self.execute(node, g, None if masks is None else masks[seq], state)
                if frees and seq not in keep:
                    if late:
                        self.freed.append((node, None if masks is None else masks[seq]))
                    else:
                        self.free(node, None if masks is None else masks[seq])
            if seq in self.due:
                for leaf in self.due[seq]:
                    if leaf in self.leaves:
                        self.commit(leaf, self.leaves.pop(leaf))

    def execute(self, node: Node, g: Any, mask: int | None, state: Mode) -> None:
        """Run one node's rules and send the pieces on."""
        plan: Plan = node.plan
        extra = node.extra
        if extra is not None and extra.pre:
            g = self._call_pre(node, g)
        kept: Any
        if self.record or plan.op.custom:
            kept = slots.opened(node) if not plan.op.custom else node.saved
        elif extra is not None and extra.packed:
            kept = slots.unpacked(node)
        else:
            kept = node.saved
        pull, targets = plan.pull, plan.targets
        if mask is not None and mask != plan.mask and targets is not None:
            pull, targets = plan.narrow(mask)
        pieces = pull(g, kept, node.params) if not plan.op.custom else pull(node, g, mask, self)
        edges = node.edges
        whole: list[Any] = [None] * len(edges)
        for i, piece in zip(targets or range(len(edges)), pieces):
            if piece is not None and edges[i] is not None and (mask is None or mask >> i & 1):
                if node.shapes is not None and piece.shape != node.shapes[i]:
                    piece = self.sum_to(piece, node.shapes[i])
                whole[i] = piece
        if extra is not None and extra.post:
            whole = self._call_post(node, whole, g)
        if state.anomaly:
            lifetime.check_nan(node, whole, self.nodes.values())
        for edge, piece in zip(edges, whole):
            if piece is not None and edge is not None:
                self.arrive(edge, piece)

    def before(self, node: Node, g: Any) -> Any:
        """Hooks on the node's outputs, in PyTorch's order: tensor hooks, retained gradients, captures."""
        extra = node.extra
        assert extra is not None
        many = type(g) is list
        for index, hooks in (extra.tensor_pre or {}).items():
            have = g[index] if many else g
            if have is not None:
                have = self._hook_each(hooks, have, node)
                if many:
                    g[index] = have
                else:
                    g = have
        for index, ref in (extra.retain or {}).items():
            tensor = ref()
            have = g[index] if many else g
            if tensor is not None and have is not None:
                self._retain(tensor, have)
        return g

    def _hook_each(self, hooks: dict[int, Any], g: Any, node: Any) -> Any:
        for hook in list(hooks.values()):
            given: Any = g if isinstance(g, Value) else wrap(g)
            back = hook(given)
            if back is not None:
                if not isinstance(back, Value):
                    raise TypeError(
                        f"hook on the gradient of {node!r} returned {type(back).__name__}; "
                        "return a tensor, or None to leave the gradient alone"
                    )
                if back.array.shape != given.array.shape:
                    raise RuntimeError(
                        f"hook on the gradient of {node!r} has changed the size of value: it got "
                        f"{given.array.shape} and returned {back.array.shape}"
                    )
                g = back if self.record else back.array
                if back.array.dtype != given.array.dtype:
                    g = g.to(given.dtype) if self.record else g.astype(given.array.dtype)
        return g

    def _as_tensors(self, gs: Any) -> tuple[Any, ...]:
        gs = gs if type(gs) in (list, tuple) else (gs,)
        return tuple(g if g is None or isinstance(g, Value) else wrap(g) for g in gs)

    def _back(self, values: Any, count: int, what: str) -> list[Any]:
        values = values if isinstance(values, (list, tuple)) else (values,)
        if len(values) != count:
            raise RuntimeError(f"{what} returned {len(values)} gradients where {count} are needed")
        return [v if v is None or self.record else v.array for v in values]

    def _call_pre(self, node: Any, g: Any) -> Any:
        many = type(g) is list
        hooks = (node.more() if isinstance(node, Node) else node).pre or {}
        for hook in list(hooks.values()):
            back = hook(self._as_tensors(g))
            if back is not None:
                values = self._back(back, len(g) if many else 1, f"prehook of {node.name()}")
                g = values if many else values[0]
        return g

    def _call_post(self, node: Any, whole: list[Any], g: Any) -> list[Any]:
        hooks = (node.more() if isinstance(node, Node) else node).post or {}
        for hook in list(hooks.values()):
            back = hook(self._as_tensors(whole), self._as_tensors(g))
            if back is not None:
                whole = self._back(back, len(whole), f"hook of {node.name()}")
        return whole

    def _retain(self, tensor: Any, g: Any) -> None:
        was = tensor._grad
        self.log.append(lambda: setattr(tensor, "_grad", was))
        value = g if isinstance(g, Value) else wrap(np.array(g))
        tensor._grad = value if was is None else was + value
        each = tensor.meta.grads
        if each is not None:
            self.log.append(each.noted(self.pass_.roots, value))

    def commit(self, leaf: Leaf, g: Any) -> None:
        """Run the leaf's hooks and deliver its gradient: to the caller, or to ``.grad``."""
        if leaf.tensor_pre:
            g = self._hook_each(leaf.tensor_pre, g, leaf)
        wanted = self.wanted
        if not self.accumulate and wanted is not None and leaf in wanted.leaves:
            for k in wanted.leaves[leaf]:
                self.result[k] = g
        if not self.accumulate or (wanted is not None and leaf not in wanted.leaves):
            return
        if leaf.pre:
            g = self._call_pre(leaf, g)
        tensor = leaf.owner()
        if tensor is not None:
            with _commit:
                if leaf.hooked or self.logged:
                    self._remember(tensor)
                plan = None if self.terms is None else self.terms.plan
                if plan is None or not plan.held_back(leaf, g, self.pass_):
                    accumulate_into(tensor, g, self.record, self.pass_)
        if leaf.post:
            self._call_post(leaf, [], g)
        if leaf.watch and tensor is not None:
            for hook in list(leaf.watch.values()):
                hook(tensor)

    def _remember(self, tensor: Any) -> None:
        was = tensor._grad
        copy = None if was is None else was.array.copy()

        def undo() -> None:
            if was is not None and tensor._grad is was:
                was.array[...] = copy
            tensor._grad = was

        self.log.append(undo)

    def finish(self) -> None:
        """Everything has run: free what is to be freed and deliver the gradients."""
        leaves = self.leaves
        if self.hooked:
            for leaf in [leaf for leaf in leaves if leaf.hooked]:
                self.commit(leaf, leaves.pop(leaf))
        terms = self.terms
        if terms is not None and terms.plan is None and terms.release == "graph" and not self.retain:
            keep = terms.keep if self.wanted is None else terms.keep | self.wanted.beyond
            self.freed += [(node, None) for seq, node in self.nodes.items() if seq not in keep]
        for node, mask in reversed(self.freed):  # the oldest first: a node is done when those behind it are
            if terms is not None and terms.going is not None:
                terms.going.append((node, self.pass_))
            else:
                self.free(node, mask)
        self.freed.clear()
        self.pending.clear()
        while leaves:
            leaf, g = leaves.popitem()
            self.commit(leaf, g)
        if not self.record:
            self.result = _own_all(self.result)

    def free(self, node: Node, mask: int | None) -> None:
        """Let go of what ``node`` saved, or of what its readers in ``mask`` alone still wanted; say who did it."""
        if self.terms is not None and self.terms.release == "used":
            free_used(node, self.pass_, mask, self.wanted)
        else:
            free(node, self.pass_)

    def undo(self, error: BaseException) -> None:
        """Put back every gradient that was already committed; free what a failed pass should not leave behind."""
        for step in reversed(self.log):
            step()
        self.log.clear()
        on_error = None if self.terms is None else self.terms.on_error
        if self.terms is not None and self.terms.plan is not None and on_error is None:
            on_error = "keep"
        # Where another thread's pass was first, that one frees the graph.
        lost = isinstance(error, GraphFreedError)
        if on_error == "release":
            for node in self.nodes.values():
                free(node, self.pass_)
        elif on_error is None and not self.hooked and not self.retain and not lost:
            keep = () if self.terms is None else self.terms.keep
            for seq, node in self.nodes.items():
                if seq not in keep and (self.wanted is None or seq in self.wanted.masks):
                    free(node, self.pass_)
        self.freed.clear()
        self.pending.clear()
        self.leaves.clear()


def free(node: Node, by: Pass) -> int:
    """Let go of what ``node`` saved; ``by`` says who did it. Returns 1 if there was something to let go of."""
    if type(node.saved) is Pass:
        return 0
    if observers.observers:
        observers.drops(node)
    node.saved = by if node.plan.holds else by.mark(node.saved)
    if node.plan.op.custom:
        slots.released(node)
    return 1


def free_used(node: Node, by: Pass, mask: int | None, wanted: Wanted | None) -> None:
    """Let go of the slots that no further pass has a use for; of the whole node when every input has its gradient.

    An input has it when the pass delivered it there, or when all that lies behind it has been delivered: the values by
    which a gradient still has to come through are kept.
    """
    plan = node.plan
    possible = _possible(node)
    extra = node.more()
    if wanted is None or mask is None:
        extra.done = possible
    else:
        for i, edge in enumerate(node.edges):
            if mask >> i & 1 and _is_done(edge, wanted):
                extra.done |= 1 << i
    if extra.done & possible == possible:
        free(node, by)
        return
    if type(node.saved) is Pass or plan.op.custom:  # a custom function's values are in its own hands
        return
    left = list(node.saved)
    for k, (readers, source) in enumerate(zip(plan.readers, plan.sources)):
        still = [i for i in (readers or range(len(node.edges))) if possible >> i & 1 and not extra.done >> i & 1]
        if not still and source[0] != "meta":
            left[k] = by
    if observers.observers:
        observers.drops(node)
    node.saved = tuple(left)
    if observers.observers:
        observers.holds(node)


def _mindful(nodes: dict[int, Node], terms: Terms | None) -> Terms | None:
    """Terms that keep what plans still need whose roots this pass comes by, though it is not part of them."""
    passed = {n.extra.planned for n in nodes.values() if n.extra is not None} - {None}
    needed: set[int] = set()
    for plan in passed:
        needed.update(plan.needed())
    if not needed:
        return terms
    if terms is None:
        return Terms(frozenset(needed))
    terms.keep |= needed
    return terms


def _possible(node: Node) -> int:
    return sum(1 << i for i, edge in enumerate(node.edges) if edge is not None)


def _is_done(edge: Any, wanted: Wanted) -> bool:
    """Has the gradient been delivered to ``edge``, or to all that lies behind it?"""
    if type(edge) is Leaf:
        return edge in wanted.leaves
    node, index = (edge.node, edge.index) if type(edge) is Output else (edge, 0)
    if any(k == index for k, _ in wanted.outputs.get(node.seq, ())):
        return True
    return type(node.saved) is Pass or (node.extra is not None and node.extra.done == _possible(node))


def _before_stops(roots: list[Any], nodes: dict[int, Node], wanted: Wanted | None, stops: frozenset[Any]) -> Wanted:
    """Leave in ``nodes`` only what is reached without passing a stop, and run no rule whose piece nobody will see.

    A node behind a stop is still visited if its gradient is wanted, but its rules do not run.
    """
    open_: dict[int, Node] = {}
    closed: dict[int, Node] = {}
    stack = list(roots)
    while stack:
        edge = stack.pop()
        if edge is None or type(edge) is Leaf:
            continue
        node = edge.node if type(edge) is Output else edge
        if stop_key(edge) in stops:
            closed[node.seq] = node
        elif node.seq not in open_:
            open_[node.seq] = node
            stack.extend(node.edges)
    for seq in list(nodes):
        if seq not in open_ and seq not in closed:
            del nodes[seq]
    every = wanted is None
    if wanted is None:
        leaves = {e: None for n in open_.values() for e in n.edges if type(e) is Leaf and e not in stops}
        wanted = Wanted([*leaves, *(e for e in roots if type(e) is Leaf and e not in stops)], nodes)
    wanted.beyond = frozenset(closed) - frozenset(open_)
    captured = {(seq, index) for seq, pairs in wanted.outputs.items() for index, _ in pairs}
    wanted.masks.clear()
    for seq in sorted(open_):
        mask = 0
        for i, edge in enumerate(open_[seq].edges):
            if edge is None:
                continue
            key = stop_key(edge)
            if type(edge) is Leaf:
                hit = edge in wanted.leaves
            else:
                node = edge.node if type(edge) is Output else edge
                watched = every and node.extra is not None and node.extra.watched()
                hit = watched or key in captured or (key not in stops and key[0] in wanted.masks)
            mask |= hit << i
        if mask or (every and open_[seq].plan.op is lifetime.SPENT_OP):  # so that it is refused
            wanted.masks[seq] = mask
    return wanted


def _forget_frames(error: BaseException) -> None:
    """Clear Regrad's own frames from a traceback: what they held would live as long as the exception."""
    at = error.__traceback__
    while at is not None:
        if inside[at.tb_frame.f_code.co_filename]:
            with contextlib.suppress(RuntimeError):  # those that are still at work
                at.tb_frame.clear()
        at = at.tb_next


def accumulate_into(tensor: Any, g: Any, record: bool, pass_: Pass) -> None:
    """Add ``g`` to ``tensor.grad``: in place when nothing is recorded, as PyTorch does."""
    was = tensor._grad
    if record:
        tensor._grad = g if was is None else was + g
        return
    like = tensor.array
    if was is None:
        tensor._grad = wrap(own(g, like.shape, like.dtype, "leaf"))
    elif was.edge is not None:
        tensor._grad = wrap(was.array + g)
    else:
        np.add(was.array, g, out=was.array, casting="unsafe")
        versions.wrote(was.array, pass_.kind, where=(pass_.code, pass_.lasti))


# How many references `own` sees to an array that only its caller's caller holds; measured below, by the very path.
_alone: dict[str, int] = {"leaf": 0, "result": 0, "base": 0}
_measuring = False


def own(g: Any, shape: tuple[int, ...], dtype: Any, path: str) -> Any:
    """``g`` as an array that nobody else holds: itself when this is the only reference, else a copy."""
    if type(g) is np.ndarray and g.dtype is dtype and g.shape == shape:
        if _measuring:
            _alone[path] = getrefcount(g)
        base = g.base
        if base is None:
            if getrefcount(g) <= _alone[path]:
                return g
        elif (
            getrefcount(g) <= _alone[path]
            and type(base) is np.ndarray
            and g.flags.c_contiguous
            and g.flags.writeable
        ):
            if _measuring:
                _alone["base"] = getrefcount(base)
            if base.base is None and base.nbytes == g.nbytes and getrefcount(base) <= _alone["base"]:
                return g
        return np.array(g, order="C")
    return np.array(np.broadcast_to(g, shape), dtype=dtype, order="C")


def _own_all(results: list[Any]) -> list[Any]:
    """The captured arrays as tensors; an array that is shared with anything else is copied."""
    out: list[Any] = []
    for k in range(len(results)):
        g = results[k]
        results[k] = None
        out.append(g if g is None or isinstance(g, Value) else wrap(own(g, g.shape, g.dtype, "result")))
    return out


def _measure_references() -> None:
    """Fill `_alone` by sending arrays that nobody else holds down the paths; counts differ between Pythons."""
    global _measuring
    _measuring = True
    owner = wrap(np.empty(4))
    leaf = Leaf(owner)
    makers: list[Callable[[], Any]] = [lambda: np.empty(4), lambda: np.empty((2, 2)).reshape(4)]
    for make in makers:
        walk = _Walk(
            {}, [], None, False, False, True, Pass("", (), _measure_references.__code__, 0, ""), sum_to
        )
        walk.leaves[leaf] = make()
        owner._grad = None
        walk.finish()
    _own_all([np.empty(4)])
    _measuring = False


def new_pass(kind: str, roots: list[Any], code: CodeType, lasti: int) -> Pass:
    """The record of a pass that starts now, at the user's site."""
    seqs = tuple([e.node.seq if type(e) is Output else getattr(e, "seq", 0) for e in roots])
    return Pass(kind, seqs, code, lasti, threading.current_thread().name)


_measure_references()
