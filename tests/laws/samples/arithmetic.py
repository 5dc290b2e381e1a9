"""Samples of `regrad.ops.arithmetic`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.laws.sample import Refused, Sample, booleans, complexes, integers, positive, uniform

SAMPLES: dict[str, list[Any]] = {
    "zero": [Sample(uniform(3, 4), expect=np.zeros_like), Sample(uniform())],
    "add": [
        Sample(uniform(3, 4), uniform(3, 4), expect=np.add),
        Sample(uniform(3, 1), uniform(4), expect=np.add),
        Sample(uniform(2, 0), uniform(), expect=np.add),
        Sample(uniform(3), 2.0, expect=np.add),
        Sample(complexes(3), uniform(2, 3), expect=np.add),
        Refused(uniform(3), uniform(4), error="add: "),
    ],
    "add_scaled": [
        Sample(uniform(3, 1), uniform(4), alpha=-2.5, expect=lambda a, b: a - 2.5 * b),
        Sample(integers(4), integers(4), alpha=3, expect=lambda a, b: a + 3 * b),
        Sample(uniform(), uniform(2), alpha=2),
    ],
    "sub": [
        Sample(uniform(3, 4), uniform(3, 4), expect=np.subtract),
        Sample(uniform(1, 4), uniform(3, 1), expect=np.subtract),
        Sample(uniform(), 1, expect=np.subtract),
    ],
    "rsub": [
        Sample(uniform(3, 4), uniform(4), expect=lambda a, b: b - a),
        Sample(uniform(0), 1, expect=lambda a, b: b - a),
    ],
    "mul": [
        Sample(uniform(3, 4), uniform(3, 4), expect=np.multiply),
        Sample(uniform(3, 1), uniform(2, 1, 4), expect=np.multiply),
        Sample(uniform(), -3, expect=np.multiply),
        Sample(complexes(2, 3), complexes(3), expect=np.multiply),
        Sample(uniform(0, 3), uniform(3)),
    ],
    "div": [
        Sample(uniform(3, 4), positive(3, 4), expect=np.divide),
        Sample(uniform(4), -positive(3, 1), expect=np.divide),
        Sample(uniform(), 4, expect=np.divide),
        Sample(complexes(3), complexes(3) + 2, expect=np.divide),
        Sample(integers(3), integers(3, low=1), expect=lambda a, b: (a / b).astype("f4")),
    ],
    "div_floor": [
        Sample(uniform(5) * 10, positive(5), expect=np.floor_divide),
        Sample(integers(2, 3, low=-9), -3, expect=np.floor_divide),
        Refused(integers(3), integers(3, high=1), error="ZeroDivisionError"),
        Refused(booleans(3), booleans(3), error="not implemented for bool", raises=NotImplementedError),
    ],
    "div_trunc": [
        Sample(uniform(5) * 10, positive(5), expect=lambda a, b: np.trunc(a / b)),
        Sample(integers(2, 3, low=-9), integers(3, low=1), expect=lambda a, b: np.trunc(a / b)),
        Sample(np.array([-6, 6, -7, 7]), -3, expect=lambda a, b: np.trunc(a / b)),
        Refused(integers(3), 0, error="ZeroDivisionError"),
    ],
    "floor_divide": [
        Sample(uniform(5) * 10, positive(5), expect=np.floor_divide, smooth=False),
        Sample(integers(2, 3, low=-9), -3, expect=np.floor_divide),
        Refused(integers(3), 0, error="ZeroDivisionError"),
    ],
    "reciprocal": [
        Sample(positive(3, 4), expect=np.reciprocal),
        Sample(uniform(low=-2, high=-1), expect=np.reciprocal),
        Sample(complexes(3) + 2, expect=np.reciprocal),
        Sample(integers(3, low=1), expect=lambda x: (1 / x).astype("f4")),
    ],
    "remainder": [
        Sample(uniform(6) * 10, positive(6), expect=np.remainder),
        Sample(uniform(3, 1) * 10, -positive(4), expect=np.remainder),
        Sample(uniform(low=4, high=5), 3, expect=np.remainder),
        Sample(integers(5, low=-9), 4, expect=np.remainder),
        Refused(integers(3), 0, error="ZeroDivisionError"),
        Refused(complexes(3), 2, error="not implemented for complex128", raises=NotImplementedError),
    ],
    "fmod": [
        Sample(uniform(6) * 10, positive(6), expect=np.fmod),
        Sample(uniform(3, 1) * 10, -positive(4), expect=np.fmod),
        Sample(uniform(low=4, high=5), 3, expect=np.fmod),
        Sample(integers(5, low=-9), 4, expect=np.fmod),
    ],
    "neg": [
        Sample(uniform(3, 4), expect=np.negative),
        Sample(uniform(), expect=np.negative),
        Sample(integers(3), expect=np.negative),
        Refused(booleans(3), error="Negation, the `-` operator, on a bool tensor is not supported"),
    ],
    "sign": [
        Sample(uniform(3, 4), expect=np.sign),
        Sample(np.array([0.0, -0.0, np.inf, -np.inf]), expect=np.sign, smooth=False),
        Sample(np.array([np.nan]), expect=np.zeros_like, smooth=False),
        Sample(integers(3, low=-2, high=2), expect=np.sign),
        Sample(booleans(3), expect=lambda x: x),
        Refused(complexes(2), error="sign is not for complex numbers"),
    ],
    "abs": [
        Sample(uniform(3, 4), expect=np.abs),
        Sample(uniform(low=-2, high=-1), expect=np.abs),
        Sample(complexes(2, 3), expect=np.abs),
        Sample(np.zeros(2), expect=np.abs, smooth=False),
        Refused(booleans(3), error="not implemented for bool", raises=NotImplementedError),
    ],
    "gcd": [
        Sample(integers(6), integers(6), expect=np.gcd),
        Sample(integers(3, 1), integers(4), expect=np.gcd),
        Refused(uniform(3), uniform(3), error="not implemented for float64", raises=NotImplementedError),
    ],
    "lcm": [
        Sample(integers(6), integers(6), expect=np.lcm),
        Sample(integers(0), integers(0), expect=np.lcm),
        Refused(booleans(3), booleans(3), error="not implemented for bool", raises=NotImplementedError),
    ],
}
