"""Files that appear whole or not at all.

The small functions at the top are all the input and output there is: a test that replaces them
sees, and can make fail, every single step. What follows puts them together.
"""

import errno
import json
import os
import secrets
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from bpjax.errors import ResultsError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.ENOLCK}
"""How file systems say that they lock no folders, or cannot fsync them (NFS, some FUSE)."""

PROBE_BYTES = 2**16
"""What must fit onto the disk for work to begin."""


# ---- the steps: everything that touches the disk ------------------------------------------------


def listing(folder: Path) -> list[str]:
    """Return the sorted names in `folder`."""
    return sorted(os.listdir(folder))


def read(path: Path, most: int | None = None) -> bytes:
    """Return the bytes of a regular file; nothing else is waited for or read.

    Args:
      path: the file, or a link to it.
      most: how many bytes it may have.

    Raises:
      OSError: if it cannot be read, or is a folder.
      ValueError: if it is another thing than a file, or larger.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if stat.S_ISDIR(state.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(state.st_mode):
            raise ValueError("it is no regular file")
        if most is not None and state.st_size > most:
            raise ValueError(f"it has more than {most:,} bytes")
        return file.read(state.st_size)


def create(path: Path) -> BinaryIO:
    """Open a file that must not exist yet."""
    return open(path, "xb")


def write(file: BinaryIO, data: bytes) -> None:
    """Write `data` and hand it to the system."""
    file.write(data)
    file.flush()


def sync(file: BinaryIO) -> None:
    """Wait until the disk has the file."""
    os.fsync(file.fileno())


def replace(source: Path, target: Path) -> None:
    """Rename `source` to `target` in one step, over a file that may be there."""
    os.replace(source, target)


def remove(path: Path) -> None:
    """Delete a file."""
    os.unlink(path)


def make(folder: Path) -> None:
    """Create one folder; it may exist."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not folder.is_dir():
            raise


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in `folder`, where the system can be asked to."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as fault:
        if fault.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def lock(folder: Path) -> int | None:
    """Lock `folder` itself and return the descriptor that holds the lock, None without locks.

    The system drops the lock with its process, however that dies, so nothing stale can remain.

    Raises:
      BlockingIOError: if another descriptor holds the lock.
    """
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        os.close(descriptor)
        if fault.errno in _UNSUPPORTED:
            return None
        raise
    return descriptor


# ---- put together -------------------------------------------------------------------------------

publishing = threading.Lock()
"""Held while a file is written: who wants to end the process takes it first."""


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turn the system's faults into a `ResultsError`: "cannot <action> '<path>': <cause>."."""
    try:
        yield
    except (OSError, ValueError) as fault:  # ValueError: a null byte in the path
        cause = getattr(fault, "strerror", None) or fault
        raise ResultsError(f"cannot {action} {str(path)!r}: {cause}.") from fault


def names_in(folder: Path) -> list[str]:
    """Return the sorted names in a folder.

    Raises:
      ResultsError: if it cannot be read.
    """
    with explained("read", folder):
        return listing(folder)


def publish(path: Path, data: bytes) -> None:
    """Put a file in place so that at every moment it is absent, the old one, or whole.

    Args:
      path: the file; an older one is replaced.
      data: all its bytes.

    Raises:
      ResultsError: if any step fails; then the temporary file is removed if that can be done.
    """
    temporary = _temporary_in(path.parent)
    with publishing, explained("write", path):
        try:
            with create(temporary) as file:
                write(file, data)
                sync(file)
            if read(temporary) != data:
                raise OSError(errno.EIO, "the bytes read back are not the bytes written")
            replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                remove(temporary)
            raise
        sync_folder(path.parent)


def publish_json(path: Path, content: Mapping[str, Any]) -> None:
    """Put `content` in place as an indented JSON file for others: bpjax does not read it again.

    Raises:
      ValueError: if a number in it is a NaN or an infinity.
      ResultsError: if the file cannot be written.
    """
    publish(path, (json.dumps(dict(content), indent=2, allow_nan=False) + "\n").encode())


def probe(folder: Path) -> None:
    """Really write to a folder, and leave nothing: permissions alone do not tell.

    Raises:
      ResultsError: if that is not possible.
    """
    temporary = _temporary_in(folder)
    with explained("write to", folder):
        try:
            with create(temporary) as file:
                write(file, bytes(PROBE_BYTES))
                sync(file)
        finally:
            with suppress(FileNotFoundError):
                remove(temporary)


def probe_file(path: Path) -> None:
    """Refuse a file that could not be written later; what is there is left as it is.

    Raises:
      ResultsError: if it is a folder, or the folder that it is to be in cannot be written to.
    """
    with explained("write", path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    probe(path.parent)


def read_stored(path: Path, most: int) -> bytes:
    """Return the bytes of a file of a results folder, which may be damaged or hostile.

    Raises:
      FileNotFoundError: if it is not there.
      ValueError: if the fault is the file's; the text is the reason.
      ResultsError: if it is not: a permission, say.
    """
    try:
        return read(path, most)
    except FileNotFoundError:
        raise
    except OSError as fault:
        if fault.errno == errno.EIO:
            raise ValueError("the disk cannot read it") from None
        if fault.errno == errno.ELOOP:
            raise ValueError("it is a link that leads nowhere") from None
        raise ResultsError(f"cannot read {str(path)!r}: {fault.strerror or fault}.") from fault


def is_own(name: str) -> bool:
    """Tell whether a file name is one that bpjax gives to what it keeps for its own use."""
    return name.startswith(".bpjax-")


def is_temporary(name: str) -> bool:
    """Tell whether a file name is one that `publish` gives out before it renames."""
    return is_own(name) and name.endswith(".tmp")


def remove_temporaries(folder: Path) -> None:
    """Delete what killed writers left in `folder`; only its one writer may call this.

    Raises:
      ResultsError: if that cannot be done.
    """
    with explained("write to", folder):
        for name in filter(is_temporary, listing(folder)):
            remove(folder / name)


def make_folders(folder: Path) -> None:
    """Create `folder` and the missing ones above it, so that they outlast a power cut."""
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        make(folder)
        sync_folder(folder.parent)


def _temporary_in(folder: Path) -> Path:
    return folder / f".bpjax-{secrets.token_hex(8)}.tmp"
