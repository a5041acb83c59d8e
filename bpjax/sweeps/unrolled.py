"""A block of runs in scalar arithmetic: every unit and weight by itself, for the smallest nets.

The text of `bpjax.backprop` again, unit by unit as the paper writes it, with the cases as
constants. Mapped over lanes every number becomes one vector of runs and every operation one vector
operation: no matrix products, no transposes, and inputs that are 0 or 1 cost nothing. The program
grows with the net, so only small ones are served.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from bpjax.criteria import cases_right
from bpjax.epoch import (
    Evaluation,
    Learner,
    Program,
    RunState,
    Settings,
    change,
    conclude,
    rule_of,
)
from bpjax.network import Connection, Network, Params
from bpjax.sweeps import lanes
from bpjax.task import Task
from bpjax.units import UNITS

LARGEST_PROGRAM = 2048
"""Cases times parameters of the largest net that is served; beyond it compiling takes too long."""


class ConstantCases(NamedTuple):
    """Cases as nested tuples of numbers, so that a program can be compiled for them.

    Attributes:
      inputs: one tuple per case.
      targets: likewise.
    """

    inputs: tuple[tuple[float, ...], ...]
    targets: tuple[tuple[float, ...], ...]


def cases_of(task: Task, program: Program) -> ConstantCases:
    """Return the cases in the form that `advance` takes."""
    inputs, targets = (tuple(map(tuple, table.tolist())) for table in (task.inputs, task.targets))
    return ConstantCases(inputs, targets)


def why_not(program: Program, num_cases: int) -> str | None:
    """Return why a program cannot be served, None if it can."""
    size = num_cases * program.network.num_parameters
    if size > LARGEST_PROGRAM:
        return f"cases times parameters must be at most {LARGEST_PROGRAM}, not {size}"
    if not getattr(program.loss, "sums_over_units", False):
        return "the loss must be a sum over single outputs"
    if not isinstance(program.optimizer, str):
        return "the optimizer must be one of bpjax's by name"
    return None


@functools.partial(jax.jit, static_argnames=("program", "mesh", "cases"))
def advance(
    program: Program,
    mesh: Mesh,
    cases: ConstantCases,
    max_epochs: Any,
    num_epochs: Any,
    settings: Settings,
    block: RunState,
) -> RunState:
    """Advance a block; arguments and result as for `lanes.advance`, `cases` is static."""

    def one_step(nothing: Any, max_epochs: Any, settings: Any, run: RunState) -> RunState:
        return _step(program, cases, max_epochs, settings, run)

    return lanes.advance(
        one_step, mesh, (), max_epochs, num_epochs, settings, block, unpack=_unpack, pack=_pack
    )


# ---- one number at a time ------------------------------------------------------------------------

Scalars = Any
"""A list of numbers, of lists of numbers, ...: an array taken apart."""


def _unpack(run: RunState) -> RunState:
    take_apart = functools.partial(jax.tree.map, _scalars)
    params, optimizer_state = take_apart((run.params, run.optimizer_state))
    return run._replace(params=params, optimizer_state=optimizer_state)


def _pack(run: RunState) -> RunState:
    put_together = functools.partial(jax.tree.map, _array, is_leaf=_is_list)
    params, optimizer_state = put_together((run.params, run.optimizer_state))
    return run._replace(params=params, optimizer_state=optimizer_state)


def _scalars(array: jax.Array) -> Scalars:
    return array if array.ndim == 0 else [_scalars(row) for row in array]


def _array(scalars: Scalars) -> jax.Array:
    return jnp.stack([_array(entry) for entry in scalars]) if _is_list(scalars) else scalars


def _is_list(entry: Any) -> bool:
    return isinstance(entry, list)


# ---- one epoch -----------------------------------------------------------------------------------


def _step(
    program: Program, cases: ConstantCases, max_epochs: Any, settings: Settings, run: RunState
) -> RunState:
    evaluation = _evaluate(program, cases, settings, run.params)
    learned = _learn(program, cases, settings, run, evaluation)
    return conclude(max_epochs, run, evaluation, learned)


def _evaluate(
    program: Program, cases: ConstantCases, settings: Settings, params: Params
) -> Evaluation:
    activations = [_forward(program, params, inputs) for inputs in cases.inputs]
    loss, holds = jnp.zeros((), program.dtype), jnp.array(True)
    for case, targets in zip(activations, cases.targets, strict=True):
        for output, target in zip(case[program.network.output.name], targets, strict=True):
            pair = _alone(output), _alone(target, program.dtype)
            loss = loss + program.loss.value(*pair)
            if program.criterion_kind == "tolerance":
                holds = holds & cases_right(*pair, settings.threshold)[0]
    if program.criterion_kind == "loss":
        holds = loss < settings.threshold
    return Evaluation(loss, holds, activations)


def _learn(
    program: Program,
    cases: ConstantCases,
    settings: Settings,
    run: RunState,
    evaluation: Evaluation,
) -> Learner:
    rule = rule_of(program, settings, len(cases.inputs))
    learner: Learner = run.params, run.optimizer_state
    if program.updates == "batch":
        grads = _Sums(program, run.params)
        for activations, targets in zip(evaluation.activations, cases.targets, strict=True):
            _backward(program, run.params, activations, targets, grads)
        return change(rule, grads.params(), learner)
    for inputs, targets in zip(*cases, strict=True):
        grads = _Sums(program, learner[0])
        _backward(program, learner[0], _forward(program, learner[0], inputs), targets, grads)
        learner = change(rule, grads.params(), learner)
    return learner


def _alone(number: Any, dtype: Any = None) -> jax.Array:
    """Return a number as the outputs of a net with one case and one output unit."""
    return jnp.asarray(number, dtype).reshape(1, 1)


# ---- the two passes, unit by unit ----------------------------------------------------------------


def _forward(program: Program, params: Params, inputs: tuple[float, ...]) -> dict[str, list[Any]]:
    """Return the activations of all units for one case: equations (1) and (2)."""
    network, values = program.network, iter(inputs)
    activations: dict[str, list[Any]] = {
        layer.name: [next(values) for _ in range(layer.size)] for layer in network.input_layers
    }
    for layer in network.computed_layers:
        activations[layer.name] = []
        for j in range(layer.size):
            x = params.bias[layer.name][j] if layer.bias else jnp.zeros((), program.dtype)
            for c, i, weight in _weights_into(network, params, layer.name, j):
                x = _plus(x, _times(weight, activations[c.source][i]))  # (1)
            activations[layer.name].append(UNITS[layer.activation].function(x))  # (2)
    return activations


def _backward(
    program: Program,
    params: Params,
    activations: dict[str, list[Any]],
    targets: tuple[float, ...],
    grads: "_Sums",
) -> None:
    """Add the gradient of one case: equations (4) to (7)."""
    network = program.network
    d_activations: dict[str, list[Any]] = {
        layer.name: [0.0] * layer.size for layer in network.computed_layers
    }
    d_activations[network.output.name] = [
        program.loss.derivative(_alone(y), _alone(d, program.dtype))[0, 0]  # (4)
        for y, d in zip(activations[network.output.name], targets, strict=True)
    ]
    for layer in reversed(network.computed_layers):
        for j in range(layer.size):
            slope = UNITS[layer.activation].derivative(activations[layer.name][j])
            d_x = d_activations[layer.name][j] * slope  # (5)
            if layer.bias:
                grads.add_bias(layer.name, j, d_x)  # (6), with y_i = 1
            for c, i, weight in _weights_into(network, params, layer.name, j):
                grads.add_weight(c, i, j, _times(d_x, activations[c.source][i]))  # (6)
                if c.source in d_activations:
                    d_activations[c.source][i] = _plus(
                        d_activations[c.source][i], d_x * weight
                    )  # (7)


def _weights_into(
    network: Network, params: Params, name: str, j: int
) -> list[tuple[Connection, int, Any]]:
    """Return (connection, i, weight) of every weight that exists into unit j of a layer."""
    found = []
    for c in network.incoming[name]:
        for i in range(network.size(c.source)):
            if c.mask is None or c.mask[i][j]:
                entry = params.weight[c.key]
                found.append((c, i, entry[i][j] if c.tie is None else entry[c.tie[i][j]]))
    return found


class _Sums:
    """Gradients that grow term by term, in the shape of the parameters."""

    def __init__(self, program: Program, params: Params):
        def zeros(entry: Any) -> Any:
            return [zeros(e) for e in entry] if _is_list(entry) else 0.0

        self.dtype = program.dtype
        self.weight = {key: zeros(entry) for key, entry in params.weight.items()}
        self.bias = {name: zeros(entry) for name, entry in params.bias.items()}

    def add_weight(self, c: Connection, i: int, j: int, term: Any) -> None:
        row, k = (self.weight[c.key][i], j) if c.tie is None else (self.weight[c.key], c.tie[i][j])
        row[k] = _plus(row[k], term)

    def add_bias(self, name: str, j: int, term: Any) -> None:
        self.bias[name][j] = _plus(self.bias[name][j], term)

    def params(self) -> Params:
        """Return the sums; what got no term has a zero gradient."""
        full = functools.partial(jnp.asarray, dtype=self.dtype)
        return Params(*jax.tree.map(full, (self.weight, self.bias)))


def _times(number: Any, constant: Any) -> Any:
    """Return the product; inputs of 0 and 1 are constants that cost nothing."""
    if isinstance(constant, float):
        if constant == 0.0:
            return 0.0
        if constant == 1.0:
            return number
    return number * constant


def _plus(total: Any, term: Any) -> Any:
    if isinstance(total, float) and total == 0.0:
        return term
    return total if isinstance(term, float) and term == 0.0 else total + term
