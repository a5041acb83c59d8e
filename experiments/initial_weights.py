"""How much depends on where a run starts: exclusive-or from every point of a plane.

Kolen & Pollack, "Back propagation is sensitive to initial conditions" (Complex Systems 4, 1990,
269-280), started nets from a grid of initial weights and drew how long they took. Here the same is
done with the printed recipe: two weights are the coordinates of a picture in [-10, 10], all others
those of one seed, and every pixel is a run of its own.

    python -m experiments.initial_weights

makes the published folder, experiments/results/initial_weights; `--runs 4096` is a quicker look
with coarser pixels, kept in results/initial_weights-4096. The number of runs is that of a picture's
pixels, a square number.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import bpjax
from bpjax import tasks
from bpjax.errors import SettingError
from bpjax.plots import plane, save_figure
from bpjax.status import Status
from bpjax.sweeps.host_loop import environment
from experiments.study import Result, Study, recipe_in_words

PUBLISHED_RUNS = 256**2
WIDE = bpjax.Plane("hidden[0] -> output[0]", "hidden[1] -> output[0]", base_seed=1)
"""The two weights into the output unit, in the range that Kolen & Pollack are said to have had."""
PLANES = {
    "wide": WIDE,
    "zoom": dataclasses.replace(WIDE, x_range=(-3.0, 0.0), y_range=(-2.0, 1.0)),
    "closer": dataclasses.replace(WIDE, x_range=(0.9, 1.5), y_range=(-3.0, -2.4)),
}
SPREAD = ("min", "q25", "median", "q75", "max")
FACTOR = 2
"""Neighbours part if one takes so many times as long as the other, or never converges."""


def compute(num_runs: int) -> Result:
    """Train a run from every pixel of each picture and measure how far neighbours part.

    Args:
      num_runs: pixels of a picture, a square number.

    Returns:
      What `results.json` holds, and what the figures need.

    Raises:
      SettingError: if `num_runs` is no square number.
    """
    side = math.isqrt(max(num_runs, 0))
    if side < 2 or side**2 != num_runs:
        raise SettingError("runs", "must be a square number from 4, like 65536", num_runs)
    task, arrays, rows = tasks.xor(), {}, []
    for name, place in PLANES.items():
        on = dataclasses.replace(place, width=side, height=side)
        result = bpjax.sweep(task, num_runs, initializer=on)
        arrays[name] = on, result["status"], result["epochs"]
        rows.append({"name": name, **_measure(result, on)})
    record = {
        "task": task.title,
        "recipe": recipe_in_words(task.with_settings(initializer=WIDE)),
        "others": f"seed {WIDE.base_seed}, weights in +-{task.recipe.init_range:g}",
        "criterion": str(task.criterion),
        "cap": task.recipe.max_epochs,
        "pixels": num_runs,
        "planes": rows,
        "environment": environment(),
    }
    return Result(record, arrays)


def _measure(result: Any, on: bpjax.Plane) -> dict[str, Any]:
    summary = result.summary()
    shape = on.height, on.width
    status, epochs = result["status"].reshape(shape), result["epochs"].reshape(shape)
    # Nothing here is a sample, so there are no intervals: every pixel was trained.
    return {
        "plane": {"x": on.x, "y": on.y, "x_range": on.x_range, "y_range": on.y_range},
        "pixel": (on.x_range[1] - on.x_range[0]) / on.width,
        "converged": summary["converged"],
        "max_epochs_reached": summary["max_epochs_reached"],
        "nonfinite": summary["nonfinite"],
        "epochs": {
            name: summary["epochs"][name] for name in ("min", "q25", "median", "q75", "max")
        },
        "neighbours": neighbours(status, epochs),
    }


def neighbours(status: np.ndarray, epochs: np.ndarray) -> dict[str, Any]:
    """Count the pairs of pixels that share an edge, and those among them that part.

    Args:
      status: of a picture's runs, shape (height, width).
      epochs: when they ended, same shape.

    Returns:
      The `pairs`; those of which one converged and the other never did; those that both converged,
      one of them taking at least `FACTOR` times as long; and the largest such ratio.
    """
    time = np.where(status == Status.CONVERGED, np.maximum(epochs, 1.0), np.inf)
    beside = (time[:, 1:], time[:, :-1]), (time[1:], time[:-1])
    one, other = (np.concatenate([pair[k].ravel() for pair in beside]) for k in (0, 1))
    slow, fast = np.maximum(one, other), np.minimum(one, other)
    both = np.isfinite(slow)
    ratio = slow[both] / fast[both]
    return {
        "pairs": len(slow),
        "one_never_converged": int((~both & np.isfinite(fast)).sum()),
        "factor": FACTOR,
        "far_apart": int((ratio >= FACTOR).sum()),
        "largest_ratio": float(ratio.max(initial=1.0)),
    }


def write_up(record: Mapping[str, Any]) -> str:
    """Return the findings in words; every number comes from the record."""
    wide, *zooms = record["planes"]
    lines = [
        "# Where a run starts: exclusive-or from every point of a plane",
        "",
        f"{record['task']}; {record['recipe']}; criterion {record['criterion']}, cap "
        f"{record['cap']:,} epochs. Every pixel is a run: the weights `{wide['plane']['x']}` and "
        f"`{wide['plane']['y']}` are its coordinates, all others those of {record['others']}. "
        f"{record['pixels']:,} runs a picture.",
        f"Made by `python -m experiments.initial_weights --runs {record['pixels']}`; do not edit "
        "by hand.",
        "",
        "**Kolen & Pollack** (Complex Systems 4, 1990; unverified, the paper was not read) drew "
        "such pictures. In Kolen's own words of later, the boundary of the region that converges "
        "in a given time is not smooth but cliffy, and small differences of initial weights decide "
        "between 50 epochs and more than anybody waits for (secondary: Connectionists mailing "
        "list, 18 March 1993). The recipe here is another, so pictures agree in kind, not in "
        "place.",
        "",
        "| picture | width of a pixel | converged | epochs: fastest; quartiles; slowest | "
        "neighbours of which one never converges | of which one takes at least "
        f"{FACTOR} times as long | largest ratio of neighbours |",
        "|---|---|---|---|---|---|---|",
        *map(_row, record["planes"]),
        "",
        _verdict(wide, zooms),
        "",
        "There are no intervals, since nothing is a sample: every pixel was trained.",
    ]
    for row in record["planes"]:
        lines += ["", f"![{row['name']}](figures/{row['name']}.png)"]
    return "\n".join([*lines, ""])


def _row(row: Mapping[str, Any]) -> str:
    beside, epochs = row["neighbours"], row["epochs"]
    x, y = row["plane"]["x_range"], row["plane"]["y_range"]
    spread = [_number(epochs[name]) for name in SPREAD]
    pixels = row["converged"] + row["max_epochs_reached"] + row["nonfinite"]
    cells = [
        f"{row['name']}, [{x[0]:g}, {x[1]:g}] x [{y[0]:g}, {y[1]:g}]",
        f"{row['pixel']:.3g}",
        _share(row["converged"], pixels),
        f"{spread[0]}; {', '.join(spread[1:4])}; {spread[4]}",
        _share(beside["one_never_converged"], beside["pairs"]),
        _share(beside["far_apart"], beside["pairs"]),
        f"{beside['largest_ratio']:.3g}",
    ]
    return f"| {' | '.join(cells)} |"


def _verdict(wide: Mapping[str, Any], zooms: Sequence[Mapping[str, Any]]) -> str:
    far = max(zooms, key=lambda row: row["neighbours"]["largest_ratio"])
    return (
        f"In the wide picture {_parted(wide)} pairs of neighbours part: one run never converges, "
        f"or takes at least {FACTOR} times as long, although they differ by {wide['pixel']:.2g} in "
        f"one of nine weights. At a distance of {far['pixel']:.2g} a run still takes "
        f"{far['neighbours']['largest_ratio']:.3g} times as long as its neighbour, and "
        f"{_parted(far)} pairs part. The cliffs are not made by large initial weights alone."
    )


def _parted(row: Mapping[str, Any]) -> str:
    beside = row["neighbours"]
    parted = beside["one_never_converged"] + beside["far_apart"]
    return f"{parted:,} of {beside['pairs']:,}"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.2f} %"


def _number(value: int | None) -> str:
    return "not reached" if value is None else f"{value:,}"


def draw(result: Result, folder: Path) -> None:
    """Draw every picture."""
    record = result.record
    words = (
        f"{record['task']}: {record['pixels']:,} runs, criterion {record['criterion']}, "
        f"cap {record['cap']:,}"
    )
    for name, (on, status, epochs) in result.arrays.items():
        save_figure(plane(status, epochs, on, title=words).figure, folder / "figures" / name)


STUDY = Study(
    name="initial_weights",
    published_runs=PUBLISHED_RUNS,
    counted="pixels of a picture",
    words=__doc__,
    compute=lambda num_runs, folder: compute(num_runs),
    write_up=write_up,
    draw=draw,
)


if __name__ == "__main__":
    raise SystemExit(STUDY.main())
