"""Chunks: ranges of runs, and the self-checking files that hold them.

A chunk holds whatever runs had ended when it was written: a set of ranges, with holes where others
were still in training. Its name tells the first and the last run, its member `__held__` the rest.

A chunk file is a plain `.npz` with a header and a seal. The seal is the archive's comment, the last
64 bytes of the file, so `numpy.load` reads a chunk as it is, and `head -c -64 FILE | sha256sum`
prints what `tail -c 64 FILE` shows. Unlike a digest over names, types, shapes and numbers alone, it
also covers the bytes of the container.
"""

import io
import json
import math
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bpjax.errors import ResultsError
from bpjax.results.schema import PER_POINT
from bpjax.results.sealed import parsed, seal_of

Ranges = NDArray[np.int64]
"""Runs as rows `(start, stop)`, each meaning `start` to `stop - 1`; shape `(num_ranges, 2)`."""

HELD = "__held__"
"""Member of a chunk: how many runs from its first on are in it, then how many are not, and so on to
its last one. A few bytes for a hole, even where there are a million."""
_HEADER = "__header__"
_NAME = re.compile(r"runs-(\d{15,})-(\d{15,})\.npz")
_SEAL_LENGTH = 64


class Chunk(NamedTuple):
    """A chunk file and the first run that its name promises, and one past the last."""

    start: int
    stop: int
    path: Path


class Held(NamedTuple):
    """An intact chunk file and the runs that it really holds: ranges in order, none empty."""

    path: Path
    runs: Ranges


class Content(NamedTuple):
    """What an intact chunk holds: its runs, and a row for each in their order, or their counts."""

    runs: Ranges
    columns: dict[str, np.ndarray]


class DamagedChunk(ResultsError):
    """A chunk file is not what its name promises: none of it is used.

    Args:
      chunk: the file and the bounds that its name promises.
      reason: what is wrong, read after the file's name and a colon.
    """

    def __init__(self, chunk: Chunk, reason: str):
        self.start, self.stop, self.path = chunk
        self.reason = reason
        super().__init__(
            f"damaged chunk {str(self.path)!r} (some of {runs_text([chunk])}): {reason}; "
            "run the same sweep again to recompute it."
        )


class RepeatedChunk(DamagedChunk):
    """An intact chunk of which another has some runs too: two writers were at work."""


# ---- ranges of runs -----------------------------------------------------------------------------


def as_ranges(pairs: ArrayLike | Iterable[tuple[int, int]]) -> Ranges:
    """Return pairs `(start, stop)` as an array."""
    return np.array(pairs, np.int64).reshape(-1, 2)


def num_runs_of(ranges: Ranges) -> int:
    """Return how many runs ranges have that do not overlap."""
    return int((ranges[:, 1] - ranges[:, 0]).sum())


def without(ranges: Ranges, others: Ranges) -> Ranges:
    """Return the runs of `ranges` that none of `others` has, in as few ranges as can be, in order.

    Both may overlap and have any order.

    Example:
      >>> without(as_ranges([(0, 8), (6, 10)]), as_ranges([(2, 4)])).tolist()
      [[0, 2], [4, 10]]
    """
    edges = np.concatenate([ranges.reshape(-1), others.reshape(-1)])
    order = np.argsort(edges, kind="stable")
    step, none = np.tile([1, -1], len(ranges)), np.zeros(2 * len(ranges), np.int64)
    other, not_other = np.tile([1, -1], len(others)), np.zeros(2 * len(others), np.int64)
    inside = np.cumsum(np.concatenate([step, not_other])[order]) > 0
    outside = np.cumsum(np.concatenate([none, other])[order]) == 0
    edges = edges[order]
    last = np.append(edges[1:] != edges[:-1], True)[: len(edges)]  # of several edges at one place
    kept = (inside & outside)[last]
    return edges[last][np.diff(kept, prepend=False)].reshape(-1, 2)


def union(*ranges: Ranges) -> Ranges:
    """Return the runs that any of some ranges has, in as few ranges as can be, in order.

    Example:
      >>> union(as_ranges([(4, 6), (0, 2)]), as_ranges([(2, 3)])).tolist()
      [[0, 3], [4, 6]]
    """
    return without(np.concatenate([as_ranges([]), *ranges]), as_ranges([]))


def both(ranges: Ranges, others: Ranges) -> Ranges:
    """Return the runs that `ranges` and `others` have in common, in order.

    Example:
      >>> both(as_ranges([(0, 8)]), as_ranges([(2, 4), (6, 10)])).tolist()
      [[2, 4], [6, 8]]
    """
    return without(ranges, without(ranges, others))


def every_run(ranges: Ranges) -> NDArray[np.int64]:
    """Return the runs of ranges one by one, in their order.

    Example:
      >>> every_run(as_ranges([(7, 9), (0, 3)])).tolist()
      [7, 8, 0, 1, 2]
    """
    lengths = ranges[:, 1] - ranges[:, 0]
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(ranges[:, 0] - before, lengths)


def within(ranges: Ranges, first: int, last: int) -> Ranges:
    """Return what ranges have of the runs `first` to `last - 1`.

    Example:
      >>> within(as_ranges([(0, 3), (5, 9)]), 2, 7).tolist()
      [[2, 3], [5, 7]]
    """
    clipped = np.clip(ranges, first, last)
    return clipped[clipped[:, 0] < clipped[:, 1]]


def runs_at_places(ranges: Ranges, places: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the runs at some places of `every_run(ranges)`.

    Example:
      >>> runs_at_places(as_ranges([(0, 3), (5, 9)]), np.array([2, 3])).tolist()
      [2, 5]
    """
    until = np.cumsum(ranges[:, 1] - ranges[:, 0])
    which = np.searchsorted(until, places, side="right")
    return ranges[which, 1] - until[which] + places


def ranges_at_places(ranges: Ranges, first: int, last: int) -> Ranges:
    """Return the runs at the places `first` to `last - 1` of `every_run(ranges)`.

    Example:
      >>> ranges_at_places(as_ranges([(0, 3), (5, 9)]), 2, 5).tolist()
      [[2, 3], [5, 7]]
    """
    until = np.cumsum(ranges[:, 1] - ranges[:, 0])
    run_minus_place = (ranges[:, 1] - until)[:, None]
    places = np.clip(ranges - run_minus_place, first, last)
    return (places + run_minus_place)[places[:, 0] < places[:, 1]]


def ranges_of(runs: NDArray[np.integer]) -> Ranges:
    """Return runs, each of them once and in order, in as few ranges as can be.

    Example:
      >>> ranges_of(np.array([0, 1, 2, 7, 8])).tolist()
      [[0, 3], [7, 9]]
    """
    new = np.flatnonzero(np.diff(runs, prepend=-2) != 1)
    last = np.append(new[1:], len(runs))[: len(new)] - 1
    return np.stack([runs[new], runs[last] + 1], axis=1).astype(np.int64)


def held_by(chunks: Sequence[Held]) -> Ranges:
    """Return the runs of intact chunks, in any order."""
    return np.concatenate([as_ranges([]), *(chunk.runs for chunk in chunks)])


def refuse_overlaps(intact: Sequence[Held]) -> None:
    """Raise a `ResultsError` if two of the chunks share a run."""
    ranges = held_by(intact)
    owner = np.repeat(np.arange(len(intact)), [len(held.runs) for held in intact])
    order = np.argsort(ranges[:, 0], kind="stable")
    ranges, owner = ranges[order], owner[order]
    for k in np.flatnonzero(ranges[1:, 0] < ranges[:-1, 1])[:1].tolist():
        one, other = (intact[owner[i]].path for i in (k, k + 1))
        twice = [(ranges[k + 1, 0], ranges[k : k + 2, 1].min())]
        what = "run the same sweep again, which keeps one of them"
        if one.parent != other.parent:
            what = "name folders that share no run"
        raise ResultsError(
            f"{runs_text(twice)} are there twice, in {str(one)!r} and {str(other)!r}; {what}."
        )


def without_repetition(intact: Sequence[Held]) -> tuple[list[Held], list[RepeatedChunk]]:
    """Return chunks of which no two share a run, and the faults of the others.

    Args:
      intact: in the order of their first runs.
    """
    try:
        refuse_overlaps(intact)
    except ResultsError:
        pass
    else:
        return list(intact), []
    kept: list[Held] = []
    repeated = []
    for held in sorted(intact, key=lambda held: (held.runs[0, 0], -num_runs_of(held.runs))):
        twice = both(held.runs, held_by(kept))
        if not len(twice):
            kept.append(held)
        elif chunk := named_chunk(held.path):
            repeated.append(RepeatedChunk(chunk, f"another chunk has {runs_text(twice)} too"))
    return kept, repeated


def runs_text(runs: Ranges | Sequence[tuple[Any, ...]], most: int = 4) -> str:
    """Return runs in words, the first few ranges of them; points of a grid are counted from 1.

    Example:
      >>> runs_text([(0, 4), (8, 16), (20, 21)])
      'seeds 0 to 3, 8 to 15, 20'
      >>> runs_text([(3, 4), (10000000000, 10000000020)])
      'seeds 3 at point 1, 0 to 19 at point 2'
    """
    points = {int(edge) // PER_POINT for start, stop, *_ in runs for edge in (start, stop - 1)}
    told = [_range_text(int(start), int(stop), points != {0}) for start, stop, *_ in runs[:most]]
    more = f" and {len(runs) - most:,} more ranges" if len(runs) > most else ""
    return f"seeds {', '.join(told)}{more}"


def _range_text(start: int, stop: int, with_point: bool) -> str:
    (point, first), (last_point, last) = divmod(start, PER_POINT), divmod(stop - 1, PER_POINT)
    if point != last_point:
        return f"{first} at point {point + 1} to {last} at point {last_point + 1}"
    seeds = f"{first}" if first == last else f"{first} to {last}"
    return f"{seeds} at point {point + 1}" if with_point else seeds


# ---- which runs a chunk holds -------------------------------------------------------------------


def to_lengths(runs: Ranges) -> np.ndarray:
    """Return what a chunk's member `HELD` says of its runs, in the smallest type that can.

    Example:
      >>> to_lengths(as_ranges([(5, 9), (10, 11)]))
      array([4, 1, 1], dtype=uint8)
    """
    lengths = np.diff(runs.reshape(-1))
    return lengths.astype(np.min_scalar_type(lengths.max()))


def from_lengths(start: int, stop: int, lengths: np.ndarray | None) -> Ranges:
    """Return the runs between `start` and `stop - 1` of which `HELD` says these lengths.

    Raises:
      ValueError: if it cannot say that.
    """
    if lengths is not None and lengths.ndim == 1 and lengths.dtype.kind == "u" and lengths.size % 2:
        edges = np.concatenate([[start], start + np.cumsum(lengths, dtype=np.int64)])
        # In 64 bits a sum that is too large shows as an edge that is not behind the one before.
        if lengths.max() <= stop - start and np.all(np.diff(edges) > 0) and edges[-1] == stop:
            return edges.reshape(-1, 2)
    raise ValueError("it does not say which runs it holds")


# ---- files --------------------------------------------------------------------------------------


def chunk_name(start: int, stop: int) -> str:
    """Return the file name of a chunk whose first run is `start` and whose last is `stop - 1`.

    Chunks of a folder share no run, so they do not share a name.

    Example:
      >>> chunk_name(0, 512)
      'runs-000000000000000-000000000000512.npz'
    """
    return f"runs-{start:015d}-{stop:015d}.npz"


def named_chunk(path: Path) -> Chunk | None:
    """Return the chunk that a path names, None if it is not the name of a chunk."""
    match = _NAME.fullmatch(path.name)
    chunk = match and Chunk(int(match[1]), int(match[2]), path)
    return chunk if chunk and chunk.start < chunk.stop else None


def pack(header: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> bytes:
    """Return a chunk's bytes, which depend on the arguments only: no clock, no compression.

    Raises:
      ValueError: if a column holds Python objects.
    """
    members = {_HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8), **columns}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in members.items():
            member = io.BytesIO()
            # Memory order is not content: two equal columns give equal bytes.
            np.save(member, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy")  # dated 1980
            info.create_system = 3  # else the operating system would show
            archive.writestr(info, member.getvalue())
        archive.comment = b"0" * _SEAL_LENGTH
    body = buffer.getvalue()[:-_SEAL_LENGTH]
    return body + seal_of(body)


def check_seal(data: bytes) -> None:
    """Raise a `ValueError` unless every byte of a chunk is one that `pack` wrote."""
    if data[-_SEAL_LENGTH:] != seal_of(data[:-_SEAL_LENGTH]):
        raise ValueError("its bytes do not match its checksum")


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the columns of a chunk; they take no more memory than `data`.

    Raises:
      ValueError: if the bytes are not those of an intact chunk; the text is the reason.
    """
    check_seal(data)
    try:
        columns = _arrays(data)
        header = parsed(columns.pop(_HEADER).tobytes())
        return dict(header), columns
    except MemoryError:
        raise
    except Exception as fault:  # sealed by other hands: numpy and zipfile raise many kinds
        raise ValueError(f"it cannot be decoded ({type(fault).__name__})") from None


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    """Return the members of an archive that `pack` could have written: nothing is expanded."""
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > len(data):
            raise ValueError("members share bytes, or are compressed")
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.filename in arrays:
                raise ValueError("a member is compressed, or there twice")
            arrays[member.filename] = _array(archive.read(member))
    return {_without_suffix(name): array for name, array in arrays.items()}


def _without_suffix(name: str) -> str:
    if not name.endswith(".npy") or not name.isprintable():
        raise ValueError("a member is no array")
    return name.removesuffix(".npy")


def _array(data: bytes) -> np.ndarray:
    """Return an array, but only one as large as it says and of a type that columns have."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("another version of the format")
    shape, in_columns, dtype = np.lib.format.read_array_header_1_0(file)
    if in_columns or dtype.kind not in "biufU" or not dtype.itemsize:
        raise ValueError("a type that no column has")
    if math.prod(shape) * dtype.itemsize != len(data) - file.tell():
        raise ValueError("another size than its shape says")
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape)
