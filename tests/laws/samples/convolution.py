"""Samples of convolutions in one to three dimensions, with strides, uneven padding, dilation and groups."""

import itertools

import numpy as np

from tests.laws.sample import Refused, Sample, uniform


def how(stride, padding, dilation, groups=None):
    """The parameters of a convolution or, without groups, of windows."""
    named = {"stride": stride, "padding": padding, "dilation": dilation}
    return named if groups is None else {**named, "groups": groups}


PLAIN = how((1,), (0,), (1,), 1)
STRIDED = how((2, 1), (1, (0, 2)), (1, 2), 2)


def padded(x, padding):
    pairs = [(p, p) if isinstance(p, int) else p for p in padding]
    return np.pad(x, [(0, 0), (0, 0), *pairs])


def by_places(x, w, how):
    """Every output by the sum that defines it."""
    x, groups = padded(x, how["padding"]), how["groups"]
    span = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], how["dilation"], strict=True)]
    size = [(n - s) // step + 1 for n, s, step in zip(x.shape[2:], span, how["stride"], strict=True)]
    out = np.zeros((len(x), len(w), *size))
    inputs, outputs = w.shape[1], len(w) // groups
    for o, place in itertools.product(range(len(w)), itertools.product(*map(range, size))):
        first = (o // outputs) * inputs
        cut = tuple(slice(i * step, i * step + s, d) for i, step, s, d in
                    zip(place, how["stride"], span, how["dilation"], strict=True))
        window = x[(slice(None), slice(first, first + inputs), *cut)]
        out[(slice(None), o, *place)] = (window * w[o]).sum(axis=tuple(range(1, x.ndim)))
    return out


def with_bias(x, w, bias, how):
    return by_places(x, w, how) + bias.reshape(-1, *[1] * (x.ndim - 2))


def columns(x, how):
    kernel = how["kernel"]
    picks = [by_places(x, pick, {**how, "groups": 1}) for pick in
             np.eye(x.shape[1] * np.prod(kernel)).reshape(-1, 1, x.shape[1], *kernel)]
    return np.concatenate(picks, axis=1).reshape(len(x), len(picks), -1)


WINDOWS = {"kernel": (2, 2), **how((1, 2), (1, 0), (1, 1))}

SAMPLES = {
    "convolution": [
        Sample(uniform(2, 2, 5), uniform(3, 2, 2), how=PLAIN, expect=by_places),
        Sample(uniform(1, 2, 5, 4), uniform(4, 1, 3, 2), how=STRIDED, expect=by_places),
        Sample(uniform(1, 1, 3, 2, 3), uniform(1, 1, 2, 1, 2), how=how((1, 1, 2), (0, 0, 1), (1, 1, 1), 1),
               expect=by_places),
        Sample(uniform(0, 2, 4), uniform(3, 2, 2), how=PLAIN, expect=by_places),
        Refused(uniform(1, 1, 3), uniform(1, 1, 4), how=PLAIN, error="Kernel size: (4)"),
    ],
    "convolution_bias": [
        Sample(uniform(2, 2, 5), uniform(3, 2, 2), uniform(3), how=PLAIN, expect=with_bias),
        Sample(uniform(1, 2, 5, 4), uniform(4, 1, 3, 2), uniform(4), how=STRIDED, expect=with_bias),
        Sample(uniform(0, 2, 4), uniform(3, 2, 2), uniform(3), how=PLAIN, expect=with_bias),
    ],
    "convolution_input": [
        Sample(uniform(2, 1, 2), np.array([[[1.0, 2.0]]]), size=(3,), how=PLAIN,
               expect=lambda y, w: np.stack([y[..., 0], 2 * y[..., 0] + y[..., 1], 2 * y[..., 1]], -1)),
        Sample(uniform(1, 4, 3, 4), uniform(4, 1, 3, 2), size=(5, 4), how=STRIDED),
        Sample(uniform(0, 3, 3), uniform(3, 2, 2), size=(4,), how=PLAIN),
    ],
    "convolution_input_bias": [
        Sample(uniform(2, 1, 2), np.array([[[1.0, 2.0]]]), uniform(1), size=(3,), how=PLAIN,
               expect=lambda y, w, b: b + np.stack([y[..., 0], 2 * y[..., 0] + y[..., 1], 2 * y[..., 1]], -1)),
        Sample(uniform(1, 4, 3, 4), uniform(4, 1, 3, 2), uniform(2), size=(5, 4), how=STRIDED),
    ],
    "convolution_weight": [
        Sample(uniform(1, 1, 2), uniform(1, 1, 3), size=(2,), how=PLAIN,
               expect=lambda y, x: by_places(x, y, PLAIN)),
        Sample(uniform(1, 4, 3, 4), uniform(1, 2, 5, 4), size=(3, 2), how=STRIDED),
        Sample(uniform(0, 3, 3), uniform(0, 2, 4), size=(2,), how=PLAIN, expect=lambda y, x: np.zeros((3, 2, 2))),
    ],
    "im2col": [
        Sample(uniform(2, 2, 3, 4), how=WINDOWS, expect=columns),
        Sample(uniform(1, 1, 5, 3), how={"kernel": (2, 3), **how((1, 1), (0, 1), (2, 1))}, expect=columns),
        Sample(uniform(0, 1, 3, 4), how=WINDOWS, expect=lambda x: np.zeros((0, 4, 8))),
    ],
    "col2im": [
        Sample(uniform(1, 4, 8), size=(3, 4), how=WINDOWS),
        Sample(uniform(2, 2, 3), size=(1, 4), how={"kernel": (1, 2), **how((1, 1), (0, 0), (1, 1))},
               expect=lambda y: np.pad(y[:, :1], [(0, 0), (0, 0), (0, 1)])[:, :, None]
               + np.pad(y[:, 1:], [(0, 0), (0, 0), (1, 0)])[:, :, None]),
    ],
}  # fmt: skip
