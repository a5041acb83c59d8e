"""What a command says, and what happens if nobody can hear it: a full disk, a closed pipe.

Nothing that is said stops a command: it does its work, and its exit code tells in the end that the
words are lost.
"""

import contextlib
import io
import os
import sys
from typing import Any, TextIO

LOST_WORDS = 74
"""Exit code where standard output could not be written: EX_IOERR of sysexits.h."""

_lost: list[OSError] = []


def say(text: str = "") -> None:
    """Write a line to standard output, at once."""
    say_bytes(f"{text}\n")


def say_bytes(content: str | bytes) -> None:
    """Write to standard output what is written there as it is, at once."""
    if _lost:
        return
    try:
        if isinstance(content, str):
            sys.stdout.write(content)
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
        sys.stdout.flush()
    except OSError as fault:
        _lost.append(fault)
        _let_go(sys.stdout)


def warn(text: str, end: str = "\n") -> None:
    """Write a line to standard error, if there is one."""
    try:
        sys.stderr.write(text + end)
        sys.stderr.flush()
    except OSError:
        _let_go(sys.stderr)


def code_after_words(code: int) -> int:
    """Return the exit code of a command that ends with `code`, once all its words are out.

    Lost words are a fault of their own, unless it is their reader who has seen enough.
    """
    say_bytes("")
    if not _lost or isinstance(_lost[0], BrokenPipeError):
        return code
    warn(f"bpjax: standard output cannot be written ({_lost[0].strerror}).")
    return code or LOST_WORDS


@contextlib.contextmanager
def own_words() -> Any:
    """Begin with no words lost: for tests, which run several commands in one process."""
    _lost.clear()
    try:
        yield
    finally:
        _lost.clear()


def open_closed_streams() -> None:
    """Put something in the place of standard streams that are closed.

    Else the first file that is opened gets such a number, and whoever writes to standard output or
    error by its number, as compilers do, writes into it.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # the lowest free number: this one
    # What is open for reading alone refuses to be written: so lost words are noticed.
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)
    for stream in (sys.stdout, sys.stderr):  # a name that is no text, or a narrow encoding
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _let_go(stream: TextIO) -> None:
    """Send what a stream still holds, and all that follows, to where it is not missed.

    Python writes what is left when it ends, and would fail then.
    """
    with contextlib.suppress(OSError, io.UnsupportedOperation):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
