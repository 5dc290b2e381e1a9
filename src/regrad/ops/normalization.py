"""Normalization: activations brought to mean 0 and variance 1, or vectors to length 1.

Each norm is one op whose statistics are outputs of their own: a rule may name them, and since they are
differentiable outputs, what flows through them in a second derivative arrives where it should. `rows_pull`
and `channels_pull` are the derivatives as ops, with their own rules. Start reading at `native_layer_norm`'s
op `row_norm`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import general, linear
from regrad.errors import ShapeError
from regrad.graph import versions
from regrad.kernels.reference import normalization as kernels
from regrad.ops import choosing, exponential, shaping
from regrad.ops.arguments import called, dtype_of, mixed_dtypes
from regrad.ops.core import expand_to, sum_to
from regrad.ops.reduction import norm
from regrad.ops.reduction import sum as summed

__all__ = ["group_norm", "layer_norm", "native_batch_norm", "native_group_norm", "native_layer_norm",
           "rms_norm"]


# -- statistics over the last dimensions


def _last(x: Any, dims: int) -> tuple[int, ...]:
    return tuple(range(len(x.shape) - dims, len(x.shape)))


def _size(x: Any, dims: int) -> int:
    return math.prod(x.shape[len(x.shape) - dims :])


def _row_sum(x: Any, dims: int) -> Any:
    return summed(x, _last(x, dims), True)


def _row_mean(x: Any, dims: int) -> Any:
    return _row_sum(x, dims) / _size(x, dims)


def _centred(x: Any, mean: Any) -> Any:
    return x if mean is None else x - mean


def _turned(x: Any, mean: Any, rstd: Any) -> Any:
    """The normalized ``x``."""
    return _centred(x, mean) * rstd


def _bend(g: Any, s: Any, x: Any, weight: Any, mean: Any, rstd: Any, dims: int) -> Any:
    """The derivative of `rows_pull` by the normalized ``x``."""
    y, u, v = _turned(x, mean, rstd), s if weight is None else s * weight, g * rstd
    return -(v * _row_mean(u * y, dims) + u * _row_mean(v * y, dims))


@general(s=lambda g, x, weight, mean, rstd, *, dims: _plain_pull(g, x, mean, rstd, dims, times=weight),
         x=lambda g, s, x, weight, mean, rstd, *, dims: _bend(g, s, x, weight, mean, rstd, dims) * rstd,
         weight=lambda g, s, x, mean, rstd, weight_shape, *, dims:
             sum_to(_plain_pull(g, x, mean, rstd, dims, times=s), shape=weight_shape),
         mean=lambda g, s, x, weight, mean, rstd, *, dims:
             _row_sum(_bend(g, s, x, weight, mean, rstd, dims) * -rstd, dims),
         rstd=lambda g, s, x, weight, mean, rstd, out, *, dims:
             _row_sum(g * out / rstd + _bend(g, s, x, weight, mean, rstd, dims) * _centred(x, mean), dims),
         shape=lambda s, x, *_, dims: tuple(x),
         kernel=kernels.rows_pull)  # fmt: skip
def rows_pull(s, x, weight, mean, rstd, *, dims):
    """The cotangent ``s`` of a norm over the last dimensions, pulled back to ``x``."""


def _plain_pull(g: Any, x: Any, mean: Any, rstd: Any, dims: int, times: Any) -> Any:
    """The pull of a norm without weight, times ``times``."""
    piece = rows_pull(g, x, None, mean, rstd, dims=dims)
    return piece if times is None else piece * times


def _row_pull(g: Any, x: Any, weight: Any, mean: Any, rstd: Any, dims: int) -> Any:
    """What the cotangents of the result, of the means and of the deviations give to ``x``."""
    out, of_mean, of_rstd = g
    piece = None if out is None else rows_pull(out, x, weight, mean, rstd, dims=dims)
    if of_rstd is not None:
        turned = (of_rstd * rstd * rstd * rstd / -_size(x, dims)) * _centred(x, mean)
        piece = turned if piece is None else piece + turned
    if of_mean is not None:
        piece = of_mean / _size(x, dims) + (x * 0 if piece is None else piece)
    return piece


@general(s=lambda g, x, mean, rstd: g * _turned(x, mean, rstd),
         x=lambda g, s, rstd: g * s * rstd,
         mean=lambda g, s, rstd, *, dims: _row_sum(g * s, dims) * -rstd,
         rstd=lambda g, s, x, mean, *, dims: _row_sum(g * s * _centred(x, mean), dims),
         shape=lambda s, x, *_, dims: tuple(x[len(x) - dims :]),
         kernel=kernels.rows_scale_pull)  # fmt: skip
def rows_scale_pull(s, x, mean, rstd, *, dims):
    """The cotangent ``s`` of a norm over the last dimensions, pulled back to its weight."""


def _row_weight(g: Any, x: Any, mean: Any, rstd: Any, dims: int) -> Any:
    return None if g[0] is None else rows_scale_pull(g[0], x, mean, rstd, dims=dims)


def _added(*pieces: Any) -> Any:
    """The sum of those that are not None."""
    total = None
    for piece in pieces:
        total = piece if total is None else total if piece is None else total + piece
    return total


def _row_push(x: Any, weight: Any, mean: Any, rstd: Any, tangents: Any, dims: int) -> tuple[Any, Any, Any]:
    """Tangents of the result, of the means and of the deviations; `rows_pull` is its own transpose."""
    of_x, of_weight, of_bias = tangents
    of_out = of_mean = of_rstd = None
    y = _turned(x, mean, rstd)
    if of_x is not None:
        of_out = _plain_pull(of_x, x, mean, rstd, dims, times=weight)
        of_mean, of_rstd = _row_mean(of_x, dims), -rstd * rstd * _row_mean(of_x * y, dims)
    if of_bias is not None:
        of_bias = expand_to(of_bias, shape=tuple(x.shape))
    return _added(of_out, None if of_weight is None else y * of_weight, of_bias), of_mean, of_rstd


def _row_shapes(x: Any, weight: Any, bias: Any, *, dims: int, eps: float) -> Any:
    kept = (*x[: len(x) - dims], *(1,) * dims)
    return [tuple(x), kept, kept]


@general(x=lambda g, x, weight, mean, rstd, *, dims: _row_pull(g, x, weight, mean, rstd, dims),
         weight=lambda g, x, mean, rstd, *, dims: _row_weight(g, x, mean, rstd, dims),
         bias=lambda g, bias_shape: None if g[0] is None else sum_to(g[0], shape=bias_shape),
         jvp=lambda args, outs, tangents, params:
             _row_push(args[0], args[1], outs[1], outs[2], tangents, params["dims"]),
         outs=("out", "mean", "rstd"), shape=_row_shapes, kernel=kernels.rows, name="native_layer_norm")  # fmt: skip
def row_norm(x, weight, bias, *, dims, eps):
    """``x`` normalized over its last ``dims`` dimensions, times ``weight`` plus ``bias``; its statistics."""


def _check_row_shape(name: str, input: Any, normalized_shape: Any, **affine: Any) -> int:
    """How many dimensions are normalized; refuses sizes that do not fit."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape:
        raise ShapeError(f"{name}: Expected normalized_shape to be at least 1-dimensional, i.e., containing "
                         f"at least one element, but got normalized_shape = {list(shape)}")
    for what, a in affine.items():
        if a is not None and tuple(a.shape) != shape:
            raise ShapeError(f"{name}: Expected {what} to be of same shape as normalized_shape, but got "
                             f"{what} of shape {list(a.shape)} and normalized_shape = {list(shape)}")
    if tuple(input.shape[len(input.shape) - len(shape) :]) != shape:
        raise ShapeError(f"{name}: Given normalized_shape={list(shape)}, expected input with shape [*, "
                         f"{', '.join(map(str, shape))}], but got input of size {list(input.shape)}: it is "
                         "normalised over its last dimensions, so give normalized_shape="
                         f"{list(input.shape[len(input.shape) - len(shape) :])}, or move the dimension to the end")
    return len(shape)


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5,
               cudnn_enable: bool = True) -> Any:  # fmt: skip
    """``(x - mean) / sqrt(var + eps)`` over the last dimensions, times ``weight`` plus ``bias``.

    The last dimensions, ``weight`` and ``bias`` have the shape ``normalized_shape``. Raises RuntimeError if
    the sizes do not fit. Ba et al. (2016), https://arxiv.org/abs/1607.06450. PyTorch:
    torch.nn.functional.layer_norm.

    >>> rg.layer_norm(rg.tensor([[1., 3.], [10., 30.]]), (2,))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]])
    """
    dims = _check_row_shape("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    _check_dtypes("layer_norm", input, weight=weight, bias=bias)
    return row_norm(input, weight, bias, dims=dims, eps=eps)[0]


def native_layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any,
                      eps: float) -> tuple[Any, Any, Any]:
    """`layer_norm`, with the means and the inverse deviations.

    >>> rg.native_layer_norm(rg.tensor([1., 3.]), (2,), None, None, 0.)
    (tensor([-1.,  1.]), tensor([2.]), tensor([1.]))
    """
    dims = _check_row_shape("native_layer_norm", input, normalized_shape, weight=weight, bias=bias)
    _check_dtypes("native_layer_norm", input, weight=weight, bias=bias)
    out, mean, rstd = row_norm(input, weight, bias, dims=dims, eps=eps)
    return out, mean.detach(), rstd.detach()


@general(x=lambda g, x, weight, rstd, *, dims: _row_pull([g[0], None, g[1]], x, weight, None, rstd, dims),
         weight=lambda g, x, rstd, *, dims: _row_weight(g, x, None, rstd, dims),
         jvp=lambda args, outs, tangents, params:
             _row_push(args[0], args[1], None, outs[1], (*tangents, None), params["dims"])[::2],
         outs=("out", "rstd"), visible=1, name="rms_norm",
         shape=lambda x, weight, *, dims, eps: [tuple(x), (*x[: len(x) - dims], *(1,) * dims)])  # fmt: skip
def root_norm(x, weight, *, dims, eps):
    """``x`` divided by the root of its mean square over the last ``dims`` dimensions, times ``weight``."""
    out, _, rstd = kernels.rows(x, weight, None, dims=dims, eps=eps, centre=False)
    return out, rstd


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """``x / sqrt(mean(x²) + eps)`` over the last dimensions, times ``weight``.

    ``eps`` is that of the dtype unless given. Zhang and Sennrich (2019), https://arxiv.org/abs/1910.07467.
    PyTorch: torch.nn.functional.rms_norm.

    >>> rg.rms_norm(rg.tensor([3., 4.]), (2,))
    tensor([0.8485, 1.1314])
    """
    dims = _check_row_shape("rms_norm", input, normalized_shape, weight=weight)
    if eps is None and input.array.dtype.kind in "fcV":
        kind = dtypes.of(input.array.dtype).to_real()
        eps = dtypes.finfo(kind if kind.itemsize > 2 else dtypes.float32).eps
    return root_norm(input, weight, dims=dims, eps=0.0 if eps is None else eps)


# -- groups of channels


def _grouped(x: Any, groups: int) -> tuple[int, ...]:
    """The shape in which each group is a row: (batch, group, channel of the group, all places)."""
    return (x[0], groups, x[1] // groups, math.prod(x[2:]))


def _group_view(x: Any, groups: int) -> Any:
    return None if x is None else shaping.reshape(x, _grouped(x.shape, groups))


def _of_channels(weight: Any, groups: int) -> Any:
    """A weight for each channel, in the shape of `_grouped`."""
    return None if weight is None else shaping.reshape(weight, (1, groups, weight.shape[0] // groups, 1))


def _of_groups(stat: Any) -> Any:
    return None if stat is None else shaping.reshape(stat, (*stat.shape, 1, 1))


def _group_pull(g: Any, x: Any, weight: Any, mean: Any, rstd: Any, groups: int) -> Any:
    given = [_group_view(g[0], groups), _of_groups(g[1]), _of_groups(g[2])]
    stats = _of_groups(mean), _of_groups(rstd)
    piece = _row_pull(given, _group_view(x, groups), _of_channels(weight, groups), *stats, 2)
    return None if piece is None else shaping.reshape(piece, tuple(x.shape))


@general(s=lambda g, x, mean, rstd: _over_places(g, x) * (x - mean) * rstd,
         x=lambda g, s, rstd: _over_places(g, s) * s * rstd,
         mean=lambda g, s, rstd: summed(_over_places(g, s) * s, (2, 3), True) * -rstd,
         rstd=lambda g, s, x, mean: summed(_over_places(g, x) * s * (x - mean), (2, 3), True),
         kernel=kernels.groups_scale_pull, shape=lambda s, x, *_: (x[1] * x[2],))  # fmt: skip
def groups_scale_pull(s, x, mean, rstd):
    """The cotangent ``s`` of a norm of groups, in the shape of `_grouped`, pulled back to its weight."""


def _over_places(g: Any, x: Any) -> Any:
    return shaping.reshape(g, (1, x.shape[1], x.shape[2], 1))


def _group_weight(g: Any, x: Any, mean: Any, rstd: Any, groups: int) -> Any:
    if g[0] is None:
        return None
    stats = _of_groups(mean), _of_groups(rstd)
    return groups_scale_pull(_group_view(g[0], groups), _group_view(x, groups), *stats)


def _group_push(args: Any, outs: Any, tangents: Any, groups: int) -> tuple[Any, Any, Any]:
    x, weight, _ = args
    moved = _group_view(tangents[0], groups), *(_of_channels(t, groups) for t in tangents[1:])
    stats = _of_groups(outs[1]), _of_groups(outs[2])
    out, mean, rstd = _row_push(_group_view(x, groups), _of_channels(weight, groups), *stats, moved, 2)
    shapes_of = (tuple(o.shape) for o in outs)
    return tuple(None if t is None else shaping.reshape(t, s) for t, s in zip((out, mean, rstd), shapes_of))  # type: ignore[return-value]


def _all_but_channels(x: Any) -> tuple[int, ...]:
    return (0, *range(2, len(x.shape)))


@general(x=lambda g, x, weight, mean, rstd, *, groups: _group_pull(g, x, weight, mean, rstd, groups),
         weight=lambda g, x, mean, rstd, *, groups: _group_weight(g, x, mean, rstd, groups),
         bias=lambda g: None if g[0] is None else summed(g[0], _all_but_channels(g[0])),
         shape=lambda x, weight, bias, *, groups, eps: [tuple(x), (x[0], groups), (x[0], groups)],
         jvp=lambda args, outs, tangents, params: _group_push(args, outs, tangents, params["groups"]),
         outs=("out", "mean", "rstd"), name="native_group_norm")  # fmt: skip
def grouped_norm(x, weight, bias, *, groups, eps):
    """``x`` normalized over each group of channels and all places, times ``weight`` plus ``bias``; statistics."""
    weight, bias = (None if a is None else a.reshape(1, groups, -1, 1) for a in (weight, bias))
    out, mean, rstd = kernels.rows(x.reshape(_grouped(x.shape, groups)), weight, bias, dims=2, eps=eps)
    return out.reshape(x.shape), mean.reshape(x.shape[0], groups), rstd.reshape(x.shape[0], groups)


def _check_channels(name: str, input: Any, **given: Any) -> None:
    size = list(input.shape)
    for what, a in given.items():
        if a is not None and tuple(a.shape) != (size[1],):
            count = a.shape[0] if len(a.shape) == 1 else f"of shape {list(a.shape)}"
            advice = ("if the channels come last, give input.movedim(-1, 1)" if count == size[-1]
                      else f"make the layer for {size[1]} channels")
            raise ShapeError(f"{name}: {what} should contain {size[1]} elements not {count}{called(a)}: the input "
                             f"{size} has {size[1]} channels, in dimension 1; {advice}")


def _check_dtypes(name: str, input: Any, **given: Any) -> None:
    """Refuse weights of another dtype than the input's; beside 16-bit floats they may be float32."""
    kind = dtype_of(input, name)
    for what, a in given.items():
        fits = a is None or dtype_of(a) == kind or (kind.itemsize == 2 and dtype_of(a).name == "float32")
        if not fits and kind.kind in "fV":
            raise mixed_dtypes(name, what, input, a)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5,
               cudnn_enabled: bool = True) -> Any:  # fmt: skip
    """``(x - mean) / sqrt(var + eps)`` over each of ``num_groups`` groups of channels.

    The result is multiplied by ``weight``, plus ``bias``, an element for each channel (dimension 1). Raises
    RuntimeError if the channels cannot be divided. Wu and He (2018), https://arxiv.org/abs/1803.08494.
    PyTorch: torch.nn.functional.group_norm.

    >>> rg.group_norm(rg.tensor([[1., 3., 10., 30.]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise ShapeError("group_norm: Expected at least 2 dimensions for input tensor but received "
                         f"{len(shape)}")
    if num_groups <= 0 or shape[1] % num_groups:
        raise ShapeError("group_norm: Expected number of channels in input to be divisible by num_groups, "
                         f"but got input of shape {list(shape)} and num_groups={num_groups}")
    if shape[0] * shape[1] // num_groups * math.prod(shape[2:]) == 1:
        raise ValueError("group_norm: Expected more than 1 value per channel when training, got input size "
                         f"{list(shape)}")
    _check_channels("group_norm", input, weight=weight, bias=bias)
    _check_dtypes("group_norm", input, weight=weight, bias=bias)
    return grouped_norm(input, weight, bias, groups=num_groups, eps=eps)[0]


def native_group_norm(input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int,
                      eps: float) -> Any:
    """`group_norm`, with the means and the inverse deviations.

    >>> rg.native_group_norm(rg.tensor([[1., 3.]]), None, None, 1, 2, 1, 1, 0.)
    (tensor([[-1.,  1.]]), tensor([[2.]]), tensor([[1.]]))
    """
    if math.prod(input.shape) != N * C * HxW or group <= 0 or C % group:
        raise ShapeError("native_group_norm: Expected number of channels in input to be divisible by "
                         f"num_groups and N, C, HxW ({N}, {C}, {HxW}) to be the sizes of the input, got "
                         f"{list(input.shape)} and {group} groups")
    _check_channels("native_group_norm", input, weight=weight, bias=bias)
    _check_dtypes("native_group_norm", input, weight=weight, bias=bias)
    return grouped_norm(input, weight, bias, groups=group, eps=eps)


# -- the batch


def _lined(a: Any, x: Any) -> Any:
    """One number for each channel, to be broadcast against ``x``."""
    return shaping.reshape(a, (1, a.shape[0], *(1,) * (len(x.shape) - 2)))


def _channel_sum(x: Any) -> Any:
    return summed(x, _all_but_channels(x))


def _channel_mean(x: Any) -> Any:
    dims = _all_but_channels(x)
    return summed(x, dims, True) / math.prod(x.shape[d] for d in dims)


def _channel_bend(g: Any, s: Any, x: Any, weight: Any, mean: Any, rstd: Any) -> Any:
    """The derivative of `channels_pull` by the normalized ``x``."""
    mean, rstd = _lined(mean, x), _lined(rstd, x)
    y, u, v = (x - mean) * rstd, s if weight is None else s * _lined(weight, x), g * rstd
    return -(v * _channel_mean(u * y) + u * _channel_mean(v * y))


def _by_channel(weight: Any, x: Any) -> Any:
    return x if weight is None else x * _lined(weight, x)


@general(s=lambda g, x, weight, mean, rstd: channels_pull(g, x, weight, mean, rstd),
         x=lambda g, s, x, weight, mean, rstd: _channel_bend(g, s, x, weight, mean, rstd) * _lined(rstd, x),
         weight=lambda g, s, x, mean, rstd: _channel_sum(channels_pull(g, x, None, mean, rstd) * s),
         mean=lambda g, s, x, weight, mean, rstd: -rstd * _channel_sum(_channel_bend(g, s, x, weight, mean, rstd)),
         rstd=lambda g, s, x, weight, mean, rstd, out:
             _channel_sum(g * out) / rstd
             + _channel_sum(_channel_bend(g, s, x, weight, mean, rstd) * (x - _lined(mean, x))),
         shape=lambda s, x, *_: tuple(x),
         kernel=kernels.channels_pull)  # fmt: skip
def channels_pull(s, x, weight, mean, rstd):
    """The cotangent ``s`` of a norm over the batch, pulled back to ``x``."""


@general(s=lambda g, x, mean, rstd: _lined(g * rstd, x) * (x - _lined(mean, x)),
         x=lambda g, s, rstd: s * _lined(g * rstd, s),
         mean=lambda g, s, rstd: -g * rstd * summed(s, _all_but_channels(s)),
         rstd=lambda g, s, x, mean: g * summed(s * (x - _lined(mean, x)), _all_but_channels(x)),
         kernel=kernels.channels_scale_pull, shape=lambda s, x, *_: (x[1],))  # fmt: skip
def channels_scale_pull(s, x, mean, rstd):
    """The cotangent ``s`` of a norm over the batch, pulled back to its weight."""


def _batch_pull(g: Any, x: Any, weight: Any, mean: Any, rstd: Any) -> Any:
    """What the cotangents of the result, of the mean and of the deviation give to ``x``."""
    out, of_mean, of_rstd = g
    piece = None if out is None else channels_pull(out, x, weight, mean, rstd)
    count = math.prod(x.shape[d] for d in _all_but_channels(x))
    if of_rstd is not None:
        turned = _lined(of_rstd * rstd * rstd * rstd / -count, x) * (x - _lined(mean, x))
        piece = turned if piece is None else piece + turned
    if of_mean is not None:
        piece = _lined(of_mean / count, x) + (x * 0 if piece is None else piece)
    return piece


def _affine_push(y: Any, of_y: Any, weight: Any, of_weight: Any, of_bias: Any) -> Any:
    """The tangent of ``y weight + bias`` with an element of the last two for each channel."""
    if of_bias is not None:
        of_bias = expand_to(_lined(of_bias, y), shape=tuple(y.shape))
    return _added(None if of_y is None else _by_channel(weight, of_y),
                  None if of_weight is None else y * _lined(of_weight, y), of_bias)  # fmt: skip


def _batch_push(x: Any, weight: Any, mean: Any, rstd: Any, tangents: Any) -> tuple[Any, Any, Any, Any]:
    of_x, of_weight, of_bias = tangents
    y = (x - _lined(mean, x)) * _lined(rstd, x)
    of_y = of_mean = of_rstd = None
    if of_x is not None:
        count = math.prod(x.shape[d] for d in _all_but_channels(x))
        of_y = channels_pull(of_x, x, None, mean, rstd)
        of_mean, of_rstd = _channel_sum(of_x) / count, -rstd * rstd * _channel_sum(of_x * y) / count
    return _affine_push(y, of_y, weight, of_weight, of_bias), of_mean, of_rstd, None


@general(x=lambda g, x, weight, mean, rstd: _batch_pull(g, x, weight, mean, rstd),
         weight=lambda g, x, mean, rstd: None if g[0] is None else channels_scale_pull(g[0], x, mean, rstd),
         bias=lambda g: None if g[0] is None else summed(g[0], _all_but_channels(g[0])),
         shape=lambda x, weight, bias, *, eps: [tuple(x), (x[1],), (x[1],), (x[1],)],
         jvp=lambda args, outs, tangents, params: _batch_push(args[0], args[1], outs[1], outs[2], tangents),
         outs=("out", "mean", "rstd", "var"), diff=(0, 1, 2), kernel=kernels.channels,
         name="native_batch_norm")  # fmt: skip
def channel_norm(x, weight, bias, *, eps):
    """``x`` normalized over all but the channels, times ``weight`` plus ``bias``; its statistics."""


def _fixed_push(args: Any, tangents: Any, eps: float) -> Any:
    x, weight, _, mean, var = args
    rate = _lined(_rate(None, var, eps), x)
    of_y = None if tangents[0] is None else tangents[0] * rate
    return _affine_push((x - _lined(mean, x)) * rate, of_y, weight, *tangents[1:3])


@general(x=lambda g, weight, var, *, eps: g * _lined(_rate(weight, var, eps), g),
         weight=lambda g, x, mean, var, *, eps: _channel_sum(g * (x - _lined(mean, x))) * _rate(None, var, eps),
         bias=lambda g: summed(g, _all_but_channels(g)),
         jvp=lambda args, outs, tangents, params: _fixed_push(args, tangents, params["eps"]),
         shape=shapes.same, name="batch_norm_eval", grad_name="NativeBatchNormBackward0")  # fmt: skip
def fixed_norm(x, weight, bias, mean, var, *, eps):
    """``(x - mean) / sqrt(var + eps)`` with statistics that are given, times ``weight`` plus ``bias``."""
    line = (1, -1, *(1,) * (x.ndim - 2))
    rate = 1 / np.sqrt(var + eps)
    rate = rate if weight is None else rate * weight
    level = -mean * rate if bias is None else bias - mean * rate
    out = x * rate.reshape(line).astype(x.dtype, copy=False)
    out += level.reshape(line).astype(x.dtype, copy=False)
    return out


def _rate(weight: Any, var: Any, eps: float) -> Any:
    rate = exponential.rsqrt(var + eps)
    return rate if weight is None else rate * weight


def _update(name: str, running: Any, now: Any, momentum: float) -> None:
    """Move running statistics towards those of this batch: a write in place, which the graph notes."""
    array = running.array
    array *= 1 - momentum
    array += (momentum * now).astype(array.dtype, copy=False)
    versions.wrote(array, name, 3)


def _of_nothing(input: Any, weight: Any, bias: Any) -> Any:
    """The norm of an empty input, from which there are no statistics to learn."""
    out = shaping.clone(input) if weight is None else input * summed(weight)
    return out if bias is None else out + summed(bias)


def _normalized(name: str, input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any,
                training: bool, momentum: float, eps: float) -> tuple[Any, Any, Any]:
    if not math.prod(input.shape):
        return _of_nothing(input, weight, bias), None, None
    if len(input.shape) < 2:
        raise ShapeError(f"{name}: Expected at least 2 dimensions, (N, C, ...), got input of size "
                         f"{list(input.shape)}")
    _check_channels(name, input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    _check_dtypes(name, input, weight=weight, bias=bias)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError(f"{name}: running_mean and running_var must be defined in evaluation mode")
        return fixed_norm(input, weight, bias, running_mean, running_var, eps=eps), None, None
    out, mean, rstd, var = channel_norm(input, weight, bias, eps=eps)
    count = math.prod(input.shape) // max(input.shape[1], 1)
    if running_mean is not None:
        _update(name, running_mean, mean.array, momentum)
    if running_var is not None:
        _update(name, running_var, var.array * (count / max(count - 1, 1)), momentum)
    return out, mean, rstd


def batch_norm(input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
               training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Any:
    """``(x - mean) / sqrt(var + eps)`` for each channel (dimension 1), times ``weight`` plus ``bias``.

    In training the statistics are those of the batch, and the running ones move towards them by ``momentum``,
    in place; in evaluation they are the running ones, and of the input nothing is saved unless ``weight``
    needs a gradient. Raises ValueError for a batch of one value per channel. Ioffe and Szegedy (2015),
    https://arxiv.org/abs/1502.03167. PyTorch: torch.nn.functional.batch_norm.

    >>> rg.nn.functional.batch_norm(rg.tensor([[1.], [3.]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    if training:
        if math.prod(input.shape[:1]) * math.prod(input.shape[2:]) == 1:
            raise ValueError("batch_norm: Expected more than 1 value per channel when training, got input "
                             f"size {list(input.shape)}; give a larger batch, or use .eval() for single samples")
        if eps <= 0:
            raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    elif eps < 0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    _check_dtypes("batch_norm", input, running_mean=running_mean, running_var=running_var)
    running = running_mean, running_var
    return _normalized("batch_norm", input, weight, bias, *running, training, momentum, eps)[0]


def native_batch_norm(input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool,
                      momentum: float, eps: float) -> tuple[Any, Any, Any]:
    """`batch_norm`, with the means and the inverse deviations of the batch, which are empty in evaluation.

    >>> rg.native_batch_norm(rg.tensor([[1.], [3.]]), None, None, None, None, True, 0.1, 0.)[1:]
    (tensor([2.]), tensor([1.]))
    """
    from regrad.ops.creation import empty

    _check_dtypes("native_batch_norm", input, running_mean=running_mean, running_var=running_var)
    running = running_mean, running_var
    out, mean, rstd = _normalized("native_batch_norm", input, weight, bias, *running, training, momentum, eps)
    if mean is None:
        return out, empty(0, dtype=out.dtype), empty(0, dtype=out.dtype)
    return out, mean.detach(), rstd.detach()


def instance_norm(input: Any, running_mean: Any = None, running_var: Any = None, weight: Any = None,
                  bias: Any = None, use_input_stats: bool = True, momentum: float = 0.1,
                  eps: float = 1e-5) -> Any:
    """``(x - mean) / sqrt(var + eps)`` for each channel of each sample, times ``weight`` plus ``bias``.

    Without ``use_input_stats`` the running statistics are used, as by `batch_norm`; otherwise they are moved
    towards the mean of the samples' statistics. Raises ValueError for one place per channel. Ulyanov et al.
    (2016), https://arxiv.org/abs/1607.08022. PyTorch: torch.nn.functional.instance_norm.

    >>> rg.nn.functional.instance_norm(rg.tensor([[[1., 3.]], [[10., 30.]]]))
    tensor([[[-1.0000,  1.0000]],
    <BLANKLINE>
            [[-1.0000,  1.0000]]])
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("instance_norm: Expected running_mean and running_var to be defined when "
                               "use_input_stats is false")
        running = running_mean, running_var
        return _normalized("instance_norm", input, weight, bias, *running, False, momentum, eps)[0]
    if len(input.shape) < 2:
        raise ShapeError("instance_norm: Expected at least 2 dimensions, (N, C, ...), got input of size "
                         f"{list(input.shape)}")
    if math.prod(input.shape[2:]) == 1:
        raise ValueError("instance_norm: Expected more than 1 spatial element when training, got input size "
                         f"{list(input.shape)}")
    if not math.prod(input.shape):
        return _of_nothing(input, weight, bias)
    _check_channels("instance_norm", input, running_mean=running_mean, running_var=running_var,
                    weight=weight, bias=bias)  # fmt: skip
    _check_dtypes("instance_norm", input, weight=weight, bias=bias)
    out = grouped_norm(input, weight, bias, groups=input.shape[1], eps=eps)[0]
    places = input.array.reshape(*input.shape[:2], -1)
    if running_mean is not None:
        _update("instance_norm", running_mean, places.mean(axis=(0, 2)), momentum)
    if running_var is not None:
        _update("instance_norm", running_var, places.var(axis=2, ddof=1).mean(axis=0), momentum)
    return out


# -- neighbours and lengths


@linear(x=lambda g, *, before, after: window(g, before=after, after=before),
        kernel=kernels.window, shape=shapes.same)  # fmt: skip
def window(x, *, before, after):
    """The sum of each channel with its neighbours."""


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75,
                        k: float = 1.0) -> Any:
    """``x / (k + alpha mean(x²))^beta``, the mean taken over ``size`` neighbouring channels (dimension 1).

    Channels beyond the ends count as zeros. Raises ValueError for less than three dimensions. Krizhevsky et
    al. (2012), https://papers.nips.cc/paper/4824. PyTorch: torch.nn.functional.local_response_norm.

    >>> rg.nn.functional.local_response_norm(rg.tensor([[[1.], [2.]]]), 2, alpha=1., beta=1.)
    tensor([[[0.6667],
             [0.5714]]])
    """
    if size < 1:
        raise ShapeError(f"local_response_norm: kernel size should be greater than zero, but got size={size}")
    if len(input.shape) < 3:
        raise ValueError("local_response_norm: Expected 3D or higher dimensionality input (got "
                         f"{len(input.shape)} dimensions)")
    if not math.prod(input.shape):
        return input
    near = window(input * input, before=size // 2, after=(size - 1) // 2)
    near = near // size if input.array.dtype.kind in "iu" else near / size
    return input / (near * alpha + k) ** beta


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """``x / max(norm(x), eps)`` with the p-norm along ``dim``, one dimension or several.

    PyTorch: torch.nn.functional.normalize.

    >>> rg.nn.functional.normalize(rg.tensor([[3., 4.]]))
    tensor([[0.6000, 0.8000]])
    """
    result = input / choosing.clamp_min(norm(input, p, dim, True), eps)
    return result if out is None else out.copy_(result)


FUNCTIONAL = ("batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize",
              "rms_norm")
