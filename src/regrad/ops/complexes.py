"""Complex numbers: made from two real ones, taken apart, conjugated.

Gradients follow PyTorch's convention: the gradient of a real loss by ``a + bi`` is ``dL/da + i dL/db``. The
rules here say so themselves (``conjugate=False``). Conjugation is carried out at once: `conj` is no view, and
nothing is ever left to be resolved. Start reading at `real` and `to_complex`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.declare import elementwise, linear
from regrad.graph.value import wrap
from regrad.kernels.reference import elementwise as kernels
from regrad.ops import core
from regrad.ops.arithmetic import zero
from regrad.ops.shaping import bare

__all__ = [
    "angle", "complex", "conj", "conj_physical", "imag", "is_conj", "is_neg", "isreal", "polar", "real",
    "resolve_conj", "resolve_neg", "sgn", "view_as_complex", "view_as_real",
]  # fmt: skip


def _is_complex(x: Any, name: str) -> bool:
    return bool(bare(x, name).dtype.kind == "c")


# -- parts


@linear(x=lambda g: to_complex(g), shape=shapes.same, view=True, conjugate=False, name="real")
def real_part(x):
    """The real part of each element, as a view."""
    return x.real


@linear(x=lambda g: to_complex(g) * 1j, shape=shapes.same, view=True, conjugate=False, name="imag")
def imaginary_part(x):
    """The imaginary part of each element, as a view."""
    return x.imag


@linear(x=lambda g: real(g), shape=shapes.same, conjugate=False)
def to_complex(x):
    """The elements as complex numbers."""
    return x.astype(np.result_type(x.dtype, np.complex64))


@linear(x=lambda g: from_pairs(g), shape=lambda x: (*x, 2), view=True, conjugate=False, name="view_as_real")
def as_pairs(x):
    """Complex numbers as pairs along a new last dimension."""
    return x[..., None].view(x.real.dtype)


@linear(x=lambda g: as_pairs(g), shape=lambda x: tuple(x[:-1]), view=True, conjugate=False,
        name="view_as_complex")  # fmt: skip
def from_pairs(x):
    """The pairs along the last dimension as complex numbers: a view where pairs lie together, else a copy."""
    if x.strides[-1] != x.itemsize:
        x = np.ascontiguousarray(x)
    return x.view(np.result_type(x.dtype, np.complex64))[..., 0]


def real(input: Any) -> Any:
    """The real part of each element, as a view; a real tensor is its own.

    >>> rg.real(rg.tensor([1 + 2j]))
    tensor([1.])
    """
    return real_part(input) if _is_complex(input, "real") else input


def imag(input: Any) -> Any:
    """The imaginary part of each element of a complex tensor, as a view.

    >>> rg.imag(rg.tensor([1 + 2j]))
    tensor([2.])
    """
    if not _is_complex(input, "imag"):
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return imaginary_part(input)


def view_as_real(input: Any) -> Any:
    """Complex numbers as pairs (real, imaginary) along a new last dimension, in the same memory.

    >>> rg.view_as_real(rg.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    if not _is_complex(input, "view_as_real"):
        raise RuntimeError("view_as_real is only supported for complex tensors, not "
                           f"{bare(input, 'view_as_real').dtype}")  # fmt: skip
    return as_pairs(input)


def view_as_complex(input: Any) -> Any:
    """The pairs along the last dimension as complex numbers, in the same memory.

    >>> rg.view_as_complex(rg.tensor([[1., 2.]]))
    tensor([1.+2.j])
    """
    array = bare(input, "view_as_complex")
    if array.dtype.kind != "f" or array.itemsize < 4:
        raise RuntimeError("view_as_complex is only supported for float32 and float64, but got a tensor of "
                           f"{dtypes.of(array.dtype)}")  # fmt: skip
    if not array.ndim or array.shape[-1] != 2:
        raise RuntimeError("view_as_complex: Tensor must have a last dimension of size 2; the shape is "
                           f"{list(array.shape)}")  # fmt: skip
    if array.size and array.strides[-1] != array.itemsize:
        raise RuntimeError("view_as_complex: Tensor must have a last dimension with stride 1; call "
                           ".contiguous() first")  # fmt: skip
    if array.size and any(s % (2 * array.itemsize) for s in array.strides[:-1]):
        raise RuntimeError("view_as_complex: Tensor must have a stride divisible by 2 for all but last "
                           "dimension; call .contiguous() first")  # fmt: skip
    return from_pairs(input)


# -- making complex numbers


def _moved(args: Any, tangents: Any) -> Any:
    """The tangents, zeros where there is none."""
    return [zero(x) if t is None else t for x, t in zip(args, tangents, strict=True)]


def _composed_jvp(args: Any, _: Any, tangents: Any, __: Any) -> Any:
    return composed(*_moved(args, tangents))


@elementwise(a=lambda g: real(g), b=lambda g: imag(g), jvp=_composed_jvp, conjugate=False, name="complex")
def composed(a, b):
    """The complex numbers ``a + bi``."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a.dtype, np.complex64))
    out.real, out.imag = a, b
    return out


def _turned_jvp(args: Any, outs: Any, tangents: Any, _: Any) -> Any:
    longer, further = _moved(args, tangents)
    return turned(longer, args[1]) + outs[0] * (further * 1j)


@elementwise(a=lambda g, out: real(conj(g) * sgn(out)),
             b=lambda g, out: real(conj(g) * (out * 1j)),
             jvp=_turned_jvp, conjugate=False, name="polar")  # fmt: skip
def turned(a, b):
    """The complex numbers of modulus ``a`` and angle ``b``."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a.dtype, np.complex64))
    out.real, out.imag = a * np.cos(b), a * np.sin(b)
    return out


def _same_floats(name: str, first: Any, second: Any) -> None:
    a, b = bare(first, name).dtype, bare(second, name).dtype
    if a.kind != "f" or b.kind != "f":
        raise RuntimeError(f"{name}: Expected both inputs to be Half, Float or Double tensors but got "
                           f"{dtypes.of(a)} and {dtypes.of(b)}")  # fmt: skip
    if a != b:
        raise RuntimeError(f"{name}: Expected object of scalar type {dtypes.of(a)} but got scalar type "
                           f"{dtypes.of(b)} for second argument")  # fmt: skip


def complex(real: Any, imag: Any) -> Any:
    """The complex numbers ``real + imag i``, of two tensors of one floating dtype.

    >>> rg.complex(rg.tensor([1.]), rg.tensor([2.]))
    tensor([1.+2.j])
    """
    _same_floats("complex", real, imag)
    return composed(real, imag)


def polar(abs: Any, angle: Any) -> Any:
    """The complex numbers ``abs · exp(i angle)``, of two tensors of one floating dtype.

    >>> rg.polar(rg.tensor([2.]), rg.tensor([0.]))
    tensor([2.+0.j])
    """
    _same_floats("polar", abs, angle)
    return turned(abs, angle)


# -- conjugates, directions


def conj(input: Any) -> Any:
    """Complex conjugate of each element; a real tensor is its own.

    >>> rg.conj(rg.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return core.conj_physical(input) if _is_complex(input, "conj") else input


def conj_physical(input: Any) -> Any:
    """Complex conjugate of each element; a real tensor is its own.

    >>> rg.conj_physical(rg.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return core.conj_physical(input) if _is_complex(input, "conj_physical") else input


def _divisor_jvp(args: Any, _: Any, tangents: Any, __: Any) -> Any:
    return real(tangents[0] * conj(sgn(args[0])))


@elementwise(x=lambda g, x: g * sgn(x), jvp=_divisor_jvp, conjugate=False, dtype=None)
def divisor(x):
    """The modulus of each element, and infinity where it is zero: what is divided by it is zero there."""
    found = np.abs(x)
    return np.where(found == 0, np.inf, found).astype(found.dtype)


def sgn_slope(g: Any, x: Any, out: Any) -> Any:
    """What is left of ``g`` across the direction ``out``, per modulus; nothing for real numbers."""
    if not _is_complex(x, "sgn"):
        return zero(g)
    return (g - out * real(g * conj(out))) / divisor(x)


@elementwise(x=lambda g, x, out: sgn_slope(g, x, out), conjugate=False)
def sgn(x):
    """The direction ``x / |x|`` of each element, and 0 for 0; of a real number the sign.

    >>> rg.sgn(rg.tensor([3 + 4j, 0j]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    return np.sign(x) if x.dtype.kind == "c" else kernels.sign(x)


def angle_slope(g: Any, x: Any) -> Any:
    """The rule of `angle`: turn by a quarter, per modulus; nothing for real numbers."""
    if not _is_complex(x, "angle"):
        return zero(g)
    return g * (sgn(x) * 1j) / divisor(x)


def _angle_jvp(args: Any, _: Any, tangents: Any, __: Any) -> Any:
    x, t = args[0], tangents[0]
    return zero(t) if not _is_complex(x, "angle") else real(t * conj(sgn(x) * 1j)) / divisor(x)


@elementwise(x=lambda g, x: angle_slope(g, x), jvp=_angle_jvp, conjugate=False, dtype="float")
def angle(x):
    """The angle of each element with the positive real axis, in radians: for a real number 0 or pi.

    >>> rg.angle(rg.tensor([1j, -1 + 0j]))
    tensor([1.5708, 3.1416])
    """
    if x.dtype.kind == "c":
        return np.angle(x)
    return np.where(np.isnan(x), x, np.where(x < 0, np.asarray(np.pi, x.dtype), np.asarray(0, x.dtype)))


def isreal(input: Any) -> Any:
    """Is each element real? True where the imaginary part is zero.

    >>> rg.isreal(rg.tensor([1 + 0j, 1j]))
    tensor([ True, False])
    """
    array = bare(input, "isreal")
    return wrap(array.imag == 0 if array.dtype.kind == "c" else np.ones(array.shape, bool))


def resolve_conj(input: Any) -> Any:
    """The tensor itself: a conjugation is carried out at once and never pending."""
    bare(input, "resolve_conj")
    return input


def resolve_neg(input: Any) -> Any:
    """The tensor itself: a negation is carried out at once and never pending."""
    bare(input, "resolve_neg")
    return input


def is_conj(input: Any) -> bool:
    """Is a conjugation pending? Never: it is carried out at once."""
    bare(input, "is_conj")
    return False


def is_neg(input: Any) -> bool:
    """Is a negation pending? Never: it is carried out at once."""
    bare(input, "is_neg")
    return False


def _set_real(self: Any, value: Any) -> None:
    real(self).copy_(value)


def _set_imag(self: Any, value: Any) -> None:
    imag(self).copy_(value)


METHODS = {
    "angle": angle, "conj": conj, "conj_physical": conj_physical, "is_conj": is_conj, "is_neg": is_neg,
    "isreal": isreal, "resolve_conj": resolve_conj, "resolve_neg": resolve_neg, "sgn": sgn,
}  # fmt: skip
INPLACE = ("conj_physical", "sgn")
PROPERTIES = {"imag": property(imag, _set_imag), "real": property(real, _set_real)}
