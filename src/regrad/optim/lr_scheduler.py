"""Learning-rate schedules: what the lr of every parameter group is after each step.

    for epoch in range(20):
        train(model, optimizer)      # calls optimizer.step() once per batch
        scheduler.step()             # then, once per epoch: t, the number of steps taken, is one more

A scheduler writes ``optimizer.param_groups[i]["lr"]`` and sets it for t = 0 when it is made. Most compute the new lr
from the present one (the chainable form), so that several can act on one optimizer. Those with a formula for t alone
(the closed form) use it for ``step(epoch)`` and where a `SequentialLR` starts them late.

Below, ``lr₀`` is the lr that a group was given (kept there as ``initial_lr``) and ``lr(t)`` the one after t steps.
Start reading at `LRScheduler`; `_Scaled` is the base of schedules that multiply, `_Cycling` of those that move momentum
too.
"""

from __future__ import annotations

import functools
import math
import types
import warnings
import weakref
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from regrad.optim.optimizer import Optimizer
from regrad.tensor import Tensor

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

_ORDER = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite order: "
    "`optimizer.step()` before `lr_scheduler.step()`; else the first value of the learning rate schedule is skipped."
)
_OVERRIDDEN = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization, so that the "
    "scheduler cannot tell whether it was called. Please, make sure to call `optimizer.step()` before "
    "`lr_scheduler.step()`."
)
_EPOCH = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. With an epoch, the closed form of the schedule is used where it has"
    " one; a loss to watch is for ReduceLROnPlateau."
)
_ASKED = "To get the last learning rate computed by the scheduler, please use `get_last_lr()`."


def check_optimizer(scheduler: object, optimizer: Any) -> None:
    """Refuse what is not an optimizer, with the name of what asked for one."""
    if not isinstance(optimizer, Optimizer):
        name = type(scheduler).__name__
        raise TypeError(
            f"{type(optimizer).__name__} is not an Optimizer; {name} takes the optimizer whose lr it is to set: "
            f"{name}(SGD(model.parameters(), lr=0.1), ...)"
        )


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each parameter group: those of a list, or the same for all. Tensors are copied."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        value = [value] * groups
    elif len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {groups}."
        )
    return [_own(v) for v in value]


def _own(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def _read(optimizer: Optimizer, key: str = "lr") -> list[Any]:
    return [_own(group[key]) for group in optimizer.param_groups]


def _write(group: dict[str, Any], key: str, value: Any) -> None:
    """Set an option; one that is a tensor is written in place, since others may hold it."""
    if isinstance(group[key], Tensor):
        group[key].fill_(float(value))
    else:
        group[key] = value


def _check_resumable(optimizer: Optimizer, keys: Iterable[str]) -> None:
    for i, group in enumerate(optimizer.param_groups):
        for key in keys:
            if key not in group:
                raise KeyError(
                    f"param '{key}' is not specified in param_groups[{i}] when resuming scheduler with last_epoch >= "
                    f"0: load the optimizer's state before the scheduler is made, or leave last_epoch at -1 for a new "
                    f"run"
                )


def _note_steps(optimizer: Optimizer) -> None:
    """Have the optimizer remember that its ``step`` was called, without holding itself alive by that."""
    step: Any = optimizer.step
    if hasattr(step, "_wrapped_by_lr_sched"):
        return
    own = getattr(step, "__self__", None) is optimizer
    function = step.__func__ if own else step
    reference = weakref.ref(optimizer)

    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        optimizer: Any = reference()
        optimizer._opt_called = True
        return function(optimizer, *args, **kwargs) if own else function(*args, **kwargs)

    noted._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = noted  # type: ignore[method-assign]


class LRScheduler:
    """What all schedules have in common; a schedule of your own defines ``get_lr``.

    ``get_lr()`` returns the lr of each group for ``self.last_epoch``, the t of the formulas, from ``self.base_lrs``
    (the ``initial_lr`` of the groups) or from their present lr. It may be accompanied by ``_get_closed_form_lr()``.

    A ``last_epoch`` other than -1 starts at t = last_epoch + 1, with the ``initial_lr`` that the groups of a loaded
    optimizer have (`KeyError` if they have none). To resume a run exactly, make optimizer and scheduler as at its
    start and then load the states of both.

    >>> class HalfAtThree(rg.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr * (0.5 if self.last_epoch >= 3 else 1) for lr in self.base_lrs]
    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=0.4)
    >>> scheduler = HalfAtThree(optimizer)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.2]

    PyTorch: torch.optim.lr_scheduler.LRScheduler.
    """

    _get_lr_called_within_step = False
    _is_initial = False
    _step_count: int
    _last_lr: list[Any]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(self, optimizer)
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", _own(group["lr"]))
        else:
            _check_resumable(optimizer, ["initial_lr"])
        self.optimizer = optimizer
        self.base_lrs = _read(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _note_steps(optimizer)
        self._initial_step()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _note_steps(self.optimizer)  # a copy, or read from bytes: its step is the class's again

    def _initial_step(self) -> None:
        """The step to t = 0, or to where a run is resumed."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, as a dict that `load_state_dict` takes."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that ``state_dict()`` gave.

        The lr of the groups is in the optimizer's state: make the scheduler first, for making it sets them, and load
        the optimizer's state after that.
        """
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The lr of each group that this scheduler has set last."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The lr of each group for ``last_epoch``; `step` asks for them. Ask `get_last_lr` what the lr is."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr(); get_last_lr() is the lr it has set last")

    def _check_asked_by_step(self) -> None:
        """Warn where ``get_lr`` is called directly: a chainable schedule then answers for one step too many."""
        if not self._get_lr_called_within_step:
            warnings.warn(_ASKED, UserWarning, stacklevel=3)

    def step(self, epoch: Any = None) -> None:
        """Set the lr of every group for the next t, after ``optimizer.step()``; for t = ``epoch`` is deprecated."""
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warnings.warn(_OVERRIDDEN, UserWarning, stacklevel=2)
            elif not getattr(self.optimizer, "_opt_called", False):
                warnings.warn(_ORDER, UserWarning, stacklevel=2)
        if epoch is not None:
            warnings.warn(_EPOCH, UserWarning, stacklevel=2)
        before = self._step_count, self.last_epoch
        self._step_count += 1
        try:
            self._update_lr(epoch)
        except BaseException:  # a step that failed was not taken
            self._step_count, self.last_epoch = before
            raise

    def _update_lr(self, epoch: Any = None) -> None:
        closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._get_lr_called_within_step = True
        try:
            lrs = self.get_lr() if closed is None else closed()
        finally:
            self._get_lr_called_within_step = False
        groups = self.optimizer.param_groups
        if len(lrs) != len(groups):
            raise ValueError(
                f"{type(self).__name__} has {len(lrs)} learning rates for {len(groups)} param_groups; make the "
                f"scheduler after the last add_param_group"
            )
        for group, lr in zip(groups, lrs):
            _write(group, "lr", lr)
        self._last_lr = _read(self.optimizer)


_LRScheduler = LRScheduler  # its name in older scripts


class _Lambdas(LRScheduler):
    """A function of t for each group. Functions are not part of the state; the attributes of callable objects are."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        check_optimizer(self, optimizer)
        groups = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"Expected {groups} lr_lambdas, but got {len(self.lr_lambdas)}: one per param group")
        for f in self.lr_lambdas:
            if not callable(f):
                raise TypeError(f"lr_lambda should be a function, but got {type(f).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions; of callable objects, their attributes."""
        return {**super().state_dict(), "lr_lambdas": [_attributes(f) for f in self.lr_lambdas]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that ``state_dict()`` gave; the functions remain those of this scheduler."""
        states = state_dict["lr_lambdas"]
        if len(states) != len(self.lr_lambdas):
            raise ValueError(f"the state is of {len(states)} lr_lambdas, this scheduler has {len(self.lr_lambdas)}")
        super().load_state_dict({**state_dict, "lr_lambdas": self.lr_lambdas})
        for f, state in zip(self.lr_lambdas, states):
            if state is not None:
                f.__dict__.update(state)


def _attributes(f: Any) -> dict[str, Any] | None:
    """What a callable object holds; none for a function, and for what holds nothing."""
    return dict(vars(f)) if hasattr(f, "__dict__") and not isinstance(f, types.FunctionType) else None


class LambdaLR(_Lambdas):
    """The first lr times a function of t: ``lr(t) = lr₀ · λ(t)``, with one λ for all groups or a list.

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]

    PyTorch: torch.optim.lr_scheduler.LambdaLR.
    """

    def get_lr(self) -> list[Any]:
        """The first lr times the function."""
        self._check_asked_by_step()
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, self.base_lrs)]


class MultiplicativeLR(_Lambdas):
    """The present lr times a function of t: ``lr(t) = lr(t-1) · λ(t)``, with one λ for all groups or a list.

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda t: 0.5 if t < 5 else 1)
    >>> for _ in range(10):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.0625]

    PyTorch: torch.optim.lr_scheduler.MultiplicativeLR.
    """

    def get_lr(self) -> list[Any]:
        """The present lr times the function; at the start, the present lr."""
        self._check_asked_by_step()
        if self._is_initial:
            return _read(self.optimizer)
        return [group["lr"] * f(self.last_epoch) for f, group in zip(self.lr_lambdas, self.optimizer.param_groups)]


class _Scaled(LRScheduler):
    """A schedule that multiplies the lr of all groups alike: chainable, and with a closed form.

    ``_factor()`` is what the step to ``last_epoch`` multiplies the lr by, ``_product()`` that of all steps since
    ``lr₀``.
    """

    def _factor(self) -> float:
        raise NotImplementedError

    def _product(self) -> float:
        raise NotImplementedError

    def get_lr(self) -> list[Any]:
        """The present lr times the factor of this step."""
        self._check_asked_by_step()
        factor = self._factor()
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list[Any]:
        product = self._product()
        return [lr * product for lr in self.base_lrs]


class StepLR(_Scaled):
    """A lower lr every ``step_size`` steps: ``lr(t) = lr₀ · gamma^⌊t / step_size⌋``.

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
    >>> for _ in range(7):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]

    PyTorch: torch.optim.lr_scheduler.StepLR.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        if step_size == 0:
            raise ValueError("StepLR: step_size is 0; it is the number of steps from one decay to the next, 1 or more")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return 1 if self.last_epoch == 0 or self.last_epoch % self.step_size else self.gamma

    def _product(self) -> float:
        return self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(_Scaled):
    """A lower lr at each milestone: ``lr(t) = lr₀ · gamma^n`` with n the number of milestones ≤ t.

    A milestone that is listed twice counts twice.

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 5], gamma=0.5)
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]

    PyTorch: torch.optim.lr_scheduler.MultiStepLR.
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        here = self.milestones[self.last_epoch]
        return self.gamma**here if here else 1

    def _product(self) -> float:
        return self.gamma ** sum(n for milestone, n in self.milestones.items() if milestone <= self.last_epoch)


class ConstantLR(_Scaled):
    """A smaller lr for the first ``total_iters`` steps: ``lr(t) = lr₀ · factor`` for t < total_iters, then ``lr₀``.

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.lr_scheduler.ConstantLR(optimizer, factor=0.25, total_iters=3)
    >>> scheduler.get_last_lr()
    [0.25]

    PyTorch: torch.optim.lr_scheduler.ConstantLR.
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if factor > 1.0 or factor < 0:
            raise ValueError(f"Constant multiplicative factor expected to be between 0 and 1. ConstantLR got {factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if self.last_epoch == 0:
            return self.factor
        if self.last_epoch != self.total_iters:
            return 1
        if self.factor == 0:
            raise ZeroDivisionError(
                f"ConstantLR has multiplied the lr by factor=0 and cannot divide it out again at t = "
                f"{self.total_iters}; LambdaLR(optimizer, lambda t: t >= {self.total_iters}) can"
            )
        return 1.0 / self.factor

    def _product(self) -> float:
        return self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)


class LinearLR(_Scaled):
    """A straight line from one factor to another over ``total_iters`` steps; the usual warm-up.

    ``lr(t) = lr₀ · (start_factor + (end_factor - start_factor) · min(t, total_iters) / total_iters)``

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=4)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.625]

    PyTorch: torch.optim.lr_scheduler.LinearLR.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if start_factor > 1.0 or start_factor <= 0:
            raise ValueError(
                f"Starting multiplicative factor expected to be greater than 0 and less or equal to 1. "
                f"LinearLR got start_factor={start_factor}"
            )
        if end_factor > 1.0 or end_factor < 0:
            raise ValueError(
                f"Ending multiplicative factor expected to be between 0 and 1. LinearLR got end_factor={end_factor}"
            )
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1
        rise = self.end_factor - self.start_factor
        return 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)

    def _product(self) -> float:
        rise = self.end_factor - self.start_factor
        return self.start_factor + rise * min(self.total_iters, self.last_epoch) / self.total_iters


class ExponentialLR(_Scaled):
    """A lower lr after every step: ``lr(t) = lr₀ · gamma^t``.

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.125]

    PyTorch: torch.optim.lr_scheduler.ExponentialLR.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return 1 if self._is_initial else self.gamma

    def _product(self) -> float:
        return self.gamma**self.last_epoch


class PolynomialLR(_Scaled):
    """Down to 0 along a power of the remaining time: ``lr(t) = lr₀ · (1 - min(t, total_iters) / total_iters)^power``.

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4, power=2.0)
    >>> for _ in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]

    PyTorch: torch.optim.lr_scheduler.PolynomialLR.
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1
        left, before = 1.0 - self.last_epoch / self.total_iters, 1.0 - (self.last_epoch - 1) / self.total_iters
        return float((left / before) ** self.power)

    def _product(self) -> float:
        return float((1.0 - min(self.total_iters, self.last_epoch) / self.total_iters) ** self.power)


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the first lr down to ``eta_min`` in ``T_max`` steps, and up again in as many.

    ``lr(t) = eta_min + (lr₀ - eta_min) · (1 + cos(π t / T_max)) / 2``

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), without the restarts; these
    are in `CosineAnnealingWarmRestarts`.

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10, eta_min=0.1)
    >>> for _ in range(10):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.1]

    PyTorch: torch.optim.lr_scheduler.CosineAnnealingLR.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if T_max == 0:
            raise ValueError("CosineAnnealingLR: T_max is 0; it takes the number of steps down to eta_min, 1 or more")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The present lr, taken along the cosine by one step."""
        self._check_asked_by_step()
        if self._is_initial:
            return _read(self.optimizer)
        t, low, groups = self.last_epoch, self.eta_min, self.optimizer.param_groups
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:  # the last lr was eta_min: a ratio to it would be 0 / 0
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [group["lr"] + (lr - low) * rise for lr, group in zip(self.base_lrs, groups)]
        ratio = (1 + math.cos(math.pi * t / self.T_max)) / (1 + math.cos(math.pi * (t - 1) / self.T_max))
        return [ratio * (group["lr"] - low) + low for group in groups]

    def _get_closed_form_lr(self) -> list[Any]:
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (lr - self.eta_min) * height for lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the first lr down to ``eta_min``, again and again.

    ``lr(t) = eta_min + (lr₀ - eta_min) · (1 + cos(π T_cur / T_i)) / 2``, where ``T_cur`` counts the steps since the
    last restart. The first cosine takes ``T_0`` steps, each later one ``T_mult`` times as many as the one before.
    ``step(epoch)`` is at home here and takes fractions: ``scheduler.step(epoch + batch / len(loader))``.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017).

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(round(scheduler.get_last_lr()[0], 3))
    0.5
    1.0
    0.854
    0.5

    PyTorch: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The lr on the cosine at ``T_cur``."""
        self._check_asked_by_step()
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (lr - self.eta_min) * height for lr in self.base_lrs]

    def step(self, epoch: Any = None) -> None:
        """Set the lr of every group for the next t, or for t = ``epoch``, which may be a fraction."""
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = 0 if epoch is None else epoch
            if epoch < 0:
                raise ValueError(f"Expected non-negative epoch, but got {epoch}")
            self.T_cur, self.T_i = epoch, self.T_0
            if self.T_mult == 1:
                self.T_cur %= self.T_0
            else:
                while self.T_cur >= self.T_i:
                    self.T_cur -= self.T_i
                    self.T_i *= self.T_mult
        self._update_lr(math.floor(epoch))


class _Cycling(LRScheduler):
    """A schedule that may move the momentum too (``betas[0]`` where there are betas): ``_get_momentum()`` is what to.

    The momentum is written after the lr, so that asking ``get_lr`` changes nothing.
    """

    cycle_momentum: bool

    def _get_momentum(self) -> list[Any]:
        raise NotImplementedError

    def _take_momentum(self, optimizer: Optimizer, cycle: bool, base: Any, top: Any) -> tuple[list[Any], list[Any]]:
        """Check and keep what was asked for; the lowest and the highest momentum of each group. Changes no group."""
        self.cycle_momentum = cycle
        if not cycle:
            return [], []
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError(
                f"optimizer must support momentum or beta1 with `cycle_momentum` option enabled; "
                f"{type(optimizer).__name__} has neither: pass cycle_momentum=False"
            )
        self.use_beta1 = "betas" in optimizer.defaults
        return per_group("base_momentum", optimizer, base), per_group("max_momentum", optimizer, top)

    def _start_momentum(self, optimizer: Optimizer, bases: list[Any], tops: list[Any]) -> None:
        for group, base, top in zip(optimizer.param_groups, bases, tops):
            self._write_momentum(group, top)
            group["max_momentum"] = top
            group["base_momentum"] = base

    def _write_momentum(self, group: dict[str, Any], value: Any) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value

    def _update_lr(self, epoch: Any = None) -> None:
        super()._update_lr(epoch)
        if self.cycle_momentum:
            for group, momentum in zip(self.optimizer.param_groups, self._get_momentum()):
                self._write_momentum(group, momentum)


# The height of a cycle of CyclicLR, as a function of gamma and of the cycle (from 1) or the step.
_HEIGHTS: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "triangular": ("cycle", lambda gamma, x: 1.0),
    "triangular2": ("cycle", lambda gamma, x: 1 / 2.0 ** (x - 1)),
    "exp_range": ("iterations", lambda gamma, x: gamma**x),
}


class CyclicLR(_Cycling):
    """Up from ``base_lr`` to ``max_lr`` and down again in straight lines, over and over; step it after each batch.

    ``lr(t) = base_lr + (max_lr - base_lr) · tri(t) · height``, where ``tri`` rises from 0 to 1 in ``step_size_up``
    steps and falls in ``step_size_down`` (the same, unless given). ``mode`` says how high the cycles are: all alike
    (``"triangular"``), each half as high as the one before (``"triangular2"``), or ``gamma^t`` (``"exp_range"``);
    ``scale_fn`` takes its place with a function of the cycle, counted from 1, or of t (``scale_mode="iterations"``).
    With ``cycle_momentum`` the momentum goes the opposite way, between ``max_momentum`` and ``base_momentum``.
    ``base_lr`` replaces the lr that the optimizer has.

    Smith, "Cyclical Learning Rates for Training Neural Networks" (2017).

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = rg.optim.lr_scheduler.CyclicLR(optimizer, base_lr=0.0, max_lr=1.0, step_size_up=2)
    >>> for _ in range(5):
    ...     print(scheduler.get_last_lr()[0], round(optimizer.param_groups[0]["momentum"], 3))
    ...     optimizer.step()
    ...     scheduler.step()
    0.0 0.9
    0.5 0.85
    1.0 0.8
    0.5 0.85
    0.0 0.9

    PyTorch: torch.optim.lr_scheduler.CyclicLR.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(self, optimizer)
        base_lrs = per_group("base_lr", optimizer, base_lr)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        if up <= 0 or self.total_size < up:
            raise ValueError(
                f"CyclicLR: step_size_up={step_size_up} must be positive and step_size_down={step_size_down} not "
                f"negative"
            )
        self.step_ratio = up / self.total_size
        if mode not in _HEIGHTS and scale_fn is None:
            raise ValueError(f"mode is invalid and scale_fn is None: {mode!r} is none of {', '.join(_HEIGHTS)}")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else _HEIGHTS[mode][0]
        bases, tops = self._take_momentum(optimizer, cycle_momentum, base_momentum, max_momentum)
        if cycle_momentum:
            self.base_momentums, self.max_momentums = bases, tops
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups):
                _write(group, "lr", lr)
            self._start_momentum(optimizer, bases, tops)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs  # of this scheduler, whatever lr the groups were first given

    def scale_fn(self, x: float) -> float:
        """The height of cycle ``x``, or at step ``x``."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return _HEIGHTS[self.mode][1](self.gamma, x)

    def _place(self) -> tuple[float, float]:
        """How far up the triangle this step is, from 0 to 1, and how high the triangle."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        tri = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        return tri, self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)

    def get_lr(self) -> list[Any]:
        """The lr on the triangle at ``last_epoch``."""
        self._check_asked_by_step()
        tri, height = self._place()
        return [base + (top - base) * tri * height for base, top in zip(self.base_lrs, self.max_lrs)]

    def _get_momentum(self) -> list[Any]:
        tri, height = self._place()
        return [top - (top - base) * tri * height for base, top in zip(self.base_momentums, self.max_momentums)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and a function; of a callable object, its attributes."""
        return {**super().state_dict(), "_scale_fn_custom": _attributes(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that ``state_dict()`` gave; ``scale_fn`` remains that of this scheduler."""
        attributes = state_dict["_scale_fn_custom"]
        super().load_state_dict({**state_dict, "_scale_fn_custom": self._scale_fn_custom})
        if attributes is not None:
            vars(self._scale_fn_custom).update(attributes)


class OneCycleLR(_Cycling):
    """One rise to ``max_lr`` and one long descent, over a known number of steps; step it after each batch.

    The lr goes from ``max_lr / div_factor`` to ``max_lr`` in the first ``pct_start`` of ``total_steps`` (or of ``epochs
    · steps_per_epoch``) and then down to the first lr ``/ final_div_factor``. Within a phase from a to b, where p is
    the part of it that has passed, the lr is ``b + (a - b) · (1 + cos(π p)) / 2`` (``anneal_strategy="cos"``) or ``a +
    (b - a) · p`` (``"linear"``). With ``three_phase`` the descent first mirrors the rise. With ``cycle_momentum`` the
    momentum goes the opposite way, between ``max_momentum`` and ``base_momentum``. ``max_lr`` replaces the lr that the
    optimizer has. Stepped more than ``total_steps`` times, it raises `ValueError`.

    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates" (2018).

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = rg.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> for _ in range(3):
    ...     print(round(scheduler.get_last_lr()[0], 3), round(optimizer.param_groups[0]["momentum"], 3))
    ...     optimizer.step()
    ...     scheduler.step()
    0.04 0.95
    0.52 0.9
    1.0 0.85

    PyTorch: torch.optim.lr_scheduler.OneCycleLR.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(self, optimizer)
        if total_steps is not None:
            counts = {"total_steps": total_steps}
        elif epochs is not None and steps_per_epoch is not None:
            counts = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
        else:
            raise ValueError(
                "You must define either total_steps OR (epochs AND steps_per_epoch): the steps of the whole run, such"
                " as epochs=10, steps_per_epoch=len(loader)"
            )
        for name, count in counts.items():
            if not isinstance(count, int) or count <= 0:
                raise ValueError(f"Expected positive integer {name}, but got {count}")
        self.total_steps = math.prod(counts.values())
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in {"cos", "linear"}:
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_func_type = anneal_strategy
        peak = float(pct_start * self.total_steps) - 1
        down: list[tuple[Any, ...]] = [("max_lr", "min_lr", "base_momentum", "max_momentum", self.total_steps - 1)]
        if three_phase:
            down = [
                ("max_lr", "initial_lr", "base_momentum", "max_momentum", float(2 * pct_start * self.total_steps) - 2),
                ("initial_lr", "min_lr", "max_momentum", "max_momentum", self.total_steps - 1),
            ]
        keys = "start_lr", "end_lr", "start_momentum", "end_momentum", "end_step"
        phases = [("initial_lr", "max_lr", "max_momentum", "base_momentum", peak), *down]
        self._schedule_phases: list[dict[str, Any]] = [dict(zip(keys, phase)) for phase in phases]
        max_lrs = per_group("max_lr", optimizer, max_lr)
        bases, tops = self._take_momentum(optimizer, cycle_momentum, base_momentum, max_momentum)
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, max_lrs):
                group["initial_lr"] = top / div_factor
                group["max_lr"] = top
                group["min_lr"] = group["initial_lr"] / final_div_factor
            self._start_momentum(optimizer, bases, tops)
        else:
            _check_resumable(optimizer, ["initial_lr", "max_lr", "min_lr"])
        super().__init__(optimizer, last_epoch)

    def _between(self, kind: str) -> list[Any]:
        """The lr, or momentum, of each group at ``last_epoch``."""
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if self.last_epoch <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        length = phase["end_step"] - start
        p = (self.last_epoch - start) / length if length else 1.0
        pairs = [(group[phase["start_" + kind]], group[phase["end_" + kind]]) for group in self.optimizer.param_groups]
        if self._anneal_func_type == "cos":
            height = math.cos(math.pi * p) + 1
            return [b + (a - b) / 2.0 * height for a, b in pairs]
        return [(b - a) * p + a for a, b in pairs]

    def get_lr(self) -> list[Any]:
        """The lr of the phase that ``last_epoch`` is in."""
        self._check_asked_by_step()
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"Tried to step {self.last_epoch} times. The specified number of total steps is {self.total_steps}. "
                f"Give OneCycleLR the number of steps of the whole run (epochs * len(loader)), and step it once per "
                f"batch"
            )
        return self._between("lr")

    def _get_momentum(self) -> list[Any]:
        return self._between("momentum")


class _Several(LRScheduler):
    """Schedulers of one optimizer under one ``step``; the state holds theirs."""

    def _take(self, schedulers: Sequence[Any], optimizer: Any) -> None:
        """Check that the schedulers can be stepped together, and keep them."""
        name = type(self).__name__
        for i, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{name} at index {i} should have `optimizer` as its attribute: it is no scheduler")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"{name} does not support `ReduceLROnPlateau` scheduler as it requires additional kwargs to be "
                    f"specified when calling `step`, but got one at index {i} in the given schedulers sequence; step "
                    f"it by itself"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(
                    f"{name} expects all schedulers to belong to the same optimizer, but got scheduler "
                    f"{type(scheduler).__name__} at index {i} that belongs to another: make it with this one"
                )
        self.optimizer = optimizer
        self._schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, with the states of the schedulers."""
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that ``state_dict()`` of as many schedulers gave."""
        states = state_dict["_schedulers"]
        if len(states) != len(self._schedulers):
            raise ValueError(
                f"{type(self).__name__}: the state is of {len(states)} schedulers, this one has {len(self._schedulers)}"
            )
        super().load_state_dict({**state_dict, "_schedulers": self._schedulers})
        for scheduler, state in zip(self._schedulers, states):
            scheduler.load_state_dict(state)


class SequentialLR(_Several):
    """One schedule after another: the next begins, with its t = 0, at each milestone.

    >>> from regrad.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> warmup = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> scheduler = SequentialLR(optimizer, [warmup, CosineAnnealingLR(optimizer, T_max=4)], milestones=[2])
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(round(scheduler.get_last_lr()[0], 3))
    0.75
    1.0
    0.854
    0.5

    PyTorch: torch.optim.lr_scheduler.SequentialLR.
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError("SequentialLR expects at least one scheduler, but got no scheduler.")
        self._take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"Sequential Schedulers expects number of schedulers provided to be one more than the number of "
                f"milestone points, but got number of schedulers {len(schedulers)} and the number of milestones to be "
                f"equal to {len(milestones)}"
            )
        if sorted(milestones) != list(milestones):
            raise ValueError(f"SequentialLR: milestones are counted from the start and must not decrease: {milestones}")
        for i, scheduler in enumerate(schedulers):
            if i and isinstance(scheduler, _Several):
                raise NotImplementedError(
                    f"SequentialLR cannot begin a {type(scheduler).__name__} (index {i}) at a milestone, for it has no "
                    f"get_lr(): only the first of the schedulers may be one. List its schedulers here, or write the "
                    f"product as a LambdaLR"
                )
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        # Each scheduler took its first step when it was made: that is undone, and the one in charge begins anew.
        for group in optimizer.param_groups:
            _write(group, "lr", group["initial_lr"])
        self.recursive_undo()
        first = self._schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def recursive_undo(self, sched: Any = None) -> None:
        """Count the first step of the schedulers, or of those in ``sched``, as not taken."""
        sched = self if sched is None else sched
        if isinstance(sched, _Several):
            for s in sched._schedulers:
                self.recursive_undo(s)
        else:
            sched.last_epoch -= 1

    def step(self) -> None:  # type: ignore[override]
        """Step the schedule in charge, or begin the next."""
        t = self.last_epoch + 1
        i = bisect_right(self._milestones, t)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == t:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self.last_epoch = t
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Several):
    """Several schedules at once, each acting on the lr that the one before has set.

    >>> from regrad.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> half = ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> scheduler = ChainedScheduler([half, ExponentialLR(optimizer, gamma=0.9)])
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(round(scheduler.get_last_lr()[0], 3))
    0.45
    0.81
    0.729

    PyTorch: torch.optim.lr_scheduler.ChainedScheduler.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if len(schedulers) < 1:
            raise ValueError("ChainedScheduler expects at least one scheduler to be chained, but got no scheduler.")
        self._take(schedulers, optimizer or getattr(schedulers[0], "optimizer", None))
        self._last_lr = _read(self.optimizer)

    def step(self) -> None:  # type: ignore[override]
        """Step each schedule, in order."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = _read(self.optimizer)


class ReduceLROnPlateau(LRScheduler):
    """A lower lr, ``max(lr · factor, min_lr)``, once a measured number has stopped getting better.

    Call ``step(metrics)`` after each epoch with what is to become small (``mode="min"``), such as the loss on held-out
    data, or large (``"max"``). It counts as better when it passes the best so far by ``threshold``: a part of it
    (``"rel"``: below ``best · (1 - threshold)``), or an amount (``threshold_mode="abs"``). After more than ``patience``
    epochs without, the lr is lowered, and for ``cooldown`` epochs none are counted. Changes smaller than ``eps`` are
    not made.

    >>> optimizer = rg.optim.SGD([rg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = rg.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.1]:
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.5]

    PyTorch: torch.optim.lr_scheduler.ReduceLROnPlateau.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        check_optimizer(self, optimizer)
        if factor >= 1.0:
            raise ValueError(
                f"Factor should be < 1.0. ReduceLROnPlateau multiplies the lr by it; got {factor}, 0.1 is usual"
            )
        if mode not in {"min", "max"}:
            raise ValueError(f"mode {mode} is unknown! ReduceLROnPlateau takes 'min' or 'max'")
        if threshold_mode not in {"rel", "abs"}:
            raise ValueError(f"threshold mode {threshold_mode} is unknown! ReduceLROnPlateau takes 'rel' or 'abs'")
        self.min_lrs = per_group("min_lr", optimizer, min_lr)
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = _read(optimizer)
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self._reset()

    def _reset(self) -> None:
        """Forget what was measured."""
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: Any = None, epoch: Any = None) -> None:  # type: ignore[override]
        """Take note of what was measured, and lower the lr if that has been no better for too long."""
        if metrics is None:
            raise TypeError(
                "ReduceLROnPlateau.step() missing 1 required positional argument: 'metrics', the number to watch, such "
                "as scheduler.step(val_loss)"
            )
        current = float(metrics)
        if epoch is not None:
            warnings.warn(_EPOCH, UserWarning, stacklevel=2)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current, self.best):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = _read(self.optimizer)

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"The number of param groups in the `optimizer` ({len(groups)}) differs from when "
                    f"`ReduceLROnPlateau` was initialized ({len(self.min_lrs)}), usually due to a new param group "
                    f"being added to the optimizer. Please modify the `min_lrs` field to match the length of the "
                    f"`optimizer` param groups."
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, min_lr in zip(groups, self.min_lrs):
            old = float(group["lr"])
            new = max(old * self.factor, min_lr)
            if old - new > self.eps:
                _write(group, "lr", new)

    @property
    def in_cooldown(self) -> bool:
        """Whether epochs are not counted at present."""
        return self.cooldown_counter > 0

    def _is_better(self, a: float, best: float) -> bool:
        gain = -self.threshold if self.mode == "min" else self.threshold
        bar = best * (1.0 + gain) if self.threshold_mode == "rel" else best + gain
        return a < bar if self.mode == "min" else a > bar
