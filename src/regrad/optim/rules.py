"""How an update rule is run: in place on arrays, a block at a time; or on tensors, recorded.

A rule is a function ``rule(p, g, *kept)`` of one parameter, its gradient and what the optimizer keeps for it. It
changes ``p`` and ``kept`` by ``+=``, ``-=``, ``*=`` or ``x[...] =``, and is otherwise a formula in operators, ops and
Python numbers; all it is given has one shape, and it works element by element. So the same text serves both ways:

- `run` feeds it stretches of the arrays that fit the processor's cache. Its temporaries are then small and stay in the
  cache too, which is worth more than scratch memory as large as the parameter.
- `record` feeds it copies that carry their history, for ``differentiable=True``.

Rules see complex numbers as pairs of real ones, and half precision as float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from regrad.ops.complexes import view_as_real
from regrad.ops.core import memory_order

__all__ = ["Rule", "decayed", "move_towards", "record", "run", "untouched", "wide", "written"]

Rule = Callable[..., None]

BLOCK = 1 << 17  # bytes of one operand: six of them fit into the second-level cache of today's processors


def run(rule: Rule, p: Any, g: Any, kept: Sequence[Any], maximize: bool) -> None:
    """Apply ``rule`` in place to the arrays ``p`` and ``kept``."""
    changed = [p, *kept]
    straight = g.flags.c_contiguous and all(a.flags.c_contiguous for a in changed)
    # Else along the parameter's memory: what the optimizer keeps lies as the parameter does.
    order = None if straight else memory_order(p)
    lines, g = [_line(a, order) for a in changed], _line(g, order)
    length = BLOCK // max(g.itemsize, 4)
    for start in range(0, g.size, length):
        parts = [x[start : start + length] for x in lines]
        first, *rest = block = [wide(x) for x in parts]
        slope = wide(g[start : start + length])
        rule(first, -slope if maximize else slope, *rest)
        for part, x in zip(parts, block):
            written(part, x)
    if order is not None:
        for a, x in zip(changed, lines):
            if not np.may_share_memory(a, x):
                a.transpose(order)[...] = x.view(a.dtype).reshape([a.shape[k] for k in order])


def _line(array: Any, order: tuple[int, ...] | None) -> Any:
    """The elements one after the other, complex ones as pairs: a view if the memory allows it, else a copy."""
    line = (array if order is None else array.transpose(order)).reshape(-1)
    return np.ascontiguousarray(line).view(line.real.dtype) if line.dtype.kind == "c" else line


def record(rule: Rule, p: Any, g: Any, kept: Sequence[Any], maximize: bool) -> list[Any]:
    """Apply ``rule`` to the tensor ``p`` in place, with history; returns the new ``kept``, which have theirs."""
    new = [t.clone() for t in (p, *kept)]
    first, g, *rest = [view_as_real(t) if p.array.dtype.kind == "c" else t for t in (new[0], g, *new[1:])]
    rule(first, -g if maximize else g, *rest)
    p.copy_(new[0])
    return new[1:]


def decayed(g: Any, p: Any, decay: Any) -> Any:
    """The gradient ``g`` with that of ``decay / 2 * p**2``, the penalty called weight decay."""
    return g + decay * untouched(p) if decay else g


def untouched(x: Any) -> Any:
    """``x`` for an op that saves it, in a rule that writes to it afterwards: a copy, if it is a recorded tensor."""
    return x if type(x) is np.ndarray else x.clone()


def wide(array: Any) -> Any:
    """``array``, or its copy in float32 if it has half precision."""
    return array.astype(np.float32) if array.itemsize < 4 else array


def written(array: Any, x: Any) -> None:
    """Write ``x``, which came from `wide`, back to ``array``."""
    if x is not array:
        array[...] = x


def move_towards(x: Any, end: Any, weight: Any) -> None:
    """Move ``x`` in place to ``x + weight * (end - x)``; rounded as PyTorch's ``lerp_``, from the nearer end."""
    if weight < 0.5:
        x += (end - x) * weight
    else:
        x[...] = end - (end - x) * (1 - weight)
