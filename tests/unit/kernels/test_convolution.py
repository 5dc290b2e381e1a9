"""Convolution: against loops over every product, and each transpose against the pairing that defines it."""

import itertools

import numpy as np
import pytest

from regrad.errors import ShapeError
from regrad.kernels.reference import convolution
from regrad.kernels.reference.convolution import (
    conv,
    conv_input,
    conv_size,
    conv_transpose,
    conv_weight,
    crop_or_pad,
    fold,
    transpose_padding,
    unfold,
)


def slow_conv(x, w, *, stride, padding, dilation, groups):
    pairs = [(p, p) if isinstance(p, int) else p for p in padding]
    kernel, size, inputs, outputs = w.shape[2:], x.shape[2:], w.shape[1], len(w) // groups
    out_size = [(n + sum(pair) - d * (k - 1) - 1) // s + 1
                for n, pair, d, k, s in zip(size, pairs, dilation, kernel, stride)]
    out = np.zeros((len(x), len(w), *out_size), x.dtype)
    for n, o, *i in np.ndindex(*out.shape):
        for c, *k in np.ndindex(inputs, *kernel):
            at = [a * s + b * d - pair[0] for a, s, b, d, pair in zip(i, stride, k, dilation, pairs)]
            if all(0 <= a < m for a, m in zip(at, size)):
                out[(n, o, *i)] += x[(n, o // outputs * inputs + c, *at)] * w[(o, c, *k)]
    return out


def params(stride, padding, dilation, groups):
    return dict(stride=stride, padding=padding, dilation=dilation, groups=groups)


CASES = {  # x's shape, w's shape, parameters
    "1d": ((2, 3, 9), (4, 3, 3), params((1,), (1,), (1,), 1)),
    "1d, strided, dilated, groups": ((2, 4, 11), (6, 2, 3), params((2,), (2,), (2,), 2)),
    "1d, a place left over": ((1, 1, 8), (1, 1, 3), params((3,), (0,), (1,), 1)),
    "2d": ((2, 3, 6, 5), (4, 3, 3, 2), params((1, 1), (1, 0), (1, 1), 1)),
    "2d, strided": ((2, 2, 7, 8), (3, 2, 3, 3), params((2, 3), (1, 2), (1, 1), 1)),
    "2d, depthwise": ((2, 3, 5, 5), (6, 1, 3, 3), params((1, 1), (1, 1), (1, 1), 3)),
    "2d, depthwise, strided": ((2, 3, 6, 5), (3, 1, 2, 3), params((2, 2), (0, 1), (1, 1), 3)),
    "2d, pairs of paddings": ((2, 2, 5, 6), (2, 2, 3, 2), params((1, 2), ((0, 2), (1, 0)), (1, 2), 1)),
    "2d, cropped": ((1, 2, 6, 6), (2, 2, 2, 2), params((1, 2), ((-1, 1), (1, -2)), (1, 1), 1)),
    "2d, pointwise": ((2, 4, 3, 4), (6, 2, 1, 1), params((1, 1), (0, 0), (1, 1), 2)),
    "2d, pointwise, strided": ((2, 4, 5, 4), (3, 4, 1, 1), params((2, 2), (1, 0), (1, 1), 1)),
    "2d, padding beyond the kernel": ((1, 1, 2, 2), (1, 1, 2, 1), params((1, 1), (3, 2), (1, 1), 1)),
    "2d, many output channels": ((3, 1, 6, 6), (9, 1, 3, 3), params((1, 1), (0, 0), (1, 1), 1)),
    "3d": ((2, 2, 4, 5, 3), (3, 2, 2, 3, 2), params((1, 2, 1), (1, 0, 1), (2, 1, 1), 1)),
    "no samples": ((0, 2, 5), (3, 2, 3), params((1,), (1,), (1,), 1)),
    "no channels": ((2, 0, 5), (3, 0, 3), params((1,), (1,), (1,), 1)),
}
each_case = pytest.mark.parametrize(("shape", "kernel", "given"), CASES.values(), ids=CASES)


LAYOUTS = [(1, 1, 1), (300, 1, 1), (1, 10_000, 1), (300, 10_000, 2), (1 << 20, 10_000, 512), (1 << 20, 4, 512)]


@pytest.fixture(params=LAYOUTS, ids=str)
def layout(request, monkeypatch):
    """Blocks of one row and of many samples, GEMMs per sample and over several."""
    for name, value in zip(("BLOCK", "WIDE", "LONG"), request.param):
        monkeypatch.setattr(convolution, name, value)


@each_case
@pytest.mark.usefixtures("layout")
def test_conv_is_the_sum_of_products_over_each_window(rng, shape, kernel, given):
    x, w = rng.standard_normal(shape), rng.standard_normal(kernel)
    expected = slow_conv(x, w, **given)
    actual = conv(x, w, **given)
    assert expected.shape == actual.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


@each_case
@pytest.mark.usefixtures("layout")
def test_the_two_transposes_of_conv(rng, shape, kernel, given):
    x, w = rng.standard_normal(shape), rng.standard_normal(kernel)
    out = conv(x, w, **given)
    g = rng.standard_normal(out.shape)
    along_x = conv_input(g, w, input_size=shape[2:], **given)
    along_w = conv_weight(g, x, kernel_size=kernel[2:], **given)
    assert (shape, kernel) == (along_x.shape, along_w.shape)
    pairing = (out * g).sum()
    np.testing.assert_allclose([(x * along_x).sum(), (w * along_w).sum()], pairing, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "complex64", "complex128", "int64", "float16"])
def test_the_dtype_is_kept(rng, dtype):
    given = params((2, 1), (1, 1), (1, 1), 1)
    x, w = (4 * rng.standard_normal(shape) for shape in [(2, 2, 5, 5), (3, 2, 3, 3)])
    if np.dtype(dtype).kind == "c":
        x, w = x + 1j * x[::-1], w * 1j - w[:, ::-1]
    x, w = x.astype(dtype), w.astype(dtype)
    wide = "complex128" if np.dtype(dtype).kind == "c" else "float64"
    expected = slow_conv(x.astype(wide), w.astype(wide), **given)
    actual = conv(x, w, **given)
    assert dtype == actual.dtype == conv_input(actual, w, input_size=(5, 5), **given).dtype
    assert dtype == conv_weight(actual, x, kernel_size=(3, 3), **given).dtype
    np.testing.assert_allclose(actual, expected, rtol=2e-3 if dtype == "float16" else 1e-5, atol=1e-4)


def test_transposes_do_not_conjugate(rng):
    x, w, g = (rng.standard_normal((*shape, 2)) @ [1, 1j] for shape in [(1, 1, 6), (2, 1, 3), (1, 2, 4)])
    given = params((1,), (0,), (1,), 1)
    pairing = (conv(x, w, **given) * g).sum()
    np.testing.assert_allclose((conv_input(g, w, input_size=(6,), **given) * x).sum(), pairing)
    np.testing.assert_allclose((conv_weight(g, x, kernel_size=(3,), **given) * w).sum(), pairing)


def test_inputs_may_be_views_and_are_left_alone(rng):
    wide, kernels = rng.standard_normal((6, 5, 3, 4)), rng.standard_normal((3, 3, 2, 8))
    x, w = wide.transpose(3, 2, 0, 1)[::2, :2], kernels.transpose(3, 2, 0, 1)[::-2]
    before = wide.copy(), kernels.copy()
    given = params((1, 1), (0, 1), (1, 1), 1)
    expected = conv(x.copy(), w.copy(), **given)
    np.testing.assert_allclose(conv(x, w, **given), expected, rtol=1e-12)
    g = rng.standard_normal(expected.shape).swapaxes(2, 3).copy().swapaxes(2, 3)
    np.testing.assert_allclose(conv_input(g, w, input_size=(6, 5), **given),
                               conv_input(g.copy(), w.copy(), input_size=(6, 5), **given), rtol=1e-12)
    assert (before[0] == wide).all()
    assert (before[1] == kernels).all()


TRANSPOSED = {  # x's shape, w's shape, stride, padding, output_padding, dilation, groups
    "1d": ((2, 4, 5), (4, 3, 3), (2,), (1,), (1,), (1,), 1),
    "1d, output_padding as large as the dilation allows": ((2, 2, 4), (2, 1, 2), (1,), (1,), (2,), (3,), 2),
    "2d": ((2, 4, 3, 4), (4, 2, 3, 2), (2, 3), (1, 0), (1, 2), (1, 1), 2),
    "2d, more output_padding than padding": ((1, 2, 3, 3), (2, 2, 2, 2), (3, 3), (0, 1), (2, 2), (1, 1), 1),
    "3d": ((1, 2, 2, 3, 2), (2, 2, 2, 2, 3), (2, 1, 2), (0, 1, 1), (1, 0, 0), (1, 2, 1), 1),
}


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding", "extra", "dilation", "groups"),
                         TRANSPOSED.values(), ids=TRANSPOSED)
def test_conv_transpose_scatters_each_element(rng, shape, kernel, stride, padding, extra, dilation, groups):
    x, w = rng.standard_normal(shape), rng.standard_normal(kernel)
    outputs = kernel[1]
    size = [(n - 1) * s + d * (k - 1) + 1 + e
            for n, s, d, k, e in zip(shape[2:], stride, dilation, kernel[2:], extra)]
    expected = np.zeros((shape[0], outputs * groups, *size))
    for n, c, *i in np.ndindex(*shape):
        group = c // (shape[1] // groups)
        for o, *k in np.ndindex(*kernel[1:]):
            at = [a * s + b * d for a, s, b, d in zip(i, stride, k, dilation)]
            expected[(n, group * outputs + o, *at)] += x[(n, c, *i)] * w[(c, o, *k)]
    expected = expected[(..., *(slice(p, n - p) for p, n in zip(padding, size)))]

    out = conv_transpose(x, w, output_padding=extra, **params(stride, padding, dilation, groups))
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)

    g = rng.standard_normal(out.shape)
    given = params(stride, transpose_padding(padding, extra), dilation, groups)
    pairing = (out * g).sum()
    along_x, along_w = conv(g, w, **given), conv_weight(x, g, kernel_size=kernel[2:], **given)
    assert shape == along_x.shape
    np.testing.assert_allclose([(along_x * x).sum(), (along_w * w).sum()], pairing, rtol=1e-11)


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "dilation"), [
    ((7,), (3,), (2,), (1,), (2,)),
    ((5, 6), (2, 3), (1, 2), (0, (2, 1)), (1, 1)),
    ((3, 4, 3), (2, 2, 1), (1, 1, 2), (1, 0, 0), (1, 2, 1)),
])
def test_unfold_lists_the_windows_and_fold_adds_them_back(rng, size, kernel, stride, padding, dilation):
    given = dict(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    x = rng.standard_normal((2, 3, *size))
    columns = unfold(x, **given)
    pairs = [(p, p) if isinstance(p, int) else p for p in padding]
    padded = np.pad(x, [(0, 0), (0, 0), *pairs])
    places = conv_size(size, kernel, stride, padding, dilation)
    for n, c in np.ndindex(2, 3):
        for row, k in enumerate(np.ndindex(*kernel)):
            for column, i in enumerate(np.ndindex(*places)):
                at = [a * s + b * d for a, s, b, d in zip(i, stride, k, dilation)]
                assert padded[(n, c, *at)] == columns[n, c * np.prod(kernel) + row, column]
    g = rng.standard_normal(columns.shape)
    back = fold(g, size, **given)
    assert x.shape == back.shape
    np.testing.assert_allclose((back * x).sum(), (columns * g).sum(), rtol=1e-11)


def test_unfold_takes_any_dtype():
    columns = unfold(np.array([[[True, False, True]]]), kernel=(2,), stride=(1,), padding=(1,), dilation=(1,))
    assert [[[False, True, False, True], [True, False, True, False]]] == columns.tolist()


def test_crop_or_pad_moves_every_edge_on_its_own():
    x = np.arange(1, 13).reshape(3, 4)
    for pairs in itertools.product(itertools.product([-1, 0, 2], repeat=2), repeat=2):
        (a, b), (c, d) = pairs
        wide = np.pad(x, 2, constant_values=7)
        expected = wide[2 - a:5 + b, 2 - c:6 + d]
        np.testing.assert_array_equal(crop_or_pad(x, pairs, 7), expected)


def test_errors_name_the_sizes_and_the_next_step():
    x, w = np.zeros((1, 1, 3, 3)), np.zeros((1, 1, 2, 4))
    given = params((1, 1), (0, 0), (1, 1), 1)
    with pytest.raises(ShapeError, match=r"size per channel: \(3 x 3\)\. Kernel size: \(2 x 4\)\. .* take a"):
        conv(x, w, **given)
    with pytest.raises(ShapeError, match=r"windows of \(2, 2\) at \(3, 3\) places reach out"):
        conv_weight(np.zeros((1, 1, 3, 3)), x, kernel_size=(2, 2), **given)
    with pytest.raises(ShapeError, match=r"an input of \(1, 1\) would give a result of \(0, -1\)"):
        conv_transpose(np.zeros((1, 1, 1, 1)), np.zeros((1, 1, 2, 1)), stride=(1, 1), padding=(1, 1),
                       output_padding=(0, 0), dilation=(1, 1), groups=1)
    with pytest.raises(ShapeError, match=r"takes more from the sizes \(3, 3\) than there is"):
        crop_or_pad(x, [(0, 0), (-2, -2)])
