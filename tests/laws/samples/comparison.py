"""Samples of `regrad.ops.comparison`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.laws.sample import Refused, Sample, booleans, complexes, integers, uniform

EDGES = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan])


def unordered(expect: Callable[..., Any]) -> list[Any]:
    """Samples of a comparison that complex numbers have too."""
    return [
        Sample(integers(3, 4, high=3), integers(4, high=3), expect=expect),
        Sample(EDGES, EDGES[:, None], expect=expect),
        Sample(uniform(0), uniform(), expect=expect),
        Sample(integers(5), 3, expect=expect),
        Sample(integers(5), 2.5, expect=expect),
        Sample(booleans(5), True, expect=expect),
    ]


def ordered(name: str, expect: Callable[..., Any]) -> list[Any]:
    """Samples of a comparison by size."""
    unsorted = complexes(2)
    refused = Refused(unsorted, unsorted, error=f'"{name}" not implemented', raises=NotImplementedError)
    return [*unordered(expect), refused]


def kinds(expect: Callable[..., Any]) -> list[Any]:
    """Samples of a question about one number."""
    return [Sample(x, expect=expect) for x in (EDGES, integers(3), np.zeros(()))]


def bits(expect: Callable[..., Any]) -> list[Any]:
    """Samples of an op on two operands' bits."""
    return [
        Sample(integers(3, 1, low=-9), integers(4, low=-9), expect=expect),
        Sample(integers(5), 3, expect=expect),
        Sample(booleans(5), booleans(5), expect=expect),
        Refused(uniform(2), uniform(2), error="not implemented for float64", raises=NotImplementedError),
    ]


def shifts(expect: Callable[..., Any]) -> list[Any]:
    """Samples of a shift."""
    return [
        Sample(integers(3, 1, low=-9), integers(4, high=5), expect=expect),
        Sample(integers(5), 3, expect=expect),
        Refused(booleans(2), booleans(2), error="not implemented for bool", raises=NotImplementedError),
    ]


TOLERANCES: dict[str, Any] = {"rtol": 0.1, "atol": 0.01, "equal_nan": False}

SAMPLES: dict[str, list[Any]] = {
    "eq": [*unordered(np.equal), Sample(complexes(3), complexes(3), expect=np.equal)],
    "ne": unordered(np.not_equal),
    "lt": ordered("lt", np.less),
    "le": ordered("le", np.less_equal),
    "gt": ordered("gt", np.greater),
    "ge": ordered("ge", np.greater_equal),
    "isclose": [
        Sample(uniform(3, 4), uniform(4), expect=np.isclose, **TOLERANCES),
        Sample(EDGES, EDGES[:, None], expect=np.isclose, **TOLERANCES),
        Sample(EDGES, EDGES[:, None], expect=np.isclose, **TOLERANCES | {"equal_nan": True}),
        Sample(integers(5), integers(5), expect=np.isclose, **TOLERANCES),
    ],
    "isnan": kinds(np.isnan),
    "isinf": kinds(np.isinf),
    "isfinite": kinds(np.isfinite),
    "isposinf": [
        *kinds(lambda x: x == np.inf),
        Refused(complexes(2), error="isposinf is not supported for complex tensors"),
    ],
    "isneginf": kinds(lambda x: x == -np.inf),
    "signbit": [
        *kinds(np.signbit),
        Sample(integers(4, low=-3, high=3), expect=lambda x: x < 0),
        Refused(complexes(2), error="not implemented for complex128", raises=NotImplementedError),
    ],
    "logical_not": kinds(np.logical_not),
    "logical_and": unordered(np.logical_and),
    "logical_or": unordered(np.logical_or),
    "logical_xor": unordered(np.logical_xor),
    "bitwise_and": bits(np.bitwise_and),
    "bitwise_or": bits(np.bitwise_or),
    "bitwise_xor": bits(np.bitwise_xor),
    "bitwise_not": [
        Sample(integers(3, 4), expect=np.invert),
        Sample(booleans(3), expect=np.invert),
        Refused(uniform(2), error="not implemented for float64", raises=NotImplementedError),
    ],
    "bitwise_left_shift": shifts(np.left_shift),
    "bitwise_right_shift": shifts(np.right_shift),
}
