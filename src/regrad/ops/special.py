"""Special functions, element by element: error functions, gamma and Bessel families, orthogonal polynomials.

Formulas and values at the edges are those of https://docs.pytorch.org/docs/stable/special.html. As there, the
Airy function, the polynomials and the Bessel functions named in full are not differentiated: their results
carry no gradient. They come last. Start reading at `erf`.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from regrad.declare import elementwise
from regrad.graph.value import Value
from regrad.kernels.reference import special as kernels
from regrad.kernels.reference.elementwise import limited, refusal
from regrad.ops.arguments import tensors_only
from regrad.ops.arithmetic import sign
from regrad.ops.choosing import only, unless
from regrad.ops.exponential import exp, log

__all__ = [
    "digamma", "erf", "erfc", "erfinv", "i0", "igamma", "igammac", "lgamma", "mvlgamma", "polygamma", "sinc",
]  # fmt: skip

TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)
HALF_SQRT_PI = math.sqrt(math.pi) / 2
SQRT_TAU = math.sqrt(2 * math.pi)
NEAR_ZERO = 2.0**-52  # where I1(x) / x is taken for its limit


# The kernels silence NumPy's warnings themselves.
on_floats: Any = functools.partial(elementwise, dtype="float", quiet=False)


def real(name: str) -> Any:
    """The kernel ``name``, for all numbers but complex ones."""
    return limited(name, "biuf", getattr(kernels, name))


def _undefined(argument: str) -> Any:
    """The rule of an argument without a derivative."""
    raise NotImplementedError(f"the derivative for '{argument}' is not implemented; detach that "
                              "argument if no gradient should flow through it")


# -- error functions and the normal distribution


@on_floats(kernel=real("erf"), x=lambda g, x: g * (TWO_OVER_SQRT_PI * exp(-(x * x))))
def erf(x):
    """Error function ``2 / √π ∫₀ˣ exp(-t²) dt`` of each element.

    >>> rg.erf(rg.tensor([0., 1.]))
    tensor([0.0000, 0.8427])
    """


@on_floats(kernel=real("erfc"), x=lambda g, x: g * (-TWO_OVER_SQRT_PI * exp(-(x * x))))
def erfc(x):
    """``1 - erf(x)`` of each element, exact also for large ``x``.

    >>> rg.erfc(rg.tensor([0., 1.]))
    tensor([1.0000, 0.1573])
    """


@on_floats(kernel=real("erfcx"), grad_name="SpecialErfcxBackward0",
             x=lambda g, x, out: g * (2 * x * out - TWO_OVER_SQRT_PI))  # fmt: skip
def erfcx(x):
    """``exp(x²) erfc(x)`` of each element, which neither vanishes nor overflows for large ``x``.

    >>> rg.special.erfcx(rg.tensor([0., 100.]))
    tensor([1.0000, 0.0056])
    """


@on_floats(kernel=real("erfinv"), x=lambda g, x: g * (HALF_SQRT_PI * exp(erfinv(x) * erfinv(x))))
def erfinv(x):
    """The number whose `erf` is the element, for elements from -1 to 1; nan outside.

    >>> rg.erfinv(rg.tensor([0., 0.5]))
    tensor([0.0000, 0.4769])
    """


@on_floats(kernel=real("ndtr"), x=lambda g, x: g * (exp(x * x * -0.5) / SQRT_TAU))
def ndtr(x):
    """The probability that a standard normal number is at most the element.

    >>> rg.special.ndtr(rg.tensor([0., 1.96]))
    tensor([0.5000, 0.9750])
    """


@on_floats(kernel=real("ndtri"), grad_name="SpecialNdtriBackward0",
             x=lambda g, out: g * (SQRT_TAU * exp(out * out * 0.5)))  # fmt: skip
def ndtri(x):
    """The number below which a standard normal one is with the probability given: the inverse of `ndtr`.

    >>> rg.special.ndtri(rg.tensor([0.5, 0.975]))
    tensor([0.0000, 1.9600])
    """


@on_floats(kernel=real("log_ndtr"), grad_name="SpecialLogNdtrBackward0",
             x=lambda g, x: g * (2 / SQRT_TAU) / erfcx(x * -math.sqrt(0.5)))  # fmt: skip
def log_ndtr(x):
    """``log(ndtr(x))`` of each element, exact also far to the left.

    >>> rg.special.log_ndtr(rg.tensor([0., -100.]))
    tensor([-6.9315e-01, -5.0055e+03])
    """


# -- the gamma function and its relatives


@on_floats(kernel=real("lgamma"), x=lambda g, x: g * digamma(x))
def lgamma(x):
    """``log |Γ(x)|`` of each element.

    >>> rg.lgamma(rg.tensor([1., 5.]))
    tensor([0.0000, 3.1781])
    """


@on_floats(kernel=real("digamma"), x=lambda g, x: g * polygamma(1, x))
def digamma(x):
    """Derivative of ``log Γ(x)`` at each element.

    >>> rg.digamma(rg.tensor([1., 0.5]))
    tensor([-0.5772, -1.9635])
    """


@on_floats(name="polygamma", x=lambda g, x, *, order: g * polygamma(order + 1, x))
def derivative_of_digamma(x, *, order):
    """Derivative number ``order`` of `digamma` at each element."""
    if x.dtype.kind == "c":
        raise refusal("polygamma", x.dtype, "biuf")
    return kernels.polygamma(order, x)


def polygamma(n: int, input: Any) -> Any:
    """Derivative number ``n`` of `digamma` at each element; as a method, ``x.polygamma(n)``.

    >>> rg.polygamma(1, rg.tensor([1., 0.5]))
    tensor([1.6449, 4.9348])
    """
    if type(n) is not int:
        raise TypeError(f"polygamma(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, and n is {n}; 0 is digamma itself")
    return derivative_of_digamma(input, order=n)


def _polygamma_method(self: Any, n: int) -> Any:
    """`polygamma` of order ``n`` of each element.

    >>> rg.tensor([1., 0.5]).polygamma(1)
    tensor([1.6449, 4.9348])
    """
    return polygamma(n, self)


def _sum_of_digammas(x: Any, p: int) -> Any:
    total = digamma(x)
    for k in range(1, p):
        total = total + digamma(x - k / 2)
    return total


@on_floats(name="mvlgamma", x=lambda g, x, *, p: g * _sum_of_digammas(x, p))
def multivariate_lgamma(x, *, p):
    """``log Γₚ(x)`` of each element."""
    if x.dtype.kind == "c":
        raise refusal("mvlgamma", x.dtype, "iuf")
    return kernels.multigammaln(x, p=p)


def mvlgamma(input: Any, p: int) -> Any:
    """``log Γₚ(x) = p (p - 1) / 4 log π + Σ log Γ(x - k / 2)`` of each element, summed over k below ``p``.

    >>> rg.mvlgamma(rg.tensor([2., 5.]), 2)
    tensor([0.4516, 6.2042])
    """
    if type(p) is not int:
        raise TypeError(f"mvlgamma(): argument 'p' (position 2) must be int, not {type(p).__name__}")
    if p < 1:
        raise RuntimeError(f"mvlgamma: p has to be greater than or equal to 1, and is {p}")
    if isinstance(input, Value) and input.array.dtype.kind == "b":
        raise RuntimeError("mvlgamma: The input tensor may not be a boolean tensor; convert it by .float()")
    return multivariate_lgamma(input, p=p)


def _gamma_density(a: Any, x: Any) -> Any:
    return exp((a - 1) * log(x) - x - lgamma(a))


@tensors_only
@elementwise(kernel=limited("igamma", "f", kernels.igamma), quiet=False,
             a=lambda g: _undefined("igamma: input"),
             x=lambda g, a, x: g * _gamma_density(a, x))  # fmt: skip
def igamma(a, x):
    """Regularised lower incomplete gamma function ``1 / Γ(a) ∫₀ˣ tᵃ⁻¹ exp(-t) dt`` of each pair.

    Neither is negative. The function is differentiable by the second; the upper one is `igammac`.

    >>> rg.igamma(rg.tensor([1., 4.]), rg.tensor([1., 5.]))
    tensor([0.6321, 0.7350])
    """


@tensors_only
@elementwise(kernel=limited("igammac", "f", kernels.igammac), quiet=False,
             a=lambda g: _undefined("igammac: input"),
             x=lambda g, a, x: -g * _gamma_density(a, x))  # fmt: skip
def igammac(a, x):
    """Regularised upper incomplete gamma function ``1 / Γ(a) ∫ₓ^∞ tᵃ⁻¹ exp(-t) dt`` of each pair.

    It is ``1 - igamma(a, x)``, exact also where that is small, and differentiable by the second argument.

    >>> rg.igammac(rg.tensor([1., 4.]), rg.tensor([1., 5.]))
    tensor([0.3679, 0.2650])
    """


@on_floats(kernel=real("zeta"), grad_name="SpecialZetaBackward0",
             x=lambda g: _undefined("zeta"),
             q=lambda g, x, q: -g * x * zeta(x + 1, q))  # fmt: skip
def zeta(x, q):
    """Hurwitz zeta function ``Σ (k + q)⁻ˣ`` of each pair, summed over k from 0 on; differentiable by ``q``.

    >>> rg.special.zeta(rg.tensor([2., 4.]), 1)
    tensor([1.6449, 1.0823])
    """


# -- products with a logarithm, and sinc


@on_floats(kernel=real("entr"), grad_name="SpecialEntrBackward0", x=lambda g, x: -g * (1 + log(x)))
def entr(x):
    """Entropy ``-x log(x)`` of each element; 0 at 0, -inf for a negative number.

    >>> rg.special.entr(rg.tensor([0., 0.5, -1.]))
    tensor([0.0000, 0.3466,   -inf])
    """


@on_floats(kernel=real("xlog1py"), grad_name="SpecialXlog1PyBackward0",
             x=lambda g, x, y: unless(xlog1py(g, y), (x == 0) & (y <= -1)),
             y=lambda g, x, y: g * x / (y + 1))  # fmt: skip
def xlog1py(x, y):
    """``x log(1 + y)`` of each pair of elements; 0 where ``x`` is 0.

    >>> rg.special.xlog1py(rg.tensor([0., 2.]), rg.tensor([-1., 1.]))
    tensor([0.0000, 1.3863])
    """


@on_floats(kernel=kernels.sinc, x=lambda g, x: g * (-math.pi * sinc_wave(x, order=1)))
def sinc(x):
    """``sin(πx) / (πx)`` of each element; 1 at 0.

    >>> rg.sinc(rg.tensor([0., 0.5]))
    tensor([1.0000, 0.6366])
    """


@elementwise(kernel=kernels.sinc_wave, quiet=False, x=lambda g, x, *, order: g * _slope_of_wave(x, order))
def sinc_wave(x, *, order):
    """Spherical Bessel function ``j(πx)`` of order 1 or more: derivatives of `sinc` are sums of these."""


def _slope_of_wave(x: Any, order: int) -> Any:  # DLMF 10.51.1, which divides by no x and so holds at 0
    below = sinc(x) if order == 1 else sinc_wave(x, order=order - 1)
    return (order * below - (order + 1) * sinc_wave(x, order=order + 1)) * (math.pi / (2 * order + 1))


# -- modified Bessel functions of the first kind


@on_floats(kernel=real("i0"), x=lambda g, x: g * i1(x))
def i0(x):
    """Modified Bessel function of the first kind and order 0, ``I₀(x)``, of each element.

    >>> rg.i0(rg.tensor([0., 1.]))
    tensor([1.0000, 1.2661])
    """


@on_floats(kernel=real("i0e"), grad_name="SpecialI0EBackward0",
             x=lambda g, x, out: g * (i1e(x) - sign(x) * out))  # fmt: skip
def i0e(x):
    """``exp(-|x|) I₀(x)`` of each element, which does not overflow.

    >>> rg.special.i0e(rg.tensor([0., 100.]))
    tensor([1.0000, 0.0399])
    """


def _away_from_zero(x: Any) -> tuple[Any, Any]:
    """Where ``x`` may be divided by, and ``x`` with a 1 elsewhere."""
    far = abs(x) > NEAR_ZERO
    return far, only(x, far, 1)


def _slope_of_i1(x: Any, out: Any) -> Any:
    far, safe = _away_from_zero(x)
    return only(i0(safe) - out / safe, far, 0.5)


def _slope_of_i1e(x: Any, out: Any) -> Any:
    far, safe = _away_from_zero(x)
    return only(i0e(safe) - out * (sign(safe) + 1 / safe), far, 0.5)


@on_floats(kernel=real("i1"), grad_name="SpecialI1Backward0",
             x=lambda g, x, out: g * _slope_of_i1(x, out))  # fmt: skip
def i1(x):
    """Modified Bessel function of the first kind and order 1, ``I₁(x)``, of each element.

    >>> rg.special.i1(rg.tensor([0., 1.]))
    tensor([0.0000, 0.5652])
    """


@on_floats(kernel=real("i1e"), grad_name="SpecialI1EBackward0",
             x=lambda g, x, out: g * _slope_of_i1e(x, out))  # fmt: skip
def i1e(x):
    """``exp(-|x|) I₁(x)`` of each element, which does not overflow.

    >>> rg.special.i1e(rg.tensor([0., 100.]))
    tensor([0.0000, 0.0397])
    """


# -- functions without a derivative


@on_floats(kernel=real("airy_ai"))
def airy_ai(x):
    """Airy function ``Ai(x)`` of each element; without a gradient.

    >>> rg.special.airy_ai(rg.tensor([0., 1.]))
    tensor([0.3550, 0.1353])
    """


@on_floats(kernel=real("bessel_j0"))
def bessel_j0(x):
    """Bessel function of the first kind and order 0, ``J₀(x)``, of each element; without a gradient.

    >>> rg.special.bessel_j0(rg.tensor([0., 1.]))
    tensor([1.0000, 0.7652])
    """


@on_floats(kernel=real("bessel_j1"))
def bessel_j1(x):
    """Bessel function of the first kind and order 1, ``J₁(x)``, of each element; without a gradient.

    >>> rg.special.bessel_j1(rg.tensor([0., 1.]))
    tensor([0.0000, 0.4401])
    """


@on_floats(kernel=real("bessel_y0"))
def bessel_y0(x):
    """Bessel function of the second kind and order 0, ``Y₀(x)``, of each element; without a gradient.

    >>> rg.special.bessel_y0(rg.tensor([0., 1.]))
    tensor([  -inf, 0.0883])
    """


@on_floats(kernel=real("bessel_y1"))
def bessel_y1(x):
    """Bessel function of the second kind and order 1, ``Y₁(x)``, of each element; without a gradient.

    >>> rg.special.bessel_y1(rg.tensor([0., 1.]))
    tensor([   -inf, -0.7812])
    """


@on_floats(kernel=real("modified_bessel_i0"))
def modified_bessel_i0(x):
    """``I₀(x)`` of each element, as `i0`, but without a gradient.

    >>> rg.special.modified_bessel_i0(rg.tensor([0., 1.]))
    tensor([1.0000, 1.2661])
    """


@on_floats(kernel=real("modified_bessel_i1"))
def modified_bessel_i1(x):
    """``I₁(x)`` of each element, as `i1`, but without a gradient.

    >>> rg.special.modified_bessel_i1(rg.tensor([0., 1.]))
    tensor([0.0000, 0.5652])
    """


@on_floats(kernel=real("modified_bessel_k0"))
def modified_bessel_k0(x):
    """Modified Bessel function of the second kind, ``K₀(x)``, of each element; without a gradient.

    >>> rg.special.modified_bessel_k0(rg.tensor([0., 1.]))
    tensor([   inf, 0.4210])
    """


@on_floats(kernel=real("modified_bessel_k1"))
def modified_bessel_k1(x):
    """Modified Bessel function of the second kind, ``K₁(x)``, of each element; without a gradient.

    >>> rg.special.modified_bessel_k1(rg.tensor([0., 1.]))
    tensor([   inf, 0.6019])
    """


@on_floats(kernel=real("scaled_modified_bessel_k0"))
def scaled_modified_bessel_k0(x):
    """``exp(x) K₀(x)`` of each element; without a gradient.

    >>> rg.special.scaled_modified_bessel_k0(rg.tensor([1., 100.]))
    tensor([1.1445, 0.1252])
    """


@on_floats(kernel=real("scaled_modified_bessel_k1"))
def scaled_modified_bessel_k1(x):
    """``exp(x) K₁(x)`` of each element; without a gradient.

    >>> rg.special.scaled_modified_bessel_k1(rg.tensor([1., 100.]))
    tensor([1.6362, 0.1258])
    """


@on_floats(kernel=real("spherical_bessel_j0"))
def spherical_bessel_j0(x):
    """Spherical Bessel function ``sin(x) / x`` of order 0 of each element; without a gradient, unlike `sinc`.

    >>> rg.special.spherical_bessel_j0(rg.tensor([0., 1.]))
    tensor([1.0000, 0.8415])
    """


# -- orthogonal polynomials, also without a derivative


def of_degree(op: Any) -> Any:
    """The polynomial ``op`` under the names that users give its arguments; one of the two is a tensor."""

    @functools.wraps(op)
    def polynomial(input: Any, n: Any) -> Any:
        return op(input, n)

    return polynomial


@of_degree
@on_floats(kernel=real("chebyshev_polynomial_t"))
def chebyshev_polynomial_t(x, n):
    """Chebyshev polynomial of the first kind, ``Tₙ(cos θ) = cos(nθ)``, of degree ``n``.

    >>> rg.special.chebyshev_polynomial_t(rg.tensor([0.25, 0.5]), 3)
    tensor([-0.6875, -1.0000])
    """


@of_degree
@on_floats(kernel=real("chebyshev_polynomial_u"))
def chebyshev_polynomial_u(x, n):
    """Chebyshev polynomial of the second kind, ``Uₙ(cos θ) = sin((n + 1) θ) / sin(θ)``, of degree ``n``.

    >>> rg.special.chebyshev_polynomial_u(rg.tensor([0.25, 0.5]), 3)
    tensor([-0.8750, -1.0000])
    """


@of_degree
@on_floats(kernel=real("chebyshev_polynomial_v"))
def chebyshev_polynomial_v(x, n):
    """Chebyshev polynomial of the third kind, ``Vₙ(cos θ) = cos((n + ½) θ) / cos(θ / 2)``, of degree ``n``.

    >>> rg.special.chebyshev_polynomial_v(rg.tensor([0.25, 0.5]), 3)
    tensor([-0.1250, -1.0000])
    """


@of_degree
@on_floats(kernel=real("chebyshev_polynomial_w"))
def chebyshev_polynomial_w(x, n):
    """Chebyshev polynomial of the fourth kind, ``Wₙ(cos θ) = sin((n + ½) θ) / sin(θ / 2)``, of degree ``n``.

    >>> rg.special.chebyshev_polynomial_w(rg.tensor([0.25, 0.5]), 3)
    tensor([-1.6250, -1.0000])
    """


@of_degree
@on_floats(kernel=real("shifted_chebyshev_polynomial_t"))
def shifted_chebyshev_polynomial_t(x, n):
    """Chebyshev polynomial of the first kind at ``2x - 1``, for ``x`` from 0 to 1, of degree ``n``.

    >>> rg.special.shifted_chebyshev_polynomial_t(rg.tensor([0.25, 0.5]), 3)
    tensor([1., -0.])
    """


@of_degree
@on_floats(kernel=real("shifted_chebyshev_polynomial_u"))
def shifted_chebyshev_polynomial_u(x, n):
    """Chebyshev polynomial of the second kind at ``2x - 1``, for ``x`` from 0 to 1, of degree ``n``.

    >>> rg.special.shifted_chebyshev_polynomial_u(rg.tensor([0.25, 0.5]), 3)
    tensor([1., -0.])
    """


@of_degree
@on_floats(kernel=real("shifted_chebyshev_polynomial_v"))
def shifted_chebyshev_polynomial_v(x, n):
    """Chebyshev polynomial of the third kind at ``2x - 1``, for ``x`` from 0 to 1, of degree ``n``.

    >>> rg.special.shifted_chebyshev_polynomial_v(rg.tensor([0.25, 0.5]), 3)
    tensor([1., 1.])
    """


@of_degree
@on_floats(kernel=real("shifted_chebyshev_polynomial_w"))
def shifted_chebyshev_polynomial_w(x, n):
    """Chebyshev polynomial of the fourth kind at ``2x - 1``, for ``x`` from 0 to 1, of degree ``n``.

    >>> rg.special.shifted_chebyshev_polynomial_w(rg.tensor([0.25, 0.5]), 3)
    tensor([ 1., -1.])
    """


@of_degree
@on_floats(kernel=real("hermite_polynomial_h"))
def hermite_polynomial_h(x, n):
    """Hermite polynomial of the physicists, ``Hₙ₊₁ = 2x Hₙ - 2n Hₙ₋₁``, of degree ``n``.

    >>> rg.special.hermite_polynomial_h(rg.tensor([0.25, 0.5]), 3)
    tensor([-2.8750, -5.0000])
    """


@of_degree
@on_floats(kernel=real("hermite_polynomial_he"))
def hermite_polynomial_he(x, n):
    """Hermite polynomial of the statisticians, ``Heₙ₊₁ = x Heₙ - n Heₙ₋₁``, of degree ``n``.

    >>> rg.special.hermite_polynomial_he(rg.tensor([0.25, 0.5]), 3)
    tensor([-0.7344, -1.3750])
    """


@of_degree
@on_floats(kernel=real("laguerre_polynomial_l"))
def laguerre_polynomial_l(x, n):
    """Laguerre polynomial, ``(n + 1) Lₙ₊₁ = (2n + 1 - x) Lₙ - n Lₙ₋₁``, of degree ``n``.

    >>> rg.special.laguerre_polynomial_l(rg.tensor([0.25, 0.5]), 3)
    tensor([ 0.3411, -0.1458])
    """


@of_degree
@on_floats(kernel=real("legendre_polynomial_p"))
def legendre_polynomial_p(x, n):
    """Legendre polynomial, ``(n + 1) Pₙ₊₁ = (2n + 1) x Pₙ - n Pₙ₋₁``, of degree ``n``.

    >>> rg.special.legendre_polynomial_p(rg.tensor([0.25, 0.5]), 3)
    tensor([-0.3359, -0.4375])
    """


METHODS = {
    "digamma": digamma, "erf": erf, "erfc": erfc, "erfinv": erfinv, "i0": i0, "igamma": igamma,
    "igammac": igammac, "lgamma": lgamma, "mvlgamma": mvlgamma, "polygamma": _polygamma_method, "sinc": sinc,
}  # fmt: skip
INPLACE = (
    "digamma", "erf", "erfc", "erfinv", "i0", "igamma", "igammac", "lgamma", "mvlgamma", "polygamma", "sinc",
)  # fmt: skip
