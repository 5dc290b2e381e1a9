"""Samples of `regrad.ops.layout`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.laws.sample import Refused, Sample, complexes, uniform

ROWS = ((3, 4), (4, 1), 0)  # a matrix row by row
COLUMNS = ((4, 3), (1, 4), 0)
WINDOWS = ((3, 2), (1, 1), 1)  # three windows of two, from the second element on
SAME = ((3,), (0,), 0)  # three elements in one place


def folded(x, shape, dim, size, step):
    out = np.zeros(shape, x.dtype)
    moved, windows = np.moveaxis(out, dim, -1), np.moveaxis(x, dim, -2)
    for w in range(windows.shape[-2]):
        moved[..., w * step : w * step + size] += windows[..., w, :]
    return out


def windowed(x, dim, size, step):
    seen = np.lib.stride_tricks.sliding_window_view(x, size, dim)
    return np.moveaxis(np.moveaxis(seen, dim, 0)[::step], 0, dim)


SAMPLES: dict[str, list[Any]] = {
    "unfold": [
        Sample(uniform(2, 5), dim=1, size=3, step=1, expect=windowed),
        Sample(uniform(6, 2), dim=0, size=2, step=3, expect=windowed),
        Sample(uniform(), dim=0, size=1, step=1, expect=lambda x: x.reshape(1)),
    ],
    "unfold_backward": [
        Sample(uniform(2, 3, 3), shape=(2, 5), dim=1, size=3, step=1, expect=folded),
        Sample(uniform(2, 2, 2), shape=(6, 2), dim=0, size=2, step=3, expect=folded),
        Sample(uniform(1), shape=(), dim=0, size=1, step=1, expect=lambda x: x[0]),
    ],
    "as_strided": [
        Sample(uniform(3, 4), size=(4, 3), stride=(1, 4), offset=0, inner=ROWS, expect=lambda x: x.T),
        Sample(uniform(6), size=(3, 2), stride=(1, 1), offset=1, inner=((6,), (1,), 0),
               expect=lambda x: np.stack([x[1:4], x[2:5]], 1)),
        Sample(uniform(), size=(2, 2), stride=(0, 0), offset=0, inner=((), (), 0),
               expect=lambda x: np.full((2, 2), x)),
        Sample(complexes(3), size=(0, 2), stride=(2, 1), offset=0, inner=((3,), (1,), 0)),
        Refused(np.zeros(3), size=(2,), stride=(3,), offset=0, inner=((3,), (1,), 0),
                error="out of bounds for storage"),
    ],
    "through_memory": [
        Sample(uniform(3, 4), here=ROWS, there=COLUMNS, share=0, expect=lambda x: x.T),
        Sample(uniform(3, 2), here=WINDOWS, there=((5,), (1,), 0), share=1,
               expect=lambda x: np.array([0, x[0, 0], x[0, 1] + x[1, 0], x[1, 1] + x[2, 0], x[2, 1]])),
        Sample(uniform(3), here=SAME, there=((2,), (0,), 0), share=0, expect=lambda x: np.full(2, x.mean())),
        Sample(uniform(2), here=((2,), (1,), 0), there=SAME, share=1, expect=lambda x: np.full(3, x[0] / 3)),
        Sample(uniform(0), here=((0,), (1,), 0), there=ROWS, share=0, expect=lambda x: np.zeros((3, 4))),
    ],
}  # fmt: skip
