"""The loss of one run over training."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from bpjax.plots.style import (
    BLUE,
    ORANGE,
    VERMILLION,
    log_numbers,
    new_axes,
    title_and_key,
    whole_numbers,
)


def loss_curve(
    epoch: ArrayLike,
    loss: ArrayLike,
    *,
    title: str,
    held_out: ArrayLike | None = None,
    converged_at: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss against the epoch, on a log scale unless some loss is zero or negative.

    Args:
      epoch: epochs made, shape `(num_points,)`.
      loss: the loss there, same shape; values that are not finite leave a gap.
      title: the caller's words.
      held_out: the loss of the cases held out, likewise, drawn beside it.
      converged_at: the epoch at which the criterion first held, marked by a line.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on.
    """
    ax = new_axes(ax)
    epoch, loss = np.asarray(epoch), np.asarray(loss, dtype=float)
    label = None if held_out is None else "trained cases"
    curves = {label: (loss, BLUE, "-")}
    if held_out is not None:
        curves["cases held out"] = (np.asarray(held_out, dtype=float), ORANGE, "-.")
    for label, (values, color, style) in curves.items():
        shown = np.where(np.isfinite(values), values, np.nan)
        ax.plot(epoch, shown, color=color, linestyle=style, linewidth=1.8, label=label)
    finite = np.concatenate([values[np.isfinite(values)] for values, *_ in curves.values()])
    if finite.size and finite.min() > 0:
        ax.set_yscale("log")
        log_numbers(ax.yaxis)
    if converged_at is not None:
        label = f"converged after {converged_at:,} epochs"
        ax.axvline(converged_at, color=VERMILLION, linestyle="--", linewidth=1.5, label=label)
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    whole_numbers(ax.xaxis)
    title_and_key(ax, title)
    return ax
