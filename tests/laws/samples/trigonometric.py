"""Samples of `regrad.ops.trigonometric`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.laws.sample import Refused, Sample, complexes, integers, positive, uniform
from tests.laws.samples.exponential import of_floats


def inside(*shape: int) -> np.ndarray:
    """Numbers on which every inverse function is smooth."""
    return uniform(*shape, low=-0.9, high=0.9)


def beyond(*shape: int) -> np.ndarray:
    """Numbers above 1."""
    return uniform(*shape, low=1.1, high=3.0)


def of_inside(expect: Any) -> list[Any]:
    """Samples of an op whose real argument must lie in [-1, 1]."""
    return [Sample(inside(3, 4), expect=expect), Sample(inside()), Sample(complexes(2, 3), expect=expect)]


SAMPLES: dict[str, list[Any]] = {
    "sin": of_floats(np.sin),
    "cos": of_floats(np.cos),
    "tan": of_floats(np.tan, inside),
    "asin": of_inside(np.arcsin),
    "acos": of_inside(np.arccos),
    "atan": of_floats(np.arctan),
    "atan2": [
        Sample(positive(3, 4), uniform(3, 4), expect=np.arctan2),
        Sample(uniform(3, 1), positive(4), expect=np.arctan2),
        Sample(integers(3, low=1), 3, expect=lambda a, b: np.arctan2(a.astype("f4"), np.float32(b))),
        Sample(np.zeros(1), np.zeros(1), expect=np.arctan2, smooth=False),
    ],
    "hypot": [
        Sample(uniform(3, 4), positive(3, 4), expect=np.hypot),
        Sample(positive(3, 1), uniform(4), expect=np.hypot),
        Sample(np.array([1e200]), np.array([1e200]), expect=np.hypot, smooth=False),
        Refused(integers(3), integers(3), error="not implemented for int64", raises=NotImplementedError),
    ],
    "deg2rad": [
        Sample(uniform(3, 4) * 180, expect=np.deg2rad),
        Sample(integers(4), expect=lambda x: np.deg2rad(x).astype("f4")),
        Refused(complexes(2), error="deg2rad is not supported for complex tensors"),
    ],
    "rad2deg": [
        Sample(uniform(3, 4), expect=np.rad2deg),
        Sample(uniform(), expect=np.rad2deg),
        Refused(complexes(2), error="rad2deg is not supported for complex tensors"),
    ],
    "sinh": of_floats(np.sinh),
    "cosh": of_floats(np.cosh),
    "tanh": of_floats(np.tanh),
    "asinh": of_floats(np.arcsinh),
    "acosh": of_floats(np.arccosh, beyond),
    "atanh": of_inside(np.arctanh),
}
