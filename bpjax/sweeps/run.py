"""The loop on the host: trains a plan chunk by chunk, stores, resumes, reports progress."""

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from os import PathLike
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from bpjax.numbers import whole_number
from bpjax.precision import FULL, precision_asked
from bpjax.status import Status
from bpjax.sweeps.crew import Crew, go_on
from bpjax.sweeps.devices import device_kind, lane_mesh, loops_are_one_function
from bpjax.sweeps.memory import check_rows
from bpjax.sweeps.plan import Group, Plan, make_plan
from bpjax.sweeps.roster import MOST_RUNS
from bpjax.sweeps.scheduler import Collected
from bpjax.sweeps.store import RunTable, SweepFolder, fingerprint, missing_ranges, read_runs
from bpjax.sweeps.summary import Timing, recorded_timing, summarize
from bpjax.task import Task
from bpjax.version import __version__

SECONDS_PER_CALL = 1.0
"""How long one call of the training program should take: the wait after Ctrl-C."""
SECONDS_PER_CHUNK = 10.0
"""How long a chunk begins new runs, at least: then its last runs end, and it is stored."""
LONGEST_CHUNK = 600.0
"""How long it does so at most; with the time that its last runs take, what a kill can cost."""
DRAIN = 20
"""In between, so many times as long as its last runs take, while lanes stay empty."""


class Progress(NamedTuple):
    """Where a sweep stands.

    Attributes:
      runs_done: runs that have ended, those of earlier sessions included.
      num_runs: runs in all.
      converged: how many of them converged.
      runs_made: runs that ended in this session.
      seed_epochs: epochs of the runs that ended in this session, all together.
      lane_epochs: epochs that all lanes made in this session, those of runs in training included.
      seconds: of this session, without compilation.
    """

    runs_done: int
    num_runs: int
    converged: int
    runs_made: int
    seed_epochs: int
    lane_epochs: int
    seconds: float


OnProgress = Callable[[Progress], None]


@dataclasses.dataclass(frozen=True, eq=False)
class SweepResult:
    """The outcome of every run of a sweep.

    Attributes:
      table: the identity of the sweep and one column per quantity: `seed`, `status`, `epochs`,
        `loss`, `held_out_right` where the task holds out cases (how many of them the run has
        right at its outcome), the settings of the grid, and `weights` where they were kept; with
        `summary_only` one row per kind of outcome, with its `count`.
      timing: seconds and work of the session that made the last runs; None if unknown.
      fallback: why the implementation is not the one that was asked for; None if it is.
    """

    table: RunTable
    timing: Timing | None
    fallback: str | None = None

    def __getitem__(self, column: str) -> np.ndarray:
        """Return a column of the per-run table, for example `result["epochs"]`."""
        return self.table.columns[column]

    def summary(self, level: float = 0.95) -> dict[str, Any]:
        """Return what `summary.json` holds; `level` is that of the intervals."""
        return summarize(self.table, self.timing, level) | {"fallback": self.fallback}


def sweep(
    task: Task | Sequence[Task],
    seeds: int,
    *,
    out: str | PathLike[str] | None = None,
    on_progress: OnProgress | None = None,
    num_devices: int | None = None,
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
      num_devices: use only the first so many local devices; the results are the same.
      **settings: arguments of `make_plan` (`first_seed`, `precision`, `implementation`,
        `block_size`, `keep_weights`, `summary_only`, `shard`)
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
    return run_plan(make_plan(task, seeds, **settings), out, on_progress, num_devices)


def run_plan(
    plan: Plan,
    out: str | PathLike[str] | None = None,
    on_progress: OnProgress | None = None,
    num_devices: int | None = None,
    check: Callable[[], None] = go_on,
) -> SweepResult:
    """Train what is missing of a plan.

    Arguments and result as for `sweep`; `check` is called now and then while the devices are
    awaited, and may raise to stop.
    """
    if num_devices is not None:
        whole_number("num_devices", num_devices, 1, jax.local_device_count())
    check_rows(plan)
    mesh, meter = lane_mesh(num_devices), _Meter(len(plan.runs), on_progress, check)
    with jax.enable_x64(plan.precision == "float64"):
        if out is None:
            return _run_in_memory(plan, mesh, meter)
        plan.check_named()
        return _run_in_folder(plan, out, mesh, meter)


def _run_in_memory(plan: Plan, mesh: Mesh, meter: "_Meter") -> SweepResult:
    todo = [(plan.runs.start, plan.runs.stop)]
    columns = _joined([chunk for _, _, chunk in _train(plan, todo, mesh, meter)])
    return SweepResult(RunTable(plan.identity(), columns), meter.timing(), plan.fallback)


def _run_in_folder(
    plan: Plan, out: str | PathLike[str], mesh: Mesh, meter: "_Meter"
) -> SweepResult:
    recorded = environment(mesh.size, plan.fallback)
    with SweepFolder.open_for_writing(out, plan.identity(), recorded) as folder:
        intact, damaged = folder.survey()
        for fault in damaged:
            warnings.warn(
                f"{fault.path} is damaged and computed again: {fault.reason}", stacklevel=4
            )
        for chunk in intact:
            meter.add(folder.read_chunk(chunk.path))
        todo = missing_ranges(intact, plan.runs.start, plan.runs.stop)
        for start, stop, columns in _train(plan, todo, mesh, meter):
            folder.publish_chunk(start, stop, columns)
        folder.remove_damaged(damaged)
        timing = meter.timing() if todo else recorded_timing(folder.path)
        result = SweepResult(read_runs(out), timing, plan.fallback)
        folder.write_summary(result.summary())
    return result


def default_folder(plan: Plan) -> str:
    """Return the folder for a sweep that was not given one; the same sweep resumes there."""
    return f"results/{plan.tasks[0].name}-{fingerprint(plan.identity())[:8]}"


def environment(num_devices: int | None = None, fallback: str | None = None) -> dict[str, Any]:
    """Return what is recorded with every result: versions and devices (all, unless told).

    Args:
      num_devices: how many were used.
      fallback: as in `Plan`.
    """
    packages = ("jax", "jaxlib", "optax", "numpy", "scipy")
    return {
        "versions": {"bpjax": __version__} | {package: version(package) for package in packages},
        "device_kind": device_kind(),
        "num_devices": num_devices or jax.local_device_count(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "matmul_precision": precision_asked() or FULL,
        "loops_are_one_function": loops_are_one_function(),
        **({"fallback": fallback} if fallback else {}),
    }


def _train(
    plan: Plan, todo: Sequence[tuple[int, int]], mesh: Mesh, meter: "_Meter"
) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    for group in plan.groups():
        crew = None
        for first, last in _parts(plan, group, todo):
            if crew is None:
                crew = Crew(plan, group, mesh, SECONDS_PER_CALL, meter.check)
            yield from _train_range(crew, first, last, meter)


def _parts(plan: Plan, group: Group, todo: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield what is to be done of a group; counts are kept cell by cell."""
    length = plan.num_seeds if plan.summary_only else plan.num_runs
    for first, last in todo:
        first, last = max(first, group.start), min(last, group.stop)
        while first < last:
            stop = min(last, (first // length + 1) * length)
            yield first, stop
            first = stop


def _train_range(
    crew: Crew, first: int, last: int, meter: "_Meter"
) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    """Train runs chunk by chunk: begin new ones for some time, let all end, hand them out."""
    patience = SECONDS_PER_CHUNK
    while first < last:
        crew.begin(first, min(last, first + (MOST_RUNS if crew.plan.refill else crew.capacity)))
        spent, spent_when_closed = 0.0, None
        while not crew.all_ended:
            meter.after_call(crew, crew.advance())
            spent += crew.seconds if crew.calls > 1 else 0.0  # the first call compiles
            if spent_when_closed is None and crew.num_begun and spent >= patience:
                crew.close()
                spent_when_closed = spent
        if spent_when_closed is not None:
            # While the last runs of a chunk end, lanes stay empty: that should be a small part.
            patience = max(SECONDS_PER_CHUNK, DRAIN * (spent - spent_when_closed))
            patience = min(patience, LONGEST_CHUNK)
        yield first, crew.stop, crew.columns()
        first = crew.stop


def _joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class _Meter:
    """Counts what has been done, and tells whoever wants to know."""

    def __init__(self, num_runs: int, on_progress: OnProgress | None, check: Callable[[], None]):
        self.num_runs, self.on_progress, self.check = num_runs, on_progress, check
        self.runs_done = self.converged = self.runs_made = 0
        self.seed_epochs = self.lane_epochs = 0
        self.compile_seconds = self.run_seconds = 0.0

    def add(self, columns: Mapping[str, np.ndarray]) -> None:
        """Count runs of an earlier session."""
        count = columns.get("count", np.ones(len(columns["status"]), np.int64))
        self.runs_done += int(count.sum())
        self.converged += int(count[columns["status"] == Status.CONVERGED].sum())

    def after_call(self, crew: Crew, done: Collected) -> None:
        """Count what a call of the training program did, and report progress."""
        if crew.calls == 1:
            self.compile_seconds += crew.seconds
        else:
            self.run_seconds += crew.seconds
        self.add(done.columns)
        count = done.columns.get("count", 1)
        self.runs_made += done.num_ended
        self.seed_epochs += int(np.sum(done.columns["epochs"] * count, dtype=np.int64))
        self.lane_epochs += done.lane_epochs
        if self.on_progress is not None:
            ended = self.runs_done, self.num_runs, self.converged, self.runs_made
            epochs = self.seed_epochs, self.lane_epochs
            self.on_progress(Progress(*ended, *epochs, self.run_seconds))

    def timing(self) -> Timing:
        """Return what this session took."""
        occupancy = self.seed_epochs / self.lane_epochs if self.lane_epochs else None
        return Timing(
            self.compile_seconds, self.run_seconds, self.runs_made, self.seed_epochs, occupancy
        )
