"""The figures of a sweep: which ones its runs call for, with which words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bpjax.analysis.convergence import survival_of_outcomes
from bpjax.analysis.losses import loss_quantiles
from bpjax.analysis.outcomes import outcomes_of
from bpjax.errors import SettingError
from bpjax.histories import LossHistories
from bpjax.plots.cells import Quantity
from bpjax.plots.curve import setting_curve
from bpjax.plots.fan import loss_fan
from bpjax.plots.histogram import epochs_histogram
from bpjax.plots.map import setting_map
from bpjax.plots.survival import survival
from bpjax.results.identity import as_stored
from bpjax.results.store import RunTable
from bpjax.results.summary import summarize
from bpjax.settings import CRITERIA
from bpjax.starts.initial import read_told
from bpjax.status import Status
from bpjax.task import Published
from bpjax.tasks import TASKS, make_task

MOST_GROUPS = 7
"""More curves than this on one axis cannot be told apart; then all runs are drawn as one."""
MOST_LINES = 10
"""Runs that never converged, drawn as lines in a fan."""
SHORTEST_CURVE = 3
"""Points of a grid over one setting that make a curve; two are seen better by their survival."""


def sweep_figures(table: RunTable, level: float = 0.95) -> dict[str, Axes]:
    """Draw what a sweep found.

    Always `survival`, the share of runs not yet converged; a grid of up to seven points has a curve
    for each. Without a grid `epochs`, a histogram beside the published number, where there is one
    for just these settings. With a grid over two numbers `solved` and, if any median was reached,
    `median-epochs` as maps; over one with more than two points as curves.

    Args:
      table: all runs, as rows or as counts.
      level: confidence level of bands and intervals.

    Returns:
      The figures' axes by file name.
    """
    cells = _cells(table)
    figures = {"survival": _survival(table, cells, level)}
    if len(cells) == 1:
        return figures | {"epochs": _histogram(table)}
    return figures | _over_settings(table, level)


def fan_of_histories(histories: LossHistories) -> Axes:
    """Draw the loss of many runs, those that never converged (ten at most) also one by one."""
    task, num_runs = histories.task, len(histories.seed)
    about = f"{task.name}: {num_runs:,} runs (seeds {histories.seed[0]} to {histories.seed[-1]})"
    stuck = histories.loss[histories.status != Status.CONVERGED]
    return loss_fan(
        histories.epoch,
        loss_quantiles(histories.loss),
        title=f"{about}\ncriterion {task.criterion}, cap {task.recipe.max_epochs:,}",
        not_converged=stuck[:MOST_LINES],
        num_not_converged=len(stuck),
    )


def _survival(table: RunTable, cells: Mapping[str, np.ndarray], level: float) -> Axes:
    together = len(cells) > MOST_GROUPS
    groups = {"all": np.arange(len(table.columns["status"]))} if together else cells
    curves = {
        label: survival_of_outcomes(_outcomes(table, rows), level) for label, rows in groups.items()
    }
    num_runs = sum(curve.num_runs for curve in curves.values())
    shown: Any = curves if len(curves) > 1 else next(iter(curves.values()))
    return survival(
        shown,
        title=_title(table, num_runs, f" of {len(cells)} settings together" * together),
        max_epochs=None if "max_epochs" in table.identity["grid"] else _recipe(table)["max_epochs"],
        log_epochs=True,
    )


def _histogram(table: RunTable) -> Axes:
    outcomes = _outcomes(table)
    epochs, count = outcomes.ending(Status.CONVERGED)
    published = _published(table)
    beside: dict[str, Any] = {}
    if published is not None:
        words = f"published: {published.epochs:,} ({published.mark}, {published.source})"
        beside = {"published": published.epochs, "published_label": words}
    return epochs_histogram(
        epochs,
        count=count,
        title=_title(table, outcomes.num_runs),
        num_not_converged=outcomes.num_runs - int(count.sum()),
        log_epochs=True,
        **beside,
    )


def _over_settings(table: RunTable, level: float) -> dict[str, Axes]:
    """Draw a grid over one or two settings that are numbers; of others there is no picture."""
    cells = summarize(table, None, level)["cells"]
    points = [cell["settings"] for cell in cells]
    varied = [name for name in points[0] if len({str(point[name]) for point in points}) > 1]
    if not all(_is_number(point[name]) for point in points for name in varied):
        return {}
    num_runs = sum(cell["num_runs"] for cell in cells)
    title = _title(table, num_runs, f", {table.identity['seeds']['count']:,} per setting")
    quantities: dict[str, Quantity] = {"solved": "success_rate"}
    if any(cell["epochs"]["median"] is not None for cell in cells):
        quantities["median-epochs"] = "epochs"
    draw: Any = {1: setting_curve, 2: setting_map}.get(len(varied))
    if draw is None or (draw is setting_curve and len(cells) < SHORTEST_CURVE):
        return {}
    return {
        file: draw(cells, *varied, title=title, quantity=quantity)
        for file, quantity in quantities.items()
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _outcomes(table: RunTable, rows: Any = slice(None)) -> Any:
    columns = {name: table.columns[name][rows] for name in ("status", "epochs")}
    count = table.columns.get("count")
    return outcomes_of(**columns, count=None if count is None else count[rows])


def _title(table: RunTable, num_runs: int, of_what: str = "") -> str:
    """Return what no epoch count may be without: runs, criterion, cap and initial range."""
    grid, task = table.identity["grid"], _tasks(table)[0]
    parts = []
    if not set(CRITERIA) & grid.keys():
        parts.append(f"criterion {task['criterion']}")
    elif of_what:
        parts.append("several criteria")
    if "max_epochs" not in grid:
        parts.append(f"cap {task['recipe']['max_epochs']:,}")
    if not {"init_range", "initializer"} & grid.keys():
        parts.append(_start_in_words(task["recipe"]))
    return f"{task['name']}: {num_runs:,} runs{of_what}\n{', '.join(parts)}"


def _start_in_words(recipe: Mapping[str, Any]) -> str:
    told = recipe["initializer"]
    if told.startswith("Plane("):
        return "weights on a plane"
    if told.startswith("Start("):
        return "given weights"
    drawn = read_told(told)
    if drawn is None or drawn.distribution == "uniform":
        return f"weights in \N{PLUS-MINUS SIGN}{recipe['init_range']:g}"
    scale = f" of {recipe['init_range']:g}" if drawn.uses_range else ""
    return f"weights {drawn.distribution}{scale}"


def _tasks(table: RunTable) -> Sequence[Mapping[str, Any]]:
    tasks = table.identity["task"]
    return [tasks] if isinstance(tasks, Mapping) else tasks


def _recipe(table: RunTable) -> Mapping[str, Any]:
    return _tasks(table)[0]["recipe"]


def _published(table: RunTable) -> Published | None:
    """Return the task's first published number of epochs, if the sweep has the task's settings.

    Only the cap may be another: it changes no run, only how long runs are watched.
    """
    swept = _tasks(table)[0]
    if len(_tasks(table)) > 1 or swept["name"] not in TASKS:
        return None
    try:
        task = make_task(swept["name"], **swept["options"])
    except SettingError:  # a task of the user's own, or of another version
        return None
    own = as_stored(task.with_settings(max_epochs=_recipe(table)["max_epochs"]).describe())
    if own != as_stored(swept) or table.identity["grid"]:
        return None
    return next((figure for figure in task.published if figure.epochs is not None), None)


def _cells(table: RunTable) -> dict[str, np.ndarray]:
    """Return the rows of every point of the grid, under its settings in words."""
    columns, names = table.columns, table.identity["columns"]
    if not names:
        return {"all": np.arange(len(columns["status"]))}
    rows: dict[str, list[int]] = {}
    points = zip(*(columns[name].tolist() for name in names), strict=True)
    for row, point in enumerate(points):
        label = ", ".join(f"{n} {value}" for n, value in zip(names, point, strict=True))
        rows.setdefault(label, []).append(row)
    return {label: np.array(numbers) for label, numbers in rows.items()}
