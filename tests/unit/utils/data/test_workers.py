"""Workers, processes and threads: the same batches as without, whatever happens, and nothing left behind.

Every test runs against the clock (``watchdog``). Programs that are interrupted, killed or written without care are run
as programs, in a process of their own. Start reading at ``WAYS``.
"""

import contextlib
import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
import pytest

import regrad as rg
import regrad.utils.data as D
from regrad.utils.data import crew, transport

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks for what is left in /proc, and forks"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),  # the runner may have threads; we ask for "fork"
]
SOURCE = str(Path(rg.__file__).parents[1])
WAYS = ["fork", "thread"]


@pytest.fixture(autouse=True)
def watchdog():
    def bark(*_):
        raise TimeoutError("a test of workers hangs")

    was = signal.signal(signal.SIGALRM, bark)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, was)


def left():
    """Worker processes and threads, open files and shared memory."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    workers = [pid for pid in children if b"forkserver" not in cmdline(pid) and b"tracker" not in cmdline(pid)]
    threads = [thread for thread in threading.enumerate() if "DataLoader" in thread.name]
    maps = Path("/proc/self/maps").read_text().count("regrad-batch")
    return len(workers), len(threads), files("/proc/self/fd"), files("/dev/shm"), maps


def files(folder):
    return len(list(Path(folder).iterdir()))


def cmdline(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


@pytest.fixture(autouse=True)
def nothing_is_left(watchdog):
    forkserver.ensure_running()  # what starts only once is no leak
    list(D.DataLoader(range(2), num_workers=1, multiprocessing_context="fork"))
    before = left()
    yield
    if before != left():
        gc.collect()
    assert before == left()


def loader(dataset, way="fork", **options):
    options.setdefault("num_workers", 2)
    return D.DataLoader(dataset, multiprocessing_context=way, **options)


def lists(batches):
    return [batch.tolist() if hasattr(batch, "tolist") else batch for batch in batches]


def joined(parts):
    return [x for part in parts for x in part]


class Mapped(D.Dataset):
    """Sample ``i`` is ``function(i)``."""

    def __init__(self, function, n=12):
        self.function, self.n = function, n

    def __getitem__(self, i):
        return self.function(i)

    def __len__(self):
        return self.n


class Shared(D.IterableDataset):
    """The numbers below ``n``, each given by one worker."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = D.get_worker_info()
        return iter(range(self.n)) if info is None else iter(range(info.id, self.n, info.num_workers))


# -- the same batches


@pytest.mark.parametrize(("way", "options"), [
    *((way, options) for way in WAYS for options in (
        {}, {"num_workers": 1, "prefetch_factor": 1}, {"prefetch_factor": 5}, {"persistent_workers": True},
    )),
    ("forkserver", {"num_workers": 1, "persistent_workers": True}),
])
def test_the_epochs_are_those_without_workers(way, options):
    data = D.TensorDataset(rg.arange(11), rg.arange(22.0).reshape(11, 2))
    epochs = []
    for batches in (D.DataLoader(data, 3, True), loader(data, way, batch_size=3, shuffle=True, **options)):
        rg.manual_seed(7)
        epochs.append([[[x.tolist(), y.tolist()] for x, y in batches] for _ in range(3)])
    assert epochs[0] == epochs[1]


@pytest.mark.parametrize("way", WAYS)
def test_slow_samples_keep_their_place(way):
    data = Mapped(lambda i: time.sleep(0.03 if i in (0, 4) else 0) or i)
    assert [[i] for i in range(12)] == lists(loader(data, way))
    free = lists(loader(data, way, in_order=False))
    assert [[i] for i in range(12)] == sorted(free) != free


@pytest.mark.parametrize("way", WAYS)
def test_streams_are_shared_by_those_who_ask_which_worker_they_are(way):
    for n in (0, 1, 5, 12):
        for options in ({"batch_size": None}, {"batch_size": 2}, {"batch_size": None, "persistent_workers": True}):
            batches = loader(Shared(n), way, **options)
            for _ in range(2):
                met = lists(batches)
                assert list(range(n)) == sorted(met if options["batch_size"] is None else joined(met))
    assert [[0, 2], [1, 3]] == lists(loader(Shared(6), way, batch_size=2, drop_last=True))


@pytest.mark.parametrize("way", WAYS)
def test_workers_are_a_few_batches_ahead_and_no_more(way):
    asked = []
    order = (asked.append(i) or i for i in range(100))
    batches = iter(loader(range(100), way, sampler=order, prefetch_factor=3))
    assert list(range(6)) == asked
    next(batches)
    assert list(range(7)) == asked
    del batches


@pytest.mark.parametrize("way", WAYS)
def test_an_epoch_that_was_left_does_not_reach_into_the_next(way):
    batches = loader(range(40), way, batch_size=2, persistent_workers=True, prefetch_factor=4)
    want = lists(D.DataLoader(range(40), batch_size=2))
    for leave_after in (0, 1, 3, 7):
        for _ in zip(range(leave_after), batches):
            pass
        assert want == lists(batches)


# -- what travels


def big(i):
    """Parts of all kinds: large, small, none, views, Fortran order, texts."""
    x = rg.full((300, 100), float(i))
    return {"x": x, "view": x[3:5, ::2], "f": np.asfortranarray(np.full((200, 30), i)), "n": i, "empty": rg.ones(0),
            "s": "a" * 100_000, "b": rg.ones(3, dtype=rg.bfloat16), "ro": np.broadcast_to(np.float32(i), (100, 100))}


@pytest.mark.parametrize("blocks", [True, False])
def test_large_batches_arrive_as_they_were(blocks, monkeypatch):
    monkeypatch.setattr(transport, "_HAS_BLOCKS", blocks)
    for sample in loader(Mapped(big), batch_size=None, persistent_workers=True):
        want = big(n := sample["n"])
        for name in ("x", "view", "empty", "b"):
            assert rg.equal(want[name], sample[name])
            assert want[name].dtype is sample[name].dtype
        for name in ("f", "ro"):
            assert (want[name] == sample[name].numpy()).all()
        assert want["s"] == sample["s"]
        sample["x"] += 1  # it may be written to
        assert (300 * 100 * (n + 1)) == sample["x"].sum().item()


def test_batches_that_are_kept_stay_as_they_are():
    data = Mapped(lambda i: rg.full((50_000,), float(i)), 60)
    batches = loader(data, batch_size=1, persistent_workers=True)
    kept = []
    for epoch in range(3):
        for i, batch in enumerate(batches):
            if i % 5 == epoch:
                kept.append((i, batch.numpy()[0, 10:]))  # a view is enough to keep it
            del batch
    del batches
    assert 36 == len(kept)
    many = list(loader(Mapped(lambda i: rg.full((20_000,), float(i)), 150), batch_size=None))
    assert 100 > files("/proc/self/fd")  # not one for each
    assert all((batch == i).all() for i, batch in enumerate(many))
    assert all((view == i).all() for i, view in kept)


def test_memory_is_used_again():
    batches = loader(Mapped(lambda i: rg.zeros(50_000), 40), persistent_workers=True)
    for _ in range(3):
        for batch in batches:
            del batch
    used = [hand.receiver.blocks for hand in batches._iterator._crew.hands]
    assert all(1 <= len(blocks) <= 4 for blocks in used)
    del batches, used


def test_memory_that_a_forked_process_may_read_is_not_used_again():
    batches = loader(Mapped(lambda i: rg.full((50_000,), float(i)), 30), num_workers=1)
    for i, batch in enumerate(batches):
        if i == 5:
            go, done = os.pipe()
            answer, tell = os.pipe()
            if (child := os.fork()) == 0:
                os.close(done)
                os.read(go, 1)
                os.write(tell, b"y" if (batch.array == 5).all() else b"n")
                os._exit(0)
        del batch
    os.write(done, b".")
    assert b"y" == os.read(answer, 1)
    os.waitpid(child, 0)
    for end in (go, done, answer, tell):
        os.close(end)


def test_a_sample_that_is_a_part_of_something_large_travels_alone():
    large = rg.zeros(100_000)
    parts = transport._packed({"a": large[5], "b": large[:3].requires_grad_(), "c": large.numpy()[:2]})
    assert 2000 > sum(part.nbytes for part in parts)
    back = transport.unpacked(parts)
    assert ([0.0, 0.0, 0.0], True) == (back["b"].tolist(), back["b"].requires_grad)


def test_a_batch_that_is_part_of_a_graph_is_refused_by_processes_and_passed_by_threads():
    w = rg.ones(1, requires_grad=True)
    data = Mapped(lambda i: w * i)
    with pytest.raises(RuntimeError, match="attached to its graph"):
        next(iter(loader(data)))
    assert next(iter(loader(data, "thread"))).requires_grad
    with rg.no_grad():
        assert not next(iter(loader(data, "thread"))).requires_grad


@pytest.mark.parametrize("blocks", [True, False])
def test_full_pipes_do_not_block_each_other(blocks, monkeypatch):
    monkeypatch.setattr(transport, "_HAS_BLOCKS", blocks)
    batches = loader(range(500_000), batch_size=50_000, prefetch_factor=4)
    assert 10 == len(total := [batch.sum().item() for batch in batches])
    assert sum(range(500_000)) == sum(total)
    small = loader(range(1000), prefetch_factor=400)
    assert list(range(1000)) == joined(lists(small))


# -- seeds


def draw(i):
    return [random.random(), np.random.rand(), rg.rand(1).item()]  # noqa: NPY002 - what datasets do


def test_each_worker_process_has_seeds_of_its_own_that_repeat():
    epochs = []
    for _ in range(2):
        rg.manual_seed(1)
        batches = loader(Mapped(draw, 4), batch_size=None)
        epochs.append([sample for _ in range(2) for sample in batches])
    assert epochs[0] == epochs[1]
    for numbers in zip(*epochs[0]):
        assert 8 == len(set(numbers))


def test_each_worker_thread_has_generators_of_its_own_that_repeat():
    def drawn(i):
        rng = D.get_worker_info().rng
        return [rng.random_generator.random(), rng.numpy_generator.random(),
                rg.rand(1, generator=rng.torch_generator).item()]

    epochs = []
    for _ in range(2):
        rg.manual_seed(1)
        epochs.append(list(loader(Mapped(drawn, 6), "thread", batch_size=None)))
    assert epochs[0] == epochs[1]
    for numbers in zip(*epochs[0]):
        assert 6 == len(set(numbers))


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_knows_what_it_is(way):
    def tell(i):
        info = D.get_worker_info()
        return [info.id, info.num_workers, info.seed, info.dataset is data, info.worker_method, seen[info.id]]

    seen = {}
    data = Mapped(tell, 2)
    told = list(loader(data, way, batch_size=None, worker_init_fn=lambda k: seen.setdefault(k, f"{k} is ready")))
    method = "thread" if way == "thread" else "multiprocessing"
    assert [0, 2, told[0][2], True, method, "0 is ready"] == told[0]
    assert [1, 2, told[0][2] + 1, True, method, "1 is ready"] == told[1]
    assert D.get_worker_info() is None


# -- errors


class OddError(Exception):
    def __init__(self, code, why):
        super().__init__(f"{why} ({code})")
        self.code = code


def test_an_exception_keeps_its_type_and_brings_its_traceback():
    class LocalError(LookupError):
        pass

    raised = [ValueError("seven"), KeyError("k"), OddError(7, "odd"), LocalError("here"), OSError(2, "no"),
              UnicodeDecodeError("utf-8", b"", 0, 1, "bad")]

    def fail(i):
        raise raised[i]

    batches = iter(loader(Mapped(fail, len(raised))))
    for k, error in enumerate(raised):
        kind = LookupError if isinstance(error, LocalError) else type(error)
        with pytest.raises(kind) as caught:
            next(batches)
        assert kind is caught.type
        words = f"{caught.value}{caught.value.__cause__ or ''}"
        assert words.startswith(f"Caught {type(error).__name__} in DataLoader worker process {k % 2}.\nOriginal Trace")
        assert "in fail\n" in words
        assert str(error) in words
        if kind is OddError:
            assert 7 == caught.value.code
    with pytest.raises(StopIteration):
        next(batches)


def test_an_exception_in_a_thread_is_the_exception():
    def fail(i):
        raise SystemExit(i) if i == 1 else OddError(i, "odd")

    batches = iter(loader(Mapped(fail, 3), "thread"))
    for kind in (OddError, SystemExit, OddError):
        with pytest.raises(kind) as caught:
            next(batches)
        assert any(entry.name == "fail" for entry in caught.traceback)
        del caught
    with pytest.raises(StopIteration):
        next(batches)


@pytest.mark.parametrize("way", WAYS)
def test_the_loop_may_go_on_after_an_exception(way):
    batches = iter(loader(Mapped(lambda i: i // (i - 3) * 0 + i, 6), way))
    met = []
    while len(met) < 6:
        try:
            met.append(next(batches).item())
        except ZeroDivisionError:
            met.append("error")
    assert [0, 1, 2, "error", 4, 5] == met
    del batches


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_that_cannot_begin_says_why(way):
    class Bad(D.IterableDataset):
        def __iter__(self):
            raise ValueError("no stream")

    def bad(worker):
        raise ValueError("no start")

    for batches, words in ((loader(Bad(), way), "no stream"), (loader("ab", way, worker_init_fn=bad), "no start")):
        with pytest.raises(ValueError, match=words):
            list(batches)


@pytest.mark.parametrize("way", WAYS)
def test_an_error_of_the_sampler_comes_after_the_batches_before_it(way):
    def order():
        yield from range(3)
        raise ValueError("lost")

    met = []
    with pytest.raises(ValueError, match="lost"):
        met.extend(batch.item() for batch in loader(range(9), way, sampler=order()))
    assert [0, 1, 2] == met


def test_a_batch_that_cannot_be_sent_is_an_error_of_that_batch():
    batches = iter(loader(Mapped(lambda i: (lambda: i) if i == 0 else i, 2), batch_size=None))
    with pytest.raises((AttributeError, TypeError, Exception), match="process 0, which could not send its batch"):
        next(batches)
    assert 1 == next(batches)


class Sealed:
    def __reduce__(self):
        return int, ("sealed",)


def test_a_batch_that_cannot_be_opened_is_an_error_of_that_batch():
    batches = iter(loader(Mapped(lambda i: Sealed() if i == 1 else i, 4), batch_size=None))
    assert 0 == next(batches)
    with pytest.raises(ValueError, match="sealed"):
        next(batches)
    assert [2, 3] == list(batches)


ENDS = [  # (how a worker ends, what is said)
    (lambda: os.kill(os.getpid(), signal.SIGKILL), "DataLoader worker 1 was killed by SIGKILL .*memory"),
    (lambda: os.kill(os.getpid(), signal.SIGUSR1), "worker 1 was killed by SIGUSR1"),
    (lambda: os._exit(3), "worker 1 ended with exit code 3"),
    (lambda: sys.exit(4), "worker 1 ended with exit code 4"),
]


@pytest.mark.parametrize(("end", "words", "options"), [
    *((*case, {}) for case in ENDS), (*ENDS[0], {"in_order": False}), (*ENDS[0], {"persistent_workers": True}),
])
def test_the_end_of_a_worker_is_noticed_at_once(end, words, options):
    batches = loader(Mapped(lambda i: end() if i == 3 else i), **options)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly: .*" + words):
        list(batches)
    assert 5 > time.monotonic() - start
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(batches)  # new workers, the same end


@pytest.mark.parametrize("way", WAYS)
def test_waiting_has_an_end(way):
    go = threading.Event()
    batches = loader(Mapped(lambda i: go.wait(20)), way, timeout=0.1)
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.1 seconds"):
        next(one := iter(batches))
    with pytest.raises(RuntimeError, match="have ended; call iter"):
        next(one)
    go.set()
    for thread in threading.enumerate():
        if "DataLoader" in thread.name:
            thread.join(5)


def test_what_cannot_be_pickled_is_named():
    options = {"way": "spawn", "num_workers": 1}
    for name, batches in (
        ("dataset", loader(Mapped(lambda i: i), **options)),
        ("collate_fn", loader("ab", collate_fn=lambda b: b, **options)),
        ("worker_init_fn", loader("ab", worker_init_fn=lambda k: None, **options)),
    ):
        words = rf"DataLoader: {name} cannot be sent to a worker process \(start method 'spawn'\).*'thread'.*or 'fork'"
        with pytest.raises(Exception, match=words):
            iter(batches)


def test_a_worker_process_has_no_worker_processes_of_its_own():
    def inner(way):
        return lambda i: joined(lists(loader(range(3), way, num_workers=1)))

    with pytest.raises(AssertionError, match="num_workers=0 or multiprocessing_context='thread'"):
        next(iter(loader(Mapped(inner("fork")))))
    assert [0, 1, 2] == next(iter(loader(Mapped(inner("thread")), batch_size=None)))


@pytest.mark.parametrize("way", WAYS)
def test_an_iterator_belongs_to_the_process_that_made_it(way):
    batches = iter(loader(range(3), way, num_workers=1))
    next(batches)
    kept = loader(range(3), way, num_workers=1, persistent_workers=True)
    next(iter(kept))
    said, tell = os.pipe()
    if (child := os.fork()) == 0:
        try:
            next(batches)
        except RuntimeError as error:
            os.write(tell, str(error).encode())
        batches = None
        os.write(tell, str(lists(kept)).encode())  # the loader itself may be used anywhere
        os._exit(0)
    os.waitpid(child, 0)
    words = os.read(said, 1000)
    assert b"made in another process" in words
    assert words.endswith(b"[[0], [1], [2]]")
    assert [[0], [1], [2]] == lists(kept)
    assert [1, 2] == [batch.item() for batch in batches]
    os.close(said)
    os.close(tell)


class Monitor(threading.Thread):
    """As tqdm has it behind each bar."""

    __module__ = "tqdm._monitor"


ALONE = threading.main_thread()


@pytest.mark.parametrize(("threads", "chosen", "method"), [
    ([ALONE], None, "fork"),
    ([ALONE, Monitor()], None, "fork"),
    ([ALONE, threading.Thread()], None, "forkserver"),
    ([ALONE, threading.Thread()], "fork", "forkserver"),  # what is only the platform's default is no choice
    ([ALONE], "spawn", "spawn"),
])
def test_processes_are_forked_where_nothing_can_be_locked(threads, chosen, method, monkeypatch):
    monkeypatch.setattr(crew.threading, "enumerate", lambda: threads)
    monkeypatch.setattr(crew.multiprocessing, "get_all_start_methods", lambda: ["fork", "spawn", "forkserver"])
    monkeypatch.setattr(crew.multiprocessing, "get_start_method", lambda allow_none: chosen)
    found = crew.start_method()
    monkeypatch.undo()
    assert method == found


# -- leaving


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("collector_off")
def test_an_iterator_that_is_dropped_takes_its_workers_along(way):
    before = left()
    for batch in loader(Mapped(big, 50), way, batch_size=None):
        del batch
        break
    for batches in (iter(loader(range(9), way)), loader(range(9), way, persistent_workers=True)):
        next(iter(batches))
    failing = iter(loader(range(9), way, sampler=iter([0, Ellipsis]), batch_size=None))
    with contextlib.suppress(TypeError):  # pytest.raises would keep the traceback
        list(failing)
    lost = iter(loader(range(9), way, sampler=map(int, ["0", "lost"])))
    del batches, failing, lost
    assert before == left()  # without the garbage collector's help


def test_a_busy_worker_may_finish_its_batch(tmp_path):
    def work(i):
        time.sleep(0.2)
        (tmp_path / str(i)).touch()
        return i

    batches = iter(loader(Mapped(work), prefetch_factor=1))
    next(batches)
    del batches
    assert {"0", "1", "2"} >= {path.name for path in tmp_path.iterdir()} >= {"0", "1"}


# -- programs


HEAD = "import os, threading, time\nimport regrad as rg\nimport regrad.utils.data as D\n"


def command(text, folder):
    """How to run a text as a script in which every warning is an error: arguments of a subprocess."""
    script = folder / "script.py"
    script.write_text(HEAD + textwrap.dedent(text))
    env = {**os.environ, "PYTHONPATH": SOURCE}
    return {"args": [sys.executable, "-W", "error", str(script)], "text": True, "env": env}


def run(text, folder):
    """Run a script; returns (exit code, output, error output)."""
    done = subprocess.run(**command(text, folder), capture_output=True, timeout=50, check=False)
    return done.returncode, done.stdout, done.stderr


STRESS = """
import gc, random, faulthandler
faulthandler.dump_traceback_later(35, exit=True)

class Data(D.Dataset):
    def __len__(self):
        return 24
    def __getitem__(self, i):
        if i == 17 and self.fails:
            raise KeyError(i)
        return i, rg.full((9000,) if self.large else (2,), float(i))

class Stream(D.IterableDataset):
    def __iter__(self):
        info = D.get_worker_info()
        return iter((i, rg.ones(1) * i) for i in range(info.id, 24, info.num_workers))

def files():
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/dev/shm")), threading.active_count()

choose = random.Random(0)
data = Data()
before = None
for round in range(60):
    data.fails, data.large = choose.random() < 0.2, choose.random() < 0.5
    loader = D.DataLoader(
        choose.choice([data, data, Stream()]), batch_size=choose.choice([1, 3, 8]),
        num_workers=choose.choice([1, 2]), prefetch_factor=choose.choice([1, 2, 4]),
        persistent_workers=choose.random() < 0.5, in_order=choose.random() < 0.8,
        multiprocessing_context=choose.choice([None, "thread", "fork"]),
    )
    kept = []
    for epoch in range(3):
        leave = choose.choice([1, 2, 4, None, None])
        count = 0
        try:
            for i, x in loader:
                assert (x[:, 0] == i).all() and (x[:, -1] == i).all()
                kept.append((i, x))
                count += len(i)
                if leave is not None and count >= leave:
                    break
            else:
                assert count == 24, count
        except KeyError as error:
            assert data.fails and "17" in str(error)
        kept = kept[-2:]
    assert all((x[:, 0] == i).all() for i, x in kept)
    del loader, kept
    if before is None:
        before = files()
if "x" in dir():
    del i, x
gc.collect()
assert files() == before, (files(), before)
with open(f"/proc/self/task/{os.getpid()}/children") as children:
    assert not children.read().split()
print("well")
"""


def test_hundreds_of_epochs_left_broken_and_kept_do_not_deadlock_or_leak(tmp_path):
    assert (0, "well\n", "") == run(STRESS, tmp_path)


def alive(pids):
    return [pid for pid in pids if b"python" in cmdline(pid)]


LONG = """
def sample(i):
    time.sleep(0.01)
    return rg.zeros(20_000)

class Data(D.Dataset):
    def __len__(self):
        return 10_000
    def __getitem__(self, i):
        return sample(i)

if __name__ == "__main__":
    for k, batch in enumerate(D.DataLoader(Data(), num_workers=2, multiprocessing_context={way!r})):
        if k == 3:
            with open(f"/proc/self/task/{{os.getpid()}}/children") as children:
                print(children.read(), flush=True)
"""


@pytest.mark.parametrize(("way", "stop"), [
    ("fork", signal.SIGINT), ("thread", signal.SIGINT), ("fork", signal.SIGKILL),
])
def test_a_program_that_is_stopped_leaves_no_worker(way, stop, tmp_path):
    running = subprocess.Popen(
        **command(LONG.format(way=way), tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with running:
        pids = running.stdout.readline().split()
        assert (2 if way == "fork" else 0) == len(alive(pids))
        os.killpg(running.pid, stop) if stop == signal.SIGINT else running.kill()  # Ctrl-C goes to the whole group
        errors = running.stderr.read()
    deadline = time.monotonic() + 10
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [] == alive(pids)
    assert (1 if stop == signal.SIGINT else 0) == errors.count("Traceback")
    assert errors.count("KeyboardInterrupt") == errors.count("Traceback")


THREADED = """
def load(into):
    into += [batch.tolist() for batch in D.DataLoader(range(4), batch_size=2, num_workers=1)]

if __name__ == "__main__":
    met = []
    thread = threading.Thread(target=load, args=(met,))
    thread.start()
    thread.join()
    print(met)
"""


def test_a_program_may_begin_its_loader_in_a_thread(tmp_path):
    assert (0, "[[0, 1], [2, 3]]\n", "") == run(THREADED, tmp_path)


AT_EXIT = """
kept = [D.DataLoader(range(9), num_workers=2, persistent_workers=True, multiprocessing_context=way)
        for way in ("fork", "thread")]
for loader in kept:
    print(len(list(loader)))
left = iter(kept[0])
"""


def test_workers_that_wait_at_the_end_of_a_program_end_with_it(tmp_path):
    start = time.monotonic()
    assert (0, "9\n9\n", "") == run(AT_EXIT, tmp_path)
    assert 5 > time.monotonic() - start


@pytest.mark.parametrize("way", [None, "thread"])
def test_a_script_needs_no_guard_and_may_use_lambdas(way, tmp_path):
    bare = f"""
        print(list(D.DataLoader([1, 2], collate_fn=lambda b: b[0], num_workers=1, multiprocessing_context={way!r})))
    """
    assert (0, "[1, 2]\n", "") == run(bare, tmp_path)


def test_a_script_that_needs_a_guard_is_told_so(tmp_path):
    code, _, errors = run("list(D.DataLoader([1], num_workers=1, multiprocessing_context='spawn'))", tmp_path)
    assert 1 == code
    assert "a worker process that is about to start has run this script" in errors
    assert "ended before its first batch (start method 'spawn'): keep what a script starts below" in errors
