"""Some runs of a plan in the lanes of one block: what the host holds while they train."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from bpjax.epoch import RunState
from bpjax.network import flatten_params
from bpjax.sweeps import lanes, matrix, unrolled
from bpjax.sweeps.plan import Group, Plan

IMPLEMENTATIONS: dict[str, Any] = {"matrix": matrix, "unrolled": unrolled}
"""Layouts of a block; each offers `cases_of` and `advance`."""


class Block:
    """Runs in training; `state` is on the devices, everything else on the host.

    Args:
      plan: the sweep.
      group: the part of it that the runs belong to.
      mesh: the devices over which the lanes are laid.
      runs: their numbers in the plan, at most `plan.block_size` per device.
    """

    def __init__(self, plan: Plan, group: Group, mesh: Mesh, runs: np.ndarray):
        self.plan, self.program, self.mesh, self.runs = plan, group.program, mesh, runs
        self.implementation = IMPLEMENTATIONS[plan.implementation]
        self.cases = self.implementation.cases_of(group.task, group.program)
        self.max_epochs = np.int32(group.task.recipe.max_epochs)
        self.lanes = lanes.lanes_for_runs(plan.block_size, mesh.size)[: len(runs)]
        num_lanes = mesh.size * (plan.block_size + lanes.GUARD_LANES)
        padded, used = np.full(num_lanes, runs[0]), np.zeros(num_lanes, bool)
        padded[self.lanes], used[self.lanes] = runs, True
        self.settings = jax.device_put(plan.settings_of(padded), NamedSharding(mesh, lanes.LANES))
        self.state: RunState = lanes.start(
            self.program, mesh, group.task.num_cases, plan.seeds_of(padded), used, self.settings
        )

    def advance(self, num_epochs: int) -> None:
        """Make up to `num_epochs` epochs with every run that has not ended."""
        self.state = self.implementation.advance(
            self.program,
            self.mesh,
            self.cases,
            self.max_epochs,
            np.int32(num_epochs),
            self.settings,
            self.state,
        )

    def of_runs(self, rows: Any) -> np.ndarray:
        """Return the rows of the runs from an array that has a row for every lane."""
        return np.asarray(rows)[self.lanes]

    def columns(self) -> dict[str, np.ndarray]:
        """Return the rows of the per-run table, once all runs have ended."""
        columns = {
            "seed": self.plan.seeds_of(self.runs),
            "status": self.of_runs(self.state.status).astype(np.int8),
            "epochs": self.of_runs(self.state.epoch),
            "loss": self.of_runs(self.state.loss),
            **self.plan.columns_of(self.runs),
        }
        if self.plan.keep_weights:
            flatten = jax.vmap(lambda params: flatten_params(self.program.network, params))
            columns["weights"] = self.of_runs(flatten(self.state.params))
        return columns
