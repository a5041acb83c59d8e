"""Which run is which, told on the device: a range of runs is a few numbers there, not a table.

So the host hands out runs by the million without making or sending their seeds and settings.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt

from bpjax.epoch import Settings
from bpjax.sweeps.plan import Group, Plan
from bpjax.sweeps.shape import LARGEST_GRID

MOST_RUNS = 2**30
"""Runs of a range; their numbers have 32 bits."""


class Roster(NamedTuple):
    """What turns the number of a run in its range, from 0, into the run.

    Attributes:
      settings: of the cells of the group, the last axis; what lies behind them is no cell.
      cell: to which of them the range's first run belongs.
      place: of that run among the runs of its cell.
      last: the last such place: the number of seeds, less one, which fits into 32 bits.
      first_seed: the seed at place 0.
    """

    settings: Settings
    cell: Int[Array, ""]
    place: UInt[Array, ""]
    last: UInt[Array, ""]
    first_seed: UInt[Array, ""]


def settings_table(plan: Plan, group: Group) -> Settings:
    """Return the settings of the cells of a group, the last axis.

    It is as long as for the largest grid, whatever the grid: programs are compiled for its length.
    """
    cells = np.arange(group.start // plan.num_seeds, (group.stop - 1) // plan.num_seeds + 1)
    unused = -len(cells) % LARGEST_GRID  # variants of a task may make more cells than a grid
    rows = plan.settings_of(cells * plan.num_seeds)
    return jax.tree.map(lambda row: np.pad(row, [(0, 0)] * (row.ndim - 1) + [(0, unused)]), rows)


def roster_of(plan: Plan, group: Group, first: int, settings: Settings) -> Roster:
    """Return the roster of a range of the group's runs.

    Args:
      plan: the sweep.
      group: a part of it.
      first: the first run of the range.
      settings: what `settings_table` returned for the group.
    """
    cell, place = divmod(first, plan.num_seeds)
    numbers = (
        np.int32(cell - group.start // plan.num_seeds),
        np.uint32(place),
        np.uint32(plan.num_seeds - 1),
        np.uint32(plan.first_seed),
    )
    return Roster(settings, *numbers)  # type: ignore[arg-type]


def runs_at(
    roster: Roster, numbers: Int[Array, " lanes"]
) -> tuple[UInt[Array, " lanes"], Settings]:
    """Return seeds and settings (lanes last) of the runs with these numbers in the range.

    Args:
      roster: of the range.
      numbers: of runs in the range, below `MOST_RUNS`.
    """
    numbers = numbers.astype(jnp.uint32)
    per_cell = jnp.maximum(roster.last, roster.last + 1)  # 2**32 becomes 0, and one less will do
    further, rest = numbers // per_cell, numbers % per_cell
    left = roster.last - roster.place  # behind the first run, in its cell
    wraps = rest > left
    place = jnp.where(wraps, rest - left - 1, roster.place + rest)
    cell = roster.cell + (further + wraps.astype(jnp.uint32)).astype(jnp.int32)
    settings = jax.tree.map(lambda row: jnp.take(row, cell, axis=-1), roster.settings)
    return roster.first_seed + place, settings
