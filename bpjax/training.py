"""One run, watched: its history of loss, cases right and gradients, epoch by epoch.

The run is the same as in a sweep, bit for bit, because it *is* one: it trains in a lane of a block
of the sweep's shape, by the loop over epochs that a sweep has (`bpjax.sweeps.watched`). What the
history shows is computed beside it, from the weights after each epoch.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from bpjax.epoch import RunState
from bpjax.errors import SettingError
from bpjax.keywords import TrainSettings, check_names
from bpjax.notebook import curve_of, shown
from bpjax.params import Params, num_entries
from bpjax.progress import watching
from bpjax.recording import Glance, History, Recorder, Recording, Snapshots
from bpjax.status import Status
from bpjax.surroundings import pinned
from bpjax.sweeps.crew import Crew
from bpjax.sweeps.devices import lane_mesh
from bpjax.sweeps.memory import BYTES_PER_NAME, bytes_free, check_memory, refuse
from bpjax.sweeps.plan import Plan
from bpjax.sweeps.planning import check_seed, make_plan
from bpjax.sweeps.watched import Watched, follow_on, to_be_watched
from bpjax.task import Task, is_grid
from bpjax.tasks import make_task

SECONDS_PER_CALL = 0.1
"""How long one call should take: an epoch at least."""
LONGEST_PAUSE = 0.005
"""Between two looks whether it has ended, when a signal can end the waiting."""
FASTER = 8
"""A call makes at most so many times the epochs of the one before."""
BYTES_PER_NUMBER = 100
"""Of a history, from the look at it to its line in `history.csv`."""


class Run(NamedTuple):
    """One finished run.

    Attributes:
      task: what was trained, with its settings.
      seed: the name of the run.
      status: how it ended.
      epochs: when: the epochs made before it converged, reached the cap or left the finite numbers.
      loss: the loss at that moment.
      params: the weights at that moment.
      history: the way there.
      snapshots: weights on the way: the first and the last, and more if they were asked for.
    """

    task: Task
    seed: int
    status: Status
    epochs: int
    loss: float
    params: Params
    history: History
    snapshots: Snapshots

    def describe(self) -> str:
        """Return the outcome in one sentence."""
        task, right = self.task, self.history.num_right[-1]
        words = (
            f"{task.title}, seed {self.seed}: {self.status.name} after {self.epochs:,} epochs "
            f"(criterion {task.criterion}), loss {self.loss:.4g}, "
            f"{right} of {task.num_cases - task.num_held_out} cases right"
        )
        if not task.num_held_out:
            return f"{words}."
        held_out = self.history.num_held_out_right[-1]
        return f"{words}, and {held_out} of {task.num_held_out} held out."

    def __repr__(self) -> str:
        return f"Run({self.describe().rstrip('.')})"

    def _repr_html_(self) -> str:
        held_out = self.task.num_held_out
        rows = {
            "outcome": f"{self.status.name} after {self.epochs:,} epochs",
            "criterion": self.task.criterion,
            "loss": f"{self.loss:.4g}",
            "cases right": f"{self.history.num_right[-1]} of {self.task.num_cases - held_out}",
        }
        if held_out:
            rows["held out right"] = f"{self.history.num_held_out_right[-1]} of {held_out}"
        curve = curve_of(self.history.epoch, self.history.loss, "loss, by epoch")
        return shown(f"{self.task.title}, seed {self.seed}", rows, curve)


class Part(NamedTuple):
    """A run that has not ended.

    Attributes:
      epoch: epochs made.
      arrays: the numbers of its state, named "state" and a number, and what has been recorded.
    """

    epoch: int
    arrays: dict[str, np.ndarray]


Keep = Callable[[Callable[[], Part]], None]
"""Is called a few times a second with a function that returns the run as it stands."""


def train(
    task: Task | str,
    seed: int,
    *,
    record_every: int = 1,
    snapshot_every: int | None = None,
    callback: Callable[[int, Params], Any] | None = None,
    callback_epochs: Collection[int] | None = None,
    progress: bool | Callable[[Glance], object] | None = None,
    **settings: Unpack[TrainSettings],
) -> Run:
    """Train the run named by `seed` to its outcome and keep its history.

    A sweep with the same settings counts the same run under the same seed: same status, same
    epoch, and on the same kind of device the same weights, bit for bit.

    Args:
      task: what to train, or the name of a task.
      seed: 0 to 2**32 - 1.
      record_every: epochs between two entries of the history; the last epoch is always there.
      snapshot_every: epochs between two snapshots of the weights, a multiple of `record_every`;
        None keeps the first and the last.
      callback: called with an epoch and the weights after it, as NumPy arrays. Epochs come in their
        order, but many at a time: training has gone on by then. What it raises ends the training.
      callback_epochs: the epochs to call it for, multiples of `record_every`; None for every
        recorded one.
      progress: None shows a line of progress where a terminal or a notebook is attached, True
        everywhere, False nowhere. A function is called with a `Glance` some times a second, and at
        the end.
      **settings: `precision` and `implementation` as for a sweep, and settings of the recipe or
        criterion, see `Task.with_settings`.

    Returns:
      The run.

    Raises:
      SettingError: for a setting that breaks its rule.

    Example:
      >>> import bpjax
      >>> run = bpjax.train(bpjax.tasks.xor(), seed=7, learning_rate=0.5)
      >>> run.status.name, len(run.history.loss) == run.epochs + 1, int(run.history.num_right[-1])
      ('CONVERGED', True, 4)
    """
    check_names(settings, TrainSettings, train)
    plan = plan_run(task, seed, **settings)
    recording = Recording(record_every, snapshot_every, callback, callback_epochs)
    with watching(progress) as on_progress:
        return train_plan(plan, recording, on_progress)


def plan_run(task: Task | str, seed: int, **settings: Unpack[TrainSettings]) -> Plan:
    """Return the plan of one run: a sweep of one seed; arguments as for `train`."""
    task = make_task(task) if isinstance(task, str) else task
    for name, value in settings.items():
        if is_grid(value):
            raise SettingError(name, "must be one value for one run", list(value))
    initializer = settings.get("initializer", task.recipe.initializer)
    check_seed(seed, task.with_settings(initializer=initializer))
    return make_plan(task, 1, first_seed=seed, **settings)


def train_plan(
    plan: Plan,
    recording: Recording = Recording(),  # noqa: B008  (frozen)
    on_progress: Callable[[Glance], object] | None = None,
    keep: Keep | None = None,
    part: Part | None = None,
) -> Run:
    """Train what `plan_run` laid out.

    Args:
      plan: of one run.
      recording: what is recorded.
      on_progress: is told of every step.
      keep: is asked now and then whether the run is to be kept as it stands. What it raises ends
        the training.
      part: of the same run with the same recording, to go on with: the run and its record are those
        of one that was never left, bit for bit.
    """
    check_history(plan, recording)
    with pinned(plan.precision):
        return _train(plan, recording, on_progress, keep, part)


def check_history(plan: Plan, recording: Recording) -> None:
    """Raise SettingError if the longest run of a plan would keep more than fits into memory."""
    record_every, snapshot_every = recording.record_every, recording.snapshot_every
    task, itemsize = plan.tasks[0], np.dtype(plan.precision).itemsize
    network, cap = task.network, task.recipe.max_epochs
    columns = 7 + len(network.weights) + len(network.biases) + 2 * len(network.computed_layers)
    entry = columns * BYTES_PER_NUMBER / record_every
    weights = num_entries(network)
    if snapshot_every is not None:
        entry += 2 * weights * itemsize / snapshot_every  # one by one, and as one table
    names, free = weights * BYTES_PER_NAME, bytes_free(1, of_host=True)
    if free is None or names + cap * entry <= free:
        return
    if names > free // 2:
        refuse(plan, task, names, free)
    most = int((free - names) / entry)
    every = f"an entry every {record_every} epochs"
    if snapshot_every is not None:
        every += f" and all weights every {snapshot_every}"
    rule = f"must be at most {most:,} here: with {every} the history of a run fills the memory"
    raise SettingError("max_epochs", rule, cap)


def _train(
    plan: Plan,
    recording: Recording,
    on_progress: Callable[[Glance], object] | None,
    keep: Keep | None,
    part: Part | None,
) -> Run:
    (group,) = plan.groups()
    crew = Crew(plan, group, lane_mesh(num_devices=1))
    recorder = Recorder(group.task, group.program, recording, on_progress)
    crew.begin(plan.runs)
    if part is not None:
        recorder.take_up(part.arrays)
    for watched in _followed(crew, recording.record_every, recorder.states_per_look, part):
        recorder.look(watched.states, int(watched.num_states))
        if keep is not None:
            keep(functools.partial(_part_of, watched.run, recorder))
    run = watched.run
    history, snapshots = recorder.finish()
    return Run(
        task=group.task,
        seed=plan.first_seed,
        status=Status(int(run.status)),
        epochs=int(run.epoch),
        loss=float(run.loss),
        params=run.params,
        history=history,
        snapshots=snapshots,
    )


def _await(watched: Watched) -> None:
    pause = LONGEST_PAUSE / 64
    while not watched.num_states.is_ready():  # type: ignore[attr-defined]
        time.sleep(pause)
        pause = min(1.2 * pause, LONGEST_PAUSE)


def _part_of(run: RunState, recorder: Recorder) -> Part:
    leaves = (_numbers_of(leaf) for leaf in jax.tree.leaves(run))
    state = {f"state {k}": leaf for k, leaf in enumerate(leaves) if leaf.size}
    return Part(int(run.epoch), state | recorder.recorded())


def _numbers_of(leaf: Any) -> np.ndarray:
    """Return numbers of a run for the host; NumPy knows no random keys, as a rule may have one."""
    is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)


@jax.jit
def _with_state(runs: RunState, numbers: dict[str, Any]) -> RunState:
    """Return lanes with a run that `_part_of` was asked for in the first of them."""
    leaves, tree = jax.tree.flatten(runs)
    for k, leaf in enumerate(leaves):
        if f"state {k}" in numbers:
            own = jnp.asarray(numbers[f"state {k}"])
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                own = jax.random.wrap_key_data(own, impl=jax.random.key_impl(leaf))
            leaves[k] = leaf.at[..., 0].set(own.reshape(leaf.shape[:-1]))  # a file has no scalars
    return jax.tree.unflatten(tree, leaves)


def _followed(
    crew: Crew, record_every: int, places: int, part: Part | None = None
) -> Iterator[Watched]:
    """Train the one run of a crew, and stop where somebody should look; the last time it has ended.

    What is yielded is used up when the next is asked for.
    """
    block = dataclasses.replace(crew.block, places=places)
    follow = follow_on(crew.mesh)
    about = block, crew.cases, crew.roster, crew.max_epochs, np.int32(record_every)

    def place(tree: Any) -> Any:
        return jax.device_put(tree, crew.everywhere)

    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=crew.everywhere),
        jax.eval_shape(lambda pool: to_be_watched(block, pool), crew.pool),
    )
    check_memory(follow, (*about, np.int32(0), shapes), crew.plan, crew.group.task, 1)
    watched = follow(*about, np.int32(0), place(to_be_watched(block, crew.empty_pool())))
    made = 0
    if part is not None:
        state = {name: array for name, array in part.arrays.items() if name.startswith("state ")}
        runs = place(_with_state(watched.pool.runs, state))
        watched = Watched(watched.pool._replace(runs=runs), watched.states, place(np.int32(0)))
        made = part.epoch
    num_epochs, looked = 1, time.perf_counter()
    while True:
        began = time.perf_counter()
        watched = follow(*about, np.int32(num_epochs), watched)
        _await(watched)
        status, epoch = jax.device_get((watched.pool.runs.status[0], watched.pool.runs.epoch[0]))
        now = time.perf_counter()
        has_ended = status != Status.RUNNING
        if has_ended or watched.num_states == places or now - looked > SECONDS_PER_CALL:
            yield watched
            watched = watched._replace(num_states=place(np.int32(0)))
            looked = time.perf_counter()
        if has_ended:
            return
        fitting = int(SECONDS_PER_CALL * (epoch - made) / (now - began))
        num_epochs, made = min(max(1, fitting), FASTER * num_epochs), epoch
