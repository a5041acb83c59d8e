"""One writer per folder, whatever the file system thinks of locks.

The system's lock on the folder goes with its process, however that dies. But some file systems
refuse it, some grant it to everybody, and some keep it from other machines. So a writer also makes
a file, `.bpjax-writer`, that nobody can make twice, and counts up in it every few seconds. One who
finds such a file

- takes it over at once if its process is known to be dead: it ran on this machine since its start,
  and either the lock, which works here, could be had, or the process is gone;
- refuses as soon as the count goes up;
- takes it over when the count has stood still for `PATIENCE` seconds of its own clock. Clocks of
  two machines are never compared, so a wrong one harms nobody.

A writer that has lost its file, because its machine slept for so long, publishes nothing more. And
should two write at once all the same, each file is still whole, and the next writer sorts them out.
"""

import json
import os
import secrets
import socket
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bpjax.errors import ResultsError
from bpjax.results import files

BEAT = 5.0
"""Seconds between two counts."""
PATIENCE = 30.0
"""Seconds without a count after which a writer counts as dead."""
POLL = 0.25
"""Seconds between two looks at another's file."""
NAME = ".bpjax-writer"

_MOST_BYTES = 4096


class Writer:
    """The right to write to a folder; see `only_writer`."""

    def __init__(self, folder: Path, lock_works: bool):
        self.path, self.lock_works = folder / NAME, lock_works
        self._beats, self._stop = 0, threading.Event()
        self._told = {
            "machine": machine(),
            "processes": _process_space(),
            "process": os.getpid(),
            "began": _beginning(os.getpid()),
            "token": secrets.token_hex(8),
        }
        self._file = self._take()
        self._own = os.fstat(self._file.fileno())
        self._thread = threading.Thread(target=self._count, name="bpjax-writer", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise a `ResultsError` if another process has taken over."""
        for wait in (0.1, 0.1, None):  # one that looks may have moved it away for a moment
            if self._is_own() or not self.path.parent.is_dir():  # what is published then says why
                return
            if wait:
                time.sleep(wait)
        raise ResultsError(
            f"another process has taken over {str(self.path.parent)!r}, since this one had not "
            f"been heard of for {PATIENCE:g} s; what it has stored is kept."
        )

    def release(self) -> None:
        """Give the right back."""
        self._stop.set()
        self._thread.join()
        try:
            if self._is_own():
                with suppress(OSError):
                    files.remove(self.path)
        finally:
            with suppress(OSError):  # all that it held is known, and its name is gone
                self._file.close()

    def _take(self) -> Any:
        seen, since = None, time.monotonic()
        while True:
            with files.explained("write to", self.path.parent):
                try:
                    file = files.create(self.path)
                except FileExistsError:
                    old = self._look()
                else:
                    try:
                        files.write(file, self._line())
                        files.sync(file)
                    except BaseException:
                        file.close()
                        with suppress(OSError):
                            files.remove(self.path)
                        raise
                    return file
            if old is None:
                continue
            if not self._is_dead(_told(old)):
                if seen not in (None, old):
                    raise self._refusal()
                if seen is None:
                    seen, since = old, time.monotonic()
                    self._say_that_it_waits()
                if time.monotonic() - since < PATIENCE:
                    time.sleep(POLL)
                    continue
            self._move_away(old)

    def _look(self) -> bytes | None:
        """Return what another's file holds, b"" if it cannot be read, None if it has gone."""
        try:
            return files.read(self.path, _MOST_BYTES)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return b""

    def _is_dead(self, told: Mapping[str, Any]) -> bool:
        if not told:  # its writer died before it wrote, or is about to and will find that it lost
            return self.lock_works
        if told.get("machine") != self._told["machine"]:
            return False
        if self.lock_works:
            return True
        if told.get("processes") != self._told["processes"]:
            return False
        process = told.get("process")
        return isinstance(process, int) and _beginning(process) not in ("?", told.get("began"))

    def _move_away(self, old: bytes) -> None:
        """Remove the file of a dead writer, but not one that somebody has just put there."""
        aside = self.path.with_name(f".bpjax-{secrets.token_hex(8)}.tmp")
        with files.explained("write to", self.path.parent), suppress(FileNotFoundError):
            files.replace(self.path, aside)
            try:
                moved = files.read(aside, _MOST_BYTES)
            except (IsADirectoryError, ValueError):
                moved = b""
            if _told(moved).get("token") != _told(old).get("token"):
                files.replace(aside, self.path)
            elif aside.is_dir():
                os.rmdir(aside)
            else:
                files.remove(aside)

    def _refusal(self) -> ResultsError:
        return ResultsError(
            f"another process is writing to {str(self.path.parent)!r}; wait until it is done."
        )

    def _say_that_it_waits(self) -> None:
        warnings.warn(
            f"{str(self.path.parent)!r} has a writer that was not closed; looking for up to "
            f"{PATIENCE:g} s whether it still writes",
            stacklevel=2,
        )

    def _is_own(self) -> bool:
        try:
            there = os.stat(self.path)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (self._own.st_dev, self._own.st_ino)

    def _line(self) -> bytes:
        """Return what the file holds, always as long as at first."""
        return json.dumps({**self._told, "count": f"{self._beats:012d}"}).encode() + b"\n"

    def _count(self) -> None:
        while not self._stop.wait(BEAT):
            self._beats += 1
            with suppress(OSError):  # `check` will find it if that is for good
                os.pwrite(self._file.fileno(), self._line(), 0)
                os.fsync(self._file.fileno())


@contextmanager
def only_writer(folder: Path) -> Iterator[Writer]:
    """Keep `folder` to this process for the length of a `with` block.

    Yields:
      A `Writer`, whose `check` is to be called before anything is published.

    Raises:
      ResultsError: if another process holds it, or it cannot be written to.
    """
    lock = _locked(folder)
    try:
        writer = Writer(folder, lock is not None and _is_kept_from_others(folder))
        try:
            yield writer
        finally:
            writer.release()
    finally:
        if lock is not None:
            os.close(lock)


def _locked(folder: Path) -> int | None:
    try:
        with files.explained("use", folder):
            return files.lock(folder)
    except ResultsError as fault:
        if isinstance(fault.__cause__, BlockingIOError):
            sentence = f"another process is writing to {str(folder)!r}; wait until it is done."
            raise ResultsError(sentence) from None
        raise


def _is_kept_from_others(folder: Path) -> bool:
    """Tell whether the lock that this process has keeps others out: some are granted to all."""
    try:
        second = files.lock(folder)
    except BlockingIOError:
        return True
    except OSError:
        return False
    if second is not None:
        os.close(second)
    return False


def machine() -> str:
    """Return a name for this machine between two starts, which no other machine has."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        start = ""
    return f"{socket.gethostname()} {start}"


def _process_space() -> str:
    """Return which numbers processes have: a container has its own."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _beginning(process: int) -> str:
    """Return when a process began, "" if there is none of this number, "?" if nobody says."""
    try:
        state, *rest = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        if os.path.exists("/proc/self/stat"):
            return ""
    except (OSError, ValueError):
        return "?"
    else:
        return "" if state in "ZX" else rest[18]
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except (OSError, OverflowError):
        return "?"
    return "?"


def _told(data: bytes) -> Mapping[str, Any]:
    """Return what a writer's file says, nothing if it says nothing that can be understood."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
