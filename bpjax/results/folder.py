"""The results folder of a sweep: immutable chunk files, whose listing is the ledger.

    DIR/sweep.json, sweep-copy.json     which sweep this is (binding), what made it (informative)
    DIR/chunks/runs-<start>-<stop>.npz  runs from `start` to `stop - 1`, all or some of those
                                        between, never changed once there
    DIR/summary.json                    can always be computed again

Only files that pass every check are read, and nothing that is read is executed.
"""

import functools
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from bpjax.errors import ResultsError
from bpjax.results import files
from bpjax.results.chunks import (
    HELD,
    Chunk,
    Content,
    DamagedChunk,
    Held,
    Ranges,
    RepeatedChunk,
    as_ranges,
    chunk_name,
    from_lengths,
    named_chunk,
    pack,
    runs_text,
    to_lengths,
    unpack,
    without_repetition,
)
from bpjax.results.columns import Columns, columns_of, fault_of_columns, most_bytes
from bpjax.results.extent import runs_of, seeds_of, seeds_told
from bpjax.results.identity import as_stored, differences, fingerprint
from bpjax.results.manifest import (
    NAMES,
    FileFault,
    LostManifest,
    Manifest,
    is_results_folder,
    no_faults_yet,
    read_manifest,
    write_manifest,
)
from bpjax.results.schema import PER_POINT, fault_of_identity, num_points
from bpjax.results.sealed import publish_sealed, read_sealed
from bpjax.results.writer import Writer, only_writer

MOST_RUNS = 2**30
"""Of a chunk: what is larger is not read."""
NUM_SEEDS = 2**32
"""So many there are."""


class Survey(NamedTuple):
    """What a folder holds: `intact` chunks in order, no run twice, and the faults of the others."""

    intact: tuple[Held, ...]
    damaged: tuple[DamagedChunk, ...]


@dataclass(frozen=True)
class SweepFolder:
    """The results folder of one sweep, or of one shard of it.

    Args:
      path: the folder.
      identity: which sweep, and which of its runs the folder is to hold; its chunks may have more
        of it, where it was stopped as it grew.
      fingerprint: the identity's digest, which every chunk carries.
      environment: versions and device of the program that made the folder.
      faults: of `sweep.json` and its copy; the folder was read from the other.
      writer: the right to write, while the folder is open for it.
    """

    path: Path
    identity: Mapping[str, Any]
    fingerprint: str
    environment: Mapping[str, Any]
    faults: tuple[FileFault, ...] = ()
    writer: Writer | None = field(default=None, compare=False)

    @classmethod
    @contextmanager
    def open_for_writing(
        cls,
        path: str | PathLike[str],
        identity: Mapping[str, Any],
        environment: Mapping[str, Any],
    ) -> Iterator[Self]:
        """Create a sweep's folder, or go on with it, for the length of a `with` block.

        A folder of the same sweep that holds other seeds of it stays as it is until `grow`.

        Args:
          path: the folder; missing ones above it are created too.
          identity: which sweep.
          environment: kept in `sweep.json` when the folder is created.

        Raises:
          ResultsError: if the folder is not this sweep's, cannot be written, or has another writer.
            What was there is left as it was.
        """
        path = Path(path)
        asked = Manifest(as_stored(identity), fingerprint(identity), as_stored(environment))
        _refuse_file(path)
        with files.explained("create", path):
            files.make_folders(path)
        cls._created_or_resumed(path, asked)  # refuses before anything is written
        with only_writer(path) as writer:
            folder = cls._created_or_resumed(path, asked, writer)
            folder.mend_manifest()  # first, as it tells the folder from a foreign one
            with files.explained("write to", path):
                files.make_folders(path / "chunks")
                files.remove_temporaries(path)
                files.remove_temporaries(path / "chunks")
            files.probe(path / "chunks")
            yield folder

    @classmethod
    def open_for_reading(cls, path: str | PathLike[str]) -> Self:
        """Return a folder that exists; a writer may be at work in it.

        What one of `sweep.json` and `sweep-copy.json` says is enough; the faults of the other are
        in `faults`.

        Raises:
          ResultsError: if it is not a results folder, or both are damaged.
        """
        path = Path(path)
        _refuse_file(path)
        with files.explained("read", path):
            names = files.listing(path)
        if not is_results_folder(names):
            raise ResultsError(f"{str(path)!r} is not a results folder: it has no sweep.json.")
        manifest, faults = read_manifest(path, lambda found: cls(path, *found)._has_a_chunk())
        return cls(path, *manifest, faults)

    @classmethod
    def _created_or_resumed(cls, path: Path, asked: Manifest, writer: Writer | None = None) -> Self:
        new = cls(path, *asked, no_faults_yet(path), writer)
        with files.explained("read", path):
            names = files.listing(path)
        if not is_results_folder(names):
            if not all(map(files.is_own, names)):
                raise ResultsError(
                    f"{str(path)!r} is not empty and not a results folder (it has no sweep.json); "
                    "nothing was written there."
                )
            return new._checked()
        _refuse_folders(path)
        try:
            old = cls.open_for_reading(path)
        except LostManifest:
            if not new._checked()._has_a_chunk():
                raise
            return new
        if changes := "; ".join(differences(_fixed(old.identity), _fixed(asked.identity))):
            raise ResultsError(
                f"{str(path)!r} holds another sweep: {changes}. "
                "Choose another folder, or the settings this one was started with."
            )
        return cls(path, old.identity, old.fingerprint, old.environment, old.faults, writer)

    def _checked(self) -> Self:
        if fault := fault_of_identity(self.identity):
            raise ValueError(f"this is the identity of no sweep: {fault}.")
        return self

    def grow(self, identity: Mapping[str, Any]) -> Self:
        """Take note that the folder holds more runs than before, once they are all there.

        Args:
          identity: what it is to be, from `bpjax.results.extent.grown`.

        Returns:
          The folder as it is then. Whatever stops this, it is either as before or as it is to be.
        """
        self._check_writer()
        new = Manifest(as_stored(identity), self.fingerprint, self.environment)
        if new.identity != self.identity:
            write_manifest(self.path, new, no_faults_yet(self.path))
        return replace(self, identity=new.identity, faults=())

    def warn_of_faults(self) -> None:
        """Say in a line for each which file is not used."""
        for fault in self.faults:
            warnings.warn(
                f"{str(fault.path)!r} is not used: {fault.reason}; its copy is, and "
                "`bpjax verify --repair` mends it",
                stacklevel=3,
            )

    def mend_manifest(self) -> None:
        """Write those of `sweep.json` and its copy that have faults."""
        manifest = Manifest(self.identity, self.fingerprint, self.environment)
        write_manifest(self.path, manifest, self.faults)

    def _has_a_chunk(self) -> bool:
        """Tell whether any chunk is intact and of this sweep."""
        for chunk in self.chunks():
            try:
                self.read_chunk(chunk.path)
            except DamagedChunk:
                continue
            return True
        return False

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
        self._check_writer()
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
            header, columns = unpack(self._bytes_of(chunk))
            reason = self._fault_of_header(chunk, header)
            if not reason:
                runs = from_lengths(chunk.start, chunk.stop, columns.pop(HELD, None))
                reason = self._fault_of_runs(runs) or self._fault_of_columns(runs, columns)
        except ValueError as fault:
            reason = str(fault)
        except MemoryError:
            raise ResultsError(f"{str(chunk.path)!r} does not fit into the memory.") from None
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
        """Read and check every chunk."""
        intact, damaged = [], []
        for chunk in self.chunks():
            try:
                intact.append(Held(chunk.path, self.read_chunk(chunk.path).runs))
            except DamagedChunk as fault:
                damaged.append(fault.with_traceback(None))
        kept, repeated = without_repetition(intact)
        return Survey(tuple(kept), (*damaged, *repeated))

    def _bytes_of(self, chunk: Chunk) -> bytes:
        most = most_bytes(self._columns, min(chunk.stop - chunk.start, MOST_RUNS))
        try:
            return files.read_stored(chunk.path, most)
        except FileNotFoundError:
            raise ValueError("it is a link that leads nowhere") from None

    def remove_repeated(self, damaged: Iterable[DamagedChunk]) -> None:
        """Delete the files of a survey that are intact and hold runs that others hold."""
        for fault in damaged:
            if isinstance(fault, RepeatedChunk):
                with files.explained("remove", fault.path):
                    files.remove(fault.path)

    def remove_damaged(self, damaged: Iterable[DamagedChunk]) -> None:
        """Delete the files of a survey that are still damaged.

        A chunk published with the same bounds has replaced its damaged file. This is for the
        others, whose runs have been published in chunks of other bounds.
        """
        for fault in damaged:
            if not fault.path.exists() and not fault.path.is_symlink():
                continue
            try:
                self.read_chunk(fault.path)
            except DamagedChunk:
                with files.explained("remove", fault.path):
                    files.remove(fault.path)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`, sealed and with the fingerprint of the sweep.

        Raises:
          ValueError: if a number in it is a NaN or an infinity.
          ResultsError: if the file cannot be written.
        """
        self._check_writer()
        content = {**summary, "fingerprint": self.fingerprint}
        publish_sealed(self.path / "summary.json", content)

    def read_summary(self) -> dict[str, Any] | None:
        """Return what `write_summary` wrote, None if nothing is there, or it is of fewer seeds.

        Raises:
          ValueError: if it is damaged, or of another sweep; the text is the reason.
          ResultsError: if it cannot be read for a reason that says nothing about it.
        """
        try:
            summary = read_sealed(self.path / "summary.json")
        except FileNotFoundError:
            return None
        if summary.pop("fingerprint", None) != self.fingerprint:
            raise ValueError("it belongs to another sweep")
        if "num_runs" not in summary:
            raise ValueError("it holds no summary")
        return summary if summary.get("seeds") == seeds_told(seeds_of(self.identity)) else None

    def _check_writer(self) -> None:
        if self.writer is not None:
            self.writer.check()

    @property
    def runs(self) -> Ranges:
        """The runs that the folder is to hold."""
        return runs_of(self.identity)

    def _header(self, start: int, stop: int) -> dict[str, Any]:
        return {"fingerprint": self.fingerprint, "start": start, "stop": stop}

    def _fault_of_header(self, chunk: Chunk, header: Mapping[str, Any]) -> str:
        if header == self._header(chunk.start, chunk.stop):
            return ""
        if header.get("fingerprint") != self.fingerprint:
            return "it belongs to another sweep"
        start, stop = header.get("start"), header.get("stop")
        if isinstance(start, int) and isinstance(stop, int):
            return f"it holds {runs_text([(start, stop)])}"
        return "its header does not say which runs it holds"

    def _fault_of_runs(self, runs: Ranges) -> str:
        """Return what keeps a chunk from holding these runs, "" if nothing does."""
        edges = runs.reshape(-1)
        if not len(runs) or np.any(np.diff(edges) <= 0):
            return "its runs must be ranges in order, with gaps between them"
        points = np.stack([runs[:, 0], runs[:, 1] - 1]) // PER_POINT
        inside = runs[:, 1] - points[0] * PER_POINT <= NUM_SEEDS
        if edges[0] < 0 or points.max() >= num_points(self.identity) or not np.all(inside):
            return "it holds runs that the sweep cannot have"
        if self._counts and points.min() != points.max():
            return "it must count the runs of one point of the grid"
        return ""

    def _fault_of_columns(self, runs: Ranges, columns: Mapping[str, np.ndarray]) -> str:
        return fault_of_columns(self._columns, runs, columns)

    @functools.cached_property
    def _columns(self) -> Columns:
        return columns_of(self.identity)

    @property
    def _counts(self) -> bool:
        return self._columns.counts


def _fixed(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a folder keeps as it grows."""
    return {key: value for key, value in identity.items() if key not in ("seeds", "runs")}


def _refuse_file(path: Path) -> None:
    with files.explained("use", path):
        if path.exists() and not path.is_dir():
            raise ResultsError(f"{str(path)!r} is a file, not a folder.")


def _refuse_folders(path: Path) -> None:
    """Refuse a folder in the place of a file that will be written at the end."""
    for name in (*NAMES, "summary.json"):
        with files.explained("write", path / name):
            if (path / name).is_dir():
                raise ResultsError(f"{str(path / name)!r} is a folder, not a file; move it away.")
