"""The folder of one run: what it was, its history as a table, its weights.

DIR/run.json      the run's identity and outcome
DIR/history.csv   one row per recorded epoch
DIR/weights.npz   snapshots: `epoch`, `weights` (one row each) and the `names` of the columns
DIR/figures/      drawn from the above
"""

import io
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

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
from bpjax.training import History, Run


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
        record = {"identity": plan.identity(), "environment": environment(), "outcome": outcome}
        publish_json(path / "run.json", record)
    return outcome


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


def _csv(history: History) -> bytes:
    columns = {field: getattr(history, field) for field in _CURVES}
    for field in ("gradient_norm", "gradient_size", "error_signal_size"):
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
