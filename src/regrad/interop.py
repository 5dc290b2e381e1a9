"""NumPy's functions on tensors: ``np.sin(t)`` and ``np.sum(t, axis=0)`` run the op of the same meaning and record.

A NumPy ufunc or function is translated by the tables below. One that is not in them runs on plain arrays if no tensor
among its arguments requires grad, and otherwise says so. Start reading at `UFUNCS`.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from regrad.graph.sharing import borrow
from regrad.graph.value import Value, wrap

__all__ = ["function", "ufunc"]

# NumPy's name -> Regrad's, where they differ; where they agree no entry is needed.
UFUNCS = {
    "multiply": "mul",
    "divide": "div",
    "true_divide": "div",
    "subtract": "sub",
    "negative": "neg",
    "power": "pow",
    "float_power": "float_power",
    "absolute": "abs",
    "fabs": "abs",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "equal": "eq",
    "not_equal": "ne",
    "mod": "remainder",
    "invert": "bitwise_not",
    "conjugate": "conj",
    "rint": "round",
    "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift",
}
SAME = set("""
    add exp exp2 expm1 log log2 log10 log1p sqrt square reciprocal sin cos tan sinh cosh tanh sign floor ceil trunc
    maximum minimum fmax fmin hypot logaddexp logaddexp2 matmul isnan isinf isfinite logical_and logical_or
    logical_not logical_xor bitwise_and bitwise_or bitwise_xor floor_divide remainder fmod copysign heaviside
    positive deg2rad rad2deg signbit nextafter gcd lcm ldexp
""".split())  # noqa: SIM905 - a list of words is easier read so
REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "amax",
    "minimum": "amin",
    "logical_and": "all",
    "logical_or": "any",
}

# Functions that take an array first and perhaps `axis`, `keepdims`: NumPy's name -> Regrad's.
FUNCTIONS = {
    "sum": "sum",
    "mean": "mean",
    "prod": "prod",
    "amax": "amax",
    "amin": "amin",
    "max": "amax",
    "min": "amin",
    "var": "var",
    "std": "std",
    "all": "all",
    "any": "any",
    "argmax": "argmax",
    "argmin": "argmin",
    "cumsum": "cumsum",
    "cumprod": "cumprod",
    "nansum": "nansum",
    "nanmean": "nanmean",
    "squeeze": "squeeze",
    "expand_dims": "unsqueeze",
    "flip": "flip",
    "roll": "roll",
    "reshape": "reshape",
    "ravel": "ravel",
    "transpose": "permute",
    "swapaxes": "swapaxes",
    "moveaxis": "movedim",
    "concatenate": "cat",
    "stack": "stack",
    "hstack": "hstack",
    "vstack": "vstack",
    "dot": "matmul",
    "inner": "inner",
    "outer": "outer",
    "tensordot": "tensordot",
    "einsum": "einsum",
    "where": "where",
    "clip": "clamp",
    "broadcast_to": "broadcast_to",
    "tril": "tril",
    "triu": "triu",
    "diag": "diag",
    "trace": "trace",
    "sort": "sort",
    "argsort": "argsort",
    "zeros_like": "zeros_like",
    "ones_like": "ones_like",
    "empty_like": "empty_like",
    "full_like": "full_like",
    "copy": "clone",
    "tile": "tile",
    "kron": "kron",
    "cross": "cross",
    "diff": "diff",
    "split": "tensor_split",
    "real": "real",
    "imag": "imag",
    "angle": "angle",
    "nan_to_num": "nan_to_num",
    "count_nonzero": "count_nonzero",
    "repeat": "repeat_interleave",
    "round": "round",
    "around": "round",
    "sinc": "sinc",
    "linalg.norm": "linalg.norm",
    "linalg.inv": "linalg.inv",
    "linalg.det": "linalg.det",
    "linalg.solve": "linalg.solve",
    "linalg.cholesky": "linalg.cholesky",
    "linalg.slogdet": "linalg.slogdet",
}
FUNCTIONS.update({f"fft.{name}": f"fft.{name}" for name in (
    "fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn",
    "irfftn", "fftshift", "ifftshift",
)})  # fmt: skip
# Questions and comparisons that have no gradient: they run on the arrays, whether or not a gradient is asked for.
QUESTIONS = set("""
    shape ndim size result_type allclose isclose array_equal array_equiv shares_memory may_share_memory
    array_repr array_str array2string iscomplexobj isrealobj
""".split())  # noqa: SIM905
# Ops that take no Python numbers: NumPy's functions do.
TENSORS_ONLY = set("""
    maximum minimum fmax fmin heaviside hypot logaddexp logaddexp2 nextafter gcd lcm arctan2
""".split())  # noqa: SIM905
FLATTEN = {"concatenate", "sort", "argsort", "cumsum", "cumprod"}  # what ``axis=None`` does
KEYWORDS = {
    "axis": "dim",
    "keepdims": "keepdim",
    "ddof": "correction",
    "axes": "dims",
    "a_min": "min",
    "a_max": "max",
    "decimals": "decimals",
}


def _regrad(name: str) -> Any:
    found: Any = importlib.import_module("regrad")  # by name: the package is above this room
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _tensors(things: Any) -> list[Any]:
    if isinstance(things, Value):
        return [things]
    if isinstance(things, dict):
        return [t for v in things.values() for t in _tensors(v)]
    return [t for v in things for t in _tensors(v)] if isinstance(things, (list, tuple)) else []


def _lifted(x: Any) -> Any:
    """Arrays among the arguments become tensors, so that ops take them."""
    if isinstance(x, np.ndarray) and x.dtype.kind in "fciub":
        return wrap(borrow(x))
    if isinstance(x, np.generic):
        return wrap(np.asarray(x))
    return type(x)(_lifted(v) for v in x) if type(x) in (list, tuple) else x


def _lowered(x: Any) -> Any:
    if isinstance(x, Value):
        return x.array
    return type(x)(_lowered(v) for v in x) if type(x) in (list, tuple) else x


def ufunc(fn: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``fn`` (a NumPy ufunc) on arguments of which at least one is a tensor."""
    name = fn.__name__
    out = kwargs.pop("out", None)
    if out is not None and any(isinstance(o, Value) for o in out):
        raise TypeError(f"np.{name}: `out=` cannot be a tensor; write the result with copy_()")
    if method == "__call__" and out is None and not kwargs and (name in SAME or name in UFUNCS):
        lifted = [_lifted(x) for x in inputs]
        if name in TENSORS_ONLY:
            lifted = [x if isinstance(x, Value) else wrap(np.asarray(x)) for x in lifted]
        return _regrad(UFUNCS.get(name, name))(*lifted)
    if method == "reduce" and name in REDUCTIONS and out is None:
        axis = kwargs.pop("axis", 0)
        keep = bool(kwargs.pop("keepdims", False))
        x = _lifted(inputs[0])
        dim = tuple(range(x.ndim)) if axis is None else axis
        if not {k for k, v in kwargs.items() if v is not None and v is not np._NoValue and v is not True}:
            return _regrad(REDUCTIONS[name])(x, dim=dim, keepdim=keep)
    _refuse_grad(f"np.{name}" + ("" if method == "__call__" else f".{method}"), (inputs, kwargs))
    result = getattr(fn, method)(*_lowered(inputs), **({} if out is None else {"out": out}), **kwargs)
    if out is not None:
        return out[0] if len(out) == 1 else out
    return (
        tuple(wrap(np.asarray(r)) for r in result) if isinstance(result, tuple) else wrap(np.asarray(result))
    )


def function(fn: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """``fn`` (another NumPy function) on arguments of which at least one is a tensor."""
    module = fn.__module__.removeprefix("numpy").lstrip(".")
    name = f"{module}.{fn.__name__}" if module in ("linalg", "fft") else fn.__name__
    unusual = any(not any(kwargs.get(k) is v for v in (None, np._NoValue, True)) for k in ("initial", "where"))
    if name in FUNCTIONS and kwargs.get("out") is None and not unusual:
        flat = FLATTEN if "axis" in kwargs and kwargs["axis"] is None else FLATTEN & {"cumsum", "cumprod"}
        if name in flat and len(args) == 1 and kwargs.get("axis") is None:
            whole = [_lifted(a).reshape(-1) for a in (args[0] if name == "concatenate" else args)]
            args, kwargs = (whole if name == "concatenate" else whole[0],), {**kwargs, "axis": 0}
        given = {
            KEYWORDS.get(k, k): v
            for k, v in kwargs.items()
            if v is not None and v is not np._NoValue and k not in ("out", "where", "order", "initial")
        }
        if name in ("var", "std") and "correction" not in given:
            given["correction"] = 0  # NumPy divides by n
        if module == "fft" and "dims" in given:
            given["dim"] = given.pop("dims")
        lifted = [_lifted(a) for a in args]
        if name == "transpose" and len(lifted) == 1 and "dims" not in given:
            given["dims"] = tuple(reversed(range(lifted[0].ndim)))
        if "dtype" in given:
            given["dtype"] = np.dtype(given["dtype"])
        if name in ("flip", "roll") and "dim" in given:
            given["dims"] = given.pop("dim")
        if name in ("round", "around") and len(lifted) > 1:
            given["decimals"] = lifted.pop()
        if name == "cross":
            given.setdefault("dim", -1)
        if name == "dot":
            a, b = lifted = [x if isinstance(x, Value) else wrap(np.asarray(x)) for x in lifted]
            if not (a.ndim and b.ndim):
                return a * b
            if a.ndim > 2 or b.ndim > 2:
                return _regrad("tensordot")(a, b, ([-1], [-2 if b.ndim > 1 else 0]))
        answer = _regrad(FUNCTIONS[name])(
            *lifted, **{k: _lifted(v) if isinstance(v, (np.ndarray, list)) else v for k, v in given.items()}
        )
        return answer.values if name == "sort" else answer
    if name not in QUESTIONS:
        _refuse_grad(f"np.{name}", (args, kwargs))
    result = fn(*_lowered(args), **{k: _lowered(v) for k, v in kwargs.items()})
    return wrap(result) if isinstance(result, (np.ndarray, np.generic)) else result


def _refuse_grad(name: str, things: Any) -> None:
    if any(t.requires_grad for t in _tensors(things)):
        raise TypeError(
            f"{name} has no counterpart that records, and an argument requires grad; use a Regrad op, or"
            " t.detach()"
        )
