"""What can stand next on a command line: asked by a shell, which `bpjax completion` has set up.

argcomplete speaks with the shell, and walks an argument parser: one that is made here of the very
dataclasses that a command parses its words into. Nothing here loads JAX: a Tab waits for it.
"""

import argparse
import importlib
import os
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import argcomplete
import tyro
from argcomplete.completers import DirectoriesCompleter, FilesCompleter

from bpjax.bench.sizes import CASES, LARGER_CASES
from bpjax.cli import COMMANDS
from bpjax.cli.bench import SUITES
from bpjax.cli.completion import SHELLS
from bpjax.cli.options import REPEATABLE, Settings, Words
from bpjax.settings import SETTINGS, TASK_NAMES, settings_by
from bpjax.text import shortened

FORMATS = ("csv", "parquet")
FOLDER_OF_RESULTS = ("train", "sweep")
"""Commands whose --out is a folder."""
LONGEST_HELP = 60

_POSITIONAL = tyro.conf.Positional[int].__metadata__[0]  # type: ignore[attr-defined]


def answer() -> None:
    """Tell the shell that asks, by what argcomplete has put into the environment, and end."""
    line = os.environ.get("COMP_LINE", "")
    words = [*line.split(), *[""] * line[-1:].isspace()]
    shell = os.environ.get("_ARGCOMPLETE_SHELL", "")
    command = None if len(words) < 3 else words[1]
    if len(words) > 3 and words[1:3] == ["bench", "compare"]:
        command = "bench compare"
    parser = parser_of(command, shell)
    argcomplete.autocomplete(parser, always_complete_options=False)


def parser_of(command: str | None, shell: str = "bash") -> argparse.ArgumentParser:
    """Return a parser of all commands, in which one has its options.

    Args:
      command: which, "bench compare" among them; None while it is being written.
      shell: the one that asks; all but bash show what an option is, too.
    """
    parser = argparse.ArgumentParser(prog="bpjax")
    chosen, _, inner = (command or "").partition(" ")
    if chosen and chosen not in COMMANDS:
        return parser
    parser.add_argument("--version", action="store_true", help="show the version")
    commands = parser.add_subparsers()
    for name, help in COMMANDS.items():
        own = commands.add_parser(name, help=help)
        if name == chosen:
            if inner:
                own.add_argument("inner", help=argparse.SUPPRESS)
            module = f"bpjax.cli.{(command or '').replace(' ', '_')}"
            options = importlib.import_module(module).Options
            _add_options(own, command or "", options, {} if shell == "bash" else _helps(options))
    return parser


def _add_options(
    parser: argparse.ArgumentParser, command: str, options: Any, helps: Mapping[str, str]
) -> None:
    for option, hint in typing.get_type_hints(options, include_extras=True).items():
        if _is_settings(hint):
            _add_options(parser, command, Settings, helps)
            continue
        kind, *extras = typing.get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
        marks = getattr(hint, "__metadata__", extras)
        several = kind in (Words, tuple[str, ...]) and option not in REPEATABLE
        about: dict[str, Any] = {"help": shortened(helps.get(option, ""), LONGEST_HELP)}
        if kind is bool:
            about["action"] = "store_true"
        elif option in REPEATABLE:
            about["action"] = "append"
        elif several:
            about["nargs"] = "*"
        if _POSITIONAL in marks:
            action = parser.add_argument(option, **{"nargs": "?"} | about)
        else:
            action = parser.add_argument(f"--{option.replace('_', '-')}", dest=option, **about)
        action.completer = _completer(command, option)  # type: ignore[attr-defined]


def _is_settings(hint: Any) -> bool:
    return Settings in (hint, *typing.get_args(hint))


def _helps(options: Any) -> dict[str, str]:
    """Return what every option is, in words that a shell shows beside it."""
    from docstring_parser import parse_from_object

    settings = {setting.name: setting.help for setting in SETTINGS}
    settings["set"] = "Any other option of the task, as NAME=VALUE."
    own = {param.arg_name: param.description or "" for param in parse_from_object(options).params}
    return {
        name: " ".join(text.replace("%", "%%").split()) for name, text in (settings | own).items()
    }


def _completer(command: str, option: str) -> Any:
    """Return what proposes words of an option: a function as argcomplete calls it."""
    choices = {setting.name: setting.choices for setting in settings_by("flag")}
    choices |= {"format": FORMATS, "suite": SUITES, "case": (*CASES, *LARGER_CASES)}
    choices |= {"shell": SHELLS}
    if option in ("task", "tasks"):
        more = ("compare", *CASES, *LARGER_CASES) if command == "bench" else ()
        names = dict.fromkeys([*more, *TASK_NAMES])
        files = FilesCompleter(("toml", "py"))
        return lambda prefix, **_: [*names, *(files(prefix) if command != "tasks" else ())]
    if option == "records":
        return FilesCompleter(("json",))
    if option in ("folder", "folders") or (option == "out" and command in FOLDER_OF_RESULTS):
        return DirectoriesCompleter()
    if option == "config":
        return FilesCompleter(("toml",))
    if option == "set":
        return _of_set
    if option in ("out", "start") or (option == "json" and command == "bench"):
        return FilesCompleter()
    return lambda **_: choices.get(option, ())


def _of_set(prefix: str, **_: Any) -> Iterable[str]:
    """Propose NAME=, and behind it the values that have a name."""
    name = prefix.partition("=")[0]
    for setting in settings_by("set"):
        if "=" not in prefix:
            yield f"{setting.name}="
        elif setting.name == name:
            yield from (f"{name}={choice}" for choice in setting.choices)
