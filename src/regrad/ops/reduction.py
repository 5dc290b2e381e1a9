"""Reductions: sums, products, extremes, moments and norms along dimensions. Start reading at `total`.

A declared op takes ``dim`` as a tuple of dimensions counted from the front, or None for all of them
(`dims_of` makes it so); the ops that choose elements take one number. `spread` undoes a reduction's shape,
`share` says which elements an extreme came from.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import general, linear
from regrad.errors import DtypeError
from regrad.graph.value import Value
from regrad.ops import return_types
from regrad.ops.arithmetic import abs as magnitude
from regrad.ops.arithmetic import direction
from regrad.ops.choosing import maximum, minimum
from regrad.ops.exponential import exp
from regrad.ops.scan import dim_of, dtype_of, in_dtype, running_product, shift
from regrad.ops.selection import chosen, need_elements, need_order, reduced_twice, taken
from regrad.ops.shaping import reshape

__all__ = [
    "all", "amax", "amin", "aminmax", "any", "argmax", "argmin", "count_nonzero", "dist", "logsumexp", "max",
    "mean", "min", "nanmean", "nansum", "norm", "prod", "std", "std_mean", "sum", "var", "var_mean",
]  # fmt: skip

F4, F8, I8, U1 = np.dtype("f4"), np.dtype("f8"), np.dtype("i8"), np.dtype("u1")


# -- what reductions share


def dims_of(input: Any, dim: Any, name: str) -> tuple[int, ...] | None:
    """``dim`` as the declared ops take it: a tuple counted from the front, None for all dimensions."""
    try:
        ndim = input.ndim
    except AttributeError:
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}") from None
    if type(dim) is int and -ndim <= dim < ndim:
        return (dim if dim >= 0 else dim + ndim,)
    return None if dim is None else shapes.dims_in(dim, ndim, name) or None


def count(shape: Any, dim: Any) -> int:
    """How many elements a reduction of ``shape`` over ``dim`` puts together."""
    return math.prod(shape if dim is None else [shape[d] for d in dim])


def kept(shape: Any, dim: Any) -> tuple[int, ...]:
    """``shape`` with the size 1 at the dimensions ``dim``."""
    return tuple([1 if dim is None or d in dim else n for d, n in enumerate(shape)])


def _over(ufunc: Any, x: Any, dim: Any, keepdim: bool, dtype: Any = None) -> Any:
    """``ufunc.reduce`` over ``dim``, always an array."""
    out = ufunc.reduce(x, dim, dtype, None, keepdim)
    return out if type(out) is np.ndarray else np.asarray(out)


def _accumulated(ufunc: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    """``ufunc.reduce`` in PyTorch's dtypes: integers in int64, half precision through float32."""
    dtype = x.dtype
    if dtype is F4 or dtype is F8:
        out = ufunc.reduce(x, dim, None, None, keepdim)
        return out if type(out) is np.ndarray else np.asarray(out)
    if dtype.itemsize == 2 and dtype.kind in "fV":
        return _over(ufunc, x, dim, keepdim, F4).astype(dtype)
    return _over(ufunc, x, dim, keepdim, I8 if dtype.kind in "biu" else None)


def _wide(x: Any) -> Any:
    """``x``, half precision as float32: what moments and norms are computed in."""
    return x.astype(F4) if x.dtype.itemsize == 2 else x


TITLES = {"int64": "Long", "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool"}


def _title(x: Any) -> Any:
    return TITLES.get(x.dtype.name, x.dtype.name)


# -- sums


@linear(x=lambda g, x_shape, *, dim: spread(g, shape=x_shape, dim=dim), shape=shapes.reduced, name="sum")
def total(x, *, dim=None, keepdim=False):
    """Sum over ``dim``."""
    return _accumulated(np.add, x, dim, keepdim)


@linear(x=lambda g, x_shape, *, shape, dim: total(g, dim=dim, keepdim=len(x_shape) == len(shape)),
        shape=lambda x, *, shape, **_: tuple(shape), quiet=False, grad_name="ExpandBackward0")  # fmt: skip
def spread(x, *, shape, dim=None):
    """``x``, of the shape of a reduction over ``dim``, broadcast back to ``shape`` without using memory."""
    if x.ndim == 0:
        strides: Any = (0,) * len(shape)
    elif x.ndim == len(shape):
        return np.broadcast_to(x, shape)
    elif x.flags.c_contiguous:
        steps = iter(x.strides)
        strides = tuple([0 if d in dim else next(steps) for d in range(len(shape))])
    else:
        return np.broadcast_to(np.reshape(x, kept(shape, dim)), shape)
    out = np.ndarray(shape, x.dtype, x, 0, strides)  # a fifth of the time of numpy.broadcast_to
    out.flags.writeable = False
    return out


def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Sum of the elements along ``dim`` (an int or several), or of all; integers and bools in int64.

    >>> rg.tensor([[1., 2.], [3., 4.]]).sum(dim=0)
    tensor([4., 6.])
    """
    if dim is not None:
        dim = dims_of(input, dim, "sum")
    if dtype is not None:
        return in_dtype(dtype, total, input, dim=dim, keepdim=keepdim)
    return total(input, dim=dim, keepdim=keepdim)


def _nan_total_jvp(args: Any, _outs: Any, tangents: Any, params: Any) -> Any:
    return total(tangents[0] * (args[0] == args[0]), **params)


@general(x=lambda g, x, *, dim: spread(g, shape=x.shape, dim=dim) * (x == x), shape=shapes.reduced,
         jvp=_nan_total_jvp, refuse=("c", "does not support complex inputs; sum the real and imaginary parts"),
         name="nansum")  # fmt: skip
def nan_total(x, *, dim=None, keepdim=False):
    """Sum over ``dim`` of the elements that are not nan."""
    return _accumulated(np.add, np.where(x == x, x, x.dtype.type(0)), dim, keepdim)


def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Sum of the elements along ``dim`` (an int or several), or of all; nan counts as zero.

    >>> rg.nansum(rg.tensor([1., float("nan"), 2.]))
    tensor(3.)
    """
    return in_dtype(dtype, nan_total, input, dim=dims_of(input, dim, "nansum"), keepdim=keepdim)


@general(shape=shapes.reduced, name="count_nonzero")
def nonzeros(x, *, dim=None, keepdim=False):
    """How many elements over ``dim`` are not zero."""
    return _over(np.add, x != 0, dim, keepdim, I8)


def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many elements along ``dim`` (an int or several) are not zero.

    >>> rg.count_nonzero(rg.tensor([0., 2., 3.]))
    tensor(2)
    """
    return nonzeros(input, dim=dims_of(input, dim, "count_nonzero"))


# -- means


@linear(x=lambda g, x_shape, *, dim: spread(g / count(x_shape, dim), shape=x_shape, dim=dim),
        shape=shapes.reduced, name="mean")  # fmt: skip
def average(x, *, dim=None, keepdim=False):
    """Sum over ``dim`` divided by the number of elements; of no elements, nan."""
    if x.dtype.kind in "biu":
        raise DtypeError("mean(): could not infer output dtype. Input dtype must be either a floating "
                         f"point or complex dtype. Got: {_title(x)}; convert with .float()")  # fmt: skip
    out = _over(np.add, _wide(x), dim, keepdim)
    np.divide(out, x.size if dim is None else count(x.shape, dim), out=out)
    return np.asarray(out, x.dtype)


def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Mean of the elements along ``dim`` (an int or several), or of all; the mean of nothing is nan.

    >>> rg.tensor([[1., 2.], [3., 4.]]).mean(dim=1)
    tensor([1.5000, 3.5000])
    """
    if dim is not None:
        dim = dims_of(input, dim, "mean")
    if dtype is not None:
        return in_dtype(dtype, average, input, dim=dim, keepdim=keepdim)
    return average(input, dim=dim, keepdim=keepdim)


def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Mean of the elements along ``dim`` (an int or several), or of all, that are not nan.

    >>> rg.nanmean(rg.tensor([1., float("nan"), 2.]))
    tensor(1.5000)
    """
    if dtype_of(input).kind not in "fcV":
        raise DtypeError(f"nanmean(): expected input to have floating point or complex dtype but got "
                         f"{dtypes.of(dtype_of(input))}; convert with .float()")  # fmt: skip
    dim = dims_of(input, dim, "nanmean")
    there = nonzeros(input == input, dim=dim, keepdim=keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / there


# -- products


def _others(x: Any, dim: int) -> Any:
    """For each element, the product of the other ones along ``dim``: no division, so it holds at zeros."""
    before = shift(running_product(x, dim=dim), dim=dim, by=1, fill=1)
    return before * shift(running_product(x, dim=dim, reverse=True), dim=dim, by=-1, fill=1)


def _product_jvp(args: Any, _outs: Any, tangents: Any, params: Any) -> Any:
    return total(tangents[0] * _others(args[0], params["dim"][0]), **params)


@general(x=lambda g, x, *, dim: spread(g, shape=x.shape, dim=dim) * _others(x, dim[0]), shape=shapes.reduced,
         jvp=_product_jvp, name="prod")  # fmt: skip
def product(x, *, dim, keepdim=False):
    """Product over one dimension."""
    return _accumulated(np.multiply, x, dim, keepdim)


def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Product of the elements along ``dim``, or of all; differentiable at zeros too.

    >>> rg.tensor([[1., 2.], [3., 4.]]).prod(dim=0)
    tensor([3., 8.])
    """
    if dim is not None and input.ndim:
        return in_dtype(dtype, product, input, dim=(dim_of(input, dim, "prod"),), keepdim=keepdim)
    if dim is not None:
        dim_of(input, dim, "prod")
    return in_dtype(dtype, product, input if input.ndim == 1 else reshape(input, (-1,)), dim=(0,))


# -- extremes


@general(shape=lambda x, out, *, dim: tuple(x))
def share(x, out, *, dim):
    """The weights with which the elements that equal ``out``, an extreme over ``dim``, share its gradient."""
    out = out.reshape(kept(x.shape, dim))
    hits = (x == out) | ((x != x) & (out != out))
    return (hits / _over(np.add, hits, dim, True, x.dtype)).astype(x.dtype, copy=False)


def _shared_jvp(args: Any, outs: Any, tangents: Any, params: Any) -> Any:
    return total(tangents[0] * share(args[0], outs[0], dim=params["dim"]), **params)


def _extreme(ufunc: Any, x: Any, dim: Any, keepdim: bool, name: str) -> Any:
    need_elements(x, dim, name)
    need_order(x, name)
    return _over(ufunc, x, dim, keepdim)


@general(x=lambda g, x, out, *, dim: spread(g, shape=x.shape, dim=dim) * share(x, out, dim=dim),
         shape=shapes.reduced, jvp=_shared_jvp, name="amax")  # fmt: skip
def highest(x, *, dim=None, keepdim=False):
    """Largest element over ``dim``; the gradient is shared evenly among equals."""
    return _extreme(np.maximum, x, dim, keepdim, "amax")


@general(x=lambda g, x, out, *, dim: spread(g, shape=x.shape, dim=dim) * share(x, out, dim=dim),
         shape=shapes.reduced, jvp=_shared_jvp, name="amin")  # fmt: skip
def lowest(x, *, dim=None, keepdim=False):
    """Smallest element over ``dim``; the gradient is shared evenly among equals."""
    return _extreme(np.minimum, x, dim, keepdim, "amin")


def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Largest element along ``dim`` (an int or several), or of all; equals share the gradient evenly.

    >>> rg.amax(rg.tensor([[1., 5.], [3., 2.]]), dim=1)
    tensor([5., 3.])
    """
    return highest(input, dim=dims_of(input, dim, "amax"), keepdim=keepdim)


def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Smallest element along ``dim`` (an int or several), or of all; equals share the gradient evenly.

    >>> rg.amin(rg.tensor([[1., 5.], [3., 2.]]), dim=1)
    tensor([1., 2.])
    """
    return lowest(input, dim=dims_of(input, dim, "amin"), keepdim=keepdim)


def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Smallest and largest element along ``dim``, or of all, as ``(min, max)``.

    >>> rg.aminmax(rg.tensor([1., 5., 3.])).max
    tensor(5.)
    """
    over = None if dim is None else dims_of(input, dim_of(input, dim, "aminmax"), "aminmax")
    least = lowest(input, dim=over, keepdim=keepdim)
    return return_types.aminmax(least, highest(input, dim=over, keepdim=keepdim))


def _one(arg: Any, x: Any, dim: int, keepdim: bool, name: str) -> Any:
    """The element along ``dim`` that ``arg`` (such as `numpy.argmax`) finds, and its index."""
    need_elements(x, (dim,), name)
    need_order(x, name)
    return taken(x, arg(x, dim, keepdims=True) if x.ndim else np.zeros((), I8), dim, keepdim)


@general(**chosen, shape=reduced_twice, name="max")
def largest(x, *, dim, keepdim=False):
    """Largest element along ``dim`` and its index, the first one of equals."""
    return _one(np.argmax, x, dim, keepdim, "max")


@general(**chosen, shape=reduced_twice, name="min")
def smallest(x, *, dim, keepdim=False):
    """Smallest element along ``dim`` and its index, the first one of equals."""
    return _one(np.argmin, x, dim, keepdim, "min")


def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Largest element; with ``dim``, ``(values, indices)`` along it; with ``other``, the larger of a pair.

    Without ``dim`` equals share the gradient evenly; with ``dim`` the element at the index, the first, takes
    all.

    >>> values, indices = rg.max(rg.tensor([[1., 5.], [3., 2.]]), dim=1)
    >>> values, indices
    (tensor([5., 3.]), tensor([1, 0]))
    """
    if other is not None or isinstance(dim, Value):
        return maximum(input, dim if other is None else other)
    if dim is None:
        return highest(input, dim=dims_of(input, None, "max"))
    return return_types.max(*largest(input, dim=dim_of(input, dim, "max"), keepdim=keepdim))


def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Smallest element; with ``dim``, ``(values, indices)`` along it; with ``other``, the smaller of a pair.

    Without ``dim`` equals share the gradient evenly; with ``dim`` the element at the index, the first, takes
    all.

    >>> values, indices = rg.min(rg.tensor([[1., 5.], [3., 2.]]), dim=1)
    >>> values, indices
    (tensor([1., 2.]), tensor([0, 1]))
    """
    if other is not None or isinstance(dim, Value):
        return minimum(input, dim if other is None else other)
    if dim is None:
        return lowest(input, dim=dims_of(input, None, "min"))
    return return_types.min(*smallest(input, dim=dim_of(input, dim, "min"), keepdim=keepdim))


def _index_of(arg: Any, x: Any, dim: int | None, keepdim: bool, name: str) -> Any:
    if x.dtype.kind == "b":
        raise DtypeError(f"{name}(): does not support bool input; convert with .int()")
    need_order(x, name)
    if dim is None and not x.size:
        raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
    need_elements(x, (dim,), name)
    return np.asarray(arg(x, dim if x.ndim else None, keepdims=keepdim))


@general(shape=shapes.reduced, name="argmax")
def index_of_largest(x, *, dim=None, keepdim=False):
    """Index of the largest element along ``dim``, the first one of equals."""
    return _index_of(np.argmax, x, dim, keepdim, "argmax")


@general(shape=shapes.reduced, name="argmin")
def index_of_smallest(x, *, dim=None, keepdim=False):
    """Index of the smallest element along ``dim``, the first one of equals."""
    return _index_of(np.argmin, x, dim, keepdim, "argmin")


def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Index of the largest element along ``dim`` (None: in the flattened tensor), the first one of equals.

    >>> rg.argmax(rg.tensor([[1., 5.], [3., 2.]]), dim=1)
    tensor([1, 0])
    """
    if dim is not None:
        dim = dim_of(input, dim, "argmax")
    return index_of_largest(input, dim=dim, keepdim=keepdim)


def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Index of the smallest element along ``dim`` (None: in the flattened tensor), the first one of equals.

    >>> rg.argmin(rg.tensor([[1., 5.], [3., 2.]]), dim=1)
    tensor([0, 1])
    """
    if dim is not None:
        dim = dim_of(input, dim, "argmin")
    return index_of_smallest(input, dim=dim, keepdim=keepdim)


# -- truth


def _truth(ufunc: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    """``ufunc.reduce`` as bool; of uint8, which once served as bool, as uint8."""
    return _over(ufunc, x, dim, keepdim).astype(U1 if x.dtype is U1 else bool, copy=False)


@general(shape=shapes.reduced, name="all")
def every(x, *, dim=None, keepdim=False):
    """Are all elements over ``dim`` nonzero?"""
    return _truth(np.logical_and, x, dim, keepdim)


@general(shape=shapes.reduced, name="any")
def some(x, *, dim=None, keepdim=False):
    """Is an element over ``dim`` nonzero?"""
    return _truth(np.logical_or, x, dim, keepdim)


def _true_dims(input: Any, dim: Any, name: str) -> Any:
    return () if dim in ((), []) else dims_of(input, dim, name)  # only here an empty list means no dimension


def all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Are all elements along ``dim`` (an int or several) nonzero? Bool, but uint8 for uint8.

    >>> rg.all(rg.tensor([[True, False], [True, True]]), dim=1)
    tensor([False,  True])
    """
    return every(input, dim=_true_dims(input, dim, "all"), keepdim=keepdim)


def any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Is any element along ``dim`` (an int or several) nonzero? Bool, but uint8 for uint8.

    >>> rg.any(rg.tensor([[True, False], [False, False]]), dim=1)
    tensor([ True, False])
    """
    return some(input, dim=_true_dims(input, dim, "any"), keepdim=keepdim)


# -- moments


def _variance(x: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    if x.dtype.kind not in "fcV":
        raise DtypeError("std and var only support floating point and complex dtypes, got "
                         f"{dtypes.of(x.dtype)}; convert with .float()")  # fmt: skip
    x = _wide(x)
    n = count(x.shape, dim)
    away = x - _over(np.add, x, dim, True) / n
    squares = (away * away.conj()).real if x.dtype.kind == "c" else away * away
    return _over(np.add, squares, dim, keepdim) / builtins.max(n - correction, 0)


def _variance_rule(g: Any, x: Any, dim: Any, correction: float) -> Any:
    free = count(x.shape, dim) - correction
    away = x - average(x, dim=dim, keepdim=True)
    if dim is None and free <= 0:  # infinite, or nan where the element is the mean
        return spread(g, shape=x.shape, dim=dim) * (away * away * math.inf)
    return spread(g * (2 / free if free else math.inf), shape=x.shape, dim=dim) * away


def _variance_slope(x: Any, t: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    free = count(x.shape, dim) - correction
    away = x - average(x, dim=dim, keepdim=True)
    parts = away.real * t.real + away.imag * t.imag if dtype_of(x).kind == "c" else away * t
    return total(parts, dim=dim, keepdim=keepdim) * (2 / free if free else math.inf)


def _variance_jvp(args: Any, _outs: Any, tangents: Any, params: Any) -> Any:
    return _variance_slope(args[0], tangents[0], **params)


def _deviation_jvp(args: Any, outs: Any, tangents: Any, params: Any) -> Any:
    return _quotient(_variance_slope(args[0], tangents[0], **params), outs[0]) / 2


def _quotient(a: Any, b: Any) -> Any:
    """``a / b``, and zero where ``b`` is zero."""
    return a * (b != 0) / (b + (b == 0))


@general(x=lambda g, x, *, dim, correction: _variance_rule(g, x, dim, correction), shape=shapes.reduced,
         jvp=_variance_jvp, conjugate=False, name="var")  # fmt: skip
def variance(x, *, dim=None, correction=1, keepdim=False):
    """Sum over ``dim`` of squared distances from the mean, by the number of elements less ``correction``."""
    return np.asarray(_variance(x, dim, correction, keepdim), x.real.dtype)


@general(x=lambda g, x, out, *, dim, correction: _variance_rule(_quotient(g, out) / 2, x, dim, correction),
         shape=shapes.reduced, jvp=_deviation_jvp, conjugate=False, name="std")  # fmt: skip
def deviation(x, *, dim=None, correction=1, keepdim=False):
    """Square root of the variance over ``dim``; its gradient is zero where it is zero."""
    return np.asarray(np.sqrt(_variance(x, dim, correction, keepdim)), x.real.dtype)


def _moment(op: Any, input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any, name: str) -> Any:
    """Call `variance` or `deviation` from any of PyTorch's overloads."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return op(input, dim=dims_of(input, dim, name), correction=correction, keepdim=keepdim)


def var(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Any:
    """Variance ``sum(|x - mean|²) / (n - correction)`` along ``dim`` (an int or several), or of all elements.

    ``correction`` is 1 unless given; ``unbiased=False`` means 0. With ``n <= correction`` the result is nan
    or inf.

    >>> rg.var(rg.tensor([1., 2., 3., 4.]))
    tensor(1.6667)
    """
    return _moment(variance, input, dim, unbiased, keepdim, correction, "var")


def std(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Any:
    """Standard deviation, the square root of `var`, along ``dim`` (an int or several), or of all elements.

    >>> rg.std(rg.tensor([1., 2., 3., 4.]))
    tensor(1.2910)
    """
    return _moment(deviation, input, dim, unbiased, keepdim, correction, "std")


def var_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Any:
    """Variance and mean along ``dim`` (an int or several), or of all elements; see `var`.

    >>> rg.var_mean(rg.tensor([1., 2., 3., 4.]))
    (tensor(1.6667), tensor(2.5000))
    """
    spread_out = _moment(variance, input, dim, unbiased, keepdim, correction, "var_mean")
    return spread_out, mean(input, None if isinstance(dim, bool) else dim, keepdim)


def std_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Any:
    """Standard deviation and mean along ``dim`` (an int or several), or of all elements; see `var`.

    >>> rg.std_mean(rg.tensor([1., 2., 3., 4.]))
    (tensor(1.2910), tensor(2.5000))
    """
    spread_out = _moment(deviation, input, dim, unbiased, keepdim, correction, "std_mean")
    return spread_out, mean(input, None if isinstance(dim, bool) else dim, keepdim)


# -- sums of exponentials


def _softmax(x: Any, out: Any, dim: Any) -> Any:
    """The share of each element in the sum of exponentials whose logarithm is ``out``."""
    return exp(x - spread(out, shape=x.shape, dim=dim))


def _log_total_jvp(args: Any, outs: Any, tangents: Any, params: Any) -> Any:
    return total(tangents[0] * _softmax(args[0], outs[0], params["dim"]), **params)


@general(x=lambda g, x, out, *, dim: spread(g, shape=x.shape, dim=dim) * _softmax(x, out, dim),
         shape=shapes.reduced, jvp=_log_total_jvp, dtype="float", name="logsumexp")  # fmt: skip
def log_total(x, *, dim, keepdim=False):
    """Logarithm of the sum over ``dim`` of the exponentials; of no elements, -inf."""
    wide = _wide(x)
    top = np.max(wide.real, dim, keepdims=True, initial=-math.inf)
    top = np.where(np.isfinite(top), top, top.dtype.type(0))
    out = np.log(_over(np.add, np.exp(wide - top), dim, keepdim))
    return np.asarray(out + top.reshape(out.shape), x.dtype)


def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """Logarithm of the sum of ``exp`` of the elements along ``dim`` (an int or several), without overflow.

    >>> rg.logsumexp(rg.tensor([1000., 1000.]), dim=0)
    tensor(1000.6932)
    """
    return log_total(input, dim=dims_of(input, dim, "logsumexp"), keepdim=keepdim)


# -- norms


def _norm_rule(g: Any, x: Any, out: Any, order: float, dim: Any) -> Any:
    """PyTorch's formulas, with what they say at zeros: no gradient there, and no second derivative."""
    from regrad.ops.choosing import where

    if order == 0:
        return spread(g * 0, shape=x.shape, dim=dim)
    size = magnitude(x)
    if math.isinf(order):
        return spread(g, shape=x.shape, dim=dim) * (share(size, out, dim=dim) * direction(x))
    if order == 1:
        return spread(g, shape=x.shape, dim=dim) * direction(x)
    wide = spread(out, shape=x.shape, dim=dim)
    if order == 2:  # x / out first, so that the second derivative at a zero norm, which does not exist, is nan
        return spread(g, shape=x.shape, dim=dim) * where(wide == 0, 0, x / wide)
    if order < 1:
        powers = direction(x) * where(x == 0, 0, size ** (order - 1))
        return powers * spread(g * out ** (1 - order), shape=x.shape, dim=dim)
    scale = spread(where(out == 0, 0, g / out ** (order - 1)), shape=x.shape, dim=dim)
    return (direction(x) * size ** (order - 1) if order < 2 else x * size ** (order - 2)) * scale


@general(x=lambda g, x, out, *, order, dim: _norm_rule(g, x, out, order, dim), shape=shapes.reduced,
         conjugate=False, name="linalg_vector_norm")  # fmt: skip
def size_of(x, *, order=2, dim=None, keepdim=False):
    """Norm ``sum(|x|^order)^(1 / order)`` over ``dim``; its limits for order 0, inf and -inf."""
    if x.dtype.kind not in "fcV":
        raise DtypeError("linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
                         f"{_title(x)}; convert with .float()")  # fmt: skip
    if (order < 0 or math.isinf(order)) and not count(x.shape, dim):
        raise RuntimeError(f"linalg.vector_norm cannot compute the {order:g} norm on an empty tensor because "
                           f"the operation does not have an identity: {list(x.shape)}")  # fmt: skip
    size = np.abs(_wide(x))
    if math.isinf(order):
        out = _over(np.maximum if order > 0 else np.minimum, size, dim, keepdim)
    elif order == 0:
        out = _over(np.add, size != 0, dim, keepdim, size.dtype)
    elif order == 1:
        out = _over(np.add, size, dim, keepdim)
    elif order == 2:
        out = np.sqrt(_over(np.add, size * size, dim, keepdim))
    else:
        out = _over(np.add, size**order, dim, keepdim) ** (1 / order)
    return np.asarray(out, x.real.dtype)


def vector_norm(x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Norm ``sum(|x|^ord)^(1 / ord)`` of the elements along ``dim`` (an int or several), or of all.

    Order 0 counts the elements that are not zero, inf and -inf give the largest and the smallest size. Where
    the norm is zero, so is the gradient.

    >>> rg.linalg.vector_norm(rg.tensor([3., 4.]))
    tensor(5.)
    """
    dim = dims_of(x, dim, "linalg.vector_norm")
    return in_dtype(dtype, size_of, x, order=float(ord), dim=dim, keepdim=keepdim)


def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Norm of order ``p`` of the elements along ``dim``, or of all; "nuc" is the nuclear norm of matrices.

    "fro", the Frobenius norm, is the norm of order 2.

    >>> rg.norm(rg.tensor([[3., 0.], [0., 4.]]))
    tensor(5.)
    """
    if not isinstance(p, str):
        return vector_norm(input, 2 if p is None else p, dim, keepdim, dtype=dtype)
    if p == "fro":
        return vector_norm(input, 2, dim, keepdim, dtype=dtype)
    from regrad.ops.linalg import matrix_norm

    return matrix_norm(input, p, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)


def dist(input: Any, other: Any, p: float = 2) -> Any:
    """Norm of order ``p`` of all elements of ``input - other``.

    >>> rg.dist(rg.tensor([1., 2.]), rg.tensor([4., 6.]))
    tensor(5.)
    """
    return vector_norm(input - other, p)


METHODS = {
    "all": all, "amax": amax, "amin": amin, "aminmax": aminmax, "any": any, "argmax": argmax,
    "argmin": argmin, "count_nonzero": count_nonzero, "dist": dist, "logsumexp": logsumexp, "max": max,
    "mean": mean, "min": min, "nanmean": nanmean, "nansum": nansum, "norm": norm, "prod": prod, "std": std,
    "sum": sum, "var": var,
}  # fmt: skip
