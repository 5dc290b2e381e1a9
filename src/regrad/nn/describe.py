"""How modules speak of themselves: the settings that they print, and their place in an error's text."""

from __future__ import annotations

from typing import Any

from regrad.nn.module import Module

__all__ = ["Described", "say_where"]


class Described(Module):
    """A module that prints its settings, the attributes that ``__constants__`` names.

    >>> rg.nn.GLU(dim=1)
    GLU(dim=1)
    """

    __constants__: list[str]

    def extra_repr(self) -> str:
        """The settings, as the constructor takes them."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.__constants__)


def say_where(module: Any, error: Exception) -> None:
    """Put before an error's text which module it was: its path, where the module is part of another, and itself.

    >>> net = rg.nn.Sequential(rg.nn.Linear(2, 3))
    >>> net(rg.ones(5))
    Traceback (most recent call last):
    regrad.errors.ShapeError: 0 = Linear(in_features=2, out_features=3, bias=True): linear: ...
    """
    path = (getattr(module.weight, "name", None) or "").rpartition(".")[0]
    error.args = (f"{path + ' = ' if path else ''}{module!r}: {error}", *error.args[1:])
