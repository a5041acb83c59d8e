"""Lanes: where the runs of a block train, and the loop over epochs that all layouts share.

A block has a fixed number of lanes on each device, and idle guard lanes behind them. XLA emits
different instructions for different shapes, so the shape is part of a sweep's identity: at one
shape a run's bits depend on nothing but the run itself, neither on its lane, nor on its neighbours,
nor on how many devices there are.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Int, UInt

from bpjax.epoch import Program, RunState, Settings
from bpjax.epoch import start as start_run
from bpjax.status import Status

LANES = PartitionSpec("lanes")
EVERYWHERE = PartitionSpec()

GUARD_LANES = 16
"""Idle lanes behind the runs of a block on every device.

The compiler turns a loop over lanes into vector instructions and ends it with a scalar remainder,
which may add in another order: measured with jax 0.12 on a CPU, up to four lanes at the end of a
block got other last bits than the same run in any other lane. So no run is ever put there: 16 lanes
are the widest vector of a CPU.
"""


def lanes_for_runs(block_size: int, num_devices: int) -> np.ndarray:
    """Return the lanes that may carry runs: the first `block_size` of every device.

    Args:
      block_size: runs per device.
      num_devices: how many devices share the lanes.

    Returns:
      Indices into a block of `num_devices * (block_size + GUARD_LANES)` lanes.

    Example:
      >>> lanes_for_runs(block_size=3, num_devices=2).tolist()
      [0, 1, 2, 19, 20, 21]
    """
    width = block_size + GUARD_LANES
    return (np.arange(num_devices)[:, None] * width + np.arange(block_size)).reshape(-1)


@functools.partial(jax.jit, static_argnames=("program", "mesh", "num_cases"))
def start(
    program: Program,
    mesh: Mesh,
    num_cases: int,
    seeds: UInt[Array, " lanes"],
    used: Bool[Array, " lanes"],
    settings: Settings,
) -> RunState:
    """Return a block of runs before their first epoch.

    Args:
      program: what is compiled for; static.
      mesh: devices over which the lanes are laid; static.
      num_cases: number of cases; static.
      seeds: one per lane; the number of lanes is a multiple of the number of devices.
      used: False for guard lanes and lanes without a run; they never run.
      settings: one row per lane.

    Returns:
      The state of all lanes, each array with the lanes as its first axis.
    """

    def start_lanes(seeds: Any, used: Any, settings: Any) -> RunState:
        runs = jax.vmap(functools.partial(start_run, program, num_cases))(seeds, settings)
        idle = jnp.where(used, int(Status.RUNNING), int(Status.MAX_EPOCHS))
        return runs._replace(status=idle.astype(jnp.int32))

    return jax.shard_map(start_lanes, mesh=mesh, in_specs=(LANES, LANES, LANES), out_specs=LANES)(
        seeds, used, settings
    )


def advance(
    step: Callable[[Any, Any, Any, RunState], RunState],
    mesh: Mesh,
    cases: Any,
    max_epochs: Int[Array, ""],
    num_epochs: Int[Array, ""],
    settings: Settings,
    block: RunState,
    unpack: Callable[[RunState], RunState] = lambda run: run,
    pack: Callable[[RunState], RunState] = lambda run: run,
) -> RunState:
    """Advance a block by up to `num_epochs` epochs; runs that end on the way stay as they are.

    The number of epochs is traced: one compiled loop serves a long stride of a sweep and the
    single epochs of a run that somebody watches, with the same bits. To be called under `jax.jit`.

    Args:
      step: one epoch of one run, a function of (cases, max_epochs, settings, run).
      mesh: devices over which the lanes are laid. There is no communication between them.
      cases: what `step` needs of the cases.
      max_epochs: the cap of every run.
      num_epochs: the stride; each device stops earlier once all its lanes have ended.
      settings: one row per lane.
      block: what `start` or this function returned.
      unpack: puts one run into the form that `step` works on.
      pack: undoes `unpack`.

    Returns:
      The block after the stride: `status` says which runs ended and how, `epoch` when.
    """

    def advance_lanes(
        cases: Any, max_epochs: Any, num_epochs: Any, settings: Any, block: RunState
    ) -> RunState:
        step_lanes = jax.vmap(functools.partial(step, cases, max_epochs))

        def unfinished(carry: tuple[Any, RunState]) -> Any:
            made, block = carry
            return (made < num_epochs) & jnp.any(block.status == Status.RUNNING)

        def one_epoch(carry: tuple[Any, RunState]) -> tuple[Any, RunState]:
            made, block = carry
            return made + 1, step_lanes(settings, block)

        start = jnp.int32(0), jax.vmap(unpack)(block)
        return jax.vmap(pack)(jax.lax.while_loop(unfinished, one_epoch, start)[1])

    return jax.shard_map(
        advance_lanes,
        mesh=mesh,
        in_specs=(EVERYWHERE, EVERYWHERE, EVERYWHERE, LANES, LANES),
        out_specs=LANES,
    )(cases, max_epochs, num_epochs, settings, block)
