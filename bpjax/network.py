"""What a network is: layers, connections, their parameters and initial weights.

A `Network` is a static, hashable description, drawn as the paper draws its nets: layers in order
from input to output, and connections that may skip layers. The paper writes w_ji, *to* unit j
*from* unit i; here `weight[i, j]` goes from i to j, so that equation (1) reads
`activations @ weight + bias`.
"""

import dataclasses
import functools
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bpjax.errors import SettingError
from bpjax.numbers import whole_number
from bpjax.surroundings import pinned
from bpjax.units import UNITS

NUM_SEEDS_THERE_ARE = 2**32

Key = tuple[str, str]
"""The name of a connection: (source layer, target layer)."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """A group of units that share one input-output function.

    Args:
      name: unique among the layers of a network.
      size: number of units, at least 1.
      activation: the input-output function of equation (2): "logistic", "tanh" or "linear".
      bias: whether each unit has a bias: in the paper, a weight from an extra input fixed at 1.
      copy_of: the name under which the biases are kept, its own unless given. Layers with the same
        name have the same biases: the copies of one layer in time (Fig. 5).

    A layer that no connection enters is an input layer: it shows the case, and neither its
    `activation` nor its `bias` is used.

    Raises:
      SettingError: for a size that is no whole number of at least 1, or an unknown activation.
    """

    name: str
    size: int
    activation: str = "logistic"
    bias: bool = True
    copy_of: str | None = None

    @property
    def bias_key(self) -> str:
        """The name under which the biases are kept."""
        return self.copy_of or self.name

    def __post_init__(self) -> None:
        size = whole_number("size", self.size, 1, of=f"of layer {self.name!r}")
        object.__setattr__(self, "size", size)
        if self.activation not in UNITS:
            choices = ", ".join(UNITS)
            rule = f"of layer {self.name!r} must be one of {choices}"
            raise SettingError("activation", rule, self.activation)


@dataclasses.dataclass(frozen=True)
class Connection:
    """All weights from one layer to another, which need not be neighbours.

    Args:
      source: name of the layer it comes from.
      target: name of the layer it goes to.
      mask: which weights exist, booleans (or 0 and 1) of shape (source size, target size); None:
        all of them.
      tie: which weights are one and the same, integers of that shape: `tie[i][j]` is the index of
        the free parameter that stands at (i, j). Indices run from 0 without a gap; one that stands
        at masked places only is kept, but nothing reads it. None: all free.
      delay: time steps the signal takes, 0 or 1; 1 makes a recurrent connection, which
        `bpjax.recurrent.unroll` lays out in time.
      copy_of: the key under which the weights are kept, its own unless given. Connections with the
        same one have the same weights: the "corresponding weights" of Fig. 5.

    `mask` and `tie` may be given as arrays; they are kept as tuples, so that a connection is
    hashable.

    Raises:
      SettingError: for a delay other than 0 or 1; a mask or tie that is no table of two dimensions;
        mask entries other than booleans, 0 and 1; tie indices that are no whole numbers, are
        negative or have gaps.
    """

    source: str
    target: str
    mask: tuple[tuple[bool, ...], ...] | None = None
    tie: tuple[tuple[int, ...], ...] | None = None
    delay: int = 0
    copy_of: Key | None = None

    def __post_init__(self) -> None:
        where = f"of connection {self.source} -> {self.target}"
        if self.delay not in (0, 1):
            raise SettingError("delay", f"{where} must be 0 or 1", self.delay)
        object.__setattr__(self, "delay", int(self.delay))
        if self.mask is not None:
            object.__setattr__(self, "mask", _mask_table(self.mask, where))
        if self.tie is not None:
            object.__setattr__(self, "tie", _tie_table(self.tie, where))
        if self.tie is not None:
            used = {index for row in self.tie for index in row}
            if used != set(range(len(used))):
                rule = f"{where} must use every index from 0 to its largest"
                raise SettingError("tie", rule, sorted(used))

    @property
    def key(self) -> Key:
        """(source, target)."""
        return (self.source, self.target)

    @property
    def weight_key(self) -> Key:
        """The key under which the weights are kept."""
        return self.copy_of or self.key

    @property
    def num_free(self) -> int:
        """Number of free parameters of a tied connection."""
        return 0 if self.tie is None else max(map(max, self.tie)) + 1


def _mask_table(given: Any, where: str) -> tuple[tuple[bool, ...], ...]:
    table = _table("mask", given, where)
    if table.dtype.kind not in "biuf" or not np.isin(table, (0, 1)).all():
        raise SettingError("mask", f"{where} must hold booleans, or 0 and 1", table.tolist())
    return tuple(map(tuple, table.astype(bool).tolist()))


def _tie_table(given: Any, where: str) -> tuple[tuple[int, ...], ...]:
    table = _table("tie", given, where)
    if table.dtype.kind not in "iu":
        raise SettingError("tie", f"{where} must hold whole numbers", table.tolist())
    return tuple(map(tuple, table.tolist()))


def _table(field: str, given: Any, where: str) -> np.ndarray:
    try:
        table = np.asarray(given)
    except ValueError:  # rows of different lengths
        table = np.empty(0)
    if table.ndim != 2 or not table.size:
        rule = f"{where} must be a table with one row per source unit, all of one length"
        raise SettingError(field, rule, given)
    return table


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
        """Number of weights and biases that can change, copies counted once, masked ones never."""
        biases = sum(layer.size for layer in self.biases.values())
        return biases + sum(map(self.num_weights, self.weights.values()))

    def num_weights(self, connection: Connection) -> int:
        """Number of weights of a connection that can change."""
        if connection.mask is None:
            return math.prod(self.weight_shape(connection))
        if connection.tie is None:
            return sum(map(sum, connection.mask))
        return len(np.unique(np.array(connection.tie)[np.array(connection.mask)]))

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
        same = (network.weight_shape(c), c.mask, c.tie)
        if same != (network.weight_shape(first), first.mask, first.tie):
            rule = f"must have shape, mask and tie of its fellow {first.key}"
            raise SettingError("copy_of", rule, c.key)
    for layer in network.computed_layers:
        if layer.bias and layer.size != network.biases[layer.bias_key].size:
            rule = f"must have the size of its fellow {network.biases[layer.bias_key].name!r}"
            raise SettingError("copy_of", rule, layer.name)


def layered(*sizes: int) -> Network:
    """Return the plain layered net: each layer feeds the next, all units logistic with biases.

    Args:
      sizes: number of units of each layer, from input to output, at least two.

    Raises:
      SettingError: for fewer than two sizes, or one that is no whole number of at least 1.

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
    layers = [Layer(name, size) for name, size in zip(names, sizes, strict=True)]
    return Network(layers, [Connection(*pair) for pair in itertools.pairwise(names)])


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
    return weight if connection.mask is None else weight * _mask(connection, weight)


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
        d_matrix = d_matrix * _mask(connection, d_matrix)
    if connection.tie is None:
        return d_matrix
    # One after the other, row by row: a scatter on a GPU adds in whatever order they come.
    entries, tie = d_matrix.reshape(-1, *d_matrix.shape[2:]), np.array(connection.tie).reshape(-1)
    places = (np.flatnonzero(tie == k) for k in range(connection.num_free))
    sums = [sum((entries[k] for k in own), jnp.zeros_like(entries[0])) for own in places]
    return jnp.stack(sums)


def _mask(connection: Connection, weight: Array) -> Array:
    """Return the mask as numbers that multiply `weight`, which may have lanes behind its axes."""
    mask = jnp.asarray(np.array(connection.mask), weight.dtype)
    return mask.reshape(mask.shape + (1,) * (weight.ndim - 2))


@dataclasses.dataclass(frozen=True)
class Initializer:
    """How initial weights are drawn; the range itself is a setting of the recipe.

    A recipe may have another strategy in its place that has these methods: `bpjax.Plane`.

    Args:
      distribution: "uniform" on [-init_range, init_range], as the paper states for the symmetry
        net, or "normal" with standard deviation init_range.
      biases: "drawn" like any weight (the paper's view of a bias) or "zero".

    Raises:
      SettingError: for an unknown distribution or choice of biases.
    """

    distribution: Literal["uniform", "normal"] = "uniform"
    biases: Literal["drawn", "zero"] = "drawn"

    def __post_init__(self) -> None:
        if self.distribution not in ("uniform", "normal"):
            raise SettingError("distribution", "must be 'uniform' or 'normal'", self.distribution)
        if self.biases not in ("drawn", "zero"):
            raise SettingError("biases", "must be 'drawn' or 'zero'", self.biases)

    @property
    def num_seeds(self) -> int:
        """Number of runs there are."""
        return NUM_SEEDS_THERE_ARE

    def check(self, network: Network) -> None:
        """Any network will do."""

    def params_of(
        self, network: Network, seed: Any, init_range: Any, dtype: Any = jnp.float32
    ) -> Params:
        """Return the initial parameters of the run named by `seed`, which may be traced."""
        return init_params(network, run_key(seed), init_range, self, dtype)


@pinned()
def run_key(seed: Any) -> Array:
    """Return the random key of the run named by `seed`.

    The key depends on nothing but the seed: not on how many runs there are, nor on their order.

    Args:
      seed: 0 <= seed < 2**32, as an unsigned 32-bit integer. The range is checked where seeds
        come in: without 64-bit mode JAX would wrap a larger seed silently.

    Returns:
      A key of the Threefry generator, whatever generator is JAX's default.
    """
    return jax.random.fold_in(jax.random.key(1986, impl="threefry2x32"), jnp.uint32(seed))


@pinned()
def init_params(
    network: Network,
    key: Array,
    init_range: Any,
    initializer: Initializer = Initializer(),
    dtype: Any = jnp.float32,
) -> Params:
    """Draw the initial parameters of one run.

    Draws are made in float32 and scaled by one multiplication: the same seed starts at the same
    point in every program, block shape and precision, and a wider range stretches the same draws.

    Args:
      network: the net.
      key: the run's random key, see `run_key`.
      init_range: half-width (uniform) or standard deviation (normal) of the draws.
      initializer: the distribution and its variations.
      dtype: float32 or float64.

    Returns:
      Parameters with zeros at masked entries.

    Note:
      The draws are those of JAX's defaults, whatever JAX is set to; inside `jax.jit` of your own
      they are those that JAX is set to when that is compiled.
    """
    shape = (num_entries(network),)
    if initializer.distribution == "uniform":
        draws = jax.random.uniform(key, shape, jnp.float32, minval=-1, maxval=1)
    else:
        draws = jax.random.normal(key, shape, jnp.float32)
    drawn = unflatten_params(network, draws.astype(dtype) * jnp.asarray(init_range, dtype))
    bias = drawn.bias
    if initializer.biases == "zero":
        bias = {name: jnp.zeros_like(entry) for name, entry in bias.items()}
    weight = dict(drawn.weight)
    for name, c in network.weights.items():
        if c.tie is None and c.mask is not None:
            weight[name] = weight[name] * _mask(c, weight[name])
    return Params(weight, bias)


def num_entries(network: Network) -> int:
    """Return how many numbers `Params` hold, masked ones included: the length of `flatten_params`.

    Example:
      >>> num_entries(layered(2, 1))
      3
    """
    weights = sum(math.prod(network.weight_shape(c)) for c in network.weights.values())
    return weights + sum(layer.size for layer in network.biases.values())


def parameter_names(network: Network) -> list[str]:
    """Return one name per number in `flatten_params`.

    Example:
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
