"""Affine and bilinear layers: what they compute, where they start, how they print, what they refuse."""

import copy
import math

import numpy as np
import pytest

import regrad as rg

nn = rg.nn


@pytest.mark.parametrize(("text", "layer"), [
    ("Identity()", nn.Identity(54, unused=3)),
    ("Linear(in_features=2, out_features=3, bias=True)", nn.Linear(2, 3)),
    ("Linear(in_features=2, out_features=3, bias=False)", nn.Linear(2, 3, False)),
    ("Bilinear(in1_features=2, in2_features=3, out_features=4, bias=True)", nn.Bilinear(2, 3, 4)),
    ("LazyLinear(in_features=0, out_features=3, bias=False)", nn.LazyLinear(3, bias=False)),
])  # fmt: skip
def test_a_layer_prints_its_sizes(text, layer):
    assert text == repr(layer)


def test_identity_returns_what_it_is_given():
    x = rg.ones(2)
    assert x is nn.Identity()(x)


@pytest.mark.parametrize("shape", [(2,), (5, 2), (3, 4, 2), (0, 2)])
def test_linear_is_a_product_and_a_sum(shape):
    layer, x = nn.Linear(2, 3, dtype=rg.float64), np.random.default_rng(0).standard_normal(shape)
    wanted = x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(rg.tensor(x)).detach().numpy(), wanted, rtol=1e-12)


def test_bilinear_is_a_form_for_each_output():
    layer, rng = nn.Bilinear(2, 3, 4, dtype=rg.float64), np.random.default_rng(0)
    a, b = rng.standard_normal((5, 2)), rng.standard_normal((5, 3))
    wanted = np.einsum("ni,kij,nj->nk", a, layer.weight.detach().numpy(), b) + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(rg.tensor(a), rg.tensor(b)).detach().numpy(), wanted, rtol=1e-12)


def test_without_a_bias_there_is_none_in_the_state():
    layer = nn.Linear(2, 3, bias=False)
    assert layer.bias is None
    assert ["weight"] == list(layer.state_dict()) == [name for name, _ in layer.named_parameters()]
    assert ["weight", "bias"] == list(nn.Bilinear(2, 3, 4).state_dict())


@pytest.mark.parametrize(("cls", "sizes", "bound"), [
    (nn.Linear, (16, 900), 1 / 4),
    (nn.Bilinear, (9, 10, 400), 1 / 3),
])  # fmt: skip
def test_parameters_start_evenly_within_the_root_of_the_inputs(cls, sizes, bound):
    layer = cls(*sizes)
    for param in layer.parameters():
        values = param.detach().numpy()
        assert 0.9 * bound < np.abs(values).max() <= bound
        assert bound / math.sqrt(3) == pytest.approx(values.std(), rel=0.15)
    before = layer.weight.clone()
    layer.reset_parameters()
    assert not rg.equal(before, layer.weight)


def test_the_dtype_and_the_device_are_taken_and_a_gpu_is_refused():
    assert rg.float64 == nn.Linear(2, 3, device="cpu", dtype=rg.float64).bias.dtype
    with pytest.raises(RuntimeError, match="CPU only"):
        nn.Linear(2, 3, device="cuda")


def network():
    return nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4)))


@pytest.mark.parametrize(("call", "raises", "words"), [
    (lambda: network()(rg.ones(5, 2, dtype=rg.float64)), RuntimeError,
     ("0 = Linear(in_features=2, out_features=3, bias=True): ", "float64 != float32",
      "input with .to(regrad.float32), or the layer with .to(regrad.float64)")),
    (lambda: network()(rg.ones(5, 2, dtype=rg.int64)), RuntimeError,
     ("int64 != float32", "convert the input with .to(regrad.float32)")),
    (lambda: network()[1](rg.ones(5, 2)), RuntimeError,
     ("1.0 = Linear(in_features=3", "(5x2 and 3x4)", "input has 2 features, weight takes 3")),
    (lambda: nn.Linear(2, 3)(rg.tensor(1.0)), RuntimeError, ("Linear(in_features=2", "at least 1D")),
    (lambda: nn.Bilinear(2, 3, 4)(rg.ones(2), rg.ones(2)), RuntimeError, ("Bilinear(", "got 2 but expected 3")),
    (lambda: nn.Bilinear(2, 3, 4)(rg.ones(2), rg.ones(3, dtype=rg.float64)), RuntimeError,
     ("All tensors must have the same dtype", "input2: float64")),
    (lambda: nn.Bilinear(0, 3, 4), ValueError, ("in1_features must be > 0",)),
    (lambda: nn.LazyLinear(3)(rg.tensor(1.0)), IndexError, ("LazyLinear", "no dimensions")),
])  # fmt: skip
def test_an_error_names_the_layer_and_what_to_do(call, raises, words):
    with pytest.raises(raises) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_a_lazy_layer_takes_its_width_from_the_first_input():
    layer = nn.LazyLinear(3, dtype=rg.float64)
    assert layer.has_uninitialized_params()
    layer.reset_parameters()  # nothing to draw yet
    assert (4, 3) == layer(rg.ones(4, 7, dtype=rg.float64)).shape
    assert (nn.Linear, 7, (3, 7), rg.float64) == (type(layer), layer.in_features, layer.weight.shape, layer.bias.dtype)
    assert layer.weight.abs().max().item() > 0


def test_a_lazy_layer_takes_its_width_from_a_state():
    layer, given = nn.LazyLinear(3), nn.Linear(4, 3)
    layer.load_state_dict(given.state_dict())
    x = rg.ones(2, 4)
    assert rg.equal(given(x), layer(x))
    assert repr(given) == repr(layer)


def test_a_copy_of_a_lazy_layer_takes_a_width_of_its_own():
    layer = nn.LazyLinear(3)
    other = copy.deepcopy(layer)
    other(rg.ones(2, 5))
    layer(rg.ones(2, 6))
    assert (5, 6) == (other.in_features, layer.in_features)
