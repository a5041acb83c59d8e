"""Weights as squares, the way Fig. 4 of the paper shows them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from bpjax.plots.style import new_axes


def hinton(
    weights: ArrayLike, *, title: str, largest: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw every weight as a square on grey: white excites, black inhibits, the area is the size.

    Args:
      weights: shape (num_rows, num_columns); the first row is drawn at the top.
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
    ax.set_facecolor("0.6")
    largest = float(np.abs(weights).max()) if largest is None else largest
    for (row, column), weight in np.ndenumerate(weights):
        side = 0.92 * min(abs(weight) / largest, 1) ** 0.5 if largest > 0 else 0.0
        color = "white" if weight > 0 else "black"
        corner = column - side / 2, row - side / 2
        ax.add_patch(Rectangle(corner, side, side, facecolor=color, linewidth=0))
    ax.set_xlim(-0.6, num_columns - 0.4)
    ax.set_ylim(num_rows - 0.4, -0.6)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_title(title, loc="left", pad=4, fontsize=9)
    return ax
