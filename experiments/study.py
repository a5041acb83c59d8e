"""What the studies share: their command line, where results go, statistics, numbers in words."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

from bpjax.analysis.convergence import success_rate
from bpjax.learning import as_schedule
from bpjax.plane import Plane
from bpjax.task import Task

HERE = Path(__file__).parent


def results_folder(name: str, num_runs: int | str, published_runs: int | str) -> Path:
    """Return where the results go: only the published number of runs may replace the published.

    Example:
      >>> results_folder("symmetry", 10, 10_000).parts[-2:]
      ('results', 'symmetry-10')
    """
    if num_runs == published_runs:
        return HERE / "results" / name
    return HERE.parent / "results" / f"{name}-{num_runs}"


def parser_for(
    name: str, published_runs: int, runs: str, words: str | None, draws: bool = True
) -> Any:
    """Return the parser of a study's options: `--runs`, `--out` and, if it draws, `--no-figures`.

    Args:
      name: of the study.
      published_runs: the default of `--runs`.
      runs: what is counted, for the help.
      words: the study's description.
      draws: whether it has figures.
    """
    parser = argparse.ArgumentParser(prog=f"experiments.{name}", description=words)
    parser.add_argument(
        "--runs", type=int, default=published_runs, help=f"{runs} (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help=f"folder for the results (default: experiments/results/{name} for "
        f"{published_runs} runs, results/{name}-RUNS for any other number)",
    )
    if draws:
        parser.add_argument("--no-figures", action="store_true", help="draw nothing")
    return parser


def save_record(record: Mapping[str, Any], text: str, folder: Path, indent: int = 2) -> None:
    """Write a study's numbers as `results.json` and its findings as `README.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(record, indent=indent) + "\n")
    (folder / "README.md").write_text(text)


def share_of(holds: ArrayLike) -> dict[str, Any]:
    """Return the share of runs of which something holds, with its Wilson interval.

    Example:
      >>> share_of([True, False])["estimate"]
      0.5
    """
    found = np.asarray(holds, bool)
    return success_rate(int(found.sum()), len(found))._asdict()


def mean_over_runs(values: ArrayLike) -> dict[str, float]:
    """Return a mean over runs and its 95 % interval, Student's; for shares, use `mean_share`.

    Args:
      values: one per run, at least two that are there; one that is not, NaN, is left out.

    Example:
      >>> {name: round(end, 2) for name, end in mean_over_runs([1.0, 2.0, 3.0]).items()}
      {'estimate': 2.0, 'low': -0.48, 'high': 4.48}
    """
    found = np.asarray(values)
    ends = scipy.stats.ttest_1samp(found[np.isfinite(found)], 0.0).confidence_interval(0.95)
    middle = float(found[np.isfinite(found)].mean())
    return {"estimate": middle, "low": float(ends.low), "high": float(ends.high)}


def quantiles(values: np.ndarray, which: Sequence[int] = (5, 25, 50, 75, 95)) -> dict[str, float]:
    """Return percentiles by name.

    Example:
      >>> quantiles(np.arange(11.0), [50])
      {'q50': 5.0}
    """
    return {f"q{q:02d}": float(np.percentile(values, q)) for q in which}


def recipe_in_words(task: Task) -> str:
    """Return a task's recipe on one line.

    Example:
      >>> import bpjax
      >>> recipe_in_words(bpjax.tasks.symmetry())
      'learning rate 0.1, momentum 0.9, uniform +-0.3, batch'
    """
    recipe, start = task.recipe, task.recipe.initializer
    words = [
        f"learning rate {as_schedule(recipe.learning_rate)}",
        f"momentum {as_schedule(recipe.momentum)}",
        "weights on a plane"
        if isinstance(start, Plane)
        else f"{start.distribution} +-{recipe.init_range:g}",
        recipe.updates,
    ]
    if recipe.decays:
        words.append(f"decay {as_schedule(recipe.weight_decay)}")
    return ", ".join(words)


def percent(share: Mapping[str, Any]) -> str:
    """Return a share with its interval, in per cent.

    Example:
      >>> percent({"estimate": 0.5, "low": 0.25, "high": 0.75})
      '50.0 % (25.0 to 75.0)'
    """
    low, high = 100 * share["low"], min(100.0, 100 * share["high"])
    return f"{100 * share['estimate']:.1f} % ({low:.1f} to {high:.1f})"


def quartiles(epochs: Mapping[str, Any], cap: int) -> str:
    """Return median and quartiles of epochs; what was not reached is beyond the cap.

    Example:
      >>> quartiles({"q25": 900, "median": 1200, "q75": None}, cap=5000)
      '1,200 (900 to > 5,000)'
    """
    low, middle, high = (f"> {cap:,}" if epochs[q] is None else f"{epochs[q]:,}" for q in QUARTILES)
    return f"{middle} ({low} to {high})"


def number(value: Any) -> str:
    """Return a number of epochs; None was not reached.

    Example:
      >>> number(1425), number(None)
      ('1,425', 'not reached')
    """
    return "not reached" if value is None else f"{value:,}"


QUARTILES: Sequence[str] = ("q25", "median", "q75")
