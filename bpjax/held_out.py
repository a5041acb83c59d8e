"""Cases that a run is not trained on: which they are, and how they are left out."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, UInt

from bpjax.loss import Loss, of_loss
from bpjax.starts.initial import run_key
from bpjax.surroundings import pinned
from bpjax.task import Task


def trained_cases(
    held_out: int | tuple[int, ...], num_cases: int, seed: UInt[Array, ""]
) -> Bool[Array, " num_cases"] | None:
    """Return which cases the run named by `seed` is trained on; None for all of them.

    Args:
      held_out: as in `Task`: a number of cases, drawn from the seed, or their rows.
      num_cases: number of cases.
      seed: the run's name.

    Example:
      >>> trained_cases((1,), 3, jnp.uint32(0)).tolist()
      [True, False, True]
      >>> [int(trained_cases(4, 104, jnp.uint32(seed)).sum()) for seed in (0, 1)]
      [100, 100]
    """
    if not held_out:
        return None
    if isinstance(held_out, tuple):
        return jnp.ones(num_cases, bool).at[np.array(held_out)].set(False)
    key = jax.random.fold_in(run_key(seed), _HELD_OUT)
    order = jax.random.permutation(key, jnp.arange(num_cases, dtype=jnp.int32))
    return jnp.ones(num_cases, bool).at[order[:held_out]].set(False)


@pinned()
def trained_by(task: Task, seeds: Any) -> np.ndarray:
    """Return which cases each run of a task is trained on, shape (num_runs, num_cases).

    Args:
      task: the task.
      seeds: names of the runs, shape (num_runs,).

    Example:
      >>> import bpjax
      >>> trained_by(bpjax.tasks.family_trees(held_out=4), [0, 1, 2]).sum(axis=1).tolist()
      [100, 100, 100]
    """
    seeds = jnp.asarray(seeds, jnp.uint32)
    if not task.held_out:
        return np.ones((len(seeds), task.num_cases), bool)
    draw = functools.partial(trained_cases, task.held_out, task.num_cases)
    return np.asarray(jax.jit(jax.vmap(draw))(seeds))


_HELD_OUT = 104
"""Sets the draw of held-out cases apart from that of the weights, which takes the run's own key."""


def as_answered(outputs: Any, targets: Any, trained: Any) -> Any:
    """Return the outputs, with the targets in place of cases that the run is not trained on.

    Then these have no error, no gradient and no say in the criterion, under any loss that is least
    where outputs and targets are equal.

    Args:
      outputs: any shape.
      targets: the same shape.
      trained: which cases count, of a shape that broadcasts to it; None for all.
    """
    return outputs if trained is None else jnp.where(trained, outputs, targets)


def error_of(
    loss: Loss, seen: Any, targets: Any, trained: Bool[Array, " num_cases"] | None
) -> tuple[Any, Any]:
    """Return a loss and its derivative over the cases that count.

    Args:
      loss: the loss.
      seen: what it is written in, of the outputs side by side, (num_cases, num_out).
      targets: the same shape.
      trained: which cases count; None for all.
    """
    if trained is None or of_loss(loss) == "activation":
        seen = as_answered(seen, targets, None if trained is None else trained[:, None])
        return loss.value(seen, targets), loss.derivative(seen, targets)
    # No total input answers a case: a loss written in them is summed over those that count.
    values = jax.vmap(lambda x, d: loss.value(x[None], d[None]))(seen, targets)
    derivative = jnp.where(trained[:, None], loss.derivative(seen, targets), 0)
    return jnp.sum(jnp.where(trained, values, 0)), derivative
