"""Random programs against the naive twin: every value, version, gradient and refusal agrees."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

import regrad as rg
from tests.property import naive, programs

STEPS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40)), max_size=25
)


@given(STEPS)
def test_the_engine_agrees_with_the_naive_twin(steps: list[tuple[int, int, int, int]]) -> None:
    ours, twin = programs.run(rg, steps), programs.run(naive, steps)
    for a, b in zip(ours, twin, strict=False):
        assert not programs.differ(a, b), (a, b)
    assert len(ours) == len(twin)


def test_many_longer_programs_agree() -> None:
    rng = random.Random(7)
    refused = 0
    for _ in range(300):
        steps = [
            (rng.randrange(12), rng.randrange(60), rng.randrange(60), rng.randrange(60))
            for _ in range(rng.randrange(10, 45))
        ]
        ours, twin = programs.run(rg, steps), programs.run(naive, steps)
        refused += sum(1 for o in ours if o[1] == "refused")
        assert not programs.differ(ours, twin), steps
    assert refused > 100, "the programs must also meet freed graphs, modified values and leaves"
