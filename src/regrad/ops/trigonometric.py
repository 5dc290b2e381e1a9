"""Sines, tangents and their inverses, circular and hyperbolic, and angles. Start reading at `sin`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from regrad.declare import elementwise
from regrad.kernels.reference import elementwise as kernels
from regrad.ops.arguments import dtype_of, tensors_only
from regrad.ops.choosing import only
from regrad.ops.exponential import rsqrt

__all__ = [
    "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin",
    "asinh", "atan", "atan2", "atanh", "cos", "cosh", "deg2rad", "hypot", "rad2deg", "sin", "sinh", "tan",
    "tanh",
]

DEGREE = math.pi / 180


# -- circular


@elementwise(kernel=np.sin, dtype="float", x=lambda g, x: g * cos(x))
def sin(x):
    """Sine of each element, an angle in radians.

    >>> rg.sin(rg.tensor([0., 1.]))
    tensor([0.0000, 0.8415])
    """


@elementwise(kernel=np.cos, dtype="float", x=lambda g, x: g * -sin(x))
def cos(x):
    """Cosine of each element, an angle in radians.

    >>> rg.cos(rg.tensor([0., 1.]))
    tensor([1.0000, 0.5403])
    """


@elementwise(kernel=np.tan, dtype="float", x=lambda g, out: g * (1 + out * out))
def tan(x):
    """Tangent of each element, an angle in radians.

    >>> rg.tan(rg.tensor([0., 1.]))
    tensor([0.0000, 1.5574])
    """


@elementwise(kernel=np.arcsin, dtype="float", x=lambda g, x: g * rsqrt(1 - x * x))
def asin(x):
    """Angle, from -π/2 to π/2, whose sine is the element; nan outside [-1, 1].

    >>> rg.asin(rg.tensor([0., 1.]))
    tensor([0.0000, 1.5708])
    """


@elementwise(kernel=np.arccos, dtype="float", x=lambda g, x: g * -rsqrt(1 - x * x))
def acos(x):
    """Angle, from 0 to π, whose cosine is the element; nan outside [-1, 1].

    >>> rg.acos(rg.tensor([0., 1.]))
    tensor([1.5708, 0.0000])
    """


@elementwise(kernel=np.arctan, dtype="float", x=lambda g, x: g / (x * x + 1))
def atan(x):
    """Angle, from -π/2 to π/2, whose tangent is the element.

    >>> rg.atan(rg.tensor([0., 1.]))
    tensor([0.0000, 0.7854])
    """


def _over_square(g: Any, a: Any, b: Any) -> Any:
    """``g / (a² + b²)``, and 0 at the origin, where no angle is better than another."""
    radius = a * a + b * b
    return only(g / radius, radius != 0)


@tensors_only
@elementwise(kernel=np.arctan2, dtype="float",
             a=lambda g, a, b: _over_square(g * b, a, b),
             b=lambda g, a, b: _over_square(-g * a, a, b))
def atan2(a, b):
    """Angle, from -π to π, of each point with ordinate ``a`` and abscissa ``b``; gradient 0 at the origin.

    >>> rg.atan2(rg.tensor([1., 1.]), rg.tensor([1., -1.]))
    tensor([0.7854, 2.3562])
    """


@tensors_only
@elementwise(kernel=kernels.limited("hypot", "f", np.hypot),
             a=lambda g, a, out: g * a / out,
             b=lambda g, b, out: g * b / out)
def hypot(a, b):
    """``sqrt(a² + b²)`` of each pair of elements, without overflow.

    >>> rg.hypot(rg.tensor([3.]), rg.tensor([4.]))
    tensor([5.])
    """


@elementwise(dtype="float", x=lambda g: g * DEGREE)
def deg2rad(x):
    """Angles in radians, from degrees.

    >>> rg.deg2rad(rg.tensor([0., 180.]))
    tensor([0.0000, 3.1416])
    """
    return np.multiply(kernels.real_only("deg2rad", x), DEGREE)


@elementwise(dtype="float", x=lambda g: g / DEGREE)
def rad2deg(x):
    """Angles in degrees, from radians.

    >>> rg.rad2deg(rg.tensor([0., 3.14159265]))
    tensor([  0., 180.])
    """
    return np.multiply(kernels.real_only("rad2deg", x), 1 / DEGREE)


# -- hyperbolic


@elementwise(kernel=np.sinh, dtype="float", x=lambda g, x: g * cosh(x))
def sinh(x):
    """Hyperbolic sine of each element.

    >>> rg.sinh(rg.tensor([0., 1.]))
    tensor([0.0000, 1.1752])
    """


@elementwise(kernel=np.cosh, dtype="float", x=lambda g, x: g * sinh(x))
def cosh(x):
    """Hyperbolic cosine of each element.

    >>> rg.cosh(rg.tensor([0., 1.]))
    tensor([1.0000, 1.5431])
    """


@elementwise(kernel=np.tanh, dtype="float", x=lambda g, out: g * (1 - out * out))
def tanh(x):
    """Hyperbolic tangent of each element.

    >>> rg.tanh(rg.tensor([0., 1.]))
    tensor([0.0000, 0.7616])
    """


@elementwise(kernel=np.arcsinh, dtype="float", x=lambda g, x: g * rsqrt(x * x + 1))
def asinh(x):
    """Inverse hyperbolic sine of each element.

    >>> rg.asinh(rg.tensor([0., 1.]))
    tensor([0.0000, 0.8814])
    """


def _acosh_slope(x: Any) -> Any:
    if dtype_of(x).kind == "c":
        return rsqrt(x + 1) * rsqrt(x - 1)  # on the branch of acosh, unlike the root of the product
    return rsqrt(x * x - 1)


@elementwise(kernel=np.arccosh, dtype="float", x=lambda g, x: g * _acosh_slope(x))
def acosh(x):
    """Inverse hyperbolic cosine of each element; nan below 1.

    >>> rg.acosh(rg.tensor([1., 2.]))
    tensor([0.0000, 1.3170])
    """


@elementwise(kernel=np.arctanh, dtype="float", x=lambda g, x: g / (1 - x * x))
def atanh(x):
    """Inverse hyperbolic tangent of each element; nan outside [-1, 1].

    >>> rg.atanh(rg.tensor([0., 0.5]))
    tensor([0.0000, 0.5493])
    """


arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh

METHODS = {name: globals()[name] for name in __all__}
INPLACE = tuple(__all__)
FUNCTIONAL = ("tanh",)
