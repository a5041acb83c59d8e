"""A sweep of as many seeds as a question needs; and beforehand, how many these are likely to be.

The statistics are in `bpjax.analysis.sequential`: the first seeds are a pilot, which plans at how
many further ones it is looked.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import Any, NamedTuple, Unpack

import numpy as np

from bpjax.analysis.convergence import Interval
from bpjax.analysis.outcomes import Outcomes, outcomes_of
from bpjax.analysis.sequential import (
    Look,
    Target,
    answer_of,
    cutoff_of,
    interval_of,
    looks_of,
    needed,
    read_target,
)
from bpjax.errors import SettingError
from bpjax.keywords import UntilSettings, check_names
from bpjax.numbers import whole_number
from bpjax.progress import watching
from bpjax.results.store import RunTable
from bpjax.results.summary import Timing, rows_by_point, tally_of
from bpjax.sweeps.devices import lane_mesh
from bpjax.sweeps.host_loop import OnProgress, run_plan
from bpjax.sweeps.plan import Plan
from bpjax.sweeps.planning import make_plan, with_seeds
from bpjax.sweeps.result import SweepResult
from bpjax.task import Task

PILOT = 400
"""Seeds of a pilot."""
FEWEST = 50
"""Seeds that a pilot must have."""
MOST = 1_000_000
"""Seeds, unless told otherwise."""
LEVEL = 0.95
OTHERS = 100
"""Pilots that are drawn from one, to say how much hangs on its luck."""

USUAL = (
    *("success_rate +- 0.01", "success_rate +- 0.005", "success_rate +- 0.001"),
    *("median +- 5%", "median +- 1%", "expected_epochs +- 5%", "expected_epochs +- 1%"),
)
"""What is foretold where nothing else is asked."""

Tasks = Task | str | Sequence[Task | str]
Run = Callable[[Plan, RunTable | None], SweepResult]


class Point(NamedTuple):
    """What is known at one point of a grid.

    Attributes:
      settings: those of the grid; none where there is no grid.
      interval: estimate and interval, valid however often one looks.
      cutoff: after how many epochs to restart, as the pilot has it; None without restarts.
    """

    settings: dict[str, Any]
    interval: Interval
    cutoff: int | None


class Known(NamedTuple):
    """A sweep that went on until a question was answered.

    Attributes:
      result: all runs, those of the pilot among them.
      target: what was to be known.
      reached: whether every point is as narrow as was asked for; without, the seeds came to an end.
      points: every point of the grid.
      pilot: seeds of the pilot, which are in no interval.
      looks: those that were taken.
    """

    result: SweepResult
    target: Target
    reached: bool
    points: tuple[Point, ...]
    pilot: int
    looks: tuple[Look, ...]

    @property
    def num_seeds(self) -> int:
        """Seeds that were used, for every point of the grid."""
        return self.pilot + self.looks[-1].num_runs


class Forecast(NamedTuple):
    """What a pilot says of a question.

    Attributes:
      target: what is to be known.
      estimates: of the pilot, at every point of the grid.
      seeds: how many are likely to do, those of the pilot among them, with the interval in which
        nine of ten pilots of other seeds would put it; None where that is more than may be used.
      seconds: what these seeds are likely to take on this machine; None likewise.
    """

    target: Target
    estimates: tuple[Interval, ...]
    seeds: Interval
    seconds: float | None


def sweep_until(
    task: Tasks,
    until: str,
    *,
    seeds: int = MOST,
    pilot: int = PILOT,
    first_seed: int = 0,
    out: str | PathLike[str] | None = None,
    progress: bool | OnProgress | None = None,
    **settings: Unpack[UntilSettings],
) -> Known:
    """Train seeds in batches until an interval is narrow enough.

    The interval stays valid although it is looked at after every batch: see
    `bpjax.analysis.sequential`. The same call with the same `out` goes on where it was stopped, and
    gives the same answer.

    Args:
      task: as of `bpjax.sweep`.
      until: "success_rate +- 0.005"; or "median", the epochs by which half of the runs have
        converged, or "expected_epochs", those to expect per solution with restarts. A number of
        epochs may be a share of the estimate: "median +- 2%".
      seeds: the most that may be used, for every point of the grid; all of them are used only if a
        look falls there.
      pilot: how many of them plan the looks.
      first_seed: the first of them.
      out: results folder; None keeps results in memory only.
      progress: as of `bpjax.sweep`.
      **settings: as of `bpjax.sweep`; of a grid every point must be as narrow as that.

    Raises:
      SettingError: for a setting that breaks its rule, before anything is trained.
      ResultsError: as `bpjax.sweep`.

    Example:
      >>> import bpjax
      >>> known = bpjax.sweep_until("xor", "success_rate +- 0.02", max_epochs=2_000)
      >>> known.reached, len(known.result) > 2_000
      (True, True)
    """
    check_names(settings, UntilSettings, sweep_until)
    target = read_target(until)
    plan = plan_until(task, seeds=seeds, pilot=pilot, first_seed=first_seed, **settings)
    with watching(progress) as on_progress:

        def run(part: Plan, known: RunTable | None) -> SweepResult:
            return run_plan(part, out, on_progress, known=known)

        return go_on_until(plan, target, pilot, run)


def forecast(
    task: Tasks,
    until: str | Iterable[str] = USUAL,
    *,
    seeds: int = MOST,
    pilot: int = PILOT,
    first_seed: int = 0,
    progress: bool | OnProgress | None = None,
    **settings: Unpack[UntilSettings],
) -> list[Forecast]:
    """Say how many seeds `sweep_until` is likely to need, and how long, from a pilot.

    Args:
      task: as of `sweep_until`.
      until: one question or several.
      seeds: as of `sweep_until`.
      pilot: seeds that are trained now.
      first_seed: the first of them.
      progress: as of `bpjax.sweep`.
      **settings: as of `sweep_until`.

    Raises:
      SettingError: for a setting that breaks its rule, before anything is trained.

    Example:
      >>> import bpjax
      >>> rough, fine = bpjax.forecast(
      ...     "xor", ["success_rate +- 0.04", "success_rate +- 0.02"], max_epochs=2_000
      ... )
      >>> fine.seeds.estimate > 2 * rough.seeds.estimate
      True
    """
    check_names(settings, UntilSettings, forecast)
    targets = [read_target(text) for text in ([until] if isinstance(until, str) else until)]
    plan = plan_until(task, seeds=seeds, pilot=pilot, first_seed=first_seed, **settings)
    with watching(progress) as on_progress:
        result = run_plan(first_of(plan, pilot), None, on_progress)
    return [foretold(plan, result, target) for target in targets]


def plan_until(
    task: Tasks,
    *,
    seeds: int = MOST,
    pilot: int = PILOT,
    first_seed: int = 0,
    **settings: Unpack[UntilSettings],
) -> Plan:
    """Return the plan of all seeds that may be used; arguments and errors as of `sweep_until`."""
    pilot = whole_number("pilot", pilot, FEWEST, 10**6)
    if whole_number("seeds", seeds, 1, 2**32) <= pilot:
        raise SettingError("seeds", f"must be above the {pilot} of the pilot", seeds)
    if settings.get("shard") is not None:
        raise SettingError("shard", "cannot go with until", settings["shard"])  # type: ignore[typeddict-item]
    return make_plan(task, seeds, first_seed=first_seed, **settings)


def go_on_until(plan: Plan, target: Target, pilot: int, run: Run, level: float = LEVEL) -> Known:
    """Run the seeds of a plan, batch by batch.

    Args:
      plan: with all seeds that may be used.
      target: what is to be known.
      pilot: how many of them plan the looks.
      run: trains what is missing of a plan, beside runs that are known, and returns all its runs.
      level: confidence level of the intervals.

    Raises:
      SettingError: if the pilot says that all these seeds will not do.
    """
    result = run(first_of(plan, pilot), None)
    pilots = [outcomes for _, outcomes in tallied(result)]
    cutoffs = [cutoff_of(each) for each in pilots]
    most = plan.num_seeds - pilot
    schedules = [looks_of(each, target, most, level) for each in pilots]
    if not all(schedules):
        rule = f"must be more: for {target} they would not do if they ended as the pilot did"
        raise SettingError("seeds", rule, plan.num_seeds)
    taken: list[Look] = []
    # One look for all points: at so many seeds as the slowest of them asks for.
    for look in max(schedules, key=lambda looks: looks[0].num_runs):
        result = run(first_of(plan, pilot + look.num_runs), result.table)
        taken.append(look)
        points = tallied(result)
        answers = [
            answer_of(less(outcomes, known), target, look, cutoff, level)
            for (_, outcomes), known, cutoff in zip(points, pilots, cutoffs, strict=True)
        ]
        if all(answer.reached for answer in answers):
            break
    restarts = target.statistic == "expected_epochs"
    return Known(
        result,
        target,
        all(answer.reached for answer in answers),
        tuple(
            Point(settings, answer.interval, cutoff if restarts else None)
            for (settings, _), answer, cutoff in zip(points, answers, cutoffs, strict=True)
        ),
        pilot,
        tuple(taken),
    )


def foretold(plan: Plan, result: SweepResult, target: Target, level: float = LEVEL) -> Forecast:
    """Say what a question is likely to take.

    Args:
      plan: with all seeds that may be used.
      result: of the pilot, its first seeds, with its timing.
      target: what is to be known.
      level: confidence level of the intervals.
    """
    pilots = [outcomes for _, outcomes in tallied(result)]
    pilot = pilots[0].num_runs
    most = plan.num_seeds - pilot
    look = 1 - (1 - level) / 2

    def seeds_after(pilots: list[Outcomes]) -> float:
        numbers = [needed(each, target, look, most) for each in pilots]
        return max(math.inf if number is None else pilot + number for number in numbers)

    rng = np.random.default_rng(0)
    again = ([_drawn_again(each, rng) for each in pilots] for _ in range(OTHERS))
    others = sorted(map(seeds_after, again))
    seeds = seeds_after(pilots), others[OTHERS // 20], others[-1 - OTHERS // 20]
    estimate, low, high = (int(each) if math.isfinite(each) else None for each in seeds)
    num_lanes = plan.block_size * lane_mesh(None).size
    return Forecast(
        target,
        tuple(interval_of(target, each, level, cutoff_of(each)) for each in pilots),
        Interval(estimate, low, high, 0.9),
        estimate and _seconds(pilots, estimate, result.timing, num_lanes),
    )


def _drawn_again(outcomes: Outcomes, rng: np.random.Generator) -> Outcomes:
    """Return as many runs, drawn from these with replacement."""
    count = rng.multinomial(outcomes.num_runs, outcomes.count / outcomes.num_runs)
    return outcomes_of(outcomes.status, outcomes.epochs, count)


def _seconds(
    pilots: list[Outcomes], seeds: int, timing: Timing | None, num_lanes: int
) -> float | None:
    """Return what so many seeds take at the speed of the pilot's lanes.

    When no run waits any more, lanes become idle one by one, for half as long as a run may take.
    """
    if timing is None or not timing.occupancy or not timing.run_seconds:
        return None
    speed = timing.seed_epochs / timing.occupancy / timing.run_seconds
    needed_epochs = sum(each.seed_epochs / each.num_runs for each in pilots) * seeds
    idle = num_lanes * max(int(each.epochs[-1]) for each in pilots) / 2
    return timing.compile_seconds + (needed_epochs + idle) / speed


def first_of(plan: Plan, num_seeds: int) -> Plan:
    """Return the same sweep with its first seeds alone."""
    return with_seeds(plan, num_seeds, plan.first_seed)


def tallied(result: SweepResult) -> list[tuple[dict[str, Any], Outcomes]]:
    """Return how the runs of every point of a grid ended, with its settings."""
    return [(settings, tally_of(part)) for settings, part in rows_by_point(result.table)]


def less(outcomes: Outcomes, known: Outcomes) -> Outcomes:
    """Return outcomes without some that are among them."""
    count = outcomes.count.copy()
    place = {pair: k for k, pair in enumerate(zip(*map(list, outcomes[:2]), strict=True))}
    for *pair, number in zip(*map(list, known), strict=True):
        count[place[tuple(pair)]] -= number
    return outcomes_of(outcomes.status, outcomes.epochs, count)
