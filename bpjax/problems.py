"""What the gradient is checked on: nets with weights and cases, of tasks and at random."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from bpjax.connections import Connection, Layer
from bpjax.loss import HalfSquaredError, Loss, MarginSquaredError, loss_named
from bpjax.network import Network
from bpjax.params import Params
from bpjax.surroundings import pinned
from bpjax.task import Task
from bpjax.units import UNITS


class Problem(NamedTuple):
    """All that a gradient depends on: the arguments of `check_gradients` in their order."""

    network: Network
    params: Params
    inputs: Any
    targets: Any
    loss: Loss


def initial_problem(task: Task, seed: int, init_range: float) -> Problem:
    """Return a task at the initial weights of the run named by `seed`, in float64."""
    with pinned("float64"):
        params = task.recipe.initializer.params_of(
            task.network, np.uint32(seed), init_range, jnp.float64
        )
    return Problem(task.network, params, task.inputs, task.targets, task.loss)


def is_least_at_targets(loss: Loss) -> bool:
    """Tell whether a loss must have no gradient where the network answers the targets themselves.

    One measured from a margin need not: an answer inside neither margin is wrong even as a target.
    """
    return not (isinstance(loss, MarginSquaredError) and loss.measured_from == "margin")


def random_network(seed: int) -> Network:
    """Return a small random layer graph: one or two input layers, one to four computed ones.

    Connections may skip layers, carry masks (even one that leaves nothing) and ties; units are any
    of `bpjax.units.UNITS`, with biases or without.
    """
    rng = np.random.default_rng(seed)
    num_inputs, num_computed = rng.integers(1, 3), rng.integers(1, 5)
    names = [f"input{k}" for k in range(num_inputs)] + [f"layer{k}" for k in range(num_computed)]
    activations = rng.choice(list(UNITS), len(names))
    layers = [
        Layer(name, int(rng.integers(1, 4)), str(activation), bool(rng.random() < 0.7))
        for name, activation in zip(names, activations, strict=True)
    ]
    connections = []
    for k in range(num_inputs, len(layers)):
        sources = rng.choice(k, size=rng.integers(1, min(k, 3) + 1), replace=False)
        connections += [_random_connection(rng, layers[i], layers[k]) for i in sorted(sources)]
    joined = {name for connection in connections for name in connection.key}
    return Network([layer for layer in layers if layer.name in joined], connections)


def random_problem(seed: int) -> Problem:
    """Return a random network with random weights, cases and loss.

    Masked entries hold numbers too, which no pass may read.

    Example:
      >>> from bpjax.gradient_check import check_gradients
      >>> all(check.ok for check in check_gradients(*random_problem(0)))
      True
    """
    network = random_network(seed)
    rng = np.random.default_rng([seed, 1])
    # Saturated, jax.grad's own slope of tanh has few digits left; that of the logistic has all.
    steep = ("tanh", "scaled-tanh")
    has_tanh = any(layer.activation in steep for layer in network.computed_layers)
    scale = rng.choice([0.2, 0.5] if has_tanh else [0.3, 1.0, 5.0])
    params = Params(
        {
            key: scale * rng.normal(size=network.weight_shape(c))
            for key, c in network.weights.items()
        },
        {name: scale * rng.normal(size=layer.size) for name, layer in network.biases.items()},
    )
    num_cases = rng.integers(1, 5)
    inputs = rng.normal(size=(num_cases, network.num_in))
    targets = rng.integers(0, 2, size=(num_cases, network.num_out)).astype(float)
    return Problem(network, params, inputs, targets, _random_loss(rng, network))


def _random_connection(rng: np.random.Generator, source: Layer, target: Layer) -> Connection:
    shape = source.size, target.size
    mask: Any = rng.random(shape) < 0.6 if rng.random() < 0.4 else None
    tie: Any = None
    if rng.random() < 0.3:
        _, places = np.unique(rng.integers(0, 3, size=shape), return_inverse=True)
        tie = places.reshape(shape)
    return Connection(source.name, target.name, mask, tie)


def _random_loss(rng: np.random.Generator, network: Network) -> Loss:
    outputs = [layer.activation for layer in network.output_layers]
    if outputs[0] in ("logistic", "softmax") and rng.random() < 0.5:
        return loss_named("cross-entropy", outputs)
    if rng.random() < 0.5:
        return HalfSquaredError()
    measured_from, scope = rng.choice(["target", "margin"]), rng.choice(["unit", "case"])
    return MarginSquaredError(measured_from=measured_from.item(), scope=scope.item())
