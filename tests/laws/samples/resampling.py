"""Samples of resizing by every method, and of the elements around the points of a grid."""

import numpy as np

from tests.laws.sample import Sample, uniform


def how(mode, *, align_corners=False, scales=None, antialias=False):
    return {"mode": mode, "align_corners": align_corners, "scales": scales, "antialias": antialias}


def reading(mode, padding_mode="zeros", *, align_corners=False):
    return {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}


def between(x, size):
    """Linear interpolation with the corners aligned."""
    at = np.linspace(0, x.shape[-1] - 1, *size)
    return np.apply_along_axis(lambda line: np.interp(at, np.arange(len(line)), line), -1, x)


EVERY = [how("nearest-exact"), how("bilinear", scales=(1.7, 0.6)), how("bicubic", align_corners=True),
         how("bilinear", antialias=True), how("bicubic", antialias=True)]

SAMPLES = {
    "resample": [
        Sample(uniform(2, 1, 3), size=(6,), how=how("nearest"), expect=lambda x: np.repeat(x, 2, axis=2)),
        Sample(uniform(1, 2, 4), size=(7,), how=how("linear", align_corners=True), expect=between),
        Sample(uniform(1, 1, 2, 3, 2), size=(3, 2, 4), how=how("trilinear")),
        Sample(uniform(0, 1, 3), size=(2,), how=how("linear"), expect=lambda x: np.zeros((0, 1, 2))),
        *[Sample(uniform(1, 2, 3, 5), size=(5, 3), how=each) for each in EVERY],
    ],
    "resample_adjoint": [
        Sample(uniform(2, 1, 6), size=(3,), how=how("nearest"),
               expect=lambda y: y.reshape(2, 1, 3, 2).sum(-1)),
        *[Sample(uniform(1, 2, 5, 3), size=(3, 5), how=each) for each in EVERY],
    ],
    "grid_taps": [
        Sample(np.array([[[-0.4], [0.3]]]), size=(3,), how=reading("bilinear", align_corners=True),
               expect=lambda grid: (np.array([[[[0.6, 0.3]]]]), np.array([[[[0, 1]]], [[[1, 2]]]]))),
        Sample(uniform(2, 2, 3, 2, low=-1.3, high=1.3), size=(3, 4), how=reading("bicubic", "border")),
        Sample(uniform(1, 2, 1, 1, 3), size=(2, 3, 4), how=reading("bilinear", "reflection")),
        Sample(uniform(1, 3, 1, 2), size=(3, 2), how=reading("nearest")),
    ],
}  # fmt: skip
