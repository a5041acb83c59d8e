"""The folder of one run: what it was, its history as a table, its weights.

DIR/run.json      the run's identity and outcome, the digests of the other files; written last
DIR/history.csv   one row per recorded epoch
DIR/weights.npz   snapshots: `epoch`, `weights` (one row each) and the `names` of the columns; and a
                  copy of what `run.json` says
DIR/figures/      drawn from the above
DIR/unfinished.npz  there while the run has not ended: `bpjax.run_part`
"""

import hashlib
import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpjax.errors import ResultsError
from bpjax.recording import History, Snapshots
from bpjax.results.chunks import unpack
from bpjax.results.files import (
    explained,
    is_own,
    make_folders,
    names_in,
    probe,
    publish,
    read_stored,
    remove_temporaries,
)
from bpjax.results.identity import as_stored, differences, fingerprint, what
from bpjax.results.manifest import FORMAT, FileFault, format_fault, is_run_folder
from bpjax.results.schema import (
    ENVIRONMENT,
    fault_of,
    fault_of_identity,
    nothing,
    number,
    text,
    whole,
)
from bpjax.results.sealed import MOST_BYTES, parsed, publish_sealed, unsealed
from bpjax.results.writer import only_writer
from bpjax.run_files import as_csv, as_npz, history_of, weights_of
from bpjax.run_part import LARGEST_FILE, NAME, forget_part, read_part, refuse_large
from bpjax.sweeps.host_loop import environment
from bpjax.sweeps.plan import Plan
from bpjax.training import Run


class SavedRun(NamedTuple):
    """What the folder of a finished run holds.

    Attributes:
      identity: which run, as a sweep of one seed.
      environment: versions and device that made it.
      outcome: how it ended, with the names that `save` returns.
      history: the way there.
      snapshots: weights on the way.
      weight_names: the names of their columns.
    """

    identity: Mapping[str, Any]
    environment: Mapping[str, Any]
    outcome: Mapping[str, Any]
    history: History
    snapshots: Snapshots
    weight_names: tuple[str, ...]


class _Read(NamedTuple):
    """The record of a run and what is wrong with `run.json`; its files and what with them."""

    record: Mapping[str, Any]
    record_faults: list[FileFault]
    found: dict[str, Any]
    faults: list[FileFault]


def claim(path: str | PathLike[str], plan: Plan) -> Path:
    """Create the folder of the run that `plan` describes, before the long work begins.

    A folder that already holds this very run is taken again: the run is repeated bit for bit.

    Args:
      path: the folder; missing ones above it are created too.
      plan: from `bpjax.training.plan_run`.

    Returns:
      The folder.

    Raises:
      ResultsError: if it cannot be written, or holds anything else. Nothing is written then.
    """
    path = Path(path)
    with explained("create", path):
        make_folders(path)
    names = names_in(path)
    identity = as_stored(plan.identity())
    if is_run_folder(names):
        _refuse_another(path, identity)
        _refuse_folders(path)
        probe(path)
    elif not all(map(is_own, names)):
        raise ResultsError(
            f"{str(path)!r} is not empty and not the folder of a run (it has no run.json); "
            "nothing was written there."
        )
    else:
        content = {"format": FORMAT, "identity": identity, "outcome": None}
        with only_writer(path):
            publish_sealed(path / "run.json", content)
    return path


def default_folder(plan: Plan) -> str:
    """Return the folder for a run that was not given one."""
    name = f"{plan.tasks[0].name}-seed-{plan.first_seed}"
    return f"results/{name}-{fingerprint(plan.identity())[:8]}"


def save(run: Run, path: Path, plan: Plan, command: str = "") -> dict[str, Any]:
    """Write a finished run into the folder that `claim` returned, and return its outcome.

    `command` is recorded as what made it.

    Raises:
      ResultsError: if a file cannot be written.
    """
    error = float(run.history.mean_squared_error[-1])
    outcome = {
        "task": run.task.name,
        "network": run.task.network.describe(),
        "criterion": str(run.task.criterion),
        "seed": run.seed,
        "status": run.status.name,
        "epochs": run.epochs,
        "loss": run.loss if np.isfinite(run.loss) else None,
        "mean_squared_error": error if np.isfinite(error) else None,
        "num_right": int(run.history.num_right[-1]),
        "num_cases": run.task.num_cases - run.task.num_held_out,
        "num_held_out_right": int(run.history.num_held_out_right[-1]),
        "num_held_out": run.task.num_held_out,
    }
    record = {
        "identity": as_stored(plan.identity()),
        "environment": as_stored(environment(plan=plan, command=command)),
        "outcome": as_stored(outcome),
    }
    history = as_csv(run.history)
    weights = as_npz(run, {**record, "history": _digest(history)})
    content = {"history.csv": history, "weights.npz": weights}
    digests = {name: [_digest(data)] for name, data in content.items()}
    for name, data in content.items():
        refuse_large(path / name, data)
    with only_writer(path) as writer:
        remove_temporaries(path)
        if (old := _finished(path)) is not None:  # until all is new, what is there counts as well
            both = {name: [*old["files"][name], *digests[name]] for name in digests}
            publish_sealed(path / "run.json", {**old, "files": both})
        for name, data in content.items():
            writer.check()
            publish(path / name, data)
        publish_sealed(path / "run.json", {"format": FORMAT, **record, "files": digests})
        forget_part(path)
    return outcome


def load_run(path: str | PathLike[str]) -> SavedRun:
    """Return what the folder of a run holds.

    Where `run.json` is damaged, the copy that `weights.npz` holds of it is read, with a warning.

    Raises:
      ResultsError: if it is not the folder of a run, the run has not ended, or a file is damaged.
    """
    path = Path(path)
    record, record_faults, found, others = _read(path)
    for fault in record_faults:
        warnings.warn(
            f"{str(fault.path)!r} is not used: {fault.reason}; its copy in weights.npz is, and "
            "`bpjax verify --repair` mends it",
            stacklevel=2,
        )
    if others:
        raise ResultsError(
            f"{str(others[0].path)!r} is damaged: {others[0].reason}; train the run again to mend "
            "it."
        )
    history, (snapshots, weight_names) = found["history.csv"], found["weights.npz"]
    return SavedRun(
        record["identity"],
        record["environment"],
        record["outcome"],
        history,
        snapshots,
        weight_names,
    )


class CheckedRun(NamedTuple):
    """The health of the folder of a run.

    Attributes:
      identity: of the run.
      faults: of its files.
      unfinished: None if it has ended; else the epoch up to which it is kept, 0 for nothing.
    """

    identity: Mapping[str, Any]
    faults: list[FileFault]
    unfinished: int | None


def verify_run(path: str | PathLike[str]) -> CheckedRun:
    """Check every file of the folder of a run.

    Raises:
      ResultsError: if it is not the folder of a run, or nothing tells which run it is.
    """
    path = Path(path)
    begun = _record_of(path / "run.json")[0] if is_run_folder(names_in(path)) else None
    if begun is not None and begun["outcome"] is None:
        try:
            kept = read_part(path)
        except ValueError as fault:
            return CheckedRun(begun["identity"], [FileFault(path / NAME, str(fault))], 0)
        return CheckedRun(begun["identity"], [], kept.part.epoch if kept else 0)
    record, record_faults, _, faults = _read(path)
    return CheckedRun(record["identity"], [*record_faults, *faults], None)


def mend_record(path: str | PathLike[str]) -> None:
    """Write `run.json` again from its copy in `weights.npz`, if it is damaged."""
    path = Path(path)
    with only_writer(path):
        record, record_faults, _, _ = _read(path)
        if record_faults:
            publish_sealed(path / "run.json", record)


_OUTCOME = {
    **dict.fromkeys(("task", "network", "criterion"), text),
    **dict.fromkeys(("seed", "epochs", "num_right", "num_cases"), whole),
    **dict.fromkeys(("num_held_out_right", "num_held_out"), whole),
    "status": lambda value: value in ("CONVERGED", "MAX_EPOCHS", "NONFINITE"),
    **dict.fromkeys(("loss", "mean_squared_error"), (nothing, number)),
}
_RECORD = {"environment": ENVIRONMENT, "outcome": _OUTCOME}
_FILES = {name: [text] for name in ("history.csv", "weights.npz")}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _finished(path: Path) -> Mapping[str, Any] | None:
    """Return the record of the finished run of a folder, None if there is none to be read."""
    try:
        return _read_record(path)[0]
    except ResultsError:
        return None


def _read_record(path: Path) -> tuple[Mapping[str, Any], list[FileFault]]:
    """Return what `run.json` says, or else its copy, and the fault of the file.

    Raises:
      ResultsError: if neither can be read, or the run has not ended.
    """
    if not is_run_folder(names_in(path)):
        raise ResultsError(f"{str(path)!r} is not the folder of a run: it has no run.json.")
    file = path / "run.json"
    record, reason = _record_of(file)
    if record is not None and record["outcome"] is None:
        raise ResultsError(
            f"{str(path)!r} holds a run that has not ended; the command that began it goes on."
        )
    if record is not None:
        return record, []
    copy = _copy_of_record(path / "weights.npz")
    if copy is None:
        raise ResultsError(
            f"{str(file)!r} is damaged: {reason}, and so is its copy in weights.npz; remove the "
            "folder and train the run again."
        )
    return copy, [FileFault(file, reason)]


def _record_of(file: Path) -> tuple[Mapping[str, Any] | None, str]:
    """Return what `run.json` says, also of a run that has not ended; or why it says nothing."""
    try:
        data = read_stored(file, MOST_BYTES)
    except FileNotFoundError:
        return None, "it is not there"
    except ValueError as fault:
        return None, str(fault)
    try:
        record = unsealed(data)
    except ValueError as fault:
        if (old := _old_record(data)) is not None:
            raise format_fault(file, old, "run") from None
        return None, str(fault)
    if isinstance(record.get("format"), int) and record["format"] != FORMAT:
        raise format_fault(file, record, "run")
    if record.get("format") != FORMAT:
        return None, "it describes no run"
    if set(record) == {"format", "identity", "outcome"} and record["outcome"] is None:
        reason = fault_of_identity(record["identity"])
    else:
        reason = _fault_of_record(record) or fault_of(record.get("files"), _FILES, "files")
    return (None, f"it describes no run: {reason}") if reason else (record, "")


def _fault_of_record(record: Mapping[str, Any]) -> str | None:
    fault = fault_of(record, _RECORD, "run") or fault_of_identity(record.get("identity"))
    if fault or not isinstance(record["identity"]["task"], list):
        return fault
    return "it has several tasks"


def _old_record(data: bytes) -> Mapping[str, Any] | None:
    """Return what a `run.json` of format 1 says, which had no seal; None if it is none."""
    try:
        record = parsed(data)
    except ValueError:
        return None
    is_old = isinstance(record, dict) and {"identity", "outcome"} <= set(record)
    return record if is_old and not {"seal", "format"} & set(record) else None


def _copy_of_record(file: Path) -> Mapping[str, Any] | None:
    """Return the copy that `weights.npz` holds of `run.json`, None if it is damaged too."""
    try:
        data = read_stored(file, LARGEST_FILE)
        record, _ = unpack(data)
    except (FileNotFoundError, ValueError):
        return None
    history = record.pop("history", None)
    if _fault_of_record(record) or not isinstance(history, str):
        return None
    files = {"history.csv": [history], "weights.npz": [_digest(data)]}
    return {"format": FORMAT, **record, "files": files}


def _read(path: Path) -> _Read:
    """Return all that the folder of a run holds; a `run.json` that knows no file is not its own."""
    record, record_faults = _read_record(path)
    found, faults = _read_files(path, record)
    if not record_faults and len(faults) == 2 and (copy := _copy_of_record(path / "weights.npz")):
        copied, odd = _read_files(path, copy)
        if not odd:
            fault = FileFault(path / "run.json", "it is that of another run")
            return _Read(copy, [fault], copied, [])
    return _Read(record, record_faults, found, faults)


def _read_files(path: Path, record: Mapping[str, Any]) -> tuple[dict[str, Any], list[FileFault]]:
    """Return what history and weights hold, by their names, and the faults of those that do not."""
    found, faults = {}, []
    for name, decode in (("history.csv", history_of), ("weights.npz", weights_of)):
        try:
            data = read_stored(path / name, LARGEST_FILE)
            if _digest(data) not in record["files"][name]:
                raise ValueError("its bytes do not match its checksum in run.json")
            found[name] = decode(data, record["outcome"])
        except FileNotFoundError:
            faults.append(FileFault(path / name, "it is not there"))
        except ValueError as fault:
            faults.append(FileFault(path / name, str(fault)))
    return found, faults


def _refuse_another(path: Path, identity: Mapping[str, Any]) -> None:
    record, reason = _record_of(path / "run.json")
    if record is None:
        record = _copy_of_record(path / "weights.npz")
    if record is None:
        raise ResultsError(
            f"{str(path / 'run.json')!r} is damaged: {reason}, and nothing else tells which run it "
            "is; remove the folder, or choose another."
        )
    if changes := "; ".join(differences(_as_run(record["identity"]), _as_run(identity))):
        raise ResultsError(f"{str(path)!r} holds another run: {changes}. Choose another folder.")


def _as_run(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity with its seed by that name."""
    return {"seed": identity["seeds"][0][0], **what(identity)}


def _refuse_folders(path: Path) -> None:
    """Refuse a folder in the place of a file that will be written at the end."""
    for name in ("run.json", "history.csv", "weights.npz"):
        with explained("write", path / name):
            if (path / name).is_dir():
                raise ResultsError(f"{str(path / name)!r} is a folder, not a file; move it away.")
