"""Exponentials, logarithms, powers and roots, element by element. Start reading at `exp`; powers at `pow`.

A power has three ops, as in PyTorch: of two tensors (`power`), of a tensor to a number (`power_by`) and of a
number to a tensor (`power_of`). The last two save one array.
"""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.declare import elementwise, general
from regrad.kernels.reference import elementwise as kernels
from regrad.ops import return_types
from regrad.ops.arguments import ARRAYS, dtype_of, not_a_tensor, tensors_only
from regrad.ops.arithmetic import abs as magnitude
from regrad.ops.arithmetic import zero
from regrad.ops.choosing import only
from regrad.ops.core import cast
from regrad.ops.writing import inplace

__all__ = [
    "exp", "exp2", "expm1", "float_power", "frexp", "ldexp", "log", "log10", "log1p", "log2", "logaddexp",
    "logaddexp2", "logit", "pow", "rsqrt", "sigmoid", "sqrt", "square", "xlogy",
]

LN2, LN10 = math.log(2), math.log(10)


# -- exponentials


@elementwise(kernel=np.exp, dtype="float", x=lambda g, out: g * out)
def exp(x):
    """Exponential ``e ** x`` of each element.

    >>> rg.exp(rg.tensor([0., 1.]))
    tensor([1.0000, 2.7183])
    """


@elementwise(kernel=np.exp2, dtype="float", x=lambda g, out: g * out * LN2)
def exp2(x):
    """Power ``2 ** x`` of each element.

    >>> rg.exp2(rg.tensor([0., 3.]))
    tensor([1., 8.])
    """


@elementwise(kernel=np.expm1, dtype="float", x=lambda g, out: g * (out + 1))
def expm1(x):
    """``exp(x) - 1`` of each element, exact also for small ``x``.

    >>> rg.expm1(rg.tensor([0., 1e-10]))
    tensor([0.0000e+00, 1.0000e-10])
    """


@elementwise(kernel=kernels.sigmoid, dtype="float", x=lambda g, out: g * (1 - out) * out)
def sigmoid(x):
    """Logistic function ``1 / (1 + exp(-x))`` of each element.

    >>> rg.sigmoid(rg.tensor([0., 100.]))
    tensor([0.5000, 1.0000])
    """


# -- logarithms


@elementwise(kernel=np.log, dtype="float", x=lambda g, x: g / x)
def log(x):
    """Natural logarithm of each element.

    >>> rg.log(rg.tensor([1., 10.]))
    tensor([0.0000, 2.3026])
    """


@elementwise(kernel=np.log2, dtype="float", x=lambda g, x: g / (x * LN2))
def log2(x):
    """Logarithm to base 2 of each element.

    >>> rg.log2(rg.tensor([1., 8.]))
    tensor([0., 3.])
    """


@elementwise(kernel=np.log10, dtype="float", x=lambda g, x: g / (x * LN10))
def log10(x):
    """Logarithm to base 10 of each element.

    >>> rg.log10(rg.tensor([1., 2.]))
    tensor([0.0000, 0.3010])
    """


@elementwise(kernel=np.log1p, dtype="float", x=lambda g, x: g / (x + 1))
def log1p(x):
    """``log(1 + x)`` of each element, exact also for small ``x``.

    >>> rg.log1p(rg.tensor([0., 1e-10]))
    tensor([0.0000e+00, 1.0000e-10])
    """


@tensors_only
@elementwise(kernel=kernels.logaddexp,
             a=lambda g, a, b: g / (1 + exp(b - a)),
             b=lambda g, a, b: g / (1 + exp(a - b)))
def logaddexp(a, b):
    """``log(exp(a) + exp(b))`` of each pair of elements, without overflow.

    >>> rg.logaddexp(rg.tensor([0., 100.]), rg.tensor([0., 100.]))
    tensor([  0.6931, 100.6931])
    """


@tensors_only
@elementwise(kernel=kernels.limited("logaddexp2", "f", np.logaddexp2),
             a=lambda g, a, b: g / (1 + exp2(b - a)),
             b=lambda g, a, b: g / (1 + exp2(a - b)))
def logaddexp2(a, b):
    """``log2(2 ** a + 2 ** b)`` of each pair of elements, without overflow.

    >>> rg.logaddexp2(rg.tensor([0., 100.]), rg.tensor([0., 100.]))
    tensor([  1., 101.])
    """


@elementwise(kernel=kernels.xlogy, dtype="float",
             a=lambda g, a, b: only(xlogy(g, b), (a != 0) | (b > 0) | (b != b)),
             b=lambda g, a, b: g * a / b)
def xlogy(a, b):
    """``a * log(b)`` of each pair of elements, and 0 where ``a`` is 0 unless ``b`` is nan.

    >>> rg.xlogy(rg.tensor([0., 2.]), rg.tensor([0., 1.]))
    tensor([0., 0.])
    """


def _logit_slope(g: Any, x: Any, eps: Any) -> Any:
    """``g / (x * (1 - x))`` inside the bounds; outside 0, or nan where there are no bounds but 0 and 1."""
    slope = g / (x * (1 - x))
    if eps is None:
        return only(slope, (x >= 0) & (x <= 1), math.nan)
    return only(slope, (x >= eps) & (x <= 1 - eps))


@elementwise(kernel=kernels.logit, name="logit", dtype="float",
             x=lambda g, x, *, eps: _logit_slope(g, x, eps))
def log_odds(x, *, eps):
    """Logarithm of the odds ``x / (1 - x)`` of each element."""


def logit(input: Any, eps: float | None = None) -> Any:
    """Logarithm of the odds, ``log(x / (1 - x))``, of each element: the inverse of `sigmoid`.

    With ``eps``, ``x`` is first brought into ``[eps, 1 - eps]``.

    >>> rg.logit(rg.tensor([0.5, 0.9]))
    tensor([0.0000, 2.1972])
    """
    return log_odds(input, eps=eps)


# -- roots and powers


@elementwise(kernel=np.sqrt, dtype="float", x=lambda g, out: g / (2 * out))
def sqrt(x):
    """Square root of each element.

    >>> rg.sqrt(rg.tensor([4., 9.]))
    tensor([2., 3.])
    """


@elementwise(kernel=kernels.rsqrt, dtype="float", x=lambda g, out: -0.5 * g * (out * out * out))
def rsqrt(x):
    """One over the square root of each element.

    >>> rg.rsqrt(rg.tensor([4., 16.]))
    tensor([0.5000, 0.2500])
    """


@elementwise(kernel=kernels.square, grad_name="PowBackward0", x=lambda g, x: g * (2 * x))
def square(x):
    """Square of each element.

    >>> rg.square(rg.tensor([-3., 4.]))
    tensor([ 9., 16.])
    """


def _power_slope(g: Any, x: Any, exponent: Any) -> Any:
    return zero(g) if exponent == 0 else g * (exponent * power_by(x, exponent=exponent - 1))


@elementwise(kernel=kernels.power_by, grad_name="PowBackward0",
             x=lambda g, x, *, exponent: _power_slope(g, x, exponent))
def power_by(x, *, exponent):
    """Each element to the power of one number."""


@elementwise(kernel=kernels.power, name="pow", grad_name="PowBackward1",
             a=lambda g, a, b: only(g * (b * a ** (b - 1)), b != 0),
             b=lambda g, a, b, out: only(g * (out * log(a)), (a != 0) | (b != magnitude(b))))
def power(a, b):
    """Power ``a ** b`` of each pair of elements."""


def _power_of_slope(g: Any, out: Any, base: Any) -> Any:
    if base == 0:
        return only(g * out * -math.inf, magnitude(out) > 1)  # 0 ** x is 0 or 1 unless x is negative
    if isinstance(base, complex) or dtype_of(out).kind == "c":
        return g * (out * cmath.log(base))
    return g * (out * (math.log(base) if base > 0 else math.nan))


@elementwise(grad_name="PowBackward2", x=lambda g, out, *, base: _power_of_slope(g, out, base))
def power_of(x, *, base):
    """One number to the power of each element."""
    if x.dtype.kind in "iub":
        base = np.asarray(base).astype(x.dtype)
    return kernels.power(base, x)


def _unified(input: Any, number: Any) -> Any:
    """The tensor ``input`` in the dtype that it and ``number`` have in common."""
    dtype, category = dtype_of(input), dtypes.TENSOR if input.ndim else dtypes.SCALAR
    common = dtypes.result_dtype(((dtype, category), (type(number), dtypes.NUMBER)))
    return input if common == dtype else cast(input, common)


def pow(input: Any, exponent: Any) -> Any:
    """``input`` to the power of ``exponent``, element by element; one of them may be a number.

    The gradient at exponent 0 is 0, and so is the exponent's gradient at base 0. Whole numbers have no
    negative powers.

    >>> rg.tensor([2., 3.]) ** 2, 2 ** rg.tensor([2., 3.])
    (tensor([4., 9.]), tensor([4., 8.]))
    """
    if isinstance(input, ARRAYS):
        if isinstance(exponent, ARRAYS):
            return power(input, exponent)
        if type(exponent) not in (float, int) or dtype_of(input).kind != "f":
            if not isinstance(exponent, (int, float, complex)):
                raise not_a_tensor("pow", "exponent", 2, exponent)
            input = _unified(input, exponent)
        return square(input) if exponent == 2 else power_by(input, exponent=exponent)
    if isinstance(exponent, ARRAYS) and isinstance(input, (int, float, complex)):
        return power_of(_unified(exponent, input), base=input)
    raise not_a_tensor("pow", "input", 1, input)


def raised_from(self: Any, other: Any) -> Any:
    """Power ``other ** self``."""
    return pow(other, self)


def float_power(input: Any, exponent: Any) -> Any:
    """``input`` to the power of ``exponent``, computed in float64 (complex128 if one of them is complex).

    >>> rg.float_power(rg.tensor([2, 3]), 2)
    tensor([4., 9.], dtype=regrad.float64)
    """
    pair = [input, exponent]
    if not any(isinstance(x, ARRAYS) for x in pair):
        raise not_a_tensor("float_power", "input", 1, input)
    kinds = [dtype_of(x).kind if isinstance(x, ARRAYS) else np.asarray(x).dtype.kind for x in pair]
    wide = np.dtype("c16" if "c" in kinds else "f8")
    return pow(*[cast(x, wide) if isinstance(x, ARRAYS) else x for x in pair])


# -- mantissa and exponent


@tensors_only
@elementwise(kernel=kernels.ldexp, dtype="float",
             a=lambda g, b: g * exp2(b),
             b=lambda g, out: g * out * LN2)
def ldexp(a, b):
    """``a * 2 ** b`` of each pair of elements.

    >>> rg.ldexp(rg.tensor([1., 3.]), rg.tensor([2, -1]))
    tensor([4.0000, 1.5000])
    """


def _frexp_jvp(_args: Any, outs: Any, tangents: Any, _params: Any) -> Any:
    return ldexp(tangents[0], -outs[1]), None


@general(kernel=kernels.frexp, name="frexp", outs=("mantissa", "exponent"), diff=(0,), jvp=_frexp_jvp,
         shape=lambda x: (x, x),
         x=lambda g, exponent: ldexp(g, -exponent))
def split_exponent(x):
    """Mantissa in [0.5, 1) and power of two of each element."""


def frexp(input: Any) -> Any:
    """Mantissa (of size 0.5 to below 1) and exponent of each element: ``input = mantissa * 2 ** exponent``.

    >>> rg.frexp(rg.tensor([8., 3.]))
    regrad.return_types.frexp(
    mantissa=tensor([0.5000, 0.7500]),
    exponent=tensor([4, 2], dtype=regrad.int32))
    """
    return return_types.frexp(*split_exponent(input))


METHODS = {name: globals()[name] for name in __all__} | {
    "__pow__": pow, "__rpow__": raised_from, "__ipow__": inplace(pow, "pow_"),
}
INPLACE = (
    "exp", "exp2", "expm1", "float_power", "ldexp", "log", "log10", "log1p", "log2", "logit", "pow",
    "rsqrt", "sigmoid", "sqrt", "square", "xlogy",
)
FUNCTIONAL = ("sigmoid",)
