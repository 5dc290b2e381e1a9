"""Samples of sorting, order statistics and searching; ties keep their order and nan comes last."""

import numpy as np

from tests.laws.sample import Refused, Sample, booleans, complexes, integers, uniform

TIES = np.array([2.0, 1.0, 2.0, 1.0, 3.0])
NANS = np.array([1.0, np.nan, 0.5, 2.0, np.nan])


def in_order(x, dim):
    return np.sort(x, dim), np.argsort(x, dim, kind="stable")


def foremost(x, k, dim):
    where = np.flip(np.argsort(x, dim), dim).take(range(k), dim)
    return np.take_along_axis(x, where, dim), where


def at(rank):
    """The element of the given rank along ``dim``, and its index."""
    return lambda x, dim: (np.sort(x, dim).take(rank, dim), np.argsort(x, dim, kind="stable").take(rank, dim))


SAMPLES = {
    "sort": [
        Sample(uniform(3, 4), dim=1, descending=False, expect=in_order),
        Sample(uniform(3, 4), dim=0, descending=True),
        Sample(TIES, dim=0, descending=True, smooth=False,
               expect=lambda x: (np.array([3, 2, 2, 1, 1]), np.array([4, 0, 2, 1, 3]))),
        Sample(NANS, dim=0, descending=False, expect=in_order, smooth=False),
        Sample(NANS, dim=0, descending=True, smooth=False,
               expect=lambda x: (np.array([np.nan, np.nan, 2, 1, 0.5]), np.array([1, 4, 3, 0, 2]))),
        Sample(uniform(), dim=0, descending=False, expect=lambda x: (x, 0)),
        Sample(uniform(0, 2), dim=0, descending=False),
        Refused(complexes(3), dim=0, error="complex numbers have no order", raises=NotImplementedError),
    ],
    "argsort": [
        Sample(uniform(3, 4), dim=1, descending=False, expect=lambda x: np.argsort(x, 1)),
        Sample(booleans(5), dim=0, descending=True),
    ],
    "topk": [
        Sample(uniform(3, 5), k=2, dim=1, largest=True, expect=foremost),
        Sample(uniform(3, 5), k=2, dim=0, largest=False),
        Sample(uniform(200), k=3, dim=0, largest=True, expect=foremost),
        Sample(uniform(200), k=3, dim=0, largest=False, expect=lambda x: (np.sort(x)[:3], np.argsort(x)[:3])),
        Sample(uniform(3), k=0, dim=0, largest=True),
        Sample(uniform(), k=1, dim=0, largest=True, expect=lambda x: (x, 0)),
        Refused(uniform(3), k=4, dim=0, largest=True, error="selected index k out of range"),
    ],
    "kthvalue": [
        Sample(uniform(3, 4), k=2, dim=1, expect=at(1)),
        Sample(uniform(3, 4), k=3, dim=0, keepdim=True),
        Sample(uniform(), k=1, dim=0, expect=lambda x: (x, 0)),
        Refused(uniform(3), k=4, dim=0, error="selected number k out of range for dimension 0"),
        Refused(uniform(0), k=1, dim=0, error="Expected reduction dim 0", raises=IndexError),
    ],
    "median": [
        Sample(uniform(3, 5), expect=np.median),
        Sample(TIES, expect=lambda x: 2, smooth=False),
        Sample(NANS, expect=lambda x: np.nan, smooth=False),
        Sample(uniform(0), expect=lambda x: np.nan, smooth=False),
        Sample(uniform(), expect=lambda x: x),
    ],
    "nanmedian": [
        Sample(uniform(3, 5), expect=np.median),
        Sample(NANS, expect=lambda x: 1, smooth=False),
    ],
    "median_along": [
        Sample(uniform(3, 4), dim=1, expect=at(1)),
        Sample(uniform(3, 4), dim=0, keepdim=True),
        Sample(NANS, dim=0, expect=lambda x: (np.nan, 1), smooth=False),
        Sample(uniform(), dim=0, expect=lambda x: (x, 0)),
    ],
    "nanmedian_along": [
        Sample(uniform(3, 4), dim=1, expect=at(1)),
        Sample(NANS, dim=0, expect=lambda x: (1, 0), smooth=False),
    ],
    "mode": [
        Sample(TIES, dim=0, expect=lambda x: (1, 3), smooth=False),
        Sample(np.tile(TIES, (2, 1)), dim=1, keepdim=True, smooth=False,
               expect=lambda x: (np.ones((2, 1)), np.full((2, 1), 3))),
        Sample(booleans(4, 3), dim=0),
        Sample(uniform(), dim=0, expect=lambda x: (x, 0)),
    ],
    "searchsorted": [
        Sample(np.array([1.0, 3.0, 3.0, 5.0]), uniform(2, 3, low=0, high=6), None, right=False, small=False,
               expect=lambda s, v, _: np.searchsorted(s, v)),
        Sample(np.array([[1, 3], [2, 4]]), np.array([[3, 0, 9], [3, 2, 5]]), None, right=True, small=True,
               expect=lambda s, v, _: np.array([[2, 0, 2], [1, 1, 2]])),
        Sample(np.array([3.0, 1.0]), np.array(2.0), np.array([1, 0]), right=False, small=False,
               expect=lambda *_: 1),
        Sample(integers(0, 0), integers(0, 0), None, right=False, small=False),
    ],
}  # fmt: skip
