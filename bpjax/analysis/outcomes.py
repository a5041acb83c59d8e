"""How many runs ended how, and after how many epochs: all that the statistics of a sweep need.

A sweep of 10^12 runs ends in a few thousand different ways. `Outcomes` counts them, so what is
computed from it costs the same for any number of runs, and gives the same numbers whether the
counts were tallied from rows or kept on a device while the sweep ran.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bpjax.errors import SettingError
from bpjax.status import Status

_FINAL = (Status.CONVERGED, Status.MAX_EPOCHS, Status.NONFINITE)
_TOO_MANY = 2**62  # runs and epochs together; below it every sum that is formed fits 64 bits


class Outcomes(NamedTuple):
    """How many runs ended with each status after each number of epochs, as three equal columns.

    Made by `outcomes_of`: int64 columns of shape `(num_outcomes,)`, sorted by epochs and then
    status, no pair listed twice, every count at least 1.
    """

    status: NDArray[np.int64]
    epochs: NDArray[np.int64]
    count: NDArray[np.int64]  # type: ignore[assignment]  # hides `tuple.count`, of no use here

    @property
    def num_runs(self) -> int:
        """All runs."""
        return int(self.count.sum())

    @property
    def seed_epochs(self) -> int:
        """Epochs of all runs together."""
        return int(self.epochs @ self.count)

    def ending(self, status: Status) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the epochs at which runs ended with `status`, increasing, and how many did."""
        chosen = self.status == status
        return self.epochs[chosen], self.count[chosen]


def outcomes_of(status: ArrayLike, epochs: ArrayLike, count: ArrayLike | None = None) -> Outcomes:
    """Tally runs, given one per row or as counts.

    To join the outcomes of several parts of a sweep, concatenate their columns and tally again.

    Args:
      status: the `Status` of each row, shape `(num_rows,)`, final outcomes only.
      epochs: epochs that the runs of each row made, same shape, whole numbers.
      count: how many runs each row stands for, same shape, whole numbers; one run if not given.
        Rows that stand for the same outcome are added up. Rows of no run are dropped unread, so a
        dense table may be handed in as it is.

    Raises:
      SettingError: if a column breaks a rule above, if there is no run, or if the runs and their
        epochs add up to 2^62 or more, which 64-bit sums might not hold.

    Example:
      >>> rows = outcomes_of([Status.CONVERGED, Status.MAX_EPOCHS, Status.CONVERGED], [5, 9, 5])
      >>> rows.epochs.tolist(), rows.count.tolist(), rows.num_runs, rows.seed_epochs
      ([5, 9], [2, 1], 3, 19)
      >>> counts = outcomes_of([Status.CONVERGED, Status.MAX_EPOCHS], [5, 9], [2 * 10**12, 10**12])
      >>> counts.num_runs
      3000000000000
    """
    status, epochs = np.asarray(status), np.asarray(epochs)
    _check_length("epochs", epochs, status)
    if count is not None:
        count = _check_count(np.asarray(count), status)
        status, epochs, count = (column[count > 0] for column in (status, epochs, count))
    _check_runs(status, epochs)
    _check_total(epochs, count)
    parts = []
    for final in _FINAL:
        chosen = status == final
        ends, times = _tally(epochs[chosen], None if count is None else count[chosen])
        parts.append((np.full(ends.size, final.value), ends, times))
    columns = [np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True)]
    order = np.lexsort(columns[:2])
    return Outcomes(*(column[order] for column in columns))


def _tally(epochs: NDArray, count: NDArray | None) -> tuple[NDArray, NDArray]:
    """Return the different epochs, increasing, and the number of runs at each."""
    if count is None:
        return np.unique(epochs, return_counts=True)
    ends, place = np.unique(epochs, return_inverse=True)
    times = np.zeros(ends.size, np.int64)
    np.add.at(times, place, count.astype(np.int64))
    return ends, times


def _check_length(name: str, column: NDArray, status: NDArray) -> None:
    if status.ndim != 1 or status.shape != column.shape:
        rule = f"must be one column as long as `status`, of shape {status.shape}"
        raise SettingError(name, rule, column.shape)


def _check_count(count: NDArray, status: NDArray) -> NDArray:
    _check_length("count", count, status)
    _check_whole("count", count)
    if not count.any():
        raise SettingError("count", "must add up to at least one run", 0)
    return count


def _check_runs(status: NDArray, epochs: NDArray) -> None:
    if not status.size:
        raise SettingError("status", "must hold at least one run", [])
    if not np.isin(status, _FINAL).all():
        rule = f"must hold final outcomes only ({', '.join(f'{s.name} {s.value}' for s in _FINAL)})"
        raise SettingError("status", rule, np.setdiff1d(status, _FINAL).tolist())
    _check_whole("epochs", epochs)


def _check_whole(name: str, column: NDArray) -> None:
    if not np.issubdtype(column.dtype, np.integer):
        raise SettingError(name, "must hold whole numbers of an integer type", str(column.dtype))
    if column.min(initial=0) < 0:
        raise SettingError(name, "must not be negative", int(column.min()))


def _check_total(epochs: NDArray, count: NDArray | None) -> None:
    """Add up in floating point, which cannot overflow."""
    if count is None:
        name, total = "epochs", epochs.size + epochs.sum(dtype=np.float64)
    else:
        weights = count.astype(np.float64)
        name, total = "count", weights.sum() + weights @ epochs.astype(np.float64)
    if total >= _TOO_MANY:
        rule = "must stand for fewer than 2**62 runs and epochs together"
        raise SettingError(name, rule, float(total))
