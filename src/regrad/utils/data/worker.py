"""What a worker does, whether it is a process or a thread: seed itself, fetch batches, report what went wrong.

A `Job` says what one worker is to do. A `Server` does it: it answers each list of indices with a pair of a kind
(``BATCH``, ``ERROR`` or ``END``) and a value. With ``num_workers=0`` the loader itself calls `fetcher`. Start
reading at `Server`.
"""

from __future__ import annotations

import pickle
import random
import threading
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from regrad.ops.random import Generator, manual_seed
from regrad.tensor import Tensor
from regrad.utils.data.collate import collate_tensors, default_collate, default_collate_fn_map, name_sample
from regrad.utils.data.dataset import gather

__all__ = [
    "BATCH", "DONE", "END", "ERROR", "Failure", "Job", "Server", "WorkerInfo", "failure", "fetcher", "get_worker_info",
]  # fmt: skip

BATCH, ERROR, END = "batch", "error", "end"
DONE: Any = object()  # what `fetcher` gives when a stream has no more


class Generators(NamedTuple):
    """Sources of random numbers of one worker thread's own."""

    random_generator: random.Random
    torch_generator: Generator
    numpy_generator: Any


class WorkerInfo(NamedTuple):
    """What `get_worker_info` tells: ``id``, ``num_workers``, ``seed`` and ``dataset`` of this worker.

    ``worker_method`` is "multiprocessing" or "thread". A thread shares the program's generators with all others; it
    finds some of its own in ``rng`` (``random_generator``, ``torch_generator``, ``numpy_generator``).
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Generators | None = None
    worker_method: str = "multiprocessing"


_process_info: WorkerInfo | None = None  # all threads of a worker process are that worker
_thread = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """Which worker of a `DataLoader` this code runs in; None in the main program.

    PyTorch: torch.utils.data.get_worker_info.

    >>> class Shared(rg.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         info = rg.utils.data.get_worker_info()
    ...         return iter(range(6)) if info is None else iter(range(info.id, 6, info.num_workers))
    >>> loader = rg.utils.data.DataLoader(Shared(), batch_size=3, num_workers=2, multiprocessing_context="thread")
    >>> [batch.tolist() for batch in loader]
    [[0, 2, 4], [1, 3, 5]]
    """
    return getattr(_thread, "info", _process_info)


class Job(NamedTuple):
    """What one worker is to do."""

    dataset: Any
    stream: bool
    batched: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    worker_init_fn: Callable[[int], Any] | None
    id: int
    num_workers: int
    base_seed: int


def fetcher(dataset: Any, stream: bool, batched: bool, collate_fn: Any, drop_last: bool) -> Callable[[Any], Any]:
    """A function from the index, or the list of indices, of a batch to the batch; to ``DONE`` after the last."""
    if stream:
        samples = iter(dataset)

        def fetch(index: Any) -> Any:
            if not batched:
                sample = next(samples, DONE)
                return DONE if sample is DONE else collate_fn(sample)
            batch = []
            for _ in index:
                if (sample := next(samples, DONE)) is DONE:
                    break
                batch.append(sample)
            if not batch or (drop_last and len(batch) < len(index)):
                return DONE
            return collate_fn(batch)

    elif batched:

        def fetch(index: Any) -> Any:
            if collate_fn is default_collate and default_collate_fn_map.get(Tensor) is collate_tensors:
                batch = gather(dataset, index)
                if batch is not None:
                    return batch
            several = getattr(dataset, "__getitems__", None)
            samples = several(index) if several else [_sample(dataset, i) for i in index]
            try:
                return collate_fn(samples)
            except (RuntimeError, TypeError, KeyError) as error:
                if collate_fn is default_collate:
                    name_sample(error, index)
                raise

    else:

        def fetch(index: Any) -> Any:
            return collate_fn(_sample(dataset, index))

    def guarded(index: Any) -> Any:
        try:
            return fetch(index)
        except StopIteration as error:  # it would end the loop over the loader in silence
            raise RuntimeError(
                "DataLoader: the dataset or collate_fn raised StopIteration; raise IndexError for an index that does"
                " not exist, and give next() a default where it may run dry"
            ) from error

    return guarded


def _sample(dataset: Any, index: Any) -> Any:
    try:
        return dataset[index]
    except IndexError as error:
        length = len(dataset) if hasattr(dataset, "__len__") else None
        if isinstance(index, int) and length is not None and not -length <= index < length:
            raise IndexError(
                f"{error} [the sampler asked for index {index}, but the dataset has {length} samples]"
            ) from error
        raise


class Failure(NamedTuple):
    """An exception on its way from a worker process: what it is raised as, its words, its attributes."""

    kind: type[BaseException]
    words: str
    attributes: dict[str, Any]

    def exception(self) -> BaseException:
        """An exception of that class, with the worker's traceback in its words."""
        error: BaseException
        try:
            error = self.kind(_Words(self.words))
        except Exception:  # the class wants other arguments: leave its __init__ out
            error = self.kind.__new__(self.kind, self.words)
        error.__dict__.update(self.attributes)
        try:
            told = self.words in str(error)
        except Exception:  # a __str__ that needs what __init__ sets
            told = False
        if not told:
            error.__cause__ = RuntimeError(self.words)
        return error


class _Words(str):
    """A text that KeyError, which shows the repr of its argument, shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def failure(error: BaseException, where: str) -> Failure:
    """What there is to tell of an exception; of its classes, the nearest that can be sent."""
    kind = type(error)
    lines = "".join(traceback.format_exception(kind, error, error.__traceback__))
    attributes = dict(vars(error))
    return Failure(
        next(k for k in kind.__mro__ if _can_be_sent(k)),
        f"Caught {kind.__name__} {where}.\nOriginal {lines}",
        attributes if _can_be_sent(attributes) else {},
    )


def _can_be_sent(thing: Any) -> bool:
    try:
        pickle.dumps(thing)
    except Exception:
        return False
    return True


class Server:
    """One worker at work: made in the worker, it answers requests until there are no more."""

    def __init__(self, job: Job, threaded: bool) -> None:
        global _process_info
        self.job = job
        self.caught = BaseException if threaded else Exception  # SystemExit ends a process, which the program notices
        self.failure: BaseException | None = None
        seed = job.base_seed + job.id
        sequence = np.random.SeedSequence(seed)
        if threaded:
            rng = Generators(random.Random(seed), Generator().manual_seed(seed), np.random.default_rng(sequence))
            _thread.info = WorkerInfo(job.id, job.num_workers, seed, job.dataset, rng, "thread")
        else:
            random.seed(seed)
            manual_seed(seed)
            np.random.seed(sequence.generate_state(4))  # noqa: NPY002 - datasets draw from the global generator too
            _process_info = WorkerInfo(job.id, job.num_workers, seed, job.dataset)
        try:
            if job.worker_init_fn is not None:
                job.worker_init_fn(job.id)
        except self.caught as error:
            self.failure = error
        else:
            self.begin()

    def begin(self) -> None:
        """Start an epoch: a stream starts anew."""
        job = self.job
        self.ended = False
        try:
            self.fetch = fetcher(job.dataset, job.stream, job.batched, job.collate_fn, job.drop_last)
        except self.caught as error:
            self.failure = error

    def answer(self, index: Any) -> tuple[str, Any]:
        """The batch for ``index``, the exception that came instead, or the end of the stream."""
        if self.failure is not None:
            # A thread hands over the exception itself, which will know frames of the program: keep its words alone.
            error, self.failure = self.failure, RuntimeError(f"this worker could not begin: {self.failure!r}")
            return ERROR, error
        if self.ended:
            return END, None
        try:
            batch = self.fetch(index)
        except self.caught as error:
            return ERROR, error
        if batch is DONE:
            self.ended = True
            return END, None
        return BATCH, batch
