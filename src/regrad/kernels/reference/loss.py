"""Losses on arrays: picking the class of each target, and a step of connectionist temporal classification (CTC).

In the picking kernels dimension 1 holds the classes, ``target`` has the other dimensions, and a target outside of the
classes stands for one that is ignored. Start reading at `pick` and `place`, which are transposes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_targets", "class_weights", "ctc_labels", "ctc_step", "entropy_pull", "pick", "place", "slid"]

Array = NDArray[Any]


# Classes


def check_targets(target: Array, classes: int, ignore_index: int, name: str) -> Array | None:
    """Where a target is ignored (None: nowhere). Raises IndexError for one that is no class."""
    if not target.size or (target.min() >= 0 and target.max() < classes and not 0 <= ignore_index < classes):
        return None
    ignored = target == ignore_index
    wrong = ((target < 0) | (target >= classes)) & ~ignored
    if wrong.any():
        raise IndexError(f"{name}: Target {target[wrong][0]} is out of bounds; there are {classes} classes, "
                         f"numbered from 0")  # fmt: skip
    return ignored


def class_weights(target: Array, weight: Array | None, ignored: Array | None, dtype: Any) -> Array:
    """How much each target counts: 1, or the weight of its class; 0 where it is ignored."""
    if weight is None:
        return np.ones(target.shape, dtype) if ignored is None else (~ignored).astype(dtype)
    if ignored is None:
        return weight[target].astype(dtype, copy=False)
    return np.where(ignored, dtype.type(0), weight[np.where(ignored, 0, target)]).astype(dtype, copy=False)


def _places(target: Array, classes: int) -> tuple[Any, ...]:
    """The index that leads from an array with classes to the elements of the targets."""
    if target.size and (target.min() < 0 or target.max() >= classes):
        target = np.where((target < 0) | (target >= classes), 0, target)
    if target.ndim == 1:
        return np.arange(len(target)), target
    grid = np.ogrid[tuple(slice(n) for n in target.shape)]
    return (grid[0], target, *grid[1:])


def pick(x: Array, target: Array) -> Array:
    """The elements of ``x`` at the classes in ``target``."""
    return x[_places(target, x.shape[1])]


def place(s: Array, target: Array, *, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape`` with ``s`` at the classes in ``target``."""
    out = np.zeros(shape, s.dtype)
    out[_places(target, shape[1])] = s
    return out


def entropy_pull(s: Array, logp: Array, target: Array) -> Array:
    """``s`` times the softmax, less ``s`` at the target: what cross entropy pulls back through a log-softmax."""
    out = np.exp(logp)
    out *= np.expand_dims(s, 1)
    out[_places(target, logp.shape[1])] -= s
    return out


# CTC. The probability of all paths up to each label, from one time to the next; -inf is the logarithm of no path.


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
    """``emit + log(Σ exp)`` of the labels that lead here: the same, the one before, and where ``skip`` is 0 the next but one.

    Where ``going`` does not hold, the sequence has ended, and ``before`` stays.
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
