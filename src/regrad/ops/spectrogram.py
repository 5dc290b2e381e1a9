"""Spectrograms: the spectra of overlapping stretches of a signal, and the signal back from them.

Start reading at `stft`.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.graph.value import wrap
from regrad.ops.complexes import to_complex, view_as_real
from regrad.ops.core import expand_to
from regrad.ops.fourier import fft_c2c, fft_c2r, fft_r2c
from regrad.ops.layout import fold_windows, windows_of
from regrad.ops.padding import pad
from regrad.ops.shaping import bare, squeeze, transpose, unsqueeze

__all__ = ["istft", "stft"]


def _is_complex(x: Any) -> bool:
    return x is not None and bool(bare(x, "stft").dtype.kind == "c")


def _weights(name: str, window: Any, width: int, n_fft: int, dtype: Any) -> Any:
    """The window, or ones, with zeros on both sides up to ``n_fft`` points."""
    if window is None:
        warnings.warn(f"{name}: A window was not provided. A rectangular window will be applied, which is "
                      f"known to cause spectral leakage; pass window=rg.hann_window({width})", stacklevel=3)
        window = wrap(np.ones(width, dtype))
    left = (n_fft - width) // 2
    return window if width == n_fft else pad(window, (left, n_fft - width - left))


def _check_window(name: str, window: Any, width: int) -> None:
    if window is not None and tuple(window.shape) != (width,):
        raise RuntimeError(f"{name}: Invalid window shape: expected a 1D window tensor of size equal to "
                           f"win_length={width}, but got window with size {list(window.shape)}")


def stft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
    center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
    return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Any:  # fmt: skip
    """Short-time Fourier transform: the spectra of stretches of ``n_fft`` points, one every ``hop_length``.

    An ``input`` (time) or (batch, time) gives (batch, frequency, frame). Every stretch is multiplied by
    ``window``, which has ``win_length`` points and stands between zeros. With ``center`` the signal is
    continued at both ends, so that the middle of frame t is the point ``t * hop_length``. Of a real signal
    the upper half of the spectrum is left out, unless ``onesided`` is False.

    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.stft.html

    >>> rg.stft(rg.ones(8), n_fft=4, window=rg.ones(4), center=False, return_complex=True).real
    tensor([[4., 4., 4., 4., 4.],
            [0., 0., 0., 0., 0.],
            [0., 0., 0., 0., 0.]])
    """
    array = bare(input, "stft")
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    if return_complex is None and not _is_complex(input) and not _is_complex(window):
        raise RuntimeError("stft requires the return_complex parameter be given for real inputs; pass True")
    if array.dtype.kind not in "fc":
        raise RuntimeError(f"stft: expected a tensor of floating point or complex values, got "
                           f"{dtypes.of(array.dtype)}; convert with .float()")
    if array.ndim not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, got {list(array.shape)}")
    x = unsqueeze(input, 0) if array.ndim == 1 else input
    x = pad(x, (n_fft // 2, n_fft // 2), pad_mode) if center else x
    if not 0 < n_fft <= x.shape[1]:
        raise RuntimeError(f"stft: expected 0 < n_fft <= {x.shape[1]}, the length, but got n_fft={n_fft}")
    if hop < 1:
        raise RuntimeError(f"stft: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < width <= n_fft:
        raise RuntimeError(f"stft: expected 0 < win_length <= n_fft={n_fft}, but got win_length={width}")
    _check_window("stft", window, width)
    if align_to_window:
        left = (n_fft - width) // 2
        x = pad(x, (left, n_fft - width - left))

    x = windows_of(x, dim=1, size=n_fft, step=hop) * _weights("stft", window, width, n_fft, array.dtype)
    power = 0.5 if normalized else 0.0
    if _is_complex(x) and onesided:
        raise RuntimeError("stft: Cannot have onesided output if window or input is complex")
    if _is_complex(x) or onesided is False:
        out = fft_c2c(x if _is_complex(x) else to_complex(x), dim=(2,), power=power, forward=True)
    else:
        out = fft_r2c(x, dim=(2,), power=power)
    out = transpose(out, 1, 2)
    out = squeeze(out, 0) if array.ndim == 1 else out
    if return_complex is not False:
        return out
    warnings.warn("stft with return_complex=False is deprecated; call rg.view_as_real instead", stacklevel=2)
    return view_as_real(out)


def istft(
    input: Any, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Any = None,
    center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
    return_complex: bool = False,
) -> Any:  # fmt: skip
    """Inverse of `stft`: the signal whose spectrogram (frequency, frame), or a batch of them, is ``input``.

    The frames are transformed back, multiplied by the window again, added up where they overlap, and divided
    by the sum of the squared windows. Arguments are those of `stft`, and the ``length`` of the signal.

    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.istft.html

    >>> window = rg.ones(4)
    >>> rg.istft(rg.stft(rg.arange(4.), 4, window=window, return_complex=True), 4, window=window).round()
    tensor([0., 1., 2., 3.])
    """
    array = bare(input, "istft")
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if array.dtype.kind != "c":
        raise RuntimeError("istft requires a complex-valued input tensor matching the output from stft with "
                           "return_complex=True.")
    if array.ndim not in (2, 3):
        raise RuntimeError(f"istft: expected a tensor with 2 or 3 dimensions, but got {array.ndim}")
    if not array.size:
        raise RuntimeError(f"istft: input tensor cannot be empty, and is {list(array.shape)}")
    rows, frames = array.shape[-2:]
    half = rows != n_fft if onesided is None else onesided
    if rows != (n_fft // 2 + 1 if half else n_fft):
        wanted = "n_fft / 2 + 1" if half else "n_fft"
        raise RuntimeError(f"istft: expected the frequency dimension of the input tensor to match {wanted} "
                           f"when onesided={half}, but got {rows} with n_fft={n_fft}")
    if not 0 < hop <= width:
        raise RuntimeError(f"istft: expected 0 < hop_length <= win_length, but got {hop} and {width}")
    if not 0 < width <= n_fft:
        raise RuntimeError(f"istft: expected 0 < win_length <= n_fft, but got {width} and {n_fft}")
    _check_window("istft", window, width)
    if length is not None and length < 1:
        raise RuntimeError(f"istft: length is {length}; a signal has at least one point")
    if return_complex and half:
        raise RuntimeError("istft: Cannot have onesided output if window or input is complex")
    if not return_complex and _is_complex(window):
        raise RuntimeError("istft: Complex windows are incompatible with return_complex=False")

    weights = _weights("istft", window, width, n_fft, array.real.dtype)
    x = transpose(input if array.ndim == 3 else unsqueeze(input, 0), 1, 2)
    power = 0.5 if normalized else 1.0
    if return_complex:
        x = fft_c2c(x, dim=(2,), power=power, forward=False)
    else:
        x = fft_c2r(x if half else x[..., : n_fft // 2 + 1], dim=(2,), power=power, size=n_fft)
    total = n_fft + hop * (frames - 1)
    squares = expand_to(weights * weights, shape=(1, frames, n_fft))
    y = fold_windows(x * weights, shape=(x.shape[0], total), dim=1, size=n_fft, step=hop)
    envelope = fold_windows(squares, shape=(1, total), dim=1, size=n_fft, step=hop)

    start = n_fft // 2 if center else 0
    end = total - start if length is None else start + length
    y, envelope = y[:, start:end], envelope[:, start:end]
    least = np.abs(bare(envelope, "istft")).min(initial=math.inf)
    if least < 1e-11:
        raise RuntimeError(f"istft: window overlap add min: {least}, so some point is in no window; take "
                           f"a smaller hop_length, center=True, or a window not 0 at its ends")
    y = y / envelope
    if end > total:
        warnings.warn("istft: The length of signal is shorter than the length parameter. Result is being "
                      "padded with zeros in the tail. Please check your center and hop_length.", stacklevel=2)
        y = pad(y, (0, end - total))
    return y if array.ndim == 3 else squeeze(y, 0)


METHODS = {"istft": istft, "stft": stft}
