"""Windows: weights that fade a stretch of a signal in and out, for `stft` and the design of filters.

The functions of `rg.signal.windows`, such as ``hann``, make symmetric windows of ``M`` points, or with
``sym=False`` the first M points of one with a point more, as repeating signals want. All take ``dtype``
(float32 or float64), ``layout``, ``device`` and ``requires_grad``. Those of `rg`, such as ``hann_window``,
are older and say ``periodic``. Start reading at `_sum_of`, which is most of them.

PyTorch: https://docs.pytorch.org/docs/stable/signal.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.kernels.reference.special import i0e
from regrad.ops.creation import check_device, finish

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]

HANN, HAMMING, BLACKMAN = (0.5, 0.5), (0.54, 0.46), (0.42, 0.5, 0.08)  # coefficients of the cosines
NUTTALL = (0.3635819, 0.4891775, 0.1365995, 0.0106411)


Shape = Callable[[Any, int], Any]  # the window at the places n, of which one at `last` would be the end


# -- shapes


def _sum_of(a: Sequence[float]) -> Shape:
    """``Σᵢ (-1)ⁱ aᵢ cos(2πi n / last)``."""
    def cosines(n: Any, last: int) -> Any:
        if not last:
            return n + 1
        return sum((-1) ** i * w * np.cos(2 * math.pi * i / last * n) for i, w in enumerate(a))

    return cosines


def _triangle(n: Any, last: int) -> Any:
    return 1 - np.abs(2 / last * n - 1) if last else n + 1


def _bulge(beta: float) -> Shape:
    """``I₀(β √(1 - x²)) / I₀(β)`` for x from -1 to 1, by the scaled function, as I₀ overflows."""
    def kaiser(n: Any, last: int) -> Any:
        if not last:
            return n + 1
        x = 2 / last * n - 1
        y, most = abs(beta) * np.sqrt(1 - x * x), np.float64(abs(beta))
        return i0e(y) / i0e(most) * np.exp(y - most)

    return kaiser


# -- rg.signal.windows


def strided_only(name: str, layout: Any) -> None:
    """Refuse any layout but the one in which tensors are made."""
    if layout is not None and str(layout).rpartition(".")[2] != "strided":
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")


def _symmetric(
    name: str, M: int, shape: Shape, *, sym: bool, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    """The window of a shape, after the checks that all windows share."""
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if not hasattr(M, "__index__"):
        raise TypeError(f"{name}: the window length M must be int, not {type(M).__name__}")
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    strided_only(name, layout)
    if dtype not in (dtypes.float32, dtypes.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    check_device(device)
    last = M if not sym and M > 1 else max(M - 1, 0)
    return finish(shape(np.arange(M, dtype="f8"), last).astype(dtype.np), requires_grad)


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **options: Any) -> Any:
    """Sum of cosines with alternating signs, ``Σᵢ (-1)ⁱ aᵢ cos(2πi n / (M - 1))``.

    >>> rg.signal.windows.general_cosine(3, a=[0.5, 0.5])
    tensor([0., 1., 0.])
    """
    if not isinstance(a, Iterable):
        raise TypeError(f"general_cosine: Coefficients must be a list/tuple, got {type(a).__name__}")
    a = list(a)
    if not a and M > 1:
        raise ValueError("general_cosine: Coefficients cannot be empty; [0.5, 0.5] is the Hann window")
    return _symmetric("general_cosine", M, _sum_of(a), sym=sym, **options)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Any:
    """One cosine, ``alpha - (1 - alpha) cos(2π n / (M - 1))``.

    >>> rg.signal.windows.general_hamming(3, alpha=0.75)
    tensor([0.5000, 1.0000, 0.5000])
    """
    return _symmetric("general_hamming", M, _sum_of((alpha, 1 - alpha)), sym=sym, **options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Hamming's window, ``0.54 - 0.46 cos(2π n / (M - 1))``.

    >>> rg.signal.windows.hamming(3)
    tensor([0.0800, 1.0000, 0.0800])
    """
    return _symmetric("hamming", M, _sum_of(HAMMING), sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Hann's window, a cosine raised to 0 at both ends: ``sin²(π n / (M - 1))``.

    >>> rg.signal.windows.hann(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _symmetric("hann", M, _sum_of(HANN), sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Blackman's window, ``0.42 - 0.5 cos(x) + 0.08 cos(2x)`` with ``x = 2π n / (M - 1)``.

    >>> rg.signal.windows.blackman(5)[1:4]
    tensor([0.3400, 1.0000, 0.3400])
    """
    return _symmetric("blackman", M, _sum_of(BLACKMAN), sym=sym, **options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Nuttall's window of three cosines, with side lobes below -93 dB.

    A. Nuttall, Some windows with very good sidelobe behavior, 1981.

    >>> rg.signal.windows.nuttall(5)[1:4]
    tensor([0.2270, 1.0000, 0.2270])
    """
    return _symmetric("nuttall", M, _sum_of(NUTTALL), sym=sym, **options)


def bartlett(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Bartlett's window, a triangle that is 0 at both ends: ``1 - |2n / (M - 1) - 1|``.

    >>> rg.signal.windows.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _symmetric("bartlett", M, _triangle, sym=sym, **options)


def cosine(M: int, *, sym: bool = True, **options: Any) -> Any:
    """Half a sine wave, ``sin(π (n + 1/2) / M)``.

    >>> rg.signal.windows.cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """

    def wave(n: Any, last: int) -> Any:
        return np.sin(math.pi / (last + 1) * (n + 0.5))

    return _symmetric("cosine", M, wave, sym=sym, **options)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **options: Any
) -> Any:  # fmt: skip
    """Exponential decay from ``center`` to both sides, ``exp(-|n - center| / tau)``.

    The center of a symmetric window is the middle; none may be given.

    >>> rg.signal.windows.exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    if tau <= 0:
        raise ValueError(f"exponential: Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError(f"exponential: Center must be None for symmetric windows, got {center}")

    def decay(n: Any, last: int) -> Any:
        return np.exp(-np.abs(n - (last / 2 if center is None else center)) / tau)

    return _symmetric("exponential", M, decay, sym=sym, **options)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **options: Any) -> Any:
    """Gaussian bell around the middle, ``exp(-((n - (M - 1) / 2) / std)² / 2)``.

    >>> rg.signal.windows.gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    if std <= 0:
        raise ValueError(f"gaussian: Standard deviation must be positive, got: {std} instead.")

    def bell(n: Any, last: int) -> Any:
        return np.exp(-0.5 * ((n - last / 2) / std) ** 2)

    return _symmetric("gaussian", M, bell, sym=sym, **options)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **options: Any) -> Any:
    """Kaiser's window, ``I₀(β √(1 - x²)) / I₀(β)`` with x from -1 to 1; the larger ``beta``, the narrower.

    >>> rg.signal.windows.kaiser(3, beta=2.)
    tensor([0.4387, 1.0000, 0.4387])
    """
    if beta < 0:
        raise ValueError(f"kaiser: beta must be non-negative, got: {beta} instead.")
    return _symmetric("kaiser", M, _bulge(beta), sym=sym, **options)


# -- rg


def _periodic(
    name: str, length: int, periodic: bool, shape: Shape, *, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Any:  # fmt: skip
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if not hasattr(length, "__index__"):
        raise TypeError(f"{name}(): argument 'window_length' must be int, not {type(length).__name__}")
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    strided_only(name, layout)
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    check_device(device)
    last = length if periodic and length > 1 else max(length - 1, 0)
    return finish(shape(np.arange(length, dtype="f8"), last).astype(dtype.np), requires_grad)


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Any:
    """Hann's window, ``sin²(π n / N)`` with N the ``window_length``, or one less if not ``periodic``.

    Takes ``dtype``, ``device`` and ``requires_grad``.

    >>> rg.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _periodic("hann_window", window_length, periodic, _sum_of(HANN), **options)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **options: Any
) -> Any:  # fmt: skip
    """Hamming's window, ``alpha - beta cos(2π n / N)``, with N as in `hann_window`.

    >>> rg.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    return _periodic("hamming_window", window_length, periodic, _sum_of((alpha, beta)), **options)


def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Any:
    """Blackman's window, ``0.42 - 0.5 cos(x) + 0.08 cos(2x)`` with ``x = 2π n / N``, N as in `hann_window`.

    >>> rg.blackman_window(4)[1:]
    tensor([0.3400, 1.0000, 0.3400])
    """
    return _periodic("blackman_window", window_length, periodic, _sum_of(BLACKMAN), **options)


def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Any:
    """Bartlett's window, a triangle ``1 - |2n / N - 1|``, with N as in `hann_window`.

    >>> rg.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _periodic("bartlett_window", window_length, periodic, _triangle, **options)


def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any) -> Any:
    """Kaiser's window, ``I₀(β √(1 - (2n / N - 1)²)) / I₀(β)``, with N as in `hann_window`.

    >>> rg.kaiser_window(4, beta=2.)
    tensor([0.4387, 0.8348, 1.0000, 0.8348])
    """
    return _periodic("kaiser_window", window_length, periodic, _bulge(beta), **options)
