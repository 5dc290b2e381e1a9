"""Custom functions: `Function`, whose forward and backward are the user's.

A call of ``apply`` runs the forward without recording and makes one node. What the forward put on ``ctx`` is sorted
out afterwards: inputs and outputs are kept as arrays with their place in the graph (so that no cycle keeps the node
alive), other tensors as what they are. A tensor that is neither an input nor an output has no history; a first
derivative may read it, a second one would silently miss a term, so there it raises `NonDifferentiableSaved`. Start
reading at `Function.apply`.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad.declare import BARRED, refresh
from regrad.errors import NonDifferentiableSaved
from regrad.graph import engine, lifetime, sharing, versions
from regrad.graph.modes import Switch, mode
from regrad.graph.node import Leaf, Node, Output, Plan, tick
from regrad.graph.observers import holds, observers
from regrad.graph.provenance import site
from regrad.graph.slots import Packed, pack
from regrad.graph.value import SPENT, Value, View, wrap

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class _CustomOp:
    """What the engine needs to know of a custom function: stands where a declared op's `Op` stands."""

    custom = True
    many = False
    rules: dict[str, Any] = {}  # noqa: RUF012 - none, and none are ever added

    def __init__(self, name: str, diff: tuple[int, ...] | None) -> None:
        self.name, self.grad_name, self.diff = name, name + "Backward", diff


class FunctionCtx:
    """What a custom function's forward leaves for its backward."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}
        self._to_save: tuple[Any, ...] = ()
        self._to_push: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._frozen: tuple[Any, ...] = ()
        self._objects: list[Any] = []
        self._object_bytes = 0
        self._on_release: list[Callable[[], Any]] = []
        self._materialize = True
        self._node: Any = None
        self._mask = -1
        self._outs: tuple[Any, ...] = ()
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs for the backward, which finds them in ``ctx.saved_tensors``."""
        for t in tensors:
            if t is not None and not isinstance(t, Value):
                raise TypeError(
                    f"save_for_backward can only save variables, but got {type(t).__name__}; put other things"
                    " on ctx as attributes"
                )
        self._to_save = tensors

    def save(self, thing: Any, nbytes: int = 0) -> None:
        """Keep any object for the backward, which finds it in ``ctx.saved_objects``, until the graph is freed.

        ``nbytes`` is what it holds, for the books of `rg.graph.memory_stats`. Unlike an attribute of ``ctx``, it need
        not be cleared by the backward, which cannot know whether another pass is to come.
        """
        self._objects.append(thing)
        self._object_bytes += int(nbytes)

    @property
    def saved_objects(self) -> tuple[Any, ...]:
        """What `save` kept; raises once a pass has freed it."""
        node = self._node() if self._node is not None else None
        if node is not None and type(node.saved) is not tuple:
            raise lifetime.freed_error(node, (node,))
        return tuple(self._objects)

    def on_release(self, callback: Callable[[], Any]) -> None:
        """Call ``callback`` once, when what was saved is freed: by the last pass, by a release, or with the graph."""
        self._on_release.append(callback)

    @property
    def will_be_reused(self) -> bool:
        """Asked in a backward: will another pass still read what was saved?"""
        node = self._node() if self._node is not None else None
        return node is not None and engine.keeps(node)

    def _released(self) -> None:
        self._objects.clear()
        self._object_bytes = 0
        _call_all(self._on_release)

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for ``jvp``, which finds them in ``ctx.saved_tensors``."""
        self._to_push = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Say which inputs the forward wrote to."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say which outputs have no derivative."""
        self._frozen = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Are missing gradients given to the backward as zeros (the default) or as None?"""
        self._materialize = value

    @property
    def wanted(self) -> tuple[bool, ...]:
        """Which inputs' gradients this very pass asks for (``needs_input_grad``: which any pass could)."""
        return tuple(n and bool(self._mask >> i & 1) for i, n in enumerate(self.needs_input_grad))

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept; raises once a pass has freed it."""
        node = self._node() if self._node is not None else None
        if node is None:
            return self._to_push or self._to_save
        if not isinstance(node.saved, tuple):
            raise lifetime.freed_error(node, (node,))
        return tuple(
            _open(node, e, s, f"saved_tensors[{k}]")
            for k, (e, s) in enumerate(zip(node.saved, node.plan.sources, strict=True))
        )

    def __getattr__(self, name: str) -> Any:
        kept = self.__dict__.get("_kept", {})
        if name in kept:
            node = self._node()
            array, source = kept[name]
            return _open(node, array, source, f"ctx.{name}")
        raise AttributeError(f"ctx has no attribute {name!r}; set it in forward or setup_context")

    def name(self) -> str:
        """The node's name."""
        node = self._node() if self._node is not None else None
        return "" if node is None else str(node.name())


class _Lost:
    """The edge of a saved value without history: leads where its function's inputs lead, and raises when run."""

    custom = True
    many = False
    diff = None
    rules: dict[str, Any] = {}  # noqa: RUF012
    name = grad_name = "saved value without history"


def _call_all(callbacks: list[Callable[[], Any]]) -> None:
    while callbacks:
        callbacks.pop(0)()


def _poisoned(array: Any, node: Node, what: str, error: Callable[[], Exception]) -> Any:
    def pull(*_: Any) -> Any:
        raise error()

    stub = object.__new__(Node)
    mask = sum(1 << i for i, e in enumerate(node.edges) if e is not None)
    stub.plan = Plan(_Lost, mask, (), (), (), pull, None, lambda _: (pull, None))
    stub.edges, stub.saved, stub.params, stub.shapes, stub.extra = node.edges, (), None, None, None
    stub.code, stub.lasti, stub.seq = node.code, node.lasti, tick()
    stub.more()
    return wrap(array, stub)


def _open(node: Node, entry: Any, source: tuple[str, Any], what: str) -> Any:
    """A kept value as a tensor with its history."""
    if entry is None:
        return None
    array = entry.unpack().array if type(entry) is Packed else entry
    kind, where = source
    if kind == "in":
        return wrap(array, node.edges[where])
    if kind == "out":
        diff = node.plan.op.diff
        if diff is None:
            return wrap(array, node)
        return wrap(array, Output(node, diff.index(where), len(diff)) if where in diff else None)
    if kind == "known":
        return wrap(array, where)
    if mode().record and array.dtype.kind in "fc":

        def error() -> Exception:
            op = node.plan.op.name
            return NonDifferentiableSaved(
                f"{op}: a second derivative would go through {what}, which is neither an input nor an output"
                f" of {op} and so has no history: the result would silently miss a term. Save an input or"
                " output instead and compute it in backward; or, if there is no second derivative, mark"
                " backward with @once_differentiable.",
                name=what.removeprefix("ctx."),
                op=op,
            )

        return _poisoned(array, node, what, error)
    return wrap(array)


class Function:
    """Base of custom functions: write ``forward`` and ``backward`` as static methods and call ``apply``.

    PyTorch: torch.autograd.Function.

    >>> class Double(rg.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = rg.tensor(3., requires_grad=True)
    >>> Double.apply(x).backward()
    >>> x.grad
    tensor(2.)
    """

    generate_vmap_rule = False

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result; the first argument is ``ctx`` unless ``setup_context`` is given."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keep on ``ctx`` what the backward needs."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient of each input, given the gradient of each output."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use "
            "it with backward mode AD."
        )

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangent of each output, given the tangent of each input."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The batching rule: (outputs, their batch dimensions)."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, it must either override the vmap staticmethod or have "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run the function and record one node for it."""
        m = mode()
        if m.batch is not None:
            answer = m.batch.dispatch_function(cls, args)
            if answer is not NotImplemented:
                return answer
        if m.dual:
            from regrad.autograd.forward_ad import function_with_tangents

            answer = function_with_tangents(cls, args)
            if answer is not NotImplemented:
                return answer
        return _apply(cls, args)[0]


def _backward_of(cls: Any) -> Any:
    own = cls.__dict__.get("vjp") or getattr(cls, "vjp", None)
    return own if own is not None and cls.backward is Function.backward else cls.backward


def _apply(cls: Any, args: tuple[Any, ...]) -> tuple[Any, FunctionCtx]:
    m = mode()
    edges = tuple(_edge(a) if isinstance(a, Value) else None for a in args)
    ctx = FunctionCtx()
    ctx.needs_input_grad = tuple(e is not None for e in edges)
    with Switch(record=False):
        if cls.setup_context is not Function.setup_context:
            out = cls.forward(*args)
            cls.setup_context(ctx, args, out)
        else:
            out = cls.forward(ctx, *args)
    several = isinstance(out, (tuple, list))
    outs = list(out) if several else [out]
    for k, o in enumerate(outs):
        dirty = any(o is d for d in ctx._dirty)
        if isinstance(o, Value) and not dirty and (any(o is a for a in args) or o.edge is not None):
            alias = wrap(o.array)  # an input handed through: a tensor of its own, over the same memory
            outs[k] = alias
            ctx._to_save = tuple(
                alias if t is o and not any(t is a for a in args) else t for t in ctx._to_save
            )
    for d in ctx._dirty:
        if not any(d is o for o in outs):
            raise RuntimeError(
                f"{cls.__name__}: Some elements marked as dirty during the forward method were not returned"
                " as output. The inputs that are modified inplace must all be outputs of the Function."
            )
        if m.record and type(d.edge) is Leaf:
            raise RuntimeError(
                f"{cls.__name__}: a leaf Variable that requires grad is being used in an in-place operation."
            )
        versions.wrote(d.array, cls.__name__)
    if m.record and any(ctx.needs_input_grad):
        _make_node(cls, ctx, args, edges, outs, m)
    result = tuple(outs) if several else outs[0]
    return result, ctx


def _edge(value: Value) -> Any:
    edge = value.edge if value._view is None or value._view is SPENT else refresh(value)
    return None if edge is BARRED else edge


def _make_node(
    cls: Any, ctx: FunctionCtx, args: tuple[Any, ...], edges: tuple[Any, ...], outs: list[Any], m: Any
) -> None:
    frozen = ctx._frozen
    diff = tuple(
        k
        for k, o in enumerate(outs)
        if isinstance(o, Value) and o.array.dtype.kind in "fcV" and not any(o is f for f in frozen)
    )
    single = len(outs) == 1 and diff == (0,)
    node = object.__new__(Node)
    saved, sources = [], []
    for t in ctx._to_save:
        entry, source = _sorted_out(t, args, outs)
        saved.append(entry)
        sources.append(source)
    names = tuple(f"saved_tensors[{k}]" for k in range(len(saved)))
    every = tuple(i for i, e in enumerate(edges) if e is not None)
    mask = sum(1 << i for i in every)

    def pull(node: Node, g: Any, wanted: int | None, walk: Any) -> Any:
        return _pull(cls, ctx, node, g, wanted, walk)

    op = _CustomOp(cls.__name__, None if single else diff)
    node.plan = Plan(
        op, mask, names, tuple(every for _ in names), tuple(sources), pull, None, lambda _: (pull, None)
    )
    node.plan.holds = bool(names or ctx._objects or ctx._on_release)  # all of it is gone after a pass
    node.edges = edges
    node.saved = tuple(saved)
    node.params = ctx
    node.shapes = tuple(a.array.shape if isinstance(a, Value) else None for a in args)
    node.extra = None
    node.code, node.lasti = site(3)
    node.seq = tick()
    node.more().packed = False
    sharing.note(node)
    if m.policy:
        node.saved = pack(node.saved, m.policy[-1], tuple(o.array for o in outs if isinstance(o, Value)))
    if m.anomaly:
        lifetime.note_nan(node, (a.array if isinstance(a, Value) else a for a in args),
                 (o.array if isinstance(o, Value) else o for o in outs))  # fmt: skip
    if ctx._on_release:  # the graph may die without having been freed
        weakref.finalize(node, _call_all, ctx._on_release).atexit = False
    ctx._outs = tuple((o.array.shape, o.array.dtype) if isinstance(o, Value) else None for o in outs)
    ctx._node = weakref.ref(node)
    for name, thing in list(vars(ctx).items()):
        if isinstance(thing, Value) and not name.startswith("_"):
            ctx._kept[name] = _sorted_out(thing, args, outs)
            del ctx.__dict__[name]
    ctx._to_save = ctx._to_push = ctx._dirty = ctx._frozen = ()
    if observers:
        holds(node)
    for k, o in enumerate(outs):
        if k in diff:
            new = node if single else Output(node, diff.index(k), len(diff))
            if isinstance(o._view, View):
                from regrad.ops.writing import _take_history

                _take_history(o, wrap(o.array, new))
            else:
                o.edge = new


def _sorted_out(t: Any, args: tuple[Any, ...], outs: list[Any]) -> tuple[Any, tuple[str, Any]]:
    """A tensor that the forward keeps, as (array, where it belongs): input, output, known elsewhere, or lost."""
    if t is None:
        return None, ("none", 0)
    for k, o in enumerate(outs):
        if o is t:
            return t.array, ("out", k)
    for i, a in enumerate(args):
        if a is t:
            return t.array, ("in", i)
    edge = _edge(t)
    return t.array, ("known", edge) if edge is not None else ("lost", 0)


def _pull(cls: Any, ctx: FunctionCtx, node: Node, g: Any, wanted: int | None, walk: Any) -> list[Any]:
    """Run the user's backward and check what it returns."""
    diff = node.plan.op.diff
    outs = ctx._outs
    given: list[Any] = [None] * len(outs)
    for place, k in enumerate(diff if diff is not None else (0,)):
        given[k] = g[place] if type(g) is list else g
    for k, spec in enumerate(outs):
        if given[k] is None:
            if ctx._materialize and spec is not None:
                given[k] = wrap(np.zeros(*spec))
        elif not isinstance(given[k], Value):
            given[k] = wrap(given[k])
    ctx._mask = -1 if wanted is None else wanted
    try:
        back = _backward_of(cls)(ctx, *given)
    finally:
        ctx._mask = -1
    pieces = list(back) if isinstance(back, (tuple, list)) else [back]
    count = len(node.edges)
    while len(pieces) > count and pieces[-1] is None:
        pieces.pop()
    if len(pieces) != count:
        raise RuntimeError(
            f"function {node.name()} returned an incorrect number of gradients (expected {count}, got"
            f" {len(pieces)})"
        )
    out: list[Any] = []
    shapes: Any = node.shapes
    for i, piece in enumerate(pieces):
        if piece is None or node.edges[i] is None:
            if piece is not None and not isinstance(piece, Value):
                raise RuntimeError(
                    f"function {node.name()} returned a gradient different than None at position {i + 1}, but"
                    " the corresponding forward input was not a Variable"
                )
            out.append(None)
            continue
        if not isinstance(piece, Value):
            raise TypeError(
                f"function {node.name()}: expected a Tensor or None as gradient {i}, got"
                f" {type(piece).__name__}"
            )
        try:
            fits = np.broadcast_shapes(piece.array.shape, shapes[i]) == piece.array.shape
        except ValueError:
            fits = False
        if not fits:
            raise RuntimeError(
                f"Function {node.name()} returned an invalid gradient at index {i} - got"
                f" {list(piece.array.shape)} but expected shape compatible with {list(shapes[i])}"
            )
        out.append(piece if walk.record else piece.array)
    return out


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a custom backward that cannot be differentiated itself: a second derivative raises, and is not wrong."""

    @functools.wraps(fn)
    def backward(ctx: Any, *grads: Any) -> Any:
        recording = mode().record
        with Switch(record=False):
            out = fn(ctx, *grads)
        if not recording or not any(isinstance(g, Value) and g.edge is not None for g in grads):
            return out
        node = ctx._node()

        def error() -> Exception:
            return RuntimeError(
                "trying to differentiate twice a function that was marked with @once_differentiable"
            )

        def barred(t: Any) -> Any:
            return _poisoned(t.array, node, "", error) if isinstance(t, Value) else t

        return tuple(barred(t) for t in out) if isinstance(out, (tuple, list)) else barred(out)

    return backward
