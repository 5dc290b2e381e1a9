"""Resampling on arrays: resizing, padding and averaging along dimensions, and sampling at points.

A `Map` is a sparse matrix that acts along one dimension: which inputs an output reads, with which weights.
A list of maps, one for each of the last dimensions (None leaves one alone), is a separable linear function of
an array. Start reading at `Map` and `resample`; `resize_maps`, `pad_maps` and `window_map` build maps.

Transposes of one another:

    resample(x, maps)      <->  resample_adjoint(g, maps)
    pad(x, pairs, mode)    <->  pad_adjoint(g, pairs, mode), where a constant counts as zero

`grid_sample` is Σ weight * gather_plane(planes, index) over the taps that `grid_taps` finds. The indices are
constants and `tap_weights` is written in operators, so the same sum over recorded values in place of arrays
is differentiable in x and in the grid, to any order.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regrad.errors import ShapeError
from regrad.kernels.reference.convolution import crop_or_pad, in_single
from regrad.kernels.reference.planes import gather_plane

__all__ = [
    "Map", "adaptive_windows", "affine_base", "grid_sample", "grid_taps", "pad", "pad_adjoint", "pad_maps",
    "resample", "resample_adjoint", "resample_bytes", "resize_maps", "tap_weights", "window_map",
]

Array = NDArray[Any]
Ints = Sequence[int]
Maps = Sequence["Map | None"]
Pairs = Sequence[tuple[int, int]]
Rows = list[tuple[Any, Any, Any]]
ALL: Any = slice(None)

BLOCK = 1 << 21  # bytes of planes that go through all their maps, in the cache, before the next ones
RUNS = 4         # slices that a row of a map may fall into: reading more of them is slower than a gather
LONG = 64        # elements from which a row is worth cutting into slices at all


class Tap(NamedTuple):
    """One read for some of the outputs, none of them twice: out[target] += weight * x[source]."""

    target: Any
    source: Any
    weight: Any  # None for 1, one number, or an array
    fresh: bool  # these outputs are not yet written: assign instead of adding


class Plan(NamedTuple):
    """The taps of a map, and whether together they write every output."""

    taps: list[Tap]
    size: int
    dense: bool


class Map:
    """A sparse matrix (out_size, in_size) along one dimension, given by its entries.

    >>> from regrad.kernels.reference.resampling import Map, resample
    >>> halves = Map([0, 0, 1, 1], [0, 1, 2, 3], [0.5, 0.5, 0.5, 0.5], out_size=2, in_size=4)
    >>> resample(np.array([1.0, 3.0, 5.0, 9.0]), [halves]).tolist()
    [2.0, 7.0]
    """

    def __init__(self, target: Any, source: Any, weight: Any = None, *, out_size: int, in_size: int) -> None:
        self.target, self.source = np.asarray(target, np.intp), np.asarray(source, np.intp)
        self.weight = np.ones(len(self.target)) if weight is None else np.asarray(weight)
        self.out_size, self.in_size = out_size, in_size

    @functools.cached_property
    def forward(self) -> Plan:
        """How to multiply by the matrix."""
        return _plan(_rows(self.target, self.source, self.weight), self.out_size)

    @functools.cached_property
    def backward(self) -> Plan:
        """How to multiply by its transpose."""
        taps = self.forward.taps
        if all(isinstance(index, slice) for tap in taps for index in (tap.target, tap.source)):
            return _plan([(source, target, weight) for target, source, weight, _ in taps], self.in_size)
        return _plan(_rows(self.source, self.target, self.weight), self.in_size)

    @functools.cached_property
    def fixed_point(self) -> tuple[Map, int]:
        """The map with its weights rounded to 16-bit integers, and how many bits of them are fraction."""
        entry, member = np.unique(self.target * self.in_size + self.source, return_inverse=True)
        weight = np.bincount(member, self.weight)
        bits = next(b for b in range(23) if b == 22 or int(weight.max() * 2 ** (b + 1) + 0.5) >= 1 << 15)
        whole = np.trunc(weight * 2**bits + np.copysign(0.5, weight)).astype(np.int64)
        target, source = np.divmod(entry, self.in_size)
        return Map(target, source, whole, out_size=self.out_size, in_size=self.in_size), bits


def _rows(key: Array, other: Array, weight: Array) -> Rows:
    """The entries in rows (key, other, weight) without equal keys; even spacings become slices."""
    order = np.argsort(key, kind="stable")
    key, other, weight = key[order], other[order], weight[order]
    rank = np.arange(len(key)) - np.searchsorted(key, key)  # this entry is the rank-th with its key
    rows = []
    for r in range(int(rank.max(initial=-1)) + 1):
        row = rank == r
        a, b, w = key[row], other[row], weight[row]
        rows += [(_as_slice(a[run]), _as_slice(b[run]), _as_number(w[run])) for run in _even_runs(a, b)]
    return rows


def _even_runs(a: Array, b: Array) -> list[slice]:
    """Cuts into few pieces in each of which a and b both go in even steps, or no cuts at all."""
    steps = np.stack([np.diff(a), np.diff(b)])
    bends = np.flatnonzero((steps[:, 1:] != steps[:, :-1]).any(axis=0)) + 1  # elements between unequal steps
    runs: list[slice] = []
    start = 0
    while start < len(a):
        if len(runs) == RUNS or (runs and len(a) < LONG):
            return [ALL]
        later = bends[np.searchsorted(bends, start, side="right"):]
        stands_still = start + 1 < len(a) and b[start + 1] == b[start]
        stop = start + 1 if stands_still else int(later[0]) + 1 if len(later) else len(a)
        runs.append(slice(start, stop))
        start = stop
    return runs


def _as_slice(index: Array) -> Any:
    first, last = int(index[0]), int(index[-1])
    step = int(index[1]) - first if len(index) > 1 else 1
    if not step or (np.diff(index) != step).any():
        return index
    stop = last + (1 if step > 0 else -1)
    return slice(first, None if stop < 0 else stop, step)


def _as_number(weight: Array) -> Any:
    """The one number that all the weights are, None if that is 1."""
    if (weight != weight[0]).any():
        return weight
    return None if weight[0] == 1 else weight[0].item()


def _plan(rows: Rows, size: int) -> Plan:
    touched, written = np.zeros(size, bool), np.zeros(size, bool)
    taps = []
    for target, source, weight in rows:
        fresh = not touched[target].any()
        touched[target] = True
        written[target] |= fresh
        taps.append(Tap(target, source, weight, fresh))
    return Plan(taps, size, bool(written.all()))


def resample(x: Array, maps: Maps) -> Array:
    """The array with each of its last dimensions multiplied by its map."""
    return _separable(x, [m and (m.in_size, m.forward) for m in maps])


def resample_adjoint(g: Array, maps: Maps) -> Array:
    """The transpose of `resample`."""
    return _separable(g, [m and (m.out_size, m.backward) for m in maps])


def resample_bytes(x: Array, maps: Maps) -> Array:
    """`resample` for uint8: from the last dimension to the first, rounded to bytes after each.

    >>> from regrad.kernels.reference.resampling import resample_bytes, resize_maps
    >>> resample_bytes(np.array([0, 255], np.uint8), resize_maps([2], [4], mode="linear")).tolist()
    [0, 64, 191, 255]
    """
    out = x.astype(np.int64)
    for d, m in reversed([*enumerate(maps)]):
        if m is not None:
            whole, bits = m.fixed_point
            total = resample(out, [whole if e == d else None for e in range(len(maps))])
            out = np.clip((total + (1 << bits >> 1)) >> bits, 0, 255)
    return out.astype(np.uint8)


@in_single
def _separable(x: Array, plans: Sequence[tuple[int, Plan] | None]) -> Array:
    split = x.ndim - len(plans)
    lead, sizes = x.shape[:split], x.shape[split:]
    for n, given in zip(sizes, plans):
        if given and given[0] != n:
            raise ShapeError(f"resample: a map of {given[0]} elements was given for one of the sizes "
                             f"{sizes}; build the maps for these sizes")
    steps = [(axis, given[1]) for axis, given in enumerate(plans, -len(plans)) if given]
    steps.sort(key=lambda step: (step[1].size / max(x.shape[step[0]], 1), -step[0]))  # shrink first
    planes = x.reshape(math.prod(lead), *sizes)
    out_size = [given[1].size if given else n for n, given in zip(sizes, plans)]
    plane_bytes = max(math.prod(sizes), math.prod(out_size), 1) * x.itemsize
    together = max(BLOCK // plane_bytes, 1)
    if together >= len(planes):
        return _through(planes, steps).reshape(*lead, *out_size)
    out = np.empty((len(planes), *out_size), x.dtype)
    for p in range(0, len(planes), together):
        out[p:p + together] = _through(planes[p:p + together], steps)
    return out.reshape(*lead, *out_size)


def _through(x: Array, steps: list[tuple[int, Plan]]) -> Array:
    for axis, plan in steps:
        after = [1] * (-1 - axis)
        trailing = [ALL] * len(after)
        shape = list(x.shape)
        shape[axis] = plan.size
        out = (np.empty if plan.dense else np.zeros)(shape, x.dtype)
        for tap in plan.taps:
            gathered = not isinstance(tap.source, slice)
            part = x.take(tap.source, axis) if gathered else x[(..., tap.source, *trailing)]
            if isinstance(tap.weight, np.ndarray):
                part = part * tap.weight.astype(x.real.dtype, copy=False).reshape(-1, *after)
            elif tap.weight is not None:
                part = part * tap.weight
            target = (..., tap.target, *trailing)
            if tap.fresh:
                out[target] = part
            else:
                out[target] += part
        x = out
    return x


@functools.lru_cache(maxsize=256)
def window_map(size: int, windows: tuple[tuple[int, int], ...], *, mean: bool = False) -> Map:
    """The map to the sums, or the means, of the elements from windows[i][0] up to windows[i][1].

    >>> from regrad.kernels.reference.resampling import resample, window_map
    >>> resample(np.array([1.0, 3.0, 5.0]), [window_map(3, ((0, 2), (1, 3)), mean=True)]).tolist()
    [2.0, 4.0]
    """
    lengths = np.array([stop - start for start, stop in windows], np.intp)
    target = np.repeat(np.arange(len(windows)), lengths)
    source = [i for start, stop in windows for i in range(start, stop)]
    weight = 1 / lengths[target] if mean else None
    return Map(target, source, weight, out_size=len(windows), in_size=size)


@functools.lru_cache(maxsize=256)
def adaptive_windows(size: int, out_size: int) -> tuple[tuple[int, int], ...]:
    """The windows of adaptive pooling: from floor(i size / out_size) up to ceil((i + 1) size / out_size).

    >>> from regrad.kernels.reference.resampling import adaptive_windows
    >>> adaptive_windows(5, 3)
    ((0, 2), (1, 4), (3, 5))
    """
    return tuple((i * size // out_size, -(-(i + 1) * size // out_size)) for i in range(out_size))


def resize_maps(
    size: Ints, out_size: Ints, *, mode: str, dtype: Any = np.float64, align_corners: bool = False,
    scales: Sequence[float | None] | None = None, antialias: bool = False,
) -> list[Map]:
    """The maps that resize an array from ``size`` to ``out_size`` by PyTorch's rules.

    ``mode`` is nearest, nearest-exact, area, or linear or cubic with any prefix (bilinear, bicubic).
    ``scales`` are the factors the user gave, if they set ``out_size`` and are not to be recomputed from it:
    positions then follow the factors. They are computed in ``dtype``, that of the array, because rounding
    decides which element is nearest.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html

    >>> from regrad.kernels.reference.resampling import resample, resize_maps
    >>> resample(np.array([0.0, 1.0]), resize_maps([2], [4], mode="linear")).tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    real = np.dtype(dtype) if np.dtype(dtype) in (np.float32, np.float64) else np.dtype(np.float32)
    factors = scales or [None] * len(size)
    if mode == "nearest" and len(size) == 2:  # in 2d PyTorch copies or doubles whatever the factor
        factors = [None if m in (n, 2 * n) else f for n, m, f in zip(size, out_size, factors)]
    return [_resize_map(n, m, mode, real, align_corners, f, antialias)
            for n, m, f in zip(size, out_size, factors)]


@functools.lru_cache(maxsize=256)
def _resize_map(
    size: int, out_size: int, mode: str, dtype: np.dtype[Any], align_corners: bool, factor: float | None,
    antialias: bool,
) -> Map:
    cubic = mode.endswith("cubic")
    place = np.arange(out_size, dtype=dtype)
    if align_corners:
        step = dtype.type((size - 1) / (out_size - 1) if out_size > 1 else 0)
        position = place * step
    else:
        step = dtype.type(1 / factor if factor else size / out_size)
        position = (place + 0.5) * step - 0.5
    if mode == "area":
        return window_map(size, adaptive_windows(size, out_size), mean=True)
    if mode.startswith("nearest"):
        nearest = place * step if mode == "nearest" else (place + 0.5) * step
        source = np.minimum(np.floor(nearest.astype(np.float32)), size - 1)
        return Map(place, source, out_size=out_size, in_size=size)
    if size == out_size and (antialias or not cubic):  # here a factor near 1 moves nothing
        return Map(place, place, out_size=size, in_size=size)
    if antialias:
        return _antialias_map(size, (place + 0.5) * step, float(step), cubic)
    position = position if cubic else np.maximum(position, 0)
    first = np.minimum(np.floor(position), size - 1)
    fraction = np.clip(position - first, 0, 1)
    weights = _cubic(fraction) if cubic else _linear(fraction)
    source = first + np.arange(len(weights))[:, None] - (1 if cubic else 0)
    return Map(np.tile(place, len(weights)), np.clip(source, 0, size - 1).ravel(), np.concatenate(weights),
               out_size=out_size, in_size=size)


def _linear(t: Any) -> list[Any]:
    """The weights of the two neighbours of a point at the fraction t of the way between them."""
    return [1 - t, t]


def _cubic(t: Any) -> list[Any]:
    """The weights of the four neighbours: Keys, Cubic convolution interpolation, 1981, with a = -0.75."""
    def far(d: Any) -> Any:
        return ((-0.75 * d + 3.75) * d - 6) * d + 3

    def near(d: Any) -> Any:
        return (1.25 * d - 2.25) * d * d + 1

    return [far(1 + t), near(t), near(1 - t), far(2 - t)]


def _antialias_map(size: int, centre: Array, step: float, cubic: bool) -> Map:
    """Each output averages the inputs under a kernel that is wider by as much as the array gets smaller."""
    stretch = max(step, 1.0)
    reach = (2 if cubic else 1) * stretch
    start = np.maximum((centre - reach + 0.5).astype(np.intp), 0)
    stop = np.minimum((centre + reach + 0.5).astype(np.intp), size)
    target = np.repeat(np.arange(len(centre)), stop - start)
    source = np.concatenate([np.arange(a, b) for a, b in zip(start, stop)])
    d = np.abs((source - centre[target] + 0.5) / stretch)
    if cubic:  # Keys's kernel again, with a = -0.5
        weight = np.where(d < 1, (1.5 * d - 2.5) * d * d + 1, ((-0.5 * d + 2.5) * d - 4) * d + 2) * (d < 2)
    else:
        weight = np.maximum(1 - d, 0)
    total = np.bincount(target, weight, len(centre))
    return Map(target, source, weight / total[target], out_size=len(centre), in_size=size)


def pad(x: Array, pairs: Pairs, *, mode: str = "constant", value: Any = 0) -> Array:
    """The array with its last dimensions extended by (before, after); a negative number crops.

    ``mode`` is constant, reflect, replicate or circular.

    >>> from regrad.kernels.reference.resampling import pad
    >>> pad(np.array([1, 2, 3]), [(2, 1)], mode="reflect").tolist()
    [3, 2, 1, 2, 3, 2]
    """
    if mode == "constant":
        return crop_or_pad(x, pairs, value)
    return resample(x, pad_maps(x.shape[x.ndim - len(pairs):], pairs, mode=mode))


def pad_adjoint(g: Array, pairs: Pairs, *, mode: str = "constant") -> Array:
    """The transpose of `pad`: what lies in the padding is added to the element it was copied from.

    >>> from regrad.kernels.reference.resampling import pad_adjoint
    >>> pad_adjoint(np.array([1.0, 1.0, 1.0, 1.0]), [(0, 2)], mode="replicate").tolist()
    [1.0, 3.0]
    """
    if mode == "constant":
        return crop_or_pad(g, [(-before, -after) for before, after in pairs])
    sizes = [n - sum(pair) for n, pair in zip(g.shape[g.ndim - len(pairs):], pairs)]
    return resample_adjoint(g, pad_maps(sizes, pairs, mode=mode))


def pad_maps(size: Ints, pairs: Pairs, *, mode: str) -> list[Map | None]:
    """The maps of a padding that copies elements: ``mode`` is reflect, replicate or circular."""
    return [_pad_map(n, *pair, mode) if any(pair) else None for n, pair in zip(size, pairs)]


@functools.lru_cache(maxsize=256)
def _pad_map(size: int, before: int, after: int, mode: str) -> Map:
    most = {"reflect": size - 1, "circular": size, "replicate": math.inf if size else 0}[mode]
    if max(before, after) > most:
        raise ShapeError(f"pad: {mode} padding of ({before}, {after}) is more than {size} elements can give; "
                         f"pad by at most {most} on a side")
    if before + size + after < 0:
        raise ShapeError(f"pad: ({before}, {after}) takes more than the {size} elements there are; crop less")
    place = np.arange(-before, size + after)
    if mode == "replicate":
        source = np.clip(place, 0, size - 1)
    elif mode == "reflect":
        source = size - 1 - np.abs(size - 1 - np.abs(place))
    else:
        start, stop = max(-before, 0), size + min(after, 0)
        source = start + (place - start) % max(stop - start, 1)
    return Map(np.arange(len(place)), source, out_size=len(place), in_size=size)


def affine_base(size: Ints, *, align_corners: bool, dtype: Any) -> Array:
    """The points (x, y, 1), or (x, y, z, 1), of a grid over [-1, 1], (*size, dimensions + 1).

    ``affine_base(...) @ theta.T`` is the grid to which the affine map ``theta`` sends them.

    >>> from regrad.kernels.reference.resampling import affine_base
    >>> affine_base((1, 2), align_corners=True, dtype=np.float64).tolist()
    [[[-1.0, 0.0, 1.0], [1.0, 0.0, 1.0]]]
    """
    out = np.ones((*size, len(size) + 1), dtype)
    for d, n in enumerate(size):
        end = 1 if align_corners else (n - 1) / max(n, 1)
        line = np.linspace(-end, end, n, dtype=dtype) if n > 1 else np.zeros(n, dtype)
        out[..., len(size) - 1 - d] = line.reshape(-1, *[1] * (len(size) - 1 - d))
    return out


class GridTaps(NamedTuple):
    """Where a grid reads: see `grid_taps`."""

    indices: list[Array]    # per tap, (N, 1, *places): into each plane, or to the zero that follows it
    fractions: list[Array]  # per spatial dimension, (N, 1, *places): the arguments of `tap_weights`
    slopes: list[Array]     # per spatial dimension: the derivative of the fraction by its coordinate


def grid_taps(
    grid: Array, size: Ints, *, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool = False,
) -> GridTaps:
    """The elements read at the points of a grid (N, *places, dimensions), and how far on the points are.

    The points are in [-1, 1], and coordinate -1 - d of a point belongs to spatial dimension d. ``mode`` is
    bilinear (in 3d too), nearest or bicubic; ``padding_mode`` is zeros, border or reflection. A fraction is
    piecewise linear in its coordinate: ``fraction + slope * (coordinate - value of the coordinate)`` is the
    fraction as a recorded value. A point outside reads one past the plane, where the caller puts a zero.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.grid_sample.html
    """
    reads, fractions, slopes = [], [], []
    with np.errstate(invalid="ignore"):  # a point at infinity is nowhere: its weights are nan
        for n, point in zip(size, np.moveaxis(grid, -1, 0)[::-1, :, None]):
            half = 0.5 * (n - 1 if align_corners else n)
            position = (point + 1) * half - (0 if align_corners else 0.5)
            slope = np.full_like(position, 0 if mode == "nearest" else half)
            if mode != "bicubic":
                position, turn = _inside(position, n, padding_mode, align_corners)
                slope = slope * turn
            lower = np.rint(position) if mode == "nearest" else np.floor(position)
            steps = {"nearest": [0], "bilinear": [0, 1], "bicubic": [-1, 0, 1, 2]}[mode]
            read = lower + np.array(steps, position.dtype).reshape(-1, *[1] * position.ndim)
            if mode == "bicubic":
                read, _ = _inside(read, n, padding_mode, align_corners)
            reads.append(np.where((read >= 0) & (read < n), read, -1).astype(np.intp))
            fractions.append(position - lower)
            slopes.append(slope)
    return GridTaps([_flat_index(at, size) for at in itertools.product(*reads)], fractions, slopes)


def _flat_index(at: tuple[Array, ...], size: Ints) -> Array:
    flat = np.zeros_like(at[0])
    for n, along in zip(size, at):
        flat = flat * n + along
    return np.where(functools.reduce(np.minimum, at) < 0, math.prod(size), flat)


def _inside(position: Array, n: int, padding_mode: str, align_corners: bool) -> tuple[Array, Any]:
    """The positions brought back to 0 .. n - 1, and the derivative of that: 1, or -1 after a turn, or 0."""
    if padding_mode == "zeros":
        return position, 1
    turn: Any = 1
    if padding_mode == "reflection":
        edge, span = (0, n - 1) if align_corners else (-0.5, n)
        distance = np.abs(position - edge)
        legs = np.floor(distance / max(span, 1))
        ahead = legs % 2 == 0
        within = distance - legs * span
        turn = np.where(ahead, 1, -1) * np.where(position < edge, -1, 1)
        position = np.where(ahead, within, span - within) + edge
    turn = np.where((position > 0) & (position < n - 1), turn, 0)
    return np.fmin(np.fmax(position, 0), n - 1), turn


def tap_weights(fractions: Sequence[Any], mode: str) -> list[Any]:
    """The weight of each tap of `grid_taps`, from the fractions: arrays or recorded values.

    >>> from regrad.kernels.reference.resampling import tap_weights
    >>> tap_weights([0.25], "bilinear")
    [0.75, 0.25]
    """
    if mode == "nearest":
        return [1]
    weights = {"bilinear": _linear, "bicubic": _cubic}[mode]
    return [functools.reduce(operator.mul, along) for along in itertools.product(*map(weights, fractions))]


@in_single
def grid_sample(
    x: Array, grid: Array, *, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = False
) -> Array:
    """The planes of x (N, C, *size) read at the points of a grid (N, *places, dimensions).

    >>> from regrad.kernels.reference.resampling import grid_sample
    >>> x, grid = np.array([[[0.0, 1.0, 4.0]]]), np.array([[[-0.5], [0.5], [0.0]]])
    >>> grid_sample(x, grid, align_corners=True).tolist()
    [[[0.5, 2.5, 1.0]]]
    """
    size = x.shape[2:]
    taps = grid_taps(grid, size, mode=mode, padding_mode=padding_mode, align_corners=align_corners)
    planes = crop_or_pad(x.reshape(*x.shape[:2], math.prod(size)), [(0, 1)])
    out = np.zeros((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    for weight, index in zip(tap_weights(taps.fractions, mode), taps.indices):
        out += weight * gather_plane(planes, index)
    return out
