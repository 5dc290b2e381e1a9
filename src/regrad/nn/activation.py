"""Activations as modules: each keeps its settings and calls its function.

Nearly all have no parameters; `PReLU` has. Start reading at `ReLU` and `ELU`: the others are made alike.
"""
# ruff: noqa: D102, RUF012 - each class says what its forward computes; __constants__ are lists, as in PyTorch

from __future__ import annotations

import warnings
from typing import Any

from regrad.nn import functional as F
from regrad.nn import init
from regrad.nn.describe import Described
from regrad.nn.module import Module
from regrad.nn.parameter import Parameter
from regrad.ops.creation import empty

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid",
    "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmax2d",
    "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


class _InPlace(Described):
    """An activation that may write its result into its input; it prints that only where it does."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        shown = [f"{name}={getattr(self, name)}" for name in self.__constants__ if name != "inplace"]
        return ", ".join(shown + ["inplace=True"] * bool(self.inplace))


class _Shrinking(Described):
    """An activation that takes out what is within ``lambd`` of 0."""

    __constants__ = ["lambd"]

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class _WithAlpha(_InPlace):
    """An activation that nears ``-alpha`` below 0."""

    __constants__ = ["alpha", "inplace"]

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha


class _Along(Described):
    """An activation that sets the elements along one dimension against each other."""

    __constants__ = ["dim"]
    dim: Any

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim


# -- cut, bent and shrunk


class Threshold(_InPlace):
    """``x`` where it is above ``threshold``, else ``value``. PyTorch: torch.nn.Threshold.

    >>> rg.nn.Threshold(0.5, 20.)(rg.tensor([0., 1.]))
    tensor([20.,  1.])
    """

    __constants__ = ["threshold", "value", "inplace"]

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold, self.value = threshold, value

    def forward(self, input: Any) -> Any:
        return F.threshold(input, self.threshold, self.value, self.inplace)


class ReLU(_InPlace):
    """``max(0, x)``.

    Nair and Hinton (2010), https://www.cs.toronto.edu/~fritz/absps/reluICML.pdf. PyTorch: torch.nn.ReLU.

    >>> rg.nn.ReLU()(rg.tensor([-1., 2.]))
    tensor([0., 2.])
    """

    __constants__ = ["inplace"]

    def forward(self, input: Any) -> Any:
        return F.relu(input, self.inplace)


class RReLU(_InPlace):
    """``x`` above 0, below it ``a x``: in training each ``a`` is drawn from [lower, upper], else it is their mean.

    Xu et al. (2015), https://arxiv.org/abs/1505.00853. PyTorch: torch.nn.RReLU.

    >>> rg.nn.RReLU(0.25, 0.75).eval()(rg.tensor([-1., 2.]))
    tensor([-0.5000,  2.0000])
    """

    __constants__ = ["lower", "upper", "inplace"]

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower, self.upper = lower, upper

    def forward(self, input: Any) -> Any:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Hardtanh(_InPlace):
    """``x`` kept within [min_val, max_val]. ``min_value`` and ``max_value`` are their old names.

    Raises AssertionError unless ``max_val`` is above ``min_val``. PyTorch: torch.nn.Hardtanh.

    >>> rg.nn.Hardtanh()(rg.tensor([-3., 0.5, 3.]))
    tensor([-1.0000,  0.5000,  1.0000])
    """

    __constants__ = ["min_val", "max_val", "inplace"]

    def __init__(
        self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False, min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(inplace)
        for old, new, given in (("min_value", "min_val", min_value), ("max_value", "max_val", max_value)):
            if given is not None:
                warnings.warn(
                    f"keyword argument `{old}` is deprecated and renamed to `{new}`", FutureWarning, stacklevel=2
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        if not self.max_val > self.min_val:
            raise AssertionError(f"Hardtanh: max_val ({self.max_val}) must be greater than min_val ({self.min_val})")

    def forward(self, input: Any) -> Any:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """``min(max(0, x), 6)``. Howard et al. (2017), https://arxiv.org/abs/1704.04861. PyTorch: torch.nn.ReLU6.

    >>> rg.nn.ReLU6()(rg.tensor([-1., 2., 8.]))
    tensor([0., 2., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(_InPlace):
    """``x`` above 0, below it ``negative_slope x``. PyTorch: torch.nn.LeakyReLU.

    >>> rg.nn.LeakyReLU(0.5)(rg.tensor([-1., 2.]))
    tensor([-0.5000,  2.0000])
    """

    __constants__ = ["inplace", "negative_slope"]

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Any) -> Any:
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class PReLU(Described):
    """``x`` above 0, below it ``weight x``; the weight is learnt, one for all channels or one for each (dimension 1).

    It starts at ``init``. He et al. (2015), https://arxiv.org/abs/1502.01852. PyTorch: torch.nn.PReLU.

    >>> rg.nn.PReLU(2)(rg.tensor([[-4., -8.]]))
    tensor([[-1., -2.]], grad_fn=<PreluKernelBackward0>)
    """

    __constants__ = ["num_parameters"]
    weight: Any

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to its starting value."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Any) -> Any:
        return F.prelu(input, self.weight)


class Hardshrink(_Shrinking):
    """``x`` where ``|x| > lambd``, else 0. PyTorch: torch.nn.Hardshrink.

    >>> rg.nn.Hardshrink()(rg.tensor([-1., 0.25, 2.]))
    tensor([-1.,  0.,  2.])
    """

    def forward(self, input: Any) -> Any:
        return F.hardshrink(input, self.lambd)


class Softshrink(_Shrinking):
    """``x`` moved towards 0 by ``lambd``, and 0 where that would cross it. PyTorch: torch.nn.Softshrink.

    >>> rg.nn.Softshrink()(rg.tensor([-1., 0.25, 2.]))
    tensor([-0.5000,  0.0000,  1.5000])
    """

    def forward(self, input: Any) -> Any:
        return F.softshrink(input, self.lambd)


class Tanhshrink(Module):
    """``x - tanh(x)``. PyTorch: torch.nn.Tanhshrink.

    >>> rg.nn.Tanhshrink()(rg.tensor([0., 1.]))
    tensor([0.0000, 0.2384])
    """

    def forward(self, input: Any) -> Any:
        return F.tanhshrink(input)


# -- sigmoids


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``. PyTorch: torch.nn.Sigmoid.

    >>> rg.nn.Sigmoid()(rg.tensor([0., 100.]))
    tensor([0.5000, 1.0000])
    """

    def forward(self, input: Any) -> Any:
        return F.sigmoid(input)


class LogSigmoid(Module):
    """``log(1 / (1 + exp(-x)))``, exact also where the sigmoid rounds to 0. PyTorch: torch.nn.LogSigmoid.

    >>> rg.nn.LogSigmoid()(rg.tensor([0., -200.]))
    tensor([  -0.6931, -200.0000])
    """

    def forward(self, input: Any) -> Any:
        return F.logsigmoid(input)


class Hardsigmoid(_InPlace):
    """``min(max(0, x / 6 + 1/2), 1)``. PyTorch: torch.nn.Hardsigmoid.

    >>> rg.nn.Hardsigmoid()(rg.tensor([-3., 0., 3.]))
    tensor([0.0000, 0.5000, 1.0000])
    """

    __constants__ = ["inplace"]

    def forward(self, input: Any) -> Any:
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""


class Tanh(Module):
    """The hyperbolic tangent. PyTorch: torch.nn.Tanh.

    >>> rg.nn.Tanh()(rg.tensor([0., 1.]))
    tensor([0.0000, 0.7616])
    """

    def forward(self, input: Any) -> Any:
        return F.tanh(input)


class Softsign(Module):
    """``x / (1 + |x|)``. PyTorch: torch.nn.Softsign.

    >>> rg.nn.Softsign()(rg.tensor([-1., 3.]))
    tensor([-0.5000,  0.7500])
    """

    def forward(self, input: Any) -> Any:
        return F.softsign(input)


class Softplus(Described):
    """``log(1 + exp(beta x)) / beta``, and ``x`` itself where ``beta x`` is above ``threshold``.

    PyTorch: torch.nn.Softplus.

    >>> rg.nn.Softplus()(rg.tensor([0., 30.]))
    tensor([ 0.6931, 30.0000])
    """

    __constants__ = ["beta", "threshold"]

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Any) -> Any:
        return F.softplus(input, self.beta, self.threshold)


# -- gated by themselves


class SiLU(_InPlace):
    """``x sigmoid(x)``, also called swish.

    Hendrycks and Gimpel (2016), https://arxiv.org/abs/1606.08415. PyTorch: torch.nn.SiLU.

    >>> rg.nn.SiLU()(rg.tensor([-1., 1.]))
    tensor([-0.2689,  0.7311])
    """

    __constants__ = ["inplace"]

    def forward(self, input: Any) -> Any:
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """``x tanh(softplus(x))``. Misra (2019), https://arxiv.org/abs/1908.08681. PyTorch: torch.nn.Mish.

    >>> rg.nn.Mish()(rg.tensor([-1., 1.]))
    tensor([-0.3034,  0.8651])
    """

    __constants__ = ["inplace"]

    def forward(self, input: Any) -> Any:
        return F.mish(input, self.inplace)


class Hardswish(_InPlace):
    """``x min(max(0, x + 3), 6) / 6``.

    Howard et al. (2019), https://arxiv.org/abs/1905.02244. PyTorch: torch.nn.Hardswish.

    >>> rg.nn.Hardswish()(rg.tensor([-3., 3.]))
    tensor([-0.,  3.])
    """

    __constants__ = ["inplace"]

    def forward(self, input: Any) -> Any:
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        return ""


class GELU(Described):
    """``x Φ(x)``, with the normal distribution's Φ; ``approximate="tanh"`` takes a tanh that comes close to it.

    Hendrycks and Gimpel (2016), https://arxiv.org/abs/1606.08415. PyTorch: torch.nn.GELU.

    >>> rg.nn.GELU()(rg.tensor([-1., 1.]))
    tensor([-0.1587,  0.8413])
    """

    __constants__ = ["approximate"]

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class GLU(_Along):
    """``a sigmoid(b)`` of the two halves ``a`` and ``b`` of the input along ``dim``.

    Dauphin et al. (2016), https://arxiv.org/abs/1612.08083. PyTorch: torch.nn.GLU.

    >>> rg.nn.GLU()(rg.tensor([4., 0.]))
    tensor([2.])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__(dim)

    def forward(self, input: Any) -> Any:
        return F.glu(input, self.dim)


# -- exponential below 0


class ELU(_WithAlpha):
    """``x`` above 0, below it ``alpha (exp(x) - 1)``.

    Clevert et al. (2015), https://arxiv.org/abs/1511.07289. PyTorch: torch.nn.ELU.

    >>> rg.nn.ELU()(rg.tensor([-1., 2.]))
    tensor([-0.6321,  2.0000])
    """

    def forward(self, input: Any) -> Any:
        return F.elu(input, self.alpha, self.inplace)


class CELU(_WithAlpha):
    """``x`` above 0, below it ``alpha (exp(x / alpha) - 1)``.

    Barron (2017), https://arxiv.org/abs/1704.07483. PyTorch: torch.nn.CELU.

    >>> rg.nn.CELU(2.)(rg.tensor([-2., 2.]))
    tensor([-1.2642,  2.0000])
    """

    def forward(self, input: Any) -> Any:
        return F.celu(input, self.alpha, self.inplace)


class SELU(_InPlace):
    """An `ELU` scaled so that a deep network keeps mean 0 and variance 1.

    Klambauer et al. (2017), https://arxiv.org/abs/1706.02515. PyTorch: torch.nn.SELU.

    >>> rg.nn.SELU()(rg.tensor([-1., 1.]))
    tensor([-1.1113,  1.0507])
    """

    __constants__ = ["inplace"]

    def forward(self, input: Any) -> Any:
        return F.selu(input, self.inplace)


# -- shares of a whole


class Softmax(_Along):
    """``exp(x)`` over its sum along ``dim``: positive shares that add up to 1. PyTorch: torch.nn.Softmax.

    >>> rg.nn.Softmax(dim=1)(rg.tensor([[0., 0.]]))
    tensor([[0.5000, 0.5000]])
    """

    def forward(self, input: Any) -> Any:
        return F.softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(_Along):
    """The logarithm of `Softmax`, exact also where that rounds to 0. PyTorch: torch.nn.LogSoftmax.

    >>> rg.nn.LogSoftmax(dim=1)(rg.tensor([[0., 0.]]))
    tensor([[-0.6931, -0.6931]])
    """

    def forward(self, input: Any) -> Any:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmin(_Along):
    """`Softmax` of ``-x``. PyTorch: torch.nn.Softmin.

    >>> rg.nn.Softmin(dim=0)(rg.tensor([0., 100.]))
    tensor([1.0000e+00, 3.7835e-44])
    """

    def forward(self, input: Any) -> Any:
        return F.softmin(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """`Softmax` over the channels at each place of (N, C, H, W) or (C, H, W). PyTorch: torch.nn.Softmax2d.

    Raises ValueError for other numbers of dimensions.

    >>> rg.nn.Softmax2d()(rg.zeros(2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Any) -> Any:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)
