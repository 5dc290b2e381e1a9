"""Padding, and channels traded for places. Start reading at `pad`.

A padding is a list of (before, after), one pair for each of the last dimensions; a negative number crops.
`filled` extends by a number, `copied` by elements of the input itself, and `gathered` is the transpose of
that.
"""

from __future__ import annotations

from operator import index as as_index
from typing import Any

from regrad import shapes
from regrad.declare import general, linear
from regrad.errors import ShapeError
from regrad.kernels.reference import convolution, resampling
from regrad.ops.arguments import dtype_of
from regrad.ops.shaping import clone

__all__ = ["channel_shuffle", "constant_pad_nd", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


# -- the ops


def negated(pairs: Any) -> Any:
    """The padding that undoes ``pairs``."""
    return tuple([(-before, -after) for before, after in pairs])


def _padded_shape(x: Any, *, pairs: Any, **_: Any) -> tuple[int, ...]:
    split = len(x) - len(pairs)
    return (*x[:split], *[before + n + after for n, (before, after) in zip(x[split:], pairs)])


@general(x=lambda g, *, pairs: filled(g, pairs=negated(pairs), value=0), shape=_padded_shape,
         jvp=lambda args, outs, tangents, params: filled(tangents[0], pairs=params["pairs"], value=0),
         name="constant_pad_nd")
def filled(x, *, pairs, value):
    """``x`` with ``value`` before and after its last dimensions."""
    return convolution.crop_or_pad(x, pairs, value)


@linear(x=lambda g, *, pairs, mode: gathered(g, pairs=pairs, mode=mode), shape=_padded_shape, name="pad")
def copied(x, *, pairs, mode):
    """``x`` extended by elements of its own: ``mode`` is reflect, replicate or circular."""
    return resampling.pad(x, pairs, mode=mode)


@linear(y=lambda g, *, pairs, mode: copied(g, pairs=pairs, mode=mode), name="pad_adjoint",
        shape=lambda y, *, pairs, mode: _padded_shape(y, pairs=negated(pairs)))
def gathered(y, *, pairs, mode):
    """The transpose of `copied`: what lies in the padding is added to the element it was copied from."""
    return resampling.pad_adjoint(y, pairs, mode=mode)


# -- padding


def _pairs(name: str, pad: Any) -> tuple[tuple[int, int], ...]:
    """PyTorch's flat list, which begins with the last dimension, as pairs in the order of the dimensions."""
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"{name}(): argument 'pad' (position 2) must be tuple of ints, not "
                        f"{type(pad).__name__}")
    flat = [as_index(n) for n in pad]
    if len(flat) % 2:
        raise ShapeError(f"{name}: Padding length must be divisible by 2, but got {len(flat)}; give (before, "
                         "after) for each dimension, the last one first")
    return tuple(zip(flat[-2::-2], flat[::-2]))


def constant_pad_nd(input: Any, pad: Any, value: Any = 0) -> Any:
    """`nn.functional.pad` by a number.

    >>> rg.constant_pad_nd(rg.tensor([1., 2.]), (1, 2))
    tensor([0., 1., 2., 0., 0.])
    """
    dtype = dtype_of(input, "constant_pad_nd")
    pairs = _pairs("pad", pad)
    size = input.shape[len(input.shape) - len(pairs) :]
    if len(pairs) > len(input.shape):
        raise ShapeError("pad: Padding length should be less than or equal to two times the input dimension "
                         f"but got padding length {2 * len(pairs)} and input of dimension {len(input.shape)}")
    if any(n + before + after < 0 or max(-before, -after) > n for n, (before, after) in zip(size, pairs)):
        raise ShapeError(f"pad: {list(pad)} takes more from an input of {list(input.shape)} than there is: "
                         "narrow(): length must be non-negative; crop less")
    if not any(map(any, pairs)):
        return clone(input)
    value = value.item() if hasattr(value, "item") else value
    return filled(input, pairs=pairs, value=bool(value) if dtype.kind == "b" else value)


def _check_copied(input: Any, pairs: Any, mode: str) -> None:
    """Refuse what cannot be padded by copying, in PyTorch's words."""
    shape, dims = input.shape, len(pairs)
    if len(shape) - dims not in (1, 2) or not 1 <= dims <= 3:
        raise NotImplementedError(
            f"pad: Padding size {2 * dims} is not supported for {len(shape)}D input tensor in mode {mode!r}. "
            "Supported combinations for non-constant padding: 2D or 3D input: padding size = 2 (pads last "
            "dimension), 3D or 4D input: padding size = 4 (pads last 2 dimensions), 4D or 5D input: padding "
            "size = 6 (pads last 3 dimensions)")
    if 0 in shape[-dims - 1 :] and mode != "circular":
        raise ShapeError(f"pad: Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with possibly 0 "
                         f"batch size and other non-zero dimensions for input, but got: {list(shape)}")
    for d, (n, pair) in enumerate(zip(shape[-dims:], pairs), len(shape) - dims):
        if mode == "reflect" and max(pair) >= n:
            raise ShapeError("pad: Padding size should be less than the corresponding input dimension, but "
                             f"got: padding {pair} at dimension {d} of input {list(shape)}; pad by at most "
                             f"{n - 1}")
        if mode == "circular" and max(pair) > n:
            raise ShapeError(f"pad: Padding value causes wrapping around more than once: {pair} at dimension "
                             f"{d} of input {list(shape)}; pad by at most {n}")
    out = [n + sum(pair) for n, pair in zip(shape[-dims:], pairs)]
    if min(out) < 0 or (max(out) < 1 and mode != "circular"):
        raise ShapeError(f"pad: input {list(shape)} is too small: padding by {pairs} would leave {out}; crop less")


def pad(input: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """The input extended before and after its last dimensions by ``pad``: (before, after), last one first.

    ``mode`` "constant" extends by ``value`` (0), "reflect" by the mirror image at the edge, "replicate" by
    the element at the edge, "circular" by the other end. A negative number crops. PyTorch:
    torch.nn.functional.pad.

    >>> rg.nn.functional.pad(rg.tensor([[1., 2., 3.]]), (2, 1), mode="reflect")
    tensor([[3., 2., 1., 2., 3., 2.]])
    """
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: Unrecognised padding mode {mode}; give constant, reflect, replicate "
                                  "or circular")
    if value:
        raise RuntimeError(f'pad: Padding mode "{mode}" doesn\'t take in value argument; leave it out')
    pairs = _pairs("pad", pad)
    dtype_of(input, "pad")  # refuses what is no tensor
    _check_copied(input, pairs, mode)
    return copied(input, pairs=pairs, mode=mode)


# -- channels and places


@linear(x=lambda g, *, factor: from_places(g, factor=factor), conjugate=False, name="pixel_shuffle",
        shape=lambda x, *, factor: (*x[:-3], x[-3] // factor**2, x[-2] * factor, x[-1] * factor))
def to_places(x, *, factor):
    """(*, C factor², H, W) as (*, C, H factor, W factor)."""
    *lead, c, h, w = x.shape
    n, c = len(lead), c // factor**2
    order = (*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    blocks = x.reshape(*lead, c, factor, factor, h, w)
    return blocks.transpose(order).reshape(*lead, c, h * factor, w * factor)


@linear(x=lambda g, *, factor: to_places(g, factor=factor), conjugate=False, name="pixel_unshuffle",
        shape=lambda x, *, factor: (*x[:-3], x[-3] * factor**2, x[-2] // factor, x[-1] // factor))
def from_places(x, *, factor):
    """(*, C, H factor, W factor) as (*, C factor², H, W)."""
    *lead, c, h, w = x.shape
    n, h, w = len(lead), h // factor, w // factor
    order = (*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return x.reshape(*lead, c, h, factor, w, factor).transpose(order).reshape(*lead, c * factor**2, h, w)


@linear(x=lambda g, x_shape, *, groups: regrouped(g, groups=x_shape[1] // groups), shape=shapes.same,
        conjugate=False, name="native_channel_shuffle")
def regrouped(x, *, groups):
    """The channels of each group dealt out: the first of every group, then the second of every group."""
    split = x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
    return split.swapaxes(1, 2).reshape(x.shape)


def _shuffled(name: str, factor: Any, what: str, shape: Any) -> None:
    if len(shape) < 3:
        raise ShapeError(f"{name} expects input to have at least 3 dimensions, but got input with "
                         f"{len(shape)} dimension(s)")
    if factor <= 0:
        raise ShapeError(f"{name} expects a positive {what}, but got {factor}")


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Channels spread over an image ``upscale_factor`` times larger: (*, C r², H, W) to (*, C, H r, W r).

    Shi et al. (2016), https://arxiv.org/abs/1609.05158. PyTorch: torch.nn.functional.pixel_shuffle.

    >>> rg.pixel_shuffle(rg.tensor([[[1]], [[2]], [[3]], [[4]]]), 2)
    tensor([[[1, 2],
             [3, 4]]])
    """
    _shuffled("pixel_shuffle", upscale_factor, "upscale_factor", input.shape)
    if input.shape[-3] % upscale_factor**2:
        raise ShapeError("pixel_shuffle expects its input's 'channel' dimension to be divisible by the "
                         f"square of upscale_factor, but input.size(-3)={input.shape[-3]} is not divisible "
                         f"by {upscale_factor**2}")
    return to_places(input, factor=upscale_factor)


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """What `pixel_shuffle` undoes: (*, C, H r, W r) becomes (*, C r², H, W).

    PyTorch: torch.nn.functional.pixel_unshuffle.

    >>> rg.pixel_unshuffle(rg.tensor([[[1, 2], [3, 4]]]), 2).flatten()
    tensor([1, 2, 3, 4])
    """
    _shuffled("pixel_unshuffle", downscale_factor, "downscale_factor", input.shape)
    for what, d in (("height", -2), ("width", -1)):
        if input.shape[d] % downscale_factor:
            raise ShapeError(f"pixel_unshuffle expects {what} to be divisible by downscale_factor, but "
                             f"input.size({d})={input.shape[d]} is not divisible by {downscale_factor}")
    return from_places(input, factor=downscale_factor)


def channel_shuffle(input: Any, groups: int) -> Any:
    """The channels of ``groups`` groups dealt out in turn: channels 0 1 2 3 in 2 groups become 0 2 1 3.

    ``input`` (N, C, *). Zhang et al. (2018), https://arxiv.org/abs/1707.01083. PyTorch:
    torch.nn.functional.channel_shuffle.

    >>> rg.channel_shuffle(rg.tensor([[[0], [1], [2], [3]]]), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    if len(input.shape) < 3:
        raise ShapeError("channel_shuffle expects input with > 2 dims, but got input with sizes "
                         f"{list(input.shape)}")
    if groups <= 0:
        raise ShapeError("channel_shuffle: Number of groups to divide channels in must be positive. Value of "
                         f"groups:{groups}")
    if input.shape[1] % groups:
        raise ShapeError("channel_shuffle: Number of channels must be divisible by groups. Got "
                         f"{input.shape[1]} channels and {groups} groups.")
    return regrouped(input, groups=groups)


native_channel_shuffle = channel_shuffle

METHODS: dict[str, Any] = {}
FUNCTIONAL = ("channel_shuffle", "native_channel_shuffle", "pad", "pixel_shuffle", "pixel_unshuffle")
