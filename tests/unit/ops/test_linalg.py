"""`rg.linalg` and its kin: what the laws cannot say of an op with free signs, one triangle, or an error."""

import numpy as np
import pytest

import regrad as rg

RNG = np.random.default_rng(0)
SINGULAR = [[1.0, 2.0], [2.0, 4.0]]


def leaf(*shape, complex_numbers=False):
    x = RNG.standard_normal(shape)
    if complex_numbers:
        x = x + 1j * RNG.standard_normal(shape)
    return rg.tensor(x).requires_grad_()


def eye(n):
    return rg.eye(n, dtype=rg.float64)


def checked(f, *xs):
    """Are both derivatives of ``f`` right?"""
    return rg.autograd.gradcheck(f, xs) and rg.autograd.gradgradcheck(f, xs)


# -- one triangle, free signs, free phases: gradients through expressions that do not depend on them


@pytest.mark.parametrize("complex_numbers", [False, True])
@pytest.mark.parametrize("upper", [False, True])
def test_the_cholesky_factor_of_a_symmetric_matrix_has_both_derivatives(upper, complex_numbers):
    def f(x):
        return rg.linalg.cholesky(x @ x.mH + 3 * eye(3), upper=upper)

    assert checked(f, leaf(3, 3, complex_numbers=complex_numbers))
    factor = f(leaf(2, 3, 3, complex_numbers=complex_numbers)).detach()
    assert rg.equal(factor, factor.triu() if upper else factor.tril())


@pytest.mark.parametrize("upper", [False, True])
def test_a_solution_from_a_cholesky_factor_has_both_derivatives(upper):
    def f(b, x):
        triangle = x.triu() if upper else x.tril()
        factor = triangle + 3 * eye(3)
        return rg.cholesky_solve(b, factor, upper), rg.cholesky_inverse(factor, upper)

    assert checked(f, leaf(3, 2), leaf(3, 3))


@pytest.mark.parametrize("complex_numbers", [False, True])
@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigenvalues_and_sign_free_vectors_of_symmetric_matrices_have_both_derivatives(uplo, complex_numbers):
    def f(x):
        values, vectors = rg.linalg.eigh(x + x.mH, uplo)
        return values, vectors.abs(), rg.linalg.eigvalsh(x + x.mH, uplo)

    assert checked(f, leaf(3, 3, complex_numbers=complex_numbers))


@pytest.mark.parametrize("complex_numbers", [False, True])
def test_eigenvalues_and_phase_free_eigenvectors_have_both_derivatives(complex_numbers):
    def f(x):
        values, vectors = rg.linalg.eig(x)
        return values.real, vectors.abs()

    assert checked(f, leaf(3, 3, complex_numbers=complex_numbers))


def test_singular_vectors_of_complex_matrices_have_phase_free_derivatives():
    def f(x):
        u, s, vh = rg.linalg.svd(x, full_matrices=False)
        return (u @ vh).abs(), s, u.abs()

    assert checked(f, leaf(3, 2, complex_numbers=True))


@pytest.mark.parametrize("name", ["svd", "eigh", "eig"])
def test_a_loss_that_depends_on_a_phase_is_refused(name):
    x = leaf(3, 3, complex_numbers=True)
    parts = rg.linalg.eigh(x + x.mH) if name == "eigh" else getattr(rg.linalg, name)(x)
    with pytest.raises(RuntimeError, match="up to multiplication by e"):
        parts[0 if name == "svd" else 1].real.sum().backward()


def test_a_singular_matrix_has_a_determinant_with_a_gradient():
    x = rg.tensor(SINGULAR).requires_grad_()
    (g,) = rg.autograd.grad(rg.linalg.det(x), x)
    np.testing.assert_allclose(g.numpy(), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-6)


# -- trouble is reported


@pytest.mark.parametrize(("call", "text"), [
    (lambda a: rg.linalg.inv(a), "linalg.inv: The diagonal element 2 is zero"),
    (lambda a: rg.inverse(rg.stack([eye(2), a])), r"linalg.inv: \(Batch element 1\): The diagonal element 2"),
    (lambda a: rg.linalg.solve(a, rg.ones(2, dtype=rg.float64)), "linalg.solve: The solver failed"),
    (lambda a: rg.linalg.cholesky(-a), "the leading minor of order 1 is not positive-definite"),
    (lambda a: rg.linalg.cholesky(a * float("nan")), "the leading minor of order 1"),
    (lambda a: rg.linalg.lu_factor(a), r"U\[2,2\] is zero"),
    (lambda a: rg.lu(a), r"U\[2,2\] is zero"),
    (lambda a: rg.linalg.ldl_factor(a), r"D\[2,2\] is zero"),
    (lambda a: rg.linalg.matrix_power(a, -1), "linalg.inv"),
    (lambda a: rg.linalg.svd(a * float("nan")), "contained non-finite values"),
])
def test_a_matrix_that_will_not_do_raises_linalg_error(call, text):
    with pytest.raises(rg.linalg.LinAlgError, match=text):
        call(rg.tensor(SINGULAR, dtype=rg.float64))


def test_the_ex_functions_report_in_info_and_raise_on_request():
    a = rg.stack([rg.eye(2), rg.tensor(SINGULAR)])
    infos = [rg.linalg.inv_ex(a).info, rg.linalg.solve_ex(a, rg.ones(2, 1)).info,
             rg.linalg.lu_factor_ex(a).info, rg.linalg.cholesky_ex(a).info, rg.linalg.ldl_factor_ex(a).info]
    assert [[0, 2]] * 5 == [i.tolist() for i in infos]
    assert all(i.dtype is rg.int32 for i in infos)
    assert not rg.linalg.inv_ex(a).inverse[1].isfinite().any()
    for f in (rg.linalg.inv_ex, rg.linalg.lu_factor_ex, rg.linalg.cholesky_ex, rg.linalg.ldl_factor_ex):
        with pytest.raises(rg.linalg.LinAlgError):
            f(a, check_errors=True)


@pytest.mark.parametrize("name",
                         ["inv", "det", "slogdet", "cholesky", "eigh", "eigvals", "matrix_exp", "inv_ex"])
def test_a_square_matrix_of_floats_is_asked_for(name):
    f = getattr(rg.linalg, name)
    with pytest.raises(RuntimeError, match="batches of square matrices, but they are 2 by 3"):
        f(rg.ones(2, 3))
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        f(rg.ones(3))
    with pytest.raises(RuntimeError, match=r"Expected a floating point|not implemented for 'Long'"):
        f(rg.ones(2, 2, dtype=rg.int64))


@pytest.mark.parametrize(("call", "text"), [
    (lambda: rg.linalg.solve(rg.eye(2), rg.ones(3)), r"AX = B \(2x2 and 3x1\)"),
    (lambda: rg.linalg.solve(rg.eye(2), rg.ones(2, 3), left=False), r"XA = B"),
    (lambda: rg.linalg.solve(rg.eye(2), rg.ones(2, dtype=rg.float64)), "Float and B of type Double"),
    (lambda: rg.linalg.solve(rg.eye(2), rg.ones(2), left=False), "not supported for left=False"),
    (lambda: rg.linalg.solve_triangular(rg.eye(2), rg.ones(2), upper=True), "B must have at least 2"),
    (lambda: rg.linalg.lu_solve(rg.eye(2), rg.ones(2), rg.ones(2, 1)), "scalar type int32"),
    (lambda: rg.lu_unpack(rg.eye(2), rg.ones(2)), "tensor of int32"),
    (lambda: rg.linalg.qr(rg.eye(2), "full"), "unrecognized mode 'full'"),
    (lambda: rg.linalg.eigh(rg.eye(2), "X"), "'L' or 'U', but got X"),
    (lambda: rg.linalg.svd(rg.eye(2), driver="gesvd"), "only supported on CUDA"),
    (lambda: rg.linalg.lstsq(rg.eye(2), rg.ones(3)), "should match"),
    (lambda: rg.linalg.lstsq(rg.eye(2), rg.ones(2), driver="fast"), "gels, gelsy, gelsd, gelss"),
    (lambda: rg.linalg.multi_dot([rg.eye(2)]), "at least 2 tensors"),
    (lambda: rg.linalg.multi_dot([rg.eye(2), rg.ones(3)]), "cannot be multiplied"),
    (lambda: rg.linalg.multi_dot([rg.eye(2), rg.ones(2, 2, 2)]), "must be 1D or 2D but got 3D"),
    (lambda: rg.linalg.matrix_norm(rg.eye(2), 3), "Order 3 not supported"),
    (lambda: rg.linalg.matrix_norm(rg.eye(2), dim=(0, 0)), "dims must be different"),
    (lambda: rg.linalg.matrix_norm(rg.eye(2), dim=(0,)), "must be a 2-tuple"),
    (lambda: rg.linalg.norm(rg.ones(2, 2, 2), 2), "must be 1D or 2D. Got 3D"),
    (lambda: rg.linalg.norm(rg.ones(2, 2, 2), dim=(0, 1, 2)), "of length 1 or 2"),
    (lambda: rg.linalg.cond(rg.eye(2), 3), "invalid norm type: 3"),
    (lambda: rg.linalg.cond(rg.ones(2, 3), 1), "2 by 3 matrices"),
    (lambda: rg.linalg.pinv(rg.ones(3)), "2 or more dimensions"),
    (lambda: rg.linalg.pinv(rg.ones(2, 3), hermitian=True), "2 by 3 matrices"),
    (lambda: rg.linalg.vander(rg.ones(3), N=1), "greater than 1"),
    (lambda: rg.vander(rg.ones(2, 3)), "one-dimensional"),
    (lambda: rg.linalg.tensorinv(rg.ones(2, 3)), "but got 1 != 6"),
    (lambda: rg.linalg.tensorinv(rg.ones(2, 3), 0), "strictly positive"),
    (lambda: rg.linalg.tensorsolve(rg.ones(2, 3), rg.ones(3)), "invalid for input of size 6"),
    (lambda: rg.linalg.vecdot(rg.ones(3), rg.ones(3, dtype=rg.float64)), "same dtype"),
    (lambda: rg.orgqr(rg.ones(2, 3), rg.ones(2)), r"input.shape\[-2\] must be greater"),
    (lambda: rg.orgqr(rg.ones(3, 2), rg.ones(3)), r"greater than or equal to tau.shape\[-1\]"),
    (lambda: rg.ormqr(rg.ones(3, 2), rg.ones(2), rg.ones(2, 2)), "must be equal to input"),
    (lambda: rg.ormqr(rg.ones(3, 2), rg.ones(2, 1), rg.ones(3, 2)), "one dimension less"),
])
def test_arguments_that_do_not_go_together_are_refused(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()


@pytest.mark.parametrize(("mode", "shape", "text"),
                         [("r", (3, 3), "mode='r'"), ("complete", (3, 2), "mode='complete'")])
def test_a_qr_factorisation_without_a_derivative_says_so(mode, shape, text):
    with pytest.raises(RuntimeError, match=text):
        rg.linalg.qr(leaf(*shape), mode).R.sum().backward()


# -- what the public functions put together


def test_results_of_several_parts_name_them():
    a = rg.eye(2)
    assert ("eigenvalues", "eigenvectors") == rg.linalg.eigh(a)._fields
    assert ("sign", "logabsdet") == rg.slogdet(a)._fields
    assert ("P", "L", "U") == rg.linalg.lu(a)._fields
    assert ("U", "S", "Vh") == rg.linalg.svd(a)._fields
    assert ("U", "S", "V") == rg.svd(a)._fields
    assert ("solution", "residuals", "rank", "singular_values") == rg.linalg.lstsq(a, a)._fields


def test_factors_give_the_matrix_back():
    a = leaf(4, 3).detach()
    square = leaf(2, 3, 3).detach()
    p, lower, upper = rg.linalg.lu(a)
    q, r = rg.linalg.qr(a)
    u, s, vh = rg.linalg.svd(a, full_matrices=False)
    values, vectors = rg.linalg.eig(square)
    v, t = rg.geqrf(a)
    for found in (p @ lower @ upper, q @ r, (u * s) @ vh, rg.linalg.householder_product(v, t) @ v[:3].triu()):
        np.testing.assert_allclose(found.numpy(), a.numpy(), atol=1e-12)
    again = vectors * values[..., None, :] @ rg.linalg.inv(vectors)
    np.testing.assert_allclose(again.numpy(), square.numpy(), atol=1e-10)
    np.testing.assert_allclose(rg.ormqr(v, t, rg.ormqr(v, t, a), transpose=True).numpy(), a.numpy(),
                               atol=1e-12)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("adjoint", [False, True])
def test_a_compact_factorisation_solves_on_either_side_and_for_the_adjoint(left, adjoint):
    a, b = leaf(3, 3, complex_numbers=True), leaf(3, 3, complex_numbers=True)
    x = rg.linalg.lu_solve(*rg.linalg.lu_factor(a), b, left=left, adjoint=adjoint)
    system = a.mH if adjoint else a
    np.testing.assert_allclose((system @ x if left else x @ system).detach().numpy(), b.detach().numpy(),
                               atol=1e-10)

    def f(a, b):
        return rg.linalg.lu_solve(*rg.linalg.lu_factor(a), b, left=left, adjoint=adjoint).contiguous()

    assert rg.autograd.gradcheck(f, (a, b))


def test_a_system_takes_vectors_batches_and_either_side():
    a, b = leaf(2, 3, 3).detach(), leaf(2, 3).detach()
    x = rg.linalg.solve(a, b)
    np.testing.assert_allclose((a @ x[..., None])[..., 0].numpy(), b.numpy(), atol=1e-10)
    row = leaf(4, 3).detach()
    np.testing.assert_allclose((rg.linalg.solve(a, row, left=False) @ a).numpy(),
                               rg.stack([row, row]).numpy(), atol=1e-10)


def test_the_legacy_triangular_solve_gives_the_matrix_too():
    a, b = leaf(3, 3).detach() + 3 * eye(3), leaf(3, 2).detach()
    x, same = rg.triangular_solve(b, a, upper=False, transpose=True)
    np.testing.assert_allclose((a.tril().mT @ x).numpy(), b.numpy(), atol=1e-12)
    assert rg.equal(a, same)


def test_householder_products_and_their_kin_have_both_derivatives():
    a, tau, c = leaf(4, 3), leaf(2), leaf(4, 2)
    assert checked(rg.linalg.householder_product, a, tau)
    assert checked(lambda a, tau, c: rg.ormqr(a, tau, c, True, True), a, leaf(3), c)


def test_hermitian_pseudo_inverses_read_one_triangle():
    a = leaf(3, 3).detach()
    symmetric = a.tril() + a.tril(-1).mT
    np.testing.assert_allclose(rg.linalg.pinv(a, hermitian=True).numpy(), np.linalg.pinv(symmetric.numpy()),
                               rtol=1e-9)


def test_tolerances_are_numbers_or_one_for_each_matrix():
    a = rg.diag(rg.tensor([1.0, 0.1, 0.0]))
    ranks = [rg.linalg.matrix_rank(a), rg.linalg.matrix_rank(a, atol=0.5), rg.linalg.matrix_rank(a, rtol=0.5),
             rg.linalg.matrix_rank(a, 0.05)]
    assert [2, 1, 1, 2] == [r.item() for r in ranks]
    both = rg.linalg.matrix_rank(rg.stack([a, a]), atol=rg.tensor([0.5, 0.05]))
    assert [1, 2] == both.tolist()
    assert 1 == rg.linalg.matrix_rank(rg.linalg.pinv(a, atol=0.5)).item()


def test_lstsq_fills_what_its_driver_fills():
    a, b = leaf(4, 2).detach(), leaf(4, 3).detach()
    drivers = ("gels", "gelsy", "gelsd", "gelss")
    filled = {d: [x.numel() > 0 for x in rg.linalg.lstsq(a, b, driver=d)] for d in drivers}
    assert [True, True, False, False] == filled["gels"]
    assert [True, False, True, False] == filled["gelsy"]
    assert [True] * 4 == filled["gelsd"] == filled["gelss"]
    assert (2,) == rg.linalg.lstsq(a, b[:, 0]).solution.shape


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf")])
def test_norms_of_matrices_are_numpys_along_any_two_dimensions(order):
    a = leaf(2, 3, 4)
    for dims in ((-2, -1), (0, 2), (2, 0)):
        for keepdim in (False, True):
            got = rg.linalg.matrix_norm(a, order, dims, keepdim).detach().numpy()
            np.testing.assert_allclose(got, np.linalg.norm(a.detach().numpy(), order, dims, keepdim))
    assert rg.autograd.gradcheck(lambda a: rg.linalg.matrix_norm(a, order, (2, 0)), a)


def test_condition_numbers_are_numpys_and_infinite_for_singular_matrices():
    a = leaf(3, 3)
    for p in (None, 2, -2, "fro", "nuc", 1, -1, float("inf"), -float("inf")):
        np.testing.assert_allclose(rg.linalg.cond(a, p).item(), np.linalg.cond(a.detach().numpy(), p))
    assert float("inf") == rg.linalg.cond(rg.tensor(SINGULAR), 1).item()


def test_the_power_zero_is_the_identity_even_of_nan():
    x = rg.full((2, 2), float("nan")).requires_grad_()
    out = rg.linalg.matrix_power(x, 0)
    out.sum().backward()
    assert [[1.0, 0.0], [0.0, 1.0]] == out.tolist()
    assert [[0.0, 0.0], [0.0, 0.0]] == x.grad.tolist()


def test_integer_matrices_have_powers():
    assert [[1, 3], [0, 1]] == rg.matrix_power(rg.tensor([[1, 1], [0, 1]]), 3).tolist()


def test_small_problems_give_what_a_textbook_gives():
    x = rg.tensor([1.0, 2.0, 3.0])
    assert [[1.0, 1.0, 1.0], [1.0, 2.0, 4.0], [1.0, 3.0, 9.0]] == rg.linalg.vander(x).tolist()
    assert [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]] == rg.vander(x, 2).tolist()
    assert 14.0 == rg.linalg.vecdot(x, x).item()
    assert 14.0 == rg.linalg.multi_dot([x, rg.eye(3), x]).item()
    assert [1.0, 1.0] == rg.linalg.diagonal(rg.eye(2)).tolist()
    assert rg.isnan(rg.logdet(-rg.eye(1))).item()


def test_tensor_equations_are_matrix_equations_of_flattened_dimensions():
    a, b = leaf(2, 3, 6), leaf(2, 3)
    x = rg.linalg.tensorsolve(a, b)
    np.testing.assert_allclose(rg.tensordot(a, x, 1).detach().numpy(), b.detach().numpy(), atol=1e-10)
    again = rg.tensordot(rg.linalg.tensorinv(a, 2), b, 2)
    np.testing.assert_allclose(again.detach().numpy(), x.detach().numpy(), atol=1e-10)
    turned = rg.movedim(a, 0, 2)
    assert rg.equal(x, rg.linalg.tensorsolve(turned, b.mT, dims=(1,)))


def test_halves_are_refused_or_computed_in_single():
    half = rg.eye(2, dtype=rg.float16)
    with pytest.raises(RuntimeError, match="Low precision dtypes not supported"):
        rg.linalg.inv(half)
    with pytest.raises(NotImplementedError, match="not implemented for 'Half'"):
        rg.linalg.det(half)
    assert rg.float16 is rg.matrix_exp(half).dtype
