"""What a report says of several settings side by side: the points of a grid, or several sweeps.

Runs of different settings are never taken together: every point of a grid is a group of its own.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from bpjax.analysis.log_rank import LogRank, log_rank, pairwise_log_rank
from bpjax.analysis.outcomes import Outcomes
from bpjax.analysis.paired import Paired
from bpjax.comparing import Compared, compare
from bpjax.figures.sweeps import points
from bpjax.report import tables
from bpjax.report.figures import Figure, comparison_figure
from bpjax.report.folders import Sweep
from bpjax.report.tables import Table
from bpjax.report.words import count, difference, pvalue, rate
from bpjax.sweeps.result import SweepResult

MOST_SETTINGS = 200
"""More are too many to be held against one another on a page."""
MOST_TESTED = 10
"""Of more settings not every two are tested by themselves."""


class Comparison(NamedTuple):
    """Several settings side by side; `lead` and `notes` as in a part.

    `figure` is None where they are those of one sweep, which has it, or too many; then `missing`
    says so.
    """

    lead: str
    notes: Sequence[str]
    tables: Sequence[Table]
    figure: Figure | None
    missing: str


def comparison(
    sweeps: Sequence[Sweep], summaries: Sequence[Mapping[str, Any]]
) -> Comparison | None:
    """Return what is said of all settings together; None for a single one."""
    groups = _groups(sweeps)
    if len(groups) < 2:
        return None
    if len(groups) > MOST_SETTINGS:
        words = f"They are {len(groups):,} settings, too many to be compared on a page."
        return Comparison(words, [], [], None, "")
    test = log_rank(list(groups.values()))
    beside = _beside_the_first(sweeps, list(groups))
    found = []
    figure, missing = None, ""
    if len(sweeps) > 1:
        found.append(tables.compared(sweeps, summaries, test))
        figure = comparison_figure(sweeps)
        missing = "" if figure else "They are too many for one figure."
    if len(beside) > 1:
        found.append(tables.paired(beside))
    if test and 2 < len(groups) <= MOST_TESTED:
        found.append(tables.pairs(pairwise_log_rank(groups)))
    return Comparison(
        lead=" ".join([*_paired_words(beside), _verdict(test, groups, sweeps)]),
        notes=_comparison_notes(sweeps, summaries, len(groups)),
        tables=found,
        figure=figure,
        missing=missing,
    )


def _groups(sweeps: Sequence[Sweep]) -> dict[str, Outcomes]:
    """Return the runs of every setting: of every point of every sweep."""
    return {
        name: runs
        for sweep in sweeps
        for name, runs in zip(_names(sweep, sweeps), points(sweep.table).values(), strict=True)
    }


def _names(sweep: Sweep, sweeps: Sequence[Sweep]) -> list[str]:
    """Return the names of a sweep's settings, with its own where there are several sweeps."""
    labels = list(points(sweep.table))
    if len(sweeps) == 1:
        return labels
    return [sweep.name] if len(labels) == 1 else [f"{sweep.name}: {label}" for label in labels]


def _beside_the_first(sweeps: Sequence[Sweep], names: Sequence[str]) -> list[Compared]:
    """Return the first setting and the others beside it, run by run of the same seeds.

    Sweeps that kept no rows are left out: of counts it is not known which seed ended how.
    """
    rows = [sweep for sweep in sweeps if sweep.table.identity["rows"] != "counts"]
    own = [name for sweep in rows for name in _names(sweep, sweeps)]
    if len(own) < 2:
        return []
    results = {sweep.name: SweepResult(sweep.table, None) for sweep in rows}
    found = compare(results)
    return [one._replace(name=name) for one, name in zip(found, own, strict=True)]


def _paired_words(beside: Sequence[Compared]) -> list[str]:
    """Return what the pairs of two settings say, or where those of more are found."""
    if len(beside) < 2:
        return []
    base, *others = beside
    if all(other.pairs is None for other in others):
        return ["No seed is in common, so there are no pairs of runs."]
    if len(others) > 1:
        return [f"Over the same seeds, each is held against {base.name} as pairs of runs, below."]
    pairs = others[0].pairs
    assert pairs is not None
    value, interval = difference(pairs.difference)
    name, seeds = others[0].name, count(pairs.num_pairs)
    words = (
        f"Over the {seeds} seeds in common, {value} points ({interval}) more runs converge with "
        f"{name} than with {base.name} (p {_equals(pairs.solved_pvalue)})"
    )
    return [f"{words}{_sooner(name, pairs)}."]


def _sooner(name: str, pairs: Paired) -> str:
    told = pairs.first_faster + pairs.second_faster
    if not told:
        return ""
    value, interval = rate(pairs.faster._asdict())
    often = f"{value} ({interval}) of the {count(told)} pairs that tell"
    return f", and {name} is sooner in {often} (p {_equals(pairs.faster_pvalue)})"


def _verdict(test: LogRank | None, groups: Mapping[str, Outcomes], sweeps: Sequence[Sweep]) -> str:
    if test is None:
        return "The log-rank test cannot compare them: hardly a run converged, or all at once."
    words = "differ" if test.pvalue < 0.05 else "do not differ by more than chance explains"
    what = "sweeps" if len(groups) == len(sweeps) else "settings"
    return (
        f"The survival curves of the {len(groups)} {what} {words}: log-rank chi-square "
        f"{test.statistic:,.2f}, {test.degrees} degree{'s' * (test.degrees > 1)} of freedom, "
        f"p {_equals(test.pvalue)}."
    )


def _equals(value: float) -> str:
    text = pvalue(value)
    return text if text.startswith("below") else f"= {text}"


def _comparison_notes(
    sweeps: Sequence[Sweep], summaries: Sequence[Mapping[str, Any]], num_groups: int
) -> list[str]:
    notes = []
    for key, words in (("task", "tasks"), ("criterion", "criteria")):
        if len({summary[key] for summary in summaries}) > 1:
            notes.append(f"The sweeps have different {words}, and the test compares those too.")
    seeds = sorted(pair for summary in summaries for pair in summary["seeds"]["ranges"])
    what = "sweeps" if num_groups == len(sweeps) else "settings"
    if num_groups > len(sweeps) or any(one[1] > other[0] for one, other in pairwise(seeds)):
        notes.append(
            f"The {what} share seeds, and runs of one seed may start from the same weights. The "
            "comparison of pairs makes use of that. The log-rank test takes all runs for "
            "independent: where runs of one seed end alike, its p values are too large rather "
            "than too small."
        )
    counts = [sweep.name for sweep in sweeps if sweep.table.identity["rows"] == "counts"]
    if counts:
        which = ", ".join(counts)
        notes.append(f"Only counts were kept of {which}, no row per run: no pairs there.")
    if num_groups > MOST_TESTED:
        notes.append(
            f"They are more than {MOST_TESTED}, so not every two are tested by themselves; name "
            "the settings of interest in sweeps of their own for that."
        )
    if any(sweep.missing for sweep in sweeps):
        notes.append("Not all runs are there yet; those that are there are compared.")
    return notes
