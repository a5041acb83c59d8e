"""The third witness: equations (1) to (7) as slow loops, unit by unit and case by case.

Nothing is shared with the fast passes: no matrix product, no table of units, no loss method; only
the descriptions (`Network`, the fields of a loss) are read. All numbers are Python's own doubles.
Whoever wants to see what the paper computes, before any matrix, can read it here.

The paper writes w_ji, *to* unit j *from* unit i; the weight stands at `[i, j]`.

Source: Rumelhart, Hinton & Williams, Nature 323, 533-536 (1986), equations (1)-(7).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bpjax.connections import Connection
from bpjax.errors import SettingError
from bpjax.loss import HalfSquaredError, Loss, MarginSquaredError
from bpjax.network import Network
from bpjax.params import Params

Units = dict[str, list[float]]
"""One number per unit, by layer name, for one case."""


def loss_and_gradient(
    network: Network, params: Params, inputs: Any, targets: Any, loss: Loss
) -> tuple[float, Params]:
    """Return the loss and its gradient, all cases added up.

    Args:
      network: the net; it must not have delayed connections.
      params: its weights and biases, arrays of any kind.
      inputs: shape (num_cases, num_in).
      targets: shape (num_cases, num_out).
      loss: a loss of `bpjax.loss`, derived here anew; a loss of another kind is taken at its word.

    Returns:
      E as a float, and dE/dw and dE/db as NumPy float64 arrays in the shape of `params`.

    Example:
      One unit with zero weights gives 1/2; wanted is 1. dE/dx = (1/2 - 1) 1/4.

      >>> from bpjax.network import layered
      >>> zero = Params({("input", "output"): np.zeros((1, 1))}, {"output": np.zeros(1)})
      >>> loss = HalfSquaredError()
      >>> value, grads = loss_and_gradient(layered(1, 1), zero, [[2.0]], [[1.0]], loss)
      >>> value, grads.weight["input", "output"].tolist(), grads.bias["output"].tolist()
      (0.125, [[-0.25]], [-0.125])
    """
    activations = all_activations(network, params, inputs)
    value = loss_value(loss, outputs_of(network, activations), targets)
    grads, _ = gradient(network, params, activations, targets, loss)
    return value, grads


def all_activations(network: Network, params: Params, inputs: Any) -> dict[str, np.ndarray]:
    """Return the activations of every layer, each (num_cases, size)."""
    cases = [_forward_case(network, params, case) for case in np.asarray(inputs, np.float64)]
    return {layer.name: np.array([case[layer.name] for case in cases]) for layer in network.layers}


def outputs_of(network: Network, activations: Any) -> np.ndarray:
    """Return the activations of the output layers side by side, (num_cases, num_out)."""
    return np.hstack([np.asarray(activations[layer.name]) for layer in network.output_layers])


def loss_value(loss: Loss, outputs: Any, targets: Any) -> float:
    """Return E: half the sum of the squares of all errors that count, equation (3)."""
    if not isinstance(loss, HalfSquaredError | MarginSquaredError):
        return float(loss.value(outputs, targets))
    return sum(0.5 * error * error for case in _errors(loss, outputs, targets) for error in case)


def gradient(
    network: Network, params: Params, activations: Any, targets: Any, loss: Loss
) -> tuple[Params, np.ndarray]:
    """Return the gradient that follows from given activations, and dE/d(inputs).

    Args:
      network: the net.
      params: its weights and biases.
      activations: of every layer, each (num_cases, size).
      targets: desired outputs.
      loss: the loss.

    Returns:
      dE/dw and dE/db in the shape of `params`, and dE/dy of the inputs, (num_cases, num_in).
    """
    weight: Any = {key: np.zeros(np.shape(entry)) for key, entry in params.weight.items()}
    bias: Any = {name: np.zeros(np.shape(entry)) for name, entry in params.bias.items()}
    grads = Params(weight, bias)
    d_inputs = []
    d_outputs = _errors(loss, outputs_of(network, activations), targets)  # (4)
    for c, d_output in enumerate(d_outputs):
        case = {name: [float(y) for y in entry[c]] for name, entry in activations.items()}
        d_case = _backward_case(network, params, case, d_output, grads)
        d_inputs.append([d for layer in network.input_layers for d in d_case[layer.name]])
    return grads, np.array(d_inputs)


def _forward_case(network: Network, params: Params, case: Any) -> Units:
    if any(connection.delay for connection in network.connections):
        raise SettingError("delay", "must be 0 everywhere in a layered pass", 1)
    activations: Units = {}
    shown = iter(case)
    for layer in network.input_layers:
        activations[layer.name] = [float(next(shown)) for _ in range(layer.size)]
    for layer in network.computed_layers:
        activations[layer.name] = []
        for j in range(layer.size):
            total = float(params.bias[layer.bias_key][j]) if layer.bias else 0.0
            for connection, i in _units_below(network, layer.name):
                total += activations[connection.source][i] * _weight(
                    params, connection, i, j
                )  # (1)
            function, _ = _functions(layer.activation)
            activations[layer.name].append(function(total))  # (2)
    return activations


def _backward_case(
    network: Network, params: Params, activations: Units, d_output: list[float], grads: Params
) -> Units:
    """Add one case's dE/dw to `grads`; return dE/dy of every unit."""
    d_activations = {layer.name: [0.0] * layer.size for layer in network.layers}
    derivatives = iter(d_output)
    for layer in network.output_layers:
        d_activations[layer.name] = [next(derivatives) for _ in range(layer.size)]
    for layer in reversed(network.computed_layers):
        for j in range(layer.size):
            y = activations[layer.name][j]
            _, slope = _functions(layer.activation)
            d_total = d_activations[layer.name][j] * slope(y)  # (5)
            if layer.bias:
                grads.bias[layer.bias_key][j] += d_total  # (6): a bias is a weight from y_i = 1
            for connection, i in _units_below(network, layer.name):
                place = _place(connection, i, j)
                if place is None:
                    continue
                y_i, w_ji = activations[connection.source][i], _weight(params, connection, i, j)
                grads.weight[connection.weight_key][place] += d_total * y_i  # (6)
                d_activations[connection.source][i] += d_total * w_ji  # (7)
    return d_activations


def _units_below(network: Network, target: str) -> list[tuple[Connection, int]]:
    """Return every unit i that may send to the layer, with the connection it sends through."""
    return [
        (connection, i)
        for connection in network.connections
        if connection.target == target
        for i in range(network.size(connection.source))
    ]


def _place(connection: Connection, i: int, j: int) -> tuple[int, ...] | None:
    """Return where the weight from i to j is kept among the parameters; None if there is none."""
    if connection.mask is not None and not connection.mask[i][j]:
        return None
    return (i, j) if connection.tie is None else (connection.tie[i][j],)


def _weight(params: Params, connection: Connection, i: int, j: int) -> float:
    place = _place(connection, i, j)
    return 0.0 if place is None else float(params.weight[connection.weight_key][place])


def _logistic(x: float) -> float:
    # Both forms are equation (2); the exponential must not overflow.
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


_FUNCTIONS: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "logistic": (_logistic, lambda y: y * (1 - y)),
    "tanh": (math.tanh, lambda y: (1 + y) * (1 - y)),
    "linear": (lambda x: x, lambda y: 1.0),
}
"""Derived here anew: the function of equation (2) and, from what it returned, its derivative."""


def _functions(activation: str) -> tuple[Callable[[float], float], Callable[[float], float]]:
    if activation not in _FUNCTIONS:
        rule = f"must be one that the witness derives anew: {', '.join(_FUNCTIONS)}"
        raise SettingError("activation", rule, activation)
    return _FUNCTIONS[activation]


def _errors(loss: Loss, outputs: Any, targets: Any) -> list[list[float]]:
    """Return dE/dy of every output of every case: the error that the loss counts."""
    outputs, targets = np.asarray(outputs, np.float64), np.asarray(targets, np.float64)
    if isinstance(loss, MarginSquaredError):
        return [_margin_errors(loss, *case) for case in zip(outputs, targets, strict=True)]
    if isinstance(loss, HalfSquaredError):
        return [
            [float(y - d) for y, d in zip(*case, strict=True)]
            for case in zip(outputs, targets, strict=True)
        ]
    return [list(map(float, case)) for case in np.asarray(loss.derivative(outputs, targets))]


def _margin_errors(loss: MarginSquaredError, outputs: Any, targets: Any) -> list[float]:
    pairs = [(float(y), float(d)) for y, d in zip(outputs, targets, strict=True)]
    inside = [y > loss.on if d > 0.5 else y < loss.off for y, d in pairs]
    errors = []
    for (y, d), unit_inside in zip(pairs, inside, strict=True):
        if loss.measured_from == "margin":
            edge = loss.on if d > 0.5 else loss.off
            errors.append(0.0 if unit_inside else y - edge)
        else:
            forgiven = unit_inside if loss.scope == "unit" else all(inside)
            errors.append(0.0 if forgiven else y - d)
    return errors
