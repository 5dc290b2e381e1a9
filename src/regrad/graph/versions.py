"""In-place writes: who wrote to which memory, and when.

Saving a value costs nothing here. A write leaves a mark on the memory it wrote to (the array that owns it), with
the time by the clock that also numbers the nodes. A saved value is intact iff its memory has no mark later than
the node that saved it. So versions are shared by all views, by `detach()` and by `.data`, without a counter on
any tensor. Start reading at `wrote` and `stale`.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple

from regrad.graph.node import Node, tick
from regrad.graph.provenance import trail
from regrad.graph.value import root

__all__ = ["Write", "before_write", "clock", "histories", "history", "stale", "unseen", "version", "wrote"]

_KEPT = 16  # writes remembered in full for each memory; enough to name the last one and count from there


class Write(NamedTuple):
    """One in-place write: when, the op's name, who acted for which function of the user's, and the user's sites."""

    seq: int
    op: str
    actor: str
    user: str
    sites: tuple[tuple[CodeType, int], ...]


class History:
    """The writes to one memory."""

    __slots__ = ("count", "last", "ref")

    def __init__(self, ref: Any) -> None:
        self.count = 0
        self.last: list[Write] = []
        self.ref = ref


class _Clock:
    """The time of the last write to anything: a pass over younger nodes need not look at a single mark."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last = 0


clock = _Clock()
before_write: list[Callable[[Any], None]] = (
    []
)  # told of a write before it happens, while somebody wants to know
histories: dict[int, History] = {}


def wrote(
    array: Any,
    op: str,
    depth: int = 2,
    where: tuple[CodeType, int] | None = None,
    by: tuple[str, str, tuple[tuple[CodeType, int], ...]] | None = None,
) -> None:
    """Mark the memory of ``array`` as written to, now, by ``op``.

    ``where`` gives the site if it is known already; ``by`` all that `trail` finds, for one who writes to many memories.
    """
    owner = root(array)
    key = id(owner)
    entry = histories.get(key)
    if entry is None:
        entry = histories[key] = History(weakref.ref(owner, functools.partial(_forget, key)))
    actor, user, sites = by or (("", "", (where,)) if where is not None else trail(depth))
    seq = tick()
    entry.count += 1
    entry.last.append(Write(seq, op, actor, user, sites))
    if len(entry.last) > _KEPT:
        del entry.last[0]
    clock.last = seq


def unseen(array: Any, op: str, seq: int) -> None:
    """Mark the memory of ``array`` as written to by means that were not seen, at some time after ``seq``."""
    owner = root(array)
    key = id(owner)
    entry = histories.get(key)
    if entry is None:
        entry = histories[key] = History(weakref.ref(owner, functools.partial(_forget, key)))
    entry.count += 1
    entry.last.append(Write(seq, op, "", "", ()))
    clock.last = max(clock.last, seq)


def _forget(key: int, _: Any) -> None:
    """The memory is gone, and its marks with it."""
    histories.pop(key, None)


def history(array: Any) -> History | None:
    """The writes to the memory of ``array``, or None."""
    return histories.get(id(root(array)))


def version(array: Any) -> int:
    """How many in-place writes the memory of ``array`` has seen; views share the number."""
    entry = history(array)
    return 0 if entry is None else entry.count


def stale(node: Node, array: Any) -> History | None:
    """The writes to a saved array if any came after ``node`` saved it, else None."""
    entry = history(array)
    return entry if entry is not None and entry.last[-1].seq > node.seq else None
