"""A naive twin of the engine: every element is a number with its own history, and memory is a list of such numbers.

Nothing is clever here. A `Memory` holds the elements, counts writes and knows the last `Event` (op or write) of its
tensor-level history; tensors are windows on a memory. An event knows the events before it, which memories it read at
which version, and whether a pass has consumed it. Gradients are pulled through the numbers, one by one. It knows no
slots, no rules, no rebasing of views: it can agree with the engine only if both are right.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from typing import Any

import numpy as np

float64 = "float64"
_recording = [True]
_ids = itertools.count()


class Number:
    """A value, and the numbers it was computed from with the derivative by each."""

    __slots__ = ("id", "parents", "value")

    def __init__(self, value: float, parents: tuple[tuple[Number, float], ...] = ()) -> None:
        self.value, self.parents, self.id = value, parents, next(_ids)


class Slot:
    """A memory that an event keeps (None: a number), and the inputs whose gradient needs it."""

    def __init__(self, memory: Memory | None, readers: set[int]) -> None:
        self.memory, self.readers, self.freed = memory, readers, False


class Event:
    """An op or a write, as the graph of tensors knows it."""

    def __init__(self, before: list[Event], read: list[Any], saves: bool) -> None:
        self.before, self.saves, self.consumed, self.id = before, saves, False, next(_ids)
        self.read = [(memory, memory.version) for memory in read]
        self.leaf: Tensor | None = None
        # What `tests.property.lives` looks at: inputs by position, slots, inputs served by passes that free what they
        # used, whether hooks were ever registered, the fault that is planted, the tensor that retains its gradient.
        self.inputs: list[Event | None] = list(before)
        self.slots: list[Slot] = []
        self.done: set[int] = set()
        self.noted = self.fails = False
        self.spent = 0  # number of the event in whose place this one stands
        self.memory: Any = None
        self.retains: Tensor | None = None


class Memory:
    def __init__(self, cells: Any) -> None:
        self.cells, self.version = cells, 0
        self.event: Event | None = None
        self.born: Any = None  # the numbers that the last event made: where its gradient arrives

    def happened(self, event: Event) -> None:
        self.event, self.born = event, self.cells.copy()
        event.memory = self


class Tensor:
    """A window on a memory."""

    def __init__(self, memory: Memory, where: Any, detached: bool = False) -> None:
        self.memory, self.where, self.detached, self.grad = memory, where, detached, None
        self.view = False

    @property
    def cells(self) -> Any:
        found = np.empty(self.where.shape, object)
        found[...] = self.memory.cells[self.where]
        return found

    shape = property(lambda self: self.where.shape)
    _version = property(lambda self: self.memory.version)
    requires_grad = property(lambda self: self.event is not None)

    @property
    def event(self) -> Event | None:
        return None if self.detached else self.memory.event

    def numbers(self) -> Any:
        """The elements as ops see them: without history where there is none."""
        if self.event is not None:
            return self.cells
        return (
            np.vectorize(lambda n: Number(n.value), otypes=[object])(self.cells)
            if self.where.size
            else self.cells
        )

    def tolist(self) -> Any:
        return np.vectorize(lambda n: n.value, otypes=[float])(self.cells).tolist()

    def requires_grad_(self) -> Tensor:
        self.memory.happened(Event([], [], False))
        self.memory.event.leaf = self
        return self

    def detach(self) -> Tensor:
        return Tensor(self.memory, self.where, detached=True)

    # views: other windows

    def _window(self, where: Any) -> Tensor:
        window = Tensor(self.memory, where, self.detached)
        window.view = True
        return window

    def _is_view(self) -> bool:
        return self.view

    def __getitem__(self, key: Any) -> Tensor:
        return self._window(np.asarray(self.where[key]))

    def t(self) -> Tensor:
        return self._window(self.where.T)

    def view_as(self, other: Any) -> Tensor:
        return self._window(self.where)

    def reshape(self, *shape: int) -> Tensor:
        steps = np.diff(self.where.reshape(-1))
        if len(set(steps.tolist())) > 1:  # no window has this form: a copy
            copy = self.clone()
            return Tensor(copy.memory, copy.where.reshape(*shape))
        return self._window(self.where.reshape(*shape))

    # ops: new memories

    def _op(
        self,
        others: list[Any],
        rule: Any,
        reads: list[bool],
        own: bool = False,
        saves: bool | None = None,
        readers: dict[int, set[int]] | None = None,
    ) -> Tensor:
        """``rule(*values) -> (value, derivative by each)`` on every element; ``reads``: whose memory backward reads.

        ``readers``: for the gradient of which inputs an operand (-1: the result) is read; by default a result for the
        first, and of two operands each for the other.
        """
        operands = [self, *others]
        arrays = np.broadcast_arrays(
            *[o.numbers() if isinstance(o, Tensor) else np.array(Number(o), object) for o in operands]
        )
        out = np.empty(arrays[0].shape, object)
        record = _recording[0] and any(isinstance(o, Tensor) and o.requires_grad for o in operands)
        for place in np.ndindex(out.shape):
            given = [a[place] for a in arrays]
            value, slopes = rule(*[n.value for n in given])
            out[place] = Number(value, tuple(zip(given, slopes, strict=True)) if record else ())
        memory = Memory(np.empty(out.size, object))
        memory.cells[:] = out.reshape(-1)
        result = Tensor(memory, np.arange(out.size).reshape(out.shape))
        events = [o.event for o in operands if isinstance(o, Tensor) and o.event]
        if record and all(e.spent for e in events):  # nothing can be differentiated through it any more
            memory.event, memory.born = events[-1], memory.cells.copy()
        elif record:
            read = [o.memory for o, r in zip(operands, reads, strict=True) if r and isinstance(o, Tensor)]
            memory.happened(
                Event(events, read, any(reads) or own if saves is None else saves)
            )
            if own:
                memory.event.read.append((memory, 0))
            event = memory.event
            event.inputs = [o.event if isinstance(o, Tensor) else None for o in operands]
            needs = {i for i, e in enumerate(event.inputs) if e is not None}
            every = readers or ({0: {1}, 1: {0}} if others else {0: {0}})
            for i, (o, r) in enumerate(zip([*operands, result], [*reads, own], strict=True)):
                whose = every.get(i if i < len(operands) else -1, {0}) & needs
                if r and whose:
                    event.slots.append(Slot(o.memory if isinstance(o, Tensor) else None, whose))
        return result

    def _needs(self, other: Any) -> tuple[bool, bool]:
        return self.requires_grad, isinstance(other, Tensor) and other.requires_grad

    def __add__(self, other: Any) -> Tensor:
        return self._op([other], lambda a, b: (a + b, (1.0, 1.0)), [False, False])

    def __sub__(self, other: Any) -> Tensor:
        return self._op([other], lambda a, b: (a - b, (1.0, -1.0)), [False, False])

    def __mul__(self, other: Any) -> Tensor:
        mine, theirs = self._needs(other)
        return self._op([other], lambda a, b: (a * b, (b, a)), [theirs, mine])

    def __truediv__(self, other: Any) -> Tensor:
        mine, theirs = self._needs(other)
        return self._op(
            [other],
            lambda a, b: (a / b, (1 / b, -a / b / b)),
            [False, mine or theirs],
            own=theirs,
            readers={1: {0, 1}, -1: {1}},
        )

    def __neg__(self) -> Tensor:
        return self._op([], lambda a: (-a, (-1.0,)), [False])

    def __pow__(self, n: int) -> Tensor:
        return self._op([], lambda a: (a * a, (2 * a,)), [True])

    def sin(self) -> Tensor:
        return self._op([], lambda a: (math.sin(a), (math.cos(a),)), [True])

    def tanh(self) -> Tensor:
        return self._op([], lambda a: (math.tanh(a), (1 - math.tanh(a) ** 2,)), [False], own=True)

    def exp(self) -> Tensor:
        return self._op([], lambda a: (math.exp(a), (math.exp(a),)), [False], own=True)

    def clone(self) -> Tensor:
        return self._op([], lambda a: (a, (1.0,)), [False])

    def sum(self) -> Tensor:
        cells = self.numbers()
        memory = Memory(np.empty(1, object))
        record = _recording[0] and self.requires_grad
        total = float(np.sum([n.value for n in cells.reshape(-1)])) if cells.size else 0.0
        memory.cells[0] = Number(total, tuple((n, 1.0) for n in cells.reshape(-1)) if record else ())
        if record and self.event.spent:
            memory.event, memory.born = self.event, memory.cells.copy()
        elif record:
            memory.happened(Event([self.event], [], False))
        return Tensor(memory, np.array(0))

    # writes

    def _write(self, make: Any, others: list[Any], reads_other: bool, own: bool, saves: bool) -> Tensor:
        for o in others:  # the same memory, neither apart nor the very same window
            if isinstance(o, Tensor) and o.memory is self.memory and _dense(self) and _dense(o):
                a, b = self.where, o.where
                if a.min() <= b.max() and b.min() <= a.max() and not (a.shape == b.shape and (a == b).all()):
                    raise RuntimeError(
                        "unsupported operation: some elements of the input tensor and the written-to tensor"
                    )
        if _recording[0] and self.event is not None and self.event.leaf is not None:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation")
        result = make()
        record = _recording[0] and (self.requires_grad or result.requires_grad)
        new = np.broadcast_to(result.cells, self.shape)
        recorded = record and not self.detached
        for place in np.ndindex(self.shape):
            cell, was = self.where[place], self.memory.cells[self.where[place]]
            # What is not recorded changes the value and leaves the path of the gradient as it was.
            self.memory.cells[cell] = (
                new[place]
                if recorded
                else Number(new[place].value, ((was, 1.0),) if self.memory.event else ())
            )
        self.memory.version += 1
        if record and not self.detached:
            read = [o.memory for o in others if reads_other and isinstance(o, Tensor)]
            before = [
                e for e in (self.memory.event, *(o.event for o in others if isinstance(o, Tensor))) if e
            ]
            self.memory.happened(
                Event(before, read, saves or self.view)
            )  # through a view: PyTorch serves it once
            if own:
                self.memory.event.read.append((self.memory, self.memory.version))
            if any(m is self.memory for m in read):  # its own old elements were copied before the write
                self.memory.event.read = [(m, v) for m, v in self.memory.event.read if m is not self.memory]
        return self

    def _mine(self) -> bool:
        return _recording[0] and self.requires_grad

    def add_(self, o: Any) -> Tensor:
        return self._write(lambda: self + o, [o], False, False, False)

    def sub_(self, o: Any) -> Tensor:
        return self._write(lambda: self - o, [o], False, False, False)

    def mul_(self, o: Any) -> Tensor:
        mine, theirs = self._needs(o)
        return self._write(lambda: self * o, [o], mine, False, mine or theirs)

    def tanh_(self) -> Tensor:
        return self._write(self.tanh, [], False, True, True)

    def sin_(self) -> Tensor:
        return self._write(self.sin, [], False, False, True)

    def neg_(self) -> Tensor:
        return self._write(self.__neg__, [], False, False, False)

    def zero_(self) -> Tensor:
        return self._write(lambda: self * 0.0, [], False, False, False)

    def copy_(self, o: Any) -> Tensor:
        return self._write(o.clone, [o], False, False, False)


def _dense(t: Tensor) -> bool:
    """Does the window see a stretch of memory without gaps?"""
    return (
        len(set(t.where.reshape(-1).tolist())) == t.where.size == int(t.where.max()) - int(t.where.min()) + 1
    )


def tensor(data: Any, dtype: Any = None) -> Tensor:
    values = np.asarray(data, float)
    memory = Memory(np.array([Number(v) for v in values.reshape(-1)] + [None], object)[:-1])
    return Tensor(memory, np.arange(values.size).reshape(values.shape))


@contextlib.contextmanager
def no_grad() -> Any:
    was, _recording[0] = _recording[0], False
    try:
        yield
    finally:
        _recording[0] = was


class autograd:
    """Passes: check every event, pull through the numbers, consume the events."""

    @staticmethod
    def _pass(roots: list[Tensor], stops: list[Tensor] | None, retain: bool) -> dict[Number, float]:
        events: dict[int, Event] = {}
        stack = [r.event for r in roots]
        while stack:
            e = stack.pop()
            if e.id not in events:
                events[e.id] = e
                stack += e.before
        goals = None if stops is None else {s.event.id for s in stops}
        leads: dict[int, bool] = {}
        for i in sorted(events):
            leads[i] = goals is None or any(b.id in goals or leads[b.id] for b in events[i].before)
        runs = [e for i, e in events.items() if leads[i]]
        if any(e.consumed and e.saves for e in runs):
            raise RuntimeError("Trying to backward through the graph a second time")
        if any(m.version != v for e in runs for m, v in e.read):
            raise RuntimeError("a variable has been modified by an inplace operation")
        grads: dict[Number, float] = {}
        todo: dict[int, Number] = {}
        for r in roots:
            for n in r.cells.reshape(-1):
                grads[n] = grads.get(n, 0.0) + 1.0
                todo[n.id] = n
        seen: set[int] = set()
        stack2 = list(todo.values())
        while stack2:
            n = stack2.pop()
            for p, _ in n.parents:
                if p.id not in todo and p.id not in seen:
                    seen.add(p.id)
                    todo[p.id] = p
                    stack2.append(p)
        for i in sorted(todo, reverse=True):
            n = todo[i]
            for p, slope in n.parents:
                grads[p] = grads.get(p, 0.0) + grads.get(n, 0.0) * slope
        if not retain:
            for e in runs:
                e.consumed = True
        return grads

    @staticmethod
    def _collect(t: Tensor, grads: dict[Number, float]) -> Tensor:
        out = tensor(np.zeros(t.shape))
        for k, cell in enumerate(t.where.reshape(-1)):
            out.memory.cells[k] = Number(grads.get(t.memory.born[cell], 0.0))
        return out

    @staticmethod
    def backward(roots: list[Tensor], retain_graph: bool) -> None:
        grads = autograd._pass(roots, None, retain_graph)
        leaves: dict[int, Tensor] = {}
        stack = [r.event for r in roots]
        seen = set()
        while stack:
            e = stack.pop()
            if e.id in seen:
                continue
            seen.add(e.id)
            if e.leaf is not None:
                leaves[e.id] = e.leaf
            stack += e.before
        for leaf in leaves.values():
            new = autograd._collect(leaf, grads)
            leaf.grad = new if leaf.grad is None else leaf.grad + new

    @staticmethod
    def grad(root: Tensor, wanted: list[Tensor], retain_graph: bool, allow_unused: bool) -> list[Tensor]:
        grads = autograd._pass([root], wanted, retain_graph)
        return [autograd._collect(w, grads) for w in wanted]
