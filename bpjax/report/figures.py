"""The figures of a report, as images within the page, each with its words for who cannot see it."""

import base64
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from bpjax.analysis.outcomes import Outcomes
from bpjax.figures.draw import history_figures, run_figures
from bpjax.figures.sweeps import MOST_PANELS, points, survival_figure, sweep_figures
from bpjax.params import num_entries, parameter_names, unflatten_params
from bpjax.plots.style import figure_png, figure_svg
from bpjax.report.folders import Sweep, WatchedRun
from bpjax.report.short_names import short_names, with_short_names
from bpjax.report.words import count, rate
from bpjax.status import Status
from bpjax.task import Task
from bpjax.training import Run

PHONE = 4.0
"""In inches: the figures that a narrow window shows, so that their words can be read there."""
LARGEST_SVG = 300_000
"""Bytes; a larger drawing is shown as pixels."""


class Figure(NamedTuple):
    """An image: its address, which holds it, and what it shows, in a caption and in words.

    `narrow` is the address of the same, drawn for a phone. A dark page shows a figure with light
    and dark `turned`, unless they mean something in it.
    """

    source: str
    narrow: str
    caption: str
    words: str
    turned: bool


_CAPTIONS = {
    "survival": "The share of runs not yet converged, after Kaplan and Meier, with its pointwise "
    "band.",
    "epochs": "How many epochs the converged runs needed, and how many runs never converged.",
    "solved": "The share of runs that converged, over the settings.",
    "median-epochs": "The epochs by which half of all runs had converged, over the settings.",
    "loss": "The loss over training.",
    "gradient-size": "What comes back to the units of each layer (above), and what its weights get "
    "of it (below).",
    "network": "The weights as the run ended.",
    "activities": "What the units do as the run ended.",
}
_TOGETHER = "Runs not yet converged"
_TURNED = ("survival", "epochs")


def figures_of_sweep(sweep: Sweep, summary: Mapping) -> list[Figure]:
    """Draw what `bpjax sweep` draws."""
    table = with_short_names(sweep.table)
    drawn, narrow = sweep_figures(table), sweep_figures(table, width=PHONE)
    course = _course(summary) if len(points(table)) == 1 else _ends(sweep)
    return [_figure(name, axes, narrow[name], course) for name, axes in drawn.items()]


def comparison_figure(sweeps: Sequence[Sweep]) -> Figure | None:
    """Draw the survival curve of every point of every sweep; None if they are too many."""
    groups, names = {}, short_names(sweep.name for sweep in sweeps)
    for sweep in sweeps:
        found = points(with_short_names(sweep.table))
        for label, runs in found.items():
            own = f": {label}" if len(found) > 1 else ""
            groups[f"{names[sweep.name]}{own}"] = runs
    if len(groups) > MOST_PANELS:
        return None
    wide, narrow = (survival_figure(groups, _TOGETHER, width=w) for w in (None, PHONE))
    return Figure(
        _address(wide),
        _address(narrow),
        "A curve for each, with its pointwise band.",
        f"Survival curves of {len(groups)} groups of runs on one scale of epochs. At the end of "
        f"each these shares are not converged: {_left(groups)}.",
        turned=True,
    )


def _ends(sweep: Sweep) -> str:
    found = points(sweep.table)
    if len(found) > MOST_PANELS:
        return f"There are {len(found):,} settings."
    return f"At the end these shares are not converged: {_left(found)}."


def _left(groups: Mapping[str, Outcomes]) -> str:
    return ", ".join(f"{1 - _converged(runs):.1%} of {name}" for name, runs in groups.items())


def figures_of_run(run: WatchedRun, task: Task | None) -> list[Figure]:
    """Draw what `bpjax train` draws, as far as the task is known."""
    saved, outcome = run.run, run.run.outcome
    status, epochs = Status[outcome["status"]], outcome["epochs"]
    seed, last = outcome["seed"], saved.snapshots.weights[-1]
    if task and _has_weights(task, saved.weight_names):
        params = unflatten_params(task.network, last)
        loss = saved.history.loss[-1]
        trained = Run(task, seed, status, epochs, loss, params, saved.history, saved.snapshots)
        drawn, narrow = (run_figures(trained, width) for width in (None, PHONE))
    else:
        words = short_names([outcome["task"], outcome["criterion"]])
        about = words[outcome["task"]], seed, words[outcome["criterion"]]
        drawn, narrow = (
            history_figures(saved.history, *about, status, epochs, width) for width in (None, PHONE)
        )
    first, end = saved.history.loss[0], saved.history.loss[-1]
    course = f"The loss went from {first:.4g} to {end:.4g} in {epochs:,} epochs."
    return [_figure(name, axes, narrow[name], course) for name, axes in drawn.items()]


def _has_weights(task: Task, names: Sequence[str]) -> bool:
    """Tell whether the weights are the task's; a net of any size may be told of."""
    return num_entries(task.network) == len(names) and parameter_names(task.network) == list(names)


def as_figure(draw: Callable[[float | None], Axes], caption: str, words: str) -> Figure:
    """Return a drawing in which light and dark mean nothing, made as wide as it is told."""
    wide, narrow = (_address(draw(width)) for width in (None, PHONE))
    return Figure(wide, narrow, caption, words, turned=True)


def _figure(name: str, axes: Axes, narrow: Axes, course: str) -> Figure:
    caption = _CAPTIONS.get(name, name.replace("-", " ").capitalize() + ".")
    return Figure(_address(axes), _address(narrow), caption, f"{caption} {course}", name in _TURNED)


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
