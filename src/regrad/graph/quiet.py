"""NumPy's floating-point warnings, switched off around kernels: PyTorch's ops say nothing about nan and inf.

`numpy.errstate` costs more than a small op. NumPy keeps its state in a context variable, so the same switch is two
context-variable writes; where a NumPy hides that variable, `numpy.errstate` does the work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["QUIET", "quiet_reset", "quiet_set"]

QUIET: Any
quiet_set: Callable[[Any], Any]
quiet_reset: Callable[[Any], Any]

try:
    from numpy._core.umath import _extobj_contextvar, _make_extobj

    QUIET = _make_extobj(all="ignore")
    quiet_set = _extobj_contextvar.set
    quiet_reset = _extobj_contextvar.reset
except ImportError:  # pragma: no cover - a NumPy that keeps its error state elsewhere
    QUIET = {"all": "ignore"}

    def quiet_set(state: Any) -> Any:
        """Switch the warnings off; what is returned switches them back."""
        return np.seterr(**state)

    def quiet_reset(token: Any) -> None:
        """Switch the warnings back to what they were."""
        np.seterr(**token)
