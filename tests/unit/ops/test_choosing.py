"""The public faces of `regrad.ops.choosing`."""

import pytest

import regrad as rg


def gradients(f, *values):
    xs = [rg.tensor(v, requires_grad=True) for v in values]
    return [g.tolist() for g in rg.autograd.grad(f(*xs).sum(), xs)]


def test_a_tie_is_shared_or_goes_to_the_first():
    a, b = [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]
    assert [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]] == gradients(rg.maximum, a, b)
    assert [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]] == gradients(rg.minimum, a, b)
    assert [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]] == gradients(rg.fmax, a, b)
    assert [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]] == gradients(rg.fmin, a, b)
    assert [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]] == gradients(rg.clamp_min, a, b)


def test_a_bound_that_is_met_passes_the_gradient():
    assert [[0.0, 1.0, 1.0, 1.0, 0.0]] == gradients(lambda x: rg.clamp(x, -1, 1), [-2.0, -1.0, 0.0, 1.0, 2.0])


def test_bounds_may_be_tensors_and_get_the_gradient_where_they_act():
    x, low, high = [-2.0, 0.0, 2.0], [-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]
    assert [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]] == gradients(rg.clamp, x, low, high)


def test_where_bounds_cross_the_upper_one_wins():
    assert [1.0, 1.0] == rg.clamp(rg.tensor([0.0, 5.0]), 3, 1).tolist()


def test_a_number_as_a_bound_may_raise_the_dtype():
    assert (rg.float32, rg.int64) == (rg.tensor([1]).clamp(min=1.5).dtype, rg.tensor([1]).clamp(max=0).dtype)


def test_clamp_needs_a_bound_and_bounds_of_one_kind():
    x = rg.tensor([1.0])
    with pytest.raises(RuntimeError, match="At least one of 'min' or 'max' must not be None"):
        rg.clamp(x)
    with pytest.raises(TypeError, match="must both be Tensor or both be numbers"):
        rg.clamp(x, min=x, max=1.0)


def test_where_takes_numbers_and_unifies_dtypes():
    mask = rg.tensor([True, False])
    assert [rg.float32, rg.int64, rg.bool, rg.float64] == [
        rg.where(mask, 1.0, 0).dtype, rg.where(mask, 1, 0).dtype, rg.where(mask, True, False).dtype,
        rg.where(mask, rg.tensor([1, 2]), rg.tensor([1.0], dtype=rg.float64)).dtype,
    ]
    assert [1.0, 0.0] == rg.tensor([1.0, 2.0]).where(mask, 0.0).tolist()


def test_where_wants_a_condition():
    with pytest.raises(RuntimeError, match="boolean tensor, but got a tensor with dtype float32"):
        rg.where(rg.tensor([1.0]), 1.0, 0.0)
    with pytest.raises(TypeError, match="argument 'condition'"):
        rg.where(True, 1.0, 0.0)


def test_where_hides_a_nan_of_the_other_branch_from_the_gradient():
    x = rg.tensor([0.0, 4.0], requires_grad=True)
    rg.where(x > 0, x, 1.0).sqrt().sum().backward()
    assert [0.0, 0.25] == x.grad.tolist()


def test_lerp_is_exact_at_both_ends_and_wants_one_dtype():
    a, b = rg.tensor([0.1, 1e8]), rg.tensor([0.7, -3.0])
    assert rg.equal(a, rg.lerp(a, b, 0.0))
    assert rg.equal(b, rg.lerp(a, b, 1.0))
    with pytest.raises(RuntimeError, match=r"expected dtype .* for `end` but got dtype"):
        rg.lerp(a, b.double(), 0.5)
    with pytest.raises(RuntimeError, match='"lerp" not implemented for int64'):
        rg.lerp(rg.tensor([1]), rg.tensor([2]), 0.5)


def test_whole_numbers_are_not_divided_by_addcdiv():
    one = rg.tensor([1])
    with pytest.raises(RuntimeError, match="Integer division with addcdiv is no longer supported"):
        rg.addcdiv(rg.tensor([1.0]), one, one)


def test_heaviside_wants_tensors_of_one_dtype():
    with pytest.raises(RuntimeError, match="different dtypes"):
        rg.heaviside(rg.tensor([1.0]), rg.tensor([1]))
    with pytest.raises(TypeError, match="argument 'values'"):
        rg.heaviside(rg.tensor([1.0]), 1.0)
    x = rg.tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="derivative for heaviside is not implemented"):
        rg.heaviside(x, rg.tensor([1.0])).backward()


@pytest.mark.parametrize("op", [rg.maximum, rg.minimum, rg.fmax, rg.fmin, rg.nextafter])
def test_two_tensors_are_asked_for(op):
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        op(rg.tensor([1.0]), 2)
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        op(2, rg.tensor([1.0]))


def test_nan_to_num_takes_the_limits_of_the_dtype():
    inf = float("inf")
    x = rg.nan_to_num(rg.tensor([float("nan"), inf, -inf]))
    limits = rg.finfo(rg.float32)
    assert [0.0, limits.max, limits.min] == x.tolist()
