"""Pooling layers: how they print, what they hand to the functions, what they refuse."""

import numpy as np
import pytest

import regrad as rg

nn = rg.nn
F = rg.nn.functional

REPRS = {
    "MaxPool1d(kernel_size=3, stride=3, padding=0, dilation=1, ceil_mode=False)": lambda: nn.MaxPool1d(3),
    "MaxPool2d(kernel_size=(2, 3), stride=1, padding=1, dilation=2, ceil_mode=True)":
        lambda: nn.MaxPool2d((2, 3), 1, 1, 2, True, True),
    "AvgPool1d(kernel_size=(3,), stride=(3,), padding=(0,))": lambda: nn.AvgPool1d(3),
    "AvgPool2d(kernel_size=3, stride=2, padding=1)": lambda: nn.AvgPool2d(3, 2, 1),
    "AvgPool3d(kernel_size=3, stride=3, padding=0)": lambda: nn.AvgPool3d(3, divisor_override=2),
    "LPPool1d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)": lambda: nn.LPPool1d(2, 3),
    "AdaptiveAvgPool2d(output_size=(None, 3))": lambda: nn.AdaptiveAvgPool2d((None, 3)),
    "AdaptiveMaxPool3d(output_size=3)": lambda: nn.AdaptiveMaxPool3d(3, True),
    "MaxUnpool2d(kernel_size=(3, 3), stride=(2, 2), padding=(0, 0))": lambda: nn.MaxUnpool2d(3, 2),
    "FractionalMaxPool2d()": lambda: nn.FractionalMaxPool2d(3, output_ratio=0.5),
}  # fmt: skip


@pytest.mark.parametrize(("text", "make"), REPRS.items())
def test_a_layer_prints_its_windows(text, make):
    assert text == repr(make())


def windows(x, kernel, stride):
    """The windows of planes x (C, H, W), along a last dimension."""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=tuple(range(1, x.ndim)))
    cut = view[(slice(None), *[slice(None, None, s) for s in stride])]
    return cut.reshape(*cut.shape[: x.ndim], -1)


CASES = {
    "MaxPool": (lambda cls: cls(2, 1), lambda w: w.max(-1)),
    "AvgPool": (lambda cls: cls(2, 1), lambda w: w.mean(-1)),
    "LPPool": (lambda cls: cls(4, 2, 1), lambda w: (w**4).sum(-1) ** 0.25),
}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", CASES)
def test_each_window_gives_its_largest_element_its_average_or_its_norm(kind, dims):
    make, wanted = CASES[kind]
    x = np.random.default_rng(0).standard_normal((2, *(5, 4, 3)[:dims]))
    out = make(getattr(nn, f"{kind}{dims}d"))(rg.tensor(x))
    np.testing.assert_allclose(out.numpy(), wanted(windows(x, (2,) * dims, (1,) * dims)))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_adaptive_layers_cover_planes_of_any_size_evenly(dims):
    x = np.random.default_rng(0).standard_normal((2, *(6, 4, 4)[:dims]))
    whole = windows(x, tuple(n // 2 for n in x.shape[1:]), tuple(n // 2 for n in x.shape[1:]))
    values, indices = getattr(nn, f"AdaptiveMaxPool{dims}d")(2, return_indices=True)(rg.tensor(x))
    average = getattr(nn, f"AdaptiveAvgPool{dims}d")(2)(rg.tensor(x))
    np.testing.assert_allclose(average.numpy(), whole.mean(-1))
    np.testing.assert_array_equal(values.numpy(), whole.max(-1))
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(
        x.reshape(2, -1), indices.numpy().reshape(2, -1), 1).reshape(values.shape))  # fmt: skip


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling_puts_what_was_pooled_back(dims):
    x = np.random.default_rng(0).standard_normal((1, 2, *(7, 5, 4)[:dims]))
    pool, unpool = getattr(nn, f"MaxPool{dims}d")(2, return_indices=True), getattr(nn, f"MaxUnpool{dims}d")(2)
    values, indices = pool(rg.tensor(x))
    back = unpool(values, indices, output_size=x.shape).numpy()
    np.testing.assert_array_equal(back[back != 0], x[back != 0])
    assert (x.shape, values.numel()) == (back.shape, np.count_nonzero(back))


def test_every_argument_reaches_the_function():
    x = rg.tensor(np.random.default_rng(0).standard_normal((1, 2, 7, 8)))
    for layer, wanted in [
        (nn.MaxPool2d(3, 2, 1, 2, ceil_mode=True), F.max_pool2d(x, 3, 2, 1, 2, True)),
        (nn.AvgPool2d(3, 2, 1, True, False), F.avg_pool2d(x, 3, 2, 1, True, False)),
        (nn.AvgPool2d(3, divisor_override=5), F.avg_pool2d(x, 3, divisor_override=5)),
        (nn.AvgPool1d(3, 2, 1, True, False), F.avg_pool1d(x[0], 3, 2, 1, True, False)),
        (nn.LPPool2d(2, 3, 2, True), F.lp_pool2d(x, 2.0, 3, 2, True)),
    ]:
        assert wanted.tolist() == layer(x[0] if isinstance(layer, nn.AvgPool1d) else x).tolist()


def test_windows_placed_at_random_are_fixed_by_samples_which_are_a_buffer():
    samples, x = rg.full((1, 2, 2), 0.3), rg.arange(50.0).reshape(1, 2, 5, 5)
    layer = nn.FractionalMaxPool2d(2, output_ratio=(0.6, 0.8), _random_samples=samples)
    assert ["_random_samples"] == list(layer.state_dict())
    assert F.fractional_max_pool2d(x, 2, (3, 4), _random_samples=samples).tolist() == layer(x).tolist()
    assert layer(x)[0].tolist() == layer(x[0]).tolist()
    assert {} == nn.FractionalMaxPool3d(2, 2).state_dict()
    assert 2 == len(nn.FractionalMaxPool3d(2, 2, return_indices=True)(rg.ones(1, 4, 4, 4)))


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({}, "give either output_size or output_ratio"),
        ({"output_size": 2, "output_ratio": 0.5}, "only one of them"),
        ({"output_ratio": 1.5}, r"output_ratio must be between 0 and 1 \(got \(1.5, 1.5\)\)"),
    ],
)
def test_a_fractional_layer_needs_one_size_or_ratio(kwargs, words):
    with pytest.raises(ValueError, match=words):
        nn.FractionalMaxPool2d(3, **kwargs)
