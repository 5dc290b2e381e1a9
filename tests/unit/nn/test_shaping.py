"""Changes of shape: what goes where, how the layers print, what they refuse."""

import numpy as np
import pytest

import regrad as rg

nn = rg.nn


@pytest.mark.parametrize(("text", "layer", "before", "after"), [
    ("Flatten(start_dim=1, end_dim=-1)", nn.Flatten(), (2, 3, 4, 5), (2, 60)),
    ("Flatten(start_dim=0, end_dim=1)", nn.Flatten(0, 1), (2, 3, 4), (6, 4)),
    ("Unflatten(dim=1, unflattened_size=(2, -1))", nn.Unflatten(1, (2, -1)), (4, 6), (4, 2, 3)),
    ("Unflatten(dim=-1, unflattened_size=[2, 3])", nn.Unflatten(-1, [2, 3]), (4, 6), (4, 2, 3)),
    ("PixelShuffle(upscale_factor=2)", nn.PixelShuffle(2), (3, 8, 2, 5), (3, 2, 4, 10)),
    ("PixelUnshuffle(downscale_factor=2)", nn.PixelUnshuffle(2), (2, 4, 10), (8, 2, 5)),
    ("ChannelShuffle(groups=3)", nn.ChannelShuffle(3), (2, 6, 4, 4), (2, 6, 4, 4)),
    ("Unfold(kernel_size=(2, 3), dilation=1, padding=0, stride=1)", nn.Unfold((2, 3)), (2, 5, 3, 4), (2, 30, 4)),
    ("Fold(output_size=(4, 5), kernel_size=2, dilation=1, padding=0, stride=1)", nn.Fold((4, 5), 2), (2, 12, 12),
     (2, 3, 4, 5)),
])  # fmt: skip
def test_a_layer_changes_the_shape_and_prints_how(text, layer, before, after):
    assert text == repr(layer)
    assert after == layer(rg.ones(before)).shape


def image(*shape):
    return rg.arange(float(np.prod(shape))).reshape(shape)


def test_flattening_and_its_opposite_keep_the_order():
    x = image(2, 3, 4)
    assert rg.equal(x, nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 4)))(x))


def test_pixels_become_channels_and_channels_pixels():
    x = image(2, 3, 4, 6)
    channels = nn.PixelUnshuffle(2)(x)
    np.testing.assert_array_equal(channels[:, 1].numpy(), x[:, 0, ::2, 1::2].numpy())
    assert rg.equal(x, nn.PixelShuffle(2)(channels))


def test_channels_of_groups_take_turns():
    x = image(1, 6, 2)
    assert rg.equal(x[:, [0, 3, 1, 4, 2, 5]], nn.ChannelShuffle(2)(x))


def test_patches_are_taken_out_and_summed_where_they_go():
    x = image(1, 2, 4, 6)
    columns = nn.Unfold(2, stride=2)(x)
    np.testing.assert_array_equal(columns[0, :, 1].numpy(), x[0, :, :2, 2:4].numpy().reshape(-1))
    assert rg.equal(x, nn.Fold((4, 6), 2, stride=2)(columns))
    overlapping = nn.Fold((1, 4), (1, 2))(nn.Unfold((1, 2))(rg.ones(1, 1, 1, 4)))
    assert [1, 2, 2, 1] == overlapping.flatten().tolist()


@pytest.mark.parametrize(("call", "raises", "said"), [
    (lambda: nn.Unflatten(1, 5), TypeError, "must be a tuple of ints, but found type int"),
    (lambda: nn.Unflatten(1, (2, 3.0)), TypeError, "found element of type float at pos 1"),
    (lambda: nn.Unflatten(1, (2, 3))(rg.ones(2, 5)), RuntimeError, "don't multiply up to the size of dim 1 (5)"),
    (lambda: nn.Flatten(3)(rg.ones(2, 5)), IndexError, "Dimension out of range"),
    (lambda: nn.PixelShuffle(3)(rg.ones(4, 2, 2)), RuntimeError, "divisible by the square of upscale_factor"),
    (lambda: nn.ChannelShuffle(3)(rg.ones(1, 4, 2)), RuntimeError, "channels must be divisible by groups"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(call, raises, said):
    with pytest.raises(raises) as caught:
        call()
    assert said in str(caught.value)
