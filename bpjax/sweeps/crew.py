"""The host's side of a pool of lanes: hands out the runs of a plan and collects their outcomes."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from bpjax.epoch import Cases
from bpjax.network import num_entries
from bpjax.sweeps import lanes, scheduler
from bpjax.sweeps.memory import check_memory
from bpjax.sweeps.plan import Group, Plan
from bpjax.sweeps.roster import roster_of, settings_table
from bpjax.sweeps.scheduler import Collected, Pool, Queue
from bpjax.sweeps.unrolled import num_products

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
"""Seconds of a call that is not just waited for, and between two looks whether it is over."""


def go_on() -> None:
    """Find no reason to stop."""


class Crew:
    """A pool in training. Runs are begun range by range, and a range ends when all its runs have.

    Device d of D trains the runs d, d + D, d + 2 D, ... of a range, in that order.

    Args:
      plan: the sweep.
      group: the part of it that the runs belong to.
      mesh: the devices over which the lanes are laid.
      seconds_per_call: how long a call should take.
      check: called now and then while the devices are awaited. It may raise to stop: then the call
        counts as never made, and what had ended before it stands.

    Attributes:
      pool: the state of the lanes, on the devices.
      capacity: how many runs can train at once, on all devices.
      num_begun: runs of the range that have been put into lanes.
      num_ended: runs of the range that have ended.
      lane_epochs: epochs made for the range by all lanes, busy or not.
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
        self.layout = scheduler.LAYOUTS[plan.implementation]
        self.cases = self.layout.cases_of(group.task, group.program)
        self.asked = None
        if group.task.num_held_out and not plan.summary_only:
            self.asked = Cases(*group.task.cases(group.program.dtype))
        self.everywhere = NamedSharding(mesh, scheduler.EVERYWHERE)
        self.settings = jax.device_put(settings_table(plan, group), self.everywhere)
        self.max_epochs = np.int32(group.task.recipe.max_epochs)
        num_lanes = lanes.num_lanes(plan.block_size)
        self.capacity = plan.block_size * mesh.size
        numbers = num_entries(group.program.network) if plan.keep_weights else 1
        self.places = 0 if plan.summary_only else max(PLACES // numbers, 2 * num_lanes)
        blank = np.full(num_lanes * mesh.size, group.start)
        self.pool: Pool = scheduler.empty_pool(
            group.program,
            mesh,
            group.task.num_cases,
            plan.seeds_of(blank),
            plan.settings_of(blank),
        )
        self.calls, self.seconds = 0, 0.0
        self.platform = mesh.devices.flat[0].platform
        self.at_once = self.layout.epochs_at_once(
            group.program, group.task.num_cases, self.platform
        )
        work = num_lanes * num_products(group.program, group.task.num_cases)
        self.seconds_per_epoch: float | None = None
        first = min(FIRST_CALL, FIRST_WORK // work)
        self.epochs_per_call = self.stride = self._whole_turns(max(1, first))

    def begin(self, first: int, last: int) -> None:
        """Take up the runs `first` to `last - 1`; the range before must have ended."""
        self.first, self.stop = first, last
        roster = roster_of(self.plan, self.group, first, self.settings)
        self.roster = jax.device_put(roster, self.everywhere)
        self.taken = np.zeros(self.mesh.size, np.int64)
        self.num_ended = self.lane_epochs = 0
        self.collected: list[Any] = []

    def close(self) -> None:
        """Begin no runs but those needed to leave no gap behind the last one begun."""
        last = (np.arange(self.mesh.size) + self.mesh.size * (self.taken - 1))[self.taken > 0]
        self.stop = min(self.stop, self.first + int(last.max()) + 1)

    @property
    def num_begun(self) -> int:
        """How many runs of the range have been put into lanes."""
        return int(self.taken.sum())

    @property
    def all_ended(self) -> bool:
        """Whether the range has ended."""
        return self.num_ended == self.stop - self.first

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
        arguments = self.next_call(stride, rounds)
        if not self.calls:
            check_memory(self.compiled, arguments, self.plan, self.group.task, self.mesh.size)
        called = time.perf_counter()
        pool, report = self.compiled(*arguments)
        self._await(report, stride * rounds)
        jax.block_until_ready(pool)
        self.pool, on_device = pool, time.perf_counter() - called
        done = scheduler.collect(report, self.plan.block_size, stride)
        self.taken += done.taken
        self.num_ended += done.num_ended
        self.lane_epochs += done.lane_epochs
        self.collected.append(done.columns)
        self.calls += 1
        self.seconds = time.perf_counter() - began
        if done.num_epochs:
            self._pace(done.num_epochs, on_device)
        return done

    def columns(self) -> dict[str, np.ndarray]:
        """Return the rows of the per-run table, or the counts, of a range that has ended."""
        if self.plan.summary_only:
            counts = merged(self.collected)
            cell = np.full(len(counts["count"]), self.first)
            return counts | self.plan.columns_of(cell)
        ended = {
            name: np.concatenate([part[name] for part in self.collected])
            for name in self.collected[0]
        }
        order = np.argsort(ended.pop("ticket"))
        runs = np.arange(self.first, self.stop)
        columns = {name: column[order] for name, column in ended.items()}
        if self.plan.num_held_out and "held_out_right" not in columns:
            columns["held_out_right"] = np.zeros(
                len(runs), np.int32
            )  # of none, beside others' some
        weights = {"weights": columns.pop("weights")} if "weights" in columns else {}
        return {
            "seed": self.plan.seeds_of(runs),
            **columns,
            **self.plan.columns_of(runs),
            **weights,
        }

    def next_call(self, stride: int = 0, rounds: int = 1) -> tuple[Any, ...]:
        """Return the arguments of the next call of `scheduler.advance`."""
        bins = int(self.max_epochs) + 1 if self.plan.summary_only else 0
        keep = "weights" if self.plan.keep_weights else "outcomes"
        return (
            self.plan.implementation,
            self.group.program,
            self.mesh,
            self.plan.block_size,
            self.group.task.num_cases,
            "counts" if self.plan.summary_only else keep,
            bins,
            self.places,
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
        device, num_devices = np.arange(self.mesh.size), self.mesh.size
        there_are = -(-(self.stop - self.first - device) // num_devices)
        left = np.maximum(there_are - self.taken, 0)
        length = np.minimum(left, self.places) if self.places else left
        first = np.where(length, self.taken * num_devices + device, 0)
        queue = Queue(first.astype(np.int32), length.astype(np.int32), left > length)  # type: ignore[arg-type]
        return scheduler.place(queue, self.mesh)  # type: ignore[no-any-return]

    def _await(self, report: Any, num_epochs: int) -> None:
        """Wait for the devices; where they take long, looking now and then whether to stop."""
        if self.seconds_per_epoch is None or num_epochs * self.seconds_per_epoch > LONG_CALL:
            while not report.num_ended.is_ready():
                self.check()
                time.sleep(LOOK)

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


def merged(tallies: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the sum of tallies: one row for each status and number of epochs."""
    status, epochs, count = (
        np.concatenate([tally[name] for tally in tallies]) for name in ("status", "epochs", "count")
    )
    keys, where = np.unique(
        np.stack([epochs, status.astype(np.int32)]), axis=1, return_inverse=True
    )
    total = np.zeros(keys.shape[1], np.int64)
    np.add.at(total, where.reshape(-1), count)
    return {"status": keys[1].astype(np.int8), "epochs": keys[0], "count": total}
