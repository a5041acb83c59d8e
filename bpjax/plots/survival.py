"""Survival curves: the share of runs not yet converged, on one axes or in a panel each."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bpjax.analysis.convergence import SurvivalCurve
from bpjax.plots.style import (
    BLUE,
    GROUP_COLORS,
    epoch_scale,
    key_beside,
    new_axes,
    percent,
    share_axis,
)
from bpjax.plots.text import between_commas, broken, figure_width, is_narrow, write_title

_LINE_STYLES = ("-", "--", "-.", ":")
WIDE = 9.0
MARGIN = 0.9
GAP = 0.4
PANEL_WIDTH, PANEL_HEIGHT = 1.4, 1.1
"""In inches: a figure of panels, what is beside them, between them, and what one needs."""
_PANEL_SIZE = 7.5
"""Points."""
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
    slices = _SLICES // 2 if is_narrow(ax) else _SLICES
    for i, (label, curve) in enumerate(groups.items()):
        color = GROUP_COLORS[i % len(GROUP_COLORS)]
        style = _LINE_STYLES[i // len(GROUP_COLORS) % len(_LINE_STYLES)]
        epochs, share, low, high = _steps(curve, max_epochs, log_epochs, slices)
        end = epochs[-1]
        text = (
            f"{label}\n" * bool(label)
            + f"{curve.num_runs:,} runs\n{percent(share[-1])} not converged"
        )
        ax.fill_between(epochs, low, high, step="post", color=color, alpha=0.2, linewidth=0)
        ax.step(
            epochs, share, where="post", color=color, linestyle=style, linewidth=1.8, label=text
        )
        ax.plot(end, share[-1], "o", color=color, markersize=5, clip_on=False)

    if max_epochs is not None:
        ax.axvline(max_epochs, color="0.4", linestyle=":", linewidth=1.2, label="cap", zorder=1)
    epoch_scale(ax, *_reach(groups, max_epochs, log_epochs), log_epochs)
    ax.set_ylim(-0.03, 1.03)
    share_axis(ax.yaxis)
    ax.set_xlabel("epochs")
    ax.set_ylabel("share of runs not yet converged")
    key_beside(ax, title, _levels(groups))
    return ax


def survival_panels(
    curves: Mapping[str, SurvivalCurve],
    *,
    title: str,
    max_epochs: int | None = None,
    log_epochs: bool = False,
    columns: int | None = None,
    width: float = WIDE,
    ax: Axes | None = None,
) -> Axes:
    """Draw every survival curve with its band in a panel of its own, all on the same scales.

    For more curves than can be told apart on one axes. Above a panel are its label, its runs and
    the share of them not converged at the end.

    Args:
      curves: label to curve, in the order of the panels from the upper left.
      title: the caller's words.
      max_epochs: the cap; every curve is drawn up to it.
      log_epochs: draw epochs on a log scale, from the first convergence of any on.
      columns: panels side by side, if there is room for so many.
      width: of a figure of its own, in inches.
      ax: where to draw; a new figure, as high as the panels need, if not given.

    Returns:
      The axes drawn on; the panels are its child axes.

    Raises:
      ValueError: if no curve is given.
    """
    if not curves:
        raise ValueError("`curves` must hold at least one curve, got none.")
    width = width if ax is None else figure_width(ax)
    columns = _side_by_side(len(curves), width, columns)
    rows = -(-len(curves) // columns)
    room = (width - MARGIN) / columns - GAP
    words = [_panel_words(label, curve, room) for label, curve in curves.items()]
    above = (1.25 * _PANEL_SIZE * (1 + max(text.count("\n") for text in words)) + 8) / 72
    if ax is None:
        height = MARGIN + rows * (PANEL_HEIGHT + above)
        ax = Figure(figsize=(width, height)).add_axes(_inside(width, height))
    ax.set_axis_off()
    height = ax.get_figure(root=True).get_size_inches()[1] - MARGIN  # type: ignore[union-attr]
    above_share = min(above / (height / rows), 0.6)
    reach = _reach(curves, max_epochs, log_epochs)
    across = room / (room + GAP) / columns
    for k, (curve, text) in enumerate(zip(curves.values(), words, strict=True)):
        row, column = divmod(k, columns)
        box = column / columns, 1 - (row + 1) / rows, across, (1 - above_share) / rows
        panel = new_axes(ax.inset_axes(box))
        _panel(panel, curve, text, max_epochs, log_epochs)
        epoch_scale(panel, *reach, log_epochs)
        last = k + columns >= len(curves)
        panel.tick_params(labelleft=not column, left=not column, labelbottom=last, bottom=last)
        panel.set_xlabel("epochs" if last else "", fontsize=_PANEL_SIZE)
    write_title(ax, f"{title}\nshare of runs not yet converged; {_levels(curves)}", pad=4)
    return ax


def _inside(width: float, height: float) -> tuple[float, float, float, float]:
    """Return where the panels are within a figure: beside numbers, below a title."""
    left, right, below, above = 0.6, 0.1, 0.4, MARGIN - 0.4
    wide, high = width - left - right, height - below - above
    return left / width, below / height, wide / width, high / height


def _side_by_side(num_panels: int, width: float, wanted: int | None) -> int:
    """Return how many panels stand side by side in a figure so many inches wide."""
    most = max(int((width - MARGIN) / PANEL_WIDTH), 1)
    if wanted is not None and wanted <= most:
        return min(num_panels, wanted)
    rows = -(-num_panels // most)
    return -(-num_panels // rows)


def _panel_words(label: str, curve: SurvivalCurve, inches: float) -> str:
    left = percent(curve.survival[-1])
    outcome = f"{curve.num_runs:,} runs, {left} not converged"
    lines = [broken(between_commas(text), inches, _PANEL_SIZE) for text in (label, outcome)]
    return "\n".join(lines)


def _panel(
    ax: Axes, curve: SurvivalCurve, words: str, max_epochs: int | None, log_epochs: bool
) -> None:
    epochs, share, low, high = _steps(curve, max_epochs, log_epochs, _SLICES // 5)
    ax.fill_between(epochs, low, high, step="post", color=BLUE, alpha=0.25, linewidth=0)
    ax.step(epochs, share, where="post", color=BLUE, linewidth=1.5)
    ax.plot(epochs[-1], share[-1], "o", color=BLUE, markersize=4, clip_on=False)
    ax.set_title(words, loc="left", pad=3, fontsize=_PANEL_SIZE, parse_math=False)
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([0, 0.5, 1])
    share_axis(ax.yaxis)
    ax.tick_params(labelsize=_PANEL_SIZE)


def _steps(
    curve: SurvivalCurve, max_epochs: int | None, log_epochs: bool, num_slices: int
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Return epochs, share and the ends of its band, drawn up to the cap."""
    end = max(max_epochs or 0, int(curve.epochs[-1]))
    seen = _told_apart(curve.epochs, log_epochs, num_slices)
    share, low, high = (np.append(y[seen], y[-1]) for y in (curve.survival, curve.low, curve.high))
    return np.append(curve.epochs[seen], end), share, low, high


def _reach(
    curves: Mapping[str, SurvivalCurve], max_epochs: int | None, log_epochs: bool
) -> tuple[int, int]:
    """Return the first and the last epoch that are seen."""
    last = max(max_epochs or 0, *(int(curve.epochs[-1]) for curve in curves.values()))
    first = min(map(_first_drop, curves.values())) if log_epochs else 0
    return first, max(last, 1)


def _levels(curves: Mapping[str, SurvivalCurve]) -> str:
    levels = {f"{100 * curve.level:g} %" for curve in curves.values()}
    return f"band: {', '.join(sorted(levels))} pointwise"


def _first_drop(curve: SurvivalCurve) -> int:
    """Return the epoch at which the curve first leaves 1; if never, a decade before its end."""
    dropped = np.flatnonzero(curve.survival < 1)
    return int(curve.epochs[dropped[0]] if dropped.size else curve.epochs[-1] // 10)


def _told_apart(epochs: NDArray[np.int64], log_epochs: bool, num_slices: int) -> NDArray[np.int64]:
    """Return the places of the first and the last step in every slice of the axis."""
    place = np.log1p(epochs) if log_epochs else epochs
    slices = np.floor(place * (num_slices / max(place[-1], 1)))
    new = slices[1:] > slices[:-1]
    return np.flatnonzero(np.append(True, new) | np.append(new, True))
