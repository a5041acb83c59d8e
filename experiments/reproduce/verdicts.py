"""The verdicts: how a published figure stands beside our runs, each kind in its own words.

The rule, by what was published:

- **the epochs of one run** are one draw. The word is *matches* where the draw is no surprise: where
  it lies among the middle 95 % of our runs, those that are unsolved counted as later. That has no
  upper end once more than 2.5 % of runs are unsolved, so from there on (where the interval of the
  unsolved share lies above 2.5 %) two questions are answered apart: how often a run is solved at
  all by the cap, and where the number lies among those. *Matches among the solved* is said where no
  majority of runs is sure to be solved.
- **a mean of several runs** is no draw, and has to lie nearer to the middle: it is *near the
  middle* between our quartiles, *off the middle* elsewhere among the middle 95 %.
- **a bound** ("under 200") is said of all runs, so the share of ours that keep to it is the answer:
  *kept by nearly all runs* from 95 % on, *by most* from one half, each with the whole interval, *by
  a minority of* them where it lies below one half.
- **how often** ("never", "regularly", "learned") is a share too, and gets words for shares.
- **what one net got right** *matches, as a lucky run*, where at least 5 % of ours are as good.

A number is refused only where the whole 95 % interval refuses it; else there are *too few runs to
tell*.
"""

from collections.abc import Mapping
from typing import Any

from bpjax.analysis.convergence import success_rate
from experiments.study import percent

MIDDLE = 0.025, 0.975
"""A printed run among these shares of ours is one that we would not be surprised to have drawn."""
QUARTERS = 0.25, 0.75
"""The mean of several runs lies between them, if it is that of ours."""
NEARLY_ALL = 0.95

_NO = "Does not match"
_TOO_FEW = "Too few runs to tell"


def verdict(row: Mapping[str, Any]) -> str:
    """Return in one or two sentences how the published numbers of epochs stand beside our runs."""
    figures = [figure for figure in row["published"] if figure["epochs"] is not None]
    bounds = [_of_a_bound(figure) for figure in figures if figure["counts"] == "bound"]
    draws = [figure for figure in figures if figure["counts"] in ("run", "mean")]
    return " ".join([*bounds, *([_of_draws(row, draws)] if draws else [])])


def _of_a_bound(figure: Mapping[str, Any]) -> str:
    kept = _shares(figure)
    word = f"Kept by {how_many(kept)} runs"
    return f"{word}: {percent(kept)} within the bound of {_named(figure)}."


def _of_draws(row: Mapping[str, Any], figures: list[Mapping[str, Any]]) -> str:
    """Return the verdict on numbers of epochs of single runs, or means of several."""
    solved, cap = row["success_rate"], f"{row['max_epochs']:,}"
    if not row["converged"]:
        return (
            f"{_NO}: {percent(solved)} of runs are solved by epoch {cap}. {row['because']}".strip()
        )
    apart = solved["high"] < MIDDLE[1]
    by_then = [_shares(figure) for figure in figures]
    if apart:
        by_then = [_among_the_solved(row, figure) for figure in figures]
    words = [_word(*pair) for pair in zip(figures, by_then, strict=True)]
    word = next(each for each in _WORST_FIRST if each in words)
    if apart and solved["low"] <= 0.5:
        word += ", even among the solved" if word == _NO else " among the solved"
    places = [
        f"{_named(figure)} is at percentile {_percentile(share)}"
        for figure, share in zip(figures, by_then, strict=True)
    ]
    told = "; ".join(places)
    if apart:
        told = f"{percent(solved)} of runs are solved by epoch {cap}; among those, {told}"
    because = f" {row['because']}" if row["because"] and word.startswith(_NO) else ""
    return f"{word}: {told}.{because}"


_WORST_FIRST = (_NO, _TOO_FEW, "Off the middle", "Near the middle", "Matches")


def _word(figure: Mapping[str, Any], by_then: Mapping[str, Any]) -> str:
    """Return how a number stands among runs of which a share needed no more epochs."""
    if not MIDDLE[0] <= by_then["estimate"] <= MIDDLE[1]:
        surely = by_then["low"] > MIDDLE[1] or by_then["high"] < MIDDLE[0]
        return _NO if surely else _TOO_FEW
    if figure["counts"] != "mean":
        return "Matches"
    near = by_then["high"] >= QUARTERS[0] and by_then["low"] <= QUARTERS[1]
    return "Near the middle" if near else "Off the middle"


def _shares(figure: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of all runs that needed no more epochs than a published number."""
    return {name: figure["percentile"][name] / 100 for name in ("estimate", "low", "high")}


def _among_the_solved(row: Mapping[str, Any], figure: Mapping[str, Any]) -> dict[str, Any]:
    """Return likewise the share of the runs that were solved, at least one."""
    by_then = round(row["num_runs"] * figure["percentile"]["estimate"] / 100)
    return success_rate(by_then, row["converged"])._asdict()


def _named(figure: Mapping[str, Any]) -> str:
    mean = "a mean of " if figure["counts"] == "mean" else ""
    return f"{mean}{figure['epochs']:,} ({figure['mark']})"


def _percentile(share: Mapping[str, Any]) -> str:
    middle, low, high = (100 * share[name] for name in ("estimate", "low", "high"))
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def how_many(share: Mapping[str, Any]) -> str:
    """Return the word for a share of runs by its interval, as in "learned in ... runs".

    Example:
      >>> how_many(success_rate(1000, 1000)._asdict()), how_many(success_rate(930, 1000)._asdict())
      ('nearly all', 'most')
      >>> how_many(success_rate(50, 100)._asdict()), how_many(success_rate(10, 100)._asdict())
      ('about half of', 'a minority of')
      >>> how_many(success_rate(0, 100)._asdict())
      'none of our'
    """
    if not share["estimate"]:
        return "none of our"
    if share["low"] >= NEARLY_ALL:
        return "nearly all"
    if share["low"] > 0.5:
        return "most"
    return "a minority of" if share["high"] < 0.5 else "about half of"


def judge_learned(row: Mapping[str, Any]) -> str:
    """Return how often a task is learned of which no number of epochs is known."""
    solved = row["success_rate"]
    learned = f"earned in {how_many(solved)} runs by epoch {row['max_epochs']:,}, {percent(solved)}"
    if not row["published"]:
        return f"Nothing published to compare; l{learned}."
    return f"L{learned}; no number of epochs is known."


def judge_timing(row: Mapping[str, Any]) -> str:
    """Return whether a net with so few wrong answers could be one of ours."""
    held_out, solved = row["held_out"], row["success_rate"]
    if not held_out["runs"]:
        return f"{_NO}: no run learns its 130 sequences."
    share = held_out["at_most_one_wrong"]
    return (
        f"{_lucky(share)}: learned in {how_many(solved)} runs, {percent(solved)}; {percent(share)} "
        "of those have at most one of 20 novel sequences wrong (unverified figure)."
    )


def _lucky(share: Mapping[str, Any]) -> str:
    """Return the word for one printed net of a kind that such a share of ours is of."""
    if share["low"] > 0.5:
        return "Matches"
    if share["estimate"] >= 2 * MIDDLE[0]:
        return "Matches, as a lucky run"
    return _NO if share["high"] < 2 * MIDDLE[0] else _TOO_FEW


def judge_family_trees(row: Mapping[str, Any]) -> str:
    """Return how many runs know their pairs when the published ones ended, and the others too."""
    (figure,) = row["published"]
    share = _shares(figure)
    learned = (
        f"{percent(share)} of runs know their 100 pairs after {figure['epochs']:,} epochs, as long "
        "as the published ones were trained"
    )
    held_out = row["held_out"]
    if not held_out["runs"]:
        return f"{_NO}: {learned}. {row['because']}"
    # Four of four right, and seven of eight in two runs: at least three of four in each.
    claim, right = "all four", held_out["all_right"]
    if figure["epochs"] == 500:
        claim, right = "at least three of four", held_out["at_most_one_wrong"]
    nets = f"the {held_out['runs']:,} nets that know them in the end"
    words = f"{learned}; {claim} held-out pairs are right in {percent(right)} of {nets}"
    return f"{_lucky(right) if share['low'] >= 0.5 else _NO}: {words}."


def judge_local_minima(row: Mapping[str, Any]) -> str:
    """Return how rare unsolved runs are, beside two in hundreds."""
    stuck = _unsolved(row)
    return (
        f"{percent(stuck)} of runs are unsolved after {row['max_epochs']:,} epochs, where the "
        "chapter met two in hundreds of runs (of several nets): "
        + ("about as rare." if stuck["low"] < 0.02 else "rare, but not that rare.")
    )


def judge_addition(row: Mapping[str, Any]) -> str:
    """Return how often runs are unsolved where local minima are said to be regular, or unknown."""
    stuck = _unsolved(row)
    regular = "2 hidden" in row["title"]
    claim = "met regularly" if regular else "never met"
    few, many = stuck["high"] <= 1 - NEARLY_ALL, stuck["low"] > 1 - NEARLY_ALL
    word = "As published" if many else "Not as published" if few else _TOO_FEW
    if not regular:
        word = "Nearly as published" if few else "Not as published" if many else _TOO_FEW
        word = "As published" if not stuck["estimate"] else word
    return (
        f"{word}: local minima are said to be {claim} (unverified), and {percent(stuck)} of our "
        "runs are unsolved. It depends on which connections that are not drawn existed."
    )


def _unsolved(row: Mapping[str, Any]) -> dict[str, float]:
    solved = row["success_rate"]
    ends = {"estimate": "estimate", "low": "high", "high": "low"}
    return {name: 1 - solved[other] for name, other in ends.items()}
