"""The figures of a sweep: which ones its runs call for, with which words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bpjax.analysis.convergence import survival_of_outcomes
from bpjax.analysis.losses import loss_quantiles
from bpjax.analysis.outcomes import Outcomes
from bpjax.errors import SettingError
from bpjax.histories import LossHistories
from bpjax.plots.cells import Quantity
from bpjax.plots.curve import setting_curve
from bpjax.plots.fan import loss_fan
from bpjax.plots.histogram import epochs_histogram
from bpjax.plots.map import setting_map
from bpjax.plots.style import axes_so_wide
from bpjax.plots.survival import survival, survival_panels
from bpjax.results.identity import as_stored
from bpjax.results.store import RunTable
from bpjax.results.summary import rows_by_point, summarize, tally_of
from bpjax.settings import CRITERIA
from bpjax.starts.initial import read_told
from bpjax.status import Status
from bpjax.task import Published
from bpjax.tasks import TASKS, make_task

MOST_GROUPS = 7
"""More curves than this on one axes cannot be told apart; each has a panel of its own then."""
MOST_PANELS = 36
"""More panels than this do not fit a page; curves and maps over the settings have to do."""
MOST_LINES = 10
"""Runs that never converged, drawn as lines in a fan."""
_BESIDE = {"run": "published: ", "mean": "published mean: ", "bound": "published: under "}
"""The words before a published number, by what it counts; others do not belong beside runs."""
SHORTEST_CURVE = 3
"""Points of a grid over one setting that make a curve; two are seen better by their survival."""


def sweep_figures(
    table: RunTable, level: float = 0.95, width: float | None = None
) -> dict[str, Axes]:
    """Draw what a sweep found.

    `survival` is the share of runs not yet converged: a curve for each point of a grid, on one axes
    up to seven, in panels up to 36; runs of different points are never taken together. Without a
    grid `epochs`, a histogram beside the published number, where there is one for just these
    settings. With a grid over two numbers `solved` and, if any median was reached, `median-epochs`
    as maps; over one with more than two points as curves.

    Args:
      table: all runs, as rows or as counts.
      level: confidence level of bands and intervals.
      width: of the figures, in inches; as wide as each needs unless given.

    Returns:
      The figures' axes by file name.
    """
    outcomes = points(table)
    figures = {}
    if len(outcomes) <= MOST_PANELS:
        figures["survival"] = survival_figure(
            outcomes,
            _title(table, [found.num_runs for found in outcomes.values()]),
            None if "max_epochs" in table.identity["grid"] else _recipe(table)["max_epochs"],
            level,
            width,
            columns=_columns(table),
        )
    if len(outcomes) == 1:
        return figures | {"epochs": _histogram(table, width)}
    return figures | _over_settings(table, level, width)


def survival_figure(
    groups: Mapping[str, Outcomes],
    title: str,
    max_epochs: int | None = None,
    level: float = 0.95,
    width: float | None = None,
    columns: int | None = None,
) -> Axes:
    """Draw a survival curve for every group: on one axes if they can be told apart, else in panels.

    Args:
      groups: label to runs, up to `MOST_PANELS`.
      title: the caller's words.
      max_epochs: the cap, if all have the same.
      level: confidence level of the bands.
      width: of the figure, in inches.
      columns: of the panels.
    """
    curves = {label: survival_of_outcomes(runs, level) for label, runs in groups.items()}
    look: dict[str, Any] = {"title": title, "max_epochs": max_epochs, "log_epochs": True}
    if len(curves) > MOST_GROUPS:
        own: dict[str, Any] = {} if width is None else {"width": width}
        return survival_panels(curves, columns=columns, **own, **look)
    height = 3.1 + 0.32 * len(curves)
    shown: Any = curves if len(curves) > 1 else next(iter(curves.values()))
    return survival(shown, ax=axes_so_wide(width, height), **look)


def _columns(table: RunTable) -> int | None:
    """Return how many panels make a row of a grid over two settings: the values of the second."""
    names = [name for name in table.identity["columns"] if name in table.columns]
    values = [len(np.unique(table.columns[name])) for name in names]
    several = [number for number in values if number > 1]
    return several[-1] if len(several) == 2 else None


def fan_of_histories(histories: LossHistories) -> Axes:
    """Draw the loss of many runs, those that never converged (ten at most) also one by one."""
    task, num_runs = histories.task, len(histories.seed)
    about = f"{task.name}: {num_runs:,} runs (seeds {histories.seed[0]} to {histories.seed[-1]})"
    solved = f"criterion {task.criterion}, cap {task.recipe.max_epochs:,}"
    stuck = histories.loss[histories.status != Status.CONVERGED]
    return loss_fan(
        histories.epoch,
        loss_quantiles(histories.loss),
        title=f"{about}\n{solved}; ended runs keep their last loss",
        not_converged=stuck[:MOST_LINES],
        num_not_converged=len(stuck),
    )


def _histogram(table: RunTable, width: float | None) -> Axes:
    outcomes = tally_of(table.columns)
    epochs, count = outcomes.ending(Status.CONVERGED)
    published = _published(table)
    beside: dict[str, Any] = {}
    if published is not None:
        words = f"{_BESIDE[published.counts]}{published.epochs:,}"
        words = f"{words} ({published.mark}, {published.source})"
        beside = {"published": published.epochs, "published_label": words}
    return epochs_histogram(
        epochs,
        count=count,
        title=_title(table, [outcomes.num_runs]),
        num_not_converged=outcomes.num_runs - int(count.sum()),
        log_epochs=True,
        ax=axes_so_wide(width),
        **beside,
    )


def _over_settings(table: RunTable, level: float, width: float | None) -> dict[str, Axes]:
    """Draw a grid over one or two settings that are numbers; of others there is no picture."""
    cells = summarize(table, None, level)["cells"]
    points = [cell["settings"] for cell in cells]
    varied = [name for name in points[0] if len({str(point[name]) for point in points}) > 1]
    if not all(_is_number(point[name]) for point in points for name in varied):
        return {}
    title = _title(table, [cell["num_runs"] for cell in cells])
    quantities: dict[str, Quantity] = {"solved": "success_rate"}
    if any(cell["epochs"]["median"] is not None for cell in cells):
        quantities["median-epochs"] = "epochs"
    draw: Any = {1: setting_curve, 2: setting_map}.get(len(varied))
    if draw is None or (draw is setting_curve and len(cells) < SHORTEST_CURVE):
        return {}
    if len(cells) < math.prod(len({point[name] for point in points}) for name in varied):
        return {}  # points that are no product make no map
    return {
        file: draw(cells, *varied, title=title, quantity=quantity, ax=axes_so_wide(width))
        for file, quantity in quantities.items()
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _title(table: RunTable, num_runs: Sequence[int]) -> str:
    """Return what no epoch count may be without: runs, criterion, cap and initial range.

    Args:
      table: the sweep.
      num_runs: of every point of its grid; of one that is not finished they differ.
    """
    least, most = min(num_runs), max(num_runs)
    each = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    of_what = f" at {len(num_runs)} settings, {each} at each" if len(num_runs) > 1 else ""
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
    return f"{task['name']}: {sum(num_runs):,} runs{of_what}\n{', '.join(parts)}"


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
    """Return the task's first published number of epochs to converge under the sweep's settings.

    None if the sweep has other settings than the task; only the cap may be another: it changes no
    run, only how long runs are watched. None for a figure of another recipe than the task's, or of
    how long a run was trained, which says nothing of when it had converged.
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
    figures = (figure for figure in task.published if figure.epochs is not None)
    return next((one for one in figures if one.counts in _BESIDE and not one.under), None)


def points(table: RunTable) -> dict[str, Outcomes]:
    """Return the runs of every point of a sweep's grid by its settings in words; "all" without one.

    In the order of the `cells` of its summary.
    """
    found = list(rows_by_point(table))
    names = table.identity["columns"]
    told = [told_apart([settings[name] for settings, _ in found]) for name in names]
    words = [name.replace("_", " ") for name in names]
    points = zip(*told, strict=True) if names else [()]
    labels = [
        ", ".join(f"{word} {value}" for word, value in zip(words, point, strict=True)) or "all"
        for point in points
    ]
    return {label: tally_of(part) for label, (_, part) in zip(labels, found, strict=True)}


def told_apart(values: Sequence[Any]) -> list[str]:
    """Return the values of a setting in as few digits as tell them apart.

    Example:
      >>> told_apart([0.1, 0.15848931924611134, 1.0]), told_apart([0.25, 0.25001])
      (['0.1', '0.1585', '1'], ['0.25', '0.25001'])
    """
    for digits in (4, 12, 17):
        short = {value: f"{value:.{digits}g}" for value in set(values) if isinstance(value, float)}
        if len(set(short.values())) == len(short):
            break
    return [short.get(value, str(value)) for value in values]
