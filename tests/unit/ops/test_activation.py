"""Activations by their public names: in place, dtypes, infinite gradients, what is saved, refusals."""

import math

import numpy as np
import pytest

import regrad as rg

F = rg.nn.functional

IN_PLACE = [
    (F.relu, ()), (F.relu6, ()), (F.elu, (0.7,)), (F.selu, ()), (F.celu, (1.3,)), (F.leaky_relu, (0.2,)), (F.silu, ()),
    (F.hardtanh, (-0.5, 0.5)), (F.threshold, (0.1, 2.0)), (F.mish, ()), (F.hardswish, ()), (F.hardsigmoid, ()),
    (F.rrelu, (0.25, 0.25)),
]  # fmt: skip


def leaf(values, dtype=rg.float64):
    return rg.tensor(values, dtype=dtype).requires_grad_()


@pytest.mark.parametrize(("fn", "args"), IN_PLACE, ids=lambda f: getattr(f, "__name__", ""))
def test_in_place_writes_and_differentiates_like_out_of_place(fn, args):
    a, b = leaf([-2.0, -0.3, 0.4, 5.0]), leaf([-2.0, -0.3, 0.4, 5.0])
    doubled = a * 2
    assert fn(doubled, *args, inplace=True) is doubled
    away = fn(b * 2, *args)
    assert away.tolist() == doubled.tolist()
    assert rg.autograd.grad(doubled.sum(), a)[0].tolist() == rg.autograd.grad(away.sum(), b)[0].tolist()


@pytest.mark.parametrize("fn", [rg.relu_, rg.selu_, rg.celu_, F.elu_, F.hardtanh_, F.leaky_relu_])
def test_a_name_with_an_underscore_refuses_a_leaf(fn):
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        fn(leaf([1.0]))


def test_relu_lets_no_infinite_gradient_through_and_keeps_nan():
    x = leaf([-1.0, 2.0, math.nan])
    (g,) = rg.autograd.grad(rg.relu(x), x, rg.tensor([math.inf, 3.0, 4.0], dtype=rg.float64))
    assert [0, 3, 4] == g.tolist()
    assert math.isnan(rg.relu(x)[2].item())


def test_relu_saves_its_result_and_nothing_else():
    out = rg.relu(leaf([-1.0, 1.0]))
    assert out.grad_fn.saved_tensors[0].array is out.array
    assert 1 == len(out.grad_fn.saved_tensors)


def test_integers_pass_where_no_fraction_arises():
    x = rg.tensor([-7, 2, 9])
    assert [[0, 2, 9], [0, 2, 6], [-1, 1, 1], [5, 5, 9]] == [
        y.tolist() for y in (rg.relu(x), F.relu6(x), F.hardtanh(x), rg.threshold(x, 2, 5))]  # fmt: skip
    assert rg.int64 is F.relu6(x).dtype


@pytest.mark.parametrize("fn", [
    F.elu, F.gelu, F.silu, F.mish, F.softplus, F.hardswish, F.logsigmoid, F.hardshrink, F.softshrink, F.leaky_relu,
    lambda x: F.softmax(x, 0), lambda x: F.log_softmax(x, 0), F.glu, lambda x: F.prelu(x, x[:1]),
])  # fmt: skip
def test_integers_are_refused_elsewhere(fn):
    with pytest.raises(NotImplementedError, match=r"not implemented for regrad.int64.*convert with .float\(\)"):
        fn(rg.tensor([1, 2]))


@pytest.mark.parametrize("fn", [F.gelu, F.silu, F.mish, F.elu, F.softplus, F.logsigmoid, F.hardsigmoid])
def test_half_precision_is_computed_in_single(fn):
    x = np.linspace(-4, 4, 9).astype("f2")
    out = fn(rg.tensor(x))
    assert rg.float16 is out.dtype
    np.testing.assert_array_equal(fn(rg.tensor(x.astype("f4"))).array.astype("f2"), out.array)


def test_gelu_is_exact_far_below_zero_and_has_a_second_form():
    x = rg.tensor([-5.0], dtype=rg.float64)
    assert -5 * 0.5 * math.erfc(5 / math.sqrt(2)) == pytest.approx(F.gelu(x).item(), rel=1e-8)
    assert F.gelu(x, approximate="tanh").item() != F.gelu(x).item()
    with pytest.raises(RuntimeError, match="approximate argument must be either none or tanh"):
        F.gelu(x, approximate="sigmoid")


def test_softmax_converts_first_and_the_gradient_back():
    x = leaf([1.0, 2.0], dtype=rg.float32)
    out = rg.softmax(x, 0, rg.float64)
    assert rg.float64 is out.dtype
    assert rg.float32 is rg.autograd.grad(out[0], x)[0].dtype
    assert [0.5, 0.5] == rg.softmax(rg.tensor([3, 3]), dim=0, dtype=rg.float64).tolist()


def test_softmax_without_a_dimension_warns_and_takes_the_classes():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        assert [[1.0], [1.0]] == F.softmax(rg.ones(2, 1)).tolist()


def test_softmax_of_what_cannot_be_is_nan_and_of_a_scalar_is_one():
    assert np.isnan(rg.softmax(rg.full((2,), -math.inf), 0).array).all()
    assert 1.0 == rg.softmax(rg.tensor(-3.0), 0).item()


def test_prelu_takes_one_weight_or_one_for_each_channel():
    x = -rg.ones(2, 3, 2)
    assert [-1.0, -2.0, -3.0] == rg.prelu(x, rg.tensor([1.0, 2.0, 3.0]))[0, :, 0].tolist()
    assert -2.0 == rg.prelu(x, rg.tensor(2.0))[0, 0, 0].item()


def test_rrelu_draws_slopes_between_its_bounds_and_reuses_them_backward():
    x = leaf([-1.0] * 1000)
    out = F.rrelu(x, 0.25, 0.5, training=True)
    assert -0.5 <= out.array.min() < -0.4 < -0.3 < out.array.max() <= -0.25
    assert (-out).tolist() == rg.autograd.grad(out.sum(), x)[0].tolist()


def test_gumbel_softmax_is_a_distribution_or_a_choice_with_the_same_gradient():
    x = leaf([[0.0, 1.0, 2.0]] * 4)
    assert F.gumbel_softmax(x).sum(1).tolist() == pytest.approx([1.0] * 4)
    hard = F.gumbel_softmax(x, hard=True)
    assert [[0.0, 0.0, 1.0]] * 4 == np.sort(hard.array.round(12), axis=1).tolist()
    assert rg.autograd.grad(hard[:, 0].sum(), x)[0].abs().sum().item() > 0


@pytest.mark.parametrize(("call", "raises", "said"), [
    (lambda: F.hardtanh(rg.ones(1), 1.0, -1.0), ValueError, "min_val cannot be greater than max_val"),
    (lambda: F.relu(rg.tensor([True])), RuntimeError, "Boolean inputs not supported for relu"),
    (lambda: F.softshrink(rg.ones(1), -1.0), RuntimeError, "lambda must be in range [0, inf)"),
    (lambda: F.celu(rg.ones(1), 0.0), RuntimeError, "alpha cannot be 0 for CELU"),
    (lambda: F.rrelu(rg.ones(1), 0.5, 0.4), RuntimeError,
     "Lower bound should be less than or equal to the upper bound"),
    (lambda: F.glu(rg.ones(2, 3)), RuntimeError, "Halving dimension must be even, but dimension 1 is size 3"),
    (lambda: F.glu(rg.tensor(1.0)), RuntimeError, "glu does not support scalars"),
    (lambda: rg.softmax(rg.ones(2), 1), IndexError,
     "Dimension out of range (expected to be in range of [-1, 0], but got 1)"),
    (lambda: rg.prelu(rg.ones(2, 3), rg.ones(2)), RuntimeError, "Mismatch of parameter numbers and input channel size"),
    (lambda: rg.prelu(rg.tensor(1.0), rg.ones(2)), RuntimeError, "Not allow zero-dim input tensor"),
    (lambda: rg.prelu(rg.ones(2), rg.ones(1, dtype=rg.float64)), RuntimeError, "Type promoting not supported"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(call, raises, said):
    with pytest.raises(raises) as caught:
        call()
    assert said in str(caught.value)
