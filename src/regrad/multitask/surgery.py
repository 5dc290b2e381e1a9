"""Methods that look at the gradients and say how much of each goes into the step on the shared parameters.

Each works on inner products alone, so its cost beside the gradients themselves does not depend on how many parameters
there are. Private parameters get their own, unchanged gradients. Start reading at `PCGrad`; the problems that the
others pose are solved in `regrad.multitask.quadratic`.

``g_i`` is the gradient of loss ``i`` of ``K``, ``M`` the matrix of their inner products, ``d`` the result: what goes
into ``.grad``, so that a step goes along ``-d``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from regrad.multitask.method import Method
from regrad.multitask.quadratic import Cosines, balance, minimise, trust_region
from regrad.ops.random import numpy_generator

__all__ = ["IMTLG", "MGDA", "CAGrad", "NashMTL", "PCGrad", "UPGrad"]


class PCGrad(Method):
    """Each gradient loses what it has against the others: projecting conflicting gradients.

    For each ``i``, and all ``j != i`` in random order: if ``g_i . g_j < 0``, ``g_i -= (g_i . g_j) / (g_j . g_j) g_j``,
    where ``g_i`` changes as it goes and ``g_j`` is the gradient as it was. ``d`` is the sum of what is left, or with
    ``reduction="mean"`` the mean. Without conflict, that is the sum (mean) of the gradients. Of two tasks none
    conflicts with ``d``; of three, some may. The order is drawn from ``generator``.

    Yu et al., Gradient Surgery for Multi-Task Learning, 2020: https://arxiv.org/abs/2001.06782

    >>> rg.multitask.PCGrad()(rg.tensor([[1., 0.], [-1., 1.]]))
    tensor([0.5000, 1.5000])
    """

    reads_gradients = True
    _options = ("reduction",)

    def __init__(self, reduction: str = "sum", generator: Any = None) -> None:
        self.reduction = _one_of("PCGrad", "reduction", reduction, ("sum", "mean"))
        self.generator = generator

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        cosines, lengths, _ = Cosines.of(gramian)
        parts = np.diag(lengths)  # a row for each gradient: how far it goes along each direction
        draw = numpy_generator(self.generator)
        for i, part in enumerate(parts):
            for j in draw.permutation(count):
                along = part @ cosines[j]
                if j != i and along < 0:
                    part[j] -= along
        return parts.sum(axis=0) / lengths / (count if self.reduction == "mean" else 1)


class MGDA(Method):
    """The shortest convex combination of the gradients, which descends for every task: multiple-gradient descent.

    ``d = sum_i w_i g_i`` with ``w >= 0``, ``sum w = 1`` and ``|d|`` least, exactly. Then ``g_i . d >= |d|^2`` for all
    ``i``; ``d`` is 0 where no direction improves every task (the point is Pareto-stationary). The shortest gradients
    decide: ``normalize`` finds ``w`` for gradients that are divided by their lengths (``"l2"``), by their losses
    (``"loss"``) or by both (``"loss+"``); the ``w`` then applies to the gradients as they are.

    Désidéri, Multiple-gradient descent algorithm (MGDA) for multiobjective optimization, 2012; Sener & Koltun,
    Multi-Task Learning as Multi-Objective Optimization, 2018: https://arxiv.org/abs/1810.04650. With
    ``backward(..., over=features)`` it is the latter's upper bound, MGDA-UB.

    >>> rg.multitask.MGDA()(rg.tensor([[2., 0.], [0., 1.]]))
    tensor([0.4000, 0.8000])
    """

    reads_gradients = True
    _options = ("normalize",)

    def __init__(self, normalize: str = "none") -> None:
        self.normalize = _one_of("MGDA", "normalize", normalize, ("none", "l2", "loss", "loss+"))
        self.reads_losses = normalize in ("loss", "loss+")

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        cosines, lengths, _ = Cosines.of(gramian)
        if self.reads_losses and not (losses > 0).all():
            raise ValueError(f"MGDA: normalize={self.normalize!r} takes positive losses, got {losses.tolist()}")
        by = (lengths if self.normalize in ("l2", "loss+") else 1.0) * (losses if self.reads_losses else 1.0)
        normal = _plane(lengths / by)
        return minimise(cosines, np.zeros(count), normal) * normal


class CAGrad(Method):
    """Near the mean gradient, the direction that is best for the task that gains least: conflict-averse gradients.

    ``d`` maximises ``min_i g_i . d`` subject to ``|d - g_0| <= c |g_0|``, where ``g_0`` is the mean of the gradients.
    That is ``d = g_0 + c |g_0| / |g_w| g_w``, with ``g_w = sum_i w_i g_i`` and ``w`` in the simplex such that
    ``g_w . g_0 + c |g_0| |g_w|`` is least. ``c = 0`` gives the mean. For ``c < 1``, ``d`` is 0 only where ``g_0`` is;
    ``c >= 1`` stops at any Pareto-stationary point. The length of ``d`` grows with ``c``.

    Liu et al., Conflict-Averse Gradient Descent for Multi-task Learning, 2021: https://arxiv.org/abs/2110.14048

    >>> rg.multitask.CAGrad(c=0.5)(rg.tensor([[2., 0.], [0., 2.]]))
    tensor([1.5000, 1.5000])
    """

    reads_gradients = True
    _options = ("c",)

    def __init__(self, c: float = 0.5) -> None:
        if not 0 <= c < math.inf:
            raise ValueError(f"CAGrad: c must be 0 or a positive number, got {c}")
        self.c = c

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        cosines, lengths, _ = Cosines.of(gramian)
        normal = _plane(lengths)
        centre = 1 / (count * normal)
        radius = self.c * math.sqrt(max(float(centre @ cosines @ centre), 0.0))
        moved = trust_region(cosines, centre, radius, normal) if radius else 0.0
        return (centre + moved) * normal


class UPGrad(Method):
    """The mean of the gradients, each first brought to where it harms no task: unconflicting projection.

    ``d = 1/K sum_i P(g_i)``, where ``P`` projects onto the vectors whose product with no ``g_j`` is negative. So
    ``g_i . d >= 0`` for all ``i``, and what a task contributes grows in proportion to its gradient.
    ``P(g_i) = sum_j v_j g_j``, where ``v`` minimises ``v @ M @ v`` subject to ``v >= 0`` and ``v_i >= 1``.

    Quinton & Rey, Jacobian Descent for Multi-Objective Optimization, 2024: https://arxiv.org/abs/2406.16232

    >>> rg.multitask.UPGrad()(rg.tensor([[1., 0.], [-1., 1.]]))
    tensor([0.2500, 0.7500])
    """

    reads_gradients = True

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        cosines, lengths, _ = Cosines.of(gramian)
        ridged = cosines + 1e-14 * np.eye(count)  # or gradients that are opposite but for rounding get huge weights
        added = [n * minimise(ridged, -row) for n, row in zip(lengths, cosines)]
        return (1 + sum(added) / lengths) / count


class IMTLG(Method):
    """The combination of the gradients that goes equally far along each of them: impartial multi-task learning.

    ``d = sum_i w_i g_i`` with ``sum w = 1`` and ``d . g_i / |g_i|`` the same for all ``i``. Weights may be negative.
    However the tasks are scaled, the direction is the same, up to its sign. A zero gradient gets weight 0, and the
    others decide.

    Liu et al., Towards Impartial Multi-task Learning, ICLR 2021: https://openreview.net/forum?id=IMPnRXEWpvr

    >>> rg.multitask.IMTLG()(rg.tensor([[4., 0.], [0., 1.]]))
    tensor([0.8000, 0.8000])
    """

    reads_gradients = True

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        cosines, lengths, there = Cosines.of(gramian)
        if not there.any():
            return np.full(count, 1 / count)
        normal = np.where(there, _plane(lengths), 0)
        bordered = np.block([[cosines, -there[:, None].astype(float)], [normal, np.zeros(1)]])
        along = np.linalg.lstsq(bordered, np.append(np.zeros(count), 1.0), rcond=1e-12)[0][:-1]
        return along * normal


class NashMTL(Method):
    """The bargaining solution of Nash: the tasks agree on the direction with the greatest product of their gains.

    ``d = sum_i w_i g_i`` with ``w > 0`` and ``M w = 1 / w``: each task's gain ``g_i . d`` times its weight is 1.
    However the tasks are scaled, ``d`` is the same. Its length is ``sqrt(K)``, but close to 0 where no direction
    improves every task: let the learning rate decay. ``every=n`` finds ``w`` in every ``n``-th step only; the others
    are single passes. A zero gradient takes no part: the rest agree without it.

    Navon et al., Multi-Task Learning as a Bargaining Game, 2022: https://arxiv.org/abs/2202.01017

    >>> rg.multitask.NashMTL()(rg.tensor([[4., 0.], [0., 1.]]))
    tensor([1., 1.])
    """

    _options = ("every",)
    _state = ("steps", "weights")

    def __init__(self, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"NashMTL: every must be 1 or a greater number of steps, got {every}")
        self.every = every
        self._steps = 0
        self._weights: Any = None

    @property
    def reads_gradients(self) -> bool:  # type: ignore[override]
        """Does the coming step?"""
        return self._steps % self.every == 0

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        if self.reads_gradients:
            cosines, lengths, there = Cosines.of(gramian)
            self._weights = np.zeros(count)
            if there.any():
                self._weights[there] = balance(cosines[np.ix_(there, there)]) / lengths[there]
        self._check_goes_on(count)
        self._steps += 1
        return self._weights


def _one_of(method: str, name: str, value: Any, values: tuple[str, ...]) -> Any:
    if value not in values:
        raise ValueError(f"{method}: {name} must be one of {', '.join(map(repr, values))}; got {value!r}")
    return value


def _plane(lengths: Any) -> Any:
    """The normal of the plane of convex combinations, in coordinates along directions; its greatest part is 1."""
    return lengths.min() / lengths
