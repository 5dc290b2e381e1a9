"""The names of ``rg.linalg``: PyTorch's arguments for what `regrad.ops.linalg` computes, and combinations.

Matrices are the last two dimensions, all others are batches. Functions ending in ``_ex`` report trouble in a
result ``info`` instead of raising LinAlgError. Start reading at `solve`, then `norm`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from regrad.errors import ShapeError
from regrad.graph.value import Value, wrap
from regrad.ops import linalg as ops
from regrad.ops import reduction
from regrad.ops.arithmetic import mul
from regrad.ops.complexes import conj
from regrad.ops.linalg import (
    LinAlgError,
    cholesky,
    det,
    inverse,
    matrix_exp,
    matrix_norm,
    matrix_power,
    slogdet,
    solve_triangular,
)
from regrad.ops.linalg import orgqr as householder_product
from regrad.ops.matmul import chain, dtype_of, matmul, same_dtype, shape_of
from regrad.ops.matmul import vector_product as cross
from regrad.ops.reduction import vector_norm
from regrad.ops.shaping import diagonal as _diagonal
from regrad.ops.shaping import movedim, reshape, squeeze, unsqueeze

__all__ = ["LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh",
           "eigvals", "eigvalsh", "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex",
           "ldl_solve", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_exp",
           "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet",
           "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander",
           "vecdot", "vector_norm"]

INF = math.inf


CholeskyEx = ops.result("linalg_cholesky_ex", "L info")
Eig = ops.result("linalg_eig", "eigenvalues eigenvectors")
Eigh = ops.result("linalg_eigh", "eigenvalues eigenvectors")
InvEx = ops.result("linalg_inv_ex", "inverse info")
LdlFactor = ops.result("linalg_ldl_factor", "LD pivots")
LdlFactorEx = ops.result("linalg_ldl_factor_ex", "LD pivots info")
Lstsq = ops.result("linalg_lstsq", "solution residuals rank singular_values")
Lu = ops.result("linalg_lu", "P L U")
LuFactor = ops.result("linalg_lu_factor", "LU pivots")
LuFactorEx = ops.result("linalg_lu_factor_ex", "LU pivots info")
Qr = ops.result("linalg_qr", "Q R")
SolveEx = ops.result("linalg_solve_ex", "result info")
Svd = ops.result("linalg_svd", "U S Vh")


# -- systems of equations


def inv(A: Any) -> Any:
    """Inverse of a square matrix, or of each in a batch; see `rg.inverse`.

    >>> rg.linalg.inv(rg.tensor([[2., 0.], [0., 4.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return inverse(A)


def inv_ex(A: Any, *, check_errors: bool = False) -> Any:
    """``(inverse, info)``, raising nothing: ``info`` is 0, or numbers the zero pivot of a singular matrix.

    >>> rg.linalg.inv_ex(rg.zeros(1, 1)).info
    tensor(1, dtype=regrad.int32)
    """
    ops.check_matrices("linalg.inv", A)
    found, info = ops.inverse_of(A)
    if check_errors:
        ops.raise_if(info, ops.SINGULAR)
    return InvEx(found, info)


def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> Any:
    """``(result, info)`` of `solve`: where ``info`` is not 0 the matrix is singular, and nothing is raised.

    >>> rg.linalg.solve_ex(rg.zeros(1, 1), rg.ones(1)).info
    tensor(1, dtype=regrad.int32)
    """
    ops.check_matrices("linalg.solve", A)
    m, n = shape_of(A), shape_of(B)
    vector = len(n) == 1 or (n == m[:-1] and len(n) > 0)
    if vector and not left:
        raise ShapeError("linalg.solve: Vector broadcasting of the left hand side is not supported for "
                         "left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)")
    columns = unsqueeze(B, -1) if vector else B
    ops.check_pair("linalg.solve", A, columns, left)
    found, info = ops.solve_system(A, columns) if left else ops.solve_system(A.mT, columns.mT)
    if check_errors:
        ops.raise_if(info, "linalg.solve: {which}The solver failed because the input matrix is singular.")
    found = squeeze(found, -1) if vector else found
    return SolveEx(found if left else found.mT, info)


def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """The solution of ``A X = B`` (``X A = B`` if not ``left``).

    A: ``(..., n, n)``, B: ``(..., n, k)`` or vectors ``(..., n)``. Raises LinAlgError for a singular matrix.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.solve.html

    >>> rg.linalg.solve(rg.tensor([[2., 0.], [0., 4.]]), rg.tensor([2., 4.]))
    tensor([1., 1.])
    """
    return solve_ex(A, B, left=left, check_errors=True).result


def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """The ``X`` that minimises the Euclidean norm of ``A X - B``, the shortest if there are several.

    A: ``(..., m, n)``, B: ``(..., m, k)`` or vectors ``(..., m)``. Gives ``(solution, residuals, rank,
    singular_values)``; as in PyTorch, driver "gelsy" (the default) leaves residuals and singular values
    empty, "gels" takes A to have full rank, "gelsd" and "gelss" give all four, and there are residuals only
    for ``m > n`` and full rank. Singular values up to ``rcond`` times the largest count as zero. PyTorch:
    https://docs.pytorch.org/docs/stable/generated/torch.linalg.lstsq.html

    >>> rg.linalg.lstsq(rg.tensor([[1.], [0.]]), rg.tensor([[2.], [3.]])).solution
    tensor([[2.]])
    """
    m, n = shape_of(A), shape_of(B)
    if len(m) < 2:
        raise ShapeError(f"linalg.lstsq: input must have at least 2 dimensions. Got {list(m)}")
    if len(n) < 1:
        raise ShapeError(f"linalg.lstsq: other must have at least 1 dimension. Got {list(n)}")
    ops.check_matrices("linalg.lstsq", A, square=False)
    driver = "gelsy" if driver is None else driver
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError("linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss). "
                           f"Got {driver}")
    vector = n == m[:-1]
    columns = unsqueeze(B, -1) if vector else B
    if shape_of(columns)[-2:-1] != m[-2:-1]:
        raise ShapeError(f"linalg.lstsq: input.size(-2) should match other.size(-2); got {list(m)} and "
                         f"{list(n)}")
    same_dtype("linalg.lstsq", A, B, "Expected input and other to have the same dtype")
    rcond = max(m[-2:]) * float(np.finfo(dtype_of(A)).eps) if rcond is None else float(rcond)
    solution, residuals, rank, values = ops.least_squares(A, columns, driver=driver, rcond=rcond)
    return Lstsq(squeeze(solution, -1) if vector else solution, residuals, rank, values)


def tensorinv(A: Any, ind: int = 2) -> Any:
    """Inverse of a tensor as a linear map from its last dimensions to its first ``ind``.

    ``tensordot(tensorinv(A, ind), B, ind)`` is ``tensorsolve(A, B)``.

    >>> rg.linalg.tensorinv(rg.eye(4).reshape(2, 2, 4)).shape
    regrad.Size([4, 2, 2])
    """
    size = shape_of(A)
    if ind <= 0:
        raise RuntimeError(f"linalg.tensorinv: Expected a strictly positive integer for 'ind', but got {ind}")
    rows, columns = math.prod(size[:ind]), math.prod(size[ind:])
    if rows != columns:
        raise ShapeError("linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) "
                         f"== prod(self.shape[:ind]), but got {columns} != {rows}")
    return reshape(inv(reshape(A, (columns, rows))), (*size[ind:], *size[:ind]))


def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    """The ``X`` with ``tensordot(A, X, X.ndim) == B``, the dimensions ``dims`` of A moved to its end first.

    >>> rg.linalg.tensorsolve(rg.eye(4).reshape(2, 2, 4), rg.ones(2, 2))
    tensor([1., 1., 1., 1.])
    """
    if dims is not None:
        A = movedim(A, tuple(dims), tuple(range(len(shape_of(A)) - len(dims), len(shape_of(A)))))
    size = shape_of(A)[len(shape_of(B)) :]
    count = math.prod(size)
    if math.prod(shape_of(A)) != count * count:
        raise ShapeError(f"linalg.tensorsolve: shape '[{count}, {count}]' is invalid for input of size "
                         f"{math.prod(shape_of(A))}: Expected A to satisfy the requirement "
                         "prod(A.shape[B.ndim:]) == prod(A.shape[:B.ndim])")
    return reshape(solve(reshape(A, (count, count)), reshape(B, (-1,))), size)


# -- factorisations


def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False) -> Any:
    """``(L, info)``, raising nothing: ``info`` is 0, or the order of the first minor that is not positive.

    >>> rg.linalg.cholesky_ex(-rg.eye(2)).info
    tensor(1, dtype=regrad.int32)
    """
    ops.check_matrices("linalg.cholesky", A)
    factor, info = ops.cholesky_of(A, upper=upper)
    if check_errors:
        ops.raise_if(info, ops.NOT_POSITIVE)
    return CholeskyEx(factor, info)


def lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """``(LU, pivots, info)``, raising nothing: ``info`` is 0, or numbers the first zero on the diagonal of U.

    >>> rg.linalg.lu_factor_ex(rg.zeros(1, 1)).info
    tensor(1, dtype=regrad.int32)
    """
    ops.check_matrices("linalg.lu_factor", A, square=False)
    compact, pivots, info = ops.lu_of(A, pivot=pivot)
    if check_errors:
        ops.raise_if(info, ops.ZERO_PIVOT)
    return LuFactorEx(compact, pivots, info)


def lu_factor(A: Any, *, pivot: bool = True) -> Any:
    """``(LU, pivots)`` for `lu_solve`: L below and U above the diagonal of one matrix, and row exchanges.

    Row k was exchanged with row ``pivots[k]``, counted from 1, one after the other.

    >>> rg.linalg.lu_factor(rg.tensor([[1., 2.], [4., 4.]])).LU
    tensor([[4.0000, 4.0000],
            [0.2500, 1.0000]])
    """
    return LuFactor(*lu_factor_ex(A, pivot=pivot, check_errors=True)[:2])


def lu(A: Any, *, pivot: bool = True) -> Any:
    """``(P, L, U)`` with ``A = P L U``: a permutation, a lower and an upper triangular matrix.

    L has ones on its diagonal.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.lu.html

    >>> rg.linalg.lu(rg.tensor([[1., 2.], [4., 4.]])).U
    tensor([[4., 4.],
            [0., 1.]])
    """
    compact, pivots, _ = lu_factor_ex(A, pivot=pivot)
    return Lu(*ops.lu_unpack(compact, pivots, unpack_pivots=pivot))


def lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:
    """The solution of ``A X = B`` from what `lu_factor` gives for A.

    It is ``X A = B`` if not ``left``, and ``A^H`` stands for A if ``adjoint``.

    >>> rg.linalg.lu_solve(*rg.linalg.lu_factor(rg.tensor([[1., 2.], [4., 4.]])), rg.tensor([[3.], [8.]]))
    tensor([[1.],
            [1.]])
    """
    ops.check_lu("linalg.lu_solve", LU, pivots, B, left)
    return ops.lu_system(LU, pivots, B, left, adjoint)


def ldl_factor_ex(A: Any, *, hermitian: bool = False, check_errors: bool = False) -> Any:
    """``(LD, pivots, info)`` of `ldl_factor`, raising nothing: ``info`` is 0, or the number of a zero pivot.

    >>> rg.linalg.ldl_factor_ex(rg.zeros(1, 1)).info
    tensor(1, dtype=regrad.int32)
    """
    ops.check_matrices("linalg.ldl_factor_ex", A)
    compact, pivots, info = ops.ldl_of(A, hermitian=hermitian)
    if check_errors:
        ops.raise_if(info, "linalg.ldl_factor: {which}D[{info},{info}] is zero. Using it on ldl_solve would "
                           "result in a division by zero. Consider calling linalg.ldl_factor_ex(A)")
    return LdlFactorEx(compact, pivots, info)


def ldl_factor(A: Any, *, hermitian: bool = False) -> Any:
    """``(LD, pivots)`` for `ldl_solve`: ``A = L D L^T`` for a symmetric matrix, positive-definite or not.

    With ``hermitian`` it is ``L D L^H`` of a Hermitian one.

    >>> rg.linalg.ldl_factor(rg.tensor([[4., 2.], [2., 2.]])).LD
    tensor([[4.0000, 0.0000],
            [0.5000, 1.0000]])
    """
    return LdlFactor(*ldl_factor_ex(A, hermitian=hermitian, check_errors=True)[:2])


def ldl_solve(LD: Any, pivots: Any, B: Any, *, hermitian: bool = False) -> Any:
    """The solution of ``A X = B`` from what `ldl_factor` gives for A.

    >>> rg.linalg.ldl_solve(*rg.linalg.ldl_factor(rg.tensor([[4., 2.], [2., 2.]])), rg.tensor([[6.], [4.]]))
    tensor([[1.],
            [1.]])
    """
    ops.check_pair("linalg.ldl_solve", LD, B)
    if shape_of(pivots) != shape_of(LD)[:-1]:
        raise ShapeError("linalg.ldl_solve: Expected LD.shape[:-1] and pivots.shape to be the same, but got "
                         f"pivots with shape {list(shape_of(pivots))} instead of {list(shape_of(LD)[:-1])}")
    return ops.ldl_system(LD, pivots, B, hermitian=hermitian)


def qr(A: Any, mode: str = "reduced") -> Any:
    """``(Q, R)`` with ``A = Q R``, Q having orthonormal columns and R being upper triangular.

    mode "reduced": Q is ``(..., m, k)`` with ``k = min(m, n)``; "complete": Q is square; "r": Q is empty,
    which saves its computation. PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.qr.html

    >>> rg.linalg.qr(rg.tensor([[3.], [4.]])).R
    tensor([[-5.]])
    """
    ops.check_matrices("linalg.qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"linalg.qr: qr received unrecognized mode '{mode}' but expected one of 'reduced' "
                           "(default), 'r', or 'complete'")
    return Qr(*ops.qr_of(A, mode=mode))


def _no_driver(name: str, driver: Any) -> None:
    if driver is not None:
        raise RuntimeError(f"{name}: keyword argument `driver=` is only supported on CUDA inputs with "
                           "cuSOLVER backend; leave it out")


def svd(A: Any, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """``(U, S, Vh)`` with ``A = U diag(S) Vh``: singular vectors, and singular values from the largest down.

    U and Vh are square, or have ``min(m, n)`` columns and rows if not ``full_matrices``. The gradient is
    infinite where two singular values are equal. Raises LinAlgError for nan and inf. PyTorch:
    https://docs.pytorch.org/docs/stable/generated/torch.linalg.svd.html

    >>> rg.linalg.svd(rg.tensor([[3., 0.], [0., 4.]])).S
    tensor([4., 3.])
    """
    ops.check_matrices("linalg.svd", A, square=False)
    _no_driver("linalg.svd", driver)
    return Svd(*ops.svd_of(A, full_matrices=full_matrices))


def svdvals(A: Any, *, driver: str | None = None) -> Any:
    """Singular values of a matrix from the largest down; their gradient is finite always.

    >>> rg.linalg.svdvals(rg.tensor([[3., 0.], [0., 4.]]))
    tensor([4., 3.])
    """
    ops.check_matrices("linalg.svd", A, square=False)
    _no_driver("linalg.svdvals", driver)
    return ops.singular_values(A)


def pinv(A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """Pseudo-inverse of a matrix, or of each in a batch (Moore and Penrose).

    Singular values up to ``max(atol, rtol * largest)`` count as zero; ``rtol`` is by default ``max(m, n)``
    times the dtype's eps, or 0 if ``atol`` is given; ``rcond`` is its old name. ``hermitian`` reads the lower
    triangle only. PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.pinv.html

    >>> rg.linalg.pinv(rg.tensor([[2., 0.], [0., 0.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    ops.check_pinv(A)
    if hermitian:
        ops.check_matrices("linalg.eigh", A)
    return ops.pinv_of(A, *ops.tolerances(A, atol, rcond if rtol is None else rtol), hermitian=hermitian)


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None,
                rtol: Any = None) -> Any:
    """How many singular values exceed ``max(atol, rtol * largest)``, with the defaults of `pinv`.

    ``tol`` is the old name of ``atol``.

    >>> rg.linalg.matrix_rank(rg.ones(3, 3))
    tensor(1)
    """
    ops.check_matrices("linalg.matrix_rank", A, square=False)
    if hermitian:
        ops.check_matrices("linalg.eigh", A)
    if tol is not None:
        atol, rtol = tol, 0.0
    return ops.rank_of(A, *ops.tolerances(A, atol, rtol), hermitian=hermitian)


# -- eigenvalues


def _uplo(UPLO: str) -> str:
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"linalg.eigh: Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper()


def eigh(A: Any, UPLO: str = "L") -> Any:
    """``(eigenvalues, eigenvectors)`` of a symmetric or Hermitian matrix, ascending; vectors are columns.

    One triangle is read: the lower or, for UPLO "U", the upper. The gradient is infinite where two
    eigenvalues are equal. PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.eigh.html

    >>> rg.linalg.eigh(rg.tensor([[2., 0.], [0., 1.]])).eigenvalues
    tensor([1., 2.])
    """
    ops.check_matrices("linalg.eigh", A)
    return Eigh(*ops.eigh_of(A, uplo=_uplo(UPLO)))


def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """Eigenvalues of a symmetric or Hermitian matrix, ascending; their gradient is finite always.

    >>> rg.linalg.eigvalsh(rg.tensor([[2., 0.], [0., 1.]]))
    tensor([1., 2.])
    """
    ops.check_matrices("linalg.eigh", A)
    return ops.eigenvalues_h(A, uplo=_uplo(UPLO))


def eig(A: Any) -> Any:
    """``(eigenvalues, eigenvectors)`` of a square matrix, complex numbers in no order, vectors in columns.

    Vectors have norm 1. A gradient must not depend on the vectors' phase, or it raises RuntimeError.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.eig.html

    >>> rg.linalg.eig(rg.tensor([[0., -1.], [1., 0.]])).eigenvalues
    tensor([0.+1.j, 0.-1.j])
    """
    ops.check_matrices("linalg.eig", A)
    return Eig(*ops.eig_of(A, is_real=dtype_of(A).kind == "f"))


def eigvals(A: Any) -> Any:
    """Eigenvalues of a square matrix, as complex numbers, in no order.

    >>> rg.linalg.eigvals(rg.tensor([[0., -1.], [1., 0.]]))
    tensor([0.+1.j, 0.-1.j])
    """
    ops.check_matrices("linalg.eigvals", A)
    return ops.eigenvalues_of(A, is_real=dtype_of(A).kind == "f")


# -- norms


def norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Norm of a vector or a matrix: `matrix_norm` of two dimensions if ``ord`` is given, else `vector_norm`.

    Without ``ord`` it is the Euclidean norm of all elements along ``dim``.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.norm.html

    >>> rg.linalg.norm(rg.tensor([3., 4.]))
    tensor(5.)
    """
    ndim = len(shape_of(A))
    if dim is not None:
        dim = (dim,) if isinstance(dim, int) else tuple(dim)
        if len(dim) not in (1, 2):
            raise RuntimeError("linalg.norm: If dim is specified, it must be of length 1 or 2. Got "
                               f"{list(dim)}")
    elif ord is not None and ndim not in (1, 2):
        raise RuntimeError("linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
                           f"Got {ndim}D.")
    if ord is not None and (isinstance(ord, str) or (len(dim) == 2 if dim is not None else ndim == 2)):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def cond(A: Any, p: Any = None) -> Any:
    """Condition number: the norm of a matrix times that of its inverse, infinite if it has none.

    ``p`` is any order of `matrix_norm`; 2, the default, and -2 take matrices that are not square.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.cond.html

    >>> rg.linalg.cond(rg.tensor([[1., 0.], [0., 4.]]))
    tensor(4.)
    """
    if p not in (None, 2, -2, "fro", "nuc", 1, -1, INF, -INF):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}. It takes 'fro', 'nuc', 1, -1, 2, -2, "
                           "inf and -inf")
    ops.check_matrices(f"linalg.cond(ord={p})", A, square=p not in (None, 2, -2))
    if math.prod(shape_of(A)) == 0:
        return wrap(np.zeros(shape_of(A)[:-2], dtype_of(A).type(0).real.dtype))
    if p in (None, 2, -2):
        values = svdvals(A)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    inverted, info = ops.inverse_of(A)
    singular = (info.array if isinstance(info, Value) else info) != 0
    found = matrix_norm(A, p) * matrix_norm(inverted, p)
    if singular.any():
        found = found + wrap(np.where(singular, np.inf, 0).astype(dtype_of(found)))
    return found


# -- products and the rest


def multi_dot(tensors: Any) -> Any:
    """Product of two or more matrices in the order that takes the fewest multiplications.

    The first and the last may be vectors.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.linalg.multi_dot.html

    >>> rg.linalg.multi_dot([rg.ones(2, 3), rg.ones(3, 4), rg.ones(4)])
    tensor([12., 12.])
    """
    matrices = list(tensors)
    if len(matrices) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(matrices)}")
    ranks = [len(shape_of(m)) for m in matrices]
    for k, ndim in enumerate(ranks):
        place = {0: "the first", len(ranks) - 1: "the last"}.get(k)
        if ndim != 2 and not (place and ndim == 1):
            raise ShapeError(f"multi_dot(): {place or f'tensor {k}'} {'tensor ' if place else ''}must be "
                             f"{'1D or 2D' if place else '2D'} but got {ndim}D")
    if ranks[0] == 1:
        matrices[0] = unsqueeze(matrices[0], 0)
    if ranks[-1] == 1:
        matrices[-1] = unsqueeze(matrices[-1], 1)
    for k, (a, b) in enumerate(pairwise(matrices)):
        if shape_of(a)[1] != shape_of(b)[0]:
            raise ShapeError(f"multi_dot(): tensors {k} and {k + 1} with shapes {list(shape_of(tensors[k]))} "
                             f"and {list(shape_of(tensors[k + 1]))} cannot be multiplied")
    out = chain(matrices)
    out = squeeze(out, -1) if ranks[-1] == 1 else out
    return squeeze(out, 0) if ranks[0] == 1 else out


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Sum of the products along ``dim``, the first factor conjugated; the other dimensions broadcast.

    >>> rg.linalg.vecdot(rg.tensor([1., 2.]), rg.tensor([3., 4.]))
    tensor(11.)
    """
    same_dtype("linalg.vecdot", x, y, "Expected x and y to have the same dtype")
    if dtype_of(x).kind in "iub":
        raise RuntimeError("linalg.vecdot: Expected a floating point or complex tensor as input. Got "
                           f"{dtype_of(x).name}; convert it with .float()")
    return reduction.sum(mul(conj(x), y), dim)


def vander(x: Any, *, N: int | None = None) -> Any:
    """Vandermonde matrix: the powers ``x ** 0`` to ``x ** (N - 1)`` along a new last dimension.

    N is by default the size of the last dimension.

    >>> rg.linalg.vander(rg.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [1, 2, 4],
            [1, 3, 9]])
    """
    if N is None and not shape_of(x):
        raise ShapeError("linalg.vander: x has no dimension to take N from; give N")
    count = shape_of(x)[-1] if N is None else N
    if count <= 1:
        raise RuntimeError(f"linalg.vander: N must be greater than 1. Got {count}")
    return ops.powers(x, count)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The diagonal of a matrix, or of each in a batch, as a view; see `rg.diagonal`.

    >>> rg.linalg.diagonal(rg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return _diagonal(A, offset, dim1, dim2)
