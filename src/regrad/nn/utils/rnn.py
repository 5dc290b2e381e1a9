"""Sequences of different lengths as one tensor: padded to one length, or packed without padding.

A packed batch holds all first steps, then all second steps, and so on, of the sequences that still go on; its
``batch_sizes`` say how many those are. Start reading at `pack_padded_sequence`.

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.PackedSequence.html
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable
from typing import Any

import numpy as np

from regrad import dtypes
from regrad.errors import DimError, ShapeError
from regrad.graph.value import Value, wrap
from regrad.ops.creation import full
from regrad.ops.joining import cat
from regrad.ops.subscripts import index_put

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence(
    namedtuple("PackedSequence", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"])
):
    """A batch of sequences without padding, as `pack_padded_sequence` makes it.

    ``data``              the elements: first steps of all sequences, then second steps of those that have one, ...
    ``batch_sizes``       how many sequences have a first step, a second step, ...
    ``sorted_indices``    where in the batch the sequences came from, the longest first; None if they came so
    ``unsorted_indices``  the opposite: where each sequence of the batch stands now

    PyTorch: torch.nn.utils.rnn.PackedSequence.

    >>> rg.nn.utils.rnn.PackedSequence(rg.tensor([1., 3., 2.]), rg.tensor([2, 1])).double().data
    tensor([1., 3., 2.], dtype=regrad.float64)
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> Any:
        if batch_sizes is None:
            if not (isinstance(data, (tuple, list)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2, or batch_sizes beside it")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The batch with its data converted as `Tensor.to` converts; itself where nothing changes."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else self._replace(data=data)

    def cpu(self) -> PackedSequence:
        """Itself: the CPU is where everything is."""
        return self

    def cuda(self, device: Any = "cuda") -> PackedSequence:
        """Refused: there is no GPU."""
        return self.to(device=device)

    def pin_memory(self) -> PackedSequence:
        """Itself: memory is pinned for transfers to a GPU alone."""
        return self

    def is_pinned(self) -> bool:
        """No."""
        return False

    is_cuda = False


def _converting(name: str, dtype: Any) -> Any:
    def method(self: PackedSequence) -> PackedSequence:
        return self.to(dtype)

    method.__name__, method.__doc__ = name, f"The batch with its data as {dtype.name}."
    return method


for _name, _dtype in {
    "double": dtypes.float64,
    "float": dtypes.float32,
    "half": dtypes.float16,
    "long": dtypes.int64,
    "int": dtypes.int32,
    "short": dtypes.int16,
    "char": dtypes.int8,
    "byte": dtypes.uint8,
}.items():
    setattr(PackedSequence, _name, _converting(_name, _dtype))


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes another; None for None.

    >>> rg.nn.utils.rnn.invert_permutation(rg.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    if not isinstance(permutation, Value):
        raise TypeError(f"invert_permutation: expected a tensor, got {type(permutation).__name__}")
    return wrap(np.argsort(permutation.array).astype(permutation.array.dtype))


def pack_padded_sequence(input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> Any:
    """Take the padding out of a batch ``(T, B, *)``, or ``(B, T, *)`` with ``batch_first``: a `PackedSequence`.

    ``lengths`` says how long each sequence is. They go from long to short, unless ``enforce_sorted`` is False.
    PyTorch: torch.nn.utils.rnn.pack_padded_sequence.

    >>> batch = rg.tensor([[1., 2., 3.], [4., 0., 0.]])
    >>> packed = rg.nn.utils.rnn.pack_padded_sequence(batch, [3, 1], batch_first=True)
    >>> packed.data, packed.batch_sizes
    (tensor([1., 4., 2., 3.]), tensor([2, 1, 1]))
    """
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise DimError(f"pack_padded_sequence: the input needs dimensions for time and batch, got shape {list(shape)}")
    batch, steps = shape[:2] if batch_first else shape[1::-1]
    counts = lengths.array if isinstance(lengths, Value) else np.asarray(lengths)
    if counts.ndim != 1:
        raise RuntimeError(f"'lengths' argument should be a 1D CPU int64 tensor, but got {counts.ndim}D")
    if 0 in shape:
        raise RuntimeError(f"pack_padded_sequence: Cannot pack empty tensors, got shape {list(shape)}")
    if len(counts) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} (batch_size={batch})"
        )
    counts, order = counts.astype(np.int64), None
    if not enforce_sorted:
        order = np.argsort(-counts, kind="stable")
        counts = counts[order]
    elif (counts[1:] > counts[:-1]).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass"
            " `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement"
        )
    if counts[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
            f", {counts[-1]}: leave empty sequences out"
        )
    if counts[0] > steps:
        raise ShapeError(f"pack_padded_sequence: a length of {counts[0]}, but the input has {steps} steps")
    going_on = counts > np.arange(counts[0])[:, None]
    step, place = np.nonzero(going_on)
    if order is not None:
        place = order[place]
    data = input[(place, step) if batch_first else (step, place)]
    return PackedSequence(data, wrap(going_on.sum(1)), None if order is None else wrap(order))


def pad_packed_sequence(
    sequence: Any, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Any, Any]:
    """(The padded batch, the lengths) of a `PackedSequence`, its sequences in the order in which they were packed.

    ``total_length`` pads further than to the longest. PyTorch: torch.nn.utils.rnn.pad_packed_sequence.

    >>> packed = rg.nn.utils.rnn.pack_sequence([rg.tensor([1., 2.]), rg.tensor([3.])])
    >>> rg.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    (tensor([[1., 2.],
            [3., 0.]]), tensor([2, 1]))
    """
    data, sizes = sequence.data, sequence.batch_sizes.array
    longest, batch = len(sizes), int(sizes[0])
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got"
            f" total_length={total_length} and max sequence length being {longest}"
        )
    going_on = np.arange(batch) < sizes[:, None]
    step, place = np.nonzero(going_on)
    lengths = going_on.sum(0)
    if sequence.unsorted_indices is not None:
        back = sequence.unsorted_indices.array
        lengths, place = lengths[back], np.argsort(back)[place]
    return _placed(data, step, place, total_length or longest, batch, batch_first, padding_value), wrap(lengths)


def _placed(
    data: Any, step: Any, place: Any, steps: int, batch: int, batch_first: bool, padding_value: float
) -> Any:
    """A padded batch in which row k of ``data`` stands at ``step[k]`` of sequence ``place[k]``."""
    front, index = ((batch, steps), (place, step)) if batch_first else ((steps, batch), (step, place))
    blank = full(front + tuple(data.shape[1:]), padding_value, dtype=data.dtype)
    return index_put(blank, tuple(wrap(i) for i in index), data)


def pad_sequence(
    sequences: Iterable[Any], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Sequences of shape ``(L_i, *)`` stacked and padded to the longest: ``(max L, B, *)``, or batch first.

    PyTorch: torch.nn.utils.rnn.pad_sequence.

    >>> rg.nn.utils.rnn.pad_sequence([rg.ones(2), rg.ones(1)], batch_first=True)
    tensor([[1., 1.],
            [1., 0.]])
    """
    if padding_side not in ("right", "left"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side!r}.")
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences; give at least one")
    for s in sequences:
        if not isinstance(s, Value):
            raise TypeError(f"pad_sequence: expected tensors, but one sequence is {type(s).__name__}")
    shapes = [tuple(s.array.shape) for s in sequences]
    if len({shape[1:] for shape in shapes}) > 1 or () in shapes:
        raise ShapeError(
            f"pad_sequence: the sequences differ beyond their length, or have none: their shapes are {shapes}"
        )
    lengths = np.array([shape[0] for shape in shapes])
    longest = int(lengths.max())
    there = np.arange(longest) < lengths[:, None]
    place, step = np.nonzero(there if padding_side == "right" else there[:, ::-1])
    data = cat(list(sequences)).to(sequences[0].dtype)
    return _placed(data, step, place, longest, len(sequences), batch_first, padding_value)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The sequences that `pad_sequence` padded on the right, given their lengths.

    PyTorch: torch.nn.utils.rnn.unpad_sequence.

    >>> rg.nn.utils.rnn.unpad_sequence(rg.ones(2, 2), rg.tensor([2, 1]), batch_first=True)[1]
    tensor([1.])
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: max(int(length), 0)] for row, length in zip(rows, lengths, strict=True)]


def pack_sequence(sequences: Iterable[Any], enforce_sorted: bool = True) -> Any:
    """Sequences of shape ``(L_i, *)`` as a `PackedSequence`; from long to short unless ``enforce_sorted`` is False.

    PyTorch: torch.nn.utils.rnn.pack_sequence.

    >>> rg.nn.utils.rnn.pack_sequence([rg.tensor([1, 2, 3]), rg.tensor([4, 5])]).data
    tensor([1, 4, 2, 5, 3])
    """
    sequences = list(sequences)
    return pack_padded_sequence(pad_sequence(sequences), [len(s) for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: Any) -> list[Any]:
    """The sequences in a `PackedSequence`, as `pack_sequence` was given them.

    PyTorch: torch.nn.utils.rnn.unpack_sequence.

    >>> packed = rg.nn.utils.rnn.pack_sequence([rg.tensor([4]), rg.tensor([1, 2])], enforce_sorted=False)
    >>> rg.nn.utils.rnn.unpack_sequence(packed)
    [tensor([4]), tensor([1, 2])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
