"""Dual tensors: levels, views, writes, and forward mode over reverse mode."""

from __future__ import annotations

import re
from typing import Any

import pytest

import regrad as rg
from regrad.autograd import forward_ad as fw


def t(data: Any, **options: Any) -> Any:
    return rg.tensor(data, dtype=rg.float64, **options)


def tangent(x: Any) -> Any:
    found = fw.unpack_dual(x).tangent
    return None if found is None else found.tolist()


def test_a_dual_carries_its_tangent_through_ops() -> None:
    with fw.dual_level():
        x = fw.make_dual(t([1.0, 2.0]), t([1.0, 10.0]))
        assert tangent(x * x) == [2.0, 40.0]
        assert fw.unpack_dual(x).primal.tolist() == [1.0, 2.0]
        assert tangent(t([1.0])) is None
        assert tangent(x.detach()) is None
        with rg.no_grad():
            assert tangent(x * x) == [2.0, 40.0]


def test_a_tangent_ends_with_its_level() -> None:
    with fw.dual_level():
        x = fw.make_dual(t([1.0]), t([1.0]))
    assert tangent(x) is None
    with fw.dual_level():
        assert tangent(x) is None
        assert tangent(x * 2) is None


def test_levels_nest_and_do_not_mix() -> None:
    with fw.dual_level():
        x = fw.make_dual(t(3.0), t(1.0))
        with fw.dual_level():
            y = fw.make_dual(x, t(1.0))
            second = fw.unpack_dual(fw.unpack_dual(y**3).tangent, level=0).tangent
            assert second.item() == 18.0
        assert tangent(x**3) == 27.0


def test_levels_entered_by_hand() -> None:
    level = fw.enter_dual_level()
    x = fw.make_dual(t(3.0), t(2.0), level=level)
    assert tangent(x * x) == 12.0
    fw.exit_dual_level(level=level)
    with pytest.raises(RuntimeError, match="not the last one that was created"):
        fw.exit_dual_level()


def test_writes_carry_tangents_to_views_and_bases() -> None:
    with fw.dual_level():
        x = t([1.0, 2.0])
        x.mul_(fw.make_dual(t([3.0, 4.0]), t([1.0, 1.0])))
        assert tangent(x) == [1.0, 2.0]
        base = t([1.0, 2.0])
        part = base[0]
        part.mul_(fw.make_dual(t(3.0), t(1.0)))
        assert (tangent(base), tangent(part)) == ([1.0, 0.0], 1.0)
        base = fw.make_dual(t([1.0, 2.0]), t([1.0, 5.0]))
        base[0].mul_(2.0)
        assert tangent(base) == [2.0, 5.0]
        base[0] = 7.0
        assert (base.tolist(), tangent(base)) == ([7.0, 2.0], [0.0, 5.0])
        base.zero_()
        assert tangent(base) in (None, [0.0, 0.0])


def test_forward_over_reverse_and_reverse_over_forward() -> None:
    w = t([1.0, 2.0], requires_grad=True)
    with fw.dual_level():
        x = fw.make_dual(w, t([1.0, 1.0]))
        (g,) = rg.autograd.grad((x**3).sum(), x)
        assert tangent(g) == [6.0, 12.0]
        fw.unpack_dual(x**3).tangent.sum().backward()
    assert w.grad.tolist() == [6.0, 12.0]


def test_a_tangent_can_require_grad() -> None:
    w, v = t([1.0, 2.0], requires_grad=True), t([1.0, 1.0], requires_grad=True)
    with fw.dual_level():
        fw.unpack_dual(fw.make_dual(w, v) ** 3).tangent.sum().backward()
    assert (w.grad.tolist(), v.grad.tolist()) == ([6.0, 12.0], [3.0, 12.0])


def test_making_a_dual_needs_a_level() -> None:
    with pytest.raises(RuntimeError, match=r"no level exists, make sure to enter_dual_level\(\) first."):
        fw.make_dual(t(1.0), t(1.0))


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: fw.make_dual(t([1.0, 2.0]), t([1.0])),
            RuntimeError,
            "Tensor is of size [2] while the given forward gradient is of size [1].",
        ),
        (
            lambda: fw.make_dual(rg.tensor([1]), t([1.0])),
            ValueError,
            "Expected primal to be floating point or complex, but got: int64",
        ),
        (
            lambda: fw.make_dual(t([1.0]), rg.tensor([1])),
            ValueError,
            "Expected tangent to be floating point or complex, but got: int64",
        ),
        (lambda: fw.make_dual(1, t([1.0])), TypeError, "make_dual: primal must be a Tensor, not int"),
        (
            lambda: fw.make_dual(fw.make_dual(t(1.0), t(1.0)), t(1.0)),
            RuntimeError,
            "already has a forward gradient at the same level",
        ),
        (
            lambda: fw.make_dual(t(1.0), t(1.0), level=3),
            RuntimeError,
            "make_dual: there is no forward AD level 3; 1 are entered",
        ),
    ],
)
def test_what_is_refused(call: Any, kind: type[Exception], text: str) -> None:
    with fw.dual_level(), pytest.raises(kind, match=re.escape(text)):
        call()


SCORES = [[0.5, -1.0, 2.0, 0.1], [1.5, 0.3, -0.2, 0.7], [-0.4, 0.9, 0.6, -1.1]]


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: (rg.nn.functional.scaled_dot_product_attention(x, x * 2, x) ** 2).sum(),
        lambda x: (rg.rms_norm(x, (4,)) ** 3).sum(),
        lambda x: rg.nn.functional.cross_entropy(x, rg.tensor([1, 3, 0])) ** 2,
    ],
)
def test_results_that_only_a_rule_sees_have_tangents(loss: Any) -> None:
    forward, backward = rg.func.hessian(loss), rg.func.jacrev(rg.func.jacrev(loss))
    rg.testing.assert_close(forward(t(SCORES)), backward(t(SCORES)))
