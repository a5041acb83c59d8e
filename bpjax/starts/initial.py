"""Where a run starts: its random key and its initial weights."""

import dataclasses
import functools
import re
from collections.abc import Hashable
from typing import Any, Literal, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bpjax.errors import SettingError
from bpjax.network import Network
from bpjax.params import Params, mask_of, num_entries, unflatten_params
from bpjax.starts.choice import Choice
from bpjax.starts.normal import standard_normal
from bpjax.surroundings import pinned

NUM_SEEDS_THERE_ARE = 2**32


class Strategy(Hashable, Protocol):
    """What a recipe's initialiser is: an `Initializer`, `Start`, `Plane`, or an object like them.

    What it draws may depend on nothing but its arguments; it is told by what it computes.
    """

    @property
    def num_seeds(self) -> int:
        """Number of runs there are: seeds are below it."""

    def check(self, network: Network) -> None:
        """Raise SettingError unless the strategy can start this network."""

    def params_of(
        self, network: Network, seed: Any, init_range: Any, dtype: Any = jnp.float32
    ) -> Params:
        """Return the initial parameters of the run named by `seed`; both numbers may be traced."""


def as_strategy(given: Any) -> Strategy:
    """Return an initialiser.

    Raises:
      SettingError: if it is none.
    """
    has = all(hasattr(given, name) for name in ("num_seeds", "check", "params_of"))
    if not has or isinstance(given, type) or type(given).__hash__ is None:
        rule = "must be an Initializer, Start, Plane, or hashable with their methods and num_seeds"
        raise SettingError("initializer", rule, given)
    return given  # type: ignore[no-any-return]


@dataclasses.dataclass(frozen=True)
class Initializer:
    """How initial weights are drawn; the range itself is a setting of the recipe.

    A recipe may have another strategy in its place that has these methods: `bpjax.Start`,
    `bpjax.Plane`, or one of your own.

    Args:
      distribution: a name in `bpjax.starts.distributions`, with options in brackets where it has
        any: "uniform", "normal", "range(low=-0.2, high=0.8)", "zero", "glorot", "he", "lecun",
        "nguyen-widrow". Behind it there may be others for single connections:
        "uniform; input -> hidden: nguyen-widrow; hidden -> output: zero". Kept in one spelling.
      biases: "drawn", as the distribution of the first connection into their layer has them
        (like any weight, the paper's view of a bias; or at zero), or "zero" whatever that is.

    Raises:
      SettingError: for an unknown distribution or choice of biases.

    Example:
      >>> Initializer("glorot( gain = 4 ); hidden->output: zero").distribution
      'glorot(gain=4.0); hidden -> output: zero'
    """

    distribution: str = "uniform"
    biases: Literal["drawn", "zero"] = "drawn"

    def __post_init__(self) -> None:
        object.__setattr__(self, "distribution", Choice.read(self.distribution).spelled())
        if self.biases not in ("drawn", "zero"):
            raise SettingError("biases", "must be 'drawn' or 'zero'", self.biases)

    @property
    def num_seeds(self) -> int:
        """Number of runs there are."""
        return NUM_SEEDS_THERE_ARE

    @property
    def uses_range(self) -> bool:
        """Whether `init_range` has a meaning for any of the distributions."""
        return Choice.read(self.distribution).uses_range

    def check(self, network: Network) -> None:
        """Raise SettingError unless the network has the connections that are named."""
        Choice.read(self.distribution).check(network)

    def params_of(
        self, network: Network, seed: Any, init_range: Any, dtype: Any = jnp.float32
    ) -> Params:
        """Return the initial parameters of the run named by `seed`, which may be traced."""
        return init_params(network, run_key(seed), init_range, self, dtype)


def read_told(text: str) -> Initializer | None:
    """Return the initialiser that an identity tells by these words; None if that is another kind.

    Example:
      >>> read_told(repr(Initializer("he"))) == Initializer("he"), read_told("Plane(x='a', y='b')")
      (True, None)
    """
    found = re.fullmatch(r"Initializer\(distribution='([^']*)', biases='(\w+)'\)", text)
    if found is None:
        return None
    try:
        initializer = Initializer(*found.groups())  # type: ignore[arg-type]
    except SettingError:
        return None
    return initializer if repr(initializer) == text else None


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
      init_range: half-width (uniform) or standard deviation (normal) of the draws; some
        distributions do without.
      initializer: the distribution and its variations.
      dtype: float32 or float64.

    Returns:
      Parameters with zeros at masked entries.

    Raises:
      SettingError: unless the network has the connections that the initialiser names.

    Note:
      The draws are those of JAX's defaults, whatever JAX is set to; inside `jax.jit` of your own
      they are those that JAX is set to when that is compiled.
    """
    shape = (num_entries(network),)

    @functools.cache
    def raw(kind: str) -> Params:
        if kind == "uniform":
            draws = jax.random.uniform(key, shape, jnp.float32, minval=-1, maxval=1)
        else:
            draws = standard_normal(jax.random.bits(key, shape, jnp.uint32))
        return unflatten_params(network, draws.astype(dtype))

    choice = Choice.read(initializer.distribution)
    choice.check(network)
    drawn = choice.drawn(network, raw, jnp.asarray(init_range, dtype))
    bias = drawn.bias
    if initializer.biases == "zero":
        bias = {name: jnp.zeros_like(entry) for name, entry in bias.items()}
    weight = dict(drawn.weight)
    for name, c in network.weights.items():
        if c.tie is None and c.mask is not None:
            weight[name] = weight[name] * mask_of(c, weight[name])
    return Params(weight, bias)
