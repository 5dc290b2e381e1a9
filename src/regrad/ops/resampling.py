"""Resampling: images resized, and read at the points of a grid. Start at `resized`, then `grid_sample`.

Resizing is linear, and its transpose is `resized_back`. ``how`` names the method, whether corners are
aligned, the factors (None: as the sizes say) and whether shrinking averages. Reading at points is a sum over
the elements around each point: `grid_taps` says which they are and how far between them the point lies, the
weights are arithmetic on that, and the elements are gathered; so it is differentiable to any order without a
rule of its own.
"""

from __future__ import annotations

import math
from operator import index as as_index
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.declare import general, linear
from regrad.errors import ShapeError
from regrad.graph.value import wrap
from regrad.kernels.reference import resampling as kernels
from regrad.ops import pooling, shaping
from regrad.ops.arguments import ARRAYS, dtype_of, not_a_tensor
from regrad.ops.core import cast
from regrad.ops.matmul import matmul
from regrad.ops.padding import filled
from regrad.ops.pooling import gather_plane

__all__ = ["affine_grid_generator", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d"]


# -- resizing


def _asked(x: Any, *, size: Any, how: Any) -> tuple[int, ...]:
    return (*x[:2], *size)


@linear(x=lambda g, x_shape, *, how: resized_back(g, size=x_shape[2:], how=how), shape=_asked,
        name="resample")
def resized(x, *, size, how):
    """``x`` (N, C, *places) with planes of another size."""
    maps = kernels.resize_maps(x.shape[2:], size, dtype=x.dtype, **how)
    smooth = not how["mode"].startswith("nearest")
    return (kernels.resample_bytes if x.dtype == np.uint8 and smooth else kernels.resample)(x, maps)


@linear(y=lambda g, y_shape, *, how: resized(g, size=y_shape[2:], how=how), shape=_asked,
        name="resample_adjoint")
def resized_back(y, *, size, how):
    """The transpose of `resized`, which came from planes of the ``size``."""
    return kernels.resample_adjoint(y, kernels.resize_maps(size, y.shape[2:], dtype=y.dtype, **how))


METHODS_OF = {3: "linear", 4: "bilinear", 5: "trilinear"}
NEAREST = ("nearest", "nearest-exact")


def _target(size: Any, scale_factor: Any, places: Any) -> tuple[Any, Any]:
    """The size asked for, and the factors, of which exactly one is given."""
    if size is not None and scale_factor is not None:
        raise ValueError("interpolate: only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("interpolate: either size or scale_factor should be defined, such as scale_factor=2")
    given, what = (size, "size") if size is not None else (scale_factor, "scale_factor")
    several = list(given) if isinstance(given, (tuple, list)) else [given] * len(places)
    if len(several) != len(places):
        raise ValueError(f"interpolate: Input and {what} must have the same number of spatial dimensions, "
                         f"but got input with spatial dimensions of {list(places)} and {what} of {given}; "
                         "input is (N, C, d1, d2, ...)")
    if size is None:
        return None, tuple([float(f) for f in several])
    try:
        return tuple([as_index(n) for n in several]), None
    except TypeError:
        raise TypeError("interpolate: expected size to be one of int or Tuple[int] or Tuple[int, int] or "
                        "Tuple[int, int, int], but got size with types "
                        f"{[type(n).__name__ for n in several]}") from None


def _fits(mode: str, ndim: int, antialias: bool) -> None:
    """Refuse methods that the number of dimensions does not allow."""
    if antialias and not (mode in ("bilinear", "bicubic") and ndim == 4):
        raise ValueError("interpolate: Anti-alias option is restricted to bilinear and bicubic modes and "
                         f"requires a 4-D tensor as input, but got {mode} and {ndim}-D")
    common = ndim in METHODS_OF and (mode in (*NEAREST, "area") or (mode == "bicubic" and ndim == 4))
    if not common and METHODS_OF.get(ndim) != mode:
        needed = {m: d for d, m in METHODS_OF.items()}.get(mode)
        why = f"Got {ndim}D input, but {mode} mode needs {needed}D input" if needed else (
            f"Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: nearest | linear | "
            f"bilinear | bicubic (4D) | trilinear | area | nearest-exact (got {mode})")
        raise NotImplementedError(f"interpolate: {why}")


def interpolate(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Any:
    """The input (N, C, *places) resized to ``size``, or by ``scale_factor``.

    ``mode`` is nearest, nearest-exact, area (averages), linear, bilinear, trilinear (by the number of places)
    or bicubic. ``align_corners`` maps the outermost elements onto each other; ``recompute_scale_factor``
    rounds the factor to what the size gives; ``antialias`` averages when shrinking. PyTorch:
    torch.nn.functional.interpolate.

    >>> rg.nn.functional.interpolate(rg.tensor([[[0., 4.]]]), size=4, mode="linear")
    tensor([[[0., 1., 3., 4.]]])
    """
    dtype, shape = dtype_of(input, "interpolate"), input.shape
    if align_corners is not None and mode in (*NEAREST, "area"):
        raise ValueError("interpolate: align_corners option can only be set with the interpolating modes: "
                         "linear | bilinear | bicubic | trilinear")
    if recompute_scale_factor and size is not None:
        raise ValueError("interpolate: recompute_scale_factor is not meaningful with an explicit size.")
    size, factors = _target(size, scale_factor, shape[2:])
    _fits(mode, len(shape), antialias)
    if size is None:
        size = tuple([int(n * f) for n, f in zip(shape[2:], factors)])
    if recompute_scale_factor:
        factors = None
    if mode == "area":
        average = (pooling.adaptive_avg_pool1d, pooling.adaptive_avg_pool2d, pooling.adaptive_avg_pool3d)
        return average[len(size) - 1](input, size)
    if min(*size, *shape[1:]) <= 0:
        raise ShapeError("interpolate: Input and output sizes should be greater than 0, but got input "
                         f"{list(shape)} and output {list(size)} (Non-empty data tensor expected)")
    if dtype.kind not in "fV" and not (dtype == np.uint8 and (mode in NEAREST or len(size) == 2)):
        raise NotImplementedError(f"interpolate: {mode} is not implemented for {dtype}; convert with .to()")
    how = {"mode": mode, "align_corners": bool(align_corners), "scales": factors,
           "antialias": bool(antialias)}
    return resized(input, size=size, how=how)


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Any:
    """The former name of `interpolate`.

    >>> rg.nn.functional.upsample(rg.tensor([[[1., 2.]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` by the nearest element.

    >>> rg.nn.functional.upsample_nearest(rg.tensor([[[1., 2.]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """`interpolate` of an image between its four neighbours, with corners aligned.

    >>> rg.nn.functional.upsample_bilinear(rg.tensor([[[[0., 2.]]]]), size=(1, 3))
    tensor([[[[0., 1., 2.]]]])
    """
    return interpolate(input, size, scale_factor, "bilinear", True)


# -- reading at the points of a grid


def _taps_shape(grid: Any, *, size: Any, how: Any) -> Any:
    places = (grid[0], 1, *grid[1:-1])
    taps = {"nearest": 1, "bilinear": 2, "bicubic": 4}[how["mode"]] ** len(size)
    return [(len(size), *places), (taps, *places), (len(size), *places)]


def _points_from(x: Any) -> Any:
    """One array per spatial dimension, (dimensions, N, 1, *places), as points (N, *places, dimensions)."""
    return shaping.movedim(shaping.flip(shaping.squeeze(x, 2), (0,)), 0, -1)


def _points_to(x: Any) -> Any:
    """The inverse of `_points_from`."""
    return shaping.unsqueeze(shaping.flip(shaping.movedim(x, -1, 0), (0,)), 2)


@general(grid=lambda g, slopes: _points_from(g * slopes), outs=("fractions", "indices", "slopes"), diff=(0,),
         jvp=lambda args, outs, tangents, params: (_points_to(tangents[0]) * outs[2], None, None),
         shape=_taps_shape)
def grid_taps(grid, *, size, how):
    """Which elements the points of a grid lie between, and how far between them, for planes of the ``size``.

    ``fractions`` and their derivative ``slopes``, (dimensions, N, 1, *places), and ``indices`` (taps, N, 1,
    *places) into the flattened plane. The only tap of the nearest element has the weight 1, which stands for
    the fractions.
    """
    taps = kernels.grid_taps(grid, size, **how)
    fractions, slopes = np.stack(taps.fractions), np.stack(taps.slopes, dtype=grid.dtype)
    if how["mode"] == "nearest":
        fractions = np.ones_like(fractions)
    return [fractions, np.stack(taps.indices), slopes]


def _check_grid(input: Any, grid: Any, mode: str, padding_mode: str) -> None:
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError("grid_sample: expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: "
                         f"'{mode}'")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError("grid_sample: expected padding_mode to be 'zeros', 'border', or 'reflection', but "
                         f"got: '{padding_mode}'")
    if not isinstance(grid, ARRAYS):
        raise not_a_tensor("grid_sample", "grid", 2, grid)
    dtype, shape, places = dtype_of(input, "grid_sample"), list(input.shape), list(grid.shape)
    if dtype != dtype_of(grid):
        raise RuntimeError(f"grid_sample: expected input and grid to have same dtype, but got {dtype} and "
                           f"{dtype_of(grid)}")
    if dtype.kind not in "fV":
        raise NotImplementedError(f"grid_sample: not implemented for {dtype}; convert with .to()")
    got = f"but got input with sizes {shape} and grid with sizes {places}"
    if len(shape) not in (4, 5) or len(places) != len(shape):
        raise ShapeError("grid_sample: expected 4D or 5D input and grid with same number of dimensions, "
                         f"{got}")
    if shape[0] != places[0]:
        raise ShapeError(f"grid_sample: expected grid and input to have same batch size, {got}")
    if places[-1] != len(shape) - 2:
        raise ShapeError(f"grid_sample: expected grid to have size {len(shape) - 2} in last dimension, {got}")
    if 0 in shape[2:]:
        raise ShapeError(f"grid_sample: expected input to have non-empty spatial dimensions, {got}")
    if mode == "bicubic" and len(shape) == 5:
        raise ShapeError("grid_sample: bicubic interpolation only supports 4D input; use bilinear")


def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Any:
    """The image read at the points of a grid: differentiable in both, to any order.

    ``input`` (N, C, H, W) and ``grid`` (N, H', W', 2), or (N, C, D, H, W) and (N, D', H', W', 3). A point (x,
    y) is in [-1, 1], from edge to edge, or between the centres of the outermost elements if
    ``align_corners``. Beyond the image are zeros, its "border" or its "reflection". Jaderberg et al. (2015),
    https://arxiv.org/abs/1506.02025. PyTorch: torch.nn.functional.grid_sample.

    >>> image, grid = rg.tensor([[[[0., 2.]]]]), rg.tensor([[[[-1., 0.], [0., 0.], [0.5, 0.]]]])
    >>> rg.nn.functional.grid_sample(image, grid, align_corners=True)
    tensor([[[[0.0000, 1.0000, 1.5000]]]])
    """
    _check_grid(input, grid, mode, padding_mode)
    dtype, size = dtype_of(input), tuple(input.shape[2:])
    if dtype.itemsize == 2:
        single = dtypes.to_numpy(dtypes.float32)
        return cast(grid_sample(cast(input, single), cast(grid, single), mode, padding_mode, align_corners),
                    dtype)
    how = {"mode": mode, "padding_mode": padding_mode, "align_corners": bool(align_corners)}
    fractions, indices, _ = grid_taps(grid, size=size, how=how)
    along = [fractions[d] for d in range(len(size))]
    weights = along[:1] if mode == "nearest" else kernels.tap_weights(along, mode)
    flat = shaping.reshape(input, (*input.shape[:2], math.prod(size)))
    planes = filled(flat, pairs=((0, 1),), value=0)  # points outside read the zero at the end
    total = None
    for k, weight in enumerate(weights):
        piece = gather_plane(planes, indices[k]) * weight
        total = piece if total is None else total + piece
    return total


def grid_sampler(
    input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool,
) -> Any:
    """`nn.functional.grid_sample` with its modes as numbers, in the order in which it names them.

    >>> rg.grid_sampler(rg.tensor([[[[0., 2.]]]]), rg.zeros(1, 1, 1, 2), 0, 0, False)
    tensor([[[[1.]]]])
    """
    method = ("bilinear", "nearest", "bicubic")[interpolation_mode]
    return grid_sample(input, grid, method, ("zeros", "border", "reflection")[padding_mode], align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The grid for `grid_sample` by which each image of ``size`` is seen through an affine map.

    ``theta`` (N, 2, 3) and ``size`` (N, C, H, W) give (N, H, W, 2); (N, 3, 4) and (N, C, D, H, W) give (N, D,
    H, W, 3). PyTorch: torch.nn.functional.affine_grid.

    >>> rg.nn.functional.affine_grid(rg.tensor([[[1., 0., 0.], [0., 1., 0.]]]), (1, 1, 1, 2))
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    dtype, size = dtype_of(theta, "affine_grid"), tuple([as_index(n) for n in size])
    if dtype.kind not in "fV":
        raise ValueError(f"affine_grid: Expected theta to have floating point type, but got {dtype}")
    dims = len(size) - 2
    if dims not in (2, 3):
        raise NotImplementedError("affine_grid only supports 4D and 5D sizes, for 2D and 3D affine "
                                  f"transforms, respectively. Got size {size}.")
    if len(theta.shape) != 3 or tuple(theta.shape[1:]) != (dims, dims + 1):
        raise ValueError(f"affine_grid: Expected a batch of {dims}D affine matrices of shape "
                         f"Nx{dims}x{dims + 1} for size {size}. Got {list(theta.shape)}.")
    if min(size) <= 0:
        raise ValueError(f"affine_grid: Expected non-zero, positive output size. Got {size}")
    if theta.shape[0] != size[0]:
        raise ShapeError(f"affine_grid: theta has {theta.shape[0]} maps for the {size[0]} images of size "
                         f"{size}")
    base = kernels.affine_base(size[2:], align_corners=bool(align_corners), dtype=dtype)
    points = matmul(wrap(base.reshape(-1, dims + 1)), shaping.transpose(theta, 1, 2))
    return shaping.reshape(points, (size[0], *size[2:], dims))


affine_grid_generator = affine_grid

METHODS: dict[str, Any] = {}
FUNCTIONAL = (
    "affine_grid", "grid_sample", "interpolate", "upsample", "upsample_bilinear", "upsample_nearest",
)
