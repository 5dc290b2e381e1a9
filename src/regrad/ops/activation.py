"""Activations: what stands between the layers of a network. Start reading at `silu`.

Where a derivative is costly it is an op of its own (`silu_slope`), so that a gradient takes one call and few
temporaries, and the slope has its own rule for the second derivative. `between` and `outside` let a gradient
through on part of the line; they are linear in it.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import elementwise, general, linear
from regrad.errors import ShapeError
from regrad.graph.value import wrap
from regrad.kernels.reference import activation as kernels
from regrad.ops import arithmetic, choosing, exponential, joining, reduction, shaping, trigonometric
from regrad.ops.core import cast
from regrad.ops.random import drawing, numpy_generator
from regrad.ops.writing import inplace as in_place

__all__ = ["celu", "celu_", "hardshrink", "log_softmax", "prelu", "relu", "relu_", "rrelu", "rrelu_", "selu",
           "selu_", "softmax", "threshold", "threshold_"]


# -- gradients through part of the line


@linear(kernel=kernels.between, quiet=False, g=lambda g, x, *, low, high: between(g, x, low=low, high=high),
        shape=shapes.same, grad_name="ThresholdBackwardBackward0")  # fmt: skip
def between(g, x, *, low, high):
    """``g`` where ``low < x < high``, else zero, even where ``g`` is infinite."""


@linear(kernel=kernels.outside, quiet=False, g=lambda g, x, *, lambd: outside(g, x, lambd=lambd),
        shape=shapes.same, grad_name="HardshrinkBackwardBackward0")  # fmt: skip
def outside(g, x, *, lambd):
    """``g`` where ``x`` is outside of ``[-lambd, lambd]``, else zero."""


# -- piecewise linear


def _refuse_bool(input: Any, name: str) -> None:
    if input.dtype in (np.bool_, dtypes.bool_):
        raise RuntimeError(f"{name}: Boolean inputs not supported for {name}; convert with .float()")


@elementwise(x=lambda g, out: between(g, out, low=0, high=math.inf),
             kernel=kernels.relu, quiet=False, name="relu")  # fmt: skip
def rectified(x):
    """Each element, but zero where it is negative."""


def relu(input: Any, inplace: bool = False) -> Any:
    """Rectified linear unit ``max(0, x)``. Saves its result alone.

    PyTorch: torch.nn.functional.relu.

    >>> rg.relu(rg.tensor([-1., 0., 2.]))
    tensor([0., 0., 2.])
    """
    _refuse_bool(input, "relu")
    return relu_(input) if inplace else rectified(input)


@elementwise(kernel=kernels.clamped, quiet=False, name="hardtanh",
             x=lambda g, x, *, min_val, max_val: between(g, x, low=min_val, high=max_val))  # fmt: skip
def clipped(x, *, min_val, max_val):
    """Each element, brought into ``[min_val, max_val]``."""


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Each element clipped to ``[min_val, max_val]``. Raises ValueError if ``min_val > max_val``.

    PyTorch: torch.nn.functional.hardtanh.

    >>> rg.nn.functional.hardtanh(rg.tensor([-3., 0.5, 3.]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    _refuse_bool(input, "hardtanh")
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, got {min_val} > {max_val}")
    if inplace:
        return hardtanh_(input, min_val, max_val)
    return clipped(input, min_val=min_val, max_val=max_val)


def relu6(input: Any, inplace: bool = False) -> Any:
    """Rectified linear unit that stops at six, ``min(max(0, x), 6)``.

    PyTorch: torch.nn.functional.relu6.

    >>> rg.nn.functional.relu6(rg.tensor([-1., 3., 8.]))
    tensor([0., 3., 6.])
    """
    return hardtanh(input, 0, 6, inplace)


@elementwise(kernel=kernels.thresholded, quiet=False, name="threshold",
             x=lambda g, x, *, threshold: between(g, x, low=threshold, high=math.inf))  # fmt: skip
def passed(x, *, threshold, value):
    """Each element above ``threshold``, and ``value`` in place of the others."""


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """Each element above ``threshold``, and ``value`` in place of the others.

    PyTorch: torch.nn.functional.threshold.

    >>> rg.threshold(rg.tensor([0., 1., 2.]), 1., -5.)
    tensor([-5., -5.,  2.])
    """
    if inplace:
        return threshold_(input, threshold, value)
    return passed(input, threshold=threshold, value=value)


@linear(g=lambda g, x, *, negative_slope: leaky_pull(g, x, negative_slope=negative_slope),
        kernel=kernels.leaky_pull, shape=shapes.same, grad_name="LeakyReluBackwardBackward0")  # fmt: skip
def leaky_pull(g, x, *, negative_slope):
    """``g`` where ``x`` is positive, else ``negative_slope * g``."""


@elementwise(kernel=kernels.leaky, name="leaky_relu",
             x=lambda g, x, *, negative_slope: leaky_pull(g, x, negative_slope=negative_slope))  # fmt: skip
def leaky(x, *, negative_slope):
    """Each element, the negative ones times ``negative_slope``."""


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """Each element, the negative ones times ``negative_slope``.

    PyTorch: torch.nn.functional.leaky_relu.

    >>> rg.nn.functional.leaky_relu(rg.tensor([-1., 2.]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return leaky_relu_(input, negative_slope) if inplace else leaky(input, negative_slope=negative_slope)


@elementwise(x=lambda g, x, weight: choosing.where(x > 0, g, g * weight),
             weight=lambda g, x: choosing.where(x > 0, 0, g * x),
             kernel=kernels.prelu, name="prelu", grad_name="PreluKernelBackward0")  # fmt: skip
def parametric(x, weight):
    """Each element, the negative ones times their ``weight``."""


def prelu(input: Any, weight: Any) -> Any:
    """Each element, the negative ones times ``weight``: one number, or one for each channel (dimension 1).

    Raises RuntimeError if the sizes do not fit. He et al. (2015), https://arxiv.org/abs/1502.01852.
    PyTorch: torch.nn.functional.prelu.

    >>> rg.prelu(rg.tensor([-2., 2.]), rg.tensor([0.25]))
    tensor([-0.5000,  2.0000])
    """
    ndim, count = len(input.shape), math.prod(weight.shape)
    if len(weight.shape) > 1:
        raise ShapeError("prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = "
                         f"{len(weight.shape)}")
    if input.dtype != weight.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {input.dtype} and {weight.dtype}; "
                           "convert one")
    if count != 1:
        if ndim == 0:
            raise ShapeError("prelu: Not allow zero-dim input tensor.")
        channels = input.shape[1] if ndim > 1 else 1
        if channels != count:
            raise ShapeError("prelu: Mismatch of parameter numbers and input channel size. Found parameter "
                             f"numbers = {count} and channel size = {channels}; give one weight, or one for "
                             "each channel")
    lined = (1, count, *(1,) * (ndim - 2)) if ndim > 1 else (1,) * ndim
    if tuple(weight.shape) != lined:
        weight = shaping.reshape(weight, lined)
    return parametric(input, weight)


@elementwise(x=lambda g, noise: g * noise, name="rrelu", grad_name="RreluWithNoiseBackward0", dtype=None)
def scaled(x, noise):
    """Each element times its slope, drawn at random where it is negative and 1 elsewhere."""
    return x * noise


def rrelu(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False,
          inplace: bool = False) -> Any:
    """Leaky rectified linear unit; its slope is drawn from ``[lower, upper)`` in training, else their mean.

    Raises RuntimeError if ``lower > upper``. Xu et al. (2015), https://arxiv.org/abs/1505.00853.
    PyTorch: torch.nn.functional.rrelu.

    >>> rg.rrelu(rg.tensor([-2., 2.]), 0.25, 0.75)
    tensor([-1.,  2.])
    """
    if inplace:
        return rrelu_(input, lower, upper, training)
    if lower > upper:
        raise RuntimeError(f"rrelu: Lower bound should be less than or equal to the upper bound, got {lower} "
                           f"> {upper}")
    if not training:
        return leaky(input, negative_slope=(lower + upper) / 2)
    return _with_random_slopes(input, lower, upper)


@drawing
def _with_random_slopes(input: Any, lower: float, upper: float) -> Any:
    array = input.array
    noise = numpy_generator().uniform(lower, upper, array.shape).astype(array.dtype)
    return scaled(input, wrap(np.where(array > 0, array.dtype.type(1), noise)))


@elementwise(x=lambda g, x, *, lambd: outside(g, x, lambd=lambd),
             kernel=kernels.hardshrink, name="hardshrink", quiet=False)  # fmt: skip
def shrunk_hard(x, *, lambd):
    """Each element outside of ``[-lambd, lambd]``, zero in place of the others."""


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """Each element outside of ``[-lambd, lambd]``, zero in place of the others.

    PyTorch: torch.nn.functional.hardshrink.

    >>> rg.hardshrink(rg.tensor([-1., 0.25, 1.]))
    tensor([-1.,  0.,  1.])
    """
    return shrunk_hard(input, lambd=lambd)


@elementwise(x=lambda g, x, *, lambd: outside(g, x, lambd=lambd),
             kernel=kernels.softshrink, name="softshrink")  # fmt: skip
def shrunk_soft(x, *, lambd):
    """Each element moved towards zero by ``lambd``, and zero where it would pass it."""


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """Each element moved towards zero by ``lambd``, and zero where it would pass it.

    Raises RuntimeError for a negative ``lambd``.

    PyTorch: torch.nn.functional.softshrink.

    >>> rg.nn.functional.softshrink(rg.tensor([-2., 0.25, 1.]))
    tensor([-1.5000,  0.0000,  0.5000])
    """
    if not lambd >= 0:
        raise RuntimeError("softshrink: lambda must be in range [0, inf) for the input dtype, but found "
                           f"{lambd}")
    return shrunk_soft(input, lambd=lambd)


@elementwise(kernel=kernels.hardsigmoid, name="hardsigmoid", x=lambda g, x: between(g, x, low=-3, high=3) / 6)
def stepped(x):
    """``x / 6 + 1 / 2`` brought into [0, 1]."""


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """Sigmoid made of three straight lines, ``min(max(0, x / 6 + 1 / 2), 1)``.

    PyTorch: torch.nn.functional.hardsigmoid.

    >>> rg.nn.functional.hardsigmoid(rg.tensor([-4., 0., 4.]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return hardsigmoid_(input) if inplace else stepped(input)


@elementwise(kernel=kernels.hardswish_slope, x=lambda g, x: between(g, x, low=-3, high=3) / 3,
             grad_name="HardswishBackwardBackward0")  # fmt: skip
def hardswish_slope(x):
    """Derivative of `hardswish`."""


@elementwise(kernel=kernels.hardswish, name="hardswish", x=lambda g, x: g * hardswish_slope(x))
def swished(x):
    """``x hardsigmoid(x)``."""


def hardswish(input: Any, inplace: bool = False) -> Any:
    """``x hardsigmoid(x)``. Howard et al. (2019), https://arxiv.org/abs/1905.02244.

    PyTorch: torch.nn.functional.hardswish.

    >>> rg.nn.functional.hardswish(rg.tensor([-4., 1.5, 4.]))
    tensor([-0.0000,  1.1250,  4.0000])
    """
    return hardswish_(input) if inplace else swished(input)


# -- smooth


def _silu_curve(x: Any) -> Any:
    s = exponential.sigmoid(x)
    return s * (1 - s) * (2 + x * (1 - 2 * s))


@elementwise(kernel=kernels.silu_slope, x=lambda g, x: g * _silu_curve(x), grad_name="SiluBackwardBackward0")
def silu_slope(x):
    """Derivative of `silu`."""


@elementwise(kernel=kernels.silu, x=lambda g, x: g * silu_slope(x), name="silu")
def weighted_sigmoid(x):
    """``x sigmoid(x)``."""


def silu(input: Any, inplace: bool = False) -> Any:
    """Sigmoid linear unit ``x sigmoid(x)``, also called swish.

    PyTorch: torch.nn.functional.silu.

    >>> rg.nn.functional.silu(rg.tensor([-1., 0., 1.]))
    tensor([-0.2689,  0.0000,  0.7311])
    """
    return silu_(input) if inplace else weighted_sigmoid(input)


@elementwise(x=lambda g, x: g * exponential.exp(x * x * -0.5) * (2 - x * x) * (1 / math.sqrt(2 * math.pi)),
             kernel=kernels.gelu_slope, grad_name="GeluBackwardBackward0")  # fmt: skip
def gelu_slope(x):
    """Derivative of `gelu`."""


def _gelu_tanh_curve(x: Any) -> Any:
    square = x * x
    first = (1 + 3 * kernels.CUBE * square) * kernels.ROOT
    t = trigonometric.tanh((1 + kernels.CUBE * square) * x * kernels.ROOT)
    return (1 - t * t) * (first + 3 * kernels.CUBE * kernels.ROOT * square - x * t * first * first)


@elementwise(x=lambda g, x: g * _gelu_tanh_curve(x),
             kernel=kernels.gelu_tanh_slope, grad_name="GeluBackwardBackward0")  # fmt: skip
def gelu_tanh_slope(x):
    """Derivative of the tanh form of `gelu`."""


@elementwise(kernel=kernels.gelu, x=lambda g, x: g * gelu_slope(x), name="gelu")
def gaussian(x):
    """``x Φ(x)``."""


@elementwise(x=lambda g, x: g * gelu_tanh_slope(x),
             kernel=kernels.gelu_tanh, name="gelu_tanh", grad_name="GeluBackward0")  # fmt: skip
def gaussian_by_tanh(x):
    """``½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))``."""


def gelu(input: Any, *, approximate: str = "none") -> Any:
    """Gaussian error linear unit ``x Φ(x)``; with ``approximate="tanh"`` its approximation by a tanh.

    Hendrycks and Gimpel (2016), https://arxiv.org/abs/1606.08415. PyTorch: torch.nn.functional.gelu.

    >>> rg.nn.functional.gelu(rg.tensor([-1., 0., 1.]))
    tensor([-0.1587,  0.0000,  0.8413])
    """
    if approximate == "none":
        return gaussian(input)
    if approximate == "tanh":
        return gaussian_by_tanh(input)
    raise RuntimeError(f"gelu: approximate argument must be either none or tanh, got {approximate!r}")


def _mish_curve(x: Any) -> Any:
    s = exponential.sigmoid(x)
    t = trigonometric.tanh(softplus(x))
    bend = (1 - t * t) * s
    return bend * (2 + x * (1 - s - 2 * t * s))


@elementwise(kernel=kernels.mish_slope, x=lambda g, x: g * _mish_curve(x), grad_name="MishBackwardBackward0")
def mish_slope(x):
    """Derivative of `mish`."""


@elementwise(kernel=kernels.mish, x=lambda g, x: g * mish_slope(x), name="mish")
def mished(x):
    """``x tanh(log(1 + exp(x)))``."""


def mish(input: Any, inplace: bool = False) -> Any:
    """``x tanh(softplus(x))``. Misra (2019), https://arxiv.org/abs/1908.08681.

    PyTorch: torch.nn.functional.mish.

    >>> rg.nn.functional.mish(rg.tensor([-1., 0., 1.]))
    tensor([-0.3034,  0.0000,  0.8651])
    """
    return mish_(input) if inplace else mished(input)


@elementwise(kernel=kernels.softplus_slope, grad_name="SoftplusBackwardBackward0",
             x=lambda g, x, out, *, beta, threshold:
                 between(g * out * (1 - out) * beta, x * beta, low=-math.inf, high=threshold))  # fmt: skip
def softplus_slope(x, *, beta, threshold):
    """Derivative of `softplus`."""


@elementwise(x=lambda g, x, *, beta, threshold: g * softplus_slope(x, beta=beta, threshold=threshold),
             kernel=kernels.softplus, name="softplus")  # fmt: skip
def rounded(x, *, beta, threshold):
    """``log(1 + exp(beta x)) / beta``, and ``x`` where ``beta x > threshold``."""


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Smooth form of relu, ``log(1 + exp(beta x)) / beta``, and ``x`` itself where ``beta x > threshold``.

    PyTorch: torch.nn.functional.softplus.

    >>> rg.nn.functional.softplus(rg.tensor([0., 30.]))
    tensor([ 0.6931, 30.0000])
    """
    return rounded(input, beta=beta, threshold=threshold)


@elementwise(x=lambda g, x: g * exponential.sigmoid(-x),
             kernel=kernels.logsigmoid, grad_name="LogSigmoidBackward0")  # fmt: skip
def logsigmoid(x):
    """Logarithm of the sigmoid, ``min(x, 0) - log(1 + exp(-|x|))``.

    PyTorch: torch.nn.functional.logsigmoid.

    >>> rg.nn.functional.logsigmoid(rg.tensor([-100., 0.]))
    tensor([-100.0000,   -0.6931])
    """


@elementwise(kernel=kernels.elu_curve, x=lambda g, out, *, input_scale: g * out * input_scale)
def elu_curve(x, *, alpha, scale, input_scale):
    """Derivative of `elu_slope`."""


@elementwise(kernel=kernels.elu_slope, grad_name="EluBackwardBackward0",
             x=lambda g, x, *, alpha, scale, input_scale:
                 g * elu_curve(x, alpha=alpha, scale=scale, input_scale=input_scale))  # fmt: skip
def elu_slope(x, *, alpha, scale, input_scale):
    """Derivative of `elu`."""


@elementwise(kernel=kernels.elu, name="elu",
             x=lambda g, x, *, alpha, scale, input_scale:
                 g * elu_slope(x, alpha=alpha, scale=scale, input_scale=input_scale))  # fmt: skip
def exponential_linear(x, *, alpha=1.0, scale=1.0, input_scale=1.0):
    """``scale x`` where x > 0, else ``scale alpha (exp(input_scale x) - 1)``."""


def _celu_slope(x: Any, alpha: float) -> Any:
    """PyTorch takes the derivative at ``alpha`` rounded to float32, also in float64."""
    return elu_slope(x, alpha=alpha, scale=1.0, input_scale=1 / float(np.float32(alpha)))


@elementwise(x=lambda g, x, *, alpha: g * _celu_slope(x, alpha), name="celu")
def exponential_joined(x, *, alpha):
    """``x`` where x > 0, else ``alpha (exp(x / alpha) - 1)``."""
    return kernels.elu(x, alpha=alpha, scale=1.0, input_scale=1 / alpha)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Exponential linear unit: ``x`` where positive, else ``alpha (exp(x) - 1)``.

    Clevert et al. (2015), https://arxiv.org/abs/1511.07289. PyTorch: torch.nn.functional.elu.

    >>> rg.nn.functional.elu(rg.tensor([-1., 2.]))
    tensor([-0.6321,  2.0000])
    """
    return elu_(input, alpha) if inplace else exponential_linear(input, alpha=alpha)


SELU = {"alpha": 1.6732632423543772848170429916717, "scale": 1.0507009873554804934193349852946}


def selu(input: Any, inplace: bool = False) -> Any:
    """Scaled exponential linear unit, whose two constants keep activations at mean 0 and variance 1.

    Klambauer et al. (2017), https://arxiv.org/abs/1706.02515. PyTorch: torch.nn.functional.selu.

    >>> rg.selu(rg.tensor([-1., 1.]))
    tensor([-1.1113,  1.0507])
    """
    return selu_(input) if inplace else exponential_linear(input, **SELU)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Continuously differentiable `elu`: ``x`` where positive, else ``alpha (exp(x / alpha) - 1)``.

    Barron (2017), https://arxiv.org/abs/1704.07483. PyTorch: torch.nn.functional.celu.

    >>> rg.celu(rg.tensor([-1., 1.]), alpha=2.)
    tensor([-0.7869,  1.0000])
    """
    if alpha == 0:
        raise RuntimeError("celu: ZeroDivisionError: alpha cannot be 0 for CELU; the limit at 0 is relu")
    return celu_(input, alpha) if inplace else exponential_joined(input, alpha=alpha)


def tanhshrink(input: Any) -> Any:
    """``x - tanh(x)``.

    PyTorch: torch.nn.functional.tanhshrink.

    >>> rg.nn.functional.tanhshrink(rg.tensor([-1., 0., 1.]))
    tensor([-0.2384,  0.0000,  0.2384])
    """
    return arithmetic.sub(input, trigonometric.tanh(input))


def softsign(input: Any) -> Any:
    """``x / (1 + |x|)``.

    PyTorch: torch.nn.functional.softsign.

    >>> rg.nn.functional.softsign(rg.tensor([-1., 0., 3.]))
    tensor([-0.5000,  0.0000,  0.7500])
    """
    return input / (abs(input) + 1)


# -- gates


def _glu_shape(x: Any, *, dim: int) -> tuple[int, ...]:
    return (*x[:dim], x[dim] // 2, *x[dim + 1 :])


def _glu_pull(g: Any, x: Any, dim: int) -> Any:
    half = x.shape[dim] // 2
    a, s = shaping.narrow(x, dim, 0, half), exponential.sigmoid(shaping.narrow(x, dim, half, half))
    g = g * s
    return joining.cat((g, g * a * (1 - s)), dim)


def _glu_push(t: Any, x: Any, dim: int) -> Any:
    half = x.shape[dim] // 2
    a, of_a = (shaping.narrow(v, dim, 0, half) for v in (x, t))
    b, of_b = (shaping.narrow(v, dim, half, half) for v in (x, t))
    s = exponential.sigmoid(b)
    return s * (of_a + a * (1 - s) * of_b)


@general(kernel=kernels.glu, x=lambda g, x, *, dim: _glu_pull(g, x, dim), shape=_glu_shape, name="glu",
         jvp=lambda args, outs, tangents, params: _glu_push(tangents[0], args[0], **params))  # fmt: skip
def gated(x, *, dim):
    """The first half along ``dim`` times the sigmoid of the second."""


def glu(input: Any, dim: int = -1) -> Any:
    """Gated linear unit: the first half along ``dim`` times the sigmoid of the second half.

    Raises RuntimeError if the size of ``dim`` is odd. Dauphin et al. (2016),
    https://arxiv.org/abs/1612.08083. PyTorch: torch.nn.functional.glu.

    >>> rg.nn.functional.glu(rg.tensor([2., 4., 0., 0.]))
    tensor([1., 2.])
    """
    if not len(input.shape):
        raise RuntimeError("glu does not support scalars because halving size must be even; it got a 0-d "
                           "tensor")
    dim = shapes.dim_in(dim, len(input.shape), "glu")
    if input.shape[dim] % 2:
        raise ShapeError(f"glu: Halving dimension must be even, but dimension {dim} is size "
                         f"{input.shape[dim]}")
    return gated(input, dim=dim)


# -- along a dimension


def _softmax_pull(g: Any, out: Any, dim: int) -> Any:
    return out * (g - reduction.sum(g * out, dim, True))


@general(x=lambda g, out, *, dim: _softmax_pull(g, out, dim),
         jvp=lambda args, outs, tangents, params: _softmax_pull(tangents[0], outs[0], **params),
         kernel=kernels.softmax, name="softmax", shape=shapes.same)  # fmt: skip
def normalized(x, *, dim):
    """``exp(x)``, divided by its sum along ``dim``."""


def _log_softmax_push(t: Any, out: Any, dim: int) -> Any:
    return t - reduction.sum(t * exponential.exp(out), dim, True)


@general(x=lambda g, out, *, dim: g - exponential.exp(out) * reduction.sum(g, dim, True),
         jvp=lambda args, outs, tangents, params: _log_softmax_push(tangents[0], outs[0], **params),
         kernel=kernels.log_softmax, name="log_softmax", shape=shapes.same)  # fmt: skip
def log_normalized(x, *, dim):
    """Logarithm of the softmax along ``dim``."""


def _along(name: str, op: Any, input: Any, dim: Any, dtype: Any, level: int) -> Any:
    ndim = len(input.shape)
    if dim is None:
        warnings.warn(f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
                      "dim=X as an argument.", stacklevel=level)
        dim = 0 if ndim in (0, 1, 3) else 1
    if dtype is not None:
        input = cast(input, dtypes.to_numpy(dtype))
    return op(input, dim=shapes.dim_in(dim, ndim, name))


def softmax(input: Any, dim: int | None = None, _stacklevel: Any = 3, dtype: Any = None) -> Any:
    """Exponentials of the elements, divided by their sum along ``dim``: positive numbers that add up to 1.

    With ``dtype`` the elements are converted first. Integers need one: NotImplementedError.
    PyTorch: torch.nn.functional.softmax.

    >>> rg.softmax(rg.tensor([0., 0., 1000.]), dim=0)
    tensor([0., 0., 1.])
    """
    if isinstance(_stacklevel, dtypes.dtype):  # rg.softmax(x, 0, rg.float64)
        _stacklevel, dtype = 3, _stacklevel
    return _along("softmax", normalized, input, dim, dtype, _stacklevel)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: Any = 3, dtype: Any = None) -> Any:
    """Logarithm of the `softmax` along ``dim``, exact also where the softmax underflows.

    PyTorch: torch.nn.functional.log_softmax.

    >>> rg.log_softmax(rg.tensor([0., 0.]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    if isinstance(_stacklevel, dtypes.dtype):
        _stacklevel, dtype = 3, _stacklevel
    return _along("log_softmax", log_normalized, input, dim, dtype, _stacklevel)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """`softmax` of the negated elements.

    PyTorch: torch.nn.functional.softmin.

    >>> rg.nn.functional.softmin(rg.tensor([0., 1000.]), dim=0)
    tensor([1., 0.])
    """
    return _along("softmin", normalized, -input, dim, dtype, _stacklevel)


@drawing
def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """A sample of the Gumbel-softmax distribution with temperature ``tau``; ``hard`` makes it one-hot.

    The gradient of a hard sample is that of the soft one. Jang et al. (2016),
    https://arxiv.org/abs/1611.01144. PyTorch: torch.nn.functional.gumbel_softmax.

    >>> rg.nn.functional.gumbel_softmax(rg.zeros(3), hard=True).sum()
    tensor(1.)
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    array = logits.array
    gumbel = -np.log(numpy_generator().standard_exponential(array.shape)).astype(array.dtype)
    soft = softmax((logits + wrap(gumbel)) / tau, dim)
    if not hard:
        return soft
    one_hot = np.zeros_like(soft.array)
    np.put_along_axis(one_hot, soft.array.argmax(axis=dim, keepdims=True), 1, axis=dim)
    return wrap(one_hot) - soft.detach() + soft


relu_ = in_place(rectified, "relu_")
hardtanh_ = in_place(hardtanh, "hardtanh_")
threshold_ = in_place(threshold, "threshold_")
leaky_relu_ = in_place(leaky_relu, "leaky_relu_")
rrelu_ = in_place(rrelu, "rrelu_")
elu_ = in_place(elu, "elu_")
selu_ = in_place(selu, "selu_")
celu_ = in_place(celu, "celu_")
hardsigmoid_ = in_place(stepped, "hardsigmoid_")
hardswish_ = in_place(swished, "hardswish_")
silu_ = in_place(weighted_sigmoid, "silu_")
mish_ = in_place(mished, "mish_")

METHODS = {"hardshrink": hardshrink, "log_softmax": log_softmax, "prelu": prelu, "relu": relu,
           "softmax": softmax}  # fmt: skip
INPLACE = ("relu",)
FUNCTIONAL = ("celu", "celu_", "elu", "elu_", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid",
              "hardswish", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "log_softmax", "logsigmoid",
              "mish", "prelu", "relu", "relu6", "relu_", "rrelu", "rrelu_", "selu", "selu_", "silu",
              "softmax", "softmin", "softplus", "softshrink", "softsign", "tanhshrink", "threshold",
              "threshold_")
