"""Regrad: automatic differentiation in which the lifetime of the graph is yours to see and control."""

from __future__ import annotations

from regrad import ops as _ops
from regrad.autograd import grad
from regrad.dtypes import *  # noqa: F403
from regrad.errors import *  # noqa: F403
from regrad.tensor import Tensor

for _m in _ops.modules():
    for _n in getattr(_m, "__all__", ()):
        globals().setdefault(_n, getattr(_m, _n))


def tensor(data, dtype=None, requires_grad=False):
    import numpy as np

    from regrad import dtypes
    from regrad.graph.value import wrap

    a = np.array(data, dtype=None if dtype is None else dtypes.to_numpy(dtype))
    if dtype is None and not isinstance(data, np.ndarray) and a.dtype == np.float64:
        a = a.astype(dtypes.to_numpy(dtypes.get_default_dtype()))
    t = wrap(a)
    return t.requires_grad_() if requires_grad else t


from regrad import autograd, nn  # noqa: E402
