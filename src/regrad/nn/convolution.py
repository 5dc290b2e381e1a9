"""Convolutions and transposed convolutions, and the lazy kinds, which count the channels of their first input.

`_ConvNd` holds weight, bias and what describes the windows; `_Conv` and `_ConvTransposeNd` add what the two kinds take
and compute. A public class says the number of dimensions and the function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from regrad.errors import ShapeError
from regrad.nn import init
from regrad.nn.lazy import LazyModuleMixin
from regrad.nn.module import Module
from regrad.nn.parameter import Parameter, UninitializedParameter
from regrad.ops import convolution as ops
from regrad.ops.creation import empty
from regrad.ops.padding import pad

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "LazyConv1d", "LazyConv2d",
    "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d",
]  # fmt: skip

Ints = int | tuple[int, ...]

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """Weight, bias, and the windows that they are for."""

    _dims: int
    _op: Callable[..., Any]
    weight: Any
    bias: Any

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Ints, stride: Ints, padding: str | Ints, dilation: Ints,
        transposed: bool, output_padding: Ints, groups: int, bias: bool, padding_mode: str, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        name, dims = self._get_name(), self._dims
        if groups <= 0:
            raise ValueError(f"{name}: groups must be a positive integer, but got groups={groups}")
        if out_channels % groups:
            raise ValueError(f"{name}: out_channels must be divisible by groups, but got {out_channels} and {groups}")
        if padding_mode not in _MODES:
            raise ValueError(f"{name}: padding_mode must be one of {_MODES}, but got padding_mode={padding_mode!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self._check_in_channels()
        self.kernel_size = ops.whole(name, "kernel_size", kernel_size, dims)
        self.stride = ops.whole(name, "stride", stride, dims)
        self.dilation = ops.whole(name, "dilation", dilation, dims)
        self.output_padding = ops.whole(name, "output_padding", output_padding, dims)
        ops.at_least(name, 1, kernel_size=self.kernel_size, stride=self.stride, dilation=self.dilation)
        self.padding, pairs = self._padded(padding)
        self._reversed_padding_repeated_twice = tuple([n for pair in reversed(pairs) for n in pair])
        self.transposed, self.padding_mode = transposed, padding_mode
        self._make(bias, device, dtype)

    def _check_in_channels(self) -> None:
        if self.in_channels % self.groups:
            raise ValueError(
                f"{self._get_name()}: in_channels must be divisible by groups, but got {self.in_channels} and"
                f" {self.groups}; groups=1 connects every channel with every other"
            )

    def _padded(self, padding: Any) -> tuple[str | tuple[int, ...], list[tuple[int, int]]]:
        """``padding`` as it is kept, and what it adds before and after each dimension."""
        name, dims = self._get_name(), self._dims
        if not isinstance(padding, str):
            numbers = ops.whole(name, "padding", padding, dims)
            ops.at_least(name, 0, padding=numbers)
            return numbers, [(n, n) for n in numbers]
        if padding == "valid":
            return padding, [(0, 0)] * dims
        if padding != "same":
            raise ValueError(f"{name}: Invalid padding string {padding!r}, should be one of ('same', 'valid')")
        if any(s != 1 for s in self.stride):
            raise ValueError(
                f"{name}: padding='same' is not supported for strided convolutions, but got stride={self.stride}; give"
                " the padding as a number"
            )
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
        return padding, [(r // 2, r - r // 2) for r in reach]

    def _make(self, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = Parameter(empty(self._weight_shape(), device=device, dtype=dtype))
        self.register_parameter("bias", None)
        if bias:
            self.bias = Parameter(empty(self.out_channels, device=device, dtype=dtype))
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        first, second = self.out_channels, self.in_channels // self.groups
        if self.transposed:
            first, second = self.in_channels, self.out_channels // self.groups
        return (first, second, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniformly from ±1 / sqrt(n) where ``weight[0]`` has n elements."""
        if not self.weight.numel():
            return
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """The arguments that are not the default."""
        ones, zeros = (1,) * self._dims, (0,) * self._dims
        words = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        for what, default in (
            ("padding", zeros), ("dilation", ones), ("output_padding", zeros), ("groups", 1),
        ):  # fmt: skip
            if getattr(self, what) != default:
                words.append(f"{what}={getattr(self, what)}")
        if self.bias is None:
            words.append("bias=False")
        if self.padding_mode != "zeros":
            words.append(f"padding_mode={self.padding_mode}")
        return ", ".join(words)


class _Conv(_ConvNd):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Ints, stride: Ints = 1, padding: str | Ints = 0,
        dilation: Ints = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, False, 0, groups, bias, padding_mode,
            device, dtype,
        )  # fmt: skip

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), 0
        return self._op(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Any) -> Any:
        return self._conv_forward(input, self.weight, self.bias)


class _ConvTransposeNd(_ConvNd):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Ints, stride: Ints = 1, padding: Ints = 0,
        output_padding: Ints = 0, groups: int = 1, bias: bool = True, dilation: Ints = 1, padding_mode: str = "zeros",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if padding_mode != "zeros":
            raise ValueError(f'{self._get_name()}: Only "zeros" padding mode is supported, but got {padding_mode!r}')
        if isinstance(padding, str):  # type: ignore[unreachable]
            raise TypeError(f"{self._get_name()}: padding must be int or tuple of ints, but got {padding!r}")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, True, output_padding, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def _output_padding(self, input: Any, output_size: Any) -> tuple[int, ...]:
        """How much longer the result must be made to have the ``output_size``."""
        if output_size is None:
            return self.output_padding
        dims, wanted = self._dims, list(output_size)
        if len(wanted) == input.ndim and input.ndim > dims:
            wanted = wanted[-dims:]
        if len(wanted) != dims:
            raise ValueError(
                f"{self._get_name()}: for {input.ndim}D input, output_size must have {dims} or {input.ndim} elements"
                f" (got {len(wanted)})"
            )
        how = zip(input.shape[-dims:], self.stride, self.padding, self.dilation, self.kernel_size)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in how]  # type: ignore[operator]
        most = [n + s - 1 for n, s in zip(least, self.stride)]
        if any(not low <= n <= high for low, n, high in zip(least, wanted, most)):
            raise ValueError(
                f"{self._get_name()}: requested an output size of {wanted}, but valid sizes range from {least} to"
                f" {most} (for an input of {list(input.shape[-dims:])})"
            )
        return tuple([n - low for n, low in zip(wanted, least)])

    def forward(self, input: Any, output_size: Any = None) -> Any:
        extra = self._output_padding(input, output_size)
        return self._op(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class Conv1d(_Conv):
    """A convolution over a signal: out[o, i] = bias[o] + Σ input[c, i stride + k dilation] weight[o, c, k].

    Input (N, C, L) or (C, L). See `Conv2d` for the arguments. PyTorch: torch.nn.Conv1d.

    >>> rg.nn.Conv1d(2, 4, kernel_size=3, stride=2)(rg.ones(1, 2, 9)).shape
    regrad.Size([1, 4, 4])
    """

    _dims = 1
    _op = staticmethod(ops.conv1d)


class Conv2d(_Conv):
    """A convolution over an image: out[o, i] = bias[o] + Σ input[c, i stride + k dilation] weight[o, c, k].

    Input (N, C, H, W) or (C, H, W); ``weight`` (out_channels, in_channels / groups, *kernel_size), drawn like ``bias``
    from ±1 / sqrt(in_channels / groups · kernel elements). Sizes are one number or one for each dimension.
    ``padding`` is in numbers, "valid" (none) or "same" (the output is as large as the input), and ``padding_mode`` says
    what it holds: zeros, reflect, replicate or circular. ``groups`` divides inputs and outputs into so many separate
    convolutions. PyTorch: torch.nn.Conv2d.

    >>> layer = rg.nn.Conv2d(3, 8, kernel_size=3, padding="same")
    >>> layer(rg.ones(2, 3, 5, 5)).shape, layer.weight.shape
    (regrad.Size([2, 8, 5, 5]), regrad.Size([8, 3, 3, 3]))
    """

    _dims = 2
    _op = staticmethod(ops.conv2d)


class Conv3d(_Conv):
    """A convolution over a volume (N, C, D, H, W) or (C, D, H, W): see `Conv2d`. PyTorch: torch.nn.Conv3d.

    >>> rg.nn.Conv3d(1, 2, kernel_size=(1, 2, 2))(rg.ones(1, 4, 4, 4)).shape
    regrad.Size([2, 4, 3, 3])
    """

    _dims = 3
    _op = staticmethod(ops.conv3d)


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of `Conv1d`: see `ConvTranspose2d`. PyTorch: torch.nn.ConvTranspose1d.

    >>> rg.nn.ConvTranspose1d(2, 4, kernel_size=3, stride=2)(rg.ones(1, 2, 4)).shape
    regrad.Size([1, 4, 9])
    """

    _dims = 1
    _op = staticmethod(ops.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of `Conv2d`: each element of the input adds a multiple of the kernel to the output.

    It leads from the size that a `Conv2d` with the same arguments gives back to the size that it took. Where a stride
    makes several sizes equal, ``output_padding`` lengthens the output, or ``output_size`` in the call names the one.
    ``weight`` (in_channels, out_channels / groups, *kernel_size). PyTorch: torch.nn.ConvTranspose2d.

    >>> down = rg.nn.Conv2d(1, 4, kernel_size=3, stride=2, padding=1)
    >>> up = rg.nn.ConvTranspose2d(4, 1, kernel_size=3, stride=2, padding=1)
    >>> x = rg.ones(1, 1, 8, 8)
    >>> up(down(x)).shape, up(down(x), output_size=x.shape).shape
    (regrad.Size([1, 1, 7, 7]), regrad.Size([1, 1, 8, 8]))
    """

    _dims = 2
    _op = staticmethod(ops.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of `Conv3d`: see `ConvTranspose2d`. PyTorch: torch.nn.ConvTranspose3d.

    >>> rg.nn.ConvTranspose3d(1, 2, kernel_size=2)(rg.ones(1, 2, 2, 2)).shape
    regrad.Size([2, 3, 3, 3])
    """

    _dims = 3
    _op = staticmethod(ops.conv_transpose3d)


# -- lazy


class _LazyConvNd(LazyModuleMixin, _ConvNd):
    """A convolution that takes ``in_channels`` from its first input."""

    def _make(self, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.register_parameter("bias", None)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        if not self.has_uninitialized_params():  # a state was loaded
            self.in_channels = self.weight.shape[0] if self.transposed else self.weight.shape[1] * self.groups
            return
        if input.ndim not in (self._dims + 1, self._dims + 2):
            raise ShapeError(
                f"Expected {self._dims + 1}D (unbatched) or {self._dims + 2}D (batched) input to {self._get_name()},"
                f" but got input of size: {list(input.shape)}"
            )
        self.in_channels = input.shape[-1 - self._dims]
        self._check_in_channels()
        self.weight.materialize(self._weight_shape())
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class _LazyConv(_LazyConvNd, _Conv):
    def __init__(
        self, out_channels: int, kernel_size: Ints, stride: Ints = 1, padding: str | Ints = 0, dilation: Ints = 1,
        groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            0, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )


class _LazyConvTranspose(_LazyConvNd, _ConvTransposeNd):
    def __init__(
        self, out_channels: int, kernel_size: Ints, stride: Ints = 1, padding: Ints = 0, output_padding: Ints = 0,
        groups: int = 1, bias: bool = True, dilation: Ints = 1, padding_mode: str = "zeros", device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            0, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode, device,
            dtype,
        )  # fmt: skip


class LazyConv1d(_LazyConv, Conv1d):
    """A `Conv1d` that takes ``in_channels`` from its first input. PyTorch: torch.nn.LazyConv1d.

    >>> layer = rg.nn.LazyConv1d(4, kernel_size=3)
    >>> layer(rg.ones(1, 2, 9)).shape, layer
    (regrad.Size([1, 4, 7]), Conv1d(2, 4, kernel_size=(3,), stride=(1,)))
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A `Conv2d` that takes ``in_channels`` from its first input. PyTorch: torch.nn.LazyConv2d.

    >>> layer = rg.nn.LazyConv2d(4, kernel_size=3)
    >>> layer(rg.ones(1, 2, 9, 9)).shape, layer
    (regrad.Size([1, 4, 7, 7]), Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1)))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A `Conv3d` that takes ``in_channels`` from its first input. PyTorch: torch.nn.LazyConv3d.

    >>> rg.nn.LazyConv3d(4, kernel_size=2)(rg.ones(1, 2, 3, 3, 3)).shape
    regrad.Size([1, 4, 2, 2, 2])
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A `ConvTranspose1d` that takes ``in_channels`` from its first input. PyTorch: torch.nn.LazyConvTranspose1d.

    >>> rg.nn.LazyConvTranspose1d(4, kernel_size=3)(rg.ones(1, 2, 7)).shape
    regrad.Size([1, 4, 9])
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A `ConvTranspose2d` that takes ``in_channels`` from its first input. PyTorch: torch.nn.LazyConvTranspose2d.

    >>> rg.nn.LazyConvTranspose2d(4, kernel_size=3)(rg.ones(1, 2, 7, 7)).shape
    regrad.Size([1, 4, 9, 9])
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A `ConvTranspose3d` that takes ``in_channels`` from its first input. PyTorch: torch.nn.LazyConvTranspose3d.

    >>> rg.nn.LazyConvTranspose3d(4, kernel_size=2)(rg.ones(1, 2, 2, 2, 2)).shape
    regrad.Size([1, 4, 3, 3, 3])
    """

    cls_to_become = ConvTranspose3d
