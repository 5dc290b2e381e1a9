"""Discrete Fourier transforms under the names of ``torch.fft``: https://docs.pytorch.org/docs/stable/fft.html.

>>> rg.fft.fft(rg.tensor([1., 0.]))
tensor([1.+0.j, 1.+0.j])
"""

from __future__ import annotations  # noqa: I001 - a name a line would fill a screen

from regrad.ops.fourier import (
    fft, fft2, fftfreq, fftn, fftshift, hfft, hfft2, hfftn, ifft, ifft2, ifftn, ifftshift, ihfft, ihfft2,
    ihfftn, irfft, irfft2, irfftn, rfft, rfft2, rfftfreq, rfftn,
)  # fmt: skip

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn",
    "ifftshift", "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq",
    "rfftn",
]  # fmt: skip
