"""Random programs of ops and of everything that keeps, frees, cuts, stops and fails, run on the engine or on its twin.

A program is a list of steps of four whole numbers each, as in `tests.property.programs`; nothing is written in place.
After every step the outcome has what was seen and the bytes that all graphs hold. Start reading at `run`.
"""

from __future__ import annotations

from typing import Any

import regrad as rg
from regrad.graph.lifetime import SPENT_OP
from regrad.graph.node import Plan
from tests.property import programs
from tests.property.programs import LEAVES, NEEDS_GRAD, together, tolist, unary, view
from tests.scenario.looking import held

__all__ = ["KINDS", "Engine", "run"]

KINDS = [
    *("binary", "binary", "unary", "unary", "view"),  # the first five build
    *("loss", "loss", "loss", "mix", "backward", "backward", "grad", "grad", "plan", "cut", "release", "together"),
    *("each", "retain", "fault", "fault", "drop"),
]
RETAIN = (None, None, False, True, "some", "some", "auto")
RELEASE = ("pass", "pass", "used", "graph")


class Engine:
    """What programs ask for, done by Regrad."""

    lib = rg

    def __init__(self) -> None:
        self.entered: Any = None
        self.keys: dict[int, int] = {}  # number of a loss's node -> its key
        self.count = 0

    def named(self, loss: Any) -> Any:
        self.count += 1
        if loss.grad_fn is not None:
            self.keys.setdefault(loss.grad_fn.number, self.count)  # what comes of spent losses has their node
        return loss

    def spent(self, loss: Any) -> bool:
        return loss.grad_fn.plan.op is SPENT_OP

    def retain(self, t: Any) -> None:
        t.retain_grad(per_root=True)

    def dropped(self, t: Any) -> None:
        """The engine knows its tensors weakly."""

    def by_root(self, t: Any) -> list[Any]:
        return sorted((self.keys[seq], tolist(t.grads[seq])) for seq in t.grads or ())

    def plant(self, t: Any, where: str) -> Any:
        def fail(*args: Any) -> Any:
            del args
            raise MemoryError("planted")

        if where == "hook":
            return t.register_hook(fail).remove
        node, old = t.grad_fn, t.grad_fn.plan
        node.plan = Plan(
            old.op, old.mask, old.slots, old.readers, old.sources, fail, old.targets, lambda _: (fail, old.targets)
        )

        def undo() -> None:
            node.plan = old

        return undo

    def nbytes(self, tensors: list[Any]) -> int:
        return held(*tensors)

    def run(
        self,
        roots: list[Any],
        wanted: list[Any] | None,
        alive: list[Any],
        retain: Any = None,
        release: str = "pass",
        on_error: str | None = None,
    ) -> list[Any]:
        terms = {"retain_graph": retain, "release": release, "on_error": on_error}
        if wanted is None:
            rg.autograd.backward(roots, **terms)
            return []
        return list(rg.autograd.grad(roots, wanted, allow_unused=True, **terms))

    def together(self, losses: dict[Any, Any], retain: bool, on_error: str) -> None:
        how = {loss: None if stops is None else rg.graph.stop_at(*stops) for loss, stops in losses.items()}
        rg.graph.backward(how, retain_graph=retain, on_error=on_error)

    def each(self, losses: list[Any], wanted: list[Any], batched: Any, retain: bool) -> list[Any]:
        chunk = 2 if len(losses) > 2 else None
        rows = rg.graph.grad_each(
            losses, wanted, batched=batched, chunk=chunk, retain_graph=retain, allow_unused=True
        )
        return [list(row) for row in rows]

    def plan(self, losses: list[Any]) -> None:
        self.entered = rg.graph.plan(*losses)
        self.entered.__enter__()

    def leave(self) -> None:
        self.entered.__exit__(None, None, None)
        self.entered = None

    def release(self, roots: list[Any], below: Any, keep: Any) -> int:
        return rg.graph.release(*roots, below=below, keep=keep)

    def cut(self, t: Any, alive: list[Any]) -> int:
        return rg.graph.cut_behind(t)


class Program:
    """One run: the tensors and losses that the program holds, and whom it asks."""

    def __init__(self, who: Any) -> None:
        self.who = who
        self.things: list[Any] = []
        self.whole: list[bool] = []  # is the thing no view?
        self.losses: list[Any] = []
        self.planned: list[Any] = []
        self.cut: list[Any] = []
        self.retained: list[Any] = []
        self.seen: list[Any] = []
        for name, data in LEAVES.items():
            leaf = who.lib.tensor(data, dtype=who.lib.float64)
            self.add(leaf.requires_grad_() if name in NEEDS_GRAD else leaf)

    def add(self, t: Any, whole: bool = True) -> None:
        self.things.append(t)
        self.whole.append(whole)

    def alive(self) -> list[Any]:
        return [*self.things, *self.losses]

    def pick(self, i: int, inner: bool = False) -> Any:
        """A thing that requires grad and is no view; ``inner``: and no leaf."""
        fit = [
            t
            for k, (t, whole) in enumerate(zip(self.things, self.whole))
            if whole and t.requires_grad and not (inner and k < len(LEAVES))
        ]
        return fit[i % len(fit)] if fit else None

    def some(self, i: int, count: int) -> list[Any]:
        """Different losses, from the i-th on."""
        n = len(self.losses)
        return [self.losses[(i + k * (1 + i % 2)) % n] for k in range(min(count, (n + 1) // 2))] if n else []

    def terms(self, j: int, k: int) -> dict[str, Any]:
        retain = RETAIN[j % len(RETAIN)]
        if retain == "some":
            retain = [self.losses[j % len(self.losses)], self.pick(k)]
        return {"retain": retain, "release": RELEASE[k % len(RELEASE)]}

    # -- steps; each returns what was seen

    def binary(self, i: int, j: int, k: int) -> Any:
        x, y = self.things[i % len(self.things)], self.things[j % len(self.things)]
        if together(x, y):
            k = k % 5
            self.add(x + y if k == 0 else x - y if k == 1 else x / unary(y, 4) if k == 2 else x * y)

    def unary(self, i: int, j: int, k: int) -> Any:
        self.add(unary(self.things[i % len(self.things)], k))

    def view(self, i: int, j: int, k: int) -> Any:
        made = view(self.things[i % len(self.things)], k, j)
        if made is not None:
            self.add(made, whole=False)

    def loss(self, i: int, j: int, k: int) -> Any:
        x = self.things[-1 - i % min(len(self.things), 6)]
        self._keep(x.sum() if k % 2 else x.sin().sum())

    def mix(self, i: int, j: int, k: int) -> Any:
        if self.losses:
            x, y = self.losses[i % len(self.losses)], self.losses[j % len(self.losses)]
            self._keep(x * y if k % 2 else x + y)

    def _keep(self, loss: Any) -> None:
        if loss.requires_grad:
            self.losses.append(self.who.named(loss))

    def backward(self, i: int, j: int, k: int) -> Any:
        roots = self.some(i, 1 + (j % 5 == 0))
        if roots:
            self.who.run(roots, None, self.alive(), **self.terms(j, k))

    def grad(self, i: int, j: int, k: int) -> Any:
        roots, wanted = self.some(i, 1), [self.pick(j), self.pick(j // 3 + k)]
        if roots:
            found = self.who.run(roots, wanted[: 1 + k % 2], self.alive(), **self.terms(k, j))
            return [None if g is None else tolist(g) for g in found]
        return None

    def plan(self, i: int, j: int, k: int) -> Any:
        if self.planned:
            self.who.leave()
            self.planned = []
        else:
            losses = [loss for loss in self.some(i, 2 + j % 3) if not self.who.spent(loss)]
            if losses:
                self.who.plan(losses)
                self.planned = losses

    def retain(self, i: int, j: int, k: int) -> Any:
        t = self.pick(i, inner=True)
        if t is not None and not any(t is c for c in self.cut):
            self.who.retain(t)
            self.retained.append(t)

    def cutting(self, i: int, j: int, k: int) -> Any:
        t = self.pick(i, inner=True)
        if t is None or k % 2:
            return None
        self.cut.append(t)
        return self.who.cut(t, self.alive())

    def release(self, i: int, j: int, k: int) -> Any:
        roots = self.some(i, 1 + j % 2)
        below = self.pick(j, inner=True) if k % 3 == 1 else None
        keep = self.pick(j, inner=True) if k % 3 == 2 else None
        return self.who.release(roots, below, keep) if roots and i % 2 else None

    def _stops(self, i: int, j: int, k: int) -> dict[Any, Any]:
        losses = self.some(i, 1 + k % 3)
        return {
            loss: [self.pick(j + n)] if (j + n + k) % 3 == 0 else None
            for n, loss in enumerate(losses)
            if not any(loss is p for p in self.planned)
        }

    def together(self, i: int, j: int, k: int) -> Any:
        losses = self._stops(i, j, k)
        if losses:
            self.who.together(losses, retain=k % 4 == 0, on_error="keep")

    def each(self, i: int, j: int, k: int) -> Any:
        losses = [x for x in self.some(i, 2 + k % 3) if not any(x is p for p in self.planned)]
        if not losses:
            return None
        batched = (j + k) % 2 == 0 and not self.retained
        rows = self.who.each(losses, [self.pick(j), self.pick(j // 2 + k)], batched, retain=k % 5 == 0)
        return [[None if g is None else tolist(g) for g in row] for row in rows]

    def fault(self, i: int, j: int, k: int) -> Any:
        t = self.pick(j, inner=k % 2 == 0)
        if t is None or not self.losses or any(t is c for c in self.cut):
            return None
        undo = self.who.plant(t, "kernel" if k % 2 == 0 else "hook")
        on_error = ("keep", "release")[k // 2 % 2]
        try:
            if k % 5 < 2:
                losses = self._stops(i, j // 2, 1 + k % 2)
                if losses:
                    self.who.together(losses, False, on_error)
            elif k % 5 < 4:
                self.who.run(self.some(i, 1), None, self.alive(), None if i % 2 else False, on_error=on_error)
            else:
                self.who.run(self.some(i, 1), [self.pick(i)], self.alive(), False, on_error=on_error)
        finally:
            undo()

    def drop(self, i: int, j: int, k: int) -> Any:
        if k % 2 and self.losses:
            if not any(self.losses[i % len(self.losses)] is p for p in self.planned):
                self.who.dropped(self.losses.pop(i % len(self.losses)))
        elif len(self.things) > len(LEAVES):
            at = len(LEAVES) + i % (len(self.things) - len(LEAVES))
            gone = self.things.pop(at)
            del self.whole[at]
            self.cut = [t for t in self.cut if t is not gone]
            self.retained = [t for t in self.retained if t is not gone]
            self.who.dropped(gone)

    def observed(self) -> Any:
        leaves = [self.things[k] for k, name in enumerate(LEAVES) if name in NEEDS_GRAD]
        return (
            self.who.nbytes(self.alive()),
            [None if t.grad is None else tolist(t.grad) for t in (*leaves, *self.retained)],
            [self.who.by_root(t) for t in self.retained],
        )


def run(who: Any, steps: list[tuple[int, int, int, int]]) -> list[Any]:
    """Run a program; what could be seen, step by step."""
    p = Program(who)
    for kind, i, j, k in steps:
        name = KINDS[kind % len(KINDS)]
        try:
            what = getattr(p, "cutting" if name == "cut" else name)(i, j, k)
        except (RuntimeError, MemoryError) as error:
            what = "planted" if isinstance(error, MemoryError) else programs.refusal(error)
        p.seen.append((name, what, *p.observed()))
    if p.planned:
        who.leave()
    return p.seen
