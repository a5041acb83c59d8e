"""Where a diagram has its units, how a line runs between two of them, and where its number is."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from bpjax.network import Network
from bpjax.plots.arrange import centers
from bpjax.plots.page import Box, Words, box_of

POINTS = 25
"""Of a line that is not straight."""
CLEARANCE = 0.12
"""In inches, between a line and a circle that it passes."""
ROW = 0.22
"""In inches, between two rows of numbers."""
OUTSIDE = 1.5
"""In inches: how far beside the last unit of a level lines spread that go round it."""


class Plan(NamedTuple):
    """The units of a net on a page, in inches.

    Attributes:
      places: x and y of the units of every layer, shape (size, 2).
      rows: every level, from the input up: its y, and the x of all its units in order.
      radius: of the circles.
    """

    places: dict[str, np.ndarray]
    rows: list[tuple[float, np.ndarray]]
    radius: float

    @property
    def circles(self) -> list[Box]:
        """The boxes around all units."""
        r = self.radius + 0.04  # half a rim
        units = np.concatenate(list(self.places.values())).tolist()
        return [Box(x - r, y - r, x + r, y + r) for x, y in units]


def plan_of(network: Network, numbers: bool) -> Plan:
    """Set the units of a net out, with room for numbers or closely.

    Args:
      network: a net without delays.
      numbers: whether numbers are to be written on lines and into circles.
    """
    skips = any(
        network.levels[c.target] > network.levels[c.source] + 1 for c in network.connections
    )
    apart, radius = (1.1 if numbers or skips else 0.62), (0.25 if numbers else 0.15)
    offsets = {
        layer.name: apart * (np.arange(layer.size) - (layer.size - 1) / 2)
        for layer in network.layers
    }
    reach = {name: (radius - row[0], radius + row[-1]) for name, row in offsets.items()}
    x = centers(network, offsets, reach, apart)
    places: dict[str, np.ndarray] = {}
    rows: list[tuple[float, np.ndarray]] = []
    y = 0.0
    for names in network.layers_by_level:
        num_units = sum(network.size(name) for name in names)
        if rows:
            lines = min(num_units, len(rows[-1][1]), 6)
            y += 1.0 + ROW * lines if numbers else 1.3
        for name in names:
            row = x[name] + offsets[name]
            places[name] = np.column_stack([row, np.full(len(row), y)])
        rows.append((y, np.sort(np.concatenate([places[name][:, 0] for name in names]))))
    return Plan(places, rows, radius)


def route(plan: Plan, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the points of a line between two units, round the units of the levels it skips."""
    (x0, y0), (x1, y1) = start, end
    between = [(y, units) for y, units in plan.rows if y0 < y < y1]
    if not between:
        return np.array([start, end])
    straight = [x0 + (y - y0) / (y1 - y0) * (x1 - x0) for y, _ in between]
    passed = [
        _aside(x, units, plan.radius + CLEARANCE)
        for x, (_, units) in zip(straight, between, strict=True)
    ]
    heights = [y0, *(y for y, _ in between), y1]
    way = CubicSpline(heights, [x0, *passed, x1], bc_type="natural")
    y = np.linspace(y0, y1, POINTS)
    return np.column_stack([way(y), y])


def _aside(x: float, units: np.ndarray, clearance: float) -> float:
    """Return the nearest x free of units; lines keep their order and stay apart.

    What would pass within the half distance to a unit's neighbour is moved from (0, half) of its
    centre to (clearance, half).
    """
    nearest = int(np.argmin(np.abs(units - x)))
    away = float(x - units[nearest])
    side = -1 if away < 0 else 1
    neighbour = nearest + side
    half = OUTSIDE
    if 0 <= neighbour < len(units):
        half = abs(units[neighbour] - units[nearest]) / 2
    if abs(away) >= half:
        return x
    return float(units[nearest]) + side * (clearance + abs(away) * max(1 - clearance / half, 0))


def number_places(
    lines: Sequence[np.ndarray], texts: Sequence[str], wanted: Sequence[float], taken: Sequence[Box]
) -> list[Words]:
    """Return where each number stands on its line: as near as can be to where it is wanted.

    Args:
      lines: points of each line.
      texts: the number of each.
      wanted: which part of the way it would best stand at.
      taken: boxes that no number may cover.

    Returns:
      The numbers; none covers another or a taken box unless its line has no free place.
    """
    taken, found = list(taken), []
    dense = np.array([_along(line, np.linspace(0, 1, 100)) for line in lines])
    steps = np.linspace(0.1, 0.9, 81)
    for k, (line, text, share) in enumerate(zip(lines, texts, wanted, strict=True)):
        others = np.delete(dense, k, axis=0)
        places = [Words(x, y, text) for x, y in _along(line, steps).tolist()]
        boxes = [box_of(place) for place in places]
        covered = [sum(box.overlaps(other) for other in taken) for box in boxes]
        crossed = [_crossed(box, others) for box in boxes]
        costs = 100 * np.array(covered) + np.array(crossed) + 5 * np.abs(steps - share)
        best = int(np.argmin(costs))
        found.append(places[best])
        taken.append(boxes[best])
    return found


def _along(line: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the points at some shares of a line's way, shape (num_shares, 2)."""
    known = np.linspace(0, 1, len(line))
    return np.column_stack([np.interp(shares, known, axis) for axis in line.T])


def _crossed(box: Box, lines: np.ndarray) -> int:
    """Count the lines, shape (num_lines, num_points, 2), that run through a box."""
    inside = (lines > [box.left, box.bottom]) & (lines < [box.right, box.top])
    return int(np.any(np.all(inside, axis=2), axis=1).sum())
