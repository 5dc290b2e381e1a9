"""The small convex problems behind some methods: as many unknowns as there are losses, solved to the last digits.

Gradients of different tasks may differ in size by many orders. So problems are posed for `Cosines`: directions of
length 1, the lengths apart. Start reading at `minimise`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Cosines", "balance", "minimise", "on_support", "trust_region"]

_EPS = float(np.finfo(np.float64).eps)


class Cosines(NamedTuple):
    """A Gramian taken apart: the cosine of each pair of gradients, and their lengths.

    ``matrix``   cosines; rows and columns of zero gradients are 0
    ``lengths``  a zero gradient, which has no length to speak of, is given the greatest of the others'
    ``there``    which gradients are not zero
    """

    matrix: Any
    lengths: Any
    there: Any

    @classmethod
    def of(cls, gramian: Any) -> Cosines:
        """Those of a Gramian."""
        lengths = np.sqrt(np.diag(gramian))
        there = lengths > 0
        lengths = np.where(there, lengths, lengths.max() if there.any() else 1.0)
        matrix = np.clip(gramian / lengths / lengths[:, None], -1, 1)
        matrix[~there] = matrix[:, ~there] = 0
        np.fill_diagonal(matrix, there)
        return cls(matrix, lengths, there)


def minimise(a: Any, b: Any, normal: Any = None) -> Any:
    """The ``x >= 0`` that minimises ``x @ a @ x / 2 - b @ x``, on the plane ``normal @ x == 1`` if one is given.

    An active-set method: that of Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23; on a plane that
    of Wolfe, Finding the nearest point in a polytope (1976). ``a`` is positive semidefinite with a diagonal of ones or
    zeros, ``normal`` is positive, and ``b`` is in the range of ``a``. A variable comes in only if that improves more
    than rounding could: so directions that are there already stay out, and each system solved has one solution.
    """
    count = len(b)
    x, multiplier = np.zeros(count), 0.0
    support: list[int] = []
    if normal is not None:
        support = [int((np.diag(a) / normal**2 / 2 - b / normal).argmin())]
        x[support], multiplier = on_support(a, b, normal, support)
    for _ in range(20 * count):
        gain, noise = b - a @ x, np.abs(b) + np.abs(a) @ x
        if normal is not None:
            gain, noise = gain - multiplier * normal, noise + abs(multiplier) * normal
        gain[gain <= 4 * count * _EPS * noise] = 0
        gain[support] = 0
        entering = int(gain.argmax())
        if gain[entering] <= 0:
            break
        support = sorted([*support, entering])
        while True:
            try:
                target, reached = on_support(a, b, normal, support)
            except np.linalg.LinAlgError:
                target, reached = np.full(len(support), -1.0), multiplier
            if (target > 0).all():
                x[support], multiplier = target, reached
                break
            now, falling = x[support], target <= 0
            part = np.where(falling, now / np.where(falling, now - target, 1), np.inf)
            step = part.min()
            if step == 0:  # rounding made the newcomer look better than it is
                return x
            x[support] = np.where(part <= step, 0, now + step * (target - now))
            support = [k for k in support if x[k] > 0]
    return x


def on_support(a: Any, b: Any, normal: Any, support: list[int]) -> tuple[Any, float]:
    """(the minimiser of whatever sign with these variables alone, the multiplier of the plane)."""
    inner = a[np.ix_(support, support)]
    if normal is None:
        return np.linalg.solve(inner, b[support]), 0.0
    count = len(support)
    bordered = np.zeros((count + 1, count + 1))
    bordered[:count, :count] = inner
    bordered[count, :count] = bordered[:count, count] = normal[support]
    solution = np.linalg.solve(bordered, np.append(b[support], 1.0))
    return solution[:count], float(solution[count])


def trust_region(a: Any, centre: Any, radius: float, normal: Any) -> Any:
    """The ``z`` for which ``centre + z`` is, within ``radius`` of ``centre``, the direction with the best worst case.

    Vectors are coordinates along directions whose cosines are ``a``; the worst case is the least product with a point
    of the hull ``y >= 0``, ``normal @ y == 1``. Then ``z`` is ``t * y``, where ``y`` minimises
    ``t * y @ a @ y / 2 + centre @ a @ y`` over the hull, and ``t`` is so great that ``z`` has length ``radius``; where
    the hull contains 0, it may stay shorter for all ``t``. As long as the same variables are positive,
    ``z = q + t * p`` is a straight line: ``t`` goes to where the line has the length, until it finds itself on the
    same line again.
    """
    low, high, t = 0.0, math.inf, radius
    line: Any = None
    since = aim = 0.0
    for _ in range(200):
        y = minimise(a, -(a @ centre) / t, normal)
        support = [int(k) for k in np.flatnonzero(y)]
        if support != line:
            line, since = support, t
        elif t == aim:
            break
        inner = a[np.ix_(support, support)]
        p = on_support(a, np.zeros(len(y)), normal, support)[0]
        q = t * (y[support] - p)
        still, slope = max(float(q @ inner @ q), 0.0), float(p @ inner @ p)
        if slope <= 4 * len(y) * _EPS * float(np.abs(p) @ np.abs(inner) @ np.abs(p)):
            slope = 0.0
        length = math.sqrt(still + t * t * slope)
        if abs(length - radius) <= 4 * len(y) * _EPS * radius:
            break
        if length < radius:
            low = t
        else:
            high = t
        aim = math.sqrt((radius**2 - still) / slope) if slope and still < radius**2 else 0.0
        if low < aim < high:
            t = aim
        elif low and high < math.inf:
            t = math.sqrt(low * high)
        else:
            t = t * 16 if low else t / 16
        if high <= low * (1 + 4 * _EPS) or (not slope and low > 1e5 * radius):
            y[support] = p + q / since  # the same vector for all t from there on
            return since * y
    return t * y


def balance(a: Any) -> Any:
    """The ``x > 0`` with ``a @ x == 1 / x``: Newton's method on ``x @ a @ x / 2 - log(x).sum()``, which is convex.

    ``a`` is positive semidefinite with a diagonal of ones. Where a combination of all directions is 0 there is no
    solution; a ridge of 1e-12 then keeps ``x`` finite, and ``a @ x`` is close to 0.
    """
    a = a + 1e-12 * np.eye(len(a))
    x = 1 / np.sqrt(np.abs(a).sum(axis=1))
    before = math.inf
    while True:
        missing = 1 - x * (a @ x)
        step = np.linalg.solve(a * x * x[:, None] + np.eye(len(x)), missing)  # as parts of x
        decrement = math.sqrt(max(float(step @ missing), 0.0))
        if decrement <= 0.25 and decrement >= before:  # down to rounding
            return x
        x = x * (1 + step / (1 + decrement if decrement > 0.25 else 1))  # the damping keeps x positive
        before = decrement
