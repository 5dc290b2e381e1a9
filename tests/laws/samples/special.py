"""Samples of the special functions, on both sides of the points where a kernel changes its formula.

Their values are held to tables in `tests/unit/kernels/test_special.py`. Here many are compared once more with
a series or an integral, and those that have derivatives with their differences.
"""

import math

import numpy as np
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre

from tests.laws.sample import Refused, Sample, complexes, integers, positive, uniform

AROUND = np.linspace(-4.3, 4.1, 12).reshape(3, 4)  # zero and the whole numbers are not among them
UPRIGHT = np.linspace(0.15, 12.4, 12).reshape(4, 3)
DEGREES = np.array([[0.0], [1.0], [2.0], [5.0], [11.0]])
INSIDE = np.array([-0.93, -0.4, 0.1, 0.75])
KINK = Sample(np.zeros(2), second=False)


def each(function):
    """A function of a number as one of arrays."""
    return np.vectorize(function, otypes=["f8"])


def smooth(*arrays, expect=None, more=()):
    """Samples of a function of one argument, ``more`` among them."""
    inputs = (*arrays, arrays[0][:0], np.asarray(arrays[0].reshape(-1)[0]))
    return [*[Sample(x, expect=expect) for x in inputs], *more]


def refused(name):
    """A complex number, which most of these functions do not take."""
    return Refused(complexes(2), error=f'"{name}" not implemented for complex', raises=NotImplementedError)


def polynomial(value, first=0):
    """Samples of a polynomial with the value ``value(x, degree)``; ``first=1`` if x must not be negative."""

    def expect(x, n):
        return each(value)(x, n)

    return [
        Sample(INSIDE, DEGREES, expect=expect), Sample(1.0, DEGREES, expect=expect),
        Sample(uniform(3, low=0.05, high=0.95), 3, expect=expect), Sample(uniform(0, 2), 2.0),
    ][first:]  # fmt: skip


def of_series(values):
    """``values(x, coefficients)`` of NumPy for the polynomial of one degree."""
    return lambda x, n: values(x, [0.0] * int(n) + [1.0])


def second_kind(x, n):
    t = math.acos(x)
    return n + 1 if x == 1 else math.sin((n + 1) * t) / math.sin(t)


def third_kind(x, n):
    t = math.acos(x)
    return math.cos((n + 0.5) * t) / math.cos(t / 2)


def fourth_kind(x, n):
    t = math.acos(x)
    return 2 * n + 1 if x == 1 else math.sin((n + 0.5) * t) / math.sin(t / 2)


def shifted(value):
    return lambda x, n: value(2 * x - 1, n)


def normal(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def average(integrand):
    """The mean of ``integrand(x, t)`` over a period of t; the trapezoidal rule is exact for low harmonics."""
    t = np.arange(200) * (2 * np.pi / 200)
    return lambda x: integrand(np.asarray(x)[..., None], t).mean(-1)


def below_cosh(factor):
    """``∫ factor(t) exp(-x (cosh(t) - 1)) dt`` from 0 on, of a smooth even function."""
    t = np.arange(-400, 401) * 0.025
    return lambda x: (factor(t) * np.exp(-np.asarray(x)[..., None] * (np.cosh(t) - 1))).sum(-1) * 0.0125


def gamma_part(a, x):
    return x**a * math.exp(-x) * sum(x**k / math.gamma(a + k + 1) for k in range(80))


def hurwitz(x, q):
    """The sum over k below 40, and the rest by the formula of Euler and Maclaurin."""
    far = q + 40.0
    rest = far / (x - 1) + 1 / 2 + x / far / 12 - x * (x + 1) * (x + 2) / far**3 / 720
    return sum((q + k) ** -x for k in range(40)) + rest * far**-x


def psi(x, order):
    if order:
        return -((-1) ** order) * math.factorial(order) * hurwitz(order + 1, x)
    far = x + 50
    log = np.log(far) - 1 / (2 * far) - 1 / (12 * far**2) + 1 / (120 * far**4)
    return log - sum(1 / (x + k) for k in range(50))


def multivariate(x, p):
    return p * (p - 1) / 4 * math.log(math.pi) + sum(each(math.lgamma)(x - k / 2) for k in range(p))


def wave(x, order):
    """Spherical Bessel function at πx, by its power series."""
    z = math.pi * x
    odd = math.prod(range(1, 2 * order + 2, 2))
    total = term = z**order / odd
    for k in range(1, 60):
        term = term * (-z * z / 2 / (k * (2 * order + 2 * k + 1)))
        total = total + term
    return total


def airy(x):
    """The power series around 0."""
    f, g, one, other = 1.0, x, 1.0, x
    for k in range(1, 40):
        one *= x**3 / ((3 * k - 1) * (3 * k))
        other *= x**3 / ((3 * k) * (3 * k + 1))
        f, g = f + one, g + other
    return f / (3 ** (2 / 3) * math.gamma(2 / 3)) - g / (3 ** (1 / 3) * math.gamma(1 / 3))


i0 = average(lambda x, t: np.exp(x * np.cos(t)))
i1 = average(lambda x, t: np.exp(x * np.cos(t)) * np.cos(t))
k0 = below_cosh(lambda t: 1 + 0 * t)
k1 = below_cosh(np.cosh)

SAMPLES = {
    "erf": smooth(AROUND, expect=each(math.erf), more=[refused("erf")]),
    "erfc": smooth(AROUND, expect=each(math.erfc)),
    "erfcx": smooth(AROUND, np.array([30.0])),
    "erfinv": smooth(uniform(3, 4, low=-0.95, high=0.95), more=[
        Sample(np.array([-1.0, 1.0]), expect=lambda x: np.array([-np.inf, np.inf]), smooth=False),
    ]),
    "ndtr": smooth(AROUND, expect=each(normal)),
    "ndtri": smooth(uniform(3, 4, low=0.02, high=0.98)),
    "log_ndtr": smooth(AROUND, expect=lambda x: np.log(each(normal)(x)), more=[Sample(np.array([-40.0]))]),
    "lgamma": smooth(UPRIGHT, AROUND, expect=each(math.lgamma)),
    "digamma": smooth(UPRIGHT, expect=lambda x: psi(x, 0), more=[Sample(AROUND)]),
    "polygamma": [
        Sample(UPRIGHT, expect=psi, order=1), Sample(UPRIGHT, expect=psi, order=2),
        Sample(positive(0, 2), order=3), Sample(positive(), order=0),
    ],
    "mvlgamma": [
        Sample(UPRIGHT + 2, expect=multivariate, p=3), Sample(positive(), expect=multivariate, p=1),
        Sample(positive(0), p=2),
    ],
    "igamma": [
        Sample(positive(2, 1), UPRIGHT[0], expect=each(gamma_part), smooth=False),
        Sample(positive(0), positive(1), smooth=False),
        Refused(integers(2), integers(2), error="not implemented for int64", raises=NotImplementedError),
    ],
    "igammac": [
        Sample(positive(2, 1), positive(3), expect=lambda a, x: 1 - each(gamma_part)(a, x), smooth=False),
        Sample(positive(0), positive(1), smooth=False),
    ],
    "zeta": [
        Sample(2.5, UPRIGHT, expect=hurwitz), Sample(4.0, positive(), expect=hurwitz),
        Sample(positive(2, 1) + 1, positive(3), expect=hurwitz, smooth=False), Sample(3.0, positive(0)),
    ],
    "entr": smooth(UPRIGHT, expect=lambda x: -x * np.log(x), more=[
        Sample(np.array([0.0, -1.0]), expect=lambda x: np.array([0.0, -np.inf]), smooth=False),
    ]),
    "xlog1py": [
        Sample(AROUND, UPRIGHT[:, 0], expect=lambda x, y: x * np.log1p(y)),
        Sample(2.0, positive(), expect=lambda x, y: x * np.log1p(y)),
        Sample(np.zeros(2), np.array([-1.0, 3.0]), expect=lambda x, y: np.zeros(2), smooth=False),
        Sample(uniform(2, 1), positive(3)), Sample(uniform(0), positive(1)),
    ],
    "sinc": smooth(AROUND, np.array([-1.0, 0.0, 0.25, 2.0]), complexes(4), expect=np.sinc),
    "sinc_wave": [
        Sample(np.array([-1.3, -0.2, 0.0, 0.4, 0.7, 1.1, 2.2]), expect=wave, order=1),
        Sample(np.array([0.0, 0.3, 1.4, 2.5]), expect=wave, order=2), Sample(uniform(), expect=wave, order=5),
        Sample(complexes(3), expect=wave, order=1), Sample(uniform(0), order=1),
    ],
    "i0": smooth(AROUND, expect=i0),
    "i0e": smooth(AROUND, expect=lambda x: i0(x) * np.exp(-np.abs(x))),
    "i1": smooth(AROUND, expect=i1, more=[KINK]),
    "i1e": smooth(AROUND, expect=lambda x: i1(x) * np.exp(-np.abs(x)), more=[KINK]),
    "airy_ai": smooth(AROUND / 3, expect=each(airy), more=[refused("airy_ai")]),
    "bessel_j0": smooth(AROUND / 2, expect=average(lambda x, t: np.cos(x * np.sin(t)))),
    "bessel_j1": smooth(AROUND / 2, expect=average(lambda x, t: np.cos(t - x * np.sin(t)))),
    "bessel_y0": smooth(UPRIGHT),
    "bessel_y1": smooth(UPRIGHT),
    "modified_bessel_i0": smooth(AROUND, expect=i0),
    "modified_bessel_i1": smooth(AROUND, expect=i1),
    "modified_bessel_k0": smooth(UPRIGHT, expect=lambda x: k0(x) * np.exp(-x)),
    "modified_bessel_k1": smooth(UPRIGHT, expect=lambda x: k1(x) * np.exp(-x)),
    "scaled_modified_bessel_k0": smooth(UPRIGHT, expect=k0),
    "scaled_modified_bessel_k1": smooth(UPRIGHT, expect=k1),
    "spherical_bessel_j0": smooth(AROUND, expect=lambda x: np.sin(x) / x),
    "chebyshev_polynomial_t": polynomial(of_series(chebyshev.chebval)),
    "chebyshev_polynomial_u": polynomial(second_kind),
    "chebyshev_polynomial_v": polynomial(third_kind),
    "chebyshev_polynomial_w": polynomial(fourth_kind),
    "shifted_chebyshev_polynomial_t": polynomial(shifted(of_series(chebyshev.chebval)), first=1),
    "shifted_chebyshev_polynomial_u": polynomial(shifted(second_kind), first=1),
    "shifted_chebyshev_polynomial_v": polynomial(shifted(third_kind), first=1),
    "shifted_chebyshev_polynomial_w": polynomial(shifted(fourth_kind), first=1),
    "hermite_polynomial_h": polynomial(of_series(hermite.hermval)),
    "hermite_polynomial_he": polynomial(of_series(hermite_e.hermeval)),
    "laguerre_polynomial_l": polynomial(of_series(laguerre.lagval)),
    "legendre_polynomial_p": polynomial(of_series(legendre.legval)),
}
