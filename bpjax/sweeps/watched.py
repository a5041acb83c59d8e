"""One run of a sweep, watched: many epochs in a call, and its state after every stride.

The run trains in the first lane of a block of the sweep's shape, by the layout's own loop over
epochs, so it has the sweep's bits. Its states are kept on the device until the host looks at them.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Int

from bpjax.epoch import RunState
from bpjax.layouts import layout_named
from bpjax.layouts.lanes import Arithmetic
from bpjax.status import Status
from bpjax.sweeps.roster import Roster
from bpjax.sweeps.scheduler import EMPTY, EVERYWHERE, SAME_KERNELS, Block, Pool, begin


class Watched(NamedTuple):
    """The pool of a run that is watched, and what nobody has looked at yet.

    Attributes:
      pool: the run is in its first lane; the others have none.
      states: of the run, in the first `num_states` of `block.places` places, the first axis. Where
        weights change once an epoch, without the memory of the learning rule.
      num_states: how many.
    """

    pool: Pool
    states: RunState
    num_states: Int[Array, ""]

    @property
    def run(self) -> RunState:
        """The run as it stands."""
        return _first_lane(self.pool.runs)


@functools.partial(jax.jit, static_argnames="block")
def to_be_watched(block: Block, pool: Pool) -> Watched:
    """Return an empty pool as `follow` takes it, which then puts the run into its first lane."""
    first = _state(block, _first_lane(pool.runs))
    states = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (block.places, *leaf.shape)), first)
    return Watched(pool, states, jnp.int32(0))


_compiled = functools.partial(jax.jit, static_argnames=("block",), donate_argnames=("watched",))


@_compiled
def follow(
    block: Block,
    cases: Any,
    roster: Roster,
    max_epochs: Any,
    record_every: Any,
    num_epochs: Any,
    watched: Watched,
) -> Watched:
    """Let the one run of a roster go on.

    Args:
      block: what is compiled for; static. `places` says how many states there is room for.
      cases: what the layout's `cases_of` returned.
      roster: of the run.
      max_epochs: its cap.
      record_every: epochs from one state that is kept to the next.
      num_epochs: make at most so many epochs, and fewer where it ends or the places are full.
      watched: what `to_be_watched` or this function returned; it is used up.

    Returns:
      The run some epochs later; its start, every `record_every`th state, and its end are kept. The
      end may stand there twice: an epoch ends a run by being judged, and then makes no change.
    """
    layout = layout_named(block.implementation)
    train = layout.advance_singly or layout.advance
    arithmetic = Arithmetic(block.program, block.mesh.devices.flat[0].platform)

    def on_device(
        cases: Any, roster: Any, max_epochs: Any, record_every: Any, num_epochs: Any, watched: Any
    ) -> Watched:
        def put(watched: Watched) -> Watched:
            ticket = jnp.where(jnp.arange(watched.pool.ticket.size) == 0, 0, EMPTY)
            ticket = ticket.astype(jnp.int32)
            pool = begin(block.program, block.num_cases, roster, jnp.zeros_like(ticket))
            status = jnp.where(ticket == EMPTY, int(Status.MAX_EPOCHS), pool.runs.status)
            runs = pool.runs._replace(status=status.astype(jnp.int32))
            return _kept(block, True, watched._replace(pool=Pool(runs, pool.settings, ticket)))

        def goes_on(carry: tuple[Any, Watched]) -> Any:
            left, watched = carry
            running = watched.pool.runs.status[0] == Status.RUNNING
            return running & (left > 0) & (watched.num_states < block.places)

        def stride(carry: tuple[Any, Watched]) -> tuple[Any, Watched]:
            left, watched = carry
            pool, num_cases = watched.pool, block.num_cases
            epochs = jnp.minimum(left, record_every - pool.runs.epoch[0] % record_every)
            about = cases, max_epochs, epochs, pool.settings, pool.runs
            runs = train(arithmetic, num_cases, *about)
            has_ended = runs.status[0] != Status.RUNNING
            due = has_ended | (runs.epoch[0] % record_every == 0)
            watched = watched._replace(pool=pool._replace(runs=runs))
            return left - epochs, _kept(block, due, watched)

        watched = lax.cond(watched.pool.ticket[0] == EMPTY, put, lambda same: same, watched)
        return lax.while_loop(goes_on, stride, (num_epochs, watched))[1]

    numbers = jax.tree.map(jnp.asarray, (cases, roster, max_epochs, record_every, num_epochs))
    return jax.shard_map(
        on_device,
        mesh=block.mesh,
        in_specs=EVERYWHERE,
        out_specs=EVERYWHERE,
        check_vma=False,
    )(*numbers, watched)  # type: ignore[call-arg]


def _kept(block: Block, due: Any, watched: Watched) -> Watched:
    """Keep the state of the run, if it is due."""
    pool, states, num_states = watched
    place = jnp.where(due, num_states, block.places)  # out of bounds: dropped
    state = _state(block, _first_lane(pool.runs))
    states = jax.tree.map(lambda a, row: a.at[place].set(row, mode="drop"), states, state)
    return Watched(pool, states, jnp.where(due, num_states + 1, num_states))


def _state(block: Block, run: RunState) -> RunState:
    """Return what a look at a run needs: its memory only if it learns within an epoch."""
    return run._replace(optimizer_state=None) if block.program.updates == "batch" else run


@jax.jit
def _first_lane(runs: RunState) -> RunState:
    return jax.tree.map(lambda lanes: lanes[..., 0], runs)


follow_on_gpu = _compiled(follow.__wrapped__, compiler_options=SAME_KERNELS)  # type: ignore[attr-defined]


def follow_on(mesh: Mesh) -> Callable[..., Watched]:
    """Return `follow` as it is compiled for the devices of a mesh."""
    return follow_on_gpu if mesh.devices.flat[0].platform == "gpu" else follow  # type: ignore[no-any-return]
