"""Which run is which, told on the device: ranges of runs are a few numbers there, not a table.

So the host hands out runs by the million without making or sending their seeds and settings. What a
stopped sweep has left is many ranges, of one run most of them, and they are handed out together: a
ticket, from 0, is the place of a run among all runs of the ranges.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, UInt

from bpjax.epoch import Settings
from bpjax.params import num_entries
from bpjax.results.chunks import Ranges
from bpjax.results.schema import LARGEST_GRID, PER_POINT
from bpjax.starts.given import Start, row_of
from bpjax.sweeps.plan import Group, Plan

MOST_RUNS = 2**30
"""Runs of all ranges together; tickets have 32 bits."""
FEWEST_RANGES = 2**14
"""Ranges that a roster has room for, at least: one for each point of the largest grid."""


class Given(NamedTuple):
    """The weights at which the runs of a group start, where these are given.

    Attributes:
      rows: of every `Start`, as long as the longest, which is a power of two.
      start: of each cell of the group, which of them.
    """

    rows: Float[Array, "starts rows num_parameters"]
    start: Int[Array, " cells"]


class Roster(NamedTuple):
    """What turns tickets into runs.

    Attributes:
      settings: of the cells of the group, the last axis; what lies behind them is no cell.
      ticket: of each range's first run, increasing; behind the last range, of no run.
      cell: to which of the cells the range belongs: to one alone.
      seed: of that run.
      given: the weights at which they start; None where they are drawn.
    """

    settings: Settings
    ticket: Int[Array, " ranges"]
    cell: Int[Array, " ranges"]
    seed: UInt[Array, " ranges"]
    given: Given | None = None


class Beginning(NamedTuple):
    """How the run of each lane begins: its name, its numbers, its weights if they are given.

    All but `seed` have the lanes last.
    """

    seed: UInt[Array, " lanes"]
    settings: Settings
    weights: Float[Array, "num_parameters lanes"] | None


def most_ranges(capacity: int) -> int:
    """Return how many ranges a roster has room for: programs are compiled for that.

    A stopped sweep leaves about one for each of the `capacity` runs that were in training.
    """
    return max(FEWEST_RANGES, 2 ** (4 * capacity - 1).bit_length())


def settings_table(plan: Plan, group: Group) -> Settings:
    """Return the settings of the cells of a group, the last axis.

    It is as long as for the largest grid, whatever the grid: programs are compiled for its length.
    """
    cells = np.arange(group.start // PER_POINT, group.stop // PER_POINT)
    unused = -len(cells) % LARGEST_GRID  # variants of a task may make more cells than a grid
    rows = plan.settings_of(cells * PER_POINT)
    return jax.tree.map(lambda row: np.pad(row, [(0, 0)] * (row.ndim - 1) + [(0, unused)]), rows)


def given_weights(plan: Plan, group: Group) -> Given | None:
    """Return the weights at which the runs of a group start; None where they are drawn."""
    if group.program.initializer is not None:
        return None
    cells = plan.cells[group.start // PER_POINT : group.stop // PER_POINT]
    starts = [cell.task.recipe.initializer for cell in cells]
    different = [start for start in dict.fromkeys(starts) if type(start) is Start]
    tables = [start.rows(group.program.network) for start in different]
    length = 2 ** (max(map(len, tables)) - 1).bit_length()
    same = [table if len(table) > 1 else np.repeat(table, length, axis=0) for table in tables]
    rows = [np.pad(table, [(0, length - len(table)), (0, 0)]) for table in same]
    which = np.array([different.index(start) for start in starts], np.int32)  # type: ignore[arg-type]
    unused = -len(which) % LARGEST_GRID
    return Given(np.stack(rows).astype(group.program.dtype), np.pad(which, (0, unused)))  # type: ignore[arg-type]


def blank(plan: Plan, group: Group, num_lanes: int) -> Beginning:
    """Return something of the kind and size of what `runs_at` returns for so many lanes."""
    runs, program = np.full(num_lanes, group.start), group.program
    shape, weights = (num_entries(program.network), num_lanes), None
    if program.initializer is None:
        weights = np.broadcast_to(np.zeros((), program.dtype), shape)
    return Beginning(plan.seeds_of(runs), plan.settings_of(runs), weights)  # type: ignore[arg-type]


def roster_of(
    group: Group,
    runs: Ranges,
    settings: Settings,
    length: int,
    given: Given | None = None,
) -> Roster:
    """Return the roster of some of the group's runs.

    Args:
      group: a part of a sweep.
      runs: their ranges, at most `length`, with at most `MOST_RUNS` runs.
      settings: what `settings_table` returned for the group.
      length: how many ranges there is room for.
      given: what `given_weights` returned for it.
    """
    lengths = runs[:, 1] - runs[:, 0]
    cell, seed = np.divmod(runs[:, 0], PER_POINT)
    unused = (0, length - len(runs))
    numbers = (
        np.pad(np.cumsum(lengths) - lengths, unused, constant_values=2**31 - 1).astype(np.int32),
        np.pad(cell - group.start // PER_POINT, unused).astype(np.int32),
        np.pad(seed, unused).astype(np.uint32),
    )
    return Roster(settings, *numbers, given)  # type: ignore[arg-type]


def runs_at(roster: Roster, tickets: Int[Array, " lanes"]) -> Beginning:
    """Return how the runs with these tickets begin."""
    first, cell, seed = _ranges_at(roster, tickets)
    seed = seed + (tickets - first).astype(jnp.uint32)
    settings = jax.tree.map(lambda row: jnp.take(row, cell, axis=-1), roster.settings)
    return Beginning(seed, settings, _weights_of(roster.given, cell, seed))


def _weights_of(given: Given | None, cell: Array, seed: Array) -> Array | None:
    if given is None:
        return None
    return given.rows[given.start[cell], row_of(seed, given.rows.shape[1])].T


def _ranges_at(roster: Roster, tickets: Int[Array, " lanes"]) -> tuple[Array, Array, Array]:
    """Return `ticket`, `cell` and `seed` of the ranges that hold these tickets."""
    rows = roster.ticket, roster.cell, roster.seed

    def search(tickets: Array) -> Array:
        return jnp.searchsorted(roster.ticket, tickets, side="right", method="scan_unrolled") - 1

    def each() -> tuple[Array, ...]:
        where = search(tickets)
        return tuple(row[where] for row in rows)

    def same() -> tuple[Array, ...]:
        return tuple(jnp.broadcast_to(row[where], tickets.shape) for row in rows)

    where = search(jnp.min(tickets))
    return lax.cond(jnp.max(tickets) < roster.ticket[where + 1], same, each)
