"""A block of runs in scalar arithmetic: every unit and weight by itself, for the smallest nets.

The text of `bpjax.backprop` again, unit by unit as the paper writes it, with the cases as
constants. Every number is one vector of runs and every operation one vector operation: no matrix
products, no transposes, and inputs that are 0 or 1 cost nothing. The program grows with the net, so
only small ones are served.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from bpjax.connections import Connection, Layer
from bpjax.epoch import Evaluation, Learner, Program, RunState, Settings, learn_if
from bpjax.layouts.lanes import (
    Arithmetic,
    Layout,
    Passes,
    num_products,
    output_errors,
    total,
    train,
)
from bpjax.learning import OPTIMIZERS, name_of
from bpjax.network import Network
from bpjax.params import Params
from bpjax.presentation import part_size
from bpjax.task import Task
from bpjax.units import LayerUnit, unit_of

LARGEST_PROGRAM = 2048
"""Cases times weights, copies counted, of the largest net that is served; beyond it compiling takes
too long."""
LARGEST_FASTER = 256
"""Likewise, of the largest net for which it is faster than `matrix` (measured on two CPU cores)."""

EPOCHS_IN_A_KERNEL, LARGEST_KERNEL = 4, 160
"""So many epochs, of a net so large at most all together, go into one kernel of a GPU: its compiler
makes of them one fusion without computing anything twice, and weights stay in registers meanwhile.
Seen in what jax 0.10 compiles for an H100, not measured; eight epochs take a minute to compile."""


@jax.tree_util.register_static
class ConstantCases(NamedTuple):
    """Cases as nested tuples of numbers, so that a program can be compiled for them.

    Attributes:
      inputs: one tuple per case.
      targets: likewise.
    """

    inputs: tuple[tuple[float, ...], ...]
    targets: tuple[tuple[float, ...], ...]


def cases_of(task: Task, program: Program) -> ConstantCases:
    """Return the cases in the form that `evaluate` takes."""
    inputs, targets = (tuple(map(tuple, table.tolist())) for table in (task.inputs, task.targets))
    return ConstantCases(inputs, targets)


def why_not(program: Program, num_cases: int) -> str | None:
    """Return why a program cannot be served, None if it can."""
    size = num_products(program, num_cases)
    if size > LARGEST_PROGRAM:
        return f"cases times weights must be at most {LARGEST_PROGRAM}, not {size}"
    if any(isinstance(unit_of(x.activation), LayerUnit) for x in program.network.computed_layers):
        return "each unit must look at its own total input alone"
    if not getattr(program.loss, "sums_over_units", False):
        return "the loss must be a sum over single outputs"
    if program.order != "fixed":
        return "the cases must come in a fixed order"
    if name_of(program.optimizer) not in OPTIMIZERS:  # others may look at many weights at once
        return "the optimizer must be one of bpjax's by name"
    return None


def is_best(program: Program, num_cases: int, platform: str) -> bool:
    """Return whether a program that is served runs faster here than in `matrix`."""
    del platform  # on a GPU nobody has measured it
    return num_products(program, num_cases) <= LARGEST_FASTER


def epochs_at_once(program: Program, num_cases: int, platform: str) -> int:
    """Return how many epochs a turn of the loop over epochs makes, one on a CPU.

    A CPU's loop is one function; a GPU starts a kernel for every turn.
    """
    if platform != "gpu":
        return 1
    return max(1, min(EPOCHS_IN_A_KERNEL, LARGEST_KERNEL // num_products(program, num_cases)))


# ---- one number at a time ------------------------------------------------------------------------

Scalars = Any
"""A list of numbers, of lists of numbers, ...: an array taken apart down to its lanes."""


def take_apart(tree: Any) -> Any:
    """Return a tree of arrays as nested lists of single numbers, each of them (lanes,)."""
    return jax.tree.map(_scalars, tree)


def put_together(tree: Any) -> Any:
    """Undo `take_apart`."""
    return jax.tree.map(_array, tree, is_leaf=_is_list)


def _scalars(array: jax.Array) -> Scalars:
    return array if array.ndim == 1 else [_scalars(row) for row in array]


def _array(scalars: Scalars) -> jax.Array:
    return jnp.stack([_array(entry) for entry in scalars]) if _is_list(scalars) else scalars


def _is_list(entry: Any) -> bool:
    return isinstance(entry, list)


# ---- one epoch -----------------------------------------------------------------------------------

Errors = Callable[..., tuple[Any, list[Any], Any]]
"""Of arithmetic, output activations and total inputs, targets, threshold and whether the case
counts: the loss of one case, its derivative for every output, and whether all outputs are right."""


def errors_of_case(
    arithmetic: Arithmetic,
    units: list[Any],
    total_inputs: list[Any] | None,
    targets: tuple[float, ...],
    threshold: Any,
    counts: Any,
) -> tuple[Any, list[Any], Any]:
    """Return loss, derivative and rightness of one case, as every layout on arrays does."""
    outputs, x = (None if row is None else jnp.stack(row)[:, None] for row in (units, total_inputs))
    constants = jnp.asarray(targets, arithmetic.dtype)[None]
    trained = None if counts is None else counts[None]
    value, d_outputs, near = output_errors(arithmetic, outputs, x, constants, threshold, trained)
    return value, list(d_outputs[:, 0]), near  # (4)


def evaluate(
    arithmetic: Arithmetic,
    cases: ConstantCases,
    settings: Settings,
    params: Params,
    trained: Any,
    errors: Errors = errors_of_case,
) -> Evaluation:
    """Return loss, criterion and gradient of all lanes: equations (1) to (7), summed over cases."""
    program, sums = arithmetic.program, _Sums(arithmetic, params)
    values: list[Any] = []
    right = jnp.ones(settings.threshold.shape, bool)
    for c, (inputs, targets) in enumerate(zip(*cases, strict=True)):
        activations = _forward(arithmetic, params, inputs)
        units, x = _outputs(arithmetic, params, activations)
        counts = None if trained is None else trained[c]
        value, d_outputs, near = errors(arithmetic, units, x, targets, settings.threshold, counts)
        values, right = [*values, value], right & near
        if program.updates == "batch":
            _backward(arithmetic, params, activations, d_outputs, sums)
    loss = total(values)
    holds = right if program.criterion_kind == "tolerance" else loss < settings.threshold
    return Evaluation(loss, holds, sums.params() if program.updates == "batch" else None)


def learn_by_parts(
    arithmetic: Arithmetic,
    num_cases: int,
    cases: ConstantCases,
    runs: RunState,
    learner: Learner,
    learn: Callable[[Any, Learner], Learner],
    errors: Errors = errors_of_case,
) -> Learner:
    """Show the cases in their order, and change the weights of all lanes after every part."""
    size = part_size(arithmetic.program.updates, num_cases)
    for first in range(0, num_cases, size):
        part, params = range(first, min(first + size, num_cases)), learner[0]
        sums = _Sums(arithmetic, params)
        for c in part:
            activations = _forward(arithmetic, params, cases.inputs[c])
            units, x = _outputs(arithmetic, params, activations)
            counts = None if runs.trained is None or len(part) == 1 else runs.trained[c]
            _, d_outputs, _ = errors(arithmetic, units, x, cases.targets[c], sums.zero, counts)
            _backward(arithmetic, params, activations, d_outputs, sums)
        count = (
            None
            if runs.trained is None
            else functools.reduce(jnp.logical_or, [runs.trained[c] for c in part])
        )
        learner = learn_if(count, functools.partial(learn, sums.params()), learner)
    return learner


def _outputs(
    arithmetic: Arithmetic, params: Params, activations: dict[str, list[Any]]
) -> tuple[list[Any], list[Any] | None]:
    """Return the activations of all outputs, and their total inputs if the loss is written so."""
    layers, network = arithmetic.network.output_layers, arithmetic.network
    units = [y for layer in layers for y in activations[layer.name]]
    if arithmetic.loss_is_of == "activation":
        return units, None
    return units, [
        _total_input(network, params, activations, layer, j)
        for layer in layers
        for j in range(layer.size)
    ]


# ---- the two passes, unit by unit ----------------------------------------------------------------


def _forward(
    arithmetic: Arithmetic, params: Params, inputs: tuple[float, ...]
) -> dict[str, list[Any]]:
    """Return the activations of all units for one case: equations (1) and (2)."""
    network, values = arithmetic.network, iter(inputs)
    activations: dict[str, list[Any]] = {
        layer.name: [next(values) for _ in range(layer.size)] for layer in network.input_layers
    }
    for layer in network.computed_layers:
        activations[layer.name] = []
        for j in range(layer.size):
            x = _total_input(network, params, activations, layer, j)
            activations[layer.name].append(arithmetic.units[layer.name].activate(x, axis=0))  # (2)
    return activations


def _total_input(
    network: Network, params: Params, activations: dict[str, list[Any]], layer: Layer, j: int
) -> Any:
    """Return the total input of unit j of a layer: equation (1)."""
    x = params.bias[layer.bias_key][j] if layer.bias else jnp.zeros_like(_first_number(params))
    for c, i, weight in _weights_into(network, params, layer.name, j):
        x = _plus(x, _times(weight, activations[c.source][i]))  # (1)
    return x


def _backward(
    arithmetic: Arithmetic,
    params: Params,
    activations: dict[str, list[Any]],
    d_outputs: list[Any],
    sums: "_Sums",
) -> None:
    """Add the gradient of one case: equations (5) to (7)."""
    network, of_y = arithmetic.network, arithmetic.loss_is_of == "activation"
    d_activations: dict[str, list[Any]] = {
        layer.name: [0.0] * layer.size for layer in network.computed_layers
    }
    d_total_inputs = {name: list(row) for name, row in d_activations.items()}
    derivatives = iter(d_outputs)
    for layer in network.output_layers:
        entering = d_activations if of_y else d_total_inputs
        entering[layer.name] = [next(derivatives) for _ in range(layer.size)]
    for layer in reversed(network.computed_layers):
        unit = arithmetic.units[layer.name]
        for j in range(layer.size):
            d_y, d_x = d_activations[layer.name][j], d_total_inputs[layer.name][j]
            if not isinstance(d_y, float):  # else nothing comes back from layers after it
                seen = activations[layer.name][j]
                if unit.of == "preactivation":
                    seen = _total_input(network, params, activations, layer, j)
                d_x = _plus(d_x, unit.carry_back(d_y, seen, axis=0))  # (5)
            if layer.bias:
                sums.add_bias(layer.bias_key, j, d_x)  # (6), with y_i = 1
            for c, i, weight in _weights_into(network, params, layer.name, j):
                sums.add_weight(c, i, j, _times(d_x, activations[c.source][i]))  # (6)
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
                entry = params.weight[c.weight_key]
                found.append((c, i, entry[i][j] if c.tie is None else entry[c.tie[i][j]]))
    return found


def _first_number(params: Params) -> jax.Array:
    return jax.tree.leaves(params)[0]


class _Sums:
    """Gradients that grow term by term, in the shape of the parameters."""

    def __init__(self, arithmetic: Arithmetic, params: Params):
        def zeros(entry: Any) -> Any:
            return [zeros(e) for e in entry] if _is_list(entry) else 0.0

        self.zero = jnp.zeros_like(_first_number(params))
        self.weight = {key: zeros(entry) for key, entry in params.weight.items()}
        self.bias = {name: zeros(entry) for name, entry in params.bias.items()}

    def add_weight(self, c: Connection, i: int, j: int, term: Any) -> None:
        entry = self.weight[c.weight_key]
        row, k = (entry[i], j) if c.tie is None else (entry, c.tie[i][j])
        row[k] = _plus(row[k], term)

    def add_bias(self, name: str, j: int, term: Any) -> None:
        self.bias[name][j] = _plus(self.bias[name][j], term)

    def params(self) -> Params:
        """Return the sums; what got no term has a zero gradient."""

        def full(entry: Any) -> Any:
            return self.zero if isinstance(entry, float) else entry

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


PASSES = Passes(take_apart, put_together, evaluate, learn_by_parts)
LAYOUT = Layout(
    cases_of=cases_of,
    advance=functools.partial(train, PASSES, epochs_at_once=epochs_at_once),
    advance_singly=functools.partial(train, PASSES),
    epochs_at_once=epochs_at_once,
    why_not=why_not,
    is_best=is_best,
)
