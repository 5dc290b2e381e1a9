"""Rounding to whole numbers, element by element: steps, whose gradient is 0. Start reading at `floor`."""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad.declare import elementwise
from regrad.kernels.reference import elementwise as kernels
from regrad.ops.arithmetic import zero

__all__ = ["ceil", "fix", "floor", "frac", "round", "trunc"]


@elementwise(kernel=kernels.unrounded("floor", np.floor), x=lambda g: zero(g))
def floor(x):
    """Greatest whole number not above each element.

    >>> rg.floor(rg.tensor([-1.5, 1.5]))
    tensor([-2.,  1.])
    """


@elementwise(kernel=kernels.unrounded("ceil", np.ceil), x=lambda g: zero(g))
def ceil(x):
    """Least whole number not below each element.

    >>> rg.ceil(rg.tensor([-1.5, 1.5]))
    tensor([-1.,  2.])
    """


@elementwise(kernel=kernels.unrounded("trunc", np.trunc), x=lambda g: zero(g))
def trunc(x):
    """Whole part of each element: rounding towards zero.

    >>> rg.trunc(rg.tensor([-1.5, 1.5]))
    tensor([-1.,  1.])
    """


fix = trunc


@elementwise(kernel=kernels.frac, x=lambda g: g)
def frac(x):
    """What each element has beside its whole part, ``x - trunc(x)``.

    >>> rg.frac(rg.tensor([-1.5, 1.25]))
    tensor([-0.5000,  0.2500])
    """


@elementwise(kernel=kernels.unrounded("round", np.rint), name="round", x=lambda g: zero(g))
def nearest(x):
    """Whole number nearest to each element, the even one of two."""


@elementwise(kernel=kernels.round_decimals, grad_name="RoundBackward1", x=lambda g: zero(g))
def round_decimals(x, *, decimals):
    """Each element rounded to a number of decimals."""


def round(input: Any, *, decimals: int = 0) -> Any:
    """Whole number nearest to each element, or nearest multiple of ``10 ** -decimals``; of two, the even one.

    >>> rg.round(rg.tensor([0.5, 1.5, 2.345])), rg.round(rg.tensor([2.345]), decimals=1)
    (tensor([0., 2., 2.]), tensor([2.3000]))
    """
    return round_decimals(input, decimals=decimals) if decimals else nearest(input)


METHODS = {name: globals()[name] for name in __all__}
INPLACE = tuple(__all__)
