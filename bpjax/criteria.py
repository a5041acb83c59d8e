"""When a run counts as solved. A criterion is always named beside a number."""

import dataclasses
from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bpjax.errors import SettingError
from bpjax.numbers import real_number


def _tolerance(value: Any) -> float:
    rule = "must be above 0 and at most 1"
    return real_number("tolerance", value, rule, lambda x: 0 < x <= 1)


def _loss_below(value: Any) -> float:
    return real_number("loss_below", value, "must be a positive finite number", lambda x: x > 0)


_RULES = {"tolerance": _tolerance, "loss": _loss_below}


@dataclasses.dataclass(frozen=True)
class Criterion:
    """A rule that says when a run has converged, with its threshold.

    Args:
      kind: "tolerance": every output of every case is nearer to its target than the threshold.
        0.5 is the right side of one half; 0.4 is Fahlman's 40-20-40 rule for targets 0 and 1.
        "loss": the loss is below the threshold.
      threshold: positive; at most 1 for a tolerance.

    Raises:
      SettingError: for an unknown kind or a threshold out of range.

    Example:
      >>> str(Criterion("tolerance", 0.5)), str(Criterion("loss", 0.01))
      ('tolerance 0.5', 'loss below 0.01')
    """

    kind: Literal["tolerance", "loss"] = "tolerance"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in _RULES:
            raise SettingError("kind", "must be 'tolerance' or 'loss'", self.kind)
        object.__setattr__(self, "threshold", _RULES[self.kind](self.threshold))

    def holds(
        self,
        outputs: Float[Array, "num_cases num_out"],
        targets: Float[Array, "num_cases num_out"],
        loss: Float[Array, ""],
        threshold: Any = None,
    ) -> Bool[Array, ""]:
        """Return whether the criterion holds.

        Args:
          outputs: output-layer activations.
          targets: desired outputs.
          loss: the loss of these outputs.
          threshold: overrides the criterion's own; a traced number in a grid.
        """
        threshold = self.threshold if threshold is None else threshold
        if self.kind == "loss":
            return loss < threshold
        return jnp.all(cases_right(outputs, targets, threshold))

    def __str__(self) -> str:
        word = "tolerance" if self.kind == "tolerance" else "loss below"
        short = f"{self.threshold:g}"
        return f"{word} {short if float(short) == self.threshold else repr(self.threshold)}"


def cases_right(
    outputs: Float[Array, "num_cases num_out"],
    targets: Float[Array, "num_cases num_out"],
    tolerance: Any = 0.5,
) -> Bool[Array, " num_cases"]:
    """Return for each case whether all its outputs are nearer to their targets than `tolerance`.

    Example:
      >>> cases_right(jnp.array([[0.4], [0.5]]), jnp.array([[0.0], [1.0]])).tolist()
      [True, False]
    """
    return jnp.all(jnp.abs(outputs - targets) < tolerance, axis=1)
