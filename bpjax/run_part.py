"""What is kept of a run that has not ended: enough to go on with it, bit for bit.

DIR/unfinished.npz  the state of the run, and its history and snapshots so far; sealed as a chunk is
"""

from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from bpjax.errors import ResultsError
from bpjax.recording import Recording
from bpjax.results.chunks import pack, unpack
from bpjax.results.files import explained, publish, read_stored, remove
from bpjax.results.identity import differences, fingerprint
from bpjax.results.writer import only_writer
from bpjax.sweeps.plan import Plan
from bpjax.training import Part

NAME = "unfinished.npz"
LARGEST_FILE = 2**31
"""Bytes of a history, of weights, and of both together."""


class Kept(NamedTuple):
    """What a folder keeps of a run that has not ended.

    Attributes:
      header: which run, how it is recorded, and its `epoch`.
      part: to go on with.
    """

    header: dict[str, Any]
    part: Part


def keep_part(path: Path, plan: Plan, recording: Recording, part: Part) -> None:
    """Write what is needed to go on with a run into its folder, over what is kept there already.

    Raises:
      ResultsError: if it cannot be written, or is too large to be read again.
    """
    data = pack(_header(plan, recording) | {"epoch": part.epoch}, part.arrays)
    refuse_large(path / NAME, data)
    with only_writer(path):
        publish(path / NAME, data)


def refuse_large(file: Path, data: bytes) -> None:
    """Raise ResultsError for a file of a run that would be too large to be read again."""
    if len(data) > LARGEST_FILE:
        raise ResultsError(
            f"cannot write {str(file)!r}: it would have more than {LARGEST_FILE:,} bytes; record "
            "less often."
        )


def read_part(path: str | PathLike[str]) -> Kept | None:
    """Return what a folder keeps of a run that has not ended, None if it keeps nothing.

    Raises:
      ValueError: if it is damaged; the text is the reason.
      ResultsError: if it cannot be read for a reason that says nothing about it.
    """
    try:
        header, arrays = unpack(read_stored(Path(path) / NAME, LARGEST_FILE))
    except FileNotFoundError:
        return None
    epoch = header.get("epoch")
    if not isinstance(epoch, int) or not isinstance(header.get("fingerprint"), str):
        raise ValueError("it does not say which run it is of")
    return Kept(header, Part(epoch, arrays))


def part_of_run(path: Path, plan: Plan, recording: Recording) -> Part | None:
    """Return what a folder keeps of the run of a plan, None if it keeps nothing.

    Raises:
      ValueError: if it is damaged; the text is the reason.
      ResultsError: if it is of another run, or was recorded in another way.
    """
    kept = read_part(path)
    if kept is None:
        return None
    was = {key: value for key, value in kept.header.items() if key != "epoch"}
    if changes := "; ".join(differences(was, _header(plan, recording))):
        raise ResultsError(
            f"{str(path / NAME)!r} holds the run up to epoch {kept.part.epoch:,}: {changes}; give "
            "the same again, or start again with --start-again."
        )
    return kept.part


def forget_part(path: Path) -> None:
    """Remove what is kept of a run that has not ended, if anything is."""
    with explained("remove", path / NAME):
        try:
            remove(path / NAME)
        except FileNotFoundError:
            return


def _header(plan: Plan, recording: Recording) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint(plan.identity()),
        "seed": plan.first_seed,
        "record_every": recording.record_every,
        "snapshot_every": recording.snapshot_every,
    }
