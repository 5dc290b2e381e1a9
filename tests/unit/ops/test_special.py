"""The public faces of `regrad.ops.special` and `regrad.special`."""

import math

import numpy as np
import pytest

import regrad as rg

UNDIFFERENTIATED = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_i0", "modified_bessel_i1",
    "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
    "spherical_bessel_j0",
]


def leaf(*values):
    return rg.tensor(values, dtype=rg.float64, requires_grad=True)


def derivatives(f, x, count):
    """The derivatives of ``f`` at one number, from the first on."""
    found = []
    for _ in range(count):
        (f,) = rg.autograd.grad(f.sum(), x, create_graph=True)
        found.append(f.item())
    return found


def test_whole_numbers_become_floats():
    for name in ("erf", "lgamma", "digamma", "sinc", "i0"):
        assert getattr(rg, name)(rg.tensor([1, 2])).dtype is rg.float32
    assert rg.special.zeta(rg.tensor([2, 3]), 1).dtype is rg.float32
    assert rg.special.hermite_polynomial_h(rg.tensor([True]), 2).dtype is rg.float32


def test_methods_and_their_forms_in_place():
    x = rg.tensor([1.5, 2.5])
    assert x.polygamma(1).equal(rg.polygamma(1, x))
    assert x.clone().polygamma_(1).equal(rg.polygamma(1, x))
    assert x.clone().mvlgamma_(2).equal(rg.mvlgamma(x, 2))
    assert x.igamma(x).equal(rg.special.gammainc(x, x))
    assert x.clone().erfinv_().isnan().all()


def test_the_derivatives_of_polygamma_are_polygammas():
    x = leaf(2.5)
    assert derivatives(rg.lgamma(x), x, 4) == pytest.approx([x.polygamma(n).item() for n in range(4)])


def test_sinc_has_all_its_derivatives_at_zero():
    x = leaf(0.0)
    expected = [0, -(math.pi**2) / 3, 0, math.pi**4 / 5, 0, -(math.pi**6) / 7]
    assert derivatives(rg.sinc(x), x, 6) == pytest.approx(expected, abs=1e-12)


def test_the_incomplete_gamma_functions_are_differentiated_by_their_second_argument():
    shape, at = np.array([2.5, 0.5]), np.array([2.0, 3.0])
    a, x = leaf(*shape), leaf(*at)
    density = at ** (shape - 1) * np.exp(-at) / [math.gamma(2.5), math.gamma(0.5)]
    for f, sign in ((rg.igamma, 1), (rg.igammac, -1)):
        (g,) = rg.autograd.grad(f(a.detach(), x).sum(), x, create_graph=True)
        np.testing.assert_allclose(g.detach().numpy(), sign * density, rtol=1e-12)
        (second,) = rg.autograd.grad(g.sum(), x)
        np.testing.assert_allclose(second.numpy(), sign * density * ((shape - 1) / at - 1), rtol=1e-12)
        with pytest.raises(NotImplementedError, match=f"the derivative for '{f.__name__}: input' is not"):
            f(a, x).sum().backward()


def test_zeta_is_not_differentiated_by_its_first_argument():
    with pytest.raises(NotImplementedError, match="the derivative for 'zeta' is not implemented"):
        rg.special.zeta(leaf(2.0), 1.0).sum().backward()


@pytest.mark.parametrize("name", UNDIFFERENTIATED)
def test_functions_without_a_derivative_give_results_without_a_gradient(name):
    assert not getattr(rg.special, name)(leaf(0.5)).requires_grad


def test_polynomials_take_a_number_on_one_side_by_position_or_name():
    x = rg.tensor([0.5])
    assert [-1.0] == rg.special.chebyshev_polynomial_t(x, n=3).tolist()
    assert [2.0, 7.0] == rg.special.chebyshev_polynomial_t(2, rg.tensor([1, 2])).tolist()
    assert not rg.special.legendre_polynomial_p(leaf(0.5), 2).requires_grad
    with pytest.raises(TypeError, match="must be Tensor"):
        rg.special.chebyshev_polynomial_t(0.5, 3)


def test_arguments_that_are_refused():
    x = rg.tensor([1.0])
    with pytest.raises(RuntimeError, match="does not support negative n"):
        rg.polygamma(-1, x)
    with pytest.raises(TypeError, match=r"argument 'n' .* must be int, not float"):
        rg.polygamma(1.5, x)
    with pytest.raises(RuntimeError, match="p has to be greater than or equal to 1"):
        rg.mvlgamma(x, 0)
    with pytest.raises(RuntimeError, match="may not be a boolean tensor"):
        rg.mvlgamma(rg.tensor([True]), 1)
    with pytest.raises(TypeError, match="must be Tensor"):
        rg.igamma(x, 2.0)
    with pytest.raises(NotImplementedError, match="not implemented for complex64"):
        rg.digamma(rg.tensor([1j]))
    with pytest.raises(TypeError, match="must be Tensor"):
        rg.erf(2.0)


def test_second_names_are_the_same_functions():
    assert rg.special.expit is rg.sigmoid
    assert rg.special.multigammaln is rg.mvlgamma
    assert (rg.lgamma, rg.digamma) == (rg.special.gammaln, rg.special.psi)
    assert (rg.igamma, rg.igammac) == (rg.special.gammainc, rg.special.gammaincc)
