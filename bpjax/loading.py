"""What `sweep` and `train` returned, read back from their folders."""

from os import PathLike
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bpjax.errors import ResultsError
from bpjax.params import unflatten_params
from bpjax.results.files import names_in
from bpjax.results.manifest import is_run_folder
from bpjax.results.store import SweepFolder, read_runs
from bpjax.results.summary import recorded_timing
from bpjax.run_folder import SavedRun, load_run
from bpjax.status import Status
from bpjax.sweeps.result import SweepResult
from bpjax.told import told_task
from bpjax.training import Run


def load(*paths: str | PathLike[str], allow_partial: bool = False) -> SweepResult | Run:
    """Return what is in a results folder: what `bpjax.sweep` or `bpjax.train` returned.

    Args:
      *paths: the folder of a sweep, or several that hold parts of it, shards or other seeds, in any
        order; or that of one run.
      allow_partial: accept missing runs, as an interrupted sweep has them.

    Returns:
      A `SweepResult` or a `Run`. A run's task has the settings and the cases that it was trained
      with; its title, which no folder keeps, is its name and the sizes of its net.

    Raises:
      ResultsError: for no folder, folders of different sweeps, a run that is there twice, damaged
        or missing, or a run whose task has something of a user's own, which no folder can hold.

    Example:
      >>> import bpjax, tempfile
      >>> folder = tempfile.mkdtemp()
      >>> made = bpjax.sweep("xor", 100, out=folder)
      >>> bool((bpjax.load(folder)["epochs"] == made["epochs"]).all())
      True
    """
    if not paths:
        raise ResultsError("there is no folder to load.")
    first = Path(paths[0])
    if len(paths) > 1:
        return SweepResult(read_runs(*paths, allow_partial=allow_partial), None)
    if first.is_dir() and is_run_folder(names_in(first)):
        return _run_of(load_run(first), first)
    table = read_runs(first, allow_partial=allow_partial)
    return SweepResult(table, recorded_timing(SweepFolder.open_for_reading(first)))


def _run_of(saved: SavedRun, path: Path) -> Run:
    identity, outcome = saved.identity, saved.outcome
    task = told_task(identity["task"])
    if task is None:
        raise ResultsError(
            f"{str(path)!r} is of a task with something of its user's own; its history and weights "
            "are what bpjax.run_folder.load_run returns."
        )
    dtype = np.dtype(identity["precision"])

    def as_trained(column: Any) -> Any:
        return column.astype(dtype) if column.dtype.kind == "f" else column

    weights = as_trained(saved.snapshots.weights)
    return Run(
        task=task,
        seed=identity["seeds"][0][0],
        status=Status[outcome["status"]],
        epochs=outcome["epochs"],
        loss=float(saved.history.loss[-1]) if outcome["loss"] is None else outcome["loss"],
        params=unflatten_params(task.network, weights[-1]),
        history=jax.tree.map(as_trained, saved.history),
        snapshots=saved.snapshots._replace(weights=weights),
    )
