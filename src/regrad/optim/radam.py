"""RAdam: Adam that warms up by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.ops.exponential import sqrt
from regrad.optim.optimizer import Optimizer, advance, check_options, counter, zeros_like
from regrad.optim.rules import Rule, decayed, move_towards

__all__ = ["RAdam"]


class RAdam(Optimizer):
    r"""Rectified Adam: divides by the root of ``v`` only once enough steps have been seen to trust it.

    In step ``t``, with ``g`` the gradient plus ``weight_decay * p``, ``m`` and ``v`` as in `Adam`::

        n_max = 2 / (1 - beta2) - 1
        n = n_max - 2 * t * beta2**t / (1 - beta2**t)         (how many gradients v averages over)
        r = sqrt((n - 4) * (n - 2) * n_max / ((n_max - 4) * (n_max - 2) * n))
        p = p - lr * (m / (1 - beta1**t)) * r * sqrt(1 - beta2**t) / (sqrt(v) + eps)       if n > 5
        p = p - lr * (m / (1 - beta1**t))                                                  otherwise

    ``decoupled_weight_decay`` shrinks ``p`` instead of adding to ``g``. The options that all optimizers have are told
    in `Optimizer`.

    Liu et al., "On the variance of the adaptive learning rate and beyond", arXiv:1908.03265.
    PyTorch: torch.optim.RAdam.

    >>> w = rg.tensor([1., -2.], requires_grad=True)
    >>> optimizer = rg.optim.RAdam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8000, -1.6000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr=lr, eps=eps, betas=betas, weight_decay=weight_decay)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            decoupled_weight_decay=decoupled_weight_decay,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": counter(), "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def _rule(self, state: dict[str, Any], group: dict[str, Any], first: bool) -> tuple[Rule, tuple[str, ...]]:
        lr, (beta1, beta2), eps, decay = group["lr"], group["betas"], group["eps"], group["weight_decay"]
        t = advance(state)
        correction1, correction2 = 1 - beta1**t, 1 - beta2**t
        n_max = 2 / (1 - beta2) - 1
        n = n_max - 2 * t * beta2**t / correction2
        trusted = n > 5
        if trusted:
            r = ((n - 4) * (n - 2) * n_max / ((n_max - 4) * (n_max - 2) * n)) ** 0.5
        decoupled = decay and group["decoupled_weight_decay"]

        def rule(p: Any, g: Any, m: Any, v: Any) -> None:
            if decoupled:
                p *= 1 - lr * decay
            else:
                g = decayed(g, p, decay)
            move_towards(m, g, 1 - beta1)
            v *= beta2
            v += (1 - beta2) * g * g
            change = m / correction1 * lr
            p -= change * (correction2**0.5 / (sqrt(v) + eps)) * r if trusted else change

        return rule, ("exp_avg", "exp_avg_sq")
