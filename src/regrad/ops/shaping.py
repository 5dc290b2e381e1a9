"""Shaping: the same elements seen with another shape, in another order, or repeated.

Most of these are views: the result shares its input's memory, and writing through it changes the input and
its history (`regrad.ops.writing`). A declared op takes dimensions counted from the front and complete sizes;
the public function below it brings what the user wrote into that form. Start reading at `seen_as`, then
`one_of` and `embed`. How memory is laid out, and other forms of views, are in `regrad.ops.layout`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from operator import index as as_index
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import linear
from regrad.errors import DimError, ShapeError
from regrad.graph.value import Value, root, wrap
from regrad.ops.arguments import not_a_tensor
from regrad.ops.core import cast, expand_to, sum_to
from regrad.shapes import dim_in, dims_in

__all__ = [
    "adjoint", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors",
    "broadcast_to", "clone", "diag", "diag_embed", "diagflat", "diagonal", "flatten", "flip", "fliplr",
    "flipud", "moveaxis", "movedim", "narrow", "permute", "ravel", "repeat_interleave", "reshape", "roll",
    "rot90", "select", "squeeze", "swapaxes", "swapdims", "t", "tile", "transpose", "tril", "triu",
    "unflatten", "unsqueeze",
]  # fmt: skip


# -- what public functions are given


def bare(x: Any, name: str) -> Any:
    """The array of a tensor, or the array itself."""
    if isinstance(x, Value):
        return x.array
    if isinstance(x, (np.ndarray, np.generic)):
        return x
    raise not_a_tensor(name, "input", 1, x)


def spread(fn: Callable[..., Any]) -> Callable[..., Any]:
    """``fn(input, sizes)`` that also takes the sizes one by one: ``x.view(2, 3)`` for ``x.view((2, 3))``."""

    @functools.wraps(fn)
    def call(input: Any, *sizes: Any, **named: Any) -> Any:
        if named or (len(sizes) == 1 and isinstance(sizes[0], (tuple, list))):
            return fn(input, *sizes, **named)
        return fn(input, sizes)

    return call


def _resolved(name: str, sizes: Sequence[Any], count: int) -> tuple[int, ...]:
    """``sizes`` with a -1 replaced by what makes ``count`` elements."""
    shape = tuple([n if type(n) is int else as_index(n) for n in sizes])
    known, hole = 1, -1
    for d, n in enumerate(shape):
        if n >= 0:
            known *= n
        elif n < -1:
            raise ShapeError(f"{name}: invalid shape dimension {n} in {list(shape)}; sizes are 0 or more, or "
                             "-1 once")  # fmt: skip
        elif hole >= 0:
            raise ShapeError(f"{name}: only one dimension can be inferred, and {list(shape)} has several -1")
        else:
            hole = d
    if hole < 0 and known == count:
        return shape
    if hole >= 0 and known and count % known == 0:
        return (*shape[:hole], count // known, *shape[hole + 1 :])
    if hole >= 0 and not known and not count:
        raise ShapeError(f"{name}: cannot reshape tensor of 0 elements into shape {list(shape)} because the "
                         "unspecified dimension size -1 can be any value and is ambiguous; write the size "
                         "out")  # fmt: skip
    hint = f"{count} is no multiple of {known}" if hole >= 0 else f"that makes {known}; one may be -1, for what is left"
    raise ShapeError(f"{name}: shape '{list(shape)}' is invalid for input of size {count}: {hint}")


def asked(_: Any, *, shape: Any, **__: Any) -> tuple[int, ...]:
    """The shape rule of an op that is told the shape."""
    return tuple(shape)


# -- sizes


@linear(x=lambda g, x_shape: reshape(g, x_shape), shape=asked, view=True, conjugate=False, name="view")
def seen_as(x, *, shape):
    """The elements of ``x``, in order, with another shape: a view."""
    out = x.reshape(shape)
    if not x.flags.c_contiguous and root(out) is not root(x):
        raise ShapeError("view: view size is not compatible with input tensor's size and stride (at least "
                         f"one dimension spans across two contiguous subspaces): {list(x.shape)} with "
                         f"strides {[s // x.itemsize for s in x.strides]} as {list(shape)}. Use "
                         ".reshape(...) instead.")  # fmt: skip
    return out


@linear(x=lambda g, x_shape: reshape(g, x_shape), shape=asked, conjugate=False, name="unsafe_view",
        grad_name="UnsafeViewBackward0")  # fmt: skip
def moved_into(x, *, shape):
    """The elements of ``x``, in order, copied into another shape."""
    return x.reshape(shape) if not x.flags.c_contiguous else x.reshape(shape).copy()


@spread
def view(input: Any, size: Any = None, *, dtype: Any = None) -> Any:
    """The same memory seen with another shape, in which one size may be -1.

    Raises where the strides do not allow it without a copy: `reshape` copies then. Given a dtype, the same
    bytes seen as that dtype.

    >>> rg.tensor([1, 2, 3, 4, 5, 6]).view(2, -1)
    tensor([[1, 2, 3],
            [4, 5, 6]])
    """
    if isinstance(size, tuple) and len(size) == 1 and isinstance(size[0], dtypes.dtype):
        dtype = size[0]
    if dtype is not None:
        return wrap(_bytes_as(input.array, dtypes.to_numpy(dtype)))
    return seen_as(input, shape=_resolved("view", size, bare(input, "view").size))


def _bytes_as(array: Any, dtype: Any) -> Any:
    try:
        return array.view(dtype)
    except ValueError as error:
        raise ShapeError(f"view: {list(array.shape)} of {array.dtype} cannot be seen as {dtype}: the last "
                         "dimension must be contiguous (stride 1) and its bytes a whole number of elements; "
                         "try .contiguous()") from error  # fmt: skip


@spread
def reshape(input: Any, shape: Any) -> Any:
    """The same elements with another shape, in which one size may be -1: a view where possible, else a copy.

    >>> rg.reshape(rg.tensor([[1, 2], [3, 4]]), (4,))
    tensor([1, 2, 3, 4])
    """
    array = bare(input, "reshape")
    shape = _resolved("reshape", shape, array.size)
    if array is input:
        return array.reshape(shape)
    if array.flags.c_contiguous or root(array.reshape(shape)) is root(array):
        return seen_as(input, shape=shape)
    return moved_into(input, shape=shape)


def view_as(input: Any, other: Any) -> Any:
    """The same memory seen with the shape of ``other``.

    >>> rg.tensor([1, 2, 3, 4]).view_as(rg.tensor([[0, 0], [0, 0]]))
    tensor([[1, 2],
            [3, 4]])
    """
    return view(input, bare(other, "view_as").shape)


def reshape_as(input: Any, other: Any) -> Any:
    """The same elements with the shape of ``other``: a view where possible, else a copy.

    >>> rg.tensor([1, 2, 3, 4]).reshape_as(rg.tensor([[0, 0], [0, 0]]))
    tensor([[1, 2],
            [3, 4]])
    """
    return reshape(input, bare(other, "reshape_as").shape)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The dimensions from ``start_dim`` to ``end_dim`` as one.

    >>> rg.flatten(rg.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    shape = bare(input, "flatten").shape
    first, last = dim_in(start_dim, len(shape), "flatten"), dim_in(end_dim, len(shape), "flatten")
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim; got "
                           f"{start_dim} and {end_dim}")  # fmt: skip
    if not shape:
        return reshape(input, (1,))
    if first == last:
        return input
    return reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def ravel(input: Any) -> Any:
    """All the elements in one dimension.

    >>> rg.ravel(rg.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    array = bare(input, "ravel")
    return reshape(input if array.flags.c_contiguous else contiguous(input), (array.size,))


def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """Dimension ``dim`` unrolled into several of the given ``sizes``, one of which may be -1.

    >>> rg.unflatten(rg.tensor([1, 2, 3, 4]), 0, (2, 2))
    tensor([[1, 2],
            [3, 4]])
    """
    shape = bare(input, "unflatten").shape
    dim = dim_in(dim, len(shape), "unflatten")
    if not shape:
        raise RuntimeError("unflatten: the tensor has no dimensions to unroll; use reshape")
    if not len(sizes):
        raise RuntimeError("unflatten: sizes must be non-empty")
    try:
        parts = _resolved("unflatten", sizes, shape[dim])
    except ShapeError as error:
        if "inferred" in str(error):
            raise
        raise ShapeError(f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim "
                         f"{dim} ({shape[dim]}) in the input tensor") from error  # fmt: skip
    return view(input, (*shape[:dim], *parts, *shape[dim + 1 :]))


def _squeezed(x: Any, *, dims: Any) -> tuple[int, ...]:
    return tuple(n for d, n in enumerate(x) if d not in dims)


def _unsqueezed(x: Any, *, dims: Any) -> tuple[int, ...]:
    rest = iter(x)
    return tuple(1 if d in dims else next(rest) for d in range(len(x) + len(dims)))


@linear(x=lambda g, *, dims: without(g, dims=dims), shape=_unsqueezed, view=True, conjugate=False,
        name="unsqueeze")  # fmt: skip
def with_ones(x, *, dims):
    """``x`` with dimensions of size one put in, which are then the numbers ``dims``."""
    return x[(*[None if d in dims else _ALL for d in range(dims[-1] + 1)], ...)] if dims else x.view()


@linear(x=lambda g, *, dims: with_ones(g, dims=dims), shape=_squeezed, view=True, conjugate=False,
        name="squeeze")  # fmt: skip
def without(x, *, dims):
    """``x`` without the dimensions ``dims``, all of size one."""
    return x.squeeze(dims)


def unsqueeze(input: Any, dim: int) -> Any:
    """A dimension of size one put in, which is then number ``dim``.

    >>> rg.unsqueeze(rg.tensor([1, 2]), 1)
    tensor([[1],
            [2]])
    """
    return with_ones(input, dims=(dim_in(dim, bare(input, "unsqueeze").ndim + 1, "unsqueeze"),))


def squeeze(input: Any, dim: Any = None) -> Any:
    """Without the dimensions of size one: all of them, or those among ``dim`` (a number or several).

    >>> rg.squeeze(rg.tensor([[[1, 2]]]), 0)
    tensor([[1, 2]])
    """
    shape = bare(input, "squeeze").shape
    return without(input, dims=tuple(d for d in dims_in(dim, len(shape), "squeeze") if shape[d] == 1))


@spread
def expand(input: Any, size: Any, *, implicit: bool = False) -> Any:
    """Stretched over new leading dimensions and dimensions of size one, without copying; -1 keeps a size.

    >>> rg.tensor([[1], [2]]).expand(2, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    return expand_to(input, shape=_stretched("expand", bare(input, "expand").shape, size))


def _stretched(name: str, old: tuple[int, ...], sizes: Any) -> tuple[int, ...]:
    sizes = tuple([as_index(n) for n in sizes])
    lead = len(sizes) - len(old)
    if lead < 0:
        raise ShapeError(f"{name}: the number of sizes provided ({len(sizes)}) must be greater or equal to "
                         f"the number of dimensions in the tensor ({len(old)}); got {list(sizes)} for "
                         f"{list(old)}")  # fmt: skip
    for d, n in enumerate(sizes):
        if n == -1 and d < lead:
            raise ShapeError(f"{name}: The expanded size of the tensor (-1) isn't allowed in a leading, "
                             f"non-existing dimension {d}")  # fmt: skip
        if n < -1 or (d >= lead and n != -1 and old[d - lead] not in (1, n)):
            raise ShapeError(f"{name}: The expanded size of the tensor ({n}) must match the existing size "
                             f"({old[d - lead] if d >= lead else 'none'}) at non-singleton dimension {d}.  "
                             f"Target sizes: {list(sizes)}.  Tensor sizes: {list(old)}")  # fmt: skip
    return tuple([old[d - lead] if n == -1 else n for d, n in enumerate(sizes)])


def expand_as(input: Any, other: Any) -> Any:
    """Stretched to the shape of ``other``, without copying.

    >>> rg.tensor([1, 2]).expand_as(rg.tensor([[0, 0], [0, 0]]))
    tensor([[1, 2],
            [1, 2]])
    """
    return expand(input, bare(other, "expand_as").shape)


@spread
def broadcast_to(input: Any, size: Any) -> Any:
    """Broadcast to ``size``, without copying.

    >>> rg.broadcast_to(rg.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return expand(input, size)


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """The tensors broadcast to one shape, without copying.

    >>> a, b = rg.broadcast_tensors(rg.tensor([1, 2]), rg.tensor([[3], [4]]))
    >>> b
    tensor([[3, 3],
            [4, 4]])
    """
    tensors = tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    shape = shapes.broadcast(*[bare(x, "broadcast_tensors").shape for x in tensors])
    return tuple([x if bare(x, "").shape == shape else expand_to(x, shape=shape) for x in tensors])


def broadcast_shapes(*sizes: Any) -> shapes.Size:
    """The shape that ``sizes`` broadcast to.

    >>> rg.broadcast_shapes((2, 1), (3,))
    regrad.Size([2, 3])
    """
    return shapes.Size(shapes.broadcast(*[(s,) if isinstance(s, int) else tuple(s) for s in sizes]))


@spread
def sum_to_size(input: Any, size: Any) -> Any:
    """Summed over the dimensions that broadcasting ``size`` to this shape would add or stretch.

    >>> rg.tensor([[1, 2], [3, 4]]).sum_to_size(1, 2)
    tensor([[4, 6]])
    """
    array, size = bare(input, "sum_to_size"), tuple(size)
    old = array.shape
    if len(size) > len(old) or any(n not in (1, m) for n, m in zip(reversed(size), reversed(old))):
        raise ShapeError(f"sum_to_size: size {list(size)} is not expandable to size {list(old)}.")
    if size == old and old:
        return input
    return sum_to(cast(input, np.dtype(np.int64)) if array.dtype.kind in "iub" else input, shape=size)


def _atleast(tensors: Any, name: str, keys: Sequence[tuple[int, ...]]) -> Any:
    """Each tensor with the new dimensions ``keys[number of dimensions it has]``."""
    one = len(tensors) == 1 and not isinstance(tensors[0], (tuple, list))
    many = tensors if one or len(tensors) != 1 else tensors[0]
    found = []
    for x in many:
        ndim = bare(x, name).ndim
        found.append(with_ones(x, dims=keys[ndim]) if ndim < len(keys) else x)
    return found[0] if one else tuple(found)


def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with at least one dimension.

    >>> rg.atleast_1d(rg.tensor(1))
    tensor([1])
    """
    return _atleast(tensors, "atleast_1d", ((0,),))


def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least two dimensions, new ones in front.

    >>> rg.atleast_2d(rg.tensor([1, 2]))
    tensor([[1, 2]])
    """
    return _atleast(tensors, "atleast_2d", ((0, 1), (0,)))


def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least three dimensions: a vector lies along the second, a matrix in the first two.

    >>> rg.atleast_3d(rg.tensor([1, 2])).shape
    regrad.Size([1, 2, 1])
    """
    return _atleast(tensors, "atleast_3d", ((0, 1, 2), (0, 2), (2,)))


# -- the order of the dimensions


@linear(x=lambda g, *, dims: permuted(g, dims=inverse(dims)),
        shape=lambda x, *, dims: tuple(x[d] for d in dims),
        view=True, conjugate=False, name="permute")  # fmt: skip
def permuted(x, *, dims):
    """``x`` with its dimensions in the order ``dims``."""
    return x.transpose(dims)


def inverse(dims: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes ``dims``."""
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


def _swapped(x: Any, *, dim0: int, dim1: int) -> tuple[int, ...]:
    sizes = list(x)
    sizes[dim0], sizes[dim1] = sizes[dim1], sizes[dim0]
    return tuple(sizes)


@linear(x=lambda g, *, dim0, dim1: transposed(g, dim0=dim0, dim1=dim1), shape=_swapped, view=True,
        conjugate=False, name="transpose")  # fmt: skip
def transposed(x, *, dim0, dim1):
    """``x`` with two dimensions exchanged."""
    return x.swapaxes(dim0, dim1)


@linear(x=lambda g: flipped_over(g), shape=lambda x: tuple(reversed(x)), view=True, conjugate=False, name="t",
        grad_name="TBackward0")  # fmt: skip
def flipped_over(x):
    """The transpose of a matrix; a vector is its own."""
    return x.transpose()


@spread
def permute(input: Any, dims: Any) -> Any:
    """The dimensions in the order ``dims``.

    >>> rg.permute(rg.tensor([[[1, 2, 3]]]), (2, 0, 1)).shape
    regrad.Size([3, 1, 1])
    """
    ndim = bare(input, "permute").ndim
    if len(dims) != ndim:
        raise RuntimeError("permute: number of dimensions in the tensor input does not match the length of "
                           f"the desired ordering of dimensions i.e. input.dim() = {ndim} is not equal to "
                           f"len(dims) = {len(dims)}")  # fmt: skip
    wanted = dims_in(dims, ndim, "permute") if ndim else ()
    return permuted(input, dims=wanted)


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged.

    >>> rg.transpose(rg.tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([[1, 3],
            [2, 4]])
    """
    ndim = bare(input, "transpose").ndim
    dim0, dim1 = dim_in(dim0, ndim, "transpose"), dim_in(dim1, ndim, "transpose")
    return transposed(input, dim0=dim0, dim1=dim1) if ndim else permuted(input, dims=())


swapaxes = swapdims = transpose


def t(input: Any) -> Any:
    """The transpose of a matrix; a vector or a single number stays as it is.

    >>> rg.t(rg.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    ndim = bare(input, "t").ndim
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D; use .mT or "
                           "transpose")  # fmt: skip
    return flipped_over(input)


def movedim(input: Any, source: Any, destination: Any) -> Any:
    """The dimensions ``source`` moved to the places ``destination``, the others in their order.

    >>> rg.movedim(rg.tensor([[[1, 2, 3]]]), 2, 0).shape
    regrad.Size([3, 1, 1])
    """
    ndim = bare(input, "movedim").ndim
    given = [(d,) if isinstance(d, int) else tuple(d) for d in (source, destination)]
    if len(given[0]) != len(given[1]):
        raise RuntimeError(f"movedim: Invalid source or destination dims: source ({list(given[0])} dims) "
                           f"should contain the same number of dims as destination ({list(given[1])} "
                           "dims)")  # fmt: skip
    lists = [[dim_in(d, ndim, "movedim") for d in dims] for dims in given]
    for name, dims, wrote in zip(("source", "destination"), lists, given, strict=True):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(wrote)})")
    rest = iter([d for d in range(ndim) if d not in lists[0]])
    place = dict(zip(lists[1], lists[0], strict=True))
    return permuted(input, dims=tuple([place[d] if d in place else next(rest) for d in range(ndim)]))


moveaxis = movedim


def _last_swapped(x: Any, name: str) -> Any:
    ndim = bare(x, name).ndim
    if ndim == 1:
        raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got 1-D "
                           "tensor.")  # fmt: skip
    return transposed(x, dim0=ndim - 2, dim1=ndim - 1) if ndim else permuted(x, dims=())


def _conjugated(x: Any) -> Any:
    from regrad.ops.complexes import conj

    return conj(x)


def _all_reversed(x: Any) -> Any:
    """The dimensions in reverse order: for a matrix, its transpose."""
    return permuted(x, dims=tuple(range(bare(x, "T").ndim - 1, -1, -1)))


def _matrices_transposed(x: Any) -> Any:
    """The last two dimensions exchanged: the transpose of a matrix, or of each in a batch."""
    return _last_swapped(x, "mT")


def _matrices_adjoint(x: Any) -> Any:
    """The conjugate transpose of a matrix, or of each in a batch."""
    return _conjugated(_last_swapped(x, "mH"))


def _matrix_adjoint(x: Any) -> Any:
    """The conjugate transpose of a matrix."""
    ndim = bare(x, "H").ndim
    if ndim not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {ndim}-D tensor; use "
                           ".mH for a batch of matrices.")  # fmt: skip
    return _conjugated(_last_swapped(x, "H"))


def adjoint(input: Any) -> Any:
    """The conjugate transpose of a matrix, or of each in a batch.

    >>> rg.adjoint(rg.tensor([[1., 2.], [3., 4.]]))
    tensor([[1., 3.],
            [2., 4.]])
    """
    if bare(input, "adjoint").ndim == 1:
        raise RuntimeError("adjoint: expected a matrix or a batch of matrices, got 1 dimension")
    return _matrices_adjoint(input)


# -- parts


_ALL = slice(None)


def part(dim: int, at: Any) -> tuple[Any, ...]:
    """The basic index that takes ``at`` (a number or a slice) along ``dim``."""
    return (*(_ALL,) * dim, at, ...)


def _selected(x: Any, *, dim: int, **_: Any) -> tuple[int, ...]:
    return (*x[:dim], *x[dim + 1 :])


def _sliced(x: Any, *, dim: int, at: slice) -> tuple[int, ...]:
    return (*x[:dim], len(range(*at.indices(x[dim]))), *x[dim + 1 :])


@linear(x=lambda g, x_shape, *, dim, at: embed(g, shape=x_shape, dim=dim, at=at), shape=_selected, view=True,
        conjugate=False, name="select")  # fmt: skip
def one_of(x, *, dim, at):
    """``x`` at the number ``at`` of dimension ``dim``, which is gone from the result."""
    return x[part(dim, at)]


@linear(x=lambda g, x_shape, *, dim, at: embed(g, shape=x_shape, dim=dim, at=at), shape=_sliced, view=True,
        conjugate=False, name="slice")  # fmt: skip
def some_of(x, *, dim, at):
    """``x`` within the slice ``at`` of dimension ``dim``."""
    return x[part(dim, at)]


def along(x: Any, *, dim: int, at: Any) -> Any:
    """`one_of` or `some_of`, as ``at`` is a number or a slice."""
    return some_of(x, dim=dim, at=at) if isinstance(at, slice) else one_of(x, dim=dim, at=at)


@linear(x=lambda g, *, dim, at: along(g, dim=dim, at=at), shape=asked, conjugate=False)
def embed(x, *, shape, dim, at):
    """Zeros of ``shape`` with ``x`` at ``at`` (a number or a slice) of dimension ``dim``."""
    out = np.zeros(shape, x.dtype)
    out[part(dim, at)] = x
    return out


def select_key(name: str, shape: tuple[int, ...], dim: int, index: Any) -> dict[str, Any]:
    if not shape:
        raise DimError(f"{name}() cannot be applied to a 0-dim tensor.")
    dim, index = dim_in(dim, len(shape), name), as_index(index)
    if not -shape[dim] <= index < shape[dim]:
        raise DimError(f"{name}(): index {index} out of range for tensor of size {list(shape)} at dimension "
                       f"{dim}")  # fmt: skip
    return {"dim": dim, "at": index + shape[dim] if index < 0 else index}


def select(input: Any, dim: int, index: int) -> Any:
    """What stands at ``index`` of dimension ``dim``: ``input[:, index]`` for ``dim=1``.

    >>> rg.select(rg.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    return one_of(input, **select_key("select", bare(input, "select").shape, dim, index))


def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """The ``length`` entries of dimension ``dim`` from ``start`` on.

    >>> rg.narrow(rg.tensor([1, 2, 3, 4]), 0, 1, 2)
    tensor([2, 3])
    """
    shape = bare(input, "narrow").shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError(f"narrow(): length must be non-negative. It is {length}")
    if isinstance(start, Value):
        if start.array.ndim or start.array.dtype.kind not in "iu":
            raise RuntimeError("narrow: start must be an 0-dim integral Tensor.")
        start = int(start.array)
    dim = dim_in(dim, len(shape), "narrow")
    size = shape[dim]
    if not -size <= start <= size:
        raise DimError(f"narrow: start out of range (expected to be in range of [{-size}, {size}], but got "
                       f"{start})")  # fmt: skip
    start = start + size if start < 0 else start
    if start + length > size:
        raise RuntimeError(f"narrow: start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return some_of(input, dim=dim, at=slice(start, start + length))


def _diagonal_size(x: Any, offset: int, dim1: int, dim2: int) -> int:
    return int(max(min(x[dim1] + min(offset, 0), x[dim2] - max(offset, 0)), 0))


def _diagonal_shape(x: Any, *, offset: int, dim1: int, dim2: int) -> tuple[int, ...]:
    return (*(n for d, n in enumerate(x) if d not in (dim1, dim2)), _diagonal_size(x, offset, dim1, dim2))


@linear(x=lambda g, x_shape, *, offset, dim1, dim2:
            on_diagonal(g, shape=x_shape, offset=offset, dim1=dim1, dim2=dim2),
        shape=_diagonal_shape, view=True, conjugate=False, name="diagonal")  # fmt: skip
def diagonal_of(x, *, offset, dim1, dim2):
    """The diagonal of ``x`` along two of its dimensions, as the last dimension."""
    seen = x.diagonal(offset, dim1, dim2)
    if x.flags.writeable:
        seen.flags.writeable = True  # NumPy hands diagonals out read-only, but they are views like any other
    return seen


@linear(x=lambda g, *, offset, dim1, dim2: diagonal_of(g, offset=offset, dim1=dim1, dim2=dim2), shape=asked,
        conjugate=False, name="diag_embed")  # fmt: skip
def on_diagonal(x, *, shape, offset, dim1, dim2):
    """Zeros of ``shape`` with ``x`` on the diagonal of two dimensions."""
    out = np.zeros(shape, x.dtype)
    diagonal_of(out, offset=offset, dim1=dim1, dim2=dim2)[...] = x
    return out


def two_dims(name: str, ndim: int, dim1: int, dim2: int) -> tuple[int, int]:
    first, second = dim_in(dim1, ndim, name), dim_in(dim2, ndim, name)
    if first == second:
        raise RuntimeError(f"{name}: diagonal dimensions cannot be identical {dim1}, {dim2}")
    return first, second


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonal ``offset`` above the main one along two dimensions; it becomes the last dimension.

    >>> rg.diagonal(rg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    dim1, dim2 = two_dims("diagonal", bare(input, "diagonal").ndim, dim1, dim2)
    return diagonal_of(input, offset=offset, dim1=dim1, dim2=dim2)


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Zeros with the last dimension of ``input`` on the diagonal of two new dimensions.

    >>> rg.diag_embed(rg.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    shape = bare(input, "diag_embed").shape
    dim1, dim2 = two_dims("diag_embed", len(shape) + 1, dim1, dim2)
    rest, n = iter(shape[:-1]), shape[-1] + abs(offset)
    full = tuple([n if d in (dim1, dim2) else next(rest) for d in range(len(shape) + 1)])
    return on_diagonal(input, shape=full, offset=offset, dim1=dim1, dim2=dim2)


def diag(input: Any, diagonal: int = 0) -> Any:
    """A vector as a diagonal matrix, or the diagonal of a matrix, copied.

    >>> rg.diag(rg.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    ndim = bare(input, "diag").ndim
    if ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D; see diagonal and diag_embed")
    if ndim == 1:
        return diag_embed(input, diagonal)
    return clone(diagonal_of(input, offset=diagonal, dim1=0, dim2=1))


def diagflat(input: Any, offset: int = 0) -> Any:
    """All the elements on the diagonal of a matrix.

    >>> rg.diagflat(rg.tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag_embed(ravel(input), offset)


# -- copies


@linear(x=lambda g: g, shape=shapes.same, conjugate=False, name="clone")
def cloned(x, *, order="K"):
    """A copy of ``x`` in memory order ``order``."""
    return x.copy(order)


def clone(input: Any, *, memory_format: Any = None) -> Any:
    """A copy, recorded: gradients flow back to the input.

    >>> rg.clone(rg.tensor([1., 2.]))
    tensor([1., 2.])
    """
    return cloned(input)


def contiguous(input: Any, memory_format: Any = None) -> Any:
    """The tensor itself if its elements lie in order in memory, else a copy whose do.

    >>> rg.tensor([[1, 2], [3, 4]]).t().contiguous().view(4)
    tensor([1, 3, 2, 4])
    """
    return input if bare(input, "contiguous").flags.c_contiguous else cloned(input, order="C")


# -- other places and repetition


@linear(x=lambda g, *, dims: flipped(g, dims=dims), shape=shapes.same, conjugate=False, name="flip")
def flipped(x, *, dims):
    """``x`` with the order of the entries reversed along ``dims``."""
    return x[tuple([_BACKWARDS if d in dims else _ALL for d in range(x.ndim)])].copy()


_BACKWARDS = slice(None, None, -1)


@spread
def flip(input: Any, dims: Any) -> Any:
    """A copy with the order of the entries reversed along ``dims``.

    >>> rg.flip(rg.tensor([1, 2, 3]), (0,))
    tensor([3, 2, 1])
    """
    ndim = bare(input, "flip").ndim
    return flipped(input, dims=dims_in((dims,) if isinstance(dims, int) else dims, ndim, "flip"))


def fliplr(input: Any) -> Any:
    """A copy with the columns (dimension 1) in reverse order.

    >>> rg.fliplr(rg.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    if bare(input, "fliplr").ndim < 2:
        raise RuntimeError("fliplr: Input must be >= 2-d.")
    return flipped(input, dims=(1,))


def flipud(input: Any) -> Any:
    """A copy with the rows (dimension 0) in reverse order.

    >>> rg.flipud(rg.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    if bare(input, "flipud").ndim < 1:
        raise RuntimeError("flipud: Input must be >= 1-d.")
    return flipped(input, dims=(0,))


@linear(x=lambda g, *, shifts, dims: rolled(g, shifts=tuple(-n for n in shifts), dims=dims),
        shape=shapes.same, conjugate=False, name="roll")  # fmt: skip
def rolled(x, *, shifts, dims):
    """``x`` with its entries moved on by ``shifts`` along ``dims``, or as one row; the last come round."""
    return np.roll(x, shifts, dims) if dims is not None else np.roll(x, shifts[0])


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """A copy with the entries moved on by ``shifts`` along ``dims``, the last ones coming round to the front.

    Without ``dims`` the elements are moved as one row.

    >>> rg.roll(rg.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    ndim = bare(input, "roll").ndim
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    if not shifts:
        raise RuntimeError("roll: `shifts` required")
    if len(shifts) != len(dims) and (dims or len(shifts) > 1):
        raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    if dims and not ndim:
        raise DimError(f"roll: Dimension specified as {dims[0]} but tensor has no dimensions")
    return rolled(input, shifts=shifts, dims=tuple([dim_in(d, ndim, "roll") for d in dims]) or None)


def _turned(x: Any, *, k: int, dims: Any) -> tuple[int, ...]:
    return _swapped(x, dim0=dims[0], dim1=dims[1]) if k % 2 else tuple(x)


@linear(x=lambda g, *, k, dims: turned(g, k=-k, dims=dims), shape=_turned, conjugate=False, name="rot90")
def turned(x, *, k, dims):
    """``x`` turned by ``k`` quarters from the first of two dimensions to the second."""
    return np.rot90(x, k, dims).copy()


def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """A copy turned by ``k`` quarters in the plane of ``dims``, from the first towards the second.

    >>> rg.rot90(rg.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    ndim = bare(input, "rot90").ndim
    if len(dims) != 2:
        raise RuntimeError(f"rot90: expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"rot90: expected total dims >= 2, but got total dims = {ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == ndim:
        raise RuntimeError(f"rot90: expected rotation dims to be different, but got dim0 = {dims[0]} and "
                           f"dim1 = {dims[1]}")  # fmt: skip
    for k_, d in enumerate(dims):
        if not -ndim <= d < ndim:
            raise RuntimeError(f"rot90: Rotation dim{k_} out of range, dim{k_} = {d}")
    return turned(input, k=k, dims=tuple([d % ndim for d in dims]))


def _repeated(x: Any, *, repeats: Any) -> tuple[int, ...]:
    lead = len(repeats) - len(x)
    return tuple(r * (x[d - lead] if d >= lead else 1) for d, r in enumerate(repeats))


@linear(x=lambda g, x_shape, *, repeats: sum_repeats(g, x_shape, repeats), shape=_repeated, conjugate=False,
        name="repeat")  # fmt: skip
def repeated(x, *, repeats):
    """``x`` laid side by side ``repeats`` times along each dimension, new ones in front."""
    return np.tile(x, repeats)


def sum_repeats(g: Any, shape: tuple[int, ...], repeats: tuple[int, ...]) -> Any:
    """The sum of the ``repeats`` copies of something of ``shape`` that ``g`` is made of."""
    full = (*(1,) * (len(repeats) - len(shape)), *shape)
    tall = tuple([m for r, n in zip(repeats, full, strict=True) for m in (r, n)])
    flat = tuple([m for n in full for m in (1, n)])
    return reshape(sum_to(reshape(g, tall), shape=flat), shape)


@spread
def repeat(input: Any, repeats: Any) -> Any:
    """Copies laid side by side, ``repeats`` of them along each dimension; new dimensions come in front.

    >>> rg.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    ndim, repeats = bare(input, "repeat").ndim, tuple([as_index(n) for n in repeats])
    if len(repeats) < ndim:
        raise RuntimeError("repeat: Number of dimensions of repeat dims can not be smaller than number of "
                           f"dimensions of tensor: {list(repeats)} for {ndim} dimensions")  # fmt: skip
    if any(n < 0 for n in repeats):
        raise RuntimeError("repeat: Trying to create tensor with negative dimension: repeats are "
                           f"{list(repeats)}")  # fmt: skip
    return repeated(input, repeats=repeats)


@spread
def tile(input: Any, dims: Any) -> Any:
    """Copies laid side by side; where ``dims`` is short, the leading dimensions are kept.

    >>> rg.tile(rg.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    dims = tuple(dims)
    return repeat(input, (*(1,) * (bare(input, "tile").ndim - len(dims)), *dims))


def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Each entry along ``dim`` repeated in place, ``repeats`` times (a number, or one for each entry).

    Without ``dim`` the elements are taken as one row. With ``input`` alone: each index as often as it says.

    >>> rg.repeat_interleave(rg.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        counts = bare(input, "repeat_interleave")
        if counts.ndim != 1 or counts.dtype.kind not in "iu":
            raise RuntimeError("repeat_interleave: repeats has to be a 1-D tensor of integers")
        return wrap(np.repeat(np.arange(counts.size), counts))
    if dim is None:
        input, dim = ravel(input), 0
    shape = bare(input, "repeat_interleave").shape
    if not shape:
        raise DimError(f"repeat_interleave: Dimension specified as {dim} but tensor has no dimensions")
    dim = dim_in(dim, len(shape), "repeat_interleave")
    counts = bare(repeats, "repeat_interleave") if not isinstance(repeats, int) else np.asarray(repeats)
    if counts.dtype.kind not in "iu":
        raise RuntimeError(f"repeat_interleave: repeats has to be Long or Int tensor, not {counts.dtype}")
    if counts.ndim > 1 or counts.size not in (1, *shape[dim : dim + 1]):
        raise RuntimeError("repeat_interleave: repeats must have the same size as input along dim, but got "
                           f"repeats of {list(counts.shape)} for {list(shape)} along {dim}")  # fmt: skip
    if (counts < 0).any():
        raise RuntimeError("repeat_interleave: repeats can not be negative")
    if counts.size == 1 and counts.ndim == 0:
        wide = (*shape[: dim + 1], int(counts), *shape[dim + 1 :])
        full = (*shape[:dim], shape[dim] * int(counts), *shape[dim + 1 :])
        return reshape(expand_to(with_ones(input, dims=(dim + 1,)), shape=wide), full)
    from regrad.ops.indexing import index_select

    where = np.repeat(np.arange(shape[dim]), counts)
    if output_size is not None and output_size != where.size:
        raise RuntimeError(f"repeat_interleave: allocated size does not match required size: {output_size} "
                           f"is not {where.size}")  # fmt: skip
    return index_select(input, dim, wrap(where))


@linear(x=lambda g, *, diagonal: lower(g, diagonal=diagonal), shape=shapes.same, conjugate=False, name="tril")
def lower(x, *, diagonal):
    """``x`` with zeros above the diagonal."""
    return np.tril(x, diagonal)


@linear(x=lambda g, *, diagonal: upper(g, diagonal=diagonal), shape=shapes.same, conjugate=False, name="triu")
def upper(x, *, diagonal):
    """``x`` with zeros below the diagonal."""
    return np.triu(x, diagonal)


def tril(input: Any, diagonal: int = 0) -> Any:
    """The lower triangle of each matrix, up to ``diagonal`` above the main one; zeros elsewhere.

    >>> rg.tril(rg.tensor([[1, 2], [3, 4]]))
    tensor([[1, 0],
            [3, 4]])
    """
    if bare(input, "tril").ndim < 2:
        raise RuntimeError("tril: input tensor must have at least 2 dimensions")
    return lower(input, diagonal=diagonal)


def triu(input: Any, diagonal: int = 0) -> Any:
    """The upper triangle of each matrix, from ``diagonal`` above the main one on; zeros elsewhere.

    >>> rg.triu(rg.tensor([[1, 2], [3, 4]]))
    tensor([[1, 2],
            [0, 4]])
    """
    if bare(input, "triu").ndim < 2:
        raise RuntimeError("triu: input tensor must have at least 2 dimensions")
    return upper(input, diagonal=diagonal)


METHODS = {
    "adjoint": adjoint, "broadcast_to": broadcast_to, "clone": clone, "contiguous": contiguous, "diag": diag,
    "diag_embed": diag_embed, "diagflat": diagflat, "diagonal": diagonal, "expand": expand,
    "expand_as": expand_as, "flatten": flatten, "flip": flip, "fliplr": fliplr, "flipud": flipud,
    "moveaxis": moveaxis, "movedim": movedim, "narrow": narrow, "permute": permute, "ravel": ravel,
    "repeat": repeat, "repeat_interleave": repeat_interleave, "reshape": reshape, "reshape_as": reshape_as,
    "roll": roll, "rot90": rot90, "select": select, "squeeze": squeeze, "sum_to_size": sum_to_size,
    "swapaxes": swapaxes, "swapdims": swapdims, "t": t, "tile": tile, "transpose": transpose, "tril": tril,
    "triu": triu, "unflatten": unflatten, "unsqueeze": unsqueeze, "view": view, "view_as": view_as,
}  # fmt: skip
INPLACE = ("tril", "triu")
PROPERTIES = {"H": _matrix_adjoint, "T": _all_reversed, "mH": _matrices_adjoint, "mT": _matrices_transposed}
