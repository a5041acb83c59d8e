"""What all figures share: colours, a fresh figure, axes for epochs, keys that cover no data.

Figures are made without `pyplot` and without touching matplotlib's settings, so drawing leaves no
trace in the caller's session and works without a display.
"""

import io
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
from matplotlib.ticker import LogFormatter, MaxNLocator

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


def new_axes(ax: Axes | None = None, size: tuple[float, float] = (7.0, 4.2)) -> Axes:
    """Return `ax` itself, or the axes of a new figure of that size in inches."""
    if ax is None:
        ax = Figure(figsize=size, layout="constrained").subplots()
    ax.grid(visible=True, color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


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
    if log_epochs and first > 0 and last > first * 4 / 3:
        ax.set_xscale("log")
        margin = max((last / first) ** 0.03, 1.05)
        ax.set_xlim(first / margin, last * margin)
        plain_log_numbers(ax.xaxis, "{:,.0f}")
    elif log_epochs and first <= 0:
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(-0.5, max(last, 1) * 1.2)
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


class _PlainLogFormatter(LogFormatter):
    """Labels the ticks that matplotlib would label, in plain numbers."""

    def __init__(self, style: str):
        super().__init__()
        self.style = style

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.style.format(x) if super().__call__(x, pos) else ""


def plain_log_numbers(axis: Axis, style: str = "{:g}") -> None:
    """Write the ticks of a log axis as 300 rather than 3 x 10^2."""
    axis.set_major_formatter(_PlainLogFormatter(style))
    minor = _PlainLogFormatter(style)
    minor.labelOnlyBase = False
    axis.set_minor_formatter(minor)


def share_axis(axis: Axis) -> None:
    """Write the ticks of an axis of shares in per cent."""
    axis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")


def title_and_key(ax: Axes, title: str, handles: Sequence[Artist] = ()) -> None:
    """Write the title and, between it and the axes, one row that explains the labelled artists.

    Args:
      ax: the axes.
      title: the caller's words.
      handles: what stands for artists without a label of their own, like the colours of an image.
    """
    entries = [*ax.get_legend_handles_labels()[0], *handles]
    ax.set_title(title, loc="left", pad=26 if entries else 8, parse_math=False)
    if entries:
        key: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 0.995)}
        look: dict[str, Any] = {"frameon": False, "borderaxespad": 0.2, "fontsize": 9}
        _as_written(ax.legend(handles=entries, ncols=len(entries), **key, **look))


def key_on_the_right(ax: Axes, heading: str) -> None:
    """Explain the labelled artists in a column outside the axes, where it covers no data."""
    key: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    many = len(ax.get_legend_handles_labels()[0]) > 14
    legend = ax.legend(
        **key,
        title=heading,
        title_fontsize=9,
        frameon=False,
        borderaxespad=0.0,
        fontsize=6.5 if many else 9,
        labelspacing=0.3 if many else 0.5,
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
