"""The loss of many runs over training: bands that hold most of them, and those that got stuck."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from bpjax.analysis.losses import LossQuantiles
from bpjax.plots.style import (
    BLUE,
    VERMILLION,
    epoch_scale,
    log_numbers,
    new_axes,
    title_and_key,
)

_DARKEST, _LIGHTEST = 0.45, 0.2
"""Opacity of the innermost and the outermost band."""


def loss_fan(
    epoch: ArrayLike,
    quantiles: LossQuantiles,
    *,
    title: str,
    not_converged: ArrayLike = (),
    num_not_converged: int | None = None,
    log_epochs: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw bands between quantiles of the loss, the median, and single runs that never converged.

    The loss is drawn on a log scale unless some is zero or negative.

    Args:
      epoch: epochs made, shape `(num_points,)`.
      quantiles: from `bpjax.analysis.losses.loss_quantiles`; each band lies between one of the
        lower shares and its counterpart from above. What is infinite leaves a gap.
      title: the caller's words.
      not_converged: losses of runs that never converged, shape `(num_lines, num_points)`, each
        drawn as a line.
      num_not_converged: how many such runs there are, if not all of them are given.
      log_epochs: draw epochs on a log scale.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on.
    """
    ax = new_axes(ax)
    epoch, shares = np.asarray(epoch), quantiles.shares
    losses, lines = _finite(quantiles.loss), _finite(np.atleast_2d(not_converged))
    num_bands = len(shares) // 2
    if len(shares) % 2:
        label = "median" if shares[num_bands] == 0.5 else f"{100 * shares[num_bands]:g} %"
        ax.plot(epoch, losses[num_bands], color=BLUE, linewidth=1.8, label=label)
    for inside in range(num_bands):
        low, high = num_bands - 1 - inside, len(shares) - num_bands + inside
        alpha = np.linspace(_DARKEST, _LIGHTEST, num_bands)[inside]
        label = f"{100 * shares[low]:g} to {100 * shares[high]:g} %"
        band: dict[str, Any] = {"color": BLUE, "alpha": alpha, "linewidth": 0, "label": label}
        ax.fill_between(epoch, losses[low], losses[high], **band)
    if lines.size:
        num_all = len(lines) if num_not_converged is None else num_not_converged
        some = f"{len(lines)} of {num_all:,}" if num_all > len(lines) else f"{num_all:,}"
        ax.plot(epoch, lines.T, color=VERMILLION, linewidth=0.8, alpha=0.7)
        ax.lines[-1].set_label(f"{some} never converged")
    if all(np.nanmin(part, initial=1) > 0 for part in (losses, lines)):
        ax.set_yscale("log")
        log_numbers(ax.yaxis)
    epoch_scale(ax, float(epoch[0]), float(max(epoch[-1], 1)), log_epochs)
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    title_and_key(ax, title)
    return ax


def _finite(losses: ArrayLike) -> NDArray[np.float64]:
    losses = np.asarray(losses, float)
    return np.where(np.isfinite(losses), losses, np.nan)
