"""One run, watched: its history of loss, cases right and gradients, epoch by epoch.

The run is the same as in a sweep, bit for bit, because it *is* one: it trains in a lane of a block
of the sweep's shape, by the sweep's own compiled loop, which is asked for a few epochs at a time.
What the history shows is computed beside it, from the weights after each epoch.
"""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bpjax.backprop import Activations, at_outputs, backward_pass, forward_pass, outputs_of
from bpjax.criteria import cases_right
from bpjax.epoch import Cases, Program, RunState, as_answered
from bpjax.errors import SettingError
from bpjax.network import Network, Params, flatten_params, num_entries
from bpjax.numbers import whole_number
from bpjax.status import Status
from bpjax.surroundings import pinned
from bpjax.sweeps.chunks import as_ranges
from bpjax.sweeps.crew import Crew
from bpjax.sweeps.devices import lane_mesh
from bpjax.sweeps.memory import BYTES_PER_NAME, bytes_free, refuse
from bpjax.sweeps.plan import Plan, check_seed, make_plan
from bpjax.task import Task, is_grid
from bpjax.units import UNITS

EPOCHS_PER_CALL = 1024
"""The longest stride: a run that has ended waits for its end."""
EPOCHS_PER_LOOK = 64
"""Recorded epochs are evaluated together, so many at a time; fewer of a net so large that their
weights would be more than the next."""
NUMBERS_PER_LOOK = 2**25
BYTES_PER_NUMBER = 100
"""Of a history, from the look at it to its line in `history.csv`."""


class History(NamedTuple):
    """A run over training; the first axis of every array is the recorded epoch.

    Attributes:
      epoch: epochs made, passes over all cases: one weight change each, or one for each case where
        weights change after every case; starts at 0.
      loss: the loss E of the task.
      num_right: number of trained cases right, by the criterion's tolerance (0.5 if it has none).
      num_held_out_right: likewise of the cases held out.
      gradient_norm: Euclidean norm of dE/dw per connection ("input -> hidden") and of dE/db per
        layer ("bias hidden").
      gradient_size: root-mean-square of all derivatives that belong to a layer's incoming weights
        and biases, per computed layer, from early to late.
      error_signal_size: root-mean-square of dE/dx over the units of a layer and all cases, per
        computed layer: the blame that equation (7) carries back, before equation (6) weighs it
        with the activations and sums it over cases.
    """

    epoch: np.ndarray
    loss: np.ndarray
    num_right: np.ndarray
    num_held_out_right: np.ndarray
    gradient_norm: dict[str, np.ndarray]
    gradient_size: dict[str, np.ndarray]
    error_signal_size: dict[str, np.ndarray]


class Snapshots(NamedTuple):
    """Weights over training: `weights[k]` holds all parameters after `epoch[k]` epochs.

    Columns are in the order of `bpjax.network.parameter_names`.
    """

    epoch: np.ndarray
    weights: np.ndarray


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


class Glance(NamedTuple):
    """What a person who watches is told: the latest recorded epoch."""

    epoch: int
    max_epochs: int
    loss: float
    num_right: int
    num_cases: int
    seconds: float


def train(
    task: Task,
    seed: int,
    *,
    record_every: int = 1,
    snapshot_every: int | None = None,
    on_progress: Callable[[Glance], None] | None = None,
    **settings: Any,
) -> Run:
    """Train the run named by `seed` to its outcome and keep its history.

    A sweep with the same settings counts the same run under the same seed: same status, same
    epoch, and on the same kind of device the same weights, bit for bit.

    Args:
      task: what to train.
      seed: 0 to 2**32 - 1.
      record_every: epochs between two entries of the history; the last epoch is always there.
      snapshot_every: epochs between two snapshots of the weights, a multiple of `record_every`;
        None keeps the first and the last.
      on_progress: called after every 64 recorded epochs (fewer of a large net), and at the end.
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
    plan = plan_run(task, seed, **settings)
    return train_plan(plan, record_every, snapshot_every, on_progress)


def plan_run(task: Task, seed: int, **settings: Any) -> Plan:
    """Return the plan of one run: a sweep of one seed; arguments as for `train`."""
    for name, value in settings.items():
        if is_grid(value):
            raise SettingError(name, "must be one value for one run", list(value))
    initializer = settings.get("initializer", task.recipe.initializer)
    check_seed(seed, task.with_settings(initializer=initializer))
    return make_plan(task, 1, first_seed=seed, **settings)


def train_plan(
    plan: Plan,
    record_every: int = 1,
    snapshot_every: int | None = None,
    on_progress: Callable[[Glance], None] | None = None,
) -> Run:
    """Train what `plan_run` laid out; the other arguments as for `train`."""
    check_recording(record_every, snapshot_every)
    check_history(plan, record_every, snapshot_every)
    with pinned(plan.precision):
        return _train(plan, record_every, snapshot_every, on_progress)


def check_recording(record_every: int, snapshot_every: int | None) -> None:
    """Raise SettingError unless both are good for `train`."""
    whole_number("record_every", record_every, 1, 2**31 - 1)
    if snapshot_every is not None:
        whole_number("snapshot_every", snapshot_every, 1, 2**31 - 1)
        if snapshot_every % record_every:
            rule = f"must be a multiple of record_every {record_every}"
            raise SettingError("snapshot_every", rule, snapshot_every)


def check_history(plan: Plan, record_every: int, snapshot_every: int | None) -> None:
    """Raise SettingError if the longest run of a plan would keep more than fits into memory."""
    task, itemsize = plan.tasks[0], np.dtype(plan.precision).itemsize
    network, cap = task.network, task.recipe.max_epochs
    columns = 4 + len(network.weights) + len(network.biases) + 2 * len(network.computed_layers)
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
    record_every: int,
    snapshot_every: int | None,
    on_progress: Callable[[Glance], None] | None,
) -> Run:
    (group,) = plan.groups()
    crew = Crew(plan, group, lane_mesh(num_devices=1))
    recorder = _Recorder(group.task, group.program, snapshot_every, on_progress)
    crew.begin(as_ranges([(plan.runs.start, plan.runs.stop)]))
    run, before = _advance(crew, record_every), -1
    while True:
        if run.epoch > before:
            recorder.add(int(run.epoch), run.params, run.trained)
        if crew.all_ended:
            break
        run, before = _advance(crew, record_every), int(run.epoch)
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


def _advance(crew: Crew, num_epochs: int) -> RunState:
    """Let the one run go on, and return it from its lane: the first."""
    compiled = crew.calls > 0
    while num_epochs and not crew.all_ended:
        stride = min(num_epochs, EPOCHS_PER_CALL)
        crew.advance(stride)
        num_epochs -= stride if compiled else num_epochs
    return _first_lane(crew.pool.runs)


@jax.jit
def _first_lane(runs: RunState) -> RunState:
    return jax.tree.map(lambda lanes: lanes[..., 0], runs)


class _Recorder:
    """Turns the weights after each epoch into a history."""

    def __init__(
        self,
        task: Task,
        program: Program,
        snapshot_every: int | None,
        on_progress: Callable[[Glance], None] | None,
    ):
        self.task, self.program = task, program
        self.cases = Cases(*task.cases(program.dtype))
        self.snapshot_every, self.on_progress = snapshot_every, on_progress
        most = NUMBERS_PER_LOOK // num_entries(program.network)
        self.epochs_per_look = max(1, min(EPOCHS_PER_LOOK, most))
        self.tolerance = task.criterion.threshold if task.criterion.kind == "tolerance" else 0.5
        self.waiting: list[tuple[int, Params]] = []
        self.parts: list[History] = []
        self.snapshots: list[tuple[int, np.ndarray]] = []
        self.began = time.perf_counter()

    def add(self, epoch: int, params: Params, trained: Any) -> None:
        self.waiting.append((epoch, params))
        self.trained = trained
        if len(self.waiting) == self.epochs_per_look:
            self._look()

    def finish(self) -> tuple[History, Snapshots]:
        if self.waiting:
            self._look()
        history = jax.tree.map(lambda *parts: np.concatenate(parts), *self.parts)
        history = _in_order(self.task.network, history)
        snapshots = dict([*self.snapshots, self.latest])
        return history, Snapshots(np.array(list(snapshots)), np.stack(list(snapshots.values())))

    def _look(self) -> None:
        epochs, params = zip(*self.waiting, strict=True)
        self.waiting = []
        filled = [*params, *[params[-1]] * (self.epochs_per_look - len(params))]
        seen = _observe(self.program, self.cases, self.tolerance, self.trained, filled)
        *columns, weights = jax.tree.map(lambda a: np.asarray(a)[: len(epochs)], seen)
        self.parts.append(History(np.array(epochs), *columns))
        for epoch, row in zip(epochs, weights, strict=True):
            if epoch == 0 or (self.snapshot_every and epoch % self.snapshot_every == 0):
                self.snapshots.append((epoch, row))
        self.latest = epochs[-1], weights[-1]
        if self.on_progress is not None:
            self.on_progress(self._glance())

    def _glance(self) -> Glance:
        history, task = self.parts[-1], self.task
        return Glance(
            epoch=int(history.epoch[-1]),
            max_epochs=task.recipe.max_epochs,
            loss=float(history.loss[-1]),
            num_right=int(history.num_right[-1]),
            num_cases=task.num_cases - task.num_held_out,
            seconds=time.perf_counter() - self.began,
        )


def _in_order(network: Network, history: History) -> History:
    """Bring dictionaries, which JAX sorts by name, back into the order of the network."""
    connections = [" -> ".join(key) for key in network.weights]
    biases = [f"bias {name}" for name in network.biases]
    layers = [layer.name for layer in network.computed_layers]
    return history._replace(
        gradient_norm={name: history.gradient_norm[name] for name in [*connections, *biases]},
        gradient_size={name: history.gradient_size[name] for name in layers},
        error_signal_size={name: history.error_signal_size[name] for name in layers},
    )


@functools.partial(jax.jit, static_argnames="program")
def _observe(
    program: Program,
    cases: Cases,
    tolerance: float,
    trained: Any,
    params_by_epoch: list[Params],
) -> tuple[Any, ...]:
    network = program.network
    counts = jnp.ones(len(cases.inputs), bool) if trained is None else trained

    def observe(params: Params) -> tuple[Any, ...]:
        activations = forward_pass(network, params, cases.inputs)
        outputs = outputs_of(network, activations)
        right = cases_right(outputs, cases.targets, tolerance)
        outputs = as_answered(outputs, cases.targets, counts[:, None])
        loss = program.loss.value(outputs, cases.targets)
        d_outputs = program.loss.derivative(outputs, cases.targets)
        grads, d_activations = backward_pass(
            network, params, activations, at_outputs(network, d_outputs)
        )
        return (
            loss,
            jnp.sum(right & counts),
            jnp.sum(right & ~counts),
            _gradient_norm(network, grads),
            _gradient_size(network, grads),
            _error_signal_size(network, activations, d_activations),
            flatten_params(network, params),
        )

    return jax.vmap(observe)(jax.tree.map(lambda *entries: jnp.stack(entries), *params_by_epoch))


def _gradient_norm(network: Network, grads: Params) -> dict[str, Any]:
    named = {" -> ".join(key): entry for key, entry in grads.weight.items()}
    named |= {f"bias {name}": entry for name, entry in grads.bias.items()}
    return {name: jnp.sqrt(jnp.sum(entry * entry)) for name, entry in named.items()}


def _gradient_size(network: Network, grads: Params) -> dict[str, Any]:
    """Root-mean-square derivative per layer. Absent weights have none and are not counted."""
    sizes = {}
    for layer in network.computed_layers:
        squares, count = jnp.zeros(()), 0
        for c in network.incoming[layer.name]:
            squares += jnp.sum(grads.weight[c.weight_key] ** 2)
            count += network.num_weights(c)
        if layer.bias:
            squares += jnp.sum(grads.bias[layer.bias_key] ** 2)
            count += layer.size
        sizes[layer.name] = jnp.sqrt(squares / count)
    return sizes


def _error_signal_size(
    network: Network, activations: Activations, d_activations: Activations
) -> dict[str, Any]:
    sizes = {}
    for layer in network.computed_layers:
        slope = UNITS[layer.activation].derivative(activations[layer.name])
        sizes[layer.name] = jnp.sqrt(jnp.mean((d_activations[layer.name] * slope) ** 2))  # (5)
    return sizes
