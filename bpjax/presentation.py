"""How cases are shown: in which order, and after how many of them weights change.

An epoch shows as many cases as there are. With `updates` "batch" weights change once, after all of
them, as in all work that the paper reports; with "case" after each; with a number after so many,
and after what is left at the end of the epoch. The order is that of the task ("fixed"), a new one
for every epoch ("shuffled"), or every case is drawn anew from all ("random"). Orders are drawn from
the run's seed and the epoch, so they do not depend on lanes, neighbours or interruptions.
"""

import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from bpjax.errors import SettingError
from bpjax.numbers import whole_number
from bpjax.starts.initial import run_key

Updates = Literal["batch", "case"] | int
Order = Literal["fixed", "shuffled", "random"]
ORDERS = ("fixed", "shuffled", "random")

_ORDER = 1909
"""Sets the draws of orders apart from those of weights and of held-out cases."""


def check_updates(updates: Any) -> Updates:
    """Return `updates`, as Python's own.

    Raises:
      SettingError: unless it is "batch", "case" or a whole number of at least 1.
    """
    if updates in ("batch", "case"):
        return updates  # type: ignore[no-any-return]
    try:
        return whole_number("updates", updates, 1)
    except SettingError:
        rule = "must be batch, case or a whole number of cases, at least 1"
        raise SettingError("updates", rule, updates) from None


def check_order(order: Any, updates: Updates) -> Order:
    """Return the order.

    Raises:
      SettingError: if it is unknown, or there is none because weights change only once an epoch.
    """
    if order not in ORDERS:
        raise SettingError("order", f"must be one of {', '.join(ORDERS)}", order, ORDERS)
    if order != "fixed" and updates == "batch":
        rule = "must be fixed where weights change once, after all cases: set `updates` too"
        raise SettingError("order", rule, order)
    return order  # type: ignore[no-any-return]


def part_size(updates: Updates, num_cases: int) -> int:
    """Return after how many cases weights change.

    Example:
      >>> part_size("batch", 10), part_size("case", 10), part_size(4, 10), part_size(40, 10)
      (10, 1, 4, 10)
    """
    if isinstance(updates, int):
        return min(updates, num_cases)
    return 1 if updates == "case" else num_cases


def changes_per_epoch(updates: Updates, num_cases: int) -> int:
    """Return how often weights change in an epoch.

    Example:
      >>> changes_per_epoch("batch", 10), changes_per_epoch("case", 10), changes_per_epoch(4, 10)
      (1, 10, 3)
    """
    return math.ceil(num_cases / part_size(updates, num_cases))


def fixed_parts(
    updates: Updates, num_cases: int
) -> tuple[Int[np.ndarray, "parts size"], Bool[np.ndarray, "parts size"] | None]:
    """Return the rows of the cases of each part of an epoch, and which of them there are.

    Where parts do not go into the cases, the last is filled up with a case that does not count.

    Example:
      >>> rows, there = fixed_parts(2, 3)
      >>> rows.tolist(), there.tolist()
      ([[0, 1], [2, 0]], [[True, True], [True, False]])
    """
    size, parts = part_size(updates, num_cases), changes_per_epoch(updates, num_cases)
    places = np.arange(parts * size, dtype=np.int32).reshape(parts, size)
    there = places < num_cases
    return np.where(there, places, 0), None if there.all() else there


def shown_cases(order: Order, num_cases: int, seed: Any, epoch: Any) -> Int[Array, " num_cases"]:
    """Return the rows of the cases that a run is shown in an epoch, in their order.

    Args:
      order: how they are drawn.
      num_cases: number of cases.
      seed: the run's name; may be traced.
      epoch: epochs made before.

    Example:
      >>> sorted(shown_cases("shuffled", 4, 7, 0).tolist())
      [0, 1, 2, 3]
      >>> shown_cases("fixed", 3, 7, 0).tolist()
      [0, 1, 2]
    """
    rows = jnp.arange(num_cases, dtype=jnp.int32)
    if order == "fixed":
        return rows
    key = jax.random.fold_in(jax.random.fold_in(run_key(seed), _ORDER), epoch)
    if order == "shuffled":
        return jax.random.permutation(key, rows)
    return jax.random.randint(key, (num_cases,), 0, num_cases, jnp.int32)
