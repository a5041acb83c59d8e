"""The two contenders in NumPy: one net after another, and all nets in batched products.

Both are the text of a usual lesson on back-propagation. The functions here broadcast: without a
run axis they train one net, with one in front of every weight they train all of them.
"""

from typing import Any

import numpy as np

from bpjax.bench.plain import PlainParams, Wiring, to_plain, to_vectors, wiring
from bpjax.task import Task


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return the logistic function of `x`."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def forward(net: Wiring, params: PlainParams, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the activations of every layer, by name."""
    y = {name: inputs[:, first:last] for name, first, last in net.inputs}
    for name, sources in net.layers:
        x = _together(y, sources) @ params[name]["w"] + params[name]["b"][..., None, :]
        y[name] = sigmoid(x)
    return y


def backward(
    net: Wiring, params: PlainParams, y: dict[str, np.ndarray], targets: np.ndarray
) -> PlainParams:
    """Return the gradient of half the summed squared error."""
    grads = {}
    d_y = {net.layers[-1][0]: y[net.layers[-1][0]] - targets}
    for name, sources in reversed(net.layers):
        d_x = d_y[name] * y[name] * (1 - y[name])
        d_w = np.swapaxes(_together(y, sources), -1, -2) @ d_x
        grads[name] = {"w": d_w, "b": d_x.sum(axis=-2)}
        if sources[0] in params:  # not an input layer
            d_sources = d_x @ np.swapaxes(params[name]["w"], -1, -2)
            cuts = np.cumsum([y[source].shape[-1] for source in sources])[:-1]
            d_y |= dict(zip(sources, np.split(d_sources, cuts, axis=-1), strict=True))
    return grads


def train(task: Task, params: PlainParams, epochs: int) -> PlainParams:
    """Return the weights after `epochs` full-batch epochs of descent with momentum.

    Args:
      task: its cases and recipe are used.
      params: initial weights of one net, or of many along a first axis; their type is kept.
      epochs: how many.
    """
    net, kind = wiring(task.network), params[task.network.outputs[0]]["w"].dtype
    inputs, targets = task.inputs.astype(kind), task.targets.astype(kind)
    params = {name: {k: v.copy() for k, v in entry.items()} for name, entry in params.items()}
    velocity = {
        name: {k: np.zeros_like(v) for k, v in entry.items()} for name, entry in params.items()
    }
    for _ in range(epochs):
        grads = backward(net, params, forward(net, params, inputs), targets)
        for name, k in ((name, k) for name in params for k in ("w", "b")):
            velocity[name][k] *= task.recipe.momentum
            velocity[name][k] -= task.recipe.learning_rate * grads[name][k]
            params[name][k] += velocity[name][k]
    return params


def train_one_by_one(task: Task, vectors: np.ndarray, epochs: int) -> np.ndarray:
    """Return final weights, one row per run, trained one net after another."""
    plain = to_plain(task.network, vectors)
    ends: list[Any] = []
    for run in range(len(vectors)):
        net = {name: {k: v[run] for k, v in entry.items()} for name, entry in plain.items()}
        ends.append(train(task, net, epochs))
    stacked = {
        name: {k: np.stack([end[name][k] for end in ends]) for k in ("w", "b")} for name in plain
    }
    return to_vectors(task.network, stacked)


def train_batched(task: Task, vectors: np.ndarray, epochs: int) -> np.ndarray:
    """Return final weights, one row per run, trained all at once."""
    return to_vectors(task.network, train(task, to_plain(task.network, vectors), epochs))


def _together(y: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    return y[names[0]] if len(names) == 1 else np.concatenate([y[name] for name in names], axis=-1)
