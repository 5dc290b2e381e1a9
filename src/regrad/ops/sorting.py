"""Sorting and searching: order, order statistics, positions in sorted sequences, distinct elements.

nan counts as larger than every number, and equal elements keep their order. Start reading at `ordered`; what
happens to gradients is in `regrad.ops.selection`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad import shapes
from regrad.declare import general
from regrad.errors import ShapeError
from regrad.graph.value import wrap
from regrad.kernels.reference import indexing as kernels
from regrad.kernels.reference import ties
from regrad.ops import return_types
from regrad.ops.reduction import share, spread, total
from regrad.ops.scan import dim_of
from regrad.ops.selection import chosen, need_elements, need_order, reduced_twice, same_twice, taken

__all__ = [
    "argsort", "bucketize", "kthvalue", "median", "mode", "msort", "nanmedian", "searchsorted", "sort",
    "topk", "unique", "unique_consecutive",
]  # fmt: skip

NO_MASK = ("b", "not implemented for 'Bool'; convert with .int() first")
I4, I8 = np.dtype("i4"), np.dtype("i8")
MANY = 64  # from so many elements on, parting off a few beats sorting them all


# -- order


def ordered(x: Any, dim: int, descending: bool = False) -> Any:
    """The indices that sort ``x`` along ``dim``, equal elements in the order in which they come."""
    need_order(x, "sort")
    if not x.ndim:
        return np.zeros((), I8)
    if not descending:
        return np.argsort(x, dim, kind="stable")
    flipped = np.flip(np.argsort(np.flip(x, dim), dim, kind="stable"), dim)
    return np.subtract(x.shape[dim] - 1, flipped, order="C")


@general(**chosen, shape=same_twice, name="sort")
def arranged(x, *, dim, descending=False):
    """The elements in order along ``dim``, and where they come from."""
    indices = ordered(x, dim, descending)
    return kernels.gather(x, indices, dim), indices


@general(shape=shapes.same, name="argsort")
def arrangement(x, *, dim, descending=False):
    """Where the elements in order along ``dim`` come from."""
    return ordered(x, dim, descending)


def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The elements in order along ``dim`` and their indices, as ``(values, indices)``.

    nan counts as the largest. Equal elements keep their order, also without ``stable``.

    >>> values, indices = rg.sort(rg.tensor([3., 1., 2.]))
    >>> values, indices
    (tensor([1., 2., 3.]), tensor([1, 2, 0]))
    """
    return return_types.sort(*arranged(input, dim=dim_of(input, dim, "sort"), descending=descending))


def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The indices that sort ``input`` along ``dim``; equal elements keep their order, whatever ``stable`` is.

    >>> rg.argsort(rg.tensor([3., 1., 2.]))
    tensor([1, 2, 0])
    """
    return arrangement(input, dim=dim_of(input, dim, "argsort"), descending=descending)


def msort(input: Any) -> Any:
    """The elements in order along the first dimension.

    >>> rg.msort(rg.tensor([3., 1., 2.]))
    tensor([1., 2., 3.])
    """
    return arranged(input, dim=0)[0]


def _topk_shape(x: Any, *, k: int, dim: int, **_: Any) -> Any:
    shape = tuple(k if d == dim else n for d, n in enumerate(x))
    return shape, shape


@general(**chosen, shape=_topk_shape, name="topk")
def foremost(x, *, k, dim, largest=True):
    """The ``k`` first of the elements in order along ``dim``, and where they come from."""
    n = x.shape[dim] if x.ndim else 1
    if not 0 <= k <= n:
        raise RuntimeError(f"topk: selected index k out of range; k is {k}, dimension {dim} has {n} elements")
    if n < MANY or k > n // 8:
        indices = ordered(x, dim, largest)
        indices = indices if not x.ndim else np.ascontiguousarray(indices[(*(slice(None),) * dim, slice(k))])
    else:  # few of many: part them off before sorting
        need_order(x, "topk")
        split = np.argpartition(x, n - k if largest else k - 1, dim)
        few = np.sort(split[(*(slice(None),) * dim, slice(n - k, None) if largest else slice(k))], dim)
        indices = np.take_along_axis(few, ordered(kernels.gather(x, few, dim), dim, largest), dim)
    indices = ties.settle(x, indices, dim, largest) if x.ndim else indices
    return kernels.gather(x, indices, dim), indices


def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The ``k`` largest (or smallest) elements along ``dim`` and their indices; always in order.

    >>> rg.topk(rg.tensor([3., 1., 2.]), 2).values
    tensor([3., 2.])
    """
    return return_types.topk(*foremost(input, k=int(k), dim=dim_of(input, dim, "topk"), largest=largest))


# -- order statistics


@general(**chosen, shape=reduced_twice, name="kthvalue")
def kth_smallest(x, *, k, dim, keepdim=False):
    """The ``k``-th smallest element along ``dim``, and its index."""
    need_elements(x, (dim,), "kthvalue")
    n = x.shape[dim] if x.ndim else 1
    if not 1 <= k <= n:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}; k is {k}, the "
                           f"dimension has {n} elements")  # fmt: skip
    indices = _ranked(x, k - 1, dim)
    return taken(x, ties.settle_kth(x, indices, k, dim) if x.ndim else indices, dim, keepdim)


def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The ``k``-th smallest element along ``dim`` (counted from 1) and its index.

    >>> rg.kthvalue(rg.tensor([3., 1., 2.]), 2).values
    tensor(2.)
    """
    dim = dim_of(input, dim, "kthvalue")
    return return_types.kthvalue(*kth_smallest(input, k=int(k), dim=dim, keepdim=keepdim))


def _ranked(x: Any, rank: int, dim: int) -> Any:
    """Index along ``dim`` of the element of a rank, with the size 1 there; of many equals, of any one."""
    if not x.ndim:
        return np.zeros((), I8)
    need_order(x, "order statistics")
    order = ordered(x, dim) if x.shape[dim] < MANY else np.argpartition(x, rank, dim)
    return np.take(order, [rank], dim)


def _median_at(x: Any, dim: int, ignore_nan: bool) -> Any:
    """Index of the lower median along ``dim``, with the size 1 there; of the first nan, unless ignored."""
    if not x.ndim:
        return np.zeros((), I8)
    isnan = x != x
    if ignore_nan:
        there = np.sum(~isnan, dim, I8, keepdims=True)
        return np.take_along_axis(ordered(x, dim), np.maximum(there - 1, 0) // 2, dim)
    middle = _ranked(x, (x.shape[dim] - 1) // 2, dim)
    return np.where(isnan.any(dim, keepdims=True), np.argmax(isnan, dim, keepdims=True), middle)


def _median(x: Any, ignore_nan: bool) -> Any:
    need_order(x, "median")
    if not x.size:
        return np.asarray(np.nan).astype(x.dtype)
    x = x.reshape(-1)
    return x[_median_at(x, 0, ignore_nan)[0], ...]


def _shared_jvp(args: Any, outs: Any, tangents: Any, _params: Any) -> Any:
    return total(tangents[0] * share(args[0], outs[0], dim=None))


@general(x=lambda g, x, out: spread(g, shape=x.shape) * share(x, out, dim=None), shape=lambda x: (),
         jvp=_shared_jvp, refuse=NO_MASK, name="median")  # fmt: skip
def middle(x):
    """The lower median of all elements; the gradient is shared evenly among equals."""
    return _median(x, False)


@general(x=lambda g, x, out: spread(g, shape=x.shape) * share(x, out, dim=None), shape=lambda x: (),
         jvp=_shared_jvp, name="nanmedian")  # fmt: skip
def nan_middle(x):
    """The lower median of all elements that are not nan; the gradient is shared evenly among equals."""
    return _median(x, True)


@general(**chosen, shape=reduced_twice, refuse=NO_MASK, name="median_along", grad_name="MedianBackward1")
def middle_along(x, *, dim, keepdim=False):
    """The lower median along ``dim``, and its index."""
    need_elements(x, (dim,), "median")
    return taken(x, _median_at(x, dim, False), dim, keepdim)


@general(**chosen, shape=reduced_twice, name="nanmedian_along", grad_name="NanmedianBackward1")
def nan_middle_along(x, *, dim, keepdim=False):
    """The lower median along ``dim`` of the elements that are not nan, and its index."""
    need_elements(x, (dim,), "nanmedian")
    return taken(x, _median_at(x, dim, True), dim, keepdim)


def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median, of two middle elements the lower one; with ``dim``, ``(values, indices)`` along it.

    >>> rg.median(rg.tensor([4., 1., 3., 2.]))
    tensor(2.)
    """
    if dim is None:
        return middle(input)
    return return_types.median(*middle_along(input, dim=dim_of(input, dim, "median"), keepdim=keepdim))


def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of the elements that are not nan; with ``dim``, ``(values, indices)`` along it.

    >>> rg.nanmedian(rg.tensor([4., 1., float("nan")]))
    tensor(1.)
    """
    if dim is None:
        return nan_middle(input)
    dim = dim_of(input, dim, "nanmedian")
    return return_types.nanmedian(*nan_middle_along(input, dim=dim, keepdim=keepdim))


@general(**chosen, shape=reduced_twice, name="mode")
def commonest(x, *, dim, keepdim=False):
    """The most frequent element along ``dim``, the smallest of several, and its last index."""
    need_elements(x, (dim,), "mode")
    order = ordered(x, dim)
    if not x.ndim:
        return taken(x, order, dim, keepdim)
    places = np.arange(x.shape[dim]).reshape(-1, *(1,) * (x.ndim - dim - 1))
    new = _changes(kernels.gather(x, order, dim), dim)
    lengths = places - np.maximum.accumulate(np.where(new, places, 0), dim)
    return taken(x, np.take_along_axis(order, np.argmax(lengths, dim, keepdims=True), dim), dim, keepdim)


def mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along ``dim``, the smallest of several, and its index (the last one).

    >>> rg.mode(rg.tensor([2., 1., 2., 1., 3.]))
    regrad.return_types.mode(
    values=tensor(1.),
    indices=tensor(3))
    """
    return return_types.mode(*commonest(input, dim=dim_of(input, dim, "mode"), keepdim=keepdim))


# -- positions in sorted sequences


@general(shape=lambda sequence, values, sorter, **_: tuple(values), name="searchsorted")
def position(sequence, values, sorter, *, right, small):
    """Where each value would go in the sorted sequence of its leading dimensions, or in the only one."""
    values = np.asarray(values)
    if sorter is not None:
        sequence = np.take_along_axis(sequence, sorter, -1)
    side = "right" if right else "left"
    if sequence.ndim == 1:
        out = np.asarray(sequence.searchsorted(values, side))
    else:
        out = np.empty(values.shape, I8)
        for line in np.ndindex(values.shape[:-1]):
            out[line] = sequence[line].searchsorted(values[line], side)
    return out.astype(I4 if small else I8, copy=False)


def searchsorted(
    sorted_sequence: Any, input: Any, *, out_int32: bool = False, right: bool = False, side: Any = None,
    sorter: Any = None,
) -> Any:  # fmt: skip
    """Index at which each value would be inserted into a sorted sequence, before equal elements or after.

    ``input`` is a number or a tensor; a sequence of several dimensions is searched line by line.
    ``side="right"`` (or ``right=True``) goes behind equal elements. ``sorter`` says how to sort a sequence
    that is not in order.

    >>> rg.searchsorted(rg.tensor([1., 3., 5.]), rg.tensor([0., 3., 6.]))
    tensor([0, 1, 3])
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError("searchsorted(): side and right can't be set to opposites, got side of left "
                           "while right was True")  # fmt: skip
    many, wanted = tuple(sorted_sequence.shape), tuple(getattr(input, "shape", ()))
    if len(many) != 1 and not wanted:
        raise ShapeError("searchsorted(): input value can be a scalar only when boundaries tensor "
                         f"dimension is 1, but we got boundaries tensor dim({len(many)})")  # fmt: skip
    if len(many) != 1 and many[:-1] != wanted[:-1]:
        raise ShapeError("searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
                         "dimensions of boundaries tensor and input value tensor must match, but we got "
                         f"boundaries tensor {list(many)} and input value tensor {list(wanted)}")  # fmt: skip
    if sorter is not None and tuple(sorter.shape) != many:
        raise ShapeError("searchsorted(): boundary and sorter must have the same size, but got boundary "
                         f"tensor {list(many)} and got sorter tensor {list(sorter.shape)}")  # fmt: skip
    return position(sorted_sequence, input, sorter, right=right or side == "right", small=out_int32)


def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """Index of the bucket between sorted ``boundaries`` that each value falls into.

    A boundary belongs to the bucket below it, with ``right=True`` to the one above.

    >>> rg.bucketize(rg.tensor([0., 3., 6.]), rg.tensor([1., 3., 5.]))
    tensor([0, 1, 3])
    """
    if boundaries.ndim != 1:
        raise ShapeError(f"bucketize: boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return position(boundaries, input, None, right=right, small=out_int32)


# -- distinct elements


def _changes(x: Any, dim: int) -> Any:
    """Where an element differs from the one before it along ``dim``; the first one does."""
    at = (slice(None),) * dim
    out = np.ones(x.shape, bool)
    np.not_equal(x[(*at, slice(1, None))], x[(*at, slice(None, -1))], out=out[(*at, slice(1, None))])
    return out


def _distinct(input: Any, sort: bool, return_inverse: bool, return_counts: bool, dim: Any, name: str) -> Any:
    x = input.array
    if dim is None:
        rows = x.reshape(-1, 1)
    else:
        dim = dim_of(input, dim, name)
        if not x.size and x.shape[dim]:
            raise RuntimeError(f"{name}: There are 0 sized dimensions, and they aren't selected, so unique "
                               f"cannot be applied to {list(x.shape)}")  # fmt: skip
        rows = np.moveaxis(x, dim, 0).reshape(x.shape[dim], -1 if x.size else 0)
    order = np.lexsort(rows.T[::-1]) if sort and rows.size else np.arange(len(rows))
    rows = rows[order]
    new = _changes(rows, 0).any(1)
    inverse = np.empty(len(rows), I8)
    inverse[order] = np.cumsum(new) - 1
    starts = np.flatnonzero(new)
    values = rows[starts].reshape(-1) if dim is None else np.take(x, order[starts], dim)
    outs = [values]
    if return_inverse:
        outs.append(inverse.reshape(x.shape) if dim is None else inverse)
    if return_counts:
        outs.append(np.diff(starts, append=len(rows)))
    return wrap(values) if len(outs) == 1 else tuple(wrap(o) for o in outs)


def unique(
    input: Any, sorted: bool = True, return_inverse: bool = False,
    return_counts: bool = False, dim: Any = None,
) -> Any:  # fmt: skip
    """The distinct elements, or the distinct slices along ``dim``; always in order, each nan by itself.

    ``return_inverse`` adds where each element of ``input`` went, ``return_counts`` how often each result
    occurred. There is no gradient.

    >>> rg.unique(rg.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    return _distinct(input, True, return_inverse, return_counts, dim, "unique")


def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: Any = None
) -> Any:  # fmt: skip
    """The elements, or the slices along ``dim``, that differ from the one before; see `unique`.

    >>> rg.unique_consecutive(rg.tensor([3, 3, 1, 3]))
    tensor([3, 1, 3])
    """
    return _distinct(input, False, return_inverse, return_counts, dim, "unique_consecutive")


METHODS = {
    "argsort": argsort, "kthvalue": kthvalue, "median": median, "mode": mode, "msort": msort,
    "nanmedian": nanmedian, "sort": sort, "topk": topk, "unique": unique,
    "unique_consecutive": unique_consecutive,
}  # fmt: skip
