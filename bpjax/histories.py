"""The loss of many runs over training, at chosen epochs.

The runs are those of a sweep, bit for bit: they train in its blocks of lanes, by its own compiled
loop, which is asked for the epochs from one chosen epoch to the next. Nothing is computed beside
it: a run's loss is the one by which the loop judged it.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple, Unpack

import numpy as np

from bpjax.errors import SettingError
from bpjax.keywords import HistorySettings
from bpjax.numbers import whole_number
from bpjax.results.chunks import as_ranges, num_runs_of, ranges_at_places
from bpjax.schedule import LARGEST_EPOCH
from bpjax.surroundings import pinned
from bpjax.sweeps.crew import Crew
from bpjax.sweeps.devices import lane_mesh
from bpjax.sweeps.plan import Group, Plan
from bpjax.sweeps.planning import Seeds, make_plan
from bpjax.task import Task, is_grid

EPOCHS_PER_CALL = 1024
"""The longest stride: runs that have all ended wait for its end, and so does Ctrl-C."""
POINTS = 100
"""About as many epochs are looked at unless told otherwise."""


class LossHistories(NamedTuple):
    """Many runs over training.

    Attributes:
      task: what was trained, with its settings.
      seed: the runs' names, shape (num_runs,).
      status: how each ended.
      epochs: when.
      epoch: the epochs looked at, shape (num_points,).
      loss: the loss E of every run there, shape (num_runs, num_points). After its outcome a run
        keeps its last loss; that of a run that ended NONFINITE need not be a number.
    """

    task: Task
    seed: np.ndarray
    status: np.ndarray
    epochs: np.ndarray
    epoch: np.ndarray
    loss: np.ndarray


def loss_histories(
    task: Task | str,
    seeds: Seeds,
    *,
    epochs: Sequence[int] | None = None,
    **settings: Unpack[HistorySettings],
) -> LossHistories:
    """Train many runs to their outcomes and record their loss at chosen epochs.

    They are the runs of `bpjax.sweep` and `bpjax.train` under the same seeds and settings.

    Args:
      task: what to train.
      seeds: a number of seeds, or a range, a list or an array of them.
      epochs: after which to record, increasing whole numbers; None for about a
        hundred from 0 on, spaced by ratio, until the last run has ended.
      **settings: as for `bpjax.sweep`, each with one value.

    Returns:
      The losses and outcomes.

    Raises:
      SettingError: for a setting that breaks its rule.

    Example:
      >>> import bpjax
      >>> found = bpjax.loss_histories(bpjax.tasks.xor(), seeds=20, epochs=[0, 100, 10_000])
      >>> found.loss.shape, bool((found.loss[:, 0] > found.loss[:, 2]).all())
      ((20, 3), True)
    """
    for name, value in settings.items():
        if is_grid(value):
            raise SettingError(name, "must be one value for a history", list(value))
        if name == "summary_only" and value:
            raise SettingError(name, "cannot go with a history of every run", value)
    return histories_of(make_plan(task, seeds, **settings), epochs)


def histories_of(plan: Plan, epochs: Sequence[int] | None = None) -> LossHistories:
    """Train a plan of one point that keeps rows; arguments and result as for `loss_histories`."""
    (group,) = plan.groups()
    cap = group.task.recipe.max_epochs
    chosen = _spaced(cap) if epochs is None else _checked(epochs)
    with pinned(plan.precision):
        columns, loss = _train(plan, group, chosen)
    if epochs is None:
        last = int(np.searchsorted(chosen, columns["epochs"].max()))
        chosen, loss = chosen[: last + 1], loss[:, : last + 1]
    outcome = columns["seed"], columns["status"], columns["epochs"]
    return LossHistories(group.task, *outcome, chosen, loss)


def first_runs(plan: Plan, most: int) -> Plan:
    """Return the plan of the first seeds of a sweep, `most` at most, whatever its shard."""
    seeds = ranges_at_places(as_ranges(plan.seeds), 0, most).tolist()
    return dataclasses.replace(plan, seeds=tuple(map(tuple, seeds)), shard=None)


def _spaced(cap: int) -> np.ndarray:
    return np.unique(np.round(np.append(0, np.geomspace(1, cap, POINTS))).astype(np.int64))


def _checked(epochs: Sequence[int]) -> np.ndarray:
    chosen = np.array([whole_number("epochs", epoch, 0, LARGEST_EPOCH) for epoch in epochs])
    if not chosen.size or (np.diff(chosen) <= 0).any():
        raise SettingError("epochs", "must be at least one number, and increase", list(epochs))
    return chosen


def _train(
    plan: Plan, group: Group, chosen: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Train as many runs at once as there are lanes; return their table and their losses."""
    crew = Crew(plan, group, lane_mesh())
    tables, losses = [], []
    for first in range(0, num_runs_of(plan.runs), crew.capacity):
        crew.begin(ranges_at_places(plan.runs, first, first + crew.capacity))
        losses.append(_record(crew, chosen))
        tables.append(crew.ended().columns)
        crew.forget()
    columns = {name: np.concatenate([part[name] for part in tables]) for name in tables[0]}
    return columns, np.concatenate(losses)


def _record(crew: Crew, chosen: np.ndarray) -> np.ndarray:
    """Train the runs of a batch that all have lanes; return their losses at the chosen epochs."""
    losses, made = [], 0
    for epoch in chosen.tolist():
        # A run's loss is known once it is judged, at the beginning of the next epoch.
        _go_on(crew, epoch + 1 - made)
        made = epoch + 1
        losses.append(_losses(crew))
    while not crew.all_ended:
        crew.advance()
    return np.stack(losses, axis=1)


def _go_on(crew: Crew, num_epochs: int) -> None:
    while num_epochs and not crew.all_ended:
        num_epochs -= crew.advance(min(num_epochs, EPOCHS_PER_CALL)).num_epochs


def _losses(crew: Crew) -> np.ndarray:
    """Return the loss of every run in the order of the batch: dealt out device by device."""
    by_device = np.array(crew.pool.runs.loss).reshape(crew.mesh.size, -1)
    shares = np.diff(crew.bounds)
    return np.concatenate([row[:n] for row, n in zip(by_device, shares, strict=True)])
