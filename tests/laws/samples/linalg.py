"""Samples of `regrad.ops.linalg`.

The ops that read one triangle (Cholesky, eigenvalues of symmetric matrices) give the gradient of a symmetric
input, and vectors with a free phase refuse most cotangents: such samples hold the value only, and the
gradients are tested through symmetric and phase-free expressions in tests/unit/ops/test_linalg.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.laws.sample import Sample, complexes, symmetric_part, uniform


def regular(*shape: int) -> np.ndarray:
    """Square matrices far from singular."""
    return uniform(*shape) + 2 * np.eye(shape[-1])


def symmetric(*shape: int) -> np.ndarray:
    x = uniform(*shape)
    return x + x.mT


def positive_definite(*shape: int) -> np.ndarray:
    x = uniform(*shape)
    return x @ x.mT + np.eye(shape[-1])


def lower(*shape: int) -> np.ndarray:
    return np.tril(uniform(*shape, low=0.1), -1) + np.eye(shape[-1]) * 2


def solved(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b)


def symmetrised(compact: Any) -> Any:
    """The symmetric matrix with this lower triangle."""
    return np.tril(compact) + np.tril(compact, -1).mT


def shortest(a: Any, b: Any) -> Any:
    return np.linalg.lstsq(a, b, rcond=None)[0]


def exponential(a: Any) -> Any:
    values, vectors = np.linalg.eig(a)
    return (vectors * np.exp(values)[..., None, :] @ np.linalg.inv(vectors)).real


PIVOTS = np.array([2, 3, 3], np.int32)
SWAPPED = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

SAMPLES: dict[str, list[Any]] = {
    "identity_like": [
        Sample(uniform(2, 3), expect=lambda x: np.eye(2, 3)),
        Sample(uniform(4, 3, 3), expect=lambda x: np.eye(3)),
    ],
    "linalg_solve_ex": [
        Sample(regular(3, 3), uniform(3, 2), expect=solved),
        Sample(regular(2, 3, 3), uniform(3, 1), expect=solved),
        Sample(regular(3, 3), uniform(4, 3, 2), expect=solved),
        Sample(uniform(0, 0), uniform(0, 2), expect=solved),
        Sample(complexes(3, 3) + 3 * np.eye(3), complexes(3, 2), expect=solved),
    ],
    "linalg_inv_ex": [
        Sample(regular(3, 3), expect=np.linalg.inv),
        Sample(regular(2, 2, 2), expect=np.linalg.inv),
        Sample(uniform(0, 0), expect=np.linalg.inv),
        Sample(complexes(2, 2) + 2 * np.eye(2), expect=np.linalg.inv),
    ],
    "linalg_solve_triangular": [
        Sample(lower(3, 3), uniform(3, 2), upper=False, expect=lambda a, b: solved(np.tril(a), b)),
        Sample(regular(3, 3), uniform(2, 3, 2), upper=True, left=True, unitriangular=False,
               expect=lambda a, b: solved(np.triu(a), b)),
        Sample(regular(2, 3, 3), uniform(2, 4, 3), upper=True, left=False, unitriangular=False,
               expect=lambda a, b: b @ np.linalg.inv(np.triu(a))),
        Sample(regular(3, 3), uniform(3, 2), upper=False, left=True, unitriangular=True,
               expect=lambda a, b: solved(np.tril(a, -1) + np.eye(3), b)),
        Sample(regular(60, 60) + 10 * np.eye(60), uniform(60, 2), upper=False, left=True, unitriangular=False,
               expect=lambda a, b: solved(np.tril(a), b)),
        Sample(np.array([[0.0]]), np.array([[1.0]]), upper=True, left=True, unitriangular=False,
               expect=lambda a, b: np.array([[np.inf]]),
               smooth=False),
        Sample(uniform(0, 0), uniform(0, 2), upper=True, left=True, unitriangular=False),
    ],
    "linalg_cholesky_ex": [
        Sample(positive_definite(3, 3), upper=False, expect=np.linalg.cholesky, along={0: symmetric_part}),
        Sample(positive_definite(2, 3, 3), upper=True,
               expect=lambda a: np.linalg.cholesky(a).mT, along={0: symmetric_part}),
        Sample(uniform(0, 0), upper=False),
    ],
    "cholesky_solve": [
        Sample(uniform(3, 2), lower(3, 3), upper=False,
               expect=lambda b, f: solved(f @ f.mT, b), along={1: np.tril}),
        Sample(uniform(4, 3, 2), lower(3, 3).mT.copy(), upper=True,
               expect=lambda b, f: solved(f.mT @ f, b), along={1: np.triu}),
        Sample(uniform(0, 2), uniform(0, 0), upper=False),
    ],
    "linalg_det": [
        Sample(regular(3, 3), expect=np.linalg.det),
        Sample(uniform(2, 2, 2), expect=np.linalg.det),
        Sample(uniform(0, 0), expect=np.linalg.det),
        Sample(complexes(3, 3), expect=np.linalg.det),
        Sample(np.array([[1.0, 2.0], [2.0, 4.0]]), expect=lambda a: 0.0),
        Sample(np.diag([1.0, 0.0, 3.0]), expect=lambda a: 0.0),
    ],
    "linalg_slogdet": [
        Sample(regular(3, 3), expect=np.linalg.slogdet),
        Sample(-regular(2, 3, 3), expect=np.linalg.slogdet),
        Sample(uniform(0, 0), expect=np.linalg.slogdet),
        Sample(complexes(3, 3) + 2 * np.eye(3), expect=np.linalg.slogdet),
    ],
    "permutation_of": [
        Sample(PIVOTS, size=3, dtype=np.dtype("f8"), expect=lambda p: SWAPPED),
        Sample(np.stack([PIVOTS, PIVOTS]), size=3, dtype=np.dtype("f8"),
               expect=lambda p: np.stack([SWAPPED, SWAPPED])),
        Sample(np.zeros(0, np.int32), size=2, dtype=np.dtype("f8"), expect=lambda p: np.eye(2)),
    ],
    "linalg_lu_factor_ex": [
        Sample(np.array([[1.0, 2.0], [4.0, 4.0]]), pivot=True,
               expect=lambda a: (np.array([[4.0, 4.0], [0.25, 1.0]]), [2, 2], 0)),
        Sample(uniform(3, 3), pivot=True),
        Sample(uniform(2, 3, 5), pivot=True),
        Sample(uniform(5, 3), pivot=True),
        Sample(regular(3, 3), pivot=False),
        Sample(uniform(0, 3), pivot=True),
        Sample(complexes(3, 3), pivot=True),
    ],
    "linalg_ldl_factor_ex": [
        Sample(np.array([[4.0, 9.0], [2.0, 2.0]]), hermitian=False,
               expect=lambda a: (np.array([[4.0, 0.0], [0.5, 1.0]]), [1, 2], 0)),
        Sample(np.array([[0.0, 1.0], [1.0, 0.0]]), hermitian=False,
               expect=lambda a: (np.array([[0.0, 0.0], [1.0, 0.0]]), [-2, -2], 0)),
        Sample(symmetric(2, 4, 4), hermitian=False),
        Sample(uniform(0, 0), hermitian=False),
    ],
    "linalg_ldl_solve": [
        Sample(np.array([[4.0, 0.0], [0.5, 1.0]]), np.array([1, 2], np.int32), uniform(2, 3), hermitian=False,
               expect=lambda a, p, b: solved(np.array([[4.0, 2.0], [2.0, 2.0]]), b)),
        Sample(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([-2, -2], np.int32), uniform(4, 2, 1),
               hermitian=False, expect=lambda a, p, b: b[:, ::-1]),
        Sample(uniform(0, 0), np.zeros(0, np.int32), uniform(0, 2), hermitian=False),
    ],
    "linalg_qr": [
        Sample(regular(3, 3), mode="reduced", expect=np.linalg.qr),
        Sample(uniform(5, 3), mode="reduced", expect=np.linalg.qr),
        Sample(regular(3, 3)[..., :2, :].repeat(1, 0), mode="reduced", expect=np.linalg.qr),
        Sample(uniform(2, 2, 4), mode="complete", expect=np.linalg.qr),
        Sample(uniform(4, 2), mode="complete",
               expect=lambda a: np.linalg.qr(a, mode="complete"), smooth=False),
        Sample(uniform(4, 2), mode="r",
               expect=lambda a: (np.zeros(0), np.linalg.qr(a, mode="r")), smooth=False),
        Sample(uniform(3, 0), mode="reduced"),
        Sample(complexes(3, 2), mode="reduced", expect=np.linalg.qr),
    ],
    "geqrf": [
        Sample(uniform(4, 2),
               expect=lambda a: (np.linalg.qr(a, mode="raw")[0].mT, np.linalg.qr(a, mode="raw")[1])),
        Sample(uniform(2, 2, 4)),
        Sample(uniform(3, 0), expect=lambda a: (a, np.zeros(0))),
    ],
    "linalg_svd": [
        Sample(uniform(3, 3), full_matrices=False, expect=lambda a: np.linalg.svd(a, full_matrices=False)),
        Sample(uniform(5, 3), full_matrices=False),
        Sample(uniform(2, 2, 4), full_matrices=False),
        Sample(uniform(4, 2), full_matrices=True, expect=np.linalg.svd, smooth=False),
        Sample(uniform(0, 3), full_matrices=False),
    ],
    "linalg_svdvals": [
        Sample(uniform(3, 3), expect=lambda a: np.linalg.svd(a, compute_uv=False)),
        Sample(uniform(2, 4, 3), expect=lambda a: np.linalg.svd(a, compute_uv=False)),
        Sample(complexes(2, 3)),
        Sample(uniform(3, 0)),
    ],
    "linalg_pinv": [
        Sample(uniform(4, 2), 0.0, 1e-15, hermitian=False, expect=lambda a, *_: np.linalg.pinv(a)),
        Sample(uniform(2, 2, 4), 0.0, 1e-15, hermitian=False, expect=lambda a, *_: np.linalg.pinv(a)),
        Sample(complexes(3, 2), 0.0, 1e-15, hermitian=False, expect=lambda a, *_: np.linalg.pinv(a)),
        Sample(np.diag([2.0, 0.1]), 0.5, 0.0, hermitian=False,
               expect=lambda a, *_: np.diag([0.5, 0.0]), smooth=False),
        Sample(np.diag([2.0, -4.0]), 0.0, 1e-15, hermitian=True,
               expect=lambda a, *_: np.diag([0.5, -0.25]), smooth=False),
        Sample(uniform(0, 3), 0.0, 1e-15, hermitian=False),
    ],
    "linalg_matrix_rank": [
        Sample(np.diag([2.0, 1.0, 0.0]), 0.0, 1e-12, hermitian=False, expect=lambda a, *_: 2),
        Sample(np.diag([2.0, -1.0, 0.0]), 1.5, 0.0, hermitian=True, expect=lambda a, *_: 1),
        Sample(uniform(2, 3, 0), 0.0, 1e-12, hermitian=False, expect=lambda a, *_: [0, 0]),
    ],
    "linalg_lstsq": [
        Sample(uniform(5, 3), uniform(5, 2), driver="gelsd", rcond=1e-12, expect=shortest),
        Sample(uniform(5, 3), uniform(5, 2), driver="gelsy", rcond=1e-12, expect=shortest),
        Sample(uniform(2, 4), uniform(2, 3), driver="gels", rcond=1e-12, expect=shortest),
        Sample(uniform(2, 4, 3), uniform(2, 4, 1), driver="gelss", rcond=1e-12),
    ],
    "linalg_eigh": [
        Sample(symmetric(3, 3), uplo="L", expect=np.linalg.eigh, along={0: symmetric_part}),
        Sample(symmetric(2, 3, 3), uplo="U", along={0: symmetric_part}),
        Sample(uniform(0, 0), uplo="L"),
    ],
    "linalg_eigvalsh": [
        Sample(symmetric(3, 3), uplo="L", expect=np.linalg.eigvalsh, along={0: symmetric_part}),
        Sample(symmetric(2, 3, 3), uplo="U", expect=np.linalg.eigvalsh, along={0: symmetric_part}),
        Sample(uniform(0, 0), uplo="L"),
    ],
    "linalg_eig": [
        Sample(np.diag([1.0, 2.0]), is_real=True, expect=np.linalg.eig, smooth=False),
        Sample(uniform(2, 3, 3), is_real=True, smooth=False),
        Sample(uniform(0, 0), is_real=True, smooth=False),
    ],
    "linalg_eigvals": [
        Sample(np.diag([1.0, 2.0]), is_real=True, expect=np.linalg.eigvals),
        Sample(uniform(3, 3), is_real=True),
        Sample(complexes(2, 2, 2), is_real=False),
        Sample(uniform(0, 0), is_real=True),
    ],
    "linalg_matrix_exp": [
        Sample(uniform(3, 3), expect=exponential),
        Sample(5 * uniform(2, 3, 3), expect=exponential, tol=1e-4),
        Sample(complexes(2, 2)),
        Sample(uniform(0, 0)),
    ],
}
