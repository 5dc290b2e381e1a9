"""Samples of `regrad.ops.matmul`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.laws.sample import Refused, Sample, booleans, complexes, integers, uniform


def contracted(equation: str) -> dict[str, Any]:
    """The labels that `contract` takes for an equation such as ``ij,jk->ik``, and the result by NumPy."""
    sides, into = equation.split("->")
    left, right = sides.split(",")
    labels = {"left": left, "right": right, "into": into}
    return {**{key: tuple(ord(c) for c in text) for key, text in labels.items()},
            "expect": lambda a, b: np.einsum(equation, a, b)}


def affine(x: Any, w: Any, b: Any = 0) -> Any:
    return x @ w.T + b


def differences(a: Any, b: Any, p: float) -> Any:
    return (np.abs(a[..., :, None, :] - b[..., None, :, :]) ** p).sum(-1) ** (1 / p)


SAMPLES: dict[str, list[Any]] = {
    "matmul": [
        Sample(uniform(2, 3), uniform(3, 4), expect=np.matmul),
        Sample(uniform(3), uniform(3), expect=np.matmul),
        Sample(uniform(2, 3), uniform(3), expect=np.matmul),
        Sample(uniform(3), uniform(3, 4), expect=np.matmul),
        Sample(uniform(3), uniform(2, 3, 4), expect=np.matmul),
        Sample(uniform(5, 2, 3), uniform(3), expect=np.matmul),
        Sample(uniform(5, 2, 3), uniform(3, 4), expect=np.matmul),
        Sample(uniform(2, 3), uniform(5, 3, 4), expect=np.matmul),
        Sample(uniform(5, 1, 2, 3), uniform(6, 3, 4), expect=np.matmul),
        Sample(uniform(5, 2, 3), uniform(5, 3, 4), expect=np.matmul),
        Sample(uniform(2, 0), uniform(0, 3), expect=np.matmul),
        Sample(uniform(0, 2, 3), uniform(3, 4), expect=np.matmul),
        Sample(complexes(2, 3), complexes(4, 3, 2), expect=np.matmul),
        Sample(integers(2, 3), integers(3, 2), expect=np.matmul),
        Refused(uniform(2, 3), uniform(2, 3),
                error="matmul: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3); got [2, 3] and "
                      "[2, 3]; did you mean b.mT?"),
        Refused(uniform(3, 2), uniform(3, 4), error="did you mean a.mT?"),
        Refused(uniform(2, 3), uniform(4), error="size mismatch, got input (2), mat (2x3), vec (4)"),
        Refused(uniform(), uniform(4), error="need to be at least 1D, but they are 0D and 1D"),
        Refused(uniform(2, 2, 3), uniform(3, 3, 2), error="must match the size of tensor b (3)"),
        Refused(uniform(2, 3), uniform(3, 2).astype("f4"), error="same dtype, but got: float64 != float32"),
        Refused(booleans(2, 2), booleans(2, 2), error="for 'Bool'", raises=NotImplementedError),
        Refused(uniform(2, 3), 3, error="'other' (position 2) must be Tensor, not int", raises=TypeError),
    ],
    "contract": [
        Sample(uniform(2, 3), uniform(3, 4), shape=(2, 4), **contracted("ij,jk->ik")),
        Sample(uniform(5, 2, 3), uniform(3, 5, 4), shape=(4, 5, 2), **contracted("bij,jbk->kbi")),
        Sample(uniform(5, 2, 3), uniform(5, 2, 4), shape=(3, 4), **contracted("bij,bik->jk")),
        Sample(uniform(2, 6), uniform(3, 4), shape=(3, 2), **contracted("ia,jk->ji")),
        Sample(uniform(2, 1), uniform(3, 4), shape=(2, 4), **contracted("ij,jk->ik")),
        Sample(uniform(2, 0), uniform(0, 3), shape=(2, 3), **contracted("ij,jk->ik")),
        Sample(uniform(), uniform(3), shape=(3,), **contracted(",i->i")),
        Sample(uniform(2), uniform(2), left=(0,), right=(0,), into=(0, 1), shape=(2, 3),
               expect=lambda a, b: np.repeat((a * b)[:, None], 3, 1)),
        Refused(booleans(2), booleans(2), left=(0,), right=(0,), into=(), shape=(),
                error="not implemented for 'Bool'", raises=NotImplementedError),
    ],
    "outer": [
        Sample(uniform(3), uniform(4), expect=np.outer),
        Sample(uniform(0), uniform(4), expect=np.outer),
        Sample(integers(3), integers(2), expect=np.outer),
        Sample(complexes(2), complexes(3), expect=np.outer),
    ],
    "linear": [
        Sample(uniform(2, 3), uniform(4, 3), uniform(4), expect=affine),
        Sample(uniform(3), uniform(4, 3), uniform(4), expect=affine),
        Sample(uniform(5, 2, 3), uniform(4, 3), uniform(4), expect=affine),
        Sample(uniform(0, 3), uniform(4, 3), uniform(4), expect=affine),
        Refused(uniform(2, 3), uniform(4, 5), uniform(4), error="cannot be multiplied (2x3 and 5x4)"),
        Refused(uniform(2, 3), uniform(4, 3), uniform(5), error="bias [5]; it takes [4]"),
        Refused(uniform(2, 3), uniform(4, 3), uniform(4).astype("f4"), error="same dtype"),
        Refused(uniform(), uniform(4, 3), uniform(4), error="at least 1D, but they are 0D and 2D"),
    ],
    "linear_no_bias": [
        Sample(uniform(2, 3), uniform(4, 3), expect=affine),
        Sample(uniform(3), uniform(4, 3), expect=affine),
        Sample(uniform(2, 0, 3), uniform(4, 3), expect=affine),
        Sample(complexes(6, 2, 3), complexes(4, 3), expect=affine),
        Refused(uniform(2, 3), uniform(3, 4), error="did you mean weight.mT?"),
    ],
    "cross": [
        Sample(uniform(4, 3), uniform(4, 3), dim=-1, expect=np.cross),
        Sample(uniform(1, 3), uniform(4, 3), dim=-1, expect=np.cross),
        Sample(uniform(3, 2), uniform(3, 2), dim=-2, expect=lambda a, b: np.cross(a, b, axis=0)),
        Sample(complexes(0, 3), complexes(0, 3), dim=-1, expect=np.cross),
    ],
    "quotient_or_zero": [
        Sample(uniform(3, 1), uniform(4, low=0.5), expect=np.divide),
        Sample(np.ones(3), np.array([2.0, 0.0, -4.0]), expect=lambda a, b: np.array([0.5, 0.0, -0.25]),
               smooth=False),
        Sample(uniform(), uniform(low=1, high=2)),
    ],
    "cdist": [
        Sample(uniform(4, 3), uniform(5, 3), p=2.0, product=False, expect=differences),
        Sample(uniform(4, 3), uniform(2, 5, 3), p=1.5, product=False, expect=differences),
        Sample(uniform(4, 3), uniform(5, 3), p=3.0, product=False, expect=differences),
        Sample(uniform(4, 3), uniform(5, 3), p=0.5, product=False, expect=differences, tol=1e-3,
               second=False),
        Sample(uniform(4, 3), uniform(5, 3), p=1.0, product=False, expect=differences),
        Sample(uniform(4, 3), uniform(5, 3), p=0.0, product=False, expect=lambda a, b: np.full((4, 5), 3.0)),
        Sample(uniform(4, 3), uniform(5, 3), p=np.inf, product=False,
               expect=lambda a, b: np.abs(a[:, None] - b).max(-1)),
        Sample(uniform(30, 3), uniform(4, 3), p=2.0, product=True, expect=differences),
        Sample(uniform(0, 3), uniform(4, 3), p=2.0, product=False, expect=differences),
    ],
}
