"""Nets as the baselines' users write them: a dict of `{"w", "b"}` per layer, and nothing else.

All contenders start from the same weights, those of bpjax's seeds 0, 1, ..., and give back final
weights in bpjax's own order, one row per run, so that one function can judge what each computed.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bpjax.loss import HalfSquaredError
from bpjax.network import Network
from bpjax.params import Params, flatten_params, unflatten_params
from bpjax.starts.initial import Initializer, init_params, run_key
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


def why_not_plain(task: Task) -> str | None:
    """Return why the baselines, as they are written, cannot train a task; None if they can.

    They know layers of logistic units with biases, each of which reads layers of inputs or the
    layer before it whole; half the squared error; and descent with momentum at one rate on all
    cases at once.

    Example:
      >>> from bpjax.tasks import xor
      >>> why_not_plain(xor()), why_not_plain(xor().with_settings(loss="cross-entropy"))
      (None, 'its loss is not half the squared error')
    """
    network, recipe = task.network, task.recipe
    layers, links = network.computed_layers, network.connections
    kinds = [{bool(network.incoming[c.source]) for c in network.incoming[a.name]} for a in layers]
    read = sorted(c.source for c in links if network.incoming[c.source])
    own = [c.mask or c.tie or c.delay or c.copy_of or c.frozen for c in links]
    numbers = (recipe.learning_rate, recipe.momentum)
    faults = {
        "its units are not all logistic": any(a.activation != "logistic" for a in layers),
        "it has units without a bias of their own": not all(
            a.bias and not a.copy_of and not a.frozen_bias for a in layers
        ),
        "it has connections with masks, ties, delays or frozen weights": any(own),
        "it has connections that skip layers, or several layers of outputs": (
            any(len(kind) > 1 for kind in kinds)
            or read != sorted(layer.name for layer in layers[:-1])
            or network.outputs != (layers[-1].name,)
        ),
        "its loss is not half the squared error": task.loss != HalfSquaredError(),
        "its rate or momentum changes": not all(isinstance(n, int | float) for n in numbers),
        "its rule is not descent with momentum": recipe.optimizer != "paper",
        "its weights decay": recipe.weight_decay != 0,
        "its weights change before all cases were seen": recipe.updates != "batch",
        "its weights do not start as uniform draws": recipe.initializer != Initializer(),
        "cases are held out": task.held_out != 0,
    }
    return next((words for words, there in faults.items() if there), None)


def dtype_here() -> Any:
    """Return the type of numbers that this process trains in: float64 in JAX's 64-bit mode."""
    return jnp.result_type(float)


DRAWN_AT_ONCE = 256


def initial_vectors(task: Task, runs: int) -> np.ndarray:
    """Return the initial weights of seeds 0 to `runs` - 1, one row each, in `dtype_here()`."""
    starts = range(0, runs, DRAWN_AT_ONCE)  # of one size, so that they compile once
    parts = [_draw(task.network, task.recipe.init_range, jnp.uint32(start)) for start in starts]
    return np.concatenate(parts)[:runs]


@functools.partial(jax.jit, static_argnums=0)
def _draw(network: Network, init_range: Any, first_seed: Any) -> jax.Array:
    def draw(key: Any) -> Params:
        return init_params(network, key, init_range, dtype=dtype_here())

    def one(seed: Any) -> jax.Array:
        return flatten_params(network, draw(run_key(seed)))

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
