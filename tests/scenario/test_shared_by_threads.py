"""Row I1 of docs/demands.md: one trunk, passes from many threads."""

from __future__ import annotations

import contextvars
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import regrad as rg
from regrad.autograd import Function
from tests.scenario.looking import held

THREADS, REPEATS = 8, 500


@pytest.fixture(autouse=True)
def threads_change_often():
    was = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(was)


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(THREADS, thread_name_prefix="worker") as workers:
        yield workers


releases: list[int] = []


class Counted(Function):
    """The identity; tells when what it saved is freed."""

    @staticmethod
    def forward(ctx, x):
        ctx.save("anything", nbytes=8)
        ctx.on_release(lambda: releases.append(1))
        return x * 1

    @staticmethod
    def backward(ctx, g):
        assert ctx.saved_objects == ("anything",)
        return g


def build(x: rg.Tensor, w: rg.Tensor, custom: bool) -> list[rg.Tensor]:
    trunk = (x * w).tanh().exp()
    if custom:
        trunk = Counted.apply(trunk)
    return [(trunk * (0.1 * k + 0.3)).sin().sum() for k in range(THREADS)]


def leaves() -> list[rg.Tensor]:
    rg.manual_seed(1)
    return [rg.rand(16).requires_grad_() for _ in range(2)]


@pytest.mark.parametrize("custom", [False, True])
def test_i1_shares_of_gradients_equal_the_serial_ones_bit_for_bit(pool, custom: bool) -> None:
    inputs = leaves()
    want = [[g.tolist() for g in row] for row in rg.graph.grad_each(build(*inputs, custom), inputs, batched=False)]
    for _ in range(REPEATS // 2):
        losses = build(*inputs, custom)
        releases.clear()
        with rg.graph.plan(*losses):
            rows = list(pool.map(lambda loss: rg.autograd.grad(loss, inputs), losses))
        assert want == [[g.tolist() for g in row] for row in rows]
        assert held(*losses) == 0
        assert releases == [1] * custom


@pytest.mark.parametrize("custom", [False, True])
def test_i1_gradients_accumulate_as_in_the_serial_run_bit_for_bit(pool, custom: bool) -> None:
    inputs = leaves()
    losses = build(*inputs, custom)
    with rg.graph.plan(*losses):
        for loss in losses:
            loss.backward()
    want = [t.grad.tolist() for t in inputs]
    for _ in range(REPEATS // 2):
        for t in inputs:
            t.grad = None
        losses = build(*inputs, custom)
        releases.clear()
        with rg.graph.plan(*losses):
            list(pool.map(lambda loss: loss.backward(), reversed(losses)))
        assert want == [t.grad.tolist() for t in inputs]
        assert held(*losses) == 0
        assert releases == [1] * custom


def test_i1_a_pass_that_was_not_planned_names_the_thread_that_was_first(pool) -> None:
    inputs = leaves()
    l1, l2 = build(*inputs, False)[:2]
    pool.submit(l1.backward).result()
    before = [t.grad.tolist() for t in inputs]
    with pytest.raises(rg.GraphFreedError, match="thread 'worker") as caught:
        l2.backward()
    assert "worker" in caught.value.freed_by
    assert caught.value.cause == "SHARED_TRUNK"
    assert before == [t.grad.tolist() for t in inputs]


def test_i1_of_passes_at_the_same_time_one_wins_and_the_others_are_told(pool) -> None:
    inputs = leaves()
    for _ in range(50):
        loss = build(*inputs, False)[0]

        def run(loss: rg.Tensor = loss) -> str:
            try:
                loss.backward()
            except rg.GraphFreedError as error:
                return str(error)
            return ""

        texts = list(pool.map(lambda _, run=run: run(), range(THREADS)))
        assert texts.count("") == 1
        assert all("thread 'worker" in text for text in texts if text)


def test_i1_policies_are_carried_by_a_context(pool) -> None:
    packed: list[int] = []

    def pack(t: rg.Tensor) -> rg.Tensor:
        packed.append(1)
        return t

    def forward() -> rg.Tensor:
        x = rg.ones(3, requires_grad=True)
        return x.exp().sum()

    with rg.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        pool.submit(forward).result()
        assert packed == []  # a thread starts with a mode of its own
        losses = [pool.submit(contextvars.copy_context().run, forward) for _ in range(THREADS)]
        losses = [job.result() for job in losses]
    assert len(packed) == THREADS
    for loss in losses:
        pool.submit(loss.backward).result()
    forward()
    assert len(packed) == THREADS
