"""Pooling on arrays: the largest element, or the average, of each window of each plane.

Everything is N-dimensional: x is (N, C, *size) and `kernel`, `stride`, `padding`, `dilation` hold one entry
per spatial dimension. Max pooling returns the values and, as int64, where in its flattened plane each was
found. Start reading at `max_pool`, then `avg_pool`.

Transposes of one another:

    gather_plane(x, indices)          <->  scatter_plane(g, indices, x.shape[2:])
    avg_pool(x, ...)                  <->  avg_pool_input(g, x.shape[2:], ...)
    adaptive_avg_pool(x, out_size)    <->  adaptive_avg_pool_input(g, x.shape[2:])

The values of the max poolings are gather_plane(x, indices) with the indices held constant. `place_plane`
undoes a max pooling, and its derivative is a gather.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regrad.errors import ShapeError
from regrad.kernels.reference.convolution import in_single
from regrad.kernels.reference.planes import gather_plane, place_plane, scatter_plane
from regrad.kernels.reference.resampling import adaptive_windows, resample, resample_adjoint, window_map

__all__ = [
    "adaptive_avg_pool", "adaptive_avg_pool_input", "adaptive_max_pool", "avg_pool", "avg_pool_input",
    "fractional_max_pool", "gather_plane", "max_pool", "max_pool_values", "place_plane", "pool_size",
    "scatter_plane",
]

Array = NDArray[Any]
Ints = Sequence[int]
Windows = tuple[tuple[int, int], ...]  # from where up to where, along one dimension
ALL: Any = slice(None)

LARGE = 16  # elements from which a window is copied and searched rather than compared place by place


def pool_size(
    size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, *, ceil_mode: bool = False
) -> tuple[int, ...]:
    """The spatial size of a pooling: as of a convolution, or rounded up if ``ceil_mode``.

    Rounded up, the last window must still start inside the input or its left padding.

    >>> from regrad.kernels.reference.pooling import pool_size
    >>> pool_size((5,), (2,), (2,), (0,), (1,)), pool_size((5,), (2,), (2,), (0,), (1,), ceil_mode=True)
    ((2,), (3,))
    """
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation):
        room = n + 2 * p - d * (k - 1) - 1
        m = (-(-room // s) if ceil_mode else room // s) + 1
        out.append(m - 1 if ceil_mode and (m - 1) * s >= n + p else m)
    if any(m < 1 for m in out):
        raise ShapeError(f"pool: windows of {tuple(kernel)} on an input of {tuple(size)} give an output of "
                         f"{tuple(out)}. Output size is too small (Invalid computed output size: {min(out)}); "
                         "take a smaller kernel or dilation, or pad more")
    return tuple(out)


def max_pool(
    x: Array, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool = False
) -> tuple[Array, Array]:
    """The largest element of each window, and its index in the flattened plane.

    Of equal elements the first counts; nan counts as largest, and of several the last.

    >>> from regrad.kernels.reference.pooling import max_pool
    >>> x = np.array([[[1, 5, 5, 2]]])
    >>> values, indices = max_pool(x, kernel=(2,), stride=(2,), padding=(0,), dilation=(1,))
    >>> values.tolist(), indices.tolist()
    ([[[5, 5]]], [[[1, 2]]])
    """
    values = max_pool_values(
        x, kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    reads, corner, offset = _places(
        x.shape[2:], values.shape[2:], tuple(kernel), tuple(stride), tuple(padding), tuple(dilation))
    found = np.zeros(values.shape, np.min_scalar_type(len(reads)))  # the place, counted from the kernel's end
    with_nan = _is_float(x) and bool(np.isnan(values).any())
    for place, (target, source) in zip(range(len(reads), 0, -1), reads):
        hit = (x[source] == values[target]) * found.dtype.type(place)
        np.maximum(found[target], hit, out=found[target])
        if with_nan:
            found[target][np.isnan(x[source])] = place
    return values, corner + offset.take(found)


def max_pool_values(
    x: Array, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool = False
) -> Array:
    """The values of `max_pool` alone, which cost a fraction of the indices.

    >>> from regrad.kernels.reference.pooling import max_pool_values
    >>> x = np.array([[[1, 5, 5, 2]]])
    >>> max_pool_values(x, kernel=(3,), stride=(1,), padding=(1,), dilation=(1,)).tolist()
    [[[5, 5, 5, 5]]]
    """
    out_size = pool_size(x.shape[2:], kernel, stride, padding, dilation, ceil_mode=ceil_mode)
    reads = [*map(_reads, x.shape[2:], out_size, kernel, stride, padding, dilation)]
    dims = range(len(kernel))
    overlapping = any(k > s for k, s in zip(kernel, stride))
    lowest = -math.inf if _is_float(x) else np.iinfo(x.dtype).min
    for axes in [[d] for d in reversed(dims)] if overlapping else [[*dims]]:  # one by one shares comparisons
        size = [out_size[d] if d in axes else n for d, n in enumerate(x.shape[2:])]
        out = np.full((*x.shape[:2], *size), lowest, x.dtype)
        for read in itertools.product(*(reads[d] if d in axes else [(ALL, ALL)] for d in dims)):
            target, source = ((..., *cuts) for cuts in zip(*read))
            np.maximum(out[target], x[source], out=out[target])
        x = out
    return x


def adaptive_max_pool(x: Array, out_size: Ints) -> tuple[Array, Array]:
    """The largest elements of ``out_size`` windows that cover each plane, and their indices: see `max_pool`.

    >>> from regrad.kernels.reference.pooling import adaptive_max_pool
    >>> values, indices = adaptive_max_pool(np.array([[[3, 1, 4, 1, 5]]]), (2,))
    >>> values.tolist(), indices.tolist()
    ([[[4, 5]]], [[[2, 4]]])
    """
    _check_adaptive(x)
    size, dims = x.shape[2:], len(out_size)
    windows = [adaptive_windows(n, m) for n, m in zip(size, out_size)]
    longest = [max((stop - start for start, stop in along), default=1) for along in windows]
    # A short window repeats its last element, which changes no maximum; so all get one length, none overlap.
    reads = [np.array([min(start + i, stop - 1) for start, stop in along for i in range(k)], np.intp)
             for along, k in zip(windows, longest)]
    for axis, read in enumerate(reads, 2):
        x = x if np.array_equal(read, np.arange(x.shape[axis])) else x.take(read, axis)
    place = _flat(reads, size)
    if math.prod(longest) < LARGE and 0 not in out_size:
        values, found = max_pool(x, kernel=longest, stride=longest, padding=[0] * dims, dilation=[1] * dims)
        return values, place.reshape(-1)[found]
    parts, places = _side_by_side(x, out_size, longest), _side_by_side(place[None, None], out_size, longest)
    first = parts.argmax(axis=-1, keepdims=True)
    values = np.take_along_axis(parts, first, axis=-1)
    if _is_float(x) and np.isnan(values).any():
        last = parts.shape[-1] - 1 - np.isnan(parts)[..., ::-1].argmax(axis=-1, keepdims=True)
        first = np.where(np.isnan(values), last, first)
    places = np.broadcast_to(places, parts.shape)
    return values[..., 0], np.take_along_axis(places, first, axis=-1)[..., 0]


def _side_by_side(x: Array, out_size: Ints, kernel: Ints) -> Array:
    """The windows of x, which do not overlap, along a last dimension of their own."""
    dims = len(kernel)
    split = x.reshape(*x.shape[:2], *itertools.chain.from_iterable(zip(out_size, kernel)))
    inner = range(3, 3 + 2 * dims, 2)
    gathered = np.moveaxis(split, tuple(inner), tuple(range(-dims, 0)))
    return gathered.reshape(*x.shape[:2], *out_size, math.prod(kernel))


def fractional_max_pool(x: Array, samples: Array, *, kernel: Ints, out_size: Ints) -> tuple[Array, Array]:
    """The largest elements of windows that are placed at random, and their indices: see `max_pool`.

    ``samples``, (N or more, C, dimensions) and uniform in [0, 1), place the windows of each plane.

    Source: Graham, Fractional Max-Pooling, 2014, https://arxiv.org/abs/1412.6071

    >>> from regrad.kernels.reference.pooling import fractional_max_pool
    >>> x, samples = np.array([[[3.0, 1.0, 4.0, 1.0, 5.0]]]), np.array([[[0.5]]])
    >>> values, indices = fractional_max_pool(x, samples, kernel=(2,), out_size=(3,))
    >>> values.tolist(), indices.tolist()
    ([[[3.0, 4.0, 5.0]]], [[[0, 2, 4]]])
    """
    size = x.shape[2:]
    if any(m + k - 1 > n for n, m, k in zip(size, out_size, kernel)):
        raise ShapeError(f"fractional_max_pool: an input of {size} has no {tuple(out_size)} windows of "
                         f"{tuple(kernel)}; take a smaller output or kernel")
    samples = samples[: len(x)]
    deal = range(len(size))[::-1] if len(size) == 2 else range(len(size))  # PyTorch deals width first in 2d
    starts = [_starts(samples[..., i], n, m, k) for i, n, m, k in zip(deal, size, out_size, kernel)]
    corner = _flat(starts, size)
    values, indices = gather_plane(x, corner), corner
    for offset in _flat([np.arange(k) for k in kernel], size).flat:
        index = corner + offset
        part = gather_plane(x, index)
        larger = (part > values) | np.isnan(part)
        values, indices = np.where(larger, part, values), np.where(larger, index, indices)
    return values, indices


def _starts(samples: Array, n: int, m: int, k: int) -> Array:
    """Where m windows of k elements begin in n, (..., m): an even spacing, shifted and rounded down."""
    step = samples.dtype.type((n - k) / (m - 1) if m > 1 else 0)
    shift = samples[..., None]
    places = ((np.arange(m, dtype=samples.dtype) + shift) * step).astype(np.intp)
    starts: Array = places - (shift * step).astype(np.intp)
    starts[..., -1] = n - k
    return starts


@in_single
def avg_pool(
    x: Array, *, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Array:
    """The average of each window.

    The sum is divided by ``divisor_override``, or else by the number of elements that the window has inside
    the padded input, or inside the input alone if not ``count_include_pad``.

    >>> from regrad.kernels.reference.pooling import avg_pool
    >>> x = np.array([[[1.0, 2.0, 6.0]]])
    >>> avg_pool(x, kernel=(2,), stride=(2,), padding=(1,)).tolist()
    [[[0.5, 4.0]]]
    """
    windows, counts = _avg_windows(
        x.shape[2:], tuple(kernel), tuple(stride), tuple(padding), ceil_mode, count_include_pad)
    return _quotient(_sums(x, windows), divisor_override or counts)


@in_single
def avg_pool_input(
    g: Array, input_size: Ints, *, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Array:
    """The transpose of `avg_pool`: each element is shared out over its window.

    >>> from regrad.kernels.reference.pooling import avg_pool_input
    >>> avg_pool_input(np.array([[[2.0, 4.0]]]), (3,), kernel=(2,), stride=(2,), padding=(1,)).tolist()
    [[[1.0, 2.0, 2.0]]]
    """
    windows, counts = _avg_windows(
        tuple(input_size), tuple(kernel), tuple(stride), tuple(padding), ceil_mode, count_include_pad)
    return _spread(_quotient(g, divisor_override or counts), windows, input_size)


@in_single
def adaptive_avg_pool(x: Array, out_size: Ints) -> Array:
    """The averages of ``out_size`` windows that cover each plane evenly.

    >>> from regrad.kernels.reference.pooling import adaptive_avg_pool
    >>> adaptive_avg_pool(np.array([[[1.0, 2.0, 6.0]]]), (2,)).tolist()
    [[[1.5, 4.0]]]
    """
    _check_adaptive(x)
    windows, counts = _adaptive_windows(x.shape[2:], tuple(out_size))
    return _quotient(_sums(x, windows), counts)


@in_single
def adaptive_avg_pool_input(g: Array, input_size: Ints) -> Array:
    """The transpose of `adaptive_avg_pool`.

    >>> from regrad.kernels.reference.pooling import adaptive_avg_pool_input
    >>> adaptive_avg_pool_input(np.array([[[2.0, 4.0]]]), (3,)).tolist()
    [[[1.0, 3.0, 2.0]]]
    """
    windows, counts = _adaptive_windows(tuple(input_size), g.shape[2:])
    return _spread(_quotient(g, counts), windows, input_size)


@functools.lru_cache(maxsize=256)
def _avg_windows(
    size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...],
    ceil_mode: bool, count_include_pad: bool,
) -> tuple[list[Windows], Array]:
    """The windows along each dimension, cut to the input, and the counts that divide them, (*out_size)."""
    out_size = pool_size(size, kernel, stride, padding, [1] * len(kernel), ceil_mode=ceil_mode)
    windows, counts = [], []
    for n, m, k, s, p in zip(size, out_size, kernel, stride, padding):
        start = np.arange(m) * s - p
        stop = np.minimum(start + k, n + p)
        first, last = np.maximum(start, 0), np.minimum(stop, n)
        windows.append(tuple(zip(first.tolist(), last.tolist())))
        counts.append(stop - start if count_include_pad else last - first)
    return windows, functools.reduce(np.multiply.outer, counts)


@functools.lru_cache(maxsize=256)
def _adaptive_windows(size: tuple[int, ...], out_size: tuple[int, ...]) -> tuple[list[Windows], Array]:
    windows = [adaptive_windows(n, m) for n, m in zip(size, out_size)]
    counts = [np.array([stop - start for start, stop in along], np.intp) for along in windows]
    return windows, functools.reduce(np.multiply.outer, counts)


def _quotient(total: Array, count: int | Array) -> Array:
    if total.dtype.kind in "iu":  # whole numbers round towards zero
        out: Array = (np.sign(total) * np.sign(count) * (np.abs(total) // np.abs(count))).astype(total.dtype)
    else:
        out = total / np.asarray(count, total.real.dtype)
    return out


def _sums(x: Array, windows: list[Windows]) -> Array:
    if all(len(along) == 1 for along in windows):  # one window per plane, as where a network ends
        inside: Any = [slice(*along[0]) for along in windows]
        dims = tuple(range(-len(windows), 0))
        total: Array = x[(..., *inside)].sum(axis=dims, keepdims=True, dtype=x.dtype)
        return total
    return resample(x, [window_map(n, along) for n, along in zip(x.shape[2:], windows)])


def _spread(g: Array, windows: list[Windows], size: Ints) -> Array:
    """The transpose of `_sums`."""
    if all(len(along) == 1 for along in windows):
        inside: Any = [slice(*along[0]) for along in windows]
        out = np.zeros((*g.shape[:2], *size), g.dtype)
        out[(..., *inside)] = g
        return out
    return resample_adjoint(g, [window_map(n, along) for n, along in zip(size, windows)])


def _reads(n: int, m: int, kernel: int, stride: int, padding: int, dilation: int) -> list[tuple[Any, Any]]:
    """For each place in a kernel, the outputs for which it is inside the input, and the elements it is at."""
    reads = []
    for place in range(kernel):
        at = place * dilation - padding
        first, stop = max(-(at // stride), 0), min((n - 1 - at) // stride + 1, m)
        count = max(stop - first, 0)
        begin = at + first * stride
        reads.append((slice(first, first + count), slice(begin, begin + count * stride, stride)))
    return reads


@functools.lru_cache(maxsize=256)
def _places(
    size: tuple[int, ...], out_size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...],
    padding: tuple[int, ...], dilation: tuple[int, ...],
) -> tuple[list[tuple[Any, Any]], Array, Array]:
    """The reads of each place in the kernel, the flat index of each window's corner, and each place's offset.

    The offsets are listed from the last place to the first, after one that no window uses.
    """
    along = map(_reads, size, out_size, kernel, stride, padding, dilation)
    reads = [tuple((..., *cuts) for cuts in zip(*read)) for read in itertools.product(*along)]
    corner = _flat([s * np.arange(m) - p for s, m, p in zip(stride, out_size, padding)], size)
    offset = _flat([d * np.arange(k) for d, k in zip(dilation, kernel)], size)
    return [(target, source) for target, source in reads], corner, np.append(offset, 0)[::-1]


def _flat(coordinates: Sequence[Array], size: Ints) -> Array:
    """The flat indices in a plane of the points with these coordinates, (..., m) along each dimension."""
    flat: Any = 0
    for d, along in enumerate(coordinates):
        shape = (*along.shape[:-1], *[1] * d, along.shape[-1], *[1] * (len(size) - 1 - d))
        flat = flat + along.reshape(shape) * math.prod(size[d + 1:])
    return np.asarray(flat)


def _is_float(x: Array) -> bool:
    return x.dtype.kind in "fV"  # bfloat16 is of kind V


def _check_adaptive(x: Array) -> None:
    if 0 in x.shape[2:]:
        raise ShapeError(f"adaptive pool: planes of {x.shape[2:]} have no elements for windows to cover; "
                         f"give an input without empty spatial dimensions")
