"""Pooling: against loops over every window, and each transpose against the pairing that defines it."""

import itertools
import math

import numpy as np
import pytest

from regrad.errors import ShapeError
from regrad.kernels.reference import pooling
from regrad.kernels.reference.pooling import (
    adaptive_avg_pool,
    adaptive_avg_pool_input,
    adaptive_max_pool,
    avg_pool,
    avg_pool_input,
    fractional_max_pool,
    gather_plane,
    max_pool,
    max_pool_values,
    place_plane,
    pool_size,
    scatter_plane,
)


def slow_max(plane, places):
    """The first largest element among the places, or the last nan, and its flat index."""
    best = None
    for at in places:
        value = plane[at]
        if best is None or value > best[0] or value != value:
            best = value, int(np.ravel_multi_index(at, plane.shape))
    return best


def slow_max_pool(x, out_size, places):
    """Values and indices, given the elements that the window at i reads: ``places(n, c, *i)``."""
    values = np.zeros((*x.shape[:2], *out_size), x.dtype)
    indices = np.zeros(values.shape, np.int64)
    for at in np.ndindex(*values.shape):
        values[at], indices[at] = slow_max(x[at[:2]], places(*at))
    return values, indices


def window(i, size, kernel, stride, padding, dilation):
    """The elements inside the input of the window at i."""
    along = [[a * s - p + d * b for b in range(k)]
             for a, k, s, p, d in zip(i, kernel, stride, padding, dilation)]
    return [at for at in itertools.product(*along) if all(0 <= a < n for a, n in zip(at, size))]


def adaptive(i, size, out_size):
    along = [range(a * n // m, math.ceil((a + 1) * n / m)) for a, n, m in zip(i, size, out_size)]
    return list(itertools.product(*along))


CASES = {  # size, kernel, stride, padding, dilation, ceil_mode
    "1d": ((9,), (2,), (2,), (0,), (1,), False),
    "1d, rounded up": ((9,), (2,), (2,), (0,), (1,), True),
    "1d, gaps": ((11,), (2,), (4,), (1,), (1,), True),
    "2d": ((6, 8), (2, 2), (2, 2), (0, 0), (1, 1), False),
    "2d, overlapping": ((7, 6), (3, 3), (1, 2), (1, 1), (1, 1), False),
    "2d, dilated, rounded up": ((8, 7), (3, 2), (2, 3), (1, 1), (2, 3), True),
    "2d, a last window in the padding is dropped": ((4, 4), (2, 3), (3, 2), (1, 1), (1, 1), True),
    "3d": ((4, 5, 3), (2, 3, 2), (2, 1, 2), (1, 0, 1), (1, 2, 1), True),
}
each_case = pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "ceil_mode"), CASES.values(), ids=CASES)


@each_case
@pytest.mark.parametrize("content", ["small integers", "with nan", "with -inf", "int64", "uint8"])
def test_max_pool_takes_the_first_largest(rng, size, kernel, stride, padding, dilation, ceil_mode, content):
    x = rng.integers(-2, 3, (2, 2, *size)).astype(content if "int" in content[:4] else float)
    if content.startswith("with"):
        x[rng.random(x.shape) < 0.3] = float(content.removeprefix("with "))
    given = dict(kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    out_size = pool_size(size, kernel, stride, padding, dilation, ceil_mode=ceil_mode)
    expected = slow_max_pool(
        x, out_size, lambda n, c, *i: window(i, size, kernel, stride, padding, dilation))
    values, indices = max_pool(x, **given)
    assert x.dtype == values.dtype
    assert np.int64 == indices.dtype
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_array_equal(max_pool_values(x, **given), expected[0])
    np.testing.assert_array_equal(gather_plane(x, indices), expected[0])


def test_a_kernel_of_more_places_than_a_byte_counts(rng):
    x = rng.integers(0, 9, (1, 1, 20, 20)).astype(np.float32)
    given = dict(kernel=(17, 18), stride=(1, 2), padding=(0, 0), dilation=(1, 1))
    expected = slow_max_pool(x, (4, 2), lambda n, c, *i: window(i, (20, 20), *given.values()))
    actual = max_pool(x, **given)
    np.testing.assert_array_equal(actual[0], expected[0])
    np.testing.assert_array_equal(actual[1], expected[1])


@pytest.mark.parametrize(("size", "out_size"), [
    ((7,), (3,)), ((3,), (5,)), ((6, 4), (3, 2)), ((5, 7), (1, 1)), ((9, 5), (2, 3)), ((3, 4, 5), (2, 4, 3)),
])
@pytest.mark.parametrize("large", [1, 1_000])
@pytest.mark.parametrize("with_nan", [False, True])
def test_adaptive_max_pool(rng, monkeypatch, size, out_size, large, with_nan):
    monkeypatch.setattr(pooling, "LARGE", large)
    x = rng.integers(-2, 3, (2, 3, *size)).astype(float)
    if with_nan:
        x[rng.random(x.shape) < 0.2] = np.nan
    expected = slow_max_pool(x, out_size, lambda n, c, *i: adaptive(i, size, out_size))
    values, indices = adaptive_max_pool(x, out_size)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(indices, expected[1])


@pytest.mark.parametrize(("size", "kernel", "out_size"), [
    ((9,), (2,), (4,)), ((7, 8), (2, 3), (3, 4)), ((5, 6), (5, 2), (1, 5)), ((5, 6, 7), (2, 1, 3), (3, 2, 4)),
])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fractional_max_pool(rng, size, kernel, out_size, dtype):
    x = rng.integers(-2, 3, (2, 3, *size)).astype(dtype)
    samples = rng.random((2, 3, len(size))).astype(dtype)

    def places(n, c, *i):
        along = []
        for d, (a, length, m, k) in enumerate(zip(i, size, out_size, kernel)):
            sample = float(samples[n, c, len(size) - 1 - d if len(size) == 2 else d])
            step = (length - k) / (m - 1) if m > 1 else 0
            start = int((a + sample) * step) - int(sample * step) if a < m - 1 else length - k
            along.append(range(start, start + k))
        return itertools.product(*along)

    expected = slow_max_pool(x, out_size, places)
    values, indices = fractional_max_pool(x, samples, kernel=kernel, out_size=out_size)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(indices, expected[1])


@each_case
@pytest.mark.parametrize("options", [{}, {"count_include_pad": False}, {"divisor_override": 3}], ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64"])
def test_avg_pool(rng, size, kernel, stride, padding, dilation, ceil_mode, options, dtype):
    x = (10 * rng.standard_normal((2, 2, *size))).astype(dtype)
    once = [1] * len(size)
    out_size = pool_size(size, kernel, stride, padding, once, ceil_mode=ceil_mode)
    expected = np.zeros((2, 2, *out_size))
    for n, c, *i in np.ndindex(*expected.shape):
        places = window(i, size, kernel, stride, padding, once)
        padded = [min(k, m + p - (a * s - p)) for a, k, m, s, p in zip(i, kernel, size, stride, padding)]
        count = math.prod(padded) if options.get("count_include_pad", True) else len(places)
        total = sum(float(x[(n, c, *at)]) for at in places)
        expected[(n, c, *i)] = total / options.get("divisor_override", count)
    given = dict(kernel=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode, **options)
    out = avg_pool(x, **given)
    assert dtype == out.dtype
    if dtype == "int64":
        np.testing.assert_array_equal(out, np.trunc(expected))
        return
    tolerance = {"float64": 1e-12, "float32": 1e-5, "float16": 2e-3}[dtype]
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=10 * tolerance)
    g = rng.standard_normal(out.shape).astype(dtype)
    back = avg_pool_input(g, size, **given)
    assert dtype == back.dtype
    assert x.shape == back.shape
    if dtype == "float64":
        np.testing.assert_allclose((back * x).sum(), (out * g).sum(), rtol=1e-11)


@pytest.mark.parametrize(("size", "out_size"), [
    ((7,), (3,)), ((3,), (5,)), ((6, 4), (3, 2)), ((5, 7), (1, 1)), ((70, 5), (6, 3)), ((3, 4, 5), (2, 4, 3)),
])
def test_adaptive_avg_pool(rng, size, out_size):
    x = rng.standard_normal((2, 3, *size))
    out = adaptive_avg_pool(x, out_size)
    for n, c, *i in np.ndindex(*out.shape):
        mean = np.mean([x[(n, c, *at)] for at in adaptive(i, size, out_size)])
        assert out[(n, c, *i)] == pytest.approx(mean, rel=1e-12, abs=1e-12)
    g = rng.standard_normal(out.shape)
    back = adaptive_avg_pool_input(g, size)
    assert x.shape == back.shape
    np.testing.assert_allclose((back * x).sum(), (out * g).sum(), rtol=1e-11)
    assert np.float32 == adaptive_avg_pool(x.astype(np.float32), out_size).dtype


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int64"])
def test_gather_and_scatter_are_transposes(rng, channels, dtype):
    x = (4 * rng.standard_normal((2, 3, 4, 5))).astype(dtype)
    indices = rng.integers(0, 20, (2, channels, 2, 6))
    out = gather_plane(x, indices)
    everywhere = np.broadcast_to(indices, out.shape)
    for at in np.ndindex(*out.shape):
        assert x[at[:2]].ravel()[everywhere[at]] == out[at]
    g = (4 * rng.standard_normal(out.shape)).astype(dtype)
    back = scatter_plane(g, indices, (4, 5))
    assert dtype == back.dtype
    assert x.shape == back.shape
    np.testing.assert_allclose((back * x).sum(), (out * g).sum(), rtol=1e-4 if dtype == "float32" else 1e-11)


def test_place_plane_undoes_a_max_pool_even_where_windows_share_their_maximum(rng):
    x = rng.standard_normal((2, 3, 6, 7))
    values, indices = max_pool(x, kernel=(3, 3), stride=(2, 1), padding=(1, 1), dilation=(1, 1))
    kept = np.isin(np.arange(42), indices[0, 0]).reshape(6, 7)
    np.testing.assert_array_equal(place_plane(values, indices, (6, 7))[0, 0], np.where(kept, x[0, 0], 0))


@pytest.mark.parametrize("shape", [(0, 2, 5, 6), (2, 0, 5, 6)])
def test_without_samples_or_channels_there_is_nothing_to_pool(shape):
    x, lead = np.zeros(shape), shape[:2]
    given = dict(kernel=(2, 2), stride=(2, 2), padding=(0, 0))
    values, indices = max_pool(x, **given, dilation=(1, 1))
    assert (*lead, 2, 3) == values.shape == indices.shape == avg_pool(x, **given).shape
    assert shape == scatter_plane(values, indices, (5, 6)).shape
    assert shape == avg_pool_input(values, (5, 6), **given).shape
    assert (*lead, 2, 3) == adaptive_max_pool(x, (2, 3))[0].shape == adaptive_avg_pool(x, (2, 3)).shape
    assert (*lead, 1, 1) == adaptive_max_pool(x, (1, 1))[1].shape == adaptive_avg_pool(x, (1, 1)).shape


def test_an_adaptive_pool_may_have_no_windows():
    x = np.ones((1, 2, 4, 4))
    assert (1, 2, 0, 2) == adaptive_avg_pool(x, (0, 2)).shape == adaptive_max_pool(x, (0, 2))[1].shape
    back = adaptive_avg_pool_input(np.zeros((1, 2, 0, 2)), (4, 4))
    np.testing.assert_array_equal(back, np.zeros((1, 2, 4, 4)))


def test_errors_name_the_sizes_and_the_next_step():
    x = np.zeros((1, 1, 3, 3))
    with pytest.raises(ShapeError, match=r"windows of \(4, 2\) on an input of \(3, 3\) .* take a smaller"):
        pool_size((3, 3), (4, 2), (1, 1), (0, 0), (1, 1))
    with pytest.raises(ShapeError, match=r"from 0 to 9, but planes of the size \(3, 3\) have .* 0 to 8"):
        gather_plane(x, np.array([[[0, 9]]]))
    with pytest.raises(ShapeError, match=r"from -1 to 0"):
        scatter_plane(np.zeros((1, 1, 2)), np.array([[[0, -1]]]), (3, 3))
    with pytest.raises(ShapeError, match=r"has no \(3, 1\) windows of \(2, 2\)"):
        fractional_max_pool(x, np.zeros((1, 1, 2)), kernel=(2, 2), out_size=(3, 1))
    with pytest.raises(ShapeError, match=r"planes of \(0, 3\) have no elements"):
        adaptive_avg_pool(np.zeros((1, 1, 0, 3)), (1, 1))
