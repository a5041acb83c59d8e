"""Input-output functions of a unit: equation (2), and the factor it puts into equation (5).

The paper asks only for "any input-output function which has a bounded derivative" and uses the
logistic. The backward pass has the activations at hand, so a derivative is written in terms of the
activation where it can be: for the logistic, dy/dx = y (1 - y). Where it cannot, as for the sine,
it is written in terms of the total input x, which the backward pass then computes once more.

A softmax unit looks at its whole layer: there equation (5) is a product with a Jacobian.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from bpjax.errors import SettingError

Of = Literal["activation", "preactivation"]


@dataclasses.dataclass(frozen=True)
class Unit:
    """An input-output function y = f(x) of a single unit, and its derivative, written by hand.

    Args:
      function: y of x, for arrays of any shape, entry by entry.
      derivative: dy/dx, likewise, of y or of x.
      of: of which of them: "activation" for y, "preactivation" for x.
      flat_spot: added to the derivative in the backward pass alone, so that a saturated unit goes
        on learning: S. E. Fahlman's "sigmoid prime offset" (CMU-CS-88-162, 1988).

    Raises:
      SettingError: for another `of`, or what is no function.

    Example:
      A unit of your own may stand wherever the name of one may; `bpjax.check_gradients` holds its
      derivative against `jax.grad`.

      >>> from bpjax.network import layered
      >>> arctan = Unit(jnp.arctan, lambda x: 1 / (1 + x * x), of="preactivation")
      >>> layered(2, 3, 1, unit=arctan).layers[1].activation == arctan
      True
    """

    function: Callable[[jax.Array], jax.Array]
    derivative: Callable[[jax.Array], jax.Array]
    of: Of = "activation"
    flat_spot: float = 0.0

    def __post_init__(self) -> None:
        _check(self, "derivative")
        if self.of not in ("activation", "preactivation"):
            raise SettingError("of", "must be 'activation' or 'preactivation'", self.of)

    def activate(self, preactivations: jax.Array, axis: int) -> jax.Array:
        """Return y: equation (2)."""
        del axis
        return self.function(preactivations)

    def carry_back(self, d_activations: Any, seen: Any, axis: int) -> jax.Array:
        """Return dE/dx = dE/dy dy/dx: equation (5); `seen` is y or x, as `of` says."""
        del axis
        slope = self.derivative(seen)
        return d_activations * (slope + self.flat_spot if self.flat_spot else slope)


@dataclasses.dataclass(frozen=True)
class LayerUnit:
    """An input-output function that looks at all units of a layer at once.

    Args:
      function: the activations y of a layer, of its total inputs x; takes the axis along which its
        units lie.
      backward: dE/dx, the product of dE/dy with the Jacobian dy/dx; of dE/dy, y and the axis.
    """

    function: Callable[[jax.Array, int], jax.Array]
    backward: Callable[[jax.Array, jax.Array, int], jax.Array]
    of: Of = dataclasses.field(default="activation", init=False)
    flat_spot: float = dataclasses.field(default=0.0, init=False)

    def __post_init__(self) -> None:
        _check(self, "backward")

    def activate(self, preactivations: jax.Array, axis: int) -> jax.Array:
        """Return y: equation (2), for a whole layer."""
        return self.function(preactivations, axis)

    def carry_back(self, d_activations: Any, seen: Any, axis: int) -> jax.Array:
        """Return dE/dx_i = sum_j dE/dy_j dy_j/dx_i: equation (5) for a whole layer."""
        return self.backward(d_activations, seen, axis)


Activation = str | Unit | LayerUnit
"""What a layer's units do: a name in `UNITS`, or a unit."""


def _check(unit: Any, backward: str) -> None:
    for name in ("function", backward):
        if not callable(getattr(unit, name)):
            raise SettingError(name, "must be a function", getattr(unit, name))


# ---- the functions -------------------------------------------------------------------------------

SLOPE_OF_LEAK = 0.01
HEIGHT, STRETCH = 1.7159, 2 / 3
"""Of the scaled tanh: f(1) = 1 and f(-1) = -1 (Y. LeCun and others, "Efficient BackProp", 1998)."""
FLAT_SPOT = 0.1


def _logistic_slope(y: jax.Array) -> jax.Array:
    return y * (1 - y)


def _tanh_slope(y: jax.Array) -> jax.Array:
    # Rather than 1 - y^2: however saturated, relative rounding errors stay small.
    return (1 + y) * (1 - y)


def _tanh(x: jax.Array, height: float) -> jax.Array:
    """Return height tanh x by e^(-2|x|): automatic differentiation loses nothing where tanh is 1.

    A quotient comes last, since a product would not be rounded before a target is taken from it.
    """
    above, below = jnp.where(x > 0, x, 0), jnp.where(x > 0, 0, x)
    over, under = jnp.exp(-2 * above), jnp.exp(2 * below)
    return jnp.where(x > 0, height * (1 - over) / (1 + over), height * (under - 1) / (under + 1))


def _tanh_slope_at(x: jax.Array) -> jax.Array:
    power = jnp.exp(-2 * jnp.abs(x))
    return 4 * power / ((1 + power) * (1 + power))


def log_1_plus(u: jax.Array) -> jax.Array:
    """Return ln(1 + u) for 0 <= u <= 1, with all digits of a small u.

    ln(1 + u) = 2 artanh(s) with s = u / (2 + u), by its series in s <= 1/3. Mosaic, for GPUs, has
    no `log1p`; and of (1 + u) - 1, by which others make one, XLA makes u.
    """
    s = u / (2 + u)
    num_terms = 8 if u.dtype == jnp.float32 else 16  # the next is below half a unit of the last
    series = jnp.full_like(s, 1 / (2 * num_terms - 1))
    for k in range(num_terms - 2, -1, -1):
        series = series * (s * s) + 1 / (2 * k + 1)
    return 2 * s * series


def softplus(x: jax.Array) -> jax.Array:
    """Return ln(1 + e^x), however large or small x is."""
    return jnp.maximum(x, 0) + log_1_plus(jnp.exp(-jnp.abs(x)))


def _softmax(x: jax.Array, axis: int) -> jax.Array:
    powers = jnp.exp(x - jnp.max(x, axis, keepdims=True))
    return powers / jnp.sum(powers, axis, keepdims=True)


def _softmax_backward(d_y: jax.Array, y: jax.Array, axis: int) -> jax.Array:
    # dy_j/dx_i = y_j (delta_ij - y_i), so dE/dx_i = y_i (dE/dy_i - sum_j y_j dE/dy_j). As all y_j
    # together are 1, that is y_i sum_j y_j (dE/dy_i - dE/dy_j): in this form nothing is lost where
    # one y_j is nearly 1. The term of i itself is left out: a compiler that computes dE/dy_i twice,
    # each time with other roundings, would not find zero there.
    d_y, y = jnp.moveaxis(d_y, axis, 0), jnp.moveaxis(y, axis, 0)
    others = ~jnp.eye(len(y), dtype=bool).reshape(len(y), len(y), *[1] * (y.ndim - 1))
    d_x = y * jnp.sum(jnp.where(others, y[None] * (d_y[:, None] - d_y[None]), 0), axis=1)
    return jnp.moveaxis(d_x, 0, axis)


UNITS: dict[str, Unit | LayerUnit] = {
    "logistic": Unit(jax.nn.sigmoid, _logistic_slope),
    "tanh": Unit(jnp.tanh, _tanh_slope),
    "linear": Unit(lambda x: x, jnp.ones_like),
    "relu": Unit(
        lambda x: jnp.where(x > 0, x, 0), lambda y: jnp.where(y > 0, 1, 0).astype(y.dtype)
    ),
    "leaky-relu": Unit(
        lambda x: jnp.where(x > 0, x, SLOPE_OF_LEAK * x),
        lambda y: jnp.where(y > 0, 1, SLOPE_OF_LEAK).astype(y.dtype),
    ),
    "softplus": Unit(softplus, jax.nn.sigmoid, of="preactivation"),
    # Of x, since HEIGHT - y has no digits left where tanh, times HEIGHT, was rounded once more.
    "scaled-tanh": Unit(
        lambda x: _tanh(STRETCH * x, HEIGHT),
        lambda x: HEIGHT * STRETCH * _tanh_slope_at(STRETCH * x),
        of="preactivation",
    ),
    "sine": Unit(jnp.sin, jnp.cos, of="preactivation"),
    "logistic-flat-spot": Unit(jax.nn.sigmoid, _logistic_slope, flat_spot=FLAT_SPOT),
    "softmax": LayerUnit(_softmax, _softmax_backward),
}
"""Input-output functions by name."""


def unit_of(activation: Activation) -> Unit | LayerUnit:
    """Return what a layer's `activation` stands for.

    Raises:
      SettingError: for an unknown name, or what is no unit.

    Example:
      >>> unit_of("sine").of, unit_of("logistic").of
      ('preactivation', 'activation')
    """
    if isinstance(activation, Unit | LayerUnit):
        return activation
    if not isinstance(activation, str) or activation not in UNITS:
        rule = f"must be one of {', '.join(UNITS)}, or a Unit"
        raise SettingError("activation", rule, activation, UNITS)
    return UNITS[activation]


def word_of(activation: Activation) -> str:
    """Return what people call a unit: its name, or that it is a user's own."""
    return activation if isinstance(activation, str) else "a unit of one's own"


def activities(activation: Activation, preactivations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the activations of a layer in float64, whatever the precision is set to.

    Args:
      activation: a key of `UNITS`, or a unit.
      preactivations: total inputs; the last axis is the units of the layer.

    Raises:
      SettingError: for another name.

    Example:
      >>> activities("tanh", np.array([0.0, 1.0])).tolist()
      [0.0, 0.7615941559557649]
    """
    unit = unit_of(activation)
    with jax.enable_x64(True):
        return np.asarray(unit.activate(jnp.asarray(preactivations), -1), np.float64)
