"""Samples: the inputs on which every op is held to the laws. Start reading at `Sample`.

A sample names the arguments of a declared op, its parameters, and if it can the result by plain NumPy. Everything
else (differences, second order, tangents, shapes, dtypes, bytes) follows from the laws in `test_every_op.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Refused", "Sample", "booleans", "complexes", "integers", "positive", "symmetric_part", "uniform"]


class Sample:
    """Arguments of one op.

    ``expect``  the result by NumPy, as a function of the arrays (and the parameters, if it takes them)
    ``smooth``  False: the point is at a kink or a jump, only the value is checked
    ``second``  False: no second derivative here
    ``tol``     relative tolerance of the difference laws where the default is too tight
    ``along``   argument number -> projection of the directions in which it is moved, for an op that reads only a part
                of it: `symmetric_part` for a symmetric matrix of which one triangle is read, ``np.tril`` for a factor
    """

    def __init__(
        self,
        *args: Any,
        expect: Callable[..., Any] | None = None,
        smooth: bool = True,
        second: bool = True,
        tol: float = 1e-5,
        along: dict[int, Callable[[np.ndarray], np.ndarray]] | None = None,
        **params: Any,
    ) -> None:
        self.args, self.params, self.expect = args, params, expect
        self.smooth, self.second, self.tol, self.along = smooth, second, tol, along or {}

    def projected(self, i: int, t: np.ndarray) -> np.ndarray:
        """The direction ``t`` for argument ``i``, as far as the op looks at it."""
        return self.along[i](t) if i in self.along else t


def symmetric_part(t: np.ndarray) -> np.ndarray:
    """The symmetric part of each matrix."""
    return (t + t.swapaxes(-1, -2)) / 2


class Refused:
    """Arguments that an op must refuse, with what its error says and of which type it is."""

    def __init__(self, *args: Any, error: str, raises: type[Exception] = RuntimeError, **params: Any) -> None:
        self.args, self.params, self.error, self.raises = args, params, error, raises


def _rng(*seed: Any) -> np.random.Generator:
    """A generator that depends on what is asked for, so that a sample is the same in every run."""
    _rng.calls += 1  # type: ignore[attr-defined]
    return np.random.default_rng(zlib.crc32(repr((seed, _rng.calls)).encode()))  # type: ignore[attr-defined]


_rng.calls = 0  # type: ignore[attr-defined]


def uniform(*shape: int, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """float64 numbers between ``low`` and ``high``."""
    return np.asarray(_rng("uniform", shape).uniform(low, high, shape))


def positive(*shape: int) -> np.ndarray:
    """float64 numbers between 0.5 and 2."""
    return uniform(*shape, low=0.5, high=2.0)


def integers(*shape: int, low: int = 0, high: int = 10) -> np.ndarray:
    """int64 numbers from ``low`` to below ``high``."""
    return np.asarray(_rng("integers", shape).integers(low, high, shape))


def booleans(*shape: int) -> np.ndarray:
    """True or False, each about half of the time."""
    return np.asarray(_rng("booleans", shape).random(shape) < 0.5)


def complexes(*shape: int) -> np.ndarray:
    """complex128 numbers with both parts between -1 and 1."""
    return uniform(*shape) + 1j * uniform(*shape)
