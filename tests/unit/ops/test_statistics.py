"""Quantiles, covariances and histograms against NumPy, and what they refuse."""

import math

import numpy as np
import pytest

import regrad as rg


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles_agree_with_numpy(rng, interpolation):
    x, q = rng.standard_normal((3, 6)), [0.0, 0.3, 0.5, 1.0]
    ours = rg.quantile(rg.tensor(x), rg.tensor(q, dtype=rg.float64), dim=1, interpolation=interpolation)
    np.testing.assert_allclose(ours.numpy(), np.quantile(x, q, axis=1, method=interpolation))


def test_a_quantile_has_a_gradient_in_both_arguments():
    x = rg.tensor([1.0, 5.0, 2.0]).requires_grad_()
    q = rg.tensor(0.25).requires_grad_()
    g, slope = rg.autograd.grad(rg.quantile(x, q), [x, q])
    assert ([0.5, 0, 0.5], 2) == (g.tolist(), slope.item())


def test_a_nan_makes_a_quantile_nan_unless_it_is_ignored():
    x = rg.tensor([[1.0, math.nan, 3.0], [1.0, 2.0, 3.0]])
    assert [True, False] == rg.quantile(x, 0.5, dim=1).isnan().tolist()
    assert [2, 2] == rg.nanquantile(x, 0.5, dim=1).tolist()


def test_the_dimension_of_a_quantile_is_kept_on_demand():
    x, q = rg.ones(2, 3), rg.tensor([0.1, 0.2])
    assert (2, 2, 1) == rg.quantile(x, q, dim=1, keepdim=True).shape
    assert (2, 1, 1) == rg.quantile(x, q, keepdim=True).shape
    assert (1, 1) == rg.quantile(x, 0.5, keepdim=True).shape


@pytest.mark.parametrize(
    ("x", "q", "options", "message"),
    [
        (rg.tensor([1, 2]), 0.5, {}, "must be either float or double"),
        (rg.tensor([1.0]), 2.0, {}, r"q must be in the range \[0, 1\] but got 2"),
        (rg.tensor([]), 0.5, {}, "must be non-empty"),
        (rg.tensor([1.0]), rg.tensor([2.0]), {}, "q values must be in the range"),
        (rg.tensor([1.0]), rg.tensor([[0.5]]), {}, "scalar or 1D"),
        (rg.tensor([1.0]), rg.tensor(0.5, dtype=rg.float64), {}, "same dtype"),
        (rg.tensor([1.0]), 0.5, {"interpolation": "cubic"}, "but got cubic"),
    ],
)
def test_a_quantile_that_makes_no_sense_is_refused(x, q, options, message):
    with pytest.raises(RuntimeError, match=message):
        rg.quantile(x, q, **options)


def test_covariances_agree_with_numpy(rng):
    x, f, a = rng.standard_normal((3, 8)), rng.integers(1, 4, 8), rng.random(8)
    ours = rg.cov(rg.tensor(x), fweights=rg.tensor(f), aweights=rg.tensor(a))
    np.testing.assert_allclose(ours.numpy(), np.cov(x, fweights=f, aweights=a))
    np.testing.assert_allclose(rg.corrcoef(rg.tensor(x)).numpy(), np.corrcoef(x))
    assert pytest.approx(x[0].var()) == rg.cov(rg.tensor(x[0]), correction=0).item()


def test_covariance_without_a_degree_of_freedom_warns():
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert math.isnan(rg.cov(rg.tensor([1.0])).item())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"fweights": rg.tensor([1, 2])}, "same numel"),
        ({"fweights": rg.tensor([1.0, 2.0, 3.0])}, "integral dtype"),
        ({"fweights": rg.tensor([-1, 2, 3])}, "cannot be negative"),
        ({"aweights": rg.tensor([[1.0, 2.0, 3.0]])}, "one or fewer dimensions"),
        ({"aweights": rg.tensor([0.0, 0.0, 0.0])}, "sum to zero"),
    ],
)
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(RuntimeError, match=message):
        rg.cov(rg.ones(2, 3), **weights)


def test_counts_add_weights_up():
    x = rg.tensor([0, 2, 2])
    assert [1, 0, 2, 0] == rg.bincount(x, minlength=4).tolist()
    assert rg.bincount(x, rg.tensor([1.0, 2.0, 3.0])).dtype is rg.float32
    assert rg.bincount(x, rg.tensor([1, 2, 3])).dtype is rg.float64
    with pytest.raises(RuntimeError, match="1-d non-negative"):
        rg.bincount(rg.tensor([-1]))
    with pytest.raises(NotImplementedError, match="float32"):
        rg.bincount(rg.tensor([1.0]))


def test_histograms_agree_with_numpy(rng):
    x, w = rng.standard_normal(50), rng.random(50)
    hist, edges = rg.histogram(rg.tensor(x), 7, weight=rg.tensor(w), density=True)
    want, steps = np.histogram(x, 7, weights=w, density=True)
    np.testing.assert_allclose(hist.numpy(), want)
    np.testing.assert_allclose(edges.numpy(), steps)
    np.testing.assert_array_equal(rg.histc(rg.tensor(x), 7, -1, 1).numpy(), np.histogram(x, 7, (-1, 1))[0])


def test_histograms_of_points_agree_with_numpy(rng):
    x = rng.standard_normal((40, 2))
    hist, edges = rg.histogramdd(rg.tensor(x), [3, 4], range=[-2, 2, -1, 1])
    want, steps = np.histogramdd(x, [3, 4], [(-2, 2), (-1, 1)])
    np.testing.assert_array_equal(hist.numpy(), want)
    for ours, theirs in zip(edges, steps, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs)


def test_bins_have_a_width_even_where_the_data_has_none():
    assert [0, 2, 0] == rg.histc(rg.tensor([1.0, 1.0]), 3).tolist()
    assert [0.5, 1, 1.5] == rg.histogram(rg.tensor([1.0, 1.0]), 2).bin_edges.tolist()
    assert [0, 0.5, 1] == rg.histogram(rg.tensor([]), 2).bin_edges.tolist()


def test_ranges_that_are_not_finite_are_refused():
    with pytest.raises(RuntimeError, match="is not finite"):
        rg.histc(rg.tensor([1.0, math.inf]), 2)
    with pytest.raises(RuntimeError, match="max must be larger than min"):
        rg.histc(rg.tensor([1.0]), 2, 3, 1)
