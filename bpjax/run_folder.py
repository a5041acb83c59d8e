"""The folder of one run: what it was, its history as a table, its weights.

DIR/run.json      the run's identity and outcome
DIR/history.csv   one row per recorded epoch
DIR/weights.npz   snapshots: `epoch`, `weights` (one row each) and the `names` of the columns
DIR/figures/      drawn from the above
"""

import csv
import io
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpjax.errors import ResultsError
from bpjax.network import parameter_names
from bpjax.sweeps.files import (
    explained,
    listing,
    locked,
    make_folders,
    publish,
    publish_json,
    read,
)
from bpjax.sweeps.identity import as_stored, differences, fingerprint
from bpjax.sweeps.plan import Plan
from bpjax.sweeps.run import environment
from bpjax.sweeps.shape import ENVIRONMENT, IDENTITY, fault_of, nothing, number, text, whole
from bpjax.training import History, Run, Snapshots


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
        names = listing(path)
    identity = as_stored(plan.identity())
    if "run.json" in names:
        _refuse_another(path, identity)
    elif names:
        raise ResultsError(
            f"{str(path)!r} is not empty and not the folder of a run (it has no run.json); "
            "nothing was written there."
        )
    else:
        publish_json(path / "run.json", {"identity": identity, "outcome": None})
    return path


def default_folder(plan: Plan) -> str:
    """Return the folder for a run that was not given one."""
    name = f"{plan.tasks[0].name}-seed-{plan.first_seed}"
    return f"results/{name}-{fingerprint(plan.identity())[:8]}"


def save(run: Run, path: Path, plan: Plan) -> dict[str, Any]:
    """Write a finished run into the folder that `claim` returned, and return its outcome.

    Raises:
      ResultsError: if a file cannot be written.
    """
    with locked(path):
        publish(path / "history.csv", _csv(run.history))
        publish(path / "weights.npz", _npz(run))
        outcome = {
            "task": run.task.name,
            "network": run.task.network.describe(),
            "criterion": str(run.task.criterion),
            "seed": run.seed,
            "status": run.status.name,
            "epochs": run.epochs,
            "loss": run.loss if np.isfinite(run.loss) else None,
            "num_right": int(run.history.num_right[-1]),
            "num_cases": run.task.num_cases - run.task.num_held_out,
            "num_held_out_right": int(run.history.num_held_out_right[-1]),
            "num_held_out": run.task.num_held_out,
        }
        made = environment(fallback=plan.fallback)
        record = {"identity": plan.identity(), "environment": made, "outcome": outcome}
        publish_json(path / "run.json", record)
    return outcome


def load(path: str | PathLike[str]) -> SavedRun:
    """Return what the folder of a run holds.

    Raises:
      ResultsError: if it is not the folder of a run, the run has not ended, or a file is damaged.
        The files carry no checksum: what is not a table of the right shape, or does not end as
        `run.json` says, is found; a changed digit in the middle is not.
    """
    path = Path(path)
    with explained("read", path):
        names = listing(path)
    if "run.json" not in names:
        raise ResultsError(f"{str(path)!r} is not the folder of a run: it has no run.json.")
    record = _read_record(path / "run.json")
    history = _read_history(path / "history.csv")
    snapshots, weight_names = _read_weights(path / "weights.npz")
    last = history.epoch[-1], history.num_right[-1], snapshots.epoch[-1]
    outcome = record["outcome"]
    if last != (outcome["epochs"], outcome["num_right"], outcome["epochs"]):
        raise ResultsError(f"{str(path)!r} is damaged: its files do not end as its run.json says.")
    return SavedRun(
        record["identity"], record["environment"], outcome, history, snapshots, weight_names
    )


_OUTCOME = {
    **dict.fromkeys(("task", "network", "criterion"), text),
    **dict.fromkeys(("seed", "epochs", "num_right", "num_cases"), whole),
    **dict.fromkeys(("num_held_out_right", "num_held_out"), whole),
    "status": lambda value: value in ("CONVERGED", "MAX_EPOCHS", "NONFINITE"),
    "loss": (nothing, number),
}


def _read_record(file: Path) -> Mapping[str, Any]:
    with explained("read", file):
        content = read(file)
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        raise ResultsError(f"{str(file)!r} is damaged: it is no JSON.") from None
    if isinstance(record, dict) and "identity" in record and record.get("outcome", 0) is None:
        raise ResultsError(
            f"{str(file.parent)!r} holds a run that has not ended; train it again to its end."
        )
    shape = {"identity": IDENTITY, "environment": ENVIRONMENT, "outcome": _OUTCOME}
    if fault := fault_of(record, shape, "run"):
        raise ResultsError(f"{str(file)!r} is damaged: {fault}.")
    return record


def _read_history(file: Path) -> History:
    with explained("read", file):
        content = read(file)
    try:
        header, *rows = csv.reader(io.StringIO(content.decode()))
        columns = dict(zip(header, np.array(rows, float).T, strict=True))
        fields: dict[str, Any] = {name: columns[name] for name in _CURVES}
        for name in ("epoch", "num_right", "num_held_out_right"):
            if not np.all(np.abs(columns[name]) < 2**53):
                raise ValueError
            fields[name] = columns[name].astype(int)
        for kind in _BY_PART:
            parts = {name.partition(" ")[2]: name for name in header if name.startswith(f"{kind} ")}
            fields[kind] = {part: columns[name] for part, name in parts.items()}
        if not fields["gradient_size"] or np.any(np.diff(fields["epoch"]) <= 0):
            raise ValueError
    except (ValueError, KeyError, csv.Error):
        raise ResultsError(f"{str(file)!r} is damaged: it is no history of a run.") from None
    return History(**fields)


def _read_weights(file: Path) -> tuple[Snapshots, tuple[str, ...]]:
    with explained("read", file):
        content = read(file)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            epoch, weights, names = (archive[key] for key in ("epoch", "weights", "names"))
        if weights.shape != (*epoch.shape, len(names)) or not len(epoch):
            raise ValueError
        numbers = Snapshots(epoch.astype(int), weights.astype(float))
        return numbers, tuple(map(str, names.tolist()))
    except MemoryError:
        raise
    except Exception:  # numpy and zipfile raise many kinds
        raise ResultsError(f"{str(file)!r} is damaged: it holds no weights of a run.") from None


def _refuse_another(path: Path, identity: Mapping[str, Any]) -> None:
    file = path / "run.json"
    with explained("read", file):
        content = read(file)
    try:
        old = dict(json.loads(content)["identity"])
    except (TypeError, ValueError, KeyError) as fault:
        raise ResultsError(f"{str(file)!r} is damaged; choose another folder.") from fault
    if changes := "; ".join(differences(old, identity)):
        raise ResultsError(f"{str(path)!r} holds another run: {changes}. Choose another folder.")


_CURVES = ("epoch", "loss", "num_right", "num_held_out_right")
_BY_PART = ("gradient_norm", "gradient_size", "error_signal_size")


def _csv(history: History) -> bytes:
    columns = {field: getattr(history, field) for field in _CURVES}
    for field in _BY_PART:
        for name, values in getattr(history, field).items():
            columns[f"{field} {name}"] = values
    lines = [",".join(columns)]
    lines += [
        ",".join(map(str, row)) for row in zip(*(c.tolist() for c in columns.values()), strict=True)
    ]
    return ("\n".join(lines) + "\n").encode()


def _npz(run: Run) -> bytes:
    buffer = io.BytesIO()
    names = np.array(parameter_names(run.task.network))
    np.savez(buffer, epoch=run.snapshots.epoch, weights=run.snapshots.weights, names=names)
    return buffer.getvalue()
