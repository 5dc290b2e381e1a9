"""Calling a module with other parameters; stacking the states of several."""

import pytest

import regrad as rg
from regrad import nn
from regrad.func import functional_call, grad, stack_module_state, vmap
from regrad.nn.utils import stateless


class Tied(nn.Module):
    """x * a + b where b is a; counts its calls."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(rg.ones(2))
        self.b = self.a
        self.register_buffer("calls", rg.zeros(1))
        self.inner = nn.Linear(2, 2)

    def forward(self, x):
        self.calls = self.calls + 1
        return x * self.a + self.b


X = rg.tensor([1.0, 2.0])
NEW = {"weight": rg.ones(2, 2), "bias": rg.zeros(2)}


@pytest.mark.parametrize("given", [NEW, [{"weight": NEW["weight"]}, {"bias": NEW["bias"]}]], ids=["one", "several"])
@pytest.mark.parametrize(("args", "kwargs"), [((X,), None), (X, {}), ((), {"input": X}), (None, {"input": X})])
def test_a_module_is_called_with_other_parameters_and_stays_as_it_is(given, args, kwargs):
    layer = nn.Linear(2, 2)
    before = dict(layer.named_parameters())
    assert [3.0, 3.0] == functional_call(layer, given, args, kwargs, strict=True).tolist()
    after = dict(layer.named_parameters())
    assert all(before[name] is after[name] for name in before)


def test_what_is_not_given_is_the_modules_own():
    layer = nn.Linear(2, 2)
    expected = 3 + layer.bias
    assert expected.tolist() == functional_call(layer, {"weight": rg.ones(2, 2)}, X).tolist()
    assert [3.0, 3.0] == functional_call(layer, {"weight": rg.ones(2, 2), "bias": None}, X).tolist()
    assert layer.bias is not None


def test_gradients_are_those_of_the_parameters_given():
    found = grad(lambda p: functional_call(nn.Linear(2, 2), p, X).sum())(NEW)
    assert ([[1.0, 2.0], [1.0, 2.0]], [1.0, 1.0]) == (found["weight"].tolist(), found["bias"].tolist())


def test_tied_parameters_are_replaced_under_all_their_names():
    tied, zero = Tied(), rg.zeros(2)
    assert [0.0, 0.0] == functional_call(tied, {"b": zero}, X).tolist()
    assert [0.0, 0.0] == functional_call(tied, {"a": zero, "b": zero}, X).tolist()
    assert [1.0, 1.0] == functional_call(tied, {"a": zero}, X, tie_weights=False).tolist()
    with pytest.raises(ValueError, match=r"multiple values for keys \['a', 'b'\], which are tied"):
        functional_call(tied, {"a": zero, "b": rg.ones(2)}, X)


def test_a_module_with_two_names_gets_its_own_parameters_back():
    inner = nn.Linear(2, 2)
    net, weight = nn.Sequential(inner, inner), inner.weight
    assert [6.0, 6.0] == functional_call(net, {"0.weight": NEW["weight"], "0.bias": NEW["bias"]}, X).tolist()
    assert weight is inner.weight


def test_buffers_that_the_call_assigns_come_back_in_the_dictionary():
    tied, state = Tied(), {"calls": rg.tensor([5.0])}
    functional_call(tied, state, X)
    functional_call(tied, state, X)
    assert (7.0, 0.0) == (state["calls"].item(), tied.calls.item())


def test_a_call_that_fails_leaves_the_module_as_it_was():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    before = list(net.parameters())
    with pytest.raises(RuntimeError, match="shapes"):
        functional_call(net, {"0.weight": rg.ones(2, 2), "1.weight": rg.ones(5, 5), "1.bias": rg.ones(2)}, X)
    assert all(p is q for p, q in zip(before, net.parameters(), strict=True))
    tied = Tied()
    with pytest.raises(TypeError, match="child module 'inner'"):
        functional_call(tied, {"a": rg.zeros(2), "inner": rg.ones(1), "calls": rg.ones(1)}, X)
    assert ([1.0, 1.0], 0.0) == (tied.a.tolist(), tied.calls.item())


def test_names_of_nothing_are_gone_after_the_call():
    layer = nn.Linear(2, 2)
    functional_call(layer, {**NEW, "extra": rg.ones(1)}, X)
    assert not hasattr(layer, "extra")


def test_originals_of_parametrized_tensors_can_be_given():
    layer = nn.utils.parametrize.register_parametrization(nn.Linear(2, 2), "weight", nn.Identity())
    given = {"parametrizations.weight.original": rg.ones(2, 2), "bias": rg.zeros(2)}
    assert [3.0, 3.0] == functional_call(layer, given, X, strict=True).tolist()


REFUSED = {
    "too few": ({"weight": X}, RuntimeError, r"for Linear:\n\tMissing key\(s\): 'bias'\."),
    "too many": ({**NEW, "x": X}, RuntimeError, r"\n\tUnexpected key\(s\): 'x'\."),
    "no dictionary": (3, ValueError, "to be a dict, or a list/tuple of dicts, but got int"),
    "a list of numbers": ([3], ValueError, "to be a dict, or a list/tuple of dicts"),
    "a name twice": ((NEW, {"bias": X}), ValueError, r"\['bias'\] appeared in multiple dictionaries"),
    "a number": ({**NEW, "bias": 3.0}, TypeError, "'bias' is float, not an instance"),
    "a path to nowhere": ({**NEW, "a.b": X}, RuntimeError, "Unexpected"),
}


@pytest.mark.parametrize(("given", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(given, error, words):
    with pytest.raises(error, match=words):
        functional_call(nn.Linear(2, 2), given, X, strict=True)


def test_the_name_of_old_warns_and_works():
    with pytest.warns(FutureWarning, match=r"Please use `torch.func.functional_call` instead"):
        assert [3.0, 3.0] == stateless.functional_call(nn.Linear(2, 2), NEW, X).tolist()


def test_an_ensemble_runs_as_one():
    layers = [nn.Linear(2, 3) for _ in range(4)]
    params, buffers = stack_module_state(layers)
    out = vmap(lambda p, b: functional_call(layers[0], (p, b), X))(params, buffers)
    rg.testing.assert_close(out, rg.stack([layer(X) for layer in layers]))
    assert ({}, True, True) == (buffers, params["weight"].requires_grad, params["weight"].is_leaf)
    norms = [nn.BatchNorm1d(2), nn.BatchNorm1d(2)]
    assert [0, 0] == stack_module_state(norms)[1]["num_batches_tracked"].tolist()


def test_models_that_differ_are_not_stacked():
    frozen = nn.Linear(2, 2).requires_grad_(False)
    for models, words in [
        ([], "at least one model"),
        ([nn.Linear(2, 2), nn.Linear(2, 2).eval()], "same training/eval mode"),
        ([nn.Linear(2, 2), nn.ReLU()], "same class"),
        ([nn.Linear(2, 2), frozen], r"weight from each model to have the same \.requires_grad"),
    ]:
        with pytest.raises(RuntimeError, match=words):
            stack_module_state(models)
