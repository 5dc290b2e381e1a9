"""Arithmetic: the four operations, remainders, signs and divisors. Start reading at `product`.

A declared op works on its operands and nothing else; a public function with more arguments (`add` with
``alpha``) is written below the op it calls. The operators of tensors are the declared ops themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad.declare import elementwise
from regrad.errors import DtypeError
from regrad.graph.value import Value
from regrad.kernels.reference import elementwise as kernels
from regrad.ops.arguments import ARRAYS, dtype_of, lifted, not_a_tensor, tensor_first, tensors_only
from regrad.ops.writing import inplace

__all__ = [
    "abs", "absolute", "add", "div", "divide", "floor_divide", "fmod", "gcd", "lcm", "mul", "multiply",
    "neg", "negative", "positive", "reciprocal", "remainder", "rsub", "sign", "sub", "subtract",
    "true_divide",
]


@elementwise(kernel=np.zeros_like, quiet=False)
def zero(x):
    """Zero for each element: the slope of a step."""


def without_gradient(name: str) -> Any:
    """The rule of an op that has no derivative."""
    raise RuntimeError(f"derivative for {name} is not implemented; detach its input if none is wanted")


# -- sums and differences


@elementwise(kernel=np.add, name="add", a=lambda g: g, b=lambda g: g)
def plus(a, b):
    """Sum of each pair of elements."""


@elementwise(kernel=kernels.scaled_sum, grad_name="AddBackward0",
             a=lambda g: g,
             b=lambda g, *, alpha: g * alpha)
def add_scaled(a, b, *, alpha):
    """Sum ``a + alpha * b`` of each pair of elements."""


def _checked(alpha: Any, *operands: Any) -> Any:
    """``alpha``, if it may scale one of the operands."""
    kinds = {dtype_of(x if isinstance(x, Value) else np.asarray(x)).kind for x in operands}
    if isinstance(alpha, bool) and kinds != {"b"}:
        raise RuntimeError("Boolean alpha only supported for Boolean results; write alpha=1 or alpha=0")
    if isinstance(alpha, float) and not kinds & {"f", "c"}:
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number; "
                           "convert a tensor first.")
    if isinstance(alpha, complex) and "c" not in kinds:
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number; "
                           "convert a tensor first.")
    return alpha


def add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Sum ``input + alpha * other`` of each pair of elements.

    >>> rg.add(rg.tensor([1., 2.]), rg.tensor([10., 20.]), alpha=2)
    tensor([21., 42.])
    """
    if type(alpha) is int and alpha == 1:
        return plus(lifted(input, other), other)
    return add_scaled(input, other, alpha=_checked(alpha, input, other))


@elementwise(kernel=np.subtract, name="sub", a=lambda g: g, b=lambda g: -g,
             refuse=("b", "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
                          "invert a mask, use the `~` or `logical_not()` operator instead."))  # fmt: skip
def minus(a, b):
    """Difference of each pair of elements."""


@elementwise(name="rsub", grad_name="RsubBackward1", a=lambda g: -g, b=lambda g: g)
def minus_from(a, b):
    """Difference ``b - a`` of each pair of elements."""
    return np.subtract(b, a)


def _is_mask(x: Any) -> bool:
    return bool(x.array.dtype.kind == "b") if isinstance(x, Value) else isinstance(x, bool)


def _refuse_masks(input: Any, other: Any) -> None:
    if _is_mask(input) or _is_mask(other):
        raise DtypeError("sub: Subtraction, the `-` operator, with a bool tensor is not supported. If you "
                         "are trying to invert a mask, use the `~` or `logical_not()` operator instead.")


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Difference ``input - alpha * other`` of each pair of elements. A mask is inverted by ``~``.

    >>> rg.sub(rg.tensor([1., 2.]), 1)
    tensor([0., 1.])
    """
    _refuse_masks(input, other)
    if type(alpha) is int and alpha == 1:
        return minus(lifted(input, other), other)
    return add_scaled(input, other, alpha=-_checked(alpha, input, other))


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Difference ``other - alpha * input`` of each pair of elements.

    >>> rg.rsub(rg.tensor([1., 2.]), 10)
    tensor([9., 8.])
    """
    if not isinstance(input, ARRAYS):
        raise not_a_tensor("rsub", "input", 1, input)
    _refuse_masks(input, other)
    if type(alpha) is int and alpha == 1:
        return minus_from(input, other)
    return add_scaled(other, input, alpha=-_checked(alpha, input, other))


subtract = sub
add.op, sub.op = plus.op, minus.op  # type: ignore[attr-defined]  # their in-place forms may write without a detour


# -- products and quotients


@elementwise(kernel=np.multiply, name="mul", a=lambda g, b: g * b, b=lambda g, a: g * a)
def product(a, b):
    """Product of each pair of elements."""


def mul(input: Any, other: Any) -> Any:
    """Product of each pair of elements.

    >>> rg.tensor([1., 2.]) * rg.tensor([3., 4.])
    tensor([3., 8.])
    """
    return product(lifted(input, other), other)


multiply = mul
mul.op = product.op  # type: ignore[attr-defined]


@elementwise(kernel=np.divide, name="div", dtype="float",
             a=lambda g, b: g / b,
             b=lambda g, b, out: -g * out / b)
def quotient(a, b):
    """Quotient of each pair of elements."""


@elementwise(kernel=kernels.floor_divide, name="div_floor", grad_name="DivBackward1",
             a=lambda g: zero(g),
             b=lambda g: zero(g))
def floor_quotient(a, b):
    """Quotient of each pair of elements, rounded down."""


@elementwise(kernel=kernels.trunc_divide, name="div_trunc", grad_name="DivBackward1",
             a=lambda g: zero(g),
             b=lambda g: zero(g))
def trunc_quotient(a, b):
    """Quotient of each pair of elements, rounded towards zero."""


_ROUNDED = {"floor": floor_quotient, "trunc": trunc_quotient}


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Quotient of each pair of elements; ``rounding_mode`` "trunc" rounds towards zero, "floor" down.

    Whole numbers are divided as floating-point ones unless the result is rounded. The gradient of a rounded
    quotient is 0.

    >>> rg.div(rg.tensor([7, -7]), 2), rg.div(rg.tensor([7, -7]), 2, rounding_mode="floor")
    (tensor([ 3.5000, -3.5000]), tensor([ 3, -4]))
    """
    if rounding_mode is None:
        return quotient(lifted(input, other), other)
    if rounding_mode not in _ROUNDED:
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
                           f"{rounding_mode!r}")
    return _ROUNDED[rounding_mode](lifted(input, other), other)


divide = true_divide = div


@elementwise(kernel=kernels.floor_divide, name="floor_divide",
             a=lambda g: without_gradient("floor_divide"),
             b=lambda g: without_gradient("floor_divide"))
def whole_quotient(a, b):
    """Quotient of each pair of elements, rounded down."""


def floor_divide(input: Any, other: Any) -> Any:
    """Quotient of each pair of elements, rounded down.

    It has no gradient; that of ``div(..., rounding_mode="floor")`` is 0.

    >>> rg.tensor([7, -7]) // 2
    tensor([ 3, -4])
    """
    return whole_quotient(lifted(input, other), other)


@elementwise(kernel=np.reciprocal, dtype="float", x=lambda g, out: -g * (out * out))
def reciprocal(x):
    """One over each element.

    >>> rg.reciprocal(rg.tensor([2., 4.]))
    tensor([0.5000, 0.2500])
    """


def divided_from(self: Any, other: Any) -> Any:
    """Quotient ``other / self``."""
    inverse = self.reciprocal()
    return inverse if type(other) is int and other == 1 else product(inverse, other)


def floor_divided_from(self: Any, other: Any) -> Any:
    """Quotient ``other // self``."""
    return floor_divide(other, self)


@elementwise(kernel=kernels.remainder,
             a=lambda g: g,
             b=lambda g, a, b: -g * floor_quotient(a, b))
def remainder(a, b):
    """Python's ``a % b`` of each pair of elements: what division rounded down leaves, with the sign of ``b``.

    >>> rg.remainder(rg.tensor([7, -7]), 3)
    tensor([1, 2])
    """


def remainder_from(self: Any, other: Any) -> Any:
    """Remainder ``other % self``."""
    return remainder(other, self)


@tensor_first
@elementwise(kernel=kernels.fmod,
             a=lambda g: g,
             b=lambda g, a, b: -g * trunc_quotient(a, b))
def fmod(a, b):
    """C's ``fmod`` of each pair of elements: what division rounded to zero leaves, with the sign of ``a``.

    >>> rg.fmod(rg.tensor([7, -7]), 3)
    tensor([ 1, -1])
    """


# -- signs


@elementwise(kernel=kernels.negative, quiet=False, x=lambda g: -g)
def neg(x):
    """Negative of each element. A mask is inverted by ``~``.

    >>> -rg.tensor([1., -2.])
    tensor([-1.,  2.])
    """


negative = neg


def positive(input: Any) -> Any:
    """The tensor itself, as ``+input``; a mask has no sign.

    >>> +rg.tensor([1., -2.])
    tensor([ 1., -2.])
    """
    if dtype_of(input, "positive").kind == "b":
        raise DtypeError("positive: The `+` operator, on a bool tensor is not supported; convert with .int()")
    return input


@elementwise(kernel=kernels.sign, quiet=False, x=lambda g: zero(g))
def sign(x):
    """-1, 0 or 1 for each element, by its sign; 0 for nan. Its gradient is 0.

    >>> rg.sign(rg.tensor([-2., 0., 3.]))
    tensor([-1.,  0.,  1.])
    """


def direction(x: Any) -> Any:
    """``x / |x|``, and 0 at 0: the sign of a real number, the phase of a complex one."""
    if dtype_of(x).kind != "c":
        return sign(x)
    from regrad.ops.complexes import sgn

    return sgn(x)


def _abs_jvp(args: Any, _outs: Any, tangents: Any, _params: Any) -> Any:
    (x,), (t,) = args, tangents
    if x.array.dtype.kind != "c":
        return t * sign(x)
    from regrad.ops.complexes import real

    return real(t * direction(x).conj())


@elementwise(kernel=kernels.limited("abs", "iufc", np.absolute), jvp=_abs_jvp, conjugate=False,
             x=lambda g, x: g * direction(x))
def abs(x):
    """Absolute value of each element; its gradient at 0 is 0.

    >>> rg.abs(rg.tensor([-1., 2.]))
    tensor([1., 2.])
    """


absolute = abs


# -- divisors of whole numbers


@tensors_only
@elementwise(kernel=kernels.limited("gcd", "iu", np.gcd))
def gcd(a, b):
    """Greatest common divisor of each pair of whole numbers.

    >>> rg.gcd(rg.tensor([12, 7]), rg.tensor([18, 21]))
    tensor([6, 7])
    """


@tensors_only
@elementwise(kernel=kernels.limited("lcm", "iu", np.lcm))
def lcm(a, b):
    """Least common multiple of each pair of whole numbers.

    >>> rg.lcm(rg.tensor([4, 6]), rg.tensor([6, 9]))
    tensor([12, 18])
    """


METHODS = {name: globals()[name] for name in __all__ if name != "rsub"} | {
    "__abs__": abs,
    "__add__": plus, "__radd__": tensor_first(plus), "__iadd__": inplace(plus, "add_"),
    "__sub__": minus, "__rsub__": rsub, "__isub__": inplace(sub, "sub_"),
    "__mul__": product, "__rmul__": tensor_first(product), "__imul__": inplace(product, "mul_"),
    "__truediv__": quotient, "__rtruediv__": divided_from, "__itruediv__": inplace(quotient, "div_"),
    "__div__": quotient, "__rdiv__": divided_from,
    "__floordiv__": whole_quotient, "__rfloordiv__": floor_divided_from,
    "__ifloordiv__": inplace(whole_quotient, "floor_divide_"),
    "__mod__": remainder, "__rmod__": remainder_from, "__imod__": inplace(remainder, "remainder_"),
    "__neg__": neg, "__pos__": positive,
}
INPLACE = (
    "abs", "absolute", "add", "div", "divide", "floor_divide", "fmod", "gcd", "lcm", "mul", "multiply",
    "neg", "negative", "reciprocal", "remainder", "sign", "sub", "subtract", "true_divide",
)
