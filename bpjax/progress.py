"""A line that says how far something long is: on a terminal, in a notebook, or in a log.

On a terminal one line is rewritten; it is shorter than the terminal is wide, so it never wraps. A
notebook has the same line below its cell. Elsewhere lines follow one another, now and then. rich
draws, and knows what terminals can do; it is loaded where there is something to draw.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from bpjax.errors import SettingError
from bpjax.text import rounded, shortened

SECONDS_BETWEEN_LINES = 10.0
"""Of a log."""
SECONDS_UNSEEN = 0.5
"""What has ended by then shows no line, unless one is asked for."""
WIDTH_OF_NOTEBOOK = 100
SHORTEST_BAR, LONGEST_BAR = 5, 20
ROOM_FOR_MORE = 15
"""Columns that a count leaves to what else there is to say."""


class Line(NamedTuple):
    """What a line of progress says.

    Attributes:
      done: how much is done.
      total: of how much.
      words: the count in words, with a place for each of them: "{} of {} runs".
      rest: what else there is to say; where there is no room, what comes later is left out.
    """

    done: int
    total: int
    words: str
    rest: tuple[str, ...] = ()


class Facts(Protocol):
    """Where something long stands: a named tuple with more facts of its own."""

    @property
    def done(self) -> int:
        """How many runs or epochs are done."""

    @property
    def total(self) -> int:
        """Of how many, at most."""

    @property
    def seconds(self) -> float:
        """How long that took."""

    def line(self) -> Line:
        """Return what a line of progress says of it."""


def fitted(line: Line, width: int) -> str:
    """Return as much of a line as `width` columns have room for, with shorter counts if need be.

    Example:
      >>> line = Line(1_234_567, 4_294_967_296, "{} of {} runs", ("3 h left", "97.1% solved"))
      >>> fitted(line, 80)
      '1,234,567 of 4,294,967,296 runs | 3 h left | 97.1% solved'
      >>> [fitted(line, width) for width in (39, 28, 10)]
      ['1.2 M of 4.3 G runs | 3 h left', '1.2 M of 4.3 G runs', '1.2 M o...']
    """
    at_the_end = line.words.format(f"{line.total:,}", f"{line.total:,}")
    write = "{:,}".format if len(at_the_end) + ROOM_FOR_MORE <= width else rounded
    text = shortened(line.words.format(write(line.done), write(line.total)), width)
    for part in line.rest:
        if len(text) + len(part) + 3 <= width:
            text += f" | {part}"
    return text


def is_attached() -> bool:
    """Tell whether somebody watches: standard error is a terminal, or this is a notebook."""
    return _in_notebook() or _is_watched()


@contextlib.contextmanager
def watching(
    progress: bool | Callable[[Any], object] | None,
) -> Iterator[Callable[[Any], object] | None]:
    """Yield what is to be told of every step, if anything.

    Args:
      progress: None shows a line where a terminal or a notebook is attached, True everywhere, False
        nowhere; or a function, which is called with `Facts`.

    Raises:
      SettingError: for anything else.
    """
    if callable(progress):
        yield progress
    elif progress is not None and not isinstance(progress, bool):
        raise SettingError("progress", "must be True, False, None or a function", progress)
    elif progress is False or (progress is None and not is_attached()):
        yield None
    else:
        with ProgressLine(always=progress is True) as line:
            yield lambda at: line.show(at.line())


def write_to_stderr(text: str) -> None:
    """Write to standard error; what nobody can hear stops no training."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # it is closed, or there is none
        sys.stderr.write(text)
        sys.stderr.flush()


class ProgressLine:
    """A line of progress, to be used in a `with` block.

    Args:
      write: takes what is drawn on a terminal or written to a log.
      always: show what is over at once too, and the end in a log.
    """

    def __init__(self, write: Callable[[str], object] = write_to_stderr, always: bool = False):
        self.write, self.always = write, always
        self.began = self.last = time.monotonic()
        self.unseen: Line | str | None = None
        if _in_notebook():
            self.place: _Terminal | _Notebook | None = _Notebook()
        else:
            self.place = _Terminal(write) if _is_terminal() else None

    def show(self, line: Line | str) -> None:
        """Show a line if it is time to."""
        now = time.monotonic()
        if self.place is not None and (self.always or now - self.began >= SECONDS_UNSEEN):
            self.place.draw(line)
        elif self.place is None and now - self.last >= SECONDS_BETWEEN_LINES:
            self._log(line)
            self.last = now
        else:
            self.unseen = line
            return
        self.unseen = None

    def _log(self, line: Line | str) -> None:
        room = _width() - 1 if _is_watched() else sys.maxsize
        self.write((shortened(line, room) if isinstance(line, str) else fitted(line, room)) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.place is not None:
            self.place.end()
        elif self.always and self.unseen is not None:
            self._log(self.unseen)


def _is_watched() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


def _is_terminal() -> bool:
    """Tell whether a line can be rewritten: not so on a terminal that is a mere list of lines."""
    return _is_watched() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def _width() -> int:
    """Return the columns of the terminal: what it says itself goes before what COLUMNS says."""
    with contextlib.suppress(OSError, ValueError):
        if columns := os.get_terminal_size(sys.stderr.fileno()).columns:
            return columns
    return shutil.get_terminal_size().columns


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return hasattr(ipython and ipython.get_ipython(), "kernel")


class _Terminal:
    """One line of a terminal. Its cursor stays: a process that is killed leaves it as it was."""

    def __init__(self, write: Callable[[str], object]):
        self.write, self.width = write, 0

    def draw(self, line: Line | str) -> None:
        room = _width() - 1
        console = _console(room)
        width = _print(console, line, room)
        self.write(f"\r{console.file.getvalue()}{' ' * (min(self.width, room) - width)}")
        self.width = width

    def end(self) -> None:
        if self.width:
            self.write("\n")


class _Notebook:
    """What stands below a cell of a notebook, as it is kept with it too."""

    def __init__(self) -> None:
        self.handle: Any = None

    def draw(self, line: Line | str) -> None:
        from IPython.display import display

        console = _console(WIDTH_OF_NOTEBOOK, record=True, color_system="truecolor")
        _print(console, line, WIDTH_OF_NOTEBOOK)
        text = console.export_text(clear=False)
        html = "<pre class='bpjax-progress' style='white-space:pre;margin:0'>{code}</pre>"
        page = console.export_html(inline_styles=True, code_format=html)
        content = {"text/plain": text, "text/html": page}
        if self.handle is None:
            self.handle = display(content, raw=True, display_id=True)
        else:
            self.handle.update(content, raw=True)

    def end(self) -> None:
        """Leave it as it is."""


def _console(room: int, **options: Any) -> Any:
    """Return what rich draws with; it writes nothing itself, and hides no cursor."""
    from rich.console import Console

    encoding = getattr(sys.stderr, "encoding", None)  # which characters there are
    return Console(
        file=type("Page", (io.StringIO,), {"encoding": encoding})(),
        width=room,
        highlight=False,
        force_terminal=True,
        force_jupyter=False,
        **options,
    )


def _print(console: Any, line: Line | str, room: int) -> int:
    """Print a line with a bar in front of it, without its end; return how wide it is."""
    if isinstance(line, str):
        text = shortened(line, room)
        console.print(text, end="", markup=False, soft_wrap=True)
        return len(text)
    text, at_the_end = fitted(line, room), fitted(line._replace(done=line.total), room)
    bar = min(room - max(map(len, (text, at_the_end))) - 1, LONGEST_BAR)
    if bar < SHORTEST_BAR:
        console.print(text, end="", markup=False, soft_wrap=True)
        return len(text)
    from rich.progress_bar import ProgressBar

    colours = ("none",) * 3 if console.no_color else ("bright_black", "cyan", "green")
    styles: Any = dict(zip(("style", "complete_style", "finished_style"), colours, strict=True))
    drawn = ProgressBar(max(line.total, 1), line.done, bar, **styles)
    console.print(drawn, f" {text}", sep="", end="", markup=False, soft_wrap=True)
    return bar + 1 + len(text)
