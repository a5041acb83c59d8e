"""The finite runs of one task: what the nets do, and how the runs are named."""

from typing import Any, NamedTuple

import numpy as np

import bpjax
from bpjax.analysis.activations import activations_of
from bpjax.status import Status
from bpjax.task import Task
from experiments.study import recipe_in_words


class Trained(NamedTuple):
    """Finite runs of one task: what the nets do, and how the runs are named."""

    task: Task
    about: dict[str, Any]
    solved: np.ndarray
    weights: np.ndarray
    hidden: np.ndarray
    outputs: np.ndarray


def train(task: Task, num_runs: int, first_seed: int) -> Trained:
    """Train the seeds of one task and return its finite runs."""
    result = bpjax.sweep(task, num_runs, first_seed=first_seed, keep_weights=True)
    summary = result.summary()
    finite = result["status"] != Status.NONFINITE
    weights = result["weights"][finite]
    layers = activations_of(task.network, weights, task.inputs)
    about = {
        "title": task.title,
        "recipe": recipe_in_words(task),
        "source": task.source,
        "criterion": summary["criterion"],
        "num_runs": num_runs,
        "converged": summary["converged"],
        "nonfinite": summary["nonfinite"],
        "success_rate": summary["success_rate"],
    }
    first_hidden = next(layer.name for layer in task.network.computed_layers)
    solved = result["status"][finite] == Status.CONVERGED
    return Trained(task, about, solved, weights, layers[first_hidden], layers["output"])
