"""Samples of `regrad.ops.rounding`; uniform numbers lie between the steps, ``HALVES`` on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.laws.sample import Refused, Sample, booleans, complexes, integers, uniform

HALVES = np.array([-2.5, -1.5, -1.0, -0.5, -0.0, 0.5, 1.5, 2.5, np.inf, np.nan])


def steps(expect: Callable[..., Any]) -> list[Any]:
    """Samples of a rounding to whole numbers."""
    return [
        Sample(uniform(3, 4) * 9, expect=expect),
        Sample(uniform(), expect=expect),
        Sample(HALVES, expect=expect, smooth=False),
        Sample(integers(4, low=-5), expect=lambda x: x),
        Refused(complexes(2), error="not implemented for complex128", raises=NotImplementedError),
        Refused(booleans(2), error="not implemented for bool", raises=NotImplementedError),
    ]


SAMPLES: dict[str, list[Any]] = {
    "floor": steps(np.floor),
    "ceil": steps(np.ceil),
    "trunc": steps(np.trunc),
    "round": steps(np.round),
    "frac": [
        Sample(uniform(3, 4) * 9, expect=lambda x: x - np.trunc(x)),
        Sample(uniform(0)),
        Refused(integers(3), error="not implemented for int64", raises=NotImplementedError),
    ],
    "round_decimals": [
        Sample(uniform(3, 4), decimals=2, expect=np.round),
        Sample(uniform(3) * 1000, decimals=-2, expect=np.round),
        Refused(integers(3), decimals=1, error="not implemented for int64", raises=NotImplementedError),
    ],
}
