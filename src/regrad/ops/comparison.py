"""Comparison and logic: results that are true or false, and the bits of whole numbers. Start reading at `eq`.

Operands of a comparison are brought to one dtype first; the result is boolean and has no gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from regrad.declare import elementwise
from regrad.errors import DtypeError
from regrad.graph.value import Value, wrap
from regrad.kernels.reference import elementwise as kernels
from regrad.ops.arguments import ARRAYS, OPERANDS, dtype_of, not_a_tensor, tensor_first, tensors_only
from regrad.ops.writing import inplace

__all__ = [
    "allclose", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "eq", "equal", "ge", "greater", "greater_equal", "gt", "isclose", "isfinite", "isin",
    "isinf", "isnan", "isneginf", "isposinf", "le", "less", "less_equal", "logical_and", "logical_not",
    "logical_or", "logical_xor", "lt", "ne", "not_equal", "signbit",
]


# -- equal, less, greater


@tensor_first
@elementwise(kernel=np.equal, dtype="bool", quiet=False)
def eq(a, b):
    """Is each element of ``a`` equal to that of ``b``?

    >>> rg.tensor([1, 2]) == rg.tensor([1, 3])
    tensor([ True, False])
    """


@tensor_first
@elementwise(kernel=np.not_equal, dtype="bool", quiet=False)
def ne(a, b):
    """Does each element of ``a`` differ from that of ``b``?

    >>> rg.tensor([1, 2]) != rg.tensor([1, 3])
    tensor([False,  True])
    """


@tensor_first
@elementwise(kernel=kernels.limited("lt", "biuf", np.less), dtype="bool")
def lt(a, b):
    """Is each element of ``a`` less than that of ``b``?

    >>> rg.tensor([1, 2]) < 2
    tensor([ True, False])
    """


@tensor_first
@elementwise(kernel=kernels.limited("le", "biuf", np.less_equal), dtype="bool")
def le(a, b):
    """Is each element of ``a`` less than or equal to that of ``b``?

    >>> rg.tensor([1, 3]) <= 2
    tensor([ True, False])
    """


@tensor_first
@elementwise(kernel=kernels.limited("gt", "biuf", np.greater), dtype="bool")
def gt(a, b):
    """Is each element of ``a`` greater than that of ``b``?

    >>> rg.tensor([1, 3]) > 2
    tensor([False,  True])
    """


@tensor_first
@elementwise(kernel=kernels.limited("ge", "biuf", np.greater_equal), dtype="bool")
def ge(a, b):
    """Is each element of ``a`` greater than or equal to that of ``b``?

    >>> rg.tensor([1, 2]) >= 2
    tensor([False,  True])
    """


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


def _operator(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The method behind an operator, which leaves operands that it cannot compute with to Python."""
    op = getattr(fn, "__wrapped__", fn)

    def method(self: Any, other: Any) -> Any:
        return op(self, other) if isinstance(other, OPERANDS) else NotImplemented

    method.__name__ = method.__qualname__ = name
    method.__doc__ = fn.__doc__
    return method


# -- close


@elementwise(kernel=kernels.isclose, dtype="bool", name="isclose")
def close(a, b, *, rtol, atol, equal_nan):
    """Is each pair of elements equal within the tolerances?"""


def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Is ``|input - other| <= atol + rtol * |other|`` for each pair of elements?

    Both tensors are of one dtype. Infinities are close to themselves only, and so is nan if ``equal_nan``.

    >>> rg.isclose(rg.tensor([1., 2.]), rg.tensor([1.000001, 2.1]))
    tensor([ True, False])
    """
    for position, (name, x) in enumerate((("input", input), ("other", other)), 1):
        if not isinstance(x, ARRAYS):
            raise not_a_tensor("isclose", name, position, x)
    if dtype_of(input) != dtype_of(other):
        raise DtypeError(f"isclose: {input.dtype} did not match {other.dtype}; convert one with .to()")
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {tolerance}")
    return close(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan)


def allclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Are all pairs of elements close, as `isclose` says?

    >>> rg.allclose(rg.tensor([1., 2.]), rg.tensor([1.000001, 2.]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


def equal(input: Any, other: Any) -> bool:
    """Have two tensors the same shape and equal elements?

    >>> rg.equal(rg.tensor([1, 2]), rg.tensor([1, 2])), rg.equal(rg.tensor([1, 2]), rg.tensor([1]))
    (True, False)
    """
    for position, (name, x) in enumerate((("input", input), ("other", other)), 1):
        if not isinstance(x, Value):
            raise not_a_tensor("equal", name, position, x)
    return bool(np.array_equal(input.array, other.array))


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Is each of ``elements`` among ``test_elements``, or with ``invert``: is it not?

    One of the two may be a number.

    >>> rg.isin(rg.tensor([1, 2, 3]), rg.tensor([2, 4]))
    tensor([False,  True, False])
    """
    if not isinstance(elements, Value) and not isinstance(test_elements, Value):
        raise not_a_tensor("isin", "elements", 1, elements)
    among, known = (x.array if isinstance(x, Value) else x for x in (elements, test_elements))
    return wrap(np.isin(among, known, assume_unique=assume_unique, invert=invert))


# -- kinds of numbers


@elementwise(kernel=np.isnan, quiet=False)
def isnan(x):
    """Is each element nan?

    >>> rg.isnan(rg.tensor([1., float("nan")]))
    tensor([False,  True])
    """


@elementwise(kernel=np.isinf, quiet=False)
def isinf(x):
    """Is each element infinite?

    >>> rg.isinf(rg.tensor([1., float("-inf")]))
    tensor([False,  True])
    """


@elementwise(kernel=np.isfinite, quiet=False)
def isfinite(x):
    """Is each element neither infinite nor nan?

    >>> rg.isfinite(rg.tensor([1., float("inf")]))
    tensor([ True, False])
    """


@elementwise(quiet=False)
def isposinf(x):
    """Is each element inf?

    >>> rg.isposinf(rg.tensor([float("inf"), float("-inf")]))
    tensor([ True, False])
    """
    return np.equal(kernels.real_only("isposinf", x), np.inf)


@elementwise(quiet=False)
def isneginf(x):
    """Is each element -inf?

    >>> rg.isneginf(rg.tensor([float("inf"), float("-inf")]))
    tensor([False,  True])
    """
    return np.equal(kernels.real_only("isneginf", x), -np.inf)


@elementwise(quiet=False)
def signbit(x):
    """Is the sign of each element negative? That of -0. is.

    >>> rg.signbit(rg.tensor([-1., -0., 2.]))
    tensor([ True,  True, False])
    """
    if x.dtype.kind == "c":
        raise kernels.refusal("signbit", x.dtype, "biuf")
    return np.signbit(x) if x.dtype.kind == "f" else np.less(x, 0)


# -- logic


@elementwise(kernel=np.logical_not, quiet=False)
def logical_not(x):
    """Is each element zero?

    >>> rg.logical_not(rg.tensor([0., 2.]))
    tensor([ True, False])
    """


@tensors_only
@elementwise(kernel=np.logical_and, dtype="bool", quiet=False)
def logical_and(a, b):
    """Are both elements of each pair nonzero?

    >>> rg.logical_and(rg.tensor([0, 2]), rg.tensor([1, 1]))
    tensor([False,  True])
    """


@tensors_only
@elementwise(kernel=np.logical_or, dtype="bool", quiet=False)
def logical_or(a, b):
    """Is an element of each pair nonzero?

    >>> rg.logical_or(rg.tensor([0, 2]), rg.tensor([0, 1]))
    tensor([False,  True])
    """


@tensors_only
@elementwise(kernel=np.logical_xor, dtype="bool", quiet=False)
def logical_xor(a, b):
    """Is exactly one element of each pair nonzero?

    >>> rg.logical_xor(rg.tensor([0, 2]), rg.tensor([1, 1]))
    tensor([ True, False])
    """


# -- bits


@elementwise(kernel=kernels.limited("bitwise_and", "biu", np.bitwise_and))
def bitwise_and(a, b):
    """Bits that both elements of each pair have; of booleans, their "and".

    >>> rg.tensor([6, 5]) & rg.tensor([3, 3])
    tensor([2, 1])
    """


@elementwise(kernel=kernels.limited("bitwise_or", "biu", np.bitwise_or))
def bitwise_or(a, b):
    """Bits that an element of each pair has; of booleans, their "or".

    >>> rg.tensor([6, 5]) | rg.tensor([3, 3])
    tensor([7, 7])
    """


@elementwise(kernel=kernels.limited("bitwise_xor", "biu", np.bitwise_xor))
def bitwise_xor(a, b):
    """Bits that exactly one element of each pair has; of booleans, whether they differ.

    >>> rg.tensor([6, 5]) ^ rg.tensor([3, 3])
    tensor([5, 6])
    """


@elementwise(kernel=kernels.limited("bitwise_not", "biu", np.invert))
def bitwise_not(x):
    """All bits of each element turned over; of a boolean, its opposite.

    >>> ~rg.tensor([True, False])
    tensor([False,  True])
    """


@elementwise(kernel=kernels.limited("lshift", "iu", np.left_shift))
def bitwise_left_shift(a, b):
    """Bits of ``a`` moved left by ``b`` places: ``a * 2 ** b``.

    >>> rg.tensor([1, 3]) << 2
    tensor([ 4, 12])
    """


@elementwise(kernel=kernels.limited("rshift", "iu", np.right_shift))
def bitwise_right_shift(a, b):
    """Bits of ``a`` moved right by ``b`` places: ``a // 2 ** b``.

    >>> rg.tensor([8, 7]) >> 1
    tensor([4, 3])
    """


def _invert(self: Any) -> Any:
    """``~self``."""
    if self.array.dtype.kind not in "biu":
        raise TypeError(f"~ (operator.invert) is only implemented on integer and Boolean-type tensors, not "
                        f"{self.array.dtype.name}; compare first, as in `x != 0`")
    return bitwise_not(self)


def _left_shifted(self: Any, other: Any) -> Any:
    """``other << self``."""
    return bitwise_left_shift(other, self)


def _right_shifted(self: Any, other: Any) -> Any:
    """``other >> self``."""
    return bitwise_right_shift(other, self)


METHODS = {name: globals()[name] for name in __all__ if name != "isin"} | {
    "__eq__": _operator(eq, "__eq__"), "__ne__": _operator(ne, "__ne__"),
    "__lt__": _operator(lt, "__lt__"), "__le__": _operator(le, "__le__"),
    "__gt__": _operator(gt, "__gt__"), "__ge__": _operator(ge, "__ge__"),
    "__invert__": _invert,
    "__and__": bitwise_and, "__rand__": tensor_first(bitwise_and),
    "__or__": bitwise_or, "__ror__": tensor_first(bitwise_or),
    "__xor__": bitwise_xor, "__rxor__": tensor_first(bitwise_xor),
    "__lshift__": bitwise_left_shift, "__rlshift__": _left_shifted,
    "__rshift__": bitwise_right_shift, "__rrshift__": _right_shifted,
    "__iand__": inplace(bitwise_and, "bitwise_and_"), "__ior__": inplace(bitwise_or, "bitwise_or_"),
    "__ixor__": inplace(bitwise_xor, "bitwise_xor_"),
    "__ilshift__": inplace(bitwise_left_shift, "bitwise_left_shift_"),
    "__irshift__": inplace(bitwise_right_shift, "bitwise_right_shift_"),
}
INPLACE = (
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "eq", "ge", "greater", "greater_equal", "gt", "le", "less", "less_equal",
    "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "ne", "not_equal",
)
