"""Censored statistics against tables worked by hand, closed forms, brute force and coverage."""

import decimal
import json
import math
import time
import tracemalloc
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings

from bpjax.analysis.convergence import (
    Interval,
    Restart,
    SurvivalCurve,
    best_restart,
    epoch_quantile,
    restart_of_outcomes,
    success_rate,
    summarize_outcomes,
    summarize_runs,
    survival_curve,
    survival_of_outcomes,
)
from bpjax.analysis.kaplan_meier import kaplan_meier, log_log_band, risk_table
from bpjax.analysis.outcomes import Outcomes, outcomes_of
from bpjax.errors import SettingError
from bpjax.status import Status

CONVERGED, MAX_EPOCHS, NONFINITE = Status.CONVERGED, Status.MAX_EPOCHS, Status.NONFINITE
Z95 = 1.959963984540054  # the 97.5 % point of the normal distribution

# Eight runs with a tie of two successes, a success tied with a cap, and a run that broke early.
TABLE_STATUS = [CONVERGED] * 4 + [MAX_EPOCHS] * 3 + [NONFINITE]
TABLE_EPOCHS = [3, 3, 5, 8, 5, 6, 10, 2]


def log_log_band_by_hand(survival: float, greenwood_sum: float) -> tuple[float, float]:
    """The band at one epoch, written out: S ** exp(+-z se), se = sqrt(sum d/(n(n-d))) / |ln S|."""
    factor = math.exp(Z95 * math.sqrt(greenwood_sum) / abs(math.log(survival)))
    return survival**factor, survival ** (1 / factor)


def wilson(num_converged: int, num_runs: int) -> tuple[float, float]:
    p, n, z = num_converged / num_runs, num_runs, Z95
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


# ---- success_rate --------------------------------------------------------------------------------


@pytest.mark.parametrize(("num_converged", "num_runs"), [(0, 1), (1, 1), (8, 10), (999_999, 10**6)])
def test_wilson_interval_is_the_closed_formula(num_converged, num_runs):
    rate = success_rate(num_converged, num_runs)
    assert rate.estimate == num_converged / num_runs
    assert (rate.low, rate.high) == pytest.approx(wilson(num_converged, num_runs), abs=1e-12)
    assert rate.level == 0.95


def test_success_rate_takes_numpy_counts_and_widens_with_the_level():
    narrow = success_rate(np.int32(30), np.int64(50), level=0.5)
    wide = success_rate(30, 50, level=0.99)
    assert wide.low < narrow.low < 0.6 < narrow.high < wide.high


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_interval_is_that_of_scipy_to_the_last_bit(level):
    counts = [(k, n) for n in range(1, 40) for k in range(n + 1)] + [(10**11 + 7, 10**12)]
    for num_converged, num_runs in counts:
        rate = success_rate(num_converged, num_runs, level)
        ends = scipy.stats.binomtest(num_converged, num_runs).proportion_ci(level, "wilson")
        assert (rate.low, rate.high) == (ends.low, ends.high)


def test_wilson_interval_covers_exactly_as_often_as_it_says():
    """Summed over the binomial distribution, so no sampling error is left.

    Coverage of a discrete statistic oscillates about its level in n and p; at n = 1000 and a
    moderate p the swing is below half a percent, which is what the bound allows.
    """
    n, p = 1000, 0.7
    counts = np.arange(n + 1)
    log_choose = math.lgamma(n + 1) - np.array(
        [math.lgamma(k + 1) + math.lgamma(n - k + 1) for k in counts]
    )
    chances = np.exp(log_choose + counts * math.log(p) + (n - counts) * math.log1p(-p))
    likely = counts[chances > 1e-12]
    covers = [k for k in likely if (i := success_rate(k, n)).low <= p <= i.high]
    assert chances[covers].sum() == pytest.approx(0.95, abs=0.005)


def test_wilson_interval_of_a_trillion_runs_is_right_and_immediate():
    """Held against 28 decimal digits; SciPy also works out a p-value, which must not take long."""
    n, z2 = 10**12, decimal.Decimal(Z95) ** 2
    start = time.perf_counter()
    for num_converged in (0, 1, 7, 3 * 10**11, 5 * 10**11, n - 1, n):
        rate = success_rate(num_converged, n)
        p = decimal.Decimal(num_converged) / n
        half = (z2 * (p * (1 - p) / n + z2 / (4 * decimal.Decimal(n) ** 2))).sqrt()
        low, high = ((p + z2 / (2 * n) + sign * half) / (1 + z2 / n) for sign in (-1, 1))
        assert rate.low == pytest.approx(float(low), rel=1e-11, abs=1e-30)
        assert rate.high == pytest.approx(float(high), rel=1e-11)
        assert rate.low <= rate.estimate <= rate.high
    assert time.perf_counter() - start < 0.5


# ---- survival_curve ------------------------------------------------------------------------------


def test_kaplan_meier_table_by_hand():
    """At risk and converged at each epoch; the broken run stays at risk to the end.

    epoch 3: 8 at risk, 2 converge, S = 6/8;  Greenwood 2/(8 6)  = 1/24
    epoch 5: 6 at risk, 1 converges, S = 5/8; Greenwood + 1/(6 5) = 3/40 (the cap at 5 leaves after)
    epoch 6: a cap leaves
    epoch 8: 3 at risk, 1 converges, S = 5/12; Greenwood + 1/(3 2) = 29/120
    epoch 10: the last cap and the broken run leave
    """
    curve = survival_curve(TABLE_STATUS, TABLE_EPOCHS)
    bands = [
        (8 / (8 + Z95**2), 1.0),
        log_log_band_by_hand(6 / 8, 1 / 24),
        log_log_band_by_hand(5 / 8, 3 / 40),
        log_log_band_by_hand(5 / 8, 3 / 40),
        log_log_band_by_hand(5 / 12, 29 / 120),
        log_log_band_by_hand(5 / 12, 29 / 120),
    ]
    assert curve.epochs.tolist() == [0, 3, 5, 6, 8, 10]
    np.testing.assert_allclose(curve.survival, [1, 6 / 8, 5 / 8, 5 / 8, 5 / 12, 5 / 12], rtol=1e-14)
    np.testing.assert_allclose(np.stack([curve.low, curve.high], axis=1), bands, rtol=1e-12)
    assert (curve.num_runs, curve.level) == (8, 0.95)


def test_nonfinite_run_is_not_credited_with_converging_later():
    """Two of four converge and two break at once: half of the runs never converge, whatever n."""
    curve = survival_curve([NONFINITE, NONFINITE, CONVERGED, CONVERGED], [1, 2, 5, 9])
    assert curve.survival.tolist() == [1, 0.75, 0.5]
    censored_at_once = survival_curve([MAX_EPOCHS, MAX_EPOCHS, CONVERGED, CONVERGED], [1, 2, 5, 9])
    assert censored_at_once.survival[-1] == 0  # what treating NaN as censoring would claim


@pytest.mark.parametrize("num_runs", [1, 3, 100])
def test_none_converged(num_runs):
    curve = survival_curve([MAX_EPOCHS] * num_runs, [9] * num_runs)
    low, _ = wilson(0, num_runs)
    assert (curve.epochs.tolist(), curve.survival.tolist()) == ([0, 9], [1, 1])
    np.testing.assert_allclose(curve.low, 1 - wilson(0, num_runs)[1], rtol=1e-12)
    assert curve.high.tolist() == [1 - low, 1 - low] == [1, 1]


@pytest.mark.parametrize("num_runs", [1, 3, 100])
def test_all_converged(num_runs):
    curve = survival_curve([CONVERGED] * num_runs, [9] * num_runs)
    assert (curve.epochs.tolist(), curve.survival.tolist()) == ([0, 9], [1, 0])
    assert curve.low[-1] == 0
    assert curve.high[-1] == pytest.approx(1 - wilson(num_runs, num_runs)[0], rel=1e-12)


def test_ends_of_the_band_count_only_runs_whose_state_is_known():
    """Caps at 1 and 2 hide two of four runs before anything converges, and for ever after."""
    curve = survival_curve([MAX_EPOCHS, MAX_EPOCHS, CONVERGED, CONVERGED], [1, 2, 5, 5])
    assert curve.survival.tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(curve.low, [*(n / (n + Z95**2) for n in (4, 4, 3)), 0])
    np.testing.assert_allclose(curve.high, [1, 1, 1, Z95**2 / (2 + Z95**2)])


def test_converged_at_epoch_zero_has_no_earlier_entry():
    curve = survival_curve([CONVERGED, CONVERGED, MAX_EPOCHS], [0, 4, 9])
    assert curve.epochs.tolist() == [0, 4, 9]
    np.testing.assert_allclose(curve.survival, [2 / 3, 1 / 3, 1 / 3])


columns = st.lists(
    st.tuples(st.sampled_from([CONVERGED, MAX_EPOCHS, NONFINITE]), st.integers(0, 20)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(columns, st.sampled_from([0.5, 0.95, 0.999]))
def test_survival_curve_laws(runs, level):
    """Falls from at most 1, inside its band, the same for any order of runs, epochs increasing."""
    status, epochs = map(np.array, zip(*runs, strict=True))
    curve = survival_curve(status, epochs, level)
    assert curve.epochs[0] == 0
    assert curve.epochs[-1] == epochs.max()
    assert (np.diff(curve.epochs) > 0).all()
    assert (np.diff(curve.survival) <= 0).all()
    assert (curve.low >= 0).all()
    assert (curve.low <= curve.survival).all()
    assert (curve.survival <= curve.high).all()
    assert (curve.high <= 1).all()
    for mine, reverse in zip(curve, survival_curve(status[::-1], epochs[::-1], level), strict=True):
        np.testing.assert_array_equal(mine, reverse)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(columns)
def test_with_one_cap_survival_is_a_plain_share_of_runs(runs):
    """No run leaves before the cap, so Kaplan-Meier is counting, and the last value the rate."""
    cap = 20
    status, epochs = map(np.array, zip(*runs, strict=True))
    epochs = np.where(status == MAX_EPOCHS, cap, epochs)
    curve = survival_curve(status, epochs)
    converged = epochs[status == CONVERGED]
    shares = [
        np.count_nonzero(converged > e) + np.count_nonzero(status != CONVERGED)
        for e in curve.epochs
    ]
    np.testing.assert_allclose(curve.survival, np.array(shares) / len(status), atol=1e-12)
    assert 1 - curve.survival[-1] == pytest.approx(
        success_rate(len(converged), len(status)).estimate
    )


def test_band_contains_the_true_curve_pointwise():
    """At a fixed epoch the 99.9 % band misses once in a thousand samples; ten epochs are asked."""
    rng = np.random.default_rng(3)
    epochs = rng.geometric(0.01, size=2000)
    status = np.where(epochs <= 300, CONVERGED, MAX_EPOCHS)
    curve = survival_curve(status, np.minimum(epochs, 300), level=0.999)
    places = np.searchsorted(curve.epochs, np.arange(30, 301, 30), side="right") - 1
    truth = 0.99 ** np.arange(30, 301, 30)
    assert (curve.low[places] < truth).all()
    assert (truth < curve.high[places]).all()


# ---- epoch_quantile ------------------------------------------------------------------------------


def test_median_interval_against_a_hand_inverted_band():
    """Ten runs converge at 1, 2, ..., 10: S(t) = 1 - t/10, Greenwood sum t / (10 (10 - t)).

    The band's low end is 0.7225 at 0 (Wilson) and 0.4730 at 1, so the interval starts at 1.
    Its high end is 0.578 at 7 and 0.475 at 8, so the interval ends at 8. S = 0.5 at 5.
    """
    assert log_log_band_by_hand(0.9, 1 / 90)[0] == pytest.approx(0.4730, abs=5e-5)
    assert log_log_band_by_hand(0.3, 7 / 30)[1] == pytest.approx(0.5779, abs=5e-5)
    assert log_log_band_by_hand(0.2, 8 / 20)[1] == pytest.approx(0.4747, abs=5e-5)
    curve = survival_curve([CONVERGED] * 10, range(1, 11))
    assert epoch_quantile(curve, 0.5) == Interval(5, 1, 8, 0.95)


def test_quantiles_of_the_hand_worked_table():
    """S is 6/8, 5/8, 5/12 from epochs 3, 5, 8; the band at 8 is [0.0724, 0.747]."""
    curve = survival_curve(TABLE_STATUS, TABLE_EPOCHS)
    assert epoch_quantile(curve, 0.25) == Interval(3, 0, 8, 0.95)
    assert epoch_quantile(curve, 0.5) == Interval(8, 3, None, 0.95)
    assert epoch_quantile(curve, 0.75) == Interval(None, 5, None, 0.95)
    assert epoch_quantile(curve, 0.95) == Interval(None, None, None, 0.95)


def test_quantile_is_exact_where_rounding_would_miss_it():
    """1 - 0.9 is a little less than 0.1 in floating point, so nine of ten would not do."""
    assert 1 - 0.9 < 0.1
    curve = survival_curve([CONVERGED] * 9 + [MAX_EPOCHS], [*range(1, 10), 9])
    for num_converged in range(1, 10):
        assert epoch_quantile(curve, num_converged / 10).estimate == num_converged


def test_quantiles_when_all_converge_at_the_start():
    curve = survival_curve([CONVERGED] * 50, [0] * 50)
    assert epoch_quantile(curve, 0.5) == Interval(0, 0, 0, 0.95)


def test_one_run_pins_no_quantile_down():
    curve = survival_curve([CONVERGED], [7])
    assert epoch_quantile(curve, 0.5) == Interval(7, 0, None, 0.95)


# ---- best_restart --------------------------------------------------------------------------------


def restart_by_brute_force(runs: list[tuple[Status, int]]) -> Restart | None:
    """Play every cutoff literally: what all runs would cost under it, per success."""
    cap = min((e for s, e in runs if s == MAX_EPOCHS), default=math.inf)
    best = None
    for cutoff in sorted({e for s, e in runs if s == CONVERGED and e <= cap}):
        cost = sum(min(e, cutoff) if s != MAX_EPOCHS else cutoff for s, e in runs)
        successes = sum(s == CONVERGED and e <= cutoff for s, e in runs)
        if best is None or cost / successes < best.expected_epochs:
            best = Restart(cutoff, cost / successes)
    return best


@settings(max_examples=200, deadline=None, derandomize=True)
@given(columns)
def test_best_restart_equals_brute_force(runs):
    assert best_restart(*zip(*runs, strict=True)) == restart_by_brute_force(runs)


def test_best_restart_is_the_textbook_formula():
    """c (1 - p) / p + E[T | T <= c] for p = 3/10, c = 30, T in 10, 20, 30: 70 + 20."""
    status = [CONVERGED] * 4 + [MAX_EPOCHS] * 6
    assert best_restart(status, [10, 20, 30, 900] + [1000] * 6) == Restart(30, 90.0)


def test_restart_never_helps_a_memoryless_run():
    """Each epoch half of the remaining runs converge (geometric, q = 1/2): any cutoff costs 1/q."""
    epochs = np.repeat(np.arange(1, 11), 2 ** np.arange(9, -1, -1))
    status = np.full(1024, CONVERGED)
    epochs, status[1023:] = np.append(epochs, 10), MAX_EPOCHS
    assert best_restart(status, epochs) == Restart(1, 2.0)
    for cap in range(1, 10):
        capped = np.where(epochs <= cap, status, MAX_EPOCHS)
        assert best_restart(capped, np.minimum(epochs, cap)) == Restart(1, 2.0)


def test_a_broken_attempt_costs_only_its_own_epochs():
    runs = [CONVERGED, NONFINITE], [100, 7]
    assert best_restart(*runs) == Restart(100, 107.0)
    assert best_restart([CONVERGED, NONFINITE], [100, 500]) == Restart(100, 200.0)


def test_cutoffs_beyond_the_smallest_cap_are_not_considered():
    """The success at 50 would be a bargain, but one run was last seen at 40."""
    status = [CONVERGED, CONVERGED, CONVERGED, CONVERGED, MAX_EPOCHS]
    assert best_restart(status, [40, 50, 50, 50, 40]) == Restart(40, 200.0)
    assert best_restart(status, [40, 50, 50, 50, 50]) == Restart(50, 60.0)
    assert best_restart([CONVERGED, MAX_EPOCHS], [50, 40]) is None


def test_restart_without_successes_and_at_epoch_zero():
    assert best_restart([MAX_EPOCHS, NONFINITE], [9, 2]) is None
    assert best_restart([CONVERGED] * 3, [0] * 3) == Restart(0, 0.0)
    assert best_restart([CONVERGED, MAX_EPOCHS], [0, 10]) == Restart(0, 0.0)


# ---- summarize_runs ------------------------------------------------------------------------------


def test_summary_of_the_hand_worked_table():
    summary = summarize_runs(TABLE_STATUS, TABLE_EPOCHS)
    low, high = wilson(4, 8)
    assert summary == {
        "num_runs": 8,
        "converged": 4,
        "max_epochs_reached": 3,
        "nonfinite": 1,
        "success_rate": {
            "estimate": 0.5,
            "low": pytest.approx(low),
            "high": pytest.approx(high),
            "level": 0.95,
        },
        "epochs": {
            "median": 8,
            "low": 3,
            "high": None,
            "q25": 3,
            "q25_low": 0,
            "q25_high": 8,
            "q75": None,
            "q75_low": 5,
            "q75_high": None,
            "min": 3,
            "max": 8,
            "level": 0.95,
        },
        "restart": {"cutoff": 5, "expected_epochs": 11.0},  # (3 + 3 + 5 + 2 + 4 * 5) / 3
    }


@pytest.mark.parametrize(
    ("status", "epochs"),
    [
        (np.array(TABLE_STATUS, np.uint8), np.array(TABLE_EPOCHS, np.int32)),
        ([MAX_EPOCHS], [9]),
        ([NONFINITE, NONFINITE], [0, 3]),
        ([CONVERGED], [0]),
    ],
)
def test_summary_is_plain_json(status, epochs):
    summary = summarize_runs(status, epochs, level=0.9)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["epochs"]["level"] == summary["success_rate"]["level"] == 0.9


def test_none_converged_leaves_nulls():
    summary = summarize_runs([MAX_EPOCHS, NONFINITE], [9, 2])
    assert summary["restart"] is None
    assert set(summary["epochs"].values()) == {
        None,
        0,
        0.95,
    }  # 0: two runs rule out no early median


def test_a_million_runs_take_seconds_not_minutes():
    """Sorting dominates; a loop over runs would take far beyond what anyone waits for."""
    rng = np.random.default_rng(5)
    epochs = rng.integers(1, 3_000_000, size=1_000_000)
    status = np.where(epochs < 2_000_000, CONVERGED, MAX_EPOCHS)
    summary = summarize_runs(status, np.minimum(epochs, 2_000_000))
    assert summary["epochs"]["low"] < 1_500_000 < summary["epochs"]["high"]


# ---- counted runs --------------------------------------------------------------------------------


def rows_of(outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(outcomes.status, outcomes.count), np.repeat(outcomes.epochs, outcomes.count)


def random_outcomes(rng: np.random.Generator, most: int = 30) -> Outcomes:
    """Up to 20 rows with repeats and with counts of nothing, at least one run."""
    size = int(rng.integers(1, 21))
    count = rng.integers(0, most, size)
    count[0] += 1
    return outcomes_of(rng.integers(1, 4, size), rng.integers(0, 25, size), count)


def scipy_curve(outcomes: Outcomes, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Survival and band at every epoch of the curve, by SciPy from one row per run."""
    status, epochs = rows_of(outcomes)
    epochs = np.where(status == NONFINITE, epochs.max(), epochs)
    solved = status == CONVERGED
    sample = scipy.stats.CensoredData(uncensored=epochs[solved], right=epochs[~solved])
    estimate = scipy.stats.ecdf(sample).sf
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The confidence interval is undefined", RuntimeWarning)
        band = estimate.confidence_interval(level, method="log-log")
    steps = np.union1d(0, epochs)
    return estimate.evaluate(steps), band.low.evaluate(steps), band.high.evaluate(steps)


def test_outcomes_are_sorted_and_counted_once():
    outcomes = outcomes_of(TABLE_STATUS, TABLE_EPOCHS)
    assert outcomes._fields == ("status", "epochs", "count")
    assert [column.tolist() for column in outcomes] == [
        [NONFINITE, CONVERGED, CONVERGED, MAX_EPOCHS, MAX_EPOCHS, CONVERGED, MAX_EPOCHS],
        [2, 3, 5, 5, 6, 8, 10],
        [1, 2, 1, 1, 1, 1, 1],
    ]
    assert {column.dtype for column in outcomes} == {np.dtype(np.int64)}
    assert (outcomes.num_runs, outcomes.seed_epochs) == (8, sum(TABLE_EPOCHS))
    ends, count = outcomes.ending(CONVERGED)
    assert (ends.tolist(), count.tolist()) == ([3, 5, 8], [2, 1, 1])


def test_counts_are_merged_and_rows_of_no_run_are_dropped_unread():
    """A dense device table has a cell for everything, also for what is no outcome."""
    status = np.array([CONVERGED, Status.RUNNING, CONVERGED, MAX_EPOCHS, CONVERGED], np.uint8)
    epochs = np.array([7, -1, 4, 9, 7], np.int32)
    outcomes = outcomes_of(status, epochs, np.array([200, 0, 1, 0, 100], np.uint8))
    assert [column.tolist() for column in outcomes] == [[CONVERGED] * 2, [4, 7], [1, 300]]
    assert {column.dtype for column in outcomes} == {np.dtype(np.int64)}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3]), st.integers(0, 12), st.integers(1, 9)), min_size=1
    )
)
def test_every_statistic_of_counts_equals_that_of_rows_exactly(table):
    status, epochs, count = map(np.array, zip(*table, strict=True))
    rows = np.repeat(status, count), np.repeat(epochs, count)
    outcomes = outcomes_of(status, epochs, count)
    for mine, other in zip(outcomes, outcomes_of(*rows), strict=True):
        np.testing.assert_array_equal(mine, other)
    for mine, other in zip(survival_of_outcomes(outcomes), survival_curve(*rows), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert restart_of_outcomes(outcomes) == best_restart(*rows)
    assert summarize_outcomes(outcomes, 0.9) == summarize_runs(*rows, 0.9)
    assert outcomes.seed_epochs == rows[1].sum()


def test_parts_of_a_sweep_join_to_the_whole():
    rng = np.random.default_rng(3)
    status, epochs = rng.integers(1, 4, 500), rng.integers(0, 40, 500)
    parts = [outcomes_of(status[i::3], epochs[i::3]) for i in range(3)]
    joined = outcomes_of(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    for mine, whole in zip(joined, outcomes_of(status, epochs), strict=True):
        np.testing.assert_array_equal(mine, whole)


def test_survival_and_band_are_those_of_scipy():
    """On 300 random samples; the band is held where SciPy has one, that is at neither 1 nor 0."""
    rng, compared = np.random.default_rng(17), 0
    for _ in range(300):
        outcomes, level = random_outcomes(rng), rng.choice([0.5, 0.95, 0.999])
        survival, low, high = scipy_curve(outcomes, level)
        curve = survival_of_outcomes(outcomes, level)
        inside = (curve.survival > 0) & (curve.survival < 1)
        np.testing.assert_allclose(curve.survival, survival, rtol=0, atol=1e-13)
        np.testing.assert_allclose(curve.low[inside], low[inside], rtol=0, atol=1e-12)
        np.testing.assert_allclose(curve.high[inside], high[inside], rtol=0, atol=1e-12)
        compared += inside.sum()
    assert compared > 1000


def test_survival_of_a_large_sample_is_that_of_scipy():
    """A thousand caps and a thousand steps, so that many factors are multiplied and added."""
    rng = np.random.default_rng(19)
    outcomes = outcomes_of(
        rng.choice([1, 2, 3], 3000, p=[0.6, 0.3, 0.1]),
        rng.integers(1, 2000, 3000),
        rng.integers(1, 40, 3000),
    )
    curve = survival_of_outcomes(outcomes)
    inside = (curve.survival > 0) & (curve.survival < 1)
    for mine, other in zip(curve[1:4], scipy_curve(outcomes, 0.95), strict=True):
        np.testing.assert_allclose(mine[inside], other[inside], rtol=0, atol=1e-12)


def test_with_one_cap_survival_is_rounded_only_once():
    """Equal to the last bit, over 2,000 steps, to one division of counts as Python divides them."""
    count = np.random.default_rng(23).integers(1, 10**9, 2000)
    status = [CONVERGED] * 1999 + [MAX_EPOCHS]
    curve = survival_of_outcomes(outcomes_of(status, np.arange(1, 2001), count))
    left = count.sum() - np.append(0, np.cumsum(count[:-1]))
    exact = [int(n) / int(count.sum()) for n in left]
    assert curve.survival.tolist() == [*exact, exact[-1]]


def test_risk_table_and_bare_band_by_hand():
    table = risk_table(outcomes_of(TABLE_STATUS, TABLE_EPOCHS))
    assert table.epochs.tolist() == [0, 3, 5, 6, 8, 10]
    assert table.at_risk.tolist() == [8, 8, 6, 4, 3, 2]
    assert table.converged.tolist() == [0, 2, 1, 0, 1, 0]
    assert table.censored.tolist() == [0, 0, 1, 1, 0, 2]
    low, high = log_log_band(table, kaplan_meier(table), Z95)
    assert math.isnan(low[0])
    assert math.isnan(high[0])
    assert (low[1], high[1]) == pytest.approx(log_log_band_by_hand(6 / 8, 1 / 24))


@pytest.mark.parametrize(
    ("status", "survival"), [(MAX_EPOCHS, 1.0), (NONFINITE, 1.0), (CONVERGED, 0.0)]
)
def test_a_trillion_equal_outcomes(status, survival):
    """The undefined ends take Wilson's interval for none or all, some 4 in 10^12 wide."""
    n = 10**12
    curve = survival_of_outcomes(outcomes_of([status], [9], [n]))
    assert curve.survival[-1] == survival
    assert curve.high[-1] - curve.low[-1] == pytest.approx(Z95**2 / n, rel=1e-3)


def test_quantile_of_a_trillion_runs_tells_one_run_from_the_next():
    """Half less one run have converged at epoch 5, so the median is 6 and not 5."""
    half = 5 * 10**11
    status = [CONVERGED, CONVERGED, MAX_EPOCHS]
    one_short = survival_of_outcomes(outcomes_of(status, [5, 6, 9], [half - 1, 1, half]))
    assert epoch_quantile(one_short, 0.5).estimate == 6
    reached = survival_of_outcomes(outcomes_of(status, [5, 6, 9], [half, 1, half - 1]))
    assert epoch_quantile(reached, 0.5).estimate == 5


def test_a_trillion_runs_are_summarized_at_once_and_scale_free():
    """10^12 runs in 10,000 epochs: 10^15 spent epochs fit, estimates are those of a millionth."""
    epochs = np.arange(1, 10_001)
    share = np.round(1e5 * np.exp(-(((epochs - 3000) / 2000) ** 2))).astype(np.int64) + 1
    status, epochs = [CONVERGED] * 10_000 + [MAX_EPOCHS, NONFINITE], [*epochs, 10_000, 70]
    small = np.append(share, [share.sum() // 10, share.sum() // 50])
    factor = 10**12 // small.sum() + 1
    tracemalloc.start()
    start = time.perf_counter()
    outcomes = outcomes_of(status, epochs, small * factor)
    large = summarize_outcomes(outcomes)
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcomes.num_runs >= 10**12
    assert seconds < 1
    assert peak < 20e6
    model = summarize_outcomes(outcomes_of(status, epochs, small))
    assert large["restart"] == pytest.approx(model["restart"])
    assert large["success_rate"]["estimate"] == pytest.approx(model["success_rate"]["estimate"])
    for name in ("median", "q25", "q75", "min", "max"):
        assert large["epochs"][name] == model["epochs"][name]
    assert large["epochs"]["high"] - large["epochs"]["low"] <= 1
    seed_epochs = sum(int(e) * int(n) * int(factor) for e, n in zip(epochs, small, strict=True))
    assert outcomes.seed_epochs == seed_epochs > 10**15
    assert json.loads(json.dumps(large, allow_nan=False)) == large


def test_band_of_a_trillion_runs_by_formula():
    """Greenwood's sum is 3 / 10^12 here; products of two counts would leave 64 bits."""
    n = 10**12
    curve = survival_of_outcomes(outcomes_of([CONVERGED, MAX_EPOCHS], [5, 9], [3 * n // 4, n // 4]))
    low, high = log_log_band_by_hand(1 / 4, 3 / n)
    np.testing.assert_allclose(curve.low[1:], low, rtol=1e-14)
    np.testing.assert_allclose(curve.high[1:], high, rtol=1e-14)
    assert curve.high[1] - curve.low[1] == pytest.approx(2 * Z95 * math.sqrt(3 / 16 / n), rel=1e-4)


def test_one_success_in_a_trillion():
    """S = 1 - 10^-12 is not taken for 1, so the band is Greenwood's and not Wilson's for none."""
    n = 10**12
    outcomes = outcomes_of([CONVERGED, MAX_EPOCHS], [5, 10_000], [1, n - 1])
    summary = summarize_outcomes(outcomes)
    assert summary["converged"] == 1
    assert summary["restart"] == {"cutoff": 5, "expected_epochs": 5.0 * n}
    curve = survival_of_outcomes(outcomes)
    assert curve.survival[1] == (n - 1) / n
    assert curve.low[1] < curve.survival[1] < curve.high[1] < 1


@pytest.mark.parametrize(
    ("count", "words"),
    [
        ([1], r"`count` must be one column as long as `status`, .*\(2,\).*\(1,\)"),
        ([0, 0], "`count` must add up to at least one run, got 0"),
        ([3, -1], "`count` must not be negative, got -1"),
        ([3.0, 1.0], "`count` must hold whole numbers of an integer type, got 'float64'"),
        ([2**61, 1], "`count` must stand for fewer than 2\\*\\*62 runs and epochs together"),
    ],
)
def test_bad_counts(count, words):
    with pytest.raises(SettingError, match=words):
        outcomes_of([CONVERGED, MAX_EPOCHS], [5, 9], count)


def test_rows_whose_epochs_do_not_fit_a_sum():
    with pytest.raises(SettingError, match="`epochs` must stand for fewer than"):
        outcomes_of([CONVERGED] * 4, [2**61] * 4)


def test_counted_rows_are_checked_as_rows_are():
    with pytest.raises(SettingError, match=r"`status` must hold final outcomes only .*got \[0\]"):
        outcomes_of([Status.RUNNING, CONVERGED], [5, 9], [1, 1])
    with pytest.raises(SettingError, match="`epochs` must be one column as long as `status`"):
        outcomes_of([CONVERGED], [5, 9], [1])
    with pytest.raises(SettingError, match="`level` must lie strictly between"):
        summarize_outcomes(outcomes_of([CONVERGED], [5]), 95)


# ---- coverage ------------------------------------------------------------------------------------


def coverage_of_wilson(replications: int, rng: np.random.Generator) -> float:
    """n = 1000 and p = 0.7: the exact coverage there is 0.9509 (see the exact test above)."""
    n, p = 1000, 0.7
    counts, times = np.unique(rng.binomial(n, p, size=replications), return_counts=True)
    intervals = [success_rate(int(count), n) for count in counts]
    return (
        sum(t for t, i in zip(times, intervals, strict=True) if i.low <= p <= i.high) / replications
    )


def coverage_of_median(replications: int, one_cap: bool, rng: np.random.Generator) -> float:
    """Log-normal epochs with median 1000, capped at 2000, or with a cap per run from 500 to 4000.

    With one cap, 5 % of the runs break instead and count as never converging, so the median over
    all runs is where a share 0.5 / 0.95 of the sound ones has converged. With 300 runs per
    sample the order statistics that end the interval give an exact coverage of 0.9502.
    """
    num_runs, spread, hits = 300, 0.6, 0
    true_median = 1000 * math.exp(0.06601 * spread) if one_cap else 1000.0
    for _ in range(replications):
        epochs = np.ceil(1000 * np.exp(spread * rng.standard_normal(num_runs))).astype(int)
        cap = 2000 if one_cap else rng.integers(500, 4001, size=num_runs)
        status = np.where(epochs <= cap, CONVERGED, MAX_EPOCHS)
        epochs = np.minimum(epochs, cap)
        if one_cap:
            broken = rng.random(num_runs) < 0.05
            status = np.where(broken, NONFINITE, status)
            epochs = np.where(broken, rng.integers(0, 2001, size=num_runs), epochs)
        median = epoch_quantile(survival_curve(status, epochs), 0.5)
        hits += median.low <= math.ceil(true_median) <= (median.high or math.inf)
    return hits / replications


def four_standard_errors(replications: int) -> float:
    return 4 * math.sqrt(0.95 * 0.05 / replications)


def test_intervals_cover_the_truth_quickly():
    """Four standard errors of 400 samples, 4.4 %, around the level: coarse, but sees a wrong z."""
    rng = np.random.default_rng(11)
    assert coverage_of_wilson(400, rng) == pytest.approx(0.95, abs=four_standard_errors(400))
    assert coverage_of_median(400, True, rng) == pytest.approx(0.95, abs=four_standard_errors(400))


@pytest.mark.slow
def test_intervals_cover_the_truth_within_one_percent():
    """20,000 samples: four standard errors are 0.62 %, so +-1 % leaves 0.38 % for discreteness."""
    rng = np.random.default_rng(13)
    assert four_standard_errors(20_000) < 0.0062
    assert coverage_of_wilson(20_000, rng) == pytest.approx(0.95, abs=0.01)
    assert coverage_of_median(20_000, True, rng) == pytest.approx(0.95, abs=0.01)
    assert coverage_of_median(20_000, False, rng) == pytest.approx(0.95, abs=0.01)


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.0, 1.0, 95, math.nan])
def test_level_outside_the_unit_interval(level):
    words = "`level` must lie strictly between 0 and 1, got "
    for call in (
        lambda: success_rate(1, 2, level),
        lambda: survival_curve([CONVERGED], [1], level),
        lambda: summarize_runs([CONVERGED], [1], level),
    ):
        with pytest.raises(SettingError, match=words):
            call()


def test_share_outside_the_unit_interval():
    with pytest.raises(SettingError, match="`share` must lie strictly between 0 and 1, got 50"):
        epoch_quantile(survival_curve([CONVERGED], [1]), 50)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((0, 0), "`num_runs` must be at least 1, got 0"),
        ((3, 2), "`num_converged` must lie between 0 and `num_runs` = 2, got 3"),
        ((-1, 2), "`num_converged` must lie between 0 and `num_runs` = 2, got -1"),
    ],
)
def test_impossible_counts(counts, words):
    with pytest.raises(SettingError, match=words):
        success_rate(*counts)


@pytest.mark.parametrize("function", [survival_curve, best_restart, summarize_runs])
@pytest.mark.parametrize(
    ("status", "epochs", "words"),
    [
        ([CONVERGED], [1, 2], r"`epochs` must be one column as long as `status`, .*\(1,\).*\(2,\)"),
        ([[CONVERGED]], [[1]], "`epochs` must be one column"),
        ([], [], "`status` must hold at least one run"),
        (
            [CONVERGED, Status.RUNNING],
            [1, 2],
            r"`status` must hold final outcomes only .*got \[0\]",
        ),
        ([7], [1], r"`status` must hold final outcomes only .*got \[7\]"),
        ([CONVERGED], [-1], "`epochs` must not be negative, got -1"),
        ([CONVERGED], [1.5], "`epochs` must hold whole numbers of an integer type, got 'float64'"),
    ],
)
def test_bad_columns(function, status, epochs, words):
    with pytest.raises(SettingError, match=words):
        function(status, epochs)


def test_results_are_named_tuples():
    curve = survival_curve([CONVERGED], [1])
    assert isinstance(curve, SurvivalCurve)
    assert curve._fields == ("epochs", "survival", "low", "high", "level", "num_runs")
    assert Interval._fields == ("estimate", "low", "high", "level")
    assert Restart._fields == ("cutoff", "expected_epochs")
