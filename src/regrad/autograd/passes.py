"""`backward` and `grad`: arguments checked, roots and cotangents made ready, one pass of the engine run.

Everything that can be refused is refused before the engine starts; see `_roots`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from regrad import tensor as tensor_module
from regrad.declare import refresh
from regrad.graph import engine, plans
from regrad.graph.lifetime import check_nan_root, reachable, spend
from regrad.graph.modes import mode
from regrad.graph.node import Leaf, Output, Terms
from regrad.graph.provenance import site
from regrad.graph.value import Value, View, wrap
from regrad.ops import core
from regrad.ops.core import cast, sum_to

__all__ = ["GradientEdge", "backward", "grad"]


class GradientEdge(NamedTuple):
    """Where a gradient flows: output ``output_nr`` of ``node``. Stands for a tensor in `backward` and `grad`."""

    node: Any
    output_nr: int


# The cotangent of most passes. Nothing writes to it: the engine adds only into sums that it made itself.
_ONE = {np.dtype(name): np.ones((), name) for name in ("f4", "f8")}
for _array in _ONE.values():
    _array.flags.writeable = False


def edge_of(thing: Any, what: str) -> Any:
    """The engine's edge of a tensor or `GradientEdge`."""
    if isinstance(thing, GradientEdge):
        node, number = thing.node, thing.output_nr
        if isinstance(node, Leaf):
            return node
        op = node.plan.op
        if op.several:  # as many results as the shape of its input says
            count = len(op.shape(node.saved[node.plan.slots.index("x_shape")], **node.params))
        else:
            count = getattr(node.params, "count", None) or (len(op.diff) if op.diff else 1)
        return Output(node, number, count) if count > 1 else node
    if not isinstance(thing, Value):
        raise TypeError(f"{what} must be tensors or GradientEdges, not {type(thing).__name__}")
    return thing.edge if not isinstance(thing._view, View) else refresh(thing)


def _as_tuple(things: Any) -> tuple[Any, ...]:
    return (things,) if isinstance(things, (Value, GradientEdge)) else tuple(things)


def _retain(
    retain_graph: Any, create_graph: bool, edges: list[Any], release: str, on_error: str | None
) -> tuple[bool, Terms | None]:
    """(is all of the graph kept?, what else the pass keeps and frees); by default as ``create_graph`` says."""
    if release != "pass" and release not in ("used", "graph"):
        raise ValueError(f"release must be 'pass', 'used' or 'graph', not {release!r}")
    if on_error is not None and on_error not in ("keep", "release"):
        raise ValueError(f"on_error must be 'keep' or 'release', not {on_error!r}")
    if retain_graph is None:
        plan = plans.plan_of(edges)
        if plan is not None and not create_graph:
            return False, Terms(on_error=on_error, plan=plan)
        retain_graph = create_graph
    if isinstance(retain_graph, (bool, int)):
        if (release == "pass" or retain_graph) and on_error is None:
            return bool(retain_graph), None
        return bool(retain_graph), Terms(frozenset(), release, on_error)
    if isinstance(retain_graph, str):
        if retain_graph != "auto":
            raise ValueError(f"retain_graph must be None, True, False, 'auto' or tensors, not {retain_graph!r}")
        later: list[Any] = plans.live_edges(edges)
    else:
        try:
            later = [edge_of(t, "retain_graph") for t in _as_tuple(retain_graph)]
        except TypeError:
            raise TypeError(
                "retain_graph must be None, True, False, 'auto', or the tensors whose backward is still to come, not"
                f" {retain_graph!r}"
            ) from None
    return False, Terms(frozenset(reachable(e for e in later if e is not None)), release, on_error)


def _roots(
    tensors: tuple[Any, ...], given: Sequence[Any] | None, create_graph: bool
) -> tuple[list[Any], list[Any]]:
    """The edges to start from and the cotangents to start with."""
    if given is None:
        given = (None,) * len(tensors)
    if len(given) != len(tensors):
        raise RuntimeError(
            f"got {len(tensors)} tensors and {len(given)} gradients; give one gradient (or None) for each"
            " tensor"
        )
    edges, cotangents = [], []
    for tensor, g in zip(tensors, given, strict=True):
        edge = edge_of(tensor, "the tensors to differentiate")
        if edge is None:
            raise RuntimeError(
                "element 0 of tensors does not require grad and does not have a grad_fn. Nothing it was"
                " computed from requires grad, or it was computed under no_grad; call requires_grad_() on an"
                " input before computing it."
            )
        if isinstance(tensor, GradientEdge):
            if g is None:
                raise RuntimeError("a GradientEdge carries no shape: give its gradient explicitly")
            edges.append(edge)
            cotangents.append(g if create_graph else g.array)
            continue
        like = tensor.array
        if mode().anomaly:
            check_nan_root(edge, like)
        if g is None:
            if like.size != 1:
                raise RuntimeError(
                    "grad can be implicitly created only for scalar outputs; this one has shape"
                    f" {list(like.shape)}: reduce it (such as .sum()) or give `gradient`"
                )
            if like.dtype.kind == "c":
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {like.dtype}; give"
                    " `gradient`"
                )
            ones = _ONE.get(like.dtype) if like.ndim == 0 and not create_graph else None
            if ones is None:
                ones = np.ones(like.shape, like.dtype)
            g = wrap(ones) if create_graph else ones
        else:
            if not isinstance(g, Value):
                raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
            if g.array.shape != like.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[0] has a shape of {list(g.array.shape)} and output[0]"
                    f" has a shape of {list(like.shape)}. Give a gradient of the output's shape, such as"
                    " rg.ones_like(output)."
                )
            if (g.array.dtype.kind == "c") != (like.dtype.kind == "c"):
                raise RuntimeError(
                    "For complex Tensors, both grad_output and output are required to have the same dtype;"
                    f" got {g.array.dtype} for {like.dtype}"
                )
            if g.array.dtype != like.dtype:
                g = cast(g, like.dtype)
            g = g if create_graph else g.array
        edges.append(edge)
        cotangents.append(g)
    return edges, cotangents


def _check_wanted(wanted: list[Any]) -> None:
    """Refuse inputs that no gradient leads to."""
    if None in wanted:
        raise RuntimeError(
            f"One of the differentiated Tensors does not require grad: input {wanted.index(None)}; call"
            " requires_grad_() on it before it is used"
        )


def _on_tensors(create_graph: bool) -> bool:
    """Does the pass run on tensors? When it is recorded, and when they may carry tangents or batches."""
    return create_graph or bool(mode().dual) or mode().batch is not None


def _run(
    edges: list[Any],
    cotangents: list[Any],
    wanted: Any,
    kind: str,
    retain: bool,
    create: bool,
    accumulate: bool,
    terms: Terms | None = None,
    unused: Any = None,
) -> Any:
    code, lasti = site(3)
    pass_ = engine.new_pass(kind, edges, code, lasti)
    plan = None if terms is None else terms.plan
    if plan is not None:
        plan.started(edges)
    try:
        result = engine.run(
            edges,
            cotangents,
            wanted,
            retain=retain,
            record=create,
            accumulate=accumulate,
            pass_=pass_,
            recorded_sum_to=_recorded_sum_to,
            terms=terms,
            unused=unused,
        )
    except BaseException:
        if plan is not None:
            plan.failed(edges)
        raise
    if plan is not None:
        plan.finished(edges, pass_)
    return result


def unused(k: int) -> Exception:
    """The error for input ``k``, which does not matter for the outputs."""
    return RuntimeError(
        "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if this"
        f" is the desired behavior: input {k} does not lead to the outputs. Is it the tensor that was used, or a copy"
        " made later?"
    )


def _recorded_sum_to(piece: Any, shape: tuple[int, ...]) -> Any:
    return sum_to(piece, shape=shape)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: Any = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
    *,
    release: str = "pass",
    on_error: str | None = None,
) -> None:
    """Accumulate the gradient of ``tensors`` into the ``.grad`` of every leaf they were computed from.

    ``grad_tensors``  cotangents, one for each tensor that is not a scalar
    ``retain_graph``  keep the graph's saved values for another pass; by default as ``create_graph`` says. A tensor, or
                      several: keep exactly what a backward from these will read; "auto": what any other tensor that is
                      still held can reach
    ``create_graph``  record the gradient computation, so that it can be differentiated again
    ``inputs``        accumulate into these tensors only
    ``release``       what is freed: "pass", what this pass ran; "used", values that no further gradient needs;
                      "graph", everything that ``tensors`` were computed from
    ``on_error``      after a failure in the middle, "keep" the graph as it was, or "release" it in one go; by default
                      "keep" where hooks or custom functions take part

    Raises `GraphFreedError` if an earlier pass freed what this one needs and `SavedModifiedError` if it was written
    to; both before any gradient has changed. PyTorch: torch.autograd.backward.

    >>> x = rg.tensor([1., 2.], requires_grad=True)
    >>> rg.autograd.backward((x * x).sum())
    >>> x.grad
    tensor([2., 4.])
    """
    tensors = _as_tuple(tensors)
    given = grad_tensors if grad_variables is None else grad_variables
    given = None if given is None else (given,) if isinstance(given, Value) else tuple(given)
    create = bool(create_graph)
    edges, cotangents = _roots(tensors, given, _on_tensors(create))
    retain, terms = _retain(retain_graph, create, edges, release, on_error)
    wanted = None
    if inputs is not None:
        inputs = _as_tuple(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward` cannot be empty")
        wanted = [edge_of(t, "`inputs`") for t in inputs]
        _check_wanted(wanted)
    results = _run(edges, cotangents, wanted, "backward()", retain, create, True, terms)
    if not retain and wanted is None:
        for tensor in tensors:
            if isinstance(tensor, Value):
                spend(tensor)
    if wanted is not None:
        for tensor, edge, g in zip(inputs, wanted, results, strict=True):
            if g is not None and type(edge) is not Leaf and isinstance(tensor, Value):
                tensor._grad = g if tensor._grad is None else tensor._grad + g


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: Any = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
    *,
    release: str = "pass",
    on_error: str | None = None,
) -> tuple[Any, ...]:
    """The gradient of ``outputs`` with respect to each of ``inputs``, as a tuple; ``.grad`` is not touched.

    ``grad_outputs``      cotangents, one for each output that is not a scalar
    ``only_inputs``       has no effect, as in PyTorch; other gradients are `backward`'s to give
    ``allow_unused``      give None for an input that does not matter, instead of raising
    ``is_grads_batched``  the cotangents have a leading batch dimension, and so have the results
    ``materialize_grads`` give zeros instead of None

    ``retain_graph``, ``release`` and ``on_error`` are those of `backward`. PyTorch: torch.autograd.grad.

    >>> x = rg.tensor(3., requires_grad=True)
    >>> rg.autograd.grad(x ** 2, x)
    (tensor(6.),)
    """
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for other"
            " parts of the graph, please use regrad.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    if grad_outputs is not None:
        grad_outputs = (grad_outputs,) if isinstance(grad_outputs, Value) else tuple(grad_outputs)
    if allow_unused is False and materialize_grads:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got:"
            " allow_unused=False."
        )
    allow = materialize_grads if allow_unused is None else allow_unused
    create = bool(create_graph)
    if is_grads_batched:
        from regrad.autograd.batched import batched_grad

        return batched_grad(
            outputs, inputs, grad_outputs, allow, materialize_grads,
            retain_graph=retain_graph, create_graph=create, release=release, on_error=on_error,
        )  # fmt: skip
    if not inputs:
        raise ValueError("grad requires non-empty inputs.")
    wanted = [edge_of(t, "inputs") for t in inputs]
    _check_wanted(wanted)
    edges, cotangents = _roots(outputs, grad_outputs, _on_tensors(create))
    retain, terms = _retain(retain_graph, create, edges, release, on_error)
    results = _run(edges, cotangents, wanted, "grad()", retain, create, False, terms, None if allow else unused)
    for k, (tensor, g) in enumerate(zip(inputs, results, strict=True)):
        if g is None:
            if not allow:
                raise unused(k)
            if materialize_grads:
                results[k] = wrap(np.zeros_like(tensor.array))
    return tuple(results)


tensor_module.use_backward(backward)
core.use_grad(grad)
