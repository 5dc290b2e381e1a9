"""Adamax: Adam with the largest gradient in place of the mean square."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.ops.choosing import maximum
from regrad.optim.optimizer import Optimizer, advance, check_options, counter, zeros_like
from regrad.optim.rules import Rule, decayed, move_towards

__all__ = ["Adamax"]


class Adamax(Optimizer):
    r"""Adam with the maximum norm: divides by the largest gradient of late.

    In step ``t``, with ``g`` the gradient plus ``weight_decay * p``::

        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, abs(g) + eps)
        p = p - lr / (1 - beta1**t) * m / u

    The options that all optimizers have are told in `Optimizer`.

    Kingma and Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980. PyTorch: torch.optim.Adamax.

    >>> w = rg.tensor([1., -2.], requires_grad=True)
    >>> optimizer = rg.optim.Adamax([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_options(lr=lr, eps=eps, betas=betas, weight_decay=weight_decay)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": counter(), "exp_avg": zeros_like(p), "exp_inf": zeros_like(p)}

    def _rule(self, state: dict[str, Any], group: dict[str, Any], first: bool) -> tuple[Rule, tuple[str, ...]]:
        (beta1, beta2), eps, decay = group["betas"], group["eps"], group["weight_decay"]
        size = group["lr"] / (1 - beta1 ** advance(state))

        def rule(p: Any, g: Any, m: Any, u: Any) -> None:
            g = decayed(g, p, decay)
            move_towards(m, g, 1 - beta1)
            u[...] = maximum(beta2 * u, abs(g) + eps)
            p -= size * m / u

        return rule, ("exp_avg", "exp_inf")
