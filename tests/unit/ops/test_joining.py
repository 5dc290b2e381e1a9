"""Joining and splitting by their public names: promotion, one node for all pieces, refusals."""

import numpy as np
import pytest

import regrad as rg


def leaf(*shape):
    return rg.tensor(np.arange(1.0, np.prod(shape) + 1).reshape(shape)).requires_grad_()


@pytest.mark.parametrize("join", [rg.cat, rg.stack, rg.hstack, rg.vstack, rg.dstack, rg.column_stack])
def test_joining_promotes(join):
    assert rg.float64 is join([rg.ones(2, dtype=rg.int64), rg.ones(2, dtype=rg.float64)]).dtype


def test_an_empty_vector_may_stand_in_any_concatenation_and_gets_an_empty_gradient():
    empty, x = leaf(0), leaf(2, 3)
    out = rg.cat([empty, x], 1)
    assert (2, 3) == out.shape
    a, b = rg.autograd.grad(out.sum(), [empty, x])
    assert ((0,), (2, 3)) == (a.shape, b.shape)


@pytest.mark.parametrize(("tensors", "raises", "said"), [
    ([], ValueError, "expected a non-empty list of Tensors"),
    ([rg.ones(2), rg.tensor(1.0)], RuntimeError, "zero-dimensional tensor (at position 1)"),
    ([rg.ones(2), rg.ones(2, 2)], RuntimeError, "must have same number of dimensions: got 1 and 2"),
    (rg.ones(2), TypeError, "must be tuple of Tensors, not Tensor"),
])  # fmt: skip
def test_cat_says_what_it_cannot_join(tensors, raises, said):
    with pytest.raises(raises) as caught:
        rg.cat(tensors)
    assert said in str(caught.value)


@pytest.mark.parametrize("cut", [
    lambda x: x.unbind(), lambda x: x.split(1), lambda x: x.chunk(3), lambda x: x.split([1, 1, 1]),
])  # fmt: skip
def test_all_pieces_come_from_one_node(cut):
    x = leaf(3, 2)
    pieces = cut(x * 1)
    assert 1 == len({id(p.grad_fn) for p in pieces})
    assert [0, 1, 2] == [p.output_nr for p in pieces]
    (pieces[0] * 2 + pieces[2] * 3).sum().backward()  # the middle piece is not used
    assert [[2, 2], [0, 0], [3, 3]] == x.grad.tolist()


def test_pieces_are_differentiable_twice():
    x = leaf(2)  # 1 and 2
    first, last = (x * x).split(1)
    (g,) = rg.autograd.grad((first * last).sum(), x, create_graph=True)  # 2ab², 2a²b
    g.sum().backward()
    assert [2 * 4 + 4 * 2, 4 * 2 + 2 * 1] == x.grad.tolist()


def test_the_sizes_of_the_pieces():
    x = rg.ones(5)
    assert [2, 2, 1] == [len(p) for p in x.split(2)] == [len(p) for p in x.chunk(3)]
    assert [3, 3] == [len(p) for p in rg.ones(6).chunk(2)]
    assert [2, 1, 1, 1] == [len(p) for p in x.tensor_split(4)]
    assert [1, 3, 1] == [len(p) for p in x.tensor_split([1, 4])]
    assert [4, 0, 4] == [len(p) for p in x.tensor_split([-1, 1])]
    assert [0, 0] == [len(p) for p in rg.ones(0).chunk(2)]


@pytest.mark.parametrize(("call", "raises", "said"), [
    (lambda x: x.split(0), RuntimeError, "split_size can only be 0 if dimension size is 0"),
    (lambda x: x.split(-1), RuntimeError, "split_size be non-negative"),
    (lambda x: x.split([1, 1]), RuntimeError, "sum exactly to 4"),
    (lambda x: x.chunk(0), RuntimeError, "greater than 0"),
    (lambda x: x.hsplit(3), RuntimeError, "not divisible by the split_size 3"),
    (lambda x: x.vsplit(2), RuntimeError, "requires a tensor with at least 2 dimensions"),
    (lambda x: x.hsplit("two"), TypeError, "invalid combination of arguments"),
    (lambda x: rg.tensor(1.0).unbind(), IndexError, "tensor has no dimensions"),
    (lambda x: rg.stack([x, x[:2]]), RuntimeError, "but got [4] at entry 0 and [2] at entry 1"),
    (lambda x: rg.meshgrid(x.view(2, 2)), RuntimeError, "Expected 0D or 1D tensor"),
    (lambda x: rg.combinations(x.view(2, 2)), RuntimeError, "Expect a 1D vector"),
])  # fmt: skip
def test_a_refusal_says_what_is_taken(call, raises, said):
    with pytest.raises(raises) as caught:
        call(rg.ones(4))
    assert said in str(caught.value)


def test_meshgrid_costs_no_memory_and_can_change_the_first_two_places():
    a, b = rg.tensor([1, 2]), rg.tensor([3, 4, 5])
    rows, columns = rg.meshgrid(a, b)
    assert ((2, 3), (2, 3)) == (rows.shape, columns.shape)
    assert np.shares_memory(rows.numpy(), a.numpy())
    assert (3, 2) == rg.meshgrid(a, b, indexing="xy")[0].shape


def test_cartesian_prod_and_combinations_have_gradients():
    x = leaf(3)
    (rg.cartesian_prod(x, x).sum() + rg.combinations(x, with_replacement=True).sum()).backward()
    assert [10, 10, 10] == x.grad.tolist()


def test_the_edge_of_one_piece_stands_for_it_in_a_pass():
    x = leaf(3)
    pieces = (x * 1).unbind()
    edge = rg.autograd.graph.get_gradient_edge(pieces[1])
    (g,) = rg.autograd.grad(edge, x, rg.tensor(2.0, dtype=rg.float64))
    assert [0, 2, 0] == g.tolist()
