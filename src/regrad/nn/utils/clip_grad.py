"""Keeping gradients small: by the norm of all of them together, or each element by its size.

Call between ``backward()`` and ``optimizer.step()``. Start reading at `clip_grad_norm_`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from types import GeneratorType
from typing import Any

import numpy as np

from regrad.autograd.grad_mode import no_grad
from regrad.graph.value import Value, wrap
from regrad.ops.joining import stack
from regrad.ops.reduction import vector_norm

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Any:
    """The norm of all tensors as if they were one vector: ``norm_type`` 2, 1, inf or any other number.

    With ``error_if_nonfinite`` a norm that is nan or infinite is a RuntimeError.
    PyTorch: torch.nn.utils.get_total_norm.

    >>> rg.nn.utils.get_total_norm([rg.tensor([3.]), rg.tensor([0., 4.])])
    tensor(5.)
    """
    return _total("get_total_norm", _listed("get_total_norm", tensors), norm_type, error_if_nonfinite)


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scale the gradients down, in place, so that the norm of all of them together is at most ``max_norm``.

    Returns the norm they had. Parameters without a gradient are passed over. PyTorch: torch.nn.utils.clip_grad_norm_.

    >>> w = rg.zeros(2, requires_grad=True)
    >>> w.grad = rg.tensor([3., 4.])
    >>> rg.nn.utils.clip_grad_norm_([w], max_norm=1.0)
    tensor(5.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    listed = _listed("clip_grad_norm_", parameters)
    if not listed and isinstance(parameters, GeneratorType):
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur. Was it used up before, as by an"
            " optimizer? Call model.parameters() anew.",
            stacklevel=2,
        )
    limit = _limit("clip_grad_norm_", "max_norm", max_norm)
    owners = [p for p in listed if p.grad is not None]
    total = _total("clip_grad_norm_", [p.grad for p in owners], norm_type, error_if_nonfinite, owners)
    _scale(owners, limit, total)
    return total


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """`clip_grad_norm_` for a total norm that is known already: gradients times ``max_norm / total_norm`` if below 1.

    PyTorch: torch.nn.utils.clip_grads_with_norm_.

    >>> w = rg.zeros(2, requires_grad=True)
    >>> w.grad = rg.tensor([3., 4.])
    >>> rg.nn.utils.clip_grads_with_norm_(w, 1.0, rg.tensor(10.))
    >>> w.grad
    tensor([0.3000, 0.4000])
    """
    owners = [p for p in _listed("clip_grads_with_norm_", parameters) if p.grad is not None]
    _scale(owners, _limit("clip_grads_with_norm_", "max_norm", max_norm), total_norm)


def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Clamp each element of the gradients, in place, to ``[-clip_value, clip_value]``.

    PyTorch: torch.nn.utils.clip_grad_value_.

    >>> w = rg.zeros(2, requires_grad=True)
    >>> w.grad = rg.tensor([3., -0.5])
    >>> rg.nn.utils.clip_grad_value_(w, 1.0)
    >>> w.grad
    tensor([ 1.0000, -0.5000])
    """
    limit = _limit("clip_grad_value_", "clip_value", clip_value)
    with no_grad():
        for p in _listed("clip_grad_value_", parameters):
            if p.grad is not None:
                p.grad.clamp_(-limit, limit)


def clip_grad_norm(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """`clip_grad_norm_` under its old name, deprecated."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def _listed(call: str, tensors: Any) -> list[Any]:
    """The tensors of an iterable, or the one tensor given."""
    if isinstance(tensors, Value):
        return [tensors]
    hint = "; give model.parameters()" if hasattr(tensors, "parameters") else ""
    if not isinstance(tensors, Iterable):
        raise TypeError(f"{call}: expected a tensor or an iterable of tensors, got {type(tensors).__name__}{hint}")
    listed = list(tensors)
    for x in listed:
        if not isinstance(x, Value):
            raise TypeError(f"{call}: expected an iterable of tensors, but one item is {type(x).__name__}{hint}")
    return listed


def _limit(call: str, name: str, value: Any) -> float:
    limit = float(value)
    if not limit >= 0:
        raise ValueError(f"{call}: {name} must be 0 or a positive number, got {limit}")
    return limit


def _total(call: str, tensors: list[Any], norm_type: Any, error_if_nonfinite: bool, owners: Any = None) -> Any:
    """The norm of the norms; ``owners`` are the parameters to name if it is not finite."""
    order = float(norm_type)
    with no_grad(), np.errstate(all="ignore"):  # nan and inf speak for themselves, as in every op
        total = vector_norm(stack([_norm(x, order) for x in tensors]), order) if tensors else wrap(np.zeros((), "f4"))
    if error_if_nonfinite and not np.isfinite(total.array):
        bad = [k for k, x in enumerate(tensors) if not np.isfinite(x.array).all()]
        if bad:
            names = [getattr(owners[k], "name", None) if owners else None for k in bad]
            said = ", ".join(f"number {k}, {name!r}" if name else f"number {k}" for k, name in zip(bad[:8], names))
            where = f"{len(bad)} of {len(tensors)} hold nan or inf: {said}{', ...' if len(bad) > 8 else ''}"
            where += "; run the step again under rg.autograd.detect_anomaly() to see where it comes from"
        else:
            where = "all are finite, but their squares or powers are too large for their dtype"
        raise RuntimeError(
            f"{call}: The total norm of order {order} for gradients from `parameters` is non-finite, so it cannot be"
            f" clipped: {where}. To disable this error and scale the gradients by the non-finite norm anyway, set"
            " `error_if_nonfinite=False`"
        )
    return total


def _norm(x: Any, order: float) -> Any:
    if order == 2 and x.array.dtype.name in ("float32", "float64"):
        return wrap(np.asarray(np.linalg.norm(x.array)))  # one dot product
    return vector_norm(x, order)


def _scale(owners: list[Any], limit: float, total: Any) -> None:
    with no_grad():
        factor = limit / (total + 1e-6)
        if factor >= 1:  # a factor that is nan goes on, and shows in the gradients
            return
        for p in owners:
            p.grad.mul_(factor)
