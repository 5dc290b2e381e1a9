"""Special functions under the names of ``torch.special``: https://docs.pytorch.org/docs/stable/special.html.

Some have another name in `rg`: `expit` is `sigmoid` there, `psi` is `digamma`, `gammaln` is `lgamma`,
`multigammaln` is `mvlgamma`, and `gammainc` and `gammaincc` are `igamma` and `igammac`.

>>> rg.special.expit(rg.tensor([0.]))
tensor([0.5000])
"""

from __future__ import annotations  # noqa: I001 - a name a line would fill a screen

from regrad.ops.activation import log_softmax, softmax
from regrad.ops.exponential import exp2, expm1, log1p, logit, sigmoid, xlogy
from regrad.ops.reduction import logsumexp
from regrad.ops.rounding import round
from regrad.ops.special import (
    airy_ai, bessel_j0, bessel_j1, bessel_y0, bessel_y1, chebyshev_polynomial_t, chebyshev_polynomial_u,
    chebyshev_polynomial_v, chebyshev_polynomial_w, digamma, entr, erf, erfc, erfcx, erfinv,
    hermite_polynomial_h, hermite_polynomial_he, i0, i0e, i1, i1e, igamma, igammac, laguerre_polynomial_l,
    legendre_polynomial_p, lgamma, log_ndtr, modified_bessel_i0, modified_bessel_i1, modified_bessel_k0,
    modified_bessel_k1, mvlgamma, ndtr, ndtri, polygamma, scaled_modified_bessel_k0,
    scaled_modified_bessel_k1, shifted_chebyshev_polynomial_t, shifted_chebyshev_polynomial_u,
    shifted_chebyshev_polynomial_v, shifted_chebyshev_polynomial_w, sinc, spherical_bessel_j0, xlog1py, zeta,
)  # fmt: skip

__all__ = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "chebyshev_polynomial_t",
    "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w", "digamma", "entr", "erf",
    "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammainc", "gammaincc", "gammaln",
    "hermite_polynomial_h", "hermite_polynomial_he", "i0", "i0e", "i1", "i1e", "laguerre_polynomial_l",
    "legendre_polynomial_p", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "modified_bessel_i0",
    "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "multigammaln", "ndtr", "ndtri",
    "polygamma", "psi", "round", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w", "sinc", "softmax", "spherical_bessel_j0", "xlog1py", "xlogy", "zeta",
]  # fmt: skip

expit = sigmoid
gammainc, gammaincc = igamma, igammac
gammaln, multigammaln, psi = lgamma, mvlgamma, digamma
