"""What the best recipes learn, in words: their answers and their person units."""

from collections.abc import Mapping, Sequence
from typing import Any

from bpjax.tasks.family_trees import person_features
from experiments.family_trees.codes import PURE
from experiments.family_trees.recipes import CAP, HELD_OUT
from experiments.study import number, percent


def about_best(record: Mapping[str, Any]) -> list[str]:
    """Return the section on the recipes that were looked at."""
    looks = record["looked_at"]
    lines = ["## What the best recipes learn", ""]
    for look in looks:
        epochs = look["epochs"]
        lines += [
            f"**The best {look['why']}**, {look['words']}; {look['runs']:,} runs. "
            f"{percent(look['solved_by_500'])} are solved within 500 epochs, "
            f"{percent(look['solved_by_printed'])} within {record['cap']:,} (the percentile at "
            f"which the printed number lies), {percent(look['solved_by_long_cap'])} within "
            f"{look['long_cap']:,}; median {number(epochs['median'])}, quartiles "
            f"{number(epochs['q25'])} and {number(epochs['q75'])}. After exactly "
            f"{record['cap']:,} epochs, whether solved before or not, "
            f"{percent(look['right_at_printed'])} have all trained pairs right: these are its "
            "nets below, unless said otherwise.",
            "",
        ]
    lines += [
        "| held-out answers | nets | right | all four right | at most one of four wrong |",
        "|---|---|---|---|---|",
    ]
    for look in looks:
        for words, name in (
            ("when the trained pairs are first all right", "held_out_when_solved"),
            (f"after {record['cap']:,} epochs", "held_out_at_printed"),
        ):
            if look[name]:
                row = look[name]
                shares = (row[part] for part in ("right", "all_right", "at_most_one_wrong"))
                lines.append(
                    f"| the best {look['why']}, {words} | {row['runs']:,} | "
                    f"{' | '.join(map(percent, shares))} |"
                )
    lines += [
        f"| paper: one run of 1,500 epochs (verified) | 1 | 4 of {HELD_OUT} | yes | yes |",
        "| UCI documentation of Hinton 1986: two runs of 500 epochs (verified) | 2 | 7 of 8 | | |",
        "",
        "By chance: naming one of the 24 people at random is right in "
        f"{100 * record['chance']['person']:.1f} % of held-out cases; giving the answer that is "
        "most frequent for the relation among the trained cases in "
        f"{100 * record['chance']['relation']:.1f} %.",
    ]
    return [*lines, "", *_about_code([look for look in looks if "code" in look])]


def _about_code(looks: Sequence[Mapping[str, Any]]) -> list[str]:
    if not looks:
        return []
    lines = [
        "The six person units of Fig. 4. A feature is *found* if it explains more of some unit's "
        "variance than the best of six units exceeds in 1 % of relabellings: by chance it is found "
        "in 1 % of nets.",
        "",
        f"| feature | recipe | nets | found | threshold | explains over {100 * PURE:.0f} % of a "
        "unit | variance of the best unit explained, median | of a unit that knows nothing |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in person_features():
        for look in looks:
            code, feature = look["code"], look["code"]["features"][name]
            lines.append(
                f"| {name} | the best {look['why']} | {code['nets']:,} | "
                f"{percent(feature['found'])} | {feature['threshold']:.2f} | "
                f"{percent(feature['pure'])} | {feature['median']:.2f} | "
                f"{feature['chance']:.2f} |"
            )
    for look in looks:
        code = look["code"]
        lines += [
            "",
            f"The best {look['why']}: all three features by different units in "
            f"{percent(code['each_by_a_unit_of_its_own'])} of nets. Distance between the codes "
            "of twins, as a share of that between others, mean over nets: "
            f"{_range(code['twin_distance'])}; without the unit that says most about nationality "
            f"{_range(code['twin_distance_without_nationality'])}, below 1 in "
            f"{percent(code['twins_nearer'])} of nets.",
        ]
    shown = looks[-1]["shown"]
    lines += [
        "",
        "![features](figures/features.png)",
        "",
        f"Weights into the six person units of seed {shown['seed']} of the best "
        f"{looks[-1]['why']}, a net of about the median number of epochs ({shown['epochs']:,}), "
        f"after {CAP:,}, drawn as in Fig. 4; the units are put in the paper's order.",
        "",
        "![person units](figures/person_units.png)",
    ]
    return lines


def _range(mean: Mapping[str, float]) -> str:
    return f"{mean['estimate']:.2f} ({mean['low']:.2f} to {mean['high']:.2f})"
