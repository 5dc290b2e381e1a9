"""Switching recording on and off: `no_grad`, `enable_grad`, `set_grad_enabled`, `inference_mode`; anomaly mode.

Each is a context manager and, but for plain calls of `set_grad_enabled`, a decorator: of functions, of generator
functions (the mode holds while the generator runs, not between its steps) and of classes' methods.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from regrad.graph.modes import MODE, Switch, mode

__all__ = [
    "detect_anomaly",
    "enable_grad",
    "inference_mode",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_anomaly_enabled",
    "set_detect_anomaly",
    "set_grad_enabled",
]


_GENERATOR = 0x20  # inspect.CO_GENERATOR; the inspect module takes longer to load than this whole room


class _Decorating(Switch):
    """A switch that also decorates functions and generator functions."""

    __slots__ = ()

    def clone(self) -> Switch:
        """A fresh switch for one call of the decorated function."""
        return Switch(**self.changes)

    def __call__(self, fn: Callable[..., Any]) -> Any:
        """Decorate ``fn``: its calls, or the steps of its generators, run under the switch."""
        if getattr(getattr(fn, "__code__", None), "co_flags", 0) & _GENERATOR:
            return self._generator(fn)

        @functools.wraps(fn)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return fn(*args, **kwargs)

        return decorated

    def _generator(self, fn: Callable[..., Any]) -> Any:
        @functools.wraps(fn)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            steps = fn(*args, **kwargs)
            send, thing = steps.send, None
            try:
                while True:
                    with self.clone():
                        item = send(thing)
                    try:
                        thing = yield item
                        send = steps.send
                    except GeneratorExit:
                        with self.clone():
                            steps.close()
                        raise
                    except BaseException:
                        send, thing = steps.throw, sys.exc_info()[1]
            except StopIteration as stop:
                return stop.value

        return decorated


class no_grad(_Decorating):
    """Record nothing: results do not require grad. PyTorch: torch.no_grad.

    >>> x = rg.ones(2, requires_grad=True)
    >>> with rg.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    __slots__ = ()

    def __new__(cls, fn: Callable[..., Any] | None = None) -> Any:
        """A switch, or ``fn`` decorated by one."""
        return object.__new__(cls) if fn is None else cls()(fn)

    def __init__(self) -> None:
        super().__init__(record=False)


class enable_grad(_Decorating):
    """Record again inside `no_grad`. PyTorch: torch.enable_grad.

    >>> x = rg.ones(2, requires_grad=True)
    >>> with rg.no_grad(), rg.enable_grad():
    ...     (x * 2).requires_grad
    True
    """

    __slots__ = ()

    def __new__(cls, fn: Callable[..., Any] | None = None) -> Any:
        """A switch, or ``fn`` decorated by one."""
        return object.__new__(cls) if fn is None else cls()(fn)

    def __init__(self) -> None:
        super().__init__(record=True)


class set_grad_enabled(_Decorating):
    """Record or not, from now on; as a context or decorator, until it ends. PyTorch: torch.set_grad_enabled.

    >>> with rg.set_grad_enabled(False):
    ...     rg.is_grad_enabled()
    False
    """

    __slots__ = ()

    def __init__(self, mode: bool) -> None:
        super().__init__(record=bool(mode))
        self._was.append(_set(record=bool(mode)))

    def __enter__(self) -> Any:
        if len(self._was) == 1 and MODE.get().record == self.changes["record"]:
            return self  # the constructor has switched already; leaving restores what was before it
        return super().__enter__()

    def __call__(self, fn: Callable[..., Any]) -> Any:
        """Decorate ``fn``."""
        MODE.set(self._was.pop())  # used as a decorator: the switch belongs to the calls, not to here
        return super().__call__(fn)


class inference_mode(_Decorating):
    """`no_grad`, and the results are barred from graphs for good. PyTorch: torch.inference_mode.

    >>> with rg.inference_mode():
    ...     y = rg.ones(2) * 2
    >>> y.is_inference()
    True
    """

    __slots__ = ()

    def __new__(cls, mode: Any = True) -> Any:
        """A switch, or the function given decorated by one."""
        return cls()(mode) if callable(mode) else object.__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        if mode:
            super().__init__(record=False, inference=True)
        else:
            super().__init__(inference=False, record=True)


def _set(**changes: Any) -> Any:
    was = mode()
    MODE.set(was.but(**changes))
    return was


def is_grad_enabled() -> bool:
    """Is recording on in this thread?"""
    return mode().record


def is_inference_mode_enabled() -> bool:
    """Is inference mode on in this thread?"""
    return mode().inference


class set_detect_anomaly(Switch):
    """`detect_anomaly` switched on or off, from now on or inside a ``with``.

    PyTorch: torch.autograd.set_detect_anomaly.
    """

    __slots__ = ()

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(anomaly=bool(check_nan) if mode else None)
        self._was.append(_set(**self.changes))

    def __enter__(self) -> Any:
        return self


class detect_anomaly(Switch):
    """Inside this context nan raises in backward, and the error names the op and the line that first made it.

    The forward has to run inside as well, for it is watched too; where there is no nan, nothing is different.
    PyTorch: torch.autograd.detect_anomaly.

    >>> x = rg.tensor(0., requires_grad=True)
    >>> with rg.autograd.detect_anomaly():
    ...     try: (rg.sqrt(x) * 0).backward()
    ...     except RuntimeError as error: print(str(error)[:42])
    Function 'SqrtBackward0' returned nan valu
    """

    __slots__ = ()

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(anomaly=bool(check_nan))


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switch anomaly mode on or off in this thread."""
    _set(anomaly=bool(check_nan) if enabled else None)


def is_anomaly_enabled() -> bool:
    """Is anomaly mode on?"""
    return mode().anomaly is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Does anomaly mode look for nan?"""
    return mode().anomaly is True
