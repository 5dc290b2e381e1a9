"""Resampling: against loops that follow the definitions, and each transpose against its pairing."""

import itertools
import math

import numpy as np
import pytest

from regrad.errors import ShapeError
from regrad.kernels.reference import resampling
from regrad.kernels.reference.planes import gather_plane
from regrad.kernels.reference.resampling import (
    Map,
    adaptive_windows,
    affine_base,
    grid_sample,
    grid_taps,
    pad,
    pad_adjoint,
    pad_maps,
    resample,
    resample_adjoint,
    resample_bytes,
    resize_maps,
    tap_weights,
    window_map,
)


def matrix(m):
    """A map as the matrix that it stands for."""
    out = np.zeros((m.out_size, m.in_size))
    for target, source, weight in zip(m.target, m.source, m.weight):
        out[target, source] += weight
    return out


def random_map(rng, out_size, in_size):
    entries = int(rng.integers(0, 3 * out_size + 1))
    return Map(rng.integers(0, out_size, entries), rng.integers(0, in_size, entries),
               rng.standard_normal(entries), out_size=out_size, in_size=in_size)


@pytest.fixture(params=[(0, 10_000), (4, 0), (1_000, 0)], ids=["gathers", "few slices", "slices alone"])
def layout(request, monkeypatch):
    """Every way to run a row of a map, and planes one by one."""
    runs, long = request.param
    monkeypatch.setattr(resampling, "RUNS", runs)
    monkeypatch.setattr(resampling, "LONG", long)
    monkeypatch.setattr(resampling, "BLOCK", 100)


@pytest.mark.usefixtures("layout")
def test_a_map_and_its_transpose_are_matrix_products(rng):
    for _ in range(40):
        sizes = rng.integers(1, 8, (2, 2))
        maps = [random_map(rng, *pair) for pair in sizes]
        x = rng.standard_normal((2, 3, *sizes[:, 1]))
        expected = np.einsum("oh,nchw,pw->ncop", matrix(maps[0]), x, matrix(maps[1]))
        np.testing.assert_allclose(resample(x, maps), expected, rtol=1e-12, atol=1e-12)
        g = rng.standard_normal(expected.shape)
        back = np.einsum("oh,ncop,pw->nchw", matrix(maps[0]), g, matrix(maps[1]))
        np.testing.assert_allclose(resample_adjoint(g, maps), back, rtol=1e-12, atol=1e-12)


def test_none_leaves_a_dimension_alone(rng):
    x = rng.standard_normal((2, 3, 4))
    double = window_map(3, ((0, 1), (0, 2), (2, 3)))
    expected = np.stack([x[:, 0], x[:, 0] + x[:, 1], x[:, 2]], axis=1)
    np.testing.assert_allclose(resample(x, [double, None]), expected)
    np.testing.assert_array_equal(resample(x, [None, None]), x)


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64", "complex128"])
def test_the_dtype_is_kept(rng, dtype):
    x = rng.standard_normal((2, 5)).astype(dtype)
    for maps in (resize_maps([5], [8], mode="linear"), [window_map(5, ((0, 3), (2, 5)), mean=True)]):
        out = resample(x, maps)
        assert dtype == out.dtype == resample_adjoint(out, maps).dtype
        tolerance = 2e-3 if dtype == "float16" else 1e-6
        np.testing.assert_allclose(out, x @ matrix(maps[0]).T, rtol=tolerance, atol=tolerance)


def test_padding_keeps_integers_and_booleans():
    assert [1, 1, 2, 2] == pad(np.array([1, 2], np.int8), [(1, 1)], mode="replicate").tolist()
    out = pad(np.array([True, False]), [(1, 0)], mode="circular")
    assert bool == out.dtype
    assert [False, True, False] == out.tolist()


def keys(d, a):
    """Keys's kernel at the distance d."""
    d = abs(d)
    if d < 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    return (((d - 5) * d + 8) * d - 4) * a if d < 2 else 0


def slow_resize(n, m, mode, align_corners, factor, antialias):
    """The matrix of a resizing, row by row."""
    out = np.zeros((m, n))
    step = 1 / factor if factor and not align_corners else n / m
    if align_corners:
        step = (n - 1) / (m - 1) if m > 1 else 0
    for i in range(m):
        position = i * step if align_corners else (i + 0.5) * step - 0.5
        if mode == "nearest":
            out[i, min(math.floor(i * step), n - 1)] = 1
        elif mode == "nearest-exact":
            out[i, min(math.floor((i + 0.5) * step), n - 1)] = 1
        elif mode == "area":
            cells = range(i * n // m, math.ceil((i + 1) * n / m))
            out[i, cells] = 1 / len(cells)
        elif antialias:
            stretch, centre = max(step, 1), (i + 0.5) * step
            reach = (2 if mode == "cubic" else 1) * stretch
            cells = range(max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), n))
            distances = [(j - centre + 0.5) / stretch for j in cells]
            weights = np.array([keys(d, -0.5) if mode == "cubic" else max(1 - abs(d), 0) for d in distances])
            out[i, cells] = weights / weights.sum()
        elif mode == "linear":
            position = max(position, 0)
            for j in (math.floor(position), math.floor(position) + 1):
                out[i, min(j, n - 1)] += max(1 - abs(position - j), 0)
        else:
            for j in range(math.floor(position) - 1, math.floor(position) + 3):
                out[i, min(max(j, 0), n - 1)] += keys(position - j, -0.75)
    return out


@pytest.mark.parametrize(("mode", "align_corners", "antialias"), [
    ("nearest", False, False), ("nearest-exact", False, False), ("area", False, False),
    ("linear", False, False), ("linear", True, False), ("linear", False, True), ("linear", True, True),
    ("cubic", False, False), ("cubic", True, False), ("cubic", False, True), ("cubic", True, True),
])
@pytest.mark.parametrize(("size", "out_size", "factor"), [
    (4, 8, None), (8, 4, None), (5, 7, None), (7, 5, None), (9, 2, None), (3, 1, None), (1, 4, None),
    (6, 6, None), (5, 8, 1.7), (9, 6, 0.7), (7, 14, 2.0),
])
def test_resizing_weighs_the_neighbours(mode, align_corners, antialias, size, out_size, factor):
    expected = slow_resize(size, out_size, mode, align_corners, factor, antialias)
    resize, = resize_maps([size], [out_size], mode=mode, align_corners=align_corners, antialias=antialias,
                          scales=[factor])
    np.testing.assert_allclose(matrix(resize), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(resample(np.eye(size), [resize]).T, expected, rtol=1e-12, atol=1e-12)


def test_a_factor_that_leaves_the_size_alone_moves_only_cubic_positions():
    for mode in ("linear", "cubic"):
        plain, = resize_maps([5], [5], mode=mode, scales=[1.1])
        assert (mode == "linear") == np.array_equal(matrix(plain), np.eye(5))
        smooth, = resize_maps([5], [5], mode=mode, scales=[1.1], antialias=True)
        np.testing.assert_array_equal(matrix(smooth), np.eye(5))


def test_nearest_in_two_dimensions_doubles_whatever_the_factor():
    exact = resize_maps([3], [6], mode="nearest", scales=[2.3])
    plane = resize_maps([3, 4], [6, 4], mode="nearest", scales=[2.3, 1.2])
    assert [0, 0, 0, 1, 1, 2] == exact[0].source.tolist()
    assert [0, 0, 1, 1, 2, 2] == plane[0].source.tolist()
    assert [0, 1, 2, 3] == plane[1].source.tolist()


def test_positions_are_rounded_as_the_dtype_rounds_them():
    single, = resize_maps([3], [300], mode="linear", dtype=np.float32)
    double, = resize_maps([3], [300], mode="linear", dtype=np.float64)
    assert (np.float32, np.float64) == (single.weight.dtype, double.weight.dtype)
    assert (single.weight != double.weight).any()


def slow_bytes(x, m):
    """The last dimension resampled with 16-bit weights, in Python's integers."""
    weights = matrix(m)
    bits = max(b for b in range(23) if b == 0 or math.floor(weights.max() * 2**b + 0.5) < 2**15)
    out = np.zeros((*x.shape[:-1], m.out_size), np.uint8)
    for *lead, i in np.ndindex(*out.shape):
        total = sum(int(x[(*lead, j)]) * int(math.copysign(math.floor(abs(w) * 2**bits + 0.5), w))
                    for j, w in enumerate(weights[i]))
        out[(*lead, i)] = min(max(math.floor(total / 2**bits + 0.5), 0), 255)
    return out


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_bytes_are_rounded_after_each_dimension(rng, mode, antialias):
    x = rng.integers(0, 256, (2, 3, 6, 5)).astype(np.uint8)
    maps = resize_maps([6, 5], [9, 4], mode=mode, antialias=antialias)
    expected = slow_bytes(slow_bytes(x, maps[1]).swapaxes(2, 3), maps[0]).swapaxes(2, 3)
    out = resample_bytes(x, maps)
    assert np.uint8 == out.dtype
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("pairs", [
    [(1, 2)], [(2, 0)], [(-1, 2)], [(3, -2)], [(-1, -2)],
    [(1, 1), (2, 3)], [(0, 0), (4, 4)], [(2, -1), (-1, 1)],
    [(1, 0), (0, 2), (1, 1)],
], ids=str)
def test_pad_repeats_the_elements_that_its_mode_names(rng, mode, pairs):
    size = [4, 5, 6][-len(pairs):]
    x = rng.standard_normal((2, 3, *size))
    along = []
    for n, (before, after) in zip(size, pairs):
        places = range(-before, n + after)
        first, last = max(-before, 0), n + min(after, 0)
        along.append([{
            "constant": place if 0 <= place < n else None,
            "replicate": min(max(place, 0), n - 1),
            "reflect": -place if place < 0 else 2 * (n - 1) - place if place >= n else place,
            "circular": first + (place - first) % (last - first),
        }[mode] for place in places])
    out = pad(x, pairs, mode=mode, value=7.5) if mode == "constant" else pad(x, pairs, mode=mode)
    assert (2, 3, *map(len, along)) == out.shape
    for i in np.ndindex(*out.shape[2:]):
        at = [read[a] for read, a in zip(along, i)]
        expected = np.full((2, 3), 7.5) if None in at else x[(..., *at)]
        np.testing.assert_array_equal(out[(..., *i)], expected)
    g = rng.standard_normal(out.shape)
    back = pad_adjoint(g, pairs, mode=mode)
    assert x.shape == back.shape
    linear = pad(x, pairs, mode=mode)
    np.testing.assert_allclose((back * x).sum(), (linear * g).sum(), rtol=1e-11)


def test_long_rows_are_padded_by_slices(rng):
    size = resampling.LONG + 3
    x = rng.standard_normal((2, size))
    reflect, = pad_maps([size], [(3, 2)], mode="reflect")
    assert all(isinstance(tap.source, slice) for tap in reflect.forward.taps)
    np.testing.assert_array_equal(resample(x, [reflect]), np.pad(x, [(0, 0), (3, 2)], mode="reflect"))
    g = rng.standard_normal((2, size + 5))
    pairing = (resample(x, [reflect]) * g).sum()
    np.testing.assert_allclose((resample_adjoint(g, [reflect]) * x).sum(), pairing, rtol=1e-11)


def test_adaptive_windows_cover_everything():
    for n, m in itertools.product(range(1, 9), repeat=2):
        expected = tuple((math.floor(i * n / m), math.ceil((i + 1) * n / m)) for i in range(m))
        assert expected == adaptive_windows(n, m)


@pytest.mark.parametrize("align_corners", [True, False])
def test_the_affine_base_runs_from_corner_to_corner(align_corners):
    base = affine_base((2, 3, 1), align_corners=align_corners, dtype=np.float32)
    assert np.float32 == base.dtype
    assert (2, 3, 1, 4) == base.shape
    y, z = (1, 1) if align_corners else (2 / 3, 1 / 2)
    np.testing.assert_allclose(base[1, :, 0], [[0, -y, z, 1], [0, 0, z, 1], [0, y, z, 1]], rtol=1e-6)


def reflected(position, low, high):
    """The position of a point that turns back at both ends."""
    if high == low:
        return 0.0
    position = (position - low) % (2 * (high - low))
    return low + min(position, 2 * (high - low) - position)


def brought_inside(position, n, padding_mode, align_corners):
    if padding_mode == "zeros":
        return position
    if padding_mode == "reflection":
        position = reflected(position, *((0, n - 1) if align_corners else (-0.5, n - 0.5)))
    return min(max(position, 0), n - 1)


def slow_grid_sample(x, grid, mode, padding_mode, align_corners):
    size = x.shape[2:]
    out = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    for n, c, *i in np.ndindex(*out.shape):
        along = []  # per dimension, the elements read and their weights
        for d, m in enumerate(size):
            point = float(grid[(n, *i, len(size) - 1 - d)])
            position = (point + 1) / 2 * (m - 1) if align_corners else ((point + 1) * m - 1) / 2
            if mode == "bicubic":
                first = math.floor(position)
                reads = [(brought_inside(j, m, padding_mode, align_corners), keys(position - j, -0.75))
                         for j in range(first - 1, first + 3)]
            else:
                position = brought_inside(position, m, padding_mode, align_corners)
                first = round(position) if mode == "nearest" else math.floor(position)
                reads = [(first, 1)] if mode == "nearest" else [
                    (j, 1 - abs(position - j)) for j in (first, first + 1)]
            along.append([(int(j), w) for j, w in reads])
        for taps in itertools.product(*along):
            if all(0 <= j < m for (j, _), m in zip(taps, size)):
                weight = math.prod(w for _, w in taps)
                out[(n, c, *i)] += weight * x[(n, c, *(j for j, _ in taps))]
    return out


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(("mode", "size"), [
    ("bilinear", (4, 5)), ("bilinear", (1, 3)), ("bilinear", (3, 2, 4)),
    ("nearest", (4, 5)), ("nearest", (3, 2, 4)), ("bicubic", (4, 5)),
])
def test_grid_sample_reads_around_each_point(rng, mode, size, padding_mode, align_corners):
    x = rng.standard_normal((2, 2, *size))
    grid = rng.uniform(-2.5, 2.5, (2, *range(3, 3 + len(size)), len(size)))
    options = dict(mode=mode, padding_mode=padding_mode, align_corners=align_corners)
    expected = slow_grid_sample(x, grid, **options)
    np.testing.assert_allclose(grid_sample(x, grid, **options), expected, rtol=1e-10, atol=1e-10)
    single = grid_sample(x.astype(np.float32), grid.astype(np.float32), **options)
    assert np.float32 == single.dtype


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
def test_slopes_of_the_fractions_give_the_derivative_by_the_grid(rng, mode, padding_mode, align_corners):
    x, step = rng.standard_normal((1, 1, 4, 5)), 1e-6
    grid, direction = rng.uniform(-2, 2, (1, 6, 7, 2)), rng.standard_normal((1, 6, 7, 2))
    options = dict(mode=mode, padding_mode=padding_mode, align_corners=align_corners)
    taps = grid_taps(grid, (4, 5), **options)
    planes = np.append(x.reshape(1, 1, 20), [[[0.0]]], axis=2)

    def moved(t):
        fractions = [fraction + slope * t * direction[:, None, ..., 1 - d]
                     for d, (fraction, slope) in enumerate(zip(taps.fractions, taps.slopes))]
        return sum(w * gather_plane(planes, i) for w, i in zip(tap_weights(fractions, mode), taps.indices))

    after, before = (grid_sample(x, grid + t * direction, **options) for t in (step, -step))
    expected = after - before
    np.testing.assert_allclose(moved(0), grid_sample(x, grid, **options), rtol=1e-12)
    np.testing.assert_allclose(moved(step) - moved(-step), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_points_at_infinity_read_without_a_warning(mode, padding_mode):
    x = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    grid = np.array([[[[np.nan, 0], [np.inf, 0], [1e20, 0]]]])
    out = grid_sample(x, grid, mode=mode, padding_mode=padding_mode)
    far = {"zeros": 0, "border": 6, "reflection": 4}[padding_mode]
    assert far == out[0, 0, 0, 2]
    if mode == "nearest":
        found = out[0, 0, 0, :2].tolist()
        assert {"zeros": [0, 0], "border": [4, 6], "reflection": [4, 4]}[padding_mode] == found


def test_errors_name_the_sizes_and_the_next_step(rng):
    with pytest.raises(ShapeError, match=r"a map of 4 elements was given for one of the sizes \(3, 5\)"):
        resample(np.zeros((2, 3, 5)), resize_maps([3, 4], [6, 8], mode="linear"))
    with pytest.raises(ShapeError, match=r"reflect padding of \(3, 0\) is more than 3 .* at most 2"):
        pad(np.zeros(3), [(3, 0)], mode="reflect")
    with pytest.raises(ShapeError, match=r"circular padding of \(0, 4\) .* at most 3"):
        pad(np.zeros(3), [(0, 4)], mode="circular")
    with pytest.raises(ShapeError, match=r"\(-2, -2\) takes more than the 3 elements there are; crop less"):
        pad(np.zeros(3), [(-2, -2)], mode="replicate")
