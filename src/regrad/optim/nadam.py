"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.ops.exponential import sqrt
from regrad.optim.optimizer import Optimizer, advance, check_options, counter, zeros_like
from regrad.optim.rules import Rule, decayed, move_towards

__all__ = ["NAdam"]


class NAdam(Optimizer):
    r"""Adam with Nesterov's momentum: it looks one step ahead along the mean of the gradients.

    In step ``t``, with ``g`` the gradient plus ``weight_decay * p``, ``m`` and ``v`` as in `Adam`::

        mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)
        mu_product = mu(1) * ... * mu(t)
        d = sqrt(v / (1 - beta2**t)) + eps
        p = p - lr * (1 - mu(t)) / (1 - mu_product) * g / d
              - lr * mu(t + 1) / (1 - mu_product * mu(t + 1)) * m / d

    ``decoupled_weight_decay`` shrinks ``p`` instead of adding to ``g``. The options that all optimizers have are told
    in `Optimizer`.

    Dozat, "Incorporating Nesterov momentum into Adam", 2016. PyTorch: torch.optim.NAdam.

    >>> w = rg.tensor([1., -2.], requires_grad=True)
    >>> optimizer = rg.optim.NAdam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8944, -1.8944])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr=lr, eps=eps, betas=betas, weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = dict(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": counter(),
            "mu_product": counter(1.0),
            "exp_avg": zeros_like(p),
            "exp_avg_sq": zeros_like(p),
        }

    def _rule(self, state: dict[str, Any], group: dict[str, Any], first: bool) -> tuple[Rule, tuple[str, ...]]:
        lr, (beta1, beta2), eps, decay = group["lr"], group["betas"], group["eps"], group["weight_decay"]
        t = advance(state)
        mu, mu_next = [beta1 * (1 - 0.5 * 0.96 ** (k * group["momentum_decay"])) for k in (t, t + 1)]
        product = state["mu_product"].array
        product *= mu
        along_g = lr * (1 - mu) / (1 - float(product))
        along_m = lr * mu_next / (1 - float(product) * mu_next)
        correction = 1 - beta2**t
        decoupled = decay and group["decoupled_weight_decay"]

        def rule(p: Any, g: Any, m: Any, v: Any) -> None:
            if decoupled:
                p *= 1 - lr * decay
            else:
                g = decayed(g, p, decay)
            move_towards(m, g, 1 - beta1)
            v *= beta2
            v += (1 - beta2) * g * g
            d = sqrt(v / correction) + eps
            p -= along_g * g / d
            p -= along_m * m / d

        return rule, ("exp_avg", "exp_avg_sq")
