"""Muon: momentum whose matrix is made orthogonal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from regrad.optim.optimizer import Optimizer, check_lr, zeros_like
from regrad.optim.rules import move_towards, wide, written

__all__ = ["Muon"]


class Muon(Optimizer):
    r"""Muon: moves a matrix along its momentum with all singular values brought near one.

    For two-dimensional parameters only; give the others to another optimizer, such as `AdamW`. Per step::

        b = b + (1 - momentum) * (g - b)
        u = g + momentum * (b - g)                      (without nesterov: b)
        x = u / norm(u);  ns_steps times:  x = a * x + (b * y + c * y @ y) @ x,  with y = x @ x.T
        p = p * (1 - lr * weight_decay) - lr * ratio * x

    with ``(a, b, c) = ns_coefficients`` (the Newton-Schulz iteration). ``ratio`` is ``sqrt(max(1, rows / columns))``;
    with ``adjust_lr_fn="match_rms_adamw"`` it is ``0.2 * sqrt(max(rows, columns))``, which lets the settings of AdamW
    serve. The iteration rounds to bfloat16, as in PyTorch.

    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; Liu et al., "Muon is scalable for
    LLM training", arXiv:2502.16982. PyTorch: torch.optim.Muon.

    >>> w = rg.eye(2, requires_grad=True)
    >>> optimizer = rg.optim.Muon([w], lr=0.1, weight_decay=0.)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach().diagonal()
    tensor([0.8875, 0.8875])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_lr(lr, "Learning rate should be >= 0 but is: {}")
        for fits, text in (
            (momentum >= 0, f"momentum should be >= 0 but is: {momentum}"),
            (weight_decay >= 0, f"weight decay should be >= 0 but is: {weight_decay}"),
            (ns_steps < 100, "Number of steps must be less than 100 for computational efficiency"),
            (len(ns_coefficients) == 3, "Coefficients must be a tuple of exactly 3 values"),
            (
                adjust_lr_fn in (None, "original", "match_rms_adamw"),
                f"Adjust learning rate function {adjust_lr_fn} is not supported: give 'original' or 'match_rms_adamw'",
            ),
        ):
            if not fits:
                raise ValueError(text)
        defaults = dict(
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
        )
        super().__init__(params, defaults)

    def _check_param(self, p: Any) -> None:
        super()._check_param(p)
        if p.ndim != 2:
            raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {p.shape}")
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": zeros_like(p)}

    def _apply(self, p: Any, state: dict[str, Any], group: dict[str, Any], first: bool) -> None:
        lr, momentum = group["lr"], group["momentum"]
        x, g, b = wide(p.array), wide(p._grad.array), wide(state["momentum_buffer"].array)
        move_towards(b, g, 1 - momentum)
        update = b
        if group["nesterov"]:
            update = g.copy()
            move_towards(update, b, momentum)
        update = _orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = x.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * max(rows, columns) ** 0.5
        else:
            ratio = max(1, rows / max(columns, 1)) ** 0.5
        x *= 1 - lr * group["weight_decay"]
        x -= lr * ratio * update
        written(p.array, x)
        written(state["momentum_buffer"].array, b)


def _orthogonal(x: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """``x`` with singular values near one, by Newton-Schulz iterations on the side that is shorter."""
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = _rounded(x.T if tall else x)
    x = _rounded(x / np.maximum(_rounded(np.linalg.norm(x)), np.float32(eps)))
    for _ in range(steps):
        y = _rounded(x @ x.T)
        y = _rounded(b * y + c * (y @ y))
        x = _rounded(a * x + y @ x)
    return x.T if tall else x


def _rounded(x: Any) -> Any:
    """``x`` as float32 with the 8 bits of precision that bfloat16 has, ties to even; nan and infinity as they are."""
    bits = np.atleast_1d(np.asarray(x, np.float32)).view(np.uint32)
    even = (bits + (0x7FFF + (bits >> 16 & 1))) & np.uint32(0xFFFF0000)
    return np.where(np.isfinite(x), even.view(np.float32).reshape(np.shape(x)), np.float32(x))
