"""Batched tensors themselves: views stay views, nesting, and what a function that reads elements is told."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import regrad as rg
from regrad import func
from regrad.autograd.batching import Batched
from regrad.declare import OPS
from regrad.errors import LoopWarning
from regrad.nn import functional as F


def t(data: Any) -> Any:
    return rg.tensor(data, dtype=rg.float64)


VIEWS = [
    lambda x: x[0],
    lambda x: x[:, 1:],
    lambda x: x[None],
    lambda x: x.t(),
    lambda x: x.transpose(0, 1),
    lambda x: x.view(6),
    lambda x: x.unsqueeze(0),
    lambda x: x.select(0, 1),
    lambda x: x.narrow(1, 0, 2),
    lambda x: x.diagonal(),
    lambda x: x.unbind(0)[1],
    lambda x: x.split(1)[0],
    lambda x: x.permute(1, 0),
    lambda x: x.unfold(1, 2, 1),
    lambda x: x.squeeze(),
]


@pytest.mark.parametrize("view", VIEWS)
def test_a_write_through_a_view_reaches_the_sample(view: Any) -> None:
    def f(x: Any) -> Any:
        y = x.clone()
        view(y).mul_(10.0)
        return y

    x = t(np.arange(12.0).reshape(2, 2, 3))
    assert func.vmap(f)(x).tolist() == [f(row).tolist() for row in x]


def test_a_sample_has_the_shape_of_a_sample() -> None:
    seen = []

    def look(x: Any) -> Any:
        seen.append(
            (
                isinstance(x, Batched),
                tuple(x.shape),
                x.dtype,
                x.ndim,
                x.requires_grad,
                repr(x).startswith("BatchedTensor(lvl=1"),
            )
        )
        return x

    func.vmap(look)(t([[1.0, 2.0, 3.0]] * 2))
    assert seen == [(True, (3,), rg.float64, 1, False, True)]


def test_gradients_flow_through_vmap_to_the_whole_batch() -> None:
    x = t([[1.0, 2.0], [3.0, 4.0]]).requires_grad_()
    func.vmap(lambda v: (v * v).sum())(x).sum().backward()
    assert x.grad.tolist() == [[2.0, 4.0], [6.0, 8.0]]


def test_positions_differ_at_each_level_of_nesting() -> None:
    table = t(np.arange(6.0))
    rows = rg.tensor([[0, 5], [2, 3]])
    pick = func.vmap(func.vmap(lambda x, k: x[k], in_dims=(None, 0)), in_dims=(None, 0))
    assert pick(table, rows).tolist() == [[0.0, 5.0], [2.0, 3.0]]


@pytest.mark.parametrize("loss", [F.cross_entropy, lambda x, y: F.nll_loss(F.log_softmax(x, -1), y)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_class_losses_look_at_each_samples_target(loss: Any, reduction: str) -> None:
    x, y = t([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]), rg.tensor([2, 1])
    batched = func.vmap(loss)(x, y)
    assert batched.tolist() == [loss(a, b).item() for a, b in zip(x, y, strict=True)]
    assert func.vmap(loss, in_dims=(None, 0))(x[0], y).tolist() == [loss(x[0], b).item() for b in y]


def test_a_network_runs_without_a_loop() -> None:
    rg.manual_seed(0)
    x, w = rg.randn(3, 2, 4, 5, 5, dtype=rg.float64), rg.randn(3, 6, 4, 3, 3, dtype=rg.float64)
    g = rg.randn(6, dtype=rg.float64)

    def f(x: Any, w: Any, g: Any) -> Any:
        h = F.relu(F.group_norm(F.conv2d(x, w, padding=1), 2, g))
        return F.softmax(F.layer_norm(h.mean((2, 3)), (6,), g), -1).sum(0)

    with warnings.catch_warnings():
        warnings.simplefilter("error", LoopWarning)
        out = func.vmap(f, in_dims=(0, 0, None))(x, w, g)
        by_w = func.vmap(func.grad(lambda w, x: f(x, w, g)[0]), in_dims=(0, 0))(w, x)
    np.testing.assert_allclose(
        out.array, np.stack([f(a, b, g).array for a, b in zip(x, w, strict=True)]), atol=1e-12
    )
    each = [func.grad(lambda w, x=a: f(x, w, g)[0])(b).array for a, b in zip(x, w, strict=True)]
    np.testing.assert_allclose(by_w.array, np.stack(each), atol=1e-12)


def test_functions_that_read_elements_are_refused_and_not_answered_wrongly() -> None:
    with pytest.raises(RuntimeError, match="vmap: this function looks at the elements of its arguments"):
        func.vmap(lambda x: rg.tensor(x.array + 1))(t([1.0, 2.0]))


def test_every_view_op_has_a_rule_but_for_strides() -> None:
    from regrad.autograd.batching import RULES

    assert {name for name, op in OPS.items() if op.viewing and name not in RULES} <= {"as_strided"}
