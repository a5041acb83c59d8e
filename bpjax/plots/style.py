"""What all figures share: colours, a fresh figure, axes for epochs, keys that cover no data.

Figures are made without `pyplot` and without touching matplotlib's settings, so drawing leaves no
trace in the caller's session and works without a display.
"""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend import Legend
from matplotlib.ticker import Locator, MaxNLocator, NullLocator

from bpjax.plots.text import (
    SMALL,
    between_commas,
    broken,
    figure_width,
    is_narrow,
    text_width,
    write_title,
)
from bpjax.results.files import explained, make_folders, publish

# Okabe & Ito (2008): told apart under the common forms of colour blindness.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
BLUISH_GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
REDDISH_PURPLE = "#CC79A7"

GROUP_COLORS = (BLUE, VERMILLION, BLUISH_GREEN, REDDISH_PURPLE, ORANGE, SKY_BLUE, BLACK)
"""For groups without an order, most distinct first; yellow is left out, too faint for a line."""


_LARGEST_TICK = 0.6
"""In inches: what the number of a tick may need beside its neighbours."""


def new_axes(ax: Axes | None = None, size: tuple[float, float] = (7.0, 4.2)) -> Axes:
    """Return `ax` itself, or the axes of a new figure of that size in inches."""
    if ax is None:
        ax = Figure(figsize=size, layout="constrained").subplots()
    if is_narrow(ax):
        ax.tick_params(labelsize=SMALL)
        for axis in (ax.xaxis, ax.yaxis):
            axis.label.set_fontsize(SMALL)
    ax.grid(visible=True, color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def axes_so_wide(width: float | None, height: float = 3.4) -> Axes | None:
    """Return the axes of a new figure so wide, in inches; None for a plot to make its own."""
    if width is None:
        return None
    return Figure(figsize=(width, height), layout="constrained").subplots()


def save_figure(fig: Figure | SubFigure, path: str | Path) -> list[Path]:
    """Write `fig` as PNG and SVG, on white; folders are made as needed.

    Args:
      fig: the figure, for example `axes.figure`.
      path: the file without its ending.

    Returns:
      The two files.

    Raises:
      ResultsError: if a file cannot be written.
    """
    path = Path(path)
    with explained("create", path.parent):
        make_folders(path.parent)
    contents = {".png": figure_png(fig), ".svg": figure_svg(fig).encode()}
    for ending, content in contents.items():
        publish(path.with_name(path.name + ending), content)
    return [path.with_name(path.name + ending) for ending in contents]


def figure_png(fig: Figure | SubFigure) -> bytes:
    """Return `fig` as a PNG of 150 dots per inch."""
    png = io.BytesIO()
    root = fig.get_figure(root=True)
    root.savefig(png, format="png", dpi=150, facecolor="white", bbox_inches="tight")
    return png.getvalue()


def figure_svg(fig: Figure | SubFigure) -> str:
    """Return `fig` as SVG, letters drawn as outlines; the same figure gives the same text."""
    svg = io.StringIO()
    root = fig.get_figure(root=True)
    with matplotlib.rc_context({"svg.hashsalt": "bpjax"}):
        plain: Any = {"metadata": {"Date": None}, "facecolor": "white", "bbox_inches": "tight"}
        plain["dpi"] = 150  # of the parts that are drawn as pixels
        root.savefig(svg, format="svg", **plain)
    return svg.getvalue()


def ordered_colors(num_colors: int) -> list[tuple[float, ...]]:
    """Return colours of the viridis map from dark (first) to light, short of the palest yellow."""
    viridis = matplotlib.colormaps["viridis"]
    return [viridis(0.88 * i / max(num_colors - 1, 1)) for i in range(num_colors)]


def epoch_scale(ax: Axes, first: float, last: float, log_epochs: bool) -> None:
    """Set the x axis to span `first` to `last` epochs, logarithmic on demand.

    A logarithmic axis that has to show epoch 0 is linear up to epoch 1. So is all of one that would
    span less than a third more than its start: its ticks could not be whole numbers.
    """
    # Limits before the scale, which would look for limits where all runs end at one epoch.
    if log_epochs and first > 0 and last > first * 4 / 3:
        margin = max((last / first) ** 0.03, 1.05)
        ax.set_xlim(first / margin, last * margin)
        ax.set_xscale("log")
        log_numbers(ax.xaxis, "{:,.0f}", whole=True)
    elif log_epochs and first <= 0:
        ax.set_xlim(-0.5, max(last, 1) * 1.2)
        ax.set_xscale("symlog", linthresh=1)
        ax.xaxis.set_major_formatter("{x:,.0f}")
    else:
        margin = 0.03 * (last - first) or 0.5
        ax.set_xlim(first - margin, last + margin)
        whole_numbers(ax.xaxis)


def whole_numbers(axis: Axis) -> None:
    """Put the ticks of a linear axis at whole numbers, written with thousands separators."""
    locator = MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True, min_n_ticks=1)
    axis.set_major_locator(locator)
    axis.set_major_formatter("{x:,.0f}")


class _LogNumbers(Locator):
    """Ticks of a log axis that all have a number: at 1, 10, 100; else at 1, 2, 5; else in steps."""

    def __init__(self, whole: bool):
        self.whole = whole

    def __call__(self) -> Sequence[float]:
        return self.tick_values(*self.axis.get_view_interval())  # type: ignore[union-attr]

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        low, high = sorted((vmin, vmax))
        if not 0 < low < high < np.inf:
            return []
        powers = np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1,), (1, 2, 5)):
            ticks = np.array([float(f"{step}e{power}") for power in powers for step in steps])
            inside = _inside(ticks, low, high)
            if len(inside) >= 3:
                return inside[:: -(-len(inside) // self._most())].tolist()
        even = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=self.whole, min_n_ticks=1)
        return _inside(np.asarray(even.tick_values(low, high)), low, high).tolist()

    def _most(self) -> int:
        axes = getattr(self.axis, "axes", None)
        if axes is None or getattr(self.axis, "axis_name", "") != "x":
            return 9
        return max(int(figure_width(axes) * axes.get_position().width / _LARGEST_TICK), 3)


def _inside(ticks: np.ndarray, low: float, high: float) -> np.ndarray:
    return ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]


def log_numbers(axis: Axis, style: str = "{:g}", whole: bool = False) -> None:
    """Give every tick of a log axis a number, written as 300 rather than 3 x 10^2.

    Args:
      axis: its scale is logarithmic.
      style: how the numbers are written.
      whole: whether only whole numbers are meant.
    """
    axis.set_major_locator(_LogNumbers(whole))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: style.format(value))


def share_axis(axis: Axis) -> None:
    """Write the ticks of an axis of shares in per cent."""
    axis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")


def title_and_key(
    ax: Axes, title: str, handles: Sequence[Artist] = (), room: float | None = None
) -> None:
    """Write the title and, between it and the axes, one row that explains the labelled artists.

    They are several rows where the figure is too narrow for one.

    Args:
      ax: the axes.
      title: the caller's words.
      handles: what stands for artists without a label of their own, like the colours of an image.
      room: inches for the key; nearly the width of the figure unless given.
    """
    entries = [*ax.get_legend_handles_labels()[0], *handles]
    if not entries:
        write_title(ax, title)
        return
    size = SMALL if is_narrow(ax) else 9
    room = figure_width(ax) - 0.5 if room is None else room
    columns = _columns(room, [str(entry.get_label()) for entry in entries], size)
    rows = -(-len(entries) // columns)
    write_title(ax, title, pad=26 + 1.5 * size * (rows - 1))
    key: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 0.995)}
    look: dict[str, Any] = {"frameon": False, "borderaxespad": 0.2, "fontsize": size}
    _as_written(ax.legend(handles=entries, ncols=columns, **key, **look))


def _columns(room: float, labels: Sequence[str], size: float) -> int:
    """Return into how many columns the entries of a key go."""
    widths = [text_width(label, size) + 4.8 * size / 72 for label in labels]
    if sum(widths) <= room:
        return len(labels)
    return int(np.clip(room // max(widths), 1, len(labels)))


def key_beside(ax: Axes, title: str, heading: str) -> None:
    """Write the title, and explain the labelled artists beside the axes, where no data are.

    On a narrow figure they are explained above the axes, an entry a line.

    Args:
      ax: the axes.
      title: the caller's words.
      heading: of the key.
    """
    handles, labels = ax.get_legend_handles_labels()
    key: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    size, spacing, pad = 9.0, 0.5, 8.0
    if is_narrow(ax):
        room = figure_width(ax) - 1.4
        labels = [broken(between_commas(label), room, SMALL) for label in labels]
        key = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0)}
        size, spacing = SMALL, 0.3
        lines = sum(label.count("\n") + 1 for label in labels) + 1
        pad += size * (1.25 * lines + spacing * (len(labels) + 1))
    elif len(labels) > 14:
        size, spacing = 6.5, 0.3
    write_title(ax, title, pad)
    legend = ax.legend(
        handles,
        labels,
        **key,
        title=heading,
        title_fontsize=min(9.0, max(size, SMALL)),
        frameon=False,
        borderaxespad=0.0,
        fontsize=size,
        labelspacing=spacing,
    )
    legend.set_alignment("left")
    _as_written(legend)


def _as_written(legend: Legend) -> None:
    """Show the words of a key as they are: they are settings, not formulas between dollar signs."""
    for text in legend.get_texts():
        text.set_parse_math(False)


def percent(share: float) -> str:
    """Return a share as text of about three digits that never rounds to all or to none.

    Example:
      >>> [percent(share) for share in (0, 1e-8, 0.12345, 0.5, 0.9996, 1)]
      ['0 %', '0.000001 %', '12.3 %', '50 %', '> 99.9 %', '100 %']
    """
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    return f"{np.format_float_positional(100 * share, 3, fractional=False, trim='-')} %"
