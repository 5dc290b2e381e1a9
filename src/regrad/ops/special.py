"""Special functions, element by element. Start reading at `erf`.

Formulas and values at the edges are those of https://docs.pytorch.org/docs/stable/special.html.
"""

from __future__ import annotations

import math

from regrad.declare import elementwise
from regrad.kernels.reference import special as kernels
from regrad.ops.exponential import exp

__all__ = ["digamma", "erf", "erfc", "erfinv", "lgamma", "polygamma"]

TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)
HALF_SQRT_PI = math.sqrt(math.pi) / 2


# -- error functions


@elementwise(kernel=kernels.erf, dtype="float", x=lambda g, x: g * (TWO_OVER_SQRT_PI * exp(-(x * x))))
def erf(x):
    """Error function ``2 / sqrt(π) ∫₀ˣ exp(-t²) dt`` of each element.

    >>> rg.erf(rg.tensor([0., 1.]))
    tensor([0.0000, 0.8427])
    """


@elementwise(kernel=kernels.erfc, dtype="float", x=lambda g, x: g * (-TWO_OVER_SQRT_PI * exp(-(x * x))))
def erfc(x):
    """``1 - erf(x)`` of each element, exact also for large ``x``.

    >>> rg.erfc(rg.tensor([0., 1.]))
    tensor([1.0000, 0.1573])
    """


@elementwise(kernel=kernels.erfinv, dtype="float", x=lambda g, x: g * (HALF_SQRT_PI * _exp_square(erfinv(x))))
def erfinv(x):
    """The number whose `erf` is the element, for elements from -1 to 1.

    >>> rg.erfinv(rg.tensor([0., 0.5]))
    tensor([0.0000, 0.4769])
    """


def _exp_square(x):
    return exp(x * x)


# -- the gamma function


@elementwise(kernel=kernels.lgamma, dtype="float", x=lambda g, x: g * digamma(x))
def lgamma(x):
    """``log |Γ(x)|`` of each element.

    >>> rg.lgamma(rg.tensor([1., 5.]))
    tensor([0.0000, 3.1781])
    """


@elementwise(kernel=kernels.digamma, dtype="float", x=lambda g, x: g * polygamma(1, x))
def digamma(x):
    """Derivative of ``log Γ(x)`` at each element.

    >>> rg.digamma(rg.tensor([1., 0.5]))
    tensor([-0.5772, -1.9635])
    """


@elementwise(name="polygamma", dtype="float", x=lambda g, x, *, order: g * polygamma(order + 1, x))
def derivative_of_digamma(x, *, order):
    """Derivative number ``order`` of `digamma` at each element."""
    return kernels.polygamma(order, x)


def polygamma(n, input):
    """Derivative number ``n`` of `digamma` at each element.

    >>> rg.polygamma(1, rg.tensor([1., 0.5]))
    tensor([1.6449, 4.9348])
    """
    return derivative_of_digamma(input, order=n)


METHODS = {"digamma": digamma, "erf": erf, "erfc": erfc, "erfinv": erfinv, "lgamma": lgamma}
INPLACE = ("digamma", "erf", "erfc", "erfinv", "lgamma")
