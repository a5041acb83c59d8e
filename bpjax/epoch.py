"""One epoch of one run: judge the weights, then learn from them.

Pure functions on one run. The engine for many runs maps them over lanes; nothing here knows how
many runs there are. Longer than other modules, because it is one text: what a run is, how it is
judged, how it learns.
"""

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, UInt

from bpjax.backprop import (
    backward_pass,
    enters,
    forward_pass,
    outputs_of,
    seen_by_loss,
)
from bpjax.criteria import Criterion, cases_right
from bpjax.held_out import as_answered, error_of, trained_cases
from bpjax.learning import learning_rule, name_of, rule_named
from bpjax.loss import Loss
from bpjax.network import Network
from bpjax.params import Params, unflatten_params
from bpjax.presentation import Order, Updates, fixed_parts, shown_cases
from bpjax.schedule import as_schedule, value_in_epoch
from bpjax.starts.given import Start
from bpjax.starts.initial import Strategy
from bpjax.status import Status
from bpjax.task import Task


class Settings(NamedTuple):
    """The numbers of one run that a grid may vary; traced, so a grid needs one compilation.

    Attributes:
      learning_rate: one value per piece of the recipe's schedule.
      momentum: likewise.
      weight_decay: share of every weight lost after each change; likewise.
      init_range: half-width of the initial distribution, where it is one that has it.
      threshold: of the criterion.
    """

    learning_rate: Float[Array, " pieces"]
    momentum: Float[Array, " pieces"]
    weight_decay: Float[Array, " pieces"]
    init_range: Float[Array, ""]
    threshold: Float[Array, ""]


class RunState(NamedTuple):
    """A run between two epochs.

    Attributes:
      params: weights and biases.
      optimizer_state: memory of the learning rule.
      epoch: epochs made so far.
      status: a `Status`; RUNNING until judged otherwise.
      loss: the loss when the run was last judged.
      trained: which cases it is trained on; None for all.
      seed: its name, where the order of the cases is drawn from it; else None.
    """

    params: Params
    optimizer_state: Any
    epoch: Int[Array, ""]
    status: Int[Array, ""]
    loss: Float[Array, ""]
    trained: Bool[Array, " num_cases"] | None = None
    seed: UInt[Array, ""] | None = None


class Cases(NamedTuple):
    """The cases of a task in the float type of the program.

    Attributes:
      inputs: shape (num_cases, num_in).
      targets: shape (num_cases, num_out).
    """

    inputs: Float[Array, "num_cases num_in"]
    targets: Float[Array, "num_cases num_out"]


@dataclasses.dataclass(frozen=True)
class Program:
    """What a training program is compiled for: all of a task but its cases and its numbers.

    Hashable, so that tasks which differ only in numbers share one compiled program. The fields
    have the meaning they have in `Task` and `Recipe`; `decays` says whether any run of the
    program decays its weights, `dtype` is "float32" or "float64"; `initializer` is None where the
    weights of a `Start` are handed in. What a user brings may be equal to what computes something
    else: `brought` tells it from that by its traced program.
    """

    network: Network
    loss: Loss
    criterion_kind: Literal["tolerance", "loss"]
    optimizer: str | optax.GradientTransformation
    updates: Updates
    order: Order
    learning_rate_changes: tuple[int, ...]
    momentum_changes: tuple[int, ...]
    weight_decay_changes: tuple[int, ...]
    decays: bool
    decay_biases: bool
    copies: Literal["average", "sum"]
    held_out: int | tuple[int, ...]
    initializer: Strategy | None
    dtype: str
    brought: tuple[str, ...] = ()

    @property
    def memory_is_last_change(self) -> bool:
        """Whether the memory of the learning rule is finite whenever the weights are.

        The velocity of equation (9) is the last weight change, so it cannot leave the finite
        numbers before the weights do; the squares that Adam remembers can.
        """
        name = name_of(self.optimizer)
        return name is not None and rule_named(name).memory_shows


def program_of(task: Task, dtype: str = "float32", decays: bool | None = None) -> Program:
    """Return the program that trains `task`; it decays weights if the task's recipe does.

    Args:
      task: the task.
      dtype: "float32" or "float64".
      decays: whether any run of the program decays its weights, where a grid decides that.
    """
    recipe = task.recipe
    return Program(
        network=task.network,
        loss=task.loss,
        criterion_kind=task.criterion.kind,
        optimizer=recipe.optimizer,
        updates=recipe.updates,
        order=recipe.order,
        learning_rate_changes=as_schedule(recipe.learning_rate).changes,
        momentum_changes=as_schedule(recipe.momentum).changes,
        weight_decay_changes=as_schedule(recipe.weight_decay).changes,
        decays=recipe.decays if decays is None else decays,
        decay_biases=recipe.decay_biases,
        copies=recipe.copies,
        held_out=task.held_out,
        initializer=None if type(recipe.initializer) is Start else recipe.initializer,
        dtype=dtype,
    )


def settings_of(task: Task, dtype: str = "float32") -> Settings:
    """Return the numbers of `task` that a program takes at run time, as NumPy arrays."""
    recipe = task.recipe
    numbers = (
        as_schedule(recipe.learning_rate).values,
        as_schedule(recipe.momentum).values,
        as_schedule(recipe.weight_decay).values,
        recipe.init_range,
        task.criterion.threshold,
    )
    return Settings(*(np.asarray(number, dtype) for number in numbers))  # type: ignore[arg-type]


def start(
    program: Program,
    num_cases: int,
    seed: UInt[Array, ""],
    settings: Settings,
    given: Float[Array, " num_parameters"] | None = None,
) -> RunState:
    """Return the run named by `seed` before its first epoch.

    Args:
      program: what is static.
      num_cases: number of cases.
      seed: the run's name.
      settings: its numbers.
      given: its weights, where the program has no initialiser.
    """
    if program.initializer is None:
        params = unflatten_params(program.network, given)  # type: ignore[arg-type]
    else:
        network, init_range = program.network, settings.init_range
        params = program.initializer.params_of(network, seed, init_range, program.dtype)
    zero = jnp.zeros((), jnp.int32)
    optimizer_state = rule_of(program, settings, zero).init(params)
    trained = trained_cases(program.held_out, num_cases, seed)
    loss = jnp.asarray(jnp.nan, program.dtype)
    named = None if program.order == "fixed" else jnp.asarray(seed, jnp.uint32)
    return RunState(params, optimizer_state, zero, zero, loss, trained, named)


def held_out_right(
    program: Program,
    cases: Cases,
    threshold: Float[Array, ""],
    params: Params,
    trained: Any,
) -> Int[Array, ""]:
    """Return how many of the cases that a run was not trained on its weights answer right.

    Args:
      program: what is static; some of its cases are held out.
      cases: all cases.
      threshold: of the criterion; where that is no tolerance, 0.5 is.
      params: weights and biases.
      trained: which cases the run was trained on.
    """
    held_out = program.held_out
    (rows,) = jnp.nonzero(~trained, size=held_out if isinstance(held_out, int) else len(held_out))
    outputs = outputs_of(program.network, forward_pass(program.network, params, cases.inputs[rows]))
    tolerance = threshold if program.criterion_kind == "tolerance" else 0.5
    return jnp.sum(cases_right(outputs, cases.targets[rows], tolerance), dtype=jnp.int32)


class Evaluation(NamedTuple):
    """What the passes over all cases say about a run's weights.

    Attributes:
      loss: the loss E.
      holds: whether the criterion holds.
      grads: dE/dw, summed over the cases; None where weights change within the epoch.
    """

    loss: Float[Array, ""]
    holds: Bool[Array, ""]
    grads: Params | None


Learner = tuple[Any, Any]
"""Parameters and the memory of the learning rule."""


def step(
    program: Program,
    cases: Cases,
    max_epochs: Int[Array, ""],
    settings: Settings,
    state: RunState,
) -> RunState:
    """Judge a run and, unless that ends it, make one epoch of learning.

    This is what every layout of `bpjax.sweeps` computes for many runs. The weights of a run that
    has ended stay as they are; the memory of its learning rule is of no use any more and may move.

    Args:
      program: what is static.
      cases: inputs and targets.
      max_epochs: the cap.
      settings: the run's own numbers.
      state: the run.

    Returns:
      The run one epoch later, or the same weights with the status that ends the run.
    """
    evaluation = _evaluate(program, cases, settings, state.params, state.trained)
    state = judge(program, max_epochs, state, evaluation)
    running = state.status == Status.RUNNING
    rule = rule_of(program, settings, state.epoch)
    learner = state.params, state.optimizer_state
    if program.updates == "batch":
        params, optimizer_state = change(program.network, rule, running, evaluation.grads, learner)
    else:
        learner, _ = _learn_by_parts(program, rule, running, cases, state, learner)
        params, optimizer_state = learner
    epoch = state.epoch + running.astype(jnp.int32)
    return state._replace(params=params, optimizer_state=optimizer_state, epoch=epoch)


def _evaluate(
    program: Program, cases: Cases, settings: Settings, params: Params, trained: Any
) -> Evaluation:
    network = program.network
    activations = forward_pass(network, params, cases.inputs)
    counted = None if trained is None else trained[:, None]
    outputs = as_answered(outputs_of(network, activations), cases.targets, counted)
    seen = seen_by_loss(network, params, activations, program.loss)
    loss, d_outputs = error_of(program.loss, seen, cases.targets, trained)
    criterion = Criterion(program.criterion_kind)
    holds = criterion.holds(outputs, cases.targets, loss, settings.threshold)
    grads, *_ = backward_pass(
        network, params, activations, *enters(network, program.loss, d_outputs)
    )
    return Evaluation(loss, holds, grads)


def judge(
    program: Program, max_epochs: Int[Array, ""], state: RunState, evaluation: Evaluation
) -> RunState:
    """Return the run with the verdict on its weights; a run that has ended keeps its outcome.

    Args:
      program: what is static.
      max_epochs: the cap.
      state: the run.
      evaluation: of its weights.
    """
    held = state.params if program.memory_is_last_change else (state.params, state.optimizer_state)
    # Finiteness first: NaN compares false and would slip into MAX_EPOCHS.
    ended = jnp.where(state.epoch >= max_epochs, int(Status.MAX_EPOCHS), int(Status.RUNNING))
    ended = jnp.where(evaluation.holds, int(Status.CONVERGED), ended)
    ended = jnp.where(_all_finite((held, evaluation.loss)), ended, int(Status.NONFINITE))
    running = state.status == Status.RUNNING
    return state._replace(
        status=jnp.where(running, ended.astype(jnp.int32), state.status),
        loss=jnp.where(running, evaluation.loss, state.loss),
    )


def _all_finite(tree: Any) -> Bool[Array, ""]:
    # One sum instead of a test for each number: an infinity or NaN among the terms stays in it,
    # and numbers scaled so far down cannot overflow together.
    scale = 2.0**-64
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    terms = [leaf * scale if jnp.ndim(leaf) == 0 else jnp.sum(leaf * scale) for leaf in leaves]
    # `isfinite` in other words: Mosaic, the compiler of `bpjax.layouts.fused`, lacks that one.
    return jnp.abs(functools.reduce(operator.add, terms)) < jnp.inf


def rule_of(
    program: Program, settings: Settings, epoch: Int[Array, ""]
) -> optax.GradientTransformation:
    """Return the learning rule of a run, with its own rates of an epoch.

    The epoch decides, not the count that a rule keeps: where cases are held out, fewer changes are
    made in one.
    """
    decay = value_in_epoch(settings.weight_decay, program.weight_decay_changes, epoch)
    return learning_rule(
        program.optimizer,
        value_in_epoch(settings.learning_rate, program.learning_rate_changes, epoch),
        value_in_epoch(settings.momentum, program.momentum_changes, epoch),
        decay if program.decays else None,
        program.decay_biases,
        program.network.iterations if program.copies == "average" else 1,
    )


def change(
    network: Network,
    rule: optax.GradientTransformation,
    running: Bool[Array, ""],
    grads: Any,
    learner: Learner,
) -> Learner:
    """Return parameters and memory after one weight change, which is zero unless `running`."""
    params, optimizer_state = learner
    changes, optimizer_state = rule.update(grads, optimizer_state, params)
    changes = _without_frozen(network, changes)
    # A change of zero, not a choice between old and new weights: that would cost the compiler's
    # vector loops twice the time.
    changes = jax.tree.map(lambda dw: jnp.where(running, dw, jnp.zeros_like(dw)), changes)
    return optax.apply_updates(params, changes), optimizer_state


def _without_frozen(network: Network, changes: Params) -> Params:
    """Return the changes, zero for what is frozen."""
    weights, biases = network.frozen
    zero = functools.partial(jax.tree.map, jnp.zeros_like)
    return Params(
        {key: zero(dw) if key in weights else dw for key, dw in changes.weight.items()},
        {key: zero(dw) if key in biases else dw for key, dw in changes.bias.items()},
    )


def _learn_by_parts(
    program: Program,
    rule: optax.GradientTransformation,
    running: Bool[Array, ""],
    cases: Cases,
    state: RunState,
    learner: Learner,
) -> tuple[Learner, Float[Array, ""]]:
    """Show the cases of an epoch in parts, and change the weights after each.

    Returns:
      The learner, and the loss added up over the cases as they were shown.
    """

    def learn_one(learner: Learner, shown: tuple[Cases, Any]) -> tuple[Learner, Any]:
        part, counts = shown
        activations = forward_pass(program.network, learner[0], part.inputs)
        seen = seen_by_loss(program.network, learner[0], activations, program.loss)
        value, d_outputs = error_of(program.loss, seen, part.targets, counts)
        entering = enters(program.network, program.loss, d_outputs)
        grads, *_ = backward_pass(program.network, learner[0], activations, *entering)
        any_counts = None if counts is None else jnp.any(counts)
        learn = functools.partial(change, program.network, rule, running, grads)
        return learn_if(any_counts, learn, learner), value

    num_cases = len(cases.inputs)
    parts, there = fixed_parts(program.updates, num_cases)
    rows = shown_cases(program.order, num_cases, state.seed, state.epoch)[parts]
    counts = None if state.trained is None else state.trained[rows]
    if there is not None:
        counts = jnp.asarray(there) if counts is None else counts & there
    shown = jax.tree.map(lambda table: table[rows], cases)
    learner, values = jax.lax.scan(learn_one, learner, (shown, counts))
    return learner, jnp.sum(values)


def loss_during_epoch(
    program: Program, cases: Cases, settings: Settings, state: RunState
) -> Float[Array, ""]:
    """Return the loss of the epoch that begins, added up over the cases as each is shown.

    That is what simulators of the time printed. Where weights change once, after all cases, it is
    the loss of the weights.
    """
    rule = rule_of(program, settings, state.epoch)
    learner = state.params, state.optimizer_state
    return _learn_by_parts(program, rule, jnp.bool_(True), cases, state, learner)[1]


def learn_if(counts: Any, learn: Callable[[Learner], Learner], learner: Learner) -> Learner:
    """Return the learner after some cases, or as it was where none counts (None: they do).

    What is held out makes no change at all: not even the rule's memory moves.
    """
    learned = learn(learner)
    if counts is None:
        return learned
    return jax.tree.map(functools.partial(jnp.where, counts), learned, learner)
