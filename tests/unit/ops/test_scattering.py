"""What gathering and scattering take, refuse and leave to the laws: checks, reductions, segments."""

from __future__ import annotations

from typing import Any

import pytest

import regrad as rg

X = rg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
K = rg.tensor([[0, 2], [1, 1]])
S = rg.tensor([[10.0, 20.0], [30.0, 40.0]])


@pytest.mark.parametrize(
    ("call", "raises", "text"),
    [(lambda: rg.gather(X, 1, K + 2), RuntimeError, "index 4 is out of bounds for dimension 1 with size 3"),
     (lambda: rg.gather(X, 1, K - 1), RuntimeError, "index -1 is out of bounds for dimension 1 with size 3"),
     (lambda: rg.gather(X, 2, K), IndexError, "Dimension out of range"),
     (lambda: rg.gather(X, 1, K[0]), RuntimeError,
      "Index tensor must have the same number of dimensions as input tensor"),
     (lambda: rg.gather(X, 1, rg.zeros(3, 1, dtype=rg.int64)), RuntimeError,
      "Size does not match at dimension 0"),
     (lambda: rg.gather(X, 1, S), RuntimeError, "Expected dtype int32/int64 for index"),
     (lambda: rg.scatter(X, 1, K, S.double()), RuntimeError, "Expected self.dtype to be equal to src.dtype"),
     (lambda: rg.scatter(X, 1, K, S[:, :1]), RuntimeError, "to be no larger size than src [2, 1]"),
     (lambda: rg.scatter(X, 1, K, S, reduce="max"), RuntimeError,
      "reduce argument must be either add or multiply"),
     (lambda: rg.scatter_add(X, 1, K, S[0]), RuntimeError, "same number of dimensions as src tensor"),
     (lambda: rg.scatter_add(X, 1, K, 1.0), TypeError,
      "argument 'src' (position 4) must be Tensor, not float"),
     (lambda: rg.scatter_reduce(X, 1, K, S, "max"), RuntimeError,
      "either sum, prod, mean, amax or amin, got max"),
     (lambda: rg.index_reduce(X, 1, K[0], S, "sum"), RuntimeError,
      "one of prod, mean, amax or amin but got sum"),
     (lambda: rg.take_along_dim(X, K[0], 1), RuntimeError, "should have the same number of dimensions"),
     (lambda: rg.take_along_dim(X, K.int(), 1), RuntimeError, "dtype of indices should be Long"),
     (lambda: rg.segment_reduce(X, "sum"), RuntimeError, "Either lengths or offsets must be defined"),
     (lambda: rg.segment_reduce(X, "all", lengths=K[0]), RuntimeError, "reduce argument must be either"),
     (lambda: rg.segment_reduce(X, "sum", lengths=rg.tensor([1])), RuntimeError,
      "Expected all rows of lengths")],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(call: Any, raises: type[Exception], text: str) -> None:
    with pytest.raises(raises) as caught:
        call()
    assert text in str(caught.value)


def test_scatter_takes_a_tensor_or_a_number() -> None:
    assert rg.scatter(X, 1, K, S).tolist() == [[10, 2, 20], [4, 40, 6]]
    assert rg.scatter(X, 1, K, -1).tolist() == rg.scatter(X, dim=1, index=K,
     value=-1).tolist() == [[-1, 2, -1], [4, -1, 6]]
    assert rg.scatter(X, 1, K, 2, reduce="multiply").tolist() == [[2, 2, 6], [4, 20, 6]]
    with pytest.warns(UserWarning, match="use scatter_reduce instead"):
        assert rg.scatter(X, 1, K, S, reduce="add").tolist() == [[11, 2, 23], [4, 75, 6]]


def test_a_source_larger_than_the_index_is_used_where_the_index_is_and_gets_its_gradient_there() -> None:
    src = rg.ones(2, 3, requires_grad=True)
    rg.scatter_add(X, 1, K, src).sum().backward()
    assert src.grad.tolist() == [[1, 1, 0], [1, 1, 0]]


def test_an_empty_index_changes_nothing() -> None:
    none = rg.zeros(0, 2, dtype=rg.int64)
    assert rg.gather(X, 0, none).shape == (0, 2)
    assert rg.scatter(X, 0, none, S).tolist() == rg.scatter_add(X, 0, none, S).tolist() == X.tolist()


@pytest.mark.parametrize(
    ("reduce", "include_self", "want"),
    [("sum", True, [[11, 2, 23], [4, 75, 6]]), ("sum", False, [[10, 2, 20], [4, 70, 6]]),
     ("prod", True, [[10, 2, 60], [4, 6000, 6]]), ("prod", False, [[10, 2, 20], [4, 1200, 6]]),
     ("mean", True, [[5.5, 2, 11.5], [4, 25, 6]]), ("mean", False, [[10, 2, 20], [4, 35, 6]]),
     ("amax", True, [[10, 2, 20], [4, 40, 6]]), ("amax", False, [[10, 2, 20], [4, 40, 6]]),
     ("amin", True, [[1, 2, 3], [4, 5, 6]]), ("amin", False, [[10, 2, 20], [4, 30, 6]])],
)  # fmt: skip
def test_every_reduction_counts_the_input_or_not(reduce: str, include_self: bool, want: Any) -> None:
    assert rg.scatter_reduce(X, 1, K, S, reduce, include_self=include_self).tolist() == want
    whole = rg.scatter_reduce(X.long(), 1, K, S.long(), reduce, include_self=include_self)
    assert whole.tolist() == [[int(v) for v in row] for row in want]


def test_those_that_tie_for_the_extreme_share_its_gradient() -> None:
    x, src = rg.tensor([2.0], requires_grad=True), rg.tensor([2.0, 2.0, 1.0], requires_grad=True)
    rg.scatter_reduce(x, 0, rg.tensor([0, 0, 0]), src, "amax").sum().backward()
    assert (x.grad.tolist(), src.grad.tolist()) == ([pytest.approx(1 / 3)],
     [pytest.approx(1 / 3)] * 2 + [0.0])


def test_a_product_with_zeros_has_the_gradient_of_a_product() -> None:
    x = rg.tensor([2.0, 0.0, 3.0], requires_grad=True)
    src = rg.tensor([5.0, 0.0, 7.0, 0.0, 0.0], requires_grad=True)
    rg.scatter_reduce(x, 0, rg.tensor([0, 0, 1, 2, 2]), src, "prod").sum().backward()
    assert x.grad.tolist() == [0.0, 7.0, 0.0]
    assert src.grad.tolist() == [0.0, 10.0, 0.0, 0.0, 0.0]


def test_slices_are_reduced_by_their_index() -> None:
    out = rg.index_reduce(X, 1, rg.tensor([2, 2]), S, "amax", include_self=False)
    assert out.tolist() == [[1, 2, 20], [4, 5, 40]]
    assert rg.index_reduce(rg.tensor(3.0), 0, rg.tensor([0]), rg.tensor(2.0), "prod").item() == 6


def test_positions_along_a_dimension_may_be_negative_and_broadcast() -> None:
    assert rg.take_along_dim(X, rg.tensor([[-1]]), 1).tolist() == [[3.0], [6.0]]
    assert rg.take_along_dim(X, rg.tensor([5, 0])).tolist() == [6.0, 1.0]
    assert rg.gather(rg.tensor(3.0), 0, rg.tensor([0, 0])).tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("reduce", "want", "started"),
    [("sum", [3, 0, 7], [5, 2, 9]), ("mean", [1.5, None, 3.5], [2.5, 2, 4.5]),
     ("prod", [2, 1, 12], [4, 2, 24]),
     ("max", [2, -float("inf"), 4], [2, 2, 4]), ("min", [1, float("inf"), 3], [1, 2, 2])],
)  # fmt: skip
def test_segments_may_be_empty_and_start_from_something(reduce: str, want: Any, started: Any) -> None:
    x, lengths, offsets = rg.tensor([1.0, 2.0, 3.0, 4.0]), rg.tensor([2, 0, 2]), rg.tensor([0, 2, 2, 4])
    got = rg.segment_reduce(x, reduce, lengths=lengths).tolist()
    assert [None if v != v else v for v in got] == want
    assert rg.segment_reduce(x, reduce, offsets=offsets, initial=2).tolist() == started


def test_segments_differ_from_row_to_row() -> None:
    out = rg.segment_reduce(X, "sum", lengths=rg.tensor([[1, 2], [3, 0]]), axis=1)
    assert out.tolist() == [[1, 5], [15, 0]]


def test_what_lies_outside_of_all_segments_does_not_count() -> None:
    x = rg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    out = rg.segment_reduce(x, "sum", lengths=rg.tensor([1, 1]), unsafe=True)
    out.sum().backward()
    assert (out.tolist(), x.grad.tolist()) == ([1, 2], [1, 1, 0])
