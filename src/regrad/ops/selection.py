"""Following the indices that an op returns: `pick` takes the elements they name, `place` puts elements back.

Extremes, order statistics, sorting and running extremes all choose elements along one dimension, so their
gradients are these two, each the transpose of the other. Unlike `gather`, an index may lack the dimension
that was reduced. Such an op is declared with ``**chosen``: it returns the values and their indices, and its
rule is `place`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from regrad import shapes
from regrad.declare import linear
from regrad.kernels.reference import indexing as kernels

__all__: list[str] = []


def _full(index, ndim, dim):
    """``index`` with the dimension ``dim``, which a reduction may have dropped."""
    return index if index.ndim == ndim else np.expand_dims(index, dim)


@linear(x=lambda g, x_shape, index, *, dim: place(g, index, shape=x_shape, dim=dim), quiet=False,
        shape=lambda x, index, *, dim: tuple(index), grad_name="GatherBackward0")  # fmt: skip
def pick(x, index, *, dim):
    """The elements of ``x`` at ``index`` along ``dim``; without that dimension an index names one each."""
    return kernels.gather(x, _full(index, x.ndim, dim), dim).reshape(index.shape)


@linear(x=lambda g, index, *, dim: pick(g, index, dim=dim), grad_name="ScatterAddBackward0",
        shape=lambda x, index, *, shape, dim: tuple(shape))  # fmt: skip
def place(x, index, *, shape, dim):
    """Zeros of ``shape`` to which the elements of ``x`` are added at ``index`` along ``dim``."""
    flat = np.zeros(math.prod(shape), x.dtype)
    if x.size:
        np.add.at(flat, kernels.flat_along(shape, _full(index, len(shape), dim), dim), np.ravel(x))
    return flat.reshape(shape)


def _chosen_jvp(_args: Any, outs: Any, tangents: Any, params: Any) -> Any:
    return pick(tangents[0], outs[1], dim=params["dim"])


chosen = {
    "outs": ("values", "indices"),
    "diff": (0,),
    "x": lambda g, x_shape, indices, *, dim: place(g, indices, shape=x_shape, dim=dim),
    "jvp": _chosen_jvp,
}


def reduced_twice(x: Any, *, dim: int, keepdim: bool = False, **_: Any) -> Any:
    """The shapes of values and indices where one element along ``dim`` is chosen."""
    shape = shapes.reduced(x, dim=dim, keepdim=keepdim)
    return shape, shape


def same_twice(x: Any, **_: Any) -> Any:
    """The shapes of values and indices that have the shape of the input."""
    return tuple(x), tuple(x)


def need_elements(x: Any, dim: Any, name: str) -> None:
    """Refuse to choose from nothing: along ``dim`` (a tuple), or from all elements if that is None."""
    if x.size:
        return
    if dim is None:
        raise RuntimeError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
                           "Specify the reduction dim with the 'dim' argument.")  # fmt: skip
    for d in dim:
        if x.ndim and x.shape[d] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size; the input is "
                             f"{list(x.shape)}")  # fmt: skip


def need_order(x: Any, name: str) -> None:
    """Refuse to compare complex numbers."""
    if x.dtype.kind == "c":
        raise NotImplementedError(f'"{name}" not implemented for {x.dtype.name}: complex numbers have no '
                                  'order; take x.abs() or x.real')  # fmt: skip


def taken(x: Any, indices: Any, dim: int, keepdim: bool) -> Any:
    """Values and indices of one element along ``dim``; ``indices`` has the size 1 there."""
    values = kernels.gather(x, indices, dim)
    return (values, indices) if keepdim or not x.ndim else (values.squeeze(dim), indices.squeeze(dim))
