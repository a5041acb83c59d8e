"""Survival curves: the share of runs not yet converged."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bpjax.analysis.convergence import SurvivalCurve
from bpjax.plots.style import (
    GROUP_COLORS,
    epoch_scale,
    key_on_the_right,
    new_axes,
    percent,
    share_axis,
)

_LINE_STYLES = ("-", "--", "-.", ":")
_SLICES = 1000
"""Of the axis: steps nearer to each other are not told apart on paper, and make files large."""


def survival(
    curves: SurvivalCurve | Mapping[str, SurvivalCurve],
    *,
    title: str,
    max_epochs: int | None = None,
    log_epochs: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw survival curves as steps with their bands; what never converged stays visible.

    Each curve ends in a dot, and the key states the share not converged there.

    Args:
      curves: from `bpjax.analysis.convergence.survival_curve`, alone or as label to curve.
      title: the caller's words.
      max_epochs: the cap; every curve is drawn up to it, and it is marked.
      log_epochs: draw epochs on a log scale, from the first convergence on.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on.

    Raises:
      ValueError: if no curve is given.
    """
    groups = {"": curves} if isinstance(curves, SurvivalCurve) else dict(curves)
    if not groups:
        raise ValueError("`curves` must hold at least one curve, got none.")
    ax = new_axes(ax)
    for i, (label, curve) in enumerate(groups.items()):
        color = GROUP_COLORS[i % len(GROUP_COLORS)]
        style = _LINE_STYLES[i // len(GROUP_COLORS) % len(_LINE_STYLES)]
        end = max(max_epochs or 0, int(curve.epochs[-1]))
        seen = _told_apart(curve.epochs, log_epochs)
        epochs = np.append(curve.epochs[seen], end)
        share, low, high = (
            np.append(y[seen], y[-1]) for y in (curve.survival, curve.low, curve.high)
        )
        text = (
            f"{label}\n" * bool(label)
            + f"{curve.num_runs:,} runs\n{percent(share[-1])} not converged"
        )
        ax.fill_between(epochs, low, high, step="post", color=color, alpha=0.2, linewidth=0)
        ax.step(
            epochs, share, where="post", color=color, linestyle=style, linewidth=1.8, label=text
        )
        ax.plot(end, share[-1], "o", color=color, markersize=5, clip_on=False)

    last = max(max_epochs or 0, *(int(curve.epochs[-1]) for curve in groups.values()))
    if max_epochs is not None:
        ax.axvline(max_epochs, color="0.4", linestyle=":", linewidth=1.2, label="cap", zorder=1)
    first = min(_first_drop(curve) for curve in groups.values()) if log_epochs else 0
    epoch_scale(ax, first, max(last, 1), log_epochs)
    ax.set_ylim(-0.03, 1.03)
    share_axis(ax.yaxis)
    ax.set_xlabel("epochs")
    ax.set_ylabel("share of runs not yet converged")
    ax.set_title(title, loc="left", pad=8, parse_math=False)
    levels = {f"{100 * curve.level:g} %" for curve in groups.values()}
    key_on_the_right(ax, f"band: {', '.join(sorted(levels))} pointwise")
    return ax


def _first_drop(curve: SurvivalCurve) -> int:
    """Return the epoch at which the curve first leaves 1; if never, a decade before its end."""
    dropped = np.flatnonzero(curve.survival < 1)
    return int(curve.epochs[dropped[0]] if dropped.size else curve.epochs[-1] // 10)


def _told_apart(epochs: NDArray[np.int64], log_epochs: bool) -> NDArray[np.int64]:
    """Return the places of the first and the last step in every slice of the axis."""
    place = np.log1p(epochs) if log_epochs else epochs
    slices = np.floor(place * (_SLICES / max(place[-1], 1)))
    new = slices[1:] > slices[:-1]
    return np.flatnonzero(np.append(True, new) | np.append(new, True))
