"""Batching rules: how ops that are not element by element take a batch dimension in front.

Most need no more than their dimension numbers moved up by one: `SHIFTED` lists them with the parameters concerned.
The others have a function each. Start reading at `SHIFTED`.
"""

from __future__ import annotations

from typing import Any

from regrad.autograd.batching import RULES, _caller, _with_batch, batch_rule
from regrad.graph.value import Value

__all__ = ["SHIFTED"]

# op: the parameters that are dimension numbers (an int, several, or None for all)
SHIFTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("sum", "mean", "prod", "amax", "amin", "any", "all", "var", "std", "logsumexp", "nansum", "count_nonzero", "max", "min",
                     "linalg_vector_norm"), ("dim",)),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "softmax", "log_softmax", "glu", "recurrence", "shift"), ("dim",)),
    **dict.fromkeys(("flip", "roll", "squeeze", "unsqueeze", "rot90"), ("dims",)),
    **dict.fromkeys(("select", "slice", "unbind", "split", "unsafe_split", "cat", "stack", "unfold", "cross", "share"), ("dim",)),
    "transpose": ("dim0", "dim1"),
    "diagonal": ("dim1", "dim2"),
    **dict.fromkeys(("tril", "triu", "real", "imag", "view_as_real", "view_as_complex", "to_complex"), ()),
}  # fmt: skip


def _up(dims: Any, ndim: int) -> Any:
    """Dimension numbers of a sample of ``ndim`` dimensions as those of the batch."""
    if dims is None:
        return tuple(range(1, ndim + 1))
    if isinstance(dims, (tuple, list)):
        return tuple(d + 1 if d >= 0 else d for d in dims)
    return dims + 1 if dims >= 0 else dims


def _shifted(name: str) -> Any:
    def rule(size: int, values: Any, flags: Any, params: Any) -> Any:
        values = [_with_batch(size, v, f) for v, f in zip(values, flags, strict=True)]
        ndims = {v.array.ndim - 1 for v in values if isinstance(v, Value)}
        ndim = max(ndims)
        if len(ndims) > 1 or (ndim == 0 and SHIFTED[name] and name not in ("unsqueeze", "stack")):
            return NotImplemented
        given = dict(params)
        for p in SHIFTED[name]:
            if given[p] is None and name in ("max", "min", "argmax", "argmin", "share"):
                return NotImplemented  # they look at all elements as one row
            given[p] = _up(given[p], ndim)
        return _caller(name)(*values, **given)

    return rule


for _name in SHIFTED:
    RULES[_name] = _shifted(_name)


@batch_rule("permute")
def _permute(size: int, values: Any, flags: Any, params: Any) -> Any:
    return _caller("permute")(values[0], dims=(0, *_up(tuple(params["dims"]), values[0].array.ndim - 1)))


@batch_rule("t")
def _t(size: int, values: Any, flags: Any, params: Any) -> Any:
    return values[0].transpose(1, 2) if values[0].array.ndim == 3 else values[0]


@batch_rule("view", "unsafe_view")
def _view(size: int, values: Any, flags: Any, params: Any) -> Any:
    return values[0].reshape(size, *params["shape"])


@batch_rule("clone")
def _clone(size: int, values: Any, flags: Any, params: Any) -> Any:
    return values[0].clone()


@batch_rule("repeat")
def _repeat(size: int, values: Any, flags: Any, params: Any) -> Any:
    x, repeats = values[0], tuple(params["repeats"])
    extra = len(repeats) - (x.array.ndim - 1)
    return x.reshape(size, *[1] * extra, *x.array.shape[1:]).repeat(1, *repeats)


@batch_rule("spread")
def _spread(size: int, values: Any, flags: Any, params: Any) -> Any:
    shape = tuple(params["shape"])
    return _caller("spread")(values[0], shape=(size, *shape), dim=_up(params["dim"], len(shape)))


@batch_rule("matmul")
def _matmul(size: int, values: Any, flags: Any, params: Any) -> Any:
    ndims = [v.array.ndim - f for v, f in zip(values, flags, strict=True)]
    if min(ndims) < 2:
        return NotImplemented
    ndim = max(ndims)
    return _caller("matmul")(*[v.reshape(v.array.shape[0], *[1] * (ndim - n), *v.array.shape[1:]) if f else v
                               for v, f, n in zip(values, flags, ndims, strict=True)])  # fmt: skip


@batch_rule("linear_no_bias", "linear")
def _linear(size: int, values: Any, flags: Any, params: Any) -> Any:
    x, w = values[0], values[1]
    bias = values[2] if len(values) > 2 else None
    if not flags[1] and x.array.ndim > 1:
        out = _caller("linear_no_bias")(x, w)
    else:
        x = _with_batch(size, x, flags[0])
        flat = x.reshape(size, -1, x.array.shape[-1])
        out = _caller("matmul")(flat, _with_batch(size, w, flags[1]).transpose(1, 2)).reshape(*x.array.shape[:-1], w.array.shape[-2])
    if bias is None:
        return out
    return out + (bias.reshape(size, *[1] * (out.array.ndim - 2), bias.array.shape[-1]) if flags[2] else bias)


@batch_rule("outer_product")
def _outer(size: int, values: Any, flags: Any, params: Any) -> Any:
    a, b = (_with_batch(size, v, f) for v, f in zip(values, flags, strict=True))
    return a.unsqueeze(2) * b.unsqueeze(1)


@batch_rule("gather")
def _gather(size: int, values: Any, flags: Any, params: Any) -> Any:
    x, k = (_with_batch(size, v, f) for v, f in zip(values, flags, strict=True))
    if x.array.ndim == 1:
        return NotImplemented
    return _caller("gather")(x, k, dim=_up(params["dim"], x.array.ndim - 1))


@batch_rule("copy")
def _copy(size: int, values: Any, flags: Any, params: Any) -> Any:
    x, src = values
    x = _with_batch(size, x, flags[0])
    if flags[1] and src.array.ndim < x.array.ndim:
        src = src.reshape(size, *[1] * (x.array.ndim - src.array.ndim), *src.array.shape[1:])
    return _caller("copy")(x, src)
