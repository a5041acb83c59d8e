"""How many weights enter and leave the units that a weight joins."""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from bpjax.connections import Connection, Key
from bpjax.network import Network


class Fans(NamedTuple):
    """Of every number of one connection, in the shape of its entry in `Params.weight`.

    Attributes:
      fan_in: how many weights enter the unit that it leads to, from all layers together.
      fan_out: how many leave the unit that it comes from, to all layers together.
    """

    fan_in: Float[np.ndarray, "..."]
    fan_out: Float[np.ndarray, "..."]


def once(network: Network) -> Network:
    """Return the net in which every layer stands once: of one laid out in time, the iterated."""
    return network if network.iterated is None else network.iterated


@functools.cache
def fans_of(network: Network) -> dict[Key, Fans]:
    """Return the fans of all weights, by `weight_key`.

    Absent weights and biases are not counted. A tied weight, or one of which there are copies, has
    the mean of the fans of all places where it stands. Where no weight stands, 1 is said.

    Example:
      >>> from bpjax.network import layered
      >>> fans = fans_of(layered(3, 2, 1))
      >>> fans["input", "hidden"].fan_in.tolist(), fans["input", "hidden"].fan_out[0].tolist()
      ([[3.0, 3.0], [3.0, 3.0], [3.0, 3.0]], [2.0, 2.0])
    """
    network = once(network)
    entering, leaving = fan_in_of_units(network), _fan_out_of_units(network)
    found = {}
    for key, first in network.weights.items():
        own = [c for c in network.connections if c.weight_key == key]
        shape = exists(network, first).shape
        by_place = [
            (
                np.broadcast_to(entering[c.target], shape),
                np.broadcast_to(leaving[c.source][:, None], shape),
            )
            for c in own
        ]
        means = [np.mean(tables, axis=0) for tables in zip(*by_place, strict=True)]
        found[key] = Fans(*(np.maximum(_by_number(network, first, mean), 1) for mean in means))
    return found


def fan_in_of_units(network: Network) -> dict[str, Float[np.ndarray, " size"]]:
    """Return how many weights enter each unit, by layer."""
    found = {layer.name: np.zeros(layer.size) for layer in network.layers}
    for c in network.connections:
        found[c.target] += exists(network, c).sum(0)
    return found


def _fan_out_of_units(network: Network) -> dict[str, Float[np.ndarray, " size"]]:
    found = {layer.name: np.zeros(layer.size) for layer in network.layers}
    for c in network.connections:
        found[c.source] += exists(network, c).sum(1)
    return found


def exists(network: Network, connection: Connection) -> np.ndarray:
    """Tell of each place of a connection whether a weight stands there."""
    if connection.mask is not None:
        return np.array(connection.mask)
    return np.ones((network.size(connection.source), network.size(connection.target)), bool)


def _by_number(network: Network, connection: Connection, table: np.ndarray) -> np.ndarray:
    """Return a table of places as one of numbers: of a tied one, the mean over its places."""
    if connection.tie is None:
        return table
    there = exists(network, connection)
    places = [there & (np.array(connection.tie) == k) for k in range(connection.num_free)]
    return np.array([table[own].mean() if own.any() else 1.0 for own in places])
