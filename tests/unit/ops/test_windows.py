"""The public faces of `regrad.ops.windows`."""

import numpy as np
import pytest

import regrad as rg

SYMMETRIC = {"bartlett": np.bartlett, "blackman": np.blackman, "hamming": np.hamming, "hann": np.hanning}
ALL = rg.signal.windows.__all__


def make(name, M, **options):
    if name == "general_cosine":
        options["a"] = [0.6, 0.3, 0.1]
    return getattr(rg.signal.windows, name)(M, **options)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_a_symmetric_window_is_numpys_and_a_periodic_one_is_a_point_short_of_the_next(name):
    for M in (1, 2, 5, 8):
        reference = SYMMETRIC[name](M)
        np.testing.assert_allclose(make(name, M, dtype=rg.float64).numpy(), reference, atol=1e-15)
        longer = SYMMETRIC[name](M + 1)[:-1] if M > 1 else reference
        np.testing.assert_allclose(make(name, M, sym=False, dtype=rg.float64).numpy(), longer, atol=1e-15)
        older = getattr(rg, f"{name}_window")
        np.testing.assert_allclose(older(M, dtype=rg.float64).numpy(), longer, atol=1e-15)
        np.testing.assert_allclose(older(M, False).numpy(), reference, atol=1e-7)


def test_the_kaiser_window_is_numpys_and_does_not_overflow():
    for beta in (0.0, 2.5, 12.0):
        symmetric = make("kaiser", 7, beta=beta, dtype=rg.float64)
        np.testing.assert_allclose(symmetric.numpy(), np.kaiser(7, beta), rtol=1e-12)
        periodic = rg.kaiser_window(6, True, beta, dtype=rg.float64)
        np.testing.assert_allclose(periodic.numpy(), np.kaiser(7, beta)[:-1], rtol=1e-12)
    assert make("kaiser", 5, beta=1e4).tolist() == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("name", ALL)
def test_windows_of_no_and_one_point(name):
    assert make(name, 0).tolist() == []
    for sym in (True, False):
        assert make(name, 1, sym=sym).tolist() == pytest.approx([1.0])


@pytest.mark.parametrize("name", ALL)
def test_a_symmetric_window_is_its_own_mirror_image(name):
    for M in (4, 5):
        window = make(name, M, dtype=rg.float64).numpy()
        np.testing.assert_allclose(window, window[::-1], atol=1e-15)


def test_dtype_and_requires_grad():
    assert rg.signal.windows.hann(3).dtype is rg.float32
    assert rg.hann_window(3, dtype=rg.float16).dtype is rg.float16
    assert rg.signal.windows.hann(3, requires_grad=True).is_leaf
    assert rg.hann_window(3, requires_grad=True).requires_grad


def test_the_parameters_of_the_hamming_window():
    assert rg.hamming_window(4, True, 0.5, 0.4).tolist() == pytest.approx([0.1, 0.5, 0.9, 0.5])
    assert rg.signal.windows.general_hamming(3, alpha=0.75).tolist() == pytest.approx([0.5, 1.0, 0.5])


def test_the_center_of_an_exponential_window():
    decay = rg.signal.windows.exponential(4, center=0, tau=2, sym=False, dtype=rg.float64)
    np.testing.assert_allclose(decay.numpy(), np.exp(-np.arange(4) / 2))


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda w: w.hann(-1), ValueError, "requires non-negative window length, got M=-1"),
    (lambda w: w.hann(2.5), TypeError, "must be int"),
    (lambda w: w.hann(3, layout="sparse_coo"), ValueError, "is implemented for strided tensors only"),
    (lambda w: w.hann(3, dtype=rg.int64), ValueError, "expects float32 or float64 dtypes"),
    (lambda w: w.general_cosine(3, a=[]), ValueError, "Coefficients cannot be empty"),
    (lambda w: w.general_cosine(3, a=0.5), TypeError, "Coefficients must be a list/tuple"),
    (lambda w: w.exponential(3, tau=0), ValueError, "Tau must be positive"),
    (lambda w: w.exponential(3, center=1), ValueError, "Center must be None for symmetric windows"),
    (lambda w: w.gaussian(3, std=-1.0), ValueError, "Standard deviation must be positive"),
    (lambda w: w.kaiser(3, beta=-1.0), ValueError, "beta must be non-negative"),
    (lambda w: rg.hann_window(-1), RuntimeError, "requires non-negative window_length"),
    (lambda w: rg.hann_window(2.5), TypeError, "must be int"),
    (lambda w: rg.hann_window(3, dtype=rg.int64), RuntimeError, "expects floating point dtypes"),
])  # fmt: skip
def test_arguments_that_are_refused(call, error, words):
    with pytest.raises(error, match=words):
        call(rg.signal.windows)
