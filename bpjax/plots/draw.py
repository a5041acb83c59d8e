"""The figures that commands draw by themselves: which ones, with which words."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpjax.histories import LossHistories
from bpjax.plots.gradient import gradient_size
from bpjax.plots.inside import activity_figure, network_figure
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
    """Draw one run: its loss, the size of the gradient per layer, its weights, what its units do.

    Weights are drawn as lines of the net, or as squares where there are too many lines; a net too
    large for that too has no such figure.

    Args:
      run: from `bpjax.train`.

    Returns:
      The figures' axes by file name.
    """
    history, title = run.history, _run_title(run)
    converged_at = run.epochs if run.status == Status.CONVERGED else None
    figures = {
        "loss": loss_curve(history.epoch, history.loss, title=title, converged_at=converged_at),
        "gradient-size": _two_gradients(run, title),
        "network": network_figure(run, title),
        "activities": activity_figure(run, title),
    }
    return {name: ax for name, ax in figures.items() if ax is not None}


def _run_title(run: Run) -> str:
    """Return what no figure of a run may be without: the task, the seed, criterion and outcome."""
    ended = f"{run.status.name} at epoch {run.epochs:,}"
    if run.status == Status.CONVERGED:
        ended = f"converged after {run.epochs:,} epochs"
    return f"{run.task.title}\n1 run (seed {run.seed}), criterion {run.task.criterion}, {ended}"


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
