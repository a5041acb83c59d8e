"""Figures of one net, by their artists: weights as lines and squares, and what the units do."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import same_color, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.text import Text
from reading import every_tick_has_a_number

from bpjax import tasks
from bpjax.backprop import forward_pass
from bpjax.connections import Connection, Layer
from bpjax.errors import SettingError
from bpjax.figures.draw import run_figures
from bpjax.network import Network, layered
from bpjax.params import weight_matrix
from bpjax.plots import activities, hinton, hinton_panels, network_diagram, unit_panels
from bpjax.plots.diagram import THINNEST, WIDEST
from bpjax.plots.style import VERMILLION
from bpjax.recording import History, Snapshots
from bpjax.starts.initial import init_params, run_key
from bpjax.status import Status
from bpjax.tasks.family_trees import PAIRS, PEOPLE, RELATIONS
from bpjax.training import Run

TASKS = {name: make() for name, make in tasks.TASKS.items()}
TASKS |= {
    "xor, direct": tasks.xor(direct=True),
    "addition, 3 hidden": tasks.addition(hidden=3),
    "parity, deep": tasks.parity(hidden_layers=4, hidden=8),
    "one unit": tasks.xor(hidden=1),
    "sequence, wide": tasks.sequence(hidden=120),
}
MINUS = "\N{MINUS SIGN}"


def params_of(task, init_range=6.0):
    return init_params(task.network, run_key(3), init_range)


def diagram(task, **options):
    return network_diagram(task.network, params_of(task), title="seed 3", **options)


def lines_of(ax):
    """The lines of a diagram: points, width, colour and whether it is broken."""
    found = []
    for collection in ax.collections:
        assert isinstance(collection, LineCollection)
        widths, styles = collection.get_linewidths(), collection.get_linestyles()
        for points, width in zip(collection.get_segments(), widths, strict=True):
            found.append((points, width, collection.get_colors()[0], styles[0][1] is not None))
    return found


def circles_of(ax):
    return [patch for patch in ax.patches if isinstance(patch, Circle)]


def squares_of(ax, colors=("#ffffff", "#000000")):
    """Centre (x, y) and side of every square, a column for each, those of side 0 too."""
    found = []
    for collection in ax.collections:
        assert isinstance(collection, PolyCollection)
        faces = collection.get_facecolors()
        if not len(faces) or to_hex(faces[0]) not in colors:
            continue
        faces = np.broadcast_to(faces, (len(collection.get_paths()), 4))
        for path, face in zip(collection.get_paths(), faces, strict=True):
            low, high = path.vertices.min(axis=0), path.vertices.max(axis=0)
            sign = -1 if to_hex(face) == "#000000" else 1
            found.append((*(low + high) / 2, (high - low)[0], sign))
    return np.array(found)


def cells_of(ax):
    return squares_of(ax, colors=(to_hex("0.6"),))


def rims_of(ax):
    for collection in ax.collections:
        if not len(collection.get_facecolors()):
            return [path.vertices[:4].mean(axis=0) for path in collection.get_paths()]
    return []


def near(place):
    """A place as a key, whatever the rounding of its computation."""
    return tuple(np.round(np.asarray(place, float), 6).tolist())


def words_of(ax):
    return [text.get_text() for text in ax.texts]


def place_of(ax, words):
    (text,) = (text for text in ax.texts if text.get_text() == words)
    return text.get_position()


def texts_in_view(figure):
    """All texts that are seen: not those of ticks beyond the ends of an axis."""
    hidden = set()
    for ax in figure.axes:
        for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            for minor in (False, True):
                for place, tick in zip(
                    axis.get_ticklocs(minor=minor), axis.get_ticklabels(minor=minor), strict=False
                ):
                    if not low <= place <= high or not ax.axison:
                        hidden.add(tick)
    return [
        text
        for text in figure.findobj(Text)
        if text.get_text().strip() and text.get_visible() and text not in hidden
    ]


# ---- a table of weights --------------------------------------------------------------------------


def test_a_weight_is_a_square_whose_area_is_its_size_and_whose_colour_its_sign():
    ax = hinton([[4.0, -1.0, 0.0]], title="unit 1")
    big, small, none = squares_of(ax)
    assert big[3] == 1
    assert small[3] == -1
    assert big[2] == pytest.approx(2 * small[2])
    assert none[2] == 0
    assert small[:2].tolist() == pytest.approx([1, 0])
    assert ax.get_title(loc="left") == "unit 1"
    ax.figure.draw_without_rendering()


def test_drawings_of_weights_can_share_a_scale_and_all_may_be_zero():
    half = squares_of(hinton([[1.0]], title="", largest=4.0))[0, 2]
    full = squares_of(hinton([[1.0]], title=""))[0, 2]
    assert full == pytest.approx(2 * half)
    assert squares_of(hinton([[9.0]], title="", largest=1.0))[0, 2] == pytest.approx(full)
    assert squares_of(hinton([[0.0]], title=""))[0, 2] == 0


def test_a_weight_that_is_not_finite_is_a_cross_and_sets_no_scale():
    ax = hinton([[np.nan, np.inf, 2.0]], title="broken")
    (crosses,) = ax.lines
    assert crosses.get_xydata().tolist() == [[0, 0], [1, 0]]
    full = squares_of(hinton([[2.0]], title=""))[0, 2]
    ((x, _, side, _),) = squares_of(ax)
    assert (x, side) == pytest.approx((2, full))


def test_unit_panels_set_one_row_of_people_above_the_other_and_name_everybody_once():
    weights = np.arange(1.0, 3 * 24 + 1).reshape(3, 24) * np.array([1, -1] * 12)
    titles = ["unit 1", "unit 2", "unit 3"]
    nations = ("English", "Italian")
    ax = unit_panels(weights, title="seed 7", titles=titles, names=PEOPLE, row_names=nations)
    drawn = squares_of(ax)[: weights.size].reshape(3, 2, 12, 4)
    x, y, side, sign = np.moveaxis(drawn, -1, 0)
    assert (x == np.arange(12)).all()
    assert y[:, 0, 0] - y[:, 1, 0] == pytest.approx([1, 1, 1])
    assert (np.diff(y[:, 0, 0]) < -2).all()
    assert side.ravel() ** 2 / side[2, 1, 11] ** 2 == pytest.approx(abs(weights.ravel()) / 72)
    assert (sign.ravel() == np.sign(weights).ravel()).all()
    words = words_of(ax)
    assert [words.count(name) for name in PEOPLE] == [1] * 24
    assert words.count("English") == words.count("Italian") == 3
    assert place_of(ax, "Colin")[0] == place_of(ax, "Alfonso")[0] == 5
    assert place_of(ax, "Alfonso")[1] < y.min() < y.max() < place_of(ax, "Colin")[1]
    assert place_of(ax, "unit 2")[1] == pytest.approx(y[1].mean())
    assert {"72.0", "18.0", f"{MINUS}72.0"} < set(words)


# ---- a net of lines ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["xor", "xor, direct", "symmetry", "encoder", "negation"])
def test_a_line_joins_two_units_and_is_as_wide_as_its_weight_is_large(name):
    task = TASKS[name]
    params, ax = params_of(task), diagram(task)
    layers = {layer.name: layer for layer in task.network.layers}
    at = iter(circle.center for circle in circles_of(ax))
    place = {name: [next(at) for _ in range(layer.size)] for name, layer in layers.items()}
    expected = {}
    for c in task.network.connections:
        matrix = np.asarray(weight_matrix(c, params.weight[c.weight_key]))
        for i, j in np.argwhere(np.ones_like(matrix) if c.mask is None else c.mask):
            expected[near(place[c.source][i]), near(place[c.target][j])] = matrix[i, j]
    largest = max(
        *(abs(weight) for weight in expected.values()),
        *(np.abs(bias).max() for bias in params.bias.values()),
    )
    lines = lines_of(ax)
    assert len(lines) == len(expected)
    for points, width, color, broken in lines:
        weight = expected.pop((near(points[0]), near(points[-1])))
        share = abs(weight) / largest
        assert width == pytest.approx(THINNEST + (WIDEST - THINNEST) * share, rel=1e-5)
        assert bool(same_color(color, VERMILLION)) == broken == bool(weight < 0)
    assert not expected


@pytest.mark.parametrize("name", ["xor", "xor, direct", "symmetry", "graded-code"])
def test_a_small_net_has_its_numbers_on_its_lines_and_in_its_circles(name):
    task = TASKS[name]
    params, ax = params_of(task), diagram(task)
    numbers = [*params.weight.values(), *params.bias.values()]
    numbers = np.concatenate([np.ravel(entry) for entry in numbers])
    # to be held against any order: those below 1 have two decimals, the others one
    written = [f"{n:.{2 if abs(n) < 1 else 1}f}".replace("-", MINUS) for n in numbers]
    titles = {layer.name for layer in task.network.layers}
    key = {"positive", "negative", words_of(ax)[-1]}
    assert sorted(w for w in words_of(ax) if w not in titles | key) == sorted(written)
    centers = {circle.center for circle in circles_of(ax)}
    inside = [text for text in ax.texts if text.get_position() in centers]
    assert len(inside) == sum(layer.size for layer in task.network.computed_layers)


def test_a_larger_net_has_numbers_only_on_demand():
    names = ["input", "hidden", "output"]
    assert words_of(diagram(TASKS["encoder"]))[:3] == names
    asked = diagram(TASKS["encoder"], numbers=True)
    assert len(asked.texts) == len(diagram(TASKS["encoder"]).texts) + 48 + 11


def test_layers_stand_from_the_input_up_and_side_by_side():
    ax = diagram(TASKS["family-trees"])
    ends = np.cumsum([layer.size for layer in TASKS["family-trees"].network.layers])[:-1]
    units = np.split(np.array([circle.center for circle in circles_of(ax)]), ends)
    height = [set(unit[:, 1]) for unit in units]
    assert [len(levels) for levels in height] == [1] * 7
    person, relation, person_code, relation_code, central, code, output = (h.pop() for h in height)
    assert person == relation < person_code == relation_code < central < code < output
    assert units[0][:, 0].max() < units[1][:, 0].min()
    assert units[2][:, 0].mean() == pytest.approx(units[0][:, 0].mean())
    assert units[3][:, 0].mean() == pytest.approx(units[1][:, 0].mean())


@pytest.mark.parametrize("name", ["xor, direct", "addition", "addition, 3 hidden", "negation"])
def test_a_line_that_skips_a_level_goes_round_the_units_there(name):
    ax = diagram(TASKS[name])
    for points, *_ in lines_of(ax):
        ends = {near(points[0]), near(points[-1])}
        t = np.linspace(0, 1, 400)
        known = np.linspace(0, 1, len(points))
        way = np.column_stack([np.interp(t, known, axis) for axis in points.T])
        for circle in circles_of(ax):
            if near(circle.center) not in ends:
                distance = np.hypot(*(way - circle.center).T).min()
                assert distance > circle.radius + 0.02


def test_lines_that_skip_a_level_stay_apart():
    ax = diagram(TASKS["xor, direct"])
    left, right = sorted(points[:, 0].tolist() for points, *_ in lines_of(ax) if len(points) > 2)
    assert max(left) < max(right)
    assert min(left) < 0 < max(right)
    assert all(a < b for a, b in zip(left[:-1], right[:-1], strict=True))


def test_tied_weights_are_equal_lines_and_absent_ones_none():
    task = tasks.t_c(rows=3, columns=3, equal_output_weights=True)
    lines = lines_of(diagram(task))
    mask, always_on, output = (c.mask for c in task.network.connections)
    assert always_on is output is None
    assert len(lines) == np.sum(mask) + 25 + 25
    assert len({round(width, 6) for _, width, *_ in lines}) == 9 + 1 + 1


def test_the_copies_of_an_iterative_net_have_the_same_numbers():
    ax = diagram(TASKS["shift-register"])
    numbers = [w for w in words_of(ax) if "." in w and "widest" not in w]
    assert len(numbers) == 2 * (9 + 3)
    assert all(numbers.count(number) % 2 == 0 for number in numbers)


def test_a_net_with_delays_is_not_drawn():
    loop = Network([Layer("units", 2)], [Connection("units", "units", delay=1)])
    with pytest.raises(SettingError, match="unroll the net in time"):
        network_diagram(loop, init_params(loop, run_key(0), 1.0), title="")


def test_weights_that_are_not_finite_are_dotted_and_say_so():
    network = layered(1, 1)
    params = init_params(network, run_key(0), 1.0)
    params.weight["input", "output"] = jnp.full((1, 1), jnp.nan)
    ax = network_diagram(network, params, title="broken")
    ((_, width, color, broken),) = lines_of(ax)
    assert (width, broken) == (THINNEST, True)
    assert same_color(color, "black")
    assert "nan" in words_of(ax)
    ax.figure.draw_without_rendering()


def test_activity_fills_the_circles():
    network = layered(2, 1)
    params = init_params(network, run_key(0), 1.0)
    shown = {"input": [0.0, 1.0], "output": [0.5]}
    ax = network_diagram(network, params, title="", activations=shown)
    blue = [circle.get_facecolor()[2] for circle in circles_of(ax)]
    assert blue[0] == 1 > blue[2] > blue[1]


# ---- all weights as squares ----------------------------------------------------------------------


@pytest.mark.parametrize("name", tasks.TASKS)
def test_panels_show_every_weight_once(name):
    task = TASKS[name]
    params, display = params_of(task), task.display
    ax = hinton_panels(task.network, params, title="", names=display.names, rows=display.rows)
    drawn = squares_of(ax)[:-3]
    assert len(drawn) == task.network.num_parameters
    entries = [np.ravel(entry) for entry in jax.tree.leaves(params)]
    values = np.concatenate(entries)
    values = values[values != 0]  # masked
    signed = np.sort(drawn[:, 3] * drawn[:, 2] ** 2)
    assert signed / signed.max() == pytest.approx(np.sort(values) / values.max(), abs=1e-5)
    places = np.round(cells_of(ax)[:, :2], 6)
    assert len(np.unique(places, axis=0)) == len(places) == len(drawn) + 3


def test_panels_are_labelled_where_units_have_names():
    task = TASKS["family-trees"]
    names = task.display.names
    ax = hinton_panels(task.network, params_of(task), title="", names=names)
    words = words_of(ax)
    assert words.count("Colin") == 2  # a column of what enters the code, a row of what leaves it
    assert words.count("aunt") == 1
    assert words.count("bias") == 5
    assert {"into central", "relation code", "person 2 code"} < set(words)
    x, y, *_ = squares_of(ax).T
    column, row = sorted(t.get_position() for t in ax.texts if t.get_text() == "Margaret")
    assert column[0] in x
    assert row[1] in y


def test_a_row_of_a_panel_holds_what_a_unit_gets():
    network = layered(3, 2)
    params = init_params(network, run_key(0), 1.0)
    weight = jnp.arange(1.0, 7.0).reshape(3, 2)
    params.weight["input", "output"] = weight
    params.bias["output"] = jnp.array([-6.0, 0.0])
    squares = squares_of(hinton_panels(network, params, title=""))[:8]
    table = squares[:6].reshape(2, 3, 4)
    assert (table[..., 2] ** 2 / table[1, 2, 2] ** 2).tolist() == pytest.approx(weight.T / 6)
    assert np.diff(table[..., 0], axis=1) == pytest.approx(1)
    assert np.diff(table[..., 1], axis=0) == pytest.approx(-1)
    assert squares[6, 1] == table[0, 0, 1]
    assert squares[6, 0] > table[0, 2, 0]
    assert (squares[6, 3], squares[7, 2]) == (-1, 0)


def test_a_feature_detector_is_drawn_once_as_its_window():
    task = TASKS["t-c"]
    params = params_of(task)
    ax = hinton_panels(task.network, params, title="", rows=task.display.rows)
    x, y, side, sign = squares_of(ax)[:9].T
    assert (len(set(x)), len(set(y))) == (3, 3)
    assert (y[:3] == y.max()).all()
    detector = np.asarray(params.weight["retina", "hidden"])
    assert sign.tolist() == np.sign(detector).tolist()
    assert np.argmax(side) == np.argmax(abs(detector))
    assert "retina, shared" in words_of(ax)


# ---- what the units do ---------------------------------------------------------------------------


def shown(task, cases, **options):
    inputs, _ = task.cases()
    found = forward_pass(task.network, params_of(task), inputs[jnp.array(cases)])
    look = {"title": "seed 3", "names": task.display.names, "rows": task.display.rows}
    ax = activities(task.network, found, targets=task.targets[cases], **look, **options)
    return ax, {name: np.asarray(table) for name, table in found.items()}


@pytest.mark.parametrize("name", ["xor", "addition", "t-c", "sequence", "family-trees"])
def test_the_area_of_a_square_is_the_activity_of_its_unit(name):
    task = TASKS[name]
    cases = [1, 0]
    ax, found = shown(task, cases)
    units = sum(layer.size for layer in task.network.layers)
    x, y, side, sign = squares_of(ax)[: 2 * units].reshape(2, units, 4).transpose(2, 0, 1)
    expected = np.concatenate([found[layer.name] for layer in in_drawn_order(task.network)], axis=1)
    full = squares_of(ax)[2 * units, 2]  # the key's
    assert (side / full) ** 2 == pytest.approx(expected, abs=1e-6)
    assert (sign[expected > 1e-6] == 1).all()
    assert x[0].max() < x[1].min()
    assert (y[0] == y[1]).all()


def in_drawn_order(network):
    if network.iterated is None:
        return sorted(network.layers, key=lambda layer: network.levels[layer.name])
    order = [layer.name for layer in network.iterated.layers]
    return sorted(network.layers, key=lambda layer: order.index(layer.copy_of))


def test_outputs_that_should_be_on_have_a_rim():
    ax, _ = shown(TASKS["encoder"], [2, 7])
    output = squares_of(ax)[11:19, :2]
    assert rims_of(ax)[:-1] == [
        pytest.approx(output[2]),
        pytest.approx(squares_of(ax)[19 + 11 + 7, :2]),
    ]
    assert "target" in words_of(ax)
    task = TASKS["encoder"]
    silent = activities(task.network, {n: a[:1] for n, a in shown(task, [0])[1].items()}, title="")
    assert "target" not in words_of(silent)
    assert not rims_of(silent)


def test_a_softer_target_has_a_smaller_rim():
    task = tasks.xor(off=0.25, on=1.0)
    ax, _ = shown(task, [0, 1])
    (rims,) = (c for c in ax.collections if not len(c.get_facecolors()))
    soft, hard, _ = (np.ptp(path.vertices[:, 0]) for path in rims.get_paths())
    assert soft == pytest.approx(hard / 2)


def test_the_case_of_fig_3():
    """Colin's aunts: people and relations named below, the answers above, twins in one column."""
    task = TASKS["family-trees"]
    (case,) = task.display.cases
    assert PAIRS[case] == ("Colin", "aunt")
    ax, _ = shown(task, [case])
    names = words_of(ax)
    assert [names.count(name) for name in PEOPLE] == [2] * 24
    assert [names.count(name) for name in RELATIONS] == [1] * 12
    squares = squares_of(ax)
    colin, alfonso = squares[PEOPLE.index("Colin")], squares[PEOPLE.index("Alfonso")]
    assert colin[0] == alfonso[0]
    assert colin[1] == alfonso[1] + 1
    above, below = (
        sorted((t.get_position() for t in ax.texts if t.get_text() == name), key=lambda at: at[1])
        for name in ("Colin", "Alfonso")
    )
    assert above[0][0] == below[0][0] == colin[0]
    assert below[0][1] < alfonso[1] < colin[1] < above[0][1]
    aunts = squares[66:90][[PEOPLE.index("Margaret"), PEOPLE.index("Jennifer")], :2]
    assert rims_of(ax)[:2] == [pytest.approx(aunt) for aunt in aunts]


def test_a_case_has_its_caption_above_it():
    ax, _ = shown(TASKS["xor"], [0, 3], captions=["neither", "both"])
    squares = squares_of(ax)
    for k, caption in enumerate(["neither", "both"]):
        x, y = place_of(ax, caption)
        own = squares[5 * k : 5 * k + 5]
        assert y > own[:, 1].max()
        assert own[:, 0].min() - 1 < x < own[:, 0].max()


def test_time_goes_up_in_an_iterative_net():
    ax, _ = shown(TASKS["sequence"], [0])
    heights = [place_of(ax, f"step {step}")[1] for step in range(6)]
    assert heights == sorted(heights)
    x, y, *_ = squares_of(ax).T
    letters, hidden = y[:10], y[10 : 10 + 5 * 30]
    assert sorted(set(letters)) == heights[:2]
    assert sorted(set(hidden)) == heights[:5]
    assert x[:10].max() < x[10 : 10 + 5 * 30].min()
    assert place_of(ax, "letters")[1] == place_of(ax, "digits")[1] > heights[5]


def test_negative_and_large_activities_are_black_and_set_the_scale():
    ax = activities(layered(2, 1), {"input": [[-2.0, 0.5]], "output": [[1.0]]}, title="")
    low, half, one = squares_of(ax)[:3]
    assert low[3] == -1
    assert low[2] ** 2 == pytest.approx(4 * half[2] ** 2) == pytest.approx(2 * one[2] ** 2)
    assert "2.0" in words_of(ax)


# ---- on the caller's axes ------------------------------------------------------------------------

XOR = TASKS["xor"]
DRAW = {
    "network_diagram": lambda **options: diagram(XOR, **options),
    "hinton_panels": lambda **options: hinton_panels(
        XOR.network, params_of(XOR), title="seed 3", **options
    ),
    "activities": lambda **options: shown(XOR, [0, 1], **options)[0],
    "unit_panels": lambda **options: unit_panels(
        [[1.0, -2.0]], title="seed 3", titles=["one"], names="ab", row_names=("", ""), **options
    ),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_a_net_is_drawn_on_the_given_axes_with_texts_that_fit(draw):
    figure = Figure(figsize=(5, 2.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    ax = draw(ax=right)
    assert ax is right
    assert ax.get_title(loc="left") == "seed 3"
    assert not left.has_data()
    sizes = {text.get_fontsize() for text in draw().texts}
    assert max(text.get_fontsize() for text in ax.texts) <= max(sizes)
    figure.draw_without_rendering()


# ---- what a command draws ------------------------------------------------------------------------


def run_of(task, status=Status.CONVERGED, params=None):
    """A run as `bpjax.train` returns it, without training."""
    epoch = np.arange(3)
    layers = {layer.name: np.exp(-epoch) for layer in task.network.computed_layers}
    falling, none = np.exp(-epoch), np.full(len(epoch), np.nan)
    losses = falling, falling, none, falling
    history = History(epoch, *losses, epoch, epoch, {}, layers, layers)
    snapshots = Snapshots(epoch[:0], np.empty((0, 0)))
    params = params_of(task, 20.0) if params is None else params
    return Run(task, 4294967295, status, 12_345, 0.1, params, history, snapshots)


@pytest.mark.parametrize("name", TASKS)
def test_the_pictures_of_every_task_can_be_read(name):
    """No text on another or over the edge, and no number on a circle that is not its own."""
    task = TASKS[name]
    figures = run_figures(run_of(task))
    assert list(figures)[-1] == "activities"
    for kind in list(figures)[2:]:
        ax = figures[kind]
        title = ax.get_title(loc="left")
        assert title.startswith(f"{task.title}\n1 run (seed 4294967295), criterion tolerance 0.5, ")
        assert "converged after 12,345 epochs" in title
        ax.figure.draw_without_rendering()
        texts = texts_in_view(ax.figure)
        boxes = [text.get_window_extent() for text in texts]
        outline = ax.figure.bbox
        for i, box in enumerate(boxes):
            assert outline.x0 <= box.x0 < box.x1 <= outline.x1, texts[i]
            assert outline.y0 <= box.y0 < box.y1 <= outline.y1, texts[i]
            for k in range(i):
                assert not box.overlaps(boxes[k]), (texts[i], texts[k])
        for circle in circles_of(ax):
            covered = circle.get_window_extent()
            on_it = [t for t, box in zip(texts, boxes, strict=True) if box.overlaps(covered)]
            assert all(text.get_position() == circle.center for text in on_it), on_it
        for collection in ax.collections:
            edges = np.concatenate([path.vertices for path in collection.get_paths()])
            assert (ax.viewLim.min < edges.min(axis=0)).all()
            assert (edges.max(axis=0) < ax.viewLim.max).all()
        for circle in circles_of(ax):
            assert (ax.viewLim.min < np.subtract(circle.center, circle.radius)).all()
            assert (np.add(circle.center, circle.radius) < ax.viewLim.max).all()


@pytest.mark.parametrize("width", [None, 4.0], ids=["wide", "phone"])
@pytest.mark.parametrize("name", ["xor", "sequence", "family-trees"])
def test_the_figures_of_a_run_have_numbers_at_all_ticks_and_the_width_asked_for(name, width):
    figures = run_figures(run_of(TASKS[name]), width)
    for kind, ax in figures.items():
        every_tick_has_a_number(ax)
        if width is not None:
            across = ax.figure.get_tightbbox().width
            assert across <= width * 1.05, kind
            texts = [text for text in texts_in_view(ax.figure) if text.get_text()]
            right = max(text.get_window_extent().x1 for text in texts)
            assert right <= ax.figure.bbox.x1 * 1.02, kind


@pytest.mark.parametrize("name", ["xor", "t-c", "shift-register", "sequence"])
def test_a_run_that_left_the_finite_numbers_is_drawn_too(name):
    task = TASKS[name]
    broken = jax.tree.map(lambda entry: entry * jnp.nan, params_of(task))
    figures = run_figures(run_of(task, Status.NONFINITE, broken))
    for ax in figures.values():
        assert "NONFINITE at epoch 12,345" in ax.figure.axes[0].get_title(loc="left")
        ax.figure.draw_without_rendering()
    (crosses,) = figures["activities"].lines
    assert len(crosses.get_xdata()) > 0


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        (tasks.encoder(8, hidden=3), LineCollection),
        (tasks.encoder(8, hidden=4), PolyCollection),
        (tasks.parity(bits=6, hidden=6), LineCollection),
        (tasks.family_trees(), PolyCollection),
        (tasks.shift_register(units=2, steps=7), LineCollection),
        (tasks.shift_register(units=2, steps=8), PolyCollection),
        (tasks.sequence(hidden=1), PolyCollection),
    ],
    ids=["48 lines", "64 lines", "42 lines", "580 lines", "8 levels", "9 levels", "in steps"],
)
def test_many_lines_or_levels_are_drawn_as_squares(task, kind):
    ax = run_figures(run_of(task))["network"]
    assert {type(collection) for collection in ax.collections} == {kind}


def test_a_net_too_large_to_be_seen_has_no_picture():
    assert {"network", "activities"} <= set(run_figures(run_of(tasks.xor(hidden=128))))
    assert list(run_figures(run_of(tasks.xor(hidden=129)))) == ["loss", "gradient-size"]
    deep = tasks.parity(hidden=60, hidden_layers=4)
    assert list(run_figures(run_of(deep))) == ["loss", "gradient-size", "activities"]


def test_a_case_is_named_by_what_it_turns_on_and_whether_it_was_trained():
    def title_of(task):
        return run_figures(run_of(task))["activities"].get_title(loc="left").splitlines()[-1]

    assert title_of(tasks.family_trees()) == "shown: Colin, aunt"
    assert title_of(tasks.family_trees(held_out="Colin-aunt")) == "shown: Colin, aunt, not trained"
    assert title_of(tasks.sequence()) == "shown: E, A"
    words = words_of(run_figures(run_of(tasks.parity()))["activities"])
    assert {"0000", "0001", "0011", "0111"} <= set(words)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_names_rows_and_cases_fit_the_net(name):
    task = TASKS[name]
    net = task.network.iterated or task.network
    layers = {layer.name: layer.size for layer in net.layers}
    for layer, names in task.display.names.items():
        assert len(names) == layers[layer]
    for place, rows in task.display.rows.items():
        size = layers[place] if isinstance(place, str) else net.weights[place].num_free
        assert size % rows == 0
    assert all(0 <= case < task.num_cases for case in task.display.cases)


def test_how_a_net_is_drawn_is_no_part_of_what_a_run_is():
    task = tasks.family_trees()
    plain = dataclasses.replace(task, display=type(task.display)())
    assert plain.describe() == task.describe()
