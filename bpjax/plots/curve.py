"""What one setting does: a curve with intervals over its values."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bpjax.plots.cells import NEVER, WORDS, Cells, Quantity, estimate, setting_axis
from bpjax.plots.style import (
    BLUE,
    VERMILLION,
    log_numbers,
    new_axes,
    share_axis,
    title_and_key,
)


def setting_curve(
    cells: Cells,
    x: str,
    *,
    title: str,
    quantity: Quantity = "success_rate",
    ax: Axes | None = None,
) -> Axes:
    """Draw the success rate, or the median epochs, over one setting, with intervals.

    Args:
      cells: the grid's points.
      x: the setting: a name in the cells' `settings`, with different numbers everywhere. Numbers
        that are spaced by ratio make a log axis.
      title: the caller's words.
      quantity: "success_rate" or "epochs". A median that was not reached is a triangle at the upper
        edge; an interval without an upper end is drawn up to that edge.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on.
    """
    ax = new_axes(ax)
    cells = sorted(cells, key=lambda cell: cell["settings"][x])
    places = np.array([cell["settings"][x] for cell in cells], float)
    found = [estimate(cell, quantity) for cell in cells]
    values, low, high = (np.array(c, float) for c in list(zip(*found, strict=True))[:3])
    setting_axis(ax, "x", x, places)
    ax.plot(places, values, "o-", color=BLUE, linewidth=1.5, markersize=4)
    if quantity == "success_rate":
        share_axis(ax.yaxis)
        ax.set_ylim(-0.03, 1.03)
    elif np.isfinite(values).any():
        ax.set_yscale("log")
        ends = np.concatenate([values, low, high])
        ends = ends[ends > 0]
        ax.set_ylim(ends.min() / 1.3, ends.max() * 1.5)
        log_numbers(ax.yaxis, "{:,.0f}", whole=True)
    top = ax.get_ylim()[1]
    label = f"{100 * found[0].level:g} % interval"
    reached = np.isfinite(values)
    ends_at = np.where(np.isfinite(high), high, top)
    reach = np.abs([values - low, ends_at - values])[:, reached]
    whiskers: dict[str, Any] = {"fmt": "none", "ecolor": BLUE, "capsize": 3, "elinewidth": 1.2}
    ax.errorbar(places[reached], values[reached], yerr=reach, label=label, **whiskers)
    if not reached.all():
        up: dict[str, Any] = {"color": VERMILLION, "linestyle": "none", "label": NEVER}
        ax.plot(places[~reached], np.full((~reached).sum(), top), "^", clip_on=False, **up)
    ax.set_ylabel(WORDS[quantity])
    title_and_key(ax, title)
    return ax
