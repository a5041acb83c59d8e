"""How many epochs runs needed, beside a published number, with the runs that never got there."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from bpjax.plots.style import (
    BLUE,
    VERMILLION,
    epoch_scale,
    is_narrow,
    new_axes,
    title_and_key,
    whole_numbers,
)


def epochs_histogram(
    epochs: ArrayLike,
    *,
    title: str,
    count: ArrayLike | None = None,
    published: float | None = None,
    published_label: str = "published",
    num_not_converged: int = 0,
    log_epochs: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw a histogram of the epochs to converge; runs that never converged get their own bar.

    Args:
      epochs: epochs to converge of the converged runs, shape `(num_converged,)`, whole numbers;
        with `count`, the epochs at which runs converged.
      title: the caller's words.
      count: how many runs each entry of `epochs` stands for, same shape, whole numbers from 1;
        one run if not given. `Outcomes.ending(Status.CONVERGED)` returns both columns.
      published: a number of epochs from the literature, marked by a line.
      published_label: what to say of it, for example "published: 245 (62nd percentile)".
      num_not_converged: runs without an epoch count; a hatched bar in a panel of its own, to the
        same vertical scale.
      log_epochs: space the bins by ratio, for distributions over several decades.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on; the hatched bar is on its only child axes.
    """
    ax = new_axes(ax)
    epochs = np.asarray(epochs)
    if count is not None:
        count = np.asarray(count, np.int64)  # a bin may hold more runs than a narrower type can
    num_runs = epochs.size if count is None else int(count.sum())
    edges = _bin_edges(epochs, num_runs, log_epochs)
    counts, _ = np.histogram(epochs, edges, weights=count)
    ax.bar(edges[:-1], counts, np.diff(edges), align="edge", color=BLUE, ec="white", lw=0.4)
    reach = [*edges] if published is None else [*edges, published]
    epoch_scale(ax, min(reach), max(reach), log_epochs)
    if published is not None:
        ax.axvline(published, color=VERMILLION, linestyle="--", label=published_label)
    if num_not_converged:
        _draw_not_converged(ax, num_not_converged)
    ax.set_ylim(0, 1.08 * max(*counts, num_not_converged, 1))
    ax.grid(visible=False, axis="x")
    ax.set_xlabel("epochs to converge")
    ax.set_ylabel("runs")
    whole_numbers(ax.yaxis)
    title_and_key(ax, title)
    return ax


def _bin_edges(
    epochs: NDArray[np.int64], num_runs: int, log_epochs: bool, max_bins: int = 40
) -> NDArray[np.floating]:
    """Return edges half-way between whole numbers, so that no bin holds more epochs by accident.

    About the square root of the number of runs, at most `max_bins`. Linear bins are equally wide;
    log-spaced ones grow by a ratio at which the narrowest still spans about three whole numbers
    (else rounding would show as a comb), with eight bins at the least.
    """
    if not epochs.size:
        return np.array([-0.5, 0.5])
    low, high = int(epochs.min()), int(epochs.max())
    num_bins = int(np.clip(np.sqrt(num_runs), 8, max_bins))
    if log_epochs:
        start = max(low, 1)
        smooth = math.log((high + 1) / start) / math.log(1 + 3 / start) if high else 1
        inner = np.geomspace(start, high + 1, min(num_bins, max(8, int(smooth))) + 1)
        return np.unique(np.append(low, np.round(inner))) - 0.5
    width = -(-(high - low + 1) // num_bins)
    return np.arange(low, high + width + 1, width) - 0.5


def _draw_not_converged(ax: Axes, num_not_converged: int) -> None:
    left = 1.14 if is_narrow(ax) else 1.06  # its words beside the last number of the epochs
    panel = ax.inset_axes((left, 0.0, 0.09, 1.0), sharey=ax)
    panel.bar([0], [num_not_converged], 0.8, color="0.92", edgecolor=VERMILLION, hatch="///")
    place: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center"}
    panel.annotate(f"{num_not_converged:,}", (0, num_not_converged), **place, fontsize=9)
    panel.set_xlim(-0.6, 0.6)
    panel.set_xticks([0], ["not\nconverged"], fontsize=9)
    panel.tick_params(left=False, labelleft=False, bottom=False)
    panel.spines[["top", "right", "left"]].set_visible(False)
