"""Choosing and blending: by a mask, by size, within bounds, between two ends. Start reading at `only`.

At a tie PyTorch's choice of subgradient is kept: `maximum` shares it evenly, `clamp` gives it to the input.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import elementwise
from regrad.errors import DtypeError
from regrad.graph.value import Value, wrap
from regrad.kernels.reference import elementwise as kernels
from regrad.ops.arguments import ARRAYS, dtype_of, not_a_tensor, tensor_first, tensors_only
from regrad.ops.arithmetic import without_gradient, zero
from regrad.ops.comparison import isfinite, isnan
from regrad.ops.core import cast

__all__ = [
    "addcdiv", "addcmul", "clamp", "clamp_max", "clamp_min", "clip", "copysign", "fmax", "fmin",
    "heaviside", "lerp", "maximum", "minimum", "nan_to_num", "nextafter", "where",
]


# -- by a mask


@elementwise(name="where", promote=("a", "b"),
             a=lambda g, condition: only(g, condition),
             b=lambda g, condition: unless(g, condition))
def choose(a, b, condition):
    """``a`` where the condition holds, ``b`` elsewhere."""
    return np.where(condition, a, b)


def only(g: Any, condition: Any, otherwise: Any = 0) -> Any:
    """``g`` where the condition holds, a number elsewhere: the mask of most rules in this room."""
    return choose(g, otherwise, condition)


def unless(g: Any, condition: Any) -> Any:
    """``g`` where the condition does not hold, 0 where it does."""
    return choose(g, 0, ~condition)


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """``input`` where ``condition`` holds, ``other`` elsewhere.

    ``condition`` is boolean; the other two are tensors or numbers, all broadcast against each other. A
    condition alone gives the indices where it holds.

    >>> rg.where(rg.tensor([True, False]), rg.tensor([1., 2.]), 0.)
    tensor([1., 0.])
    """
    if not isinstance(condition, ARRAYS):
        raise not_a_tensor("where", "condition", 1, condition)
    if input is None and other is None:
        from regrad.ops.indexing import nonzero

        return nonzero(condition, as_tuple=True)
    dtype = dtype_of(condition)
    if dtype.kind != "b":
        if dtype != np.uint8:
            raise DtypeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype "
                             f"{dtype.name}; compare it, as in `x != 0`")
        condition = cast(condition, np.dtype("?"))
    if not isinstance(input, ARRAYS) and not isinstance(other, ARRAYS):
        common = dtypes.result_dtype(((type(input), 0), (type(other), 0)))
        input = wrap(np.asarray(input, common))
    return choose(input, other, condition)


def _where_method(self: Any, condition: Any, other: Any) -> Any:
    """This tensor's elements where ``condition`` holds, ``other`` elsewhere.

    >>> rg.tensor([1., 2.]).where(rg.tensor([True, False]), 0.)
    tensor([1., 0.])
    """
    return where(condition, self, other)


# -- by size


def _shared(g: Any, loses: Any, ties: Any) -> Any:
    """What an operand gets of ``g``: nothing where it loses, half where it ties."""
    return unless(choose(g / 2, g, ties), loses)


@tensors_only
@elementwise(kernel=kernels.limited("maximum", "biuf", np.maximum),
             a=lambda g, a, b: _shared(g, a < b, a == b),
             b=lambda g, a, b: _shared(g, a > b, a == b))
def maximum(a, b):
    """Larger of each pair of elements, nan if one of them is; at a tie each gets half of the gradient.

    >>> rg.maximum(rg.tensor([1., 5.]), rg.tensor([3., 4.]))
    tensor([3., 5.])
    """


@tensors_only
@elementwise(kernel=kernels.limited("minimum", "biuf", np.minimum),
             a=lambda g, a, b: _shared(g, a > b, a == b),
             b=lambda g, a, b: _shared(g, a < b, a == b))
def minimum(a, b):
    """Smaller of each pair of elements, nan if one of them is; at a tie each gets half of the gradient.

    >>> rg.minimum(rg.tensor([1., 5.]), rg.tensor([3., 4.]))
    tensor([1., 4.])
    """


@tensors_only
@elementwise(kernel=kernels.limited("fmax", "biuf", np.fmax),
             a=lambda g, a, b: only(g, (a >= b) | isnan(b)),
             b=lambda g, a, b: unless(g, (a >= b) | isnan(b)))
def fmax(a, b):
    """Larger of each pair of elements, the other one if one is nan; at a tie the first gets the gradient.

    >>> rg.fmax(rg.tensor([1., float("nan")]), rg.tensor([3., 4.]))
    tensor([3., 4.])
    """


@tensors_only
@elementwise(kernel=kernels.limited("fmin", "biuf", np.fmin),
             a=lambda g, a, b: only(g, (a <= b) | isnan(b)),
             b=lambda g, a, b: unless(g, (a <= b) | isnan(b)))
def fmin(a, b):
    """Smaller of each pair of elements, the other one if one is nan; at a tie the first gets the gradient.

    >>> rg.fmin(rg.tensor([1., float("nan")]), rg.tensor([3., 4.]))
    tensor([1., 4.])
    """


# -- within bounds


@elementwise(kernel=kernels.limited("clamp_min", "biuf", np.maximum), name="clamp_min",
             a=lambda g, a, b: only(g, a >= b),
             b=lambda g, a, b: only(g, a < b))
def at_least(a, b):
    """Each element, or the bound where it is greater."""


@elementwise(kernel=kernels.limited("clamp_max", "biuf", np.minimum), name="clamp_max",
             a=lambda g, a, b: only(g, a <= b),
             b=lambda g, a, b: only(g, a > b))
def at_most(a, b):
    """Each element, or the bound where it is less."""


def _inside(x: Any, low: Any, high: Any) -> Any:
    """Where ``x`` lies within the bounds, of which one may be missing."""
    if low is None:
        return x <= high
    return x >= low if high is None else (x >= low) & (x <= high)


def _below(x: Any, low: Any, high: Any) -> Any:
    """Where the result is ``low``."""
    return x < low if high is None else (x < low) & (low < high)


def _above(x: Any, low: Any, high: Any) -> Any:
    """Where the result is ``high``, which wins where the bounds cross."""
    return x > high if low is None else (x > high) | (high < low)


@elementwise(kernel=kernels.clamp, name="clamp", x=lambda g, x, *, low, high: only(g, _inside(x, low, high)))
def bounded(x, *, low, high):
    """Each element, brought between two numbers."""


@elementwise(kernel=kernels.clamp, grad_name="ClampBackward1",
             shape=lambda *given: shapes.broadcast(*[shape for shape in given if shape is not None]),
             x=lambda g, x, low, high: only(g, _inside(x, low, high)),
             low=lambda g, x, low, high: only(g, _below(x, low, high)),
             high=lambda g, x, low, high: only(g, _above(x, low, high)))
def clamp_between(x, low, high):
    """Each element, brought between two tensors, of which one may be missing."""


def clamp_min(input: Any, min: Any) -> Any:
    """Each element, or ``min`` (a number or a tensor) where it is less; what was taken gets the gradient.

    >>> rg.clamp_min(rg.tensor([-1., 2.]), 0)
    tensor([0., 2.])
    """
    dtype_of(input, "clamp_min")
    return at_least(input, min)


def clamp_max(input: Any, max: Any) -> Any:
    """Each element, or ``max`` (a number or a tensor) where it is greater; what was taken gets the gradient.

    >>> rg.clamp_max(rg.tensor([-1., 2.]), 0)
    tensor([-1.,  0.])
    """
    dtype_of(input, "clamp_max")
    return at_most(input, max)


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Each element brought into ``[min, max]``; both are numbers or both are tensors, and one may be missing.

    Where ``min > max`` the result is ``max``. The gradient is 0 where the element was replaced.

    >>> rg.clamp(rg.tensor([-1., 0.5, 2.]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    numbers = [bound for bound in (min, max) if isinstance(bound, (int, float, complex))]
    if not numbers:
        return clamp_between(input, min, max)
    if isinstance(min, ARRAYS) or isinstance(max, ARRAYS):
        raise TypeError(f"clamp(): 'min' and 'max' must both be Tensor or both be numbers, not "
                        f"{type(min).__name__} and {type(max).__name__}; make both tensors with rg.tensor")
    dtype = dtype_of(input, "clamp")
    if dtype.kind != "f":
        given = [(type(bound), dtypes.NUMBER) for bound in numbers]
        category = dtypes.TENSOR if input.ndim else dtypes.SCALAR
        input = cast(input, dtypes.result_dtype(((dtype, category), *given)))
    return bounded(input, low=min, high=max)


clip = clamp


@elementwise(kernel=kernels.nan_to_num, name="nan_to_num", x=lambda g, x: only(g, isfinite(x)))
def finite(x, *, nan, posinf, neginf):
    """Each element, or what stands for nan and the infinities."""


def nan_to_num(input: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Any:
    """Each element, with numbers for nan (0) and for the infinities (the greatest and the least number).

    >>> rg.nan_to_num(rg.tensor([1., float("nan"), float("inf")]), posinf=9.)
    tensor([1., 0., 9.])
    """
    return finite(input, nan=nan, posinf=posinf, neginf=neginf)


# -- by sign


@tensor_first
@elementwise(kernel=kernels.copysign, dtype="float",
             a=lambda g, a, out: g * only(out / a, a != 0),
             b=lambda g: zero(g))
def copysign(a, b):
    """Size of each element of ``a`` with the sign of ``b``.

    >>> rg.copysign(rg.tensor([1., 2.]), rg.tensor([-3., 4.]))
    tensor([-1.,  2.])
    """


@elementwise(kernel=kernels.heaviside, name="heaviside",
             a=lambda g: without_gradient("heaviside"),
             b=lambda g: without_gradient("heaviside"))
def step(a, b):
    """0 below zero, 1 above it, ``b`` at it."""


def heaviside(input: Any, values: Any) -> Any:
    """0 for negative elements, 1 for positive ones and ``values`` (of the same dtype) for zeros; no gradient.

    >>> rg.heaviside(rg.tensor([-2., 0., 2.]), rg.tensor([0.5]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    dtype = dtype_of(input, "heaviside")
    if not isinstance(values, ARRAYS):
        raise not_a_tensor("heaviside", "values", 2, values)
    if dtype_of(values) != dtype:
        raise DtypeError(f"heaviside is not yet implemented for tensors with different dtypes: {input.dtype} "
                         f"and {values.dtype}; convert one with .to()")
    return step(input, values)


@tensors_only
@elementwise(kernel=kernels.limited("nextafter", "f", np.nextafter),
             a=lambda g, a, b: only(g, a != b),
             b=lambda g: zero(g))
def nextafter(a, b):
    """The number of the dtype next to each element of ``a``, towards ``b``.

    >>> rg.nextafter(rg.tensor([1.]), rg.tensor([2.])) > 1
    tensor([True])
    """


# -- blends


@elementwise(kernel=kernels.lerp, name="lerp",
             input=lambda g, weight: g * (1 - weight),
             end=lambda g, weight: g * weight,
             weight=lambda g, input, end: g * (end - input))
def blend(input, end, weight):
    """Point between ``input`` and ``end``."""


def lerp(input: Any, end: Any, weight: Any) -> Any:
    """Point ``input + weight * (end - input)`` between each pair of elements; all tensors are of one dtype.

    >>> rg.lerp(rg.tensor([0., 10.]), rg.tensor([4., 20.]), 0.25)
    tensor([ 1.0000, 12.5000])
    """
    dtype = dtype_of(input, "lerp")
    if dtype.kind not in "fcV":
        raise kernels.refusal("lerp", dtype, "fc")
    if not isinstance(end, ARRAYS):
        raise not_a_tensor("lerp", "end", 2, end)
    for name, other in (("end", end), ("weight", weight)):
        if isinstance(other, ARRAYS) and dtype_of(other) != dtype and (name == "end" or other.ndim):
            raise DtypeError(f"lerp: expected dtype {input.dtype} for `{name}` but got dtype {other.dtype}; "
                             f"convert it with .to()")
    return blend(input, end, weight)


@elementwise(kernel=kernels.addcmul,
             input=lambda g: g,
             tensor1=lambda g, tensor2, *, value: g * (tensor2 * value),
             tensor2=lambda g, tensor1, *, value: g * (tensor1 * value))
def addcmul(input, tensor1, tensor2, *, value=1):
    """``input + value * tensor1 * tensor2``, element by element.

    >>> rg.addcmul(rg.tensor([1.]), rg.tensor([2.]), rg.tensor([3.]), value=0.5)
    tensor([4.])
    """


@elementwise(name="addcdiv",
             input=lambda g: g,
             tensor1=lambda g, tensor2, *, value: g * value / tensor2,
             tensor2=lambda g, tensor1, tensor2, *, value: g * (-value * tensor1 / (tensor2 * tensor2)))
def add_quotient(input, tensor1, tensor2, *, value):
    """``input + value * tensor1 / tensor2``."""
    return input + value * (tensor1 / tensor2)


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """``input + value * tensor1 / tensor2``, element by element; for floating-point tensors only.

    >>> rg.addcdiv(rg.tensor([1.]), rg.tensor([6.]), rg.tensor([3.]), value=0.5)
    tensor([2.])
    """
    if all(isinstance(x, Value) and x.array.dtype.kind in "biu" for x in (tensor1, tensor2)):
        raise RuntimeError("Integer division with addcdiv is no longer supported; convert to floating point "
                           "first, or divide with rg.div")
    return add_quotient(input, tensor1, tensor2, value=value)


METHODS = {name: globals()[name] for name in __all__} | {"where": _where_method}
INPLACE = (
    "addcdiv", "addcmul", "clamp", "clamp_max", "clamp_min", "clip", "copysign", "heaviside", "lerp",
    "nan_to_num", "nextafter",
)
