"""Activations: what they compute, in place too; how they print; what they refuse."""

import math
import pickle

import numpy as np
import pytest

import regrad as rg

nn = rg.nn


def softplus(x):
    return np.log1p(np.exp(x))


def softmax(x, axis):
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


def normal_cdf(x):
    return np.vectorize(lambda v: (1 + math.erf(v / math.sqrt(2))) / 2)(x)


ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946  # of SELU
# How it prints, the layer, and what it computes of x.
CASES = [
    ("Threshold(threshold=0.1, value=20)", lambda: nn.Threshold(0.1, 20), lambda x: np.where(x > 0.1, x, 20)),
    ("ReLU()", lambda: nn.ReLU(), lambda x: np.maximum(x, 0)),
    ("RReLU(lower=0.1, upper=0.3)", lambda: nn.RReLU(0.1, 0.3).eval(), lambda x: np.where(x > 0, x, 0.2 * x)),
    ("Hardtanh(min_val=-2, max_val=0.5)", lambda: nn.Hardtanh(-2, 0.5), lambda x: np.clip(x, -2, 0.5)),
    ("ReLU6()", lambda: nn.ReLU6(), lambda x: np.clip(x, 0, 6)),
    ("LeakyReLU(negative_slope=1e-05)", lambda: nn.LeakyReLU(1e-5), lambda x: np.where(x > 0, x, 1e-5 * x)),
    ("PReLU(num_parameters=3)", lambda: nn.PReLU(3, 0.5), lambda x: np.where(x > 0, x, 0.5 * x)),
    ("Hardshrink(0.5)", lambda: nn.Hardshrink(), lambda x: np.where(abs(x) > 0.5, x, 0)),
    ("Softshrink(1)", lambda: nn.Softshrink(1), lambda x: np.sign(x) * np.maximum(abs(x) - 1, 0)),
    ("Tanhshrink()", lambda: nn.Tanhshrink(), lambda x: x - np.tanh(x)),
    ("Sigmoid()", lambda: nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
    ("LogSigmoid()", lambda: nn.LogSigmoid(), lambda x: -softplus(-x)),
    ("Hardsigmoid()", lambda: nn.Hardsigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    ("Tanh()", lambda: nn.Tanh(), np.tanh),
    ("Softsign()", lambda: nn.Softsign(), lambda x: x / (1 + abs(x))),
    ("Softplus(beta=2, threshold=3)", lambda: nn.Softplus(2, 3), lambda x: np.where(2 * x > 3, x, softplus(2 * x) / 2)),
    ("SiLU()", lambda: nn.SiLU(), lambda x: x / (1 + np.exp(-x))),
    ("Mish()", lambda: nn.Mish(), lambda x: x * np.tanh(softplus(x))),
    ("Hardswish()", lambda: nn.Hardswish(), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    ("GELU(approximate='none')", lambda: nn.GELU(), lambda x: x * normal_cdf(x)),
    ("GELU(approximate='tanh')", lambda: nn.GELU("tanh"),
     lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    ("GLU(dim=0)", lambda: nn.GLU(0), lambda x: x[:2] / (1 + np.exp(-x[2:]))),
    ("ELU(alpha=0.5)", lambda: nn.ELU(0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
    ("CELU(alpha=2)", lambda: nn.CELU(2), lambda x: np.where(x > 0, x, 2 * np.expm1(x / 2))),
    ("SELU()", lambda: nn.SELU(), lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(x))),
    ("Softmax(dim=1)", lambda: nn.Softmax(1), lambda x: softmax(x, 1)),
    ("LogSoftmax(dim=0)", lambda: nn.LogSoftmax(0), lambda x: np.log(softmax(x, 0))),
    ("Softmin(dim=-1)", lambda: nn.Softmin(-1), lambda x: softmax(-x, -1)),
    ("Softmax2d()", lambda: nn.Softmax2d(), lambda x: softmax(x, -3)),
]  # fmt: skip
INPUT = np.random.default_rng(0).standard_normal((4, 3, 2, 2)) * 3
IN_PLACE = [
    nn.ReLU, nn.RReLU, nn.Hardtanh, nn.ReLU6, nn.Hardsigmoid, nn.SiLU, nn.Mish, nn.Hardswish, nn.ELU, nn.CELU, nn.SELU,
    nn.LeakyReLU,
]  # fmt: skip


@pytest.mark.parametrize(("text", "make", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_an_activation_computes_and_prints_as_it_should(text, make, wanted):
    layer = make().double()
    assert text == repr(layer)
    np.testing.assert_allclose(layer(rg.tensor(INPUT)).detach().numpy(), wanted(INPUT), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("make", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_pickled_activation_is_the_same(make, wanted):
    layer = pickle.loads(pickle.dumps(make().double()))
    np.testing.assert_allclose(layer(rg.tensor(INPUT)).detach().numpy(), wanted(INPUT), rtol=1e-6, atol=1e-12)


def test_all_activations_are_tried():
    assert set(nn.activation.__all__) == {type(make()).__name__ for _, make, _ in CASES}


@pytest.mark.parametrize("cls", IN_PLACE)
def test_in_place_the_input_becomes_the_result(cls):
    x, kept = rg.tensor(INPUT), rg.tensor(INPUT)
    wanted = cls().eval()(kept)
    assert x is cls(inplace=True).eval()(x)
    assert rg.equal(wanted, x)
    assert rg.equal(rg.tensor(INPUT), kept)
    w = rg.tensor(INPUT, requires_grad=True)
    ours, theirs = (rg.autograd.grad(layer.eval()(w * 1).sum(), w)[0] for layer in (cls(inplace=True), cls()))
    assert rg.equal(ours, theirs)


def test_only_those_that_work_in_place_say_so_and_two_never_do():
    texts = {cls.__name__: repr(cls(inplace=True)) for cls in IN_PLACE}
    assert {"Hardsigmoid", "Hardswish"} == {name for name, text in texts.items() if "inplace=True" not in text}
    assert "ELU(alpha=1.0, inplace=True)" == texts["ELU"]
    assert "ReLU6(inplace=True)" == texts["ReLU6"]
    assert "Threshold(threshold=1, value=2, inplace=True)" == repr(nn.Threshold(1, 2, True))


def test_rrelu_draws_slopes_in_training_and_takes_their_mean_otherwise():
    layer, x = nn.RReLU(0.2, 0.4), -rg.ones(1000)
    slopes = -layer(x).numpy()
    assert 0.2 <= slopes.min() < 0.25 < 0.35 < slopes.max() <= 0.4
    np.testing.assert_allclose(layer.eval()(x).numpy(), -0.3, rtol=1e-6)


def test_prelu_learns_one_slope_for_each_channel():
    layer = nn.PReLU(3, init=0.5, dtype=rg.float64)
    assert ["weight"] == list(layer.state_dict())
    assert [0.5] * 3 == layer.weight.tolist()
    layer(rg.tensor(INPUT)).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.numpy(), np.minimum(INPUT, 0).sum((0, 2, 3)))
    with rg.no_grad():
        layer.weight.zero_()
    layer.reset_parameters()
    assert [0.5] * 3 == layer.weight.tolist()


def test_the_old_names_of_hardtanh_are_taken_with_a_warning():
    with pytest.warns(FutureWarning, match="`min_value` is deprecated and renamed to `min_val`"):
        assert (-2, 1.0) == ((layer := nn.Hardtanh(min_value=-2)).min_val, layer.max_val)


def test_one_activation_is_not_another():
    for one, other in ((nn.CELU(), nn.ELU), (nn.LogSoftmax(1), nn.Softmax), (nn.Softshrink(), nn.Hardshrink)):
        assert not isinstance(one, other)
    assert isinstance(nn.ReLU6(), nn.Hardtanh)


@pytest.mark.parametrize("cls", [nn.Softmax, nn.LogSoftmax, nn.Softmin])
def test_a_dimension_that_was_not_given_is_chosen_with_a_warning_at_the_users_line(cls):
    with pytest.warns(UserWarning, match="Implicit dimension choice") as caught:
        cls()(rg.ones(2, 2))
    assert __file__ == caught[0].filename


@pytest.mark.parametrize(("call", "raises", "said"), [
    (lambda: nn.Hardtanh(2, 1), AssertionError, "max_val (1) must be greater than min_val (2)"),
    (lambda: nn.Sigmoid(1), TypeError, "Sigmoid.__init__() takes no arguments"),
    (lambda: nn.Softmax2d()(rg.ones(2, 2)), ValueError, "expected input to be 3D or 4D, got 2D instead"),
    (lambda: nn.GELU("erf")(rg.ones(2)), RuntimeError, "must be either none or tanh"),
    (lambda: nn.PReLU(3)(rg.ones(2, 2)), RuntimeError, "parameter numbers = 3 and channel size = 2"),
    (lambda: nn.ReLU(True)(rg.ones(2, requires_grad=True)), RuntimeError, "leaf Variable that requires grad"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(call, raises, said):
    with pytest.raises(raises) as caught:
        call()
    assert said in str(caught.value)
