"""Samples of `regrad.ops.shaping`. What is a view must be one in every layout: it splits dimensions only."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.laws.sample import Refused, Sample, complexes, integers, uniform

ALL = slice(None)


def embedded(x, shape, dim, at):
    out = np.zeros(shape, x.dtype)
    out[(*(ALL,) * dim, at)] = x
    return out


def on_diagonal(x, shape, offset, dim1, dim2):
    out = np.zeros(shape, x.dtype)
    for where in np.ndindex(x.shape[:-1]):
        for k in range(x.shape[-1]):
            rest = iter(where)
            row, column = k + max(-offset, 0), k + max(offset, 0)
            place = [row if d == dim1 else column if d == dim2 else next(rest) for d in range(len(shape))]
            out[tuple(place)] = x[(*where, k)]
    return out


SAMPLES: dict[str, list[Any]] = {
    "view": [
        Sample(uniform(4, 6), shape=(2, 2, 6), expect=lambda x, shape: x.reshape(shape)),
        Sample(uniform(6), shape=(1, 2, 3), expect=lambda x, shape: x.reshape(shape)),
        Sample(uniform(), shape=(1, 1), expect=lambda x, shape: x.reshape(shape)),
        Sample(complexes(4), shape=(2, 2), expect=lambda x, shape: x.reshape(shape)),
        Refused(np.zeros((3, 2)).T, shape=(6,), error="Use .reshape(...) instead"),
    ],
    "unsafe_view": [
        Sample(uniform(4, 6), shape=(3, 8), expect=lambda x, shape: x.reshape(shape)),
        Sample(uniform(0, 3), shape=(3, 0, 2), expect=lambda x, shape: x.reshape(shape)),
        Sample(uniform(), shape=(1,), expect=lambda x, shape: x.reshape(shape)),
    ],
    "unsqueeze": [
        Sample(uniform(3, 4), dims=(0, 2), expect=lambda x, dims: np.expand_dims(x, dims)),
        Sample(uniform(), dims=(0,), expect=lambda x, dims: np.expand_dims(x, dims)),
        Sample(uniform(2), dims=(), expect=lambda x: x),
    ],
    "squeeze": [
        Sample(uniform(1, 3, 1), dims=(0, 2), expect=lambda x, dims: x.squeeze(dims)),
        Sample(uniform(1, 3), dims=(), expect=lambda x: x),
        Sample(uniform(1), dims=(0,), expect=lambda x: x[0]),
    ],
    "permute": [
        Sample(uniform(2, 3, 4), dims=(2, 0, 1), expect=lambda x, dims: x.transpose(dims)),
        Sample(uniform(), dims=(), expect=lambda x: x),
        Sample(complexes(2, 3), dims=(1, 0), expect=lambda x: x.T),
    ],
    "transpose": [
        Sample(uniform(2, 3, 4), dim0=0, dim1=2, expect=lambda x: x.swapaxes(0, 2)),
        Sample(uniform(0, 3), dim0=1, dim1=0, expect=lambda x: x.T),
    ],
    "t": [
        Sample(uniform(2, 3), expect=np.transpose),
        Sample(uniform(3), expect=lambda x: x),
        Sample(uniform(), expect=lambda x: x),
    ],
    "select": [
        Sample(uniform(2, 3, 4), dim=1, at=2, expect=lambda x: x[:, 2]),
        Sample(uniform(3), dim=0, at=0, expect=lambda x: x[0]),
        Sample(complexes(2, 2), dim=0, at=1, expect=lambda x: x[1]),
    ],
    "slice": [
        Sample(uniform(4, 3), dim=0, at=slice(1, 4, 2), expect=lambda x: x[1:4:2]),
        Sample(uniform(4, 3), dim=1, at=slice(2, 2), expect=lambda x: x[:, 2:2]),
        Sample(integers(5), dim=0, at=slice(1, 3), expect=lambda x: x[1:3]),
    ],
    "embed": [
        Sample(uniform(2, 4), shape=(2, 3, 4), dim=1, at=2, expect=embedded),
        Sample(uniform(2, 3), shape=(4, 3), dim=0, at=slice(1, 4, 2), expect=embedded),
        Sample(uniform(), shape=(3,), dim=0, at=0, expect=embedded),
    ],
    "diagonal": [
        Sample(uniform(3, 4), offset=0, dim1=0, dim2=1, expect=np.diagonal),
        Sample(uniform(3, 2, 4), offset=-1, dim1=2, dim2=0, expect=lambda x: np.diagonal(x, -1, 2, 0)),
        Sample(uniform(2, 3), offset=7, dim1=0, dim2=1, expect=lambda x: np.zeros(0)),
    ],
    "diag_embed": [
        Sample(uniform(2, 3), shape=(3, 2, 3), offset=0, dim1=0, dim2=2, expect=on_diagonal),
        Sample(uniform(3), shape=(5, 5), offset=-2, dim1=0, dim2=1, expect=on_diagonal),
        Sample(uniform(0), shape=(0, 2), offset=0, dim1=0, dim2=1, expect=on_diagonal),
    ],
    "clone": [Sample(uniform(3, 4), expect=lambda x: x), Sample(uniform(), order="C"), Sample(integers(3))],
    "flip": [
        Sample(uniform(2, 3, 4), dims=(0, 2), expect=lambda x, dims: np.flip(x, dims)),
        Sample(uniform(3), dims=(), expect=lambda x: x),
    ],
    "roll": [
        Sample(uniform(3, 4), shifts=(1, -2), dims=(0, 1), expect=lambda x: np.roll(x, (1, -2), (0, 1))),
        Sample(uniform(2, 3), shifts=(4,), dims=None, expect=lambda x: np.roll(x, 4)),
        Sample(uniform(0), shifts=(1,), dims=(0,)),
    ],
    "rot90": [
        Sample(uniform(2, 3, 4), k=1, dims=(0, 2), expect=lambda x, k, dims: np.rot90(x, k, dims)),
        Sample(uniform(2, 3), k=-2, dims=(1, 0), expect=lambda x, k, dims: np.rot90(x, k, dims)),
    ],
    "repeat": [
        Sample(uniform(2, 3), repeats=(2, 1, 3), expect=lambda x, repeats: np.tile(x, repeats)),
        Sample(uniform(2), repeats=(0,), expect=lambda x: x[:0]),
        Sample(uniform(), repeats=(), expect=lambda x: x),
    ],
    "tril": [Sample(uniform(3, 4), diagonal=0, expect=np.tril), Sample(uniform(2, 3, 3), diagonal=-1)],
    "triu": [
        Sample(uniform(3, 4), diagonal=1, expect=lambda x: np.triu(x, 1)),
        Sample(uniform(0, 2), diagonal=0),
    ],
}
