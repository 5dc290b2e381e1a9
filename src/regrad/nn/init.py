"""Starting values of parameters, written in place.

Each function fills a tensor, records nothing and returns the tensor. ``generator=`` draws from a source of its own.
Start reading at `xavier_uniform_` and `kaiming_uniform_`, which choose the scale by the tensor's fans.

PyTorch: https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad.autograd.grad_mode import no_grad
from regrad.graph.value import wrap
from regrad.ops.random import Generator, draw_normal, numpy_generator
from regrad.ops.writing import copy_

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]


def _write(tensor: Any, array: Any) -> Any:
    with no_grad():
        return copy_(tensor, wrap(array.astype(tensor.array.dtype, copy=False)))


# -- the same number everywhere, and identities


def constant_(tensor: Any, val: Any) -> Any:
    """Fill the tensor with one number. PyTorch: torch.nn.init.constant_.

    >>> rg.nn.init.constant_(rg.empty(2), 0.3)
    tensor([0.3000, 0.3000])
    """
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Any) -> Any:
    """Fill the tensor with ones. PyTorch: torch.nn.init.ones_.

    >>> rg.nn.init.ones_(rg.empty(2))
    tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Any) -> Any:
    """Fill the tensor with zeros. PyTorch: torch.nn.init.zeros_.

    >>> rg.nn.init.zeros_(rg.empty(2))
    tensor([0., 0.])
    """
    with no_grad():
        return tensor.zero_()


def eye_(tensor: Any) -> Any:
    """Fill the matrix with ones on its diagonal, so that a linear layer passes its input on.

    PyTorch: torch.nn.init.eye_.

    >>> rg.nn.init.eye_(rg.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_: Only tensors with 2 dimensions are supported, got {tensor.ndim}")
    return _write(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """Fill the weight of a convolution so that it passes its input channels on, as many as fit, in each group.

    The weight has 3, 4 or 5 dimensions; ones stand at the centre of kernels. PyTorch: torch.nn.init.dirac_.

    >>> rg.nn.init.dirac_(rg.empty(2, 2, 3))[1]
    tensor([[0., 0., 0.],
            [0., 1., 0.]])
    """
    shape = tensor.shape
    if not 3 <= len(shape) <= 5:
        raise ValueError(f"dirac_: Only tensors with 3, 4, or 5 dimensions are supported, got {len(shape)}")
    if groups < 1 or shape[0] % groups:
        raise ValueError(f"dirac_: dim 0 must be divisible by groups, got {shape[0]} channels and groups={groups}")
    out = np.zeros(shape)
    centre = tuple(n // 2 for n in shape[2:])
    each = shape[0] // groups
    for group in range(groups):
        for channel in range(min(each, shape[1])):
            out[(group * each + channel, channel, *centre)] = 1
    return _write(tensor, out)


# -- random numbers with the distribution given


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Any:
    """Fill the tensor with numbers from the uniform distribution on [a, b). PyTorch: torch.nn.init.uniform_.

    >>> w = rg.nn.init.uniform_(rg.empty(3, 5), -1, 1)
    >>> bool((w.abs() <= 1).all())
    True
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Any:
    """Fill the tensor with numbers from the normal distribution. PyTorch: torch.nn.init.normal_.

    >>> rg.nn.init.normal_(rg.empty(2), mean=3.0, std=0.0)
    tensor([3., 3.])
    """
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Any,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Any:
    """Fill the tensor with numbers from the part of the normal distribution between ``a`` and ``b``.

    The bounds are values, not multiples of ``std``. PyTorch: torch.nn.init.trunc_normal_.

    >>> w = rg.nn.init.trunc_normal_(rg.empty(3, 5), std=0.02, a=-0.04, b=0.04)
    >>> bool((w.abs() <= 0.04).all())
    True
    """
    if tensor.array.dtype.kind not in "fV":
        raise NotImplementedError(f"trunc_normal_: not implemented for {tensor.dtype}; convert with .float()")
    if not (math.isfinite(mean) and 0 < std < math.inf and a <= b):
        raise RuntimeError(
            f"trunc_normal_ expects a finite mean, std > 0 and a <= b, but found {mean=}, {std=}, {a=}, {b=}"
        )
    if not a - 2 * std <= mean <= b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    return _write(tensor, _truncated(tensor.shape, mean, std, a, b, numpy_generator(generator)))


def _truncated(shape: Any, mean: float, std: float, a: float, b: float, rng: np.random.Generator) -> Any:
    """Normal numbers in [a, b] by rejection: proposals are drawn again until each is accepted.

    Where the interval holds much of the distribution the proposals are normal, otherwise uniform over its likely part.
    """
    low, high = (a - mean) / std, (b - mean) / std
    inside = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
    peak = min(max(0.0, low), high)
    reach = min(9.0, 40 / abs(peak)) if peak else 9.0  # so far from its peak the density has fallen to e^-40 of it
    out = np.empty(math.prod(shape))
    undecided = np.arange(out.size)
    while undecided.size:
        if inside > 0.3:
            z = rng.standard_normal(undecided.size)
            good = (z >= low) & (z <= high)
        else:
            z = rng.uniform(max(low, peak - reach), min(high, peak + reach), undecided.size)
            good = (z - peak) * (z + peak) / 2 <= rng.standard_exponential(undecided.size)
        out[undecided] = z
        undecided = undecided[~good]
    return np.clip(out * std + mean, a, b).reshape(shape)


# -- random numbers with a scale that suits a layer

_GAINS: dict[str, float] = {
    "linear": 1,
    "conv1d": 1,
    "conv2d": 1,
    "conv3d": 1,
    "conv_transpose1d": 1,
    "conv_transpose2d": 1,
    "conv_transpose3d": 1,
    "sigmoid": 1,
    "tanh": 5 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much the weights before a nonlinearity are enlarged so that it keeps the scale of what passes.

    ``param`` is the slope of "leaky_relu" for negative numbers (0.01). PyTorch: torch.nn.init.calculate_gain.

    >>> rg.nn.init.calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: negative_slope {slope!r} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"calculate_gain: Unsupported nonlinearity {nonlinearity}; known are {', '.join(_GAINS)}, leaky_relu"
        )
    return _GAINS[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """How many inputs each output of a layer with this weight has, and how many outputs each input."""
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, got shape "
            f"{list(shape)}; biases are usually filled with zeros_ or uniform_"
        )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


def _xavier_std(tensor: Any, gain: float) -> float:
    return gain * math.sqrt(2.0 / (sum(_calculate_fan_in_and_fan_out(tensor)) or 1))  # 0 for a tensor without elements


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Generator | None = None) -> Any:
    """Fill the weight from U(-a, a) with a = gain·√(6 / (fan_in + fan_out)).

    Glorot & Bengio, 2010: Understanding the difficulty of training deep feedforward neural networks.
    PyTorch: torch.nn.init.xavier_uniform_.

    >>> w = rg.nn.init.xavier_uniform_(rg.empty(3, 3))
    >>> bool((w.abs() <= 1).all())
    True
    """
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Generator | None = None) -> Any:
    """Fill the weight from N(0, std²) with std = gain·√(2 / (fan_in + fan_out)).

    Glorot & Bengio, 2010. PyTorch: torch.nn.init.xavier_normal_.

    >>> rg.nn.init.xavier_normal_(rg.empty(3, 5), gain=rg.nn.init.calculate_gain("relu")).shape
    regrad.Size([3, 5])
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float | None:
    """The standard deviation; None for a tensor without elements, after a warning."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def kaiming_uniform_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Any:
    """Fill the weight from U(-b, b) with b = gain·√(3 / fan).

    ``a``             the slope of a leaky ReLU after the layer
    ``mode``          "fan_in" keeps the scale of the forward pass, "fan_out" that of the backward pass
    ``nonlinearity``  what `calculate_gain` is asked for

    He et al., 2015: Delving deep into rectifiers. PyTorch: torch.nn.init.kaiming_uniform_.

    >>> w = rg.nn.init.kaiming_uniform_(rg.empty(5, 6), nonlinearity="relu")
    >>> bool((w.abs() <= 1).all())
    True
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Any:
    """Fill the weight from N(0, std²) with std = gain / √fan; see `kaiming_uniform_` for the arguments.

    He et al., 2015. PyTorch: torch.nn.init.kaiming_normal_.

    >>> rg.nn.init.kaiming_normal_(rg.empty(3, 5), mode="fan_out", nonlinearity="relu").shape
    regrad.Size([3, 5])
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Any, gain: float = 1, generator: Generator | None = None) -> Any:
    """Fill the tensor with orthonormal rows, or with orthonormal columns where it has more rows, times ``gain``.

    Dimensions after the first count as one. Saxe et al., 2013: Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks. PyTorch: torch.nn.init.orthogonal_.

    >>> w = rg.nn.init.orthogonal_(rg.empty(3, 5, dtype=rg.float64))
    >>> rg.allclose(w @ w.T, rg.eye(3, dtype=rg.float64))
    True
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: Only tensors with 2 or more dimensions are supported, got {tensor.ndim}")
    if not tensor.numel():
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    drawn = draw_normal((rows, columns), tensor.array.dtype, generator)
    if drawn.dtype.itemsize < 4:  # NumPy factorises no half precision
        drawn = drawn.astype(np.float32)
    q, r = np.linalg.qr(drawn.T if rows < columns else drawn)
    q = q * np.sign(np.diagonal(r))  # all orthogonal matrices equally likely: Mezzadri, 2006
    return _write(tensor, (gain * (q.T if rows < columns else q)).reshape(tensor.shape))


def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Any:
    """Fill the matrix from N(0, std²), with the fraction ``sparsity`` of each column zero.

    Martens, 2010: Deep learning via Hessian-free optimization. PyTorch: torch.nn.init.sparse_.

    >>> (rg.nn.init.sparse_(rg.empty(4, 2), 0.5) == 0).sum(0)
    tensor([2, 2])
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: Only tensors with 2 dimensions are supported, got {tensor.ndim}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity is a fraction between 0 and 1, got {sparsity}")
    rows = tensor.shape[0]
    normal_(tensor, 0.0, std, generator)
    order = numpy_generator(generator).permuted(np.tile(np.arange(rows)[:, None], tensor.shape[1]), axis=0)
    return _write(tensor, np.where(order < math.ceil(sparsity * rows), 0, tensor.array))


# -- names of old


def _deprecated(function: Callable[..., Any]) -> Callable[..., Any]:
    old = function.__name__[:-1]

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{old}_`.", FutureWarning, stacklevel=2
        )
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = old
    call.__doc__ = f"`{old}_` under its old name, deprecated."
    return call


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
