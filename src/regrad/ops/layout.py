"""Layout: tensors by how they lie in memory, and views that are copied, written into, or taken in place.

`unfold` and `as_strided` see memory with other strides; a gradient of theirs adds up what lies in one place.
Views have three more forms: ``view_copy`` copies what is seen, ``select_scatter`` copies everything with that
part replaced, and ``transpose_`` makes the tensor itself the view. Start reading at `strided`, `_replaced`
and `relaid`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad.declare import OPS, linear
from regrad.errors import DimError, ShapeError
from regrad.graph.modes import Switch
from regrad.graph.node import Leaf
from regrad.graph.value import View, wrap
from regrad.ops.core import cast, copy_slices, laid, memory_order, storage
from regrad.ops.shaping import (
    asked,
    bare,
    cloned,
    diagonal,
    expand,
    narrow,
    part,
    permute,
    select,
    select_key,
    some_of,
    squeeze,
    t,
    transpose,
    two_dims,
    unsqueeze,
    view,
)  # fmt: skip
from regrad.ops.writing import _move_retained, check_history
from regrad.shapes import dim_in

__all__ = [
    "alias_copy", "as_strided", "as_strided_copy", "as_strided_scatter", "diagonal_copy", "diagonal_scatter",
    "expand_copy", "narrow_copy", "permute_copy", "select_copy", "select_scatter", "slice_copy",
    "slice_scatter", "squeeze_copy", "t_copy", "transpose_copy", "unfold_copy", "unsqueeze_copy", "view_copy",
]  # fmt: skip


# -- windows


def _unfolded(x: Any, *, dim: int, size: int, step: int) -> tuple[int, ...]:
    return (*x[:dim], (x[dim] - size) // step + 1, *x[dim + 1 :], size) if x else (size,)


@linear(x=lambda g, x_shape, *, dim, size, step:
            fold_windows(g, shape=x_shape, dim=dim, size=size, step=step),
        shape=_unfolded, view=True, conjugate=False, name="unfold")  # fmt: skip
def windows_of(x, *, dim, size, step):
    """The windows of ``size`` entries along ``dim``, one every ``step``; a last dimension is inside them."""
    if not x.ndim:
        return x.reshape(1)[:size]
    strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :], x.strides[dim])
    return laid(x, _unfolded(x.shape, dim=dim, size=size, step=step), strides)


@linear(x=lambda g, *, dim, size, step: windows_of(g, dim=dim, size=size, step=step), shape=asked,
        conjugate=False, name="unfold_backward")  # fmt: skip
def fold_windows(x, *, shape, dim, size, step):
    """Zeros of ``shape`` with every window of ``x`` added where `windows_of` took it from."""
    out = np.zeros(shape, x.dtype)
    if not shape:
        out += x.sum()
        return out
    for k in range(size):  # one strided addition for each place inside the windows
        out[part(dim, slice(k, k + step * x.shape[dim], step))][part(dim, slice(x.shape[dim]))] += x[..., k]
    return out


def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """The windows of ``size`` entries along ``dimension``, one every ``step``: a view with a dimension more.

    >>> rg.tensor([1, 2, 3, 4]).unfold(0, 2, 1)
    tensor([[1, 2],
            [2, 3],
            [3, 4]])
    """
    shape = bare(input, "unfold").shape
    dim = dim_in(dimension, len(shape), "unfold")
    most = shape[dim] if shape else 1
    if size < 0:
        raise RuntimeError(f"unfold: size is {size} but must be >= 0")
    if size > most:
        raise RuntimeError(f"unfold: maximum size for tensor at dimension {dim} is {most} but size is {size}")
    if step < 1:
        raise RuntimeError(f"unfold: step is {step} but must be > 0")
    return windows_of(input, dim=dim, size=size, step=step)


# -- any strides


def _addresses(size: Any, stride: Any, offset: int) -> Any:
    """Where in memory, counted in elements, a tensor of this geometry has its elements."""
    found = np.full((1,) * len(size), offset, np.intp)
    for d, (n, s) in enumerate(zip(size, stride, strict=True)):
        found = found + (np.arange(n) * s).reshape((n,) + (1,) * (len(size) - d - 1))
    return found


@linear(x=lambda g, *, here, there, share: through_memory(g, here=there, there=here, share=1 - share),
        shape=lambda x, *, here, there, share: tuple(there[0]), conjugate=False)  # fmt: skip
def through_memory(x, *, here, there, share):
    """What the geometry ``there`` reads from memory to which ``x`` was added with the geometry ``here``.

    A geometry is (sizes, strides, offset). Elements of geometry ``(here, there)[share]`` that lie on one
    another share what is in their place.
    """
    write, read = _addresses(*here), _addresses(*there)
    if not write.size or not read.size:
        return np.zeros(there[0], x.dtype)
    low = min(write.min(), read.min())
    write, read = write - low, read - low
    memory = np.zeros(max(write.max(), read.max()) + 1, x.dtype)
    np.add.at(memory, write, x)
    crowd = np.bincount((write, read)[share].ravel(), minlength=memory.size)
    if crowd.max() > 1:
        memory = memory / np.maximum(crowd, 1).astype(memory.real.dtype)
    return np.asarray(memory[read])


def _strided_jvp(_: Any, __: Any, tangents: Any, params: Any) -> Any:
    there = (params["size"], params["stride"], params["offset"])
    return through_memory(tangents[0], here=params["inner"], there=there, share=0)


@linear(x=lambda g, *, size, stride, offset, inner:
            through_memory(g, here=(size, stride, offset), there=inner, share=1),
        shape=lambda x, *, size, **_: tuple(size), view=True, conjugate=False, name="as_strided",
        jvp=_strided_jvp)  # fmt: skip
def strided(x, *, size, stride, offset, inner):
    """The memory of ``x`` seen with other sizes and strides, ``offset`` elements after its first.

    ``inner`` is the geometry of ``x``. An ``x`` that lies otherwise in memory is a stand-in (a tangent, a
    copy): the result is then what the view would read, and read-only, since a write to it would reach nobody.
    """
    if any(n > 1 and s != w * x.itemsize for n, s, w in zip(x.shape, x.strides, inner[1])):
        found = through_memory(x, here=inner, there=(size, stride, offset), share=0)
        found.flags.writeable = False
        return found
    flat, start = storage(x)
    if 0 in size:
        return flat[:0].reshape(size)
    start += offset
    last = start + sum((n - 1) * s for n, s in zip(size, stride))
    if start < 0 or last >= flat.size:
        raise ShapeError(f"as_strided: sizes {list(size)}, strides {list(stride)}, storage offset {start}, "
                         f"and itemsize {x.itemsize} requiring a storage size of {(last + 1) * x.itemsize} "
                         f"are out of bounds for storage of size {flat.nbytes}")  # fmt: skip
    return laid(x, size, tuple([s * x.itemsize for s in stride]), offset)


def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """The memory that ``input`` lies in, seen with any sizes and strides (in elements).

    The elements may overlap; a gradient is the sum over all that lie in one place.

    >>> rg.as_strided(rg.tensor([1, 2, 3, 4]), (3, 2), (1, 1))
    tensor([[1, 2],
            [2, 3],
            [3, 4]])
    """
    key = _strided_key("as_strided", bare(input, "as_strided"), size, stride, storage_offset)
    return strided(input, **key)


def _strided_key(name: str, array: Any, size: Any, stride: Any, storage_offset: int | None) -> dict[str, Any]:
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError(f"{name}: mismatch in length of strides and shape: {list(stride)}, {list(size)}")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"{name}: Negative strides are not supported at the moment, got strides: "
                           f"{list(stride)}")  # fmt: skip
    inner = (array.shape, tuple([s // array.itemsize for s in array.strides]), 0)
    offset = 0 if storage_offset is None else storage_offset - storage(array)[1]
    return {"size": size, "stride": stride, "offset": offset, "inner": inner}


# -- with a part replaced


def _slice_key(shape: tuple[int, ...], dim: int, start: Any, end: Any, step: int) -> dict[str, Any]:
    if not shape:
        raise DimError("slice() cannot be applied to a 0-dim tensor.")
    if step < 1:
        raise RuntimeError(f"slice step must be positive, not {step}")
    dim = dim_in(dim, len(shape), "slice")
    first, last, step = slice(start, end, step).indices(shape[dim])
    return {"dim": dim, "at": slice(first, max(first, last), step)}


def _replaced(name: str, base: Any, src: Any, op: Any, key: dict[str, Any]) -> Any:
    """``base``, copied, with ``src`` where the view ``op`` sees."""
    array, part = bare(base, name), bare(src, name)
    shape = op.shape(array.shape, **key)
    if part.shape != tuple(shape):
        raise ShapeError(f"{name}: expected src to have a size equal to the slice of self. src size = "
                         f"{list(part.shape)}, slice size = {list(shape)}")  # fmt: skip
    src = src if part.dtype == array.dtype else cast(src, array.dtype)
    return copy_slices(base, src, recipe=((op, key),), order=memory_order(array))


def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy with ``src`` at ``index`` of dimension ``dim``.

    >>> rg.select_scatter(rg.tensor([[1, 2], [3, 4]]), rg.tensor([8, 9]), 0, 1)
    tensor([[1, 2],
            [8, 9]])
    """
    key = select_key("select_scatter", bare(input, "select_scatter").shape, dim, index)
    return _replaced("select_scatter", input, src, OPS["select"], key)


def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """A copy with ``src`` in the slice ``start:end:step`` of dimension ``dim``.

    >>> rg.slice_scatter(rg.tensor([1, 2, 3, 4]), rg.tensor([8, 9]), start=2)
    tensor([1, 2, 8, 9])
    """
    key = _slice_key(bare(input, "slice_scatter").shape, dim, start, end, step)
    return _replaced("slice_scatter", input, src, OPS["slice"], key)


def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy with ``src`` on the diagonal of two dimensions.

    >>> rg.diagonal_scatter(rg.tensor([[1, 2], [3, 4]]), rg.tensor([8, 9]))
    tensor([[8, 2],
            [3, 9]])
    """
    dim1, dim2 = two_dims("diagonal_scatter", bare(input, "diagonal_scatter").ndim, dim1, dim2)
    key = {"offset": offset, "dim1": dim1, "dim2": dim2}
    return _replaced("diagonal_scatter", input, src, OPS["diagonal"], key)


def as_strided_scatter(
    input: Any, src: Any, size: Any, stride: Any, storage_offset: int | None = None
) -> Any:
    """A copy with ``src`` where `as_strided` would see it.

    >>> rg.as_strided_scatter(rg.tensor([1, 2, 3, 4]), rg.tensor([8, 9]), (2,), (2,))
    tensor([8, 2, 9, 4])
    """
    key = _strided_key("as_strided_scatter", bare(input, "as_strided_scatter"), size, stride, storage_offset)
    return _replaced("as_strided_scatter", input, src, OPS["as_strided"], key)


# -- copies of views, and views in place


def copied(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function ``name``: what the view function ``fn`` gives, copied."""

    def copy(input: Any, *args: Any, **kwargs: Any) -> Any:
        seen = fn(input, *args, **kwargs)
        if isinstance(seen, tuple):
            return tuple([cloned(x, order="C") for x in seen])
        return cloned(seen, order="C")

    copy.__name__ = copy.__qualname__ = name
    copy.__doc__ = f"What `{name[: -len('_copy')]}` gives, copied into memory of its own."
    return copy


def _whole(input: Any) -> Any:
    return input


def _slice(input: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return some_of(input, **_slice_key(bare(input, "slice_copy").shape, dim, start, end, step))


alias_copy = copied(_whole, "alias_copy")
as_strided_copy = copied(as_strided, "as_strided_copy")
diagonal_copy = copied(diagonal, "diagonal_copy")
expand_copy = copied(expand, "expand_copy")
permute_copy = copied(permute, "permute_copy")
select_copy = copied(select, "select_copy")
slice_copy = copied(_slice, "slice_copy")
squeeze_copy = copied(squeeze, "squeeze_copy")
t_copy = copied(t, "t_copy")
transpose_copy = copied(transpose, "transpose_copy")
unfold_copy = copied(unfold, "unfold_copy")
unsqueeze_copy = copied(unsqueeze, "unsqueeze_copy")
view_copy = copied(view, "view_copy")


def narrow_copy(input: Any, dim: int, start: int, length: int) -> Any:
    """What `narrow` gives, copied into memory of its own."""
    ndim = bare(input, "narrow_copy").ndim
    if ndim and dim >= ndim:
        raise RuntimeError("narrow_copy: Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, "
                           f"but got false.  dim is {dim}, the tensor has {ndim} dimensions")  # fmt: skip
    if length < 0:
        raise RuntimeError(f"narrow_copy: start ({start}) + length ({length}) exceeds dimension size "
                           f"({input.shape[dim]}).")  # fmt: skip
    return cloned(narrow(input, dim, start, length), order="C")


def relaid(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The in-place form ``name`` of the view function ``fn``: the tensor becomes the view, its memory stays.

    What the tensor was lives on as the hidden base of the view that it has become, so that views made of it
    before keep their meaning.
    """

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        check_history(self, name)
        if type(self.edge) is Leaf:  # and nothing is recorded: it stays a leaf, of another shape
            self.array = fn(self, *args, **kwargs).array
            return self
        was = self if type(self._view) is View else wrap(self.array, self.edge)
        with Switch(record=True):  # the history must follow the shape, whether or not anything is recorded
            seen = fn(was, *args, **kwargs)
        _move_retained(self, seen.edge)
        self.array, self.edge, self._view = seen.array, seen.edge, seen._view
        return self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of `{name[:-1]}`: the same memory, seen otherwise by the same tensor."
    return method


def resize_(self: Any, *sizes: Any, memory_format: Any = None) -> Any:
    """Give this tensor another shape and as many elements as that takes; new ones have any value.

    >>> rg.tensor([1, 2, 3, 4]).resize_(2)
    tensor([1, 2])
    """
    shape = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    if self.requires_grad:
        raise RuntimeError("resize_: cannot resize variables that require grad; use reshape, or index")
    if any(n < 0 for n in shape):
        raise RuntimeError(f"resize_: Trying to create tensor with negative dimension in {list(shape)}")
    flat, count = self.array.ravel(), math.prod(shape)
    if count > flat.size:
        flat = np.concatenate([flat, np.zeros(count - flat.size, flat.dtype)])
    self.array = flat[:count].reshape(shape)
    return self


def resize_as_(self: Any, other: Any, *, memory_format: Any = None) -> Any:
    """Give this tensor the shape of ``other``; see `resize_`."""
    return resize_(self, other.array.shape)


METHODS = {
    "as_strided": as_strided, "as_strided_": relaid(as_strided, "as_strided_"),
    "as_strided_scatter": as_strided_scatter, "diagonal_scatter": diagonal_scatter,
    "narrow_copy": narrow_copy, "resize_": resize_, "resize_as_": resize_as_,
    "select_scatter": select_scatter, "slice_scatter": slice_scatter, "squeeze_": relaid(squeeze, "squeeze_"),
    "swapaxes_": relaid(transpose, "swapaxes_"), "swapdims_": relaid(transpose, "swapdims_"),
    "t_": relaid(t, "t_"), "transpose_": relaid(transpose, "transpose_"), "unfold": unfold,
    "unsqueeze_": relaid(unsqueeze, "unsqueeze_"),
}  # fmt: skip
