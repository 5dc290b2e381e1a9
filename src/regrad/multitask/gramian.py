"""Inner products of gradients, and sums of them with weights; a block at a time, in float64.

A row is what one loss has: a gradient, or None, for each parameter. Complex gradients count as pairs of real numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from regrad.graph.value import wrap

__all__ = ["combination", "gramian_of"]

Row = Sequence[Any]
_BLOCK = 1 << 15  # columns converted to float64 at a time: they stay in the cache


def gramian_of(rows: Sequence[Row]) -> Any:
    """The inner product of each pair of rows."""
    total = np.zeros((len(rows), len(rows)))
    with np.errstate(all="ignore"):
        for column in zip(*rows):
            for block in _blocks([_flat(g) for g in column]):
                total += block @ block.T
    return total


def combination(weights: Any, rows: Sequence[Row]) -> list[Any]:
    """The sum of the rows, each times its weight: a gradient for each parameter, or None where no row has one."""
    return [_combined(weights, column) for column in zip(*rows)]


def _combined(weights: Any, column: Row) -> Any:
    like = next((g.array for g in column if g is not None), None)
    if like is None:
        return None
    out = np.empty(like.shape, like.dtype)
    flat, start = _flat(wrap(out)), 0
    with np.errstate(all="ignore"):
        for block in _blocks([_flat(g) for g in column]):
            end = start + block.shape[1]
            flat[start:end] = weights @ block
            start = end
    return wrap(out)


def _flat(g: Any) -> Any:
    """The numbers of a gradient in a row; of a new array they are the same memory."""
    if g is None:
        return None
    flat = g.array.reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _blocks(flats: list[Any]) -> Iterator[Any]:
    size = next((flat.size for flat in flats if flat is not None), 0)
    for start in range(0, size, _BLOCK):
        block = np.zeros((len(flats), min(_BLOCK, size - start)))
        for row, flat in zip(block, flats):
            if flat is not None:
                row[:] = flat[start : start + _BLOCK]
        yield block
