"""Special functions on arrays: error functions, the gamma and Bessel families, orthogonal polynomials.

Start reading at `pointwise`, the frame around every function here, then at `erf`, the one that is hot. A
function keeps its dtype, lets nan through and silences NumPy's warnings. `erf`, `erfc` and the polynomials
work in the dtype they are given; the others, which are rare, work in float64 and round once.

Values at the edges are PyTorch's (https://docs.pytorch.org/docs/stable/special.html). DLMF is the Digital
Library of Mathematical Functions, https://dlmf.nist.gov. A table marked "fitted" is a minimax rational that
a Remez exchange in 60 digits found for this module, given with its range and its relative error. Tables start
at the highest power.

>>> from regrad.kernels.reference import special
>>> special.erf(np.array([0.0, 1.0])).round(6).tolist()
[0.0, 0.842701]
"""

# mypy: disable-error-code="no-any-return"
# NumPy's types make a product of two arrays Any.

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "chebyshev_polynomial_t",
    "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w", "digamma", "entr", "erf",
    "erfc", "erfcx", "erfinv", "hermite_polynomial_h", "hermite_polynomial_he", "horner", "i0", "i0e", "i1",
    "i1e", "igamma", "igammac", "laguerre_polynomial_l", "legendre_polynomial_p", "lgamma", "log_ndtr",
    "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "multigammaln",
    "ndtr", "ndtri", "polygamma", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w", "sinc", "sinc_wave", "spherical_bessel_j0", "xlog1py", "zeta",
]

Array = NDArray[Any]
Kernel = Callable[..., Array]
Table = tuple[float, ...]
Rational = tuple[Table, Table]  # numerator, denominator

BLOCK = 1 << 15  # elements made at a time: temporaries stay in the cache, three times as fast at 1e6
EPS = 2.0**-53   # half the spacing of float64 at 1: a term below EPS * total no longer moves the total
LOG2, SQRT2 = math.log(2), math.sqrt(2)


def pointwise(*, double: bool = True) -> Callable[[Kernel], Kernel]:
    """Turn a kernel of flat blocks into a function of arrays that broadcast against each other.

    The blocks are float64 with ``double``; otherwise they have the dtype of the arrays, or float32 for 16-bit
    floats. The result has the dtype of the arrays; integers give float64.
    """
    def decorate(kernel: Kernel) -> Kernel:
        @functools.wraps(kernel)
        def call(*arrays: Any, **params: Any) -> Array:
            dtype = np.result_type(*arrays)
            if dtype.kind in "biu":
                dtype = np.dtype(np.float64)
            work = np.float64 if double else np.float32 if dtype.itemsize == 2 else dtype
            same = np.broadcast_arrays(*arrays) if len(arrays) > 1 else [np.asarray(arrays[0])]
            shape, size = same[0].shape, same[0].size
            flat = [a.reshape(-1) for a in same]
            with np.errstate(all="ignore"):
                if size <= BLOCK:
                    out = kernel(*[a.astype(work, copy=False) for a in flat], **params)
                    out = out.astype(dtype, copy=False)
                else:
                    out = np.empty(size, dtype)
                    for start in range(0, size, BLOCK):
                        part = slice(start, start + BLOCK)
                        out[part] = kernel(*[a[part].astype(work, copy=False) for a in flat], **params)
            return out.reshape(shape)

        return call

    return decorate


def horner(x: Array, table: Table) -> Array:
    """Polynomial ``table[0] x^n + ... + table[n]``, of degree one or more.

    >>> from regrad.kernels.reference.special import horner
    >>> horner(np.array([2.0]), (1.0, 0.0, 5.0)).tolist()
    [9.0]
    """
    out = x * table[0]
    out += table[1]
    for c in table[2:]:
        out *= x
        out += c
    return out


def ratio(x: Array, over: Table, under: Table) -> Array:
    """Rational function: one polynomial over another."""
    out = horner(x, over)
    out /= horner(x, under)
    return out


# Error functions and the normal distribution

# erf(x) = tanh(x + x R(x²)), fitted for R, which has few terms because tanh is flat where erf is. Its error
# counts for little beside the x before it, and tanh cannot leave [-1, 1].
ERF_SINGLE: Rational = (  # |x| < 3.9, 3.3e-9
    (0.001853280924811239, 0.018956417286692756, 0.1229140953381083, 0.12837917084246672),
    (0.00032490382392560773, 0.02368922489499661, 0.15689136727213096, 1.0),
)
ERF_DOUBLE: Rational = (  # |x| < 5.9, 1.1e-17
    (
        4.391309581173053e-10, 5.070042545444784e-08, 1.483849834084719e-06, 2.6809825874452444e-05,
        0.00032356821600963557, 0.0027581003325507993, 0.016477829479748105, 0.06572875334569665,
        0.1633831021493118, 0.1283791670955126,
    ), (
        2.8698916149058835e-11, 1.3818995571228271e-08, 8.051089834632259e-07, 1.9077092389431053e-05,
        0.0003030084360248326, 0.003269671648223857, 0.02511189283766704, 0.13566722435007925,
        0.4721209851928705, 1.0,
    ),
)

# erfcx(x) = exp(x²) erfc(x), fitted.
ERFCX_SINGLE: Rational = (  # 0 ≤ x ≤ 10.1, 5.8e-9
    (0.03279815722059916, 0.2292269747910892, 0.7316217240006742, 1.2384277075193821, 1.0000000057345229),
    (0.0581325214197644, 0.40632063146258096, 1.3254013355568341, 2.402268602783596, 2.3668074531857988, 1.0),
)
ERFCX_DOUBLE: Rational = (  # 0 ≤ x ≤ 27, 4.9e-17
    (
        6.229202916092512e-05, 0.0011854945340970264, 0.011045152480581221, 0.06517592293251101,
        0.2664141230975803, 0.7796423252236911, 1.633634898951267, 2.3731366887836014, 2.1901858429034027,
        1.0,
    ), (
        0.0001104097469673567, 0.0021012343521361245, 0.01963222792490047, 0.11657193263145413,
        0.48194004861127265, 1.4385900137905492, 3.121996340723884, 4.842069702708756, 5.117736310719094,
        3.3185650099989017, 1.0,
    ),
)
ERFCX_FAR: Table = tuple((-1.0) ** k * math.prod(range(1, 2 * k, 2)) for k in range(7, -1, -1))  # DLMF 7.12.1


@pointwise(double=False)
def erf(x: Array) -> Array:
    """Error function, 2/√π times the integral of exp(-t²) from 0 to x."""
    table, limit = (ERF_SINGLE, 4.2) if x.dtype == np.float32 else (ERF_DOUBLE, 6.0)
    x = x.clip(-limit, limit)  # where erf is ±1 already: x² must not overflow
    out = ratio(x * x, *table)
    out *= x
    out += x
    return np.tanh(out, out=out)


@pointwise(double=False)
def erfc(x: Array) -> Array:
    """Complement ``1 - erf(x)``, to full relative precision in the upper tail."""
    table, limit = (ERFCX_SINGLE, 10.5) if x.dtype == np.float32 else (ERFCX_DOUBLE, 27.5)
    # Up to the limit, where erfc underflows. In float32 the product below would lose 3 bits and save no time.
    far = np.abs(x).clip(0.0, limit).astype(np.float64, copy=False)
    out = ratio(far, *table)
    out *= _exp_square(far, -1.0) if x.dtype == np.float64 else np.exp(far * -far)
    return np.abs(2.0 * (x < 0) - out)  # 2 - out for negative x, without a slow masked pass


def _exp_square(x: Array, scale: float) -> Array:
    """exp(scale x²) to full relative precision: x² is split into a part free of rounding and a small rest."""
    head = np.rint(x * 16.0)
    head *= 0.0625
    rest = (x - head) * (x + head)
    return np.exp(head * head * scale) * np.exp(rest * scale)


@pointwise()
def erfcx(x: Array) -> Array:
    """Scaled complement ``exp(x²) erfc(x)``, which neither under- nor overflows for positive x."""
    out = np.piecewise(np.abs(x), [np.abs(x) <= 27], [lambda x: ratio(x, *ERFCX_DOUBLE), _erfcx_far])
    return np.where(x < 0, 2.0 * _exp_square(np.clip(x, -27.0, 0.0), 1.0) - out, out)


def _erfcx_far(x: Array) -> Array:
    return horner(0.5 / (x * x), ERFCX_FAR) / (math.sqrt(math.pi) * x)


# Quantiles of the normal distribution: M. J. Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37, 1988.
PROBIT_CENTRE: Rational = (
    (
        2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946,
        1971.5909503065513, 133.14166789178438, 3.3871328727963665,
    ), (
        5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751,
        687.1870074920579, 42.31333070160091, 1.0,
    ),
)
PROBIT_TAIL: Rational = (
    (
        0.0007745450142783414, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684,
        3.6478483247632045, 5.769497221460691, 4.630337846156546, 1.4234371107496835,
    ), (
        1.0507500716444169e-09, 0.0005475938084995345, 0.015198666563616457, 0.14810397642748008,
        0.6897673349851, 1.6763848301838038, 2.053191626637759, 1.0,
    ),
)
PROBIT_FAR: Rational = (
    (
        2.0103343992922881e-07, 2.7115555687434876e-05, 0.0012426609473880784, 0.026532189526576124,
        0.29656057182850487, 1.7848265399172913, 5.463784911164114, 6.657904643501103,
    ), (
        2.0442631033899397e-15, 1.421511758316446e-07, 1.8463183175100548e-05, 0.0007868691311456133,
        0.014875361290850615, 0.1369298809227358, 0.599832206555888, 1.0,
    ),
)


def _probit(q: Array, tail: Array) -> Array:
    """Normal quantile of ½ + q. The tail ½ - |q| comes with it, because it would be rounded here."""
    r = np.sqrt(-np.log(tail))
    steps: list[Any] = [lambda r: ratio(r - 1.6, *PROBIT_TAIL), lambda r: ratio(r - 5.0, *PROBIT_FAR)]
    out = np.where(tail == 0, math.inf, np.piecewise(r, [r <= 5], steps))
    centre = np.abs(q) <= 0.425
    near = np.abs(q[centre])
    out[centre] = near * ratio(0.180625 - near * near, *PROBIT_CENTRE)
    return np.copysign(out, q)


@pointwise()
def erfinv(x: Array) -> Array:
    """Inverse error function: the y with erf(y) = x. ±inf at ±1, nan outside."""
    return _probit(0.5 * x, 0.5 * (1.0 - np.abs(x))) / SQRT2


@pointwise()
def ndtr(x: Array) -> Array:
    """Normal distribution function, ``erfc(-x / √2) / 2``."""
    far = np.minimum(np.abs(x), 39.0)  # where it underflows
    tail = 0.5 * erfcx(far / SQRT2) * _exp_square(far, -0.5)
    return np.where(x > 0, 1.0 - tail, tail)


@pointwise()
def ndtri(p: Array) -> Array:
    """Normal quantile: the x with ndtr(x) = p. ∓inf at 0 and 1, nan outside."""
    return _probit(p - 0.5, np.minimum(p, 1.0 - p))


@pointwise()
def log_ndtr(x: Array) -> Array:
    """Logarithm of `ndtr`, also where that underflows."""
    def tail(x: Array) -> Array:
        return np.log(0.5 * erfcx(x / -SQRT2)) - 0.5 * x * x

    return np.piecewise(x, [x < -1], [tail, lambda x: np.log1p(-ndtr(-x))])


# The gamma family

BERNOULLI = tuple(map(Fraction, (  # B_2, B_4, ..., B_24: DLMF table 24.2.3
    "1/6", "-1/30", "1/42", "-1/30", "5/66", "-691/2730", "7/6", "-3617/510", "43867/798", "-174611/330",
    "854513/138", "-236364091/2730",
)))
# DLMF 5.11.1, 5.11.2 and 25.11.43
STIRLING: Table = tuple(float(b / (2 * k * (2 * k - 1))) for k, b in enumerate(BERNOULLI[:9], 1))[::-1]
DIGAMMA_FAR: Table = tuple(float(b / (2 * k)) for k, b in enumerate(BERNOULLI[:9], 1))[::-1]
ZETA_TERMS: Table = tuple(float(b / math.factorial(2 * k)) for k, b in enumerate(BERNOULLI, 1))  # ascending

LGAMMA_NEAR: Rational = (  # lgamma(x) / ((x - 1) (x - 2)), fitted: 1 ≤ x ≤ 8, 3.2e-17
    (
        3.3650725941140594e-06, 0.0051818371397568475, 0.4291439228493482, 9.71500115996294,
        81.97192301835955, 288.16414326357904, 430.5766729501429, 258.9034330369331, 53.763002195957604,
        2.455633459196038,
    ), (
        0.001076060957257422, 0.13586514377502482, 4.403117802693008, 53.20627314483913, 275.75756299198326,
        642.3490740679672, 660.9572365777378, 275.0478514254726, 37.85847159062228, 1.0,
    ),
)
DIGAMMA_NEAR: Rational = (  # digamma(x) / (x - root), fitted: 1 ≤ x ≤ 8, 1.3e-17
    (
        0.3208347961231847, 650.7578556742691, 65398.650053963574, 1877605.0141235818, 21381264.636288,
        109248111.58841467, 255954698.64971155, 252228099.27469683, 74778855.56440726,
    ), (
        110.32971964845389, 15432.28219785766, 575163.3554376318, 8359732.8980073435, 54753604.46083202,
        168453804.22243583, 230796702.7300499, 109299168.20623729, 1.0,
    ),
)
DIGAMMA_ROOT = (1.4616321449683622, 9.549995429965697e-17)  # a float64, and what it lacks


def _off_integer(x: Array) -> Array:
    """Distance from the nearest integer: times π, it has the tangent of πx to full precision."""
    return x - np.rint(x)


@pointwise()
def lgamma(x: Array) -> Array:
    """Logarithm of |Γ(x)|; inf at the poles 0, -1, -2, ... and at ±inf."""
    return np.where(np.isinf(x), math.inf, np.piecewise(x, [x < 0], [_lgamma_reflected, _lgamma_positive]))


def _lgamma_positive(x: Array) -> Array:
    return np.piecewise(x, [x < 1, (x >= 1) & (x < 8)], [
        lambda x: _lgamma_next(x) - np.log(x),
        lambda x: (x - 1.0) * (x - 2.0) * ratio(x, *LGAMMA_NEAR) + 0.0,  # 0 at 1, not -0
        lambda x: (x - 0.5) * (np.log(x) - 1.0) + (0.5 * math.log(2 * math.pi) - 0.5) + _stirling(x),
    ])


def _lgamma_next(x: Array) -> Array:
    """lgamma(x + 1) for x below 7, to full precision also for tiny x."""
    return x * (x - 1.0) * ratio(x + 1.0, *LGAMMA_NEAR)


def _lgamma_reflected(x: Array) -> Array:  # DLMF 5.5.3
    return math.log(math.pi) - np.log(np.abs(np.sin(math.pi * _off_integer(x)))) - _lgamma_positive(1.0 - x)


def _stirling(x: Array) -> Array:
    """What Stirling's formula lacks of lgamma(x), for x ≥ 7."""
    return horner(1.0 / (x * x), STIRLING) / x


@pointwise()
def multigammaln(x: Array, *, p: int) -> Array:
    """Logarithm of the multivariate gamma function, log(π) p (p - 1) / 4 + Σ lgamma(x - j / 2) over j < p."""
    out = np.full_like(x, math.log(math.pi) * p * (p - 1) / 4)
    for j in range(p):
        out += lgamma(x - j / 2)
    return out


@pointwise()
def digamma(x: Array) -> Array:
    """Derivative of lgamma; ∓inf at ±0, nan at the other poles."""
    out = np.piecewise(x, [x < 0], [_digamma_reflected, _digamma_positive])
    out = np.where((x < 0) & (x == np.floor(x)), math.nan, out)
    return np.where(x == 0, np.copysign(math.inf, -x), out)


def _digamma_positive(x: Array) -> Array:
    def near(x: Array, shift: float = 0.0) -> Array:
        return ((x - (DIGAMMA_ROOT[0] - shift)) - DIGAMMA_ROOT[1]) * ratio(x + shift, *DIGAMMA_NEAR)

    return np.piecewise(x, [x < 1, (x >= 1) & (x < 8)], [
        lambda x: near(x, 1.0) - 1.0 / x,  # ψ(x) = ψ(x + 1) - 1 / x
        near,
        lambda x: np.log(x) - 0.5 / x - horner(1.0 / (x * x), DIGAMMA_FAR) / (x * x),
    ])


def _digamma_reflected(x: Array) -> Array:  # DLMF 5.5.4
    return _digamma_positive(1.0 - x) - math.pi / np.tan(math.pi * _off_integer(x))


def polygamma(n: int, x: Any) -> Array:
    """Derivative of digamma of order n: (-1)^(n + 1) n! ζ(n + 1, x), DLMF 25.11.12."""
    return digamma(x) if n == 0 else _trigamma(x) if n == 1 else _polygamma(x, n=n)


@pointwise()
def _trigamma(x: Array) -> Array:
    positive = np.where(x < 0.5, 1.0 - x, x)
    out = np.where(positive == math.inf, 0.0, _zeta_positive(np.full_like(x, 2.0), positive))
    return np.where(x < 0.5, (math.pi / np.sin(math.pi * _off_integer(x))) ** 2 - out, out)  # DLMF 5.15.6


@pointwise()
def _polygamma(x: Array, *, n: int) -> Array:
    scale = float(math.factorial(n)) if n <= 170 else math.inf
    return (scale if n % 2 else -scale) * zeta(n + 1.0, x)


@pointwise()
def zeta(x: Array, q: Array) -> Array:
    """Hurwitz zeta function, the sum of (q + k)^-x over k = 0, 1, ...

    inf at x = 1 and at the poles q = 0, -1, ...; nan for x < 1, and for q < 0 unless x is an integer.
    """
    out = _zeta_positive(x, np.where(q < 0, q - np.floor(q), q))
    below = q < 0
    if below.any():  # the terms with q + k < 0 are a sum of positive terms, up to a sign
        s, r = x[below], q[below]
        sign = np.where(s % 2 == 0, 1.0, -1.0)
        out[below] += sign * (_zeta_positive(s, np.ceil(r) - r) - _zeta_positive(s, 1.0 - r))
    pole = (q <= 0) & (q == np.floor(q))
    unreal = (q <= 0) & (x != np.floor(x))
    return np.select([x == 1, x < 1, pole, unreal], [math.inf, math.nan, math.inf, math.nan], out)


def _zeta_positive(x: Array, q: Array) -> Array:
    """Ten terms, then the Euler-Maclaurin formula for the rest, as in Cephes: DLMF 25.11.4 and 25.11.43."""
    total = q**-x
    for k in range(1, 11):
        last = (q + k) ** -x
        total += last
    w = q + 10
    rest = last * (w / (x - 1.0) - 0.5)
    factor = last * x / w
    for k, c in enumerate(ZETA_TERMS):
        rest = rest + c * factor
        factor = factor * (x + (2 * k + 1)) * (x + (2 * k + 2)) / (w * w)
    return np.where(np.abs(last) < EPS * total, total, total + rest)


@pointwise()
def igamma(a: Array, x: Array) -> Array:
    """Regularised lower incomplete gamma function P(a, x), DLMF 8.2.4; nan for negative a or x."""
    return _igamma_edges(a, x, _incomplete_gamma(a, x)[0], 1.0)


@pointwise()
def igammac(a: Array, x: Array) -> Array:
    """Regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x)."""
    return _igamma_edges(a, x, _incomplete_gamma(a, x)[1], 0.0)


def _igamma_edges(a: Array, x: Array, inside: Array, end: float) -> Array:
    wide_a, wide_x = np.isinf(a), np.isinf(x)
    return np.select(
        [(x < 0) | (a < 0), (a == 0) & (x > 0), a == 0, x == 0, wide_a & wide_x, wide_a, wide_x],
        [math.nan, end, math.nan, 1.0 - end, math.nan, 1.0 - end, end], inside,
    )


def _incomplete_gamma(a: Array, x: Array) -> tuple[Array, Array]:
    """P and Q for positive finite a and x, nan elsewhere, by the method that finds the smaller one directly.

    The regions are those of SciPy and PyTorch, but for the width of the first, which saves the others their
    thousands of terms near x = a.
    """
    lower, upper = np.full_like(a, math.nan), np.full_like(a, math.nan)
    rest = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    near = rest & (a > 20) & (np.abs(x - a) < 0.3 * a)
    lower[near], upper[near] = _igamma_uniform(a[near], x[near])
    rest &= ~near
    above = np.select([x > 1.1, x > 0.5], [x >= a, 1.1 * x >= a], -0.4 / np.log(x) >= a)
    for region, method in (
        (rest & above & (x > 1.1), _igammac_fraction),
        (rest & above & (x <= 1.1), _igammac_series),
    ):
        upper[region] = method(a[region], x[region])
        lower[region] = 1.0 - upper[region]
    below = rest & ~above
    lower[below] = _igamma_series(a[below], x[below])
    upper[below] = 1.0 - lower[below]
    return lower, upper


def _gamma_density(a: Array, x: Array) -> Array:
    """x^a exp(-x) / Γ(a), without the overflow and the cancellation of its factors for large a."""
    def large(a: Array, x: Array) -> Array:
        return np.sqrt(a / (2 * math.pi)) * np.exp(a * _log_less_linear(a, x) - _stirling(a))

    def small(a: Array, x: Array) -> Array:
        return a * np.exp(a * np.log(x) - x - _lgamma_next(a))

    return np.where(a < 7, small(a, x), large(a, x))


ATANH: Table = tuple(1.0 / (2 * k + 3) for k in reversed(range(17)))  # (atanh(s) - s) / s³ in s²


def _log_less_linear(a: Array, x: Array) -> Array:
    """log(x / a) - u with u = x / a - 1; near 0, with s = u / (2 + u), it is 2 (atanh(s) - s) - s u."""
    u = (x - a) / a
    s = u / (2.0 + u)
    return np.where(np.abs(u) < 0.5, 2.0 * s**3 * horner(s * s, ATANH) - s * u, np.log(x / a) - u)


def _igamma_series(a: Array, x: Array) -> Array:  # DLMF 8.11.4
    total, term, n = np.ones_like(a), np.ones_like(a), 0
    while np.any(term > EPS * total):
        n += 1
        term *= x / (a + n)
        total += term
    return _gamma_density(a, x) / a * total


def _igammac_series(a: Array, x: Array) -> Array:  # DLMF 8.7.3, for small a and x
    total, power, n = np.zeros_like(a), np.ones_like(a), 0
    while np.any(np.abs(power) > EPS * n * np.abs(total)):
        n += 1
        power *= -x / n
        total += power / (a + n)
    log = a * np.log(x) - _lgamma_next(a)
    return -np.expm1(log) - a * np.exp(log) * total


def _igammac_fraction(a: Array, x: Array) -> Array:
    """Continued fraction DLMF 8.9.2 by Lentz's method, as in Numerical Recipes 6.2."""
    b = x + 1.0 - a
    c, d = np.full_like(a, math.inf), 1.0 / b
    out, moves, n = d, np.full(a.shape, True), 0
    while moves.any():
        n += 1
        top = n * (a - n)
        b += 2.0
        c = b + top / c
        d = 1.0 / (b + top * d)
        out = np.where(moves, out * c * d, out)  # an element stops for good: its next factors are round-off
        moves &= np.abs(c * d - 1.0) > 4 * EPS
    return _gamma_density(a, x) * out


def _igamma_uniform(a: Array, x: Array) -> tuple[Array, Array]:
    """P and Q by Temme's expansion for large a, uniform in x / a: DLMF 8.12.3 and 8.12.4."""
    half = np.maximum(-_log_less_linear(a, x), 0.0)  # η² / 2
    eta = np.copysign(np.sqrt(2.0 * half), x - a)
    total = np.zeros_like(a)
    for row in _temme_rows():
        total = total / a + horner(eta, row)
    total *= np.exp(-a * half) / np.sqrt(2 * math.pi * a)
    z = eta * np.sqrt(0.5 * a)
    return 0.5 * erfc(-z) - total, 0.5 * erfc(z) + total


@functools.cache
def _temme_rows(rows: int = 13, terms: int = 19) -> tuple[Table, ...]:
    """Coefficients d(k, n) of a^-k η^n, last row first, from the recurrences of DLMF 8.12."""
    alpha = [Fraction(0), Fraction(1)]  # x / a - 1 as a power series in η
    for n in range(2, terms + 2 * rows + 1):
        cross = sum(j * alpha[j] * alpha[n + 1 - j] for j in range(2, n))
        alpha.append((alpha[n - 1] - cross) / (n + 1))
    first = [(n + 2) * alpha[n + 2] for n in range(terms + 2 * rows - 2)]
    first[0] = Fraction(-1, 3)
    d = [first]
    for k in range(1, rows):
        g = (-1) ** k * math.prod(range(1, 2 * k + 2, 2)) * alpha[2 * k + 1]  # of Stirling's series for Γ
        d.append([g * first[n] + (n + 2) * d[-1][n + 2] for n in range(len(d[-1]) - 2)])
    return tuple(tuple(map(float, row[:terms][::-1])) for row in reversed(d))


# The Bessel family

def _i_series(order: int, terms: int) -> Table:
    """Of (x / 2)^-order I(x) in x² / 4: DLMF 10.25.2."""
    return tuple(1 / (math.factorial(k) * math.factorial(k + order)) for k in reversed(range(terms)))


def _i_far(order: int, terms: int) -> Table:
    """Of √(2πx) exp(-x) I(x) in 1 / x: DLMF 10.40.1."""
    top = [math.prod((2 * j - 1) ** 2 - 4 * order**2 for j in range(1, k + 1)) for k in range(terms)]
    return tuple(top[k] / (math.factorial(k) * 8**k) for k in reversed(range(terms)))


def _k_series(order: int, terms: int) -> Table:
    """Of the part of K(x) without logarithm, in x² / 4: DLMF 10.31.1 and 10.31.2."""
    psi = [math.fsum(1 / j for j in range(1, k)) - np.euler_gamma for k in range(1, terms + order + 1)]
    scale = _i_series(order, terms)[::-1]
    return tuple(0.5 * scale[k] * (psi[k] + psi[k + order]) for k in reversed(range(terms)))


I0_SERIES, I1_SERIES = _i_series(0, 52), _i_series(1, 52)  # x ≤ 20; the last term is below 1e-19
I0_FAR, I1_FAR = _i_far(0, 30), _i_far(1, 30)
K0_SERIES, K1_SERIES = _k_series(0, 13), _k_series(1, 13)  # x ≤ 2
K0_FAR: Rational = (  # √x exp(x) K(x) in 1 / x, fitted: x ≥ 2, 5.8e-18
    (
        0.3362893431013403, 14.244866416504982, 94.89542824429364, 212.24564468095664, 202.35696293752463,
        89.18416936234057, 17.66477199139282, 1.2533141373155003,
    ), (
        0.6944796706190478, 16.553477125213853, 91.05185413645627, 186.35835324426603, 169.6391574902205,
        72.86579040749675, 14.219448842035208, 1.0,
    ),
)
K1_FAR: Rational = (  # the same, 9.1e-18
    (
        1.4754705421472754, 25.604690271941397, 119.80594935601133, 228.15445898580353, 203.26527135380098,
        87.73655133251773, 17.422856158738153, 1.2533141373155003,
    ), (
        0.14012272074814888, 7.469833774492942, 55.842291232016194, 136.1941194214035, 139.27165469049663,
        65.04841675099469, 13.526427934146303, 1.0,
    ),
)


@pointwise()
def i0e(x: Array) -> Array:
    """Modified Bessel function `i0`, scaled by exp(-|x|)."""
    return np.piecewise(np.abs(x), [np.abs(x) <= 20], [
        lambda x: np.exp(-x) * horner(0.25 * x * x, I0_SERIES),
        lambda x: horner(1.0 / x, I0_FAR) / np.sqrt(2 * math.pi * x),
    ])


@pointwise()
def i1e(x: Array) -> Array:
    """Modified Bessel function `i1`, scaled by exp(-|x|)."""
    out = np.piecewise(np.abs(x), [np.abs(x) <= 20], [
        lambda x: np.exp(-x) * 0.5 * x * horner(0.25 * x * x, I1_SERIES),
        lambda x: horner(1.0 / x, I1_FAR) / np.sqrt(2 * math.pi * x),
    ])
    return np.copysign(out, x)


@pointwise()
def i0(x: Array) -> Array:
    """Modified Bessel function of the first kind, of order 0; nan at ±inf."""
    return np.exp(np.abs(x)) * i0e(x)


@pointwise()
def i1(x: Array) -> Array:
    """Modified Bessel function of the first kind, of order 1; nan at ±inf."""
    return np.exp(np.abs(x)) * i1e(x)


modified_bessel_i0, modified_bessel_i1 = i0, i1


def _k0_near(x: Array) -> Array:
    y = 0.25 * x * x
    return horner(y, K0_SERIES) - (np.log(x) - LOG2) * horner(y, I0_SERIES[-13:])


def _k1_near(x: Array) -> Array:
    y = 0.25 * x * x
    out = 1.0 / x + 0.5 * x * ((np.log(x) - LOG2) * horner(y, I1_SERIES[-13:]) - horner(y, K1_SERIES))
    return np.where(x == 0, math.inf, out)


def _k_far(x: Array, table: Rational) -> Array:
    return ratio(1.0 / x, *table) / np.sqrt(x)


@pointwise()
def modified_bessel_k0(x: Array) -> Array:
    """Modified Bessel function of the second kind, of order 0; inf at 0, nan below."""
    return np.piecewise(x, [x <= 2], [_k0_near, lambda x: np.exp(-x) * _k_far(x, K0_FAR)])


@pointwise()
def modified_bessel_k1(x: Array) -> Array:
    """Modified Bessel function of the second kind, of order 1; inf at 0, nan below."""
    return np.piecewise(x, [x <= 2], [_k1_near, lambda x: np.exp(-x) * _k_far(x, K1_FAR)])


@pointwise()
def scaled_modified_bessel_k0(x: Array) -> Array:
    """`modified_bessel_k0` scaled by exp(x)."""
    return np.piecewise(x, [x <= 2], [lambda x: np.exp(x) * _k0_near(x), lambda x: _k_far(x, K0_FAR)])


@pointwise()
def scaled_modified_bessel_k1(x: Array) -> Array:
    """`modified_bessel_k1` scaled by exp(x)."""
    return np.piecewise(x, [x <= 2], [lambda x: np.exp(x) * _k1_near(x), lambda x: _k_far(x, K1_FAR)])


# PyTorch evaluates the denominators below without the leading 1 that Cephes implies. So does this module, for
# the values that PyTorch gives: off the true ones by up to 1e-6 for |x| between 4 and 12, and by 3e-6 for the
# Airy function between -4.1 and -2.1. With LEAD = (1.0,) these functions are right to round-off everywhere.
LEAD: Table = ()

# Cephes j0.c and j1.c (S. L. Moshier, 1989): rationals in x² up to 5, beyond in 25 / x² for two amplitudes.
J0_NEAR: Rational = (
    (-4794432209.782018, 1956174919465.5657, -249248344360967.72, 9708622510473064.0),
    (
        *LEAD, 499.563147152651, 173785.4016763747, 48440965.83399621, 11185553704.535683,
        2112775201154.892, 310518229857422.56, 3.1812195594320496e16, 1.7108629408104315e18,
    ),
)
J0_ZEROS = (5.783185962946784, 30.471262343662087)  # the squares of the first two
Y0_NEAR: Rational = (
    (
        15592.436785523574, -14663929.59039716, 5435264770.518765, -982136065717.9115, 87590639439536.7,
        -3466283033847297.0, 4.4273326857256984e16, -1.8495080043698668e16,
    ), (
        *LEAD, 1041.2835366425984, 626107.330137135, 268919633.39381415, 86400248710.3935,
        20297961275010.555, 3171577528429750.5, 2.5059625617265306e17,
    ),
)
COSINE_0: Rational = (
    (
        0.0007969367292973471, 0.08283523921074408, 1.239533716464143, 5.447250030587687, 8.74716500199817,
        5.303240382353949, 1.0,
    ), (
        0.0009244088105588637, 0.08562884743544745, 1.2535274390105895, 5.470977403304171,
        8.761908832370695, 5.306052882353947, 1.0,
    ),
)
SINE_0: Rational = (
    (
        -0.011366383889846916, -1.2825271867050931, -19.553954425773597, -93.20601521237683,
        -177.68116798048806, -147.07750515495118, -51.41053267665993, -6.050143506007285,
    ), (
        *LEAD, 64.3178256118178, 856.4300259769806, 3882.4018360540163, 7240.467741956525,
        5930.727011873169, 2062.0933166032783, 242.0057402402914,
    ),
)
J1_NEAR: Rational = (
    (-899971225.7055594, 452228297998.19403, -72749424522181.83, 3682957328638529.0),
    (
        *LEAD, 620.8364781180543, 256987.25675774884, 83514679.14319493, 22151159547.97925,
        4749141220799.914, 784369607876235.9, 8.952223361846274e16, 5.322786203326801e18,
    ),
)
J1_ZEROS = (14.681970642123893, 49.2184563216946)
Y1_NEAR: Rational = (
    (
        1263204747.9017804, -647355876379.1603, 114509511541823.73, -8127702555013251.0,
        2.024394757135949e17, -7.788771962659501e17,
    ), (
        *LEAD, 594.3015923461282, 235564.09294306856, 73481194.44597217, 18760131610.870617,
        3882312774962.3857, 620557727146953.8, 6.871410873553005e16, 3.9727060811656064e18,
    ),
)
COSINE_1: Rational = (
    (
        0.0007621256162081731, 0.07313970569409176, 1.1271960812968493, 5.112079511468076,
        8.424045901417724, 5.214515986823615, 1.0,
    ), (
        0.0005713231280725487, 0.06884559087544954, 1.105142326340617, 5.073863861286015, 8.399855543276042,
        5.209828486823619, 1.0,
    ),
)
SINE_1: Rational = (
    (
        0.05108625947501766, 4.982138729512334, 75.82382841325453, 366.7796093601508, 710.8563049989261,
        597.4896124006136, 211.68875710057213, 25.207020585802372,
    ), (
        *LEAD, 74.23732770356752, 1056.4488603826283, 4986.410583376536, 9562.318924047562,
        7997.041604473507, 2826.1927851763908, 336.0936078106983,
    ),
)


def _waves(x: Array, cosine: Rational, sine: Rational) -> tuple[Array, Array, Array, Array]:
    """Amplitudes p, q of DLMF 10.17.3, and √2 sin and √2 cos of x - π/4 without rounding that difference."""
    z = 25.0 / (x * x)
    scale = 1.0 / np.sqrt(math.pi * x)
    s, c = np.sin(x), np.cos(x)
    return ratio(z, *cosine) * scale, ratio(z, *sine) * scale * (5.0 / x), s - c, s + c


def _j0_near(x: Array) -> Array:
    y = x * x
    return (y - J0_ZEROS[0]) * (y - J0_ZEROS[1]) * ratio(y, *J0_NEAR)


def _j1_near(x: Array) -> Array:
    y = x * x
    return x * (y - J1_ZEROS[0]) * (y - J1_ZEROS[1]) * ratio(y, *J1_NEAR)


def _j0_far(x: Array) -> Array:
    p, q, sine, cosine = _waves(x, COSINE_0, SINE_0)
    return p * cosine - q * sine


def _y0_far(x: Array) -> Array:
    p, q, sine, cosine = _waves(x, COSINE_0, SINE_0)
    return p * sine + q * cosine


def _j1_far(x: Array) -> Array:
    p, q, sine, cosine = _waves(x, COSINE_1, SINE_1)
    return p * sine + q * cosine


def _y1_far(x: Array) -> Array:
    p, q, sine, cosine = _waves(x, COSINE_1, SINE_1)
    return q * sine - p * cosine


@pointwise()
def bessel_j0(x: Array) -> Array:
    """Bessel function of the first kind, of order 0; nan at ±inf."""
    return np.piecewise(np.abs(x), [np.abs(x) <= 5], [_j0_near, _j0_far])


@pointwise()
def bessel_j1(x: Array) -> Array:
    """Bessel function of the first kind, of order 1; nan at ±inf."""
    return np.sign(x) * np.piecewise(np.abs(x), [np.abs(x) <= 5], [_j1_near, _j1_far])


@pointwise()
def bessel_y0(x: Array) -> Array:
    """Bessel function of the second kind, of order 0; -inf at 0, nan below."""
    def near(x: Array) -> Array:
        return ratio(x * x, *Y0_NEAR) + 2 / math.pi * np.log(x) * _j0_near(x)

    return np.piecewise(x, [x <= 5], [near, _y0_far])


@pointwise()
def bessel_y1(x: Array) -> Array:
    """Bessel function of the second kind, of order 1; -inf at 0, nan below."""
    def near(x: Array) -> Array:
        return x * ratio(x * x, *Y1_NEAR) + 2 / math.pi * (np.log(x) * _j1_near(x) - 1.0 / x)

    return np.where(x == 0, -math.inf, np.piecewise(x, [x <= 5], [near, _y1_far]))


@pointwise()
def spherical_bessel_j0(x: Array) -> Array:
    """Spherical Bessel function of the first kind, of order 0: sin(x) / x."""
    return np.select([x == 0, np.isinf(x)], [1.0, 0.0], np.sin(x) / x)


def _airy_series(first: int, terms: int) -> Table:
    """Of the power series in x³ that solve y'' = x y, DLMF 9.4.1."""
    steps = [math.prod((3 * j + first - 1) * (3 * j + first) for j in range(1, k + 1)) for k in range(terms)]
    return tuple(1 / step for step in reversed(steps))


AIRY_EVEN, AIRY_ODD = _airy_series(0, 18), _airy_series(1, 18)
AIRY_AT_0, AIRY_SLOPE_AT_0 = 3 ** (-2 / 3) / math.gamma(2 / 3), -(3 ** (-1 / 3)) / math.gamma(1 / 3)

# Cephes airy.c: rationals in 1 / ζ and 1 / ζ², with ζ = 2/3 |x|^(3/2).
AIRY_DECAY: Rational = (
    (
        0.346538101525629, 12.007595273964581, 76.27960536152345, 168.08922493463058, 159.75639135016442,
        70.53609068404442, 14.026469116338967, 1.0,
    ), (
        0.5675945326387702, 14.75625625848472, 84.51389701414746, 177.31808814540045, 164.2346928715297,
        71.47784008255756, 14.095913560783403, 1.0,
    ),
)
AIRY_SINE: Rational = (
    (
        -0.1316963234183318, -0.6264565444319123, -0.6931580360369335, -0.2797799815451191,
        -0.04919001326095003, -0.004062659235948854, -0.0001592764962392621, -2.776491081552329e-06,
        -1.6778769848911465e-08,
    ), (
        *LEAD, 13.356042070655324, 32.682503279522464, 26.736704094149957, 9.187074029072596,
        1.4752914677166642, 0.11568717379518804, 0.004402916416152112, 7.547203482874142e-05,
        4.5185009297058035e-07,
    ),
)
AIRY_COSINE: Rational = (
    (
        0.01973399320916857, 0.39110302961568827, 1.0657989759959559, 0.9391692298166502,
        0.35146565610554764, 0.06338889196289255, 0.005858041130483885, 0.000282851600836737,
        6.98793669997261e-06, 8.117892395543892e-08, 3.415517847659236e-10,
    ), (
        *LEAD, 9.30892908077442, 19.835292871831214, 15.564662893286462, 5.476860694229755,
        0.9542936116189619, 0.08645808263523921, 0.004126565238242226, 0.00010125908511650914,
        1.1716673321441352e-06, 4.9183457006293e-09,
    ),
)


@pointwise()
def airy_ai(x: Array) -> Array:
    """Airy function Ai(x), the solution of y'' = x y that decays for positive x; nan at ±inf."""
    def waves(x: Array) -> Array:
        root = np.sqrt(-x)
        zeta = -2 / 3 * x * root
        z = 1.0 / zeta
        s, c = np.sin(zeta), np.cos(zeta)
        even, odd = 1.0 + z * z * ratio(z * z, *AIRY_SINE), z * ratio(z * z, *AIRY_COSINE)
        return ((s + c) * even - (c - s) * odd) / np.sqrt(2 * math.pi * root)

    def series(x: Array) -> Array:
        cube = x * x * x
        return AIRY_AT_0 * horner(cube, AIRY_EVEN) + AIRY_SLOPE_AT_0 * x * horner(cube, AIRY_ODD)

    def decay(x: Array) -> Array:
        root = np.sqrt(x)
        zeta = 2 / 3 * x * root
        return ratio(1.0 / zeta, *AIRY_DECAY) * np.exp(-zeta) / (2.0 * np.sqrt(math.pi * root))

    out = np.piecewise(x, [x < -2.09, (x >= -2.09) & (x < 2.09)], [waves, series, decay])
    return np.where(np.isinf(x), math.nan, out)


# Entropies and sinc

@pointwise(double=False)
def entr(x: Array) -> Array:
    """Entropy -x log(x); 0 at 0, -inf below."""
    return np.select([x == 0, x < 0], [0.0, -math.inf], -x * np.log(x)).astype(x.dtype)


@pointwise(double=False)
def xlog1py(x: Array, y: Array) -> Array:
    """Product x log(1 + y); 0 where x is 0, unless y is nan."""
    return np.where((x == 0) & ~np.isnan(y), x * 0, x * np.log1p(y))


@pointwise(double=False)
def sinc(x: Array) -> Array:
    """sin(πx) / (πx); 1 at 0."""
    y = x * math.pi
    out = np.sin(y) / y
    out[x == 0] = 1.0
    return out


@pointwise(double=False)
def sinc_wave(x: Array, *, order: int) -> Array:
    """Spherical Bessel function j(πx) of an order of at least 1; of order 0 it is `sinc`."""
    z = x * math.pi
    near = np.abs(z) < order + 1
    below = np.sin(z) / z  # upwards by DLMF 10.51.1, which is stable for an order below |z|
    out = (below - np.cos(z)) / z
    for k in range(1, order):
        below, out = out, (2 * k + 1) / z * out - below
    out[near] = _sinc_wave_series(z[near], order)
    return out


def _sinc_wave_series(z: Array, order: int) -> Array:  # DLMF 10.53.1
    step = z * z * -0.5
    term = z**order / math.prod(range(1, 2 * order + 2, 2))
    out = term.copy()
    for k in range(1, 20 + 2 * order):
        term *= step / (k * (2 * order + 2 * k + 1))
        out += term
    return out


# Orthogonal polynomials: f(x, n) of degree n truncated to an integer; 0 for a negative n, and for inf and nan

def _degree(n: Array) -> Array:
    return np.where(np.abs(n) < 2.0**63, np.trunc(n), -1.0)


def _climb(n: Array, first: Array, step: Callable[[int, Array, Array], Array]) -> Array:
    """Each element's p_n, where p_0 = 1, p_1 = first and p_(k+1) = step(k, p_k, p_(k-1))."""
    before, now, k = np.ones_like(first), first, 1
    out = np.where(n > 0, first, before)
    while np.any((n > k) & ~np.isnan(now)):  # nan stays nan, so a huge n need not be reached
        before, now = now, step(k, now, before)
        k += 1
        np.copyto(out, now, where=n >= k)
    return np.where(n < 0, 0, out).astype(first.dtype)


def _chebyshev(
    x: Array, n: Array, first: Array, right: Array, left: Array, angle: Callable[[Array, Array], Array],
) -> Array:
    """Polynomial with p_1 = first, the values right at 1 and ± left at -1, and angle(θ, n) at x = cos θ."""
    end = np.abs(x) == 1
    inside = (np.abs(x) < 1) & (n > 8)
    low = np.where(end | inside, np.minimum(n, 0), n)  # elsewhere there is a shorter way
    out = _climb(low, first, lambda k, now, before: 2.0 * x * now - before)
    ends = np.where(x > 0, right, np.where(n % 2 == 0, left, -left))
    out = np.where(end & (n > 0), ends, out).astype(x.dtype)
    out[inside] = angle(np.arccos(x[inside]), n[inside])
    return out


@pointwise(double=False)
def chebyshev_polynomial_t(x: Array, n: Array) -> Array:
    """Chebyshev polynomial of the first kind, T_n(cos θ) = cos(nθ)."""
    n = _degree(n)
    return _chebyshev(x, n, x, np.ones_like(x), np.ones_like(x), lambda t, n: np.cos(n * t))


@pointwise(double=False)
def chebyshev_polynomial_u(x: Array, n: Array) -> Array:
    """Chebyshev polynomial of the second kind, U_n(cos θ) = sin((n + 1) θ) / sin(θ)."""
    n = _degree(n)
    return _chebyshev(x, n, 2.0 * x, n + 1, n + 1, lambda t, n: np.sin((n + 1) * t) / np.sin(t))


@pointwise(double=False)
def chebyshev_polynomial_v(x: Array, n: Array) -> Array:
    """Chebyshev polynomial of the third kind, V_n(cos θ) = cos((n + ½) θ) / cos(θ / 2)."""
    n = _degree(n)
    return _chebyshev(
        x, n, 2.0 * x - 1, np.ones_like(x), 2 * n + 1, lambda t, n: np.cos((n + 0.5) * t) / np.cos(0.5 * t),
    )


@pointwise(double=False)
def chebyshev_polynomial_w(x: Array, n: Array) -> Array:
    """Chebyshev polynomial of the fourth kind, W_n(cos θ) = sin((n + ½) θ) / sin(θ / 2)."""
    n = _degree(n)
    return _chebyshev(
        x, n, 2.0 * x + 1, 2 * n + 1, np.ones_like(x), lambda t, n: np.sin((n + 0.5) * t) / np.sin(0.5 * t),
    )


def _shifted(polynomial: Kernel) -> Kernel:
    @pointwise(double=False)
    def shifted(x: Array, n: Array) -> Array:
        return polynomial(x + x - 1, n)

    shifted.__name__ = f"shifted_{polynomial.__name__}"
    shifted.__doc__ = f"`{polynomial.__name__}` of 2x - 1, for x between 0 and 1."
    return shifted


shifted_chebyshev_polynomial_t = _shifted(chebyshev_polynomial_t)
shifted_chebyshev_polynomial_u = _shifted(chebyshev_polynomial_u)
shifted_chebyshev_polynomial_v = _shifted(chebyshev_polynomial_v)
shifted_chebyshev_polynomial_w = _shifted(chebyshev_polynomial_w)


def _hermite(x: Array, n: Array, scale: float) -> Array:
    """Polynomials with p_(k+1) = scale (x p_k - k p_(k-1)); nan beyond the degree where PyTorch stops."""
    n = _degree(n)
    stop = n > (128 if x.dtype == np.float32 else 512)
    out = _climb(np.where(stop, 0, n), scale * x, lambda k, now, before: scale * (x * now - k * before))
    return np.where(stop, math.nan, out).astype(x.dtype)


@pointwise(double=False)
def hermite_polynomial_h(x: Array, n: Array) -> Array:
    """Hermite polynomial of the physicists, H_(k+1) = 2x H_k - 2k H_(k-1)."""
    return _hermite(x, n, 2.0)


@pointwise(double=False)
def hermite_polynomial_he(x: Array, n: Array) -> Array:
    """Hermite polynomial of the statisticians, He_(k+1) = x He_k - k He_(k-1)."""
    return _hermite(x, n, 1.0)


@pointwise(double=False)
def laguerre_polynomial_l(x: Array, n: Array) -> Array:
    """Laguerre polynomial, (k + 1) L_(k+1) = (2k + 1 - x) L_k - k L_(k-1)."""
    n = np.where(x == 0, np.minimum(_degree(n), 0), _degree(n))  # L_n(0) = 1
    return _climb(n, 1.0 - x, lambda k, now, before: ((2 * k + 1 - x) * now - k * before) / (k + 1))


@pointwise(double=False)
def legendre_polynomial_p(x: Array, n: Array) -> Array:
    """Legendre polynomial, (k + 1) P_(k+1) = (2k + 1) x P_k - k P_(k-1)."""
    n = _degree(n)
    n = np.where((np.abs(x) == 1) & (n > 0), 2 - n % 2, n)  # P_n(±1) depends on the parity of n alone
    return _climb(n, x, lambda k, now, before: ((2 * k + 1) * x * now - k * before) / (k + 1))
