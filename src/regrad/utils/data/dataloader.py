"""`DataLoader`: batches of a dataset, in the order of a sampler, with or without workers.

An iterator draws one base seed from the generator; a `RandomSampler` without a generator of its own then draws one
seed more. Both happen in this process, so that the order is the same for any number of workers. Start reading at
`DataLoader`, then at `_WorkerIterator`.
"""

from __future__ import annotations

import collections
import multiprocessing
import os
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from regrad.ops.random import Generator
from regrad.utils.data.collate import default_collate, default_convert
from regrad.utils.data.crew import BEGIN, FETCH, ProcessCrew, ThreadCrew
from regrad.utils.data.dataset import IterableDataset
from regrad.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed
from regrad.utils.data.worker import BATCH, DONE, END, ERROR, Failure, Job, fetcher, get_worker_info

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)


class _Endless(Sampler[None]):
    """The sampler of streams, which have no positions."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[T_co]):
    """Batches of a dataset: ``for batch in loader`` is one epoch.

    Samples are read in order, shuffled (``shuffle=True``), or as ``sampler`` or ``batch_sampler`` say, and joined by
    ``collate_fn`` (`default_collate`). ``batch_size=None`` gives single samples.

    With ``num_workers`` > 0 batches are made ahead, ``prefetch_factor`` for each worker, by processes, or by threads
    with ``multiprocessing_context="thread"`` (Regrad's own: nothing is copied or pickled, no ``__main__`` guard; good
    where NumPy does the work, and for datasets that several threads may read). Processes are forked where that is
    safe, else they come from a fork server; ``multiprocessing_context="fork"``, ``"forkserver"`` or ``"spawn"``
    decides it. An exception in a worker arrives here with its type and its traceback; a worker that dies is a
    RuntimeError. Each worker seeds Regrad, `random` and NumPy; a thread has generators in `get_worker_info`'s ``rng``.
    ``pin_memory`` is accepted and means nothing without a GPU.

    PyTorch: torch.utils.data.DataLoader.

    >>> data = rg.utils.data.TensorDataset(rg.arange(5), rg.arange(5) ** 2)
    >>> for x, y in rg.utils.data.DataLoader(data, batch_size=2):
    ...     print(x.tolist(), y.tolist())
    [0, 1] [0, 1]
    [2, 3] [4, 9]
    [4] [16]
    """

    dataset: Any
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Any
    batch_sampler: Any
    pin_memory_device: str
    prefetch_factor: int | None
    _ready = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_dataset(dataset)
        if not isinstance(num_workers, int):
            raise TypeError(f"num_workers option should be an integer, but got num_workers={num_workers!r}")
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
                f" Got {num_workers}"
            )
        if timeout < 0:
            raise ValueError(f"timeout option should be non-negative, but got timeout={timeout}")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing."
                "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
            )
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        if prefetch_factor is not None and prefetch_factor <= 0:
            raise ValueError(
                "prefetch_factor option should be non-negative, and at least 1 for a worker to do anything,"
                f" but got prefetch_factor={prefetch_factor}"
            )
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")

        stream = isinstance(dataset, IterableDataset)
        if stream:
            for name, given in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if given is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got"
                        f" {name}={given}; the order of a stream is made by its __iter__"
                    )
        if sampler is not None and shuffle:
            raise ValueError(
                "sampler option is mutually exclusive with shuffle: the sampler says the order; leave shuffle out, or"
                " take a RandomSampler"
            )
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last:"
                    " it yields the numbers of whole batches; leave those out"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )

        if sampler is None:
            if stream:
                sampler = _Endless()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)

        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory_device = pin_memory_device
        self.in_order = in_order
        self._iterator: _WorkerIterator | None = None
        self._length_called: int | None = None
        self._ready = True
        self.check_worker_number_rationality()

    def __setattr__(self, name: str, value: Any) -> None:
        if self._ready and name in (
            "batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers",
        ):  # fmt: skip
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized; make a new one"
            )
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """How workers are started: None for the safe default, a context of `multiprocessing`, or "thread"."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            if self.num_workers == 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got"
                    f" num_workers={self.num_workers}"
                )
            methods = multiprocessing.get_all_start_methods()
            if isinstance(context, str) and context != "thread":
                if context not in methods:
                    raise ValueError(
                        f"multiprocessing_context option should specify a valid start method in {methods!r}, or be"
                        f" 'thread', but got multiprocessing_context={context!r}"
                    )
                context = multiprocessing.get_context(context)
            if context != "thread" and not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string specifying the"
                    f" start method, but got multiprocessing_context={context}"
                )
        self._context = context

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers == 0:
            if self.timeout:
                raise AssertionError("timeout option needs num_workers > 0: without workers nobody can be waited for")
            return _Iterator(self)
        if not self.persistent_workers:
            return _WorkerIterator(self)
        if self._iterator is None or not self._iterator.usable:
            self._iterator = _WorkerIterator(self)
        else:
            self._iterator.restart(self)
        return self._iterator

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = self._length_called = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warn of more worker processes than there are processors for."""
        if self.num_workers and self.multiprocessing_context != "thread":
            there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
            if there is None or self.num_workers > there:
                warnings.warn(
                    f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested max"
                    f" number of worker in current system is {there}, which is smaller than what this DataLoader is"
                    " going to create. Please be aware that excessive worker creation might get DataLoader running"
                    " slow or even freeze, lower the worker number to avoid potential slowness/freeze if necessary.",
                    stacklevel=3,
                )


def _check_dataset(dataset: Any) -> None:
    kind = type(dataset).__name__
    if isinstance(dataset, type):
        raise TypeError(f"DataLoader takes a dataset, but got the class {dataset.__name__}: make one of it first")
    if hasattr(dataset, "__next__") and not (hasattr(dataset, "__getitem__") or isinstance(dataset, IterableDataset)):
        raise TypeError(
            f"DataLoader takes a dataset, but got an iterator ({kind}), which can be read only once and has no"
            " positions: make a list of it, or write an IterableDataset whose __iter__ creates it"
        )


class _Iterator:
    """One epoch, without workers."""

    def __init__(self, loader: Any) -> None:
        self._begin(loader)
        self._fetch = fetcher(
            loader.dataset, self._stream, loader._auto_collation, loader.collate_fn, loader.drop_last
        )

    def _begin(self, loader: Any) -> None:
        self._dataset = loader.dataset
        self._stream = isinstance(loader.dataset, IterableDataset)
        self._index_sampler = loader._index_sampler
        self._indices = iter(self._index_sampler)
        self._base_seed = draw_seed(loader.generator)
        self._reported = loader._length_called if self._stream else None
        self._yielded = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __next__(self) -> Any:
        batch = self._next()
        if self._reported is not None:
            self._yielded += 1
            if self._yielded > self._reported:
                warnings.warn(
                    f"Length of IterableDataset {self._dataset} was reported to be {self._reported} (when accessing"
                    f" len(dataloader)), but {self._yielded} samples have been fetched. With several workers, each"
                    " has the whole stream unless __iter__ shares it out: see get_worker_info.",
                    stacklevel=2,
                )
        return batch

    def _next(self) -> Any:
        batch = self._fetch(next(self._indices))
        if batch is DONE:
            raise StopIteration
        return batch

    def __getstate__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled; pickle the DataLoader")


class _WorkerIterator(_Iterator):
    """An epoch, or with persistent workers one after the other, whose batches a crew of workers makes.

    Requests go to the workers in turn. Each answers in order, so the next batch in order is simply the next answer
    of the worker whose turn it was.
    """

    def __init__(self, loader: Any) -> None:
        self._count = loader.num_workers
        self._ahead = loader.num_workers * loader.prefetch_factor
        self._in_order, self._timeout = loader.in_order, loader.timeout
        self._persistent = loader.persistent_workers
        self._begin(loader)
        jobs = [
            Job(
                loader.dataset, self._stream, loader._auto_collation, loader.collate_fn, loader.drop_last,
                loader.worker_init_fn, worker, self._count, self._base_seed,
            )
            for worker in range(self._count)
        ]  # fmt: skip
        context = loader.multiprocessing_context
        self._crew: Any = (
            ThreadCrew(jobs) if context == "thread" else ProcessCrew(jobs, context, loader.prefetch_factor + 1)
        )
        weakref.finalize(self, self._crew.close)  # when the iterator is dropped, wherever its loop stopped
        self._start()

    @property
    def usable(self) -> bool:
        """Can it begin another epoch?"""
        return bool(self._crew.usable)

    def restart(self, loader: Any) -> None:
        """Begin an epoch with the same workers. A base seed is drawn too: an epoch takes as many numbers either way."""
        self._begin(loader)
        for worker in range(self._count):
            self._crew.send(worker, BEGIN)
        self._start()

    def _start(self) -> None:
        self._first = self._crew.tickets + 1  # answers to earlier tickets are of an epoch that was left
        self._error: BaseException | None = None  # what the sampler raised: told when its turn comes
        self._exhausted = False
        self._turns = collections.deque(range(self._count))
        self._owed: dict[int, int] = {}  # ticket -> worker, in the order of the tickets
        for _ in range(self._ahead):
            self._request()

    def _request(self) -> None:
        """Ask the worker whose turn it is for the next batch."""
        if self._exhausted or not self._turns:
            return
        try:
            index = next(self._indices)
        except StopIteration:
            self._exhausted = True
            return
        except Exception as error:
            self._exhausted = True
            if hasattr(error, "add_note"):  # from Python 3.11 on
                error.add_note("In the sampler:\n" + "".join(traceback.format_tb(error.__traceback__)))
            # Without the frames, which know us: in a circle, the workers would outlive the loop.
            self._error = error.with_traceback(None)
            return
        worker = self._turns[0] if self._in_order else min(self._turns, key=list(self._owed.values()).count)
        self._turns.rotate(-1)
        self._owed[self._crew.send(worker, FETCH, index)] = worker

    def _next(self) -> Any:
        kind, value = self._answer()
        if kind == BATCH:
            return value
        if kind == ERROR:
            try:
                raise value.exception() if isinstance(value, Failure) else value
            finally:
                del value  # a frame that knows its own exception lives on, and so would the workers
        if not self._persistent:
            self._crew.close()
        raise StopIteration

    def _answer(self) -> tuple[str, Any]:
        """The next batch, or the error that comes in its place; the end, when there is no more of either."""
        while self._owed:
            worker = next(iter(self._owed.values())) if self._in_order else None
            ticket, kind, value = self._crew.receive(worker, self._first, self._timeout)
            worker = self._owed.pop(ticket)
            if kind == END and worker in self._turns:
                self._turns.remove(worker)
            self._request()
            if kind != END:
                return kind, value
        error, self._error = self._error, None
        return (END, None) if error is None else (ERROR, error)
