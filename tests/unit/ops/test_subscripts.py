"""Brackets: what an index means, views and copies, writing, and what each does to gradients and versions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import regrad as rg
from regrad.graph.value import wrap

X = np.arange(24.0).reshape(2, 3, 4)


def tensor(requires_grad: bool = False) -> Any:
    return rg.tensor(X.copy(), requires_grad=requires_grad)


# -- reading


ALL = slice(None)
KEYS = [
    0, -1, slice(1, None), slice(None, None, 2), (0, 1), (..., 0), None, ..., (), (ALL, None, 1), [0, 1],
    (0, [1, 2]),
    ([0, 1], [2, -1]), (ALL, [0, 2], [1, 3]), ([0, 1], ALL, [1, 2]), np.array([1, 0]), range(2),
    [True, False], [],
    (ALL, [[0, 1], [2, 0]]), np.array([[True, False, True], [False, True, True]]),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_an_index_reads_what_numpy_reads(key: Any) -> None:
    np.testing.assert_array_equal(tensor()[key].numpy(), X[key])


def test_an_integer_beside_an_index_tensor_is_taken_first() -> None:
    assert tensor()[0, :, [1, 2]].shape == (3, 2)  # NumPy would put the indexed dimension in front


@pytest.mark.parametrize(
    ("key", "shape"),
    [(True, (1, 2, 3, 4)), (False, (0, 2, 3, 4)), ((0, True), (1, 3, 4)), ((True, [0, 1]), (2, 3, 4))],
)
def test_a_truth_value_is_a_mask_over_a_new_dimension(key: Any, shape: Any) -> None:
    assert tensor()[key].shape == shape


def test_a_zero_dimensional_tensor_is_an_integer_and_gives_a_view() -> None:
    x = tensor()
    x[rg.tensor(1)].fill_(0)
    assert not x[1].any()


def test_narrow_positions_do_not_overflow_when_they_are_combined() -> None:
    x = wrap(np.broadcast_to(np.arange(50_000), (50_000, 50_000)))  # its rows share their memory
    k = rg.tensor([49_999, -1], dtype=rg.int32)
    assert x[k, k].tolist() == [49_999, 49_999]


def test_a_byte_mask_warns_and_is_a_mask() -> None:
    with pytest.warns(UserWarning, match="uint8 is now deprecated"):
        assert tensor()[rg.tensor([1, 0], dtype=rg.uint8)].shape == (1, 3, 4)


def test_a_list_of_sequences_warns_and_counts_as_a_tuple() -> None:
    with pytest.warns(UserWarning, match="non-tuple sequence"):
        assert tensor()[[[0, 1], [1, 0]]].shape == (2, 4)


@pytest.mark.parametrize(
    ("key", "raises", "text"),
    [(2, IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
     ((0, 5), IndexError, "index 5 is out of bounds for dimension 1 with size 3"),
     ((0, 0, 0, 0), IndexError, "too many indices for tensor of dimension 3"),
     (slice(None, None, -1), ValueError, "step must be greater than zero"),
     (slice(None, None, 0), ValueError, "slice step cannot be zero"),
     ([5], IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
     (([0, 1, 0], [0, 1]), IndexError, "could not be broadcast together with shapes [3], [2]"),
     (np.array([True]), IndexError, "The shape of the mask [1] at index 0 does not match"),
     (np.array([1.0]), IndexError, "tensors used as indices must be long, int, byte or bool tensors"),
     (1.0, IndexError, "only integers, slices"), ((..., ...), IndexError, "a single ellipsis")],
)  # fmt: skip
def test_an_index_that_means_nothing_is_refused(key: Any, raises: type[Exception], text: str) -> None:
    for act in (lambda: tensor()[key], lambda: tensor().__setitem__(key, 1.0)):
        with pytest.raises(raises) as caught:
            act()
        assert text in str(caught.value)


def test_a_basic_index_is_one_node_and_shares_memory() -> None:
    x = tensor(True)
    y = x[0, 1:, None]
    assert y.grad_fn.next_functions[0][0].variable is x
    assert np.shares_memory(y.detach().numpy(), x.detach().numpy())
    assert not np.shares_memory(x[[0]].detach().numpy(), x.detach().numpy())


@pytest.mark.parametrize(
    ("key", "name"),
    [(0, "SelectBackward0"), (slice(1), "SliceBackward0"), (None, "UnsqueezeBackward0"),
     (..., "AliasBackward0"),
     ([0], "IndexBackward0")],
)  # fmt: skip
def test_nodes_have_the_names_of_pytorch(key: Any, name: str) -> None:
    assert tensor(True)[key].grad_fn.name() == name


def test_the_gradient_of_repeated_positions_adds_up() -> None:
    x = rg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[[2, 0, 2, -1]].sum().backward()
    assert x.grad.tolist() == [1.0, 0.0, 3.0]


# -- writing


WRITES = [
    (0, 7.0), (ALL, 7), ((..., 1), np.arange(3.0)), ((0, 1), np.arange(4.0)), ([1, 0], np.arange(4.0)),
    (X > 3, 0.5),
    (([0, 1], [2, -1]), np.arange(8.0).reshape(2, 4)), (X > 21, np.array([7.0, 8.0])), (True, 5.0),
    ((None, 0), 2.0),
    ((ALL, [0, 2], [1, 3]), np.arange(2.0)), (([0, 1], ALL, [1, 2]), np.arange(3.0)),
    (([0, 1], 1), np.ones((1, 4))),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), WRITES)
def test_writing_changes_what_numpy_would_change(key: Any, value: Any) -> None:
    x, want = tensor(), X.copy()
    x[key] = rg.tensor(value) if isinstance(value, np.ndarray) else value
    want[key] = value
    np.testing.assert_array_equal(x.numpy(), want)
    assert x._version == 1


def test_leading_dimensions_of_size_one_of_a_value_are_dropped() -> None:
    x, v = tensor(), rg.ones(1, 1, 4, dtype=rg.float64, requires_grad=True)
    x[0, 1] = v
    x[[0], 2] = v[None]
    x.sum().backward()
    assert v.grad.tolist() == [[[2.0] * 4]]


def test_a_mask_of_nothing_and_false_write_nothing() -> None:
    x = tensor()
    x[False] = 5.0
    x[x < 0] = 5.0
    np.testing.assert_array_equal(x.numpy(), X)


@pytest.mark.parametrize(
    ("key", "value", "raises", "text"),
    [(0, [1.0], TypeError, "can't assign a list"), (0, np.ones(4), TypeError, "can't assign a ndarray"),
     (0, 1j, RuntimeError, "cannot be converted to type regrad.float64 without overflow"),
     (0, rg.ones(3), RuntimeError, "must match the existing size"),
     ([0], rg.ones(3, dtype=rg.float64), RuntimeError, "shape mismatch: value tensor of shape [3] cannot be"),
     ([0], rg.ones(4, dtype=rg.float32), RuntimeError, "match, got regrad.float64 for the destination")],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_and_nothing_is_written(
    key: Any, value: Any, raises: type[Exception], text: str
) -> None:
    x = tensor()
    with pytest.raises(raises) as caught:
        x[key] = value
    assert text in str(caught.value)
    np.testing.assert_array_equal(x.numpy(), X)


def test_a_mask_takes_a_single_value_of_another_dtype() -> None:
    x = tensor()
    x[x > 3] = rg.tensor(1, dtype=rg.int64)
    assert x.sum().item() == 0 + 1 + 2 + 3 + 20


@pytest.mark.parametrize("key", [0, ..., [0], (slice(None), 1)])
def test_writing_to_a_leaf_that_requires_grad_is_refused(key: Any) -> None:
    x = tensor(True)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x[key] = 1.0
    with rg.no_grad():
        x[key] = 1.0


@pytest.mark.parametrize("key", [0, (slice(None), 1), [0], ([0, 1], slice(None), [1, 2])])
def test_the_gradient_goes_to_the_value_and_no_longer_to_what_it_replaced(key: Any) -> None:
    x = tensor(True)
    v = rg.tensor(2.0, dtype=rg.float64, requires_grad=True)
    y = x * 1
    y[key] = v
    y.sum().backward()
    want = np.ones_like(X)
    want[key] = 0
    np.testing.assert_array_equal(x.grad.numpy(), want)
    assert v.grad.item() == (want == 0).sum()


def test_a_tensor_without_gradient_takes_one_over_from_what_is_written_into_it() -> None:
    x, v = rg.zeros(3), rg.tensor([2.0], requires_grad=True)
    x[1:2] = v * 3
    assert x.requires_grad
    (x * rg.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert v.grad.tolist() == [30.0]


def test_adding_in_place_to_a_part_counts_as_in_pytorch() -> None:
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    y[0] += 1
    assert y._version == 2
    y[[1]] *= 3
    assert y._version == 3
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 3.0]


def test_a_quotient_in_place_of_a_part_can_be_differentiated() -> None:
    x, w = rg.tensor([6.0, 2.0], requires_grad=True), rg.tensor(2.0, requires_grad=True)
    y = x * 1
    y[0] /= w  # the division saves its result, which lies in the memory of y
    y.sum().backward()
    assert (x.grad.tolist(), w.grad.item()) == ([0.5, 1.0], -1.5)


def test_a_detached_view_written_back_cuts_the_gradient() -> None:
    x = rg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    y[0] = y.detach()[0]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0]


def test_overlapping_parts_of_one_tensor_are_moved_as_if_copied_first() -> None:
    x = rg.arange(5.0)
    x[1:] = x[:-1]
    assert x.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]


def test_index_put_takes_positions_masks_and_none() -> None:
    x = rg.zeros(2, 3)
    k = rg.tensor([0, 0])
    assert rg.index_put(x, (k, k), rg.tensor([1.0, 2.0]), accumulate=True).tolist() == [[3, 0, 0], [0, 0, 0]]
    assert rg.index_put(x, (None, k), rg.tensor(4.0)).tolist() == [[4, 0, 0], [4, 0, 0]]
    assert x.index_put_((rg.tensor([True, False]),), rg.tensor(1.0)).tolist() == [[1, 1, 1], [0, 0, 0]]
    with pytest.raises(TypeError, match="must be tuple of Tensors"):
        rg.index_put(x, k, rg.tensor(1.0))
    with pytest.raises(RuntimeError, match="no index tensor"):
        rg.index_put(x, (), rg.tensor(1.0))


def test_index_put_between_unindexed_dimensions_leaves_its_input_alone() -> None:
    x, k = tensor(), rg.tensor([0, 1])
    y = rg.index_put(x, (k, None, k), rg.tensor(-1.0, dtype=rg.float64))
    want = X.copy()
    want[[0, 1], :, [0, 1]] = -1
    np.testing.assert_array_equal(y.numpy(), want)
    np.testing.assert_array_equal(x.numpy(), X)
