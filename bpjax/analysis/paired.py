"""Two settings over the same seeds, run by run: how often, and how soon, one beats the other.

Runs of one seed start at the same weights, so they have luck in common. A comparison of pairs takes
that out: only the pairs that disagree count.

Of SciPy only `scipy.special` is imported, as in `convergence`; the tests hold this against
`scipy.stats` and against simulations.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from bpjax.analysis.convergence import Interval, success_rate
from bpjax.errors import SettingError
from bpjax.status import Status


class Runs(NamedTuple):
    """Rows of a table of results, a run each, no seed twice."""

    seed: ArrayLike
    status: ArrayLike
    epochs: ArrayLike


class Paired(NamedTuple):
    """How the second of two settings did beside the first, over the seeds that both have.

    Attributes:
      num_pairs: seeds in common.
      both: pairs of which both runs converged.
      only_first: of which only that of the first setting did.
      only_second: only that of the second.
      neither: none of them.
      difference: share of runs that converged, second less first, with Newcombe's paired interval.
      solved_pvalue: McNemar's exact test of no difference, two-sided.
      sharper: how many times as wide that interval would be if the runs were not paired.
      first_faster: pairs in which the first converged earlier, or alone.
      second_faster: likewise.
      untold: pairs that do not tell: converged at the same epoch, or neither as far as it went.
      faster: of the pairs that tell, the share in which the second is faster, with Wilson's
        interval; no numbers where none tells.
      faster_pvalue: the exact sign test of one half, two-sided.
    """

    num_pairs: int
    both: int
    only_first: int
    only_second: int
    neither: int
    difference: Interval
    solved_pvalue: float
    sharper: float
    first_faster: int
    second_faster: int
    untold: int
    faster: Interval
    faster_pvalue: float


def paired(first: Runs, second: Runs, level: float = 0.95) -> Paired:
    """Compare two settings over the seeds that both have.

    A run that stopped at its cap may have converged later: it is slower than one that converged up
    to that epoch, and does not tell beside any other. A run that left the finite numbers never
    converges.

    Args:
      first: runs of one setting.
      second: of the other.
      level: confidence level of the intervals.

    Raises:
      SettingError: for a seed that is there twice, or none in common.

    Example:
      >>> found = paired(
      ...     Runs([0, 1, 2, 3], [1, 1, 2, 2], [20, 30, 99, 99]),
      ...     Runs([1, 2, 3, 4], [1, 1, 2, 1], [10, 40, 99, 50]),
      ... )
      >>> found.num_pairs, found.both, found.only_second, found.neither
      (3, 1, 1, 1)
      >>> found.second_faster, found.untold, found.faster_pvalue
      (2, 1, 0.5)

    McNemar, Psychometrika 12 (1947) 153-157; Newcombe, Statistics in Medicine 17 (1998) 2635-2650,
    method 10.
    """
    (solved, epochs, lasts) = _by_pair(first, second)
    counts = np.bincount(2 * solved[0] + solved[1], minlength=4)
    neither, only_second, only_first, both = map(int, counts)
    difference, sharper = _difference(both, only_first, only_second, neither, level)
    # When each is known to have converged, or not to have yet.
    times = np.where(solved, epochs, np.inf)
    first_faster = int(np.sum(solved[0] & (times[0] < times[1]) & (times[0] <= lasts[1])))
    second_faster = int(np.sum(solved[1] & (times[1] < times[0]) & (times[1] <= lasts[0])))
    told = first_faster + second_faster
    faster = success_rate(second_faster, told, level) if told else Interval(None, None, None, level)
    return Paired(
        num_pairs=len(solved[0]),
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=neither,
        difference=difference,
        solved_pvalue=_of_one_half(only_first, only_second),
        sharper=sharper,
        first_faster=first_faster,
        second_faster=second_faster,
        untold=len(solved[0]) - told,
        faster=faster,
        faster_pvalue=_of_one_half(first_faster, second_faster),
    )


def _by_pair(
    first: Runs, second: Runs
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Return, for both settings and every seed in common, whether it converged, when, and how far
    it is known not to have.
    """
    columns = [np.array([*map(np.asarray, runs)], dtype=np.int64) for runs in (first, second)]
    for name, (seed, *_) in zip(("first", "second"), columns, strict=True):
        if len(np.unique(seed)) < len(seed):
            raise SettingError(name, "must have every seed once", "a seed twice")
    _, *places = np.intersect1d(columns[0][0], columns[1][0], True, return_indices=True)
    if not len(places[0]):
        raise SettingError("second", "must have seeds in common with `first`", "none")
    status, epochs = np.array(
        [table[1:, at] for table, at in zip(columns, places, strict=True)]
    ).transpose(1, 0, 2)
    solved = status == Status.CONVERGED
    lasts = np.where(status == Status.MAX_EPOCHS, epochs, np.inf)
    return solved, epochs.astype(float), lasts


def _of_one_half(one: int, other: int) -> float:
    """Return the two-sided exact p of so many against so many where both are as likely."""
    tail = scipy.special.bdtr(min(one, other), one + other, 0.5) if one + other else 1.0
    return min(1.0, 2 * float(tail))


def _difference(
    both: int, only_first: int, only_second: int, neither: int, level: float
) -> tuple[Interval, float]:
    """Return Newcombe's interval of the difference, and how much wider it is without pairs."""
    n = both + only_first + only_second + neither
    one, two = success_rate(both + only_first, n, level), success_rate(both + only_second, n, level)
    estimate = (only_second - only_first) / n
    marginals = (both + only_first) * (only_second + neither)
    marginals *= (both + only_second) * (only_first + neither)
    cross = float(both * neither - only_first * only_second)
    cross = max(cross - n / 2, 0.0) if cross > 0 else cross
    phi = cross / math.sqrt(marginals) if marginals else 0.0

    def ends(phi: float) -> tuple[float, float]:
        def reach(a: float, b: float) -> float:
            return math.sqrt(max(a * a - 2 * phi * a * b + b * b, 0.0))

        (p, low, high, _), (q, lowest, highest, _) = one, two
        down = reach(q - lowest, high - p)  # type: ignore[operator]
        up = reach(highest - q, p - low)  # type: ignore[operator]
        return estimate - down, estimate + up

    (low, high), (lowest, highest) = ends(phi), ends(0.0)
    sharper = (highest - lowest) / (high - low) if high > low else math.inf
    return Interval(estimate, low, high, level), sharper
