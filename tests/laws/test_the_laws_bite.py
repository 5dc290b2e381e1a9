"""A check that cannot fail is a defect: with a fault planted in its rules, every op must break the laws."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from regrad.declare import OPS, Op
from regrad.graph.node import Plan
from tests.laws import test_every_op as laws
from tests.laws.sample import Sample

# Ops in whose laws a wrong sign cannot show, and why.
WITHOUT_SIGN = {
    *("ceil", "floor", "trunc", "round", "round_decimals", "sign", "heaviside"),  # their gradient is zero
    *("div_floor", "div_trunc", "floor_divide", "draw"),  # the same
    *("igamma", "igammac"),  # the first argument has no derivative; unit tests hold that of the second
    "linalg_eig",  # its vectors are free in phase; unit tests hold derivatives that do not see it
}


def forget_plans(op: Op) -> None:
    for plans in (op.plans, op.plans_complex):
        plans[:] = [None] * len(plans)


@contextmanager
def planted(op: Op, fault: Any) -> Iterator[None]:
    """Inside, the op's plans are made anew, with ``fault`` applied to every piece that they give."""
    make = Op._make_plan

    def faulty(self: Op, mask: int, conjugating: bool) -> Plan:
        plan = make(self, mask, conjugating)
        if self is not op:
            return plan

        def spoiled(pull: Any) -> Any:
            return lambda g, s, p: [fault(piece) for piece in pull(g, s, p)]

        narrow = plan.narrow
        return Plan(
            self,
            mask,
            plan.slots,
            plan.readers,
            plan.sources,
            spoiled(plan.pull),
            plan.targets,
            lambda some: (spoiled(narrow(some)[0]), narrow(some)[1]),
        )

    forget_plans(op)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Op, "_make_plan", faulty)
            yield
    finally:
        forget_plans(op)


def has_slope(op: Op, sample: Sample) -> bool:
    """Is some gradient of the op here not zero?"""
    return any(np.any(g != 0) for g in laws.gradients(op, sample)[2])


@pytest.mark.parametrize("op", [pytest.param(op, id=name) for name, op in sorted(OPS.items()) if op.rules])
def test_a_wrong_sign_in_a_rule_is_found(op: Op) -> None:
    samples = [
        s for s in laws.SAMPLES.get(op.name, []) if isinstance(s, Sample) and s.smooth and has_slope(op, s)
    ]
    if not samples:
        assert op.name in WITHOUT_SIGN, "no sample of this op has a gradient in which a wrong sign would show"
        return
    with planted(op, lambda piece: None if piece is None else -piece), pytest.raises(AssertionError):
        for sample in samples:
            laws.test_gradient_agrees_with_differences(op, sample)


@pytest.mark.parametrize("name", ["mul", "exp", "matmul", "sum", "softmax", "cat"])
def test_a_dropped_gradient_is_found(name: str) -> None:
    op = OPS[name]
    with planted(op, lambda piece: None), pytest.raises(AssertionError):
        for sample in laws.SAMPLES[name]:
            if isinstance(sample, Sample) and sample.smooth:
                laws.test_gradient_agrees_with_differences(op, sample)


@pytest.mark.parametrize("name", ["mul", "exp", "tanh", "matmul"])
def test_a_doubled_gradient_is_found_by_the_tangent(name: str) -> None:
    op = OPS[name]
    with planted(op, lambda piece: None if piece is None else piece * 2), pytest.raises(AssertionError):
        for sample in laws.SAMPLES[name]:
            if isinstance(sample, Sample) and sample.smooth:
                laws.test_tangent_agrees_with_differences_and_with_the_gradient(op, sample)
