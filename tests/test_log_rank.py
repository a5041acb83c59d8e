"""The log-rank test: against SciPy, against loops, its size, and what it does at the edges."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from bpjax.analysis.log_rank import holm, log_rank, pairwise_log_rank
from bpjax.analysis.outcomes import outcomes_of
from bpjax.errors import SettingError
from bpjax.status import Status

CONVERGED, MAX_EPOCHS, NONFINITE = Status.CONVERGED, Status.MAX_EPOCHS, Status.NONFINITE


def by_scipy(groups):
    """SciPy's test of two groups of (status, epochs), which knows no NONFINITE."""
    samples = [
        scipy.stats.CensoredData(
            uncensored=epochs[status == CONVERGED], right=epochs[status == MAX_EPOCHS]
        )
        for status, epochs in groups
    ]
    return scipy.stats.logrank(*samples)


def by_loops(groups):
    """Chi-square of any number of groups, run by run and epoch by epoch, as textbooks print it."""
    rows = [list(zip(*group, strict=True)) for group in groups]
    events = sorted({e for group in rows for s, e in group if s == CONVERGED})
    k = len(groups)
    excess, covariance = np.zeros(k), np.zeros((k, k))
    for event in events:
        n = [sum(e >= event or s == NONFINITE for s, e in group) for group in rows]
        d = [sum(e == event and s == CONVERGED for s, e in group) for group in rows]
        for i in range(k):
            excess[i] += d[i] - n[i] * sum(d) / sum(n)
            for j in range(k):
                if sum(n) > 1:
                    covariance[i, j] += (
                        n[i] * ((i == j) * sum(n) - n[j]) * sum(d) * (sum(n) - sum(d))
                    ) / (sum(n) ** 2 * (sum(n) - 1))
    return excess @ np.linalg.pinv(covariance, rcond=1e-10) @ excess


def drawn(dice, num_runs, late=0, statuses=(CONVERGED, MAX_EPOCHS), most=12):
    status = dice.choice(statuses, num_runs)
    return status, dice.integers(0, most, num_runs) + late


def counted(groups):
    return [outcomes_of(*group) for group in groups]


runs = st.lists(
    st.tuples(st.sampled_from([CONVERGED, MAX_EPOCHS]), st.integers(0, 6)), min_size=1, max_size=30
)


@settings(deadline=None)
@given(runs, runs)
def test_two_groups_agree_with_scipy(one, other):
    groups = [tuple(map(np.array, zip(*group, strict=True))) for group in (one, other)]
    test = log_rank(counted(groups))
    with np.errstate(all="ignore"):
        theirs = by_scipy(groups)
    if test is None:
        assert not np.isfinite(theirs.statistic) or theirs.statistic == 0
    else:
        np.testing.assert_allclose(test.statistic, theirs.statistic**2, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(test.pvalue, theirs.pvalue, rtol=1e-9)
        assert test.degrees == 1


@pytest.mark.parametrize("seed", range(5))
def test_several_groups_with_nonfinite_runs_agree_with_loops(seed):
    dice = np.random.default_rng(seed)
    three = (CONVERGED, MAX_EPOCHS, NONFINITE)
    groups = [drawn(dice, n, late, three) for n, late in ((20, 0), (35, 1), (9, 0), (50, 3))]
    test = log_rank(counted(groups))
    assert test.degrees == 3
    np.testing.assert_allclose(test.statistic, by_loops(groups), rtol=1e-9)
    np.testing.assert_allclose(sum(test.observed), sum(test.expected), rtol=1e-12)
    assert test.observed == tuple(int(np.sum(status == CONVERGED)) for status, _ in groups)


def test_a_nonfinite_run_counts_as_one_that_never_converges():
    dice = np.random.default_rng(0)
    other = drawn(dice, 30)
    status, epochs = drawn(dice, 30, 1)
    broken = status == MAX_EPOCHS
    as_nonfinite = np.where(broken, NONFINITE, status), epochs
    as_never = status, np.where(broken, 10**6, epochs)
    ours = log_rank(counted([as_nonfinite, other]))
    assert ours == log_rank(counted([as_never, other]))
    assert ours != log_rank(counted([(status, epochs), other]))  # it is not censored where it broke


def test_counts_speak_like_the_runs_they_stand_for():
    dice = np.random.default_rng(1)
    groups = [drawn(dice, 300), drawn(dice, 200, 1)]
    dense = [
        outcomes_of(
            *np.array([(s, e) for s in (CONVERGED, MAX_EPOCHS) for e in range(14)]).T, count
        )
        for count in (
            [
                int(np.sum((status == s) & (epochs == e)))
                for s in (CONVERGED, MAX_EPOCHS)
                for e in range(14)
            ]
            for status, epochs in groups
        )
    ]
    assert log_rank(dense) == log_rank(counted(groups))


def test_trillions_of_runs_do_not_overflow():
    def times(factor):
        counts = np.array([[4, 4, 2], [5, 3, 3]]) * factor
        return [outcomes_of([CONVERGED, CONVERGED, MAX_EPOCHS], [3, 7, 9], c) for c in counts]

    test, fewer = log_rank(times(10**12)), log_rank(times(10**4))
    assert test.statistic / 10**12 == pytest.approx(fewer.statistic / 10**4, rel=1e-4)
    assert test.observed == tuple(count * 10**8 for count in fewer.observed)
    assert test.expected == pytest.approx(np.array(fewer.expected) * 10**8)


def test_alike_groups_are_called_different_as_often_as_the_level_says():
    dice = np.random.default_rng(1986)
    num_trials = 2000
    tests = []
    for _ in range(num_trials):
        epochs = dice.geometric(0.05, (3, 60))
        status = np.where(epochs <= 40, CONVERGED, MAX_EPOCHS)
        tests.append(log_rank(counted(zip(status, np.minimum(epochs, 40), strict=True))))
    pvalues = np.array([test.pvalue for test in tests])
    for level in (0.05, 0.2, 0.5):
        slack = 3 * np.sqrt(level * (1 - level) / num_trials)
        assert abs(np.mean(pvalues < level) - level) < slack
    statistics = [test.statistic for test in tests]
    assert abs(np.mean(statistics) - 2) < 3 * np.sqrt(4 / num_trials)  # chi-square of 2 degrees


def test_a_real_difference_is_seen():
    dice = np.random.default_rng(3)
    alike = [outcomes_of(np.full(200, CONVERGED), dice.geometric(0.05, 200)) for _ in range(2)]
    slower = outcomes_of(np.full(200, CONVERGED), dice.geometric(0.03, 200))
    pairs = pairwise_log_rank({"a": alike[0], "b": alike[1], "c": slower})
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs[0].adjusted > 0.05 > 1e-3 > max(pairs[1].adjusted, pairs[2].adjusted)
    assert [pair.adjusted for pair in pairs] == holm([pair.test.pvalue for pair in pairs])
    assert pairs[1].test.observed[1] < pairs[1].test.expected[1]


def test_data_that_cannot_speak():
    never = outcomes_of([MAX_EPOCHS] * 5, [9] * 5)
    at_once = outcomes_of([CONVERGED] * 5, [3] * 5)
    assert log_rank([never, never]) is None
    assert log_rank([at_once, at_once]) is None  # nothing was ever undecided
    assert pairwise_log_rank({"a": never, "b": never}) == []
    # A group that leaves before any run converges says nothing, and costs a degree of freedom.
    gone = outcomes_of([MAX_EPOCHS] * 5, [1] * 5)
    later = outcomes_of([CONVERGED, CONVERGED], [4, 5])
    assert log_rank([gone, later, at_once])._replace(observed=(), expected=()) == log_rank(
        [later, at_once]
    )._replace(observed=(), expected=())
    with pytest.raises(SettingError, match="`groups` must be at least two, got 1"):
        log_rank([never])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_follows_its_definition(pvalues):
    adjusted = holm(pvalues)
    m = len(pvalues)
    order = sorted(range(m), key=lambda i: pvalues[i])
    for rank, i in enumerate(order):
        steps = [(m - k) * pvalues[order[k]] for k in range(rank + 1)]
        assert adjusted[i] == pytest.approx(min(1, max(steps)))
