"""Reading and writing planes at flat indices: the linear half of max pooling and of sampling at points.

A plane is x[n, c], flattened. An index array is (N, C, *places), or (N, 1, *places) if the channels share it.

    gather_plane(x, indices)  <->  scatter_plane(g, indices, x.shape[2:])     transposes of one another
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regrad.errors import ShapeError

__all__ = ["gather_plane", "place_plane", "scatter_plane"]

Array = NDArray[Any]


def gather_plane(x: Array, indices: Array) -> Array:
    """The elements of each plane of x at the indices, (N, C, *places).

    >>> from regrad.kernels.reference.planes import gather_plane
    >>> gather_plane(np.array([[[10, 20, 30]]]), np.array([[[2, 0]]])).tolist()
    [[[30, 10]]]
    """
    samples, channels = x.shape[:2]
    _check(indices, x.shape[2:])
    planes = x.reshape(samples, channels, math.prod(x.shape[2:]))
    out = np.empty((samples, channels, *indices.shape[2:]), x.dtype)
    if indices.shape[1] == channels:  # checked above: mode="clip" only spares NumPy a copy of out
        return planes.reshape(planes.size).take(_flat(indices, planes.shape), out=out, mode="clip")
    for plane, index, target in zip(planes, indices, out):
        plane.take(index[0], axis=1, out=target, mode="clip")
    return out


def scatter_plane(g: Array, indices: Array, size: Sequence[int]) -> Array:
    """Planes (N, C, *size) into which every element of g is added at its index.

    >>> from regrad.kernels.reference.planes import scatter_plane
    >>> scatter_plane(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1, 1, 0]]]), (2, 2)).tolist()
    [[[[3.0, 3.0], [0.0, 0.0]]]]
    """
    _check(indices, size)
    out = np.zeros((*g.shape[:2], *size), g.dtype)
    flat = _flat(indices, (*g.shape[:2], math.prod(size)))
    np.add.at(out.reshape(out.size), flat.reshape(g.size), g.reshape(g.size))
    return out


def place_plane(x: Array, indices: Array, size: Sequence[int]) -> Array:
    """Planes (N, C, *size) with the elements of x at their indices; of several at one index, the last.

    >>> from regrad.kernels.reference.planes import place_plane
    >>> place_plane(np.array([[[5.0, 7.0]]]), np.array([[[3, 1]]]), (2, 2)).tolist()
    [[[[0.0, 7.0], [0.0, 5.0]]]]
    """
    _check(indices, size)
    out = np.zeros((*x.shape[:2], *size), x.dtype)
    out.reshape(out.size)[_flat(indices, (*x.shape[:2], math.prod(size)))] = x
    return out


def _flat(indices: Array, shape: tuple[int, int, int]) -> Array:
    """The indices among the elements of all planes together."""
    samples, channels, size = shape
    start = np.arange(samples * channels) * size
    return indices + start.reshape(samples, channels, *[1] * (indices.ndim - 2))


def _check(indices: Array, size: Sequence[int]) -> None:
    if indices.size and (indices.min() < 0 or indices.max() >= math.prod(size)):
        raise ShapeError(f"the indices go from {indices.min()} to {indices.max()}, but planes of the size "
                         f"{tuple(size)} have the indices 0 to {math.prod(size) - 1}; give a larger size")
