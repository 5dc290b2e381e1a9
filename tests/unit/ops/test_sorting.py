"""Sorting and searching as users call them."""

import math

import numpy as np
import pytest

import regrad as rg


def test_sorting_is_stable_both_ways_and_nan_is_the_largest():
    x = rg.tensor([2.0, math.nan, 1.0, 2.0])
    assert [2, 0, 3, 1] == x.sort().indices.tolist()
    assert [1, 0, 3, 2] == x.sort(descending=True).indices.tolist()
    assert [1, 0, 3, 2] == x.argsort(descending=True).tolist()


def test_the_gradient_goes_where_the_element_came_from():
    x = rg.tensor([3.0, 1.0, 2.0]).requires_grad_()
    for out, expected in (
        (x.sort().values * rg.tensor([1.0, 10.0, 100.0]), [100, 1, 10]),
        (x.topk(2).values, [1, 0, 1]),
        (x.kthvalue(2).values, [0, 0, 1]),
        (x.median(), [0, 0, 1]),
        (x.msort()[0], [0, 1, 0]),
    ):
        (g,) = rg.autograd.grad(out.sum(), x)
        assert expected == g.tolist()


@pytest.mark.parametrize("largest", [True, False])
def test_few_of_many_are_the_same_as_sorting_all(rng, largest):
    x = rng.integers(0, 50, (3, 500)).astype(float)
    x[0, 7] = np.nan
    values, indices = rg.tensor(x).topk(5, largest=largest)
    np.testing.assert_array_equal(values.numpy(), rg.tensor(x).sort(descending=largest).values[:, :5].numpy())
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, indices.numpy(), 1))


def test_the_median_of_an_even_number_is_the_lower_one():
    assert 2 == rg.tensor([4.0, 1.0, 3.0, 2.0]).median().item()
    assert [3, 1] == rg.tensor([[4.0, 1.0], [3.0, 2.0]]).median(0).values.tolist()
    assert math.isnan(rg.tensor([1.0, math.nan, 2.0]).median().item())
    assert 1 == rg.tensor([1.0, math.nan, 2.0]).nanmedian(0).values.item()


def test_long_lines_have_the_same_order_statistics_as_numpy(rng):
    x = rng.standard_normal((4, 301))
    np.testing.assert_array_equal(rg.tensor(x).median(1).values.numpy(), np.median(x, 1))
    np.testing.assert_array_equal(rg.tensor(x).kthvalue(10, 1).values.numpy(), np.sort(x, 1)[:, 9])


def test_the_mode_is_the_smallest_of_the_commonest():
    assert 1 == rg.tensor([2, 1, 2, 1, 3]).mode().values.item()
    assert [True] == rg.tensor([[True, False, True]]).mode(1).values.tolist()


def test_numbers_are_searched_too():
    line = rg.tensor([1.0, 3.0, 3.0])
    assert 1 == rg.searchsorted(line, 3).item()
    assert rg.searchsorted(line, 3, side="right", out_int32=True).dtype is rg.int32
    assert 1 == rg.bucketize(2.0, line).item()
    assert [1] == rg.searchsorted(rg.tensor([3.0, 1.0]), rg.tensor([2.0]), sorter=rg.tensor([1, 0])).tolist()


def test_a_search_that_makes_no_sense_is_refused():
    line, table = rg.tensor([1.0, 2.0]), rg.ones(2, 3)
    with pytest.raises(RuntimeError, match="side and right can't be set to opposites"):
        rg.searchsorted(line, 1, side="left", right=True)
    with pytest.raises(RuntimeError, match="side can only be 'left' or 'right' but got up"):
        rg.searchsorted(line, 1, side="up")
    with pytest.raises(RuntimeError, match="input value can be a scalar only"):
        rg.searchsorted(table, 1)
    with pytest.raises(RuntimeError, match="first N-1 dimensions"):
        rg.searchsorted(table, rg.ones(3, 2))
    with pytest.raises(RuntimeError, match="same size"):
        rg.searchsorted(line, 1, sorter=rg.tensor([0]))
    with pytest.raises(RuntimeError, match="boundaries tensor must be 1 dimension"):
        rg.bucketize(line, table)


def test_distinct_elements_come_with_where_they_went_and_how_often():
    x = rg.tensor([[3, 1], [3, 2]])
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert ([1, 2, 3], [[2, 0], [2, 1]], [1, 1, 2]) == (values.tolist(), inverse.tolist(), counts.tolist())
    assert rg.equal(values[inverse], x)


def test_distinct_slices_are_found_along_a_dimension():
    x = rg.tensor([[2, 1], [0, 5], [2, 1]])
    values, inverse, counts = x.unique(dim=0, return_inverse=True, return_counts=True)
    assert ([[0, 5], [2, 1]], [1, 0, 1], [1, 2]) == (values.tolist(), inverse.tolist(), counts.tolist())
    assert x.tolist() == x.unique_consecutive(dim=0).tolist()
    with pytest.raises(RuntimeError, match="0 sized dimensions"):
        rg.ones(2, 0).unique(dim=0)


def test_each_nan_is_distinct():
    assert 2 == len(rg.tensor([math.nan, math.nan]).unique())
