"""Whole derivatives of functions: `vjp`, `jvp`, `jacobian`, `hessian`, `hvp`, `vhp` in PyTorch's functional form.

Each takes a function of tensors, runs it on copies of the inputs that are leaves of a graph of its own, and gives the
function's value with the derivative. ``create_graph`` makes the results differentiable, also by the inputs given;
``strict`` raises where an output does not depend on an input. Start reading at `vjp`.

PyTorch: https://docs.pytorch.org/docs/stable/autograd.html#functional-higher-level-api
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from regrad.autograd import forward_ad
from regrad.autograd.passes import grad
from regrad.graph.modes import Switch, mode
from regrad.graph.node import leaf_for
from regrad.graph.value import Value, wrap

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tuple(x: Any, what: str, fn: str) -> tuple[bool, tuple[Any, ...]]:
    """(was it a tuple?, the tensors)."""
    several = isinstance(x, tuple)
    if not several and not isinstance(x, Value):
        raise TypeError(
            f"The {what} given to {fn} must be either a Tensor or a tuple of Tensors but the given {what} has"
            f" type {type(x)}."
        )
    xs = x if several else (x,)
    for k, t in enumerate(xs):
        if not isinstance(t, Value):
            raise TypeError(
                f"The {what} given to {fn} must be either a Tensor or a tuple of Tensors but the value at"
                f" index {k} has type {type(t)}."
            )
    return several, tuple(xs)


def _own(inputs: tuple[Any, ...], create_graph: bool) -> tuple[Any, ...]:
    """The inputs as tensors to differentiate by: linked to the caller's when the results are to be differentiable."""
    out = []
    for x in inputs:
        if create_graph and x.requires_grad:
            out.append(x.view_as(x))
        else:
            fresh = wrap(x.array)
            leaf_for(fresh)
            out.append(fresh)
    return tuple(out)


def _results(values: tuple[Any, ...], create_graph: bool) -> tuple[Any, ...]:
    return values if create_graph else tuple(v.detach() for v in values)


def _shape_like(values: tuple[Any, ...], several: bool) -> Any:
    return values if several else values[0]


def _check_vector(v: Any, like: tuple[Any, ...], what: str, fn: str) -> tuple[Any, ...]:
    if v is None:
        if len(like) != 1 or like[0].array.size != 1:
            raise RuntimeError(
                f"The vector v can only be None if the {what} a single Tensor with a single element."
            )
        return (wrap(np.ones_like(like[0].array)),)
    _, vs = _tuple(v, "v", fn)
    if len(vs) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(vs)}.")
    for k, (a, b) in enumerate(zip(vs, like, strict=True)):
        if a.array.shape != b.array.shape:
            raise RuntimeError(
                f"{f'Entry {k} in ' if len(like) > 1 else ''}v has invalid size: should be"
                f" {list(b.array.shape)} but got {list(a.array.shape)}."
            )
    return vs


def _filled(
    grads: Any, like: tuple[Any, ...], strict: bool, *, of: str = "The output", create_graph: bool = False
) -> tuple[Any, ...]:
    """The gradients, zeros where there is none.

    In strict mode there must be one, and with ``create_graph`` one that depends on the inputs.
    """
    out = []
    for k, (g, x) in enumerate(zip(grads, like, strict=True)):
        if strict and g is None:
            raise RuntimeError(
                f"{of} of the user-provided function is independent of input {k}. This is not allowed in"
                " strict mode."
            )
        if strict and create_graph and not g.requires_grad:
            raise RuntimeError(
                f"The jacobian of the user-provided function is independent of input {k}. This "
                "is not allowed in strict mode when create_graph=True."
            )
        out.append(wrap(np.zeros_like(x.array)) if g is None else g)
    return tuple(out)


def _check_outputs(outs: tuple[Any, ...], strict: bool) -> None:
    """In strict mode every output must depend on an input."""
    for k, o in enumerate(outs):
        if strict and not o.requires_grad:
            raise RuntimeError(
                f"Output {k} of the user-provided function does not require gradients. The outputs must be"
                " computed in a differentiable manner from the input when running in strict mode."
            )


def _check_curved(jacobian: tuple[Any, ...], strict: bool) -> None:
    """In strict mode the gradient must depend on the inputs."""
    for k, g in enumerate(jacobian):
        if strict and not g.requires_grad:
            raise RuntimeError(
                "While computing the hessian, found that the jacobian of the user-provided function with"
                f" respect to input {k} is independent of the input. This is not allowed in strict mode. You"
                " should ensure that your function is twice differentiable and that the jacobian depends on"
                " the inputs (this would be violated by a linear function for example)."
            )


def _grad(outs: tuple[Any, ...], inputs: tuple[Any, ...], cots: Any, create_graph: bool) -> tuple[Any, ...]:
    pairs = [
        (o, c)
        for o, c in zip(outs, cots if cots is not None else (None,) * len(outs), strict=True)
        if o.requires_grad
    ]
    if not pairs:
        return (None,) * len(inputs)
    return grad(
        [o for o, _ in pairs],
        inputs,
        [c for _, c in pairs],
        create_graph=create_graph,
        retain_graph=True,
        allow_unused=True,
    )


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(``func(inputs)``, the product of ``v`` with its Jacobian).

    >>> rg.autograd.functional.vjp(lambda x: x * x, rg.tensor([1., 2.]), rg.tensor([1., 10.]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    several, xs = _tuple(inputs, "inputs", "vjp")
    with Switch(record=True):
        own = _own(xs, create_graph)
        many, outs = _tuple(func(*own), "outputs of the user-provided function", "vjp")
        _check_outputs(outs, strict)
        vs = _check_vector(v, outs, "user-provided function returns", "vjp")
        found = _filled(_grad(outs, own, vs, create_graph), own, strict, create_graph=create_graph)
    return _shape_like(_results(outs, create_graph), many), _shape_like(
        _results(found, create_graph), several
    )


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(``func(inputs)``, the product of its Jacobian with ``v``), by forward mode.

    >>> rg.autograd.functional.jvp(lambda x: x * x, rg.tensor([1., 2.]), rg.tensor([1., 10.]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    _, xs = _tuple(inputs, "inputs", "jvp")
    vs = _check_vector(v, xs, "input to the user-provided function is", "jvp")
    if strict:
        vjp(func, inputs, _like_outputs(func, inputs), create_graph, strict=True)
    with Switch(record=create_graph and mode().record), forward_ad.dual_level():
        own = _own(xs, create_graph) if create_graph else tuple(wrap(x.array) for x in xs)
        many, outs = _tuple(
            func(*[forward_ad.make_dual(x, t) for x, t in zip(own, vs, strict=True)]), "outputs", "jvp"
        )
        pairs = [forward_ad.unpack_dual(o) for o in outs]
    values = tuple(p for p, _ in pairs)
    found = _filled([t for _, t in pairs], values, strict=False)
    return _shape_like(_results(values, create_graph), many), _shape_like(_results(found, create_graph), many)


def _like_outputs(func: Callable[..., Any], inputs: Any) -> Any:
    """Ones in the shapes of the outputs."""
    with Switch(record=False):
        several, outs = _tuple(
            func(*_tuple(inputs, "inputs", "jvp")[1]), "outputs of the user-provided function", "jvp"
        )
    return _shape_like(tuple(wrap(np.ones_like(o.array)) for o in outs), several)


def _unit(like: Any, k: int) -> Any:
    one = np.zeros(like.shape, like.dtype)  # in order, so that the flat form is a view
    one.reshape(-1)[k] = 1
    return one


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: a tensor of shape ``output.shape + input.shape``, or tuples of them for several outputs and inputs.

    One backward pass for each element of the output, which ``vectorize`` takes as one batch; with
    ``strategy="forward-mode"`` one forward run for each element of the input.

    >>> rg.autograd.functional.jacobian(lambda x: x * x, rg.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more'
            ' outputs than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use'
            ' "reverse-mode".'
        )
    several, xs = _tuple(inputs, "inputs", "jacobian")
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported"
            " together. Please either set `strict=False` or `vectorize=False`."
        )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are'
                " not supported together (yet). Please either set `create_graph=False` or"
                ' `strategy="reverse-mode"`.'
            )
        return _jacobian_forward(func, several, xs, strict)
    with Switch(record=True):
        own = _own(xs, create_graph)
        many, outs = _tuple(func(*own), "outputs of the user-provided function", "jacobian")
        _check_outputs(outs, strict)
        table = []
        for n, o in enumerate(outs):
            if vectorize and o.requires_grad and o.array.size:
                basis = np.stack([_unit(o.array, k) for k in range(o.array.size)])
                found = grad(
                    o,
                    own,
                    wrap(basis),
                    create_graph=create_graph,
                    retain_graph=True,
                    allow_unused=True,
                    is_grads_batched=True,
                )
                rows = [None if g is None else g for g in found]
                blocks = [
                    (_zeros(o, x) if g is None else g.reshape(*o.array.shape, *x.array.shape))
                    for g, x in zip(rows, own, strict=True)
                ]
            else:
                each: list[list[Any]] = [[] for _ in own]
                for k in range(o.array.size):
                    found = _filled(
                        _grad((o,), own, (wrap(_unit(o.array, k)),), create_graph),
                        own,
                        strict,
                        of=f"Output {n}",
                        create_graph=create_graph,
                    )
                    for place, g in zip(each, found, strict=True):
                        place.append(g)
                blocks = [_stacked(place, o, x) for place, x in zip(each, own, strict=True)]
            blocks = list(_results(tuple(blocks), create_graph))
            table.append(tuple(blocks) if several else blocks[0])
    return tuple(table) if many else table[0]


def _zeros(o: Any, x: Any) -> Any:
    return wrap(np.zeros((*o.array.shape, *x.array.shape), x.array.dtype))


def _stacked(rows: list[Any], o: Any, x: Any) -> Any:
    from regrad.ops.joining import stack

    return stack(rows).reshape(*o.array.shape, *x.array.shape) if rows else _zeros(o, x)


def _jacobian_forward(func: Callable[..., Any], several: bool, xs: tuple[Any, ...], strict: bool) -> Any:
    columns: list[list[list[Any]]] = []
    many = False
    outs: tuple[Any, ...] = ()
    if strict:
        vjp(func, xs, _like_outputs(func, xs), strict=True)
    for i, x in enumerate(xs):
        per_input: list[list[Any]] = []
        for k in range(x.array.size):
            with forward_ad.dual_level():
                given = [wrap(t.array) for t in xs]
                given[i] = forward_ad.make_dual(given[i], wrap(_unit(x.array, k)))
                many, results = _tuple(func(*given), "outputs of the user-provided function", "jacobian")
                pairs = [forward_ad.unpack_dual(o) for o in results]
            outs = tuple(p for p, _ in pairs)
            per_input.append([t.array for t in _filled([t for _, t in pairs], outs, strict=False)])
        columns.append(per_input)
    table = []
    for n, o in enumerate(outs):
        blocks = [
            wrap(np.stack([c[n] for c in per], -1).reshape(*o.array.shape, *x.array.shape))
            for per, x in zip(columns, xs, strict=True)
        ]
        table.append(tuple(blocks) if several else blocks[0])
    return tuple(table) if many else table[0]


def _scalar(outs: tuple[Any, ...], fn: str) -> Any:
    if len(outs) != 1:
        raise RuntimeError(f"The function given to {fn} should return a single Tensor")
    if outs[0].array.size != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {fn} should contain a single element"
        )
    return outs[0].reshape(()) if outs[0].array.ndim else outs[0]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function with one number as result: the Jacobian of its gradient.

    >>> rg.autograd.functional.hessian(lambda x: (x ** 3).sum(), rg.tensor([1., 2.]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    several, _ = _tuple(inputs, "inputs", "hessian")

    def gradient(*xs: Any) -> Any:
        with Switch(record=True):
            ready = tuple(x if x.requires_grad else _leaf(x) for x in xs)
            _, outs = _tuple(func(*ready), "outputs of the user-provided function", "hessian")
            _check_outputs(outs, strict)
            found = _filled(_grad((_scalar(outs, "hessian"),), ready, None, True), ready, strict)
        _check_curved(found, strict)
        return found if several else found[0]

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


def _leaf(x: Any) -> Any:
    """A leaf over the same elements, with the same tangents: a gradient is taken inside of forward mode."""
    out = forward_ad.unpack_dual(x).primal.detach().requires_grad_()
    tangent = forward_ad.unpack_dual(x).tangent
    return out if tangent is None else forward_ad.make_dual(out, tangent)


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(``func(inputs)``, the product of ``v`` with its Hessian).

    >>> rg.autograd.functional.vhp(lambda x: (x ** 3).sum(), rg.tensor([1., 2.]), rg.tensor([1., 1.]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


def _hessian_product(
    fn: str, func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool
) -> tuple[Any, Any]:
    several, xs = _tuple(inputs, "inputs", fn)
    vs = _check_vector(v, xs, "input to the user-provided function is", fn)
    with Switch(record=True):
        own = _own(xs, create_graph)
        _, outs = _tuple(func(*own), "outputs of the user-provided function", fn)
        _check_outputs(outs, strict)
        first = _filled(_grad((_scalar(outs, fn),), own, None, True), own, strict)
        _check_curved(first, strict)
        found = _filled(_grad(first, own, vs, create_graph), own, strict, create_graph=create_graph)
    return _results(outs, create_graph)[0], _shape_like(_results(found, create_graph), several)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(``func(inputs)``, the product of its Hessian with ``v``); the Hessian is symmetric, so it equals `vhp`.

    >>> rg.autograd.functional.hvp(lambda x: (x ** 3).sum(), rg.tensor([1., 2.]), rg.tensor([1., 1.]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)
