"""Samples of the reductions: over one dimension, several, all; of ties, zeros and nothing."""

import numpy as np

from tests.laws.sample import Refused, Sample, booleans, complexes, integers, positive, uniform

ZEROS = np.array([[0.0, 2.0, -1.5], [0.5, 0.0, 0.0], [1.5, -2.0, 0.5]])
TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
NANS = np.array([[1.0, np.nan, 0.5], [np.nan, np.nan, 2.0]])


def over(fn):
    """The reference ``fn`` of NumPy with the parameters of an op."""
    return lambda x, dim=None, keepdim=False: fn(x, axis=dim, keepdims=keepdim)


def log_sum_exp(x, dim=None, keepdim=False):
    return np.log(np.sum(np.exp(x), axis=dim, keepdims=keepdim))


def vector_norm(x, order=2, dim=None, keepdim=False):
    return np.sum(np.abs(x) ** order, axis=dim, keepdims=keepdim) ** (1 / order)


def moment(fn):
    return lambda x, dim=None, correction=1, keepdim=False: fn(x, axis=dim, ddof=correction, keepdims=keepdim)


def chosen(values, indices):
    return lambda x, dim: (values(x, axis=dim), indices(x, axis=dim))


SAMPLES = {
    "sum": [
        Sample(uniform(3, 4), expect=over(np.sum)),
        Sample(uniform(2, 3, 4), dim=(0, 2), expect=over(np.sum)),
        Sample(uniform(2, 3, 4), dim=(1,), keepdim=True, expect=over(np.sum)),
        Sample(uniform(0, 3), dim=(0,), expect=over(np.sum)),
        Sample(uniform(0, 3), dim=(1,), expect=over(np.sum)),
        Sample(uniform(), expect=over(np.sum)),
        Sample(integers(3, 4).astype(np.int32), dim=(1,), expect=over(np.sum)),
        Sample(complexes(3, 2), dim=(0,), expect=over(np.sum)),
    ],
    "spread": [
        Sample(uniform(), shape=(2, 3), dim=None, expect=lambda x: np.broadcast_to(x, (2, 3))),
        Sample(uniform(2, 4), shape=(2, 3, 4), dim=(1,), expect=lambda x: np.repeat(x[:, None], 3, 1)),
        Sample(uniform(2, 1, 4), shape=(2, 3, 4), dim=(1,), expect=lambda x: np.repeat(x, 3, 1)),
        Sample(uniform(3), shape=(0, 3), dim=(0,)),
    ],
    "nansum": [
        Sample(uniform(3, 4), dim=(1,), expect=over(np.nansum)),
        Sample(NANS, dim=(0,), keepdim=True, expect=over(np.nansum), smooth=False),
        Sample(uniform(), expect=over(np.nansum)),
    ],
    "count_nonzero": [
        Sample(ZEROS, dim=(0,), expect=lambda x: np.count_nonzero(x, axis=0)),
        Sample(booleans(3, 4), expect=np.count_nonzero),
    ],
    "mean": [
        Sample(uniform(3, 4), expect=over(np.mean)),
        Sample(uniform(2, 3, 4), dim=(0, 2), keepdim=True, expect=over(np.mean)),
        Sample(uniform(), expect=over(np.mean)),
        Sample(uniform(0, 2), dim=(0,), expect=lambda x: np.full(2, np.nan), smooth=False),
        Refused(integers(3), error="could not infer output dtype"),
    ],
    "prod": [
        Sample(positive(3, 4), dim=(1,), expect=over(np.prod)),
        Sample(ZEROS, dim=(1,), keepdim=True, expect=over(np.prod)),
        Sample(ZEROS, dim=(0,), expect=over(np.prod)),
        Sample(uniform(5), dim=(0,), expect=over(np.prod)),
        Sample(uniform(0, 2), dim=(0,), expect=over(np.prod)),
    ],
    "share": [
        Sample(TIES, TIES.max(1), dim=(1,), expect=lambda x, out: np.array([[0, 0.5, 0.5], [1 / 3] * 3])),
        Sample(TIES, TIES.max(), dim=None, expect=lambda x, out: np.array([[0, 0.5, 0.5], [0, 0, 0]])),
        Sample(NANS, np.array(np.nan), dim=None, expect=lambda x, out: np.isnan(x) / 3),
    ],
    "amax": [
        Sample(uniform(3, 4), expect=over(np.amax)),
        Sample(uniform(2, 3, 4), dim=(0, 2), keepdim=True, expect=over(np.amax)),
        Sample(TIES, dim=(1,), expect=over(np.amax), smooth=False),
        Sample(uniform(), expect=over(np.amax)),
        Refused(uniform(0, 3), error="Expected reduction dim to be specified"),
        Refused(uniform(0, 3), dim=(0,), error="reduction dim 0 to have non-zero size", raises=IndexError),
        Refused(complexes(2), error="complex numbers have no order", raises=NotImplementedError),
    ],
    "amin": [
        Sample(uniform(3, 4), expect=over(np.amin)),
        Sample(uniform(2, 3, 4), dim=(0, 2), keepdim=True, expect=over(np.amin)),
        Sample(TIES, dim=(1,), expect=over(np.amin), smooth=False),
    ],
    "max": [
        Sample(uniform(3, 4), dim=1, expect=chosen(np.max, np.argmax)),
        Sample(uniform(3, 4), dim=0, keepdim=True),
        Sample(TIES, dim=1, expect=chosen(np.max, np.argmax), smooth=False),
        Sample(uniform(), dim=0, expect=lambda x: (x, 0)),
        Refused(uniform(0, 3), dim=0, error="max(): Expected reduction dim 0 to have", raises=IndexError),
    ],
    "min": [
        Sample(uniform(3, 4), dim=1, expect=chosen(np.min, np.argmin)),
        Sample(uniform(3, 4), dim=0, keepdim=True),
        Sample(uniform(), dim=0, expect=lambda x: (x, 0)),
    ],
    "argmax": [
        Sample(uniform(3, 4), expect=np.argmax),
        Sample(uniform(3, 4), dim=1, expect=lambda x: np.argmax(x, 1)),
        Refused(booleans(3), error="does not support bool"),
        Refused(uniform(0), error="Expected reduction dim to be specified", raises=IndexError),
    ],
    "argmin": [
        Sample(uniform(3, 4), expect=np.argmin),
        Sample(integers(3, 4), dim=0, keepdim=True, expect=lambda x: np.argmin(x, 0, keepdims=True)),
    ],
    "all": [
        Sample(booleans(3, 4), dim=(1,), expect=lambda x: x.all(1)),
        Sample(ZEROS, expect=np.all),
        Sample(uniform(0, 2), dim=(0,), expect=lambda x: np.array([True, True])),
    ],
    "any": [
        Sample(booleans(3, 4), dim=(0,), keepdim=True, expect=lambda x: x.any(0, keepdims=True)),
        Sample(integers(3).astype(np.uint8), expect=lambda x: np.uint8(x.any())),
    ],
    "var": [
        Sample(uniform(3, 4), dim=None, correction=1, expect=moment(np.var)),
        Sample(uniform(2, 3, 4), dim=(0, 2), correction=0, keepdim=True, expect=moment(np.var)),
        Sample(complexes(5), dim=(0,), correction=1, expect=moment(np.var)),
        Sample(uniform(1, 3), dim=(0,), correction=1, expect=lambda x: np.full(3, np.nan), smooth=False),
        Sample(np.array([1.0, 2.0]), dim=None, correction=2, expect=lambda x: np.inf, smooth=False),
        Refused(integers(3), dim=None, error="only support floating point and complex"),
    ],
    "std": [
        Sample(uniform(3, 4), dim=None, correction=1, expect=moment(np.std)),
        Sample(uniform(2, 3, 4), dim=(0, 2), correction=0, keepdim=True, expect=moment(np.std)),
        Sample(np.ones(3), dim=None, correction=1, expect=moment(np.std), smooth=False),
    ],
    "logsumexp": [
        Sample(uniform(3, 4), dim=(1,), expect=log_sum_exp),
        Sample(uniform(3, 4), dim=None, keepdim=True, expect=log_sum_exp),
        Sample(np.array([1000.0, 1000.0]), dim=(0,), expect=lambda x: 1000 + np.log(2)),
        Sample(np.array([-np.inf, -np.inf]), dim=(0,), expect=lambda x: -np.inf, smooth=False),
        Sample(uniform(0, 2), dim=(0,), expect=lambda x: np.full(2, -np.inf), smooth=False),
        Sample(integers(3), dim=(0,)),
    ],
    "linalg_vector_norm": [
        Sample(uniform(3, 4), order=2.0, dim=None, expect=vector_norm),
        Sample(uniform(3, 4), order=1.0, dim=(1,), keepdim=True, expect=vector_norm),
        Sample(positive(3, 4), order=3.5, dim=(0,), expect=vector_norm),
        Sample(positive(3, 4), order=0.5, dim=(0,), expect=vector_norm),
        Sample(uniform(3, 4), order=np.inf, dim=(0,), expect=lambda x: np.abs(x).max(0)),
        Sample(uniform(3, 4), order=-np.inf, dim=(0,), expect=lambda x: np.abs(x).min(0)),
        Sample(ZEROS, order=0.0, dim=(0,), expect=lambda x: np.count_nonzero(x, axis=0), smooth=False),
        Sample(np.zeros(3), order=2.0, dim=None, expect=vector_norm, smooth=False),
        Sample(complexes(5), order=2.0, dim=None, expect=vector_norm),
        Sample(uniform(0), order=2.0, dim=None, expect=vector_norm),
        Refused(uniform(0), order=np.inf, dim=None, error="does not have an identity"),
        Refused(integers(3), order=2.0, dim=None, error="Expected a floating point or complex tensor"),
    ],
}
