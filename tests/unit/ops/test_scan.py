"""Scans and differences as users call them."""

import math

import pytest

import regrad as rg


def leaf(values):
    return rg.tensor(values, dtype=rg.float64).requires_grad_()


def gradient(out, x):
    (g,) = rg.autograd.grad(out.sum(), x)
    return g.tolist()


def test_running_sums_of_integers_are_int64_unless_they_go_back_in_place():
    x = rg.tensor([1, 2, 3], dtype=rg.int32)
    assert x.cumsum(0).dtype is rg.int64
    assert [1, 3, 6] == x.cumsum_(0).tolist()
    assert x.dtype is rg.int32


def test_float32_is_accumulated_in_float64():
    x = rg.full((100_000,), 0.1)
    assert pytest.approx(10_000, rel=1e-6) == x.cumsum(0)[-1].item()


def test_the_gradient_of_a_running_product_holds_at_zeros():
    x = leaf([2.0, 0.0, 3.0])
    assert [1, 2 + 2 * 3, 0] == gradient(x.cumprod(0), x)
    (g,) = rg.autograd.grad(x.cumprod(0).sum(), x, create_graph=True)
    assert [1 + 3, 0, 2] == gradient(g[1], x)


def test_a_long_running_product_has_a_gradient_without_division():
    x = rg.full((1000,), 1.0, dtype=rg.float64).requires_grad_()
    assert [1000 - k for k in range(1000)] == gradient(x.cumprod(0), x)


def test_logcumsumexp_has_gradients_of_either_sign():
    x = leaf([0.0, 800.0, -800.0])
    (g,) = rg.autograd.grad(x.logcumsumexp(0), x, rg.tensor([-1.0, 2.0, 0.0], dtype=rg.float64))
    assert pytest.approx([-1, 2, 0]) == g.tolist()


def test_running_extremes_return_the_last_of_equals_and_stay_nan():
    values, indices = rg.tensor([1.0, 1.0, math.nan, 3.0]).cummax(0)
    assert [0, 1, 2, 2] == indices.tolist()
    assert [1, 1] == values[:2].tolist()
    assert values[2:].isnan().all()


def test_a_scan_of_a_number_is_the_number():
    x = rg.tensor(3.0)
    for out in (x.cumsum(0), x.cumprod(-1), x.cummax(0).values, x.logcumsumexp(0)):
        assert 3 == out.item()
    with pytest.raises(IndexError, match="cumsum: Dimension out of range"):
        x.cumsum(1)


def test_diff_takes_edges_and_orders():
    x = rg.tensor([1.0, 4.0, 9.0])
    assert [1, 3, 5] == rg.diff(x, prepend=rg.tensor([0.0])).tolist()
    assert [2] == rg.diff(x, 2).tolist()
    assert [] == rg.diff(x, 9).tolist()
    assert [False, True] == rg.diff(rg.tensor([True, True, False])).tolist()
    with pytest.raises(RuntimeError, match="order must be non-negative but got -1"):
        rg.diff(x, -1)


def test_trapezoids_take_points_or_a_distance():
    y = rg.tensor([1.0, 2.0, 3.0])
    assert 6.5 == rg.trapezoid(y, rg.tensor([0.0, 1.0, 3.0])).item()
    assert 8 == rg.trapezoid(y, dx=2).item()
    assert [3, 8] == rg.cumulative_trapezoid(y, dx=2).tolist()
    with pytest.raises(RuntimeError, match="one `x` value for each sample point"):
        rg.trapezoid(y, rg.tensor([0.0, 1.0]))


def test_gradient_is_exact_for_parabolas_with_second_order_edges():
    x = rg.tensor([0.0, 1.0, 2.5, 4.0, 7.0], dtype=rg.float64)
    assert pytest.approx((2 * x).tolist()) == rg.gradient(x * x, spacing=(x,), edge_order=2)[0].tolist()
    with pytest.raises(RuntimeError, match="edge_order"):
        rg.gradient(x, edge_order=3)
