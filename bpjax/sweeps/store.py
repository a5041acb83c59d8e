"""A sweep's results folder: immutable chunk files whose listing is the ledger.

    DIR/sweep.json                      which sweep this is (binding) and what made it (informative)
    DIR/chunks/runs-<start>-<stop>.npz  the runs `start` to `stop - 1`, never changed once there
    DIR/summary.json                    can always be computed again

A sweep is named by its identity, a mapping that JSON can hold. Three of its keys mean something here:
`runs` {`start`, `stop`}, the run indices that the folder is to hold; `seeds` {`first`, `count`}: run `r`
has the seed `first + r % count`, because the cells of a grid repeat the same seeds; and `shard`, null or
{`index`, `count`}. Only files that pass every check are read, and nothing read is executed.
"""

import errno
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from bpjax.errors import ResultsError
from bpjax.sweeps import chunks, files
from bpjax.sweeps.chunks import Chunk

FORMAT = 1
"""The number in `sweep.json` that changes whenever older programs must not read the folder."""

_SHARD_KEYS = {"runs", "shard"}
"""The keys of an identity that differ between shards of one sweep."""


class DamagedChunk(ResultsError):
    """A chunk file is not what its name promises: none of it is used.

    Args:
      chunk: the file and the runs that its name promises.
      reason: what is wrong, read after the file's name and a colon.
    """

    def __init__(self, chunk: Chunk, reason: str):
        self.start, self.stop, self.path = chunk
        self.reason = reason
        super().__init__(
            f"damaged chunk {str(self.path)!r} ({_runs_text([chunk])}): {reason}; "
            "run the same sweep again to recompute it."
        )


class Survey(NamedTuple):
    """What a folder holds: `intact` chunks in order, no run twice, and the faults of the others."""

    intact: tuple[Chunk, ...]
    damaged: tuple[DamagedChunk, ...]


@dataclass(frozen=True)
class RunTable:
    """Runs in the order of their indices, one row each.

    Args:
      identity: the sweep; of merged shards, with `shard` None and `runs` from the first to the last.
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


# ---- identities ---------------------------------------------------------------------------------


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Return the sha256 of an identity, in hexadecimal; the order of its keys does not matter.

    Raises:
      ValueError: if the identity holds a NaN or an infinity.
      TypeError: if it holds something that JSON does not know.

    Example:
      >>> fingerprint({"b": 1, "a": 2}) == fingerprint({"a": 2, "b": 1})
      True
    """
    return hashlib.sha256(_canonical(_plain(identity)).encode()).hexdigest()


def differences(old: Any, new: Any, field: str = "") -> Iterator[str]:
    """Yield one phrase for every field in which two identities differ.

    Example:
      >>> list(differences({"a": {"b": 1, "c": [2, 3]}}, {"a": {"b": 1.0, "c": [2, 4]}, "d": None}))
      ['`a.b` was 1, is now 1.0', '`a.c.1` was 3, is now 4', '`d` was absent, is now null']
    """
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            inner = f"{field}.{key}" if field else str(key)
            yield from differences(old.get(key, _ABSENT), new.get(key, _ABSENT), inner)
    elif (was := _value_text(old)) != (now := _value_text(new)):  # as text, since 1 == 1.0 == True
        yield f"`{field}` was {was}, is now {now}"


_ABSENT = object()


def _value_text(value: Any) -> str:
    return "absent" if value is _ABSENT else _canonical(value)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity as it will be read back: lists for tuples, text for keys."""
    return json.loads(json.dumps(dict(identity), allow_nan=False))


# ---- ranges of runs -----------------------------------------------------------------------------


def missing_ranges(
    intact: Iterable[tuple[int, int] | Chunk], first: int, last: int
) -> list[tuple[int, int]]:
    """Return the gaps that ranges leave in `first` to `last - 1`.

    Args:
      intact: chunks or other tuples that begin with `start, stop`.
      first: the first run that should be there.
      last: one past the last one.

    Example:
      >>> missing_ranges([(4, 6), (0, 2)], 0, 8)
      [(2, 4), (6, 8)]
    """
    gaps = []
    for start, stop, *_ in sorted(intact):
        if first < start:
            gaps.append((first, min(start, last)))
        first = max(first, stop)
        if first >= last:
            return gaps
    return [*gaps, (first, last)] if first < last else gaps


def seeds_text(identity: Mapping[str, Any], start: int, stop: int) -> str:
    """Return the seeds of the runs `start` to `stop - 1` in words.

    Example:
      >>> seeds_text({"seeds": {"first": 100, "count": 10}}, 12, 15)
      'seeds 102 to 104'
      >>> seeds_text({"seeds": {"first": 100, "count": 10}}, 8, 12)
      'seeds 108 to 109 and 100 to 101'
    """
    first, count = identity["seeds"]["first"], identity["seeds"]["count"]
    low, high = first + start % count, first + (stop - 1) % count
    if stop - start >= count:
        return f"seeds {first} to {first + count - 1}"
    if low <= high:
        return f"seeds {low} to {high}"
    return f"seeds {low} to {first + count - 1} and {first} to {high}"


def _runs_text(ranges: Sequence[tuple[int, int] | Chunk], most: int = 4) -> str:
    shown = [f"{start} to {stop - 1}" for start, stop, *_ in ranges[:most]]
    more = len(ranges) - len(shown)
    return "runs " + ", ".join(shown) + (f" and {more} more ranges" if more else "")


def _refuse_overlaps(ordered: Sequence[Chunk]) -> None:
    for one, other in pairwise(ordered):
        if other.start < one.stop:
            both = (other.start, min(one.stop, other.stop))
            raise ResultsError(
                f"{_runs_text([both])} are in two files, {str(one.path)!r} and {str(other.path)!r}; "
                "remove one of them and run the sweep again to resume it."
            )


# ---- the folder ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class SweepFolder:
    """The results folder of one sweep, or of one shard of it.

    Args:
      path: the folder.
      identity: which sweep; two sweeps with equal identities have the same runs.
      fingerprint: the identity's digest, which every chunk carries.
      environment: versions and device of the program that made the folder.
    """

    path: Path
    identity: Mapping[str, Any]
    fingerprint: str
    environment: Mapping[str, Any]

    @classmethod
    @contextmanager
    def open_for_writing(
        cls,
        path: str | PathLike[str],
        identity: Mapping[str, Any],
        environment: Mapping[str, Any],
    ) -> Iterator[Self]:
        """Create a sweep's folder, or go on with it, for the length of a `with` block.

        Args:
          path: the folder; missing ones above it are created too.
          identity: which sweep.
          environment: kept in `sweep.json` when the folder is created.

        Raises:
          ResultsError: if the folder is not this sweep's, cannot be written, or has another writer. What
            was there is left as it was.
        """
        path, identity = Path(path), _plain(identity)
        new = cls(path, identity, fingerprint(identity), _plain(environment))
        _refuse_file(path)
        with files.explained("create", path):
            files.make_folders(path)
        with files.locked(path):
            folder = new._created_or_resumed()
            with files.explained("write to", path):
                files.make_folders(folder._chunk_folder)
                files.remove_temporaries(path)
                files.remove_temporaries(folder._chunk_folder)
            yield folder

    @classmethod
    def open_for_reading(cls, path: str | PathLike[str]) -> Self:
        """Return a folder that exists; a writer may be at work in it.

        Raises:
          ResultsError: if it is not a results folder, or its `sweep.json` is damaged.
        """
        path = Path(path)
        _refuse_file(path)
        with files.explained("read", path):
            names = files.listing(path)
        if "sweep.json" not in names:
            raise ResultsError(f"{str(path)!r} is not a results folder: it has no sweep.json.")
        return cls(path, *_read_manifest(path / "sweep.json"))

    def publish_chunk(self, start: int, stop: int, columns: Mapping[str, np.ndarray]) -> Path:
        """Write the runs `start` to `stop - 1`; once this returns, no crash can lose them.

        Args:
          start: the first run.
          stop: one past the last run.
          columns: arrays of length `stop - start`; `seed` is one of them, of type uint32.

        Returns:
          The file.

        Raises:
          ValueError: if the columns are not those of these runs of this sweep.
          ResultsError: if the file cannot be written.
        """
        if fault := self._fault_in(start, stop, columns):
            raise ValueError(f"cannot publish {_runs_text([(start, stop)])}: {fault}.")
        path = self._chunk_folder / chunks.chunk_name(start, stop)
        files.publish(path, chunks.pack(self._header(start, stop), columns))
        return path

    def read_chunk(self, path: str | PathLike[str]) -> dict[str, np.ndarray]:
        """Return the columns of a chunk that passes every check.

        Raises:
          DamagedChunk: if it does not.
          ResultsError: if the path does not name a chunk, or cannot be read for a reason that says
            nothing about the file, like a permission.
        """
        chunk = chunks.named_chunk(Path(path))
        if chunk is None:
            raise ResultsError(f"{str(path)!r} does not have the name of a chunk.")
        try:
            header, columns = chunks.unpack(_read_unless_bad_sector(chunk.path))
            reason = self._fault_in_header(chunk, header)
            reason = reason or self._fault_in(chunk.start, chunk.stop, columns)
        except ValueError as fault:
            reason = str(fault)
        if reason:  # outside the handler, so that the fault does not keep the file's bytes alive
            raise DamagedChunk(chunk, reason)
        return columns

    def survey(self) -> Survey:
        """Read and check every chunk.

        Raises:
          ResultsError: if two intact chunks share a run.
        """
        intact, damaged = [], []
        for chunk in self._chunks():
            try:
                self.read_chunk(chunk.path)
                intact.append(chunk)
            except DamagedChunk as fault:
                damaged.append(fault.with_traceback(None))
        _refuse_overlaps(intact)
        return Survey(tuple(intact), tuple(damaged))

    def remove_damaged(self, damaged: Iterable[DamagedChunk]) -> None:
        """Delete the files of a survey that are still damaged.

        A chunk published for the same range has replaced its damaged file. This is for the others, whose
        runs have been published in chunks of other ranges.
        """
        for fault in damaged:
            try:
                self.read_chunk(fault.path)
            except DamagedChunk:
                with files.explained("remove", fault.path):
                    files.remove(fault.path)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`.

        Raises:
          ValueError: if a number in it is a NaN or an infinity.
          ResultsError: if the file cannot be written.
        """
        files.publish(self.path / "summary.json", _json_bytes(summary))

    @property
    def bounds(self) -> tuple[int, int]:
        """The first run that the folder is to hold, and one past the last."""
        return self.identity["runs"]["start"], self.identity["runs"]["stop"]

    @property
    def _chunk_folder(self) -> Path:
        return self.path / "chunks"

    def _created_or_resumed(self) -> Self:
        with files.explained("read", self.path):
            names = files.listing(self.path)
        if "sweep.json" in names:
            return self._resumed()
        if not all(map(files.is_temporary, names)):
            raise ResultsError(
                f"{str(self.path)!r} is not empty and not a results folder (it has no sweep.json); "
                "nothing was written there."
            )
        manifest = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "identity": self.identity,
            "environment": self.environment,
        }
        files.publish(self.path / "sweep.json", _json_bytes(manifest))
        return self

    def _resumed(self) -> Self:
        old = type(self).open_for_reading(self.path)
        if old.fingerprint != self.fingerprint:
            changes = "; ".join(differences(old.identity, self.identity))
            raise ResultsError(
                f"{str(self.path)!r} holds another sweep: {changes}. "
                "Choose another folder or the settings it was started with."
            )
        return old

    def _chunks(self) -> list[Chunk]:
        """Return the chunks that the folder lists, unread; files with other names are ignored."""
        with files.explained("read", self._chunk_folder):
            names = files.listing(self._chunk_folder) if self._chunk_folder.is_dir() else []
        named = (chunks.named_chunk(self._chunk_folder / name) for name in names)
        return sorted(chunk for chunk in named if chunk)

    def _header(self, start: int, stop: int) -> dict[str, Any]:
        return {"fingerprint": self.fingerprint, "start": start, "stop": stop}

    def _fault_in_header(self, chunk: Chunk, header: Mapping[str, Any]) -> str:
        if header == self._header(chunk.start, chunk.stop):
            return ""
        if header.get("fingerprint") != self.fingerprint:
            return "it belongs to another sweep"
        return f"it holds {_runs_text([(header['start'], header['stop'])])}"

    def _fault_in(self, start: int, stop: int, columns: Mapping[str, np.ndarray]) -> str:
        """Return what keeps `columns` from being those of `start` to `stop - 1`, "" if nothing does."""
        first, last = self.bounds
        if not first <= start < stop <= last:
            return f"the folder is to hold {_runs_text([(first, last)])}"
        for name, column in columns.items():
            if column.shape[:1] != (stop - start,):
                return f"column {name!r} must have {stop - start} rows, got shape {column.shape}"
        seeds = self.identity["seeds"]
        expected = seeds["first"] + np.arange(start, stop) % seeds["count"]
        if "seed" not in columns or columns["seed"].dtype != np.uint32:
            return "column 'seed' must be there, of type uint32"
        if not np.array_equal(columns["seed"], expected):
            return f"column 'seed' must hold {seeds_text(self.identity, start, stop)} in order"
        return ""


def _json_bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(dict(content), indent=2, allow_nan=False) + "\n").encode()


def _refuse_file(path: Path) -> None:
    with files.explained("use", path):
        if path.exists() and not path.is_dir():
            raise ResultsError(f"{str(path)!r} is a file, not a folder.")


def _read_manifest(file: Path) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Return identity, fingerprint and environment of a `sweep.json`."""
    with files.explained("read", file):
        data = files.read(file)
    try:
        manifest = json.loads(data)
        number, identity = manifest["format"], manifest["identity"]
        intact = number != FORMAT or manifest["fingerprint"] == fingerprint(identity)
        environment = dict(manifest["environment"])
    except (ValueError, KeyError, TypeError, RecursionError):
        intact = False
    if not intact:
        raise ResultsError(f"{str(file)!r} is damaged: what it says does not match its checksum.")
    if number != FORMAT:
        raise ResultsError(
            f"{str(file)!r} has format {number!r} and this version of bpjax reads {FORMAT}."
        )
    return identity, manifest["fingerprint"], environment


def _read_unless_bad_sector(path: Path) -> bytes:
    with files.explained("read", path):
        try:
            return files.read(path)
        except OSError as fault:
            if fault.errno != errno.EIO:
                raise
    raise ValueError("the disk cannot read it")


# ---- reading sweeps -----------------------------------------------------------------------------


def read_runs(*paths: str | PathLike[str], allow_partial: bool = False) -> RunTable:
    """Return the runs of a sweep from its folder, or from the folders of all its shards.

    Args:
      *paths: results folders, in any order.
      allow_partial: accept missing runs, as an interrupted sweep has them.

    Raises:
      ResultsError: if the folders are of different sweeps, or a run is there twice, missing or damaged.
    """
    folders = [SweepFolder.open_for_reading(path) for path in paths]
    identity = _merged_identity(folders)
    found = sorted(
        (
            (chunk, folder.read_chunk(chunk.path))
            for folder in folders
            for chunk in folder._chunks()
        ),
        key=lambda pair: pair[0],
    )
    _refuse_overlaps([chunk for chunk, _ in found])
    if not allow_partial:
        _refuse_missing(folders, identity, [chunk for chunk, _ in found])
    return RunTable(identity, _joined(folders, found))


def verify(path: str | PathLike[str]) -> VerifyReport:
    """Check every file of a results folder, and that every run is there once.

    Raises:
      ResultsError: if the folder cannot be read at all, or two intact chunks share a run.
    """
    folder = SweepFolder.open_for_reading(path)
    intact, faults = folder.survey()
    damaged = [
        Damage(
            fault.path,
            fault.start,
            fault.stop,
            seeds_text(folder.identity, fault.start, fault.stop),
            fault.reason,
        )
        for fault in faults
    ]
    listed = [*intact, *((fault.start, fault.stop) for fault in faults)]
    return VerifyReport(
        num_chunks=len(intact),
        num_runs=sum(chunk.stop - chunk.start for chunk in intact),
        damaged=tuple(damaged),
        missing=tuple(missing_ranges(listed, *folder.bounds)),
    )


def _merged_identity(folders: Sequence[SweepFolder]) -> Mapping[str, Any]:
    first, *others = folders
    for other in others:
        changes = "; ".join(differences(_unsharded(first), _unsharded(other)))
        if changes:
            raise ResultsError(
                f"{str(first.path)!r} and {str(other.path)!r} are different sweeps: {changes}."
            )
    if not others:
        return first.identity
    starts, stops = zip(*(folder.bounds for folder in folders), strict=True)
    return {**first.identity, "runs": {"start": min(starts), "stop": max(stops)}, "shard": None}


def _unsharded(folder: SweepFolder) -> dict[str, Any]:
    return {key: value for key, value in folder.identity.items() if key not in _SHARD_KEYS}


def _refuse_missing(
    folders: Sequence[SweepFolder], identity: Mapping[str, Any], found: Sequence[Chunk]
) -> None:
    where = ", ".join(repr(str(folder.path)) for folder in folders)
    gaps = missing_ranges(found, identity["runs"]["start"], identity["runs"]["stop"])
    if gaps:
        raise ResultsError(
            f"{_runs_text(gaps)} are missing from {where}; run the same sweep again to resume it."
        )
    # The gaps cannot show that the last shard was left out, so merged shards are counted too.
    shards = [shard for folder in folders if (shard := folder.identity.get("shard"))]
    if len(folders) > 1 and shards and len(shards) != shards[0]["count"]:
        raise ResultsError(
            f"{where} are {len(shards)} of the sweep's {shards[0]['count']} shards; name all of them."
        )


def _joined(
    folders: Sequence[SweepFolder], found: Sequence[tuple[Chunk, Mapping[str, np.ndarray]]]
) -> dict[str, np.ndarray]:
    if not found:
        raise ResultsError(f"{str(folders[0].path)!r} holds no finished run yet.")
    kinds = [{name: (c.dtype, c.shape[1:]) for name, c in part.items()} for _, part in found]
    for (chunk, _), kind in zip(found, kinds, strict=True):
        if kind != kinds[0]:
            raise ResultsError(
                f"{str(chunk.path)!r} and {str(found[0][0].path)!r} have different columns."
            )
    return {name: np.concatenate([part[name] for _, part in found]) for name in kinds[0]}
