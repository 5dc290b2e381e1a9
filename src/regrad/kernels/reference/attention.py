"""Attention and embeddings on arrays. Start reading at `attend`.

Scores are exponentials of a matrix product: `attend` keeps their logarithmic sums alone, one number a query,
and `weights` makes them anew from those when the derivative asks for them. So what is saved grows with the
length of a sequence and not with its square.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regrad.kernels.reference.indexing import accumulate, outside

__all__ = ["attend", "bag_of", "bag_sum", "embed", "embed_pull", "embed_push", "take_bags", "weights"]

Array = NDArray[Any]


def _scores(q: Array, k: Array, mask: Any, causal: bool, scale: float) -> Array:
    out: Array = np.matmul(q * scale, np.swapaxes(k, -1, -2))
    if mask is not None:
        if mask.dtype.kind == "b":
            full = np.broadcast_shapes(out.shape, mask.shape)
            out = out if out.shape == full else np.array(np.broadcast_to(out, full))
            np.copyto(out, -np.inf, where=~mask)
        else:
            out = out + mask.astype(out.dtype, copy=False)
    if causal:
        np.copyto(out, -np.inf, where=np.arange(out.shape[-1]) > np.arange(out.shape[-2])[:, None])
    return out


def _single(*arrays: Any) -> list[Any]:
    """16-bit floats as float32."""
    return [a.astype(np.float32) if a is not None and a.dtype.itemsize == 2 else a for a in arrays]


BLOCK = 1 << 18  # scores made at a time: those of one head stay in the cache while they are worked on


def _batch(q: Array, k: Array, *others: Any) -> tuple[int, ...]:
    """The dimensions in front of the matrices if these exceed a block, else ()."""
    batch = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], *(a.shape[:-2] for a in others if a is not None))
    return batch if math.prod(batch) * q.shape[-2] * k.shape[-2] > BLOCK else ()


def _part(x: Any, rank: int, i: int) -> Any:
    """What part ``i`` of a batch of rank ``rank`` sees of ``x``, which is broadcast."""
    return x if x is None or x.ndim < rank else x[i if len(x) > 1 else 0]


def attend(q: Array, k: Array, v: Array, mask: Any, *, causal: bool, scale: float) -> tuple[Array, Array]:
    """``softmax(q kᵀ scale + mask) v``, and the logarithm of each softmax's sum.

    ``mask`` is added, or boolean: True takes part. A query that nothing takes part for gives zeros.
    """
    if q.dtype.itemsize == 2:
        out, total = attend(*_single(q, k, v, mask), causal=causal, scale=scale)
        return out.astype(q.dtype), total
    batch = _batch(q, k, v, mask)
    if batch:
        out = np.empty((*batch, q.shape[-2], v.shape[-1]), q.dtype)
        total = np.empty(out.shape[:-1], q.dtype)
        for i in range(batch[0]):
            given = [_part(x, out.ndim, i) for x in (q, k, v, mask)]
            out[i], total[i] = attend(*given, causal=causal, scale=scale)
        return out, total
    p = _scores(q, k, mask, causal, scale)
    top = np.maximum.reduce(p, -1, keepdims=True, initial=-np.inf)
    if mask is not None:
        top[np.isneginf(top)] = 0
    p -= top
    np.exp(p, out=p)
    total = np.add.reduce(p, -1, keepdims=True)
    if mask is not None:
        total[total == 0] = 1
    out = np.matmul(p, v)
    out /= total
    np.log(total, out=total)
    total += top
    return out, total[..., 0]


def weights(q: Array, k: Array, mask: Any, total: Array, *, causal: bool, scale: float) -> Array:
    """``softmax(q kᵀ scale + mask)``, from the logarithms of its sums."""
    if q.dtype.itemsize == 2:
        return weights(*_single(q, k, mask, total), causal=causal, scale=scale).astype(q.dtype)
    batch = _batch(q, k, mask, total[..., None])
    if batch:
        out = np.empty((*batch, q.shape[-2], k.shape[-2]), q.dtype)
        for i in range(batch[0]):
            q_, k_, mask_ = (_part(x, out.ndim, i) for x in (q, k, mask))
            out[i] = weights(q_, k_, mask_, _part(total, out.ndim - 1, i), causal=causal, scale=scale)
        return out
    p = _scores(q, k, mask, causal, scale)
    p -= total[..., None]
    return np.exp(p, out=p)


# Embeddings


def embed(weight: Array, indices: Array) -> Array:
    """The rows of ``weight`` at ``indices``. Raises IndexError for one that is out of range."""
    if outside(indices, len(weight)):
        wrong = indices[(indices < 0) | (indices >= len(weight))][0]
        raise IndexError(f"embedding: index out of range in self: {wrong} in a table of {len(weight)} rows, numbered "
                         f"from 0; make it of {indices.max() + 1} rows, or look at where the number comes from")
    return weight.take(indices, 0)


def _without(g: Array, indices: Array, padding_idx: int) -> Array:
    """``g`` with zeros in the rows of the padding."""
    return g if padding_idx < 0 else np.where((indices == padding_idx)[..., None], g.dtype.type(0), g)


def embed_pull(g: Array, indices: Array, *, rows: int, padding_idx: int, by_frequency: bool) -> Array:
    """The cotangent of `embed` pulled back to a table of ``rows``: duplicates add up, padding gets nothing.

    With ``by_frequency`` each row is divided by how often its index occurs.
    """
    g = _without(g, indices, padding_idx)
    if by_frequency:
        _, group, count = np.unique(indices, return_inverse=True, return_counts=True)
        g = g / count[group].reshape(*indices.shape, 1).astype(g.dtype)
    out = np.zeros((rows, g.shape[-1]), g.dtype)
    accumulate(out, indices.reshape(-1), np.ascontiguousarray(g.reshape(indices.size, g.shape[-1])), 0)
    return out


def embed_push(t: Array, indices: Array, *, padding_idx: int) -> Array:
    """The rows of ``t`` at ``indices``, and zeros for the padding."""
    return _without(t.take(indices, 0), indices, padding_idx)


def bag_of(offsets: Array, count: int) -> Array:
    """Which bag each of ``count`` entries is in, given where the bags start."""
    return np.repeat(np.arange(len(offsets)), np.diff(offsets, append=count))


def take_bags(x: Array, bags: Array) -> Array:
    """The row of each entry's bag: the transpose of `bag_sum`."""
    return x.take(bags, 0)


def bag_sum(x: Array, bags: Array, *, count: int) -> Array:
    """The sum of the rows of ``x`` in each of ``count`` bags; ``bags`` is sorted."""
    out = np.zeros((count, *x.shape[1:]), x.dtype)
    if len(bags):
        starts = np.flatnonzero(np.diff(bags, prepend=-1))
        out[bags[starts]] = np.add.reduceat(x, starts, axis=0)
    return out
