"""Affine and bilinear layers. Start reading at `Linear`."""
# ruff: noqa: D102, RUF012 - each class says what its forward computes; __constants__ are lists, as in PyTorch

from __future__ import annotations

import math
from typing import Any

from regrad.nn import functional as F
from regrad.nn import init
from regrad.nn.describe import Described, say_where
from regrad.nn.lazy import LazyModuleMixin
from regrad.nn.module import Module
from regrad.nn.parameter import Parameter, UninitializedParameter
from regrad.ops.creation import empty

__all__ = ["Bilinear", "Identity", "LazyLinear", "Linear"]


class Identity(Module):
    """What comes in goes out; whatever arguments it is built with mean nothing. PyTorch: torch.nn.Identity.

    >>> rg.nn.Identity(54, unused=True)(rg.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class _Affine(Described):
    """Weight and bias, and what the layers of this family do with them alike."""

    weight: Any
    bias: Any

    def _make(self, shape: tuple[int, ...], bias: bool, device: Any, dtype: Any) -> None:
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(shape[0], device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew from their starting distributions."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, bias={self.bias is not None}"


class Linear(_Affine):
    """The affine map ``y = x @ weight.T + bias`` of the last dimension.

    (..., in_features) → (..., out_features), with ``weight`` (out_features, in_features) and ``bias`` (out_features).
    Both start uniform in ±1/√in_features. Raises RuntimeError for an input of another width or dtype.
    PyTorch: torch.nn.Linear.

    >>> rg.nn.Linear(20, 30)(rg.ones(128, 20)).shape
    regrad.Size([128, 30])
    """

    __constants__ = ["in_features", "out_features"]

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self._make((out_features, in_features), bias, device, dtype)

    def reset_parameters(self) -> None:
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        try:
            return F.linear(input, self.weight, self.bias)
        except RuntimeError as error:
            say_where(self, error)
            raise


class Bilinear(_Affine):
    """The bilinear map ``y[k] = x1 @ weight[k] @ x2 + bias[k]`` of the last dimensions of two inputs.

    (..., in1_features), (..., in2_features) → (..., out_features), with ``weight`` (out_features, in1_features,
    in2_features). Weight and bias start uniform in ±1/√in1_features. Raises ValueError unless there is an in1_feature.
    PyTorch: torch.nn.Bilinear.

    >>> rg.nn.Bilinear(20, 30, 40)(rg.ones(128, 20), rg.ones(128, 30)).shape
    regrad.Size([128, 40])
    """

    __constants__ = ["in1_features", "in2_features", "out_features"]

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={in1_features})")
        super().__init__()
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self._make((out_features, in1_features, in2_features), bias, device, dtype)

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.weight.shape[1])
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Any, input2: Any) -> Any:
        try:
            return F.bilinear(input1, input2, self.weight, self.bias)
        except RuntimeError as error:
            say_where(self, error)
            raise


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` that takes ``in_features`` from the last dimension of its first input. PyTorch: torch.nn.LazyLinear.

    >>> layer = rg.nn.LazyLinear(3)
    >>> layer(rg.ones(5, 4)).shape
    regrad.Size([5, 3])
    >>> layer
    Linear(in_features=4, out_features=3, bias=True)
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False, device, dtype)
        self.out_features = out_features
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params() and self.in_features:
            super().reset_parameters()

    def initialize_parameters(self, input: Any) -> None:
        if not self.has_uninitialized_params():  # a state was loaded
            self.in_features = self.weight.shape[-1]
            return
        if not input.ndim:
            raise IndexError("LazyLinear: the input has no dimensions, whose last would be in_features; it is (..., F)")
        self.in_features = input.shape[-1]
        self.weight.materialize((self.out_features, self.in_features))
        if self.bias is not None:
            self.bias.materialize((self.out_features,))
        self.reset_parameters()
