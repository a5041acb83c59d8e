"""The shape of what results folders hold as JSON, for readers that show it to people.

A fingerprint says that an identity is the one that was written; it cannot say that bpjax wrote it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

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


def _seed(value: Any) -> bool:
    return whole(value) and value < 2**32


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

IDENTITY: Shape = {
    "task": _tasks,
    "grid": _grid,
    "columns": [text],
    "seeds": {"first": _seed, "count": positive},
    "precision": text,
    "matmul_precision?": text,
    "jax_settings?": table(text),
    "cpu?": text,
    "platform_version?": text,
    "variables?": table(text),
    "implementation": text,
    "block_size": positive,
    "rows": text,
    "weight_names": (nothing, [text]),
    "xla_flags": text,
    "shard": (nothing, {"index": positive, "count": positive}),
    "runs": {"start": whole, "stop": positive},
    **dict.fromkeys(("bpjax", "jax", "jaxlib", "optax", "device_kind"), text),
}
"""What `Plan.identity` returns, as far as it is shown."""

ENVIRONMENT: Shape = {"versions": table(text), "device_kind": text, "num_devices": positive}
"""What `bpjax.sweeps.run.environment` returns, likewise."""
