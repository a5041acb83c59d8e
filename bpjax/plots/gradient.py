"""The size of the gradient at each layer over training: where it fades and where it blows up."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from bpjax.plots.style import key_beside, log_numbers, new_axes, ordered_colors, whole_numbers


def gradient_size(
    epoch: ArrayLike,
    gradient_size_by_layer: Mapping[str, ArrayLike],
    *,
    title: str,
    quantity: str = "gradient dE/dw",
    ax: Axes | None = None,
) -> Axes:
    """Draw the root-mean-square gradient of every layer against the epoch, on a log scale.

    Args:
      epoch: epochs made, shape `(num_points,)`.
      gradient_size_by_layer: layer name to root-mean-square gradient, same shape, from the layer
        next to the input (dark) to the output (light). Zeros, which a log scale cannot show, and
        values that are not finite leave a gap.
      title: the caller's words.
      quantity: which derivative it is, for the axis.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on.

    Raises:
      ValueError: if no layer is given.
    """
    if not gradient_size_by_layer:
        raise ValueError("`gradient_size_by_layer` must hold at least one layer, got none.")
    ax = new_axes(ax)
    colors = ordered_colors(len(gradient_size_by_layer))
    for color, (layer, size) in zip(colors, gradient_size_by_layer.items(), strict=True):
        size = np.asarray(size, dtype=float)
        shown = np.where(np.isfinite(size) & (size > 0), size, np.nan)
        ax.plot(epoch, shown, color=color, linewidth=1.6, label=layer)
    ax.set_yscale("log")
    log_numbers(ax.yaxis)
    ax.set_xlabel("epoch")
    ax.set_ylabel(f"root-mean-square {quantity}")
    whole_numbers(ax.xaxis)
    key_beside(ax, title, "layer, early to late")
    return ax
