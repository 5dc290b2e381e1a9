"""Pooling: the largest element, the average, or the norm of each window. Start reading at `max_pool`.

Max pooling gives values and the flat index of each in its plane. Its rule scatters the cotangent there, the
rule of `scatter_plane` gathers, and that of `gather_plane` scatters, so all derivatives are these two. An
average is linear, and its transpose is `avg_pool_input`. ``how`` holds what describes the windows, with an
entry for each spatial dimension.
"""

from __future__ import annotations

import math
from operator import index as as_index
from typing import Any

from regrad.declare import general, linear
from regrad.errors import ShapeError
from regrad.graph.modes import RECORD, SILENT, mode
from regrad.graph.value import wrap
from regrad.kernels.reference import pooling as kernels
from regrad.ops import arithmetic
from regrad.ops.activation import relu
from regrad.ops.arguments import ARRAYS, dtype_of, not_a_tensor
from regrad.ops.convolution import at_least, whole, with_batch, without_batch
from regrad.ops.exponential import pow
from regrad.ops.random import draw_uniform

__all__ = [
    "adaptive_avg_pool1d", "avg_pool1d", "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool3d",
]


# -- planes


def _gathered_shape(x: Any, indices: Any) -> tuple[int, ...]:
    return (*x[:2], *indices[2:])


def _planes_shape(y: Any, _: Any, *, size: Any) -> tuple[int, ...]:
    return (*y[:2], *size)


@linear(x=lambda g, indices, x_shape: scatter_plane(g, indices, size=x_shape[2:]),
        shape=_gathered_shape, conjugate=False)
def gather_plane(x, indices):
    """The elements of each plane of x (N, C, *size) at flat indices (N, C or 1, *places)."""
    return kernels.gather_plane(x, indices)


@linear(y=lambda g, indices: gather_plane(g, indices), shape=_planes_shape, conjugate=False)
def scatter_plane(y, indices, *, size):
    """Planes (N, C, *size) into which every element of y is added at its index."""
    return kernels.scatter_plane(y, indices, size)


@linear(x=lambda g, indices: gather_plane(g, indices), shape=_planes_shape, conjugate=False,
        name="max_unpool")
def place_plane(x, indices, *, size):
    """Planes (N, C, *size) with the elements of x at their indices; of several at one index, the last."""
    return kernels.place_plane(x, indices, size)


# -- the largest element


def _gather_tangent(_args: Any, outs: Any, tangents: Any, _params: Any) -> Any:
    return gather_plane(tangents[0], outs[1]), None


def _pooled_size(x: Any, how: Any) -> tuple[int, ...]:
    ones = (1,) * len(how["kernel"])
    return kernels.pool_size(x[2:], how["kernel"], how["stride"], how["padding"], how.get("dilation", ones),
                             ceil_mode=how["ceil_mode"])


def _max_pool_shape(x: Any, *, how: Any) -> Any:
    return [(*x[:2], *_pooled_size(x, how))] * 2


@general(x=lambda g, indices, x_shape: scatter_plane(g, indices, size=x_shape[2:]),
         outs=("values", "indices"), diff=(0,), jvp=_gather_tangent, shape=_max_pool_shape)
def max_pool(x, *, how):
    """The largest element of each window, and where in its plane it was found."""
    return kernels.max_pool(x, **how)


@general(shape=lambda x, *, how: _max_pool_shape(x, how=how)[0])
def max_pool_values(x, *, how):
    """`max_pool` where nobody asks for indices and nothing is recorded."""
    return kernels.max_pool_values(x, **how)


@general(x=lambda g, indices, x_shape: scatter_plane(g, indices, size=x_shape[2:]),
         outs=("values", "indices"), diff=(0,), jvp=_gather_tangent,
         shape=lambda x, *, size: [(*x[:2], *size)] * 2)
def adaptive_max_pool(x, *, size):
    """The largest element of each of ``size`` windows that cover the plane evenly, and where it was found."""
    return kernels.adaptive_max_pool(x, size)


@general(x=lambda g, indices, x_shape: scatter_plane(g, indices, size=x_shape[2:]),
         outs=("values", "indices"), diff=(0,), jvp=_gather_tangent,
         shape=lambda x, samples, *, kernel, size: [(*x[:2], *size)] * 2)
def fractional_max_pool(x, samples, *, kernel, size):
    """The largest element of each window, which ``samples`` (N, C, dimensions) in [0, 1) place."""
    return kernels.fractional_max_pool(x, samples, kernel=kernel, out_size=size)


# -- the average


@linear(x=lambda g, x_shape, *, how: avg_pool_input(g, size=x_shape[2:], how=how),
        shape=lambda x, *, how: (*x[:2], *_pooled_size(x, how)))
def avg_pool(x, *, how):
    """The average of each window."""
    return kernels.avg_pool(x, **how)


@linear(y=lambda g, *, how: avg_pool(g, how=how), shape=lambda y, *, size, how: (*y[:2], *size))
def avg_pool_input(y, *, size, how):
    """The transpose of `avg_pool`: each element is shared out over its window."""
    return kernels.avg_pool_input(y, size, **how)


@linear(x=lambda g, x_shape: adaptive_avg_pool_input(g, size=x_shape[2:]),
        shape=lambda x, *, size: (*x[:2], *size))
def adaptive_avg_pool(x, *, size):
    """The average of each of ``size`` windows that cover the plane evenly."""
    return kernels.adaptive_avg_pool(x, size)


@linear(y=lambda g, y_shape: adaptive_avg_pool(g, size=y_shape[2:]),
        shape=lambda y, *, size: (*y[:2], *size))
def adaptive_avg_pool_input(y, *, size):
    """The transpose of `adaptive_avg_pool`."""
    return kernels.adaptive_avg_pool_input(y, size)


# -- what public functions are given


def _refused(name: str, dtype: Any, kinds: str) -> None:
    if dtype.kind in kinds:
        raise NotImplementedError(f"{name}: not implemented for {dtype}; convert with .to()")


def _planes(name: str, dims: int, input: Any, kinds: str = "bc") -> tuple[Any, bool]:
    """The input with a batch dimension, and whether it had none; its planes must not be empty."""
    _refused(name, dtype_of(input, name), kinds)
    shape = list(input.shape)
    if len(shape) not in (dims + 1, dims + 2) or 0 in shape[-dims - 1:]:
        advice = "; give it a channel with input.unsqueeze(0)" if len(shape) == dims else ""
        raise ShapeError(f"{name}: Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional 0 dim "
                         f"batch size for input (non-empty {dims + 1}D or {dims + 2}D; Expected input's "
                         f"non-batch dimensions to have positive length), but got: {shape}{advice}")
    return with_batch(input, dims)


def _windows(name: str, dims: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    kernel = whole(name, "kernel_size", kernel_size, dims)
    none = stride is None or (isinstance(stride, (tuple, list)) and not stride)
    stride = kernel if none else whole(name, "stride", stride, dims)
    padding, dilation = whole(name, "padding", padding, dims), whole(name, "dilation", dilation, dims)
    at_least(name, 1, kernel_size=kernel, stride=stride, dilation=dilation)
    at_least(name, 0, padding=padding)
    if any(p > (d * (k - 1) + 1) // 2 for p, d, k in zip(padding, dilation, kernel)):
        raise ShapeError(f"{name}: pad should be at most half of effective kernel size, but got "
                         f"pad={list(padding)}, kernel_size={list(kernel)} and dilation={list(dilation)}")
    return kernel, stride, padding, dilation


def _max_pool(
    name: str, dims: int, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, return_indices: bool,
) -> Any:
    given = _windows(name, dims, kernel_size, stride, padding, dilation)
    how = {**dict(zip(("kernel", "stride", "padding", "dilation"), given)), "ceil_mode": bool(ceil_mode)}
    x, single = _planes(name, dims, input)
    m = mode()
    if not return_indices and (m is SILENT or (m is RECORD and not getattr(x, "requires_grad", False))):
        return without_batch(max_pool_values(x, how=how), single)
    values, indices = max_pool(x, how=how)
    values = without_batch(values, single)
    return (values, without_batch(indices, single)) if return_indices else values


def _avg_pool(
    name: str, dims: int, input: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Any:
    given = _windows(name, dims, kernel_size, stride, padding, 1)[:3]
    if divisor_override == 0:
        raise ShapeError(f"{name}: divisor must be not zero; leave divisor_override out to divide by the "
                         "count")
    how = {**dict(zip(("kernel", "stride", "padding"), given)), "ceil_mode": bool(ceil_mode),
           "count_include_pad": bool(count_include_pad), "divisor_override": divisor_override}
    x, single = _planes(name, dims, input)
    return without_batch(avg_pool(x, how=how), single)


def _adaptive_size(name: str, dims: int, input: Any, output_size: Any) -> tuple[int, ...]:
    """``output_size`` for each spatial dimension, where None keeps the size."""
    several = isinstance(output_size, (tuple, list))
    items = list(output_size) if several else [output_size] * dims
    if len(items) != dims:
        raise ShapeError(f"{name}: output_size must be {dims} numbers (internal error: output_size.size() "
                         f"must be {dims}), but got {items}")
    places = input.shape[len(input.shape) - dims:]
    for m in items:
        if m is not None and not hasattr(m, "__index__"):
            raise TypeError(f"{name}(): argument 'output_size' must be int, None or tuple of these, not "
                            f"{type(m).__name__}")
    size = tuple([n if m is None else as_index(m) for m, n in zip(items, places)])
    if any(n < 0 for n in size):
        raise ShapeError(f"{name}: elements of output_size must be greater than or equal to 0 (Trying to "
                         f"create tensor with negative dimension), but got {list(size)}")
    return size


def _adaptive(
    name: str, dims: int, input: Any, output_size: Any, first: int,
) -> tuple[Any, bool, tuple[int, ...]]:
    """The input as a batch, whether it was none, and the size; no dimension from ``first`` on is empty."""
    _refused(name, dtype_of(input, name), "iub")
    shape = list(input.shape)
    if dims > 1 and isinstance(output_size, (tuple, list)) and len(shape) <= len(output_size):
        raise ValueError(f"{name}: Input dimension should be at least {len(output_size) + 1}, but got "
                         f"{len(shape)}")
    if len(shape) not in (dims + 1, dims + 2):
        raise ShapeError(f"{name}: Expected {dims + 1}D or {dims + 2}D tensor, but got {shape}")
    size = _adaptive_size(name, dims, input, output_size)
    x, single = with_batch(input, dims)
    if 0 in x.shape[first:]:
        raise ShapeError(f"{name}: Expected input to have non-zero size for non-batch dimensions, but input "
                         f"has sizes {shape}")
    return x, single, size


def _adaptive_avg_pool(name: str, dims: int, input: Any, output_size: Any) -> Any:
    x, single, size = _adaptive(name, dims, input, output_size, 2)
    return without_batch(adaptive_avg_pool(x, size=size), single)


def _adaptive_max_pool(name: str, dims: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    x, single, size = _adaptive(name, dims, input, output_size, 1)
    values, indices = adaptive_max_pool(x, size=size)
    values = without_batch(values, single)
    return (values, without_batch(indices, single)) if return_indices else values


# -- max pooling


def max_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:
    """The largest element of each window of a signal (N, C, L) or (C, L): see `max_pool2d`.

    >>> rg.max_pool1d(rg.tensor([[1., 3., 2., 5.]]), 2)
    tensor([[3., 5.]])
    """
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode,
                     return_indices)


def max_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:
    """The largest element of each window of an image (N, C, H, W) or (C, H, W).

    Windows begin ``stride`` (the kernel's size) apart; ``padding`` counts as lowest; ``ceil_mode`` keeps the
    last, incomplete window; ``return_indices`` adds the flat index of each element in its plane. Of equal
    elements the first has the gradient. PyTorch: torch.nn.functional.max_pool2d.

    >>> rg.max_pool2d(rg.tensor([[[1., 2., 5., 3.], [4., 3., 0., 1.]]]), 2)
    tensor([[[4., 5.]]])
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode,
                     return_indices)


def max_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:
    """The largest element of each window of a volume (N, C, D, H, W) or (C, D, H, W): see `max_pool2d`.

    >>> rg.max_pool3d(rg.arange(8.).reshape(1, 2, 2, 2), 2)
    tensor([[[[7.]]]])
    """
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode,
                     return_indices)


def max_pool1d_with_indices(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = True,
) -> Any:
    """`max_pool1d` with the index of each element.

    >>> rg.max_pool1d_with_indices(rg.tensor([[1., 3., 2., 5.]]), 2)
    (tensor([[3., 5.]]), tensor([[1, 3]]))
    """
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = True,
) -> Any:
    """`max_pool2d` with the flat index of each element in its plane.

    >>> rg.nn.functional.max_pool2d_with_indices(rg.tensor([[[1., 2.], [4., 3.]]]), 2)
    (tensor([[[4.]]]), tensor([[[2]]]))
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = True,
) -> Any:
    """`max_pool3d` with the flat index of each element in its volume.

    >>> rg.nn.functional.max_pool3d_with_indices(rg.tensor([[[[1., 3.]]]]), (1, 1, 2))
    (tensor([[[[3.]]]]), tensor([[[[1]]]]))
    """
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest element of each of ``output_size`` windows of a signal: see `adaptive_max_pool2d`.

    >>> rg.nn.functional.adaptive_max_pool1d(rg.tensor([[1., 3., 2., 5.]]), 2, return_indices=True)
    (tensor([[3., 5.]]), tensor([[1, 3]]))
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest element of each of ``output_size`` windows that cover an image evenly.

    Window i of m goes from floor(i n / m) up to ceil((i + 1) n / m). An entry None of ``output_size`` keeps a
    dimension as it is. PyTorch: torch.nn.functional.adaptive_max_pool2d.

    >>> rg.nn.functional.adaptive_max_pool2d(rg.tensor([[[1., 2., 5.], [4., 3., 0.]]]), (1, 2))
    tensor([[[4., 5.]]])
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest element of each of ``output_size`` windows of a volume: see `adaptive_max_pool2d`.

    >>> rg.nn.functional.adaptive_max_pool3d(rg.arange(8.).reshape(1, 2, 2, 2), 1)
    tensor([[[[7.]]]])
    """
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)


# -- average pooling


def avg_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The average of each window of a signal (N, C, L) or (C, L): see `avg_pool2d`.

    >>> rg.avg_pool1d(rg.tensor([[1., 3., 2., 4.]]), 2)
    tensor([[2., 3.]])
    """
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:
    """The average of each window of an image (N, C, H, W) or (C, H, W).

    The sum is divided by ``divisor_override``, or by the number of elements of the window, with the padding's
    zeros if ``count_include_pad``. PyTorch: torch.nn.functional.avg_pool2d.

    >>> rg.nn.functional.avg_pool2d(rg.tensor([[[1., 2.], [3., 6.]]]), 2)
    tensor([[[3.]]])
    """
    return _avg_pool("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                     divisor_override)


def avg_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:
    """The average of each window of a volume (N, C, D, H, W) or (C, D, H, W): see `avg_pool2d`.

    >>> rg.nn.functional.avg_pool3d(rg.arange(8.).reshape(1, 2, 2, 2), 2)
    tensor([[[[3.5000]]]])
    """
    return _avg_pool("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                     divisor_override)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """The average of each of ``output_size`` windows of a signal: see `adaptive_avg_pool2d`.

    >>> rg.adaptive_avg_pool1d(rg.tensor([[1., 3., 2., 4.]]), 2)
    tensor([[2., 3.]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The average of each of ``output_size`` windows that cover an image evenly: see `adaptive_max_pool2d`.

    PyTorch: torch.nn.functional.adaptive_avg_pool2d.

    >>> rg.nn.functional.adaptive_avg_pool2d(rg.tensor([[[1., 2.], [3., 6.]]]), 1)
    tensor([[[3.]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """The average of each of ``output_size`` windows of a volume: see `adaptive_avg_pool2d`.

    >>> rg.nn.functional.adaptive_avg_pool3d(rg.arange(8.).reshape(1, 2, 2, 2), 1)
    tensor([[[[3.5000]]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)


# -- pooling undone


def _unpooled_size(
    name: str, dims: int, size: Any, kernel: Any, stride: Any, padding: Any, wanted: Any,
) -> Any:
    """The size to unpool to: what the windows give, or ``wanted`` if that is less than a stride away."""
    default = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(size, stride, kernel, padding)]
    if wanted is None:
        return tuple(default)
    if len(wanted) not in (dims, dims + 2):
        raise ValueError(f"{name}: output_size should be a sequence containing {dims} or {dims + 2} "
                         f"elements, but it has a length of '{len(wanted)}'")
    wanted = tuple([as_index(n) for n in wanted])[-dims:]
    for d, (n, m, s) in enumerate(zip(wanted, default, stride)):
        if not m - s < n < m + s:
            raise ValueError(f"{name}: invalid output_size {wanted} (dim {d} must be between {m - s} and "
                             f"{m + s})")
    return wanted


def _max_unpool(
    name: str, dims: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any,
    output_size: Any,
) -> Any:
    kernel = whole(name, "kernel_size", kernel_size, dims)
    stride = kernel if stride is None else whole(name, "stride", stride, dims)
    padding = whole(name, "padding", padding, dims)
    at_least(name, 1, stride=stride)
    if not isinstance(indices, ARRAYS):
        raise not_a_tensor(name, "indices", 2, indices)
    _refused(name, dtype_of(input, name), "bc")
    if dtype_of(indices).name != "int64":
        raise RuntimeError(f"{name}: elements in indices should be type int64 but got: {dtype_of(indices)}")
    shape = list(input.shape)
    if list(indices.shape) != shape:
        raise ShapeError(f"{name}: Expected shape of indices to be same as that of the input tensor "
                         f"({shape}) but got indices tensor with shape: {list(indices.shape)}")
    if len(shape) not in (dims + 1, dims + 2) or 0 in shape[-dims - 1:]:
        raise ShapeError(f"{name}: Input to max_unpooling{dims}d should be a {dims + 1}d or {dims + 2}d "
                         f"Tensor without empty planes, but got {shape}")
    size = _unpooled_size(name, dims, shape[-dims:], kernel, stride, padding, output_size)
    (x, single), (where, _) = with_batch(input, dims), with_batch(indices, dims)
    return without_batch(place_plane(x, where, size=size), single)


def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """The values of `max_pool1d` put back to where they were found, among zeros: see `max_unpool2d`.

    >>> values, indices = rg.max_pool1d(rg.tensor([[1., 3., 2., 5.]]), 2, return_indices=True)
    >>> rg.nn.functional.max_unpool1d(values, indices, 2)
    tensor([[0., 3., 0., 5.]])
    """
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """The values of `max_pool2d` put back to where they were found, among zeros.

    ``output_size`` tells sizes apart that pooling makes equal. PyTorch: torch.nn.functional.max_unpool2d.

    >>> values, indices = rg.max_pool2d(rg.tensor([[[1., 2.], [4., 3.]]]), 2, return_indices=True)
    >>> rg.nn.functional.max_unpool2d(values, indices, 2)
    tensor([[[0., 0.],
             [4., 0.]]])
    """
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Any:
    """The values of `max_pool3d` put back to where they were found, among zeros: see `max_unpool2d`.

    >>> rg.nn.functional.max_unpool3d(rg.tensor([[[[7.]]]]), rg.tensor([[[[1]]]]), (1, 1, 2))
    tensor([[[[0., 7.]]]])
    """
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


# -- windows placed at random


def _fractional(
    name: str, dims: int, input: Any, kernel_size: Any, output_size: Any, output_ratio: Any,
    return_indices: bool, samples: Any,
) -> Any:
    _refused(name, dtype_of(input, name), "iub")
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    shape = list(input.shape)
    if len(shape) not in (dims + 1, dims + 2) or 0 in shape[-dims - 1:]:
        raise ShapeError(f"{name}: Expected a {dims + 1}D or {dims + 2}D tensor without empty planes, but "
                         f"got {shape}")
    if output_size is None:
        ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else [output_ratio] * dims
        if len(ratios) != dims:
            raise ValueError(f"{name} requires output_ratio to either be a single float or {dims} floats")
        output_size = tuple([int(n * r) for n, r in zip(shape[-dims:], ratios)])
    kernel = whole(name, "kernel_size", kernel_size, dims)
    size = whole(name, "output_size", output_size, dims)
    at_least(name, 1, kernel_size=kernel, output_size=size)
    x, single = with_batch(input, dims)
    want = [*x.shape[:2], dims]
    if samples is None:
        samples = wrap(draw_uniform(tuple(want), dtype_of(x)))
    if dtype_of(samples) != dtype_of(x):
        raise RuntimeError(f"{name}: Expect _random_samples to have the same dtype as input, {dtype_of(x)}")
    if len(samples.shape) != 3 or list(samples.shape[1:]) != want[1:] or samples.shape[0] < want[0]:
        raise ShapeError(f"{name}: Expect _random_samples of the shape {want}; got {list(samples.shape)}")
    values, indices = fractional_max_pool(x, samples, kernel=kernel, size=size)
    values = without_batch(values, single)
    return (values, without_batch(indices, single)) if return_indices else values


def fractional_max_pool2d(
    input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Any = None,
) -> Any:
    """The largest element of each window of an image; the windows are placed at random, so any ratio will do.

    Give ``output_size`` or ``output_ratio``. ``_random_samples`` (N, C, 2) in [0, 1) fix the windows. Graham
    (2014), https://arxiv.org/abs/1412.6071. PyTorch: torch.nn.functional.fractional_max_pool2d.

    >>> rg.nn.functional.fractional_max_pool2d(rg.ones(1, 5, 5), 2, output_size=3).shape
    regrad.Size([1, 3, 3])
    """
    return _fractional("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio,
                       return_indices, _random_samples)


def fractional_max_pool3d(
    input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Any = None,
) -> Any:
    """The largest element of each window of a volume, placed at random: see `fractional_max_pool2d`.

    >>> rg.nn.functional.fractional_max_pool3d(rg.ones(1, 5, 5, 5), 2, output_ratio=0.5).shape
    regrad.Size([1, 2, 2, 2])
    """
    return _fractional("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio,
                       return_indices, _random_samples)


def fractional_max_pool2d_with_indices(
    input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = True, _random_samples: Any = None,
) -> Any:
    """`fractional_max_pool2d` with the flat index of each element in its plane.

    >>> rg.nn.functional.fractional_max_pool2d_with_indices(rg.ones(1, 2, 2), 2, output_size=1)
    (tensor([[[1.]]]), tensor([[[0]]]))
    """
    return fractional_max_pool2d(input, kernel_size, output_size, output_ratio, True, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = True, _random_samples: Any = None,
) -> Any:
    """`fractional_max_pool3d` with the flat index of each element in its volume.

    >>> rg.nn.functional.fractional_max_pool3d_with_indices(rg.ones(1, 1, 1, 1), 1, output_size=1)
    (tensor([[[[1.]]]]), tensor([[[[0]]]]))
    """
    return fractional_max_pool3d(input, kernel_size, output_size, output_ratio, True, _random_samples)


# -- norms


def _lp_pool(
    name: str, dims: int, input: Any, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: bool,
) -> Any:
    if norm_type in (math.inf, -math.inf):
        sign = 1 if norm_type > 0 else -1
        size = arithmetic.abs(input) * sign
        return _max_pool(name, dims, size, kernel_size, stride, 0, 1, ceil_mode, False) * sign
    mean = _avg_pool(name, dims, pow(input, norm_type), kernel_size, stride, 0, ceil_mode, True, None)
    count = math.prod(whole(name, "kernel_size", kernel_size, dims))
    total = arithmetic.sign(mean) * relu(arithmetic.abs(mean)) * count
    return pow(total, 1.0 / norm_type)


def lp_pool1d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False,
) -> Any:
    """The p-norm (Σ x^p)^(1/p) of each window of a signal, p = ``norm_type``: see `lp_pool2d`.

    >>> rg.nn.functional.lp_pool1d(rg.tensor([[3., 4., 6., 8.]]), 2, 2)
    tensor([[ 5., 10.]])
    """
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False,
) -> Any:
    """The p-norm (Σ x^p)^(1/p) of each window of an image, p = ``norm_type``; at inf the largest |x|.

    The gradient of a window of zeros is nan. PyTorch: torch.nn.functional.lp_pool2d.

    >>> rg.nn.functional.lp_pool2d(rg.tensor([[[3., 4.]]]), 2, (1, 2))
    tensor([[[5.]]])
    """
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False,
) -> Any:
    """The p-norm (Σ x^p)^(1/p) of each window of a volume, p = ``norm_type``: see `lp_pool2d`.

    >>> rg.nn.functional.lp_pool3d(rg.tensor([[[[3., 4.]]]]), 2, (1, 1, 2))
    tensor([[[[5.]]]])
    """
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


METHODS: dict[str, Any] = {}
FUNCTIONAL = (
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d",
    "max_pool3d_with_indices", "max_unpool1d", "max_unpool2d", "max_unpool3d",
)
