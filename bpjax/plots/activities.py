"""The activity of every unit of a net for a few cases, as Fig. 3 of the paper shows it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from bpjax.connections import Key
from bpjax.network import Network
from bpjax.plots.arrange import by_level, grid, in_time
from bpjax.plots.page import TEXT_HEIGHT, Words
from bpjax.plots.squares import Mosaic, largest_of
from bpjax.plots.text import text_width

WIDEST = 10.0
"""In inches: cells shrink to let one case stay below it."""
INCHES = 0.27
GAP = 1.5
"""Between cases, in cells."""


def activities(
    network: Network,
    activations: Mapping[str, ArrayLike],
    *,
    title: str,
    targets: ArrayLike | None = None,
    captions: Sequence[str] = (),
    names: Mapping[str, Sequence[str]] | None = None,
    rows: Mapping[str | Key, int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the activity of every unit as a square on grey, layer by layer from the bottom up.

    A square that fills its cell is an activity of 1, or the largest if there is a larger one; a
    negative one is black. The rim around an output is what its target would fill. An iterative net
    is drawn with time going up: a row per step.

    Args:
      network: the net.
      activations: what `forward_pass` returned for the cases that are to be seen, by layer name,
        each of shape (num_cases, size).
      title: the caller's words.
      targets: desired outputs, shape (num_cases, num_out).
      captions: a line for each case.
      names: of the units of a layer, by its name; in an iterative net by its name there. They are
        left out where cells are too small for them.
      rows: in how many rows the units of a layer stand; as few as possible unless given.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on.
    """
    rows = rows or {}
    inches = min(INCHES, WIDEST / _widest(network, rows))
    names = (names or {}) if inches >= TEXT_HEIGHT else {}
    in_steps = network.iterated is not None
    sheet = in_time(network, names, inches) if in_steps else by_level(network, names, rows, inches)
    values = {name: np.asarray(table, float) for name, table in activations.items()}
    captions = captions or [""] * len(next(iter(values.values())))
    largest = max(1.0, largest_of(values.values()))
    wanted = _by_layer(network, targets)
    mosaic = Mosaic(inches, largest)
    mosaic.write(sheet.titles)
    own = sheet.box(inches)
    step = max(own.right - own.left, *(text_width(c) / inches for c in captions)) + GAP
    for case, caption in enumerate(captions):
        shift = np.array([case * step, 0.0])
        for name, places in sheet.places.items():
            mosaic.add(places + shift, values[name][case])
            if name in wanted:
                mosaic.rim(places + shift, wanted[name][case])
        mosaic.write(text._replace(x=text.x + case * step) for text in sheet.names)
        if caption:
            mosaic.write([Words(own.left + case * step, own.top + 0.8, caption, "left")])
    mosaic.key([largest, largest / 4], "activity", rim="target" if wanted else "")
    return mosaic.draw(title, ax)


def cases_beside(network: Network, rows: Mapping[str | Key, int], width: float = WIDEST) -> int:
    """Return how many cases have room side by side: at least one."""
    return max(int(width / INCHES / _widest(network, rows)), 1)


def _widest(network: Network, rows: Mapping[str | Key, int]) -> float:
    """Return about how many cells one case takes side by side."""
    if network.iterated is not None:
        return sum(layer.size + GAP for layer in network.iterated.layers)
    size = {name: grid(network.size(name), rows.get(name))[1] + GAP for name in network.levels}
    return max(sum(size[name] for name in names) for names in network.layers_by_level)


def _by_layer(network: Network, targets: ArrayLike | None) -> dict[str, np.ndarray]:
    """Return the targets of each output layer, (num_cases, size)."""
    if targets is None:
        return {}
    ends = np.cumsum([layer.size for layer in network.output_layers])
    parts = np.split(np.asarray(targets, float), ends[:-1], axis=1)
    return {layer.name: part for layer, part in zip(network.output_layers, parts, strict=True)}
