"""`summary.json`: what a sweep found, with intervals. Recomputable from the per-run table."""

import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from bpjax.analysis.convergence import summarize_outcomes
from bpjax.analysis.held_out import summarize_answers
from bpjax.analysis.outcomes import Outcomes, outcomes_of
from bpjax.learning import ignores_momentum
from bpjax.results.extent import seeds_of, seeds_told
from bpjax.results.folder import SweepFolder
from bpjax.results.schema import fault_of, nothing, number, whole
from bpjax.results.store import RunTable
from bpjax.settings import CRITERIA, SETTINGS


class Timing(NamedTuple):
    """What the session that made the last runs of a sweep took.

    Attributes:
      compile_seconds: until the training programs were ready.
      run_seconds: training, results awaited.
      runs: runs trained in this session.
      seed_epochs: epochs that these runs needed, all together.
      occupancy: their share in the epochs that all lanes made, busy or not; None if none were made.
    """

    compile_seconds: float
    run_seconds: float
    runs: int
    seed_epochs: int
    occupancy: float | None = None


_TIMING = {
    "seconds": {"compile": number, "run": number, "runs": whole},
    "seed_epochs_per_second": number,
    "occupancy": (nothing, number),
}


def recorded_timing(folder: SweepFolder) -> Timing | None:
    """Return the timing that a folder's `summary.json` holds; None if there is none to be read."""
    try:
        summary = folder.read_summary()
    except ValueError as fault:
        warnings.warn(f"{str(folder.path / 'summary.json')!r} is not used: {fault}", stacklevel=2)
        return None
    if summary is None or fault_of(summary, _TIMING, "summary"):
        return None
    seconds = summary["seconds"]
    seed_epochs = summary["seed_epochs_per_second"] * seconds["run"]
    if not math.isfinite(seed_epochs):
        return None
    times = seconds["compile"], seconds["run"], seconds["runs"]
    return Timing(*times, round(seed_epochs), summary["occupancy"])


def summarize(table: RunTable, timing: Timing | None, level: float = 0.95) -> dict[str, Any]:
    """Return the summary of a sweep, fit for JSON; for a grid also one per cell under `cells`.

    Time is that of the whole sweep: cells train side by side, so they have none of their own.

    Args:
      table: all runs.
      timing: None where it is not known.
      level: confidence level of the intervals.
    """
    identity, columns = table.identity, table.columns
    tasks = identity["task"] if isinstance(identity["task"], list) else [identity["task"]]
    summary = {
        "task": tasks[0]["name"],
        "settings": _settings(tasks, identity),
        "criterion": _criterion(tasks, identity["grid"]),
        "seeds": seeds_told(seeds_of(identity)),
        "shard": identity["shard"],
        **_outcome(columns, level),
        "held_out": _held_out(columns, tasks, level),
        **_timing(timing),
    }
    if identity["columns"]:
        summary["cells"] = _cells(table, tasks, level)
    return summary


def _settings(tasks: list[Mapping[str, Any]], identity: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for task in tasks:
        for name, value in {**task["options"], **_net(task), **task["recipe"]}.items():
            values = settings.setdefault(name, [])
            if value not in values:
                values.append(value)
    single = {name: v[0] if len(v) == 1 else v for name, v in settings.items()}
    return {
        **single,
        **{name: list(dict.fromkeys(values)) for name, values in identity["grid"].items()},
        "precision": identity["precision"],
        "implementation": identity["implementation"],
        "block_size": identity["block_size"],
    }


def _net(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the units of a stored task do, from the first computed layer on, and its loss."""
    network = task["network"]
    targets = {connection["target"] for connection in network["connections"]}
    units = [layer["activation"] for layer in network["layers"] if layer["name"] in targets]
    return {"units": ", ".join(dict.fromkeys(units)), "loss": task["loss"]}


_USUAL = {  # of tasks, and of all
    **{"off": 0.0, "on": 1.0, "direct": False, "inputs": "binary", "units": "logistic"}
} | {setting.name: setting.usual for setting in SETTINGS if setting.usual is not None}


def told_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that people are told: not those that hardly anybody changes, unchanged.

    Example:
      >>> told_settings({"learning_rate": 0.1, "momentum": 0.9, "optimizer": "adam", "off": 0.0})
      {'learning_rate': 0.1, 'optimizer': 'adam'}
    """
    optimizers = settings.get("optimizer", "paper")
    several = optimizers if isinstance(optimizers, list) else [optimizers]
    unused = {"momentum"} if all(map(ignores_momentum, several)) else set()
    return {
        name: value
        for name, value in settings.items()
        if name not in unused and not (name in _USUAL and value == _USUAL[name])
    }


def _criterion(tasks: list[Mapping[str, Any]], point: Mapping[str, Any]) -> str:
    """Return the criterion in words, at one point of a grid or with all values of its axes."""
    for name in CRITERIA:
        if name in point:
            values = point[name] if isinstance(point[name], list) else [point[name]]
            return f"{name.replace('_', ' ')} {', '.join(f'{value:g}' for value in values)}"
    return ", ".join(sorted({task["criterion"] for task in tasks}))


def _timing(timing: Timing | None) -> dict[str, Any]:
    if timing is None:
        return {"seconds": None, "seed_epochs_per_second": None, "occupancy": None}
    seconds = timing.run_seconds
    return {
        "seconds": {
            "compile": timing.compile_seconds,
            "run": seconds,
            "runs": timing.runs,
        },
        "seed_epochs_per_second": timing.seed_epochs / seconds if seconds > 0 else None,
        "occupancy": timing.occupancy,
    }


def tally_of(columns: Mapping[str, np.ndarray]) -> Outcomes:
    """Return how many of these rows, or of what these counts stand for, ended how."""
    return outcomes_of(columns["status"], columns["epochs"], columns.get("count"))


def point_text(settings: Mapping[str, Any]) -> str:
    """Return the settings of a point of a grid in words.

    Example:
      >>> point_text({"learning_rate": 0.1, "momentum": 0.9})
      'learning_rate=0.1, momentum=0.9'
    """
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def _outcome(columns: Mapping[str, np.ndarray], level: float) -> dict[str, Any]:
    """Return the statistics of rows, or of counts, and the epochs that the runs needed."""
    outcomes = tally_of(columns)
    return {**summarize_outcomes(outcomes, level), "seed_epochs": outcomes.seed_epochs}


def _held_out(
    columns: Mapping[str, np.ndarray], tasks: list[Mapping[str, Any]], level: float
) -> dict[str, Any] | None:
    """Return how held-out cases are answered; None if none are, or not the same number of them."""
    held_out = [task["held_out"] for task in tasks]
    numbers = {cases if isinstance(cases, int) else len(cases) for cases in held_out}
    number = numbers.pop()
    if numbers or not number or "held_out_right" not in columns:
        return None
    return summarize_answers(columns["status"], columns["held_out_right"], number, level)


def _cells(table: RunTable, tasks: list[Mapping[str, Any]], level: float) -> list[dict[str, Any]]:
    names = table.identity["columns"]
    varied = [name for name in names if name not in table.identity["grid"]]  # options of the task
    cells = []
    for point, part in rows_by_point(table):
        words = {"settings": point, "criterion": _criterion(tasks, point)}
        same = [
            task
            for task in tasks
            if all(_is_same(task["options"][name], point[name]) for name in varied)
        ]
        answers = {"held_out": _held_out(part, same, level)}
        cells.append({**words, **_outcome(part, level), **answers})
    return cells


def rows_by_point(table: RunTable) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """Yield every point of the grid: its settings, and the columns of its rows."""
    names, columns = table.identity["columns"], table.columns
    num_rows = len(columns["status"])
    # Rows are ordered by cell: a cell ends where any of its settings changes.
    ends = np.zeros(num_rows, bool)
    ends[-1:] = True
    for name in names:
        ends[:-1] |= columns[name][1:] != columns[name][:-1]
    start = 0
    for stop in (np.flatnonzero(ends) + 1).tolist():
        point = {name: columns[name][start].item() for name in names}
        yield point, {name: column[start:stop] for name, column in columns.items()}
        start = stop


def _is_same(option: Any, entry: Any) -> bool:
    """Tell whether an entry of a column is an option's value; mixed columns are kept as text."""
    return option == entry or str(option) == entry
