"""Which columns the chunks of a sweep have, as its identity tells, and what may stand in them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bpjax.results.chunks import Ranges, every_run, num_runs_of, runs_text
from bpjax.results.schema import PER_POINT, points_of, tasks_of
from bpjax.status import Status

_ROUND_ABOUT = 2**16
"""Bytes of a chunk beside its columns, and more: header, names, seal."""


class Whole(NamedTuple):
    """A column of whole numbers of one type, from `least` to `most`."""

    dtype: np.dtype
    least: int
    most: int


class Columns(NamedTuple):
    """The columns of a sweep.

    Attributes:
      counts: whether a row counts runs that ended alike.
      whole: the columns of whole numbers.
      floats: the type of `loss` and of weights.
      num_weights: columns of `weights`; 0 where they are not kept.
      cells: the settings of the grid, the value in every cell.
    """

    counts: bool
    whole: Mapping[str, Whole]
    floats: np.dtype
    num_weights: int
    cells: Mapping[str, np.ndarray]

    @property
    def names(self) -> set[str]:
        """What they are called."""
        own = set() if self.counts else {"seed", "loss"}
        return {*self.whole, *self.cells} | own | ({"weights"} if self.num_weights else set())


def columns_of(identity: Mapping[str, Any]) -> Columns:
    """Return the columns of a sweep whose identity is one: see `fault_of_identity`."""
    counts = identity["rows"] == "counts"
    cap = max(task["recipe"]["max_epochs"] for task in tasks_of(identity))
    whole = {
        "status": Whole(np.dtype(np.int8), Status.CONVERGED.value, Status.NONFINITE.value),
        "epochs": Whole(np.dtype(np.int32), 0, cap),
    }
    if counts:
        whole["count"] = Whole(np.dtype(np.int64), 1, 2**63 - 1)
    elif number := identity.get("num_held_out"):
        whole["held_out_right"] = Whole(np.dtype(np.int32), 0, number)
    return Columns(
        counts=counts,
        whole=whole,
        floats=np.dtype(identity["precision"]),
        num_weights=len(identity["weight_names"] or ()),
        cells=_settings_by_cell(identity),
    )


def _settings_by_cell(identity: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return each setting of the grid in every cell, with the type that its column has."""
    tasks = tasks_of(identity)
    rows = [{**tasks[variant]["options"], **point} for variant, point in points_of(identity)]
    return {name: np.array([row[name] for row in rows]) for name in identity["columns"]}


def most_bytes(columns: Columns, num_runs: int) -> int:
    """Return how large a chunk can be that holds some of so many runs."""
    whole = sum(column.dtype.itemsize for column in columns.whole.values())
    cells = sum(values.dtype.itemsize for values in columns.cells.values())
    floats = columns.floats.itemsize * (1 + columns.num_weights)
    held = seed = 8
    about = 300 * len(columns.names)
    return _ROUND_ABOUT + about + num_runs * (held + seed + whole + cells + floats)


def fault_of_columns(expected: Columns, runs: Ranges, columns: Mapping[str, np.ndarray]) -> str:
    """Return what keeps `columns` from being those of these runs of a sweep, "" if nothing does.

    Args:
      expected: from `columns_of`.
      runs: in order, of this sweep; of one cell where runs are counted.
      columns: of any type and shape.
    """
    if set(columns) != expected.names:
        odd = sorted(set(columns) ^ expected.names)
        return f"its columns are not those of its sweep, see {', '.join(map(repr, odd[:3]))}"
    num_runs = num_runs_of(runs)
    num_rows = columns["count"].size if expected.counts else num_runs
    for name, column in columns.items():
        shape = (num_rows, expected.num_weights) if name == "weights" else (num_rows,)
        if column.shape != shape:
            return f"column {name!r} must have {num_rows} rows, got shape {column.shape}"
    for name, rule in expected.whole.items():
        if fault := _fault_of_whole(name, columns[name], rule):
            return fault
    if expected.counts:
        return _fault_of_counts(expected, runs, num_runs, columns)
    return _fault_of_rows(expected, runs, columns)


def _fault_of_whole(name: str, column: np.ndarray, rule: Whole) -> str:
    if column.dtype == rule.dtype and np.all((column >= rule.least) & (column <= rule.most)):
        return ""
    kind = f"whole numbers from {rule.least} to {rule.most}"
    return f"column {name!r} must hold {kind}, as {rule.dtype.name}"


def _fault_of_counts(
    expected: Columns, runs: Ranges, num_runs: int, columns: Mapping[str, np.ndarray]
) -> str:
    cell = runs[0, 0] // PER_POINT
    for name, values in expected.cells.items():
        column = columns[name]
        if column.dtype != values.dtype or not np.all(column == values[cell]):
            return f"column {name!r} must hold the setting of its point of the grid"
    count = columns["count"]
    # In halves, since a sum of 64 bits could come round.
    counted = (int((count >> 32).sum()) << 32) + int((count & (2**32 - 1)).sum())
    return "" if counted == num_runs else f"it must count {num_runs} runs, and counts {counted}"


def _fault_of_rows(expected: Columns, runs: Ranges, columns: Mapping[str, np.ndarray]) -> str:
    for name in {"loss", "weights"} & set(columns):
        if columns[name].dtype != expected.floats:
            return f"column {name!r} must hold {expected.floats.name}"
    cell, own = np.divmod(every_run(runs), PER_POINT)
    for name, values in expected.cells.items():
        column = columns[name]
        if column.dtype != values.dtype or not np.array_equal(column, values[cell]):
            return f"column {name!r} must hold the settings of its runs"
    seed = columns["seed"]
    if seed.dtype != np.uint32 or not np.array_equal(seed, own):
        return f"column 'seed' must hold {runs_text(runs)} in order, as uint32"
    return ""
