"""Adadelta: steps as large as those of late, whatever the learning rate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.ops.exponential import sqrt
from regrad.optim.optimizer import Optimizer, advance, check_options, counter, zeros_like
from regrad.optim.rules import Rule, decayed

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    r"""Adadelta: scales the gradient by the ratio of the steps of late to the gradients of late.

    Per step, with ``g`` the gradient plus ``weight_decay * p``::

        v = rho * v + (1 - rho) * g * g
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d * d
        p = p - lr * d

    The options that all optimizers have are told in `Optimizer`.

    Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701. PyTorch: torch.optim.Adadelta.

    >>> w = rg.tensor([1., -2.], requires_grad=True)
    >>> optimizer = rg.optim.Adadelta([w], lr=1., eps=1e-2)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.6877, -1.6848])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
        if rho > 1:
            raise ValueError(f"Invalid rho value: {rho}")
        defaults = dict(
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            capturable=capturable,
            foreach=foreach,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": counter(), "square_avg": zeros_like(p), "acc_delta": zeros_like(p)}

    def _rule(self, state: dict[str, Any], group: dict[str, Any], first: bool) -> tuple[Rule, tuple[str, ...]]:
        lr, rho, eps, decay = group["lr"], group["rho"], group["eps"], group["weight_decay"]
        advance(state)

        def rule(p: Any, g: Any, v: Any, u: Any) -> None:
            g = decayed(g, p, decay)
            v *= rho
            v += (1 - rho) * g * g
            d = sqrt(u + eps) / sqrt(v + eps) * g
            u *= rho
            u += (1 - rho) * d * d
            p -= lr * d

        return rule, ("square_avg", "acc_delta")
