"""Iterative nets, Fig. 5 of the paper: back-propagation through time.

A net whose connections take one time step may run in circles. Run for T synchronous steps it does
what a layered net does that has one copy of every layer per step, in which each connection goes
from the copy before to the copy after and always has the same weights. So the derivation of
`bpjax.backprop` holds as it stands, with the two provisos of the paper:

- The history of every unit's output is kept: the activations of all copies, which is what
  `forward_pass` returns of the layered net. `history` reads them in time.
- Corresponding weights of all steps are one: one parameter with several copies. The backward pass
  goes through the copies from the last step to the first; equation (6) gives every copy its own
  dE/dw, and what is kept is their sum. The paper changes all corresponding weights in proportion to
  the average of their gradients: that is the learning rule's part, `Recipe.copies`.

In symbols, for a delayed connection i -> j and a layer with copies at steps 1 to T:

  x_j(t) = sum_i y_i(t-1) w_ji                                                              (1)
  dE/dx_j(t) = dE/dy_j(t) f'(x_j(t))                                                        (5)
  dE/dw_ji = sum_t dE/dx_j(t) y_i(t-1)                                                      (6)
  dE/dy_i(t-1) = [what the loss adds at t-1] + sum_j dE/dx_j(t) w_ji                        (7)

Source: Rumelhart, Hinton & Williams, Nature 323, 533-536 (1986), Fig. 5.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from bpjax.connections import Connection, Layer
from bpjax.errors import SettingError
from bpjax.network import Network
from bpjax.numbers import whole_number


def unroll(
    network: Network,
    steps: int,
    wanted: Mapping[str, Sequence[int]],
    shown: Mapping[str, Sequence[int]] | None = None,
) -> Network:
    """Lay an iterative net out in time: return the layered net that does the same.

    Step 0 is how the net starts, steps 1 to `steps` are computed. The copy of layer "a" at step t
    is called "a@t". A layer at step 0 from which a delayed connection leaves is an input layer of
    the result: cases say how active it is at the start. What can reach no wanted output is left
    out.

    Args:
      network: the iterative net; a connection of delay 1 reads the step before, one of delay 0 the
        same step.
      steps: number of synchronous steps T, at least 1.
      wanted: the layers that are held against the targets, and at which steps.
      shown: at which steps each input layer of `network` shows something; at all others it is
        silent and left out. Every step from which something is read, unless given.

    Returns:
      A network without delays. Its parameters have the names of those of `network`. Its inputs and
      outputs are in the order of time, and within a step in that of `network`.

    Raises:
      SettingError: for a step that does not exist, a layer that is not there or cannot be shown or
        wanted.

    Example:
      Two units, fully connected, run for three steps as in Fig. 5; wanted is the last.

      >>> net = Network([Layer("units", 2)], [Connection("units", "units", delay=1)])
      >>> in_time = unroll(net, 3, wanted={"units": [3]})
      >>> [layer.name for layer in in_time.layers], in_time.num_parameters
      (['units@0', 'units@1', 'units@2', 'units@3'], 6)
    """
    steps = whole_number("steps", steps, 1)
    _check_steps("wanted", network, wanted, range(1, steps + 1), network.computed_layers)
    shown = shown or {}
    _check_steps("shown", network, shown, range(steps + 1), network.input_layers)
    computed = {layer.name for layer in network.computed_layers}

    def silent(name: str, step: int) -> bool:
        return name not in computed and name in shown and step not in shown[name]

    connections = [
        _copy(c, step)
        for step in range(1, steps + 1)
        for layer in network.layers
        for c in network.incoming[layer.name]
        if not silent(c.source, step - c.delay)
    ]
    outputs = _in_time(network, wanted, range(1, steps + 1))
    needed = _needed(connections, outputs)
    layers = [
        dataclasses.replace(layer, name=at(layer.name, step), copy_of=layer.name)
        for step in range(steps + 1)
        for layer in network.layers
        if at(layer.name, step) in needed
    ]
    kept = [c for c in connections if c.target in needed]
    return Network(layers, kept, outputs, iterated=network, iterations=steps)


def at(name: str, step: int) -> str:
    """Return the name of a layer's copy at a step.

    Example:
      >>> at("hidden", 3)
      'hidden@3'
    """
    return f"{name}@{step}"


def history(
    network: Network, activations: Mapping[str, Any], name: str
) -> Float[Array, "steps num_cases size"]:
    """Return the outputs of a layer at every step that is laid out, from early to late.

    Args:
      network: what `unroll` returned.
      activations: what `forward_pass` returned for it.
      name: the layer, by its name in the iterative net.

    Raises:
      SettingError: for a layer without copies in `network`.
    """
    names = [at(name, step) for step in range(network.iterations + 1)]
    present = [activations[copy] for copy in names if copy in activations]
    if not present:
        raise SettingError("name", "must be a layer of the iterated net", name)
    return jnp.stack(present)


def _check_steps(
    option: str,
    network: Network,
    given: Mapping[str, Sequence[int]],
    possible: range,
    layers: Iterable[Layer],
) -> None:
    names = [layer.name for layer in layers]
    for name, chosen in given.items():
        if name not in names:
            raise SettingError(option, f"must name layers among {names}", name)
        for step in chosen:
            if step not in possible:
                rule = f"must hold steps from {possible[0]} to {possible[-1]}"
                raise SettingError(option, rule, step)
    if option == "wanted" and not any(given.values()):
        raise SettingError(option, "must name a layer and a step", dict(given))


def _copy(connection: Connection, step: int) -> Connection:
    return dataclasses.replace(
        connection,
        source=at(connection.source, step - connection.delay),
        target=at(connection.target, step),
        delay=0,
        copy_of=connection.weight_key,
    )


def _in_time(
    network: Network, wanted: Mapping[str, Sequence[int]], steps: Iterable[int]
) -> list[str]:
    return [
        at(layer.name, step)
        for step in steps
        for layer in network.layers
        if step in wanted.get(layer.name, ())
    ]


def _needed(connections: Sequence[Connection], outputs: Iterable[str]) -> set[str]:
    """Return the layers from which an output can be reached, and the outputs."""
    needed = set(outputs)
    for c in reversed(connections):  # in the order of time, so one pass is enough
        if c.target in needed:
            needed.add(c.source)
    return needed
