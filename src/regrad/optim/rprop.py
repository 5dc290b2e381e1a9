"""Rprop: steps by the sign of the gradient alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from regrad.ops.arithmetic import sign
from regrad.ops.choosing import clamp, where
from regrad.optim.optimizer import Optimizer, advance, check_options, counter, full_like, zeros_like
from regrad.optim.rules import Rule, untouched

__all__ = ["Rprop"]


class Rprop(Optimizer):
    r"""Resilient backpropagation: each element has a step size of its own, for gradients of the whole data.

    The size grows by ``etas[1]`` while the gradient keeps its sign; when the sign changes it shrinks by ``etas[0]``,
    and that gradient is passed over. It stays within ``step_sizes``, and is ``lr`` at first::

        size = clamp(size * (etas[1] if g * g_before > 0, etas[0] if < 0, else 1), *step_sizes)
        g = 0 where g * g_before < 0
        p = p - sign(g) * size

    The options that all optimizers have are told in `Optimizer`.

    Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm", 1993.
    PyTorch: torch.optim.Rprop.

    >>> w = rg.tensor([1., -2.], requires_grad=True)
    >>> optimizer = rg.optim.Rprop([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -1.9000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_options(lr=lr)
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = dict(
            lr=lr,
            etas=etas,
            step_sizes=step_sizes,
            foreach=foreach,
            maximize=maximize,
            differentiable=differentiable,
            capturable=capturable,
        )
        super().__init__(params, defaults)

    def _fresh(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": counter(), "prev": zeros_like(p), "step_size": full_like(p, float(group["lr"]))}

    def _rule(self, state: dict[str, Any], group: dict[str, Any], first: bool) -> tuple[Rule, tuple[str, ...]]:
        (shrink, grow), (least, most) = group["etas"], group["step_sizes"]
        advance(state)

        def rule(p: Any, g: Any, before: Any, size: Any) -> None:
            same = sign(g * untouched(before))
            factor = where(same > 0, grow, where(same < 0, shrink, same * 0 + 1))
            size[...] = clamp(untouched(size) * factor, least, most)
            g = where(same < 0, 0, g)
            p -= sign(g) * size
            before[...] = g

        return rule, ("prev", "step_size")
