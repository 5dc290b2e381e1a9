"""The peak of saved bytes: equal to a walk over live arrays after every step, in every thread, and free when unused."""

import gc
import threading

import numpy as np
import pytest

import regrad as rg
from regrad.graph import modes, observers
from regrad.graph.node import Node
from regrad.graph.tracking import tracker

pytestmark = pytest.mark.usefixtures("collector_off")


@pytest.fixture(autouse=True)
def _nobody_goes_on_tracking():
    yield
    assert not tracker.on


def owner(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def walked():
    found = {}
    for node in [o for o in gc.get_objects() if isinstance(o, Node)]:
        stack = list(node.saved) if isinstance(node.saved, tuple) else []
        while stack:
            entry = stack.pop()
            array = getattr(entry, "array", None) if not isinstance(entry, np.ndarray) else entry
            array = getattr(entry.payload, "array", None) if array is None and hasattr(entry, "payload") else array
            if array is not None:
                found[id(owner(array))] = owner(array).nbytes
            elif isinstance(entry, tuple):
                stack.extend(entry)
    return sum(found.values())


def graph():
    w = rg.randn(30, 20, requires_grad=True)
    h = (rg.randn(10, 30) @ w).tanh()
    return w, h, (h * h).sum()


class Twice(rg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.exp())
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2


def in_place(w, h, loss):
    x = w * 1
    x.mul_(x).tanh_()
    return x


def through_a_view(w, h, loss):
    x = w * 1
    x[:3].exp_()
    return x


def recorded_gradient(w, h, loss):
    return rg.autograd.grad(loss, w, create_graph=True)


def twice_differentiated(w, h, loss):
    (g,) = rg.autograd.grad(loss, w, create_graph=True)
    g.sum().backward()
    return g


def with_hooks(w, h, loss):
    h.register_hook(lambda g: g * 2)
    loss.backward(retain_graph=True)


def copies_made_of_what_is_written(w, h, loss):
    with rg.autograd.graph.allow_mutation_on_saved_tensors():
        x = w * 1
        y = x * x
        x.mul_(2)
        assert tracker.held()[0] == walked()
    return y


def packed(w, h, loss):
    with rg.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        return (w.exp() * w).sin()


def failed(w, h, loss):
    h.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        loss.backward(on_error="release")


PROGRAMS = {
    "forward alone": lambda w, h, loss: None,
    "backward": lambda w, h, loss: loss.backward(),
    "retained": lambda w, h, loss: loss.backward(retain_graph=True),
    "to some inputs": lambda w, h, loss: rg.autograd.grad(loss, h),
    "what was used": lambda w, h, loss: rg.autograd.grad(loss, h, release="used"),
    "released": lambda w, h, loss: rg.graph.release(loss),
    "cut": lambda w, h, loss: rg.graph.cut_behind(h),
    "a custom function": lambda w, h, loss: Twice.apply(h),
    "several results": lambda w, h, loss: [t.exp() for t in h.split(3)],
    "stored and loaded": lambda w, h, loss: rg.loads(rg.dumps(loss, graph=True)),
    "checkpointed": lambda w, h, loss: rg.utils.checkpoint.checkpoint(lambda t: t.exp().sin(), h).sum().backward(),
    **{f.__name__: f for f in (in_place, through_a_view, recorded_gradient, twice_differentiated, with_hooks)},
    **{f.__name__: f for f in (copies_made_of_what_is_written, packed, failed)},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_count_is_that_of_a_walk_at_every_point(name):
    older = graph()  # alive before anybody tracks
    with rg.graph.track_memory() as memory:
        assert walked() == tracker.held()[0] == memory.nbytes
        w, h, loss = graph()
        assert walked() == tracker.held()[0] == memory.nbytes
        result = PROGRAMS[name](w, h, loss)
        assert walked() == tracker.held()[0] <= memory.nbytes
        del w, h, loss, result
        assert walked() == tracker.held()[0] <= memory.nbytes
        del older
        assert 0 == walked() == tracker.held()[0]


def test_gradients_are_the_same_while_somebody_tracks():
    w, _, loss = graph()
    (expected,) = rg.autograd.grad(loss, w, retain_graph=True)
    with rg.graph.track_memory():
        loss.backward()
    assert rg.equal(expected, w.grad)


def test_contexts_nest_and_each_has_its_own_peak():
    w = rg.ones(100, requires_grad=True)
    with rg.graph.track_memory() as outer:
        big = w.exp().exp()
        del big
        with rg.graph.track_memory() as inner:
            small = w.exp()
        assert rg.graph.peak_memory() is outer
    assert (800, 400) == (outer.nbytes, inner.nbytes)
    assert small.shape == (100,)
    assert rg.graph.peak_memory() is None


def test_a_reset_begins_anew():
    w = rg.ones(100, requires_grad=True)
    try:
        rg.graph.reset_peak_memory_stats()
        w.exp().exp().sum().backward()
        assert 800 == rg.graph.memory_stats()["peak_saved_bytes"]
        rg.graph.reset_peak_memory_stats()
        assert 0 == rg.graph.memory_stats()["peak_saved_bytes"]
        kept = w.exp()
        assert 400 == rg.graph.memory_stats()["peak_saved_bytes"] == rg.graph.saved(kept).nbytes
    finally:
        rg.graph.reset_peak_memory_stats(track=False)
    assert {"saved_bytes": 400, "nodes": 1, "peak_saved_bytes": None, "threads": {}} == rg.graph.memory_stats()


def test_threads_are_counted_apart_and_in_all():
    built, gone = threading.Barrier(3), threading.Barrier(3)

    def work(n):
        y = rg.ones(n, requires_grad=True).exp()
        built.wait()
        gone.wait()
        del y

    with rg.graph.track_memory() as memory:
        threads = [threading.Thread(target=work, args=(n,), name=f"worker {n}") for n in (10, 100)]
        for t in threads:
            t.start()
        built.wait()
        mine = rg.ones(1000, requires_grad=True).exp()
        assert walked() == 4440 == memory.nbytes
        stats = rg.graph.memory_stats()["threads"]
        assert {"worker 10": 40, "worker 100": 400, "MainThread": 4000} == {
            name: own["saved_bytes"] for name, own in stats.items()
        }
        gone.wait()
        for t in threads:
            t.join()
        stats = rg.graph.memory_stats()["threads"]
        assert (0, 400) == (stats["worker 100"]["saved_bytes"], stats["worker 100"]["peak_saved_bytes"])
    assert "in thread 'worker 100': 400 bytes" in repr(memory)
    assert mine.shape == (1000,)


def test_many_threads_at_once_leave_nothing_uncounted():
    def work():
        for _ in range(50):
            x = rg.ones(8, requires_grad=True)
            (x.exp() * x).sum().backward()

    with rg.graph.track_memory() as memory:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert 0 == tracker.held()[0] == walked()
        assert {} == tracker.table_now()
    assert 64 <= memory.nbytes <= 4 * 64


def test_different_lines_alive_at_once_are_no_note():
    with rg.graph.track_memory() as memory:
        a = rg.ones(3, requires_grad=True).exp()
        b = rg.ones(4, requires_grad=True).sin()
    assert [("exp", 12), ("sin", 16)] == [(r.op, r.nbytes) for r in memory.roots]
    assert [] == memory.notes
    assert (a.shape, b.shape) == ((3,), (4,))


def test_ops_take_the_fast_path_again_when_nobody_looks():
    import regrad.declare as declare

    assert declare._space["RECORD"] is modes.RECORD
    with rg.graph.track_memory():
        assert declare._space["RECORD"] is None
        with rg.graph.track_memory():
            pass
        assert declare._space["RECORD"] is None
    assert declare._space["RECORD"] is modes.RECORD
    assert [] == observers.observers
