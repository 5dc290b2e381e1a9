"""Samplers: in which order a `DataLoader` reads the samples, as positions or as lists of positions.

Random ones draw when they are iterated over, from their generator or from the default one. Start reading at
`RandomSampler`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from regrad.dtypes import float64
from regrad.ops.creation import as_tensor
from regrad.ops.random import Generator, default_generator, multinomial, randint, randperm

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """An order of samples: write ``__iter__``, and ``__len__`` for ``len(loader)``. PyTorch: torch.utils.data.Sampler.

    >>> class Backwards(rg.utils.data.Sampler):
    ...     def __iter__(self):
    ...         return iter([2, 1, 0])
    >>> [batch.item() for batch in rg.utils.data.DataLoader([5, 6, 7], sampler=Backwards())]
    [7, 6, 5]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"Subclasses of Sampler should implement __iter__: {type(self).__name__} does not."
        )


def draw_seed(generator: Generator | None = None) -> int:
    """A seed drawn from the generator: one number of 63 bits."""
    return int((default_generator if generator is None else generator).numpy.integers(0, 2**63 - 1))


def _length(data_source: Any) -> int:
    if not hasattr(data_source, "__len__"):
        raise TypeError(
            f"object of type '{type(data_source).__name__}' has no len(), which an order of its samples needs: define"
            " __len__, pass sampler= or batch_sampler=, or derive the dataset from IterableDataset if it is a stream"
        )
    return len(data_source)


def _positive(**number: Any) -> None:
    ((name, value),) = number.items()
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value!r}; give 1 or more")


class SequentialSampler(Sampler[int]):
    """From the first sample to the last. PyTorch: torch.utils.data.SequentialSampler."""

    data_source: Any

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(_length(self.data_source)))

    def __len__(self) -> int:
        return _length(self.data_source)


class RandomSampler(Sampler[int]):
    """All samples in random order, or ``num_samples`` of them; with ``replacement`` each is drawn independently.

    Without a ``generator`` each pass draws one seed from the default generator, and its order from that.
    PyTorch: torch.utils.data.RandomSampler.

    >>> sorted(rg.utils.data.RandomSampler(range(4)))
    [0, 1, 2, 3]
    """

    data_source: Any
    replacement: bool

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if num_samples is None and self.num_samples == 0:
            raise ValueError(
                "num_samples should be a positive integer value, but got num_samples=0: the dataset is empty; look at"
                " how it finds its samples"
            )
        _positive(num_samples=self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many samples a pass draws."""
        return _length(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n = _length(self.data_source)
        if n == 0:
            raise ValueError(f"RandomSampler: cannot draw {self.num_samples} samples, the dataset is empty")
        generator = self.generator or Generator().manual_seed(draw_seed())
        rest = self.num_samples
        while rest > 0:
            if self.replacement:
                drawn = randint(0, n, (min(rest, 32),), generator=generator)
            else:
                drawn = randperm(n, generator=generator)[:rest]
            yield from drawn.tolist()
            rest -= len(drawn)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given positions in random order. PyTorch: torch.utils.data.SubsetRandomSampler."""

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """``num_samples`` positions, each with a probability in proportion to its weight.

    PyTorch: torch.utils.data.WeightedRandomSampler.

    >>> list(rg.utils.data.WeightedRandomSampler([0., 1.], 3))
    [1, 1, 1]
    """

    weights: Any
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _positive(num_samples=num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement!r}")
        self.weights = as_tensor(weights, float64)
        if self.weights.ndim != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape"
                f" {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        yield from multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        ).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """The positions of another sampler, in lists of ``batch_size``.

    PyTorch: torch.utils.data.BatchSampler.

    >>> list(rg.utils.data.BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        _positive(batch_size=batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        positions = iter(self.sampler)
        while batch := list(itertools.islice(positions, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        length = _length(self.sampler)
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)
