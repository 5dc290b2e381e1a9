"""Samples of the losses: each reduction, broadcast operands, weights, ignored targets, and nothing at all."""

import numpy as np

from tests.laws.sample import Refused, Sample, positive, uniform
from tests.laws.samples.activation import sigmoid, softmax

FAR = np.array([[0.3, 1.7, -2.2], [0.9, -0.4, 3.1]])  # differences on both sides of every bend below
CLASSES = np.array([2, 0, 1, 2])
PLACES = np.array([[0, 2], [1, 1]])
SKIPPED = np.array([2, -100, 1, 2])
GOING = np.array([[True], [False]])
SKIP = np.array([[-np.inf, -np.inf, -np.inf, 0.0, -np.inf], [-np.inf] * 5])


def reduced(loss, how):
    return loss if how == "none" else loss.mean() if how == "mean" else loss.sum()


def pairwise(f):
    """The reference of a loss of each pair of elements."""
    return lambda x, y, how: reduced(f(x, y), how)


def huber(d, delta):
    return np.where(np.abs(d) < delta, d * d / 2, delta * (np.abs(d) - delta / 2))


def entropy(x, y, pos_weight=None, how="none"):
    p = 1 if pos_weight is None else pos_weight
    return reduced(-p * y * np.log(sigmoid(x)) - (1 - y) * np.log(1 - sigmoid(x)), how)


def nll(x, target, weight, how, ignore_index):
    ignored = target == ignore_index
    target = np.where(ignored, 0, target)
    counts = np.where(ignored, 0.0, (np.ones(x.shape[1]) if weight is None else weight)[target])
    loss = -np.take_along_axis(x, target[:, None], 1)[:, 0] * counts
    return loss.sum() / counts.sum() if how == "mean" else reduced(loss, how)


def cross_entropy(x, target, weight, how, ignore_index):
    return nll(np.log(softmax(x, 1)), target, weight, how, ignore_index)


def placed(s, target, shape):
    return np.moveaxis(np.eye(shape[1])[target], -1, 1) * s[:, None]


def step(before, emit, skip, going):
    p = np.exp(before)
    one, two = np.pad(p, ((0, 0), (1, 0)))[:, :-1], np.pad(p, ((0, 0), (2, 0)))[:, :-2]
    return np.where(going, emit + np.log(p + one + two * np.exp(skip)), before)


def pairs(f, **params):
    """Samples for a loss of each pair of elements."""
    return [
        *(Sample(FAR, uniform(2, 3), how=how, expect=pairwise(f), **params) for how in ("none", "mean", "sum")),
        Sample(FAR, uniform(1, 3), how="none", expect=pairwise(f), **params),
        Sample(FAR, uniform(), how="mean", expect=pairwise(f), **params),
        Sample(uniform(0, 3), uniform(0, 3), how="sum", expect=pairwise(f), **params),
        Refused(np.array([1, 2]), np.array([1, 2]), how="mean", error="not implemented for regrad.int64", **params),
    ]


NONE = {"ignore_index": -100}

SAMPLES = {
    "mse_loss": pairs(lambda x, y: (x - y) ** 2),
    "huber_loss": pairs(lambda x, y: huber(x - y, 1.25), delta=1.25),
    "smooth_l1_loss": pairs(lambda x, y: huber(x - y, 1.25) / 1.25, beta=1.25),
    "bernoulli_pull": [
        Sample(uniform(3), uniform(3, low=0.2, high=0.8), uniform(3, low=0, high=1),
               expect=lambda s, x, y: s * (x - y) / (x * (1 - x))),
        Sample(uniform(), uniform(low=0.2, high=0.8), uniform()),
    ],
    "binary_cross_entropy": [
        *(Sample(uniform(3, 2, low=0.2, high=0.8), uniform(3, 2, low=0, high=1), how=how,
                 expect=lambda x, y, how: reduced(-y * np.log(x) - (1 - y) * np.log(1 - x), how))
          for how in ("none", "mean", "sum")),
        Sample(np.array([0.0, 1.0]), np.array([0.0, 0.0]), how="none", smooth=False,
               expect=lambda x, y: np.array([0.0, 100.0])),
        Refused(np.array([1.5]), np.array([1.0]), how="mean", error="between 0 and 1"),
    ],
    "binary_cross_entropy_with_logits": [
        *(Sample(uniform(3, 2, low=-3, high=3), uniform(3, 2, low=0, high=1), None, how=how, expect=entropy)
          for how in ("none", "mean", "sum")),
        Sample(uniform(3, 2), uniform(3, 2), positive(2), how="mean", expect=entropy),
        Sample(uniform(3, 2), uniform(3, 2), positive(2), how="none", expect=entropy),
        Sample(np.array([-800.0, 800.0]), np.array([0.0, 1.0]), None, how="none", expect=lambda x, y, w: np.zeros(2)),
        Sample(uniform(0), uniform(0), None, how="sum"),
    ],
    "pick_class": [
        Sample(uniform(4, 3), CLASSES, expect=lambda x, t: x[np.arange(4), t]),
        Sample(uniform(2, 3, 2), PLACES, expect=lambda x, t: np.take_along_axis(x, t[:, None], 1)[:, 0]),
        Sample(uniform(0, 3), np.zeros(0, int)),
    ],
    "place_class": [
        Sample(uniform(4), CLASSES, shape=(4, 3), expect=placed),
        Sample(uniform(2, 2), PLACES, shape=(2, 3, 2), expect=placed),
    ],
    "nll_loss": [
        *(Sample(uniform(4, 3), CLASSES, None, how=how, expect=nll, **NONE) for how in ("none", "mean", "sum")),
        *(Sample(uniform(4, 3), SKIPPED, positive(3), how=how, expect=nll, **NONE) for how in ("none", "mean", "sum")),
        Sample(uniform(2, 3, 2), PLACES, positive(3), how="mean", expect=nll, ignore_index=1),
        Sample(uniform(0, 3), np.zeros(0, int), None, how="sum", **NONE),
        Refused(uniform(2, 3), np.array([1, 3]), None, how="mean", raises=IndexError, **NONE,
                error="Target 3 is out of bounds"),
    ],
    "entropy_pull": [
        Sample(uniform(4), uniform(4, 3), CLASSES,
               expect=lambda s, x, t: s[:, None] * np.exp(x) - placed(s, t, (4, 3))),
        Sample(uniform(2, 2), uniform(2, 3, 2), PLACES),
    ],
    "cross_entropy": [
        *(Sample(uniform(4, 3), CLASSES, None, how=how, expect=cross_entropy, **NONE)
          for how in ("none", "mean", "sum")),
        *(Sample(uniform(4, 3), SKIPPED, positive(3), how=how, expect=cross_entropy, **NONE)
          for how in ("none", "mean", "sum")),
        Sample(uniform(2, 3, 2), PLACES, None, how="mean", expect=cross_entropy, **NONE),
        Sample(uniform(0, 3), np.zeros(0, int), None, how="sum", **NONE),
        Refused(uniform(2, 3), np.array([1, -1]), None, how="mean", raises=IndexError, **NONE,
                error="Target -1 is out of bounds"),
    ],
    "raised": [
        Sample(positive(3), eps=0.1, expect=lambda x: x),
        Sample(uniform(3), eps=0.5, smooth=False, expect=lambda x: np.maximum(x, 0.5)),
        Sample(positive(), eps=0.1),
    ],
    "slid": [
        Sample(uniform(2, 4), by=1, fill=7.0, expect=lambda x: np.pad(x, ((0, 0), (1, 0)), constant_values=7)[:, :-1]),
        Sample(uniform(2, 4), by=-2, fill=0.0, expect=lambda x: np.pad(x, ((0, 0), (0, 2)))[:, 2:]),
        Sample(uniform(2, 1), by=2, fill=0.0, expect=lambda x: x * 0),
        Sample(uniform(0, 3), by=1, fill=0.0),
    ],
    "ctc_step": [
        Sample(uniform(2, 5, low=-3, high=0), uniform(2, 5, low=-3, high=0), SKIP, GOING, expect=step),
        Sample(uniform(1, 1), uniform(1, 1), np.array([[-np.inf]]), np.array([[True]]), expect=step),
        Sample(np.array([[0.0, -np.inf, -np.inf]]), uniform(1, 3), np.full((1, 3), -np.inf), np.array([[True]]),
               smooth=False),
    ],
}  # fmt: skip
