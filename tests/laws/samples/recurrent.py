"""Samples of recurrent layers: with and without a state and biases, one time and several, tanh and relu."""

import numpy as np

from tests.laws.sample import Sample, uniform

T, B, IN, H = 3, 2, 4, 3  # times, batch, features of the input and of the state


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def zero(x, *shape):
    return np.zeros(shape) if x is None else x


def lstm(x, start, state, w_ih, w_hh, b_ih, b_hh):
    given, c, outs, cells = zero(start, len(w_hh)), zero(state, w_hh.shape[1]), [], []
    for x_t in x:
        i, f, g, o = np.split(x_t @ w_ih.T + zero(b_ih) + zero(b_hh) + given, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        cells.append(c)
        outs.append(sigmoid(o) * np.tanh(c))
        given = outs[-1] @ w_hh.T
    return np.stack(outs), np.stack(cells)


def gru(x, start, state, w_ih, w_hh, b_ih, b_hh):
    given, h, outs = zero(start, len(w_hh)), zero(state, w_hh.shape[1]), []
    for x_t in x:
        r, z, n = np.split(x_t @ w_ih.T + zero(b_ih), 3, axis=-1)
        of_r, of_z, of_n = np.split(given + zero(b_hh), 3, axis=-1)
        z = sigmoid(z + of_z)
        h = (1 - z) * np.tanh(n + sigmoid(r + of_r) * of_n) + z * h
        outs.append(h)
        given = h @ w_hh.T
    return np.stack(outs)


def rnn(x, start, w_ih, w_hh, b_ih, b_hh, relu):
    given, outs = zero(start, len(w_hh)), []
    for x_t in x:
        h = x_t @ w_ih.T + zero(b_ih) + zero(b_hh) + given
        outs.append(np.maximum(h, 0) if relu else np.tanh(h))
        given = outs[-1] @ w_hh.T
    return np.stack(outs)


def forward(slopes, w, e, v, r, keep, through):
    size = w.shape[1]
    u, s, y = [], [], []
    for t, a in enumerate(slopes):
        moved = e[t] if e is not None else np.zeros(a.shape)
        u.append(moved + (y[-1] @ w.T if y else 0))
        entering = np.stack(np.split(a * u[t], w.shape[0] // size, axis=-1))
        state = zero(v, T)[t] + (entering if through is None else entering[:-1]).sum(axis=0)
        s.append(state + (keep[t] * s[-1] if s and keep is not None else 0))
        y.append(zero(r, T)[t] + (s[t] if through is None else through[t] * s[t] + entering[-1]))
    return np.stack(u), np.stack(s), np.stack(y)


def backward(slopes, w, e, v, r, keep, through):
    """The transpose of `forward`, found by running it on every unit vector."""
    likes = [np.zeros((*slopes.shape[:2], n)) for n in (w.shape[0], w.shape[1], w.shape[1])]
    given = [like if a is None else a for a, like in zip((e, v, r), likes, strict=True)]
    found = [np.zeros_like(like) for like in likes]
    for k, like in enumerate(likes):
        for place in np.ndindex(like.shape):
            unit = [x.copy() for x in likes]
            unit[k][place] = 1
            out = forward(slopes, w, *unit, keep, through)
            found[k][place] = sum(np.sum(a * b) for a, b in zip(given, out, strict=True))
    return tuple(found)


def layer(gates, *states, times=T, biases=True):
    """The arguments of a layer; ``states`` are ``start`` and what else stands for the time before the first."""
    return (uniform(times, B, IN), *states, uniform(gates * H, IN), uniform(gates * H, H),
            *((uniform(gates * H), uniform(gates * H)) if biases else (None, None)))  # fmt: skip


def linear(gates, given="evr", keep=True, through=False):
    return (uniform(T, B, gates * H), uniform(gates * H, H), uniform(T, B, gates * H) if "e" in given else None,
            uniform(T, B, H) if "v" in given else None, uniform(T, B, H) if "r" in given else None,
            uniform(T, B, H) if keep else None, uniform(T, B, H) if through else None)  # fmt: skip


def lstm_slopes(gates, cells, state):
    i, f, g, o = np.split(gates, 4, axis=-1)
    before, t = np.concatenate([zero(state, B, H)[None], cells[:-1]]), np.tanh(cells)
    return np.concatenate([i * (1 - i) * g, f * (1 - f) * before, (1 - g**2) * i, o * (1 - o) * t], -1), o * (1 - t**2)


def gru_slopes(gates, inner, out, state):
    r, z, n = np.split(gates, 3, axis=-1)
    before, direct = np.concatenate([zero(state, B, H)[None], out[:-1]]), (1 - z) * (1 - n**2)
    return np.concatenate([direct * inner * r * (1 - r), (before - n) * z * (1 - z), direct * r], -1), direct


SAMPLES = {
    "lstm_layer": [
        Sample(*layer(4, uniform(B, 4 * H), uniform(B, H)), expect=lstm, input_grad=True),
        Sample(*layer(4, None, None, biases=False), expect=lstm, input_grad=True),
        Sample(*layer(4, uniform(B, 4 * H), None, times=1), expect=lstm, input_grad=True),
    ],
    "gru_layer": [
        Sample(*layer(3, uniform(B, 3 * H), uniform(B, H)), expect=gru, input_grad=True),
        Sample(*layer(3, None, None, biases=False), expect=gru, input_grad=True),
        Sample(*layer(3, uniform(B, 3 * H), uniform(B, H), times=1), expect=gru, input_grad=True),
    ],
    "rnn_layer": [
        Sample(*layer(1, uniform(B, H)), expect=rnn, relu=False, input_grad=True),
        Sample(*layer(1, uniform(B, H)), expect=rnn, relu=True, input_grad=True),
        Sample(*layer(1, None, biases=False), expect=rnn, relu=False, input_grad=True),
        Sample(*layer(1, None, times=1), expect=rnn, relu=True, input_grad=True),
    ],
    "recurrent_push": [
        Sample(*linear(4, through=True), expect=forward),
        Sample(*linear(3), expect=forward),
        Sample(*linear(1, given="r", keep=False), expect=forward),
        Sample(*linear(1, given="e", keep=False, through=True), expect=forward),
    ],
    "recurrent_pull": [
        Sample(*linear(4, through=True), expect=backward),
        Sample(*linear(3), expect=backward),
        Sample(*linear(1, given="r", keep=False), expect=backward),
        Sample(*linear(2, given="v", through=True), expect=backward),
    ],
    "lstm_slopes": [
        Sample(uniform(T, B, 4 * H), uniform(T, B, H), uniform(B, H), expect=lstm_slopes),
        Sample(uniform(T, B, 4 * H), uniform(T, B, H), None, expect=lstm_slopes),
    ],
    "gru_slopes": [
        Sample(uniform(T, B, 3 * H), uniform(T, B, H), uniform(T, B, H), uniform(B, H), expect=gru_slopes),
        Sample(uniform(T, B, 3 * H), uniform(T, B, H), uniform(T, B, H), None, expect=gru_slopes),
    ],
}  # fmt: skip
