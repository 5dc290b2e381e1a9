"""Sequences of different lengths as one tensor.

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_sequence.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from regrad.errors import ShapeError
from regrad.ops.joining import stack
from regrad.ops.padding import pad

__all__ = ["pad_sequence", "unpad_sequence"]


def pad_sequence(
    sequences: Sequence[Any], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Sequences of shape ``(L_i, *)`` stacked and padded to the longest: ``(max L, B, *)``, or batch first.

    >>> rg.nn.utils.rnn.pad_sequence([rg.ones(2), rg.ones(1)], batch_first=True)
    tensor([[1., 1.],
            [1., 0.]])
    """
    if padding_side not in ("right", "left"):
        raise ValueError(f"padding_side should be 'right' or 'left', not {padding_side!r}")
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences; give at least one")
    rest = {tuple(s.shape[1:]) for s in sequences}
    if len(rest) > 1:
        raise ShapeError(f"pad_sequence: the sequences differ beyond their length: {sorted(rest)}")
    longest = max(s.shape[0] for s in sequences)
    padded = []
    for s in sequences:
        missing = longest - s.shape[0]
        around = [0, 0] * (s.ndim - 1) + ([0, missing] if padding_side == "right" else [missing, 0])
        padded.append(pad(s, around, value=padding_value) if missing else s)
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The sequences that `pad_sequence` padded on the right, given their lengths.

    >>> rg.nn.utils.rnn.unpad_sequence(rg.ones(2, 2), rg.tensor([2, 1]), batch_first=True)[1]
    tensor([1.])
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(length)] for row, length in zip(rows, lengths, strict=True)]
