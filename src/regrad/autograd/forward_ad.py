"""Forward mode: dual tensors, which carry a tangent along with their value.

Inside a `dual_level`, ops whose inputs have tangents compute the result's tangent beside its value (see ``push`` in
`regrad.declare`). Levels nest: a tangent may itself have a tangent at an outer level. Start reading at `make_dual`.

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.autograd.forward_ad.html
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from regrad.declare import _tangents, _without
from regrad.graph.modes import MODE, mode
from regrad.graph.node import meta_of
from regrad.graph.value import Value, wrap

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]


class UnpackedDualTensor(NamedTuple):
    """The value and the tangent (None where there is none) of a dual tensor."""

    primal: Any
    tangent: Any


class dual_level:
    """The context in which dual tensors live; their tangents end with it.

    >>> import regrad.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(rg.tensor(3.), rg.tensor(1.))
    ...     fwAD.unpack_dual(x * x).tangent
    tensor(6.)
    """

    def __enter__(self) -> int:
        self._was = mode()
        MODE.set(self._was.but(dual=(*self._was.dual, _number())))
        return len(self._was.dual)

    def __exit__(self, *exc: object) -> None:
        MODE.set(self._was)


_number = itertools.count(
    1
).__next__  # no two levels have the same, so that a tangent does not outlive its own
_entered: list[dual_level] = []


def enter_dual_level() -> int:
    """Enter a level by hand; `exit_dual_level` must follow."""
    level = dual_level()
    _entered.append(level)
    return level.__enter__()


def exit_dual_level(*, level: int | None = None) -> None:
    """Leave the level entered last."""
    if not _entered or (level is not None and level != len(mode().dual) - 1):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created; enter_dual_level()"
            " comes first"
        )
    _entered.pop().__exit__()


def _level(level: int | None, what: str) -> int:
    levels = mode().dual
    if not levels:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to"
            " enter_dual_level() first."
        )
    if level is not None and not 0 <= level < len(levels):
        raise RuntimeError(f"{what}: there is no forward AD level {level}; {len(levels)} are entered")
    return levels[-1 if level is None else level]


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A view of ``tensor`` that carries ``tangent``, of the same shape and dtype."""
    at = _level(level, "make_dual")
    for what, t in (("primal", tensor), ("tangent", tangent)):
        if not isinstance(t, Value):
            raise TypeError(f"make_dual: {what} must be a Tensor, not {type(t).__name__}")
        if t.array.dtype.kind not in "fcV":
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {t.array.dtype}")
    if tensor.array.shape != tangent.array.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor,"
            f" this is not supported. Tensor is of size {list(tensor.array.shape)} while the given forward"
            f" gradient is of size {list(tangent.array.shape)}."
        )
    if at in _tangents(tensor):
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level is"
            " not supported; unpack it first, or enter a new level."
        )
    edge = tensor._edge() if hasattr(tensor, "_edge") else tensor.edge
    out = wrap(tensor.array, edge)
    meta_of(out).tangent = {**_tangents(tensor), at: tangent}
    return out


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """The value and the tangent of a dual tensor; the tangent is None outside the level that made it."""
    if not mode().dual and level is None:
        return UnpackedDualTensor(tensor, None)
    at = _level(level, "unpack_dual")
    tangent = _tangents(tensor).get(at)
    return UnpackedDualTensor(tensor if tangent is None else _without(tensor, at), tangent)


def function_with_tangents(cls: Any, args: tuple[Any, ...]) -> Any:
    """A custom function on duals: its forward on the values and its ``jvp`` on the tangents."""
    from regrad.autograd.function import _apply

    levels = {level for a in args for level in _tangents(a)}
    if not levels:
        return NotImplemented
    level = max(levels)
    bare = tuple(_without(a, level) if isinstance(a, Value) else a for a in args)
    moving = [_tangents(a).get(level) for a in args]
    inner = function_with_tangents(cls, bare)
    out, ctx = _apply(cls, bare) if inner is NotImplemented else (inner, None)
    if ctx is None:
        raise NotImplementedError(
            f"{cls.__name__}: a custom function inside nested forward-mode levels is not supported; use"
            " reverse mode for one of them"
        )
    given = [
        (
            t
            if t is not None
            or not isinstance(a, Value)
            or not ctx._materialize
            or a.array.dtype.kind not in "fc"
            else wrap(np.zeros_like(a.array))
        )
        for t, a in zip(moving, args, strict=True)
    ]
    pushed = cls.jvp(ctx, *given)
    outs = out if isinstance(out, tuple) else (out,)
    pushed = pushed if isinstance(pushed, tuple) else (pushed,)
    for o, t in zip(outs, pushed, strict=True):
        if t is not None:
            meta_of(o).tangent = {**_tangents(o), level: t}
    return out
