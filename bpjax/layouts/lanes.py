"""Lanes: where the runs of a block train, and what all layouts of a block share.

A block has a fixed number of lanes on each device, and the lanes are the last axis of every array:
each step of arithmetic is one vector operation over runs. XLA emits other instructions for other
shapes, so the shape is part of a sweep's identity: at one shape a run's bits depend on nothing but
the run itself, neither on its lane, nor on its neighbours, nor on how many devices there are.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, UInt

from bpjax.epoch import Evaluation, Learner, Program, RunState, Settings, change, judge, rule_of
from bpjax.epoch import start as start_run
from bpjax.held_out import as_answered
from bpjax.loss import of_loss
from bpjax.status import Status
from bpjax.task import Task
from bpjax.units import unit_of

LANE_MULTIPLE = 64
"""The number of lanes of a device is a multiple of this: as many as the compiler's widest loop.

The compiler turns a loop over lanes into vector instructions, a few of them at a time, and ends it
with a scalar remainder that may add in another order: measured with jax 0.12 on a CPU, the last
lanes of a block of 116 got other last bits than the same run in any other lane. A multiple of 64
leaves no remainder: 16 numbers are the widest vector of a CPU, four vectors the longest stride.
"""


EpochsAtOnce = Callable[[Program, int, str], int]
"""Of a program, the number of cases and the platform: epochs in a turn of the loop over epochs."""


def one_at_a_time(program: Program, num_cases: int, platform: str) -> int:
    """Return 1."""
    del program, num_cases, platform
    return 1


class Layout(NamedTuple):
    """One way to train a block of runs, and what it says of itself.

    Attributes:
      cases_of: of a task and a program, the cases in the form that `advance` takes.
      advance: makes a stride of epochs with all runs, as `train` does.
      advance_singly: does the same by a loop of single epochs, which is sooner compiled; None where
        `advance` has no other.
      epochs_at_once: strides of a multiple of so many epochs are those that go fastest, and always
        give the same bits.
      why_not: of a program and its number of cases, why it cannot serve them; None if it can.
      why_not_here: why the devices of this process cannot run it; None if they can.
      is_best: of a program, its number of cases and the platform, whether it is the best for them.
    """

    cases_of: Callable[[Task, Program], Any]
    advance: Callable[..., RunState]
    advance_singly: Callable[..., RunState] | None = None
    epochs_at_once: EpochsAtOnce = one_at_a_time
    why_not: Callable[[Program, int], str | None] = lambda *_: None
    why_not_here: Callable[[], str | None] = lambda: None
    is_best: Callable[[Program, int, str], bool] = lambda *_: False


class Passes(NamedTuple):
    """One way to write the arithmetic of an epoch for a block of runs.

    Attributes:
      take_apart: returns parameters, or a rule's memory, in the form in which they are computed
        with.
      put_together: undoes it.
      evaluate: of arithmetic, cases, settings, parameters and which cases count ((cases, lanes);
        None for all): judges the weights of all lanes; with the gradient, unless weights change
        within the epoch.
      learn_by_parts: of arithmetic, number of cases, cases, runs, learner and `learn`, which takes
        the gradient of some cases: shows the cases of an epoch and changes the weights of all lanes
        after every part of them.
    """

    take_apart: Callable[[Any], Any]
    put_together: Callable[[Any], Any]
    evaluate: Callable[..., Evaluation]
    learn_by_parts: Callable[..., Learner]


class Arithmetic:
    """What a layout computes with: the program, and each layer's units, for its devices."""

    def __init__(self, program: Program, platform: str):
        self.program, self.network, self.loss = program, program.network, program.loss
        self.platform = platform
        self.dtype = jnp.dtype(program.dtype)
        self.loss_is_of = of_loss(program.loss)
        faster = {jax.nn.sigmoid: logistic_float32}
        on_cpu = platform == "cpu" and self.dtype == jnp.float32
        self.units = {}
        for layer in program.network.computed_layers:
            unit = unit_of(layer.activation)
            if on_cpu and unit.function in faster:
                unit = dataclasses.replace(unit, function=faster[unit.function])
            self.units[layer.name] = unit


def num_lanes(block_size: int) -> int:
    """Return how many lanes a device has for `block_size` runs; the others stay empty.

    Example:
      >>> num_lanes(100), num_lanes(128)
      (128, 128)
    """
    return -(-block_size // LANE_MULTIPLE) * LANE_MULTIPLE


def num_products(program: Program, num_cases: int) -> int:
    """Return how many products of a weight a program has: every copy of a weight makes its own."""
    network = program.network
    biases = sum(layer.size for layer in network.computed_layers if layer.bias)
    return num_cases * (biases + sum(map(network.num_weights, network.connections)))


def start(
    program: Program,
    num_cases: int,
    seeds: UInt[Array, " lanes"],
    settings: Settings,
    given: Float[Array, "num_parameters lanes"] | None = None,
) -> RunState:
    """Return a run in every lane before its first epoch; all but `seeds` have the lanes last."""
    begin = functools.partial(start_run, program, num_cases)
    return jax.vmap(begin, in_axes=(0, -1, -1), out_axes=-1)(seeds, settings, given)


def epoch_of(
    passes: Passes, arithmetic: Arithmetic, num_cases: int, cases: Any, max_epochs: Int[Array, ""]
) -> Callable[[Settings, RunState], RunState]:
    """Return the function that makes one epoch with every run that has not ended.

    It takes the settings and the runs, these with parameters and memory taken apart.
    """
    program = arithmetic.program

    def change_run(
        settings: Settings, epoch: Any, running: Any, grads: Any, learner: Learner
    ) -> Learner:
        rule = rule_of(program, settings, epoch)
        return change(program.network, rule, running, grads, learner)

    def one_epoch(settings: Settings, runs: RunState) -> RunState:
        evaluation = passes.evaluate(arithmetic, cases, settings, runs.params, runs.trained)
        runs = jax.vmap(functools.partial(judge, program, max_epochs), -1, -1)(runs, evaluation)
        running = runs.status == Status.RUNNING
        learn = functools.partial(jax.vmap(change_run, -1, -1), settings, runs.epoch, running)
        learner: Learner = runs.params, runs.optimizer_state
        if program.updates == "batch":
            learner = learn(evaluation.grads, learner)
        else:
            learner = passes.learn_by_parts(arithmetic, num_cases, cases, runs, learner, learn)
        epoch = runs.epoch + running.astype(jnp.int32)
        return runs._replace(params=learner[0], optimizer_state=learner[1], epoch=epoch)

    return one_epoch


def train(
    passes: Passes,
    arithmetic: Arithmetic,
    num_cases: int,
    cases: Any,
    max_epochs: Int[Array, ""],
    num_epochs: Int[Array, ""],
    settings: Settings,
    runs: RunState,
    epochs_at_once: EpochsAtOnce = one_at_a_time,
) -> RunState:
    """Make `num_epochs` epochs with every run that has not ended; those that end stay as they are.

    The number of epochs is traced: one compiled loop serves a long stride of a sweep and the
    single epochs of a run that somebody watches, with the same bits. Where a turn of the loop makes
    several epochs, another loop makes those that are left, one by one.

    Returns:
      The runs after the stride: `status` says which have ended and how, `epoch` when.
    """
    one_epoch = epoch_of(passes, arithmetic, num_cases, cases, max_epochs)
    at_once = epochs_at_once(arithmetic.program, num_cases, arithmetic.platform)

    def turns(count: Any, epochs: int, runs: RunState) -> RunState:
        def go_on(carry: tuple[Any, RunState]) -> tuple[Any, RunState]:
            made, runs = carry
            for _ in range(epochs):
                runs = one_epoch(settings, runs)
            return made + 1, runs

        return lax.while_loop(lambda carry: carry[0] < count, go_on, (jnp.int32(0), runs))[1]

    apart = runs._replace(
        params=passes.take_apart(runs.params),
        optimizer_state=passes.take_apart(runs.optimizer_state),
    )
    apart = turns(num_epochs // at_once, at_once, apart)
    if at_once > 1:
        apart = turns(num_epochs % at_once, 1, apart)
    return apart._replace(
        params=passes.put_together(apart.params),
        optimizer_state=passes.put_together(apart.optimizer_state),
    )


def output_errors(
    arithmetic: Arithmetic,
    outputs: Any,
    total_inputs: Any,
    targets: Any,
    threshold: Any,
    trained: Any = None,
) -> tuple[Any, Any, Bool[Array, " lanes"]]:
    """Return loss, its derivative and rightness of some cases: equations (3) and (4).

    Args:
      arithmetic: of the layout.
      outputs: activations of the output layer, shape (num_out, num_cases, lanes).
      total_inputs: likewise, where the loss is written in these; else None.
      targets: shape (num_cases, num_out); or that of the outputs, where lanes see other cases.
      threshold: the criterion's tolerance, shape (lanes,).
      trained: which of the cases count, (num_cases, lanes); None for all.

    Returns:
      The cases' share of the loss (lanes,); dE/dy, or dE/dx of total inputs, (num_out, num_cases,
      lanes); and in which lanes all outputs of these cases are nearer to their targets than
      `threshold`.
    """
    loss = arithmetic.loss
    shared = targets.ndim == 2
    everywhere = jnp.broadcast_to(targets.T[..., None], outputs.shape) if shared else targets
    outputs = as_answered(outputs, everywhere, trained)
    of_y = arithmetic.loss_is_of == "activation"
    seen = outputs if of_y else total_inputs

    def of_one_output(y: Any, d: Any) -> tuple[Any, Any]:
        alone = y.reshape(1, 1), d.reshape(1, 1)
        return loss.value(*alone), loss.derivative(*alone).reshape(())

    def of_one_case(y: Any, d: Any) -> tuple[Any, Any]:
        return loss.value(y[None], d[None]), loss.derivative(y[None], d[None])[0]

    def of_one_run(y: Any, d: Any) -> tuple[Any, Any]:
        return loss.value(y.T, d.T), loss.derivative(y.T, d.T).T

    if getattr(loss, "sums_over_units", False):
        values, derivative = jax.vmap(jax.vmap(jax.vmap(of_one_output)))(seen, everywhere)
        values = _entries(values if of_y else counted(trained, values))
        value = total(values)
    elif of_y:
        value, derivative = jax.vmap(of_one_run, -1, -1)(seen, everywhere)
    else:
        values, derivative = jax.vmap(jax.vmap(of_one_case, -1, -1), -1, -1)(seen, everywhere)
        value = total(list(counted(trained, values)))
    near = jnp.abs(outputs - everywhere) < threshold[None, None, :]
    right = functools.reduce(jnp.logical_and, _entries(near))
    return value, derivative if of_y else counted(trained, derivative), right


def counted(trained: Any, numbers: Any) -> Any:
    """Return numbers of cases, and zero for those that do not count."""
    return numbers if trained is None else jnp.where(trained, numbers, 0)


def _entries(array: Any) -> list[Any]:
    """Return (lanes,) for every unit and case of (units, cases, lanes)."""
    return [array[place] for place in np.ndindex(*array.shape[:2])]


def total(terms: Any) -> Any:
    """Return the sum of a sequence, from left to right."""
    return functools.reduce(lambda a, b: a + b, terms)


# ---- the logistic on a CPU -----------------------------------------------------------------------

_LOG2_E = np.float32(np.log2(np.e))
_LN_2 = np.float32(0.693359375), np.float32(np.log(2) - 0.693359375)
"""ln 2 in two parts: the first has so few digits that its product with a small integer is exact."""
_ROUNDS = np.float32(1.5 * 2**23 + 127)
"""Added to a number below 2**22 it leaves the nearest whole number, plus 127, in the last bits: the
exponent of that power of two, which only has to be shifted into its place."""
_EXPONENT_AT = 23
_LARGEST = np.float32(88)

EXP_OF_MINUS = (-0.008369149, 0.041917507, -0.16666505, 0.4999887, -1.0, 1.0000001)
"""Coefficients of exp(-r) for |r| <= ln(2) / 2, highest power first, by the Chebyshev nodes."""


def logistic_float32(preactivations: Array) -> Array:
    """Return 1 / (1 + exp(-x)), equation (2), in about half of the compiler's own instructions.

    With n the whole number nearest to -x / ln 2, exp(-x) is 2**n exp(-r) for r = x + n ln 2. The
    first factor is written straight into an exponent, the second is a polynomial. Within 5 units
    in the last place where the result is above 1e-37; below that it may be 0. NaN stays NaN.

    Args:
      preactivations: x, float32 of any shape.
    """
    x = preactivations
    # Written as choices and not as `clip`, so that each is one instruction and NaN passes.
    x = jnp.where(x > _LARGEST, _LARGEST, x)
    x = jnp.where(x < -_LARGEST, -_LARGEST, x)
    rounded = x * -_LOG2_E + _ROUNDS
    minus_n = _ROUNDS - rounded  # Of `rounded - _ROUNDS` the compiler would make x again.
    rest = (x - minus_n * _LN_2[0]) - minus_n * _LN_2[1]
    power = jnp.full_like(rest, EXP_OF_MINUS[0])
    for coefficient in EXP_OF_MINUS[1:]:
        power = power * rest + coefficient
    bits = lax.bitcast_convert_type(rounded, jnp.int32)
    scale = lax.bitcast_convert_type(bits << _EXPONENT_AT, jnp.float32)
    return 1 / (1 + power * scale)
