"""Those who want to know of every node, in whichever thread it is made: memory tracking and diagnosis.

While nobody observes, this costs nothing: ops and the plain pass ask no question more than before. While somebody does,
the fast callers of ops no longer recognise the common mode and take the general path, and passes take the general
walk; these tell the observers. Start reading at `observe`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from regrad.graph.modes import RECORD

if TYPE_CHECKING:
    from regrad.graph.node import Node, Pass

__all__ = ["Observer", "drops", "holds", "observe", "observers", "ran", "unobserve", "use_callers"]


class Observer:
    """Is told what happens to nodes. Called in the thread where it happens; must not raise."""

    def holds(self, node: Node) -> None:
        """``node`` is new, or holds other values than before."""

    def drops(self, node: Node) -> None:
        """``node`` is about to let go of its values, or of some of them; then `holds` follows."""

    def ran(self, by: Pass, nodes: dict[int, Node], masks: dict[int, int] | None, record: bool) -> None:
        """A pass has run ``nodes``; those in ``masks`` alone, if it went only to some inputs."""


observers: list[Observer] = []
_callers: list[dict[str, Any]] = []  # where the fast callers look up what the common mode is
_lock = threading.Lock()


def use_callers(space: dict[str, Any]) -> None:
    """Say in which namespace the fast callers look up ``RECORD``."""
    _callers.append(space)


def observe(who: Observer) -> None:
    """Tell ``who`` of every node from now on."""
    with _lock:
        observers.append(who)
        for space in _callers:
            space["RECORD"] = None


def unobserve(who: Observer) -> None:
    """No longer tell ``who``."""
    with _lock:
        observers.remove(who)
        if not observers:
            for space in _callers:
                space["RECORD"] = RECORD


def holds(node: Node) -> None:
    """Tell all observers of new values."""
    for who in observers:
        who.holds(node)


def drops(node: Node) -> None:
    """Tell all observers of values that are about to go."""
    for who in observers:
        who.drops(node)


def ran(by: Pass, nodes: dict[int, Node], masks: dict[int, int] | None, record: bool) -> None:
    """Tell all observers of a pass that has succeeded."""
    for who in observers:
        who.ran(by, nodes, masks, record)
