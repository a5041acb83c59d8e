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
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bpjax.connections import Layer
from bpjax.errors import SettingError
from bpjax.loss import HalfSquaredError, Loss
from bpjax.network import Network
from bpjax.params import Params, weight_gradient, weight_matrix
from bpjax.precision import full_precision
from bpjax.units import UNITS

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
        preactivations = jnp.zeros((inputs.shape[0], layer.size), inputs.dtype)
        if layer.bias:
            preactivations += params.bias[layer.bias_key][None, :]
        for c in network.incoming[layer.name]:
            weight = weight_matrix(c, params.weight[c.weight_key])
            preactivations += activations[c.source] @ weight  # (1)
        activations[layer.name] = UNITS[layer.activation].function(preactivations)  # (2)
    return activations


@full_precision
def backward_pass(
    network: Network, params: Params, activations: Activations, d_activations: Activations
) -> tuple[Params, Activations]:
    """Carry derivatives back from the layers where they enter: equations (5), (6) and (7).

    Args:
      network: the net.
      params: its weights and biases.
      activations: what `forward_pass` returned.
      d_activations: dE/dy where the loss touches a layer directly: the output layers. A layer left
        out counts as zero.

    Returns:
      The gradient in the shape of `params`, summed over cases and over the copies of a weight, and
      dE/dy of every layer.
    """
    d_activations = {
        name: d_activations.get(name, jnp.zeros_like(entry)) for name, entry in activations.items()
    }
    grads = jax.tree.map(jnp.zeros_like, params)
    for layer in reversed(network.computed_layers):
        slope = UNITS[layer.activation].derivative(activations[layer.name])
        d_preactivations = d_activations[layer.name] * slope  # (5)
        if layer.bias:
            grads.bias[layer.bias_key] += jnp.sum(d_preactivations, axis=0)  # (6), with y_i = 1
        for c in network.incoming[layer.name]:
            weight = weight_matrix(c, params.weight[c.weight_key])
            d_weight = activations[c.source].T @ d_preactivations  # (6)
            grads.weight[c.weight_key] += weight_gradient(c, d_weight)
            d_activations[c.source] += d_preactivations @ weight.T  # (7)
    return grads, d_activations


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
    d_outputs = loss.derivative(outputs_of(network, activations), targets)  # (4)
    grads, _ = backward_pass(network, params, activations, at_outputs(network, d_outputs))
    return grads


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
    grads, d_activations = backward_pass(network, params, activations, d_activations)
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
        value = loss.value(outputs_of(network, activations), targets)
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
