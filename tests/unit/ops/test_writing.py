"""In-place writes: what they refuse, what they do to the graph, and which of them are safe."""

import numpy as np
import pytest

import regrad as rg


def leaf(*values):
    return rg.tensor(values, requires_grad=True)


@pytest.mark.parametrize(
    ("dtype", "write", "words"),
    [
        (rg.int64, lambda x: x.add_(1.5), "result type Float can't be cast to the desired output type Long"),
        (rg.int64, lambda x: x.div_(2), "can't be cast"),
        (rg.float32, lambda x: x.add_(1j), "can't be cast"),
        (rg.bool, lambda x: x.add_(1), "result type Long can't be cast to the desired output type Bool"),
        (rg.float32, lambda x: x.add_(rg.ones(3, 2)), "doesn't match the broadcast shape"),
        (rg.float32, lambda x: x.add_(rg.ones(3)), "must match|do not broadcast"),
        (rg.float32, lambda x: x.copy_(rg.ones(3)), "does not broadcast"),
        (rg.float32, lambda x: x.fill_(rg.ones(2)), "only supports 0-dimension value tensor"),
        (rg.float32, lambda x: x.fill_(1j), "without overflow"),
        (rg.uint8, lambda x: x.fill_(300), "without overflow"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(dtype, write, words):
    x = rg.ones(2, dtype=dtype)
    with pytest.raises(RuntimeError, match=words):
        write(x)
    assert ([1, 1], 0) == (x.tolist(), x._version)


def test_values_are_converted_and_broadcast():
    assert [2, 2] == rg.ones(2).add_(rg.ones(2, dtype=rg.float64)).tolist()
    assert [[2, 2], [2, 2]] == rg.ones(2, 2).add_(rg.ones(2)).tolist()
    assert [1, 2] == rg.zeros(2, dtype=rg.int64).copy_(rg.tensor([1.7, 2])).tolist()
    assert [[1, 2], [1, 2]] == rg.zeros(2, 2).copy_(rg.tensor([1, 2])).tolist()
    assert [255] == rg.ones(1, dtype=rg.uint8).fill_(-1).tolist()
    assert [2] == rg.ones(1, dtype=rg.int64).fill_(2.7).tolist()
    assert [True] == rg.zeros(1, dtype=rg.bool).fill_(0.5).tolist()
    assert [45] == rg.ones(1, dtype=rg.uint8).add_(300).tolist()
    for make, wrong in ((rg.Tensor.copy_, [1]), (rg.Tensor.fill_, "a")):
        with pytest.raises(TypeError, match="must be"):
            make(rg.ones(1), wrong)


def test_operators_write_in_place():
    x = y = rg.tensor([8.0])
    x += 1
    x -= 3
    x *= 2
    x /= 4
    x **= 2
    x //= 2
    x %= 3
    assert y is x
    assert ([1], 7) == (x.tolist(), x._version)
    n = rg.tensor([3])
    n <<= 1
    n |= 1
    n &= 5
    n ^= 1
    n >>= 1
    assert [2] == n.tolist()


def test_memory_that_overlaps_is_refused():
    spread = rg.ones(1, 3).expand(2, 3)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        spread.add_(1)
    assert [[4] * 3] * 2 == spread.fill_(4).tolist()
    x = rg.arange(5.0)
    for write in (x[1:].add_, x[1:].copy_):
        with pytest.raises(RuntimeError, match="refer to a single memory location"):
            write(x[:-1])
    assert [0, 1, 4, 9, 16] == x.mul_(x).tolist()


def test_leaves_are_written_to_only_under_no_grad():
    x = leaf(1.0, 2.0)
    for write in (lambda: x.mul_(2), lambda: x[0].mul_(2), lambda: x.copy_(rg.ones(2)), lambda: x.zero_()):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            write()
    with rg.no_grad():
        x.mul_(2)
    assert ([2, 4], True, True) == (x.tolist(), x.is_leaf, x.requires_grad)


GRADIENTS = {
    "the value times itself": (lambda y: y.mul_(y), [2, 4]),
    "twice": (lambda y: y.add_(1).mul_(3), [3, 3]),
    "zeros": (lambda y: y.zero_(), [0, 0]),
    "a number": (lambda y: y.fill_(2), [0, 0]),
    "a part": (lambda y: y[0].mul_(5), [5, 1]),
    "an item": (lambda y: y.__setitem__(1, 5.0), [1, 0]),
    "a power": (lambda y: y.pow_(2), [2, 4]),
    "a copy of itself, turned": (lambda y: y.copy_(y.clone().flip(0) * 3), [3, 3]),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_go_through_a_write(name):
    write, expected = GRADIENTS[name]
    x = leaf(1.0, 2.0)
    y = x * 1
    write(y)
    assert y.requires_grad
    y.sum().backward()
    assert expected == x.grad.tolist()


def test_a_tensor_without_history_gets_one_from_what_is_written():
    w = leaf(2.0, 3.0)
    for write in (lambda x: x.copy_(w), lambda x: x.mul_(w), lambda x: x.__setitem__(0, w[0])):
        x = rg.ones(2)
        write(x)
        assert x.requires_grad
    part = (x := rg.ones(3))[:2]
    part.mul_(w)
    x.sum().backward()
    assert (True, [1, 1]) == (x.requires_grad, w.grad.tolist())
    assert rg.ones(2).fill_(w[0]).requires_grad


def test_views_that_cannot_carry_a_history_are_not_written_to():
    x = leaf(1.0, 2.0, 3.0) * 1
    with rg.no_grad():
        quiet = x[:2]
    for view in (quiet, x.unbind(0)[0], x.split([1, 2])[1]):
        with pytest.raises(RuntimeError, match="view"):
            view.mul_(2)


def test_a_value_saved_by_the_write_itself_is_kept():
    x = leaf(0.0, 1.0)
    y = x * 1
    y.exp_()
    expected = y.tolist()
    y.sum().backward(retain_graph=True)
    assert expected == x.grad.tolist()
    y.mul_(2)
    with pytest.raises(rg.SavedModifiedError):
        y.sum().backward()


def test_read_only_memory_is_refused():
    array = np.ones(2)
    array.flags.writeable = False
    x = rg.asarray(array, copy=False)
    with pytest.raises(RuntimeError, match="read-only"):
        x.add_(1)


@pytest.mark.parametrize("write", [lambda x, y: x.mul_(y), lambda x, y: x.copy_(y), lambda x, y: x.add_(y, alpha=2)])
def test_a_view_made_before_its_base_got_a_history_brings_it_along(write):
    w = rg.tensor([2.0, 3.0], requires_grad=True)
    base = rg.ones(2)
    view = base[:1]  # of no history yet
    base.mul_(w)
    x = rg.ones(1)
    write(x, view)
    assert x.requires_grad
    (g,) = rg.autograd.grad(x.sum(), w)
    assert g[0].item() != 0.0
    assert g[1].item() == 0.0
