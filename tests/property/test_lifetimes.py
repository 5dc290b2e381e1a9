"""Random programs that keep, free, cut, stop and fail: gradients, refusals and live bytes are the naive twin's."""

from __future__ import annotations

import gc
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regrad as rg
from tests.property import lifetimes, lives, programs

NIGHT = 5_000  # examples a test, by which the profile of the night is known
KINDS = len(lifetimes.KINDS)
STEPS = st.lists(
    st.tuples(st.integers(0, KINDS - 1), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40)), max_size=40
)


@pytest.fixture(scope="module", autouse=True)
def nothing_but_these_programs():
    """Graphs die by reference counting, and what looks at all objects looks at those of the programs alone."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def agree(steps: list[tuple[int, int, int, int]]) -> list[object]:
    ours, twin = lifetimes.run(lifetimes.Engine(), steps), lifetimes.run(lives.Twin(), steps)
    for k, (a, b) in enumerate(zip(ours, twin, strict=True)):
        assert not programs.differ(a, b), (k, a, b, steps)
    return ours


@given(STEPS)
@pytest.mark.filterwarnings("ignore::regrad.errors.LoopWarning")
def test_the_engine_agrees_with_the_twin_on_what_lives(steps: list[tuple[int, int, int, int]]) -> None:
    agree(steps)


@pytest.mark.filterwarnings("ignore::regrad.errors.LoopWarning")
def test_many_longer_programs_agree() -> None:
    """Ops first, then everything; programs of different seeds differ in the order of plans and passes."""
    count = 10_000 if settings.default.max_examples >= NIGHT else 300
    met: Counter[str] = Counter()
    before = rg.graph.memory_stats()["nodes"]
    for seed in range(count):
        rng = random.Random(seed)
        numbers = [[rng.randrange(60) for _ in range(3)] for _ in range(rng.randrange(12, 48))]
        built = rng.randrange(2, 9)
        steps = [(rng.randrange(5 if k < built else KINDS), *three) for k, three in enumerate(numbers)]
        for name, what, *_ in agree(steps):
            met.update([name, f"{name}: {what}"] if isinstance(what, str) else [name])
    assert rg.graph.memory_stats()["nodes"] == before
    assert set(met) >= set(lifetimes.KINDS)
    for word in ("backward: freed", "grad: freed", "each: freed", "together: freed", "fault: planted"):
        assert met[word] > count // 50, (word, met)
