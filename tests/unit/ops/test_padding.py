"""Padding as users call it: modes, negative numbers, what is copied, what is refused."""

import numpy as np
import pytest

import regrad as rg

F = rg.nn.functional


def gradient(out, x):
    (g,) = rg.autograd.grad(out.sum(), x)
    return g.tolist()


def test_the_list_begins_with_the_last_dimension():
    x = rg.ones(2, 3)
    assert F.pad(x, (1, 2)).shape == (2, 6)
    assert F.pad(x, (0, 0, 3, 4)).shape == (9, 3)
    assert F.pad(x, [-1, -1, 0, 1], value=5).tolist() == [[1], [1], [5]]


def test_padding_by_nothing_is_a_copy():
    x = rg.ones(2)
    y = F.pad(x, (0, 0))
    y[0] = 3
    assert x.tolist() == [1, 1]


@pytest.mark.parametrize(("mode", "same"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")])
def test_modes_copy_what_numpy_copies(mode, same):
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    padded = F.pad(rg.tensor(x), (3, 1, 2, 0), mode=mode)
    assert padded.tolist() == np.pad(x, [(0, 0), (0, 0), (2, 0), (3, 1)], same).tolist()


def test_a_gradient_is_added_up_where_an_element_was_copied():
    x = rg.tensor([[1.0, 2.0, 3.0]]).requires_grad_()
    assert gradient(F.pad(x, (2, 1), "replicate"), x) == [[3, 1, 2]]
    assert gradient(F.pad(x, (2, 1), "reflect"), x) == [[1, 3, 2]]
    assert gradient(F.pad(x, (-1, 4)), x) == [[0, 1, 1]]


def test_whole_numbers_and_masks_are_padded():
    assert F.pad(rg.tensor([1, 2]), (1, 0), value=7).tolist() == [7, 1, 2]
    assert F.pad(rg.tensor([True]), (1, 0)).tolist() == [False, True]
    assert rg.constant_pad_nd(rg.tensor([1.0]), (0, 1), rg.tensor(2.0)).tolist() == [1, 2]


def test_pixels_and_channels_change_places_and_back():
    x = rg.arange(96).reshape(2, 12, 2, 2)
    y = rg.pixel_shuffle(x, 2)
    assert y.shape == (2, 3, 4, 4)
    assert y[0, 0, :2, :2].tolist() == [[0, 4], [8, 12]]
    assert rg.equal(rg.pixel_unshuffle(y, 2), x)
    assert rg.equal(rg.channel_shuffle(rg.channel_shuffle(x, 3), 4), x)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: F.pad(rg.ones(2), (1,)), RuntimeError, "Padding length must be divisible by 2"),
        (lambda: F.pad(rg.ones(2), (1,) * 4), RuntimeError, "less than or equal to two times the input dimension"),
        (lambda: F.pad(rg.ones(2), (1, -4)), RuntimeError, "crop less"),
        (lambda: F.pad(rg.ones(2), (-3, 4)), RuntimeError, "crop less"),
        (lambda: F.pad(rg.ones(2), 1), TypeError, "must be tuple of ints, not int"),
        (lambda: F.pad([1.0], (1, 1)), TypeError, "must be Tensor, not list"),
        (lambda: F.pad(rg.ones(2), (1, 1), "mirror"), NotImplementedError, "Unrecognised padding mode"),
        (lambda: F.pad(rg.ones(2, 2), (1, 1), "reflect", 1.0), RuntimeError, "doesn't take in value"),
        (lambda: F.pad(rg.ones(2), (1, 1), "reflect"), NotImplementedError, "not supported for 1D input"),
        (lambda: F.pad(rg.ones(2, 2), (2, 0), "reflect"), RuntimeError, "pad by at most 1"),
        (lambda: F.pad(rg.ones(2, 2), (3, 0), "circular"), RuntimeError, "wrapping around more than once"),
        (lambda: F.pad(rg.ones(2, 2), (-1, -2), "replicate"), RuntimeError, "too small"),
        (lambda: F.pad(rg.ones(2, 0), (1, 1), "replicate"), RuntimeError, "other non-zero dimensions"),
        (lambda: rg.pixel_shuffle(rg.ones(4, 2), 2), RuntimeError, "at least 3 dimensions"),
        (lambda: rg.pixel_shuffle(rg.ones(3, 2, 2), 2), RuntimeError, "divisible by the square"),
        (lambda: rg.pixel_shuffle(rg.ones(4, 2, 2), 0), RuntimeError, "expects a positive upscale_factor"),
        (lambda: rg.pixel_unshuffle(rg.ones(4, 3, 2), 2), RuntimeError, "expects height to be divisible"),
        (lambda: rg.channel_shuffle(rg.ones(1, 4), 2), RuntimeError, "expects input with > 2 dims"),
        (lambda: rg.channel_shuffle(rg.ones(1, 4, 1), 3), RuntimeError, "must be divisible by groups"),
        (lambda: rg.channel_shuffle(rg.ones(1, 4, 1), 0), RuntimeError, "must be positive"),
    ],
)
def test_padding_and_shuffling_refuse(call, kind, words):
    with pytest.raises(kind) as caught:
        call()
    assert words in str(caught.value)
