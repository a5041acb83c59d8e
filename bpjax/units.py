"""Input-output functions of a unit: equation (2), and the factor it puts into equation (5).

The paper asks only for "any input-output function which has a bounded derivative" and uses the
logistic. Each derivative is written in terms of the activation, because the backward pass has
the activations at hand: for the logistic, dy/dx = y (1 - y).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from bpjax.errors import SettingError


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


def activities(name: str, preactivations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the activations of units in float64, whatever the precision is set to.

    Args:
      name: a key of `UNITS`.
      preactivations: their total inputs.

    Raises:
      SettingError: for another name.

    Example:
      >>> activities("tanh", np.array([0.0, 1.0])).tolist()
      [0.0, 0.7615941559557649]
    """
    if name not in UNITS:
        raise SettingError("activation", f"must be one of {', '.join(UNITS)}", name)
    with jax.enable_x64(True):
        return np.asarray(UNITS[name].function(jnp.asarray(preactivations)), np.float64)
