"""The command line: `bpjax COMMAND ...`. Each command parses, calls one library function, prints.

Nothing here imports JAX until a command needs it, so help and mistakes answer at once.
"""

import importlib
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bpjax.cli.start import check_flags, why_no_start
from bpjax.errors import ResultsError, SettingError
from bpjax.version import __version__

COMMANDS = {
    "tasks": "list the tasks with network, recipe and source",
    "check": "hold the hand-derived gradient against jax.grad, differences and NumPy",
    "train": "train one run and watch it",
    "sweep": "train many runs; resumes where an earlier sweep stopped",
    "explain": "make a page of one run, to follow both passes step by step",
    "report": "write one HTML page about sweeps and runs",
    "export": "write a sweep's per-run table as csv or parquet",
    "verify": "check that a results folder is whole: every chunk intact, every seed once",
    "bench": "time this machine, beside other ways of writing the same training",
}

BAD_INPUT, INTERRUPTED, TERMINATED = 2, 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, to be treated like Ctrl-C."""


def entry_point() -> None:
    """Run the command line and leave with its exit code."""
    code = main()
    sys.stdout.flush()
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
      argv: the words after `bpjax`; None takes them from the command line.

    Returns:
      The exit code: 0; 1 if a check failed; 2 for bad input or a folder that cannot be used, with
      one sentence on standard error; 130 or 143 after Ctrl-C or SIGTERM.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"bpjax {__version__}")
        return 0
    command, *rest = words
    if command not in COMMANDS:
        return _complain(f"COMMAND must be one of {', '.join(COMMANDS)}, got {command!r}.")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            check_flags(command)
            return importlib.import_module(f"bpjax.cli.{command}").main(rest)
    except SettingError as error:
        return _complain(f"{_option(error.setting)} {error.rule}, got {error.value!r}.")
    except ResultsError as error:
        # These only fail on what they write to.
        return _complain(
            f"--out: {error}" if command in ("train", "sweep", "explain") else str(error)
        )
    except Terminated:
        return TERMINATED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `bpjax tasks | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as stop:  # tyro has printed its own help or complaint
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    except Exception as fault:
        if sentence := why_no_start(fault):
            return _complain(sentence)
        raise


@contextmanager
def stop_politely() -> Iterator[Callable[[], None]]:
    """Note Ctrl-C and SIGTERM, to be raised where it is safe; a second one kills at once.

    An exception out of a signal handler can strike inside a callback of JAX, which drops it or
    crashes.

    Yields:
      A function that raises KeyboardInterrupt or Terminated if a signal has come; to be called
      between two calls of the device.
    """
    came: list[int] = []

    def note(number: int, frame: Any) -> None:
        came.append(number)
        signal.signal(number, signal.SIG_DFL)

    def check() -> None:
        if came:
            raise Terminated if came[0] == signal.SIGTERM else KeyboardInterrupt

    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in old.items():
        if handler is not signal.SIG_IGN:  # a shell's background job is to ignore Ctrl-C
            signal.signal(number, note)
    try:
        yield check
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _help() -> str:
    lines = [f"  {name:<8} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: bpjax COMMAND ...",
            "",
            "The back-propagation experiments of 1986, for one network or for millions.",
            "",
            *lines,
            "",
            "`bpjax COMMAND --help` lists a command's options.",
        ]
    )


def _option(setting: str) -> str:
    from bpjax.cli.options import FLAGS

    if setting in FLAGS:
        return "--" + setting.replace("_", "-")
    return setting if setting.isupper() else f"--set {setting}"


def _complain(sentence: str) -> int:
    print(f"bpjax: {sentence}", file=sys.stderr)
    return BAD_INPUT


def _show_warning(message: Any, *rest: Any) -> None:
    print(f"bpjax: {message}", file=sys.stderr)
