"""What a diagnosis tells, and what it does not; the scenarios are in tests/scenario/test_seeing.py."""

import warnings

import pytest

import regrad as rg


def leaf():
    return rg.ones(10, requires_grad=True)


def findings(run, times=1):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rg.graph.diagnose() as report:
            for _ in range(times):
                run()
    return [(f.kind, f.graphs, f.nbytes) for f in report.findings]


def retained(w):
    w.exp().sum().backward(retain_graph=True)


def retained_and_used(w):
    y = w.exp().sum()
    y.backward(retain_graph=True)
    y.backward()


def retained_and_used_in_part(w):
    h = w.exp()
    one, two = h.sum(), (h * 2).sum()
    one.backward(retain_graph=True)
    rg.autograd.grad(two, h)  # does not run exp
    del one, two


def recorded(w):
    rg.autograd.grad(w.exp().sum(), w, create_graph=True)


def recorded_and_differentiated(w):
    (g,) = rg.autograd.grad(w.exp().sum(), w, create_graph=True)
    rg.autograd.grad(g.sum(), w)


CASES = {
    "plain": (lambda w: w.exp().sum().backward(), []),
    "retained": (retained, [("retain_graph", 3, 120)]),
    "retained and used": (retained_and_used, []),
    "retained and used in part": (retained_and_used_in_part, [("retain_graph", 3, 120)]),
    "recorded": (recorded, [("create_graph", 3, 12)]),
    "recorded and differentiated": (recorded_and_differentiated, []),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_found(case):
    run, expected = CASES[case]
    w = leaf()
    assert expected == findings(lambda: run(w), times=3)


def test_a_single_graph_that_is_still_alive_is_not_told():
    w, kept = leaf(), []

    def run():
        kept.append(w.exp().sum())
        kept[-1].backward(retain_graph=True)

    assert [] == findings(run)
    kept.clear()
    assert [("retain_graph", 2, 80)] == findings(run, times=2)


def test_nothing_is_warned_of_when_something_fails():
    w = leaf()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(ZeroDivisionError), rg.graph.diagnose() as report:
            retained(w)
            raise ZeroDivisionError
    assert [] == told
    assert 1 == len(report.findings)


def test_the_report_has_notes_and_the_peak():
    w = leaf()
    with rg.graph.diagnose() as report:
        for _ in range(2):
            loss = w.exp().sum()
    assert 80 == report.peak.nbytes
    assert 1 == len(report.notes)
    assert report.notes[0].startswith("two graphs alive at once")
    assert "note: two graphs" in repr(report)
    assert loss.ndim == 0


def test_bytes_of_parameters_are_not_held_in_vain():
    w = leaf()
    assert [("retain_graph", 2, 0)] == findings(lambda: (w * w).sum().backward(retain_graph=True), times=2)
