"""Laying out a sweep: every setting checked, in words of its own, before anything long begins."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import jax
import numpy as np

from bpjax.epoch import Settings, program_of, settings_of
from bpjax.errors import SettingError
from bpjax.keywords import GridSettings
from bpjax.layouts import AUTO, IMPLEMENTATIONS
from bpjax.layouts.choose import choose
from bpjax.learning import as_spelled, ignores_momentum
from bpjax.numbers import whole_number
from bpjax.results.chunks import Ranges, as_ranges, num_runs_of, union
from bpjax.results.schema import LARGEST_GRID, MOST_RANGES
from bpjax.starts.given import Start
from bpjax.starts.initial import NUM_SEEDS_THERE_ARE, Initializer, Strategy
from bpjax.sweeps.memory import check_sizes
from bpjax.sweeps.plan import Cell, Plan, Shard, as_told
from bpjax.task import CRITERION_SETTINGS, Task, is_grid
from bpjax.tasks import make_task

BLOCK_SIZES = {"small": 128, "large": 64}
"""Runs per CPU device and block: what its nearest caches hold.

Part of a sweep's identity: another shape gives other last bits.
"""
LARGEST_SMALL = 256
"""Parameters of the largest net of which a CPU trains 128 at a time: beyond it 64 are faster."""

ACCELERATOR_BLOCKS = 2**10, 2**20
"""Runs per block of an accelerator, the least and the most. A GPU trains about 100,000 of the
smallest nets at one time (the registers of an H100, counted): a block is several times as many, so
that few of its processors wait for the last. Not measured."""
ACCELERATOR_BYTES = 2**32
"""What a block may take there, about, with the activations of all its cases."""

LARGEST_HISTOGRAM = 10_000_000
"""Epochs of the cap up to which outcomes are counted on the device, epoch by epoch."""

PRECISIONS = ("float32", "float64")

Seeds = int | range | np.ndarray | Sequence[int | range]
"""How many seeds, or which: a range, an array, a list."""


def make_plan(
    task: Task | str | Sequence[Task | str],
    seeds: Seeds,
    *,
    first_seed: int | None = None,
    precision: str = "float32",
    implementation: str = AUTO,
    block_size: int | None = None,
    keep_weights: bool = False,
    summary_only: bool = False,
    refill: bool = True,
    shard: tuple[int, int] | None = None,
    zipped: bool = False,
    **settings: Unpack[GridSettings],
) -> Plan:
    """Lay out a sweep, checking every setting before anything long begins.

    Args:
      task: one task, its name, or several variants of one that differ in their options.
      seeds: for every cell of the grid, a number of them; or a range, an array or a list that names
        them, in any order. A list may hold ranges too.
      first_seed: the first of a number of seeds, 0 unless told; all must lie below 2**32.
      precision: "float32" or "float64".
      implementation: "matrix" serves every net, "unrolled" only small ones and is faster for the
        smallest; "auto" takes it for nets with which it was measured to be, on a CPU. "fused"
        is "unrolled" as one kernel for Hopper GPUs and newer ones, still smaller nets only; until
        it has been measured "auto" does not take it. "batched" serves every net too, by products
        of matrices for all cases at once: what "auto" takes on a GPU for all but the smallest nets,
        and on a CPU where a connection has many weights. One that cannot serve the sweep gives way
        to what "auto" takes, and the plan's `fallback` says why.
      block_size: runs per device and block, at least 1; None takes one that was measured to be good
        for the net on a CPU, or one that should be on an accelerator.
      keep_weights: keep the final weights of every run.
      summary_only: keep no row per run, only how many ended when and how: not what they answer to
        held-out cases. The points of a grid are then trained one after another.
      refill: give the lanes of ended runs to new ones at once; without, a block of runs waits for
        its last. The results are the same.
      shard: (i, n), the i-th of n parts, counted from 1.
      zipped: lists make points together, the first entries of all one point, the second ones the
        next: with as many variants of the task as entries, or with one.
      **settings: settings of `Task.with_settings`; a list makes a grid.

    Raises:
      SettingError: naming the setting, its rule and the value.

    Example:
      >>> from bpjax.tasks import xor
      >>> plan = make_plan(xor(), 100, learning_rate=[0.25, 0.5], momentum=0.8)
      >>> plan.num_runs, [cell.columns for cell in plan.cells]
      (200, [{'learning_rate': 0.25}, {'learning_rate': 0.5}])
      >>> make_plan(xor(), [7, 3, 4]).seeds
      ((3, 5), (7, 8))
    """
    named = seed_ranges(seeds, first_seed)
    _check_choice("precision", precision, PRECISIONS)
    _check_choice("implementation", implementation, IMPLEMENTATIONS)
    if block_size is not None:
        block_size = whole_number("block_size", block_size, 1, 2**20)

    single: Any = {name: value for name, value in settings.items() if not is_grid(value)}
    grid = {name: _values(name, value) for name, value in settings.items() if is_grid(value)}
    given = (task,) if isinstance(task, Task | str) else tuple(task)
    variants = tuple(make_task(each) if isinstance(each, str) else each for each in given)
    _check_grid(grid, zipped)
    points = None
    if zipped:
        variants, points = _zipped(variants, grid)
        points = points if len(points) > 1 else None  # of one point no list needs another
    _check_variants(variants)
    combinations = len(variants) * math.prod(len(values) for values in grid.values())
    _check_points(combinations if points is None else len(points))
    tasks = tuple(variant.with_settings(**single) for variant in variants)
    cells = _cells(tasks, grid, points, precision)
    _check_used(settings, cells)
    for cell in cells:
        _check_precision(cell.task, precision)
        _check_seeds(cell.task, named)
    _check_summary_only(summary_only, keep_weights, cells)
    if keep_weights and len({cell.task.network for cell in cells}) > 1:
        raise SettingError("keep_weights", "needs one network for all runs", keep_weights)
    _check_ranges(len(named), len(cells))
    _check_shard(shard, len(cells) * num_runs_of(as_ranges(named)))
    programs = [(program_of(cell.task, precision), cell.task.num_cases) for cell in cells]
    implementation, fallback = choose(implementation, programs, _platform())
    plan = Plan(
        tasks=tasks,
        grid=grid,
        points=points,
        cells=cells,
        seeds=named,
        precision=precision,  # type: ignore[arg-type]
        implementation=implementation,
        fallback=fallback,
        block_size=block_size or good_block_size(cells, _platform() == "cpu"),
        block_size_asked=block_size is not None,
        keep_weights=keep_weights,
        summary_only=summary_only,
        refill=refill,
        shard=None if shard is None else Shard(*shard),
    )
    check_sizes(plan)
    return plan


def with_seeds(plan: Plan, seeds: Seeds, first_seed: int | None = None) -> Plan:
    """Return the plan of the same sweep with other seeds; arguments and errors as of `make_plan`.

    It is trained by the program that is compiled already, and every run of both has the same bits.
    """
    named = seed_ranges(seeds, first_seed)
    for cell in plan.cells:
        _check_seeds(cell.task, named)
    _check_ranges(len(named), len(plan.cells))
    if plan.shard is not None:
        shard = plan.shard.index, plan.shard.count
        _check_shard(shard, len(plan.cells) * num_runs_of(as_ranges(named)))
    return dataclasses.replace(plan, seeds=named)


def seed_ranges(seeds: Seeds, first_seed: int | None = None) -> tuple[tuple[int, int], ...]:
    """Return seeds as ranges (first, stop) in order, with gaps between them.

    Args:
      seeds: how many, or which; as of `make_plan`.
      first_seed: the first, of a number of them.

    Raises:
      SettingError: for none, for one that is named twice, and for what is no seed.

    Example:
      >>> seed_ranges(100, 50), seed_ranges(range(10, 12)), seed_ranges(np.array([9, 2, 3]))
      (((50, 150),), ((10, 12),), ((2, 4), (9, 10)))
      >>> seed_ranges([range(100), range(200, 300), 7_000])
      ((0, 100), (200, 300), (7000, 7001))
    """
    if not isinstance(seeds, range | list | tuple | np.ndarray):
        number = whole_number("seeds", seeds, 1, NUM_SEEDS_THERE_ARE)
        first = whole_number("first_seed", first_seed or 0, 0, NUM_SEEDS_THERE_ARE - 1)
        return ((first, first + number),)
    if first_seed is not None:
        raise SettingError("first_seed", "must go with a number of seeds", first_seed)
    groups = [seeds] if isinstance(seeds, range | np.ndarray) else list(seeds)
    ranges = [each for each in groups if isinstance(each, range | np.ndarray)]
    singly = [each for each in groups if not isinstance(each, range | np.ndarray)]
    pairs = np.concatenate([_pairs(each) for each in (*ranges, singly)])
    if not len(pairs):
        raise SettingError("seeds", "must be at least one", list(seeds))
    pairs = pairs[np.argsort(pairs[:, 0])]
    for each in pairs[1:, 0][pairs[1:, 0] < pairs[:-1, 1]][:1].tolist():
        raise SettingError("seeds", "must not name a seed twice", each)
    return tuple((first, stop) for first, stop in union(pairs).tolist())


def _pairs(seeds: range | np.ndarray | list[Any]) -> Ranges:
    """Return seeds as ranges, once each is known to be one."""
    whole = isinstance(seeds, np.ndarray) and seeds.dtype.kind in "iu" and seeds.ndim == 1
    if isinstance(seeds, np.ndarray):
        checked = (
            [seeds.min().item(), seeds.max().item()] if whole and len(seeds) else seeds.tolist()
        )
    else:
        checked = [min(seeds), max(seeds)] if isinstance(seeds, range) and seeds else list(seeds)
    for each in checked:
        whole_number("seeds", each, 0, NUM_SEEDS_THERE_ARE - 1)
    if isinstance(seeds, range) and abs(seeds.step) == 1 and len(seeds):  # of any length
        return as_ranges([(min(seeds), max(seeds) + 1)])
    first = np.asarray(seeds, np.int64)
    return np.stack([first, first + 1], axis=1)


RESERVED = ("seed", "status", "epochs", "loss", "held_out_right", "count", "weights")
"""Columns that every table of runs, or of counts, has of itself."""


def _zipped(
    variants: tuple[Task, ...], grid: Mapping[str, tuple[Any, ...]]
) -> tuple[tuple[Task, ...], tuple[int, ...]]:
    """Return the different variants of a task, and which of them each point is of.

    Raises:
      SettingError: for lists of several lengths, and for a point that is there twice.
    """
    lengths = {name: len(values) for name, values in grid.items()}
    if len(variants) != 1:
        lengths["task"] = len(variants)
    if len({*lengths.values()}) > 1:
        raise SettingError("zipped", "must have lists of one length", lengths)
    number = next(iter(lengths.values()), 1)
    _check_points(number)
    different: list[Task] = []
    points = []
    for variant in variants * (number if len(variants) == 1 else 1):
        which = next((k for k, task in enumerate(different) if _is_same(task, variant)), None)
        points.append(len(different) if which is None else which)
        if which is None:
            different.append(variant)
    rows: dict[Any, int] = {}
    for k, point in enumerate(points):
        first = rows.setdefault((point, *(values[k] for values in grid.values())), k)
        if first < k:
            rule = "must not have a point twice"
            raise SettingError("zipped", rule, f"points {first + 1} and {k + 1}")
    return tuple(different), tuple(points)


def _is_same(one: Task, other: Task) -> bool:
    """Tell whether two variants are the same; one with other options is told apart quickly."""
    if one is other or one.options != other.options:
        return one is other
    return one.describe(lasting=False) == other.describe(lasting=False)


def _cells(
    tasks: tuple[Task, ...],
    grid: Mapping[str, tuple[Any, ...]],
    points: tuple[int, ...] | None,
    precision: str,
) -> tuple[Cell, ...]:
    varied = [
        name for name in tasks[0].options if len({task.options.get(name) for task in tasks}) > 1
    ]
    for name in varied:
        if name in RESERVED:
            rule = "must be the same in all variants: the table has a column of that name"
            raise SettingError(name, rule, [task.options.get(name) for task in tasks])
    settings = [task.setting(precision, lasting=False) for task in tasks]
    words = [as_told(name, values, settings) for name, values in grid.items()]
    numbers = [range(len(values)) for values in grid.values()]
    if points is None:
        places = itertools.product(range(len(tasks)), itertools.product(*numbers))
    else:
        places = ((variant, (k,) * len(grid)) for k, variant in enumerate(points))  # type: ignore[assignment]
    cells = []
    for variant, place in places:
        task = tasks[variant]
        options = {name: task.options.get(name) for name in varied}
        point = {name: grid[name][k] for name, k in zip(grid, place, strict=True)}
        columns = {name: told[k] for name, told, k in zip(grid, words, place, strict=True)}
        cells.append(Cell(task.with_settings(**point), options | columns))
    return tuple(cells)


def _values(name: str, grid: Any) -> tuple[Any, ...]:
    """Return the values of a grid as Python's own numbers, which JSON and tables can hold."""
    values = (value.item() if isinstance(value, np.generic) else value for value in grid)
    return tuple(map(as_spelled, values) if name == "optimizer" else values)


def _platform() -> str:
    return jax.local_devices()[0].platform


def good_block_size(cells: Sequence[Cell], on_cpu: bool) -> int:
    """Return how many runs a block has unless told otherwise, on a CPU or on an accelerator."""
    if on_cpu:
        largest = max(cell.task.network.num_parameters for cell in cells)
        return BLOCK_SIZES["small" if largest <= LARGEST_SMALL else "large"]
    most = ACCELERATOR_BYTES // max(_bytes_of_a_run(cell.task) for cell in cells)
    return int(np.clip(2 ** int(math.log2(max(most, 1))), *ACCELERATOR_BLOCKS))


def _bytes_of_a_run(task: Task) -> int:
    """Return about what a run takes: parameters, memory, gradient; four numbers per unit and case.

    Example:
      >>> from bpjax.tasks import xor
      >>> _bytes_of_a_run(xor())
      300
    """
    units = sum(layer.size for layer in task.network.computed_layers)
    return 4 * (3 * task.network.num_parameters + 4 * task.num_cases * units)


def _check_precision(task: Task, precision: str) -> None:
    """Raise SettingError for a number that `precision` would turn into infinity or zero."""
    if type(given := task.recipe.initializer) is Start:
        largest = float(np.max(np.abs(given.rows(task.network))))
        if largest > float(np.finfo(precision).max):
            raise SettingError("start", f"must be within the range of {precision}", largest)
    with np.errstate(over="ignore", under="ignore"):
        rounded = settings_of(task, precision)
        cases = {field: getattr(task, field).astype(precision) for field in ("inputs", "targets")}
    for field, table in cases.items():
        for case, column in np.argwhere(~np.isfinite(table))[:1].tolist():
            rule = (
                f"must be within the range of {precision}, and case {case}, column {column} is not"
            )
            raise SettingError(field, rule, getattr(task, field)[case, column].item())
    exact = settings_of(task, "float64")
    for name, ours, theirs in zip(Settings._fields, rounded, exact, strict=True):
        lost = ~np.isfinite(ours) | ((np.asarray(ours) == 0) & (np.asarray(theirs) != 0))
        if np.any(lost):
            thresholds = {kind: setting for setting, kind in CRITERION_SETTINGS.items()}
            setting = thresholds[task.criterion.kind] if name == "threshold" else name
            value = np.asarray(theirs)[lost].item(0)
            raise SettingError(setting, f"must be within the range of {precision}", value)


def _check_seeds(task: Task, seeds: tuple[tuple[int, int], ...]) -> None:
    """Raise SettingError unless all seeds name runs of the task: on a plane, one per pixel."""
    there_are, (first, stop) = task.recipe.initializer.num_seeds, (seeds[0][0], seeds[-1][1])
    if stop > there_are:
        last = "2**32 - 1" if there_are == NUM_SEEDS_THERE_ARE else f"{there_are - 1}"
        if len(seeds) == 1:
            rule = f"must keep all seeds at or below {last} with first_seed {first}"
            raise SettingError("seeds", rule, stop - first)
        raise SettingError("seeds", f"must be at or below {last}", stop - 1)


def check_seed(seed: Any, task: Task | None = None) -> None:
    """Raise SettingError unless `seed` names a run (of a task): a whole number below 2**32."""
    there_are = NUM_SEEDS_THERE_ARE if task is None else task.recipe.initializer.num_seeds
    whole_number("seed", seed, 0, there_are - 1)


def _check_choice(setting: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise SettingError(setting, f"must be one of {', '.join(choices)}", value, choices)


def _check_variants(tasks: tuple[Task, ...]) -> None:
    options = [dict(task.options) for task in tasks]
    if not tasks:
        raise SettingError("task", "must be a task, or at least one variant of it", options)
    if len({(task.name, *task.options) for task in tasks}) > 1:
        names = [task.name for task in tasks]
        raise SettingError("task", "must be variants of one task, with the same options", names)
    if any(options[k] in options[:k] for k in range(len(tasks))):
        raise SettingError("task", "must be variants that differ in their options", options)


def _check_grid(grid: Mapping[str, tuple[Any, ...]], zipped: bool) -> None:
    for name, values in grid.items():
        if not values:
            raise SettingError(name, "must have at least one value", list(values))
        if len(set(values)) < len(values) and not zipped:
            raise SettingError(name, "must not have a value twice", list(values))
        if name == "max_epochs":
            raise SettingError(name, "must be one number for the whole sweep", list(values))
        if name == "loss":
            rule = "must be one for the whole sweep, whose column of that name has what it measures"
            raise SettingError(name, rule, list(values))


def _check_ranges(num_ranges: int, num_points: int) -> None:
    if num_ranges * num_points > MOST_RANGES:
        rule = f"must lie in at most {MOST_RANGES // num_points} ranges with this grid"
        raise SettingError("seeds", rule, num_ranges)


def _check_points(num_points: int) -> None:
    if num_points > LARGEST_GRID:
        raise SettingError("grid", f"must have at most {LARGEST_GRID} points", num_points)


def _check_summary_only(summary_only: bool, keep_weights: bool, cells: Sequence[Cell]) -> None:
    if not summary_only:
        return
    if keep_weights:
        raise SettingError("keep_weights", "cannot go with summary_only", keep_weights)
    for cell in cells:
        if cell.task.recipe.max_epochs > LARGEST_HISTOGRAM:
            rule = f"must be at most {LARGEST_HISTOGRAM} with summary_only"
            raise SettingError("max_epochs", rule, cell.task.recipe.max_epochs)


def _check_used(settings: Mapping[str, Any], cells: Sequence[Cell]) -> None:
    """Raise SettingError for a number that was asked for and that no run of the sweep takes."""
    optimizers = [cell.task.recipe.optimizer for cell in cells]
    initializers = [cell.task.recipe.initializer for cell in cells]
    if "momentum" in settings and all(map(ignores_momentum, optimizers)):
        rule = f"must be left out where the optimizer is {_words_of(optimizers)}: it takes none"
        raise SettingError("momentum", rule, settings["momentum"])
    if "learning_rate" in settings and not any(isinstance(each, str) for each in optimizers):
        rule = "must be left out where the optimizer is a transformation: that has its own"
        raise SettingError("learning_rate", rule, settings["learning_rate"])
    if "init_range" in settings and not any(map(_uses_range, initializers)):
        drawn = [each.distribution for each in initializers if isinstance(each, Initializer)]
        where = f"the distribution is {' or '.join(dict.fromkeys(drawn))}: it takes none"
        rule = f"must be left out where {where if drawn else 'runs start at given weights'}"
        raise SettingError("init_range", rule, settings["init_range"])


def _uses_range(initializer: Strategy) -> bool:
    """Tell whether the range means something to an initialiser; a user's may always take it."""
    return getattr(initializer, "uses_range", True)


def _words_of(optimizers: Sequence[Any]) -> str:
    words = [each if isinstance(each, str) else "a transformation" for each in optimizers]
    return " or ".join(dict.fromkeys(words))


def _check_shard(shard: tuple[int, int] | None, num_runs: int) -> None:
    if shard is None:
        return
    index, count = shard
    text = f"{index}/{count}"
    if not 1 <= index <= count:
        raise SettingError("shard", "must be i/n with 1 <= i <= n", text)
    if count > num_runs:
        raise SettingError("shard", f"must not split {num_runs} runs into more parts", text)
