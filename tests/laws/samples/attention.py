"""Samples of attention, embeddings and dropout: masks of both kinds, shared batches, repeated indices, empty bags."""

import numpy as np

from tests.laws.sample import Refused, Sample, booleans, uniform
from tests.laws.samples.activation import softmax

INDICES = np.array([[1, 0], [1, 3]])
BAGS = np.array([0, 0, 2, 2, 2])
MASK = np.array([[True, False, True, True], [False, False, False, False], [True, True, True, False]])


def scores(q, k, mask, causal, scale):
    s = q @ np.swapaxes(k, -1, -2) * scale
    if causal:
        s = np.where(np.tril(np.ones(s.shape[-2:], bool)), s, -np.inf)
    return s if mask is None else np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask


def attention(*xs, causal, scale):
    q, k, v, mask = xs if len(xs) == 4 else (*xs, None)
    s = scores(q, k, mask, causal, scale)
    dead = np.isneginf(s).all(axis=-1, keepdims=True)
    return np.where(dead, 0, softmax(np.where(dead, 0, s), -1)) @ v


def weights(q, k, mask, total, causal, scale):
    return np.exp(scores(q, k, mask, causal, scale) - total[..., None])


PLAIN = {"causal": False, "scale": 0.7}
CAUSAL = {"causal": True, "scale": 0.7}

SAMPLES = {
    "scaled_dot_product_attention": [
        Sample(uniform(3, 2), uniform(4, 2), uniform(4, 5), expect=attention, **PLAIN),
        Sample(uniform(2, 3, 2), uniform(2, 4, 2), uniform(2, 4, 2), expect=attention, **CAUSAL),
        Sample(uniform(3, 2), uniform(4, 2), uniform(4, 2), uniform(3, 4), expect=attention, **PLAIN),
        Sample(uniform(2, 3, 2), uniform(4, 2), uniform(4, 2), uniform(1, 4), expect=attention, **PLAIN),
        Sample(uniform(3, 2), uniform(4, 2), uniform(4, 2), MASK, expect=attention, **PLAIN),
        Sample(uniform(2, 2, 3, 2), uniform(2, 1, 4, 2), uniform(2, 1, 4, 2), expect=attention, **PLAIN),
        Sample(uniform(0, 2), uniform(4, 2), uniform(4, 2), **PLAIN),
    ],
    "attention_weights": [
        Sample(uniform(3, 2), uniform(4, 2), None, uniform(3), expect=weights, **PLAIN),
        Sample(uniform(2, 3, 2), uniform(4, 2), uniform(3, 4), uniform(2, 3), expect=weights, **CAUSAL),
        Sample(uniform(3, 2), uniform(4, 2), MASK, uniform(3), expect=weights, **PLAIN),
    ],
    "embedding": [
        Sample(uniform(4, 3), INDICES, padding_idx=-1, by_frequency=False, expect=lambda w, k: w[k]),
        Sample(uniform(4, 3), np.array(2), padding_idx=-1, by_frequency=False, expect=lambda w, k: w[k]),
        Sample(uniform(4, 3), np.zeros(0, int), padding_idx=-1, by_frequency=False, expect=lambda w, k: w[k]),
        Sample(uniform(4, 3), INDICES, padding_idx=1, by_frequency=True, expect=lambda w, k: w[k], smooth=False),
        Refused(uniform(4, 3), np.array([4]), padding_idx=-1, by_frequency=False, raises=IndexError,
                error="index out of range in self: 4 in a table of 4 rows"),
    ],
    "embed_pull": [
        Sample(uniform(2, 2, 3), INDICES, rows=4, padding_idx=-1, by_frequency=False,
               expect=lambda g, k: np.stack([g[0, 1], g[0, 0] + g[1, 0], g[0, 0] * 0, g[1, 1]])),
        Sample(uniform(2, 2, 3), INDICES, rows=4, padding_idx=1, by_frequency=False,
               expect=lambda g, k: np.stack([g[0, 1], g[0, 0] * 0, g[0, 0] * 0, g[1, 1]])),
        Sample(uniform(2, 2, 3), INDICES, rows=4, padding_idx=-1, by_frequency=True, smooth=False,
               expect=lambda g, k: np.stack([g[0, 1], (g[0, 0] + g[1, 0]) / 2, g[0, 0] * 0, g[1, 1]])),
    ],
    "embed_push": [
        Sample(uniform(4, 3), INDICES, padding_idx=-1, expect=lambda t, k: t[k]),
        Sample(uniform(4, 3), INDICES, padding_idx=1, expect=lambda t, k: np.where((k == 1)[..., None], 0, t[k])),
    ],
    "bag_sum": [
        Sample(uniform(5, 2), BAGS, count=4,
               expect=lambda x, b: np.stack([x[:2].sum(0), x[0] * 0, x[2:].sum(0), x[0] * 0])),
        Sample(uniform(0, 2), np.zeros(0, int), count=2, expect=lambda x, b: np.zeros((2, 2))),
    ],
    "take_bags": [
        Sample(uniform(4, 2), BAGS, expect=lambda x, b: x[b]),
        Sample(uniform(4, 2), np.zeros(0, int), expect=lambda x, b: x[b]),
    ],
    "dropout": [
        Sample(uniform(3, 4), booleans(3, 4), scale=2.0, expect=lambda x, mask, scale: x * mask * scale),
        Sample(uniform(3, 4, 2), booleans(3, 4, 1), scale=1.5, expect=lambda x, mask, scale: x * mask * scale),
        Sample(uniform(), booleans(), scale=2.0, expect=lambda x, mask, scale: x * mask * scale),
        Sample(uniform(0), booleans(0), scale=2.0),
    ],
}  # fmt: skip
