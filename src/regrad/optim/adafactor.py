"""Adafactor: Adam's second moment kept as one row and one column for each matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.graph.value import wrap
from regrad.optim.optimizer import Optimizer, advance, check_lr, counter, zeros_like
from regrad.optim.rules import move_towards, wide, written

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    r"""Adafactor: divides by the root of a mean square that it keeps as the product of a column and a row.

    In step ``t``, for a matrix (of more dimensions, the last two; a vector keeps ``v`` itself)::

        w = t**beta2_decay
        r = r + w * (mean of g * g along each row - r)
        c = c + w * (mean of g * g along each column - c)
        v = r @ c / max(mean(r), eps1)
        u = g / sqrt(max(v, eps1**2))
        p = p * (1 - lr * weight_decay)
        p = p - max(eps2, rms(p)) * min(lr, 1 / sqrt(t)) * u / max(1, rms(u) / d)

    with ``rms(p)`` that of ``p`` before the step, and ``eps = (eps1, eps2)``; ``eps1`` is the machine epsilon if it is
    None. The options that all optimizers have are told in `Optimizer`.

    Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", arXiv:1804.04235.
    PyTorch: torch.optim.Adafactor.

    >>> w = rg.tensor([[3., 4.]], requires_grad=True)
    >>> optimizer = rg.optim.Adafactor([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([[2.6464, 3.6464]])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_lr(lr, "Learning rate should be >= 0 but is: {}")
        for fits, text in (
            (beta2_decay <= 0, f"beta2_decay should be <= 0 but is: {beta2_decay}"),
            (eps[0] is None or eps[0] >= 0, f"epsilon1 should be >= 0 but is: {eps[0]}"),
            (eps[1] >= 0, f"epsilon2 should be >= 0 but is: {eps[1]}"),
            (d >= 1, f"Clipping threshold d should be >= 1 but is: {d}"),
            (weight_decay >= 0, f"weight_decay should be >= 0 but is: {weight_decay}"),
        ):
            if not fits:
                raise ValueError(text)
        defaults = dict(
            lr=lr,
            beta2_decay=beta2_decay,
            eps=eps,
            d=d,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
        )
        super().__init__(params, defaults)

    def _check_param(self, p: Any) -> None:
        super()._check_param(p)
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        shape, dtype = p.array.shape, p.array.dtype
        if len(shape) < 2:
            return {"step": counter(), "variance": zeros_like(p)}
        return {
            "step": counter(),
            "row_var": wrap(np.zeros((*shape[:-1], 1), dtype)),
            "col_var": wrap(np.zeros((*shape[:-2], 1, shape[-1]), dtype)),
        }

    def _apply(self, p: Any, state: dict[str, Any], group: dict[str, Any], first: bool) -> None:
        lr, (eps1, eps2) = group["lr"], group["eps"]
        eps1 = dtypes.finfo(p.dtype).eps if eps1 is None else eps1
        x, g = wide(p.array), wide(p._grad.array)
        if not x.size:
            return
        t = advance(state)
        weight = t ** group["beta2_decay"]
        size = max(eps2, _rms(x)) * min(lr, 1 / t**0.5)
        square = np.asarray(g * g)
        if "variance" in state:
            v = wide(state["variance"].array)
            move_towards(v, square, weight)
            kept = {"variance": v}
        else:
            row, column = wide(state["row_var"].array), wide(state["col_var"].array)
            move_towards(row, np.mean(square, -1, keepdims=True), weight)
            move_towards(column, np.mean(square, -2, keepdims=True), weight)
            v = np.multiply(row, column, out=square)
            v /= np.maximum(np.mean(row, -2, keepdims=True), eps1)
            kept = {"row_var": row, "col_var": column}
        u = np.maximum(v, eps1 * eps1, out=square)
        np.divide(g, np.sqrt(u, out=u), out=u)
        u *= size / max(1.0, _rms(u) / group["d"])
        if group["weight_decay"]:
            x *= 1 - lr * group["weight_decay"]
        if group["maximize"]:
            x += u
        else:
            x -= u
        written(p.array, x)
        for name, v in kept.items():
            written(state[name].array, v)


def _rms(x: Any) -> float:
    """The root of the mean square."""
    return float(np.linalg.norm(x) / np.sqrt(x.size))
