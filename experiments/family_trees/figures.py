"""The figures: the share solved per recipe, and the person units of the best."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bpjax.plots import new_axes, save_figure, unit_panels
from bpjax.plots.style import BLUE, ORANGE, VERMILLION
from bpjax.tasks.family_trees import PEOPLE
from experiments.study import Result


def draw(result: Result, folder: Path) -> None:
    """Draw the share solved per recipe, the person units of a net and the features found."""
    record, arrays = result
    save_figure(draw_solved(record).figure, folder / "figures" / "solved")
    if all("code" in look for look in record["looked_at"]):
        save_figure(draw_features(record).figure, folder / "figures" / "features")
        ax = draw_person_units(arrays["shown_weights"], record["looked_at"][-1]["shown"])
        save_figure(ax.figure, folder / "figures" / "person_units")


def draw_solved(record: Mapping[str, Any]) -> Axes:
    """Draw the share of runs solved: from the printed recipe, nearer to the best, from the best."""
    short = {row["words"]: row for row in record["rows"] if row["cap"] == record["cap"]}
    parts = [
        ("printed recipe, one change", record["one_at_a_time"], VERMILLION),
        ("most solved per number of printed numbers changed", record["ladder"], ORANGE),
        ("best recipe, one change", record["steps"], BLUE),
    ]
    labels: list[str] = []
    num_rows = sum(len(words) + 1 for _, words, _ in parts)
    ax = new_axes(size=(12.5, 1.2 + 0.21 * num_rows))
    for title, names, color in parts:
        rows = [short[words] for words in names]
        if not rows:
            continue
        here = len(labels) + np.arange(len(rows))
        middle = np.array([100 * row["solved"]["estimate"] for row in rows])
        low = np.array([100 * row["solved"]["low"] for row in rows])
        high = np.array([100 * row["solved"]["high"] for row in rows])
        spread = np.maximum([middle - low, high - middle], 0)
        ax.errorbar(middle, here, xerr=spread, fmt="o", color=color, ms=4, capsize=2, label=title)
        labels += [_since(row, record, title) for row in rows] + [""]
    ax.set_yticks(range(len(labels)), labels, fontsize=8)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(labels) - 0.5, -0.7)
    ax.set_xlim(-2, 102)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(f"runs solved within {record['cap']:,} epochs, %, with 95 % interval")
    ax.set_title(
        f"family trees: share of {record['num_runs']} runs per recipe that learn all their pairs, "
        "criterion tolerance 0.5",
        loc="left",
        pad=26,
        fontsize=11,
    )
    key: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 0.997)}
    ax.legend(**key, ncols=3, frameon=False, fontsize=8, columnspacing=1.0)
    return ax


def _since(row: Mapping[str, Any], record: Mapping[str, Any], part: str) -> str:
    """Name a recipe by what it changes of the best, among the steps from there."""
    if not part.startswith("best"):
        return row["words"]
    best = next(r for r in record["rows"] if r["words"] == record["best"])
    if row["words"] == record["best"]:
        return f"best: {record['best']}"
    names = {
        "rate": "rate x{:g}",
        "momentum": "momentum {:g}",
        "decay": "decay {:g}",
        "measured_from": "error from the {}",
        "init_range": "weights in +-{:g}",
        "scope": "margin for: {}",
        "bias": "no biases",
        "decay_biases": "biases do not decay",
        "decay_from": "decay from epoch {}",
        "updates": "weights change after every case",
    }
    return ", ".join(
        text.format(row[field]) for field, text in names.items() if row[field] != best[field]
    )


def draw_features(record: Mapping[str, Any]) -> Axes:
    """Draw the share of nets in which each feature is found."""
    looks = record["looked_at"]
    ax = new_axes(size=(7.4, 3.6))
    for k, (look, color) in enumerate(zip(looks, (BLUE, ORANGE), strict=False)):
        code = look["code"]
        shares = [feature["found"] for feature in code["features"].values()]
        middle = np.array([100 * share["estimate"] for share in shares])
        ends = np.array([[100 * s["low"], 100 * s["high"]] for s in shares]).T
        spread = np.maximum([middle - ends[0], ends[1] - middle], 0)
        place = np.arange(len(shares)) + 0.36 * (k - (len(looks) - 1) / 2)
        label = f"best {look['why']} ({code['nets']:,} nets)"
        ax.bar(place, middle, 0.34, yerr=spread, color=color, capsize=4, label=label)
    ax.axhline(1, color=VERMILLION, linestyle="--", label="by chance: 1 %")
    names = list(looks[0]["code"]["features"])
    ax.set_xticks(range(len(names)), names)
    ax.set_ylim(0, 105)
    ax.set_ylabel("nets, %")
    ax.grid(visible=False, axis="x")
    title = (
        f"family trees: features found among the six person units after {record['cap']:,} epochs,\n"
        "in nets that know all their trained pairs (criterion tolerance 0.5)"
    )
    ax.set_title(title, loc="left", pad=26, fontsize=11)
    key: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 0.995)}
    ax.legend(**key, ncols=3, frameon=False, fontsize=8)
    return ax


def draw_person_units(weights: np.ndarray, shown: Mapping[str, Any]) -> Axes:
    """Draw the weights into six units as Fig. 4 does: English people above their Italian twins."""
    title = (
        f"family trees, one run (seed {shown['seed']}), criterion tolerance 0.5: weights into the\n"
        "six person units; white is positive, black negative, area is size"
    )
    units = enumerate(shown["titles"], 1)
    titles = [f"unit {number}" + (f", {words}" if words else "") for number, words in units]
    nations = ("English", "Italian")
    return unit_panels(weights, title=title, titles=titles, names=PEOPLE, row_names=nations)
