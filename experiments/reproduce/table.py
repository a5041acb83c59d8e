"""The table of all experiments, and the figure."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from bpjax.plots import new_axes, save_figure
from bpjax.plots.style import BLUE, VERMILLION
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
        "not solved by the cap count as slower. A printed number of epochs is one draw from a wide "
        "distribution: a row *matches* when it lies among the middle 95 % of ours. *Secondary*: "
        "quoted by another source; *unverified*: from recollection.",
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
    axes = epochs_overview(record["rows"], title=f"{record['num_runs']:,} runs per experiment")
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    save_figure(axes.figure, folder / "figures" / "epochs")  # type: ignore[arg-type]


def epochs_overview(rows: Iterable[Mapping[str, Any]], title: str, ax: Axes | None = None) -> Axes:
    """Draw per experiment a bar over the quartiles, a dot at the median, a cross where printed."""
    rows = list(rows)
    ax = new_axes(ax, size=(8.0, 0.8 + 0.27 * len(rows)))
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
            if figure["epochs"] is not None:
                ax.plot(figure["epochs"], place, "X", color=VERMILLION, ms=8)
    names = [f"{row['name']}, {100 * row['success_rate']['estimate']:.0f} % solved" for row in rows]
    ax.set_yticks(range(len(rows)), names, fontsize=8)
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.set_xlabel("epochs to converge")
    ax.set_title(
        f"{title}: median (dot), quartiles (bar; an arrow: beyond the cap)\n"
        "and the published numbers (crosses)",
        fontsize=10,
        loc="left",
    )
    return ax
