"""Padding layers: the input extended before and after its last dimensions. They have no parameters.

``padding`` is one number for all sides, or (before, after) of each dimension, the last one first; a negative number
crops. A base class for each mode calls `regrad.nn.functional.pad`; a public class says the number of dimensions.
"""

from __future__ import annotations

from operator import index as as_index
from typing import Any

from regrad.nn.module import Module
from regrad.ops.padding import pad

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d",
    "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip

Ints = int | tuple[int, ...]


class _PadNd(Module):
    _dims: int
    _mode: str

    def __init__(self, padding: Ints) -> None:
        super().__init__()
        several = padding if isinstance(padding, (tuple, list)) else (padding,) * (2 * self._dims)
        try:
            self.padding = tuple([as_index(n) for n in several])
        except TypeError:
            kind = type(several[0]).__name__
            raise TypeError(f"{self._get_name()}: padding must be int or tuple of ints, not {kind}") from None

    def forward(self, input: Any) -> Any:
        return pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


# -- by elements of the input


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Any) -> Any:
        if input.ndim not in (self._dims + 1, self._dims + 2):
            raise ValueError(
                f"{self._get_name()}: expected {self._dims + 1}D or {self._dims + 2}D input (got {input.ndim}D input)"
            )
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """A signal (N, C, L) or (C, L) extended by the elements at its other end. PyTorch: torch.nn.CircularPad1d.

    >>> rg.nn.CircularPad1d((2, 1))(rg.tensor([[1., 2., 3.]]))
    tensor([[2., 3., 1., 2., 3., 1.]])
    """

    _dims = 1


class CircularPad2d(_CircularPadNd):
    """An image (N, C, H, W) or (C, H, W) extended by the elements at its other end. PyTorch: torch.nn.CircularPad2d.

    >>> rg.nn.CircularPad2d((1, 0, 1, 0))(rg.tensor([[[1., 2.], [3., 4.]]]))
    tensor([[[4., 3., 4.],
             [2., 1., 2.],
             [4., 3., 4.]]])
    """

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """A volume (N, C, D, H, W) or (C, D, H, W) extended by its other end. PyTorch: torch.nn.CircularPad3d.

    >>> rg.nn.CircularPad3d(1)(rg.ones(1, 2, 3, 4)).shape
    regrad.Size([1, 4, 5, 6])
    """

    _dims = 3


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """A signal (N, C, L) or (C, L) extended by its mirror image; the edge is not repeated.

    PyTorch: torch.nn.ReflectionPad1d.

    >>> rg.nn.ReflectionPad1d((2, 1))(rg.tensor([[1., 2., 3.]]))
    tensor([[3., 2., 1., 2., 3., 2.]])
    """

    _dims = 1


class ReflectionPad2d(_ReflectionPadNd):
    """An image (N, C, H, W) or (C, H, W) extended by its mirror image; the edge is not repeated.

    PyTorch: torch.nn.ReflectionPad2d.

    >>> rg.nn.ReflectionPad2d((1, 0, 1, 0))(rg.tensor([[[1., 2.], [3., 4.]]]))
    tensor([[[4., 3., 4.],
             [2., 1., 2.],
             [4., 3., 4.]]])
    """

    _dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    """A volume (N, C, D, H, W) or (C, D, H, W) extended by its mirror image. PyTorch: torch.nn.ReflectionPad3d.

    >>> rg.nn.ReflectionPad3d(1)(rg.ones(1, 2, 3, 4)).shape
    regrad.Size([1, 4, 5, 6])
    """

    _dims = 3


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """A signal (N, C, L) or (C, L) extended by the element at its edge. PyTorch: torch.nn.ReplicationPad1d.

    >>> rg.nn.ReplicationPad1d((2, 1))(rg.tensor([[1., 2., 3.]]))
    tensor([[1., 1., 1., 2., 3., 3.]])
    """

    _dims = 1


class ReplicationPad2d(_ReplicationPadNd):
    """An image (N, C, H, W) or (C, H, W) extended by the elements at its edge. PyTorch: torch.nn.ReplicationPad2d.

    >>> rg.nn.ReplicationPad2d((1, 0, 1, 0))(rg.tensor([[[1., 2.], [3., 4.]]]))
    tensor([[[1., 1., 2.],
             [1., 1., 2.],
             [3., 3., 4.]]])
    """

    _dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    """A volume (N, C, D, H, W) or (C, D, H, W) extended by its edge. PyTorch: torch.nn.ReplicationPad3d.

    >>> rg.nn.ReplicationPad3d(1)(rg.ones(1, 2, 3, 4)).shape
    regrad.Size([1, 4, 5, 6])
    """

    _dims = 3


# -- by a number


class _ConstantPadNd(_PadNd):
    def __init__(self, padding: Ints, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        return pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """The last dimension extended by ``value``. PyTorch: torch.nn.ConstantPad1d.

    >>> rg.nn.ConstantPad1d((2, 1), 7)(rg.tensor([[1., 2.]]))
    tensor([[7., 7., 1., 2., 7.]])
    """

    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    """The last two dimensions extended by ``value``. PyTorch: torch.nn.ConstantPad2d.

    >>> rg.nn.ConstantPad2d((1, 0, 1, 0), 7)(rg.tensor([[[1., 2.]]]))
    tensor([[[7., 7., 7.],
             [7., 1., 2.]]])
    """

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """The last three dimensions extended by ``value``. PyTorch: torch.nn.ConstantPad3d.

    >>> rg.nn.ConstantPad3d(1, 7)(rg.ones(1, 2, 3, 4)).shape
    regrad.Size([1, 4, 5, 6])
    """

    _dims = 3


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: Ints) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd, ConstantPad1d):
    """The last dimension extended by zeros. PyTorch: torch.nn.ZeroPad1d.

    >>> rg.nn.ZeroPad1d((2, 1))(rg.tensor([[1., 2.]]))
    tensor([[0., 0., 1., 2., 0.]])
    """


class ZeroPad2d(_ZeroPadNd, ConstantPad2d):
    """The last two dimensions extended by zeros; a negative number crops. PyTorch: torch.nn.ZeroPad2d.

    >>> rg.nn.ZeroPad2d((1, 0, -1, 0))(rg.tensor([[[1., 2.], [3., 4.]]]))
    tensor([[[0., 3., 4.]]])
    """


class ZeroPad3d(_ZeroPadNd, ConstantPad3d):
    """The last three dimensions extended by zeros. PyTorch: torch.nn.ZeroPad3d.

    >>> rg.nn.ZeroPad3d(1)(rg.ones(1, 2, 3, 4)).shape
    regrad.Size([1, 4, 5, 6])
    """
