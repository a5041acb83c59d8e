"""How runs answer the cases that they were not trained on."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bpjax.analysis.activations import activations_of
from bpjax.errors import SettingError

if TYPE_CHECKING:
    from bpjax.task import Task

RUNS_AT_ONCE = 1024
"""Activations of so many runs are held in memory together."""


class HeldOut(NamedTuple):
    """The answers of each run to its held-out cases.

    Attributes:
      case: rows of the task's cases that the run was not trained on, increasing, shape (num_runs,
        num_held_out).
      right: whether the run answers them right, same shape.
      right_units: how many of its output units are right, same shape.
    """

    case: NDArray[np.int64]
    right: NDArray[np.bool_]
    right_units: NDArray[np.int64]


def held_out_answers(
    task: "Task", trained: ArrayLike, weights: ArrayLike, tolerance: float = 0.5
) -> HeldOut:
    """Return how each run of a sweep answers the cases that it held out.

    Args:
      task: what was trained; some of its cases are held out.
      trained: which cases each run was trained on, shape (num_runs, num_cases), as
        `bpjax.epoch.trained_by` says for its seed.
      weights: their weights, shape (num_runs, num_parameters): its `weights` column.
      tolerance: a unit is right if it is nearer to its target than this, and an answer if all its
        units are.

    Raises:
      SettingError: for a task without held-out cases, or a table that holds out another number.

    Example:
      >>> import dataclasses, bpjax
      >>> from bpjax.epoch import trained_by
      >>> task = dataclasses.replace(bpjax.tasks.encoder(), held_out=1)
      >>> runs = bpjax.sweep(task, 4, keep_weights=True)
      >>> held_out_answers(task, trained_by(task, runs["seed"]), runs["weights"]).right.shape
      (4, 1)
    """
    if not task.num_held_out:
        raise SettingError("held_out", "must leave some cases of the task untrained", task.held_out)
    trained, weights = np.asarray(trained), np.asarray(weights)
    shape = trained.shape == (len(weights), task.num_cases)
    if not shape or np.any((~trained).sum(axis=1) != task.num_held_out):
        rule = f"must leave out {task.num_held_out} of {task.num_cases} cases for every run"
        raise SettingError("trained", rule, trained.shape)
    case = np.nonzero(~trained)[1].reshape(len(weights), -1)
    wanted = task.targets[case]
    parts = []
    for first in range(0, len(weights), RUNS_AT_ONCE):
        some = slice(first, first + RUNS_AT_ONCE)
        activations = activations_of(task.network, weights[some], task.inputs)
        outputs = np.concatenate(
            [activations[layer.name] for layer in task.network.output_layers], axis=2
        )
        answers = np.take_along_axis(outputs, case[some, :, None], axis=1)
        parts.append(np.abs(answers - wanted[some]) < tolerance)
    right = np.concatenate(parts)
    return HeldOut(case, np.all(right, axis=2), right.sum(axis=2))
