"""How values travel between a worker process and the program: small ones by pickle, large arrays by shared memory.

One pipe joins the two, and no lock or queue is shared, so that a process that is killed leaves nothing locked. Arrays
leave the pickle out of band (protocol 5). Where they are large, they lie in a *block*: memory without a name
(``memfd_create``) whose descriptor goes through the pipe once. The kernel frees it with its last user, however that
ends: nothing can be left behind, and the size of /dev/shm does not matter. A block whose arrays have all been
dropped goes back to its worker and is filled again, since most of the price of shared memory is its first use. On two
cores of a server:

    microseconds for one float32 batch   64 KB    1 MB    8 MB   38 MB
    pickle through the pipe                106    2160   18320   88324
    multiprocessing.shared_memory          203    1141    8606   37043
    a fresh block each time                157     776    5814   26978
    a block used again                      60     182     752    4590

Where there is no memfd (macOS, Windows) everything goes through the pipe. Start reading at `Sender.send`.
"""

from __future__ import annotations

import collections
import copy
import io
import mmap
import os
import pickle
import struct
import weakref
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from regrad.graph.value import root
from regrad.tensor import Tensor

__all__ = ["Receiver", "Sender", "unpacked"]

_OUT_OF_BAND = 4096  # a smaller array is copied in the pickle
_BY_BLOCK = 1 << 16  # smaller messages go through the pipe, where they cost no more
_ALIGNED = 64
_LENT = 16  # a program that keeps more batches of a worker gets copies: each block needs one open file
_HAS_BLOCKS = hasattr(os, "memfd_create")
_forks = 0


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_count_fork)


class _Pickler(pickle.Pickler):
    """Pickles a tensor that is a small part of its memory without the rest."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, Tensor) and thing.is_leaf and root(thing.array).nbytes > thing.array.nbytes:
            alone = copy.copy(thing)
            alone.__dict__.update(thing.__dict__)
            alone.array = thing.array.copy()
            return alone.__reduce_ex__(5)
        return NotImplemented


def _packed(value: Any) -> list[Any]:
    """The pickle of a value, and the large buffers it refers to."""
    large: list[Any] = []

    def aside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _OUT_OF_BAND:
            return True  # in band
        large.append(raw)
        return False

    stream = io.BytesIO()
    _Pickler(stream, 5, buffer_callback=aside).dump(value)
    return [stream.getbuffer(), *large]


def _places(sizes: list[int]) -> tuple[list[int], int]:
    """Where parts of these sizes begin, and where the last one ends."""
    places, end = [], 0
    for size in sizes:
        start = -(-end // _ALIGNED) * _ALIGNED
        places.append(start)
        end = start + size
    return places, end


class Sender:
    """The worker's side: owns the blocks.

    ``idle`` are those that nobody reads: number of the block -> its memory.
    """

    def __init__(self, connection: Connection, keep: int) -> None:
        self.connection, self.keep = connection, keep
        self.blocks: dict[int, mmap.mmap] = {}
        self.idle: list[int] = []
        self.made = 0

    def given_back(self, numbers: list[int]) -> None:
        """Blocks that the receiver has no more use for; a negative number: nor may they be filled again."""
        for number in numbers:
            if number > 0:
                self.idle.append(number)
            else:
                del self.blocks[-number]

    def _block(self, size: int) -> tuple[int, int | None, tuple[int, ...]]:
        """A block to fill: its number, its descriptor if it is a new one, and the blocks given up."""
        fitting = [n for n in self.idle if len(self.blocks[n]) >= size]
        number = min(fitting, key=lambda n: len(self.blocks[n])) if fitting else None
        spare = [n for n in self.idle if n != number]
        dropped = tuple(spare if number is None else spare[self.keep :])  # when none fits, all are too small
        self.idle = [n for n in spare if n not in dropped]
        for n in dropped:
            del self.blocks[n]
        if number is not None:
            return number, None, dropped
        descriptor = os.memfd_create("regrad-batch")
        try:
            os.ftruncate(descriptor, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE)
            memory = mmap.mmap(descriptor, 0)
        except BaseException:
            os.close(descriptor)
            raise
        self.made += 1
        self.blocks[self.made] = memory
        return self.made, descriptor, dropped

    def send(self, ticket: int, kind: str, value: Any) -> None:
        """Send an answer; a value that cannot be pickled raises before anything is sent."""
        parts = _packed(value)
        sizes = [part.nbytes for part in parts]
        places, size = _places(sizes)
        number, descriptor = 0, None
        dropped: tuple[int, ...] = ()
        if _HAS_BLOCKS and size >= _BY_BLOCK:
            number, descriptor, dropped = self._block(size)
        head = pickle.dumps((ticket, kind, sizes, number, descriptor is not None, dropped))
        try:
            if number:
                memory = memoryview(self.blocks[number])
                for place, length, part in zip(places, sizes, parts):
                    memory[place : place + length] = part
                memory.release()
                parts = []
            self.connection.send_bytes(b"".join([struct.pack("<I", len(head)), head, *parts]))
            if descriptor is not None:
                reduction.send_handle(self.connection, descriptor, 0)
        finally:
            if descriptor is not None:
                os.close(descriptor)


class Receiver:
    """The program's side: knows the blocks, and notices when the arrays in one are gone."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.blocks: dict[int, mmap.mmap] = {}
        self.lent: dict[int, Any] = {}  # number of a block in use -> a weak reference to the array over all of it
        self.free: collections.deque[int] = collections.deque()  # filled by whichever thread drops the last array

    def give_back(self) -> list[int]:
        """The blocks that have become free since the last call, for `Sender.given_back`."""
        numbers = [self.free.popleft() for _ in range(len(self.free))]
        for number in numbers:
            if number < 0:
                del self.blocks[-number]
        return numbers

    def _lend(self, number: int) -> memoryview:
        """The memory of a block; once all views of it are gone, the block is free."""
        whole: Any = np.frombuffer(self.blocks[number], np.uint8)
        lent, free, forks = self.lent, self.free, _forks

        def gone(_: Any) -> None:
            del lent[number]
            free.append(number if forks == _forks else -number)  # a forked process may go on reading it

        lent[number] = weakref.ref(whole, gone)
        return memoryview(whole)

    def _copy(self, number: int, size: int) -> memoryview:
        """What is in a block, as memory of our own; the block is free at once."""
        copied = bytearray(memoryview(self.blocks[number])[:size])
        self.free.append(number)
        return memoryview(copied)

    def receive(self) -> tuple[int, str, list[Any]]:
        """The next answer: its ticket, its kind, and the parts from which `unpacked` makes the value."""
        message = memoryview(self.connection.recv_bytes())
        (length,) = struct.unpack_from("<I", message)
        start = 4 + length
        ticket, kind, sizes, number, fresh, dropped = pickle.loads(message[4:start])
        for old in dropped:
            del self.blocks[old]
        if fresh:
            descriptor = reduction.recv_handle(self.connection)
            try:
                self.blocks[number] = mmap.mmap(descriptor, 0)
            finally:
                os.close(descriptor)
        if number:
            places, end = _places(sizes)
            memory = self._lend(number) if len(self.lent) < _LENT else self._copy(number, end)
            return ticket, kind, [memory[at : at + size] for at, size in zip(places, sizes)]
        parts = []
        for size in sizes:
            parts.append(bytearray(message[start : start + size]))  # writable, as the arrays will be
            start += size
        return ticket, kind, parts

    def close(self) -> None:
        """Let go of all blocks; arrays that are still in use keep theirs."""
        self.lent.clear()
        self.blocks.clear()
        self.connection.close()


def unpacked(parts: list[Any]) -> Any:
    """The value that was sent."""
    return pickle.loads(parts[0], buffers=parts[1:])
