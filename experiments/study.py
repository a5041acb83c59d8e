"""What the studies share: their command line, where results go, statistics, numbers in words."""

import argparse
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

from bpjax import use_all_cpu_cores
from bpjax.analysis.convergence import success_rate
from bpjax.errors import SettingError
from bpjax.schedule import as_schedule
from bpjax.starts.initial import Initializer, Strategy
from bpjax.task import Task

HERE = Path(__file__).parent
QUARTILES: Sequence[str] = ("q25", "median", "q75")


class Result(NamedTuple):
    """What a study found: what `results.json` holds, and arrays for its figures."""

    record: dict[str, Any]
    arrays: Mapping[str, Any] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Study:
    """One study: what it computes, says and draws; `main` is its command line.

    Attributes:
      name: of the module, and of the folder for its results.
      published_runs: only so many runs may replace the published results.
      counted: what `--runs` counts, for the help.
      words: the study's description.
      compute: of a number of runs and the folder, in which finished runs may be kept, the result;
        takes each option of its own by name.
      write_up: of a record, the text of `README.md`.
      draw: draws the figures of a result into a folder; None if there are none.
      keep_arrays: the name of a file that keeps the arrays, None where the figures hold them.
      own_options: adds options of its own to the parser; with one of them nothing is published.
      holds: whether a record is as it should be; else the exit code is 1.
      words_only: of a record, the same numbers with the words of today: what `--words-only` saves
        and draws without computing anything; None if a study needs more than its record.
    """

    name: str
    published_runs: int
    counted: str
    words: str | None
    compute: Callable[..., Result]
    write_up: Callable[[Mapping[str, Any]], str]
    draw: Callable[[Result, Path], None] | None = None
    keep_arrays: str | None = None
    own_options: Callable[[argparse.ArgumentParser], Any] = lambda parser: None
    holds: Callable[[Mapping[str, Any]], bool] = lambda record: True
    words_only: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None

    def folder(self, num_runs: int, *own: Any) -> Path:
        """Return where the results go; `own` are the values of the study's own options."""
        return results_folder(self.name, num_runs, 0 if any(own) else self.published_runs)

    def save(self, result: Result, folder: Path) -> None:
        """Write `results.json`, the text of `README.md` and the arrays, if they are kept."""
        save_record(result.record, self.write_up(result.record), folder)
        if self.keep_arrays:
            np.savez_compressed(folder / self.keep_arrays, **result.arrays)

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Compute, save, draw and print."""
        parser = self._parser()
        own = vars(parser.parse_args(argv))
        num_runs, out, no_figures = own.pop("runs"), own.pop("out"), own.pop("no_figures", True)
        words_only = own.pop("words_only", False)
        folder = out or self.folder(num_runs, *own.values())
        try:
            if words_only:
                result = self._said_anew(folder)
            else:
                use_all_cpu_cores()
                result = self.compute(num_runs, folder, **own)
        except SettingError as fault:
            option = fault.setting if fault.setting in (*own, "words-only") else "runs"
            parser.error(f"--{option} {fault.rule}, got {fault.value!r}.")
        self.save(result, folder)
        if self.draw and not no_figures:
            self.draw(result, folder)
        print(f"\n{self.write_up(result.record)}\nSaved in {folder}.")
        return 0 if self.holds(result.record) else 1

    def _said_anew(self, folder: Path) -> Result:
        assert self.words_only is not None
        file = folder / "results.json"
        if not file.exists():
            raise SettingError("words-only", "needs a record that was made before", str(file))
        return Result(self.words_only(json.loads(file.read_text())))

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog=f"experiments.{self.name}", description=self.words)
        published = self.published_runs
        parser.add_argument(
            "--runs",
            type=int,
            default=published,
            help=f"{self.counted} (default: %(default)s)",
        )
        parser.add_argument(
            "--out",
            type=Path,
            help=f"folder for the results (default: experiments/results/{self.name} for "
            f"{published} runs, results/{self.name}-RUNS for any other number)",
        )
        if self.draw:
            parser.add_argument("--no-figures", action="store_true", help="draw nothing")
        if self.words_only:
            words = "train nothing: say and draw anew what the record there has measured"
            parser.add_argument("--words-only", action="store_true", help=words)
        self.own_options(parser)
        return parser


def results_folder(name: str, num_runs: int | str, published_runs: int | str) -> Path:
    """Return where results go: only the published number of runs may replace the published.

    Example:
      >>> results_folder("symmetry", 10, 10_000).parts[-2:]
      ('results', 'symmetry-10')
    """
    if num_runs == published_runs:
        return HERE / "results" / name
    return HERE.parent / "results" / f"{name}-{num_runs}"


def save_record(record: Mapping[str, Any], text: str, folder: Path) -> None:
    """Write a study's numbers as `results.json` and its findings as `README.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(as_json(record))
    (folder / "README.md").write_text(text)


def as_json(record: Mapping[str, Any]) -> str:
    """Return a record as compact JSON, a line for each of its parts."""
    parts = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in record.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


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
        _start_in_words(start, recipe.init_range),
        f"updates {recipe.updates}" if isinstance(recipe.updates, int) else recipe.updates,
    ]
    if recipe.order != "fixed":
        words.append(f"order {recipe.order}")
    if recipe.decays:
        words.append(f"decay {as_schedule(recipe.weight_decay)}")
    return ", ".join(words)


def _start_in_words(start: Strategy, init_range: float) -> str:
    if not isinstance(start, Initializer):
        return "weights on a plane"
    return f"{start.distribution} +-{init_range:g}" if start.uses_range else start.distribution


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
