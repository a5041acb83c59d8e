"""Nets as the baselines' users write them: a dict of `{"w", "b"}` per layer, and nothing else.

All contenders start from the same weights, those of bpjax's seeds 0, 1, ..., and give back final
weights in bpjax's own order, one row per run, so that one function can judge what each computed.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bpjax.network import Network
from bpjax.params import flatten_params, unflatten_params
from bpjax.starts.initial import init_params, run_key
from bpjax.task import Task

PlainParams = dict[str, dict[str, Any]]
"""Per computed layer "w", of shape (num_in, num_out), and "b", of shape (num_out,)."""


class Wiring(NamedTuple):
    """How a plain net is wired, for nets without skipped rows, masks or ties.

    Attributes:
      inputs: (layer, first column, column behind the last) of every input layer.
      layers: (layer, layers it reads, side by side) of every computed layer, in order.
    """

    inputs: tuple[tuple[str, int, int], ...]
    layers: tuple[tuple[str, tuple[str, ...]], ...]


def wiring(network: Network) -> Wiring:
    """Return the wiring of a network.

    Example:
      >>> from bpjax.network import layered
      >>> wiring(layered(2, 2, 1)).layers
      (('hidden', ('input',)), ('output', ('hidden',)))
    """
    ends = np.cumsum([layer.size for layer in network.input_layers]).tolist()
    inputs = [
        (layer.name, end - layer.size, end)
        for layer, end in zip(network.input_layers, ends, strict=True)
    ]
    layers = [
        (layer.name, tuple(c.source for c in network.incoming[layer.name]))
        for layer in network.computed_layers
    ]
    return Wiring(tuple(inputs), tuple(layers))


DRAWN_AT_ONCE = 256


def initial_vectors(task: Task, runs: int) -> np.ndarray:
    """Return the initial weights of seeds 0 to `runs` - 1, one row each, in float32."""
    starts = range(0, runs, DRAWN_AT_ONCE)  # of one size, so that they compile once
    parts = [_draw(task.network, task.recipe.init_range, jnp.uint32(start)) for start in starts]
    return np.concatenate(parts)[:runs]


@functools.partial(jax.jit, static_argnums=0)
def _draw(network: Network, init_range: Any, first_seed: Any) -> jax.Array:
    def one(seed: Any) -> jax.Array:
        return flatten_params(network, init_params(network, run_key(seed), init_range))

    return jax.vmap(one)(first_seed + jnp.arange(DRAWN_AT_ONCE, dtype=jnp.uint32))


def to_plain(network: Network, vectors: np.ndarray) -> PlainParams:
    """Return weights, one row per run, as plain parameters with the runs as first axis."""
    return {
        name: {key: np.asarray(vectors)[:, columns] for key, columns in entry.items()}
        for name, entry in _columns(network).items()
    }


def to_vectors(network: Network, plain: PlainParams) -> np.ndarray:
    """Undo `to_plain`."""
    some = np.asarray(plain[network.outputs[0]]["b"])
    vectors = np.empty((len(some), network.num_parameters), some.dtype)
    for name, entry in _columns(network).items():
        for key, columns in entry.items():
            vectors[:, columns] = plain[name][key]
    return vectors


def _columns(network: Network) -> PlainParams:
    """Return where each plain parameter of a net stands in a vector of bpjax's own order."""
    places: Any = unflatten_params(network, np.arange(network.num_parameters))  # type: ignore[arg-type]
    return {
        name: {
            "w": np.concatenate([places.weight[source, name] for source in sources]),
            "b": places.bias[name],
        }
        for name, sources in wiring(network).layers
    }
