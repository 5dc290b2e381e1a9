"""Convolutions as users call them: unbatched input, padding by name, what is saved, what is refused."""

import numpy as np
import pytest

import regrad as rg

F = rg.nn.functional


def numbers(*shape):
    return rg.tensor(np.random.default_rng(3).standard_normal(shape))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_an_input_without_a_batch_gives_a_result_without_one(dims):
    conv, back = getattr(rg, f"conv{dims}d"), getattr(rg, f"conv_transpose{dims}d")
    x, w, bias = numbers(2, *[4] * dims), numbers(3, 2, *[2] * dims), numbers(3)
    assert rg.equal(conv(x, w, bias), conv(x.unsqueeze(0), w, bias).squeeze(0))
    y = conv(x, w)
    assert back(y, w).shape == x.shape
    assert rg.equal(back(y, w), back(y.unsqueeze(0), w).squeeze(0))


def test_a_transposed_convolution_is_the_gradient_of_a_convolution():
    x, w = numbers(2, 4, 6, 5).requires_grad_(), numbers(6, 2, 3, 2)
    how = {"stride": 2, "padding": (1, 0), "groups": 2}
    y = rg.conv2d(x, w, **how)
    (g,) = rg.autograd.grad(y, x, rg.ones_like(y))
    extra = [n - m for n, m in zip(x.shape[2:], rg.conv_transpose2d(y, w, **how).shape[2:], strict=True)]
    assert rg.allclose(rg.conv_transpose2d(rg.ones_like(y), w, output_padding=extra, **how), g)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_same_padding_keeps_the_size_and_pads_the_end_by_the_odd_one(kernel):
    x, w = numbers(1, 1, 7), numbers(1, 1, kernel)
    reach = 2 * (kernel - 1)
    out = rg.conv1d(x, w, padding="same", dilation=2)
    assert out.shape == x.shape
    assert rg.allclose(out, rg.conv1d(F.pad(x, (reach // 2, reach - reach // 2)), w, dilation=2))
    if kernel == 2:
        assert rg.conv1d(x, w, padding="same")[0, 0, -1] == x[0, 0, -1] * w[0, 0, 0]


def test_valid_padding_is_none():
    x, w = numbers(1, 2, 5), numbers(1, 2, 3)
    assert rg.equal(rg.conv1d(x, w, padding="valid"), rg.conv1d(x, w))


@pytest.mark.parametrize("bias", [False, True])
def test_only_what_a_live_argument_needs_is_saved(bias):
    x, w, b = numbers(1, 2, 4, 4), numbers(3, 2, 2, 2), numbers(3)
    rest = (b.requires_grad_(),) if bias else ()
    frozen_kernel = rg.conv2d(x.clone().requires_grad_(), w, *rest)
    frozen_input = rg.conv2d(x, w.clone().requires_grad_(), *rest)
    assert set(frozen_kernel.edge.plan.slots) == {"w", "x_shape"}
    assert set(frozen_input.edge.plan.slots) == {"x", "w_shape"}
    if bias:
        assert rg.conv2d(x, w, b).edge.plan.slots == ()
    assert frozen_input.grad_fn.name() == "ConvolutionBackward0"


def test_derivatives_of_every_order_agree_with_differences():
    x, w, b = numbers(1, 2, 4, 3).requires_grad_(), numbers(2, 1, 2, 2).requires_grad_(), numbers(2).requires_grad_()

    def cubed(x, w, b):
        return rg.conv2d(x, w, b, padding=1, groups=2) ** 3

    assert rg.autograd.gradcheck(cubed, (x, w, b), check_forward_ad=True)
    assert rg.autograd.gradgradcheck(cubed, (x, w, b))


def test_convolution_and_conv_tbc_are_the_same_arithmetic():
    x, w, b = numbers(2, 3, 5), numbers(4, 3, 2), numbers(4)
    assert rg.equal(rg.convolution(x, w, b, [1], [1], [1], False, [0], 1), rg.conv1d(x, w, b, padding=1))
    y = rg.convolution(x, numbers(3, 4, 2), None, [2], [0], [1], True, [1], 1)
    assert rg.equal(y, rg.conv_transpose1d(x, numbers(3, 4, 2), stride=2, output_padding=1))
    sequence = rg.conv_tbc(x.permute(2, 0, 1), w.permute(2, 1, 0), b, 1)
    assert rg.allclose(sequence, rg.conv1d(x, w, b, padding=1).permute(2, 0, 1))


def test_an_empty_batch_has_a_gradient_of_zero_for_the_weight():
    w = numbers(3, 2, 2).requires_grad_()
    rg.conv1d(rg.zeros(0, 2, 4, dtype=rg.float64), w).sum().backward()
    assert rg.equal(w.grad, rg.zeros_like(w))


@pytest.mark.parametrize("dtype", [rg.float16, rg.float32, rg.complex64, rg.int64])
def test_the_result_has_the_dtype_of_the_input(dtype):
    x, w = rg.tensor([[[1, 2, 3]]], dtype=dtype), rg.tensor([[[1, 1]]], dtype=dtype)
    out = rg.conv1d(x, w, rg.tensor([1], dtype=dtype))
    assert out.dtype is dtype
    assert out.tolist() == [[[4, 6]]]


def test_unfold_takes_windows_and_fold_adds_them():
    x = rg.arange(12.0).reshape(1, 1, 3, 4)
    columns = F.unfold(x, 2)
    assert columns.shape == (1, 4, 6)
    assert columns[0, :, 0].tolist() == [0, 1, 4, 5]
    times = F.fold(F.unfold(rg.ones_like(x), 2), (3, 4), 2)
    assert rg.equal(F.fold(columns, (3, 4), 2), x * times)
    assert F.fold(columns[0], (3, 4), 2).shape == (1, 3, 4)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"stride": -1}, RuntimeError, "non-positive stride is not supported"),
        ({"padding": -1}, RuntimeError, "negative padding is not supported"),
        ({"dilation": 0}, RuntimeError, "dilation must be greater than zero"),
        ({"groups": 0}, RuntimeError, "non-positive groups is not supported"),
        ({"groups": 4}, RuntimeError, "expected weight to be at least 4 at dimension 0"),
        ({"groups": 2}, RuntimeError, "divisible by 2"),
        ({"stride": (1, 2)}, RuntimeError, "expected stride to be a single integer value or a list of 1 values"),
        ({"stride": 1.5}, TypeError, "must be int or tuple of ints, not float"),
        ({"padding": "same", "stride": 2}, RuntimeError, "padding='same' is not supported for strided"),
        ({"padding": "full"}, RuntimeError, "Invalid padding string"),
        ({"weight": rg.ones(3, 2, 9)}, RuntimeError, "can't be greater than actual input size"),
        ({"weight": rg.ones(3, 1, 2)}, RuntimeError, "to have 1 channels, but got 2 channels instead"),
        ({"weight": rg.ones(3, 2)}, RuntimeError, "Expected 2-dimensional input for 2-dimensional weight"),
        ({"weight": rg.ones(3, 2, 0)}, RuntimeError, "a kernel needs at least one element"),
        ({"weight": rg.ones(3, 2, 2, dtype=rg.float64)}, RuntimeError,
         "Input type (regrad.float32) and weight type (regrad.float64) should be the same; convert the input with"
         " .to(regrad.float64), or the layer with .to(regrad.float32)"),
        ({"weight": [1.0]}, TypeError, "argument 'weight' (position 2) must be Tensor, not list"),
        ({"bias": rg.ones(2)}, RuntimeError, "expected bias to be 1-dimensional with 3 elements"),
    ],
)
def test_conv1d_refuses(change, kind, words):
    with pytest.raises(kind) as caught:
        rg.conv1d(rg.ones(1, 2, 4), **{"weight": rg.ones(3, 2, 2), **change})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((28, 28), "Expected 3D (unbatched) or 4D (batched) input to conv2d"),
        ((28, 28), "; give it a channel with input.unsqueeze(0)"),
        ((32, 28, 28), "; if this is a batch without channels, give input.unsqueeze(1)"),
        ((32, 28, 28, 1), "; if the channels come last, give input.movedim(-1, 1)"),
        ((28, 28, 1), "; if the channels come last, give input.movedim(-1, 0)"),
    ],
)
def test_an_image_of_the_wrong_layout_is_refused_with_what_to_do(shape, words):
    with pytest.raises(RuntimeError) as caught:
        rg.conv2d(rg.ones(shape), rg.ones(4, 1, 3, 3))
    assert words in str(caught.value)


def test_the_layer_at_fault_is_found_by_the_name_of_its_weight():
    net = rg.nn.Sequential(rg.nn.Conv2d(1, 2, 3), rg.nn.Sequential(rg.nn.Conv2d(3, 2, 3)))
    with pytest.raises(RuntimeError, match=r"to have 3 channels, but got 2 channels instead \(1.0.weight\)"):
        net(rg.ones(1, 8, 8))


def test_whole_numbers_are_to_be_converted_for_a_layer_of_floats():
    with pytest.raises(RuntimeError, match=r"should be the same; convert the input with .to\(regrad.float32\)$"):
        rg.conv1d(rg.ones(1, 2, 4).long(), rg.ones(3, 2, 2))


def test_a_mask_is_not_convolved():
    with pytest.raises(NotImplementedError, match="Bool"):
        rg.conv1d(rg.ones(1, 1, 2, dtype=rg.bool), rg.ones(1, 1, 1, dtype=rg.bool))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"output_padding": 1}, "output padding must be smaller than either stride or dilation"),
        ({"output_padding": -1}, "negative output_padding is not supported"),
        ({"padding": 4}, "Output size is too small"),
        ({"weight": rg.ones(3, 2, 2)}, "to have 3 channels, but got 2 channels instead"),
    ],
)
def test_conv_transpose1d_refuses(change, words):
    with pytest.raises(RuntimeError) as caught:
        rg.conv_transpose1d(rg.ones(1, 2, 4), **{"weight": rg.ones(2, 3, 2), **change})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: F.unfold(rg.ones(4, 4), 2), "Expected 3D or 4D"),
        (lambda: F.unfold(rg.ones(1, 2, 4, 4), (2, 2, 2)), "a list of 2 values"),
        (lambda: F.unfold(rg.ones(1, 2, 4, 4), 5), "can't be greater than actual input size"),
        (lambda: F.fold(rg.ones(4), 4, 2), "Expected 2D or 3D"),
        (lambda: F.fold(rg.ones(1, 7, 9), 4, 2), "divisible by the product of kernel_size"),
        (lambda: F.fold(rg.ones(1, 8, 8), 4, 2), "sliding blocks 3 * 3 = 9"),
    ],
)
def test_unfold_and_fold_refuse(call, words):
    with pytest.raises(RuntimeError) as caught:
        call()
    assert words in str(caught.value)


def test_unfold_is_not_for_whole_numbers():
    with pytest.raises(NotImplementedError, match="unfold"):
        F.unfold(rg.ones(1, 1, 2, 2, dtype=rg.int64), 1)
