"""Norms by their public names: running statistics, what is saved, statistics as results, refusals."""

import math

import numpy as np
import pytest

import regrad as rg

F = rg.nn.functional


def leaf(*shape, seed=0):
    return rg.tensor(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


def test_running_statistics_move_in_place_and_by_the_unbiased_variance():
    x, mean, var = leaf(4, 2, 3), rg.zeros(2, dtype=rg.float64), rg.ones(2, dtype=rg.float64)
    version = mean._version
    F.batch_norm(x, mean, var, training=True, momentum=0.25)
    data = x.detach().numpy()
    np.testing.assert_allclose(mean.numpy(), 0.25 * data.mean(axis=(0, 2)))
    np.testing.assert_allclose(var.numpy(), 0.75 + 0.25 * data.var(axis=(0, 2), ddof=1))
    assert version + 1 == mean._version


def test_a_training_step_between_evaluation_and_its_backward_is_noticed():
    x, mean, var = leaf(4, 2), rg.zeros(2, dtype=rg.float64), rg.ones(2, dtype=rg.float64)
    out = F.batch_norm(x, mean, var)
    F.batch_norm(x, mean, var, training=True)
    with pytest.raises(rg.SavedModifiedError):
        out.sum().backward()


def test_frozen_evaluation_saves_no_array_of_the_inputs_size():
    x, mean, var = leaf(8, 2, 5), rg.zeros(2, dtype=rg.float64), rg.ones(2, dtype=rg.float64)
    out = F.batch_norm(x, mean, var, rg.ones(2, dtype=rg.float64), rg.zeros(2, dtype=rg.float64))
    assert 2 >= max(saved.numel() for saved in out.grad_fn.saved_tensors)
    bare = F.batch_norm(x, mean, var)
    assert 1 == len(bare.grad_fn.saved_tensors)


@pytest.mark.parametrize("training", [True, False])
def test_an_empty_batch_is_passed_through_and_teaches_nothing(training):
    x, w, mean, var = rg.zeros(0, 3), rg.ones(3).requires_grad_(), rg.zeros(3), rg.ones(3)
    out = F.batch_norm(x, mean, var, w, training=training)
    out.sum().backward()
    assert ((0, 3), [0.0] * 3, [0.0] * 3) == (out.shape, w.grad.tolist(), mean.tolist())


def test_instance_norm_is_group_norm_with_a_group_for_each_channel():
    x, w, b = leaf(2, 3, 4), leaf(3), leaf(3)
    assert F.group_norm(x, 3, w, b).tolist() == F.instance_norm(x, None, None, w, b).tolist()


def test_instance_norm_keeps_the_mean_of_the_samples_statistics():
    x, mean, var = leaf(2, 3, 4), rg.zeros(3, dtype=rg.float64), rg.ones(3, dtype=rg.float64)
    F.instance_norm(x, mean, var, momentum=1.0)
    data = x.detach().numpy()
    np.testing.assert_allclose(mean.numpy(), data.mean(axis=(0, 2)))
    np.testing.assert_allclose(var.numpy(), data.var(axis=2, ddof=1).mean(axis=0))
    used = F.instance_norm(x, mean, var, use_input_stats=False, eps=0.0).detach().numpy()
    np.testing.assert_allclose(used, (data - mean.numpy()[:, None]) / np.sqrt(var.numpy()[:, None]))


def test_a_group_norm_also_gives_its_statistics_with_their_gradients():
    x = leaf(2, 4, 3)
    _, mean, rstd = rg.native_group_norm(x, None, None, 2, 4, 3, 2, 0.1)
    (g,) = rg.autograd.grad((mean * 2).sum() + rstd.sum() * 0, x)
    np.testing.assert_allclose(g.numpy(), np.full((2, 4, 3), 2 / 6))


@pytest.mark.parametrize("norm", [
    lambda x: rg.native_layer_norm(x, (3,), None, None, 0.1),
    lambda x: rg.native_batch_norm(x, None, None, None, None, True, 0.1, 0.1),
])  # fmt: skip
def test_other_norms_give_theirs_without(norm):
    assert [True, False, False] == [t.requires_grad for t in norm(leaf(4, 3))]


@pytest.mark.parametrize("norm", [
    lambda x: rg.layer_norm(x, (3,)), lambda x: rg.rms_norm(x, (3,)), lambda x: rg.group_norm(x, 1),
    lambda x: F.batch_norm(x, None, None, training=True), lambda x: F.normalize(x),
    lambda x: rg.layer_norm(x, (3,), x[0], x[0]),
])  # fmt: skip
def test_norms_are_differentiable_twice(norm):
    assert rg.autograd.gradgradcheck(norm, leaf(4, 3))


def test_half_precision_is_normalized_in_single():
    x = rg.tensor(np.array([[60000.0, 60000.0, -60000.0]], "f2"))
    assert rg.float16 is rg.layer_norm(x, (3,)).dtype
    assert [1.0, 1.0, -1.0] == rg.rms_norm(x, (3,)).tolist()[0]


def test_neighbouring_channels_count_in_local_response_norm():
    x = rg.tensor([[[1.0], [2.0], [3.0]]])
    out = F.local_response_norm(x, 3, alpha=3.0, beta=1.0, k=0.0)
    assert [1 / 5, 2 / 14, 3 / 13] == pytest.approx(out.reshape(3).tolist())
    assert (0, 3, 1) == F.local_response_norm(rg.zeros(0, 3, 1), 3).shape


@pytest.mark.parametrize("size", [200, 300])
def test_rows_of_any_length_are_normalized_and_pulled_back(size):
    x, w, s = leaf(3, size), leaf(size, seed=1), leaf(3, size, seed=2).detach()
    out = rg.layer_norm(x, (size,), w, eps=0.0)
    out.backward(s)
    data, u = x.detach().numpy(), s.numpy() * w.detach().numpy()
    std = data.std(axis=1, keepdims=True)
    y = (data - data.mean(axis=1, keepdims=True)) / std
    want = (u - u.mean(axis=1, keepdims=True) - y * (u * y).mean(axis=1, keepdims=True)) / std
    np.testing.assert_allclose(out.detach().numpy(), y * w.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), want, atol=1e-12)


def test_a_zero_vector_is_normalized_to_zero():
    out = F.normalize(rg.tensor([[0.0, 0.0], [3.0, 4.0]]))
    assert [0.0, 0.0, 0.6, 0.8] == pytest.approx(out.reshape(4).tolist())


@pytest.mark.parametrize(("call", "raises", "said"), [
    (lambda: rg.layer_norm(rg.ones(2, 3), (2,)), RuntimeError,
     "expected input with shape [*, 2], but got input of size [2, 3]"),
    (lambda: rg.layer_norm(rg.ones(2, 3), (3,), rg.ones(2)), RuntimeError, "Expected weight to be of same shape"),
    (lambda: rg.rms_norm(rg.ones(2, 3), ()), RuntimeError, "Expected normalized_shape to be at least 1-dimensional"),
    (lambda: rg.group_norm(rg.ones(2, 3), 2), RuntimeError, "divisible by num_groups"),
    (lambda: rg.group_norm(rg.ones(3), 1), RuntimeError, "Expected at least 2 dimensions"),
    (lambda: F.batch_norm(rg.ones(1, 3), None, None, training=True), ValueError,
     "Expected more than 1 value per channel"),
    (lambda: F.batch_norm(rg.ones(2, 3), None, None), RuntimeError, "must be defined in evaluation mode"),
    (lambda: F.batch_norm(rg.ones(2, 3), rg.ones(2), rg.ones(3)), RuntimeError,
     "running_mean should contain 3 elements not 2: the input [2, 3] has 3 channels, in dimension 1"),
    (lambda: F.batch_norm(rg.ones(2, 5, 5, 3), rg.ones(3), rg.ones(3)), RuntimeError,
     "if the channels come last, give input.movedim(-1, 1)"),
    (lambda: F.batch_norm(rg.ones(2, 3), None, None, training=True, eps=0), ValueError,
     "eps must be positive during training"),
    (lambda: F.instance_norm(rg.ones(2, 3, 1)), ValueError, "Expected more than 1 spatial element"),
    (lambda: F.instance_norm(rg.ones(2, 3, 2), use_input_stats=False), RuntimeError, "use_input_stats is false"),
    (lambda: F.local_response_norm(rg.ones(2, 3, 1), 0), RuntimeError, "kernel size should be greater than zero"),
    (lambda: F.local_response_norm(rg.ones(2, 3), 2), ValueError, "Expected 3D or higher dimensionality"),
    (lambda: rg.layer_norm(rg.tensor([[1, 2]]), (2,)), NotImplementedError, "not implemented for regrad.int64"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(call, raises, said):
    with pytest.raises(raises) as caught:
        call()
    assert said in str(caught.value)


NORMS = {
    "layer_norm": lambda x, w: F.layer_norm(x, (2,), w),
    "group_norm": lambda x, w: F.group_norm(x, 1, w),
    "instance_norm": lambda x, w: F.instance_norm(x, weight=w),
    "batch_norm": lambda x, w: F.batch_norm(x, None, None, w, training=True),
    "batch_norm of running statistics": lambda x, w: F.batch_norm(x, w * 0, w, training=True),
}


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_weights_of_another_dtype_are_refused_with_both_remedies(norm):
    with pytest.raises(RuntimeError) as caught:
        norm(rg.ones(3, 2, 2, dtype=rg.float64), rg.ones(2))
    said = "convert the input with .to(regrad.float32), or the layer with .to(regrad.float64)"
    assert said in str(caught.value)
    assert rg.float16 == norm(rg.ones(3, 2, 2, dtype=rg.float16), rg.ones(2)).dtype


def test_nothing_is_learned_from_a_batch_that_is_refused():
    mean, var = rg.zeros(3), rg.ones(3)
    for x in (rg.ones(2, 4), rg.ones(1, 3), rg.ones(2, 3).double(), rg.ones(2, 3).long()):
        with pytest.raises((RuntimeError, ValueError)):
            F.batch_norm(x, mean, var, training=True)
    assert ([0.0] * 3, [1.0] * 3) == (mean.tolist(), var.tolist())


@pytest.mark.parametrize("size", [64, 256, 4000])
def test_large_means_do_not_spoil_single_precision(size):
    x = np.random.default_rng(0).standard_normal((4, size)) + 1000
    got = rg.layer_norm(rg.tensor(x.astype("f4")), (size,)).numpy()
    want = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    assert math.isclose(np.abs(got - want).max(), 0, abs_tol=2e-3)
