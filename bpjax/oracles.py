"""What the gradient is held against, as far as JAX computes it, in one compiled program.

Our own passes; `jax.grad` of the plain forward pass; the same through `forward` and by way of
`value_and_grad`; and differences of the loss. The third oracle is `bpjax.witness`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bpjax.backprop import (
    Activations,
    backward,
    backward_pass,
    enters,
    forward,
    forward_pass,
    seen_by_loss,
    value_and_grad,
)
from bpjax.loss import Loss
from bpjax.network import Network
from bpjax.params import (
    Params,
    flatten_params,
    unflatten_params,
    weight_gradient,
    weight_matrix,
)
from bpjax.units import LayerUnit, Unit, unit_of

DIFFERENCE_STEPS = (1e-2, 1e-3, 1e-4, 1e-5)
MOVED_AT_ONCE = 128
"""Parameters for which the differences are formed together: of thousands they would fill memory."""


class Gradient(NamedTuple):
    """Derivatives by parameters and by inputs, (num_cases, num_in)."""

    params: Params
    inputs: Array


class JaxSide(NamedTuple):
    """All that is computed in JAX: our own passes and two of the three oracles."""

    loss: Array
    activations: Activations
    ours: Gradient
    sizes: Gradient
    plain: Gradient
    through_forward: Gradient
    through_value_and_grad: Params
    without_flat_spots: Gradient
    quotients: Gradient
    largest_loss: Array


@functools.partial(jax.jit, static_argnums=(0, 1))
def jax_side(
    network: Network, loss: Loss, params: Params, inputs: Array, targets: Array
) -> JaxSide:
    """Compute all of it; whoever calls sees to float64."""

    def loss_of(passes: Callable[..., Activations], params: Params, inputs: Array) -> Array:
        activations = passes(network, params, inputs)
        return loss.value(seen_by_loss(network, params, activations, loss), targets)

    def by_jax_grad(passes: Callable[..., Activations]) -> Gradient:
        return Gradient(*jax.grad(loss_of, argnums=(1, 2))(passes, params, inputs))

    activations = forward_pass(network, params, inputs)
    value, through_value_and_grad = value_and_grad(network, loss)(params, inputs, targets)
    through_forward = by_jax_grad(forward)
    ours = backward(network, params, activations, targets, loss)
    quotients, largest_loss = _difference_quotients(
        network, functools.partial(loss_of, forward_pass), params, inputs
    )
    return JaxSide(
        value,
        activations,
        Gradient(ours, through_forward.inputs),
        _sizes(network, loss, params, activations, targets),
        by_jax_grad(_plain_forward),
        through_forward,
        through_value_and_grad,
        by_jax_grad(_forward_without_flat_spots),
        quotients,
        largest_loss,
    )


def _sizes(
    network: Network, loss: Loss, params: Params, activations: Activations, targets: Array
) -> Gradient:
    """Return the sums of equations (6) and (7) over the sizes of what they add up."""
    seen = seen_by_loss(network, params, activations, loss)
    entering = enters(network, loss, loss.derivative(seen, targets))
    _, _, d_preactivations = backward_pass(network, params, activations, *entering)
    sizes = jax.tree.map(jnp.zeros_like, params)
    d_y = {layer.name: jnp.zeros_like(activations[layer.name]) for layer in network.input_layers}
    for layer in network.computed_layers:
        d_x = jnp.abs(d_preactivations[layer.name])
        if layer.bias:
            sizes.bias[layer.bias_key] += jnp.sum(d_x, axis=0)
        for c in network.incoming[layer.name]:
            d_weight = jnp.abs(activations[c.source]).T @ d_x
            sizes.weight[c.weight_key] += weight_gradient(c, d_weight)
            if c.source in d_y:
                weight = jnp.abs(weight_matrix(c, params.weight[c.weight_key]))
                d_y[c.source] += d_x @ weight.T
    return Gradient(sizes, jnp.concatenate([*d_y.values()], axis=1))


def _plain_forward(network: Network, params: Params, inputs: Array) -> Activations:
    """Compute what `forward_pass` does, for `jax.grad`: never `forward`, whose derivative is ours.

    What is added to a derivative of ours is added to the function here, as a term that is zero.
    """

    def for_autodiff(unit: Unit | LayerUnit) -> Unit | LayerUnit:
        if isinstance(unit, LayerUnit) or not unit.flat_spot:
            return unit

        def function(x: Array) -> Array:
            return unit.function(x) + unit.flat_spot * (x - jax.lax.stop_gradient(x))

        return dataclasses.replace(unit, function=function)

    return forward_pass(_with_each_unit(network, for_autodiff), params, inputs)


def _forward_without_flat_spots(network: Network, params: Params, inputs: Array) -> Activations:
    """Compute `forward` with derivatives to which nothing is added: what differences can see."""

    def without(unit: Unit | LayerUnit) -> Unit | LayerUnit:
        return unit if isinstance(unit, LayerUnit) else dataclasses.replace(unit, flat_spot=0.0)

    return forward(_with_each_unit(network, without), params, inputs)


def _with_each_unit(
    network: Network, change: Callable[[Unit | LayerUnit], Unit | LayerUnit]
) -> Network:
    layers = [
        dataclasses.replace(layer, activation=change(unit_of(layer.activation)))
        for layer in network.layers
    ]
    return dataclasses.replace(network, layers=layers)


def _difference_quotients(
    network: Network, loss_of: Callable[[Params, Array], Array], params: Params, inputs: Array
) -> tuple[Gradient, Array]:
    """Move one parameter, or one input unit in all cases, and see how the loss changes.

    Returns:
      For every one of `DIFFERENCE_STEPS` (4 D(h/2) - D(h)) / 3 with D the central difference:
      Richardson's combination, whose error falls with the 4th power of h. And the largest loss met.
    """
    flat = flatten_params(network, params)
    start = jnp.concatenate([flat, jnp.zeros(network.num_in)])

    def split(point: Array) -> tuple[Params, Array]:
        return unflatten_params(network, point[: len(flat)]), point[len(flat) :]

    def loss_at(point: Array) -> Array:
        params, shift = split(point)
        return loss_of(params, inputs + shift[None, :])

    def quotients_at(step: Array) -> tuple[Gradient, Array]:
        def losses_beside(place: Array) -> Array:
            moves = step * jnp.array([1.0, -1.0, 0.5, -0.5])
            return jax.vmap(lambda move: loss_at(start.at[place].add(move)))(moves)

        losses = jax.lax.map(losses_beside, jnp.arange(len(start)), batch_size=MOVED_AT_ONCE)
        up, down, half_up, half_down = losses.T
        quotients = (8 * (half_up - half_down) - (up - down)) / (6 * step)
        return Gradient(*split(quotients)), jnp.max(losses)

    return jax.lax.map(quotients_at, jnp.array(DIFFERENCE_STEPS))
