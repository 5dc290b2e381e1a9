"""Function transforms: values worked out by hand, structures and errors as PyTorch 2.13 gives them."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import regrad as rg
from regrad import func


def t(data: Any, **options: Any) -> Any:
    return rg.tensor(data, dtype=rg.float64, **options)


def cube(x: Any) -> Any:
    return (x**3).sum()


A, B = [1.0, 2.0], [3.0, 4.0]


def test_grad_of_grad_of_grad() -> None:
    third = func.grad(func.grad(func.grad(rg.sin)))(t(0.5))
    assert third.item() == pytest.approx(-math.cos(0.5))


@pytest.mark.parametrize(("argnums", "expected"), [(0, B), (1, A), (-1, A), ((0, 1), (B, A)), ((1,), (A,))])
def test_grad_by_the_chosen_arguments(argnums: Any, expected: Any) -> None:
    g = func.grad(lambda x, y: (x * y).sum(), argnums=argnums)(t(A), t(B))
    assert (tuple(p.tolist() for p in g) if isinstance(g, tuple) else g.tolist()) == expected


def test_grad_keeps_the_form_of_its_argument() -> None:
    g = func.grad(lambda d: (d["a"] * d["b"][0]).sum())({"a": t(A), "b": [t(B), t(1.0)]})
    assert g["a"].tolist() == B
    assert [p.tolist() for p in g["b"]] == [A, 0.0]


def test_has_aux_hands_detached_results_through() -> None:
    g, (value, aux) = func.grad_and_value(lambda x: (cube(x), {"twice": x * 2}), has_aux=True)(t(A))
    assert (g.tolist(), value.item(), aux["twice"].tolist()) == ([3.0, 12.0], 9.0, [2.0, 4.0])
    assert not aux["twice"].requires_grad
    g, aux = func.grad(lambda x: (cube(x), "note"), has_aux=True)(t(A))
    assert (g.tolist(), aux) == ([3.0, 12.0], "note")


def test_grad_marks_nothing_outside() -> None:
    x = t(A)
    g = func.grad(cube)(x)
    assert (x.requires_grad, x.grad, g.requires_grad) == (False, None, False)


def test_closures_over_tensors_that_require_grad_stay_connected() -> None:
    w = t(B, requires_grad=True)
    g = func.grad(lambda x: (x * x * w).sum())(t(A))  # 2 x w
    g.sum().backward()
    assert (g.tolist(), w.grad.tolist()) == ([6.0, 16.0], [2.0, 4.0])


def test_an_argument_that_requires_grad_stays_connected() -> None:
    w = t(A, requires_grad=True)
    func.grad(cube)(w).sum().backward()  # 6 w
    assert w.grad.tolist() == [6.0, 12.0]


def test_grad_records_inside_no_grad_and_no_grad_inside_it_cuts() -> None:
    with rg.no_grad():
        assert func.grad(cube)(t(A)).tolist() == [3.0, 12.0]

    def half(x: Any) -> Any:
        with rg.no_grad():
            c = x * 2
        return (x * c).sum()

    assert func.grad(half)(t(A)).tolist() == [2.0, 4.0]
    assert func.grad(lambda x: (x * x.detach()).sum())(t(A)).tolist() == A


def test_a_pullback_may_be_called_twice() -> None:
    value, pull = func.vjp(lambda x: x * x, t(A))
    assert value.tolist() == [1.0, 4.0]
    assert pull(t([1.0, 0.0]))[0].tolist() == [2.0, 0.0]
    assert pull(t([0.0, 1.0]))[0].tolist() == [0.0, 4.0]


def test_vjp_of_several_inputs_and_outputs() -> None:
    (out, total), pull = func.vjp(lambda x, y: (x * y, x.sum()), t(A), t(B))
    by_x, by_y = pull((t([1.0, 1.0]), t(10.0)))
    assert (out.tolist(), total.item(), by_x.tolist(), by_y.tolist()) == ([3.0, 8.0], 3.0, [13.0, 14.0], A)
    _, pull = func.vjp(lambda x: {"a": x * x, "b": x.sum()}, t(A))
    assert pull({"a": t([1.0, 0.0]), "b": t(1.0)})[0].tolist() == [3.0, 1.0]


def test_jvp_of_several_inputs_and_outputs() -> None:
    values, moved = func.jvp(lambda x, y: (x * y, x), (t(A), t(B)), (t([1.0, 1.0]), t([1.0, 0.0])))
    assert [v.tolist() for v in values] == [[3.0, 8.0], A]
    assert [m.tolist() for m in moved] == [[4.0, 4.0], [1.0, 1.0]]
    value, moved, aux = func.jvp(lambda x: (x * x, x + 1), (t(A),), (t([1.0, 1.0]),), has_aux=True)
    assert (value.tolist(), moved.tolist(), aux.tolist()) == ([1.0, 4.0], [2.0, 4.0], [2.0, 3.0])


def test_jvp_stops_at_detach() -> None:
    assert func.jvp(lambda x: x * x.detach(), (t(A),), (t([1.0, 1.0]),))[1].tolist() == A


def test_jvp_of_what_does_not_depend_on_the_input_is_zero_or_refused() -> None:
    assert func.jvp(lambda x: t([1.0]), (t(A),), (t(A),))[1].tolist() == [0.0]
    with pytest.raises(
        RuntimeError, match=r"independent of the inputs\. This is not allowed with strict=True"
    ):
        func.jvp(lambda x: t([1.0]), (t(A),), (t(A),), strict=True)


def test_linearize_gives_the_tangent_map() -> None:
    value, push = func.linearize(lambda x, y: (x * y, x), t(A), t(B))
    assert [v.tolist() for v in value] == [[3.0, 8.0], A]
    assert [m.tolist() for m in push(t([1.0, 1.0]), t([0.0, 1.0]))] == [[3.0, 6.0], [1.0, 1.0]]


@pytest.mark.parametrize("jacobian", [func.jacrev, func.jacfwd])
class TestJacobians:
    def test_of_one_input(self, jacobian: Any) -> None:
        assert jacobian(lambda x: x * x * x.sum())(t(A)).tolist() == [[7.0, 1.0], [4.0, 16.0]]

    def test_is_of_the_shape_output_then_input(self, jacobian: Any) -> None:
        j = jacobian(lambda x: x.sum(0))(rg.ones(2, 3))
        assert j.shape == (3, 2, 3)
        assert j.sum().item() == 6.0

    def test_of_chosen_arguments_and_nested_outputs(self, jacobian: Any) -> None:
        prod, rest = jacobian(lambda x, y: (x * y, {"k": x}), argnums=(0, 1))(t(A), t(B))
        assert [p.tolist() for p in prod] == [[[3.0, 0.0], [0.0, 4.0]], [[1.0, 0.0], [0.0, 2.0]]]
        assert [p.tolist() for p in rest["k"]] == [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]

    def test_of_a_dictionary(self, jacobian: Any) -> None:
        j = jacobian(lambda d: d["a"] * d["b"])({"a": t(A), "b": t(B)})
        assert j["a"].tolist() == [[3.0, 0.0], [0.0, 4.0]]
        assert j["b"].tolist() == [[1.0, 0.0], [0.0, 2.0]]

    def test_has_aux(self, jacobian: Any) -> None:
        j, aux = jacobian(lambda x: (x * 2, x.sum()), has_aux=True)(t(A))
        assert (j.tolist(), aux.item()) == ([[2.0, 0.0], [0.0, 2.0]], 3.0)

    @pytest.mark.parametrize("chunk", [1, 2, 5])
    def test_in_chunks(self, jacobian: Any, chunk: int) -> None:
        j = jacobian(lambda x: x * x, chunk_size=chunk)(t([1.0, 2.0, 3.0]))
        assert j.tolist() == np.diag([2.0, 4.0, 6.0]).tolist()

    def test_of_a_constant_is_zero(self, jacobian: Any) -> None:
        assert jacobian(lambda x: t(A))(t([1.0, 2.0, 3.0])).tolist() == [[0.0] * 3] * 2

    def test_over_a_closure_stays_connected(self, jacobian: Any) -> None:
        w = t(B, requires_grad=True)
        jacobian(lambda x: x * w)(t(A)).sum().backward()
        assert w.grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("outer", [func.jacrev, func.jacfwd])
@pytest.mark.parametrize("inner", [func.jacrev, func.jacfwd, func.grad])
def test_second_derivatives_nest_either_way(outer: Any, inner: Any) -> None:
    assert outer(inner(lambda x: (x**3).sum() + x[0] * x[1]))(t(A)).tolist() == [[6.0, 1.0], [1.0, 12.0]]


def test_hessian_by_blocks_and_its_derivative() -> None:
    (xx, xy), (yx, yy) = func.hessian(lambda x, y: (x * x * y).sum(), argnums=(0, 1))(t(A), t([1.0, 3.0]))
    assert [b.tolist() for b in (xx, xy, yx, yy)] == [
        [[2.0, 0.0], [0.0, 6.0]],
        [[2.0, 0.0], [0.0, 4.0]],
        [[2.0, 0.0], [0.0, 4.0]],
        [[0.0, 0.0], [0.0, 0.0]],
    ]
    third = func.jacfwd(func.hessian(cube))(t(A))
    assert third.tolist() == [[[6.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 6.0]]]


def test_per_sample_gradients() -> None:
    w = t([[1.0, 2.0], [3.0, 4.0]])
    x = t([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]])
    y = t([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])

    def loss(w: Any, x: Any, y: Any) -> Any:
        return ((w @ x - y) ** 2).sum()

    each = func.vmap(func.grad(loss), in_dims=(None, 0, 0))(w, x, y)
    residual = np.einsum("ij,bj->bi", w.array, x.array) - y.array
    np.testing.assert_allclose(each.array, 2 * residual[:, :, None] * x.array[:, None, :])
    np.testing.assert_allclose(
        each.sum(0).array, func.grad(lambda w: sum(loss(w, a, b) for a, b in zip(x, y, strict=True)))(w).array
    )


def test_per_sample_gradients_of_a_network_with_a_class_loss() -> None:
    rg.manual_seed(0)
    w, v = rg.randn(4, 3, dtype=rg.float64), rg.randn(2, 4, dtype=rg.float64)
    x, y = rg.randn(5, 3, dtype=rg.float64), rg.tensor([0, 1, 1, 0, 1])

    def loss(w: Any, v: Any, x: Any, y: Any) -> Any:
        hidden = rg.tanh(rg.nn.functional.linear(x, w))
        return rg.nn.functional.cross_entropy(rg.nn.functional.linear(hidden, v), y)

    each = func.vmap(func.grad(loss, argnums=(0, 1)), in_dims=(None, None, 0, 0))(w, v, x, y)
    for k in range(5):
        for got, want in zip(each, func.grad(loss, argnums=(0, 1))(w, v, x[k], y[k]), strict=True):
            np.testing.assert_allclose(got[k].array, want.array, atol=1e-14)


@pytest.mark.parametrize("transform", [func.jacrev, func.jacfwd, func.hessian])
def test_vmap_of_whole_derivatives(transform: Any) -> None:
    def f(x: Any) -> Any:
        out = x * x * x.sum()
        return out.sum() if transform is func.hessian else out

    x = t([A, B])
    batched = func.vmap(transform(f))(x)
    assert [transform(f)(row).tolist() for row in x] == batched.tolist()


def test_derivatives_of_vmap() -> None:
    x = t([A, B])
    assert func.grad(lambda x: func.vmap(rg.dot)(x, x).sum())(x).tolist() == [[2.0, 4.0], [6.0, 8.0]]
    assert func.jvp(func.vmap(lambda a: (a * a).sum()), (x,), (t([[1.0, 0.0], [0.0, 1.0]]),))[1].tolist() == [
        2.0,
        8.0,
    ]
    assert func.jacrev(func.vmap(lambda a: a.sum() ** 2))(x).tolist() == [
        [[6.0, 6.0], [0.0, 0.0]],
        [[0.0, 0.0], [14.0, 14.0]],
    ]
    assert func.vmap(func.vmap(func.grad(lambda a: a**3)))(x).tolist() == [[3.0, 12.0], [27.0, 48.0]]


class TestVmap:
    def test_dims_in_and_out(self) -> None:
        x = t([[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]])
        assert func.vmap(lambda v: v * 2, in_dims=1, out_dims=1)(x).tolist() == [
            [2.0, 4.0, 10.0],
            [6.0, 8.0, 12.0],
        ]
        assert func.vmap(lambda v: v * 2, in_dims=-1)(x).tolist() == [[2.0, 6.0], [4.0, 8.0], [10.0, 12.0]]
        twice, total = func.vmap(lambda v: (v * 2, v.sum()), in_dims=1, out_dims=(1, 0))(x)
        assert (twice.tolist(), total.tolist()) == ([[2.0, 4.0, 10.0], [6.0, 8.0, 12.0]], [4.0, 6.0, 11.0])

    def test_outer_product_by_nesting(self) -> None:
        inner = func.vmap(lambda a, b: a * b, in_dims=(0, None))
        assert func.vmap(inner, in_dims=(None, 0))(t(A), t(B)).tolist() == [[3.0, 6.0], [4.0, 8.0]]

    def test_trees_in_and_out(self) -> None:
        out = func.vmap(
            lambda d: {"sum": d["a"] + d["b"], "list": [d["a"] * 2]}, in_dims=({"a": 0, "b": None},)
        )({"a": t(A), "b": t(5.0)})
        assert (out["sum"].tolist(), out["list"][0].tolist()) == ([6.0, 7.0], [2.0, 4.0])

    def test_keyword_arguments_are_the_same_for_all_samples(self) -> None:
        assert func.vmap(lambda x, k=None: x * k)(t(A), k=t(B)).tolist() == [[3.0, 4.0], [6.0, 8.0]]

    def test_results_that_are_not_batched(self) -> None:
        assert func.vmap(lambda x: t(1.0))(t(A)).tolist() == [1.0, 1.0]
        assert func.vmap(lambda x: t(1.0), out_dims=None)(t(A)).item() == 1.0

    @pytest.mark.parametrize("chunk", [1, 2, 3, 7])
    def test_in_chunks(self, chunk: int) -> None:
        assert func.vmap(lambda x: x.sum(), chunk_size=chunk)(t([A, B, [5.0, 6.0]])).tolist() == [
            3.0,
            7.0,
            11.0,
        ]

    def test_indexing(self) -> None:
        x = t([A, B])
        assert func.vmap(lambda v: v[0])(x).tolist() == [1.0, 3.0]
        assert func.vmap(lambda v: v[rg.tensor([1, 0])])(x).tolist() == [[2.0, 1.0], [4.0, 3.0]]
        assert func.vmap(lambda v, k: v[k])(x, rg.tensor([[1], [0]])).tolist() == [[2.0], [3.0]]
        assert func.vmap(lambda v, k: v[k])(x, rg.tensor([1, 0])).tolist() == [2.0, 3.0]

    def test_writes_through_views_reach_the_sample(self) -> None:
        def f(x: Any) -> Any:
            y = x.clone()
            y[0] = 0.0
            y[1:].add_(10.0)
            return y.mul_(2.0)

        assert func.vmap(f)(t([A, B])).tolist() == [[0.0, 24.0], [0.0, 28.0]]

    def test_an_argument_can_be_written_to(self) -> None:
        x = t([A, B])
        func.vmap(lambda v: v.mul_(2.0))(x)
        assert x.tolist() == [[2.0, 4.0], [6.0, 8.0]]

    @pytest.mark.parametrize(
        "write", [lambda y, x: y.add_(x), lambda y, x: y.copy_(x), lambda y, x: y.__setitem__(0, x)]
    )
    def test_samples_cannot_be_written_into_what_is_not_batched(self, write: Any) -> None:
        with pytest.raises(RuntimeError, match=r"vmap: .*inplace arithmetic.* is not possible"):
            func.vmap(write, in_dims=(None, 0))(t([0.0]), t(A))

    @pytest.mark.parametrize(
        "ask", [bool, float, int, lambda x: x.item(), lambda x: x.tolist(), lambda x: x.numpy()]
    )
    def test_a_sample_has_no_single_value(self, ask: Any) -> None:
        with pytest.raises(RuntimeError, match="vmap: It looks like you're"):
            func.vmap(ask)(t(A))


class TestRandomness:
    def test_error_is_the_default(self) -> None:
        for draw in (
            lambda x: x + rg.rand(1),
            rg.rand_like,
            lambda x: rg.dropout(x, 0.5),
            lambda x: x.clone().normal_(),
        ):
            with pytest.raises(RuntimeError, match="called random operation while in randomness error mode"):
                func.vmap(draw)(rg.ones(3, 4))

    @pytest.mark.parametrize(
        "draw",
        [
            lambda x: rg.rand(4) + 0 * x,
            rg.randn_like,
            lambda x: rg.dropout(x, 0.5),
            lambda x: x.clone().uniform_(),
        ],
    )
    def test_same_and_different(self, draw: Any) -> None:
        same = func.vmap(draw, randomness="same")(rg.ones(3, 64 // 16))
        assert same[0].tolist() == same[1].tolist() == same[2].tolist()
        different = func.vmap(lambda x: rg.cat([draw(x) for _ in range(16)]), randomness="different")(
            rg.ones(3, 4)
        )
        assert different[0].tolist() != different[1].tolist() != different[2].tolist()

    def test_randomness_must_be_one_of_three(self) -> None:
        with pytest.raises(
            RuntimeError,
            match=r"Only allowed values for randomness are 'error', 'different', or 'same'\. Got some",
        ):
            func.vmap(lambda x: x, randomness="some")


ERRORS = [
    (
        lambda: func.grad(lambda x: x * 2)(t(A)),
        RuntimeError,
        "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with 1 dims.",
    ),
    (
        lambda: func.grad(lambda x: 3.0)(t(A)),
        RuntimeError,
        "Expected f(*args) to return a Tensor, got <class 'float'>",
    ),
    (lambda: func.grad(cube, argnums=2)(t(A)), RuntimeError, "Got argnum=2, but only 1 positional inputs"),
    (
        lambda: func.grad(cube, has_aux=True)(t(A)),
        RuntimeError,
        "output of function f should be a tuple: (output, aux) if has_aux is True",
    ),
    (
        lambda: func.jvp(lambda x: x * x, (t(A),), (t(A),), has_aux=True),
        RuntimeError,
        "jvp(f, primals, tangents): output of function f should be a tuple: (output, aux) if has_aux is True",
    ),
    (
        lambda: func.grad(cube)(rg.tensor([1, 2])),
        RuntimeError,
        "only Tensors of floating point dtype can require gradients",
    ),
    (
        lambda: func.vjp(lambda x: 3, t(A)),
        RuntimeError,
        "vjp(f, *primals): expected f(*primals) to return only tensors, got unsupported type",
    ),
    (
        lambda: func.vjp(lambda x: x, t(A))[1]((t(A),)),
        RuntimeError,
        "Expected pytree structure of cotangents to be the same",
    ),
    (
        lambda: func.vjp(lambda x: x, t(A))[1](t([1.0])),
        RuntimeError,
        "Mismatch in shape: grad_output[0] has a shape of",
    ),
    (
        lambda: func.jvp(cube, t(A), t(A)),
        RuntimeError,
        "jvp(f, primals, tangents): Expected primals to be a tuple.",
    ),
    (
        lambda: func.jvp(cube, (t(A),), t(A)),
        RuntimeError,
        "Expected primals and tangents to have the same python structure",
    ),
    (
        lambda: func.jvp(cube, (t(A),), (t([1.0]),)),
        RuntimeError,
        "a forward gradient that has a different size than that of the original Tensor",
    ),
    (
        lambda: func.jvp(lambda x: 3, (t(A),), (t(A),)),
        RuntimeError,
        "jvp(f, primals, tangents): expected f(*primals) to return only tensors",
    ),
    (lambda: func.jacrev(cube, chunk_size=0), ValueError, "jacrev: `chunk_size` should be greater than 0."),
    (
        lambda: func.vmap(cube, chunk_size=-1),
        ValueError,
        "vmap: chunk_size should be None or greater than 0. (got -1)",
    ),
    (
        lambda: func.vmap(cube, in_dims=None)(t(A)),
        ValueError,
        "expected `in_dims` to be int or a (potentially nested) tuple",
    ),
    (lambda: func.vmap(cube, in_dims=[0])(t(A)), ValueError, "got: <class 'list'>."),
    (
        lambda: func.vmap(rg.add, in_dims=(0,))(t(A), t(A)),
        ValueError,
        "in_dims is not compatible with the structure of `inputs`",
    ),
    (
        lambda: func.vmap(rg.add)(t(A), t([1.0])),
        ValueError,
        "Expected all tensors to have the same size in the mapped dimension, got sizes",
    ),
    (lambda: func.vmap(cube, in_dims=1)(t(A)), ValueError, "expected in_dim to satisfy -1 <= in_dim < 1."),
    (lambda: func.vmap(cube)(t(1.0)), ValueError, "that input is a Tensor of dimensionality 0"),
    (
        lambda: func.vmap(rg.mul)(t(A), 3),
        ValueError,
        "We cannot vmap over non-Tensor arguments, please use None as the respective in_dim",
    ),
    (
        lambda: func.vmap(lambda x: x, out_dims=None)(t(A)),
        ValueError,
        "can not return a BatchedTensor when out_dim is None",
    ),
    (
        lambda: func.vmap(lambda x: x * 2, out_dims=2)(t([A])),
        IndexError,
        "Dimension out of range (expected to be in range of [-2, 1], but got 2)",
    ),
    (lambda: func.vmap(lambda x: 3)(t(A)), ValueError, "must only return Tensors, got type <class 'int'>."),
    (lambda: func.vmap(lambda: 3)(), ValueError, "got no inputs."),
]


@pytest.mark.parametrize(("call", "kind", "text"), ERRORS)
def test_what_is_refused(call: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=re.escape(text)):
        call()
