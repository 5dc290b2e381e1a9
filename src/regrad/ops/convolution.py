"""Convolutions, their transposes, and windows as columns. Start reading at `conv`.

Three ops close under differentiation: `conv` is linear in its input and in its weight, `conv_input` is its
transpose in the one and `conv_weight` in the other, and the rules of each are the two others. A transposed
convolution is `conv_input` itself; `conv_bias` and `conv_input_bias` add a bias in the same node. ``how``
holds stride, padding and dilation, with an entry for each spatial dimension, and groups.
"""

from __future__ import annotations

import math
from operator import index as as_index
from typing import Any

from regrad.declare import general, linear
from regrad.errors import ShapeError
from regrad.kernels.reference import convolution as kernels
from regrad.ops import shaping
from regrad.ops.arguments import ARRAYS, called, dtype_of, mixed_dtypes, not_a_tensor
from regrad.ops.core import expand_to
from regrad.ops.reduction import sum as summed

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "convolution",
]


# -- the three ops, and a bias


def _conv_shape(x: Any, w: Any, *_: Any, how: Any) -> tuple[int, ...]:
    places = kernels.conv_size(x[2:], w[2:], how["stride"], how["padding"], how["dilation"])
    return (x[0], w[0], *places)


def _input_shape(g: Any, w: Any, *_: Any, size: Any, how: Any) -> tuple[int, ...]:
    return (g[0], w[1] * how["groups"], *size)


def _weight_shape(g: Any, x: Any, *, size: Any, how: Any) -> tuple[int, ...]:
    return (g[1], x[1] // how["groups"], *size)


@linear(x=lambda g, w, x_shape, *, how: conv_input(g, w, size=x_shape[2:], how=how),
        w=lambda g, x, w_shape, *, how: conv_weight(g, x, size=w_shape[2:], how=how),
        shape=_conv_shape, name="convolution")
def conv(x, w, *, how):
    """Sliding product: out[n, o, i] = Σ x[n, c, i * stride + k * dilation] w[o, c, k]."""
    return kernels.conv(x, w, **how)


@linear(y=lambda g, w, *, how: conv(g, w, how=how),
        w=lambda g, y, w_shape, *, how: conv_weight(y, g, size=w_shape[2:], how=how),
        shape=_input_shape, name="convolution_input", grad_name="ConvolutionBackward0")
def conv_input(y, w, *, size, how):
    """The transpose of `conv` in its input, whose spatial size was ``size``."""
    return kernels.conv_input(y, w, input_size=size, **how)


@linear(y=lambda g, x, *, how: conv(x, g, how=how),
        x=lambda g, y, x_shape, *, how: conv_input(y, g, size=x_shape[2:], how=how),
        shape=_weight_shape, name="convolution_weight", grad_name="ConvolutionBackwardBackward0")
def conv_weight(y, x, *, size, how):
    """The transpose of `conv` in its weight, whose kernel had the ``size``."""
    return kernels.conv_weight(y, x, kernel_size=size, **how)


def _per_channel(g: Any) -> Any:
    """The sum over samples and places."""
    return summed(g, (0, *range(2, len(g.shape))))


def _as_channels(bias: Any, dims: int) -> Any:
    return bias.reshape(-1, *[1] * dims)


def _biased(plain: Any) -> Any:
    """The tangent of ``plain(x, w) + bias``."""

    def jvp(args: Any, outs: Any, tangents: Any, params: Any) -> Any:
        (x, w, _), (of_x, of_w, of_bias) = args, tangents
        pieces = [] if of_x is None else [plain(of_x, w, **params)]
        pieces += [] if of_w is None else [plain(x, of_w, **params)]
        shape = outs[0].shape
        pieces += [] if of_bias is None else [expand_to(_as_channels(of_bias, len(shape) - 2), shape=shape)]
        total = pieces[0]
        for piece in pieces[1:]:
            total = total + piece
        return total

    return jvp


@general(x=lambda g, w, x_shape, *, how: conv_input(g, w, size=x_shape[2:], how=how),
         w=lambda g, x, w_shape, *, how: conv_weight(g, x, size=w_shape[2:], how=how),
         bias=lambda g: _per_channel(g),
         jvp=_biased(conv), shape=_conv_shape, name="convolution_bias", grad_name="ConvolutionBackward0")
def conv_bias(x, w, bias, *, how):
    """`conv` and a bias for each output channel."""
    out = kernels.conv(x, w, **how)
    out += _as_channels(bias, x.ndim - 2)
    return out


@general(y=lambda g, w, *, how: conv(g, w, how=how),
         w=lambda g, y, w_shape, *, how: conv_weight(y, g, size=w_shape[2:], how=how),
         bias=lambda g: _per_channel(g),
         jvp=_biased(conv_input), shape=_input_shape, name="convolution_input_bias",
         grad_name="ConvolutionBackward0")
def conv_input_bias(y, w, bias, *, size, how):
    """`conv_input` and a bias for each output channel."""
    out = kernels.conv_input(y, w, input_size=size, **how)
    out += _as_channels(bias, y.ndim - 2)
    return out


# -- arguments


def whole(name: str, what: str, value: Any, dims: int) -> tuple[int, ...]:
    """``value``, one int for all spatial dimensions or one for each, as a tuple."""
    items = value if isinstance(value, (tuple, list)) else (value,)
    try:
        out = tuple([as_index(v) for v in items])
    except TypeError:
        raise TypeError(f"{name}(): argument '{what}' must be int or tuple of ints, not "
                        f"{type(items[0]).__name__}") from None
    if len(out) == 1:
        return out * dims
    if len(out) != dims:
        raise ShapeError(f"{name}: expected {what} to be a single integer value or a list of {dims} values, "
                         f"but got {what}={list(out)}; give one for each spatial dimension")
    return out


def at_least(name: str, low: int, **given: tuple[int, ...]) -> None:
    """Refuse numbers below ``low`` (0 or 1), in PyTorch's words."""
    for what, values in given.items():
        if min(values) < low:
            rule, problem = ("greater than zero", "non-positive") if low else ("non-negative", "negative")
            raise ShapeError(f"{name}: {what} must be {rule}, but got {min(values)}: {problem} {what} is not "
                             f"supported ({'pad' if what == 'padding' else what} must be {rule})")


def with_batch(x: Any, dims: int) -> tuple[Any, bool]:
    """``x`` with a batch dimension, and whether it had none."""
    return (shaping.unsqueeze(x, 0), True) if len(x.shape) == dims + 1 else (x, False)


def without_batch(out: Any, single: bool) -> Any:
    """The result without the batch dimension that `with_batch` put in."""
    return shaping.squeeze(out, 0) if single else out


def _check(name: str, dims: int, transposed: bool, x: Any, w: Any, bias: Any, groups: int) -> None:
    for position, (what, a) in enumerate((("input", x), ("weight", w), ("bias", bias)), 1):
        if not isinstance(a, ARRAYS) and (a is not None or position < 3):
            raise not_a_tensor(name, what, position, a)
        if a is not None and dtype_of(a) != dtype_of(x):
            raise mixed_dtypes(name, what, x, a)
    if dtype_of(x).kind == "b":
        raise NotImplementedError(f"{name}: not implemented for 'Bool'; convert with .to()")
    if groups <= 0:
        raise ShapeError(f"{name}: non-positive groups is not supported: got groups={groups}")
    size, kernel = list(x.shape), list(w.shape)
    if len(kernel) != dims + 2:
        raise ShapeError(f"{name}: Expected {len(kernel)}-dimensional input for {len(kernel)}-dimensional weight "
                         f"{kernel}, but got an input of size {size}; {name} takes a weight of {dims + 2} "
                         "dimensions")
    if len(size) not in (dims + 1, dims + 2):
        advice = "; give it a channel with input.unsqueeze(0)" if len(size) == dims else ""
        raise ShapeError(f"{name}: Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {name} "
                         f"with a weight of size {kernel}{called(w)}, but got input of size: {size}{advice}")
    if kernel[0] < groups or kernel[0] % groups:
        rule = f"at least {groups}" if kernel[0] < groups else f"divisible by {groups}"
        raise ShapeError(f"{name}: Given groups={groups}, expected weight to be {rule} at dimension 0, but "
                         f"got weight of size {kernel} instead")
    if any(k < 1 for k in kernel[2:]):
        raise ShapeError(f"{name}: a kernel needs at least one element, but the weight has the size {kernel}")
    want = kernel[0] if transposed else kernel[1] * groups
    if size[-1 - dims] != want:
        raise ShapeError(f"{name}: Given "
                         f"{f'transposed={transposed:d}' if transposed else f'groups={groups}'}, weight of "
                         f"size {kernel}, expected input{size} to have {want} channels, but got "
                         f"{size[-1 - dims]} channels instead{called(w)}{_instead(size, dims, want)}")
    made = kernel[1] * groups if transposed else kernel[0]
    if bias is not None and tuple(bias.shape) != (made,):
        raise ShapeError(f"{name}: Given weight of size {kernel}, expected bias to be 1-dimensional with "
                         f"{made} elements, but got bias of size {list(bias.shape)} instead")


def _instead(size: list[int], dims: int, channels: int) -> str:
    """What somebody may have meant who gave another number of channels."""
    if size[-1] == channels:
        return f"; if the channels come last, give input.movedim(-1, {len(size) - dims - 1})"
    if channels == 1 and len(size) == dims + 1:
        return "; if this is a batch without channels, give input.unsqueeze(1)"
    return f"; make the layer for {size[-1 - dims]} channels, or give the input {channels}"


def _named_padding(name: str, padding: str, w: Any, stride: Any, dilation: Any) -> tuple[Any, ...]:
    """The padding that a word stands for."""
    if padding == "valid":
        return (0,) * len(stride)
    if padding != "same":
        raise RuntimeError(f"{name}: Invalid padding string: {padding!r}; give numbers, 'same' or 'valid'")
    if any(s != 1 for s in stride):
        raise RuntimeError(f"{name}: padding='same' is not supported for strided convolutions, but stride is "
                           f"{list(stride)}")
    reach = [d * (k - 1) for k, d in zip(w.shape[2:], dilation)]
    return tuple(r // 2 if r % 2 == 0 else (r // 2, r - r // 2) for r in reach)


def _conv(
    name: str, dims: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
    groups: Any,
) -> Any:
    stride, dilation = whole(name, "stride", stride, dims), whole(name, "dilation", dilation, dims)
    at_least(name, 1, stride=stride, dilation=dilation)
    if not isinstance(padding, str):
        padding = whole(name, "padding", padding, dims)
        at_least(name, 0, padding=padding)
    _check(name, dims, False, input, weight, bias, groups)
    if isinstance(padding, str):
        padding = _named_padding(name, padding, weight, stride, dilation)
    x, single = with_batch(input, dims)
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    out = conv(x, weight, how=how) if bias is None else conv_bias(x, weight, bias, how=how)
    return without_batch(out, single)


def _conv_transpose(
    name: str, dims: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any,
    groups: Any, dilation: Any,
) -> Any:
    stride, dilation = whole(name, "stride", stride, dims), whole(name, "dilation", dilation, dims)
    padding, extra = whole(name, "padding", padding, dims), whole(name, "output_padding", output_padding,
                           dims)
    at_least(name, 1, stride=stride, dilation=dilation)
    at_least(name, 0, padding=padding, output_padding=extra)
    _check(name, dims, True, input, weight, bias, groups)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        raise ShapeError(f"{name}: output padding must be smaller than either stride or dilation, but got "
                         f"{list(extra)} with stride {list(stride)} and dilation {list(dilation)}")
    x, single = with_batch(input, dims)
    pairs = tuple(kernels.transpose_padding(padding, extra))
    size = tuple((n - 1) * s + d * (k - 1) + 1 - sum(pair)
                 for n, s, d, k, pair in zip(x.shape[2:], stride, dilation, weight.shape[2:], pairs))
    if any(n < 1 for n in size):
        raise ShapeError(f"{name}: Given input size per channel: {list(x.shape[2:])}. Calculated output size "
                         f"per channel: {list(size)}. Output size is too small; take a smaller padding than "
                         f"{list(padding)}")
    how = {"stride": stride, "padding": pairs, "dilation": dilation, "groups": groups}
    if bias is None:
        return without_batch(conv_input(x, weight, size=size, how=how), single)
    return without_batch(conv_input_bias(x, weight, bias, size=size, how=how), single)


# -- convolutions


def conv1d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Any:
    """Each kernel of ``weight`` slid over a signal: out[o, i] = bias[o] + Σ input[c, i + k] weight[o, c, k].

    ``input`` (N, C, L) or (C, L), ``weight`` (O, C / groups, K), ``bias`` (O,). ``padding`` is a number,
    "valid" (0) or "same" (the result is as long as the input). PyTorch: torch.nn.functional.conv1d.

    >>> rg.conv1d(rg.tensor([[1., 2., 4.]]), rg.tensor([[[-1., 1.]]]))
    tensor([[1., 2.]])
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Any:
    """Each kernel of ``weight`` slid over an image: out[o, i] = bias[o] + Σ input[c, i + k] weight[o, c, k].

    ``input`` (N, C, H, W) or (C, H, W), ``weight`` (O, C / groups, KH, KW), ``bias`` (O,). Saves the input
    only if the weight needs a gradient, and the weight only if the input does. PyTorch:
    torch.nn.functional.conv2d.

    >>> rg.conv2d(rg.tensor([[[1., 2.], [3., 4.]]]), rg.ones(1, 1, 2, 2))
    tensor([[[10.]]])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Any:
    """Each kernel of ``weight`` slid over a volume: see `conv2d`, with one dimension more.

    >>> rg.conv3d(rg.ones(1, 1, 3, 3, 3), rg.ones(1, 1, 2, 2, 2), stride=2)
    tensor([[[[[8.]]]]])
    """
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:
    """The transpose of `conv1d`: each element of the input adds a multiple of the kernel to the result.

    ``input`` (N, C, L) or (C, L), ``weight`` (C, O / groups, K). ``padding`` crops the result,
    ``output_padding`` makes it longer at its end. PyTorch: torch.nn.functional.conv_transpose1d.

    >>> rg.conv_transpose1d(rg.tensor([[1., 2.]]), rg.tensor([[[1., 10.]]]), stride=2)
    tensor([[ 1., 10.,  2., 20.]])
    """
    return _conv_transpose("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding,
                           groups, dilation)


def conv_transpose2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:
    """The transpose of `conv2d`: each element of the input adds a multiple of the kernel to the result.

    ``input`` (N, C, H, W) or (C, H, W), ``weight`` (C, O / groups, KH, KW). PyTorch:
    torch.nn.functional.conv_transpose2d.

    >>> rg.conv_transpose2d(rg.tensor([[[1., 2.]]]), rg.ones(1, 1, 2, 2))
    tensor([[[1., 3., 2.],
             [1., 3., 2.]]])
    """
    return _conv_transpose("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding,
                           groups, dilation)


def conv_transpose3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:
    """The transpose of `conv3d`: see `conv_transpose2d`, with one dimension more.

    >>> rg.conv_transpose3d(rg.ones(1, 1, 1, 1, 2), rg.ones(1, 1, 1, 1, 2))
    tensor([[[[[1., 2., 1.]]]]])
    """
    return _conv_transpose("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding,
                           groups, dilation)


def convolution(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Any:
    """A convolution or, if ``transposed``, its transpose, in as many dimensions as the weight: see `conv2d`.

    >>> rg.convolution(rg.ones(1, 1, 3), rg.ones(1, 1, 2), None, [1], [0], [1], False, [0], 1)
    tensor([[[2., 2.]]])
    """
    dims = len(weight.shape) - 2
    if transposed:
        return _conv_transpose("convolution", dims, input, weight, bias, stride, padding, output_padding,
                               groups, dilation)
    return _conv("convolution", dims, input, weight, bias, stride, padding, dilation, groups)


def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """`conv1d` of sequences (time, batch, channels), with a weight (K, C, O).

    >>> rg.conv_tbc(rg.tensor([[[1.]], [[2.]]]), rg.ones(2, 1, 1), rg.zeros(1))
    tensor([[[3.]]])
    """
    out = conv1d(shaping.permute(input, (1, 2, 0)), shaping.permute(weight, (2, 1, 0)), bias, padding=pad)
    return shaping.permute(out, (2, 0, 1))


# -- windows as columns


def _columns_shape(x: Any, *, how: Any) -> tuple[int, ...]:
    places = kernels.conv_size(x[2:], how["kernel"], how["stride"], how["padding"], how["dilation"])
    return (x[0], x[1] * math.prod(how["kernel"]), math.prod(places))


@linear(x=lambda g, x_shape, *, how: add_columns(g, size=x_shape[2:], how=how), shape=_columns_shape,
        name="im2col", grad_name="Im2ColBackward0")
def columns(x, *, how):
    """The windows of ``x`` as columns, (N, C * places in a kernel, windows)."""
    return kernels.unfold(x, **how)


@linear(y=lambda g, *, how: columns(g, how=how), name="col2im", grad_name="Col2ImBackward0",
        shape=lambda y, *, size, how: (y[0], y[1] // math.prod(how["kernel"]), *size))
def add_columns(y, *, size, how):
    """The transpose of `columns`: every column is added back at the place of its window."""
    return kernels.fold(y, size, **how)


def _sliding(name: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> dict[str, Any]:
    how = {what: whole(name, what, value, 2) for what, value in
           (("kernel", kernel_size), ("stride", stride), ("padding", padding), ("dilation", dilation))}
    at_least(name, 1, kernel=how["kernel"], stride=how["stride"], dilation=how["dilation"])
    at_least(name, 0, padding=how["padding"])
    return how


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The windows of an image as columns: (N, C, H, W) gives (N, C * KH * KW, windows).

    PyTorch: torch.nn.functional.unfold.

    >>> rg.nn.functional.unfold(rg.tensor([[[1., 2., 3.]]]), (1, 2))
    tensor([[1., 2.],
            [2., 3.]])
    """
    if dtype_of(input, "unfold").kind in "iu":
        raise NotImplementedError(f"unfold: not implemented for {dtype_of(input)}; convert with .to()")
    how = _sliding("unfold", kernel_size, dilation, padding, stride)
    x, single = with_batch(input, 2)
    if len(x.shape) != 4 or 0 in x.shape[1:]:
        raise ShapeError("unfold: Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and "
                         f"other non-zero dimensions for input, but got: {list(input.shape)}")
    return without_batch(columns(x, how=how), single)


def fold(
    input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1,
) -> Any:
    """The transpose of `unfold`: columns (N, C * KH * KW, windows) added up into images (N, C, *output_size).

    PyTorch: torch.nn.functional.fold.

    >>> rg.nn.functional.fold(rg.tensor([[1., 2.], [2., 3.]]), (1, 3), (1, 2))
    tensor([[[1., 4., 3.]]])
    """
    how = _sliding("fold", kernel_size, dilation, padding, stride)
    size = whole("fold", "output_size", output_size, 2)
    x, single = with_batch(input, 1)
    if len(x.shape) != 3 or 0 in x.shape[1:]:
        raise ShapeError("fold: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size "
                         f"and non-zero dimensions for input, but got: {list(input.shape)}")
    if x.shape[1] % math.prod(how["kernel"]):
        raise ShapeError("fold: Expected size of input's dimension 1 to be divisible by the product of "
                         f"kernel_size, but got input.size(1)={x.shape[1]} and kernel_size={how['kernel']}")
    places = kernels.conv_size(size, how["kernel"], how["stride"], how["padding"], how["dilation"])
    if x.shape[2] != math.prod(places):
        raise ShapeError(f"fold: Given output_size={size} and {how}, expected size of input's dimension 2 to "
                         f"match the calculated number of sliding blocks {places[0]} * {places[1]} = "
                         f"{math.prod(places)}, but got input.size(2)={x.shape[2]}")
    return without_batch(add_columns(x, size=size, how=how), single)


METHODS: dict[str, Any] = {}
FUNCTIONAL = (
    "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "fold", "unfold",
)
