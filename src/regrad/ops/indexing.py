"""Indexing: reading and writing at positions and under masks, by function; `subscripts` does it by brackets.

Three families, each a reading op and its transpose:

    index_view   integers, slices and None: a view           <->  index_view_grad
    index        positions along neighbouring dimensions      <->  index_grad
    masked_fill  elements under a mask are replaced           <->  itself, with zero

The ops that write, `index_put` and `index_add`, have rules made of these. An op that PyTorch has under
several names (`index`, `index_select`, `take`, `masked_select`) is written once and declared under each.
Start reading at `_viewing` and `_reading`; `kernels.reference.indexing` is what happens to arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import OPS, elementwise, general, linear
from regrad.errors import ShapeError
from regrad.graph.value import Value, wrap
from regrad.kernels.reference import indexing as kernels
from regrad.ops.arguments import not_a_tensor
from regrad.ops.core import cast, expand_to, sum_to
from regrad.ops.writing import overwrite

__all__ = [
    "argwhere", "fill", "index_add", "index_copy", "index_fill", "index_select", "masked_fill",
    "masked_scatter", "masked_select", "nonzero", "nonzero_static", "put", "take", "tril_indices",
    "triu_indices", "unravel_index",
]  # fmt: skip


# -- what the functions ask of their arguments


def raw(x: Any) -> Any:
    """The array of a tensor; an array as it is."""
    return x.array if isinstance(x, Value) else x


def dim_of(name: str, input: Any, dim: int) -> int:
    """``dim`` counted from the front, of what must be a tensor."""
    if not isinstance(input, (Value, np.ndarray)):
        raise not_a_tensor(name, "input", 1, input)
    return shapes.dim_in(dim, raw(input).ndim, name)


def number(value: Any, dtype: Any, name: str) -> Any:
    """A Python number as one that an array of ``dtype`` can hold, converted as PyTorch does."""
    try:
        if dtype.kind in "bfcV":
            return {"b": bool, "f": float, "c": complex, "V": float}[dtype.kind](value)
        whole, info = int(value), np.iinfo(dtype)
        if info.min == 0 and -int(info.max) <= whole < 0:
            whole += int(info.max) + 1  # an unsigned number wraps around
        if info.min <= whole <= info.max:
            return whole
    except (TypeError, OverflowError, ValueError):  # said below
        whole = None
    raise RuntimeError(f"{name}: value cannot be converted to type {dtypes.of(dtype)} without overflow: "
                       f"{value!r}")  # fmt: skip


def _scalar(value: Any, dtype: Any, name: str) -> Any:
    """A number or a 0-d tensor, in the NumPy dtype ``dtype``."""
    if not isinstance(value, (Value, np.ndarray)):
        return number(value, dtype, name)
    if raw(value).ndim:
        raise RuntimeError(f"{name}_ only supports a 0-dimensional value tensor, but got tensor with "
                           f"{raw(value).ndim} dimension(s); pass a number or value[0]")  # fmt: skip
    return value if raw(value).dtype == dtype else cast(value, dtype)


def positions(name: str, index: Any) -> Any:
    """The array of an index tensor, which must hold int64 or int32."""
    if not isinstance(index, (Value, np.ndarray)):
        raise not_a_tensor(name, "index", 3, index)
    k = raw(index)
    if k.dtype not in (np.int64, np.int32) and k.size:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index, but got {dtypes.of(k.dtype)}; "
                           f"convert it with .long()")  # fmt: skip
    return k


def vector(name: str, index: Any, size: int, *, negative: bool = False) -> Any:
    """An index tensor of one dimension (a 0-d one counts) with positions below ``size``."""
    k = positions(name, index)
    if k.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, but got dim: {k.ndim} and size: "
                         f"{list(k.shape)}")  # fmt: skip
    if not negative and kernels.outside(k, size):
        wrong = k[(k < 0) | (k >= size)].reshape(-1)[0]
        raise IndexError(f"{name}(): index out of range in self: index {wrong} is out of bounds for a "
                         f"dimension of size {size}")  # fmt: skip
    return index if k.ndim else new_view(index, index=(None, ...))


def same_dtype(name: str, x: Any, source: Any, what: str = "source") -> None:
    """Refuse a source of another dtype than ``x``, or none at all."""
    if not isinstance(source, (Value, np.ndarray)):
        raise not_a_tensor(name, what, 4, source)
    a, b = raw(x).dtype, raw(source).dtype
    if a != b:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to {what}.dtype: self "
                           f"({dtypes.of(a)}) and {what} ({dtypes.of(b)}) must have the same scalar type"
                           )  # fmt: skip


def same_slices(name: str, input: Any, dim: int, index: Any, source: Any) -> None:
    """Refuse a source whose slices do not fit the slices of ``input`` along ``dim``, one for each index."""
    ours, theirs, count = raw(input).shape, raw(source).shape, raw(index).size
    if len(ours) != len(theirs) or ours[:dim] != theirs[:dim] or ours[dim + 1 :] != theirs[dim + 1 :]:
        raise ShapeError(f"{name}(): source tensor shape must match self tensor shape, excluding the "
                         f"specified dimension. Got self.shape = {list(ours)} source.shape = "
                         f"{list(theirs)}")  # fmt: skip
    if theirs[dim] != count:
        raise ShapeError(f"{name}(): Number of indices ({count}) should be equal to source.size(dim): "
                         f"({theirs[dim]}), for dim: {dim}")  # fmt: skip


def masking(name: str, mask: Any) -> None:
    """Refuse a mask that is not boolean."""
    if not isinstance(mask, (Value, np.ndarray)):
        raise not_a_tensor(name, "mask", 2, mask)
    if raw(mask).dtype.kind != "b":
        raise RuntimeError(f"{name} only supports boolean masks, but got mask with dtype "
                           f"{dtypes.of(raw(mask).dtype)}: expected BoolTensor for mask; convert it with "
                           ".bool()")  # fmt: skip


def known(x: Any) -> Any:
    """The array of a tensor on whose elements the shape of a result depends."""
    if hasattr(x, "adopt"):
        raise RuntimeError("vmap: how much a batched mask selects differs from sample to sample, and so "
                           "would the shape (data-dependent control flow); use rg.where or masked_fill "
                           "instead.")  # fmt: skip
    return raw(x)


def counted(mask: Any) -> int:
    """How many elements of a mask are true: the size of what it selects."""
    return int(np.count_nonzero(known(mask)))


def wrapped(k: Any, n: int, dim: int) -> Any:
    """Positions below ``n`` counted from the front: an array; a tensor where samples of a `vmap` differ."""
    if hasattr(k, "adopt"):
        return k + (k < 0) * n
    return kernels.wrapped(raw(k), n, dim).astype(np.int64, copy=False)


def together(name: str, *places: int) -> Any:
    """The tangent of an op that is linear in its arguments at ``places`` together: the op on tangents."""

    def jvp(args: Any, _outs: Any, tangents: Any, params: Any) -> Any:
        moved = list(args)
        for i in places:
            if tangents[i] is not None:
                moved[i] = tangents[i]
            else:
                moved[i] = wrap(np.zeros_like(args[i].array)) if isinstance(args[i], Value) else 0
        return OPS[name].caller(*moved, **params)

    return jvp


# -- views


def _seen(x: Any, *, index: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = np.broadcast_to(np.empty((), "b"), x)[index].shape
    return shape


def _viewing(name: str, grad_name: str) -> Any:
    """The op of basic indexing, under one of the names that PyTorch has for its node."""

    @linear(x=lambda g, x_shape, *, index: index_view_grad(g, shape=x_shape, index=index), shape=_seen,
            view=True, quiet=False, conjugate=False, name=name, grad_name=grad_name)  # fmt: skip
    def view(x, *, index):
        """What ``index`` (integers, slices, None, an Ellipsis) shows of ``x``, in the same memory."""
        try:
            return x[index]
        except IndexError as error:
            raise _outside(x.shape, index, error) from None

    return view


index_view = _viewing("index_view", "SliceBackward0")
item_view = _viewing("item_view", "SelectBackward0")
new_view = _viewing("new_view", "UnsqueezeBackward0")
whole_view = _viewing("whole_view", "AliasBackward0")


@linear(g=lambda g, *, index: index_view(g, index=index), shape=lambda g, *, shape, index: tuple(shape),
        quiet=False, conjugate=False)  # fmt: skip
def index_view_grad(g, *, shape, index):
    """Zeros of ``shape`` with ``g`` where ``index`` looks: the transpose of `index_view`."""
    out = np.zeros(shape, g.dtype)
    out[index] = g
    return out


def _outside(shape: Any, index: Any, error: IndexError) -> IndexError:
    """NumPy's complaint about a basic index in PyTorch's words."""
    ndim, used = len(shape), sum(e is not None and e is not Ellipsis for e in index)
    if used <= ndim:
        return IndexError(str(error).replace("for axis", "for dimension"))
    if ndim:
        return IndexError(f"too many indices for tensor of dimension {ndim}: got {used}")
    if any(isinstance(e, slice) for e in index):
        return IndexError("slice() cannot be applied to a 0-dim tensor.")
    return IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim "
                      "tensor to a number")  # fmt: skip


# -- positions along neighbouring dimensions


def _read(x: Any, k: Any, *, dim: int, span: int = 1, count: int | None = None) -> tuple[int, ...]:
    return (*x[:dim], *(k if count is None else (count,)), *x[dim + span :])


def _spread(g: Any, k: Any, x_shape: Any, dim: int, span: int, count: int | None) -> Any:
    """The gradient of what was read at the positions ``k``."""
    return index_grad(g, k, shape=x_shape, dim=dim, span=span, count=count)


def _gathered(g: Any, k: Any, v_shape: Any, dim: int, span: int, count: int | None) -> Any:
    """The gradient of what was written, broadcast, at the positions ``k``."""
    return sum_to(index(g, k, dim=dim, span=span, count=count), shape=v_shape)


def _reading(name: str) -> Any:
    @linear(x=lambda g, k, x_shape, *, dim, span, count: _spread(g, k, x_shape, dim, span, count),
            shape=_read, quiet=False, conjugate=False, name=name)  # fmt: skip
    def read(x, k, *, dim, span=1, count=None):
        """The slabs of ``x`` at the positions ``k`` of ``span`` dimensions from ``dim`` on, counted as one.

        Or under a mask ``k`` over these dimensions with ``count`` true elements.
        """
        return kernels.take(x, k, dim, span)

    return read


index, _index_select, _take, _masked_select = map(
    _reading, ("index", "index_select", "take", "masked_select"))  # fmt: skip


@linear(g=lambda g, k, *, dim, span, count: index(g, k, dim=dim, span=span, count=count),
        shape=lambda g, k, *, shape, **_: tuple(shape), quiet=False, conjugate=False)  # fmt: skip
def index_grad(g, k, *, shape, dim, span=1, count=None):
    """Zeros of ``shape`` with the slabs of ``g`` added at the positions ``k``: the transpose of `index`."""
    return kernels.add_at(g, k, shape, dim, span)


def _writing(name: str) -> Any:
    @general(x=lambda g, k, *, dim, span, count: index_put(g, k, 0, dim=dim, span=span, count=count),
             v=lambda g, k, v_shape, *, dim, span, count: _gathered(g, k, v_shape, dim, span, count),
             shape=shapes.same, jvp=together(name, 0, 2), quiet=False, conjugate=False,
             name=name)  # fmt: skip
    def write(x, k, v, *, dim, span=1, count=None):
        """``x`` with ``v``, broadcast, at the positions ``k`` that `index` reads; the last one stays."""
        return kernels.put(x, k, v, dim, span, adding=False)

    return write


index_put, _index_copy, _index_fill, _put, _masked_scatter = map(
    _writing, ("index_put", "index_copy", "index_fill", "put", "masked_scatter"))  # fmt: skip


@general(x=lambda g: g,
         v=lambda g, k, v_shape, *, dim, span, count: _gathered(g, k, v_shape, dim, span, count),
         shape=shapes.same, jvp=together("index_add", 0, 2), quiet=False, conjugate=False,
         name="index_add")  # fmt: skip
def index_plus(x, k, v, *, dim, span=1, count=None):
    """``x`` with ``v``, broadcast, added at the positions ``k`` that `index` reads; duplicates add up."""
    return kernels.put(x, k, v, dim, span, adding=True)


def lifted(fn: Any, input: Any, *args: Any, **kwargs: Any) -> Any:
    """``fn``, which wants a dimension to index, on a 0-d ``input`` and 0-d sources."""
    lifts = [new_view(a, index=(None, ...)) if isinstance(a, (Value, np.ndarray)) and not raw(a).ndim else a
             for a in (input, *args)]  # fmt: skip
    return item_view(fn(*lifts, **kwargs), index=(0, ...))


def index_select(input: Any, dim: int, index: Any) -> Any:
    """The slices of ``input`` along ``dim`` that the vector ``index`` lists.

    >>> rg.index_select(rg.tensor([[1., 2.], [3., 4.]]), 1, rg.tensor([1, 1]))
    tensor([[2., 2.],
            [4., 4.]])
    """
    dim = dim_of("index_select", input, dim)
    if not raw(input).ndim:
        if positions("index_select", index).size != 1:
            raise RuntimeError("index_select(): Index to scalar can have only 1 value, got "
                               f"{raw(index).size} value(s)")  # fmt: skip
        return lifted(index_select, input, 0, index)
    return _index_select(input, vector("index_select", index, raw(input).shape[dim]), dim=dim)


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """``input`` with ``alpha`` times slice ``j`` of ``source`` added to slice ``index[j]`` along ``dim``.

    >>> rg.index_add(rg.zeros(3), 0, rg.tensor([0, 2, 2]), rg.tensor([1., 2., 3.]))
    tensor([1., 0., 5.])
    """
    dim = dim_of("index_add", input, dim)
    same_dtype("index_add", input, source)
    if not raw(input).ndim:
        return lifted(index_add, input, 0, index, source, alpha=alpha)
    k = vector("index_add", index, raw(input).shape[dim])
    same_slices("index_add", input, dim, k, source)
    if alpha != 1:
        source = source * number(alpha, raw(source).dtype, "index_add")
    return index_plus(input, k, source, dim=dim)


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """``input`` with slice ``j`` of ``source`` in place of slice ``index[j]`` along ``dim``.

    >>> rg.index_copy(rg.zeros(3), 0, rg.tensor([2, 0]), rg.tensor([1., 2.]))
    tensor([2., 0., 1.])
    """
    dim = dim_of("index_copy", input, dim)
    same_dtype("index_copy", input, source)
    if not raw(input).ndim:
        return lifted(index_copy, input, 0, index, source)
    k = vector("index_copy", index, raw(input).shape[dim])
    if not raw(source).ndim and raw(input).ndim == 1:
        source = new_view(source, index=(None, ...))
    found = raw(source).shape[dim] if raw(source).ndim > dim else 1
    if raw(k).size != found:
        raise IndexError(f"index_copy(): Number of indices ({raw(k).size}) should be equal to "
                         f"source.size(dim) ({found})")  # fmt: skip
    same_slices("index_copy", input, dim, k, source)
    return _index_copy(input, k, source, dim=dim)


def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """``input`` with ``value``, a number or a 0-d tensor, in the slices of ``dim`` that ``index`` lists.

    >>> rg.index_fill(rg.zeros(3), 0, rg.tensor([0, -1]), 7)
    tensor([7., 0., 7.])
    """
    dim = dim_of("index_fill", input, dim)
    if positions("index_fill", index).ndim > 1:
        raise RuntimeError(f"index_fill(): Index has to be a vector/scalar, but got {list(raw(index).shape)}")
    value = _scalar(value, raw(input).dtype, "index_fill")
    x = input if raw(input).ndim else new_view(input, index=(None, ...))
    out = _index_fill(x, vector("index_fill", index, raw(x).shape[dim], negative=True), value, dim=dim)
    return out if raw(input).ndim else item_view(out, index=(0, ...))


def _all_positions(name: str, input: Any, index: Any) -> None:
    """Refuse what is no int64 index into all elements of ``input``."""
    dim_of(name, input, 0)
    k, size = positions(name, index), raw(input).size
    if k.dtype != np.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {dtypes.of(k.dtype)}")
    if k.size and not size:
        raise IndexError(f"{name}(): tried to {name} from an empty tensor")
    if kernels.outside(k, size) and ((k < -size) | (k >= size)).any():
        wrong = k[(k < -size) | (k >= size)].reshape(-1)[0]
        raise IndexError(f"{name}(): out of range: tried to access index {wrong} on a tensor of {size} "
                         "elements.")  # fmt: skip


def take(input: Any, index: Any) -> Any:
    """The elements of ``input``, read row by row, at the positions ``index``.

    >>> rg.take(rg.tensor([[1., 2.], [3., 4.]]), rg.tensor([0, -1]))
    tensor([1., 4.])
    """
    _all_positions("take", input, index)
    x = input if raw(input).ndim else new_view(input, index=(None, ...))
    return _take(x, index, dim=0, span=raw(x).ndim)


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """``input`` with ``source`` at the positions ``index`` of its elements, row by row; or added there.

    >>> rg.put(rg.zeros(2, 2), rg.tensor([3, 0]), rg.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 1.]])
    """
    _all_positions("put", input, index)
    same_dtype("put", input, source)
    shape = raw(index).shape
    if raw(source).size != raw(index).size:
        raise IndexError("put(): Expected source and index to have the same number of elements, but got "
                         f"source.numel() = {raw(source).size}, index.numel() = {raw(index).size}")
    source = source if raw(source).shape == shape else source.reshape(shape)
    x = input if raw(input).ndim else new_view(input, index=(None, ...))
    out = (index_plus if accumulate else _put)(x, index, source, dim=0, span=raw(x).ndim)
    return out if raw(input).ndim else item_view(out, index=(0, ...))


# -- masks


@elementwise(x=lambda g, mask: fill_where(g, mask, 0), value=lambda g, mask: fill_where(g, ~mask, 0),
             dtype=None, quiet=False, conjugate=False, name="masked_fill")  # fmt: skip
def fill_where(x, mask, value):
    """``x`` with ``value`` where ``mask`` is True."""
    return kernels.fill_where(x, mask, value)


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """``input`` with ``value``, a number or a 0-d tensor, where ``mask`` is True; the two are broadcast.

    >>> rg.masked_fill(rg.tensor([1., 2.]), rg.tensor([True, False]), 7)
    tensor([7., 2.])
    """
    masking("masked_fill_", mask)
    return fill_where(input, mask, _scalar(value, raw(input).dtype, "masked_fill"))


def _under(input: Any, mask: Any) -> tuple[Any, Any]:
    """``input`` and ``mask`` broadcast to one shape, of at least one dimension."""
    shape = shapes.broadcast(raw(input).shape, raw(mask).shape) or (1,)
    x, m = (a if raw(a).shape == shape else expand_to(a, shape=shape) for a in (input, mask))
    return x, m


def masked_select(input: Any, mask: Any) -> Any:
    """The elements of ``input`` where ``mask`` is True, as a vector; the two are broadcast.

    >>> rg.masked_select(rg.tensor([1., 2., 3.]), rg.tensor([True, False, True]))
    tensor([1., 3.])
    """
    masking("masked_select", mask)
    x, m = _under(input, mask)
    return _masked_select(x, m, dim=0, span=raw(x).ndim, count=counted(m))


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """``input`` with the elements of ``source`` in order where ``mask`` is True; the first two are broadcast.

    >>> rg.masked_scatter(rg.zeros(3), rg.tensor([True, False, True]), rg.tensor([1., 2., 3.]))
    tensor([1., 0., 2.])
    """
    masking("masked_scatter_", mask)
    same_dtype("masked_scatter", input, source)
    x, m = _under(input, mask)
    count = counted(m)
    if raw(source).size < count:
        raise RuntimeError("masked_scatter: Number of elements of source < number of ones in mask: "
                           f"{raw(source).size} for {count}")  # fmt: skip
    first = index_view(source.reshape(-1), index=(slice(0, count),))
    out = _masked_scatter(x, m, first, dim=0, span=raw(x).ndim, count=count)
    return out if raw(input).ndim or raw(mask).ndim else item_view(out, index=(0, ...))


def fill(input: Any, value: Any) -> Any:
    """A tensor like ``input`` with ``value``, a number or a 0-d tensor, everywhere.

    >>> rg.fill(rg.tensor([1., 2.]), 7)
    tensor([7., 7.])
    """
    dim_of("fill", input, 0)
    if isinstance(value, Value) and value.array.ndim:
        raise RuntimeError("fill_ only supports 0-dimension value tensor but got tensor with "
                           f"{value.array.ndim} dimensions.")  # fmt: skip
    value = _scalar(value, raw(input).dtype, "fill")
    return overwrite(input, value if isinstance(value, Value) else wrap(np.asarray(value, raw(input).dtype)))


# -- where to look


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """The index of every element that is not zero, one row each.

    ``as_tuple``: a vector for each dimension instead, to index with.

    >>> rg.nonzero(rg.tensor([[0, 1], [2, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    if not as_tuple:
        return wrap(np.ascontiguousarray(np.argwhere(known(input))))
    return tuple([wrap(k) for k in np.atleast_1d(known(input)).nonzero()])


def argwhere(input: Any) -> Any:
    """The index of every element that is not zero, one row each.

    >>> rg.argwhere(rg.tensor([0, 3, 4]))
    tensor([[1],
            [2]])
    """
    return nonzero(input)


def nonzero_static(input: Any, *, size: int, fill_value: int = -1) -> Any:
    """`nonzero` with exactly ``size`` rows: cut off, or filled up with ``fill_value``.

    >>> rg.nonzero_static(rg.tensor([0, 3, 4]), size=3)
    tensor([[ 1],
            [ 2],
            [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found = nonzero(input).array[:size]
    out = np.full((size, found.shape[1]), fill_value)
    out[: len(found)] = found
    return wrap(out)


def unravel_index(indices: Any, shape: Any) -> Any:
    """The coordinates, one tensor for each dimension, of positions in an array of ``shape`` read row by row.

    >>> rg.unravel_index(rg.tensor([1, 5]), (2, 3))
    (tensor([0, 1]), tensor([1, 2]))
    """
    k = known(indices)
    if k.dtype.kind not in "iu":
        raise TypeError("unravel_index: expected 'indices' to be integer dtype, but got "
                        f"{dtypes.of(k.dtype)}")  # fmt: skip
    sizes = (shape,) if isinstance(shape, int) else tuple([int(n) for n in shape])
    if min(sizes, default=0) < 0:
        raise ValueError(f"unravel_index: 'shape' cannot have negative values, but got {sizes}")
    k = k.astype(np.int64)
    strides = [math.prod(sizes[d + 1 :]) for d in range(len(sizes))]
    return tuple([wrap(k // max(s, 1) % max(n, 1)) for s, n in zip(strides, sizes, strict=True)])


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, **options: Any) -> Any:
    """The two coordinates of the elements on and below diagonal ``offset`` of a matrix, row by row.

    >>> rg.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle("tril_indices", row, col, dtype, options, lambda i, j: j - i <= offset)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, **options: Any) -> Any:
    """The two coordinates of the elements on and above diagonal ``offset`` of a matrix, row by row.

    >>> rg.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _triangle("triu_indices", row, col, dtype, options, lambda i, j: j - i >= offset)


def _triangle(name: str, row: int, col: int, dtype: Any, options: dict[str, Any], inside: Any) -> Any:
    from regrad.ops.creation import check_device

    check_device(options.pop("device", None))
    unknown = set(options) - {"layout", "pin_memory"}
    if unknown:
        raise TypeError(f"{name}() got an unexpected keyword argument {min(unknown)!r}")
    if row < 0 or col < 0:
        raise RuntimeError(f"{name}: {'row' if row < 0 else 'col'} must be non-negative, got {min(row, col)}")
    found = np.stack(inside(np.arange(row)[:, None], np.arange(col)).nonzero())
    return wrap(found if dtype is None else found.astype(dtypes.to_numpy(dtype)))


METHODS = {
    "argwhere": argwhere, "index_add": index_add, "index_copy": index_copy, "index_fill": index_fill,
    "index_select": index_select, "masked_fill": masked_fill, "masked_scatter": masked_scatter,
    "masked_select": masked_select, "nonzero": nonzero, "nonzero_static": nonzero_static, "put": put,
    "take": take,
}  # fmt: skip
INPLACE = ("index_add", "index_copy", "index_fill", "masked_fill", "masked_scatter", "put")
