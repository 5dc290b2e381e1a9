"""Averaged models against NumPy means; batch statistics measured anew. `SWALR` is tested with the schedules."""

import copy
import pickle

import numpy as np
import pytest

import regrad as rg
from regrad.optim.swa_utils import (
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)

STEPS = 5


def make_model():
    return rg.nn.Sequential(rg.nn.Linear(2, 3), rg.nn.BatchNorm1d(3))


def train(model, rng):
    """One step of a training that changes everything: parameters, statistics, the count of batches."""
    model(rg.tensor(rng.normal(size=(8, 2)).astype(np.float32)))
    for p in model.parameters():
        p.data = rg.tensor(rng.normal(size=p.shape).astype(np.float32))


def arrays(model):
    return {name: np.array(x.detach().numpy()) for name, x in model.state_dict().items()}


def run(averaged, model, steps=STEPS):
    """Update ``averaged`` after each step of a training; what the model was like at each."""
    rng, history = np.random.default_rng(0), []
    for _ in range(steps):
        train(model, rng)
        averaged.update_parameters(model)
        history.append(arrays(model))
    return history


def mean(values):
    return np.mean(values, axis=0)


def exponential(values):
    """0.75 of the average so far and 0.25 of the new value, from the first value on."""
    weights = [0.75 ** (len(values) - 1)] + [0.25 * 0.75 ** (len(values) - 1 - i) for i in range(1, len(values))]
    return np.tensordot(weights, values, axes=1)


AVERAGES = [
    ({}, mean),
    ({"avg_fn": get_swa_avg_fn()}, mean),
    ({"multi_avg_fn": get_swa_multi_avg_fn()}, mean),
    ({"avg_fn": get_ema_avg_fn(0.75)}, exponential),
    ({"multi_avg_fn": get_ema_multi_avg_fn(0.75)}, exponential),
    ({"avg_fn": lambda average, now, n: 0.75 * average + 0.25 * now}, exponential),
]


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize(("options", "average"), AVERAGES, ids=range(len(AVERAGES)))
def test_the_parameters_are_the_average_of_all_that_were_shown(options, average, use_buffers):
    model = make_model()
    averaged = AveragedModel(model, use_buffers=use_buffers, **options)
    history = run(averaged, model)
    parameters = {name for name, _ in model.named_parameters()}
    for name, got in arrays(averaged.module).items():
        values = [state[name] for state in history]
        if name in parameters or (use_buffers and got.dtype.kind == "f"):
            np.testing.assert_allclose(got, average(values), rtol=1e-5, atol=1e-6)
            assert np.float32 == got.dtype
        elif use_buffers:  # num_batches_tracked: an average cut to an integer at each update
            assert values[0] <= got < values[-1]
        else:
            np.testing.assert_array_equal(got, values[-1])
    assert STEPS == averaged.n_averaged.item()


def test_the_first_update_copies():
    model = make_model()
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn())
    (state,) = run(averaged, model, steps=1)
    for name, got in arrays(averaged.module).items():
        np.testing.assert_array_equal(got, state[name])


def test_lists_for_a_multi_avg_fn_have_one_dtype_and_share_no_graph():
    model = rg.nn.ParameterList([rg.ones(2, dtype=dtype) for dtype in (rg.float32, rg.float64, rg.float32)])
    seen = []

    def note(averages, current, n):
        seen.append(([p.dtype for p in averages], [p.dtype for p in current], n.item()))
        assert not any(p.requires_grad for p in [*averages, *current])

    averaged = AveragedModel(model, multi_avg_fn=note)
    averaged.update_parameters(model)
    assert [] == seen
    averaged.update_parameters(model)
    assert [([rg.float32] * 2, [rg.float32] * 2, 1), ([rg.float64], [rg.float64], 1)] == seen


def test_the_copy_is_apart_from_the_model_and_computes_like_it():
    model = make_model().eval()
    averaged = AveragedModel(model)
    x = rg.ones(4, 2)
    assert model(x).tolist() == averaged(x).tolist()
    model[0].weight.data.zero_()
    assert model(x).tolist() != averaged(x).tolist()
    assert all(p.is_leaf and p.requires_grad for p in averaged.parameters())


def test_an_average_that_a_graph_has_saved_is_not_changed_in_silence():
    model = rg.nn.Linear(2, 2)
    averaged = AveragedModel(model)
    x = rg.ones(1, 2, requires_grad=True)
    loss = averaged(x).sum()
    averaged.update_parameters(model)
    with pytest.raises(rg.SavedModifiedError):
        loss.backward()


def test_an_average_is_saved_and_resumed_exactly():
    model = make_model()
    averaged = AveragedModel(model)
    keys = {"n_averaged", *(f"module.{name}" for name in model.state_dict())}
    assert keys == set(averaged.state_dict())
    run(averaged, model, steps=3)
    saved = pickle.loads(pickle.dumps(averaged.state_dict()))
    resumed = AveragedModel(make_model())
    resumed.load_state_dict(saved)
    for each in (averaged, resumed):
        run(each, copy.deepcopy(model), steps=2)
    assert all((a == b).all() for a, b in zip(arrays(averaged).values(), arrays(resumed).values()))


def test_integers_are_averaged_to_integers():
    for average in (get_swa_multi_avg_fn(), get_ema_multi_avg_fn(0.5)):
        counts = [rg.tensor([1, 5])]
        average(counts, [rg.tensor([2, 9])], 1)
        assert ([[1, 7]], rg.int64) == ([c.tolist() for c in counts], counts[0].dtype)


def test_averaging_records_nothing():
    a, b = rg.ones(2, requires_grad=True), rg.ones(2, requires_grad=True)
    for average in (get_swa_avg_fn(), get_ema_avg_fn()):
        assert not average(a, b, 1).requires_grad
    for average in (get_swa_multi_avg_fn(), get_ema_multi_avg_fn()):
        average([a], [b], 1)
        assert a.is_leaf


def test_a_model_of_another_make_is_refused_and_nothing_changes():
    averaged = AveragedModel(rg.nn.Linear(2, 3))
    before = arrays(averaged)
    for other in (rg.nn.Linear(2, 4), rg.nn.Linear(2, 3, bias=False), make_model()):
        with pytest.raises(ValueError, match=r"takes a model with the parameters of the one.*\[\(3, 2\), \(3,\)\]"):
            averaged.update_parameters(other)
        for name, array in arrays(averaged).items():
            np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: get_ema_avg_fn(-0.1), ValueError, "Invalid decay value -0.1"),
        (lambda: get_ema_multi_avg_fn(1.1), ValueError, "Invalid decay value 1.1"),
        (
            lambda: AveragedModel(make_model(), avg_fn=get_swa_avg_fn(), multi_avg_fn=get_swa_multi_avg_fn()),
            AssertionError,
            "Only one of avg_fn and multi_avg_fn",
        ),
        (lambda: AveragedModel(make_model(), device="cuda"), RuntimeError, "computes on the CPU only"),
        (lambda: update_bn([rg.ones(2, 2)], make_model(), device="cuda"), RuntimeError, "computes on the CPU only"),
    ],
)
def test_a_mistake_is_named(make, error, words):
    with pytest.raises(error, match=words):
        make()


# -- update_bn


def batches(pair):
    rng = np.random.default_rng(1)
    xs = [rng.normal(loc=i, size=(6, 2)).astype(np.float32) for i in range(4)]
    return xs, [pair(rg.tensor(x)) for x in xs]


@pytest.mark.parametrize("pair", [lambda x: x, lambda x: (x, "label"), lambda x: [x]])
def test_statistics_are_the_plain_mean_over_the_batches(pair):
    model = make_model()
    run(AveragedModel(model), model)  # statistics from before, which are to be forgotten
    xs, loader = batches(pair)
    update_bn(iter(loader), model, device="cpu")
    weight, bias = (p.detach().numpy() for p in model[0].parameters())
    hidden = [x @ weight.T + bias for x in xs]
    np.testing.assert_allclose(model[1].running_mean.numpy(), mean([h.mean(0) for h in hidden]), rtol=1e-4)
    np.testing.assert_allclose(model[1].running_var.numpy(), mean([h.var(0, ddof=1) for h in hidden]), rtol=1e-4)
    assert 4 == model[1].num_batches_tracked.item()
    assert 0.1 == model[1].momentum
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("training", [False, True])
def test_mode_and_momentum_are_put_back_even_if_a_batch_fails(training):
    model = make_model().train(training)
    model[1].momentum = 0.3
    _, loader = batches(lambda x: x)
    update_bn(loader, model)
    assert (training, 0.3) == (model[1].training, model[1].momentum)
    with pytest.raises(RuntimeError):
        update_bn([*loader, rg.ones(2, 5)], model)
    assert (training, 0.3) == (model[1].training, model[1].momentum)


def test_an_empty_loader_is_refused_before_the_statistics_are_lost():
    model = make_model()
    _, loader = batches(lambda x: x)
    update_bn(loader, model)
    before = arrays(model)
    spent = iter(loader)
    list(spent)
    with pytest.raises(ValueError, match="got no batch from the loader"):
        update_bn(spent, model)
    for name, array in arrays(model).items():
        np.testing.assert_array_equal(array, before[name])


def test_a_model_without_batch_norm_runs_on_nothing():
    loader = iter([rg.ones(1)])
    update_bn(loader, rg.nn.Sequential(rg.nn.Linear(2, 2), rg.nn.InstanceNorm1d(2, track_running_stats=True)))
    assert 1 == len(list(loader))
