"""Samples of the scans, in both directions where there are two, at zeros and at ties."""

import numpy as np

from tests.laws.sample import Refused, Sample, complexes, integers, positive, uniform

ZEROS = np.array([[0.0, 2.0, -1.5, 3.0], [0.5, 0.0, 0.0, 1.0], [1.5, -2.0, 0.5, 0.0]])


def reversible(fn):
    """The reference ``fn`` of NumPy, from the end if ``reverse``."""
    def run(x, dim, reverse=False):
        return np.flip(fn(np.flip(x, dim), axis=dim), dim) if reverse else fn(x, axis=dim)
    return run


def recurrence(a, b, dim, reverse=False):
    a, b = np.moveaxis(a, dim, 0), np.moveaxis(b, dim, 0)
    out = b.copy()
    steps = range(len(b) - 1)
    for i in [len(b) - 2 - k for k in steps] if reverse else [k + 1 for k in steps]:
        out[i] = a[i] * out[i + 1 if reverse else i - 1] + b[i]
    return np.moveaxis(out, 0, dim)


SAMPLES = {
    "cumsum": [
        Sample(uniform(3, 4), dim=1, reverse=False, expect=reversible(np.cumsum)),
        Sample(uniform(3, 4), dim=0, reverse=True, expect=reversible(np.cumsum)),
        Sample(integers(4), dim=0, reverse=False, expect=reversible(np.cumsum)),
        Sample(uniform(), dim=0, reverse=False, expect=lambda x: x),
        Sample(uniform(0, 2), dim=0, reverse=False, expect=lambda x: x),
    ],
    "shift": [
        Sample(uniform(4), dim=0, by=1, fill=7, expect=lambda x: np.array([7, *x[:-1]])),
        Sample(uniform(3, 4), dim=1, by=-1, fill=0, expect=lambda x: np.pad(x[:, 1:], ((0, 0), (0, 1)))),
        Sample(uniform(), dim=0, by=1, fill=2, expect=lambda x: 2),
    ],
    "recurrence": [
        Sample(uniform(5), uniform(5), dim=0, reverse=False, expect=recurrence),
        Sample(uniform(3, 4), uniform(3, 4), dim=1, reverse=True, expect=recurrence),
        Sample(uniform(5, 2, 9), uniform(5, 2, 9), dim=0, reverse=False, expect=recurrence),
        Sample(uniform(4, 20), uniform(4, 20), dim=0, reverse=True, expect=recurrence),
        Sample(uniform(), uniform(), dim=0, reverse=False, expect=lambda a, b: b),
        Sample(uniform(0, 2), uniform(0, 2), dim=0, reverse=False, expect=lambda a, b: b),
    ],
    "cumprod": [
        Sample(positive(3, 4), dim=1, reverse=False, expect=reversible(np.cumprod)),
        Sample(positive(3, 4), dim=0, reverse=True, expect=reversible(np.cumprod)),
        Sample(ZEROS, dim=1, reverse=False, expect=reversible(np.cumprod)),
        Sample(complexes(4), dim=0, reverse=False, expect=reversible(np.cumprod)),
        Sample(uniform(), dim=0, reverse=False, expect=lambda x: x),
    ],
    "logcumsumexp": [
        Sample(uniform(3, 4), dim=1, expect=lambda x: np.log(np.cumsum(np.exp(x), 1))),
        Sample(np.array([1000.0, 1000.0]), dim=0, expect=lambda x: x + np.log([1, 2])),
        Sample(complexes(4), dim=0, expect=lambda x: np.log(np.cumsum(np.exp(x)))),
        Sample(uniform(), dim=0, expect=lambda x: x),
        Refused(integers(3), dim=0, error="not implemented for int64", raises=NotImplementedError),
    ],
    "cummax": [
        Sample(uniform(3, 4), dim=1),
        Sample(np.array([1.0, 3.0, 3.0, 2.0]), dim=0, smooth=False,
               expect=lambda x: (np.array([1, 3, 3, 3]), np.array([0, 1, 2, 2]))),
        Sample(np.array([1.0, np.nan, 3.0]), dim=0, smooth=False,
               expect=lambda x: (np.array([1, np.nan, np.nan]), np.array([0, 1, 1]))),
        Sample(uniform(), dim=0, expect=lambda x: (x, 0)),
        Refused(complexes(3), dim=0, error="complex numbers have no order", raises=NotImplementedError),
    ],
    "cummin": [
        Sample(uniform(3, 4), dim=0),
        Sample(np.array([3.0, 1.0, 1.0, 2.0]), dim=0, smooth=False,
               expect=lambda x: (np.array([3, 1, 1, 1]), np.array([0, 1, 2, 2]))),
    ],
}  # fmt: skip
