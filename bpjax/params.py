"""What a network learns: its weights and biases, by name or as one vector.

The paper writes w_ji, *to* unit j *from* unit i; here `weight[i, j]` goes from i to j, so that
equation (1) reads `activations @ weight + bias`.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bpjax.connections import Connection, Key
from bpjax.network import Network


class Params(NamedTuple):
    """All that is learned in one network; gradients and velocities have the same shape.

    Attributes:
      weight: per connection an array (num_in, num_out), `weight[i, j]` from unit i to unit j; for
        a tied connection the vector of its free parameters. Masked entries are kept, at zero.
        Copies have one array between them, under their `weight_key`.
      bias: per layer that has biases an array (size,), under its `bias_key`.
    """

    weight: dict[Key, Array]
    bias: dict[str, Array]


def weight_matrix(connection: Connection, parameter: Float[Array, "..."]) -> Array:
    """Return the matrix of equation (1) for one connection: ties spread out, mask applied.

    A last axis for many runs may stand behind the others.

    Args:
      connection: says what is tied and what is absent.
      parameter: its entry in `Params.weight`.

    Returns:
      Array (num_in, num_out).
    """
    weight = parameter if connection.tie is None else parameter[np.array(connection.tie)]
    return weight if connection.mask is None else weight * mask_of(connection, weight)


def weight_gradient(connection: Connection, d_matrix: Float[Array, "num_in num_out ..."]) -> Array:
    """Return dE/d(parameter) from dE/d(matrix): the transpose of `weight_matrix`.

    An absent weight has no gradient; the gradient of a tied parameter is the sum over its copies.

    Args:
      connection: says what is tied and what is absent.
      d_matrix: the derivative with respect to every entry of the weight matrix.

    Returns:
      The gradient, in the shape of the connection's entry in `Params.weight`.
    """
    if connection.mask is not None:
        d_matrix = d_matrix * mask_of(connection, d_matrix)
    if connection.tie is None:
        return d_matrix
    # One after the other, row by row: a scatter on a GPU adds in whatever order they come.
    entries, tie = d_matrix.reshape(-1, *d_matrix.shape[2:]), np.array(connection.tie).reshape(-1)
    places = (np.flatnonzero(tie == k) for k in range(connection.num_free))
    sums = [sum((entries[k] for k in own), jnp.zeros_like(entries[0])) for own in places]
    return jnp.stack(sums)


def mask_of(connection: Connection, weight: Array) -> np.ndarray:
    """Return the mask as numbers that multiply `weight`, which may have lanes behind its axes."""
    mask = np.array(connection.mask, weight.dtype)
    return mask.reshape(mask.shape + (1,) * (weight.ndim - 2))


def num_entries(network: Network) -> int:
    """Return how many numbers `Params` hold, masked ones included: the length of `flatten_params`.

    Example:
      >>> from bpjax.network import layered
      >>> num_entries(layered(2, 1))
      3
    """
    weights = sum(math.prod(network.weight_shape(c)) for c in network.weights.values())
    return weights + sum(layer.size for layer in network.biases.values())


def parameter_names(network: Network) -> list[str]:
    """Return one name per number in `flatten_params`.

    Example:
      >>> from bpjax.network import layered
      >>> parameter_names(layered(2, 1))
      ['input[0] -> output[0]', 'input[1] -> output[0]', 'bias output[0]']
    """
    names = []
    for (source, target), c in network.weights.items():
        arrow = f"{source}{{}} -> {target}{{}}"
        if c.tie is None:
            shape = network.weight_shape(c)
            names += [arrow.format([i], [j]) for i, j in np.ndindex(shape)]
        else:
            names += [f"{arrow.format('', '')} tied[{k}]" for k in range(c.num_free)]
    for name, layer in network.biases.items():
        names += [f"bias {name}[{j}]" for j in range(layer.size)]
    return names


def flatten_params(network: Network, params: Params) -> Array:
    """Return all parameters as one vector in the order of the network's own description."""
    weights = [params.weight[key] for key in network.weights]
    biases = [params.bias[name] for name in network.biases]
    return jnp.concatenate([entry.reshape(-1) for entry in weights + biases])


def unflatten_params(network: Network, vector: Float[Array, " num_parameters"]) -> Params:
    """Return the `Params` that `flatten_params` laid out as `vector`."""
    shapes = [network.weight_shape(c) for c in network.weights.values()]
    shapes += [(layer.size,) for layer in network.biases.values()]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = [
        vector[end - math.prod(shape) : end].reshape(shape)
        for shape, end in zip(shapes, ends, strict=True)
    ]
    num_weights = len(network.weights)
    return Params(
        dict(zip(network.weights, parts[:num_weights], strict=True)),
        dict(zip(network.biases, parts[num_weights:], strict=True)),
    )
