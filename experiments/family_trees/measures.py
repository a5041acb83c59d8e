"""Trains recipes and measures what their runs have learned."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bpjax import tasks
from bpjax.analysis.activations import activations_of
from bpjax.analysis.convergence import summarize_runs
from bpjax.analysis.held_out import held_out_answers, mean_share
from bpjax.held_out import trained_by
from bpjax.results.store import fingerprint
from bpjax.status import Status
from bpjax.sweeps.host_loop import run_plan
from bpjax.sweeps.planning import make_plan
from bpjax.task import Task
from bpjax.tasks.family_trees import PAIRS, PEOPLE
from experiments.family_trees.recipes import CAP, HELD_OUT
from experiments.study import share_of


@functools.cache
def which_are_trained(runs: int) -> np.ndarray:
    """Return which cases the runs from seed 0 are trained on; every recipe draws the same."""
    return trained_by(tasks.family_trees(held_out=HELD_OUT), np.arange(runs))


def train(variants: list[Task], runs: int, folder: Path | None) -> Any:
    """Train so many seeds of every variant, and keep their weights."""
    plan = make_plan(variants, runs, keep_weights=True)
    out = None if folder is None else folder / "sweeps" / fingerprint(plan.identity())[:12]
    return run_plan(plan, out)


def measure(task: Task, columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return what the runs of one recipe show."""
    status, epochs, weights = columns["status"], columns["epochs"], columns["weights"]
    summary = summarize_runs(status, epochs)
    trained = which_are_trained(len(status))
    right = (answered_right(task, weights) & trained).sum(axis=1)
    solved = status == Status.CONVERGED
    by_printed = solved & (epochs <= CAP)
    return {
        "runs": len(status),
        "solved": summary["success_rate"],
        "solved_by_printed": share_of(by_printed),
        "nonfinite": summary["nonfinite"],
        "epochs": summary["epochs"],
        "pairs_right": {q: float(np.percentile(right, p)) for q, p in _PERCENTILES.items()},
        "nearly": share_of(right >= 96),
        "held_out": answers(task, trained[solved], weights[solved]) if solved.any() else None,
        "weight_rms": float(np.median(np.sqrt(np.mean(weights.astype(float) ** 2, axis=1)))),
    }


_PERCENTILES = {"q10": 10, "median": 50, "q90": 90}


def answered_right(task: Task, weights: np.ndarray) -> np.ndarray:
    """Return which cases each run answers right, shape (num_runs, num_cases)."""
    outputs = activations_of(task.network, weights, task.inputs)["person 2"]
    return (np.abs(outputs - task.targets) < 0.5).all(axis=2)


def answers(task: Task, trained: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
    """Return how runs answer their held-out cases; runs, not answers, are counted."""
    right = held_out_answers(task, trained, weights).right
    wrong = (~right).sum(axis=1)
    return {
        "runs": len(right),
        "right": mean_share(right.mean(axis=1))._asdict(),
        "all_right": share_of(wrong == 0),
        "at_most_one_wrong": share_of(wrong <= 1),
    }


def chance(num_runs: int) -> dict[str, float]:
    """Return what answering without knowing the person gets right of the held-out cases.

    "person" names one of the 24 people at random; "relation" gives the answer that is most
    frequent, among the trained cases, for the relation that is asked (one of them, if several are).
    """
    task = tasks.family_trees(held_out=HELD_OUT)
    relation = np.array([question for _, question in PAIRS])
    shares = []
    for trained in which_are_trained(num_runs):
        for case in np.flatnonzero(~trained):
            shown = task.targets[trained & (relation == relation[case])]
            kinds, count = np.unique(shown, axis=0, return_counts=True)
            likely = kinds[count == count.max()]
            shares.append(np.mean((likely == task.targets[case]).all(axis=1)))
    one_answer = task.targets.sum(axis=1) == 1
    return {"person": float(one_answer.mean() / len(PEOPLE)), "relation": float(np.mean(shares))}
