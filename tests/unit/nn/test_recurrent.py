"""Recurrent networks and cells: what they compute, hold, print and refuse; packed sequences; derivatives."""

import copy
import itertools
import pickle
import warnings

import numpy as np
import pytest

import regrad as rg
from regrad.kernels.reference import recurrent as kernels

nn = rg.nn
NETWORKS = [nn.LSTM, nn.GRU, nn.RNN]
CELLS = [nn.LSTMCell, nn.GRUCell, nn.RNNCell]
T, B, I, H = 4, 3, 2, 3  # noqa: E741 - times, batch, features of the input and of the state


def noise(*shape, seed=0):
    return rg.tensor(np.random.default_rng(seed).standard_normal(shape))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(cls, x, states, w, relu=False):
    """One step, written from the formulas; ``w`` are the parameters by the beginnings of their names."""
    given, within = x @ w["weight_ih"].T + w.get("bias_ih", 0), states[0] @ w["weight_hh"].T + w.get("bias_hh", 0)
    if cls in (nn.RNN, nn.RNNCell):
        return [np.maximum(given + within, 0) if relu else np.tanh(given + within)]
    if cls in (nn.GRU, nn.GRUCell):
        (r, z, n), (of_r, of_z, of_n) = np.split(given, 3, -1), np.split(within, 3, -1)
        z = sigmoid(z + of_z)
        return [(1 - z) * np.tanh(n + sigmoid(r + of_r) * of_n) + z * states[0]]
    i, f, g, o = np.split(given + within, 4, -1)
    c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return [h @ w["weight_hr"].T if "weight_hr" in w else h, c]


def by_hand(net, x, states):
    """The network on (time, batch, features), step by step."""
    state_dict, relu = {k: v.numpy() for k, v in net.state_dict().items()}, net.mode == "RNN_RELU"
    lasts = []
    for layer in range(net.num_layers):
        outs = []
        for way in range(2 if net.bidirectional else 1):
            end = f"_l{layer}{'_reverse' * way}"
            w = {k.removesuffix(end): v for k, v in state_dict.items() if k.endswith(end)}
            state, out = [s[len(lasts)] for s in states], []
            for x_t in x[:: -1 if way else 1]:
                state = step(type(net), x_t, state, w, relu)
                out.append(state[0])
            outs.append(np.stack(out)[:: -1 if way else 1])
            lasts.append(state)
        x = np.concatenate(outs, -1)
    return x, [np.stack(some) for some in zip(*lasts)]


def start(net, batch=B, seed=5):
    """States to start from: one, or two for an LSTM."""
    count = net.num_layers * (2 if net.bidirectional else 1)
    sizes = [net.proj_size or H, H][: 2 if net.mode == "LSTM" else 1]
    return [noise(count, batch, size, seed=seed + k) for k, size in enumerate(sizes)]


def given(net, states):
    return tuple(states) if net.mode == "LSTM" else states[0]


def flat(result):
    """The output and the last states of a network, as one list of arrays."""
    out, last = result
    return [a.detach().numpy() for a in (out, *(last if isinstance(last, tuple) else (last,)))]


def close(expected, actual):
    for e, a in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-10, atol=1e-12)


BUILDS = [
    dict(),
    dict(bias=False),
    dict(num_layers=2),
    dict(bidirectional=True),
    dict(num_layers=2, bidirectional=True, bias=False),
]
KINDS = [*((cls, {}) for cls in NETWORKS), (nn.RNN, dict(nonlinearity="relu")), (nn.LSTM, dict(proj_size=2))]
EVERY = [(cls, {**kind, **build}) for (cls, kind), build in itertools.product(KINDS, BUILDS)]


@pytest.mark.parametrize(("cls", "build"), EVERY)
def test_a_network_computes_its_formula_step_by_step(cls, build):
    net = cls(I, H, **build, dtype=rg.float64)
    x, states = noise(T, B, I), start(net)
    out, lasts = by_hand(net, x.numpy(), [s.numpy() for s in states])
    close([out, *lasts], flat(net(x, given(net, states))))
    zeros = [np.zeros(s.shape) for s in states]
    out, lasts = by_hand(net, x.numpy(), zeros)
    close([out, *lasts], flat(net(x)))


@pytest.mark.parametrize(("cls", "build"), EVERY)
def test_the_batch_comes_first_or_not_at_all_if_you_like(cls, build):
    net, first = cls(I, H, **build, dtype=rg.float64), cls(I, H, **build, batch_first=True, dtype=rg.float64)
    first.load_state_dict(net.state_dict())
    x, states = noise(T, B, I), start(net)
    out, *lasts = flat(net(x, given(net, states)))
    close([out.swapaxes(0, 1), *lasts], flat(first(x.transpose(0, 1), given(net, states))))
    for one in (net, first):
        close([out[:, 1], *(s[:, 1] for s in lasts)], flat(one(x[:, 1], given(net, [s[:, 1] for s in states]))))


@pytest.mark.parametrize(("cls", "build"), EVERY)
@pytest.mark.parametrize("lengths", [[4, 2, 1], [1, 4, 3]])
def test_a_packed_batch_is_each_sequence_alone(cls, build, lengths):
    net = cls(I, H, **build, dtype=rg.float64)
    x, states = noise(T, B, I), start(net)
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    out, lasts = net(packed, given(net, states))
    padded, _ = nn.utils.rnn.pad_packed_sequence(out)
    found = flat((padded, lasts))
    for k, length in enumerate(lengths):
        alone = flat(net(x[:length, k], given(net, [s[:, k] for s in states])))
        close(alone, [found[0][:length, k], *(s[:, k] for s in found[1:])])


def test_padding_has_no_gradient():
    net, x = nn.GRU(I, H, bidirectional=True, dtype=rg.float64), noise(T, B, I).requires_grad_()
    out, _ = net(nn.utils.rnn.pack_padded_sequence(x, [4, 2, 1]))
    (out.data**2).sum().backward()
    assert [[True] * 4, [True] * 2 + [False] * 2, [True] + [False] * 3] == (x.grad != 0).all(2).T.tolist()


@pytest.mark.parametrize(("cls", "build"), EVERY)
def test_derivatives_of_both_orders_and_modes_agree_with_differences(cls, build):
    net = cls(I, H, **build, dtype=rg.float64)
    x, states = noise(2, 2, I).requires_grad_(), [s.requires_grad_() for s in start(net, batch=2)]
    parameters = [p.detach().clone().requires_grad_() for p in net.parameters()]
    names = [name for name, _ in net.named_parameters()]

    def f(x, *rest):
        states, values = rest[: len(states_)], rest[len(states_) :]
        twin = copy.deepcopy(net)
        for name, value in zip(names, values, strict=True):
            delattr(twin, name)
            setattr(twin, name, value)
        out, last = twin(x, given(net, states))
        return (out, *last) if isinstance(last, tuple) else (out, last)

    states_ = states
    assert rg.autograd.gradcheck(f, (x, *states, *parameters), check_forward_ad=True, fast_mode=True)
    assert rg.autograd.gradgradcheck(f, (x, *states, *parameters), fast_mode=True)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("cls", [nn.LSTM, nn.GRU])
def test_the_slopes_are_the_same_in_blocks_of_any_length(cls, steps, monkeypatch):
    net, x = cls(I, H, dtype=rg.float64), noise(T, B, I).requires_grad_()
    states = [s.requires_grad_() for s in start(net, batch=B)]

    def gradients():
        return rg.autograd.grad((net(x, given(net, states))[0] ** 2).sum(), (x, *states, *net.parameters()))

    whole = gradients()
    monkeypatch.setattr(kernels, "BLOCK", steps * B * H)
    for a, b in zip(gradients(), whole, strict=True):
        assert a.equal(b)


@pytest.mark.parametrize(("cls", "kind"), KINDS)
@pytest.mark.filterwarnings("ignore::regrad.errors.LoopWarning")
def test_forward_over_reverse_is_reverse_over_reverse(cls, kind):
    net, x = cls(I, H, **kind, dtype=rg.float64), noise(2, 1, I)

    def loss(x):
        return (net(x)[0] ** 3).sum()

    rg.testing.assert_close(rg.func.jacrev(rg.func.jacrev(loss))(x), rg.func.hessian(loss)(x))


def test_a_layer_is_one_op_however_long_the_sequence():
    def nodes(length):
        seen, stack = set(), [nn.LSTM(I, H)(rg.ones(length, B, I))[0].grad_fn]
        while stack:
            node = stack.pop()
            if node is not None and node not in seen:
                seen.add(node)
                stack += [n for n, _ in node.next_functions]
        return len(seen)

    assert nodes(2) == nodes(50)


def test_the_gradient_of_an_input_that_wants_none_is_not_computed():
    net = nn.LSTM(I, H)
    assert net(rg.ones(T, B, I))[0].grad_fn.params["input_grad"] is False
    assert net(rg.ones(T, B, I, requires_grad=True))[0].grad_fn.params["input_grad"] is True


def test_writing_to_the_output_does_not_disturb_the_cells():
    net = nn.LSTM(I, H)
    with rg.no_grad():
        out, (h, c) = net(rg.ones(T, B, I))
        kept = h.clone(), c.clone()
        out.zero_()
    assert h.equal(kept[0])
    assert c.equal(kept[1])


# -- cells


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("cls", "kind"), [*((cls, {}) for cls in CELLS), (nn.RNNCell, dict(nonlinearity="relu"))])
def test_a_cell_takes_one_step(cls, kind, bias):
    cell = cls(I, H, bias, **kind, dtype=rg.float64)
    x, states = noise(B, I), [noise(B, H, seed=k) for k in range(2 if cls is nn.LSTMCell else 1)]
    w = {k: v.numpy() for k, v in cell.state_dict().items()}

    def run(x, states):
        out = cell(x, *states and [tuple(states) if cls is nn.LSTMCell else states[0]])
        return [a.detach().numpy() for a in (out if isinstance(out, tuple) else (out,))]

    expected = step(cls, x.numpy(), [s.numpy() for s in states], w, bool(kind))
    close(expected, run(x, states))
    close([e[1] for e in expected], run(x[1], [s[1] for s in states]))
    close(step(cls, x.numpy(), [np.zeros((B, H))] * 2, w, bool(kind)), run(x, []))


def test_a_cell_in_a_loop_is_a_network():
    net, cell = nn.LSTM(I, H, dtype=rg.float64), nn.LSTMCell(I, H, dtype=rg.float64)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in net.state_dict().items()})
    x = noise(T, B, I)
    state, outs = None, []
    for x_t in x:
        state = cell(x_t, state)
        outs.append(state[0])
    loop = rg.stack(outs)
    rg.testing.assert_close(loop, net(x)[0], rtol=1e-10, atol=1e-12)
    (loop**2).sum().backward()
    (net(x)[0] ** 2).sum().backward()
    for name, p in cell.named_parameters():
        rg.testing.assert_close(p.grad, getattr(net, f"{name}_l0").grad, rtol=1e-9, atol=1e-12)


# -- dropout


def test_dropout_is_between_layers_and_in_training_only():
    net = nn.GRU(I, H, num_layers=2, dropout=1.0, dtype=rg.float64)
    zeros, x = nn.GRU(H, H, dtype=rg.float64), noise(T, B, I)
    zeros.load_state_dict({k.replace("l1", "l0"): v for k, v in net.state_dict().items() if "l1" in k})
    rg.testing.assert_close(net(x)[0], zeros(rg.zeros(T, B, H, dtype=rg.float64))[0])
    plain = nn.GRU(I, H, num_layers=2, dtype=rg.float64)
    plain.load_state_dict(net.state_dict())
    rg.testing.assert_close(net.eval()(x)[0], plain(x)[0])


def test_dropout_in_a_single_layer_is_warned_of():
    with pytest.warns(UserWarning, match=r"num_layers greater than 1, but got dropout=0.5 and num_layers=1") as caught:
        nn.LSTM(I, H, dropout=0.5)
    assert __file__ == caught[0].filename


# -- what they hold


def test_parameters_are_named_by_layer_and_direction():
    net = nn.LSTM(I, 4, num_layers=2, bidirectional=True, proj_size=3)
    sizes = {k: tuple(v.shape) for k, v in net.state_dict().items()}
    assert (16, I) == sizes["weight_ih_l0"]
    assert (16, 6) == sizes["weight_ih_l1_reverse"]
    assert (16, 3) == sizes["weight_hh_l1"]
    assert (16,) == sizes["bias_hh_l0_reverse"]
    assert (3, 4) == sizes["weight_hr_l0_reverse"]
    assert ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0"] == list(sizes)[:5]
    assert [5] * 4 == [len(some) for some in net.all_weights]
    assert net.all_weights[0][0] is net.weight_ih_l0
    assert net.flatten_parameters() is None


@pytest.mark.parametrize("cls", [*NETWORKS, *CELLS])
def test_parameters_start_uniform_within_the_inverse_root_of_the_size(cls):
    values = np.concatenate([p.detach().numpy().ravel() for p in cls(30, 100).parameters()])
    assert values.min() >= -0.1
    assert values.max() <= 0.1
    assert values.std() == pytest.approx(0.1 / 3**0.5, rel=0.05)
    assert abs(values.mean()) < 5e-3


@pytest.mark.parametrize("cls", [*NETWORKS, *CELLS])
def test_copies_and_pickles_compute_the_same(cls):
    module, x = cls(I, H), rg.ones(2, I)
    (expected, *_) = module(x)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        (actual, *_) = twin(x)
        assert expected.equal(actual)


@pytest.mark.parametrize("dtype", [rg.float16, rg.bfloat16, rg.float32])
@pytest.mark.parametrize("cls", NETWORKS)
def test_every_floating_dtype_has_its_results_and_gradients(cls, dtype):
    net = cls(I, H, dtype=dtype)
    out, _ = net(rg.ones(T, B, I, dtype=dtype))
    out.sum().backward()
    assert {dtype} == {out.dtype, *(p.grad.dtype for p in net.parameters())}


def test_an_empty_batch_gives_an_empty_output():
    out, (h, _) = nn.LSTM(I, H)(rg.zeros(T, 0, I))
    assert ((T, 0, H), (1, 0, H)) == (out.shape, h.shape)


@pytest.mark.parametrize(("module", "text"), [
    (nn.LSTM(3, 4), "LSTM(3, 4)"),
    (nn.LSTM(3, 4, 2, False, True, 0.5, True, 2),
     "LSTM(3, 4, proj_size=2, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)"),
    (nn.RNN(3, 4, 2, "relu"), "RNN(3, 4, num_layers=2)"),
    (nn.RNNBase("GRU", 3, 4), "RNNBase(3, 4)"),
    (nn.GRUCell(3, 4, bias=False), "GRUCell(3, 4, bias=False)"),
    (nn.RNNCell(3, 4, nonlinearity="relu"), "RNNCell(3, 4, nonlinearity=relu)"),
])  # fmt: skip
def test_modules_print_what_is_unusual(module, text):
    assert text == repr(module)


# -- what they refuse


@pytest.mark.parametrize(("args", "kwargs", "error", "text"), [
    ((0, 4), {}, ValueError, "input_size must be greater than zero"),
    ((3, 0), {}, ValueError, "hidden_size must be greater than zero"),
    ((3, 4, 0), {}, ValueError, "num_layers must be greater than zero"),
    ((3, 4.0), {}, TypeError, "hidden_size should be of type int, got: float"),
    ((3, 4), dict(bias=1), TypeError, "bias should be of type bool, got: int"),
    ((3, 4), dict(batch_first=0), TypeError, "batch_first should be of type bool, got: int"),
    ((3, 4), dict(dropout=1.5), ValueError, r"dropout should be a number in range \[0, 1\]"),
    ((3, 4), dict(dropout=True), ValueError, r"dropout should be a number in range \[0, 1\]"),
    ((3, 4), dict(foo=1), TypeError, "unexpected keyword argument 'foo'"),
    ((3, 4), dict(device="cuda"), RuntimeError, "CPU"),
])  # fmt: skip
@pytest.mark.parametrize("cls", NETWORKS)
def test_networks_that_make_no_sense_are_refused(cls, args, kwargs, error, text):
    with warnings.catch_warnings(), pytest.raises(error, match=text):
        cls(*args, **kwargs)


@pytest.mark.parametrize(("make", "text"), [
    (lambda: nn.GRU(3, 4, proj_size=2), "only supported for LSTM"),
    (lambda: nn.RNN(3, 4, proj_size=2), "only supported for LSTM"),
    (lambda: nn.LSTM(3, 4, proj_size=4), "has to be smaller than hidden_size"),
    (lambda: nn.LSTM(3, 4, proj_size=-1), "positive integer or zero"),
    (lambda: nn.RNN(3, 4, nonlinearity="elu"), "Unknown nonlinearity 'elu'. Select from 'tanh' or 'relu'."),
    (lambda: nn.RNNBase("FOO", 3, 4), "Unrecognized RNN mode: FOO"),
])  # fmt: skip
def test_settings_of_some_networks_alone_are_refused_elsewhere(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize(("shape", "dtype", "error", "text"), [
    ((3,), rg.float32, ValueError, "Expected input to be 2D or 3D, got 1D"),
    ((1, 2, 3, 3), rg.float32, ValueError, "Expected input to be 2D or 3D, got 4D"),
    ((5, 2, 7), rg.float32, RuntimeError, r"Expected 3, got 7"),
    ((5, 2, 3), rg.float64, ValueError, r"input\.to\(regrad.float32\), or convert model: model\.to\(regrad.float64\)"),
    ((0, 2, 3), rg.float32, RuntimeError, "Expected sequence length to be larger than 0"),
])  # fmt: skip
@pytest.mark.parametrize("cls", NETWORKS)
def test_inputs_that_do_not_fit_are_refused(cls, shape, dtype, error, text):
    with pytest.raises(error, match=text):
        cls(3, 4)(rg.zeros(shape, dtype=dtype))


@pytest.mark.parametrize(("cls", "x", "hx", "error", "text"), [
    (nn.GRU, (5, 2, 3), rg.zeros(1, 3, 4), RuntimeError, r"Expected hidden size \(1, 2, 4\), got \[1, 3, 4\]"),
    (nn.RNN, (5, 2, 3), rg.zeros(1, 4), RuntimeError, "For batched 3-D input, hx should also be 3-D but got 2-D"),
    (nn.GRU, (5, 3), rg.zeros(1, 1, 4), RuntimeError, "For unbatched 2-D input, hx should also be 2-D but got 3-D"),
    (nn.GRU, (5, 2, 3), (rg.zeros(1, 2, 4),) * 2, TypeError, "GRU: hx should be a tensor, got a tuple"),
    (nn.GRU, (5, 2, 3), rg.zeros(1, 2, 4).double(), RuntimeError, "must have the same dtype"),
    (nn.LSTM, (5, 2, 3), rg.zeros(1, 2, 4), TypeError, r"a tuple \(h_0, c_0\) of two tensors, got a tensor"),
    (nn.LSTM, (5, 2, 3), (rg.zeros(1, 2, 4), rg.zeros(1, 2, 5)), RuntimeError,
     r"Expected hidden\[1\] size \(1, 2, 4\), got \[1, 2, 5\]"),
    (nn.LSTM, (5, 3), (rg.zeros(1, 1, 4),) * 2, RuntimeError, r"hx and cx should also be 2-D but got \(3-D, 3-D\)"),
])  # fmt: skip
def test_states_that_do_not_fit_are_refused(cls, x, hx, error, text):
    with pytest.raises(error, match=text):
        cls(3, 4)(rg.zeros(x), hx)


def test_what_is_no_sequence_is_refused():
    with pytest.raises(TypeError, match="expected a tensor or a PackedSequence, got list"):
        nn.RNN(3, 4)([1, 2])


@pytest.mark.parametrize(("x", "hx", "error", "text"), [
    (rg.zeros(1, 2, 3), None, ValueError, "Expected input to be 1D or 2D, got 3D"),
    (rg.zeros(2, 5), None, RuntimeError, "input has inconsistent input_size: got 5 expected 3"),
    (rg.zeros(2, 3).double(), None, RuntimeError, r"input\.to\(regrad.float32\), or convert model"),
    (rg.zeros(2, 3), rg.zeros(2, 5), RuntimeError, "hidden0 has inconsistent hidden_size: got 5, expected 4"),
    (rg.zeros(2, 3), rg.zeros(3, 4), RuntimeError, "Input batch size 2 doesn't match hidden0 batch size 3"),
    (rg.zeros(2, 3), rg.zeros(4), RuntimeError, "Input batch size 2 doesn't match hidden0 batch size 4"),
    (rg.zeros(2, 3), rg.zeros(1, 2, 4), ValueError, r"to be 1D or 2D, got 3D"),
    (rg.zeros(2, 3), rg.zeros(2, 4).double(), RuntimeError, "must have the same dtype"),
])  # fmt: skip
@pytest.mark.parametrize("cls", CELLS)
def test_cells_refuse_what_does_not_fit(cls, x, hx, error, text):
    with pytest.raises(error, match=text):
        cls(3, 4)(x, (hx, hx) if cls is nn.LSTMCell and hx is not None else hx)


def test_cells_want_their_kind_of_state():
    with pytest.raises(TypeError, match=r"a tuple \(h, c\) of two tensors, got a tensor"):
        nn.LSTMCell(3, 4)(rg.zeros(2, 3), rg.zeros(2, 4))
    with pytest.raises(TypeError, match="GRUCell: hx should be a tensor, got a tuple"):
        nn.GRUCell(3, 4)(rg.zeros(2, 3), (rg.zeros(2, 4), rg.zeros(2, 4)))
    cell = nn.RNNCell(3, 4, nonlinearity="elu")
    with pytest.raises(RuntimeError, match="Unknown nonlinearity: elu"):
        cell(rg.zeros(2, 3))
