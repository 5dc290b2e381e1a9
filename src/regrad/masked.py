"""Reductions and normalisations of the elements under a mask, under the names of ``torch.masked``.

>>> rg.masked.mean(rg.tensor([1., 2., 9.]), mask=rg.tensor([True, True, False]))
tensor(1.5000)
"""

from __future__ import annotations

from regrad.ops.masked_reduction import (
    amax,
    amin,
    argmax,
    argmin,
    cumprod,
    cumsum,
    log_softmax,
    logaddexp,
    logsumexp,
    mean,
    median,
    norm,
    normalize,
    prod,
    softmax,
    softmin,
    std,
    sum,
    var,
)  # fmt: skip

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean",
    "median", "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip
