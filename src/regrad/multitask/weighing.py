"""Methods that weigh the losses themselves; the step is that of the weighted sum, for private parameters too.

All but `GradNorm` take a single pass. Start reading at `Sum`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad.multitask.method import Method
from regrad.ops.random import numpy_generator

__all__ = ["DWA", "RLW", "GradNorm", "Mean", "Sum"]


class Sum(Method):
    """The sum of the losses: what the other methods are held against.

    >>> w = rg.tensor([1., 2.], requires_grad=True)
    >>> rg.multitask.Sum().backward([w.sum(), (w * w).sum()], [w])
    tensor([1., 1.], dtype=regrad.float64)
    >>> w.grad
    tensor([3., 5.])
    """

    weighs_losses = True

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        return np.ones(count)


class Mean(Method):
    """The mean of the losses.

    >>> rg.multitask.Mean()(rg.tensor([[2., 0.], [0., 1.]]))
    tensor([1.0000, 0.5000])
    """

    weighs_losses = True

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        return np.full(count, 1 / count)


class RLW(Method):
    """Random loss weights, new ones in each step: the softmax of normal numbers, drawn from ``generator``.

    Their mean over many steps is ``1/K``. Lin et al., Reasonable Effectiveness of Random Weighting, 2021:
    https://arxiv.org/abs/2111.10603

    >>> w = rg.multitask.RLW(rg.Generator().manual_seed(0)).weights(losses=[1., 1., 1.])
    >>> bool((w > 0).all()), w.sum()
    (True, tensor(1., dtype=regrad.float64))
    """

    weighs_losses = True

    def __init__(self, generator: Any = None) -> None:
        self.generator = generator

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        return _softmax(numpy_generator(self.generator).standard_normal(count))


class DWA(Method):
    """Dynamic weight average: losses that fell slowly from one epoch to the next weigh more in the one after.

    ``w = K softmax(r / temperature)``, where ``r_i`` is the mean of loss ``i`` in the last epoch over that in the epoch
    before. `step` ends an epoch; until two have ended, all weights are 1. A high temperature makes them alike.

    Liu et al., End-to-End Multi-Task Learning with Attention, 2019: https://arxiv.org/abs/1803.10704

    >>> dwa = rg.multitask.DWA()
    >>> for losses in ([1., 1.], [0.5, 1.]):
    ...     w = dwa.weights(losses=losses)
    ...     dwa.step()
    >>> dwa.weights(losses=[0.4, 1.])
    tensor([0.8756, 1.1244], dtype=regrad.float64)
    """

    reads_losses = True
    weighs_losses = True
    _options = ("temperature",)
    _state = ("before", "count", "last", "total")

    def __init__(self, temperature: float = 2.0) -> None:
        if not temperature > 0:
            raise ValueError(f"DWA: temperature must be positive, got {temperature}")
        self.temperature = temperature
        self._before: Any = None  # mean losses of the epoch before the last
        self._last: Any = None
        self._total: Any = None  # of this epoch, so far
        self._count = 0

    def step(self) -> None:
        """End an epoch."""
        if not self._count:
            raise RuntimeError("DWA.step: it ends an epoch, but there was no backward since the last one ended")
        self._before, self._last = self._last, self._total / self._count
        self._total, self._count = None, 0

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        self._check_goes_on(count)
        self._total = losses + (0 if self._total is None else self._total)
        self._count += 1
        if self._before is None:
            return np.ones(count)
        return count * _softmax(_ratio(self._last, self._before) / self.temperature)


class GradNorm(Method):
    """Weights that learn to keep the tasks' gradients alike in length, more so for tasks that train slowly.

    With ``G_i = w_i |g_i|``, their mean ``G`` and ``r_i`` the loss over its first value, relative to the mean of these
    ratios, ``w`` descends on ``sum_i |G_i - G r_i^alpha|``, where ``G r_i^alpha`` counts as constant:
    ``w_i -= lr sign(G_i - G r_i^alpha) |g_i|``, where no ``w_i`` falls below 0.001; then ``w`` is scaled to have sum
    ``K``. The first weights are 1. Each step uses the weights from before it.

    ``alpha``           how much a slow task is favoured; 0 asks for equal lengths
    ``lr``              learning rate of the weights; choose it small beside ``1 / |g_i|``
    ``initial_losses``  instead of the losses of the first step, such as ``log(classes)``

    Give the weights of the last shared layer as ``over=``, as the paper does, to measure lengths there; each task then
    runs that far only. Chen et al., GradNorm, 2018: https://arxiv.org/abs/1711.02257

    >>> gradnorm = rg.multitask.GradNorm(lr=0.1)
    >>> for _ in range(2):
    ...     w = gradnorm.weights(gramian=[[4., 0.], [0., 1.]], losses=[1., 1.])
    >>> w
    tensor([0.8421, 1.1579], dtype=regrad.float64)
    """

    reads_gradients = True
    reads_losses = True
    weighs_losses = True
    _options = ("alpha", "lr")
    _state = ("initial_losses", "weights")

    def __init__(self, alpha: float = 1.5, lr: float = 0.025, initial_losses: Any = None) -> None:
        if not alpha >= 0 or not lr > 0:
            raise ValueError(f"GradNorm: alpha must not be negative and lr be positive, got {alpha} and {lr}")
        self.alpha, self.lr = alpha, lr
        self._initial_losses: Any = None if initial_losses is None else np.array(initial_losses, np.float64)
        self._weights: Any = None

    def _weigh(self, count: int, gramian: Any, losses: Any) -> Any:
        self._check_goes_on(count)
        initial = losses if self._initial_losses is None else self._initial_losses
        if not (initial > 0).all() or not (losses >= 0).all():
            raise ValueError(
                "GradNorm compares losses with their first values: these must be positive and no loss negative, got"
                f" {losses.tolist()} after {initial.tolist()}"
            )
        self._initial_losses = initial
        weights = np.ones(count) if self._weights is None else self._weights
        lengths = np.sqrt(gramian.diagonal())
        ratios = losses / initial
        rates = _ratio(ratios, np.full(count, ratios.mean()))
        now = weights * lengths
        then = weights - self.lr * np.sign(now - now.mean() * rates**self.alpha) * lengths
        then = np.maximum(then, 1e-3)
        self._weights = then * (count / then.sum())
        return weights


def _softmax(x: Any) -> Any:
    powers = np.exp(x - x.max())
    return powers / powers.sum()


def _ratio(a: Any, b: Any) -> Any:
    """``a / b``, and 1 where ``b`` is 0."""
    return np.divide(a, b, out=np.ones_like(a), where=b != 0)
