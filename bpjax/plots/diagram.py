"""A net drawn as the paper draws its nets: units as circles, weights as lines, the input below."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle
from numpy.typing import ArrayLike

from bpjax.errors import SettingError
from bpjax.network import Network
from bpjax.params import Params, weight_matrix
from bpjax.plots.page import Box, Words, around, box_of, page, short, write
from bpjax.plots.routes import ROW, Plan, number_places, plan_of, route
from bpjax.plots.squares import largest_of
from bpjax.plots.style import BLACK, BLUE, VERMILLION, YELLOW
from bpjax.plots.text import text_width

MOST_NUMBERS = 24
"""A net with more lines is drawn without numbers unless they are asked for."""
THINNEST, WIDEST = 0.5, 4.0
"""Lines, in points: of a weight of 0 and of the largest."""


class Look(NamedTuple):
    """How what has one sign is drawn."""

    words: str
    color: str
    style: Any


LOOKS = {
    1: Look("positive", BLUE, "solid"),
    -1: Look("negative", VERMILLION, (0, (2.2, 1.0))),
    0: Look("not finite", BLACK, "dotted"),
}
"""By the sign; zero weights look like positive ones."""


class Line(NamedTuple):
    """A weight that exists, from a unit (layer, number) to another."""

    source: tuple[str, int]
    target: tuple[str, int]
    weight: float


def network_diagram(
    network: Network,
    params: Params,
    *,
    title: str,
    activations: Mapping[str, ArrayLike] | None = None,
    numbers: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw every unit as a circle and every weight as a line, the wider the larger it is.

    Solid blue is positive, broken red negative; the rim of a circle shows its bias in the same way.
    Numbers are written on the lines and, for biases, into the circles. A connection that skips a
    level goes round the units there. An absent weight has no line, a tied one has all of its lines.

    Args:
      network: a net without delays; an iterative one as `bpjax.recurrent.unroll` lays it out.
      params: its weights and biases.
      title: the caller's words.
      activations: of one case, by layer name, each of shape (size,): from 0 to 1 a unit is filled
        with yellow.
      numbers: whether to write them; where there are at most 24 lines unless given.
      ax: where to draw; a new figure if not given.

    Returns:
      The axes drawn on: a unit of data is an inch.

    Raises:
      SettingError: for a network with delayed connections.
    """
    if any(c.delay for c in network.connections):
        raise SettingError("delay", "must be 0 everywhere in a diagram: unroll the net in time", 1)
    lines = list(_lines(network, params))
    numbers = len(lines) <= MOST_NUMBERS if numbers is None else numbers
    plan = plan_of(network, numbers)
    routes = [route(plan, plan.places[a][i], plan.places[b][j]) for (a, i), (b, j), _ in lines]
    biases = _biases(network, params)
    weights = [line.weight for line in lines]
    largest = largest_of([*biases.values(), weights])
    texts = _numbers(plan, lines, routes) if numbers else []
    titles = _titles(network, plan, routes)
    room = around([*plan.circles, *map(box_of, [*texts, *titles]), *map(_box, routes)])
    samples, key = _key(room, largest, bool(biases))
    ax, factor = page(ax, around([room, *map(box_of, key)]), 1.0, title)
    _draw_lines(ax, routes, weights, largest, factor)
    _draw_units(ax, plan, biases, activations or {}, largest, numbers, factor)
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.6 * factor}
    for text, weight in zip(texts, weights, strict=False):
        write(ax, [text], factor, color=LOOKS[_sign(weight)].color, bbox=behind)
    for points, look in zip(samples, LOOKS.values(), strict=False):
        ax.plot(*points.T, color=look.color, linestyle=look.style, linewidth=2 * factor)
    write(ax, [*titles, *key], factor)
    return ax


def _lines(network: Network, params: Params) -> Iterator[Line]:
    for c in network.connections:
        matrix = np.asarray(weight_matrix(c, params.weight[c.weight_key]))
        present = np.ones_like(matrix, bool) if c.mask is None else np.array(c.mask)
        for i, j in np.argwhere(present).tolist():
            yield Line((c.source, i), (c.target, j), float(matrix[i, j]))


def _biases(network: Network, params: Params) -> dict[str, np.ndarray]:
    return {
        layer.name: np.asarray(params.bias[layer.bias_key])
        for layer in network.computed_layers
        if layer.bias
    }


def _sign(value: float) -> int:
    return (1 if value >= 0 else -1) if np.isfinite(value) else 0


def _width(value: float, largest: float) -> float:
    share = abs(value) / largest if np.isfinite(value) and largest > 0 else 0.0
    return THINNEST + (WIDEST - THINNEST) * share


def _box(points: np.ndarray) -> Box:
    return Box(*(points.min(axis=0) - 0.05), *(points.max(axis=0) + 0.05))


def _numbers(plan: Plan, lines: Sequence[Line], routes: Sequence[np.ndarray]) -> list[Words]:
    """Place the numbers in rows: one per unit of the smaller layer, next to the larger one."""
    wanted = []
    for ((source, i), (target, j), _), points in zip(lines, routes, strict=True):
        from_below = len(plan.places[target]) <= len(plan.places[source])
        inches = plan.radius + 0.2 + ROW * (j if from_below else i)
        share = min(inches / (points[-1, 1] - points[0, 1]), 0.5)
        straight = len(points) == 2
        wanted.append(0.5 if not straight else share if from_below else 1 - share)
    return number_places(routes, [short(line.weight) for line in lines], wanted, plan.circles)


def _titles(network: Network, plan: Plan, routes: Sequence[np.ndarray]) -> list[Words]:
    """Name the layers in the margin: the first of each level on the left, others on the right."""
    room = around([*plan.circles, *map(_box, routes)])
    titles = []
    for names in network.layers_by_level:
        y = plan.places[names[0]][0, 1]
        titles.append(Words(room.left - 0.15, y, names[0], "right"))
        if len(names) > 1:
            titles.append(Words(room.right + 0.15, y, ", ".join(names[1:]), "left"))
    return titles


def _key(room: Box, largest: float, biases: bool) -> tuple[list[np.ndarray], list[Words]]:
    """Lay out, below the net, a sample line for either sign and what widths and rims are."""
    x, y = room.left, room.bottom - 0.3
    samples, words = [], []
    for sign in (1, -1):
        samples.append(np.array([[x, y], [x + 0.4, y]]))
        words.append(Words(x + 0.48, y, LOOKS[sign].words, "left"))
        x += 0.66 + text_width(LOOKS[sign].words)
    sizes = f"widest: {short(largest)}" + ("; rim of a circle: bias" if biases else "")
    return samples, [*words, Words(x, y, sizes, "left")]


def _draw_lines(
    ax: Axes,
    routes: Sequence[np.ndarray],
    weights: Sequence[float],
    largest: float,
    factor: float,
) -> None:
    """Draw the lines of each sign as one collection, small weights under large ones."""
    order = sorted(range(len(weights)), key=lambda k: _width(weights[k], largest))
    for sign, look in LOOKS.items():
        chosen = [k for k in order if _sign(weights[k]) == sign]
        if not chosen:
            continue
        widths = [factor * _width(weights[k], largest) for k in chosen]
        style: dict[str, Any] = {"colors": look.color, "linestyles": [look.style]}
        lines = LineCollection(
            [routes[k] for k in chosen], linewidths=widths, label=look.words, zorder=1, **style
        )
        ax.add_collection(lines, autolim=False)


def _draw_units(
    ax: Axes,
    plan: Plan,
    biases: Mapping[str, np.ndarray],
    activations: Mapping[str, ArrayLike],
    largest: float,
    numbers: bool,
    factor: float,
) -> None:
    for name, places in plan.places.items():
        shade = np.clip(np.nan_to_num(np.asarray(activations.get(name, [0.0] * len(places)))), 0, 1)
        for k, place in enumerate(places):
            bias = biases[name][k] if name in biases else None
            look = LOOKS[1 if bias is None else _sign(bias)]
            rim: dict[str, Any] = {"edgecolor": BLACK, "linewidth": factor}
            if bias is not None:
                width = factor * _width(float(bias), largest)
                rim = {"edgecolor": look.color, "linestyle": look.style, "linewidth": width}
            fill = tuple(1 - shade[k] * (1 - np.array(to_rgb(YELLOW))))
            ax.add_patch(Circle(tuple(place), plan.radius, facecolor=fill, zorder=2, **rim))
            if numbers and bias is not None:
                text = Words(place[0], place[1], short(float(bias)))
                write(ax, [text], factor, color=look.color, zorder=3)
