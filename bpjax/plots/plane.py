"""A plane through weight space: how long training takes from every point of it."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from bpjax.plots.style import BLACK, VERMILLION, log_numbers, new_axes, percent, title_and_key
from bpjax.starts.plane import Plane
from bpjax.status import Status

_ENDED = {
    Status.MAX_EPOCHS: (BLACK, "not converged by the cap"),
    Status.NONFINITE: (VERMILLION, "not finite"),
}
_FAST_TO_SLOW = ListedColormap(matplotlib.colormaps["cividis"](np.linspace(1, 0.18, 256)))
"""For all forms of colour vision, in even steps, and short of what looks black."""


def plane(
    status: ArrayLike, epochs: ArrayLike, on: Plane, *, title: str, ax: Axes | None = None
) -> Axes:
    """Draw a pixel per run at its initial weights, in the colour of its epochs to converge.

    The colours are spaced by ratio, light for fast. Runs that never converged are black, those that
    left the finite numbers vermillion, and the key has their shares.

    Args:
      status: the `Status` of the run of every pixel, in the order of their seeds from 0 on, shape
        `(on.num_seeds,)`.
      epochs: when each ended, same shape.
      on: where they started.
      title: the caller's words.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on; its first image holds the converged runs, the second the others.
    """
    shape = on.height, on.width
    status, epochs = np.asarray(status).reshape(shape), np.asarray(epochs).reshape(shape)
    ax = new_axes(ax, size=(7.0, 6.2))
    ax.grid(visible=False)
    place: dict[str, Any] = {
        "origin": "lower",
        "extent": (*on.x_range, *on.y_range),
        "aspect": "auto",
    }
    # On a log scale there is no epoch 0: runs that are solved where they start look like epoch 1.
    shown = np.ma.masked_array(np.maximum(epochs, 1), status != Status.CONVERGED)
    low, high = (shown.min(), shown.max()) if shown.count() else (1, 2)
    norm = LogNorm(low, max(high, 2 * low))
    image = ax.imshow(shown, cmap=_FAST_TO_SLOW, norm=norm, interpolation="nearest", **place)
    others = np.ma.masked_array(status, status == Status.CONVERGED)
    colors = ListedColormap([color for color, _ in _ENDED.values()])
    ends: dict[str, Any] = {"vmin": min(_ENDED), "vmax": max(_ENDED)}
    ax.imshow(others, cmap=colors, interpolation="nearest", **ends, **place)
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.03, 0, 0.04, 1)))
    bar.set_label("epochs to converge")
    log_numbers(bar.ax.yaxis, "{:,.0f}", whole=True)
    ax.set_box_aspect(on.height / on.width)
    ax.set_xlabel(f"initial weight  {on.x}")
    ax.set_ylabel(f"initial weight  {on.y}")
    patches = [
        Patch(color=color, label=f"{words}: {percent(float(np.mean(status == end)))}")
        for end, (color, words) in _ENDED.items()
        if (status == end).any()
    ]
    title_and_key(ax, title, patches)
    return ax
