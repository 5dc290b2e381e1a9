"""Samples of indexing: views, positions, masks, and coordinates replaced."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.laws.sample import Refused, Sample, booleans, integers, positive, uniform

SAMPLES: dict[str, list[Any]] = {}

MASK = np.array([[True, False, True], [False, False, True]])


# -- views

for _name in ("index_view", "item_view", "new_view", "whole_view"):
    SAMPLES[_name] = [
        Sample(uniform(4, 3), index=(slice(1, 4, 2),), expect=lambda x, index: x[index]),
        Sample(uniform(4, 3), index=(-1, ..., None), expect=lambda x, index: x[index]),
        Sample(uniform(4, 0), index=(..., slice(0, 2)), expect=lambda x, index: x[index]),
        Sample(uniform(), index=(None, ...), expect=lambda x, index: x[index]),
        Refused(
            uniform(2),
            index=(2, ...),
            raises=IndexError,
            error="index 2 is out of bounds for dimension 0 with size 2",
        ),
        Refused(
            uniform(2),
            index=(0, 0, ...),
            raises=IndexError,
            error="too many indices for tensor of dimension 1",
        ),
        Refused(uniform(), index=(0, ...), raises=IndexError, error="invalid index of a 0-dim tensor"),
    ]


def _spread(g: Any, shape: Any, index: Any) -> Any:
    out = np.zeros(shape)
    out[index] = g
    return out


SAMPLES["index_view_grad"] = [
    Sample(uniform(2, 3), shape=(4, 3), index=(slice(1, 4, 2),), expect=_spread),
    Sample(uniform(), shape=(3,), index=(1, ...), expect=_spread),
    Sample(uniform(0), shape=(3,), index=(slice(2, 1),), expect=_spread),
]


# -- positions and masks


def _read(x: Any, k: Any, dim: int, span: int = 1) -> Any:
    merged = x.reshape(*x.shape[:dim], -1, *x.shape[dim + span :])
    return np.take(merged, np.flatnonzero(k) if k.dtype == bool else k, axis=dim)


def _added(g: Any, k: Any, shape: Any, dim: int, span: int = 1) -> Any:
    out = np.zeros(shape)
    merged = out.reshape(*shape[:dim], int(np.prod(shape[dim : dim + span])), *shape[dim + span :])
    np.add.at(merged, (slice(None),) * dim + (np.flatnonzero(k) if k.dtype == bool else k,), g)
    return out


def _put(x: Any, k: Any, v: Any, dim: int, span: int = 1, adding: bool = False) -> Any:
    out = np.array(x, order="C")
    merged = out.reshape(*x.shape[:dim], int(np.prod(x.shape[dim : dim + span])), *x.shape[dim + span :])
    where = (slice(None),) * dim + (np.flatnonzero(k) if k.dtype == bool else k,)
    if adding:
        np.add.at(merged, where, v)
    else:
        merged[where] = v
    return out


for _name in ("index", "index_select", "take", "masked_select"):
    SAMPLES[_name] = [
        Sample(uniform(4, 3), integers(2, 5, low=-4, high=4), dim=0, expect=_read),
        Sample(uniform(2, 4, 3, 2), integers(7, high=12), dim=1, span=2, expect=_read),
        Sample(uniform(2, 3, 2), MASK, dim=0, span=2, count=3, expect=_read),
        Sample(uniform(3), integers(0), dim=0, expect=_read),
        Refused(
            uniform(3),
            np.array([1, 3]),
            dim=0,
            raises=IndexError,
            error="index 3 is out of bounds for dimension 0 with size 3",
        ),
        Refused(
            uniform(2, 2),
            np.array([-5]),
            dim=0,
            span=2,
            raises=IndexError,
            error="index -5 is out of bounds for dimension 0",
        ),
    ]
SAMPLES["index_grad"] = [
    Sample(uniform(2, 5, 3), integers(2, 5, low=-4, high=4), shape=(4, 3), dim=0, expect=_added),
    Sample(uniform(2, 40, 9), integers(40, high=4), shape=(2, 4, 9), dim=1, expect=_added),
    Sample(uniform(3, 2), MASK, shape=(2, 3, 2), dim=0, span=2, count=3, expect=_added),
    Sample(uniform(0, 3), integers(0), shape=(2, 3), dim=0, expect=_added),
]
for _name in ("index_put", "index_copy", "index_fill", "put", "masked_scatter"):
    SAMPLES[_name] = [
        Sample(uniform(4, 3), np.array([2, -4]), uniform(2, 3), dim=0, expect=_put),
        Sample(uniform(2, 4, 3), np.array([11, 3]), uniform(2, 1), dim=1, span=2, expect=_put),
        Sample(uniform(2, 3, 2), MASK, uniform(3, 2), dim=0, span=2, count=3, expect=_put),
        Sample(uniform(2, 3), MASK, uniform(), dim=0, span=2, count=3, expect=_put),
        Sample(uniform(3), integers(0), uniform(1), dim=0, expect=_put),
        Refused(
            uniform(4, 3),
            np.array([2, 0]),
            uniform(3, 3),
            dim=0,
            error="shape mismatch: value tensor of shape [3, 3] cannot be broadcast to indexing result",
        ),
        Refused(
            uniform(3),
            np.array([3]),
            uniform(1),
            dim=0,
            raises=IndexError,
            error="index 3 is out of bounds for dimension 0",
        ),
    ]
SAMPLES["index_add"] = [
    Sample(
        uniform(4, 3),
        np.array([2, -4, 2]),
        uniform(3, 3),
        dim=0,
        expect=lambda x, k, v, dim: _put(x, k, v, dim, adding=True),
    ),
    Sample(
        uniform(2, 4, 3),
        np.array([[11, 3], [3, 3]]),
        uniform(2, 1),
        dim=1,
        span=2,
        expect=lambda x, k, v, dim, span: _put(x, k, v, dim, span, adding=True),
    ),
    Sample(
        uniform(2, 3),
        MASK,
        uniform(),
        dim=0,
        span=2,
        count=3,
        expect=lambda x, k, v, dim, span: _put(x, k, v, dim, span, adding=True),
    ),
    Sample(uniform(3), integers(0), uniform(0), dim=0, expect=lambda x, k, v, dim: x),
]
SAMPLES["masked_fill"] = [
    Sample(uniform(2, 3), MASK, uniform(), expect=lambda x, mask, v: np.where(mask, v, x)),
    Sample(uniform(3), MASK, 2.5, expect=lambda x, mask, v: np.where(mask, v, x)),
    Sample(uniform(2, 3), booleans(3), uniform(2, 1), expect=lambda x, mask, v: np.where(mask, v, x)),
    Sample(uniform(0, 3), booleans(3), 1.0, expect=lambda x, mask, v: x),
    Refused(
        uniform(2),
        MASK,
        0.0,
        error="masked_fill: The size of tensor a (2) must match the size of tensor b (3)",
    ),
]


# -- one coordinate replaced


def _scattered(x: Any, k: Any, src: Any, dim: int, how: Any = None) -> Any:
    out = np.array(x, order="C")
    for at in np.ndindex(*k.shape):
        place = (*at[:dim], int(k[at]), *at[dim + 1 :])
        value = src[at] if isinstance(src, np.ndarray) else src
        out[place] = value if how is None else how(out[place], value)
    return out


INDEX = np.array([[0, 2, 2], [1, 0, 0]])
DISTINCT = np.array([[0, 2, 1], [1, 0, 3]])

SAMPLES["gather"] = [
    Sample(uniform(2, 4), INDEX, dim=1, expect=lambda x, k, dim: np.take_along_axis(x, k, dim)),
    Sample(uniform(3, 4), INDEX, dim=0, expect=lambda x, k, dim: np.take_along_axis(x[:, :3], k, dim)),
    Sample(uniform(), np.array([0, 0]), dim=0, expect=lambda x, k, dim: np.array([x, x])),
    Sample(uniform(2, 4), integers(0, 3), dim=1, expect=lambda x, k, dim: np.zeros((0, 3))),
    Refused(uniform(2, 4), INDEX + 2, dim=1, error="index 4 is out of bounds for dimension 1 with size 4"),
    Refused(uniform(2, 4), INDEX - 1, dim=1, error="index -1 is out of bounds for dimension 1 with size 4"),
]
SAMPLES["gather_grad"] = [
    Sample(
        uniform(2, 3),
        INDEX,
        shape=(2, 4),
        dim=1,
        expect=lambda g, k, shape, dim: _scattered(np.zeros(shape), k, g, dim, np.add),
    ),
    Sample(uniform(2), np.array([0, 0]), shape=(), dim=0, expect=lambda g, k, shape, dim: np.sum(g)),
    Sample(
        uniform(0, 3), integers(0, 3), shape=(2, 4), dim=1, expect=lambda g, k, shape, dim: np.zeros(shape)
    ),
]
SAMPLES["scatter"] = [
    Sample(uniform(2, 4), DISTINCT, uniform(2, 3), dim=1, expect=_scattered),
    Sample(uniform(4, 3), np.array([[3, 1, 0]]), uniform(1, 3), dim=0, expect=_scattered),
    Sample(uniform(2, 4), INDEX, 0.5, dim=1, expect=_scattered),
    Sample(uniform(2, 4), integers(0, 3), 0.5, dim=1, expect=_scattered),
    Refused(
        uniform(2, 4), INDEX + 2, 1.0, dim=1, error="index 4 is out of bounds for dimension 1 with size 4"
    ),
]
SAMPLES["scatter_add"] = [
    Sample(
        uniform(2, 4),
        INDEX,
        uniform(2, 3),
        dim=1,
        expect=lambda x, k, s, dim: _scattered(x, k, s, dim, np.add),
    ),
    Sample(
        uniform(3, 3),
        INDEX,
        uniform(2, 3),
        dim=0,
        expect=lambda x, k, s, dim: _scattered(x, k, s, dim, np.add),
    ),
    Sample(uniform(), np.array([0, 0]), uniform(2), dim=0, expect=lambda x, k, s, dim: x + s.sum()),
    Sample(uniform(2, 4), integers(0, 3), uniform(0, 3), dim=1, expect=lambda x, k, s, dim: x),
]
SAMPLES["scatter_prod"] = [
    Sample(
        positive(2, 4),
        INDEX,
        positive(2, 3),
        dim=1,
        expect=lambda x, k, s, dim: _scattered(x, k, s, dim, np.multiply),
    ),
    Sample(
        np.array([2.0, 0.0, 3.0]),
        np.array([0, 0, 1, 2]),
        np.array([3.0, 0.0, 0.0, 5.0]),
        dim=0,
        expect=lambda x, k, s, dim: np.array([0.0, 0.0, 15.0]),
    ),
    Sample(positive(2, 4), integers(0, 3), uniform(0, 3), dim=1, expect=lambda x, k, s, dim: x),
]
SAMPLES["scatter_extreme"] = [
    Sample(
        uniform(2, 4),
        INDEX,
        uniform(2, 3),
        dim=1,
        largest=True,
        expect=lambda x, k, s, dim: _scattered(x, k, s, dim, np.maximum),
    ),
    Sample(
        uniform(3, 3),
        INDEX,
        uniform(2, 3),
        dim=0,
        largest=False,
        expect=lambda x, k, s, dim: _scattered(x, k, s, dim, np.minimum),
    ),
    Sample(
        np.zeros(2),
        np.array([0, 0]),
        np.zeros(2),
        dim=0,
        largest=True,
        smooth=False,
        expect=lambda x, k, s, dim: x,
    ),
    Sample(uniform(2, 4), integers(0, 3), uniform(0, 3), dim=1, largest=True, expect=lambda x, k, s, dim: x),
]
