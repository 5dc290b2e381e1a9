"""Writes are marked on the memory: through views, `detach` and `.data` alike; what is not read may change."""

import gc

import pytest

import regrad as rg
from regrad.graph import versions


def start():
    x = rg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    h = x * 1
    return x, h, (h * h).sum()


WRITES = {
    "the tensor": lambda h: h.add_(1),
    "an item": lambda h: h.__setitem__(0, 5.0),
    "a view": lambda h: h.view(3, 1).add_(1),
    "an element": lambda h: h[0].add_(1),
    "detach": lambda h: h.detach().add_(1),
    "data": lambda h: h.data.add_(1),
    "zero_": lambda h: h.zero_(),
    "copy_": lambda h: h.copy_(rg.zeros(3)),
    "uniform_": lambda h: h.data.uniform_(),
}


@pytest.mark.parametrize("way", WRITES)
def test_a_write_after_saving_is_found(way):
    x, h, y = start()
    WRITES[way](h)
    with pytest.raises(rg.SavedModifiedError):
        y.backward()
    assert x.grad is None


@pytest.mark.parametrize("way", WRITES)
def test_a_write_to_a_copy_is_no_write(way):
    x, h, y = start()
    WRITES[way](h.clone())
    y.backward()
    assert [2, 4, 6] == x.grad.tolist()


def test_a_write_before_saving_does_no_harm():
    x = rg.ones(2, requires_grad=True)
    h = x * 1
    h.mul_(3)
    (h * h).sum().backward()
    assert [18, 18] == x.grad.tolist()


def test_a_value_that_no_rule_reads_may_be_written_to():
    x = rg.tensor([0.5], requires_grad=True)
    h = x + 1
    y = h.sin()
    y.add_(1)
    y.sum().backward()
    assert rg.tensor([1.5]).cos().item() == x.grad.item()


def test_a_write_is_found_only_where_it_is_read():
    a, b = (rg.ones(2, requires_grad=True) for _ in range(2))
    y = (a * b).sum()
    a.data.mul_(2)
    (ga,) = rg.autograd.grad(y, a, retain_graph=True)
    assert [1, 1] == ga.tolist()
    with pytest.raises(rg.SavedModifiedError):
        rg.autograd.grad(y, b)


def test_views_share_a_version_and_copies_do_not():
    x = rg.ones(4)
    view, plain, copy = x[1:], x.detach(), x.clone()
    view.add_(1)
    plain.data.zero_()
    assert [2, 2, 2, 0] == [t._version for t in (x, view, plain, copy)]


def test_accumulating_a_gradient_is_a_write():
    x = rg.ones(2, requires_grad=True)
    for _ in range(3):
        x.sum().backward()
    assert 2 == x.grad._version


def test_marks_die_with_their_memory():
    gc.collect()
    before = len(versions.histories)
    x = rg.ones(3).add_(1)
    assert before + 1 == len(versions.histories)
    del x
    assert before == len(versions.histories)


def test_the_last_writes_are_remembered_and_all_are_counted():
    x = rg.ones(3)
    for _ in range(40):
        x.add_(1)
    past = versions.history(x.numpy())
    assert (40, 40, 16) == (x._version, past.count, len(past.last))
    assert "add_" == past.last[-1].op
