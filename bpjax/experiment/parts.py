"""The parts of a task that are said by name, with arguments: losses, rules, where runs start."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bpjax.errors import ExperimentError, SettingError
from bpjax.loss import LOSSES, Loss
from bpjax.named import spell_named
from bpjax.schedule import Schedule
from bpjax.start_files import read_start_word
from bpjax.starts.initial import Initializer
from bpjax.units import Activation


def loss_of(file: str, table: Mapping[str, Any], outputs: Sequence[Activation]) -> Loss:
    """Return the loss that `[loss]` describes, for output layers of these units.

    Raises:
      ExperimentError: for an argument that breaks its rule.
    """
    given = {name: value for name, value in table.items() if name != "name"}
    try:
        return LOSSES[table["name"]](outputs, **given)
    except SettingError as fault:
        names = ", ".join(f"`loss.{name}`" for name in fault.setting.split(", "))
        raise ExperimentError(file, names, fault.rule, fault.value) from None
    except TypeError:  # a word where its rule compares numbers
        raise ExperimentError(file, "`loss`", "must have numbers where it counts", given) from None


def recipe_of(file: str, folder: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that `[recipe]` gives, as `Task.with_settings` takes them.

    Raises:
      SettingError: for a setting that breaks its rule.
      ExperimentError: for settings that exclude each other, or words that mean nothing.
    """
    given = {name: value for name, value in table.items() if value is not None}
    of_drawing = [field.name for field in dataclasses.fields(Initializer)]
    own = {name: given.pop(name) for name in of_drawing if name in given}
    start = given.pop("start", None)
    if (start is not None) + bool(own) + ("initializer" in given) > 1:
        names = ", ".join(["start"] * (start is not None) + [*own])
        rule = "cannot go with another way to start"
        raise ExperimentError(file, "`recipe`", rule, names)
    if own:
        given["initializer"] = Initializer(**own)
    if start is not None:
        given["initializer"] = read_start_word(start, folder)
    for name, value in given.items():
        if isinstance(value, Mapping):
            given[name] = _of_table(file, f"`recipe.{name}`", value)
        elif isinstance(value, list):
            rule = "must be one value here; lists make a grid on the command line"
            raise ExperimentError(file, f"`recipe.{name}`", rule, value)
    return given


def _of_table(file: str, place: str, given: Mapping[str, Any]) -> Any:
    """Return a schedule, or a name with its options in brackets."""
    if set(given) == {"values", "changes"}:
        try:
            return Schedule(given["values"], given["changes"])
        except SettingError as fault:
            rule = f"must be right in {fault.setting}, which {fault.rule}"
            raise ExperimentError(file, place, rule, fault.value) from None
    options = {name: value for name, value in given.items() if name != "name"}
    plain = all(isinstance(value, bool | int | float) for value in options.values())
    if not isinstance(given.get("name"), str) or not plain:
        rule = "must be one value, { values = [...], changes = [...] } or { name = NAME, ... }"
        raise ExperimentError(file, place, rule, dict(given))
    return spell_named(given["name"], options)
