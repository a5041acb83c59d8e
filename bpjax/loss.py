"""Losses: each one a value and its derivative, equations (3) and (4).

A loss is any hashable object with the two methods of `Loss`, written for one network and all its
cases. The derivative is part of it because the backward pass starts there. It starts at the
activations y of the outputs, or, where that is exact and simple, at their total inputs x.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bpjax.errors import SettingError
from bpjax.named import as_fault_of, defaults_of, read_named, spell_named
from bpjax.units import Activation, Of, log_1_plus, word_of

Outputs = Float[Array, "num_cases num_out"]


@runtime_checkable
class Loss(Protocol):
    """What the engine asks of a loss; make it a frozen dataclass so that it is hashable.

    A loss may say `sums_over_units = True` if it is a sum over cases and outputs of a function of
    that output alone; then the faster layouts serve it too. The kernel for GPUs also needs a method
    `unit_values(outputs, targets)`: that function of arrays of any one shape, entry by entry, as
    `derivative` then must be as well.

    A loss that says `of = "preactivation"` gets the total inputs x of the outputs wherever it says
    `outputs` here, and returns dE/dx; it must be a sum over cases. If it has an attribute `unit`,
    it is refused where the outputs are other units than that.
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


@dataclasses.dataclass(frozen=True)
class CrossEntropy:
    """The cross-entropy of outputs and targets, exact however saturated the outputs are.

    Of logistic outputs: E = -sum_c sum_j (d_jc ln y_jc + (1 - d_jc) ln(1 - y_jc)), dE/dx_j = y_j -
    d_j. Of softmax outputs: E = -sum_c sum_j d_jc ln y_jc, dE/dx_j = y_j sum_i d_i - d_j. Both are
    written in total inputs x, since in y the logarithm of an output that is rounded to 0 is not
    finite, and 1 - y has no digits left where y is nearly 1.

    Args:
      unit: the output units it is for, "logistic" or "softmax". Their targets are from 0 to 1.

    Raises:
      SettingError: for other units.

    Example:
      >>> total_inputs, targets = jnp.array([[0.0], [200.0]]), jnp.array([[1.0], [0.0]])
      >>> round(float(CrossEntropy().value(total_inputs, targets)), 4)  # ln 2 + 200
      200.6931
      >>> CrossEntropy().derivative(total_inputs, targets).tolist()
      [[-0.5], [1.0]]

    Source: for example C. M. Bishop, Neural networks for pattern recognition (1995), sections 6.7
    and 6.9.
    """

    unit: Literal["logistic", "softmax"] = "logistic"
    of: ClassVar[Of] = "preactivation"

    def __post_init__(self) -> None:
        if self.unit not in ("logistic", "softmax"):
            raise SettingError("unit", "must be 'logistic' or 'softmax'", self.unit)

    @property
    def sums_over_units(self) -> bool:
        """Whether each output adds what depends on that output alone."""
        return self.unit == "logistic"

    def check_targets(self, targets: np.ndarray) -> None:
        """Raise SettingError for targets that are no probabilities: for them E has no least."""
        for value in targets[(targets < 0) | (targets > 1)][:1].tolist():
            raise SettingError("targets", "must be from 0 to 1 for the cross-entropy", value)

    def value(self, outputs: Outputs, targets: Outputs) -> Float[Array, ""]:
        """Return E of total inputs, shape (); raises SettingError if the shapes differ."""
        _check_shapes(outputs, targets)
        if self.unit == "logistic":
            return jnp.sum(self.unit_values(outputs, targets))
        largest, others, is_largest = _against_largest(outputs)
        far = jnp.sum(targets * jnp.where(is_largest, 0, largest - outputs))
        return far + jnp.sum(jnp.sum(targets, axis=1, keepdims=True) * jnp.log1p(others))

    def unit_values(self, outputs: Array, targets: Array) -> Array:
        """Return what each logistic output adds, of total inputs of any one shape."""
        # -ln y and -ln(1 - y) are ln(1 + e^-x) and ln(1 + e^x). Nothing is taken from anything: a
        # small sum has all its digits, and so has what automatic differentiation makes of it.
        x, rest = outputs, log_1_plus(jnp.exp(-jnp.abs(outputs)))
        on, off = jnp.maximum(-x, 0) + rest, jnp.maximum(x, 0) + rest
        return targets * on + (1 - targets) * off

    def derivative(self, outputs: Outputs, targets: Outputs) -> Outputs:
        """Return dE/dx, shape (num_cases, num_out); raises as `value` does."""
        _check_shapes(outputs, targets)
        if self.unit == "logistic":
            # y - d without a difference of nearly equal numbers; 1 - y is the logistic of -x.
            return (1 - targets) * jax.nn.sigmoid(outputs) - targets * jax.nn.sigmoid(-outputs)
        largest, others, is_largest = _against_largest(outputs)
        y = jnp.exp(outputs - largest) / (1 + others)
        rest = jnp.where(is_largest, others / (1 + others), 1 - y)  # 1 - y, with all its digits
        return y * (jnp.sum(targets, axis=1, keepdims=True) - targets) - targets * rest


def _against_largest(x: Outputs) -> tuple[Array, Array, Array]:
    """Return the largest total input x_m of each case, sum_(k != m) e^(x_k - x_m), and where m is.

    The first two have the shape (num_cases, 1).
    """
    place = jnp.argmax(x, axis=1, keepdims=True)
    largest = jnp.take_along_axis(x, place, axis=1)
    is_largest = jnp.arange(x.shape[1])[None, :] == place
    others = jnp.where(is_largest, 0, jnp.exp(x - largest))
    return largest, jnp.sum(others, axis=1, keepdims=True), is_largest


# ---- what the engine asks ------------------------------------------------------------------------


def of_loss(loss: Any) -> Of:
    """Return what a loss is written in: activations of the outputs, or their total inputs."""
    return getattr(loss, "of", "activation")  # type: ignore[no-any-return]


def check_fits(loss: Any, outputs: Sequence[Activation]) -> None:
    """Raise SettingError if a loss is for other units than these output layers have.

    Example:
      >>> check_fits(CrossEntropy("softmax"), ["softmax"])
    """
    wanted = getattr(loss, "unit", None)
    if of_loss(loss) == "activation" or wanted is None:
        return
    for activation in outputs:
        if activation != wanted:
            rule = f"must be for the output units, and {loss!r} is for {wanted} ones, not for"
            raise SettingError("loss", rule, word_of(activation))
    if wanted == "softmax" and len(outputs) > 1:
        rule = "must be for one output layer where that is softmax, not for"
        raise SettingError("loss", rule, f"{len(outputs)} side by side")


# ---- by name -------------------------------------------------------------------------------------


def half_squared(outputs: Sequence[Activation]) -> Loss:
    """Half the summed squared error: "half-squared"."""
    del outputs
    return HalfSquaredError()


def margin(
    outputs: Sequence[Activation],
    *,
    on: float = 0.8,
    off: float = 0.2,
    measured_from: Literal["target", "margin"] = "target",
    scope: Literal["unit", "case"] = "unit",
) -> Loss:
    """Half the summed squared error outside a margin: "margin"."""
    del outputs
    return MarginSquaredError(on, off, measured_from, scope)


def cross_entropy(outputs: Sequence[Activation]) -> Loss:
    """The cross-entropy that fits the output units, logistic or softmax ones: "cross-entropy"."""
    return CrossEntropy("softmax" if "softmax" in outputs else "logistic")


LOSSES: dict[str, Callable[..., Loss]] = {
    "half-squared": half_squared,
    "margin": margin,
    "cross-entropy": cross_entropy,
}
"""Losses by name: functions of the activations of the output layers, and of options."""


def loss_named(text: str, outputs: Sequence[Activation]) -> Loss:
    """Return the loss that `NAME` or `NAME(key=value, ...)` names, for these output layers.

    Raises:
      SettingError: for an unknown name, or an option that breaks its rule.

    Example:
      >>> loss_named("margin(on=0.9)", ["logistic"]).on, loss_named("cross-entropy", ["softmax"])
      (0.9, CrossEntropy(unit='softmax'))
    """
    name, options = read_named("loss", text, LOSSES)
    with as_fault_of("loss", text):
        return LOSSES[name](outputs, **options)


def name_of_loss(loss: Any, outputs: Sequence[Activation]) -> str | None:
    """Return the text that `loss_named` makes this loss of; None if there is none.

    Example:
      >>> name_of_loss(MarginSquaredError(on=0.9), ["logistic"])
      'margin(on=0.9)'
    """
    for name, make in LOSSES.items():
        known = defaults_of(make)
        if not all(hasattr(loss, key) for key in known):
            continue
        given = {key: getattr(loss, key) for key in known if getattr(loss, key) != known[key]}
        if make(outputs, **given) == loss:
            return spell_named(name, given)
    return None
