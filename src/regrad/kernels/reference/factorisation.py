"""Factorisations that NumPy does not offer, and triangular solves, on batches of matrices.

Conventions are LAPACK's, so results can be passed on to anything that speaks it: pivots count from 1, a
compact factorisation keeps both triangles in one array, and ``info`` is 0 or the number of the first pivot
that failed. The work is done a block at a time, so that all but a sliver of it is matrix products. Start
reading at `solve_triangular`, then `lu`.
"""

from __future__ import annotations

import contextlib
import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["cholesky", "geqrf", "inv", "ldl", "ldl_solve", "lu", "lu_solve", "matrix_exp", "order_of",
           "solve", "solve_triangular"]

Array = NDArray[Any]

# columns done one by one before a matrix product brings the rest up to date: 32 to 64 measure alike
BLOCK = 48


def _batched(a: Array, b: Array) -> tuple[Array, Array]:
    """Both arrays with the batch dimensions that they broadcast to."""
    if a.shape[:-2] == b.shape[:-2]:
        return a, b
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return np.broadcast_to(a, batch + a.shape[-2:]), np.broadcast_to(b, batch + b.shape[-2:])


# -- triangular systems


def solve_triangular(a: Array, b: Array, *, upper: bool, left: bool = True,
                     unitriangular: bool = False) -> Array:
    """The solution of ``a @ x = b`` (``x @ a = b`` if not ``left``), reading one triangle of ``a`` only.

    A zero on the diagonal gives inf and nan, as the division does.
    """
    if not left:
        return solve_triangular(a.mT, b.mT, upper=not upper, unitriangular=unitriangular).mT
    a, b = _batched(a, b)
    x = np.empty(b.shape, np.result_type(a, b))
    starts = range(0, a.shape[-1], BLOCK)
    for start in reversed(starts) if upper else starts:
        rows = slice(start, start + BLOCK)
        done = slice(start + BLOCK, None) if upper else slice(0, start)
        rest = b[..., rows, :] - a[..., rows, done] @ x[..., done, :] if len(starts) > 1 else b
        x[..., rows, :] = _substitute(a[..., rows, rows], rest, upper, unitriangular)
    return x


def _substitute(a: Array, b: Array, upper: bool, unit: bool) -> Array:
    """A triangular system of at most `BLOCK` rows."""
    if not upper:  # the same rows and columns in reverse order: an upper triangular system
        return _substitute(a[..., ::-1, ::-1], b[..., ::-1, :], True, unit)[..., ::-1, :]
    n = a.shape[-1]
    triangle = np.where(_above(n), a, a.dtype.type(0))
    if unit:
        triangle[..., range(n), range(n)] = 1
    # There is nothing to eliminate below the diagonal, so LAPACK's solver is exactly back substitution.
    with contextlib.suppress(np.linalg.LinAlgError):
        x: Array = np.linalg.solve(triangle, b)
        if np.isfinite(x).all():
            return x
    x = np.array(b)
    for i in reversed(range(n)):
        x[..., i, :] /= triangle[..., i, i, None]
        x[..., :i, :] -= triangle[..., :i, i, None] * x[..., None, i, :]
    return x


@functools.lru_cache(maxsize=BLOCK + 1)
def _above(n: int) -> Array:
    """Where an upper triangular matrix has its elements."""
    return np.triu(np.ones((n, n), bool))


# -- what LAPACK says through NumPy, with info


def inv(a: Array) -> tuple[Array, Array]:
    """``(inverse, info)``; where ``info`` is not 0 the matrix is singular, the inverse holds inf and nan."""
    try:
        return np.linalg.inv(a), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        return solve(a, np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape))


def solve(a: Array, b: Array) -> tuple[Array, Array]:
    """``(x, info)`` with ``a @ x = b``; where ``info`` is not 0, a is singular and x holds inf and nan."""
    try:
        return np.linalg.solve(a, b), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        compact, pivots, info = lu(a)
        return lu_solve(compact, pivots, b), info


def cholesky(a: Array, *, upper: bool = False) -> tuple[Array, Array]:
    """``(factor, info)`` from one triangle; ``info`` is the order of the first minor that is not positive."""
    info = np.zeros(a.shape[:-2], np.int32)
    try:
        factor = np.linalg.cholesky(a, upper=upper)
        nan = np.isnan(np.einsum("...ii->...i", factor)).any()  # some LAPACKs go on with it
    except np.linalg.LinAlgError:
        nan = True
    if not nan:
        return factor, info
    lower = np.tril(a.mT.conj() if upper else a)
    for place in np.ndindex(info.shape):
        info[place] = _cholesky_one(lower[place])
    return (lower.mT.conj() if upper else lower), info


def _cholesky_one(a: Array) -> int:
    for k in range(len(a)):
        if not a[k, k].real > 0:
            return k + 1
        a[k, k] = np.sqrt(a[k, k].real)
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.tril(np.outer(a[k + 1 :, k], a[k + 1 :, k].conj()))
    return 0


# -- LU


def lu(a: Array, *, pivot: bool = True) -> tuple[Array, Array, Array]:
    """``(compact, pivots, info)`` of ``a = P L U`` with partial pivoting (none if not ``pivot``).

    Column by column within a block, then the block's transformations are applied to what is right of it
    (Golub and Van Loan, Matrix Computations, 3.4).
    """
    batch, (m, n) = a.shape[:-2], a.shape[-2:]
    out = np.array(a, order="C").reshape(math.prod(batch), m, n)
    count, steps = out.shape[0], min(m, n)
    each = np.arange(count)
    pivots = np.tile(np.arange(1, steps + 1, dtype=np.int32), (count, 1))
    for start in range(0, steps, BLOCK):
        stop = min(start + BLOCK, steps)
        for k in range(start, stop):
            if pivot:
                chosen = k + _size(out[:, k:, k]).argmax(axis=1)
                if (chosen != k).any():
                    pivots[:, k] = chosen + 1
                    top = out[:, k].copy()
                    out[:, k] = out[each, chosen]
                    out[each, chosen] = top
            head = out[:, k, k, None]
            column = out[:, k + 1 :, k]
            column /= head if head.all() else np.where(head == 0, 1, head)
            out[:, k + 1 :, k + 1 : stop] -= column[:, :, None] * out[:, k, None, k + 1 : stop]
        if stop < n:
            corner, right = out[:, start:stop, start:stop], out[:, start:stop, stop:]
            right[...] = solve_triangular(corner, right, upper=False, unitriangular=True)
            out[:, stop:, stop:] -= out[:, stop:, start:stop] @ right
    zero = np.einsum("bii->bi", out[:, :steps, :steps]) == 0
    info = np.where(zero.any(axis=1), zero.argmax(axis=1) + 1, 0) if steps else np.zeros(count)
    return out.reshape(a.shape), pivots.reshape(*batch, steps), info.astype(np.int32).reshape(batch)


def _size(x: Array) -> Array:
    """What pivots are compared by: LAPACK takes the sum of both parts of a complex number."""
    return np.abs(x.real) + np.abs(x.imag) if x.dtype.kind == "c" else np.abs(x)


def order_of(pivots: Array, m: int) -> Array:
    """The rows of the matrix in the order that ``pivots`` bring them into: ``a[order] = L U``."""
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
    order = np.tile(np.arange(m), (flat.shape[0], 1))
    each = np.arange(flat.shape[0])
    for k in range(flat.shape[1]):
        chosen = flat[:, k] - 1
        top = order[each, k]
        order[each, k] = order[each, chosen]
        order[each, chosen] = top
    return order.reshape(*pivots.shape[:-1], m)


def lu_solve(compact: Array, pivots: Array, b: Array) -> Array:
    """The solution of ``A x = b`` from the compact LU factorisation of ``A``."""
    order = order_of(pivots, compact.shape[-1])[..., None]
    compact, b = _batched(compact, b)
    b = np.take_along_axis(b, np.broadcast_to(order, (*b.shape[:-1], 1)), axis=-2)
    half = solve_triangular(compact, b, upper=False, unitriangular=True)
    return solve_triangular(compact, half, upper=True)


# -- LDL


def ldl(a: Array, *, hermitian: bool = False) -> tuple[Array, Array, Array]:
    """``(compact, pivots, info)`` of ``a = L D L^T`` (``L^H`` if ``hermitian``), D having blocks of 1 and 2.

    Reads the lower triangle. Pivoting after Bunch and Kaufman (Some stable methods for calculating inertia
    and solving symmetric linear systems, 1977) as LAPACK's ``sytrf`` does it: a negative pair of pivots marks
    a block of 2.
    """
    out = np.tril(a)
    n = a.shape[-1]
    pivots = np.zeros(a.shape[:-1], np.int32)
    info = np.zeros(a.shape[:-2], np.int32)
    for place in np.ndindex(a.shape[:-2]):
        info[place] = _ldl_one(out[place], pivots[place], n, hermitian and a.dtype.kind == "c")
    return out, pivots, info


def _ldl_one(a: Array, pivots: Array, n: int, hermitian: bool) -> int:
    ratio = (1 + 17**0.5) / 8  # bounds the growth of a step over blocks of 1 and of 2
    info = k = 0
    while k < n:
        if hermitian:
            a[k, k] = a[k, k].real
        below = _size(a[k + 1 :, k])
        row = k + 1 + int(below.argmax()) if below.size else k
        largest, here = (below[row - k - 1] if below.size else 0), _size(a[k, k])
        width, chosen = 1, k
        if max(here, largest) == 0 or np.isnan(here):
            info = info or k + 1
            pivots[k] = k + 1
            k += 1
            continue
        if here < ratio * largest:
            across = max(_size(a[row, k:row]).max(), _size(a[row + 1 :, row]).max(initial=0))
            if here < ratio * largest * (largest / across):
                chosen = row
                width = 1 if _size(a[row, row].real if hermitian else a[row, row]) >= ratio * across else 2
        _swap(a, k + width - 1, chosen, hermitian, k)
        if width == 1:
            column = a[k + 1 :, k].copy()
            scaled = column / a[k, k]
            a[k + 1 :, k + 1 :] -= np.tril(np.outer(scaled, column.conj() if hermitian else column))
            a[k + 1 :, k] = scaled
            pivots[k] = chosen + 1
        else:
            corner = a[k : k + 2, k : k + 2].copy()
            corner[0, 1] = corner[1, 0].conj() if hermitian else corner[1, 0]
            columns = a[k + 2 :, k : k + 2].copy()
            scaled = np.linalg.solve(corner.T, columns.T).T
            a[k + 2 :, k + 2 :] -= np.tril(scaled @ (columns.conj() if hermitian else columns).T)
            a[k + 2 :, k : k + 2] = scaled
            pivots[k : k + 2] = -(chosen + 1)
        k += width
    return info


def _swap(a: Array, i: int, j: int, hermitian: bool, first: int) -> None:
    """Exchange rows and columns ``i < j`` of a symmetric matrix, of which ``a`` has the lower triangle."""
    if i == j:
        return
    a[[i, j], first:i] = a[[j, i], first:i]
    a[j + 1 :, [i, j]] = a[j + 1 :, [j, i]]
    between = a[i + 1 : j, i].copy()
    a[i + 1 : j, i] = a[j, i + 1 : j].conj() if hermitian else a[j, i + 1 : j]
    a[j, i + 1 : j] = between.conj() if hermitian else between
    if hermitian:
        a[j, i] = a[j, i].conj()
    a[i, i], a[j, j] = a[j, j].copy(), a[i, i].copy()


def ldl_solve(compact: Array, pivots: Array, b: Array, *, hermitian: bool = False) -> Array:
    """The solution of ``A x = b`` from what `ldl` gives for ``A``."""
    compact, b = _batched(compact, b)
    pivots = np.broadcast_to(pivots, compact.shape[:-1])
    x = np.array(b)
    for place in np.ndindex(b.shape[:-2]):
        _ldl_solve_one(compact[place], pivots[place], x[place], hermitian and compact.dtype.kind == "c")
    return x


def _ldl_solve_one(a: Array, pivots: Array, x: Array, hermitian: bool) -> None:
    """Undo the steps of `_ldl_one` one after the other: P and L downwards with D, then L^T and P upwards."""
    n, k, starts = len(a), 0, []
    while k < n:
        width = 1 if pivots[k] > 0 else 2
        starts.append((k, width))
        last, chosen = k + width - 1, abs(pivots[k]) - 1
        x[[last, chosen]] = x[[chosen, last]]
        x[k + width :] -= a[k + width :, k : k + width] @ x[k : k + width]
        if width == 1:
            x[k] /= a[k, k]
        else:
            corner = a[k : k + 2, k : k + 2].copy()
            corner[0, 1] = corner[1, 0].conj() if hermitian else corner[1, 0]
            x[k : k + 2] = np.linalg.solve(corner, x[k : k + 2])
        k += width
    for k, width in reversed(starts):
        columns = a[k + width :, k : k + width]
        x[k : k + width] -= (columns.conj() if hermitian else columns).T @ x[k + width :]
        last, chosen = k + width - 1, abs(pivots[k]) - 1
        x[[last, chosen]] = x[[chosen, last]]


# -- QR


def geqrf(a: Array) -> tuple[Array, Array]:
    """``(compact, tau)`` of the QR factorisation: R above, the Householder vectors below the diagonal."""
    if 0 in a.shape:
        return a.copy(), np.zeros((*a.shape[:-2], min(a.shape[-2:])), a.dtype)
    compact, tau = np.linalg.qr(a, mode="raw")
    return compact.mT, tau


# -- the exponential


def matrix_exp(a: Array) -> Array:
    """The exponential of each matrix: scaling, a Taylor polynomial of degree 18, squaring.

    A matrix is halved, on its own, until its 1-norm is below 1.09, up to which that polynomial is exact in
    double precision (Bader, Blanes and Casas, Computing the matrix exponential with an optimized Taylor
    polynomial approximation, 2019).
    """
    if a.size == 0:
        return a.copy()
    norm = np.abs(a).sum(axis=-2).max(axis=-1)
    finite = np.isfinite(norm)
    squarings = np.ceil(np.log2(np.maximum(np.where(finite, norm, 1) / 1.09, 1))).astype(int)
    x = a / (2.0 ** squarings.astype(a.real.dtype))[..., None, None].astype(a.dtype)
    out = _taylor(x)
    for k in range(int(squarings.max())):
        out = np.where((squarings > k)[..., None, None], out @ out, out)
    return out


def _taylor(x: Array) -> Array:
    """The Taylor polynomial of degree 18 by Paterson and Stockmeyer's scheme, in powers up to the sixth."""
    powers = [np.eye(x.shape[-1], dtype=x.dtype), x]
    while len(powers) < 7:
        powers.append(powers[-1] @ x)
    weight = [1 / math.factorial(k) for k in range(19)]
    out: Array = weight[18] * powers[6]
    for block in (12, 6, 0):
        for k in range(6):
            out = out + weight[block + k] * powers[k]
        out = out @ powers[6] if block else out
    return out
