"""Joining and splitting: several tensors as one, one tensor as several.

`cat` and `split` are each other's gradient, and so are `stack` and `unbind`: splitting is one node with many
results, whose gradient is one concatenation. Start reading at `joined` and `divided`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.declare import linear
from regrad.errors import DimError, ShapeError
from regrad.graph.value import Value, wrap
from regrad.ops.core import expand_to
from regrad.ops.layout import copied
from regrad.ops.shaping import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    bare,
    narrow,
    part,
    ravel,
    reshape,
    some_of,
    with_ones,
)  # fmt: skip
from regrad.shapes import dim_in

__all__ = [
    "block_diag", "cartesian_prod", "cat", "chunk", "column_stack", "combinations", "concat", "concatenate",
    "dsplit", "dstack", "hsplit", "hstack", "meshgrid", "row_stack", "split", "split_copy",
    "split_with_sizes", "split_with_sizes_copy", "stack", "tensor_split", "unbind", "unbind_copy",
    "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes", "vsplit", "vstack",
]  # fmt: skip


# -- several as one


def _counts(shape: tuple[int, ...]) -> bool:
    """Does a tensor of this shape add anything? PyTorch lets empty vectors stand in any concatenation."""
    return shape != (0,)


def _cat_shape(*xs: Any, dim: int) -> tuple[int, ...]:
    full = [x for x in xs if _counts(x)] or [xs[0]]
    return (*full[0][:dim], sum(x[dim] for x in full), *full[0][dim + 1 :])


@linear(xs=lambda g, xs_shape, *, dim: pieces_of(g, xs_shape, dim), shape=_cat_shape, dtype="promote",
        conjugate=False, name="cat")  # fmt: skip
def joined(*xs, dim):
    """The arrays one after another along ``dim``."""
    try:
        return np.concatenate(xs, dim)
    except ValueError:
        full = [x for x in xs if _counts(x.shape)]
        if len(full) < len(xs) and full:
            return joined(*full, dim=dim)
        raise _misfit(xs, dim) from None


def _misfit(xs: Sequence[Any], dim: int) -> Exception:
    """Why the arrays cannot be concatenated."""
    for k, x in enumerate(xs):
        if x.ndim != xs[0].ndim:
            return ShapeError(f"cat: Tensors must have same number of dimensions: got {xs[0].ndim} and "
                              f"{x.ndim}, for shapes {list(xs[0].shape)} and {list(x.shape)}")  # fmt: skip
        for d, (m, n) in enumerate(zip(xs[0].shape, x.shape)):
            if m != n and d != dim:
                return ShapeError(f"cat: Sizes of tensors must match except in dimension {dim}. Expected "
                                  f"size {m} but got size {n} for tensor number {k} in the list, of shape "
                                  f"{list(x.shape)}. Join along another dim, or cut and pad to one size.")
    return ShapeError(f"cat: cannot concatenate {[list(x.shape) for x in xs]} along {dim}")


def pieces_of(g: Any, shapes: Sequence[tuple[int, ...]], dim: int) -> list[Any]:
    """``g`` cut along ``dim`` into pieces of ``shapes``, which were joined to its shape."""
    sizes = tuple([s[dim] if len(s) > dim and (_counts(s) or g.ndim == 1) else 0 for s in shapes])
    pieces = divided(g, sizes=sizes, dim=dim)
    return [p if len(s) == g.ndim else reshape(p, s) for p, s in zip(pieces, shapes)]


def _list_of(name: str, tensors: Any, error: type[Exception] = RuntimeError) -> Sequence[Any]:
    """The tensors of an argument that takes a list of them."""
    if isinstance(tensors, (Value, np.ndarray)):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor; "
                        "put it in a list")  # fmt: skip
    found = tuple(tensors)
    if not found:
        raise error(f"{name}(): expected a non-empty list of Tensors")
    return found


def cat(tensors: Any, dim: int = 0) -> Any:
    """The tensors one after another along ``dim``; their other sizes agree. Dtypes are promoted.

    >>> rg.cat([rg.tensor([1, 2]), rg.tensor([3])])
    tensor([1, 2, 3])
    """
    tensors = _list_of("cat", tensors, ValueError)
    shapes = [bare(x, "cat").shape for x in tensors]
    if () in shapes:
        raise RuntimeError(f"cat: zero-dimensional tensor (at position {shapes.index(())}) cannot be "
                           "concatenated; use stack")  # fmt: skip
    ndim = len(next((s for s in shapes if _counts(s)), shapes[0]))
    return joined(*tensors, dim=dim_in(dim, ndim, "cat"))


concat = concatenate = cat


def _stack_shape(*xs: Any, dim: int) -> tuple[int, ...]:
    return (*xs[0][:dim], len(xs), *xs[0][dim:])


@linear(xs=lambda g, *, dim: taken_apart(g, dim=dim), shape=_stack_shape, dtype="promote", conjugate=False,
        name="stack")  # fmt: skip
def stacked(*xs, dim):
    """The arrays, all of one shape, side by side along a new dimension ``dim``."""
    for k, x in enumerate(xs):
        if x.shape != xs[0].shape:
            raise ShapeError(f"stack expects each tensor to be equal size, but got {list(xs[0].shape)} at "
                             f"entry 0 and {list(x.shape)} at entry {k}; pad them to one size, or join "
                             "them along a dimension that they have with cat")
    return np.stack(xs, dim)


def stack(tensors: Any, dim: int = 0) -> Any:
    """The tensors, all of one shape, side by side along a new dimension ``dim``. Dtypes are promoted.

    >>> rg.stack([rg.tensor([1, 2]), rg.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    tensors = _list_of("stack", tensors)
    return stacked(*tensors, dim=dim_in(dim, bare(tensors[0], "stack").ndim + 1, "stack"))


def hstack(tensors: Any) -> Any:
    """The tensors side by side: along dimension 1, vectors along dimension 0.

    >>> rg.hstack([rg.tensor([1, 2]), rg.tensor([3])])
    tensor([1, 2, 3])
    """
    tensors = [atleast_1d(x) for x in _list_of("hstack", tensors)]
    return cat(tensors, 0 if bare(tensors[0], "hstack").ndim == 1 else 1)


def vstack(tensors: Any) -> Any:
    """The tensors on top of each other: along dimension 0, vectors as rows.

    >>> rg.vstack([rg.tensor([1, 2]), rg.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat([atleast_2d(x) for x in _list_of("vstack", tensors)], 0)


row_stack = vstack


def dstack(tensors: Any) -> Any:
    """The tensors behind each other: along dimension 2.

    >>> rg.dstack([rg.tensor([1, 2]), rg.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    return cat([atleast_3d(x) for x in _list_of("dstack", tensors)], 2)


def column_stack(tensors: Any) -> Any:
    """The tensors side by side along dimension 1, vectors as columns.

    >>> rg.column_stack([rg.tensor([1, 2]), rg.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    name = "column_stack"
    return cat([reshape(x, (-1, 1)) if bare(x, name).ndim < 2 else x for x in _list_of(name, tensors)], 1)


def _as_matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    return (*(1,) * (2 - len(shape)), *shape)  # type: ignore[return-value]


def _blocks_shape(*xs: Any) -> tuple[int, int]:
    sizes = [_as_matrix(x) for x in xs]
    return sum(m for m, _ in sizes), sum(n for _, n in sizes)


@linear(xs=lambda g, xs_shape: blocks_of(g, xs_shape), shape=_blocks_shape, dtype="promote", conjugate=False,
        name="block_diag")  # fmt: skip
def blocks(*xs):
    """A matrix of zeros with the arrays along its diagonal."""
    out = np.zeros(_blocks_shape(*[x.shape for x in xs]), xs[0].dtype)
    row = column = 0
    for x in xs:
        m, n = _as_matrix(x.shape)
        out[row : row + m, column : column + n] = x
        row, column = row + m, column + n
    return out


def blocks_of(g: Any, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """The blocks of ``shapes`` along the diagonal of ``g``."""
    found, row, column = [], 0, 0
    for shape in shapes:
        m, n = _as_matrix(shape)
        found.append(reshape(narrow(narrow(g, 0, row, m), 1, column, n), shape))
        row, column = row + m, column + n
    return found


def block_diag(*tensors: Any) -> Any:
    """A matrix of zeros with the tensors (matrices; a vector is a row) along its diagonal.

    >>> rg.block_diag(rg.tensor([[1, 2]]), rg.tensor([[3]]))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    for k, x in enumerate(tensors):
        if bare(x, "block_diag").ndim > 2:
            raise RuntimeError(f"block_diag: Input tensors must have 2 or fewer dimensions. Input {k} has "
                               f"{x.ndim} dimensions")  # fmt: skip
    if not tensors:
        return wrap(np.zeros((1, 0), dtypes.to_numpy(dtypes.get_default_dtype())))
    return blocks(*tensors)


# -- one as several


def _divided_shapes(x: Any, *, sizes: Any, dim: int) -> list[tuple[int, ...]]:
    return [(*x[:dim], n, *x[dim + 1 :]) for n in sizes]


def _pieces(x: Any, *, sizes: Any, dim: int) -> list[Any]:
    stops = itertools.accumulate(sizes)
    return [x[part(dim, slice(stop - n, stop))] for n, stop in zip(sizes, stops, strict=True)]


@linear(x=lambda g, x_shape, *, sizes, dim: rejoined(g, x_shape, sizes, dim), shape=_divided_shapes,
        several=True, view=True, conjugate=False, name="split")  # fmt: skip
def divided(x, *, sizes, dim):
    """``x`` cut along ``dim`` into pieces of ``sizes``."""
    return _pieces(x, sizes=sizes, dim=dim)


@linear(x=lambda g, x_shape, *, sizes, dim: rejoined(g, x_shape, sizes, dim), shape=_divided_shapes,
        several=True, conjugate=False, name="unsafe_split")  # fmt: skip
def cut_loose(x, *, sizes, dim):
    """The pieces of `divided`, in the same memory, of which the graph does not know that they are views."""
    return _pieces(x, sizes=sizes, dim=dim)


@linear(x=lambda g, x_shape, *, dim: restacked(g, x_shape, dim),
        shape=lambda x, *, dim: [(*x[:dim], *x[dim + 1 :])] * x[dim], several=True, view=True,
        conjugate=False, name="unbind")  # fmt: skip
def taken_apart(x, *, dim):
    """The slices of ``x`` along ``dim``, which is gone from them."""
    return [x[part(dim, k)] for k in range(x.shape[dim])]


def rejoined(gs: Sequence[Any], shape: tuple[int, ...], sizes: tuple[int, ...], dim: int) -> Any:
    """The pieces one after another; None stands for a piece of zeros."""
    if any(g is None for g in gs):
        return joined_with_gaps(*gs, shape=shape, sizes=sizes, dim=dim)
    return joined(*gs, dim=dim)


def restacked(gs: Sequence[Any], shape: tuple[int, ...], dim: int) -> Any:
    """The slices side by side; None stands for a slice of zeros."""
    if any(g is None for g in gs):
        thick = [None if g is None else with_ones(g, dims=(dim,)) for g in gs]
        return joined_with_gaps(*thick, shape=shape, sizes=(1,) * len(gs), dim=dim)
    return stacked(*gs, dim=dim)


@linear(xs=lambda g, *, shape, sizes, dim: divided(g, sizes=sizes, dim=dim),
        shape=lambda *xs, shape, sizes, dim: tuple(shape), conjugate=False)  # fmt: skip
def joined_with_gaps(*xs, shape, sizes, dim):
    """The arrays one after another along ``dim``, to ``shape``; a None is as many zeros as ``sizes`` says."""
    out = np.zeros(shape, next(x.dtype for x in xs if x is not None))
    for x, seen in zip(xs, _pieces(out, sizes=sizes, dim=dim), strict=True):
        if x is not None:
            seen[...] = x
    return out


def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """The slices along ``dim``, as a tuple.

    >>> rg.unbind(rg.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    ndim = bare(input, "unbind").ndim
    if not ndim:
        raise DimError(f"unbind: Dimension specified as {dim} but tensor has no dimensions")
    return tuple(taken_apart(input, dim=dim_in(dim, ndim, "unbind")))


def _even(name: str, input: Any, size: int, dim: int) -> dict[str, Any]:
    """The parameters of `divided` for pieces of ``size``, the last one smaller."""
    shape = bare(input, name).shape
    if not shape:
        raise RuntimeError(f"{name}: split expects at least a 1-dimensional tensor")
    if size < 0:
        raise RuntimeError(f"{name}: split expects split_size be non-negative, but got split_size={size}")
    dim = dim_in(dim, len(shape), name)
    n = shape[dim]
    if not size and n:
        raise RuntimeError(f"{name}: split_size can only be 0 if dimension size is 0, but got dimension size "
                           f"of {n}")  # fmt: skip
    count = max(1, -(-n // size)) if size else 1
    return {"sizes": (*(size,) * (count - 1), n - size * (count - 1)), "dim": dim}


def _given(name: str, input: Any, sizes: Any, dim: int) -> dict[str, Any]:
    """The parameters of `divided` for pieces of the given ``sizes``."""
    shape, sizes = bare(input, name).shape, tuple(sizes)
    if not shape:
        raise RuntimeError(f"{name}: split_with_sizes expects at least a 1-dimensional tensor")
    dim = dim_in(dim, len(shape), name)
    if any(n < 0 for n in sizes):
        raise RuntimeError(f"{name}: split_with_sizes expects split_sizes have only non-negative entries, "
                           f"but got split_sizes={list(sizes)}")  # fmt: skip
    if sum(sizes) != shape[dim]:
        raise RuntimeError(f"{name}: split_with_sizes expects split_sizes to sum exactly to {shape[dim]} "
                           f"(input tensor's size at dimension {dim}), but got "
                           f"split_sizes={list(sizes)}")  # fmt: skip
    return {"sizes": sizes, "dim": dim}


def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """The tensor cut along ``dim`` into pieces of one size (the last may be smaller), or of the listed sizes.

    >>> rg.split(rg.tensor([1, 2, 3]), 2)
    (tensor([1, 2]), tensor([3]))
    """
    cut = _given if isinstance(split_size_or_sections, (tuple, list)) else _even
    return tuple(divided(tensor, **cut("split", tensor, split_size_or_sections, dim)))


def split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    """The tensor cut along ``dim`` into pieces of the given sizes.

    >>> rg.split_with_sizes(rg.tensor([1, 2, 3]), [1, 2])
    (tensor([1]), tensor([2, 3]))
    """
    return tuple(divided(input, **_given("split_with_sizes", input, split_sizes, dim)))


def _chunked(name: str, input: Any, chunks: int, dim: int) -> dict[str, Any]:
    shape = bare(input, name).shape
    if not shape:
        raise RuntimeError(f"{name}: chunk expects at least a 1-dimensional tensor")
    if chunks < 1:
        raise RuntimeError(f"{name}: chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim = dim_in(dim, len(shape), name)
    if not shape[dim]:
        return {"sizes": (0,) * chunks, "dim": dim}
    return _even(name, input, -(-shape[dim] // chunks), dim)


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """The tensor cut along ``dim`` into ``chunks`` pieces of one size; the last may be smaller, or missing.

    >>> rg.chunk(rg.tensor([1, 2, 3]), 2)
    (tensor([1, 2]), tensor([3]))
    """
    return tuple(divided(input, **_chunked("chunk", input, chunks, dim)))


def unsafe_chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """`chunk`, with pieces that may be written to: the whole must not be used after that."""
    return tuple(cut_loose(input, **_chunked("unsafe_chunk", input, chunks, dim)))


def unsafe_split(tensor: Any, split_size: int, dim: int = 0) -> tuple[Any, ...]:
    """`split`, with pieces that may be written to: the whole must not be used after that."""
    return tuple(cut_loose(tensor, **_even("unsafe_split", tensor, split_size, dim)))


def unsafe_split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    """`split_with_sizes`, with pieces that may be written to: the whole must not be used after that."""
    return tuple(cut_loose(input, **_given("unsafe_split_with_sizes", input, split_sizes, dim)))


split_copy = copied(split, "split_copy")
split_with_sizes_copy = copied(split_with_sizes, "split_with_sizes_copy")
unbind_copy = copied(unbind, "unbind_copy")


def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """The tensor cut along ``dim`` before each of the indices, or into so many pieces of about one size.

    >>> rg.tensor_split(rg.tensor([1, 2, 3]), 2)
    (tensor([1, 2]), tensor([3]))
    """
    return _split_at("tensor_split", input, indices_or_sections, dim)


def _split_at(name: str, input: Any, at: Any, dim: int) -> tuple[Any, ...]:
    shape = bare(input, name).shape
    if not shape:
        raise RuntimeError(f"{name}: tensor_split expected at least a 1-dimensional tensor, but got a tensor "
                           "with 0 dims")  # fmt: skip
    dim = dim_in(dim, len(shape), name)
    if isinstance(at, Value):
        if at.array.dtype != np.int64 or at.array.ndim > 1:
            raise RuntimeError(f"{name}: tensor_split expected tensor_indices_or_sections to be a "
                               "zero-dimensional or one-dimensional tensor of int64, but got "
                               f"{list(at.array.shape)} of {at.array.dtype}")  # fmt: skip
        at = at.array.tolist()
    if isinstance(at, int):
        if at < 1:
            raise RuntimeError(f"{name}: number of sections must be larger than 0, got {at}")
        small, more = divmod(shape[dim], at)
        at = [k * small + min(k, more) for k in range(1, at)]
    keys = [slice(*slice(a, b).indices(shape[dim])) for a, b in itertools.pairwise([0, *at, None])]
    return tuple([some_of(input, dim=dim, at=slice(k.start, max(k.start, k.stop))) for k in keys])


def _split_along(name: str, least: int) -> Callable[..., Any]:
    def fn(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
        shape = bare(input, name).shape
        if len(shape) < least:
            raise RuntimeError(f"regrad.{name} requires a tensor with at least {least} "
                               f"dimension{'s' * (least > 1)}, but got a tensor with {len(shape)} "
                               "dimensions!")  # fmt: skip
        dim = {"hsplit": min(len(shape) - 1, 1), "vsplit": 0, "dsplit": 2}[name]
        if isinstance(indices_or_sections, int):
            if not indices_or_sections or shape[dim] % indices_or_sections:
                raise RuntimeError(f"regrad.{name} attempted to split along dimension {dim}, but the size of "
                                   f"the dimension {shape[dim]} is not divisible by the split_size "
                                   f"{indices_or_sections}!")  # fmt: skip
        elif not isinstance(indices_or_sections, (tuple, list)):
            raise TypeError(f"{name}() received an invalid combination of arguments. indices_or_sections is "
                            "a number or a list of indices, not "
                            f"{type(indices_or_sections).__name__}")  # fmt: skip
        return _split_at(name, input, indices_or_sections, dim)

    fn.__name__ = fn.__qualname__ = name
    return fn


hsplit = _split_along("hsplit", 1)
hsplit.__doc__ = "`tensor_split` along dimension 1, of a vector along 0; a number of sections must fit."
vsplit = _split_along("vsplit", 2)
vsplit.__doc__ = "`tensor_split` along dimension 0; a number of sections must fit."
dsplit = _split_along("dsplit", 3)
dsplit.__doc__ = "`tensor_split` along dimension 2; a number of sections must fit."


# -- all pairs


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """The coordinates of a grid: each vector stretched over a dimension of its own, without copying.

    With ``indexing="xy"`` the first two dimensions change places.

    >>> rows, columns = rg.meshgrid(rg.tensor([1, 2]), rg.tensor([3, 4, 5]))
    >>> columns
    tensor([[3, 4, 5],
            [3, 4, 5]])
    """
    tensors = tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    arrays = [bare(x, "meshgrid") for x in tensors]
    for a in arrays:
        if a.ndim > 1:
            raise RuntimeError("meshgrid: Expected 0D or 1D tensor in the tensor list but got one of shape "
                               f"{list(a.shape)}")  # fmt: skip
        if a.dtype != arrays[0].dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype, but got "
                               f"{arrays[0].dtype} and {a.dtype}")  # fmt: skip
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be one of \"xy\" or \"ij\", but received: {indexing}")
    count = len(arrays)
    places = [1, 0, *range(2, count)] if indexing == "xy" and count > 1 else range(count)
    shape = tuple([arrays[k].size for k in places])
    lined = [reshape(x, (*(1,) * d, -1, *(1,) * (count - d - 1))) for x, d in zip(tensors, places)]
    return tuple([expand_to(x, shape=shape) for x in lined])


def cartesian_prod(*tensors: Any) -> Any:
    """Every combination of an element of each vector, one a row.

    >>> rg.cartesian_prod(rg.tensor([1, 2]), rg.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    for x in tensors:
        if bare(x, "cartesian_prod").ndim != 1:
            raise RuntimeError(f"cartesian_prod: Expect a 1D vector, but got shape {list(x.shape)}")
    return tensors[0] if len(tensors) == 1 else stack([ravel(x) for x in meshgrid(*tensors)], 1)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """Every choice of ``r`` elements of a vector, in order, one a row.

    >>> rg.combinations(rg.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    from regrad.ops.indexing import index_select

    array = bare(input, "combinations")
    if array.ndim != 1:
        raise RuntimeError(f"combinations: Expect a 1D vector, but got shape {list(array.shape)}")
    if r < 0:
        raise RuntimeError(f"combinations: Expect a non-negative number, but got {r}")
    if not r:
        return wrap(np.empty(0, array.dtype))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(array.size), r)), np.int64).reshape(-1, r)
    return reshape(index_select(input, 0, wrap(rows.ravel())), rows.shape)


METHODS = {
    "chunk": chunk, "dsplit": dsplit, "hsplit": hsplit,
    "split": lambda self, split_size, dim=0: split(self, split_size, dim),
    "split_with_sizes": split_with_sizes, "tensor_split": tensor_split, "unbind": unbind,
    "unsafe_chunk": unsafe_chunk, "unsafe_split": unsafe_split,
    "unsafe_split_with_sizes": unsafe_split_with_sizes, "vsplit": vsplit,
}  # fmt: skip
