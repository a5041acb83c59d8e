"""Ctrl-C and SIGTERM: the command line stops at any moment, soon, and with its exit code.

An exception out of a signal handler can strike inside a callback of JAX, which drops it or crashes,
and no handler runs while the main thread is inside the compiler. So signals raise nothing here. The
system writes their numbers into a pipe, and a thread reads them and acts:

- As a rule it ends the process at once. Results files appear whole or not at all, and one that is
  being written is waited for, so nothing is lost and nothing is left behind.
- Where there is something to keep (`politely`) the main thread has `GRACE` seconds to come to a
  safe point, `check`, which raises `Stopped`; then it may take its time to store what has ended.
- The second signal ends the process at once, whatever it is doing.

Nothing is imported here that takes time: the handlers stand before anything else is loaded. Only
`install` changes anything, and only the entry point of the command line calls it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

GRACE = 3.0
"""Seconds in which the main thread must come to a safe point, or a file must be written."""
LOOK = 0.02
"""Seconds between two looks whether it has."""
INTERRUPTED = 128 + signal.SIGINT


class Stopped(KeyboardInterrupt):
    """A signal has come, and this is a safe point.

    Args:
      number: which signal.
    """

    def __init__(self, number: int = signal.SIGINT):
        super().__init__(number)
        self.code = 128 + number


class _State:
    """What the main thread and the watching one tell each other."""

    came: int | None = None
    """The first signal that came."""
    polite = False
    """Whether the main thread will look whether one came."""
    safe = False
    """Whether it has, and keeps what is to be kept."""
    words = "stopped"
    """What to say if the process is ended where it stands."""


_state = _State()


def install() -> None:
    """Let SIGINT and SIGTERM stop this process as described above; those ignored stay ignored."""
    ear, mouth = os.pipe()
    os.set_blocking(mouth, False)
    signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in a shell's background job
            signal.signal(number, lambda *_: None)
    import threading  # what comes in the meantime waits in the pipe

    threading.Thread(target=_watch, args=(ear,), daemon=True).start()


def say(words: str) -> None:
    """Set what is said if a signal ends the process from now on."""
    _state.words = words


def check() -> None:
    """Raise Stopped, once, if a signal has come: this is a safe point."""
    if _state.came is not None and not _state.safe:
        _state.safe = True
        raise Stopped(_state.came)


class politely:
    """A `with` block in which a signal is only noted until `check` is called, or for `GRACE`.

    Args:
      words: what to say if there is no safe point in time.
    """

    def __init__(self, words: str):
        self.words = words

    def __enter__(self) -> None:
        self.before = _state.words
        _state.words, _state.polite = self.words, True

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if error is None:
            check()
        _state.polite = False
        if error is None:
            check()  # one that came in between
            _state.words = self.before


def leave(code: int) -> None:
    """End the process with an exit code; after a signal without more ado.

    All is done and said: a signal that comes while Python takes itself apart has nothing to stop.
    Python would put the system's own handler back by then, whose exit code is another.
    """
    sys.stdout.flush()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if _state.came is not None:
        os._exit(code)
    sys.exit(code)


def _watch(ear: int) -> None:
    """Wait for a signal; end the process unless the main thread does, or when a second comes."""
    while not (number := _heard(ear, None)):
        pass
    _state.came = number
    try:
        if not _another(ear, GRACE, lambda: _state.safe or not _state.polite):
            if _state.safe:
                _another(ear, float("inf"), lambda: False)
            else:
                _another(ear, GRACE, _nothing_is_being_written)
        _say_at_once(_state.words)
    finally:
        os._exit(128 + number)


def _another(ear: int, seconds: float, done: Callable[[], bool]) -> bool:
    """Wait until something is done, but not for longer; return whether another signal came."""
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        if _heard(ear, LOOK):
            return True
    return False


def _heard(ear: int, seconds: float | None) -> int:
    """Return the number of a signal that has come, 0 if none comes in time."""
    there = select.select([ear], [], [], seconds)[0]
    number = os.read(ear, 1)[0] if there else 0
    return number if number in (signal.SIGINT, signal.SIGTERM) else 0


def _nothing_is_being_written() -> bool:
    """See to it that no file is being written from now on; return whether that was possible."""
    files = sys.modules.get("bpjax.results.files")
    publishing = getattr(files, "publishing", None)  # none while the module is being imported
    return publishing is None or publishing.acquire(blocking=False)


def _say_at_once(words: str) -> None:
    """Say something past the buffers, which the main thread may hold."""
    new_line = "\n" if os.isatty(2) else ""  # the terminal shows ^C, or a line of progress
    if select.select([], [2], [], 0.5)[1]:
        os.write(2, f"{new_line}{words}\n".encode(errors="replace"))
