"""What two settings do: a map with intervals over their values."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from bpjax.plots.cells import (
    NEVER,
    WORDS,
    Cells,
    Estimate,
    Quantity,
    estimate,
    is_log_spaced,
    setting_axis,
)
from bpjax.plots.style import (
    VERMILLION,
    log_numbers,
    new_axes,
    percent,
    share_axis,
    title_and_key,
)
from bpjax.plots.text import figure_width, is_narrow

_COLORS = {"success_rate": "cividis", "epochs": "cividis_r"}
"""For all forms of colour vision, in even steps; light is good."""
SIZE = 7.4, 5.2
"""In inches, of a figure of its own."""
MOST_WRITTEN = 8
"""Rows or columns of a map whose values are written into its cells."""
MOST_INTERVALS = 5
"""Columns up to which there is room for the intervals too. Smaller figures have room for fewer."""
MOST_FRAMED = 30
"""Rows or columns whose cells have borders."""


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
    ax = new_axes(ax, size=SIZE)
    ax.grid(visible=False)
    columns, rows = (np.unique([cell["settings"][name] for cell in cells]) for name in (x, y))
    found = {(cell["settings"][x], cell["settings"][y]): estimate(cell, quantity) for cell in cells}
    setting_axis(ax, "x", x, columns)
    setting_axis(ax, "y", y, rows)
    x_edges, y_edges = _edges(columns), _edges(rows)
    nothing = Estimate(None, None, None, 0.0)
    values = [[found.get((c, r), nothing).value for c in columns] for r in rows]
    shown = np.ma.masked_invalid(np.array(values, float))
    look: dict[str, Any] = {"cmap": _COLORS[quantity], "norm": _norm(shown, quantity)}
    mesh = ax.pcolormesh(x_edges, y_edges, shown, **look)
    mesh.set(edgecolor="white", linewidth=0.5 if max(shown.shape) <= MOST_FRAMED else 0)
    ax.set(xlim=x_edges[[0, -1]], ylim=y_edges[[0, -1]])
    _mark_never(ax, [place for place, one in found.items() if one.value is None], x_edges, y_edges)
    room = min(figure_width(ax) / SIZE[0], 1)
    if max(shown.shape) <= MOST_WRITTEN * room:
        with_intervals = len(columns) <= MOST_INTERVALS * room
        _write_values(ax, mesh, found, quantity, with_intervals)
    place: dict[str, Any] = {"location": "bottom"} if is_narrow(ax) else {}
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02, **place)
    long_axis = bar.ax.xaxis if place else bar.ax.yaxis
    bar.set_label(f"{WORDS[quantity]}\n{_widest(list(found.values()), quantity)}", fontsize=9)
    if quantity == "success_rate":
        share_axis(long_axis)
    else:
        log_numbers(long_axis, "{:,.0f}", whole=True)
    title_and_key(ax, title)
    return ax


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
        ax.add_patch(Polygon(corners, closed=True, lw=0, label=None if k else NEVER, **style))


def _write_values(
    ax: Axes,
    mesh: Any,
    found: Mapping[tuple[Any, Any], Estimate],
    quantity: Quantity,
    with_intervals: bool,
) -> None:
    for (column, row), one in found.items():
        if one.value is not None:
            color = _readable(mesh.cmap(mesh.norm(np.asarray(one.value))))
            look: dict[str, Any] = {"ha": "center", "va": "center", "color": color}
            words = _in_words(one, quantity, with_intervals)
            ax.text(column, row, words, fontsize=8 if with_intervals else 7, **look)


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
