"""Tensors as bytes: shared memory, graphs that go on, and bytes that are refused."""

import copy
import json
import pickle
import random

import numpy as np
import pytest

import regrad as rg


def twin(thing, graph=True):
    return rg.loads(rg.dumps(thing, graph=graph))


def test_a_tree_comes_back_as_it_was():
    tree = {"a": [rg.tensor([1, 2]), (None, 2.5, "b")], 3: rg.tensor(True), "c": 1j, "d": rg.float16}
    back = twin(tree, graph=False)
    assert list(tree) == list(back)
    assert [1, 2] == back["a"][0].tolist()
    assert (None, 2.5, "b") == back["a"][1]
    assert (True, 1j, rg.float16) == (back[3].item(), back["c"], back["d"])


@pytest.mark.parametrize("dtype", [rg.bool, rg.uint8, rg.int64, rg.float16, rg.bfloat16, rg.float32, rg.complex128])
def test_every_dtype_comes_back(dtype):
    back = twin(rg.tensor([0, 1], dtype=dtype))
    assert (dtype, [0, 1]) == (back.dtype, back.tolist())


@pytest.mark.parametrize(
    "make", [lambda: rg.rand(3, 4).t()[1:, ::2], lambda: rg.zeros(0, 3), lambda: rg.rand(1, 2).expand(3, 2)]
)
def test_a_layout_comes_back(make):
    x = make()
    back = twin(x)
    assert (x.stride(), x.tolist()) == (back.stride(), back.tolist())


def test_shared_memory_is_stored_once_and_stays_shared():
    x = rg.zeros(1000)
    raw = rg.dumps((x, x[10:20], x.view(10, 100)))
    assert 4000 < len(raw) < 5000
    whole, part, square = rg.loads(raw)
    part[0] = 9
    assert 9 == whole[10] == square[0, 10]


def test_a_leaf_keeps_that_it_requires_grad_and_its_name():
    w = rg.ones(2, requires_grad=True)
    w.name = "fc.weight"
    first, second = twin((w, w))
    assert first is second
    assert ("fc.weight", True, True) == (first.name, first.is_leaf, first.requires_grad)


def test_a_graph_goes_on_bit_for_bit():
    w = rg.tensor([[0.1, 0.2], [0.3, 0.4]], requires_grad=True)
    h = w * w
    h.view(4)[1:].mul_(3.0)
    y = h.exp().sum() + h.unbind(0)[1].sum() + rg.cat([h, h]).sum() + h.max(0)[0].sum()
    other, back = twin((w, y))
    back.backward()
    y.backward()
    assert w.grad.tolist() == other.grad.tolist()
    assert y.grad_fn.made_at[:2] == back.grad_fn.made_at[:2]


@pytest.mark.parametrize("dtype", [rg.float64, rg.bfloat16, rg.complex64])
def test_graphs_of_any_dtype_go_on(dtype):
    w = rg.tensor([1, 2], dtype=dtype, requires_grad=True)
    back = twin((w * w).sum())
    back.backward(rg.ones_like(back))
    assert [2, 4] == rg.graph.leaves(back)[0].grad.tolist()
    assert w.grad is None


def test_a_recorded_gradient_can_be_stored():
    w = rg.tensor(2.0, requires_grad=True)
    (g,) = rg.autograd.grad(w**3, w, create_graph=True)
    back = twin(g)
    back.backward()
    assert 12 == rg.graph.leaves(back)[0].grad.item()


def test_a_graph_whose_leaf_is_gone_can_still_be_walked():
    y = rg.ones(3, requires_grad=True) * 2
    back = twin(y)
    back.sum().backward()
    assert [] == rg.graph.leaves(back)


def test_what_cannot_be_stored_is_said():
    class Double(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = rg.ones(2, requires_grad=True)
    with pytest.raises(rg.PickleAttachedError, match=r"choose `rg\.dumps\(t, graph=True\)`"):
        rg.dumps(x * 2)
    with pytest.raises(rg.PickleAttachedError, match="the custom function 'Double'"):
        rg.dumps(Double.apply(x), graph=True)
    with pytest.raises(rg.PickleAttachedError, match="holds a set"):
        rg.dumps({1, 2})
    y = (x * x).sum()
    y.backward()
    with pytest.raises(rg.GraphFreedError):
        rg.dumps(y, graph=True)


def test_bytes_that_are_foreign_cut_or_too_long_are_refused():
    raw = rg.dumps(rg.ones(3))
    cases = [b"", b"PK\x03\x04", raw[:4], raw[:12], raw[:40], raw[:-1], raw + b"x", pickle.dumps(1)]
    for bad in cases:
        with pytest.raises(ValueError, match=r"rg\.loads: "):
            rg.loads(bad)


@pytest.mark.parametrize("mask", [0, -1, 4, 1 << 40, 1.0, None, "1"])
def test_a_graph_with_inputs_that_an_op_does_not_have_is_refused(mask):
    raw = rg.dumps((rg.tensor([1.0], requires_grad=True) * 2.0).sum(), graph=True)
    size = int.from_bytes(raw[8:16], "little")
    header = json.loads(raw[16 : 16 + size])
    assert [1, 1] == [node["mask"] for node in header["nodes"]]
    header["nodes"][0]["mask"] = mask
    text = json.dumps(header).encode()
    with pytest.raises(ValueError, match=r"rg\.loads: the header is damaged"):
        rg.loads(raw[:8] + len(text).to_bytes(8, "little") + text + raw[16 + size :])


def test_damaged_bytes_never_raise_anything_but_value_error():
    w = rg.tensor([1.0, 2.0], requires_grad=True)
    h = w * w
    h[0].mul_(2)
    raw = rg.dumps([h.exp().sum(), w], graph=True)
    draw = random.Random(3)
    refused = 0
    for _ in range(600):
        bad = bytearray(raw)
        bad[draw.randrange(len(bad))] = draw.randrange(256)
        try:
            rg.loads(bytes(bad))
        except ValueError:
            refused += 1
    assert refused > 400
    assert w.grad is None
    assert rg.is_grad_enabled()


# -- pickle and deepcopy


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))], ids=["copy", "pickle"])
def test_copies_of_leaves(copied):
    x = rg.ones(2, requires_grad=True)
    x.note = [1]
    y = copied(x)
    assert (True, True, [1]) == (y.requires_grad, y.is_leaf, y.note)
    assert y.note is not x.note
    assert not np.shares_memory(x.detach().numpy(), y.detach().numpy())
    whole, part = copied([z := rg.arange(6.0).view(2, 3), z.t()[1:]])
    whole[0, 1] = 9
    assert (9, (1, 3)) == (part[0, 0].item(), part.stride())


def test_deepcopy_copies_the_gradient_and_each_tensor_once():
    x = rg.ones(2, requires_grad=True)
    x.grad = rg.ones(2)
    first, second = copy.deepcopy([x, x])
    assert first is second
    assert [1, 1] == first.grad.tolist()
    assert first.grad is not x.grad
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x * 2)


def test_copy_shares_memory():
    x = rg.ones(2, requires_grad=True)
    y = copy.copy(x)
    assert (True, True) == (y.requires_grad, y.is_leaf)
    assert np.shares_memory(x.detach().numpy(), y.detach().numpy())


def test_pickling_an_attached_tensor_names_the_choices():
    y = rg.ones(2, requires_grad=True) * 2
    with pytest.raises(rg.PickleAttachedError, match="grad_fn=MulBackward0") as caught:
        pickle.dumps(y)
    for choice in ("t.detach()", "rg.dumps(t, graph=True)", "rg.graph.values_only()"):
        assert choice in str(caught.value)
    with rg.graph.values_only():
        back = pickle.loads(pickle.dumps(y))
    assert ([2, 2], False) == (back.tolist(), back.requires_grad)
    with pytest.raises(rg.PickleAttachedError):
        pickle.dumps(y)
