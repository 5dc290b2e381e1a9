"""The public faces of `regrad.ops.arithmetic`; the ops themselves are held to the laws."""

import operator

import numpy as np
import pytest

import regrad as rg


def test_a_python_number_does_not_widen_the_dtype():
    x = rg.tensor([1, 2], dtype=rg.int8)
    assert [rg.int8, rg.float32, rg.float32] == [(x * 3).dtype, (x * 3.0).dtype, (x / 3).dtype]


def test_numbers_stand_on_either_side_of_an_operator():
    x = rg.tensor([2.0, 4.0])
    results = [1 + x, 1 - x, 3 * x, 1 / x, 7 / x, 7 // x, 7 % x, 2**x]
    assert [r.tolist() for r in results] == [
        [3.0, 5.0], [-1.0, -3.0], [6.0, 12.0], [0.5, 0.25], [3.5, 1.75], [3.0, 1.0], [1.0, 3.0], [4.0, 16.0],
    ]


def test_two_numbers_count_as_a_tensor():
    assert (6, rg.int64) == (rg.mul(2, 3).item(), rg.mul(2, 3).dtype)
    assert rg.float32 is rg.add(2, 3.5).dtype
    with pytest.raises(TypeError, match="must be Tensor"):
        rg.rsub(2, 3)


@pytest.mark.parametrize("op", [rg.sub, rg.rsub])
def test_a_mask_is_not_subtracted(op):
    mask = rg.tensor([True, False])
    for other in (mask, rg.tensor([1.0, 2.0]), 1):
        with pytest.raises(RuntimeError, match="`-` operator, with a bool tensor is not supported"):
            op(mask, other)
    with pytest.raises(RuntimeError, match="bool tensor"):
        1 - mask
    with pytest.raises(RuntimeError, match="bool tensor"):
        rg.tensor([1.0]).sub_(mask[:1])


def test_a_mask_has_no_sign():
    mask = rg.tensor([True])
    for op in (operator.neg, operator.pos):
        with pytest.raises(RuntimeError, match="bool tensor is not supported"):
            op(mask)


def test_alpha_scales_the_second_operand():
    x, y = rg.tensor([1.0]), rg.tensor([2.0])
    assert [7.0, -5.0, -1.0] == [f(x, y, alpha=3).item() for f in (rg.add, rg.sub, rg.rsub)]
    assert [7.0] == x.add_(y, alpha=3).tolist()


@pytest.mark.parametrize(("alpha", "text"), [(1.5, "floating point"), (True, "Boolean"), (1j, "complex")])
def test_alpha_must_fit_the_operands(alpha, text):
    with pytest.raises(RuntimeError, match=text):
        rg.add(rg.tensor([1]), rg.tensor([1]), alpha=alpha)


def test_the_rounding_mode_must_be_known():
    with pytest.raises(RuntimeError, match="'trunc', or 'floor' but found 'up'"):
        rg.div(rg.tensor([1.0]), 2, rounding_mode="up")


def test_floor_division_has_no_gradient_and_says_so():
    x = rg.tensor([5.0], requires_grad=True)
    y = x // 2
    assert y.requires_grad
    with pytest.raises(RuntimeError, match="derivative for floor_divide is not implemented"):
        y.sum().backward()


def test_a_rounded_quotient_has_the_gradient_zero():
    x = rg.tensor([5.0], requires_grad=True)
    rg.div(x, 2, rounding_mode="floor").backward()
    assert [0.0] == x.grad.tolist()


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "mod", "floordiv", "pow"])
def test_an_augmented_assignment_writes_in_place(name):
    x = rg.tensor([7.0, -7.0])
    expected = getattr(operator, name)(np.array([7.0, -7.0]), 2).tolist()
    assert getattr(operator, "i" + name)(x, 2) is x
    assert expected == x.tolist()


def test_an_in_place_result_must_fit_the_dtype():
    x = rg.tensor([1])
    with pytest.raises(RuntimeError, match="can't be cast"):
        x /= 2


def test_plus_returns_the_tensor_itself():
    x = rg.tensor([1.0])
    assert +x is x


@pytest.mark.parametrize("op", [operator.add, operator.mul, operator.sub, operator.truediv])
def test_a_foreign_operand_is_a_type_error(op):
    with pytest.raises(TypeError):
        op(rg.tensor([1.0]), "one")


def test_overflow_of_whole_numbers_wraps_around():
    assert [-56] == (rg.tensor([100], dtype=rg.int8) + rg.tensor([100], dtype=rg.int8)).tolist()
    assert [44] == (rg.tensor([0], dtype=rg.uint8) + 300).tolist()


def test_the_nodes_are_named_as_in_pytorch():
    x = rg.tensor([1.0], requires_grad=True)
    results = [x + 1, x - 1, 1 - x, x * 2, x / 2, 1 / x, -x, abs(x), rg.add(x, x, alpha=2)]
    assert [r.grad_fn.name() for r in results] == [
        "AddBackward0", "SubBackward0", "RsubBackward1", "MulBackward0", "DivBackward0",
        "ReciprocalBackward0", "NegBackward0", "AbsBackward0", "AddBackward0",
    ]
