"""From the identity of a sweep or run back to the command line that repeats it.

What comes back is held against the identity: the words are turned into a plan again, and only if it
has the same identity they are told. So a command is exact, or there is none.
"""

import dataclasses
import itertools
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bpjax.loss import name_of_loss
from bpjax.results.identity import as_stored
from bpjax.settings import settings_by
from bpjax.starts.initial import Initializer, read_told
from bpjax.sweeps.devices import SMALL_LOOP_FLAG, device_kind
from bpjax.sweeps.plan import Plan
from bpjax.sweeps.planning import good_block_size, make_plan
from bpjax.task import Task
from bpjax.tasks import make_task
from bpjax.told import plan_like, same_runs, told_loss

_FLAGS = settings_by("flag", "net", "recipe", "criterion")
_NUMBERS = {setting.name for setting in _FLAGS if setting.kind == "number"}
_BY_SET = {setting.name for setting in settings_by("set", "recipe")}


class Repeat(NamedTuple):
    """How to repeat a sweep or a run.

    Attributes:
      line: the command, quoted for a shell.
      task: the task that it trains, the first of its variants.
      same_compiler: whether the command line sets the compiler as it was set then.
    """

    line: str
    task: Task
    same_compiler: bool


class _NoWords(ValueError):
    """The command line has no words for something that Python can ask for."""


def repeat(identity: Mapping[str, Any], command: str = "sweep") -> Repeat | None:
    """Return the command that makes this sweep or run again.

    Args:
      identity: from `sweep.json` or `run.json`, of the shape `bpjax.results.schema.IDENTITY`.
      command: "sweep" or "train".

    Returns:
      The command; None if there is none, because it was made from Python with a task, a schedule
      or a shape of blocks that no option names, or by a version with other tasks.

    Example:
      >>> from bpjax.tasks import xor
      >>> plan = make_plan(xor(hidden=3), 100, learning_rate=[0.25, 0.5], tolerance=0.4)
      >>> repeat(as_stored(plan.identity())).line
      'bpjax sweep xor --hidden 3 --tolerance 0.4 --learning-rate 0.25 0.5 --seeds 100'
    """
    try:
        words, plan = _words_and_plan(identity, command)
    except (TypeError, ValueError, LookupError, ArithmeticError):  # a SettingError is a ValueError
        return None
    if not same_runs(plan.identity(), identity):
        return None
    flags = identity["xla_flags"]
    own = flags.removesuffix(SMALL_LOOP_FLAG).strip()
    line = shlex.join(["bpjax", command, *words])
    if own:
        line = f"XLA_FLAGS={shlex.quote(own)} {line}"
    if asked := identity.get("matmul_precision"):
        line = f"JAX_DEFAULT_MATMUL_PRECISION={shlex.quote(asked)} {line}"
    return Repeat(line, plan.tasks[0], "xla_backend_extra_options" in flags)


def _words_and_plan(identity: Mapping[str, Any], command: str) -> tuple[list[str], Plan]:
    if "points" in identity:  # its lists may have come from a table
        raise _NoWords
    tasks = identity["task"] if isinstance(identity["task"], list) else [identity["task"]]
    fixed, axes = _options(tasks[0]["name"], [task["options"] for task in tasks])
    points = itertools.product(*axes.values())
    variants = [
        make_task(tasks[0]["name"], **fixed, **dict(zip(axes, point, strict=True)))
        for point in points
    ]
    settings = _settings(tasks, variants) | _grid(identity["grid"])
    words = [tasks[0]["name"], *_option_words(fixed, axes), *_setting_words(settings)]
    plan = plan_like(identity, variants, settings)
    if plan.block_size != good_block_size(plan.cells, on_cpu=identity["device_kind"] == "cpu"):
        raise _NoWords
    return [*words, *_plan_words(identity, plan, command)], plan


# ---- options of the task -------------------------------------------------------------------------


def _options(
    name: str, variants: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Return the options that must be said: those with one value, and those with several.

    The options with several are in the order of their product: the slowest first.
    """
    first = variants[0]
    varied = {
        option: next(k for k, other in enumerate(variants) if other[option] != first[option])
        for option in first
        if any(other[option] != first[option] for other in variants)
    }
    telling = [first, variants[-1], *(variants[k] for k in varied.values())]
    said = list(first)
    for option in first:
        fewer = [other for other in said if other != option]
        follows = (make_task(name, **{key: point[key] for key in fewer}) for point in telling)
        if all(_same(task.options, point) for task, point in zip(follows, telling, strict=True)):
            said = fewer
    slowest_first = sorted(varied.keys() & said, key=lambda option: -varied[option])
    axes = {option: _distinct(other[option] for other in variants) for option in slowest_first}
    return {option: first[option] for option in said if option not in varied}, axes


def _distinct(values: Any) -> list[Any]:
    return list(dict.fromkeys(values))


def _same(one: Any, other: Any) -> bool:
    return json.dumps(as_stored({"": one})) == json.dumps(as_stored({"": other}))


def _option_words(fixed: Mapping[str, Any], axes: Mapping[str, list[Any]]) -> list[str]:
    values = {option: [value] for option, value in fixed.items()} | dict(axes)
    words = []
    if "hidden" in fixed or list(axes)[-1:] == ["hidden"]:  # the flag is the fastest axis
        words = ["--hidden", *map(_set_word, values.pop("hidden"))]
    for option, several in values.items():
        words += ["--set", f"{option}={','.join(map(_set_word, several))}"]
    return words


def _set_word(value: Any) -> str:
    """Return the right side of NAME=VALUE; `bpjax.cli.words.literal` reads it back."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if not isinstance(value, str) or "," in value or value.lower() in ("true", "false"):
        raise _NoWords
    try:
        float(value)
    except ValueError:
        return value
    raise _NoWords  # it would be read as a number


# ---- settings ------------------------------------------------------------------------------------


def _settings(stored: Sequence[Mapping[str, Any]], variants: Sequence[Task]) -> dict[str, Any]:
    """Return the settings of recipe and criterion that differ from what the variants come with."""
    own = [variant.describe() for variant in variants]
    settings = _net(stored, variants)
    for setting in own[0]["recipe"]:
        values = [task["recipe"][setting] for task in stored]
        if not _same(values, [task["recipe"][setting] for task in own]):
            settings[setting] = _one_of(values)
    if [task["criterion"] for task in stored] != [task["criterion"] for task in own]:
        words, _, threshold = _one_of([task["criterion"] for task in stored]).rpartition(" ")
        settings[words.replace(" ", "_")] = float(threshold)
    if "initializer" in settings:
        settings["initializer"] = _initializer(settings["initializer"])
    return settings


def _net(stored: Sequence[Mapping[str, Any]], variants: Sequence[Task]) -> dict[str, Any]:
    """Return the settings that make the nets and losses of the variants the stored ones."""
    if len(variants) != len(stored):
        raise _NoWords
    said = [_units_and_loss(*pair) for pair in zip(stored, variants, strict=True)]
    if any(other != said[0] for other in said):
        raise _NoWords
    return said[0]


def _units_and_loss(stored: Mapping[str, Any], own: Task) -> dict[str, Any]:
    said: dict[str, Any] = {}
    network = stored["network"]
    if not _same(network, dataclasses.asdict(own.network)):
        targets = {connection["target"] for connection in network["connections"]}
        for layer in network["layers"]:
            if layer["name"] in targets:
                kind = "output_unit" if layer["name"] in network["outputs"] else "hidden_unit"
                said.setdefault(kind, layer["activation"])
        if len(said) == 2 and len(set(said.values())) == 1:
            said = {"unit": said["output_unit"]}
    if stored["loss"] != repr(own.loss):
        outputs = [each.activation for each in own.with_settings(**said).network.output_layers]
        said["loss"] = name_of_loss(told_loss(stored["loss"]), outputs)
        if said["loss"] is None:
            raise _NoWords
    return said


def _one_of(values: Sequence[Any]) -> Any:
    if len(_distinct(values)) > 1:
        raise _NoWords
    return values[0]


def _initializer(text: str) -> Initializer:
    initializer = read_told(text)
    if initializer is None:
        raise _NoWords
    return initializer


def _grid(grid: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the grid in the order in which the command line lays it out, and with its numbers."""
    if any(len(values) < 2 for values in grid.values()):
        raise _NoWords
    by_set = [name for name in grid if name in _BY_SET]
    flags = [setting.name for setting in _FLAGS if setting.name in grid]
    return {
        name: [float(value) for value in grid[name]] if name in _NUMBERS else grid[name]
        for name in [*by_set, *flags]
    }


def _setting_words(settings: Mapping[str, Any]) -> list[str]:
    words = []
    for name, value in settings.items():
        values = value if isinstance(value, list) else [value]
        if isinstance(value, Initializer):
            words += ["--set", f"distribution={value.distribution}"]
            words += ["--set", f"biases={value.biases}"]
        elif name in _BY_SET:
            words += ["--set", f"{name}={','.join(map(_set_word, values))}"]
        else:
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return words


# ---- the plan ------------------------------------------------------------------------------------


def _plan_words(identity: Mapping[str, Any], plan: Plan, command: str) -> list[str]:
    words = []
    if plan.precision != "float32":
        words += ["--precision", plan.precision]
    # What is automatic on another device is not known here.
    elsewhere = identity["device_kind"] != device_kind()
    if elsewhere or plan.implementation != _automatic(plan):
        words += ["--implementation", plan.implementation]
    if command == "train":
        return [*words, "--seed", str(plan.first_seed)]
    words += seed_words(plan.seeds)
    if plan.shard is not None:
        words += ["--shard", f"{plan.shard.index}/{plan.shard.count}"]
    if plan.keep_weights:
        words.append("--keep-weights")
    return [*words, "--summary-only"] if plan.summary_only else words


def seed_words(seeds: Sequence[tuple[int, int]]) -> list[str]:
    """Return the options that name seeds, given as ranges (first, stop).

    Example:
      >>> seed_words([(0, 100)]), seed_words([(0, 3), (7, 8)])
      (['--seeds', '100'], ['--seeds', '0-2,7-7'])
    """
    if len(seeds) > 1:
        return ["--seeds", ",".join(f"{first}-{stop - 1}" for first, stop in seeds)]
    ((first, stop),) = seeds
    return ["--seeds", str(stop - first), *(["--first-seed", str(first)] if first else [])]


def _automatic(plan: Plan) -> str:
    options: Any = {"precision": plan.precision, "block_size": plan.block_size, **plan.grid}
    return make_plan(plan.tasks, 1, **options).implementation
