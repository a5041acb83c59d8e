"""What the units of many trained networks do: the forward pass of all runs at once, in NumPy.

A sweep keeps weights, not activations. Here its rows of weights become activations again, for the
measures of `bpjax.analysis.solutions`, without JAX and without a loop over runs.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from bpjax.errors import SettingError

if TYPE_CHECKING:
    from bpjax.connections import Connection
    from bpjax.network import Network

_FUNCTIONS = {"logistic": scipy.special.expit, "tanh": np.tanh, "linear": np.positive}
"""Those of `bpjax.units.UNITS` that need no JAX."""


def activations_of(
    network: "Network", weights: ArrayLike, inputs: ArrayLike
) -> dict[str, NDArray[np.float64]]:
    """Compute the activations of every layer for many weight vectors: equations (1) and (2).

    Args:
      network: the net, of any kind that `bpjax.backprop.forward_pass` takes: connections may skip
        layers, carry masks and ties.
      weights: shape (num_runs, num_parameters), each row in the order of
        `bpjax.params.parameter_names`: the `weights` column of a sweep. Of any precision; all is
        computed in float64.
      inputs: one row per case, shape (num_cases, num_in): `task.inputs`.

    Returns:
      By layer name, arrays (num_runs, num_cases, size). Those of input layers are read-only: all
      runs share them. A run with non-finite weights has non-finite activations and disturbs no
      other. All layers of all runs are held at once, 8 bytes a unit and case: pass millions of
      runs in slices.

    Raises:
      SettingError: for weights or inputs of the wrong shape, a network with delayed connections, or
        a name that is not in `bpjax.units.UNITS`.

    Example:
      Two runs of one logistic unit with two inputs: a net of zeros, and one that detects "both".

      >>> from bpjax.network import layered
      >>> weights = [[0, 0, 0], [10, 10, -15]]
      >>> found = activations_of(layered(2, 1), weights, [[0, 1], [1, 1]])
      >>> found["output"].shape, found["output"][..., 0].round(3).tolist()
      ((2, 2, 1), [[0.5, 0.5], [0.007, 0.993]])
    """
    rows, cases = _check(network, weights, inputs)
    num_runs, num_cases = len(rows), len(cases)
    weight, bias = _split(network, rows)
    activations = {}
    start = 0
    for layer in network.input_layers:
        shown = cases[:, start : start + layer.size]
        activations[layer.name] = np.broadcast_to(shown, (num_runs, *shown.shape))
        start += layer.size
    for layer in network.computed_layers:
        preactivations = np.zeros((num_runs, num_cases, layer.size))
        if layer.bias:
            preactivations += bias[layer.bias_key][:, None, :]
        for c in network.incoming[layer.name]:
            preactivations += activations[c.source] @ _matrices(c, weight[c.weight_key])  # (1)
        activations[layer.name] = _activities(layer.activation, preactivations)  # (2)
    return activations


def _activities(unit: Any, preactivations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what units of one kind make of their total inputs; JAX is needed for those added."""
    if isinstance(unit, str) and unit in _FUNCTIONS:
        return _FUNCTIONS[unit](preactivations)
    from bpjax.units import activities

    return activities(unit, preactivations)


def _check(
    network: "Network", weights: ArrayLike, inputs: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if any(c.delay for c in network.connections):
        raise SettingError("delay", "must be 0 everywhere in a layered pass", 1)
    rows, cases = np.asarray(weights, np.float64), np.asarray(inputs, np.float64)
    num_entries = sum(int(np.prod(network.weight_shape(c))) for c in network.weights.values())
    num_entries += sum(layer.size for layer in network.biases.values())
    for field, table, rule in (
        ("weights", rows, f"(num_runs, {num_entries})"),
        ("inputs", cases, f"(num_cases, {network.num_in})"),
    ):
        width = num_entries if field == "weights" else network.num_in
        if table.ndim != 2 or table.shape[1] != width:
            raise SettingError(field, f"must have shape {rule}", table.shape)
    return rows, cases


def _split(
    network: "Network", rows: NDArray[np.float64]
) -> tuple[dict[tuple[str, str], NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Take rows of weights apart as `unflatten_params` does, each part with the run axis first."""
    shapes = [network.weight_shape(c) for c in network.weights.values()]
    shapes += [(layer.size,) for layer in network.biases.values()]
    ends = np.cumsum([np.prod(shape) for shape in shapes], dtype=int)
    parts = [
        part.reshape(len(rows), *shape)
        for part, shape in zip(np.split(rows, ends[:-1], axis=1), shapes, strict=True)
    ]
    num_weights = len(network.weights)
    return (
        dict(zip(network.weights, parts[:num_weights], strict=True)),
        dict(zip(network.biases, parts[num_weights:], strict=True)),
    )


def _matrices(connection: "Connection", weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix of equation (1) of every run: ties spread out, absent weights zero."""
    matrices = weight if connection.tie is None else weight[:, np.array(connection.tie)]
    return matrices if connection.mask is None else np.where(connection.mask, matrices, 0.0)
