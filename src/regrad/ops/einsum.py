"""Einstein summation: products and sums by the names of dimensions. Start reading at `einsum`.

An equation is read once (`_read`), the order in which to multiply is chosen once for each set of sizes
(`_path`), and each step is one `contract`, that is one batched matrix product. A label is a number: 0 to 51
for A to Z and a to z, as in PyTorch's lists of subscripts, and from 52 on for the dimensions that an ellipsis
stands for.
"""

from __future__ import annotations

import functools
import itertools
import math
import string
from typing import Any

from regrad.ops import reduction, shaping
from regrad.ops.matmul import contract, dtype_of, shape_of

__all__ = ["einsum"]

LETTERS = string.ascii_uppercase + string.ascii_lowercase
DOTS = len(LETTERS)  # the first label of an ellipsis

Labels = tuple[Any, ...]


def einsum(*args: Any) -> Any:
    """Sum of products over the dimensions whose names the result leaves away.

    ``einsum(equation, *operands)`` with an equation such as ``"bij,bjk->bik"``: a letter for each dimension,
    ``...`` for any number of them; without an arrow the result has the names that occur once, in alphabetical
    order. Or ``einsum(a, [0, 1], b, [1, 2], [0, 2])`` with numbers for names. Sizes of 1 broadcast. Raises
    RuntimeError for an equation that does not fit its operands. PyTorch:
    https://docs.pytorch.org/docs/stable/generated/torch.einsum.html

    >>> rg.einsum("ij,j->i", rg.tensor([[1., 2.], [3., 4.]]), rg.tensor([1., 1.]))
    tensor([3., 7.])
    """
    inputs, output, operands = _arguments(args)
    if len(inputs) != len(operands):
        fewer = "fewer" if len(operands) < len(inputs) else "more"
        raise RuntimeError(f"einsum(): {fewer} operands were provided than specified in the equation: "
                           f"{len(operands)} operands, {len(inputs)} groups of subscripts")
    if len({dtype_of(x) for x in operands}) > 1:
        names = [dtype_of(x).name for x in operands]
        raise RuntimeError(f"einsum(): expected scalar type {names[0]} but found "
                           f"{next(n for n in names if n != names[0])}; convert the operands to one dtype")
    named, result, sizes = _bind(inputs, output, tuple(shape_of(x) for x in operands))
    pairs = [_without_repeats(x, labels) for x, labels in zip(operands, named, strict=True)]
    if len(pairs) == 1:
        return _rearranged(*pairs[0], result)
    operands, groups = [x for x, _ in pairs], [labels for _, labels in pairs]
    for i, j, out in _path(tuple(groups), result, tuple(sorted(sizes.items()))):
        x, y, left, right = operands[i], operands[j], groups[i], groups[j]
        for k in (j, i):
            del operands[k], groups[k]
        operands.append(contract(x, y, left=left, right=right, into=out, shape=tuple(sizes[k] for k in out)))
        groups.append(out)
    return operands[0]


def _arguments(args: Labels) -> tuple[tuple[Labels, ...], Labels | None, list[Any]]:
    """(subscripts of each operand, those of the result or None, operands) from either form of the call."""
    if len(args) < 2:
        raise ValueError("einsum(): must specify the equation string and at least one operand, or at least "
                         "one operand and its subscripts list")
    if isinstance(args[0], str):
        operands = args[1] if len(args) == 2 and isinstance(args[1], (list, tuple)) else args[1:]
        return (*_read(args[0]), list(operands))
    lists = [tuple(DOTS if s is Ellipsis else _subscript(s) for s in some) for some in args[1::2]]
    output = None
    if len(args) % 2:
        output = tuple(DOTS if s is Ellipsis else _subscript(s) for s in args[-1])
    return tuple(lists), output, list(args[: 2 * len(lists) : 2])


def _subscript(s: Any) -> int:
    if not 0 <= s < DOTS:
        raise ValueError(f"einsum(): subscript {s} in subscript list is not within the valid range [0, "
                         f"{DOTS})")
    return int(s)


@functools.lru_cache(maxsize=256)
def _read(equation: str) -> tuple[tuple[Labels, ...], Labels | None]:
    """The subscripts of the operands and of the result (None: not given), an ellipsis being one label."""
    left, arrow, right = equation.partition("->")
    inputs = tuple(_group(part, f"operand {k}", equation) for k, part in enumerate(left.split(",")))
    return inputs, _group(right, "output", equation) if arrow else None


def _group(text: str, where: str, equation: str) -> Labels:
    labels: list[int] = []
    rest = text.replace(" ", "")
    while rest:
        if rest.startswith("..."):
            if DOTS in labels:
                raise RuntimeError(f"einsum(): found '.' for {where} for which an ellipsis was already "
                                   f"found, in {equation!r}")
            labels.append(DOTS)
            rest = rest[3:]
        elif rest[0] == ".":
            raise RuntimeError(f"einsum(): found '.' for {where} that is not part of any ellipsis, in "
                               f"{equation!r}")
        elif rest[0] in LETTERS:
            labels.append(LETTERS.index(rest[0]))
            rest = rest[1:]
        else:
            raise RuntimeError("einsum(): invalid subscript given at index "
                               f"{equation.index(rest[0], equation.find(text))} in the equation string, "
                               f"subscripts must be in [a-zA-Z]; got {rest[0]!r} in {equation!r}")
    return tuple(labels)


def _title(label: int) -> str:
    return LETTERS[label] if label < DOTS else "..."


def _bind(inputs: tuple[Labels, ...], output: Labels | None,
          shapes: tuple[Any, ...]) -> tuple[list[Labels], Labels, dict[int, int]]:
    """The label of every dimension, those of the result, and the size that each stands for."""
    for k, (labels, shape) in enumerate(zip(inputs, shapes, strict=True)):
        letters = len(labels) - (DOTS in labels)
        if letters > len(shape) or (letters < len(shape) and DOTS not in labels):
            without = "" if DOTS in labels else " and no ellipsis was given"
            raise RuntimeError(f"einsum(): the number of subscripts in the equation ({letters}) does not "
                               f"match the number of dimensions ({len(shape)}) for operand {k}{without}")
    widest = max((len(shape) - len(labels) + 1 for labels,
                  shape in zip(inputs, shapes, strict=True) if DOTS in labels), default=0)
    every = tuple(range(DOTS, DOTS + widest))
    named = []
    for labels, shape in zip(inputs, shapes, strict=True):
        dots = every[widest - (len(shape) - len(labels) + 1) :]
        named.append(_spelled(labels, dots))
    sizes: dict[int, int] = {}
    for k, (labels, shape) in enumerate(zip(named, shapes, strict=True)):
        seen: dict[int, int] = {}
        for label, n in zip(labels, shape, strict=True):
            if seen.setdefault(label, n) != n:
                raise RuntimeError(f"einsum(): subscript {_title(label)} is repeated for operand {k} but the "
                                   f"sizes don't match, {n} != {seen[label]}")
            if n != 1 and sizes.get(label, 1) not in (1, n):
                what = f"subscript {_title(label)}" if label < DOTS else "a dimension covered by ellipsis"
                raise RuntimeError(f"einsum(): {what} has size {n} for operand {k} which does not broadcast "
                                   f"with previously seen size {sizes[label]}")
            sizes[label] = n if n != 1 else sizes.get(label, 1)
    if output is None:
        flat = [label for labels in named for label in labels]
        return named, (*every, *sorted(k for k in sizes if k < DOTS and flat.count(k) == 1)), sizes
    result = _spelled(output, every)
    for label in result:
        if result.count(label) > 1:
            raise RuntimeError(f"einsum(): output subscript {_title(label)} appears more than once in the "
                               "output")
        if label not in sizes:
            raise RuntimeError(f"einsum(): output subscript {_title(label)} does not appear in the equation "
                               "for any input operand")
    return named, result, sizes


def _spelled(labels: Labels, dots: Labels) -> Labels:
    """``labels`` with the ellipsis written out."""
    if DOTS not in labels:
        return labels
    at = labels.index(DOTS)
    return labels[:at] + dots + labels[at + 1 :]


def _without_repeats(x: Any, labels: Labels) -> tuple[Any, Labels]:
    """``x`` with its diagonal taken wherever a label occurs twice."""
    while len(set(labels)) < len(labels):
        label = next(k for k in labels if labels.count(k) > 1)
        first = labels.index(label)
        second = labels.index(label, first + 1)
        x = shaping.diagonal(x, 0, first, second)  # which puts the new dimension last
        labels = (*(k for i, k in enumerate(labels) if i not in (first, second)), label)
    return x, labels


def _rearranged(x: Any, labels: Labels, result: Labels) -> Any:
    """The einsum of one operand: a sum and a permutation."""
    gone = [i for i, k in enumerate(labels) if k not in result]
    if gone:
        x = reduction.total(x, dim=tuple(gone))
    left = [k for k in labels if k in result]
    return shaping.permute(x, [left.index(k) for k in result])


@functools.lru_cache(maxsize=256)
def _path(groups: tuple[Labels, ...], result: Labels,
          sizes: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int, Labels], ...]:
    """The steps (i, j, labels of their product): each time the pair that takes the fewest multiplications."""
    size, left, steps = dict(sizes), list(groups), []
    while len(left) > 1:
        pairs = itertools.combinations(range(len(left)), 2)
        _, i, j = min((math.prod(size[k] for k in {*left[i], *left[j]}), i, j) for i, j in pairs)
        others = {k for n, labels in enumerate(left) if n not in (i, j) for k in labels} | set(result)
        both = dict.fromkeys((*left[i], *left[j]))
        out = result if len(left) == 2 else tuple(k for k in both if k in others)
        steps.append((i, j, out))
        left = [labels for n, labels in enumerate(left) if n not in (i, j)] + [out]
    return tuple(steps)
