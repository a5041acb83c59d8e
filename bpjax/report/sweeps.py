"""What a report says of one sweep."""

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from bpjax.errors import ResultsError, SettingError
from bpjax.figures.sweeps import MOST_PANELS, points
from bpjax.report import tables
from bpjax.report.command import Repeat, repeat
from bpjax.report.figures import figures_of_sweep
from bpjax.report.folders import Sweep
from bpjax.report.parts import (
    Number,
    Part,
    before,
    machine_facts,
    no_command,
    setting_facts,
    source_facts,
    task_of,
)
from bpjax.report.words import NOT_REACHED, count, level, rate, setting, span
from bpjax.results.chunks import runs_text
from bpjax.results.summary import summarize
from bpjax.task import Task


def sweep_part(sweep: Sweep, summary: Mapping[str, Any]) -> Part:
    """Return what is said of one sweep."""
    identity = sweep.table.identity
    repeats = [repeat(source.identity) for source in sweep.sources]
    task = task_of(repeats[0], sweep.sources[0])
    alone = None if isinstance(identity["task"], list) else task
    found = [tables.cells(summary)] if "cells" in summary else []
    if not is_grid(summary):
        found = [tables.outcomes(summary), tables.epochs(summary), *found]
        if summary["held_out"]:
            found.insert(2, tables.held_out(summary["held_out"]))
    return Part(
        name=sweep.name,
        task=summary["task"],
        title=alone.title if alone else summary["task"],
        lead=_lead_of_grid(sweep, summary) if is_grid(summary) else _lead(summary),
        numbers=_numbers_of_grid(sweep, summary) if is_grid(summary) else _numbers(summary),
        notes=_notes(sweep, summary),
        tables=found,
        figures=figures_of_sweep(sweep, summary),
        facts=[*_facts(sweep, summary, alone), *source_facts(task)],
        commands=_commands(sweep, repeats),
        made=tables.sources(sweep.sources),
    )


def summary_of(sweep: Sweep) -> dict[str, Any]:
    """Return the summary of a sweep, as `summary.json` holds it."""
    timing = sweep.sources[0].timing if len(sweep.sources) == 1 else None
    try:
        return summarize(sweep.table, timing)
    except SettingError as fault:
        raise ResultsError(f"{sweep.sources[0].path!r} cannot be summarized: {fault}") from None


def is_grid(summary: Mapping[str, Any]) -> bool:
    """Tell whether a sweep has several settings, of which no number is taken together."""
    return len(summary.get("cells", ())) > 1


def _lead_of_grid(sweep: Sweep, summary: Mapping[str, Any]) -> str:
    runs, fewest, most, soonest = _numbers_of_grid(sweep, summary)
    cap = setting(summary["settings"]["max_epochs"])
    words = (
        f"{runs.value} runs, {runs.interval}. Converged to {summary['criterion']} within {cap} "
        f"epochs: from {fewest.value} at {fewest.interval} to {most.value} at {most.interval}"
    )
    if soonest.value == NOT_REACHED:
        return f"{words}. Fewer than half did at any setting, so there is no median."
    return (
        f"{words}. Half of the runs of one setting had converged soonest, by epoch "
        f"{soonest.value}, at {soonest.interval}."
    )


def _numbers_of_grid(sweep: Sweep, summary: Mapping[str, Any]) -> list[Number]:
    """Return how many runs there are, and the settings at both ends."""
    cells = dict(zip(points(sweep.table), summary["cells"], strict=True))
    each = sorted({cell["num_runs"] for cell in cells.values()})
    every = " to ".join(map(count, each[:1] + each[1:][-1:]))

    def share(label: str) -> float:
        return cells[label]["success_rate"]["estimate"]

    def median(label: str) -> float:
        found = cells[label]["epochs"]["median"]
        return math.inf if found is None else found

    fewest, most, soonest = min(cells, key=share), max(cells, key=share), min(cells, key=median)
    shares = [rate(cells[label]["success_rate"])[0] for label in (fewest, most)]
    epochs = count(cells[soonest]["epochs"]["median"])
    where = f"{every} at each of {count(len(cells))} settings"
    return [
        Number("runs", count(summary["num_runs"]), where),
        Number("fewest converged", shares[0], fewest),
        Number("most converged", shares[1], most),
        Number("soonest median epochs", epochs, soonest),
    ]


def _lead(summary: Mapping[str, Any]) -> str:
    value, interval = rate(summary["success_rate"])
    sentence = (
        f"{count(summary['converged'])} of {count(summary['num_runs'])} runs converged "
        f"to {summary['criterion']} within {setting(summary['settings']['max_epochs'])} epochs: "
        f"{value} ({level(summary['success_rate']['level'])} interval {interval})"
    )
    epochs = summary["epochs"]
    if epochs["median"] is None:
        return f"{sentence}. Fewer than half of all runs did, so there is no median."
    ends = span(epochs["low"], epochs["high"])
    return (
        f"{sentence}. Half of all runs had converged by epoch {count(epochs['median'])} ({ends})."
    )


def _numbers(summary: Mapping[str, Any]) -> list[Number]:
    value, interval = rate(summary["success_rate"])
    epochs, restart = summary["epochs"], summary["restart"]
    numbers = [
        Number("runs", count(summary["num_runs"]), f"criterion {summary['criterion']}"),
        Number("converged", value, interval),
        Number("median epochs", count(epochs["median"]), span(epochs["low"], epochs["high"])),
    ]
    if restart:
        expected = f"if given up after {count(restart['cutoff'])}"
        numbers.append(Number("epochs per solution", count(restart["expected_epochs"]), expected))
    return numbers


def _notes(sweep: Sweep, summary: Mapping[str, Any]) -> list[str]:
    notes = []
    if sweep.missing:
        missing = sum(stop - start for start, stop in sweep.missing)
        notes.append(
            f"Not finished: {count(missing)} of {count(missing + summary['num_runs'])} runs are "
            f"missing ({runs_text(sweep.missing)}). All that follows is about the runs that "
            "are there; those that take longest come last, so it looks better than it will be."
        )
    if len(summary.get("cells", ())) > MOST_PANELS:
        notes.append(
            f"Survival curves of {count(len(summary['cells']))} settings are too many for a figure."
        )
    shard = sweep.table.identity["shard"]
    if shard:
        notes.append(f"This is shard {shard['index']} of {shard['count']} of a sweep.")
    if summary["nonfinite"]:
        notes.append(
            f"{count(summary['nonfinite'])} runs left the finite numbers. They count as runs that "
            "never converge."
        )
    if len({source.environment["device_kind"] for source in sweep.sources}) > 1:
        notes.append("Its parts were made on different kinds of devices.")
    return notes


def _facts(sweep: Sweep, summary: Mapping[str, Any], task: Task | None) -> list[tuple[str, str]]:
    seeds, identity = summary["seeds"], sweep.table.identity
    facts = [("task", summary["task"]), ("network", _networks(identity, task))]
    facts += setting_facts(summary["settings"])
    facts.append(("criterion", summary["criterion"]))
    each = " for each point of the grid" if "cells" in summary else ""
    told = runs_text(seeds["ranges"]).removeprefix("seeds ")
    facts.append(("seeds", f"{told}{each}"))
    if identity["rows"] == "counts":
        facts.append(("kept", "counts of outcomes, no row per run"))
    if summary["occupancy"]:
        facts.append(("lanes", f"{summary['occupancy']:.1%} of their epochs needed by a run"))
    return [*facts, *machine_facts(sweep.sources[0])]


def _networks(identity: Mapping[str, Any], task: Task | None) -> str:
    """Return the net in words: of the one task, or the sizes of its variants."""
    if task:
        return task.network.describe()
    tasks = identity["task"] if isinstance(identity["task"], list) else [identity["task"]]
    sizes = ["-".join(str(layer["size"]) for layer in t["network"]["layers"]) for t in tasks]
    return setting(list(dict.fromkeys(sizes)))


def _commands(sweep: Sweep, repeats: Sequence[Repeat | None]) -> list[tuple[str, str]]:
    if None in repeats:
        return [no_command(sweep.sources[0])]
    commands = []
    for again in repeats:
        assert again is not None
        commands.append((before(again), again.line))
    if sweep.missing and len(sweep.sources) == 1:
        line = f"{commands[0][1]} --out {shlex.quote(sweep.sources[0].path)}"
        commands.append(("To finish it, in the same folder:", line))
    return commands
