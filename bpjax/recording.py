"""What is recorded of a watched run: history and snapshots, from the weights after each epoch."""

import dataclasses
import functools
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bpjax.backprop import backward_pass, enters, forward_pass, outputs_of, seen_by_loss
from bpjax.criteria import cases_right
from bpjax.epoch import Cases, Program, RunState, Settings, loss_during_epoch, settings_of
from bpjax.errors import SettingError
from bpjax.held_out import error_of
from bpjax.network import Network
from bpjax.numbers import whole_number
from bpjax.params import Params, flatten_params, num_entries, unflatten_params
from bpjax.progress import Line
from bpjax.schedule import LARGEST_EPOCH
from bpjax.task import Task

STATES_PER_LOOK = 1024
"""Recorded states are evaluated together, so many at a time; fewer of a net so large that weights
and activations would be more than the next."""
NUMBERS_PER_LOOK = 2**21
SECONDS_UNTOLD = 0.1
"""Whoever watches is told so often."""


class History(NamedTuple):
    """A run over training; the first axis of every array is the recorded epoch.

    Attributes:
      epoch: epochs made, passes over all cases: one weight change each, or one for each case where
        weights change after every case; starts at 0.
      loss: the loss E of the task.
      loss_during_epoch: the loss of the epoch that begins here, added up over the cases as each is
        shown, between changes of the weights; NaN at the end, where none begins; `loss` where they
        change only after all cases.
        Simulators of the time printed it under the number of the epoch that then ends.
      held_out_loss: the loss of the cases held out, as `loss` is that of the others; NaN where none
        are.
      mean_squared_error: of the outputs of all trained cases, whatever the loss is.
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
    loss_during_epoch: np.ndarray
    held_out_loss: np.ndarray
    mean_squared_error: np.ndarray
    num_right: np.ndarray
    num_held_out_right: np.ndarray
    gradient_norm: dict[str, np.ndarray]
    gradient_size: dict[str, np.ndarray]
    error_signal_size: dict[str, np.ndarray]

    def __repr__(self) -> str:
        if not _is_table(self.epoch):
            return tuple.__repr__(self)
        return (
            f"History({len(self.epoch):,} entries, epochs {self.epoch[0]:,} to {self.epoch[-1]:,}, "
            f"loss {self.loss[0]:.4g} to {self.loss[-1]:.4g}; {', '.join(self._fields)})"
        )


class Snapshots(NamedTuple):
    """Weights over training: `weights[k]` holds all parameters after `epoch[k]` epochs.

    Columns are in the order of `bpjax.params.parameter_names`.
    """

    epoch: np.ndarray
    weights: np.ndarray

    def __repr__(self) -> str:
        if not (_is_table(self.epoch) and np.ndim(self.weights) == 2):
            return tuple.__repr__(self)
        number, width = self.weights.shape
        epochs = f"epochs {self.epoch[0]:,} to {self.epoch[-1]:,}"
        return f"Snapshots({number:,} of {width:,} weights, {epochs}; epoch, weights)"


def _as_python_counts(table: Any) -> np.ndarray:
    """Return an array for the host, with counts as NumPy's own whole numbers."""
    array = np.asarray(table)
    return array.astype(int) if array.dtype.kind == "i" else array


def _is_table(epoch: Any) -> bool:
    """Tell whether a tuple holds a record; as a tree of JAX it may hold anything."""
    return isinstance(epoch, np.ndarray) and epoch.ndim == 1 and len(epoch) > 0


class Glance(NamedTuple):
    """Where a run stands: what a person who watches is told.

    Attributes:
      done: epochs made, up to the latest that was recorded.
      total: epochs at most.
      loss: the loss then.
      num_right: cases right then.
      num_cases: of so many.
      seconds: since it began, or went on.
      begun: the epoch at which it went on; 0 where it began.
    """

    done: int
    total: int
    loss: float
    num_right: int
    num_cases: int
    seconds: float
    begun: int = 0

    def line(self) -> Line:
        """Return what a line of progress says of it."""
        rest = (
            f"loss {self.loss:.4g}",
            f"{self.num_right} of {self.num_cases} cases right",
            f"{(self.done - self.begun) / self.seconds:,.0f} epochs/s",
        )
        return Line(self.done, self.total, "epoch {} of {}", rest)


@dataclasses.dataclass(frozen=True)
class Recording:
    """What is recorded of a watched run; arguments and faults as of `bpjax.train`.

    Args:
      record_every: epochs between two entries of the history.
      snapshot_every: epochs between two snapshots of the weights; None for the first and the last.
      callback: is called with epochs and the weights after them.
      callback_epochs: with these alone; None for all that are recorded.
    """

    record_every: int = 1
    snapshot_every: int | None = None
    callback: Callable[[int, Params], Any] | None = None
    callback_epochs: Collection[int] | None = None

    def __post_init__(self) -> None:
        whole_number("record_every", self.record_every, 1, LARGEST_EPOCH + 1)
        if self.snapshot_every is not None:
            whole_number("snapshot_every", self.snapshot_every, 1, LARGEST_EPOCH + 1)
            self._check_recorded("snapshot_every", self.snapshot_every)
        if self.callback is not None and not callable(self.callback):
            raise SettingError("callback", "must be a function", self.callback)
        if self.callback_epochs is not None:
            object.__setattr__(self, "callback_epochs", self._epochs(self.callback_epochs))

    def _epochs(self, given: Any) -> tuple[int, ...]:
        if self.callback is None:
            raise SettingError("callback_epochs", "must go with a callback", given)
        try:
            epochs = [whole_number("callback_epochs", e, 0, LARGEST_EPOCH) for e in given]
        except TypeError:
            raise SettingError("callback_epochs", "must be whole numbers", given) from None
        for epoch in epochs:
            self._check_recorded("callback_epochs", epoch)
        return tuple(epochs)

    def _check_recorded(self, name: str, epochs: int) -> None:
        if epochs % self.record_every:
            raise SettingError(
                name, f"must be a multiple of record_every {self.record_every}", epochs
            )

    def asks_for(self, epochs: np.ndarray) -> np.ndarray:
        """Return the places of those of the recorded epochs that the callback is called for."""
        if self.callback is None:
            return epochs[:0]
        if self.callback_epochs is None:
            return np.arange(len(epochs))
        return np.flatnonzero(np.isin(epochs, list(self.callback_epochs)))


class Recorder:
    """Turns the weights after each epoch into a history."""

    def __init__(
        self,
        task: Task,
        program: Program,
        recording: Recording,
        on_progress: Callable[[Glance], object] | None,
    ):
        self.task, self.program = task, program
        self.cases = Cases(*task.cases(program.dtype))
        self.recording, self.on_progress = recording, on_progress
        units = sum(layer.size for layer in program.network.layers)
        numbers = num_entries(program.network) + task.num_cases * units
        self.states_per_look = max(1, min(STATES_PER_LOOK, NUMBERS_PER_LOOK // numbers))
        self.tolerance = task.criterion.threshold if task.criterion.kind == "tolerance" else 0.5
        self.settings = settings_of(task, program.dtype)
        self.parts: list[History] = []
        self.begun = 0
        self.snapshots: list[tuple[int, np.ndarray]] = []
        self.latest: tuple[int, Any] = -1, None
        self.began = self.told = time.perf_counter()

    def finish(self) -> tuple[History, Snapshots]:
        history = jax.tree.map(lambda *parts: np.concatenate(parts), *self.parts)
        history = _in_order(self.task.network, history)
        if self.program.updates != "batch":
            history.loss_during_epoch[-1] = np.nan  # no epoch begins there
        self._tell()
        snapshots = dict([*self.snapshots, self.latest])
        return history, Snapshots(np.array(list(snapshots)), np.stack(list(snapshots.values())))

    def recorded(self) -> dict[str, np.ndarray]:
        """Return all that has been recorded so far, as arrays by name: `take_up` takes it up."""
        self.parts = [jax.tree.map(lambda *parts: np.concatenate(parts), *self.parts)]
        arrays: dict[str, np.ndarray] = {}
        for field, value in self.parts[0]._asdict().items():
            if isinstance(value, dict):
                arrays |= {f"history {field} {name}": array for name, array in value.items()}
            else:
                arrays[f"history {field}"] = value
        snapshots = [*self.snapshots, self.latest]  # the latest is one of them only at the end
        arrays["snapshots epoch"] = np.array([epoch for epoch, _ in snapshots])
        arrays["snapshots weights"] = np.stack([weights for _, weights in snapshots])
        return arrays

    def take_up(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on where another has stopped, with what its `recorded` returned."""
        fields: dict[str, Any] = {}
        for field in History._fields:
            start = f"history {field}"
            fields[field] = arrays.get(start)
            if fields[field] is None:
                named = {name.removeprefix(f"{start} "): array for name, array in arrays.items()}
                fields[field] = {name: named[name] for name in named if f"{start} {name}" in arrays}
        self.parts = [History(**fields)]
        self.begun = int(self.parts[0].epoch[-1])
        *self.snapshots, self.latest = zip(
            arrays["snapshots epoch"].tolist(), arrays["snapshots weights"].copy(), strict=True
        )

    def look(self, states: RunState, num_states: int) -> None:
        """Take up the first `num_states` of some states, which come in their order."""
        epochs = np.asarray(states.epoch)[:num_states]
        # The end of a run may stand there twice: judging it made no change.
        new = np.flatnonzero(np.diff(epochs, prepend=self.latest[0]))
        if len(new):
            seen = _observe(self.program, self.cases, self.settings, self.tolerance, states)
            *columns, weights = jax.tree.map(lambda table: _as_python_counts(table)[new], seen)
            epochs = epochs[new].astype(int)
            self.parts.append(History(epochs, *columns))
            every = self.recording.snapshot_every or LARGEST_EPOCH + 1
            # Copies: a row alone, not the table that it stands in; and the callback has its own.
            for k in np.flatnonzero(epochs % every == 0):
                self.snapshots.append((int(epochs[k]), weights[k].copy()))
            self.latest = int(epochs[-1]), weights[-1].copy()
            for k in self.recording.asks_for(epochs):
                params = unflatten_params(self.program.network, weights[k].copy())
                self.recording.callback(int(epochs[k]), params)  # type: ignore[misc]
        if time.perf_counter() - self.told > SECONDS_UNTOLD:
            self._tell()

    def _tell(self) -> None:
        self.told = time.perf_counter()
        if self.on_progress is not None:
            self.on_progress(self._glance())

    def _glance(self) -> Glance:
        history, task = self.parts[-1], self.task
        return Glance(
            done=int(history.epoch[-1]),
            total=task.recipe.max_epochs,
            loss=float(history.loss[-1]),
            num_right=int(history.num_right[-1]),
            num_cases=task.num_cases - task.num_held_out,
            seconds=time.perf_counter() - self.began,
            begun=self.begun,
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
    settings: Settings,
    tolerance: float,
    states: RunState,
) -> tuple[Any, ...]:
    network = program.network
    trained = None if states.trained is None else states.trained[0]
    counts = jnp.ones(len(cases.inputs), bool) if trained is None else trained

    def observe(run: RunState) -> tuple[Any, ...]:
        params = run.params
        activations = forward_pass(network, params, cases.inputs)
        outputs = outputs_of(network, activations)
        right = cases_right(outputs, cases.targets, tolerance)
        seen = seen_by_loss(network, params, activations, program.loss)
        loss, d_outputs = error_of(program.loss, seen, cases.targets, trained)
        grads, _, d_preactivations = backward_pass(
            network, params, activations, *enters(network, program.loss, d_outputs)
        )
        squares = jnp.where(counts[:, None], (outputs - cases.targets) ** 2, 0)
        at_once = program.updates == "batch"
        return (
            loss,
            loss if at_once else loss_during_epoch(program, cases, settings, run),
            jnp.full_like(loss, jnp.nan)
            if trained is None
            else error_of(program.loss, seen, cases.targets, ~trained)[0],
            jnp.sum(squares) / (jnp.sum(counts, dtype=squares.dtype) * network.num_out),
            jnp.sum(right & counts),
            jnp.sum(right & ~counts),
            _gradient_norm(network, grads),
            _gradient_size(network, grads),
            {name: jnp.sqrt(jnp.mean(d_x**2)) for name, d_x in d_preactivations.items()},
            flatten_params(network, params),
        )

    return jax.vmap(observe)(states)


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
