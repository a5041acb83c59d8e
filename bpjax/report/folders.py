"""Results folders as a report needs them: checked, shards merged, text made printable.

A fingerprint and a seal prove that nothing was changed by accident. A stranger can compute both, so
everything that is shown or counted is checked for its shape as well.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpjax.analysis.outcomes import Outcomes, outcomes_of
from bpjax.errors import ResultsError, SettingError
from bpjax.report.words import printable
from bpjax.run_folder import SavedRun
from bpjax.run_folder import load as load_run
from bpjax.sweeps.chunks import missing_ranges
from bpjax.sweeps.files import explained, listing
from bpjax.sweeps.folder import SweepFolder
from bpjax.sweeps.plan import LARGEST_GRID
from bpjax.sweeps.shape import ENVIRONMENT, IDENTITY, fault_of
from bpjax.sweeps.store import RunTable, read_runs
from bpjax.sweeps.summary import Timing, recorded_timing


class Source(NamedTuple):
    """One folder: where it is, what made it, how long that took, and when its files were written.

    `began` and `ended` are the times of its first and last file, in seconds since 1970.
    """

    path: str
    identity: Mapping[str, Any]
    environment: Mapping[str, Any]
    timing: Timing | None
    began: float
    ended: float


class Sweep(NamedTuple):
    """A sweep, from its folder or from the folders of its shards.

    Attributes:
      name: the folder's name, or its path where two have one name.
      sources: the folders.
      table: the runs.
      outcomes: how they ended.
      missing: ranges of runs that are not there: not yet trained, or in shards not named.
    """

    name: str
    sources: tuple[Source, ...]
    table: RunTable
    outcomes: Outcomes
    missing: tuple[tuple[int, int], ...]


class WatchedRun(NamedTuple):
    """One run with its history."""

    name: str
    source: Source
    run: SavedRun


def load(paths: Sequence[str | PathLike[str]]) -> list[Sweep | WatchedRun]:
    """Read results folders, of sweeps and of single runs, in the order given.

    Raises:
      ResultsError: if one cannot be used; the sentence says which and why.
    """
    places = [Path(path) for path in paths]
    _refuse_repetition(places)
    names = _names(places)
    parts: dict[str, WatchedRun | list[tuple[str, SweepFolder]]] = {}
    for place, name in zip(places, names, strict=True):
        with explained("read", place):
            files = listing(place)
        if "sweep.json" not in files and "run.json" in files:
            parts[f"run {place}"] = _run(place, name)
        else:
            folder = _opened(place)
            shards = parts.setdefault(_whole_sweep(folder), [])
            shards.append((name, folder))  # type: ignore[union-attr]  # only runs are no lists
    return [_sweep(part) if isinstance(part, list) else part for part in parts.values()]


def _refuse_repetition(places: Sequence[Path]) -> None:
    for place in places:
        with explained("use", place):
            if place.exists() and not place.is_dir():
                raise ResultsError(f"{str(place)!r} is a file, not a folder.")
            if sum(place.resolve() == other.resolve() for other in places) > 1:
                raise ResultsError(f"{str(place)!r} is named twice.")


def _names(places: Sequence[Path]) -> list[str]:
    short = [place.resolve().name for place in places]
    return [
        printable(str(place) if short.count(name) > 1 or not name else name)
        for place, name in zip(places, short, strict=True)
    ]


# ---- sweeps --------------------------------------------------------------------------------------


def _opened(place: Path) -> SweepFolder:
    folder = SweepFolder.open_for_reading(place)
    fault = fault_of(folder.identity, IDENTITY, "identity")
    fault = fault or fault_of(folder.environment, ENVIRONMENT, "environment")
    fault = fault or _inconsistency(folder.identity)
    if fault:
        raise ResultsError(f"{str(place / 'sweep.json')!r} describes no sweep: {fault}.")
    return folder


def _inconsistency(identity: Mapping[str, Any]) -> str | None:
    """Return what in an identity of the right shape contradicts the rest of it."""
    seeds, runs, shard = identity["seeds"], identity["runs"], identity["shard"]
    if seeds["first"] + seeds["count"] > 2**32:
        return "its seeds do not fit 32 bits"
    if not runs["start"] < runs["stop"] <= _num_runs(identity):
        return "its runs are not those of its seeds and grid"
    if shard is not None and shard["index"] > shard["count"]:
        return "its shard is none of its shards"
    tasks = _tasks(identity)
    held_out = [task["held_out"] for task in tasks]
    numbers = [cases if isinstance(cases, int) else len(cases) for cases in held_out]
    if identity.get("num_held_out", max(numbers)) != max(numbers):
        return "`num_held_out` is not that of its tasks"
    if len(tasks) * math.prod(map(len, identity["grid"].values())) > LARGEST_GRID:
        return "its grid has too many points"
    if any({*task["options"]} != {*tasks[0]["options"]} for task in tasks):
        return "its tasks are not variants of one"
    for column in identity["columns"]:
        values = [task["options"].get(column, []) for task in tasks]
        if column not in identity["grid"] and any(isinstance(value, list) for value in values):
            return f"`columns` holds {column!r}, which is no setting of its grid"
    return None


def _tasks(identity: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    task = identity["task"]
    return task if isinstance(task, list) else [task]


def _num_runs(identity: Mapping[str, Any]) -> int:
    """Return the number of runs of all shards together."""
    cells = len(_tasks(identity)) * math.prod(map(len, identity["grid"].values()))
    return cells * identity["seeds"]["count"]


def _whole_sweep(folder: SweepFolder) -> str:
    """Return a key that the shards of one sweep share."""
    if folder.identity["shard"] is None:
        return f"alone {folder.fingerprint}"
    same = {k: v for k, v in folder.identity.items() if k not in ("runs", "shard")}
    return f"{folder.identity['shard']['count']} {sorted(same.items())!r}"


def _sweep(parts: Sequence[tuple[str, SweepFolder]]) -> Sweep:
    names, folders = zip(*parts, strict=True)
    first = folders[0]
    if len(folders) > 1 and first.identity["shard"] is None:
        both = f"{str(first.path)!r} and {str(folders[1].path)!r}"
        raise ResultsError(f"{both} hold the same sweep; name one of them.")
    table = read_runs(*(folder.path for folder in folders), allow_partial=True)
    columns = _needed_columns(first, table)
    bounds = first.bounds if len(folders) == 1 else (0, _num_runs(first.identity))
    columns = {printable(key): _printable_column(column) for key, column in columns.items()}
    return Sweep(
        name=", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""),
        sources=tuple(_source(folder) for folder in folders),
        table=RunTable(printable(table.identity), columns),
        outcomes=_outcomes(first, table),
        missing=tuple(map(tuple, missing_ranges(table.held, *bounds).tolist())),
    )


def _needed_columns(folder: SweepFolder, table: RunTable) -> dict[str, np.ndarray]:
    """Return the columns that a report is made from, after a look at what they hold."""
    columns, identity = table.columns, table.identity
    wanted = ["status", "epochs", *identity["columns"]]
    wanted += ["count"] * (identity["rows"] == "counts")
    wanted += ["held_out_right"] * bool(identity.get("num_held_out"))
    if not all(name in columns and columns[name].ndim == 1 for name in wanted):
        names = ", ".join(map(repr, wanted))
        raise ResultsError(f"{str(folder.path)!r} has chunks without one of the columns {names}.")
    if not _points_of(columns, identity) <= _points(identity):
        raise ResultsError(
            f"{str(folder.path)!r} has chunks with settings that are not its grid's."
        )
    return {name: columns[name] for name in wanted}


def _points_of(columns: Mapping[str, np.ndarray], identity: Mapping[str, Any]) -> set[tuple]:
    """Return the different settings that rows have."""
    return set(zip(*(columns[name].tolist() for name in identity["columns"]), strict=True))


def _points(identity: Mapping[str, Any]) -> set[tuple]:
    """Return the points of a grid, each value as a column holds it: all of one type."""
    grid, tasks = identity["grid"], _tasks(identity)
    names = identity["columns"]
    cells = itertools.product(tasks, itertools.product(*grid.values()))
    rows = [{**task["options"], **dict(zip(grid, point, strict=True))} for task, point in cells]
    return set(
        zip(*(np.array([row[name] for row in rows]).tolist() for name in names), strict=True)
    )


def _outcomes(folder: SweepFolder, table: RunTable) -> Outcomes:
    columns = table.columns
    try:
        return outcomes_of(columns["status"], columns["epochs"], columns.get("count"))
    except SettingError as fault:
        raise ResultsError(f"{str(folder.path)!r} has chunks that count no runs: {fault}") from None


def _printable_column(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind != "U":
        return column
    values, places = np.unique(column, return_inverse=True)
    return np.array([printable(value) for value in values.tolist()])[places]


def _source(folder: SweepFolder) -> Source:
    files = [folder.path / "sweep.json", *(chunk.path for chunk in folder.chunks())]
    return Source(
        printable(str(folder.path)),
        printable(folder.identity),
        printable(folder.environment),
        recorded_timing(folder.path),
        *_times(files),
    )


# ---- runs ----------------------------------------------------------------------------------------


def _run(place: Path, name: str) -> WatchedRun:
    run = load_run(place)
    run = run._replace(
        identity=printable(run.identity),
        environment=printable(run.environment),
        outcome=printable(run.outcome),
        weight_names=tuple(map(printable, run.weight_names)),
        history=run.history._replace(
            gradient_size=printable(run.history.gradient_size),
            error_signal_size=printable(run.history.error_signal_size),
        ),
    )
    times = _times([place / "run.json", place / "history.csv", place / "weights.npz"])
    source = Source(printable(str(place)), run.identity, run.environment, None, *times)
    return WatchedRun(name, source, run)


def _times(files: Sequence[Path]) -> tuple[float, float]:
    with explained("read", files[0].parent):
        times = [file.stat().st_mtime for file in files]
    return min(times), max(times)
