"""Signal processing under the names of ``torch.signal``: the windows, in `regrad.signal.windows`."""

from __future__ import annotations

from regrad.signal import windows

__all__ = ["windows"]
