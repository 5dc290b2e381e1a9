"""What was kept for nothing: `diagnose`, a mode that watches passes and tells of habits that cost memory.

It observes every node and every pass (`regrad.graph.observers`), so that ops take longer inside. Start reading at
`diagnose.ran`.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable
from time import monotonic
from typing import Any, NamedTuple

from regrad.errors import UnusedCreateGraphWarning, UnusedRetainWarning
from regrad.graph import observers, slots, tracking
from regrad.graph.node import Leaf, Node, Pass
from regrad.graph.provenance import Place, levels, with_source
from regrad.graph.value import root

__all__ = ["Finding", "diagnose"]


class Finding(NamedTuple):
    """A line whose passes kept graphs that nobody ran again.

    ``kind``  "retain_graph" or "create_graph"; ``line``: of the passes; ``graphs``: how many
    ``nbytes``, ``byte_seconds``  what they held in vain, in all; and that times the seconds for which they did
    """

    kind: str
    line: Place | None
    graphs: int
    nbytes: int
    byte_seconds: float

    def __str__(self) -> str:
        many = f"{self.graphs} graph{'s' if self.graphs > 1 else ''}"
        where = with_source(self.line)
        cost = f"{self.nbytes:,} bytes were held for nothing ({self.byte_seconds:,.3g} byte-seconds)"
        if self.kind == "create_graph":
            return (
                f"create_graph=True recorded {many} that nobody differentiated, at {where}; {cost}. Leave it out where"
                " no second derivative is taken; to run the first graph again, retain_graph=True is enough."
            )
        return (
            f"retain_graph=True kept {many} that no later pass ran again, at {where}; {cost}. Leave it out, or name the"
            " losses that are to come: retain_graph=[other_loss]."
        )


class _Kept:
    """What one pass kept for another: the nodes that are still alive, and whether any has been run since."""

    __slots__ = ("alive", "by", "ended", "kind", "nbytes", "used")

    def __init__(self, kind: str, by: Pass, alive: set[int], nbytes: int) -> None:
        self.kind, self.by, self.alive, self.nbytes = kind, by, alive, nbytes
        self.used = False
        self.ended: float | None = None


class diagnose(observers.Observer):
    """Watch what is done inside this context, and warn at its end, once for each line, of what was kept for nothing.

    - `UnusedRetainWarning`: ``retain_graph=True``, and no later pass ran the graph again before it died.
    - `UnusedCreateGraphWarning`: ``create_graph=True``, and nobody differentiated the gradient.
    - ``notes``: two graphs of the same lines were alive at the peak of memory; the older one is named.

    A line is told of if most of its graphs were kept for nothing: the last round of a loop may keep one more than is
    needed. A single graph that is still alive at the end is not. ``findings`` has the numbers, ``peak`` the peak of
    saved bytes; the object prints as a report. For debugging: ops are slower inside.

    >>> import warnings
    >>> w = rg.ones(3, requires_grad=True)
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     with rg.graph.diagnose():
    ...         for _ in range(3):
    ...             loss = w.exp().sum()
    ...             loss.backward(retain_graph=True)
    >>> [(type(w.message).__name__, w.message.count, w.message.nbytes) for w in told]
    [('UnusedRetainWarning', 3, 36)]
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.peak = tracking.Peak()
        self._kept: list[_Kept] = []
        self._waiting: dict[int, list[_Kept]] = {}  # id of a live node -> who kept it
        self._lock = threading.RLock()

    def __enter__(self) -> diagnose:
        tracking.tracker.start()
        tracking.tracker.watch(self.peak)
        tracking.tracker.mourners.append(self._died)
        observers.observe(self)
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        tracking.tracker.unwatch(self.peak)
        observers.unobserve(self)
        tracking.tracker.mourners.remove(self._died)
        tracking.tracker.stop()
        self.notes = self.peak.notes
        self.findings = self._sum_up(monotonic())
        self._kept.clear()
        self._waiting.clear()
        if kind is None:
            for finding in self.findings:
                cls = UnusedRetainWarning if finding.kind == "retain_graph" else UnusedCreateGraphWarning
                warning = cls(str(finding))
                warning.line, warning.count, warning.nbytes = finding.line, finding.graphs, finding.nbytes
                warning.byte_seconds = finding.byte_seconds
                warnings.warn(warning, stacklevel=levels())

    # -- what observers are told

    def ran(self, by: Pass, nodes: dict[int, Node], masks: dict[int, int] | None, record: bool) -> None:
        """A pass has run: what was waiting for it? What does it leave behind for others?"""
        alive = tracking.tracker.table_now()
        executed = {id(n): n for seq, n in nodes.items() if masks is None or seq in masks}
        with self._lock:
            for key in executed.keys() & self._waiting.keys():
                for kept in self._waiting.pop(key, ()):
                    kept.used = True
            if record:
                me = threading.current_thread().name
                made = [s for s in alive.values() if s.seq > by.seq and s.thread == me]
                self._keep("create_graph", by, [n for n in (s.ref() for s in made) if n is not None])
            elif by.retained:
                alive_still = [n for n in executed.values() if type(n.saved) is tuple and n.plan.holds]
                self._keep("retain_graph", by, alive_still)

    def _keep(self, kind: str, by: Pass, nodes: list[Node]) -> None:
        if not nodes:
            return
        kept = _Kept(kind, by, {id(n) for n in nodes}, _own_bytes(nodes))
        self._kept.append(kept)
        for key in kept.alive:
            self._waiting.setdefault(key, []).append(kept)

    def _died(self, key: int) -> None:
        with self._lock:
            for kept in self._waiting.pop(key, ()):
                kept.alive.discard(key)
                if not kept.alive and kept.ended is None:
                    kept.ended = monotonic()

    def _sum_up(self, now: float) -> list[Finding]:
        lines: dict[Any, list[_Kept]] = {}
        for kept in self._kept:
            lines.setdefault((kept.kind, kept.by.code, kept.by.lasti), []).append(kept)
        out = []
        for (kind, _, _), some in lines.items():
            every = [k for k in some if not k.used]
            if 2 * len(every) > len(some) and (len(every) > 1 or every[0].ended is not None):
                cost = sum(k.nbytes * ((now if k.ended is None else k.ended) - k.by.when) for k in every)
                out.append(Finding(kind, every[0].by.place, len(every), sum(k.nbytes for k in every), cost))
        return out

    def __repr__(self) -> str:
        lines = [str(f) for f in self.findings] + [f"note: {n}" for n in self.notes]
        lines = lines or ["nothing was kept in vain"]
        return "\n".join([*lines, f"peak of saved values: {self.peak.nbytes:,} bytes"])


def _own_bytes(nodes: Iterable[Node]) -> int:
    """Bytes that ``nodes`` alone hold: parameters and other leaves would be there without them."""
    nodes = list(nodes)
    owners = [e.owner() for n in nodes for e in n.edges if type(e) is Leaf]
    leaves = {id(root(o.array)) for o in owners if o is not None}
    return sum(nbytes for key, nbytes in slots.all_memories(nodes).items() if key not in leaves)
