"""Do several groups of runs converge equally soon? The log-rank test, from counted runs.

At every epoch at which some run converges, each group is expected to have its share of the
convergences: the share it has of the runs still at risk. The test adds up what was observed and
what was expected. It sees whole curves, not only how many converged, and costs what the number of
different epochs costs, however many runs there are.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import scipy.special
from numpy.typing import NDArray

from bpjax.analysis.outcomes import Outcomes
from bpjax.errors import SettingError
from bpjax.status import Status


class LogRank(NamedTuple):
    """The test of "all groups converge alike".

    Attributes:
      statistic: chi-square.
      degrees: its degrees of freedom: one less than the groups that can be told apart.
      pvalue: the chance of a statistic at least as large if the groups are alike.
      observed: runs of each group that converged.
      expected: convergences to be expected of each group if all were alike. Above it the group
        converges sooner, or more often, than the others.
    """

    statistic: float
    degrees: int
    pvalue: float
    observed: tuple[int, ...]
    expected: tuple[float, ...]


class Pair(NamedTuple):
    """Two groups by name, their own test, and its p value adjusted for the number of pairs."""

    first: str
    second: str
    test: LogRank
    adjusted: float


def log_rank(groups: Sequence[Outcomes]) -> LogRank | None:
    """Test whether groups of independent runs have one and the same survival curve.

    A `MAX_EPOCHS` run is at risk up to its own epochs. A `NONFINITE` run never converges, so it is
    at risk as long as any run of any group: leaving it out would reward a group for breaking runs.

    Args:
      groups: at least two, from `outcomes_of`.

    Returns:
      The test; `None` if the data cannot speak: no run converged, or nothing was ever undecided.

    Raises:
      SettingError: for fewer than two groups.

    Example:
      >>> from bpjax.analysis.outcomes import outcomes_of
      >>> early = outcomes_of([Status.CONVERGED] * 4, [3, 4, 5, 6])
      >>> late = outcomes_of([Status.CONVERGED] * 3 + [Status.MAX_EPOCHS], [6, 8, 9, 9])
      >>> test = log_rank([early, late])
      >>> round(test.statistic, 3), test.degrees, round(test.pvalue, 4)
      (5.712, 1, 0.0169)

    Mantel, Cancer Chemother. Rep. 50 (1966) 163-170; Peto & Peto, J. R. Stat. Soc. A 135 (1972)
    185-207, for several groups.
    """
    if len(groups) < 2:
        raise SettingError("groups", "must be at least two", len(groups))
    converged, at_risk = _risk_sets(groups)
    all_converged, all_at_risk = converged.sum(axis=0), at_risk.sum(axis=0)
    share = at_risk / all_at_risk
    expected = share @ all_converged
    # Hypergeometric, at each epoch. One division after the other: products of counts of 10^12
    # do not fit 64 bits.
    spread = all_converged * ((all_at_risk - all_converged) / np.maximum(all_at_risk - 1, 1))
    covariance = np.diag(share @ spread) - (share * spread) @ share.T
    telling = np.flatnonzero(np.diag(covariance) > 0)[1:]  # what one exceeds, the others lack
    if not telling.size:
        return None
    observed = converged.sum(axis=1)
    excess = (observed - expected)[telling]
    statistic = float(excess @ np.linalg.solve(covariance[np.ix_(telling, telling)], excess))
    pvalue = float(scipy.special.chdtrc(telling.size, statistic))
    counts = tuple(observed.tolist()), tuple(expected.tolist())
    return LogRank(statistic, telling.size, pvalue, *counts)


def pairwise_log_rank(groups: Mapping[str, Outcomes]) -> list[Pair]:
    """Test every two groups, with p values adjusted after Holm; pairs without a test are left out.

    Args:
      groups: name to runs.

    Returns:
      The pairs in the order of the groups.

    Holm, Scand. J. Stat. 6 (1979) 65-70.
    """
    tested = [
        (one, other, test)
        for one, other in combinations(groups, 2)
        if (test := log_rank([groups[one], groups[other]]))
    ]
    adjusted = holm([test.pvalue for _, _, test in tested])
    return [Pair(*pair, value) for pair, value in zip(tested, adjusted, strict=True)]


def holm(pvalues: Sequence[float]) -> list[float]:
    """Return p values adjusted so that the chance of any false alarm among them stays bounded.

    The smallest of m is multiplied by m, the next one by m - 1 and so on; none becomes smaller than
    one before it, or larger than 1.

    Example:
      >>> holm([0.01, 0.04, 0.03])
      [0.03, 0.06, 0.06]
    """
    values = np.asarray(pvalues, float)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted.tolist()


def _risk_sets(groups: Sequence[Outcomes]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many runs of each group converged, and were at risk, at each epoch that matters.

    Both have the shape (num_groups, num_epochs); the epochs are those at which any run converged.
    """
    solved = [group.ending(Status.CONVERGED) for group in groups]
    epochs = np.unique(np.concatenate([at for at, _ in solved]))
    converged, at_risk = np.zeros((2, len(groups), epochs.size), np.int64)
    for k, (group, (at, count)) in enumerate(zip(groups, solved, strict=True)):
        converged[k, np.searchsorted(epochs, at)] = count
        capped, num_capped = group.ending(Status.MAX_EPOCHS)
        # A run is still at risk at the epoch of its cap.
        gone = np.append(0, np.cumsum(num_capped))[np.searchsorted(capped, epochs)]
        at_risk[k] = group.num_runs - gone - np.cumsum(converged[k]) + converged[k]
    return converged, at_risk
