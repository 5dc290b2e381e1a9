"""Batching rules: how ops that are not element by element take a batch dimension in front.

Most need no more than their dimension numbers moved up by one (`SHIFTED`), or nothing at all, because they work on the
last dimensions (`TRAILING`). The others have a function each; ops whose batch becomes part of another dimension are in
`batch_folds`. Start reading at `SHIFTED`.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from regrad.autograd.batching import RULES, _aligned, _caller, _with_batch, batch_rule, is_tensor
from regrad.declare import OPS
from regrad.graph.value import wrap

__all__ = ["SHIFTED", "TRAILING"]

# op: the parameters that are dimension numbers (an int, several, or None for all)
SHIFTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "sum",
            "mean",
            "prod",
            "amax",
            "amin",
            "any",
            "all",
            "var",
            "std",
            "logsumexp",
            "nansum",
            "count_nonzero",
            "max",
            "min",
            "linalg_vector_norm",
        ),
        ("dim",),
    ),
    **dict.fromkeys(
        (
            "cumsum",
            "cumprod",
            "cummax",
            "cummin",
            "logcumsumexp",
            "softmax",
            "log_softmax",
            "glu",
            "recurrence",
            "shift",
        ),
        ("dim",),
    ),
    **dict.fromkeys(
        ("sort", "argsort", "topk", "kthvalue", "median_along", "nanmedian_along", "mode"), ("dim",)
    ),
    **dict.fromkeys(("flip", "squeeze", "unsqueeze", "rot90"), ("dims",)),
    **dict.fromkeys(
        (
            "select",
            "slice",
            "unbind",
            "split",
            "unsafe_split",
            "cat",
            "stack",
            "unfold",
            "cross",
            "share",
            "pick",
        ),
        ("dim",),
    ),
    **dict.fromkeys(("gather", "scatter", "scatter_add", "scatter_prod", "scatter_extreme"), ("dim",)),
    **dict.fromkeys(("fft_c2c", "fft_r2c", "fft_c2r", "resized", "scaled_pairs"), ("dim",)),
    "transpose": ("dim0", "dim1"),
    "diagonal": ("dim1", "dim2"),
    **dict.fromkeys(
        ("real", "imag", "view_as_real", "view_as_complex", "to_complex", "clone", "raised", "frexp"), ()
    ),
}

# op: how many of its last dimensions it works on; those before them broadcast, so that a batch is one more of these
TRAILING: dict[str, int] = {
    **dict.fromkeys(
        (
            "tril",
            "triu",
            "identity_like",
            "linalg_cholesky_ex",
            "linalg_det",
            "linalg_eig",
            "linalg_eigh",
            "linalg_eigvals",
            "linalg_eigvalsh",
            "linalg_inv_ex",
            "linalg_ldl_factor_ex",
            "linalg_lu_factor_ex",
            "linalg_matrix_exp",
            "linalg_pinv",
            "linalg_qr",
            "linalg_slogdet",
            "linalg_svd",
            "linalg_svdvals",
            "geqrf",
        ),
        2,
    ),
    **dict.fromkeys(
        (
            "cholesky_solve",
            "linalg_solve_ex",
            "linalg_solve_triangular",
            "linalg_lstsq",
            "cdist",
            "scaled_dot_product_attention",
        ),
        2,
    ),
    "permutation_of": 1,
    **dict.fromkeys(("between", "dropout", "outside"), 0),
}

_OF_ROWS = ("max", "min", "mode", "sort", "argsort")  # with dim=None they look at all elements as one row


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
        ndims = {v.array.ndim - 1 for v in values if is_tensor(v)}
        ndim = max(ndims)
        if len(ndims) > 1 and name not in ("pick", "share"):
            return NotImplemented
        if ndim == 0 and SHIFTED[name] and name not in ("unsqueeze", "stack"):
            if OPS[name].viewing or name == "pick":
                return NotImplemented
            rows = [v.unsqueeze(1) if is_tensor(v) else v for v in values]  # numbers as rows of one
            out = rule(size, rows, flags, params)
            return (
                tuple(o.reshape(size) for o in out)
                if isinstance(out, tuple)
                else out if out is NotImplemented else out.reshape(size)
            )
        given = dict(params)
        for p in SHIFTED[name]:
            if given[p] is None and name in _OF_ROWS:
                return NotImplemented
            given[p] = _up(given[p], ndim)
        return _caller(name)(*values, **given)

    return rule


def _trailing(name: str, keep: int) -> Any:
    def rule(size: int, values: Any, flags: Any, params: Any) -> Any:
        if keep and any(
            is_tensor(v) and v.array.ndim - f < keep for v, f in zip(values, flags, strict=True)
        ):
            return NotImplemented
        if OPS[name].visible > 1:  # some results may depend on one argument alone
            if len({v.array.ndim - f for v, f in zip(values, flags, strict=True)}) > 1:
                return NotImplemented
            values, flags = [_with_batch(size, v, f) for v, f in zip(values, flags, strict=True)], [
                True
            ] * len(values)
        out = _caller(name)(*_aligned(values, flags), **params)
        if isinstance(out, tuple) and any(o.array.shape[:1] != (size,) for o in out):
            return NotImplemented  # an empty result, which knows no batch
        return out if name != "identity_like" else out.expand(size, *out.array.shape)

    return rule


for _name in SHIFTED:
    RULES[_name] = _shifted(_name)
for _name, _keep in TRAILING.items():
    RULES[_name] = _trailing(_name, _keep)


# -- views and shapes: a view must stay one, or writes through it would be lost


@batch_rule("permute")
def _permute(size: int, values: Any, flags: Any, params: Any) -> Any:
    return _caller("permute")(values[0], dims=(0, *_up(tuple(params["dims"]), values[0].array.ndim - 1)))


@batch_rule("t")
def _t(size: int, values: Any, flags: Any, params: Any) -> Any:
    return values[0].transpose(1, 2) if values[0].array.ndim == 3 else values[0]


@batch_rule("view", "unsafe_view")
def _view(size: int, values: Any, flags: Any, params: Any) -> Any:
    return values[0].reshape(size, *params["shape"])


def _indexing(name: str) -> Any:
    def rule(size: int, values: Any, flags: Any, params: Any) -> Any:
        given = {**params, "index": (slice(None), *params["index"])}
        if "shape" in given:
            given["shape"] = (size, *given["shape"])
        return _caller(name)(values[0], **given)

    return rule


for _name in ("index_view", "item_view", "new_view", "whole_view", "index_view_grad"):
    RULES[_name] = _indexing(_name)


@batch_rule("repeat")
def _repeat(size: int, values: Any, flags: Any, params: Any) -> Any:
    x, repeats = values[0], tuple(params["repeats"])
    extra = len(repeats) - (x.array.ndim - 1)
    return x.reshape(size, *[1] * extra, *x.array.shape[1:]).repeat(1, *repeats)


@batch_rule("spread", "embed", "unfold_backward", "gather_grad", "place")
def _into_shape(size: int, values: Any, flags: Any, params: Any, *, name: str) -> Any:
    """Ops that put elements into zeros of a given shape, along a dimension."""
    shape = tuple(params["shape"])
    if not shape:
        return NotImplemented
    values = [_with_batch(size, v, f) for v, f in zip(values, flags, strict=True)]
    return _caller(name)(
        *values, **{**params, "shape": (size, *shape), "dim": _up(params["dim"], len(shape))}
    )


@batch_rule("diag_embed")
def _diag_embed(size: int, values: Any, flags: Any, params: Any) -> Any:
    shape = tuple(params["shape"])
    dims = {k: _up(params[k], len(shape)) for k in ("dim1", "dim2")}
    return _caller("diag_embed")(values[0], **{**params, **dims, "shape": (size, *shape)})


@batch_rule("copy")
def _copy(size: int, values: Any, flags: Any, params: Any) -> Any:
    x, src = values
    x = _with_batch(size, x, flags[0])
    if flags[1] and src.array.ndim < x.array.ndim:
        src = src.reshape(size, *[1] * (x.array.ndim - src.array.ndim), *src.array.shape[1:])
    return _caller("copy")(x, src)


# -- reductions


@batch_rule("argmax", "argmin")
def _extreme(size: int, values: Any, flags: Any, params: Any, *, name: str) -> Any:
    x = values[0]
    if params["dim"] is not None and x.array.ndim > 1:
        return _caller(name)(x, **{**params, "dim": _up(params["dim"], x.array.ndim - 1)})
    found = _caller(name)(x.reshape(size, -1), dim=1, keepdim=False)
    return found.reshape(size, *[1] * (x.array.ndim - 1)) if params["keepdim"] else found


@batch_rule("searchsorted")
def _searchsorted(size: int, values: Any, flags: Any, params: Any) -> Any:
    sequence, wanted, sorter = values
    if is_tensor(wanted) and sequence.array.ndim == 1 and not flags[0] and not flags[2]:
        return _caller("searchsorted")(*values, **params)
    wanted = wanted if is_tensor(wanted) else wrap(np.asarray(wanted))
    sequence, wanted, sorter = (
        _with_batch(size, v, f) for v, f in zip((sequence, wanted, sorter), flags, strict=True)
    )
    if sequence.array.ndim > 2:
        return _caller("searchsorted")(sequence, wanted, sorter, **params)
    rows = wanted.reshape(size, prod(wanted.array.shape[1:]))
    return _caller("searchsorted")(sequence, rows, sorter, **params).reshape(*wanted.array.shape)


@batch_rule("roll")
def _roll(size: int, values: Any, flags: Any, params: Any) -> Any:
    x, dims, shape = values[0], params["dims"], values[0].array.shape
    if dims is None:
        return _caller("roll")(x.reshape(size, prod(shape[1:])), shifts=params["shifts"], dims=(1,)).reshape(
            *shape
        )
    return _caller("roll")(x, **{**params, "dims": _up(dims, x.array.ndim - 1)})


# -- products


@batch_rule("matmul")
def _matmul(size: int, values: Any, flags: Any, params: Any) -> Any:
    a, b = values
    of_a, of_b = (v.array.ndim - f for v, f in zip(values, flags, strict=True))
    if not flags[0] and of_a == 1 and of_b == 1:
        return _caller("matmul")(b, a)
    if not flags[1] and of_b == 1:
        return _caller("matmul")(a, b)
    a = a if of_a > 1 else a.unsqueeze(-2)
    b = b if of_b > 1 else b.unsqueeze(-1)
    out = _caller("matmul")(*_aligned((a, b), flags))
    return (
        out
        if min(of_a, of_b) > 1
        else out.squeeze((-2, -1)) if of_a == of_b else out.squeeze(-2 if of_a == 1 else -1)
    )


@batch_rule("attention_weights")
def _weights(size: int, values: Any, flags: Any, params: Any) -> Any:
    *others, total = (_with_batch(size, v, f) for v, f in zip(values, flags, strict=True))
    flags = [is_tensor(v) for v in values]
    *aligned, column = _aligned((*others, None if total is None else total.unsqueeze(-1)), flags)
    return _caller("attention_weights")(*aligned, None if column is None else column.squeeze(-1), **params)


@batch_rule("linear_no_bias", "linear")
def _linear(size: int, values: Any, flags: Any, params: Any) -> Any:
    x, w = values[0], values[1]
    bias = values[2] if len(values) > 2 else None
    if not flags[1]:
        out = _caller("linear_no_bias")(x, w)
    else:
        x = _with_batch(size, x, flags[0])
        flat = x.reshape(size, -1, x.array.shape[-1])
        out = _caller("matmul")(flat, _with_batch(size, w, flags[1]).transpose(1, 2)).reshape(
            *x.array.shape[:-1], w.array.shape[-2]
        )
    if bias is None:
        return out
    out, bias = _aligned((out, bias), (flags[0] or flags[1], flags[2]))
    return out + bias


@batch_rule("outer")
def _outer(size: int, values: Any, flags: Any, params: Any) -> Any:
    a, b = (_with_batch(size, v, f) for v, f in zip(values, flags, strict=True))
    return a.unsqueeze(2) * b.unsqueeze(1)


@batch_rule("contract")
def _contract(size: int, values: Any, flags: Any, params: Any) -> Any:
    """A product by labels: the batch is one label more."""
    left, right, into = (tuple(params[k]) for k in ("left", "right", "into"))
    batch = (max((*left, *right, *into), default=0) + 1,)
    return _caller("contract")(
        *values,
        left=batch + left if flags[0] else left,
        right=batch + right if flags[1] else right,
        into=batch + into,
        shape=(size, *params["shape"]),
    )


# -- positions


def _order(ndim: int, dim: int, span: int) -> tuple[int, ...]:
    """The batch, ``span`` dimensions of a sample from ``dim`` on, then the others."""
    inner = tuple(range(1 + dim, 1 + dim + span))
    return (0, *inner, *(d for d in range(1, ndim) if d not in inner))


def _back(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def _offsets(size: int, k: Any, each: int) -> Any:
    """Positions among all samples' elements from positions in each sample of ``each`` elements."""
    starts = wrap(np.arange(size).reshape(size, *[1] * (k.array.ndim - 1)) * each)
    return k + (k < 0) * each + starts


def _positions(name: str) -> Any:
    """Ops that read, or write ``v``, at the positions ``k`` along ``span`` dimensions from ``dim`` on.

    Positions that differ from sample to sample become positions along the batch and these dimensions together.
    """

    def rule(size: int, values: Any, flags: Any, params: Any) -> Any:
        dim, span, count, op = params["dim"], params["span"], params["count"], _caller(name)
        x, k, *rest = values
        if not rest and not flags[0] and name != "index_grad":
            return op(x, k, **params).movedim(dim, 0) if count is None else NotImplemented
        x = _with_batch(size, x, flags[0])
        given = {**params, "shape": (size, *params["shape"])} if name == "index_grad" else params
        whole = tuple(given["shape"]) if name == "index_grad" else x.array.shape
        picked = (count,) if count is not None else k.array.shape[1:] if flags[1] else k.array.shape
        if rest and is_tensor(rest[0]):  # as wide as what is written to
            slabs = (*whole[1 : dim + 1], *picked, *whole[dim + span + 1 :])
            v, s = rest[0], rest[0].array.shape
            v = v.reshape(size, *[1] * (len(slabs) + 1 - len(s)), *s[1:]) if flags[2] else v
            rest = [v.expand(size, *slabs)]
        if not flags[1]:
            return op(x, k, *rest, **{**given, "dim": dim + 1})
        if count is not None:
            return NotImplemented
        into, read = _order(len(whole), dim, span), _order(len(whole) - span + len(picked), dim, len(picked))
        where = _offsets(size, k, prod(whole[1 + dim : 1 + dim + span]))
        if name == "index_grad":
            out = op(
                x.permute(*read), where, shape=tuple(whole[d] for d in into), dim=0, span=span + 1, count=None
            )
            return out.permute(*_back(into))
        rest = [v.permute(*read) if is_tensor(v) else v for v in rest]
        out = op(x.permute(*into), where, *rest, dim=0, span=span + 1, count=None)
        return out.permute(*_back(into if rest else read))

    return rule


for _name in (
    "index",
    "index_select",
    "take",
    "masked_select",
    "index_grad",
    "index_put",
    "index_copy",
    "index_fill",
    "put",
    "masked_scatter",
    "index_add",
):
    RULES[_name] = _positions(_name)
