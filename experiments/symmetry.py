"""Fig. 1 of the paper over many seeds: how long symmetry takes, and what the hidden units learn.

The paper shows one run: 1,425 epochs, and two hidden units whose weights are mirror-antisymmetric
with sizes 1 : 2 : 4. Here the printed recipe (learning rate 0.1, momentum 0.9, weights in
[-0.3, 0.3]) runs from many seeds. The paper states no stopping rule, so every seed is followed to
three tolerances; it is the same run each time, only stopped later.

    python -m experiments.symmetry

makes the published folder, experiments/results/symmetry; `--runs 1000` is a quicker look, kept in
results/symmetry-1000.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

import bpjax
from bpjax.analysis.convergence import success_rate, survival_curve
from bpjax.analysis.solutions import (
    MIRROR_SOLUTIONS,
    distinct_sums,
    mirror_class,
    mirror_weights,
)
from bpjax.plots import epochs_histogram, new_axes, save_figure, survival
from bpjax.plots.style import BLUE, VERMILLION
from bpjax.status import Status
from bpjax.sweeps.host_loop import environment
from experiments.study import (
    Result,
    Study,
    number,
    percent,
    quantiles,
    share_of,
)

PUBLISHED_RUNS = 10_000
TOLERANCES = (0.5, 0.2, 0.1)
PRINTED_EPOCHS = 1425
MAX_EPOCHS = 20_000
NEAR = 0.1
"""A net counts as a solution if both its size ratios are within this share of the solution's."""


def compute(num_runs: int, first_seed: int = 0) -> Result:
    """Train the seeds to every tolerance and measure epochs and weights.

    Args:
      num_runs: number of seeds.
      first_seed: the first of them.

    Returns:
      What `results.json` holds, and what the figures need.
    """
    arrays: dict[str, np.ndarray] = {"seed": np.arange(first_seed, first_seed + num_runs)}
    by_tolerance = []
    for tolerance in TOLERANCES:
        result = bpjax.sweep(
            bpjax.tasks.symmetry(),
            num_runs,
            first_seed=first_seed,
            tolerance=tolerance,
            max_epochs=MAX_EPOCHS,
            keep_weights=True,
        )
        arrays[f"status_{tolerance}"] = result["status"]
        arrays[f"epochs_{tolerance}"] = result["epochs"]
        solved = result["weights"][result["status"] == Status.CONVERGED]
        arrays[f"ratios_{tolerance}"] = _first_layer_ratios(solved)
        by_tolerance.append(_measure(result, solved, tolerance))
    record = {
        "task": "symmetry 6-2-1, printed recipe: learning rate 0.1, momentum 0.9, +-0.3",
        "num_runs": num_runs,
        "first_seed": first_seed,
        "max_epochs": MAX_EPOCHS,
        "printed_epochs": PRINTED_EPOCHS,
        "tolerances": by_tolerance,
        "environment": environment(),
    }
    return Result(record, arrays)


def _hidden_weights(weights: np.ndarray) -> np.ndarray:
    """Return the weights into the hidden units, shape (num_runs, 2 units, 6 inputs)."""
    return weights[:, :12].reshape(-1, 6, 2).transpose(0, 2, 1)


def _first_layer_ratios(weights: np.ndarray) -> np.ndarray:
    """Return the two size ratios per net, averaged over its two hidden units."""
    return _sizes(weights)[:, 1:]


def _sizes(weights: np.ndarray) -> np.ndarray:
    return mirror_weights(_hidden_weights(weights)).sizes.mean(axis=1)


def _measure(result: Any, solved: np.ndarray, tolerance: float) -> dict[str, Any]:
    status, epochs = result["status"], result["epochs"]
    num_runs = len(status)
    by_printed = int(np.sum((status == Status.CONVERGED) & (epochs <= PRINTED_EPOCHS)))
    summary = result.summary()
    measured = {
        "criterion": summary["criterion"],
        "converged": summary["converged"],
        "nonfinite": summary["nonfinite"],
        "success_rate": summary["success_rate"],
        "epochs": summary["epochs"],
        "share_by_printed_epochs": success_rate(by_printed, num_runs)._asdict(),
        "share_of_converged_by_printed_epochs": success_rate(
            by_printed, summary["converged"]
        )._asdict()
        if summary["converged"]
        else None,
    }
    return measured | {"weights": _measure_weights(solved) if len(solved) else None}


def _measure_weights(solved: np.ndarray) -> dict[str, Any]:
    hidden = _hidden_weights(solved)
    mirror = mirror_weights(hidden)
    sizes = _sizes(solved)
    names = mirror_class(sizes, NEAR)
    opposite = np.abs(hidden.sum(axis=1)).sum(axis=1) / np.abs(hidden).sum(axis=(1, 2))
    same_order = np.all(mirror.order[:, 0] == mirror.order[:, 1], axis=1)
    return {
        "asymmetry": {**quantiles(mirror.asymmetry), "largest": float(mirror.asymmetry.max())},
        "second_size": quantiles(sizes[:, 1]),
        "third_size": quantiles(sizes[:, 2]),
        "solutions": {name: share_of(names == name) for name in MIRROR_SOLUTIONS},
        "distinct_sums": share_of(distinct_sums(hidden, 0.1).all(axis=1)),
        "units_not_opposite": quantiles(opposite),
        "same_order_in_both_units": share_of(same_order),
        "hidden_biases_negative": share_of((solved[:, 14:16] < 0).all(axis=1)),
        "output_bias_positive": share_of(solved[:, 16] > 0),
    }


def write_up(record: Mapping[str, Any]) -> str:
    """Return the findings in words; every number comes from the record."""
    first, *_, last = record["tolerances"]
    lines: list[str] = [
        "# Symmetry, Fig. 1: one printed run against the distribution",
        "",
        f"{record['task']}; {record['num_runs']:,} seeds from {record['first_seed']}, "
        f"cap {record['max_epochs']:,} epochs. 95 % intervals.",
        "Made by `python -m experiments.symmetry --runs "
        f"{record['num_runs']}`; do not edit by hand.",
        "",
        "**The paper:** 1,425 epochs, one run, stopping rule not stated (verified, p. 534).",
        "",
        "| criterion | solved | median epochs | quartiles | solved by epoch 1,425 |",
        "|---|---|---|---|---|",
    ]
    for row in record["tolerances"]:
        epochs = row["epochs"]
        lines.append(
            f"| {row['criterion']} | {percent(row['success_rate'])} | "
            f"{number(epochs['median'])} "
            f"({number(epochs['low'])} to {number(epochs['high'])}) | "
            f"{number(epochs['q25'])} and {number(epochs['q75'])} | "
            f"{percent(row['share_by_printed_epochs'])} |"
        )
    lines += ["", _verdict(first, last), "", "![epochs](figures/epochs.png)", ""]
    lines += ["![survival](figures/survival.png)", "", "## What solved nets have learned", ""]
    lines += [
        "Per solved net: sizes of the three mirror pairs of weights, smallest = 1, mean of both "
        "hidden units; median and 5 % to 95 % range.",
        "",
        "| criterion | solved nets | second size | third size | 1 : 2 : 4 within 10 % | "
        "2 : 3 : 4 within 10 % | part that is not mirror-antisymmetric | its largest |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in record["tolerances"]:
        w = row["weights"]
        if w:
            shares = " | ".join(percent(w["solutions"][name]) for name in MIRROR_SOLUTIONS)
            lines.append(
                f"| {row['criterion']} | {row['converged']:,} | {_spread(w['second_size'], 2)} | "
                f"{_spread(w['third_size'], 2)} | {shares} | {_spread(w['asymmetry'], 5)} | "
                f"{w['asymmetry']['largest']:.5f} |"
            )
    if last["weights"]:
        lines += ["", *_details(first, last)]
    lines += ["", "![ratios](figures/ratios.png)", ""]
    return "\n".join(lines)


def _verdict(first: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    pieces = []
    for row in (first, last):
        share = row["share_by_printed_epochs"]
        low, high = 100 * share["low"], 100 * share["high"]
        pieces.append(
            f"at percentile {100 * share['estimate']:.1f} ({low:.1f} to {high:.1f}) for "
            f"{row['criterion']}, {_beside_median(share)}"
        )
    return (
        f"Of all runs, the printed 1,425 epochs lie {'; and '.join(pieces)}. Runs that are not "
        "solved by the cap count as slower."
    )


def _beside_median(share: Mapping[str, Any]) -> str:
    """Say how the printed run compares, given the share of runs that were no slower."""
    if share["high"] < 0.5:
        return "faster than the median run"
    if share["low"] > 0.5:
        return "slower than the median run"
    return "about the median run: the interval includes 50"


def _details(first: Mapping[str, Any], last: Mapping[str, Any]) -> list[str]:
    w = last["weights"]
    lines = [
        f"At {last['criterion']}: all eight half-patterns give different sums in "
        f"{percent(w['distinct_sums'])} of solved nets; both hidden biases are negative in "
        f"{percent(w['hidden_biases_negative'])}, the output bias is positive in "
        f"{percent(w['output_bias_positive'])}; both units order the three pairs alike in "
        f"{percent(w['same_order_in_both_units'])}, and the part of the weights in which the two "
        f"units are not each other's opposite is {_spread(w['units_not_opposite'], 4)}.",
    ]
    if w["solutions"]["2 : 3 : 4"]["estimate"]:
        lines += [
            "",
            "The paper shows 1 : 2 : 4. The second solution, 2 : 3 : 4, works for the same reason: "
            "a unit's net input is a sum of its pair sizes, each added, subtracted or left out, "
            "and as long as no such sum is zero only mirror-symmetrical inputs leave both units "
            "off. In units of the smallest such sum, 1 : 2 : 4 needs weights of 7 in all and "
            "2 : 3 : 4 of 9.",
        ]
    neither = [f"{100 * _near_neither(row):.1f} % at {row['criterion']}" for row in (first, last)]
    lines += ["", f"Solved nets that are near neither solution: {', '.join(neither)}."]
    return lines


def _near_neither(row: Mapping[str, Any]) -> float:
    shares = row["weights"]["solutions"].values()
    return max(0.0, 1 - sum(share["estimate"] for share in shares))


def _spread(quantiles: Mapping[str, float], digits: int) -> str:
    low, middle, high = (f"{quantiles[q]:.{digits}f}" for q in ("q05", "q50", "q95"))
    return f"{middle} ({low} to {high})"


def draw(result: Result, folder: Path) -> None:
    """Draw the epochs, the survival curves and the size ratios."""
    record, arrays = result.record, result.arrays
    words = f"symmetry 6-2-1: {record['num_runs']:,} runs"
    status, epochs = arrays["status_0.5"], arrays["epochs_0.5"]
    converged = status == Status.CONVERGED
    share = record["tolerances"][0]["share_by_printed_epochs"]["estimate"]
    if converged.any():
        ax = epochs_histogram(
            epochs[converged],
            title=f"{words}, criterion tolerance 0.5",
            published=PRINTED_EPOCHS,
            published_label=f"paper: 1,425, percentile {100 * share:.0f}",
            num_not_converged=int((~converged).sum()),
            log_epochs=True,
        )
        save_figure(ax.figure, folder / "figures" / "epochs")
        save_figure(_ratios(arrays, words).figure, folder / "figures" / "ratios")
    curves = {
        f"tolerance {t}": survival_curve(arrays[f"status_{t}"], arrays[f"epochs_{t}"])
        for t in TOLERANCES
    }
    ax = survival(curves, title=f"{words} per criterion", log_epochs=True)
    save_figure(ax.figure, folder / "figures" / "survival")


def _ratios(arrays: Mapping[str, np.ndarray], words: str, ax: Axes | None = None) -> Axes:
    ax = new_axes(ax)
    for tolerance, color, size in ((0.5, BLUE, 10), (0.1, VERMILLION, 60)):
        ratios = arrays[f"ratios_{tolerance}"]
        label = f"solved to tolerance {tolerance} ({len(ratios):,} nets)"
        second, third = ratios.T
        look: dict[str, Any] = {"alpha": 0.5, "linewidths": 0, "rasterized": True}  # many dots
        ax.scatter(second, third, s=size, color=color, label=label, **look)
    for name, sizes in MIRROR_SOLUTIONS.items():
        offset = (-30, 18) if name == "1 : 2 : 4" else (0, -26)
        ax.annotate(name, sizes, offset, textcoords="offset points", ha="center")
        ax.plot(*sizes, marker="+", markersize=16, color="black")
    ax.set_ylim(bottom=1)
    ax.set_xlabel("second pair of weights, smallest pair = 1")
    ax.set_ylabel("third pair")
    ax.set_title(f"{words}, sizes of mirror pairs in solved nets", loc="left", pad=8)
    ax.legend(loc="upper left", frameon=False)
    return ax


STUDY = Study(
    name="symmetry",
    published_runs=PUBLISHED_RUNS,
    counted="number of seeds",
    words=__doc__,
    compute=lambda num_runs, folder: compute(num_runs),
    write_up=write_up,
    draw=draw,
    keep_arrays="runs.npz",
)


if __name__ == "__main__":
    raise SystemExit(STUDY.main())
