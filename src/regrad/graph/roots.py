"""Gradients of one tensor, told apart by the root that they came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from regrad.graph.node import Node, node_of
from regrad.graph.value import edge_now

__all__ = ["RootGrads"]


class RootGrads(Mapping[Any, Any]):
    """The gradients that a tensor got from each root: ``t.grads[loss]``, after ``t.retain_grad(per_root=True)``.

    A pass that started from several roots at once is found under none of them. Iteration gives the roots' numbers.
    """

    def __init__(self) -> None:
        self._by_root: dict[int, Any] = {}

    def noted(self, roots: tuple[int, ...], g: Any) -> Callable[[], None]:
        """Add ``g``, which a pass from ``roots`` brought; returns what takes it back."""
        if len(roots) != 1:
            return _nothing
        (key,) = roots
        was = self._by_root.get(key)
        self._by_root[key] = g if was is None else was + g

        def undo() -> None:
            if was is None:
                self._by_root.pop(key, None)
            else:
                self._by_root[key] = was

        return undo

    def __getitem__(self, root: Any) -> Any:
        key = root
        if not isinstance(root, int):
            node = node_of(edge_now(root))
            key = node.number if type(node) is Node else None
        if key not in self._by_root:
            raise KeyError(
                "no gradient has come from this root alone: run it by itself, or all in one"
                " rg.graph.backward({loss: None, ...})"
            )
        return self._by_root[key]

    def __iter__(self) -> Iterator[int]:
        return iter(self._by_root)

    def __len__(self) -> int:
        return len(self._by_root)


def _nothing() -> None:
    """Nothing was noted."""
