"""Convolution layers: what they hold, how they print, what they compute and refuse; the lazy ones."""

import copy
import itertools
import pickle

import numpy as np
import pytest

import regrad as rg

nn = rg.nn
PLAIN = [nn.Conv1d, nn.Conv2d, nn.Conv3d]
TRANSPOSED = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]
LAZY = [nn.LazyConv1d, nn.LazyConv2d, nn.LazyConv3d]
LAZY_TRANSPOSED = [nn.LazyConvTranspose1d, nn.LazyConvTranspose2d, nn.LazyConvTranspose3d]
SIZES = [(7,), (6, 5), (4, 5, 4)]


def noise(*shape, seed=0):
    return rg.tensor(np.random.default_rng(seed).standard_normal(shape))


def by_hand(layer, x):
    """The convolution of a padded input, window by window."""
    w, groups = layer.weight.detach().numpy(), layer.groups
    outputs, inputs = w.shape[0] // groups, w.shape[1]
    spans = [d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel_size)]
    size = [(n - span) // s + 1 for n, span, s in zip(x.shape[2:], spans, layer.stride)]
    out = np.zeros((len(x), w.shape[0], *size))
    for n, o, *place in np.ndindex(*out.shape):
        first = o // outputs * inputs
        cut = [slice(p * s, p * s + span, d) for p, s, span, d in zip(place, layer.stride, spans, layer.dilation)]
        out[(n, o, *place)] = (x[(n, slice(first, first + inputs), *cut)] * w[o]).sum()
    bias = 0 if layer.bias is None else layer.bias.detach().numpy().reshape(-1, *[1] * len(size))
    return out + bias


NUMPY_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@pytest.mark.parametrize("mode", NUMPY_MODES)
@pytest.mark.parametrize(("cls", "size"), [*zip(PLAIN, SIZES)])
def test_a_convolution_is_a_sum_over_windows_of_the_padded_input(cls, size, mode):
    layer = cls(4, 6, 3, stride=2, padding=2, groups=2, padding_mode=mode, dtype=rg.float64)
    x = noise(2, 4, *size)
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), *[(2, 2)] * len(size)], mode=NUMPY_MODES[mode])
    np.testing.assert_allclose(layer(x).detach().numpy(), by_hand(layer, padded), atol=1e-12)
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), layer(x[0]).detach().numpy(), atol=1e-12)


@pytest.mark.parametrize(("kernel", "dilation", "mode"), [(3, 1, "zeros"), (4, 1, "zeros"), (2, 3, "circular")])
def test_padding_same_keeps_the_size_and_puts_the_odd_element_at_the_end(kernel, dilation, mode):
    layer = nn.Conv1d(2, 3, kernel, padding="same", dilation=dilation, padding_mode=mode, dtype=rg.float64)
    x, reach = noise(1, 2, 9), dilation * (kernel - 1)
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), (reach // 2, reach - reach // 2)], mode=NUMPY_MODES[mode])
    assert (1, 3, 9) == layer(x).shape
    np.testing.assert_allclose(layer(x).detach().numpy(), by_hand(layer, padded), atol=1e-12)


def test_padding_valid_pads_nothing():
    layer = nn.Conv2d(1, 1, 3, padding="valid")
    assert ((2, 2), "valid") == (layer(rg.ones(1, 4, 4)).shape[1:], layer.padding)


@pytest.mark.parametrize(("down", "up", "size"), [*zip(PLAIN, TRANSPOSED, SIZES)])
def test_a_transposed_convolution_is_the_transpose(down, up, size):
    how = {"stride": 3, "padding": 2, "dilation": 2, "groups": 2, "bias": False, "dtype": rg.float64}
    down, up = down(4, 6, 3, **how), up(6, 4, 3, **how)
    up.weight = down.weight
    x = noise(2, 4, *size)
    y = noise(*down(x).shape, seed=1)
    assert x.shape == up(y, output_size=x.shape).shape
    assert up(y, output_size=x.shape).tolist() == up(y, output_size=size).tolist()
    assert np.isclose(float((down(x) * y).sum()), float((x * up(y, output_size=size)).sum()))


def test_an_output_size_that_no_output_padding_gives_is_refused():
    up = nn.ConvTranspose2d(1, 1, 3, stride=2)
    with pytest.raises(ValueError, match=r"size of \[9, 9\], but valid sizes range from \[7, 7\] to \[8, 8\]"):
        up(rg.ones(1, 1, 3, 3), output_size=(9, 9))
    with pytest.raises(ValueError, match=r"output_size must have 2 or 4 elements \(got 1\)"):
        up(rg.ones(1, 1, 3, 3), output_size=(8,))


REPRS = {
    "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))": lambda: nn.Conv2d(3, 8, 3),
    "Conv1d(2, 4, kernel_size=(3,), stride=(2,), padding=(1,), dilation=(2,), groups=2, bias=False,"
    " padding_mode=circular)": lambda: nn.Conv1d(2, 4, 3, 2, 1, 2, 2, False, "circular"),
    "Conv3d(1, 1, kernel_size=(1, 2, 3), stride=(1, 1, 1), padding=same)":
        lambda: nn.Conv3d(1, 1, [1, 2, 3], padding="same"),
    "ConvTranspose2d(3, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2), output_padding=(1, 1),"
    " groups=3, bias=False)": lambda: nn.ConvTranspose2d(3, 6, 3, 2, 1, 1, 3, False, 2),
    "LazyConv1d(0, 4, kernel_size=(3,), stride=(1,))": lambda: nn.LazyConv1d(4, 3),
    "LazyConvTranspose3d(0, 4, kernel_size=(3, 3, 3), stride=(1, 1, 1), padding=(1, 1, 1))":
        lambda: nn.LazyConvTranspose3d(4, 3, padding=1),
}  # fmt: skip


@pytest.mark.parametrize(("text", "make"), REPRS.items())
def test_a_layer_prints_the_arguments_that_are_not_the_default(text, make):
    assert text == repr(make())


def test_sizes_are_kept_as_tuples():
    layer = nn.Conv2d(4, 2, 3, stride=(1, 2), padding=(1, 2))
    kept = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.output_padding, layer.transposed)
    assert ((3, 3), (1, 2), (1, 2), (1, 1), (0, 0), False) == kept
    assert (2, 2, 1, 1) == layer._reversed_padding_repeated_twice
    assert (1, 1, 1, 2) == nn.Conv2d(1, 1, (4, 3), padding="same")._reversed_padding_repeated_twice


@pytest.mark.parametrize("cls", [nn.Conv2d, nn.ConvTranspose2d])
def test_weight_and_bias_are_drawn_uniformly_by_the_size_of_a_weight(cls):
    rg.manual_seed(0)
    layer = cls(20, 40, (3, 5), dtype=rg.float64)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    bound = 1 / np.sqrt(weight[0].size)
    assert ((20, 40) if layer.transposed else (40, 20), (40,)) == (weight.shape[:2], bias.shape)
    for drawn in (weight, bias):
        assert 0.9 * bound < np.abs(drawn).max() <= bound
    assert np.isclose(weight.std(), bound / np.sqrt(3), rtol=0.02)


def test_a_layer_can_be_without_bias_and_of_another_dtype():
    layer = nn.Conv1d(1, 2, 1, bias=False, dtype=rg.float64, device="cpu")
    assert (["weight"], None, rg.float64) == (list(layer.state_dict()), layer.bias, layer.weight.dtype)
    assert ["weight", "bias"] == list(nn.Conv1d(1, 2, 1).state_dict())


REFUSED = [
    (ValueError, r"in_channels must be divisible by groups, but got 3 and 2", (3, 4, 3), {"groups": 2}),
    (ValueError, r"out_channels must be divisible by groups, but got 3 and 2", (4, 3, 3), {"groups": 2}),
    (ValueError, r"groups must be a positive integer", (4, 4, 3), {"groups": 0}),
    (ValueError, r"Invalid padding string 'smae'", (4, 4, 3), {"padding": "smae"}),
    (ValueError, r"not supported for strided", (4, 4, 3), {"padding": "same", "stride": 2}),
    (ValueError, r"padding_mode must be one of \('zeros', .*got padding_mode='zero'", (4, 4, 3),
     {"padding_mode": "zero"}),
    (RuntimeError, r"expected kernel_size to be a single integer value or a list of 2", (4, 4, (3, 3, 3)), {}),
    (RuntimeError, r"stride must be greater than zero", (4, 4, 3), {"stride": 0}),
    (RuntimeError, r"padding must be non-negative", (4, 4, 3), {"padding": -1}),
    (TypeError, r"'kernel_size' must be int or tuple of ints, not float", (4, 4, 3.0), {}),
    (RuntimeError, r"CPU only", (4, 4, 3), {"device": "cuda"}),
]  # fmt: skip


@pytest.mark.parametrize(("error", "words", "args", "kwargs"), REFUSED)
def test_arguments_that_make_no_convolution_are_refused_at_once(error, words, args, kwargs):
    with pytest.raises(error, match=words):
        nn.Conv2d(*args, **kwargs)


def test_a_transposed_convolution_pads_by_numbers_of_zeros_alone():
    with pytest.raises(ValueError, match=r'ConvTranspose1d: Only "zeros" padding mode'):
        nn.ConvTranspose1d(1, 1, 3, padding_mode="reflect")
    with pytest.raises(TypeError, match=r"ConvTranspose1d: padding must be int or tuple of ints, but got 'same'"):
        nn.ConvTranspose1d(1, 1, 3, padding="same")


def test_an_input_that_does_not_fit_is_refused_with_both_numbers():
    with pytest.raises(RuntimeError, match=r"to have 3 channels, but got 4 channels instead"):
        nn.Conv2d(3, 1, 3)(rg.ones(1, 4, 5, 5))
    with pytest.raises(RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d"):
        nn.Conv2d(3, 1, 3)(rg.ones(3, 5))


# -- lazy


EAGER_AND_LAZY = [*zip(PLAIN + TRANSPOSED, LAZY + LAZY_TRANSPOSED, SIZES + SIZES)]


@pytest.mark.parametrize(("eager", "lazy", "size"), EAGER_AND_LAZY)
def test_a_lazy_layer_becomes_the_eager_one_at_its_first_call(eager, lazy, size):
    how = {"kernel_size": 2, "stride": 2, "groups": 2}
    layer, x = lazy(6, dtype=rg.float64, **how), noise(2, 4, *size)
    assert layer.has_uninitialized_params()
    out = layer(x)
    assert (eager, repr(eager(4, 6, **how))) == (type(layer), repr(layer))
    twin = eager(4, 6, dtype=rg.float64, **how)
    twin.load_state_dict(layer.state_dict())
    assert out.tolist() == twin(x).tolist()


def test_a_lazy_layer_draws_its_parameters_like_the_eager_one():
    rg.manual_seed(3)
    layer = nn.LazyConv2d(6, 3)
    layer(rg.ones(4, 5, 5))  # one image is as good as a batch
    rg.manual_seed(3)
    twin = nn.Conv2d(4, 6, 3)
    assert [p.tolist() for p in twin.parameters()] == [p.tolist() for p in layer.parameters()]


def test_a_lazy_layer_takes_its_shape_from_a_state_dict():
    for (lazy, eager), groups in itertools.product(
        [(nn.LazyConv2d, nn.Conv2d), (nn.LazyConvTranspose2d, nn.ConvTranspose2d)], [1, 2]
    ):
        saved, layer = eager(4, 6, 3, groups=groups), lazy(6, 3, groups=groups)
        layer.load_state_dict(saved.state_dict())
        x = rg.ones(1, 4, 5, 5)
        assert (saved(x).tolist(), repr(saved)) == (layer(x).tolist(), repr(layer))


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_lazy_layer_is_lazy_for_itself(twin):
    layer = nn.LazyConv2d(6, 3)
    other = twin(layer)
    other(rg.ones(1, 4, 5, 5))
    assert (nn.Conv2d, nn.LazyConv2d) == (type(other), type(layer))
    assert layer.has_uninitialized_params()


def test_a_lazy_layer_refuses_what_it_cannot_count_and_stays_lazy():
    layer = nn.LazyConv2d(6, 3, groups=2)
    with pytest.raises(RuntimeError, match=r"3D \(unbatched\) or 4D \(batched\) input to LazyConv2d"):
        layer(rg.ones(4, 5))
    with pytest.raises(ValueError, match=r"in_channels must be divisible by groups, but got 3 and 2"):
        layer(rg.ones(1, 3, 5, 5))
    layer.reset_parameters()
    assert (1, 6, 3, 3) == layer(rg.ones(1, 4, 5, 5)).shape


def test_a_lazy_layer_can_be_without_bias():
    layer = nn.LazyConvTranspose1d(6, 3, bias=False)
    layer(rg.ones(1, 4, 5))
    assert ["weight"] == list(layer.state_dict())
