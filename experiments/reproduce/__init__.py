"""Every published experiment over many seeds: the paper says, we measure.

    python -m experiments.reproduce

makes the published folder, experiments/results/reproduce, with 1,000 runs of each experiment and
100 of the slowest; `--runs 50` is a quick look without these, kept in results/reproduce-50.
Finished runs are kept under sweeps/ in that folder, so a table that was interrupted goes on where
it stopped.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bpjax import use_all_cpu_cores
from bpjax.errors import SettingError
from experiments.reproduce.table import draw, write_up
from experiments.reproduce.training import compute
from experiments.study import parser_for, results_folder, save_record

PUBLISHED_RUNS = 1000


def save(record: Mapping[str, Any], folder: Path) -> None:
    """Write `results.json` and the text of `README.md`."""
    save_record(record, write_up(record), folder)


def default_folder(num_runs: int, only: Sequence[str] = ()) -> Path:
    """Return where the results go: only the whole table may replace the published one."""
    published_runs = 0 if only else PUBLISHED_RUNS  # no number of runs makes a part the whole
    return results_folder("reproduce", num_runs, published_runs)


def main(argv: Sequence[str] | None = None) -> None:
    """Compute, save and draw."""
    parser = parser_for("reproduce", PUBLISHED_RUNS, "runs per experiment", __doc__)
    parser.add_argument("--only", nargs="*", default=(), metavar="NAME", help="rows of the table")
    options = parser.parse_args(argv)
    if options.runs < 1:
        parser.error(f"--runs must be at least 1, got {options.runs}")
    use_all_cpu_cores()
    folder = options.out or default_folder(options.runs, options.only)
    try:
        record = compute(options.runs, folder, options.only)
    except SettingError as fault:
        parser.error(f"--{fault.setting} {fault.rule}, got {fault.value!r}")
    save(record, folder)
    if not options.no_figures:
        draw(record, folder)
    print(f"\n{write_up(record)}\nSaved in {folder}.")
