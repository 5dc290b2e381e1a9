"""`gradcheck` and `gradgradcheck` accept what is right and catch every planted fault."""

from __future__ import annotations

from typing import Any

import pytest

import regrad as rg
from regrad.autograd import Function, gradcheck, gradgradcheck
from regrad.autograd.gradcheck import GradcheckError


def t(data: Any, **options: Any) -> Any:
    return rg.tensor(data, dtype=rg.float64, **options)


def cubed(backward: Any, jvp: Any = None) -> Any:
    """``x ** 3`` with the given backward, for planting faults."""

    class Cubed(Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x**3

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

    Cubed.backward = staticmethod(lambda ctx, g: backward(ctx.saved_tensors[0], g))  # type: ignore[method-assign]
    if jvp is not None:
        Cubed.jvp = staticmethod(lambda ctx, v: jvp(ctx.saved_tensors[0], v))  # type: ignore[method-assign]
    return Cubed.apply


def point() -> Any:
    return t([1.0, 2.0], requires_grad=True)


def right(x: Any, g: Any) -> Any:
    return 3 * x**2 * g


@pytest.mark.parametrize("fast", [False, True])
def test_right_derivatives_pass(fast: bool) -> None:
    assert gradcheck(cubed(right, right), (point(),), check_forward_ad=True, fast_mode=fast)
    assert gradcheck(lambda x, k: (x * x, x.sum() * k), (point(), 3), fast_mode=fast)
    assert gradgradcheck(cubed(right), (point(),), fast_mode=fast)
    z = rg.tensor([1 + 2j, 2.0], dtype=rg.complex128, requires_grad=True)
    assert gradcheck(lambda z: z * z.conj(), (z,), fast_mode=fast)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda x, g: -3 * x**2 * g, id="wrong sign"),
        pytest.param(lambda x, g: x**2 * g, id="dropped factor"),
        pytest.param(lambda x, g: 3 * x**2 * g + 1e-3, id="added term"),
        pytest.param(lambda x, g: (3 * x**2 * g).flip(0), id="wrong element"),
    ],
)
def test_wrong_gradients_are_caught(wrong: Any, fast: bool) -> None:
    with pytest.raises(GradcheckError, match=r"Jacobian mismatch|backward of a zero gradient is not zero"):
        gradcheck(cubed(wrong), (point(),), fast_mode=fast)
    assert gradcheck(cubed(wrong), (point(),), raise_exception=False, fast_mode=fast) is False


@pytest.mark.parametrize("fast", [False, True])
def test_a_wrong_tangent_is_caught(fast: bool) -> None:
    with pytest.raises(GradcheckError, match="forward-mode"):
        gradcheck(cubed(right, lambda x, v: 2 * x * v), (point(),), check_forward_ad=True, fast_mode=fast)


def test_a_backward_that_does_not_repeat_is_caught() -> None:
    calls = []

    def restless(x: Any, g: Any) -> Any:
        calls.append(1)
        return right(x, g) * (1 + len(calls) * 1e-7)

    with pytest.raises(GradcheckError, match="Backward is not reentrant"):
        gradcheck(cubed(restless), (point(),))
    assert gradcheck(cubed(restless), (point(),), nondet_tol=1e-4)


def test_a_gradient_that_forgets_its_history_fails_the_second_check() -> None:
    def forgetful(x: Any, g: Any) -> Any:
        return 3 * x.detach() ** 2 * g

    assert gradcheck(cubed(forgetful), (point(),))
    assert gradgradcheck(cubed(forgetful), (point(),), raise_exception=False) is False


def test_detached_outputs_that_change_are_caught() -> None:
    assert gradcheck(lambda x: x.detach() * 1.0, (point(),), raise_exception=False) is False


def test_single_precision_is_too_coarse() -> None:
    assert gradcheck(lambda x: (x.float() ** 2).double(), (point(),), raise_exception=False) is False


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="expects at least one input tensor to require gradient"):
        gradcheck(lambda x: x, (t([1.0]),))
    with pytest.raises(
        ValueError, match="Expected at least one of check_forward_ad or check_backward_ad to be True"
    ):
        gradcheck(lambda x: x, (point(),), check_backward_ad=False)
    with pytest.raises(RuntimeError, match="The 0th input has a dimension with stride 0"):
        gradcheck(lambda x: x * 2, (t([[1.0, 2.0]]).expand(3, 2).requires_grad_(),))
