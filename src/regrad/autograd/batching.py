"""Batching: running a function written for one sample on a whole batch at once (`vmap`).

Inside a `Level`, a `Batched` tensor stands for one sample; its ``value`` holds them all, the batch in front. Every op
on a batched tensor is taken over by `Level.dispatch`, which runs the op on the values: element by element ops on
aligned dimensions, ops with a rule in `RULES` by that rule, every other op once per sample, with a `LoopWarning` that
names it. Everything else (the graph, tangents, writes) happens to the values, so that differentiation and batching
nest either way round. Start reading at `Level.dispatch`.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad.errors import LoopWarning
from regrad.graph.modes import MODE, mode
from regrad.graph.value import Value
from regrad.tensor import Tensor

__all__ = ["RULES", "Batched", "Level", "batch_rule"]


class _Form(np.ndarray[Any, Any]):
    """Shape and dtype of a sample. Its elements are in the batch: to read them here is refused, not answered."""

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in _OF_FORM:
            _refuse_reading(self, function.__name__)
        return function(*[a.view(np.ndarray) if isinstance(a, _Form) else a for a in args], **kwargs)


_OF_FORM = {np.zeros_like, np.ones_like, np.empty_like, np.shape, np.ndim, np.size}


def _refuse_reading(form: Any, *args: Any, **kwargs: Any) -> Any:
    raise RuntimeError(
        "vmap: this function looks at the elements of its arguments, which differ from sample to sample; it"
        " is not available inside vmap: call it outside, or once for each sample"
    )


for _name in (
    "__array_ufunc__",
    "__getitem__",
    "__iter__",
    "all",
    "any",
    "argmax",
    "argsort",
    "astype",
    "copy",
    "cumsum",
    "item",
    "mean",
    "nonzero",
    "prod",
    "sum",
    "tobytes",
    "tolist",
):
    setattr(_Form, _name, _refuse_reading)


class Level:
    """One `vmap` that is under way: its batch size, the level around it, and whether it keeps quiet about loops."""

    def __init__(self, size: int, outer: Level | None, randomness: str, quiet: bool = False) -> None:
        self.size, self.outer, self.randomness, self.quiet = size, outer, randomness, quiet
        self.depth: int = 1 if outer is None else outer.depth + 1

    def wrap(self, value: Any) -> Batched:
        """The batched tensor whose samples are ``value[0], value[1], ...``."""
        out = object.__new__(Batched)
        shape, dtype = value.array.shape[1:], value.array.dtype
        poison = np.array(np.nan if dtype.kind in "fc" else 0, dtype)
        out.array = np.broadcast_to(poison, shape).view(_Form)
        out.value, out.level = value, self
        out._view = out._grad = out.meta = out.edge = None
        return out

    def dispatch(self, op: Any, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Run ``op`` on the values of the innermost level among its arguments."""
        found = [a.level for a in args if isinstance(a, Batched)]
        if not found:
            return NotImplemented
        level = max(found, key=lambda x: x.depth)
        flags = tuple(isinstance(a, Batched) and a.level is level for a in args)
        values = tuple(a.value if f else a for a, f in zip(args, flags, strict=True))
        token = MODE.set(mode().but(batch=level.outer))
        try:
            out = _run(level, op, values, flags, params)
        finally:
            MODE.reset(token)
        if isinstance(out, (tuple, list)):
            return tuple(level.wrap(o) for o in out)
        return level.wrap(out)

    def draw(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A random function inside `vmap`: once for all samples, or for each of them, as ``randomness`` says."""
        if self.randomness == "error":
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the 'same'"
                " or 'different' randomness flags on vmap or perform the randomness operation out of vmap"
            )
        own = [isinstance(a, Batched) and a.level is self for a in args]
        from regrad.ops import random

        source = kwargs.get("generator") or random.default_generator
        outs = []
        token = MODE.set(mode().but(batch=self.outer))
        try:
            if self.randomness == "same" and not any(own):
                return fn(*args, **kwargs)
            start = source.get_state()
            for k in range(self.size):
                if self.randomness == "same":
                    source.set_state(start)
                outs.append(
                    fn(
                        *[a.value.select(0, k) if mine else a for a, mine in zip(args, own, strict=True)],
                        **kwargs,
                    )
                )
            if isinstance(outs[0], tuple):
                return tuple(self.wrap(_stack(list(column))) for column in zip(*outs, strict=True))
            return self.wrap(_stack(outs))
        finally:
            MODE.reset(token)

    def dispatch_function(self, cls: Any, args: tuple[Any, ...]) -> Any:
        """A custom function on batched tensors: its own ``vmap`` rule, or its forward run on batched tensors."""
        found = [a.level for a in args if isinstance(a, Batched)]
        if not found:
            return NotImplemented
        from regrad.autograd.function import Function

        level = max(found, key=lambda x: x.depth)
        in_dims = tuple(0 if isinstance(a, Batched) and a.level is level else None for a in args)
        values = tuple(a.value if d == 0 else a for a, d in zip(args, in_dims, strict=True))
        if cls.vmap is Function.vmap and not cls.generate_vmap_rule:
            cls.vmap(None, in_dims)  # raises, naming what to write
        token = MODE.set(mode().but(batch=level.outer))
        try:
            if cls.generate_vmap_rule:
                outs = [
                    cls.apply(
                        *[v.select(0, k) if d == 0 else v for v, d in zip(values, in_dims, strict=True)]
                    )
                    for k in range(level.size)
                ]
                several = isinstance(outs[0], tuple)
                columns = list(zip(*outs, strict=True)) if several else [outs]
                out: Any = tuple(_stack(list(c)) for c in columns)
                dims: Any = (0,) * len(out)
                out, dims = (out, dims) if several else (out[0], 0)
            else:
                info = type("VmapInfo", (), {"batch_size": level.size, "randomness": level.randomness})()
                out, dims = cls.vmap(info, in_dims, *values)
        finally:
            MODE.reset(token)
        if isinstance(out, tuple):
            dims = dims if isinstance(dims, tuple) else (dims,) * len(out)
            return tuple(
                o if d is None else level.wrap(o.movedim(d, 0)) for o, d in zip(out, dims, strict=True)
            )
        return out if dims is None else level.wrap(out.movedim(dims, 0))


def _data_dependent(what: str) -> Callable[..., Any]:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"vmap: It looks like you're {what}. A batched tensor has no single value; use rg.where for"
            " choices, or a loop instead of vmap."
        )

    return refuse


_CHOICE = "attempting to use a Tensor in some data-dependent control flow"


class Batched(Tensor):
    """One sample of a batch, inside `vmap`."""

    __slots__ = ("level", "value")
    level: Level
    value: Any

    def _edge(self) -> Any:
        return self.value._edge()

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Ask for the gradient, of every sample."""
        self.value.requires_grad_(requires_grad)
        return self

    def detach(self) -> Any:
        """The samples without their history."""
        return self.level.wrap(self.value.detach())

    def adopt(self, result: Any) -> Any:
        """Take over the outcome of an in-place op."""
        refuse_batched(self.level, result)
        if not isinstance(result, Batched) or result.level is not self.level:
            result = self.level.wrap(result.expand(self.level.size, *result.shape))
        if result.array.shape != self.array.shape:
            raise RuntimeError(
                f"output with shape {list(self.array.shape)} doesn't match the broadcast shape"
                f" {list(result.array.shape)}"
            )
        self.value.copy_(result.value)
        return self

    item = _data_dependent("calling .item() on a Tensor")
    tolist = _data_dependent("calling .tolist() on a Tensor")
    numpy = _data_dependent("calling .numpy() on a Tensor")
    __bool__ = _data_dependent(_CHOICE)
    __int__ = _data_dependent(_CHOICE)
    __float__ = _data_dependent(_CHOICE)
    __index__ = _data_dependent(_CHOICE)

    def __repr__(self, *, tensor_contents: str | None = None) -> str:  # type: ignore[override]
        return f"BatchedTensor(lvl={self.level.depth}, bdim=0, value={self.value!r})"


def refuse_batched(level: Level | None, source: Any) -> None:
    """Refuse to write what differs between samples of a `vmap` deeper than ``level`` into what is batched no deeper."""
    if isinstance(source, Batched) and (level is None or source.level.depth > level.depth):
        raise RuntimeError(
            "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor"
            " `other` in extra_args that has more elements than `self`. This happened due to `other` being"
            " vmapped over but `self` not being vmapped over in a vmap. Please try to use out-of-place"
            " operators instead of inplace arithmetic."
        )


def _stack(values: list[Any]) -> Any:
    from regrad.ops.joining import stack

    return stack(values)


def _run(
    level: Level, op: Any, values: tuple[Any, ...], flags: tuple[bool, ...], params: dict[str, Any]
) -> Any:
    if op.kind == "elementwise":
        return op.caller(*_aligned(values, flags), **params)
    rule = RULES.get(op.name)
    if rule is not None:
        out = rule(level.size, values, flags, params)
        if out is not NotImplemented:
            return out
    return _loop(level, op, values, flags, params)


def _aligned(values: tuple[Any, ...], flags: tuple[bool, ...]) -> list[Any]:
    """Batched values with dimensions of size 1 after the batch, so that all broadcast as their samples do."""
    ndim = max(
        (v.array.ndim - f for v, f in zip(values, flags, strict=True) if isinstance(v, Value)), default=0
    )
    out = []
    for v, f in zip(values, flags, strict=True):
        if f and v.array.ndim - 1 < ndim:
            s = v.array.shape
            v = v.reshape(s[0], *[1] * (ndim - len(s) + 1), *s[1:])
        out.append(v)
    return out


def _loop(
    level: Level, op: Any, values: tuple[Any, ...], flags: tuple[bool, ...], params: dict[str, Any]
) -> Any:
    """The op once per sample; says so once."""
    if op.name not in _told and not level.quiet:
        _told.add(op.name)
        warnings.warn(
            f"vmap: {op.name!r} has no batching rule here and runs once per sample", LoopWarning, stacklevel=6
        )
    pairs = list(zip(values, flags, strict=True))
    outs = [op.caller(*[v.select(0, k) if f else v for v, f in pairs], **params) for k in range(level.size)]
    if isinstance(outs[0], (tuple, list)):
        return tuple(_stack(list(column)) for column in zip(*outs, strict=True))
    return _stack(outs)


_told: set[str] = set()
Rule = Callable[[int, tuple[Any, ...], tuple[bool, ...], dict[str, Any]], Any]
RULES: dict[str, Rule] = {}


def batch_rule(*names: str) -> Callable[[Any], Any]:
    """Register a batching rule: ``rule(size, values, flags, params)`` gives the result with the batch in front.

    ``flags`` says which values have the batch in front; a rule may return NotImplemented to leave the case to the loop.
    A rule of several ops may take ``name`` too, by keyword.
    """

    def register(rule: Any) -> Any:
        code = rule.__code__
        knows = "name" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        for name in names:
            RULES[name] = functools.partial(rule, name=name) if knows else rule
        return rule

    return register


def _caller(name: str) -> Any:
    from regrad.declare import OPS

    return OPS[name].caller


def is_tensor(v: Any) -> bool:
    """Is an argument of an op a tensor (and no number, and not left out)?"""
    return isinstance(v, Value)


def _with_batch(size: int, value: Any, flag: bool) -> Any:
    """A value with the batch in front, expanded if it has none."""
    return value if flag or not is_tensor(value) else value.expand(size, *value.array.shape)


# -- rules of the ops that the engine itself stands on


@batch_rule("cast")
def _same_params(size: int, values: Any, flags: Any, params: Any) -> Any:
    from regrad.ops.core import cast_op

    return cast_op(values[0], **params)


@batch_rule("expand")
def _expand(size: int, values: Any, flags: Any, params: Any) -> Any:
    x, target = values[0], tuple(params["shape"])
    s = x.array.shape
    x = x.reshape(s[0], *[1] * (len(target) - len(s) + 1), *s[1:])
    return _caller("expand")(x, shape=(size, *target))


@batch_rule("sum_to")
def _sum_to(size: int, values: Any, flags: Any, params: Any) -> Any:
    x, target = values[0], tuple(params["shape"])
    extra = x.array.ndim - 1 - len(target)
    kept = _caller("sum_to")(x, shape=(size, *[1] * extra, *target))
    return kept.reshape(size, *target)
