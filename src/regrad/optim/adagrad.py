"""Adagrad: steps that shrink with the sum of the squared gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.ops.exponential import sqrt
from regrad.optim.optimizer import Optimizer, advance, check_options, counter, full_like
from regrad.optim.rules import Rule, decayed

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    r"""Adagrad: divides by the root of the sum of all squared gradients.

    In step ``t``, with ``g`` the gradient plus ``weight_decay * p``::

        s = s + g * g                        (from initial_accumulator_value on)
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    The options that all optimizers have are told in `Optimizer`.

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", 2011.
    PyTorch: torch.optim.Adagrad.

    >>> w = rg.tensor([1., -2.], requires_grad=True)
    >>> optimizer = rg.optim.Adagrad([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_options(
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )
        defaults = dict(
            lr=lr,
            lr_decay=lr_decay,
            eps=eps,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            fused=fused,
        )
        super().__init__(params, defaults)
        for group in self.param_groups:  # unlike the others, its state is there from the start
            for p in group["params"]:
                self.state[p] = self._fresh(p, group)

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        start = self.defaults["initial_accumulator_value"]
        return {"step": counter(fused=group["fused"]), "sum": full_like(p, start)}

    def _rule(self, state: dict[str, Any], group: dict[str, Any], first: bool) -> tuple[Rule, tuple[str, ...]]:
        eps, decay = group["eps"], group["weight_decay"]
        size = group["lr"] / (1 + (advance(state) - 1) * group["lr_decay"])

        def rule(p: Any, g: Any, s: Any) -> None:
            g = decayed(g, p, decay)
            s += g * g
            p -= size * g / (sqrt(s) + eps)

        return rule, ("sum",)

    def share_memory(self) -> None:
        """Nothing to do: threads share memory anyhow."""
