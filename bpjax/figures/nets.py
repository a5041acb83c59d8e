"""The inside of one run's net, as its command draws it: which figure, of which cases."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpjax.analysis.activations import activations_of
from bpjax.held_out import trained_by
from bpjax.params import flatten_params
from bpjax.plots.activities import activities, cases_beside
from bpjax.plots.diagram import network_diagram
from bpjax.plots.panels import hinton_panels
from bpjax.training import Run

MOST_LINES = 60
"""A net with more weights is drawn as squares: its lines cannot be told apart."""
MOST_LEVELS = 8
"""A deeper net too: it would not fit on a page."""
MOST_WEIGHTS = 6_000
MOST_UNITS = 128
"""A net with more weights, or more units in a layer, is not drawn: squares shrink to points."""
MOST_CASES = 4


def network_figure(run: Run, title: str, width: float | None = None) -> Axes | None:
    """Draw the weights of a run as it ended: lines if there are few, squares if there are more.

    Args:
      run: from `bpjax.train`.
      title: the caller's words.
      width: of the figure, in inches; as wide as it needs unless given.

    Returns:
      The axes; None if there are too many weights for either.
    """
    task, net = run.task, run.task.network.iterated or run.task.network
    num_lines = sum(
        int(np.sum(c.mask) if c.mask else task.network.size(c.source) * task.network.size(c.target))
        for c in task.network.connections
    )
    deep = max(task.network.levels.values()) >= MOST_LEVELS
    in_steps = task.network.iterated is not None and len(net.layers) > 1  # no levels but steps
    if num_lines <= MOST_LINES and not deep and not in_steps:
        return network_diagram(task.network, run.params, title=title, ax=_page(width))
    num_weights = sum(map(net.num_weights, net.weights.values()))
    if num_weights > MOST_WEIGHTS or max(layer.size for layer in net.layers) > MOST_UNITS:
        return None
    display = task.display
    return hinton_panels(
        task.network,
        run.params,
        title=title,
        names=display.names,
        rows=display.rows,
        ax=_page(width),
    )


def activity_figure(run: Run, title: str, width: float | None = None) -> Axes | None:
    """Draw what all units of a run do as it ended, in the cases that the task shows or a few.

    Args:
      run: from `bpjax.train`.
      title: the caller's words.
      width: of the figure, in inches; as wide as it needs unless given.

    Returns:
      The axes; None if there are too many units.
    """
    task, display = run.task, run.task.display
    net = task.network.iterated or task.network
    if max(layer.size for layer in net.layers) > MOST_UNITS:
        return None
    beside = cases_beside(task.network, display.rows, *([] if width is None else [width]))
    num_cases = min(beside, MOST_CASES, task.num_cases)
    spread = np.linspace(0, task.num_cases - 1, num_cases).astype(int).tolist()
    cases = list(display.cases or spread)[:num_cases]
    weights = np.asarray(flatten_params(task.network, run.params))[None]
    with np.errstate(all="ignore"):  # a run that left the finite numbers shows where
        found = activations_of(task.network, weights, task.inputs[cases])
    captions = [_caption(run, case) for case in cases]
    return activities(
        task.network,
        {name: table[0] for name, table in found.items()},
        title=title if len(cases) > 1 else f"{title}\nshown: {captions[0]}",
        targets=task.targets[cases],
        captions=captions if len(cases) > 1 else (),
        names=display.names,
        rows=display.rows,
        ax=_page(width),
    )


def _page(width: float | None) -> Axes | None:
    """Return axes without a frame as wide as a figure, with more height than a drawing takes."""
    if width is None:
        return None
    fig = Figure(figsize=(width, 4 * width))
    return fig.add_axes((0, 0, 1, 0.9), anchor="N")


def _caption(run: Run, case: int) -> str:
    """Name a case, and say if the run was not trained on it."""
    held_out = not trained_by(run.task, [run.seed])[0, case]
    return run.task.case_name(case) + (", not trained" if held_out else "")
