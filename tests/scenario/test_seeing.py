"""Rows A4, B1, B2, B6, G1, G2 and H1 of docs/demands.md: what is held, for how long, by whom, and in vain."""

from __future__ import annotations

import gc
import inspect
import time
import warnings
import weakref

import numpy as np
import pytest

import regrad as rg
from regrad import nn
from regrad.graph.node import Node
from tests.scenario.looking import line_of

pytestmark = pytest.mark.usefixtures("collector_off")


def owner(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def live(cls):
    return [o for o in gc.get_objects() if isinstance(o, cls)]


def walked():
    """Bytes of all arrays that nodes hold, found by looking at every object there is."""
    found = {}
    for node in live(Node):
        stack = list(node.saved) if isinstance(node.saved, tuple) else []
        while stack:
            entry = stack.pop()
            if isinstance(entry, np.ndarray):
                found[id(owner(entry))] = owner(entry).nbytes
            elif isinstance(entry, tuple):
                stack.extend(entry)
    return sum(found.values())


def told_by(warned, cls):
    return [w.message for w in warned if isinstance(w.message, cls)]


def model(width=16):
    rg.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, width), nn.Tanh(), nn.Linear(width, 1))
    return net, rg.randn(32, 8)


# -- A4


def test_a4_a_needless_retain_is_told_once_with_its_line_and_cost():
    net, x = model()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with rg.graph.diagnose() as report:
            for _ in range(20):
                loss = net(x).square().mean()
                loss.backward(retain_graph=True)  # the needless one
    (told,) = told_by(warned, rg.UnusedRetainWarning)
    assert (__file__, line_of("# the needless one")) == told.line[:2]
    assert 20 == told.count
    each = rg.graph.saved(net(x).square().mean())
    assert 20 * sum(r.unique for r in each if not r.is_param) == told.nbytes
    assert 0 < told.byte_seconds < told.nbytes * 60
    assert f"{told.nbytes:,} bytes" in str(told)
    assert [told.nbytes] == [f.nbytes for f in report.findings]


def test_a4_a_retain_that_another_pass_needs_is_not_told():
    net, x = model()
    with rg.graph.diagnose() as report:
        for _ in range(5):
            trunk = net(x)
            first, second = trunk.sum(), trunk.square().sum()
            first.backward(retain_graph=True)
            second.backward()
    assert [] == report.findings
    assert "nothing was kept in vain" in repr(report)


def test_a4_named_roots_keep_what_they_reach_and_no_more():
    net, x = model()
    trunk = net(x)
    first, second = trunk.exp().sum(), trunk.square().sum()
    first.backward(retain_graph=[second])
    assert rg.graph.saved(second).nbytes == rg.graph.memory_stats()["saved_bytes"] == walked()
    second.backward()
    assert 0 == rg.graph.memory_stats()["saved_bytes"] == walked()


# -- B1


def test_b1_a_total_over_steps_with_backward_drags_nothing():
    net, x = model(4)
    net(x).mean().backward()
    total, value = rg.zeros(()), 0.0
    before = len(live(Node))
    loss = net(x).square().mean()
    per_step = len(live(Node)) - before
    for k in range(1000):
        loss = net(x).square().mean() * k
        loss.backward()
        total = total + loss
        value += float(loss)
    assert len(live(Node)) - before < 10 * per_step
    assert value == pytest.approx(float(total), rel=1e-5)


def test_b1_a_total_without_backward_is_told_by_the_third_step_and_once():
    net, _ = model()
    steps = []
    with warnings.catch_warnings(record=True) as warned, rg.graph.leak_guard() as guard:
        warnings.simplefilter("always")
        total = 0
        for k in range(8):
            loss = net(rg.randn(32, 8)).square().mean()
            total = total + loss  # the accumulation
            guard.step()
            steps += [k + 1] * (len(warned) - len(steps))
    (told,) = told_by(warned, rg.GraphGrowthWarning)
    assert [3] == steps
    assert (__file__, line_of("# the accumulation")) == told.line[:2]
    assert "add" == told.op
    one = sum(r.unique for r in rg.graph.saved(net(rg.randn(32, 8)).square().mean()) if not r.is_param)
    assert one == told.bytes_per_step
    assert f"{one:,} bytes" in str(told)
    assert "total = total + loss" in str(told)
    assert "local variable" == told.holders[0].kind
    assert "total" in {c.name for c in told.holders}


def test_b1_a_list_of_losses_is_told_with_its_holder():
    net, x = model()
    history = []
    with warnings.catch_warnings(record=True) as warned, rg.graph.leak_guard() as guard:
        warnings.simplefilter("always")
        for _ in guard.steps(range(5)):
            history += [net(x).square().mean()]  # kept
    (told,) = told_by(warned, rg.GraphGrowthWarning)
    assert line_of("# kept") == told.line.line
    assert ("list", "history[0]") == told.holders[0][:2]


@pytest.mark.parametrize("backward", [False, True])
def test_b1_a_float_of_the_loss_is_not_told(backward):
    net, x = model()
    optimizer = rg.optim.SGD(net.parameters(), lr=0.1)
    with rg.graph.leak_guard(optimizer) as guard:
        total = 0.0
        for _ in range(6):
            loss = net(x).square().mean()
            if backward:
                loss.backward()
            total += float(loss)
            optimizer.step()
    assert not guard.warned


def test_b1_states_cut_between_steps_are_not_told():
    w = rg.randn(4, 4, requires_grad=True)
    h = rg.ones(1, 4)
    with rg.graph.leak_guard() as guard:
        for _ in range(6):
            h = (h.detach() @ w).tanh()
            guard.step()
    assert not guard.warned
    h = rg.ones(1, 4)
    with warnings.catch_warnings(record=True) as warned, rg.graph.leak_guard() as guard:
        warnings.simplefilter("always")
        for _ in range(6):
            h = (h @ w).tanh()  # not cut
            guard.step()
    assert [("matmul", line_of("# not cut"))] == [(w.message.op, w.message.line.line) for w in warned]


# -- B2


def test_b2_outputs_kept_from_an_evaluation_loop_are_listed_with_bytes_line_and_holder():
    net, _ = model()
    kept = []
    with pytest.raises(rg.GraphEscapedError) as caught, rg.graph.must_free():
        for _ in range(3):
            out = net(rg.randn(32, 8))  # kept
            kept.append(out)
            del out
    error = caught.value
    assert 3 == len(error.roots)
    assert walked() == rg.graph.memory_stats()["saved_bytes"] == error.nbytes
    for k, r in enumerate(error.roots):
        assert (__file__, line_of("# kept")) == r.made_at[:2]
        assert (32, 1) == r.shape
        assert rg.graph.saved(kept[k]).nbytes == r.nbytes
        assert [("list", f"kept[{k}]")] == [c[:2] for c in r.holders]
        assert f"kept[{k}]" in str(error)


def test_b2_the_same_code_without_recording_passes():
    net, x = model()
    kept = []
    with rg.graph.must_free(), rg.no_grad():
        kept += [net(x) for _ in range(3)]
    with rg.graph.must_free():
        kept += [net(x).detach() for _ in range(3)]
    with rg.graph.must_free():  # what a backward has consumed may stay
        loss = net(x).sum()
        loss.backward()
    assert 7 == len([*kept, loss])


def test_b2_the_error_keeps_no_graph_alive():
    net, x = model()
    kept = []
    try:
        with rg.graph.must_free():
            kept.append(net(x))
    except rg.GraphEscapedError as error:
        caught = error
    kept.clear()
    assert 0 == walked()
    assert caught.nbytes > 0


def test_b2_live_roots_are_listed_with_age_bytes_and_line():
    net, x = model()
    with rg.graph.track_memory():
        old = net(x)  # the old one
        net(x).sum().backward()
        time.sleep(0.02)
        new = net(x).sum()
        listed = rg.graph.alive()
    assert [old, new] == [r.tensor for r in listed]
    assert [1, 0] == [r.passes for r in listed]
    assert listed[0].seconds > 0.02 > 0 <= listed[1].seconds < listed[0].seconds
    assert line_of("# the old one") == listed[0].made_at.line
    assert [rg.graph.saved(t).nbytes for t in (old, new)] == [r.nbytes for r in listed]
    assert walked() == listed.nbytes
    del old, new
    assert 0 == walked()  # the list holds nothing
    assert [None, None] == [r.tensor for r in listed]
    assert "2 roots" in repr(listed)


# -- B6


def test_b6_the_previous_loss_as_a_name_costs_nothing_after_a_backward():
    net, x = model()

    def one_step():
        loss = net(x).square().mean()
        loss.backward()

    one_step()
    with rg.graph.track_memory() as once:
        one_step()
    with rg.graph.track_memory() as often:
        for _ in range(10):
            loss = net(x).square().mean()
            loss.backward()
    assert once.peak_saved_bytes == often.peak_saved_bytes > 0
    assert [] == often.notes
    assert loss.item() > 0


def test_b6_a_step_without_backward_doubles_the_peak_and_the_older_root_is_named():
    net, x = model()
    loss = net(x).square().mean()
    params = sum(r.unique for r in rg.graph.saved(loss) if r.is_param)
    shared = params + x.nbytes  # what both graphs read
    rg.graph.reset_peak_memory_stats()
    del loss
    rg.graph.reset_peak_memory_stats()
    try:
        sizes = []
        for k in range(10):
            loss = net(x).square().mean()  # every step
            assert walked() == rg.graph.memory_stats()["saved_bytes"]
            sizes.append(walked())
            if k != 4:
                loss.backward()
        peak = rg.graph.peak_memory()
        one = sizes[0]
        assert 2 * (one - shared) + shared == rg.graph.memory_stats()["peak_saved_bytes"]
        assert [one, one] == [r.nbytes for r in peak.roots]
        (note,) = peak.notes
        assert note.startswith("two graphs alive at once")
        assert f"'mean' made at {__file__}:{line_of('# every step')}" in note
        assert note in repr(peak)
    finally:
        rg.graph.reset_peak_memory_stats(track=False)
    assert rg.graph.memory_stats()["peak_saved_bytes"] is None


# -- G1


def test_g1_three_ways_of_counting_agree_to_the_byte():
    net, x = model()
    loss = net(x).square().mean()
    report = rg.graph.saved(loss)
    assert walked() == rg.graph.memory_stats()["saved_bytes"] == report.nbytes
    assert report.nbytes == sum(report.by("line").values()) == sum(report.by("module").values())
    assert ["0", "2"] == list(report.by("module"))
    assert {"0.weight", "2.weight"} >= {r.pinned_by for r in report if r.is_param} > set()


def test_g1_lines_come_in_the_order_of_the_source():
    w = rg.ones(4, requires_grad=True)
    a = w.exp()  # first
    b = (
        a.sin()  # second
    )
    c = b * a  # third
    report = rg.graph.saved(c)
    lines = [line_of(f"# {n}") for n in ("first", "second", "third")]
    assert [f"{__file__}:{n}" for n in lines] == list(report.by("line"))


def test_g1_a_pair_of_precisions_is_flagged():
    w = rg.randn(64, requires_grad=True)
    x = w.exp()
    y = x.double().square().sum() + x.sum()
    flagged = [r for r in rg.graph.saved(y) if r.note]
    assert [("square", "x", "the values of exp.out (float32) in float64")] == [(r.op, r.slot, r.note) for r in flagged]
    assert "the values of exp.out" in repr(rg.graph.saved(y))


def test_g1_looking_calls_no_unpack_hook():
    def unpack(payload):
        raise AssertionError("looked at")

    w = rg.randn(8, requires_grad=True)
    with rg.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), unpack), rg.graph.track_memory() as memory:
        y = w.exp().sin().sum()
    rg.graph.memory_stats()
    rg.graph.explain(y)
    rg.graph.who_holds(y)
    assert 1 == len([r for r in rg.graph.alive() if r.tensor is y])
    assert 64 == rg.graph.saved(y).nbytes == memory.nbytes


# -- G2


class Trainer:
    pass


def graph():
    w = rg.ones(3, requires_grad=True)
    graph.leaf = w
    return (w * 2).exp()


def in_a_list(keep):
    kept = keep["kept"] = []
    kept.append(graph())
    return weakref.ref(kept[0])


def in_an_attribute(keep):
    trainer = keep["trainer"] = Trainer()
    trainer.last_loss = graph()
    return weakref.ref(trainer.last_loss)


def in_the_closure_of_a_hook(keep):
    loss = graph()
    w = keep["w"] = rg.ones(1, requires_grad=True)

    def scale(g):
        return g * loss.detach().sum()

    w.register_hook(scale)
    return weakref.ref(loss)


def in_a_traceback(keep):
    def fails():
        hidden = graph()
        keep["ref"] = weakref.ref(hidden)
        raise ValueError("no luck")

    try:
        fails()
    except ValueError as error:
        keep["error"] = error
    return keep.pop("ref")


def in_a_notebook(keep):
    Out = keep["Out"] = {}
    Out[3] = graph()
    return weakref.ref(Out[3])


LEAKS = {
    "list": (in_a_list, "list", "[0]", "'kept'"),
    "attribute": (in_an_attribute, "attribute", ".last_loss", "'trainer'"),
    "closure": (in_the_closure_of_a_hook, "hook closure", "loss", "scale()"),
    "traceback": (in_a_traceback, "exception traceback", "hidden", "fails()"),
    "notebook": (in_a_notebook, "dict", "[3]", "'Out'"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_g2_a_planted_leak_is_named_among_many_nodes(leak):
    plant, kind, name, said = LEAKS[leak]
    y = rg.ones(1, requires_grad=True)
    for _ in range(100_000):
        y = y * 1.0
    keep = {}
    ref = plant(keep)
    chains = rg.graph.who_holds(ref)
    assert [kind] == [c.kind for c in chains]
    assert chains[0].name.endswith(name)
    assert said in str(chains[0])
    assert "local variable 'keep' of test_g2_a_planted_leak_is_named_among_many_nodes()" == chains[0].owner
    keep.clear()
    assert ref() is None  # looking has left nothing behind


def test_g2_a_notebooks_outputs_are_named():
    Out = {7: graph()}
    (chain,) = rg.graph.who_holds(Out[7].grad_fn)
    assert ("notebook output", "Out[7]") == chain[:2]


def test_g2_assert_freed_passes_on_the_clean_twin():
    history = []

    def leaks():
        history.append(graph().sum())

    def clean():
        history.append(graph().sum().item())

    rg.graph.assert_freed(clean)
    with pytest.raises(AssertionError, match=r"held by list history\[1\]"):
        rg.graph.assert_freed(leaks)


# -- H1


def hessian_rows(w, create_graph):
    (slope,) = rg.autograd.grad((w**4).sum(), w, create_graph=True)
    keep = not create_graph
    rows = []
    for k in range(50):
        rows += rg.autograd.grad(slope[k], w, create_graph=create_graph, retain_graph=keep or None)  # each row
    return rg.stack(rows)


def test_h1_rows_that_record_for_nothing_are_told_once():
    w = rg.randn(50, dtype=rg.float64, requires_grad=True)
    line = inspect.getsourcelines(hessian_rows)[1] + 5
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with rg.graph.diagnose():
            hessian = hessian_rows(w, create_graph=True)
    (told,) = told_by(warned, rg.UnusedCreateGraphWarning)
    assert [told] == [w.message for w in warned]
    assert (__file__, line, 50) == (*told.line[:2], told.count)
    assert told.nbytes > 0
    np.testing.assert_allclose(hessian.detach().numpy(), np.diag(12 * w.detach().numpy() ** 2))


def test_h1_rows_that_record_nothing_hold_little_and_are_not_told():
    w = rg.randn(50, dtype=rg.float64, requires_grad=True)
    with rg.graph.track_memory() as one:
        (slope,) = rg.autograd.grad((w**4).sum(), w, create_graph=True)
        rg.autograd.grad(slope @ rg.ones(50, dtype=rg.float64), w)
    del slope
    with rg.graph.track_memory() as all_:
        hessian_rows(w, create_graph=False)
    assert all_.peak_saved_bytes <= 1.3 * one.peak_saved_bytes
    with rg.graph.diagnose() as report:
        hessian = hessian_rows(w, create_graph=False)
    assert [] == [f for f in report.findings if f.kind == "create_graph"]
    assert 0 == walked()
    assert hessian.shape == (50, 50)
