"""Ctrl-C and SIGTERM in a process of its own: at any moment, once and twice (trust P13, P18)."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bpjax
from bpjax.cli import main

SOURCE = Path(bpjax.__file__).parents[1]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
LONG = "sweep xor --seeds 100000000 --no-figures --out here"


STARTED = []


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    while STARTED:
        with STARTED.pop() as process:
            process.kill()


def start(words, folder, before=""):
    """Start `bpjax`, SIGINT not ignored as in a shell's background, after the lines of `before`."""
    program = (
        f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{before}\n"
        "from bpjax.cli import entry_point; entry_point()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words.split()],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCE), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    STARTED.append(process)
    return process


def handlers_stand(process):
    """Tell whether a process catches SIGTERM: Python itself does not."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("this system does not tell which signals a process catches")
    (mask,) = (line.split()[1] for line in status.read_text().splitlines() if "SigCgt" in line)
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


def wait_for(event, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not event():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def end_of(process, seconds=30):
    """Return exit code, standard error and how long a process took to end."""
    began = time.monotonic()
    _, errors = process.communicate(timeout=seconds)
    return process.returncode, errors, time.monotonic() - began


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("wait", [0, 0.2, 0.7])
def test_a_signal_while_python_imports_ends_the_command(number, wait, tmp_path):
    process = start(LONG, tmp_path)
    wait_for(lambda: handlers_stand(process), process)
    time.sleep(wait)
    process.send_signal(number)
    code, errors, seconds = end_of(process)
    assert (code, seconds < 5) == (CODES[number], True)
    assert errors.startswith("stopped")
    assert len(errors.splitlines()) == 1


COMMAND = """
import sys, threading, time, types
import bpjax.cli
from bpjax.cli import stopping

def main(words):
    {}

stopping.GRACE = {}
sys.modules["bpjax.cli.sweep"] = command = types.ModuleType("sweep")
command.main = main
"""
"""A command in the place of `bpjax sweep` that loads nothing, and does what is to be seen."""
POLITE = """
    with stopping.politely("found no safe point"):
        print("here", flush=True)
        {}
"""
STUCK = POLITE.format("lock = threading.Lock(); lock.acquire(); lock.acquire()")
"""No handler in Python ends this, like a compilation."""
KEEPS = """
        try:
            while True: stopping.check(); time.sleep(0.01)
        finally:
            time.sleep({}); print("kept", flush=True)
"""


def start_ours(body, grace, folder):
    process = start("sweep", folder, COMMAND.format(body, grace))
    assert process.stdout.readline() == "here\n"
    return process


@pytest.mark.parametrize("number", CODES)
def test_where_there_is_no_safe_point_the_process_ends_all_the_same(number, tmp_path):
    process = start_ours(STUCK, 0.3, tmp_path)
    process.send_signal(number)
    code, errors, seconds = end_of(process)
    assert (code, errors) == (CODES[number], "found no safe point\n")
    assert 0.3 < seconds < 5


@pytest.mark.parametrize("numbers", [[signal.SIGTERM] * 2, [signal.SIGINT, signal.SIGTERM]])
def test_the_second_signal_ends_the_process_at_once(numbers, tmp_path):
    process = start_ours(STUCK, 1000, tmp_path)
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.1)
    code, _, seconds = end_of(process)
    assert (code, seconds < 5) == (CODES[numbers[0]], True)


def test_what_is_being_kept_is_waited_for(tmp_path):
    process = start_ours(POLITE.format(KEEPS.format(1)), 0.1, tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "kept\n", "long after the grace"
    assert end_of(process)[:2] == (143, "")


def test_what_is_being_kept_is_not_waited_for_at_the_second_signal(tmp_path):
    process = start_ours(POLITE.format(KEEPS.format(1000)), 0.1, tmp_path)
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    code, _, seconds = end_of(process)
    assert (code, seconds < 5) == (143, True)


def test_a_signal_that_nobody_looked_for_stops_at_the_end_of_what_is_polite(tmp_path):
    process = start_ours(POLITE.format("time.sleep(1)"), 1000, tmp_path)
    process.send_signal(signal.SIGINT)
    assert end_of(process)[:2] == (130, "")


def test_a_file_that_is_being_written_is_waited_for(tmp_path):
    writes = """
    import pathlib, bpjax.results.files as files
    sync = files.sync
    def slow(file):
        print("here", flush=True); time.sleep(0.5); sync(file)
    files.sync = slow
    files.publish(pathlib.Path("file"), b"whole")
    time.sleep(1000)
"""
    process = start_ours(writes, 20, tmp_path)
    process.send_signal(signal.SIGTERM)
    assert end_of(process)[:2] == (143, "stopped\n")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"whole"}


def test_a_background_job_goes_on_at_ctrl_c(tmp_path):
    program = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    process = start("sweep xor --seeds 100 --no-figures --out here", tmp_path, program)
    wait_for(lambda: handlers_stand(process), process)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    assert end_of(process, 240)[0] == 0
    assert (tmp_path / "here/summary.json").exists()


LONG_CALLS = """
import bpjax.sweeps.crew as crew
crew.FIRST_CALL = crew.FIRST_WORK = 10**12
wait = crew.Crew._await

def show(self, report, num_epochs):
    if num_epochs:
        print("waits", flush=True)
    wait(self, report, num_epochs)

crew.Crew._await = show
"""


def test_a_long_call_of_the_devices_is_not_waited_for(tmp_path):
    """As one epoch of a large net is: here, the first call is to make all epochs."""
    words = "sweep parity --max-epochs 100000000 --learning-rate 1e-9 --no-figures --out here"
    process = start(words, tmp_path, LONG_CALLS)
    assert process.stdout.readline() == "waits\n"
    process.send_signal(signal.SIGINT)
    code, errors, seconds = end_of(process)
    assert (code, seconds < 2.5) == (130, True), errors
    assert errors.splitlines()[-1].startswith("stopped before the first run had ended. "), errors


def test_python_keeps_its_own_handlers():
    before = [signal.getsignal(number) for number in CODES]
    bpjax.sweep(bpjax.tasks.xor(), 3, max_epochs=3)
    assert main(["verify", "nowhere"]) == 2
    assert before == [signal.getsignal(number) for number in CODES]
    assert signal.set_wakeup_fd(-1) == -1


def test_little_is_loaded_before_the_handlers_stand():
    program = (
        "import sys; before = set(sys.modules); import bpjax.cli\n"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    path = {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, env=path, check=True
    )
    assert not {"typing", "threading", "contextlib", "json", "numpy"} & set(done.stdout.split())


LEAVING = """
import atexit, os, sys, time
from bpjax.cli import stopping

stopping.install()
atexit.register(time.sleep, 0.3)
atexit.register(os.kill, os.getpid(), int(sys.argv[1]))
stopping.leave(7)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_python_takes_itself_apart_changes_no_exit_code(number):
    done = subprocess.run([sys.executable, "-c", LEAVING, str(int(number))], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"")


IMPORTING = """
import os, signal, sys, time, types
from bpjax.cli import stopping

stopping.install()
sys.modules["bpjax.results.files"] = types.ModuleType("bpjax.results.files")  # so far empty
os.kill(os.getpid(), signal.SIGINT)
time.sleep(10)
"""


def test_a_signal_while_the_module_that_writes_is_being_imported_ends_the_command():
    done = subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")
