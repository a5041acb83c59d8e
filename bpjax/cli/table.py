"""The points of a grid from a CSV file: `--table FILE`, a row each, a setting in every column."""

import csv
import dataclasses
from typing import Any

from bpjax.cli.options import MOST_POINTS, Words, options_of
from bpjax.errors import SettingError, shown

LARGEST_FILE = 2**24
"""Bytes."""


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
    given = {word.partition("=")[0] for word in settings.set}
    flags: dict[str, tuple[str, ...]] = {}
    words = list(settings.set)
    for name, values in _columns(path).items():
        option = name.replace("-", "_")
        if option in given or getattr(settings, option, None) is not None:
            raise SettingError(
                "table", f"must not have a column {shown(name)}, which is given", path
            )
        if option not in kinds:
            if any("," in value for value in values):
                raise SettingError("table", f"must have no commas in column {shown(name)}", path)
            words.append(f"{name}={','.join(values)}")
        elif kinds[option] == Words:
            flags[option] = values
        else:
            rule = f"must leave out {shown(name)}, which is one for all points"
            raise SettingError("table", rule, path)
    return dataclasses.replace(settings, set=tuple(words), **flags)


def _columns(path: str) -> dict[str, tuple[str, ...]]:
    """Return the columns of a CSV file by their names."""
    rule = "must name a CSV file with a line of names and a line for every point"
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
        rows = list(csv.reader(content.decode("utf-8-sig").splitlines(), strict=True))
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
