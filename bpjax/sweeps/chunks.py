"""Chunks: ranges of runs, and the self-checking files that hold them.

A chunk file is a plain `.npz` with a header and a seal. The seal is the archive's comment, the last
64 bytes of the file, so `numpy.load` reads a chunk as it is, and `head -c -64 FILE | sha256sum`
prints what `tail -c 64 FILE` shows. Unlike a digest over names, types, shapes and numbers alone, it
also covers the bytes of the container.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpjax.errors import ResultsError

_HEADER = "__header__"
_NAME = re.compile(r"runs-(\d{12,})-(\d{12,})\.npz")
_SEAL_LENGTH = 64


class Chunk(NamedTuple):
    """A chunk file and the runs that its name promises: `start` to `stop - 1`."""

    start: int
    stop: int
    path: Path


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
            f"damaged chunk {str(self.path)!r} ({runs_text([chunk])}): {reason}; "
            "run the same sweep again to recompute it."
        )


# ---- ranges of runs -----------------------------------------------------------------------------


def missing_ranges(
    ranges: Iterable[tuple[Any, ...]], first: int, last: int
) -> list[tuple[int, int]]:
    """Return the gaps that chunks leave in the runs `first` to `last - 1`.

    Args:
      ranges: chunks, or other tuples that begin with `start, stop`; they may overlap.
      first: the first run that should be there.
      last: one past the last one.

    Example:
      >>> missing_ranges([(4, 6), (0, 2)], 0, 8)
      [(2, 4), (6, 8)]
    """
    gaps = []
    for start, stop, *_ in sorted(ranges):
        if first < min(start, last):
            gaps.append((first, min(start, last)))
        first = max(first, stop)
    return [*gaps, (first, last)] if first < last else gaps


def refuse_overlaps(ordered: Sequence[Chunk]) -> None:
    """Raise a `ResultsError` if two of the chunks share a run."""
    for one, other in pairwise(ordered):
        if other.start < one.stop:
            raise ResultsError(
                f"{runs_text([(other.start, min(one.stop, other.stop))])} are there twice, in "
                f"{str(one.path)!r} and {str(other.path)!r}; "
                "remove one of the files and run the same sweep again to resume it."
            )


def runs_text(ranges: Sequence[tuple[Any, ...]], most: int = 4) -> str:
    """Return ranges in words, the first few of them.

    Example:
      >>> runs_text([(0, 4), (8, 16)])
      'runs 0 to 3, 8 to 15'
    """
    shown = ", ".join(f"{start} to {stop - 1}" for start, stop, *_ in ranges[:most])
    more = f" and {len(ranges) - most} more ranges" if len(ranges) > most else ""
    return f"runs {shown}{more}"


# ---- files --------------------------------------------------------------------------------------


def chunk_name(start: int, stop: int) -> str:
    """Return the file name of the chunk of runs `start` to `stop - 1`.

    Example:
      >>> chunk_name(0, 512)
      'runs-000000000000-000000000512.npz'
    """
    return f"runs-{start:012d}-{stop:012d}.npz"


def named_chunk(path: Path) -> Chunk | None:
    """Return the chunk that a path names, None if it is not the name of a chunk."""
    match = _NAME.fullmatch(path.name)
    chunk = match and Chunk(int(match[1]), int(match[2]), path)
    return chunk if chunk and chunk.start < chunk.stop else None


def seal_of(body: bytes) -> bytes:
    """Return the seal of a file's other bytes: their sha256 in hexadecimal."""
    return hashlib.sha256(body).hexdigest().encode()


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
    """Return the header and the columns of a chunk.

    Raises:
      ValueError: if the bytes are not those of an intact chunk; the text is the reason.
    """
    check_seal(data)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            columns = {name: archive[name] for name in archive.files}
        return dict(json.loads(columns.pop(_HEADER).tobytes())), columns
    except MemoryError:
        raise
    except Exception as fault:  # sealed by other hands: numpy, zipfile and json raise many kinds
        raise ValueError(f"it cannot be decoded ({type(fault).__name__})") from fault
