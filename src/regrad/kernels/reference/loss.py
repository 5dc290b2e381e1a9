"""Losses on arrays: picking the class of each target, and a step of CTC through time.

In the picking kernels dimension 1 holds the classes, ``target`` has the other dimensions, and a target
outside of the classes stands for one that is ignored. Start reading at `pick` and `place`, which are
transposes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regrad.kernels.reference.indexing import outside

__all__ = ["check_targets", "ctc_labels", "ctc_step", "entropy_pull", "nll", "pick", "place", "slid"]

Array = NDArray[Any]


# Classes


def check_targets(
    target: Array, classes: int, ignore_index: int, name: str, error: type[Exception] = IndexError
) -> Array | None:
    """Where a target is ignored (None: nowhere). Raises ``error`` for one that is no class."""
    if not 0 <= ignore_index < classes and not outside(target, classes):
        return None
    ignored: Array = target == ignore_index
    wrong = ((target < 0) | (target >= classes)) & ~ignored
    if wrong.any():
        worst = target[wrong][0]
        advice = (f"a label to be left out takes ignore_index={worst}" if worst < 0
                  else "subtract 1 from labels that start at 1" if worst == classes and target.min() > 0
                  else f"give the model an output of {target.max() + 1} classes, or look at the labels")
        what = f"Target {worst} is out of bounds" if error is IndexError else f"target out of range, {worst}"
        raise error(f"{name}: {what}; there are {classes} classes, numbered from 0 to {classes - 1}: {advice}")
    return ignored


def nll(
    logp: Array, target: Array, weight: Array | None, *, how: str, ignore_index: int, name: str
) -> tuple[Array, Array]:
    """Minus the logarithm at each target, reduced; and how much each target counts in that.

    A target counts 1 or the weight of its class, nothing where it is ignored, and as a share of all for a
    mean.
    """
    ignored = check_targets(target, logp.shape[1], ignore_index, name)
    dtype, loss = logp.dtype, -pick(logp, target)
    if weight is None and ignored is None:
        if how == "none":
            return loss, np.ones(target.shape, dtype)
        total, size = np.asarray(loss.sum(), dtype), target.size
        if how == "sum":
            return total, np.ones(target.shape, dtype)
        return np.asarray(total / dtype.type(size)), np.full(target.shape, 1 / max(size, 1), dtype)
    labels = target if ignored is None else np.where(ignored, 0, target)
    counts = np.ones(target.shape, dtype) if weight is None else weight[labels].astype(dtype, copy=False)
    if ignored is not None:
        counts[ignored] = loss[ignored] = 0
    loss = loss * counts
    if how == "none":
        return loss, counts
    total = np.asarray(loss.sum(), dtype)
    if how == "sum":
        return total, counts
    of_all = counts.sum()
    counts = counts / of_all
    if ignored is not None:
        counts[ignored] = 0  # also if all are, and the mean is nan
    return np.asarray(total / of_all, dtype), counts


def _places(target: Array, classes: int) -> tuple[Any, ...]:
    """The index that leads from an array with classes to the elements of the targets."""
    if outside(target, classes):
        target = np.where((target < 0) | (target >= classes), 0, target)
    if target.ndim == 1:
        return np.arange(len(target)), target
    grid = np.ogrid[tuple(slice(n) for n in target.shape)]
    return (grid[0], target, *grid[1:])


def pick(x: Array, target: Array) -> Array:
    """The elements of ``x`` at the classes in ``target``."""
    out: Array = x[_places(target, x.shape[1])]
    return out


def place(s: Array, target: Array, *, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape`` with ``s`` at the classes in ``target``."""
    out = np.zeros(shape, s.dtype)
    out[_places(target, shape[1])] = s
    return out


def entropy_pull(s: Array, logp: Array, target: Array) -> Array:
    """``s`` times the softmax, less ``s`` at the target: the pull of cross entropy through a log-softmax."""
    out = np.exp(logp)
    out *= np.expand_dims(s, 1)
    out[_places(target, logp.shape[1])] -= s
    return out


# CTC: the probability of all paths up to each label, from one time to the next. -inf stands for no path.


def slid(x: Array, *, by: int, fill: float) -> Array:
    """``x`` moved ``by`` places along its last dimension, ``fill`` moving in."""
    out = np.full_like(x, fill)
    if abs(by) < x.shape[-1]:
        if by > 0:
            out[..., by:] = x[..., :-by]
        else:
            out[..., :by] = x[..., -by:]
    return out


def ctc_step(before: Array, emit: Array, skip: Array, going: Array) -> Array:
    """``emit + log(Σ exp)`` of the labels that lead to each: itself, the one before, and perhaps one further back.

    ``skip`` is 0 where that is allowed, else -inf. Where ``going`` does not hold, the sequence has ended, and
    ``before`` stays.
    """
    one, two = slid(before, by=1, fill=-np.inf), slid(before, by=2, fill=-np.inf)
    two += skip
    top = np.maximum(np.maximum(before, one), two)
    top[np.isneginf(top)] = 0
    out = np.exp(before - top)
    out += np.exp(one - top)
    out += np.exp(two - top)
    np.log(out, out=out)
    out += top
    out += emit
    return np.where(going, out, before)


def ctc_labels(targets: Array, lengths: Array, blank: int, dtype: Any) -> tuple[Array, Array]:
    """The labels with blanks between them, and 0 or -inf: may the blank before a label be skipped?"""
    count, longest = targets.shape
    labels = np.full((count, 2 * longest + 1), blank, np.int64)
    labels[:, 1::2] = np.where(np.arange(longest) < lengths[:, None], targets, blank)
    skip = np.full(labels.shape, -np.inf, dtype)
    skip[:, 2:][(labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])] = 0
    return labels, skip
