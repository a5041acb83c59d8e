"""What a contender computed, judged the same way for all."""

from typing import NamedTuple

import numpy as np

from bpjax.bench.numpy_nets import forward
from bpjax.bench.plain import to_plain, wiring
from bpjax.task import Task


class Outcome(NamedTuple):
    """What a contender computed, so that a fast wrong answer shows.

    Attributes:
      runs: how many runs are judged: seeds 0 to `runs` - 1.
      epochs: how many epochs each has made.
      loss: mean final loss over the runs; None if it is not finite.
      solved: share of runs with every case right at tolerance 0.5; None for nets that the judge
        cannot compute.
    """

    runs: int
    epochs: int
    loss: float | None
    solved: float | None


def judge(task: Task, vectors: np.ndarray, epochs: int) -> Outcome:
    """Return what these final weights are worth, computed in float64 by NumPy alone."""
    plain = to_plain(task.network, vectors)
    plain = {
        name: {k: np.asarray(v, np.float64) for k, v in entry.items()}
        for name, entry in plain.items()
    }
    outputs = forward(wiring(task.network), plain, task.inputs)[task.network.outputs[0]]
    off = outputs - task.targets
    loss = float(np.mean(0.5 * np.sum(off**2, axis=(1, 2))))
    solved = float(np.mean(np.all(np.abs(off) < 0.5, axis=(1, 2))))
    return Outcome(len(vectors), epochs, loss if np.isfinite(loss) else None, solved)
