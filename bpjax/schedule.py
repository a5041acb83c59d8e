"""Settings that change during a run: numbers that hold from one epoch to another."""

import dataclasses
import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bpjax.errors import SettingError
from bpjax.numbers import as_float, whole_number

LARGEST_EPOCH = 2**31 - 2
"""Epochs are counted in 32 bits."""
MOST_CHANGES = 2**31 - 1
"""So are weight changes."""

ScalarOrSchedule = Any
"""A number, or a function from the number of weight changes made so far to a number."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A number that may change at given epochs: `values[k]` holds until `changes[k]` epochs.

    Args:
      values: the numbers in the order of their use; kept as Python floats.
      changes: how many epochs have been made when the next value takes over: whole numbers from 1
        to 2**31 - 2, increasing.

    Raises:
      SettingError: if the lengths do not fit, a value is no finite number, or `changes` breaks its
        rule.

    Example:
      The family trees' learning rate is 0.005 for the first 20 epochs, then 0.01:

      >>> rate = Schedule((0.005, 0.01), (20,))
      >>> [rate.at(epoch) for epoch in (0, 19, 20)]
      [0.005, 0.005, 0.01]
    """

    values: tuple[float, ...]
    changes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for field in ("values", "changes"):
            given = getattr(self, field)
            if np.ndim(given) != 1:
                raise SettingError(field, "must be a sequence of numbers", given)
            object.__setattr__(self, field, tuple(given))
        if len(self.values) != len(self.changes) + 1:
            raise SettingError("values", "must have one entry more than `changes`", self.values)
        values = tuple(map(as_float, self.values))
        if None in values:
            raise SettingError("values", "must be finite numbers", self.values)
        changes = tuple(whole_number("changes", c, 1, LARGEST_EPOCH) for c in self.changes)
        if any(a >= b for a, b in itertools.pairwise(changes)):
            raise SettingError("changes", "must increase", changes)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "changes", changes)

    def at(self, epoch: int) -> float:
        """Return the value in force after `epoch` epochs."""
        return self.values[sum(epoch >= change for change in self.changes)]

    def __str__(self) -> str:
        pieces = [str(self.values[0])]
        pieces += [f"{v} from {c}" for v, c in zip(self.values[1:], self.changes, strict=True)]
        return ", ".join(pieces)


def as_schedule(value: float | Schedule) -> Schedule:
    """Return `value` as a `Schedule`; a number is a schedule that never changes."""
    return value if isinstance(value, Schedule) else Schedule((value,))


def value_at(value: ScalarOrSchedule, count: Int[Array, ""]) -> Any:
    """Return what a number, or a schedule in optax's form, is after `count` weight changes."""
    return value(count) if callable(value) else value


def value_in_epoch(
    values: Float[Array, " pieces"], changes: tuple[int, ...], epoch: Int[Array, ""]
) -> Float[Array, ""]:
    """Return `Schedule(values, changes).at(epoch)`, where values and epoch may be traced.

    Example:
      >>> float(value_in_epoch(jnp.array([0.5, 0.25]), (20,), jnp.int32(20)))
      0.25
    """
    value = values[0]
    for later, change in zip(values[1:], changes, strict=True):
        value = jnp.where(epoch >= change, later, value)
    return value
