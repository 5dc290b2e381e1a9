"""L-BFGS: a quasi-Newton method that evaluates the loss several times per step.

All parameters are one vector here, of real numbers. Start reading at `LBFGS.step`, then `_strong_wolfe`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from regrad.autograd.grad_mode import enable_grad
from regrad.graph.value import Value, wrap
from regrad.optim.optimizer import Optimizer, Writing, check_closure, check_options, options_of
from regrad.optim.rules import wide

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    r"""L-BFGS: steps along an estimate of the inverse Hessian times the gradient.

    The estimate comes from the last ``history_size`` pairs ``s`` (how far the parameters moved) and ``y`` (by how much
    the gradient changed). A step runs up to ``max_iter`` iterations and ``max_eval`` evaluations (``max_iter * 1.25``),
    and ends early when no element of the gradient exceeds ``tolerance_grad``, or when loss and parameters move by less
    than ``tolerance_change``. With ``line_search_fn="strong_wolfe"`` each iteration looks along its direction for a
    point that satisfies the strong Wolfe conditions; else it goes ``lr`` along it.

    The closure clears the gradients, computes the loss, calls ``backward`` and returns the loss. All parameters form
    one group.

    Nocedal and Wright, "Numerical optimization", chapters 3 and 7. PyTorch: torch.optim.LBFGS.

    >>> w = rg.tensor([1., -2.], requires_grad=True)
    >>> optimizer = rg.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - rg.tensor([3., 4.])) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    tensor(40., grad_fn=<SumBackward0>)
    >>> w.detach()
    tensor([3., 4.])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_options(lr=lr)
        defaults = dict(
            lr=lr,
            max_iter=max_iter,
            max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn=line_search_fn,
        )
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take the one group; a second is refused."""
        if self.param_groups:
            raise ValueError(
                "LBFGS doesn't support per-parameter options (parameter groups): give all parameters in one list"
            )
        super().add_param_group(param_group)

    def _loaded(self, p: Any, kept: Any, group: dict[str, Any], number: Any) -> Any:
        return deepcopy(kept)  # vectors over all parameters: that of the first need not be their dtype

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Run up to ``max_iter`` iterations; returns the loss from before the first."""
        group = options_of(self.param_groups[0], False)
        if closure is None:
            raise TypeError(
                "LBFGS.step() needs a closure, for it evaluates the loss several times: a function that clears the"
                " gradients, computes the loss, calls backward and returns the loss"
            )
        check_closure(closure, "LBFGS")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError(f"only 'strong_wolfe' is supported, not {group['line_search_fn']!r}")
        with Writing():
            return self._iterate(closure, group)

    def _iterate(self, closure: Callable[[], Any], group: dict[str, Any]) -> Any:
        params = self.param_groups[0]["params"]
        writer = self._writer(params)

        def evaluate() -> Any:
            with enable_grad():
                loss = closure()
            if loss is None:
                raise TypeError("LBFGS.step(): the closure should return the loss, not None: end it with `return loss`")
            return loss

        def place(x: Any) -> None:
            _scatter(x, params)
            for p in params:
                self._mark(p, {}, writer)

        lr, tolerance = group["lr"], group["tolerance_change"]
        state = self.state[params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = evaluate()
        loss, g = float(first_loss), _gradient(params)
        evaluations = 1
        state["func_evals"] += 1
        done = np.abs(g).max() <= group["tolerance_grad"]
        if done:
            return first_loss
        x = _flat([p.array for p in params])
        d, t, ys, ss, ro, scale, g_before, loss_before = [_bare(state.get(name)) for name in _KEPT]

        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d, ys, ss, ro, scale = -g, [], [], [], 1.0
            else:
                scale = _remember(g - g_before, d * t, ys, ss, ro, scale, group["history_size"])
                d = _direction(g, ys, ss, ro, scale)
            g_before, loss_before = g, loss
            t = min(1.0, 1.0 / np.abs(g).sum()) * lr if state["n_iter"] == 1 else lr
            slope = g.dot(d)
            if slope > -tolerance:
                break
            spent = 0
            if group["line_search_fn"] is not None:

                def along(t: Any, x: Any = x, d: Any = d) -> _Point:
                    place(x + t * d)
                    loss, g = float(evaluate()), _gradient(params)
                    return _Point(t, loss, g, g.dot(d))

                start = _Point(0.0, loss, g, slope)
                most = group["max_eval"] - evaluations
                (t, loss, g, _), spent = _strong_wolfe(along, start, t, np.abs(d).max(), tolerance, most)
            x = x + t * d
            place(x)
            if group["line_search_fn"] is None and iteration != group["max_iter"]:
                loss, g = float(evaluate()), _gradient(params)
                spent = 1
            done = np.abs(g).max() <= group["tolerance_grad"]
            evaluations += spent
            state["func_evals"] += spent
            if evaluations >= group["max_eval"] or done or np.abs(d * t).max() <= tolerance:
                break
            if abs(loss - loss_before) < tolerance:
                break

        state.update(zip(_KEPT, [_boxed(v) for v in (d, t, ys, ss, ro, scale, g_before, loss_before)]))
        return first_loss


# What is kept, in the state of the first parameter: the last direction and step length, the history (the changes of the
# gradient, those of the parameters, one over their products), the scale of the first estimate, gradient and loss.
_KEPT = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")


def _bare(kept: Any) -> Any:
    """What is kept, without the tensors around the arrays."""
    if isinstance(kept, list):
        return [_bare(v) for v in kept]
    return kept.array[()] if isinstance(kept, Value) else kept


def _boxed(kept: Any) -> Any:
    """What is kept, with arrays and numbers of their dtype as tensors."""
    if isinstance(kept, list):
        return [_boxed(v) for v in kept]
    return wrap(np.asarray(kept)) if isinstance(kept, (np.ndarray, np.generic)) else kept


def _flat(arrays: list[Any]) -> Any:
    """The elements of all arrays as one vector, complex numbers as pairs, half precision as float32."""
    lines = [wide(a).reshape(-1) for a in arrays]
    return np.concatenate([np.ascontiguousarray(a).view(a.real.dtype) if a.dtype.kind == "c" else a for a in lines])


def _scatter(x: Any, params: list[Any]) -> None:
    """Write the vector ``x`` into the parameters."""
    start = 0
    for p in params:
        array = p.array
        pairs = array.dtype.kind == "c"
        part = x[start : start + array.size * (2 if pairs else 1)]
        start += part.size
        part = part.astype(array.real.dtype, copy=False).view(array.dtype) if pairs else part
        array[...] = part.reshape(array.shape)


def _gradient(params: list[Any]) -> Any:
    """The gradients of all parameters as one vector; zero where there is none."""
    return _flat([np.zeros_like(p.array) if p._grad is None else p._grad.array for p in params])


def _remember(y: Any, s: Any, ys: list[Any], ss: list[Any], ro: list[Any], scale: Any, most: int) -> Any:
    """Add a pair to the history if the curvature along it is positive; returns the scale of the first estimate."""
    curvature = y.dot(s)
    if not curvature > 1e-10:
        return scale
    if len(ys) == most:
        for history in (ys, ss, ro):
            del history[0]
    ys.append(y)
    ss.append(s)
    ro.append(1.0 / curvature)
    return curvature / y.dot(y)


def _direction(g: Any, ys: list[Any], ss: list[Any], ro: list[Any], scale: Any) -> Any:
    """Minus the inverse Hessian, as the history tells it, times the gradient: the two-loop recursion."""
    q = -g
    shares = []
    for y, s, r in zip(reversed(ys), reversed(ss), reversed(ro)):
        shares.append(s.dot(q) * r)
        q = q - shares[-1] * y
    d = q * scale
    for y, s, r, share in zip(ys, ss, ro, reversed(shares)):
        d = d + (share - y.dot(d) * r) * s
    return d


class _Point(NamedTuple):
    """A place along the direction: how far, the loss there, the gradient, and its slope along the direction."""

    t: Any
    loss: Any
    g: Any
    slope: Any


def _cubic(a: _Point, b: _Point, low: Any, high: Any) -> Any:
    """Where the cubic through two points and their slopes has its minimum, kept between ``low`` and ``high``."""
    a, b = (a, b) if a.t <= b.t else (b, a)
    width = np.float64(b.t - a.t)
    d1 = a.slope + b.slope - 3 * (b.loss - a.loss) / width
    square = d1 * d1 - a.slope * b.slope
    d2 = np.sqrt(square)  # nan where the cubic has no minimum
    place = b.t - width * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return (low + high) / 2.0 if np.isnan(place) else min(max(place, low), high)


def _strong_wolfe(
    along: Callable[[Any], _Point], start: _Point, t: Any, reach: Any, tolerance: float, most: int
) -> tuple[_Point, int]:
    """(a point that satisfies the strong Wolfe conditions, or the best found; how many were evaluated).

    First go on until a minimum is bracketed, then narrow the bracket. ``reach`` is the direction's largest element.
    """

    def too_high(point: _Point) -> Any:
        return point.loss > start.loss + 1e-4 * point.t * start.slope

    def flat(point: _Point) -> Any:
        return abs(point.slope) <= -0.9 * start.slope

    new, before, count = along(t), start, 0
    bracket = None
    while count < most:
        if too_high(new) or (count > 1 and new.loss >= before.loss):
            bracket = [before, new]
            break
        if flat(new):
            return new, count + 1
        if new.slope >= 0:
            bracket = [before, new]
            break
        t = _cubic(before, new, new.t + 0.01 * (new.t - before.t), new.t * 10)
        before, new, count = new, along(t), count + 1
    if bracket is None:
        bracket = [start, new]

    def lower() -> int:
        return 0 if bracket[0].loss <= bracket[1].loss else 1

    best, stalled = lower(), False
    while count < most:
        low, high = sorted(point.t for point in bracket)
        if (high - low) * reach < tolerance:
            break
        t = _cubic(bracket[0], bracket[1], low, high)
        margin = 0.1 * (high - low)
        if min(high - t, t - low) < margin:  # so near an end that the bracket would hardly shrink
            if stalled or t >= high or t <= low:
                t = high - margin if abs(t - high) < abs(t - low) else low + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        new, count = along(t), count + 1
        if too_high(new) or new.loss >= bracket[best].loss:
            bracket[1 - best] = new
            best = lower()
            continue
        if flat(new):
            return new, count + 1
        if new.slope * (bracket[1 - best].t - bracket[best].t) >= 0:
            bracket[1 - best] = bracket[best]
        bracket[best] = new
    return bracket[best], count + 1
