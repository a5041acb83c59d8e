"""A line that shows how far a long command is: live on a terminal, now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from bpjax.cli.output import warn

SECONDS_BETWEEN_LINES = 10.0


class ProgressLine:
    """A line on standard error that is rewritten on a terminal and repeated in a log file."""

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self.shown = time.monotonic() if not self.terminal else 0.0
        self.width = 0

    def show(self, text: str) -> None:
        """Show `text` if it is time to."""
        if not self.terminal and time.monotonic() - self.shown < SECONDS_BETWEEN_LINES:
            return
        self.shown = time.monotonic()
        end = "" if self.terminal else "\n"
        start = "\r" if self.terminal else ""
        warn(f"{start}{text:<{self.width}}", end=end)
        self.width = len(text) if self.terminal else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.width:
            warn("")


def rate(per_second: float) -> str:
    """Return a rate with a prefix.

    Example:
      >>> [rate(x) for x in (950, 5.31e6, 2e9)]
      ['950', '5.3 M', '2.0 G']
    """
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if per_second >= size:
            return f"{per_second / size:.1f} {prefix}"
    return f"{per_second:.0f}"
