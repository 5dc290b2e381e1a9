"""Normalization layers: statistics that run, what is trained, what is stored, what is refused; the lazy ones."""

import copy
import pickle

import numpy as np
import pytest

import regrad as rg

nn = rg.nn
BATCH = [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d]
INSTANCE = [nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d]
LAZY_BATCH = [nn.LazyBatchNorm1d, nn.LazyBatchNorm2d, nn.LazyBatchNorm3d]
LAZY_INSTANCE = [nn.LazyInstanceNorm1d, nn.LazyInstanceNorm2d, nn.LazyInstanceNorm3d]
SHAPES = [(4, 3, 5), (4, 3, 2, 5), (4, 3, 2, 2, 3)]


def noise(*shape, seed=0):
    return rg.tensor(np.random.default_rng(seed).standard_normal(shape))


def turned(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def lined(a, x):
    return a.detach().numpy().reshape(-1, *[1] * (x.ndim - 2))


def others(x):
    return (0, *range(2, x.ndim))


REPRS = {
    "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)":
        lambda: nn.BatchNorm2d(3),
    "BatchNorm1d(3, eps=0.1, momentum=None, affine=True, bias=False, track_running_stats=False)":
        lambda: nn.BatchNorm1d(3, 0.1, None, True, False, bias=False),
    "SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=True)":
        lambda: nn.SyncBatchNorm(3, affine=False),
    "InstanceNorm3d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)":
        lambda: nn.InstanceNorm3d(3),
    "LazyBatchNorm1d(0, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)":
        lambda: nn.LazyBatchNorm1d(),
    "LazyInstanceNorm2d(0, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=True)":
        lambda: nn.LazyInstanceNorm2d(affine=False),
    "LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias=False)": lambda: nn.LayerNorm([3, 4], bias=False),
    "LayerNorm((3,), eps=1e-05, elementwise_affine=False, bias=False)": lambda: nn.LayerNorm(3, 1e-5, False),
    "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)": lambda: nn.GroupNorm(2, 4),
    "RMSNorm((3,), eps=None, elementwise_affine=True)": lambda: nn.RMSNorm(3),
    "LocalResponseNorm(2, alpha=0.0001, beta=0.75, k=1.0)": lambda: nn.LocalResponseNorm(2),
    "CrossMapLRN2d(3, alpha=0.0001, beta=0.75, k=1)": lambda: nn.CrossMapLRN2d(3),
}  # fmt: skip


@pytest.mark.parametrize(("text", "make"), REPRS.items())
def test_a_layer_prints_its_arguments(text, make):
    assert text == repr(make())


KEYS = [
    ("weight bias running_mean running_var num_batches_tracked", lambda: nn.BatchNorm1d(3)),
    ("weight running_mean running_var num_batches_tracked", lambda: nn.BatchNorm1d(3, bias=False)),
    ("running_mean running_var num_batches_tracked", lambda: nn.BatchNorm1d(3, affine=False)),
    ("weight bias", lambda: nn.BatchNorm1d(3, track_running_stats=False)),
    ("weight bias", lambda: nn.LayerNorm(3)),
    ("weight", lambda: nn.GroupNorm(1, 3, bias=False)),
    ("weight", lambda: nn.RMSNorm(3)),
    ("", lambda: nn.InstanceNorm1d(3)),
]


@pytest.mark.parametrize(("keys", "make"), KEYS)
def test_the_state_holds_what_the_arguments_ask_for(keys, make):
    assert keys.split() == list(make().state_dict())


# -- batch norm


@pytest.mark.parametrize(
    ("cls", "shape"), [*zip(BATCH, SHAPES), (nn.BatchNorm1d, (4, 3)), (nn.SyncBatchNorm, (4, 3, 2))]
)
def test_training_uses_the_batch_and_evaluation_the_running_statistics(cls, shape):
    norm = cls(3, momentum=0.25, dtype=rg.float64)
    with rg.no_grad():
        norm.weight.copy_(noise(3, seed=1))
        norm.bias.copy_(noise(3, seed=2))
    mean, var = np.zeros(3), np.ones(3)
    for step in range(3):
        x = noise(*shape, seed=10 + step)
        data = x.numpy()
        mean = 0.75 * mean + 0.25 * data.mean(others(data))
        var = 0.75 * var + 0.25 * data.var(others(data), ddof=1)
        out = turned(data, others(data)) * lined(norm.weight, x) + lined(norm.bias, x)
        np.testing.assert_allclose(norm(x).detach().numpy(), out)
        np.testing.assert_allclose(norm.running_mean.numpy(), mean)
        np.testing.assert_allclose(norm.running_var.numpy(), var)
        assert step + 1 == norm.num_batches_tracked.item()
    norm.eval()
    out = (data - lined(norm.running_mean, x)) / np.sqrt(lined(norm.running_var, x) + norm.eps)
    np.testing.assert_allclose(norm(x).detach().numpy(), out * lined(norm.weight, x) + lined(norm.bias, x))
    assert 3 == norm.num_batches_tracked.item()


def test_without_momentum_the_statistics_are_the_average_of_all_batches():
    norm, seen = nn.BatchNorm1d(2, momentum=None, dtype=rg.float64), []
    for step in range(4):
        x = noise(5, 2, seed=step)
        seen.append(x.numpy().mean(0))
        norm(x)
        np.testing.assert_allclose(norm.running_mean.numpy(), np.mean(seen, 0))


def test_without_running_statistics_the_batch_is_used_in_evaluation_too():
    norm, x = nn.BatchNorm1d(3, affine=False, track_running_stats=False).eval(), noise(4, 3)
    np.testing.assert_allclose(norm(x).numpy(), turned(x.numpy(), (0,)))
    assert norm.running_mean is norm.running_var is norm.num_batches_tracked is None


def test_tracking_that_is_switched_off_leaves_the_statistics_alone():
    norm, x = nn.BatchNorm1d(3, affine=False, dtype=rg.float64), noise(4, 3)
    norm.track_running_stats = False
    np.testing.assert_allclose(norm(x).numpy(), turned(x.numpy(), (0,)))
    assert ([0.0] * 3, 0) == (norm.running_mean.tolist(), norm.num_batches_tracked.item())


def test_running_statistics_may_be_frozen_while_training_goes_on():
    norm, x = nn.BatchNorm1d(3, dtype=rg.float64).eval(), noise(4, 3)
    norm(x).sum().backward()
    np.testing.assert_allclose(norm.weight.grad.numpy(), x.numpy().sum(0) / np.sqrt(1 + 1e-5))
    assert ([0.0] * 3, 0) == (norm.running_mean.tolist(), norm.num_batches_tracked.item())


def test_a_training_step_after_evaluation_is_noticed_by_the_backward_of_the_latter():
    norm, x = nn.BatchNorm1d(3, dtype=rg.float64).eval(), noise(4, 3).requires_grad_()
    out = norm(x)
    norm.train()(x)
    with pytest.raises(rg.SavedModifiedError):
        out.sum().backward()


UNFIT = [
    (nn.BatchNorm2d, (2, 3, 4), ValueError, r"BatchNorm2d: expected 4D input \(got 3D input\)"),
    (nn.BatchNorm1d, (3,), ValueError, r"BatchNorm1d: expected 2D or 3D input \(got 1D input\)"),
    (nn.SyncBatchNorm, (3,), ValueError, r"SyncBatchNorm: expected at least 2D input \(got 1D input\)"),
    (nn.BatchNorm2d, (2, 4, 3, 3), RuntimeError, r"running_mean should contain 4 elements"),
    (nn.BatchNorm1d, (1, 3), ValueError, r"more than 1 value per channel"),
    (nn.BatchNorm3d, (1, 3, 1, 1, 1), ValueError, r"more than 1 value per channel"),
]


@pytest.mark.parametrize(("cls", "shape", "error", "words"), UNFIT)
def test_an_input_that_does_not_fit_is_refused_before_anything_has_changed(cls, shape, error, words):
    norm = cls(3)
    before = copy.deepcopy(norm.state_dict())
    with pytest.raises(error, match=words):
        norm(rg.ones(shape))
    assert {k: v.tolist() for k, v in before.items()} == {k: v.tolist() for k, v in norm.state_dict().items()}


def test_an_empty_batch_counts_but_teaches_nothing():
    norm = nn.BatchNorm1d(3)
    assert (0, 3) == norm(rg.ones(0, 3)).shape
    assert ([0] * 3, [1] * 3, 1) == (norm.running_mean.tolist(), norm.running_var.tolist(), norm.num_batches_tracked)


def test_resetting_forgets_statistics_and_what_was_learned():
    norm = nn.BatchNorm1d(2)
    norm(noise(4, 2).float())
    with rg.no_grad():
        norm.weight.fill_(3)
    norm.reset_running_stats()
    assert ([0, 0], [1, 1], 0) == (norm.running_mean.tolist(), norm.running_var.tolist(), int(norm.num_batches_tracked))
    assert [3, 3] == norm.weight.tolist()
    norm.reset_parameters()
    assert ([1, 1], [0, 0]) == (norm.weight.tolist(), norm.bias.tolist())


def test_a_state_from_before_batches_were_counted_can_be_loaded():
    saved, norm = nn.Sequential(nn.BatchNorm1d(2)), nn.Sequential(nn.BatchNorm1d(2))
    norm[0].num_batches_tracked.add_(5)
    state = dict(saved.state_dict())
    del state["0.num_batches_tracked"]
    norm.load_state_dict(state)
    assert 5 == norm[0].num_batches_tracked.item()
    state = saved.state_dict()  # this one says that it is new
    del state["0.num_batches_tracked"]
    with pytest.raises(RuntimeError, match="Missing key"):
        norm.load_state_dict(state)


def test_converting_to_sync_batch_norm_keeps_tensors_and_modes():
    inner = nn.Sequential(nn.BatchNorm1d(3, 0.1, None, False))
    net = nn.Sequential(nn.BatchNorm2d(2), inner, nn.Conv1d(1, 1, 1)).eval()
    first, keys = net[0], list(net.state_dict())
    made = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert made is net
    assert [nn.SyncBatchNorm, nn.SyncBatchNorm, nn.Conv1d] == [type(m) for m in (net[0], inner[0], net[2])]
    assert net[0].weight is first.weight
    assert net[0].running_mean is first.running_mean
    assert not net[0].training
    assert keys == list(net.state_dict())
    assert repr(nn.SyncBatchNorm(3, 0.1, None, False)) == repr(inner[0])


# -- instance norm


@pytest.mark.parametrize(("cls", "shape"), [*zip(INSTANCE, SHAPES)])
def test_each_channel_of_each_sample_is_normalized_by_itself(cls, shape):
    norm, x = cls(3, affine=True, dtype=rg.float64), noise(*shape)
    with rg.no_grad():
        norm.weight.copy_(noise(3, seed=1))
    out = turned(x.numpy(), tuple(range(2, x.ndim))) * lined(norm.weight, x)
    np.testing.assert_allclose(norm(x).detach().numpy(), out, atol=1e-12)
    np.testing.assert_allclose(norm(x[1]).detach().numpy(), out[1], atol=1e-12)


def test_instance_norm_can_keep_statistics_for_evaluation():
    norm, x = nn.InstanceNorm1d(3, momentum=1.0, track_running_stats=True, dtype=rg.float64), noise(4, 3, 5)
    norm(x)
    np.testing.assert_allclose(norm.running_var.numpy(), x.numpy().var(2, ddof=1).mean(0))
    out = (x.numpy() - lined(norm.running_mean, x)) / np.sqrt(lined(norm.running_var, x) + 1e-5)
    np.testing.assert_allclose(norm.eval()(x).numpy(), out)


def test_instance_norm_minds_the_channels_only_where_it_has_numbers_for_them():
    with pytest.raises(ValueError, match=r"size at dim=1 to match num_features \(3\), but got: 4"):
        nn.InstanceNorm1d(3, affine=True)(rg.ones(2, 4, 5))
    with pytest.raises(RuntimeError, match=r"running_mean should contain 4 elements"):
        nn.InstanceNorm1d(3, track_running_stats=True)(rg.ones(2, 4, 5))
    with pytest.warns(UserWarning, match=r"size at dim=0 to match num_features \(3\), but got: 4"):
        nn.InstanceNorm1d(3)(rg.ones(4, 5))
    with pytest.raises(ValueError, match=r"InstanceNorm2d: expected 3D or 4D input \(got 2D input\)"):
        nn.InstanceNorm2d(3)(rg.ones(3, 5))


def test_statistics_that_instance_norm_would_not_use_are_refused():
    state = {**nn.InstanceNorm1d(2, affine=True).state_dict(), "running_mean": rg.zeros(2)}
    with pytest.raises(RuntimeError) as caught:
        nn.InstanceNorm1d(2, affine=True).load_state_dict(state)
    assert "'running_mean' for InstanceNorm1d with track_running_stats=False. Remove" in str(caught.value)
    assert "Unexpected key" not in str(caught.value)


# -- lazy


EAGER_AND_LAZY = [*zip(BATCH + INSTANCE, LAZY_BATCH + LAZY_INSTANCE, SHAPES + SHAPES)]
ASKED = [{}, {"affine": False}, {"bias": False}, {"track_running_stats": False},
         {"affine": False, "track_running_stats": False}]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(("eager", "lazy", "shape"), EAGER_AND_LAZY)
def test_a_lazy_norm_becomes_the_eager_one_at_its_first_call(eager, lazy, shape, asked):
    asked = {"affine": True, "track_running_stats": True, **asked}
    norm, twin, x = lazy(dtype=rg.float64, **asked), eager(3, dtype=rg.float64, **asked), noise(*shape)
    assert twin(x).tolist() == norm(x).tolist()
    assert (eager, repr(twin)) == (type(norm), repr(norm))
    mine, wanted = norm.state_dict(), twin.state_dict()
    assert {k: v.tolist() for k, v in wanted.items()} == {k: v.tolist() for k, v in mine.items()}


def test_a_lazy_norm_takes_its_shape_from_a_state_dict_and_keeps_the_values():
    saved = nn.BatchNorm1d(3)
    saved(noise(4, 3).float())
    for twin in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        norm = twin(nn.LazyBatchNorm1d())
        norm.load_state_dict(saved.state_dict())
        assert saved.running_mean.tolist() == norm.running_mean.tolist()
        norm.eval()(rg.ones(2, 3))
        assert (saved.running_mean.tolist(), repr(saved)) == (norm.running_mean.tolist(), repr(norm))


def test_a_lazy_norm_counts_the_channels_of_one_sample_too():
    norm = nn.LazyInstanceNorm1d()
    norm(rg.ones(3, 5))
    assert 3 == norm.num_features


def test_a_lazy_norm_refuses_an_input_of_other_dimensions_and_stays_lazy():
    norm = nn.LazyBatchNorm2d()
    with pytest.raises(ValueError, match=r"LazyBatchNorm2d: expected 4D input \(got 2D input\)"):
        norm(rg.ones(3, 5))
    norm.reset_parameters()
    assert norm.has_uninitialized_params()


# -- norms of each sample


def test_layer_norm_takes_the_last_dimensions():
    norm, x = nn.LayerNorm((3, 4), dtype=rg.float64), noise(2, 3, 4)
    with rg.no_grad():
        norm.weight.copy_(noise(3, 4, seed=1))
        norm.bias.copy_(noise(3, 4, seed=2))
    out = turned(x.numpy(), (1, 2)) * norm.weight.detach().numpy() + norm.bias.detach().numpy()
    np.testing.assert_allclose(norm(x).detach().numpy(), out)
    assert (3,) == nn.LayerNorm(np.int64(3)).normalized_shape


def test_group_norm_takes_groups_of_channels():
    norm, x = nn.GroupNorm(2, 4, dtype=rg.float64), noise(2, 4, 3)
    with rg.no_grad():
        norm.weight.copy_(noise(4, seed=1))
    out = turned(x.numpy().reshape(2, 2, 6), (2,)).reshape(2, 4, 3) * lined(norm.weight, x)
    np.testing.assert_allclose(norm(x).detach().numpy(), out)


@pytest.mark.parametrize("groups", [3, 0, -1])
def test_groups_must_divide_the_channels(groups):
    with pytest.raises(ValueError, match=rf"num_channels \(4\) must be divisible by num_groups \({groups}\)"):
        nn.GroupNorm(groups, 4)


def test_rms_norm_divides_by_the_root_of_the_mean_square():
    norm, x = nn.RMSNorm(4, eps=0.1, dtype=rg.float64), noise(2, 4)
    with rg.no_grad():
        norm.weight.copy_(noise(4, seed=1))
    out = x.numpy() / np.sqrt((x.numpy() ** 2).mean(1, keepdims=True) + 0.1) * norm.weight.detach().numpy()
    np.testing.assert_allclose(norm(x).detach().numpy(), out)
    norm.reset_parameters()
    assert [1.0] * 4 == norm.weight.tolist()


@pytest.mark.parametrize(
    ("layer", "before", "after"),
    [
        (nn.LocalResponseNorm(4, 0.5, 0.75, 2.0), 2, 1),
        (nn.CrossMapLRN2d(4, 0.5, 0.75, 2.0), 1, 1),
        (nn.CrossMapLRN2d(5, 0.5, 0.75, 2.0), 2, 2),
    ],
)
def test_a_response_is_divided_by_those_of_its_neighbours(layer, before, after):
    x = noise(2, 6, 2, 2).numpy()
    near = np.stack([(x[:, max(c - before, 0) : c + after + 1] ** 2).sum(1) for c in range(6)], axis=1)
    np.testing.assert_allclose(layer(rg.tensor(x)).numpy(), x / (2 + 0.5 * near / layer.size) ** 0.75)


def test_cross_map_norm_is_for_images():
    with pytest.raises(ValueError, match="Expected input to be 4D, got 3D instead"):
        nn.CrossMapLRN2d(3)(rg.ones(2, 3, 4))
