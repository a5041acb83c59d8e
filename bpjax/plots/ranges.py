"""Values with their ranges, in groups: the rates of a bench, or the quotients of two."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bpjax.plots.lanes import MARKERS
from bpjax.plots.style import GROUP_COLORS, key_beside, log_numbers, new_axes
from bpjax.plots.text import NARROW, write_title

BAND = "0.96"
"""The colour behind every second group."""
ROW = 0.17
"""Inches of one value."""
WIDE = 3.0
"""The axis is logarithmic if the largest value is more than so many times the smallest."""


def ranges(
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    xlabel: str,
    heading: str = "",
    line: float | None = None,
    width: float = 8.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw values with their ranges, a group below the other, a colour and a mark for each name.

    Args:
      rows: each with its `group`, its `name`, its `value` with the ends of its range, `low` and
        `high`, all positive; and, if there are any, `words` to be written beside it.
      title: the caller's words.
      xlabel: what the values are.
      heading: of the key, which has the names.
      line: a value to be marked by an upright line.
      width: of a figure of its own, in inches.
      ax: where to draw; a new figure, as high as the rows need, if not given.

    Returns:
      The axes drawn on: group k lies around y = k, from the top.
    """
    groups = list(dict.fromkeys(row["group"] for row in rows))
    names = list(dict.fromkeys(row["name"] for row in rows))
    height = (
        1.3 + 0.16 * len(names) * (width <= NARROW) + ROW * (len(names) + 1.5) * max(len(groups), 1)
    )
    ax = new_axes(ax, size=(width, max(height, 2.4)))
    ax.grid(visible=False, axis="y")
    for place in range(1, len(groups), 2):
        ax.axhspan(place - 0.5, place + 0.5, color=BAND, zorder=0)
    if line is not None:
        ax.axvline(line, color="0.3", linestyle="--", linewidth=1.2)
    step = 1 / (len(names) + 1.5)
    for k, name in enumerate(names):
        own = [row for row in rows if row["name"] == name]
        shift = (k - (len(names) - 1) / 2) * step
        places = [groups.index(row["group"]) + shift for row in own]
        _series(ax, own, places, GROUP_COLORS[k % len(GROUP_COLORS)], MARKERS[k % len(MARKERS)])
    _scale(ax, [row[end] for row in rows for end in ("low", "high")], line)
    ax.set_ylim(max(len(groups), 1) - 0.5, -0.5)
    labels = ax.set_yticks(range(len(groups)), groups), ax.get_yticklabels()
    for label in labels[1]:
        label.set_parse_math(False)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(xlabel)
    if names:
        key_beside(ax, title, heading)
    else:
        write_title(ax, title)
    return ax


def _series(
    ax: Axes, rows: Sequence[Mapping[str, Any]], places: Sequence[float], color: str, marker: str
) -> None:
    values = [row["value"] for row in rows]
    reach = [
        [row["value"] - row["low"] for row in rows],
        [row["high"] - row["value"] for row in rows],
    ]
    look: dict[str, Any] = {"color": color, "marker": marker, "markersize": 5}
    ax.plot(values, places, linestyle="none", label=rows[0]["name"], **look)
    whiskers: dict[str, Any] = {"fmt": "none", "ecolor": color, "capsize": 2.5, "elinewidth": 1.4}
    ax.errorbar(values, places, xerr=reach, **whiskers)
    offset: dict[str, Any] = {"xytext": (6, 0), "textcoords": "offset points"}
    for row, place in zip(rows, places, strict=True):
        if row.get("words"):
            words: dict[str, Any] = {"va": "center", "fontsize": 8.5, "parse_math": False}
            band = BAND if round(place) % 2 else "white"
            words["bbox"] = {"facecolor": band, "edgecolor": "none", "pad": 0.5}  # over a line
            ax.annotate(row["words"], (row["high"], place), **offset, **words)


def _scale(ax: Axes, ends: Sequence[float], line: float | None) -> None:
    """Make room around all values, and to the right for words."""
    shown = [*ends, *([] if line is None else [line])]
    if not shown:
        return
    low, high = min(shown), max(shown)
    if high > WIDE * low:
        room = (high / low) ** 0.06
        ax.set_xscale("log")
        ax.set_xlim(low / room, high * room**2.5)
        log_numbers(ax.xaxis, "{:,.10g}")
    else:
        room = 0.06 * (high - low) or 0.05 * high
        ax.set_xlim(low - room, high + 2.5 * room)
        ax.xaxis.set_major_locator(MaxNLocator(6))
