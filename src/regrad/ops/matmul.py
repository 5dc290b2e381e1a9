"""Products of vectors and matrices. Start reading at `matmul`, then `contract`, which is every other product.

`matmul` is NumPy's kernel and two rules; `contract` multiplies two arrays whose dimensions carry labels and
sums the labels that the result does not have, by one batched matrix product. Each is closed under
differentiation: a rule of either is a call of either. The rest of the module says well-known products in
terms of these two.
"""

from __future__ import annotations

import contextlib
import functools
import math
from typing import Any, NamedTuple

import numpy as np

from regrad import declare, dtypes, shapes
from regrad.declare import elementwise, general
from regrad.errors import DtypeError, ShapeError
from regrad.graph.value import Value
from regrad.ops.arguments import to_one_dtype
from regrad.ops.arithmetic import mul, plus
from regrad.ops.core import conj_physical, expand_to, sum_to

__all__ = ["addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "cdist", "chain_matmul", "cross", "dot",
           "ger", "inner", "kron", "matmul", "mm", "mv", "outer", "renorm", "tensordot", "trace", "vdot"]


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a tensor or an array, as a plain tuple."""
    return x.array.shape if isinstance(x, Value) else np.shape(x)


def dtype_of(x: Any) -> Any:
    """The NumPy dtype of a tensor or an array."""
    return x.array.dtype if isinstance(x, Value) else x.dtype


def _tensors(name: str, **operands: Any) -> None:
    for place, (key, x) in enumerate(operands.items(), 1):
        if not isinstance(x, (Value, np.ndarray)):
            hint = ("; take the tensor out of it: a recurrent layer gives (output, state)" if isinstance(x, tuple)
                    else "; make one with rg.tensor" if isinstance(x, (list, int, float)) else "")
            raise TypeError(f"{name}(): argument '{key}' (position {place}) must be Tensor, not "
                            f"{type(x).__name__}{hint}")


# -- matmul


def _product(a: Any, b: Any) -> Any:
    if a.ndim > 2 and b.ndim == 2:  # one product over all rows, where NumPy would make one per batch element
        rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1])
        return np.matmul(rows, b).reshape(*a.shape[:-1], b.shape[1])
    return np.matmul(a, b)


def _left_piece(g: Any, other: Any, input_shape: tuple[int, ...]) -> Any:
    """What goes back to the left factor."""
    if len(input_shape) > 1 and len(other.shape) > 1 and (
            len(other.shape) == 2 or other.shape[:-2] == input_shape[:-2]):
        return matmul(g, other.mT)
    left, right, out = _labels(len(input_shape), len(other.shape))
    return contract(g, other, left=out, right=right, into=left, shape=input_shape)


def _right_piece(g: Any, input: Any, other_shape: tuple[int, ...]) -> Any:
    """What goes back to the right factor; to a matrix that a batch shares, one product over all rows."""
    if len(other_shape) > 1 and len(input.shape) > 1 and other_shape[:-2] == input.shape[:-2]:
        return matmul(input.mT, g)
    left, right, out = _labels(len(input.shape), len(other_shape))
    return contract(input, g, left=left, right=out, into=right, shape=other_shape)


@functools.lru_cache(maxsize=64)
def _labels(m: int, n: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The labels of a product of an ``m``- and an ``n``-dimensional factor, for `contract`."""
    row, inner, column = 0, 1, 2
    batch = tuple(range(3, 1 + max(m, n, 2)))  # counted from the front of the longer one
    left = (inner,) if m == 1 else (*batch[len(batch) - (m - 2) :], row, inner)
    right = (inner,) if n == 1 else (*batch[len(batch) - (n - 2) :], inner, column)
    return left, right, (*batch, *((row,) if m > 1 else ()), *((column,) if n > 1 else ()))


def _product_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    batch = shapes.broadcast(a[:-2], b[:-2])
    return (*batch, *a[-2:-1], *b[-1:]) if len(b) > 1 else (*batch, *a[-2:-1])


@declare.linear(input=lambda g, other, input_shape: _left_piece(g, other, input_shape),
                other=lambda g, input, other_shape: _right_piece(g, input, other_shape),
                kernel=_product, shape=_product_shape, grad_name="MmBackward0")
def matmul(input, other):
    """Matrix product; a vector is a row on the left and a column on the right, and batches broadcast.

    ``(..., n, k) @ (..., k, m)`` gives ``(..., n, m)``. Both factors have one dtype, or it raises
    RuntimeError. PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html

    >>> rg.tensor([[1., 2.], [3., 4.]]) @ rg.tensor([1., 1.])
    tensor([3., 7.])
    """


def _checked_product(a: Any, b: Any) -> Any:
    """The product where the per-op path does not go: other dtypes, and factors that do not fit."""
    _tensors("matmul", input=a, other=b)
    if a.dtype == b.dtype and a.dtype.kind != "b":
        with contextlib.suppress(ValueError):
            return _product(a, b).astype(a.dtype, copy=False)  # NumPy's products of bfloat16 are float32
    raise _product_trouble(a, b)


def _product_trouble(a: Any, b: Any) -> Exception:
    """Why two arrays have no product."""
    if a.dtype != b.dtype and a.ndim == 1 == b.ndim:
        return RuntimeError(f"dot : expected both vectors to have same dtype, but found {title_of(a)} and "
                            f"{title_of(b)}; convert one with .to()")
    if a.dtype != b.dtype:
        return RuntimeError("matmul: expected m1 and m2 to have the same dtype, but got: "
                            f"{dtypes.of(a.dtype).name} != {dtypes.of(b.dtype).name}; convert one with .to()")
    if a.dtype.kind == "b":
        return NotImplementedError("matmul: not implemented for 'Bool'; convert with .int() or .float()")
    return ShapeError(f"matmul: {_misfit(a.shape, b.shape)}")


declare.OPS["matmul"].forward = _checked_product


def _misfit(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    """Why shapes cannot be multiplied, and the transpose that would make them fit; empty when they can."""
    if not a or not b:
        return f"both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D"
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] == inner:
        return shapes.mismatch([a[:-2], b[:-2]])
    if len(a) == 1 == len(b):
        return (f"inconsistent tensor size, expected tensor {list(a)} and src {list(b)} to have the same "
                f"number of elements, but got {a[0]} and {b[0]} elements respectively")
    hint = ""
    if len(b) > 1 and a[-1] == b[-1]:
        hint = "; did you mean b.mT?"
    elif len(a) > 1 and a[-2] == inner:
        hint = "; did you mean a.mT?"
    if len(a) == 2 and len(b) == 1:
        return f"size mismatch, got input ({a[0]}), mat ({a[0]}x{a[1]}), vec ({b[0]}){hint}"
    if len(b) == 2:
        rows = math.prod(a[:-1])
        return (f"mat1 and mat2 shapes cannot be multiplied ({rows}x{a[-1]} and {b[0]}x{b[1]}); got "
                f"{list(a)} and {list(b)}{hint}")
    batch = math.prod(a[:-2])
    return (f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {a[-1]}] but got: "
            f"[{batch}, {inner}]; got {list(a)} and {list(b)}{hint}")


def title_of(x: Any) -> str:
    """PyTorch's name of a dtype in its messages."""
    name = dtypes.of(dtype_of(x)).name
    return {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16",
            "int64": "Long", "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte",
            "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble"}.get(name, name)


# -- contract


class _Side(NamedTuple):
    """How one operand of `contract` becomes a batch of matrices: reshape, sum, transpose, reshape."""

    squeezed: tuple[int, ...]
    alone: tuple[int, ...]
    order: tuple[int, ...]
    matrix: tuple[int, ...]


class _Plan(NamedTuple):
    """Both operands of `contract`, and how the product of their matrices becomes the result."""

    left: _Side
    right: _Side
    made: tuple[int, ...]
    order: tuple[int, ...]
    narrow: tuple[int, ...]


@functools.lru_cache(maxsize=1024)
def _plan(left: Any, right: Any, into: Any, a: Any, b: Any, shape: Any) -> _Plan:
    """What to do for these labels and shapes. Axes of size 1 are left out: they add nothing to any sum."""
    here, there, wanted = ([k for k, n in zip(labels, sizes, strict=True) if n != 1]
                           for labels, sizes in ((left, a), (right, b), (into, shape)))
    size = {k: n for k, n in (*zip(left, a, strict=True), *zip(right, b, strict=True)) if n != 1}
    batch = [k for k in wanted if k in here and k in there]
    rows = [k for k in here if k in wanted and k not in there]
    columns = [k for k in there if k in wanted and k not in here]
    inner = [k for k in here if k in there and k not in wanted]

    def side(labels: list[int], *groups: list[int]) -> _Side:
        used = [k for k in labels if any(k in group for group in groups)]
        return _Side(tuple(size[k] for k in labels), tuple(i for i, k in enumerate(labels) if k not in used),
                     tuple(used.index(k) for group in groups for k in group),
                     tuple(math.prod(size[k] for k in group) for group in groups))

    made = [*batch, *rows, *columns]
    return _Plan(side(here, batch, rows, inner), side(there, batch, inner, columns),
                 tuple(size[k] for k in made), tuple(made.index(k) for k in wanted if k in size),
                 tuple(n if k in size else 1 for k, n in zip(into, shape, strict=True)))


def _as_matrices(x: Any, side: _Side) -> Any:
    x = x.reshape(side.squeezed)
    if side.alone:
        x = x.sum(axis=side.alone, dtype=x.dtype)
    return x.transpose(side.order).reshape(side.matrix)


def _contracted(a: Any, b: Any, left: Any, right: Any, into: Any, shape: Any) -> Any:
    if a.dtype.kind in "bV":
        return _unusual(a, b, left, right, into, shape)
    plan = _plan(left, right, into, a.shape, b.shape, shape)
    a, b = _as_matrices(a, plan.left), _as_matrices(b, plan.right)
    if a.shape[0] == 1:
        a, b = a[0], b[0]
    product = a * b if a.shape[-1] == 1 else np.matmul(a, b)
    product = product.reshape(plan.made).transpose(plan.order).reshape(plan.narrow)
    return product if plan.narrow == shape else np.array(np.broadcast_to(product, shape))


def _unusual(a: Any, b: Any, *labels: Any) -> Any:
    if a.dtype.kind == "b":
        raise NotImplementedError("contract: not implemented for 'Bool'; convert with .int() or .float()")
    # bfloat16: NumPy has float32 products only
    return _contracted(a.astype("f4"), b.astype("f4"), *labels).astype(a.dtype)


@declare.linear(a=lambda g, b, a_shape, *, left, right, into:
                    contract(g, b, left=into, right=right, into=left, shape=a_shape),
                b=lambda g, a, b_shape, *, left, right, into:
                    contract(a, g, left=left, right=into, into=right, shape=b_shape),
                shape=lambda a, b, *, shape, **_: tuple(shape), grad_name="BmmBackward0")
def contract(a, b, *, left, right, into, shape):
    """Product of two arrays with labelled dimensions, summed over the labels that ``into`` leaves away.

    ``left``, ``right`` and ``into`` hold one label for each dimension of ``a``, ``b`` and the result, whose
    shape is ``shape``. A dimension of size 1 broadcasts; one that has size 1 in the result alone is summed.
    """
    return _contracted(a, b, left, right, into, shape)


# -- products by name


def same_dtype(name: str, a: Any, b: Any, phrase: str = "both inputs should have same dtype") -> None:
    """Refuse operands of two dtypes."""
    if dtype_of(a) != dtype_of(b):
        raise RuntimeError(f"{name}: {phrase}, but found {title_of(a)} and {title_of(b)}; convert one with "
                           ".to()")


def mm(input: Any, mat2: Any) -> Any:
    """Product of two matrices, ``(n, k)`` and ``(k, m)``; nothing broadcasts.

    >>> rg.mm(rg.tensor([[1., 2.]]), rg.tensor([[3.], [4.]]))
    tensor([[11.]])
    """
    if len(shape_of(input)) != 2 or len(shape_of(mat2)) != 2:
        _tensors("mm", input=input, mat2=mat2)
        which = "self" if len(shape_of(input)) != 2 else "mat2"
        raise ShapeError(f"mm: {which} must be a matrix; got {list(shape_of(input))} and "
                         f"{list(shape_of(mat2))}. matmul takes vectors and batches")
    return matmul(input, mat2)


def bmm(input: Any, mat2: Any) -> Any:
    """Products of matrices, pair by pair: ``(b, n, k)`` and ``(b, k, m)`` give ``(b, n, m)``.

    >>> rg.bmm(rg.ones(2, 1, 3), rg.ones(2, 3, 1)).shape
    regrad.Size([2, 1, 1])
    """
    a, b = shape_of(input), shape_of(mat2)
    if len(a) != 3 or len(b) != 3 or a[0] != b[0]:
        _tensors("bmm", input=input, mat2=mat2)
        if len(a) != 3 or len(b) != 3:
            raise ShapeError(f"bmm: batch{1 if len(a) != 3 else 2} must be a 3D tensor; got {list(a)} and "
                             f"{list(b)}. matmul takes other ranks")
        raise ShapeError(f"bmm: Expected size for first two dimensions of batch2 tensor to be: [{a[0]}, "
                         f"{a[2]}] but got: [{b[0]}, {b[1]}]. matmul broadcasts batches of size 1")
    return matmul(input, mat2)


def mv(input: Any, vec: Any) -> Any:
    """Product of a matrix ``(n, m)`` and a vector ``(m)``.

    >>> rg.mv(rg.tensor([[1., 2.], [3., 4.]]), rg.tensor([1., 1.]))
    tensor([3., 7.])
    """
    a, b = shape_of(input), shape_of(vec)
    if len(a) != 2 or len(b) != 1:
        _tensors("mv", input=input, vec=vec)
        raise ShapeError(f"mv: vector + matrix @ vector expected, got 1, {len(a)}, {len(b)} dimensions; "
                         "matmul takes other ranks")
    return matmul(input, vec)


def _vectors(name: str, a: Any, b: Any, second: str) -> None:
    m, n = shape_of(a), shape_of(b)
    if len(m) != 1 or len(n) != 1:
        _tensors(name, **{"input": a, second: b})
        raise ShapeError(f"{name}: 1D tensors expected, but got {len(m)}D and {len(n)}D tensors; matmul "
                         "takes other ranks")
    same_dtype(name, a, b, f"{name} : expected both vectors to have same dtype")
    if m != n:
        raise ShapeError(f"{name}: inconsistent tensor size, expected tensor {list(m)} and src {list(n)} to "
                         f"have the same number of elements, but got {m[0]} and {n[0]} elements respectively")


def dot(input: Any, tensor: Any) -> Any:
    """Sum of the products of the elements of two vectors of one length.

    >>> rg.dot(rg.tensor([1., 2.]), rg.tensor([3., 4.]))
    tensor(11.)
    """
    _vectors("dot", input, tensor, "tensor")
    return matmul(input, tensor)


def vdot(input: Any, other: Any) -> Any:
    """Sum of the products of two vectors' elements, those of the first conjugated.

    >>> rg.vdot(rg.tensor([1., 2.]), rg.tensor([3., 4.]))
    tensor(11.)
    """
    _vectors("vdot", input, other, "other")
    return matmul(conj_physical(input) if dtype_of(input).kind == "c" else input, other)


def inner(input: Any, other: Any) -> Any:
    """Sum of products over the last dimension of both; a scalar multiplies the other.

    ``(..., k)`` and ``(*, k)`` give ``(..., *)``.

    >>> rg.inner(rg.tensor([[1., 2.], [3., 4.]]), rg.tensor([1., 1.]))
    tensor([3., 7.])
    """
    _tensors("inner", input=input, other=other)
    a, b = shape_of(input), shape_of(other)
    same_dtype("inner", input, other)
    if not a or not b:
        return mul(input, other)
    if a[-1] != b[-1]:
        raise ShapeError("inner() the last dimension must match on both input tensors but got shapes "
                         f"{list(a)} and {list(b)}")
    return tensordot(input, other, dims=([-1], [-1]))


@declare.linear(input=lambda g, vec2: matmul(g, vec2), vec2=lambda g, input: matmul(input, g),
                promote=("input", "vec2"), dtype="promote", shape=lambda a, b: (*a, *b),
                kernel=np.multiply.outer, name="outer", grad_name="MulBackward0")
def outer_product(input, vec2):
    """Product of each element of one vector with each of another."""


def outer(input: Any, vec2: Any) -> Any:
    """Product of each element of one vector with each of another: ``(n)`` and ``(m)`` give ``(n, m)``.

    >>> rg.outer(rg.tensor([1., 2.]), rg.tensor([3., 4.]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    for key, x in (("self", input), ("vec2", vec2)):
        if len(shape_of(x)) != 1:
            _tensors("outer", input=input, vec2=vec2)
            raise ShapeError(f"outer: Expected 1-D argument {key}, but got {len(shape_of(x))}-D; flatten it "
                             "first, or see rg.kron")
    return outer_product(input, vec2)


ger = outer


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Sum of products over several dimensions of two tensors.

    ``dims`` is a number (the last ones of ``a`` with the first ones of ``b``) or a pair of lists.
    The result has the other dimensions of ``a``, then those of ``b``.

    >>> rg.tensordot(rg.ones(2, 3, 4), rg.ones(3, 4, 5), dims=2).shape
    regrad.Size([2, 5])
    """
    _tensors("tensordot", a=a, b=b)
    m, n = shape_of(a), shape_of(b)
    if isinstance(dims, Value):
        dims = int(dims.array) if dims.array.size == 1 else dims.array.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(len(m), len(n)):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims} for "
                               f"{list(m)} and {list(n)}")
        dims = (list(range(len(m) - dims, len(m))), list(range(dims)))
    first, second = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(first) != len(second):
        raise RuntimeError(f"tensordot: both dimension lists should have same length; got {len(first)} and "
                           f"{len(second)} entries")
    same_dtype("tensordot", a, b)
    left, right = list(range(len(m))), list(range(len(m), len(m) + len(n)))
    for i, j in zip(first, second, strict=True):
        i, j = shapes.dim_in(i, len(m), "tensordot"), shapes.dim_in(j, len(n), "tensordot")
        if m[i] != n[j] and 1 not in (m[i], n[j]):
            raise ShapeError(f"tensordot: contracted dimensions need to match, but first has size {m[i]} in "
                             f"dim {i} and second has size {n[j]} in dim {j}; got {list(m)} and {list(n)}")
        right[j] = left[i]
    free = [k for k in left if k not in right] + [k for k in right if k not in left]
    sizes = {**dict(zip(right, n, strict=True)), **dict(zip(left, m, strict=True))}
    return contract(a, b, left=tuple(left), right=tuple(right), into=tuple(free),
                    shape=tuple(sizes[k] for k in free))


def kron(input: Any, other: Any) -> Any:
    """Kronecker product: every element of ``input`` times all of ``other``, laid out as blocks.

    >>> rg.kron(rg.tensor([1., 10.]), rg.tensor([1., 2.]))
    tensor([ 1.,  2., 10., 20.])
    """
    from regrad.ops.shaping import reshape

    _tensors("kron", input=input, other=other)
    a, b = shape_of(input), shape_of(other)
    longer = max(len(a), len(b))
    a, b = (1,) * (longer - len(a)) + a, (1,) * (longer - len(b)) + b
    blocks = reshape(input, [n for pair in zip(a, (1,) * longer, strict=True) for n in pair])
    tiles = reshape(other, [n for pair in zip((1,) * longer, b, strict=True) for n in pair])
    return reshape(mul(blocks, tiles), [m * n for m, n in zip(a, b, strict=True)])


def chain_matmul(*matrices: Any) -> Any:
    """Product of two or more matrices in the order that takes the fewest multiplications.

    >>> rg.chain_matmul(rg.ones(2, 3), rg.ones(3, 4), rg.ones(4, 1)).shape
    regrad.Size([2, 1])
    """
    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = tuple(matrices[0])
    if any(len(shape_of(m)) != 2 for m in matrices):
        raise ShapeError(f"chain_matmul: Tensor dimension is {[len(shape_of(m)) for m in matrices]}, "
                         "expected 2 for each")
    return matrices[0] if len(matrices) == 1 else chain(list(matrices))


def chain(matrices: list[Any]) -> Any:
    """The product of the matrices, parenthesised by dynamic programming.

    Cormen, Leiserson, Rivest and Stein, Introduction to Algorithms, fourth edition, 14.2.
    """
    sizes = [shape_of(matrices[0])[0], *(shape_of(m)[1] for m in matrices)]
    best = {(i, i): (0, matrices[i : i + 1]) for i in range(len(matrices))}  # (first, last): (cost, tree)

    def cost(i: int, k: int, j: int) -> int:
        return best[i, k][0] + best[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1]

    for length in range(1, len(matrices)):
        for i in range(len(matrices) - length):
            j = i + length
            least, cut = min((cost(i, k, j), k) for k in range(i, j))
            best[i, j] = least, [best[i, cut][1], best[cut + 1, j][1]]

    def product(tree: Any) -> Any:
        return tree[0] if len(tree) == 1 else matmul(product(tree[0]), product(tree[1]))

    return product(best[0, len(matrices) - 1][1])


def trace(input: Any) -> Any:
    """Sum of the diagonal of a matrix.

    >>> rg.trace(rg.tensor([[1., 2.], [3., 4.]]))
    tensor(5.)
    """
    from regrad.ops import reduction
    from regrad.ops.shaping import diagonal

    if len(shape_of(input)) != 2:
        raise ShapeError(f"trace: expected a matrix, but got tensor with dim {len(shape_of(input))}; for a "
                         "batch, sum its diagonal")
    if isinstance(input, Value) and input.array.dtype.kind == "b":
        raise DtypeError("trace: not implemented for 'Bool'; convert with .int() first")
    return reduction.sum(diagonal(input))


# -- products added to something


def _blend(name: str, input: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """``beta * input + alpha * product``; with ``beta == 0`` nothing of ``input`` counts, nan included."""
    kind = dtype_of(product).kind
    if kind in "iu":
        beta, alpha = int(beta), int(alpha)
    if dtype_of(input) != dtype_of(product):
        raise RuntimeError(f"{name}: self and mat2 must have the same dtype, but got {title_of(input)} and "
                           f"{title_of(product)}; convert one with .to()")
    size, target = shape_of(input), shape_of(product)
    if len(size) > len(target):
        raise ShapeError(f"{name}: the number of sizes provided ({len(target)}) must be greater or equal to "
                         f"the number of dimensions in the tensor ({len(size)}): input {list(size)} does not "
                         f"broadcast to {list(target)}")
    pairs = list(zip(size[::-1], target[::-1], strict=False))
    wrong = next((k for k, (m, n) in enumerate(pairs) if m not in (1, n)), None)
    if wrong is not None:
        dim = len(target) - 1 - wrong
        raise ShapeError(f"{name}: The expanded size of the tensor ({target[dim]}) must match the existing "
                         f"size ({size[len(size) - 1 - wrong]}) at non-singleton dimension {dim}.  Target "
                         f"sizes: {list(target)}.  Tensor sizes: {list(size)}")
    if alpha != 1:
        product = mul(product, alpha)
    if beta == 0:
        return product
    return plus(input if beta == 1 else mul(input, beta), product)


def _need(name: str, **ranks: Any) -> None:
    for key, (x, ndim) in ranks.items():
        if len(shape_of(x)) != ndim:
            what = {1: "1-D tensor", 2: "matrix", 3: "3D tensor"}[ndim]
            raise ShapeError(f"{name}: {key} must be a {what}, got {len(shape_of(x))}-D tensor")


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)`` for two matrices; ``input`` broadcasts.

    >>> rg.addmm(rg.tensor([1.]), rg.tensor([[1., 2.]]), rg.tensor([[3.], [4.]]))
    tensor([[12.]])
    """
    _need("addmm", mat1=(mat1, 2), mat2=(mat2, 2))
    return _blend("addmm", input, matmul(mat1, mat2), beta, alpha)


def addmv(input: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta * input + alpha * (mat @ vec)`` for a matrix and a vector; ``input`` broadcasts.

    >>> rg.addmv(rg.tensor([1.]), rg.tensor([[1., 2.]]), rg.tensor([3., 4.]))
    tensor([12.])
    """
    return _blend("addmv", input, mv(mat, vec), beta, alpha)


def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta * input + alpha * (batch1 @ batch2)`` for two batches of matrices; ``input`` broadcasts.

    >>> rg.baddbmm(rg.ones(1), rg.ones(2, 1, 3), rg.ones(2, 3, 1)).squeeze()
    tensor([4., 4.])
    """
    return _blend("baddbmm", input, bmm(batch1, batch2), beta, alpha)


def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta * input + alpha * sum(batch1 @ batch2)``, summed over the batch; ``input`` broadcasts.

    >>> rg.addbmm(rg.ones(1), rg.ones(2, 1, 3), rg.ones(2, 3, 1))
    tensor([[7.]])
    """
    a, b = shape_of(batch1), shape_of(batch2)
    _need("addbmm", batch1=(batch1, 3), batch2=(batch2, 3))
    if a[0] != b[0] or a[2] != b[1]:
        raise ShapeError("addbmm: batch1 and batch2 must have the same number of batches and inner size, "
                         f"got {list(a)} and {list(b)}")
    return _blend("addbmm", input, tensordot(batch1, batch2, dims=([0, 2], [0, 1])), beta, alpha)


def addr(input: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta * input + alpha * outer(vec1, vec2)``; ``input`` broadcasts. For bools: `or` and `and`.

    >>> rg.addr(rg.zeros(1), rg.tensor([1., 2.]), rg.tensor([3.]))
    tensor([[3.],
            [6.]])
    """
    for key, x in (("vec1", vec1), ("vec2", vec2)):
        if len(shape_of(x)) != 1:
            raise ShapeError(f"addr: Expected 1-D argument {key}, but got {len(shape_of(x))}-D")
    product = outer_product(vec1, vec2)
    if dtype_of(product).kind == "b":
        product = product if alpha else product ^ product
        return (input | product) if beta else product
    return _blend("addr", input, product, beta, alpha)


# -- layers


def _linear_shape(input: Any, weight: Any, *_: Any) -> tuple[int, ...]:
    return (*input[:-1], weight[0])


def _rows_product(g: Any, input: Any, weight_shape: Any) -> Any:
    """The gradient of a weight: one product over all rows, whatever batch dimensions they come in."""
    if len(input.shape) == 2:
        return matmul(g.mT, input)
    lead = tuple(range(len(input.shape) - 1))
    return contract(g, input, left=(*lead, -1), right=(*lead, -2), into=(-1, -2), shape=weight_shape)


def _rows_kernel(x: Any, weight: Any) -> Any:
    return _product(x, weight.T)


def _affine_kernel(x: Any, weight: Any, bias: Any) -> Any:
    out = _rows_kernel(x, weight)
    return np.add(out, bias, out=out)


@declare.linear(input=lambda g, weight: matmul(g, weight),
                weight=lambda g, input, weight_shape: _rows_product(g, input, weight_shape),
                kernel=_rows_kernel, shape=_linear_shape, name="linear_no_bias", grad_name="MmBackward0")
def rows_product(input, weight):
    """``input @ weight.T``."""


def _affine_jvp(args: Any, outs: Any, tangents: Any, _: Any) -> Any:
    (input, weight, _bias), (t_input, t_weight, t_bias) = args, tangents
    moved = [] if t_bias is None else [expand_to(t_bias, shape=outs[0].array.shape)]
    if t_input is not None:
        moved.append(rows_product(t_input, weight))
    if t_weight is not None:
        moved.append(rows_product(input, t_weight))
    return functools.reduce(plus, moved)


@general(input=lambda g, weight: matmul(g, weight),
         weight=lambda g, input, weight_shape: _rows_product(g, input, weight_shape),
         bias=lambda g, bias_shape: sum_to(g, shape=bias_shape),
         kernel=_affine_kernel, shape=_linear_shape, jvp=_affine_jvp, name="linear",
         grad_name="AddmmBackward0")
def affine(input, weight, bias):
    """``input @ weight.T + bias``."""


def _checked_affine(input: Any, weight: Any, bias: Any = None) -> Any:
    """The layer where the per-op path does not go: other dtypes, and operands that do not fit."""
    given = {"input": input, "weight": weight, **({} if bias is None else {"bias": bias})}
    _tensors("linear", **given)
    one_dtype = input.dtype == weight.dtype == given.get("bias", weight).dtype and input.dtype.kind != "b"
    if one_dtype and input.ndim and weight.ndim == 2:
        with contextlib.suppress(ValueError):
            out = _rows_kernel(input, weight) if bias is None else _affine_kernel(input, weight, bias)
            return out.astype(input.dtype, copy=False)
    raise _affine_trouble(**given)


def _affine_trouble(input: Any, weight: Any, bias: Any = None) -> Exception:
    """Why a linear layer does not work on its operands."""
    if input.ndim == 0:
        return ShapeError("linear: both arguments to linear need to be at least 1D, but they are 0D and "
                          f"{weight.ndim}D")
    if weight.ndim != 2:
        return ShapeError(f"linear: mat2 must be a matrix, got {weight.ndim}-D tensor; weight is "
                          "(out_features, in_features)")
    names = [dtypes.of(x.dtype).name for x in (input, weight, bias) if x is not None]
    if len(set(names)) > 1:
        return RuntimeError("linear: expected m1 and m2 to have the same dtype, but got: "
                            f"{' != '.join(names)} for input, weight{'' if bias is None else ', bias'}; "
                            f"{to_one_dtype(input, weight)}")
    if input.dtype.kind == "b":
        return NotImplementedError("linear: not implemented for 'Bool'; convert with .float()")
    outs, ins = weight.shape
    if input.shape[-1] != ins:
        flat = math.prod(input.shape[1:])
        hint = ("; did you mean weight.mT?" if input.shape[-1] == outs else
                f"; flatten each of the {input.shape[0]} samples to {ins}: input.flatten(1)" if flat == ins else
                f"; make the layer with in_features={input.shape[-1]}")
        return ShapeError("linear: mat1 and mat2 shapes cannot be multiplied "
                          f"({math.prod(input.shape[:-1])}x{input.shape[-1]} and {ins}x{outs}): input has "
                          f"{input.shape[-1]} features, weight takes {ins}{hint}")
    return ShapeError(f"linear: The expanded size of the tensor ({outs}) must match the existing size "
                      f"({bias.shape[-1] if bias.ndim else 1}) of bias {list(bias.shape)}; it takes [{outs}]")


declare.OPS["linear"].forward = declare.OPS["linear_no_bias"].forward = _checked_affine


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """Affine map ``input @ weight.T + bias`` of the last dimension.

    input: ``(..., in_features)``, weight: ``(out_features, in_features)``, bias: ``(out_features)`` or None.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html

    >>> rg.nn.functional.linear(rg.tensor([1., 2.]), rg.tensor([[3., 4.]]), rg.tensor([1.]))
    tensor([12.])
    """
    if len(shape_of(weight)) == 1:
        product = matmul(input, weight)
        return product if bias is None else plus(product, bias)
    return rows_product(input, weight) if bias is None else affine(input, weight, bias)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """Bilinear form ``input1 @ weight[k] @ input2 + bias[k]`` for every output feature ``k``.

    input1: ``(..., in1)``, input2: ``(..., in2)``, weight: ``(out, in1, in2)``, bias: ``(out)`` or None.

    >>> rg.nn.functional.bilinear(rg.ones(1, 2), rg.ones(1, 3), rg.ones(4, 2, 3)).shape
    regrad.Size([1, 4])
    """
    a, b, w = shape_of(input1), shape_of(input2), shape_of(weight)
    given = {"input1": input1, "input2": input2, "weight": weight, **({} if bias is None else {"bias": bias})}
    if len({dtype_of(x) for x in given.values()}) > 1:
        raise RuntimeError("bilinear: All tensors must have the same dtype, got " + ", ".join(
            f"{key}: {dtype_of(x).name}" for key, x in given.items()) + "; convert with .to()")
    if len(a) != len(b):
        raise ShapeError(f"bilinear(): input dimensions do not match: got {len(a)} and {len(b)}")
    for d, (m, n) in enumerate(zip(a[:-1], b[:-1], strict=True)):
        if m != n:
            raise ShapeError(f"bilinear(): input batch dimensions do not match at dim {d}: got {m} and {n}")
    for k, size in ((1, a), (2, b)):
        if size[-1] != w[k]:
            raise ShapeError(f"bilinear(): input{k} size does not match weight size: got {size[-1]} but "
                             f"expected {w[k]}")
    if bias is not None and shape_of(bias) != w[:1]:
        raise ShapeError(f"bilinear(): bias size does not match weight size: got {list(shape_of(bias))} but "
                         f"expected {[w[0]]}")
    lead = tuple(range(len(a) - 1))
    half = contract(input1, weight, left=(*lead, -1), right=(-3, -1, -2), into=(*lead, -3, -2),
                    shape=(*a[:-1], w[0], w[2]))
    out = contract(half, input2, left=(*lead, -3, -2), right=(*lead, -2), into=(*lead, -3),
                   shape=(*a[:-1], w[0]))
    return out if bias is None else plus(out, bias)


# -- cross products


@declare.linear(a=lambda g, b, *, dim: cross_product(b, g, dim=dim),
                b=lambda g, a, *, dim: cross_product(g, a, dim=dim), broadcast=True, shape=shapes.broadcast,
                name="cross", grad_name="LinalgCrossBackward0")
def cross_product(a, b, *, dim):
    """Cross product of the vectors of three elements along ``dim``, which is counted from the back."""
    a, b = np.moveaxis(a, dim, 0), np.moveaxis(b, dim, 0)
    out = np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
    return np.moveaxis(out, 0, dim)


def vector_product(input: Any, other: Any, *, dim: int = -1) -> Any:
    """Cross product of the vectors of three elements along ``dim``; the other dimensions broadcast.

    >>> rg.linalg.cross(rg.tensor([1., 0., 0.]), rg.tensor([0., 1., 0.]))
    tensor([0., 0., 1.])
    """
    a, b = shape_of(input), shape_of(other)
    if len(a) != len(b):
        raise ShapeError(f"linalg.cross: inputs must have the same number of dimensions; got {list(a)} and "
                         f"{list(b)}")
    same_dtype("linalg.cross", input, other)
    place = shapes.dim_in(dim, len(a), "linalg.cross")
    if not a or a[place] != 3 or b[place] != 3:
        raise ShapeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {list(a)} and "
                         f"{list(b)}")
    return cross_product(input, other, dim=place - len(a))


def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """Cross product along ``dim``, by default the first dimension of size 3.

    >>> rg.cross(rg.tensor([1., 0., 0.]), rg.tensor([0., 1., 0.]))
    tensor([0., 0., 1.])
    """
    if dim is None:
        found = [d for d, n in enumerate(shape_of(input)) if n == 3]
        if not found:
            raise ShapeError(f"cross: no dimension of size 3 in input {list(shape_of(input))}; give dim=")
        dim = found[0]
    return vector_product(input, other, dim=dim)


# -- distances


@elementwise(a=lambda g, b: quotient_or_zero(g, b), b=lambda g, b, out: -quotient_or_zero(g * out, b))
def quotient_or_zero(a, b):
    """Quotient of each pair of elements, zero where the divisor is zero."""
    out = np.zeros(np.broadcast(a, b).shape, np.result_type(a, b))
    return np.divide(a, b, out=out, where=np.not_equal(b, 0))


def _distance_piece(g: Any, a: Any, b: Any, out: Any, p: float) -> Any:
    """What goes back to ``a``; a distance of zero, and for ``p < 1`` a difference of zero, gives nothing."""
    from regrad.ops import reduction

    if p == 0:
        return a * 0
    if p == 2 and max(g.shape[-2:]) > 25:
        weight = quotient_or_zero(g, out)
        return a * reduction.sum(weight, -1, keepdim=True) - weight @ b
    diff, g, out = a[..., :, None, :] - b[..., None, :, :], g[..., None], out[..., None]
    if p == math.inf:
        slope = quotient_or_zero(diff, abs(diff)) * (abs(diff) == out)
    elif p > 2:
        slope = quotient_or_zero(diff * abs(diff) ** (p - 2), out ** (p - 1))
    elif p >= 1:
        slope = quotient_or_zero(diff, abs(diff) ** (2 - p) * out ** (p - 1))
    else:
        slope = quotient_or_zero(diff * out ** (1 - p), abs(diff) ** (2 - p))
    return reduction.sum(g * slope, -2)


def _distance_shape(a: Any, b: Any, **_: Any) -> tuple[int, ...]:
    return (*shapes.broadcast(a[:-2], b[:-2]), a[-2], b[-2])


@general(a=lambda g, a, b, out, *, p: _distance_piece(g, a, b, out, p),
         b=lambda g, a, b, out, *, p: _distance_piece(g.mT, b, a, out.mT, p),
         broadcast=True, shape=_distance_shape, name="cdist")
def distances(a, b, *, p, product):
    """The p-norm of each row of ``a`` minus each row of ``b``; by a matrix product if ``product``."""
    if product:  # |a|^2 - 2 ab + |b|^2
        squares = (a * a).sum(-1)[..., :, None] + (b * b).sum(-1)[..., None, :] - 2 * (a @ b.mT)
        return np.sqrt(np.maximum(squares, 0))
    diff = np.abs(a[..., :, None, :] - b[..., None, :, :])
    if p == 0:
        return (diff != 0).sum(-1).astype(a.dtype)
    if p == math.inf:
        return diff.max(-1, initial=0)
    if p == 1:
        return diff.sum(-1)
    return np.sqrt((diff * diff).sum(-1)) if p == 2 else (diff**p).sum(-1) ** (1 / p)


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Any:
    """The p-norm distance of each row of ``x1`` to each row of ``x2``.

    ``(..., P, M)`` and ``(..., R, M)`` give ``(..., P, R)``.
    ``compute_mode`` says when Euclidean distances come from a matrix product, which is faster and less
    precise: for more than 25 rows ("use_mm_for_euclid_dist_if_necessary"), always or never ("use_" and
    "donot_use_mm_for_euclid_dist").

    >>> rg.cdist(rg.tensor([[0., 0.]]), rg.tensor([[3., 4.]]))
    tensor([[5.]])
    """
    a, b = shape_of(x1), shape_of(x2)
    for key, x in (("X1", x1), ("X2", x2)):
        if dtype_of(x).kind != "f":
            raise RuntimeError(f"cdist only supports floating-point dtypes, {key} got: {title_of(x)}; "
                               "convert with .float()")
        if len(shape_of(x)) < 2:
            raise ShapeError(f"cdist only supports at least 2D tensors, {key} got: {len(shape_of(x))}D")
    if a[-1] != b[-1]:
        raise ShapeError(f"cdist: X1 and X2 must have the same number of columns. X1: {a[-1]} X2: {b[-1]}")
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values; got {p}")
    modes = {"use_mm_for_euclid_dist_if_necessary": max(a[-2], b[-2]) > 25, "use_mm_for_euclid_dist": True,
             "donot_use_mm_for_euclid_dist": False}
    if compute_mode not in modes:
        raise ValueError(f"cdist: {compute_mode} is not a valid value for compute_mode; it takes "
                         f"{', '.join(modes)}")
    return distances(x1, x2, p=float(p), product=p == 2 and modes[compute_mode])


def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """The slices of ``input`` along ``dim``, those whose p-norm exceeds ``maxnorm`` scaled down to it.

    >>> rg.renorm(rg.tensor([[3., 4.], [0., 1.]]), 2, 0, 1.)
    tensor([[0.6000, 0.8000],
            [0.0000, 1.0000]])
    """
    from regrad.ops.reduction import vector_norm

    ndim = len(shape_of(input))
    if ndim < 2:
        raise ShapeError(f"renorm: input needs at least 2 dimensions, got {ndim} dimensions")
    if p <= 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported, got p={p}")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    dim = shapes.dim_in(dim, ndim, "renorm")
    norms = vector_norm(input, p, [d for d in range(ndim) if d != dim], keepdim=True)
    return input * (1 + (norms > maxnorm) * (maxnorm / (norms + 1e-7) - 1))


def _rmatmul(self: Any, other: Any) -> Any:
    return matmul(other, self)


METHODS = {"__matmul__": matmul, "__rmatmul__": _rmatmul, "matmul": matmul, "mm": mm, "bmm": bmm, "mv": mv,
           "dot": dot, "vdot": vdot, "inner": inner, "outer": outer, "ger": ger, "kron": kron, "trace": trace,
           "cross": cross, "renorm": renorm, "addmm": addmm, "addmv": addmv, "addbmm": addbmm,
           "baddbmm": baddbmm, "addr": addr}
INPLACE = ("addmm", "addmv", "addbmm", "baddbmm", "addr", "renorm")
FUNCTIONAL = ("bilinear", "linear")
