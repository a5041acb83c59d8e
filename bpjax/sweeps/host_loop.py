"""The loop on the host: trains a plan, stores what has ended, resumes, reports progress."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from os import PathLike
from typing import Any, NamedTuple, Unpack

import jax
import numpy as np
from jax.sharding import Mesh

from bpjax.errors import ResultsError
from bpjax.keywords import SweepSettings, check_names
from bpjax.numbers import whole_number
from bpjax.precision import FULL
from bpjax.progress import Line, watching
from bpjax.results.chunks import (
    Content,
    Ranges,
    as_ranges,
    both,
    num_runs_of,
    ranges_at_places,
    within,
    without,
)
from bpjax.results.extent import grown, of_seeds, refuse_parted, runs_of
from bpjax.results.identity import differences, fingerprint, what
from bpjax.results.schema import PER_POINT
from bpjax.results.store import (
    RunTable,
    SweepFolder,
    contents_of,
    part_of,
    read_runs,
    table_of,
)
from bpjax.results.summary import Timing, recorded_timing
from bpjax.status import Status
from bpjax.surroundings import pinned, recorded
from bpjax.sweeps.collected import Collected
from bpjax.sweeps.crew import Crew, go_on
from bpjax.sweeps.devices import device_kind, lane_mesh, loops_are_one_function
from bpjax.sweeps.memory import check_rows
from bpjax.sweeps.plan import Plan
from bpjax.sweeps.planning import Seeds, make_plan
from bpjax.sweeps.result import SweepResult
from bpjax.task import Task
from bpjax.text import duration, rounded
from bpjax.version import __version__

SECONDS_PER_CALL = 1.0
"""How long one call of the training program should take: the wait after Ctrl-C."""
SECONDS_PER_CHUNK = 10.0
"""How often what has ended is stored: with a call, and what runs in training had done, all that a
kill can cost."""


class Progress(NamedTuple):
    """Where a sweep stands.

    Attributes:
      done: runs that have ended, those of earlier sessions included.
      total: runs in all.
      converged: how many of them converged.
      runs_made: runs that ended in this session.
      seed_epochs: epochs of the runs that ended in this session, all together.
      lane_epochs: epochs that all lanes made in this session, those of runs in training included.
      seconds: of this session, without compilation.
    """

    done: int
    total: int
    converged: int
    runs_made: int
    seed_epochs: int
    lane_epochs: int
    seconds: float

    def line(self) -> Line:
        """Return what a line of progress says of it."""
        rest = []
        if self.done >= self.total:
            rest.append(f"in {duration(self.seconds)}")
        elif self.runs_made and self.seconds > 0.5:
            left = self.seconds * (self.total - self.done) / self.runs_made
            rest.append(f"{duration(left, decimals=0)} left")
        if self.done:
            rest.append(f"{self.converged / self.done:.1%} solved")
        if self.seconds:
            rest.append(f"{rounded(self.lane_epochs / self.seconds)} seed-epochs/s")
        return Line(self.done, self.total, "{} of {} runs", tuple(rest))


OnProgress = Callable[[Progress], object]
Keep = Callable[[Content], Any]


def sweep(
    task: Task | str | Sequence[Task | str],
    seeds: Seeds,
    *,
    out: str | PathLike[str] | None = None,
    progress: bool | OnProgress | None = None,
    num_devices: int | None = None,
    **settings: Unpack[SweepSettings],
) -> SweepResult:
    """Train many runs of a task, one per seed and point of the grid, to their outcomes.

    Runs that had been stored in `out` by the same sweep are not trained again; more seeds, or
    others, are added to those that are there. All local devices are used; see
    `bpjax.use_all_cpu_cores` for a CPU.

    Args:
      task: one task, its name, or several variants of one.
      seeds: for every point of the grid, a number of seeds; or a range, a list or an array of them.
      out: results folder; None keeps results in memory only.
      progress: None shows a line of progress where a terminal or a notebook is attached, True
        everywhere, False nowhere. A function is called with `Progress` after every call of the
        training program; what it raises stops the sweep, and runs that have ended are in `out`
        then.
      num_devices: use only the first so many local devices; the results are the same.
      **settings: arguments of `make_plan` (`first_seed`, `precision`, `implementation`,
        `block_size`, `keep_weights`, `summary_only`, `shard`)
        and settings of the recipe or criterion (`learning_rate`, `tolerance`); a list makes a grid.

    Returns:
      Per-run arrays and their summary: of the seeds asked for, whatever else `out` holds.

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
    check_names(settings, SweepSettings, sweep)
    with watching(progress) as on_progress:
        return run_plan(make_plan(task, seeds, **settings), out, on_progress, num_devices)


def run_plan(
    plan: Plan,
    out: str | PathLike[str] | None = None,
    on_progress: OnProgress | None = None,
    num_devices: int | None = None,
    check: Callable[[], None] = go_on,
    only_damaged: bool = False,
    command: str = "",
    known: RunTable | None = None,
) -> SweepResult:
    """Train what is missing of a plan.

    Arguments and result as for `sweep`; `on_progress` is called after every call of the training
    program, `check` now and then while the devices are awaited, and may raise to stop. With
    `only_damaged` just the runs that damaged chunks of `out` held are trained, and the result has
    those that are there then. `command` is recorded as what began the folder. `known` are runs of
    the same sweep that need not be trained, where there is no `out`.
    """
    if num_devices is not None:
        whole_number("num_devices", num_devices, 1, jax.local_device_count())
    check_rows(plan)
    mesh, meter = lane_mesh(num_devices), _Meter(on_progress, check)
    with pinned(plan.precision):
        if out is None:
            return _run_in_memory(plan, mesh, meter, known)
        plan.check_columns()
        made_by = environment(mesh.size, plan, command)
        return _run_in_folder(plan, out, mesh, meter, made_by, only_damaged)


def _run_in_memory(plan: Plan, mesh: Mesh, meter: "_Meter", known: RunTable | None) -> SweepResult:
    identity, parts = plan.identity(lasting=False), []
    if known is not None:
        if changes := "; ".join(differences(what(known.identity), what(identity))):
            raise ResultsError(f"the known runs are of another sweep: {changes}.")
        parts = _wanted_of(contents_of(known), plan.runs)
    todo = meter.begin(plan.runs, parts)
    _train(plan, [todo], mesh, meter, parts.append)
    return SweepResult(table_of(identity, parts), meter.timing(), plan.fallback)


def _wanted_of(contents: Sequence[Content], runs: Ranges) -> list[Content]:
    parts = (part_of(content, runs) for content in contents)
    return [part for part in parts if part is not None]


def _run_in_folder(
    plan: Plan,
    out: str | PathLike[str],
    mesh: Mesh,
    meter: "_Meter",
    made_by: Mapping[str, Any],
    only_damaged: bool,
) -> SweepResult:
    seeds = as_ranges(plan.seeds)
    with SweepFolder.open_for_writing(out, plan.identity(), made_by) as folder:
        intact, damaged = folder.survey()
        for fault in damaged:
            warnings.warn(
                f"{fault.path} is damaged and computed again: {fault.reason}", stacklevel=4
            )
        target = grown(folder.identity, seeds)
        wanted = runs_of(of_seeds(target, seeds))
        if plan.summary_only:
            refuse_parted([chunk.runs for chunk in intact], wanted)
        folder.remove_repeated(damaged)
        stored = (folder.read_chunk(chunk.path) for chunk in intact)
        todo = meter.begin(wanted, (part_of(content, wanted) for content in stored))
        if only_damaged:
            bounds = as_ranges([(fault.start, fault.stop) for fault in damaged])
            todo = both(todo, bounds)
        # What the folder was to hold comes first, and shares no chunk with what is new: so counts
        # can be told apart, and until all is there the folder is what it was.
        stages = both(todo, folder.runs), without(todo, folder.runs)
        _train(plan, stages, mesh, meter, lambda content: folder.publish_chunk(*content))
        folder.remove_damaged(damaged)
        timing = meter.timing() if len(todo) else recorded_timing(folder)
        folder = folder.grow(target)
        table = read_runs(out, allow_partial=only_damaged, seeds=seeds)
        result = SweepResult(table, timing, plan.fallback)
        _sum_up(folder, result, bool(len(todo)))
    return result


def _sum_up(folder: SweepFolder, result: SweepResult, is_new: bool) -> None:
    """Write `summary.json` of all that a folder holds, once it is all there."""
    if num_runs_of(result.table.held) < num_runs_of(folder.runs):
        if not is_new and folder.read_summary() is not None:
            return
        table = read_runs(folder.path, allow_partial=True)
        result = SweepResult(table, result.timing, result.fallback)
    if not len(result.table.missing):
        folder.write_summary(result.summary())


def default_folder(plan: Plan) -> str:
    """Return the folder for a sweep that was not given one: the same sweep resumes and grows there.

    Each shard has its own.
    """
    shard = "" if plan.shard is None else f"-{plan.shard.index}-of-{plan.shard.count}"
    return f"results/{plan.tasks[0].name}-{fingerprint(plan.identity())[:8]}{shard}"


def environment(
    num_devices: int | None = None, plan: Plan | None = None, command: str = ""
) -> dict[str, Any]:
    """Return what is recorded with every result: versions and devices (all, unless told).

    Args:
      num_devices: how many were used.
      plan: what was trained, of which the texts and the fallback are recorded.
      command: what began it, where that is more than its identity tells.
    """
    packages = ("jax", "jaxlib", "optax", "numpy", "scipy")
    return {
        "versions": {"bpjax": __version__} | {package: version(package) for package in packages},
        "device_kind": device_kind(),
        "num_devices": num_devices or jax.local_device_count(),
        **{"matmul_precision": FULL, **recorded()},
        "loops_are_one_function": loops_are_one_function(),
        **({"fallback": plan.fallback} if plan and plan.fallback else {}),
        **({"task": _texts(plan.tasks[0])} if plan else {}),
        **({"command": command} if command else {}),
    }


def _texts(task: Task) -> dict[str, str]:
    return {"title": task.title, "source": task.source}


def _train(plan: Plan, stages: Iterable[Ranges], mesh: Mesh, meter: "_Meter", keep: Keep) -> None:
    """Train runs, and hand what has ended to `keep` now and then, and whenever it is left.

    Args:
      plan: the sweep.
      stages: the runs; those of two stages are never handed over together.
      mesh: the devices.
      meter: is told of every call.
      keep: may fail; then it is handed the same again on the way out.
    """
    crew, groups = None, plan.groups()
    for todo in stages:
        for group in groups:
            for part in _parts(plan, within(todo, group.start, group.stop)):
                if crew is None or crew.group is not group:
                    crew = Crew(plan, group, mesh, SECONDS_PER_CALL, meter.check)
                _train_part(crew, part, meter, keep)


def _parts(plan: Plan, todo: Ranges) -> Iterator[Ranges]:
    """Yield runs that may share a chunk: counts are kept cell by cell."""
    if not plan.summary_only:
        yield from [todo] if len(todo) else []
        return
    while len(todo):
        stop = (int(todo[0, 0]) // PER_POINT + 1) * PER_POINT
        yield within(todo, 0, stop)
        todo = within(todo, stop, len(plan.cells) * PER_POINT)


def _train_part(crew: Crew, todo: Ranges, meter: "_Meter", keep: Keep) -> None:
    kept = time.monotonic()
    try:
        while len(todo):
            crew.begin(ranges_at_places(todo[: crew.most_ranges], 0, crew.most_runs))
            while not crew.all_ended:
                meter.after_call(crew, crew.advance())
                if crew.num_unkept and time.monotonic() - kept >= SECONDS_PER_CHUNK:
                    _hand_over(crew, keep)
                    kept = time.monotonic()
            todo = without(todo, crew.runs)
    finally:
        if crew.num_unkept:
            _hand_over(crew, keep)


def _hand_over(crew: Crew, keep: Keep) -> None:
    keep(crew.ended())
    crew.forget()


class _Meter:
    """Counts what has been done, and tells whoever wants to know."""

    def __init__(self, on_progress: OnProgress | None, check: Callable[[], None]):
        self.on_progress, self.check = on_progress, check
        self.num_runs = self.runs_done = self.converged = self.runs_made = 0
        self.seed_epochs = self.lane_epochs = 0
        self.compile_seconds = self.run_seconds = 0.0

    def begin(self, runs: Ranges, stored: Iterable[Content | None]) -> Ranges:
        """Count what is there of some runs, and return the rest."""
        self.num_runs, held = num_runs_of(runs), [as_ranges([])]
        for content in filter(None, stored):
            self.add(content.columns)
            held.append(content.runs)
        return without(runs, np.concatenate(held))

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
