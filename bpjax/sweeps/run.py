"""The loop on the host: trains a plan chunk by chunk, stores, resumes, reports progress."""

import dataclasses
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from os import PathLike
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from bpjax.status import Status
from bpjax.sweeps.block import Block
from bpjax.sweeps.devices import device_kind, lane_mesh
from bpjax.sweeps.plan import Group, Plan, make_plan
from bpjax.sweeps.store import RunTable, SweepFolder, fingerprint, missing_ranges, read_runs
from bpjax.sweeps.summary import Timing, recorded_timing, summarize
from bpjax.task import Task
from bpjax.version import __version__

SECONDS_PER_CALL = 0.25
"""How long one call of the training program should take: the wait after Ctrl-C."""
SECONDS_PER_CHUNK = 2.0
"""How long finished blocks may wait for their file: what a kill can cost, beside one block."""


class Progress(NamedTuple):
    """Where a sweep stands.

    Attributes:
      runs_done: runs that have ended, those of earlier sessions included.
      num_runs: runs in all.
      converged: how many of them converged.
      runs_made: runs that ended in this session.
      seed_epochs: epochs made in this session, all runs together.
      seconds: of this session, without compilation.
    """

    runs_done: int
    num_runs: int
    converged: int
    runs_made: int
    seed_epochs: int
    seconds: float


OnProgress = Callable[[Progress], None]


@dataclasses.dataclass(frozen=True, eq=False)
class SweepResult:
    """The outcome of every run of a sweep.

    Attributes:
      table: the identity of the sweep and one column per quantity: `seed`, `status`, `epochs`,
        `loss`, the settings of the grid, and `weights` where they were kept.
      timing: seconds and work of the session that made the last runs; None if unknown.
    """

    table: RunTable
    timing: Timing | None

    def __getitem__(self, column: str) -> np.ndarray:
        """Return a column of the per-run table, for example `result["epochs"]`."""
        return self.table.columns[column]

    def summary(self, level: float = 0.95) -> dict[str, Any]:
        """Return what `summary.json` holds; `level` is that of the intervals."""
        return summarize(self.table, self.timing, level)


def sweep(
    task: Task | Sequence[Task],
    seeds: int,
    *,
    out: str | PathLike[str] | None = None,
    on_progress: OnProgress | None = None,
    **settings: Any,
) -> SweepResult:
    """Train many runs of a task, one per seed and point of the grid, to their outcomes.

    Runs that had been stored in `out` by the same sweep are not trained again. All local devices
    are used; see `bpjax.use_all_cpu_cores` for a CPU.

    Args:
      task: one task, or several variants of one.
      seeds: number of seeds per point of the grid.
      out: results folder; None keeps results in memory only.
      on_progress: called after every call of the training program.
      **settings: arguments of `make_plan` (`first_seed`, `precision`, `keep_weights`, `shard`)
        and settings of the recipe or criterion (`learning_rate`, `tolerance`); a list makes a grid.

    Returns:
      Per-run arrays and their summary.

    Raises:
      SettingError: for a setting that breaks its rule, before anything is trained.
      ResultsError: if `out` cannot be used, belongs to something else or to another sweep.

    Example:
      >>> import bpjax
      >>> result = bpjax.sweep(bpjax.tasks.xor(hidden=3), seeds=100, learning_rate=0.5)
      >>> summary = result.summary()
      >>> summary["num_runs"], summary["criterion"], len(result["epochs"])
      (100, 'tolerance 0.5', 100)
    """
    return run_plan(make_plan(task, seeds, **settings), out, on_progress)


def run_plan(
    plan: Plan, out: str | PathLike[str] | None = None, on_progress: OnProgress | None = None
) -> SweepResult:
    """Train what is missing of a plan; arguments and result as for `sweep`."""
    with jax.enable_x64(plan.precision == "float64"):
        if out is None:
            return _run_in_memory(plan, on_progress)
        plan.check_named()
        return _run_in_folder(plan, out, on_progress)


def _run_in_memory(plan: Plan, on_progress: OnProgress | None) -> SweepResult:
    meter = _Meter(len(plan.runs), on_progress)
    todo = [(plan.runs.start, plan.runs.stop)]
    columns = _joined([chunk for _, _, chunk in _train(plan, todo, meter)])
    return SweepResult(RunTable(plan.identity(), columns), meter.timing())


def _run_in_folder(
    plan: Plan, out: str | PathLike[str], on_progress: OnProgress | None
) -> SweepResult:
    with SweepFolder.open_for_writing(out, plan.identity(), environment()) as folder:
        intact, damaged = folder.survey()
        for fault in damaged:
            warnings.warn(
                f"{fault.path} is damaged and computed again: {fault.reason}", stacklevel=4
            )
        meter = _Meter(len(plan.runs), on_progress)
        for chunk in intact:
            meter.add(folder.read_chunk(chunk.path)["status"])
        todo = missing_ranges(intact, plan.runs.start, plan.runs.stop)
        for start, stop, columns in _train(plan, todo, meter):
            folder.publish_chunk(start, stop, columns)
        folder.remove_damaged(damaged)
        timing = meter.timing() if todo else recorded_timing(folder.path)
        result = SweepResult(read_runs(out), timing)
        folder.write_summary(result.summary())
    return result


def default_folder(plan: Plan) -> str:
    """Return the folder for a sweep that was not given one; the same sweep resumes there."""
    return f"results/{plan.tasks[0].name}-{fingerprint(plan.identity())[:8]}"


def environment() -> dict[str, Any]:
    """Return what is recorded with every result: versions and devices."""
    packages = ("jax", "jaxlib", "optax", "numpy", "scipy")
    return {
        "versions": {"bpjax": __version__} | {package: version(package) for package in packages},
        "device_kind": device_kind(),
        "num_devices": jax.local_device_count(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def _train(
    plan: Plan, todo: Sequence[tuple[int, int]], meter: "_Meter"
) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    mesh = lane_mesh()
    runs_per_block = plan.block_size * mesh.size
    for group in plan.groups():
        trainer = _Trainer(plan, group, mesh, meter)
        for first, last in todo:
            first, last = max(first, group.start), min(last, group.stop)
            done, start, began = [], first, time.perf_counter()
            for k in range(first, last, runs_per_block):
                stop = min(k + runs_per_block, last)
                done.append(trainer.train(np.arange(k, stop)))
                if stop == last or time.perf_counter() - began > SECONDS_PER_CHUNK:
                    yield start, stop, _joined(done)
                    done, start, began = [], stop, time.perf_counter()


def _joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class _Trainer:
    """Trains blocks of one group, and learns how many epochs fit into one call."""

    def __init__(self, plan: Plan, group: Group, mesh: Mesh, meter: "_Meter"):
        self.plan, self.group, self.mesh, self.meter = plan, group, mesh, meter
        self.stride = 0  # The first call makes no epoch: it compiles.

    def train(self, runs: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns of `runs`, which must fit into one block."""
        began = time.perf_counter()
        block = Block(self.plan, self.group, self.mesh, runs)
        while True:
            block.advance(self.stride)
            status, epochs = block.of_runs(block.state.status), block.of_runs(block.state.epoch)
            self._after_call(time.perf_counter() - began)
            self.meter.show(status, epochs)
            if not np.any(status == Status.RUNNING):
                break
            began = time.perf_counter()
        self.meter.end_block(status, epochs)
        return block.columns()

    def _after_call(self, seconds: float) -> None:
        if self.stride == 0:
            self.meter.compile_seconds += seconds
            self.stride = 16
        else:
            self.meter.run_seconds += seconds
            # Epochs get cheaper as lanes end: grow carefully, shrink at once, stay an int32.
            largest = min(4 * self.stride, self.group.task.recipe.max_epochs + 1)
            self.stride = int(np.clip(self.stride * SECONDS_PER_CALL / seconds, 1, largest))


class _Meter:
    """Counts what has been done, and tells whoever wants to know."""

    def __init__(self, num_runs: int, on_progress: OnProgress | None):
        self.num_runs, self.on_progress = num_runs, on_progress
        self.runs_done = self.converged = self.runs_made = self.seed_epochs = 0
        self.compile_seconds = self.run_seconds = 0.0

    def add(self, status: np.ndarray) -> None:
        """Count runs of an earlier session."""
        self.runs_done += len(status)
        self.converged += int(np.sum(status == Status.CONVERGED))

    def end_block(self, status: np.ndarray, epochs: np.ndarray) -> None:
        """Count the runs of a finished block."""
        self.add(status)
        self.runs_made += len(status)
        self.seed_epochs += int(np.sum(epochs, dtype=np.int64))

    def show(self, status: np.ndarray, epochs: np.ndarray) -> None:
        """Report progress with a block in flight."""
        if self.on_progress is None:
            return
        self.on_progress(
            Progress(
                self.runs_done + int(np.sum(status != Status.RUNNING)),
                self.num_runs,
                self.converged + int(np.sum(status == Status.CONVERGED)),
                self.runs_made + int(np.sum(status != Status.RUNNING)),
                self.seed_epochs + int(np.sum(epochs, dtype=np.int64)),
                self.run_seconds,
            )
        )

    def timing(self) -> Timing:
        """Return what this session took."""
        return Timing(self.compile_seconds, self.run_seconds, self.runs_made, self.seed_epochs)
