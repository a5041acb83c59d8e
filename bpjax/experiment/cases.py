"""From columns to the cases of a task: chosen, words as units, scaled, some held out."""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpjax.errors import ExperimentError, shown
from bpjax.experiment.columns import (
    TEXT_FILES,
    Column,
    Source,
    inline_columns,
    read_columns,
)
from bpjax.experiment.schema import MOST_NUMBERS, MOST_UNITS, keys_of


class Cases(NamedTuple):
    """The cases of a task.

    Attributes:
      inputs: one row per case, shape (num_cases, num_in).
      targets: likewise, shape (num_cases, num_out).
      held_out: as in `bpjax.Task`.
      input_names: what each input unit stands for, in words; empty where it shows a number.
      target_names: likewise of the output units.
    """

    inputs: np.ndarray
    targets: np.ndarray
    held_out: int | tuple[int, ...]
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]


class Data(NamedTuple):
    """All columns of an experiment, as they were read."""

    source: Source
    inputs: Sequence[Column]
    targets: Sequence[Column]
    others: Sequence[Column]


class _Units(NamedTuple):
    """The units that a column becomes: their values by case, and what they stand for."""

    values: np.ndarray
    names: tuple[str, ...]


def read_data(file: str, folder: Path, table: Mapping[str, Any]) -> Data:
    """Return the columns that an experiment names.

    Args:
      file: the experiment file, as the user named it.
      folder: where files beside it are.
      table: its `[cases]`.

    Raises:
      ExperimentError: naming the file, the line or key, and the rule.
    """
    inputs, targets = table["inputs"], table["targets"]
    if table["file"] is None or not table["file"].lower().endswith(TEXT_FILES):
        rule = "must be left out where no text file holds the cases"
        _refuse_unused(file, table, ("header", "skip", "separator"), rule)
    if table["file"] is None:
        return _inline(file, inputs, targets)
    for key in ("inputs", "targets"):
        if not _are_names(table[key]):
            rule = "must be names of columns where `cases.file` holds the cases"
            raise ExperimentError(file, f"`cases.{key}`", rule, table[key])
    source, columns = read_columns(folder / table["file"], table["file"], table)
    held_out = table["held_out"]
    split = held_out.get("column") if isinstance(held_out, Mapping) else None
    others = _chosen(file, "`cases.held_out`", columns, split) if isinstance(split, str) else []
    left = [column for column in columns if column not in others]
    chosen = targets if targets is not None else ("targets",) if _has(columns, "targets") else None
    wanted = left[-1:] if chosen is None else _chosen(file, "`cases.targets`", columns, chosen)
    if inputs is None and _has(columns, "inputs"):
        inputs = ("inputs",)
    if inputs is None:
        shown_ = [column for column in left if column not in wanted]
    else:
        shown_ = _chosen(file, "`cases.inputs`", columns, inputs)
    for column in wanted:
        if column in shown_:
            rule = "must not name a column of the inputs too"
            raise ExperimentError(file, "`cases.targets`", rule, column.name)
    if not shown_:
        raise ExperimentError(table["file"], "", "must have a column for the inputs, and one more")
    return Data(source, shown_, wanted, others)


def _are_names(given: Any) -> bool:
    if given is None or isinstance(given, str):
        return True
    return all(isinstance(name, str) for name in given)


def _inline(file: str, inputs: Any, targets: Any) -> Data:
    for key, given in (("inputs", inputs), ("targets", targets)):
        if given is None or isinstance(given, str):
            rule = "must hold a row for every case, unless `cases.file` names a file that does"
            raise ExperimentError(file, f"`cases.{key}`", rule, given)
    if len(inputs) != len(targets):
        rule = f"must have {len(inputs)} rows, as many as `cases.inputs`"
        raise ExperimentError(file, "`cases.targets`", rule, len(targets))
    source, shown_ = inline_columns(file, "inputs", inputs)
    return Data(source, shown_, inline_columns(file, "targets", targets)[1], [])


def _has(columns: Sequence[Column], group: str) -> bool:
    """Tell whether there is an array of a NumPy archive that is called so."""
    return any(column.group == group for column in columns)


def _chosen(file: str, place: str, columns: Sequence[Column], names: Any) -> list[Column]:
    """Return the columns of some names, in their order, each once."""
    found: list[Column] = []
    for name in [names] if isinstance(names, str) else names:
        fitting = [column for column in columns if name in (column.name, column.group)]
        fitting = fitting or [c for c in columns if fnmatch.fnmatchcase(c.name, name)]
        if not fitting:
            groups = dict.fromkeys(column.group for column in columns)
            rule = f"must be among the columns {shown(', '.join(groups))}"
            raise ExperimentError(file, place, rule, name)
        found += [column for column in fitting if column not in found]
    return found


# ---- from columns to units -----------------------------------------------------------------------


def cases_of(file: str, data: Data, table: Mapping[str, Any]) -> Cases:
    """Return the cases that columns make.

    Args:
      file: the experiment file, as the user named it.
      data: its columns.
      table: its `[cases]`.

    Raises:
      ExperimentError: naming the file, the place and the rule.
    """
    num_cases = len(data.inputs[0].cells)
    held_out = _held_out(file, data, table["held_out"], num_cases)
    counted = np.ones(num_cases, bool)
    if isinstance(held_out, tuple):
        counted[list(held_out)] = False
    words = _named_words(file, data, table["words"])
    columns = [*data.inputs, *data.targets]
    distinct = {id(c): _distinct(c) if c.is_words or c.name in words else [] for c in columns}
    _check_units(file, num_cases, [max(len(distinct[id(c)]), 1) for c in columns])
    off, on = float(table["off"]), float(table["on"])
    if not off < on:
        raise ExperimentError(file, "`cases.off`", "must be below `cases.on`", off)

    if not any(distinct[id(c)] for c in data.targets) and table["target_scale"] != "range":
        rule = "must be left out, or go with targets in words or with target_scale = 'range'"
        _refuse_unused(file, table, ("off", "on"), rule)
    for name, those in (("scale", data.inputs), ("target_scale", data.targets)):
        if all(distinct[id(column)] for column in those):
            _refuse_unused(file, table, (name,), "must be left out where all columns are words")

    def units(column: Column, scale: str, low: float, high: float) -> _Units:
        if values := distinct[id(column)]:
            return _of_words(data.source, column, values, low, high)
        scaled = _SCALES[scale](np.asarray(column.cells, float), counted, low, high)
        if scaled is None:
            rule = f"must have different numbers to be scaled by {scale}, and have in column"
            raise ExperimentError(data.source.file, "cases", rule, column.name)
        return _Units(scaled[:, None], (column.name,))

    inputs = [units(column, table["scale"], 0.0, 1.0) for column in data.inputs]
    targets = [units(column, table["target_scale"], off, on) for column in data.targets]
    of_words = [bool(distinct[id(column)]) for column in data.inputs]
    return Cases(
        np.concatenate([found.values for found in inputs], axis=1),
        np.concatenate([found.values for found in targets], axis=1),
        held_out,
        _names(inputs) if all(of_words) else (),
        _names(targets),
    )


def _refuse_unused(file: str, table: Mapping[str, Any], names: Sequence[str], rule: str) -> None:
    """Raise ExperimentError for a key that says something and that nothing would read."""
    for name in names:
        if table[name] != keys_of("cases")[name].default:
            raise ExperimentError(file, f"`cases.{name}`", rule, table[name])


def _names(units: Sequence[_Units]) -> tuple[str, ...]:
    """Return what units stand for; nothing where a column has but a place: "inputs[0]"."""
    names = tuple(name for found in units for name in found.names)
    return () if any(name.endswith("]") for name in names) else names


def _named_words(file: str, data: Data, names: Any) -> set[str]:
    columns = [*data.inputs, *data.targets]
    return {column.name for column in _chosen(file, "`cases.words`", columns, names)}


def _distinct(column: Column) -> list[Any]:
    return sorted(set(np.asarray(column.cells).tolist()))


def _check_units(file: str, num_cases: int, widths: Sequence[int]) -> None:
    """Raise ExperimentError for tables of cases that would be too large, before they are made."""
    if max(widths) > MOST_UNITS:
        rule = f"must have at most {MOST_UNITS:,} different words in a column"
        raise ExperimentError(file, "`cases`", rule, max(widths))
    if num_cases * sum(widths) > MOST_NUMBERS:
        rule = f"must make at most {MOST_NUMBERS // num_cases:,} units for {num_cases:,} cases"
        raise ExperimentError(file, "`cases`", rule, sum(widths))


def _of_words(source: Source, column: Column, words: list[Any], off: float, on: float) -> _Units:
    if len(words) < 2:
        rule = f"must have two words at least in column {shown(column.name)!r}"
        raise ExperimentError(source.file, "cases", rule, words[0])
    shows = np.asarray(column.cells)[:, None] == np.asarray(words)[None, :]
    names = tuple(word if isinstance(word, str) else f"{column.name} {word:g}" for word in words)
    return _Units(np.where(shows, on, off), names)


def _range(values: np.ndarray, counted: np.ndarray, low: float, high: float) -> np.ndarray | None:
    least, most = values[counted].min(), values[counted].max()
    if not least < most or not np.isfinite(most - least):
        return None
    return low + (high - low) * ((values - least) / (most - least))


def _standard(
    values: np.ndarray, counted: np.ndarray, low: float, high: float
) -> np.ndarray | None:
    del low, high
    with np.errstate(over="ignore", invalid="ignore"):
        mean, spread = values[counted].mean(), values[counted].std()
    return (values - mean) / spread if spread > 0 and np.isfinite(spread) else None


_SCALES: dict[str, Callable[..., np.ndarray | None]] = {
    "none": lambda values, *_: values,
    "range": _range,
    "standard": _standard,
}


def _held_out(file: str, data: Data, given: Any, num_cases: int) -> int | tuple[int, ...]:
    place = "`cases.held_out`"
    if isinstance(given, int):
        if given >= num_cases:
            rule = f"must leave some of {num_cases} cases"
            raise ExperimentError(file, place, rule, given)
        return given
    if isinstance(given, Mapping):
        given = _rows_where(file, data, given)
    rows = tuple(given)
    if len(set(rows)) < len(rows) or max(rows) >= num_cases or len(rows) == num_cases:
        rule = f"must be different cases, from 0 to {num_cases - 1}, and leave some"
        raise ExperimentError(file, place, rule, list(rows))
    return rows


def _rows_where(file: str, data: Data, given: Mapping[str, Any]) -> tuple[int, ...]:
    place = "`cases.held_out`"
    fits = set(given) == {"column", "is"} and isinstance(given["is"], str | int | float)
    if not fits or not data.others or not isinstance(given["column"], str):
        rule = "must be { column = NAME, is = VALUE }, with a column of `cases.file`"
        raise ExperimentError(file, place, rule, dict(given))
    (column,) = data.others[:1]
    rows = tuple(np.flatnonzero([cell == given["is"] for cell in column.cells]).tolist())
    if not rows:
        values = ", ".join(str(value) for value in _distinct(column)[:5])
        rule = f"must have a value of column {shown(column.name)!r}, such as {shown(values)}"
        raise ExperimentError(file, place, rule, given["is"])
    return rows
