"""Runs by their numbers: what the devices make of a number is what the plan says of the run."""

import jax
import numpy as np
import pytest

from bpjax.results.chunks import (
    as_ranges,
    every_run,
    num_runs_of,
    ranges_at_places,
    ranges_of,
    runs_at_places,
    within,
    without,
)
from bpjax.sweeps.planning import make_plan
from bpjax.sweeps.roster import MOST_RUNS, roster_of, runs_at, settings_table
from bpjax.tasks import xor

GRID = {"learning_rate": [0.25, 0.5, 1.0], "momentum": [0.8, 0.9]}
RUNS_AT = jax.jit(runs_at)


def assert_same(plan, group, ranges, tickets):
    tickets = np.asarray(tickets, np.int32)
    roster = roster_of(group, as_ranges(ranges), settings_table(plan, group), 64)
    seeds, settings, given = RUNS_AT(roster, tickets)
    assert given is None
    runs = runs_at_places(as_ranges(ranges), tickets)
    np.testing.assert_array_equal(seeds, plan.seeds_of(runs))
    for ours, theirs in zip(settings, plan.settings_of(runs), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_every_range_of_a_grid():
    plan = make_plan(xor(), 7, first_seed=2**32 - 7, **GRID)
    (group,) = plan.groups()
    for first in range(42):
        ranges = ranges_at_places(plan.runs, first, 42)
        assert_same(plan, group, ranges, np.minimum(np.arange(42), 41 - first))


def test_any_ranges_of_a_grid():
    plan = make_plan(xor(), 7, first_seed=2**32 - 7, **GRID)
    (group,) = plan.groups()
    random = np.random.default_rng(0)
    runs = every_run(plan.runs)
    for num_runs in (1, 2, 5, 20, 41):
        ranges = ranges_of(np.sort(random.choice(runs, num_runs, replace=False)))
        tickets = np.resize(random.permutation(num_runs), 42)
        assert_same(plan, group, ranges, tickets)
    assert_same(plan, group, [(run, run + 1) for run in runs], np.arange(42))


@pytest.mark.parametrize("place", [0, 1, 2**31, 2**32 - 5, 2**32 - 1])
def test_as_many_seeds_as_there_are(place):
    plan = make_plan(xor(), 2**32, **GRID)
    (group,) = plan.groups()
    first = 2 * 2**32 + place
    ranges = ranges_at_places(plan.runs, first, first + MOST_RUNS)
    assert_same(plan, group, ranges, [0, 1, 4, 5, 6, 2**30 - 1])
    ranges = without(ranges, ranges_at_places(plan.runs, first + 3, first + 5))
    assert_same(plan, group, ranges, [0, 2, 3, 4, 5, 2**30 - 100])


@pytest.mark.parametrize("shard", [(1, 3), (2, 3), (3, 3)])
def test_a_shard_that_begins_within_a_cell(shard):
    plan = make_plan(xor(), 7, shard=shard, **GRID)
    (group,) = plan.groups()
    assert_same(plan, group, plan.runs, np.arange(num_runs_of(plan.runs)))


def test_each_group_has_the_settings_of_its_own_cells():
    plan = make_plan([xor(), xor(hidden=3)], 5, learning_rate=[0.25, 0.5])
    for group in plan.groups():
        runs = within(plan.runs, group.start + 3, group.stop)
        assert_same(plan, group, runs, np.arange(7))


def test_a_grid_of_another_size_has_a_table_of_the_same_size():
    plans = [make_plan(xor(), 3), make_plan(xor(), 3, **GRID)]
    tables = [settings_table(plan, *plan.groups()) for plan in plans]
    shapes = [[row.shape for row in table] for table in tables]
    assert shapes[0] == shapes[1]
