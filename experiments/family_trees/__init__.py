"""Family trees, settled: which reading of the printed recipe learns, and how far off it is.

The paper prints most of a recipe for the family trees and leaves the rest open; independent
re-implementations could not train the net with it. Here every open choice and the printed numbers
are swept, each over many seeds, with four cases held out per run as in the paper. A run is solved
when all 100 pairs that it is trained on are right (every output unit nearer than 0.5 to its
target), within the printed 1,500 epochs.

    python -m experiments.family_trees

makes the published folder, experiments/results/family_trees, with 200 runs of each recipe (100
where weights change after every case, and of 5,000 epochs) and 1,000 of the best; `--runs 20` is a
quick look, kept in results/family_trees-20. Finished runs are kept under sweeps/ in that folder.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bpjax import use_all_cpu_cores
from bpjax.errors import SettingError
from experiments.family_trees.figures import draw
from experiments.family_trees.training import compute
from experiments.family_trees.words import write_up
from experiments.study import parser_for, results_folder, save_record

PUBLISHED_RUNS = 200


def default_folder(num_runs: int) -> Path:
    """Return where the results go: only the published number of runs may replace the published."""
    return results_folder("family_trees", num_runs, PUBLISHED_RUNS)


def save(result: Mapping[str, Any], folder: Path) -> None:
    """Write `results.json`, `shown.npz` and the text of `README.md`."""
    save_record(result["record"], write_up(result["record"]), folder, indent=1)
    np.savez_compressed(folder / "shown.npz", **result["arrays"])


def main(argv: Sequence[str] | None = None) -> int:
    """Compute, save and draw."""
    parser = parser_for("family_trees", PUBLISHED_RUNS, "number of seeds per recipe", __doc__)
    options = parser.parse_args(argv)
    use_all_cpu_cores()
    folder = options.out or default_folder(options.runs)
    try:
        result = compute(options.runs, folder=folder, tell=lambda words: print(words, flush=True))
    except SettingError as error:
        parser.error(f"--runs {error.rule}, got {error.value!r}.")
    save(result, folder)
    if not options.no_figures:
        draw(result, folder)
    print(write_up(result["record"]))
    return 0
