"""Transformers: layers, stacks and the whole; masks; what they hold, print and refuse."""

import copy
import itertools
import pickle

import numpy as np
import pytest

import regrad as rg

nn, F = rg.nn, rg.nn.functional
S, T, B, E, H = 5, 4, 3, 6, 2  # source, target, batch, features, heads
WHERE = [*itertools.product((False, True), (False, True))]  # norm_first, batch_first


def noise(*shape, seed=0):
    return rg.tensor(np.random.default_rng(seed).standard_normal(shape))


def sequence(length, batch_first=False, seed=0):
    return noise(B, length, E, seed=seed) if batch_first else noise(length, B, E, seed=seed)


def settings(norm_first=False, batch_first=False):
    where = dict(norm_first=norm_first, batch_first=batch_first, dtype=rg.float64)
    return dict(dim_feedforward=7, dropout=0.0, **where)


def in_order(layer, x, steps):
    """The steps of a layer around their norms, as the papers draw them."""
    for k, step in enumerate(steps, 1):
        norm = getattr(layer, f"norm{k}")
        x = x + step(norm(x)) if layer.norm_first else norm(x + step(x))
    return x


def feed(layer, activation):
    return lambda x: layer.linear2(activation(layer.linear1(x)))


ACTIVATIONS = [("relu", F.relu), ("gelu", F.gelu), (F.silu, F.silu), (nn.Tanh(), rg.tanh)]


@pytest.mark.parametrize(("norm_first", "batch_first"), WHERE)
@pytest.mark.parametrize(("given", "activation"), ACTIVATIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_an_encoder_layer_attends_and_feeds(norm_first, batch_first, given, activation, bias):
    layer = nn.TransformerEncoderLayer(E, H, activation=given, bias=bias, **settings(norm_first, batch_first))
    x, mask, padding = sequence(S, batch_first), noise(S, S, seed=1), rg.arange(S) >= rg.tensor([[5], [3], [4]])
    added = rg.zeros(B, S, dtype=rg.float64).masked_fill(padding, -np.inf)

    def attend(x):
        return layer.self_attn(x, x, x, added, attn_mask=mask)[0]

    expected = in_order(layer, x, [attend, feed(layer, activation)])
    rg.testing.assert_close(expected, layer(x, mask, added))
    if not batch_first:
        rg.testing.assert_close(layer(x[:, :1]).squeeze(1), layer(x[:, 0]))


@pytest.mark.parametrize(("norm_first", "batch_first"), WHERE)
def test_a_decoder_layer_attends_looks_back_and_feeds(norm_first, batch_first):
    layer = nn.TransformerDecoderLayer(E, H, activation="gelu", **settings(norm_first, batch_first))
    x, memory, across = sequence(T, batch_first), sequence(S, batch_first, seed=1), noise(T, S, seed=2)
    mask = nn.Transformer.generate_square_subsequent_mask(T, dtype=rg.float64)

    def attend(x):
        return layer.self_attn(x, x, x, attn_mask=mask)[0]

    def look_back(x):
        return layer.multihead_attn(x, memory, memory, attn_mask=across)[0]

    expected = in_order(layer, x, [attend, look_back, feed(layer, F.gelu)])
    for hint in (False, True):
        rg.testing.assert_close(expected, layer(x, memory, mask, across, tgt_is_causal=hint))


def test_padding_of_target_and_memory_is_not_looked_at():
    layer = nn.TransformerDecoderLayer(E, H, **settings(batch_first=True))
    x, memory = sequence(T, True), sequence(S, True, seed=1)
    padding = dict(
        tgt_key_padding_mask=rg.arange(T).expand(B, T) >= 3, memory_key_padding_mask=rg.arange(S).expand(B, S) >= 2
    )
    rg.testing.assert_close(layer(x, memory, **padding)[:, :3], layer(x[:, :3], memory[:, :2]))


def test_stacks_apply_copies_of_a_layer_one_after_another_and_a_norm():
    layer, norm = nn.TransformerEncoderLayer(E, H, **settings()), nn.LayerNorm(E, dtype=rg.float64)
    encoder, x = nn.TransformerEncoder(layer, 2, norm), sequence(S)
    rg.testing.assert_close(norm(layer(layer(x))), encoder(x))
    assert encoder.layers[0].linear1.weight is not encoder.layers[1].linear1.weight
    layer = nn.TransformerDecoderLayer(E, H, **settings())
    decoder, y = nn.TransformerDecoder(layer, 2), sequence(T, seed=1)
    rg.testing.assert_close(layer(layer(y, x), x), decoder(y, x))


@pytest.mark.parametrize("batch_first", [False, True])
def test_a_causal_mask_lets_no_place_see_a_later_one(batch_first):
    mask = nn.Transformer.generate_square_subsequent_mask(S, dtype=rg.float64)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, **settings(batch_first=batch_first)), 2)
    x = sequence(S, batch_first)
    short = x[:, :2] if batch_first else x[:2]
    for given in (mask, mask != 0):
        for hint in (None, False, True):
            out = encoder(x, given, is_causal=hint)
            rg.testing.assert_close(encoder(short, mask[:2, :2]), out[:, :2] if batch_first else out[:2])


def test_the_causal_mask_is_looked_for_and_others_are_not_taken_for_it():
    encoder, x = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, **settings()), 1), sequence(S)
    given = []
    encoder.layers[0].register_forward_pre_hook(
        lambda module, args, kwargs: given.append(kwargs["is_causal"]), with_kwargs=True
    )
    mask = nn.Transformer.generate_square_subsequent_mask(S, dtype=rg.float64)
    for some in (mask, mask != 0, mask * 0.5, mask.T, noise(S, S), None):
        encoder(x, some)
    assert [True, True, True, False, False, False] == given


@pytest.mark.parametrize("batch_first", [False, True])
def test_a_transformer_decodes_what_it_has_encoded(batch_first):
    model = nn.Transformer(E, H, 1, 2, **settings(batch_first=batch_first))
    src, tgt = sequence(S, batch_first), sequence(T, batch_first, seed=1)
    given = dict(src_mask=noise(S, S), tgt_mask=noise(T, T), memory_mask=noise(T, S))
    memory = model.encoder(src, given["src_mask"])
    rg.testing.assert_close(
        model.decoder(tgt, memory, given["tgt_mask"], given["memory_mask"]), model(src, tgt, **given)
    )
    one = (0, slice(None)) if batch_first else (slice(None), 0)
    rg.testing.assert_close(model(src, tgt)[one], model(src[one], tgt[one]))


def test_encoders_and_decoders_of_ones_own_are_used():
    class Mean(nn.Module):
        def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
            return src.mean(0, keepdim=True)

    class Sum(nn.Module):
        def forward(self, tgt, memory, **_):
            return tgt + memory

    model = nn.Transformer(E, H, custom_encoder=Mean(), custom_decoder=Sum())
    assert model(rg.ones(S, B, E), rg.ones(T, B, E)).equal(rg.full((T, B, E), 2.0))


@pytest.mark.parametrize(("norm_first", "batch_first"), WHERE)
def test_gradients_agree_with_differences(norm_first, batch_first):
    model = nn.Transformer(4, 2, 1, 1, activation="gelu", **settings(norm_first, batch_first))
    src, tgt = noise(2, 2, 4).requires_grad_(), noise(2, 2, 4, seed=1).requires_grad_()
    mask = model.generate_square_subsequent_mask(2, dtype=rg.float64)
    assert rg.autograd.gradcheck(lambda s, t: model(s, t, tgt_mask=mask), (src, tgt), fast_mode=True)
    assert rg.autograd.gradgradcheck(lambda s, t: model(s, t, tgt_mask=mask), (src, tgt), fast_mode=True)


# -- padding in evaluation


ENDS = rg.tensor([[False] * S, [False] * 3 + [True] * 2, [False] * 2 + [True] * 3])
LAYER = dict(dim_feedforward=7, dtype=rg.float64)


def zeros_at(out):
    return (out == 0).all(-1)


@pytest.mark.parametrize("norm", [None, nn.LayerNorm(E, dtype=rg.float64)])
def test_evaluation_without_gradients_gives_zeros_for_padding(norm):
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, batch_first=True, **LAYER), 2, norm).eval()
    x = sequence(S, True)
    kept = encoder(x, src_key_padding_mask=ENDS)
    assert not zeros_at(kept).any()
    with rg.no_grad():
        out = encoder(x, src_key_padding_mask=ENDS)
        assert out.equal(encoder(x, src_key_padding_mask=rg.zeros(B, S).double().masked_fill(ENDS, -np.inf)))
    assert ENDS.equal(zeros_at(out))
    rg.testing.assert_close(kept[~ENDS], out[~ENDS], check_dtype=False)


@pytest.mark.parametrize(("build", "stack", "given"), [
    (dict(batch_first=True), dict(enable_nested_tensor=False), {}),
    (dict(batch_first=True, norm_first=True), {}, {}),
    (dict(batch_first=True, bias=False), {}, {}),
    (dict(batch_first=True, activation=F.silu), {}, {}),
    (dict(batch_first=True), {}, dict(src_key_padding_mask=ENDS.flip(1))),
    (dict(batch_first=True), {}, dict(src_key_padding_mask=ENDS * -1.0)),
    (dict(batch_first=True), {}, dict(mask=rg.zeros(S, S, dtype=rg.bool))),
])  # fmt: skip
def test_in_all_other_cases_padding_has_values(build, stack, given):
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, **build, **LAYER), 1, **stack).eval()
    given = {"src_key_padding_mask": ENDS, **given}
    if given["src_key_padding_mask"].dtype != rg.bool:
        given["src_key_padding_mask"] = given["src_key_padding_mask"].double()
    with rg.no_grad():
        assert not zeros_at(encoder(sequence(S, True), **given)).any()


# -- what they hold


def test_layers_hold_attention_maps_norms_and_dropout_in_order():
    names = [name for name, _ in nn.TransformerEncoderLayer(E, H, 7).named_children()]
    assert ["self_attn", "linear1", "dropout", "linear2", "norm1", "norm2", "dropout1", "dropout2"] == names
    names = [name for name, _ in nn.TransformerDecoderLayer(E, H, 7, activation=nn.GELU()).named_children()]
    expected = ["self_attn", "multihead_attn", "linear1", "dropout", "linear2", "norm1", "norm2", "norm3",
                "dropout1", "dropout2", "dropout3", "activation"]  # fmt: skip
    assert expected == names


def test_dropout_and_biases_go_everywhere():
    model = nn.Transformer(E, H, 1, 1, 7, dropout=0.25, bias=False)
    assert {0.25} == {m.p for m in model.modules() if isinstance(m, nn.Dropout)}
    assert {0.25} == {m.dropout for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
    assert not [name for name in model.state_dict() if name.endswith("bias")]


def test_matrices_of_a_transformer_start_as_glorot_says():
    model = nn.Transformer(100, 2, 1, 1, 200)
    for weight, bound in ((model.encoder.layers[0].linear1.weight, (6 / 300) ** 0.5),
                          (model.decoder.layers[0].multihead_attn.out_proj.weight, (6 / 200) ** 0.5)):  # fmt: skip
        assert 0.95 * bound < weight.abs().max().item() <= bound


def test_a_layer_says_whether_its_activation_is_relu_or_gelu():
    given = {"relu": 1, nn.ReLU(): 1, F.gelu: 2, nn.GELU(): 2, F.silu: 0}
    assert given == {a: nn.TransformerEncoderLayer(E, H, 7, activation=a).activation_relu_or_gelu for a in given}


def test_copies_and_pickles_compute_the_same():
    model, x = nn.Transformer(E, H, 1, 1, 7).eval(), rg.ones(S, E)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert model(x, x).equal(twin(x, x))


def test_a_stack_prints_its_layers():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, 7), 2)
    text = repr(encoder)
    assert text.startswith("TransformerEncoder(\n  (layers): ModuleList(\n    (0-1): 2 x TransformerEncoderLayer(\n")
    assert "(norm1): LayerNorm((6,), eps=1e-05, elementwise_affine=True, bias=True)" in text


def test_the_causal_mask_is_infinite_above_the_diagonal():
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    assert [[0, -np.inf, -np.inf], [0, 0, -np.inf], [0, 0, 0]] == mask.tolist()
    assert rg.float32 == mask.dtype
    assert rg.float64 == nn.Transformer.generate_square_subsequent_mask(1, dtype=rg.float64).dtype


# -- what they refuse


X, Y = rg.zeros(S, B, E), rg.zeros(T, B, E)


@pytest.mark.parametrize(("src", "tgt", "given", "error", "text"), [
    (X, Y[:, :2], {}, RuntimeError, r"batch number of src and tgt must be equal, got \[5, 3, 6\] and \[4, 2, 6\]"),
    (X, Y[0], {}, RuntimeError, "batch number of src and tgt must be equal"),
    (X[..., :4], Y, {}, RuntimeError, "feature number of src and tgt must be equal to d_model, 6"),
    (X, rg.zeros(T, B, 7), {}, RuntimeError, "feature number of src and tgt must be equal to d_model, 6"),
    (X.double(), Y.double(), {}, RuntimeError, r"query\.to\(regrad.float32\), or convert the model"),
    (X, Y, dict(src_mask=rg.zeros(4, S)), RuntimeError, r"2D attn_mask is \(4, 5\), but should be \(5, 5\)"),
    (X, Y, dict(src_mask=rg.zeros(S, S).long()), AssertionError, "only bool and floating types of mask"),
    (X, Y, dict(src_key_padding_mask=rg.zeros(B, S).long()), AssertionError, "types of src_key_padding_mask"),
    (X, Y, dict(src_key_padding_mask=rg.zeros(B, 4).bool()), AssertionError, r"to be \(3, 5\), but got \(3, 4\)"),
    (X, Y, dict(tgt_is_causal=True), RuntimeError, "Need attn_mask if specifying the is_causal hint"),
])  # fmt: skip
def test_inputs_and_masks_that_do_not_fit_are_refused(src, tgt, given, error, text):
    with pytest.raises(error, match=text):
        nn.Transformer(E, H, 1, 1, 7)(src, tgt, **given)


@pytest.mark.parametrize("cls", [nn.TransformerEncoderLayer, nn.TransformerDecoderLayer])
def test_settings_that_make_no_sense_are_refused(cls):
    with pytest.raises(RuntimeError, match="activation should be relu/gelu, not elu"):
        cls(E, H, activation="elu")
    with pytest.raises(AssertionError, match="embed_dim must be divisible by num_heads"):
        cls(E, 4)


def test_masks_of_two_kinds_are_warned_of():
    layer, given = nn.TransformerEncoderLayer(E, H, 7), (rg.zeros(S, S), rg.zeros(B, S, dtype=rg.bool))
    with pytest.warns(UserWarning, match="mismatched src_key_padding_mask and src_mask") as caught:
        layer(X, *given)
    assert [__file__] == [w.filename for w in caught]
    with pytest.warns(UserWarning, match="mismatched src_key_padding_mask and mask"):
        nn.TransformerEncoder(layer, 2)(X, *given)
