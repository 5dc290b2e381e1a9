"""Embeddings: rows of a table, bags of them, padding, tables that are there already, refusals."""

import numpy as np
import pytest

import regrad as rg

nn = rg.nn

TABLE = np.random.default_rng(0).standard_normal((5, 3))


@pytest.mark.parametrize(("text", "layer"), [
    ("Embedding(5, 3)", nn.Embedding(5, 3)),
    ("Embedding(5, 3, padding_idx=4)", nn.Embedding(5, 3, -1)),
    ("Embedding(5, 3, max_norm=1.0, norm_type=3.0)", nn.Embedding(5, 3, max_norm=1.0, norm_type=3.0)),
    ("Embedding(5, 3, scale_grad_by_freq=True, sparse=True)",
     nn.Embedding(5, 3, scale_grad_by_freq=True, sparse=True)),
    ("EmbeddingBag(5, 3, mode='mean')", nn.EmbeddingBag(5, 3, sparse=True, include_last_offset=True)),
    ("EmbeddingBag(5, 3, max_norm=2.0, mode='sum', padding_idx=4)",
     nn.EmbeddingBag(5, 3, 2.0, mode="sum", padding_idx=-1)),
])  # fmt: skip
def test_a_table_prints_its_sizes_and_what_is_unusual(text, layer):
    assert text == repr(layer)


@pytest.mark.parametrize("indices", [[[0, 4], [1, 1]], 3, []])
def test_rows_are_looked_up(indices):
    layer = nn.Embedding.from_pretrained(rg.tensor(TABLE))
    indices = np.array(indices, np.int64)
    np.testing.assert_array_equal(TABLE[indices], layer(rg.tensor(indices)).numpy())


@pytest.mark.parametrize("cls", [nn.Embedding, nn.EmbeddingBag])
def test_a_table_starts_normal_with_zeros_for_the_padding(cls):
    layer = cls(200, 50, padding_idx=-2, dtype=rg.float64)
    table = layer.weight.detach().numpy()
    assert not table[198].any()
    rest = np.delete(table, 198, 0)
    assert (0, 1) == (pytest.approx(rest.mean(), abs=0.05), pytest.approx(rest.std(), abs=0.05))
    with rg.no_grad():
        layer.weight.fill_(7)
    layer.reset_parameters()
    assert not layer.weight[198].any()
    assert 198 == layer.padding_idx


def test_the_padding_gets_no_gradient():
    layer = nn.Embedding(4, 2, padding_idx=1)
    layer(rg.tensor([0, 1, 1, 3, 3])).sum().backward()
    assert [[1, 1], [0, 0], [0, 0], [2, 2]] == layer.weight.grad.tolist()


def test_gradients_may_be_divided_by_the_frequency():
    layer = nn.Embedding(3, 1, scale_grad_by_freq=True)
    layer(rg.tensor([0, 1, 1, 1])).sum().backward()
    assert [[1.0], [1.0], [0.0]] == layer.weight.grad.tolist()


def test_long_rows_are_shortened_in_place_when_they_are_looked_up():
    table = rg.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]])
    layer = nn.Embedding.from_pretrained(table, max_norm=1.0)
    np.testing.assert_allclose(layer(rg.tensor([0, 1])).numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    np.testing.assert_allclose(table.numpy(), [[0.6, 0.8], [0.3, 0.4], [6, 8]], rtol=1e-6)


@pytest.mark.parametrize("cls", [nn.Embedding, nn.EmbeddingBag])
def test_a_table_that_is_there_is_shared_and_frozen_unless_asked(cls):
    table = rg.tensor(TABLE)
    frozen, trained = cls.from_pretrained(table), cls.from_pretrained(table, freeze=False, padding_idx=0)
    assert (False, True) == (frozen.weight.requires_grad, trained.weight.requires_grad)
    table[1, 1] = 9.0
    assert 9.0 == frozen.weight[1, 1].item() == trained.weight[1, 1].item()
    assert trained.weight[0].any()  # the padding of a given table is left as it is
    assert cls is type(frozen)
    assert ["weight"] == list(frozen.state_dict())


@pytest.mark.parametrize(("mode", "of"), [("sum", np.sum), ("mean", np.mean), ("max", np.max)])
def test_a_bag_is_the_sum_the_mean_or_the_maximum_of_its_rows(mode, of):
    layer = nn.EmbeddingBag.from_pretrained(rg.tensor(TABLE), mode=mode)
    wanted = np.stack([of(TABLE[bag], axis=0) for bag in ([0, 1], [4, 4])])
    np.testing.assert_allclose(layer(rg.tensor([[0, 1], [4, 4]])).numpy(), wanted)
    np.testing.assert_allclose(layer(rg.tensor([0, 1, 4, 4]), rg.tensor([0, 2])).numpy(), wanted)
    ended = nn.EmbeddingBag.from_pretrained(rg.tensor(TABLE), mode=mode, include_last_offset=True)
    np.testing.assert_allclose(ended(rg.tensor([0, 1, 4, 4]), rg.tensor([0, 2, 4])).numpy(), wanted)


def test_the_rows_of_a_sum_may_be_weighted_and_the_padding_counts_nothing():
    layer = nn.EmbeddingBag.from_pretrained(rg.tensor(TABLE), mode="sum", padding_idx=2)
    out = layer(rg.tensor([[0, 2, 3]]), per_sample_weights=rg.tensor([[2.0, 5.0, -1.0]], dtype=rg.float64))
    np.testing.assert_allclose(out.numpy(), [2 * TABLE[0] - TABLE[3]])


@pytest.mark.parametrize(("call", "raises", "words"), [
    (lambda: nn.Sequential(nn.Embedding(5, 3))(rg.tensor([2, 7])), IndexError,
     ("0 = Embedding(5, 3): ", "index out of range in self: 7 in a table of 5 rows")),
    (lambda: nn.Embedding(5, 3)(rg.tensor([-1])), IndexError, ("-1 in a table of 5 rows",)),
    (lambda: nn.Embedding(5, 3, max_norm=1.0)(rg.tensor([5])), IndexError, ("5 in a table of 5 rows",)),
    (lambda: nn.Embedding(5, 3)(rg.tensor([1.0])), RuntimeError, ("Embedding(5, 3)", "float32", ".long()")),
    (lambda: nn.EmbeddingBag(5, 3)(rg.tensor([[7]])), IndexError, ("EmbeddingBag(5, 3, mode='mean'): ", "7 in a")),
    (lambda: nn.EmbeddingBag(5, 3)(rg.tensor([1])), ValueError, ("offsets has to be a 1D Tensor but got None",)),
    (lambda: nn.Embedding(5, 3, padding_idx=5), AssertionError, ("Padding_idx must be within num_embeddings", "5")),
    (lambda: nn.EmbeddingBag(5, 3, padding_idx=-6), AssertionError, ("EmbeddingBag: Padding_idx", "-6")),
    (lambda: nn.Embedding(5, 3, _weight=rg.ones(3, 5)), AssertionError, ("Shape of weight does not match", "(5, 3)")),
    (lambda: nn.Embedding.from_pretrained(rg.ones(5)), AssertionError, ("expected to be 2-dimensional",)),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(call, raises, words):
    with pytest.raises(raises) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
