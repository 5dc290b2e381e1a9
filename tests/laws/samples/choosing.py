"""Samples of `regrad.ops.choosing`; ``TIES`` holds every kind of tie with ``OTHERS``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.laws.sample import Refused, Sample, booleans, complexes, integers, positive, uniform

TIES = np.array([1.0, 2.0, 0.0, np.nan, np.inf, -np.inf])
OTHERS = np.array([1.0, 1.0, -0.0, 1.0, np.nan, 0.0])


def of_two(name: str, expect: Callable[..., Any]) -> list[Any]:
    """Samples of an op that takes one of two elements."""
    return [
        Sample(uniform(3, 4), uniform(3, 4), expect=expect),
        Sample(uniform(3, 1), uniform(4), expect=expect),
        Sample(TIES, OTHERS, expect=expect, smooth=False),
        Sample(integers(5), integers(5), expect=expect),
        Sample(uniform(0), uniform()),
        Refused(complexes(2), complexes(2), error=f'"{name}" not implemented', raises=NotImplementedError),
    ]


def lerp(a: Any, b: Any, w: Any) -> Any:
    return a + w * (b - a)


def cut(x: Any, low: Any, high: Any) -> Any:
    return np.minimum(np.maximum(x, -np.inf if low is None else low), np.inf if high is None else high)


SAMPLES: dict[str, list[Any]] = {
    "where": [
        Sample(uniform(3, 4), uniform(3, 4), booleans(3, 4), expect=lambda a, b, c: np.where(c, a, b)),
        Sample(uniform(4), uniform(3, 1), booleans(2, 1, 1), expect=lambda a, b, c: np.where(c, a, b)),
        Sample(uniform(3), 0.0, booleans(3), expect=lambda a, b, c: np.where(c, a, b)),
        Sample(uniform(), complexes(2), booleans(2), expect=lambda a, b, c: np.where(c, a, b)),
    ],
    "maximum": of_two("maximum", np.maximum),
    "minimum": of_two("minimum", np.minimum),
    "fmax": of_two("fmax", np.fmax),
    "fmin": of_two("fmin", np.fmin),
    "clamp_min": [*of_two("clamp_min", np.maximum), Sample(uniform(5), 0.1, expect=np.maximum)],
    "clamp_max": [*of_two("clamp_max", np.minimum), Sample(uniform(5), 0.1, expect=np.minimum)],
    "clamp": [
        Sample(uniform(3, 4), low=-0.5, high=0.5, expect=cut),
        Sample(uniform(), low=None, high=0.0, expect=cut),
        Sample(uniform(5), low=0.5, high=-0.5, expect=cut),
        Sample(np.array([0.0, 1.0, np.nan]), low=0, high=1, expect=cut, smooth=False),
        Sample(integers(5), low=2, high=6, expect=cut),
        Refused(complexes(2), low=0, high=1, error="not supported for complex", raises=NotImplementedError),
    ],
    "clamp_between": [
        Sample(uniform(3, 4), uniform(4) - 0.3, uniform(3, 1) + 0.3, expect=cut),
        Sample(uniform(5), None, uniform(5), expect=cut),
        Sample(uniform(5), uniform(), None, expect=cut),
    ],
    "nan_to_num": [
        Sample(uniform(3, 4), nan=None, posinf=None, neginf=None, expect=lambda x: x),
        Sample(TIES, nan=5.0, posinf=6.0, neginf=-7.0, smooth=False,
               expect=lambda x: np.nan_to_num(x, nan=5.0, posinf=6.0, neginf=-7.0)),
        Sample(integers(3), nan=1.0, posinf=None, neginf=None, expect=lambda x: x),
    ],
    "copysign": [
        Sample(uniform(3, 4), uniform(3, 4), expect=np.copysign),
        Sample(uniform(3, 1), uniform(4), expect=np.copysign),
        Sample(np.array([0.0, 2.0]), -0.0, expect=np.copysign, smooth=False),
        Refused(complexes(2), 1.0, error='"copysign" not implemented', raises=NotImplementedError),
    ],
    "heaviside": [
        Sample(np.array([-1.0, 0.0, 2.0]), uniform(3), expect=np.heaviside, smooth=False),
        Sample(integers(3, 1, low=-1, high=2), integers(4), expect=np.heaviside),
        Refused(complexes(2), complexes(2), error='"heaviside" not implemented', raises=NotImplementedError),
    ],
    "nextafter": [
        Sample(uniform(3, 4), uniform(4), expect=np.nextafter),
        Sample(TIES, TIES, expect=np.nextafter, smooth=False),
        Refused(integers(2), integers(2), error="not implemented for int64", raises=NotImplementedError),
    ],
    "lerp": [
        Sample(uniform(3, 4), uniform(3, 4), uniform(3, 4), expect=lerp),
        Sample(uniform(3, 1), uniform(4), uniform(), expect=lerp),
        Sample(uniform(3), uniform(3), 0.75, expect=lerp),
        Sample(complexes(3), complexes(3), 0.25, expect=lerp),
    ],
    "addcmul": [
        Sample(uniform(3, 4), uniform(3, 4), uniform(4), value=-2.5, expect=lambda x, a, b: x - 2.5 * a * b),
        Sample(uniform(), uniform(3, 1), uniform(4), expect=lambda x, a, b: x + a * b),
        Sample(integers(3), integers(3), integers(3), value=2, expect=lambda x, a, b: x + 2 * a * b),
        Refused(*[booleans(2)] * 3, error="not implemented for bool", raises=NotImplementedError),
    ],
    "addcdiv": [
        Sample(uniform(3, 4), uniform(3, 4), positive(4), value=-2.5, expect=lambda x, a, b: x - 2.5 * a / b),
        Sample(uniform(), uniform(3, 1), positive(4), value=1, expect=lambda x, a, b: x + a / b),
    ],
}
