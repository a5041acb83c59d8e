"""The table of all experiments, and the figure."""

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bpjax.plots import new_axes, save_figure
from bpjax.plots.style import BLUE, VERMILLION, log_numbers, title_and_key
from bpjax.plots.style import percent as share_in_words
from experiments.study import QUARTILES, percent, quartiles


def _says(row: Mapping[str, Any]) -> str:
    figures = [f"{f['figure']} ({f['mark']}; {f['source']})" for f in row["published"]]
    return "; ".join(figures) or "learned; no figure published"


def _answers(held_out: Mapping[str, Any] | None) -> str:
    if held_out is None:
        return ""
    if not held_out["runs"]:
        return "no run converged"
    return (
        f"{percent(held_out['right'])} of answers right; all {held_out['cases']} right in "
        f"{percent(held_out['all_right'])} of runs, at most one wrong in "
        f"{percent(held_out['at_most_one_wrong'])}"
    )


def write_up(record: Mapping[str, Any]) -> str:
    """Return the table as Markdown; every number comes from the record."""
    lines = [
        "# The paper says, we measure",
        "",
        "Every experiment of Nature 323 (1986) and of PDP vol. 1 ch. 8 with its published recipe, "
        "each over many seeds. 95 % intervals throughout. Epochs are Kaplan-Meier: runs that are "
        "not solved by the cap count as slower. *Secondary*: quoted by another source; "
        "*unverified*: from recollection.",
        "",
        "Verdicts: the epochs of one run are one draw from a wide distribution, which *matches* "
        "when it lies among the middle 95 % of ours. Where surely more than 2.5 % of runs are "
        "unsolved (the whole interval), that has no upper end; then it is said how many are "
        "solved, and where the number lies among those. A mean of several runs is *near the "
        "middle* between our quartiles, and *off the middle* elsewhere among the middle 95 %. Of "
        'a bound, such as "under 200", it is said how many runs keep to it.',
        "",
        f"Made by `python -m experiments.reproduce --runs {record['num_runs']}`; do not edit by "
        "hand.",
        "",
        "| experiment | the paper says | runs | solved | epochs: median (quartiles) "
        "| held-out cases | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        lines.append(
            f"| {row['title']} (`{row['name']}`) | {_says(row)} | {row['num_runs']:,} | "
            f"{percent(row['success_rate'])} | {quartiles(row['epochs'], row['max_epochs'])} | "
            f"{_answers(row['held_out'])} | {row['verdict']} |"
        )
    if record["left_out"]:
        lines += ["", f"Left out below 100 runs, being slow: {', '.join(record['left_out'])}."]
    lines += ["", "![epochs](figures/epochs.png)", "", "## Recipes", ""]
    lines += ["| experiment | published | ours | criterion | cap |", "|---|---|---|---|---|"]
    for row in record["rows"]:
        ours = f"{row['our_recipe']}{'; differs: ' + row['differs'] if row['differs'] else ''}"
        printed = row["printed_recipe"] or "none"
        lines.append(
            f"| `{row['name']}` | {printed} | {ours} | {row['criterion']} | {row['max_epochs']:,} |"
        )
    return "\n".join([*lines, ""])


def draw(record: Mapping[str, Any], folder: Path) -> None:
    """Draw quartiles and median of every experiment, with the printed numbers."""
    axes = epochs_overview(record["rows"])
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    save_figure(axes.figure, folder / "figures" / "epochs")  # type: ignore[arg-type]


LOOKS: Mapping[str, tuple[str, Any]] = {
    "run": ("published: one run", {"marker": "X", "markersize": 8}),
    "mean": ("published: a mean", {"marker": "P", "markersize": 8, "fillstyle": "none"}),
    "bound": ("published: under this", {"marker": "<", "markersize": 8}),
}
"""How a published number is drawn, by what it counts; others are no epochs to converge."""


def epochs_overview(rows: Iterable[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """Draw per experiment a bar over the quartiles, a dot at the median, a mark where printed.

    The number of runs stands in the title, or beside the name where a row has others than most.
    """
    rows = list(rows)
    ax = new_axes(ax, size=(8.4, 1.4 + 0.27 * len(rows)))
    usual = statistics.mode(row["num_runs"] for row in rows)
    for place, row in enumerate(rows):
        low, middle, high = (row["epochs"][q] for q in QUARTILES)
        cap = row["max_epochs"]
        if low is not None:
            ax.plot([low, high or cap], [place, place], color=BLUE, lw=5, alpha=0.4)
        if high is None:
            ax.plot(cap, place, marker=">", color=BLUE, alpha=0.6)
        if middle is not None:
            ax.plot(middle, place, "o", color=BLUE)
        for figure in row["published"]:
            if figure["epochs"] is not None and figure["counts"] in LOOKS:
                look = LOOKS[figure["counts"]][1]
                ax.plot(figure["epochs"], place, color=VERMILLION, linestyle="none", **look)
    ax.set_yticks(range(len(rows)), [_name(row, usual) for row in rows], fontsize=8)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xscale("log")
    log_numbers(ax.xaxis, "{:,.0f}", whole=True)
    ax.set_xlabel("epochs to converge")
    others = any(row["num_runs"] != usual for row in rows)
    title = f"{usual:,} runs per experiment" + ", or as many as its name says" * others
    title_and_key(ax, title, _key(rows), room=5.8)  # beside the names
    return ax


def _name(row: Mapping[str, Any], usual: int) -> str:
    runs = "" if row["num_runs"] == usual else f"{row['num_runs']:,} runs, "
    return f"{row['name']}, {runs}{share_in_words(row['success_rate']['estimate'])} solved"


def _key(rows: Iterable[Mapping[str, Any]]) -> list[Line2D]:
    """Explain what is drawn, of the published numbers only the kinds that there are."""
    there = {figure["counts"] for row in rows for figure in row["published"]}
    plain: dict[str, Any] = {"color": BLUE, "linestyle": "none"}
    ours = [
        Line2D([], [], marker="o", label="median", **plain),
        Line2D([], [], color=BLUE, linewidth=5, alpha=0.4, label="quartiles"),
        Line2D([], [], marker=">", alpha=0.6, label="beyond the cap", **plain),
    ]
    looks = [look for counts, look in LOOKS.items() if counts in there]
    marks: dict[str, Any] = {"color": VERMILLION, "linestyle": "none"}
    return ours + [Line2D([], [], label=label, **marks, **look) for label, look in looks]
