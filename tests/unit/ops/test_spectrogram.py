"""The public faces of `regrad.ops.spectrogram`."""

import numpy as np
import pytest

import regrad as rg

RNG = np.random.default_rng(0)
SIGNAL = RNG.normal(size=30)
WINDOW = RNG.uniform(0.5, 1.5, 8)


def tensors(*arrays):
    return [rg.tensor(a, requires_grad=True) for a in arrays]


def frames(x, window, hop):
    """The spectrogram by its definition."""
    n = len(window)
    return np.stack([np.fft.rfft(x[k : k + n] * window) for k in range(0, len(x) - n + 1, hop)], 1)


def test_a_spectrogram_holds_the_spectra_of_the_frames():
    x, window = tensors(SIGNAL, WINDOW)
    out = rg.stft(x, 8, hop_length=3, window=window, center=False, return_complex=True)
    np.testing.assert_allclose(out.detach().numpy(), frames(SIGNAL, WINDOW, 3), atol=1e-12)
    scaled = rg.stft(x, 8, 3, window=window, center=False, normalized=True, return_complex=True)
    np.testing.assert_allclose(scaled.detach().numpy(), frames(SIGNAL, WINDOW, 3) / np.sqrt(8), atol=1e-12)


@pytest.mark.parametrize(("mode", "numpys"), [
    ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap"), ("constant", "constant"),
])  # fmt: skip
def test_a_centred_signal_is_continued_at_both_ends(mode, numpys):
    x, window = tensors(SIGNAL, WINDOW)
    out = x.stft(8, window=window, pad_mode=mode, return_complex=True)
    expected = frames(np.pad(SIGNAL, 4, mode=numpys), WINDOW, 2)
    np.testing.assert_allclose(out.detach().numpy(), expected, atol=1e-12)


def test_a_short_window_stands_between_zeros():
    between = np.pad(WINDOW[:5], (1, 2))
    options = {"win_length": 5, "window": rg.tensor(WINDOW[:5]), "center": False, "return_complex": True}
    out = rg.stft(rg.tensor(SIGNAL), 8, **options)
    np.testing.assert_allclose(out.numpy(), frames(SIGNAL, between, 2), atol=1e-12)
    aligned = rg.stft(rg.tensor(SIGNAL), 8, align_to_window=True, **options)
    np.testing.assert_allclose(aligned.numpy(), frames(np.pad(SIGNAL, (1, 2)), between, 2), atol=1e-12)


@pytest.mark.parametrize("options", [
    {}, {"normalized": True}, {"onesided": False}, {"hop_length": 3}, {"center": False}, {"win_length": 6},
])  # fmt: skip
def test_the_signal_comes_back(options):
    window = rg.tensor(WINDOW[: options.get("win_length", 8)])
    for x in (SIGNAL, np.stack([SIGNAL, -2 * SIGNAL])):
        spectrogram = rg.stft(rg.tensor(x), 8, window=window, return_complex=True, **options)
        back = rg.istft(spectrogram, 8, window=window, **options)
        np.testing.assert_allclose(back.numpy(), x[..., : back.shape[-1]], atol=1e-12)
        assert back.shape[-1] >= 29


def test_a_complex_signal_comes_back():
    z, window = rg.tensor(SIGNAL + 1j * SIGNAL[::-1]), rg.tensor(WINDOW)
    spectrogram = rg.stft(z, 8, window=window)
    assert spectrogram.shape[0] == 8
    back = rg.istft(spectrogram, 8, window=window, return_complex=True)
    np.testing.assert_allclose(back.numpy(), z.numpy(), atol=1e-12)


def test_gradients_reach_the_signal_and_the_window_twice():
    x, window = tensors(SIGNAL, WINDOW)

    def energy_and_back(x, window):
        s = rg.stft(x, 8, 3, window=window, return_complex=True)
        return rg.istft(s * s, 8, 3, window=window)

    assert rg.autograd.gradcheck(energy_and_back, (x, window))
    assert rg.autograd.gradgradcheck(energy_and_back, (x[:12].detach().requires_grad_(), window))


def test_a_known_length_cuts_or_fills_up():
    window = rg.tensor(WINDOW)
    s = rg.stft(rg.tensor(SIGNAL), 8, window=window, return_complex=True)
    assert rg.istft(s, 8, window=window, length=29).shape == (29,)
    with pytest.warns(UserWarning, match="padded with zeros"):
        long = rg.istft(s, 8, window=window, length=40)
    assert long[-6:].tolist() == [0.0] * 6


def test_what_is_on_its_way_out_warns():
    x = rg.tensor(SIGNAL)
    with pytest.warns(UserWarning, match="A window was not provided"):
        rg.stft(x, 8, return_complex=True)
    with pytest.warns(UserWarning, match="return_complex=False is deprecated"):
        pairs = rg.stft(x, 8, window=rg.tensor(WINDOW), return_complex=False)
    assert pairs.shape == (5, 16, 2)


@pytest.mark.parametrize(("options", "words"), [
    ({"return_complex": None}, "requires the return_complex parameter"),
    ({"align_to_window": True}, "should only be set when center = false"),
    ({"n_fft": 0, "center": False}, "expected 0 < n_fft <= 30"),
    ({"n_fft": 31, "center": False}, "expected 0 < n_fft <= 30"),
    ({"n_fft": 60}, "Padding size should be less than"),
    ({"hop_length": 0}, "expected hop_length > 0"),
    ({"win_length": 9}, "expected 0 < win_length <= n_fft"),
    ({"win_length": 7}, "expected a 1D window tensor of size equal to win_length=7"),
    ({"window": rg.tensor(WINDOW + 0j), "onesided": True}, "Cannot have onesided output"),
])  # fmt: skip
def test_arguments_that_stft_refuses(options, words):
    usual = {"n_fft": 8, "window": rg.tensor(WINDOW), "return_complex": True}
    with pytest.raises(RuntimeError, match=words):
        rg.stft(rg.tensor(SIGNAL), **{**usual, **options})


def test_signals_that_stft_refuses():
    options = {"n_fft": 8, "window": rg.tensor(WINDOW), "return_complex": True}
    with pytest.raises(RuntimeError, match="expected a tensor of floating point or complex values"):
        rg.stft(rg.arange(30), **options)
    with pytest.raises(RuntimeError, match="expected a 1D or 2D tensor"):
        rg.stft(rg.ones(1, 1, 30), **options)
    with pytest.raises(NotImplementedError, match="Unrecognised padding mode mirror"):
        rg.stft(rg.tensor(SIGNAL), pad_mode="mirror", **options)


@pytest.mark.parametrize(("options", "words"), [
    ({"n_fft": 16}, "expected the frequency dimension"),
    ({"onesided": False}, "to match n_fft when onesided=False"),
    ({"hop_length": 9}, "expected 0 < hop_length <= win_length"),
    ({"win_length": 9}, "expected 0 < win_length <= n_fft"),
    ({"win_length": 6}, "Invalid window shape"),
    ({"length": 0}, "length is 0"),
    ({"return_complex": True}, "Cannot have onesided output"),
    ({"window": rg.tensor(WINDOW + 0j)}, "Complex windows are incompatible"),
    ({"window": rg.hann_window(8), "center": False}, "window overlap add min: 0.0"),
])  # fmt: skip
def test_arguments_that_istft_refuses(options, words):
    spectrogram = rg.ones(5, 4, dtype=rg.complex128)
    with pytest.raises(RuntimeError, match=words):
        rg.istft(spectrogram, **{"n_fft": 8, "window": rg.tensor(WINDOW), **options})


def test_spectrograms_that_istft_refuses():
    with pytest.raises(RuntimeError, match="requires a complex-valued input"):
        rg.istft(rg.ones(5, 4), 8)
    with pytest.raises(RuntimeError, match="expected a tensor with 2 or 3 dimensions"):
        rg.istft(rg.ones(5, dtype=rg.complex64), 8)
    with pytest.raises(RuntimeError, match="cannot be empty"):
        rg.istft(rg.ones(5, 0, dtype=rg.complex64), 8)
