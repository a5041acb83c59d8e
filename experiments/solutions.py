"""What hidden units represent: the printed solutions counted over thousands of runs.

The chapter shows one net per task and says what its hidden units do. Here the same tasks run from
many seeds, and the solutions are sorted into classes: how common is the printed one?

    python -m experiments.solutions

makes the published folder, experiments/results/solutions; `--runs 500` is a quicker look, kept in
results/solutions-500.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

import bpjax
from bpjax import printed, tasks
from bpjax.analysis.activations import activations_of
from bpjax.analysis.convergence import success_rate
from bpjax.analysis.solutions import (
    MIRROR_SOLUTIONS,
    EncoderCodes,
    class_in_words,
    count_classes,
    counted_inputs,
    encoder_codes,
    hidden_truth_tables,
    mirror_class,
    mirror_weights,
    truth_table_class,
)
from bpjax.errors import SettingError
from bpjax.plots import class_bars, new_axes, save_figure
from bpjax.plots.bars import bars_height
from bpjax.plots.style import BLUE, ORANGE, SKY_BLUE, VERMILLION
from bpjax.status import Status
from bpjax.sweeps.run import environment
from bpjax.task import Task
from experiments.reproduce import recipe_in_words
from experiments.study import parser_for, percent, results_folder

PUBLISHED_RUNS = 10_000
MAX_EPOCHS = 20_000
TOLERANCE = 0.1
LAX_AND_STRICT = 0.5, TOLERANCE
"""Where the chapter gives codes in rounded numbers, the same runs are read at two tolerances."""

NEAR = 0.1
"""Outputs this near to one half, or to their targets, count as there; size ratios of mirror pairs
may be off by this share of themselves."""

PARITY_RANGES = 0.3, 1.0
"""Initial ranges for parity: the library's default, and one from which most runs are solved."""

TABLE_3 = ("1111", "1011", "1010", "0010", "0000")
"""Parity: hidden code by number of inputs on."""

TABLE_5 = (
    (0.5, 0, 0),
    (0, 1, 0),
    (1, 1, 0),
    (1, 1, 1),
    (0, 1, 1),
    (0.5, 0, 1),
    (1, 0, 0.5),
    (0, 0, 0.5),
)
"""Encoder: hidden codes of the eight patterns."""

TABLE_7 = {"10": 0.0, "11": 0.2, "00": 0.6, "01": 1.0}
"""Graded code: values of the single unit."""

FIG_8 = (-6.0, 4.0, 0.0)
"""Graded code: weights and bias of that unit, from the left input, from the right one."""

CASES = ("00", "01", "10", "11")

COUNTED = {
    0: "counts the inputs that are on",
    1: "counts, one input complemented",
    2: "counts, two inputs complemented",
    -1: "does not count",
}


class Trained(NamedTuple):
    """Finite runs of one task: what the nets do, and how the runs are named."""

    task: Task
    about: dict[str, Any]
    solved: np.ndarray
    weights: np.ndarray
    hidden: np.ndarray
    outputs: np.ndarray


# ---- compute -------------------------------------------------------------------------------------


def compute(num_runs: int, first_seed: int = 0) -> dict[str, Any]:
    """Train the seeds of every task and sort the solutions.

    Args:
      num_runs: number of seeds per task.
      first_seed: the first of them.

    Returns:
      What `results.json` holds.
    """

    def train(task: Task, tolerance: float = TOLERANCE, **settings: Any) -> Trained:
        settings |= {"tolerance": tolerance, "max_epochs": MAX_EPOCHS}
        return _train(task.with_settings(**settings), num_runs, first_seed)

    return {
        "num_runs": num_runs,
        "first_seed": first_seed,
        "max_epochs": MAX_EPOCHS,
        "near": NEAR,
        "xor": _xor(train(tasks.xor())),
        "xor_direct": _xor_direct(train(tasks.xor(direct=True))),
        "encoder": {
            "printed": _printed_encoder(),
            "rows": [_encoder(train(tasks.encoder(), t)) for t in LAX_AND_STRICT],
        },
        "symmetry": _symmetry(train(tasks.symmetry())),
        "parity": [_parity(train(tasks.parity(), init_range=r)) for r in PARITY_RANGES],
        "graded_code": {
            "printed": _printed_graded_code(),
            "rows": [_graded_code(train(tasks.graded_code(), t)) for t in LAX_AND_STRICT],
        },
        "environment": environment(),
    }


def _train(task: Task, num_runs: int, first_seed: int) -> Trained:
    result = bpjax.sweep(task, num_runs, first_seed=first_seed, keep_weights=True)
    summary = result.summary()
    finite = result["status"] != Status.NONFINITE
    weights = result["weights"][finite]
    layers = activations_of(task.network, weights, task.inputs)
    about = {
        "title": task.title,
        "recipe": recipe_in_words(task),
        "source": task.source,
        "criterion": summary["criterion"],
        "num_runs": num_runs,
        "converged": summary["converged"],
        "nonfinite": summary["nonfinite"],
        "success_rate": summary["success_rate"],
    }
    first_hidden = next(layer.name for layer in task.network.computed_layers)
    solved = result["status"][finite] == Status.CONVERGED
    return Trained(task, about, solved, weights, layers[first_hidden], layers["output"])


def _xor(runs: Trained) -> dict[str, Any]:
    net = printed.xor_local_minimum()
    layers = activations_of(net.task.network, net.vector()[None], net.task.inputs)
    tables = hidden_truth_tables(layers["hidden"])
    as_printed = truth_table_class(tables)[0]
    exchanged = truth_table_class(tables[..., [0, 2, 1, 3]])[0]
    classes = truth_table_class(hidden_truth_tables(runs.hidden))
    alike = (classes == as_printed).all(axis=1) | (classes == exchanged).all(axis=1)
    left_open = _one_side_open(runs.outputs, runs.task.targets)
    unsolved = ~runs.solved
    return runs.about | {
        "solved": _words_of_classes(classes[runs.solved]),
        "unsolved": _words_of_classes(classes[unsolved]),
        "printed": {
            "class": class_in_words(as_printed),
            "inputs_exchanged": class_in_words(exchanged),
            "hidden": dict(zip(CASES, layers["hidden"][0].tolist(), strict=True)),
            "outputs": dict(zip(CASES, layers["output"][0, :, 0].tolist(), strict=True)),
            "one_side_open": bool(_one_side_open(layers["output"], net.task.targets)[0]),
        },
        "unsolved_of_printed_class": _share(alike[unsolved]),
        "unsolved_one_side_open": _share(left_open[unsolved]),
        "unsolved_of_printed_class_one_side_open": _share((alike & left_open)[unsolved]),
    }


def _one_side_open(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Tell whether the two cases that share one input stand at one half, and the others are right.

    That is the printed minimum, up to which input it is and whether it is on.
    """
    open_ = np.abs(outputs[..., 0] - 0.5) < NEAR
    right = np.abs(outputs - targets)[..., 0] < NEAR
    sides = [[False, True, False, True], [False, False, True, True]]
    patterns = [np.array(side) ^ flip for side in sides for flip in (False, True)]
    return np.any([np.where(p, open_, right).all(axis=-1) for p in patterns], axis=0)


def _xor_direct(runs: Trained) -> dict[str, Any]:
    net = printed.xor_direct()
    hidden = activations_of(net.task.network, net.vector()[None], net.task.inputs)["hidden"]
    classes = truth_table_class(hidden_truth_tables(runs.hidden))
    return runs.about | {
        "solved": _words_of_classes(classes[runs.solved]),
        "unsolved": _words_of_classes(classes[~runs.solved]),
        "printed": {"class": class_in_words(truth_table_class(hidden_truth_tables(hidden))[0])},
    }


def _words_of_classes(classes: np.ndarray) -> list[dict[str, Any]]:
    return _counted([class_in_words(codes) for codes in classes])


def _counted(labels: ArrayLike, expected: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the classes as rows of a table, most frequent first; none if there are no nets."""
    labels = np.asarray(labels)
    if not labels.size:
        return []
    return [
        {"class": str(name), "num_runs": found.num_runs, **found.share._asdict()}
        for name, found in count_classes(labels, expected).items()
    ]


def _printed_encoder() -> dict[str, Any]:
    return _one_code(encoder_codes([TABLE_5]))


def _one_code(codes: EncoderCodes) -> dict[str, Any]:
    return {
        "corners": int(codes.num_corners[0]),
        "intermediate_values": _num_intermediate(codes)[0],
        "values": int(codes.codes[0].size),
        "distinct": bool(codes.distinct[0]),
    }


def _num_intermediate(codes: EncoderCodes) -> list[int]:
    return (codes.codes == 0.5).sum(axis=(1, 2)).tolist()


def _encoder(runs: Trained) -> dict[str, Any]:
    codes = encoder_codes(runs.hidden[runs.solved])
    intermediate = np.array(_num_intermediate(codes), int)
    as_printed = _printed_encoder()
    return runs.about | {
        "corners": _tally(codes.num_corners, 8),
        "intermediate_values": _tally(intermediate, 24),
        "mean_share_intermediate": _mean(codes.intermediate),
        "some_intermediate": _share(intermediate > 0),
        "as_many_corners_as_printed": _share(codes.num_corners == as_printed["corners"]),
        "fewer_corners_than_printed": _share(codes.num_corners < as_printed["corners"]),
        "all_corners": _share(codes.num_corners == 8),
        "all_codes_distinct": _share(codes.distinct),
    }


def _tally(numbers: np.ndarray, largest: int) -> list[dict[str, Any]]:
    """Return how many runs have each whole number, from 0 to the largest that is possible."""
    return [
        {"value": value, "num_runs": int(np.sum(numbers == value)), **share}
        for value in range(largest + 1)
        if (share := _share(numbers == value))
    ]


def _symmetry(runs: Trained) -> dict[str, Any]:
    into_hidden = runs.weights[runs.solved, :12].reshape(-1, 6, 2).transpose(0, 2, 1)
    if not len(into_hidden):
        return runs.about | {"classes": [], "mirror_antisymmetric": None, "opposite_signs": None}
    mirror = mirror_weights(into_hidden)
    names = mirror_class(mirror.sizes.mean(axis=1), NEAR)
    signs = np.sign(into_hidden)
    return runs.about | {
        "classes": _counted(names, MIRROR_SOLUTIONS),
        "largest_asymmetry": float(mirror.asymmetry.max()),
        "mirror_antisymmetric": _share((mirror.asymmetry < 0.01).all(axis=1)),
        "opposite_signs": _share((signs[:, 0] == -signs[:, 1]).all(axis=1)),
    }


def _parity(runs: Trained) -> dict[str, Any]:
    tables = hidden_truth_tables(runs.hidden[runs.solved])
    flips = counted_inputs(tables)
    counting = flips >= 0
    codes = np.swapaxes(tables[counting], -1, -2)
    num_codes = np.array([len(np.unique(code, axis=0)) for code in codes], int)
    return runs.about | {
        "classes": _counted([COUNTED[n] for n in flips.tolist()], COUNTED.values()),
        "as_printed": _share(flips == 0),
        "counting": _share(counting),
        "counting_as_printed": _share(flips[counting] == 0),
        "counting_each_count_its_code": _share(num_codes == len(TABLE_3)),
    }


def _printed_graded_code() -> dict[str, Any]:
    left, right, bias = FIG_8
    drawn = {case: left * int(case[0]) + right * int(case[1]) + bias for case in CASES}
    return {
        "values": TABLE_7,
        "order": " < ".join(TABLE_7),
        "values_of_drawn_weights": {case: float(1 / (1 + np.exp(-x))) for case, x in drawn.items()},
    }


def _graded_code(runs: Trained) -> dict[str, Any]:
    values = runs.hidden[runs.solved][..., 0]
    orders = _orders(values)
    as_printed = orders == " < ".join(TABLE_7)
    found = values[as_printed]
    turned = found[:, CASES.index("10")] > found[:, CASES.index("01")]
    found = np.where(turned[:, None], 1 - found, found)
    spacing = {}
    for case, figure in TABLE_7.items():
        column = found[:, CASES.index(case)]
        spacing[case] = {
            "printed": figure,
            "quantiles": _quantiles(column),
            "at_or_below_printed": _share(column <= figure),
        }
    return runs.about | {
        "orders": _counted(orders, _all_orders()),
        "printed_order": _share(as_printed),
        "spacing": spacing,
    }


def _orders(values: np.ndarray) -> np.ndarray:
    """Name the order of the four values of each run; an order and its reverse are one."""
    order = np.argsort(values, axis=1)
    backwards = _rank(order[:, 0]) > _rank(order[:, -1])
    order = np.where(backwards[:, None], order[:, ::-1], order)
    return np.array([" < ".join(CASES[case] for case in row) for row in order], dtype="<U17")


def _rank(case: np.ndarray) -> np.ndarray:
    """Write an order from the end whose left input is on, as Table 7 does; ties from 00."""
    return np.array([2, 3, 0, 1])[case]


def _all_orders() -> list[str]:
    """Return the orders that a unit with two weights can have, up to reversal."""
    weights = [(-2, 1), (2, 1), (-1, 2), (1, 2)]
    sums = [[left * int(c[0]) + right * int(c[1]) for c in CASES] for left, right in weights]
    return sorted(set(_orders(np.array(sums)).tolist()))


def _share(holds: ArrayLike) -> dict[str, Any] | None:
    """Return the share with its Wilson interval; None of nothing."""
    found = np.asarray(holds, bool)
    return success_rate(int(found.sum()), found.size)._asdict() if found.size else None


def _mean(values: np.ndarray) -> dict[str, float] | None:
    """Return a mean over runs with its 95 % interval: values of one run are not independent."""
    if len(values) < 2:
        return None
    middle, half = float(values.mean()), 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5
    return {"estimate": middle, "low": max(0.0, middle - half), "high": min(1.0, middle + half)}


def _quantiles(values: np.ndarray) -> dict[str, float] | None:
    if not len(values):
        return None
    return {f"q{q:02d}": float(np.percentile(values, q)) for q in (5, 25, 50, 75, 95)}


# ---- words ---------------------------------------------------------------------------------------


def write_up(record: Mapping[str, Any]) -> str:
    """Return the findings in words; every number comes from the record."""
    parts = [
        _head(record),
        _xor_words(record["xor"], record["max_epochs"]),
        _xor_direct_words(record["xor_direct"]),
        _encoder_words(record["encoder"]),
        _symmetry_words(record["symmetry"], record["near"]),
        _parity_words(record["parity"]),
        _graded_code_words(record["graded_code"]),
    ]
    return "\n".join(line for part in parts for line in [*part, ""])


def _head(record: Mapping[str, Any]) -> list[str]:
    return [
        "# What hidden units represent",
        "",
        "The chapter (PDP vol. 1 ch. 8) prints one solution per task. Here the solutions of "
        f"{record['num_runs']:,} seeds per task from {record['first_seed']}, cap "
        f"{record['max_epochs']:,} epochs, are sorted into classes. Targets are 0 and 1. "
        "In brackets 95 % Wilson intervals, each for its class by itself.",
        "",
        f"Made by `python -m experiments.solutions --runs {record['num_runs']}`; do not edit by "
        "hand.",
    ]


def _about(row: Mapping[str, Any]) -> str:
    broken = f", {row['nonfinite']:,} turned non-finite" if row["nonfinite"] else ""
    return (
        f"{row['title']}: {row['recipe']}; criterion {row['criterion']}; solved "
        f"{_percent(row['success_rate'])}, {row['converged']:,} runs{broken}."
    )


def _class_table(rows: Sequence[Mapping[str, Any]], heading: str, mark: Iterable[str]) -> list[str]:
    if not rows:
        return [f"{heading}: no runs."]
    lines = [f"| {heading} | runs | share |", "|---|---|---|"]
    for row in rows:
        name = f"**{row['class']}** (printed)" if row["class"] in mark else row["class"]
        lines.append(f"| {name} | {row['num_runs']:,} | {_percent(row)} |")
    return lines


def _xor_words(row: Mapping[str, Any], max_epochs: int) -> list[str]:
    net = row["printed"]
    at_half = [
        f"hidden unit {unit + 1} at {hidden[unit]:.3g} for {case}"
        for case, hidden in net["hidden"].items()
        for unit in (0, 1)
        if abs(hidden[unit] - 0.5) < 0.05
    ]
    outputs = ", ".join(f"{case} {y:.3f}" for case, y in net["outputs"].items())
    lines = [
        "## 1. Exclusive-or, 2-2-1",
        "",
        _about(row),
        "",
        "The class of a net says in which cases each hidden unit is on (above 0.5), whichever unit "
        'is which; each unit stands for itself and its opposite, "AND" for NAND too.',
        "",
        *_class_table(row["solved"], "solved", ()),
        "",
        *_class_table(
            row["unsolved"],
            f"not solved within {max_epochs:,} epochs",
            (net["class"], net["inputs_exchanged"]),
        ),
        "",
        f"**The printed minimum (Fig. 5)** is of the class *{net['class']}*; with the inputs "
        f"exchanged it is *{net['inputs_exchanged']}*. The printed weights put "
        f"{' and '.join(at_half) or 'no hidden unit near one half'}, so the class is read at the "
        f"edge. Its outputs: {outputs}.",
    ]
    if row["unsolved_of_printed_class"]:
        lines[-1] += (
            f" Of the unsolved runs {_percent(row['unsolved_of_printed_class'])} are of this class "
            f"in either orientation. Counted by outputs, {_percent(row['unsolved_one_side_open'])} "
            "are in the printed state or its mirror images (both cases that share the value of one "
            f"input within {NEAR} of one half, the other two right); "
            f"{_percent(row['unsolved_of_printed_class_one_side_open'])} are both."
        )
    return [*lines, "", "![XOR](figures/xor.png)"]


def _xor_direct_words(row: Mapping[str, Any]) -> list[str]:
    name = row["printed"]["class"]
    lines = [
        "## 2. Exclusive-or, 2-1-1 with direct connections",
        "",
        _about(row),
        "",
        *_class_table(row["solved"], "its one hidden unit, solved", (name,)),
        "",
        *_class_table(row["unsolved"], "not solved", (name,)),
        "",
        f"The printed net (Fig. 3) has *{name}* (here as NOR: on unless an input is).",
    ]
    if row["solved"]:
        lines[-1] += f" {_place(row['solved'], name)}"
    return [*lines, "", "![XOR with direct connections](figures/xor-direct.png)"]


def _place(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """Say how common one class is among solved runs."""
    names = [row["class"] for row in rows]
    if name not in names:
        return "No solved run has it."
    place = names.index(name)
    rank = "the most frequent class" if place == 0 else f"number {place + 1} of {len(names)}"
    return f"It is {rank} among solved runs, {_percent(rows[place])}."


def _encoder_words(part: Mapping[str, Any]) -> list[str]:
    net, rows = part["printed"], part["rows"]
    lines = [
        "## 3. Encoder, 8-3-8",
        "",
        *(_about(row) + "  " for row in rows),
        "",
        "Hidden activations are rounded to the nearest of 0, 0.5 and 1; a corner is a code of 0 "
        "and 1 only.",
        "",
        "| solved runs | printed (Table 5) | "
        + " | ".join(f"at {row['criterion']}" for row in rows)
        + " |",
        "|---|---|" + "---|" * len(rows),
    ]
    values = f"{net['intermediate_values']} of {net['values']} values"
    printed_share = f"{100 * net['intermediate_values'] / net['values']:.1f} %, {values}"
    for words, figure, key in (
        ("intermediate values, mean share", printed_share, "mean_share_intermediate"),
        ("runs with any intermediate value", "yes", "some_intermediate"),
        (f"exactly {net['corners']} corners used", "yes", "as_many_corners_as_printed"),
        (f"fewer than {net['corners']}", "no", "fewer_corners_than_printed"),
        ("all 8 corners used", "no", "all_corners"),
        (
            "all rounded codes distinct",
            "yes" if net["distinct"] else "no",
            "all_codes_distinct",
        ),
    ):
        shares = " | ".join(_percent(row[key]) for row in rows)
        lines.append(f"| {words} | {figure} | {shares} |")
    return [*lines, "", "![encoder](figures/encoder.png)"]


def _symmetry_words(row: Mapping[str, Any], near: float) -> list[str]:
    lines = [
        "## 4. Mirror symmetry, 6-2-1",
        "",
        _about(row),
        "",
        f"Sizes of the three mirror pairs of weights, smallest = 1, both ratios within "
        f"{100 * near:.0f} %:",
        "",
        *_class_table(row["classes"], "solved", ("1 : 2 : 4",)),
    ]
    if row["classes"]:
        lines += [
            "",
            "Both units are mirror-antisymmetric to within 1 % of their weights in "
            f"{_percent(row['mirror_antisymmetric'])} of solved nets (largest part that is not: "
            f"{100 * row['largest_asymmetry']:.2f} %); the two units have opposite signs in all "
            f"six places in {_percent(row['opposite_signs'])}. More in "
            "[the study of symmetry](../symmetry/README.md).",
        ]
    return lines


def _parity_words(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "## 5. Parity, 4-4-1",
        "",
        *(_about(row) + "  " for row in rows),
        "",
        f"The printed hidden code (Table 3: {', '.join(TABLE_3)} for 0 to 4 inputs on) depends "
        "only on the number of inputs on. Hidden units are read as on or off at 0.5. A net that "
        "counts some inputs as their opposites has the same solution; were every choice of "
        "those inputs equally likely, one in eight counting nets would count all inputs alike.",
        "",
        "| solved runs | " + " | ".join(_range(row) for row in rows) + " |",
        "|---|" + "---|" * len(rows),
    ]
    for name in COUNTED.values():
        found = [[row for row in part["classes"] if row["class"] == name] for part in rows]
        shares = (f"{_percent(f[0])}, {f[0]['num_runs']:,}" if f else "none" for f in found)
        name += " (printed)" if name == COUNTED[0] else ""
        lines.append(f"| {name} | {' | '.join(shares)} |")
    for words, key in (
        ("counts in any way", "counting"),
        ("of those: counts all inputs alike", "counting_as_printed"),
        ("of those: a code of its own for each of the five counts", "counting_each_count_its_code"),
    ):
        lines.append(f"| {words} | {' | '.join(_percent(row[key]) for row in rows)} |")
    return [*lines, "", "![parity](figures/parity.png)"]


def _range(row: Mapping[str, Any]) -> str:
    """Return the initial weights out of a recipe in words."""
    return f"weights {row['recipe'].split(', ')[2]}"


def _graded_code_words(part: Mapping[str, Any]) -> list[str]:
    net, rows = part["printed"], part["rows"]
    drawn = ", ".join(f"{case} {net['values_of_drawn_weights'][case]:.3f}" for case in TABLE_7)
    lines = [
        "## 6. Graded code, 2-1-4-4",
        "",
        *(_about(row) + "  " for row in rows),
        "",
        "The order of the four values of the single unit, an order and its reverse being one. The "
        "four orders are one solution seen from four sides: they turn into each other when inputs "
        "are exchanged or complemented and outputs renamed. To complement an input is not quite "
        "fair, as neither starts nor learning are the same from its other side.",
        "",
        *_class_table(rows[-1]["orders"], f"at {rows[-1]['criterion']}", (net["order"],)),
        "",
        f"The printed order (Table 7), *{net['order']}* or its reverse: "
        + "; ".join(f"{_percent(row['printed_order'])} at {row['criterion']}" for row in rows)
        + ". Spacing in these runs, turned to the printed direction:",
        "",
        "| input | printed | "
        + " | ".join(f"at {row['criterion']}: median (5 % to 95 %)" for row in rows)
        + " | "
        + " | ".join(f"runs at or below the printed value, {row['criterion']}" for row in rows)
        + " |",
        "|---|---|" + "---|---|" * len(rows),
    ]
    for case, value in net["values"].items():
        spacing = [row["spacing"][case] for row in rows]
        cells = [_spread(s["quantiles"]) for s in spacing]
        inner = 0 < value < 1  # a logistic unit is above 0 and below 1 in any case
        cells += [_percent(s["at_or_below_printed"]) if inner else "" for s in spacing]
        lines.append(f"| {case} | {value:g} | {' | '.join(cells)} |")
    lines += ["", f"The weights drawn in Fig. 8, which are rounded, give {drawn}."]
    return [*lines, "", "![graded code](figures/graded-code.png)"]


def _percent(share: Mapping[str, Any] | None) -> str:
    return "no runs" if share is None else percent(share)


def _spread(quantiles: Mapping[str, float] | None) -> str:
    if quantiles is None:
        return "no runs"
    return "{q50:.3f} ({q05:.3f} to {q95:.3f})".format(**quantiles)


# ---- save and draw -------------------------------------------------------------------------------


def save(record: Mapping[str, Any], folder: Path) -> None:
    """Write `results.json` and the text of `README.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(record, indent=2) + "\n")
    (folder / "README.md").write_text(write_up(record))


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
        which = f"solved, {_range(row)}"
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


def default_folder(num_runs: int) -> Path:
    """Return where the results go: only the published number of runs may replace the published."""
    return results_folder("solutions", num_runs, PUBLISHED_RUNS)


def main(argv: Sequence[str] | None = None) -> int:
    """Compute, save and draw."""
    parser = parser_for("solutions", PUBLISHED_RUNS, "seeds per task", __doc__)
    options = parser.parse_args(argv)
    bpjax.use_all_cpu_cores()
    try:
        record = compute(options.runs)
    except SettingError as error:
        parser.error(f"--runs {error.rule}, got {error.value!r}.")
    folder = options.out or default_folder(options.runs)
    save(record, folder)
    draw(record, folder)
    print(write_up(record))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
