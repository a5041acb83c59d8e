"""A page to draw on without a frame: a data unit is a fixed length, texts have measured widths."""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpjax.plots.text import TEXT_SIZE, text_width, write_title

MARGIN = 0.12
"""In inches, around what is drawn."""
NARROWEST = 6.6
"""In inches: a figure with room for its title."""
TITLE_SIZE = 10.0
TEXT_HEIGHT = 0.125
"""In inches, of a line of that size: names of neighbours nearer than this would run together."""


class Box(NamedTuple):
    """A rectangle in data units."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: "Box") -> bool:
        """Tell whether two boxes share more than an edge."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )


class Words(NamedTuple):
    """A line of text at a place: where its `align` end and its middle stand.

    `upright` text reads upwards; then `align` is "left" where it begins and "right" where it ends.
    """

    x: float
    y: float
    words: str
    align: Literal["left", "center", "right"] = "center"
    upright: bool = False


def box_of(words: Words, inches: float = 1.0, size: float = TEXT_SIZE) -> Box:
    """Return the room a line of text takes, in data units of `inches`."""
    length, half = text_width(words.words, size) / inches, 0.75 * size / 72 / inches
    start = {"left": 0.0, "center": -length / 2, "right": -length}[words.align]
    if words.upright:
        bottom = words.y + start
        return Box(words.x - half, bottom, words.x + half, bottom + length)
    left = words.x + start
    return Box(left, words.y - half, left + length, words.y + half)


def around(boxes: Iterable[Box]) -> Box:
    """Return the smallest box that holds all the others, at least one."""
    left, bottom, right, top = zip(*boxes, strict=True)
    return Box(min(left), min(bottom), max(right), max(top))


def page(ax: Axes | None, box: Box, inches: float, title: str) -> tuple[Axes, float]:
    """Return axes that show `box` without frame or ticks, and the factor for sizes of text.

    Args:
      ax: where to draw; a new figure just large enough if not given.
      box: what is to be seen, in data units.
      inches: length of a data unit in a new figure; in axes that are given it is what fits, and
        the factor says how much smaller or larger that is.
      title: the caller's words.
    """
    width, height = inches * (box.right - box.left), inches * (box.top - box.bottom)
    if ax is None:
        ax, factor = _new(box, width, height, inches, title), 1.0
    else:
        ax.set_xlim(box.left, box.right)
        dots_per_inch = ax.figure.dpi
        factor = min(ax.bbox.width / width, ax.bbox.height / height) / dots_per_inch
    ax.set_ylim(box.bottom, box.top)
    ax.set_aspect("equal")
    ax.set_axis_off()
    write_title(ax, title, pad=6.0, size=TITLE_SIZE * min(factor, 1))
    return ax, factor


def _new(box: Box, width: float, height: float, inches: float, title: str) -> Axes:
    """Return axes of exactly that size, below a strip for the title; narrow drawings stand amid."""
    strip = 0.1 + 0.19 * len(title.splitlines())
    wide = max(width, NARROWEST - 2 * MARGIN)
    fig = Figure(figsize=(wide + 2 * MARGIN, height + strip + 2 * MARGIN))
    total_width, total_height = fig.get_size_inches()
    bounds = (MARGIN / total_width, MARGIN / total_height, wide / total_width)
    ax = fig.add_axes((*bounds, height / total_height))
    spare = (wide - width) / inches / 2
    ax.set_xlim(box.left - spare, box.right + spare)
    return ax


def write(
    ax: Axes, lines: Iterable[Words], factor: float, size: float = TEXT_SIZE, **look: Any
) -> None:
    """Write lines of text, black unless `look` says otherwise."""
    for x, y, words, align, upright in lines:
        how: dict[str, Any] = {"ha": align, "va": "center_baseline"}
        if upright:
            ends = {"left": "bottom", "center": "center", "right": "top"}
            how = {"ha": "center", "va": ends[align], "rotation": 90}
        ax.text(x, y, words, fontsize=size * factor, **how, **look)


def short(value: float) -> str:
    """Write a number of any size in at most about six signs.

    Example:
      >>> [short(value) for value in (0.0312, 0.5, 14.23, 123.4, 1e5, float("nan"))]
      ['0.03', '0.50', '14.2', '123', '1e+05', 'nan']
      >>> short(-0.001) == "\N{MINUS SIGN}0.00"
      True
    """
    size = abs(value)
    digits = 2 if size < 1 else 1 if size < 99.95 else 0
    text = f"{value:.{digits}f}" if size < 9999.5 else f"{value:.0e}"
    return text.replace("-", "\N{MINUS SIGN}", 1)
