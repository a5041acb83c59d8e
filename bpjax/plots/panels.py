"""All weights of a net as squares: a panel per connection, a row per unit that receives them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from bpjax.connections import Key, Layer
from bpjax.network import Network
from bpjax.params import Params
from bpjax.plots.page import TEXT_HEIGHT, Words
from bpjax.plots.squares import Mosaic, largest_of
from bpjax.plots.text import figure_width, text_width

WIDEST = 9.5
"""In inches: cells shrink to stay below it, across and down."""
INCHES = 0.2
LINE = 0.19
"""In inches: of text."""
LONGEST = 48
"""Cells side by side before the next layer starts a new line; fewer where a figure is narrower."""


class Block(NamedTuple):
    """One panel: weights (num_rows, num_columns), which of them exist, and what they come from."""

    source: str
    weights: np.ndarray
    present: np.ndarray
    names: Sequence[str]


def hinton_panels(
    network: Network,
    params: Params,
    *,
    title: str,
    names: Mapping[str, Sequence[str]] | None = None,
    rows: Mapping[str | Key, int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw all weights and biases of a net as squares of one scale, on grey where a weight exists.

    Each layer that receives weights has a group of panels, one per connection and one for its
    biases: a row per unit, in it the weights that this unit gets. Weights that are one and the same
    are drawn once: those of the steps of an iterative net, and the free ones of a tied connection.
    What a single unit gets is set out as the layer it comes from is.

    Args:
      network: the net.
      params: its weights and biases.
      title: the caller's words.
      names: of the units of a layer, by its name (in an iterative net, its name there); left out
        where cells are too small for them.
      rows: in how many rows the free weights of a tied connection stand, by its `weight_key`, and
        the units of a layer, by its name.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on.
    """
    names, rows = names or {}, rows or {}
    net = network.iterated or network
    groups = {
        layer.name: list(_blocks(net, params, layer, names, rows)) for layer in net.computed_layers
    }
    tables = [block.weights for blocks in groups.values() for block in blocks]
    largest = largest_of(tables)
    across = max(sum(b.weights.shape[1] + 1 for b in blocks) for blocks in groups.values())
    down = max(len(table) for table in tables)
    inches = min(INCHES, WIDEST / across, WIDEST / down)
    if inches < TEXT_HEIGHT:
        names = {}
        groups = {name: [b._replace(names=()) for b in blocks] for name, blocks in groups.items()}
    mosaic = Mosaic(inches, largest)
    longest = LONGEST if ax is None else min(LONGEST, int(figure_width(ax) / inches))
    _set(mosaic, groups, names, longest)
    mosaic.key([largest, largest / 4, -largest], "weight")
    return mosaic.draw(title, ax)


def _blocks(
    net: Network,
    params: Params,
    layer: Layer,
    names: Mapping[str, Sequence[str]],
    rows: Mapping[str | Key, int],
) -> Iterator[Block]:
    for c in net.incoming[layer.name]:
        weights = np.asarray(params.weight[c.weight_key])
        present = np.ones_like(weights, bool) if c.mask is None else np.array(c.mask)
        if c.tie is None and layer.size == 1 and c.source in rows:
            shape = (rows[c.source], -1)
            yield Block(c.source, weights.reshape(shape), present.reshape(shape), ())
        elif c.tie is None:
            yield Block(c.source, weights.T, present.T, names.get(c.source, ()))
        else:
            table = weights.reshape(rows.get(c.weight_key, 1), -1)
            yield Block(f"{c.source}, shared", table, np.ones_like(table, bool), ())
    if layer.bias:
        bias = np.asarray(params.bias[layer.bias_key])[:, None]
        yield Block("bias", bias, np.ones_like(bias, bool), ())


def _set(
    mosaic: Mosaic,
    groups: Mapping[str, Sequence[Block]],
    names: Mapping[str, Sequence[str]],
    longest: int,
) -> None:
    """Set groups one beside the other, and in a new line where the page ends."""
    x = y = lowest = 0.0
    for target, blocks in groups.items():
        rows = names.get(target, ())
        margin = max((text_width(text) / mosaic.inches + 0.4 for text in rows), default=0.0)
        width = margin + sum(_width(block, mosaic.inches) for block in blocks)
        if x > 0 and x + width > longest:
            x, y = 0.0, lowest - 1.5
        line = LINE / mosaic.inches
        above = max(_height(block.names, mosaic.inches) for block in blocks)
        mosaic.write([Words(x, y, f"into {target}", "left")])
        left, top = x + margin, y - 1.4 * line - above
        for text, row in zip(rows, range(len(rows)), strict=True):
            mosaic.write([Words(left - 0.4, top - 0.5 - row, text, "right")])
        for block in blocks:
            _put(mosaic, block, left, top, line)
            left += _width(block, mosaic.inches)
            lowest = min(lowest, top - len(block.weights))
        title = text_width(f"into {target}") / mosaic.inches
        x = max(left, x + title) + 1.5


def _put(mosaic: Mosaic, block: Block, left: float, top: float, line: float) -> None:
    """Put a panel with its upper left corner at (left, top), its source above."""
    row, column = np.nonzero(block.present)
    places = np.column_stack([left + 0.5 + column, top - 0.5 - row])
    mosaic.add(places, block.weights[block.present])
    upright = enumerate(block.names)
    mosaic.write(Words(left + 0.5 + k, top + 0.2, text, "left", True) for k, text in upright)
    above = _height(block.names, mosaic.inches)
    mosaic.write([Words(left, top + above + line / 2, block.source, "left")])


def _width(block: Block, inches: float) -> float:
    return max(block.weights.shape[1], text_width(block.source) / inches) + 0.8


def _height(names: Sequence[str], inches: float) -> float:
    return max((text_width(text) / inches + 0.3 for text in names), default=0.0)
