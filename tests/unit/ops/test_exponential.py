"""The public faces of `regrad.ops.exponential`."""

import numpy as np
import pytest

import regrad as rg


def gradient(f, *values):
    xs = [rg.tensor(v, dtype=rg.float64, requires_grad=True) for v in values]
    return [g.tolist() for g in rg.autograd.grad(f(*xs).sum(), xs)]


def test_the_dtype_of_a_power_follows_the_kinds_of_its_operands():
    whole, real = rg.tensor([2]), rg.tensor([2.0])
    assert all(r.dtype is rg.int64 for r in (whole**2, 2**whole, rg.tensor([True]) ** 2))
    assert all(r.dtype is rg.float32 for r in (whole**2.0, 2.0**whole, whole**real, real**2))
    assert (real**1j).dtype is rg.complex64


def test_a_whole_number_has_no_negative_power_but_a_tensor_of_them_has():
    with pytest.raises(RuntimeError, match="Integers to negative integer powers are not allowed"):
        rg.tensor([2]) ** -1
    assert [0, 1, -1] == (rg.tensor([2, 1, -1]) ** rg.tensor([-1, -1, -1])).tolist()


def test_the_gradient_of_a_power_at_zero():
    assert [[0.0, 1.0, 0.0]] == gradient(lambda x: x ** rg.tensor([0.0, 1.0, 2.0]), [0.0, 0.0, 0.0])
    assert [[0.0]] == gradient(lambda x: x**0, [0.0])
    assert [[0.0, 0.0]] == gradient(lambda b: rg.tensor([0.0, 0.0], dtype=rg.float64) ** b, [0.0, 2.0])
    assert [[0.0, 0.0]] == gradient(lambda b: 0**b, [0.0, 2.0])


def test_a_square_saves_its_input_alone():
    x = rg.tensor([3.0], requires_grad=True)
    node = (x**2).grad_fn
    assert ("PowBackward0", ("x",)) == (node.name(), node.plan.slots)


def test_a_power_takes_tensors_and_numbers_only():
    for call in (lambda: rg.pow(2, 3), lambda: rg.pow(rg.tensor([1.0]), "2"), lambda: rg.float_power(2, 3)):
        with pytest.raises(TypeError, match="must be Tensor"):
            call()


def test_float_power_computes_in_float64():
    assert rg.float64 is rg.float_power(rg.tensor([2]), 3).dtype
    assert rg.complex128 is rg.float_power(rg.tensor([2.0]), 1j).dtype


def test_sigmoid_does_not_overflow():
    with np.errstate(all="raise"):
        assert [0.0, 1.0] == rg.sigmoid(rg.tensor([-1000.0, 1000.0])).tolist()


def test_logit_is_nan_outside_its_domain_and_clamped_with_eps():
    x = rg.tensor([-0.5, 1.5], requires_grad=True)
    assert rg.isnan(rg.logit(x)).all()
    y = rg.logit(x, 0.25)
    y.sum().backward()
    np.testing.assert_allclose(y.tolist(), [-np.log(3), np.log(3)], rtol=1e-6)
    assert [0.0, 0.0] == x.grad.tolist()


def test_frexp_and_ldexp_undo_each_other():
    x = rg.tensor([0.75, -20.0, 0.0])
    parts = rg.frexp(x)
    assert (rg.float32, rg.int32) == (parts.mantissa.dtype, parts.exponent.dtype)
    assert rg.equal(x, rg.ldexp(*parts))


@pytest.mark.parametrize("op", [rg.logaddexp, rg.logaddexp2, rg.ldexp])
def test_a_number_is_not_taken_for_a_tensor(op):
    with pytest.raises(TypeError, match=r"argument 'other' \(position 2\) must be Tensor, not float"):
        op(rg.tensor([1.0]), 2.0)


def test_float16_and_float32_stay_what_they_are():
    for dtype in (rg.float16, rg.float32):
        x = rg.tensor([0.5], dtype=dtype, requires_grad=True)
        y = rg.sigmoid(x) * rg.exp(x) ** 3 * 2**x
        y.backward()
        assert (dtype, dtype) == (y.dtype, x.grad.dtype)
