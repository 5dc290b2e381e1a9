"""Resizing and reading at points as users call them: sizes and factors, edges, what is refused."""

import numpy as np
import pytest

import regrad as rg

F = rg.nn.functional


def numbers(*shape):
    return rg.tensor(np.random.default_rng(6).standard_normal(shape))


def test_a_factor_gives_the_size_rounded_down():
    x = numbers(1, 1, 5)
    assert F.interpolate(x, scale_factor=1.5).shape == (1, 1, 7)
    assert F.interpolate(x, scale_factor=(0.5,), mode="linear").shape == (1, 1, 2)
    assert F.interpolate(numbers(1, 1, 4, 6), size=3, mode="bilinear").shape == (1, 1, 3, 3)


def test_positions_follow_the_factor_unless_it_is_recomputed():
    x = rg.arange(5.0).reshape(1, 1, 5)
    given = F.interpolate(x, scale_factor=1.5, mode="linear")
    recomputed = F.interpolate(x, scale_factor=1.5, mode="linear", recompute_scale_factor=True)
    assert not rg.equal(given, recomputed)
    assert rg.equal(recomputed, F.interpolate(x, size=7, mode="linear"))


def test_aligned_corners_keep_the_outermost_elements():
    x = numbers(1, 2, 3, 4)
    for mode in ("bilinear", "bicubic"):
        out = F.interpolate(x, size=(5, 7), mode=mode, align_corners=True)
        assert rg.allclose(out[..., ::4, ::6], x[..., ::2, ::3])
    assert rg.equal(F.upsample_bilinear(x, size=(5, 7)), F.interpolate(x, (5, 7), mode="bilinear", align_corners=True))


def test_area_is_adaptive_average_pooling_and_nearest_repeats():
    x = numbers(2, 1, 4)
    assert rg.equal(F.interpolate(x, size=3, mode="area"), F.adaptive_avg_pool1d(x, 3))
    assert rg.equal(F.upsample_nearest(x, scale_factor=2), x.repeat_interleave(2, 2))
    assert rg.equal(F.upsample(x, 8), F.interpolate(x, 8, mode="nearest-exact"))


def test_antialiasing_averages_when_shrinking():
    x = rg.tensor([[[[1.0, -1.0] * 8]]])
    plain, smooth = (F.interpolate(x, (1, 5), mode="bilinear", antialias=a) for a in (False, True))
    assert float(smooth.abs().max()) < float(plain.abs().max())


def test_bytes_are_rounded_and_stay_bytes():
    x = rg.tensor([[[[0, 255]]]], dtype=rg.uint8)
    out = F.interpolate(x, (1, 4), mode="bilinear")
    assert (out.dtype, out.tolist()) == (rg.uint8, [[[[0, 64, 191, 255]]]])
    assert F.interpolate(x, (1, 4)).tolist() == [[[[0, 0, 255, 255]]]]


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_reading_at_points_is_twice_differentiable_in_image_and_grid(mode, padding_mode):
    x, grid = numbers(1, 2, 4, 5).requires_grad_(), (numbers(1, 2, 3, 2) * 0.8).requires_grad_()

    def read(x, grid):
        return F.grid_sample(x, grid, mode, padding_mode, align_corners=False)

    assert rg.autograd.gradcheck(read, (x, grid))
    assert rg.autograd.gradgradcheck(read, (x, grid), fast_mode=True)


def test_an_identity_map_reads_the_image_itself():
    for dims in (2, 3):
        x = numbers(2, 1, *range(2, 2 + dims))
        theta = rg.eye(dims, dims + 1, dtype=rg.float64).expand(2, dims, dims + 1)
        for aligned in (False, True):
            grid = F.affine_grid(theta, x.shape, align_corners=aligned)
            assert grid.shape == (2, *x.shape[2:], dims)
            for mode in ("bilinear", "nearest"):
                assert rg.allclose(F.grid_sample(x, grid, mode, align_corners=aligned), x)


def test_beyond_the_image_are_zeros_its_border_or_its_reflection():
    x, grid = rg.tensor([[[[1.0, 2.0, 4.0]]]]), rg.tensor([[[[2.0, 0.0]]]])
    for padding_mode, found in (("zeros", 0), ("border", 4), ("reflection", 2)):
        assert F.grid_sample(x, grid, padding_mode=padding_mode, align_corners=True).item() == found


def test_the_nearest_element_does_not_depend_on_where_exactly_the_point_is():
    x, grid = numbers(1, 1, 3, 3).requires_grad_(), rg.zeros(1, 1, 1, 2, dtype=rg.float64).requires_grad_()
    out = F.grid_sample(x, grid, "nearest", align_corners=True)
    g, h = rg.autograd.grad(out.sum(), (x, grid))
    assert out.item() == x[0, 0, 1, 1]
    assert g[0, 0, 1, 1] == 1
    assert h.tolist() == [[[[0, 0]]]]


def test_half_precision_is_read_in_single():
    x = rg.ones(1, 1, 2, 2, dtype=rg.float16)
    assert F.grid_sample(x, rg.zeros(1, 1, 1, 2, dtype=rg.float16), align_corners=True).dtype is rg.float16


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({}, ValueError, "either size or scale_factor should be defined"),
        ({"size": 2, "scale_factor": 2}, ValueError, "only one of size or scale_factor"),
        ({"size": (2, 2)}, ValueError, "same number of spatial dimensions"),
        ({"size": 2.5}, TypeError, "expected size to be one of int"),
        ({"size": 0}, RuntimeError, "should be greater than 0"),
        ({"size": 2, "mode": "bilinear"}, NotImplementedError, "Got 3D input, but bilinear mode needs 4D input"),
        ({"size": 2, "mode": "sinc"}, NotImplementedError, "Only 3D, 4D and 5D"),
        ({"size": 2, "align_corners": True}, ValueError, "align_corners option can only be set"),
        ({"size": 2, "recompute_scale_factor": True}, ValueError, "not meaningful with an explicit size"),
        ({"size": 2, "antialias": True}, ValueError, "Anti-alias option is restricted"),
        ({"size": 2, "input": rg.ones(1, 1, 4).long()}, NotImplementedError, "not implemented for int64"),
        ({"size": (), "input": rg.ones(1, 1)}, NotImplementedError, "Only 3D, 4D and 5D"),
    ],
)
def test_interpolate_refuses(change, kind, words):
    with pytest.raises(kind) as caught:
        F.interpolate(**{"input": rg.ones(1, 1, 4), **change})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"mode": "linear"}, ValueError, "expected mode to be"),
        ({"padding_mode": "wrap"}, ValueError, "expected padding_mode to be"),
        ({"grid": [0.0]}, TypeError, "argument 'grid'"),
        ({"grid": rg.zeros(1, 1, 1, 2).double()}, RuntimeError, "same dtype"),
        ({"grid": rg.zeros(2, 1, 1, 2)}, RuntimeError, "same batch size"),
        ({"grid": rg.zeros(1, 1, 1, 3)}, RuntimeError, "expected grid to have size 2 in last dimension"),
        ({"grid": rg.zeros(1, 1, 2)}, RuntimeError, "same number of dimensions"),
        ({"input": rg.ones(1, 1, 0, 2)}, RuntimeError, "non-empty spatial dimensions"),
        ({"input": rg.ones(1, 1, 1, 1, 1), "grid": rg.zeros(1, 1, 1, 1, 3), "mode": "bicubic"},
         RuntimeError, "only supports 4D"),
        ({"input": rg.ones(1, 1, 2, 2).long(), "grid": rg.zeros(1, 1, 1, 2).long()}, NotImplementedError, "int64"),
    ],
)
def test_grid_sample_refuses(change, kind, words):
    with pytest.raises(kind) as caught:
        F.grid_sample(**{"input": rg.ones(1, 1, 2, 2), "grid": rg.zeros(1, 1, 1, 2), **change})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("theta", "size", "kind", "words"),
    [
        (rg.ones(1, 2, 3).long(), (1, 1, 2, 2), ValueError, "floating point type"),
        (rg.ones(1, 2, 4), (1, 1, 2, 2), ValueError, "Nx2x3"),
        (rg.ones(1, 2, 3), (1, 1, 2, 0), ValueError, "non-zero, positive output size"),
        (rg.ones(1, 2, 3), (1, 1, 2), NotImplementedError, "only supports 4D and 5D sizes"),
        (rg.ones(2, 2, 3), (1, 1, 2, 2), RuntimeError, "2 maps for the 1 images"),
    ],
)
def test_affine_grid_refuses(theta, size, kind, words):
    with pytest.raises(kind) as caught:
        F.affine_grid(theta, size)
    assert words in str(caught.value)
