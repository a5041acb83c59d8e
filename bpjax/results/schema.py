"""The shape of what results folders hold as JSON.

A seal and a fingerprint say that a text is the one that was written; they cannot say that bpjax
wrote it.
"""

import bisect
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

LARGEST_GRID = 10_000
"""Points of a grid, of all variants of a task; every one is a row of the summary."""

PER_POINT = 10**10
"""Numbers that are set aside for the runs of one point of a grid: a seed has ten digits at most."""

MOST_RANGES = 10**7
"""Ranges of runs: ranges of seeds, at every point of a grid."""

Shape = Any
"""A test of a value; a mapping of the keys that must be there (with "?" at the end, that may be) to
their shapes; a list with the shape of every entry; or a tuple of shapes of which one must fit."""


def fault_of(value: Any, shape: Shape, field: str) -> str | None:
    """Return where a value does not have a shape, None if it has it.

    Args:
      value: from `json.loads`.
      shape: what it should be; other keys may be there too.
      field: what the value is called.

    Example:
      >>> fault_of({"seeds": {"first": "x"}}, {"seeds": {"first": whole}}, "identity")
      '`identity.seeds.first` is not as bpjax writes it'
      >>> fault_of({"shard": None}, {"shard": (nothing, {"index": whole})}, "identity")
    """
    if isinstance(shape, tuple):
        faults = [fault_of(value, choice, field) for choice in shape]
        return None if None in faults else faults[-1]
    if isinstance(shape, list) and isinstance(value, list):
        entries = (fault_of(entry, shape[0], f"{field}.{k}") for k, entry in enumerate(value))
        return next(filter(None, entries), None)
    if isinstance(shape, Mapping) and isinstance(value, Mapping):
        for key, inner in shape.items():
            name = key.removesuffix("?")
            if name in value:
                if fault := fault_of(value[name], inner, f"{field}.{name}"):
                    return fault
            elif name == key:
                return f"`{field}.{name}` is missing"
        return None
    fits = callable(shape) and shape(value)
    return None if fits else f"`{field}` is not as bpjax writes it"


def nothing(value: Any) -> bool:
    """Tell whether a value is null."""
    return value is None


def text(value: Any) -> bool:
    """Tell whether a value is text."""
    return isinstance(value, str)


def flag(value: Any) -> bool:
    """Tell whether a value is true or false."""
    return isinstance(value, bool)


def number(value: Any) -> bool:
    """Tell whether a value is a finite number, and no larger than what is computed with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**62


def whole(value: Any) -> bool:
    """Tell whether a value is a whole number from 0."""
    return number(value) and isinstance(value, int) and value >= 0


def positive(value: Any) -> bool:
    """Tell whether a value is a whole number from 1."""
    return whole(value) and value > 0


def table(shape: Shape) -> Callable[[Any], bool]:
    """Return the test of a mapping whose values all have one shape."""

    def fits(value: Any) -> bool:
        return isinstance(value, Mapping) and not any(
            fault_of(entry, shape, "") for entry in value.values()
        )

    return fits


def _ranges(value: Any) -> bool:
    """Tell whether a value is pairs `[start, stop]` in order, with gaps between them."""
    if not isinstance(value, list) or not value:
        return False
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        return False
    edges = [edge for pair in value for edge in pair]
    return all(map(whole, edges)) and all(one < other for one, other in pairwise(edges))


def _tasks(value: Any) -> bool:
    """Tell whether a value is a task or a list of its variants."""
    tasks = value if isinstance(value, list) else [value]
    return bool(tasks) and not any(
        fault_of(task, _TASK, "") or fault_of(task["recipe"], _COUNTED_WITH, "") for task in tasks
    )


def _cap(value: Any) -> bool:
    return positive(value) and value < 2**31


_SETTING = (nothing, flag, number, text)
_NUMBERS = ("tolerance", "loss_below", "init_range")
_COUNTED_WITH = {"max_epochs": _cap, "init_range": number, "initializer": text}


def _grid(value: Any) -> bool:
    return table([_SETTING])(value) and all(
        values and (name not in _NUMBERS or all(map(number, values)))
        for name, values in value.items()
    )


_TASK = {
    "name": text,
    "options": table((*_SETTING, [_SETTING])),
    "network": {"layers": [{"size": positive}]},
    "held_out": (whole, [whole]),
    "criterion": text,
    "recipe": table(_SETTING),
    "units?": table(text),
}


def _names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(text, value))


IDENTITY: Shape = {
    "task": _tasks,
    "grid": _grid,
    "points?": lambda value: isinstance(value, list) and bool(value) and all(map(whole, value)),
    "columns": [text],
    "seeds": _ranges,
    "precision": lambda value: value in ("float32", "float64"),
    "matmul_precision?": text,
    "jax_settings?": table(text),
    "cpu?": text,
    "platform_version?": text,
    "variables?": table(text),
    "implementation": text,
    "block_size": positive,
    "rows": lambda value: value in ("runs", "counts"),
    "num_held_out?": positive,
    "weight_names": (nothing, _names),
    "xla_flags": text,
    "shard": (nothing, {"index": positive, "count": positive}),
    "runs": (nothing, _ranges),
    **dict.fromkeys(("bpjax", "jax", "jaxlib", "optax", "device_kind"), text),
}
"""What `Plan.identity` returns, as far as it is shown."""

ENVIRONMENT: Shape = {
    **{"versions": table(text), "device_kind": text, "num_devices": positive},
    **{"task?": table(text), "command?": text},
}
"""What `bpjax.sweeps.host_loop.environment` returns, likewise."""


# ---- identities ---------------------------------------------------------------------------------


def fault_of_identity(identity: Any) -> str | None:
    """Return what keeps a value from JSON from describing a sweep or a run; None if nothing does.

    What it says of the columns of a table can then be relied on.
    """
    return fault_of(identity, IDENTITY, "identity") or _inconsistency(identity)


def tasks_of(identity: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the variants of the task, at least one."""
    task = identity["task"]
    return task if isinstance(task, list) else [task]


def num_points(identity: Mapping[str, Any]) -> int:
    """Return how many points the grid has, those of all variants of the task together."""
    if "points" in identity:
        return len(identity["points"])
    return len(tasks_of(identity)) * math.prod(map(len, identity["grid"].values()))


def points_of(identity: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Return the points of the grid in order: which variant of the task it is, and the settings.

    They are all combinations of variants and settings; or, where `points` tells the variant of
    each, the settings that stand at the same place of their lists.

    Example:
      >>> points_of({"task": [{}, {}], "grid": {"momentum": [0.5, 0.9]}, "points": [1, 0]})
      [(1, {'momentum': 0.5}), (0, {'momentum': 0.9})]
    """
    grid = identity["grid"]
    variants = range(len(tasks_of(identity)))
    if "points" not in identity:
        pairs = itertools.product(variants, itertools.product(*grid.values()))
        return [(variant, dict(zip(grid, values, strict=True))) for variant, values in pairs]
    return [
        (variant, {name: values[k] for name, values in grid.items()})
        for k, variant in enumerate(identity["points"])
    ]


def _has(seeds: Sequence[Sequence[int]], points: int, start: int, stop: int) -> bool:
    """Tell whether a range of runs is of these seeds at one of so many points."""
    point, first = divmod(start, PER_POINT)
    before = bisect.bisect_right(seeds, first, key=lambda pair: pair[0])
    inside = before and first + stop - start <= seeds[before - 1][1]
    return point < points and bool(inside)


def _inconsistency(identity: Mapping[str, Any]) -> str | None:
    """Return what in an identity of the right shape contradicts the rest of it."""
    seeds, runs, shard = identity["seeds"], identity["runs"], identity["shard"]
    tasks = tasks_of(identity)
    if "points" in identity:
        lengths = {len(identity["points"]), *map(len, identity["grid"].values())}
        if len(lengths) > 1 or {*identity["points"]} != {*range(len(tasks))}:
            return "its points are not those of its variants and settings"
    points = num_points(identity)
    if seeds[-1][1] > 2**32:
        return "its seeds do not fit 32 bits"
    if points > LARGEST_GRID:
        return "its grid has too many points"
    if len(seeds) * points > MOST_RANGES:
        return "its seeds are in too many ranges"
    if (runs is None) != (shard is None):
        return "it must name its runs where it is a shard, and nowhere else"
    if not all(_has(seeds, points, *pair) for pair in runs or ()):
        return "its runs are not those of its seeds and grid"
    if shard is not None and shard["index"] > shard["count"]:
        return "its shard is none of its shards"
    held_out = [task["held_out"] for task in tasks]
    numbers = [cases if isinstance(cases, int) else len(cases) for cases in held_out]
    if identity.get("num_held_out", max(numbers)) != max(numbers):
        return "`num_held_out` is not that of its tasks"
    if any({*task["options"]} != {*tasks[0]["options"]} for task in tasks):
        return "its tasks are not variants of one"
    if len(set(identity["columns"])) < len(identity["columns"]):
        return "`columns` names one twice"
    for column in identity["columns"]:
        values = [task["options"].get(column, []) for task in tasks]
        if column not in identity["grid"] and any(isinstance(value, list) for value in values):
            return f"`columns` holds {column!r}, which is no setting of its grid"
    return None
