"""Schedules as objects: resuming, warnings, mistakes, momentum, nesting. Their formulas have a file of their own."""

import copy
import pickle
import warnings
import weakref

import pytest

import regrad as rg
from regrad.optim import lr_scheduler as S
from regrad.optim.swa_utils import SWALR


class Halving:
    """A callable object whose attributes belong to a schedule's state."""

    def __init__(self, factor=0.5):
        self.factor, self.calls = factor, 0

    def __call__(self, t):
        self.calls += 1
        return self.factor**t + 0.001 * self.calls


def make_optimizer(momentum=0.9, lrs=(0.1, 0.05)):
    groups = [{"params": [rg.ones(1, requires_grad=True)], "lr": lr} for lr in lrs]
    return rg.optim.SGD(groups, lr=1.0, momentum=momentum)


def options(o):
    """The groups without their parameters, as values of their own."""
    return copy.deepcopy([{k: v for k, v in group.items() if k != "params"} for group in o.param_groups])


def step(o, scheduler):
    o.step()
    if isinstance(scheduler, S.ReduceLROnPlateau):
        scheduler.step(1.0 if scheduler.last_epoch > 3 else 3.0 - scheduler.last_epoch)
    else:
        scheduler.step()


def follow(o, scheduler, steps):
    seen = []
    for _ in range(steps):
        step(o, scheduler)
        seen.append((options(o), list(scheduler.get_last_lr())))
    return seen


def sequence(o):
    parts = [S.LinearLR(o, total_iters=4), S.CosineAnnealingLR(o, 6), S.MultiStepLR(o, [2, 3])]
    return S.SequentialLR(o, parts, milestones=[4, 11])


SCHEDULES = {
    "LambdaLR": lambda o: S.LambdaLR(o, [lambda t: 0.9**t, Halving()]),
    "MultiplicativeLR": lambda o: S.MultiplicativeLR(o, lambda t: 0.9 if t % 2 else 1.01),
    "StepLR": lambda o: S.StepLR(o, 3),
    "MultiStepLR": lambda o: S.MultiStepLR(o, [2, 8, 8, 15], 0.3),
    "ConstantLR": lambda o: S.ConstantLR(o, 0.3, 11),
    "LinearLR": lambda o: S.LinearLR(o, 0.1, 0.9, 17),
    "ExponentialLR": lambda o: S.ExponentialLR(o, 0.93),
    "PolynomialLR": lambda o: S.PolynomialLR(o, 18, 0.7),
    "CosineAnnealingLR": lambda o: S.CosineAnnealingLR(o, 5, 0.001),
    "CosineAnnealingWarmRestarts": lambda o: S.CosineAnnealingWarmRestarts(o, 3, 2),
    "CyclicLR": lambda o: S.CyclicLR(o, 0.01, 0.1, 4, 3, mode="triangular2"),
    "CyclicLR with scale_fn": lambda o: S.CyclicLR(o, 0.01, 0.1, 2, scale_fn=Halving(), cycle_momentum=False),
    "OneCycleLR": lambda o: S.OneCycleLR(o, 0.3, total_steps=22, three_phase=True),
    "ReduceLROnPlateau": lambda o: S.ReduceLROnPlateau(o, patience=2, cooldown=1, min_lr=[1e-3, 1e-4]),
    "SequentialLR": sequence,
    "ChainedScheduler": lambda o: S.ChainedScheduler([S.LinearLR(o), S.ExponentialLR(o, 0.9)]),
    "a sequence in a chain": lambda o: S.ChainedScheduler([sequence(o), S.CosineAnnealingWarmRestarts(o, 4)]),
    "SWALR": lambda o: SWALR(o, [0.3, 0.002], 9),
}
every_schedule = pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
PLAIN = {k: v for k, v in SCHEDULES.items() if k not in {"SequentialLR", "ChainedScheduler", "a sequence in a chain"}}
CAREFUL = {k: v for k, v in PLAIN.items() if k not in {"ReduceLROnPlateau", "CosineAnnealingWarmRestarts"}}

# -- resuming


@every_schedule
@pytest.mark.parametrize("at", [1, 7, 12])
def test_a_resumed_run_has_exactly_the_lrs_of_the_uninterrupted_one(make, at):
    o = make_optimizer()
    scheduler = make(o)
    follow(o, scheduler, at)
    saved = pickle.dumps((o.state_dict(), scheduler.state_dict()))
    want = follow(o, scheduler, 21 - at)

    o = make_optimizer()
    scheduler = make(o)
    optimizer_state, scheduler_state = pickle.loads(saved)
    o.load_state_dict(optimizer_state)
    scheduler.load_state_dict(scheduler_state)
    assert want == follow(o, scheduler, 21 - at)


@every_schedule
def test_loading_leaves_the_loaded_state_as_it_was(make):
    o = make_optimizer()
    scheduler = make(o)
    follow(o, scheduler, 5)
    state = copy.deepcopy(scheduler.state_dict())
    before = copy.deepcopy(state)
    other = make_optimizer()
    fresh = make(other)
    fresh.load_state_dict(state)
    follow(other, fresh, 5)
    assert before == state


@every_schedule
def test_a_scheduler_copied_or_pickled_with_its_optimizer_goes_on(make):
    o = make_optimizer()
    scheduler = make(o)
    follow(o, scheduler, 3)
    twins = [copy.deepcopy(scheduler)]
    if not hasattr(scheduler, "lr_lambdas"):  # a lambda cannot be pickled
        twins.append(pickle.loads(pickle.dumps(scheduler)))
    want = follow(o, scheduler, 9)
    for twin in twins:
        assert twin.optimizer is not o
        assert want == follow(twin.optimizer, twin, 9)


def test_a_copied_optimizer_steps_its_own_parameters():
    o = make_optimizer(momentum=0)
    S.StepLR(o, 3)
    twin = copy.deepcopy(o)
    (w,), (own,) = o.param_groups[0]["params"], twin.param_groups[0]["params"]
    own.grad = rg.ones(1)
    twin.step()
    assert [1.0] == w.tolist() != own.tolist()


STATE = {"base_lrs", "last_epoch", "_step_count", "_is_initial", "_get_lr_called_within_step", "_last_lr"}
KEYS = {
    "LambdaLR": STATE | {"lr_lambdas"},
    "MultiplicativeLR": STATE | {"lr_lambdas"},
    "StepLR": STATE | {"step_size", "gamma"},
    "MultiStepLR": STATE | {"milestones", "gamma"},
    "ConstantLR": STATE | {"factor", "total_iters"},
    "LinearLR": STATE | {"start_factor", "end_factor", "total_iters"},
    "ExponentialLR": STATE | {"gamma"},
    "PolynomialLR": STATE | {"total_iters", "power"},
    "CosineAnnealingLR": STATE | {"T_max", "eta_min"},
    "CosineAnnealingWarmRestarts": STATE | {"T_0", "T_i", "T_mult", "T_cur", "eta_min"},
    "CyclicLR": STATE
    | {"max_lrs", "total_size", "step_ratio", "mode", "gamma", "_scale_fn_custom", "scale_mode", "cycle_momentum"}
    | {"use_beta1", "base_momentums", "max_momentums"},
    "OneCycleLR": STATE | {"total_steps", "_schedule_phases", "_anneal_func_type", "cycle_momentum", "use_beta1"},
    "ReduceLROnPlateau": {"factor", "default_min_lr", "min_lrs", "patience", "cooldown", "eps", "last_epoch"}
    | {"_last_lr", "mode_worse", "mode", "threshold", "threshold_mode", "best", "cooldown_counter", "num_bad_epochs"},
    "SequentialLR": {"_schedulers", "_milestones", "last_epoch", "_last_lr"},
    "ChainedScheduler": {"_schedulers", "_last_lr"},
    "SWALR": STATE | {"_anneal_strategy", "anneal_epochs"},
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_the_state_has_the_keys_of_pytorch(name):
    assert KEYS[name] == set(SCHEDULES[name](make_optimizer()).state_dict())


def test_functions_stay_out_of_the_state_and_attributes_of_callables_go_in():
    o = make_optimizer()
    scheduler = S.LambdaLR(o, [lambda t: 1.0, Halving(0.25)])
    assert [None, {"factor": 0.25, "calls": 1}] == scheduler.state_dict()["lr_lambdas"]
    assert [None, None] == S.MultiplicativeLR(o, max).state_dict()["lr_lambdas"]  # a builtin has no attributes
    assert S.CyclicLR(o, 0, 1, scale_fn=lambda x: 1).state_dict()["_scale_fn_custom"] is None
    assert {"factor": 0.5, "calls": 2} == S.CyclicLR(o, 0, 1, scale_fn=Halving()).state_dict()["_scale_fn_custom"]


def test_a_state_of_another_number_of_parts_is_refused():
    o = make_optimizer()
    state = S.ChainedScheduler([S.StepLR(o, 2)]).state_dict()
    with pytest.raises(ValueError, match="the state is of 1 schedulers, this one has 2"):
        S.ChainedScheduler([S.StepLR(o, 2), S.StepLR(o, 3)]).load_state_dict(state)
    state = S.LambdaLR(make_optimizer(lrs=[1.0]), lambda t: 1).state_dict()
    with pytest.raises(ValueError, match="1 lr_lambdas, this scheduler has 2"):
        S.LambdaLR(o, lambda t: 1).load_state_dict(state)


def test_a_scheduler_made_with_last_epoch_goes_on_from_there():
    o = make_optimizer()
    follow(o, S.StepLR(o, 4, 0.5), 4)
    resumed = S.StepLR(o, 4, 0.5, last_epoch=4)
    assert 5 == resumed.last_epoch
    assert [0.1, 0.05] == resumed.base_lrs
    follow(o, resumed, 3)
    assert [0.025, 0.0125] == resumed.get_last_lr()


def test_last_epoch_needs_what_a_loaded_optimizer_has():
    with pytest.raises(KeyError, match=r"'initial_lr' is not specified in param_groups\[0\].*load the optimizer"):
        S.StepLR(make_optimizer(), 2, last_epoch=3)
    o = make_optimizer()
    S.StepLR(o, 2)
    with pytest.raises(KeyError, match="'max_lr' is not specified"):
        S.OneCycleLR(o, 1.0, total_steps=5, last_epoch=3)


def test_the_initial_lr_of_an_earlier_scheduler_is_kept():
    o = make_optimizer()
    follow(o, S.ExponentialLR(o, 0.5), 2)
    assert [0.1, 0.05] == S.StepLR(o, 3).base_lrs


def test_a_cycle_has_its_own_base_lr_also_where_a_scheduler_was_before():
    o = make_optimizer()
    follow(o, S.ExponentialLR(o, 0.5), 2)
    scheduler = S.CyclicLR(o, 0.25, 0.75, step_size_up=2)
    assert [[0.5, 0.5], [0.75, 0.75], [0.5, 0.5], [0.25, 0.25]] == [last for _, last in follow(o, scheduler, 4)]


def test_a_cycle_that_goes_on_leaves_the_groups_as_they_were_loaded():
    o = make_optimizer()
    follow(o, S.CyclicLR(o, 0.0, 1.0, step_size_up=4), 2)
    for group in o.param_groups:
        group["max_momentum"] = 0.95
    resumed = S.CyclicLR(o, 0.0, 1.0, step_size_up=4, last_epoch=2)
    assert [0.75, 0.75] == resumed.get_last_lr()
    assert [0.95, 0.95] == [group["max_momentum"] for group in o.param_groups]


# -- the order of steps


@pytest.mark.parametrize("make", CAREFUL.values(), ids=CAREFUL)
def test_a_scheduler_stepped_before_the_optimizer_warns(make):
    o = make_optimizer()
    scheduler = make(o)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`") as caught:
        scheduler.step()
    assert __file__ == caught[0].filename
    scheduler.step()  # once is enough: warnings are errors here


def test_an_optimizer_whose_step_was_replaced_is_told_of():
    o = make_optimizer()
    scheduler = S.StepLR(o, 2)
    o.step = lambda: None
    with pytest.warns(UserWarning, match=r"`optimizer.step\(\)` has been overridden"):
        scheduler.step()


def test_a_step_of_the_scripts_own_is_called_as_it_is():
    o = make_optimizer()
    calls = []
    o.step = lambda *args: calls.append(args)
    scheduler = S.StepLR(o, 2)
    o.step("closure")
    scheduler.step()
    assert [("closure",)] == calls


def test_step_returns_what_the_optimizer_returns():
    o = make_optimizer()
    S.StepLR(o, 2)
    S.StepLR(o, 3)
    assert 4.0 == o.step(lambda: 4.0)
    assert "step" == o.step.__name__


@pytest.mark.usefixtures("collector_off")
def test_an_optimizer_that_is_watched_dies_with_its_last_reference():
    o = make_optimizer()
    scheduler = S.StepLR(o, 2)
    step(o, scheduler)
    gone = weakref.ref(o)
    del o, scheduler
    assert gone() is None


def test_asking_get_lr_instead_of_get_last_lr_warns():
    for make in CAREFUL.values():
        scheduler = make(make_optimizer())
        with pytest.warns(UserWarning, match=r"please use `get_last_lr\(\)`") as caught:
            scheduler.get_lr()
        assert __file__ == caught[0].filename


def test_asking_get_lr_changes_no_momentum():
    o = make_optimizer()
    scheduler = S.CyclicLR(o, 0.0, 1.0, step_size_up=4)
    scheduler.last_epoch = 2
    with pytest.warns(UserWarning, match="get_last_lr"):
        assert [0.5, 0.5] == scheduler.get_lr()
    assert [0.9, 0.9] == [group["momentum"] for group in o.param_groups]


# -- what is set


def test_an_lr_that_is_a_tensor_is_written_in_place():
    for dtype in (rg.float32, rg.float64):
        for name, make in SCHEDULES.items():
            o = make_optimizer()
            want = follow(o, make(o), 15)
            o = make_optimizer(lrs=[rg.tensor(lr, dtype=dtype) for lr in (0.1, 0.05)])
            lrs = [group["lr"] for group in o.param_groups]
            got = follow(o, make(o), 15)
            assert all(lr is group["lr"] for lr, group in zip(lrs, o.param_groups)), name
            for (groups, last), (wanted, _) in zip(got, want):
                assert pytest.approx([group["lr"] for group in wanted], rel=1e-5) == [lr.item() for lr in last]
                assert last == [group["lr"] for group in groups]


def test_the_base_lrs_are_not_the_tensors_that_are_written():
    o = make_optimizer(lrs=[rg.tensor(0.5), rg.tensor(0.25)])
    scheduler = S.ExponentialLR(o, 0.5)
    step(o, scheduler)
    assert [0.5, 0.25] == [lr.item() for lr in scheduler.base_lrs]
    assert [0.25, 0.125] == [lr.item() for lr in scheduler.get_last_lr()]


def test_an_optimizer_with_betas_has_its_first_beta_cycled():
    class WithBetas(rg.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1, "betas": (0.9, 0.999)})

        def step(self, closure=None):
            return None

    for make in (lambda o: S.CyclicLR(o, 0.0, 1.0, 2), lambda o: S.OneCycleLR(o, 1.0, total_steps=20, pct_start=0.5)):
        o = WithBetas([rg.ones(1, requires_grad=True)])
        scheduler = make(o)
        first = o.param_groups[0]["betas"]
        step(o, scheduler)
        assert first[0] > o.param_groups[0]["betas"][0]
        assert (0.999, 0.999) == (first[1], o.param_groups[0]["betas"][1])
        assert "momentum" not in o.param_groups[0]


def test_a_schedule_of_ones_own_defines_get_lr():
    class Alternating(S._LRScheduler):
        def get_lr(self):
            return [lr * (self.last_epoch % 2 + 1) for lr in self.base_lrs]

    o = make_optimizer()
    scheduler = Alternating(o)
    assert [[0.2, 0.1], [0.1, 0.05]] == [last for _, last in follow(o, scheduler, 2)]
    with pytest.raises(NotImplementedError, match=r"LRScheduler has no get_lr\(\)"):
        S.LRScheduler(o)


def test_warm_restarts_take_any_epoch():
    """Stepping to an epoch is stepping that often, exactly; fractions lie between."""
    for first, times in [(5, 1), (1, 3), (3, 2), (2, 10)]:
        o, other = make_optimizer(), make_optimizer()
        plain = S.CosineAnnealingWarmRestarts(o, first, times)
        jumping = S.CosineAnnealingWarmRestarts(other, first, times)
        for t in range(1, 400):
            plain.step()
            jumping.step(t)
            assert plain.state_dict() == jumping.state_dict()
    jumping.step(0.5)
    assert pytest.approx(0.1 * (1 + 0.5**0.5) / 2) == jumping.get_last_lr()[0]
    with pytest.raises(ValueError, match="Expected non-negative epoch, but got -1"):
        jumping.step(-1)
    assert 0 == jumping.last_epoch


def test_one_cycle_may_begin_or_end_at_its_peak():
    o = make_optimizer()
    assert [1.0, 1.0] == S.OneCycleLR(o, 1.0, total_steps=10, pct_start=0.1).get_last_lr()
    scheduler = S.OneCycleLR(o, 1.0, total_steps=8, pct_start=1.0)
    lrs = [last[0] for _, last in follow(o, scheduler, 8)]
    assert sorted(lrs[:7]) == lrs[:7]
    assert [1.0, 0.04 / 1e4] == pytest.approx(lrs[6:])


def test_the_lowest_lr_of_a_plateau_grows_with_the_groups():
    def add(o):
        o.add_param_group({"params": [rg.ones(1, requires_grad=True)], "lr": 0.2})

    o = make_optimizer()
    scheduler = S.ReduceLROnPlateau(o, patience=0, min_lr=0.08)
    add(o)
    for _ in range(2):
        scheduler.step(1.0)
    assert [0.08, 0.05, 0.08] == scheduler.get_last_lr()

    o = make_optimizer()
    scheduler = S.ReduceLROnPlateau(o, patience=0, min_lr=[0.08, 0.01])
    add(o)
    scheduler.step(1.0)
    with pytest.raises(RuntimeError, match=r"param groups in the `optimizer` \(3\) differs.*`min_lrs` field"):
        scheduler.step(1.0)


def test_a_plateau_takes_a_tensor_and_an_epoch():
    o = make_optimizer()
    scheduler = S.ReduceLROnPlateau(o, patience=0)
    scheduler.step(rg.tensor(2.0))
    with pytest.warns(UserWarning, match="The epoch parameter"):
        scheduler.step(rg.tensor(2.0), epoch=7)
    assert (7, [0.1 * 0.1, 0.05 * 0.1]) == (scheduler.last_epoch, scheduler.get_last_lr())


# -- several schedulers


def test_a_sequence_begins_each_part_at_its_first_lr():
    o = make_optimizer()
    seen = [last[0] for _, last in follow(o, sequence(o), 14)]
    assert 0.1 == seen[3] == seen[10]  # the first step of the second and of the third part
    assert pytest.approx([0.1, 0.1, 0.01, 0.001]) == seen[10:]


def test_a_sequence_may_skip_parts():
    o = make_optimizer()
    parts = [S.ConstantLR(o, 0.5), S.ConstantLR(o, 0.25), S.ConstantLR(o, 0.125)]
    scheduler = S.SequentialLR(o, parts, milestones=[0, 0])
    assert [0.1 * 0.125, 0.05 * 0.125] == scheduler.get_last_lr()


def test_several_schedulers_that_cannot_go_together_are_refused():
    o, other = make_optimizer(), make_optimizer()
    one = S.StepLR(o, 2)
    plateau, foreign = S.ReduceLROnPlateau(o), S.StepLR(other, 2)
    for several in (lambda parts: S.SequentialLR(o, parts, [3] * (len(parts) - 1)), S.ChainedScheduler):
        for parts, error, words in [
            ([], ValueError, "expects at least one scheduler"),
            ([one, plateau], ValueError, "does not support `ReduceLROnPlateau`.*index 1.*step it by itself"),
            ([one, foreign], ValueError, "to belong to the same optimizer.*StepLR at index 1"),
            (["StepLR", one], TypeError, "at index 0 should have `optimizer`"),
        ]:
            with pytest.raises(error, match=words):
                several(parts)
    with pytest.raises(ValueError, match="same optimizer"):
        S.ChainedScheduler([one], optimizer=other)
    with pytest.raises(ValueError, match="one more than the number of milestone points"):
        S.SequentialLR(o, [one, one], milestones=[])
    with pytest.raises(ValueError, match="must not decrease"):
        S.SequentialLR(o, [one, one, one], milestones=[5, 3])
    with pytest.raises(NotImplementedError, match=r"cannot begin a ChainedScheduler \(index 1\) at a milestone"):
        S.SequentialLR(o, [one, S.ChainedScheduler([one])], milestones=[3])


@pytest.mark.filterwarnings("ignore:Detected call")  # as in PyTorch: the parts take their first step a second time
def test_a_chain_or_a_sequence_may_come_first_in_a_sequence():
    o = make_optimizer()
    chain = S.ChainedScheduler([S.ConstantLR(o, 0.5, 2), S.StepLR(o, 3)])
    scheduler = S.SequentialLR(o, [chain, S.ConstantLR(o, 0.25, 9)], [4])
    assert pytest.approx([0.05, 0.1, 0.01, 0.025]) == [last[0] for _, last in follow(o, scheduler, 4)]
    o = make_optimizer()
    scheduler = S.SequentialLR(o, [sequence(o), S.ConstantLR(o, 0.25, 9)], [13])
    assert 0.025 == follow(o, scheduler, 13)[-1][1][0]


# -- mistakes

MISTAKES = [
    # (scheduler, error, words)
    (lambda o: S.LambdaLR(o, [lambda t: 1]), ValueError, "Expected 2 lr_lambdas, but got 1"),
    (lambda o: S.LambdaLR(o, 0.5), TypeError, "lr_lambda should be a function, but got float"),
    (lambda o: S.MultiplicativeLR(o, [max] * 3), ValueError, "Expected 2 lr_lambdas, but got 3"),
    (lambda o: S.MultiplicativeLR(o, [max, None]), TypeError, "lr_lambda should be a function, but got NoneType"),
    (lambda o: S.StepLR(o, 0), ValueError, "step_size is 0"),
    (lambda o: S.ConstantLR(o, 1.5), ValueError, "expected to be between 0 and 1.*1.5"),
    (lambda o: S.ConstantLR(o, -0.5), ValueError, "expected to be between 0 and 1"),
    (lambda o: S.LinearLR(o, 0.0), ValueError, "Starting multiplicative factor.*start_factor=0"),
    (lambda o: S.LinearLR(o, 1.5), ValueError, "Starting multiplicative factor"),
    (lambda o: S.LinearLR(o, 0.5, 1.5), ValueError, "Ending multiplicative factor.*end_factor=1.5"),
    (lambda o: S.LinearLR(o, 0.5, -0.5), ValueError, "Ending multiplicative factor"),
    (lambda o: S.CosineAnnealingLR(o, 0), ValueError, "T_max is 0"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 0), ValueError, "Expected positive integer T_0, but got 0"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 2.5), ValueError, "positive integer T_0"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 2, 0), ValueError, "integer T_mult >= 1, but got 0"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 2, 1.5), ValueError, "integer T_mult >= 1"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 2, eta_min="0"), ValueError, "Expected float or int eta_min"),
    (lambda o: S.CyclicLR(o, [0.1], 0.2), ValueError, "base_lr has 1 values, param_groups has 2"),
    (lambda o: S.CyclicLR(o, 0.1, [0.2] * 3), ValueError, "max_lr must have the same length"),
    (lambda o: S.CyclicLR(o, 0.1, 0.2, 0), ValueError, "step_size_up=0 must be positive"),
    (lambda o: S.CyclicLR(o, 0.1, 0.2, 5, -1), ValueError, "step_size_down=-1 not negative"),
    (lambda o: S.CyclicLR(o, 0.1, 0.2, mode="saw"), ValueError, "mode is invalid and scale_fn is None.*'saw'"),
    (lambda o: S.CyclicLR(o, 0.1, 0.2, max_momentum=[0.9]), ValueError, "max_momentum must have the same length"),
    (lambda o: S.OneCycleLR(o, 0.1), ValueError, "either total_steps OR"),
    (lambda o: S.OneCycleLR(o, 0.1, epochs=3), ValueError, "either total_steps OR"),
    (lambda o: S.OneCycleLR(o, 0.1, total_steps=0), ValueError, "Expected positive integer total_steps, but got 0"),
    (lambda o: S.OneCycleLR(o, 0.1, total_steps=5.0), ValueError, "positive integer total_steps"),
    (lambda o: S.OneCycleLR(o, 0.1, epochs=0, steps_per_epoch=5), ValueError, "positive integer epochs"),
    (lambda o: S.OneCycleLR(o, 0.1, epochs=5, steps_per_epoch=1.5), ValueError, "positive integer steps_per_epoch"),
    (lambda o: S.OneCycleLR(o, 0.1, 5, pct_start=1.5), ValueError, "float between 0 and 1 pct_start, but got 1.5"),
    (lambda o: S.OneCycleLR(o, 0.1, 5, pct_start=1), ValueError, "float between 0 and 1 pct_start"),
    (lambda o: S.OneCycleLR(o, 0.1, 5, anneal_strategy="exp"), ValueError, "one of 'cos' or 'linear', instead got exp"),
    (lambda o: S.OneCycleLR(o, [0.1], 5), ValueError, "max_lr must have the same length"),
    (lambda o: S.OneCycleLR(o, 0.1, 5, base_momentum=[0.8]), ValueError, "base_momentum must have the same length"),
    (lambda o: S.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0"),
    (lambda o: S.ReduceLROnPlateau(o, "low"), ValueError, "mode low is unknown"),
    (lambda o: S.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold mode x is unknown"),
    (lambda o: S.ReduceLROnPlateau(o, min_lr=[0.1]), ValueError, "min_lr has 1 values, param_groups has 2"),
    (lambda o: SWALR(o, [0.1]), ValueError, "swa_lr must have the same length"),
    (lambda o: SWALR(o, 0.1, anneal_strategy="exp"), ValueError, "one of 'cos' or 'linear', instead got exp"),
    (lambda o: SWALR(o, 0.1, -1), ValueError, "anneal_epochs must be equal or greater than 0, got -1"),
    (lambda o: SWALR(o, 0.1, 2.5), ValueError, "anneal_epochs must be equal or greater than 0, got 2.5"),
]


@pytest.mark.parametrize(("make", "error", "words"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_named_and_changes_nothing(make, error, words):
    o = make_optimizer()
    before = options(o)
    with pytest.raises(error, match=words):
        make(o)
    assert before == options(o)
    assert "step" not in vars(o)


@pytest.mark.parametrize("make", [*PLAIN.values(), S.LRScheduler], ids=[*PLAIN, "LRScheduler"])
def test_what_is_no_optimizer_is_refused_by_name(make):
    with pytest.raises(TypeError, match=r"list is not an Optimizer; .* takes the optimizer whose lr it is to set"):
        make([rg.ones(1, requires_grad=True)])


def test_momentum_is_cycled_only_where_there_is_some():
    class Plain(rg.optim.Optimizer):
        def step(self, closure=None):
            return None

    for make in (S.CyclicLR, S.OneCycleLR):
        o = Plain([rg.ones(1, requires_grad=True)], {"lr": 0.1})
        arguments = dict(total_steps=5, max_lr=1.0) if make is S.OneCycleLR else dict(base_lr=0.5, max_lr=1.0)
        with pytest.raises(ValueError, match=r"must support momentum or beta1.*Plain has neither.*pass cycle_mom"):
            make(o, **arguments)
        assert 0.1 == o.param_groups[0]["lr"]
        step(o, make(o, cycle_momentum=False, **arguments))
        assert {"momentum", "betas"}.isdisjoint(o.param_groups[0])


def test_a_cycle_stepped_past_its_end_says_so_and_stays_where_it_is():
    o = make_optimizer()
    scheduler = S.OneCycleLR(o, 1.0, epochs=2, steps_per_epoch=3)
    follow(o, scheduler, 6)
    before = options(o), scheduler.state_dict()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"Tried to step 7 times.* total steps is 6.*epochs \* len\(loader\)"):
            scheduler.step()
        assert before == (options(o), scheduler.state_dict())


def test_a_sequence_whose_part_fails_stays_where_it_is():
    o = make_optimizer()
    scheduler = S.SequentialLR(o, [S.OneCycleLR(o, 1.0, total_steps=2), S.StepLR(o, 3)], milestones=[9])
    follow(o, scheduler, 2)
    for _ in range(2):
        with pytest.raises(ValueError, match="Tried to step 3 times"):
            scheduler.step()
        assert 2 == scheduler.last_epoch


def test_a_zero_factor_cannot_be_undone():
    o = make_optimizer()
    scheduler = S.ConstantLR(o, 0.0, total_iters=2)
    step(o, scheduler)
    assert [0.0, 0.0] == scheduler.get_last_lr()
    with pytest.raises(ZeroDivisionError, match="LambdaLR"):
        scheduler.step()


def test_a_group_added_to_a_schedule_of_the_old_ones_is_named():
    for make in (lambda o: S.LambdaLR(o, lambda t: 0.5), lambda o: S.CyclicLR(o, 0.1, 0.2)):
        o = make_optimizer()
        scheduler = make(o)
        o.step()
        o.add_param_group({"params": [rg.ones(1, requires_grad=True)]})
        before = options(o)
        with pytest.raises(ValueError, match="2 learning rates for 3 param_groups; make the scheduler after"):
            scheduler.step()
        assert (before, 0) == (options(o), scheduler.last_epoch)


def test_a_group_added_to_a_schedule_that_multiplies_takes_part():
    o = make_optimizer()
    scheduler = S.ExponentialLR(o, 0.5)
    o.add_param_group({"params": [rg.ones(1, requires_grad=True)], "lr": 8.0})
    step(o, scheduler)
    assert [0.05, 0.025, 4.0] == scheduler.get_last_lr()


def test_a_plateau_without_a_metric_asks_for_one():
    scheduler = S.ReduceLROnPlateau(make_optimizer())
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'metrics'.*step\(val_loss\)"):
        scheduler.step()
    assert 0 == scheduler.last_epoch


def test_the_public_names_are_the_schedules():
    made = {type(make(make_optimizer())).__name__ for make in SCHEDULES.values()}
    assert set(S.__all__) == made - {"SWALR"} | {"LRScheduler"}
    assert S._LRScheduler is S.LRScheduler


def test_a_run_in_the_usual_order_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for make in SCHEDULES.values():
            o = make_optimizer()
            follow(o, make(o), 3)
