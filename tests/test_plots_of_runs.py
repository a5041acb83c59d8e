"""Figures of many runs, by their artists: fans, grids, planes, bars, and those of a sweep."""

import dataclasses

import numpy as np
import pytest
from helpers import daily
from matplotlib.colors import same_color
from reading import drawn, every_tick_has_a_number, key, texts_apart

import bpjax
from bpjax.analysis.convergence import survival_of_outcomes
from bpjax.analysis.losses import loss_quantiles
from bpjax.analysis.outcomes import outcomes_of
from bpjax.figures import sweeps as figures_of_sweeps
from bpjax.figures.draw import draw_sweep, sweep_figures
from bpjax.figures.sweeps import fan_of_histories, points
from bpjax.histories import LossHistories
from bpjax.plots import class_bars, loss_fan, plane, setting_curve, setting_map
from bpjax.plots.cells import is_log_spaced
from bpjax.plots.style import BLACK, BLUE, VERMILLION
from bpjax.results.chunks import every_run
from bpjax.results.store import RunTable
from bpjax.starts.plane import Plane
from bpjax.status import Status
from bpjax.sweeps.planning import make_plan
from bpjax.tasks import TASKS, make_task

EPOCH = np.array([0, 1, 10, 100])
LOSSES = np.arange(1.0, 21.0)[:, None] / (1 + EPOCH)
QUANTILES = loss_quantiles(LOSSES)


# ---- loss_fan ------------------------------------------------------------------------------------


def test_a_fan_has_the_median_as_a_line_and_a_band_for_every_pair_of_shares():
    ax = loss_fan(EPOCH, QUANTILES, title="20 seeds")
    (median,) = ax.lines
    np.testing.assert_array_equal(median.get_ydata(), LOSSES[9])
    assert key(ax) == ["median", "25 to 75 %", "5 to 95 %"]
    for band, low, high in zip(ax.collections, (4, 0), (14, 18), strict=True):
        heights = band.get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == (LOSSES[low, -1], LOSSES[high, 0])
    assert ax.collections[0].get_alpha() > ax.collections[1].get_alpha()
    assert (ax.get_xscale(), ax.get_yscale()) == ("symlog", "log")


def test_a_fan_shows_a_stated_number_of_runs_that_never_converged():
    ax = loss_fan(EPOCH, QUANTILES, title="", not_converged=LOSSES[:3], num_not_converged=17)
    assert key(ax)[-1] == "3 of 17 never converged"
    stuck = ax.lines[1:]
    np.testing.assert_array_equal([line.get_ydata() for line in stuck], LOSSES[:3])
    assert all(same_color(line.get_color(), VERMILLION) for line in stuck)
    assert key(loss_fan(EPOCH, QUANTILES, title="", not_converged=LOSSES[:3]))[-1].startswith("3 n")
    assert len(loss_fan(EPOCH, QUANTILES, title="", num_not_converged=0).lines) == 1


def test_a_fan_leaves_gaps_for_what_is_infinite_and_is_linear_at_zero():
    broken = loss_quantiles([[1.0, np.nan, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0]])
    ax = loss_fan(EPOCH, broken, title="2 seeds", log_epochs=False)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    drawn(ax)
    drawn(loss_fan([0], loss_quantiles([[1.0]]), title="1 seed"))
    lost = loss_fan([0, 1], loss_quantiles([[1.0, np.nan]]), title="1 seed")
    assert np.isnan(lost.lines[0].get_ydata()).tolist() == [False, True]
    assert lost.get_yscale() == "log"


def test_a_fan_of_histories_counts_all_runs_and_draws_ten_that_are_stuck():
    status = np.full(20, Status.MAX_EPOCHS)
    status[:5] = Status.CONVERGED
    seeds = np.arange(7, 27)
    histories = LossHistories(bpjax.tasks.xor(), seeds, status, seeds, EPOCH, LOSSES)
    ax = fan_of_histories(histories)
    words = (
        "xor: 20 runs (seeds 7 to 26)\n"
        "criterion tolerance 0.5, cap 10,000; ended runs keep their last loss"
    )
    assert ax.get_title(loc="left") == words
    assert key(ax)[-1] == "10 of 15 never converged"
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), LOSSES[5])
    texts_apart(ax)
    every_tick_has_a_number(ax)


# ---- grids ---------------------------------------------------------------------------------------


def cell(share, median, low=None, high=None, **settings):
    rate = {"estimate": share, "low": share / 2, "high": (1 + share) / 2, "level": 0.95}
    epochs = {"median": median, "low": low, "high": high, "level": 0.95}
    return {"settings": settings, "num_runs": 20, "success_rate": rate, "epochs": epochs}


CURVE = [
    cell(1.0, 50, 40, 60, learning_rate=1.0),
    cell(0.5, 900, 700, None, learning_rate=0.3),
    cell(0.0, None, learning_rate=0.1),
]
MAP = [
    cell(k / 10, 100 * k or None, 90 * k, 120 * k, learning_rate=rate, momentum=momentum)
    for k, (momentum, rate) in enumerate((m, r) for m in (0.0, 0.5, 0.9) for r in (0.1, 0.3, 1.0))
]


def test_a_curve_goes_through_the_estimates_in_order_with_their_intervals():
    ax = setting_curve(CURVE, "learning_rate", title="60 runs")
    line = ax.lines[0]
    np.testing.assert_array_equal(line.get_xydata(), [[0.1, 0], [0.3, 0.5], [1, 1]])
    assert ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.1", "0.3", "1"]
    (bars,) = ax.containers
    ends = [segment[:, 1].tolist() for segment in bars.lines[2][0].get_segments()]
    assert ends == [[0, 0.5], [0.25, 0.75], [0.5, 1]]
    assert ax.get_xlabel() == "learning rate"
    assert key(ax) == ["95 % interval"]
    texts_apart(ax)


def test_a_curve_of_epochs_keeps_medians_in_sight_that_were_not_reached():
    ax = setting_curve(CURVE, "learning_rate", title="60 runs", quantity="epochs")
    never = ax.lines[-1]
    assert never.get_marker() == "^"
    assert never.get_xdata().tolist() == [0.1]
    assert never.get_ydata()[0] == ax.get_ylim()[1]
    segments = ax.containers[0].lines[2][0].get_segments()
    assert [segment[:, 0].tolist() for segment in segments] == [[0.3, 0.3], [1, 1]]
    assert segments[0][:, 1].tolist() == pytest.approx([700, ax.get_ylim()[1]])
    assert sorted(key(ax)) == ["95 % interval", "median not reached by the cap"]
    texts_apart(ax)
    none = [cell(0.0, None, hidden=h) for h in (1, 2, 3)]
    drawn(setting_curve(none, "hidden", title="", quantity="epochs"))


def test_a_map_has_a_cell_per_point_with_its_value_and_interval():
    ax = setting_map(MAP, "learning_rate", "momentum", title="180 runs")
    (mesh,) = ax.collections
    np.testing.assert_allclose(mesh.get_array(), np.arange(9).reshape(3, 3) / 10)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert mesh.get_cmap().name == "cividis"
    assert mesh.get_clim() == (0, 1)
    words = {text.get_position(): text.get_text() for text in ax.texts}
    assert words[0.3, 0.5] == "40 %\n20 to 70 %"
    assert len(words) == 9
    bar = ax.figure.axes[1]
    assert bar.get_ylabel().endswith("widest 95 % interval: 0 to 50 %")
    texts_apart(ax)


def test_the_cells_of_a_map_meet_half_way_between_the_settings():
    ax = setting_map(MAP, "learning_rate", "momentum", title="")
    corners = ax.collections[0].get_coordinates()
    edges = np.sqrt([0.1 * 0.3, 0.3 * 1.0])
    np.testing.assert_allclose(corners[0, 1:-1, 0], edges)
    np.testing.assert_allclose(corners[1:-1, 0, 1], [0.25, 0.7])
    np.testing.assert_allclose(corners[[0, -1], 0, 1], [-0.25, 1.1])


def test_a_map_of_epochs_hatches_what_was_not_reached():
    ax = setting_map(MAP, "learning_rate", "momentum", title="180 runs", quantity="epochs")
    (never,) = ax.patches
    assert never.get_hatch()
    low, high = never.get_xy().min(axis=0), never.get_xy().max(axis=0)
    assert (low < [0.1, 0]).all()
    assert (high > [0.1, 0]).all()
    assert (high < [0.3, 0.5]).all()
    assert key(ax) == ["median not reached by the cap"]
    mesh = ax.collections[0]
    assert mesh.get_array().mask.sum() == 1
    assert mesh.get_cmap().name == "cividis_r"
    assert len(ax.texts) == 8
    assert ax.figure.axes[1].get_ylabel().endswith("interval: 90 to 120")
    texts_apart(ax)


def test_a_map_says_which_interval_is_open():
    cells = [*MAP[:-1], cell(0.6, 500, 400, None, **MAP[-1]["settings"])]
    ax = setting_map(cells, "learning_rate", "momentum", title="", quantity="epochs")
    assert ax.figure.axes[1].get_ylabel().endswith("interval: 400 to > cap")


def test_a_large_map_has_no_values_and_a_few_ticks():
    cells = [cell(0.5, 9, 8, 10, hidden=h, init_range=r) for h in range(1, 21) for r in range(30)]
    ax = setting_map(cells, "hidden", "init_range", title="many")
    assert not ax.texts
    assert len(ax.get_xticks()) <= 9
    assert len(ax.get_yticks()) <= 9
    texts_apart(ax)


def test_a_map_leaves_missing_points_empty():
    ax = setting_map(MAP[:-1], "learning_rate", "momentum", title="a shard")
    assert ax.collections[0].get_array().mask.tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert not ax.patches


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([1, 2, 4, 8], True),
        ([1, 2, 3, 4], False),
        ([0.3, 0.948683, 3], True),
        ([0, 1, 10], False),
        ([1, 100], False),
        ([5, 5, 5], False),
    ],
)
def test_settings_spaced_by_ratio_are_told_apart(values, log):
    assert is_log_spaced(values) == log


# ---- bars ----------------------------------------------------------------------------------------

ROWS = [
    {"class": "AND, OR", "num_runs": 1500, "estimate": 0.75, "low": 0.7, "high": 0.8},
    {"class": "constant", "num_runs": 500, "estimate": 0.25, "low": 0.2, "high": 0.3},
]


def test_bars_have_their_length_interval_number_and_mark():
    ax = class_bars(ROWS, title="2,000 runs", mark=["constant"])
    bars = ax.patches
    assert [bar.get_width() for bar in bars] == [0.75, 0.25]
    assert same_color(bars[0].get_facecolor(), BLUE)
    assert same_color(bars[1].get_facecolor(), VERMILLION)
    segments = ax.containers[0].lines[2][0].get_segments()
    assert [s[:, 0].tolist() for s in segments] == [
        pytest.approx([0.7, 0.8]),
        pytest.approx([0.2, 0.3]),
    ]
    assert [text.get_text() for text in ax.texts] == ["1,500", "500, as printed"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["AND, OR", "constant"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    texts_apart(ax)


def test_bars_of_no_runs_say_so():
    ax = class_bars([], title="0 runs")
    assert [text.get_text() for text in ax.texts] == ["no runs"]
    drawn(ax)


# ---- planes --------------------------------------------------------------------------------------

ON = Plane("bias output[0]", "input[0] -> output[0]", (-1, 1), (0, 3), width=3, height=2)


def test_a_plane_has_a_pixel_per_run_with_seed_0_at_the_lower_left():
    status = [1, 1, 2, 1, 3, 1]
    ax = plane(status, [10, 0, 99, 1000, 5, 40], ON, title="6 runs")
    converged, others = ax.images
    assert converged.get_array().filled(-1).tolist() == [[10, 1, -1], [1000, -1, 40]]
    assert others.get_array().filled(-1).tolist() == [[-1, -1, 2], [-1, 3, -1]]
    assert converged.origin == others.origin == "lower"
    assert converged.get_extent() == others.get_extent() == [-1, 1, 0, 3]
    assert same_color(others.to_rgba(np.array([2]))[0], BLACK)
    assert same_color(others.to_rgba(np.array([3]))[0], VERMILLION)
    assert key(ax) == ["not converged by the cap: 16.7 %", "not finite: 16.7 %"]
    assert ax.get_xlabel() == "initial weight  bias output[0]"
    texts_apart(ax)


def test_fast_pixels_are_lighter_than_slow_ones_and_none_looks_black():
    ax = plane([1] * 6, [1, 3, 10, 30, 100, 300], ON, title="6 runs")
    colors = ax.images[0].to_rgba(ax.images[0].get_array())[..., :3].reshape(-1, 3)
    brightness = colors @ [0.3, 0.6, 0.1]
    assert (np.diff(brightness) < 0).all()
    assert brightness.min() > 0.2
    assert key(ax) == []


@pytest.mark.parametrize("end", [1, 2, 3])
def test_a_plane_of_one_kind(end):
    drawn(plane([end] * 6, [7] * 6, ON, title="6 runs"))


# ---- the figures of a sweep ----------------------------------------------------------------------


def table_of(task, seeds=12, **settings):
    """Return what a sweep of these settings might have found; nothing is trained."""
    plan = make_plan(task, seeds, **settings)
    runs = np.arange(plan.num_runs)
    cap = plan.tasks[0].recipe.max_epochs
    epochs = 3 + runs * 37 % (cap - 3)
    status = np.where(runs % 5, Status.CONVERGED, Status.MAX_EPOCHS).astype(np.int8)
    epochs = np.where(status == Status.CONVERGED, epochs, cap)
    numbers = every_run(plan.runs)
    columns = {"seed": plan.seeds_of(numbers), "status": status, "epochs": epochs}
    return RunTable(plan.identity(), columns | plan.columns_of(numbers))


TWO = {"learning_rate": [0.1, 0.3, 1.0], "momentum": [0.5, 0.9]}


def test_without_a_grid_a_sweep_has_survival_and_histogram():
    figures = sweep_figures(table_of(bpjax.tasks.xor()))
    assert list(figures) == ["survival", "epochs"]
    words = "xor: 12 runs\ncriterion tolerance 0.5, cap 10,000, weights in ±0.3"
    for ax in figures.values():
        assert ax.get_title(loc="left") == words
    assert key(figures["survival"]) == ["12 runs\n25 % not converged", "cap"]
    histogram = figures["epochs"]
    assert sum(bar.get_height() for bar in histogram.patches) == 9
    assert [text.get_text() for text in histogram.child_axes[0].texts] == ["3"]


OTHER_RECIPES = {
    "rate": {"learning_rate": 0.3},
    "range": {"init_range": 1.0},
    "criterion": {"tolerance": 0.4},
    "another criterion": {"loss_below": 0.1},
    "rule": {"optimizer": "adam"},
    "updates": {"updates": "case"},
    "order": {"order": "shuffled", "updates": "case"},
    "units": {"hidden_unit": "tanh"},
    "loss": {"loss": "cross-entropy"},
    "a grid": {"learning_rate": [0.5]},
    "a grid of criteria": {"tolerance": [0.1]},
}


@pytest.mark.parametrize("settings", OTHER_RECIPES.values(), ids=OTHER_RECIPES)
def test_no_published_number_stands_beside_runs_of_another_recipe(settings):
    assert key(sweep_figures(table_of(bpjax.tasks.xor(direct=True), **settings))["epochs"]) == []


@pytest.mark.parametrize("settings", [{}, {"max_epochs": 700}])
def test_the_published_number_stands_beside_runs_of_its_recipe(settings):
    ax = sweep_figures(table_of(bpjax.tasks.xor(direct=True), **settings))["epochs"]
    assert key(ax) == ["published: 558 (secondary, p. 331)"]
    assert ax.lines[0].get_xdata()[0] == 558


def test_what_a_published_number_counts_is_said_and_what_does_not_belong_is_left_out():
    """A formula for another way of updating, tuned rates, and how long a run was trained."""

    def beside(name, **options):
        return key(sweep_figures(table_of(make_task(name, **options)))["epochs"])

    assert beside("xor") == []
    assert beside("encoder", size=10, hidden=5) == []
    assert beside("family-trees") == []
    assert beside("shift-register") == ["published: under 200 (secondary, recurrent nets)"]
    mean = bpjax.task.Published("a mean", 90, "verified", "p. 1", "mean")
    own = dataclasses.replace(bpjax.tasks.xor(), published=(mean,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures_of_sweeps, "make_task", lambda *names, **options: own)
        assert beside("xor") == ["published mean: 90 (verified, p. 1)"]


@pytest.mark.parametrize(
    ("initializer", "words"),
    [
        (bpjax.Initializer("normal"), "weights normal of 0.3"),
        (bpjax.Initializer("he(gain=2)"), "weights he(gain=2.0)"),
        (bpjax.Start([0.1] * 9), "given weights"),
    ],
)
def test_a_title_says_where_runs_start(initializer, words):
    figure = sweep_figures(table_of(bpjax.tasks.xor(), initializer=initializer))["epochs"]
    assert figure.get_title(loc="left").endswith(f"cap 10,000, {words}")


def test_other_tasks_and_options_have_their_own_published_number_or_none():
    direct = sweep_figures(table_of(bpjax.tasks.xor(direct=True)))["epochs"]
    assert key(direct) == ["published: 558 (secondary, p. 331)"]
    assert key(sweep_figures(table_of(bpjax.tasks.xor(hidden=40)))["epochs"]) == []
    own = dataclasses.replace(bpjax.tasks.xor(), name="mine")
    assert key(sweep_figures(table_of(own))["epochs"]) == []
    other = dataclasses.replace(bpjax.tasks.xor(), options={"colour": "red"})
    assert key(sweep_figures(table_of(other))["epochs"]) == []


@pytest.mark.parametrize(
    ("settings", "files"),
    [
        (TWO, ["survival", "solved", "median-epochs"]),
        ({"learning_rate": [0.1 * k for k in range(1, 38)]}, ["solved", "median-epochs"]),
        ({"learning_rate": [0.1, 0.3, 1.0]}, ["survival", "solved", "median-epochs"]),
        ({"learning_rate": [0.1, 0.3]}, ["survival"]),
        ({"optimizer": ["sgd", "adam", "rmsprop"]}, ["survival"]),
        ({"optimizer": ["sgd", "adam"], "momentum": [0.0, 0.5]}, ["survival"]),
        ({**TWO, "init_range": [0.3]}, ["survival", "solved", "median-epochs"]),
        ({**TWO, "init_range": [0.3, 1.0]}, ["survival"]),
    ],
    ids=str,
)
def test_a_grid_is_drawn_over_one_or_two_numbers(settings, files):
    figures = sweep_figures(table_of(bpjax.tasks.xor(), **settings))
    assert list(figures) == files
    for ax in figures.values():
        assert ", 12 at each\ncriterion" in ax.get_title(loc="left")


def test_the_runs_of_a_grid_are_never_taken_together():
    few = sweep_figures(table_of(bpjax.tasks.xor(), **TWO))["survival"]
    labels = [f"learning rate {r}, momentum {m}" for r in ("0.1", "0.3", "1") for m in (0.5, 0.9)]
    assert [words.splitlines()[0] for words in key(few)[:-1]] == labels
    rates = {"learning_rate": [0.1, 0.2, 0.3, 0.4, 0.5], "momentum": [0.5, 0.9]}
    table = table_of(bpjax.tasks.xor(), **rates)
    panels = sweep_figures(table)["survival"].child_axes
    assert len(panels) == 10
    rows = table.columns["learning_rate"] == 0.5
    last = rows & (table.columns["momentum"] == 0.9)
    alone = outcomes_of(table.columns["status"][last], table.columns["epochs"][last])
    left = survival_of_outcomes(alone).survival[-1]
    assert panels[-1].lines[0].get_ydata()[-1] == left
    assert [found.num_runs for found in points(table).values()] == [12] * 10


def test_points_that_agree_in_twelve_digits_are_two():
    result = bpjax.sweep("xor", 5, max_epochs=3, learning_rate=[0.1, 0.1 + 1e-14])
    assert [runs.num_runs for runs in points(result.table).values()] == [5, 5]


def test_a_title_names_the_runs_that_all_rows_have():
    """A sweep that is not finished has fewer at some settings."""
    table = table_of(bpjax.tasks.xor(), **TWO)
    there = np.arange(72) < 65
    table = RunTable(table.identity, {name: c[there] for name, c in table.columns.items()})
    for ax in sweep_figures(table).values():
        assert "65 runs at 6 settings, 5 to 12 at each" in ax.get_title(loc="left")


def test_options_of_a_task_make_a_curve_too():
    figures = sweep_figures(table_of([bpjax.tasks.xor(hidden=h) for h in (2, 4, 8)]))
    assert figures["solved"].get_xlabel() == "hidden"
    assert figures["solved"].get_xscale() == "log"


def test_runs_that_all_end_at_the_cap_are_drawn_without_a_warning():
    """Warnings are errors in the tests. Of a net without hidden units no run converges."""
    result = bpjax.sweep(bpjax.tasks.xor(hidden=0), 5, max_epochs=60)
    figures = sweep_figures(result.table)
    low, high = figures["survival"].get_xlim()
    assert low < 60 < high


def test_points_that_are_no_product_make_no_map():
    grid = {"learning_rate": [0.1, 0.5, 1.0], "momentum": [0.5, 0.9, 0.5], "zipped": True}
    result = bpjax.sweep("xor", 5, max_epochs=30, **grid)
    assert "solved" not in sweep_figures(result.table)


def test_no_map_of_epochs_where_no_median_was_reached():
    table = table_of(bpjax.tasks.xor(), **TWO)
    never = np.full_like(table.columns["status"], Status.MAX_EPOCHS)
    table = RunTable(table.identity, {**table.columns, "status": never})
    assert list(sweep_figures(table)) == ["survival", "solved"]


def test_counts_are_drawn_like_rows():
    rows = table_of(bpjax.tasks.xor())
    ends, count = np.unique(
        np.stack([rows.columns["status"], rows.columns["epochs"]]), axis=1, return_counts=True
    )
    counts = {"status": ends[0].astype(np.int8), "epochs": ends[1], "count": count}
    ours, theirs = sweep_figures(rows), sweep_figures(RunTable(rows.identity, counts))
    assert list(ours) == list(theirs)
    bars = [[bar.get_bbox().bounds for bar in found["epochs"].patches] for found in (ours, theirs)]
    assert bars[0] == bars[1]
    assert key(ours["survival"]) == key(theirs["survival"])


def test_a_plane_is_not_called_a_range():
    at = Plane("bias hidden[0]", "bias hidden[1]", width=4, height=3)
    ax = sweep_figures(table_of(bpjax.tasks.xor(), initializer=at))["survival"]
    assert ax.get_title(loc="left").endswith(", weights on a plane")


@pytest.mark.parametrize("name", daily(["xor", "family-trees"], of=TASKS))
def test_the_sweeps_of_every_task_draw_without_overlap(name, tmp_path):
    task = make_task(name)
    for settings in ({}, TWO):
        table = table_of(task, **settings)
        for width in (None, 4.0):
            for ax in sweep_figures(table, width=width).values():
                texts_apart(ax)
                every_tick_has_a_number(ax)
    epoch = np.array([0, 5, task.recipe.max_epochs])
    loss = np.linspace(2, 0.1, 36).reshape(12, 3)
    status = np.tile([Status.CONVERGED, Status.MAX_EPOCHS], 6)
    fan = LossHistories(task, np.arange(12), status, np.full(12, 5), epoch, loss)
    files = draw_sweep(table_of(task), tmp_path, fan)
    names = ["survival", "epochs", "loss-fan"]
    assert [f.name for f in files] == [f"{n}.{e}" for n in names for e in ("png", "svg")]
