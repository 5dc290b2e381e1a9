"""Reductions as users call them: overloads, dtypes, ties, zeros, what is refused."""

import math

import numpy as np
import pytest

import regrad as rg


def leaf(values, dtype=rg.float64):
    return rg.tensor(values, dtype=dtype).requires_grad_()


def gradient(out, x):
    (g,) = rg.autograd.grad(out.sum(), x)
    return g.tolist()


@pytest.mark.parametrize("dtype", [rg.bool, rg.uint8, rg.int32, rg.int64])
def test_whole_numbers_are_summed_and_multiplied_in_int64(dtype):
    x = rg.tensor([1, 1, 0], dtype=dtype)
    assert x.sum().dtype is rg.int64
    assert x.prod().dtype is rg.int64
    assert x.sum(dtype=rg.float32).dtype is rg.float32
    assert x.prod(dtype=rg.int32).dtype is rg.int32


def test_a_full_reduction_is_a_0d_tensor_of_the_same_dtype():
    for dtype in (rg.float16, rg.float32, rg.float64):
        x = rg.ones(3, 4, dtype=dtype)
        for out in (x.sum(), x.mean(), x.amax(), x.var(), x.norm(), x.logsumexp((0, 1)), x.median()):
            assert ((), dtype) == (out.shape, out.dtype)


def test_an_empty_list_of_dims_means_all_of_them():
    x = rg.arange(6.0).reshape(2, 3)
    for name in ("sum", "mean", "amax", "amin", "nansum"):
        assert () == getattr(x, name)(()).shape


def test_an_empty_list_of_dims_means_none_of_them_for_all_and_any():
    x = rg.tensor([[True, False]])
    assert [[True, False]] == x.any([]).tolist() == x.all(()).tolist()


def test_half_precision_is_summed_in_float32():
    assert 4096 == rg.full((4096,), 1.0, dtype=rg.float16).sum().item()
    assert 1 == rg.full((70_000,), 1.0, dtype=rg.float16).mean().item()


def test_float32_sums_as_accurately_as_numpy(rng):
    x = rng.random(1_000_000, dtype=np.float32)
    assert pytest.approx(x.sum(dtype=np.float64), rel=1e-6) == rg.tensor(x).sum().item()


def test_a_sum_saves_nothing_but_a_shape():
    assert ((3,),) == rg.ones(3, requires_grad=True).sum().grad_fn.saved


def test_a_dim_that_is_not_there_is_refused():
    x = rg.ones(2, 3)
    with pytest.raises(IndexError, match=r"sum: Dimension out of range .* \[-2, 1\], but got 2"):
        x.sum(2)
    with pytest.raises(RuntimeError, match="dim 0 appears multiple times"):
        x.sum((0, -2))
    with pytest.raises(TypeError, match=r"sum\(\): argument 'input' must be Tensor, not list"):
        rg.sum([1.0, 2.0], 0)


def test_a_mean_of_integers_is_refused():
    with pytest.raises(RuntimeError, match="Got: Long"):
        rg.tensor([1, 2]).mean()
    assert 1.5 == rg.tensor([1, 2]).mean(dtype=rg.float32).item()


def test_max_has_three_forms():
    x = rg.tensor([[1.0, 5.0], [3.0, 2.0]])
    assert 5 == x.max().item()
    values, indices = x.max(dim=1)
    assert ([5, 3], [1, 0]) == (values.tolist(), indices.tolist())
    assert (2, 1) == x.max(1, True).indices.shape
    assert [[2.5, 5], [3, 2.5]] == rg.max(x, rg.tensor(2.5)).tolist()
    assert [[1, 2.5], [2.5, 2]] == rg.min(x, other=rg.tensor(2.5)).tolist()


def test_results_of_several_parts_print_their_names():
    assert "regrad.return_types.max(\nvalues=tensor(2.),\nindices=tensor(1))" == repr(rg.tensor([1.0, 2.0]).max(0))


def test_equal_elements_share_the_gradient_of_an_extreme_but_not_of_one_with_indices():
    x = leaf([2.0, 1.0, 2.0])
    assert [0.5, 0, 0.5] == gradient(x.amax(0), x) == gradient(x.max(), x)
    assert [1, 0, 0] == gradient(x.max(0).values, x)
    assert [0, 1, 0] == gradient(x.aminmax().min, x)


def test_a_nan_is_the_largest_and_takes_the_gradient():
    x = leaf([1.0, math.nan])
    assert math.isnan(x.max().item())
    assert [0, 1] == gradient(x.max(), x)


@pytest.mark.parametrize("values", [[0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
def test_the_gradient_of_a_product_holds_at_zeros_to_the_second_order(values):
    x = leaf(values)
    a, b, c = values
    (g,) = rg.autograd.grad(x.prod(), x, create_graph=True)
    assert [b * c, a * c, a * b] == g.tolist()
    (second,) = rg.autograd.grad(g[0], x)
    assert [0, c, b] == second.tolist()


def test_variance_without_a_degree_of_freedom_is_nan_or_inf_and_warns_of_nothing():
    assert math.isnan(rg.tensor([1.0]).var().item())
    assert math.inf == rg.tensor([1.0, 2.0]).var(correction=2).item()


def test_var_takes_the_old_overloads():
    x = rg.tensor([[1.0, 2.0], [3.0, 7.0]])
    assert x.var(correction=0).item() == x.var(unbiased=False).item() == x.var(False).item()
    assert (1, 2) == x.var(0, False, True).shape
    assert [x.std(False).item(), x.mean().item()] == [t.item() for t in rg.std_mean(x, False)]


def test_the_gradient_of_std_and_norm_is_zero_where_they_are_zero():
    x = leaf([0.0, 0.0])
    for out in (x.std(), x.norm(), x.norm(3), x.norm(1)):
        assert [0, 0] == gradient(out, x)


def test_logsumexp_neither_overflows_nor_loses_infinities():
    assert pytest.approx(1000 + math.log(2)) == rg.tensor([1000.0, 1000.0]).logsumexp(0).item()
    assert -math.inf == rg.tensor([-math.inf, -math.inf]).logsumexp(0).item()
    assert math.inf == rg.tensor([math.inf, 1.0]).logsumexp(0).item()


def test_norm_takes_names_and_orders():
    x = rg.tensor([[3.0, 0.0], [0.0, -4.0]])
    assert pytest.approx([5, 5, 7]) == [x.norm().item(), x.norm("fro", (0, 1)).item(), x.norm("nuc").item()]
    assert [2, 7, 4, 0] == [x.norm(p).item() for p in (0, 1, math.inf, -math.inf)]
    assert 4 == rg.dist(x, x + 1, 1).item()


def test_nan_is_left_out_where_the_name_says_so():
    x = leaf([math.nan, 2.0, 4.0])
    assert (6, 3) == (rg.nansum(x).item(), rg.nanmean(x).item())
    assert [0, 0.5, 0.5] == gradient(rg.nanmean(x), x)
