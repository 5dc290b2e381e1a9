"""Brackets: ``x[...]`` and ``x[...] = value``, with everything that PyTorch takes between them.

An index is first tried as a basic one (integers, slices, None, an Ellipsis), which is one view op. Any other
is sorted into a basic part, which is viewed, and positions or masks on the dimensions of that view, which one
op of `indexing` reads or writes: several index tensors become one position, counted along their dimensions
together. Dimensions that are indexed but not neighbours are moved to the front, as in NumPy. Start reading at
`getitem`.
"""

from __future__ import annotations

import operator
import warnings
from types import NoneType
from typing import Any, NamedTuple

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import refresh
from regrad.errors import ShapeError
from regrad.graph import versions
from regrad.graph.modes import RECORD, SILENT, mode
from regrad.graph.node import tick
from regrad.graph.value import Value, View, wrap
from regrad.kernels.reference import indexing as kernels
from regrad.ops.core import cast, expand_to
from regrad.ops.indexing import (
    counted,
    index,
    index_plus,
    index_view,
    item_view,
    known,
    new_view,
    number,
    raw,
    whole_view,
    wrapped,
)
from regrad.ops.indexing import index_put as put_at
from regrad.ops.writing import check_writable, copy_, write

__all__ = ["index_put"]

_ALL = slice(None)
_ENDS = (int, NoneType)
_SEQUENCES = (Value, np.ndarray, list, tuple, range)
_LONG, _INT, _BOOL, _BYTE = (np.dtype(n) for n in ("i8", "i4", "?", "u1"))


# -- the basic part


def _basic(key: Any) -> tuple[Any, Any] | None:
    """(the view op, the index for NumPy) of a basic index, None for any other.

    The Ellipsis keeps NumPy from handing out a number where all dimensions are indexed.
    """
    kind = type(key)
    if kind is int:
        return item_view, (key, ...)
    if kind is slice:
        return (index_view, (key,)) if _plain(key) else None
    if kind is not tuple:
        return (new_view, (None, ...)) if key is None else (whole_view, (...,)) if key is ... else None
    view, seen = whole_view, False
    for e in key:
        kind = type(e)
        if kind is int:
            view = item_view
        elif kind is slice:
            if not _plain(e):
                return None
            if e.start is not None or e.stop is not None or e.step is not None:
                view = index_view
        elif e is None:
            view = new_view
        elif e is not ... or seen:
            return None
        else:
            seen = True
    return view, key if seen else (*key, ...)


def _plain(key: slice) -> bool:
    """Is the slice made of Python integers, and does it go forwards?"""
    step = key.step
    forwards = step is None or (type(step) is int and step > 0)
    return forwards and type(key.start) in _ENDS and type(key.stop) in _ENDS


def _slice(key: slice) -> slice:
    """The slice with Python integers for whatever counts as one."""
    start, stop, step = [None if e is None else operator.index(e) for e in (key.start, key.stop, key.step)]
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step is not None and step < 0:
        raise ValueError(f"step must be greater than zero, got {step}; flip() turns a dimension round")
    return slice(start, stop, step)


# -- everything else


class Place(NamedTuple):
    """What an index means for a tensor: ``basic`` views it, and in the view the positions ``k`` are read.

    ``view``   the view op; None: none is needed
    ``basic``  its index
    ``order``  how the dimensions of the view are permuted; None: not at all
    ``k``      positions or a mask; None: the view is all there is
    ``at``     the parameters of `indexing.index` that say where ``k`` applies
    """

    view: Any
    basic: Any
    order: tuple[int, ...] | None = None
    k: Any = None
    at: Any = None

    def find(self, x: Any) -> Any:
        """The tensor that ``k`` applies to."""
        if self.view is not None:
            x = self.view(x, index=self.basic)
        return x if self.order is None else x.permute(self.order)


def _items(key: Any) -> tuple[Any, ...]:
    """The index as a tuple; as in PyTorch, a list of sequences, slices, tensors or None counts as one."""
    if isinstance(key, tuple):
        return key
    if not isinstance(key, list) or len(key) >= 32:
        return (key,)
    if any(e is None or e is ... or isinstance(e, (slice, *_SEQUENCES)) for e in key):
        warnings.warn("Using a non-tuple sequence for multidimensional indexing is deprecated; use "
                      "x[tuple(seq)] instead of x[seq]", UserWarning, stacklevel=5)  # fmt: skip
        return tuple(key)
    return (key,)


def _item(e: Any) -> tuple[Any, int]:
    """One entry of an index, and how many dimensions it looks at.

    It becomes an int, a slice, None, an Ellipsis, a bool, or an array or tensor: of positions, or a mask.
    """
    if isinstance(e, (Value, np.ndarray)):
        array = raw(e)
        dtype, ndim = array.dtype, array.ndim
        if dtype in (_LONG, _INT):
            return (e if ndim or hasattr(e, "adopt") else int(array)), 1
        if dtype == _BOOL:
            return (e, ndim) if ndim else (operator.truth(e), 0)
        if dtype != _BYTE:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors, got "
                             f"{dtypes.of(dtype)}; convert it with .long(), or make a mask with a comparison")
        if not ndim:
            return operator.truth(e), 0
        warnings.warn("indexing with dtype uint8 is now deprecated, please use a dtype bool "
                      "instead.", UserWarning, stacklevel=5)  # fmt: skip
        return array.astype(bool), ndim
    if e is None or e is ... or isinstance(e, bool):
        return e, 0
    if isinstance(e, slice):
        return _slice(e), 1
    if isinstance(e, (list, tuple, range)):
        found = np.asarray([raw(v) for v in e] if isinstance(e, list) else e)
        return (found, found.ndim) if found.dtype == _BOOL else (found.astype(np.int64), 1)
    try:
        return operator.index(e), 1
    except TypeError:
        raise IndexError("only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables "
                         f"are valid indices (got {type(e).__name__})") from None  # fmt: skip


def _parse(shape: tuple[int, ...], key: Any) -> tuple[Any, Any, list[tuple[int, Any]]]:
    """(view op or None, its index, [(dimension of the view, positions or mask), ...]) of any index."""
    items = [_item(e) for e in _items(key)]
    ndim, used = len(shape), sum(span for _, span in items)
    if used > ndim:
        raise IndexError(f"too many indices for tensor of dimension {ndim}: got {used}")
    basic: list[Any] = []
    found: list[tuple[int, Any]] = []
    dim = source = 0  # where we are in the view, and in the tensor
    view, seen = None, False
    for e, span in items:
        if isinstance(e, (Value, np.ndarray)):
            if raw(e).dtype == _BOOL and raw(e).shape != shape[source : source + span]:
                wrong = next(d for d in range(span) if raw(e).shape[d] != shape[source + d])
                raise IndexError(f"The shape of the mask {list(raw(e).shape)} at index {wrong} does not "
                                 f"match the shape of the indexed tensor {list(shape)} at index "
                                 f"{source + wrong}")  # fmt: skip
            basic += [_ALL] * span
            found.append((dim, e))
        elif e is ...:
            if seen:
                raise IndexError("an index can only have a single ellipsis ('...')")
            seen, span = True, ndim - used
            basic.append(e)
        elif e is None or isinstance(e, bool):
            view = new_view
            basic.append(None)
            if e is not None:  # a truth value is a mask over a new dimension of size one
                found.append((dim, np.zeros(int(e), np.int64)))
            dim += 1
        elif isinstance(e, int):
            view = item_view
            basic.append(e)
            dim -= 1
        else:
            view = view if e == _ALL else index_view
            basic.append(e)
        dim, source = dim + span, source + span
    if not seen:
        basic.append(...)
    return view, tuple(basic), found


def _place(shape: tuple[int, ...], key: Any) -> Place:
    """What ``key``, which is no basic index, means for a tensor of ``shape``."""
    if isinstance(key, Value) and shape and key.array.ndim:  # the common ones, without ado
        array = key.array
        if array.dtype == _LONG:
            return Place(None, None, None, key, {"dim": 0, "span": 1, "count": None})
        if array.dtype == _BOOL and array.shape == shape[: array.ndim]:
            return Place(None, None, None, key, {"dim": 0, "span": array.ndim, "count": counted(key)})
    view, basic, found = _parse(shape, key)
    if not found:
        return Place(view or whole_view, basic)
    if len(found) == 1:
        dim, k = found[0]
        if raw(k).dtype == _BOOL:
            return Place(view, basic, None, k, {"dim": dim, "span": raw(k).ndim, "count": counted(k)})
        return Place(view, basic, None, k, {"dim": dim, "span": 1, "count": None})
    seen = shape if view is None else np.broadcast_to(np.empty((), "b"), shape)[basic].shape
    dims: list[int] = []
    arrays: list[Any] = []
    for dim, e in found:
        if raw(e).dtype == _BOOL:
            arrays += known(e).nonzero()
            dims += range(dim, dim + raw(e).ndim)
        else:
            arrays.append(e)
            dims.append(dim)
    k = _combined(arrays, dims, seen)
    if dims[-1] - dims[0] == len(dims) - 1:
        return Place(view, basic, None, k, {"dim": dims[0], "span": len(dims), "count": None})
    order = (*dims, *[d for d in range(len(seen)) if d not in dims])
    return Place(view, basic, order, k, {"dim": 0, "span": len(dims), "count": None})


def _combined(arrays: list[Any], dims: list[int], shape: tuple[int, ...]) -> Any:
    """Positions along several dimensions as positions along all of them counted as one."""
    k: Any = None
    try:
        for a, d in zip(arrays, dims):
            a = wrapped(a, shape[d], d)
            k = a if k is None else k * shape[d] + a
    except (ValueError, RuntimeError):
        raise IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes "
                         f"{', '.join(str(list(raw(a).shape)) for a in arrays)}") from None  # fmt: skip
    return k


# -- reading


def getitem(self: Any, key: Any) -> Any:
    """The elements that the index shows.

    A view of them for integers, slices, None and ``...``, a copy for tensors, lists and masks.

    >>> x = rg.tensor([[1., 2.], [3., 4.]])
    >>> x[0], x[:, 1], x[x > 2], x[[1, 0], [0, 0]]
    (tensor([1., 2.]), tensor([2., 4.]), tensor([3., 4.]), tensor([3., 1.]))
    """
    found = _basic(key)
    if found is not None:
        return found[0](self, index=found[1])
    place = _place(self.array.shape, key)
    if place.k is None:
        return place.view(self, index=place.basic)
    return index(place.find(self), place.k, **place.at)


# -- writing


def setitem(self: Any, key: Any, value: Any) -> None:
    """Write ``value``, a number or a tensor that broadcasts, where the index looks.

    >>> x = rg.zeros(3)
    >>> x[1:] = 5
    >>> x[x < 1] = rg.tensor([2.])
    >>> x
    tensor([2., 5., 5.])
    """
    found = _basic(key)
    m = mode()
    array = self.array
    if found is not None and (m is RECORD or m is SILENT) and _silent(self, m) and _fits(array, value, m):
        check_writable(self, "__setitem__")
        try:
            found[0].op.forward(array, index=found[1])[...] = raw(value)
        except ValueError:
            pass  # it does not broadcast: the general path says why
        else:
            versions.wrote(array, "__setitem__", 3)
            return
    place = Place(*found) if found is not None else _place(array.shape, key)
    if not isinstance(value, Value):
        value = _tensor_of(value, array.dtype)
    if place.k is not None:
        target = place.find(self)
        _put_(target, place.k, _matching(target, value, place), place.at)
        return
    target = self if place.view is whole_view else place.view(self, index=place.basic)
    _same_batch(target, value)
    if _is_there(target, value):
        versions.history(target.array).count += 1  # type: ignore[union-attr]
        return
    value = _trimmed(value, target.array.ndim)
    if value.array.ndim > target.array.ndim or shapes.mismatch([target.array.shape, value.array.shape]):
        raise ShapeError("__setitem__: The expanded size of the tensor must match the existing size: a "
                         f"value of shape {list(value.array.shape)} does not fit into "
                         f"{list(target.array.shape)}")  # fmt: skip
    if hasattr(target, "adopt"):
        copy_(target, expand_to(value, shape=target.array.shape))
    elif type(target._view) is not View:
        copy_(target, value)
    else:
        check_writable(target, "__setitem__", value)
        write(target, value, "__setitem__", tick())


def _silent(x: Any, m: Any) -> bool:
    """Is ``x`` of no concern to any graph, so that its memory may be written to, or read, at once?"""
    return x.meta is None and (not m.record or (x.edge if x._view is None else refresh(x)) is None)


def _fits(array: Any, value: Any, m: Any) -> bool:
    """Can ``value`` be written into ``array`` without any conversion or record?"""
    kind = type(value)
    if kind is float or kind is int or kind is bool:
        return array.dtype.kind == "f"  # type: ignore[no-any-return]
    return isinstance(value, Value) and value.array.dtype == array.dtype and _silent(value, m)


def _tensor_of(value: Any, dtype: Any) -> Any:
    """A number as a 0-d tensor of the NumPy dtype ``dtype``."""
    if not isinstance(value, (bool, int, float, complex, np.number)):
        raise TypeError(f"can't assign a {type(value).__name__} to a {dtypes.of(dtype)} tensor; make it a "
                        "tensor with rg.tensor")  # fmt: skip
    return wrap(np.asarray(number(value, dtype, "__setitem__"), dtype))


def _trimmed(value: Any, ndim: int) -> Any:
    """``value`` without leading dimensions of size one that a target of ``ndim`` dimensions lacks."""
    extra = value.array.ndim - ndim
    if extra > 0 and value.array.shape[:extra] == (1,) * extra:
        return item_view(value, index=(*(0,) * extra, ...))
    return value


def _is_there(target: Any, value: Any) -> bool:
    """Is ``value`` the very view that it is to be written to? So ends ``x[i] += 1``, after the addition."""
    ours, theirs = target._view, value._view
    if type(ours) is not View or type(theirs) is not View or ours.base is not theirs.base:
        return False
    a, b = target.array.__array_interface__, value.array.__array_interface__
    same = all(a[part] == b[part] for part in ("data", "shape", "strides"))
    return same and ours.origin == theirs.origin and versions.history(target.array) is not None


def _same_batch(target: Any, *sources: Any) -> None:
    """Refuse to write what differs from sample to sample of a `vmap` into a tensor that all of them share."""
    if mode().batch is None or hasattr(target, "adopt"):
        return
    if any(hasattr(s, "adopt") for s in sources):
        raise RuntimeError("vmap: inplace arithmetic is not possible because a batched tensor is written "
                           "into one that is not batched; write out of place, or make the target from a "
                           "batched tensor.")  # fmt: skip


def _matching(x: Any, value: Any, place: Place) -> Any:
    """``value`` as `index_put` takes it: in the dtype of ``x``, without superfluous dimensions."""
    have, want = value.array.dtype, x.array.dtype
    mask = place.at["count"] is not None
    if have != want:
        if not mask or value.array.size != 1:
            raise RuntimeError("Index put requires the source and destination dtypes match, got "
                               f"{dtypes.of(want)} for the destination and {dtypes.of(have)} for the "
                               f"source.")  # fmt: skip
        value = cast(value, want)
    return _trimmed(value, x.array.ndim - place.at["span"] + (1 if mask else raw(place.k).ndim))


def _put_(x: Any, k: Any, value: Any, at: dict[str, Any]) -> None:
    """Write ``value`` at the positions ``k`` of ``x``, in place."""
    m = mode()
    if hasattr(x, "adopt"):
        x.adopt(put_at(x, k, value, **at))
        return
    _same_batch(x, k, value)
    check_writable(x, "index_put_", value)
    if (m is RECORD or m is SILENT) and _silent(x, m) and _silent(value, m):
        kernels.put_into(x.array, raw(k), value.array, at["dim"], at["span"], adding=False)
        versions.wrote(x.array, "index_put_", 4)
    else:
        start = tick()
        write(x, put_at(x, k, value, **at), "index_put_", start)


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """``input`` with ``values`` at ``input[indices]``, or added there.

    ``indices`` is a tuple of index tensors or masks, one for each dimension.

    >>> rg.index_put(rg.zeros(3), (rg.tensor([0, 0]),), rg.tensor([1., 2.]), accumulate=True)
    tensor([3., 0., 0.])
    """
    if not isinstance(indices, (tuple, list)):
        raise TypeError("index_put(): argument 'indices' (position 2) must be tuple of Tensors, not "
                        f"{type(indices).__name__}")  # fmt: skip
    if not isinstance(values, Value):
        raise TypeError("index_put(): argument 'values' (position 3) must be Tensor, not "
                        f"{type(values).__name__}")  # fmt: skip
    key = [_ALL if e is None else e for e in indices]
    key = [new_view(e, index=(None, ...)) if isinstance(e, Value) and not e.array.ndim else e for e in key]
    place = _place(input.array.shape, tuple(key))
    if place.k is None:
        raise RuntimeError("index_put(): there is no index tensor among the indices; write to a view with "
                           "copy_ instead")  # fmt: skip
    values = _matching(input, values, place)
    write_at = index_plus if accumulate else put_at
    if place.view is None and place.order is None:
        return write_at(input, place.k, values, **place.at)
    out = input.clone()
    start = tick()
    target = place.find(out)
    write(target, write_at(target, place.k, values, **place.at), "index_put_", start)
    return out


METHODS = {"__getitem__": getitem, "__setitem__": setitem, "index_put": index_put}
INPLACE = ("index_put",)
