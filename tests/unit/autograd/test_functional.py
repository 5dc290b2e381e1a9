"""Whole derivatives in PyTorch's functional form: products, Jacobians, Hessians; strict mode and its errors."""

from __future__ import annotations

import re
from typing import Any

import pytest

import regrad as rg
from regrad.autograd import functional as AF


def t(data: Any, **options: Any) -> Any:
    return rg.tensor(data, dtype=rg.float64, **options)


def cube(x: Any) -> Any:
    return (x**3).sum()


def mixed(x: Any, y: Any) -> Any:
    return (x * x * y).sum()


A, B = [1.0, 2.0], [3.0, 4.0]


def test_vjp_and_jvp_of_several_inputs_and_outputs() -> None:
    def f(x: Any, y: Any) -> Any:
        return x * y, x

    values, grads = AF.vjp(f, (t(A), t(B)), (t([1.0, 1.0]), t([1.0, 0.0])))
    assert [v.tolist() for v in values] == [[3.0, 8.0], A]
    assert [g.tolist() for g in grads] == [[4.0, 4.0], A]
    values, moved = AF.jvp(f, (t(A), t(B)), (t([1.0, 1.0]), t([1.0, 0.0])))
    assert [m.tolist() for m in moved] == [[4.0, 4.0], [1.0, 1.0]]


def test_v_may_be_left_out_for_a_single_element() -> None:
    assert AF.vjp(cube, t(A))[1].tolist() == [3.0, 12.0]
    assert AF.jvp(lambda x: x * x, t([2.0]))[1].tolist() == [4.0]


@pytest.mark.parametrize("product", [AF.vjp, AF.jvp])
def test_create_graph_connects_the_results_to_the_inputs(product: Any) -> None:
    x = t(A, requires_grad=True)
    out, found = product(lambda x: x**3, x, t([1.0, 1.0]), create_graph=True)
    assert out.requires_grad
    found.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]
    assert not product(lambda x: x**3, x, t([1.0, 1.0]))[1].requires_grad


@pytest.mark.parametrize(
    "options",
    [{}, {"vectorize": True}, {"strategy": "forward-mode"}, {"vectorize": True, "strategy": "forward-mode"}],
)
def test_jacobian(options: Any) -> None:
    first, second = AF.jacobian(lambda x, y: (x * y, x.sum()), (t(A), t(B)), **options)
    assert [b.tolist() for b in first] == [[[3.0, 0.0], [0.0, 4.0]], [[1.0, 0.0], [0.0, 2.0]]]
    assert [b.tolist() for b in second] == [[1.0, 1.0], [0.0, 0.0]]
    assert AF.jacobian(lambda x: x.exp().sum(1), t([A, B]), **options).shape == (2, 2, 2)
    assert isinstance(AF.jacobian(lambda x: x, (t(A),), **options), tuple)


@pytest.mark.parametrize("vectorize", [False, True])
def test_jacobian_is_differentiable_if_asked(vectorize: bool) -> None:
    x = t(A, requires_grad=True)
    AF.jacobian(lambda x: x**3, x, create_graph=True, vectorize=vectorize).sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]
    assert not AF.jacobian(lambda x: x**3, x, vectorize=vectorize).requires_grad


@pytest.mark.parametrize(
    "options", [{}, {"vectorize": True}, {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}]
)
def test_hessian(options: Any) -> None:
    assert AF.hessian(cube, t(A), **options).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    (xx, xy), (yx, yy) = AF.hessian(mixed, (t(A), t(B)), **options)
    assert [b.tolist() for b in (xx, xy, yx, yy)] == [
        [[6.0, 0.0], [0.0, 8.0]],
        [[2.0, 0.0], [0.0, 4.0]],
        [[2.0, 0.0], [0.0, 4.0]],
        [[0.0, 0.0], [0.0, 0.0]],
    ]


def test_hessian_is_differentiable_if_asked() -> None:
    x = t(A, requires_grad=True)
    AF.hessian(lambda x: (x**4).sum(), x, create_graph=True).sum().backward()  # 24 x
    assert x.grad.tolist() == [24.0, 48.0]


@pytest.mark.parametrize("product", [AF.vhp, AF.hvp])
def test_products_with_the_hessian(product: Any) -> None:
    value, (by_x, by_y) = product(mixed, (t(A), t(B)), (t([1.0, 1.0]), t([0.0, 1.0])))
    assert (value.item(), by_x.tolist(), by_y.tolist()) == (19.0, [6.0, 12.0], [2.0, 4.0])
    x = t(A, requires_grad=True)
    product(lambda x: (x**4).sum(), x, t([1.0, 1.0]), create_graph=True)[1].sum().backward()
    assert x.grad.tolist() == [24.0, 48.0]
    assert product(lambda x: x.sum(), t(A), t(A))[1].tolist() == [0.0, 0.0]


def test_they_record_inside_no_grad() -> None:
    with rg.no_grad():
        assert AF.jacobian(lambda x: x * x, t(A)).tolist() == [[2.0, 0.0], [0.0, 4.0]]


def test_what_does_not_depend_on_an_input_is_zero() -> None:
    assert AF.vjp(lambda x: t([1.0]), t(A), t([1.0]))[1].tolist() == [0.0, 0.0]
    assert [b.tolist() for b in AF.jacobian(lambda x, y: x * 2, (t(A), t([1.0])))] == [
        [[2.0, 0.0], [0.0, 2.0]],
        [[0.0], [0.0]],
    ]


CONSTANT = (
    "Output 0 of the user-provided function does not require gradients. The outputs must be computed in a"
    " differentiable manner"
)
UNUSED = "of the user-provided function is independent of input 1. This is not allowed in strict mode."
FLAT = (
    "The jacobian of the user-provided function is independent of input 0. This is not allowed in strict mode"
    " when create_graph=True."
)
LINEAR = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect to input"
    " 0 is independent of the input."
)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: AF.vjp(lambda x: t([1.0]), t(A), t([1.0]), strict=True), CONSTANT),
        (lambda: AF.jvp(lambda x: t([1.0]), t(A), t(A), strict=True), CONSTANT),
        (lambda: AF.jacobian(lambda x: t([1.0]), t(A), strict=True), CONSTANT),
        (
            lambda: AF.vjp(lambda x, y: x * 2, (t([1.0]), t([2.0])), t([1.0]), strict=True),
            "The output " + UNUSED,
        ),
        (
            lambda: AF.jvp(lambda x, y: x * 2, (t([1.0]), t([2.0])), (t([1.0]), t([1.0])), strict=True),
            "The output " + UNUSED,
        ),
        (lambda: AF.jacobian(lambda x, y: x * 2, (t([1.0]), t([2.0])), strict=True), "Output 0 " + UNUSED),
        (
            lambda: AF.vjp(lambda x: x * 2, t(A, requires_grad=True), t(A), create_graph=True, strict=True),
            FLAT,
        ),
        (
            lambda: AF.jacobian(lambda x: x * 2, t(A, requires_grad=True), create_graph=True, strict=True),
            FLAT,
        ),
        (lambda: AF.hessian(lambda x: x.sum(), t(A), strict=True), LINEAR),
        (lambda: AF.vhp(lambda x: x.sum(), t(A), t(A), strict=True), LINEAR),
        (lambda: AF.hvp(lambda x: x.sum(), t(A), t(A), strict=True), LINEAR),
        (
            lambda: AF.jacobian(lambda x: x, t(A), strict=True, vectorize=True),
            "`strict=True` and `vectorized=True` are not supported together",
        ),
    ],
)
def test_strict_mode_refuses_independence(call: Any, text: str) -> None:
    with pytest.raises(RuntimeError, match=re.escape(text)):
        call()


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: AF.vjp(lambda x: x * x, t(A)),
            RuntimeError,
            (
                "The vector v can only be None if the user-provided function returns a single Tensor with a"
                " single element."
            ),
        ),
        (
            lambda: AF.hvp(cube, t(A)),
            RuntimeError,
            (
                "The vector v can only be None if the input to the user-provided function is a single Tensor"
                " with a single element."
            ),
        ),
        (
            lambda: AF.vjp(lambda x: x, t(A), t([1.0])),
            RuntimeError,
            "v has invalid size: should be [2] but got [1].",
        ),
        (
            lambda: AF.vjp(lambda x: (x, x), t(A), t(A)),
            RuntimeError,
            "v is a tuple of invalid length: should be 2 but got 1.",
        ),
        (
            lambda: AF.vjp(lambda x: x, [t(A)]),
            TypeError,
            "The inputs given to vjp must be either a Tensor or a tuple of Tensors but the given inputs",
        ),
        (
            lambda: AF.jacobian(lambda x: 3, t(A)),
            TypeError,
            "The outputs of the user-provided function given to jacobian must be either a Tensor",
        ),
        (
            lambda: AF.hessian(lambda x: x, t(A)),
            RuntimeError,
            "The Tensor returned by the function given to hessian should contain a single element",
        ),
        (
            lambda: AF.hessian(lambda x: (x.sum(), x.sum()), t(A)),
            RuntimeError,
            "The function given to hessian should return a single Tensor",
        ),
        (
            lambda: AF.jacobian(cube, t(A), strategy="sideways"),
            ValueError,
            'Expected strategy to be either "forward-mode" or "reverse-mode".',
        ),
        (
            lambda: AF.jacobian(cube, t(A), strategy="forward-mode", create_graph=True),
            NotImplementedError,
            "are not supported together (yet).",
        ),
    ],
)
def test_what_is_refused(call: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=re.escape(text)):
        call()
