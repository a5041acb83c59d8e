"""Back-propagation by hand: the forward and the backward pass of one layered network, side by side.

Symbols of the paper and the names here, for layers i -> j and all cases at once:

  y_i         activations[source]        dE/dy_i   d_activations[source]
  x_j         preactivations             dE/dx_j   d_preactivations
  w_ji        weight[i, j]               dE/dw_ji  d_weight[i, j]
  d_j         targets                    E         loss

The paper writes the equations for one case and adds the gradients of all cases before each weight
change; here the case is the first axis of every array, and equation (6) sums over it.

`jax.grad` appears nowhere in this file: it is the oracle that the derivation is checked against,
in `bpjax.gradient_check`.

Source: Rumelhart, Hinton & Williams, Nature 323, 533-536 (1986), equations (1)-(7).
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bpjax.connections import Layer
from bpjax.errors import SettingError
from bpjax.loss import HalfSquaredError, Loss, check_fits, of_loss
from bpjax.network import Network
from bpjax.params import Params, weight_gradient, weight_matrix
from bpjax.precision import full_precision
from bpjax.units import Of, unit_of

Activations = dict[str, Float[Array, "num_cases _size"]]
"""Activations y of every layer, or derivatives with respect to them, by layer name."""

Inputs = Float[Array, "num_cases num_in"]
Targets = Float[Array, "num_cases num_out"]


@full_precision
def forward_pass(network: Network, params: Params, inputs: Inputs) -> Activations:
    """Compute the activations of all layers: equations (1) and (2).

    Args:
      network: the net; it must not have delayed connections.
      params: its weights and biases.
      inputs: activations of the input layers side by side, shape (num_cases, num_in).

    Returns:
      Activations by layer name, each (num_cases, size): all that the backward pass needs.

    Raises:
      SettingError: for inputs of the wrong width or a network with delayed connections.
    """
    activations = _show_cases(network, inputs)
    for layer in network.computed_layers:
        preactivations = total_input(network, params, activations, layer)
        activations[layer.name] = unit_of(layer.activation).activate(preactivations, axis=1)  # (2)
    return activations


@full_precision
def total_input(
    network: Network, params: Params, activations: Activations, layer: Layer
) -> Float[Array, "num_cases size"]:
    """Compute the total inputs x of a layer's units from the layers before it: equation (1)."""
    first = activations[network.incoming[layer.name][0].source]
    preactivations = jnp.zeros((len(first), layer.size), first.dtype)
    if layer.bias:
        preactivations += params.bias[layer.bias_key][None, :]
    for c in network.incoming[layer.name]:
        weight = weight_matrix(c, params.weight[c.weight_key])
        preactivations += activations[c.source] @ weight  # (1)
    return preactivations


@full_precision
def backward_pass(
    network: Network,
    params: Params,
    activations: Activations,
    d_activations: Mapping[str, Array],
    d_total_inputs: Mapping[str, Array] = MappingProxyType({}),
) -> tuple[Params, Activations, Activations]:
    """Carry derivatives back from the layers where they enter: equations (5), (6) and (7).

    Args:
      network: the net.
      params: its weights and biases.
      activations: what `forward_pass` returned.
      d_activations: dE/dy where the loss touches a layer directly: the output layers. A layer left
        out counts as zero.
      d_total_inputs: dE/dx there instead, from a loss that is written in total inputs.

    Returns:
      The gradient in the shape of `params`, summed over cases and over the copies of a weight;
      dE/dy of every layer; and dE/dx of every computed layer.
    """
    d_activations = {
        name: d_activations.get(name, jnp.zeros_like(entry)) for name, entry in activations.items()
    }
    d_preactivations: Activations = {}
    grads = jax.tree.map(jnp.zeros_like, params)
    for layer in reversed(network.computed_layers):
        unit = unit_of(layer.activation)
        seen = seen_by(unit.of, network, params, activations, layer)
        d_preactivation = unit.carry_back(d_activations[layer.name], seen, axis=1)  # (5)
        if layer.name in d_total_inputs:
            d_preactivation += d_total_inputs[layer.name]
        if layer.bias:
            grads.bias[layer.bias_key] += jnp.sum(d_preactivation, axis=0)  # (6), with y_i = 1
        for c in network.incoming[layer.name]:
            weight = weight_matrix(c, params.weight[c.weight_key])
            d_weight = activations[c.source].T @ d_preactivation  # (6)
            grads.weight[c.weight_key] += weight_gradient(c, d_weight)
            d_activations[c.source] += d_preactivation @ weight.T  # (7)
        d_preactivations[layer.name] = d_preactivation
    return grads, d_activations, d_preactivations


def seen_by(
    of: Of, network: Network, params: Params, activations: Activations, layer: Layer
) -> Float[Array, "num_cases size"]:
    """Return what a derivative is written in: a layer's activations y, or its total inputs x.

    The total inputs are computed once more. In a compiled program that costs nothing: the compiler
    finds that it has them.
    """
    if of == "activation":
        return activations[layer.name]
    return total_input(network, params, activations, layer)


def seen_by_loss(network: Network, params: Params, activations: Activations, loss: Loss) -> Targets:
    """Return what a loss is written in, output layers side by side, (num_cases, num_out).

    Raises:
      SettingError: if the loss is for other output units.
    """
    check_fits(loss, [layer.activation for layer in network.output_layers])
    seen = [
        seen_by(of_loss(loss), network, params, activations, layer)
        for layer in network.output_layers
    ]
    return jnp.concatenate(seen, axis=1)


def enters(network: Network, loss: Loss, derivative: Targets) -> tuple[Activations, Activations]:
    """Return the derivative of a loss as `d_activations` and `d_total_inputs`, one of them empty.

    Args:
      network: the net.
      loss: the loss; it says in what it is written.
      derivative: what it returned for the outputs side by side, (num_cases, num_out).
    """
    by_layer = at_outputs(network, derivative)
    return (by_layer, {}) if of_loss(loss) == "activation" else ({}, by_layer)


def backward(
    network: Network,
    params: Params,
    activations: Activations,
    targets: Targets,
    loss: Loss = HalfSquaredError(),  # noqa: B008  (frozen)
) -> Params:
    """Return the gradient of the loss by back-propagation: equations (4) to (7).

    Args:
      network: the net.
      params: its weights and biases.
      activations: what `forward` returned for the same `params`.
      targets: desired outputs d, shape (num_cases, num_out).
      loss: half the summed squared error of equation (3), unless given.

    Returns:
      dE/dw and dE/db in the shape of `params`, summed over all cases.

    Example:
      One logistic unit with zero weights gives 1/2 for every case, so equation (5) gives
      dE/dx = (1/2 - d) 1/4, and equation (6) adds +1/8 and -1/8 over the two cases.

      >>> from bpjax.network import layered
      >>> net = layered(1, 1)
      >>> params = Params({("input", "output"): jnp.zeros((1, 1))}, {"output": jnp.zeros(1)})
      >>> inputs, targets = jnp.array([[0.0], [1.0]]), jnp.array([[0.0], [1.0]])
      >>> grads = backward(net, params, forward(net, params, inputs), targets)
      >>> grads.weight["input", "output"].tolist(), grads.bias["output"].tolist()
      ([[-0.125]], [0.0])
    """
    seen = seen_by_loss(network, params, activations, loss)
    d_outputs = loss.derivative(seen, targets)  # (4)
    return backward_pass(network, params, activations, *enters(network, loss, d_outputs))[0]


def outputs_of(network: Network, activations: Activations) -> Targets:
    """Return the activations of the output layers side by side, (num_cases, num_out)."""
    return _side_by_side(network.output_layers, activations)


def at_outputs(network: Network, d_outputs: Targets) -> Activations:
    """Return dE/dy by layer name from dE/dy of all outputs side by side: undo `outputs_of`."""
    return _apart(network.output_layers, d_outputs)


def forward(network: Network, params: Params, inputs: Any) -> Activations:
    """Compute the activations of all layers; `jax.grad` of it runs the hand-derived backward.

    The same values as `forward_pass`, carrying `backward_pass` as its custom derivative, so it
    drops into anyone's `jax.grad` code. Reverse mode only: `jax.jvp` refuses it.

    Args:
      network: the net; static.
      params: its weights and biases.
      inputs: shape (num_cases, num_in), of any type of number.

    Returns:
      Activations by layer name, each (num_cases, size).
    """
    dtype = jax.tree.leaves(params)[0].dtype
    return _forward(network, params, jnp.asarray(inputs, dtype))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _forward(network: Network, params: Params, inputs: Inputs) -> Activations:
    return forward_pass(network, params, inputs)


def _forward_rule(
    network: Network, params: Params, inputs: Inputs
) -> tuple[Activations, tuple[Params, Activations]]:
    activations = forward_pass(network, params, inputs)
    return activations, (params, activations)


def _backward_rule(
    network: Network, saved: tuple[Params, Activations], d_activations: Activations
) -> tuple[Params, Inputs]:
    params, activations = saved
    grads, d_activations, _ = backward_pass(network, params, activations, d_activations)
    return grads, _side_by_side(network.input_layers, d_activations)


_forward.defvjp(_forward_rule, _backward_rule)


def value_and_grad(
    network: Network,
    loss: Loss = HalfSquaredError(),  # noqa: B008  (frozen)
) -> Callable[[Params, Inputs, Targets], tuple[Float[Array, ""], Params]]:
    """Return a function with the shape of `jax.value_and_grad`, computed by hand.

    Args:
      network: the net.
      loss: half the summed squared error, unless given.

    Returns:
      A function of (params, inputs, targets) that returns (loss, gradient like `params`).

    Example:
      >>> import bpjax, jax, optax
      >>> task = bpjax.tasks.xor()
      >>> params = bpjax.init_params(task.network, bpjax.run_key(7), init_range=0.5)
      >>> loss_and_grads = bpjax.value_and_grad(task.network)
      >>> loss, grads = loss_and_grads(params, *task.cases())
      >>> optimizer = optax.adam(0.01)
      >>> updates, state = optimizer.update(grads, optimizer.init(params))
    """

    def loss_and_grads(
        params: Params, inputs: Inputs, targets: Targets
    ) -> tuple[Float[Array, ""], Params]:
        activations = forward_pass(network, params, inputs)
        value = loss.value(seen_by_loss(network, params, activations, loss), targets)
        return value, backward(network, params, activations, targets, loss)

    return loss_and_grads


def _show_cases(network: Network, inputs: Any) -> Activations:
    if any(c.delay for c in network.connections):
        raise SettingError("delay", "must be 0 everywhere in a layered pass", 1)
    if inputs.ndim != 2 or inputs.shape[1] != network.num_in:
        raise SettingError("inputs", f"must have shape (num_cases, {network.num_in})", inputs.shape)
    return _apart(network.input_layers, inputs)


def _side_by_side(layers: Sequence[Layer], activations: Activations) -> Array:
    return jnp.concatenate([activations[layer.name] for layer in layers], axis=1)


def _apart(layers: Sequence[Layer], table: Array) -> Activations:
    ends = np.cumsum([layer.size for layer in layers])
    parts = jnp.split(table, ends[:-1], axis=1)
    return {layer.name: part for layer, part in zip(layers, parts, strict=True)}
