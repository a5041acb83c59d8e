"""What a grid of settings does: a curve over one setting, a map over two."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Polygon
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from bpjax.plots.style import (
    BLUE,
    VERMILLION,
    new_axes,
    percent,
    plain_log_numbers,
    share_axis,
    title_and_key,
)

Cells = Sequence[Mapping[str, Any]]
"""`summary()["cells"]` of a sweep: one mapping per point of its grid."""
Quantity = Literal["success_rate", "epochs"]

_WORDS = {"success_rate": "share of runs that converged", "epochs": "median epochs to converge"}
_NEVER = "median not reached by the cap"
MOST_WRITTEN = 8
"""Rows or columns of a map whose values are written into its cells."""
MOST_INTERVALS = 5
"""Columns up to which there is room for the intervals too."""
MOST_TICKS = 9


class Estimate(NamedTuple):
    """A cell's number with its interval; None stands for what was not reached."""

    value: float | None
    low: float | None
    high: float | None
    level: float


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
    found = [_estimate(cell, quantity) for cell in cells]
    values, low, high = (np.array(c, float) for c in list(zip(*found, strict=True))[:3])
    _setting_axis(ax, "x", x, places)
    ax.plot(places, values, "o-", color=BLUE, linewidth=1.5, markersize=4)
    if quantity == "success_rate":
        share_axis(ax.yaxis)
        ax.set_ylim(-0.03, 1.03)
    elif np.isfinite(values).any():
        ax.set_yscale("log")
        ends = np.concatenate([values, low, high])
        ends = ends[ends > 0]
        ax.set_ylim(ends.min() / 1.3, ends.max() * 1.5)
        plain_log_numbers(ax.yaxis, "{:,.0f}")
    top = ax.get_ylim()[1]
    label = f"{100 * found[0].level:g} % interval"
    reached = np.isfinite(values)
    ends_at = np.where(np.isfinite(high), high, top)
    reach = np.abs([values - low, ends_at - values])[:, reached]
    whiskers: dict[str, Any] = {"fmt": "none", "ecolor": BLUE, "capsize": 3, "elinewidth": 1.2}
    ax.errorbar(places[reached], values[reached], yerr=reach, label=label, **whiskers)
    if not reached.all():
        up: dict[str, Any] = {"color": VERMILLION, "linestyle": "none", "label": _NEVER}
        ax.plot(places[~reached], np.full((~reached).sum(), top), "^", clip_on=False, **up)
    ax.set_ylabel(_WORDS[quantity])
    title_and_key(ax, title)
    return ax


def setting_map(
    cells: Cells,
    x: str,
    y: str,
    *,
    title: str,
    quantity: Quantity = "success_rate",
    ax: Axes | None = None,
) -> Axes:
    """Draw the success rate, or the median epochs, over two settings as a map; light is good.

    Values are written into the cells of maps up to 8 by 8, with their intervals up to 5 columns;
    the widest interval is stated beside the colours in any case.

    Args:
      cells: the grid's points.
      x: the setting from left to right: a name in the cells' `settings`, a number everywhere.
        Numbers that are spaced by ratio make a log axis.
      y: the one from the bottom up. No two cells may agree in both.
      title: the caller's words.
      quantity: "success_rate" or "epochs". A cell whose median was not reached is hatched; a cell
        that is missing from the grid stays empty.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on.
    """
    ax = new_axes(ax, size=(7.4, 5.2))
    ax.grid(visible=False)
    columns, rows = (np.unique([cell["settings"][name] for cell in cells]) for name in (x, y))
    found = {
        (cell["settings"][x], cell["settings"][y]): _estimate(cell, quantity) for cell in cells
    }
    _setting_axis(ax, "x", x, columns)
    _setting_axis(ax, "y", y, rows)
    x_edges, y_edges = _edges(columns), _edges(rows)
    values = [
        [found[column, row].value if (column, row) in found else None for column in columns]
        for row in rows
    ]
    shown = np.ma.masked_invalid(np.array(values, float))
    mesh = ax.pcolormesh(x_edges, y_edges, shown, cmap="cividis", norm=_norm(shown, quantity))
    if quantity == "epochs":
        mesh.set_cmap("cividis_r")
    mesh.set(edgecolor="white", linewidth=0.5 if max(shown.shape) <= 30 else 0)
    ax.set(xlim=x_edges[[0, -1]], ylim=y_edges[[0, -1]])
    _mark_never(ax, [place for place, one in found.items() if one.value is None], x_edges, y_edges)
    few = max(len(columns), len(rows)) <= MOST_WRITTEN
    for (column, row), one in found.items() if few else ():
        words = _in_words(one, quantity, len(columns) <= MOST_INTERVALS)
        color = (
            _readable(mesh.cmap(mesh.norm(np.asarray(one.value))))
            if one.value is not None
            else "black"
        )
        spot: dict[str, Any] = {"ha": "center", "va": "center", "color": color}
        ax.text(column, row, words, fontsize=8 if len(columns) <= MOST_INTERVALS else 7, **spot)
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02)
    bar.set_label(f"{_WORDS[quantity]}\n{_widest(list(found.values()), quantity)}", fontsize=9)
    if quantity == "success_rate":
        share_axis(bar.ax.yaxis)
    else:
        plain_log_numbers(bar.ax.yaxis, "{:,.0f}")
    title_and_key(ax, title)
    return ax


def is_log_spaced(values: Sequence[float] | NDArray) -> bool:
    """Tell whether numbers are spaced more evenly by their ratios than by their differences.

    Example:
      >>> is_log_spaced([0.1, 0.3, 1.0]), is_log_spaced([0.0, 0.5, 0.9]), is_log_spaced([1, 2])
      (True, False, False)
    """
    found = np.unique(np.asarray(values, float))
    if len(found) < 3 or found[0] <= 0:
        return False
    steps, ratios = np.diff(found), np.diff(np.log(found))
    return bool(ratios.max() / ratios.min() < 0.999 * steps.max() / steps.min())


def _estimate(cell: Mapping[str, Any], quantity: Quantity) -> Estimate:
    part = cell[quantity]
    value = part["estimate"] if quantity == "success_rate" else part["median"]
    return Estimate(value, part["low"], part["high"], part["level"])


def _setting_axis(ax: Axes, which: Literal["x", "y"], name: str, values: NDArray) -> None:
    """Put ticks at the setting's own values, or at some of them, and name the setting."""
    if is_log_spaced(values):
        ax.set(**{f"{which}scale": "log"})
    axis = ax.xaxis if which == "x" else ax.yaxis
    shown = np.unique(values)
    shown = shown[:: -(-len(shown) // MOST_TICKS)]
    axis.set_ticks(shown, labels=[f"{value:.4g}" for value in shown])
    axis.set_minor_locator(NullLocator())
    axis.set_label_text(name.replace("_", " "))


def _edges(values: NDArray) -> NDArray[np.float64]:
    """Return the borders between neighbours, and as far out at both ends."""
    log = is_log_spaced(values)
    centres = np.log(values) if log else values.astype(float)
    inner = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - inner[0], 2 * centres[-1] - inner[-1]
    edges = np.concatenate([[first], inner, [last]])
    return np.exp(edges) if log else edges


def _norm(shown: Any, quantity: Quantity) -> Normalize:
    if quantity == "success_rate":
        return Normalize(0, 1)
    low, high = (max(shown.min(), 1), shown.max()) if shown.count() else (1, 2)
    return LogNorm(low, max(high, 1.1 * low), clip=True)  # a median of 0 epochs looks like 1


def _mark_never(ax: Axes, places: list[Any], x_edges: NDArray, y_edges: NDArray) -> None:
    """Hatch the cells whose median was not reached, and say so in the key."""
    for k, (column, row) in enumerate(places):
        left, below = (np.searchsorted(e, c) - 1 for e, c in ((x_edges, column), (y_edges, row)))
        corners = [
            (x_edges[left + i], y_edges[below + j]) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))
        ]
        style: dict[str, Any] = {
            "facecolor": "0.92",
            "edgecolor": VERMILLION,
            "hatch": "///",
            "linewidth": 0,
        }
        ax.add_patch(Polygon(corners, closed=True, lw=0, label=None if k else _NEVER, **style))


def _in_words(one: Estimate, quantity: Quantity, with_interval: bool) -> str:
    words = _text(one.value, quantity)
    return f"{words}\n{_span(one, quantity)}" if with_interval else words


def _span(one: Estimate, quantity: Quantity) -> str:
    low = _text(one.low, quantity)
    return f"{low.removesuffix(' %')} to {_text(one.high, quantity)}"


def _text(value: float | None, quantity: Quantity) -> str:
    if value is None:
        return "> cap"
    return percent(value) if quantity == "success_rate" else f"{value:,}"


def _widest(found: list[Estimate], quantity: Quantity) -> str:
    """Return the widest interval in words: of shares by difference, of epochs by ratio."""
    level = f"{100 * found[0].level:g} %"
    reached = [one for one in found if one.value is not None]
    if not reached:
        return f"{level} intervals: none"

    def width(one: Estimate) -> float:
        if one.high is None or one.low is None:
            return np.inf
        return one.high - one.low if quantity == "success_rate" else one.high / max(one.low, 1)

    return f"widest {level} interval: {_span(max(reached, key=width), quantity)}"


def _readable(color: Any) -> str:
    """Return black on light colours and white on dark ones."""
    return "black" if np.dot(color[:3], (0.299, 0.587, 0.114)) > 0.5 else "white"
