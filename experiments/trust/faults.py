"""P1: every call to the disk of every command fails once, in every way; then the same bytes.

The calls of an undisturbed command are counted. Then, for each call and each way to fail, the
command begins from the same folder and meets that one failure: the process ends before the call,
half-way through it or after it; the system reports a bad disk, a full one, a full quota or too many
open files; a write is short, or garbled, and nobody says so; a file cannot be closed. The command
must end as if killed, or with exit code 2 and one sentence, or do without the call. Then the same
command on a healthy disk must leave the bytes that an undisturbed one leaves.
"""

import contextlib
import errno
import importlib
import io
import os
import pkgutil
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import bpjax
from bpjax.results import files
from bpjax.sweeps import crew, host_loop
from experiments.trust.suite import bpjax_here

STEPS = (
    "listing", "read", "create", "write", "sync",
    "replace", "remove", "make", "sync_folder", "lock",
)  # fmt: skip
"""The functions of `bpjax.results.files` that touch the disk."""
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EMFILE")
WAYS = ("before", "half", "after", *ERRORS, "short", "garbled", "close")
ONLY = {"half": "write", "short": "write", "garbled": "write", "close": "create"}
"""Ways to fail that only one step knows."""
SETTINGS = ("--max-epochs", "150", "--learning-rate", "1", "--init-range", "1", "--no-figures")


class Kill(BaseException):
    """Ends the command like SIGKILL: nothing that it tries afterwards reaches the disk."""


class Command(NamedTuple):
    """A command, the folder it begins with, and what it must leave.

    Attributes:
      words: of the command line.
      prepared: makes the folder, which is the working directory.
      left: reads what must be the same in the end.
    """

    words: Sequence[str]
    prepared: Callable[[], None]
    left: Callable[[], Any]


def measure(full: bool) -> dict[str, Any]:
    """Let every call fail in every way; of the quick version, some of them."""
    faults: list[str] = []
    tried = dict.fromkeys(COMMANDS, 0)
    calls = {}
    _import_all()  # what is imported while a disk is attached would keep it
    with tempfile.TemporaryDirectory() as place, small_chunks():
        for name, command in COMMANDS.items():
            here = Path(place) / name.replace(" ", "-")
            begin, truth, steps = _undisturbed(here, command)
            calls[name] = len(steps)
            attacks = [
                (number, way)
                for number, step in enumerate(steps)
                for way in WAYS
                if ONLY.get(way, step) == step
            ]
            for number, way in attacks if full else attacks[:: max(1, len(attacks) // 12)]:
                tried[name] += 1
                if fault := _attack(here / "tried", begin, command, number, way, truth, steps):
                    faults.append(f"{name}, call {number} ({steps[number]}), {way}: {fault}")
    counted = ", ".join(f"{name} {number}" for name, number in calls.items())
    return {
        "tried": sum(tried.values()),
        "failed": len(faults),
        "words": f"{sum(tried.values()):,} failures of single calls to the disk ({counted} calls; "
        "process ended before, within and after; bad disk, full disk, full quota, no more files; "
        f"short and garbled writes, failing close): {len(faults)} did not resume to the same bytes "
        "or did not say what had happened.",
        "off": faults[:20],
        "by_command": tried,
    }


def _import_all() -> None:
    for module in pkgutil.walk_packages(bpjax.__path__, "bpjax."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


@contextlib.contextmanager
def small_chunks() -> Iterator[None]:
    """Let sweeps store after every call, and make calls so short that there are several."""
    with (
        mock.patch.dict(vars(host_loop), {"SECONDS_PER_CHUNK": 0.0}),
        mock.patch.dict(vars(crew), {"FIRST_CALL": 40}),
        mock.patch.object(crew.Crew, "_pace"),
    ):
        yield


# ---- the commands --------------------------------------------------------------------------------


def _nothing() -> None:
    pass


def _swept(*words: str) -> Callable[[], None]:
    def prepare() -> None:
        assert _run(["sweep", "xor", "--seeds", "40", *words, *SETTINGS, "--out", "sweep"])[0] == 0

    return prepare


def _stopped() -> None:
    """Leave a sweep that was killed: a chunk is damaged, one has vanished, rubbish lies around."""
    _swept()()
    first, second, *_ = sorted(Path("sweep/chunks").iterdir())
    first.write_bytes(first.read_bytes()[:-1])
    second.unlink()
    Path("sweep/summary.json").unlink()
    Path("sweep/chunks/.bpjax-00.tmp").write_bytes(b"half a chunk")


def _table() -> Any:
    from bpjax.results.export import table_bytes
    from bpjax.results.store import read_runs, verify

    rubbish = [path.name for path in Path("sweep").rglob("*") if files.is_temporary(path.name)]
    return table_bytes(read_runs("sweep")), verify("sweep").ok, rubbish


def _contents(*names: str) -> Callable[[], Any]:
    return lambda: [Path(name).read_bytes() for name in names]


def _sweep(*words: str) -> tuple[str, ...]:
    return ("sweep", "xor", "--seeds", "40", *words, *SETTINGS, "--out", "sweep")


COMMANDS = {
    "sweep": Command(_sweep(), _nothing, _table),
    "sweep of counts": Command(_sweep("--summary-only"), _nothing, _table),
    "resume": Command(_sweep(), _stopped, _table),
    "train": Command(
        ("train", "xor", "--seed", "3", *SETTINGS, "--out", "run"),
        _nothing,
        _contents("run/history.csv", "run/weights.npz"),
    ),
    "export": Command(("export", "sweep", "--out", "runs.csv"), _swept(), _contents("runs.csv")),
    "export of counts": Command(
        ("export", "sweep", "--out", "runs.csv"), _swept("--summary-only"), _contents("runs.csv")
    ),
    "report": Command(
        ("report", "sweep", "--out", "report.html"), _swept(), lambda: _page("report.html")
    ),
}


def _page(file: str) -> str:
    """Return a page without the time at which it was made."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?( UTC)?", "", Path(file).read_text())


# ---- an attack -----------------------------------------------------------------------------------


def _undisturbed(here: Path, command: Command) -> tuple[Path, Any, list[str]]:
    """Return the folder to begin with, what the command leaves, and its calls to the disk."""
    begin, done = here / "begin", here / "done"
    begin.mkdir(parents=True)
    with contextlib.chdir(begin):
        command.prepared()
    shutil.copytree(begin, done)
    with contextlib.chdir(done):
        disk = Disk(-1, "")
        with disk.attached():
            code, words = _run(command.words)
        assert code == 0, words
        return begin, command.left(), disk.steps


def _attack(
    here: Path,
    begin: Path,
    command: Command,
    number: int,
    way: str,
    truth: Any,
    steps: Sequence[str],
) -> str:
    """Return what is wrong, "" if nothing is."""
    shutil.rmtree(here, ignore_errors=True)
    shutil.copytree(begin, here)
    with contextlib.chdir(here):
        disk = Disk(number, way)
        try:
            with disk.attached():
                code, words = _run(command.words)
        except Kill:
            pass
        except BaseException as fault:
            return f"it ended with {type(fault).__name__}: {fault}"
        else:
            if disk.dead or code not in (0, 2) or (code == 2 and words.count("\n") != 1):
                return f"code {code}: {words[-300:]!r}"
        if disk.steps[: number + 1] != steps[: number + 1]:
            return "it took other steps than undisturbed, so that another one failed"
        code, words = _run(command.words)
        if code:
            return f"the same command on a healthy disk ended with {code}: {words[-300:]!r}"
        return "" if command.left() == truth else "other bytes in the end"


def _run(words: Sequence[str]) -> tuple[int, str]:
    """Run a command in this process; return its exit code and what it said, but for warnings."""
    ended = bpjax_here(*words)
    told = [line for line in ended.err.splitlines(keepends=True) if not _is_note(line)]
    return ended.code, "".join(told)


def _is_note(line: str) -> bool:
    return "is damaged and computed again" in line or "is not used:" in line


class Disk:
    """Replaces the steps of `files`: counts them, and lets one fail.

    Args:
      number: of the call that fails.
      way: how.
    """

    def __init__(self, number: int, way: str):
        self.number, self.way = number, way
        self.steps: list[str] = []
        self.dead = False

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """Use this disk."""
        steps = {name: self._step(name, getattr(files, name)) for name in STEPS}
        with mock.patch.dict(vars(files), steps):
            yield

    def _step(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any) -> Any:
            if self.dead:
                raise Kill
            self.steps.append(name)
            if len(self.steps) - 1 == self.number:
                return self._fail(name, real, arguments)
            return real(*arguments) if name not in ("sync", "sync_folder") else None  # no effect

        return stepped

    def _fail(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if self.way == "close":
            return _ClosesBadly(io.FileIO(arguments[0], "x"))
        if name == "write" and self.way not in ("before", "after"):
            file, data = arguments
            if self.way == "garbled":
                return real(file, bytes(data[:-1]) + bytes([data[-1] ^ 4]))
            real(file, data[: len(data) // 2])
            if self.way == "short":
                return None
        if self.way in ERRORS:
            number = getattr(errno, self.way)
            raise OSError(number, os.strerror(number))
        self.dead = True
        if self.way == "after":
            result = real(*arguments)
            if name == "create":
                result.close()
            if name == "lock" and result is not None:
                os.close(result)  # as the system does
        raise Kill


class _ClosesBadly(io.BufferedWriter):
    """A file that is closed, and says that it could not be."""

    def close(self) -> None:
        was_closed = self.closed
        super().close()
        if not was_closed:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
