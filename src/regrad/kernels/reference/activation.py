"""Activations on arrays, and the slopes that their derivatives multiply with.

Start reading at `floating`, the frame around every function here, then at `silu`. Temporaries are reused in
place, which halves the time of a large array; nothing is done block by block, since NumPy's allocator keeps
these arrays warm. `keep` and `choose` replace `numpy.where`, whose branch on every element is ten times
slower on signs that follow no pattern.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.kernels.reference.special import ERF_DOUBLE, ERF_SINGLE, ratio

__all__ = ["at_least", "at_most", "between", "choose", "clamped", "elu", "elu_curve", "elu_slope", "floating",
           "gelu", "gelu_slope", "gelu_tanh", "gelu_tanh_slope", "glu", "hardshrink", "hardsigmoid",
           "hardswish", "hardswish_slope", "keep", "leaky", "leaky_pull", "log_softmax", "logsigmoid", "mish",
           "mish_slope", "outside", "prelu", "refuse_integers", "relu", "silu", "silu_slope", "softmax",
           "softplus", "softplus_slope", "softshrink", "thresholded",]

Array = Any  # a NumPy array; NumPy's own annotations know little more of most results
SINGLE, DOUBLE = np.dtype("f4"), np.dtype("f8")
WORD = {2: np.dtype("i2"), 4: np.dtype("i4"), 8: np.dtype("i8")}  # the integer as wide as a float
ZERO = {d: np.zeros((), d) for d in (SINGLE, DOUBLE)}  # an array: NumPy takes longer to convert Python's 0
FEW = 512  # elements up to which numpy.where costs less than its replacement


def floating(kernel: Callable[..., Array]) -> Callable[..., Array]:
    """The kernel for all floating dtypes and shapes: 16-bit floats go through float32, 0-d arrays through 1-d."""
    @functools.wraps(kernel)
    def call(x: Any, *others: Any, **params: Any) -> Array:
        if x.ndim and (x.dtype is SINGLE or x.dtype is DOUBLE):
            return kernel(x, *others, **params)
        return _rarely(kernel, x, others, params)

    return call


def refuse_integers(x: Any, name: str) -> None:
    """Raise NotImplementedError, as PyTorch does, for what is no floating-point array."""
    if x.dtype.kind not in "fV":
        kind = dtypes.of(x.dtype)
        raise NotImplementedError(f'"{name}" not implemented for {kind}; it takes floating-point tensors: '
                                  f"convert with .float()")  # fmt: skip


def _rarely(kernel: Callable[..., Array], x: Any, others: tuple[Any, ...], params: dict[str, Any]) -> Array:
    refuse_integers(x, kernel.__name__)
    wide = SINGLE if x.dtype.itemsize == 2 else np.dtype(x.dtype.type)
    arrays = (np.ndarray, np.generic)
    given = [np.atleast_1d(a).astype(wide, copy=False) if isinstance(a, arrays) else a for a in (x, *others)]
    return kernel(*given, **params).reshape(x.shape).astype(x.dtype, copy=False)


# Choosing without a branch: a mask as 0 and -1, which are no bits and all bits


def keep(g: Array, drop: Array) -> Array:
    """``g``, but zero where ``drop``."""
    if g.size <= FEW or g.itemsize not in WORD:
        return np.where(drop, g.dtype.type(0), g)
    bits = drop.view(np.int8) - np.int8(1)
    if bits.size < g.size:  # one mask for many: widened once
        bits = bits.astype(WORD[g.itemsize])
    return np.bitwise_and(g.view(WORD[g.itemsize]), bits).view(g.dtype)


def choose(mask: Array, a: Any, b: Any) -> Array:
    """``a`` where ``mask``, else ``b``: arrays of one shape and dtype, or a number for either."""
    dtype = a.dtype if isinstance(a, np.ndarray) else b.dtype
    if mask.size <= FEW or dtype.itemsize not in WORD:
        return np.where(mask, a, b).astype(dtype, copy=False)
    word = WORD[dtype.itemsize]
    a, b = (np.asarray(v, dtype).view(word) for v in (a, b))
    out = np.bitwise_xor(a, b)
    out &= np.negative(mask.view(np.int8))
    out ^= b
    return out.view(dtype)


def at_least(x: Array, low: float) -> Array:
    """``max(x, low)``. Against a number, NumPy's loop takes longer than filling an array with it first."""
    if x.size <= FEW:
        return np.maximum(x, low)
    out = np.empty_like(x)
    out.fill(low)
    return np.maximum(x, out, out=out)


def at_most(x: Array, high: float) -> Array:
    """``min(x, high)``, in the same way."""
    if x.size <= FEW:
        return np.minimum(x, high)
    out = np.empty_like(x)
    out.fill(high)
    return np.minimum(x, out, out=out)


def between(g: Array, x: Array, *, low: float, high: float) -> Array:
    """``g`` where ``low < x < high``, else zero."""
    drop = x <= low
    if high != math.inf:
        drop |= x >= high
    return keep(g, drop)


def outside(g: Array, x: Array, *, lambd: float) -> Array:
    """``g`` where ``x`` is outside of ``[-lambd, lambd]``, else zero."""
    drop = x <= lambd
    drop &= x >= -lambd
    return keep(g, drop)


# Activations


def relu(x: Array) -> Array:
    """``max(x, 0)``."""
    return np.maximum(x, ZERO.get(x.dtype, 0)) if x.size <= FEW else at_least(x, 0)


def clamped(x: Array, *, min_val: float, max_val: float) -> Array:
    """``x`` brought into ``[min_val, max_val]``; integers stay integers."""
    if x.dtype.kind in "iu":
        min_val, max_val = int(min_val), int(max_val)
    return at_most(at_least(x, min_val), max_val)


def thresholded(x: Array, *, threshold: float, value: float) -> Array:
    """``x`` where ``x > threshold`` or x is nan, else ``value``."""
    if x.dtype.kind == "b":
        refuse_integers(x, "threshold")
    return choose(x <= threshold, x.dtype.type(value), x)


@floating
def silu(x: Array) -> Array:
    """``x / (1 + exp(-x))``."""
    out = np.negative(x)
    np.exp(out, out=out)
    out += 1
    return np.divide(x, out, out=out)


@floating
def silu_slope(x: Array) -> Array:
    """Derivative of `silu`, ``s (1 + x (1 - s))`` with the sigmoid s."""
    s = np.negative(x)
    np.exp(s, out=s)
    s += 1
    np.reciprocal(s, out=s)
    out = 1 - s
    out *= x
    out += 1
    out *= s
    return out


# The error function is tanh(w) with w = u (1 + R(u²)) for a fitted R, so the normal distribution function Φ(x)
# is 1 / (1 + exp(-2 w)) at u = x / √2, which keeps its precision far below zero. Here R is a function of x².
NORMAL = {d: tuple(tuple(c * 0.5 ** (len(t) - 1 - k) for k, c in enumerate(t)) for t in tables)
          for d, tables in ((SINGLE, ERF_SINGLE), (DOUBLE, ERF_DOUBLE))}  # fmt: skip


def _inverse_normal(x: Array) -> Array:
    """``1 / Φ(x)``."""
    out = ratio(at_most(x * x, 200), *NORMAL[x.dtype])  # beyond 200, Φ is 0 or 1: x² must not overflow
    out += 1
    out *= x
    out *= -math.sqrt(2)
    np.exp(out, out=out)
    out += 1
    return out


@floating
def gelu(x: Array) -> Array:
    """``x Φ(x)`` with the normal distribution function Φ."""
    out = _inverse_normal(x)
    return np.divide(x, out, out=out)


@floating
def gelu_slope(x: Array) -> Array:
    """Derivative of `gelu`, ``Φ(x) + x φ(x)``."""
    out = _inverse_normal(x)
    np.reciprocal(out, out=out)
    bell = x * x
    bell *= -0.5
    np.exp(bell, out=bell)
    bell *= x
    bell *= 1 / math.sqrt(2 * math.pi)
    out += bell
    return out


CUBE, ROOT = 0.044715, math.sqrt(2 / math.pi)  # gelu's tanh form: ½ x (1 + tanh(ROOT (x + CUBE x³)))


def _gelu_inner(x: Array, square: Array) -> Array:
    out = square * CUBE
    out += 1
    out *= x
    out *= ROOT
    return np.tanh(out, out=out)


@floating
def gelu_tanh(x: Array) -> Array:
    """The tanh form of `gelu`."""
    out = _gelu_inner(x, x * x)
    out += 1
    out *= x
    out *= 0.5
    return out


@floating
def gelu_tanh_slope(x: Array) -> Array:
    """Derivative of `gelu_tanh`, ``½ (1 + t) + ½ x (1 - t²) u'`` with t = tanh u."""
    square = x * x
    t = _gelu_inner(x, square)
    out = t * t
    np.subtract(1, out, out=out)
    out *= x
    square *= 3 * CUBE
    square += 1
    square *= ROOT
    out *= square
    out += t
    out += 1
    out *= 0.5
    return out


def _mish_parts(x: Array) -> tuple[Array, Array, Array]:
    """Elements up to 30, their exponentials e, and e (e + 2). Beyond 30, mish(x) is x to the last bit."""
    x = at_most(x, 30)
    e = np.exp(x)
    n = e + 2
    n *= e
    return x, e, n


@floating
def mish(x: Array) -> Array:
    """``x tanh(softplus(x))``; with n = e (e + 2), the tanh is n / (n + 2)."""
    _, e, n = _mish_parts(x)
    np.add(n, 2, out=e)
    n /= e
    n *= x
    return n


@floating
def mish_slope(x: Array) -> Array:
    """Derivative of `mish`: with t = n / (n + 2), ``t + x t'`` and ``t' = 4 e (e + 1) / (n + 2)²``."""
    x, e, n = _mish_parts(x)
    over = n + 2
    n /= over
    x *= e
    e += 1
    x *= e
    x *= 4
    x /= over
    x /= over
    n += x
    return n


@floating
def logsigmoid(x: Array) -> Array:
    """``min(x, 0) - log(1 + exp(-|x|))``."""
    out = np.abs(x)
    np.negative(out, out=out)
    np.exp(out, out=out)
    np.log1p(out, out=out)
    return np.subtract(at_most(x, 0), out, out=out)


@floating
def softplus(x: Array, *, beta: float, threshold: float) -> Array:
    """``log(1 + exp(beta x)) / beta``, and x itself where ``beta x > threshold``."""
    scaled = x * beta
    out = np.exp(scaled)
    np.log1p(out, out=out)
    out /= beta
    return choose(scaled > threshold, x, out)


@floating
def softplus_slope(x: Array, *, beta: float, threshold: float) -> Array:
    """Derivative of `softplus`: the sigmoid of ``beta x``, and 1 beyond the threshold."""
    scaled = x * beta
    out = np.negative(scaled)
    np.exp(out, out=out)
    out += 1
    np.reciprocal(out, out=out)
    return choose(scaled > threshold, 1.0, out)


@floating
def elu(x: Array, *, alpha: float, scale: float, input_scale: float) -> Array:
    """``scale x`` where x > 0, else ``scale alpha (exp(input_scale x) - 1)``."""
    out = at_most(x, 0)
    out *= input_scale
    np.expm1(out, out=out)
    out *= alpha
    out += at_least(x, 0)  # one of the two terms is zero
    if scale != 1:
        out *= scale
    return out


@floating
def elu_slope(x: Array, *, alpha: float, scale: float, input_scale: float) -> Array:
    """Derivative of `elu`; at zero, that of the negative side."""
    out = at_most(x, 0)
    out *= input_scale
    np.exp(out, out=out)
    out *= alpha * scale * input_scale
    return choose(x > 0, scale, out)


@floating
def elu_curve(x: Array, *, alpha: float, scale: float, input_scale: float) -> Array:
    """Derivative of `elu_slope`, zero at zero."""
    out = at_most(x, 0)
    out *= input_scale
    np.exp(out, out=out)
    out *= alpha * scale * input_scale * input_scale
    return keep(out, x >= 0)


@floating
def leaky(x: Array, *, negative_slope: float) -> Array:
    """``x`` where x > 0, else ``negative_slope x``."""
    if 0 < negative_slope <= 1:
        out = x * negative_slope
        return np.maximum(x, out, out=out)
    out = at_most(x, 0)
    out *= negative_slope
    out += at_least(x, 0)
    return out


@floating
def leaky_pull(g: Array, x: Array, *, negative_slope: float) -> Array:
    """``g`` where x > 0, else ``negative_slope g``."""
    return choose(x > 0, g, g * negative_slope)


@floating
def hardsigmoid(x: Array) -> Array:
    """``x / 6 + 1 / 2`` clipped to [0, 1]."""
    out = at_most(at_least(x + 3, 0), 6)
    out /= 6
    return out


@floating
def hardswish(x: Array) -> Array:
    """``x hardsigmoid(x)``."""
    out = at_most(at_least(x + 3, 0), 6)
    out *= x
    out /= 6
    return out


@floating
def hardswish_slope(x: Array) -> Array:
    """Derivative of `hardswish`: ``x / 3 + 1 / 2`` inside of (-3, 3), 0 below and 1 above."""
    out = x / 3
    out += 0.5
    out = keep(out, x <= -3)
    return choose(x >= 3, 1.0, out)


@floating
def hardshrink(x: Array, *, lambd: float) -> Array:
    """``x`` outside of ``[-lambd, lambd]``, zero inside."""
    return outside(x, x, lambd=lambd)


@floating
def prelu(x: Array, weight: Array) -> Array:
    """``x`` where x > 0, else ``weight x``."""
    return choose(x > 0, x, x * weight)


@floating
def softshrink(x: Array, *, lambd: float) -> Array:
    """``x`` moved towards zero by ``lambd``, and zero where it would pass it."""
    return x - clamped(x, min_val=-lambd, max_val=lambd)


# Along a dimension


def glu(x: Array, *, dim: int) -> Array:
    """The first half of ``x`` along ``dim`` times the sigmoid of the second."""
    refuse_integers(x, "glu")
    if x.dtype.itemsize == 2:
        return glu(x.astype(SINGLE), dim=dim).astype(x.dtype)
    a, b = np.split(x, 2, dim)
    out = np.negative(b)
    np.exp(out, out=out)
    out += 1
    return np.divide(a, out, out=out)


@floating
def softmax(x: Array, *, dim: int) -> Array:
    """``exp(x) / Σ exp(x)`` along ``dim``, shifted by the largest element so that nothing overflows."""
    if not x.size:
        return x.copy()
    out = x - np.maximum.reduce(x, dim, keepdims=True)
    np.exp(out, out=out)
    out /= np.add.reduce(out, dim, keepdims=True)
    return out


@floating
def log_softmax(x: Array, *, dim: int) -> Array:
    """Logarithm of `softmax`."""
    if not x.size:
        return x.copy()
    out = x - np.maximum.reduce(x, dim, keepdims=True)
    out -= np.log(np.add.reduce(np.exp(out), dim, keepdims=True))
    return out
