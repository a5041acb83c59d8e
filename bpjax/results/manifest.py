"""`sweep.json`, which says what a folder holds, and the copy that stands in for it.

Both files hold the same bytes; either makes a folder a results folder. Where they contradict each
other, or both are damaged, the chunks decide: each carries the fingerprint of its sweep.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bpjax.errors import ResultsError
from bpjax.results import files
from bpjax.results.identity import digest, fingerprint
from bpjax.results.schema import ENVIRONMENT, fault_of, fault_of_identity
from bpjax.results.sealed import MOST_BYTES, parsed, publish_sealed, unsealed
from bpjax.text import printable

FORMAT = 3
"""The number that changes whenever older programs must not read a folder, of a sweep or a run."""

_ABSENT = "it is not there"
NAMES = ("sweep.json", "sweep-copy.json")


class Manifest(NamedTuple):
    """What a folder says of itself: the sweep, its digest, and what made it."""

    identity: Mapping[str, Any]
    fingerprint: str
    environment: Mapping[str, Any]


class FileFault(NamedTuple):
    """A file of a folder that is not intact, and what is wrong with it."""

    path: Path
    reason: str


class LostManifest(ResultsError):
    """Neither copy can be used: only who knows what the folder holds can go on with it."""


def is_results_folder(names: Sequence[str]) -> bool:
    """Tell whether a folder with these files is that of a sweep."""
    return any(name in names for name in NAMES)


def is_run_folder(names: Sequence[str]) -> bool:
    """Tell whether a folder with these files is that of one run of `bpjax train`."""
    return not is_results_folder(names) and ("run.json" in names or "weights.npz" in names)


def read_manifest(
    folder: Path, is_carried: Callable[[Manifest], bool]
) -> tuple[Manifest, tuple[FileFault, ...]]:
    """Return what a results folder says of itself, and the faults of its two files.

    Args:
      folder: with at least one of the files.
      is_carried: tells whether a chunk of the folder is of this sweep; asked in case of doubt.

    Raises:
      ResultsError: if a file cannot be read, has another format, or they cannot be reconciled;
        `LostManifest` if both are damaged.
    """
    found: list[tuple[Path, Manifest]] = []
    faults, of_others = [], []
    for path in (folder / name for name in NAMES):
        try:
            found.append((path, _read(path)))
        except _OtherFormat as fault:
            of_others.append(fault)
            faults.append(FileFault(path, "it has another format"))
        except ValueError as fault:
            faults.append(FileFault(path, str(fault)))
    if not found:
        raise of_others[0] if of_others else LostManifest(_neither(faults))
    if len(found) == 2 and found[0][1] != found[1][1]:
        found = _reconciled(found, is_carried)
        faults = [
            FileFault(folder / name, f"it differs from {found[0][0].name}, which the chunks are of")
            for name in NAMES
            if name != found[0][0].name
        ]
    return found[0][1], tuple(faults)


def write_manifest(folder: Path, manifest: Manifest, faults: Sequence[FileFault]) -> None:
    """Write the copies that have faults."""
    for fault in faults:
        publish_sealed(fault.path, {"format": FORMAT, **manifest._asdict()})


def no_faults_yet(folder: Path) -> tuple[FileFault, ...]:
    """Return what `write_manifest` is to write into a new folder."""
    return tuple(FileFault(folder / name, _ABSENT) for name in NAMES)


def format_fault(path: Path, content: Mapping[str, Any], whole: str) -> ResultsError:
    """Return the sentence for a file of another format: what to do."""
    environment = content.get("environment")
    versions = environment.get("versions") if isinstance(environment, dict) else None
    maker = versions.get("bpjax") if isinstance(versions, dict) else None
    told = f" (bpjax {printable(maker)})" if isinstance(maker, str) and len(maker) < 50 else ""
    number = f"{content.get('format', 1)!r:.20}"
    return ResultsError(
        f"{str(path)!r} has format {number}, and this bpjax reads {FORMAT}: read it with the "
        f"version that wrote it{told}, or make the {whole} again in another folder."
    )


class _OtherFormat(ResultsError):
    """A file is intact, and another bpjax wrote it."""


def _read(path: Path) -> Manifest:
    """Return what a file says; a ValueError says why it cannot be used."""
    try:
        data = files.read_stored(path, MOST_BYTES)
    except FileNotFoundError:
        raise ValueError(_ABSENT) from None
    try:
        content = unsealed(data)
    except ValueError:
        if (old := _old_content(data)) is not None:
            raise _OtherFormat(str(format_fault(path, old, "sweep"))) from None
        raise
    if isinstance(content.get("format"), int) and content["format"] != FORMAT:
        raise _OtherFormat(str(format_fault(path, content, "sweep")))
    if reason := _fault_of(content):
        raise ValueError(reason)
    return Manifest(*(content[field] for field in Manifest._fields))


def _fault_of(content: Mapping[str, Any]) -> str:
    """Return what keeps a sealed file from describing a sweep, "" if nothing does."""
    if set(content) != {"format", *Manifest._fields}:
        return "it describes no sweep: its fields are not those that bpjax writes"
    reason = fault_of_identity(content["identity"])
    reason = reason or fault_of(content["environment"], ENVIRONMENT, "environment")
    if reason:
        return f"it describes no sweep: {reason}"
    if content["fingerprint"] != fingerprint(content["identity"]):
        return "its fingerprint is not that of its identity"
    return ""


def _old_content(data: bytes) -> Mapping[str, Any] | None:
    """Return what an intact file of format 1 says, which had no seal; None if it is none."""
    try:
        content = parsed(data)
        is_old = content["format"] == 1 and "seal" not in content
        intact = is_old and content["fingerprint"] == digest(content["identity"])
    except (ValueError, KeyError, TypeError):
        return None
    return content if intact else None


def _reconciled(
    found: Sequence[tuple[Path, Manifest]], is_carried: Callable[[Manifest], bool]
) -> list[tuple[Path, Manifest]]:
    one, other = found
    if one[1].fingerprint == other[1].fingerprint:  # begun twice, or stopped as it had grown
        return [one]
    carried = [(path, manifest) for path, manifest in found if is_carried(manifest)]
    if len(carried) == 1:
        return carried
    which = "both" if carried else "neither"
    raise ResultsError(
        f"{str(one[0])!r} and {str(other[0])!r} are of two sweeps, and there are chunks of "
        f"{which}; remove what does not belong there."
    )


def _neither(faults: Sequence[FileFault]) -> str:
    damaged = [fault for fault in faults if fault.reason != _ABSENT] or faults
    both = " and so is its copy" if len(damaged) > 1 else ", and its copy is not there"
    return (
        f"{str(damaged[0].path)!r} is damaged: {damaged[0].reason}{both}; give the command that "
        "made the sweep again with this folder, and it goes on if its chunks are of that sweep."
    )
