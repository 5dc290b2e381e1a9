"""The bare box: an array, and where it came from. `regrad.tensor.Tensor` is the subclass that users meet.

Ops work on `Value`, so that they need not import the tensor class that in turn calls them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["SPENT", "Meta", "Value", "View", "edge_now", "root", "use_box", "wrap"]


class Value:
    """An array with a place in the graph.

    ``array``  the NumPy array, never anything else
    ``edge``   what a gradient of this value goes to: a `Node`, an `Output` of one, a `Leaf`, or None
    ``_view``  for a differentiable view: what it views and how (`View`), else None
    ``_grad``  the accumulated gradient, a tensor or None
    ``meta``   the rare things (`Meta`), else None
    """

    __slots__ = ("__weakref__", "_grad", "_view", "array", "edge", "meta")

    array: Any
    edge: Any
    _view: View | None
    _grad: Any
    meta: Meta | None


class Meta:
    """What few tensors have: a name, the inference mark, a tangent, a gradient to be retained, in all and per root."""

    __slots__ = ("grads", "inference", "name", "retain", "tangent")

    def __init__(self) -> None:
        self.name: str | None = None
        self.inference = False
        self.retain = False
        self.tangent: Any = None
        self.grads: Any = None


class View:
    """How a differentiable view was made.

    ``base``   the value that owns the memory (never itself a view)
    ``recipe`` the view ops from base to here, as ``(op caller, keywords)`` pairs
    ``seen``   the base's edge when this view's edge was made: when it differs, an in-place write has given the
               base a new history, and the view's edge is made anew by replaying the recipe
    ``origin`` "" for a view made while recording; else why an in-place write through it must be refused
    """

    __slots__ = ("base", "origin", "recipe", "seen")

    def __init__(self, base: Value, recipe: tuple[Any, ...], seen: Any, origin: str) -> None:
        self.base, self.recipe, self.seen, self.origin = base, recipe, seen, origin


class _Spent:
    """Stands in the ``_view`` of a root whose graph is gone: see `regrad.graph.lifetime.spend`."""

    __slots__ = ()


SPENT: Any = _Spent()


def root(array: Any) -> Any:
    """The array that owns the memory of ``array``: what versions and unique bytes are counted by."""
    base = array.base
    while base is not None:
        if type(base) is memoryview:  # what is shared with NumPy goes through one: see `regrad.graph.sharing`
            base = base.obj
        if not isinstance(base, np.ndarray):
            break
        array, base = base, base.base
    return array


def edge_now(value: Any) -> Any:
    """The value's edge; of a tensor that is a view, as its base is now."""
    return value._edge() if hasattr(value, "_edge") else value.edge


_box: type[Value] = Value


def use_box(cls: type[Value]) -> None:
    """Say which class the values are that ops and the engine hand out."""
    global _box
    _box = cls


def wrap(array: Any, edge: Any = None) -> Any:
    """A value around ``array`` with the given edge."""
    value = object.__new__(_box)
    value.array = array if type(array) is np.ndarray else np.asarray(array)
    value.edge = edge
    value._view = value._grad = value.meta = None
    return value
