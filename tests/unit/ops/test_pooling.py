"""Pooling as users call it: indices, ties and nan, sizes, what is refused."""

import math

import numpy as np
import pytest

import regrad as rg

F = rg.nn.functional


def numbers(*shape):
    return rg.tensor(np.random.default_rng(4).standard_normal(shape))


def gradient(out, x):
    (g,) = rg.autograd.grad(out.sum(), x)
    return g.tolist()


def test_of_equal_elements_the_first_gets_the_gradient():
    x = rg.tensor([[[1.0, 1.0, 0.0, 0.0]]]).requires_grad_()
    assert gradient(F.max_pool1d(x, 2), x) == [[[1, 0, 1, 0]]]
    assert gradient(F.adaptive_max_pool1d(x, 1), x) == [[[1, 0, 0, 0]]]


def test_nan_counts_as_largest():
    x = rg.tensor([[[1.0, math.nan, 2.0, 0.0]]])
    values, indices = F.max_pool1d(x, 2, return_indices=True)
    assert math.isnan(values[0, 0, 0])
    assert indices.tolist() == [[[1, 2]]]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_values_are_the_same_recorded_or_not_batched_or_not(dims):
    pool = getattr(F, f"max_pool{dims}d")
    x = numbers(2, 3, *[5] * dims)
    quiet = pool(x, 3, 2, 1, ceil_mode=True)
    values, indices = pool(x, 3, 2, 1, ceil_mode=True, return_indices=True)
    assert rg.equal(pool(x.clone().requires_grad_(), 3, 2, 1, ceil_mode=True), quiet)
    assert rg.equal(values, quiet)
    assert rg.equal(x.flatten(2).gather(2, indices.flatten(2)).reshape(values.shape), values)
    assert rg.equal(pool(x[0], 3, 2, 1, ceil_mode=True), quiet[0])
    both = getattr(F, f"max_pool{dims}d_with_indices")(x, 3, 2, 1, ceil_mode=True)
    assert rg.equal(both[1], indices)


def test_padding_never_wins():
    assert F.max_pool1d(-rg.ones(1, 1, 3), 2, padding=1).tolist() == [[[-1, -1]]]
    assert F.max_pool2d(rg.full((1, 1, 1, 1), -5), 3, padding=1).tolist() == [[[[-5]]]]


def test_max_pooling_is_recorded_only_where_that_is_asked_for():
    x = numbers(1, 1, 4).requires_grad_()
    with rg.no_grad():
        assert not F.max_pool1d(x, 2).requires_grad
    assert F.max_pool1d(x, 2).requires_grad
    assert F.max_pool1d(x, 2).edge.plan.slots == ("indices", "x_shape")


def test_max_pooling_has_tangents():
    x, t = numbers(1, 1, 4), numbers(1, 1, 4) + 1
    _, indices = F.max_pool1d(x, 2, return_indices=True)
    with rg.autograd.forward_ad.dual_level():
        out = F.max_pool1d(rg.autograd.forward_ad.make_dual(x, t), 2)
        assert rg.equal(rg.autograd.forward_ad.unpack_dual(out).tangent, t.gather(2, indices))


def test_an_average_counts_what_it_is_told_to():
    x = rg.tensor([[[3.0, 6.0]]])
    assert F.avg_pool1d(x, 2, padding=1).tolist() == [[[1.5, 3]]]
    assert F.avg_pool1d(x, 2, padding=1, count_include_pad=False).tolist() == [[[3, 6]]]
    assert F.avg_pool2d(x, (1, 2), divisor_override=3).tolist() == [[[3]]]
    assert F.avg_pool1d(rg.tensor([[[1.0, 3.0, 7.0]]]), 2, ceil_mode=True).tolist() == [[[2, 7]]]


def test_adaptive_pooling_keeps_a_size_for_none_and_takes_one_number_for_all():
    x = numbers(1, 2, 4, 6)
    assert F.adaptive_avg_pool2d(x, (None, 3)).shape == (1, 2, 4, 3)
    assert F.adaptive_max_pool2d(x, 2).shape == (1, 2, 2, 2)
    assert rg.allclose(F.adaptive_avg_pool2d(x, 1), x.mean((2, 3), keepdim=True))
    assert rg.equal(F.adaptive_max_pool3d(x, 1), x.amax((1, 2, 3), keepdim=True))


def test_adaptive_pooling_to_nothing_is_empty():
    assert F.adaptive_avg_pool2d(numbers(1, 2, 4, 4), 0).shape == (1, 2, 0, 0)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling_puts_values_back_where_they_were(dims):
    x = numbers(2, 1, *[5] * dims)
    values, indices = getattr(F, f"max_pool{dims}d")(x, 2, return_indices=True)
    unpool = getattr(F, f"max_unpool{dims}d")
    back = unpool(values, indices, 2, output_size=x.shape)
    assert back.shape == x.shape
    assert rg.equal(back, rg.where(back != 0, x, 0.0))
    assert int((back != 0).sum()) == values.numel()
    if dims == 1:
        assert unpool(values[0], indices[0], 2).shape == (1, 4)


def test_fractional_pooling_is_fixed_by_its_samples_and_by_the_seed():
    x = numbers(2, 3, 7, 7)
    samples = rg.rand(2, 3, 2, dtype=rg.float64)
    values, indices = F.fractional_max_pool2d(x, 2, (4, 3), return_indices=True, _random_samples=samples)
    assert rg.equal(x.flatten(2).gather(2, indices.flatten(2)).reshape(values.shape), values)
    assert rg.equal(F.fractional_max_pool2d(x, 2, (4, 3), _random_samples=samples), values)
    rg.manual_seed(1)
    first = F.fractional_max_pool2d(x, 2, output_ratio=(0.5, 0.6))
    rg.manual_seed(1)
    again, _ = F.fractional_max_pool2d_with_indices(x, 2, output_ratio=(0.5, 0.6))
    assert rg.equal(first, again)
    assert first.shape == (2, 3, 3, 4)
    assert F.fractional_max_pool3d_with_indices(numbers(1, 4, 4, 4), 2, 2)[1].shape == (1, 2, 2, 2)


def test_a_norm_of_each_window_goes_from_the_sum_to_the_largest():
    x = rg.tensor([[[3.0, -4.0]]])
    assert F.lp_pool1d(x, 2, 2).item() == 5
    assert F.lp_pool1d(x, math.inf, 2).item() == 4
    assert F.lp_pool2d(x, -math.inf, (1, 2)).item() == 3
    assert F.lp_pool3d(x.unsqueeze(0), 1, (1, 1, 2)).item() == -1


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: F.max_pool1d(rg.ones(1, 1, 4), 2, padding=-1), RuntimeError, "pad must be non-negative"),
        (lambda: F.max_pool1d(rg.ones(1, 1, 4), 2, padding=2), RuntimeError, "at most half of effective kernel size"),
        (lambda: F.max_pool1d(rg.ones(1, 1, 4), 2, 0), RuntimeError, "stride must be greater than zero, but got 0"),
        (lambda: F.max_pool2d(rg.ones(1, 0, 4), 1), RuntimeError, "Expected 3D or 4D (batch mode) tensor"),
        (lambda: F.max_pool2d(rg.ones(4), 1), RuntimeError, "Expected 3D or 4D (batch mode) tensor"),
        (lambda: F.max_pool2d(rg.ones(4, 4), 1), RuntimeError, "give it a channel with input.unsqueeze(0)"),
        (lambda: F.max_pool2d(rg.ones(1, 1, 4), 2), RuntimeError, "give an output of (0, 2). Output size is too small"),
        (lambda: F.max_pool2d(rg.ones(1, 4, 4), []), RuntimeError, "a list of 2 values"),
        (lambda: F.max_pool2d(rg.ones(1, 4, 4), 2.0), TypeError, "argument 'kernel_size' must be int"),
        (lambda: F.max_pool1d([1.0], 2), TypeError, "must be Tensor, not list"),
        (lambda: F.max_pool1d(rg.ones(1, 4, dtype=rg.bool), 2), NotImplementedError, "not implemented"),
        (lambda: F.avg_pool2d(rg.ones(1, 4, 4), 2, divisor_override=0), RuntimeError, "divisor must be not zero"),
        (lambda: F.adaptive_avg_pool2d(rg.ones(2, 2), (2, 2)), ValueError, "Input dimension should be at least 3"),
        (lambda: F.adaptive_avg_pool1d(rg.ones(4), 2), RuntimeError, "Expected 2D or 3D tensor"),
        (lambda: F.adaptive_avg_pool2d(rg.ones(1, 4, 4), (2,)), RuntimeError, "output_size must be 2 numbers"),
        (lambda: F.adaptive_avg_pool1d(rg.ones(1, 4), 2.5), TypeError, "int, None or tuple of these, not float"),
        (lambda: F.adaptive_max_pool2d(rg.ones(1, 4, 4), -1), RuntimeError, "greater than or equal to 0"),
        (lambda: F.adaptive_max_pool2d(rg.ones(0, 4, 4), 1), RuntimeError, "non-zero size for non-batch dimensions"),
        (lambda: F.adaptive_avg_pool1d(rg.ones(1, 4).long(), 2), NotImplementedError, "not implemented"),
        (lambda: F.max_unpool1d(rg.ones(1, 2), rg.zeros(1, 3).long(), 2), RuntimeError, "Expected shape of indices"),
        (lambda: F.max_unpool1d(rg.ones(1, 2), rg.zeros(1, 2), 2), RuntimeError, "should be type int64"),
        (lambda: F.max_unpool1d(rg.ones(1, 2), [[0, 1]], 2), TypeError, "argument 'indices'"),
        (lambda: F.max_unpool1d(rg.ones(2), rg.zeros(2).long(), 2), RuntimeError, "should be a 2d or 3d Tensor"),
        (lambda: F.max_unpool1d(rg.ones(1, 1), rg.tensor([[9]]), 2), RuntimeError, "the indices go from 9 to 9"),
        (lambda: F.max_unpool1d(rg.ones(1, 1), rg.tensor([[0]]), 2, output_size=(5,)), ValueError, "between 0 and 4"),
        (lambda: F.max_unpool1d(rg.ones(1, 1), rg.tensor([[0]]), 2, output_size=(1, 2)), ValueError, "1 or 3 elements"),
        (lambda: F.fractional_max_pool2d(rg.ones(1, 4, 4), 2), ValueError, "output_size or an output_ratio"),
        (lambda: F.fractional_max_pool2d(rg.ones(4, 4), 2, 2), RuntimeError, "Expected a 3D or 4D tensor"),
        (lambda: F.fractional_max_pool2d(rg.ones(1, 4, 4), 2, output_ratio=(1.0,)), ValueError, "2 floats"),
        (lambda: F.fractional_max_pool2d(rg.ones(1, 4, 4), 2, 2, _random_samples=rg.ones(1, 1, 2).double()),
         RuntimeError, "same dtype as input"),
        (lambda: F.fractional_max_pool2d(rg.ones(1, 4, 4), 2, 2, _random_samples=rg.ones(1, 1, 3)),
         RuntimeError, "of the shape [1, 1, 2]; got [1, 1, 3]"),
    ],
)  # fmt: skip
def test_pooling_refuses(call, kind, words):
    with pytest.raises(kind) as caught:
        call()
    assert words in str(caught.value)
