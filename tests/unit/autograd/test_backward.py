"""`backward` and `grad`: every argument, what it does to ``.grad``, and every error."""

from __future__ import annotations

import re
from typing import Any

import pytest

import regrad as rg
from regrad.autograd import backward, grad
from regrad.errors import GraphFreedError


def t(data: Any, **options: Any) -> Any:
    return rg.tensor(data, dtype=rg.float64, **options)


def leaf(*data: float) -> Any:
    return t(list(data), requires_grad=True)


def test_gradients_add_up_over_calls() -> None:
    x = leaf(1.0, 2.0)
    for _ in range(2):
        (x * x).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]
    assert grad((x * x).sum(), x)[0].tolist() == [2.0, 4.0]
    assert x.grad.tolist() == [4.0, 8.0]


def test_a_leaf_is_its_own_root() -> None:
    x = leaf(1.0)
    x.backward()
    assert (x.grad.tolist(), grad(x, x)[0].tolist()) == ([1.0], [1.0])


def test_cotangents_for_several_roots() -> None:
    x = leaf(1.0, 2.0)
    backward([x.sum(), x * 2], [None, t([1.0, 10.0])])
    assert x.grad.tolist() == [3.0, 21.0]
    assert grad([(x * 2).sum(), x * 3], [x], [None, t([1.0, 1.0])])[0].tolist() == [5.0, 5.0]


def test_a_cotangent_is_converted_to_the_roots_dtype() -> None:
    x = leaf(1.0, 2.0)
    backward(x * 2, rg.tensor([1.0, 2.0], dtype=rg.float32))
    assert (x.grad.dtype, x.grad.tolist()) == (rg.float64, [2.0, 4.0])


def test_retain_graph_allows_a_second_pass() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0]
    with pytest.raises(GraphFreedError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_create_graph_makes_gradients_differentiable() -> None:
    x = leaf(2.0)
    (g,) = grad(x**3, x, create_graph=True)
    (h,) = grad(g, x, create_graph=True)
    h.backward()
    assert (g.item(), h.item(), x.grad.item()) == (12.0, 12.0, 6.0)
    w = leaf(3.0)
    (w * w).backward(create_graph=True)
    assert w.grad.requires_grad


def test_inputs_limits_where_gradients_go() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * 2
    (y * w).sum().backward(inputs=[y])
    assert (x.grad, w.grad, y.grad.tolist()) == (None, None, [3.0, 4.0])
    (x * w).sum().backward(inputs=x)
    assert (x.grad.tolist(), w.grad) == ([3.0, 4.0], None)


def test_unused_inputs() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0)
    assert grad(x.sum(), [x, w], allow_unused=True)[1] is None
    assert grad(x.sum(), [x, w], materialize_grads=True)[1].tolist() == [0.0]


def test_a_batch_of_cotangents_in_one_pass() -> None:
    x = leaf(1.0, 2.0)
    rows = grad(x * x, x, t([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), is_grads_batched=True)[0]
    assert rows.tolist() == [[2.0, 0.0], [0.0, 4.0], [2.0, 4.0]]


def test_a_failed_pass_changes_no_gradient() -> None:
    x, w = leaf(1.0), leaf(2.0)
    y = x * w
    z = y.exp()
    z.backward(retain_graph=True)
    before = (x.grad.tolist(), w.grad.tolist())
    y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        z.backward()
    assert (x.grad.tolist(), w.grad.tolist()) == before


ERRORS = [
    (lambda x: (x * 2).backward(), RuntimeError, "grad can be implicitly created only for scalar outputs"),
    (
        lambda x: grad([x * 2, x], x, [t([1.0, 1.0]), None]),
        RuntimeError,
        "grad can be implicitly created only for scalar outputs",
    ),
    (lambda x: grad(x * 2, x, t([1.0])), RuntimeError, "Mismatch in shape: grad_output[0] has a shape of"),
    (lambda x: backward(x * 2, [3]), TypeError, "gradients can be either Tensors or None, but got int"),
    (lambda x: backward([x.sum(), x.sum()], [None]), RuntimeError, "got 2 tensors and 1 gradients"),
    (
        lambda x: x.detach().sum().backward(),
        RuntimeError,
        "element 0 of tensors does not require grad and does not have a grad_fn",
    ),
    (
        lambda x: grad(x.sum(), x.detach()),
        RuntimeError,
        "One of the differentiated Tensors does not require grad",
    ),
    (
        lambda x: grad(x.sum(), [x, leaf(1.0)]),
        RuntimeError,
        "appears to not have been used in the graph. Set allow_unused=True",
    ),
    (
        lambda x: grad(x.sum(), x, allow_unused=False, materialize_grads=True),
        ValueError,
        "Expected allow_unused to be True or not passed",
    ),
    (lambda x: x.sum().backward(inputs=[]), RuntimeError, "`inputs` argument to `backward"),
    (
        lambda x: (x.sum() * 1j).backward(),
        RuntimeError,
        "grad can be implicitly created only for real scalar outputs but got",
    ),
    (
        lambda x: grad(x * x, x, t([[1.0], [2.0]]), is_grads_batched=True),
        RuntimeError,
        "If `is_grads_batched=True`, we interpret the first dimension",
    ),
]


def test_only_inputs_stands_where_pytorch_has_it_and_does_nothing() -> None:
    x = leaf(1.0, 2.0)
    (g,) = grad((x * x).sum(), x, None, False, False, True)
    assert [2.0, 4.0] == g.tolist()
    with pytest.warns(FutureWarning, match="only_inputs argument is deprecated"):
        (g,) = grad((x * x).sum(), x, only_inputs=False)
    assert [2.0, 4.0] == g.tolist()


@pytest.mark.parametrize(("call", "kind", "text"), ERRORS)
def test_what_is_refused(call: Any, kind: type[Exception], text: str) -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(kind, match=re.escape(text)):
        call(x)
    assert x.grad is None
