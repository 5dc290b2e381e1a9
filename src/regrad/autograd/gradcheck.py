"""Checking derivatives against differences: `gradcheck` for first derivatives, `gradgradcheck` for second ones.

Start reading at `gradcheck`. PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from regrad.autograd import forward_ad
from regrad.autograd.passes import grad
from regrad.graph.node import leaf_for
from regrad.graph.value import Value, wrap
from regrad.ops.random import draw_normal

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative does not agree with differences."""


def _tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (list, tuple)) else (x,)


def _outputs(fn: Callable[..., Any], inputs: Sequence[Any]) -> list[Any]:
    return [o for o in _tuple(fn(*inputs)) if isinstance(o, Value) and o.array.dtype.kind in "fc"]


def _differences(fn: Callable[..., Any], inputs: Sequence[Any], i: int, eps: float) -> list[np.ndarray]:
    """The Jacobian of each output by input ``i``, by central differences; complex parts are numbers of their own."""
    x = inputs[i].array
    columns: list[list[np.ndarray]] = []
    steps = [eps, 1j * eps] if x.dtype.kind == "c" else [eps]
    for k in range(x.size):
        where = np.unravel_index(k, x.shape)
        for step in steps:
            was = x[where].copy()
            x[where] = was + step
            up = [o.array.copy() for o in _outputs(fn, inputs)]
            x[where] = was - step
            down = [o.array.copy() for o in _outputs(fn, inputs)]
            x[where] = was
            columns.append([_real((a - b).reshape(-1) / (2 * eps)) for a, b in zip(up, down, strict=True)])
    outs = _outputs(fn, inputs)
    return [
        np.stack([c[k] for c in columns], 1) if columns else np.zeros((_real(o.array.reshape(-1)).size, 0))
        for k, o in enumerate(outs)
    ]


def _real(a: np.ndarray) -> np.ndarray:
    """Complex numbers as pairs of real ones."""
    return a.view(a.real.dtype) if a.dtype.kind == "c" else a


def _unit(like: np.ndarray, k: int) -> np.ndarray:
    """The ``k``-th basis direction of an array seen as real numbers."""
    out = np.zeros(like.shape, like.dtype)  # in order, so that the flat form is a view
    _real(out.reshape(-1))[k] = 1
    return out


def _by_backward(fn: Callable[..., Any], inputs: Sequence[Any], chosen: list[int]) -> list[list[np.ndarray]]:
    """Jacobians [output][input], a row for each pass."""
    outs = _outputs(fn, inputs)
    table = []
    for o in outs:
        size = _real(o.array.reshape(-1)).size
        rows: list[list[np.ndarray]] = [[] for _ in chosen]
        for k in range(size):
            if not o.requires_grad:
                found: Any = [None] * len(chosen)
            else:
                found = grad(
                    o,
                    [inputs[i] for i in chosen],
                    wrap(_unit(o.array, k)),
                    retain_graph=True,
                    allow_unused=True,
                )
            for n, (i, g) in enumerate(zip(chosen, found, strict=True)):
                row = np.zeros_like(inputs[i].array) if g is None else g.array
                rows[n].append(_real(np.ascontiguousarray(row).reshape(-1)))
        table.append(
            [
                np.stack(r) if r else np.zeros((0, _real(inputs[i].array.reshape(-1)).size))
                for r, i in zip(rows, chosen, strict=True)
            ]
        )
    return table


def _by_forward(fn: Callable[..., Any], inputs: Sequence[Any], i: int) -> list[np.ndarray]:
    """The Jacobian of each output by input ``i``, a column for each forward-mode run."""
    size = _real(inputs[i].array.reshape(-1)).size
    columns = []
    with forward_ad.dual_level():
        for k in range(size):
            given = list(inputs)
            given[i] = forward_ad.make_dual(inputs[i].detach(), wrap(_unit(inputs[i].array, k)))
            outs = _outputs(fn, given)
            tangents = [forward_ad.unpack_dual(o).tangent for o in outs]
            columns.append(
                [
                    (
                        _real(np.zeros_like(o.array).reshape(-1))
                        if t is None
                        else _real(np.ascontiguousarray(t.detach().array).reshape(-1))
                    )
                    for o, t in zip(outs, tangents, strict=True)
                ]
            )
    return [np.stack([c[k] for c in columns], 1) for k in range(len(columns[0]))] if columns else []


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Do the gradients of ``func`` at ``inputs`` agree with central differences? Raises, or gives False, if not.

    Inputs that require grad should be float64. ``check_forward_ad`` checks forward mode too; ``fast_mode`` compares one
    random direction instead of the whole Jacobian. PyTorch: torch.autograd.gradcheck.

    >>> x = rg.rand(3, dtype=rg.float64, requires_grad=True)
    >>> rg.autograd.gradcheck(lambda t: t * t, (x,))
    True
    """
    if not (check_backward_ad or check_forward_ad):
        raise ValueError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    try:
        _check(
            func,
            _tuple(inputs),
            eps,
            atol,
            rtol,
            nondet_tol,
            check_undefined_grad,
            check_forward_ad,
            check_backward_ad,
            fast_mode,
        )
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(
    func: Any,
    inputs: tuple[Any, ...],
    eps: float,
    atol: float,
    rtol: float,
    nondet: float,
    undefined: bool,
    forward: bool,
    backward: bool,
    fast: bool,
) -> None:
    chosen = [i for i, x in enumerate(inputs) if isinstance(x, Value) and x.requires_grad]  # type: ignore[attr-defined]
    if not chosen:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have"
            " requires_grad=True."
        )
    for i in chosen:
        if inputs[i].array.size and any(
            s == 0 and n > 1 for s, n in zip(inputs[i].array.strides, inputs[i].array.shape, strict=True)
        ):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are"
                " non-overlapping to be able to compute the numerical gradients correctly. You should call"
                " .contiguous on the input before passing it to gradcheck."
            )
    outs = _outputs(func, inputs)
    if not any(o.requires_grad for o in outs):
        for i in chosen:
            if any(np.any(np.abs(j) > atol) for j in _differences(func, inputs, i, eps)):
                raise GradcheckError(
                    "Numerical gradient for function expected to be zero: the outputs do not require grad,"
                    " yet they change"
                )
        return
    if fast:
        _check_direction(func, inputs, chosen, eps, atol, rtol, forward, backward)
    numeric = [] if fast else [_differences(func, inputs, i, eps) for i in chosen]
    if backward and not fast:
        table = _by_backward(func, inputs, chosen)
        if nondet == 0.0 or nondet > 0:
            again = _by_backward(func, inputs, chosen)
            for o, (a, b) in enumerate(zip(table, again, strict=True)):
                for n, (x, y) in enumerate(zip(a, b, strict=True)):
                    if np.any(np.abs(x - y) > nondet):
                        raise GradcheckError(
                            "Backward is not reentrant, i.e., running backward with same input and"
                            f" grad_output multiple times gives different values (output {o}, input"
                            f" {chosen[n]})"
                        )
        for o, row in enumerate(table):
            for n, analytic in enumerate(row):
                _compare(analytic, numeric[n][o], o, chosen[n], atol, rtol, "analytical")
    if forward and not fast:
        for n, i in enumerate(chosen):
            for o, analytic in enumerate(_by_forward(func, inputs, i)):
                _compare(analytic, numeric[n][o], o, i, atol, rtol, "forward-mode")
    if backward and undefined:
        _check_undefined(func, inputs, chosen)


def _compare(
    analytic: np.ndarray, numeric: np.ndarray, o: int, i: int, atol: float, rtol: float, what: str
) -> None:
    if not np.allclose(analytic, numeric, rtol=rtol, atol=atol, equal_nan=True):
        raise GradcheckError(
            f"Jacobian mismatch for output {o} with respect to input"
            f" {i},\nnumerical:{numeric}\n{what}:{analytic}\nlargest difference:"
            f" {np.nanmax(np.abs(analytic - numeric)):.3g}"
        )


def dot(xs: Sequence[np.ndarray], ys: Sequence[np.ndarray]) -> float:
    """The real inner product of two lists of arrays."""
    return float(sum(np.sum(np.real(np.conj(x) * y)) for x, y in zip(xs, ys, strict=True)))


def _check_direction(
    func: Any,
    inputs: tuple[Any, ...],
    chosen: list[int],
    eps: float,
    atol: float,
    rtol: float,
    forward: bool,
    backward: bool,
) -> None:
    """One random direction in, one out: ``<v, J t>`` three ways."""
    moves = [draw_normal(inputs[i].array.shape, inputs[i].array.dtype) for i in chosen]

    def at(h: float) -> list[np.ndarray]:
        given = list(inputs)
        for i, t in zip(chosen, moves, strict=True):
            given[i] = wrap(inputs[i].array + h * t)
        return [o.array for o in _outputs(func, given)]

    moved = [(a - b) / (2 * eps) for a, b in zip(at(eps), at(-eps), strict=True)]
    outs = _outputs(func, inputs)
    cots = [draw_normal(o.array.shape, o.array.dtype) for o in outs]
    expected = dot(cots, moved)
    if backward:
        some = [k for k, o in enumerate(outs) if o.requires_grad]
        found = grad(
            [outs[k] for k in some],
            [inputs[i] for i in chosen],
            [wrap(cots[k]) for k in some],
            allow_unused=True,
        )
        actual = dot(
            [np.zeros_like(t) if g is None else g.array for g, t in zip(found, moves, strict=True)], moves
        )
        _compare(np.array(actual), np.array(expected), -1, -1, atol * 10, rtol, "analytical")
    if forward:
        with forward_ad.dual_level():
            given = list(inputs)
            for i, t in zip(chosen, moves, strict=True):
                given[i] = forward_ad.make_dual(inputs[i].detach(), wrap(t))
            pushed = [forward_ad.unpack_dual(o).tangent for o in _outputs(func, given)]
            actual = dot(
                cots, [np.zeros_like(c) if p is None else p.array for p, c in zip(pushed, cots, strict=True)]
            )
        _compare(np.array(actual), np.array(expected), -1, -1, atol * 10, rtol, "forward-mode")


def _check_undefined(func: Any, inputs: tuple[Any, ...], chosen: list[int]) -> None:
    """With several outputs, gradients must come through when only one of them has a cotangent."""
    outs = _outputs(func, inputs)
    for o in outs:
        if o.requires_grad:
            found = grad(
                o,
                [inputs[i] for i in chosen],
                wrap(np.zeros_like(o.array)),
                retain_graph=True,
                allow_unused=True,
            )
            if any(g is not None and np.any(np.nan_to_num(g.array) != 0) for g in found):
                raise GradcheckError("gradcheck: backward of a zero gradient is not zero")


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Do the second derivatives of ``func`` agree with differences of the first ones?

    PyTorch: torch.autograd.gradgradcheck.

    >>> x = rg.rand(3, dtype=rg.float64, requires_grad=True)
    >>> rg.autograd.gradgradcheck(lambda t: t * t * t, (x,))
    True
    """
    given = _tuple(inputs)
    outs = _outputs(func, given)
    if grad_outputs is None:
        cots = []
        for o in outs:
            c = wrap(draw_normal(o.array.shape, o.array.dtype))
            leaf_for(c)
            cots.append(c)
    else:
        cots = list(_tuple(grad_outputs))
    count = len(given)

    def first(*all_inputs: Any) -> Any:
        xs, cs = list(all_inputs[:count]), all_inputs[count:]
        for k, x in enumerate(xs):
            if isinstance(given[k], Value) and given[k].requires_grad and not x.requires_grad:
                x.requires_grad_()
        results = _outputs(func, xs)
        pairs = [(o, c) for o, c in zip(results, cs, strict=True) if o.requires_grad]
        wrt = [x for k, x in enumerate(xs) if isinstance(given[k], Value) and given[k].requires_grad]
        found = grad([o for o, _ in pairs], wrt, [c for _, c in pairs], create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        first,
        (*given, *cots),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
    )
