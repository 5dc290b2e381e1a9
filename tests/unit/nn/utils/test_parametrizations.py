"""Orthogonal matrices, weight and spectral normalisation: in the new form and in the old, by hooks."""

import copy
import pickle

import numpy as np
import pytest

import regrad as rg
from regrad import nn
from regrad.nn.utils import parametrizations as new
from regrad.nn.utils import remove_spectral_norm, remove_weight_norm, spectral_norm
from regrad.nn.utils.parametrize import remove_parametrizations


def old_weight_norm(*args, **kwargs):
    with pytest.warns(FutureWarning, match=r"in favor of `torch.nn.utils.parametrizations.weight_norm`"):
        return nn.utils.weight_norm(*args, **kwargs)


def linear(into=3, out=2):
    return nn.Linear(into, out, dtype=rg.float64)


def gradcheck_of(layer, into=3):
    """Do the gradients of all parameters agree with differences?"""
    named = dict(layer.named_parameters())
    x = rg.randn(4, into, dtype=rg.float64)

    def run(*values):
        return rg.func.functional_call(layer, dict(zip(named, values, strict=True)), x)

    return rg.autograd.gradcheck(run, [p.detach().clone().requires_grad_() for p in named.values()])


# -- weight normalisation

NORMS = {0: (1,), 1: (0,), -2: (1,), None: (0, 1), -1: (0, 1)}  # dim -> the axes that are summed


@pytest.mark.parametrize("make", [new.weight_norm, old_weight_norm], ids=["new", "old"])
@pytest.mark.parametrize(("dim", "axes"), NORMS.items())
def test_a_weight_is_its_norms_times_its_direction(make, dim, axes):
    layer = linear()
    w, x = layer.weight.detach().clone(), rg.randn(4, 3, dtype=rg.float64)
    expected = layer(x).tolist()
    make(layer, dim=dim)
    np.testing.assert_allclose(expected, layer(x).tolist())
    g = next(p for name, p in layer.named_parameters() if name.endswith(("weight_g", "original0")))
    np.testing.assert_allclose(np.sqrt((w.numpy() ** 2).sum(axes)), g.detach().numpy().squeeze())
    with rg.no_grad():
        g.mul_(3)
    layer(x)
    np.testing.assert_allclose(3 * w.numpy(), layer.weight.tolist())
    assert gradcheck_of(layer)


def test_the_norm_of_a_bias_is_that_of_each_element():
    layer = old_weight_norm(linear(), "bias")
    np.testing.assert_allclose(np.abs(layer.bias_v.tolist()), layer.bias_g.tolist())


def test_old_state_dicts_load_into_the_new_form():
    old, layer = old_weight_norm(linear()), nn.Sequential(new.weight_norm(linear()))
    assert ["bias", "weight_g", "weight_v"] == list(old.state_dict())
    layer.load_state_dict({"0." + name: t for name, t in old.state_dict().items()})
    assert old.weight.tolist() == layer[0].weight.tolist()
    twin = pickle.loads(pickle.dumps(copy.deepcopy(layer)))
    twin.load_state_dict({"0." + name: t for name, t in old.state_dict().items()})
    assert old.weight.tolist() == twin[0].weight.tolist()


@pytest.mark.parametrize(
    ("make", "remove"),
    [
        (new.weight_norm, remove_parametrizations),
        (old_weight_norm, remove_weight_norm),
        (new.spectral_norm, remove_parametrizations),
        (spectral_norm, remove_spectral_norm),
    ],
    ids=["new weight", "old weight", "new spectral", "old spectral"],
)
def test_removal_leaves_an_ordinary_parameter(make, remove):
    layer = make(linear()).eval()
    x = rg.randn(4, 3, dtype=rg.float64)
    expected = layer(x).tolist()
    assert layer is remove(layer, "weight")
    np.testing.assert_allclose(expected, layer(x).tolist())
    assert (["bias", "weight"], nn.Parameter) == (sorted(layer.state_dict()), type(layer.weight))
    assert nn.Linear is type(layer)
    with pytest.raises(ValueError, match="weight"):
        remove(layer, "weight")


@pytest.mark.parametrize("make", [new.weight_norm, old_weight_norm, new.spectral_norm, spectral_norm])
def test_backward_goes_through_two_forwards(make):
    layer = make(linear())
    x = rg.randn(4, 3, dtype=rg.float64)
    loss = layer(x).sum() - layer(2 * x).sum()
    loss.backward()
    assert all(p.grad is not None for p in layer.parameters())


# -- spectral normalisation


def buffers_of(layer):
    return [t for name, t in layer.named_buffers() if name.endswith(("_u", "_v"))]


@pytest.mark.parametrize("make", [new.spectral_norm, spectral_norm], ids=["new", "old"])
@pytest.mark.parametrize("shape", [(3, 2), (2, 3)])
def test_the_largest_singular_value_becomes_one(make, shape):
    layer = linear(*shape)
    w = layer.weight.detach().clone().numpy()
    make(layer, n_power_iterations=500)
    layer(rg.ones(shape[0], dtype=rg.float64))
    np.testing.assert_allclose(w / np.linalg.svd(w)[1][0], layer.weight.tolist())
    assert gradcheck_of(layer.eval(), shape[0])


@pytest.mark.parametrize("make", [new.spectral_norm, spectral_norm], ids=["new", "old"])
def test_the_power_goes_on_in_training_and_rests_in_evaluation(make):
    layer = make(linear())
    x = rg.randn(4, 3, dtype=rg.float64)
    with rg.no_grad():
        for t in buffers_of(layer):
            t.copy_(nn.functional.normalize(rg.arange(1.0, len(t) + 1, dtype=rg.float64), dim=0))
    seen = []
    for training in (True, False, True):
        layer.train(training)(x)
        seen.append([t.tolist() for t in buffers_of(layer)])
    assert seen[0] == seen[1] != seen[2]


def test_a_vector_is_normalised_exactly():
    layer = linear()
    b = layer.bias.detach().numpy().copy()
    new.spectral_norm(layer, "bias")
    np.testing.assert_allclose(b / np.linalg.norm(b), layer.bias.tolist())


@pytest.mark.parametrize(("layer", "sizes"), [
    (nn.Conv2d(2, 3, 2), {3, 8}),
    (nn.ConvTranspose2d(2, 3, 2), {3, 8}),
    (nn.ConvTranspose1d(2, 5, 3), {5, 6}),
])
@pytest.mark.parametrize("make", [new.spectral_norm, spectral_norm], ids=["new", "old"])
def test_the_outputs_of_a_layer_are_the_rows(make, layer, sizes):
    layer = make(copy.deepcopy(layer))
    assert sizes == {len(t) for t in buffers_of(layer)}


# -- orthogonal matrices


def is_orthogonal(q):
    q = q.detach().numpy()
    q = q if q.shape[-2] >= q.shape[-1] else np.swapaxes(q, -1, -2)
    return np.allclose(np.conj(np.swapaxes(q, -1, -2)) @ q, np.eye(q.shape[-1]))


@pytest.mark.parametrize("based", [True, False], ids=["with a base", "without"])
@pytest.mark.parametrize("by", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)])
def test_a_matrix_stays_orthogonal_whatever_its_original_becomes(shape, by, based):
    layer = new.orthogonal(linear(*shape), orthogonal_map=by, use_trivialization=based)
    assert is_orthogonal(layer.weight)
    with rg.no_grad():
        original = layer.parametrizations.weight.original
        original.add_(0.3 * rg.randn_like(original))
    assert is_orthogonal(layer.weight)
    before = layer.weight.tolist()
    assert before == copy.deepcopy(layer).weight.tolist()
    assert (["parametrizations.weight.0.base"] if based else []) == [k for k in layer.state_dict() if "base" in k]
    assert gradcheck_of(layer, shape[0])


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)])
def test_a_matrix_that_is_orthogonal_already_is_kept(shape):
    layer = linear(*shape)
    nn.init.orthogonal_(layer.weight)
    for by, based in [("householder", True), ("householder", False), ("matrix_exp", True), ("cayley", True)]:
        before = layer.weight.tolist()
        new.orthogonal(layer, orthogonal_map=by, use_trivialization=based)
        np.testing.assert_allclose(before, layer.weight.tolist(), atol=1e-12)
        remove_parametrizations(layer, "weight")


def test_an_orthogonal_matrix_can_be_assigned():
    layer = new.orthogonal(linear(3, 3))
    layer.weight = rg.eye(3, dtype=rg.float64)
    np.testing.assert_allclose(np.eye(3), layer.weight.tolist(), atol=1e-12)


def test_decay_of_what_the_reflections_do_not_read_does_no_harm():
    layer = new.orthogonal(linear(2, 4))
    with rg.no_grad():
        layer.parametrizations.weight.original.mul_(0.9)
    assert is_orthogonal(layer.weight)


def test_complex_and_batched_matrices():
    module = nn.Module()
    module.u = nn.Parameter(rg.randn(3, 3, dtype=rg.complex128))
    module.w = nn.Parameter(rg.randn(5, 4, 2, dtype=rg.float64))
    assert is_orthogonal(new.orthogonal(module, "u").u)
    assert is_orthogonal(new.orthogonal(module, "w").w)
    with pytest.raises(ValueError, match="householder parametrization does not support complex"):
        new.orthogonal(remove_parametrizations(module, "u"), "u", "householder")


def cayley_without_base():
    layer = new.orthogonal(linear(3, 3), orthogonal_map="cayley", use_trivialization=False)
    layer.weight = rg.eye(3, dtype=rg.float64)


def two(make):
    return lambda: make(make(linear()))


REFUSED = {
    "an unknown map": (lambda: new.orthogonal(linear(), orthogonal_map="exp"), ValueError, "orthogonal_map has to be"),
    "a vector": (lambda: new.orthogonal(linear(), "bias"), ValueError, "Expected a matrix"),
    "no such tensor": (lambda: new.orthogonal(linear(), "foo"), ValueError, "no parameter or buffer with name 'foo'"),
    "assigning without a base": (cayley_without_base, NotImplementedError, "not possible to assign"),
    "another shape": (
        lambda: setattr(new.orthogonal(linear(3, 3)), "weight", rg.eye(4)), ValueError, "Expected a matrix or batch"
    ),
    "a dim too far": (lambda: new.spectral_norm(linear(), dim=2), IndexError, "Dimension out of range"),
    "no iterations": (lambda: new.spectral_norm(linear(), n_power_iterations=0), ValueError, "to be positive"),
    "no iterations, old": (lambda: spectral_norm(linear(), n_power_iterations=0), ValueError, "to be positive"),
    "spectral norm of nothing": (lambda: spectral_norm(linear(), "foo"), KeyError, "no parameter 'foo'"),
    "weight norm of nothing": (lambda: old_weight_norm(linear(), "foo"), AttributeError, "no parameter 'foo'"),
    "a bias that is None": (lambda: spectral_norm(nn.Linear(2, 2, bias=False), "bias"), ValueError, "`bias` is None"),
    "a lazy layer": (lambda: spectral_norm(nn.LazyLinear(2)), ValueError, "can't have uninitialized parameters"),
    "two weight norms": (two(old_weight_norm), RuntimeError, "two weight_norm hooks"),
    "two spectral norms": (two(spectral_norm), RuntimeError, "two spectral_norm hooks"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
