"""Reductions and normalisations of the elements under a mask: the functions of `rg.masked`.

An element that the mask leaves out is replaced by a number that changes nothing (0 in a sum, -inf in a
maximum) before the ordinary function runs. A mask is boolean and broadcasts to its input. Start reading at
`filled`. PyTorch: https://docs.pytorch.org/docs/stable/masked.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.errors import ShapeError
from regrad.ops import activation, exponential, reduction, scan, sorting
from regrad.ops.choosing import maximum, where
from regrad.ops.complexes import conj
from regrad.ops.core import cast, expand_to
from regrad.ops.scan import dtype_of
from regrad.ops.shaping import reshape
from regrad.shapes import dims_in

__all__: list[str] = []


# -- masks


def canonical(mask: Any, input: Any) -> Any:
    """``mask`` as bool, in the shape of ``input``."""
    if mask.ndim > input.ndim:
        raise IndexError("masked: expected broadcastable mask (got mask dimensionality higher than of the "
                         f"input): mask {list(mask.shape)}, input {list(input.shape)}")  # fmt: skip
    for m, n in zip(reversed(mask.shape), reversed(input.shape), strict=False):
        if m not in (1, n):
            raise ShapeError(f"masked: a mask of {list(mask.shape)} does not broadcast to the input, "
                             f"{list(input.shape)}")  # fmt: skip
    return expand_to(as_dtype(mask, np.dtype(bool)), shape=tuple(input.shape))


def filled(input: Any, mask: Any, neutral: Any) -> Any:
    """``input`` with the number ``neutral`` where the mask is False."""
    return input if mask is None else where(canonical(mask, input), input, neutral)


def as_dtype(x: Any, dtype: Any) -> Any:
    """``x`` converted to a NumPy dtype, if it has another."""
    return x if dtype_of(x) == dtype else cast(x, dtype)


def _wanted(input: Any, dtype: Any) -> Any:
    return dtype_of(input) if dtype is None else dtypes.to_numpy(dtype)


def _lowest(input: Any) -> Any:
    dtype = dtype_of(input)
    return int(np.iinfo(dtype).min) if dtype.kind in "iu" else -math.inf


def _highest(input: Any) -> Any:
    dtype = dtype_of(input)
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else math.inf


# -- sums and products


def sum(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Sum of the elements under the mask along ``dim``; of none, 0.

    >>> rg.masked.sum(rg.tensor([1., 2., 3.]), mask=rg.tensor([True, False, True]))
    tensor(4.)
    """
    return reduction.sum(filled(input, mask, 0), dim, bool(keepdim), dtype=dtype)


def prod(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Product of the elements under the mask along ``dim``; of none, 1.

    >>> rg.masked.prod(rg.tensor([1., 2., 3.]), mask=rg.tensor([True, False, True]))
    tensor(3.)
    """
    wanted = np.dtype(np.int64) if dtype is None and dtype_of(input).kind in "biu" else _wanted(input, dtype)
    out = as_dtype(filled(input, mask, 1), wanted)
    for d in sorted(dims_in(dim if dim != () else None, input.ndim, "masked.prod"), reverse=True):
        out = reduction.prod(out, d, bool(keepdim), dtype=wanted)
    return out


def cumsum(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Running sum along ``dim`` of the elements under the mask.

    >>> rg.masked.cumsum(rg.tensor([1., 2., 3.]), 0, mask=rg.tensor([True, False, True]))
    tensor([1., 1., 4.])
    """
    return scan.cumsum(filled(input, mask, 0), dim, dtype=_wanted(input, dtype))


def cumprod(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Running product along ``dim`` of the elements under the mask.

    >>> rg.masked.cumprod(rg.tensor([1., 2., 3.]), 0, mask=rg.tensor([True, False, True]))
    tensor([1., 1., 3.])
    """
    return scan.cumprod(filled(input, mask, 1), dim, dtype=_wanted(input, dtype))


# -- extremes


def amax(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Largest element under the mask along ``dim``; of none, the lowest number of the dtype.

    >>> rg.masked.amax(rg.tensor([1., 2., 3.]), mask=rg.tensor([True, True, False]))
    tensor(2.)
    """
    out = reduction.amax(filled(input, mask, _lowest(input)), dim, bool(keepdim))
    return as_dtype(out, _wanted(input, dtype))


def amin(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Smallest element under the mask along ``dim``; of none, the highest number of the dtype.

    >>> rg.masked.amin(rg.tensor([1., 2., 3.]), mask=rg.tensor([False, True, True]))
    tensor(2.)
    """
    out = reduction.amin(filled(input, mask, _highest(input)), dim, bool(keepdim))
    return as_dtype(out, _wanted(input, dtype))


def argmax(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Index of the largest element under the mask along ``dim``, in the dtype of the input if none is given.

    >>> rg.masked.argmax(rg.tensor([1., 2., 3.]), mask=rg.tensor([True, True, False]))
    tensor(1.)
    """
    out = reduction.argmax(filled(input, mask, _lowest(input)), dim, bool(keepdim))
    return as_dtype(out, _wanted(input, dtype))


def argmin(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Index of the smallest element under the mask along ``dim``, in the dtype of the input if none is given.

    >>> rg.masked.argmin(rg.tensor([1., 2., 3.]), mask=rg.tensor([False, True, True]))
    tensor(1.)
    """
    out = reduction.argmin(filled(input, mask, _highest(input)), dim, bool(keepdim))
    return as_dtype(out, _wanted(input, dtype))


def median(input: Any, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Lower median of the elements under the mask along ``dim``; of none, nan.

    >>> rg.masked.median(rg.tensor([1., 2., 3.]), mask=rg.tensor([False, True, True]))
    tensor(2.)
    """
    given = dtype_of(input)
    wide = input if given.kind == "f" else cast(input, np.dtype(np.float32))
    out = sorting.nanmedian(filled(wide, mask, math.nan), dim, keepdim).values
    if given.kind == "f":
        return out
    if np.isnan(out.array).any():
        raise ValueError("masked.median: expects no fully masked out rows if dtype is not floating point; "
                         "convert with .float()")  # fmt: skip
    return as_dtype(out, _wanted(input, dtype))


# -- means and moments


def mean(input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None) -> Any:
    """Mean of the elements under the mask along ``dim``; of none, nan.

    >>> rg.masked.mean(rg.tensor([1., 2., 3.]), mask=rg.tensor([True, False, True]))
    tensor(2.)
    """
    wanted = _wanted(input, dtype)
    if wanted.kind not in "fcV":
        raise ValueError("masked.mean(): Could not infer output dtype. "
                         f"{'Input' if dtype is None else 'Optional'} dtype must be either a floating point "
                         f"or complex dtype. Got: {dtypes.of(wanted)}")  # fmt: skip
    if mask is None:
        return reduction.mean(input, dim, bool(keepdim), dtype=wanted)
    count = reduction.sum(canonical(mask, input), dim, bool(keepdim))
    return sum(input, dim, keepdim=keepdim, dtype=wanted, mask=mask) / count


def var(
    input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: Any = None,
    keepdim: bool = False, dtype: Any = None, mask: Any = None,
) -> Any:  # fmt: skip
    """Variance of the elements under the mask along ``dim``; of none, nan. ``correction`` is 1 unless given.

    >>> rg.masked.var(rg.tensor([1., 2., 3.]), mask=rg.tensor([True, False, True]))
    tensor(2.)
    """
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    wanted = _wanted(input, dtype)
    if dtype is None and wanted.kind not in "fcV":
        wanted = np.dtype(np.float32)
    wide = wanted if wanted.kind in "fcV" else np.dtype(np.float32)
    if mask is None:
        out = reduction.var(as_dtype(input, wide), dim, correction=correction, keepdim=bool(keepdim))
        return as_dtype(out, wanted)
    count = reduction.sum(canonical(mask, input), dim, True)
    away = input - sum(input, dim, keepdim=True, dtype=wanted, mask=mask) / count
    total = sum(away * conj(away), dim, keepdim=keepdim, dtype=wide, mask=mask)
    free = cast(count if keepdim else reshape(count, total.shape), np.empty(0, wide).real.dtype) - correction
    return as_dtype(total / maximum(free, free * 0), wanted)


def std(
    input: Any, dim: Any = None, unbiased: bool | None = None, *, correction: Any = None,
    keepdim: bool = False, dtype: Any = None, mask: Any = None,
) -> Any:  # fmt: skip
    """Standard deviation of the elements under the mask along ``dim``: the square root of `var`.

    >>> rg.masked.std(rg.tensor([1., 2., 4.]), mask=rg.tensor([False, True, True]))
    tensor(1.4142)
    """
    out = var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask)
    return exponential.sqrt(out)


# -- exponentials


def logsumexp(
    input: Any, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Any = None
) -> Any:  # fmt: skip
    """Logarithm of the sum of ``exp`` of the elements under the mask along ``dim``; of none, -inf.

    >>> rg.masked.logsumexp(rg.tensor([0., 0., 3.]), mask=rg.tensor([True, True, False]))
    tensor(0.6931)
    """
    out = reduction.logsumexp(filled(input, mask, _lowest(input)), dim, keepdim)
    return as_dtype(out, _wanted(input, dtype))


def logaddexp(
    input: Any, other: Any, *, dtype: Any = None, input_mask: Any = None, other_mask: Any = None
) -> Any:  # fmt: skip
    """Logarithm of the sum of ``exp`` of each pair of elements, where what a mask leaves out counts as -inf.

    >>> rg.masked.logaddexp(rg.tensor([0., 0.]), rg.tensor([0., 5.]), other_mask=rg.tensor([True, False]))
    tensor([0.6931, 0.0000])
    """
    first, second = filled(input, input_mask, -math.inf), filled(other, other_mask, -math.inf)
    return as_dtype(exponential.logaddexp(first, second), _wanted(input, dtype))


def softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Softmax along ``dim`` over the elements under the mask; 0 for the others.

    >>> rg.masked.softmax(rg.tensor([1., 1., 3.]), 0, mask=rg.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    return activation.softmax(filled(input, mask, _lowest(input)), dim, dtype=dtype)


def log_softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Logarithm of the softmax along ``dim`` over the elements under the mask; -inf for the others.

    >>> rg.masked.log_softmax(rg.tensor([1., 1., 3.]), 0, mask=rg.tensor([True, True, False]))
    tensor([-0.6931, -0.6931,    -inf])
    """
    return activation.log_softmax(filled(input, mask, _lowest(input)), dim, dtype=dtype)


def softmin(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
    """Softmin, the softmax of ``-input``, along ``dim`` over the elements under the mask; 0 for the others.

    >>> rg.masked.softmin(rg.tensor([1., 1., 3.]), 0, mask=rg.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    return activation.softmax(-filled(input, mask, _highest(input)), dim, dtype=dtype)


# -- norms


def norm(
    input: Any, ord: float = 2.0, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
    mask: Any = None,
) -> Any:  # fmt: skip
    """Norm of order ``ord`` of the elements under the mask along ``dim``.

    >>> rg.masked.norm(rg.tensor([3., 4., 5.]), mask=rg.tensor([True, True, False]))
    tensor(5.)
    """
    full = filled(input, mask, math.inf if ord == -math.inf else 0)
    return reduction.vector_norm(full, ord, dim, bool(keepdim), dtype=dtype)


def normalize(
    input: Any, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Any = None
) -> Any:  # fmt: skip
    """The elements under the mask, divided by their norm along ``dim`` (at least ``eps``); 0 for the others.

    >>> rg.masked.normalize(rg.tensor([3., 4., 5.]), 2, 0, mask=rg.tensor([True, True, False]))
    tensor([0.6000, 0.8000, 0.0000])
    """
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return filled(input, mask, 0) / maximum(size, size.new_full((), eps))
