"""Samples of the ops that the others stand on: conversion, broadcasting, views and writing, said without memory."""

import numpy as np

from regrad.declare import OPS
from tests.laws.sample import Sample, complexes, positive, uniform

F8 = np.dtype("f8")
C16 = np.dtype("c16")
COLUMN = ((OPS["permute"], {"dims": (1, 0)}), (OPS["select"], {"dim": 0, "at": 1}))  # a view in two steps: x.T[1]
ROW = ((OPS["select"], {"dim": 0, "at": 0}),)


def with_column(base, src):
    out = base.copy()
    out[:, 1] = src
    return out


def zero_column(x):
    return with_column(x, 0.0)


SAMPLES = {
    "cast": [
        Sample(uniform(2, 3), dtype=F8, was=F8, expect=lambda x: x),
        Sample(uniform(2, 3), dtype=C16, was=F8, expect=lambda x: x + 0j),
        Sample(complexes(3), dtype=F8, was=C16, expect=np.real),
        Sample(uniform(0), dtype=F8, was=F8),
    ],
    "conj_physical": [Sample(complexes(3), expect=np.conj), Sample(uniform(2), expect=lambda x: x)],
    "expand": [
        Sample(uniform(3), shape=(2, 3), expect=lambda x: np.stack([x, x])),
        Sample(uniform(2, 1), shape=(2, 4), expect=lambda x: np.repeat(x, 4, 1)),
        Sample(uniform(), shape=(0, 2)),
        Sample(uniform(1, 0), shape=(3, 0)),
    ],
    "sum_to": [
        Sample(uniform(2, 3), shape=(3,), expect=lambda x: x.sum(0)),
        Sample(uniform(2, 3), shape=(2, 1), expect=lambda x: x.sum(1, keepdims=True)),
        Sample(uniform(2, 3), shape=(), expect=np.sum),
        Sample(uniform(0, 3), shape=(3,), expect=lambda x: np.zeros(3)),
    ],
    "copy": [
        Sample(uniform(2, 3), positive(3), expect=lambda x, src: np.stack([src, src])),
        Sample(uniform(2), positive(), expect=lambda x, src: np.full(2, src)),
        Sample(uniform(0, 3), positive(3)),
    ],
    "take_view": [
        Sample(uniform(2, 3), recipe=COLUMN, order=(0, 1), expect=lambda x: x[:, 1]),
        Sample(uniform(2, 3), recipe=ROW, order=(1, 0), expect=lambda x: x[0]),
    ],
    "put_view": [
        Sample(uniform(2), recipe=COLUMN, order=(0, 1), shape=(2, 3), expect=lambda x: with_column(np.zeros((2, 3)), x))
    ],
    "zero_view": [
        Sample(uniform(2, 3), recipe=COLUMN, order=(0, 1), expect=zero_column),
        Sample(uniform(2, 3), recipe=COLUMN, order=(1, 0), expect=zero_column),
    ],
    "copy_slices": [Sample(uniform(2, 3), positive(2), recipe=COLUMN, order=(0, 1), expect=with_column)],
    "draw": [Sample(uniform(2, 3), positive(3), drawn=uniform(2, 3)), Sample(uniform(2), None, drawn=uniform(2))],
}
