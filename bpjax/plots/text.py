"""Text of figures: how wide a line is, and titles that fit.

A figure up to `NARROW` inches wide is for a phone: its title is broken into lines, its key stands
above the axes, and its words are small.
"""

import functools

from matplotlib.axes import Axes
from matplotlib.textpath import TextPath

NARROW = 4.6
"""In inches: a figure up to this width is read on a phone."""
SMALL = 8.5
"""Points: of all words of such a figure."""
TEXT_SIZE = 8.0
"""Points: of words within a drawing without a frame."""


@functools.lru_cache(4096)
def text_width(words: str, size: float = TEXT_SIZE) -> float:
    """Return the width of a line of text in inches, with a little room to spare."""
    if not words.strip():
        return 0.0
    plain = words.replace("$", "S")  # two of them would open a formula
    outline = TextPath((0, 0), plain, size=size).vertices  # from x = 0 on
    return 1.06 * float(outline[:, 0].max()) / 72 + 0.03


def figure_width(ax: Axes) -> float:
    """Return how wide the figure of some axes is, in inches."""
    return float(ax.get_figure(root=True).get_size_inches()[0])  # type: ignore[union-attr]


def is_narrow(ax: Axes) -> bool:
    """Tell whether axes are in a figure for a phone."""
    return figure_width(ax) <= NARROW


def write_title(ax: Axes, title: str, pad: float = 8.0, size: float | None = None) -> None:
    """Write the title as it is; on a narrow figure, in lines that it has room for.

    Args:
      ax: the axes.
      title: the caller's words.
      pad: points between axes and title.
      size: points of its letters; matplotlib's unless given.
    """
    if is_narrow(ax):
        size = SMALL + 1
        width = figure_width(ax)
        left = 0.8 if ax.axison else 0.1 + ax.get_position().x0 * width
        title = broken(title, width - left, size)
    ax.set_title(title, loc="left", pad=pad, fontsize=size, parse_math=False)


def broken(words: str, inches: float, size: float) -> str:
    """Break lines between words where they are longer than some inches.

    Example:
      >>> broken("criterion tolerance 0.5, cap 10,000", 2.0, 9.0).splitlines()
      ['criterion tolerance 0.5, cap', '10,000']
    """
    lines: list[str] = []
    for given in words.splitlines():
        line = ""
        for word in given.split(" "):
            longer = f"{line} {word}" if line else word
            if line and text_width(longer, size) > inches:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)


def between_commas(words: str) -> str:
    r"""Return lines as one, to be broken between its commas only.

    Example:
      >>> broken(between_commas("momentum 0.5, 300 runs\n17 % not converged"), 1.5, 9.0)
      'momentum\xa00.5,\n300\xa0runs,\n17\xa0%\xa0not\xa0converged'
    """
    parts = [part for line in words.splitlines() for part in line.split(", ")]
    return ", ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)
