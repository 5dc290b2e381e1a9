"""Gathering and scattering: one coordinate of each element replaced by an index, to read or to write there.

`gather` reads and `gather_grad`, its transpose, adds. `scatter` writes, `scatter_add`, `scatter_prod` and
`scatter_extreme` combine; every other reduction is put together from these. Start reading at `gather_at`.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import general, linear
from regrad.errors import ShapeError
from regrad.graph.value import Value, wrap
from regrad.kernels.reference import indexing as kernels
from regrad.ops.core import cast, expand_to
from regrad.ops.indexing import (
    dim_of,
    fill_where,
    index_view,
    known,
    lifted,
    new_view,
    number,
    positions,
    raw,
    same_dtype,
    same_slices,
    together,
    vector,
    wrapped,
)

__all__ = [
    "gather", "index_reduce", "scatter", "scatter_add", "scatter_reduce", "segment_reduce", "take_along_dim",
]  # fmt: skip


@linear(x=lambda g, k, x_shape, *, dim: gather_grad(g, k, shape=x_shape, dim=dim),
        shape=lambda x, k, *, dim: tuple(k), quiet=False, conjugate=False, name="gather")  # fmt: skip
def gather_at(x, k, *, dim):
    """``x`` at the coordinates of each element of ``k``, coordinate ``dim`` replaced by that element."""
    return kernels.gather(x, k, dim)


@linear(g=lambda g, k, *, dim: gather_at(g, k, dim=dim), shape=lambda g, k, *, shape, dim: tuple(shape),
        quiet=False, conjugate=False)  # fmt: skip
def gather_grad(g, k, *, shape, dim):
    """Zeros of ``shape`` with each element of ``g`` added where `gather` reads it: its transpose."""
    return kernels.scatter_at(np.add, np.zeros(shape, g.dtype), k, g, dim)


@general(x=lambda g, k, *, dim: scatter_at(g, k, 0, dim=dim),
         src=lambda g, k, *, dim: gather_at(g, k, dim=dim), shape=shapes.same,
         jvp=together("scatter", 0, 2), quiet=False, conjugate=False, name="scatter")  # fmt: skip
def scatter_at(x, k, src, *, dim):
    """``x`` with ``src``, a number or shaped like ``k``, where `gather` reads; the last duplicate stays."""
    return kernels.scatter(x, k, src, dim)


@general(x=lambda g: g, src=lambda g, k, *, dim: gather_at(g, k, dim=dim), shape=shapes.same,
         jvp=together("scatter_add", 0, 2), quiet=False, conjugate=False, name="scatter_add")  # fmt: skip
def scatter_plus(x, k, src, *, dim):
    """``x`` with ``src`` added where `gather` reads; duplicates add up."""
    return kernels.scatter_at(np.add, x, k, src, dim)


def _equal(a: Any, b: Any) -> Any:
    """One where ``a`` equals ``b`` and zero elsewhere, in the dtype of ``a``."""
    return cast(a == b, raw(a).dtype)


def _times_src(g: Any, x: Any, k: Any, src: Any, out: Any, dim: int) -> Any:
    """The gradient of `scatter_prod` in ``src``: the product of the others, ``out / src`` if not zero."""
    zero = _equal(src, 0)
    alone = zero * gather_at(gather_grad(zero, k, shape=tuple(x.shape), dim=dim), k, dim=dim) == 1
    others = scatter_times(x, k, fill_where(src, alone, 1), dim=dim)
    quotient = gather_at(g * out, k, dim=dim) / fill_where(src, src == 0, 1)
    return fill_where(quotient, alone, 0) + fill_where(gather_at(g * others, k, dim=dim), ~alone, 0)


@general(x=lambda g, k, src, *, dim: scatter_times(g, k, src, dim=dim),
         src=lambda g, x, k, src, out, *, dim: _times_src(g, x, k, src, out, dim),
         shape=shapes.same, name="scatter_prod", grad_name="ScatterReduceBackward0")  # fmt: skip
def scatter_times(x, k, src, *, dim):
    """``x`` multiplied by ``src`` where `gather` reads."""
    return kernels.scatter_at(np.multiply, x, k, src, dim)


def _shared(g: Any, x: Any, k: Any, src: Any, out: Any, dim: int) -> Any:
    """``g`` shared evenly between those that tie for the extreme."""
    return g / scatter_plus(_equal(x, out), k, _equal(src, gather_at(out, k, dim=dim)), dim=dim)


def _extreme_src(g: Any, x: Any, k: Any, src: Any, out: Any, dim: int) -> Any:
    return gather_at(_shared(g, x, k, src, out, dim), k, dim=dim) * _equal(src, gather_at(out, k, dim=dim))


@general(x=lambda g, x, k, src, out, *, dim: _shared(g, x, k, src, out, dim) * _equal(x, out),
         src=lambda g, x, k, src, out, *, dim: _extreme_src(g, x, k, src, out, dim),
         shape=shapes.same, grad_name="ScatterReduceBackward0")  # fmt: skip
def scatter_extreme(x, k, src, *, dim, largest):
    """The larger (or smaller) of ``x`` and all of ``src`` that lands on it."""
    return kernels.scatter_at(np.maximum if largest else np.minimum, x, k, src, dim)


# -- what PyTorch calls them


def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """``out[i][j] = input[i][index[i][j]]`` for ``dim=1``, likewise for any ``dim``; shaped like ``index``.

    The gradient is dense whatever ``sparse_grad`` says.

    >>> rg.gather(rg.tensor([[1., 2.], [3., 4.]]), 1, rg.tensor([[0, 0], [1, 0]]))
    tensor([[1., 1.],
            [4., 3.]])
    """
    del sparse_grad
    dim = dim_of("gather", input, dim)
    if positions("gather", index).size:
        _fits("gather", input, dim, index, "input")
    return gather_at(input, index, dim=dim)


def _fits(name: str, input: Any, dim: int, index: Any, what: str = "self") -> None:
    """Refuse an index of another rank than ``input``, or larger than it other than along ``dim``."""
    ours, theirs = raw(input).shape, raw(index).shape
    if len(ours or (1,)) != len(theirs or (1,)):
        raise ShapeError(f"{name}(): Index tensor must have the same number of dimensions as {what} tensor, "
                         f"got {list(theirs)} for {list(ours)}")  # fmt: skip
    for d, (m, n) in enumerate(zip(theirs, ours)):
        if d != dim and m > n:
            raise ShapeError(f"{name}(): Size does not match at dimension {d}: Expected index {list(theirs)} "
                             f"to be no larger than self {list(ours)} apart from dimension {dim}")


def _source(name: str, input: Any, dim: int, index: Any, src: Any) -> Any:
    """``src``, which must go with ``input`` and ``index``, cut to the shape of ``index``."""
    shape = positions(name, index).shape
    same_dtype(name, input, src, "src")
    given = raw(src).shape
    if not raw(index).size:
        return 0
    if len(shape or (1,)) != len(given or (1,)):
        raise ShapeError(f"{name}(): Index tensor must have the same number of dimensions as src tensor, got "
                         f"{list(shape)} for {list(given)}")  # fmt: skip
    _fits(name, input, dim, index)
    if any(m > n for m, n in zip(shape or (1,), given or (1,), strict=True)):
        raise ShapeError(f"{name}(): Expected index {list(shape)} to be no larger than self "
                         f"{list(raw(input).shape)} apart from dimension {dim} and to be no larger size than "
                         f"src {list(given)}")  # fmt: skip
    if given == shape:
        return src
    if not given:
        return new_view(src, index=(None, ...))
    return index_view(src, index=tuple([slice(0, n) for n in shape]) or (0, ...))


def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None,
            reduce: str | None = None) -> Any:  # fmt: skip
    """``out[i][index[i][j]] = src[i][j]`` for ``dim=1``, the rest as in ``input``.

    ``src`` is a tensor or a number; ``reduce`` "add" or "multiply" combines with what is there instead.

    >>> rg.scatter(rg.zeros(2, 3), 1, rg.tensor([[0], [2]]), 1.)
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    dim = dim_of("scatter", input, dim)
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"scatter: reduce argument must be either add or multiply, got {reduce!r}")
    if isinstance(src, (Value, np.ndarray)):
        if reduce is not None:
            warnings.warn("The reduce argument of scatter with Tensor src is deprecated; use scatter_reduce "
                          "instead for more reduction options.", UserWarning, stacklevel=2)  # fmt: skip
        src = _source("scatter", input, dim, index, src)
    else:
        if positions("scatter", index).size:
            _fits("scatter", input, dim, index)
        given = value if src is None else src
        given = raw(given).item() if isinstance(given, (Value, np.ndarray)) else given
        src = number(given, raw(input).dtype, "scatter")
        if reduce is not None:
            src = wrap(np.full(raw(index).shape, src, raw(input).dtype))
    op = {None: scatter_at, "add": scatter_plus, "multiply": scatter_times}[reduce]
    return op(input, index, src, dim=dim)


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """``out[i][index[i][j]] += src[i][j]`` for ``dim=1``, starting from ``input``.

    >>> rg.scatter_add(rg.zeros(3), 0, rg.tensor([0, 2, 2]), rg.tensor([1., 2., 3.]))
    tensor([1., 0., 5.])
    """
    dim = dim_of("scatter_add", input, dim)
    return scatter_plus(input, index, _source("scatter_add", input, dim, index, src), dim=dim)


def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *,
                   include_self: bool = True) -> Any:  # fmt: skip
    """The "sum", "prod", "mean", "amax" or "amin" of all ``src[i][j]`` with the same ``index[i][j]``.

    That is for ``dim=1``, and likewise for any. ``include_self=False`` leaves out what ``input`` has where
    anything lands.

    >>> k = rg.tensor([0, 0, 1])
    >>> rg.scatter_reduce(rg.zeros(2), 0, k, rg.tensor([1., 2., 3.]), "mean", include_self=False)
    tensor([1.5000, 3.0000])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError("scatter_reduce: reduce argument must be either sum, prod, mean, amax or amin, "
                           f"got {reduce}")  # fmt: skip
    dim = dim_of("scatter_reduce", input, dim)
    src = _source("scatter_reduce", input, dim, index, src)
    return _reduced(input, dim, index, src, reduce, include_self=include_self)


def _reduced(input: Any, dim: int, k: Any, src: Any, reduce: str, *, include_self: bool) -> Any:
    dtype = raw(input).dtype
    x = input if include_self else scatter_at(input, k, _neutral(reduce, dtype), dim=dim)
    if reduce == "prod":
        return scatter_times(x, k, src, dim=dim)
    if reduce in ("amax", "amin"):
        return scatter_extreme(x, k, src, dim=dim, largest=reduce == "amax")
    total = scatter_plus(x, k, src, dim=dim)
    if reduce == "sum":
        return total
    start = wrap(np.full(raw(input).shape, include_self, dtype))
    count = scatter_plus(start, k, wrap(np.ones(raw(k).shape, dtype)), dim=dim).clamp(min=1)
    return total / count if dtype.kind in "fc" else total // count


def _neutral(reduce: str, dtype: Any) -> Any:
    """The value that leaves a reduction as it is."""
    if reduce in ("sum", "mean", "prod"):
        return int(reduce == "prod")
    low = reduce == "amax"
    if dtype.kind == "f":
        return -math.inf if low else math.inf
    return not low if dtype.kind == "b" else int(np.iinfo(dtype).min if low else np.iinfo(dtype).max)


def index_reduce(input: Any, dim: int, index: Any, source: Any, reduce: str, *,
                 include_self: bool = True) -> Any:  # fmt: skip
    """`scatter_reduce` by slices: the "prod", "mean", "amax" or "amin" of all slices with the same index.

    Slice ``j`` of ``source`` goes to slice ``index[j]`` of ``input`` along ``dim``.

    >>> rg.index_reduce(rg.ones(2), 0, rg.tensor([0, 0]), rg.tensor([2., 3.]), "prod")
    tensor([6., 1.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError("index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
                           f"{reduce}.")  # fmt: skip
    dim = dim_of("index_reduce", input, dim)
    same_dtype("index_reduce", input, source)
    if not raw(input).ndim:
        return lifted(index_reduce, input, 0, index, source, reduce, include_self=include_self)
    k = vector("index_reduce", index, raw(input).shape[dim])
    same_slices("index_reduce", input, dim, k, source)
    along = expand_to(k.reshape(-1, *(1,) * (raw(input).ndim - dim - 1)), shape=raw(source).shape)
    return _reduced(input, dim, along, source, reduce, include_self=include_self)


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """`gather` with broadcasting and negative positions; without ``dim``, both are read row by row.

    >>> rg.take_along_dim(rg.tensor([[3., 1.], [2., 4.]]), rg.tensor([[0], [-1]]), dim=1)
    tensor([[3.],
            [4.]])
    """
    if positions("take_along_dim", indices).dtype != np.int64:
        raise RuntimeError("take_along_dim(): dtype of indices should be Long but got "
                           f"{dtypes.of(raw(indices).dtype)}")  # fmt: skip
    if dim is None:
        input, indices, dim = input.reshape(-1), indices.reshape(-1), 0
    dim = dim_of("take_along_dim", input, dim)
    ours, theirs = raw(input).shape, raw(indices).shape
    if len(ours) != len(theirs):
        raise RuntimeError("take_along_dim(): input and indices should have the same number of dimensions, "
                           f"but got {len(ours)} dimensions for input, and {len(theirs)} dimensions for "
                           "indices")  # fmt: skip
    if ours:
        size = ours[dim]
        common = shapes.broadcast((*ours[:dim], 1, *ours[dim + 1 :]), (*theirs[:dim], 1, *theirs[dim + 1 :]))
        wide, narrow = ((*common[:dim], n, *common[dim + 1 :]) for n in (size, theirs[dim]))
        input = input if ours == wide else expand_to(input, shape=wide)
        indices = indices if theirs == narrow else expand_to(indices, shape=narrow)
        if hasattr(indices, "adopt") or kernels.outside(raw(indices), size):
            indices = wrapped(indices, size, dim)
    return gather_at(input, indices, dim=dim)


def segment_reduce(data: Any, reduce: str, *, lengths: Any = None, indices: Any = None, offsets: Any = None,
                   axis: int = 0, unsafe: bool = False, initial: Any = None) -> Any:  # fmt: skip
    """The "sum", "prod", "mean", "max" or "min" of each run of neighbours along ``axis``.

    ``lengths`` says how long the runs are, or ``offsets`` where they begin and end; with more than one
    dimension, for each row of ``data`` apart. ``initial`` is what a run starts from.

    >>> rg.segment_reduce(rg.tensor([1., 2., 3.]), "sum", lengths=rg.tensor([1, 2]))
    tensor([1., 5.])
    """
    if reduce not in ("sum", "prod", "mean", "max", "min"):
        raise RuntimeError("segment_reduce(): reduce argument must be either sum, prod, mean, max or min, "
                           f"got {reduce}")  # fmt: skip
    if indices is not None or (lengths is None) == (offsets is None):
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined (and not both; "
                           "indices are not supported).")  # fmt: skip
    axis = dim_of("segment_reduce", data, axis)
    shape, dtype = raw(data).shape, raw(data).dtype
    size = shape[axis]
    edges = known(offsets) if lengths is None else _edges(known(lengths))
    if edges.ndim != axis + 1:
        raise RuntimeError("segment_reduce(): Expected axis to be the last dimension of lengths or offsets: "
                           f"axis {axis}, {edges.ndim} dimension(s)")  # fmt: skip
    if lengths is not None and not unsafe and (edges[..., -1] != size).any():
        raise RuntimeError("segment_reduce(): Expected all rows of lengths along axis to sum to "
                           "data.size(lengths.dim()-1) when !unsafe.")  # fmt: skip
    # The run of each position; what lies outside of all runs goes to one more, which is cut off at the end.
    runs, before, after = edges.shape[-1] - 1, shape[:axis], (1,) * (len(shape) - axis - 1)
    run = (np.arange(size)[:, None] >= edges[..., None, :]).sum(-1) - 1
    run = np.broadcast_to(np.where(run < 0, runs, run).reshape(*run.shape, *after), shape)
    how = {"max": "amax", "min": "amin", "mean": "sum"}.get(reduce, reduce)
    start = _neutral(how, dtype) if initial is None else initial
    out = wrap(np.full((*before, runs + 1, *shape[axis + 1 :]), start, dtype))
    out = _reduced(out, axis, run, data, how, include_self=True)
    out = index_view(out, index=(*(slice(None),) * axis, slice(0, runs)))
    if reduce != "mean":
        return out
    count = np.diff(edges).astype(dtype).reshape(*edges.shape[:-1], runs, *after)
    return out / wrap(count if initial is None else np.maximum(count, 1))


def _edges(lengths: Any) -> Any:
    """Where runs of these lengths begin and end."""
    first = np.zeros((*lengths.shape[:-1], 1), lengths.dtype)
    return np.concatenate([first, np.cumsum(lengths, axis=-1)], axis=-1)


METHODS = {
    "gather": gather, "index_reduce": index_reduce, "scatter": scatter, "scatter_add": scatter_add,
    "scatter_reduce": scatter_reduce, "take_along_dim": take_along_dim,
}  # fmt: skip
INPLACE = ("index_reduce", "scatter", "scatter_add", "scatter_reduce")
