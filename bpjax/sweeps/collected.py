"""What the host learns from a call of the training program: columns fetched from the devices."""

from typing import Any, NamedTuple

import jax
import numpy as np

from bpjax.sweeps.scheduler import Ended, Report


class Collected(NamedTuple):
    """What the host learns from a call: the runs that ended, and how much was done.

    Attributes:
      columns: `ticket`, `status`, `epochs`, `loss`, `held_out_right` where cases are held out and,
        if kept, `weights`, a row per run; with counts instead `status`, `epochs` and `count`, a row
        for each kind of outcome.
      num_ended: how many runs ended.
      taken: per device, how many runs of its queue were begun.
      lane_epochs: epochs made by all usable lanes, busy or not.
      num_epochs: epochs that the busiest device made.
    """

    columns: dict[str, np.ndarray]
    num_ended: int
    taken: np.ndarray
    lane_epochs: int
    num_epochs: int


def collect(report: Report, num_usable: int, stride: int) -> Collected:
    """Fetch a report from the devices, awaiting the call that made it."""
    num_ended, taken, rounds = jax.device_get((report.num_ended, report.taken, report.rounds))
    ended = report.ended if num_ended.any() else jax.tree.map(_without_places, report.ended)
    ended = jax.device_get(ended)  # it may be large
    if isinstance(ended, Ended):
        columns = _columns(ended, num_ended)
    else:
        columns = _tally(ended.reshape(len(num_ended), 3, -1).sum(axis=0, dtype=np.int64))
    lane_epochs = int(rounds.astype(np.int64).sum()) * num_usable * stride
    num_epochs = int(rounds.max()) * stride
    return Collected(columns, int(num_ended.sum()), np.asarray(taken), lane_epochs, num_epochs)


def _without_places(row: Any) -> np.ndarray:
    return np.empty((*row.shape[:-1], 0), row.dtype)


def _columns(ended: Ended, count: np.ndarray) -> dict[str, np.ndarray]:
    places = ended.ticket.size // len(count)
    where = np.concatenate([k * places + np.arange(n) for k, n in enumerate(count)])
    columns = {
        "ticket": ended.ticket[where],
        "status": ended.status[where].astype(np.int8),
        "epochs": ended.epoch[where],
        "loss": ended.loss[where],
    }
    if ended.held_out_right is not None:
        columns["held_out_right"] = ended.held_out_right[where]
    if ended.weights is not None:
        columns["weights"] = np.ascontiguousarray(ended.weights[:, where].T)
    return columns


def _tally(counts: np.ndarray) -> dict[str, np.ndarray]:
    status, epochs = np.nonzero(counts)
    return {
        "status": (status + 1).astype(np.int8),
        "epochs": epochs.astype(np.int32),
        "count": counts[status, epochs],
    }
