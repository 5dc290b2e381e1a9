"""Batching rules of indexing.

A batch of tensors under one index moves the dimension numbers up by one. A batch of indices into a batch of
tensors is one index into all of them: each sample's positions are moved on by the samples before it, the
batch counts among the indexed dimensions, and these are in front meanwhile. Start reading at `_Front`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from regrad.autograd.batching import RULES, _caller, _with_batch
from regrad.graph.value import Value, wrap

__all__: list[str] = []


class _Front:
    """Puts the ``span`` indexed dimensions of a sample, or those of the index, right after the batch.

    A sample of these ``sizes`` has ``dim`` dimensions before them.
    """

    def __init__(self, size: int, sizes: tuple[int, ...], dim: int, span: int) -> None:
        self.size, self.count, self.dim, self.span = size, math.prod(sizes[dim : dim + span]), dim, span

    def positions(self, k: Any) -> Any:
        """Batched positions as positions in the whole batch."""
        ndim = k.array.ndim
        first = wrap((np.arange(self.size) * self.count).reshape(-1, *(1,) * (ndim - 1)))
        return k + (k < 0) * self.count + first

    def bring(self, x: Any, width: int) -> Any:
        """``x`` with ``width`` dimensions brought to the front."""
        before, here = range(1, 1 + self.dim), range(1 + self.dim, 1 + self.dim + width)
        return x.permute(0, *here, *before, *range(1 + self.dim + width, x.array.ndim)) if self.dim else x

    def back(self, x: Any, width: int) -> Any:
        """``x`` with ``width`` dimensions taken back from the front."""
        here, before = range(1, 1 + width), range(1 + width, 1 + width + self.dim)
        return x.permute(0, *before, *here, *range(1 + width + self.dim, x.array.ndim)) if self.dim else x


def _view(name: str) -> Any:
    def rule(_size: int, values: Any, _flags: Any, params: Any) -> Any:
        return _caller(name)(values[0], index=(slice(None), *params["index"]))

    return rule


def _view_grad(size: int, values: Any, _flags: Any, params: Any) -> Any:
    where = {"shape": (size, *params["shape"]), "index": (slice(None), *params["index"])}
    return _caller("index_view_grad")(values[0], **where)


def _read(name: str) -> Any:
    def rule(size: int, values: Any, flags: Any, params: Any) -> Any:
        (x, k), dim, span = values, params["dim"], params["span"]
        if not flags[1]:
            return _caller(name)(x, k, dim=dim + 1, span=span, count=params["count"])
        if not flags[0]:
            return _caller(name)(x, k, **params).movedim(dim, 0)
        front, width = _Front(size, x.array.shape[1:], dim, span), k.array.ndim - 1
        out = _caller(name)(front.bring(x, span), front.positions(k), dim=0, span=span + 1)
        return front.back(out, width)

    return rule


def _read_grad(size: int, values: Any, flags: Any, params: Any) -> Any:
    (g, k), shape, dim, span = values, params["shape"], params["dim"], params["span"]
    call = _caller("index_grad")
    if not flags[1]:
        return call(g, k, shape=(size, *shape), dim=dim + 1, span=span, count=params["count"])
    front, width = _Front(size, shape, dim, span), k.array.ndim - 1
    g = front.bring(_with_batch(size, g, flags[0]), width)
    moved = (size, *shape[dim : dim + span], *shape[:dim], *shape[dim + span :])
    return front.back(call(g, front.positions(k), shape=moved, dim=0, span=span + 1), span)


def _write(name: str) -> Any:
    def rule(size: int, values: Any, flags: Any, params: Any) -> Any:
        (x, k, v), dim, span = values, params["dim"], params["span"]
        x = _with_batch(size, x, flags[0])
        width = 1 if params["count"] is not None else k.array.ndim - flags[1]
        sizes = x.array.shape[1:]
        if flags[2]:
            given = v.array.shape
            v = v.reshape(size, *(1,) * (x.array.ndim - span + width - len(given)), *given[1:])
        if not flags[1]:
            return _caller(name)(x, k, v, dim=dim + 1, span=span, count=params["count"])
        front = _Front(size, sizes, dim, span)
        if hasattr(v, "array"):
            v = front.bring(v.expand(size, *sizes[:dim], *k.array.shape[1:], *sizes[dim + span :]), width)
        out = _caller(name)(front.bring(x, span), front.positions(k), v, dim=0, span=span + 1)
        return front.back(out, span)

    return rule


def _along(name: str) -> Any:
    """A rule for the ops that replace one coordinate: everything gets the batch in front."""

    def rule(size: int, values: Any, flags: Any, params: Any) -> Any:
        given = {**params, "dim": params["dim"] + 1}
        if "shape" in given:
            given["shape"] = (size, *given["shape"])
        ndim = len(given["shape"]) if "shape" in given else values[0].array.ndim + (not flags[0])
        values = [_with_batch(size, v, f) for v, f in zip(values, flags, strict=True)]
        if ndim == 1 or any(isinstance(v, Value) and v.array.ndim != ndim for v in values):
            return NotImplemented  # a 0-d sample goes with an index of one dimension
        return _caller(name)(*values, **given)

    return rule


for _name in ("index_view", "item_view", "new_view", "whole_view"):
    RULES[_name] = _view(_name)
for _name in ("index", "index_select", "take", "masked_select"):
    RULES[_name] = _read(_name)
for _name in ("index_put", "index_copy", "index_fill", "put", "masked_scatter", "index_add"):
    RULES[_name] = _write(_name)
for _name in ("gather", "gather_grad", "scatter", "scatter_add", "scatter_prod", "scatter_extreme"):
    RULES[_name] = _along(_name)
RULES["index_view_grad"] = _view_grad
RULES["index_grad"] = _read_grad
