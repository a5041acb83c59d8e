"""Options that `train` and `sweep` share, and how their words become values.

Every option arrives as text, from the command line or from a TOML file, and is turned into a value
here, so that whatever is wrong with it is said in one sentence that names the option.
"""

import contextlib
import dataclasses
import difflib
import io
import math
import tomllib
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import tyro

from bpjax.cli.output import complain, lose
from bpjax.errors import MOST_SHOWN, SettingError, shown, value_shown

Words = tuple[str, ...] | None


def arg(metavar: str, default: str = "the task's") -> Any:
    """Return how an option shows in the help."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


def grid(metavar: str, default: str = "the task's") -> Any:
    """Return how an option that takes several values shows in the help of `sweep`."""
    return Annotated[Words, arg(f"{metavar} ...", default)]


Task = tyro.conf.Positional[
    Annotated[str | None, tyro.conf.arg(metavar="TASK", help_behavior_hint="")]
]
"""The task of a command; left out where the file of --config names it."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of the task. A list, or a range like 0.1:10:log25 or 0:0.9:lin10, makes a grid."""

    hidden: grid("N") = None  # type: ignore[valid-type]
    """Number of hidden units."""
    learning_rate: grid("X") = None  # type: ignore[valid-type]
    """Epsilon of equations (8) and (9), above 0."""
    momentum: grid("X") = None  # type: ignore[valid-type]
    """Alpha of equation (9), from 0 to below 1."""
    init_range: grid("X") = None  # type: ignore[valid-type]
    """Initial weights lie between minus and plus this number."""
    weight_decay: grid("X") = None  # type: ignore[valid-type]
    """Share of every weight lost after each change, from 0 to below 1."""
    tolerance: grid("X") = None  # type: ignore[valid-type]
    """Solved when every output of every case is nearer to its target than this."""
    loss_below: grid("X", "off") = None  # type: ignore[valid-type]
    """Solved when the loss is below this, instead of --tolerance."""
    max_epochs: Annotated[str | None, arg("N")] = None
    """A run that is not solved by then ends as MAX_EPOCHS."""
    optimizer: grid("NAME") = None  # type: ignore[valid-type]
    """paper (equations 8 and 9), sgd (optax's momentum), adam (0.9, 0.999, epsilon 1e-8 outside the
    root), rmsprop (0.9, epsilon 1e-8 inside the root), rprop (factors 1.2 and 0.5, steps from 1e-6
    to 50, the first of them --learning-rate); in quotes with options: rprop(backtracking=true)."""
    set: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        tyro.conf.arg(metavar="NAME=VALUE", help_behavior_hint="(repeatable)"),
    ] = ()
    """Any other option of the task (`bpjax tasks` lists them), or updates=case, copies=sum,
    decay_biases=false, distribution=normal, biases=zero. Commas make a grid: bits=3,4,5."""
    precision: Annotated[str | None, arg("TYPE", "float32")] = None
    """float32 or float64."""
    implementation: Annotated[str | None, arg("NAME", "auto")] = None
    """auto, matrix (any net), unrolled (the smallest nets, faster); fused, batched (for GPUs)."""


FLAGS = {
    *(field.name for field in dataclasses.fields(Settings)),
    "seed",
    "seeds",
    "first_seed",
    "shard",
    "out",
    "config",
    "keep_weights",
    "summary_only",
    "no_figures",
    "json",
    "record_every",
    "snapshot_every",
    "format",
    "networks",
    "case",
    "quick",
    "suite",
}
"""Settings that are flags; any other is reached through --set."""

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
            raise SettingError("TASK" if option == "task" else option, "must not be empty", "")
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
            near = difflib.get_close_matches(flag[:MOST_SHOWN], known, n=1)
            perhaps = f" Perhaps {near[0]}?" if near else ""
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


# ---- the TOML file -------------------------------------------------------------------------------


def with_config(options: Options) -> Options:
    """Fill in from the TOML file of `--config` what the command line left out.

    Raises:
      SettingError: if the file cannot be read, has an unknown key or one twice, or a value of
        another kind than the option takes; if there is no task, or one here and another there.
    """
    path = getattr(options, "config", None)
    table = {} if path is None else _by_option(_read_toml(path))
    kinds = options_of(type(options))
    own: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for option, value in table.items():
        if option not in kinds or option == "config":
            choices = ", ".join(sorted(kinds.keys() - {"config"}))
            raise SettingError("config", f"must hold only {choices}", option)
        if option == "set":
            inner["set"] = _set_words(value)
        elif option in _SETTINGS:
            inner[option] = _of_kind(option, kinds[option], value)
        else:
            own[option] = _of_kind(option, kinds[option], value)
    settings = _settings_of(inner, options.settings)  # type: ignore[attr-defined]
    task = options.task  # type: ignore[attr-defined]
    if task is not None and own.get("task", task) != task:
        rule = f"must be the same as in the file of --config, which has {value_shown(own['task'])}"
        raise SettingError("TASK", rule, task)
    given = {option: getattr(options, option) for option in own}
    own = {option: given[option] or own[option] for option in own}
    return dataclasses.replace(options, settings=settings, **own)  # type: ignore[type-var]


_SETTINGS = {field.name for field in dataclasses.fields(Settings)}
LARGEST_FILE = 2**20
"""Bytes of a TOML file."""


def _read_toml(path: str) -> Mapping[str, Any]:
    rule = "must name a TOML file"
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise SettingError("config", f"{rule} of at most {LARGEST_FILE:,} bytes", path)
        return tomllib.loads(content.decode())
    except SettingError:
        raise
    except RecursionError:
        raise SettingError("config", f"{rule} (tables or lists too deep)", path) from None
    except (OSError, ValueError) as fault:
        cause = getattr(fault, "strerror", None) or shown(str(fault))
        raise SettingError("config", f"{rule} ({cause})", path) from None


def _by_option(table: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        option = key.replace("-", "_")
        if option in found:
            raise SettingError("config", f"must not hold {shown(option)} in two spellings", key)
        found[option] = value
    return found


def _of_kind(option: str, kind: Any, value: Any) -> Any:
    """Return a value of the file as the command line would give it."""
    if kind is bool:
        if not isinstance(value, bool):
            raise SettingError(option, "must be true or false", value)
        return value
    if kind == Words:
        return (
            tuple(_word(option, entry) for entry in value)
            if _is_list(value)
            else (_word(option, value),)
        )
    if option in ("out", "task") and not (isinstance(value, str) and value):
        name = "TASK" if option == "task" else option
        raise SettingError(name, "must be text, in quotes, and not empty", value)
    return _word(option, value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _word(option: str, value: Any) -> str:
    """Return a number or a word of the file as text; true and false are no such."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise SettingError(option, "must be a number or a word", value)
    return _text(option, value)


def _text(option: str, value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # hexadecimal, and of more digits than Python writes
        raise SettingError(option, "must be a number of fewer digits", value) from None


def _set_words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, Mapping):
        raise SettingError("set", "must be a table in the file of --config", value)
    words = []
    for name, entry in value.items():
        values = entry if _is_list(entry) else [entry]
        if not name or "=" in name:
            raise SettingError("set", "must have names without =", name)
        for each in values:
            if not isinstance(each, bool | int | float | str):
                rule = "must be a number, a word, true or false, or a list of them"
                raise SettingError(name, rule, each)
        texts = (str(v).lower() if isinstance(v, bool) else _text(name, v) for v in values)
        words.append(f"{name}={','.join(texts)}")
    return tuple(words)


def _settings_of(file: Mapping[str, Any], line: Settings) -> Settings:
    """Return the settings of a file and a command line together; the line wins."""
    given = {name for name in _SETTINGS if getattr(line, name) not in (None, ())}
    named = {word.partition("=")[0] for word in line.set} | given
    words = file.get("set", ())
    if "hidden" in file and any(word.startswith("hidden=") for word in words):
        raise SettingError("config", "must not hold hidden as an option and under set", "hidden")
    kept = tuple(word for word in words if word.partition("=")[0] not in named)
    others = {name: value for name, value in file.items() if name not in named}
    return dataclasses.replace(line, **others | {"set": (*kept, *line.set)})


# ---- words to values ----------------------------------------------------------------------------


def number(option: str, text: str) -> float:
    """Return the number that `text` spells; whether it is in range is the library's to say."""
    try:
        return float(text)
    except ValueError:
        raise SettingError(option, "must be a number", text) from None


def whole(option: str, text: str) -> int:
    """Return the whole number that `text` spells."""
    try:
        return int(text)
    except ValueError:
        raise SettingError(option, "must be a whole number", text) from None


def numbers(option: str, words: Iterable[str]) -> list[float]:
    """Return the numbers of a list whose entries may be ranges.

    Example:
      >>> numbers("learning_rate", ["0.05", "0.1:10:log3"])
      [0.05, 0.1, 1.0, 10.0]
    """
    found: list[float] = []
    for word in words:
        found += _range(option, word) if ":" in word else [number(option, word)]
    return found


MOST_POINTS = 10_000
"""In one range, and of the options of a task."""


def whole_numbers(option: str, words: Iterable[str]) -> list[int]:
    """Return the whole numbers of a list whose entries may be linear ranges.

    Example:
      >>> whole_numbers("hidden", ["2", "4:8:lin3"])
      [2, 4, 6, 8]
    """
    found: list[int] = []
    for word in words:
        if ":" not in word:
            found.append(whole(option, word))
            continue
        values = _range(option, word)
        if any(value != int(value) for value in values):
            raise SettingError(option, "must be a range of whole numbers, like 2:8:lin7", word)
        found += map(int, values)
    return found


def _range(option: str, word: str) -> list[float]:
    rule = "must be a range like 0.1:10:log25 or 0:1:lin11"
    parts = word.split(":")
    kind, count = parts[-1][:3], parts[-1][3:]
    if len(parts) != 3 or kind not in ("lin", "log") or not count.isdecimal():
        raise SettingError(option, rule, word)
    if not 2 <= whole(option, count) <= MOST_POINTS:
        raise SettingError(option, f"{rule}, of 2 to {MOST_POINTS:,} numbers", word)
    first, last = number(option, parts[0]), number(option, parts[1])
    if not (math.isfinite(first) and math.isfinite(last)) or (
        kind == "log" and min(first, last) <= 0
    ):
        raise SettingError(option, f"{rule}, with ends that are finite, and above 0 for log", word)
    if not math.isfinite(last - first if kind == "lin" else last / first):
        raise SettingError(option, f"{rule}, with ends that are less far apart", word)
    steps = [k / (int(count) - 1) for k in range(int(count))]
    if kind == "lin":
        values = [first + (last - first) * step for step in steps]
    else:
        values = [first * (last / first) ** step for step in steps]
    # Twelve digits, so that a grid point has the same name however it was reached.
    return [float(f"{value:.12g}") for value in values]


def literal(text: str) -> Any:
    """Return the value that the right side of NAME=VALUE spells.

    Example:
      >>> [literal(text) for text in ("3", "0.1", "true", "case")]
      [3, 0.1, True, 'case']
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def shard(text: str) -> tuple[int, int]:
    """Return (i, n) of "i/n"."""
    index, slash, count = text.partition("/")
    if not slash or not index.isdecimal() or not count.isdecimal():
        raise SettingError("shard", "must be i/n with 1 <= i <= n", text)
    return whole("shard", index), whole("shard", count)


# ---- options to arguments of the library --------------------------------------------------------


def task_variants(name: str | None, settings: Settings) -> tuple[list[Any], dict[str, Any]]:
    """Return the task's variants, and the settings of the recipe or criterion to apply to them.

    Structural options (`--hidden`, most of `--set`) make variants of the task; the rest becomes
    keyword arguments of `bpjax.sweep` or `bpjax.train`, lists where a grid was asked for.
    """
    import itertools

    from bpjax.tasks import make_task, option_defaults

    if name is None:
        raise SettingError("TASK", "must be named, here or as `task` in the file of --config", None)
    option_defaults(name)  # an unknown task is the first thing to say
    options, others = _from_set(settings.set)
    if settings.hidden is not None:
        if "hidden" in options:
            raise SettingError("hidden", "must not be given twice", settings.hidden)
        options["hidden"] = whole_numbers("hidden", settings.hidden)
    for field in ("learning_rate", "momentum", "init_range", "weight_decay", *_THRESHOLDS):
        words = getattr(settings, field)
        if words is not None:
            others[field] = _one_or_list(numbers(field, words))
    if settings.optimizer is not None:
        others["optimizer"] = _one_or_list(list(settings.optimizer))
    if settings.max_epochs is not None:
        others["max_epochs"] = whole("max_epochs", settings.max_epochs)
    for field in ("precision", "implementation"):
        if getattr(settings, field) is not None:
            others[field] = getattr(settings, field)
    for option, values in options.items():
        if len(set(values)) < max(len(values), 1):
            rule = "must have a value" if not values else "must not have a value twice"
            raise SettingError(option, rule, values)
    if math.prod(map(len, options.values())) > MOST_POINTS:
        rule = f"must make at most {MOST_POINTS:,} variants of the task"
        raise SettingError(next(iter(options)), rule, options)
    points = itertools.product(*options.values())
    variants = [make_task(name, **dict(zip(options, point, strict=True))) for point in points]
    return variants, others


def single_task(name: str | None, settings: Settings) -> tuple[Any, dict[str, Any]]:
    """Return the task of one run, and the settings to apply to it, as `task_variants` does.

    Raises:
      SettingError: for a list where one run needs one value.
    """
    variants, others = task_variants(name, settings)
    if len(variants) > 1:
        hidden = settings.hidden or ()
        option, value = ("hidden", hidden) if len(hidden) > 1 else ("set", settings.set)
        raise SettingError(option, "must be one value for one run", list(value))
    return variants[0], others


_THRESHOLDS = ("tolerance", "loss_below")
_RECIPE_WORDS = ("updates", "decay_biases", "copies")
_INITIALIZER_WORDS = ("distribution", "biases")


def _from_set(words: Sequence[str]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    options: dict[str, list[Any]] = {}
    others: dict[str, Any] = {}
    initializer: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise SettingError("set", "must be NAME=VALUE", word)
        if name in options or name in others or name in initializer:
            raise SettingError(name, "must not be given twice", list(words))
        values = [literal(part) for part in text.split(",")]
        if name in _RECIPE_WORDS:
            others[name] = _one_or_list(values)
        elif name in _INITIALIZER_WORDS:
            initializer[name] = text
        else:
            options[name] = values
    if initializer:
        from bpjax.network import Initializer

        others["initializer"] = Initializer(**initializer)
    return options, others


def _one_or_list(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
