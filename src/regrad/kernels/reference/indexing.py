"""Reading, writing and adding at integer positions and under masks.

An index works along one axis: ``span`` neighbouring dimensions, from ``dim`` on, count as one, so that
``x[i, j]`` reads along the first two at position ``i * n + j``. A boolean index is a mask over them. The
second family (`gather`, `scatter`, ...) moves single elements: the index has the rank of the array and
replaces one coordinate. Both add duplicates up. Start reading at `take`, `accumulate` and `flat_along`.
"""

from __future__ import annotations

import itertools
import math
import operator
from typing import Any

import numpy as np

from regrad.errors import ShapeError

__all__ = [
    "accumulate",
    "add_at",
    "fill_where",
    "flat_along",
    "gather",
    "outside",
    "put",
    "put_into",
    "scatter",
    "scatter_at",
    "take",
    "wrapped",
]

_UNSIGNED = {np.dtype(f"i{n}"): np.dtype(f"u{n}") for n in (1, 2, 4, 8)}
_ROUND = 8_000  # elements that one round of `_add_in_rounds` must move to be worth its overhead (measured)
_BRANCHING = 32_768  # elements from which `numpy.where` loses to writing at the mask's positions (measured)


def outside(k: Any, n: int) -> bool:
    """Is any position negative or beyond ``n``? One sweep: as unsigned numbers, negative ones are huge."""
    if not k.size:
        return False
    if type(k) is not np.ndarray:
        return False  # the form of a sample in a batch: its elements are checked where they are read
    return bool(k.view(_UNSIGNED.get(k.dtype) or k.dtype).max() >= n)


def wrapped(k: Any, n: int, dim: int) -> Any:
    """Positions counted from the front, where negative ones count from the back; all must be in bounds."""
    if not outside(k, n):
        return k
    wrong = (k < -n) | (k >= n)
    if wrong.any():
        raise IndexError(f"index {k[wrong][0]} is out of bounds for dimension {dim} with size {n}")
    return np.where(k < 0, k + n, k)


def _merged(x: Any, dim: int, span: int) -> Any:
    """``x`` with the ``span`` dimensions from ``dim`` on as one."""
    if span == 1:
        return x
    shape = x.shape
    return x.reshape(*shape[:dim], math.prod(shape[dim : dim + span]), *shape[dim + span :])


def _located(x: Any, k: Any, dim: int, span: int) -> tuple[Any, tuple[Any, ...]]:
    """An array and an index into it that mean ``x`` at ``k``, in the same memory, whatever its layout."""
    at = (slice(None),) * dim
    if k.dtype.kind == "b":
        k = np.flatnonzero(k)  # reading and writing there beats NumPy's own boolean index several times over
    if span == 1:
        return x, (*at, k)
    if x.flags.c_contiguous:
        return _merged(x, dim, span), (*at, k)
    sizes = x.shape[dim : dim + span]
    return x, (*at, *np.unravel_index(wrapped(k, math.prod(sizes), dim), sizes))


def take(x: Any, k: Any, dim: int, span: int) -> Any:
    """The slabs of ``x`` at the positions ``k``, or under the mask ``k``."""
    x, where = _located(x, k, dim, span)
    try:
        return x.take(where[dim], dim) if len(where) == dim + 1 else x[where]
    except IndexError:
        wrapped(where[dim], x.shape[dim], dim)
        raise


def accumulate(out: Any, k: Any, g: Any, dim: int) -> None:
    """Add slab ``j`` of ``g`` to slab ``k[j]`` of ``out``, which is contiguous, along ``dim``."""
    n, width = out.shape[dim], math.prod(out.shape[dim + 1 :])
    k = wrapped(k, n, dim).astype(np.intp, copy=False)
    if width >= 8 and k.size > 1 and _add_in_rounds(out, k, g, dim):
        return
    flat = (k * width)[:, None] + np.arange(width) if width != 1 else k
    if dim:
        flat = (np.arange(math.prod(out.shape[:dim])) * (n * width))[:, None] + flat.reshape(-1)
    np.add.at(out.reshape(-1), flat.reshape(-1), g.reshape(-1))


def _add_in_rounds(out: Any, k: Any, g: Any, dim: int) -> bool:
    """Add in rounds of distinct positions, each vectorised; False, and nothing done, if they are too many."""
    order = np.argsort(k, kind="stable")
    ordered = k[order]
    first = np.empty(k.size, bool)
    first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    counts = np.diff(starts, append=k.size)
    rounds = int(counts.max())
    at = (slice(None),) * dim
    if rounds == 1:
        out[(*at, k)] += g
        return True
    if g.size < rounds * _ROUND:
        return False
    for r in range(rounds):
        rows = order[starts[counts > r] + r]
        out[(*at, k[rows])] += np.take(g, rows, axis=dim)
    return True


def add_at(g: Any, k: Any, shape: tuple[int, ...], dim: int, span: int) -> Any:
    """Zeros of ``shape`` with the slabs of ``g`` added at the positions ``k``: the transpose of `take`."""
    out = np.zeros(shape, g.dtype)
    put_into(out, k, g, dim, span, adding=True)
    return out


def put(x: Any, k: Any, v: Any, dim: int, span: int, adding: bool) -> Any:
    """A copy of ``x`` with ``v`` written (or added) at the positions ``k``, or under the mask ``k``."""
    out = np.array(x, order="C")
    put_into(out, k, v, dim, span, adding)
    return out


def put_into(out: Any, k: Any, v: Any, dim: int, span: int, adding: bool) -> None:
    """Write (or add) ``v`` at the positions ``k`` of ``out``, whatever its layout."""
    x, where = _located(out, k, dim, span)
    try:
        if not adding:
            x[where] = v
        elif k.dtype.kind == "b":
            x[where] += v
        elif len(where) == dim + 1 and x.flags.c_contiguous:
            before, after = x.shape[:dim], x.shape[dim + 1 :]
            slabs = np.broadcast_to(v, (*before, *k.shape, *after))
            accumulate(x, where[dim].reshape(-1), slabs.reshape(*before, k.size, *after), dim)
        else:
            np.add.at(x, where, v)
    except IndexError:
        wrapped(where[dim], x.shape[dim], dim)
        raise
    except ValueError:
        raise ShapeError(f"shape mismatch: value tensor of shape {list(np.shape(v))} cannot be broadcast to "
                         f"indexing result of shape {list(x[where].shape)}") from None  # fmt: skip


def fill_where(x: Any, mask: Any, value: Any) -> Any:
    """``x`` with ``value`` where ``mask`` is True, both broadcast."""
    if mask.size < _BRANCHING or mask.shape != x.shape:
        return np.where(mask, value, x)
    out = np.array(x, order="C")
    out.reshape(-1)[np.flatnonzero(mask)] = value
    return out


# -- one coordinate replaced


def flat_along(shape: tuple[int, ...], index: Any, dim: int) -> Any:
    """Where in an array of ``shape``, row by row, each index points that replaces coordinate ``dim``."""
    shape, index = shape or (1,), index.reshape(index.shape or (1,))
    if outside(index, shape[dim]):
        wrong = index[(index < 0) | (index >= shape[dim])][0]
        raise RuntimeError(f"index {wrong} is out of bounds for dimension {dim} with size {shape[dim]}")
    strides = [*itertools.accumulate(shape[:0:-1], operator.mul, initial=1)][::-1]
    flat = index.astype(np.intp)
    if strides[dim] > 1:
        flat *= strides[dim]
    for d, (n, s) in enumerate(zip(index.shape, strides)):
        if d != dim and n > 1:
            flat += np.arange(0, n * s, s).reshape(-1, *(1,) * (index.ndim - d - 1))
    return flat.reshape(-1)


def gather(x: Any, index: Any, dim: int) -> Any:
    """``x`` at the coordinates of each element of ``index``, coordinate ``dim`` replaced by that element."""
    if not index.size:
        return np.empty(index.shape, x.dtype)
    return x.reshape(-1).take(flat_along(x.shape, index, dim)).reshape(index.shape)


def scatter(x: Any, index: Any, src: Any, dim: int) -> Any:
    """A copy of ``x`` with ``src`` (a number, or of the shape of ``index``) written where `gather` reads."""
    out = np.array(x, order="C")
    if index.size:
        out.reshape(-1)[flat_along(x.shape, index, dim)] = np.broadcast_to(src, index.shape).reshape(-1)
    return out


def scatter_at(ufunc: Any, x: Any, index: Any, src: Any, dim: int) -> Any:
    """A copy of ``x`` combined by ``ufunc`` with ``src`` where `gather` reads, duplicates one by one."""
    out = np.array(x, order="C")
    if index.size:
        ufunc.at(
            out.reshape(-1), flat_along(x.shape, index, dim), np.broadcast_to(src, index.shape).reshape(-1)
        )
    return out
