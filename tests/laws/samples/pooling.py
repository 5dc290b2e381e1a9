"""Samples of pooling: windows that overlap, reach into the padding, are cut off, or cover the plane evenly."""

import numpy as np

from tests.laws.sample import Refused, Sample, integers, uniform

PAIRS = {"kernel": (2,), "stride": (2,), "padding": (0,), "dilation": (1,), "ceil_mode": False}
CROSSING = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1), "dilation": (1, 2), "ceil_mode": True}
MEAN = {"kernel": (2,), "stride": (2,), "padding": (0,), "ceil_mode": False, "count_include_pad": True,
        "divisor_override": None}
INSIDE = {"kernel": (3, 2), "stride": (2, 2), "padding": (1, 0), "ceil_mode": True, "count_include_pad": False,
          "divisor_override": None}
BY_FIVE = {**INSIDE, "divisor_override": 5}


def spread(*shape):
    """Numbers that are far apart, so that no small step changes which is largest."""
    return np.random.default_rng(5).permutation(np.prod(shape, dtype=int)).reshape(shape) / 7.0


def pairs(x):
    return x[..., : x.shape[-1] // 2 * 2].reshape(*x.shape[:-1], -1, 2)


def gathered(x, indices):
    flat = x.reshape(*x.shape[:2], -1)
    return np.stack([[plane[i[c] if len(i) > 1 else i[0]] for c, plane in enumerate(planes)]
                     for planes, i in zip(flat, indices, strict=True)])


def unpooled(x, indices, size):
    out = np.zeros((*x.shape[:2], np.prod(size)))
    np.put_along_axis(out, indices.reshape(*x.shape[:2], -1), x.reshape(*x.shape[:2], -1), axis=2)
    return out.reshape(*x.shape[:2], *size)


SEVERAL = np.array([[[0, 3, 3]], [[5, 0, 2]]])
DISTINCT = np.array([[[[4, 1]], [[0, 5]]]])

SAMPLES = {
    "gather_plane": [
        Sample(uniform(2, 1, 3, 2), SEVERAL, expect=gathered),
        Sample(uniform(2, 3, 6), SEVERAL, expect=gathered),
        Sample(uniform(0, 3, 6), integers(0, 3, 2), expect=lambda x, i: np.zeros((0, 3, 2))),
        Refused(uniform(1, 1, 2), np.array([[[2]]]), error="have the indices 0 to 1"),
    ],
    "scatter_plane": [
        Sample(uniform(2, 1, 3), SEVERAL, size=(3, 2)),
        Sample(uniform(1, 1, 3), np.array([[[1, 1, 0]]]), size=(2,),
               expect=lambda y, i: np.stack([y[..., 2], y[..., 0] + y[..., 1]], -1)),
        Sample(uniform(2, 3, 3), SEVERAL, size=(6,)),
    ],
    "max_unpool": [
        Sample(uniform(1, 2, 1, 2), DISTINCT, size=(2, 3), expect=unpooled),
        Sample(uniform(2, 1, 0), integers(2, 1, 0), size=(2,), expect=lambda x, i: np.zeros((2, 1, 2))),
    ],
    "max_pool": [
        Sample(spread(2, 3, 5), how=PAIRS,
               expect=lambda x: (pairs(x).max(-1), pairs(x).argmax(-1) + 2 * np.arange(2))),
        Sample(spread(1, 2, 5, 4), how=CROSSING),
        Sample(np.array([[[1.0, 1.0, np.nan, 2.0]]]), how=PAIRS, smooth=False,
               expect=lambda x: (np.array([[[1.0, np.nan]]]), np.array([[[0, 2]]]))),
        Sample(spread(0, 1, 4), how=PAIRS, expect=lambda x: (np.zeros((0, 1, 2)), np.zeros((0, 1, 2)))),
        Refused(uniform(1, 1, 1), how=PAIRS, error="windows of (2,) on an input of (1,)"),
    ],
    "max_pool_values": [
        Sample(spread(2, 3, 5), how=PAIRS, expect=lambda x: pairs(x).max(-1)),
        Sample(spread(1, 2, 5, 4), how=CROSSING),
    ],
    "adaptive_max_pool": [
        Sample(spread(2, 2, 5), size=(2,),
               expect=lambda x: np.stack([x[..., :3].max(-1), x[..., 2:].max(-1)], -1)),
        Sample(spread(1, 2, 3, 5), size=(2, 3)),
        Sample(spread(0, 2, 3), size=(2,), expect=lambda x: np.zeros((0, 2, 2))),
        Refused(uniform(1, 1, 0), size=(1,), error="no elements for windows to cover"),
    ],
    "fractional_max_pool": [
        Sample(spread(1, 2, 6), np.full((1, 2, 1), 0.5), kernel=(2,), size=(3,),
               expect=lambda x, s: np.stack([x[..., 0:2].max(-1), x[..., 2:4].max(-1), x[..., 4:].max(-1)], -1)),
        Sample(spread(2, 1, 5, 4), uniform(2, 1, 2, low=0), kernel=(2, 2), size=(3, 2)),
        Refused(uniform(1, 1, 2), np.zeros((1, 1, 1)), kernel=(2,), size=(2,), error="has no (2,) windows of (2,)"),
    ],
    "avg_pool": [
        Sample(uniform(2, 3, 5), how=MEAN, expect=lambda x: pairs(x).mean(-1)),
        Sample(uniform(1, 2, 5, 4), how=INSIDE),
        Sample(uniform(1, 2, 5, 4), how=BY_FIVE),
        Sample(uniform(0, 1, 4), how=MEAN, expect=lambda x: np.zeros((0, 1, 2))),
    ],
    "avg_pool_input": [
        Sample(uniform(2, 3, 2), size=(5,), how=MEAN,
               expect=lambda y: np.pad(np.repeat(y / 2, 2, axis=2), [(0, 0), (0, 0), (0, 1)])),
        Sample(uniform(1, 2, 3, 2), size=(5, 4), how=INSIDE),
        Sample(uniform(1, 2, 3, 2), size=(5, 4), how=BY_FIVE),
    ],
    "adaptive_avg_pool": [
        Sample(uniform(2, 2, 5), size=(2,),
               expect=lambda x: np.stack([x[..., :3].mean(-1), x[..., 2:].mean(-1)], -1)),
        Sample(uniform(1, 2, 3, 5), size=(1, 1), expect=lambda x: x.mean((2, 3), keepdims=True)),
        Sample(uniform(0, 2, 3), size=(2,), expect=lambda x: np.zeros((0, 2, 2))),
    ],
    "adaptive_avg_pool_input": [
        Sample(uniform(2, 2, 2), size=(4,), expect=lambda y: np.repeat(y / 2, 2, axis=2)),
        Sample(uniform(1, 2, 2, 3), size=(3, 5)),
    ],
}  # fmt: skip
