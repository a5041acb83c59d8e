"""The command line: `bpjax COMMAND ...`. Each command parses, calls one library function, prints.

Nothing here imports JAX until a command needs it, so help and mistakes answer at once.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings

from bpjax.cli import stopping
from bpjax.cli.output import code_after_words, complain, open_closed_streams, say
from bpjax.cli.stopping import INTERRUPTED, Stopped
from bpjax.errors import ExperimentError, ResultsError, SettingError
from bpjax.version import __version__

TYPE_CHECKING = False  # `typing` takes as long as all the rest
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

COMMANDS = {
    "tasks": "list the tasks with network, recipe and source",
    "new": "write an experiment file of your own to start from",
    "check": "hold the hand-derived gradient against jax.grad, differences and NumPy",
    "train": "train one run and watch it",
    "sweep": "train many runs; resumes where an earlier sweep stopped",
    "plan": "say how many seeds a question is likely to need, and how long, from a pilot",
    "explain": "make a page of one run, to follow both passes step by step",
    "report": "write one HTML page about sweeps and runs",
    "compare": "hold settings against one another over the same seeds, run by run",
    "export": "write a sweep's per-run table as csv or parquet",
    "verify": "check that a results folder is whole: every chunk intact, every seed once",
    "bench": "time this machine, beside other ways of writing the same training",
    "completion": "print the script for the Tab key of bash, zsh or fish",
}

BAD_INPUT = 2

START, START_PER_CORE = 1_400_000_000, 300_000_000
"""Bytes of address space that JAX, which aborts without, takes before it does anything: measured
as 1.7 GB with two cores; every further thread has a stack, and an arena of the allocator."""


def entry_point() -> None:
    """Run the command line and leave with its exit code, at any moment at SIGINT or SIGTERM."""
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what can stand next
        from bpjax.cli.completing import answer

        answer()
    open_closed_streams()
    stopping.install()
    stopping.leave(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
      argv: the words after `bpjax`; None takes them from the command line.

    Returns:
      The exit code: 0; 1 if a check failed, or seeds came to an end before `--until` was reached; 2
      for bad input or a folder that cannot be used, with one sentence on standard error; 3 if
      `bench` found no GPU that it was to measure; 74 if all went well but standard output could not
      be written; 130 or 143 after Ctrl-C or SIGTERM.
    """
    return code_after_words(_run(list(sys.argv[1:] if argv is None else argv)))


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        say(_help())
        return 0
    if words[0] in ("-V", "--version"):
        say(f"bpjax {__version__}")
        return 0
    command, *rest = words

    def bad(sentence: str) -> int:
        complain(sentence, words)
        return BAD_INPUT

    if command not in COMMANDS:
        rule = f"must be one of {', '.join(COMMANDS)}"
        return bad(f"COMMAND {SettingError('COMMAND', rule, command, COMMANDS).rest}")
    try:
        if command not in ("tasks", "completion"):
            check_limits()
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            from bpjax.cli.start import check_flags

            check_flags(command)
            return importlib.import_module(f"bpjax.cli.{command}").main(rest)
    except ExperimentError as error:
        return bad(str(error))
    except SettingError as error:
        return bad(f"{_option(error.setting)} {error.rest}")
    except ResultsError as error:
        # These only fail on what they write to.
        return bad(f"--out: {error}" if command in ("train", "sweep", "explain") else str(error))
    except Stopped as stop:
        return stop.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError as fault:
        return bad(str(fault) or "there is not enough memory for this.")
    except RuntimeError as fault:  # as JAX says it
        if "RESOURCE_EXHAUSTED" not in str(fault):
            raise
        return bad("there is not enough memory on the device for this.")
    except SystemExit as stop:  # tyro has printed its own help or complaint
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    except Exception as fault:
        from bpjax.cli.start import why_no_start

        if sentence := why_no_start(fault):
            return bad(sentence)
        raise


def check_limits() -> None:
    """Raise MemoryError if a limit of this process is too tight for JAX, which would abort."""
    try:
        import resource
    except ImportError:  # not a POSIX system: it limits no single process
        return
    needed = START + (os.cpu_count() or 1) * START_PER_CORE
    limits = {"-v": (resource.RLIMIT_AS, needed), "-d": (resource.RLIMIT_DATA, needed // 2)}
    for option, (kind, least) in limits.items():
        bound = resource.getrlimit(kind)[0]
        if bound != resource.RLIM_INFINITY and bound < least:
            raise MemoryError(
                f"this process may use only {bound / 1e6:,.0f} MB (ulimit {option}), and starting "
                f"takes about {least / 1e6:,.0f} MB here."
            )


def _help() -> str:
    lines = [f"  {name:<10} {text}" for name, text in COMMANDS.items()]
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
    from bpjax.cli.options import options_of

    modules = (importlib.import_module(f"bpjax.cli.{command}") for command in COMMANDS)
    if any(setting in options_of(module.Options) for module in modules):
        return "--" + setting.replace("_", "-")
    if setting == "grid":
        return "the grid"
    return setting if setting.isupper() else f"--set {setting}"


def _show_warning(message: Any, *rest: Any) -> None:
    complain(str(message))
