"""Results folders as a report needs them: parts merged, with what made them and when."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpjax.analysis.outcomes import Outcomes, outcomes_of
from bpjax.errors import ResultsError
from bpjax.results.files import explained, names_in
from bpjax.results.folder import SweepFolder
from bpjax.results.manifest import NAMES, is_run_folder
from bpjax.results.store import RunTable, read_runs
from bpjax.results.summary import Timing, recorded_timing
from bpjax.run_folder import SavedRun, load_run
from bpjax.text import printable


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
    """A sweep, from its folder or from several that hold parts of it.

    Attributes:
      name: the folder's name, or its path where two have one name.
      sources: the folders.
      table: the runs.
      outcomes: how they ended.
      missing: ranges of runs that are not there: not yet trained, or in folders not named.
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
        files = names_in(place)
        if is_run_folder(files):
            parts[f"run {place}"] = _run(place, name)
        else:
            folder = SweepFolder.open_for_reading(place)
            same = parts.setdefault(folder.fingerprint, [])
            same.append((name, folder))  # type: ignore[union-attr]  # only runs are no lists
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


def _sweep(parts: Sequence[tuple[str, SweepFolder]]) -> Sweep:
    names, folders = zip(*parts, strict=True)
    table = read_runs(*(folder.path for folder in folders), allow_partial=True)
    columns = _needed_columns(table)
    return Sweep(
        name=", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""),
        sources=tuple(_source(folder) for folder in folders),
        table=RunTable(table.identity, columns),
        outcomes=outcomes_of(columns["status"], columns["epochs"], columns.get("count")),
        missing=tuple(map(tuple, table.missing.tolist())),
    )


def _needed_columns(table: RunTable) -> dict[str, np.ndarray]:
    """Return the columns that a report is made from."""
    identity = table.identity
    wanted = ["status", "epochs", *identity["columns"]]
    wanted += ["count" if identity["rows"] == "counts" else "seed"]
    wanted += ["held_out_right"] * (identity["rows"] != "counts" and "num_held_out" in identity)
    return {name: table.columns[name] for name in wanted}


def _source(folder: SweepFolder) -> Source:
    intact = set(NAMES) - {fault.path.name for fault in folder.faults}
    files = [folder.path / name for name in intact] + [chunk.path for chunk in folder.chunks()]
    return Source(
        printable(str(folder.path)),
        folder.identity,
        folder.environment,
        recorded_timing(folder),
        *_times(files),
    )


# ---- runs ----------------------------------------------------------------------------------------


def _run(place: Path, name: str) -> WatchedRun:
    run = load_run(place)
    times = _times([place / "history.csv", place / "weights.npz"])
    source = Source(printable(str(place)), run.identity, run.environment, None, *times)
    return WatchedRun(name, source, run)


def _times(files: Sequence[Path]) -> tuple[float, float]:
    with explained("read", files[0].parent):
        times = [file.stat().st_mtime for file in files]
    return min(times), max(times)
