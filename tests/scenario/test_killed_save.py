"""A process is killed while it saves: the old file or the new one is there, whole.

First at every step, one after the other: the operating system is asked for a copy of the process, which kills itself
at the k-th call of a C function that touches files. Then at random moments, by another process.
"""

import os
import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import regrad as rg
from regrad.files import load, save

pytestmark = pytest.mark.skipif(os.name != "posix", reason="fork and SIGKILL are POSIX's")

EVERY_STEP = """
    import os, pathlib, signal, sys
    import regrad as rg
    from regrad import files

    files._BLOCK = 512  # a thousand writes where one would do
    steps = {"write", "open", "close", "flock", "fsync", "replace", "rename", "chmod", "unlink", "__exit__"}
    steps |= {"FileIO"}  # makes a file
    path = pathlib.Path(sys.argv[1])
    old, new = ({"x": rg.full((256, 5), fill), "step": step} for fill, step in ((1.0, 1), (2.0, 2)))


    def killed_at(k):
        seen = 0

        def watch(frame, event, arg):
            nonlocal seen
            if event in ("c_call", "c_return") and getattr(arg, "__name__", "") in steps:
                if seen == k:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1

        child = os.fork()
        if child == 0:
            sys.setprofile(watch)
            files.save(new, path)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


    found, most = [], 0
    for k in range(1000):
        files.save(old, path)
        if not killed_at(k):
            break
        most = max(most, len(os.listdir(path.parent)))
        state = files.load(path)
        assert state["x"].tolist() == [[float(state["step"])] * 5] * 256
        found.append(state["step"])
    files.save(old, path)
    print(len(found), sorted(found) == found, set(found) == {1, 2}, most, os.listdir(path.parent))
"""

AGAIN_AND_AGAIN = """
    import itertools, sys
    import regrad as rg
    from regrad.files import save

    for step in itertools.count():
        save({"x": rg.full((200_000,), step), "step": step}, sys.argv[1])
        if step == 0:
            print("ready", flush=True)
"""


def program(text, path):
    places = {"PYTHONPATH": str(Path(rg.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", textwrap.dedent(text), str(path)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ | places)


def test_a_save_killed_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path):
    with program(EVERY_STEP, tmp_path / "checkpoint") as process:
        out, errors = process.communicate()
    assert "" == errors
    steps, in_order, both, most, left = out.split(maxsplit=4)
    assert int(steps) > 30
    assert ("True", "True") == (in_order, both)
    assert "2" == most  # what the killed ones leave does not pile up
    assert "['checkpoint']" == left.strip()


def test_a_save_killed_at_random_leaves_a_whole_file(tmp_path):
    path = tmp_path / "checkpoint"
    for _ in range(5):
        with program(AGAIN_AND_AGAIN, path) as process:
            assert "ready\n" == process.stdout.readline()
            time.sleep(random.uniform(0, 0.02))
            process.kill()
            process.communicate()
        state = load(path)
        assert (state["x"] == state["step"]).all()
        assert len(list(tmp_path.iterdir())) <= 2
    save("done", path)
    assert ["checkpoint"] == [left.name for left in tmp_path.iterdir()]
