"""Sweeps on disk: the names that the rest of bpjax uses, and reading whole sweeps back.

`SweepFolder` writes and checks one folder; `read_runs` merges a sweep's folders into one table and
checks that every run is there once; `verify` tells what is wrong with a folder.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpjax.errors import ResultsError
from bpjax.results.chunks import (
    Chunk,
    Content,
    DamagedChunk,
    Held,
    Ranges,
    as_ranges,
    both,
    every_run,
    held_by,
    num_runs_of,
    refuse_overlaps,
    runs_text,
    without,
)
from bpjax.results.counts import added_up
from bpjax.results.extent import of_seeds, refuse_parted, runs_of, together
from bpjax.results.files import publish
from bpjax.results.folder import Survey, SweepFolder
from bpjax.results.identity import differences, fingerprint, what
from bpjax.results.manifest import FileFault
from bpjax.results.schema import PER_POINT

__all__ = [
    "Chunk",
    "Content",
    "Damage",
    "DamagedChunk",
    "RunTable",
    "Survey",
    "SweepFolder",
    "VerifyReport",
    "as_ranges",
    "by_sweep",
    "contents_of",
    "fingerprint",
    "held_by",
    "part_of",
    "publish",
    "read_runs",
    "table_of",
    "verify",
]


@dataclass(frozen=True)
class RunTable:
    """Runs in the order of their numbers, one row each; or how many ended when and how.

    Args:
      identity: the sweep, with the seeds that these are of; of merged folders, without a shard.
      columns: arrays of equal length.
      held: which runs these are, ranges in order; none where that is not known.
    """

    identity: Mapping[str, Any]
    columns: Mapping[str, np.ndarray]
    held: Ranges = field(default_factory=lambda: as_ranges([]))

    @property
    def missing(self) -> Ranges:
        """The runs of the sweep that these are not."""
        return without(runs_of(self.identity), self.held)


class Damage(NamedTuple):
    """A damaged file, between which runs its own lie, and what is wrong with it."""

    path: Path
    start: int
    stop: int
    reason: str


class VerifyReport(NamedTuple):
    """The health of a results folder.

    Args:
      num_chunks: intact chunk files.
      num_runs: runs in them.
      num_further: how many of these the sweep does not have yet: it was stopped as it grew.
      damaged: the chunk files that are not intact.
      missing: ranges `(start, stop)` of runs that no intact file holds.
      faults: other files that are not intact: `sweep.json`, its copy, `summary.json`.
    """

    num_chunks: int
    num_runs: int
    num_further: int
    damaged: tuple[Damage, ...]
    missing: tuple[tuple[int, int], ...]
    faults: tuple[FileFault, ...]

    @property
    def ok(self) -> bool:
        """Whether every run is there, once, in an intact file, and so is all else."""
        return not self.damaged and not self.missing and not self.faults


def read_runs(
    *paths: str | PathLike[str], allow_partial: bool = False, seeds: Ranges | None = None
) -> RunTable:
    """Return the runs of a sweep from its folder, or from several that hold parts of it.

    Args:
      *paths: results folders, in any order: of shards, of different seeds, or of both.
      allow_partial: accept missing runs, as an interrupted sweep has them.
      seeds: only these; None for all that the folders are to hold.

    Raises:
      ResultsError: if the folders are of different sweeps, or a run is there twice, damaged or
        missing.
    """
    folders = [SweepFolder.open_for_reading(path) for path in paths]
    for folder in folders:
        folder.warn_of_faults()
    places = [folder.path.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise ResultsError(f"{str(folder.path)!r} is named twice.")
    identity = _merged_identity(folders)
    if seeds is not None:
        identity = of_seeds(identity, seeds)
    held, parts = [], []
    for folder in folders:
        contents = [(chunk.path, folder.read_chunk(chunk.path)) for chunk in folder.chunks()]
        refuse_overlaps([Held(path, content.runs) for path, content in contents])
        own = both(folder.runs, runs_of(identity))
        for path, content in contents:
            if (part := part_of(content, own)) is not None:
                held.append(Held(path, part.runs))
                parts.append(part)
    refuse_overlaps(held)
    if not parts:
        raise ResultsError(f"{_names(folders)}: no run is finished yet.")
    table = table_of(identity, parts)
    if not allow_partial:
        _refuse_missing(folders, table)
    return table


def by_sweep(paths: Iterable[str]) -> list[list[str]]:
    """Return the folders of sweeps, those that hold parts of one sweep together."""
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(SweepFolder.open_for_reading(path).fingerprint, []).append(path)
    return list(found.values())


def part_of(content: Content, runs: Ranges) -> Content | None:
    """Return what some content has of some runs, None if it has none of them.

    Raises:
      ResultsError: if it counts runs, and some of them are these.
    """
    kept = both(content.runs, runs)
    if num_runs_of(kept) in (0, num_runs_of(content.runs)):
        return content if len(kept) else None
    if "count" in content.columns:
        refuse_parted([content.runs], runs)
    rows = np.isin(every_run(content.runs), every_run(kept))
    return Content(kept, {name: column[rows] for name, column in content.columns.items()})


def contents_of(table: RunTable) -> list[Content]:
    """Return the parts of a table that `table_of` puts together again."""
    if table.identity["rows"] != "counts":
        return [Content(table.held, dict(table.columns))]
    point, parts, until = table.held[:, 0] // PER_POINT, [], np.cumsum(table.columns["count"])
    total = start = 0
    for each in np.unique(point):
        runs = table.held[point == each]
        total += num_runs_of(runs)
        stop = int(np.searchsorted(until, total)) + 1
        columns = {name: column[start:stop] for name, column in table.columns.items()}
        parts.append(Content(runs, columns))
        start = stop
    return parts


def table_of(identity: Mapping[str, Any], parts: Sequence[Content]) -> RunTable:
    """Return the table of a sweep from what was trained of it: the same however it was cut.

    Args:
      identity: the sweep.
      parts: with columns alike and no run twice.
    """
    held = without(np.concatenate([part.runs for part in parts]), as_ranges([]))
    if identity["rows"] == "counts":
        return RunTable(identity, _counted(parts), held)
    num_runs = num_runs_of(held)
    columns = {
        name: np.empty((num_runs, *column.shape[1:]), column.dtype)
        for name, column in parts[0].columns.items()
    }
    before = np.cumsum(held[:, 1] - held[:, 0]) - held[:, 1]  # to a run of a range, its row
    for part in parts:
        runs = every_run(part.runs)
        runs += before[np.searchsorted(held[:, 1], runs, side="right")]
        for name, column in part.columns.items():
            columns[name][runs] = column
    return RunTable(identity, columns, held)


def _counted(parts: Sequence[Content]) -> dict[str, np.ndarray]:
    cells = [part.runs[0, 0] // PER_POINT for part in parts]
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns
    }
    return added_up(columns, np.repeat(cells, [len(part.columns["count"]) for part in parts]))


def verify(path: str | PathLike[str]) -> VerifyReport:
    """Check every file of a results folder, and that every run is there once.

    Raises:
      ResultsError: if the folder cannot be read at all.
    """
    folder = SweepFolder.open_for_reading(path)
    intact, damaged = folder.survey()
    held = held_by(intact)
    return VerifyReport(
        num_chunks=len(intact),
        num_runs=num_runs_of(held),
        num_further=num_runs_of(without(held, folder.runs)),
        damaged=tuple(
            Damage(fault.path, fault.start, fault.stop, fault.reason) for fault in damaged
        ),
        missing=tuple(map(tuple, without(folder.runs, held).tolist())),
        faults=(*folder.faults, *_faults_of_summary(folder)),
    )


def _faults_of_summary(folder: SweepFolder) -> list[FileFault]:
    try:
        folder.read_summary()
    except ValueError as fault:
        return [FileFault(folder.path / "summary.json", str(fault))]
    return []  # where it is not there it can be made again


def _names(folders: Sequence[SweepFolder]) -> str:
    return ", ".join(repr(str(folder.path)) for folder in folders)


def _merged_identity(folders: Sequence[SweepFolder]) -> Mapping[str, Any]:
    first, *others = folders
    for other in others:
        if changes := "; ".join(differences(what(first.identity), what(other.identity))):
            raise ResultsError(f"{_names([first, other])} are different sweeps: {changes}.")
    return together([folder.identity for folder in folders]) if others else first.identity


def _refuse_missing(folders: Sequence[SweepFolder], table: RunTable) -> None:
    if not len(table.missing):
        return
    shards = [folder.identity["shard"] for folder in folders if folder.identity["shard"]]
    if len(folders) > 1 and shards and len(shards) < shards[0]["count"]:
        raise ResultsError(
            f"{_names(folders)} are {len(shards)} of {shards[0]['count']} shards, and "
            f"{runs_text(table.missing)} are not in them; name all of them."
        )
    raise ResultsError(
        f"{runs_text(table.missing)} are missing from {_names(folders)}; "
        "run the same sweep again to resume it."
    )
