"""`rg.graph.guard` and what it stands on: prints, loans, arrays handed out."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import regrad as rg
from regrad.graph import sharing
from regrad.graph.value import root


@pytest.fixture(autouse=True)
def _nothing_left_over() -> None:
    gc.collect()  # what the exceptions of other tests hold


def weight() -> Any:
    return rg.ones(2, requires_grad=True)


def test_an_unknown_level_is_refused_and_changes_nothing() -> None:
    with pytest.raises(ValueError, match="choose one of 'shared', 'checksum', 'lock', 'off', not 'on'"):
        rg.graph.guard("on")
    assert "shared" == sharing.level()


def test_a_plain_call_switches_until_the_next() -> None:
    rg.graph.guard("lock")
    assert "lock" == sharing.level()
    rg.graph.guard("shared")
    assert "shared" == sharing.level()


def test_contexts_nest() -> None:
    with rg.graph.guard("lock"):
        with rg.graph.guard("checksum"):
            assert "checksum" == sharing.level()
        assert "lock" == sharing.level()
    assert "shared" == sharing.level()


def test_a_guard_can_be_entered_again() -> None:
    guard = rg.graph.guard("checksum")
    for _ in range(2):
        with guard:
            assert "checksum" == sharing.level()
        assert "shared" == sharing.level()


def test_checksum_notices_writes_by_whatever_means() -> None:
    x, w = rg.ones(2), weight()
    with rg.graph.guard("checksum"):
        loss = (x * w).sum()
        y = w.exp()
        x.array[0] = 3
        y.array[0] = 3
        for root_ in (loss, y.sum()):
            with pytest.raises(rg.SavedModifiedError):
                root_.backward()


def test_writing_in_place_goes_on_under_every_level() -> None:
    for level in ("shared", "checksum", "lock", "off"):
        with rg.graph.guard(level):
            w = rg.tensor([2.0, 3.0], requires_grad=True)
            x = w * 1
            x.mul_(x)
            x.exp_()
            x.sum().backward()
            expected = np.exp(np.float32([4, 9])) * [4, 6]
            np.testing.assert_allclose(expected, w.grad.numpy(), rtol=1e-5)


def test_an_error_that_leaves_the_context_names_the_op_and_its_line() -> None:
    a = np.ones(2, np.float32)
    x, w = rg.from_numpy(a), weight()
    named = r"^output array is read-only: .* by 'mul' at .*test_guard\.py:\d+"
    with pytest.raises(ValueError, match=named), rg.graph.guard("lock"):
        _loss = x * w
        a *= 2


def test_other_errors_leave_the_context_as_they_are() -> None:
    with pytest.raises(ValueError, match=r"^mine$"), rg.graph.guard("lock"):
        raise ValueError("mine")


def test_what_holds_an_array_can_be_asked() -> None:
    a = np.ones(2, np.float32)
    x = rg.from_numpy(a)
    assert "" == rg.graph.explain_write(a)
    losses = [x * weight() for _ in range(5)]
    assert "and 2 more" in rg.graph.explain_write(a)
    del losses
    assert "" == rg.graph.explain_write(a)


def test_an_array_that_nobody_else_holds_is_not_watched() -> None:
    x = rg.from_numpy(np.ones(2, np.float32))
    y = x * weight()
    assert not sharing.prints
    del x, y


def test_an_array_is_watched_while_its_owner_is_held() -> None:
    whole = np.ones((2, 2), np.float32)
    y = rg.from_numpy(whole[0]) * weight()
    assert 1 == len(sharing.prints)
    del y
    assert not sharing.prints


def test_arrays_that_outlive_their_tensors_are_forgotten() -> None:
    kept = [(weight() * k).detach().numpy() for k in range(100)]
    assert len(sharing.lent) < 4
    assert 99.0 == kept[-1][0]


def test_writes_pass_between_array_and_tensor() -> None:
    x = rg.zeros(3)
    n = x.numpy()
    n[0] = 1
    x[1] = 2
    assert [1.0, 2.0, 0.0] == n.tolist() == x.tolist()
    again = rg.from_numpy(n)
    assert root(again.array) is root(x.array)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "bool", "uint8", "int16", "int64"])
@pytest.mark.parametrize(
    "made",
    [
        lambda t: t,
        lambda t: t.t(),
        lambda t: t[::2, 1:],
        lambda t: t[0, 0],
        lambda t: t[:1].expand(3, 4),
        lambda t: t[:0],
    ],
)
def test_what_is_handed_out_is_laid_out_as_it_was(dtype: str, made: Any) -> None:
    t = made(rg.ones(5, 4, dtype=getattr(rg, dtype)))
    n = t.numpy()
    assert type(n) is np.ndarray
    assert (t.array.shape, t.array.strides, t.array.dtype) == (n.shape, n.strides, n.dtype)
    assert t.array.flags.writeable == n.flags.writeable
    back = rg.from_numpy(n)
    assert (n.shape, n.strides) == (back.array.shape, back.array.strides)


def test_bfloat16_is_shared_too() -> None:
    pytest.importorskip("ml_dtypes")
    x = rg.ones(3, dtype=rg.bfloat16)
    n = x.numpy()
    loss = (x * rg.ones(3, dtype=rg.bfloat16, requires_grad=True)).sum()
    n[0] = 5
    with pytest.raises(rg.SavedModifiedError):
        loss.backward()


@pytest.mark.parametrize("size", [1, 7, 1024, 1025, 5000, 16384 * 2 + 3])
def test_prints_differ_where_bytes_do(size: int) -> None:
    a = np.random.default_rng(0).integers(0, 255, size, np.uint8)
    was = sharing.fingerprint(a)
    assert was == sharing.fingerprint(a.copy())
    for place in {0, size // 3, size - 1}:
        b = a.copy()
        b[place] ^= 1
        assert was != sharing.fingerprint(b)


def test_prints_know_the_order_of_rows() -> None:
    hot = np.eye(128, dtype=np.float32)
    assert sharing.fingerprint(hot) != sharing.fingerprint(hot[::-1])
    wide = np.broadcast_to(np.float32(1), (10**6, 10**6))
    assert sharing.fingerprint(wide) == np.float32(1).tobytes()


def test_a_signed_zero_is_a_change_and_a_nan_is_none() -> None:
    a = np.array([0.0, np.nan])
    was = sharing.fingerprint(a)
    assert was == sharing.fingerprint(a.copy())
    a[0] = -0.0
    assert was != sharing.fingerprint(a)


def test_a_hook_that_writes_is_noticed_before_the_value_is_read() -> None:
    a = np.ones(2, np.float32)
    x, w = rg.from_numpy(a), weight()
    y = x * w
    z = y * 1
    z.register_hook(lambda g: a.fill(5))
    with pytest.raises(rg.SavedModifiedError):
        z.sum().backward()
    assert w.grad is None


def test_a_recorded_gradient_saves_locked_values_again() -> None:
    a = np.array([2.0, 3.0], np.float32)
    x, w = rg.from_numpy(a), weight()
    with rg.graph.guard("lock"):
        (g,) = rg.autograd.grad((x * w * w).sum(), w, create_graph=True)
        assert not a.flags.writeable
        g.sum().backward()
        assert [4.0, 6.0] == w.grad.tolist()
        del g
    assert a.flags.writeable
    assert not sharing._locked
