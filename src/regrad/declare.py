"""How an op is declared: derivative, shape rule, docstring and forward in one paragraph.

    @elementwise(a=lambda g, b: g / b,
                 b=lambda g, b, out: -g * out / b)
    def div(a, b):
        "Quotient of each pair of elements."
        return kernels.div(a, b)

One rule per argument, the cotangent ``g`` first. The other parameter names say what is saved: an argument, ``out``
(or a name from ``outs=``), ``x_shape`` (the shape of argument ``x`` alone); keyword-only names are the op's own
parameters. A rule uses operators, sibling ops and Python numbers, so that the same text serves arrays (fast) and
tensors (recorded). The kind says how a tangent goes through: `elementwise`, the same rule fed the tangent; `linear`
in each ruled argument, the op itself; `general`, ``jvp=`` if given, else the transpose of the VJP.

Everything is decided at declaration: names are checked, a caller is written for the op's signature, and a `Plan`
(which slots, which rules) is made per set of arguments that need a gradient, on first use. Start reading at `Op`,
then `_CALLER` (the per-op path) and `general_call` (everything the per-op path leaves out).
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from regrad import dtypes, shapes
from regrad.errors import DtypeError, ShapeError
from regrad.graph import sharing
from regrad.graph.lifetime import note_nan
from regrad.graph.modes import MODE, RECORD, SILENT, mode
from regrad.graph.node import Leaf, Node, Output, Plan, tick
from regrad.graph.observers import drops, holds, observers, use_callers
from regrad.graph.provenance import inside, outer, site
from regrad.graph.quiet import QUIET, quiet_reset, quiet_set
from regrad.graph.slots import Dual
from regrad.graph.value import SPENT, Meta, Value, View, use_box, wrap

__all__ = ["OPS", "Op", "elementwise", "general", "general_call", "linear", "refresh", "use_tensor"]

OPS: dict[str, Op] = {}
_LOCALS = re.compile("[tnmdfcq]|[xe][0-9]+|op|plans|forward|shared|every|lent|note")  # names in the text `_CALLER`
_ROOT = __file__


class Op:
    """One declared op.

    ``name``, ``grad_name``  such as ``mul`` and ``MulBackward0``
    ``args``      names of the array arguments; ``many``: the last one takes any number of arrays
    ``params``    names of the keyword parameters
    ``rules``     argument name -> derivative rule
    ``outs``      names of the results that rules may ask for; ``diff``: numbers of the differentiable ones
                  (None: there is one result), ``visible``: how many of them a caller gets
    ``policy``    how dtypes are unified: "promote", "float", "bool" (promote the inputs, the result is boolean), None
    ``promoted``  numbers of the arguments that the policy concerns
    ``broadcast`` inputs may be broadcast against each other, so the engine sums pieces back
    ``viewing``   the result shares the first argument's memory
    ``several``   the forward returns a list of arrays, each a differentiable result; rules get ``g`` as a list
    ``shape``     shape rule: input shapes and parameters -> result shape(s), without running a kernel
    ``refuse``    (dtype kinds, why): tensors of these kinds are refused
    ``once``      a consumed node may not be visited again although it saved nothing
    ``conjugate`` for complex numbers the engine conjugates around the rule; False: the rule does it itself
    """

    __slots__ = (
        "args",
        "broadcast",
        "caller",
        "conjugate",
        "custom",
        "defaults",
        "diff",
        "forward",
        "grad_name",
        "jvp",
        "kind",
        "many",
        "module",
        "name",
        "once",
        "outs",
        "params",
        "plans",
        "plans_complex",
        "policy",
        "promoted",
        "quiet",
        "refuse",
        "rules",
        "several",
        "shape",
        "viewing",
        "visible",
    )

    caller: Callable[..., Any]

    def __init__(self, kind: str, forward: Callable[..., Any], options: dict[str, Any]) -> None:
        code = forward.__code__
        self.kind = kind
        self.name = options.pop("name", forward.__name__.rstrip("_"))
        self.module = forward.__module__
        count = code.co_argcount
        self.args = code.co_varnames[:count]
        self.params = code.co_varnames[count : count + code.co_kwonlyargcount]
        self.many = bool(code.co_flags & 0x04)
        if self.many:
            self.args += (code.co_varnames[count + code.co_kwonlyargcount],)
        self.defaults = forward.__kwdefaults__ or {}
        title = options.pop("grad_name", None)
        self.grad_name = title or "".join(w.capitalize() for w in self.name.split("_")) + "Backward0"
        self.forward = options.pop("kernel", None) or forward
        self.shape = options.pop("shape", shapes.broadcast if kind == "elementwise" else None)
        self.jvp = options.pop("jvp", None)
        self.outs = options.pop("outs", ("out",))
        self.visible = options.pop("visible", len(self.outs))
        diff = options.pop("diff", tuple(range(len(self.outs))))
        self.diff = None if self.outs == ("out",) else diff
        self.policy = options.pop("dtype", "promote" if kind == "elementwise" else None)
        self.broadcast = options.pop("broadcast", kind == "elementwise" and count > 1)
        self.viewing = options.pop("view", False)
        self.several = options.pop("several", False)
        self.conjugate = options.pop("conjugate", True)
        self.quiet = options.pop("quiet", not self.viewing)
        promoted = options.pop("promote", self.args if self.policy else ())
        self.promoted = tuple(self.args.index(n) for n in promoted)
        self.refuse = options.pop("refuse", None)
        self.once = options.pop("once", False)
        self.custom: Any = False
        self.rules = options
        self.plans: list[Plan | None] = [None] * (2 if self.many else 1 << len(self.args))
        self.plans_complex: list[Plan | None] = list(self.plans)
        written = () if not _has_own_text(self) else (*_renamed(self), *self.params)
        for name in written:
            if _LOCALS.fullmatch(name):
                raise TypeError(f"{self.name}: the name {name!r} is taken in the text of callers; choose another")
        for arg, rule in self.rules.items():
            if arg not in self.args:
                raise TypeError(
                    f"{self.name}: a rule for {arg!r}, but the arguments are {', '.join(self.args)}"
                )
            self._check_rule(arg, rule)
        if kind != "elementwise" and self.shape is None:
            raise TypeError(f"{self.name}: a {kind} op needs shape=, the rule for the shape of its result")

    def _check_rule(self, arg: str, rule: Callable[..., Any]) -> None:
        first, names, keywords = _names_of(rule)
        if first != "g":
            raise TypeError(
                f"{self.name}: the rule for {arg!r} must take the cotangent `g` first, not {first!r}"
            )
        for name in names:
            self._source(name)
        for name in keywords:
            if name not in self.params:
                raise TypeError(
                    f"{self.name}: the rule for {arg!r} asks for the parameter {name!r}; the op has "
                    f"{', '.join(self.params) or 'none'}"
                )

    def _source(self, name: str) -> tuple[str, int]:
        """Where a rule's parameter comes from."""
        if name in self.args:
            return "in", self.args.index(name)
        if name in self.outs:
            return "out", self.outs.index(name)
        if name.endswith("_shape") and name[:-6] in self.args:
            return "meta", self.args.index(name[:-6])
        raise TypeError(
            f"{self.name}: a rule asks for {name!r}, which is no argument, no result and no"
            " `<argument>_shape`"
        )

    def plan(self, mask: int, is_complex: bool = False) -> Plan:
        """The plan for the inputs in ``mask``, made on first use."""
        plans = self.plans_complex if is_complex and self.conjugate else self.plans
        found = plans[mask]
        if found is None:
            found = plans[mask] = self._make_plan(mask, plans is self.plans_complex)
        return found

    def _make_plan(self, mask: int, conjugating: bool) -> Plan:
        ruled = [i for i, a in enumerate(self.args) if a in self.rules and (self.many or mask >> i & 1)]
        slots: list[str] = []
        readers: dict[str, list[int]] = {}
        for i in ruled:
            for name in _names_of(self.rules[self.args[i]])[1]:
                if name not in readers:
                    slots.append(name)
                readers.setdefault(name, []).append(i)

        def narrow(some: int) -> tuple[Callable[..., Any], tuple[int, ...] | None]:
            if some not in cache:
                chosen = [i for i in ruled if some >> i & 1]
                rules = [self.rules[self.args[i]] for i in chosen]
                cache[some] = _make_pull(rules, slots, conjugating), tuple(chosen)
            return cache[some]

        cache: dict[int, tuple[Callable[..., Any], tuple[int, ...] | None]] = {}
        sources = tuple(self._source(s) for s in slots)
        held = tuple(s for s, (kind, _) in zip(slots, sources, strict=True))
        if self.many:
            pull, targets = (
                _make_pull([self.rules[self.args[i]] for i in ruled], slots, conjugating, spread=True),
                None,
            )
        else:
            pull, targets = narrow(mask)
        reads = tuple(() if self.many else tuple(readers[s]) for s in slots)
        return Plan(self, mask, held, reads, sources, pull, targets, narrow)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


def _names_of(rule: Callable[..., Any]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """(first parameter, further positional ones, keyword-only ones) of a rule."""
    code = rule.__code__
    names = code.co_varnames
    count = code.co_argcount
    return names[0] if count else "", names[1:count], names[count : count + code.co_kwonlyargcount]


_pulls: dict[str, Callable[..., Any]] = {}


def _make_pull(
    rules: Sequence[Any], slots: list[str], conjugating: bool, spread: bool = False
) -> Callable[..., Any]:
    """Write ``pull(g, s, p)``, which calls each rule with the slots and parameters that it names.

    The text depends on the pattern of names only, so few texts are ever compiled.
    """
    calls = []
    for k, rule in enumerate(rules):
        _, names, keywords = _names_of(rule)
        given = [f"s[{slots.index(n)}]" for n in names] + [f"{n}=p[{n!r}]" for n in keywords]
        calls.append(f"r{k}({', '.join(['g', *given])})")
    body = calls[0] if spread else f"({', '.join(calls)},)"
    heads = ", ".join(f"r{k}" for k in range(len(rules)))
    text = f"def make({heads}):\n    def pull(g, s, p):\n        return {body}\n    return pull\n"
    if text not in _pulls:
        space: dict[str, Any] = {}
        exec(compile(text, f"{_ROOT}<pull>", "exec"), space)
        _pulls[text] = space["make"]
    pull: Callable[..., Any] = _pulls[text](*rules)
    return _conjugated(pull) if conjugating else pull


def _conjugated(pull: Callable[..., Any]) -> Callable[..., Any]:
    """``pull`` for complex numbers: rules are written as ``g`` times the derivative, gradients want its conjugate."""

    def conj(g: Any) -> Any:
        if g is None:
            return None
        return [conj(e) for e in g] if type(g) is list else g.conj()

    def complex_pull(g: Any, s: Any, p: Any) -> Any:
        return tuple(conj(piece) for piece in pull(conj(g), s, p))

    return complex_pull


# -- the per-op path

F4, F8 = np.dtype("f4"), np.dtype("f8")
_new = object.__new__
BARRED = object()  # the edge of a tensor made in inference mode

# One text per signature; `op`, `forward` and `plans` are the op's, the rest is shared. Kept flat and repetitive on
# purpose: this is what every recorded op runs.
_CALLER = """
def make(op, forward, plans):
    def {name}({signature}):
{unwrap}
        m = mode()
        if m is not RECORD and m is not SILENT:
            return general_call(op, ({args},), {{{params}}})
        {guard}try:
            out = forward({arrays}{keywords})
        except ValueError:
            return general_call(op, ({args},), {{{params}}})
{unguard}
        t = new(Box)
        t.array = out if type(out) is ndarray else asarray(out)
        t._grad = t.meta = None
        t._view = {view}
        if m is SILENT or ({no_edges}):
            t.edge = None
            return t
        n = new(Node)
{choose}
        n.edges = ({edges},)
        n.params = {node_params}
        n.shapes = {shapes}
        n.extra = None
        f = getframe(1)
        c = f.f_code
        if inside[c.co_filename]:
            f = outer(f)
            c = f.f_code
        n.code = c
        n.lasti = f.f_lasti
        n.seq = tick()
        t.edge = n
        return t
    return {name}
"""

_UNWRAP_FIRST = """        if not isinstance({a}, Value):
            if type({a}) is ndarray{others_are_arrays}:
                return forward({names}{keywords})
            return general_call(op, ({args},), {{{params}}})
        x0 = {a}.array
        d = x0.dtype
        if d is not F4 and d is not F8:
            return general_call(op, ({args},), {{{params}}})
        e0 = {a}.edge
        if {a}._view is not None:
            e0 = refresh({a})
            if e0 is BARRED:
                return general_call(op, ({args},), {{{params}}})
"""
_UNWRAP_RULED = """        if isinstance({a}, Value):
            x{i} = {a}.array
            if x{i}.dtype is not d:
                return general_call(op, ({args},), {{{params}}})
            e{i} = {a}.edge
            if {a}._view is not None:
                e{i} = refresh({a})
                if e{i} is BARRED:
                    return general_call(op, ({args},), {{{params}}})
        {scalar}else:
            return general_call(op, ({args},), {{{params}}})
"""
_SCALAR = """elif type({a}) is float or type({a}) is int:
            x{i} = {a}
            e{i} = None
        """
_UNWRAP_FREE = """        x{i} = {a}.array if isinstance({a}, Value) else {a}
        if x{i} is {a} and type(x{i}) is ndarray:
            return general_call(op, ({args},), {{{params}}})
        e{i} = None
"""

_space: dict[str, Any] = {
    "Value": Value,
    "ndarray": np.ndarray,
    "asarray": np.asarray,
    "F4": F4,
    "F8": F8,
    "mode": mode,
    "RECORD": RECORD,
    "SILENT": SILENT,
    "Box": Value,
    "new": _new,
    "Node": Node,
    "getframe": sys._getframe,
    "inside": inside,
    "outer": outer,
    "tick": tick,
    "QUIET": QUIET,
    "quiet_set": quiet_set,
    "quiet_reset": quiet_reset,
    "BARRED": BARRED,
}
_callers: dict[str, Callable[..., Any]] = {}

# The ops of which training loops run most: their callers are written at import, for their very signature.
HOT = frozenset(
    (
        "add",
        "sub",
        "mul",
        "div",
        "neg",
        "exp",
        "log",
        "sqrt",
        "tanh",
        "sigmoid",
        "relu",
        "sin",
        "cos",
        "matmul",
        "sum",
        "mean",
        "linear", "linear_no_bias",
        "transpose",
        "view",
        "unsafe_view",
        "item_view",
        "expand",
        "sum_to",
        "spread",
        "square",
        "pow_scalar",
        "index_view",
    )
)


def _has_own_text(op: Op) -> bool:
    """Is a caller written for the op's signature?"""
    if op.many or op.several or op.diff is not None:
        return False
    return op.kind == "elementwise" or op.viewing or op.name in HOT


def _renamed(op: Op) -> list[str]:
    """The arguments' names in the caller: PyTorch's for elementwise ops."""
    few = op.kind == "elementwise" and len(op.args) <= 2
    return ["input", "other"][: len(op.args)] if few else list(op.args)


def _make_caller(op: Op) -> Callable[..., Any]:
    """The op's caller: what users call, and what rules call."""
    if not _has_own_text(op):
        return _make_plain_caller(op)
    return _write_caller(op) if op.name in HOT else _make_late_caller(op)


def _make_late_caller(op: Op) -> Callable[..., Any]:
    """A caller that is written when it is first called: writing them all would double the time of the import."""
    written: Callable[..., Any] | None = None

    def call(*args: Any, **params: Any) -> Any:
        nonlocal written
        if written is None:
            written = _write_caller(op)
        return written(*args, **params)

    return call


def _write_caller(op: Op) -> Callable[..., Any]:
    """Write the caller for the op's signature. Ops of one pattern share the text, so that few are compiled."""
    renamed = _renamed(op)
    keywords = "".join(f", {p}={p}" for p in op.params)
    params = ", ".join(f"{p!r}: {p}" for p in op.params)
    fill: dict[str, Any] = {
        "name": "call",
        "args": ", ".join(renamed),
        "params": params,
        "keywords": keywords,
        "names": ", ".join(renamed),
    }
    fill["signature"] = _signature(op, renamed)
    fill["others_are_arrays"] = "".join(f" and not isinstance({a}, Value)" for a in renamed[1:])
    unwrap = _UNWRAP_FIRST.format(a=renamed[0], **fill)
    for i, a in enumerate(renamed[1:], 1):
        if op.args[i] in op.rules or i in op.promoted:
            scalar = _SCALAR.format(a=a, i=i) if op.kind == "elementwise" else ""
            unwrap += _UNWRAP_RULED.format(a=a, i=i, scalar=scalar, **fill)
        else:
            unwrap += _UNWRAP_FREE.format(a=a, i=i, **fill)
    ruled = [i for i, a in enumerate(op.args) if a in op.rules]
    choose = []
    masks = [
        sum(c) for n in range(1, len(ruled) + 1) for c in itertools.combinations([1 << i for i in ruled], n)
    ]
    masks.sort(key=lambda mask: -mask)  # the fullest first: all inputs need a gradient
    for k, mask in enumerate(masks):
        test = " and ".join(f"e{i} is not None" for i in ruled if mask >> i & 1)
        head = "if" if k == 0 else "elif"
        choose.append(
            f"        {head} {test}:"
            if len(masks) > 1 and k < len(masks) - 1
            else ("        else:" if len(masks) > 1 else "        if True:")
        )
        choose.append(f"            n.plan = plans[{mask}] or op.plan({mask})")
        choose.append(f"            n.saved = {_keep(op, mask)}")
        choose += _noting(op, mask)
    fill.update(
        unwrap=unwrap.rstrip("\n"),
        arrays=", ".join(f"x{i}" for i in range(len(renamed))),
        guard="q = quiet_set(QUIET)\n        " if op.quiet else "",
        unguard="        finally:\n            quiet_reset(q)" if op.quiet else "",
        view=f"view_of({renamed[0]}, op, {{{params}}}, m)" if op.viewing else "None",
        no_edges=" and ".join(f"e{i} is None" for i in ruled) or "True",
        choose="\n".join(choose),
        edges=", ".join(f"e{i}" for i in range(len(renamed))),
        node_params=f"{{{params}}}" if params else "None",
        shapes=_shapes_text(op, len(renamed)),
    )
    if not ruled:
        text = _CALLER.format(**fill).split("        n = new(Node)")[0] + f"    return {fill['name']}\n"
    else:
        text = _CALLER.format(**fill)
    if text not in _callers:
        scope: dict[str, Any] = {}
        exec(compile(text, f"{_ROOT}<caller>", "exec"), _space, scope)
        _callers[text] = scope["make"]
    caller: Callable[..., Any] = _callers[text](op, op.forward, op.plans)
    return caller


def _signature(op: Op, names: Sequence[str]) -> str:
    """The caller's parameter list; keyword parameters keep the defaults of the declaration."""
    keywords = [f"{p}=op.defaults[{p!r}]" if p in op.defaults else p for p in op.params]
    return ", ".join([*names, *(["*", *keywords] if keywords else [])])


def _slots_of(op: Op, mask: int) -> list[str]:
    """The names of the saved values for one mask."""
    names: list[str] = []
    for i, a in enumerate(op.args):
        if mask >> i & 1 and a in op.rules:
            names += [n for n in _names_of(op.rules[a])[1] if n not in names]
    return names


def _keep(op: Op, mask: int) -> str:
    """The text of the tuple of saved values for one mask."""
    parts = []
    for n in _slots_of(op, mask):
        kind, i = op._source(n)
        parts.append(f"x{i}" if kind == "in" else "t.array" if kind == "out" else f"x{i}.shape")
    return f"({', '.join(parts)},)" if parts else "()"


def _noting(op: Op, mask: int) -> list[str]:
    """The text that notes what one mask saves, if it may be shared with NumPy: see `regrad.graph.sharing`."""
    tests = ["every"]
    sources = [op._source(name) for name in _slots_of(op, mask)]
    for i in dict.fromkeys(i for kind, i in sources if kind == "in"):
        test = f"x{i}.base is not None or (lent and id(x{i}) in lent)"
        tests.append(test if i == 0 or mask >> i & 1 else f"type(x{i}) is ndarray and ({test})")
    if len(tests) == 1:
        return ["            if every:\n                note(n)"] if any(k == "out" for k, _ in sources) else []
    return [f"            if shared and ({' or '.join(tests)}):\n                note(n)"]


def _shapes_text(op: Op, count: int) -> str:
    if not op.broadcast or count < 2:
        return "None"
    ruled = [i for i, a in enumerate(op.args) if a in op.rules or i in op.promoted]
    shape = {i: f"(x{i}.shape if e{i} is not None else None)" for i in range(count)}
    if op.kind == "elementwise" and count == 2:
        return (
            "None if e1 is None and x0.shape == out.shape or type(x1) is ndarray and x0.shape == x1.shape"
            " else (x0.shape, x1.shape if type(x1) is ndarray else None)"
        )
    return "(" + ", ".join(shape[i] if i in ruled else "None" for i in range(count)) + ",)"


def _make_plain_caller(op: Op) -> Callable[..., Any]:
    """The caller of an op that is seldom hot, takes many inputs or has several results: the general path."""
    names, defaults, count = op.params, op.defaults, len(op.params)
    forward = op.forward

    def call(*args: Any, **params: Any) -> Any:
        if len(params) != count:
            params = {**defaults, **params}
        if (
            args and type(args[0]) is np.ndarray and len(params) == count
        ):  # a rule's call, inside a pass over arrays
            for a in args:
                if isinstance(a, Value):
                    break
            else:
                return forward(*args, **params)
        if len(params) != count or any(n not in params for n in names):
            raise TypeError(
                f"{op.name}() takes the parameters {', '.join(names) or 'none'}; got"
                f" {', '.join(params) or 'none'}"
            )
        return general_call(op, args, params)

    return call


# -- views


def refresh(value: Value) -> Any:
    """The edge of a view: made anew if an in-place write has given its base a new history."""
    view = value._view
    if type(view) is not View:
        return BARRED
    base = view.base
    if (
        type(base._view) is View
    ):  # it was given another layout in place, and what it had been stands behind it
        base = view.base = base._view.base
    if base.edge is not view.seen and type(base.edge) is not Leaf:
        if view.origin and mode().record:
            raise view_refused(view, "its base or another view of its base has been modified inplace")
        fresh: Any = base
        token = MODE.set(RECORD)
        try:
            for op, params in view.recipe:
                fresh = op.caller(fresh, **params)
        finally:
            MODE.reset(token)
        value.edge = fresh.edge
        view.seen = base.edge
    return value.edge


def view_refused(view: View, what: str) -> RuntimeError:
    """The error when a write cannot be told to a view, by how the view was made."""
    if view.origin == "no_grad":
        return RuntimeError(
            f"A view was created in no_grad mode and {what} with grad mode enabled. Make the view outside"
            " `no_grad`, or write inside it."
        )
    pick = next(op for op, _ in reversed(view.recipe) if type(op) is _Pick)
    return RuntimeError(
        f"Output {pick.k} of {pick.op.grad_name} is a view and {what}. This view is the output of a function"
        " that returns multiple views. Such functions do not allow the output views to be modified inplace."
        " You should replace the inplace operation by an out-of-place one, or take the part by narrow or"
        " select."
    )


def view_of(value: Value, op: Op, params: dict[str, Any], m: Any) -> View:
    """The `View` of a result of the view op ``op`` on ``value``."""
    view = value._view
    origin = "" if m.record else "no_grad"
    if type(view) is View:
        return View(view.base, (*view.recipe, (op, params)), view.base.edge, view.origin or origin)
    return View(value, ((op, params),), value.edge, origin)


# -- the general path


_OPERANDS = (Value, np.ndarray, np.generic, bool, int, float, complex, type(None))
_REFLECTED = {
    "add": "__radd__",
    "sub": "__rsub__",
    "mul": "__rmul__",
    "div": "__rtruediv__",
    "matmul": "__rmatmul__",
    "pow": "__rpow__",
}


def general_call(op: Op, args: tuple[Any, ...], params: dict[str, Any], whole: bool = False) -> Any:
    """Run ``op`` with everything that the per-op path leaves out: promotion, several results, policies, tangents.

    ``whole`` asks for all results, also those that are not for users.
    """
    m = mode()
    some = None
    plain_array = False
    for a in args:
        if isinstance(a, Value):
            some = a
            break
        plain_array = plain_array or isinstance(a, (np.ndarray, np.generic))
    if some is None:
        if not plain_array:
            got = next((a for a in args if a is not None), None)
            raise TypeError(f"{op.name}(): argument '{op.args[0]}' must be Tensor, not {type(got).__name__}")
        return _run_kernel(op, args, params)
    if op.refuse is not None and any(
        isinstance(a, Value) and a.array.dtype.kind in op.refuse[0] for a in args
    ):
        raise DtypeError(f"{op.name}: {op.refuse[1]}")
    if op.name in _REFLECTED and any(
        hasattr(type(a), _REFLECTED[op.name]) for a in args if not isinstance(a, _OPERANDS)
    ):
        return NotImplemented  # Python then asks the other operand
    if m.batch is not None:
        answer = m.batch.dispatch(op, args, params)
        if answer is not NotImplemented:
            return answer
    if op.policy is not None:
        args = _promote(op, args)
    if m.dual:
        answer = _dual_call(op, args, params, m, whole)
        if answer is not NotImplemented:
            return answer
    arrays = tuple(a.array if isinstance(a, Value) else a for a in args)
    out = _run_kernel(op, arrays, params)
    return _record(op, args, arrays, out, params, m, whole)


def _run_kernel(op: Op, arrays: tuple[Any, ...], params: dict[str, Any]) -> Any:
    token = quiet_set(QUIET)
    try:
        if (op.broadcast or op.kind == "elementwise") and "ml_dtypes" in sys.modules:
            brief = next((a.dtype for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind == "V"), None)
            if brief is not None:  # bfloat16 is computed in float32 and rounded once
                out = op.forward(*(_recast(a, brief, np.float32) for a in arrays), **params)
                if len(op.outs) > 1:
                    return tuple(_recast(o, np.float32, brief) for o in out)
                return _recast(out, np.float32, brief)
        return op.forward(*arrays, **params)
    except (ValueError, TypeError, OverflowError, np.linalg.LinAlgError) as error:
        raise _explained(op, arrays, error) from error
    finally:
        quiet_reset(token)


def _recast(x: Any, old: Any, new: Any) -> Any:
    return x.astype(new) if getattr(x, "dtype", None) == old else x


def _explained(op: Op, arrays: tuple[Any, ...], error: Exception) -> Exception:
    """The kernel's error in terms of the op: what it got."""
    if op.broadcast:
        sizes = [np.shape(a) for a in arrays if isinstance(a, np.ndarray)]
        trouble = shapes.mismatch(sizes)
        if trouble:
            return ShapeError(f"{op.name}: {trouble}")
    if type(error) is TypeError and "ufunc" in str(error):
        names = ", ".join(str(dtypes.of(a.dtype)) for a in arrays if isinstance(a, np.ndarray))
        return DtypeError(f"{op.name}: not implemented for {names}")
    if isinstance(error, (RuntimeError, IndexError)) or type(error) is TypeError:
        return error
    got = ", ".join(f"{dtypes.of(a.dtype)}{list(a.shape)}" for a in arrays if isinstance(a, np.ndarray))
    return ShapeError(f"{op.name}: {error} (got {got})")


def _promote(op: Op, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Bring the arguments to one dtype by PyTorch's rules; a conversion of a tensor is an op of its own."""
    chosen = range(op.promoted[-1], len(args)) if op.many else op.promoted
    operands = []
    for i in chosen:
        a = args[i]
        if isinstance(a, Value):
            operands.append((a.array.dtype, 2 if a.array.ndim else 1))
        elif isinstance(a, np.generic):
            operands.append((type(a.item()), 0))
        elif isinstance(a, np.ndarray):
            operands.append((a.dtype, 2 if a.ndim else 1))
        elif isinstance(a, (bool, int, float, complex)):
            operands.append((type(a), 0))
        elif a is not None:
            raise TypeError(
                f"{op.name}(): argument '{op.args[min(i, len(op.args) - 1)]}' must be Tensor or a number, "
                f"not {type(a).__name__}"
            )
    target = dtypes.result_dtype(tuple(operands))
    if op.policy == "float" and target.kind in "iub":
        target = dtypes.to_numpy(dtypes.get_default_dtype())
    out = list(args)
    for i in chosen:
        a = args[i]
        if isinstance(a, Value):
            if a.array.dtype is not target and a.array.dtype != target:
                out[i] = _space["cast"](a, target)
        elif isinstance(a, (np.ndarray, np.generic)):
            out[i] = np.asarray(a, dtype=target)
        elif a is not None and target.kind in "iub":
            out[i] = np.asarray(a).astype(target)  # wraps around like PyTorch's scalars
        elif type(a) is bool and target.kind != "b":
            out[i] = int(a)
    return tuple(out)


def _record(
    op: Op,
    args: tuple[Any, ...],
    arrays: tuple[Any, ...],
    out: Any,
    params: dict[str, Any],
    m: Any,
    whole: bool = False,
) -> Any:
    """Wrap the results and, if a gradient may be asked for, make their node."""
    edges: list[Any] = []
    mask = 0
    barred = False
    spent = live = None
    raw = False
    for i, a in enumerate(args):
        edge = None
        if type(a) is np.ndarray:
            raw = True
        if isinstance(a, Value):
            if a._view is SPENT:
                edge = spent = a.edge
            else:
                edge = a.edge if a._view is None else refresh(a)
                live = edge if edge is not BARRED and edge is not None else live
            if edge is BARRED:
                barred, edge = True, None
            if edge is not None and (op.many or op.args[i] in op.rules):
                mask |= 1 << i
            else:
                edge = None
        edges.append(edge)
    many_out = type(out) in (tuple, list)
    results = [wrap(o) for o in (out if many_out else (out,))]
    outs = tuple(r.array for r in results)
    if m.inference:
        for r in results:
            r._view = _inferred
            r.meta = Meta()
            r.meta.inference = True
    elif op.viewing:
        for k, r in enumerate(results):
            r._view = view_of(args[0], op, params, m)
            if many_out:
                r._view.origin = r._view.origin or "multi"
                r._view.recipe = (*r._view.recipe[:-1], (_pick(op, k), params))
    differentiable = [
        k
        for k in (op.diff if op.diff is not None else range(len(results)))
        if k < len(results) and outs[k].dtype.kind in "fcV"
    ]
    if spent is not None and live is None and m.record and not m.inference:
        for k in differentiable if mask else ():
            results[k].edge, results[k]._view = spent, SPENT  # nothing can be differentiated through it any more
    elif mask and m.record and differentiable:
        is_complex = any(a.dtype.kind == "c" for a in (*arrays, *outs) if isinstance(a, np.ndarray))
        plan = op.plan(1 if op.many else mask, is_complex)
        node = _new(Node)
        node.plan = plan
        node.edges = tuple(edges)
        if raw:  # arrays of the user's own
            arrays = tuple([sharing.borrow(x) if type(x) is np.ndarray else y for x, y in zip(args, arrays)])
        node.saved = tuple(_slot(op, source, arrays, outs) for source in plan.sources)
        if _space["shared"]:
            sharing.note(node)
        node.params = params or None
        if op.broadcast:
            node.shapes = tuple(a.shape if isinstance(a, np.ndarray) else None for a in arrays)
        else:
            node.shapes = None
        node.extra = None
        node.code, node.lasti = site(2)
        node.seq = tick()
        if barred and any(kind != "meta" for kind, _ in plan.sources):
            raise RuntimeError(
                f"{op.name}: Inference tensors cannot be saved for backward. To work around you can make a "
                "clone to get a normal tensor and use it in autograd."
            )
        if m.policy:
            from regrad.graph.slots import pack

            node.saved = pack(node.saved, m.policy[-1], outs)
            node.more().packed = True
        if m.anomaly:
            note_nan(node, arrays, outs)
        for watcher in m.watch:
            watcher(node)
        if observers:
            holds(node)
        if op.diff is None and not many_out:
            results[0].edge = node
        elif op.diff is not None and len(op.diff) == 1:
            results[op.diff[0]].edge = node
        else:
            every = op.diff if op.diff is not None else tuple(range(len(results)))
            for place, k in enumerate(every):
                if k in differentiable:
                    results[k].edge = Output(node, place, len(every))
    if not many_out:
        return results[0]
    return tuple(results) if whole else _shown(op, tuple(results))


def _shown(op: Op, results: tuple[Any, ...]) -> Any:
    """What a caller gets of several results."""
    if op.outs == ("out",):
        return results
    return results[0] if op.visible == 1 else results[: op.visible]


def _slot(op: Op, source: tuple[str, int], arrays: tuple[Any, ...], outs: tuple[Any, ...]) -> Any:
    kind, i = source
    if kind == "in":
        return arrays[i:] if op.many and i == len(op.args) - 1 else arrays[i]
    if kind == "out":
        return outs[i] if op.diff is not None or len(outs) == 1 else outs
    return (
        tuple(np.shape(a) for a in arrays[i:]) if op.many and i == len(op.args) - 1 else np.shape(arrays[i])
    )


class _Inferred:
    """Stands in the ``_view`` of tensors made in inference mode."""

    origin = "inference"


_inferred: Any = _Inferred()
_picks: dict[tuple[str, int], Any] = {}


class _Pick:
    """Result ``k`` of a view op of several results, in a view's recipe."""

    def __init__(self, op: Op, k: int) -> None:
        self.op, self.k = op, k

    def caller(self, value: Any, **params: Any) -> Any:
        return self.op.caller(value, **params)[self.k]

    def forward(self, array: Any, **params: Any) -> Any:
        return self.op.forward(array, **params)[self.k]


def _pick(op: Op, k: int) -> Any:
    return _picks.setdefault((op.name, k), _Pick(op, k))


# -- tangents (forward mode)


def _tangents(value: Any) -> dict[int, Any]:
    """The tangents of ``value`` by level; those of levels that have ended count no more."""
    if not isinstance(value, Value) or value.meta is None or not value.meta.tangent:
        return {}
    now = mode().dual
    return {level: t for level, t in value.meta.tangent.items() if level in now}


def _without(value: Any, level: int) -> Any:
    """``value`` stripped of its tangent at ``level``, with everything else as it is."""
    if level not in _tangents(value):
        return value
    bare = wrap(value.array, value.edge)
    bare._view = value._view
    rest = {k: t for k, t in _tangents(value).items() if k != level}
    if rest:
        bare.meta = Meta()
        bare.meta.tangent = rest
    return bare


def _dual_call(op: Op, args: tuple[Any, ...], params: dict[str, Any], m: Any, whole: bool) -> Any:
    """Run ``op`` on duals: the op on the primals, its derivative on the tangents, at the innermost level present."""
    levels = {level for a in args for level in _tangents(a)}
    if not levels:
        return NotImplemented
    level = max(levels)
    bare = tuple(_without(a, level) for a in args)
    tangents = tuple(_tangents(a).get(level) for a in args)
    out = general_call(op, bare, params, True)  # a rule may read the others, and then their tangents too
    outs = out if isinstance(out, tuple) else (out,)
    if op.viewing and bare[0] is not args[0]:
        for view in (o._view for o in outs):
            if type(view) is View and view.base is bare[0]:
                view.base = args[0]  # so that a write through the view reaches its tangents too
    moved = push(op, bare, outs, tangents, params)
    for value, tangent in zip(outs, moved):
        if tangent is not None:
            if value.meta is None:
                value.meta = Meta()
            value.meta.tangent = {**(value.meta.tangent or {}), level: tangent}
    edge = outs[0].edge
    node = edge.node if type(edge) is Output else edge
    if m.record and isinstance(node, Node) and node.plan.op is op:
        _keep_tangents(node, args, tangents, moved, level)
    return _shown(op, out) if isinstance(out, tuple) and not whole else out


def _keep_tangents(
    node: Node, args: tuple[Any, ...], tangents: tuple[Any, ...], moved: tuple[Any, ...], level: int
) -> None:
    """Save the tangents beside the values that ``node`` saved, for forward mode over a recorded gradient."""

    def with_tangent(entry: Any, tangent: Any) -> Any:
        if tangent is None or not isinstance(entry, (np.ndarray, Dual)):
            return entry
        node.more().packed = True
        if isinstance(entry, Dual):
            return Dual(entry.array, {**entry.tangents, level: tangent})
        return Dual(entry, {level: tangent})

    kept = []
    for (kind, i), entry in zip(node.plan.sources, node.saved, strict=True):
        if kind == "in" and type(entry) is tuple:
            kept.append(tuple(with_tangent(e, tangents[i + k]) for k, e in enumerate(entry)))
        else:
            kept.append(
                with_tangent(
                    entry,
                    tangents[i] if kind == "in" else moved[i] if kind == "out" and i < len(moved) else None,
                )
            )
    if observers:
        drops(node)
    node.saved = tuple(kept)
    if observers:
        holds(node)


def push(
    op: Op, args: tuple[Any, ...], outs: tuple[Any, ...], tangents: tuple[Any, ...], params: dict[str, Any]
) -> tuple[Any, ...]:
    """Tangents of the results from tangents of the arguments (None: zero)."""
    moving = [i for i, t in enumerate(tangents) if t is not None and (op.many or op.args[i] in op.rules)]
    if not moving:
        return (None,) * len(outs)
    if op.jvp is not None:
        answer = op.jvp(args, outs, tangents, params)
        return answer if isinstance(answer, tuple) else (answer,)
    if op.kind == "elementwise":
        values = dict(zip(op.args, args, strict=True))
        values["out"] = outs[0]
        total = None
        for i in moving:
            rule = op.rules[op.args[i]]
            _, names, keywords = _names_of(rule)
            t = tangents[i]
            t = t if t.array.shape == outs[0].array.shape else _space["expand_to"](t, outs[0].array.shape)
            piece = rule(t, *[values[n] for n in names], **{k: params[k] for k in keywords})
            total = piece if total is None else total + piece
        return (total,)
    if op.kind == "linear" and len([a for a in op.args if a in op.rules]) == 1 and not op.many:
        i = moving[0]
        out = op.caller(*[tangents[k] if k == i else a for k, a in enumerate(args)], **params)
        return out if isinstance(out, tuple) else (out,)
    if op.kind == "linear" and op.many:
        out = op.caller(
            *[t if t is not None or a is None else a * 0 for a, t in zip(args, tangents, strict=True)],
            **params,
        )
        return out if isinstance(out, tuple) else (out,)
    if op.kind == "linear":  # linear in each argument separately: the product rule
        total = None
        for i in moving:
            piece = op.caller(*[tangents[k] if k == i else a for k, a in enumerate(args)], **params)
            total = piece if total is None else total + piece
        return (total,)
    return _space["transposed"](op, args, outs, tangents, params)  # type: ignore[no-any-return]


# -- declaring


def _declare(kind: str, options: dict[str, Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(forward: Callable[..., Any]) -> Callable[..., Any]:
        op = Op(kind, forward, options)
        if op.name in OPS:
            raise TypeError(
                f"an op named {op.name!r} is declared twice, in {OPS[op.name].module} and {op.module}"
            )
        OPS[op.name] = op
        caller = _make_caller(op)
        caller.__name__ = caller.__qualname__ = forward.__name__
        caller.__doc__, caller.__module__ = forward.__doc__, forward.__module__
        caller.op = op  # type: ignore[attr-defined]
        op.caller = caller
        return caller

    return decorate


def elementwise(**rules: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare an op that works element by element, its inputs broadcast against each other."""
    return _declare("elementwise", rules)


def linear(**rules: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare an op that is linear in each of its ruled arguments."""
    return _declare("linear", rules)


def general(**rules: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare any other op."""
    return _declare("general", rules)


def use_tensor(cls: type[Value], *, cast: Any, expand_to: Any, transposed: Any) -> None:
    """Say which class ops return, and which ops stand for conversions, broadcasting and transposed rules."""
    use_box(cls)
    _space.update(Box=cls, cast=cast, expand_to=expand_to, transposed=transposed)


_space.update(general_call=general_call, refresh=refresh, view_of=view_of)
use_callers(_space)
sharing.use_callers(_space)
