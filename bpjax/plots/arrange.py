"""Where the layers of a net stand on a page: by level, or with time going up."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bpjax.connections import Key
from bpjax.network import Network
from bpjax.plots.page import TEXT_HEIGHT, Box, Words, around, box_of
from bpjax.plots.text import text_width
from bpjax.recurrent import at

LONGEST_ROW = 64
"""A layer with more units stands in several rows."""
GAP = 1.2
"""Between levels, and between layers side by side."""


class Sheet(NamedTuple):
    """A net set out: a unit is a cell of side 1, the input is at the bottom.

    Attributes:
      places: x and y of every unit, shape (size, 2), by layer name.
      names: of units, written wherever their layer is drawn.
      titles: of layers or steps, to the left of x = 0; written once, however many cases there are.
    """

    places: dict[str, np.ndarray]
    names: list[Words]
    titles: list[Words]

    def box(self, inches: float) -> Box:
        """Return the room of one case: units and their names, without the titles."""
        ends = np.concatenate(list(self.places.values()))
        units = Box(*(ends.min(axis=0) - 0.5), *(ends.max(axis=0) + 0.5))
        return around([units, *(box_of(text, inches) for text in self.names)])


def centers(
    network: Network,
    offsets: Mapping[str, np.ndarray],
    reach: Mapping[str, tuple[float, float]],
    gap: float,
) -> dict[str, float]:
    """Return the x of every layer: above the middle of what feeds it, side by side if need be.

    Args:
      network: a net without delays.
      offsets: by layer name, the x of its units from the middle of the layer.
      reach: by layer name, how far it extends to the left and to the right of its middle.
      gap: least distance between neighbours.
    """
    found: dict[str, float] = {}
    for names in network.layers_by_level:
        wished = [_middle_of_sources(network, name, offsets, found) for name in names]
        placed: list[float] = []
        edge = -math.inf
        for name, wish in zip(names, wished, strict=True):
            left, right = reach[name]
            placed.append(max(wish, edge + gap + left))
            edge = placed[-1] + right
        shift = float(np.mean(wished) - np.mean(placed))
        found |= {name: x + shift for name, x in zip(names, placed, strict=True)}
    return found


def _middle_of_sources(
    network: Network,
    name: str,
    offsets: Mapping[str, np.ndarray],
    found: Mapping[str, float],
) -> float:
    """Return the mean x of the layers that feed one from below; for a single unit, of the units."""
    incoming, below = network.incoming[name], network.levels[name] - 1
    if not incoming:
        return 0.0
    if network.size(name) > 1:
        return float(
            np.mean([found[c.source] for c in incoming if network.levels[c.source] == below])
        )
    feeding = [
        found[c.source] + offsets[c.source][slice(None) if c.mask is None else np.ravel(c.mask)]
        for c in incoming
    ]
    return float(np.mean(np.concatenate(feeding)))


def by_level(
    network: Network,
    names: Mapping[str, Sequence[str]],
    rows: Mapping[str | Key, int],
    inches: float,
) -> Sheet:
    """Set a net out level by level; layers of one level stand side by side.

    Args:
      network: a net without delays.
      names: of the units of a layer, written above and below it if it has one or two rows.
      rows: in how many rows the units of a layer stand; as few as possible unless given.
      inches: length of a cell, which decides how much room a text takes.
    """
    shape = {layer.name: grid(layer.size, rows.get(layer.name)) for layer in network.layers}
    columns = {name: num_columns for name, (_, num_columns) in shape.items()}
    offsets = {
        name: np.arange(network.size(name)) % wide - (wide - 1) / 2
        for name, wide in columns.items()
    }
    title = {name: text_width(name) / inches + 0.4 for name in shape}
    reach = {name: (wide / 2 + title[name], wide / 2) for name, wide in columns.items()}
    x = centers(network, offsets, reach, GAP)
    sheet = Sheet({}, [], [])
    y = 0.0
    for level in network.layers_by_level:
        texts = {name: _names_of(network, name, names, shape) for name in level}
        tallest = max(shape[name][0] for name in level)
        y += max(_height(below, inches) for _, below in texts.values())
        for name in level:
            top = y + (tallest + shape[name][0] - 1) / 2
            row = np.arange(network.size(name)) // columns[name]
            sheet.places[name] = np.column_stack([x[name] + offsets[name], top - row])
            left = float(x[name] + offsets[name][0])
            sheet.titles.append(Words(left - 0.9, y + tallest / 2, name, "right"))
            sheet.names.extend(_written(left, top, top - shape[name][0] + 1, *texts[name]))
        y += tallest + max(_height(above, inches) for above, _ in texts.values()) + GAP
    return sheet


def _written(
    left: float, top: float, bottom: float, above: Sequence[str], below: Sequence[str]
) -> list[Words]:
    over = [Words(left + k, top + 0.7, name, "left", True) for k, name in enumerate(above)]
    return over + [
        Words(left + k, bottom - 0.7, name, "right", True) for k, name in enumerate(below)
    ]


def grid(size: int, rows: int | None) -> tuple[int, int]:
    """Return in how many rows and columns a layer of `size` units stands."""
    rows = math.ceil(size / LONGEST_ROW) if rows is None else rows
    return rows, math.ceil(size / rows)


def _names_of(
    network: Network,
    name: str,
    names: Mapping[str, Sequence[str]],
    shape: Mapping[str, tuple[int, int]],
) -> tuple[Sequence[str], Sequence[str]]:
    """Return what is written above the first row of a layer, and below the last."""
    texts, (rows, columns) = names.get(name, ()), shape[name]
    if rows == 2:
        return texts[:columns], texts[columns:]
    if rows > 2:
        return (), ()
    return (texts, ()) if network.incoming[name] else ((), texts)


def _height(texts: Sequence[str], inches: float) -> float:
    return max((text_width(text) / inches + 0.3 for text in texts), default=0.0)


def in_time(network: Network, names: Mapping[str, Sequence[str]], inches: float) -> Sheet:
    """Set an iterative net out with a row per step, the first at the bottom, a column per unit.

    Args:
      network: what `bpjax.recurrent.unroll` returned.
      names: of the units of a layer of the iterative net, written above its column.
      inches: length of a cell.
    """
    assert network.iterated is not None
    present = {layer.name for layer in network.layers}
    steps = range(network.iterations + 1)
    height = max(1.25, 1.1 * TEXT_HEIGHT / inches)
    top = height * network.iterations
    sheet = Sheet({}, [], [Words(-0.9, height * t, f"step {t}", "right") for t in steps])
    heading = top + 1.2 + max(_height(texts, inches) for texts in [(), *names.values()])
    x = 0.0
    for layer in network.iterated.layers:
        for step in steps:
            if at(layer.name, step) in present:
                place = np.column_stack(
                    [x + np.arange(layer.size), np.full(layer.size, height * step)]
                )
                sheet.places[at(layer.name, step)] = place
        texts = names.get(layer.name, ())
        sheet.names.extend(Words(x + k, top + 0.7, t, "left", True) for k, t in enumerate(texts))
        sheet.names.append(Words(x - 0.5, heading, layer.name, "left"))
        x += max(layer.size, text_width(layer.name) / inches) + GAP
    return sheet
