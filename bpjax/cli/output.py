"""What a command says, and what happens if nobody can hear it: a full disk, a closed pipe.

Nothing that is said stops a command: it does its work, and its exit code tells in the end that the
words are lost.
"""

from __future__ import annotations

import os
import re
import sys

from bpjax.errors import MOST_SHOWN, shown
from bpjax.text import printable, shortened

TYPE_CHECKING = False  # `typing` takes long to import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TextIO

    from bpjax.progress import ProgressLine

LOST_WORDS = 74
"""Exit code where standard output could not be written: EX_IOERR of sysexits.h."""

_lost: list[OSError] = []


def say(text: str = "") -> None:
    """Write lines to standard output, at once; what is no text in them, escaped."""
    say_raw("\n".join(map(printable, text.split("\n"))) + "\n")


def say_table(rows: Sequence[Sequence[str]]) -> None:
    """Write rows in columns that are as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        say("  " + "  ".join(cells).rstrip())


def share_text(share: Mapping[str, Any]) -> str:
    """Return a share of runs with its interval.

    Example:
      >>> share_text({"estimate": 0.9679, "low": 0.9643, "high": 0.9712})
      '96.79% (96.43% to 97.12%)'
    """
    return f"{share['estimate']:.2%} ({share['low']:.2%} to {share['high']:.2%})"


def say_raw(content: str | bytes) -> None:
    """Write to standard output, at once, as it is."""
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
        lose(fault)


def lose(fault: OSError) -> None:
    """Note that standard output cannot be written."""
    _lost.append(fault)
    _let_go(sys.stdout)


def warn(text: str, end: str = "\n") -> None:
    """Write a line to standard error, if there is one."""
    try:
        sys.stderr.write(text + end)
        sys.stderr.flush()
    except OSError:
        _let_go(sys.stderr)


def progress_line() -> ProgressLine:
    """Return a line of progress on standard error, if there is one."""
    from bpjax.progress import ProgressLine

    return ProgressLine(lambda text: warn(text, end=""))


def complain(sentence: str, words: Sequence[str] = ()) -> None:
    """Say on standard error what is wrong, repeating no more than a little of the command line.

    Args:
      sentence: one sentence.
      words: of the command line, which may stand in it.
    """
    long = [word for word in words if len(word) > MOST_SHOWN]
    for word in sorted(long, key=len, reverse=True):
        sentence = sentence.replace(word, shown(word))
    parts = re.split("( +)", sentence)
    warn(f"bpjax: {shortened(printable(''.join(map(shown, parts))), LONGEST_SENTENCE)}")


LONGEST_SENTENCE = 1500
"""Characters: rules that list all choices are long."""


def code_after_words(code: int) -> int:
    """Return the exit code of a command that ends with `code`, once all its words are out.

    Lost words are a fault of their own, unless it is their reader who has seen enough.
    """
    say_raw("")
    if not _lost:
        return code
    fault = _lost[0]
    _lost.clear()
    if isinstance(fault, BrokenPipeError):
        return code
    complain(f"standard output cannot be written ({fault.strerror}).")
    return code or LOST_WORDS


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
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
    for stream in (sys.stdout, sys.stderr):  # a name that is no text, or a narrow encoding
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _let_go(stream: TextIO) -> None:
    """Send what a stream still holds, and all that follows, to where it is not missed.

    Python writes what is left when it ends, and would fail then.
    """
    try:  # without contextlib: this is loaded before the handlers stand
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except OSError:  # a stream of a test has no number
        pass
