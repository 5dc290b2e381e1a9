"""Comparing tensors in tests: `assert_close`.

PyTorch: https://docs.pytorch.org/docs/stable/testing.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad.graph.value import Value

__all__ = ["assert_close"]

# PyTorch's default tolerances by dtype: relative, absolute.
TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | None = None,
) -> None:
    """Raise AssertionError unless the tensors (or numbers, or nested sequences and dictionaries of them) are close.

    Close means ``|actual - expected| <= atol + rtol * |expected|`` in every element, with PyTorch's tolerances for the
    dtype unless both are given; integers and booleans must be equal. Shapes and (``check_dtype``) dtypes agree.

    >>> rg.testing.assert_close(rg.tensor([1., 2.]), rg.tensor([1., 2.000001]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: give both rtol and atol, or neither")
    same = dict(
        rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=check_dtype, check_stride=check_stride, msg=msg
    )
    if isinstance(actual, dict) and isinstance(expected, dict):
        if set(actual) != set(expected):
            raise AssertionError(
                f"The keys of the mappings do not match: {sorted(map(str, set(actual) ^ set(expected)))} in"
                " only one of them"
            )
        for key in actual:
            assert_close(actual[key], expected[key], **same)  # type: ignore[arg-type]
        return
    if isinstance(actual, (tuple, list)) and isinstance(expected, (tuple, list)):
        if len(actual) != len(expected):
            raise AssertionError(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
        for a, e in zip(actual, expected, strict=True):
            assert_close(a, e, **same)  # type: ignore[arg-type]
        return
    a, e = (x.array if isinstance(x, Value) else np.asarray(x) for x in (actual, expected))
    tensors = isinstance(actual, Value) and isinstance(expected, Value)
    trouble = ""
    if a.shape != e.shape:
        trouble = f"The values for attribute 'shape' do not match: {list(a.shape)} != {list(e.shape)}."
    elif tensors and check_dtype and a.dtype != e.dtype:
        trouble = f"The values for attribute 'dtype' do not match: {a.dtype} != {e.dtype}."
    elif check_stride and a.strides != e.strides:
        trouble = f"The values for attribute 'stride()' do not match: {a.strides} != {e.strides}."
    else:
        trouble = _differences(a, e, rtol, atol, equal_nan)
    if trouble:
        raise AssertionError(trouble if msg is None else msg)


def _differences(a: Any, e: Any, rtol: float | None, atol: float | None, equal_nan: bool) -> str:
    """How many elements are not close, and the worst of them; empty when all are."""
    kinds = [TOLERANCES.get(x.dtype.name, (0.0, 0.0)) for x in (a, e)]
    relative = max(k[0] for k in kinds) if rtol is None else rtol
    absolute = max(k[1] for k in kinds) if atol is None else atol
    wide = "c16" if "c" in (a.dtype.kind, e.dtype.kind) else "f8"
    x, y = (v if v.dtype.kind in "iub" else v.astype(wide) for v in (a, e))
    if x.dtype.kind in "iub" and y.dtype.kind in "iub":
        close = x == y
    else:
        close = np.isclose(x, y, relative, absolute, equal_nan=equal_nan)
    if close.all():
        return ""
    bad = ~close
    with np.errstate(all="ignore"):
        gap = np.where(bad, np.abs(x.astype(wide) - y.astype(wide)), 0)
        gap[bad & np.isnan(gap)] = np.inf  # a nan is further off than any number
    where = np.unravel_index(int(np.argmax(gap)), gap.shape)
    at = f" at index {tuple(int(i) for i in where)}" if gap.ndim else ""
    return (
        f"Tensor-likes are not close!\n\nMismatched elements: {int(bad.sum())} / {bad.size}"
        f" ({100 * bad.mean():.1f}%)\nGreatest absolute difference: {gap[where]}{at} (up to {absolute}"
        f" allowed, and {relative} of the expected value): {a[where]} is not {e[where]}"
    )
