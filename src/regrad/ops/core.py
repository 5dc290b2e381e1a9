"""The ops that the others and the engine stand on: conversion, broadcasting, summing back, views and writing.

`cast` and `expand_to` serve dtype promotion and forward mode; `sum_to` is what the engine sums pieces back with when
gradients are recorded; `take_view`, `put_view`, `zero_view` and `copy_slices` are in-place writing through a view,
said without memory. Start reading at `copy_slices`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad import shapes
from regrad.declare import elementwise, general, general_call, linear, refresh
from regrad.graph import engine
from regrad.graph.modes import Switch, mode
from regrad.graph.value import Value, View, root, wrap

__all__: list[str] = []


def _converted(x: Any, dtype: Any) -> Any:
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = x.real
    return np.asarray(x).astype(dtype)


@linear(x=lambda g, *, was, dtype: cast_op(g, dtype=was, was=dtype), shape=shapes.same, name="cast", conjugate=False,
        grad_name="ToCopyBackward0")  # fmt: skip
def cast_op(x, *, dtype, was):
    """The elements as ``dtype``; ``was`` is the dtype they come from, to which the gradient goes back."""
    return _converted(x, dtype)


def cast(x: Any, dtype: Any) -> Any:
    """``x`` with its elements converted to the NumPy dtype ``dtype``; differentiable between floating dtypes."""
    if isinstance(x, Value):
        if dtype.kind not in "fcV" or x.array.dtype.kind not in "fcV":
            with np.errstate(all="ignore"):  # nan to an int, as PyTorch, without a word
                return wrap(_converted(x.array, dtype))
        return cast_op(x, dtype=dtype, was=x.array.dtype)
    with np.errstate(all="ignore"):
        return _converted(x, dtype)


def _expanded_shape(x: Any, *, shape: Any) -> tuple[int, ...]:
    return tuple(shape)


def _x_shape_of(x: Any, *, shape: Any) -> tuple[int, ...]:
    return tuple(shape)


@linear(x=lambda g, x_shape: sum_to(g, shape=x_shape), shape=_expanded_shape, view=True, conjugate=False, name="expand")
def expand_to(x, *, shape):
    """``x`` broadcast to ``shape``: a view whose added dimensions cost no memory."""
    added = len(shape) - x.ndim
    strides = [0] * added
    for n, m, s in zip(x.shape, shape[max(added, 0) :], x.strides):
        if (n != m and n != 1) or added < 0:
            return np.broadcast_to(x, shape)  # raises
        strides.append(s if n == m else 0)
    return laid(x, shape, strides)


@linear(x=lambda g, x_shape: expand_to(g, shape=x_shape), shape=_x_shape_of, conjugate=False, name="sum_to",
        grad_name="SumBackward0")  # fmt: skip
def sum_to(x, *, shape):
    """``x`` summed over the dimensions that broadcasting ``shape`` to its shape would add or stretch."""
    return engine.sum_to(x, tuple(shape))


@elementwise(kernel=np.conjugate, quiet=False, x=lambda g: conj_physical(g), conjugate=False)
def conj_physical(x):
    """Complex conjugate of each element; a real number is its own."""


# -- memory


def storage(x: Any) -> tuple[Any, int]:
    """The memory that ``x`` lies in, as one dimension of its dtype, and the number of its first element there."""
    owner = root(x)
    flat = owner.ravel(order="K")
    if root(flat) is not owner:  # the owner does not fill its memory: no more is known of it than it shows
        return x.ravel(order="K"), 0
    flat = flat.view(x.dtype)
    return flat, (x.__array_interface__["data"][0] - flat.__array_interface__["data"][0]) // x.itemsize


def laid(x: Any, shape: Any, strides: Any, offset: int = 0) -> Any:
    """The memory of ``x`` from ``offset`` elements after its first, seen with a shape and strides in bytes.

    NumPy's own `as_strided` puts an object between an array and its base that hides whose memory it is, and takes
    longer.
    """
    if not offset and x.flags.c_contiguous and root(x) is x:
        return np.ndarray(shape, x.dtype, x, 0, strides)
    flat, start = storage(x)
    if root(flat) is not root(x):
        return np.lib.stride_tricks.as_strided(x, shape, strides)
    return np.ndarray(shape, x.dtype, flat, (start + offset) * x.itemsize, strides)


# -- writing through views, as functions


def apply_recipe(array: Any, recipe: Any) -> Any:
    """The view of ``array`` that a recipe of view ops describes."""
    for op, params in recipe:
        array = op.forward(array, **params)
    return array


def _seen_from(dtype: Any, recipe: Any) -> Any:
    """The dtype of what a recipe makes a view of ``dtype`` from: a part of complex numbers comes from complex ones."""
    for op, _ in reversed(recipe):
        name = getattr(op, "name", "")
        if name in ("real", "imag", "view_as_real"):
            dtype = np.result_type(dtype, np.complex64)
        elif name == "view_as_complex":
            dtype = np.empty(0, dtype).real.dtype
    return dtype


def _fresh(like: Any, order: tuple[int, ...]) -> Any:
    """An uninitialised array of the shape of ``like`` whose memory runs through the dimensions in ``order``."""
    out = np.empty(tuple(like.shape[d] for d in order), like.dtype)
    return out.transpose(tuple(np.argsort(order))) if order else out


def memory_order(array: Any) -> tuple[int, ...]:
    """The dimensions of ``array`` from the slowest to the fastest in memory."""
    return tuple(sorted(range(array.ndim), key=lambda d: (-abs(array.strides[d]), d)))


@linear(x=lambda g, x_shape, *, recipe, order: put_view(g, recipe=recipe, order=order, shape=x_shape),
        shape=lambda x, *, recipe, order: apply_recipe(_ghost(x, order), recipe).shape, conjugate=False)  # fmt: skip
def take_view(x, *, recipe, order):
    """The elements of ``x`` that the view sees."""
    fresh = _fresh(x, order)
    fresh[...] = x
    return apply_recipe(fresh, recipe)


@linear(x=lambda g, *, recipe, order: take_view(g, recipe=recipe, order=order),
        shape=lambda x, *, shape, **_: tuple(shape), conjugate=False)  # fmt: skip
def put_view(x, *, recipe, order, shape):
    """Zeros of ``shape`` with ``x`` where the view is."""
    fresh = _fresh(np.broadcast_to(np.zeros((), _seen_from(x.dtype, recipe)), shape), order)
    fresh[...] = 0
    apply_recipe(fresh, recipe)[...] = x
    return fresh


@linear(x=lambda g, *, recipe, order: zero_view(g, recipe=recipe, order=order), shape=shapes.same, conjugate=False)
def zero_view(x, *, recipe, order):
    """``x`` with zeros where the view is."""
    fresh = _fresh(x, order)
    fresh[...] = x
    apply_recipe(fresh, recipe)[...] = 0
    return fresh


def _slices_jvp(args: Any, outs: Any, tangents: Any, params: Any) -> Any:
    base, src = (a * 0 if t is None else t for a, t in zip(args, tangents, strict=True))
    return copy_slices(base, src, **params)


@general(base=lambda g, *, recipe, order: zero_view(g, recipe=recipe, order=order),
         src=lambda g, *, recipe, order: take_view(g, recipe=recipe, order=order),
         shape=shapes.same, jvp=_slices_jvp, conjugate=False, grad_name="CopySlices", once=True)  # fmt: skip
def copy_slices(base, src, *, recipe, order):
    """``base`` with ``src`` where the view is: what an in-place write through a view does to its base."""
    fresh = _fresh(base, order)
    fresh[...] = base
    apply_recipe(fresh, recipe)[...] = src
    return fresh


def _ghost(shape: Any, order: tuple[int, ...]) -> Any:
    return _fresh(np.broadcast_to(np.zeros((), "f4"), shape), order)


_grad: Any = None


def use_grad(grad: Any) -> None:
    """Say what `transposed_jvp` differentiates with: passes are in a room above this one."""
    global _grad
    _grad = grad


def transposed_jvp(op: Any, args: Any, outs: Any, tangents: Any, params: Any) -> tuple[Any, ...]:
    """The tangent of a general op as the transpose of its VJP: the derivative of ``<g, t>`` by the cotangent."""
    grad = _grad
    state = mode()
    with Switch(record=True):
        leaves = [a if t is None else wrap(a.array) for a, t in zip(args, tangents, strict=True)]
        for i, t in enumerate(tangents):
            if t is not None:
                source = args[i]
                # times one: an argument of its own, also where one argument was computed from another
                leaves[i] = source * 1 if _edge(source) is not None else _as_leaf(leaves[i])
        again = general_call(op, tuple(leaves), params, True)
        again = again if isinstance(again, tuple) else (again,)
        chosen = [k for k, o in enumerate(again) if o.edge is not None]
        dummies = [_as_leaf(wrap(np.zeros_like(again[k].array))) for k in chosen]
        moving = [i for i, t in enumerate(tangents) if t is not None]
        inputs = [leaves[i] for i in moving]
        pieces = grad([again[k] for k in chosen], inputs, dummies, create_graph=True, allow_unused=True)
        pairs = [(p, tangents[i]) for p, i in zip(pieces, moving, strict=True) if p is not None]
        if not pairs:
            return (None,) * len(outs)
        asked = any(isinstance(v, Value) and _edge(v) is not None for v in (*args, *tangents))
        keep = state.record and asked
        pushed = grad([p for p, _ in pairs], dummies, [t for _, t in pairs], create_graph=keep, allow_unused=True)
    found: list[Any] = [None] * len(outs)
    for k, t in zip(chosen, pushed, strict=True):
        found[k] = t
    return tuple(found)


def _edge(value: Any) -> Any:
    """The edge of a value; of a view, as its base is now."""
    return value.edge if type(value._view) is not View else refresh(value)


def _as_leaf(value: Any) -> Any:
    from regrad.graph.node import leaf_for

    leaf_for(value)
    return value
