"""The points of a grid from a CSV file: `--table FILE`, a row each, a setting in every column."""

import contextlib
import csv
import dataclasses
import io
from collections.abc import Iterator
from typing import Any

from bpjax.cli.options import MOST_POINTS, Words, options_of, task_variants
from bpjax.errors import SettingError, shown
from bpjax.settings import SETTINGS

LARGEST_FILE = 2**24
"""Bytes."""
_NUMBERS = {setting.name for setting in SETTINGS if setting.kind in ("number", "whole number")}


def with_table(settings: Any, path: str | None) -> Any:
    """Return settings with those of a table: a list of words for every column.

    Args:
      settings: of the command line.
      path: the file; None leaves the settings as they are.

    Raises:
      SettingError: if the file cannot be read or is no table; for a column that is given on the
        command line too, or that is one value for all points.
    """
    if path is None:
        return settings
    kinds = options_of(type(settings))
    fixed = {word.partition("=")[0] for word in settings.set}
    given: set[str] = set()
    flags: dict[str, tuple[str, ...]] = {}
    words = list(settings.set)
    for name, values in _columns(path).items():
        option = name.replace("-", "_")
        if option in flags or option in given:
            raise SettingError("table", f"must not have {shown(name)} in two spellings", path)
        if option in fixed or getattr(settings, option, None) is not None:
            raise SettingError(
                "table", f"must not have a column {shown(name)}, which is given", path
            )
        if option not in kinds:
            if any("," in value for value in values):
                raise SettingError("table", f"must have no commas in column {shown(name)}", path)
            words.append(f"{option}={','.join(values)}")
            given.add(option)
        elif kinds[option] == Words:
            if option in _NUMBERS and any(":" in value for value in values):
                rule = f"must have no ranges in column {shown(name)}: every row is one point"
                raise SettingError("table", rule, path)
            flags[option] = values
        else:
            rule = f"must leave out {shown(name)}, which is one for all points"
            raise SettingError("table", rule, path)
    return dataclasses.replace(settings, set=tuple(words), **flags)


def asked_for(options: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return what `task_variants` does for options that may have a table, and `zipped`."""
    zipped = options.zipped or options.table is not None
    given = with_table(options.settings, options.table)
    with as_fault_of(options.table):
        variants, settings = task_variants(options.task, given, zipped)
    return variants, {**settings, "zipped": zipped}


@contextlib.contextmanager
def as_fault_of(path: str | None) -> Iterator[None]:
    """Say of points that do not fit that the table is wrong, where they come from one."""
    try:
        yield
    except SettingError as fault:
        if path is None or fault.setting != "zipped":
            raise
        raise SettingError("table", fault.rule, fault.value) from None


def _columns(path: str) -> dict[str, tuple[str, ...]]:
    """Return the columns of a CSV file by their names."""
    rule = "must name a CSV file with a line of names and a line for every point"
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        rows = list(csv.reader(text, strict=True))
    except (OSError, ValueError, csv.Error) as fault:
        cause = getattr(fault, "strerror", None) or shown(str(fault))
        raise SettingError("table", f"{rule} ({cause})", path) from None
    rows = [[cell.strip() for cell in row] for row in rows if row]
    if len(content) > LARGEST_FILE or len(rows) > MOST_POINTS + 1:
        raise SettingError("table", f"must have at most {MOST_POINTS:,} points", path)
    if len(rows) < 2:
        raise SettingError("table", rule, path)
    names, *points = rows
    if not all(names) or len({*names}) < len(names):
        raise SettingError("table", "must have a name of its own for every column", names)
    for k, point in enumerate(points, start=1):
        if len(point) != len(names) or not all(point):
            raise SettingError("table", f"must have {len(names)} values at point {k}", point)
    return dict(zip(names, zip(*points, strict=True), strict=True))
