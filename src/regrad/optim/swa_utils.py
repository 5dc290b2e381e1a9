"""Averaged weights: a second model whose parameters are the mean of those that training passes through.

    averaged = AveragedModel(model)                     # or multi_avg_fn=get_ema_multi_avg_fn(0.999)
    scheduler = SWALR(optimizer, swa_lr=0.05)
    for epoch in range(10):
        train(model, optimizer)
        averaged.update_parameters(model)
        scheduler.step()
    update_bn(loader, averaged)                         # statistics of the averaged weights
    save(averaged.module.state_dict())

Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization" (2018), is the equal average (SWA);
Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992), where averaging comes from; EMA
gives recent weights more weight. Start reading at `AveragedModel`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

from regrad.autograd import no_grad
from regrad.dtypes import int64
from regrad.nn.module import Module
from regrad.nn.normalization import _BatchNorm
from regrad.ops.creation import check_device, tensor
from regrad.optim.lr_scheduler import LRScheduler, check_optimizer, per_group
from regrad.optim.optimizer import Optimizer

__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

AvgFn = Callable[[Any, Any, Any], Any]
MultiAvgFn = Callable[[Sequence[Any], Sequence[Any], Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """The exponential average of one parameter: ``decay · average + (1 - decay) · parameter``.

    >>> average = rg.optim.swa_utils.get_ema_avg_fn(0.75)
    >>> average(rg.tensor(0.), rg.tensor(4.), rg.tensor(1))
    tensor(1.)

    PyTorch: torch.optim.swa_utils.get_ema_avg_fn.
    """
    _check_decay(decay)

    def ema_update(averaged: Any, current: Any, num_averaged: Any) -> Any:
        with no_grad():
            return decay * averaged + (1 - decay) * current

    return ema_update


def get_swa_avg_fn() -> AvgFn:
    """The mean of one parameter: ``average + (parameter - average) / (n + 1)`` where n have been averaged.

    >>> average = rg.optim.swa_utils.get_swa_avg_fn()
    >>> average(rg.tensor(0.), rg.tensor(4.), rg.tensor(3))
    tensor(1.)

    PyTorch: torch.optim.swa_utils.get_swa_avg_fn.
    """

    def swa_update(averaged: Any, current: Any, num_averaged: Any) -> Any:
        with no_grad():
            return averaged + (current - averaged) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """The exponential average of a list of parameters, written to the averages themselves.

    >>> average = rg.optim.swa_utils.get_ema_multi_avg_fn(0.75)
    >>> averages = [rg.tensor([0., 8.])]
    >>> average(averages, [rg.tensor([4., 8.])], rg.tensor(1))
    >>> averages
    [tensor([1., 8.])]

    PyTorch: torch.optim.swa_utils.get_ema_multi_avg_fn.
    """
    _check_decay(decay)

    def ema_update(averaged: Sequence[Any], current: Sequence[Any], num_averaged: Any) -> None:
        with no_grad():
            _move(averaged, current, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """The mean of a list of parameters, written to the averages themselves.

    >>> average = rg.optim.swa_utils.get_swa_multi_avg_fn()
    >>> averages = [rg.tensor([0., 8.])]
    >>> average(averages, [rg.tensor([4., 8.])], rg.tensor(3))
    >>> averages
    [tensor([1., 8.])]

    PyTorch: torch.optim.swa_utils.get_swa_multi_avg_fn.
    """

    def swa_update(averaged: Sequence[Any], current: Sequence[Any], num_averaged: Any) -> None:
        with no_grad():
            _move(averaged, current, 1 / (float(num_averaged) + 1))

    return swa_update


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _move(averaged: Sequence[Any], current: Sequence[Any], part: float) -> None:
    """Move the averages by a part of the way; integers, such as counts of batches, are cut to integers."""
    for average, now in zip(averaged, current):
        if average.is_floating_point() or average.is_complex():
            average.lerp_(now, part)
        else:
            average.copy_(average * (1 - part) + now * part)


class AveragedModel(Module):
    """A copy of ``model`` whose parameters are the average of those it is shown; the copy itself is ``module``.

    `update_parameters` adds the model's present parameters to the average: their mean, or what ``avg_fn(average,
    parameter, n)`` returns, or what ``multi_avg_fn(averages, parameters, n)`` writes to lists of one dtype, where the
    tensor ``n`` (the buffer ``n_averaged``) counts those averaged before. The first update copies. Buffers are copied
    at each update, or with ``use_buffers`` averaged too.

    >>> model = rg.nn.Linear(1, 1)
    >>> averaged = rg.optim.swa_utils.AveragedModel(model)
    >>> for value in [1.0, 2.0, 6.0]:
    ...     _ = model.weight.data.fill_(value)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.item()
    3.0

    PyTorch: torch.optim.swa_utils.AveragedModel.
    """

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        check_device(device)
        self.module = deepcopy(model)
        self.register_buffer("n_averaged", tensor(0, dtype=int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged copy makes of the input."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Add the parameters that ``model`` has now to the average."""
        parameters = _pairs("parameters", self.module.parameters(), model.parameters())
        buffers = _pairs("buffers", self.module.buffers(), model.buffers())
        averaged = parameters + buffers if self.use_buffers else parameters
        if self.n_averaged == 0:
            _copy(averaged)
        elif self.multi_avg_fn is not None:
            alike: dict[Any, list[tuple[Any, Any]]] = {}
            for pair in averaged:
                alike.setdefault((pair[0].dtype, pair[1].dtype), []).append(pair)
            for pairs in alike.values():
                averages, current = map(list, zip(*pairs))
                self.multi_avg_fn(averages, current, self.n_averaged)
        else:
            avg_fn = self.avg_fn or get_swa_avg_fn()
            _copy([(average, avg_fn(average, current, self.n_averaged)) for average, current in averaged])
        if not self.use_buffers:
            _copy(buffers)
        self.n_averaged += 1


def _pairs(what: str, mine: Iterable[Any], given: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Each average with what it is the average of, as tensors that belong to no graph."""
    averages, current = [x.detach() for x in mine], [x.detach() for x in given]
    shapes, others = ([tuple(x.shape) for x in xs] for xs in (averages, current))
    if shapes != others:
        raise ValueError(
            f"update_parameters() takes a model with the {what} of the one that the AveragedModel was made of: they "
            f"have the shapes {shapes}, those of the given model {others}"
        )
    return list(zip(averages, current))


def _copy(pairs: Iterable[tuple[Any, Any]]) -> None:
    for target, source in pairs:
        target.copy_(source)


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Measure anew the running statistics of all batch norms in ``model``, over one pass through ``loader``.

    Averaged weights never ran on any batch, so the statistics they came with are not theirs. A batch is the input, or a
    tuple or list that begins with it. The statistics become the plain mean over the batches.

    >>> model = rg.nn.BatchNorm1d(1)
    >>> rg.optim.swa_utils.update_bn([rg.tensor([[1.], [3.]]), rg.tensor([[5.], [7.]])], model)
    >>> model.running_mean
    tensor([4.])

    PyTorch: torch.optim.swa_utils.update_bn.
    """
    check_device(device)
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    batches = iter(loader)
    first = list(itertools.islice(batches, 1))
    if not first:
        raise ValueError("update_bn() got no batch from the loader; a generator that was used before gives none")
    was_training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        module.momentum = None  # the mean of all batches
    try:
        for batch in itertools.chain(first, batches):
            model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    finally:
        for module, momentum in momenta.items():
            module.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """From the lr that the groups have to ``swa_lr``, in ``anneal_epochs`` steps, and there it stays.

    ``lr(t) = (1 - α) · lr₀ + α · swa_lr``, where α goes from 0 to 1 along half a cosine (``anneal_strategy="cos"``) or
    a straight line (``"linear"``). What another scheduler does to the lr meanwhile is kept: lr₀ is what the present lr
    comes from.

    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization" (2018).

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(scheduler.get_last_lr()[0])
    0.75
    0.5
    0.5

    PyTorch: torch.optim.swa_utils.SWALR.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(self, optimizer)
        swa_lrs = per_group("swa_lr", optimizer, swa_lr)
        if anneal_strategy not in {"cos", "linear"}:
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}; it takes an integer")
        for group, lr in zip(optimizer.param_groups, swa_lrs):
            group["swa_lr"] = lr
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _alpha(self, step: int) -> float:
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

    def get_lr(self) -> list[Any]:
        """The present lr, taken along the way to ``swa_lr`` by one step."""
        self._check_asked_by_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:  # no way at all: already there
            step = max(1, step)
        before, alpha = self._alpha(step - 1), self._alpha(step)
        lrs = []
        for group in self.optimizer.param_groups:
            lr, end = group["lr"], group["swa_lr"]
            start = end if before == 1 else (lr - before * end) / (1 - before)
            lrs.append(end * alpha + start * (1 - alpha))
        return lrs
