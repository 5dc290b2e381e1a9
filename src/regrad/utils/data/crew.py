"""The workers of one iterator over a `DataLoader`: `ProcessCrew` and `ThreadCrew`.

A crew is told ``send(worker, index)``, which gives the ticket of that request, and asked ``receive(worker)``. Each
worker answers its requests in their order, and every one of them. What never happens, and why:

- *A deadlock of full pipes.* The program writes to a worker only what fits into the pipe besides what the worker has
  not yet answered, or when the worker has nothing to do and so is reading. A worker may block; the program never.
- *A lock held for ever.* The processes share two ends of a pipe and nothing else: no lock, no queue, no thread.
- *Waiting for the dead.* The pipe of a process that is gone reads as ended, for the program and for the workers.
- *A lock that was held while forking.* Unless asked to, we fork only where no other thread of Python's runs
  (OpenBLAS stops its own threads for a fork); otherwise the workers come from a clean process (`start_method`).

Start reading at `ProcessCrew`.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from multiprocessing import connection
from typing import Any

from regrad.utils.data.transport import Receiver, Sender, unpacked
from regrad.utils.data.worker import ERROR, Job, Server, failure

__all__ = ["BEGIN", "FETCH", "ProcessCrew", "ThreadCrew", "start_method"]

BEGIN, FETCH = "begin", "fetch"  # what a worker may be asked for: to start an epoch, a batch

_PATIENCE = 5.0  # seconds that a worker has to finish its batch when the loader is done with it
_GLANCE = 1.0  # seconds between looks at whether a silent process is alive
_ROOM = 1 << 16  # bytes that surely fit into a pipe; a message counts with what the kernel adds
_OVERHEAD = 1024
_HINT = (
    "keep what a script starts below `if __name__ == '__main__':`, and datasets and functions at the top level of a"
    " module that a worker can import; or pass multiprocessing_context='thread' (worker threads, which need neither)"
    " or 'fork'"
)

_open: dict[int, Any] = {}  # the program's ends of pipes to workers, for a forked process to close


def _close_inherited() -> None:
    while _open:
        _open.popitem()[1].close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)


def start_method() -> str:
    """How worker processes are started unless the user says: the safe way that asks least of the script.

    What `multiprocessing.set_start_method` was told, if that is not the platform's default. Else ``fork``, which needs
    no pickling and no ``__main__`` guard, where it cannot deadlock: on Linux, while this is the only thread (the one
    behind tqdm's bars, which sleeps, does not count). Else ``forkserver``, or ``spawn`` where there is none.
    """
    methods = multiprocessing.get_all_start_methods()
    chosen = multiprocessing.get_start_method(allow_none=True)
    if chosen not in (None, methods[0]):
        return str(chosen)
    threads = [thread for thread in threading.enumerate() if not type(thread).__module__.startswith("tqdm.")]
    if sys.platform == "linux" and len(threads) == 1:
        return "fork"
    return "forkserver" if "forkserver" in methods and sys.platform == "linux" else "spawn"


def _work(job: Job, pipe: Any, keep: int) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the program decides what it means
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a handler that came with a fork is the program's
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    server = Server(job, threaded=False)
    sender = Sender(pipe, keep)
    try:
        while True:
            ticket, order, index, free = pickle.loads(pipe.recv_bytes())
            sender.given_back(free)
            if order == BEGIN:
                server.begin()
                sender.send(ticket, BEGIN, None)
            else:
                _answer(server, sender, ticket, index)
    except (EOFError, ConnectionError):  # the program is done with us, or gone
        pass


def _answer(server: Server, sender: Sender, ticket: int, index: Any) -> None:
    kind, value = server.answer(index)
    if kind == ERROR:
        value = failure(value, f"in DataLoader worker process {server.job.id}")
    try:
        sender.send(ticket, kind, value)
    except ConnectionError:
        raise
    except Exception as error:
        where = f"in DataLoader worker process {server.job.id}, which could not send its batch"
        sender.send(ticket, ERROR, failure(error, where))


class _Crew:
    """What both kinds of crew have: who made it, whether it still works, the number of the last ticket."""

    def __init__(self) -> None:
        self.maker = os.getpid()
        self.closed = False
        self.tickets = 0

    @property
    def usable(self) -> bool:
        """Are there workers, and are they this process's?"""
        return not self.closed and self.maker == os.getpid()

    def check(self) -> None:
        """Refuse to go on without workers, or in a process that was forked from the one that made the crew."""
        if self.closed:
            raise RuntimeError("DataLoader: the workers of this iterator have ended; call iter() on the loader again")
        if self.maker != os.getpid():
            raise RuntimeError(
                "DataLoader: this iterator was made in another process, whose workers it has; call iter() on the"
                " loader in this process"
            )


# -- processes


class _Hand:
    """A worker process, as the program sees it."""

    def __init__(self, process: Any, pipe: Any) -> None:
        self.process, self.pipe, self.receiver = process, pipe, Receiver(pipe)
        self.waiting: collections.deque[bytes] = collections.deque()  # requests that have no room in the pipe yet
        self.unanswered: collections.deque[int] = collections.deque()  # the sizes of those that were sent
        self.answered = False


class ProcessCrew(_Crew):
    """Workers that are processes."""

    def __init__(self, jobs: Sequence[Job], context: Any, keep: int) -> None:
        super().__init__()
        self.hands: list[_Hand] = []
        if multiprocessing.current_process().daemon:
            raise AssertionError(
                "daemonic processes are not allowed to have children: a DataLoader inside a worker process cannot"
                " have worker processes; give the inner one num_workers=0 or multiprocessing_context='thread'"
            )
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise RuntimeError(
                "DataLoader: a worker process that is about to start has run this script, which starts a loader at its"
                f" top level. To do: {_HINT}."
            )
        self.method = start_method() if context is None else context.get_start_method()
        self.chosen = context is not None
        context = multiprocessing.get_context(self.method) if context is None else context
        try:
            for job in jobs:
                self._start(job, context, keep)
        except BaseException:
            self.close(now=True)
            raise

    def _start(self, job: Job, context: Any, keep: int) -> None:
        ours, theirs = context.Pipe()
        _open[id(ours)] = ours
        process = context.Process(
            target=_work, args=(job, theirs, keep), name=f"DataLoader worker {job.id}", daemon=True
        )
        self.hands.append(_Hand(process, ours))
        # A Ctrl-C before the worker ignores it would print a traceback. (A fork server would keep this mask for good.)
        shield = hasattr(signal, "pthread_sigmask") and self.method != "forkserver"
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if shield else None
        try:
            with contextlib.ExitStack() as quiet:
                if not self.chosen and self.method == "fork":  # the threads that Python warns of stop for a fork
                    quiet.enter_context(warnings.catch_warnings())
                    warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
                process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise _unsendable(error, job, self.method) from error
        except (BrokenPipeError, ConnectionError, EOFError) as error:
            raise RuntimeError(
                f"DataLoader worker exited unexpectedly: {process.name} ended while it was starting (start method"
                f" {self.method!r}); what it said stands above, in the program's error output. To do: {_HINT}."
            ) from error
        finally:
            theirs.close()
            if mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def send(self, worker: int, order: str, index: Any = None) -> int:
        """Ask a worker for something; returns the ticket that its answer will bear."""
        self.check()
        hand = self.hands[worker]
        self.tickets += 1
        hand.waiting.append(pickle.dumps((self.tickets, order, index, hand.receiver.give_back())))
        self._push(hand)
        return self.tickets

    def _push(self, hand: _Hand) -> None:
        """Send what the pipe has room for."""
        while hand.waiting:
            size = len(hand.waiting[0]) + _OVERHEAD
            if hand.unanswered and sum(hand.unanswered) + size > _ROOM:
                return
            try:
                hand.pipe.send_bytes(hand.waiting[0])
            except ConnectionError:
                raise self._lost(hand) from None
            except BaseException:  # half a message may be on its way
                self.close(now=True)
                raise
            hand.waiting.popleft()
            hand.unanswered.append(size)

    def receive(self, worker: int | None, first: int, timeout: float) -> tuple[int, str, Any]:
        """The next answer of a worker, or of any: ticket, kind, value; those older than ``first`` are dropped."""
        self.check()
        deadline = time.monotonic() + timeout if timeout else None
        while True:
            hand = self._ready(worker, deadline, timeout)
            try:
                ticket, kind, parts = hand.receiver.receive()
            except (EOFError, ConnectionError):
                raise self._lost(hand) from None
            except BaseException:
                self.close(now=True)
                raise
            hand.answered = True
            hand.unanswered.popleft()
            self._push(hand)
            if ticket >= first:
                try:
                    return ticket, kind, unpacked(parts)
                except Exception as error:
                    return ticket, ERROR, error
            del parts

    def _ready(self, worker: int | None, deadline: float | None, timeout: float) -> _Hand:
        """A worker that has something to say."""
        hands = [hand for hand in self.hands if hand.unanswered] if worker is None else [self.hands[worker]]
        try:
            while True:
                rest = _GLANCE if deadline is None else max(0.0, min(_GLANCE, deadline - time.monotonic()))
                ready = connection.wait([hand.pipe for hand in hands], rest)
                if ready:
                    return next(hand for hand in hands if hand.pipe in ready)
                for hand in hands:
                    if not hand.process.is_alive() and not hand.pipe.poll():
                        raise self._lost(hand)
                if deadline is not None and time.monotonic() >= deadline:
                    raise RuntimeError(
                        f"DataLoader timed out after {timeout} seconds: no batch came from"
                        f" {', '.join(hand.process.name for hand in hands)}"
                    )
        except BaseException:
            self.close(now=True)
            raise

    def _lost(self, hand: _Hand) -> RuntimeError:
        """Say how a worker ended, and stop the others."""
        hand.process.join(_PATIENCE)
        code, pid = hand.process.exitcode, hand.process.pid
        self.close(now=True)
        if code is None:
            how = "closed its pipe and hangs"
        elif code < 0:
            try:
                how = f"was killed by {signal.Signals(-code).name}"
            except ValueError:
                how = f"was killed by signal {-code}"
            if code == -getattr(signal, "SIGKILL", 9):
                how += " (does the machine run out of memory? then use fewer workers or smaller batches)"
        else:
            how = f"ended with exit code {code}; what it said stands above, in the program's error output"
            if not hand.answered and self.method != "fork":
                how += f". It ended before its first batch (start method {self.method!r}): {_HINT}"
        return RuntimeError(f"DataLoader worker (pid(s) {pid}) exited unexpectedly: {hand.process.name} {how}")

    def close(self, now: bool = False) -> None:
        """End the workers: they may finish what they are doing, unless ``now``."""
        if self.closed:
            return
        self.closed = True
        for hand in self.hands:
            _open.pop(id(hand.pipe), None)
            hand.receiver.close()
        if os.getpid() != self.maker:
            return
        processes = [hand.process for hand in self.hands if hand.process.pid is not None]
        deadline = time.monotonic() + (0 if now else _PATIENCE)
        try:
            for process in processes:
                process.join(max(0.0, deadline - time.monotonic()))
        finally:
            for process in processes:
                if process.is_alive():
                    process.terminate()
            for process in processes:
                process.join(_GLANCE)
                if process.is_alive():
                    process.kill()
                    process.join()
                process.close()


def _unsendable(error: Exception, job: Job, method: str) -> Exception:
    """An error of the same type that says which part of the job cannot be pickled, and what to do."""
    what = "the dataset, collate_fn or worker_init_fn"
    for name in ("dataset", "collate_fn", "worker_init_fn"):
        try:
            pickle.dumps(getattr(job, name))
        except Exception:
            what = name
            break
    return type(error)(
        f"DataLoader: {what} cannot be sent to a worker process (start method {method!r}), because it cannot be"
        f" pickled: {error}. To do: {_HINT}."
    )


# -- threads


def _serve(job: Job, requests: Any, answers: Any, stop: threading.Event) -> None:
    """The life of a worker thread."""
    server = Server(job, threaded=True)
    while (request := requests.get()) is not None and not stop.is_set():
        ticket, order, index = request
        if order == BEGIN:
            server.begin()
            answers.put((job.id, ticket, BEGIN, None))
        else:
            answers.put((job.id, ticket, *server.answer(index)))


class ThreadCrew(_Crew):
    """Workers that are threads of this process: nothing is pickled, and NumPy lets them run side by side."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        super().__init__()
        self.stop = threading.Event()
        self.answers: Any = queue.SimpleQueue()
        self.early: list[collections.deque[Any]] = [collections.deque() for _ in jobs]
        self.requests: list[Any] = [queue.SimpleQueue() for _ in jobs]
        self.threads = [
            threading.Thread(
                target=contextvars.copy_context().run,  # no_grad and the like reach the workers
                args=(_serve, job, requests, self.answers, self.stop),
                name=f"DataLoader worker {job.id}",
                daemon=True,
            )
            for job, requests in zip(jobs, self.requests)
        ]
        try:
            for thread in self.threads:
                thread.start()
        except BaseException:
            self.close(now=True)
            raise

    def send(self, worker: int, order: str, index: Any = None) -> int:
        """Ask a worker for something; returns the ticket that its answer will bear."""
        self.check()
        self.tickets += 1
        self.requests[worker].put((self.tickets, order, index))
        return self.tickets

    def receive(self, worker: int | None, first: int, timeout: float) -> tuple[int, str, Any]:
        """The next answer of a worker, or of any: ticket, kind, value; those older than ``first`` are dropped."""
        self.check()
        deadline = time.monotonic() + timeout if timeout else None
        while True:
            if worker is not None and self.early[worker]:
                ticket, kind, value = self.early[worker].popleft()
            else:
                rest = None if deadline is None else max(0.0, deadline - time.monotonic())
                try:
                    who, ticket, kind, value = self.answers.get(timeout=rest)
                except queue.Empty:
                    self.close(now=True)
                    raise RuntimeError(f"DataLoader timed out after {timeout} seconds: no batch came") from None
                if worker is not None and who != worker:
                    self.early[who].append((ticket, kind, value))
                    continue
            if ticket >= first:
                return ticket, kind, value

    def close(self, now: bool = False) -> None:
        """End the workers: each after the batch that it is at; do not wait for that if ``now``."""
        if not self.usable:
            return
        self.closed = True
        self.stop.set()
        for requests in self.requests:
            requests.put(None)
        deadline = time.monotonic() + (0 if now else _PATIENCE)
        for thread in self.threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
