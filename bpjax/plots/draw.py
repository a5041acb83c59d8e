"""The figures that commands draw by themselves: which ones, with which words."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpjax.histories import LossHistories
from bpjax.plots.gradient import gradient_size
from bpjax.plots.loss import loss_curve
from bpjax.plots.style import save_figure
from bpjax.plots.sweep import fan_of_histories, sweep_figures
from bpjax.status import Status
from bpjax.sweeps.store import RunTable
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


def run_figures(run: Run) -> dict[str, Axes]:
    """Draw one run: its loss, and the size of the gradient per layer.

    Args:
      run: from `bpjax.train`.

    Returns:
      The figures' axes by file name.
    """
    task, history = run.task, run.history
    title = f"{task.title}: 1 run (seed {run.seed}), criterion {task.criterion}"
    if run.status != Status.CONVERGED:
        title += f", {run.status.name} at epoch {run.epochs:,}"
    converged_at = run.epochs if run.status == Status.CONVERGED else None
    return {
        "loss": loss_curve(history.epoch, history.loss, title=title, converged_at=converged_at),
        "gradient-size": _two_gradients(run, title),
    }


def _two_gradients(run: Run, title: str) -> Axes:
    """Draw above what comes back to the units of a layer, below what its weights get of it."""
    above, below = Figure(figsize=(7.0, 7.6), layout="constrained").subplots(2, sharex=True)
    sizes = run.history.error_signal_size
    gradient_size(run.history.epoch, sizes, title=title, quantity="error signal dE/dx", ax=above)
    gradient_size(run.history.epoch, run.history.gradient_size, title="", ax=below)
    above.set_xlabel("")
    below.get_legend().remove()
    return below


def _save(axes: Mapping[str, Axes], folder: str | Path) -> list[Path]:
    return [
        file for name, ax in axes.items() for file in save_figure(ax.figure, Path(folder) / name)
    ]
