"""Clipping gradients: by the norm of all, by value; what is refused leaves them as they were."""

import math
import warnings

import numpy as np
import pytest

import regrad as rg
from regrad.nn.utils import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)

GRADS = ([3.0, -4.0], None, [[0.5], [12.0]])


def parameters(*grads, dtype=rg.float64):
    made = []
    for g in grads:
        p = rg.zeros(np.shape(g), dtype=dtype, requires_grad=True)
        p.grad = None if g is None else rg.tensor(g, dtype=dtype)
        made.append(p)
    return made


def grads_of(ps):
    return [None if p.grad is None else p.grad.tolist() for p in ps]


def norm(x, order):
    x = np.abs(x)
    if math.isinf(order):
        return x.max() if order > 0 else x.min()
    return (x**order).sum() ** (1 / order)


@pytest.mark.parametrize("order", [2, 2.0, 1, 3.5, "inf", math.inf, 0.5])
@pytest.mark.parametrize("limit", [0.0, 0.7, 5, 100.0])
def test_gradients_are_scaled_so_that_their_norm_together_is_within_the_limit(order, limit):
    flat = np.array([3.0, -4.0, 0.5, 12.0])
    expected = norm(flat, float(order))
    ps = parameters(*GRADS)
    total = clip_grad_norm_(ps, limit, norm_type=order)
    np.testing.assert_allclose(expected, total.item())
    np.testing.assert_allclose(expected, get_total_norm([rg.tensor(g) for g in GRADS if g], order), rtol=1e-6)
    factor = min(1, limit / (expected + 1e-6))
    np.testing.assert_allclose(factor * flat[:2], ps[0].grad.numpy())
    np.testing.assert_allclose(factor * flat[2:], ps[2].grad.numpy().ravel())
    assert ps[1].grad is None


@pytest.mark.parametrize("dtype", [rg.float16, rg.bfloat16, rg.float32, rg.float64])
def test_the_norm_has_the_dtype_of_the_gradients(dtype):
    (p,) = parameters([3.0, 4.0], dtype=dtype)
    total = clip_grad_norm_(p, 1.0)
    assert (dtype, 5.0) == (total.dtype, total.item())
    assert dtype == p.grad.dtype
    np.testing.assert_allclose([0.6, 0.8], p.grad.tolist(), rtol=1e-2)


def test_gradients_of_different_dtypes_are_clipped_together():
    ps = [*parameters([3.0], dtype=rg.float32), *parameters([4.0], dtype=rg.float64)]
    assert (5.0, rg.float64) == (clip_grad_norm_(ps, 10.0).item(), get_total_norm([p.grad for p in ps]).dtype)


def test_complex_gradients_count_by_their_size():
    (p,) = parameters([3 + 4j], dtype=rg.complex128)
    assert 5.0 == clip_grad_norm_(p, 2.5).item()
    np.testing.assert_allclose([1.5 + 2j], p.grad.numpy(), rtol=1e-6)


def test_gradients_within_the_limit_are_not_even_written():
    (p,) = parameters([3.0, 4.0])
    before = p.grad._version
    clip_grad_norm_(p, 6.0)
    assert (before, [3.0, 4.0]) == (p.grad._version, p.grad.tolist())


def test_a_clipped_gradient_that_a_graph_has_saved_is_noticed():
    x = rg.tensor([3.0, 4.0], requires_grad=True)
    (x * x * x).sum().backward(create_graph=True)
    loss = (x.grad * x.grad).sum()
    clip_grad_norm_(x, 1.0)
    with pytest.raises(rg.SavedModifiedError):
        loss.backward()


def test_a_norm_that_is_not_finite_shows_in_the_gradients():
    ps = parameters([3.0, math.inf], [1.0])
    assert math.inf == clip_grad_norm_(ps, 1.0).item()
    assert 0.0 == ps[0].grad[0].item()
    assert math.isnan(ps[0].grad[1].item())
    ps = parameters([3.0, math.nan], [1.0])
    assert math.isnan(clip_grad_norm_(ps, 1.0).item())
    assert all(math.isnan(p.grad[0].item()) for p in ps)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_can_be_an_error_that_names_the_parameter(bad):
    ps = parameters([3.0], [1.0, bad])
    ps[1].name = "fc.weight"
    with pytest.raises(RuntimeError, match=r"non-finite.*: 1 of 2 hold nan or inf: number 1, 'fc.weight';"):
        clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)
    with pytest.raises(RuntimeError, match=r"get_total_norm.*: number 1;"):
        get_total_norm([p.grad for p in ps], error_if_nonfinite=True)
    assert ([3.0], 1.0) == (ps[0].grad.tolist(), ps[1].grad[0].item())


def test_an_overflow_is_told_from_an_infinite_gradient():
    ps = parameters([1e30, 1e30], dtype=rg.float32)
    with pytest.raises(RuntimeError, match="all are finite, but their squares"):
        clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)


def test_without_gradients_the_norm_is_zero():
    assert 0.0 == clip_grad_norm_([], 1.0).item()
    assert 0.0 == clip_grad_norm_(parameters(None), 1.0).item()
    assert 0.0 == clip_grad_norm_((p for p in parameters(None)), 1.0).item()
    assert 0.0 == get_total_norm([]).item()
    clip_grad_value_(parameters(None), 1.0)
    clip_grads_with_norm_(parameters(None), 1.0, rg.tensor(3.0))


def test_a_generator_that_is_used_up_is_warned_of_at_the_users_line():
    ps = parameters([3.0])
    spent = (p for p in ps)
    list(spent)
    with pytest.warns(UserWarning, match="`parameters` is an empty generator") as caught:
        clip_grad_norm_(spent, 1.0)
    assert __file__ == caught[0].filename
    clip_grad_norm_((p for p in ps), 1.0)
    np.testing.assert_allclose([1.0], ps[0].grad.numpy(), rtol=1e-6)


def test_elements_are_clamped_and_nan_stays():
    ps = parameters([3.0, -2.0, math.nan, -math.inf, 0.25], None, [[1.0]])
    assert clip_grad_value_(ps, 0.5) is None
    np.testing.assert_array_equal([0.5, -0.5, math.nan, -0.5, 0.25], ps[0].grad.numpy())
    assert [None, [[0.5]]] == grads_of(ps[1:])


@pytest.mark.parametrize("total", [4.0, rg.tensor(4.0, dtype=rg.float64)])
def test_a_norm_known_already_is_used(total):
    ps = parameters([2.0], None)
    assert clip_grads_with_norm_((p for p in ps), 1, total, foreach=True) is None
    np.testing.assert_allclose([0.5], ps[0].grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("foreach", [None, True, False])
def test_foreach_makes_no_difference(foreach):
    ps = parameters([3.0, 4.0])
    clip_grad_norm_(ps, 1.0, foreach=foreach)
    clip_grad_value_(ps, 0.7, foreach=foreach)
    np.testing.assert_allclose([0.6, 0.7], ps[0].grad.numpy(), rtol=1e-6)
    assert math.isclose(math.hypot(0.6, 0.7), get_total_norm(ps[0].grad, foreach=foreach).item(), rel_tol=1e-6)


def test_the_old_name_warns_and_works():
    (p,) = parameters([3.0, 4.0])
    with pytest.warns(FutureWarning, match="deprecated in favor of `torch.nn.utils.clip_grad_norm_`"):
        assert 5.0 == clip_grad_norm(p, 1.0).item()


class Model:
    def parameters(self):
        return []


REFUSED = {
    "a negative limit": (lambda ps: clip_grad_norm_(ps, -1.0), ValueError, "max_norm must be 0 or a positive"),
    "a limit that is nan": (lambda ps: clip_grad_norm_(ps, math.nan), ValueError, "max_norm must be"),
    "a negative value": (lambda ps: clip_grad_value_(ps, -1.0), ValueError, "clip_value must be"),
    "a negative limit for a norm": (lambda ps: clip_grads_with_norm_(ps, -1.0, 2.0), ValueError, "max_norm must be"),
    "an order that is no number": (lambda ps: clip_grad_norm_(ps, 1.0, "x"), ValueError, "could not convert"),
    "no order": (lambda ps: clip_grad_norm_(ps, 1.0, None), TypeError, "float"),
    "a module": (lambda _: clip_grad_norm_(Model(), 1.0), TypeError, r"got Model; give model.parameters\(\)"),
    "a list of modules": (lambda _: clip_grad_norm_([Model()], 1.0), TypeError, "one item is Model"),
    "a number": (lambda _: clip_grad_value_(3, 1.0), TypeError, "got int"),
    "named parameters": (lambda ps: clip_grad_value_([("a", ps[0])], 1.0), TypeError, "one item is tuple"),
    "a gradient that is None": (lambda ps: get_total_norm([ps[0].grad, None]), TypeError, "one item is NoneType"),
}


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_has_changed_nothing(call, error, words):
    ps = parameters([3.0, -2.0])
    with warnings.catch_warnings(), pytest.raises(error, match=words):
        call(ps)
    assert [[3.0, -2.0]] == grads_of(ps)
