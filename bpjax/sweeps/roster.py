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
from jaxtyping import Array, Int, UInt

from bpjax.epoch import Settings
from bpjax.results.chunks import Ranges
from bpjax.results.schema import LARGEST_GRID
from bpjax.sweeps.plan import Group, Plan

MOST_RUNS = 2**30
"""Runs of all ranges together; tickets have 32 bits."""
FEWEST_RANGES = 1024
"""Ranges that a roster has room for, at least."""


class Roster(NamedTuple):
    """What turns tickets into runs.

    Attributes:
      settings: of the cells of the group, the last axis; what lies behind them is no cell.
      ticket: of each range's first run, increasing; behind the last range, of no run.
      cell: to which of the cells that run belongs.
      place: of that run among the runs of its cell.
      last: the last such place: the number of seeds, less one, which fits into 32 bits.
      first_seed: the seed at place 0.
    """

    settings: Settings
    ticket: Int[Array, " ranges"]
    cell: Int[Array, " ranges"]
    place: UInt[Array, " ranges"]
    last: UInt[Array, ""]
    first_seed: UInt[Array, ""]


def most_ranges(capacity: int) -> int:
    """Return how many ranges a roster has room for: programs are compiled for that.

    A stopped sweep leaves about one for each of the `capacity` runs that were in training.
    """
    return max(FEWEST_RANGES, 2 ** (4 * capacity - 1).bit_length())


def settings_table(plan: Plan, group: Group) -> Settings:
    """Return the settings of the cells of a group, the last axis.

    It is as long as for the largest grid, whatever the grid: programs are compiled for its length.
    """
    cells = np.arange(group.start // plan.num_seeds, (group.stop - 1) // plan.num_seeds + 1)
    unused = -len(cells) % LARGEST_GRID  # variants of a task may make more cells than a grid
    rows = plan.settings_of(cells * plan.num_seeds)
    return jax.tree.map(lambda row: np.pad(row, [(0, 0)] * (row.ndim - 1) + [(0, unused)]), rows)


def roster_of(plan: Plan, group: Group, runs: Ranges, settings: Settings, length: int) -> Roster:
    """Return the roster of some of the group's runs.

    Args:
      plan: the sweep.
      group: a part of it.
      runs: their ranges, at most `length`, with at most `MOST_RUNS` runs.
      settings: what `settings_table` returned for the group.
      length: how many ranges there is room for.
    """
    lengths = runs[:, 1] - runs[:, 0]
    cell, place = np.divmod(runs[:, 0], plan.num_seeds)
    unused = (0, length - len(runs))
    numbers = (
        np.pad(np.cumsum(lengths) - lengths, unused, constant_values=2**31 - 1).astype(np.int32),
        np.pad(cell - group.start // plan.num_seeds, unused).astype(np.int32),
        np.pad(place, unused).astype(np.uint32),
        np.uint32(plan.num_seeds - 1),
        np.uint32(plan.first_seed),
    )
    return Roster(settings, *numbers)  # type: ignore[arg-type]


def runs_at(
    roster: Roster, tickets: Int[Array, " lanes"]
) -> tuple[UInt[Array, " lanes"], Settings]:
    """Return seeds and settings (lanes last) of the runs with these tickets."""
    first, cell, place = _ranges_at(roster, tickets)
    numbers = (tickets - first).astype(jnp.uint32)
    per_cell = jnp.maximum(roster.last, roster.last + 1)  # 2**32 becomes 0, and one less will do
    further, rest = numbers // per_cell, numbers % per_cell
    left = roster.last - place  # behind the range's first run, in its cell
    wraps = rest > left
    place = jnp.where(wraps, rest - left - 1, place + rest)
    cell = cell + (further + wraps.astype(jnp.uint32)).astype(jnp.int32)
    settings = jax.tree.map(lambda row: jnp.take(row, cell, axis=-1), roster.settings)
    return roster.first_seed + place, settings


def _ranges_at(roster: Roster, tickets: Int[Array, " lanes"]) -> tuple[Array, Array, Array]:
    """Return `ticket`, `cell` and `place` of the ranges that hold these tickets."""
    rows = roster.ticket, roster.cell, roster.place

    def search(tickets: Array) -> Array:
        return jnp.searchsorted(roster.ticket, tickets, side="right", method="scan_unrolled") - 1

    def each() -> tuple[Array, ...]:
        where = search(tickets)
        return tuple(row[where] for row in rows)

    def same() -> tuple[Array, ...]:
        return tuple(jnp.broadcast_to(row[where], tickets.shape) for row in rows)

    where = search(jnp.min(tickets))
    return lax.cond(jnp.max(tickets) < roster.ticket[where + 1], same, each)
