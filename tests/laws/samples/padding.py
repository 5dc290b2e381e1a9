"""Samples of padding, also by negative numbers, and of channels traded for places."""

import numpy as np

from tests.laws.sample import Refused, Sample, integers, uniform

MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def by_numpy(x, pairs, mode):
    return np.pad(x, [(0, 0)] * (x.ndim - len(pairs)) + list(pairs), MODES[mode])


SAMPLES = {
    "constant_pad_nd": [
        Sample(uniform(2, 3), pairs=((1, 2),), value=0.5,
               expect=lambda x: np.pad(x, [(0, 0), (1, 2)], constant_values=0.5)),
        Sample(uniform(3, 4), pairs=((-1, 0), (2, -2)), value=0,
               expect=lambda x: np.pad(x[1:, :2], [(0, 0), (2, 0)])),
        Sample(uniform(0, 2), pairs=((1, 1),), value=3, expect=lambda x: np.zeros((0, 4))),
        Sample(integers(3), pairs=((1, 0),), value=7, expect=lambda x: np.append(7, x)),
        Refused(uniform(2), pairs=((-2, -1),), value=0, error="crop less"),
    ],
    "pad": [
        Sample(uniform(2, 4), pairs=((3, 2),), mode="reflect", expect=by_numpy),
        Sample(uniform(1, 3, 2), pairs=((0, 2), (3, 1)), mode="replicate", expect=by_numpy),
        Sample(uniform(1, 3, 4), pairs=((3, 0), (1, 2)), mode="circular", expect=by_numpy),
        Sample(uniform(1, 4), pairs=((-1, 2),), mode="replicate",
               expect=lambda x: x[:, [1, 2, 3, 3, 3]]),
        Refused(uniform(1, 2), pairs=((2, 0),), mode="reflect", error="pad by at most 1"),
    ],
    "pad_adjoint": [
        Sample(uniform(2, 4), pairs=((0, 2),), mode="replicate",
               expect=lambda y: np.stack([y[:, 0], y[:, 1:].sum(1)], 1)),
        Sample(uniform(1, 5, 4), pairs=((1, 1), (1, 0)), mode="reflect"),
        Sample(uniform(2, 4), pairs=((1, 1),), mode="circular",
               expect=lambda y: np.stack([y[:, 1] + y[:, 3], y[:, 2] + y[:, 0]], 1)),
    ],
    "pixel_shuffle": [
        Sample(uniform(1, 4, 1, 2), factor=2, expect=lambda x: np.stack(
            [x[:, [0, 1]].swapaxes(1, 3).reshape(1, 1, 4), x[:, [2, 3]].swapaxes(1, 3).reshape(1, 1, 4)], 2)),
        Sample(uniform(2, 1, 9, 2, 1), factor=3),
        Sample(uniform(0, 4, 1, 1), factor=2, expect=lambda x: np.zeros((0, 1, 2, 2))),
    ],
    "pixel_unshuffle": [
        Sample(uniform(1, 2, 2), factor=2, expect=lambda x: x.reshape(4, 1, 1)),
        Sample(uniform(2, 1, 6, 3), factor=3),
    ],
    "native_channel_shuffle": [
        Sample(uniform(2, 6, 3), groups=2, expect=lambda x: x[:, [0, 3, 1, 4, 2, 5]]),
        Sample(uniform(1, 6, 1, 2), groups=3, expect=lambda x: x[:, [0, 2, 4, 1, 3, 5]]),
        Sample(uniform(0, 4, 2), groups=2, expect=lambda x: x),
    ],
}  # fmt: skip
