"""The kernels that choose without a branch give what `numpy.where`, `maximum` and `minimum` give."""

import numpy as np
import pytest

from regrad.kernels.reference import activation as kernels

ODD = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-40, -3.0]


@pytest.fixture(params=["f2", "f4", "f8"])
def arrays(request, rng):
    """Two arrays with odd values and a mask, long enough not to be handed to `numpy.where`."""
    a, b = (rng.standard_normal(2 * kernels.FEW).astype(request.param) for _ in range(2))
    a[: len(ODD)], b[: len(ODD)] = ODD, ODD[::-1]
    return a, b, rng.random(a.size) < 0.5


def test_choosing_between_arrays_and_numbers(arrays):
    a, b, mask = arrays
    np.testing.assert_array_equal(np.where(mask, a, b), kernels.choose(mask, a, b))
    np.testing.assert_array_equal(np.where(mask, a.dtype.type(2.5), b), kernels.choose(mask, 2.5, b))
    assert a.dtype == kernels.choose(mask, a, 2.5).dtype


def test_what_is_dropped_is_zero_even_where_it_was_infinite(arrays):
    a, _, mask = arrays
    np.testing.assert_array_equal(np.where(mask, 0, a), kernels.keep(a, mask))


def test_any_layout_may_be_chosen_from(arrays):
    a, b, mask = arrays
    np.testing.assert_array_equal(np.where(mask, a[::-1], b), kernels.choose(mask, a[::-1], b))
    wide = np.broadcast_to(a[:1], mask.shape)
    np.testing.assert_array_equal(np.where(mask, 0, wide), kernels.keep(wide, mask))


def test_bounds(arrays):
    a, _, _ = arrays
    np.testing.assert_array_equal(np.maximum(a, 0.5), kernels.at_least(a, 0.5))
    np.testing.assert_array_equal(np.minimum(a, 0.5), kernels.at_most(a, 0.5))
    assert a.dtype == kernels.at_least(a, 0.5).dtype
