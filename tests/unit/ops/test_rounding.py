"""The public faces of `regrad.ops.rounding`."""

import pytest

import regrad as rg


@pytest.mark.parametrize("op", [rg.floor, rg.ceil, rg.trunc, rg.round, rg.fix])
def test_a_step_has_the_gradient_zero(op):
    x = rg.tensor([1.5, -0.25], requires_grad=True)
    y = op(x)
    y.sum().backward()
    assert y.requires_grad
    assert [0.0, 0.0] == x.grad.tolist()


def test_halves_are_rounded_to_even():
    assert [0.0, 2.0, 2.0, -2.0] == rg.round(rg.tensor([0.5, 1.5, 2.5, -1.5])).tolist()


def test_decimals_may_be_negative():
    assert [1200.0] == rg.tensor([1234.0]).round(decimals=-2).tolist()


def test_whole_numbers_are_copied_not_shared():
    x = rg.tensor([1, 2])
    y = rg.floor(x)
    y += 1
    assert [1, 2] == x.tolist()


def test_frac_keeps_the_sign():
    assert [-0.5, 0.25] == rg.frac(rg.tensor([-1.5, 3.25])).tolist()
