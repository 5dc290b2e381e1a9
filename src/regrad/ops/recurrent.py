"""Recurrent layers: a whole sequence through one layer is one op. Start reading at `lstm_layer`, then `_crossed`.

How a layer moves when its gates move is a linear recurrence in time: `recurrent_push`. Its transpose, which runs
backwards in time, is `recurrent_pull`, and the rule of every layer is a call of that. Both of them take the numbers of
the recurrence (`lstm_slopes` and `gru_slopes` make them, for all times at once) as arguments with rules of their own,
in terms of the two. So first derivatives are loops over arrays, and higher ones need nothing more.

Sequences are (time, batch, features). ``start`` is what the state before the first step gives to the gates; the layers
take it in place of that state, so that a projection of the state is their caller's matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from regrad.declare import general
from regrad.errors import ShapeError
from regrad.graph.modes import RECORD, mode
from regrad.graph.value import Value, wrap
from regrad.kernels.reference import recurrent as kernels
from regrad.kernels.reference.recurrent import each_gate, plus
from regrad.ops import joining, shaping
from regrad.ops.arithmetic import sign
from regrad.ops.attention import dropout
from regrad.ops.matmul import contract, matmul
from regrad.ops.matmul import linear as affine
from regrad.ops.reduction import sum as summed
from regrad.ops.trigonometric import tanh

__all__ = ["gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell"]


def _joined(*xs: Any) -> Any:
    return joining.cat(xs, -1)


def _before(x: Any, first: Any = None) -> Any:
    """``x`` at the time before each; before all of them it was ``first``, or zero."""
    return joining.cat((x[:1] * 0 if first is None else shaping.unsqueeze(first, 0), x[:-1]))


def _after(x: Any) -> Any:
    """``x`` at the time after each, and zero after the last."""
    return joining.cat((x[1:], x[:1] * 0))


def _over_time(a: Any, b: Any) -> Any:
    """The sum of ``aᵀ b`` over all times and the batch."""
    return contract(a, b, left=(0, 1, 2), right=(0, 1, 3), into=(2, 3), shape=(a.shape[2], b.shape[2]))


def _filled(g: Any, *likes: Any) -> list[Any]:
    """Cotangents, with zeros for those that are None."""
    return [like * 0 if piece is None else piece for piece, like in zip(g, likes)]


# -- linear recurrences


def _crossed(xs: Any, given: Any, forth: Any, back: Any) -> list[Any]:
    """What `recurrent_push` and its transpose alike give to their arguments, from the results of both.

    Either is linear in what is ``given`` to it, and to that it gives the results of the other. The other arguments are
    factors between a result of the one and a result of the other.
    """
    slopes, w, _, _, _, keep, through = xs
    (u, s, y), (of_u, of_s, of_y) = forth, back
    gates = slopes.shape[2] // w.shape[1]
    last = of_s if through is None else of_y
    return [u * _joined(*[of_s] * (gates - 1), last), _over_time(of_u[1:], y[:-1]), *given,
            None if keep is None else of_s * _before(s), None if through is None else of_y * s]  # fmt: skip


def _forth(g: Any, xs: Any, results: Any) -> list[Any]:
    back = recurrent_pull(*xs[:2], *g, *xs[5:])
    return _crossed(xs, back, results, back)


def _back(g: Any, xs: Any, results: Any) -> list[Any]:
    forth = recurrent_push(*xs[:2], *g, *xs[5:])
    return _crossed(xs, forth, forth, results)


def _three(slopes: Any, w: Any, *_: Any) -> list[Any]:
    thin = (*slopes[:2], w[1])
    return [tuple(slopes), thin, thin]


@general(xs=lambda g, xs, u, s, y: _forth(g, xs, (u, s, y)),
         outs=("u", "s", "y"), kernel=kernels.forward, shape=_three)  # fmt: skip
def recurrent_push(*xs):
    """A linear recurrence in time, driven by ``e``, ``v`` and ``r``: how a recurrent layer moves.

    The arguments are ``slopes, w, e, v, r, keep, through``, of which the last five may be None.
    """


@general(xs=lambda g, xs, u, s, y: _back(g, xs, (u, s, y)),
         outs=("u", "s", "y"), kernel=kernels.backward, shape=_three)  # fmt: skip
def recurrent_pull(*xs):
    """The transpose of `recurrent_push`: a linear recurrence backwards in time."""


# -- the numbers in them


def _lstm_slopes_pull(g: Any, gates: Any, cells: Any, state: Any) -> list[Any]:
    """What the slopes give to the gates, to the cells and to the cells before the first time."""
    of_slopes, of_through = _filled(g, gates, cells)
    (by_i, by_f, by_g, by_o), (i, f, g, o) = each_gate(of_slopes, 4), each_gate(gates, 4)
    t, before = tanh(cells), _before(cells, state)
    of_t = by_o * o * (1 - o) - of_through * o * t * 2
    turn = by_f * f * (1 - f)
    return [_joined(by_i * (1 - i * 2) * g + by_g * (1 - g * g), by_f * (1 - f * 2) * before,
                    by_i * i * (1 - i) - by_g * g * i * 2, by_o * (1 - o * 2) * t + of_through * (1 - t * t)),
            of_t * (1 - t * t) + _after(turn), None if state is None else turn[0]]  # fmt: skip


@general(xs=lambda g, xs: _lstm_slopes_pull(g, *xs), outs=("slopes", "through"),
         shape=lambda gates, cells, state: [tuple(gates), tuple(cells)], kernel=kernels.lstm_slopes)  # fmt: skip
def lstm_slopes(*xs):
    """What an LSTM's cells change by for what enters the gates, and its output by for the cells.

    The arguments are ``gates, cells, state``, of which the last may be None.
    """


def _gru_slopes_pull(g: Any, gates: Any, inner: Any, out: Any, state: Any) -> list[Any]:
    """What the slopes give to the gates, to what the reset gate scales, to the output and to that before the first."""
    of_slopes, of_direct = _filled(g, gates, out)
    (by_r, by_z, by_n), (r, z, n) = each_gate(of_slopes, 3), each_gate(gates, 3)
    before, curve = _before(out, state), 1 - n * n
    direct, turn = (1 - z) * curve, by_z * z * (1 - z)
    of_a = of_direct + by_r * inner * r * (1 - r) + by_n * r
    return [_joined((by_r * inner * (1 - r * 2) + by_n) * direct, by_z * (before - n) * (1 - z * 2) - of_a * curve,
                    -turn - of_a * (1 - z) * n * 2),
            by_r * direct * r * (1 - r), _after(turn), None if state is None else turn[0]]  # fmt: skip


@general(xs=lambda g, xs: _gru_slopes_pull(g, *xs), outs=("slopes", "direct"),
         shape=lambda gates, inner, out, state: [tuple(gates), tuple(out)], kernel=kernels.gru_slopes)  # fmt: skip
def gru_slopes(*xs):
    """What a GRU's output changes by for what enters the gates from within, and the new one from outside.

    The arguments are ``gates, inner, out, state``, of which the last may be None.
    """


# -- layers


def _to_start(u: Any, start: Any) -> Any:
    return None if start is None else u[0]


def _to_recurrent(u: Any, out: Any) -> Any:
    """What the gates' cotangents ``u`` give to the weight of the output before."""
    return _over_time(u[1:], out[:-1]) if len(out) > 1 else None


def _to_biases(u: Any, *biases: Any) -> list[Any]:
    piece = summed(u, (0, 1))
    return [None if bias is None else piece for bias in biases]


def _lstm_pull(g: Any, xs: Any, out: Any, cells: Any, gates: Any, input_grad: bool) -> list[Any]:
    x, start, state, w_ih, w_hh, b_ih, b_hh = xs
    of_out, of_cells, of_gates = g
    i, f, new, o = each_gate(gates, 4)
    if of_gates is not None:
        of_gates = of_gates * _joined(i * (1 - i), f * (1 - f), 1 - new * new, o * (1 - o))
    slopes, through = lstm_slopes(gates, cells, state)
    u, s, _ = recurrent_pull(slopes, w_hh, of_gates, of_cells, of_out, f, through)
    return [matmul(u, w_ih) if input_grad else None, _to_start(u, start), None if state is None else s[0] * f[0],
            _over_time(u, x), _to_recurrent(u, out), *_to_biases(u, b_ih, b_hh)]  # fmt: skip


def _gated_shapes(count: int) -> Any:
    def shape(x: Any, start: Any, state: Any, w_ih: Any, w_hh: Any, *_: Any, **__: Any) -> list[Any]:
        thin = (*x[:2], w_hh[1])
        return [thin, thin, (*x[:2], count * w_hh[1])]

    return shape


@general(xs=lambda g, xs, out, cells, gates, *, input_grad: _lstm_pull(g, xs, out, cells, gates, input_grad),
         outs=("out", "cells", "gates"), visible=2, shape=_gated_shapes(4))  # fmt: skip
def lstm_layer(*xs, input_grad=True):
    """The outputs and cells at all times of one layer of an LSTM.

    The arguments are ``x, start, state, w_ih, w_hh, b_ih, b_hh``: the input; what is in place of the output and of the
    cells before the first time (or None); weights, and biases or None. ``input_grad=False`` says that no gradient of
    ``x`` is wanted.
    """
    return kernels.lstm(*xs)


def _gru_pull(g: Any, xs: Any, out: Any, inner: Any, gates: Any, input_grad: bool) -> list[Any]:
    x, start, state, w_ih, w_hh, b_ih, b_hh = xs
    of_out, of_inner, of_gates = g
    slopes, direct = gru_slopes(gates, inner, out, state)
    r, z, n = each_gate(gates, 3)
    e = of_new = None
    if of_gates is not None:
        by_r, by_z, by_n = each_gate(of_gates, 3)
        of_new = by_n * (1 - n * n)
        e = _joined((by_r + of_new * inner) * r * (1 - r), by_z * z * (1 - z), of_new * r)
    if of_inner is not None:
        e = plus(e, _joined(of_inner * 0, of_inner * 0, of_inner))
    u, s, _ = recurrent_pull(slopes, w_hh, e, None, of_out, z, None)
    new = plus(direct * s, of_new)  # of the new gate, from outside; u has it from within
    size = 2 * z.shape[-1]
    both = u[..., :size]
    return [matmul(both, w_ih[:size]) + matmul(new, w_ih[size:]) if input_grad else None, _to_start(u, start),
            None if state is None else s[0] * z[0], joining.cat((_over_time(both, x), _over_time(new, x))),
            _to_recurrent(u, out),
            None if b_ih is None else joining.cat((summed(both, (0, 1)), summed(new, (0, 1)))),
            None if b_hh is None else summed(u, (0, 1))]  # fmt: skip


@general(xs=lambda g, xs, out, inner, gates, *, input_grad: _gru_pull(g, xs, out, inner, gates, input_grad),
         outs=("out", "inner", "gates"), visible=1, shape=_gated_shapes(3))  # fmt: skip
def gru_layer(*xs, input_grad=True):
    """The outputs at all times of one layer of a GRU; the arguments are those of `lstm_layer`.

    ``start`` and ``state`` both stand for the output before the first time.
    """
    return kernels.gru(*xs)


def _rnn_pull(g: Any, xs: Any, out: Any, input_grad: bool, relu: bool) -> list[Any]:
    x, start, w_ih, w_hh, b_ih, b_hh = xs
    slopes = sign(out) if relu else 1 - out * out
    u, _, _ = recurrent_pull(slopes, w_hh, None, None, g, None, None)
    return [matmul(u, w_ih) if input_grad else None, _to_start(u, start), _over_time(u, x), _to_recurrent(u, out),
            *_to_biases(u, b_ih, b_hh)]  # fmt: skip


@general(xs=lambda g, xs, out, *, input_grad, relu: _rnn_pull(g, xs, out, input_grad, relu),
         shape=lambda x, start, w_ih, w_hh, *_, **__: (*x[:2], w_hh[1]))  # fmt: skip
def rnn_layer(*xs, relu, input_grad=True):
    """The outputs at all times of one layer of a plain recurrent network, with tanh or, if told so, relu.

    The arguments are ``x, start, w_ih, w_hh, b_ih, b_hh``, as in `lstm_layer`.
    """
    return kernels.rnn(*xs, relu=relu)


# -- several layers, two directions, sequences of different lengths


def _turned(x: Any, lengths: Any) -> Any:
    """Each sequence from its end to its start; what lies behind its end stays."""
    if lengths is None:
        return shaping.flip(x, 0)
    times = np.arange(x.shape[0])[:, None]
    rows = np.where(times < lengths, lengths - 1 - times, times)
    return x[wrap(rows), wrap(np.arange(len(lengths)))]


def _last(x: Any, lengths: Any) -> Any:
    """The last step of each sequence."""
    return x[-1] if lengths is None else x[wrap(lengths - 1), wrap(np.arange(len(lengths)))]


def _through(kind: str, x: Any, states: Any, weights: Any) -> list[Any]:
    """One layer in one direction: what it and, for an LSTM, its cells are at all times."""
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    h, *rest = states
    start = None if h is None else affine(h, w_hh)
    wanted = mode() is not RECORD or x.requires_grad
    if kind == "lstm":
        # a projection of the output is linear: what it gives to the next step is one product with the output itself
        out, cells = lstm_layer(x, start, *rest, w_ih, w_hh if w_hr is None else matmul(w_hh, w_hr), b_ih, b_hh,
                                input_grad=wanted)  # fmt: skip
        return [out if w_hr is None else affine(out, w_hr), cells]
    if kind == "gru":
        return [gru_layer(x, start, h, w_ih, w_hh, b_ih, b_hh, input_grad=wanted)]
    return [rnn_layer(x, start, w_ih, w_hh, b_ih, b_hh, relu=kind == "rnn_relu", input_grad=wanted)]


def layers(kind: str, x: Any, states: Any, params: Any, biases: bool, count: int, dropout_p: float, train: bool,
           bidirectional: bool, *, lengths: Any = None) -> tuple[Any, ...]:  # fmt: skip
    """A sequence (time, batch, features) through several layers: the last one's output, and each one's last states.

    ``kind`` is "lstm", "gru", "rnn_tanh" or "rnn_relu". ``states`` are those before the first time, (layers and
    directions, batch, features) or None; ``params`` are those of all layers, in PyTorch's order. ``lengths``, if the
    sequences have different ones, is an array.
    """
    ways = 1 + bool(bidirectional)
    each = len(params) // (count * ways)
    if each * count * ways != len(params) or each - 2 * bool(biases) not in (2, 3):
        raise RuntimeError(f"{kind}: {len(params)} parameters for {count} layers in {ways} directions; each needs "
                           f"weight_ih, weight_hh{', bias_ih, bias_hh' * bool(biases)} and perhaps weight_hr")
    if not x.shape[0]:
        raise RuntimeError(f"{kind}: Expected sequence length to be larger than 0 in RNN")
    for a in (*states, *params):
        if a is not None and a.array.dtype != x.array.dtype:
            raise RuntimeError(f"{kind}: input, states and parameters must have the same dtype, but got {x.dtype} and "
                               f"{a.dtype}; convert one with .to()")
    lasts: list[list[Any]] = []
    for layer in range(count):
        outs = []
        for way in range(ways):
            k = layer * ways + way
            weights = list(params[k * each : (k + 1) * each])
            if not biases:
                weights[2:2] = [None, None]
            found = _through(kind, _turned(x, lengths) if way else x, [None if s is None else s[k] for s in states],
                             [*weights, None][:5])  # fmt: skip
            lasts.append([_last(a, lengths) for a in found])
            outs.append(_turned(found[0], lengths) if way else found[0])
        x = outs[0] if ways == 1 else _joined(*outs)
        if train and dropout_p and layer < count - 1:
            x = dropout(x, dropout_p)
    return (x, *(joining.stack(some) for some in zip(*lasts)))


def packed_layers(kind: str, data: Any, batch_sizes: Any, states: Any, params: Any, *settings: Any) -> tuple[Any, ...]:
    """`layers` of a packed batch: see `regrad.nn.utils.rnn.PackedSequence`."""
    sizes = batch_sizes.array
    firsts = np.cumsum(sizes) - sizes
    lanes = np.arange(sizes[0])
    going = lanes < sizes[:, None]
    # behind its end a sequence reads the very first element: what comes of that is left out again
    padded = data[wrap(np.where(going, firsts[:, None] + lanes, 0))]
    out, *lasts = layers(kind, padded, states, params, *settings, lengths=going.sum(axis=0))
    return (out[tuple(wrap(k) for k in np.nonzero(going))], *lasts)


# -- by name


def _named(kind: str, input: Any, hx: Any, params: Any, has_biases: bool, num_layers: int, dropout: float, train: bool,
           bidirectional: bool, batch_first: bool) -> tuple[Any, ...]:  # fmt: skip
    """`layers`, once the sizes have been looked at."""
    if len(input.shape) != 3:
        raise ShapeError(f"{kind}: input must have 3 dimensions, got {len(input.shape)}; unsqueeze makes a batch of 1")
    if input.shape[2] != params[0].shape[1]:
        raise ShapeError(f"{kind}: input.size(-1) must be equal to the number of columns of the first weight. Expected "
                         f"{params[0].shape[1]}, got {input.shape[2]}")
    x = shaping.transpose(input, 0, 1) if batch_first else input
    for k, state in enumerate(hx):
        size = params[1].shape[1] if k == 0 else params[0].shape[0] // 4
        expected = (num_layers * (1 + bool(bidirectional)), x.shape[1], size)
        if tuple(state.shape) != expected:
            raise ShapeError(f"{kind}: Expected hidden{f'[{k}]' * (len(hx) > 1)} size {expected}, got "
                             f"{list(state.shape)}")
    out, *lasts = layers(kind, x, hx, params, has_biases, num_layers, dropout, train, bidirectional)
    return (shaping.transpose(out, 0, 1) if batch_first else out, *lasts)


def _pair(name: str, hx: Any) -> Any:
    if isinstance(hx, Value) or len(hx) != 2:
        raise TypeError(f"{name}(): argument 'hx' (position 2) must be tuple of Tensors, not {type(hx).__name__}: the "
                        "hidden state and the cell state")
    return hx


def lstm(input: Any, hx: Any, params: Any, has_biases: bool, num_layers: int, dropout: float, train: bool,
         bidirectional: bool, batch_first: bool) -> tuple[Any, Any, Any]:  # fmt: skip
    """A long short-term memory of several layers, as `regrad.nn.LSTM`, given its parameters as one list.

    Returns the output and the last hidden and cell states. PyTorch: torch.lstm.

    >>> net = rg.nn.LSTM(2, 3)
    >>> state = rg.zeros(1, 4, 3)
    >>> out, h, c = rg.lstm(rg.ones(5, 4, 2), (state, state), list(net.parameters()), True, 1, 0., False, False, False)
    >>> out.shape
    regrad.Size([5, 4, 3])
    """
    return _named("lstm", input, _pair("lstm", hx), params, has_biases, num_layers, dropout, train, bidirectional,
                  batch_first)  # fmt: skip


def gru(input: Any, hx: Any, params: Any, has_biases: bool, num_layers: int, dropout: float, train: bool,
        bidirectional: bool, batch_first: bool) -> tuple[Any, Any]:  # fmt: skip
    """A gated recurrent network of several layers, as `regrad.nn.GRU`, given its parameters as one list.

    Returns the output and the last hidden states. PyTorch: torch.gru.

    >>> net = rg.nn.GRU(2, 3)
    >>> out, h = rg.gru(rg.ones(5, 4, 2), rg.zeros(1, 4, 3), list(net.parameters()), True, 1, 0., False, False, False)
    >>> bool((out[-1] == h[0]).all())
    True
    """
    return _named("gru", input, (hx,), params, has_biases, num_layers, dropout, train, bidirectional, batch_first)


def rnn_tanh(input: Any, hx: Any, params: Any, has_biases: bool, num_layers: int, dropout: float, train: bool,
             bidirectional: bool, batch_first: bool) -> tuple[Any, Any]:  # fmt: skip
    """A plain recurrent network of several layers with tanh, as `regrad.nn.RNN`, given its parameters as one list.

    >>> net = rg.nn.RNN(2, 3)
    >>> args = rg.ones(5, 4, 2), rg.zeros(1, 4, 3), list(net.parameters()), True, 1, 0., False, False, False
    >>> rg.rnn_tanh(*args)[1].shape
    regrad.Size([1, 4, 3])
    """
    return _named("rnn_tanh", input, (hx,), params, has_biases, num_layers, dropout, train, bidirectional, batch_first)


def rnn_relu(input: Any, hx: Any, params: Any, has_biases: bool, num_layers: int, dropout: float, train: bool,
             bidirectional: bool, batch_first: bool) -> tuple[Any, Any]:  # fmt: skip
    """`rnn_tanh` with relu in place of tanh.

    >>> net = rg.nn.RNN(2, 3, nonlinearity="relu")
    >>> args = rg.ones(5, 4, 2), rg.zeros(1, 4, 3), list(net.parameters()), True, 1, 0., False, False, False
    >>> bool((rg.rnn_relu(*args)[0] >= 0).all())
    True
    """
    return _named("rnn_relu", input, (hx,), params, has_biases, num_layers, dropout, train, bidirectional, batch_first)


def cell(kind: str, input: Any, states: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> list[Any]:
    """One step of a layer: what it and, for an LSTM, its cells are then."""
    name = f"{kind}_cell"
    if len(input.shape) != 2:
        raise ShapeError(f"{name}: input must have 2 dimensions (batch, features), got {list(input.shape)}")
    if input.shape[1] != w_ih.shape[1]:
        raise ShapeError(f"{name}: input has inconsistent input_size: got {input.shape[1]} expected {w_ih.shape[1]};"
                         f" make the cell with input_size={input.shape[1]}")
    for k, state in enumerate(states):
        if state is not None and (len(state.shape) != 2 or state.shape[0] != input.shape[0]):
            raise ShapeError(f"{name}: Input batch size {input.shape[0]} doesn't match hidden{k} batch size "
                             f"{state.shape[0]}, of a state {list(state.shape)}")
        if state is not None and state.shape[1] != w_hh.shape[1]:
            raise ShapeError(f"{name}: hidden{k} has inconsistent hidden_size: got {state.shape[1]}, expected "
                             f"{w_hh.shape[1]}")
    weights = (w_ih, w_hh, b_ih, b_hh, None)
    for a in (*states, *weights):
        if a is not None and a.array.dtype != input.array.dtype:
            raise RuntimeError(f"{name}: input, states and weights must have the same dtype, but got {input.dtype} and "
                               f"{a.dtype}; convert one with .to()")
    return [shaping.squeeze(out, 0) for out in _through(kind, shaping.unsqueeze(input, 0), states, weights)]


def lstm_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> tuple[Any, Any]:
    """One step of an LSTM from ``hx``, the hidden and cell states: the new ones. PyTorch: torch.lstm_cell.

    >>> w, state = rg.zeros(4, 1), rg.ones(2, 1)
    >>> rg.lstm_cell(rg.ones(2, 1), (state, state), w, w)[1]
    tensor([[0.5000],
            [0.5000]])
    """
    h, c = cell("lstm", input, tuple(_pair("lstm_cell", hx)), w_ih, w_hh, b_ih, b_hh)
    return h, c


def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One step of a GRU from the hidden state ``hx``: the new one. PyTorch: torch.gru_cell.

    >>> w = rg.zeros(3, 1)
    >>> rg.gru_cell(rg.ones(1, 1), rg.ones(1, 1), w, w)
    tensor([[0.5000]])
    """
    return cell("gru", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_tanh_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """``tanh(input w_ihᵀ + b_ih + hx w_hhᵀ + b_hh)``. PyTorch: torch.rnn_tanh_cell.

    >>> rg.rnn_tanh_cell(rg.ones(1, 1), rg.zeros(1, 1), rg.ones(1, 1), rg.ones(1, 1))
    tensor([[0.7616]])
    """
    return cell("rnn_tanh", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """``max(0, input w_ihᵀ + b_ih + hx w_hhᵀ + b_hh)``. PyTorch: torch.rnn_relu_cell.

    >>> rg.rnn_relu_cell(rg.ones(1, 1), rg.ones(1, 1), rg.ones(1, 1), rg.ones(1, 1))
    tensor([[2.]])
    """
    return cell("rnn_relu", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]
