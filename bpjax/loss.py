"""Losses: each one a value and its derivative, equations (3) and (4).

A loss is any hashable object with the two methods of `Loss`, written for one network and all its
cases. The derivative is part of it because the backward pass starts there.
"""

import dataclasses
from collections.abc import Callable
from typing import ClassVar, Literal, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float

from bpjax.errors import SettingError

Outputs = Float[Array, "num_cases num_out"]


@runtime_checkable
class Loss(Protocol):
    """What the engine asks of a loss; make it a frozen dataclass so that it is hashable.

    A loss may say `sums_over_units = True` if it is a sum over cases and outputs of a function of
    that output alone; then the faster layouts serve it too. The kernel for GPUs also needs a method
    `unit_values(outputs, targets)`: that function of arrays of any one shape, entry by entry, as
    `derivative` then must be as well.
    """

    def value(self, outputs: Outputs, targets: Outputs) -> Float[Array, ""]:
        """Return the loss E, a sum over cases and output units."""

    def derivative(self, outputs: Outputs, targets: Outputs) -> Outputs:
        """Return dE/dy for every case and output unit."""


def _check_shapes(outputs: Outputs, targets: Outputs) -> None:
    if outputs.shape != targets.shape:
        rule = f"must have the shape of the outputs {outputs.shape}; nothing is broadcast"
        raise SettingError("targets", rule, targets.shape)


@dataclasses.dataclass(frozen=True)
class HalfSquaredError:
    """Half the summed squared error, the paper's measure of performance.

    Equation (3): E = 1/2 sum_c sum_j (y_jc - d_jc)^2, with y -> `outputs`, d -> `targets`.
    Equation (4): dE/dy_j = y_j - d_j.

    Note:
      A sum over cases and outputs, with the one half. Code that averages over cases needs
      `learning_rate * num_cases` to take the same step.

    Example:
      >>> outputs, targets = jnp.array([[0.5], [1.0]]), jnp.array([[1.0], [1.0]])
      >>> float(HalfSquaredError().value(outputs, targets))
      0.125
      >>> HalfSquaredError().derivative(outputs, targets).tolist()
      [[-0.5], [0.0]]
    """

    sums_over_units: ClassVar[bool] = True

    def value(self, outputs: Outputs, targets: Outputs) -> Float[Array, ""]:
        """Return E of equation (3), shape (); raises SettingError if the shapes differ."""
        _check_shapes(outputs, targets)
        error = outputs - targets
        return 0.5 * jnp.sum(error * error)

    def unit_values(self, outputs: Array, targets: Array) -> Array:
        """Return what each output adds to E; outputs and targets of any one shape."""
        error = self.derivative(outputs, targets)
        return 0.5 * (error * error)

    def derivative(self, outputs: Outputs, targets: Outputs) -> Outputs:
        """Return dE/dy of equation (4), shape (num_cases, num_out); raises as `value` does."""
        _check_shapes(outputs, targets)
        return outputs - targets


@dataclasses.dataclass(frozen=True)
class MarginSquaredError:
    """Half the summed squared error outside a margin: the rule of the family-tree experiment.

    The paper counts the error of an output as zero if it should be on and is above 0.8, or should
    be off and is below 0.2. It leaves two things open, so both are choices here.

    Args:
      on: an output whose target is above one half is right above this activation.
      off: any other output is right below this activation.
      measured_from: an output outside its margin is wrong by its distance to the "target" (usual
        reading; the error then jumps at the margin) or to the "margin".
      scope: the margin forgives each "unit" by itself (usual reading), or only a whole "case",
        once all its outputs are inside. Measured from the margin the two are the same.

    Raises:
      SettingError: unless 0 <= off < on <= 1, or for an unknown choice.

    Example:
      >>> outputs, targets = jnp.array([[0.75, 0.125]]), jnp.array([[1.0, 0.0]])
      >>> MarginSquaredError().derivative(outputs, targets).tolist()
      [[-0.25, 0.0]]
      >>> MarginSquaredError(scope="case").derivative(outputs, targets).tolist()
      [[-0.25, 0.125]]

    Source: Nature 323, legend of Fig. 4 and text of p. 535.
    """

    on: float = 0.8
    off: float = 0.2
    measured_from: Literal["target", "margin"] = "target"
    scope: Literal["unit", "case"] = "unit"

    @property
    def sums_over_units(self) -> bool:
        """Whether each output's error depends on that output alone."""
        return self.scope == "unit" or self.measured_from == "margin"

    def __post_init__(self) -> None:
        if not 0 <= self.off < self.on <= 1:
            raise SettingError("off, on", "must satisfy 0 <= off < on <= 1", (self.off, self.on))
        if self.measured_from not in ("target", "margin"):
            rule = "must be 'target' or 'margin'"
            raise SettingError("measured_from", rule, self.measured_from)
        if self.scope not in ("unit", "case"):
            raise SettingError("scope", "must be 'unit' or 'case'", self.scope)

    def value(self, outputs: Outputs, targets: Outputs) -> Float[Array, ""]:
        """Return half the summed squared error that the margin does not forgive, shape ()."""
        error = self.derivative(outputs, targets)
        return 0.5 * jnp.sum(error * error)

    def unit_values(self, outputs: Array, targets: Array) -> Array:
        """Return what each output adds, of any one shape; right only if `sums_over_units`."""
        error = self.derivative(outputs, targets)
        return 0.5 * (error * error)

    def derivative(self, outputs: Outputs, targets: Outputs) -> Outputs:
        """Return dE/dy, shape (num_cases, num_out): the unforgiven error itself.

        Raises SettingError if the shapes differ.
        """
        _check_shapes(outputs, targets)
        should_be_on = targets > 0.5
        if self.measured_from == "margin":
            inside = jnp.maximum(outputs, self.on), jnp.minimum(outputs, self.off)
            return outputs - jnp.where(should_be_on, *inside)
        outside = jnp.where(should_be_on, outputs <= self.on, outputs >= self.off)
        if self.scope == "case":
            outside = jnp.any(outside, axis=1, keepdims=True)
        return jnp.where(outside, outputs - targets, 0)


LOSSES: dict[str, Callable[..., Loss]] = {
    "half-squared": HalfSquaredError,
    "margin": MarginSquaredError,
}
"""Losses by name."""
