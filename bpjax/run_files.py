"""The files of a run besides its record: the history as a table, the weights as arrays."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from bpjax.params import parameter_names
from bpjax.recording import History, Snapshots
from bpjax.results.chunks import pack, unpack
from bpjax.training import Run


def history_of(data: bytes, outcome: Mapping[str, Any]) -> History:
    """Return the history that a table holds; a ValueError says what is wrong with it."""
    try:
        if data.count(b"\n") < 2:
            raise ValueError
        lines = io.StringIO(data.decode())
        header = next(csv.reader([lines.readline()]))
        table = np.loadtxt(lines, delimiter=",", ndmin=2, comments=None)
        columns = dict(zip(header, table.T, strict=True))
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
    except (ValueError, KeyError, StopIteration, csv.Error):
        raise ValueError("it is no history of a run") from None
    if not all(map(str.isprintable, header)):
        raise ValueError("it holds text that does not print")
    if (fields["epoch"][-1], fields["num_right"][-1]) != (outcome["epochs"], outcome["num_right"]):
        raise ValueError("it does not end as run.json says")
    return History(**fields)


def weights_of(data: bytes, outcome: Mapping[str, Any]) -> tuple[Snapshots, tuple[str, ...]]:
    """Return the snapshots that a file holds; a ValueError says what is wrong with it."""
    _, arrays = unpack(data)
    if set(arrays) != {"epoch", "weights", "names"}:
        raise ValueError("it holds no weights of a run")
    epoch, weights, names = (arrays[key] for key in ("epoch", "weights", "names"))
    kinds = epoch.dtype.kind + weights.dtype.kind + names.dtype.kind
    if kinds != "ifU" or names.ndim != 1 or epoch.ndim != 1 or not len(epoch):
        raise ValueError("it holds no weights of a run")
    if weights.shape != (len(epoch), len(names)) or np.any(np.diff(epoch) <= 0):
        raise ValueError("it holds no weights of a run")
    words = tuple(map(str, names.tolist()))
    if not all(map(str.isprintable, words)):
        raise ValueError("it holds text that does not print")
    if epoch[-1] != outcome["epochs"]:
        raise ValueError("it does not end as run.json says")
    return Snapshots(epoch.astype(int), weights.astype(float)), words


_CURVES = (
    *("epoch", "loss", "loss_during_epoch", "held_out_loss"),
    *("mean_squared_error", "num_right", "num_held_out_right"),
)


_BY_PART = ("gradient_norm", "gradient_size", "error_signal_size")


def as_csv(history: History) -> bytes:
    """Return a history as `history.csv` holds it."""
    columns = {field: getattr(history, field) for field in _CURVES}
    for field in _BY_PART:
        for name, values in getattr(history, field).items():
            columns[f"{field} {name}"] = values
    lines = [",".join(columns)]
    lines += [
        ",".join(map(str, row)) for row in zip(*(c.tolist() for c in columns.values()), strict=True)
    ]
    return ("\n".join(lines) + "\n").encode()


def as_npz(run: Run, record: Mapping[str, Any]) -> bytes:
    """Return the snapshots of a run as `weights.npz` holds them, with a copy of its record."""
    names = np.array(parameter_names(run.task.network))
    epoch = np.asarray(run.snapshots.epoch, np.int64)
    return pack(record, {"epoch": epoch, "weights": run.snapshots.weights, "names": names})
