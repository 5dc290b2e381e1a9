"""Recording on and off, inference and anomaly mode: as contexts, decorators, around generators, in threads."""

from __future__ import annotations

import inspect
import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import regrad as rg

X = rg.ones(2, requires_grad=True)


def test_contexts_nest_and_restore() -> None:
    with rg.no_grad():
        assert not (X * 2).requires_grad
        with rg.enable_grad():
            assert (X * 2).requires_grad
        assert not rg.is_grad_enabled()
    assert rg.is_grad_enabled()


def test_the_mode_is_restored_when_the_body_raises() -> None:
    for context in (rg.no_grad, lambda: rg.set_grad_enabled(False), rg.inference_mode):
        with pytest.raises(KeyError), context():
            raise KeyError
        assert rg.is_grad_enabled()
        assert not rg.is_inference_mode_enabled()


@pytest.mark.parametrize("decorate", [rg.no_grad(), rg.no_grad, lambda f: rg.set_grad_enabled(False)(f)])
def test_decorators_of_functions(decorate: Any) -> None:
    @decorate
    def f() -> bool:
        return bool(rg.is_grad_enabled())

    assert (f(), rg.is_grad_enabled(), f.__name__) == (False, True, "f")


def test_a_decorated_generator_holds_the_mode_only_while_it_runs() -> None:
    log: list[Any] = []

    @rg.no_grad()
    def steps() -> Iterator[Any]:
        try:
            got = yield rg.is_grad_enabled()
            log.append((got, rg.is_grad_enabled()))
            yield rg.is_grad_enabled()
        except KeyError:
            log.append(("thrown", rg.is_grad_enabled()))
            yield "caught"
        finally:
            log.append(("closed", rg.is_grad_enabled()))

    run: Any = steps()
    assert (next(run), rg.is_grad_enabled()) == (False, True)
    assert (run.send("sent"), rg.is_grad_enabled()) == (False, True)
    assert run.throw(KeyError()) == "caught"
    run.close()
    assert log == [("sent", False), ("thrown", False), ("closed", False)]


def test_set_grad_enabled_works_as_a_call() -> None:
    rg.set_grad_enabled(False)
    assert not rg.is_grad_enabled()
    rg.set_grad_enabled(True)
    assert rg.is_grad_enabled()


def test_a_thread_starts_with_recording_on() -> None:
    seen: list[bool] = []
    with rg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(rg.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_inference_mode_bars_its_results_from_graphs() -> None:
    with rg.inference_mode():
        y = rg.ones(2) * 2
        assert (y.is_inference(), y.requires_grad, rg.is_inference_mode_enabled(), rg.is_grad_enabled()) == (
            True,
            False,
            True,
            False,
        )
        with rg.inference_mode(False):
            assert (rg.is_inference_mode_enabled(), rg.is_grad_enabled()) == (False, True)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        rg.mul(X, y)
    assert not y.clone().is_inference()
    assert (X * y.clone()).requires_grad


def test_inference_tensors_are_not_written_to_outside() -> None:
    with rg.inference_mode():
        y = rg.ones(2) * 2
    with pytest.raises(
        RuntimeError, match="Inplace update to inference tensor outside InferenceMode is not allowed"
    ):
        y.add_(1)
    with pytest.raises(
        RuntimeError, match="requires_grad=True on inference tensor outside InferenceMode is not allowed"
    ):
        y.requires_grad_()


def test_inference_mode_as_a_decorator() -> None:
    @rg.inference_mode()
    def f() -> bool:
        return bool(rg.is_inference_mode_enabled())

    assert (f(), rg.is_inference_mode_enabled()) == (True, False)


def test_anomaly_mode_names_the_op_and_its_line() -> None:
    x = rg.tensor(0.0, requires_grad=True)
    with rg.autograd.detect_anomaly():
        y = rg.sqrt(x) * 0  # the line that is named
        with pytest.raises(
            RuntimeError, match="Function 'SqrtBackward0' returned nan values in its 0th output"
        ) as caught:
            y.backward()
    assert "test_grad_modes.py" in str(caught.value)
    with rg.autograd.set_detect_anomaly(True, check_nan=False):
        (rg.sqrt(x) * 0).backward()
    assert x.grad.isnan().item()


def logarithm(w):
    y = w.log()  # made
    return y.mean()


def hidden_branch(w):
    return rg.where(w > 0, w.sqrt(), 0.0).mean()  # made


def data(w):
    x = rg.tensor([math.nan, 1.0])
    return (w * x).sum()  # made


def broken_weights(w):
    with rg.no_grad():
        w.fill_(math.nan)
    return (w * 2).sum()  # made


class Broken(rg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * math.nan

    @staticmethod
    def backward(ctx, g):
        return g


def custom(w):
    return Broken.apply(w).sum()  # made


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (logarithm, "made in the forward by 'log'"),
        (hidden_branch, "made in the forward by 'sqrt'"),
        (data, "came in with x, read in the forward by 'mul'"),
        (broken_weights, "in w, of shape (2,), read in the forward by 'mul'"),
        (custom, "made in the forward by 'Broken'"),
    ],
)
def test_anomaly_mode_tells_where_nan_first_appeared_and_changes_nothing(program, told) -> None:
    w = rg.tensor([-1.0, 2.0], requires_grad=True)
    lines, first = inspect.getsourcelines(program)
    line = first + next(k for k, text in enumerate(lines) if "# made" in text)
    with rg.autograd.detect_anomaly():
        loss = program(w)
        with pytest.raises(RuntimeError, match="nan") as caught:
            loss.backward()
    assert f"{told} at {__file__}:{line}" in str(caught.value)
    assert "what to do:" in str(caught.value)
    assert w.grad is None


def test_outside_of_anomaly_mode_nan_passes_in_silence() -> None:
    w = rg.tensor([-1.0, 2.0], requires_grad=True)
    logarithm(w).backward()
    assert [-0.5, 0.25] == w.grad.tolist()
    with rg.autograd.detect_anomaly(check_nan=False):
        logarithm(w).backward()
