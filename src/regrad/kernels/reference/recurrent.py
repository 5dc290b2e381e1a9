"""Recurrent layers on arrays: the loops over time. Start reading at `lstm`.

Sequences are (time, batch, features). What enters the gates from outside is one product for all times; a step is then
one small product and a few operations on arrays that stay in the cache. A sigmoid is taken as ``(1 + tanh(x/2)) / 2``,
with the halves put into the weights, so that one call serves all gates.

`forward` and `backward` are the linear recurrences of which every derivative of such a layer is made, each the
transpose of the other.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["backward", "each_gate", "forward", "gru", "gru_slopes", "lstm", "lstm_slopes", "plus", "rnn"]

Array = NDArray[Any]


def _single(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """``kernel``, which works on 16-bit floats as float32."""

    @functools.wraps(kernel)
    def call(*xs: Any, **params: Any) -> Any:
        kind = xs[0].dtype
        if kind.itemsize > 2:
            return kernel(*xs, **params)
        out = kernel(*(None if a is None else a.astype(np.float32) for a in xs), **params)
        return tuple(a.astype(kind) for a in out) if type(out) is tuple else out.astype(kind)

    return call


def _zeros(x: Any, like: Array) -> Array:
    zeros: Array = np.zeros(like.shape, like.dtype) if x is None else x
    return zeros


def _projected(x: Array, w: Array, bias: Any, half: Any = 1) -> Array:
    """``x wᵀ + bias`` for all times in a new array, halved where ``half`` says so."""
    steps, batch, size = x.shape
    out: Array = x.reshape(steps * batch, size) @ (w.T * half)
    if bias is not None:
        out += bias * half
    return out.reshape(steps, batch, len(w))


def plus(a: Any, b: Any) -> Any:
    """The sum; None is zero."""
    return b if a is None else a if b is None else a + b


def _halves(parts: str, like: Array) -> Array:
    """For each row of a weight: 1/2 if the function of its gate is a sigmoid ("s" among ``parts``), else 1."""
    return np.array([0.5 if part == "s" else 1 for part in parts], like.dtype).repeat(len(like) // len(parts))


def each_gate(x: Any, count: int) -> list[Any]:
    """What belongs to each of ``count`` gates."""
    size = x.shape[-1] // count
    return [x[..., k * size : (k + 1) * size] for k in range(count)]


@_single
def lstm(x: Array, start: Any, state: Any, w_ih: Array, w_hh: Array, b_ih: Any, b_hh: Any) -> tuple[Array, ...]:
    """The outputs, the cells and the gates (input, forget, cell, output; after their functions) at all times.

    ``start`` is what the step before the first gives to the gates, ``state`` the cells before the first.
    """
    size, half = w_hh.shape[1], _halves("ssts", w_hh)
    rest = 1 - half
    gates = _projected(x, w_ih, plus(b_ih, b_hh), half)
    weight = np.ascontiguousarray(w_hh.T * half)
    if start is not None:
        gates[:1] += start * half
    out, cells = (np.empty((*x.shape[:2], size), x.dtype) for _ in range(2))
    given, fresh = np.empty(gates.shape[1:], x.dtype), np.empty(out.shape[1:], x.dtype)
    h, c = None, _zeros(state, fresh)
    for z, i, f, g, o, c_, h_ in zip(gates, *each_gate(gates, 4), cells, out):
        if h is not None:
            np.matmul(h, weight, out=given)
            z += given
        np.tanh(z, out=z)
        z *= half
        z += rest
        np.multiply(f, c, out=c_)
        np.multiply(i, g, out=fresh)
        c_ += fresh
        np.tanh(c_, out=h_)
        h_ *= o
        h, c = h_, c_
    return out, cells, gates


@_single
def gru(x: Array, start: Any, state: Any, w_ih: Array, w_hh: Array, b_ih: Any, b_hh: Any) -> tuple[Array, ...]:
    """The outputs, what the reset gate scales, and the gates (reset, update, new; after their functions) at all times.

    ``start`` is what the step before the first gives to the gates, ``state`` the output before the first.
    """
    size, half = w_hh.shape[1], _halves("sst", w_hh)
    gates = _projected(x, w_ih, b_ih, half)
    weight = np.ascontiguousarray(w_hh.T * half)
    bias = 0 if b_hh is None else b_hh * half
    out, inner = (np.empty((*x.shape[:2], size), x.dtype) for _ in range(2))
    given = np.zeros(gates.shape[1:], x.dtype)
    if start is not None:
        given += start * half
    scaled = np.empty(out.shape[1:], x.dtype)
    h, first = _zeros(state, scaled), True
    within, last = given[:, : 2 * size], given[:, 2 * size :]
    for both, (r, z, n), h_, q in zip(gates[..., : 2 * size], zip(*each_gate(gates, 3)), out, inner):
        if not first:
            np.matmul(h, weight, out=given)
        first = False
        given += bias
        both += within
        np.tanh(both, out=both)
        both *= 0.5
        both += 0.5
        q[...] = last
        np.multiply(r, q, out=scaled)
        n += scaled
        np.tanh(n, out=n)
        np.subtract(h, n, out=h_)
        h_ *= z
        h_ += n
        h = h_
    return out, inner, gates


@_single
def rnn(x: Array, start: Any, w_ih: Array, w_hh: Array, b_ih: Any, b_hh: Any, *, relu: bool) -> Array:
    """The outputs at all times. ``start`` is what the step before the first gives."""
    out = _projected(x, w_ih, plus(b_ih, b_hh))
    weight = np.ascontiguousarray(w_hh.T)
    if start is not None:
        out[:1] += start
    given, h = np.empty(out.shape[1:], x.dtype), None
    for z in out:
        if h is not None:
            np.matmul(h, weight, out=given)
            z += given
        h = np.maximum(z, 0, out=z) if relu else np.tanh(z, out=z)
    return out


# The slopes: what moves by how much when the gates move


BLOCK = 1 << 15  # elements worked on at a time: those of so many stay in the cache


def _blocks(x: Array) -> Iterator[slice]:
    """Slices of time, each of about a block."""
    step = max(1, BLOCK // max(1, math.prod(x.shape[1:])))
    return (slice(t, min(t + step, len(x))) for t in range(0, len(x), step))


def _before(x: Array, first: Any, some: slice) -> Array:
    """``x`` at the times before ``some``; before all of them it was ``first``, or zero."""
    if some.start:
        return x[some.start - 1 : some.stop - 1]
    return np.concatenate([_zeros(first, x[0])[None], x[: some.stop - 1]])


@_single
def lstm_slopes(gates: Array, cells: Array, state: Any) -> tuple[Array, Array]:
    """What an LSTM changes by, for each gate: the cells for the first three, the output for the fourth.

    The second result is what the output changes by for the cells.
    """
    slopes, through = np.empty(gates.shape, gates.dtype), np.empty(cells.shape, cells.dtype)
    for some in _blocks(cells):
        (i, f, g, o), (by_i, by_f, by_g, by_o) = each_gate(gates[some], 4), each_gate(slopes[some], 4)
        tanh = np.tanh(cells[some])
        for gate, slope, other in ((i, by_i, g), (f, by_f, _before(cells, state, some)), (o, by_o, tanh)):
            np.subtract(1, gate, out=slope)
            slope *= gate
            slope *= other
        np.multiply(g, g, out=by_g)
        np.subtract(1, by_g, out=by_g)
        by_g *= i
        tanh *= tanh
        np.subtract(1, tanh, out=tanh)
        np.multiply(tanh, o, out=through[some])
    return slopes, through


@_single
def gru_slopes(gates: Array, inner: Array, out: Array, state: Any) -> tuple[Array, Array]:
    """What the output of a GRU changes by: by what enters the gates from within, and the new one from outside."""
    slopes, direct = np.empty(gates.shape, gates.dtype), np.empty(out.shape, out.dtype)
    for some in _blocks(out):
        (r, z, n), (by_r, by_z, by_n), by_x = each_gate(gates[some], 3), each_gate(slopes[some], 3), direct[some]
        rest = 1 - z
        np.multiply(n, n, out=by_x)
        np.subtract(1, by_x, out=by_x)
        by_x *= rest
        np.multiply(by_x, r, out=by_n)
        np.subtract(1, r, out=by_r)
        by_r *= by_n
        by_r *= inner[some]
        np.subtract(_before(out, state, some), n, out=by_z)
        by_z *= z
        by_z *= rest
    return slopes, direct


# Linear recurrences


@_single
def forward(slopes: Array, w: Array, e: Any, v: Any, r: Any, keep: Any, through: Any) -> tuple[Array, ...]:
    """``u_t = e_t + y_(t-1) wᵀ``, ``s_t = v_t + keep_t s_(t-1) + Σ slopes_t u_t``, ``y_t = r_t + s_t``.

    The sum is over the gates. With ``through`` the last of them is the output's, not in that sum, and
    ``y_t = r_t + through_t s_t + slope_t u_t``. Returns ``u, s, y``.
    """
    size, wide = w.shape[1], slopes.shape[2]
    inner = wide if through is None else wide - size
    weight = np.ascontiguousarray(w.T)
    u = np.array(_zeros(e, slopes))
    s, y = (np.array(_zeros(a, slopes[..., :size])) for a in (v, r))
    for t in range(len(u)):
        if t:
            u[t] += y[t - 1] @ weight
            if keep is not None:
                s[t] += keep[t] * s[t - 1]
        moved = slopes[t] * u[t]
        s[t] += moved[:, :inner].reshape(len(moved), inner // size, size).sum(axis=1)
        y[t] += s[t] if through is None else through[t] * s[t] + moved[:, inner:]
    return u, s, y


@_single
def backward(slopes: Array, w: Array, e: Any, v: Any, r: Any, keep: Any, through: Any) -> tuple[Array, ...]:
    """The transpose of `forward`, from the last time to the first.

    ``y_t = r_t + u_(t+1) w``, ``s_t = v_t + keep_(t+1) s_(t+1) + y_t``, ``u_t = e_t + slopes_t s_t``. With ``through``
    it is ``through_t y_t`` in ``s_t``, and ``y_t`` in place of ``s_t`` for the last gate.
    """
    steps, batch, wide = slopes.shape
    size = w.shape[1]
    gates = wide // size - (through is not None)
    weight = np.ascontiguousarray(w)
    u = np.empty(slopes.shape, slopes.dtype)
    s, y = (np.empty((steps, batch, size), slopes.dtype) for _ in range(2))
    kept = np.empty((batch, size), slopes.dtype)
    later = -1
    # the gates apart from their features, so that what is broadcast over the gates needs no copies
    split = (steps, batch, wide // size, size)
    by_gate, slope_of = u.reshape(split), slopes.reshape(split)
    for t in range(steps - 1, -1, -1):
        s_, y_ = s[t], y[t]
        if later < 0:
            y_[...] = 0 if r is None else r[t]
        else:
            np.matmul(u[later], weight, out=y_)
            if r is not None:
                y_ += r[t]
        if through is None:
            s_[...] = y_
        else:
            np.multiply(through[t], y_, out=s_)
        if keep is not None and later > 0:
            np.multiply(keep[later], s[later], out=kept)
            s_ += kept
        if v is not None:
            s_ += v[t]
        np.multiply(slope_of[t, :, :gates], s_[:, None], out=by_gate[t, :, :gates])
        if through is not None:
            np.multiply(slope_of[t, :, gates], y_, out=by_gate[t, :, gates])
        if e is not None:
            u[t] += e[t]
        later = t
    return u, s, y
