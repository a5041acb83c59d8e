"""The verdicts: whether a published number is one that we would not be surprised to have drawn."""

from collections.abc import Mapping
from typing import Any

from experiments.study import percent

MIDDLE = 0.025, 0.975
"""A printed run among these shares of ours is one that we would not be surprised to have drawn."""

_NO = "Does not match"


def verdict(row: Mapping[str, Any]) -> str:
    """Return in one sentence where the published number lies among our runs."""
    numbers = [figure for figure in row["published"] if figure["epochs"] is not None]
    places, verdicts = [], set()
    for figure in numbers:
        share = figure["percentile"]
        low, middle, high = (share[name] / 100 for name in ("low", "estimate", "high"))
        if row["bound"]:
            verdicts.add("Matches" if middle >= 0.5 else _NO)
        elif MIDDLE[0] <= middle <= MIDDLE[1]:
            verdicts.add("Matches")
        else:
            verdicts.add("Too few runs to tell" if low <= MIDDLE[1] and high >= MIDDLE[0] else _NO)
        places.append(
            f"{figure['epochs']:,} ({figure['mark']}) is at percentile {100 * middle:.1f} "
            f"({100 * low:.1f} to {100 * high:.1f})"
        )
    word = next(word for word in (_NO, "Too few runs to tell", "Matches") if word in verdicts)
    because = f" {row['because']}" if row["because"] and word == _NO else ""
    return f"{word}: {'; '.join(places)}.{because}"


def judge_learned(row: Mapping[str, Any]) -> str:
    solved = row["success_rate"]
    often = "in some runs" if row["converged"] else "in none"
    often = "in most runs" if solved["low"] > 0.5 else often
    if not row["published"]:
        return f"Nothing published to compare; learned {often}."
    match = "Matches" if row["converged"] else _NO
    return f"{match}: no number of epochs is known; it is learned {often}."


def judge_timing(row: Mapping[str, Any]) -> str:
    held_out = row["held_out"]
    if not held_out["runs"]:
        return f"{_NO}: no run learns its 130 sequences."
    share = held_out["at_most_one_wrong"]
    match = "Matches" if share["high"] > 2 * MIDDLE[0] else _NO
    return (
        f"{match}: learned in most runs; {percent(share)} of them have at most one of 20 novel "
        "sequences wrong (unverified figure)."
    )


def judge_family_trees(row: Mapping[str, Any]) -> str:
    (figure,) = row["published"]
    share = figure["percentile"]
    learned = (
        f"{share['estimate']:.1f} % of runs ({share['low']:.1f} to {share['high']:.1f}) know their "
        f"100 pairs after {figure['epochs']:,} epochs"
    )
    held_out = row["held_out"]
    if not held_out["runs"]:
        return f"{_NO}: {learned}. {row['because']}"
    # Four of four right, and seven of eight in two runs: at least three of four in each.
    claim, right = "all four", held_out["all_right"]
    if figure["epochs"] == 500:
        claim, right = "at least three of four", held_out["at_most_one_wrong"]
    words = f"{learned}; {claim} held-out pairs are right in {percent(right)} of nets that do"
    often = share["low"] >= 50 and right["estimate"] >= 2 * MIDDLE[0]
    return f"{'Matches, as a lucky run' if often else _NO}: {words}."


def judge_local_minima(row: Mapping[str, Any]) -> str:
    solved = row["success_rate"]
    stuck = {
        "estimate": 1 - solved["estimate"],
        "low": 1 - solved["high"],
        "high": 1 - solved["low"],
    }
    return (
        f"{percent(stuck)} of runs are unsolved after {row['max_epochs']:,} epochs, where the "
        "chapter met two in hundreds of runs (of several nets): "
        + ("about as rare." if stuck["low"] < 0.02 else "rare, but not that rare.")
    )


def judge_addition(row: Mapping[str, Any]) -> str:
    solved = row["success_rate"]
    said_to_stick = "2 hidden" in row["title"]
    sticks = solved["high"] < 0.98
    word = "Matches" if sticks == said_to_stick else _NO
    claim = "are met regularly" if said_to_stick else "are never met"
    return (
        f"{word}: local minima {claim} (unverified), and {percent(solved)} of our runs are "
        "solved. It depends on which connections that are not drawn existed."
    )
