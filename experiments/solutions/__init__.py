"""What hidden units represent: the printed solutions counted over thousands of runs.

The chapter shows one net per task and says what its hidden units do. Here the same tasks run from
many seeds, and the solutions are sorted into classes: how common is the printed one?

    python -m experiments.solutions

makes the published folder, experiments/results/solutions; `--runs 500` is a quicker look, kept in
results/solutions-500.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bpjax import use_all_cpu_cores
from bpjax.errors import SettingError
from experiments.solutions.figures import draw
from experiments.solutions.measures import compute
from experiments.solutions.words import write_up
from experiments.study import parser_for, results_folder, save_record

PUBLISHED_RUNS = 10_000


def default_folder(num_runs: int) -> Path:
    """Return where the results go: only the published number of runs may replace the published."""
    return results_folder("solutions", num_runs, PUBLISHED_RUNS)


def save(record: Mapping[str, Any], folder: Path) -> None:
    """Write `results.json` and the text of `README.md`."""
    save_record(record, write_up(record), folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Compute, save and draw."""
    parser = parser_for("solutions", PUBLISHED_RUNS, "seeds per task", __doc__)
    options = parser.parse_args(argv)
    use_all_cpu_cores()
    try:
        record = compute(options.runs)
    except SettingError as error:
        parser.error(f"--runs {error.rule}, got {error.value!r}.")
    folder = options.out or default_folder(options.runs)
    save(record, folder)
    if not options.no_figures:
        draw(record, folder)
    print(write_up(record))
    return 0
