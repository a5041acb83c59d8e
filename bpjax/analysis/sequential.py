"""How many runs a question needs: intervals that stay valid although one looks again and again.

Whoever adds runs until an interval is narrow stops when chance has made it so, and a 95 % interval
of that moment holds the truth less often than it says. Here the first runs, the pilot, only settle
the plan: at which numbers of further runs one may look, and with what level each time. Look k has a
chance of (1 - level) / 2^k to miss, so that all together, however many there are and whenever one
stops, miss with at most 1 - level (Bonferroni). The pilot is in no interval, so that nothing that
the plan was made of is counted twice.

Of SciPy only `scipy.special` is imported, as in `convergence`.
"""

import contextlib
import math
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.special

from bpjax.analysis.convergence import Interval, restart_of_outcomes
from bpjax.analysis.outcomes import Outcomes
from bpjax.errors import SettingError
from bpjax.numbers import as_float
from bpjax.status import Status

GROWTH = 1.5
"""From one look to the next: more than its level asks for, so that looks come to an end."""


class Target(NamedTuple):
    """What is to be known, and how well.

    Attributes:
      statistic: "success_rate"; "median", of the epochs to converge; or "expected_epochs", with
        restarts after a cutoff.
      half_width: how far the interval may reach to either side of the estimate.
      relative: whether that is a share of the estimate.
    """

    statistic: str
    half_width: float
    relative: bool = False

    def __str__(self) -> str:
        number = f"{100 * self.half_width:g}%" if self.relative else f"{self.half_width:g}"
        return f"{self.statistic} +- {number}"


class Look(NamedTuple):
    """A moment at which one may look.

    Attributes:
      num_runs: runs made by then, without the pilot.
      level: confidence level of the interval of that look.
    """

    num_runs: int
    level: float


class Answer(NamedTuple):
    """What one look shows.

    Attributes:
      interval: estimate and interval, at the level that holds for all looks together.
      reached: whether it is as narrow as was asked for.
    """

    interval: Interval
    reached: bool


def read_target(text: str) -> Target:
    """Return what `STATISTIC +- NUMBER` asks for; a number may end in %.

    For the success rate 0.5% is 0.005; for epochs it is a share of the estimate.

    Raises:
      SettingError: for other words, or a number that is none above 0.

    Example:
      >>> read_target("success_rate +- 0.5%")
      Target(statistic='success_rate', half_width=0.005, relative=False)
      >>> read_target("median +- 10").half_width, read_target("median +- 2%").relative
      (10.0, True)
    """
    found = re.fullmatch(r"\s*(\w+)\s*(?:\+-|\+/-|\N{PLUS-MINUS SIGN})\s*([^\s%]+)\s*(%?)\s*", text)
    names = ", ".join(_INTERVALS)
    if found is None or found[1] not in _INTERVALS:
        raise SettingError("until", f"must be NAME +- NUMBER with a name of {names}", text)
    name, number, percent = found.groups()
    half_width = None
    with contextlib.suppress(ValueError):
        half_width = as_float(float(number))
    if half_width is None or half_width <= 0:
        raise SettingError("until", "must have a number above 0 behind +-", text)
    half_width = half_width / 100 if percent else half_width
    if name == "success_rate" and half_width >= 1:
        raise SettingError("until", "must be below 1 for a share of runs", text)
    return Target(name, half_width, bool(percent) and name != "success_rate")


def looks_of(pilot: Outcomes, target: Target, most: int, level: float = 0.95) -> list[Look]:
    """Return at how many runs beside the pilot one may look, and at which levels.

    The first look is at so many runs as would do if they ended as the pilot did, each later one at
    half as many more. So a larger `most` adds looks and changes none.

    Args:
      pilot: how the first runs ended; they are not to be looked at again.
      target: what is to be known.
      most: runs beside the pilot that may be made.
      level: confidence level of all intervals together.

    Returns:
      The looks up to `most`; none if the first one is beyond it.

    Example:
      >>> from bpjax.analysis.outcomes import outcomes_of
      >>> pilot = outcomes_of([Status.CONVERGED, Status.MAX_EPOCHS], [50, 99], [190, 10])
      >>> [look.num_runs for look in looks_of(pilot, Target("success_rate", 0.01), 10_000)]
      [2816, 4224, 6336, 9504]
    """
    looks: list[Look] = []
    miss = (1 - level) / 2
    size = needed(pilot, target, 1 - miss, most)
    while size is not None and size <= most:
        looks.append(Look(size, 1 - miss))
        size, miss = math.ceil(GROWTH * size), miss / 2
    return looks


def needed(pilot: Outcomes, target: Target, level: float, most: int) -> int | None:
    """Return how many runs would do if they ended as the pilot did; None for more than `most`.

    Not fewer than the pilot has: an interval of a handful of runs that ended alike says nothing.

    Args:
      pilot: how some runs ended.
      target: what is to be known.
      level: confidence level of the interval.
      most: where to stop.
    """
    cutoff, fewest = cutoff_of(pilot), pilot.num_runs
    if target.statistic == "median" and fewest % 2 == 0 and fewest > 2:
        # Of an even number the median may lie in a gap between two runs, however often repeated.
        pilot = pilot._replace(count=np.append(pilot.count[:-1], pilot.count[-1] - 1))

    def enough(num_runs: int) -> bool:
        return _reached(interval_of(target, _repeated(pilot, num_runs), level, cutoff), target)

    low = high = fewest
    while not enough(high):
        if high >= most:
            return None
        low, high = high, 2 * high
    while high - low > max(1, low // 1000):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high if high <= most else None


def answer_of(
    fresh: Outcomes, target: Target, look: Look, cutoff: int | None, level: float = 0.95
) -> Answer:
    """Return what a look shows.

    Args:
      fresh: how the runs beside the pilot ended, `look.num_runs` of them.
      target: what is to be known.
      look: of `looks_of`.
      cutoff: of `cutoff_of`, from the pilot.
      level: confidence level of all looks together, which the interval is told to have.
    """
    interval = interval_of(target, fresh, look.level, cutoff)
    return Answer(interval._replace(level=level), _reached(interval, target))


def interval_of(target: Target, outcomes: Outcomes, level: float, cutoff: int | None) -> Interval:
    """Return the statistic of a target, with its interval for one look at these runs."""
    return _INTERVALS[target.statistic](outcomes, level, cutoff)


def cutoff_of(pilot: Outcomes) -> int | None:
    """Return the cutoff of restarts that is best for the pilot; None if no run of it converged."""
    restart = restart_of_outcomes(pilot)
    return None if restart is None else restart.cutoff


def _reached(interval: Interval, target: Target) -> bool:
    estimate, low, high, _ = interval
    if estimate is None or low is None or high is None:
        return False
    allowed = target.half_width * (estimate if target.relative else 1)
    return max(estimate - low, high - estimate) <= allowed


def _repeated(pilot: Outcomes, num_runs: int) -> Outcomes:
    """Return the pilot as if it had so many runs."""
    ends = np.round(np.cumsum(pilot.count) * (num_runs / pilot.num_runs)).astype(np.int64)
    return pilot._replace(count=np.diff(ends, prepend=0))


# ---- intervals ----------------------------------------------------------------------------------


def share_converged(outcomes: Outcomes, level: float, cutoff: int | None = None) -> Interval:
    """Return the share of runs that converged, with the interval of Clopper and Pearson.

    It holds the truth with at least that level for every number of runs.

    Example:
      >>> from bpjax.analysis.outcomes import outcomes_of
      >>> runs = outcomes_of([Status.CONVERGED, Status.MAX_EPOCHS], [50, 99], [8, 2])
      >>> [round(each, 4) for each in share_converged(runs, 0.95)]
      [0.8, 0.4439, 0.9748, 0.95]

    Clopper & Pearson, Biometrika 26 (1934) 404-413.
    """
    del cutoff
    n, solved = outcomes.num_runs, int(outcomes.ending(Status.CONVERGED)[1].sum())
    tail = (1 - level) / 2
    low = scipy.special.betaincinv(solved, n - solved + 1, tail) if solved else 0.0
    high = scipy.special.betaincinv(solved + 1, n - solved, 1 - tail) if solved < n else 1.0
    return Interval(solved / n, float(low), float(high), level)


def median_epochs(outcomes: Outcomes, level: float, cutoff: int | None = None) -> Interval:
    """Return the epochs by which half of the runs have converged, with an interval of their ranks.

    A run that never did counts as later than all, so all runs must have the same cap. The interval
    holds the truth with at least that level for every number of runs and whatever their
    distribution; an end that no run reaches is None.

    Example:
      >>> from bpjax.analysis.outcomes import outcomes_of
      >>> runs = outcomes_of([Status.CONVERGED] * 9, range(10, 100, 10))
      >>> median_epochs(runs, 0.95)
      Interval(estimate=50, low=20, high=80, level=0.95)

    For example H. A. David & H. N. Nagaraja, Order Statistics (2003), section 7.1.
    """
    del cutoff
    n, (epochs, count) = outcomes.num_runs, outcomes.ending(Status.CONVERGED)
    last_of_each = np.cumsum(count)
    rank = _lowest_rank(n, (1 - level) / 2)

    def of_rank(rank: int) -> int | None:
        place = int(np.searchsorted(last_of_each, rank))
        return int(epochs[place]) if place < epochs.size else None

    low = of_rank(rank) if rank else 0
    high = of_rank(n + 1 - rank) if rank else None
    return Interval(of_rank((n + 1) // 2), low, high, level)


def _lowest_rank(n: int, tail: float) -> int:
    """Return the largest r for which fewer than r of n are below the median with at most `tail`."""
    low, high = 0, n // 2 + 1  # P(below 0) = 0; the other is above any tail below one half
    while high - low > 1:
        middle = (low + high) // 2
        small = scipy.special.bdtr(middle - 1, n, 0.5) <= tail
        low, high = (middle, high) if small else (low, middle)
    return low


def expected_epochs(outcomes: Outcomes, level: float, cutoff: int | None) -> Interval:
    """Return the epochs to expect per solution with restarts after `cutoff`, by Fieller's theorem.

    That is the epochs that all runs spend up to the cutoff by the number that converge within it, a
    quotient of two means. Its interval is that of a normal approximation, and may have no end.

    Args:
      outcomes: runs whose caps are not below the cutoff, and which it was not chosen on.
      level: confidence level.
      cutoff: None stands for one that was not found; then there is no estimate.

    Example:
      >>> from bpjax.analysis.outcomes import outcomes_of
      >>> runs = outcomes_of([Status.CONVERGED, Status.MAX_EPOCHS], [50, 99], [80, 20])
      >>> [round(each, 2) for each in expected_epochs(runs, 0.95, 60)]
      [65.0, 58.28, 73.19, 0.95]

    Fieller, J. R. Stat. Soc. B 16 (1954) 175-185.
    """
    if cutoff is None:
        return Interval(None, None, None, level)
    n = outcomes.num_runs
    shares = outcomes.count / n
    spent = np.minimum(outcomes.epochs, cutoff).astype(float)
    solved = ((outcomes.status == Status.CONVERGED) & (outcomes.epochs <= cutoff)).astype(float)
    s, h = float(shares @ spent), float(shares @ solved)
    if not h:
        return Interval(None, None, None, level)
    slack = float(scipy.special.ndtri((1 + level) / 2)) ** 2 / max(n - 1, 1)
    a = h * h - slack * float(shares @ (solved - h) ** 2)
    b = s * h - slack * float(shares @ ((spent - s) * (solved - h)))
    c = s * s - slack * float(shares @ (spent - s) ** 2)
    estimate = s / h
    if a <= 0:
        return Interval(estimate, None, None, level)
    root = math.sqrt(max(b * b - a * c, 0.0))
    return Interval(estimate, max((b - root) / a, 0.0), (b + root) / a, level)


_INTERVALS: dict[str, Callable[[Outcomes, float, int | None], Interval]] = {
    "success_rate": share_converged,
    "median": median_epochs,
    "expected_epochs": expected_epochs,
}
