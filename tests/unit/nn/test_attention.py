"""Multi-head attention: what it computes, holds, prints and refuses."""

import copy
import itertools
import pickle
import warnings

import numpy as np
import pytest

import regrad as rg

nn = rg.nn
L, S, B, E, H = 3, 5, 2, 6, 2  # queries, keys, batch, features, heads


def noise(*shape, seed=0):
    return rg.tensor(np.random.default_rng(seed).standard_normal(shape))


def softmax(x):
    top = np.exp(x - x.max(-1, keepdims=True))
    return top / top.sum(-1, keepdims=True)


def by_hand(layer, query, key, value, mask=0):
    """One batch element, head by head; ``mask`` (heads, queries, keys) is added. Returns the result and the weights."""
    state = {k: v.numpy() for k, v in layer.state_dict().items()}
    if "in_proj_weight" in state:
        parts = np.split(state["in_proj_weight"], 3)
    else:
        parts = [state[f"{name}_proj_weight"] for name in "qkv"]
    biases = np.split(state.get("in_proj_bias", np.zeros(3 * E)), 3)
    q, k, v = (x @ w.T + b for x, w, b in zip((query, key, value), parts, biases))
    if "bias_k" in state:
        k, v = np.concatenate([k, state["bias_k"][0]]), np.concatenate([v, state["bias_v"][0]])
    if layer.add_zero_attn:
        k, v = np.concatenate([k, np.zeros((1, E))]), np.concatenate([v, np.zeros((1, E))])
    mask = np.broadcast_to(mask, (H, len(query), len(key)))
    mask = np.pad(mask, [(0, 0), (0, 0), (0, len(k) - len(key))])
    size = E // H
    heads = [slice(h * size, h * size + size) for h in range(H)]
    weights = [softmax(q[:, s] @ k[:, s].T / size**0.5 + m) for s, m in zip(heads, mask)]
    out = np.concatenate([w @ v[:, s] for w, s in zip(weights, heads)], -1)
    return out @ state["out_proj.weight"].T + state.get("out_proj.bias", 0), np.stack(weights)


def grown(layer):
    """The layer with biases that are not zero."""
    for k, parameter in enumerate(layer.parameters()):
        with rg.no_grad():
            parameter.copy_(noise(*parameter.shape, seed=k))
    return layer


BUILDS = [
    dict(),
    dict(bias=False),
    dict(kdim=4, vdim=5),
    dict(add_bias_kv=True),
    dict(add_zero_attn=True),
    dict(kdim=4, add_bias_kv=True, add_zero_attn=True, bias=False),
]
MASKS = ["none", "bool", "float", "heads", "padding", "both"]


def masks(kind):
    """What is passed, and what is to be added to the scores: (batch, heads, queries, keys)."""
    left_out = np.zeros((L, S), bool)
    left_out[0, 1:4] = left_out[2, 0] = True
    padding = np.array([[False] * S, [False, False, True, True, True]])
    infinite = np.where(left_out, -np.inf, 0.0)
    none = np.zeros((B, H, L, S))
    of_padding = np.where(padding, -np.inf, 0.0)[:, None, None]
    every = noise(B * H, L, S, seed=8)
    both = dict(attn_mask=rg.tensor(left_out), key_padding_mask=rg.tensor(padding))
    return {
        "none": ({}, none),
        "bool": (dict(attn_mask=rg.tensor(left_out)), none + infinite),
        "float": (dict(attn_mask=every[0]), none + every[0].numpy()),
        "heads": (dict(attn_mask=every), every.numpy().reshape(B, H, L, S)),
        "padding": (dict(key_padding_mask=rg.tensor(padding)), none + of_padding),
        "both": (both, none + infinite + of_padding),
    }[kind]


@pytest.mark.parametrize(("build", "kind"), [*itertools.product(BUILDS, MASKS)])
def test_each_head_averages_the_values_by_how_well_their_keys_fit(build, kind):
    layer = grown(nn.MultiheadAttention(E, H, **build, dtype=rg.float64))
    first = nn.MultiheadAttention(E, H, **build, batch_first=True, dtype=rg.float64)
    first.load_state_dict(layer.state_dict())
    given, added = masks(kind)
    query, key, value = noise(L, B, E), noise(S, B, layer.kdim, seed=1), noise(S, B, layer.vdim, seed=2)
    out, weights = layer(query, key, value, **given, average_attn_weights=False)
    for b in range(B):
        expected = by_hand(layer, *(x[:, b].numpy() for x in (query, key, value)), added[b])
        np.testing.assert_allclose(out[:, b].detach().numpy(), expected[0], atol=1e-12)
        np.testing.assert_allclose(weights[b].detach().numpy(), expected[1], atol=1e-12)
    averaged = layer(query, key, value, **given)
    rg.testing.assert_close(weights.mean(1), averaged[1])
    bare, nothing = layer(query, key, value, **given, need_weights=False)
    assert nothing is None
    rg.testing.assert_close(out, bare)
    turned, _ = first(*(x.transpose(0, 1) for x in (query, key, value)), **given)
    rg.testing.assert_close(out, turned.transpose(0, 1))


def test_without_a_batch_it_is_a_batch_of_one():
    layer = nn.MultiheadAttention(E, H, dtype=rg.float64)
    x, padding = noise(L, E), rg.tensor([False, True, False])
    out, weights = layer(x, x, x, padding, average_attn_weights=False)
    wide, full = layer(*[x.unsqueeze(1)] * 3, padding.unsqueeze(0), average_attn_weights=False)
    rg.testing.assert_close(wide.squeeze(1), out)
    rg.testing.assert_close(full.squeeze(0), weights)


def test_a_causal_mask_with_the_hint_is_the_mask():
    layer = nn.MultiheadAttention(E, H, dtype=rg.float64)
    x, mask = noise(L, B, E), nn.Transformer.generate_square_subsequent_mask(L, dtype=rg.float64)
    for need in (True, False):
        expected, _ = layer(x, x, x, attn_mask=mask, need_weights=need)
        rg.testing.assert_close(expected, layer(x, x, x, attn_mask=mask, need_weights=need, is_causal=True)[0])


def test_weights_are_dropped_in_training_only():
    layer, x = nn.MultiheadAttention(E, H, dropout=1.0), rg.ones(L, B, E)
    assert not layer(x, x, x)[1].any()
    assert layer.eval()(x, x, x)[1].sum(-1).allclose(rg.ones(B, L))


@pytest.mark.parametrize("build", BUILDS)
def test_gradients_agree_with_differences(build):
    layer = grown(nn.MultiheadAttention(E, H, **build, dtype=rg.float64))
    names = [name for name, _ in layer.named_parameters() if "." not in name]
    x = [noise(2, 1, n, seed=n).requires_grad_() for n in (E, layer.kdim, layer.vdim)]

    def f(query, key, value, *parameters):
        twin = copy.deepcopy(layer)
        for name, parameter in zip(names, parameters, strict=True):
            delattr(twin, name)
            setattr(twin, name, parameter)
        return twin(query, key, value)

    parameters = [getattr(layer, name).detach().clone().requires_grad_() for name in names]
    assert rg.autograd.gradcheck(f, (*x, *parameters), fast_mode=True)
    assert rg.autograd.gradgradcheck(f, (*x, *parameters), fast_mode=True)


# -- what it holds


@pytest.mark.parametrize(("build", "shapes"), [
    (dict(), {"in_proj_weight": (18, 6), "in_proj_bias": (18,), "out_proj.weight": (6, 6), "out_proj.bias": (6,)}),
    (dict(kdim=6, vdim=6, bias=False), {"in_proj_weight": (18, 6), "out_proj.weight": (6, 6)}),
    (dict(kdim=4, vdim=5, bias=False, add_bias_kv=True),
     {"q_proj_weight": (6, 6), "k_proj_weight": (6, 4), "v_proj_weight": (6, 5), "bias_k": (1, 1, 6),
      "bias_v": (1, 1, 6), "out_proj.weight": (6, 6)}),
])  # fmt: skip
def test_projections_are_one_matrix_if_all_sizes_are_one(build, shapes):
    layer = nn.MultiheadAttention(E, H, **build)
    assert list(shapes.items()) == [(name, tuple(p.shape)) for name, p in layer.state_dict().items()]
    absent = {"in_proj_weight", "q_proj_weight", "in_proj_bias", "bias_k"} - set(shapes)
    assert {None} == {getattr(layer, name) for name in absent}


def test_projections_start_as_glorot_says_and_biases_at_zero():
    layer = nn.MultiheadAttention(100, 2, add_bias_kv=True)
    bound = (6 / 400) ** 0.5
    assert 0.95 * bound < layer.in_proj_weight.abs().max().item() <= bound
    assert 0.095 < layer.out_proj.weight.abs().max().item() <= 0.1
    assert not layer.in_proj_bias.any()
    assert not layer.out_proj.bias.any()
    assert layer.bias_k.std().item() == pytest.approx((2 / 200) ** 0.5, rel=0.3)
    apart = nn.MultiheadAttention(100, 2, kdim=50)
    assert 0.95 * 0.2 < apart.k_proj_weight.abs().max().item() <= 0.2


def test_copies_and_pickles_compute_the_same():
    layer, x = nn.MultiheadAttention(E, H), rg.ones(L, E)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert layer(x, x, x)[0].equal(twin(x, x, x)[0])


def test_it_prints_its_output_projection():
    line = "  (out_proj): NonDynamicallyQuantizableLinear(in_features=6, out_features=6, bias=True)"
    assert f"MultiheadAttention(\n{line}\n)" == repr(nn.MultiheadAttention(E, H))
    assert isinstance(nn.MultiheadAttention(E, H).out_proj, nn.Linear)


def test_bfloat16_takes_masks_of_its_own():
    layer, x = nn.MultiheadAttention(E, H, dtype=rg.bfloat16), rg.ones(L, B, E, dtype=rg.bfloat16)
    for mask in (rg.zeros(L, L, dtype=rg.bfloat16), rg.zeros(L, L, dtype=rg.bool)):
        assert rg.bfloat16 == layer(x, x, x, attn_mask=mask, need_weights=False)[0].dtype


# -- what it refuses


@pytest.mark.parametrize(("args", "error", "text"), [
    ((4, 3), AssertionError, "embed_dim must be divisible by num_heads, got embed_dim=4 and num_heads=3"),
    ((0, 2), ValueError, "must be greater than 0, got embed_dim=0 and num_heads=2"),
    ((4, -2), ValueError, "must be greater than 0, got embed_dim=4 and num_heads=-2"),
])  # fmt: skip
def test_heads_that_do_not_fit_are_refused(args, error, text):
    with pytest.raises(error, match=text):
        nn.MultiheadAttention(*args)


X = rg.zeros(L, B, E)
LONG, BOOL = dict(dtype=rg.int64), dict(dtype=rg.bool)


@pytest.mark.parametrize(("xs", "given", "error", "text"), [
    ((X[None],) * 3, {}, AssertionError, "unbatched 2D or batched 3D tensor but received 4-D"),
    ((rg.zeros(L, B, 4),) * 3, {}, AssertionError, "was expecting embedding dimension of 6, but got 4"),
    ((X, X, X[:2]), {}, AssertionError, "does not match value shape"),
    ((X, X[:, :1], X[:, :1]), {}, RuntimeError, "query has a batch of 2, key and value of 1"),
    ((X.double(),) * 3, {}, RuntimeError, r"query\.to\(regrad.float32\), or .* model\.to\(regrad.float64\)"),
    ((X, X.double(), X), {}, RuntimeError, r"Convert it: key\.to\(regrad.float32\)"),
    ((X,) * 3, dict(attn_mask=rg.zeros(2, L)), RuntimeError, r"2D attn_mask is \(2, 3\), but should be \(3, 3\)"),
    ((X,) * 3, dict(attn_mask=rg.zeros(2, L, L)), RuntimeError, r"but should be \(4, 3, 3\)"),
    ((X,) * 3, dict(attn_mask=rg.zeros(L)), AssertionError, "expected `attn_mask` to be `None`, 2-D or 3-D"),
    ((X,) * 3, dict(attn_mask=rg.zeros(L, L, **LONG)), AssertionError, "only bool and floating types of attn_mask"),
    ((X,) * 3, dict(attn_mask=rg.zeros(L, L).double()), RuntimeError, r"attn_mask\.to\(regrad.float32\)"),
    ((X,) * 3, dict(key_padding_mask=rg.zeros(L, B, **BOOL)), AssertionError, r"to be \(2, 3\), but got \(3, 2\)"),
    ((X,) * 3, dict(key_padding_mask=rg.zeros(B, L, **LONG)), AssertionError, "types of key_padding_mask"),
    ((X,) * 3, dict(is_causal=True), RuntimeError, "Need attn_mask if specifying the is_causal hint"),
])  # fmt: skip
def test_inputs_and_masks_that_do_not_fit_are_refused(xs, given, error, text):
    with pytest.raises(error, match=text):
        nn.MultiheadAttention(E, H)(*xs, **given)


def test_masks_of_two_kinds_are_warned_of():
    layer, mask, padding = nn.MultiheadAttention(E, H), rg.zeros(L, L), rg.zeros(B, L, dtype=rg.bool)
    with pytest.warns(UserWarning, match="mismatched key_padding_mask and attn_mask"):
        layer(X, X, X, key_padding_mask=padding, attn_mask=mask)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(X, X, X, key_padding_mask=padding, attn_mask=mask > 0)
