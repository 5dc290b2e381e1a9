"""Writing through views, views that overlap, and tensors that take another layout in place."""

import numpy as np
import pytest

import regrad as rg


def leaf(*shape):
    return rg.tensor(np.arange(1.0, np.prod(shape) + 1).reshape(shape)).requires_grad_()


# -- writing through views


def test_a_write_through_a_view_gives_its_base_and_its_other_views_a_new_history():
    x = leaf(2, 3)
    base = x * 1
    row, column = base.select(0, 0), base.select(1, 1)
    row.mul_(10)
    assert "CopySlices" == base.grad_fn.name()
    assert "SelectBackward0" == column.grad_fn.name()
    (column.sum() + base.sum()).backward()
    assert [[10, 20, 10], [1, 2, 1]] == x.grad.tolist()


def test_a_write_through_a_view_of_a_view_reaches_the_base():
    x = leaf(2, 3)
    base = x * 1
    base.t().narrow(0, 1, 2).select(1, 0).mul_(3)
    base.sum().backward()
    assert [[1, 3, 3], [1, 1, 1]] == x.grad.tolist()


def test_a_write_to_the_base_reaches_the_gradient_of_an_older_view():
    x = leaf(4)
    base = x * 1
    seen = base.view(2, 2)
    base.mul_(rg.tensor([1.0, 2, 3, 4], dtype=rg.float64))
    seen.sum().backward()
    assert [1, 2, 3, 4] == x.grad.tolist()


def test_a_tensor_written_into_a_part_gets_its_gradient_from_there():
    x, src = leaf(2, 2), leaf(2)
    base = x * 1
    base.diagonal().copy_(src)
    (base * rg.tensor([[1.0, 2], [3, 4]], dtype=rg.float64)).sum().backward()
    assert [[0, 2], [3, 0]] == x.grad.tolist()
    assert [1, 4] == src.grad.tolist()


def test_a_view_of_a_leaf_cannot_be_written_to_while_recording():
    x = leaf(2)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad is being used"):
        x.view(2, 1).mul_(2)
    with rg.no_grad():
        x.view(2, 1).mul_(2)
    assert [2, 4] == x.tolist()


@pytest.mark.parametrize("cut", [lambda x: x.unbind(), lambda x: x.split(1), lambda x: x.chunk(2)])
def test_one_of_several_views_cannot_be_written_to_if_that_would_be_recorded(cut):
    with pytest.raises(RuntimeError, match=r"Output 0 of .* is a view and is being modified inplace"):
        cut(leaf(2) * 1)[0].mul_(2)
    with pytest.raises(RuntimeError, match=r"Output 1 of .* is a view and is being modified inplace"):
        cut(rg.zeros(2, dtype=rg.float64))[1].view(1).add_(leaf(1))
    plain = rg.ones(2)
    cut(plain)[0].mul_(2)
    assert [2, 1] == plain.tolist()


def test_one_of_several_views_is_unusable_once_its_base_has_a_new_history():
    base = leaf(2) * 1
    first, _ = base.unbind()
    base.mul_(2)
    with pytest.raises(RuntimeError, match="its base or another view of its base has been modified inplace"):
        first * 1


@pytest.mark.parametrize("cut", [
    lambda x: x.tensor_split(2), lambda x: x.hsplit(2), lambda x: x.unsafe_split(1),
])  # fmt: skip
def test_pieces_that_are_views_of_their_own_can_be_written_to(cut):
    cut(leaf(2) * 1)[0].mul_(2)


def test_a_view_made_under_no_grad_cannot_be_written_to_outside():
    base = leaf(2) * 1
    with rg.no_grad():
        seen = base.view(2, 1)
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode and is being modified"):
        seen.mul_(2)


# -- as_strided and unfold


def test_the_gradient_of_overlapping_windows_adds_up():
    x = leaf(4)
    x.unfold(0, 2, 1).sum().backward()
    assert [1, 2, 2, 1] == x.grad.tolist()


def test_as_strided_adds_up_what_lies_in_one_place():
    x = leaf(4)
    x.as_strided((3, 2), (1, 1)).sum().backward()
    assert [1, 2, 2, 1] == x.grad.tolist()


def test_as_strided_of_overlapping_memory_shares_the_gradient_among_those_in_one_place():
    x = leaf(1)
    wide = x.expand(4)
    (g,) = rg.autograd.grad(wide.as_strided((2,), (0,)).sum(), wide)
    assert [0.5, 0.5, 0.5, 0.5] == g.tolist()


def test_as_strided_of_a_part_counts_its_offset_from_the_start_of_the_memory():
    x = leaf(6)
    part = x.narrow(0, 2, 4)
    assert [1, 2] == part.as_strided((2,), (1,), 0).tolist()
    assert [3, 4] == part.as_strided((2,), (1,)).tolist()


def test_as_strided_sees_the_memory_of_a_transposed_matrix():
    x = leaf(2, 3)
    assert [1, 2, 3, 4, 5, 6] == x.t().as_strided((6,), (1,)).tolist()


def test_writing_through_as_strided_is_recorded():
    x = leaf(4)
    base = x * 1
    base.as_strided((2,), (2,)).mul_(5)
    base.sum().backward()
    assert [5, 1, 5, 1] == x.grad.tolist()


def test_as_strided_stays_inside_the_memory():
    with pytest.raises(RuntimeError, match="storage size of 40 are out of bounds for storage of size 32"):
        leaf(4).as_strided((3,), (2,))
    with pytest.raises(RuntimeError, match="Negative strides are not supported"):
        leaf(4).as_strided((2,), (-1,), 3)


def test_scattering_into_a_view_leaves_the_input_alone():
    x, src = leaf(3), leaf(2)
    out = rg.as_strided_scatter(x, src, (2,), (2,))
    assert ([1, 2, 2], [1, 2, 3]) == (out.tolist(), x.tolist())
    out.sum().backward()
    assert ([0, 1, 0], [1, 1]) == (x.grad.tolist(), src.grad.tolist())


def test_a_scatter_says_which_size_the_part_has():
    with pytest.raises(RuntimeError, match=r"src size = \[3\], slice size = \[2\]"):
        rg.select_scatter(leaf(2, 2), leaf(3), 0, 0)


def test_a_copy_of_a_view_shares_nothing():
    x = rg.ones(2, 3)
    assert not np.shares_memory(x.numpy(), rg.permute_copy(x, (1, 0)).numpy())
    assert not any(np.shares_memory(x.numpy(), piece.numpy()) for piece in rg.unbind_copy(x))


# -- another layout in place


@pytest.mark.parametrize(("method", "args", "shape"), [
    ("t_", (), (3, 2)), ("transpose_", (0, 1), (3, 2)), ("unsqueeze_", (1,), (2, 1, 3)),
    ("squeeze_", (), (2, 3)),
    ("as_strided_", ((2,), (1,)), (2,)),
])  # fmt: skip
def test_a_tensor_takes_another_layout_in_place(method, args, shape):
    x = leaf(2, 3)
    y = x * 1
    assert y is getattr(y, method)(*args)
    assert shape == y.shape
    y.sum().backward()
    assert y.numel() == x.grad.sum().item()


def test_views_made_before_another_layout_keep_their_meaning():
    x = leaf(2, 3)
    base = x * 1
    row = base.select(0, 0)
    base.t_()
    base.select(1, 0).mul_(2)  # the same row
    row.sum().backward()
    assert [[2, 2, 2], [0, 0, 0]] == x.grad.tolist()


def test_a_leaf_takes_another_layout_only_unrecorded():
    x = leaf(2, 3)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place"):
        x.t_()
    with rg.no_grad():
        x.t_()
    assert x.is_leaf
    assert (3, 2) == x.shape


def test_resize_keeps_the_elements_there_are():
    x = rg.tensor([1, 2, 3, 4])
    assert [1, 2] == x.resize_(2).tolist()
    assert (2, 3) == x.resize_as_(rg.zeros(2, 3)).shape
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        leaf(2).resize_(1)
