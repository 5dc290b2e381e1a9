"""Adam: steps sized by running means of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.graph.value import Value
from regrad.ops.choosing import maximum
from regrad.ops.exponential import sqrt
from regrad.optim.optimizer import Optimizer, advance, check_options, counter, zeros_like
from regrad.optim.rules import Rule, decayed, move_towards, untouched

__all__ = ["Adam"]


class Adam(Optimizer):
    r"""Adam: the mean of the gradients, divided by the root of the mean of their squares.

    In step ``t``, with ``g`` the gradient plus ``weight_decay * p``::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        p = p - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)

    ``amsgrad`` divides by the largest ``v`` so far. ``decoupled_weight_decay`` shrinks ``p``, as in `AdamW`, instead of
    adding to ``g``. The options that all optimizers have are told in `Optimizer`.

    Kingma and Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980. PyTorch: torch.optim.Adam.

    >>> w = rg.tensor([1., -2.], requires_grad=True)
    >>> optimizer = rg.optim.Adam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: Any = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if foreach and not capturable:
            for name, value in (("lr", lr), ("betas[0]", betas[0]), ("betas[1]", betas[1])):
                if isinstance(value, Value):
                    raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
        check_options(lr=lr, eps=eps, betas=betas, weight_decay=weight_decay)
        if not any(all(isinstance(beta, kind) for beta in betas) for kind in (float, Value)):
            raise ValueError("betas must be either both floats or both Tensors")
        defaults = dict(
            lr=lr,
            betas=tuple(betas),
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=decoupled_weight_decay,
        )
        super().__init__(params, defaults)

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": counter(fused=group["fused"]), "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}
        return {**state, "max_exp_avg_sq": zeros_like(p)} if group["amsgrad"] else state

    def _rule(self, state: dict[str, Any], group: dict[str, Any], first: bool) -> tuple[Rule, tuple[str, ...]]:
        lr, (beta1, beta2), eps, decay = group["lr"], group["betas"], group["eps"], group["weight_decay"]
        t = advance(state)
        size = lr / (1 - beta1**t)
        root = (1 - beta2**t) ** 0.5
        decoupled = decay and group["decoupled_weight_decay"]

        def rule(p: Any, g: Any, m: Any, v: Any, largest: Any = None) -> None:
            if decoupled:
                p *= 1 - lr * decay
            else:
                g = decayed(g, p, decay)
            move_towards(m, g, 1 - beta1)
            v *= beta2
            v += (1 - beta2) * g * g
            if largest is not None:
                largest[...] = maximum(untouched(largest), v)
                v = largest
            p -= size * m / (sqrt(v) / root + eps)

        return rule, ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")
