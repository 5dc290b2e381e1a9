"""Samples of `regrad.ops.joining`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.laws.sample import Refused, Sample, complexes, integers, uniform


def blocks(*xs):
    out = np.zeros((sum(np.atleast_2d(x).shape[0] for x in xs), sum(np.atleast_2d(x).shape[1] for x in xs)))
    row = column = 0
    for x in map(np.atleast_2d, xs):
        out[row : row + x.shape[0], column : column + x.shape[1]] = x
        row, column = row + x.shape[0], column + x.shape[1]
    return out


SAMPLES: dict[str, list[Any]] = {
    "cat": [
        Sample(uniform(2, 3), uniform(2, 1), dim=1, expect=lambda *xs: np.concatenate(xs, 1)),
        Sample(uniform(2), uniform(0), uniform(3), dim=0, expect=lambda *xs: np.concatenate(xs)),
        Sample(uniform(0), uniform(2, 3), dim=1, expect=lambda _, x: x),
        Sample(complexes(2), uniform(1), dim=0, expect=lambda *xs: np.concatenate(xs)),
        Sample(integers(2, 2), integers(1, 2), dim=0, expect=lambda *xs: np.concatenate(xs)),
        Refused(np.zeros((2, 3)), np.zeros((2, 4)), dim=0,
                error="Sizes of tensors must match except in dimension 0. Expected size 3 but got size 4"),
        Refused(np.zeros((2, 3)), np.zeros(3), dim=0,
                error="Tensors must have same number of dimensions: got 2 and 1"),
    ],
    "stack": [
        Sample(uniform(2, 3), uniform(2, 3), dim=1, expect=lambda *xs: np.stack(xs, 1)),
        Sample(uniform(), uniform(), dim=0, expect=lambda *xs: np.stack(xs)),
        Sample(uniform(0, 2), dim=2, expect=lambda x: x[..., None]),
        Refused(np.zeros(2), np.zeros(3), dim=0, error="but got [2] at entry 0 and [3] at entry 1"),
    ],
    "block_diag": [
        Sample(uniform(2, 3), uniform(2), uniform(), expect=blocks),
        Sample(uniform(0, 2), uniform(1, 1), expect=blocks),
    ],
    "split": [
        Sample(uniform(5, 2), sizes=(2, 0, 3), dim=0, expect=lambda x: [x[:2], x[2:2], x[2:]]),
        Sample(uniform(2, 3), sizes=(3,), dim=1, expect=lambda x: [x]),
        Sample(complexes(3), sizes=(1, 2), dim=0, expect=lambda x: [x[:1], x[1:]]),
    ],
    "unsafe_split": [
        Sample(uniform(5, 2), sizes=(2, 3), dim=0, expect=lambda x: [x[:2], x[2:]]),
        Sample(uniform(0), sizes=(0,), dim=0),
    ],
    "unbind": [
        Sample(uniform(2, 3), dim=1, expect=lambda x: list(x.T)),
        Sample(uniform(2), dim=0, expect=lambda x: [x[0], x[1]]),
        Sample(uniform(1, 0), dim=0, expect=lambda x: [x[0]]),
    ],
    "joined_with_gaps": [
        Sample(uniform(2, 1), None, uniform(2, 2), shape=(2, 6), sizes=(1, 3, 2), dim=1,
               expect=lambda a, _, b: np.concatenate([a, np.zeros((2, 3)), b], 1)),
        Sample(None, uniform(2), shape=(3,), sizes=(1, 2), dim=0, expect=lambda _, b: np.append(0, b)),
    ],
}  # fmt: skip
