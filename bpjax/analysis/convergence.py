"""How many runs converge, how soon, and when to give up: statistics for right-censored runs.

A run that stopped at the cap (`MAX_EPOCHS`) might have converged later, so a mean over the
successes alone would flatter the method. Everything here takes the `status` and `epochs` columns
of a results table, works in NumPy and SciPy, and knows neither tasks nor networks.

Every statistic depends only on how many runs ended how, so each function of rows tallies them and
has a twin that starts from the tally (`Outcomes`), at a cost that the number of runs does not
change.

Of SciPy only `scipy.special` is imported: `scipy.stats` takes a second to load, as long as all else
that a command needs. The tests hold what is here against it.
"""

import operator
from typing import Any, NamedTuple

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from bpjax.analysis.kaplan_meier import kaplan_meier, log_log_band, risk_table
from bpjax.analysis.outcomes import Outcomes, outcomes_of
from bpjax.errors import SettingError
from bpjax.status import Status

_ROUNDING = 2e-13  # slack in comparing survivals: above rounding, below one run in 10^12


class Interval(NamedTuple):
    """An estimate and its confidence interval; `None` stands for a value that was not reached."""

    estimate: float | None
    low: float | None
    high: float | None
    level: float


class SurvivalCurve(NamedTuple):
    """A step function: the share of runs NOT yet converged after that many epochs.

    `survival[i]`, with its pointwise band from `low[i]` to `high[i]`, holds from `epochs[i]` up to
    the next entry. The first entry is epoch 0, the last one the largest epoch seen.
    """

    epochs: NDArray[np.int64]
    survival: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float
    num_runs: int


class Restart(NamedTuple):
    """A cutoff for single attempts, and the epochs to expect in total until one succeeds."""

    cutoff: int
    expected_epochs: float


def success_rate(num_converged: int, num_runs: int, level: float = 0.95) -> Interval:
    """Return the share of runs that converged, with its Wilson score interval.

    Raises:
      SettingError: if a count or the level is out of range.

    Example:
      >>> rate = success_rate(8, 10)
      >>> rate.estimate, round(rate.low, 3), round(rate.high, 3)
      (0.8, 0.49, 0.943)

    Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.
    """
    _check_share("level", level)
    num_converged, num_runs = operator.index(num_converged), operator.index(num_runs)
    if num_runs < 1:
        raise SettingError("num_runs", "must be at least 1", num_runs)
    if not 0 <= num_converged <= num_runs:
        rule = f"must lie between 0 and `num_runs` = {num_runs}"
        raise SettingError("num_converged", rule, num_converged)
    share, z = num_converged / num_runs, scipy.special.ndtri((1 + level) / 2)
    spread = 2 * (num_runs + z**2)
    middle = (2 * num_runs * share + z**2) / spread
    half = z / spread * np.sqrt(4 * num_runs * share * (1 - share) + z**2)
    low = float(middle - half) if num_converged else 0.0
    high = float(middle + half) if num_converged < num_runs else 1.0
    return Interval(share, low, high, level)


def survival_curve(status: ArrayLike, epochs: ArrayLike, level: float = 0.95) -> SurvivalCurve:
    """Return the Kaplan-Meier estimate of the share of runs not yet converged, with its band.

    A `MAX_EPOCHS` run leaves the risk set after its own `epochs`. A `NONFINITE` run never
    converges, so it stays in the risk set to the end: it is entered as censored at the largest
    epoch of the whole sample. Censoring it where it broke would let the surviving runs speak for
    it, and so credit it with converging later. This is exact when all runs share one cap, as in a
    sweep; with unequal caps the curve leans towards "not converged".

    Args:
      status: one `Status` per run, shape `(num_runs,)`, final outcomes only.
      epochs: epochs that each run made, same shape, whole numbers.
      level: confidence level of the band at each epoch taken by itself (not simultaneous).

    Returns:
      The curve. Its band is Greenwood's on the log(-log) scale, which is undefined where the
      survival is exactly 1 or 0. There the band is Wilson's interval for none (or all) converged
      of the runs whose state at that epoch is known, the interval of `success_rate`. So the band
      never shrinks to a point: three failures out of three do not prove that no run converges.

    Raises:
      SettingError: if the columns or the level break a rule above.

    Example:
      >>> curve = survival_curve([Status.CONVERGED, Status.CONVERGED, Status.MAX_EPOCHS], [5, 8, 9])
      >>> curve.epochs.tolist(), curve.survival.round(3).tolist()
      ([0, 5, 8, 9], [1.0, 0.667, 0.333, 0.333])

    Kaplan & Meier, J. Am. Stat. Assoc. 53 (1958) 457-481; Kalbfleisch & Prentice, The Statistical
    Analysis of Failure Time Data (1980), for the log(-log) band.
    """
    return survival_of_outcomes(outcomes_of(status, epochs), level)


def survival_of_outcomes(outcomes: Outcomes, level: float = 0.95) -> SurvivalCurve:
    """Return the curve of `survival_curve` from counted runs.

    Example:
      >>> billions = [3 * 10**9, 10**9]
      >>> outcomes = outcomes_of([Status.CONVERGED, Status.MAX_EPOCHS], [5, 9], billions)
      >>> curve = survival_of_outcomes(outcomes)
      >>> curve.epochs.tolist(), curve.survival.tolist(), curve.num_runs
      ([0, 5, 9], [1.0, 0.25, 0.25], 4000000000)
    """
    _check_share("level", level)
    table = risk_table(outcomes)
    survival = kaplan_meier(table)
    num_runs = outcomes.num_runs
    num_known = num_runs - np.cumsum(table.censored) + table.censored  # not censored earlier
    z = scipy.special.ndtri((1 + level) / 2)
    low, high = log_log_band(table, survival, z)
    none_yet, all_done = survival == 1, survival == 0
    low = np.select([none_yet, all_done], [num_known / (num_known + z**2), 0], low)
    high = np.select([none_yet, all_done], [1, z**2 / (num_known + z**2)], high)
    return SurvivalCurve(table.epochs, survival, low, high, level, num_runs)


def epoch_quantile(curve: SurvivalCurve, share: float) -> Interval:
    """Return the first epoch by which at least `share` of the runs have converged.

    The interval inverts the pointwise band: it holds every epoch at which the band still contains
    `1 - share`. A value or an end that the curve does not reach is `None`; when too few runs
    rule out convergence at the start, the low end is epoch 0.

    Args:
      curve: from `survival_curve`.
      share: between 0 and 1; 0.5 is the median.

    Example:
      >>> status = [Status.CONVERGED] * 6 + [Status.MAX_EPOCHS] * 4
      >>> curve = survival_curve(status, [3, 4, 5, 6, 7, 8, 9, 9, 9, 9])
      >>> epoch_quantile(curve, 0.5)
      Interval(estimate=7, low=3, high=None, level=0.95)

    Brookmeyer & Crowley, Biometrics 38 (1982) 29-41.
    """
    _check_share("share", share)

    def first_epoch(bound: NDArray[np.float64]) -> int | None:
        reached = np.flatnonzero(bound <= 1 - share + _ROUNDING)
        return int(curve.epochs[reached[0]]) if reached.size else None

    ends = first_epoch(curve.low), first_epoch(curve.high)
    return Interval(first_epoch(curve.survival), *ends, curve.level)


def best_restart(status: ArrayLike, epochs: ArrayLike) -> Restart | None:
    """Return the cutoff that makes restarting with fresh seeds cheapest, or `None`.

    Each attempt is abandoned after c epochs and followed by a new seed. With T the epochs to
    converge and p = P(T <= c), the expected total is

        c (1 - p) / p + E[T | T <= c],

    here as its sample version: the epochs spent by all runs under the cutoff, divided by the
    number of successes. An attempt that turns `NONFINITE` at epoch e < c costs e, because it is
    noticed and restarted at once. Judging initial weights costs no update, so if any run converged
    at epoch 0, the cutoff is 0 and nothing is spent.

    Args:
      status: one `Status` per run, shape `(num_runs,)`, final outcomes only.
      epochs: epochs that each run made, same shape, whole numbers.

    Returns:
      The best of the observed convergence epochs up to the smallest cap (beyond it the data cannot
      tell), the smallest of equals; `None` when no run converged there. The cutoff is chosen on
      the same runs that price it, so its expected epochs are hopeful: by about a third with 20
      runs, by about 5 % with 200 and 1 % with 2,000.

    Example:
      >>> best_restart([Status.CONVERGED, Status.CONVERGED, Status.MAX_EPOCHS], [10, 90, 1000])
      Restart(cutoff=10, expected_epochs=30.0)

    Luby, Sinclair & Zuckerman, Inf. Process. Lett. 47 (1993) 173-180.
    """
    return restart_of_outcomes(outcomes_of(status, epochs))


def restart_of_outcomes(outcomes: Outcomes) -> Restart | None:
    """Return the cutoff of `best_restart` from counted runs.

    Example:
      >>> outcomes = outcomes_of([Status.CONVERGED, Status.MAX_EPOCHS], [10, 1000], [10**12] * 2)
      >>> restart_of_outcomes(outcomes)
      Restart(cutoff=10, expected_epochs=20.0)
    """
    capped, _ = outcomes.ending(Status.MAX_EPOCHS)
    cap = capped.min(initial=outcomes.epochs[-1])
    solved, count = outcomes.ending(Status.CONVERGED)
    cutoffs, count = solved[solved <= cap], count[solved <= cap]
    if not cutoffs.size:
        return None
    broken, num_broken = outcomes.ending(Status.NONFINITE)
    gone = np.searchsorted(broken, cutoffs, side="right")
    num_gone = np.append(0, np.cumsum(num_broken))[gone]
    num_solved = np.cumsum(count)
    spent = np.cumsum(cutoffs * count) + np.append(0, np.cumsum(broken * num_broken))[gone]
    spent += cutoffs * (outcomes.num_runs - num_solved - num_gone)
    expected = spent / num_solved
    best = np.argmin(expected)
    return Restart(int(cutoffs[best]), float(expected[best]))


def summarize_runs(status: ArrayLike, epochs: ArrayLike, level: float = 0.95) -> dict[str, Any]:
    """Return the part of `summary.json` that `status` and `epochs` determine.

    Under `epochs`, `low` and `high` belong to the median, `min` and `max` to the converged runs.
    Only dicts, numbers and `None` (where not reached), ready for `json.dumps`.

    Example:
      >>> summary = summarize_runs([Status.CONVERGED, Status.MAX_EPOCHS], [5, 9])
      >>> summary["num_runs"], summary["success_rate"]["estimate"], summary["epochs"]["q75"]
      (2, 0.5, None)
    """
    return summarize_outcomes(outcomes_of(status, epochs), level)


def summarize_outcomes(outcomes: Outcomes, level: float = 0.95) -> dict[str, Any]:
    """Return the summary of `summarize_runs` from counted runs.

    Example:
      >>> outcomes = outcomes_of([Status.CONVERGED, Status.MAX_EPOCHS], [5, 9], [10**12] * 2)
      >>> summary = summarize_outcomes(outcomes)
      >>> summary["num_runs"], summary["epochs"]["median"], summary["epochs"]["high"]
      (2000000000000, 5, None)
    """
    curve = survival_of_outcomes(outcomes, level)
    solved, num_solved = outcomes.ending(Status.CONVERGED)
    num_converged = int(num_solved.sum())
    quantiles: dict[str, float | None] = {}
    for name, prefix, share in (("median", "", 0.5), ("q25", "q25_", 0.25), ("q75", "q75_", 0.75)):
        estimate, low, high, _ = epoch_quantile(curve, share)
        quantiles |= {name: estimate, f"{prefix}low": low, f"{prefix}high": high}
    restart = restart_of_outcomes(outcomes)
    return {
        "num_runs": outcomes.num_runs,
        "converged": num_converged,
        "max_epochs_reached": int(outcomes.ending(Status.MAX_EPOCHS)[1].sum()),
        "nonfinite": int(outcomes.ending(Status.NONFINITE)[1].sum()),
        "success_rate": success_rate(num_converged, outcomes.num_runs, level)._asdict(),
        "epochs": {
            **quantiles,
            "min": int(solved[0]) if solved.size else None,
            "max": int(solved[-1]) if solved.size else None,
            "level": level,
        },
        "restart": restart and restart._asdict(),
    }


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise SettingError(name, "must lie strictly between 0 and 1", value)
