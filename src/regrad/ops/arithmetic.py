"""Arithmetic: the four operations and their kin, element by element. Start reading at `mul`.

The declared ops work on two operands and nothing else; a public function with more arguments (`add` with ``alpha``)
is written below the op it calls.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad.declare import elementwise
from regrad.errors import DtypeError
from regrad.graph.value import Value

__all__ = ["add", "div", "mul", "multiply", "neg", "negative", "sub", "subtract", "true_divide"]


@elementwise(kernel=np.add, quiet=False, name="add", a=lambda g: g, b=lambda g: g)
def plus(a, b):
    """Sum of each pair of elements."""


def add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Sum ``input + alpha * other`` of each pair of elements.

    >>> rg.add(rg.tensor([1., 2.]), rg.tensor([10., 20.]), alpha=2)
    tensor([21., 42.])
    """
    return plus(input, other) if type(alpha) is int and alpha == 1 else plus(input, mul(other, alpha))


@elementwise(kernel=np.subtract, quiet=False, name="sub", a=lambda g: g, b=lambda g: -g)
def minus(a, b):
    """Difference of each pair of elements."""


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Difference ``input - alpha * other`` of each pair of elements.

    >>> rg.sub(rg.tensor([1., 2.]), 1)
    tensor([0., 1.])
    """
    for operand in (input, other):
        if isinstance(operand, Value) and operand.array.dtype.kind == "b":
            raise DtypeError("sub: Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
                             "invert a mask, use the `~` or `logical_not()` operator instead.")  # fmt: skip
    return minus(input, other) if type(alpha) is int and alpha == 1 else minus(input, mul(other, alpha))


subtract = sub


@elementwise(kernel=np.multiply, quiet=False, a=lambda g, b: g * b, b=lambda g, a: g * a)
def mul(a, b):
    """Product of each pair of elements.

    >>> rg.tensor([1., 2.]) * rg.tensor([3., 4.])
    tensor([3., 8.])
    """


multiply = mul


@elementwise(kernel=np.divide, name="div", dtype="float", a=lambda g, b: g / b, b=lambda g, b, out: -g * out / b)
def quotient(a, b):
    """Quotient of each pair of elements."""


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Quotient of each pair of elements; ``rounding_mode`` "trunc" rounds towards zero, "floor" down.

    >>> rg.div(rg.tensor([1., 2.]), 4)
    tensor([0.2500, 0.5000])
    """
    if rounding_mode is None:
        return quotient(input, other)
    raise RuntimeError(f"div: rounding_mode must be None, 'trunc' or 'floor', not {rounding_mode!r}")


true_divide = div


@elementwise(kernel=np.negative, quiet=False, x=lambda g: -g)
def neg(x):
    """Negative of each element.

    >>> -rg.tensor([1., -2.])
    tensor([-1.,  2.])
    """


negative = neg

METHODS = {"add": add, "sub": sub, "subtract": sub, "mul": mul, "multiply": mul, "div": div, "divide": div,
           "true_divide": div, "neg": neg, "negative": neg}  # fmt: skip
INPLACE = ("add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "neg", "negative")
