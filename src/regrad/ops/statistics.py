"""Statistics: quantiles, covariance, and counting values into bins.

Quantiles and covariances are made of other ops and differentiable through them; counts have no gradient.
Start reading at `_quantile` and `_binned`.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.errors import DtypeError, ShapeError
from regrad.graph.value import Value, wrap
from regrad.ops import return_types
from regrad.ops.choosing import clamp, lerp, where
from regrad.ops.complexes import complex, conj, imag, real
from regrad.ops.exponential import sqrt
from regrad.ops.matmul import mm
from regrad.ops.reduction import total
from regrad.ops.scan import dim_of, dtype_of
from regrad.ops.selection import pick
from regrad.ops.shaping import diagonal, movedim, reshape, squeeze, t, unsqueeze
from regrad.ops.sorting import arranged

__all__ = ["bincount", "corrcoef", "cov", "histc", "histogram", "histogramdd", "nanquantile", "quantile"]


# -- quantiles

ROUNDINGS: Any = {
    "linear": np.floor, "midpoint": np.floor, "lower": np.floor, "higher": np.ceil, "nearest": np.rint,
}  # fmt: skip


def _checked(input: Any, q: Any, interpolation: str, name: str) -> Any:
    """``q`` as a tensor of the dtype of ``input``, after PyTorch's checks."""
    dtype = dtype_of(input)
    if dtype.str[1:] not in ("f4", "f8"):
        raise DtypeError(f"{name}() input tensor must be either float or double dtype, got "
                         f"{dtypes.of(dtype)}; convert with .float()")  # fmt: skip
    if not math.prod(input.shape):
        raise RuntimeError(f"{name}() input tensor must be non-empty; it is {list(input.shape)}")
    if interpolation not in ROUNDINGS:
        raise RuntimeError(f"{name}() interpolation must be one of linear, lower, higher, midpoint or "
                           f"nearest, but got {interpolation}")  # fmt: skip
    if not isinstance(q, Value):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        return wrap(np.asarray(q, dtype))
    if q.array.ndim > 1:
        raise ShapeError(f"{name}() q must be a scalar or 1D tensor; it is {list(q.array.shape)}")
    if q.array.dtype != dtype:
        raise DtypeError(f"{name}() q tensor must be same dtype as the input tensor, {dtypes.of(dtype)}; it "
                         f"is {dtypes.of(q.array.dtype)}")  # fmt: skip
    if not ((q.array >= 0) & (q.array <= 1)).all():
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    return q


def _quantile(
    input: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool, name: str
) -> Any:
    q = _checked(input, q, interpolation, name)
    over = None if dim is None else dim_of(input, dim, name)
    lines = reshape(input, (-1,)) if over is None or not input.ndim else movedim(input, over, -1)
    last = lines.ndim - 1
    values = arranged(lines, dim=last)[0]
    rank = _ranks(values.array, reshape(q, (-1,)), ignore_nan)
    near = ROUNDINGS[interpolation](rank.array)
    out = pick(values, near.astype(np.int64), dim=last)
    if interpolation in ("linear", "midpoint"):
        weight = rank - wrap(near) if interpolation == "linear" else 0.5
        out = lerp(out, pick(values, np.ceil(rank.array).astype(np.int64), dim=last), weight)
    gone = [over is None or d == over for d in range(input.ndim)]
    shape = [1 if g else n for n, g in zip(input.shape, gone, strict=True) if keepdim or not g]
    return reshape(movedim(out, -1, 0), [*q.shape, *shape])


def _ranks(values: Any, q: Any, ignore_nan: bool) -> Any:
    """The places of the quantiles ``q`` in lines of ordered ``values``: numbers, often between two places."""
    top = values.shape[-1] - 1
    nans = np.sum(values != values, -1, values.dtype, keepdims=True)
    if ignore_nan:
        return q * wrap(np.maximum(top - nans, 0))
    return where(wrap(nans > 0), float(top), q * top)  # any nan comes last in order, and is the result


def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """The ``q``-quantile along ``dim``, or of all elements.

    For a 1-d ``q`` there is one for each, along a new first dimension. It lies at the place ``q * (n - 1)``
    of the sorted elements; ``interpolation`` says what stands between two of them: "linear", "lower",
    "higher", "midpoint" or "nearest". A nan makes the result nan; see `nanquantile`.

    >>> rg.quantile(rg.tensor([1., 2., 3., 4.]), 0.5)
    tensor(2.5000)
    """
    return _quantile(input, q, dim, keepdim, interpolation, False, "quantile")


def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """The ``q``-quantile of the elements that are not nan; see `quantile`.

    >>> rg.nanquantile(rg.tensor([1., 2., float("nan"), 3.]), 0.5)
    tensor(2.)
    """
    return _quantile(input, q, dim, keepdim, interpolation, True, "nanquantile")


# -- covariance


def _weights(weights: Any, kinds: str, n: int, name: str, takes: str) -> Any:
    """Weights of observations, after PyTorch's checks."""
    if weights.ndim > 1:
        raise ShapeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with "
                         f"{weights.ndim} dimensions")  # fmt: skip
    if dtype_of(weights).kind not in kinds:
        raise DtypeError(f"cov(): expected {name} to have {takes} dtype but got {name} with "
                         f"{dtypes.of(dtype_of(weights))} dtype")  # fmt: skip
    if math.prod(weights.shape) != n:
        raise ShapeError(f"cov(): expected {name} to have the same numel as there are observations in the "
                         f"input but got {math.prod(weights.shape)} != {n}")  # fmt: skip
    if (weights.array < 0).any():
        raise RuntimeError(f"cov(): {name} cannot be negative")
    return weights


def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """Covariances of the variables in the rows of ``input``, whose columns are observations.

    ``fweights`` says how often each observation counts (whole numbers), ``aweights`` how much it weighs.
    PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.cov.html

    >>> rg.cov(rg.tensor([[0., 1., 2.], [2., 1., 0.]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise ShapeError("cov(): expected input to have two or fewer dimensions but got an input with "
                         f"{input.ndim} dimensions")  # fmt: skip
    if dtype_of(input).kind == "b":
        raise DtypeError("cov(): bool dtype is not supported for input; convert with .float()")
    rows = input if input.ndim == 2 else reshape(input, (1, -1))
    n = rows.shape[1]
    w = None if fweights is None else _weights(fweights, "iu", n, "fweights", "integral")
    if aweights is not None:
        aweights = _weights(aweights, "fV", n, "aweights", "floating point")
        w = aweights if w is None else w * aweights
    size = n if w is None else total(w)
    if w is not None and not size.array.any():
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    free = size - correction
    if aweights is not None and correction:
        free = size - correction * total(w * aweights) / size
    if (free.array if isinstance(free, Value) else free) <= 0:
        warnings.warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number "
                      "of observations.", stacklevel=2)  # fmt: skip
        free = free * 0
    centre = total(rows if w is None else rows * w, dim=(1,)) / size
    rows = rows - unsqueeze(centre, 1)
    return squeeze(mm(rows, conj(t(rows if w is None else rows * w))) / free)


def corrcoef(input: Any) -> Any:
    """Pearson's correlations of the variables in the rows of ``input``, whose columns are observations.

    >>> rg.corrcoef(rg.tensor([[0., 1., 2.], [2., 1., 0.]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise ShapeError("corrcoef(): expected input to have two or fewer dimensions but got an input with "
                         f"{input.ndim} dimensions")  # fmt: skip
    c = cov(input)
    if not c.ndim:
        return c / c
    variances = diagonal(c)
    is_complex = dtype_of(c).kind == "c"
    deviations = sqrt(real(variances) if is_complex else variances)
    c = c / reshape(deviations, (-1, 1)) / reshape(deviations, (1, -1))
    return complex(clamp(real(c), -1, 1), clamp(imag(c), -1, 1)) if is_complex else clamp(c, -1, 1)


# -- counts


def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each whole number from 0 occurs, or the sum of the ``weights`` that stand where it occurs.

    >>> rg.bincount(rg.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    x = input.array
    if x.dtype.kind not in "iu":
        raise NotImplementedError(f'"bincount" not implemented for {x.dtype.name}; it takes integers: '
                                  'convert with .long()')  # fmt: skip
    if minlength < 0:
        raise RuntimeError(f"bincount: minlength should be >= 0, not {minlength}")
    if x.ndim != 1 or (x < 0).any():
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs, this one "
                           f"{'has negative ones' if x.ndim == 1 else f'is {list(x.shape)}'}")  # fmt: skip
    if weights is None:
        return wrap(np.bincount(x, minlength=minlength))
    w = weights.array
    if w.shape != x.shape:
        raise ShapeError("bincount: weights should be 1-d and have the same length as input; they are "
                         f"{list(w.shape)}, input is {list(x.shape)}")  # fmt: skip
    return wrap(np.bincount(x, w, minlength).astype(np.float32 if w.dtype.name == "float32" else np.float64))


def _bounds(x: Any, given: Any, margin: float, name: str) -> tuple[float, float]:
    """The outer edges of the bins: as given, or those of the data, with a margin where they coincide."""
    low, high = given if given is not None else (x.min(), x.max()) if x.size else (0, 1)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}: range of [{low}, {high}] is not finite; pass the range, or drop inf "
                           "and nan")  # fmt: skip
    if low > high:
        raise RuntimeError(f"{name}: max must be larger than min; they are {high} and {low}")
    return (low - margin, high + margin) if low == high else (low, high)


def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements fall into each of ``bins`` equal bins from ``min`` to ``max``.

    If both are equal, the bins run from the smallest to the largest element. There is no gradient.

    >>> rg.histc(rg.tensor([1., 2., 1.]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    x = input.array
    if x.dtype.kind not in "fV":
        raise NotImplementedError(f'"histc" not implemented for {x.dtype.name}; it takes floating-point '
                                  'numbers: convert with .float()')  # fmt: skip
    if bins < 1:
        raise RuntimeError(f"histc: bins must be > 0, but got {bins}")
    low, high = _bounds(x, None if min == max else (min, max), 1, "histc")
    x = x[(x >= low) & (x <= high)]
    places = np.minimum(((x - low) / (high - low) * bins).astype(np.int64), bins - 1)
    return wrap(np.bincount(places, minlength=bins).astype(input.array.dtype))


def _binned(x: Any, edges: list[Any], weight: Any, density: bool) -> Any:
    """The histogram of the rows of ``x`` over the grid that ``edges`` make, one array for each column."""
    inside, cell = np.ones(len(x), bool), np.zeros(len(x), np.int64)
    for column, steps in zip(x.T, edges, strict=True):
        place = steps.searchsorted(column, "right") - 1
        place[column == steps[-1]] = len(steps) - 2  # the last bin includes its upper edge
        inside &= (place >= 0) & (place < len(steps) - 1)
        cell = cell * (len(steps) - 1) + place
    sizes = [len(steps) - 1 for steps in edges]
    weight = None if weight is None else weight.reshape(-1)[inside]
    hist = np.bincount(cell[inside], weight, math.prod(sizes)).astype(x.dtype).reshape(sizes)
    if density:
        hist = hist / hist.sum()
        for d, steps in enumerate(edges):
            hist = hist / np.diff(steps).reshape(-1, *(1,) * (len(sizes) - d - 1))
    return hist


def _edges(x: Any, bins: Any, bounds: Any, name: str) -> Any:
    """The edges of the bins of one column: as given, or evenly spaced."""
    if isinstance(bins, Value):
        return bins.array
    if bins < 1:
        raise RuntimeError(f"{name}(): bins must be > 0, but got {bins}")
    return np.linspace(*_bounds(x, bounds, 0.5, f"{name}()"), bins + 1).astype(x.dtype)


def histogram(input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """Histogram of all elements, as ``(hist, bin_edges)``.

    ``bins`` is a number of equal bins or a tensor of sorted edges, ``range`` (two numbers) bounds equal bins,
    ``weight`` weighs the elements, ``density`` makes the integral 1.

    >>> rg.histogram(rg.tensor([1., 2., 1.]), bins=2, range=(0., 3.)).hist
    tensor([2., 1.])
    """
    x = input.array.reshape(-1, 1)
    edges = _edges(x, bins, range, "histogram")
    hist = _binned(x, [edges], None if weight is None else weight.array, density)
    return return_types.histogram(wrap(hist), wrap(edges))


def histogramdd(input: Any, bins: Any, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """Histogram over several dimensions of points, the last dimension of ``input``, as ``(hist, bin_edges)``.

    ``bins`` is a number of equal bins, one for each dimension, or a tensor of edges for each; ``range`` holds
    two numbers for each dimension.

    >>> rg.histogramdd(rg.tensor([[0., 1.], [1., 0.], [1., 1.]]), bins=[2, 2]).hist
    tensor([[0., 1.],
            [1., 1.]])
    """
    width = input.shape[-1]
    several = list(bins) if isinstance(bins, (list, tuple)) else [bins] * width
    if len(several) != width:
        raise ShapeError("histogramdd: The size of bins must be equal to the innermost dimension of the "
                         f"input. It is {len(several)}, the input is {list(input.shape)}")  # fmt: skip
    x = input.array.reshape(-1, width)
    bounds = [None] * width if range is None else [range[2 * d : 2 * d + 2] for d, _ in enumerate(several)]
    edges = [_edges(x[:, d], b, bounds[d], "histogramdd") for d, b in enumerate(several)]
    hist = _binned(x, edges, None if weight is None else weight.array, density)
    return return_types.histogramdd(wrap(hist), tuple(wrap(e) for e in edges))


METHODS = {
    "bincount": bincount, "corrcoef": corrcoef, "cov": cov, "histc": histc, "histogram": histogram,
    "nanquantile": nanquantile, "quantile": quantile,
}  # fmt: skip
