"""Function transforms: `grad`, `vjp`, `jvp`, `jacrev`, `jacfwd`, `hessian`, `vmap`, which compose with each other.

Each takes a function and gives a function; `functional_call` makes one of a module. Differentiating transforms run the
function on tensors of their own, so that nothing outside is marked or written; what the function closes over stays
connected. Start reading at `vjp`.

PyTorch: https://docs.pytorch.org/docs/stable/func.api.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from regrad.autograd import batch_folds as batch_folds  # fills the table of rules, as the next one does
from regrad.autograd import batch_indexing as batch_indexing
from regrad.autograd import batch_rules as batch_rules
from regrad.autograd import forward_ad
from regrad.autograd.batching import Batched, Level
from regrad.autograd.passes import grad as _grad
from regrad.declare import _tangents
from regrad.graph.lifetime import reachable
from regrad.graph.modes import MODE, Switch, mode
from regrad.graph.node import Leaf, meta_of
from regrad.graph.value import Value, wrap
from regrad.ops.joining import cat, stack
from regrad.tensor import Tensor

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "vjp",
    "vmap",
]


# -- trees: nested tuples, lists and dictionaries of tensors


def _flatten(tree: Any) -> tuple[list[Any], Any]:
    """(leaves, how to put leaves back)."""
    if isinstance(tree, dict):
        parts = [_flatten(v) for v in tree.values()]
        return [x for leaves, _ in parts for x in leaves], (
            type(tree),
            list(tree),
            [(len(leaves), s) for leaves, s in parts],
        )
    if isinstance(tree, (tuple, list)):
        parts = [_flatten(v) for v in tree]
        return [x for leaves, _ in parts for x in leaves], (
            type(tree),
            None,
            [(len(leaves), s) for leaves, s in parts],
        )
    return [tree], None


def _unflatten(leaves: list[Any], spec: Any) -> Any:
    if spec is None:
        return leaves[0]
    kind, keys, parts = spec
    out, at = [], 0
    for count, sub in parts:
        out.append(_unflatten(leaves[at : at + count], sub))
        at += count
    if keys is not None:
        return dict(zip(keys, out, strict=True))
    return kind(*out) if hasattr(kind, "_fields") else kind(out)


def _shown(spec: Any) -> str:
    """The form of a tree, with a star for each leaf."""
    if spec is None:
        return "*"
    kind, keys, parts = spec
    inner = (
        [f"{k!r}: {_shown(s)}" for k, (_, s) in zip(keys, parts, strict=True)]
        if keys is not None
        else [_shown(s) for _, s in parts]
    )
    return f"{kind.__name__}({', '.join(inner)})"


def _map(fn: Callable[[Any], Any], tree: Any) -> Any:
    leaves, spec = _flatten(tree)
    return _unflatten([fn(x) for x in leaves], spec)


# -- reverse mode


def _own(x: Any) -> Any:
    """A tensor to differentiate by: over the same elements, a leaf, batched as deep as the vmaps under way."""
    if not isinstance(x, Value):
        return x
    level = mode().batch
    if level is not None:
        if not (isinstance(x, Batched) and x.level is level):
            token = MODE.set(mode().but(batch=level.outer))
            try:
                x = level.wrap(x.expand(level.size, *x.shape))  # type: ignore[attr-defined]
            finally:
                MODE.reset(token)
        token = MODE.set(mode().but(batch=level.outer))
        try:
            return level.wrap(_own(x.value))
        finally:
            MODE.reset(token)
    if x.array.dtype.kind not in "fcV":
        raise RuntimeError(f"only Tensors of floating point dtype can require gradients, got {x.dtype}")  # type: ignore[attr-defined]
    if x.requires_grad:  # type: ignore[attr-defined]
        return x.view_as(x)  # type: ignore[attr-defined] # still connected to what it came from
    return _cut(x).requires_grad_()


def _cut(x: Any) -> Any:
    """``x`` without its history, but with its tangents, which `detach` would drop too."""
    if isinstance(x, Batched):
        return x.level.wrap(_cut(x.value))
    out = x.detach()
    tangents = _tangents(x)
    if tangents:
        meta_of(out).tangent = {k: _cut(t) for k, t in tangents.items()}
    return out


def _outer_demand(owned: list[Any], outs: list[Any]) -> bool:
    """Could anything but ``owned`` itself ask for a derivative of the results? Then they must stay connected."""
    own_leaves = {id(_physical(x).edge) for x in owned if isinstance(x, Value)}
    for o in outs:
        o = _physical(o)
        edge = o._edge()
        if edge is None:
            continue
        if type(edge) is Leaf:
            if id(edge) not in own_leaves:
                return True
            continue
        for node in reachable([edge]).values():
            if any(type(e) is Leaf and id(e) not in own_leaves for e in node.edges):
                return True
    return False


def _physical(x: Any) -> Any:
    while isinstance(x, Batched):
        x = x.value
    return x


def _pull(outs: list[Any], owned: list[Any], cots: list[Any]) -> list[Any]:
    """The gradients of ``outs`` by ``owned``, differentiable themselves, zeros where there is none."""
    if any(isinstance(x, Batched) for x in (*outs, *owned, *cots)):
        return _pull_batched(outs, owned, cots)
    pairs = [(o, c) for o, c in zip(outs, cots, strict=True) if isinstance(o, Value) and o.requires_grad]  # type: ignore[attr-defined]
    if not pairs:
        return [wrap(np.zeros_like(x.array)) for x in owned]
    found = _grad([o for o, _ in pairs], owned, [c for _, c in pairs], create_graph=True, allow_unused=True)
    return [wrap(np.zeros_like(x.array)) if g is None else g for g, x in zip(found, owned, strict=True)]


def _pull_batched(outs: list[Any], owned: list[Any], cots: list[Any]) -> list[Any]:
    """`_pull` on batched tensors: samples do not mix, so the gradient of all values at once is each sample's own.

    The batch of ``owned`` becomes an ordinary dimension; deeper batches (of cotangents, in `jacrev`) stay batches, at
    levels of their own around it.
    """
    batched = [x.level for x in owned if isinstance(x, Batched)]
    if not batched:
        pairs = [(o, c) for o, c in zip(outs, cots, strict=True) if o.requires_grad]
        found: list[Any] = [None] * len(owned)
        if pairs:
            found = list(
                _grad(
                    [o for o, _ in pairs], owned, [c for _, c in pairs], create_graph=True, allow_unused=True
                )
            )
        return [wrap(np.zeros_like(x.array)) if g is None else g for g, x in zip(found, owned, strict=True)]
    base = max(batched, key=lambda v: v.depth)
    twins: dict[Level, Level] = (
        {}
    )  # deeper level -> the level that stands for it while `base` is an ordinary dimension
    back: dict[Level, Level] = {}

    def lower(x: Any) -> Any:
        """``x`` with the batch of ``base`` as its first dimension."""
        if isinstance(x, Batched) and x.level is base:
            return x.value
        if isinstance(x, Batched) and x.level.depth > base.depth:
            inner = lower(x.value)
            twin = twins.get(x.level)
            if twin is None:
                around = x.level.outer
                outer = base.outer if around is None or around is base else twins[around]
                twin = twins[x.level] = Level(x.level.size, outer, x.level.randomness)
                back[twin] = x.level
            return twin.wrap(inner.movedim(1, 0))
        return x.expand(base.size, *x.shape)

    def lift(g: Any) -> Any:
        """The opposite of `lower`."""
        if isinstance(g, Batched) and g.level in back:
            return back[g.level].wrap(lift(g.value.movedim(0, 1)))
        return base.wrap(g)

    low_outs, low_owned, low_cots = (
        [lower(o) for o in outs],
        [lower(x) for x in owned],
        [lower(c) for c in cots],
    )
    top = max(twins.values(), key=lambda v: v.depth) if twins else base.outer
    token = MODE.set(mode().but(batch=top))
    try:
        found = _pull(low_outs, low_owned, low_cots)
    finally:
        MODE.reset(token)
    return [lift(g) for g in found]


def _released(results: list[Any], owned: list[Any]) -> list[Any]:
    """The results, cut loose unless somebody outside can still ask for their derivative."""
    return (
        results
        if _outer_demand(owned, results)
        else [_cut(r) if isinstance(r, Value) else r for r in results]
    )


def _with_aux(call: str, out: Any) -> tuple[Any, Any]:
    """(output, aux), as ``has_aux`` says that the function gives them; ``call`` names the transform in the error."""
    if not (isinstance(out, tuple) and len(out) == 2):
        raise RuntimeError(
            f"{call}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return out


def _only_tensors(call: str, outs: list[Any]) -> None:
    for o in outs:
        if not isinstance(o, Value):
            raise RuntimeError(
                f"{call}: expected f(*primals) to return only tensors, got unsupported type {type(o)}"
            )


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(``func(*primals)``, a function from a cotangent to the gradients of the primals).

    PyTorch: torch.func.vjp.

    >>> value, pull = rg.func.vjp(lambda x: x * x, rg.tensor([1., 2.]))
    >>> pull(rg.tensor([1., 10.]))
    (tensor([ 2., 40.]),)
    """
    with Switch(record=True):
        flat, spec = _flatten(primals)
        owned = [_own(x) for x in flat]
        out = func(*_unflatten(owned, spec))
        out, aux = _with_aux("vjp(f, *primals)", out) if has_aux else (out, None)
    outs, out_spec = _flatten(out)
    _only_tensors("vjp(f, *primals)", outs)

    def pull(*cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given = (
            cotangents
            if len(cotangents) > 1 or (isinstance(out, tuple) and len(cotangents) != 1)
            else cotangents[0]
        )
        cots, cot_spec = _flatten(given)
        if cot_spec != out_spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to"
                f" the function. cotangents: {_shown(cot_spec)}, primal output: {_shown(out_spec)}"
            )
        with Switch(record=True):
            wrt = [x for x in owned if isinstance(x, Value)]
            found = iter(_released(_pull(outs, wrt, cots), wrt))
        grads = [next(found) if isinstance(x, Value) else None for x in owned]
        result = _unflatten(grads, spec)
        return result if isinstance(result, tuple) else (result,)

    shown = _unflatten(_released(outs, owned), out_spec)
    return (shown, pull, _map(_detached, aux)) if has_aux else (shown, pull)


def _detached(x: Any) -> Any:
    return _cut(x) if isinstance(x, Value) else x


def grad_and_value(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives (the gradient by the chosen arguments, the value). PyTorch: torch.func.grad_and_value."""

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        chosen = argnums if isinstance(argnums, tuple) else (argnums,)
        for n in chosen:
            if not -len(args) <= n < len(args):
                raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
        with Switch(record=True):
            flats = {n: _flatten(args[n]) for n in chosen}
            owned = {n: [_own(x) for x in flat] for n, (flat, _) in flats.items()}
            given = list(args)
            for n in chosen:
                given[n] = _unflatten(owned[n], flats[n][1])
            out = func(*given, **kwargs)
            out, aux = _with_aux("grad_and_value(f)(*args)", out) if has_aux else (out, None)
            if not isinstance(out, Value):
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(out)}"
                )
            if out.array.ndim:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with"
                    f" {out.array.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            every = [x for n in chosen for x in owned[n]]
            pulled = _pull([out], every, [_ones_like(out)])
        results = iter(_released(pulled, every))
        grads = [_unflatten([next(results) for _ in owned[n]], flats[n][1]) for n in chosen]
        value = _released([out], every)[0]
        gradient = tuple(grads) if isinstance(argnums, tuple) else grads[0]
        return (gradient, (value, _map(_detached, aux))) if has_aux else (gradient, value)

    return run


def _ones_like(x: Any) -> Any:
    return wrap(np.ones(x.array.shape, x.array.dtype))


def grad(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the gradient of ``func`` (with one number as result) by the chosen arguments.

    PyTorch: torch.func.grad.

    >>> rg.func.grad(lambda x: (x ** 3).sum())(rg.tensor([1., 2.]))
    tensor([ 3., 12.])
    >>> rg.func.grad(rg.func.grad(rg.sin))(rg.tensor(0.5))
    tensor(-0.4794)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return run


# -- forward mode


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """(``func(*primals)``, its derivative along ``tangents``), by forward mode. PyTorch: torch.func.jvp.

    >>> rg.func.jvp(lambda x: x * x, (rg.tensor([1., 2.]),), (rg.tensor([1., 10.]),))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call"
            " f(*primals)."
        )
    flat, spec = _flatten(primals)
    moves, move_spec = _flatten(tangents)
    if spec != move_spec:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure. For"
            " example, if primals is a tuple of 3 tensors, tangents also must be. Got primals with structure"
            f" {_shown(spec)} and tangents with structure {_shown(move_spec)}"
        )
    with forward_ad.dual_level():
        duals = [_dual(x, t) for x, t in zip(flat, moves, strict=True)]
        out = func(*_unflatten(duals, spec))
        out, aux = _with_aux("jvp(f, primals, tangents)", out) if has_aux else (out, None)
        outs, out_spec = _flatten(out)
        _only_tensors("jvp(f, primals, tangents)", outs)
        pairs = [_undual(o) for o in outs]
    values = _unflatten([p for p, _ in pairs], out_spec)
    if strict and any(t is None for _, t in pairs):
        raise RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is"
            " not allowed with strict=True."
        )
    pushed = _unflatten([_zeros_like(p) if t is None else t for p, t in pairs], out_spec)
    return (values, pushed, _map(_detached, aux)) if has_aux else (values, pushed)


def _zeros_like(x: Any) -> Any:
    return x * 0 if isinstance(x, Batched) else wrap(np.zeros_like(x.array))


def _dual(x: Any, t: Any) -> Any:
    """A dual tensor; of batched tensors, the values are made dual."""
    levels = [v.level for v in (x, t) if isinstance(v, Batched)]
    if not levels:
        return forward_ad.make_dual(x, t)
    level = max(levels, key=lambda v: v.depth)

    def lower(v: Any) -> Any:
        return v.value if isinstance(v, Batched) and v.level is level else v.expand(level.size, *v.shape)

    return level.wrap(_dual(lower(x), lower(t)))


def _undual(x: Any) -> tuple[Any, Any]:
    if not isinstance(x, Batched):
        pair = forward_ad.unpack_dual(x)
        return pair.primal, pair.tangent
    p, t = _undual(x.value)
    return x.level.wrap(p), None if t is None else x.level.wrap(t)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(``func(*primals)``, a function from tangents of the primals to the tangent of the result).

    PyTorch: torch.func.linearize.
    """
    value = func(*primals)

    def push(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return value, push


# -- whole derivatives


def _basis(x: Any) -> Any:
    n = int(np.prod(x.array.shape))
    return wrap(np.eye(n, dtype=x.array.dtype).reshape(n, *x.array.shape))


def jacrev(
    func: Callable[..., Any],
    argnums: Any = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """A function that gives the Jacobian by the chosen arguments, by reverse mode: one row for each output element.

    PyTorch: torch.func.jacrev.

    >>> rg.func.jacrev(lambda x: x * x)(rg.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size is not None and chunk_size < 1:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        chosen = argnums if isinstance(argnums, tuple) else (argnums,)

        def partial(*some: Any) -> Any:
            given = list(args)
            for n, a in zip(chosen, some, strict=True):
                given[n] = a
            return func(*given, **kwargs)

        answer = vjp(partial, *[args[n] for n in chosen], has_aux=has_aux)
        out, pull = answer[0], answer[1]
        outs, out_spec = _flatten(out)
        table = []
        for k, o in enumerate(outs):

            def row(c: Any, k: int = k) -> Any:
                cots = [
                    c if j == k else wrap(np.zeros(p.array.shape, p.array.dtype)) for j, p in enumerate(outs)
                ]
                return pull(_unflatten(cots, out_spec))

            rows = vmap(row, chunk_size=chunk_size)(_basis(o))
            table.append(tuple(_map(lambda g, o=o: g.reshape(*o.array.shape, *g.shape[1:]), r) for r in rows))  # type: ignore[misc]
        blocks = [t if isinstance(argnums, tuple) else t[0] for t in table]
        result = _unflatten(blocks, out_spec)
        return (result, answer[2]) if has_aux else result

    return run


def jacfwd(
    func: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "error",
) -> Callable[..., Any]:
    """A function that gives the Jacobian by the chosen arguments, by forward mode: one column for each input element.

    PyTorch: torch.func.jacfwd.

    >>> rg.func.jacfwd(lambda x: x * x)(rg.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        chosen = argnums if isinstance(argnums, tuple) else (argnums,)
        leaves, spec = _flatten(tuple(args[n] for n in chosen))

        def of_leaves(*some: Any) -> Any:
            given = list(args)
            for n, a in zip(chosen, _unflatten(list(some), spec), strict=True):
                given[n] = a
            return func(*given, **kwargs)

        def options(column: Callable[..., Any]) -> Callable[..., Any]:
            return vmap(column, randomness=randomness, chunk_size=chunk_size)

        found = [_columns(of_leaves, leaves, at, options, has_aux) for at in range(len(leaves))]
        outs, out_spec = _flatten(found[0][0])
        flat = [_flatten(blocks)[0] for blocks, _ in found]
        rows = [_unflatten([blocks[k] for blocks in flat], spec) for k in range(len(outs))]
        result = _unflatten([row if isinstance(argnums, tuple) else row[0] for row in rows], out_spec)
        return (result, found[0][1]) if has_aux else result

    return run


def _columns(func: Any, leaves: list[Any], at: int, batched: Any, has_aux: bool) -> tuple[Any, Any]:
    """The Jacobian of ``func`` by one of its arguments (and its auxiliary result), a column for each element."""
    x = leaves[at]

    def column(t: Any) -> Any:
        answer = jvp(lambda x: func(*leaves[:at], x, *leaves[at + 1 :]), (x,), (t,), has_aux=has_aux)
        return answer[1:] if has_aux else answer[1]

    found, aux = batched(column)(_basis(x)), None
    if has_aux:
        found, aux = found[0], _map(lambda a: a.select(0, 0) if isinstance(a, Tensor) else a, found[1])
    return _map(lambda g: g.movedim(0, -1).reshape(*g.shape[1:], *x.array.shape), found), aux


def hessian(func: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """A function that gives the Hessian: forward over reverse mode. PyTorch: torch.func.hessian.

    >>> rg.func.hessian(lambda x: (x ** 3).sum())(rg.tensor([1., 2.]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


# -- batching


def _dims_for(tree: Any, dims: Any, what: str) -> list[Any]:
    """One batch dimension (or None) for each leaf of ``tree``, from a tree of dims that may stop early.

    ``what`` is said if it does not fit.
    """
    leaves, spec = _flatten(tree)
    if dims is None or isinstance(dims, int):
        return [dims] * len(leaves)
    if spec is None or not isinstance(dims, (tuple, list, dict)) or len(dims) != len(spec[2]):
        raise ValueError(f"{what}: {_shown(_flatten(dims)[1])} for {_shown(spec)}")
    parts = list(tree.values()) if isinstance(tree, dict) else list(tree)
    given = [dims[k] for k in tree] if isinstance(dims, dict) else list(dims)
    return [d for part, dim in zip(parts, given, strict=True) for d in _dims_for(part, dim, what)]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that maps ``func`` over a dimension of its arguments, all samples at once.

    ``in_dims``     which dimension of each argument; None: the argument is the same for all samples
    ``out_dims``    where that dimension goes in each result
    ``randomness``  are random numbers an "error", the "same" for all samples, or "different"?
    ``chunk_size``  how many samples are taken at once

    Keyword arguments are the same for all samples. Ops without a batching rule run once per sample and say so in a
    `LoopWarning`. PyTorch: torch.func.vmap.

    >>> rg.func.vmap(rg.dot)(rg.ones(2, 3), rg.ones(2, 3))
    tensor([3., 3.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )
    name = getattr(func, "__name__", repr(func))
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        call = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
        if not isinstance(in_dims, (int, tuple)):
            raise ValueError(
                f"{call}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure"
                f" of inputs, got: {type(in_dims)}."
            )
        if not args:
            raise ValueError(
                f"{call}: got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a"
                " function with no inputs. The latter is unsupported."
            )
        flat, spec = _flatten(args)
        dims = _dims_for(args, in_dims, f"{call}: in_dims is not compatible with the structure of `inputs`")
        for x, d in zip(flat, dims, strict=True):
            if d is None:
                continue
            if not isinstance(x, Value):
                raise ValueError(
                    f"{call}: Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap"
                    " over non-Tensor arguments, please use None as the respective in_dim"
                )
            if not -x.array.ndim <= d < x.array.ndim:
                raise ValueError(
                    f"{call}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality"
                    f" {x.array.ndim} so expected in_dim to satisfy -{x.array.ndim} <= in_dim <"
                    f" {x.array.ndim}."
                )
        fronted = [x.movedim(d, 0) if d else x for x, d in zip(flat, dims, strict=True)]
        mapped = [d is not None for d in dims]
        sizes = {x.array.shape[0] for x, m in zip(fronted, mapped, strict=True) if m}
        if not sizes:
            raise ValueError(
                f"{call}: at least one Tensor argument must be mapped over (in_dims are all None)"
            )
        if len(sizes) > 1:
            raise ValueError(
                "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes"
                f" {sorted(sizes)} for the mapped dimension"
            )
        size = sizes.pop()
        step = chunk_size or max(size, 1)
        pieces = []
        out_spec: Any = None
        for start in range(0, max(size, 1), step):
            some = [
                x[start : start + step] if m and (start or step < size) else x
                for x, m in zip(fronted, mapped, strict=True)
            ]
            leaves, out_spec = _run_batch(
                func, name, some, mapped, spec, kwargs, min(step, size - start), randomness
            )
            pieces.append(leaves)
        joined = pieces[0]
        if len(pieces) > 1:
            joined = [
                (cat([x for x, _ in column]) if column[0][1] else column[0][0], column[0][1])
                for column in zip(*pieces, strict=True)
            ]
        moved = []
        told = (
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure"
            " of `outputs`"
        )
        where = _dims_for(_unflatten([x for x, _ in joined], out_spec), out_dims, told)
        for (x, batched), d in zip(joined, where, strict=True):
            if d is None:
                if batched:
                    raise ValueError(
                        f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
                    )
                moved.append(x)
            else:
                moved.append((x if batched else x.expand(size, *x.shape)).movedim(0, d))
        return _unflatten(moved, out_spec)

    return run


def _run_batch(
    func: Any,
    name: str,
    values: list[Any],
    mapped: list[bool],
    spec: Any,
    kwargs: Any,
    size: int,
    randomness: str,
) -> Any:
    """The results of ``func`` on one batch, each as (tensor, is it batched?), and how to put them together."""
    level = Level(size, mode().batch, randomness)
    given = [level.wrap(x) if m else x for x, m in zip(values, mapped, strict=True)]
    token = MODE.set(mode().but(batch=level))
    try:
        out = func(*_unflatten(given, spec), **kwargs)
    finally:
        MODE.reset(token)
    leaves, out_spec = _flatten(out)
    results = []
    for o in leaves:
        if not isinstance(o, Value):
            raise ValueError(
                f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(o)}. Did you mean to"
                " set out_dims= to None for output?"
            )
        batched = isinstance(o, Batched) and o.level is level
        results.append((o.value if batched else o, batched))  # type: ignore[attr-defined]
    return results, out_spec


# -- modules as functions of their parameters


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers, given by their dotted names; the module stays as it is.

    ``parameter_and_buffer_dicts``  a dictionary, or several with different names
    ``args``                        the arguments of the call: a tuple, or one argument
    ``tie_weights``                 a parameter that the module has under several names is replaced under all of them
    ``strict``                      every name of the module must be given, and no other

    Buffers that the call assigns anew are put back into the dictionary, if one is given. PyTorch:
    torch.func.functional_call.

    >>> layer = rg.nn.Linear(2, 1)
    >>> rg.func.functional_call(layer, {"weight": rg.ones(1, 2), "bias": rg.zeros(1)}, (rg.ones(2),))
    tensor([2.])
    """
    given = _merged(parameter_and_buffer_dicts)
    for name, tensor in given.items():
        if tensor is not None and not isinstance(tensor, Value):
            raise TypeError(f"functional_call: {name!r} is {type(tensor).__name__}, not an instance of torch.Tensor")
    own = dict(module.named_parameters(remove_duplicate=False))
    own.update(module.named_buffers(remove_duplicate=False))
    values = _with_ties(own, given) if tie_weights else given
    if strict and values.keys() != own.keys():
        unexpected, missing = ([repr(n) for n in a if n not in b] for a, b in ((values, own), (own, values)))
        raise RuntimeError(
            f"Error(s) in reparametrizing for {type(module).__name__}:"
            + (f"\n\tUnexpected key(s): {', '.join(unexpected)}." if unexpected else "")
            + (f"\n\tMissing key(s): {', '.join(missing)}." if missing else "")
        )
    places = [(name, module.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in values]
    swapped: list[tuple[str, Any, str, Any]] = []
    try:
        for name, owner, end in places:
            swapped.append((name, owner, end, _swap(owner, end, values[name])))
        return module(*(args if isinstance(args, tuple) else () if args is None else (args,)), **(kwargs or {}))
    finally:
        for name, owner, end, was in reversed(swapped):
            now = _swap(owner, end, was)
            if name in given:
                given[name] = now


_ABSENT = object()


def _merged(dicts: Any) -> dict[str, Any]:
    """The dictionary given, or one of all that are given, which share no name."""
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, (tuple, list)) or not all(isinstance(d, dict) for d in dicts):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got"
            f" {type(dicts).__name__}"
        )
    merged = {name: t for d in dicts for name, t in d.items()}
    if len(merged) < sum(map(len, dicts)):
        names = [name for d in dicts for name in d]
        twice = [name for name in merged if names.count(name) > 1]
        raise ValueError(f"{twice} appeared in multiple dictionaries; behavior of functional call is ambiguous")
    return merged


def _with_ties(own: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What is given, and the same under the other names of each tensor that the module has under several."""
    tied: dict[int, list[str]] = {}
    for name, tensor in own.items():
        tied.setdefault(id(tensor), []).append(name)
    values = dict(given)
    for names in tied.values():
        some = [name for name in names if name in given] if len(names) > 1 else []
        if len({id(given[name]) for name in some}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(names)}, which are tied. Consider using"
                " tie_weights=False"
            )
        if some:
            values.update((name, given[some[0]]) for name in names)
    return values


def _swap(owner: Any, name: str, value: Any) -> Any:
    """Put a tensor in the place of a parameter, buffer or attribute, and return what was there."""
    for table in (owner._parameters, owner._buffers):
        if name in table:
            was, table[name] = table[name], value
            return was
    was = getattr(owner, name, _ABSENT)
    if value is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, value)
    return was


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(Parameters, buffers) of several models of one kind, stacked by name: an ensemble.

    `vmap` of `functional_call` runs it. PyTorch: torch.func.stack_module_state.

    >>> params, buffers = rg.func.stack_module_state([rg.nn.Linear(2, 1) for _ in range(3)])
    >>> params["weight"].shape
    regrad.Size([3, 1, 2])
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    return _stacked([dict(m.named_parameters()) for m in models]), _stacked([dict(m.named_buffers()) for m in models])


def _stacked(states: list[dict[str, Any]]) -> dict[str, Any]:
    out = {}
    for name in states[0]:
        tensors = [state[name] for state in states]
        wanted = {t.requires_grad for t in tensors}
        if len(wanted) > 1:
            raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
        out[name] = stack([t.detach() for t in tensors]).requires_grad_(wanted.pop())
    return out
