"""Figures, by their artists: what is drawn, where, in whose axes, and that nothing else changes."""

import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.text import Text
from reading import drawn, every_tick_has_a_number, key, texts_apart

from bpjax.analysis.convergence import SurvivalCurve, survival_curve, survival_of_outcomes
from bpjax.analysis.outcomes import outcomes_of
from bpjax.plots import (
    epochs_histogram,
    gradient_size,
    loss_curve,
    new_axes,
    save_figure,
    survival,
    survival_panels,
)
from bpjax.plots.style import GROUP_COLORS, VERMILLION, axes_so_wide, figure_svg, log_numbers
from bpjax.status import Status

EPOCH = np.arange(0, 101)
LOSS = np.exp(-EPOCH / 20)
LAYERS = {f"layer {i}": 10.0**i * np.exp(-EPOCH / 50) for i in range(6)}
CURVE = survival_curve([Status.CONVERGED] * 3 + [Status.MAX_EPOCHS], [10, 40, 40, 90])
OTHER = survival_curve([Status.CONVERGED] * 2, [20, 60])

DRAW = {
    "loss_curve": lambda **options: loss_curve(EPOCH, LOSS, **options),
    "gradient_size": lambda **options: gradient_size(EPOCH, LAYERS, **options),
    "survival": lambda **options: survival(CURVE, **options),
    "epochs_histogram": lambda **options: epochs_histogram(EPOCH, **options),
}


# ---- every figure --------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_draws_on_the_given_axes_and_labels_them(draw):
    axes = Figure(layout="constrained").subplots(1, 2)
    ax = draw(title="seed 7", ax=axes[0])
    assert ax is axes[0]
    assert ax.get_title(loc="left") == "seed 7"
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert not axes[1].has_data()
    drawn(ax)


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_makes_its_own_figure_and_leaves_settings_alone(draw):
    before = dict(matplotlib.rcParams)
    first, second = draw(title="a"), draw(title="b")
    assert first.figure is not second.figure
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_the_title_is_the_callers(draw):
    with pytest.raises(TypeError, match="title"):
        draw()


@pytest.mark.parametrize("width", [None, 4.0], ids=["wide", "phone"])
@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_every_tick_has_a_number_and_words_keep_apart(draw, width):
    ax = draw(
        title="the task in so many words\nand the criterion tolerance 0.5, the cap 10,000",
        ax=axes_so_wide(width, 4.4),
    )
    every_tick_has_a_number(ax)
    texts_apart(ax)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.18, 0.52, [0.2, 0.3, 0.4, 0.5]),  # less than a decade: 0.5 had no number once
        (0.3, 70, [1, 10]),
        (3, 9_000, [10, 100, 1000]),
        (150, 5_000, [200, 500, 1000, 2000, 5000]),
        (2.9, 4.1, [3, 4]),
        (1e-9, 1e9, [10.0**k for k in range(-9, 10, 3)]),
    ],
)
def test_a_log_axis_has_few_ticks_and_each_its_number(low, high, ticks):
    ax = new_axes()
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    log_numbers(ax.yaxis, whole=low > 1)
    every_tick_has_a_number(ax)
    if len(ticks) > 2 or low > 1:
        assert ax.get_yticks() == pytest.approx(ticks)


def test_the_title_of_a_narrow_figure_is_broken_and_its_key_stands_above():
    words = "xor: 300 runs\ncriterion tolerance 0.5, cap 10,000, weights in a range that is long"
    narrow = survival({"learning rate 0.1, momentum 0.5": CURVE}, title=words, ax=axes_so_wide(4))
    assert narrow.get_title(loc="left").replace("\n", " ") == words.replace("\n", " ")
    assert narrow.get_title(loc="left").count("\n") > 1
    drawn(narrow)
    assert narrow.get_legend().get_window_extent().y0 >= narrow.bbox.y1 - 1
    assert survival(CURVE, title=words).get_title(loc="left") == words


def test_pyplot_is_never_imported():
    program = "import sys, bpjax.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_texts_of_a_crowded_figure_do_not_overlap():
    """Title, key row, axis labels, tick labels and the side panel, measured as they are drawn."""
    ax = epochs_histogram(
        np.arange(100, 30_000),
        title="symmetry: 100,000 seeds",
        published=1425,
        published_label="published: 1,425 sweeps (75th percentile)",
        num_not_converged=12_345,
    )
    drawn(ax)
    panel = ax.child_axes[0]
    in_view = zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
    low, high = ax.get_xlim()
    texts = [child for child in ax.get_children() if isinstance(child, Text) and child.get_text()]
    texts += [ax.xaxis.label, ax.yaxis.label, *ax.get_legend().get_texts()]
    texts += [*panel.get_xticklabels(), *panel.texts]
    texts += [label for place, label in in_view if low <= place <= high]
    assert len(texts) > 10
    boxes = [text.get_window_extent() for text in texts]
    outline = ax.figure.bbox
    for i, box in enumerate(boxes):
        assert outline.x0 <= box.x0 < box.x1 <= outline.x1
        assert outline.y0 <= box.y0 < box.y1 <= outline.y1
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


# ---- loss_curve ----------------------------------------------------------------------------------


def test_loss_curve_draws_the_loss_on_a_log_scale():
    ax = loss_curve(EPOCH, LOSS, title="seed 7")
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([EPOCH, LOSS]))
    assert ax.get_yscale() == "log"
    assert key(ax) == []


@pytest.mark.parametrize("bad", [0.0, -1e-9])
def test_loss_curve_is_linear_when_a_loss_is_not_positive(bad):
    assert loss_curve([0, 1, 2], [1.0, bad, 0.5], title="seed 7").get_yscale() == "linear"


def test_loss_curve_marks_convergence():
    ax = loss_curve(EPOCH, LOSS, title="seed 7", converged_at=64)
    mark = ax.lines[1]
    assert list(mark.get_xdata()) == [64, 64]
    assert same_color(mark.get_color(), VERMILLION)
    assert key(ax) == ["converged after 64 epochs"]


def test_loss_curve_leaves_a_gap_where_the_loss_is_not_finite():
    ax = loss_curve([0, 1, 2, 3], [1.0, 2.0, np.inf, np.nan], title="seed 7")
    assert np.isnan(ax.lines[0].get_ydata()).tolist() == [False, False, True, True]
    assert ax.get_yscale() == "log"
    drawn(loss_curve([0, 1], [np.nan, np.nan], title="broken at once"))


# ---- gradient_size -------------------------------------------------------------------------------


def test_gradient_size_draws_each_layer_in_order_from_dark_to_light():
    ax = gradient_size(EPOCH, LAYERS, title="seed 7")
    assert ax.get_yscale() == "log"
    assert key(ax) == [line.get_label() for line in ax.lines] == list(LAYERS)
    for line, size in zip(ax.lines, LAYERS.values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), size)
    brightness = [np.dot(line.get_color()[:3], [0.3, 0.6, 0.1]) for line in ax.lines]
    assert brightness == sorted(brightness)
    assert len(set(brightness)) == len(LAYERS)


@pytest.mark.parametrize("num_layers", [1, 6, 24])
def test_gradient_key_stays_outside_the_axes_and_inside_the_figure(num_layers):
    layers = {f"hidden {i} to hidden {i + 1}": LOSS * 2.0**i for i in range(num_layers)}
    ax = gradient_size(EPOCH, layers, title="seed 7")
    drawn(ax)
    box, outline = ax.get_legend().get_window_extent(), ax.figure.bbox
    assert ax.bbox.x1 <= box.x0
    assert box.x1 <= outline.x1
    assert outline.y0 <= box.y0 < box.y1 <= outline.y1


def test_gradient_of_zero_leaves_a_gap():
    ax = gradient_size([0, 1, 2], {"a": [1.0, 0.0, np.nan], "b": [0.0, 0.0, 0.0]}, title="seed 7")
    assert np.isnan(ax.lines[0].get_ydata()).tolist() == [False, True, True]
    assert np.isnan(ax.lines[1].get_ydata()).all()
    drawn(ax)


def test_gradient_size_without_layers():
    with pytest.raises(ValueError, match="`gradient_size_by_layer` must hold at least one layer"):
        gradient_size(EPOCH, {}, title="seed 7")


# ---- survival ------------------------------------------------------------------------------------


def test_survival_draws_steps_a_band_and_the_share_left():
    ax = survival(CURVE, title="4 seeds")
    line, dot = ax.lines
    assert line.get_drawstyle() == "steps-post"
    assert line.get_xdata().tolist() == [0, 10, 40, 90, 90]
    assert line.get_ydata() == pytest.approx([1, 0.75, 0.25, 0.25, 0.25])
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (90, pytest.approx(0.25))
    (band,) = ax.collections
    assert isinstance(band, PolyCollection)
    corners = band.get_paths()[0].vertices
    assert [10, CURVE.low[0]] in corners.tolist()  # the old value holds up to the step, ...
    assert [40, CURVE.low[1]] in corners.tolist()  # ... as the curve's does
    heights = corners[:, 1]
    assert heights.min() == pytest.approx(CURVE.low.min())
    assert heights.max() == pytest.approx(CURVE.high.max())
    assert key(ax) == ["4 runs\n25 % not converged"]
    assert ax.get_legend().get_title().get_text() == "band: 95 % pointwise"


def test_survival_extends_to_the_cap_and_marks_it():
    ax = survival({"two": CURVE, "three": OTHER}, title="XOR", max_epochs=100)
    assert key(ax) == [
        "two\n4 runs\n25 % not converged",
        "three\n2 runs\n0 % not converged",
        "cap",
    ]
    two, _, three, _, cap = ax.lines
    assert two.get_xdata()[-1] == three.get_xdata()[-1] == cap.get_xdata()[0] == 100
    assert same_color(two.get_color(), GROUP_COLORS[0])
    assert same_color(three.get_color(), GROUP_COLORS[1])
    assert len(ax.collections) == 2


def test_survival_tells_many_groups_apart():
    ax = survival({f"group {i}": CURVE for i in range(14)}, title="XOR")
    styles = {(line.get_color(), line.get_linestyle()) for line in ax.lines[::2]}
    assert len(styles) == 14


def test_survival_on_a_log_scale_starts_near_the_first_convergence():
    ax = survival(CURVE, title="4 seeds", log_epochs=True)
    assert ax.get_xscale() == "log"
    assert 5 < ax.get_xlim()[0] < 10
    at_once = survival_curve([Status.CONVERGED, Status.MAX_EPOCHS], [0, 50])
    ax = survival(at_once, title="2 seeds", log_epochs=True)
    assert ax.get_xscale() == "symlog"
    assert ax.get_xlim()[0] < 0
    drawn(ax)


@pytest.mark.parametrize("log_epochs", [False, True])
@pytest.mark.parametrize("status", [Status.CONVERGED, Status.MAX_EPOCHS])
@pytest.mark.parametrize("epochs", [0, 9])
def test_survival_of_one_run(status, epochs, log_epochs):
    drawn(survival(survival_curve([status], [epochs]), title="1 seed", log_epochs=log_epochs))


@pytest.mark.parametrize("log_epochs", [False, True])
def test_survival_with_many_steps_looks_the_same_and_stays_small(log_epochs):
    dice = np.random.default_rng(0)
    epochs = dice.geometric(0.0005, 200_000)
    curve = survival_curve(np.full(epochs.size, Status.CONVERGED), epochs)
    assert len(curve.epochs) > 9_000
    ax = survival(curve, title="many steps", log_epochs=log_epochs)
    assert len(figure_svg(ax.figure)) < 300_000
    x, y = ax.lines[0].get_data()
    drawn = y[np.searchsorted(x, curve.epochs, side="right") - 1]
    at = ax.transAxes.inverted().transform(ax.transData.transform(np.c_[curve.epochs, drawn]))[:, 0]
    early = ax.transData.inverted().transform(
        ax.transAxes.transform(np.c_[at - 0.0025, np.zeros(at.size)])
    )[:, 0]
    before = np.searchsorted(curve.epochs, early, side="right") - 1
    assert np.all(drawn >= curve.survival)  # never ahead of a step
    assert np.all(drawn <= curve.survival[np.maximum(before, 0)])  # nor behind by what can be seen


def test_words_are_not_formulas():
    curve = survival_curve([Status.CONVERGED] * 3, [1, 2, 3])
    words = r"cost $\frac$"
    for ax in (
        survival({words: curve}, title=words),
        loss_curve([0, 1], [1.0, 0.5], title=words, converged_at=1),
        gradient_size([0, 1], {words: [1.0, 0.5]}, title=words),
    ):
        figure_svg(ax.figure)  # raises where dollar signs open a formula that is none


@pytest.mark.parametrize("epochs", [[30, 30], [29, 30]])
@pytest.mark.parametrize("status", [Status.CONVERGED, Status.MAX_EPOCHS])
def test_survival_over_few_epochs_has_whole_numbers_for_ticks(status, epochs):
    ax = survival(survival_curve([status] * 2, epochs), title="2 seeds", log_epochs=True)
    drawn(ax)
    low, high = ax.get_xlim()
    ticks = [*ax.xaxis.get_major_ticks(), *ax.xaxis.get_minor_ticks()]
    shown = [t.label1.get_text() for t in ticks if low <= t.get_loc() <= high]
    shown = [text for text in shown if text]
    assert shown
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize("width", [9.0, 4.0])
def test_panels_have_a_curve_each_on_one_scale(width):
    curves = {f"learning rate {k / 10}, momentum 0.9": (CURVE, OTHER)[k % 2] for k in range(1, 11)}
    ax = survival_panels(curves, title="ten settings", log_epochs=True, width=width, columns=4)
    panels = ax.child_axes
    assert len(panels) == 10
    assert len({(*panel.get_xlim(), *panel.get_ylim()) for panel in panels}) == 1
    for panel, (label, curve) in zip(panels, curves.items(), strict=True):
        words = panel.get_title(loc="left").replace("\N{NO-BREAK SPACE}", " ").replace("\n", " ")
        left = f"{100 * curve.survival[-1]:g} % not converged"
        assert words == f"{label} {curve.num_runs} runs, {left}"
        steps = panel.lines[0].get_ydata()
        assert steps[-1] == curve.survival[-1]
    beside = sum(panel.get_position().y0 == panels[0].get_position().y0 for panel in panels)
    assert beside == (4 if width == 9 else 2)
    every_tick_has_a_number(ax)
    texts_apart(ax)


def test_panels_without_curves():
    with pytest.raises(ValueError, match="`curves` must hold at least one curve, got none"):
        survival_panels({}, title="nothing")


def test_survival_without_curves():
    with pytest.raises(ValueError, match="`curves` must hold at least one curve, got none"):
        survival({}, title="nothing")


# ---- epochs_histogram ----------------------------------------------------------------------------


@pytest.mark.parametrize("log_epochs", [False, True])
@pytest.mark.parametrize("low", [0, 1, 300])
def test_histogram_counts_every_run_once_between_whole_numbers(low, log_epochs):
    epochs = low + np.random.default_rng(2).geometric(0.01, size=5000) - 1
    ax = epochs_histogram(epochs, title="5000 seeds", log_epochs=log_epochs)
    starts = np.array([bar.get_x() for bar in ax.patches])
    assert sum(bar.get_height() for bar in ax.patches) == 5000
    assert (starts % 1 == 0.5).all()
    assert 8 <= len(starts) <= 41
    assert ax.get_xscale() == ("linear" if not log_epochs else "log" if epochs.min() else "symlog")
    widths = [bar.get_width() for bar in ax.patches]
    assert (max(widths) == min(widths)) is not log_epochs
    drawn(ax)


def test_histogram_marks_the_published_number_even_out_of_range():
    ax = epochs_histogram([10, 11, 12], title="3 seeds", published=245, published_label="1986: 245")
    (line,) = ax.lines
    assert list(line.get_xdata()) == [245, 245]
    assert key(ax) == ["1986: 245"]
    assert ax.get_xlim()[1] > 245


def test_histogram_keeps_runs_that_never_converged_in_sight():
    ax = epochs_histogram([10, 11, 12], title="1237 seeds", num_not_converged=1234)
    (panel,) = ax.child_axes
    (bar,) = panel.patches
    assert (bar.get_height(), bar.get_hatch()) == (1234, "///")
    assert [text.get_text() for text in panel.texts] == ["1,234"]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["not\nconverged"]
    assert ax.get_ylim() == panel.get_ylim()
    assert ax.get_ylim()[1] > 1234
    assert not epochs_histogram([10], title="1 seed").child_axes


@pytest.mark.parametrize("log_epochs", [False, True])
@pytest.mark.parametrize("epochs", [[], [0, 0], [7], [1, 10**6]])
def test_histogram_of_odd_samples(epochs, log_epochs):
    ax = epochs_histogram(epochs, title="odd", num_not_converged=2, log_epochs=log_epochs)
    assert sum(bar.get_height() for bar in ax.patches) == len(epochs)
    drawn(ax)


@pytest.mark.parametrize("log_epochs", [False, True])
def test_histogram_of_counts_is_that_of_rows(log_epochs):
    epochs = np.random.default_rng(4).geometric(0.02, size=900) + 10
    ends, count = np.unique(epochs, return_counts=True)
    look = {"title": "900 seeds", "num_not_converged": 3, "log_epochs": log_epochs}
    axes = [epochs_histogram(epochs, **look), epochs_histogram(ends, count=count, **look)]
    rows, counts = ([bar.get_bbox().bounds for bar in ax.patches] for ax in axes)
    assert rows == counts
    assert axes[0].get_ylim() == axes[1].get_ylim()
    assert axes[0].get_xlim() == axes[1].get_xlim()


def test_histogram_and_curve_of_a_trillion_runs():
    """Counts in a narrow type, as a device returns them, add up beyond it."""
    count = np.full(3000, 4 * 10**9, np.uint32)
    ax = epochs_histogram(np.arange(1, 3001), title="many", count=count, num_not_converged=10**12)
    assert sum(bar.get_height() for bar in ax.patches) == 12 * 10**12
    drawn(ax)
    outcomes = outcomes_of([Status.CONVERGED, Status.MAX_EPOCHS], [40, 90], [3 * 10**12, 10**12])
    ax = survival(survival_of_outcomes(outcomes), title="many")
    assert key(ax) == ["4,000,000,000,000 runs\n25 % not converged"]
    drawn(ax)


def test_narrow_axes_repeat_no_tick_label():
    ax = epochs_histogram([5, 5], title="2 seeds")
    for low, high, ticks in [(*ax.get_xlim(), ax.get_xticks()), (*ax.get_ylim(), ax.get_yticks())]:
        inside = ticks[(low <= ticks) & (ticks <= high)]
        assert inside.size
        assert (inside % 1 == 0).all()


# ---- style ---------------------------------------------------------------------------------------


def test_save_figure_writes_a_png_of_150_dots_per_inch_and_an_svg(tmp_path):
    axes = loss_curve(EPOCH, LOSS, title="seed 7")
    png, svg = save_figure(axes.figure, tmp_path / "figures" / "loss-0.1")
    assert [png.name, svg.name] == ["loss-0.1.png", "loss-0.1.svg"]
    content = png.read_bytes()
    assert content.startswith(b"\x89PNG")
    dots_per_metre = int.from_bytes(content[content.index(b"pHYs") + 4 :][:4], "big")
    assert dots_per_metre == pytest.approx(150 / 0.0254, abs=1)
    assert ElementTree.fromstring(svg.read_bytes()).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_figure_gives_the_same_svg():
    first, second = (loss_curve(EPOCH, LOSS, title="seed 7").figure for _ in range(2))
    assert figure_svg(first) == figure_svg(second)


def test_new_axes_returns_what_it_is_given():
    ax = Figure().subplots()
    assert new_axes(ax) is ax
    assert new_axes().figure is not ax.figure


def test_survival_takes_a_curve_for_a_curve_although_it_is_a_tuple():
    assert isinstance(CURVE, tuple)
    assert isinstance(CURVE, SurvivalCurve)
    assert len(survival(CURVE, title="4 seeds").collections) == 1
