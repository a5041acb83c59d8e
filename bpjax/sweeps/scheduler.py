"""The scheduler: lanes whose runs have ended get the next ones, all on the device.

A pool is a fixed number of lanes on each device. Each device goes round and round: fill the empty
lanes from its queue, train all lanes for a stride of epochs, write down the runs that have ended
and empty their lanes. Shapes never change and devices never talk to each other; the host only says
how many runs there are and collects what was written down, once in a while.

Lanes know nothing of their neighbours, so a run has the same bits whether its lane was filled at
the start or in the middle, and whatever the stride.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Int

from bpjax.epoch import Cases, Program, RunState, Settings, held_out_right
from bpjax.layouts import lanes, layout_named
from bpjax.layouts.lanes import Arithmetic
from bpjax.params import flatten_params
from bpjax.status import Status
from bpjax.sweeps.roster import Beginning, Roster, runs_at

EMPTY = -1
"""The ticket of a lane without a run."""

PARTS = 16
"""One of so many parts of a device's lanes is asked at once how it answers held-out cases."""

EVERYWHERE = PartitionSpec()

Keep = Literal["outcomes", "weights", "counts"]
"""What is written down of a run: its outcome, its weights too, or only one count in a histogram."""


@dataclasses.dataclass(frozen=True)
class Block:
    """What the training program is compiled for: a block of lanes, and what is done in it.

    Attributes:
      implementation: the name of a layout.
      program: of the runs.
      mesh: the devices.
      num_usable: lanes per device that may carry a run, the first ones.
      num_cases: number of cases.
      keep: what to write down of a run that has ended.
      bins: for counts, `max_epochs + 1`; else 0.
      places: for rows, the longest queue of a device.
    """

    implementation: str
    program: Program
    mesh: Mesh
    num_usable: int
    num_cases: int
    keep: Keep
    bins: int
    places: int


class Pool(NamedTuple):
    """Lanes and the runs in them; the lanes are the last axis of every array.

    Attributes:
      runs: state of the runs.
      settings: their numbers.
      ticket: the number of the run among those handed out; `EMPTY` for none.
    """

    runs: RunState
    settings: Settings
    ticket: Int[Array, " lanes"]


class Queue(NamedTuple):
    """Runs that wait for a lane, some with consecutive tickets for each device.

    Attributes:
      next: per device, the ticket of the first of them.
      length: per device, how many of them may be begun.
      more: per device, whether there are others behind them: then it stops rather than leave a lane
        empty.
    """

    next: Int[Array, " devices"]
    length: Int[Array, " devices"]
    more: Bool[Array, " devices"]


class Ended(NamedTuple):
    """Runs that ended during a call, in the first `num_ended` places of each device.

    Attributes:
      ticket: which run.
      status: how it ended.
      epoch: when.
      loss: the loss then.
      held_out_right: how many of its held-out cases were right then; None where there are none.
      weights: (num_parameters, places), or None.
    """

    ticket: Any
    status: Any
    epoch: Any
    loss: Any
    held_out_right: Any
    weights: Any


class Report(NamedTuple):
    """What a call of `advance` did; one entry per device in every counter.

    Attributes:
      ended: the runs that ended; with counts instead, how many ended at each (status, epoch), a
        vector of 3 * (max_epochs + 1) per device.
      num_ended: how many runs ended.
      taken: runs of the queue that were put into lanes.
      rounds: rounds made.
    """

    ended: Ended | Any
    num_ended: Int[Array, " devices"]
    taken: Int[Array, " devices"]
    rounds: Int[Array, " devices"]


class Advanced(NamedTuple):
    """The pool after a call, and what the call did."""

    pool: Pool
    report: Report


def sharding_of(tree: Any) -> Any:
    """Return partition specs that lay the last axis of every array over the devices."""
    return jax.tree.map(lambda leaf: PartitionSpec(*[None] * (leaf.ndim - 1), "lanes"), tree)


def place(tree: Any, mesh: Mesh) -> Any:
    """Return a tree of arrays with the last axis of each laid over the devices."""
    shardings = jax.tree.map(lambda spec: NamedSharding(mesh, spec), sharding_of(tree))
    return jax.device_put(tree, shardings)


def pool_to_be(program: Program, mesh: Mesh, num_cases: int, beginning: Beginning) -> Pool:
    """Return the shapes of a pool, which take no memory, whatever the size of the net.

    `beginning` only says how many lanes it has.
    """
    runs = jax.eval_shape(functools.partial(lanes.start, program, num_cases), *beginning)
    pool = Pool(runs, beginning.settings, runs.status)
    shardings = jax.tree.map(lambda spec: NamedSharding(mesh, spec), sharding_of(pool))

    def on_devices(leaf: Any, sharding: NamedSharding) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    return jax.tree.map(on_devices, pool, shardings)  # type: ignore[no-any-return]


def empty_pool(
    to_be: Pool, program: Program, mesh: Mesh, num_cases: int, beginning: Beginning
) -> Pool:
    """Return the pool that `pool_to_be` made `to_be` of, from the same arguments, without runs."""
    if all(isinstance(leaf.dtype, np.dtype) for leaf in jax.tree.leaves(to_be.runs)):
        runs = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), to_be.runs)
    else:  # a rule of the user's own may keep a random key, and NumPy knows none
        begin = functools.partial(lanes.start, program, num_cases)
        runs = jax.jit(begin)(*beginning)
    runs = runs._replace(status=np.full_like(runs.status, Status.MAX_EPOCHS))
    return place(Pool(runs, beginning.settings, np.full_like(runs.status, EMPTY)), mesh)


_compiled = functools.partial(jax.jit, static_argnames=("block",), donate_argnames=("pool",))


@_compiled
def advance(
    block: Block,
    cases: Any,
    asked: Cases | None,
    roster: Roster,
    max_epochs: Any,
    num_epochs: Any,
    num_rounds: Any,
    pool: Pool,
    queue: Queue,
) -> Advanced:
    """Go up to `num_rounds` rounds on every device.

    Args:
      block: what is compiled for; static.
      cases: what the layout's `cases_of` returned.
      asked: the cases again, of which a run that has ended is asked those that it held out; None
        where none are, or where only counts are kept.
      roster: tells which run has which ticket.
      max_epochs: the cap of every run.
      num_epochs: the stride: epochs per round.
      num_rounds: rounds in this call; a device stops earlier when it has nothing to do.
      pool: what `empty_pool` or this function returned; it is used up.
      queue: runs that wait.

    Returns:
      The pool after the last round, and what was done.
    """
    program, num_cases = block.program, block.num_cases
    train = layout_named(block.implementation).advance
    arithmetic = Arithmetic(program, block.mesh.devices.flat[0].platform)

    def on_device(
        cases: Any,
        asked: Any,
        roster: Any,
        max_epochs: Any,
        num_epochs: Any,
        num_rounds: Any,
        pool: Any,
        queue: Any,
    ) -> Advanced:
        usable = jnp.arange(pool.ticket.size) < block.num_usable

        def busy(carry: Advanced) -> Any:
            empty = carry.pool.ticket == EMPTY
            waiting = carry.report.taken[0] < queue.length[0]
            starving = queue.more[0] & jnp.any(empty & usable)
            return (carry.report.rounds[0] < num_rounds) & (waiting | (jnp.any(~empty) & ~starving))

        def one_round(carry: Advanced) -> Advanced:
            pool, report = carry
            put = functools.partial(begin, program, num_cases, roster)
            pool, taken = _fill(put, usable, pool, queue, report.taken)
            runs = train(
                arithmetic,
                num_cases,
                cases,
                max_epochs,
                num_epochs,
                pool.settings,
                pool.runs,
            )
            ended = (pool.ticket != EMPTY) & (runs.status != Status.RUNNING)
            pool = Pool(runs, pool.settings, pool.ticket)
            written = _write_down(block, asked, report, pool, ended)
            pool = pool._replace(ticket=jnp.where(ended, EMPTY, pool.ticket))
            num_ended = report.num_ended + jnp.sum(ended, dtype=jnp.int32)
            return Advanced(pool, Report(written, num_ended, taken, report.rounds + 1))

        zero = jnp.zeros(1, jnp.int32)
        nothing = _nothing_ended(block, pool)
        before = Advanced(pool, Report(nothing, zero, zero, zero))
        return lax.while_loop(busy, one_round, before)

    numbers = jax.tree.map(jnp.asarray, (cases, asked, roster, max_epochs, num_epochs, num_rounds))
    in_specs = (*[EVERYWHERE] * len(numbers), *sharding_of((pool, queue)))
    report = jax.eval_shape(functools.partial(_report_shape, block), pool)
    return jax.shard_map(
        on_device,
        mesh=block.mesh,
        in_specs=in_specs,
        out_specs=sharding_of(Advanced(pool, report)),
        check_vma=False,
    )(*numbers, pool, queue)  # type: ignore[call-arg]


SAME_KERNELS = {"xla_gpu_autotune_level": 0}
"""Kernels for matrix products that are not chosen by timing: they add in another order, and the
same program compiled again, for a resume, must give the same bits."""

advance_on_gpu = _compiled(advance.__wrapped__, compiler_options=SAME_KERNELS)  # type: ignore[attr-defined]


def advance_on(mesh: Mesh) -> Any:
    """Return `advance` as it is compiled for the devices of a mesh."""
    return advance_on_gpu if mesh.devices.flat[0].platform == "gpu" else advance


def _report_shape(block: Block, pool: Pool) -> Report:
    """Return a report with the right number of axes everywhere; their lengths do not matter."""
    number = jnp.zeros(1, jnp.int32)
    return Report(_nothing_ended(block, pool), number, number, number)


def _nothing_ended(block: Block, pool: Pool) -> Any:
    if block.keep == "counts":
        return jnp.zeros(3 * block.bins, jnp.int32)
    places = block.places + pool.ticket.size  # all that are in lanes and in the queue can end
    whole, weights = jnp.zeros(places, jnp.int32), None
    right = whole if block.program.held_out else None
    if block.keep == "weights":
        weights = jnp.zeros((_num_numbers(pool.runs), places), block.program.dtype)
    return Ended(whole, whole, whole, jnp.zeros(places, block.program.dtype), right, weights)


def _num_numbers(runs: RunState) -> int:
    return sum(leaf.size // leaf.shape[-1] for leaf in jax.tree.leaves(runs.params))


def _fill(
    begin: Callable[[Any], Pool], usable: Any, pool: Pool, queue: Queue, taken: Any
) -> tuple[Pool, Any]:
    """Put waiting runs into empty lanes, in their order."""
    empty = (pool.ticket == EMPTY) & usable
    position = taken[0] + jnp.cumsum(empty.astype(jnp.int32)) - 1
    filled = empty & (position < queue.length[0])

    def put(pool: Pool) -> Pool:
        new = begin(queue.next[0] + jnp.where(filled, position, taken[0]))
        return jax.tree.map(
            lambda a, b: jnp.where(filled.reshape((1,) * (a.ndim - 1) + (-1,)), a, b), new, pool
        )

    pool = lax.cond(jnp.any(filled), put, lambda pool: pool, pool)
    return pool, taken + jnp.sum(filled, dtype=jnp.int32)


def begin(program: Program, num_cases: int, roster: Roster, ticket: Any) -> Pool:
    """Return lanes with the runs of these tickets, before their first epoch."""
    beginning = runs_at(roster, ticket)
    return Pool(lanes.start(program, num_cases, *beginning), beginning.settings, ticket)


def _write_down(block: Block, asked: Any, report: Report, pool: Pool, ended: Any) -> Any:
    """Return what is written down, with the runs in the lanes that have `ended`."""
    program, runs = block.program, pool.runs

    def write(written: Any) -> Any:
        if block.keep == "counts":
            place = jnp.where(ended, (runs.status - 1) * block.bins + runs.epoch, written.size)
            return written.at[place].add(1, mode="drop")  # others are out of bounds: dropped
        right = None if asked is None else _ask(program, asked, pool, ended)
        weights = None
        if block.keep == "weights":
            flatten = functools.partial(flatten_params, program.network)
            weights = jax.vmap(flatten, in_axes=-1, out_axes=-1)(runs.params)
        rows = Ended(pool.ticket, runs.status, runs.epoch, runs.loss, right, weights)
        place = report.num_ended[0] + jnp.cumsum(ended.astype(jnp.int32)) - 1
        place = jnp.where(ended, place, written.ticket.size)  # likewise
        return jax.tree.map(lambda a, row: a.at[..., place].set(row, mode="drop"), written, rows)

    return lax.cond(jnp.any(ended), write, lambda written: written, report.ended)


def _ask(program: Program, asked: Cases, pool: Pool, ended: Any) -> Any:
    """Return how many held-out cases are right, in the lanes that have `ended`.

    These are few at most times, so a few lanes are asked at once, as often as needed.
    """
    few = ended.size // PARTS
    first_the_ended = jnp.argsort(~ended)
    ask = jax.vmap(functools.partial(held_out_right, program, asked), -1, -1)

    def ask_few(k: Any, right: Any) -> Any:
        these = lax.dynamic_slice_in_dim(first_the_ended, k * few, few)
        told = pool.settings.threshold, pool.runs.params, pool.runs.trained
        return right.at[these].set(ask(*jax.tree.map(lambda a: jnp.take(a, these, -1), told)))

    times = (jnp.sum(ended, dtype=jnp.int32) + few - 1) // few
    return lax.fori_loop(0, times, ask_few, jnp.zeros(ended.size, jnp.int32))
