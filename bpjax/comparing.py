"""Settings beside one another over the same seeds: the points of a grid, or several sweeps."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bpjax.analysis.convergence import Interval, success_rate
from bpjax.analysis.paired import Paired, Runs, paired
from bpjax.errors import SettingError
from bpjax.results.summary import point_text, rows_by_point
from bpjax.status import Status
from bpjax.sweeps.result import SweepResult


class Compared(NamedTuple):
    """One setting beside the base.

    Attributes:
      name: its grid settings, with the name of its sweep where there are several.
      num_runs: how many runs it has.
      solved: the share of them that converged.
      pairs: beside the base, over the seeds in common; None for the base itself, and where there
        are none.
    """

    name: str
    num_runs: int
    solved: Interval
    pairs: Paired | None


def compare(
    results: SweepResult | Mapping[str, SweepResult], base: str | None = None, level: float = 0.95
) -> list[Compared]:
    """Compare every setting with a base, run by run of the same seeds.

    Args:
      results: a sweep over a grid, or several sweeps by name.
      base: the name of the setting that the others are held against; None for the first.
      level: confidence level of the intervals.

    Returns:
      The base, then the others in their order.

    Raises:
      SettingError: for fewer than two settings, a sweep that kept no rows, or an unknown base.

    Example:
      >>> import bpjax
      >>> rates = bpjax.sweep("xor", 200, learning_rate=[0.25, 1.0])
      >>> base, faster = bpjax.compare(rates)
      >>> faster.name, faster.pairs.num_pairs, faster.pairs.second_faster > 190
      ('learning_rate=1.0', 200, True)
    """
    points = _points(results if isinstance(results, Mapping) else {"": results})
    if len(points) < 2:
        raise SettingError("results", "must have at least two settings to compare", list(points))
    base = next(iter(points)) if base is None else base
    if base not in points:
        raise SettingError("base", f"must be one of {', '.join(points)}", base, points)
    names = [base, *(name for name in points if name != base)]
    return [_compared(name, points[name], points[base], name == base, level) for name in names]


def _compared(name: str, runs: Runs, base: Runs, is_base: bool, level: float) -> Compared:
    status = np.asarray(runs.status)
    solved = success_rate(int(np.sum(status == Status.CONVERGED)), len(status), level)
    apart = is_base or not np.intersect1d(runs.seed, base.seed).size
    return Compared(name, len(status), solved, None if apart else paired(base, runs, level))


def _points(results: Mapping[str, SweepResult]) -> dict[str, Runs]:
    """Return the rows of every setting of every sweep, by name."""
    found: dict[str, Runs] = {}
    for sweep, result in results.items():
        if "seed" not in result:
            raise SettingError("results", "must have a row for every run", "a summary of counts")
        for settings, part in rows_by_point(result.table):
            label = point_text(settings)
            both = ": ".join(filter(None, [sweep, label]))
            name = both if len(results) > 1 else label or sweep
            found[name] = Runs(part["seed"], part["status"], part["epochs"])
    return found
