"""Images made larger or smaller, as modules. Start reading at `Upsample`."""
# ruff: noqa: D102, RUF012 - each class says what its forward computes; __constants__ are lists, as in PyTorch

from __future__ import annotations

from typing import Any

from regrad.nn import functional as F
from regrad.nn.module import Module

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """The input (N, C, ...) resized to ``size``, or by ``scale_factor``: one number, or one for each dimension.

    ``mode`` is "nearest", "linear", "bilinear", "bicubic", "trilinear" or another of `functional.interpolate`'s.
    Raises ValueError when called unless exactly one of ``size`` and ``scale_factor`` was given.
    PyTorch: torch.nn.Upsample.

    >>> rg.nn.Upsample(scale_factor=2)(rg.tensor([[[1., 2.]]]))
    tensor([[[1., 1., 2., 2.]]])
    """

    __constants__ = ["size", "scale_factor", "mode", "align_corners", "name", "recompute_scale_factor"]

    def __init__(
        self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.name, self.size, self.mode = type(self).__name__, size, mode
        if isinstance(scale_factor, tuple):
            self.scale_factor: Any = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Any) -> Any:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        asked = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{asked}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of (N, C, H, W) by the nearest pixel. PyTorch: torch.nn.UpsamplingNearest2d.

    >>> rg.nn.UpsamplingNearest2d(scale_factor=2)(rg.ones(1, 1, 2, 3)).shape
    regrad.Size([1, 1, 4, 6])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of (N, C, H, W), linear in both directions, with the corners kept in place.

    PyTorch: torch.nn.UpsamplingBilinear2d.

    >>> rg.nn.UpsamplingBilinear2d((1, 3))(rg.tensor([[[[0., 1.]]]]))
    tensor([[[[0.0000, 0.5000, 1.0000]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", align_corners=True)
