"""The figures: one per task, but for symmetry, which has a study of its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpjax.plots import class_bars, new_axes, save_figure
from bpjax.plots.bars import bars_height
from bpjax.plots.style import BLUE, ORANGE, SKY_BLUE, VERMILLION
from experiments.solutions.chapter import COUNTED
from experiments.solutions.words import weights_in_words


def draw(record: Mapping[str, Any], folder: Path) -> None:
    """Draw one figure per task, but for symmetry, which has a study of its own."""
    figures: dict[str, Callable[[], Figure]] = {
        "xor": lambda: _draw_xor(record["xor"]),
        "xor-direct": lambda: _draw_xor_direct(record["xor_direct"]),
        "encoder": lambda: _draw_encoder(record["encoder"]),
        "parity": lambda: _draw_parity(record["parity"]),
        "graded-code": lambda: _draw_graded_code(record["graded_code"]),
    }
    for name, make in figures.items():
        save_figure(make(), folder / "figures" / name)


def _panels(num_rows: Sequence[int], width: float = 7.6) -> tuple[Figure, list[Axes]]:
    """Return a figure with one panel below the other, each as high as its bars need."""
    heights = [bars_height(n) for n in num_rows]
    fig = Figure(figsize=(width, sum(heights)), layout="constrained")
    ratios: dict[str, Any] = {"height_ratios": heights}
    axes = fig.subplots(len(heights), 1, squeeze=False, **ratios)[:, 0]
    return fig, [new_axes(ax) for ax in axes]


def _whiskers(ax: Axes, places: Iterable[float], rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw 95 % intervals over upright bars."""
    middle = np.array([row["estimate"] for row in rows])
    error = np.abs(np.array([[row["low"], row["high"]] for row in rows]).T - middle)
    style: dict[str, Any] = {"fmt": "none", "ecolor": "black", "capsize": 2.5, "elinewidth": 1}
    ax.errorbar(list(places), middle, yerr=error, **style)


def _of(row: Mapping[str, Any], num: int, which: str) -> str:
    return (
        f"{row['title']}: {num:,} of {row['num_runs']:,} runs\n{which}, "
        f"criterion {row['criterion']}"
    )


def _draw_xor(row: Mapping[str, Any]) -> Figure:
    num_unsolved = sum(found["num_runs"] for found in row["unsolved"])
    unsolved = [found for found in row["unsolved"] if found["num_runs"] > 1] or row["unsolved"]
    fig, (above, below) = _panels([len(row["solved"]), len(unsolved)])
    title = _of(row, row["converged"], "what hidden units detect, solved")
    class_bars(row["solved"], title=title, ax=above)
    left_out = len(row["unsolved"]) - len(unsolved)
    title = _of(row, num_unsolved, "not solved")
    title += f" ({left_out} classes of one run not drawn)" if left_out else ""
    net = row["printed"]
    printed_classes = (net["class"], net["inputs_exchanged"])
    class_bars(unsolved, title=title, mark=printed_classes, ax=below)
    below.set_xlabel("share, with 95 % interval; the numbers are runs")
    return fig


def _draw_xor_direct(row: Mapping[str, Any]) -> Figure:
    fig, (ax,) = _panels([len(row["solved"])])
    title = _of(row, row["converged"], "what the hidden unit detects, solved")
    class_bars(row["solved"], title=title, mark=(row["printed"]["class"],), ax=ax)
    ax.set_xlabel("share, with 95 % interval; the numbers are runs")
    return fig


def _draw_parity(rows: Sequence[Mapping[str, Any]]) -> Figure:
    fig, axes = _panels([len(row["classes"]) for row in rows])
    for ax, row in zip(axes, rows, strict=True):
        which = f"solved, {weights_in_words(row)}"
        by_name = sorted(row["classes"], key=lambda r: list(COUNTED.values()).index(r["class"]))
        class_bars(by_name, title=_of(row, row["converged"], which), mark=(COUNTED[0],), ax=ax)
    axes[-1].set_xlabel("share, with 95 % interval; the numbers are runs")
    return fig


def _draw_encoder(part: Mapping[str, Any]) -> Figure:
    net, rows = part["printed"], part["rows"]
    fig = Figure(figsize=(7.6, 6.0), layout="constrained")
    above, below = (new_axes(ax) for ax in fig.subplots(2))
    for ax, key, figure in (
        (above, "corners", net["corners"]),
        (below, "intermediate_values", net["intermediate_values"]),
    ):
        drawn = [row for row in rows if row["converged"]]
        for number, (row, color) in enumerate(zip(drawn, (BLUE, SKY_BLUE), strict=False)):
            shown = [r for r in row[key] if r["value"] <= 12]
            places = [r["value"] + 0.4 * (number - 0.5) for r in shown]
            label = f"{row['criterion']}, {row['converged']:,} solved"
            heights = [r["estimate"] for r in shown]
            ax.bar(places, heights, 0.38, color=color, label=label)
            _whiskers(ax, places, shown)
        ax.axvline(figure, color=VERMILLION, linestyle="--", label="printed, Table 5")
        ax.set_xticks(range(9 if key == "corners" else 13))
        ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        ax.grid(visible=False, axis="x")
        ax.set_ylabel("share of solved runs")
    above.set_xlabel("corners used, of 8")
    beyond = max(
        (r["num_runs"] for row in rows for r in row["intermediate_values"] if r["value"] > 12),
        default=0,
    )
    more = "; more than 12 not drawn" if beyond else ""
    below.set_xlabel(f"intermediate values, of {net['values']} (0.25 to 0.75){more}")
    criteria = " and ".join(row["criterion"] for row in rows)
    above.set_title(
        f"{rows[0]['title']}: {rows[0]['num_runs']:,} runs, criterion {criteria}, 95 % intervals",
        loc="left",
        fontsize=10,
    )
    below.legend(frameon=False, fontsize=9, loc="upper right")
    return fig


def _draw_graded_code(part: Mapping[str, Any]) -> Figure:
    net, rows = part["printed"], part["rows"]
    row = rows[-1]
    fig = Figure(figsize=(7.6, 5.6), layout="constrained")
    above, below = (new_axes(ax) for ax in fig.subplots(2))
    title = _of(row, row["converged"], "order of the single unit's values, or its reverse, solved")
    class_bars(row["orders"], title=title, mark=(net["order"],), ax=above)
    above.set_xlabel("share, with 95 % interval; the numbers are runs")
    for number, (found, color) in enumerate(zip(rows, (ORANGE, BLUE), strict=True)):
        label = f"{found['criterion']}: median, quartiles, 5 to 95 %"
        for place, case in enumerate(net["values"]):
            q = found["spacing"][case]["quantiles"]
            if q:
                y = place + 0.28 * (number - 0.5)
                below.plot([q["q05"], q["q95"]], [y, y], color=color, lw=1.5)
                below.plot([q["q25"], q["q75"]], [y, y], color=color, lw=6, alpha=0.6)
                below.plot(q["q50"], y, "o", color=color, label=label if not place else None)
    for place, value in enumerate(net["values"].values()):
        words = "printed, Table 7" if not place else None
        below.plot(value, place, "X", color=VERMILLION, ms=9, ls="none", label=words, zorder=3)
    below.set_yticks(range(4), [f"input {case}" for case in net["values"]], fontsize=9)
    below.set_ylim(3.6, -0.6)
    below.set_xlim(-0.03, 1.03)
    below.set_xlabel("value of the single unit")
    num = next((r["num_runs"] for r in row["orders"] if r["class"] == net["order"]), 0)
    criteria = " and ".join(found["criterion"] for found in rows)
    title = f"{row['title']}: the {num:,} of {row['num_runs']:,} runs in the printed order"
    below.set_title(f"{title}\ncriterion {criteria}", loc="left", fontsize=10)
    below.legend(frameon=False, fontsize=8.5, loc="upper right")
    return fig
