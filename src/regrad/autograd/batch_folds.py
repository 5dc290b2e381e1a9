"""Batching rules of ops that have a dimension of samples or of channels: the batch becomes a part of it.

A convolution of a batch of batches is one of a larger batch; with a weight for each sample it is one of more groups.
Losses that reduce are taken element by element and reduced for each sample. Start reading at `_joined`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad.autograd.batching import _aligned, _caller, _with_batch, batch_rule
from regrad.graph.value import wrap

__all__: list[str] = []


def _joined(x: Any, dim: int) -> Any:
    """``x`` with its batch, dimension 0, taken into dimension ``dim`` of the samples."""
    s = x.array.shape
    return x.movedim(0, dim).reshape(*s[1 : dim + 1], s[0] * s[dim + 1], *s[dim + 2 :])


def _parted(x: Any, dim: int, size: int) -> Any:
    """The opposite of `_joined`."""
    s = x.array.shape
    return x.reshape(*s[:dim], size, s[dim] // size, *s[dim + 1 :]).movedim(dim, 0)


def _all(size: int, values: Any, flags: Any) -> list[Any]:
    return [_with_batch(size, v, f) for v, f in zip(values, flags, strict=True)]


# -- convolutions: (x or y, w or x, bias), samples in dimension 0 and channels in dimension 1


@batch_rule("convolution", "convolution_input", "convolution_bias", "convolution_input_bias")
def _convolution(size: int, values: Any, flags: Any, params: Any, *, name: str) -> Any:
    x, w, *bias = values
    plain = _caller(name.removesuffix("_bias"))
    if not flags[1]:
        shared = bias and not flags[2]
        out = _parted(
            (_caller(name) if shared else plain)(
                _joined(_with_batch(size, x, flags[0]), 0), w, *(bias if shared else ()), **params
            ),
            0,
            size,
        )
        return out if shared or not bias else out + bias[0].reshape(size, 1, -1, *[1] * (w.array.ndim - 2))
    x, w = _all(size, values[:2], flags[:2])
    how = {**params["how"], "groups": params["how"]["groups"] * size}
    out = _parted(plain(_joined(x, 1), _joined(w, 0), **{**params, "how": how}), 1, size)
    if not bias:
        return out
    places = [1] * (w.array.ndim - 3)
    return out + (bias[0].reshape(size, 1, -1, *places) if flags[2] else bias[0].reshape(-1, *places))


@batch_rule("convolution_weight")
def _convolution_weight(size: int, values: Any, flags: Any, params: Any) -> Any:
    y, x = _all(size, values, flags)
    how = {**params["how"], "groups": params["how"]["groups"] * size}
    return _parted(
        _caller("convolution_weight")(_joined(y, 1), _joined(x, 1), **{**params, "how": how}), 0, size
    )


# -- normalisations


def _scaled(out: Any, weight: Any, bias: Any, flags: Any, rest: int) -> Any:
    """``out * weight + bias`` for parameters that differ between samples, with ``rest`` dimensions after them."""
    for v, flag, sign in ((weight, flags[0], "*"), (bias, flags[1], "+")):
        if v is not None:
            s = v.array.shape
            v = v.reshape(*s[:flag], *[1] * (out.array.ndim - len(s) - rest), *s[flag:], *[1] * rest)
            out = out * v if sign == "*" else out + v
    return out


@batch_rule("native_layer_norm", "rms_norm")
def _rows(size: int, values: Any, flags: Any, params: Any, *, name: str) -> Any:
    x, weight, bias = (*values, None)[:3]
    if not any(flags[1:]):
        return _caller(name)(*values, **params)
    found = _caller(name)(_with_batch(size, x, flags[0]), *[None] * (len(values) - 1), **params)
    out, *rest = found if isinstance(found, tuple) else (found,)
    out = _scaled(out, weight, bias, (*flags[1:], False)[:2], 0)
    return (out, *rest) if rest else out


@batch_rule("rows_pull")
def _rows_pull(size: int, values: Any, flags: Any, params: Any) -> Any:
    s, x, weight, mean, rstd = _all(size, values, flags)
    if weight is not None:
        s = _scaled(s, weight, None, (True, False), 0)
    return _caller("rows_pull")(s, x, None, mean, rstd, **params)


@batch_rule("native_group_norm")
def _groups(size: int, values: Any, flags: Any, params: Any) -> Any:
    x, weight, bias = values
    shared = not any(flags[1:])
    x = _with_batch(size, x, flags[0])
    out, mean, rstd = _caller("native_group_norm")(
        _joined(x, 0), *((weight, bias) if shared else (None, None)), **params
    )
    out, mean, rstd = (_parted(v, 0, size) for v in (out, mean, rstd))
    return (out if shared else _scaled(out, weight, bias, flags[1:], x.array.ndim - 3)), mean, rstd


@batch_rule("native_batch_norm", "batch_norm_eval", "channels_pull", "channels_scale_pull")
def _channels(size: int, values: Any, flags: Any, params: Any, *, name: str) -> Any:
    joined = [
        v if v is None else _joined(v, 0 if v.array.ndim == 2 else 1) for v in _all(size, values, flags)
    ]
    found = _caller(name)(*joined, **params)
    if name == "channels_scale_pull":
        return _parted(found, 0, size)
    outs = [
        _parted(v, 0 if v.array.ndim == 1 else 1, size)
        for v in (found if isinstance(found, tuple) else (found,))
    ]
    return tuple(outs) if isinstance(found, tuple) else outs[0]


@batch_rule("window")
def _window(size: int, values: Any, flags: Any, params: Any) -> Any:
    return _parted(_caller("window")(_joined(values[0], 0), **params), 0, size)


# -- losses


def _reduced(loss: Any, how: str) -> Any:
    """The loss of each sample, from that of each of its elements."""
    if how == "none":
        return loss
    dims = tuple(range(1, loss.array.ndim))
    return loss if not dims else loss.mean(dims) if how == "mean" else loss.sum(dims)


@batch_rule(
    "mse_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"
)
def _distance(size: int, values: Any, flags: Any, params: Any, *, name: str) -> Any:
    return _reduced(_caller(name)(*_aligned(values, flags), **{**params, "how": "none"}), params["how"])


def _folded(size: int, values: Any, flags: Any) -> list[Any]:
    """Values whose samples have cases in dimension 0, as ones with more cases."""
    return [_joined(v, 0) for v in _all(size, values, flags)]


@batch_rule("nll_loss", "cross_entropy")
def _classes(size: int, values: Any, flags: Any, params: Any, *, name: str) -> Any:
    x, target = _folded(size, values[:2], flags[:2])
    weight, how = values[2], params["how"]
    loss = _parted(_caller(name)(x, target, None, **{**params, "how": "none"}), 0, size)
    dims = tuple(range(1, loss.array.ndim))
    counts = target != params["ignore_index"]
    if weight is not None:  # of each target's class
        known = target * counts
        if flags[2]:
            table, known = weight.reshape(-1), known + _starts(size, target, weight.array.shape[1])
        else:
            table = weight
        counts = _caller("index")(table, known, dim=0, span=1, count=None) * counts
        loss = loss * counts.reshape(*loss.array.shape)
    if how != "mean":
        return loss if how == "none" else loss.sum(dims)
    return loss.sum(dims) / counts.reshape(*loss.array.shape).sum(dims)


def _starts(size: int, folded: Any, each: int) -> Any:
    """For each of the cases of all samples, ``each`` times the number of its sample."""
    s = folded.array.shape
    return wrap((np.arange(size) * each).repeat(s[0] // size).reshape(s[0], *[1] * (len(s) - 1)))


@batch_rule("pick_class", "entropy_pull")
def _class_rows(size: int, values: Any, flags: Any, params: Any, *, name: str) -> Any:
    return _parted(_caller(name)(*_folded(size, values, flags), **params), 0, size)


@batch_rule("place_class")
def _place_class(size: int, values: Any, flags: Any, params: Any) -> Any:
    s, target = _folded(size, values, flags)
    cases, *rest = params["shape"]
    return _parted(_caller("place_class")(s, target, shape=(size * cases, *rest)), 0, size)


# -- embeddings


def _rows_of(size: int, indices: Any, rows: int) -> Any:
    """Numbers of rows among the tables of all samples, which lie one below the other."""
    return indices + wrap(np.arange(size).reshape(size, *[1] * (indices.array.ndim - 1)) * rows)


@batch_rule("embedding", "embed_push")
def _embedding(size: int, values: Any, flags: Any, params: Any, *, name: str) -> Any:
    weight, indices = values
    if not flags[0]:
        return _caller(name)(weight, indices, **params)
    if params.get("by_frequency"):
        return NotImplemented
    indices = _with_batch(size, indices, flags[1])
    out = _caller(name)(
        _joined(weight, 0), _rows_of(size, indices, weight.array.shape[1]), **{**params, "padding_idx": -1}
    )
    if params["padding_idx"] < 0:
        return out
    padding = (indices == params["padding_idx"]).unsqueeze(-1)
    return (
        out.masked_fill(padding, 0) if name == "embed_push" else _caller("where")(padding, out.detach(), out)
    )


@batch_rule("embed_pull")
def _embed_pull(size: int, values: Any, flags: Any, params: Any) -> Any:
    if params["by_frequency"]:
        return NotImplemented
    g, indices = _all(size, values, flags)
    if params["padding_idx"] >= 0:
        g = g.masked_fill((indices == params["padding_idx"]).unsqueeze(-1), 0)
    rows = params["rows"]
    return _parted(
        _caller("embed_pull")(
            g, _rows_of(size, indices, rows), **{**params, "padding_idx": -1, "rows": size * rows}
        ),
        0,
        size,
    )
