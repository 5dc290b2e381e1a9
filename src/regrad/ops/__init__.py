"""What can be computed, one module per family.

Each module lists its public functions (``__all__``), tensor methods (``METHODS``, ``PROPERTIES``), methods that also
exist in place (``INPLACE``) and functions of neural networks (``FUNCTIONAL``). A new family gets its line here. Start
reading at `arithmetic`; `core` and `writing` are what the others stand on.
"""

from __future__ import annotations

from types import ModuleType

from regrad.ops import (
    activation, arguments, arithmetic, attention, choosing, comparison, complexes, conversion, convolution, core,
    creation, einsum, exponential, fourier, indexing, joining, layout, linalg, loss, masked_reduction, matmul,
    normalization, padding, pooling, random, recurrent, reduction, resampling, return_types, rounding, scan, scattering,
    selection, shaping, sorting, special, spectrogram, statistics, subscripts, trigonometric, windows, writing,
)  # fmt: skip

__all__ = ["MODULES"]

MODULES: tuple[ModuleType, ...] = (
    activation, arguments, arithmetic, attention, choosing, comparison, complexes, conversion, convolution, core,
    creation, einsum, exponential, fourier, indexing, joining, layout, linalg, loss, masked_reduction, matmul,
    normalization, padding, pooling, random, recurrent, reduction, resampling, return_types, rounding, scan, scattering,
    selection, shaping, sorting, special, spectrogram, statistics, subscripts, trigonometric, windows, writing,
)  # fmt: skip
