"""Options that `train` and `sweep` share, and how their words become values.

Every option arrives as text, from the command line or from a TOML file, and is turned into a value
here, so that whatever is wrong with it is said in one sentence that names the option.
"""

import contextlib
import dataclasses
import io
import math
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

from bpjax.errors import SettingError

Words = tuple[str, ...] | None


def arg(metavar: str, default: str = "the task's") -> Any:
    """Return how an option shows in the help."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


def grid(metavar: str, default: str = "the task's") -> Any:
    """Return how an option that takes several values shows in the help of `sweep`."""
    return Annotated[Words, arg(f"{metavar} ...", default)]


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

Options = TypeVar("Options")


def parse(command: type[Options], name: str, words: Sequence[str]) -> Options:
    """Parse the words after `bpjax NAME` into the options of a command.

    Raises:
      SystemExit: with 0 after `--help`, with 2 after one sentence on what is wrong with the words.
    """
    conf = (tyro.conf.FlagCreatePairsOff,)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(command, prog=f"bpjax {name}", args=list(words), config=conf)
    except SystemExit as stop:
        if stop.code:
            sentence = _sentence(complaint.getvalue())
            print(f"bpjax: {sentence} See `bpjax {name} --help`.", file=sys.stderr)
        raise


def _sentence(box: str) -> str:
    """Return what tyro says in a box of several lines, without title and advice, as one line."""
    lines = box.splitlines()
    rules = [k for k, line in enumerate(lines) if line[:1] == "╭" or not line.strip(" │-─")]
    text = lines[rules[0] + 1 : rules[1]] if len(rules) > 1 else lines
    return " ".join(line.strip(" │") for line in text).rstrip(".") + "."


def with_config(options: Options) -> Options:
    """Fill in from the TOML file of `--config` what the command line left out.

    Raises:
      SettingError: if the file cannot be read or has an unknown key.
    """
    path = getattr(options, "config", None)
    if path is None:
        return options
    table = _read_toml(path)
    settings = options.settings  # type: ignore[attr-defined]
    own = {field.name for field in dataclasses.fields(options)} - {"settings", "config"}  # type: ignore[arg-type]
    changes: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for key, value in table.items():
        key = key.replace("-", "_")
        if key == "set":
            inner["set"] = (*_set_words(value), *settings.set)
        elif key in own:
            current = getattr(options, key)
            if isinstance(current, bool) and not isinstance(value, bool):
                raise SettingError(key, "must be true or false", value)
            if current in (None, False):
                changes[key] = value if isinstance(current, bool) else str(value)
        elif key in {field.name for field in dataclasses.fields(Settings)}:
            if getattr(settings, key) is None:
                inner[key] = _words(value) if key not in _SINGLE else str(value)
        else:
            choices = ", ".join(sorted(own | {f.name for f in dataclasses.fields(Settings)}))
            raise SettingError("config", f"must hold only {choices}", key)
    new_settings = dataclasses.replace(settings, **inner)
    return dataclasses.replace(options, settings=new_settings, **changes)  # type: ignore[type-var]


_SINGLE = ("max_epochs", "precision", "implementation")


def _read_toml(path: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text())
    except (OSError, ValueError) as fault:
        cause = getattr(fault, "strerror", None) or fault
        raise SettingError("config", f"must name a TOML file ({cause})", path) from fault


def _words(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _set_words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, Mapping):
        raise SettingError("config", "must hold `set` as a table", value)
    text = {True: "true", False: "false"}
    return tuple(
        f"{name}={','.join(text.get(v, str(v)) if isinstance(v, bool) else str(v) for v in vs)}"
        for name, entry in value.items()
        for vs in [entry if isinstance(entry, list) else [entry]]
    )


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
"""In one range."""


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


def task_variants(name: str, settings: Settings) -> tuple[list[Any], dict[str, Any]]:
    """Return the task's variants, and the settings of the recipe or criterion to apply to them.

    Structural options (`--hidden`, most of `--set`) make variants of the task; the rest becomes
    keyword arguments of `bpjax.sweep` or `bpjax.train`, lists where a grid was asked for.
    """
    import itertools

    from bpjax.tasks import make_task, option_defaults

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
    points = itertools.product(*options.values())
    variants = [make_task(name, **dict(zip(options, point, strict=True))) for point in points]
    return variants, others


def single_task(name: str, settings: Settings) -> tuple[Any, dict[str, Any]]:
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


def _from_set(words: Iterable[str]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    options: dict[str, list[Any]] = {}
    others: dict[str, Any] = {}
    initializer: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise SettingError("set", "must be NAME=VALUE", word)
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
