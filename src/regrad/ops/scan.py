"""Scans: running sums, products and extremes along a dimension. Start reading at `recurrence`.

The gradient of a running product needs no division, so it holds at zeros: it is a linear recurrence, run from
the other end. The declared ops take ``dim`` counted from the front, and ``reverse`` to run from the end.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import general, linear
from regrad.errors import ShapeError
from regrad.graph.value import Value
from regrad.ops import return_types
from regrad.ops.core import cast
from regrad.ops.exponential import exp
from regrad.ops.joining import cat
from regrad.ops.selection import chosen, need_order, same_twice
from regrad.ops.shaping import clone, narrow, reshape

__all__ = [
    "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "diff", "gradient", "logcumsumexp",
    "trapezoid", "trapz",
]  # fmt: skip

I8 = np.dtype("i8")
WIDE: Any = {"<f2": np.dtype("f4"), "<f4": np.dtype("f8")}  # what running sums and products are taken in


def dim_of(input: Any, dim: Any, name: str) -> int:
    """``dim`` counted from the front."""
    try:
        ndim = input.ndim
    except AttributeError:
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}") from None
    return shapes.dim_in(dim, ndim, name)


def in_dtype(dtype: Any, op: Callable[..., Any], input: Any, **params: Any) -> Any:
    """``op`` on ``input`` converted to ``dtype`` (None: as it is); the result has that dtype too."""
    if dtype is None:
        return op(input, **params)
    wanted = dtypes.to_numpy(dtype)
    out = op(input if dtype_of(input) == wanted else cast(input, wanted), **params)
    return out if dtype_of(out) == wanted else cast(out, wanted)


def dtype_of(input: Any) -> Any:
    """The NumPy dtype of a tensor or an array."""
    return input.array.dtype if isinstance(input, Value) else input.dtype


def _along(dim: int, start: Any, stop: Any = None, step: Any = None) -> tuple[slice, ...]:
    """The index of a slice along ``dim``."""
    return (*(slice(None),) * dim, slice(start, stop, step))


def _accumulated(ufunc: Any, x: Any, dim: int, reverse: bool) -> Any:
    """``ufunc.accumulate``, from the end if ``reverse``; integers in int64, floats in a wider dtype."""
    out = np.empty(x.shape, I8 if x.dtype.kind in "biu" else x.dtype)
    if x.ndim == 0:
        out[...] = x
    else:
        way = _along(dim, None, None, -1 if reverse else 1)
        ufunc.accumulate(x[way], dim, WIDE.get(out.dtype.str, out.dtype), out[way])
    return out


# -- sums


@linear(x=lambda g, *, dim, reverse: running_sum(g, dim=dim, reverse=not reverse), shape=shapes.same,
        name="cumsum")  # fmt: skip
def running_sum(x, *, dim, reverse=False):
    """Sum of the elements up to each one along ``dim``."""
    return _accumulated(np.add, x, dim, reverse)


def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Sum of the elements up to and with each one along ``dim``; integers and bools sum in int64.

    >>> rg.cumsum(rg.tensor([1., 2., 3.]), dim=0)
    tensor([1., 3., 6.])
    """
    return in_dtype(dtype, running_sum, input, dim=dim_of(input, dim, "cumsum"))


# -- products


def _shift_jvp(_args: Any, _outs: Any, tangents: Any, params: Any) -> Any:
    return shift(tangents[0], **{**params, "fill": 0})


@general(x=lambda g, *, dim, by: shift(g, dim=dim, by=-by), shape=shapes.same, jvp=_shift_jvp, quiet=False)
def shift(x, *, dim, by, fill=0):
    """``x`` moved by one place along ``dim`` (``by`` is 1 or -1), with ``fill`` in the place left free."""
    out = np.full_like(x, fill)
    if x.ndim:
        late, early = _along(dim, 1), _along(dim, None, -1)
        if by > 0:
            out[late] = x[early]
        else:
            out[early] = x[late]
    return out


def _step(reverse: bool) -> int:
    return -1 if reverse else 1


def _last(x: Any, dim: int, reverse: bool, fill: float = 0) -> Any:
    """For each element, the one that a scan met before it."""
    return shift(x, dim=dim, by=_step(reverse), fill=fill)


def _recurrence_jvp(args: Any, outs: Any, tangents: Any, params: Any) -> Any:
    (a, _), (a_t, b_t) = args, tangents
    inflow = 0 if a_t is None else a_t * _last(outs[0], **params)
    return recurrence(a, inflow if b_t is None else b_t + inflow, **params)


@general(a=lambda g, a, out, *, dim, reverse: _backflow(g, a, dim, reverse) * _last(out, dim, reverse),
         b=lambda g, a, *, dim, reverse: _backflow(g, a, dim, reverse),
         shape=shapes.same, jvp=_recurrence_jvp)  # fmt: skip
def recurrence(a, b, *, dim, reverse=False):
    """The sequence ``y[i] = a[i] * y[i - 1] + b[i]`` along ``dim``, which starts at ``b[0]``."""
    out = np.array(b, order="C")
    if not b.size or not b.ndim:
        return out
    rows, factors = (np.moveaxis(m, dim, 0)[:: _step(reverse)] for m in (out, a))
    lanes = b.size // len(rows)
    if lanes < 16:  # for so few, Python's own numbers are faster than calls of NumPy
        columns = factors.reshape(-1, lanes).T.tolist(), rows.reshape(-1, lanes).T.tolist()
        rows[...] = np.array([_sequence(*c) for c in zip(*columns, strict=True)]).T.reshape(rows.shape)
    else:
        for i in range(1, len(rows)):
            rows[i] += factors[i] * rows[i - 1]
    return out


def _sequence(factors: list[Any], terms: list[Any]) -> list[Any]:
    """`recurrence` on the numbers of one lane."""
    y = terms[0]
    return [y, *(y := a * y + b for a, b in zip(factors[1:], terms[1:], strict=True))]


def _running_product_jvp(args: Any, outs: Any, tangents: Any, params: Any) -> Any:
    return recurrence(args[0], tangents[0] * _last(outs[0], **params, fill=1), **params)


def _backflow(g: Any, factors: Any, dim: int, reverse: bool) -> Any:
    """What flows back to each term of a recurrence: its cotangent, and those of later ones by the factors."""
    return recurrence(shift(factors, dim=dim, by=-_step(reverse)), g, dim=dim, reverse=not reverse)


@general(x=lambda g, x, out, *, dim, reverse: _backflow(g, x, dim, reverse) * _last(out, dim, reverse, 1),
         shape=shapes.same, jvp=_running_product_jvp, name="cumprod")  # fmt: skip
def running_product(x, *, dim, reverse=False):
    """Product of the elements up to each one along ``dim``."""
    return _accumulated(np.multiply, x, dim, reverse)


def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Product of the elements up to and with each one along ``dim``; differentiable at zeros too.

    >>> rg.cumprod(rg.tensor([1., 2., 3.]), dim=0)
    tensor([1., 2., 6.])
    """
    return in_dtype(dtype, running_product, input, dim=dim_of(input, dim, "cumprod"))


# -- sums of exponentials


def _log_accumulated(x: Any, dim: int) -> Any:
    """The running log-sum-exp of complex numbers, which `numpy.logaddexp` does not take."""
    out = x.copy()
    rows, sums = np.moveaxis(x, dim, 0), np.moveaxis(out, dim, 0)
    for i in range(1, len(rows)):
        low, high = np.where(rows[i].real < sums[i - 1].real, (rows[i], sums[i - 1]), (sums[i - 1], rows[i]))
        sums[i] = np.where(np.isinf(high.real) & (high == low), high, high + np.log1p(np.exp(low - high)))
    return out


def _logcumsumexp_jvp(args: Any, outs: Any, tangents: Any, params: Any) -> Any:
    (x,), (out,), (t,), dim = args, outs, tangents, params["dim"]
    return recurrence(_decay(out, dim), t * exp(x - out), dim=dim)


def _decay(out: Any, dim: int) -> Any:
    """The share of each running sum that was there before its last term."""
    return exp(_last(out, dim, False, -math.inf) - out)


@general(x=lambda g, x, out, *, dim: exp(x - out) * _backflow(g, _decay(out, dim), dim, False),
         shape=shapes.same, jvp=_logcumsumexp_jvp, name="logcumsumexp")  # fmt: skip
def running_logsumexp(x, *, dim):
    """Logarithm of the sum of the exponentials up to each element along ``dim``."""
    if x.dtype.kind not in "fcV":
        raise NotImplementedError(f'"logcumsumexp" not implemented for {x.dtype.name}; it takes '
                                  'floating-point numbers: convert with .to() first')  # fmt: skip
    if x.ndim == 0:
        return np.array(x)
    if x.dtype.kind == "c":
        return _log_accumulated(x, dim)
    out = np.empty_like(x)
    np.logaddexp.accumulate(x, dim, WIDE.get(x.dtype.str, x.dtype), out)
    return out


def logcumsumexp(input: Any, dim: int) -> Any:
    """Logarithm of the sum of ``exp`` of the elements up to and with each one along ``dim``.

    >>> rg.logcumsumexp(rg.tensor([0., 0., 0.]), dim=0)
    tensor([0.0000, 0.6931, 1.0986])
    """
    return running_logsumexp(input, dim=dim_of(input, dim, "logcumsumexp"))


# -- extremes


def _running_extreme(ufunc: Any, x: Any, dim: int, name: str) -> Any:
    """The running extreme and the index of the last element that equals it; from a nan on it is nan."""
    need_order(x, name)
    if x.ndim == 0:
        return x.copy(), np.zeros((), I8)
    values = ufunc.accumulate(x, dim)
    places = np.arange(x.shape[dim]).reshape(-1, *(1,) * (x.ndim - dim - 1))
    return values, np.maximum.accumulate(np.where((x == values) | (x != x), places, 0), dim)


@general(**chosen, shape=same_twice, name="cummax")
def running_max(x, *, dim):
    """Largest of the elements up to each one along ``dim``, and its index."""
    return _running_extreme(np.maximum, x, dim, "cummax")


@general(**chosen, shape=same_twice, name="cummin")
def running_min(x, *, dim):
    """Smallest of the elements up to each one along ``dim``, and its index."""
    return _running_extreme(np.minimum, x, dim, "cummin")


def cummax(input: Any, dim: int) -> Any:
    """Largest of the elements up to and with each one along ``dim``, and its index (the last one of equals).

    >>> rg.cummax(rg.tensor([1., 3., 2.]), dim=0).values
    tensor([1., 3., 3.])
    """
    return return_types.cummax(*running_max(input, dim=dim_of(input, dim, "cummax")))


def cummin(input: Any, dim: int) -> Any:
    """Smallest of the elements up to and with each one along ``dim``, and its index (the last one of equals).

    >>> rg.cummin(rg.tensor([3., 1., 2.]), dim=0).values
    tensor([3., 1., 1.])
    """
    return return_types.cummin(*running_min(input, dim=dim_of(input, dim, "cummin")))


# -- differences and integrals of samples


def _neighbours(x: Any, dim: int) -> tuple[Any, Any]:
    """All but the last, and all but the first element along ``dim``."""
    n = builtins.max(x.shape[dim] - 1, 0)
    return narrow(x, dim, 0, n), narrow(x, dim, builtins.min(1, x.shape[dim]), n)


def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along ``dim``, taken ``n`` times; of bools, whether they differ.

    >>> rg.diff(rg.tensor([1., 4., 9.]))
    tensor([3., 5.])
    """
    if n < 0:
        raise RuntimeError(f"diff: order must be non-negative but got {n}")
    if not n:
        return clone(input)
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional; reshape the number to (1,)")
    dim = dim_of(input, dim, "diff")
    parts = [p for p in (prepend, input, append) if p is not None]
    out = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(builtins.min(n, out.shape[dim])):
        left, right = _neighbours(out, dim)
        out = right != left if dtype_of(out).kind == "b" else right - left
    return out


def _steps(x: Any, y: Any, dim: int, name: str) -> Any:
    """Distances of the sample points ``x`` of ``y``, in the dimensions of ``y``."""
    if "b" in (dtype_of(x).kind, dtype_of(y).kind):
        raise RuntimeError(f"{name}: received a bool input for `x` or `y`, but bool is not supported; "
                           "convert with .float()")  # fmt: skip
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise ShapeError(f"{name}: There must be one `x` value for each sample point; x has "
                             f"{x.shape[0]}, y has {y.shape[dim]} along dimension {dim}")  # fmt: skip
        x = reshape(x, [-1 if d == dim else 1 for d in range(y.ndim)])
    elif x.ndim < y.ndim:
        x = reshape(x, (*(1,) * (y.ndim - x.ndim), *x.shape))
    left, right = _neighbours(x, dim)
    return right - left


def _means(y: Any, x: Any, dx: Any, dim: int, name: str) -> Any:
    """Area between each pair of neighbouring samples, and the dimension they lie along."""
    if not y.ndim:
        raise IndexError(f"{name}: Dimension specified as {dim} but tensor has no dimensions")
    if x is not None and dx is not None:
        raise TypeError(f"{name}: takes the sample points x or their distance dx, not both")
    if dtype_of(y).kind == "b":
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported; convert with "
                           ".float()")  # fmt: skip
    dim = dim_of(y, dim, name)
    left, right = _neighbours(y, dim)
    if x is not None:
        return (left + right) * _steps(x, y, dim, name) / 2, dim
    return (left + right) * ((1 if dx is None else dx) / 2), dim


def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """Integral of the samples ``y`` along ``dim`` by the trapezoidal rule, at points ``x`` or steps ``dx``.

    >>> rg.trapezoid(rg.tensor([1., 2., 3.]))
    tensor(4.)
    """
    from regrad.ops.reduction import total

    areas, dim = _means(y, x, dx, dim, "trapezoid")
    return total(areas, dim=(dim,), keepdim=False)


trapz = trapezoid


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """Running integral of the samples ``y`` along ``dim`` by the trapezoidal rule.

    >>> rg.cumulative_trapezoid(rg.tensor([1., 2., 3.]))
    tensor([1.5000, 4.0000])
    """
    areas, dim = _means(y, x, dx, dim, "cumulative_trapezoid")
    return running_sum(areas, dim=dim)


def gradient(input: Any, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> list[Any]:
    """Estimates of the derivatives of the samples ``input`` along each of ``dim``, by central differences.

    ``spacing`` is the distance of the samples: a number (1 unless given), one for each dimension, or a tensor
    of coordinates for each. At the edges the estimate is one-sided, of order ``edge_order`` (1 or 2).
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.gradient.html

    >>> rg.gradient(rg.tensor([1., 4., 9., 16.]))[0]
    tensor([3., 4., 6., 7.])
    """
    if edge_order not in (1, 2):
        raise RuntimeError(f"gradient only supports edge_order=1 and edge_order=2, got {edge_order}")
    several = isinstance(spacing, (list, tuple))
    if dim is None and several:
        dim = tuple(range(len(spacing)))
    dims = shapes.dims_in(dim, input.ndim, "gradient")
    gaps = list(spacing) if several else [1 if spacing is None else spacing] * len(dims)
    if len(gaps) != len(dims):
        raise RuntimeError("gradient expected spacing to be unspecified, a scalar, or a list of the length "
                           f"of dim {list(dims)}, got {len(gaps)}")  # fmt: skip
    for d in dims:
        if input.shape[d] <= edge_order:
            raise RuntimeError("gradient expected each dimension size to be at least edge_order+1; "
                               f"dimension {d} of the input {list(input.shape)} is shorter")  # fmt: skip
    return [_slopes(input, h, d, edge_order) for d, h in zip(dims, gaps, strict=True)]


def _slopes(f: Any, h: Any, d: int, edge_order: int) -> Any:
    """The derivative along ``d`` of samples at distance ``h``, or at the coordinates ``h``."""
    n = f.shape[d]
    even = not getattr(h, "ndim", 0)
    if even:
        h1 = h2 = h
    else:
        gaps = _steps(h, f, d, "gradient")
        h1, h2 = narrow(gaps, d, 0, n - 2), narrow(gaps, d, 1, n - 2)

    def at(i: int, size: int = 1) -> Any:
        return narrow(f, d, i % n, size)

    def gap(i: int) -> Any:
        return h if even else narrow(gaps, d, i % (n - 1), 1)

    before, here, after = at(0, n - 2), at(1, n - 2), at(2, n - 2)
    if even:
        inner = (after - before) / (2 * h)
    else:
        inner = (after * h1 * h1 - before * h2 * h2 + here * (h2 * h2 - h1 * h1)) / (h1 * h2 * (h1 + h2))
    if edge_order == 1:
        ends = (at(1) - at(0)) / gap(0), (at(-1) - at(-2)) / gap(-1)
    else:
        ends = _edge(at(0), at(1), at(2), gap(0), gap(1)), -_edge(at(-1), at(-2), at(-3), gap(-1), gap(-2))
    return cat([ends[0], inner, ends[1]], d)


def _edge(f0: Any, f1: Any, f2: Any, h1: Any, h2: Any) -> Any:
    """The slope at the first of three samples, of the parabola through them."""
    return ((f1 - f0) * (h1 + h2) * (h1 + h2) - (f2 - f0) * h1 * h1) / (h1 * h2 * (h1 + h2))


METHODS = {
    "cummax": cummax, "cummin": cummin, "cumprod": cumprod, "cumsum": cumsum, "diff": diff,
    "logcumsumexp": logcumsumexp,
}  # fmt: skip
INPLACE = ("cumprod", "cumsum")
