"""The bytes of one chunk: a plain `.npz` that carries its own header and a seal over every byte.

The seal is the archive's comment, the last 64 bytes of the file, so `numpy.load` reads a chunk as it is, and
`head -c -64 FILE | sha256sum` prints what `tail -c 64 FILE` shows. Unlike a digest over the arrays
alone, it also covers the bytes of the container.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_HEADER = "__header__"
_NAME = re.compile(r"runs-(\d{12,})-(\d{12,})\.npz")
_SEAL_LENGTH = 64


class Chunk(NamedTuple):
    """A chunk file and the runs that its name promises: `start` to `stop - 1`."""

    start: int
    stop: int
    path: Path


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
    if match is None:
        return None
    chunk = Chunk(int(match[1]), int(match[2]), path)
    return chunk if chunk.start < chunk.stop else None


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
            # Memory order is not content. The copy of a 0-d array would be 1-d; columns are not 0-d.
            np.save(member, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy")  # dated 1980
            info.create_system = 3  # the one field that would tell Windows from Linux
            archive.writestr(info, member.getvalue())
        archive.comment = b"0" * _SEAL_LENGTH
    body = buffer.getvalue()[:-_SEAL_LENGTH]
    return body + seal_of(body)


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the columns of a chunk.

    Raises:
      ValueError: if a single byte is not what `pack` made it; the text is the reason.
    """
    body, seal = data[:-_SEAL_LENGTH], data[-_SEAL_LENGTH:]
    if seal != seal_of(body):
        raise ValueError("its bytes do not match its checksum")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            columns = {name: archive[name] for name in archive.files}
        header = json.loads(columns.pop(_HEADER).tobytes())
    except MemoryError:
        raise
    except Exception as fault:  # sealed by other hands: numpy, zipfile and json raise many kinds
        raise ValueError(f"it cannot be decoded ({type(fault).__name__})") from fault
    return header, columns
