"""What a network is: layers and the connections between them, as the paper draws its nets.

A `Network` is a static, hashable description: layers in order from input to output, and connections
that may skip layers. What it learns is in `bpjax.params`, where it starts in `bpjax.starts`.
"""

import dataclasses
import functools
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from bpjax.connections import Connection, Key, Layer
from bpjax.errors import SettingError
from bpjax.units import Activation


@dataclasses.dataclass(frozen=True)
class Network:
    """Layers from input to output, and the connections between them.

    Args:
      layers: in the order in which they are computed.
      connections: at most one from a layer to another. One without delay must go forward.
      outputs: names of the layers that are held against the targets, side by side; the last layer
        unless given.
      iterated: the iterative net of which this is the layout in time, see `bpjax.recurrent`.
      iterations: for how many steps: as many copies of each weight stand in the complete layout.

    Raises:
      SettingError: naming the culprit, for a repeated or unknown name, two connections between the
        same layers in the same direction, a connection without delay that does not go forward, a
        mask or tie of the wrong shape, copies of different shapes, an output layer that no
        connection enters, or a layer without connections.

    Example:
      >>> layers = [Layer("input", 2), Layer("hidden", 1), Layer("output", 1)]
      >>> direct = [Connection("input", "hidden"), Connection("input", "output"),
      ...           Connection("hidden", "output")]
      >>> Network(layers, direct).num_parameters
      7
    """

    layers: Sequence[Layer]
    connections: Sequence[Connection]
    outputs: Sequence[str] = ()
    iterated: "Network | None" = None
    iterations: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "connections", tuple(self.connections))
        object.__setattr__(self, "outputs", tuple(self.outputs) or (self.layers[-1].name,))
        _check_names(self)
        for connection in self.connections:
            _check_connection(self, connection)
        for name in self.outputs:
            if not self.incoming.get(name):
                rule = f"must enter the output layer {name!r}"
                raise SettingError("connections", rule, [c.key for c in self.connections])
        _check_copies(self)
        joined = {name for connection in self.connections for name in connection.key}
        for layer in self.layers:
            if layer.name not in joined:
                raise SettingError("layers", "must not include one without connections", layer.name)

    def __getstate__(self) -> dict[str, Any]:
        # What is cached stays behind: another process hashes the same names differently.
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        # A network is a static argument of every compiled function: hash its masks only once.
        return hash((self.layers, self.connections, self.outputs))

    @functools.cached_property
    def incoming(self) -> dict[str, tuple[Connection, ...]]:
        """The connections that enter each layer, by layer name."""
        return {
            layer.name: tuple(c for c in self.connections if c.target == layer.name)
            for layer in self.layers
        }

    @functools.cached_property
    def input_layers(self) -> tuple[Layer, ...]:
        """The layers that show the case, in the order of the columns of `inputs`."""
        return tuple(layer for layer in self.layers if not self.incoming[layer.name])

    @functools.cached_property
    def computed_layers(self) -> tuple[Layer, ...]:
        """All other layers, in the order of the forward pass."""
        return tuple(layer for layer in self.layers if self.incoming[layer.name])

    @functools.cached_property
    def output_layers(self) -> tuple[Layer, ...]:
        """The layers held against the targets, in the order of the columns of `targets`."""
        by_name = {layer.name: layer for layer in self.layers}
        return tuple(by_name[name] for name in self.outputs)

    @functools.cached_property
    def weights(self) -> dict[Key, Connection]:
        """By `weight_key`, the first of the connections that have these weights."""
        found: dict[Key, Connection] = {}
        for c in self.connections:
            found.setdefault(c.weight_key, c)
        return found

    @functools.cached_property
    def biases(self) -> dict[str, Layer]:
        """By `bias_key`, the first of the computed layers that have these biases."""
        found: dict[str, Layer] = {}
        for layer in self.computed_layers:
            if layer.bias:
                found.setdefault(layer.bias_key, layer)
        return found

    @functools.cached_property
    def frozen(self) -> tuple[frozenset[Key], frozenset[str]]:
        """The keys of the weights and of the biases that stay where they start."""
        weights = (key for key, c in self.weights.items() if c.frozen)
        biases = (key for key, layer in self.biases.items() if layer.frozen_bias)
        return frozenset(weights), frozenset(biases)

    @property
    def num_in(self) -> int:
        """Number of input units, all input layers together."""
        return sum(layer.size for layer in self.input_layers)

    @property
    def num_out(self) -> int:
        """Number of output units, all output layers together."""
        return sum(layer.size for layer in self.output_layers)

    def size(self, name: str) -> int:
        """Number of units of the layer called `name`."""
        return next(layer.size for layer in self.layers if layer.name == name)

    def weight_shape(self, connection: Connection) -> tuple[int, ...]:
        """Shape of a connection's entry in `Params.weight`."""
        if connection.tie is not None:
            return (connection.num_free,)
        return self.size(connection.source), self.size(connection.target)

    @property
    def num_parameters(self) -> int:
        """Number of weights and biases that can change: masked and frozen never, copies once."""
        weights, biases = self.frozen
        moving = (layer.size for key, layer in self.biases.items() if key not in biases)
        free = (self.num_weights(c) for key, c in self.weights.items() if key not in weights)
        return sum(moving) + sum(free)

    def num_weights(self, connection: Connection) -> int:
        """Number of weights of a connection that can change."""
        if connection.mask is None:
            return math.prod(self.weight_shape(connection))
        if connection.tie is None:
            return sum(map(sum, connection.mask))
        return len(np.unique(np.array(connection.tie)[np.array(connection.mask)]))

    def with_units(
        self, hidden: Activation | None = None, output: Activation | None = None
    ) -> "Network":
        """Return this net with other units: in all hidden layers, in the output layers, or both.

        Example:
          >>> net = layered(2, 3, 1).with_units("tanh", "linear")
          >>> [layer.activation for layer in net.computed_layers]
          ['tanh', 'linear']
        """
        outputs = {layer.bias_key for layer in self.output_layers}  # all copies of them in time

        def changed(network: Network) -> Network:
            def with_unit(layer: Layer) -> Layer:
                unit = output if layer.bias_key in outputs else hidden
                if unit is None or not network.incoming[layer.name]:
                    return layer
                return dataclasses.replace(layer, activation=unit)

            inner = None if network.iterated is None else changed(network.iterated)
            layers = [with_unit(layer) for layer in network.layers]
            return dataclasses.replace(network, layers=layers, iterated=inner)

        return changed(self)

    def describe(self) -> str:
        """One line for people: "2-2-1", layers side by side as "6+6", shortcuts and loops named."""
        if self.iterated is not None:
            return f"{self.iterated.describe()}, {self.iterations} steps"
        level = self.levels
        sizes = "-".join(
            "+".join(str(self.size(name)) for name in names) for names in self.layers_by_level
        )
        extras = [
            f"{c.source} to {c.target}{'' if self._goes_forward(c) else ' (delayed)'}"
            for c in self.connections
            if level[c.target] - level[c.source] != 1
        ]
        return f"{sizes} with {', '.join(extras)}" if extras else sizes

    @functools.cached_property
    def levels(self) -> dict[str, int]:
        """The length of the longest way forward from an input layer to each layer."""
        level = {layer.name: 0 for layer in self.input_layers}
        for layer in self.computed_layers:
            sources = [c.source for c in self.incoming[layer.name] if self._goes_forward(c)]
            level[layer.name] = 1 + max((level[name] for name in sources), default=0)
        return level

    @functools.cached_property
    def layers_by_level(self) -> tuple[tuple[str, ...], ...]:
        """The names of the layers level by level, from the input up."""
        groups: dict[int, list[str]] = {}
        for layer in self.layers:
            groups.setdefault(self.levels[layer.name], []).append(layer.name)
        return tuple(tuple(groups[level]) for level in sorted(groups))

    def _goes_forward(self, connection: Connection) -> bool:
        order = [layer.name for layer in self.layers]
        return order.index(connection.source) < order.index(connection.target)


def _check_names(network: Network) -> None:
    names = Counter(layer.name for layer in network.layers)
    for name, count in names.items():
        if count > 1:
            raise SettingError("layers", "must have different names", name)
    for key, count in Counter(c.key for c in network.connections).items():
        if count > 1:
            raise SettingError("connections", "must have at most one per pair of layers", key)


def _check_connection(network: Network, connection: Connection) -> None:
    order = [layer.name for layer in network.layers]
    for name in connection.key:
        if name not in order:
            raise SettingError("connections", f"must join layers among {order}", name)
    if not connection.delay and order.index(connection.source) >= order.index(connection.target):
        rule = "without delay must go from an earlier to a later layer"
        raise SettingError("connections", rule, connection.key)
    shape = network.size(connection.source), network.size(connection.target)
    for field in ("mask", "tie"):
        table = getattr(connection, field)
        if table is not None and np.shape(table) != shape:
            rule = f"of connection {connection.source} -> {connection.target} must have shape"
            raise SettingError(field, f"{rule} {shape}", np.shape(table))


def _check_copies(network: Network) -> None:
    for c in network.connections:
        first = network.weights[c.weight_key]
        same = (network.weight_shape(c), c.mask, c.tie, c.frozen)
        if same != (network.weight_shape(first), first.mask, first.tie, first.frozen):
            rule = f"must have shape, mask, tie and `frozen` of its fellow {first.key}"
            raise SettingError("copy_of", rule, c.key)
    for layer in network.computed_layers:
        fellow = network.biases.get(layer.bias_key, layer)
        if layer.bias and (layer.size, layer.frozen_bias) != (fellow.size, fellow.frozen_bias):
            rule = f"must have size and `frozen_bias` of its fellow {fellow.name!r}"
            raise SettingError("copy_of", rule, layer.name)


def layered(
    *sizes: int, unit: Activation = "logistic", output_unit: Activation | None = None
) -> Network:
    """Return the plain layered net: each layer feeds the next, all units have biases.

    Args:
      sizes: number of units of each layer, from input to output, at least two.
      unit: the input-output function of the units, a name in `bpjax.units.UNITS` or a unit.
      output_unit: that of the output units, if it is another.

    Raises:
      SettingError: for fewer than two sizes, one that is no whole number of at least 1, or an
        unknown unit.

    Example:
      >>> [layer.name for layer in layered(6, 2, 1).layers]
      ['input', 'hidden', 'output']
      >>> [layer.name for layer in layered(4, 8, 8, 1).layers]
      ['input', 'hidden1', 'hidden2', 'output']
    """
    if len(sizes) < 2:
        raise SettingError("sizes", "must be at least two, from input to output", sizes)
    num_hidden = len(sizes) - 2
    hidden = ["hidden"] if num_hidden == 1 else [f"hidden{k + 1}" for k in range(num_hidden)]
    names = ["input", *hidden, "output"]
    units = [*[unit] * (len(sizes) - 1), output_unit or unit]
    layers = [Layer(*of_layer) for of_layer in zip(names, sizes, units, strict=True)]
    return Network(layers, [Connection(*pair) for pair in itertools.pairwise(names)])
