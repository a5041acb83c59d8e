"""One epoch of one run: judge the weights, then learn from them.

Pure functions on one run. The engine for many runs maps them over lanes; nothing here knows how
many runs there are.
"""

import dataclasses
import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, UInt

from bpjax.backprop import backward, forward_pass
from bpjax.criteria import Criterion
from bpjax.learning import as_schedule, learning_rule, piecewise
from bpjax.loss import Loss
from bpjax.network import Initializer, Network, Params, init_params, run_key
from bpjax.status import Status
from bpjax.task import Task


class Settings(NamedTuple):
    """The numbers of one run that a grid may vary; traced, so a grid needs one compilation.

    Attributes:
      learning_rate: one value per piece of the recipe's schedule.
      momentum: likewise.
      weight_decay: share of every weight lost after each change.
      init_range: half-width of the initial distribution.
      threshold: of the criterion.
    """

    learning_rate: Float[Array, " pieces"]
    momentum: Float[Array, " pieces"]
    weight_decay: Float[Array, ""]
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
    """

    params: Params
    optimizer_state: Any
    epoch: Int[Array, ""]
    status: Int[Array, ""]
    loss: Float[Array, ""]


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
    program decays its weights, `dtype` is "float32" or "float64".
    """

    network: Network
    loss: Loss
    criterion_kind: Literal["tolerance", "loss"]
    optimizer: str | optax.GradientTransformation
    updates: Literal["batch", "case"]
    learning_rate_changes: tuple[int, ...]
    momentum_changes: tuple[int, ...]
    decays: bool
    decay_biases: bool
    initializer: Initializer
    dtype: str


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
        learning_rate_changes=as_schedule(recipe.learning_rate).changes,
        momentum_changes=as_schedule(recipe.momentum).changes,
        decays=recipe.weight_decay > 0 if decays is None else decays,
        decay_biases=recipe.decay_biases,
        initializer=recipe.initializer,
        dtype=dtype,
    )


def settings_of(task: Task, dtype: str = "float32") -> Settings:
    """Return the numbers of `task` that a program takes at run time, as NumPy arrays."""
    recipe = task.recipe
    numbers = (
        as_schedule(recipe.learning_rate).values,
        as_schedule(recipe.momentum).values,
        recipe.weight_decay,
        recipe.init_range,
        task.criterion.threshold,
    )
    return Settings(*(np.asarray(number, dtype) for number in numbers))  # type: ignore[arg-type]


def start(program: Program, num_cases: int, seed: UInt[Array, ""], settings: Settings) -> RunState:
    """Return the run named by `seed` before its first epoch."""
    params = init_params(
        program.network, run_key(seed), settings.init_range, program.initializer, program.dtype
    )
    optimizer_state = rule_of(program, settings, num_cases).init(params)
    zero = jnp.zeros((), jnp.int32)
    return RunState(params, optimizer_state, zero, zero, jnp.asarray(jnp.nan, program.dtype))


class Evaluation(NamedTuple):
    """What the forward pass over all cases says about a run's weights.

    Attributes:
      loss: the loss E.
      holds: whether the criterion holds.
      activations: what the backward pass needs.
    """

    loss: Float[Array, ""]
    holds: Bool[Array, ""]
    activations: Any


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

    A run that has ended passes through unchanged.

    Args:
      program: what is static.
      cases: inputs and targets.
      max_epochs: the cap.
      settings: the run's own numbers.
      state: the run.

    Returns:
      The run one epoch later, or the same weights with the status that ends the run.
    """
    evaluation = _evaluate(program, cases, settings, state.params)
    learned = _learn(program, cases, settings, state, evaluation)
    return conclude(max_epochs, state, evaluation, learned)


def _evaluate(program: Program, cases: Cases, settings: Settings, params: Params) -> Evaluation:
    activations = forward_pass(program.network, params, cases.inputs)
    outputs = activations[program.network.output.name]
    loss = program.loss.value(outputs, cases.targets)
    criterion = Criterion(program.criterion_kind)
    holds = criterion.holds(outputs, cases.targets, loss, settings.threshold)
    return Evaluation(loss, holds, activations)


def _learn(
    program: Program, cases: Cases, settings: Settings, state: RunState, evaluation: Evaluation
) -> Learner:
    rule = rule_of(program, settings, len(cases.inputs))
    learner = state.params, state.optimizer_state
    if program.updates == "case":
        return _learn_case_by_case(program, rule, cases, learner)
    activations = evaluation.activations
    grads = backward(program.network, state.params, activations, cases.targets, program.loss)
    return change(rule, grads, learner)


def conclude(
    max_epochs: Int[Array, ""], state: RunState, evaluation: Evaluation, learned: Learner
) -> RunState:
    """Return the run after an epoch: with what it learned, or as it was if it has ended.

    Args:
      max_epochs: the cap.
      state: the run before the epoch.
      evaluation: of its weights then.
      learned: weights and memory after the epoch, if it is to count.
    """
    old = state.params, state.optimizer_state
    verdict = _judge(
        _all_finite((old, evaluation.loss)), evaluation.holds, state.epoch >= max_epochs
    )
    was_running = state.status == Status.RUNNING
    status = jnp.where(was_running, verdict, state.status)
    running = status == Status.RUNNING
    params, optimizer_state = jax.tree.map(
        lambda after, before: jnp.where(running, after, before), learned, old
    )
    return RunState(
        params,
        optimizer_state,
        state.epoch + running.astype(jnp.int32),
        status,
        jnp.where(was_running, evaluation.loss, state.loss),
    )


def _judge(finite: Any, holds: Any, at_cap: Any) -> Int[Array, ""]:
    # Finiteness first: NaN compares false and would slip into MAX_EPOCHS.
    ended = jnp.where(at_cap, int(Status.MAX_EPOCHS), int(Status.RUNNING))
    ended = jnp.where(holds, int(Status.CONVERGED), ended)
    return jnp.where(finite, ended, int(Status.NONFINITE)).astype(jnp.int32)


def _all_finite(tree: Any) -> Any:
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return functools.reduce(jnp.logical_and, [jnp.all(jnp.isfinite(leaf)) for leaf in leaves])


def rule_of(program: Program, settings: Settings, num_cases: int) -> optax.GradientTransformation:
    """Return the learning rule of a run, with its own rates."""
    per_epoch = num_cases if program.updates == "case" else 1
    return learning_rule(
        program.optimizer,
        piecewise(settings.learning_rate, program.learning_rate_changes, per_epoch),
        piecewise(settings.momentum, program.momentum_changes, per_epoch),
        settings.weight_decay if program.decays else None,
        program.decay_biases,
    )


def change(rule: optax.GradientTransformation, grads: Any, learner: Learner) -> Learner:
    """Return parameters and memory after one weight change."""
    params, optimizer_state = learner
    changes, optimizer_state = rule.update(grads, optimizer_state, params)
    return optax.apply_updates(params, changes), optimizer_state


def _learn_case_by_case(
    program: Program, rule: optax.GradientTransformation, cases: Cases, learner: Learner
) -> Learner:
    def learn_one(learner: Learner, case: Cases) -> tuple[Learner, None]:
        inputs, targets = case.inputs[None, :], case.targets[None, :]
        activations = forward_pass(program.network, learner[0], inputs)
        grads = backward(program.network, learner[0], activations, targets, program.loss)
        return change(rule, grads, learner), None

    return jax.lax.scan(learn_one, learner, cases)[0]
