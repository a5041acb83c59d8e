"""How fast programs train over how many runs they train at once."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bpjax.plots.style import GROUP_COLORS, key_beside, log_numbers, new_axes

MARKERS = "os^DvPX"
WIDTH = 38
"""Letters in a line of the key."""
LONGEST = 130
"""Letters of a reason; the record has all of it."""


def lanes_curve(
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    bound: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the rate of every contender over the number of lanes, with the range of its rounds.

    Args:
      rows: `name`, `lanes` and either the reason, `refused` or `failed`, or what was measured, in
        seed-epochs per second: `median`, `min` and `max`; as `gpu.lanes` of a bench's record has
        them. Reasons stand in the key.
      title: the caller's words.
      bound: seed-epochs per second that cannot be exceeded, if known: a dashed line.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on.
    """
    ax = new_axes(ax, size=(9.0, 4.8))
    ax.set_xscale("log")
    ax.set_yscale("log")
    for k, name in enumerate(dict.fromkeys(row["name"] for row in rows)):
        own = [row for row in rows if row["name"] == name]
        _line(ax, own, GROUP_COLORS[k % len(GROUP_COLORS)], MARKERS[k % len(MARKERS)])
    if bound is not None:
        label = f"computed bound: {bound / 1e6:,.0f} M/s"
        ax.axhline(bound / 1e6, color="0.3", linestyle="--", linewidth=1.2, label=label)
        ax.set_ylim(top=max(ax.get_ylim()[1], 1.6e-6 * bound))
    lanes = [row["lanes"] for row in rows]
    if lanes:
        ax.set_xlim(min(lanes) / 1.5, max(lanes) * 1.5)
    log_numbers(ax.xaxis, "{:,.0f}", whole=True)
    log_numbers(ax.yaxis, "{:,.10g}")
    ax.set_xlabel("lanes: runs trained at once")
    ax.set_ylabel("million seed-epochs per second")
    key_beside(ax, title, "median and range of rounds")
    return ax


def _line(ax: Axes, rows: Sequence[Mapping[str, Any]], color: str, marker: str) -> None:
    """Draw what was measured of one contender; a size without a rate leaves a gap."""
    rows = sorted(rows, key=lambda row: row["lanes"])
    rates = np.array([[row.get(end, np.nan) for end in ("median", "min", "max")] for row in rows])
    median, low, high = rates.T / 1e6
    if np.isnan(median).all():
        _words(ax, rows[0]["name"])
    else:
        lanes, reach = [row["lanes"] for row in rows], [median - low, high - median]
        look: dict[str, Any] = {"color": color, "marker": marker, "markersize": 5}
        ax.plot(lanes, median, linewidth=1.6, label=rows[0]["name"], **look)
        whiskers: dict[str, Any] = {"fmt": "none", "ecolor": color, "capsize": 3}
        ax.errorbar(lanes, median, yerr=reach, elinewidth=1.2, **whiskers)
    for text in _reasons(rows):
        _words(ax, text)


def _words(ax: Axes, text: str) -> None:
    """Put words into the key that belong to no line."""
    ax.plot([], [], linestyle="none", label=text)


def _reasons(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return why a contender was not measured, each reason with its sizes unless it is for all."""
    sizes: dict[str, list[str]] = {}
    for row in rows:
        reason = f"failed: {row['failed']}" if row.get("failed") else row["refused"]
        if reason:
            sizes.setdefault(reason, []).append(f"{row['lanes']:,}")
    texts = []
    for reason, lanes in sizes.items():
        where = "" if len(lanes) == len(rows) else f"{' and '.join(lanes)} lanes: "
        words = textwrap.shorten(f"{where}{reason}", LONGEST, placeholder=" ...")
        texts.append(textwrap.fill(words, WIDTH))
    return texts
