"""The points of a grid, for its pictures: what is known of each, and an axis for a setting."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from bpjax.plots.text import is_narrow

Cells = Sequence[Mapping[str, Any]]
"""`summary()["cells"]` of a sweep: one mapping per point of its grid."""
Quantity = Literal["success_rate", "epochs"]

WORDS = {"success_rate": "share of runs that converged", "epochs": "median epochs to converge"}
NEVER = "median not reached by the cap"
MOST_TICKS = 9


class Estimate(NamedTuple):
    """A cell's number with its interval; None stands for what was not reached."""

    value: float | None
    low: float | None
    high: float | None
    level: float


def estimate(cell: Mapping[str, Any], quantity: Quantity) -> Estimate:
    """Return what a cell says of a quantity."""
    part = cell[quantity]
    value = part["estimate"] if quantity == "success_rate" else part["median"]
    return Estimate(value, part["low"], part["high"], part["level"])


def is_log_spaced(values: Sequence[float] | NDArray) -> bool:
    """Tell whether numbers are spaced more evenly by their ratios than by their differences.

    Example:
      >>> is_log_spaced([0.1, 0.3, 1.0]), is_log_spaced([0.0, 0.5, 0.9]), is_log_spaced([1, 2])
      (True, False, False)
    """
    found = np.unique(np.asarray(values, float))
    if len(found) < 3 or found[0] <= 0:
        return False
    steps, ratios = np.diff(found), np.diff(np.log(found))
    return bool(ratios.max() / ratios.min() < 0.999 * steps.max() / steps.min())


def setting_axis(ax: Axes, which: Literal["x", "y"], name: str, values: NDArray) -> None:
    """Put ticks at the setting's own values, or at some of them, and name the setting."""
    if is_log_spaced(values):
        ax.set(**{f"{which}scale": "log"})
    axis = ax.xaxis if which == "x" else ax.yaxis
    shown = np.unique(values)
    most = MOST_TICKS if not is_narrow(ax) else MOST_TICKS // 2
    shown = shown[:: -(-len(shown) // most)]
    axis.set_ticks(shown, labels=[f"{value:.4g}" for value in shown])
    axis.set_minor_locator(NullLocator())
    axis.set_label_text(name.replace("_", " "))
