"""ASGD: gradient descent that keeps the average of where it has been."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.optim.optimizer import Optimizer, advance, check_options, counter, zeros_like
from regrad.optim.rules import Rule, decayed

__all__ = ["ASGD"]


class ASGD(Optimizer):
    r"""Averaged stochastic gradient descent; the average is in the state, as ``ax``.

    In step ``t``, with ``g`` the gradient plus ``weight_decay * p``::

        p = p * (1 - lambd * eta) - eta * g
        ax = ax + mu * (p - ax)
        eta = lr / (1 + lambd * lr * t)**alpha          (for the next step; lr at first)
        mu = 1 / max(1, t - t0)                         (1 at first)

    The options that all optimizers have are told in `Optimizer`.

    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992. PyTorch: torch.optim.ASGD.

    >>> w = rg.tensor([1., -2.], requires_grad=True)
    >>> optimizer = rg.optim.ASGD([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8000, -1.6000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_options(lr=lr, weight_decay=weight_decay)
        defaults = dict(
            lr=lr,
            lambd=lambd,
            alpha=alpha,
            t0=t0,
            weight_decay=weight_decay,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": counter(), "eta": counter(float(group["lr"])), "mu": counter(1.0), "ax": zeros_like(p)}

    def _rule(self, state: dict[str, Any], group: dict[str, Any], first: bool) -> tuple[Rule, tuple[str, ...]]:
        lr, lambd, decay = float(group["lr"]), group["lambd"], group["weight_decay"]
        eta, mu = float(state["eta"].array), float(state["mu"].array)
        t = advance(state)
        state["eta"].array[...] = lr / (1 + lambd * lr * t) ** group["alpha"]
        state["mu"].array[...] = 1 / max(1, t - group["t0"])

        def rule(p: Any, g: Any, mean: Any) -> None:
            g = decayed(g, p, decay)
            p *= 1 - lambd * eta
            p -= eta * g
            if mu == 1:
                mean[...] = p
            else:
                mean += (p - mean) * mu

        return rule, ("ax",)
