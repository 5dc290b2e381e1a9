"""Functions of neural networks: activations, losses, convolutions, norms."""

from __future__ import annotations

from regrad import ops as _ops

for _m in _ops.modules():
    for _n in getattr(_m, "FUNCTIONAL", ()):
        globals()[_n] = getattr(_m, _n)
