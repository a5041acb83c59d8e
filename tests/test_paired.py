"""Settings over the same seeds: against SciPy, by hand, and by simulation."""

import json

import numpy as np
import pytest
import scipy.stats

import bpjax
from bpjax.analysis.convergence import success_rate
from bpjax.analysis.paired import Runs, _difference, paired
from bpjax.cli import main
from bpjax.errors import SettingError
from bpjax.status import Status

CONVERGED, CAPPED, BROKEN = Status.CONVERGED, Status.MAX_EPOCHS, Status.NONFINITE


def of_pairs(*pairs):
    """Return two tables of ((status, epochs), (status, epochs)) of the same seeds."""
    return [
        Runs(range(len(pairs)), [pair[k][0] for pair in pairs], [pair[k][1] for pair in pairs])
        for k in (0, 1)
    ]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((CONVERGED, 10), (CONVERGED, 20), "first"),
        ((CONVERGED, 20), (CONVERGED, 10), "second"),
        ((CONVERGED, 10), (CONVERGED, 10), None),
        ((CONVERGED, 50), (CAPPED, 50), "first"),
        ((CONVERGED, 50), (CAPPED, 49), None),  # it might have converged there
        ((CAPPED, 50), (CAPPED, 99), None),
        ((BROKEN, 3), (CONVERGED, 99), "second"),
        ((BROKEN, 3), (CAPPED, 99), None),
        ((BROKEN, 3), (BROKEN, 4), None),
    ],
    ids=str,
)
def test_which_of_a_pair_is_sooner(one, other, expected):
    found = paired(*of_pairs((one, other)))
    assert (found.first_faster, found.second_faster) == (expected == "first", expected == "second")
    assert found.untold == (expected is None)
    assert (found.faster.estimate is None) == (expected is None)


def test_only_seeds_in_common_count():
    found = paired(Runs([3, 1, 7], [1, 2, 1], [5, 9, 6]), Runs([7, 9, 3], [1, 1, 2], [4, 1, 9]))
    assert (found.num_pairs, found.both, found.only_first, found.only_second) == (2, 1, 1, 0)
    assert (found.first_faster, found.second_faster) == (1, 1)


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 0), (0, 5), (7, 2), (40, 71), (300, 300)]
)
def test_tests_are_those_of_scipy(only_first, only_second):
    solves, fails = (CONVERGED, 5), (CAPPED, 99)
    pairs = [(solves, fails)] * only_first + [(fails, solves)] * only_second
    found = paired(*of_pairs(*pairs, (solves, solves)))
    number = only_first + only_second
    expected = scipy.stats.binomtest(only_second, number).pvalue if number else 1.0
    assert found.solved_pvalue == pytest.approx(expected, rel=1e-12)
    assert found.faster_pvalue == pytest.approx(expected, rel=1e-12)


def test_without_association_the_interval_is_that_of_two_samples():
    """Newcombe's method 10 of unpaired shares, from the Wilson intervals of both."""
    both, only_first, only_second, neither = 36, 24, 24, 16  # independent: 0.6 and 0.6
    found, sharper = _difference(both, only_first, only_second, neither, 0.95)
    _, low, high, _ = success_rate(60, 100)
    reach = np.hypot(0.6 - low, high - 0.6)
    np.testing.assert_allclose([found.low, found.high], [-reach, reach], rtol=1e-12)
    assert sharper == 1


def test_runs_that_go_together_make_it_sharper():
    _, sharper = _difference(480, 5, 15, 500, 0.95)
    assert sharper > 3
    _, blunter = _difference(5, 480, 500, 15, 0.95)
    assert blunter < 1


def test_the_interval_covers_what_is_true():
    """Pairs with luck in common: a run solves where its own luck and the seed's are good enough."""
    rng = np.random.default_rng(3)
    covered, runs = 0, 2000
    for _ in range(runs):
        luck = rng.normal(size=60)
        one, two = (luck + rng.normal(size=60) * 0.5 > cut for cut in (0.3, 0.0))
        counts = np.sum(one & two), np.sum(one & ~two), np.sum(~one & two), np.sum(~one & ~two)
        found, _ = _difference(*map(int, counts), 0.95)
        scale = np.sqrt(1.25)
        true = scipy.stats.norm.sf(0.0) - scipy.stats.norm.sf(0.3 / scale)
        covered += found.low <= true <= found.high
    assert 0.935 < covered / runs < 0.985


def test_what_cannot_be_paired_is_a_sentence():
    with pytest.raises(SettingError, match="must have seeds in common"):
        paired(Runs([1], [1], [5]), Runs([2], [1], [5]))
    with pytest.raises(SettingError, match="`second` must have every seed once"):
        paired(Runs([1], [1], [5]), Runs([1, 1], [1, 1], [5, 5]))


# ---- settings ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rates():
    return bpjax.sweep("xor", 60, learning_rate=[0.25, 1.0], momentum=[0.8, 0.9], max_epochs=900)


def test_every_point_of_a_grid_is_held_against_the_base(rates):
    found = bpjax.compare(rates, base="learning_rate=1.0, momentum=0.8")
    assert [one.name for one in found] == [
        "learning_rate=1.0, momentum=0.8",
        "learning_rate=0.25, momentum=0.8",
        "learning_rate=0.25, momentum=0.9",
        "learning_rate=1.0, momentum=0.9",
    ]
    assert found[0].pairs is None
    status, epochs = rates["status"], rates["epochs"]
    base, last = slice(120, 180), slice(180, 240)
    assert found[3].solved.estimate == np.mean(status[last] == CONVERGED)
    alone = np.sum((status[base] != CONVERGED) & (status[last] == CONVERGED))
    assert found[3].pairs.only_second == alone
    sooner = (status[last] == CONVERGED) & (
        (status[base] != CONVERGED) | (epochs[last] < epochs[base])
    )
    assert found[3].pairs.second_faster == sooner.sum()


def test_sweeps_go_by_their_names_and_may_have_no_pairs(rates):
    other = bpjax.sweep("xor", 20, first_seed=500, max_epochs=900)
    found = bpjax.compare({"grid": rates, "other": other}, base="other")
    assert found[0].name == "other"
    assert found[1].name == "grid: learning_rate=0.25, momentum=0.8"
    assert all(one.pairs is None for one in found)


def test_what_cannot_be_compared_is_a_sentence(rates):
    with pytest.raises(SettingError, match="at least two settings"):
        bpjax.compare(bpjax.sweep("xor", 5, max_epochs=5))
    with pytest.raises(SettingError, match="must have a row for every run"):
        bpjax.compare(bpjax.sweep("xor", 5, max_epochs=5, summary_only=True, learning_rate=[1, 2]))
    with pytest.raises(SettingError, match=r"`base` must be one of .* Perhaps learning_rate="):
        bpjax.compare(rates, base="learning_rate=0.25, momentum=0.7")


def test_the_command_prints_what_the_library_finds(tmp_path, capsys):
    out = str(tmp_path / "rates")
    result = bpjax.sweep("xor", 60, learning_rate=[0.25, 1.0], max_epochs=900, out=out)
    _, other = bpjax.compare(result)
    assert main(["compare", out]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert (
        f"only it {other.pairs.only_second:,}, only the first {other.pairs.only_first:,};"
        in printed
    )
    assert main(["compare", out, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)[1]
    assert told["pairs"]["difference"]["estimate"] == other.pairs.difference.estimate
    assert main(["compare"]) == 2
    assert "DIR must name at least one results folder" in capsys.readouterr().err
