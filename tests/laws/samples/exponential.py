"""Samples of `regrad.ops.exponential`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.laws.sample import Refused, Sample, booleans, complexes, integers, positive, uniform


def of_floats(expect: Callable[..., Any], draw: Callable[..., Any] = uniform) -> list[Any]:
    """Samples of an op of one argument that makes floating-point numbers of whatever it is given."""
    return [
        Sample(draw(3, 4), expect=expect),
        Sample(draw(), expect=expect),
        Sample(draw(2, 0), expect=expect),
        Sample(integers(3, low=1), expect=lambda x: expect(x.astype("f4"))),
        Sample(complexes(2, 3) + 2, expect=expect),
    ]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def raised(x: Any, exponent: Any) -> Any:
    return x**exponent


def xlogy(a: Any, b: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.where((a == 0) & ~np.isnan(b), 0, a * np.log(b))


SAMPLES: dict[str, list[Any]] = {
    "exp": of_floats(np.exp),
    "exp2": of_floats(np.exp2),
    "expm1": of_floats(np.expm1),
    "sigmoid": [*of_floats(sigmoid), Sample(np.array([-700.0, 700.0]), expect=sigmoid)],
    "log": of_floats(np.log, positive),
    "log2": of_floats(np.log2, positive),
    "log10": of_floats(np.log10, positive),
    "log1p": of_floats(np.log1p, positive),
    "sqrt": of_floats(np.sqrt, positive),
    "rsqrt": of_floats(lambda x: x**-0.5 if x.dtype.kind != "i" else 1 / np.sqrt(x), positive),
    "logaddexp": [
        Sample(uniform(3, 4), uniform(3, 4), expect=np.logaddexp),
        Sample(uniform(3, 1) * 9, uniform(4), expect=np.logaddexp),
        Sample(complexes(3), complexes(3), expect=lambda a, b: np.log(np.exp(a) + np.exp(b))),
        Sample(np.array([np.inf, -np.inf]), uniform(2), expect=np.logaddexp, smooth=False),
        Refused(integers(3), integers(3), error="not implemented for int64", raises=NotImplementedError),
    ],
    "logaddexp2": [
        Sample(uniform(3, 4), uniform(3, 4), expect=np.logaddexp2),
        Sample(uniform(3, 1) * 9, uniform(4), expect=np.logaddexp2),
        Refused(complexes(3), complexes(3), error="not implemented for complex", raises=NotImplementedError),
    ],
    "xlogy": [
        Sample(uniform(3, 4), positive(3, 4), expect=xlogy),
        Sample(uniform(3, 1), positive(4), expect=xlogy),
        Sample(uniform(3), 2.0, expect=xlogy),
        Sample(2.0, positive(3), expect=xlogy),
        Sample(np.zeros(3), np.array([0.0, -1.0, np.nan]), expect=xlogy, smooth=False),
        Refused(complexes(3), 2.0, error="not implemented for complex128", raises=NotImplementedError),
    ],
    "logit": [
        Sample(uniform(3, 4, low=0.1, high=0.9), eps=None, expect=lambda x: np.log(x / (1 - x))),
        Sample(uniform(8), eps=0.2, expect=lambda x: -np.log(1 / np.clip(x, 0.2, 0.8) - 1)),
        Sample(uniform(low=0.1, high=0.9), eps=0.0),
        Refused(complexes(3), eps=None, error="not implemented for complex128", raises=NotImplementedError),
    ],
    "square": [
        Sample(uniform(3, 4), expect=np.square),
        Sample(uniform(), expect=np.square),
        Sample(complexes(3), expect=np.square),
        Sample(integers(3), expect=np.square),
        Sample(booleans(3), expect=lambda x: x.astype(int)),
    ],
    "power_by": [
        *[Sample(positive(3, 4), exponent=e, expect=raised) for e in (-1, 0, 0.5, 1, 2.5, 3)],
        Sample(uniform(low=-2, high=-1), exponent=3, expect=raised),
        Sample(complexes(3) + 2, exponent=-2, expect=raised),
        Sample(np.zeros(2), exponent=0, expect=raised),
        Sample(integers(4), exponent=4, expect=raised),
        Refused(integers(3), exponent=-1, error="Integers to negative integer powers are not allowed"),
    ],
    "pow": [
        Sample(positive(3, 4), uniform(3, 4), expect=np.power),
        Sample(positive(3, 1), uniform(4), expect=np.power),
        Sample(positive(), uniform(0), expect=np.power),
        Sample(complexes(3) + 2, complexes(3), expect=np.power),
        Sample(np.zeros(3), np.array([0.0, 1.0, 2.0]), expect=np.power, smooth=False),
        Sample(np.array([-2, -1, 0, 1, 2]), np.array([-1, -3, -1, -2, 3]),
               expect=lambda a, b: np.array([0, -1, 0, 1, 8])),
        Refused(booleans(3), booleans(3), error="not implemented for bool", raises=NotImplementedError),
    ],
    "power_of": [
        Sample(uniform(3, 4), base=2.0, expect=lambda x, base: base**x),
        Sample(uniform(), base=0.5, expect=lambda x, base: base**x),
        Sample(positive(3), base=0, expect=lambda x, base: base**x, second=False),
        Sample(complexes(3), base=-2.0, expect=lambda x, base: complex(base) ** x),
        Sample(integers(4), base=-3, expect=lambda x, base: base**x),
    ],
    "ldexp": [
        Sample(uniform(3, 4), uniform(3, 4), expect=lambda a, b: a * 2**b),
        Sample(integers(3, 1), integers(4, low=-3), expect=lambda a, b: np.ldexp(a, b).astype("f4")),
        Sample(uniform(), uniform()),
    ],
    "frexp": [
        Sample(positive(3, 4) * 1.01, expect=np.frexp),
        Sample(uniform(low=-1.9, high=-1.1), expect=np.frexp),
        Sample(np.zeros(0), expect=np.frexp),
        Refused(integers(3), error="only supports floating-point dtypes"),
    ],
}
