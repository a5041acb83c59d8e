"""What a notebook shows of a result: a line, a small table and a curve, as HTML."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bpjax.numbers import evenly

WIDTH, HEIGHT = 320, 90
"""Of a curve, in pixels."""
MOST_POINTS = 300


def shown(title: str, rows: Mapping[str, Any], curve: str = "") -> str:
    """Return a title, a table of two columns and a curve as HTML; text never becomes markup."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(str(name))}</th>"
        f"<td style='text-align:left'>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<div><b>{escape(title)}</b><table>{cells}</table>{curve}</div>"


def curve_of(x: ArrayLike, y: ArrayLike, words: str, steps: bool = False) -> str:
    """Return a curve as SVG, in the colour of the text around it; "" where there is no line.

    Args:
      x: where its points are, increasing, shape (num_points,).
      y: how high, likewise; points that are not finite are left out.
      words: what it shows.
      steps: whether each value holds until the next point.
    """
    across, high = np.asarray(x, float), np.asarray(y, float)
    known = np.flatnonzero(np.isfinite(across) & np.isfinite(high))
    some = evenly(len(known) - 1, MOST_POINTS)
    across, high = across[known[some]], high[known[some]]
    if len(across) < 2:
        return ""
    words += f": {high[0]:.3g} to {high[-1]:.3g}, from {across[0]:,.0f} to {across[-1]:,.0f}"
    if steps:
        across, high = np.repeat(across, 2)[1:], np.repeat(high, 2)[:-1]
    left = 2 + (WIDTH - 4) * (across - across[0]) / (np.ptp(across) or 1)
    down = HEIGHT - 2 - (HEIGHT - 4) * (high - high.min()) / (np.ptp(high) or 1)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(left, down, strict=True))
    return (
        f"<svg width='{WIDTH}' height='{HEIGHT}' role='img'><title>{escape(words)}</title>"
        "<polyline fill='none' stroke='currentColor' stroke-width='1.5' "
        f"points='{points}'/></svg><div>{escape(words)}</div>"
    )
