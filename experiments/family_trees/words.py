"""The findings in words; every number comes from the record."""

from collections.abc import Mapping, Sequence
from typing import Any

from bpjax.tasks.family_trees import PAIRS
from experiments.family_trees.best import about_best
from experiments.family_trees.recipes import HELD_OUT, LONG_CAP, WORKS
from experiments.family_trees.tables import grid_table, recipe_table
from experiments.study import percent


def write_up(record: Mapping[str, Any]) -> str:
    """Return the findings in words; every number comes from the record."""
    short = {row["words"]: row for row in record["rows"] if row["cap"] == record["cap"]}
    long = [row for row in record["rows"] if row["cap"] != record["cap"]]
    lines = [
        "# Family trees, Figs 2-4: which reading of the printed recipe learns",
        "",
        f"{record['num_runs']:,} seeds per recipe from 0 (half as many where weights change after "
        f"every case and in runs of {LONG_CAP:,} epochs), the same ones for all; cap "
        f"{record['cap']:,} epochs. {HELD_OUT} of {len(PAIRS)} cases are held out, drawn for each "
        f"run from its seed. *Solved*: all {len(PAIRS) - HELD_OUT} trained pairs right, every "
        "output unit nearer than 0.5 to its target; training stops there. 95 % intervals.",
        f"Made by `python -m experiments.family_trees --runs {record['num_runs']}`; do not edit by "
        "hand.",
        "",
        "## The answer",
        "",
        *_answer(record, short, long),
        "",
        *_why(record, short),
        "",
        "**Printed**: learning rate 0.005 for 20 epochs, then 0.01; momentum 0.5, then 0.9; every "
        "weight shrinks by 0.2 % after each change; no error inside the margin 0.2; 1,500 epochs. "
        "**The usual reading of what is open**: weights in +-0.3 (printed for symmetry only), "
        "biases that decay like any weight, decay from the beginning, outside the margin the error "
        "is measured from the target, the margin forgives units, weights change once per epoch. "
        '"Rate x2" is also the loss without the one half of equation (3).',
        "",
        "![solved](figures/solved.png)",
        "",
        "## How far the printed recipe is from one that works",
        "",
        "The recipe that solves most among those with that many printed numbers changed. Momentum "
        "counts by 1 / (1 - momentum), how long a change is remembered: 0.95 is twice 0.9.",
        "",
        "| printed numbers changed | by | open choices changed | recipe | solved |",
        "|---|---|---|---|---|",
    ]
    for words in record["ladder"]:
        row = short[words]
        d = row["distance"]
        lines.append(
            f"| {d['numbers']} | {_factor(d)} | {d['choices']} | {words} | "
            f"{percent(row['solved'])} |"
        )
    lines += ["", "## One choice at a time, from the printed recipe", ""]
    lines += recipe_table([short[words] for words in record["one_at_a_time"]])
    if record["steps"]:
        lines += ["", f"## One choice at a time, from the best recipe ({record['best']})", ""]
        lines += recipe_table([short[words] for words in record["steps"]], against=record["best"])
    if long:
        lines += ["", "## Do they only need longer?", ""]
        lines += [
            f"Followed to {long[0]['cap']:,} epochs:",
            "",
            *recipe_table(long, by_printed=True),
        ]
    if record["factorial"]:
        lines += ["", "## All combinations of what matters", ""]
        lines += grid_table([short[words] for words in record["factorial"]])
        lines += ["", "In full:", ""]
        lines += recipe_table([short[words] for words in record["factorial"]])
    lines += ["", *about_best(record), ""]
    return "\n".join(lines)


def _answer(
    record: Mapping[str, Any], short: Mapping[str, Any], long: Sequence[Mapping[str, Any]]
) -> list[str]:
    best, looks = short[record["best"]], record["looked_at"]
    printed = short.get("as printed")
    sentences = []
    if printed:
        longer_run = [row for row in long if row["words"] == "as printed"]
        later = (
            f", and {percent(longer_run[0]['solved'])} within {longer_run[0]['cap']:,}"
            if longer_run
            else ""
        )
        sentences.append(
            f"As printed, in the usual reading, {percent(printed['solved'])} of "
            f"{printed['runs']:,} runs learn their {len(PAIRS) - HELD_OUT} pairs within "
            f"{record['cap']:,} epochs (median: {printed['pairs_right']['median']:g} pairs right)"
            f"{later}."
        )
    near = short.get(record["nearest"] or "")
    nearest_words = (
        f"; the nearest to the printed one that solves at least {100 * WORKS:.0f} % is "
        f"*{record['nearest']}*, with {_changes(near)}: {percent(near['solved'])}"
        if near and record["nearest"] != record["best"]
        else ""
    )
    kept = short[record["best_with_decay"]]
    kept_words = (
        f"; with the printed decay the best is *{record['best_with_decay']}*, with "
        f"{_changes(kept)}: {percent(looks[-1]['solved_by_printed'])}"
        if len(looks) > 1
        else ""
    )
    sentences.append(
        f"The best recipe is *{record['best']}*, with {_changes(best)}: it solves "
        f"{percent(looks[0]['solved_by_printed'])} of {looks[0]['runs']:,} runs within "
        f"{record['cap']:,} epochs{kept_words}{nearest_words}."
    )
    pieces = []
    for look in looks:
        if "code" in look:
            held_out = look["held_out_at_printed"]
            seen = ", ".join(
                f"{name} in {percent(f['found'])}" for name, f in look["code"]["features"].items()
            )
            pieces.append(
                f"the best {look['why']} answers {percent(held_out['right'])} of the held-out "
                f"pairs and all four in {percent(held_out['all_right'])} of nets, and among its "
                f"six person units one is found for {seen}"
            )
    if pieces:
        sentences.append(
            f"After {record['cap']:,} epochs, of the nets that know all their trained pairs, "
            f"{'; '.join(pieces)} (by chance {100 * record['chance']['relation']:.1f} % of "
            f"held-out pairs, and each feature in 1 % of nets)."
        )
    return [" ".join(sentences)]


def _why(record: Mapping[str, Any], short: Mapping[str, Any]) -> list[str]:
    """Return why weights of the printed recipe stay small: how decay pulls, at rest."""
    printed = short.get("as printed")
    if not printed:
        return []
    others = dict.fromkeys((record["best"], record["best_with_decay"]))
    pulls = "; ".join(f"{_pull(short[w]):g} in *{w}*" for w in others)
    return [
        "Why: where weights come to rest, decay balances the gradient, and so acts as a penalty of "
        f"decay x (1 - momentum) / rate for each unit of weight: {_pull(printed):g} as printed. "
        "That is more than the error says through four layers of small weights, which shrink to an "
        f"rms of {printed['weight_rms']:.2f}. It is {pulls}.",
    ]


def _pull(row: Mapping[str, Any]) -> float:
    return float(row["decay"] * (1 - row["momentum"]) / (0.01 * row["rate"]))


def _changes(row: Mapping[str, Any]) -> str:
    d = row["distance"]
    numbers = f"{d['numbers']} printed number{'s' * (d['numbers'] != 1)} changed"
    if d["numbers"]:
        numbers += f" ({_factor(d)})"
    return f"{numbers} and {d['choices']} open choice{'s' * (d['choices'] != 1)} taken otherwise"


def _factor(distance: Mapping[str, Any]) -> str:
    words = [f"a factor of {distance['factor']:g} in all"] if distance["factor"] > 1 else []
    return ", ".join(words + ["decay left out"] * distance["no_decay"]) or "none"
