"""What several tasks share: lists of cases, and the rules for their options."""

import itertools
from typing import Any

import numpy as np

from bpjax.criteria import Criterion
from bpjax.errors import SettingError


def all_binary_vectors(bits: int) -> np.ndarray:
    """Return all 0/1 vectors of length `bits` in counting order, shape (2**bits, bits).

    Example:
      >>> all_binary_vectors(2).tolist()
      [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    return np.array(list(itertools.product((0.0, 1.0), repeat=bits)))


def check_count(option: str, value: Any, smallest: int, largest: int | None = None) -> None:
    """Raise SettingError unless `value` is a whole number in range."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < smallest or (largest is not None and value > largest):
        limit = f"from {smallest} to {largest}" if largest else f"of at least {smallest}"
        raise SettingError(option, f"must be a whole number {limit}", value)


def check_flag(option: str, value: Any) -> None:
    """Raise SettingError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise SettingError(option, "must be true or false", value)


def on_off_targets(bits: np.ndarray, off: float, on: float) -> np.ndarray:
    """Return targets `on` where `bits` is 1 and `off` where it is 0.

    Raises:
      SettingError: unless 0 <= off < on <= 1, the reach of a logistic output.

    Example:
      >>> on_off_targets(np.array([[0.0], [1.0]]), off=0.1, on=0.9).tolist()
      [[0.1], [0.9]]
    """
    number = all(isinstance(value, int | float) for value in (off, on))
    if not number or not 0 <= off < on <= 1:
        raise SettingError("off, on", "must satisfy 0 <= off < on <= 1", (off, on))
    return np.where(bits > 0.5, float(on), float(off))


def middle_criterion(off: float, on: float) -> Criterion:
    """Return the mildest criterion: every output on the right side of the middle of its targets.

    Example:
      >>> str(middle_criterion(0.0, 1.0)), str(middle_criterion(0.1, 0.9))
      ('tolerance 0.5', 'tolerance 0.4')
    """
    return Criterion("tolerance", (on - off) / 2)
