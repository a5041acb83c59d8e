"""The figures that commands draw by themselves: which ones, with which words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpjax.analysis.convergence import survival_of_outcomes
from bpjax.analysis.outcomes import outcomes_of
from bpjax.plots.gradient import gradient_size
from bpjax.plots.loss import loss_curve
from bpjax.plots.style import save_figure
from bpjax.plots.survival import survival
from bpjax.status import Status
from bpjax.sweeps.store import RunTable
from bpjax.training import History, Run

MOST_GROUPS = 7
"""More curves than this on one axis cannot be told apart; then all runs are drawn as one."""


def draw_run(run: Run, folder: str | Path) -> list[Path]:
    """Save `run_figures` as PNG and SVG, and return the files."""
    return _save(run_figures(run), folder)


def draw_sweep(table: RunTable, folder: str | Path) -> list[Path]:
    """Save `sweep_figures` as PNG and SVG, and return the files."""
    return _save(sweep_figures(table), folder)


def run_figures(run: Run) -> dict[str, Axes]:
    """Draw one run: its loss, and the size of the gradient per layer.

    Args:
      run: from `bpjax.train`.

    Returns:
      The figures' axes by file name.
    """
    task = run.task
    words = task.title, run.seed, str(task.criterion), run.status, run.epochs
    return history_figures(run.history, *words)


def history_figures(
    history: History, task: str, seed: int, criterion: str, status: Status, epochs: int
) -> dict[str, Axes]:
    """Draw the history of a run as `run_figures` does.

    Args:
      history: the run's.
      task: what was trained, in words.
      seed: the run's name.
      criterion: when it would count as solved, in words.
      status: how it ended.
      epochs: when.
    """
    title = f"{task}: 1 run (seed {seed}), criterion {criterion}"
    if status != Status.CONVERGED:
        title += f", {status.name} at epoch {epochs:,}"
    converged_at = epochs if status == Status.CONVERGED else None
    return {
        "loss": loss_curve(history.epoch, history.loss, title=title, converged_at=converged_at),
        "gradient-size": _two_gradients(history, title),
    }


def _two_gradients(history: History, title: str) -> Axes:
    """Draw above what comes back to the units of a layer, below what its weights get of it."""
    above, below = Figure(figsize=(7.0, 7.6), layout="constrained").subplots(2, sharex=True)
    sizes = history.error_signal_size
    gradient_size(history.epoch, sizes, title=title, quantity="error signal dE/dx", ax=above)
    gradient_size(history.epoch, history.gradient_size, title="", ax=below)
    above.set_xlabel("")
    below.get_legend().remove()
    return below


def sweep_figures(table: RunTable, level: float = 0.95) -> dict[str, Axes]:
    """Draw the survival curve of a sweep: the share of runs not yet converged, with its band.

    A grid of up to seven cells is drawn as one curve per cell.

    Args:
      table: all runs.
      level: confidence level of the band.

    Returns:
      The figures' axes by file name.
    """
    columns = table.columns
    num_rows = len(columns["status"])
    cells = _cells(table)
    groups = cells if len(cells) <= MOST_GROUPS else {"all": np.arange(num_rows)}
    parts = {
        label: {name: column[rows] for name, column in columns.items()}
        for label, rows in groups.items()
    }
    curves = {
        label: survival_of_outcomes(
            outcomes_of(part["status"], part["epochs"], part.get("count")), level
        )
        for label, part in parts.items()
    }
    num_runs = sum(curve.num_runs for curve in curves.values())
    title = _sweep_title(table, num_runs, together=len(cells) // len(groups))
    shown: Any = curves if len(curves) > 1 else next(iter(curves.values()))
    return {"survival": survival(shown, title=title, log_epochs=True)}


def _sweep_title(table: RunTable, num_runs: int, together: int) -> str:
    """Return what no epoch count may be without: runs, criterion, cap and initial range."""
    tasks, grid = table.identity["task"], table.identity["grid"]
    task = tasks if isinstance(tasks, Mapping) else tasks[0]
    parts = [f"{task['name']}: {num_runs:,} runs"]
    if together > 1:
        parts[0] += f" of {together} settings together"
    if not {"tolerance", "loss_below"} & grid.keys():
        parts.append(f"criterion {task['criterion']}")
    elif together > 1:
        parts.append("several criteria")
    parts.append(f"cap {task['recipe']['max_epochs']:,}")
    if "init_range" not in grid:
        parts.append(f"weights in \N{PLUS-MINUS SIGN}{task['recipe']['init_range']:g}")
    return ", ".join(parts)


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


def _save(axes: Mapping[str, Axes], folder: str | Path) -> list[Path]:
    return [
        file for name, ax in axes.items() for file in save_figure(ax.figure, Path(folder) / name)
    ]
