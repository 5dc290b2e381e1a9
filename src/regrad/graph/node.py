"""What a graph is made of: nodes, their outputs, and the leaves where gradients end.

    Value.edge -> Node                      the value is the node's only differentiable output
               -> Output(node, index)       one of several outputs
               -> Leaf                      a tensor that requires grad and was not computed

A node holds data, never closures: its plan (which op, which rules, which saved values), edges, saved values,
keyword parameters, input shapes, a sequence number, and where it was made. No node refers to its own output and a
leaf refers to its tensor weakly, so that graphs are free of reference cycles and die by reference counting.

A node's ``saved`` is a tuple while its values are alive, and the `Pass` (or release) that freed them afterwards;
where it held nothing but shapes it becomes a `Consumed` tuple, which can still be read.
Inside the tuple an entry is an array (kept), a Python value, or an object with ``unpack()`` (given to a policy).
"""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from time import monotonic
from types import CodeType
from typing import Any

from regrad.graph.provenance import Place, place
from regrad.graph.value import Meta, Value

__all__ = [
    "BEGIN", "Consumed", "Extra", "Handle", "Leaf", "Node", "Output", "Pass", "Plan", "Terms", "edge_of", "leaf_for",
    "meta_of", "node_of", "recent", "stop_key", "tick",
]  # fmt: skip

# One clock for everything: nodes, passes, in-place writes. Larger means later.
tick: Callable[[], int] = itertools.count(1).__next__
BEGIN = (tick(), monotonic())  # when there was no graph yet


class Plan:
    """What one op saves and runs when a certain set of its inputs needs a gradient.

    ``op``       the op; ``mask`` bit i set: input i needs a gradient
    ``slots``    names of the saved values, in the order of ``Node.saved``
    ``readers``  per slot, the input numbers whose rules read it
    ``sources``  per slot, where the value came from: ``("in", i)``, ``("out", k)`` or ``("meta", i)``
    ``pull``     ``pull(g, saved, params)`` -> a piece of gradient for each target
    ``targets``  the input numbers the pieces belong to; None: there is a piece for every input
    ``narrow``   ``narrow(mask)`` -> the (pull, targets) that serve only those inputs
    """

    __slots__ = ("holds", "mask", "narrow", "op", "pull", "readers", "slots", "sources", "targets")

    def __init__(
        self,
        op: Any,
        mask: int,
        slots: tuple[str, ...],
        readers: tuple[tuple[int, ...], ...],
        sources: tuple[tuple[str, int], ...],
        pull: Callable[..., Any],
        targets: tuple[int, ...] | None,
        narrow: Callable[[int], tuple[Callable[..., Any], tuple[int, ...] | None]],
    ) -> None:
        self.op, self.mask, self.slots, self.readers, self.sources = op, mask, slots, readers, sources
        self.pull, self.targets, self.narrow = pull, targets, narrow
        # A node that keeps at most shapes can be visited again after it was consumed, as in PyTorch, but for a few.
        self.holds = any(kind != "meta" for kind, _ in sources) or getattr(op, "once", False)


class Extra:
    """What few nodes carry: hooks, tensors that retain their gradient, notes, a plan, what anomaly mode saw."""

    __slots__ = (
        "capture", "done", "metadata", "nan_from", "packed", "planned", "post", "pre", "retain", "tensor_pre",
    )  # fmt: skip

    def __init__(self) -> None:
        self.tensor_pre: OrderedDict[int, OrderedDict[int, Any]] | None = None  # output number -> hooks
        self.pre: OrderedDict[int, Any] | None = None
        self.post: OrderedDict[int, Any] | None = None
        self.capture: OrderedDict[int, Any] | None = None  # hooks that see a gradient before all others
        self.retain: dict[int, Any] | None = None  # output number -> weak reference to the tensor
        self.metadata: dict[Any, Any] | None = None
        self.nan_from: tuple[int, ...] | None = None  # the result holds nan, and so do these inputs
        self.packed = False  # some saved entries are in a policy's hands
        self.done = 0  # inputs whose rules have run in a pass that frees what it used
        self.planned: Any = None  # the plan that waits for a pass from this node

    def watched(self) -> bool:
        """Were hooks registered here, or does a tensor retain its gradient?"""
        return any(x is not None for x in (self.tensor_pre, self.pre, self.post, self.capture, self.retain))


class Node:
    """One recorded op. `Tensor.grad_fn` is a node."""

    __slots__ = (
        "__weakref__",
        "code",
        "edges",
        "extra",
        "lasti",
        "params",
        "plan",
        "saved",
        "seq",
        "shapes",
    )

    plan: Plan
    edges: tuple[Any, ...]
    saved: Any
    params: Any
    shapes: tuple[Any, ...] | None
    seq: int
    code: CodeType
    lasti: int
    extra: Extra | None

    def name(self) -> str:
        """PyTorch's name of the node, such as ``MulBackward0``."""
        op = self.plan.op
        title: str = getattr(op, "grad_name", "") or self.params.grad_name  # a spent root's node is told of
        return title

    @property
    def op(self) -> str:
        """The name of the op, such as ``mul``."""
        title: str = getattr(self.plan.op, "name", "") or self.params.op
        return title

    @property
    def number(self) -> int:
        """When the node was made; of what stands in a spent root's place, when that was: see `lifetime.spend`."""
        return abs(self.seq)

    @property
    def made_at(self) -> Place | None:
        """File and line of the user's call that recorded the node."""
        return place(self.code, self.lasti)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """``(node or leaf, output number)`` of every input; ``(None, 0)`` for one that needs no gradient."""
        return tuple(edge_of(e) for e in self.edges)

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dictionary for the user's own notes."""
        extra = self.more()
        if extra.metadata is None:
            extra.metadata = {}
        return extra.metadata

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The values saved for backward, as tensors; raises once they are freed."""
        from regrad.graph import slots

        if self.plan.op.custom and self.params is not None:
            return self.params.saved_tensors  # type: ignore[no-any-return]
        return slots.opened_tensors(self)

    def more(self) -> Extra:
        """The node's `Extra`, made on first need."""
        if self.extra is None:
            self.extra = Extra()
        return self.extra

    def register_hook(self, fn: Callable[[Any, Any], Any]) -> Handle:
        """Call ``fn(grad_inputs, grad_outputs)`` after the node has run; what it returns replaces grad_inputs."""
        extra = self.more()
        extra.post = OrderedDict() if extra.post is None else extra.post
        return Handle(extra.post, fn)

    def register_prehook(self, fn: Callable[[Any], Any]) -> Handle:
        """Call ``fn(grad_outputs)`` before the node runs; what it returns replaces grad_outputs."""
        extra = self.more()
        extra.pre = OrderedDict() if extra.pre is None else extra.pre
        return Handle(extra.pre, fn)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_saved_"):
            from regrad.graph import slots

            return slots.opened_by_name(self, name[len("_saved_") :])
        if not name.startswith("__") and self.plan.op.custom and self.params is not None:
            return getattr(self.params, name)  # a custom function's node answers for its ctx, as in PyTorch
        raise AttributeError(f"{type(self).__name__} {self.plan.op.grad_name} has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<{self.name()} at {self.made_at}>"


class Output:
    """Output ``index`` of a node that has ``count`` of them."""

    __slots__ = ("count", "index", "node")

    def __init__(self, node: Node, index: int, count: int) -> None:
        self.node, self.index, self.count = node, index, count


class Leaf:
    """Where gradients of one leaf tensor arrive; PyTorch's AccumulateGrad. Knows its tensor weakly."""

    __slots__ = ("__weakref__", "born", "hooked", "owner", "post", "pre", "tensor_pre", "watch")

    def __init__(self, owner: Value) -> None:
        self.owner = weakref.ref(owner)
        self.born = tick()
        self.hooked = False  # any of the hooks below was ever registered
        self.tensor_pre: OrderedDict[int, Any] | None = None
        self.pre: OrderedDict[int, Any] | None = None
        self.post: OrderedDict[int, Any] | None = None  # node hooks
        self.watch: OrderedDict[int, Any] | None = None  # after the gradient has been accumulated

    @property
    def variable(self) -> Any:
        """The leaf tensor, or None when nobody holds it any more."""
        return self.owner()

    @property
    def next_functions(self) -> tuple[()]:
        """Nothing comes before a leaf."""
        return ()

    metadata: dict[Any, Any] = {}  # noqa: RUF012 - a leaf has none; PyTorch shows an empty dictionary

    def name(self) -> str:
        """PyTorch's name of a leaf's node."""
        return "AccumulateGrad"

    def register_hook(self, fn: Callable[[Any, Any], Any]) -> Handle:
        """Call ``fn((), grad_outputs)`` after the gradient has been accumulated."""
        return self.hook("post", fn)

    def register_prehook(self, fn: Callable[[Any], Any]) -> Handle:
        """Call ``fn(grad_outputs)`` before the gradient is accumulated; what it returns replaces it."""
        return self.hook("pre", fn)

    def hook(self, kind: str, fn: Any) -> Handle:
        """Register ``fn`` among the hooks of that kind (``tensor_pre``, ``pre``, ``post``, ``watch``)."""
        if getattr(self, kind) is None:
            setattr(self, kind, OrderedDict())
        self.hooked = True
        return Handle(getattr(self, kind), fn)

    def __repr__(self) -> str:
        return "<AccumulateGrad>"


class Handle:
    """Removes a hook: ``handle.remove()``, or leave it as a context."""

    __slots__ = ("_hooks", "id")
    _ids: Iterator[int] = itertools.count(1)

    def __init__(self, hooks: OrderedDict[int, Any], fn: Any) -> None:
        self.id = next(Handle._ids)
        hooks[self.id] = fn
        # Weak would be wrong here: OrderedDict takes no weak references, and a handle holds no tensor.
        self._hooks: OrderedDict[int, Any] | None = hooks

    def remove(self) -> None:
        """Take the hook off; more than once does no harm."""
        if self._hooks is not None:
            self._hooks.pop(self.id, None)
            self._hooks = None

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Pass:
    """One backward or grad call, or a release: stands in a node's ``saved`` for what it freed."""

    __slots__ = ("code", "kind", "lasti", "nothing", "retained", "roots", "seq", "thread", "when")

    def __init__(self, kind: str, roots: tuple[int, ...], code: CodeType, lasti: int, thread: str) -> None:
        self.kind, self.roots, self.code, self.lasti, self.thread = kind, roots, code, lasti, thread
        self.seq = tick()
        self.when = monotonic()
        self.retained = False
        self.nothing = Consumed(())
        self.nothing.by = self

    def mark(self, kept: tuple[Any, ...]) -> Consumed:
        """What a node keeps that this pass consumed and that held nothing but shapes."""
        if not kept:
            return self.nothing
        left = Consumed(kept)
        left.by = self
        return left

    @property
    def place(self) -> Place | None:
        """File and line of the call."""
        return place(self.code, self.lasti)


# The latest passes, for whoever asks what happened: a pass holds no tensor and no node.
recent: deque[Pass] = deque(maxlen=1024)


class Terms:
    """What a pass keeps and frees, where it stops, and what a failure leaves: all that ``retain_graph`` cannot say.

    ``keep``      numbers of nodes that go on living; ``release``: "pass" frees what ran, "used" the slots that
                  no further gradient needs, "graph" everything that the roots reach
    ``on_error``  "keep": after a failure the graph can be run again; "release": it is freed in one go; None: "keep"
                  where hooks or custom functions take part, else "release"
    ``stops``     edges at which the gradient stops, as `stop_key` names them
    ``plan``      the plan that frees what is to be freed, when the pass is over
    ``going``     None, or where the pass notes what is to be freed, instead of freeing it
    """

    __slots__ = ("going", "keep", "on_error", "plan", "release", "stops")

    def __init__(
        self,
        keep: frozenset[int] = frozenset(),
        release: str = "pass",
        on_error: str | None = None,
        stops: frozenset[Any] = frozenset(),
        plan: Any = None,
        going: list[Any] | None = None,
    ) -> None:
        self.keep, self.release, self.on_error, self.stops = keep, release, on_error, stops
        self.plan, self.going = plan, going


def stop_key(edge: Any) -> Any:
    """What tells one edge from others: the leaf, or the node's number with the output's."""
    if type(edge) is Output:
        return edge.node.seq, edge.index
    return edge if type(edge) is Leaf else (edge.seq, 0)


class Consumed(tuple[Any, ...]):
    """The ``saved`` of a node that held no values, after a pass has consumed it: the shapes are still there."""

    by: Pass


def edge_of(edge: Any) -> tuple[Any, int]:
    """An edge as PyTorch shows it: (node or leaf, output number)."""
    if type(edge) is Output:
        return edge.node, edge.index
    return edge, 0


def node_of(edge: Any) -> Any:
    """The node (or leaf) behind an edge, whichever of its outputs the edge is."""
    return edge.node if type(edge) is Output else edge


def leaf_for(value: Value) -> Leaf:
    """Make ``value`` a leaf that requires grad."""
    value.edge = leaf = Leaf(value)
    return leaf


def meta_of(value: Value) -> Meta:
    """The value's `Meta`, made on first need."""
    if value.meta is None:
        value.meta = Meta()
    return value.meta
