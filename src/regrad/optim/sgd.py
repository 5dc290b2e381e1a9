"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.optim.optimizer import Optimizer, check_options, zeros_like
from regrad.optim.rules import Rule, decayed

__all__ = ["SGD"]


class SGD(Optimizer):
    r"""Stochastic gradient descent, optionally with momentum.

    Per step, with ``g`` the gradient plus ``weight_decay * p``::

        b = momentum * b + (1 - dampening) * g       (the first time: b = g)
        p = p - lr * b                               (nesterov: p - lr * (g + momentum * b))

    The options that all optimizers have are told in `Optimizer`.

    Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
    PyTorch: torch.optim.SGD.

    >>> w = rg.tensor([1., 2.], requires_grad=True)
    >>> optimizer = rg.optim.SGD([w], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.detach()
    tensor([0.4600, 0.9200])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_options(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"Nesterov momentum requires a momentum and zero dampening: got {momentum} and {dampening};"
                " give momentum=0.9"
            )
        defaults = dict(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            foreach=foreach,
            differentiable=differentiable,
            fused=fused,
        )
        super().__init__(params, defaults)

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": zeros_like(p)} if group["momentum"] else {}

    def _rule(self, state: dict[str, Any], group: dict[str, Any], first: bool) -> tuple[Rule, tuple[str, ...]]:
        lr, momentum, decay, nesterov = group["lr"], group["momentum"], group["weight_decay"], group["nesterov"]
        share = 1 if first else 1 - group["dampening"]

        def rule(p: Any, g: Any, b: Any = None) -> None:
            g = decayed(g, p, decay)
            if momentum:
                b *= momentum
                b += g if share == 1 else share * g
                g = g + momentum * b if nesterov else b
            p -= lr * g

        return rule, ("momentum_buffer",) if momentum else ()
