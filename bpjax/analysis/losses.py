"""The losses of many runs over training, in quantiles."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bpjax.errors import SettingError

FAN = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The shares of a fan: the median, and the bands that hold half and nine tenths of all runs."""


class LossQuantiles(NamedTuple):
    """`loss[i, j]`: at point j of training, `shares[i]` of all runs have a loss no larger.

    Made by `loss_quantiles`, which says what a loss is worth that is no number.
    """

    shares: tuple[float, ...]
    loss: NDArray[np.floating]
    num_runs: int


def loss_quantiles(loss: ArrayLike, shares: Sequence[float] = FAN) -> LossQuantiles:
    """Return quantiles over all runs, at every point of training by itself.

    Runs that have ended count on, with their last loss: after its outcome a run keeps its weights
    and so its loss. Left out, the quantiles would be those of the slow runs alone. For the same
    reason a run whose loss is no number any more counts as worse than any: as infinite.

    Args:
      loss: shape (num_runs, num_points), from `bpjax.loss_histories`.
      shares: between 0 and 1, increasing.

    Returns:
      For every share and point the smallest loss of a run that at least this share of runs do not
      exceed: always that of a run, nothing is interpolated.

    Raises:
      SettingError: for losses in another shape or of no run, or shares that break their rule.

    Example:
      >>> found = loss_quantiles([[0.9, 0.1], [0.8, 0.8], [0.7, np.nan]], [0.25, 0.5, 0.75])
      >>> found.loss.tolist(), found.num_runs
      ([[0.7, 0.1], [0.8, 0.8], [0.9, inf]], 3)
    """
    rows = np.asarray(loss)
    if rows.ndim != 2 or not len(rows):
        raise SettingError("loss", "must have one row per run, at least one", rows.shape)
    given = np.asarray(shares, float)
    if given.ndim != 1 or not given.size or (np.diff(given, prepend=0, append=1) <= 0).any():
        raise SettingError("shares", "must increase strictly, between 0 and 1", shares)
    rows = np.sort(np.where(np.isnan(rows), np.inf, rows), axis=0)
    # Of n runs the k-th is the first that k / n do not exceed; 0.07 * 100 is a little above 7.
    place = np.ceil(np.round(given * len(rows), 9)).astype(int) - 1
    return LossQuantiles(tuple(given.tolist()), rows[place], len(rows))
