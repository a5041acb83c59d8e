"""The figures of a report, as images within the page, each with its words for who cannot see it."""

import base64
import warnings
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from bpjax.analysis.convergence import survival_of_outcomes
from bpjax.analysis.outcomes import Outcomes
from bpjax.plots.draw import history_figures
from bpjax.plots.style import figure_png, figure_svg
from bpjax.plots.survival import survival
from bpjax.plots.sweep import MOST_GROUPS, sweep_figures
from bpjax.report.folders import Sweep, WatchedRun
from bpjax.report.words import count, rate, shortened
from bpjax.status import Status
from bpjax.sweeps.store import RunTable

LARGEST_SVG = 300_000
"""Bytes; a larger drawing is shown as pixels."""


class Figure(NamedTuple):
    """An image: its address, which holds it, and what it shows, in a caption and in words."""

    source: str
    caption: str
    words: str


_CAPTIONS = {
    "survival": "The share of runs not yet converged, after Kaplan and Meier, with its pointwise "
    "band.",
}


def figures_of_sweep(sweep: Sweep, summary: Mapping) -> list[Figure]:
    """Draw what `bpjax sweep` draws."""
    columns = {shortened(key): _short_column(c) for key, c in sweep.table.columns.items()}
    table = RunTable(shortened(sweep.table.identity), columns)
    figures = []
    for name, axes in sweep_figures(table).items():
        caption = _CAPTIONS.get(name, name.replace("-", " ").capitalize() + ".")
        figures.append(Figure(_address(axes), caption, f"{caption} {_course(summary)}"))
    return figures


def comparison_figure(sweeps: Mapping[str, Outcomes]) -> Figure | None:
    """Draw the survival curves of several sweeps; None if they are too many to be told apart."""
    if len(sweeps) > MOST_GROUPS:
        return None
    curves = dict(zip(_told_apart(sweeps), map(survival_of_outcomes, sweeps.values()), strict=True))
    axes = survival(curves, title="Runs not yet converged, by sweep", log_epochs=True)
    left = ", ".join(f"{1 - _converged(sweeps[name]):.1%} of {name}" for name in sweeps)
    return Figure(
        _address(axes),
        "One curve per sweep; all runs of a grid are drawn together.",
        f"Survival curves of {len(sweeps)} sweeps on one axis of epochs. At the end of each curve "
        f"these shares are not converged: {left}.",
    )


def figures_of_run(run: WatchedRun) -> list[Figure]:
    """Draw the loss and the gradients of a run."""
    saved = run.run
    outcome = shortened(saved.outcome)
    loss, gradients = history_figures(
        saved.history,
        outcome["task"],
        outcome["seed"],
        outcome["criterion"],
        Status[outcome["status"]],
        outcome["epochs"],
    ).values()
    first, last = saved.history.loss[0], saved.history.loss[-1]
    layers = ", ".join(saved.history.gradient_size)
    return [
        Figure(
            _address(loss),
            "The loss over training.",
            f"Loss against epoch: from {first:.4g} to {last:.4g} in {outcome['epochs']:,} epochs.",
        ),
        Figure(
            _address(gradients),
            "What comes back to the units of each layer (above), and what its weights get of it.",
            f"Root-mean-square error signal and gradient against epoch, by layer: {layers}.",
        ),
    ]


def _short_column(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind != "U":
        return column
    values, places = np.unique(column, return_inverse=True)
    return np.array(_told_apart(values.tolist()))[places]


def _told_apart(names: Iterable[str]) -> list[str]:
    """Return names short enough for a key, numbered if what told them apart was cut off."""
    short = [shortened(name) for name in names]
    if len(set(short)) == len(short):
        return short
    return [f"{k}: {name}" for k, name in enumerate(short, 1)]


def _course(summary: Mapping) -> str:
    epochs, solved = summary["epochs"], rate(summary["success_rate"])[0]
    quartiles = (f"{count(epochs[key])} epochs" for key in ("q25", "median", "q75"))
    return f"A quarter, half and three quarters: {'; '.join(quartiles)}. In the end {solved} have."


def _converged(outcomes: Outcomes) -> float:
    return int(outcomes.ending(Status.CONVERGED)[1].sum()) / outcomes.num_runs


def _address(axes: Axes) -> str:
    """Return the drawing as a data address: an image whose inner names clash with no other's."""
    with warnings.catch_warnings():
        # Letters that the font lacks, and words that leave little room: no reason to complain.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        drawing, kind = figure_svg(axes.figure).encode(), "svg+xml"
        if len(drawing) > LARGEST_SVG:
            drawing, kind = figure_png(axes.figure), "png"
    return f"data:image/{kind};base64,{base64.b64encode(drawing).decode()}"
