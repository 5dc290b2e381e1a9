"""Linear algebra: systems of equations, determinants, factorisations, eigenvalues, functions of matrices.

A declared op works on the last two dimensions and reports trouble in a result ``info``, as LAPACK does; the
public functions, here for `rg` and in `regrad.linalg` for `rg.linalg`, turn it into `LinAlgError`. Where the
two gradients of an op need the same solve, one rule gives both (`solve_system`). Rules with `mH` say
themselves what is conjugated. Start reading at `solve_system`, then `svd_of`. Derivatives follow Giles,
Collected matrix derivative results for forward and reverse mode algorithmic differentiation (2008), and
PyTorch's choices where a matrix is degenerate.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import general
from regrad.errors import ShapeError
from regrad.graph.value import Value, wrap
from regrad.kernels.reference import factorisation as kernels
from regrad.ops import reduction
from regrad.ops.complexes import conj, imag, real
from regrad.ops.core import cast
from regrad.ops.joining import cat
from regrad.ops.matmul import dtype_of, shape_of, title_of
from regrad.ops.scan import cumprod
from regrad.ops.shaping import (
    clone,
    diag_embed,
    diagonal,
    expand,
    flip,
    movedim,
    reshape,
    squeeze,
    tril,
    triu,
    unsqueeze,
)
from regrad.ops.writing import overwrite

__all__ = ["cholesky", "cholesky_inverse", "cholesky_solve", "det", "geqrf", "inverse", "logdet", "lu",
           "lu_solve", "lu_unpack", "matrix_exp", "matrix_power", "orgqr", "ormqr", "pinverse", "qr",
           "slogdet", "svd", "triangular_solve", "vander"]


def result(name: str, fields: str) -> Any:
    """The class of a result in several parts, which unpacks like a tuple; it has PyTorch's name."""
    return namedtuple(name, fields)


class LinAlgError(RuntimeError):
    """A matrix has not what an operation needs of it: it is singular, not positive-definite, or holds nan."""


# -- what the ops share


def mH(x: Any) -> Any:  # noqa: N802
    """The conjugate transpose of each matrix."""
    return conj(x.mT)


def skew(x: Any) -> Any:
    """``x - x^H``."""
    return x - mH(x)


@general(shape=lambda x: tuple(x[-2:]))
def identity_like(x):
    """The identity matrix of the size of the matrices in ``x``."""
    return np.eye(*x.shape[-2:], dtype=x.dtype)


# Where PyTorch's kernel is the first to look at the dtype, a wrong one is a NotImplementedError.
_INTEGERS_UNSEEN = {"linalg.eigh", "linalg.lu_factor", "linalg.solve_triangular", "triangular_solve",
                    "cholesky_solve", "cholesky_inverse", "linalg.householder_product", "ormqr", "geqrf"}
_HALVES_SEEN = {"linalg.inv", "linalg.slogdet", "logdet", "linalg.lstsq", "linalg.matrix_rank"}


def check_matrices(name: str, a: Any, square: bool = True) -> None:
    """Refuse what is no matrix, or no square one, of floating-point or complex numbers."""
    dtype, shape = dtype_of(a), shape_of(a)
    half = dtype.itemsize == 2
    if name in _INTEGERS_UNSEEN if dtype.kind in "biu" else half and name not in _HALVES_SEEN:
        raise NotImplementedError(f"{name}: not implemented for '{title_of(a)}'; convert it with .float()")
    if dtype.kind not in "fc":
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got "
                           f"{title_of(a)}; convert it with .float()")
    if len(shape) < 2:
        raise ShapeError(f"{name}: The input tensor A must have at least 2 dimensions. Got {list(shape)}")
    if half:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {title_of(a)}; convert it with "
                           ".float()")
    if square:
        check_square(name, a)


def check_square(name: str, a: Any) -> None:
    """Refuse matrices that are not square."""
    shape = shape_of(a)
    if len(shape) < 2:
        raise ShapeError(f"{name}: The input tensor A must have at least 2 dimensions. Got {list(shape)}")
    if shape[-1] != shape[-2]:
        raise ShapeError(f"{name}: A must be batches of square matrices, but they are {shape[-2]} by "
                         f"{shape[-1]} matrices")


def raise_if(info: Any, text: str) -> None:
    """Raise for the first matrix with trouble; ``text`` has places for ``which`` matrix and its ``info``."""
    found = info.array if isinstance(info, Value) else np.asarray(info)
    if found.any():
        k = int(np.flatnonzero(found)[0])
        raise LinAlgError(text.format(info=found.flat[k],
                                      which=f"(Batch element {k}): " if found.ndim else ""))


def _like_first(a: Any, *_: Any, **__: Any) -> tuple[Any, ...]:
    return tuple(a), tuple(a[:-2])


def _converged(name: str, why: str, factorise: Any, *args: Any, **params: Any) -> Any:
    try:
        return factorise(*args, **params)
    except np.linalg.LinAlgError:
        raise LinAlgError(f"{name}: The algorithm failed to converge because {why}.") from None


NOT_FINITE = "the input matrix contained non-finite values"
ILL = "the input matrix is ill-conditioned or has too many repeated eigenvalues"


# -- systems of equations


def _solve_shape(a: Any, b: Any) -> tuple[Any, ...]:
    return (*shapes.broadcast(a[:-2], b[:-2]), *b[-2:]), tuple(a[:-2])


def _solve_pieces(g: Any, xs: Any, out: Any) -> list[Any]:
    back = solve_system(xs[0].mT, g)[0]
    return [-(back @ out.mT), back]


@general(xs=lambda g, xs, result: _solve_pieces(g, xs, result), shape=_solve_shape, broadcast=True,
         outs=("result", "info"), diff=(0,), name="linalg_solve_ex")
def solve_system(*xs):
    """``(x, info)`` with ``a @ x = b``."""
    return kernels.solve(*xs)


@general(a=lambda g, inverse: -(inverse.mT @ g @ inverse.mT), shape=_like_first, outs=("inverse", "info"),
         diff=(0,), name="linalg_inv_ex")
def inverse_of(a):
    """``(inverse, info)`` of each matrix."""
    return kernels.inv(a)


SINGULAR = ("linalg.inv: {which}The diagonal element {info} is zero, the inversion could not be completed "
            "because the input matrix is singular. rg.linalg.pinv gives the pseudo-inverse")


def inverse(input: Any) -> Any:
    """Inverse of a square matrix, or of each in a batch.

    ``A`` is ``(..., n, n)``. Raises LinAlgError for a singular matrix; prefer `rg.linalg.solve` to a product
    with it. PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.inv.html

    >>> rg.inverse(rg.tensor([[2., 0.], [0., 4.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    check_matrices("linalg.inv", input)
    found, info = inverse_of(input)
    raise_if(info, SINGULAR)
    return found


def _triangular_pieces(g: Any, xs: Any, out: Any, upper: bool, left: bool, unitriangular: bool) -> list[Any]:
    back = triangular_system(xs[0].mT, g, upper=not upper, left=left, unitriangular=unitriangular)
    piece = back @ out.mT if left else out.mT @ back
    return [-triu(piece, int(unitriangular)) if upper else -tril(piece, -int(unitriangular)), back]


@general(xs=lambda g, xs, out, *, upper, left, unitriangular:
             _triangular_pieces(g, xs, out, upper, left, unitriangular),
         shape=lambda a, b, **_: _solve_shape(a, b)[0], broadcast=True, name="linalg_solve_triangular")
def triangular_system(*xs, upper, left=True, unitriangular=False):
    """``x`` with ``a @ x = b`` (``x @ a = b`` if not ``left``), one triangle of ``a`` being read."""
    return kernels.solve_triangular(*xs, upper=upper, left=left, unitriangular=unitriangular)


def check_pair(name: str, a: Any, b: Any, left: bool = True) -> None:
    """Refuse a system whose sides do not go together."""
    check_matrices(name, a)
    m, n = shape_of(a), shape_of(b)
    if len(n) < 2:
        raise ShapeError(f"{name}: The input tensor B must have at least 2 dimensions. Got {list(n)}")
    if dtype_of(a) != dtype_of(b):
        raise RuntimeError(f"{name}: Expected A and B to have the same dtype, but found A of type "
                           f"{title_of(a)} and B of type {title_of(b)} instead; convert one with .to()")
    if n[-2 if left else -1] != m[-1]:
        raise ShapeError(f"{name}: Incompatible shapes of A and B for the equation "
                         f"{'AX = B' if left else 'XA = B'} ({m[-2]}x{m[-1]} and {n[-2]}x{n[-1]})")
    trouble = shapes.mismatch([m[:-2], n[:-2]])
    if trouble:
        raise ShapeError(f"{name}: the batches do not broadcast: {trouble}")


def solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """The solution of ``A X = B`` (``X A = B`` if not ``left``) for a triangular matrix, by substitution.

    ``unitriangular`` takes the diagonal to be ones. A zero on the diagonal gives inf and nan.

    >>> rg.linalg.solve_triangular(rg.tensor([[2., 1.], [0., 4.]]), rg.tensor([[3.], [4.]]), upper=True)
    tensor([[1.],
            [1.]])
    """
    check_pair("linalg.solve_triangular", A, B, left)
    return triangular_system(A, B, upper=upper, left=left, unitriangular=unitriangular)


TriangularSolve = result("triangular_solve", "solution cloned_coefficient")


def triangular_solve(b: Any, A: Any, upper: bool = True, transpose: bool = False,
                     unitriangular: bool = False) -> Any:
    """``(solution, A)`` of ``A X = b`` for a triangular matrix, or of ``A^T X = b`` if ``transpose``.

    `rg.linalg.solve_triangular` is its successor.

    >>> rg.triangular_solve(rg.tensor([[3.], [4.]]), rg.tensor([[2., 1.], [0., 4.]])).solution
    tensor([[1.],
            [1.]])
    """
    check_pair("triangular_solve", A, b)
    turned = A.mT if transpose else A
    batch = shapes.broadcast(shape_of(A)[:-2], shape_of(b)[:-2])
    solution = triangular_system(turned, b, upper=upper is not transpose, unitriangular=unitriangular)
    return TriangularSolve(solution, expand(A, (*batch, *shape_of(A)[-2:])))


# -- Cholesky


def _cholesky_piece(g: Any, factor: Any, upper: bool) -> Any:
    """Half of the symmetric matrix ``L^H g``, taken back through both factors.

    Murray, Differentiation of the Cholesky decomposition, 2016.
    """
    lower, g = (mH(factor), mH(g)) if upper else (factor, g)
    half = tril(mH(lower) @ g)
    half = 0.5 * (half + mH(tril(half, -1)))
    half = triangular_system(mH(lower), half, upper=True)
    return triangular_system(lower, half, upper=False, left=False)


@general(a=lambda g, L, *, upper: _cholesky_piece(g, L, upper), shape=_like_first, outs=("L", "info"),
         diff=(0,), conjugate=False, name="linalg_cholesky_ex")
def cholesky_of(a, *, upper=False):
    """``(L, info)`` with ``a = L L^H``, or ``U^H U`` if ``upper``.

    One triangle is read; the gradient is symmetric.
    """
    return kernels.cholesky(a, upper=upper)


NOT_POSITIVE = ("linalg.cholesky: {which}The factorization could not be completed because the input is not "
                "positive-definite (the leading minor of order {info} is not positive-definite).")


def cholesky(input: Any, upper: bool = False) -> Any:
    """Cholesky factor L of a symmetric positive-definite matrix: ``A = L L^T``, or ``U^T U`` if ``upper``.

    Raises LinAlgError if the matrix is not positive-definite. Complex matrices are Hermitian, and ``L^H``
    stands for ``L^T``. PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.cholesky.html

    >>> rg.linalg.cholesky(rg.tensor([[4., 2.], [2., 2.]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    check_matrices("linalg.cholesky", input)
    factor, info = cholesky_of(input, upper=upper)
    raise_if(info, NOT_POSITIVE)
    return factor


def _cholesky_solve_pieces(g: Any, xs: Any, out: Any, upper: bool) -> list[Any]:
    factor = xs[1]
    back = cholesky_system(g, factor, upper=upper)
    both = back @ mH(out)
    both = both + mH(both)
    return [back, -(factor @ both) if upper else -(both @ factor)]


@general(xs=lambda g, xs, out, *, upper: _cholesky_solve_pieces(g, xs, out, upper), broadcast=True,
         conjugate=False, shape=lambda b, factor, **_: _solve_shape(factor, b)[0], name="cholesky_solve")
def cholesky_system(*xs, upper):
    """``x`` with ``L L^H x = b`` for the arrays ``b, L``.

    One triangle of L is read; its gradient is that of the whole matrix, as in PyTorch.
    """
    b, factor = xs
    lower = factor.mT.conj() if upper else factor
    half = kernels.solve_triangular(lower, b, upper=False)
    return kernels.solve_triangular(lower.mT.conj(), half, upper=True)


def cholesky_solve(B: Any, L: Any, upper: bool = False) -> Any:
    """The solution of ``A X = B`` given the Cholesky factor of ``A``.

    >>> rg.cholesky_solve(rg.tensor([[8.], [6.]]), rg.tensor([[2., 0.], [1., 1.]]))
    tensor([[1.],
            [2.]])
    """
    check_pair("cholesky_solve", L, B)
    return cholesky_system(B, L, upper=upper)


def cholesky_inverse(L: Any, upper: bool = False) -> Any:
    """Inverse of a matrix given its Cholesky factor.

    >>> rg.cholesky_inverse(rg.tensor([[2., 0.], [0., 1.]]))
    tensor([[0.2500, 0.0000],
            [0.0000, 1.0000]])
    """
    check_matrices("cholesky_inverse", L)
    return cholesky_system(expand(identity_like(L), shape_of(L)), L, upper=upper)


# -- determinants


def _cofactors(a: Any, out: Any) -> Any:
    """The derivative of the determinant: from the inverse or, where there is none, from singular vectors.

    Higham, What is the adjugate of a matrix?, 2020.
    """
    if (out.array if isinstance(out, Value) else out).all():
        return out[..., None, None] * inverse_of(a)[0].mT
    u, s, vh = svd_of(a, full_matrices=False)
    eye = real(identity_like(a))
    others = reduction.prod(s[..., None, :] * (1 - eye) + eye, -1)
    return conj((u * (conj(det(u) * det(vh))[..., None] * others)[..., None, :]) @ vh)


@general(a=lambda g, a, out: g[..., None, None] * _cofactors(a, out), shape=lambda a: tuple(a[:-2]),
         name="linalg_det")
def determinant(a):
    """Determinant of each matrix."""
    return np.linalg.det(a)


def det(input: Any) -> Any:
    """Determinant of a square matrix, or of each in a batch.

    Its gradient exists for singular matrices too. PyTorch:
    https://docs.pytorch.org/docs/stable/generated/torch.linalg.det.html

    >>> rg.det(rg.tensor([[2., 1.], [0., 3.]]))
    tensor(6.)
    """
    check_matrices("linalg.det", input)
    return determinant(input)


def _slogdet_piece(g: Any, a: Any, sign: Any) -> Any:
    turn, size = g
    if dtype_of(a).kind == "c" and turn is not None:
        phase = imag(conj(turn) * sign) * -1j
        size = phase if size is None else size + phase
    return None if size is None else size[..., None, None] * mH(inverse_of(a)[0])


@general(a=lambda g, a, sign: _slogdet_piece(g, a, sign), shape=lambda a: (tuple(a[:-2]), tuple(a[:-2])),
         outs=("sign", "logabsdet"), conjugate=False, name="linalg_slogdet")
def log_determinant(a):
    """``(sign, log|det|)`` of each matrix."""
    sign, size = np.linalg.slogdet(a)
    return np.asarray(sign), np.asarray(size)


Slogdet = result("linalg_slogdet", "sign logabsdet")


def slogdet(input: Any) -> Any:
    """``(sign, logabsdet)``: the sign of the determinant and the logarithm of its absolute value.

    Determinants far too large or small for the dtype have one too.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.slogdet.html

    >>> rg.slogdet(rg.tensor([[1., 0.], [0., -1.]])).sign
    tensor(-1.)
    """
    check_matrices("linalg.slogdet", input)
    return Slogdet(*log_determinant(input))


def logdet(input: Any) -> Any:
    """Logarithm of the determinant: nan where it is negative, -inf where it is zero.

    >>> rg.logdet(rg.eye(2))
    tensor(0.)
    """
    from regrad.ops.exponential import log

    check_matrices("logdet", input)
    sign, size = log_determinant(input)
    return size + log(sign)


# -- LU


@general(shape=lambda pivots, *, size, dtype: (*pivots[:-1], size, size))
def permutation_of(pivots, *, size, dtype):
    """The matrix P of ``A = P L U`` that ``pivots`` stand for."""
    order = kernels.order_of(pivots, size)
    return (order[..., None, :] == np.arange(size)[:, None]).astype(dtype)


def _unpacked(compact: Any) -> tuple[Any, Any]:
    """L and U of a compact factorisation."""
    k = min(compact.shape[-2:])
    left = compact[..., :, :k]
    return tril(left, -1) + identity_like(left), triu(compact[..., :k, :])


def _lu_piece(g: Any, compact: Any, pivots: Any) -> Any:
    """Back through ``A = P L U``, cut into the square corner and what is right of it or below."""
    m, n = compact.shape[-2:]
    k = min(m, n)
    lower, upper = _unpacked(compact)
    g_lower, g_upper = tril(g[..., :, :k], -1), triu(g[..., :k, :])
    corner = compact[..., :k, :k]
    down = mH(lower[..., :k, :]) @ g_lower[..., :k, :] - g_upper[..., :, k:] @ mH(upper[..., :, k:])
    up = g_upper[..., :, :k] @ mH(upper[..., :, :k]) - mH(lower[..., k:, :]) @ g_lower[..., k:, :]
    rows = cat([tril(down, -1) + triu(up), g_lower[..., k:, :]], -2)
    rows = triangular_system(mH(corner), rows, upper=False, left=False)
    right = cat([rows[..., :k, :], g_upper[..., :, k:]], -1)
    top = triangular_system(mH(corner), right, upper=True, unitriangular=True)
    whole = cat([top, rows[..., k:, :]], -2) if m > k else top
    return permutation_of(pivots, size=m, dtype=dtype_of(compact)) @ whole


def _lu_shapes(a: Any, **_: Any) -> tuple[Any, ...]:
    return tuple(a), (*a[:-2], min(a[-2:])), tuple(a[:-2])


@general(a=lambda g, LU, pivots: _lu_piece(g, LU, pivots), shape=_lu_shapes, outs=("LU", "pivots", "info"),
         diff=(0,), conjugate=False, name="linalg_lu_factor_ex")
def lu_of(a, *, pivot=True):
    """``(LU, pivots, info)`` of each matrix."""
    return kernels.lu(a, pivot=pivot)


ZERO_PIVOT = ("linalg.lu_factor: {which}U[{info},{info}] is zero and using it on lu_solve would result in a "
              "division by zero. If you still want to perform the factorization, consider calling "
              "linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)")

Lu = result("lu", "LU pivots")
LuInfo = result("lu", "LU pivots info")
LuUnpack = result("lu_unpack", "P L U")


def lu(A: Any, pivot: bool = True, get_infos: bool = False) -> Any:
    """``(LU, pivots)``, and ``info`` if ``get_infos``; see `rg.linalg.lu_factor`.

    >>> rg.lu(rg.tensor([[1., 2.], [4., 4.]])).pivots
    tensor([2, 2], dtype=regrad.int32)
    """
    check_matrices("linalg.lu_factor", A, square=False)
    compact, pivots, info = lu_of(A, pivot=pivot)
    if get_infos:
        return LuInfo(compact, pivots, info)
    raise_if(info, ZERO_PIVOT)
    return Lu(compact, pivots)


def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:
    """``(P, L, U)`` of a compact LU factorisation, ``A = P L U``; a part that is not asked for is empty.

    >>> rg.lu_unpack(*rg.lu(rg.tensor([[1., 2.], [4., 4.]]))).L
    tensor([[1.0000, 0.0000],
            [0.2500, 1.0000]])
    """
    if dtype_of(LU_pivots) != np.int32:
        raise RuntimeError("lu_unpack: LU_pivots is expected to be a contiguous tensor of int32 dtype. Got "
                           f"{title_of(LU_pivots)}; pass on what lu_factor gives")
    empty = wrap(np.zeros(0, dtype_of(LU_data)))
    order = permutation_of(LU_pivots, size=shape_of(LU_data)[-2],
                           dtype=dtype_of(LU_data)) if unpack_pivots else empty
    return LuUnpack(order, *(_unpacked(LU_data) if unpack_data else (empty, empty)))


def lu_system(LU: Any, pivots: Any, B: Any, left: bool, adjoint: bool) -> Any:
    """The solution of ``A X = B`` from a compact factorisation: two triangular systems in one array."""
    if not left:
        return mH(lu_system(LU, pivots, mH(B), True, not adjoint))
    order = permutation_of(pivots, size=shape_of(LU)[-1], dtype=dtype_of(LU))
    if adjoint:
        half = triangular_system(mH(LU), B, upper=False)
        return order @ triangular_system(mH(LU), half, upper=True, unitriangular=True)
    half = triangular_system(LU, order.mT @ B, upper=False, unitriangular=True)
    return triangular_system(LU, half, upper=True)


def check_lu(name: str, LU: Any, pivots: Any, B: Any, left: bool = True) -> None:
    """Refuse what `lu_system` cannot work on."""
    check_pair(name, LU, B, left)
    if dtype_of(pivots) != np.int32:
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type int32. Got {title_of(pivots)}; "
                           "pass on what lu_factor gives")
    if shape_of(pivots) != shape_of(LU)[:-1]:
        raise ShapeError(f"{name}: Number of pivots per batch should be same as the dimension of the matrix: "
                         f"pivots {list(shape_of(pivots))}, LU {list(shape_of(LU))}")


def lu_solve(b: Any, LU_data: Any, LU_pivots: Any) -> Any:
    """The solution of ``A x = b`` given the compact LU factorisation of ``A``.

    >>> rg.lu_solve(rg.tensor([[3.], [8.]]), *rg.lu(rg.tensor([[1., 2.], [4., 4.]])))
    tensor([[1.],
            [1.]])
    """
    check_lu("lu_solve", LU_data, LU_pivots, b)
    return lu_system(LU_data, LU_pivots, b, True, False)


# -- LDL


@general(shape=lambda a, *, hermitian: (tuple(a), tuple(a[:-1]), tuple(a[:-2])),
         outs=("LD", "pivots", "info"), diff=(), name="linalg_ldl_factor_ex")
def ldl_of(a, *, hermitian):
    """``(LD, pivots, info)`` of each symmetric, or Hermitian, matrix."""
    return kernels.ldl(a, hermitian=hermitian)


@general(shape=lambda a, pivots, b, *, hermitian: _solve_shape(a, b)[0], name="linalg_ldl_solve")
def ldl_system(a, pivots, b, *, hermitian):
    """``x`` with ``A x = b`` from what `ldl_of` gives for ``A``."""
    return kernels.ldl_solve(a, pivots, b, hermitian=hermitian)


# -- QR and Householder reflections


def _qr_piece(g: Any, q: Any, r: Any, mode: str) -> Any:
    """Back through ``A = Q R``; of a wide matrix the left square has this form, and the rest is ``Q R2``.

    Walter and Lehmann, Algorithmic differentiation of linear algebra functions, 2018.
    """
    gq, gr = g
    if mode == "r":
        raise RuntimeError("linalg.qr: The derivative of linalg.qr depends on Q, which is not computed when "
                           "mode='r'. Please use linalg.qr(A, mode='reduced') if you are going to "
                           "differentiate through linalg.qr.")
    m, n = q.shape[-2], r.shape[-1]
    if mode == "complete" and m > n:
        raise RuntimeError("linalg.qr: The QR decomposition is not differentiable when mode='complete' and "
                           "nrows > ncols. Use mode='reduced'.")
    k = min(m, n)
    if n > m and gr is not None:
        more = q @ (r[..., :, k:] @ mH(gr[..., :, k:]))
        rest = q @ gr[..., :, k:]
        gq = more if gq is None else gq + more
    elif n > m:
        rest = (q @ r[..., :, k:]) * 0
    middle = gr[..., :, :k] @ mH(r[..., :, :k]) if gr is not None else None
    if gq is not None:
        turned = mH(q) @ gq
        middle = -turned if middle is None else middle - turned
    middle = triu(middle) + mH(triu(middle, 1))
    if dtype_of(q).kind == "c":  # the diagonal of R is real
        middle = middle - 1j * diag_embed(imag(diagonal(middle, 0, -2, -1)))
    middle = q @ middle
    if gq is not None:
        middle = middle + gq
    out = triangular_system(mH(r[..., :, :k]), middle, upper=False, left=False)
    return cat([out, rest], -1) if n > m else out


def _qr_shapes(a: Any, *, mode: str) -> tuple[Any, ...]:
    *batch, m, n = a
    k = m if mode == "complete" else min(m, n)
    return ((0,) if mode == "r" else (*batch, m, k)), (*batch, k, n)


@general(a=lambda g, Q, R, *, mode: _qr_piece(g, Q, R, mode), shape=_qr_shapes, outs=("Q", "R"),
         conjugate=False, name="linalg_qr")
def qr_of(a, *, mode):
    """``(Q, R)`` of each matrix."""
    if mode == "r":
        return np.zeros(0, a.dtype), np.linalg.qr(a, mode="r")
    return tuple(np.linalg.qr(a, mode=mode))


Qr = result("linalg_qr", "Q R")


def qr(input: Any, some: bool = True) -> Any:
    """``(Q, R)`` with ``A = Q R``; if not ``some``, Q is square; see `rg.linalg.qr`.

    >>> rg.qr(rg.tensor([[3.], [4.]])).R
    tensor([[-5.]])
    """
    check_matrices("linalg.qr", input, square=False)
    return Qr(*qr_of(input, mode="reduced" if some else "complete"))


@general(shape=lambda a: (tuple(a), (*a[:-2], min(a[-2:]))), outs=("a", "tau"), diff=(), name="geqrf")
def reflections_of(matrix):
    """The compact QR factorisation of each matrix."""
    return kernels.geqrf(matrix)


Geqrf = result("geqrf", "a tau")


def geqrf(input: Any) -> Any:
    """``(a, tau)``: R and the Householder vectors of the QR factorisation in one matrix, and their factors.

    `rg.orgqr` makes Q of them, `rg.ormqr` multiplies with it.

    >>> rg.geqrf(rg.tensor([[3.], [4.]])).tau
    tensor([1.6000])
    """
    check_matrices("geqrf", input, square=False)
    return Geqrf(*reflections_of(input))


def _reflectors(input: Any, tau: Any) -> tuple[Any, Any]:
    """V and T with ``H_1 H_2 ... H_k = I - V T V^H``.

    Schreiber and Van Loan, A storage-efficient WY representation for products of Householder
    transformations, 1989.
    """
    k = shape_of(tau)[-1]
    left = input[..., :, :k]
    vectors = tril(left, -1) + identity_like(left)
    return vectors, triangular_system(tau[..., :, None] * triu(mH(vectors) @ vectors, 1), diag_embed(tau),
                                      upper=True, unitriangular=True)


def check_reflectors(name: str, input: Any, tau: Any) -> None:
    """Refuse what is no compact QR factorisation."""
    m, n = shape_of(input), shape_of(tau)
    if len(m) < 2:
        raise ShapeError(f"{name}: input must have at least 2 dimensions. Got {list(m)}")
    check_matrices(name, input, square=False)
    if len(n) != len(m) - 1 or n[:-1] != m[:-2]:
        raise ShapeError(f"{name}: Expected tau to have one dimension less than input, but got tau.ndim "
                         f"equal to {len(n)} and input.ndim is equal to {len(m)}: {list(n)} and {list(m)}")
    if dtype_of(input) != dtype_of(tau):
        raise RuntimeError(f"{name}: tau dtype {title_of(tau)} does not match input dtype {title_of(input)}")


def orgqr(input: Any, tau: Any) -> Any:
    """The first columns of a product of Householder reflections: Q, from what `rg.geqrf` gives.

    input: ``(..., m, n)`` with ``m >= n``, tau: ``(..., k)`` with ``k <= n``.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.householder_product.html

    >>> rg.orgqr(*rg.geqrf(rg.tensor([[3.], [4.]])))
    tensor([[-0.6000],
            [-0.8000]])
    """
    name = "linalg.householder_product"
    check_reflectors(name, input, tau)
    *_, m, n = shape_of(input)
    if m < n:
        raise ShapeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]; got "
                         f"{list(shape_of(input))}")
    if shape_of(tau)[-1] > n:
        raise ShapeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]; got {n} "
                         f"and {shape_of(tau)[-1]}")
    vectors, factor = _reflectors(input, tau)
    return identity_like(input) - vectors @ (factor @ mH(vectors[..., :n, :]))


def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False) -> Any:
    """Product ``Q other`` with the square Q that `rg.geqrf` describes, or ``other Q`` if not ``left``.

    ``transpose`` takes the conjugate transpose of Q.

    >>> rg.ormqr(*rg.geqrf(rg.tensor([[3.], [4.]])), rg.tensor([[3.], [4.]]), transpose=True)
    tensor([[-5.],
            [ 0.]])
    """
    check_reflectors("ormqr", input, tau)
    size, inner = shape_of(other), -2 if left else -1
    if len(size) < 2 or size[inner] != shape_of(input)[-2]:
        raise ShapeError(f"ormqr: other.shape[{inner}] must be equal to input.shape[-2]; got {list(size)} "
                         f"and {list(shape_of(input))}")
    vectors, factor = _reflectors(input, tau)
    factor = mH(factor) if transpose else factor
    if left:
        return other - vectors @ (factor @ (mH(vectors) @ other))
    return other - (other @ vectors) @ factor @ mH(vectors)


# -- singular values


def _check_phase(name: str, x: Any) -> None:
    """Refuse a loss that depends on the phase of complex vectors: they are determined up to it."""
    turn = np.imag(x.array if isinstance(x, Value) else x)
    if not np.allclose(turn, 0, rtol=1e-2, atol=1e-2):
        raise RuntimeError(f"{name}: vectors in the complex case are specified up to multiplication by "
                           f"e^{{i phi}}. The specified loss function depends on this phase term, making it "
                           "ill-defined.")


def _gaps(x: Any) -> Any:
    """``x[k] - x[j]`` at row j and column k, ones on the diagonal."""
    gaps = x[..., None, :] - x[..., :, None]
    return gaps + identity_like(gaps)


def _svd_piece(g: Any, u: Any, s: Any, vh: Any) -> Any:
    """Back through ``A = U S V^H`` (Townsend, Differentiating the singular value decomposition, 2016)."""
    gu, gs, gvh = g
    k = s.shape[-1]
    m, n = u.shape[-2], vh.shape[-1]
    u, vh = u[..., :, :k], vh[..., :k, :]
    if gu is None and gvh is None:
        return (u * gs[..., None, :]) @ vh
    gaps = _gaps(s * s)
    inner = diag_embed(gs) if gs is not None else 0
    phase = 0
    if gu is not None:
        gu = gu[..., :, :k]
        turn = skew(mH(u) @ gu)
        phase = diagonal(turn, 0, -2, -1)
        inner = inner + turn / gaps * s[..., None, :]
        if dtype_of(u).kind == "c":
            inner = inner + diag_embed(phase / (2 * s))
    if gvh is not None:
        gvh = gvh[..., :k, :]
        turn = skew(vh @ mH(gvh))
        phase = phase + diagonal(turn, 0, -2, -1)
        inner = inner + s[..., :, None] * (turn / gaps)
    if dtype_of(u).kind == "c":
        _check_phase("svd_backward: The singular", phase)
    if m > k and gu is not None:
        scaled = gu / s[..., None, :]
        return (u @ inner + scaled - u @ (mH(u) @ scaled)) @ vh
    if n > k and gvh is not None:
        scaled = gvh / s[..., :, None]
        return u @ (inner @ vh + scaled - (scaled @ mH(vh)) @ vh)
    return u @ inner @ vh


def _svd_shapes(a: Any, *, full_matrices: bool) -> tuple[Any, ...]:
    *batch, m, n = a
    k = min(m, n)
    return (*batch, m, m if full_matrices else k), (*batch, k), (*batch, n if full_matrices else k, n)


@general(a=lambda g, U, S, Vh: _svd_piece(g, U, S, Vh), shape=_svd_shapes, outs=("U", "S", "Vh"),
         conjugate=False, name="linalg_svd")
def svd_of(a, *, full_matrices):
    """``(U, S, Vh)`` of each matrix; the gradient goes through the first ``min(m, n)`` vectors."""
    return tuple(_converged("linalg.svd", NOT_FINITE, np.linalg.svd, a, full_matrices=full_matrices))


def _singular_piece(g: Any, a: Any) -> Any:
    u, _, vh = svd_of(a, full_matrices=False)
    return (u * g[..., None, :]) @ vh


@general(a=lambda g, a: _singular_piece(g, a), shape=lambda a: (*a[:-2], min(a[-2:])), conjugate=False,
         name="linalg_svdvals", grad_name="LinalgSvdBackward0")
def singular_values(a):
    """Singular values of each matrix, the largest first; the vectors come when a gradient asks for them."""
    return _converged("linalg.svd", NOT_FINITE, np.linalg.svd, a, compute_uv=False)


Svd = result("svd", "U S V")


def svd(input: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """``(U, S, V)`` with ``A = U diag(S) V^H``; if not ``some``, U and V are square; see `rg.linalg.svd`.

    >>> rg.svd(rg.tensor([[3., 0.], [0., 4.]])).S
    tensor([4., 3.])
    """
    check_matrices("linalg.svd", input, square=False)
    if compute_uv:
        u, s, vh = svd_of(input, full_matrices=not some)
        return Svd(u, s, mH(vh))
    *batch, m, n = shape_of(input)
    zeros = [wrap(np.zeros((*batch, k, k), dtype_of(input))) for k in (m, n)]
    return Svd(zeros[0], singular_values(input), zeros[1])


def _pinv_piece(g: Any, a: Any, out: Any) -> Any:
    """Back through the pseudo-inverse where the rank does not change.

    Golub and Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems, 1973.
    """
    gh, outh = mH(g), mH(out)
    if a.shape[-2] <= a.shape[-1]:
        k = gh @ out
        kout = k @ outh
        return -mH(out @ k) + kout - (a @ out) @ kout + (outh @ out) @ (gh - k @ a)
    k = out @ gh
    outk = outh @ k
    return -mH(k @ out) + (gh - a @ k) @ out @ outh + outk - (outk @ out) @ a


@general(a=lambda g, a, out: _pinv_piece(g, a, out), shape=lambda a, *_, hermitian: (*a[:-2], a[-1], a[-2]),
         conjugate=False, name="linalg_pinv")
def pinv_of(a, atol, rtol, *, hermitian):
    """Pseudo-inverse of each matrix; singular values up to ``max(atol, rtol * largest)`` count as zero."""
    if a.size == 0:
        return np.zeros(a.mT.shape, a.dtype)
    if hermitian:
        values, vectors = np.linalg.eigh(a)
        left, right = vectors, vectors.mT.conj()
    else:
        left, values, right = _converged("linalg.svd", NOT_FINITE, np.linalg.svd, a, full_matrices=False)
    small = np.abs(values) <= _threshold(np.abs(values), atol, rtol)
    inverted = np.where(small, 0, 1 / np.where(small, 1, values)).astype(values.dtype)
    return (right.mT.conj() * inverted[..., None, :]) @ left.mT.conj()


def _threshold(values: Any, atol: Any, rtol: Any) -> Any:
    return np.maximum(np.asarray(atol)[..., None],
                      np.asarray(rtol)[..., None] * values.max(-1, keepdims=True, initial=0))


@general(shape=lambda a, *_, hermitian: tuple(a[:-2]), name="linalg_matrix_rank")
def rank_of(a, atol, rtol, *, hermitian):
    """How many singular values of each matrix exceed ``max(atol, rtol * largest)``."""
    values = np.abs(np.linalg.eigvalsh(a)) if hermitian else singular_values(a)
    return (values > _threshold(values, atol, rtol)).sum(-1)


def tolerances(a: Any, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """``atol`` and ``rtol`` with their defaults: a multiple of the dtype's eps, unless ``atol`` is given."""
    if rtol is None:
        given = np.asarray(atol.array if isinstance(atol, Value) else 0.0 if atol is None else atol)
        rtol = np.where(given > 0, 0.0, max(shape_of(a)[-2:]) * np.finfo(dtype_of(a)).eps)
        rtol = float(rtol) if rtol.ndim == 0 else rtol
    return 0.0 if atol is None else atol, rtol


def check_pinv(a: Any) -> None:
    """Refuse what has no pseudo-inverse."""
    if len(shape_of(a)) < 2 or dtype_of(a).kind not in "fc" or dtype_of(a).itemsize == 2:
        raise RuntimeError(f"linalg.pinv({title_of(a)}{list(shape_of(a))}): expected a tensor with 2 or more "
                           "dimensions of float, double, cfloat or cdouble types")


def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """Pseudo-inverse of a matrix; see `rg.linalg.pinv`, whose ``rtol`` is ``rcond`` here.

    >>> rg.pinverse(rg.tensor([[2., 0.], [0., 0.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    check_pinv(input)
    return pinv_of(input, 0.0, rcond, hermitian=False)


def _lstsq_pieces(g: Any, xs: Any, solution: Any) -> list[Any]:
    (a, b), (gx, gr) = xs, g
    ga = gb = 0
    if gx is not None:
        inverted = pinv_of(a, *tolerances(a, None, None), hermitian=False)
        ga, gb = _pinv_piece(gx @ mH(b), a, inverted), mH(inverted) @ gx
    if gr is not None and gr.shape[-1:] == b.shape[-1:]:
        excess = 2 * gr[..., None, :] * (a @ solution - b)
        ga, gb = ga + excess @ mH(solution), gb - excess
    return [None, None] if isinstance(ga, int) else [ga, gb]


def _lstsq_shapes(a: Any, b: Any, *, driver: str, **_: Any) -> tuple[Any, ...]:
    batch, (m, n) = shapes.broadcast(a[:-2], b[:-2]), a[-2:]
    residuals = (*batch, b[-1]) if m > n and driver != "gelsy" else (0,)
    values = (*batch, min(m, n)) if driver in ("gelsd", "gelss") else (0,)
    return (*batch, n, b[-1]), residuals, (0,) if driver == "gels" else batch, values


@general(xs=lambda g, xs, solution: _lstsq_pieces(g, xs, solution), shape=_lstsq_shapes, broadcast=True,
         conjugate=False, outs=("solution", "residuals", "rank", "singular_values"), diff=(0, 1),
         name="linalg_lstsq")
def least_squares(*xs, driver, rcond):
    """``(solution, residuals, rank, singular_values)``: the shortest ``x`` that minimises ``|a @ x - b|``."""
    a, b = kernels._batched(*xs)
    m, n = a.shape[-2:]
    left, values, right = _converged("linalg.lstsq", NOT_FINITE, np.linalg.svd, a, full_matrices=False)
    small = values <= (0 if driver == "gels" else _threshold(values, 0.0, rcond))
    inverted = np.where(small, 0, 1 / np.where(small, 1, values)).astype(values.dtype)
    x = right.mT.conj() @ (inverted[..., :, None] * (left.mT.conj() @ b))
    rank = values.shape[-1] - small.sum(-1)
    residuals = np.zeros(0, values.dtype)
    if m > n and driver != "gelsy" and (rank == n).all():
        residuals = np.sum(np.abs(a @ x - b) ** 2, axis=-2)
    return (x, residuals, np.zeros(0, np.int64) if driver == "gels" else np.asarray(rank),
            values if driver in ("gelsd", "gelss") else np.zeros(0, values.dtype))


# -- eigenvalues


def _eigh_piece(g: Any, values: Any, vectors: Any) -> Any:
    """Back through ``A = V diag(L) V^H``."""
    gl, gv = g
    if gv is None:
        return (vectors * gl[..., None, :]) @ mH(vectors)
    turn = 0.5 * skew(mH(vectors) @ gv)
    if dtype_of(vectors).kind == "c":
        _check_phase("linalg_eigh_backward: The eigen", diagonal(turn, 0, -2, -1))
    inner = turn / _gaps(values)
    if gl is not None:
        inner = inner + diag_embed(gl)
    return vectors @ inner @ mH(vectors)


def _eigen_shapes(a: Any, **_: Any) -> tuple[Any, ...]:
    return tuple(a[:-1]), tuple(a)


@general(a=lambda g, eigenvalues, eigenvectors: _eigh_piece(g, eigenvalues, eigenvectors),
         shape=_eigen_shapes, outs=("eigenvalues", "eigenvectors"), conjugate=False, name="linalg_eigh")
def eigh_of(a, *, uplo):
    """``(eigenvalues, eigenvectors)`` of each symmetric or Hermitian matrix.

    One triangle is read; the gradient is symmetric.
    """
    return tuple(_converged("linalg.eigh", ILL, np.linalg.eigh, a, uplo))


@general(a=lambda g, a, *, uplo: _eigh_piece((g, None), None, eigh_of(a, uplo=uplo)[1]),
         shape=lambda a, **_: tuple(a[:-1]), conjugate=False, name="linalg_eigvalsh",
         grad_name="LinalgEighBackward0")
def eigenvalues_h(a, *, uplo):
    """Eigenvalues of each symmetric or Hermitian matrix; the vectors come when a gradient asks for them."""
    return _converged("linalg.eigh", ILL, np.linalg.eigvalsh, a, uplo)


def _eig_piece(g: Any, values: Any, vectors: Any, is_real: bool) -> Any:
    """Back through ``A = V diag(L) V^-1``, the vectors having norm 1."""
    gl, gv = g
    vh = mH(vectors)
    inner = diag_embed(gl) if gl is not None else 0
    if gv is not None:
        turn = vh @ gv
        along = diagonal(turn, 0, -2, -1)
        _check_phase("linalg_eig_backward: The eigen", along)
        turn = turn - vh @ (vectors * real(along)[..., None, :])
        inner = inner + turn * (1 - real(identity_like(turn))) / conj(_gaps(values))
    out = solve_system(vh, inner @ vh)[0]
    return real(out) if is_real else out


@general(a=lambda g, eigenvalues, eigenvectors, *, is_real: _eig_piece(g, eigenvalues, eigenvectors, is_real),
         shape=_eigen_shapes, outs=("eigenvalues", "eigenvectors"), conjugate=False, name="linalg_eig")
def eig_of(a, *, is_real):
    """``(eigenvalues, eigenvectors)`` of each matrix, complex numbers always."""
    if not np.isfinite(a).all():
        raise RuntimeError("linalg.eig: input tensor should not contain infs or NaNs.")
    values, vectors = _converged("linalg.eig", ILL, np.linalg.eig, a)
    kind = np.result_type(a.dtype, np.complex64)
    return values.astype(kind, copy=False), vectors.astype(kind, copy=False)


@general(a=lambda g, a, *, is_real: _eig_piece((g, None), None, eig_of(a, is_real=is_real)[1], is_real),
         shape=lambda a, **_: tuple(a[:-1]), conjugate=False, name="linalg_eigvals",
         grad_name="LinalgEigBackward0")
def eigenvalues_of(a, *, is_real):
    """Eigenvalues of each matrix; the vectors are found when a gradient asks for them."""
    if not np.isfinite(a).all():
        raise RuntimeError("linalg.eigvals: input tensor should not contain infs or NaNs.")
    return _converged("linalg.eig", ILL, np.linalg.eigvals,
                      a).astype(np.result_type(a.dtype, np.complex64), copy=False)


# -- norms


def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *,
                dtype: Any = None) -> Any:
    """Norm of a matrix: "fro", "nuc", 1, -1, 2, -2, inf or -inf.

    "fro" is the root of the sum of squares; "nuc", 2 and -2 are sum, largest and smallest of the singular
    values; 1 and -1 the largest and smallest sum of a column's absolute values, inf and -inf of a row's.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_norm.html

    >>> rg.linalg.matrix_norm(rg.tensor([[1., -2.], [3., 4.]]), 1)
    tensor(6.)
    """
    ndim = len(shape_of(A))
    if dtype_of(A).kind not in "fcV":
        raise RuntimeError("linalg.matrix_norm: Expected a floating point or complex tensor as input. Got "
                           f"{title_of(A)}")
    if ndim < 2:
        raise ShapeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions. Got "
                         f"{list(shape_of(A))}")
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(str(d) for d in dims)}")
    rows, columns = (shapes.dim_in(d, ndim, "linalg.matrix_norm") for d in dims)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dims[0]}, {dims[1]})")
    if dtype is not None:
        A = cast(A, dtypes.to_numpy(dtype))
    if ord == "fro":
        return reduction.vector_norm(A, 2, (rows, columns), keepdim)
    if ord in ("nuc", 2, -2):
        values = singular_values(movedim(A, (rows, columns), (-2, -1)))
        found = reduction.sum(values, -1) if ord == "nuc" else _extreme(values, -1, ord > 0)
        for d in sorted((rows, columns)) if keepdim else ():
            found = unsqueeze(found, d)
        return found
    if ord not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported. It takes 'fro', 'nuc', 1, -1, 2, "
                           "-2, inf and -inf")
    summed, left = (rows, columns) if abs(ord) == 1 else (columns, rows)
    found = _extreme(reduction.vector_norm(A, 1, summed, keepdim=True), left, ord > 0, keepdim=True)
    return found if keepdim else squeeze(found, tuple(sorted((rows, columns))))


def _extreme(x: Any, dim: int, largest: bool, keepdim: bool = False) -> Any:
    """The largest or smallest along ``dim``; the largest of nothing is 0."""
    if largest and shape_of(x)[dim] == 0:
        return wrap(np.zeros(shapes.reduced(shape_of(x), dim=dim, keepdim=keepdim), dtype_of(x)))
    return reduction.amax(x, dim, keepdim) if largest else reduction.amin(x, dim, keepdim)


# -- functions of matrices


def _exp_slope(a: Any, t: Any) -> Any:
    """The derivative of the exponential at ``a`` along ``t``: the corner of a larger exponential.

    Mathias, A chain rule for matrix functions and applications, 1996.
    """
    n = a.shape[-1]
    both = cat([cat([a, t], -1), cat([a * 0, a], -1)], -2)
    return exponential_of(both)[..., :n, n:]


@general(a=lambda g, a: _exp_slope(a.mT, g), shape=shapes.same,
         jvp=lambda args, outs, tangents, params: _exp_slope(args[0], tangents[0]), name="linalg_matrix_exp")
def exponential_of(a):
    """Exponential of each matrix."""
    return kernels.matrix_exp(a)


def matrix_exp(A: Any) -> Any:
    """Exponential of a square matrix, or of each in a batch: ``I + A + A^2 / 2 + A^3 / 6 + ...``.

    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_exp.html

    >>> rg.matrix_exp(rg.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    if dtype_of(A).itemsize == 2 and dtype_of(A).kind in "fV":
        return cast(matrix_exp(cast(A, np.dtype("f4"))), dtype_of(A))
    check_matrices("linalg.matrix_exp", A)
    return exponential_of(A)


def matrix_power(input: Any, n: int) -> Any:
    """The n-th power of a square matrix, or of each in a batch; of its inverse for negative ``n``.

    >>> rg.matrix_power(rg.tensor([[1., 1.], [0., 1.]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    check_square("linalg.matrix_power", input)
    if n == 0:
        return overwrite(input, identity_like(input))
    power, n = (inverse(input), -n) if n < 0 else (input, n)
    out = None
    while n:  # square and multiply
        if n & 1:
            out = power if out is None else out @ power
        n >>= 1
        power = power @ power if n else power
    return clone(out) if out is input else out


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Vandermonde matrix: column j holds the powers ``x ** (N - 1 - j)``, or ``x ** j`` if ``increasing``.

    >>> rg.vander(rg.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    if len(shape_of(x)) != 1:
        raise ShapeError(f"vander: x must be a one-dimensional tensor. Got {list(shape_of(x))}")
    count = shape_of(x)[0] if N is None else N
    if count < 0:
        raise RuntimeError(f"vander: N must be non-negative. Got {N}")
    out = powers(x, count)
    return out if increasing else flip(out, (-1,))


def powers(x: Any, count: int) -> Any:
    """``x`` to the powers 0 to ``count - 1``, along a new last dimension."""
    x = x if shape_of(x) else reshape(x, (1,))
    ones = x[..., None] ** 0
    if count < 2:
        return ones[..., :count]
    return cat([ones, cumprod(expand(x[..., None], (*shape_of(x), count - 1)), -1)], -1)


METHODS = {"cholesky": cholesky, "cholesky_inverse": cholesky_inverse, "cholesky_solve": cholesky_solve,
           "det": det, "geqrf": geqrf, "inverse": inverse, "logdet": logdet, "lu": lu, "lu_solve": lu_solve,
           "matrix_exp": matrix_exp, "matrix_power": matrix_power, "orgqr": orgqr, "ormqr": ormqr,
           "pinverse": pinverse, "qr": qr, "slogdet": slogdet, "svd": svd,
           "triangular_solve": triangular_solve}
