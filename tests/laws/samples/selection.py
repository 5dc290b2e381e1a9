"""Samples of following indices, with and without the dimension that a reduction has dropped."""

import numpy as np

from tests.laws.sample import Sample, integers, uniform

SAMPLES = {
    "pick": [
        Sample(uniform(3, 4), integers(3, 2, high=4), dim=1, expect=lambda x, i: np.take_along_axis(x, i, 1)),
        Sample(uniform(3, 4), integers(4, high=3), dim=0, expect=lambda x, i: x[i, range(4)]),
        Sample(uniform(), np.array(0), dim=0, expect=lambda x, i: x),
    ],
    "place": [
        Sample(uniform(3), np.array([1, 0, 1]), shape=(4,), dim=0,
               expect=lambda x, i: np.array([x[1], x[0] + x[2], 0, 0])),
        Sample(uniform(2, 3), integers(2, 3, high=4), shape=(2, 4, 3), dim=1),
        Sample(uniform(), np.array(0), shape=(), dim=0, expect=lambda x, i: x),
        Sample(uniform(0, 3), integers(0, 3, high=1), shape=(2, 3), dim=0),
    ],
}  # fmt: skip
