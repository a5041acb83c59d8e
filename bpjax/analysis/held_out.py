"""How runs answer the cases that they were not trained on."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from bpjax.analysis.activations import activations_of
from bpjax.analysis.convergence import Interval, success_rate
from bpjax.errors import SettingError
from bpjax.status import Status

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
        `bpjax.held_out.trained_by` says for its seed.
      weights: their weights, shape (num_runs, num_parameters): its `weights` column.
      tolerance: a unit is right if it is nearer to its target than this, and an answer if all its
        units are.

    Raises:
      SettingError: for a task without held-out cases, or a table that holds out another number.

    Example:
      >>> import dataclasses, bpjax
      >>> from bpjax.held_out import trained_by
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


def summarize_answers(
    status: ArrayLike, right: ArrayLike, num_cases: int, level: float = 0.95
) -> dict[str, Any]:
    """Return how runs answer their held-out cases, fit for JSON.

    Args:
      status: how the runs ended, shape (num_runs,).
      right: how many of its held-out cases each has right, same shape: the column
        `held_out_right` of a sweep.
      num_cases: how many each of them holds out.
      level: confidence level of the intervals.

    Returns:
      `num_cases`, and under `converged` and `all_runs` their `num_runs`, the mean `share_right` of
      their cases and the share of runs with `all_right`; None where there are no such runs.

    Raises:
      SettingError: if a number right is not from 0 to `num_cases`.

    Example:
      >>> found = summarize_answers([Status.CONVERGED, Status.MAX_EPOCHS], [4, 2], num_cases=4)
      >>> [found[runs]["share_right"]["estimate"] for runs in ("converged", "all_runs")]
      [1.0, 0.75]
    """
    status, right = np.asarray(status), np.asarray(right)
    if right.size and not 0 <= right.min() <= right.max() <= num_cases:
        raise SettingError("right", f"must be from 0 to {num_cases}", right.tolist())
    return {
        "num_cases": num_cases,
        "converged": _answers(right[status == Status.CONVERGED], num_cases, level),
        "all_runs": _answers(right, num_cases, level),
    }


def _answers(right: NDArray, num_cases: int, level: float) -> dict[str, Any] | None:
    if not right.size:
        return None
    all_right = int(np.sum(right == num_cases))
    return {
        "num_runs": right.size,
        "share_right": mean_share(right / num_cases, level)._asdict(),
        "all_right": success_rate(all_right, right.size, level)._asdict(),
    }


def mean_share(shares: ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean of one share per run, with its interval: runs are independent, not answers.

    The Wilson interval of as many independent answers as would make the mean as uncertain as the
    spread between runs does. That spread is itself estimated, so the point of Student's t
    distribution takes the place of the normal one. Where every run has all or none of its answers
    right, it is the interval of `success_rate`; where all runs agree otherwise, their spread says
    nothing, and each counts as one answer.

    Args:
      shares: from 0 to 1, shape (num_runs,); at least one.
      level: confidence level.

    Example:
      >>> found = mean_share([0.5, 0.75, 1.0, 0.75])
      >>> found.estimate, round(found.low, 3), round(found.high, 3)
      (0.75, 0.385, 0.935)

    Dean & Pagano, J. Surv. Stat. Methodol. 3 (2015) 484-503, who find it to cover best among
    intervals for shares in clusters; with the correction of Korn & Graubard, Surv. Methodol. 24
    (1998) 193-201, for few clusters.
    """
    shares = np.asarray(shares, float)
    if np.isin(shares, (0, 1)).all():
        return success_rate(int(shares.sum()), len(shares), level)
    mean, answers, tail = shares.mean(), float(len(shares)), (1 + level) / 2
    point = scipy.special.ndtri(tail)
    if np.ptp(shares) > 0:
        answers *= mean * (1 - mean) / shares.var(ddof=1)
        point = scipy.special.stdtrit(len(shares) - 1, tail)
    shrink = 1 + point**2 / answers
    middle = (mean + point**2 / (2 * answers)) / shrink
    half = point / shrink * np.sqrt(mean * (1 - mean) / answers + (point / (2 * answers)) ** 2)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Interval(float(mean), float(low), float(high), level)
