"""Pooling layers: the largest element, the average or the norm of each window. They have no parameters.

For each kind a base class holds the arguments, as they were given, and calls the function; a public class says which
function that is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from regrad.nn.module import Module
from regrad.ops import pooling as ops
from regrad.ops.convolution import whole

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "FractionalMaxPool2d", "FractionalMaxPool3d",
    "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d",
    "MaxUnpool3d",
]  # fmt: skip

Ints = int | tuple[int, ...]


class _Pool(Module):
    _op: Callable[..., Any]
    _shown: tuple[str, ...]  # the attributes that the module prints

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)


# -- the largest element


class _MaxPoolNd(_Pool):
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0, dilation: Ints = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Any) -> Any:
        return self._op(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class MaxPool1d(_MaxPoolNd):
    """The largest element of each window of a signal (N, C, L) or (C, L): see `MaxPool2d`. PyTorch: torch.nn.MaxPool1d.

    >>> rg.nn.MaxPool1d(2)(rg.tensor([[1., 3., 2., 5.]]))
    tensor([[3., 5.]])
    """

    _op = staticmethod(ops.max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """The largest element of each window of an image (N, C, H, W) or (C, H, W).

    Windows of ``kernel_size`` begin ``stride`` apart, which is ``kernel_size`` unless given. ``ceil_mode`` keeps a last
    window that reaches out of the input; ``return_indices`` adds where in its plane each element was found, as
    `MaxUnpool2d` wants it. PyTorch: torch.nn.MaxPool2d.

    >>> rg.nn.MaxPool2d(2)(rg.arange(16.).reshape(1, 4, 4))
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """

    _op = staticmethod(ops.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """The largest element of each window of a volume: see `MaxPool2d`. PyTorch: torch.nn.MaxPool3d.

    >>> rg.nn.MaxPool3d(2)(rg.arange(8.).reshape(1, 2, 2, 2))
    tensor([[[[7.]]]])
    """

    _op = staticmethod(ops.max_pool3d)


class _AdaptivePoolNd(_Pool):
    _shown = ("output_size",)
    output_size: Any

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        return self._op(input, self.output_size)


class _AdaptiveMaxPoolNd(_AdaptivePoolNd):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Any) -> Any:
        return self._op(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest element of each of ``output_size`` windows that cover a signal evenly: see `AdaptiveMaxPool2d`.

    PyTorch: torch.nn.AdaptiveMaxPool1d.

    >>> rg.nn.AdaptiveMaxPool1d(2)(rg.tensor([[1., 3., 2., 5.]]))
    tensor([[3., 5.]])
    """

    _op = staticmethod(ops.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest element of each of ``output_size`` windows that cover an image evenly.

    The output has that size whatever the input's; None keeps a dimension as it is. ``return_indices`` adds where in its
    plane each element was found. PyTorch: torch.nn.AdaptiveMaxPool2d.

    >>> rg.nn.AdaptiveMaxPool2d((1, None))(rg.arange(6.).reshape(1, 2, 3))
    tensor([[[3., 4., 5.]]])
    """

    _op = staticmethod(ops.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest element of each of ``output_size`` windows that cover a volume evenly: see `AdaptiveMaxPool2d`.

    PyTorch: torch.nn.AdaptiveMaxPool3d.

    >>> rg.nn.AdaptiveMaxPool3d(1)(rg.arange(8.).reshape(1, 2, 2, 2))
    tensor([[[[7.]]]])
    """

    _op = staticmethod(ops.adaptive_max_pool3d)


class _FractionalMaxPoolNd(Module):
    _dims: int
    _op: Callable[..., Any]

    def __init__(
        self, kernel_size: Ints, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        name, dims = self._get_name(), self._dims
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{name}: give either output_size or output_ratio, and only one of them")
        if output_ratio is not None and not isinstance(output_ratio, (tuple, list)):
            output_ratio = (output_ratio,) * dims
        if output_ratio is not None and not all(0 < ratio < 1 for ratio in output_ratio):
            raise ValueError(f"{name}: output_ratio must be between 0 and 1 (got {output_ratio})")
        self.kernel_size = whole(name, "kernel_size", kernel_size, dims)
        self.output_size = None if output_size is None else whole(name, "output_size", output_size, dims)
        self.output_ratio, self.return_indices = output_ratio, return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Any) -> Any:
        return self._op(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The largest element of each window of an image; the windows are placed at random, so any ratio will do.

    Either ``output_size`` or ``output_ratio``, between 0 and 1, says how many there are. Graham (2014),
    https://arxiv.org/abs/1412.6071. PyTorch: torch.nn.FractionalMaxPool2d.

    >>> rg.nn.FractionalMaxPool2d(2, output_ratio=0.7)(rg.ones(1, 10, 10)).shape
    regrad.Size([1, 7, 7])
    """

    _dims = 2
    _op = staticmethod(ops.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The largest element of each window of a volume, placed at random: see `FractionalMaxPool2d`.

    PyTorch: torch.nn.FractionalMaxPool3d.

    >>> rg.nn.FractionalMaxPool3d(2, output_size=3)(rg.ones(1, 5, 5, 5)).shape
    regrad.Size([1, 3, 3, 3])
    """

    _dims = 3
    _op = staticmethod(ops.fractional_max_pool3d)


# -- max pooling undone


class _MaxUnpoolNd(_Pool):
    _dims: int
    _shown = ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0) -> None:
        super().__init__()
        name, dims = self._get_name(), self._dims
        self.kernel_size = whole(name, "kernel_size", kernel_size, dims)
        self.stride = self.kernel_size if stride is None else whole(name, "stride", stride, dims)
        self.padding = whole(name, "padding", padding, dims)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return self._op(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpoolNd):
    """The values of `MaxPool1d` put back to where they were found: see `MaxUnpool2d`. PyTorch: torch.nn.MaxUnpool1d.

    >>> values, indices = rg.nn.MaxPool1d(2, return_indices=True)(rg.tensor([[1., 3., 2., 5.]]))
    >>> rg.nn.MaxUnpool1d(2)(values, indices)
    tensor([[0., 3., 0., 5.]])
    """

    _dims = 1
    _op = staticmethod(ops.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """The values of `MaxPool2d` put back to where they were found, among zeros.

    The call takes the values, their indices and, where pooling makes several sizes equal, ``output_size``. PyTorch:
    torch.nn.MaxUnpool2d.

    >>> values, indices = rg.nn.MaxPool2d(2, return_indices=True)(rg.tensor([[[1., 2.], [4., 3.]]]))
    >>> rg.nn.MaxUnpool2d(2)(values, indices)
    tensor([[[0., 0.],
             [4., 0.]]])
    """

    _dims = 2
    _op = staticmethod(ops.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """The values of `MaxPool3d` put back to where they were found: see `MaxUnpool2d`. PyTorch: torch.nn.MaxUnpool3d.

    >>> rg.nn.MaxUnpool3d((1, 1, 2))(rg.tensor([[[[7.]]]]), rg.tensor([[[[1]]]]))
    tensor([[[[0., 7.]]]])
    """

    _dims = 3
    _op = staticmethod(ops.max_unpool3d)


# -- the average


class _AvgPoolNd(_Pool):
    _shown = ("kernel_size", "stride", "padding")

    def __init__(
        self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Any) -> Any:
        return self._op(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip


class AvgPool1d(_Pool):
    """The average of each window of a signal (N, C, L) or (C, L): see `AvgPool2d`. PyTorch: torch.nn.AvgPool1d.

    >>> rg.nn.AvgPool1d(2)(rg.tensor([[1., 3., 2., 4.]]))
    tensor([[2., 3.]])
    """

    _shown = _AvgPoolNd._shown

    def __init__(
        self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = whole("AvgPool1d", "kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else whole("AvgPool1d", "stride", stride, 1)
        self.padding = whole("AvgPool1d", "padding", padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Any) -> Any:
        """The averages."""
        return ops.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class AvgPool2d(_AvgPoolNd):
    """The average of each window of an image (N, C, H, W) or (C, H, W).

    Windows of ``kernel_size`` begin ``stride`` apart, which is ``kernel_size`` unless given. The sum is divided by
    ``divisor_override``, or by the number of elements of the window, with the padding's zeros if ``count_include_pad``.
    PyTorch: torch.nn.AvgPool2d.

    >>> rg.nn.AvgPool2d(2)(rg.tensor([[[1., 2.], [3., 6.]]]))
    tensor([[[3.]]])
    """

    _op = staticmethod(ops.avg_pool2d)


class AvgPool3d(_AvgPoolNd):
    """The average of each window of a volume: see `AvgPool2d`. PyTorch: torch.nn.AvgPool3d.

    >>> rg.nn.AvgPool3d(2)(rg.arange(8.).reshape(1, 2, 2, 2))
    tensor([[[[3.5000]]]])
    """

    _op = staticmethod(ops.avg_pool3d)


class AdaptiveAvgPool1d(_AdaptivePoolNd):
    """The average of each of ``output_size`` windows that cover a signal evenly: see `AdaptiveAvgPool2d`.

    PyTorch: torch.nn.AdaptiveAvgPool1d.

    >>> rg.nn.AdaptiveAvgPool1d(2)(rg.tensor([[1., 3., 2., 4.]]))
    tensor([[2., 3.]])
    """

    _op = staticmethod(ops.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptivePoolNd):
    """The average of each of ``output_size`` windows that cover an image evenly.

    The output has that size whatever the input's; None keeps a dimension as it is. PyTorch: torch.nn.AdaptiveAvgPool2d.

    >>> rg.nn.AdaptiveAvgPool2d(1)(rg.tensor([[[1., 2.], [3., 6.]]]))
    tensor([[[3.]]])
    """

    _op = staticmethod(ops.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptivePoolNd):
    """The average of each of ``output_size`` windows that cover a volume evenly: see `AdaptiveAvgPool2d`.

    PyTorch: torch.nn.AdaptiveAvgPool3d.

    >>> rg.nn.AdaptiveAvgPool3d(1)(rg.arange(8.).reshape(1, 2, 2, 2))
    tensor([[[[3.5000]]]])
    """

    _op = staticmethod(ops.adaptive_avg_pool3d)


# -- norms


class _LPPoolNd(_Pool):
    _shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Any) -> Any:
        return self._op(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool1d(_LPPoolNd):
    """The p-norm of each window of a signal, p = ``norm_type``: see `LPPool2d`. PyTorch: torch.nn.LPPool1d.

    >>> rg.nn.LPPool1d(2, kernel_size=2)(rg.tensor([[3., 4., 6., 8.]]))
    tensor([[ 5., 10.]])
    """

    _op = staticmethod(ops.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """The p-norm (Σ x^p)^(1/p) of each window of an image, p = ``norm_type``; at inf the largest |x|.

    PyTorch: torch.nn.LPPool2d.

    >>> rg.nn.LPPool2d(2, kernel_size=(1, 2))(rg.tensor([[[3., 4.]]]))
    tensor([[[5.]]])
    """

    _op = staticmethod(ops.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of a volume, p = ``norm_type``: see `LPPool2d`. PyTorch: torch.nn.LPPool3d.

    >>> rg.nn.LPPool3d(2, kernel_size=(1, 1, 2))(rg.tensor([[[[3., 4.]]]]))
    tensor([[[[5.]]]])
    """

    _op = staticmethod(ops.lp_pool3d)
