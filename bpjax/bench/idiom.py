"""The contenders in JAX and optax, written as their own users write them.

The idiom is `jit(vmap(train))`, where `train` scans `jax.value_and_grad` and `optax.sgd` over the
epochs of one net. `idiom-sharded` spreads the runs over all devices; `python-loop` compiles one
epoch only and calls it from Python.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, PartitionSpec

from bpjax.bench.plain import PlainParams, Wiring, dtype_here, wiring
from bpjax.task import Task

Trained = tuple[PlainParams, jax.Array]
"""Final weights and the loss of every epoch, as a user would plot it."""


def forward(net: Wiring, params: PlainParams, inputs: jax.Array) -> jax.Array:
    """Return the outputs of one net."""
    y = {name: inputs[:, first:last] for name, first, last in net.inputs}
    for name, sources in net.layers:
        x = jnp.concatenate([y[source] for source in sources], axis=1)
        y[name] = jax.nn.sigmoid(x @ params[name]["w"] + params[name]["b"])
    return y[net.layers[-1][0]]


def make_step(task: Task) -> tuple[Any, Callable[[Any, Any], tuple[Any, jax.Array]]]:
    """Return (optimizer, step): `step(carry, _)` is one epoch, in the form that `scan` takes."""
    net, (inputs, targets) = wiring(task.network), task.cases(dtype_here())
    optimizer = optax.sgd(task.recipe.learning_rate, momentum=task.recipe.momentum)

    def loss_of(params: PlainParams) -> jax.Array:
        return 0.5 * jnp.sum((forward(net, params, inputs) - targets) ** 2)

    def step(carry: Any, _: Any) -> tuple[Any, jax.Array]:
        params, state = carry
        loss, grads = jax.value_and_grad(loss_of)(params)
        updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(params, updates), state), loss

    return optimizer, step


def make_train(task: Task, epochs: int) -> Callable[[PlainParams], Trained]:
    """Return the function that trains one net."""
    optimizer, step = make_step(task)

    def train(params: PlainParams) -> Trained:
        carry = params, optimizer.init(params)
        (params, _), losses = jax.lax.scan(step, carry, length=epochs)
        return params, losses

    return train


def idiom(task: Task, epochs: int) -> Callable[[PlainParams], Trained]:
    """Return `jit(vmap(train))`."""
    return jax.jit(jax.vmap(make_train(task, epochs)))


def idiom_sharded(task: Task, epochs: int) -> Callable[[PlainParams], Trained]:
    """Return the same under `shard_map` over all local devices, which share the runs."""
    mesh, runs = Mesh(np.array(jax.local_devices()), ("runs",)), PartitionSpec("runs")
    train = jax.vmap(make_train(task, epochs))
    return jax.jit(
        jax.shard_map(train, mesh=mesh, in_specs=(runs,), out_specs=runs, check_vma=False)
    )


def python_loop(task: Task) -> tuple[Any, Any]:
    """Return (start, step), both jitted and mapped over runs: `step` is one epoch of all runs."""
    optimizer, step = make_step(task)

    def start(params: PlainParams) -> Any:
        return params, optimizer.init(params)

    return jax.jit(jax.vmap(start)), jax.jit(jax.vmap(lambda carry: step(carry, None)))
