"""The public faces of `regrad.ops.trigonometric`."""

import math

import numpy as np
import pytest

import regrad as rg


def test_no_angle_at_the_origin_has_a_gradient():
    y, x = (rg.tensor([0.0], requires_grad=True) for _ in range(2))
    rg.atan2(y, x).backward()
    assert [[0.0], [0.0]] == [y.grad.tolist(), x.grad.tolist()]


@pytest.mark.parametrize("name", ["acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh"])
def test_the_long_names_are_the_same_functions(name):
    long = name.replace("a", "arc", 1)
    assert getattr(rg, long) is getattr(rg, name)
    assert getattr(rg.Tensor, long) is getattr(rg.Tensor, name)


def test_hypot_does_not_overflow_and_wants_floats():
    legs = [rg.tensor(np.array([leg])) for leg in (3e300, 4e300)]
    assert [math.hypot(3e300, 4e300)] == rg.hypot(*legs).tolist()
    with pytest.raises(NotImplementedError, match='"hypot" not implemented for int64'):
        rg.hypot(rg.tensor([3]), rg.tensor([4]))


def test_whole_numbers_become_floats_of_the_default_dtype():
    assert rg.float32 is rg.sin(rg.tensor([1])).dtype


def test_outside_the_domain_is_nan():
    assert rg.isnan(rg.acos(rg.tensor([2.0]))).all()
    assert rg.isnan(rg.acosh(rg.tensor([0.5]))).all()
