"""Intervals that one may look at again and again: against SciPy, by hand, and by simulation."""

import numpy as np
import pytest
import scipy.stats

from bpjax.analysis.outcomes import outcomes_of
from bpjax.analysis.sequential import (
    GROWTH,
    Look,
    Target,
    answer_of,
    cutoff_of,
    expected_epochs,
    looks_of,
    median_epochs,
    needed,
    read_target,
    share_converged,
)
from bpjax.errors import SettingError
from bpjax.status import Status

CAP = 300


def drawn(rng, num_runs):
    """Return status and epochs of runs of which a tenth is stuck and some leave the numbers."""
    epochs = np.ceil(rng.gamma(2, 40, num_runs)).astype(int)
    late = (rng.random(num_runs) < 0.1) | (epochs > CAP)
    broken = rng.random(num_runs) < 0.02
    status = np.select([broken, late], [Status.NONFINITE, Status.MAX_EPOCHS], Status.CONVERGED)
    return status, np.select([broken, late], [np.minimum(epochs, CAP), CAP], epochs)


def counted(solved, others):
    return outcomes_of([Status.CONVERGED, Status.MAX_EPOCHS], [50, 99], [solved, others])


@pytest.mark.parametrize(("solved", "num_runs"), [(0, 7), (7, 7), (3, 10), (968, 1000)])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.9999])
def test_the_interval_of_a_share_is_that_of_scipy(solved, num_runs, level):
    theirs = scipy.stats.binomtest(solved, num_runs).proportion_ci(level, "exact")
    ours = share_converged(counted(solved, num_runs - solved), level)
    np.testing.assert_allclose((ours.low, ours.high), theirs, rtol=1e-9)
    assert ours.estimate == solved / num_runs


@pytest.mark.parametrize("num_runs", [1, 2, 5, 6, 20, 101, 5000])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.9999])
def test_ranks_of_the_median_are_the_narrowest_that_hold_the_level(num_runs, level):
    epochs = np.arange(1, num_runs + 1)
    ours = median_epochs(outcomes_of([Status.CONVERGED] * num_runs, epochs), level)
    tail = (1 - level) / 2
    below = scipy.stats.binom(num_runs, 0.5).cdf
    rank = max((r for r in range(num_runs // 2 + 1) if r == 0 or below(r - 1) <= tail), default=0)
    assert (ours.low, ours.high) == ((rank, num_runs + 1 - rank) if rank else (0, None))
    assert ours.estimate == (num_runs + 1) // 2


def test_runs_that_never_converge_are_later_than_all():
    status = [Status.CONVERGED] * 60 + [Status.NONFINITE] * 15 + [Status.MAX_EPOCHS] * 25
    found = median_epochs(outcomes_of(status, [*range(1, 61), *[2] * 15, *[99] * 25]), 0.95)
    assert (found.estimate, found.low, found.high) == (50, 40, None)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_ends_of_the_expected_epochs_are_where_a_test_turns(level):
    """Fieller: at an end r, the mean of spent - r solved is z standard errors from 0."""
    status, epochs = drawn(np.random.default_rng(3), 400)
    spent, solved = np.minimum(epochs, 120), (status == Status.CONVERGED) & (epochs <= 120)
    found = expected_epochs(outcomes_of(status, epochs), level, 120)
    assert found.estimate == pytest.approx(spent.sum() / solved.sum())
    z = scipy.stats.norm.isf((1 - level) / 2)
    for end, sign in ((found.low, 1), (found.high, -1)):
        over = spent - end * solved
        assert over.mean() / scipy.stats.sem(over) == pytest.approx(sign * z, rel=1e-9)


def test_too_few_solutions_give_no_end():
    assert expected_epochs(counted(1, 30), 0.95, 60)[1:3] == (None, None)
    assert expected_epochs(counted(1, 30), 0.95, 40)[:3] == (None, None, None)
    assert expected_epochs(counted(1, 30), 0.95, None)[:3] == (None, None, None)
    assert cutoff_of(outcomes_of([Status.MAX_EPOCHS], [9])) is None


def test_all_looks_together_keep_the_level_and_do_not_hang_on_how_far_one_may_go():
    pilot, target = counted(190, 10), Target("success_rate", 0.01)
    longest = looks_of(pilot, target, 10**9)
    assert [1 - look.level for look in longest[:3]] == pytest.approx([0.025, 0.0125, 0.00625])
    assert sum(1 - look.level for look in longest) < 0.05
    sizes = [look.num_runs for look in longest]
    np.testing.assert_allclose(np.divide(sizes[1:], sizes[:-1]), GROWTH, rtol=0.001)
    for most in (sizes[0] - 1, sizes[0], 4000, 50_000):
        assert looks_of(pilot, target, most) == [x for x in longest if x.num_runs <= most]


@pytest.mark.parametrize(
    ("target", "pilot"),
    [
        (Target("success_rate", 0.01), counted(190, 10)),
        (Target("success_rate", 0.01), counted(200, 0)),
        (Target("success_rate", 1e-7), counted(190, 10)),
        (Target("expected_epochs", 0.02, True), counted(190, 10)),
        (Target("median", 5), outcomes_of([Status.CONVERGED] * 301, range(301))),
    ],
    ids=lambda each: str(each)[:30],
)
def test_as_many_runs_as_are_needed_and_hardly_more(target, pilot):
    number = needed(pilot, target, 0.95, 10**15)

    def reached(num_runs):
        ends = np.round(np.cumsum(pilot.count) * num_runs / pilot.num_runs).astype(np.int64)
        fresh = pilot._replace(count=np.diff(ends, prepend=0))
        return answer_of(fresh, target, Look(num_runs, 0.95), cutoff_of(pilot)).reached

    assert reached(number)
    assert number == pilot.num_runs or not reached(int(0.97 * number))
    assert needed(pilot, target, 0.95, number) == number
    assert needed(pilot, target, 0.95, number - 1) is None


def test_a_gap_in_the_middle_of_a_pilot_is_no_reason_to_give_up():
    epochs = [*range(1, 101), *range(201, 301)]
    pilot = outcomes_of([Status.CONVERGED] * 200, epochs)
    assert needed(pilot, Target("median", 0.1, True), 0.95, 10**6) is not None


def test_no_interval_is_of_fewer_runs_than_the_pilot():
    """Two runs that ended alike would make one of no width."""
    assert needed(counted(199, 1), Target("expected_epochs", 0.5, True), 0.95, 10**6) == 200


def test_what_can_not_be_known_is_not_begun():
    stuck = outcomes_of([Status.MAX_EPOCHS], [99], [200])
    for statistic in ("median", "expected_epochs"):
        assert needed(stuck, Target(statistic, 0.1, True), 0.95, 5000) is None
        assert looks_of(stuck, Target(statistic, 0.1, True), 5000) == []


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("success_rate +- 0.005", Target("success_rate", 0.005)),
        (" success_rate+/-0.5% ", Target("success_rate", 0.005)),
        ("median \N{PLUS-MINUS SIGN} 10", Target("median", 10.0)),
        ("expected_epochs +- 2%", Target("expected_epochs", 0.02, True)),
    ],
)
def test_targets_are_read(text, target):
    assert read_target(text) == target
    assert read_target(str(target)) == target


@pytest.mark.parametrize(
    "text",
    [
        *("", "median", "median +- ", "mean +- 3", "median +- 0", "median +- -1", "median +- nan"),
        *("median +- inf", "success_rate +- 1", "success_rate +- 150%", "median +- 3 epochs"),
    ],
)
def test_other_words_are_refused(text):
    with pytest.raises(SettingError, match="until"):
        read_target(text)


def looked(rng, target, truth_of):
    """Make a whole sweep, look by look; return whether it held the truth where it stopped."""
    pilot = outcomes_of(*drawn(rng, 200))
    cutoff = cutoff_of(pilot)
    status, epochs = np.zeros((2, 0), int)
    for look in looks_of(pilot, target, 10**6):
        more = drawn(rng, look.num_runs - len(status))
        status, epochs = (np.append(*pair) for pair in zip((status, epochs), more, strict=True))
        interval, reached = answer_of(outcomes_of(status, epochs), target, look, cutoff)
        if reached:
            break
    high = np.inf if interval.high is None else interval.high
    return (interval.low or 0) <= truth_of(cutoff) <= high


def truth(statistic):
    status, epochs = drawn(np.random.default_rng(9), 2_000_000)
    solved = status == Status.CONVERGED
    if statistic == "success_rate":
        return lambda cutoff: solved.mean()
    if statistic == "median":
        median = np.sort(np.where(solved, epochs, CAP + 1))[len(epochs) // 2]
        return lambda cutoff: median
    return lambda cutoff: np.minimum(epochs, cutoff).sum() / (solved & (epochs <= cutoff)).sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    "target",
    [
        Target("success_rate", 0.03),
        Target("median", 0.08, True),
        Target("expected_epochs", 0.08, True),
    ],
    ids=str,
)
def test_whoever_stops_when_it_is_narrow_still_has_the_level(target):
    """600 sweeps: at most 4.5 standard errors below 95 % would be chance once in 300,000."""
    rng, truth_of = np.random.default_rng(20), truth(target.statistic)
    held = [looked(rng, target, truth_of) for _ in range(600)]
    assert np.mean(held) > 0.95 - 4.5 * np.sqrt(0.95 * 0.05 / 600)


def test_a_plain_interval_looked_at_again_and_again_has_less():
    """Why all this: 95 % intervals at 20 looks, stopped at the first that does not hold one half.

    The looks of `looks_of` hold it in the same sweeps.
    """
    rng = np.random.default_rng(4)
    sizes = np.arange(100, 2001, 100)
    pilot = counted(100, 100)
    looks = looks_of(pilot, Target("success_rate", 0.01), 2000)
    plain = ours = 0
    for _ in range(300):
        solved = np.cumsum(rng.random(2000) < 0.5)

        def misses(size, level, solved=solved):
            found = share_converged(
                counted(int(solved[size - 1]), int(size - solved[size - 1])), level
            )
            return not found.low <= 0.5 <= found.high

        plain += any(misses(size, 0.95) for size in sizes)
        ours += any(misses(look.num_runs, look.level) for look in looks)
    assert plain / 300 > 0.12
    assert ours / 300 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
