"""Parametrizations: a parameter computed from others, its copies, its removal, and what is refused."""

import copy
import pickle

import numpy as np
import pytest

import regrad as rg
from regrad import nn
from regrad.nn.utils.parametrize import (
    ParametrizationList,
    cached,
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
    transfer_parametrizations_and_params,
    type_before_parametrizations,
)


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).T

    def right_inverse(self, a):
        return a.triu()


class Negative(nn.Module):
    def forward(self, x):
        return -x


class Outer(nn.Module):
    """From two vectors."""

    def forward(self, a, b):
        return a[:, None] * b

    def right_inverse(self, w):
        return w[:, 0].clone(), w[0].clone()


class Given(nn.Module):
    """With the functions given."""

    def __init__(self, forward, right_inverse=None):
        super().__init__()
        self.function = forward
        if right_inverse is not None:
            self.right_inverse = right_inverse

    def forward(self, x):
        return self.function(x)


def linear(into=3, out=3):
    return nn.Linear(into, out, dtype=rg.float64)


def state(module):
    return {name: t.tolist() for name, t in module.state_dict().items()}


def test_the_tensor_is_computed_from_its_original_which_is_what_is_trained():
    layer = linear()
    before, weight = layer.weight.tolist(), layer.weight
    assert layer is register_parametrization(layer, "weight", Symmetric())
    np.testing.assert_array_equal(np.triu(before) + np.triu(before, 1).T, layer.weight.detach().numpy())
    assert weight is layer.parametrizations.weight.original
    assert ["bias", "parametrizations.weight.original"] == list(layer.state_dict()) == [
        name for name, _ in layer.named_parameters()
    ]
    x = rg.randn(5, 3, dtype=rg.float64)
    layer(x).sum().backward()
    full = x.numpy().sum(0) * np.ones((3, 1))
    np.testing.assert_allclose(np.triu(full) + np.triu(full.T, 1), weight.grad.numpy())
    assert "parametrizations.weight.original" == weight.name


def test_a_parametrized_module_is_still_of_its_class_and_prints_its_parametrizations():
    layer = register_parametrization(linear(), "weight", Symmetric())
    assert isinstance(layer, nn.Linear)
    assert nn.Linear is type_before_parametrizations(layer) is type_before_parametrizations(linear())
    assert (True, True, False) == (
        is_parametrized(layer), is_parametrized(layer, "weight"), is_parametrized(layer, "bias")
    )  # fmt: skip
    assert "ParametrizedLinear(" in repr(layer)
    assert "(parametrizations): ModuleDict(\n    (weight): ParametrizationList(\n      (0): Symmetric()" in repr(layer)


def test_assigning_goes_back_through_all_parametrizations():
    layer = register_parametrization(linear(), "weight", Given(lambda x: 2 * x, lambda y: y / 2))
    register_parametrization(layer, "weight", Symmetric())
    original = layer.parametrizations.weight.original
    target = rg.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]], dtype=rg.float64)
    layer.weight = target
    assert target.tolist() == layer.weight.tolist()
    assert original is layer.parametrizations.weight.original
    target.zero_()
    assert 1.0 == layer.weight[0, 0].item()


def test_an_assigned_tensor_is_not_shared_even_where_the_inverse_gives_it_as_it_is():
    layer = register_parametrization(linear(2, 2), "weight", Given(lambda x: x * 1, lambda y: y))
    given = rg.ones(2, 2, dtype=rg.float64)
    layer.weight = given
    given.zero_()
    assert [[1.0, 1.0], [1.0, 1.0]] == layer.weight.tolist()


def test_several_originals():
    layer = register_parametrization(linear(2, 3), "weight", Outer())
    names = ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]
    assert names == [name for name, _ in layer.named_parameters()]
    layer.weight = rg.tensor([[1.0, 2.0], [3.0, 6.0], [4.0, 8.0]], dtype=rg.float64)
    assert ([1.0, 3.0, 4.0], [1.0, 2.0]) == tuple(p.tolist() for p in layer.parametrizations.weight.parameters())
    with pytest.raises(ValueError, match="Cannot leave unparametrized"):
        remove_parametrizations(layer, "weight", leave_parametrized=False)
    remove_parametrizations(layer, "weight")
    assert [[1.0, 2.0], [3.0, 6.0], [4.0, 8.0]] == layer.weight.tolist()
    assert ["bias", "weight"] == [name for name, _ in layer.named_parameters()]


def test_what_was_frozen_stays_a_frozen_parameter():
    layer = linear().requires_grad_(False)
    register_parametrization(layer, "weight", Outer())
    assert [False] * 3 == [p.requires_grad for p in layer.parameters()]
    remove_parametrizations(layer, "weight")
    assert (nn.Parameter, False) == (type(layer.weight), layer.weight.requires_grad)


@pytest.mark.parametrize("leave", [True, False])
def test_removing_leaves_the_value_or_the_original_in_the_same_parameter(leave):
    layer = linear()
    weight, before = layer.weight, layer.weight.tolist()
    register_parametrization(layer, "weight", Negative())
    assert layer is remove_parametrizations(layer, "weight", leave)
    assert weight is layer.weight
    assert (rg.tensor(before, dtype=rg.float64) * (-1 if leave else 1)).tolist() == weight.tolist()
    assert nn.Linear is type(layer)
    assert "weight" == weight.name
    assert not hasattr(layer, "parametrizations")


def test_removing_one_of_two_leaves_the_other():
    layer = register_parametrization(register_parametrization(linear(), "weight", Negative()), "bias", Negative())
    remove_parametrizations(layer, "bias")
    assert (True, False) == (is_parametrized(layer, "weight"), is_parametrized(layer, "bias"))
    assert ["bias", "parametrizations.weight.original"] == list(layer.state_dict())


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"])
def test_copies_are_parametrized_on_their_own(twin_of):
    layer = register_parametrization(register_parametrization(linear(), "weight", Symmetric()), "bias", Negative())
    twin = twin_of(layer)
    assert state(layer) == state(twin)
    remove_parametrizations(layer, "weight")
    assert (twin.weight.T - twin.weight == 0).all()
    assert is_parametrized(twin, "weight")
    with rg.no_grad():
        twin.parametrizations.bias.original.add_(1)
    assert (twin.bias == layer.bias - 1).all()


def test_state_dicts_go_from_one_parametrized_module_to_another():
    one, two = (register_parametrization(linear(), "weight", Symmetric()) for _ in range(2))
    two.load_state_dict(one.state_dict())
    assert one.weight.tolist() == two.weight.tolist()
    with pytest.raises(RuntimeError, match=r"parametrizations\.weight\.original"):
        linear().load_state_dict(one.state_dict())


def test_buffers_can_be_parametrized():
    norm = register_parametrization(nn.BatchNorm1d(2), "running_mean", Negative())
    norm.parametrizations.running_mean.original.fill_(2.0)
    assert [-2.0, -2.0] == norm.running_mean.tolist()
    assert [-2.0, -2.0] == remove_parametrizations(norm, "running_mean")._buffers["running_mean"].tolist()


def test_the_parametrization_takes_the_modules_mode():
    layer = register_parametrization(linear().eval(), "weight", Negative())
    register_parametrization(layer, "weight", Negative())
    assert [False, False] == [m.training for m in layer.parametrizations.weight]


def test_inside_cached_a_tensor_is_computed_once():
    layer = register_parametrization(linear(), "weight", Negative())
    assert layer.weight is not layer.weight
    with cached():
        with cached():
            first = layer.weight
        assert first is layer.weight
        with rg.no_grad():
            assert not layer.weight.requires_grad
        assert layer.weight.requires_grad
    assert first is not layer.weight

    @cached()
    def twice():
        return layer.weight is layer.weight

    assert twice()


def test_unsafe_allows_another_shape_and_dtype():
    layer = register_parametrization(linear(2, 4), "weight", Given(lambda x: x[0].float()), unsafe=True)
    assert ((2,), rg.float32) == (layer.weight.shape, layer.weight.dtype)
    layer = register_parametrization(linear(), "weight", Negative())
    assert not layer.parametrizations.weight.unsafe
    register_parametrization(layer, "weight", Given(lambda x: x[0]), unsafe=True)
    assert layer.parametrizations.weight.unsafe


def test_parametrizations_are_transferred_and_shared():
    one = register_parametrization(register_parametrization(linear(), "weight", Symmetric()), "bias", Negative())
    two = transfer_parametrizations_and_params(one, linear())
    assert (one.weight.tolist(), one.bias.tolist()) == (two.weight.tolist(), two.bias.tolist())
    assert one.parametrizations.weight.original is two.parametrizations.weight.original
    register_parametrization(two, "weight", Negative())
    assert (one.weight == -two.weight).all()
    bare = transfer_parametrizations_and_params(one, nn.Module(), "bias")
    assert ["parametrizations.bias.original"] == list(bare.state_dict())
    assert not is_parametrized(transfer_parametrizations_and_params(linear(), linear()))


def test_transferring_does_not_run_the_inverse_of_what_both_share():
    one = nn.utils.parametrizations.orthogonal(linear())
    before = one.weight.tolist()
    two = transfer_parametrizations_and_params(one, linear())
    assert before == one.weight.tolist() == two.weight.tolist()


def raising(x):
    raise NotImplementedError


def test_an_inverse_that_is_not_implemented_counts_as_the_identity_at_first():
    layer = linear()
    before = layer.weight.tolist()
    register_parametrization(layer, "weight", Given(lambda x: x * 1, raising))
    assert before == layer.weight.tolist()
    with pytest.raises(NotImplementedError):
        layer.weight = rg.ones(3, 3, dtype=rg.float64)


REFUSED = {
    "a function": (lambda x: x, TypeError, "must be a Module, got function"),
    "no tensor": (Given(lambda x: 3), ValueError, "must return a tensor. Got int"),
    "another dtype": (Given(lambda x: x.float()), ValueError, "may not change the dtype"),
    "another shape": (Given(lambda x: x[0]), ValueError, "may not change the shape"),
    "no tensor back": (Given(lambda x: x, lambda y: 3), ValueError, "Got"),
    "another dtype back": (Given(lambda x: x, lambda y: y.float()), ValueError, "dtype"),
}


@pytest.mark.parametrize(("parametrization", "error", "words"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("further", [False, True], ids=["first", "further"])
def test_what_is_refused_has_changed_nothing(parametrization, error, words, further):
    layer = register_parametrization(linear(), "weight", Symmetric()) if further else linear()
    before = state(layer)
    with pytest.raises(error, match=words):
        register_parametrization(layer, "weight", parametrization)
    assert before == state(layer)


def test_a_failing_check_puts_the_originals_elements_back():
    layer = linear()
    before = state(layer)
    with pytest.raises(ValueError, match="shape"):
        register_parametrization(layer, "weight", Given(lambda x: x[0], lambda y: 2 * y))
    assert before == state(layer)


def test_a_further_parametrization_whose_inverse_gives_another_shape_is_refused():
    layer = register_parametrization(linear(), "weight", Symmetric())
    with pytest.raises(ValueError, match="right_inverse may not change the shape"):
        register_parametrization(layer, "weight", Given(lambda x: x, lambda y: y[0]))


def test_names_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="does not have a parameter, a buffer"):
        register_parametrization(linear(), "wieght", Negative())
    with pytest.raises(ValueError, match="does not have a parametrization on weight"):
        remove_parametrizations(linear(), "weight")
    with pytest.raises(ValueError, match="requires one or more modules"):
        ParametrizationList([], rg.ones(1))


def test_what_cannot_be_assigned_is_refused_before_anything_has_changed():
    layer = register_parametrization(linear(), "weight", Negative())
    with pytest.raises(RuntimeError, match="Negative does not implement right_inverse"):
        layer.weight = rg.ones(3, 3)
    answer = []
    layer = register_parametrization(linear(), "weight", Given(lambda x: x, lambda y: answer[0] if answer else y))
    pair = register_parametrization(linear(), "weight", Outer())
    pair.parametrizations.weight[0].right_inverse = lambda w: answer[0]
    before = state(layer), state(pair)
    double, single = rg.ones(3, dtype=rg.float64), rg.ones(3)
    cases = [
        (layer, 3, "should return a tensor"), (layer, single, "has dtype"), (pair, 3, "sequence of tensors of length"),
        (pair, [double], "of length 2. Got a sequence of length 1"), (pair, [double, 3], "Got int for original1"),
        (pair, [double, single], "while `original1` has dtype"),
    ]  # fmt: skip
    for module, wrong, words in cases:
        answer[:] = [wrong]
        with pytest.raises(ValueError, match=words):
            module.weight = rg.ones(3, 3, dtype=rg.float64)
    answer.clear()
    assert before == (state(layer), state(pair))
