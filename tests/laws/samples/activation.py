"""Samples of the activations: away from their kinks, at them, and of no or many elements."""

import math

import numpy as np

from tests.laws.sample import Refused, Sample, positive, uniform

SQUARES = np.linspace(-3.7, 3.9, 12).reshape(3, 4)  # meets no kink of any op below
LONG = np.linspace(-4.3, 4.1, 700)                  # enough elements for the kernels that choose without a branch
KINKS = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def phi(x):
    """The normal distribution function."""
    return np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)), otypes=["f8"])(x)


def bell(x):
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def inner(x):
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def gelu_tanh_slope(x):
    t = np.tanh(inner(x))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)


def mish_slope(x):
    t = np.tanh(np.log1p(np.exp(x)))
    return t + x * (1 - t * t) * sigmoid(x)


def elu(x, alpha=1.0, scale=1.0, input_scale=1.0):
    return scale * np.where(x > 0, x, alpha * np.expm1(input_scale * x))


def elu_slope(x, alpha, scale, input_scale):
    return scale * np.where(x > 0, 1.0, alpha * input_scale * np.exp(input_scale * x))


def softmax(x, dim):
    e = np.exp(x - x.max(axis=dim, keepdims=True, initial=-np.inf)) if x.ndim else np.ones(())
    return e / (e.sum(axis=dim, keepdims=True) if x.ndim else 1)


def smooth(expect, **params):
    """Samples for a function without kinks."""
    return [Sample(SQUARES, expect=expect, **params), Sample(uniform(0, 3), expect=expect, **params),
            Sample(uniform(), expect=expect, **params), Sample(LONG, expect=expect, **params)]  # fmt: skip


def kinked(expect, **params):
    """Samples for a function with kinks, where only the value is checked."""
    return [*smooth(expect, **params), Sample(KINKS, expect=expect, smooth=False, **params)]


ELU = {"alpha": 1.3, "scale": 1.1, "input_scale": 0.7}

SAMPLES = {
    "between": [
        Sample(uniform(3, 4), SQUARES, low=-1, high=2, expect=lambda g, x: np.where((x > -1) & (x < 2), g, 0)),
        Sample(uniform(700), LONG, low=0, high=math.inf, expect=lambda g, x: np.where(x > 0, g, 0)),
        Sample(uniform(700), LONG, low=-1, high=2, expect=lambda g, x: np.where((x > -1) & (x < 2), g, 0)),
        Sample(uniform(0), uniform(0), low=0, high=1),
        Sample(uniform(), uniform(), low=-2, high=2, expect=lambda g, x: g),
    ],
    "outside": [
        Sample(uniform(3, 4), SQUARES, lambd=1.0, expect=lambda g, x: np.where(np.abs(x) > 1, g, 0)),
        Sample(uniform(700), LONG, lambd=1.0, expect=lambda g, x: np.where(np.abs(x) > 1, g, 0)),
        Sample(uniform(0), uniform(0), lambd=1.0),
    ],
    "relu": kinked(lambda x: np.maximum(x, 0)),
    "hardtanh": [
        *kinked(lambda x, min_val, max_val: np.clip(x, min_val, max_val), min_val=-1.0, max_val=0.5),
        Sample(np.array([-3, 0, 3]), min_val=-1.5, max_val=1.5, expect=lambda x: np.array([-1, 0, 1])),
    ],
    "threshold": kinked(lambda x, threshold, value: np.where(x > threshold, x, value), threshold=0.5, value=-7.0),
    "leaky_pull": [
        Sample(uniform(3, 4), SQUARES, negative_slope=0.1, expect=lambda g, x: np.where(x > 0, g, 0.1 * g)),
        Sample(uniform(700), LONG, negative_slope=-2.0, expect=lambda g, x: np.where(x > 0, g, -2 * g)),
        Sample(uniform(), uniform(), negative_slope=0.1),
    ],
    "leaky_relu": [
        *kinked(lambda x: np.where(x > 0, x, 0.1 * x), negative_slope=0.1),
        *smooth(lambda x: np.where(x > 0, x, 3 * x), negative_slope=3.0),
        *smooth(lambda x: np.where(x > 0, x, -2 * x), negative_slope=-2.0),
    ],
    "prelu": [
        Sample(SQUARES, positive(1, 4), expect=lambda x, w: np.where(x > 0, x, w * x)),
        Sample(LONG, uniform(1), expect=lambda x, w: np.where(x > 0, x, w * x)),
        Sample(uniform(2, 0, 3), uniform(1, 0, 1)),
    ],
    "rrelu": [
        Sample(SQUARES, positive(3, 4), expect=lambda x, noise: x * noise),
        Sample(uniform(), positive(), expect=lambda x, noise: x * noise),
    ],
    "hardshrink": kinked(lambda x: np.where(np.abs(x) > 0.75, x, 0), lambd=0.75),
    "softshrink": kinked(lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.75, 0), lambd=0.75),
    "hardsigmoid": kinked(lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "hardswish": kinked(lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "hardswish_slope": smooth(lambda x: np.where(x < -3, 0, np.where(x > 3, 1, x / 3 + 0.5))),
    "silu": smooth(lambda x: x * sigmoid(x)),
    "silu_slope": smooth(lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
    "gelu": [*smooth(lambda x: x * phi(x)), Refused(np.array([1, 2]), error='"gelu" not implemented for regrad.int64')],
    "gelu_slope": smooth(lambda x: phi(x) + x * bell(x)),
    "gelu_tanh": smooth(lambda x: 0.5 * x * (1 + np.tanh(inner(x)))),
    "gelu_tanh_slope": smooth(gelu_tanh_slope),
    "mish": [*smooth(lambda x: x * np.tanh(np.log1p(np.exp(x)))), Sample(np.array([700.0]), expect=lambda x: x)],
    "mish_slope": [*smooth(mish_slope), Sample(np.array([700.0]), expect=lambda x: x / x)],
    "logsigmoid": [
        *smooth(lambda x: -np.log1p(np.exp(-x))),
        Sample(np.array([-800.0, 800.0]), expect=lambda x: np.minimum(x, 0)),
    ],
    "softplus": smooth(lambda x: np.where(2 * x > 3, x, np.log1p(np.exp(2 * x)) / 2), beta=2.0, threshold=3.0),
    "softplus_slope": smooth(lambda x: np.where(2 * x > 3, 1, sigmoid(2 * x)), beta=2.0, threshold=3.0),
    "elu": kinked(elu, **ELU),
    "elu_slope": smooth(elu_slope, **ELU),
    "elu_curve": smooth(lambda x: np.where(x > 0, 0, 1.3 * 1.1 * 0.49 * np.exp(0.7 * x)), **ELU),
    "celu": kinked(lambda x: elu(x, 1.3, 1, 1 / 1.3), alpha=1.3),
    "glu": [
        Sample(uniform(3, 4), dim=1, expect=lambda x: x[:, :2] * sigmoid(x[:, 2:])),
        Sample(uniform(2, 3), dim=0, expect=lambda x: x[:1] * sigmoid(x[1:])),
        Sample(uniform(0, 4), dim=1),
        Refused(np.array([1, 2]), dim=0, error='"glu" not implemented'),
    ],
    "softmax": [
        Sample(uniform(3, 4), dim=1, expect=softmax),
        Sample(uniform(2, 3, 4, low=-900, high=900), dim=1, expect=softmax),
        Sample(uniform(0, 4), dim=0), Sample(uniform(), dim=0, expect=softmax),
        Refused(np.array([1, 2]), dim=0, error='"softmax" not implemented for regrad.int64'),
    ],
    "log_softmax": [
        Sample(uniform(3, 4), dim=1, expect=lambda x, dim: np.log(softmax(x, dim))),
        Sample(uniform(2, 3, 4), dim=0, expect=lambda x, dim: np.log(softmax(x, dim))),
        Sample(uniform(0, 4), dim=0), Sample(uniform(), dim=0),
    ],
}  # fmt: skip
