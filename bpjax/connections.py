"""The parts of a network: layers of units, and the connections that carry activations on."""

import dataclasses
from typing import Any

import numpy as np

from bpjax.errors import SettingError
from bpjax.numbers import whole_number
from bpjax.units import UNITS, Activation, unit_of

Key = tuple[str, str]
"""The name of a connection: (source layer, target layer)."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """A group of units that share one input-output function.

    Args:
      name: unique among the layers of a network.
      size: number of units, at least 1.
      activation: the input-output function of equation (2), a name in `bpjax.units.UNITS` or a
        `bpjax.Unit`.
      bias: whether each unit has a bias: in the paper, a weight from an extra input fixed at 1.
      copy_of: the name under which the biases are kept, its own unless given. Layers with the same
        name have the same biases: the copies of one layer in time (Fig. 5).
      frozen_bias: whether the biases stay where they start.

    A layer that no connection enters is an input layer: it shows the case, and neither its
    `activation` nor its `bias` is used.

    Raises:
      SettingError: for a size that is no whole number of at least 1, or an unknown activation.
    """

    name: str
    size: int
    activation: Activation = "logistic"
    bias: bool = True
    copy_of: str | None = None
    frozen_bias: bool = False

    @property
    def bias_key(self) -> str:
        """The name under which the biases are kept."""
        return self.copy_of or self.name

    def __post_init__(self) -> None:
        size = whole_number("size", self.size, 1, of=f"of layer {self.name!r}")
        object.__setattr__(self, "size", size)
        try:
            unit_of(self.activation)
        except SettingError as fault:
            rule = f"of layer {self.name!r} {fault.rule}"
            raise SettingError("activation", rule, self.activation, UNITS) from None


@dataclasses.dataclass(frozen=True)
class Connection:
    """All weights from one layer to another, which need not be neighbours.

    Args:
      source: name of the layer it comes from.
      target: name of the layer it goes to.
      mask: which weights exist, booleans (or 0 and 1) of shape (source size, target size); None:
        all of them.
      tie: which weights are one and the same, integers of that shape: `tie[i][j]` is the index of
        the free parameter that stands at (i, j). Indices run from 0 without a gap; one that stands
        at masked places only is kept, but nothing reads it. None: all free.
      delay: time steps the signal takes, 0 or 1; 1 makes a recurrent connection, which
        `bpjax.recurrent.unroll` lays out in time.
      copy_of: the key under which the weights are kept, its own unless given. Connections with the
        same one have the same weights: the "corresponding weights" of Fig. 5.
      frozen: whether the weights stay where they start.

    `mask` and `tie` may be given as arrays; they are kept as tuples, so that a connection is
    hashable.

    Raises:
      SettingError: for a delay other than 0 or 1; a mask or tie that is no table of two dimensions;
        mask entries other than booleans, 0 and 1; tie indices that are no whole numbers, are
        negative or have gaps.
    """

    source: str
    target: str
    mask: tuple[tuple[bool, ...], ...] | None = None
    tie: tuple[tuple[int, ...], ...] | None = None
    delay: int = 0
    copy_of: Key | None = None
    frozen: bool = False

    def __post_init__(self) -> None:
        where = f"of connection {self.source} -> {self.target}"
        if self.delay not in (0, 1):
            raise SettingError("delay", f"{where} must be 0 or 1", self.delay)
        object.__setattr__(self, "delay", int(self.delay))
        if self.mask is not None:
            object.__setattr__(self, "mask", _mask_table(self.mask, where))
        if self.tie is not None:
            object.__setattr__(self, "tie", _tie_table(self.tie, where))
        if self.tie is not None:
            used = {index for row in self.tie for index in row}
            if used != set(range(len(used))):
                rule = f"{where} must use every index from 0 to its largest"
                raise SettingError("tie", rule, sorted(used))

    @property
    def key(self) -> Key:
        """(source, target)."""
        return (self.source, self.target)

    @property
    def weight_key(self) -> Key:
        """The key under which the weights are kept."""
        return self.copy_of or self.key

    @property
    def num_free(self) -> int:
        """Number of free parameters of a tied connection."""
        return 0 if self.tie is None else max(map(max, self.tie)) + 1


def _mask_table(given: Any, where: str) -> tuple[tuple[bool, ...], ...]:
    table = _table("mask", given, where)
    if table.dtype.kind not in "biuf" or not np.isin(table, (0, 1)).all():
        raise SettingError("mask", f"{where} must hold booleans, or 0 and 1", table.tolist())
    return tuple(map(tuple, table.astype(bool).tolist()))


def _tie_table(given: Any, where: str) -> tuple[tuple[int, ...], ...]:
    table = _table("tie", given, where)
    if table.dtype.kind not in "iu":
        raise SettingError("tie", f"{where} must hold whole numbers", table.tolist())
    return tuple(map(tuple, table.tolist()))


def _table(field: str, given: Any, where: str) -> np.ndarray:
    try:
        table = np.asarray(given)
    except ValueError:  # rows of different lengths
        table = np.empty(0)
    if table.ndim != 2 or not table.size:
        rule = f"{where} must be a table with one row per source unit, all of one length"
        raise SettingError(field, rule, given)
    return table
