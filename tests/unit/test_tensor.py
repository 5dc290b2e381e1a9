"""A tensor's place in the graph: what requires grad, where gradients go, what may be assigned; how it prints."""

import pytest

import regrad as rg


def leaf(*values):
    return rg.tensor(values, requires_grad=True)


# -- requires_grad


def test_only_leaves_of_fractions_change_what_they_require():
    x = rg.ones(2)
    assert x.requires_grad_() is x
    assert x.requires_grad
    x.requires_grad = False
    assert not x.requires_grad
    y = leaf(1.0) * 2
    assert y.requires_grad_().requires_grad
    for change in (lambda: y.requires_grad_(False), lambda: setattr(y, "requires_grad", False)):
        with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf variables"):
            change()
    with pytest.raises(RuntimeError, match="only Tensors of floating point and complex dtype"):
        rg.ones(2, dtype=rg.int64).requires_grad_()
    with pytest.raises(RuntimeError, match="requires_grad must be a bool, not int"):
        x.requires_grad = 1


def test_leaves_and_nodes():
    x = leaf(1.0, 2.0)
    y = x * 2
    assert [True, False, True, True] == [t.is_leaf for t in (x, y, x.detach(), rg.ones(1) * 2)]
    assert (None, "MulBackward0") == (x.grad_fn, y.grad_fn.name())
    assert [0, 1] == [t.output_nr for t in rg.ones(2, 2, requires_grad=True).unbind(0)]


# -- grad


def test_a_gradient_is_assigned_only_where_it_fits():
    x = leaf(1.0, 2.0)
    x.grad = rg.ones(2)
    x.sum().backward()
    assert [2, 2] == x.grad.tolist()
    for wrong, error, words in (
        ([1], TypeError, "expected to be a Tensor or None but got grad of type list"),
        (x, RuntimeError, "can't assign Variable as its own grad"),
        (rg.ones(2, dtype=rg.float64), RuntimeError, "data of a different type"),
        (rg.ones(3), RuntimeError, "data of a different size"),
    ):
        with pytest.raises(error, match=words):
            x.grad = wrong
    del x.grad
    assert x.grad is None
    x.grad = None


def test_the_gradient_of_a_computed_tensor_warns():
    y = leaf(1.0) * 2
    with pytest.warns(UserWarning, match="not a leaf Tensor is being accessed"):
        assert y.grad is None


def test_a_computed_tensor_retains_its_gradient_through_writes():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y[0].mul_(5)
    assert (True, False) == (y.retains_grad, x.retains_grad)
    y.sum().backward()
    assert ([1, 1], [30, 6]) == (y.grad.tolist(), x.grad.tolist())
    x.retain_grad()
    with pytest.raises(RuntimeError, match="can't retain_grad on Tensor that has requires_grad=False"):
        rg.ones(1).retain_grad()


def test_hooks_change_gradients_until_they_are_removed():
    x = leaf(1.0)
    handle = x.register_hook(lambda g: g * 10)
    (x * 2).sum().backward()
    handle.remove()
    handle.remove()
    (x * 2).sum().backward()
    assert [22] == x.grad.tolist()
    with x.register_hook(lambda g: g * 0):
        (x * 2).sum().backward()
    assert [22] == x.grad.tolist()
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        rg.ones(1).register_hook(print)


def test_hooks_after_accumulation_are_for_leaves():
    x, seen = leaf(1.0), []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * 2).sum().backward()
    assert [[2]] == seen
    with pytest.raises(RuntimeError, match="cannot be registered on non-leaf tensors"):
        (x * 2).register_post_accumulate_grad_hook(print)


# -- detach and data


def test_detach_shares_memory_and_detach_cuts_in_place():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y
    cut = y.detach()
    assert not cut.requires_grad
    assert cut.numpy() is not None
    assert y.detach_() is y
    assert (False, True) == (y.requires_grad, y.is_leaf)
    z.sum().backward()
    assert [8, 16] == x.grad.tolist()
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        (x * 2)[0].detach_()


def test_data_is_the_memory_without_history():
    x = leaf(1.0, 2.0)
    x.data.mul_(3)
    assert [3, 6] == x.tolist()
    x.data = rg.zeros(3)
    assert ([0, 0, 0], True) == (x.tolist(), x.requires_grad)
    with pytest.raises(TypeError, match="data must be set to a Tensor"):
        x.data = [1]
    with pytest.raises(RuntimeError, match="must be floating point or complex dtype"):
        x.data = rg.zeros(2, dtype=rg.int64)


# -- as a container


def test_iteration_goes_over_the_first_dimension_and_records():
    x = rg.ones(3, 2, requires_grad=True)
    rows = list(x)
    assert (3, [2], True) == (len(x), list(rows[0].shape), rows[0].requires_grad)
    (rows[1] * 5).sum().backward()
    assert [[0, 0], [5, 5], [0, 0]] == x.grad.tolist()
    assert [] == list(rg.ones(0, 2))
    assert [3, 2, 1] == reversed(rg.tensor([1, 2, 3])).tolist()
    for ask in (len, iter):
        with pytest.raises(TypeError, match="0-d tensor"):
            ask(rg.tensor(1.0))


def test_membership():
    x = rg.tensor([1, 2])
    assert 1 in x
    assert rg.tensor(2) in x
    assert x.numpy()[0] in x
    assert 3 not in x
    for wrong in ("a", None, [1]):
        with pytest.raises(RuntimeError, match="only supports Tensor or scalar"):
            wrong in x  # noqa: B015


def test_tensors_are_keys_by_identity():
    a, b = rg.ones(1), rg.ones(1)
    assert 2 == len({a, b})
    assert a in {a: 1}


# -- as text


def test_a_number_is_formatted_as_one():
    assert "1.23" == f"{rg.tensor(1.2345):.2f}"
    assert "1.5" == f"{leaf(1.5)[0]}"
    assert "    3" == f"{rg.tensor(3):>5}"
    assert "tensor([1.5000])" == f"{rg.tensor([1.5])}"
    with pytest.raises(TypeError):
        f"{rg.tensor([1.5]):.2f}"


def test_text_shows_the_place_in_the_graph():
    x = leaf(1.0)
    assert "tensor([1.], requires_grad=True)" == repr(x)
    assert "tensor([2.], grad_fn=<MulBackward0>)" == repr(x * 2)
    assert "tensor([1.])" == str(x.detach())


def test_views_know_their_base():
    x = rg.ones(2)
    y = x.view(2, 1)
    assert y._base is x
    assert (True, False) == (y._is_view(), x._is_view())
