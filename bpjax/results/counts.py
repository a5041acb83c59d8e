"""Counts that stand for rows: how many runs of a cell ended at each (status, epochs)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def added_up(columns: Mapping[str, np.ndarray], cell: NDArray[np.integer]) -> dict[str, np.ndarray]:
    """Return one row for each cell, epochs and status, in this order, the counts added up.

    Args:
      columns: `status`, `epochs` and `count`; others are the same in all rows of a cell.
      cell: to which cell each row belongs.
    """
    keys = columns["status"], columns["epochs"], cell
    order = np.lexsort(keys)
    new = np.zeros(len(order), bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[order][1:] != key[order][:-1]
    first = np.flatnonzero(new)
    until = np.append(0, np.cumsum(columns["count"][order], dtype=np.int64))
    rows = {name: column[order[first]] for name, column in columns.items()}
    return {**rows, "count": np.diff(until[np.append(first, len(order))])}
