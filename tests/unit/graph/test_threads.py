"""Passes from several threads: over one graph, over graphs that share leaves, and modes that do not leak."""

import sys
import threading

import pytest

import regrad as rg


@pytest.fixture(autouse=True)
def threads_change_often():
    was = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(was)


def together(*jobs):
    """Run the jobs at the same time; what each returned or raised."""
    gate = threading.Barrier(len(jobs))
    done = [None] * len(jobs)

    def work(k, job):
        gate.wait()
        try:
            done[k] = job()
        except Exception as error:
            done[k] = error

    threads = [threading.Thread(target=work, args=pair, name=f"worker-{pair[0]}") for pair in enumerate(jobs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return done


def test_of_two_passes_over_one_graph_one_wins():
    for _ in range(10):
        x = rg.ones(8, requires_grad=True)
        y = x
        for _ in range(100):
            y = y.sin()
        y = y.sum()
        expected = rg.autograd.grad(y, x, retain_graph=True)[0].tolist()
        results = together(y.backward, y.backward)
        errors = [e for e in results if e is not None]
        assert [rg.GraphFreedError] == [type(e) for e in errors]
        assert "worker-" in str(errors[0])
        assert expected == x.grad.tolist()


def test_graphs_that_share_leaves_accumulate_all():
    x = rg.ones(8, requires_grad=True)

    def job():
        for _ in range(25):
            (x * 2).sum().backward()

    assert [None] * 4 == together(*[job] * 4)
    assert [200.0] * 8 == x.grad.tolist()


def test_passes_that_retain_may_share_a_graph():
    x = rg.ones(8, requires_grad=True)
    y = (x * x).sum()
    assert [None] * 4 == together(*[lambda: y.backward(retain_graph=True)] * 4)
    assert [8.0] * 8 == x.grad.tolist()


def test_the_grad_mode_belongs_to_its_thread():
    def quiet():
        with rg.no_grad():
            return [rg.ones(1, requires_grad=True).mul(2).requires_grad for _ in range(200)]

    def loud():
        return [rg.ones(1, requires_grad=True).mul(2).requires_grad for _ in range(200)]

    silent, recorded = together(quiet, loud)
    assert [False] * 200 == silent
    assert [True] * 200 == recorded
    with rg.no_grad():
        assert [True] == together(rg.is_grad_enabled)
