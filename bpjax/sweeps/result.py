"""What a sweep returns: the outcome of every run, as columns, as rows and in one line."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from bpjax.analysis.convergence import survival_of_outcomes
from bpjax.errors import nearest, value_shown
from bpjax.notebook import curve_of, shown
from bpjax.results.export import flat_columns
from bpjax.results.schema import num_points
from bpjax.results.store import RunTable
from bpjax.results.summary import Timing, point_text, rows_by_point, summarize, tally_of
from bpjax.status import Status

MOST_POINTS = 20
"""Of a grid, that a notebook shows."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SweepResult:
    """The outcome of every run of a sweep.

    Its length is the number of rows. Iterating gives a dictionary for each, with outcomes by name,
    as `export` writes them.

    Attributes:
      table: the identity of the sweep and one column per quantity: `seed`, `status`, `epochs`,
        `loss`, `held_out_right` where the task holds out cases (how many of them the run has
        right at its outcome), the settings of the grid, and `weights` where they were kept; with
        `summary_only` one row per kind of outcome, with its `count`.
      timing: seconds and work of the session that made the last runs; None if unknown.
      fallback: why the implementation is not the one that was asked for; None if it is.
    """

    table: RunTable
    timing: Timing | None
    fallback: str | None = None

    def __getitem__(self, column: str) -> np.ndarray:
        """Return a column of the per-run table, for example `result["epochs"]`.

        Raises:
          KeyError: for another name; it says which there are.
        """
        columns = self.table.columns
        if column not in columns:
            near = nearest(column, columns)
            perhaps = f" Perhaps {near!r}?" if near else ""
            there_are = ", ".join(columns)
            raise KeyError(f"there is no column {value_shown(column)}, only {there_are}.{perhaps}")
        return columns[column]

    def __contains__(self, column: object) -> bool:
        """Tell whether there is such a column."""
        return column in self.table.columns

    def __len__(self) -> int:
        return len(self["status"])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        flat = flat_columns(self.table)
        for row in zip(*(column.tolist() for column in flat.values()), strict=True):
            yield dict(zip(flat, row, strict=True))

    def summary(self, level: float = 0.95) -> dict[str, Any]:
        """Return what `summary.json` holds; `level` is that of the intervals."""
        return summarize(self.table, self.timing, level) | {"fallback": self.fallback}

    def to_pandas(self) -> Any:
        """Return the rows as a `pandas.DataFrame`, outcomes by name; pandas must be installed."""
        import pandas

        return pandas.DataFrame(flat_columns(self.table))

    def to_polars(self) -> Any:
        """Return the rows as a `polars.DataFrame`, outcomes by name; Polars must be installed."""
        import polars

        return polars.DataFrame(flat_columns(self.table))

    def __repr__(self) -> str:
        told = ", ".join(f"{number:,} {name}" for name, number in self._outcomes().items())
        return f"SweepResult({self._title()}: {told}; columns {', '.join(self.table.columns)})"

    def _repr_html_(self) -> str:
        if num_points(self.table.identity) > 1:  # points are never taken together
            return shown(self._title(), self._outcomes() | self._solved_by_point())
        curve = survival_of_outcomes(tally_of(self.table.columns))
        solved = curve_of(
            curve.epochs, 1 - curve.survival, "share of runs converged, by epoch", steps=True
        )
        return shown(self._title(), self._outcomes(), solved)

    def _solved_by_point(self) -> dict[str, str]:
        """Return how many runs of the first points of a grid converged, in words."""
        found = {}
        for settings, part in itertools.islice(rows_by_point(self.table), MOST_POINTS):
            tally = tally_of(part)
            solved = int(tally.ending(Status.CONVERGED)[1].sum())
            found[point_text(settings)] = f"{solved:,} of {tally.num_runs:,} converged"
        if (more := num_points(self.table.identity) - len(found)) > 0:
            found["..."] = f"{more:,} more points, in summary()"
        return found

    def _title(self) -> str:
        told = self.table.identity["task"]
        tasks = told if isinstance(told, list) else [told]
        points = num_points(self.table.identity)
        return tasks[0]["name"] + (f", a grid of {points:,} points" if points > 1 else "")

    def _outcomes(self) -> dict[str, int]:
        tally = tally_of(self.table.columns)
        counts = {status.name: int(tally.ending(status)[1].sum()) for status in Status}
        return {"runs": tally.num_runs} | {name: n for name, n in counts.items() if n}
