"""What public functions ask of their arguments before an op sees them.

A declared op takes a number for any operand but not for all; PyTorch takes numbers in some places only. Start
reading at `tensors_only`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.graph.value import Value, wrap

__all__: list[str] = []

ARRAYS: Any = (Value, np.ndarray, np.generic)
OPERANDS: Any = (*ARRAYS, bool, int, float, complex)


def not_a_tensor(name: str, argument: str, position: int, got: Any) -> TypeError:
    """The error of a function that was given something else for a tensor."""
    return TypeError(f"{name}(): argument '{argument}' (position {position}) must be Tensor, not "
                     f"{type(got).__name__}; make it one with rg.tensor")


def dtype_of(x: Any, name: str = "") -> Any:
    """The NumPy dtype of a tensor or an array, the first argument of the function ``name``."""
    if isinstance(x, ARRAYS):
        return x.array.dtype if isinstance(x, Value) else x.dtype
    raise not_a_tensor(name, "input", 1, x)


def to_one_dtype(input: Any, other: Any) -> str:
    """What to do about an input and, say, a weight of different dtypes."""
    mine, its = dtypes.of(dtype_of(input)), dtypes.of(dtype_of(other))
    advice = f"convert the input with .to({its})"
    if mine.is_floating_point or mine.is_complex:
        advice += f", or the layer with .to({mine})"
    return advice


def mixed_dtypes(name: str, what: str, input: Any, other: Any) -> RuntimeError:
    """The error of a function that takes an input and, say, a weight of one dtype."""
    mine, its = dtypes.of(dtype_of(input)), dtypes.of(dtype_of(other))
    return RuntimeError(f"{name}: Input type ({mine}) and {what} type ({its}) should be the same; "
                        f"{to_one_dtype(input, other)}")


def called(a: Any) -> str:
    """In an error, the dotted name of a parameter in its network, in brackets."""
    name = getattr(a, "name", None) or ""
    return f" ({name})" if "." in name else ""


def tensors_only(op: Callable[..., Any]) -> Callable[..., Any]:
    """``op`` for two tensors, neither of them a number."""

    @functools.wraps(op)
    def checked(input: Any, other: Any) -> Any:
        if isinstance(input, ARRAYS) and isinstance(other, ARRAYS):
            return op(input, other)
        if isinstance(input, ARRAYS):
            raise not_a_tensor(op.__name__, "other", 2, other)
        raise not_a_tensor(op.__name__, "input", 1, input)

    return checked


def tensor_first(op: Callable[..., Any]) -> Callable[..., Any]:
    """``op`` for a tensor and a tensor or a number."""

    @functools.wraps(op)
    def checked(input: Any, other: Any) -> Any:
        if isinstance(input, ARRAYS):
            return op(input, other)
        raise not_a_tensor(op.__name__, "input", 1, input)

    return checked


def lifted(input: Any, other: Any) -> Any:
    """``input``, which counts as a tensor without dimensions if both operands are numbers."""
    if isinstance(input, ARRAYS) or isinstance(other, ARRAYS) or not isinstance(input, OPERANDS):
        return input
    return wrap(np.asarray(input, dtypes.result_dtype(((type(input), dtypes.NUMBER),))))
