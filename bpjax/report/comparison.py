"""What a report says of several sweeps together."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from bpjax.analysis.log_rank import LogRank, log_rank, pairwise_log_rank
from bpjax.report import tables
from bpjax.report.figures import Figure, comparison_figure
from bpjax.report.folders import Sweep
from bpjax.report.tables import Table
from bpjax.report.words import pvalue


class Comparison(NamedTuple):
    """Several sweeps side by side; `lead` and `notes` as in a part."""

    lead: str
    notes: Sequence[str]
    tables: Sequence[Table]
    figure: Figure | None


def comparison(sweeps: Sequence[Sweep], summaries: Sequence[Mapping[str, Any]]) -> Comparison:
    """Return what is said of several sweeps together."""
    groups = {sweep.name: sweep.outcomes for sweep in sweeps}
    test = log_rank(list(groups.values()))
    found = [tables.compared(sweeps, summaries, test)]
    if test and len(groups) > 2:
        found.append(tables.pairs(pairwise_log_rank(groups)))
    return Comparison(
        lead=_verdict(test, len(groups)),
        notes=_comparison_notes(sweeps, summaries),
        tables=found,
        figure=comparison_figure(groups),
    )


def _verdict(test: LogRank | None, num_groups: int) -> str:
    if test is None:
        return "The log-rank test cannot compare them: hardly a run converged, or all at once."
    words = "differ" if test.pvalue < 0.05 else "do not differ by more than chance explains"
    return (
        f"The survival curves of the {num_groups} sweeps {words}: log-rank chi-square "
        f"{test.statistic:,.2f}, {test.degrees} degree{'s' * (test.degrees > 1)} of freedom, "
        f"p {_equals(test.pvalue)}."
    )


def _equals(value: float) -> str:
    text = pvalue(value)
    return text if text.startswith("below") else f"= {text}"


def _comparison_notes(sweeps: Sequence[Sweep], summaries: Sequence[Mapping[str, Any]]) -> list[str]:
    notes = []
    for key, words in (("task", "tasks"), ("criterion", "criteria")):
        if len({summary[key] for summary in summaries}) > 1:
            notes.append(f"The sweeps have different {words}, and the test compares those too.")
    seeds = sorted(
        (summary["seeds"]["first"], summary["seeds"]["first"] + summary["seeds"]["count"])
        for summary in summaries
    )
    if any(one[1] > other[0] for one, other in pairwise(seeds)):
        notes.append(
            "The sweeps share seeds. Runs of one seed may start from the same weights, and the "
            "test takes all runs for independent: where such runs end alike, its p values are "
            "too large rather than too small."
        )
    if any("cells" in summary for summary in summaries):
        notes.append("All runs of a grid are taken together.")
    if any(sweep.missing for sweep in sweeps):
        notes.append("Not all sweeps are finished; the runs that are there are compared.")
    return notes
