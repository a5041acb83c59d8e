"""The host's side of a pool of lanes: hands out the runs of a plan and collects their outcomes."""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from bpjax.epoch import Cases
from bpjax.layouts import lanes, layout_named
from bpjax.layouts.lanes import num_products
from bpjax.params import num_entries
from bpjax.results.chunks import (
    Content,
    Ranges,
    as_ranges,
    num_runs_of,
    ranges_at_places,
    ranges_of,
    runs_at_places,
    without,
)
from bpjax.results.counts import added_up
from bpjax.sweeps import scheduler
from bpjax.sweeps.collected import Collected, collect
from bpjax.sweeps.memory import check_memory
from bpjax.sweeps.plan import Group, Plan
from bpjax.sweeps.roster import (
    MOST_RUNS,
    blank,
    given_weights,
    most_ranges,
    roster_of,
    settings_table,
)
from bpjax.sweeps.scheduler import EMPTY, Queue

LARGEST_CALL = 2**30
"""Epochs; counted in 32 bits."""
PLACES = 8192
"""Runs that a device can be handed in one call; fewer where their weights are to be kept, and as
many as there are where they are only counted."""
SECONDS_PER_LOOK = {"cpu": 50e-6, "gpu": 500e-6, "tpu": 500e-6}
"""What it takes to write down ended runs and fill their lanes: measured on a CPU, on the others an
estimate, of reading and writing a million runs a few times."""
MOST_IDLE = 0.05
"""Share of their epochs that lanes may wait for the end of a stride."""
FIRST_CALL = 16
"""Epochs of the first call that makes any, at most."""
FIRST_WORK = 10**8
"""And what it may cost: lanes of a device times cases times weights, about a tenth of a second."""
LONG_CALL, LOOK = 0.1, 0.002
"""Seconds of a call that is not just waited for, and most between two looks whether it is over."""


def go_on() -> None:
    """Find no reason to stop."""


class Made(NamedTuple):
    """What a call brought: rows of the runs that ended in it; of counts, sums without names.

    Attributes:
      num_ended: how many runs ended.
      columns: a row for each, `run` among its columns; or counts.
      begun: with counts, the runs that were put into lanes.
      in_lanes: with counts, those that were there after the call.
    """

    num_ended: int
    columns: dict[str, np.ndarray]
    begun: Ranges
    in_lanes: Ranges


class Crew:
    """A pool in training, which is handed batches of runs; a batch ends when all its runs have.

    A run's place in the batch is its ticket. Each device has a stretch of tickets of its own, and
    one that has begun all of its stretch gets half of what is left of the longest.

    Args:
      plan: the sweep.
      group: the part of it that the runs belong to.
      mesh: the devices over which the lanes are laid.
      seconds_per_call: how long a call should take.
      check: called now and then while the devices are awaited. It may raise to stop: then the call
        counts as never made, and what had ended before it stands.

    Attributes:
      pool: the state of the lanes, on the devices; before the first call its shapes alone.
      capacity: how many runs can train at once, on all devices.
      most_runs: how many a batch may have.
      most_ranges: in how many ranges.
      runs: those of the batch.
      bounds: of the tickets that each device begins with.
      num_ended: runs of the batch that have ended.
      lane_epochs: epochs made for the batch by all lanes, busy or not.
      calls: how many calls were made; the first one compiles.
      seconds: how long the last call took.
    """

    def __init__(
        self,
        plan: Plan,
        group: Group,
        mesh: Mesh,
        seconds_per_call: float = 0.25,
        check: Callable[[], None] = go_on,
    ):
        self.plan, self.group, self.mesh = plan, group, mesh
        self.seconds_per_call, self.check = seconds_per_call, check
        self.compiled = scheduler.advance_on(mesh)
        self.layout = layout_named(plan.implementation)
        self.cases = self.layout.cases_of(group.task, group.program)
        self.asked = None
        if group.task.num_held_out and not plan.summary_only:
            self.asked = Cases(*group.task.cases(group.program.dtype))
        self.everywhere = NamedSharding(mesh, scheduler.EVERYWHERE)
        self.settings = jax.device_put(settings_table(plan, group), self.everywhere)
        self.given = jax.device_put(given_weights(plan, group), self.everywhere)
        self.max_epochs = np.int32(group.task.recipe.max_epochs)
        num_lanes = lanes.num_lanes(plan.block_size)
        self.capacity = plan.block_size * mesh.size
        self.most_runs = MOST_RUNS if plan.refill else self.capacity
        self.most_ranges = most_ranges(self.capacity)
        numbers = num_entries(group.program.network) if plan.keep_weights else 1
        self.places = 0 if plan.summary_only else max(PLACES // numbers, 2 * num_lanes)
        keep: scheduler.Keep = "weights" if plan.keep_weights else "outcomes"
        self.block = scheduler.Block(
            implementation=plan.implementation,
            program=group.program,
            mesh=mesh,
            num_usable=plan.block_size,
            num_cases=group.task.num_cases,
            keep="counts" if plan.summary_only else keep,
            bins=group.task.recipe.max_epochs + 1 if plan.summary_only else 0,
            places=self.places,
        )
        beginning = blank(plan, group, num_lanes * mesh.size)
        self._of_pool = (group.program, mesh, group.task.num_cases, beginning)
        self.pool = scheduler.pool_to_be(*self._of_pool)
        self.made: list[Made] = []
        self.calls, self.seconds = 0, 0.0
        self.platform = mesh.devices.flat[0].platform
        self.at_once = self.layout.epochs_at_once(
            group.program, group.task.num_cases, self.platform
        )
        work = num_lanes * num_products(group.program, group.task.num_cases)
        self.seconds_per_epoch: float | None = None
        first = min(FIRST_CALL, FIRST_WORK // work)
        self.epochs_per_call = self.stride = self._whole_turns(max(1, first))

    def begin(self, runs: Ranges) -> None:
        """Take up a batch: ranges of the group's runs; the one before must have ended."""
        self.runs, self.num_runs = runs, num_runs_of(runs)
        roster = roster_of(self.group, runs, self.settings, self.most_ranges, self.given)
        self.roster = jax.device_put(roster, self.everywhere)
        self.bounds = np.arange(self.mesh.size + 1) * self.num_runs // self.mesh.size
        self.waiting = np.stack([self.bounds[:-1], self.bounds[1:]], axis=1)
        self.num_ended = self.lane_epochs = 0

    def empty_pool(self) -> scheduler.Pool:
        """Return lanes without runs."""
        return scheduler.empty_pool(self.pool, *self._of_pool)

    @property
    def all_ended(self) -> bool:
        """Whether the batch has ended."""
        return self.num_ended == self.num_runs

    def advance(self, num_epochs: int | None = None) -> Collected:
        """Make one call of the training program.

        The first one compiles it and puts runs into lanes, but makes no epoch.

        Args:
          num_epochs: make at most so many epochs, in one stride; None makes as many as fit into
            `seconds_per_call`, and looks after the lanes in between.
        """
        began = time.perf_counter()
        if not self.calls:
            stride, rounds = 0, 1
        elif num_epochs is not None:
            stride, rounds = num_epochs, 1
        else:
            stride, rounds = self.stride, max(1, self.epochs_per_call // self.stride)
        if not self.calls:
            to_come = self.next_call(stride, rounds)
            check_memory(self.compiled, to_come, self.plan, self.group.task, self.mesh.size)
            self.pool = self.empty_pool()
        arguments = self.next_call(stride, rounds)
        called = time.perf_counter()
        pool, report = self.compiled(*arguments)
        self._await(report, stride * rounds)
        jax.block_until_ready(pool)
        self.pool, on_device = pool, time.perf_counter() - called
        done = collect(report, self.plan.block_size, stride)
        self._note(done)
        self.waiting[:, 0] += done.taken
        self.num_ended += done.num_ended
        self.lane_epochs += done.lane_epochs
        self.calls += 1
        self.seconds = time.perf_counter() - began
        if done.num_epochs:
            self._pace(done.num_epochs, on_device)
        return done

    def _note(self, done: Collected) -> None:
        """Keep what a call brought, in one step: a signal comes before or after it."""
        begun = in_lanes = as_ranges([])
        columns = dict(done.columns)
        if self.plan.summary_only:
            tickets = np.asarray(self.pool.ticket)
            in_lanes = self._singly(np.sort(tickets[tickets != EMPTY]))
            stops = self.waiting[:, 0] + done.taken
            stretches = zip(self.waiting[:, 0].tolist(), stops.tolist(), strict=True)
            begun = np.concatenate([ranges_at_places(self.runs, *tickets) for tickets in stretches])
        else:
            columns["run"] = runs_at_places(self.runs, columns.pop("ticket"))
        self.made.append(Made(done.num_ended, columns, begun, in_lanes))

    def _singly(self, tickets: np.ndarray) -> Ranges:
        return ranges_of(runs_at_places(self.runs, tickets))

    @property
    def num_unkept(self) -> int:
        """How many runs have ended since `forget`, of this batch and earlier ones."""
        return sum(made.num_ended for made in self.made)

    def ended(self) -> Content:
        """Return these runs, with their rows of the per-run table or with their counts."""
        columns = {
            name: np.concatenate([made.columns[name] for made in self.made])
            for name in self.made[0].columns
        }
        if self.plan.summary_only:
            begun = np.concatenate([made.begun for made in self.made])
            runs = without(begun, self.made[-1].in_lanes)
            cell = np.full(len(columns["count"]), runs[0, 0])
            return Content(runs, added_up(columns | self.plan.columns_of(cell), cell))
        order = np.argsort(columns["run"])
        columns = {name: column[order] for name, column in columns.items()}
        runs = columns.pop("run")
        if self.plan.num_held_out and "held_out_right" not in columns:
            columns["held_out_right"] = np.zeros(
                len(runs), np.int32
            )  # of none, beside others' some
        weights = {"weights": columns.pop("weights")} if "weights" in columns else {}
        columns = {
            "seed": self.plan.seeds_of(runs),
            **columns,
            **self.plan.columns_of(runs),
            **weights,
        }
        return Content(ranges_of(runs), columns)

    def forget(self) -> None:
        """Let go of what `ended` returns."""
        last = self.made[-1]
        nothing = {name: column[:0] for name, column in last.columns.items()}
        self.made = [Made(0, nothing, last.in_lanes, last.in_lanes)]

    def next_call(self, stride: int = 0, rounds: int = 1) -> tuple[Any, ...]:
        """Return the arguments of the next call of `scheduler.advance`."""
        return (
            self.block,
            self.cases,
            self.asked,
            self.roster,
            self.max_epochs,
            np.int32(stride),
            np.int32(rounds),
            self.pool,
            self._queue(),
        )

    def _queue(self) -> Queue:
        """Return the runs that wait, as many of them as every device can be handed."""
        for device in np.flatnonzero(self._left() == 0):
            longest = int(np.argmax(self._left()))
            stop = self.waiting[longest, 1]
            half = stop - self._left()[longest] // 2
            self.waiting[longest, 1], self.waiting[device] = half, (half, stop)
        left = self._left()
        length = np.minimum(left, self.places) if self.places else left
        first = np.where(length, self.waiting[:, 0], 0)
        queue = Queue(first.astype(np.int32), length.astype(np.int32), left > length)  # type: ignore[arg-type]
        return scheduler.place(queue, self.mesh)  # type: ignore[no-any-return]

    def _left(self) -> np.ndarray:
        return self.waiting[:, 1] - self.waiting[:, 0]

    def _await(self, report: Any, num_epochs: int) -> None:
        """Wait for the devices; where they take long, looking now and then whether to stop."""
        if self.seconds_per_epoch is None or num_epochs * self.seconds_per_epoch > LONG_CALL:
            pause = LOOK / 64  # how long a call takes is measured too
            while not report.num_ended.is_ready():
                self.check()
                time.sleep(pause)
                pause = min(2 * pause, LOOK)

    def _pace(self, made: int, on_device: float) -> None:
        """Choose how long the next call is, and how often lanes are looked after.

        Args:
          made: epochs that the busiest device made in the last call.
          on_device: seconds that they took.
        """
        self.seconds_per_epoch = on_device / made
        # The device should have at least as much to do as the host. Carefully upwards.
        wanted = max(self.seconds_per_call, self.seconds - on_device)
        largest = min(8 * self.epochs_per_call, LARGEST_CALL)
        self.epochs_per_call = int(np.clip(made * wanted / on_device, 1, largest))
        # Of a stride k, an ended run waits for k / 2 epochs, and each epoch pays 1 / k of a look.
        mean = self.lane_epochs / max(self.num_ended, self.capacity)
        look = SECONDS_PER_LOOK[self.platform]
        best = math.sqrt(2 * mean * look * made / on_device)
        stride = int(np.clip(min(best, MOST_IDLE * 2 * mean), 1, self.epochs_per_call))
        self.stride = self._whole_turns(stride)

    def _whole_turns(self, epochs: int) -> int:
        return -(-epochs // self.at_once) * self.at_once
