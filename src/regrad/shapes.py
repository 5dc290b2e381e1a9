"""Shapes: the tuple that users see, broadcasting, dimensions, and the shape rules that ops name.

A shape rule takes the input shapes and the op's parameters and gives the shape of the result, without running a
kernel. Start reading at `Size` and `broadcast`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from regrad.errors import DimError, ShapeError

__all__ = ["Size", "broadcast", "dim_in", "dims_in", "mismatch", "numel", "reduced", "same"]

Shape = tuple[int, ...]


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple that can count its elements.

    >>> import regrad as rg
    >>> rg.ones(2, 3).shape, rg.ones(2, 3).shape.numel()
    (regrad.Size([2, 3]), 6)
    """

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"regrad.Size({list(self)})"

    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return Size(found) if isinstance(key, slice) else found

    def __add__(self, other: Any) -> Size:
        return Size(tuple(self) + tuple(other))

    def __mul__(self, other: Any) -> Size:
        return Size(tuple(self) * other)


def numel(shape: Iterable[int]) -> int:
    """The number of elements of a shape."""
    return math.prod(shape)


def mismatch(sizes: Sequence[Shape]) -> str:
    """Why the sizes cannot be broadcast together, in PyTorch's words; empty when they can."""
    for k, b in enumerate(sizes[1:], 1):
        for a in sizes[:k]:
            longer = max(len(a), len(b))
            for d in range(-1, -longer - 1, -1):
                m, n = (a[d] if -d <= len(a) else 1), (b[d] if -d <= len(b) else 1)
                if m != n and 1 not in (m, n):
                    return (
                        f"The size of tensor a ({m}) must match the size of tensor b ({n}) at non-singleton"
                        f" dimension {longer + d}; shapes {list(a)} and {list(b)} do not broadcast"
                    )
    return ""


def broadcast(*sizes: Shape, **_: Any) -> Shape:
    """The shape that ``sizes`` broadcast to."""
    trouble = mismatch(sizes)
    if trouble:
        raise ShapeError(trouble)
    longest = max((len(s) for s in sizes), default=0)
    out = [1] * longest
    for s in sizes:
        for d, n in enumerate(s, longest - len(s)):
            if n != 1:
                out[d] = n
    return tuple(out)


def same(x: Shape, *_: Any, **__: Any) -> Shape:
    """The shape of the first input."""
    return tuple(x)


def dim_in(dim: Any, ndim: int, name: str = "") -> int:
    """``dim`` counted from the front, checked against a tensor of ``ndim`` dimensions (0-d counts as one)."""
    span = max(ndim, 1)
    if not isinstance(dim, int) and not hasattr(dim, "__index__"):
        raise TypeError(f"{name or 'op'}: dim must be an int, not {type(dim).__name__}")
    dim = int(dim)
    if not -span <= dim < span:
        raise DimError(
            f"{name + ': ' if name else ''}Dimension out of range (expected to be in range of "
            f"[{-span}, {span - 1}], but got {dim})"
        )
    return int(dim + span if dim < 0 else dim)


def dims_in(dim: Any, ndim: int, name: str = "") -> tuple[int, ...]:
    """``dim`` (None: all; an int; several) as a tuple of distinct dimensions counted from the front."""
    if dim is None:
        return tuple(range(ndim))
    if not isinstance(dim, (tuple, list)):
        return (dim_in(dim, ndim, name),) if ndim else _none(dim_in(dim, ndim, name))
    out = tuple(dim_in(d, ndim, name) for d in dim)
    if len(set(out)) != len(out):
        twice = next(d for d in out if out.count(d) > 1)
        raise RuntimeError(
            f"{name + ': ' if name else ''}dim {twice} appears multiple times in the list of dims"
        )
    return out if ndim else ()


def _none(_: int) -> tuple[int, ...]:
    return ()


def reduced(x: Shape, *, dim: Any = None, keepdim: bool = False, **_: Any) -> Shape:
    """The shape of ``x`` after a reduction over ``dim`` (None: over everything)."""
    gone = set(dims_in(dim, len(x)))
    if keepdim:
        return tuple(1 if d in gone else n for d, n in enumerate(x))
    return tuple(n for d, n in enumerate(x) if d not in gone)
