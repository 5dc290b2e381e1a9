"""Sequences of different lengths: padded to one, packed without padding, and back."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import regrad as rg
from regrad.nn.utils.rnn import (
    PackedSequence,
    invert_permutation,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

# -- padded


def test_sequences_are_padded_on_either_side():
    sequences = [rg.tensor([[1.0], [2.0]]), rg.tensor([[3.0]])]
    assert pad_sequence(sequences).squeeze(2).tolist() == [[1.0, 3.0], [2.0, 0.0]]
    left = pad_sequence(sequences, batch_first=True, padding_value=-1.0, padding_side="left")
    assert left.squeeze(2).tolist() == [[1.0, 2.0], [-1.0, 3.0]]
    back = unpad_sequence(pad_sequence(sequences), rg.tensor([2, 1]))
    assert [s.tolist() for s in back] == [[[1.0], [2.0]], [[3.0]]]


def test_any_iterable_is_padded_and_a_sequence_may_be_empty():
    assert [[1.0, 1.0], [1.0, 0.0]] == pad_sequence(rg.ones(n) for n in (2, 1)).tolist()
    assert [[1.0, 1.0], [1.0, 1.0]] == pad_sequence(rg.ones(2, 2)).tolist()
    assert [[0.0, 1.0]] == pad_sequence([rg.ones(0), rg.ones(1)]).tolist()
    assert (2, 2, 3, 0) == pad_sequence([rg.ones(2, 3, 0), rg.ones(1, 3, 0)]).shape


def test_the_first_sequence_decides_the_dtype():
    assert rg.float32 == pad_sequence([rg.ones(2), rg.ones(1, dtype=rg.float64)]).dtype
    whole = pad_sequence([rg.tensor([1]), rg.tensor([1.5, 2.5])], padding_value=7.5)
    assert ([[1, 1], [7, 2]], rg.int64) == (whole.tolist(), whole.dtype)


@pytest.mark.parametrize("side", ["right", "left"])
def test_gradients_go_back_to_each_sequence(side):
    a, b = rg.tensor([1.0, 2.0], requires_grad=True), rg.tensor([3.0], requires_grad=True)
    padded = pad_sequence([a, b], batch_first=True, padding_side=side)
    (padded * rg.tensor([[1.0, 10.0], [100.0, 1000.0]])).sum().backward()
    assert ([1.0, 10.0], [100.0 if side == "right" else 1000.0]) == (a.grad.tolist(), b.grad.tolist())


# -- packed


def test_steps_of_all_sequences_follow_each_other():
    packed = pack_padded_sequence(rg.tensor([[1, 2, 3], [4, 5, 0], [6, 0, 0]]), [3, 2, 1], batch_first=True)
    assert ([1, 4, 6, 2, 5, 3], [3, 2, 1]) == (packed.data.tolist(), packed.batch_sizes.tolist())
    assert packed.sorted_indices is packed.unsorted_indices is None


def test_sequences_in_any_order_are_sorted_and_their_order_kept():
    packed = pack_sequence([rg.tensor([1]), rg.tensor([2, 3, 4]), rg.tensor([5, 6])], enforce_sorted=False)
    assert ([2, 5, 1, 3, 6, 4], [3, 2, 1]) == (packed.data.tolist(), packed.batch_sizes.tolist())
    assert ([1, 2, 0], [2, 0, 1]) == (packed.sorted_indices.tolist(), packed.unsorted_indices.tolist())
    assert [[1], [2, 3, 4], [5, 6]] == [s.tolist() for s in unpack_sequence(packed)]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.booleans(), st.sampled_from([(), (2,)]))
def test_what_was_packed_comes_back(lengths, batch_first, rest):
    total = sum(lengths)
    numbers = iter(rg.arange(float(total * 2 if rest else total)).reshape(total, *rest).unbind(0))
    sequences = [rg.stack([next(numbers) for _ in range(n)]) for n in lengths]
    padded = pad_sequence(sequences, batch_first, padding_value=-1.0)
    packed = pack_padded_sequence(padded, rg.tensor(lengths), batch_first, enforce_sorted=False)
    again, counted = pad_packed_sequence(packed, batch_first, padding_value=-1.0)
    assert (padded.tolist(), lengths) == (again.tolist(), counted.tolist())
    assert [s.tolist() for s in sequences] == [s.tolist() for s in unpack_sequence(packed)]
    bare = PackedSequence(packed.data, packed.batch_sizes, sorted_indices=packed.sorted_indices)
    assert packed.unsorted_indices.tolist() == bare.unsorted_indices.tolist()


def test_padding_again_may_go_beyond_the_longest():
    packed = pack_sequence([rg.tensor([1.0, 2.0]), rg.tensor([3.0])])
    padded, _ = pad_packed_sequence(packed, batch_first=True, total_length=3)
    assert [[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]] == padded.tolist()
    with pytest.raises(ValueError, match=r"total_length=1 and max sequence length being 2"):
        pad_packed_sequence(packed, total_length=1)


def test_gradients_go_through_packing_and_padding():
    x = rg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    padded, _ = pad_packed_sequence(pack_padded_sequence(x, [1, 2], enforce_sorted=False), padding_value=9.0)
    (padded * rg.tensor([[1.0, 10.0], [100.0, 1000.0]])).sum().backward()
    assert [[1.0, 10.0], [0.0, 1000.0]] == x.grad.tolist()


def test_a_packed_batch_is_a_tuple_that_converts_copies_and_pickles():
    packed = pack_sequence([rg.tensor([1.0, 2.0]), rg.tensor([3.0])])
    assert ("data", "batch_sizes", "sorted_indices", "unsorted_indices") == packed._fields
    assert packed is packed.to("cpu") is packed.cpu() is packed.float() is packed.pin_memory()
    assert (False, False) == (packed.is_cuda, packed.is_pinned())
    dtypes = {"double": "float64", "half": "float16", "long": "int64", "int": "int32", "short": "int16"}
    for name, dtype in {**dtypes, "char": "int8", "byte": "uint8"}.items():
        converted = getattr(packed, name)()
        assert (dtype, type(packed)) == (converted.data.dtype.name, type(converted))
        assert converted.batch_sizes is packed.batch_sizes
    for twin in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
        assert (type(packed), [1.0, 3.0, 2.0]) == (type(twin), twin.data.tolist())
    with pytest.raises(RuntimeError, match="computes on the CPU only"):
        packed.cuda()


def test_a_packed_batch_may_be_made_from_a_pair():
    data, sizes = rg.tensor([1.0, 3.0, 2.0]), rg.tensor([2, 1])
    assert (data, sizes, None, None) == tuple(PackedSequence((data, sizes)))


def test_a_permutation_is_undone():
    assert [1, 2, 0] == invert_permutation(rg.tensor([2, 0, 1])).tolist()
    assert invert_permutation(None) is None


X = rg.ones(4, 2)
REFUSED = {
    "different widths": (lambda: pad_sequence([rg.ones(2, 1), rg.ones(1, 2)]), RuntimeError, "differ beyond"),
    "without a length": (lambda: pad_sequence([rg.tensor(1.0)]), RuntimeError, "length, or have none"),
    "nothing": (lambda: pad_sequence([]), RuntimeError, "empty list"),
    "no iterable": (lambda: pad_sequence(3), RuntimeError, "Expected iterable"),
    "numbers": (lambda: pad_sequence([1, 2]), TypeError, "one sequence is int"),
    "another side": (lambda: pad_sequence([rg.ones(2)], padding_side="up"), RuntimeError, "left or right"),
    "from short to long": (lambda: pack_padded_sequence(X, [2, 4]), RuntimeError, "sorted in decreasing order"),
    "a length of zero": (lambda: pack_padded_sequence(X, [4, 0]), RuntimeError, "greater than 0"),
    "too long": (lambda: pack_padded_sequence(X, [5, 1]), RuntimeError, "a length of 5, but the input has 4 steps"),
    "too many lengths": (lambda: pack_padded_sequence(X, [1, 1, 1]), RuntimeError, r"got 3 \(batch_size=2\)"),
    "lengths as a matrix": (lambda: pack_padded_sequence(X, rg.ones(1, 2)), RuntimeError, "but got 2D"),
    "no elements": (lambda: pack_padded_sequence(rg.ones(4, 0), []), RuntimeError, "Cannot pack empty tensors"),
    "no batch": (lambda: pack_padded_sequence(rg.ones(4), [4]), IndexError, "time and batch"),
    "packed without sizes": (lambda: PackedSequence(X), AssertionError, "tuple of length 2"),
    "a permutation as a list": (lambda: invert_permutation([1, 0]), TypeError, "expected a tensor"),
}


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
