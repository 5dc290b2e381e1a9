"""Memory shared with NumPy: writes that Regrad does not see, noticed all the same.

An array that `Tensor.numpy` hands out, or that `from_numpy` took in, may be written to without a word to Regrad. So
both go through a memoryview, which tells inside from outside: while an array of the user's is alive, and the memory is
too, each save of it is a view with a print (a copy of few bytes, else a hash), and a pass compares. Where an array is
handed out after something was saved, its elements are compared with what they were then, when it dies and before a
pass. Memory that nobody shares pays one truth test for each op.

Start reading at `guard`, then `lend`, `borrow`, `note`.

    Memory   one shared memory: the arrays of the user's that reach it, and how many saved values keep it locked
    Alias    one array handed out
    Loan     one array taken in
    Print    what a saved value was
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import numpy as np

from regrad.graph import versions
from regrad.graph.node import tick
from regrad.graph.provenance import variables
from regrad.graph.value import root

__all__ = [
    "UNSEEN", "borrow", "changed", "explain_write", "guard", "lend", "lent", "level", "note", "prints", "settle",
    "use_callers",
]  # fmt: skip

UNSEEN = "a write that Regrad did not see (NumPy)"
_LEVELS = ("shared", "checksum", "lock", "off")
_level: ContextVar[str] = ContextVar("regrad_guard", default="shared")
level = _level.get

getrefcount = sys.getrefcount
_measured: Any = memoryview(np.empty(1).data)
_ONE = getrefcount(_measured.obj)  # what it says of an array that one memoryview, or one other array, holds


class guard:
    """How writes through NumPy to values that a graph has saved are noticed, from now on, or until the context ends.

    ``"shared"``    the default: memory that is shared with a NumPy array is checked when a backward reads it; a value
                    that was changed in between raises `SavedModifiedError`
    ``"lock"``      NumPy arrays over memory that is saved are read-only, until the graph that saved it has run, was
                    released or is gone; a write raises NumPy's ValueError
    ``"checksum"``  every saved value is checked, so that writes by whatever means are noticed
    ``"off"``       nothing is checked

    The error of a refused write names the op that saved the value and its line: at once where `Tensor.numpy` gave out
    the array under "lock", else when it leaves the context. `explain_write` says so of any array.

    >>> x = rg.from_numpy(np.ones(2)).requires_grad_()
    >>> n = x.detach().numpy()
    >>> with rg.graph.guard("lock"):
    ...     y = (x * x).sum()
    >>> n.flags.writeable
    False
    >>> y.backward()
    >>> n *= 10
    """

    def __init__(self, mode: str) -> None:
        if mode not in _LEVELS:
            raise ValueError(f"rg.graph.guard: choose one of {', '.join(map(repr, _LEVELS))}, not {mode!r}")
        self.mode, self._was = mode, _level.get()
        self._set(mode)

    def _set(self, mode: str) -> None:
        _flags.every += (mode == "checksum") - (_level.get() == "checksum")
        _level.set(mode)
        _flags.tell()

    def __enter__(self) -> guard:
        self._set(self.mode)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._set(self._was)
        if isinstance(error, ValueError) and at is not None:
            _explained(error, at)


class _Flags:
    """What the fast callers of ops ask: is any memory shared; is every saved value to be checked?"""

    __slots__ = ("every", "spaces")

    def __init__(self) -> None:
        self.every = 0
        self.spaces: list[dict[str, Any]] = []

    def tell(self) -> None:
        """Write the answers where the callers look them up."""
        every = self.every > 0
        for space in self.spaces:
            space["shared"], space["every"] = every or bool(memories), every


_flags = _Flags()


def use_callers(space: dict[str, Any]) -> None:
    """Say in which namespace the fast callers of ops look."""
    _flags.spaces.append(space)
    space.update(lent=lent, note=note)
    _flags.tell()


# -- who shares what


class Memory:
    """One shared memory. ``locks`` counts the saved values for which the ``frozen`` arrays are read-only."""

    __slots__ = ("aliases", "frozen", "loans", "locks", "owner")

    def __init__(self, owner: int) -> None:
        self.owner = owner
        self.aliases: dict[int, Alias] = {}
        self.loans: dict[int, Loan] = {}
        self.locks = 0
        self.frozen: list[Any] = []

    def reached(self) -> bool:
        """Is there an array of the user's over this memory? One that was taken in and is gone is forgotten."""
        if self.aliases:
            return True
        for key, loan in list(self.loans.items()):
            if loan.outside():
                return True
            self.loans.pop(key, None)
        self.forget()
        return False

    def forget(self) -> None:
        """Drop this record if nobody shares the memory any more."""
        if not self.aliases:
            lent.pop(self.owner, None)
            if not self.loans and memories.pop(self.owner, None) is not None:
                _flags.tell()

    def lock(self) -> None:
        """One more saved value: the user's arrays must not be written to."""
        self.locks += 1
        if self.locks == 1:
            for array in self.arrays():
                self.freeze(array)

    def arrays(self) -> Iterator[Any]:
        """The user's arrays."""
        for alias in list(self.aliases.values()):
            if (array := alias.array()) is not None:
                yield array
        for loan in list(self.loans.values()):
            array = loan.memory.obj
            while isinstance(array, np.ndarray):
                yield array
                array = array.base

    def freeze(self, array: Any) -> None:
        """Make ``array`` read-only until the last lock is gone, if NumPy lets that be taken back."""
        if array.flags.writeable and _can_be_thawed(array):
            array.flags.writeable = False
            self.frozen.append(weakref.ref(array))

    def unlock(self) -> None:
        """One saved value less."""
        self.locks -= 1
        if self.locks == 0:
            frozen, self.frozen = self.frozen, []
            for ref in reversed(frozen):  # an array's owner first
                array = ref()
                if array is not None:
                    array.flags.writeable = True


def _can_be_thawed(array: Any) -> bool:
    """Will NumPy let a read-only ``array`` be writeable again? Not if its memory belongs to a DLPack capsule, say."""
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    try:
        return base is None or not memoryview(base).readonly
    except TypeError:
        return False


class Alias:
    """An array that was handed out over ``region``: who holds its ``memory`` (a memoryview) can write.

    ``print`` says what the elements were then, if something may have been saved before; ``seq`` when that was.
    """

    __slots__ = ("array", "print", "ref", "region", "seq")

    def __init__(self, array: Any, memory: Any, region: Any, owner: int, print: Any) -> None:
        self.array, self.region, self.print = weakref.ref(array), region, print
        self.ref = weakref.ref(memory, functools.partial(_ended, owner, id(memory)))
        self.seq = tick()


class Loan:
    """An array that was taken in: the tensor's array, ``inside``, sees it through the memoryview ``memory``."""

    __slots__ = ("memory", "ref")

    def __init__(self, inside: Any, memory: Any, owner: int) -> None:
        self.memory = memory
        self.ref = weakref.ref(inside, functools.partial(_returned, owner, id(memory)))

    def outside(self) -> bool:
        """Does anybody but Regrad still hold the array, or what it is a view of?"""
        if getrefcount(self.memory.obj) > _ONE:
            return True
        array = self.memory.obj
        while array.base is not None:
            if type(array.base) is bytes:
                return False
            if getrefcount(array.base) > _ONE or not isinstance(array.base, np.ndarray):
                return True
            array = array.base
        return False


memories: dict[int, Memory] = {}  # by the owner's id
lent: dict[int, Memory] = {}  # those of which arrays were handed out
_sweep_at = 2


def _memory_of(owner: Any) -> Memory:
    memory = memories.get(id(owner))
    if memory is None:
        memory = memories[id(owner)] = Memory(id(owner))
        _flags.tell()
    return memory


def _ended(owner: int, key: int, _: Any) -> None:
    """An array that was handed out is gone, with all views of it."""
    memory = memories.get(owner)
    alias = None if memory is None else memory.aliases.pop(key, None)
    if memory is not None and alias is not None:
        memory.forget()
        region = alias.region
        if getrefcount(alias.region) > _ONE + 1 or region.base is not None:  # else nothing is left that it shared
            _settle(alias)


def _returned(owner: int, key: int, _: Any) -> None:
    """The last of Regrad's arrays over an array that was taken in is gone."""
    memory = memories.get(owner)
    if memory is not None:
        memory.loans.pop(key, None)
        memory.forget()


def _exported(array: Any) -> tuple[Any, Any]:
    """(an array over the same elements, the memoryview that it and all views of it hold)."""
    try:
        seen = np.asarray(memoryview(array))
    except (ValueError, BufferError):  # a dtype that buffers do not know, such as bfloat16
        seen = np.asarray(memoryview(array.view(f"u{array.dtype.itemsize}")))
        return seen.view(array.dtype), seen.base
    return seen, seen.base


def lend(value: Any) -> Any:
    """The array of a tensor, for the user."""
    array = value.array
    if not array.size:
        return array.view()
    owner = root(array)
    memory = _memory_of(owner)
    for alias in memory.aliases.values():
        if alias.region is array and (given := alias.array()) is not None:
            return given
    del owner
    # A result that one tensor holds and no graph has saved needs no print.
    alone = getrefcount(value.array) <= _ONE + 1 and _alone_below(array)
    given, view = _exported(array)
    now = None if alone or _level.get() == "off" else fingerprint(array)
    if _level.get() == "lock":
        given = given.view(Given)
    memory.aliases[id(view)] = Alias(given, view, array, memory.owner, now)
    lent[memory.owner] = memory
    if memory.locks:
        memory.freeze(given)
    elif now is not None and _level.get() == "lock":
        for node in _savers(array):
            note(node)
    _sweep()
    return given


def _alone_below(array: Any) -> bool:
    """Does ``array`` own its memory, or hold the owner alone?"""
    if array.base is None:
        return True
    return type(array.base) is np.ndarray and array.base.base is None and getrefcount(array.base) <= _ONE


def _sweep() -> None:
    """Forget arrays that outlived everything they shared their memory with."""
    global _sweep_at
    if len(lent) < _sweep_at:
        return
    for memory in list(lent.values()):
        for key, alias in list(memory.aliases.items()):
            if getrefcount(alias.region) <= _ONE + 1 and _alone_below(alias.region):
                del memory.aliases[key]
        memory.forget()
    _sweep_at = max(2, 2 * len(lent))


def borrow(array: Any) -> Any:
    """An array for a tensor over the memory of ``array``, which is the user's."""
    if not array.size:
        return array if type(array) is np.ndarray else array.view(np.ndarray)
    inside, view = _exported(array if type(array) is np.ndarray else array.view(np.ndarray))
    memory = _memory_of(root(inside))
    memory.loans[id(view)] = Loan(inside, view, memory.owner)
    if memory.locks:
        for each in memory.arrays():
            memory.freeze(each)
    return inside


# -- what was saved


class Print:
    """What an array was when it was saved: ``of`` is the array, ``ref`` the view that nodes hold.

    ``memory`` is what it locks, if it does.
    """

    __slots__ = ("memory", "of", "ref", "value")

    def __init__(self, array: Any, view: Any, value: Any) -> None:
        self.value = value
        self.of = weakref.ref(array, functools.partial(_outlived, id(array)))
        self.ref = weakref.ref(view, functools.partial(_dropped, id(view), id(array)))
        self.memory: Memory | None = None


prints: dict[int, Print] = {}  # by the id of the view
_latest: dict[int, Print] = {}  # by the id of the array
_locked: dict[int, Any] = {}  # those that hold locks: references to their views


def _outlived(key: int, _: Any) -> None:
    """The array is gone; nodes still hold the view."""
    _latest.pop(key, None)
    _locked.pop(key, None)


def _dropped(key: int, array: int, _: Any) -> None:
    """No node holds the view any more."""
    gone = prints.pop(key)
    if _latest.get(array) is gone:
        del _latest[array]
    if gone.memory is not None:
        if _locked.get(array) is gone.ref:
            del _locked[array]
        gone.memory.unlock()


def note(node: Any) -> None:
    """Let ``node`` hold what it saved of shared memory as views with prints."""
    mode = _level.get()
    if mode == "off":
        return
    saved = node.saved
    # What is locked cannot have changed, unless by an older view of the user's: it needs no other print.
    known = _locked if mode == "lock" else {}
    if known and len(saved) == 1 and (ref := known.get(id(saved[0]))) is not None:
        node.saved = (ref(),)
        return
    for k, entry in enumerate(saved):
        if type(entry) is np.ndarray:
            ref = known.get(id(entry))
            if ref is not None:
                held = ref()
            elif entry.base is None and mode != "checksum" and id(entry) not in lent:
                continue
            else:
                held = _held(entry, mode)
        elif type(entry) is tuple and entry and type(entry[0]) is np.ndarray:
            held = tuple([_held(e, mode) if type(e) is np.ndarray else e for e in entry])
        else:
            continue
        if held is not entry:
            saved = (*saved[:k], held, *saved[k + 1 :])
    node.saved = saved


def _held(array: Any, mode: str) -> Any:
    """``array`` for a node to hold: a view with a print where somebody outside may write to it."""
    memory = memories.get(id(array if array.base is None else root(array)))
    if (memory is None or not memory.reached()) and mode != "checksum":
        return array
    found = prints.get(id(array))
    view = None if found is None else array  # it is such a view itself
    if found is None:
        found = _latest.get(id(array))
        view = None if found is None else found.ref()
    now = fingerprint(array)
    if view is None or found is None or found.value != now:
        view = array.view()
        found = prints[id(view)] = _latest[id(array)] = Print(array, view, now)
    if mode == "lock" and memory is not None and found.memory is not memory:
        if found.memory is not None:
            found.memory.unlock()
        found.memory = memory
        if view is not array:
            _locked[id(array)] = found.ref
        memory.lock()
    return view


_WORDS = 8192
_weights: Any = None


def fingerprint(array: Any) -> Any:
    """What the elements are, by their bytes: a copy of few, else a hash in which every place has its own odd weight."""
    global _weights
    if 0 in array.strides:
        array = array[tuple([slice(0, 1) if s == 0 else slice(None) for s in array.strides])]
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array.T if array.flags.f_contiguous else array)
    if array.nbytes <= 4096:
        return array.tobytes()
    if _weights is None:
        odd = np.random.Generator(np.random.PCG64(0)).integers(0, 2**63, _WORDS, np.uint64)
        _weights = odd * np.uint64(2) + np.uint64(1)
    raw = array.reshape(-1).view(np.uint8)
    words = raw[: raw.size // 8 * 8].view(np.uint64)
    rows = words.size // _WORDS
    whole = np.einsum("ij,j->i", words[: rows * _WORDS].reshape(rows, _WORDS), _weights)
    rest = words[rows * _WORDS :]
    return whole.tobytes(), int(np.einsum("i,i->", rest, _weights[: rest.size])), raw[words.size * 8 :].tobytes()


def changed(array: Any, seen: dict[int, bool]) -> bool:
    """Has a saved array with a print been written to? ``seen`` keeps the answers for one pass."""
    key = id(array)
    if key not in prints:
        return False
    if key not in seen:
        seen[key] = fingerprint(array) != prints[key].value
    return seen[key]


def settle(oldest: int) -> None:
    """Mark the memories that were written to through arrays handed out after ``oldest``, the number of a node."""
    if _level.get() == "off":
        return
    for memory in list(lent.values()):
        for alias in list(memory.aliases.values()):
            if alias.print is not None and alias.seq > oldest:
                _settle(alias)


def _settle(alias: Alias) -> None:
    if alias.print is None:
        return
    past = versions.history(alias.region)
    if past is not None and past.last[-1].seq > alias.seq:  # what was saved before is known to be stale
        alias.print = None
    elif fingerprint(alias.region) != alias.print:
        alias.print = None
        versions.unseen(alias.region, UNSEEN, alias.seq)


# -- a write that a lock refuses


class Given(np.ndarray):
    """An array handed out under "lock": where a write is refused, it says for whose sake."""

    def __setitem__(self, key: Any, value: Any) -> None:
        _telling((self,), super().__setitem__, key, value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out", ())
        if out:
            kwargs["out"] = tuple([_plain(o) for o in out])
        back = _telling((*inputs, *out), getattr(ufunc, method), *[_plain(x) for x in inputs], **kwargs)
        return out[0] if len(out) == 1 else back

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _telling((*args, *kwargs.values()), super().__array_function__, func, types, args, kwargs)


def _plain(array: Any) -> Any:
    return array.view(np.ndarray) if type(array) is Given else array


def _method(name: str) -> Any:
    plain = getattr(np.ndarray, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _telling((self,), plain, self, *args, **kwargs)

    method.__name__ = name
    return method


for _name in ("byteswap", "fill", "partition", "put", "setfield", "sort"):
    setattr(Given, _name, _method(_name))


def _telling(arrays: tuple[Any, ...], fn: Any, *args: Any, **kwargs: Any) -> Any:
    """Call ``fn``, which may write to ``arrays``; where NumPy refuses, add to its words."""
    try:
        return fn(*args, **kwargs)
    except ValueError as error:
        _add_reason(error, arrays)
        raise


def _explained(error: ValueError, at: TracebackType) -> None:
    """Add to the words of an error that leaves the context of a guard, by the arrays that the failing frame knows."""
    while at.tb_next is not None:
        at = at.tb_next
    found: list[Any] = []
    for _, thing in variables(at.tb_frame):
        if isinstance(thing, (list, tuple)):
            found += thing
        elif isinstance(thing, dict):
            found += thing.values()
        else:
            found += [thing, *getattr(thing, "__dict__", {}).values()]
    _add_reason(error, tuple(found))


def _add_reason(error: ValueError, arrays: tuple[Any, ...]) -> None:
    text = str(error)
    if not text.endswith("read-only"):
        return
    for array in arrays:
        if isinstance(array, np.ndarray) and not array.flags.writeable and (why := explain_write(array)):
            error.args = (f"{text}: {why}",)
            return


def explain_write(array: Any) -> str:
    """Which ops have saved the memory of a NumPy array for a backward, and where; empty if none has.

    >>> n = np.ones(2)
    >>> w = rg.ones(2, requires_grad=True)
    >>> y = (w * rg.from_numpy(n)).sum()
    >>> rg.graph.explain_write(n)
    "its memory was saved for backward by 'mul' at ...: write after the backward, or to a copy"
    """
    nodes = sorted(_savers(array), key=lambda node: node.seq)
    if not nodes:
        return ""
    named = ", ".join(f"{node.op!r} at {node.made_at}" for node in nodes[:3])
    more = f" and {len(nodes) - 3} more" if len(nodes) > 3 else ""
    return f"its memory was saved for backward by {named}{more}: write after the backward, or to a copy"


def _savers(array: Any) -> list[Any]:
    """The live nodes that have saved the memory of ``array``."""
    from regrad.graph import lifetime, slots

    owner = root(array)
    return [n for n in lifetime.live_nodes() if any(root(a) is owner for _, _, a in slots.entries(n))]
