"""The element types of tensors and which of them an operation on several operands gives.

Start at ``dtype``, the class, and the block of instances below it. ``of`` and ``to_numpy`` translate from
and to NumPy; ``promote_types`` joins two dtypes, and ``result_dtype`` the operands of an op.

A dtype is a singleton, compared with ``is``. NumPy's own promotion is never asked: it turns float32 and
int64 into float64, where PyTorch stays with float32.
"""

from __future__ import annotations

import builtins
import math
from typing import Any, ClassVar, TypeAlias, final

import numpy as np

ArrayDtype: TypeAlias = "np.dtype[Any]"

BOOL, INTEGER, FLOATING, COMPLEX = range(4)  # the ranks: of two dtypes, the one of higher rank wins
NUMBER, SCALAR, TENSOR = range(3)  # the categories: Python number, 0-d tensor, tensor with dimensions


@final
class dtype:
    """The type of a tensor's elements, such as ``rg.float32``; its NumPy counterpart is ``np``.

    The instances are those of the package (``rg.float32``, ``rg.int64``, ...); none can be made or copied.
    ``rank`` orders the kinds: 0 bool, 1 integer, 2 floating point, 3 complex.
    PyTorch: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch-dtype

    >>> rg.float32, rg.float32.itemsize, rg.float32.to_complex()
    (regrad.float32, 4, regrad.complex64)
    """

    __slots__ = ("is_complex", "is_floating_point", "is_signed", "itemsize", "name", "np", "rank")

    name: str
    np: ArrayDtype
    itemsize: builtins.int
    is_floating_point: builtins.bool
    is_complex: builtins.bool
    is_signed: builtins.bool
    rank: builtins.int

    def __init__(self, *_: object) -> None:
        raise TypeError("cannot create 'regrad.dtype' instances; take one that exists, such as rg.float32")

    def __getattr__(self, attribute: str) -> Any:
        # A slot that is filled never comes here, so only `np` of a late dtype is looked up, and only once.
        if attribute != "np":
            raise AttributeError(f"'regrad.dtype' object has no attribute {attribute!r}")
        self.np = found = _late_counterpart(self)
        _OF[found] = self
        return found

    def __repr__(self) -> str:
        return f"regrad.{self.name}"

    def __reduce__(self) -> str:
        return self.name  # pickle and copy look this name up in the module, which gives the singleton

    def to_real(self) -> dtype:
        """The dtype of the real part: float32 for complex64; a dtype that is not complex, itself.

        >>> rg.complex128.to_real()
        regrad.float64
        """
        return _REAL[self] if self.is_complex else self

    def to_complex(self) -> dtype:
        """The complex dtype whose parts have this dtype: complex64 for float32 (and for bfloat16).

        Raises RuntimeError for integers and bool, which have none.

        >>> rg.float64.to_complex()
        regrad.complex128
        """
        if self.is_complex:
            return self
        if not self.is_floating_point:
            raise RuntimeError(f"to_complex: {self} has no complex counterpart, only floating-point dtypes "
                               f"have one; start from rg.float32 or rg.float64")
        return _COMPLEX[self]


def _declare(name: str, rank: builtins.int, bits: builtins.int, *, late: builtins.bool = False) -> dtype:
    new: dtype = object.__new__(dtype)
    new.name, new.rank, new.itemsize = name, rank, max(bits // 8, 1)
    new.is_floating_point, new.is_complex = rank == FLOATING, rank == COMPLEX
    new.is_signed = rank >= INTEGER and not name.startswith("u")
    if not late:
        new.np = np.dtype(name)
    return new


bool_ = _declare("bool", BOOL, 1)
uint8 = _declare("uint8", INTEGER, 8)
uint16 = _declare("uint16", INTEGER, 16)
uint32 = _declare("uint32", INTEGER, 32)
uint64 = _declare("uint64", INTEGER, 64)
int8 = _declare("int8", INTEGER, 8)
int16 = short = _declare("int16", INTEGER, 16)
int32 = _declare("int32", INTEGER, 32)
int64 = long = _declare("int64", INTEGER, 64)
float16 = half = _declare("float16", FLOATING, 16)
bfloat16 = _declare("bfloat16", FLOATING, 16, late=True)
float32 = _declare("float32", FLOATING, 32)
float64 = double = _declare("float64", FLOATING, 64)
complex32 = chalf = _declare("complex32", COMPLEX, 32, late=True)
complex64 = cfloat = _declare("complex64", COMPLEX, 64)
complex128 = cdouble = _declare("complex128", COMPLEX, 128)

# PyTorch's names that hide builtins; below this line the builtins are written `builtins.bool` and so on.
bool, int, float = bool_, int32, float32

_COMPLEX = {float16: complex32, bfloat16: complex64, float32: complex64, float64: complex128}
_REAL = {complex32: float16, complex64: float32, complex128: float64}
_PYTHON = {builtins.bool: bool_, builtins.int: int64, builtins.float: float64, builtins.complex: complex128}
_WIDE_UNSIGNED = {uint16, uint32, uint64}
_OF: dict[ArrayDtype, dtype] = {
    each.np: each
    for each in (bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, float32, float64,
                 complex64, complex128)
}


def _late_counterpart(late: dtype) -> ArrayDtype:
    if late is complex32:
        raise TypeError("complex32 (complex numbers of two float16) has no NumPy counterpart; "
                        "convert the float16 operand to rg.float32, or ask for rg.complex64")
    try:
        import ml_dtypes
    except ImportError as error:
        raise ImportError("bfloat16 arrays need the package ml_dtypes; "
                          "install it with `pip install ml_dtypes`, or use rg.float32") from error
    found: ArrayDtype = np.dtype(ml_dtypes.bfloat16)
    return found


# From and to NumPy -----------------------------------------------------------------------------------------


def of(array_dtype: ArrayDtype) -> dtype:
    """The dtype of an array: ``of(array.dtype)``.

    Raises TypeError for what no tensor holds (longdouble, objects, text, dates, records) and ValueError for a
    byte order that is not the machine's.

    >>> from regrad import dtypes
    >>> dtypes.of(np.dtype("float32"))
    regrad.float32
    """
    found = _OF.get(array_dtype)
    return _of_unknown(array_dtype) if found is None else found


def _of_unknown(array_dtype: ArrayDtype) -> dtype:
    if not isinstance(array_dtype, np.dtype):
        raise TypeError(f"dtypes.of: takes a NumPy dtype, got {array_dtype!r}; "
                        f"dtypes.as_dtype takes every spelling")
    if array_dtype.name == "bfloat16" and array_dtype == bfloat16.np:
        return bfloat16
    if not array_dtype.isnative and array_dtype.newbyteorder("=") in _OF:
        raise ValueError(f"tensors hold numbers in this machine's byte order, got an array of "
                         f"{array_dtype.str!r}; convert it with array.astype(array.dtype.newbyteorder('='))")
    advice = {
        "f": "convert it with array.astype(np.float64)",
        "c": "convert it with array.astype(np.complex128)",
        "M": "convert it with array.astype(np.int64)",
        "m": "convert it with array.astype(np.int64)",
        "V": "take the fields one by one, as in array['name']",
    }.get(array_dtype.kind, "if its elements are numbers, convert it with array.astype(np.float64)")
    takes = ", ".join(each.name for each in _OF.values())
    raise TypeError(f"no tensor holds NumPy's {array_dtype.name}, the dtypes are {takes}; {advice}")


def as_dtype(spelling: object) -> dtype:
    """The dtype meant by a dtype, a NumPy dtype or scalar type, or Python's bool, int, float or complex.

    As in PyTorch, Python's float means float64 here. Raises TypeError for anything else, strings included.

    >>> from regrad import dtypes
    >>> dtypes.as_dtype(float), dtypes.as_dtype(np.int8)
    (regrad.float64, regrad.int8)
    """
    if isinstance(spelling, dtype):
        return spelling
    if isinstance(spelling, np.dtype):
        return of(spelling)
    if isinstance(spelling, type):
        if spelling in _PYTHON:
            return _PYTHON[spelling]
        if issubclass(spelling, np.generic):
            return of(np.dtype(spelling))
    takes = "a dtype such as rg.float32, a NumPy dtype, or Python's bool, int, float or complex"
    named = isinstance(spelling, str) and isinstance(globals().get(spelling), dtype)
    hint = f"; write rg.{spelling}" if named else ""
    raise TypeError(f"dtype must be {takes}, got {spelling!r}{hint}")


def to_numpy(spelling: object) -> ArrayDtype:
    """The NumPy dtype of whatever ``as_dtype`` takes.

    Raises TypeError for what is no dtype and for complex32, ImportError for bfloat16 without ml_dtypes.

    >>> from regrad import dtypes
    >>> dtypes.to_numpy(rg.float32)
    dtype('float32')
    """
    return as_dtype(spelling).np


# The default dtype -----------------------------------------------------------------------------------------

_default = float32


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats, float32 unless ``set_default_dtype`` changed it.

    >>> rg.get_default_dtype()
    regrad.float32
    """
    return _default


def set_default_dtype(d: dtype) -> None:
    """Make ``d``, a floating-point dtype, the one of tensors made from Python floats.

    Python's complex numbers follow: complex128 with float64, complex64 with float32. Raises TypeError for a
    dtype that is not floating point, and for what is no dtype.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.set_default_dtype.html

    >>> rg.set_default_dtype(rg.float64)
    >>> rg.get_default_dtype()
    regrad.float64
    >>> rg.set_default_dtype(rg.float32)
    """
    global _default
    if not isinstance(d, dtype):
        raise TypeError(f"invalid dtype object: only floating-point types are supported as the default type, "
                        f"got {d!r}; pass one such as rg.float64")
    if not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d}; "
                        f"pass one such as rg.float64")
    to_numpy(d)  # bfloat16 without ml_dtypes fails here, while the old default still stands
    _default = d
    _results.clear()


# Limits ----------------------------------------------------------------------------------------------------


class _Limits:
    __slots__ = ("bits", "dtype", "max", "min")

    bits: builtins.int
    dtype: str

    def __eq__(self, other: object) -> builtins.bool:
        return type(other) is type(self) and other.dtype == self.dtype

    def __hash__(self) -> builtins.int:
        return hash((type(self), self.dtype))


class finfo(_Limits):
    """Limits of a floating-point dtype (by default the default dtype); of a complex one, those of its parts.

    Fields: ``bits``, ``dtype`` (the name), ``eps`` (from 1 to the next number), ``max``, ``min``,
    ``smallest_normal`` alias ``tiny``, and ``resolution`` (``10**-k``, k being the decimal digits that hold).
    Raises TypeError for integers and bool.
    PyTorch: https://docs.pytorch.org/docs/stable/type_info.html

    >>> rg.finfo(rg.float32).eps
    1.1920928955078125e-07
    """

    __slots__ = ("eps", "resolution", "smallest_normal")

    max: builtins.float
    min: builtins.float
    eps: builtins.float
    resolution: builtins.float
    smallest_normal: builtins.float

    # bits of the fraction and of the exponent (IEEE 754)
    _BITS: ClassVar = {"float16": (10, 5), "bfloat16": (7, 8), "float32": (23, 8), "float64": (52, 11)}

    def __init__(self, type: object = None) -> None:
        given = _default if type is None else as_dtype(type)
        if given.rank < FLOATING:
            raise TypeError(f"finfo() takes a floating-point or complex dtype, got {given}; "
                            f"iinfo takes the integers")
        real = given.to_real()
        fraction, exponent = self._BITS[real.name]
        largest = 2 ** (exponent - 1) - 1
        self.bits, self.dtype = 8 * real.itemsize, real.name
        self.eps = 2.0**-fraction
        self.max = (2 - self.eps) * 2.0**largest
        self.min = -self.max
        self.smallest_normal = 2.0 ** (1 - largest)
        self.resolution = builtins.float(f"1e-{math.floor(fraction * math.log10(2))}")

    @property
    def tiny(self) -> builtins.float:
        """The smallest positive normal number, ``smallest_normal``.

        >>> rg.finfo(rg.float64).tiny
        2.2250738585072014e-308
        """
        return self.smallest_normal

    def __repr__(self) -> str:
        return (f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
                f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
                f"dtype={self.dtype})")


class iinfo(_Limits):
    """Limits of an integer dtype: ``bits``, ``dtype`` (the name), ``max`` and ``min``.

    Raises TypeError for every other dtype, bool included.
    PyTorch: https://docs.pytorch.org/docs/stable/type_info.html

    >>> rg.iinfo(rg.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    __slots__ = ()

    max: builtins.int
    min: builtins.int

    def __init__(self, type: object) -> None:
        given = as_dtype(type)
        if given.rank != INTEGER:
            other = "use finfo for it" if given.rank > INTEGER else "its values are False and True"
            raise TypeError(f"iinfo() takes an integer dtype, got {given}; {other}")
        self.bits, self.dtype = 8 * given.itemsize, given.name
        self.min = -(2 ** (self.bits - 1)) if given.is_signed else 0
        self.max = self.min + 2**self.bits - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


# Promotion -------------------------------------------------------------------------------------------------


def promote_types(type1: object, type2: object) -> dtype:
    """The smallest dtype, of no lower kind than either, to which both convert: PyTorch's table.

    An integer never widens a floating-point dtype: int64 and float16 give float16. Raises RuntimeError for
    uint16, uint32 and uint64, which promote with floating-point dtypes only, and TypeError for no dtype.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.promote_types.html

    >>> rg.promote_types(rg.float32, rg.int64), rg.promote_types(rg.uint8, rg.int8)
    (regrad.float32, regrad.int16)
    """
    a, b = as_dtype(type1), as_dtype(type2)
    if a is b:
        return a
    low, high = (a, b) if (a.rank, a.itemsize) <= (b.rank, b.itemsize) else (b, a)
    if (low in _WIDE_UNSIGNED or high in _WIDE_UNSIGNED) and high.rank != FLOATING:
        raise RuntimeError(f"Promotion for uint16, uint32, uint64 types is not supported, attempted to "
                           f"promote {a.name} and {b.name}; convert one of them first, as in x.to({high})")
    if low.is_floating_point and high.is_complex:
        return promote_types(low, high.to_real()).to_complex()
    if low.rank == high.rank and low.itemsize == high.itemsize:  # neither holds the values of the other
        return int16 if high.rank == INTEGER else float32
    return high


def can_cast(from_: object, to: object) -> builtins.bool:
    """Whether a result of dtype ``from_`` may be written into a tensor of dtype ``to``.

    It may unless the kind gets lower (complex, floating point, integer, bool); the width does not matter.
    Raises TypeError for what is no dtype.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.can_cast.html

    >>> rg.can_cast(rg.float64, rg.float32), rg.can_cast(rg.float32, rg.int64)
    (True, False)
    """
    return as_dtype(from_).rank <= as_dtype(to).rank


_results: dict[tuple[tuple[Any, builtins.int], ...], ArrayDtype] = {}


def result_dtype(operands: tuple[tuple[Any, builtins.int], ...]) -> ArrayDtype:
    """The NumPy dtype in which an op computes, given ``(dtype, category)`` of each operand, as a tuple.

    The categories are ``TENSOR`` (with dimensions), ``SCALAR`` (0-d) and ``NUMBER`` (Python's); a lower one
    decides only if its kind is higher. Of a number the kind alone counts, so it is given by its Python type
    or by a NumPy dtype: a float has the default dtype, a complex number the default dtype's complex one.
    Raises what ``of`` and ``promote_types`` raise, and TypeError where the result is complex32.
    PyTorch: https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc

    >>> from regrad import dtypes
    >>> dtypes.result_dtype(((np.dtype("int64"), dtypes.TENSOR), (float, dtypes.NUMBER)))
    dtype('float32')
    """
    found = _results.get(operands)
    if found is None:
        if len(operands) > 4:  # a list of tensors, of any length: it is not kept as a key
            return _result(tuple(dict.fromkeys(operands)))
        found = _results[operands] = _result(operands)
    return found


def _result(operands: tuple[tuple[Any, builtins.int], ...]) -> ArrayDtype:
    best: list[dtype | None] = [None, None, None]
    for given, category in operands:
        each, so_far = as_dtype(given), best[category]
        if category == NUMBER and each.rank >= FLOATING:
            each = _default.to_complex() if each.is_complex else _default
        best[category] = each if so_far is None else promote_types(so_far, each)
    number, scalar, tensor = best
    decided = _outranked(tensor, by=_outranked(scalar, by=number))
    if decided is None:
        raise ValueError("result_dtype: takes the (dtype, category) of at least one operand, got none")
    return decided.np


def _outranked(high: dtype | None, *, by: dtype | None) -> dtype | None:
    """What is left of the higher category's dtype when the one below it may be of a higher kind."""
    if high is None or by is None:
        return high or by
    if by.rank <= high.rank:
        return high
    if high.is_floating_point:
        return high.to_complex()
    return by if by.rank >= FLOATING else promote_types(high, by)
