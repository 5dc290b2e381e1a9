"""What the indexing functions take, refuse and leave to the laws: checks, broadcasting, in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import regrad as rg

X = np.arange(6.0).reshape(2, 3)


def tensor(*values: float) -> Any:
    return rg.tensor(list(values), dtype=rg.float64) if values else rg.tensor(X.copy())


K = rg.tensor([0, 2])


@pytest.mark.parametrize(
    ("call", "raises", "text"),
    [(lambda: rg.index_select(tensor(), 1, rg.tensor([3])), IndexError, "index out of range in self"),
     (lambda: rg.index_select(tensor(), 1, rg.tensor([-1])), IndexError, "index out of range in self"),
     (lambda: rg.index_select(tensor(), 2, K), IndexError, "Dimension out of range"),
     (lambda: rg.index_select(tensor(), 1, rg.tensor([1.0])), RuntimeError,
      "Expected dtype int32/int64 for index"),
     (lambda: rg.index_select(tensor(), 1, rg.tensor([[1]])), IndexError, "Index is supposed to be a vector"),
     (lambda: rg.index_select(tensor(), 1, [1]), TypeError,
      "argument 'index' (position 3) must be Tensor, not list"),
     (lambda: rg.index_select([1.0], 0, K), TypeError,
      "argument 'input' (position 1) must be Tensor, not list"),
     (lambda: rg.index_select(tensor(1.0)[0], 0, K), RuntimeError, "Index to scalar can have only 1 value"),
     (lambda: rg.index_add(tensor(), 1, K, tensor()), RuntimeError,
      "Number of indices (2) should be equal to"),
     (lambda: rg.index_add(tensor(), 1, K, tensor(1)), RuntimeError,
      "source tensor shape must match self tensor shape"),
     (lambda: rg.index_add(tensor(), 1, K, rg.ones(2, 2)), RuntimeError, "must have the same scalar type"),
     (lambda: rg.index_copy(tensor(), 1, K, tensor()), IndexError,
      "Number of indices (2) should be equal to"),
     (lambda: rg.index_fill(tensor(), 1, rg.tensor([[1]]), 0), RuntimeError,
      "Index has to be a vector/scalar"),
     (lambda: rg.index_fill(tensor(), 1, K, rg.ones(1)), RuntimeError,
      "only supports a 0-dimensional value tensor"),
     (lambda: rg.index_fill(tensor(), 1, rg.tensor([3]), 0), IndexError,
      "index 3 is out of bounds for dimension 1"),
     (lambda: rg.take(tensor(), rg.tensor([6])), IndexError,
      "out of range: tried to access index 6 on a tensor of 6"),
     (lambda: rg.take(tensor(), rg.tensor([0], dtype=rg.int32)), RuntimeError,
      "Expected a long tensor for index"),
     (lambda: rg.take(rg.zeros(0), rg.tensor([0])), IndexError, "tried to take from an empty tensor"),
     (lambda: rg.put(tensor(), K, tensor(1)), IndexError,
      "Expected source and index to have the same number"),
     (lambda: rg.masked_fill(tensor(), tensor(), 0), RuntimeError,
      "masked_fill_ only supports boolean masks"),
     (lambda: rg.masked_fill(tensor(), tensor() > 1, 1j), RuntimeError, "without overflow"),
     (lambda: rg.masked_select(tensor(), rg.tensor([True])[:0]), RuntimeError,
      "must match the size of tensor b (0)"),
     (lambda: rg.masked_scatter(tensor(), tensor() > 0, tensor(1)), RuntimeError,
      "Number of elements of source <"),
     (lambda: rg.fill(tensor(), rg.ones(1)), RuntimeError, "fill_ only supports 0-dimension value tensor"),
     (lambda: rg.unravel_index(tensor(1), (2,)), TypeError, "expected 'indices' to be integer dtype"),
     (lambda: rg.unravel_index(K, (-2,)), ValueError, "cannot have negative values"),
     (lambda: rg.tril_indices(-1, 2), RuntimeError, "row must be non-negative"),
     (lambda: rg.nonzero_static(K, size=-1), RuntimeError, "non-negative integer")],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(call: Any, raises: type[Exception], text: str) -> None:
    with pytest.raises(raises) as caught:
        call()
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("call", "want"),
    [(lambda x, k, s: rg.index_select(x, 0, k), 3.0), (lambda x, k, s: rg.index_add(x, 0, k, s), 5.0),
     (lambda x, k, s: rg.index_copy(x, -1, k, s), 2.0), (lambda x, k, s: rg.index_fill(x, 0, k, 7), 7.0),
     (lambda x, k, s: rg.put(x, k[0], s), 2.0), (lambda x, k, s: rg.take(x, k[0]), 3.0)],
)  # fmt: skip
def test_a_tensor_of_no_dimensions_counts_as_one_element(call: Any, want: float) -> None:
    out = call(rg.tensor(3.0), rg.tensor([0]), rg.tensor(2.0))
    assert (out.shape, out.item()) == ((), want)


def test_alpha_scales_the_source_in_its_own_dtype() -> None:
    assert rg.index_add(rg.zeros(2), 0, rg.tensor([1]), rg.tensor([3.0]), alpha=-2).tolist() == [0.0, -6.0]
    assert rg.index_add(rg.tensor([0, 0]), 0, rg.tensor([1]), rg.tensor([3]), alpha=1.5).tolist() == [0, 3]


def test_positions_are_counted_in_rows_whatever_the_layout() -> None:
    x = tensor().t()
    assert rg.take(x, rg.tensor([1, -1])).tolist() == [3.0, 5.0]
    assert rg.put(x, rg.tensor([1]), tensor(9)).tolist() == [[0, 9], [1, 4], [2, 5]]


def test_masks_broadcast_against_the_input() -> None:
    mask = rg.tensor([True, False, True])
    assert rg.masked_select(tensor(), mask).tolist() == [0, 2, 3, 5]
    assert rg.masked_select(rg.tensor(4.0), rg.tensor(True)).tolist() == [4.0]
    assert rg.masked_fill(rg.zeros(1), mask, 1).tolist() == [1, 0, 1]
    assert rg.masked_scatter(rg.zeros(1), mask, rg.tensor([[5.0], [6.0]])).tolist() == [5, 0, 6]
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        rg.zeros(1).masked_fill_(mask, 1)


def test_a_number_takes_the_dtype_of_what_it_fills() -> None:
    whole = rg.tensor([1, 2])
    assert rg.masked_fill(whole, whole > 1, 7.9).tolist() == [1, 7]
    assert rg.masked_fill(whole.to(rg.uint8), whole > 1, -1).tolist() == [1, 255]
    with pytest.raises(RuntimeError, match="without overflow"):
        rg.masked_fill(whole.to(rg.uint8), whole > 1, 256)


def test_the_filling_value_gets_the_sum_of_its_gradients() -> None:
    x, v = rg.ones(2, 3, requires_grad=True), rg.tensor(5.0, requires_grad=True)
    rg.masked_fill(x, rg.tensor([True, False, True]), v).sum().backward()
    assert (x.grad.tolist(), v.grad.item()) == ([[0, 1, 0], [0, 1, 0]], 4.0)


def test_a_gradient_that_is_infinite_elsewhere_does_not_reach_the_filling_value() -> None:
    v = rg.tensor(0.5, requires_grad=True)
    rg.masked_fill(rg.zeros(2, requires_grad=True), rg.tensor([True, False]), v).sqrt().sum().backward()
    assert v.grad.item() == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(
    ("name", "args"),
    [("index_add_", (1, K, rg.ones(2, 2, dtype=rg.float64))),
     ("index_copy_", (1, K, rg.ones(2, 2, dtype=rg.float64))),
     ("index_fill_", (1, K, 3)), ("masked_fill_", (rg.tensor([True, False, True]), 3)),
     ("put_", (K, tensor(1, 2))),
     ("masked_scatter_", (rg.tensor([True, False, True]), tensor(1, 2, 3, 4)))],
)  # fmt: skip
def test_in_place_is_the_same_and_one_version_later(name: str, args: Any) -> None:
    x = tensor()
    want = getattr(rg, name[:-1])(x, *args)
    assert getattr(x, name)(*args) is x
    assert (x.tolist(), x._version) == (want.tolist(), 1)


def test_nonzero_gives_rows_or_one_vector_for_each_dimension() -> None:
    x = rg.tensor([[0.0, 2.0], [3.0, 0.0]])
    assert rg.nonzero(x).tolist() == [[0, 1], [1, 0]]
    assert [k.tolist() for k in x.nonzero(as_tuple=True)] == [[0, 1], [1, 0]]
    assert x[x.nonzero(as_tuple=True)].tolist() == [2.0, 3.0]
    assert rg.nonzero(rg.tensor(3.0)).shape == (1, 0)
    assert rg.nonzero(rg.tensor(0.0), as_tuple=True)[0].shape == (0,)
    assert rg.where(x > 2)[0].tolist() == [1]


def test_triangles_have_the_dtype_asked_for() -> None:
    lower = rg.tril_indices(2, 3, -1, dtype=rg.int32)
    assert (lower.tolist(), lower.dtype) == ([[1], [0]], rg.int32)
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        rg.triu_indices(2, 2, size=3)
