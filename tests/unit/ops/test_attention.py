"""Attention, embeddings, distances and dropout by their public names: masks, heads, bags, draws, refusals."""

import math

import numpy as np
import pytest

import regrad as rg

F = rg.nn.functional


def leaf(*shape, seed=0):
    return rg.tensor(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


def triple(length=3, sources=4, size=2, heads=()):
    return leaf(*heads, length, size), leaf(*heads, sources, size, seed=1), leaf(*heads, sources, size, seed=2)


def test_attention_saves_no_matrix_of_weights():
    q, k, v = triple(length=64, sources=64)
    out = F.scaled_dot_product_attention(q, k, v)
    assert max(saved.numel() for saved in out.grad_fn.saved_tensors) < 64 * 64


def test_a_boolean_mask_says_what_takes_part():
    q, k, v = triple()
    mask = rg.tensor([[True, False, True, True]] * 2 + [[False] * 4])
    added = rg.where(mask, 0.0, -math.inf).to(rg.float64)
    out = F.scaled_dot_product_attention(q, k, v, mask)
    assert out.tolist() == F.scaled_dot_product_attention(q, k, v, added).tolist()
    assert [0.0, 0.0] == out[2].tolist()  # nothing takes part
    g = rg.autograd.grad(out.sum(), [q, k, v])
    assert not any(np.isnan(each.numpy()).any() for each in g)


def test_causal_attention_sees_no_later_key():
    q, k, v = triple(length=3, sources=3)
    tril = rg.tensor(np.tril(np.ones((3, 3), bool)))
    causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    np.testing.assert_allclose(causal.detach().numpy(), F.scaled_dot_product_attention(q, k, v, tril).detach().numpy())


@pytest.mark.parametrize("mask", [None, (3, 4), (4, 3, 4), (1, 3, 4)])
def test_grouped_heads_are_shared_heads(mask):
    q = leaf(2, 4, 3, 2)
    k, v = leaf(2, 2, 4, 2, seed=1), leaf(2, 2, 4, 2, seed=2)
    mask = None if mask is None else leaf(*mask, seed=3).detach()
    ours = F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)
    wide_k, wide_v = (x.repeat_interleave(2, -3) for x in (k, v))
    theirs = F.scaled_dot_product_attention(q, wide_k, wide_v, mask)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-12)
    for a, b in zip(rg.autograd.grad(ours.sum(), [q, k, v]), rg.autograd.grad(theirs.sum(), [q, k, v]), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)


def test_attention_in_blocks_is_attention_at_once(monkeypatch):
    q, k, v = triple(heads=(3, 2))
    mask = leaf(2, 3, 4, seed=4)

    def results():
        out = F.scaled_dot_product_attention(q, k, v, mask)
        return [out, *rg.autograd.grad(out.sum(), [q, k, v, mask])]

    whole = results()
    monkeypatch.setattr("regrad.kernels.reference.attention.BLOCK", 1)
    for a, b in zip(whole, results(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-14)


def test_dropped_weights_are_made_up_for():
    q, k, v = rg.zeros(2000, 1), rg.zeros(1, 1), rg.ones(1, 1)
    out = F.scaled_dot_product_attention(q, k, v, dropout_p=0.5)
    assert {0.0, 2.0} == set(out.reshape(-1).tolist())


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("extras", [{}, {"add_zero_attn": True}, {"bias": True}, {"padding": True}, {"mask": True}])
def test_many_heads_are_one_head_on_each_part(need_weights, extras):
    x, w, out_w = leaf(4, 2, 6), leaf(18, 6, seed=1), leaf(6, 6, seed=2)
    bias = (leaf(1, 1, 6, seed=3), leaf(1, 1, 6, seed=4)) if "bias" in extras else (None, None)
    padding = rg.tensor([[False, False, False, True]] * 2) if "padding" in extras else None
    mask = rg.tensor(np.triu(np.ones((4, 4), bool), 1)) if "mask" in extras else None
    zero = "add_zero_attn" in extras
    masks = {"key_padding_mask": padding, "attn_mask": mask}
    got, weights = F.multi_head_attention_forward(x, x, x, 6, 2, w, None, *bias, zero, 0.0, out_w, None, **masks,
                                                  need_weights=need_weights)  # fmt: skip
    assert need_weights == (weights is not None)
    a, u = x.detach().numpy(), w.detach().numpy()
    q, k, v = (a @ u[6 * i : 6 * i + 6].T for i in range(3))
    for name, i in (("k", 0), ("v", 1)):
        grown = [k, v][i]
        if bias[i] is not None:
            grown = np.concatenate([grown, np.repeat(bias[i].detach().numpy(), 2, axis=1)])
        if zero:
            grown = np.concatenate([grown, np.zeros((1, 2, 6))])
        k, v = (grown, v) if name == "k" else (k, grown)
    parts = []
    for h in (slice(0, 3), slice(3, 6)):
        s = np.einsum("lne,sne->nls", q[..., h], k[..., h]) / math.sqrt(3)
        s[..., :4] += 0 if padding is None else np.where(padding.numpy()[:, None], -np.inf, 0)
        s[..., :4] += 0 if mask is None else np.where(mask.numpy(), -np.inf, 0)
        p = np.exp(s - s.max(axis=-1, keepdims=True))
        parts.append(np.einsum("nls,sne->lne", p / p.sum(axis=-1, keepdims=True), v[..., h]))
    np.testing.assert_allclose(got.detach().numpy(), np.concatenate(parts, -1) @ out_w.detach().numpy().T, rtol=1e-9)


def test_the_padding_gets_no_gradient():
    table = leaf(4, 2)
    out = F.embedding(rg.tensor([[1, 3], [1, -1 % 4]]), table, padding_idx=-1)
    out.sum().backward()
    assert [[0, 0], [2, 2], [0, 0], [0, 0]] == table.grad.tolist()


def test_gradients_may_be_divided_by_the_frequency():
    table = leaf(3, 1)
    F.embedding(rg.tensor([1, 1, 2]), table, scale_grad_by_freq=True).sum().backward()
    assert [[0.0], [1.0], [1.0]] == table.grad.tolist()


def test_long_rows_are_shortened_in_place_and_only_where_they_are_used():
    table = rg.tensor([[3.0, 4.0], [30.0, 40.0], [0.3, 0.4]])
    version = table._version
    F.embedding(rg.tensor([0, 2]), table, max_norm=1.0)
    assert [[0.6, 0.8], [30.0, 40.0], [0.3, 0.4]] == [pytest.approx(row) for row in table.tolist()]
    assert version + 1 == table._version


@pytest.mark.parametrize(("mode", "expected"), [
    ("sum", [[3.0], [0.0], [9.0]]), ("mean", [[1.5], [0.0], [2.25]]), ("max", [[2.0], [0.0], [4.0]]),
])  # fmt: skip
def test_bags_of_embeddings(mode, expected):
    table = rg.tensor([[1.0], [2.0], [4.0]])
    indices, offsets = rg.tensor([0, 1, 2, 1, 1, 0]), rg.tensor([0, 2, 2])
    assert expected == F.embedding_bag(indices, table, offsets, mode=mode).tolist()
    last = rg.tensor([0, 2, 2, 6])
    assert expected == F.embedding_bag(indices, table, last, mode=mode, include_last_offset=True).tolist()


def test_a_bag_does_not_count_its_padding():
    table = rg.tensor([[1.0], [2.0], [4.0]])
    bags = rg.tensor([[0, 2, 2], [2, 2, 2]])
    for mode, expected in (("mean", [[1.0], [0.0]]), ("sum", [[1.0], [0.0]]), ("max", [[1.0], [0.0]])):
        assert expected == F.embedding_bag(bags, table, mode=mode, padding_idx=2).tolist()


def test_weights_of_a_bag_have_gradients():
    table, weights = leaf(3, 2), leaf(2, 2, seed=1)

    def bag(table, weights):
        return F.embedding_bag(rg.tensor([[0, 1], [1, 1]]), table, mode="sum", per_sample_weights=weights)

    assert rg.autograd.gradcheck(bag, (table, weights))
    assert rg.autograd.gradgradcheck(bag, (table, weights))


def test_distances():
    x = rg.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    assert [5.0, 10.0, 5.0] == rg.pdist(x).tolist()
    assert (0,) == rg.pdist(x[:1]).shape
    assert [7.0] == pytest.approx(rg.pairwise_distance(x[1:2], x[:1], p=1, eps=0.0).tolist())
    other = rg.tensor([[1.0, 0.0], [-4.0, 3.0], [3.0, 4.0]])
    assert [0.0, 0.0, 1.0] == pytest.approx(rg.cosine_similarity(x, other).tolist())


@pytest.mark.parametrize("p", [0.5, 0.1, 0.37])
def test_dropout_drops_as_many_as_it_says_and_makes_up_for_them(p):
    out = rg.dropout(rg.ones(100_000), p)
    assert p == pytest.approx((out == 0).to(rg.float32).mean().item(), abs=0.01)
    assert {0.0, np.float32(1 / (1 - p))} == set(np.unique(out.numpy()))


def test_backward_uses_the_mask_of_forward_and_a_seed_repeats_it():
    x = rg.ones(1000).requires_grad_()
    rg.manual_seed(3)
    first = rg.dropout(x, 0.5)
    rg.manual_seed(3)
    assert first.tolist() == rg.dropout(x, 0.5).tolist() == rg.autograd.grad(first.sum(), x)[0].tolist()


def test_dropout_outside_of_training_is_its_input():
    x = rg.ones(3).requires_grad_()
    assert x is rg.dropout(x, 0.5, False) is F.dropout(x, 0.5, False, inplace=True)
    assert rg.int64 is rg.dropout(rg.tensor([1]), 0.0).dtype


@pytest.mark.parametrize(("fn", "shape", "kept"), [
    (F.dropout1d, (3, 50, 4), (0, 1)), (F.dropout1d, (50, 4), (0,)), (F.dropout2d, (3, 50, 4, 4), (0, 1)),
    (F.dropout3d, (3, 50, 2, 2, 2), (0, 1)), (F.dropout3d, (50, 2, 2, 2), (0,)), (rg.feature_dropout, (3, 50), (0, 1)),
])  # fmt: skip
def test_whole_channels_are_dropped(fn, shape, kept):
    out = fn(rg.ones(shape), 0.5).numpy()
    channels = out.reshape(*(shape[d] for d in kept), -1)
    assert {0.0, 2.0} == set(np.unique(out))
    assert (channels == channels[..., :1]).all()


@pytest.mark.parametrize("fn", [F.alpha_dropout, F.feature_alpha_dropout])
def test_alpha_dropout_keeps_mean_and_variance(fn):
    x = rg.tensor(np.random.default_rng(0).standard_normal((1000, 100)))
    out = fn(x, 0.3, training=True).numpy()
    assert 0 == pytest.approx(out.mean(), abs=0.03)
    assert 1 == pytest.approx(out.var(), abs=0.05)


@pytest.mark.parametrize("fn", [F.dropout, F.alpha_dropout, F.feature_alpha_dropout, rg.feature_dropout])
def test_dropout_in_place_is_recorded(fn):
    x = rg.ones(8, 8).requires_grad_()
    y = x * 1
    assert fn(y, 0.5, True, inplace=True) is y
    y.sum().backward()
    assert x.grad.any()


@pytest.mark.parametrize(("call", "raises", "said"), [
    (lambda: F.dropout(rg.ones(1), 1.5), ValueError, "between 0 and 1, but got 1.5"),
    (lambda: F.dropout(rg.tensor([1])), RuntimeError, "result type Float can't be cast"),
    (lambda: F.dropout1d(rg.ones(1)), RuntimeError, "Expected 2D or 3D input, but received a 1D input"),
    (lambda: rg.feature_dropout(rg.ones(3), 0.5, True), RuntimeError, "Feature dropout requires at least 2 dimensions"),
    (lambda: F.embedding(rg.tensor([3]), rg.ones(3, 2)), IndexError, "index out of range in self"),
    (lambda: F.embedding(rg.tensor([1.0]), rg.ones(3, 2)), RuntimeError, "scalar types: Long, Int"),
    (lambda: F.embedding(rg.tensor([1]), rg.ones(3)), RuntimeError, "'weight' must be 2-D"),
    (lambda: F.embedding(rg.tensor([1]), rg.ones(3, 2), padding_idx=3), AssertionError, "Padding_idx must be within"),
    (lambda: F.embedding_bag(rg.tensor([1]), rg.ones(3, 2)), ValueError, "offsets has to be a 1D Tensor but got None"),
    (lambda: F.embedding_bag(rg.tensor([1]), rg.ones(3, 2), rg.tensor([1])), RuntimeError, "offsets[0] has to be 0"),
    (lambda: F.embedding_bag(rg.tensor([[1]]), rg.ones(3, 2), mode="min"), ValueError, "one of sum, mean or max"),
    (lambda: F.embedding_bag(rg.tensor([[1]]), rg.ones(3, 2), per_sample_weights=rg.ones(1, 1)), NotImplementedError,
     "only supported for mode='sum'"),
    (lambda: F.one_hot(rg.tensor([3]), 2), RuntimeError, "Class values must be smaller than num_classes"),
    (lambda: F.one_hot(rg.tensor([-1])), RuntimeError, "Class values must be non-negative"),
    (lambda: F.one_hot(rg.tensor([1.0])), RuntimeError, "LongTensor"),
    (lambda: rg.pdist(rg.ones(3)), RuntimeError, "pdist only supports 2D tensors, got: 1D"),
    (lambda: rg.cosine_similarity(rg.tensor([1]), rg.tensor([1]), 0), RuntimeError,
     "common dtype to be floating point"),
    (lambda: F.scaled_dot_product_attention(*triple(), rg.ones(3, 4) > 0, is_causal=True), RuntimeError,
     "should not be set when is_causal=True"),
    (lambda: F.scaled_dot_product_attention(rg.ones(2, 3), rg.ones(2, 4), rg.ones(2, 4)), RuntimeError,
     "the same last size"),
    (lambda: F.scaled_dot_product_attention(rg.ones(2), rg.ones(2), rg.ones(2)), RuntimeError,
     "at least 2 dimensional"),
    (lambda: F.scaled_dot_product_attention(*(rg.ones(n, 2, 2) for n in (3, 2, 2)), enable_gqa=True), RuntimeError,
     "divide the number of heads"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(call, raises, said):
    with pytest.raises(raises) as caught:
        call()
    assert said in str(caught.value)
