"""Who keeps a tensor or its graph alive: `who_holds`, chains from something with a name down to the tensor.

Variables of running functions are read off their frames; everything else is found by going up from the tensor, one
level of holders at a time, through what the garbage collector knows of every container (it need not be enabled). Nodes
hold nodes by the hundred thousand, so that this part is solved apart: `_Heap.above` finds, in one sweep over the live
nodes, all those from which a node can be reached. Start reading at `search`.
"""

from __future__ import annotations

import functools
import gc
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from types import (
    AsyncGeneratorType,
    CellType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
    TracebackType,
)  # fmt: skip
from typing import Any, NamedTuple

from regrad.graph.lifetime import live_nodes
from regrad.graph.node import Extra, Handle, Leaf, Node, Output, node_of
from regrad.graph.provenance import Place, outer, variables
from regrad.graph.value import Value

__all__ = ["Chain", "Holders", "search", "who_holds"]

_LEVELS = 16  # so far from the tensor a holder is looked for
_GENERATORS = (GeneratorType, CoroutineType, AsyncGeneratorType)
_NOTEBOOK = ("Out", "_oh")  # where IPython keeps what cells returned; _1, _2, ... are the same


class Chain(NamedTuple):
    """One way in which something is kept alive.

    ``kind``    what holds it: "local variable", "global variable", "class attribute", "attribute", "list", "tuple",
                "set", "dict", "notebook output", "closure", "hook closure", "default argument", "exception
                traceback", "generator" or "object"
    ``name``    the holder as one would write it: ``kept[3]``, ``trainer.last``, ``Out[2]``
    ``owner``   the variable that the chain starts from and whose it is: "local variable 'kept' of train()"
    ``place``   file and line: where that function is now; for a global, the module's file
    ``steps``   every step from the owner to the tensor, in words
    ``cycle``   nothing with a name leads here: it holds itself, and dies only when the garbage collector runs
    """

    kind: str
    name: str
    owner: str
    place: Place | None
    steps: tuple[str, ...]
    cycle: bool = False

    def __str__(self) -> str:
        head = "a reference cycle" if self.cycle else f"{self.owner}{f' at {self.place}' if self.place else ''}"
        kind = "" if self.kind in self.owner else f"{self.kind} {self.name}: "
        return kind + " -> ".join([head, *self.steps])


class Holders(list[Chain]):
    """The chains that hold one tensor, the shortest first."""

    def __repr__(self) -> str:
        return "\n".join(map(str, self)) if self else "nobody with a name holds it"


def who_holds(thing: Any, limit: int = 8) -> Holders:
    """What keeps a tensor or its graph alive: chains from named holders, the shortest first.

    ``thing``  a tensor, a node (``t.grad_fn``), or a weak reference to one, which does not hold it itself

    Found are variables of running functions in all threads, globals, attributes, containers, closures (such as those
    of hooks), generators, and the frames that an exception's traceback keeps. A tensor computed from ``thing`` holds
    its graph, and so counts as a holder.

    >>> class Trainer: pass
    >>> trainer = Trainer()
    >>> trainer.history = [rg.ones(2, requires_grad=True).exp()]
    >>> chain, = rg.graph.who_holds(trainer.history[0].grad_fn)
    >>> chain.kind, chain.name
    ('list', 'trainer.history[0]')
    """
    target = thing() if isinstance(thing, weakref.ref) else thing
    if target is None:
        return Holders()
    if not isinstance(target, (Value, Node)):
        raise TypeError(
            f"rg.graph.who_holds: expected a tensor, a node or a weak reference to one, got {type(target).__name__}"
        )
    (found,) = search([target], limit)
    return found


def search(targets: list[Any], limit: int = 8) -> list[Holders]:
    """`who_holds` of several things at once."""
    heap = _Heap(sys._getframe(1))
    try:
        for target in targets:
            heap.start(target)
        heap.climb()
        return [heap.chains(target, limit) for target in targets]
    finally:
        heap.close()


class _Variable(NamedTuple):
    """A variable that holds something: the start of a chain."""

    kind: str
    name: str
    of: str
    place: Place | None


class _Heap:
    """All that the collector knows of, and who holds whom above the things asked for."""

    def __init__(self, frame: FrameType) -> None:
        self.variables: dict[int, list[_Variable]] = {}
        # Before all objects are listed: what only its frame holds is told by its count of references.
        for where in _running_frames(outer(frame)):
            for name, value in _locals(where):
                self.variables.setdefault(id(value), []).append(_variable(where, name))
        self.nodes = list(live_nodes())
        plain = [n for n in self.nodes if n.extra is None and not n.plan.op.custom]
        dull = {id(n.edges) for n in self.nodes}
        dull.update(id(n.saved) for n in plain)
        dull.update(map(id, plain))
        running = set()
        at: FrameType | None = frame
        while at is not None:
            running.add(id(at))
            at = at.f_back
        dull.update(running, (id(self.nodes), id(plain), id(dull)))
        self.objects = [o for o in gc.get_objects() if id(o) not in dull]
        self.things: dict[int, Any] = {}  # id -> a thing that holds something asked for, or is asked for
        self.holders: dict[int, list[Any]] = {}  # id -> what holds that thing, but for nodes by edges
        self.above: dict[int, dict[int, tuple[Node, Node]]] = {}  # id of a node -> those that lead to it
        self.fresh: list[Any] = []
        self.own = {id(p) for p in (self.objects, self.variables, self.things, self.holders, self.above, self.fresh)}

    def start(self, thing: Any) -> None:
        """Look for the holders of ``thing``; of a computed tensor, also of its node."""
        for each in _with_node(thing):
            self._meet(each)

    def close(self) -> None:
        """Let go of everything: the list of all objects has this one in it."""
        for part in (self.nodes, self.objects, self.variables, self.things, self.holders, self.above, self.fresh):
            part.clear()

    def _meet(self, thing: Any) -> None:
        if id(thing) not in self.things:
            self.things[id(thing)] = thing
            self.fresh.append(thing)

    def climb(self) -> None:
        """Go up level by level, until nothing new is found."""
        for _ in range(_LEVELS):
            front = {id(t) for t in self.fresh if not _ends(t)}
            for node in self.fresh:
                if isinstance(node, Node):
                    leading = self.above[id(node)] = self._leading_to(node)
                    front.update(leading)
            self.fresh = []
            if not front:
                return
            disjoint, get = front.isdisjoint, gc.get_referents
            for o in self.objects:
                held = get(o)
                if disjoint(map(id, held)) or id(o) in self.own:
                    continue
                for h in held:
                    if id(h) in front and h is not o and not any(o is k for k in self.holders.get(id(h), ())):
                        self.holders.setdefault(id(h), []).append(o)
                self._meet(o)

    def _leading_to(self, node: Node) -> dict[int, tuple[Node, Node]]:
        """The nodes from which ``node`` can be reached, the nearest first: id -> (node, the next one down)."""
        self.nodes.sort(key=lambda n: n.seq)
        leading: dict[int, tuple[Node, Node]] = {id(node): (node, node)}
        for upper in self.nodes:
            if upper.seq <= node.seq:
                continue
            for edge in upper.edges:
                lower = node_of(edge)
                if id(lower) in leading:
                    leading[id(upper)] = upper, lower
                    break
        del leading[id(node)]
        return leading

    def chains(self, target: Any, limit: int) -> Holders:
        """The chains down to ``target``, the shortest first; of several through the same holder, the first."""
        came: dict[int, Any] = {}  # what each thing was reached from
        queue: deque[Any] = deque()
        for each in _with_node(target):
            came[id(each)] = target if each is not target else None
            queue.append(each)
        found = Holders()
        seen: set[Any] = set()
        last = target
        while queue and len(found) < limit:
            thing = queue.popleft()
            for variable in self._variables_of(thing):
                path = self._path(thing, came)
                key = _nearest(path) or variable
                if key not in seen:
                    seen.add(key)
                    found.append(_told(variable, path))
            if _ends(thing):
                continue
            above = self.above.get(id(thing), {})
            for key in above:
                if key in self.holders or key in self.variables:
                    upper = above[key][0]
                    if key not in came:
                        came[key] = thing
                        queue.append(upper)
            for holder in self.holders.get(id(thing), ()):
                if id(holder) not in came:
                    came[id(holder)] = thing
                    queue.append(holder)
                    last = holder
        if not found and last is not target:
            path = self._path(self._named(came) or last, came)
            if len(path) > 1:
                found.append(_told(None, path))
        return found

    def _named(self, came: dict[int, Any]) -> Any:
        """Of a cycle: the node whose hook closes it, else the nearest function or frame."""
        things = [t for t in map(self.things.get, came) if t is not None]
        hooked = next((t for t in things if isinstance(t, Node) and t.extra is not None and id(t.extra) in came), None)
        return hooked or next((t for t in things if isinstance(t, (FunctionType, FrameType, *_GENERATORS))), None)

    def _path(self, thing: Any, came: dict[int, Any]) -> list[Any]:
        """From ``thing`` down to the target."""
        path = [thing]
        while (down := came[id(path[-1])]) is not None:
            above = self.above.get(id(down), {})
            while id(path[-1]) in above and above[id(path[-1])][1] is not down:
                path.append(above[id(path[-1])][1])
            path.append(down)
        return path

    def _variables_of(self, thing: Any) -> Iterator[_Variable]:
        yield from self.variables.get(id(thing), ())
        if isinstance(thing, type):
            yield _Variable("class", thing.__qualname__, "", None)
        elif _is_globals(thing):
            yield _Variable("module", str(thing.get("__name__", "?")), "", _module_place(thing))


def _ends(thing: Any) -> bool:
    """Is it of no use to ask who holds this: a module's variables, a class, a module?"""
    return isinstance(thing, (type, ModuleType)) or _is_globals(thing)


def _with_node(thing: Any) -> list[Any]:
    """``thing`` and, if it is a computed tensor, its edge and its node."""
    if not isinstance(thing, Value) or type(thing.edge) not in (Node, Output):
        return [thing]
    return [thing, thing.edge, thing.edge.node] if type(thing.edge) is Output else [thing, thing.edge]


def _nearest(path: list[Any]) -> int:
    """What tells the chain down ``path`` from others: the last holder in it that is neither a node nor the target."""
    last = len(path) - 1
    while last > 0 and isinstance(path[last], (Node, Output)):
        last -= 1
    if isinstance(path[last], Value):  # the target, or the tensor that holds its graph: whoever holds that one
        last -= 1
    return id(path[last]) if last >= 0 else 0


def _is_globals(thing: Any) -> bool:
    return type(thing) is dict and "__name__" in thing and ("__builtins__" in thing or "__spec__" in thing)


def _module_place(space: dict[str, Any]) -> Place | None:
    file = space.get("__file__")
    return Place(file, 1) if isinstance(file, str) else None


# -- frames


def _running_frames(frame: FrameType) -> list[FrameType]:
    """The frames of all threads, this one's from ``frame`` outwards."""
    tops = [f for ident, f in sys._current_frames().items() if ident != threading.get_ident()]
    found: list[FrameType] = []
    for top in [frame, *tops]:
        at: FrameType | None = top
        while at is not None:
            found.append(at)
            at = at.f_back
    return found


def _locals(frame: FrameType) -> list[tuple[str, Any]]:
    """The variables of a function's frame; those of a module or a class body are in a dictionary of their own."""
    return variables(frame) if frame.f_code.co_flags & 1 else []


def _variable(frame: FrameType, name: str) -> _Variable:
    code = frame.f_code
    return _Variable("local variable", name, _title(code), Place(code.co_filename, frame.f_lineno or 0))


def _title(code: CodeType) -> str:
    return f"{getattr(code, 'co_qualname', code.co_name)}()".replace("<locals>.", "")


# -- words


def _told(variable: _Variable | None, path: list[Any]) -> Chain:
    """The chain down ``path``, from what the variable holds to the thing asked for."""
    place = None
    expression = kind = owner = ""
    at = 0
    if variable is not None:
        place = variable.place
        if variable.kind == "module":
            key = _key_of(path[0], path[1])
            expression, kind, owner = key, "global variable", f"global variable {key!r} of {variable.name}"
            at = 1
        elif variable.kind == "class":
            at = 2 if type(path[1]) is dict and len(path) > 2 else 1
            key = _key_of(path[1], path[2]) if at == 2 else _slot_of(path[0], path[1])
            expression, kind = f"{variable.name}.{key}", "class attribute"
            owner = f"class attribute {expression}"
        else:
            expression, kind = variable.name, variable.kind
            owner = f"{kind} {variable.name!r} of {variable.of}"
    steps: list[str] = []
    base, expressed = expression, expression
    while at < len(path) - 1:
        step = _step(path, at)
        at += step.length
        if step.kind:
            kind = step.kind
        if step.text.startswith((".", "[")) and expression:
            expression += step.text
            continue
        if expression != expressed:
            steps.append(expression)
            expressed = expression
        if step.text:
            steps.append(step.text)
        if step.name:
            expression = expressed = step.name
    if expression not in (expressed, base):
        steps.append(expression)
    root_name = base.partition("[")[0].partition(".")[0]
    if kind == "dict" and (root_name in _NOTEBOOK or _kept_by_notebook(root_name)):
        kind = "notebook output"
    if kind == "global variable" and _kept_by_notebook(base):
        kind = "notebook output"
    if kind == "closure" and any(isinstance(t, (Extra, Leaf, Handle)) for t in path):
        kind = "hook closure"
    return Chain(kind or "object", expression, owner, place, tuple(steps), variable is None)


def _kept_by_notebook(name: str) -> bool:
    return name.startswith("_") and (name.strip("_") == "" or name[1:].isdigit())


class _Step(NamedTuple):
    """One step down: its words, how many things of the path it covers, the holder's kind, a new name if it has one."""

    text: str
    length: int = 1
    kind: str = ""
    name: str = ""


def _step(path: list[Any], at: int) -> _Step:
    """The step from ``path[at]`` down."""
    up, down = path[at], path[at + 1]
    if isinstance(up, Value):
        return _from_tensor(up, down, path, at)
    if isinstance(up, Node):
        return _from_node(up, path, at)
    if isinstance(up, (Leaf, Extra)):
        return _to_hook(path, at, "a hook")
    if isinstance(up, Output):
        return _Step("")
    for types, step in _STEPS:
        if isinstance(up, types):
            return step(up, down, path, at)
    if isinstance(up, tuple) and hasattr(up, "_fields"):
        k = next((k for k, v in enumerate(up) if v is down), 0)
        return _Step(f".{up._fields[k]}", kind="attribute")
    if isinstance(up, (list, tuple, deque)):
        k = next((k for k, v in enumerate(up) if v is down), 0)
        return _Step(f"[{k}]", kind="tuple" if isinstance(up, tuple) else "list")
    if isinstance(up, (set, frozenset)):
        return _Step("an element of a set", kind="set")
    if isinstance(up, dict):
        return _Step(f"[{_key_of(up, down)!r}]" if not _is_quoted(up, down) else f"[{_key_of(up, down)}]", kind="dict")
    own = getattr(up, "__dict__", None)
    if own is down and at + 2 < len(path):
        return _Step(f".{_key_of(own, path[at + 2])}", 2, "attribute")
    name = _slot_of(up, down)
    return _Step(f".{name}", kind="attribute") if name else _Step(f"inside a {type(up).__name__}", kind="object")


def _is_quoted(holder: dict[Any, Any], held: Any) -> bool:
    return not any(v is held and isinstance(k, str) for k, v in holder.items())


def _key_of(holder: dict[Any, Any], held: Any) -> str:
    for key, value in list(holder.items()):
        if value is held:
            return key if isinstance(key, str) else repr(key)
        if key is held:
            return "a key"
    return "?"


def _slot_of(up: Any, down: Any) -> str:
    """The attribute of ``up`` that is ``down``; empty if none is."""
    own = getattr(up, "__dict__", None)
    if isinstance(own, dict):
        for key, value in list(own.items()):
            if value is down:
                return str(key)
    for cls in type(up).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            try:
                if cls.__dict__[name].__get__(up) is down:
                    return str(name)
            except (AttributeError, KeyError, TypeError):
                continue
    return ""


def _from_tensor(up: Value, down: Any, path: list[Any], at: int) -> _Step:
    if type(down) in (Node, Output):
        length = 2 if type(down) is Output and at + 2 < len(path) else 1
        node = node_of(down)
        return _Step(f"result of {node.op!r} made at {node.made_at}", length)
    if type(down) is Leaf:
        hook = _to_hook(path, at + 1, "a hook on it")
        return hook._replace(length=hook.length + 1)
    own = getattr(up, "__dict__", None)
    if own is down and at + 2 < len(path):
        return _Step(f".{_key_of(own, path[at + 2])}", 2, "attribute")
    name = _slot_of(up, down)
    return _Step({"_grad": ".grad"}.get(name, f".{name}" if name else "a tensor's inside"), kind="attribute")


def _from_node(up: Node, path: list[Any], at: int) -> _Step:
    down = path[at + 1]
    if not isinstance(down, Node):
        return _to_hook(path, at, f"a hook or a kept value of {up.op!r} made at {up.made_at}")
    end = at + 1
    while end + 1 < len(path) and isinstance(path[end + 1], Node):
        end += 1
    last = path[end]
    count = end - at
    return _Step(f"{count} node{'s' if count > 1 else ''} down: {last.op!r} made at {last.made_at}", count)


def _to_hook(path: list[Any], at: int, text: str) -> _Step:
    """From what carries hooks straight to the hook."""
    end = at + 1
    while end < len(path) - 1 and isinstance(path[end], (dict, Extra, Leaf)):
        end += 1
    return _Step(text, end - at)


def _from_function(up: FunctionType, down: Any, path: list[Any], at: int) -> _Step:
    where = f"{_title(up.__code__)} at {up.__code__.co_filename}:{up.__code__.co_firstlineno}"
    if up.__closure__ is not None and down is up.__closure__ and at + 2 < len(path):
        k = next((k for k, cell in enumerate(up.__closure__) if cell is path[at + 2]), 0)
        name = up.__code__.co_freevars[k]
        return _Step(f"closure variable {name!r} of {where}", min(3, len(path) - 1 - at), "closure", name)
    defaults = up.__defaults__
    if defaults is not None and down is defaults and at + 2 < len(path):
        k = next((k for k, v in enumerate(defaults) if v is path[at + 2]), 0)
        name = up.__code__.co_varnames[up.__code__.co_argcount - len(defaults) + k]
        return _Step(f"default of the argument {name!r} of {where}", 2, "default argument", name)
    return _Step(f"an attribute of {where}", 1, "attribute")


def _from_partial(up: Any, down: Any, path: list[Any], at: int) -> _Step:
    return _Step(".args" if down is up.args else ".keywords" if down is up.keywords else ".func", 1, "attribute")


def _from_frame(up: FrameType, down: Any, path: list[Any], at: int) -> _Step:
    name = next((n for n, v in _locals(up) if v is down), "?")
    place = f"{up.f_code.co_filename}:{up.f_lineno}"
    text = f"local variable {name!r} of {_title(up.f_code)} at {place}, whose frame the traceback keeps"
    return _Step(text, 1, "exception traceback", name)


def _from_traceback(up: TracebackType, down: Any, path: list[Any], at: int) -> _Step:
    end = at
    while end < len(path) - 1 and isinstance(path[end], TracebackType):
        end += 1
    return _Step("", end - at)


def _from_exception(up: BaseException, down: Any, path: list[Any], at: int) -> _Step:
    if isinstance(down, TracebackType):
        return _Step(f"the traceback of a {type(up).__name__}", 1, "exception traceback")
    for name in ("__context__", "__cause__"):
        if getattr(up, name) is down:
            return _Step(f".{name}", 1, "exception traceback")
    own = vars(up) if hasattr(up, "__dict__") else None
    if own is down and at + 2 < len(path):
        return _Step(f".{_key_of(own, path[at + 2])}", 2, "attribute")
    return _Step(".args" if up.args is down else f".{_slot_of(up, down) or 'args'}", 1, "attribute")


def _from_generator(up: Any, down: Any, path: list[Any], at: int) -> _Step:
    frame = getattr(up, "gi_frame", None) or getattr(up, "cr_frame", None) or getattr(up, "ag_frame", None)
    length = 2 if down is frame and at + 2 < len(path) else 1  # Python 3.10 has the frame in between
    held = path[at + length]
    name = "?" if frame is None else next((n for n, v in _locals(frame) if v is held), "?")
    title = type(up).__name__ if frame is None else _title(frame.f_code)
    return _Step(f"local variable {name!r} of the suspended {title}", length, "generator", name)


def _from_method(up: MethodType, down: Any, path: list[Any], at: int) -> _Step:
    return _Step(f"the object of the bound method {up.__name__}" if down is up.__self__ else "a bound method")


def _from_cell(up: CellType, down: Any, path: list[Any], at: int) -> _Step:
    return _Step("a closure", 1, "closure")


_STEPS: list[tuple[Any, Callable[[Any, Any, list[Any], int], _Step]]] = [
    (FunctionType, _from_function),
    (FrameType, _from_frame),
    (TracebackType, _from_traceback),
    (BaseException, _from_exception),
    (_GENERATORS, _from_generator),
    (MethodType, _from_method),
    (functools.partial, _from_partial),
    (CellType, _from_cell),
]
