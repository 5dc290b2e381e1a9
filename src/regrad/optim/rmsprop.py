"""RMSprop: steps sized by a running mean of the squared gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.ops.exponential import sqrt
from regrad.optim.optimizer import Optimizer, advance, check_options, counter, zeros_like
from regrad.optim.rules import Rule, decayed, move_towards

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    r"""RMSprop: divides the gradient by the root of the mean of its squares.

    Per step, with ``g`` the gradient plus ``weight_decay * p``::

        v = alpha * v + (1 - alpha) * g * g
        d = g / (sqrt(v) + eps)
        b = momentum * b + d
        p = p - lr * b                 (without momentum: p - lr * d)

    ``centered`` divides by the root of ``v - m * m`` instead, with ``m`` the running mean of the gradients. The options
    that all optimizers have are told in `Optimizer`.

    Tieleman and Hinton, lecture 6 of "Neural networks for machine learning", 2012; centered: Graves,
    "Generating sequences with recurrent neural networks", arXiv:1308.0850. PyTorch: torch.optim.RMSprop.

    >>> w = rg.tensor([1., -2.], requires_grad=True)
    >>> optimizer = rg.optim.RMSprop([w], lr=0.01)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = dict(
            lr=lr,
            momentum=momentum,
            alpha=alpha,
            eps=eps,
            centered=centered,
            weight_decay=weight_decay,
            capturable=capturable,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
        )
        super().__init__(params, defaults)

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": counter(), "square_avg": zeros_like(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_like(p)
        if group["centered"]:
            state["grad_avg"] = zeros_like(p)
        return state

    def _rule(self, state: dict[str, Any], group: dict[str, Any], first: bool) -> tuple[Rule, tuple[str, ...]]:
        lr, alpha, eps, decay = group["lr"], group["alpha"], group["eps"], group["weight_decay"]
        momentum, centered = group["momentum"], group["centered"]
        names = ["square_avg", *(["momentum_buffer"] if momentum else []), *(["grad_avg"] if centered else [])]
        advance(state)

        def rule(p: Any, g: Any, v: Any, *more: Any) -> None:
            g = decayed(g, p, decay)
            v *= alpha
            v += (1 - alpha) * g * g
            if centered:
                m = more[-1]
                move_towards(m, g, 1 - alpha)
                v = v - m * m
            d = g / (sqrt(v) + eps)
            if momentum:
                b = more[0]
                b *= momentum
                b += d
                d = b
            p -= lr * d

        return rule, tuple(names)
