"""Changes of shape as modules: dimensions joined and split, channels shuffled, patches taken out and put back."""
# ruff: noqa: D102, RUF012 - each class says what its forward computes; __constants__ are lists, as in PyTorch

from __future__ import annotations

from typing import Any

from regrad.nn import functional as F
from regrad.nn.describe import Described
from regrad.ops.shaping import flatten, unflatten

__all__ = ["ChannelShuffle", "Flatten", "Fold", "PixelShuffle", "PixelUnshuffle", "Unflatten", "Unfold"]

Ints = int | tuple[int, ...]


class Flatten(Described):
    """The dimensions from ``start_dim`` to ``end_dim`` joined into one; by default all but the batch.

    PyTorch: torch.nn.Flatten.

    >>> rg.nn.Flatten()(rg.ones(32, 1, 5, 5)).shape
    regrad.Size([32, 25])
    """

    __constants__ = ["start_dim", "end_dim"]

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        return flatten(input, self.start_dim, self.end_dim)


class Unflatten(Described):
    """Dimension ``dim`` split into ``unflattened_size``, of which one size may be -1: what is left.

    Raises TypeError unless that is a tuple of ints. PyTorch: torch.nn.Unflatten.

    >>> rg.nn.Unflatten(1, (2, 5, 5))(rg.ones(2, 50)).shape
    regrad.Size([2, 2, 5, 5])
    """

    __constants__ = ["dim", "unflattened_size"]

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                "Unflatten: unflattened_size must be a tuple of ints, but found type"
                f" {type(unflattened_size).__name__}"
            )
        for i, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    "Unflatten: unflattened_size must be tuple of ints, but found element of type"
                    f" {type(size).__name__} at pos {i}"
                )
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Any) -> Any:
        return unflatten(input, self.dim, self.unflattened_size)


class PixelShuffle(Described):
    """(..., C r², H, W) → (..., C, H r, W r): channels become pixels, for an ``upscale_factor`` r.

    Shi et al. (2016), https://arxiv.org/abs/1609.05158. PyTorch: torch.nn.PixelShuffle.

    >>> rg.nn.PixelShuffle(3)(rg.ones(1, 9, 4, 4)).shape
    regrad.Size([1, 1, 12, 12])
    """

    __constants__ = ["upscale_factor"]

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Any) -> Any:
        return F.pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(Described):
    """(..., C, H r, W r) → (..., C r², H, W): what `PixelShuffle` does, undone. PyTorch: torch.nn.PixelUnshuffle.

    >>> rg.nn.PixelUnshuffle(3)(rg.ones(1, 1, 12, 12)).shape
    regrad.Size([1, 9, 4, 4])
    """

    __constants__ = ["downscale_factor"]

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Any) -> Any:
        return F.pixel_unshuffle(input, self.downscale_factor)


class ChannelShuffle(Described):
    """The channels (dimension 1) of ``groups`` groups in turn: the first of each, the second of each, and so on.

    Zhang et al. (2017), https://arxiv.org/abs/1707.01083. PyTorch: torch.nn.ChannelShuffle.

    >>> rg.nn.ChannelShuffle(2)(rg.arange(4.).reshape(1, 4, 1)).flatten()
    tensor([0., 2., 1., 3.])
    """

    __constants__ = ["groups"]

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Any) -> Any:
        return F.channel_shuffle(input, self.groups)


class Unfold(Described):
    """The patches of an image, one column each: (N, C, H, W) → (N, C × patch size, number of patches).

    PyTorch: torch.nn.Unfold.

    >>> rg.nn.Unfold(kernel_size=(2, 3))(rg.ones(2, 5, 3, 4)).shape
    regrad.Size([2, 30, 4])
    """

    __constants__ = ["kernel_size", "dilation", "padding", "stride"]

    def __init__(self, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Any) -> Any:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(Described):
    """An image of ``output_size`` from its patches, as `Unfold` takes them; where patches overlap they are summed.

    (N, C × patch size, number of patches) → (N, C, H, W). PyTorch: torch.nn.Fold.

    >>> rg.nn.Fold(output_size=(4, 5), kernel_size=(2, 2))(rg.ones(1, 3 * 4, 12)).shape
    regrad.Size([1, 3, 4, 5])
    """

    __constants__ = ["output_size", "kernel_size", "dilation", "padding", "stride"]

    def __init__(
        self, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Any) -> Any:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)
