"""The results folder of a sweep: immutable chunk files, whose listing is the ledger.

    DIR/sweep.json                      which sweep this is (binding), what made it (informative)
    DIR/chunks/runs-<start>-<stop>.npz  runs from `start` to `stop - 1`, all or some of those
                                        between, never changed once there
    DIR/summary.json                    can always be computed again

Only files that pass every check are read, and nothing that is read is executed.
"""

import errno
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from bpjax.errors import ResultsError
from bpjax.status import Status
from bpjax.sweeps import files
from bpjax.sweeps.chunks import (
    HELD,
    Chunk,
    Content,
    DamagedChunk,
    Held,
    Ranges,
    as_ranges,
    chunk_name,
    every_run,
    from_lengths,
    named_chunk,
    num_runs_of,
    pack,
    refuse_overlaps,
    runs_text,
    to_lengths,
    unpack,
)
from bpjax.sweeps.identity import as_stored, differences, fingerprint, seeds_text

FORMAT = 2
"""The number in `sweep.json` that changes whenever older programs must not read the folder."""


class Survey(NamedTuple):
    """What a folder holds: `intact` chunks in order, no run twice, and the faults of the others."""

    intact: tuple[Held, ...]
    damaged: tuple[DamagedChunk, ...]


@dataclass(frozen=True)
class SweepFolder:
    """The results folder of one sweep, or of one shard of it.

    Args:
      path: the folder.
      identity: which sweep; see `bpjax.sweeps.identity`.
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
          ResultsError: if the folder is not this sweep's, cannot be written, or has another writer.
            What was there is left as it was.
        """
        path = Path(path)
        _refuse_file(path)
        with files.explained("create", path):
            files.make_folders(path)
        with files.locked(path):
            folder = cls._created_or_resumed(path, as_stored(identity), as_stored(environment))
            with files.explained("write to", path):
                files.make_folders(path / "chunks")
                files.remove_temporaries(path)
                files.remove_temporaries(path / "chunks")
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

    @classmethod
    def _created_or_resumed(
        cls, path: Path, identity: dict[str, Any], environment: dict[str, Any]
    ) -> Self:
        with files.explained("read", path):
            names = files.listing(path)
        if "sweep.json" in names:
            old = cls.open_for_reading(path)
            if changes := "; ".join(differences(old.identity, identity)):
                raise ResultsError(
                    f"{str(path)!r} holds another sweep: {changes}. "
                    "Choose another folder, or the settings this one was started with."
                )
            return old
        if not all(map(files.is_temporary, names)):
            raise ResultsError(
                f"{str(path)!r} is not empty and not a results folder (it has no sweep.json); "
                "nothing was written there."
            )
        new = cls(path, identity, fingerprint(identity), environment)
        files.publish_json(path / "sweep.json", _manifest(new))
        return new

    def publish_chunk(
        self, runs: ArrayLike | Iterable[tuple[int, int]], columns: Mapping[str, np.ndarray]
    ) -> Path:
        """Write some runs that no other chunk has; once this returns, no crash can lose them.

        Args:
          runs: their ranges `(start, stop)`, in order, with gaps between them.
          columns: a row for each run in this order, `seed` of type uint32 among them; in a sweep
            that keeps counts, `status`, `epochs`, `count` and the settings of the grid.

        Returns:
          The file.

        Raises:
          ValueError: if the columns are not those of these runs of this sweep.
          ResultsError: if the file cannot be written.
        """
        runs = as_ranges(runs)
        fault = self._fault_of_runs(runs) or self._fault_of_columns(runs, columns)
        if fault:
            raise ValueError(f"{runs_text(runs)} cannot be published: {fault}.")
        start, stop = int(runs[0, 0]), int(runs[-1, 1])
        path = self.path / "chunks" / chunk_name(start, stop)
        files.publish(path, pack(self._header(start, stop), {HELD: to_lengths(runs), **columns}))
        return path

    def read_chunk(self, path: str | PathLike[str]) -> Content:
        """Return what a chunk holds that passes every check.

        Raises:
          DamagedChunk: if it does not.
          ResultsError: if the path does not name a chunk, or cannot be read for a reason that says
            nothing about the file, like a permission.
        """
        chunk = named_chunk(Path(path))
        if chunk is None:
            raise ResultsError(f"{str(path)!r} does not have the name of a chunk.")
        try:
            header, columns = unpack(_read_unless_bad_sector(chunk.path))
            reason = self._fault_of_header(chunk, header)
            if not reason:
                runs = from_lengths(chunk.start, chunk.stop, columns.pop(HELD, None))
                reason = self._fault_of_runs(runs) or self._fault_of_columns(runs, columns)
        except ValueError as fault:
            reason = str(fault)
        if reason:  # outside the handler, so that the fault does not keep the file's bytes alive
            raise DamagedChunk(chunk, reason)
        return Content(runs, columns)

    def chunks(self) -> list[Chunk]:
        """Return the chunks that the folder lists, unread; files with other names are ignored."""
        folder = self.path / "chunks"
        with files.explained("read", folder):
            names = files.listing(folder) if folder.is_dir() else []
        named = (named_chunk(folder / name) for name in names)
        return sorted(chunk for chunk in named if chunk)

    def survey(self) -> Survey:
        """Read and check every chunk.

        Raises:
          ResultsError: if two intact chunks share a run.
        """
        intact, damaged = [], []
        for chunk in self.chunks():
            try:
                intact.append(Held(chunk.path, self.read_chunk(chunk.path).runs))
            except DamagedChunk as fault:
                damaged.append(fault.with_traceback(None))
        refuse_overlaps(intact)
        return Survey(tuple(intact), tuple(damaged))

    def remove_damaged(self, damaged: Iterable[DamagedChunk]) -> None:
        """Delete the files of a survey that are still damaged.

        A chunk published with the same bounds has replaced its damaged file. This is for the
        others, whose runs have been published in chunks of other bounds.
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
        files.publish_json(self.path / "summary.json", summary)

    @property
    def bounds(self) -> tuple[int, int]:
        """The first run that the folder is to hold, and one past the last."""
        return self.identity["runs"]["start"], self.identity["runs"]["stop"]

    def _header(self, start: int, stop: int) -> dict[str, Any]:
        return {"fingerprint": self.fingerprint, "start": start, "stop": stop}

    def _fault_of_header(self, chunk: Chunk, header: Mapping[str, Any]) -> str:
        if header == self._header(chunk.start, chunk.stop):
            return ""
        if header.get("fingerprint") != self.fingerprint:
            return "it belongs to another sweep"
        try:
            return f"it holds {runs_text([(header['start'], header['stop'])])}"
        except (KeyError, TypeError):
            return "its header does not say which runs it holds"

    def _fault_of_runs(self, runs: Ranges) -> str:
        """Return what keeps a chunk from holding these runs, "" if nothing does."""
        first, last = self.bounds
        edges = runs.reshape(-1)
        if not len(runs) or np.any(np.diff(edges) <= 0):
            return "its runs must be ranges in order, with gaps between them"
        if not first <= edges[0] < edges[-1] <= last:
            return f"the folder is to hold {runs_text([(first, last)])}"
        count = self.identity["seeds"]["count"]
        if self._counts and edges[0] // count != (edges[-1] - 1) // count:
            return "it must count the runs of one point of the grid"
        return ""

    def _fault_of_columns(self, runs: Ranges, columns: Mapping[str, np.ndarray]) -> str:
        """Return what keeps `columns` from being those of these runs, "" if nothing does."""
        num_runs = num_runs_of(runs)
        if self._counts:
            return _fault_of_counts(num_runs, columns)
        if fault := _fault_of_answers(self.identity.get("num_held_out", 0), columns):
            return fault
        for name, column in columns.items():
            if column.shape[:1] != (num_runs,):
                return f"column {name!r} must have {num_runs} rows, got shape {column.shape}"
        seeds, seed = self.identity["seeds"], columns.get("seed")
        expected = seeds["first"] + every_run(runs) % seeds["count"]
        if seed is None or seed.dtype != np.uint32 or not np.array_equal(seed, expected):
            text = seeds_text(self.identity, int(runs[0, 0]), int(runs[-1, 1]))
            some = "some of " if len(runs) > 1 else ""
            return f"column 'seed' must hold {some}{text} in order, as uint32"
        return ""

    @property
    def _counts(self) -> bool:
        return self.identity.get("rows") == "counts"


def _fault_of_answers(num_held_out: int, columns: Mapping[str, np.ndarray]) -> str:
    """Return what keeps `columns` from saying how many held-out cases each run has right."""
    if not num_held_out:
        return ""
    right = columns.get("held_out_right", np.array([-1]))
    return _fault_of_numbers("held_out_right", right, 0, num_held_out)


def _fault_of_numbers(name: str, column: np.ndarray, least: int, most: int) -> str:
    if column.dtype.kind in "iu" and np.all(column >= least) and np.all(column <= most):
        return ""
    return f"column {name!r} must hold whole numbers from {least} to {most}"


def _fault_of_counts(num_runs: int, columns: Mapping[str, np.ndarray]) -> str:
    """Return what keeps `columns` from counting the outcomes of so many runs."""
    if not {"status", "epochs", "count"} <= set(columns):
        names = ", ".join(map(repr, columns))
        return f"it must have the columns status, epochs and count, not {names}"
    if len({column.shape for column in columns.values()}) > 1:
        return "its columns must have one length"
    for name, least, most in (
        ("status", Status.CONVERGED.value, Status.NONFINITE.value),
        ("epochs", 0, 2**31 - 1),
        ("count", 1, num_runs),
    ):
        if fault := _fault_of_numbers(name, columns[name], least, most):
            return fault
    for name in set(columns) - {"status", "epochs", "count"}:
        if np.any(columns[name] != columns[name][0]):
            return f"column {name!r} must hold one value, that of its point of the grid"
    counted = int(np.sum(columns["count"], dtype=np.int64))
    return "" if counted == num_runs else f"it must count {num_runs} runs, and counts {counted}"


def _manifest(folder: SweepFolder) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "fingerprint": folder.fingerprint,
        "identity": folder.identity,
        "environment": folder.environment,
    }


def _read_manifest(file: Path) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Return identity, fingerprint and environment of a `sweep.json`."""
    with files.explained("read", file):
        data = files.read(file)
    try:
        manifest = json.loads(data)
        number = manifest["format"]
        if number != FORMAT:
            raise ResultsError(f"{str(file)!r} has format {number!r}; this bpjax reads {FORMAT}.")
        identity, environment = manifest["identity"], dict(manifest["environment"])
        if manifest["fingerprint"] == fingerprint(identity):
            return identity, manifest["fingerprint"], environment
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise ResultsError(f"{str(file)!r} is damaged: its text does not match its fingerprint.")


def _refuse_file(path: Path) -> None:
    with files.explained("use", path):
        if path.exists() and not path.is_dir():
            raise ResultsError(f"{str(path)!r} is a file, not a folder.")


def _read_unless_bad_sector(path: Path) -> bytes:
    with files.explained("read", path):
        try:
            return files.read(path)
        except OSError as fault:
            if fault.errno != errno.EIO:
                raise
    raise ValueError("the disk cannot read it")
