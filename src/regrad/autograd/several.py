"""Several losses over one graph: a gradient for each, or one sweep that stops for some of them.

`grad_each` gives the gradient of every loss and frees as it goes; `backward` runs losses together, of which some may
stop at chosen tensors. Users find both in ``rg.graph``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from regrad import graph
from regrad.autograd.passes import _as_tuple, _on_tensors, _recorded_sum_to, _roots, edge_of, grad
from regrad.graph import engine, lifetime
from regrad.graph.lifetime import reachable, spend
from regrad.graph.modes import MODE, mode
from regrad.graph.node import Node, Output, Terms, node_of, stop_key
from regrad.graph.plans import plan
from regrad.graph.provenance import site
from regrad.graph.value import Value, root, wrap

__all__ = ["StopAt", "backward", "grad_each", "stop_at"]

_SMALL = 1 << 13  # elements of a gradient below which the cost of a pass is that of its calls, not of its numbers


def grad_each(
    losses: Sequence[Any],
    inputs: Any,
    grad_outputs: Sequence[Any] | None = None,
    *,
    batched: bool | str = "auto",
    chunk: int | None = None,
    retain_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> list[tuple[Any, ...]]:
    """The gradient of each loss with respect to ``inputs``: a list with a tuple for every loss.

    What only one loss reaches is freed when that loss has been run, the rest with the last one; so the graph never
    holds more than after the forward. Values equal those of separate `grad` calls.

    ``batched``  True: the losses' own parts are run one by one, and what they share in one sweep for all of them;
                 False: one pass a loss; "auto": whichever is likely to be faster. Where tensors of the shared part
                 retain their gradients, and with "auto" where hooks watch it, there is one pass a loss
    ``chunk``    so many losses in a sweep, which bounds the memory of their gradients
    ``retain_graph``  keep everything for later passes

    >>> w = rg.tensor([1., 2.], requires_grad=True)
    >>> h = w * w
    >>> rg.graph.grad_each([h.sum(), h.prod()], w)
    [(tensor([2., 4.]),), (tensor([8., 4.]),)]
    """
    losses, inputs = tuple(losses), _as_tuple(inputs)
    if not losses:
        raise ValueError("grad_each: give at least one loss")
    if batched not in (True, False, "auto"):
        raise ValueError(f"grad_each: batched must be True, False or 'auto', not {batched!r}")
    if chunk is not None and chunk < 1:
        raise ValueError(f"grad_each: chunk must be at least 1, not {chunk}")
    given = (None,) * len(losses) if grad_outputs is None else tuple(grad_outputs)
    if len(given) != len(losses):
        raise ValueError(f"grad_each: {len(losses)} losses and {len(given)} grad_outputs; give one for each, or None")
    edges, cotangents = _roots(losses, given, False)
    if not inputs:
        raise ValueError("grad_each: give at least one input")
    wanted = [edge_of(t, "inputs") for t in inputs]
    for k, edge in enumerate(wanted):
        if edge is None:
            raise RuntimeError(f"grad_each: input {k} does not require grad")
    if mode().dual or mode().batch is not None:
        batched = False
    allow = materialize_grads if allow_unused is None else allow_unused
    ways = _check(edges, wanted)
    shared = None if batched is False or len(losses) == 1 else _shared(edges, ways)
    if shared is not None and not shared.suits(batched):
        shared = None
    if shared is None:
        rows = _one_by_one(losses, inputs, given, retain_graph)
    else:
        rows = _in_sweeps(edges, cotangents, wanted, shared, retain_graph, chunk or len(losses), batched == "auto")
    out = []
    for k, row in enumerate(rows):
        if not allow and any(g is None for g in row):
            i = next(i for i, g in enumerate(row) if g is None)
            raise RuntimeError(
                f"grad_each: loss {k} does not depend on input {i}. Set allow_unused=True to get None there, or"
                " materialize_grads=True to get zeros."
            )
        out.append(
            tuple(wrap(np.zeros_like(t.array)) if g is None and materialize_grads else g for t, g in zip(inputs, row))
        )
    return out


def _check(edges: list[Any], wanted: list[Any]) -> engine.Wanted:
    """Raise for what any of the passes would raise for, before the first of them frees anything."""
    nodes = reachable(edges)
    if any(node.plan.op is lifetime.SPENT_OP for node in nodes.values()):
        for edge in edges:
            of_one = reachable([edge])
            lifetime.check_spent(of_one, engine.Wanted(wanted, of_one), [edge])
    ways = engine.Wanted(wanted, nodes)
    lifetime.check_alive(nodes, ways.masks, edges)
    lifetime.check_intact(nodes, ways.masks)
    return ways


def _one_by_one(losses: Any, inputs: Any, given: Any, retain: bool) -> list[tuple[Any, ...]]:
    if retain:
        return [
            grad(loss, inputs, None if g is None else [g], retain_graph=True, allow_unused=True)
            for loss, g in zip(losses, given)
        ]
    rows = []
    distinct = {id(loss): loss for loss in losses}
    with plan(*distinct.values()):
        for k, (loss, g) in enumerate(zip(losses, given)):
            again = any(loss is other for other in losses[k + 1 :])
            rows.append(
                grad(loss, inputs, None if g is None else [g], retain_graph=True if again else None, allow_unused=True)
            )
    return rows


class _Shared(NamedTuple):
    """What several losses reach: the edges by which their own parts lead there, and the nodes."""

    frontier: list[Any]
    nodes: dict[int, Node]

    def suits(self, batched: bool | str) -> bool:
        """Can the losses share a sweep of these nodes, and if they only may, is it likely to be faster?"""
        extras = [n.extra for n in self.nodes.values() if n.extra is not None]
        if not self.frontier or any(extra.retain for extra in extras):
            return False
        return batched is True or (not extras and self.is_light())

    def is_light(self) -> bool:
        """Are the gradients so small that calls, not numbers, cost the time?"""
        sizes = [e.size for n in self.nodes.values() if type(n.saved) is tuple for e in n.saved if hasattr(e, "size")]
        return bool(sizes) and float(np.mean(sizes)) < _SMALL


def _shared(edges: list[Any], ways: engine.Wanted) -> _Shared:
    counts: dict[int, int] = {}
    whole: dict[int, Node] = {}
    for edge in edges:
        mine = reachable([edge])
        whole.update(mine)
        for seq in mine:
            counts[seq] = counts.get(seq, 0) + 1
    nodes = {seq: whole[seq] for seq, n in counts.items() if n > 1}
    frontier: dict[Any, Any] = {}
    for edge in [*edges, *(e for seq, n in whole.items() if counts[seq] == 1 for e in n.edges)]:
        if type(edge) in (Node, Output):
            key = stop_key(edge)
            if key[0] in nodes and (key[0] in ways.masks or key[0] in ways.outputs):
                frontier.setdefault(key, edge)
    return _Shared(list(frontier.values()), nodes)


def _in_sweeps(
    edges: list[Any], cotangents: list[Any], wanted: list[Any], shared: _Shared, retain: bool, chunk: int, quiet: bool
) -> list[tuple[Any, ...]]:
    """The losses' own parts one by one, and after every ``chunk`` of these one sweep of what they share."""
    code, lasti = site(3)
    frontier, trunk = shared.frontier, frozenset(shared.nodes)
    stops = frozenset(stop_key(e) for e in frontier)
    rows: list[list[Any]] = []
    for start in range(0, len(edges), chunk):
        some = edges[start : start + chunk]
        several: list[list[Any]] = []
        stacks: list[Any] = [None] * len(frontier)  # what has arrived at the frontier, a row for each loss
        for k, (edge, g) in enumerate(zip(some, cotangents[start : start + chunk])):
            found = engine.run(
                [edge], [g], [*frontier, *wanted], retain=retain, record=False, accumulate=False,
                pass_=engine.new_pass("grad_each()", [edge], code, lasti),
                terms=Terms(stops=stops) if retain else Terms(trunk, "graph", stops=stops),
            )  # fmt: skip
            for i, piece in enumerate(found[: len(frontier)]):
                if piece is not None:
                    if stacks[i] is None:
                        stacks[i] = np.zeros((len(some), *piece.array.shape), piece.array.dtype)
                    stacks[i][k] = piece.array
            # The sweep delivers what has arrived at an input that is itself part of the frontier.
            several.append([None if stop_key(e) in stops else g for e, g in zip(wanted, found[len(frontier) :])])
        last = start + chunk >= len(edges)
        pass_ = engine.new_pass("grad_each()", edges, code, lasti)
        _sweep(frontier, stacks, wanted, several, pass_, retain or not last, quiet)
        rows += several
    if not retain:  # also what the last sweep did not come by
        for node in shared.nodes.values():
            engine.free(node, pass_)
    return [tuple(row) for row in rows]


def _sweep(
    frontier: list[Any],
    stacks: list[Any],
    wanted: list[Any],
    rows: list[list[Any]],
    pass_: Any,
    retain: bool,
    quiet: bool,
) -> None:
    """Run what is behind the frontier once, for all rows, and add what arrives to these."""
    from regrad.autograd import batch_folds as batch_folds  # these fill the table of batching rules
    from regrad.autograd import batch_indexing as batch_indexing
    from regrad.autograd import batch_rules as batch_rules
    from regrad.autograd.batching import Batched, Level

    level = Level(len(rows), mode().batch, "error", quiet)
    roots = [e for e, stack in zip(frontier, stacks) if stack is not None]
    batches = [level.wrap(wrap(stack)) for stack in stacks if stack is not None]
    stacks.clear()
    token = MODE.set(mode().but(batch=level))
    try:
        found = engine.run(
            roots, batches, wanted, retain=retain, record=False, accumulate=False, pass_=pass_,
            recorded_sum_to=_recorded_sum_to, terms=None if retain else Terms(release="graph"),
        )  # fmt: skip
    finally:
        MODE.reset(token)
    taken: set[int] = set()
    for i, g in enumerate(found):
        if g is not None:
            values = g.value if isinstance(g, Batched) else g.expand(len(rows), *g.shape)
            for row, part in zip(rows, _parts(values.array, taken)):
                row[i] = wrap(part) if row[i] is None else row[i] + wrap(part)


def _parts(batch: Any, taken: set[int]) -> list[Any]:
    """The rows of a batch of gradients, as arrays that share no memory and no version."""
    memory = root(batch)
    alone = id(memory) not in taken and memory.nbytes == batch.nbytes and batch.dtype.kind in "fc"
    if not (alone and batch.flags.c_contiguous and batch.flags.writeable):
        return [np.array(row, order="C") for row in batch]
    taken.add(id(memory))
    return [np.asarray(_Row(batch[k, ...])) for k in range(len(batch))]


class _Row:
    """Lends one row of a batch, so that it is the root of its own memory: a write to one is no write to the others."""

    __slots__ = ("__array_interface__", "array")

    def __init__(self, array: Any) -> None:
        self.array, self.__array_interface__ = array, array.__array_interface__


class StopAt(NamedTuple):
    """What `stop_at` made: the tensors beyond which a loss has no gradient."""

    tensors: tuple[Any, ...]


def stop_at(*tensors: Any) -> StopAt:
    """For `rg.graph.backward`: the gradient of a loss goes no further than ``tensors``.

    >>> s = rg.ones(2, requires_grad=True) * 2
    >>> len(rg.graph.stop_at(s).tensors)
    1
    """
    for k, t in enumerate(tensors):
        if not isinstance(t, Value):
            raise TypeError(f"stop_at: argument {k} is no tensor but a {type(t).__name__}")
    return StopAt(tensors)


def backward(losses: Mapping[Any, Any], *, retain_graph: bool = False, on_error: str = "keep") -> None:
    """Accumulate the gradients of several losses, some of which stop at chosen tensors.

    ``losses`` maps each loss to None, to `stop_at` tensors, or to a cotangent. Losses with the same stops run together;
    gradients and the graph change only when all have succeeded: after a failure all is as it was, or with
    ``on_error="release"`` the gradients are, and the graph is gone.

    >>> w, v = rg.tensor(2., requires_grad=True), rg.tensor(3., requires_grad=True)
    >>> s = w * 5
    >>> rg.graph.backward({s * v: None, (s * v) ** 2: rg.graph.stop_at(s)})
    >>> w.grad, v.grad
    (tensor(15.), tensor(610.))
    """
    if not isinstance(losses, Mapping) or not losses:
        raise TypeError("rg.graph.backward takes a dictionary: {loss: None, other: rg.graph.stop_at(t)}")
    groups: dict[frozenset[Any], list[tuple[Any, Any]]] = {}
    alone = any(_keeps_per_root(loss) for loss in losses)
    for loss, what in losses.items():
        stops: frozenset[Any] = frozenset()
        g = None
        if isinstance(what, StopAt):
            stops = frozenset(stop_key(e) for e in (edge_of(t, "stop_at") for t in what.tensors) if e is not None)
        elif what is not None:
            g = what
        groups.setdefault(frozenset([*stops, ("only", id(loss))]) if alone else stops, []).append((loss, g))
    code, lasti = site(2)
    ready = []
    for stops, members in groups.items():
        edges, cotangents = _roots(tuple(t for t, _ in members), tuple(g for _, g in members), _on_tensors(False))
        ready.append((frozenset(k for k in stops if not (type(k) is tuple and k[0] == "only")), edges, cotangents))
    undo: list[Any] = []
    going: list[Any] = []

    def run(k: int, dry: bool) -> None:
        stops, edges, cotangents = ready[k]
        later = frozenset().union(*(_before(more, bars) for bars, more, _ in ready[k + 1 :]))
        engine.run(
            edges, cotangents, None, retain=retain_graph, record=False, accumulate=True,
            pass_=engine.new_pass("backward()", edges, code, lasti),
            terms=Terms(later, "graph", on_error, stops, going=going), log=undo, dry=dry,
        )  # fmt: skip

    for k in range(len(ready)):
        run(k, dry=True)
    try:
        for k in range(len(ready)):
            run(k, dry=False)
    except BaseException:
        for step in reversed(undo):
            step()
        if on_error == "release":
            everything = [e for _, edges, _ in ready for e in edges]
            pass_ = engine.new_pass("backward()", everything, code, lasti)
            for node in reachable(everything).values():
                engine.free(node, pass_)
        raise
    for node, by in going:
        engine.free(node, by)
    if not retain_graph:
        for loss in losses:
            spend(loss)


def _before(edges: list[Any], stops: frozenset[Any]) -> set[int]:
    """Numbers of the nodes that a pass runs which stops there."""
    found: set[int] = set()
    waiting = list(edges)
    while waiting:
        edge = waiting.pop()
        node = node_of(edge)
        if type(node) is Node and node.seq not in found and stop_key(edge) not in stops:
            found.add(node.seq)
            waiting.extend(node.edges)
    return found


def _keeps_per_root(loss: Any) -> bool:
    """Does a tensor that this loss was computed from keep a gradient for each root?"""
    for node in reachable([edge_of(loss, "losses")]).values():
        for ref in (node.extra.retain or {}).values() if node.extra is not None else ():
            tensor = ref()
            if tensor is not None and tensor.meta is not None and tensor.meta.grads is not None:
                return True
    return False


# Users look for these in ``rg.graph``, which is a room below this one: it is told of them here, once.
graph.backward, graph.grad_each, graph.stop_at = backward, grad_each, stop_at
