"""F2: memory shared with NumPy, written to after a graph has saved it. Each way of sharing, each way of writing."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import regrad as rg
from regrad.graph import sharing

F = np.float32


@pytest.fixture(autouse=True)
def _counting_alone() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def fresh(size: int = 4) -> Any:
    return np.linspace(2.0, 1.0, size, dtype=F)


def _dlpack() -> Any:
    x = rg.tensor(fresh())
    return x, np.from_dlpack(x)


def _given(make: Callable[[Any], Any]) -> Callable[[], Any]:
    def share() -> Any:
        a = fresh()
        return make(a), a

    return share


def _handed(take: Callable[[Any], Any]) -> Callable[[], Any]:
    def share() -> Any:
        x = rg.tensor(fresh())
        return x, take(x)

    return share


def _a_part() -> Any:
    whole = fresh(6)
    return rg.from_numpy(whole[1:5]), whole


def _buffer() -> Any:
    buffer = bytearray(fresh().tobytes())
    return rg.frombuffer(buffer, dtype=rg.float32), np.frombuffer(buffer, F)


SHARED: dict[str, Callable[[], Any]] = {
    "numpy": _handed(lambda x: x.numpy()),
    "detach().numpy()": _handed(lambda x: x.detach().numpy()),
    "np.asarray": _handed(np.asarray),
    "__array__": _handed(lambda x: x.__array__()),
    "a view of what numpy() gave": _handed(lambda x: x.numpy()[:]),
    "numpy() of a view": _handed(lambda x: x[:3].numpy()),
    "dlpack": _dlpack,
    "from_numpy": _given(rg.from_numpy),
    "as_tensor": _given(rg.as_tensor),
    "asarray": _given(rg.asarray),
    "from_dlpack": _given(rg.from_dlpack),
    "from_numpy of a part": _a_part,
    "frombuffer": _buffer,
}


def _item(a: Any) -> None:
    a[1] = 7


def _times(a: Any) -> None:
    a *= 3


WRITES: dict[str, Callable[[Any], Any]] = {
    "item": _item,
    "in-place ufunc": _times,
    "copyto": lambda a: np.copyto(a, 5),
    "sort": lambda a: a.sort(),
    "fill": lambda a: a.fill(9),
    "out=": lambda a: np.negative(a, out=a),
    "nan": lambda a: a.fill(np.nan),
}


def _directly(x: Any, w: Any) -> Any:
    return (x * w).sum()


def _through_a_view(x: Any, w: Any) -> Any:
    return (x[1:3] * w[1:3]).sum()


def _as_rows(x: Any, w: Any) -> Any:
    return (x.view(2, 2) @ w.view(2, 2)).sum()


def _by_a_function(x: Any, w: Any) -> Any:
    class Times(rg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            a, b = ctx.saved_tensors
            return g * b, g * a

    return Times.apply(x, w).sum()


def _by_a_policy(x: Any, w: Any) -> Any:
    with rg.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        return (x * w).sum()


USES = [_directly, _through_a_view, _as_rows, _by_a_function, _by_a_policy]


def weight() -> Any:
    return rg.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)


def refused(loss: Any) -> rg.SavedModifiedError:
    with pytest.raises(rg.SavedModifiedError) as caught:
        loss.backward()
    return caught.value


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("share", SHARED)
def test_f2_a_write_after_the_save_is_noticed(share: str, write: str) -> None:
    x, a = SHARED[share]()
    w = weight()
    loss = _directly(x, w)
    WRITES[write](a)
    error = refused(loss)
    assert "a write that Regrad did not see (NumPy)" == error.writer
    assert "mul" == error.op
    assert w.grad is None


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("share", SHARED)
def test_f2_however_it_was_saved(share: str, use: Any) -> None:
    x, a = SHARED[share]()
    loss = use(x, weight())
    a[1:3] = 0
    assert __file__ == refused(loss).read_at.file


@pytest.mark.parametrize("share", [name for name in SHARED if "numpy" in name])
def test_f2_an_array_that_is_gone_may_have_written(share: str) -> None:
    x, a = SHARED[share]()
    loss = _directly(x, weight())
    a[1:3] = 0
    del a
    refused(loss)


@pytest.mark.parametrize("die", [False, True])
@pytest.mark.parametrize("take", [lambda x: x.numpy(), lambda x: x[1:3].numpy(), lambda x: x.detach().numpy()])
def test_f2_an_array_handed_out_after_the_save_is_watched_too(take: Any, die: bool) -> None:
    x = rg.tensor(fresh())
    loss = _directly(x, weight())
    a = take(x)
    a *= 2
    if die:
        del a
    refused(loss)


def test_f2_results_that_were_saved_count() -> None:
    y = weight().exp()
    n = y.detach().numpy()
    n += 1
    refused(y.sum())


def test_f2_positions_that_were_saved_count() -> None:
    index = np.array([0, 1])
    loss = rg.index_select(weight(), 0, rg.from_numpy(index)).sum()
    index[0] = 3
    refused(loss)


@pytest.mark.parametrize(
    "use",
    [
        lambda a, w: w * a,
        lambda a, w: a * w,
        lambda a, w: np.multiply(w, a),
        lambda a, w: np.dot(a, w),
        lambda a, w: w @ a,
        lambda a, w: w[a.astype(bool)] * a,
    ],
)
def test_f2_plain_arrays_as_operands_count(use: Any) -> None:
    a = fresh()
    loss = use(a, weight()).sum()
    a[1] = 0
    refused(loss)


def test_f2_a_plain_array_as_an_index_counts() -> None:
    for index in (np.array([0, 1]), np.array([True, False, False, True])):
        loss = weight()[index].sum()
        index[:] = 0
        refused(loss)


def test_f2_a_parameter_that_shares_is_named() -> None:
    a = np.ones((1, 2), F)
    net = rg.nn.Linear(2, 1)
    net.weight = rg.nn.Parameter(rg.from_numpy(a))
    loss = net(rg.ones(3, 2, requires_grad=True)).sum()
    a *= 2
    assert "weight" in refused(loss).name


def test_f2_a_tensor_made_before_the_sharing_is_covered() -> None:
    w = weight()
    twin = w.detach().requires_grad_()
    row = w[1:]
    n = w.detach().numpy()
    first, second = (twin * twin).sum(), (row * row).sum()
    n[2] = 100
    refused(first)
    refused(second)


def test_f2_large_values_are_noticed_element_by_element() -> None:
    rng = np.random.default_rng(0)
    for size in (1025, 16384, 100_003):
        a = rng.standard_normal(size).astype(F)
        for place in (0, size // 2, size - 1):
            loss = (rg.from_numpy(a) * rg.ones(size, requires_grad=True)).sum()
            a[place] += 1
            refused(loss)
        loss = (rg.from_numpy(a) * rg.ones(size, requires_grad=True)).sum()
        a[[3, 5]] = a[[5, 3]]
        refused(loss)


# -- no false alarms


def _before(x: Any, a: Any, w: Any) -> None:
    a[1] = 7
    _directly(x, w).backward()


def _after(x: Any, a: Any, w: Any) -> None:
    _directly(x, w).backward()
    a[1] = 7


def _refilled(x: Any, a: Any, w: Any) -> None:
    for step in range(3):
        a[:] = step
        _directly(x, w).backward()


def _between_two_saves(x: Any, a: Any, w: Any) -> None:
    _first = _directly(x, w)
    a[1] = 7
    _directly(x, w).backward()


def _same_again(x: Any, a: Any, w: Any) -> None:
    loss = _directly(x, w)
    a[:] = a.copy()
    loss.backward()


def _nan(x: Any, a: Any, w: Any) -> None:
    a.fill(np.nan)
    _directly(x, w).backward()


def _nothing_reads_it(x: Any, a: Any, w: Any) -> None:
    loss = (x + w).sum()
    a[1] = 7
    loss.backward()


def _another_input(x: Any, a: Any, w: Any) -> None:
    x.requires_grad_()
    loss = _directly(x, w)
    a[1] = 7
    rg.autograd.grad(loss, x)


def _an_optimizer(x: Any, a: Any, w: Any) -> None:
    x.requires_grad_()
    optimizer = rg.optim.SGD([x], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (x * x * w).sum().backward()
        optimizer.step()
        a.copy()


def _kept_copies(x: Any, a: Any, w: Any) -> None:
    with rg.autograd.graph.allow_mutation_on_saved_tensors():
        loss = _directly(x, w)
        x.mul_(2)
        loss.backward()


def _retained(x: Any, a: Any, w: Any) -> None:
    loss = _directly(x, w)
    loss.backward(retain_graph=True)
    loss.backward()
    a[1] = 7


def _told_off(x: Any, a: Any, w: Any) -> None:
    with rg.graph.guard("off"):
        loss = _directly(x, w)
        a[1] = 7
        loss.backward()


def _no_grad(x: Any, a: Any, w: Any) -> None:
    with rg.no_grad():
        _directly(x, w)
    a[1] = 7
    w.sum().backward()


def _twice_differentiable(x: Any, a: Any, w: Any) -> None:
    (g,) = rg.autograd.grad((x * w * w).sum(), w, create_graph=True)
    g.sum().backward()
    a[1] = 7


PEACEFUL = [
    _before, _after, _refilled, _between_two_saves, _same_again, _nan, _nothing_reads_it, _another_input,
    _an_optimizer, _kept_copies, _retained, _told_off, _no_grad, _twice_differentiable,
]  # fmt: skip


@pytest.mark.parametrize("level", ["shared", "checksum"])
@pytest.mark.parametrize("use", PEACEFUL)
@pytest.mark.parametrize("share", [n for n in SHARED if n != "numpy() of a view"])
def test_f2_no_false_alarm(share: str, use: Any, level: str) -> None:
    x, a = SHARED[share]()
    with rg.graph.guard(level):
        use(x, a, weight())


def test_f2_a_write_of_regrads_own_is_told_as_before() -> None:
    a = fresh()
    x = rg.from_numpy(a)
    loss = _directly(x, weight())
    x.mul_(2)
    error = refused(loss)
    assert __file__ == error.written_at.file


def test_f2_a_write_can_still_be_said() -> None:
    x = rg.tensor(fresh())
    loss = _directly(x, weight())
    rg.autograd.graph.increment_version(x)
    refused(loss)


# -- locks


def _by_backward(loss: Any) -> None:
    loss.backward()


def _by_grad(loss: Any) -> None:
    rg.autograd.grad(loss, [e.variable for e, _ in _mul(loss).next_functions if e is not None])


def _mul(loss: Any) -> Any:
    return loss.grad_fn.next_functions[0][0]


def _by_release(loss: Any) -> None:
    rg.graph.release(loss)


def _by_death(loss: Any) -> None:
    pass


def _by_a_failure(loss: Any) -> None:
    def fail(g: Any) -> Any:
        raise KeyError("no luck")

    handle = _mul(loss).register_prehook(lambda g: fail(g))
    with pytest.raises(KeyError):
        loss.backward(on_error="release")
    handle.remove()


UNLOCKED = ("dlpack", "frombuffer", "a view of what numpy() gave")  # checked, as by default


@pytest.mark.parametrize("end", [_by_backward, _by_grad, _by_release, _by_death, _by_a_failure])
@pytest.mark.parametrize("share", [n for n in SHARED if n not in UNLOCKED])
def test_f2_locked_while_it_is_saved_and_no_longer(share: str, end: Any) -> None:
    x, a = SHARED[share]()
    w = weight()
    with rg.graph.guard("lock"):
        loss = _directly(x, w)
        for write in WRITES.values():
            with pytest.raises(ValueError, match="read-only"):
                write(a)
        end(loss)
        del loss
        assert a.flags.writeable
        a[1] = 7


def test_f2_a_lock_lasts_until_the_last_graph_is_gone() -> None:
    x, a = SHARED["from_numpy"]()
    w = weight()
    with rg.graph.guard("lock"):
        one, two = _directly(x, w), _through_a_view(x, w)
    one.backward()
    assert not a.flags.writeable
    two.backward()
    assert a.flags.writeable


def test_f2_what_was_read_only_stays_so() -> None:
    a = fresh()
    a.flags.writeable = False
    with rg.graph.guard("lock"):
        _directly(rg.from_numpy(a), weight()).backward()
    assert not a.flags.writeable


def test_f2_regrad_itself_may_write_to_what_is_locked() -> None:
    x, a = SHARED["from_numpy"]()
    with rg.graph.guard("lock"):
        loss = _directly(x, weight())
        x.mul_(2)
    assert __file__ == refused(loss).written_at.file
    del loss
    assert 4.0 == a[0]


def test_f2_an_array_handed_out_while_locked_is_locked() -> None:
    x = rg.tensor(fresh())
    with rg.graph.guard("lock"):
        loss = _directly(x, weight())
        n = x.numpy()
        with pytest.raises(ValueError, match=r"saved for backward by 'mul' at .*test_f2_aliases"):
            n *= 10
        loss.backward()
        n *= 10
    assert 20.0 == x[0]


def test_f2_an_older_view_of_a_locked_array_is_checked() -> None:
    x = rg.tensor(fresh())
    n = x.numpy()
    older = n[1:]
    with rg.graph.guard("lock"):
        loss = _directly(x, weight())
        older[0] = 100
        refused(loss)


def test_f2_nothing_is_left_behind() -> None:
    gc.collect()  # what the exceptions of other tests hold
    for share in SHARED.values():
        for level in ("shared", "lock", "checksum"):
            x, a = share()
            with rg.graph.guard(level):
                loss = _directly(x, weight())
                _kept = x.detach().numpy()
                loss.backward()
            del x, a, loss, _kept
    assert not (sharing.prints)
    assert not (sharing._latest)
    assert not (sharing._locked)
    assert not (sharing.memories)
    assert not (sharing.lent)
