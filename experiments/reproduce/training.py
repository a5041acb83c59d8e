"""Trains the seeds of every experiment, and says where the published numbers lie among them."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import bpjax
from bpjax.analysis.held_out import mean_share
from bpjax.errors import SettingError
from bpjax.status import Status
from bpjax.sweeps.host_loop import environment
from bpjax.task import Published, Task
from experiments.reproduce.rows import Experiment, experiments
from experiments.reproduce.verdicts import verdict
from experiments.study import recipe_in_words, share_of


def compute(
    num_runs: int,
    folder: Path | None = None,
    only: Sequence[str] = (),
    tell: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Run every experiment.

    Args:
      num_runs: seeds per experiment; of the slow ones a tenth, and none below 100.
      folder: where finished runs are kept; None keeps nothing.
      only: names of the experiments to run; all unless given.
      tell: is told of each row as it is done.

    Returns:
      What `results.json` holds.
    """
    everything = _chosen(only)
    # A tenth of fewer runs would say nothing, and take most of the time of a quick look.
    chosen = [e for e in everything if only or not e.slow or num_runs >= 100]
    rows = []
    for number, experiment in enumerate(chosen, 1):
        began = time.perf_counter()
        runs = max(num_runs // 10, 1) if experiment.slow else num_runs
        row = judged(experiment, measure(experiment, runs, folder))
        rows.append(row)
        seconds = time.perf_counter() - began
        tell(f"{number} of {len(chosen)}, {seconds:.1f} s: {experiment.name}: {row['verdict']}")
    left_out = [experiment.name for experiment in everything if experiment not in chosen]
    return {
        "num_runs": num_runs,
        "rows": rows,
        "left_out": left_out,
        "environment": environment(),
    }


def _chosen(only: Sequence[str]) -> list[Experiment]:
    known = {experiment.name: experiment for experiment in experiments()}
    for name in only:
        if name not in known:
            raise SettingError("only", f"must name experiments among {', '.join(known)}", name)
    return [known[name] for name in only] or list(known.values())


def measure(experiment: Experiment, num_runs: int, folder: Path | None) -> dict[str, Any]:
    """Train the seeds of one experiment and return the numbers of its row."""
    task = experiment.task
    out = None if folder is None else folder / "sweeps" / f"{experiment.name}-{num_runs}"
    result = bpjax.sweep(task, num_runs, out=out)
    summary = result.summary()
    return {
        "name": experiment.name,
        "num_runs": num_runs,
        "max_epochs": task.recipe.max_epochs,
        "criterion": summary["criterion"],
        "converged": summary["converged"],
        "success_rate": summary["success_rate"],
        "epochs": summary["epochs"],
        "published": [{"percentile": _by_then(figure, result)} for figure in task.published],
        "held_out": _held_out(task, result),
    }


def judged(experiment: Experiment, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an experiment with all its words: what was published, and the verdict.

    Args:
      experiment: what was trained.
      row: from `measure`, or from a record: what is measured is kept as it is.
    """
    task = experiment.task
    published = [
        figure._asdict() | {"percentile": measured["percentile"]}
        for figure, measured in zip(task.published, row["published"], strict=True)
    ]
    words = {
        "name": experiment.name,
        "title": task.title,
        "network": task.network.describe(),
        "source": task.source,
        "printed_recipe": experiment.printed,
        "our_recipe": recipe_in_words(task),
        "differs": experiment.differs,
        "because": experiment.because,
    }
    both = {**words, **{name: row[name] for name in MEASURED}, "published": published}
    both["verdict"] = experiment.judge(both) if experiment.judge else verdict(both)
    return both


MEASURED = (
    *("num_runs", "max_epochs", "criterion", "converged", "success_rate", "epochs", "held_out"),
)
"""The numbers of a row; beside them, the percentile of each published figure."""


def judged_again(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with the words and verdicts of today, of the numbers that it has.

    Raises:
      SettingError: for a row that no experiment makes any more, or that was trained differently.
    """
    known = {experiment.name: experiment for experiment in experiments()}
    rows = []
    for row in record["rows"]:
        experiment = known.get(row["name"])
        if experiment is None or not _is_of(experiment, row):
            rule = "needs the numbers of these experiments as they are; make it anew"
            raise SettingError("words-only", rule, row["name"])
        rows.append(judged(experiment, row))
    return {**record, "rows": rows}


def _is_of(experiment: Experiment, row: Mapping[str, Any]) -> bool:
    """Tell whether a row of a record was made with the recipe of an experiment."""
    task = experiment.task
    ours = recipe_in_words(task), task.network.describe(), str(task.criterion)
    theirs = tuple(row[name] for name in ("our_recipe", "network", "criterion"))
    numbers = [figure["epochs"] for figure in row["published"]]
    same = numbers == [figure.epochs for figure in task.published]
    return same and ours == theirs and row["max_epochs"] == task.recipe.max_epochs


def _by_then(figure: Published, result: Any) -> dict[str, Any] | None:
    """Return the share of our runs, in per cent, that needed no more epochs than published.

    For a bound it is the share that keeps to it: "under 200" leaves no run with 200.
    """
    if figure.epochs is None:
        return None
    last = figure.epochs - (figure.counts == "bound")
    share = share_of((result["status"] == Status.CONVERGED) & (result["epochs"] <= last))
    return {name: 100 * value if name != "level" else value for name, value in share.items()}


def _held_out(task: Task, result: Any) -> dict[str, Any] | None:
    """Return how converged runs answer what they were not trained on; None if that is nothing."""
    if not task.num_held_out:
        return None
    solved = result["status"] == Status.CONVERGED
    if not solved.any():
        return {"runs": 0}
    right = result["held_out_right"][solved]
    return {
        "runs": len(right),
        "cases": task.num_held_out,
        "right": mean_share(right / task.num_held_out)._asdict(),
        "all_right": share_of(right == task.num_held_out),
        "at_most_one_wrong": share_of(right >= task.num_held_out - 1),
    }
