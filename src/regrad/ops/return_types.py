"""The results of functions that return several tensors: each unpacks like a tuple and names its parts.

    values, indices = x.max(dim=0)
    indices = x.max(dim=0).indices

A class is named after its function, as in PyTorch.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

__all__: list[str] = []


def _text(self: Any) -> str:
    parts = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
    return f"regrad.return_types.{type(self).__name__}(\n{parts})"


def _result(name: str, *fields: str) -> Any:
    """The class of the results of the function ``name``."""
    made = namedtuple(name, fields, module=__name__)  # type: ignore[misc]
    made.__repr__ = _text  # type: ignore[method-assign]
    made.__doc__ = f"Result of `rg.{name}`: ``({', '.join(fields)})``."
    return made


aminmax = _result("aminmax", "min", "max")
cummax = _result("cummax", "values", "indices")
cummin = _result("cummin", "values", "indices")
frexp = _result("frexp", "mantissa", "exponent")
histogram = _result("histogram", "hist", "bin_edges")
histogramdd = _result("histogramdd", "hist", "bin_edges")
kthvalue = _result("kthvalue", "values", "indices")
max = _result("max", "values", "indices")
median = _result("median", "values", "indices")
min = _result("min", "values", "indices")
mode = _result("mode", "values", "indices")
nanmedian = _result("nanmedian", "values", "indices")
sort = _result("sort", "values", "indices")
topk = _result("topk", "values", "indices")
