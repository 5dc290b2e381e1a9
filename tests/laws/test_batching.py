"""The law of batching: `vmap` of an op equals the op on one sample after the other, stacked.

Held on every sample of the laws, for elementwise ops and all that have a batching rule, with each choice of arguments
batched: all of them, or only one. None of them may fall back to the loop over samples, but for the cases in `looped`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import regrad as rg
from regrad import func
from regrad.autograd.batching import RULES, _told
from regrad.declare import OPS
from regrad.errors import LoopWarning
from regrad.graph.value import wrap
from tests.laws.sample import Sample
from tests.laws.test_every_op import SAMPLES

CASES = [
    pytest.param(OPS[name], s, id=f"{name}-{k}")
    for name, many in sorted(SAMPLES.items())
    if name in OPS and (name in RULES or OPS[name].kind == "elementwise")
    for k, s in enumerate(many)
    if isinstance(s, Sample)
]


def variants(a: np.ndarray, count: int) -> np.ndarray:
    """Arrays like ``a``, stacked: other numbers of the same signs; integers and booleans in another order."""
    if a.dtype.kind in "fc":
        return np.stack([a * (1 - 0.1 * k) for k in range(count)])
    return np.stack([np.roll(a, k) if a.ndim == 1 else a for k in range(count)])


def looped(op: Any, sample: Sample) -> bool:
    """Is this a case that a rule may leave to the loop?"""
    shapes = [a.shape for a in sample.args if isinstance(a, np.ndarray)]
    numbers = () in shapes  # as tensors that have no dimension to work along
    return (
        (numbers and (op.viewing or len(shapes) > 1 or "shape" in op.params))
        or bool(sample.params.get("by_frequency"))
        or sample.params.get("mode") == "r"
        or sample.params.get("shape") == ()
        or op.name == "linalg_lstsq"
        or (op.name == "linalg_solve_ex" and len({len(s) for s in shapes}) > 1)
        or (op.name == "cat" and len({len(s) for s in shapes}) > 1)
    )


def compare(op: Any, sample: Sample, batched: list[int]) -> None:
    values = [
        wrap(variants(a, 3)) if i in batched else wrap(a) if isinstance(a, (np.ndarray, np.generic)) else a
        for i, a in enumerate(sample.args)
    ]
    where = tuple(0 if i in batched else None for i in range(len(values)))

    def call(*args: Any) -> Any:
        return op.caller(*args, **sample.params)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if looped(op, sample) else "error", LoopWarning)
        _told.discard(op.name)
        found = func.vmap(call, in_dims=where, randomness="same")(*values)
    found = found if isinstance(found, tuple) else (found,)
    each = []
    for k in range(3):
        out = call(*[wrap(v.array[k]) if i in batched else v for i, v in enumerate(values)])
        each.append(out if isinstance(out, (tuple, list)) else (out,))
    for got, want in zip(found, zip(*each, strict=True), strict=True):
        expected = np.stack([w.array for w in want])
        assert got.array.dtype == expected.dtype
        scale = (
            max(1.0, float(np.nanmax(np.abs(expected[np.isfinite(expected)]), initial=0)))
            if expected.dtype.kind in "fc"
            else 1
        )
        np.testing.assert_allclose(got.array, expected, rtol=1e-12, atol=1e-12 * scale)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_vmap_equals_the_loop(op: Any, sample: Sample) -> None:
    arrays = [i for i, a in enumerate(sample.args) if isinstance(a, np.ndarray)]
    if not arrays:
        return
    for batched in [arrays, *([i] for i in arrays if len(arrays) > 1)]:
        if (
            sample.params.get("count") is None or 1 not in batched
        ):  # how much a mask selects may not differ from sample to sample
            compare(op, sample, batched)


def test_an_op_without_a_rule_runs_once_per_sample_and_says_so() -> None:
    _told.discard("nanmedian")
    x = rg.tensor([[3.0, 1.0, 2.0], [5.0, 6.0, 4.0]])
    with pytest.warns(LoopWarning, match="'nanmedian' has no batching rule here and runs once per sample"):
        assert func.vmap(rg.nanmedian)(x).tolist() == [2.0, 5.0]
