"""What elementwise ops mean on arrays, where NumPy's ufunc is not the whole answer.

NumPy and PyTorch part ways on whole numbers (division by zero, negative powers, roundings that leave them as
they are), on the sign of nan and on which dtypes an op is for. An operand may be a Python number wherever the
other is an array. Start reading at `limited`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "addcmul", "clamp", "copysign", "floor_divide", "fmod", "frac", "frexp", "heaviside", "isclose",
    "ldexp", "lerp", "limited", "logaddexp", "logit", "nan_to_num", "negative", "power", "power_by",
    "real_only", "refusal", "remainder", "round_decimals", "rsqrt", "scaled_sum", "sigmoid", "sign",
    "square", "trunc_divide", "unrounded", "xlogy",
]

NUMBERS = {bool, int, float, complex}
KINDS = {"b": "bool", "i": "integers", "u": "unsigned integers", "f": "floating-point", "c": "complex"}


def dtype_of(a: Any, *rest: Any) -> Any:
    """The dtype of one or two operands, of which one may be a Python number."""
    return (rest[0] if type(a) in NUMBERS else a).dtype


def refusal(name: str, dtype: Any, kinds: str) -> NotImplementedError:
    """The error of an op that is not for ``dtype``, only for the ``kinds``, given as NumPy's letters."""
    takes = ", ".join(KINDS[k] for k in kinds if k != "u")
    return NotImplementedError(f'"{name}" not implemented for {dtype.name}; it takes {takes}: '
                               f"convert with .to() first")


def limited(name: str, kinds: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
    """``kernel`` for the dtypes of some ``kinds`` alone."""

    def checked(*operands: Any) -> Any:
        dtype = dtype_of(*operands)
        if dtype.kind not in kinds:
            raise refusal(name, dtype, kinds)
        return kernel(*operands)

    return checked


def real_only(name: str, x: Any) -> Any:
    """``x``, which must not be complex."""
    if x.dtype.kind == "c":
        raise RuntimeError(f"{name} is not supported for complex tensors; it takes angles, which are real")
    return x


# -- division


def _checked_divisor(name: str, a: Any, b: Any) -> None:
    dtype = dtype_of(a, b)
    if dtype.kind in "iu":
        if not np.all(b):
            raise RuntimeError(f"{name}: ZeroDivisionError: a divisor is zero, and whole numbers have no inf "
                               f"or nan to say so; divide floating-point tensors, or replace the zeros")
    elif dtype.kind != "f":
        raise refusal(name, dtype, "iuf")


def floor_divide(a: Any, b: Any) -> Any:
    """``a / b`` rounded down."""
    _checked_divisor("div_floor", a, b)
    return np.floor_divide(a, b)


def trunc_divide(a: Any, b: Any) -> Any:
    """``a / b`` rounded towards zero."""
    _checked_divisor("div_trunc", a, b)
    if dtype_of(a, b).kind == "f":
        return np.trunc(np.divide(a, b))
    quotient = np.floor_divide(a, b)
    return quotient + ((quotient < 0) & (quotient * b != a))


def remainder(a: Any, b: Any) -> Any:
    """What is left of ``a`` after division by ``b`` rounded down; it has the sign of ``b``."""
    _checked_divisor("remainder", a, b)
    return np.remainder(a, b)


def fmod(a: Any, b: Any) -> Any:
    """What is left of ``a`` after division by ``b`` rounded towards zero; it has the sign of ``a``."""
    _checked_divisor("fmod", a, b)
    return np.fmod(a, b)


def scaled_sum(a: Any, b: Any, *, alpha: Any) -> Any:
    """``a + alpha * b`` in the dtype of the operands."""
    if isinstance(b, np.ndarray) and b.dtype.kind in "iub":
        alpha = np.asarray(alpha).astype(b.dtype)
    return a + b * alpha


# -- powers


def square(x: Any) -> Any:
    """``x * x``; the square of a bool is an integer."""
    return np.square(x.astype("i8") if x.dtype.kind == "b" else x)


def rsqrt(x: Any) -> Any:
    """``1 / sqrt(x)``."""
    return np.reciprocal(np.sqrt(x))


def power(a: Any, b: Any) -> Any:
    """``a ** b``; a negative power of a whole number is 0, and that of 1 or -1 itself."""
    dtype = dtype_of(a, b)
    if dtype.kind == "b":
        raise refusal("pow", dtype, "iufc")
    if dtype.kind == "i" and np.any(np.less(b, 0)):
        ones = np.where(np.equal(a, -1), 1 - 2 * np.remainder(b, 2), np.equal(a, 1))
        return np.where(np.less(b, 0), ones, np.power(a, np.maximum(b, 0))).astype(dtype)
    return np.power(a, b)


def power_by(x: Any, *, exponent: Any) -> Any:
    """``x ** exponent`` with one number as the exponent."""
    if x.dtype.kind == "b":
        return np.logical_or(x, not exponent)
    if exponent == 3:
        return x * x * x  # as PyTorch does, and an order of magnitude faster than a general power
    if x.dtype.kind in "iu":
        if exponent < 0:
            raise RuntimeError("pow: Integers to negative integer powers are not allowed; convert the base "
                               "to floating point first")
        return np.power(x, np.asarray(exponent).astype(x.dtype))
    return x**exponent  # unlike np.power, the operator knows that square, root and reciprocal are quicker


def ldexp(a: Any, b: Any) -> Any:
    """``a * 2 ** b`` in the dtype of ``a``."""
    return a * np.exp2(b, dtype=a.dtype)


def frexp(x: Any) -> Any:
    """Mantissa and exponent of each element."""
    if x.dtype.kind != "f":
        raise RuntimeError(f"frexp() only supports floating-point dtypes, not {x.dtype.name}; "
                           f"convert with .to() first")
    return np.frexp(x)


# -- exponentials and logarithms


ONE = {np.dtype(code): np.ones((), code) for code in "efdFD"}  # NumPy takes half a microsecond to read a 1


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``, which neither overflows to nan nor loses the small values of negative ``x``."""
    return np.reciprocal(np.add(np.exp(np.negative(x)), ONE.get(x.dtype, 1)))


def logit(x: Any, *, eps: Any) -> Any:
    """``log(x / (1 - x))``, with ``x`` first brought into ``[eps, 1 - eps]`` if there is an ``eps``."""
    if x.dtype.kind == "c":
        raise refusal("logit", x.dtype, "f")
    if eps is not None and eps >= 0:
        x = np.minimum(np.maximum(x, eps), 1 - eps)
    return np.log(x / (1 - x))


def logaddexp(a: Any, b: Any) -> Any:
    """``log(exp(a) + exp(b))`` without overflow."""
    dtype = dtype_of(a, b)
    if dtype.kind == "f":
        return np.logaddexp(a, b)
    if dtype.kind != "c":
        raise refusal("logaddexp", dtype, "fc")
    first = np.greater_equal(a.real, b.real)
    high, low = np.where(first, a, b), np.where(first, b, a)
    return high + np.log1p(np.exp(low - high))


def xlogy(a: Any, b: Any) -> Any:
    """``a * log(b)``, and 0 where ``a`` is 0 unless ``b`` is nan."""
    dtype = dtype_of(a, b)
    if dtype.kind == "c":
        raise refusal("xlogy", dtype, "f")
    b = np.asarray(b, dtype)
    return np.where((np.equal(a, 0)) & ~np.isnan(b), 0, a * np.log(b))


# -- signs and roundings


def negative(x: Any) -> Any:
    """``-x``."""
    try:
        return np.negative(x)
    except TypeError as error:
        raise RuntimeError("neg: Negation, the `-` operator, on a bool tensor is not supported. "
                           "If you are trying to invert a mask, use the `~` or `logical_not()` operator "
                           "instead.") from error


def sign(x: Any) -> Any:
    """-1, 0 or 1; the sign of nan is 0."""
    if x.dtype.kind == "c":
        raise RuntimeError("sign: Unlike NumPy, sign is not for complex numbers; use sgn")
    return x.copy() if x.dtype.kind == "b" else np.subtract(x > 0, x < 0, dtype=x.dtype)


def copysign(a: Any, b: Any) -> Any:
    """The size of ``a`` with the sign of ``b``."""
    dtype = dtype_of(a, b)
    if dtype.kind == "c":
        raise refusal("copysign", dtype, "f")
    return np.copysign(a, b)


def heaviside(a: Any, b: Any) -> Any:
    """0 below zero, 1 above, ``b`` at zero."""
    dtype = dtype_of(a, b)
    if dtype.kind == "c":
        raise refusal("heaviside", dtype, "biuf")
    return np.where(np.equal(a, 0), b, np.greater(a, 0)).astype(dtype)


def nan_to_num(x: Any, *, nan: Any, posinf: Any, neginf: Any) -> Any:
    """``x`` with numbers in the place of nan and the infinities."""
    return np.nan_to_num(x, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


def clamp(x: Any, low: Any = None, high: Any = None) -> Any:
    """``x`` between the bounds, of which one may be missing."""
    if x.dtype.kind == "c":
        raise NotImplementedError("clamp is not supported for complex types; they have no order")
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def unrounded(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The rounding ``kernel``, which leaves whole numbers as they are."""

    def rounded(x: Any) -> Any:
        if x.dtype.kind == "f":
            return kernel(x)
        if x.dtype.kind in "iu":
            return x.copy()
        raise refusal(name, x.dtype, "iuf")

    return rounded


def round_decimals(x: Any, *, decimals: int) -> Any:
    """``x`` rounded to a number of decimals, which may be negative."""
    if x.dtype.kind != "f":
        raise refusal("round", x.dtype, "f")
    return np.round(x, decimals)


def frac(x: Any) -> Any:
    """What is left of ``x`` without its whole part."""
    if x.dtype.kind != "f":
        raise refusal("frac", x.dtype, "f")
    return x - np.trunc(x)


# -- blends


def lerp(start: Any, end: Any, weight: Any) -> Any:
    """``start + weight * (end - start)``, exact at both ends."""
    gap = end - start
    if type(weight) in NUMBERS:
        return start + weight * gap if np.abs(weight) < 0.5 else end - gap * (1 - weight)
    return np.where(np.abs(weight) < 0.5, start + weight * gap, end - gap * (1 - weight))


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any) -> Any:
    """``input + value * tensor1 * tensor2`` in the dtype of the operands."""
    if input.dtype.kind == "b":
        raise refusal("addcmul", input.dtype, "iufc")
    if input.dtype.kind in "iu":
        value = np.asarray(value).astype(input.dtype)
    return input + value * (tensor1 * tensor2)


# -- comparison


def isclose(a: Any, b: Any, *, rtol: float, atol: float, equal_nan: bool) -> Any:
    """Is ``|a - b| <= atol + rtol * |b|``? Infinities are close to themselves only."""
    close = np.equal(a, b)
    dtype = dtype_of(a, b)
    if equal_nan and dtype.kind in "fc":
        close |= np.isnan(a) & np.isnan(b)
    if rtol == 0 and atol == 0:
        return close
    if dtype.kind in "iub":  # their difference may not fit
        a, b = np.asarray(a, "f8"), np.asarray(b, "f8")
    error = np.abs(np.subtract(a, b))
    return close | (np.isfinite(error) & (error <= atol + np.abs(rtol * np.asarray(b))))
