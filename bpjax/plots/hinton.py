"""Weights as squares, the way Fig. 4 of the paper shows them: a table of them, a panel per unit."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from bpjax.plots.page import Words
from bpjax.plots.squares import GREY, Mosaic, largest_of, squares
from bpjax.plots.style import new_axes

INCHES = 0.26


def hinton(
    weights: ArrayLike, *, title: str, largest: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw every weight as a square on grey: white excites, black inhibits, the area is the size.

    Args:
      weights: shape (num_rows, num_columns); the first row is drawn at the top. One that is not
        finite is a cross.
      title: the caller's words.
      largest: the size of the weight that fills its place, so that several drawings can share a
        scale; the largest weight here if not given.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on: column k lies at x = k, row k at y = k.
    """
    weights = np.asarray(weights, float)
    num_rows, num_columns = weights.shape
    ax = new_axes(ax, size=(0.6 + 0.5 * num_columns, 0.8 + 0.5 * num_rows))
    ax.grid(visible=False)
    ax.set_facecolor(GREY)
    largest = largest_of([weights]) if largest is None else largest
    places = np.argwhere(np.ones_like(weights))[:, ::-1]
    squares(ax, places, weights, largest)
    ax.set_xlim(-0.6, num_columns - 0.4)
    ax.set_ylim(num_rows - 0.4, -0.6)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_title(title, loc="left", pad=4, fontsize=9)
    return ax


def unit_panels(
    weights: ArrayLike,
    *,
    title: str,
    titles: Sequence[str],
    names: Sequence[str],
    row_names: Sequence[str] = ("", ""),
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights into each unit in a panel of its own, on one scale: Fig. 4 of the paper.

    Args:
      weights: shape (num_units, num_sources).
      title: the caller's words.
      titles: of the units.
      names: of the sources, in the order of the columns of `weights`. Those of the first row are
        written once above all panels, those of the last row once below.
      row_names: of the rows in which the sources stand, as many as divide their number.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on: column k of a panel lies at x = k, row r of unit u at
      y = -u (num_rows + 0.8) - r.
    """
    weights = np.asarray(weights, float)
    num_rows, num_columns = len(row_names), len(names) // len(row_names)
    row, column = np.divmod(np.arange(len(names)), num_columns)
    largest = largest_of([weights])
    mosaic = Mosaic(INCHES, largest)
    y = 0.0
    upright = [Words(k, 0.7, text, "left", True) for k, text in enumerate(names[:num_columns])]
    mosaic.write(upright)
    for unit, words in zip(weights, titles, strict=True):
        mosaic.add(np.column_stack([column, y - row]), unit)
        mosaic.write(Words(-0.8, y - k, text, "right") for k, text in enumerate(row_names))
        mosaic.write([Words(num_columns - 0.2, y - (num_rows - 1) / 2, words, "left")])
        y -= num_rows + 0.8
    if num_rows > 1:
        below = enumerate(names[-num_columns:])
        mosaic.write([Words(k, y + 1.1, text, "right", True) for k, text in below])
    mosaic.key([largest, largest / 4, -largest], "weight")
    return mosaic.draw(title, ax)
