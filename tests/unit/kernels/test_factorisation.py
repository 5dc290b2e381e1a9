"""Factorisations multiply back to what was factorised, whatever the size, the batch and the number type."""

import numpy as np
import pytest

from regrad.kernels.reference import factorisation
from regrad.kernels.reference.factorisation import BLOCK

SIZES = [0, 1, 3, BLOCK, BLOCK + 1, 2 * BLOCK + 5]
COMPLEX = [False, True]


def matrices(*shape, complex_numbers=False, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if complex_numbers else x


@pytest.mark.parametrize("complex_numbers", COMPLEX)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("unit", [False, True])
def test_a_triangular_system_is_solved_from_either_side(n, upper, unit, complex_numbers):
    a = matrices(2, n, n, complex_numbers=complex_numbers) / max(n, 1)
    a[:, range(n), range(n)] = 2
    triangle = np.triu(a) if upper else np.tril(a)
    if unit:
        triangle[:, range(n), range(n)] = 1
    b = matrices(n, 3, complex_numbers=complex_numbers)
    x = factorisation.solve_triangular(a, b, upper=upper, unitriangular=unit)
    np.testing.assert_allclose(triangle @ x, np.broadcast_to(b, x.shape), atol=1e-12)
    y = factorisation.solve_triangular(a, b.T, upper=upper, left=False, unitriangular=unit)
    np.testing.assert_allclose(y @ triangle, np.broadcast_to(b.T, y.shape), atol=1e-12)


def test_a_zero_on_the_diagonal_divides_by_zero_and_nothing_else_happens():
    a = np.array([[2.0, 1.0], [0.0, 0.0]])
    with np.errstate(all="ignore"):
        x = factorisation.solve_triangular(a, np.array([[1.0], [1.0]]), upper=True)
    assert np.inf == x[1, 0]
    with np.errstate(all="ignore"):
        y = factorisation.solve_triangular(np.array([[2.0, np.inf], [0.0, 1.0]]), np.ones((2, 1)), upper=True)
    assert [-np.inf, 1.0] == y[:, 0].tolist()


@pytest.mark.parametrize("complex_numbers", COMPLEX)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("extra", [-2, 0, 3])
def test_an_lu_factorisation_multiplies_back(n, extra, complex_numbers):
    m = max(n + extra, 0)
    a = matrices(2, m, n, complex_numbers=complex_numbers)
    compact, pivots, info = factorisation.lu(a)
    k = min(m, n)
    lower = np.tril(compact[..., :k], -1) + np.eye(m, k)
    order = factorisation.order_of(pivots, m)
    rows = np.take_along_axis(a, order[..., None], axis=-2)
    np.testing.assert_allclose(lower @ np.triu(compact[..., :k, :]), rows, atol=1e-10)
    assert not info.any()
    assert np.abs(np.tril(compact[..., :k], -1)).max(initial=0) <= (2**0.5 if complex_numbers else 1) + 1e-12


def test_without_pivoting_rows_stay_where_they_are():
    a = matrices(3, 3) + 4 * np.eye(3)
    compact, pivots, _ = factorisation.lu(a, pivot=False)
    assert [1, 2, 3] == pivots.tolist()
    np.testing.assert_allclose((np.tril(compact, -1) + np.eye(3)) @ np.triu(compact), a)


def test_the_first_zero_pivot_of_each_matrix_is_numbered():
    a = np.stack([np.eye(3), np.diag([1.0, 0.0, 1.0]), np.zeros((3, 3))])
    assert [0, 2, 1] == factorisation.lu(a)[2].tolist()
    with np.errstate(all="ignore"):
        inverse, info = factorisation.inv(a)
    assert [0, 2, 1] == info.tolist()
    np.testing.assert_array_equal(inverse[0], np.eye(3))


@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("complex_numbers", COMPLEX)
@pytest.mark.parametrize("n", [0, 1, 2, 7, 30])
def test_an_ldl_factorisation_solves_its_system(n, complex_numbers, hermitian):
    a = matrices(2, n, n, complex_numbers=complex_numbers)
    a = a + (a.mT.conj() if hermitian else a.mT)
    if n > 1:
        a[:, range(n), range(n)] = 0  # a zero diagonal asks for blocks of two
    compact, pivots, info = factorisation.ldl(a, hermitian=hermitian)
    b = matrices(n, 2, complex_numbers=complex_numbers)
    x = factorisation.ldl_solve(compact, pivots, b, hermitian=hermitian)
    np.testing.assert_allclose(a @ x, np.broadcast_to(b, x.shape), atol=1e-9)
    assert not info.any()
    assert n < 2 or (pivots < 0).any()


def test_a_zero_matrix_has_an_ldl_factorisation_with_info():
    compact, pivots, info = factorisation.ldl(np.zeros((2, 2)))
    assert ([1, 2], 1) == (pivots.tolist(), info.item())
    assert not compact.any()


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("complex_numbers", COMPLEX)
def test_a_cholesky_factorisation_stops_at_the_minor_that_is_not_positive(upper, complex_numbers):
    x = matrices(3, 4, 4, complex_numbers=complex_numbers)
    a = x @ x.mT.conj() + np.eye(4)
    a[1, 2, 2] = -1
    factor, info = factorisation.cholesky(a, upper=upper)
    assert [0, 3, 0] == info.tolist()
    fine = factor[[0, 2]]
    product = fine.mT.conj() @ fine if upper else fine @ fine.mT.conj()
    np.testing.assert_allclose(product, a[[0, 2]], atol=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("complex_numbers", COMPLEX)
def test_the_exponential_of_a_matrix_is_that_of_its_eigenvalues(scale, complex_numbers):
    a = scale * matrices(3, 4, 4, complex_numbers=complex_numbers)
    a = a - a.mT.conj()  # its eigenvalues are imaginary, so nothing grows
    values, vectors = np.linalg.eig(a)
    want = vectors * np.exp(values)[..., None, :] @ np.linalg.inv(vectors)
    want = want if complex_numbers else want.real
    np.testing.assert_allclose(factorisation.matrix_exp(a), want, atol=1e-12 * max(scale, 1))


def test_each_matrix_of_a_batch_is_scaled_on_its_own():
    a = np.stack([np.zeros((2, 2)), np.diag([20.0, -20.0])])
    want = [np.eye(2), np.diag(np.exp([20.0, -20.0]))]
    np.testing.assert_allclose(factorisation.matrix_exp(a), want, rtol=1e-13)


def test_single_precision_stays_single():
    a = matrices(3, 3).astype("f4")
    spd = a @ a.T + np.eye(3, dtype="f4")
    results = [factorisation.solve_triangular(a, a, upper=True), factorisation.lu(a)[0],
               factorisation.ldl(spd)[0], factorisation.cholesky(spd)[0], factorisation.matrix_exp(a),
               *factorisation.geqrf(a), factorisation.inv(a)[0]]
    assert {np.dtype("f4")} == {r.dtype for r in results}
