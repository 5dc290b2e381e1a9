"""Discrete Fourier transforms along one or several dimensions, and the frequencies that go with them.

Three linear ops do the work: complex to complex, real to half of a spectrum (the other half mirrors it), and
back. The adjoint of each is a transform in the other direction with the same scale, so a scale is told as a
``power``: a transform of n points is divided by ``n ** power``. Start reading at `fft_c2c`, then `_spectrum`.

PyTorch: https://docs.pytorch.org/docs/stable/fft.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import linear
from regrad.errors import DimError
from regrad.ops.complexes import conj, to_complex
from regrad.ops.core import cast
from regrad.ops.creation import check_device, finish
from regrad.ops.shaping import bare, roll
from regrad.ops.windows import strided_only
from regrad.shapes import dim_in

__all__: list[str] = []

POWERS = {None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0}  # of a forward transform
FORWARD: Any = {0.0: "backward", 0.5: "ortho", 1.0: "forward"}  # NumPy's names for the powers
INVERSE: Any = {0.0: "forward", 0.5: "ortho", 1.0: "backward"}  # and those of an inverse transform


# -- the linear ops


def _with_sizes(x: Any, dim: Any, size: Any) -> tuple[int, ...]:
    """The shape ``x`` with other sizes along some dimensions."""
    out = list(x)
    for d, n in zip(dim, size):
        out[d] = n
    return tuple(out)


@linear(x=lambda g, *, dim, power, forward: fft_c2c(g, dim=dim, power=power, forward=not forward),
        shape=shapes.same, conjugate=False, grad_name="FftC2CBackward0")  # fmt: skip
def fft_c2c(x, *, dim, power, forward):
    """``Σⱼ xⱼ exp(∓2πi jk / n)`` over ``n ** power``, with a minus if ``forward``."""
    if not dim:
        return x.copy()
    norm = FORWARD[power] if forward else INVERSE[power]
    if len(dim) == 1:  # NumPy takes half the time to begin
        return (np.fft.fft if forward else np.fft.ifft)(x, None, dim[0], norm)
    return (np.fft.fftn if forward else np.fft.ifftn)(x, None, dim, norm)


@linear(x=lambda g, x_shape, *, dim, power: _unmirrored(g, x_shape[dim[-1]], dim, power),
        shape=lambda x, *, dim, power: _with_sizes(x, dim[-1:], [x[dim[-1]] // 2 + 1]),
        conjugate=False, grad_name="FftR2CBackward0")  # fmt: skip
def fft_r2c(x, *, dim, power):
    """Forward transform of real numbers: along the last of the dimensions, frequencies 0 to n / 2."""
    if len(dim) == 1:
        return np.fft.rfft(x, None, dim[0], FORWARD[power])
    return np.fft.rfftn(x, None, dim, FORWARD[power])


@linear(x=lambda g, *, dim, power, size: _doubled(fft_r2c(g, dim=dim, power=power), size, dim[-1]),
        shape=lambda x, *, dim, power, size: _with_sizes(x, dim[-1:], [size]),
        conjugate=False, grad_name="FftC2RBackward0")  # fmt: skip
def fft_c2r(x, *, dim, power, size):
    """Inverse transform of half a spectrum to real numbers, ``size`` along the last of the dimensions."""
    if len(dim) == 1:
        return np.fft.irfft(x, size, dim[0], INVERSE[power])
    return np.fft.irfftn(x, [*[x.shape[d] for d in dim[:-1]], size], dim, INVERSE[power])


def _unmirrored(g: Any, size: int, dim: Any, power: float) -> Any:
    """The real part of the inverse transform of half a spectrum whose other half is 0."""
    return fft_c2r(scaled_pairs(g, dim=dim[-1], size=size, by=0.5), dim=dim, power=power, size=size)


def _doubled(g: Any, size: int, dim: int) -> Any:
    """Half a spectrum with the other half, which is the same, added to it."""
    return scaled_pairs(g, dim=dim, size=size, by=2)


@linear(x=lambda g, *, dim, size, by: scaled_pairs(g, dim=dim, size=size, by=by),
        shape=shapes.same, conjugate=False)  # fmt: skip
def scaled_pairs(x, *, dim, size, by):
    """Half a spectrum, scaled at frequencies with a mirror image: not 0, nor half of an even ``size``."""
    out = x.copy()
    out[(slice(None),) * dim + (slice(1, (size + 1) // 2),)] *= by
    return out


@linear(x=lambda g, x_shape, *, dim, size: resized(g, dim=dim, size=tuple([x_shape[d] for d in dim])),
        shape=_with_sizes, conjugate=False)  # fmt: skip
def resized(x, *, dim, size):
    """``x`` cut off, or filled up with zeros, at the end of some dimensions."""
    out = np.zeros(_with_sizes(x.shape, dim, size), x.dtype)
    common = tuple([slice(min(m, n)) for m, n in zip(x.shape, out.shape)])
    out[common] = x[common]
    return out


# -- what users ask for, checked


def _power(name: str, norm: Any, forward: bool) -> float:
    if norm not in POWERS:
        raise RuntimeError(f'{name}: Invalid normalization mode: "{norm}"; it is backward, ortho or forward')
    return POWERS[norm] if forward else 1 - POWERS[norm]


def _points(name: str, size: Any) -> int:
    if size < 1:
        raise RuntimeError(f"{name}: Invalid number of data points ({size}) specified; there must be some")
    return int(size)


def _single(name: str, n: Any, dim: Any) -> tuple[Any, Any]:
    """``s`` and ``dim`` of a transform along one dimension."""
    for argument, value in (("n", n), ("dim", dim)):
        if not hasattr(value, "__index__") and (value is not None or argument == "dim"):
            raise TypeError(f"fft_{name}(): argument '{argument}' must be int, not {type(value).__name__}")
    return None if n is None else (_points(name, n),), (dim,)


def _axes(name: str, shape: Any, s: Any, dim: Any) -> tuple[tuple[int, ...], list[int]]:
    """The dimensions to transform, counted from the front, and the sizes asked for, -1 for no change."""
    ndim = len(shape)
    sizes = None if s is None else [s] if hasattr(s, "__index__") else list(s)
    if dim is None:
        count = ndim if sizes is None else len(sizes)
        if count > ndim:
            raise RuntimeError(f"{name}: Got shape with {count} values but input tensor only has {ndim} "
                               f"dimensions.")  # fmt: skip
        dims = tuple(range(ndim - count, ndim))
    else:
        dims = (dim,) if hasattr(dim, "__index__") else tuple(dim)
        if sizes is not None and len(sizes) != len(dims):
            raise RuntimeError(f"{name}: When given, dim and shape arguments must have the same length, got "
                               f"dim={list(dims)} and {sizes}")  # fmt: skip
        if dims and not ndim:
            raise DimError(f"{name}: Dimension specified as {dims[0]} but tensor has no dimensions")
        dims = tuple([dim_in(d, ndim, name) for d in dims])
        if len(set(dims)) < len(dims):
            raise RuntimeError(f"{name}: FFT dims must be unique, got {list(dims)}")
    return dims, [-1] * len(dims) if sizes is None else sizes


def _fitted(name: str, input: Any, dims: Any, sizes: Any) -> Any:
    """``input`` with the sizes asked for."""
    size = tuple([_points(name, input.shape[d] if n == -1 else n) for d, n in zip(dims, sizes)])
    same = all(input.shape[d] == n for d, n in zip(dims, size))
    return input if same else resized(input, dim=dims, size=size)


def _floats(name: str, input: Any) -> Any:
    """``input`` in a dtype that is transformed."""
    dtype = bare(input, f"fft_{name}").dtype
    if dtype.kind in "biu":
        return cast(input, dtypes.to_numpy(dtypes.get_default_dtype()))
    if dtype.itemsize == 2:
        title = "Half" if dtype.kind == "f" else "BFloat16"
        raise RuntimeError(f"{name}: Unsupported dtype {title}; convert with .float()")
    return input


def _is_complex(x: Any) -> bool:
    return bool(bare(x, "fft").dtype.kind == "c")


def _spectrum(name: str, input: Any, s: Any, dim: Any, norm: Any, *, forward: bool) -> Any:
    """Complex to complex; real numbers are made complex."""
    power = _power(name, norm, forward)
    x = _floats(name, input)
    dims, sizes = _axes(name, x.shape, s, dim)
    x = _fitted(name, x if _is_complex(x) else to_complex(x), dims, sizes)
    return fft_c2c(x, dim=dims, power=power, forward=forward)


def _half_spectrum(name: str, input: Any, s: Any, dim: Any, norm: Any, *, forward: bool) -> Any:
    """Real to complex; an inverse transform is the conjugate of a forward one."""
    power = _power(name, norm, forward)
    x = _floats(name, input)
    if _is_complex(x):
        title = "ComplexFloat" if bare(x, name).dtype == np.complex64 else "ComplexDouble"
        raise RuntimeError(f"{name} expects a real input tensor, but got {title}; see fft and ifft")
    dims, sizes = _axes(name, x.shape, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    out = fft_r2c(_fitted(name, x, dims, sizes), dim=dims, power=power)
    return out if forward else conj(out)


def _signal(name: str, input: Any, s: Any, dim: Any, norm: Any, *, forward: bool) -> Any:
    """Complex to real; a forward transform is an inverse one of the conjugates."""
    power = _power(name, norm, forward)
    x = _floats(name, input)
    dims, sizes = _axes(name, x.shape, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    size = _points(name, 2 * (x.shape[dims[-1]] - 1) if sizes[-1] == -1 else sizes[-1])
    x = _fitted(name, x if _is_complex(x) else to_complex(x), dims, [*sizes[:-1], size // 2 + 1])
    return fft_c2r(conj(x) if forward else x, dim=dims, power=power, size=size)


# -- along one dimension


def fft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """Discrete Fourier transform ``X[k] = Σⱼ x[j] exp(-2πi jk / n)`` along ``dim``, of any numbers.

    With ``n`` the input is first cut off or filled up with zeros. ``norm`` says what to divide by: n for
    "forward", √n for "ortho", and nothing for "backward", as then the inverse divides by n.

    >>> rg.fft.fft(rg.tensor([1., 2., 3., 4.]))
    tensor([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j])
    """
    return _spectrum("fft", input, *_single("fft", n, dim), norm, forward=True)


def ifft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """Inverse of `fft`: ``x[j] = 1 / n Σₖ X[k] exp(2πi jk / n)`` along ``dim``.

    ``norm`` is that of the `fft` to invert: "backward" divides by n, "ortho" by √n, "forward" by nothing.

    >>> rg.fft.ifft(rg.tensor([4., 0., 0., 0.]))
    tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
    """
    return _spectrum("ifft", input, *_single("ifft", n, dim), norm, forward=False)


def rfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """`fft` of real numbers along ``dim``: frequencies 0 to n // 2, of which the others are the conjugates.

    >>> rg.fft.rfft(rg.tensor([1., 2., 3., 4.]))
    tensor([10.+0.j, -2.+2.j, -2.+0.j])
    """
    return _half_spectrum("rfft", input, *_single("rfft", n, dim), norm, forward=True)


def irfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """Inverse of `rfft`: ``n`` real numbers along ``dim``; without ``n`` an even number of them.

    >>> rg.fft.irfft(rg.fft.rfft(rg.tensor([1., 2., 3.])), n=3)
    tensor([1., 2., 3.])
    """
    return _signal("irfft", input, *_single("irfft", n, dim), norm, forward=False)


def hfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """`fft` of a signal whose second half is the conjugate of the first, which is given: ``n`` real numbers.

    >>> rg.fft.hfft(rg.tensor([1., 2., 3.]), n=5)
    tensor([11.0000, -2.6180, -0.3820, -0.3820, -2.6180])
    """
    return _signal("hfft", input, *_single("hfft", n, dim), norm, forward=True)


def ihfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """Inverse of `hfft`: the first half of a signal from its real transform.

    >>> rg.fft.ihfft(rg.tensor([4., 0., 0., 0.])).real
    tensor([1., 1., 1.])
    """
    return _half_spectrum("ihfft", input, *_single("ihfft", n, dim), norm, forward=False)


# -- along several dimensions


def fftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """`fft` along each of the dimensions ``dim``: all of them, or with ``s`` the last ones.

    ``s`` holds a size for each, -1 for its own: the input is cut off or filled up with zeros first.

    >>> rg.fft.fftn(rg.ones(2, 2))
    tensor([[4.+0.j, 0.+0.j],
            [0.+0.j, 0.+0.j]])
    """
    return _spectrum("fftn", input, s, dim, norm, forward=True)


def ifftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """Inverse of `fftn`.

    >>> rg.fft.ifftn(rg.fft.fftn(rg.ones(2, 2))).real
    tensor([[1., 1.],
            [1., 1.]])
    """
    return _spectrum("ifftn", input, s, dim, norm, forward=False)


def rfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """`fftn` of real numbers; along the last of the dimensions, frequencies 0 to n // 2.

    >>> rg.fft.rfftn(rg.ones(2, 4)).shape
    regrad.Size([2, 3])
    """
    return _half_spectrum("rfftn", input, s, dim, norm, forward=True)


def irfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """Inverse of `rfftn`: real numbers; without ``s`` an even number along the last of the dimensions.

    >>> rg.fft.irfftn(rg.fft.rfftn(rg.ones(2, 3)), s=(2, 3))
    tensor([[1., 1., 1.],
            [1., 1., 1.]])
    """
    return _signal("irfftn", input, s, dim, norm, forward=False)


def hfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """`fftn` of a signal that is the conjugate of its mirror image, given by half along the last dimension.

    >>> rg.fft.hfftn(rg.ones(2, 2), s=(2, 3))
    tensor([[6., 0., 0.],
            [0., 0., 0.]])
    """
    return _signal("hfftn", input, s, dim, norm, forward=True)


def ihfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """Inverse of `hfftn`: half of the signal, along the last of the dimensions.

    >>> rg.fft.ihfftn(rg.ones(2, 3)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _half_spectrum("ihfftn", input, s, dim, norm, forward=False)


def fft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """`fftn` along the last two dimensions.

    >>> rg.fft.fft2(rg.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return _spectrum("fft2", input, s, dim, norm, forward=True)


def ifft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """`ifftn` along the last two dimensions.

    >>> rg.fft.ifft2(rg.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _spectrum("ifft2", input, s, dim, norm, forward=False)


def rfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """`rfftn` along the last two dimensions.

    >>> rg.fft.rfft2(rg.ones(2, 4)).shape
    regrad.Size([2, 3])
    """
    return _half_spectrum("rfft2", input, s, dim, norm, forward=True)


def irfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """`irfftn` along the last two dimensions.

    >>> rg.fft.irfft2(rg.fft.rfft2(rg.ones(1, 2)))
    tensor([[1., 1.]])
    """
    return _signal("irfft2", input, s, dim, norm, forward=False)


def hfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """`hfftn` along the last two dimensions.

    >>> rg.fft.hfft2(rg.ones(2, 2))
    tensor([[4., 0.],
            [0., 0.]])
    """
    return _signal("hfft2", input, s, dim, norm, forward=True)


def ihfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    """`ihfftn` along the last two dimensions.

    >>> rg.fft.ihfft2(rg.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _half_spectrum("ihfft2", input, s, dim, norm, forward=False)


# -- frequencies


def _frequencies(
    name: str, n: Any, d: float, whole: Callable[[int], Any], *, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """The whole numbers ``whole(n)`` over ``n d``."""
    if not hasattr(n, "__index__"):
        raise TypeError(f"fft_{name}(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"{name}: Trying to create tensor with negative dimension {n}: [{n}]")
    dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} requires a floating point or complex dtype, and a complex one is not "
                           f"implemented; got {dtype}")  # fmt: skip
    strided_only(name, layout)
    check_device(device)
    with np.errstate(invalid="ignore"):  # at a distance of 0 the first frequency is nan
        array = whole(n).astype(dtype.np) * (1 / (n * d) if n * d else math.inf)
    return finish(array, requires_grad)


def fftfreq(n: int, d: float = 1.0, **options: Any) -> Any:
    """The frequencies of an `fft` of ``n`` points at a distance of ``d``: from 0 up, then the negative ones.

    Takes ``dtype``, ``layout``, ``device`` and ``requires_grad``.

    >>> rg.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return _frequencies("fftfreq", n, d, lambda n: (np.arange(n) + n // 2) % max(n, 1) - n // 2, **options)


def rfftfreq(n: int, d: float = 1.0, **options: Any) -> Any:
    """The frequencies of an `rfft` of ``n`` points at a distance of ``d``; options as for `fftfreq`.

    >>> rg.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    return _frequencies("rfftfreq", n, d, lambda n: np.arange(n // 2 + 1), **options)


def _shifted(name: str, input: Any, dim: Any, move: Any) -> Any:
    shape = bare(input, f"fft_{name}").shape
    dims = tuple(range(len(shape))) if dim is None else (dim,) if hasattr(dim, "__index__") else tuple(dim)
    return roll(input, tuple([move(shape[dim_in(d, len(shape), name)]) for d in dims]), dims)


def fftshift(input: Any, dim: Any = None) -> Any:
    """A copy turned along the dimensions ``dim``, or all, so that frequency 0 is in the middle.

    >>> rg.fft.fftshift(rg.fft.fftfreq(4))
    tensor([-0.5000, -0.2500,  0.0000,  0.2500])
    """
    return _shifted("fftshift", input, dim, lambda n: n // 2)


def ifftshift(input: Any, dim: Any = None) -> Any:
    """What undoes `fftshift`.

    >>> rg.fft.ifftshift(rg.fft.fftshift(rg.fft.fftfreq(4)))
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return _shifted("ifftshift", input, dim, lambda n: (n + 1) // 2)
