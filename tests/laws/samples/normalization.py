"""Samples of the norms: with and without weights, over one dimension and several, and of nothing."""

import numpy as np

from tests.laws.sample import Refused, Sample, positive, uniform


def rows(x, weight, bias, dims, eps, centre=True):
    axes = tuple(range(x.ndim - dims, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    y = x - mean if centre else x
    rstd = 1 / np.sqrt((y * y).mean(axis=axes, keepdims=True) + eps)
    out = y * rstd * (1 if weight is None else weight) + (0 if bias is None else bias)
    return out, mean, rstd


def root(x, weight, dims, eps):
    return rows(x, weight, None, dims, eps, centre=False)[0]


def groups(x, weight, bias, groups, eps):
    line = (1, -1, *(1,) * (x.ndim - 2))
    out, mean, rstd = rows(x.reshape(x.shape[0], groups, -1), None, None, 1, eps)
    out = out.reshape(x.shape)
    out = out if weight is None else out * weight.reshape(line)
    return out if bias is None else out + bias.reshape(line), mean[..., 0], rstd[..., 0]


def channels(x, weight, bias, eps):
    axes, line = (0, *range(2, x.ndim)), (1, -1, *(1,) * (x.ndim - 2))
    mean, var = x.mean(axis=axes), x.var(axis=axes)
    out = fixed(x, weight, bias, mean, var, eps)
    return out, mean, 1 / np.sqrt(var + eps), var.reshape(line).reshape(-1)


def fixed(x, weight, bias, mean, var, eps):
    line = (1, -1, *(1,) * (x.ndim - 2))
    out = (x - mean.reshape(line)) / np.sqrt(var.reshape(line) + eps)
    out = out if weight is None else out * weight.reshape(line)
    return out if bias is None else out + bias.reshape(line)


def pulled(s, x, weight, mean, rstd, dims):
    axes = tuple(range(x.ndim - dims, x.ndim))
    u, y = s if weight is None else s * weight, x * rstd if mean is None else (x - mean) * rstd
    level = 0 if mean is None else u.mean(axis=axes, keepdims=True)
    return (u - level - y * (u * y).mean(axis=axes, keepdims=True)) * rstd


SAMPLES = {
    "rows_pull": [
        Sample(uniform(3, 4), uniform(3, 4), uniform(4), uniform(3, 1), positive(3, 1), dims=1, expect=pulled),
        Sample(uniform(2, 3, 4), uniform(2, 3, 4), uniform(3, 4), uniform(2, 1, 1), positive(2, 1, 1), dims=2,
               expect=pulled),
        Sample(uniform(3, 4), uniform(3, 4), None, None, positive(3, 1), dims=1, expect=pulled),
        Sample(uniform(0, 4), uniform(0, 4), uniform(4), uniform(0, 1), positive(0, 1), dims=1),
    ],
    "rows_scale_pull": [
        Sample(uniform(3, 4), uniform(3, 4), uniform(3, 1), positive(3, 1), dims=1,
               expect=lambda s, x, mean, rstd: (s * (x - mean) * rstd).sum(axis=0)),
        Sample(uniform(2, 3, 4), uniform(2, 3, 4), None, positive(2, 1, 1), dims=2,
               expect=lambda s, x, mean, rstd: (s * x * rstd).sum(axis=0)),
    ],
    "groups_scale_pull": [
        Sample(uniform(2, 2, 3, 4), uniform(2, 2, 3, 4), uniform(2, 2, 1, 1), positive(2, 2, 1, 1),
               expect=lambda s, x, mean, rstd: (s * (x - mean) * rstd).sum(axis=(0, 3)).reshape(-1)),
        Sample(uniform(3, 1, 2, 1), uniform(3, 1, 2, 1), uniform(3, 1, 1, 1), positive(3, 1, 1, 1)),
    ],
    "native_layer_norm": [
        Sample(uniform(3, 4), uniform(4), uniform(4), dims=1, eps=1e-5, expect=rows),
        Sample(uniform(2, 3, 4), uniform(3, 4), uniform(3, 4), dims=2, eps=0.1, expect=rows),
        Sample(uniform(3, 4), None, None, dims=1, eps=0.1, expect=rows),
        Sample(uniform(3, 4), None, uniform(4), dims=1, eps=0.1, expect=rows),
        Sample(uniform(0, 4), uniform(4), uniform(4), dims=1, eps=0.1),
        Refused(np.array([[1, 2]]), None, None, dims=1, eps=0.1, error="not implemented for regrad.int64"),
    ],
    "rms_norm": [
        Sample(uniform(3, 4), uniform(4), dims=1, eps=1e-5, expect=root),
        Sample(uniform(2, 3, 4), None, dims=2, eps=0.1, expect=root),
        Sample(uniform(0, 4), uniform(4), dims=1, eps=0.1),
    ],
    "native_group_norm": [
        Sample(uniform(2, 4, 3), uniform(4), uniform(4), groups=2, eps=0.1, expect=groups),
        Sample(uniform(2, 6, 2, 2), None, None, groups=6, eps=0.1, expect=groups),
        Sample(uniform(3, 4), uniform(4), None, groups=1, eps=0.1, expect=groups),
        Sample(uniform(0, 4, 3), uniform(4), uniform(4), groups=2, eps=0.1),
    ],
    "channels_pull": [
        Sample(uniform(3, 2, 4), uniform(3, 2, 4), uniform(2), uniform(2), positive(2)),
        Sample(uniform(5, 2), uniform(5, 2), None, uniform(2), positive(2)),
    ],
    "channels_scale_pull": [
        Sample(uniform(3, 2, 4), uniform(3, 2, 4), uniform(2), positive(2),
               expect=lambda s, x, mean, rstd: (s * (x - mean[:, None]) * rstd[:, None]).sum(axis=(0, 2))),
        Sample(uniform(5, 2), uniform(5, 2), uniform(2), positive(2)),
    ],
    "native_batch_norm": [
        Sample(uniform(3, 2, 4), uniform(2), uniform(2), eps=0.1, expect=channels),
        Sample(uniform(5, 2), None, None, eps=0.1, expect=channels),
        Sample(uniform(2, 2, 2, 2), uniform(2), None, eps=1e-5, expect=channels),
        Refused(np.array([[1], [2]]), None, None, eps=0.1, error="not implemented for regrad.int64"),
    ],
    "batch_norm_eval": [
        Sample(uniform(3, 2, 4), uniform(2), uniform(2), uniform(2), positive(2), eps=0.1, expect=fixed),
        Sample(uniform(5, 2), None, None, uniform(2), positive(2), eps=0.1, expect=fixed),
        Sample(uniform(0, 2, 3), uniform(2), uniform(2), uniform(2), positive(2), eps=0.1),
    ],
    "window": [
        Sample(uniform(2, 5, 3), before=1, after=1, expect=lambda x: x + np.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1]
               + np.pad(x, ((0, 0), (0, 1), (0, 0)))[:, 1:]),
        Sample(uniform(2, 3, 2), before=5, after=0, expect=lambda x: x.cumsum(axis=1)),
        Sample(uniform(0, 3, 2), before=1, after=2),
    ],
}  # fmt: skip
