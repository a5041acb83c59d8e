"""The curve of a bench over lanes: it draws what the record says, and why something is missing."""

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from reading import key, texts_apart

from bpjax.bench.figure import lanes_figure
from bpjax.plots import lanes_curve
from bpjax.plots.style import GROUP_COLORS

LANES = [10**3, 10**4, 10**5, 10**6, 10**7]
NOT_HERE = "implementation cannot be fused here: it needs an NVIDIA GPU of the Hopper generation"
FAULT = "JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 72 bytes."


def measured(name, lanes, rate):
    ends = {"median": rate, "min": 0.9 * rate, "max": 1.2 * rate}
    return {"name": name, "lanes": lanes, "refused": None, "failed": None, **ends}


def missing(name, lanes, refused=None, failed=None):
    return {"name": name, "lanes": lanes, "refused": refused, "failed": failed}


ROWS = [
    *(measured("idiom", lanes, 2e4 * lanes**0.7) for lanes in LANES),
    *(measured("python-loop", lanes, 3e3 * lanes) for lanes in LANES[:3]),
    missing("python-loop", LANES[3], failed=FAULT),
    missing("python-loop", LANES[4], refused="left out: it failed with fewer lanes"),
    *(missing("fused", lanes, refused=NOT_HERE) for lanes in LANES),
    *(measured(f"number {k}", lanes, 1e9 * k) for k in range(1, 4) for lanes in LANES),
]


def line(ax, name):
    (found,) = (line for line in ax.lines if line.get_label() == name)
    return found


def test_every_contender_is_a_line_with_the_range_of_its_rounds():
    ax = lanes_curve(ROWS, title="xor", bound=9.67e10)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    rates = [row["median"] / 1e6 for row in ROWS[:5]]
    np.testing.assert_array_equal(line(ax, "idiom").get_xydata(), np.column_stack([LANES, rates]))
    whiskers = ax.containers[0].lines[2][0].get_segments()
    ends = [[[x, 0.9 * y], [x, 1.2 * y]] for x, y in zip(LANES, rates, strict=True)]
    np.testing.assert_allclose(whiskers, ends)
    looks = {
        (drawn.get_color(), drawn.get_marker()) for drawn in ax.lines if len(drawn.get_xdata())
    }
    assert len({color for color, marker in looks if marker in "os^DvPX"}) == 5
    assert same_color(line(ax, "idiom").get_color(), GROUP_COLORS[0])


def test_the_bound_is_a_dashed_line_with_its_number_and_within_view():
    ax = lanes_curve(ROWS[:5], title="xor", bound=9.67e10)
    bound = line(ax, "computed bound: 96,700 M/s")
    assert bound.get_linestyle() == "--"
    assert set(bound.get_ydata()) == {96_700}
    assert ax.get_ylim()[1] > 96_700
    assert key(ax) == ["idiom", "computed bound: 96,700 M/s"]
    assert key(lanes_curve(ROWS[:5], title="xor")) == ["idiom"]


def test_what_was_not_measured_leaves_a_gap_and_its_reason_in_the_key():
    ax = lanes_curve(ROWS, title="xor")
    gap = np.isnan(line(ax, "python-loop").get_ydata())
    np.testing.assert_array_equal(gap, [False, False, False, True, True])
    words = [text.replace("\n", " ") for text in key(ax)]
    at = words.index("python-loop")
    assert words[at + 1].startswith("1,000,000 lanes: failed: JaxRuntimeError: RESOURCE_EXHAUSTED")
    assert words[at + 2] == "10,000,000 lanes: left out: it failed with fewer lanes"
    assert words[words.index("fused") + 1] == NOT_HERE
    assert len(line(ax, "fused").get_xdata()) == 0


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[10:15]])
def test_texts_do_not_overlap(rows):
    texts_apart(lanes_curve(rows, title="xor: many contenders on some card", bound=9.67e10))


def test_it_draws_on_the_given_axes():
    axes = Figure(layout="constrained").subplots(1, 2)
    assert lanes_curve(ROWS, title="xor", ax=axes[1]) is axes[1]
    assert not axes[0].has_data()


def test_the_figure_of_a_record_names_task_contenders_device_and_versions():
    worker = {"device_kind": "NVIDIA H100 80GB HBM3", "versions": {"jax": "0.10.2"}}
    record = {
        "workers": {"all-cores": worker},
        "machine": {"bpjax": "0.1.0"},
        "budget": {"rounds": 3},
        "dtype": "float32",
        "gpu": {"lanes": ROWS[:15], "bound": 9.67e10},
    }
    ax = lanes_figure(record)
    assert ax.get_title(loc="left") == (
        "xor on NVIDIA H100 80GB HBM3: idiom, python-loop, fused\n"
        "3 rounds, float32, jax 0.10.2, bpjax 0.1.0; ours trains at most 1,048,576 at once"
    )
    texts_apart(ax)
