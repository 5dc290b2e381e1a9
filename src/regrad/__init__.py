"""Regrad: automatic differentiation in which the lifetime of the graph is yours to see and control."""

from __future__ import annotations

from regrad import ops as _ops
from regrad.autograd import *  # noqa: F403
from regrad.dtypes import *  # noqa: F403
from regrad.errors import *  # noqa: F403
from regrad.printing import set_printoptions
from regrad.shapes import Size
from regrad.saving import dumps, loads
from regrad.tensor import Tensor, device

for _m in _ops.modules():
    for _n in getattr(_m, "__all__", ()):
        globals()[_n] = getattr(_m, _n, None)

from regrad import autograd, nn  # noqa: E402
import importlib.util as _u
for _n in ("linalg", "masked", "special", "fft", "signal", "random", "func", "graph"):
    if _u.find_spec("regrad." + _n):
        globals()[_n] = __import__("regrad." + _n, fromlist=["x"])
