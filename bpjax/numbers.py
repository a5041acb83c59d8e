"""Numbers that come in as settings: checked once, and kept as Python's own.

NumPy's integers and floats are numbers too, but JSON does not know them and they compute in their
own precision; a bool is no number.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from bpjax.errors import SettingError

_IN_WORDS = {2**31 - 2: "2**31 - 2", 2**31 - 1: "2**31 - 1", 2**32 - 1: "2**32 - 1", 2**32: "2**32"}


def whole_number(
    setting: str, value: Any, smallest: int, largest: int | None = None, of: str = ""
) -> int:
    """Return `value` as a Python int.

    Args:
      setting: its name.
      value: what was given.
      smallest: the smallest number allowed.
      largest: the largest number allowed; None: there is none.
      of: whose setting it is, for the sentence: "of layer 'hidden'".

    Raises:
      SettingError: unless `value` is a whole number in range.

    Example:
      >>> whole_number("hidden", np.int64(2), smallest=1)
      2
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < smallest or (largest is not None and value > largest):
        limit = f"of at least {smallest}"
        if largest is not None:
            limit = f"from {smallest} to {_IN_WORDS.get(largest, largest)}"
        raise SettingError(setting, f"{of} must be a whole number {limit}".lstrip(), value)
    return int(value)


def real_number(setting: str, value: Any, rule: str, holds: Callable[[float], bool]) -> float:
    """Return `value` as a Python float.

    Args:
      setting: its name.
      value: what was given.
      rule: what holds for good values, in words.
      holds: the same as a function of finite numbers.

    Raises:
      SettingError: unless `value` is a finite number for which the rule holds.

    Example:
      >>> real_number("momentum", 0, "must be at least 0 and below 1", lambda x: 0 <= x < 1)
      0.0
    """
    number = as_float(value)
    if number is None or not holds(number):
        raise SettingError(setting, rule, value)
    return number


def evenly(last: int, most: int) -> np.ndarray:
    """Return the whole numbers from 0 to `last`, or `most` of them, evenly spaced, with both ends.

    Example:
      >>> evenly(3, 10).tolist(), evenly(10, 3).tolist()
      ([0, 1, 2, 3], [0, 5, 10])
    """
    return np.unique(np.linspace(0, last, min(most, last + 1)).round().astype(int))


def as_float(value: Any) -> float | None:
    """Return `value` as a Python float, or None if it is no finite number.

    Example:
      >>> as_float(np.float32(0.5)), as_float(float("nan")), as_float(True), as_float("1")
      (0.5, None, None, None)
    """
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number above 10**308
        return None
    return number if np.isfinite(number) else None
