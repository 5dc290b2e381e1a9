"""Memory formats of convolution weights: there is one here, so that nothing is converted."""

from __future__ import annotations

from typing import Any

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def convert_conv2d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """The module as it is: kernels here take weights of any layout.

    PyTorch: torch.nn.utils.convert_conv2d_weight_memory_format.

    >>> rg.nn.utils.convert_conv2d_weight_memory_format(rg.nn.Conv2d(1, 2, 3), rg.channels_last)
    Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))
    """
    return module


convert_conv3d_weight_memory_format = convert_conv2d_weight_memory_format
