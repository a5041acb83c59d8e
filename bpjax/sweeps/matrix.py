"""A block of runs in matrix form: one run's epoch, mapped over lanes. Serves every network."""

import functools
from typing import Any

import jax
from jax.sharding import Mesh

from bpjax.epoch import Cases, Program, RunState, Settings, step
from bpjax.sweeps import lanes
from bpjax.task import Task


def cases_of(task: Task, program: Program) -> Cases:
    """Return the cases in the form that `advance` takes."""
    return Cases(*task.cases(program.dtype))


@functools.partial(jax.jit, static_argnames=("program", "mesh"))
def advance(
    program: Program,
    mesh: Mesh,
    cases: Cases,
    max_epochs: Any,
    num_epochs: Any,
    settings: Settings,
    block: RunState,
) -> RunState:
    """Advance a block; arguments and result as for `lanes.advance`, `program` says which step."""
    one_step = functools.partial(step, program)
    return lanes.advance(one_step, mesh, cases, max_epochs, num_epochs, settings, block)
