"""The third witness: equations (1) to (7) as slow loops, unit by unit and case by case.

Nothing is shared with the fast passes: no matrix product, no table of units, no loss method; only
the descriptions (`Network`, the fields of a loss) are read. All numbers are Python's own doubles.
Whoever wants to see what the paper computes, before any matrix, can read it here.

The paper writes w_ji, *to* unit j *from* unit i; the weight stands at `[i, j]`.

Source: Rumelhart, Hinton & Williams, Nature 323, 533-536 (1986), equations (1)-(7).
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from bpjax.connections import Connection, Layer
from bpjax.errors import SettingError
from bpjax.loss import CrossEntropy, HalfSquaredError, Loss, MarginSquaredError
from bpjax.network import Network
from bpjax.params import Params
from bpjax.units import Activation, LayerUnit, Unit

Units = dict[str, list[float]]
"""One number per unit, by layer name, for one case."""


class Entering(NamedTuple):
    """Where a loss touches a net in one case: dE/dy of its outputs, or dE/dx if it is one of these.

    All layers have their numbers in `d_totals`, zero where there is nothing.
    """

    d_activations: Units
    d_totals: Units


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
    seen = seen_by_loss(network, params, activations, loss)
    value = loss_value(loss, seen, targets)
    grads, _ = gradient(network, params, activations, targets, loss)
    return value, grads


def all_activations(network: Network, params: Params, inputs: Any) -> dict[str, np.ndarray]:
    """Return the activations of every layer, each (num_cases, size)."""
    cases = [_forward_case(network, params, case) for case in np.asarray(inputs, np.float64)]
    return {layer.name: np.array([case[layer.name] for case in cases]) for layer in network.layers}


def outputs_of(network: Network, activations: Any) -> np.ndarray:
    """Return the activations of the output layers side by side, (num_cases, num_out)."""
    return np.hstack([np.asarray(activations[layer.name]) for layer in network.output_layers])


def loss_value(loss: Loss, seen: Any, targets: Any) -> float:
    """Return E: half the sum of the squares of all errors that count, equation (3); or of others.

    Args:
      loss: the loss.
      seen: what it is written in, as `seen_by_loss` returns it.
      targets: desired outputs.
    """
    if isinstance(loss, CrossEntropy):
        cases = zip(np.asarray(seen).tolist(), np.asarray(targets).tolist(), strict=True)
        return sum(_cross_entropy(loss, *case) for case in cases)
    if not isinstance(loss, HalfSquaredError | MarginSquaredError):
        return float(loss.value(seen, targets))
    return sum(0.5 * error * error for case in _errors(loss, seen, targets) for error in case)


def seen_by_loss(network: Network, params: Params, activations: Any, loss: Loss) -> np.ndarray:
    """Return what a loss is written in: activations of the outputs, or their total inputs."""
    if getattr(loss, "of", "activation") == "activation":
        return outputs_of(network, activations)
    rows = []
    for c in range(len(next(iter(activations.values())))):
        case = {name: [float(y) for y in entry[c]] for name, entry in activations.items()}
        layers = network.output_layers
        rows.append([x for each in layers for x in _total_inputs(network, params, case, each)])
    return np.array(rows)


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
    d_outputs = _errors(loss, seen_by_loss(network, params, activations, loss), targets)  # (4)
    for c, d_output in enumerate(d_outputs):
        case = {name: [float(y) for y in entry[c]] for name, entry in activations.items()}
        entering = _entering(network, loss, d_output)
        d_case = _backward_case(network, params, case, entering, grads)
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
        total_inputs = _total_inputs(network, params, activations, layer)  # (1)
        activations[layer.name] = _activate(layer.activation, total_inputs)  # (2)
    return activations


def _total_inputs(
    network: Network, params: Params, activations: Units, layer: Layer
) -> list[float]:
    totals = []
    for j in range(layer.size):
        total = float(params.bias[layer.bias_key][j]) if layer.bias else 0.0
        for connection, i in _units_below(network, layer.name):
            total += activations[connection.source][i] * _weight(params, connection, i, j)
        totals.append(total)
    return totals


def _backward_case(
    network: Network, params: Params, activations: Units, entering: Entering, grads: Params
) -> Units:
    """Add one case's dE/dw to `grads`; return dE/dy of every unit."""
    d_activations = {layer.name: [0.0] * layer.size for layer in network.layers}
    d_activations |= entering.d_activations
    for layer in reversed(network.computed_layers):
        d_totals = _through_units(network, params, activations, layer, d_activations)  # (5)
        for j in range(layer.size):
            d_total = d_totals[j] + entering.d_totals[layer.name][j]
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


def _entering(network: Network, loss: Loss, d_outputs: list[float]) -> Entering:
    derivatives = iter(d_outputs)
    at_outputs = {
        layer.name: [next(derivatives) for _ in range(layer.size)]
        for layer in network.output_layers
    }
    nothing = {layer.name: [0.0] * layer.size for layer in network.layers}
    if getattr(loss, "of", "activation") == "preactivation":
        return Entering({}, nothing | at_outputs)
    return Entering(at_outputs, nothing)


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


class _Single(NamedTuple):
    """A function of single units, equation (2), and its derivative, of y or of x."""

    function: Callable[[float], float]
    slope: Callable[[float], float]
    of: str = "activation"


_FUNCTIONS = {
    "logistic": _Single(_logistic, lambda y: y * (1 - y)),
    "tanh": _Single(math.tanh, lambda y: (1 + y) * (1 - y)),
    "linear": _Single(lambda x: x, lambda y: 1.0),
    "relu": _Single(lambda x: max(x, 0.0), lambda y: float(y > 0)),
    "leaky-relu": _Single(lambda x: x if x > 0 else x / 100, lambda y: 1.0 if y > 0 else 1 / 100),
    "softplus": _Single(
        lambda x: x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x)),
        _logistic,
        of="preactivation",
    ),
    "scaled-tanh": _Single(
        lambda x: 1.7159 * math.tanh(2 * x / 3),
        lambda x: 2 / 3 * 1.7159 * (1 + math.tanh(abs(2 * x / 3))) * 2 * _logistic(-abs(4 * x / 3)),
        of="preactivation",
    ),
    "sine": _Single(math.sin, math.cos, of="preactivation"),
    "logistic-flat-spot": _Single(_logistic, lambda y: y * (1 - y) + 0.1),
}
"""Derived here anew. Softmax, which is no function of single units, is below."""


def _single(activation: Activation) -> _Single:
    if isinstance(activation, Unit):  # a user's, taken at its word: `jax.grad` judges it
        own: Any = activation
        return _Single(
            lambda x: float(own.function(np.float64(x))),
            lambda seen: float(own.derivative(np.float64(seen))) + own.flat_spot,
            own.of,
        )
    if activation not in _FUNCTIONS:
        rule = f"must be one that the witness derives anew: softmax, {', '.join(_FUNCTIONS)}"
        raise SettingError("activation", rule, activation)
    return _FUNCTIONS[activation]  # type: ignore[index]


def _activate(activation: Activation, totals: list[float]) -> list[float]:
    """Return the activations of a layer: equation (2)."""
    if isinstance(activation, LayerUnit):
        return list(map(float, activation.function(np.array(totals), 0)))  # type: ignore[arg-type]
    if activation == "softmax":
        powers = [math.exp(x - max(totals)) for x in totals]
        return [power / sum(powers) for power in powers]
    return [_single(activation).function(x) for x in totals]


def _through_units(
    network: Network, params: Params, activations: Units, layer: Layer, d_activations: Units
) -> list[float]:
    """Return dE/dx of the units of a layer, by way of its activations: equation (5)."""
    y, d_y = activations[layer.name], d_activations[layer.name]
    if isinstance(layer.activation, LayerUnit):
        backward: Callable[..., Any] = layer.activation.backward
        return list(map(float, backward(np.array(d_y), np.array(y), 0)))
    if layer.activation == "softmax":
        # dy_k/dx_j = y_k (delta_kj - y_j), and all y together are 1.
        return [
            y[j] * sum(y[k] * (d_y[j] - d_y[k]) for k in range(layer.size))
            for j in range(layer.size)
        ]
    unit = _single(layer.activation)
    of_y = unit.of == "activation"
    seen = y if of_y else _total_inputs(network, params, activations, layer)
    return [d_y[j] * unit.slope(seen[j]) for j in range(layer.size)]


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
    if isinstance(loss, CrossEntropy):
        cases = zip(outputs.tolist(), targets.tolist(), strict=True)
        return [_cross_entropy_errors(loss, *case) for case in cases]
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


def _cross_entropy(loss: CrossEntropy, totals: Any, targets: Any) -> float:
    """Return what one case adds: -ln y for a target of 1, -ln(1 - y) for one of 0, or between."""
    pairs = list(zip(totals, targets, strict=True))
    if loss.unit == "logistic":
        return sum(d * _minus_ln(-x) + (1 - d) * _minus_ln(x) for x, d in pairs)
    return sum(d * _ln_of_sum(x_k - x for x_k in totals) for x, d in pairs)


def _minus_ln(x: float) -> float:
    """Return -ln(1 - y) of the logistic y of x."""
    return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))


def _ln_of_sum(exponents: Iterable[float]) -> float:
    """Return ln of a sum of powers of e, one of which is e^0."""
    largest, *rest = sorted(exponents, reverse=True)
    return largest + math.log1p(sum(math.exp(x - largest) for x in rest))


def _cross_entropy_errors(loss: CrossEntropy, totals: Any, targets: Any) -> list[float]:
    """Return dE/dx: y - d of logistic outputs, sum_k (d_k y_j - d_j y_k) of softmax ones."""
    if loss.unit == "logistic":
        pairs = zip(totals, targets, strict=True)
        return [(1 - d) * _logistic(x) - d * _logistic(-x) for x, d in pairs]
    y = _activate("softmax", list(totals))
    places = range(len(y))
    return [sum(targets[k] * y[j] - targets[j] * y[k] for k in places) for j in places]
