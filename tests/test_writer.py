"""One writer per folder: promise P13 where locks work, where they are refused, where all get one.

Two real processes, real kills. The lock is broken inside the processes, by what `flock` says there.
"""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from bpjax.errors import ResultsError
from bpjax.results import files, writer

ROOT = Path(files.__file__).parents[2]
NUMBERS = (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS, errno.EBADF)
LOCKS = ["works", "granted to all", *map(errno.errorcode.get, NUMBERS)]

PROGRAM = """
import sys, time
sys.path[:0] = [{root!r}, {tests!r}]
import test_writer
from bpjax.results import writer
writer.BEAT, writer.PATIENCE, writer.POLL = 0.1, 1.0, 0.02
lock, machine, folder = sys.argv[1:]
test_writer.break_lock(lock, setattr)
if machine:
    writer.machine = lambda: machine
try:
    with writer.only_writer(test_writer.Path(folder)) as one:
        print("writing", flush=True)
        for line in sys.stdin:
            one.check()
            print("still", flush=True)
except test_writer.ResultsError as fault:
    print(fault, flush=True)
"""


def break_lock(how, set_to):
    """Make this process's `flock` refuse, or grant everything."""
    if how == "works":
        return

    def flock(descriptor, operation):
        if how != "granted to all":
            raise OSError(getattr(errno, how), os.strerror(getattr(errno, how)))

    set_to(files.fcntl, "flock", flock)


@contextmanager
def process(folder, lock, machine=""):
    program = PROGRAM.format(root=str(ROOT), tests=str(Path(__file__).parent))
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, lock, machine, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as one:
        try:
            yield one
        finally:
            one.kill()


def says(one):
    return one.stdout.readline().rstrip()


def still_writes(one):
    one.stdin.write("\n")
    one.stdin.flush()
    return says(one) == "still"


@pytest.fixture
def quick(monkeypatch):
    for name, seconds in (("BEAT", 0.1), ("PATIENCE", 1.0), ("POLL", 0.02)):
        monkeypatch.setattr(writer, name, seconds)


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("machine", ["", "elsewhere"])
def test_a_second_writer_is_kept_out_until_the_first_is_killed(
    tmp_path, monkeypatch, quick, lock, machine
):
    if (lock, machine) == ("works", "elsewhere"):
        lock = "granted to all"  # a lock that this machine alone knows of
    break_lock(lock, monkeypatch.setattr)
    with process(tmp_path, lock, machine) as first:
        assert says(first) == "writing"
        for _ in range(2):
            with (
                pytest.raises(ResultsError, match="another process is writing to"),
                second_look(lock),
                writer.only_writer(tmp_path),
            ):
                pass
            assert still_writes(first)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert (tmp_path / writer.NAME).exists()
        began = time.monotonic()
        with second_look("works" if not machine else lock), writer.only_writer(tmp_path) as second:
            second.check()
        took = time.monotonic() - began
        assert took < 0.9 if not machine else 1.0 <= took < 5.0
    assert os.listdir(tmp_path) == []


@contextmanager
def second_look(lock):
    """Where the lock says nothing, one that waits says so."""
    if lock == "works":
        yield
    else:
        with pytest.warns(UserWarning, match="has a writer that was not closed"):
            yield


def test_a_writer_that_slept_too_long_stops_before_it_publishes(tmp_path, monkeypatch, quick):
    break_lock("ENOLCK", monkeypatch.setattr)
    with process(tmp_path, "ENOLCK") as first:
        assert says(first) == "writing"
        first.send_signal(signal.SIGSTOP)
        with second_look("ENOLCK"), writer.only_writer(tmp_path) as second:
            second.check()
            first.send_signal(signal.SIGCONT)
            first.stdin.write("\n")
            first.stdin.flush()
            assert says(first).startswith("another process has taken over")
            first.wait()
            second.check()
            assert (tmp_path / writer.NAME).exists()
    assert os.listdir(tmp_path) == []


FOREIGN = {
    "empty": b"",
    "no JSON": b"\xff\xfe{",
    "a list": b"[1]",
    "deep": b"[" * 4000,
    "long": b" " * 10**6,
    "strange": json.dumps({"machine": 7, "process": "x", "began": [], "token": {}}).encode(),
    "large": json.dumps({"machine": "HERE", "process": 10**30, "began": ""}).encode(),
    "its own number": json.dumps({"machine": "HERE", "process": -1, "began": "1"}).encode(),
    "the year 9999": json.dumps({"machine": "there", "count": "9" * 12, "time": 10**18}).encode(),
}


@pytest.mark.parametrize("lock", ["works", "ENOLCK"])
@pytest.mark.parametrize("content", FOREIGN)
@pytest.mark.filterwarnings("ignore:.*has a writer that was not closed")
def test_no_file_locks_a_folder_for_ever(tmp_path, monkeypatch, quick, lock, content):
    break_lock(lock, monkeypatch.setattr)
    data = FOREIGN[content].replace(b"HERE", writer.machine().encode())
    (tmp_path / writer.NAME).write_bytes(data)
    os.utime(tmp_path / writer.NAME, (2**33, 2**33))
    with writer.only_writer(tmp_path) as one:
        one.check()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link"])
@pytest.mark.filterwarnings("ignore:.*has a writer that was not closed")
def test_what_is_no_file_locks_nothing_either(tmp_path, quick, kind):
    path = tmp_path / writer.NAME
    {"a folder": path.mkdir, "a pipe": lambda: os.mkfifo(path)}.get(
        kind, lambda: path.symlink_to("/dev/zero")
    )()
    with writer.only_writer(tmp_path) as one:
        one.check()
    assert os.listdir(tmp_path) == []


def test_a_file_that_cannot_be_closed_harms_nobody(tmp_path, monkeypatch):
    class ClosesBadly(io.BufferedWriter):
        def close(self):
            was_closed = self.closed
            super().close()
            if not was_closed:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files, "create", lambda path: ClosesBadly(io.FileIO(path, "x")))
    for _ in range(2):
        with writer.only_writer(tmp_path) as one:
            one.check()
    assert not list(tmp_path.iterdir())


def test_many_that_wait_for_one_dead_writer_never_write_together(tmp_path):
    """Whoever takes over, the others are refused or come later: `check` holds for one at a time."""
    (tmp_path / writer.NAME).write_text(json.dumps({"machine": "gone", "token": "x"}))
    processes = []
    try:
        for k in range(5):
            program = PROGRAM.format(root=str(ROOT), tests=str(Path(__file__).parent))
            words = [sys.executable, "-W", "ignore", "-c", program, "ENOLCK", f"m{k}"]
            processes.append(
                subprocess.Popen(
                    [*words, str(tmp_path)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        said = [says(one) for one in processes]
        writing = [one for one, word in zip(processes, said, strict=True) if word == "writing"]
        assert sum(still_writes(one) for one in writing) == 1
        refused = [word for word in said if word != "writing"]
        assert all("another process is writing to" in word for word in refused)
    finally:
        for one in processes:
            one.kill()
            one.wait()
            one.stdin.close()
            one.stdout.close()


def test_a_beginning_tells_processes_apart():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert writer._beginning(child.pid) not in ("", writer._beginning(os.getpid()))
        child.kill()
        deadline = time.monotonic() + 10
        while writer._beginning(child.pid) != "" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert writer._beginning(child.pid) == ""  # not yet waited for, and dead all the same
    assert writer._beginning(child.pid) == ""
