"""Samples of `regrad.ops.complexes`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.laws.sample import Sample, complexes, positive, uniform

AWAY = np.array([3 + 4j, -1 + 0.5j, 2j])

SAMPLES: dict[str, list[Any]] = {
    "real": [Sample(complexes(2, 3), expect=np.real), Sample(np.asarray(1 + 2j), expect=np.real)],
    "imag": [Sample(complexes(2, 3), expect=np.imag), Sample(complexes(0), expect=np.imag)],
    "to_complex": [Sample(uniform(2, 3), expect=lambda x: x + 0j), Sample(uniform())],
    "view_as_real": [
        Sample(complexes(2, 3), expect=lambda x: np.stack([x.real, x.imag], -1)),
        Sample(np.asarray(1 + 2j), expect=lambda x: np.stack([x.real, x.imag], -1)),
    ],
    "view_as_complex": [
        Sample(uniform(3, 2), expect=lambda x: x[:, 0] + 1j * x[:, 1]),
        Sample(uniform(0, 2)),
    ],
    "complex": [
        Sample(uniform(2, 3), uniform(2, 3), expect=lambda a, b: a + 1j * b),
        Sample(uniform(2, 1), uniform(3), expect=lambda a, b: a + 1j * b),
        Sample(uniform(), uniform(0), expect=lambda a, b: a + 1j * b),
    ],
    "polar": [
        Sample(positive(2, 3), uniform(2, 3), expect=lambda a, b: a * np.exp(1j * b)),
        Sample(positive(2, 1), uniform(3), expect=lambda a, b: a * np.exp(1j * b)),
    ],
    "divisor": [
        Sample(AWAY, expect=np.abs),
        Sample(uniform(2), expect=np.abs, second=False),
        Sample(np.array([0.0, 0j]), expect=lambda x: np.full(2, np.inf), smooth=False),
    ],
    "sgn": [
        Sample(AWAY, expect=lambda x: x / np.abs(x)),
        Sample(uniform(2, 2), expect=np.sign),
        Sample(np.array([0, 1 + 0j]), expect=lambda x: x, smooth=False),
        Sample(np.array([-0.0, np.nan, -2.0]), expect=lambda x: np.array([0, 0, -1.0]), smooth=False),
    ],
    "angle": [
        Sample(AWAY, expect=np.angle),
        Sample(np.array([-1.5, 2.0]), expect=lambda x: np.array([np.pi, 0])),
        Sample(np.array([-0.0, np.nan, -9]), expect=lambda x: np.array([0, np.nan, np.pi]), smooth=False),
    ],
}
