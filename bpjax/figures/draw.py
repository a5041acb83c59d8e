"""The figures that commands draw by themselves: which ones, with which words."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpjax.figures.nets import activity_figure, network_figure
from bpjax.figures.sweeps import fan_of_histories, sweep_figures
from bpjax.histories import LossHistories
from bpjax.plots.gradient import gradient_size
from bpjax.plots.loss import loss_curve
from bpjax.plots.style import axes_so_wide, save_figure
from bpjax.recording import History
from bpjax.results.store import RunTable
from bpjax.status import Status
from bpjax.training import Run


def draw_run(run: Run, folder: str | Path) -> list[Path]:
    """Save `run_figures` as PNG and SVG, and return the files."""
    return _save(run_figures(run), folder)


def draw_sweep(
    table: RunTable, folder: str | Path, histories: LossHistories | None = None
) -> list[Path]:
    """Save `sweep_figures`, and a fan of `histories`, as PNG and SVG, and return the files."""
    fan = {} if histories is None else {"loss-fan": fan_of_histories(histories)}
    return _save(sweep_figures(table) | fan, folder)


def run_figures(run: Run, width: float | None = None) -> dict[str, Axes]:
    """Draw one run: its loss, the size of the gradient per layer, its weights, what its units do.

    Weights are drawn as lines of the net, or as squares where there are too many lines; a net too
    large for that too has no such figure.

    Args:
      run: from `bpjax.train`.
      width: of the figures, in inches; as wide as each needs unless given.

    Returns:
      The figures' axes by file name.
    """
    task = run.task
    words = task.title, run.seed, str(task.criterion), run.status, run.epochs
    inside = {
        "network": network_figure(run, _run_title(*words), width),
        "activities": activity_figure(run, _run_title(*words), width),
    }
    drawn = {name: ax for name, ax in inside.items() if ax is not None}
    return history_figures(run.history, *words, width) | drawn


def history_figures(
    history: History,
    task: str,
    seed: int,
    criterion: str,
    status: Status,
    epochs: int,
    width: float | None = None,
) -> dict[str, Axes]:
    """Draw the history of a run: its loss, and the size of the gradient per layer.

    Args:
      history: the run's.
      task: what was trained, in words.
      seed: the run's name.
      criterion: when it would count as solved, in words.
      status: how it ended.
      epochs: when.
      width: of the figures, in inches.
    """
    title = _run_title(task, seed, criterion, status, epochs)
    converged_at = epochs if status == Status.CONVERGED else None
    held_out = history.held_out_loss if np.isfinite(history.held_out_loss).any() else None
    loss = loss_curve(
        history.epoch,
        history.loss,
        title=title,
        held_out=held_out,
        converged_at=converged_at,
        ax=axes_so_wide(width),
    )
    return {"loss": loss, "gradient-size": _two_gradients(history, title, width or 7.0)}


def _run_title(task: str, seed: int, criterion: str, status: Status, epochs: int) -> str:
    """Return what no figure of a run may be without: the task, the seed, criterion and outcome."""
    ended = f"{status.name} at epoch {epochs:,}"
    if status == Status.CONVERGED:
        ended = f"converged after {epochs:,} epochs"
    return f"{task}\n1 run (seed {seed}), criterion {criterion}, {ended}"


def _two_gradients(history: History, title: str, width: float) -> Axes:
    """Draw above what comes back to the units of a layer, below what its weights get of it."""
    above, below = Figure(figsize=(width, 7.6), layout="constrained").subplots(2, sharex=True)
    sizes = history.error_signal_size
    gradient_size(history.epoch, sizes, title=title, quantity="error signal dE/dx", ax=above)
    gradient_size(history.epoch, history.gradient_size, title="", ax=below)
    above.set_xlabel("")
    above.tick_params(bottom=False)  # the numbers are those of the axes below
    below.get_legend().remove()
    below.set_title("")
    return below


def _save(axes: Mapping[str, Axes], folder: str | Path) -> list[Path]:
    return [
        file for name, ax in axes.items() for file in save_figure(ax.figure, Path(folder) / name)
    ]
