"""Numbers as squares on grey cells: white above zero, black below, the area is the size."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import ArrayLike

from bpjax.plots.page import Box, Words, around, box_of, page, short, write
from bpjax.plots.style import VERMILLION
from bpjax.plots.text import text_width

GREY = "0.6"
FULL = 0.84
"""Side of the largest square, with grey around it; neighbours lie 1 apart."""
CELL = 0.94
_CORNERS = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5)])


def squares(ax: Axes, places: ArrayLike, values: ArrayLike, largest: float) -> None:
    """Draw every value as a square at its place; one that is not finite as a cross.

    Args:
      ax: where to draw.
      places: x and y of the centres, shape (num_places, 2).
      values: shape (num_places,).
      largest: the size of a value that fills its place; larger ones fill it too.
    """
    places, values = np.asarray(places, float), np.asarray(values, float).ravel()
    finite = np.isfinite(values)
    color = np.where(values[finite] > 0, "white", "black").tolist()
    _polygons(ax, places[finite], FULL * _sides(values[finite], largest), facecolor=color)
    if not finite.all():
        ax.plot(*places[~finite].T, "x", color=VERMILLION, markersize=4)


def largest_of(tables: Iterable[ArrayLike]) -> float:
    """Return the size of the largest finite number in some tables; 0 if there is none."""
    sizes = [np.abs(np.asarray(table, float)).ravel() for table in tables]
    together = np.concatenate([np.zeros(1), *sizes])
    return float(together[np.isfinite(together)].max())


class Mosaic:
    """Squares on cells, rims and words, collected first and then drawn on a page that fits them.

    Args:
      inches: side of a cell in a figure of its own.
      largest: the size of a value that fills its cell.
    """

    def __init__(self, inches: float, largest: float):
        self.inches, self.largest = inches, largest
        self.places, self.rim_places = np.empty((0, 2)), np.empty((0, 2))
        self.values, self.rim_values = np.empty(0), np.empty(0)
        self.words: list[Words] = []

    def add(self, places: np.ndarray, values: ArrayLike) -> None:
        """Put a cell with a square at every place (num_places, 2)."""
        self.places = np.concatenate([self.places, places])
        self.values = np.concatenate([self.values, np.asarray(values, float).ravel()])

    def rim(self, places: np.ndarray, values: ArrayLike) -> None:
        """Put the outline that a value would fill around every place (num_places, 2)."""
        self.rim_places = np.concatenate([self.rim_places, places])
        self.rim_values = np.concatenate([self.rim_values, np.asarray(values, float).ravel()])

    def write(self, words: Iterable[Words]) -> None:
        """Put lines of text."""
        self.words.extend(words)

    @property
    def box(self) -> Box:
        """What is taken so far."""
        taken = [Box(x - 0.5, y - 0.5, x + 0.5, y + 0.5) for x, y in self.places.tolist()]
        return around([*taken, *(box_of(line, self.inches) for line in self.words)])

    def key(self, values: Sequence[float], quantity: str, rim: str = "") -> None:
        """Explain sizes below all the rest: example squares with their numbers.

        Args:
          values: what the examples stand for.
          quantity: what all of them are.
          rim: what the outline around a cell is, if it is to be explained.
        """
        box = self.box
        x, y = box.left, box.bottom - 1.3
        self.write([Words(x, y, quantity, "left")])
        x += text_width(quantity) / self.inches + 0.4
        for value, words in [*((value, short(value)) for value in values), (None, rim)]:
            if not words:
                continue
            place = np.array([[x + 0.5, y]])
            self.add(place, [value or 0.0])
            if value is None:
                self.rim(place, [self.largest])
            self.write([Words(x + 1.3, y, words, "left")])
            x += 2.0 + text_width(words) / self.inches

    def draw(self, title: str, ax: Axes | None) -> Axes:
        """Draw all that was put, on a new figure or where there is room, and return the axes."""
        left, bottom, right, top = self.box
        room = Box(left - 0.2, bottom - 0.2, right + 0.2, top + 0.2)
        ax, factor = page(ax, room, self.inches, title)
        _polygons(ax, self.places, np.full(len(self.places), CELL), facecolor=GREY)
        squares(ax, self.places, self.values, self.largest)
        rim: dict[str, Any] = {"edgecolor": VERMILLION, "linewidth": 1.8 * factor}
        sides = _sides(self.rim_values, self.largest)
        _polygons(ax, self.rim_places[sides > 0], sides[sides > 0], facecolor="none", **rim)
        write(ax, self.words, factor)
        return ax


def _sides(values: ArrayLike, largest: float) -> np.ndarray:
    share = np.abs(np.asarray(values, float)) / (largest if largest > 0 else 1.0)
    return np.sqrt(np.minimum(share, 1))


def _polygons(ax: Axes, places: np.ndarray, sides: np.ndarray, **look: Any) -> None:
    if not len(places):
        return
    corners = places[:, None, :] + sides[:, None, None] * _CORNERS
    ax.add_collection(PolyCollection(list(corners), **{"linewidth": 0, **look}), autolim=False)
