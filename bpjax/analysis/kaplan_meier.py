"""The product-limit estimate and its log(-log) band, from a table of who was at risk when.

Weighted throughout: a table of 10^12 runs costs what a table of ten costs with as many epochs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpjax.analysis.outcomes import Outcomes
from bpjax.status import Status


class RiskTable(NamedTuple):
    """The runs that leave the risk set at each epoch, converged or censored.

    `epochs` starts at 0 and increases up to the largest epoch seen. At each of them `at_risk` runs
    have neither converged nor been censored earlier; those censored leave after those converged.
    """

    epochs: NDArray[np.int64]
    at_risk: NDArray[np.int64]
    converged: NDArray[np.int64]
    censored: NDArray[np.int64]


def risk_table(outcomes: Outcomes) -> RiskTable:
    """Return the risk table, with `NONFINITE` runs censored at the largest epoch of all.

    Example:
      >>> from bpjax.analysis.outcomes import outcomes_of
      >>> table = risk_table(outcomes_of([Status.CONVERGED, Status.NONFINITE], [5, 2], [3, 4]))
      >>> for column in table: print(column.tolist())
      [0, 5]
      [7, 7]
      [0, 3]
      [0, 4]
    """
    solved, num_solved = outcomes.ending(Status.CONVERGED)
    capped, num_capped = outcomes.ending(Status.MAX_EPOCHS)
    _, num_broken = outcomes.ending(Status.NONFINITE)
    epochs = np.unique(np.concatenate([[0], solved, capped, outcomes.epochs[-1:]]))
    converged, censored = np.zeros((2, epochs.size), np.int64)
    converged[np.searchsorted(epochs, solved)] = num_solved
    censored[np.searchsorted(epochs, capped)] = num_capped
    censored[-1] += num_broken.sum()
    leaving = converged + censored
    at_risk = outcomes.num_runs - np.cumsum(leaving) + leaving
    return RiskTable(epochs, at_risk, converged, censored)


def kaplan_meier(table: RiskTable) -> NDArray[np.float64]:
    """Return the product of (at risk - converged) / at risk up to each epoch of the table.

    While no run is censored, those left at one epoch are those at risk at the next, and the
    product collapses into one quotient. So only quotients from one censoring to the next are
    multiplied: with one cap for all runs the result is a plain share of runs, rounded once.

    Example:
      >>> from bpjax.analysis.outcomes import outcomes_of
      >>> status = [Status.CONVERGED, Status.MAX_EPOCHS, Status.CONVERGED]
      >>> kaplan_meier(risk_table(outcomes_of(status, [5, 6, 8], [1, 2, 1]))).tolist()
      [1.0, 0.75, 0.75, 0.0]

    Kaplan & Meier, J. Am. Stat. Assoc. 53 (1958) 457-481.
    """
    left = table.at_risk - table.converged
    starts = np.flatnonzero(np.append(True, table.censored[:-1] > 0))
    lengths = np.diff(np.append(starts, left.size))
    within = left / np.repeat(table.at_risk[starts], lengths)
    before = np.append(1.0, np.cumprod(within[starts[1:] - 1]))
    return np.repeat(before, lengths) * within


def log_log_band(
    table: RiskTable, survival: NDArray[np.float64], z: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pointwise ends S^exp(z se) and S^exp(-z se); NaN where S is exactly 1 or 0.

    Here se is the standard error of log(-log S) after Greenwood: the root of the sum of
    converged / (at risk * (at risk - converged)), divided by |log S|.

    Args:
      table: from `risk_table`.
      survival: S, from `kaplan_meier`.
      z: point of the normal distribution, 1.96 for 95 %.

    Example:
      >>> from bpjax.analysis.outcomes import outcomes_of
      >>> table = risk_table(outcomes_of([Status.CONVERGED, Status.MAX_EPOCHS], [5, 9], [30, 70]))
      >>> low, high = log_log_band(table, kaplan_meier(table), z=1.96)
      >>> low.round(3).tolist(), high.round(3).tolist()
      ([nan, 0.6, 0.6], [nan, 0.78, 0.78])

    Kalbfleisch & Prentice, The Statistical Analysis of Failure Time Data (1980).
    """
    # One division after the other: the product of two counts of 10^12 does not fit 64 bits. The
    # sum is not used where no run is left.
    left = np.maximum(table.at_risk - table.converged, 1)
    greenwood = np.cumsum(table.converged / table.at_risk / left)
    inside = (survival > 0) & (survival < 1)
    log_survival = np.full(survival.shape, np.nan)
    log_survival[inside] = np.log(survival[inside])
    factor = np.exp(z * np.sqrt(greenwood) / -log_survival)
    return np.exp(log_survival * factor), np.exp(log_survival / factor)
