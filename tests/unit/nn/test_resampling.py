"""Upsampling: sizes and factors, neighbours and lines between them, how the layers print."""

import numpy as np
import pytest

import regrad as rg

nn = rg.nn


@pytest.mark.parametrize(("text", "layer", "after"), [
    ("Upsample(size=3, mode='nearest')", nn.Upsample(3), (3, 3)),
    ("Upsample(size=(2, 7), mode='bicubic')", nn.Upsample((2, 7), mode="bicubic"), (2, 7)),
    ("Upsample(scale_factor=2.0, mode='bilinear')", nn.Upsample(scale_factor=2, mode="bilinear"), (4, 8)),
    ("Upsample(scale_factor=(2.0, 1.5), mode='nearest')", nn.Upsample(scale_factor=(2, 1.5)), (4, 6)),
    ("UpsamplingNearest2d(scale_factor=2.0, mode='nearest')", nn.UpsamplingNearest2d(scale_factor=2), (4, 8)),
    ("UpsamplingBilinear2d(size=(3, 4), mode='bilinear')", nn.UpsamplingBilinear2d((3, 4)), (3, 4)),
])  # fmt: skip
def test_a_layer_makes_the_size_asked_for_and_prints_it(text, layer, after):
    assert text == repr(layer)
    assert (1, 5, *after) == layer(rg.ones(1, 5, 2, 4)).shape
    assert type(layer).__name__ == layer.name


def test_the_nearest_pixel_is_repeated():
    x = rg.arange(6.0).reshape(1, 1, 2, 3)
    wanted = x.numpy().repeat(2, 2).repeat(2, 3)
    np.testing.assert_array_equal(wanted, nn.Upsample(scale_factor=2)(x).numpy())
    np.testing.assert_array_equal(wanted, nn.UpsamplingNearest2d((4, 6))(x).numpy())


def test_lines_lie_between_the_pixels_and_corners_stay_if_asked():
    x = rg.tensor([[[[0.0, 3.0]]]])
    np.testing.assert_allclose(nn.UpsamplingBilinear2d((1, 4))(x).flatten().numpy(), [0, 1, 2, 3], atol=1e-6)
    out = nn.Upsample((1, 4), mode="bilinear")(x).flatten().tolist()
    assert [0, 0.75, 2.25, 3] == pytest.approx(out)


def test_exactly_one_of_size_and_factor_is_needed():
    with pytest.raises(ValueError, match="either size or scale_factor should be defined"):
        nn.Upsample()(rg.ones(1, 1, 2))
    with pytest.raises(ValueError, match="only one of size or scale_factor should be defined"):
        nn.Upsample(2, 2)(rg.ones(1, 1, 2))
