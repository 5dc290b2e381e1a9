"""The most that saved values have held, exactly, in each thread and in all: `track_memory`, `peak_memory`.

Bytes grow only when a node is recorded, so the peak is known by counting there. Whoever tracks is told of new nodes and
of values let go (`regrad.graph.observers`), and hears of nodes that die by weak references, whose callbacks only put a
note into a queue: it is read before anything is counted, and so before an address can be met again. Start reading at
`_Tracker`.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterable
from time import monotonic
from types import CodeType
from typing import Any, NamedTuple

from regrad.graph import lifetime, observers, slots
from regrad.graph.node import Node, node_of
from regrad.graph.provenance import Place, place, source_line

__all__ = ["Peak", "PeakRoot", "Seen", "peak_memory", "reset_peak_memory_stats", "track_memory", "tracker"]


class _Ref(weakref.ref[Node]):
    """A weak reference that knows, after its node's death, which one it was."""

    __slots__ = ("key",)

    key: int


class Seen(NamedTuple):
    """What is remembered of a node while it lives; of the node itself nothing that would keep it alive."""

    ref: _Ref
    seq: int
    op: str
    code: CodeType
    lasti: int
    thread: str
    when: float
    parents: tuple[int, ...]
    memories: tuple[tuple[Any, int], ...]  # (what the bytes are counted by, bytes)


class _Count:
    """Bytes that are held: each memory once, however many slots share it."""

    __slots__ = ("now", "shared")

    def __init__(self) -> None:
        self.now = 0
        self.shared: dict[Any, int] = {}

    def add(self, memories: Iterable[tuple[Any, int]]) -> None:
        for key, nbytes in memories:
            count = self.shared.get(key, 0)
            self.shared[key] = count + 1
            self.now += 0 if count else nbytes

    def drop(self, memories: Iterable[tuple[Any, int]]) -> None:
        for key, nbytes in memories:
            count = self.shared.pop(key) - 1
            if count:
                self.shared[key] = count
            else:
                self.now -= nbytes


class PeakRoot(NamedTuple):
    """A graph that was alive at the peak: its newest op, where that was made, and the bytes that the graph held."""

    op: str
    made_at: Place | None
    nodes: int
    nbytes: int


class Peak:
    """The most that was held while somebody looked: a number, and what was alive then.

    ``nbytes``   the peak of the bytes that all graphs held; ``threads``: that of each thread's own graphs
    ``roots``    the graphs that were alive at the peak, the oldest first
    ``notes``    what might be avoided, such as two graphs of the same lines alive at once
    """

    def __init__(self) -> None:
        self.nbytes = 0
        self.threads: dict[str, int] = {}
        self._rising = True  # what is alive now is what was alive at the peak
        self._alive: dict[int, Seen] = {}

    @property
    def peak_saved_bytes(self) -> int:
        """``nbytes``, by the name that `memory_stats` gives it."""
        return self.nbytes

    @property
    def roots(self) -> list[PeakRoot]:
        """The graphs that were alive at the peak, the oldest first."""
        return [_root_of(group) for group in self._groups()]

    @property
    def notes(self) -> list[str]:
        """One sentence for each older graph whose lines had already run again."""
        groups = self._groups()
        out = []
        for k, group in enumerate(groups):
            sites = {(s.code, s.lasti) for s in group}
            later = next((g for g in groups[k + 1 :] if any((s.code, s.lasti) in sites for s in g)), None)
            if later is not None:
                old = _root_of(group)
                text = source_line(old.made_at)
                out.append(
                    f"two graphs alive at once: the older one ends in {old.op!r} made at {old.made_at}"
                    f"{f' ({text})' if text else ''} and held {old.nbytes:,} bytes when its lines ran again; run its"
                    " backward, or drop its last tensor, before the next forward"
                )
        return out

    def _groups(self) -> list[list[Seen]]:
        """The graphs that were alive at the peak and held something, by age; each in the order of its nodes."""
        alive = tracker.table_now() if self._rising and tracker.on else self._alive
        lead: dict[int, int] = {key: key for key in alive}

        def find(key: int) -> int:
            while lead[key] != key:
                lead[key] = lead[lead[key]]
                key = lead[key]
            return key

        for key, seen in alive.items():
            for parent in seen.parents:
                if parent in lead:
                    lead[find(key)] = find(parent)
        groups: dict[int, list[Seen]] = {}
        for key, seen in sorted(alive.items(), key=lambda pair: pair[1].seq):
            groups.setdefault(find(key), []).append(seen)
        return sorted((g for g in groups.values() if any(s.memories for s in g)), key=lambda g: g[-1].seq)

    def rise(self, now: int, thread: str, own: int) -> None:
        """So much is held now, and so much of it by ``thread``."""
        if now > self.nbytes:
            self.nbytes, self._rising = now, True
            self._alive = {}
        if own > self.threads.get(thread, -1):
            self.threads[thread] = own

    def fall(self, alive: dict[int, Seen]) -> None:
        """Something of what is ``alive`` is going to be let go."""
        if self._rising:
            self._alive, self._rising = dict(alive), False

    def __repr__(self) -> str:
        lines = [f"peak of saved values: {self.nbytes:,} bytes"]
        if len(self.threads) > 1:
            lines += [f"  in thread {name!r}: {n:,} bytes" for name, n in self.threads.items()]
        lines += [f"  {r.nbytes:,} bytes in {r.nodes} nodes up to {r.op!r} at {r.made_at}" for r in self.roots]
        return "\n".join([*lines, *(f"  note: {n}" for n in self.notes)])


def _root_of(group: list[Seen]) -> PeakRoot:
    last = group[-1]
    held = dict(memory for seen in group for memory in seen.memories)
    return PeakRoot(last.op, place(last.code, last.lasti), len(group), sum(held.values()))


class _Tracker(observers.Observer):
    """Counts what nodes hold, as long as somebody wants to know."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._users = 0
        self._table: dict[int, Seen] = {}  # id of a live node -> what is known of it
        self._died: deque[_Ref] = deque()
        self._all = _Count()
        self._threads: dict[str, _Count] = {}
        self.peaks: list[Peak] = []
        self.mourners: list[Any] = []  # called with the id of each node that has died

    @property
    def on(self) -> bool:
        """Does anybody track?"""
        return self._users > 0

    def start(self) -> None:
        """Track for one user more."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                observers.observe(self)
                for node in list(lifetime.live_nodes()):
                    self.holds(node)

    def stop(self) -> None:
        """Track for one user less; after the last nothing is remembered."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                observers.unobserve(self)
                for peak in self.peaks:
                    peak.fall(self._table)
                self._table, self._all, self._threads = {}, _Count(), {}
                self._died.clear()
                self.peaks.clear()

    # -- what observers are told

    def holds(self, node: Node) -> None:
        """``node`` is new, or holds other values than before."""
        counted = tuple(slots.memories(node).items())
        key = id(node)
        with self._lock:
            self._bury()
            old = self._table.get(key)
            if old is None:
                ref = _Ref(node, self._died.append)
                ref.key = key
                parents = tuple([id(node_of(e)) for e in node.edges if e is not None])
                thread = threading.current_thread().name
                self._table[key] = Seen(
                    ref, node.seq, node.op, node.code, node.lasti, thread, monotonic(), parents, counted
                )
            else:
                self._forget(old)
                thread = old.thread
                self._table[key] = old._replace(seq=node.seq, memories=counted)
            self._all.add(counted)
            own = self._threads.setdefault(thread, _Count())
            own.add(counted)
            for peak in self.peaks:
                peak.rise(self._all.now, thread, own.now)

    def drops(self, node: Node) -> None:
        """``node`` is about to let go of its values."""
        with self._lock:
            self._bury()
            old = self._table.get(id(node))
            if old is not None and old.memories:
                self._fall()
                self._forget(old)
                self._table[id(node)] = old._replace(memories=())

    # -- what is asked

    def table_now(self) -> dict[int, Seen]:
        """The live nodes, by their ids."""
        with self._lock:
            self._bury()
            return dict(self._table)

    def held(self) -> tuple[int, dict[str, int]]:
        """Bytes held now: in all, and by the graphs of each thread."""
        with self._lock:
            self._bury()
            return self._all.now, {name: count.now for name, count in self._threads.items()}

    def watch(self, peak: Peak) -> Peak:
        """Keep ``peak`` up to date, from now."""
        with self._lock:
            self._bury()
            peak.nbytes = self._all.now
            peak.threads = {name: count.now for name, count in self._threads.items()}
            self.peaks.append(peak)
        return peak

    def unwatch(self, peak: Peak) -> None:
        """Leave ``peak`` as it is."""
        with self._lock:
            self._bury()
            peak.fall(self._table)
            if peak in self.peaks:
                self.peaks.remove(peak)

    def _bury(self) -> None:
        """Take account of the nodes that have died."""
        died = self._died
        if died:
            self._fall()
        while died:
            ref = died.popleft()
            seen = self._table.get(ref.key)
            if seen is not None and seen.ref is ref:
                del self._table[ref.key]
                self._forget(seen)
                for mourner in self.mourners:
                    mourner(ref.key)

    def _forget(self, seen: Seen) -> None:
        self._all.drop(seen.memories)
        self._threads[seen.thread].drop(seen.memories)

    def _fall(self) -> None:
        for peak in self.peaks:
            peak.fall(self._table)


tracker = _Tracker()
_since_reset: list[Peak] = []  # the peak that `memory_stats` shows, from the first reset on


class track_memory:
    """Inside this context the peak of saved bytes is tracked, exactly, in all threads; gives the `Peak`.

    An op takes two to four times its overhead while anybody tracks, and not a nanosecond more otherwise.

    >>> x = rg.ones(100, requires_grad=True)
    >>> before = rg.graph.memory_stats()["saved_bytes"]
    >>> with rg.graph.track_memory() as memory:
    ...     for _ in range(3):
    ...         loss = (x.exp() * x).sum()
    ...         loss.backward()
    >>> memory.peak_saved_bytes - before
    800
    """

    def __enter__(self) -> Peak:
        tracker.start()
        self._peak = tracker.watch(Peak())
        return self._peak

    def __exit__(self, *exc: object) -> None:
        tracker.unwatch(self._peak)
        tracker.stop()


def reset_peak_memory_stats(track: bool = True) -> None:
    """Count `peak_saved_bytes` of `memory_stats` from now; ``track=False`` stops counting.

    The first call switches tracking on, for all threads; until then there is no peak to tell. See `track_memory` for
    what it costs, and for the same in a context. PyTorch: torch.cuda.reset_peak_memory_stats.

    >>> rg.graph.reset_peak_memory_stats()
    >>> before = rg.graph.memory_stats()["saved_bytes"]
    >>> x = rg.ones(100, requires_grad=True)
    >>> x.exp().sum().backward()
    >>> rg.graph.memory_stats()["peak_saved_bytes"] - before
    400
    >>> rg.graph.reset_peak_memory_stats(track=False)
    """
    if track:
        tracker.start()
    while _since_reset:
        tracker.unwatch(_since_reset.pop())
        tracker.stop()
    if track:
        _since_reset.append(tracker.watch(Peak()))


def peak_memory() -> Peak | None:
    """What was held at the peak since the last reset or the start of the outermost `track_memory`; None if untracked.

    >>> x = rg.ones(100, requires_grad=True)
    >>> with rg.graph.track_memory():
    ...     keep = (x * x).exp()
    ...     print([(r.op, r.nodes, r.nbytes) for r in rg.graph.peak_memory().roots[-1:]])
    [('exp', 2, 800)]
    """
    if _since_reset:
        return _since_reset[0]
    return tracker.peaks[0] if tracker.peaks else None
