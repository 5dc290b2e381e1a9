"""How long what the twin saved lives: passes over the events of `tests.property.naive`, and all that keeps or frees.

For every further pass it predicts the gradients or that the pass is refused, and the exact bytes that stay alive. An
event is consumed as a whole or loses single slots. Where the engine is fast this is plain: what is reached is found
anew each time, gradients are pulled through single numbers. Start reading at `Twin.run`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.property import naive
from tests.property.naive import Event, Number, Tensor

__all__ = ["Twin", "reach"]

FREED = "Trying to backward through the graph a second time"


def reach(starts: Any, stops: Any = ()) -> dict[int, Event]:
    """Every event that leads to these, by number; without what lies at ``stops`` or behind."""
    found: dict[int, Event] = {}
    waiting = [e for e in starts if e is not None]
    while waiting:
        e = waiting.pop()
        if e.id not in found and e.id not in stops:
            found[e.id] = e
            waiting += [b for b in e.inputs if b is not None]
    return found


class Sweep:
    """One pass that has been worked out and not yet done: what runs, for which inputs, and what arrives where."""

    def __init__(self, roots: list[Tensor], wanted: list[Event] | None, stops: set[int]) -> None:
        self.roots = roots
        starts = [r.event for r in roots]
        self.open = reach(starts, stops)
        goals = None if wanted is None else {e.id for e in wanted}
        # What is older than a root that goes on without its graph may be behind it.
        spent = max((e.spent for e in self.open.values()), default=0)
        self.lost = bool(spent) and any(i < spent for i in goals or (0,))
        self.masks: dict[int, set[int]] = {}
        for i in sorted(self.open):
            e = self.open[i]
            mask = {k for k, b in enumerate(e.inputs) if b is not None and self._leads(b, goals, stops)}
            if mask or (goals is None and not stops and e.leaf is None):
                self.masks[i] = mask
        self.visited = {e.id: e for e in starts}
        for i, mask in self.masks.items():
            for k in mask:
                b = self.open[i].inputs[k]
                self.visited[b.id] = b
        self.grads = self._pull(stops)

    def _leads(self, b: Event, goals: set[int] | None, stops: set[int]) -> bool:
        if goals is not None:
            return b.id in goals or (b.id not in stops and b.id in self.masks)
        if b.leaf is not None:
            return b.id not in stops
        return not stops or b.noted or (b.id not in stops and b.id in self.masks)

    def _pull(self, stops: set[int]) -> dict[Number, float]:
        """The gradient of every number, without what lies behind the stops."""
        last = {n.id for n in self._numbers_of(stops)}
        grads: dict[Number, float] = {}
        todo: dict[int, Number] = {}
        waiting = []
        for r in self.roots:
            for n in r.cells.reshape(-1):
                grads[n] = grads.get(n, 0.0) + 1.0
                waiting.append(n)
        while waiting:
            n = waiting.pop()
            if n.id not in todo:
                todo[n.id] = n
                if n.id not in last:
                    waiting += [p for p, _ in n.parents]
        for i in sorted(todo, reverse=True):
            if i not in last:
                for p, slope in todo[i].parents:
                    grads[p] = grads.get(p, 0.0) + grads.get(todo[i], 0.0) * slope
        return grads

    def _numbers_of(self, stops: set[int]) -> list[Number]:
        return [n for e in reach([r.event for r in self.roots]).values() if e.id in stops for n in e.memory.cells]

    def check(self) -> None:
        """Raise if a value that is to be read is gone."""
        if self.lost:
            raise RuntimeError(FREED)
        for i, mask in self.masks.items():
            e = self.open[i]
            if (e.consumed and e.saves) or (not e.consumed and any(s.freed and s.readers & mask for s in e.slots)):
                raise RuntimeError(FREED)

    def fails(self) -> bool:
        """Does a planted fault lie on the way?"""
        return any(e.fails == "hook" for e in self.visited.values()) or any(
            self.open[i].fails == "kernel" for i in self.masks
        )

    def at(self, t: Tensor) -> Tensor:
        """The gradient that arrives at a tensor that is no view."""
        out = naive.tensor(np.zeros(t.shape))
        for k, cell in enumerate(t.where.reshape(-1)):
            out.memory.cells[k] = Number(self.grads.get(t.memory.born[cell], 0.0))
        return out

    def retained(self) -> None:
        """Deliver to the tensors that retain their gradient."""
        for e in self.visited.values():
            t = e.retains
            if t is not None:
                g = self.at(t)
                t.grad = g if t.grad is None else t.grad + g
                if len(self.roots) == 1:
                    key = self.roots[0].key
                    t.by_root[key] = g if key not in t.by_root else t.by_root[key] + g

    def accumulate(self) -> None:
        """Deliver to the leaves."""
        for e in self.visited.values():
            if e.leaf is not None:
                g = self.at(e.leaf)
                e.leaf.grad = g if e.leaf.grad is None else e.leaf.grad + g


def consume(events: Any) -> None:
    """Free all that these hold."""
    for e in events:
        if e.leaf is None:
            e.consumed = True


class Twin:
    """What programs ask for, done on the twin."""

    lib = naive

    def __init__(self) -> None:
        self.pending: list[Tensor] = []
        self.keys = 0

    # -- tensors

    def named(self, loss: Tensor) -> Tensor:
        """A loss: told apart from others by a key."""
        self.keys += 1
        loss.key = self.keys
        return loss

    def spent(self, loss: Tensor) -> bool:
        return bool(loss.event.spent)

    def retain(self, t: Tensor) -> None:
        t.event.retains, t.event.noted = t, True
        if not hasattr(t, "by_root"):
            t.by_root = {}

    def dropped(self, t: Tensor) -> None:
        if t.event is not None and t.event.retains is t:
            t.event.retains = None

    def by_root(self, t: Tensor) -> list[Any]:
        return sorted((key, g.tolist()) for key, g in getattr(t, "by_root", {}).items())

    def plant(self, t: Tensor, where: str) -> Any:
        t.event.fails = where
        t.event.noted = t.event.noted or where == "hook"

        def undo() -> None:
            t.event.fails = False

        return undo

    def nbytes(self, tensors: list[Tensor]) -> int:
        """Bytes of all memories that live slots hold."""
        return sum(self._memories(reach(t.event for t in tensors).values()).values())

    @staticmethod
    def _memories(events: Any) -> dict[int, int]:
        return {
            id(s.memory): 8 * s.memory.cells.size
            for e in events
            if not e.consumed
            for s in e.slots
            if s.memory is not None and not s.freed
        }

    # -- passes

    def _kept(self, retain: Any, roots: list[Tensor], alive: list[Tensor]) -> dict[int, Event]:
        if retain == "auto":
            return reach(t.event for t in alive if not any(t is r for r in roots))
        return reach(t.event for t in retain)

    def run(
        self,
        roots: list[Tensor],
        wanted: list[Tensor] | None,
        alive: list[Tensor],
        retain: Any = None,
        release: str = "pass",
        on_error: str | None = None,
    ) -> list[Any]:
        """Backward (``wanted`` None) or grad, and what it leaves alive."""
        planned = [r for r in roots if any(r is p for p in self.pending)] if retain is None else []
        sweep = Sweep(roots, None if wanted is None else [t.event for t in wanted], set())
        sweep.check()
        if sweep.fails():
            if on_error == "release":
                consume(sweep.open.values())
            raise MemoryError("planted")
        found = []
        if wanted is None:
            sweep.accumulate()
        else:
            found = [sweep.at(t) if t.event.id in sweep.visited else None for t in wanted]
        sweep.retained()
        if planned:
            self.pending = [p for p in self.pending if not any(p is r for r in roots)]
            needed = reach(p.event for p in self.pending)
            consume(e for i, e in sweep.open.items() if i not in needed)
        elif retain is not True:
            kept = {} if retain in (None, False) else self._kept(retain, roots, alive)
            if any(p.event.id in sweep.open for p in self.pending):  # the pass comes by roots of a plan
                kept = {**kept, **reach(p.event for p in self.pending)}
            if release == "graph":
                consume(e for i, e in sweep.open.items() if i not in kept)
            elif release == "pass":
                consume(sweep.open[i] for i in sweep.masks if i not in kept)
            else:
                for i in sorted(sweep.masks):
                    if i not in kept:
                        self._use(sweep.open[i], sweep.masks[i], wanted)
        if wanted is None and retain is not True:
            for r in roots:
                self._spend(r)
        return found

    @staticmethod
    def _use(e: Event, mask: set[int], wanted: list[Tensor] | None) -> None:
        """Free the slots through which no gradient has to come any more."""

        def possible_of(e: Event) -> set[int]:
            return {k for k, b in enumerate(e.inputs) if b is not None}

        def served(b: Event) -> bool:
            asked = any(t.event is b for t in wanted)
            return asked if b.leaf is not None else asked or b.consumed or b.done >= possible_of(b)

        possible = possible_of(e)
        e.done |= possible if wanted is None else {k for k in mask if served(e.inputs[k])}
        if e.done >= possible:
            consume([e])
        for s in e.slots:
            s.freed = s.freed or not (s.readers & possible) - e.done

    def _spend(self, root: Tensor) -> None:
        """A root from which every way meets a consumed value goes on without its graph."""
        gone, waiting, seen = False, [root.event], set()
        while waiting:
            e = waiting.pop()
            if e.leaf is not None or not e.consumed:
                return
            if e.saves:
                gone = True
            elif e.id not in seen:
                seen.add(e.id)
                waiting += [b for b in e.inputs if b is not None]
        if gone and not any(root is p for p in self.pending):
            shell = Event([], [], True)
            shell.consumed, shell.spent = True, root.event.id
            root.memory.happened(shell)

    def together(
        self, losses: dict[Tensor, list[Tensor] | None], retain: bool, on_error: str
    ) -> None:
        """Several losses in one call, some of which stop."""
        sweeps = [
            Sweep([loss], None, set() if stops is None else {t.event.id for t in stops})
            for loss, stops in losses.items()
        ]
        for s in sweeps:
            s.check()
        if any(s.fails() for s in sweeps):
            if on_error == "release":
                consume(reach(loss.event for loss in losses).values())
            raise MemoryError("planted")
        for s in sweeps:
            s.accumulate()
            s.retained()
        if not retain:
            for s in sweeps:
                consume(s.open.values())
            for loss in losses:
                self._spend(loss)

    def each(self, losses: list[Tensor], wanted: list[Tensor], batched: Any, retain: bool) -> list[Any]:
        """A gradient for each loss."""
        goals = [t.event for t in wanted]
        sweeps = [Sweep([loss], goals, set()) for loss in losses]
        for s in sweeps:
            s.check()
        for s in sweeps:
            s.retained()
        if not retain:
            consume(reach(loss.event for loss in losses).values())
        return [[s.at(t) if t.event.id in s.visited else None for t in wanted] for s in sweeps]

    # -- plans, releases, cuts

    def plan(self, losses: list[Tensor]) -> None:
        self.pending = list(losses)

    def leave(self) -> None:
        self.pending = []

    def release(self, roots: list[Tensor], below: Tensor | None, keep: Tensor | None) -> int:
        nodes = reach(t.event for t in roots)
        under = nodes if below is None else reach([below.event])
        kept = {} if keep is None else reach([keep.event])
        before = sum(self._memories(nodes.values()).values())
        consume(e for i, e in nodes.items() if i in under and i not in kept)
        return before - sum(self._memories(nodes.values()).values())

    def cut(self, t: Tensor, alive: list[Tensor]) -> int:
        e = t.event
        before = self._memories(reach([e]).values())
        e.inputs, e.before, e.slots, e.saves, e.consumed, e.done = [], [], [], False, False, set()
        for n in t.memory.cells:
            n.parents = ()
        after = self._memories(reach([*(x.event for x in alive), *(p.event for p in self.pending)]).values())
        return sum(size for key, size in before.items() if key not in after)
