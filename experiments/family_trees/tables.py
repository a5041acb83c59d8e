"""The tables: one line per recipe, and the share solved per combination of settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.family_trees.recipes import CAP
from experiments.study import percent, quartiles


def recipe_table(
    rows: Sequence[Mapping[str, Any]], by_printed: bool = False, against: str = ""
) -> list[str]:
    """Return one line per recipe; the name of `against` stands out."""
    more = f" solved by {CAP:,} |" if by_printed else ""
    lines = [
        f"| recipe | runs |{more} solved | trained pairs right, median (10 to 90 %) | epochs, "
        "median (quartiles) | held-out answers right | all four right | weight rms |",
        "|---|---|---|---|---|---|---|---|" + "---|" * by_printed,
    ]
    for row in rows:
        right, held_out = row["pairs_right"], row["held_out"]
        name = f"**{row['words']}**" if row["words"] == against else row["words"]
        cells = [name, f"{row['runs']:,}"]
        cells += [percent(row["solved_by_printed"])] * by_printed
        cells += [
            percent(row["solved"]),
            f"{right['median']:g} ({right['q10']:g} to {right['q90']:g})",
            quartiles(row["epochs"], row["cap"]),
            percent(held_out["right"]) if held_out and held_out["runs"] > 1 else "",
            percent(held_out["all_right"]) if held_out else "",
            f"{row['weight_rms']:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def grid_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the share solved, rates and momenta across, the rest down."""
    across = sorted({(row["rate"], row["momentum"]) for row in rows})
    down = sorted({(row["measured_from"], row["init_range"], row["decay"]) for row in rows})
    found = {
        (row["measured_from"], row["init_range"], row["decay"], row["rate"], row["momentum"]): row
        for row in rows
    }
    head = " | ".join(f"rate x{rate:g}, momentum {momentum:g}" for rate, momentum in across)
    lines = [f"| error from | weights | decay | {head} |", "|---" * (3 + len(across)) + "|"]
    for measured_from, width, decay in down:
        shares = []
        for point in across:
            row = found.get((measured_from, width, decay, *point))
            shares.append(f"{100 * row['solved']['estimate']:.1f} %" if row else "")
        lines.append(f"| {measured_from} | +-{width:g} | {decay:g} | {' | '.join(shares)} |")
    return lines
