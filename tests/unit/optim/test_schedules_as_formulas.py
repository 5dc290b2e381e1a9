"""Every schedule against its formula for t steps, written down a second time with NumPy.

A formula takes the first lr of a group and t, and knows nothing of the step before. Tolerances allow for the rounding
of the chainable forms, which multiply their way from step to step.
"""

import numpy as np
import pytest

import regrad as rg
from regrad.optim import lr_scheduler as S
from regrad.optim.swa_utils import SWALR

FIRST = (0.4, 0.05)
STEPS = 40


def optimizer(**options):
    groups = [{"params": [rg.ones(1, requires_grad=True)], "lr": lr} for lr in FIRST]
    return rg.optim.SGD(groups, lr=1.0, **options)


def cosine(a, b, part):
    return b + (a - b) * (1 + np.cos(np.pi * part)) / 2


def line(a, b, part):
    return a + (b - a) * part


def polynomial(n, power):
    return lambda lr, t: lr * (1 - np.minimum(t, n) / n) ** power


def restarts(first, times, low):
    ends = np.cumsum(first * float(times) ** np.arange(12))
    starts = np.concatenate([[0.0], ends])

    def formula(lr, t):
        cycle = np.searchsorted(ends, t, side="right")
        return cosine(lr, low, (t - starts[cycle]) / (ends[cycle] - starts[cycle]))

    return formula


def triangle(up, down):
    return lambda t: np.interp(t % (up + down), [0, up, up + down], [0.0, 1.0, 0.0])


def cyclic(low, high, up, down, height):
    tri = triangle(up, down)
    return lambda lr, t: low + (high - low) * tri(t) * height(1 + t // (up + down), t)


def one_cycle(top, n, part, between, div=25.0, final=1e4, phases=2):
    low, turn, end = top / div, part * n - 1, n - 1
    corners = [(0.0, low), (turn, top), (end, low / final)]
    if phases == 3:
        corners.insert(2, (2 * part * n - 2, low))
    ts, lrs = zip(*corners)

    def formula(lr, t):
        phase = np.clip(np.searchsorted(ts, t, side="left") - 1, 0, len(ts) - 2)
        return between(lrs[phase], lrs[phase + 1], (t - ts[phase]) / (ts[phase + 1] - ts[phase]))

    return formula


def to_swa(end, n, between):
    return lambda lr, t: between(lr, end, np.minimum(t / n, 1.0)) if n else end


def product_of(f):
    return lambda lr, t: lr * np.prod([f(k) for k in range(1, t + 1)])


CASES = [
    # (scheduler, formula)
    (lambda o: S.LambdaLR(o, lambda t: 1 / (1 + t)), lambda lr, t: lr / (1 + t)),
    (lambda o: S.LambdaLR(o, lambda t: 0.5 ** (t // 7)), lambda lr, t: lr * 0.5 ** np.floor(t / 7)),
    (lambda o: S.MultiplicativeLR(o, lambda t: 0.9 if t % 2 else 1.05), product_of(lambda t: [1.05, 0.9][t % 2])),
    (lambda o: S.StepLR(o, 1), lambda lr, t: lr * 0.1**t),
    (lambda o: S.StepLR(o, 7, gamma=0.3), lambda lr, t: lr * 0.3 ** np.floor(t / 7)),
    (lambda o: S.MultiStepLR(o, [3, 11, 11, 30]), lambda lr, t: lr * 0.1 ** np.sum(np.array([3, 11, 11, 30]) <= t)),
    (lambda o: S.MultiStepLR(o, {9, 2}, 0.5), lambda lr, t: lr * 0.5 ** ((t >= 2) + float(t >= 9))),
    (lambda o: S.ConstantLR(o), lambda lr, t: lr / 3 if t < 5 else lr),
    (lambda o: S.ConstantLR(o, 0.25, total_iters=9), lambda lr, t: lr * np.where(t < 9, 0.25, 1.0)),
    (lambda o: S.LinearLR(o), lambda lr, t: lr * np.interp(t, [0, 5], [1 / 3, 1])),
    (lambda o: S.LinearLR(o, 1.0, 0.1, 13), lambda lr, t: lr * np.interp(t, [0, 13], [1.0, 0.1])),
    (lambda o: S.ExponentialLR(o, 0.9), lambda lr, t: lr * np.exp(t * np.log(0.9))),
    (lambda o: S.PolynomialLR(o), polynomial(5, 1)),
    (lambda o: S.PolynomialLR(o, total_iters=30, power=0.9), polynomial(30, 0.9)),
    (lambda o: S.CosineAnnealingLR(o, T_max=40), lambda lr, t: cosine(lr, 0, t / 40)),
    (lambda o: S.CosineAnnealingLR(o, T_max=7, eta_min=0.01), lambda lr, t: cosine(lr, 0.01, t / 7)),
    (lambda o: S.CosineAnnealingLR(o, T_max=1, eta_min=0.01), lambda lr, t: [lr, 0.01][t % 2]),
    (lambda o: S.CosineAnnealingWarmRestarts(o, T_0=6), restarts(6, 1, 0.0)),
    (lambda o: S.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2, eta_min=0.01), restarts(3, 2, 0.01)),
    (
        lambda o: S.CyclicLR(o, 0.01, 0.2, 4, cycle_momentum=False),
        cyclic(0.01, 0.2, 4, 4, lambda cycle, t: 1.0),
    ),
    (
        lambda o: S.CyclicLR(o, 0.01, 0.2, 4, 7, mode="triangular2", cycle_momentum=False),
        cyclic(0.01, 0.2, 4, 7, lambda cycle, t: 0.5 ** (cycle - 1)),
    ),
    (
        lambda o: S.CyclicLR(o, 0.01, 0.2, 5, 2, mode="exp_range", gamma=0.95, cycle_momentum=False),
        cyclic(0.01, 0.2, 5, 2, lambda cycle, t: 0.95**t),
    ),
    (
        lambda o: S.CyclicLR(o, 0.01, 0.2, 3, scale_fn=lambda cycle: 1 / cycle, cycle_momentum=False),
        cyclic(0.01, 0.2, 3, 3, lambda cycle, t: 1 / cycle),
    ),
    (
        lambda o: S.OneCycleLR(o, 0.5, total_steps=41, cycle_momentum=False),
        one_cycle(0.5, 41, 0.3, cosine),
    ),
    (
        lambda o: S.OneCycleLR(
            o, 0.5, epochs=6, steps_per_epoch=7, pct_start=0.4, anneal_strategy="linear", cycle_momentum=False,
            div_factor=10, final_div_factor=20, three_phase=True,
        ),
        one_cycle(0.5, 42, 0.4, line, 10, 20, phases=3),
    ),
    (lambda o: SWALR(o, swa_lr=0.02), to_swa(0.02, 10, cosine)),
    (lambda o: SWALR(o, swa_lr=0.02, anneal_epochs=6, anneal_strategy="linear"), to_swa(0.02, 6, line)),
    (lambda o: SWALR(o, swa_lr=0.02, anneal_epochs=0), to_swa(0.02, 0, line)),
    (
        lambda o: S.ChainedScheduler([S.ConstantLR(o, 0.1, total_iters=4), S.ExponentialLR(o, 0.9)]),
        lambda lr, t: lr * (0.1 if t < 4 else 1.0) * 0.9**t,
    ),
    (
        lambda o: S.SequentialLR(
            o,
            [S.LinearLR(o, 0.1, total_iters=5), S.CosineAnnealingLR(o, T_max=20, eta_min=0.001), S.ConstantLR(o, 0.01)],
            milestones=[5, 25],
        ),
        lambda lr, t: lr * np.interp(t, [0, 5], [0.1, 1.0]) if t < 5
        else cosine(lr, 0.001, (t - 5) / 20) if t < 25
        else lr * (0.01 if t < 30 else 1.0),
    ),
]  # fmt: skip


def names():
    return [f"{i}-{type(make(optimizer())).__name__}" for i, (make, _) in enumerate(CASES)]


@pytest.mark.parametrize(("make", "formula"), CASES, ids=names())
def test_lr_after_t_steps_is_the_formula(make, formula):
    o = optimizer()
    scheduler = make(o)
    for t in range(STEPS + 1):
        got = [group["lr"] for group in o.param_groups]
        np.testing.assert_allclose(got, [formula(lr, t) for lr in FIRST], rtol=1e-9, atol=1e-16, err_msg=f"t = {t}")
        assert scheduler.get_last_lr() == got
        o.step()
        if t < STEPS:
            scheduler.step()


@pytest.mark.parametrize(
    ("make", "formula"),
    [case for case in CASES if hasattr(case[0](optimizer()), "_get_closed_form_lr")],
)
def test_step_to_an_epoch_is_the_formula(make, formula):
    o = optimizer()
    scheduler = make(o)
    o.step()
    for t in [5, 1, 30, 7, 0]:
        with pytest.warns(UserWarning, match="The epoch parameter"):
            scheduler.step(t)
        got = [group["lr"] for group in o.param_groups]
        np.testing.assert_allclose(got, [formula(lr, t) for lr in FIRST], rtol=1e-12, atol=1e-16, err_msg=f"t = {t}")


@pytest.mark.parametrize("betas", [False, True])
def test_cyclic_momentum_mirrors_the_lr(betas):
    o = optimizer(momentum=0.5)
    if betas:
        o.defaults["betas"] = (0.5, 0.99)
        for group in o.param_groups:
            group["betas"] = (0.5, 0.99)
    scheduler = S.CyclicLR(o, 0.0, 1.0, 3, 5, base_momentum=[0.7, 0.8], max_momentum=[0.95, 0.9])
    tri = triangle(3, 5)
    for t in range(20):
        want = np.array([0.95 - 0.25 * tri(t), 0.9 - 0.1 * tri(t)])
        got = [group["betas"][0] if betas else group["momentum"] for group in o.param_groups]
        np.testing.assert_allclose(got, want, rtol=1e-12)
        if betas:
            assert [0.99, 0.99] == [group["betas"][1] for group in o.param_groups]
        o.step()
        scheduler.step()


def test_one_cycle_momentum_falls_and_rises_again():
    o = optimizer(momentum=0.5)
    scheduler = S.OneCycleLR(o, 1.0, total_steps=20, base_momentum=0.8, max_momentum=0.9)
    for t in range(20):
        want = cosine(0.9, 0.8, t / 5) if t <= 5 else cosine(0.8, 0.9, (t - 5) / 14)
        np.testing.assert_allclose([group["momentum"] for group in o.param_groups], [want, want], rtol=1e-12)
        o.step()
        scheduler.step()


def test_a_plateau_is_counted_as_written():
    """The rule of `ReduceLROnPlateau`, told as a loop over what was measured."""
    rng = np.random.default_rng(0)
    for mode, how, patience, cooldown in [("min", "rel", 2, 0), ("max", "abs", 1, 3), ("max", "rel", 0, 2)]:
        measured = rng.random(STEPS).round(1)
        o = optimizer()
        scheduler = S.ReduceLROnPlateau(
            o, mode, 0.5, patience, threshold=0.05, threshold_mode=how, cooldown=cooldown, min_lr=[0.01, 0.02]
        )
        sign = 1 if mode == "min" else -1
        lrs, best, bad, cool = np.array(FIRST), sign * np.inf, 0, 0
        for m in measured:
            margin = 0.05 * best if how == "rel" else 0.05
            better = sign * m < sign * best - (margin if np.isfinite(best) else 0.0)
            best, bad = (m, 0) if better else (best, bad + 1)
            if cool:
                cool, bad = cool - 1, 0
            if bad > patience:
                lrs, bad, cool = np.maximum(lrs * 0.5, [0.01, 0.02]), 0, cooldown
            scheduler.step(m)
            np.testing.assert_allclose(scheduler.get_last_lr(), lrs, rtol=1e-12)
        assert lrs[0] < FIRST[0]
