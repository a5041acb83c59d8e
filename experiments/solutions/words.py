"""The findings in words; every number comes from the record."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.solutions.chapter import COUNTED, TABLE_3, TABLE_7
from experiments.solutions.measures import NEAR
from experiments.study import percent


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
        "| solved runs | " + " | ".join(weights_in_words(row) for row in rows) + " |",
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


def weights_in_words(row: Mapping[str, Any]) -> str:
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
