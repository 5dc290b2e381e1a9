"""Normalization on arrays: mean 0 and variance 1 over some dimensions, and the pull of it.

Two layouts cover all norms. In *rows* the statistics are taken over the last dimensions (layer, group and RMS
norm); in *channels* over all but dimension 1 (batch norm). Each element is read and written a few times only,
in place where it can be; `numpy.vecdot` sums products without making them. Start reading at `rows` and
`rows_pull`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from regrad.kernels.reference.activation import refuse_integers

__all__ = ["channels", "channels_pull", "channels_scale_pull", "groups_scale_pull", "rows", "rows_pull",
           "rows_scale_pull", "window"]

Array = Any  # a NumPy array; NumPy's own annotations know little more of most results

SHORT = 256  # elements up to which einsum sums a row several times as fast, and about as exactly


def _dots(a: Array, b: Array) -> Array:
    """Sum of products along the last dimension, which stays with size 1; nothing is conjugated."""
    return np.vecdot(a, b)[..., None] if a.dtype.kind == "f" else (a * b).sum(axis=-1, keepdims=True)


def _row_sums(x: Array) -> Array:
    """Sum of each row of a matrix, as a column."""
    if x.shape[1] <= SHORT:
        return np.einsum("ij->i", x)[:, None]
    return np.add.reduce(x, 1, keepdims=True)


def _single(*arrays: Any) -> list[Any]:
    """16-bit floats as float32."""
    return [a if a is None or a.dtype.itemsize != 2 else a.astype(np.float32) for a in arrays]


def _flat(x: Array, dims: int) -> Array:
    """``x`` with its last ``dims`` dimensions made one, and all before them one."""
    size = math.prod(x.shape[x.ndim - dims :])
    return x.reshape(math.prod(x.shape[: x.ndim - dims]), size)


def rows(x: Array, weight: Any, bias: Any, *, dims: int, eps: float,
         centre: bool = True) -> tuple[Array, Array, Array]:
    """``x`` normalized over its last ``dims`` dimensions, times ``weight`` plus ``bias``; mean; 1 / deviation.

    Without ``centre`` no mean is taken off (RMS norm). The statistics keep their dimensions, with size 1.
    """
    if x.dtype.kind in "biu":
        refuse_integers(x, "layer_norm")
    if x.dtype.itemsize == 2:
        found = rows(*_single(x, weight, bias), dims=dims, eps=eps, centre=centre)
        return found[0].astype(x.dtype), found[1].astype(x.dtype), found[2].astype(x.dtype)
    flat = _flat(x, dims)
    size = flat.shape[1]
    mean = _row_sums(flat)
    mean /= size
    out = flat - mean if centre else flat.copy()
    rstd = _dots(out, out)
    rstd /= size
    rstd += eps
    np.sqrt(rstd, out=rstd)
    np.reciprocal(rstd, out=rstd)
    kept = (*x.shape[: x.ndim - dims], *(1,) * dims)
    out, mean, rstd = out.reshape(x.shape), mean.reshape(kept), rstd.reshape(kept)
    if weight is not None and weight.shape[-1] == 1:  # one number for many places
        out *= rstd * weight
    else:
        out *= rstd
        if weight is not None:
            out *= weight
    if bias is not None:
        out += bias
    return out, mean, rstd


def rows_pull(s: Array, x: Array, weight: Any, mean: Any, rstd: Array, *, dims: int) -> Array:
    """The cotangent ``s`` of `rows` pulled back to ``x``: ``(u - M(u) - y M(u y)) rstd``.

    M is the mean, u is ``s weight`` and y the normalized ``x``. Without ``mean``, for RMS norm, the term M(u)
    is missing.
    """
    if x.dtype.itemsize == 2:
        return rows_pull(*_single(s, x, weight, mean, rstd), dims=dims).astype(x.dtype)
    flat, rstd = _flat(x, dims), rstd.reshape(-1, 1)
    out = flat if mean is None else flat - mean.reshape(-1, 1)
    u = _flat(np.array(np.broadcast_to(s, x.shape)) if weight is None else s * weight, dims)
    tilt = _dots(u, out)
    tilt *= rstd * rstd * rstd / -flat.shape[1]
    if mean is None:
        out = out * tilt
    else:
        out *= tilt
        level = _row_sums(u)
        level /= flat.shape[1]
        u -= level
    u *= rstd
    out += u
    return out.reshape(x.shape)


def rows_scale_pull(s: Array, x: Array, mean: Any, rstd: Array, *, dims: int) -> Array:
    """The cotangent ``s`` of `rows` pulled back to ``weight``: ``s (x - mean) rstd`` summed over the rows."""
    if x.dtype.itemsize == 2:
        return rows_scale_pull(*_single(s, x, mean, rstd), dims=dims).astype(x.dtype)
    flat, s = _flat(x, dims), _flat(s, dims)
    out = flat * s if mean is None else flat - mean.reshape(-1, 1)
    if mean is not None:
        out *= s
    return np.matmul(rstd.reshape(1, -1), out).reshape(x.shape[x.ndim - dims :])


def groups_scale_pull(s: Array, x: Array, mean: Array, rstd: Array) -> Array:
    """The same for (batch, group, channel of the group, place): the sum over batch and places."""
    if x.dtype.itemsize == 2:
        return groups_scale_pull(*_single(s, x, mean, rstd)).astype(x.dtype)
    each = _dots(s, x - mean)
    each *= rstd
    return np.add.reduce(each, 0).reshape(-1)


def _threefold(x: Array) -> Array:
    """``x`` as (batch, channel, all places)."""
    return x.reshape(x.shape[0], x.shape[1], math.prod(x.shape[2:]))


def _over_channels(a: Array, b: Array) -> Array:
    """Sum of products for each channel, as (channel, 1)."""
    return np.add.reduce(_dots(a, b) if a.shape[2] > 8 else np.add.reduce(a * b, 2, keepdims=True), 0)


def channels(x: Array, weight: Any, bias: Any, *, eps: float) -> tuple[Array, Array, Array, Array]:
    """``x`` normalized over all dimensions but 1, times ``weight`` plus ``bias``; mean, 1 / deviation, variance."""
    refuse_integers(x, "batch_norm")
    if x.dtype.itemsize == 2:
        out, mean, rstd, var = (a.astype(x.dtype) for a in channels(*_single(x, weight, bias), eps=eps))
        return out, mean, rstd, var
    whole = _threefold(x)
    size = whole.shape[0] * whole.shape[2]
    mean = np.add.reduce(whole, (0, 2))[:, None]
    mean /= size
    out = whole - mean
    var = _over_channels(out, out)
    var /= size
    rstd = 1 / np.sqrt(var + eps)
    out *= rstd if weight is None else rstd * weight[:, None]
    if bias is not None:
        out += bias[:, None]
    return out.reshape(x.shape), mean[:, 0], rstd[:, 0], var[:, 0]


def channels_pull(s: Array, x: Array, weight: Any, mean: Array, rstd: Array) -> Array:
    """The cotangent ``s`` of `channels` pulled back to ``x``; as in `rows_pull`, but ``weight`` is constant in M."""
    if x.dtype.itemsize == 2:
        return channels_pull(*_single(s, x, weight, mean, rstd)).astype(x.dtype)
    s, whole = _threefold(s), _threefold(x)
    size = whole.shape[0] * whole.shape[2]
    rate = (rstd if weight is None else rstd * weight)[:, None]
    out = whole - mean[:, None]
    tilt = _over_channels(s, out)
    tilt *= rstd[:, None] ** 2 / -size
    out *= tilt
    out += s
    level = np.add.reduce(s, (0, 2))[:, None]
    out -= level / size
    out *= rate
    return out.reshape(x.shape)


def channels_scale_pull(s: Array, x: Array, mean: Array, rstd: Array) -> Array:
    """The cotangent ``s`` of `channels` pulled back to ``weight``: ``s (x - mean) rstd`` summed for each channel."""
    if x.dtype.itemsize == 2:
        return channels_scale_pull(*_single(s, x, mean, rstd)).astype(x.dtype)
    out = _threefold(x) - mean[:, None]
    return _over_channels(_threefold(s), out)[:, 0] * rstd


def window(x: Array, *, before: int, after: int) -> Array:
    """The sum of each channel (dimension 1) with ``before`` channels before it and ``after`` behind it."""
    out = x.copy()
    for k in range(1, before + 1):
        out[:, k:] += x[:, :-k]
    for k in range(1, after + 1):
        out[:, :-k] += x[:, k:]
    return out
