"""Convolution on arrays: windows are copied into columns, a block at a time, and a GEMM does the arithmetic.

Everything is N-dimensional: an input is (N, C, *size), a weight (O, C / groups, *kernel), and `stride`,
`padding`, `dilation` hold one entry per spatial dimension. A padding is a number or a pair (before, after),
and a negative number crops. The arrays of one call share a dtype. Start reading at `conv`.

Each function is linear in each of its arrays, and these are transposes of one another (nothing is
conjugated), given the same stride, padding, dilation and groups:

    conv(x, w) in x                   <->  conv_input(g, w, input_size=x.shape[2:])
    conv(x, w) in w                   <->  conv_weight(g, x, kernel_size=w.shape[2:])
    conv_input(g, w) in w             <->  conv_weight(g, x)
    unfold(x)                         <->  fold(g, x.shape[2:])
    crop_or_pad(x, pairs)             <->  crop_or_pad(g, pairs negated)

so <conv(x, w), g> = <x, conv_input(g, w)> = <w, conv_weight(g, x)>: the three close under differentiation.
`conv_transpose(x, w)` is `conv_input(x, w)` with the padding that `transpose_padding` gives, so its
transposes are conv(g, w) in x and conv_weight(x, g) in w with that padding.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from regrad.errors import ShapeError

__all__ = [
    "conv", "conv_input", "conv_size", "conv_transpose", "conv_weight", "crop_or_pad", "fold", "in_single",
    "transpose_padding", "unfold",
]

Array = NDArray[Any]
Ints = Sequence[int]
Pairs = Sequence[tuple[int, int]]
Padding = Sequence["int | tuple[int, int]"]

BLOCK = 1 << 20  # bytes of columns made at a time: the GEMM reads them before they leave the cache
WIDE = 64        # places per sample from which a GEMM per sample is as fast as one over several samples
LONG = 512       # places that a GEMM over several samples should have at least
ALL: Any = slice(None)


def in_single(kernel: Callable[..., Array]) -> Callable[..., Array]:
    """The kernel, made to compute 16-bit floats in float32 and to round once, at the end."""
    @functools.wraps(kernel)
    def call(*args: Any, **params: Any) -> Array:
        dtype = args[0].dtype
        if dtype.itemsize != 2 or dtype.kind in "iu":
            return kernel(*args, **params)
        wide = (a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype == dtype else a for a in args)
        return kernel(*wide, **params).astype(dtype)

    return call


@in_single
def conv(x: Array, w: Array, *, stride: Ints, padding: Padding, dilation: Ints, groups: int) -> Array:
    """Sliding product of samples and kernels: out[o, i] = Σ x[c, i * stride + k * dilation] w[o, c, k].

    >>> from regrad.kernels.reference.convolution import conv
    >>> x, w = np.arange(5.0).reshape(1, 1, 5), np.ones((1, 1, 3))
    >>> conv(x, w, stride=(1,), padding=(1,), dilation=(1,), groups=1).tolist()
    [[[1.0, 3.0, 6.0, 9.0, 7.0]]]
    """
    samples, kernel = len(x), w.shape[2:]
    out_size = conv_size(x.shape[2:], kernel, stride, padding, dilation)
    places = math.prod(out_size)
    x = crop_or_pad(x, _pairs(padding))
    weight = np.ascontiguousarray(w).reshape(groups, len(w) // groups, math.prod(w.shape[1:]))
    out = np.empty((samples, *weight.shape[:2], *out_size), x.dtype)
    wide = samples == 1 or places >= WIDE
    if wide and math.prod(kernel) == math.prod(stride) == 1:  # nothing to copy: the input is its own columns
        columns = x.reshape(samples, groups, weight.shape[2], places)
        np.matmul(weight, columns, out=out.reshape(samples, *weight.shape[:2], places))
    else:
        windows = _windows(x, kernel, stride, dilation, out_size, groups)
        for block, target in _blocks(windows, out, each=wide):
            columns = _matrices(block, len(kernel), each=wide)
            if wide:
                np.matmul(weight, columns, out=_matrices(target, len(kernel), each=True))
            else:
                target[...] = _from_matrices(weight @ columns, target.shape, len(kernel))
    return out.reshape(samples, len(w), *out_size)


@in_single
def conv_input(
    g: Array, w: Array, *, input_size: Ints, stride: Ints, padding: Padding, dilation: Ints, groups: int
) -> Array:
    """The transpose of `conv` in x: each g[o, i] spreads w[o] over the places that it was computed from.

    >>> from regrad.kernels.reference.convolution import conv_input
    >>> g, w = np.ones((1, 1, 2)), np.array([[[1.0, 2.0, 3.0]]])
    >>> conv_input(g, w, input_size=(5,), stride=(2,), padding=(0,), dilation=(1,), groups=1).tolist()
    [[[1.0, 2.0, 4.0, 2.0, 3.0]]]
    """
    samples, kernel, out_size, pairs = len(g), w.shape[2:], g.shape[2:], _pairs(padding)
    weight = w.reshape(groups, len(w) // groups, *w.shape[1:])
    outputs, inputs = weight.shape[1:3]
    dense = math.prod(kernel) == 1 or outputs * math.prod(input_size) <= 2 * inputs * math.prod(out_size)
    if math.prod(stride) == 1 and dense:  # as a convolution of g it copies less than it would scatter
        mirrored = np.flip(weight, tuple(range(3, weight.ndim))).swapaxes(1, 2)
        reach = [(d * (k - 1) - before, n - m + before)
                 for d, k, n, m, (before, _) in zip(dilation, kernel, input_size, out_size, pairs)]
        return conv(g, mirrored.reshape(groups * inputs, outputs, *kernel),
                    stride=stride, padding=reach, dilation=dilation, groups=groups)
    padded = np.zeros((samples, groups * inputs, *_padded(input_size, pairs)), g.dtype)
    spread = weight.reshape(groups, outputs, inputs * math.prod(kernel)).swapaxes(1, 2)
    windows = _windows(padded, kernel, stride, dilation, out_size, groups)
    wide = math.prod(out_size) >= WIDE
    for block, part in _blocks(windows, g.reshape(samples, groups, outputs, *out_size), each=wide):
        columns = spread @ _matrices(part, len(kernel), each=wide)
        _add_into(block, _from_matrices(columns, block.shape, len(kernel)), kernel)
    return crop_or_pad(padded, _negated(pairs))


@in_single
def conv_weight(
    g: Array, x: Array, *, kernel_size: Ints, stride: Ints, padding: Padding, dilation: Ints, groups: int
) -> Array:
    """The transpose of `conv` in w: the sum of each g[o, i] times the window that it was computed from.

    >>> from regrad.kernels.reference.convolution import conv_weight
    >>> g, x = np.ones((1, 1, 2)), np.arange(4.0).reshape(1, 1, 4)
    >>> conv_weight(g, x, kernel_size=(3,), stride=(1,), padding=(0,), dilation=(1,), groups=1).tolist()
    [[[1.0, 3.0, 5.0]]]
    """
    out_size, spatial = g.shape[2:], len(kernel_size)
    places = math.prod(out_size)
    windows = _windows(crop_or_pad(x, _pairs(padding)), kernel_size, stride, dilation, out_size, groups)
    inputs, outputs = x.shape[1] // groups, g.shape[1] // groups
    total = np.zeros((groups, inputs * math.prod(kernel_size), outputs), g.dtype)  # so turned, the GEMM is faster
    wide = places >= max(WIDE, 4 * outputs)  # the products, one for each sample, are small beside the columns
    for block, part in _blocks(windows, g.reshape(len(g), groups, outputs, *out_size), each=wide):
        product = _matrices(block, spatial, each=wide) @ _matrices(part, spatial, each=wide).swapaxes(-1, -2)
        total += product.sum(axis=0) if wide else product
    return total.swapaxes(1, 2).reshape(groups * outputs, inputs, *kernel_size)


def conv_transpose(
    x: Array, w: Array, *, stride: Ints, padding: Ints, output_padding: Ints, dilation: Ints, groups: int
) -> Array:
    """`conv_input` of x, with ``output_padding`` more places at the end of each dimension.

    The weight is (C, O / groups, *kernel): the one of the convolution that this is the transpose of.

    >>> from regrad.kernels.reference.convolution import conv_transpose
    >>> x, w = np.ones((1, 1, 2)), np.array([[[1.0, 2.0]]])
    >>> conv_transpose(x, w, stride=(2,), padding=(0,), output_padding=(1,), dilation=(1,), groups=1).tolist()
    [[[1.0, 2.0, 1.0, 2.0, 0.0]]]
    """
    pairs = transpose_padding(padding, output_padding)
    size = [(n - 1) * s + d * (k - 1) + 1 - sum(pair)
            for n, s, d, k, pair in zip(x.shape[2:], stride, dilation, w.shape[2:], pairs)]
    if any(n < 1 for n in size):
        raise ShapeError(f"conv_transpose: an input of {x.shape[2:]} would give a result of {tuple(size)}; "
                         f"take a smaller padding than {tuple(padding)} or a larger kernel")
    return conv_input(x, w, input_size=size, stride=stride, padding=pairs, dilation=dilation, groups=groups)


def transpose_padding(padding: Ints, output_padding: Ints) -> Pairs:
    """The padding with which `conv` is the transpose of `conv_transpose`: it crops the places added."""
    return [(p, p - extra) for p, extra in zip(padding, output_padding)]


def unfold(x: Array, *, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints) -> Array:
    """The windows of x as columns, (N, C * places in a kernel, windows).

    >>> from regrad.kernels.reference.convolution import unfold
    >>> unfold(np.arange(4).reshape(1, 1, 4), kernel=(2,), stride=(1,), padding=(0,), dilation=(1,)).tolist()
    [[[0, 1, 2], [1, 2, 3]]]
    """
    out_size = conv_size(x.shape[2:], kernel, stride, padding, dilation)
    windows = _windows(crop_or_pad(x, _pairs(padding)), kernel, stride, dilation, out_size)
    return windows.reshape(len(x), x.shape[1] * math.prod(kernel), math.prod(out_size))


@in_single
def fold(
    columns: Array, output_size: Ints, *, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints
) -> Array:
    """The transpose of `unfold`: every column is added back at the place of its window.

    >>> from regrad.kernels.reference.convolution import fold
    >>> fold(np.ones((1, 2, 3)), (4,), kernel=(2,), stride=(1,), padding=(0,), dilation=(1,)).tolist()
    [[[1.0, 2.0, 2.0, 1.0]]]
    """
    pairs = _pairs(padding)
    places = conv_size(output_size, kernel, stride, padding, dilation)
    channels = columns.shape[1] // math.prod(kernel)
    padded = np.zeros((len(columns), channels, *_padded(output_size, pairs)), columns.dtype)
    windows = _windows(padded, kernel, stride, dilation, places)
    _add_into(windows, columns.reshape(windows.shape), kernel)
    return crop_or_pad(padded, _negated(pairs))


def conv_size(size: Ints, kernel: Ints, stride: Ints, padding: Padding, dilation: Ints) -> tuple[int, ...]:
    """The spatial size of a convolution: floor((n + pads - dilation (kernel - 1) - 1) / stride) + 1.

    >>> from regrad.kernels.reference.convolution import conv_size
    >>> conv_size((7, 7), (3, 3), (2, 2), (1, (0, 0)), (1, 1))
    (4, 3)
    """
    padded = _padded(size, _pairs(padding))
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    if any(s > n for s, n in zip(span, padded)):
        sizes = (" x ".join(map(str, n)) for n in (padded, span))
        raise ShapeError("conv: Calculated padded input size per channel: ({}). Kernel size: ({}). Kernel size "
                         "can't be greater than actual input size; take a smaller kernel or dilation, or pad "
                         "more".format(*sizes))
    return tuple((n - s) // step + 1 for n, s, step in zip(padded, span, stride))


def crop_or_pad(x: Array, pairs: Pairs, value: Any = 0) -> Array:
    """``x`` with its last dimensions extended by ``value``, or cropped where a number is negative.

    >>> from regrad.kernels.reference.convolution import crop_or_pad
    >>> crop_or_pad(np.array([1, 2, 3]), [(-1, 2)]).tolist()
    [2, 3, 0, 0]
    """
    if not any(itertools.chain.from_iterable(pairs)):
        return x
    lead, sizes = x.shape[:x.ndim - len(pairs)], x.shape[x.ndim - len(pairs):]
    out_size = _padded(sizes, pairs)
    if any(n < 0 for n in out_size):
        raise ShapeError(f"pad: {list(pairs)} takes more from the sizes {sizes} than there is; crop less")
    out = np.full((*lead, *out_size), value, x.dtype)
    source: Any = [slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(sizes, pairs)]
    target: Any = [slice(max(before, 0), n - max(after, 0)) for n, (before, after) in zip(out_size, pairs)]
    out[(..., *target)] = x[(..., *source)]
    return out


def _pairs(padding: Padding) -> Pairs:
    return [(p, p) if isinstance(p, int) else p for p in padding]


def _padded(size: Ints, pairs: Pairs) -> tuple[int, ...]:
    return tuple(before + n + after for n, (before, after) in zip(size, pairs))


def _negated(pairs: Pairs) -> Pairs:
    return [(-before, -after) for before, after in pairs]


def _windows(x: Array, kernel: Ints, stride: Ints, dilation: Ints, out_size: Ints, groups: int = 1) -> Array:
    """A view of the padded x, (N, groups, C / groups, *kernel, *out_size)."""
    size = x.shape[2:]
    last = [s * (n - 1) + d * (k - 1) for s, n, d, k in zip(stride, out_size, dilation, kernel)]
    if any(i >= n for i, n in zip(last, size)):
        raise ShapeError(f"conv: windows of {tuple(kernel)} at {tuple(out_size)} places reach out of "
                         f"a padded input of {size}; give a size that stride, padding and dilation lead to")
    batch, channel, *steps = x.strides
    inputs = x.shape[1] // groups
    inside, between = map(int.__mul__, steps, dilation), map(int.__mul__, steps, stride)
    shape = (len(x), groups, inputs, *kernel, *out_size)
    return as_strided(x, shape, (batch, inputs * channel, channel, *inside, *between))


def _blocks(windows: Array, other: Array, *, each: bool) -> Iterator[tuple[Array, Array]]:
    """Parts of the windows, about BLOCK bytes of columns each, and of an array (N, groups, C, *out_size).

    A sample with more than that is cut along the first spatial dimension. Of smaller samples a part takes
    several, and at least so many that it has LONG places, unless there is a GEMM for ``each``.
    """
    spatial, at_least = other.ndim - 3, 1 if each else LONG
    places = math.prod(other.shape[3:])
    sample_bytes = max(math.prod(windows.shape[1:]) * windows.itemsize, 1)
    together = max(BLOCK // sample_bytes, -(-at_least // places), 1)
    height = max(BLOCK * other.shape[3] // sample_bytes, -(-at_least * other.shape[3] // places), 1)
    for n in range(0, len(other), together):
        for row in range(0, other.shape[3], height):
            samples, rows = slice(n, n + together), slice(row, row + height)
            yield windows[(samples, *[ALL] * (2 + spatial), rows)], other[samples, :, :, rows]


def _matrices(x: Array, spatial: int, *, each: bool) -> Array:
    """(B, groups, *channels, *places) as matrices (groups, channels, B * places), or for each sample of its own."""
    split = x.ndim - spatial
    channels, places = math.prod(x.shape[2:split]), math.prod(x.shape[split:])
    if each:
        return x.reshape(*x.shape[:2], channels, places)
    return np.moveaxis(x, 0, split - 1).reshape(x.shape[1], channels, len(x) * places)


def _from_matrices(matrices: Array, shape: tuple[int, ...], spatial: int) -> Array:
    """The inverse of `_matrices`: a view with the shape (B, groups, *channels, *places)."""
    if matrices.ndim == 4:
        return matrices.reshape(shape)
    split = len(shape) - spatial
    return np.moveaxis(matrices.reshape(*shape[1:split], shape[0], *shape[split:]), split - 1, 0)


def _add_into(windows: Array, columns: Array, kernel: Ints) -> None:
    for place in itertools.product(*map(range, kernel)):  # at one place of the kernel no two windows overlap
        windows[(ALL, ALL, ALL, *place)] += columns[(ALL, ALL, ALL, *place)]
