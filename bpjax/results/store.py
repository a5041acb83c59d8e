"""Sweeps on disk: the names that the rest of bpjax uses, and reading whole sweeps back.

`SweepFolder` writes and checks one folder; `read_runs` merges a sweep's folders into one table and
checks that every run is there once; `verify` tells what is wrong with a folder.
"""

from collections.abc import Mapping, Sequence
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
    every_run,
    held_by,
    missing_ranges,
    num_runs_of,
    refuse_overlaps,
    runs_text,
    without,
)
from bpjax.results.counts import added_up
from bpjax.results.files import publish
from bpjax.results.folder import Survey, SweepFolder
from bpjax.results.identity import differences, fingerprint, seeds_text
from bpjax.results.manifest import FileFault

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
    "fingerprint",
    "held_by",
    "missing_ranges",
    "publish",
    "read_runs",
    "table_of",
    "verify",
]


@dataclass(frozen=True)
class RunTable:
    """Runs in the order of their indices, one row each; or how many ended when and how.

    Args:
      identity: the sweep; of merged shards, with `shard` None and `runs` from the first to the last
        of all.
      columns: arrays of equal length.
      held: which runs these are, ranges in order; none where that is not known.
    """

    identity: Mapping[str, Any]
    columns: Mapping[str, np.ndarray]
    held: Ranges = field(default_factory=lambda: as_ranges([]))

    @property
    def missing(self) -> Ranges:
        """The runs of the sweep that these are not."""
        runs = self.identity["runs"]
        return missing_ranges(self.held, runs["start"], runs["stop"])


class Damage(NamedTuple):
    """A damaged file, between which runs and seeds its own lie, and what is wrong with it."""

    path: Path
    start: int
    stop: int
    seeds: str
    reason: str


class VerifyReport(NamedTuple):
    """The health of a results folder.

    Args:
      num_chunks: intact chunk files.
      num_runs: runs in them.
      damaged: the chunk files that are not intact.
      missing: ranges `(start, stop)` of runs that no intact file holds.
      faults: other files that are not intact: `sweep.json`, its copy, `summary.json`.
    """

    num_chunks: int
    num_runs: int
    damaged: tuple[Damage, ...]
    missing: tuple[tuple[int, int], ...]
    faults: tuple[FileFault, ...]

    @property
    def ok(self) -> bool:
        """Whether every run is there, once, in an intact file, and so is all else."""
        return not self.damaged and not self.missing and not self.faults


def read_runs(*paths: str | PathLike[str], allow_partial: bool = False) -> RunTable:
    """Return the runs of a sweep from its folder, or from the folders of all its shards.

    Args:
      *paths: results folders, in any order.
      allow_partial: accept missing runs, as an interrupted sweep has them.

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
    chunks = {
        chunk.path: folder.read_chunk(chunk.path) for folder in folders for chunk in folder.chunks()
    }
    intact = [Held(path, content.runs) for path, content in chunks.items()]
    refuse_overlaps(intact)
    if not chunks:
        raise ResultsError(f"{_names(folders)}: no run is finished yet.")
    table = table_of(identity, list(chunks.values()))
    if not allow_partial:
        _refuse_missing(folders, table)
    return table


def table_of(identity: Mapping[str, Any], parts: Sequence[Content]) -> RunTable:
    """Return the table of a sweep from what was trained of it: the same however it was cut.

    Args:
      identity: the sweep.
      parts: with columns alike and no run twice.
    """
    held = without(np.concatenate([part.runs for part in parts]), as_ranges([]))
    if identity["rows"] == "counts":
        return RunTable(identity, _counted(parts, identity["seeds"]["count"]), held)
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


def _counted(parts: Sequence[Content], num_seeds: int) -> dict[str, np.ndarray]:
    cells = [part.runs[0, 0] // num_seeds for part in parts]
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
        damaged=tuple(_damage(folder, fault) for fault in damaged),
        missing=tuple(map(tuple, missing_ranges(held, *folder.bounds).tolist())),
        faults=(*folder.faults, *_faults_of_summary(folder)),
    )


def _faults_of_summary(folder: SweepFolder) -> list[FileFault]:
    try:
        folder.read_summary()
    except ValueError as fault:
        return [FileFault(folder.path / "summary.json", str(fault))]
    return []  # where it is not there it can be made again


def _damage(folder: SweepFolder, fault: DamagedChunk) -> Damage:
    seeds = seeds_text(folder.identity, fault.start, fault.stop)
    return Damage(fault.path, fault.start, fault.stop, seeds, fault.reason)


def _names(folders: Sequence[SweepFolder]) -> str:
    return ", ".join(repr(str(folder.path)) for folder in folders)


def _merged_identity(folders: Sequence[SweepFolder]) -> Mapping[str, Any]:
    first, *others = folders
    for other in others:
        if changes := "; ".join(differences(_unsharded(first), _unsharded(other))):
            raise ResultsError(f"{_names([first, other])} are different sweeps: {changes}.")
    if not others:
        return first.identity
    starts, stops = zip(*(folder.bounds for folder in folders), strict=True)
    return {**first.identity, "runs": {"start": min(starts), "stop": max(stops)}, "shard": None}


def _unsharded(folder: SweepFolder) -> dict[str, Any]:
    return {key: folder.identity[key] for key in folder.identity if key not in ("runs", "shard")}


def _refuse_missing(folders: Sequence[SweepFolder], table: RunTable) -> None:
    if len(table.missing):
        raise ResultsError(
            f"{runs_text(table.missing)} are missing from {_names(folders)}; "
            "run the same sweep again to resume it."
        )
    # Gaps cannot show that the last shard was left out, so shards to be merged are counted too.
    shards = [shard for folder in folders if (shard := folder.identity.get("shard"))]
    if len(folders) > 1 and shards and len(shards) != shards[0]["count"]:
        raise ResultsError(
            f"{_names(folders)} are {len(shards)} of {shards[0]['count']} shards; name all of them."
        )
