"""Which runs a sweep has: seeds times a grid of settings, numbered once and for all."""

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jaxlib
import numpy as np
import optax

from bpjax.brought import UNTOLD, Setting
from bpjax.epoch import Program, Settings, program_of, settings_of
from bpjax.errors import SettingError
from bpjax.params import parameter_names
from bpjax.results.chunks import Ranges, as_ranges, num_runs_of
from bpjax.results.extent import at_every_point, shard_of
from bpjax.results.schema import PER_POINT
from bpjax.surroundings import recorded
from bpjax.sweeps.devices import device_kind
from bpjax.task import Task
from bpjax.version import __version__


@dataclasses.dataclass(frozen=True)
class Shard:
    """One of several folders that share a sweep: the `index`-th of `count`, counted from 1."""

    index: int
    count: int


class Cell(NamedTuple):
    """One point of the grid: a task with its settings, and the columns that tell it apart."""

    task: Task
    columns: dict[str, Any]


class Group(NamedTuple):
    """Runs between `start` and `stop` that share a compiled program, the cases and the cap."""

    program: Program
    task: Task
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """All runs of a sweep, in order: the seeds of the first cell, then of the next.

    Their numbers are those of `bpjax.results.extent`. Made by `make_plan`. `seeds` are ranges
    (first, stop) in order, with gaps between them. `implementation` is the one that trains them;
    where another had been asked for, `fallback` says why it does not.
    """

    tasks: tuple[Task, ...]
    grid: Mapping[str, tuple[Any, ...]]
    points: tuple[int, ...] | None
    cells: tuple[Cell, ...]
    seeds: tuple[tuple[int, int], ...]
    precision: Literal["float32", "float64"]
    implementation: str
    fallback: str | None
    block_size: int
    block_size_asked: bool
    keep_weights: bool
    summary_only: bool
    refill: bool
    shard: Shard | None

    @property
    def first_seed(self) -> int:
        """The first of the seeds."""
        return self.seeds[0][0]

    @property
    def num_seeds(self) -> int:
        """Number of seeds, for every point of the grid."""
        return num_runs_of(as_ranges(self.seeds))

    @property
    def num_runs(self) -> int:
        """Number of runs, those of all shards together."""
        return len(self.cells) * self.num_seeds

    @property
    def runs(self) -> Ranges:
        """The runs of this shard: a contiguous part of all runs."""
        runs = at_every_point(as_ranges(self.seeds), len(self.cells))
        return runs if self.shard is None else shard_of(runs, self.shard.index, self.shard.count)

    @property
    def num_held_out(self) -> int:
        """Cases that a run holds out, the most of any: the column `held_out_right` counts them.

        0 where there is no such column: nothing is held out, or no row is kept per run.
        """
        return 0 if self.summary_only else max(task.num_held_out for task in self.tasks)

    def groups(self) -> list[Group]:
        """Return where the runs of each compiled program lie, those of all shards, in order."""
        decays = any(cell.task.recipe.decays for cell in self.cells)

        told: dict[Any, tuple[str, ...]] = {}  # once for all points of a grid that share a thing

        def shared(numbered_cell: tuple[int, Cell]) -> tuple[Program, bytes, bytes, int]:
            task, recipe = numbered_cell[1].task, numbered_cell[1].task.recipe
            setting = task.setting(self.precision, lasting=False)
            things = task.loss, recipe.initializer, recipe.optimizer
            if (key := (setting, *map(id, things))) not in told:
                told[key] = setting.brought(*things)
            program = program_of(task, self.precision, decays)
            program = dataclasses.replace(program, brought=told[key])
            return program, task.inputs.tobytes(), task.targets.tobytes(), recipe.max_epochs

        groups = []
        for (program, *_), same in itertools.groupby(enumerate(self.cells), shared):
            cells = list(same)
            start, stop = cells[0][0] * PER_POINT, (cells[-1][0] + 1) * PER_POINT
            groups.append(Group(program, cells[0][1].task, start, stop))
        return groups

    def seeds_of(self, runs: np.ndarray) -> np.ndarray:
        """Return the seeds of the given run numbers."""
        return (runs % PER_POINT).astype(np.uint32)

    def settings_of(self, runs: np.ndarray) -> Settings:
        """Return the settings of the given runs, the last axis; all must share one program."""
        first, last = runs.min() // PER_POINT, runs.max() // PER_POINT
        cells = [settings_of(cell.task, self.precision) for cell in self.cells[first : last + 1]]
        rows = [np.stack(column, axis=-1) for column in zip(*cells, strict=True)]
        which = runs // PER_POINT - first
        return Settings(*(column[..., which] for column in rows))  # type: ignore[arg-type]

    def columns_of(self, runs: np.ndarray) -> dict[str, np.ndarray]:
        """Return the grid settings of the given runs, one column per setting."""
        return {name: values[runs // PER_POINT] for name, values in self._by_cell.items()}

    @functools.cached_property
    def _by_cell(self) -> dict[str, np.ndarray]:
        # Made once for all blocks; all cells together, so that every chunk has the same types.
        names = self.cells[0].columns
        return {name: np.array([cell.columns[name] for cell in self.cells]) for name in names}

    def check_columns(self) -> None:
        """Raise SettingError if the settings of the grid cannot be columns of a file."""
        for name, values in self._by_cell.items():
            texts = values.tolist() if values.dtype.kind == "U" else []
            if values.dtype.kind not in "biufU" or not all(map(str.isprintable, texts)):
                rule = "must be numbers or printable text if results go to a folder"
                raise SettingError(name, rule, values[:3].tolist())

    def identity(self, lasting: bool = True) -> dict[str, Any]:
        """Return everything that defines the sweep's results, fit for JSON.

        Two sweeps with the same identity give the same bits, and those that differ by their seeds
        alone the same for every seed of both. The number of devices, the chunks and the time are
        not part of it.

        Args:
          lasting: whether results are kept under it; without, it need not tell what a user brings
            that cannot be told.

        Raises:
          SettingError: if a user's loss, initialiser, rule or unit has no program that could be
            told again, where it must.
        """
        described = [task.describe(self.precision, lasting) for task in self.tasks]
        settings = [task.setting(self.precision, lasting) for task in self.tasks]
        return {
            "task": described[0] if len(described) == 1 else described,
            "grid": {name: as_told(name, values, settings) for name, values in self.grid.items()},
            **({} if self.points is None else {"points": list(self.points)}),
            "columns": list(self.cells[0].columns),
            "seeds": [list(pair) for pair in self.seeds],
            "precision": self.precision,
            "implementation": self.implementation,
            "block_size": self.block_size,
            "rows": "counts" if self.summary_only else "runs",
            **({"num_held_out": self.num_held_out} if self.num_held_out else {}),
            "weight_names": parameter_names(self.tasks[0].network) if self.keep_weights else None,
            **recorded(),
            "bpjax": __version__,
            "jax": jax.__version__,
            "jaxlib": jaxlib.__version__,
            "optax": optax.__version__,
            "device_kind": device_kind(),
            "shard": None if self.shard is None else dataclasses.asdict(self.shard),
            "runs": None if self.shard is None else self.runs.tolist(),
        }


TOLD_BY = {name: name for name in ("initializer", "optimizer", "loss")} | dict.fromkeys(
    ("unit", "hidden_unit", "output_unit"), "unit"
)
"""By setting, what tells its values where they are objects: a method of `bpjax.brought.Setting`."""


def as_told(name: str, values: Sequence[Any], settings: Sequence[Setting]) -> list[Any]:
    """Return the values of a grid as they are stored: numbers, or words that tell them apart."""
    words = []
    for k, value in enumerate(values):
        if isinstance(value, int | float | str):
            words.append(value)
        elif name in TOLD_BY:
            found = dict.fromkeys(getattr(setting, TOLD_BY[name])(value) for setting in settings)
            words.append(", ".join(f"{UNTOLD} ({k})" if word == UNTOLD else word for word in found))
        else:
            words.append(str(value))
    return words
