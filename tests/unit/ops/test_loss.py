"""Losses by their public names: the old arguments, targets of both kinds, alignments, what is saved, refusals."""

import itertools
import math

import numpy as np
import pytest

import regrad as rg

F = rg.nn.functional


def leaf(*shape, seed=0):
    return rg.tensor(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


def test_the_old_arguments_say_the_reduction_with_a_warning():
    x, y = rg.tensor([1.0, 3.0]), rg.tensor([0.0, 0.0])
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        assert 10.0 == F.mse_loss(x, y, size_average=False).item()
    with pytest.warns(UserWarning, match="please use reduction='none' instead"):
        assert [1.0, 9.0] == F.mse_loss(x, y, reduce=False).tolist()


@pytest.mark.parametrize("fn", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss])
def test_operands_of_two_shapes_are_warned_about(fn):
    with pytest.warns(UserWarning, match="different to the input size"):
        assert 0.0 == fn(rg.ones(2, 3), rg.ones(3)).item()


def test_weights_count_the_elements():
    x, y, w = rg.tensor([1.0, 3.0]), rg.tensor([0.0, 0.0]), rg.tensor([3.0, 1.0])
    assert (3.0, 1.5) == (F.mse_loss(x, y, weight=w).item(), F.l1_loss(x, y, weight=w).item())
    with pytest.raises(ValueError, match="Weights and input must have the same size"):
        F.huber_loss(x, y, weight=rg.ones(1))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_classes_are_probabilities_of_one(reduction, smoothing):
    x, target = leaf(3, 4, 2), rg.tensor([[0, 3], [1, 1], [2, 0]])
    sure = F.one_hot(target, 4).permute(0, 2, 1).to(rg.float64)
    params = {"reduction": reduction, "label_smoothing": smoothing}
    by_class, by_probability = F.cross_entropy(x, target, **params), F.cross_entropy(x, sure, **params)
    np.testing.assert_allclose(by_class.detach().numpy(), by_probability.detach().numpy(), rtol=1e-12)
    ours, theirs = (rg.autograd.grad(loss.sum(), x)[0].numpy() for loss in (by_class, by_probability))
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-15)


def test_cross_entropy_is_one_node_that_saves_one_large_array():
    x = leaf(64, 10)
    loss = F.cross_entropy(x, rg.tensor([3] * 64))
    assert "NllLossBackward0" == loss.grad_fn.name()
    assert x is loss.grad_fn.next_functions[0][0].variable
    assert 1 == sum(saved.numel() == x.numel() for saved in loss.grad_fn.saved_tensors)


def test_a_sample_may_come_without_a_batch():
    x = leaf(4)
    whole = F.cross_entropy(x.reshape(1, 4), rg.tensor([2]))
    assert whole.item() == F.cross_entropy(x, rg.tensor(2)).item()
    assert whole.item() == F.nll_loss(rg.log_softmax(x, 0), rg.tensor(2)).item()
    assert () == F.cross_entropy(x, rg.tensor(2), reduction="none").shape


def test_if_all_targets_are_ignored_the_mean_is_nan_and_the_gradient_zero():
    x = leaf(2, 3)
    with pytest.warns(UserWarning, match="cross_entropy: all 2 targets are ignored"):
        loss = F.cross_entropy(x, rg.tensor([-100, -100]))
    assert math.isnan(loss.item())
    assert not rg.autograd.grad(loss, x)[0].any()


@pytest.mark.parametrize(("call", "raises", "said"), [
    (lambda: F.mse_loss(rg.ones(1), rg.ones(1), reduction="median"), ValueError,
     "median is not a valid value for reduction"),
    (lambda: F.cross_entropy(rg.ones(2, 3), rg.tensor([0, 3])), IndexError, "Target 3 is out of bounds"),
    (lambda: F.cross_entropy(rg.ones(2, 3), rg.tensor([0.0, 1.0])), RuntimeError, "target dtype to be Long or Byte"),
    (lambda: F.cross_entropy(rg.ones(2, 3), rg.tensor([0])), ValueError,
     "Expected input batch_size (2) to match target batch_size (1)"),
    (lambda: F.nll_loss(rg.ones(2, 3, 4), rg.ones(2, 5, dtype=rg.int64)), RuntimeError,
     "Expected target size [2, 4], got [2, 5]"),
    (lambda: F.nll_loss(rg.ones(2, 3), rg.ones(2, 3, dtype=rg.int64)), RuntimeError, "multi-target not supported"),
    (lambda: F.nll_loss(rg.ones(2, 3), rg.tensor([0, 0]), rg.ones(2)), RuntimeError,
     "either for all 3 classes or no classes"),
    (lambda: F.cross_entropy(rg.ones(2, 3), rg.ones(2, 3), label_smoothing=2.0), RuntimeError, "between 0.0 and 1.0"),
    (lambda: F.cross_entropy(rg.ones(2, 3), rg.ones(2, 3), ignore_index=1), RuntimeError,
     "not supported for floating point"),
    (lambda: F.binary_cross_entropy(rg.tensor([2.0]), rg.ones(1)), RuntimeError, "should be between 0 and 1"),
    (lambda: F.binary_cross_entropy(rg.ones(2), rg.ones(3)), ValueError, "Please ensure they have the same size"),
    (lambda: F.huber_loss(rg.ones(1), rg.ones(1), delta=0), RuntimeError, "non-positive values for delta"),
    (lambda: F.smooth_l1_loss(rg.ones(1), rg.ones(1), beta=-1), RuntimeError, "negative values for beta"),
    (lambda: F.gaussian_nll_loss(rg.ones(2), rg.ones(2), -rg.ones(2)), ValueError, "var has negative entry"),
    (lambda: F.gaussian_nll_loss(rg.ones(2, 3), rg.ones(2, 3), rg.ones(3)), ValueError, "var is of incorrect size"),
    (lambda: F.cosine_embedding_loss(rg.ones(2, 3), rg.ones(2, 3), rg.ones(2, 3)), RuntimeError,
     "multi-target not supported"),
    (lambda: F.triplet_margin_loss(rg.ones(2), rg.ones(2), rg.ones(2), margin=0), ValueError,
     "margin must be greater than 0"),
    (lambda: F.multi_margin_loss(rg.ones(2, 3), rg.tensor([0, 0]), p=3), ValueError,
     "only p == 1 and p == 2 supported"),
    (lambda: F.multi_margin_loss(rg.ones(2, 3), rg.tensor([0, 7])), RuntimeError, "out of range"),
    (lambda: F.multilabel_margin_loss(rg.ones(2, 3), rg.tensor([0, 1])), RuntimeError, "inconsistent target size"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(call, raises, said):
    with pytest.raises(raises) as caught:
        call()
    assert said in str(caught.value)


# -- CTC against the definition: the sum over all sequences of classes that collapse to the target


def collapsed(path):
    return [c for c, _ in itertools.groupby(path) if c != 0]


def by_definition(p, target):
    paths = itertools.product(range(p.shape[1]), repeat=len(p))
    total = sum(math.prod(p[t, c] for t, c in enumerate(path)) for path in paths if collapsed(path) == target)
    return math.inf if total == 0 else -math.log(total)


@pytest.mark.parametrize("target", [[], [1], [1, 2], [1, 1], [2, 2, 1]])
def test_ctc_sums_over_all_alignments(target):
    logp = rg.log_softmax(leaf(4, 1, 3), 2)
    targets = rg.tensor([target], dtype=rg.int64).reshape(1, len(target))
    loss = F.ctc_loss(logp, targets, [4], [len(target)], reduction="sum")
    assert by_definition(np.exp(logp.detach().numpy()[:, 0]), target) == pytest.approx(loss.item())


def test_ctc_of_a_batch_is_ctc_of_each_sequence():
    logp = rg.log_softmax(leaf(5, 3, 4), 2)
    targets, times, sizes = [[1, 2, 3], [2, 2, 0], [3, 0, 0]], [5, 4, 2], [3, 2, 1]
    whole = F.ctc_loss(logp, rg.tensor(targets), rg.tensor(times), rg.tensor(sizes), reduction="none")
    in_a_row = F.ctc_loss(logp, rg.tensor([1, 2, 3, 2, 2, 3]), times, sizes, reduction="none")
    each = [F.ctc_loss(logp[:t, n], rg.tensor(targets[n][:s]), [t], [s], reduction="none").item()
            for n, (t, s) in enumerate(zip(times, sizes, strict=True))]  # fmt: skip
    assert each == pytest.approx(whole.tolist()) == in_a_row.tolist()
    mean = F.ctc_loss(logp, rg.tensor(targets), times, sizes)
    assert np.mean(np.array(each) / sizes) == pytest.approx(mean.item())


def test_ctc_of_a_target_that_does_not_fit_is_infinite_or_nothing():
    x = leaf(2, 1, 3)
    logp = rg.log_softmax(x, 2)
    args = logp, rg.tensor([[1, 1]]), [2], [2]  # two equal labels need a blank between them
    assert math.inf == F.ctc_loss(*args).item()
    loss = F.ctc_loss(*args, zero_infinity=True)
    assert 0.0 == loss.item()
    assert not rg.autograd.grad(loss, x, retain_graph=True)[0].any()
    assert np.isnan(rg.autograd.grad(F.ctc_loss(*args), x)[0].numpy()).all()


def test_ctc_is_differentiable_twice():
    x = leaf(3, 1, 3)

    def loss(x):
        return F.ctc_loss(rg.log_softmax(x, 2), rg.tensor([[1, 2]]), [3], [2])

    assert rg.autograd.gradcheck(loss, x)
    assert rg.autograd.gradgradcheck(loss, x)


def test_the_gradient_of_ctc_is_that_by_the_logits_of_its_log_probabilities():
    x = leaf(5, 2, 4)
    logp = rg.log_softmax(x, 2).detach().requires_grad_()
    args = rg.tensor([[1, 2, 3], [2, 2, 0]]), [5, 4], [3, 2]
    (ours,), (wanted,) = (rg.autograd.grad(F.ctc_loss(p, *args, reduction="sum"), given)
                          for p, given in ((logp, logp), (rg.log_softmax(x, 2), x)))  # fmt: skip
    np.testing.assert_allclose(ours.numpy(), wanted.numpy(), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(ours.sum(2).numpy(), 0, atol=1e-12)


def test_ctc_of_what_was_not_normalised_is_a_number():
    x = (leaf(5, 2, 4).float() * 100).detach()
    assert math.isfinite(F.ctc_loss(x, rg.tensor([[1, 2, 3], [2, 1, 0]]), [5, 4], [3, 2]).item())


@pytest.mark.parametrize(("change", "said"), [
    ({"blank": 3}, "blank must be in label range"),
    ({"input_lengths": [9]}, "Expected input_lengths to have value at most 4, but got value 9"),
    ({"input_lengths": [4, 4]}, "input_lengths must be of size batch_size"),
    ({"targets": rg.tensor([1, 2, 1])}, "Expected 2 targets in a row"),
    ({"targets": rg.tensor([[7, 1]])}, "a target is no class"),
])  # fmt: skip
def test_ctc_says_what_it_cannot_align(change, said):
    args = {"log_probs": rg.zeros(4, 1, 3), "targets": rg.tensor([[1, 2]]), "input_lengths": [4], "target_lengths": [2]}
    with pytest.raises(RuntimeError) as caught:
        F.ctc_loss(**{**args, **change})
    assert said in str(caught.value)
