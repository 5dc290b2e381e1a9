"""Reductions under a mask: the same as without the elements that it leaves out."""

import math

import numpy as np
import pytest

import regrad as rg


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "amax", "amin", "var", "std", "logsumexp", "norm"])
def test_a_mask_leaves_elements_out(rng, name):
    x, mask = rng.standard_normal(9), np.arange(9) % 3 > 0
    plain = getattr(rg, name)(rg.tensor(x[mask]), **({"dim": 0} if name == "logsumexp" else {}))
    assert pytest.approx(plain.item()) == getattr(rg.masked, name)(rg.tensor(x), mask=rg.tensor(mask)).item()


def test_what_is_left_out_has_no_gradient():
    x = rg.tensor([1.0, 2.0, 3.0]).requires_grad_()
    (g,) = rg.autograd.grad(rg.masked.mean(x, mask=rg.tensor([True, False, True])), x)
    assert [0.5, 0, 0.5] == g.tolist()


def test_of_nothing_a_sum_is_zero_a_product_one_and_a_mean_nan():
    x, nothing = rg.ones(2, 2), rg.tensor([[True, True], [False, False]])
    assert [2, 0] == rg.masked.sum(x, 1, mask=nothing).tolist()
    assert 1 == rg.masked.prod(x, (0, 1), mask=nothing).item()
    assert [False, True] == rg.masked.mean(x, 1, mask=nothing).isnan().tolist()
    assert [1, -math.inf] == rg.masked.amax(x, 1, mask=nothing).tolist()
    assert 2**63 - 1 == rg.masked.amin(rg.tensor([[3]]), mask=rg.tensor([[False]])).item()


def test_a_mask_broadcasts_to_its_input_but_not_beyond():
    x = rg.ones(2, 3)
    assert 4 == rg.masked.sum(x, mask=rg.tensor([True, False, True])).item()
    with pytest.raises(IndexError, match="mask dimensionality higher"):
        rg.masked.sum(x, mask=rg.ones(1, 2, 3, dtype=rg.bool))
    with pytest.raises(RuntimeError, match="does not broadcast"):
        rg.masked.sum(rg.ones(1, 3), mask=rg.ones(2, 3, dtype=rg.bool))


def test_without_a_mask_they_are_the_ordinary_functions(rng):
    x = rg.tensor(rng.standard_normal((3, 4)))
    assert rg.equal(rg.masked.mean(x, 1), x.mean(1))
    assert rg.equal(rg.masked.std(x, 0, keepdim=True), x.std(0, keepdim=True))
    assert rg.equal(rg.masked.softmax(x, 1), x.softmax(1))


def test_a_median_of_integers_needs_an_element_in_each_line():
    x = rg.tensor([[1, 2, 9], [4, 5, 6]])
    assert [1, 4] == rg.masked.median(x, 1, mask=x < 6).tolist()
    with pytest.raises(ValueError, match="no fully masked out rows"):
        rg.masked.median(x, 1, mask=x < 3)
