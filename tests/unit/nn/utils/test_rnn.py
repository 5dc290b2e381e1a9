"""Sequences of different lengths: padded to one."""

import pytest

import regrad as rg
from regrad.nn.utils.rnn import pad_sequence, unpad_sequence


def test_sequences_are_padded_on_either_side():
    sequences = [rg.tensor([[1.0], [2.0]]), rg.tensor([[3.0]])]
    assert pad_sequence(sequences).squeeze(2).tolist() == [[1.0, 3.0], [2.0, 0.0]]
    left = pad_sequence(sequences, batch_first=True, padding_value=-1.0, padding_side="left")
    assert left.squeeze(2).tolist() == [[1.0, 2.0], [-1.0, 3.0]]
    back = unpad_sequence(pad_sequence(sequences), rg.tensor([2, 1]))
    assert [s.tolist() for s in back] == [[[1.0], [2.0]], [[3.0]]]


def test_sequences_that_do_not_fit_are_refused():
    with pytest.raises(RuntimeError, match="differ beyond their length"):
        pad_sequence([rg.ones(2, 1), rg.ones(1, 2)])
    with pytest.raises(RuntimeError, match="empty list"):
        pad_sequence([])
    with pytest.raises(ValueError, match="padding_side"):
        pad_sequence([rg.ones(2)], padding_side="up")
