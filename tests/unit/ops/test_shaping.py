"""Shapes and parts by their public names: which results share memory, overloads, refusals."""

import numpy as np
import pytest

import regrad as rg


def grid(*shape, grad=False):
    made = rg.tensor(np.arange(float(np.prod(shape))).reshape(shape))
    return made.requires_grad_() if grad else made


VIEWS = {
    "view": lambda x: x.view(6, 2),
    "reshape": lambda x: x.reshape(-1),
    "flatten": lambda x: x.flatten(),
    "unflatten": lambda x: x.unflatten(1, (2, -1)),
    "squeeze": lambda x: x.squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(-1),
    "expand": lambda x: x.expand(2, 3, 4),
    "permute": lambda x: x.permute(1, 0),
    "transpose": lambda x: x.transpose(0, 1),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "t": lambda x: x.t(),
    "movedim": lambda x: x.movedim(0, 1),
    "select": lambda x: x.select(1, 2),
    "narrow": lambda x: x.narrow(0, 1, 2),
    "diagonal": lambda x: x.diagonal(1),
    "unfold": lambda x: x.unfold(1, 2, 2),
    "as_strided": lambda x: x.as_strided((2, 2), (4, 1), 1),
    "unbind": lambda x: x.unbind(1)[2],
    "split": lambda x: x.split(2)[1],
    "chunk": lambda x: x.chunk(2, 1)[0],
    "tensor_split": lambda x: x.tensor_split(2)[1],
    "hsplit": lambda x: x.hsplit(2)[1],
    "atleast_3d": rg.atleast_3d,
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_shares_memory_and_names_its_base(name):
    x = grid(3, 4)
    seen = VIEWS[name](x)
    assert np.shares_memory(x.numpy(), seen.numpy())
    assert seen._base is x
    assert seen._is_view()


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_of_a_view_names_the_first_base(name):
    x = grid(3, 4)
    assert VIEWS[name](x.view(3, 4))._base is x


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_to_the_base_is_seen_by_every_view_and_raises_its_version(name):
    x = grid(3, 4)
    seen = VIEWS[name](x)
    x.zero_()
    assert not seen.numpy().any()
    assert seen._version == x._version == 1


COPIES = {
    "clone": lambda x: x.clone(),
    "flip": lambda x: x.flip(0),
    "roll": lambda x: x.roll(0),
    "rot90": lambda x: rg.rot90(x, 4),
    "repeat": lambda x: x.repeat(1, 1),
    "tril": lambda x: x.tril(9),
    "diag": lambda x: x.diag(),
    "reshape": lambda x: x.t().reshape(-1),
    "contiguous": lambda x: x.t().contiguous(),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_shares_nothing(name):
    x = grid(3, 4)
    made = COPIES[name](x)
    assert not np.shares_memory(x.numpy(), made.numpy())
    assert not made._is_view()


def test_contiguous_is_the_tensor_itself_where_nothing_is_to_be_done():
    x = grid(2, 3)
    assert x.contiguous() is x


def test_sizes_come_one_by_one_or_as_a_sequence_or_by_name():
    x = grid(2, 3)
    for same in (x.view(3, 2), x.view((3, 2)), x.view([3, 2]), x.view(rg.ones(3, 2).shape)):
        assert (3, 2) == same.shape == rg.reshape(x, shape=(3, 2)).shape
    assert (3, 2) == x.permute(1, 0).shape == x.permute((1, 0)).shape == rg.permute(x, dims=(1, 0)).shape
    assert (4, 6) == x.repeat(2, 2).shape == x.repeat((2, 2)).shape == x.tile(2, 2).shape


def test_view_refuses_what_only_a_copy_could_give():
    with pytest.raises(RuntimeError, match="spans across two contiguous subspaces"):
        grid(2, 3).t().view(6)


def test_view_as_a_dtype_sees_the_same_bytes():
    x = rg.tensor([1.0, -2.0])
    assert x.numpy().view(np.int32).tolist() == x.view(rg.int32).tolist()


@pytest.mark.parametrize(("shape", "said"), [
    ((4, 2), "shape '[4, 2]' is invalid for input of size 6"),
    ((-1, -1), "only one dimension can be inferred"),
    ((-2, 3), "invalid shape dimension -2"),
])  # fmt: skip
def test_reshape_says_which_shape_does_not_fit(shape, said):
    with pytest.raises(RuntimeError) as caught:
        grid(2, 3).reshape(shape)
    assert said in str(caught.value)


def test_expand_keeps_a_size_at_minus_one_and_refuses_one_in_front():
    x = grid(3, 1)
    assert (2, 3, 4) == x.expand(2, -1, 4).shape
    with pytest.raises(RuntimeError, match="isn't allowed in a leading, non-existing dimension 0"):
        x.expand(-1, 3, 4)


def test_an_expanded_tensor_cannot_be_written_to_where_it_lies_on_itself():
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to"):
        grid(1).expand(3).mul_(2)
    x = grid(2, 1)
    x.expand(2, 3).select(1, 0).mul_(0)  # one column of it lies in no place twice
    assert [[0.0], [0.0]] == x.tolist()


def test_the_transposes_of_vectors_follow_pytorch():
    vector = grid(3)
    assert vector.tolist() == vector.t().tolist() == vector.T.tolist()
    for name in ("mT", "mH", "H"):
        with pytest.raises(RuntimeError, match="only supported on matrices"):
            getattr(vector, name)


def test_a_dimension_out_of_range_is_an_index_error_that_says_the_range():
    with pytest.raises(IndexError, match=r"range of \[-2, 1\], but got 2"):
        grid(2, 2).transpose(0, 2)
    with pytest.raises(IndexError, match=r"index 2 out of range for tensor of size \[2, 2\] at dimension 0"):
        grid(2, 2).select(0, 2)


def test_broadcast_tensors_leaves_alone_what_has_the_shape():
    a, b = grid(2, 3), grid(3)
    first, second = rg.broadcast_tensors(a, b)
    assert first is a
    assert (2, 3) == second.shape


def test_repeat_interleave_counts_for_each_entry():
    x = grid(3, grad=True)
    out = x.repeat_interleave(rg.tensor([2, 0, 1]))
    assert [0, 0, 2] == out.tolist()
    out.sum().backward()
    assert [2, 0, 1] == x.grad.tolist()
    assert [0, 0, 2] == rg.repeat_interleave(rg.tensor([2, 0, 1])).tolist()


def test_the_gradient_of_a_view_comes_back_in_the_shape_of_its_input():
    x = grid(3, 4, grad=True)
    total = sum((view(x) * 1).sum() for view in VIEWS.values())
    total.backward()
    hits = np.zeros((3, 4))
    for view in VIEWS.values():
        np.add.at(hits, np.unravel_index(view(grid(3, 4)).numpy().astype(int).ravel(), (3, 4)), 1)
    assert hits.tolist() == x.grad.tolist()


@pytest.mark.parametrize(("view", "name"), [
    (lambda x: x.view(-1), "ViewBackward0"), (lambda x: x.T, "PermuteBackward0"),
    (lambda x: x.mT, "TransposeBackward0"),
    (lambda x: x.t(), "TBackward0"), (lambda x: x.narrow(0, 0, 1), "SliceBackward0"),
    (lambda x: x.select(0, 0), "SelectBackward0"), (lambda x: x.unbind()[0], "UnbindBackward0"),
    (lambda x: x.expand(2, 3, 4), "ExpandBackward0"), (lambda x: x.t().reshape(-1), "UnsafeViewBackward0"),
])  # fmt: skip
def test_a_node_has_the_name_pytorch_gives_it(view, name):
    assert name == view(grid(3, 4, grad=True)).grad_fn.name()
