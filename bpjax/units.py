"""Input-output functions of a unit: equation (2), and the factor it puts into equation (5).

The paper asks only for "any input-output function which has a bounded derivative" and uses the
logistic. Each derivative is written in terms of the activation, because the backward pass has
the activations at hand: for the logistic, dy/dx = y (1 - y).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Unit(NamedTuple):
    """An input-output function y = f(x) and its derivative dy/dx as a function of y."""

    function: Callable[[jax.Array], jax.Array]
    derivative: Callable[[jax.Array], jax.Array]


UNITS = {
    "logistic": Unit(jax.nn.sigmoid, lambda activations: activations * (1 - activations)),
    # (1 + y)(1 - y) rather than 1 - y^2: however saturated, relative rounding errors stay small.
    "tanh": Unit(jnp.tanh, lambda activations: (1 + activations) * (1 - activations)),
    "linear": Unit(lambda preactivations: preactivations, jnp.ones_like),
}
