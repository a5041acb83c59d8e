"""Sweeps on disk: the names that the rest of bpjax uses, and reading whole sweeps back.

`SweepFolder` writes and checks one folder; `read_runs` merges a sweep's folders into one table and
checks that every run is there once; `verify` tells what is wrong with a folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpjax.errors import ResultsError
from bpjax.sweeps.chunks import Chunk, DamagedChunk, missing_ranges, refuse_overlaps, runs_text
from bpjax.sweeps.files import publish
from bpjax.sweeps.folder import Survey, SweepFolder
from bpjax.sweeps.identity import differences, fingerprint, seeds_text

__all__ = [
    "Chunk",
    "Damage",
    "DamagedChunk",
    "RunTable",
    "Survey",
    "SweepFolder",
    "VerifyReport",
    "fingerprint",
    "missing_ranges",
    "publish",
    "read_runs",
    "verify",
]

_Part = tuple[Chunk, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class RunTable:
    """Runs in the order of their indices, one row each.

    Args:
      identity: the sweep; of merged shards, with `shard` None and `runs` from the first to the last
        of all.
      columns: arrays of equal length.
    """

    identity: Mapping[str, Any]
    columns: Mapping[str, np.ndarray]


class Damage(NamedTuple):
    """A damaged file, the runs and seeds that it should hold, and what is wrong with it."""

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
      damaged: the files that are not intact.
      missing: ranges `(start, stop)` of runs that no file holds, not even a damaged one.
    """

    num_chunks: int
    num_runs: int
    damaged: tuple[Damage, ...]
    missing: tuple[tuple[int, int], ...]

    @property
    def ok(self) -> bool:
        """Whether every run is there, once, in an intact file."""
        return not self.damaged and not self.missing


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
    places = [folder.path.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise ResultsError(f"{str(folder.path)!r} is named twice.")
    identity = _merged_identity(folders)
    parts: list[_Part] = [
        (chunk, folder.read_chunk(chunk.path)) for folder in folders for chunk in folder.chunks()
    ]
    parts.sort(key=lambda part: part[0])
    found = [chunk for chunk, _ in parts]
    refuse_overlaps(found)
    if not found:
        raise ResultsError(f"{_names(folders)}: no run is finished yet.")
    if not allow_partial:
        _refuse_missing(folders, identity, found)
    return RunTable(identity, _joined(parts))


def verify(path: str | PathLike[str]) -> VerifyReport:
    """Check every file of a results folder, and that every run is there once.

    Raises:
      ResultsError: if the folder cannot be read at all, or two intact chunks share a run.
    """
    folder = SweepFolder.open_for_reading(path)
    intact, damaged = folder.survey()
    listed = [*intact, *((fault.start, fault.stop) for fault in damaged)]
    return VerifyReport(
        num_chunks=len(intact),
        num_runs=sum(chunk.stop - chunk.start for chunk in intact),
        damaged=tuple(_damage(folder, fault) for fault in damaged),
        missing=tuple(missing_ranges(listed, *folder.bounds)),
    )


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


def _refuse_missing(
    folders: Sequence[SweepFolder], identity: Mapping[str, Any], found: Sequence[Chunk]
) -> None:
    gaps = missing_ranges(found, identity["runs"]["start"], identity["runs"]["stop"])
    if gaps:
        raise ResultsError(
            f"{runs_text(gaps)} are missing from {_names(folders)}; "
            "run the same sweep again to resume it."
        )
    # Gaps cannot show that the last shard was left out, so shards to be merged are counted too.
    shards = [shard for folder in folders if (shard := folder.identity.get("shard"))]
    if len(folders) > 1 and shards and len(shards) != shards[0]["count"]:
        raise ResultsError(
            f"{_names(folders)} are {len(shards)} of {shards[0]['count']} shards; name all of them."
        )


def _joined(parts: Sequence[_Part]) -> dict[str, np.ndarray]:
    first, columns = parts[0]
    for chunk, others in parts:
        if _kinds(others) != _kinds(columns):
            raise ResultsError(
                f"{str(chunk.path)!r} and {str(first.path)!r} have different columns; "
                "remove one of the files and run the same sweep again to resume it."
            )
    return {name: np.concatenate([part[name] for _, part in parts]) for name in columns}


def _kinds(columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {name: (column.dtype, column.shape[1:]) for name, column in columns.items()}
