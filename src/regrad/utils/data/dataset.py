"""Datasets: what samples there are, by position (`Dataset`) or as a stream (`IterableDataset`).

A dataset may offer ``__getitems__``, which takes the positions of a whole batch at once. `gather` is the short cut of
a `DataLoader` that collates in the default way: it takes a batch of a `TensorDataset` with one NumPy call for each
tensor. Start reading at `Dataset`.
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from regrad.graph.value import wrap
from regrad.ops.random import Generator, default_generator, randperm
from regrad.tensor import Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by position: write ``__getitem__`` and, for samplers and ``len``, ``__len__``.

    A method ``__getitems__(indices)`` that returns a list of samples, where there is one, fetches whole batches.
    PyTorch: torch.utils.data.Dataset.

    >>> class Squares(rg.utils.data.Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return index**2
    >>> len(Squares() + Squares())
    6
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(
            f"Subclasses of Dataset should implement __getitem__: {type(self).__name__} does not."
        )

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """Samples as a stream: write ``__iter__``.

    Each worker of a `DataLoader` has the whole stream; `get_worker_info` tells which share is its own.
    PyTorch: torch.utils.data.IterableDataset.

    >>> class Count(rg.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(3))
    >>> list(Count() + Count())
    [0, 1, 2, 0, 1, 2]
    """

    def __add__(self, other: Dataset[T_co]) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """The rows of tensors: sample ``i`` is ``(tensors[0][i], tensors[1][i], ...)``.

    PyTorch: torch.utils.data.TensorDataset.

    >>> rg.utils.data.TensorDataset(rg.tensor([1., 2.]), rg.tensor([0, 1]))[1]
    (tensor(2.), tensor(1))
    """

    tensors: tuple[Any, ...]

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise IndexError("TensorDataset takes at least one tensor, got none")
        for k, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor):
                raise TypeError(
                    f"TensorDataset takes tensors, but argument {k} is {type(tensor).__name__}; convert it with"
                    " rg.as_tensor"
                )
        if any(tensors[0].size(0) != tensor.size(0) for tensor in tensors):
            sizes = ", ".join(str(tensor.size(0)) for tensor in tensors)
            raise AssertionError(f"Size mismatch between tensors: their first dimensions are {sizes}; each has"
                                 " one entry for every sample")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].size(0))


class StackDataset(Dataset[Any]):
    """Datasets side by side: a sample is a tuple of their samples, or a dict where they are given by name.

    PyTorch: torch.utils.data.StackDataset.

    >>> rg.utils.data.StackDataset(image=[10, 20], label=["a", "b"])[1]
    {'image': 20, 'label': 'b'}
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like input/output, but both"
                " types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        lengths = [len(dataset) for dataset in args or kwargs.values()]
        if any(length != lengths[0] for length in lengths):
            raise ValueError(f"Size mismatch between datasets: their lengths are {lengths}")
        self._length = lengths[0]
        self.datasets = args or kwargs

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        named = isinstance(self.datasets, dict)
        columns = [
            _samples(dataset, indices)
            for dataset in (self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)
        ]
        for column in columns:
            if len(column) != len(indices):
                raise ValueError(
                    f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(column)}"
                )
        return [dict(zip(self.datasets, row)) if named else row for row in zip(*columns)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """Datasets one after the other. PyTorch: torch.utils.data.ConcatDataset.

    >>> rg.utils.data.ConcatDataset(["abc", "de"])[3]
    'd'
    """

    datasets: list[Any]
    cumulative_sizes: list[int]

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """The lengths, added up."""
        return list(itertools.accumulate(len(dataset) for dataset in sequence))

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset; ChainDataset does")
        self.cumulative_sizes = self.cumsum(self.datasets)

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: Any) -> Any:
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        if which == len(self.datasets):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} samples")
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset[T_co]):
    """Streams one after the other. PyTorch: torch.utils.data.ChainDataset."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def _streams(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError(
                    f"ChainDataset only supports IterableDataset, got {type(dataset).__name__}"
                )
            yield dataset

    def __iter__(self) -> Iterator[T_co]:
        for dataset in self._streams():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._streams())


class Subset(Dataset[T_co]):
    """Some of a dataset's samples: sample ``i`` is ``dataset[indices[i]]``.

    PyTorch: torch.utils.data.Subset.

    >>> list(rg.utils.data.Subset("abcde", [4, 0]))
    ['e', 'a']
    """

    dataset: Any
    indices: Sequence[int]

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        kind = type(self)
        if kind.__getitem__ is not Subset.__getitem__ and kind.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{kind.__name__} overrides __getitem__ but not __getitems__, which a DataLoader calls for whole"
                " batches. Override it as well, for example:\n\n"
                "def __getitems__(self, indices):\n"
                "    return [self[index] for index in indices]"
            )

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        return _samples(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def _samples(dataset: Any, indices: list[Any]) -> list[Any]:
    several = getattr(dataset, "__getitems__", None)
    samples: list[Any] = several(indices) if callable(several) else [dataset[index] for index in indices]
    return samples


def gather(dataset: Any, indices: Any) -> list[Any] | None:
    """The batch that ``default_collate([dataset[i] for i in indices])`` makes, by one take for each tensor.

    None where that is not known to be the same: another dataset than a `TensorDataset` or a `Subset` of one, methods
    that a subclass has overridden, odd indices. The general path then finds the batch, or the words for the error.
    """
    subsets = []
    while type(dataset) is Subset:
        subsets.append(dataset)
        dataset = dataset.dataset
    if (
        not isinstance(dataset, TensorDataset)
        or type(dataset).__getitem__ is not TensorDataset.__getitem__
        or hasattr(dataset, "__getitems__")
        or not all(type(tensor) is Tensor for tensor in dataset.tensors)
    ):
        return None
    try:
        for subset in subsets:
            indices = [subset.indices[i] for i in indices]
        where = np.array(indices)
        if where.ndim != 1 or where.dtype.kind not in "iu":
            return None
        return [
            tensor[wrap(where.astype("i8"))] if tensor.requires_grad else wrap(tensor.array.take(where, 0))
            for tensor in dataset.tensors
        ]
    except (TypeError, ValueError, IndexError, RuntimeError):
        return None


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator | None = default_generator
) -> list[Subset[Any]]:
    """The dataset as subsets of random samples, without overlap, with these lengths or fractions of the whole.

    Of fractions, what rounding leaves over goes to the first subsets, one sample each.
    PyTorch: torch.utils.data.random_split.

    >>> train, test = rg.utils.data.random_split(range(10), [0.8, 0.2])
    >>> len(train), len(test), sorted([*train, *test]) == list(range(10))
    (8, 2, True)
    """
    total = len(dataset)
    counts: list[Any] = list(lengths)
    if math.isclose(sum(counts), 1) and sum(counts) <= 1:
        for i, fraction in enumerate(counts):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1: {fraction}")
        counts = [math.floor(total * fraction) for fraction in counts]
        for i in range(total - sum(counts)):
            counts[i % len(counts)] += 1
        for i, count in enumerate(counts):
            if count == 0:
                warnings.warn(
                    f"Length of split at index {i} is 0. This might result in an empty dataset.", stacklevel=2
                )
    if sum(counts) != total:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset!"
            f" The lengths add up to {sum(counts)}, the dataset has {total} samples;"
            " give lengths that fit, or fractions that add up to 1."
        )
    indices = randperm(total, generator=generator).tolist()
    ends = itertools.accumulate(counts)
    return [Subset(dataset, indices[end - count : end]) for end, count in zip(ends, counts)]
