"""The tables of a report, as text: outcomes, grids, comparisons, where and when."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bpjax.analysis.convergence import success_rate
from bpjax.analysis.log_rank import LogRank, Pair, holm
from bpjax.comparing import Compared
from bpjax.figures.sweeps import told_apart
from bpjax.report.folders import Source, Sweep
from bpjax.report.words import (
    count,
    decimal,
    difference,
    level,
    moments,
    name,
    pvalue,
    rate,
    setting,
    span,
    speed,
)
from bpjax.results.summary import Timing
from bpjax.run_folder import SavedRun
from bpjax.text import duration

MOST_ROWS = 50
MOST_WEIGHTS = 60
"""Parameters of the largest net whose weights are listed."""


class Table(NamedTuple):
    """A table: what it shows, its columns, its rows; the first cell of a row says what it is about.

    `more` says what was left out.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    more: str = ""


def outcomes(summary: Mapping[str, Any]) -> Table:
    """Return how runs ended, each outcome with its share and interval."""
    words = (
        ("converged", "converged"),
        ("at the cap", "max_epochs_reached"),
        ("non-finite", "nonfinite"),
    )
    share = level(summary["success_rate"]["level"])
    rows = []
    for text, key in words:
        found = success_rate(summary[key], summary["num_runs"], summary["success_rate"]["level"])
        rows.append([text, count(summary[key]), *rate(found._asdict())])
    return Table("How the runs ended", ["outcome", "runs", "share", f"{share} interval"], rows)


def epochs(summary: Mapping[str, Any]) -> Table:
    """Return how long runs took, in quantiles of all of them."""
    found = summary["epochs"]
    words = (
        ("first quarter", "q25", "q25_"),
        ("half", "median", ""),
        ("three quarters", "q75", "q75_"),
    )
    rows = [
        [f"{text} converged", count(found[key]), span(found[f"{ends}low"], found[f"{ends}high"])]
        for text, key, ends in words
    ]
    if found["min"] is not None:
        rows.append(["first and last to converge", span(found["min"], found["max"]), ""])
    if restart := summary["restart"]:
        rows.append(["best moment to give up and restart", count(restart["cutoff"]), ""])
        rows.append(["expected then per solution", count(restart["expected_epochs"]), ""])
    return Table(
        "How many epochs it took", ["", "epochs", f"{level(found['level'])} interval"], rows
    )


def held_out(answers: Mapping[str, Any]) -> Table:
    """Return how runs answer the cases that they were not trained on."""
    rows = []
    for text, key in (("converged runs", "converged"), ("all runs", "all_runs")):
        if found := answers[key]:
            shares = [" (".join(rate(found[which])) + ")" for which in ("share_right", "all_right")]
            rows.append([text, count(found["num_runs"]), *shares])
    head = ["", "runs", f"of {answers['num_cases']:,} cases right", "runs with all of them right"]
    return Table("Answers to the cases held out", head, rows)


def cells(summary: Mapping[str, Any]) -> Table:
    """Return one row per point of a grid, the first ones of many."""
    points = summary["cells"]
    names = list(points[0]["settings"])
    broken = any(point["nonfinite"] for point in points)
    answers = any(point["held_out"] for point in points)
    values = {key: _values([point["settings"][key] for point in points]) for key in names}
    rows = []
    for k, point in enumerate(points[:MOST_ROWS]):
        row = [*(values[key][k] for key in names), *_short_outcome(point)]
        row += [count(point["nonfinite"])] * broken
        rows.append(row + [_answers(point["held_out"])] * answers)
    share = level(points[0]["success_rate"]["level"])
    head = [*map(name, names), *_short_head(share), *["non-finite"] * broken]
    head += ["held-out cases right"] * answers
    return Table("Each point of the grid", head, rows, _more(len(points), "points of the grid"))


def _values(found: Sequence[Any]) -> list[str]:
    """Return the values of a setting; numbers in as few digits as tell them apart."""
    pairs = zip(found, told_apart(found), strict=True)
    return [short if isinstance(value, float) else setting(value) for value, short in pairs]


def _answers(answers: Mapping[str, Any] | None) -> str:
    """Return how all runs of a point answer the cases that they were not trained on."""
    if not answers or not answers["all_runs"]:
        return "–"
    share, interval = rate(answers["all_runs"]["share_right"])
    return f"{share} ({interval})"


def compared(
    sweeps: Sequence[Sweep],
    summaries: Sequence[Mapping[str, Any]],
    test: LogRank | None,
) -> Table:
    """Return one row per setting, with what it differs in, the first ones of many.

    Args:
      sweeps: what is compared; of a grid, each of its points is a setting.
      summaries: theirs.
      test: of all settings.
    """
    found = [
        (sweep.name, point)
        for sweep, summary in zip(sweeps, summaries, strict=True)
        for point in _points(summary)
    ]
    settings = [_all_settings(point) for _, point in found]
    keys = dict.fromkeys(key for one in settings for key in one)
    differing = {
        key: _values([one.get(key, "–") for one in settings])
        for key in keys
        if len({str(one.get(key)) for one in settings}) > 1
    }
    head = ["sweep", *map(name, differing), *_short_head(level(0.95))]
    if test:
        head.append("ratio to expected")
    rows = []
    for k, (words, point) in enumerate(found):
        row = [words, *(values[k] for values in differing.values()), *_short_outcome(point)]
        if test:
            ratio = test.observed[k] / test.expected[k] if test.expected[k] else float("nan")
            row.append(f"{ratio:.2f}")
        rows.append(row)
    what = "settings" if len(found) > len(sweeps) else "sweeps"
    return Table(f"The {what} side by side", head, rows[:MOST_ROWS], _more(len(rows), what))


def _points(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a summary of every point of its grid; itself without one."""
    if len(summary.get("cells", ())) < 2:
        return [summary]
    return [
        {**summary, **cell, "settings": {**summary["settings"], **cell["settings"]}}
        for cell in summary["cells"]
    ]


def paired(beside: Sequence[Compared]) -> Table:
    """Return one row per setting beside the first, over the seeds they have in common."""
    base, *others = beside
    tested = [one.pairs for one in others if one.pairs is not None]
    solved, sooner = (
        iter(holm([getattr(pairs, which) for pairs in tested]))
        for which in ("solved_pvalue", "faster_pvalue")
    )
    rows = []
    for one in others:
        if one.pairs is None:
            rows.append([one.name, "none", *["–"] * 4])
            continue
        value, interval = difference(one.pairs.difference)
        told = one.pairs.first_faster + one.pairs.second_faster
        often = "no pair tells"
        if told:
            share, ends = rate(one.pairs.faster._asdict())
            often = f"{share} of {count(told)} ({ends})"
        row = [one.name, count(one.pairs.num_pairs), f"{value} ({interval})", pvalue(next(solved))]
        rows.append([*row, often, pvalue(next(sooner))])
    p = "p after Holm" if len(tested) > 1 else "p"
    head = ["setting", "pairs", "more converged, points", p, "sooner, of pairs that tell", p]
    caption = f"Beside {base.name}, over the same seeds"
    return Table(caption, head, rows[:MOST_ROWS], _more(len(rows), "settings"))


def pairs(found: Sequence[Pair]) -> Table:
    """Return one row per two settings, the first ones of many."""
    rows = [
        [
            f"{pair.first} and {pair.second}",
            f"{pair.test.statistic:,.2f}",
            pvalue(pair.test.pvalue),
            pvalue(pair.adjusted),
        ]
        for pair in found[:MOST_ROWS]
    ]
    head = ["pair", "chi-square", "p", "p after Holm"]
    return Table("Every two by themselves", head, rows, _more(len(found), "pairs"))


def sources(found: Sequence[Source]) -> Table:
    """Return where and when each folder was made, and how long it took where that is recorded."""
    timed = any(source.timing for source in found)
    head = ["folder", "device", "written"]
    if timed:
        head += ["compiled in", "trained in", "runs in that time", "seed-epochs/s"]
    rows = []
    for source in found[:MOST_ROWS]:
        device = source.environment
        where = f"{device['num_devices']} × {device['device_kind']}"
        row = [source.path, where, moments(source.began, source.ended)]
        rows.append(row + _times(source.timing) if timed else row)
    return Table("Where and when", head, rows, _more(len(found), "folders"))


def _times(timing: Timing | None) -> list[str]:
    if timing is None:
        return ["not recorded"] * 4
    seconds = timing.run_seconds
    return [
        duration(timing.compile_seconds),
        duration(seconds),
        count(timing.runs),
        speed(timing.seed_epochs / seconds) if seconds > 0 else "–",
    ]


def weights(saved: SavedRun) -> Table | None:
    """Return the first and the last weights of a run; None if they are too many to be read."""
    if len(saved.weight_names) > MOST_WEIGHTS:
        return None
    start, end = saved.snapshots.weights[0], saved.snapshots.weights[-1]
    rows = [
        [text, decimal(first), decimal(last)]
        for text, first, last in zip(saved.weight_names, start, end, strict=True)
    ]
    return Table("Weights at the start and at the end", ["weight", "start", "end"], rows)


def _short_head(share: str) -> list[str]:
    return ["runs", "converged", f"{share} interval", "median epochs", f"{share} interval"]


def _short_outcome(summary: Mapping[str, Any]) -> list[str]:
    found = summary["epochs"]
    return [
        count(summary["num_runs"]),
        *rate(summary["success_rate"]),
        count(found["median"]),
        span(found["low"], found["high"]),
    ]


def _all_settings(summary: Mapping[str, Any]) -> dict[str, Any]:
    seeds = summary["seeds"]
    return {
        "task": summary["task"],
        "criterion": summary["criterion"],
        **summary["settings"],
        "first seed": seeds["first"],
    }


def _more(total: int, what: str) -> str:
    return f"and {total - MOST_ROWS:,} more {what}" if total > MOST_ROWS else ""
