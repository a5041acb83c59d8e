"""Classes as bars: how common each is, with its interval."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bpjax.plots.style import BLUE, VERMILLION, new_axes, share_axis


def class_bars(
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    mark: Collection[str] = (),
    mark_label: str = "as printed",
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of each class as a bar with its interval, and write its number of runs.

    Args:
      rows: from the top, each with its name `class`, its `num_runs` and its share of all runs as
        `estimate`, `low` and `high`; none are drawn as "no runs".
      title: the caller's words.
      mark: classes to be set apart.
      mark_label: what to say of them.
      ax: where to draw; a new figure, as high as the bars need, if not given.

    Returns:
      The axes drawn on: the bar of row k lies at y = k.
    """
    ax = new_axes(ax, size=(7.6, bars_height(len(rows))))
    ax.set_title(title, loc="left", fontsize=10)
    share_axis(ax.xaxis)
    ax.set_xlim(0, 1)
    ax.grid(visible=False, axis="y")
    if not rows:
        ax.set_yticks([])
        ax.text(0.5, 0.5, "no runs", ha="center", va="center", transform=ax.transAxes)
        return ax
    places = np.arange(len(rows))
    middle, low, high = (np.array([r[key] for r in rows]) for key in ("estimate", "low", "high"))
    colors = [VERMILLION if row["class"] in mark else BLUE for row in rows]
    whiskers: dict[str, Any] = {"ecolor": "black", "capsize": 2.5, "error_kw": {"elinewidth": 1}}
    reach = np.abs([middle - low, high - middle])
    ax.barh(places, middle, color=colors, height=0.7, xerr=reach, **whiskers)
    for place, row in enumerate(rows):
        offset: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
        words = f"{row['num_runs']:,}" + (f", {mark_label}" if row["class"] in mark else "")
        ax.annotate(words, (row["high"], place), fontsize=8.5, **offset)
    ax.set_yticks(places, [row["class"] for row in rows], fontsize=9)
    ax.invert_yaxis()
    ax.set_xlim(0, min(1.0, 1.35 * high.max()))
    return ax


def bars_height(num_rows: int) -> float:
    """Return how many inches an axes of so many bars needs, title and axis included."""
    return 0.95 + 0.33 * max(num_rows, 1)
