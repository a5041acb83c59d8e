"""Options that `train` and `sweep` share, and how their words become values.

Every option arrives as text, from the command line or from a TOML file, and is turned into a value
here, so that whatever is wrong with it is said in one sentence that names the option.
"""

import contextlib
import dataclasses
import io
import math
import shlex
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import tyro

from bpjax.cli.output import complain, lose
from bpjax.cli.words import MOST_POINTS, literal, numbers, whole, whole_numbers
from bpjax.errors import SettingError, nearest, shown
from bpjax.settings import Setting, settings_by

Words = tuple[str, ...] | None


def arg(metavar: str, default: str, words: str | None = None) -> Any:
    """Return how an option shows in the help; its words may also stand below its field."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})", help=words)


Task = tyro.conf.Positional[
    Annotated[str | None, tyro.conf.arg(metavar="TASK", help_behavior_hint="")]
]
"""The task of a command; left out where the file of --config names it."""

Folders = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="DIR [DIR ...]")]]
"""The results folders of a command; `check_folders` asks for one at least."""


def check_folders(folders: Sequence[str]) -> None:
    """Raise SettingError unless a command is given a results folder."""
    if not folders:
        raise SettingError("DIR", "must name at least one results folder", "none")


def _words(setting: Setting) -> tuple[str, Any, Any]:
    """Return the field of a setting that is a flag."""
    metavars = {"number": "X", "whole number": "N", "name": "NAME", "file": "FILE[:SEED]"}
    metavar = metavars[setting.kind]
    kind = Words if setting.several else str | None
    shown = arg(metavar + " ..." * setting.several, setting.default, setting.help)
    return setting.name, Annotated[kind, shown], None  # type: ignore[valid-type]


_EXAMPLES = ", ".join(f"{setting.name}={setting.help}" for setting in settings_by("set"))
_SET = tyro.conf.arg(
    metavar="NAME=VALUE",
    help_behavior_hint="(repeatable)",
    help=f"Any other option of the task (`bpjax tasks NAME` lists them), or {_EXAMPLES}. Commas "
    "make a grid: bits=3,4,5.",
)
_FIELDS = [
    *map(_words, settings_by("flag", "task", "net", "recipe", "start", "criterion")),
    ("set", Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], _SET], ()),
    *map(_words, settings_by("flag", "sweep")),
]
Settings: Any = dataclasses.make_dataclass("Settings", _FIELDS, frozen=True)
Settings.__doc__ = (
    "Settings of the task. A list, or a range like 0.1:10:log25 or 0:0.9:lin10, makes a grid."
)

if typing.TYPE_CHECKING:
    OfTask = Any
else:
    OfTask = tyro.conf.OmitArgPrefixes[Settings]

_POSITIONAL = {"task": "TASK", "experiment": "NAME", "shell": "SHELL"}
"""What stands for a word in the help, by the name of its field."""
REPEATABLE = ("set",)
"""Options that may be given several times."""

Options = TypeVar("Options")


# ---- the command line ----------------------------------------------------------------------------


def parse(command: type[Options], name: str, words: Sequence[str]) -> Options:
    """Parse the words after `bpjax NAME` into the options of a command.

    Raises:
      SettingError: for an option that is given twice, or empty.
      SystemExit: with 0 after `--help`, with 2 after one sentence on what is wrong with the words.
    """
    _check_options(command, name, words)
    conf = (tyro.conf.FlagCreatePairsOff,)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options = tyro.cli(command, prog=f"bpjax {name}", args=list(words), config=conf)
    except SystemExit as stop:
        if stop.code:
            sentence = shown(_sentence(complaint.getvalue()))
            complain(f"{sentence} See `bpjax {name} --help`.", words)
        raise
    except OSError as fault:  # the help could not be written
        lose(fault)
        raise SystemExit(0) from None
    for option in options_of(command):
        if getattr(options, option, None) == "":
            raise SettingError(_POSITIONAL.get(option, option), "must not be empty", "")
    return options


def options_of(command: type[Any]) -> dict[str, Any]:
    """Return the types of a command's options by Python name, those of `Settings` among them.

    Example:
      >>> options_of(Settings)["max_epochs"], options_of(Settings)["hidden"] == Words
      (str | None, True)
    """
    found: dict[str, Any] = {}
    for option, kind in typing.get_type_hints(command).items():
        found |= options_of(Settings) if kind is Settings else {option: kind}
    return found


def _check_options(command: type[Any], name: str, words: Sequence[str]) -> None:
    """Stop at an unknown option, or at one of which only the last would count."""
    known = {f"--{option.replace('_', '-')}": option for option in options_of(command)}
    known |= {"--help": "help"}
    seen: set[str] = set()
    for word in words:
        if not word.startswith("--"):
            continue
        flag = word.partition("=")[0].replace("_", "-")
        if flag not in known:
            near = nearest(flag, known)
            perhaps = f" Perhaps {near}?" if near else ""
            sentence = f"Unrecognized options: {shown(flag)}.{perhaps}"
            complain(f"{sentence} See `bpjax {name} --help`.", words)
            raise SystemExit(2)
        if flag in seen and known[flag] not in REPEATABLE:
            raise SettingError(known[flag], "must not be given twice", list(words))
        seen.add(flag)


def _sentence(box: str) -> str:
    """Return what tyro says in a box of several lines, without title and advice, as one line."""
    lines = box.splitlines()
    rules = [k for k, line in enumerate(lines) if line[:1] == "╭" or not line.strip(" │-─")]
    text = lines[rules[0] + 1 : rules[1]] if len(rules) > 1 else lines
    return " ".join(line.strip(" │") for line in text).rstrip(".") + "."


# ---- options to arguments of the library --------------------------------------------------------


def task_variants(
    name: str | None, settings: Any, zipped: bool = False
) -> tuple[list[Any], dict[str, Any]]:
    """Return the task's variants, and the settings of the recipe or criterion to apply to them.

    Structural options (`--hidden`, most of `--set`) make variants of the task; the rest becomes
    keyword arguments of `bpjax.sweep` or `bpjax.train`, lists where a grid was asked for. With
    `zipped` several options make no product: each has one value, or one for every variant.
    """
    import itertools

    from bpjax.experiment.makers import maker_of

    if name is None:
        raise SettingError("TASK", "must be named, here or as `task` in the file of --config", None)
    maker = maker_of(name)  # an unknown task is the first thing to say
    options, others = _from_set(settings.set)
    for setting in settings_by("flag"):
        words = getattr(settings, setting.name)
        if words is None:
            continue
        values = _values(setting, words)
        if setting.of == "start":
            if "initializer" in others:
                rule = "cannot go with a distribution of draws in --set"
                raise SettingError(setting.name, rule, list(words))
            others["initializer"] = values
        elif setting.of != "task":
            others[setting.name] = values
        elif setting.name in options:
            raise SettingError(setting.name, "must not be given twice", words)
        else:
            options[setting.name] = values if isinstance(values, list) else [values]
    for option, values in options.items():
        if not values or (len(set(values)) < len(values) and not zipped):
            rule = "must have a value" if not values else "must not have a value twice"
            raise SettingError(option, rule, values)
    number = max(map(len, options.values()), default=1)
    if zipped:
        lengths = {option: len(values) for option, values in options.items() if len(values) > 1}
        if len({*lengths.values()}) > 1:
            raise SettingError("zipped", "must have lists of one length", lengths)
        options = {
            option: values * (number if len(values) == 1 else 1)
            for option, values in options.items()
        }
    elif math.prod(map(len, options.values())) > MOST_POINTS:
        rule = f"must make at most {MOST_POINTS:,} variants of the task"
        raise SettingError(next(iter(options)), rule, options)
    values = options.values()
    points = zip(*values, strict=True) if zipped and options else itertools.product(*values)
    made: dict[str, Any] = {}  # rows of a table may be of one variant
    variants = []
    for point in points:
        if (key := repr(point)) not in made:
            made[key] = maker.make(**dict(zip(options, point, strict=True)))
        variants.append(made[key])
    if isinstance(drawn := others.get("initializer"), dict):
        others["initializer"] = _drawn_otherwise(variants, drawn)
    return variants, others


def _drawn_otherwise(variants: Sequence[Any], changes: Mapping[str, Any]) -> Any:
    """Return the initialiser of the variants with some of its settings replaced."""
    from bpjax.starts.initial import Initializer

    own = {variant.recipe.initializer for variant in variants}
    base = own.pop() if len(own) == 1 else None
    if isinstance(base, Initializer):
        return dataclasses.replace(base, **changes)
    rule = "must be left out where the task does not draw its weights in one way"
    raise SettingError(next(iter(changes)), rule, next(iter(changes.values())))


def single_task(name: str | None, settings: Any) -> tuple[Any, dict[str, Any]]:
    """Return the task of one run, and the settings to apply to it, as `task_variants` does.

    Raises:
      SettingError: for a list where one run needs one value.
    """
    variants, others = task_variants(name, settings)
    if isinstance(others.get("initializer"), list):
        raise SettingError("start", "must be one value for one run", list(settings.start))
    if len(variants) > 1:
        hidden = settings.hidden or ()
        option, value = ("hidden", hidden) if len(hidden) > 1 else ("set", settings.set)
        raise SettingError(option, "must be one value for one run", list(value))
    return variants[0], others


def command_of(command: str, task: str | None, words: Sequence[str]) -> str:
    """Return the command line, where its task is a file; "" where an identity tells the command."""
    from bpjax.tasks import TASKS

    return "" if task in TASKS else shlex.join(["bpjax", command, *words])


def _values(setting: Setting, words: Any) -> Any:
    """Return the value of a flag, or a list of them where several were given."""
    if not setting.several:
        return whole(setting.name, words) if setting.kind == "whole number" else words
    if setting.kind == "file":
        return _one_or_list(_starts(words))
    if setting.kind == "name":
        return _one_or_list(list(words))
    return _one_or_list(
        (numbers if setting.kind == "number" else whole_numbers)(setting.name, words)
    )


def _starts(words: Sequence[str]) -> list[Any]:
    """Return the weights of every FILE[:SEED]."""
    from bpjax.start_files import read_start_word

    return [read_start_word(word) for word in words]


def _from_set(words: Sequence[str]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    options: dict[str, list[Any]] = {}
    others: dict[str, Any] = {}
    initializer: dict[str, Any] = {}
    of_recipe = {setting.name for setting in settings_by("set", "recipe")}
    of_initializer = {setting.name for setting in settings_by("set", "initializer")}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise SettingError("set", "must be NAME=VALUE", word)
        if name in options or name in others or name in initializer:
            raise SettingError(name, "must not be given twice", list(words))
        values = [literal(part) for part in text.split(",")]
        if name in of_recipe:
            others[name] = _one_or_list(values)
        elif name in of_initializer:
            initializer[name] = text
        else:
            options[name] = values
    if initializer:
        others["initializer"] = initializer
    return options, others


def _one_or_list(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
