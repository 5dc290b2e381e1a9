"""Custom functions: what the context offers, what a backward may return, and how transforms see them."""

from __future__ import annotations

import re
from typing import Any

import pytest

import regrad as rg
from regrad import func
from regrad.autograd import Function, forward_ad
from regrad.autograd.function import once_differentiable


def leaf(*data: float) -> Any:
    return rg.tensor(list(data), dtype=rg.float64, requires_grad=True)


def make(forward: Any, backward: Any, **more: Any) -> Any:
    """A custom function of the given static methods."""
    body = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(
        "Made", (Function,), {**body, **{k: staticmethod(v) if callable(v) else v for k, v in more.items()}}
    )


class Square(Function):
    @staticmethod
    def forward(x: Any) -> Any:
        return x * x

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g

    @staticmethod
    def jvp(ctx: Any, v: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * v


def test_first_and_second_derivatives_in_either_mode() -> None:
    x = leaf(1.0, 2.0)
    (g,) = rg.autograd.grad(Square.apply(x).sum(), x, create_graph=True)
    g.sum().backward()
    assert (g.tolist(), x.grad.tolist()) == ([2.0, 4.0], [2.0, 2.0])
    with forward_ad.dual_level():
        moved = Square.apply(forward_ad.make_dual(rg.tensor([3.0]), rg.tensor([10.0])))
        assert forward_ad.unpack_dual(moved).tangent.tolist() == [60.0]
    assert Square.apply(x).grad_fn.name() == "SquareBackward"


def test_context_keeps_other_things_as_attributes_and_none_for_them() -> None:
    def forward(ctx: Any, x: Any, k: float, note: str) -> Any:
        ctx.k = k
        return x * k

    x = leaf(1.0, 2.0)
    make(forward, lambda ctx, g: (g * ctx.k, None, None)).apply(x, 3.0, "note").sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_needs_input_grad_says_who_asks() -> None:
    seen = []

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(ctx.needs_input_grad)
        return g, None

    make(lambda ctx, x, y: x * 2, backward).apply(leaf(1.0), rg.ones(1)).backward()
    assert seen == [(True, False)]


@pytest.mark.parametrize(
    ("materialize", "expected"), [(True, [[1.0, 1.0], [0.0, 0.0]]), (False, [[1.0, 1.0], None])]
)
def test_missing_gradients_are_zeros_or_none(materialize: bool, expected: Any) -> None:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(materialize)
        return x * 2, x * 3

    def backward(ctx: Any, *gs: Any) -> Any:
        seen.extend(g if g is None else g.tolist() for g in gs)
        return gs[0] * 2

    make(forward, backward).apply(leaf(1.0, 2.0))[0].sum().backward()
    assert seen == expected


def test_outputs_may_be_marked_non_differentiable() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        y, z = x > 1, x * 5
        ctx.mark_non_differentiable(y, z)
        return x * 2, y, z

    x = leaf(1.0, 2.0)
    a, b, c = make(forward, lambda ctx, g, *rest: g * 2).apply(x)
    a.sum().backward()
    assert (a.requires_grad, b.requires_grad, c.requires_grad, x.grad.tolist()) == (
        True,
        False,
        False,
        [2.0, 2.0],
    )


def test_dirty_inputs_come_back_with_a_new_history() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        x.mul_(2.0)
        ctx.mark_dirty(x)
        return x

    double = make(forward, lambda ctx, g: g * 2)
    x = leaf(1.0, 2.0)
    y = x.clone()
    z = double.apply(y)
    z.sum().backward()
    assert (z is y, y.tolist(), x.grad.tolist()) == (True, [2.0, 4.0], [2.0, 2.0])
    with pytest.raises(RuntimeError, match=r"a leaf Variable that requires grad .* in an in-place operation"):
        double.apply(leaf(1.0))

    def forgets(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x * 2

    with pytest.raises(RuntimeError, match="must all be outputs of the Function"):
        make(forgets, lambda ctx, g: g).apply(leaf(1.0).clone())


def test_an_input_handed_through_becomes_a_tensor_of_its_own() -> None:
    x = leaf(1.0, 2.0)
    y = make(lambda ctx, x: x, lambda ctx, g: g * 5).apply(x)
    y.sum().backward()
    assert (y is x, x.grad.tolist()) == (False, [5.0, 5.0])


def test_once_differentiable_refuses_a_second_derivative() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    square = make(forward, once_differentiable(lambda ctx, g: 2 * ctx.saved_tensors[0] * g))
    x = leaf(1.0, 2.0)
    square.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    h = x * 1
    (g,) = rg.autograd.grad((square.apply(h) * h).sum(), h, create_graph=True)
    with pytest.raises(
        RuntimeError, match="differentiate twice a function that was marked with @once_differentiable"
    ):
        g.sum().backward()


def test_transforms_see_custom_functions() -> None:
    each = type("Each", (Square,), {"generate_vmap_rule": True})
    x = rg.tensor([1.0, 2.0])
    assert func.vmap(each.apply)(x).tolist() == [1.0, 4.0]
    assert func.vmap(func.grad(each.apply))(x).tolist() == [2.0, 4.0]
    assert func.grad(func.grad(each.apply))(rg.tensor(3.0)).item() == 2.0
    assert func.jacrev(each.apply)(x).tolist() == [[2.0, 0.0], [0.0, 4.0]]


def test_a_vmap_rule_gets_the_batch_and_says_where_it_went() -> None:
    seen = []

    def rule(info: Any, in_dims: Any, x: Any, k: Any) -> Any:
        seen.append((info.batch_size, info.randomness, in_dims))
        return ruled.apply(x, k), 0

    ruled = make(
        lambda x, k: x * k,
        lambda ctx, g: (g, None),
        setup_context=lambda ctx, inputs, output: None,
        vmap=rule,
    )
    assert func.vmap(ruled.apply, in_dims=(0, None))(rg.ones(3, 2), 2.0).tolist() == [[2.0, 2.0]] * 3
    assert seen == [(3, "error", (0, None))]
    with pytest.raises(NotImplementedError, match=r"generate_vmap_rule=True"):
        func.vmap(Square.apply)(rg.ones(2))


@pytest.mark.parametrize(
    ("backward", "kind", "text"),
    [
        (lambda ctx, g: g, RuntimeError, "returned an incorrect number of gradients (expected 2, got 1)"),
        (
            lambda ctx, g: (g[:1], None),
            RuntimeError,
            "returned an invalid gradient at index 0 - got [1] but expected shape compatible with [2]",
        ),
        (lambda ctx, g: (3, None), TypeError, "expected a Tensor or None as gradient 0, got int"),
    ],
)
def test_wrong_answers_of_a_backward(backward: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=re.escape(text)):
        make(lambda ctx, x, k: x * k, backward).apply(leaf(1.0, 2.0), 3).sum().backward()


def test_what_is_missing_is_named() -> None:
    with pytest.raises(
        NotImplementedError, match=r"You must implement the forward function for custom autograd.Function"
    ):
        type("Empty", (Function,), {}).apply(leaf(1.0))
    half = type("Half", (Function,), {"forward": staticmethod(lambda ctx, x: x * 2)})
    with pytest.raises(NotImplementedError, match="You must implement either the backward or vjp method"):
        half.apply(leaf(1.0)).backward()
    with (
        forward_ad.dual_level(),
        pytest.raises(NotImplementedError, match="You must implement the jvp function"),
    ):
        half.apply(forward_ad.make_dual(rg.ones(1), rg.ones(1)))
    with pytest.raises(TypeError, match="save_for_backward can only save variables"):
        make(lambda ctx, x: ctx.save_for_backward(3), lambda ctx, g: g).apply(leaf(1.0))


def test_saved_tensors_are_freed_with_the_graph() -> None:
    y = Square.apply(leaf(1.0))
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_objects_on_ctx_are_gone_after_the_last_pass_like_saved_tensors() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save("a table")
        return x * 2

    def backward(ctx: Any, g: Any) -> Any:
        (table,) = ctx.saved_objects
        assert table == "a table"
        return g * 2

    x = leaf(1.0)
    y = make(forward, backward).apply(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(rg.GraphFreedError) as caught:
        y.backward()
    assert caught.value.op == "Made"
    assert x.grad.tolist() == [4.0]
