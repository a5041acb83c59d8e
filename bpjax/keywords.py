"""The settings that functions take by keyword, for type checkers: a misspelled name is an error.

`def sweep(task, seeds, **settings: Unpack[SweepSettings])` has these names, and no others. What a
setting means is told where it is kept, in `bpjax.recipe`, `bpjax.criteria` and `bpjax.task`; that
nothing is missing here, a test says.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict

import numpy as np
import optax

from bpjax.errors import SettingError, nearest
from bpjax.loss import Loss
from bpjax.presentation import Order, Updates
from bpjax.schedule import Schedule
from bpjax.starts.initial import Strategy
from bpjax.units import Activation

Whole = int | np.integer[Any]
Number = float | Whole | np.floating[Any]
Changing = Number | Schedule
Copies = Literal["average", "sum"]
Optimizer: TypeAlias = str | optax.GradientTransformation
Table = np.ndarray[Any, Any]


class RecipeSettings(TypedDict, total=False):
    """Settings of a recipe or criterion, a value each: of `Task.from_arrays`."""

    learning_rate: Changing
    momentum: Changing
    weight_decay: Changing
    init_range: Number
    initializer: Strategy
    updates: Updates
    order: Order
    decay_biases: bool
    copies: Copies
    optimizer: Optimizer
    max_epochs: Whole
    tolerance: Number
    loss_below: Number


class TaskSettings(RecipeSettings, total=False):
    """What can be replaced in a task, a value each: of `Task.with_settings`."""

    unit: Activation
    hidden_unit: Activation
    output_unit: Activation
    loss: Loss | str


class GridSettings(TypedDict, total=False):
    """Settings of a recipe, criterion or task, of which several values make a grid."""

    learning_rate: Changing | Sequence[Changing] | Table
    momentum: Changing | Sequence[Changing] | Table
    weight_decay: Changing | Sequence[Changing] | Table
    init_range: Number | Sequence[Number] | Table
    initializer: Strategy | Sequence[Strategy]
    updates: Updates | Sequence[Updates]
    order: Order | Sequence[Order]
    decay_biases: bool | Sequence[bool]
    copies: Copies | Sequence[Copies]
    optimizer: Optimizer | Sequence[Optimizer]
    max_epochs: Whole
    tolerance: Number | Sequence[Number] | Table
    loss_below: Number | Sequence[Number] | Table
    unit: Activation | Sequence[Activation]
    hidden_unit: Activation | Sequence[Activation]
    output_unit: Activation | Sequence[Activation]
    loss: Loss | str


class TrainSettings(TaskSettings, total=False):
    """Settings of one run: of `bpjax.train`."""

    precision: Literal["float32", "float64"]
    implementation: str
    block_size: int | None


class HistorySettings(TrainSettings, total=False):
    """Settings of many runs at one point: of `bpjax.loss_histories`."""

    first_seed: int
    shard: tuple[int, int] | None


class UntilSettings(GridSettings, total=False):
    """Settings of as many runs as a question needs: of `bpjax.sweep_until`."""

    precision: Literal["float32", "float64"]
    implementation: str
    block_size: int | None
    keep_weights: bool
    summary_only: bool
    refill: bool
    zipped: bool


class SweepSettings(UntilSettings, total=False):
    """Settings of many runs: of `bpjax.sweep`."""

    first_seed: int
    shard: tuple[int, int] | None


def check_names(given: Mapping[str, Any], typed: type[Any], function: Callable[..., Any]) -> None:
    """Raise SettingError for a name that is near to one that only this function has.

    What is near to a setting of the task is refused by the task, which knows its options too.

    Args:
      given: settings by name.
      typed: the names that there are, in one of the classes above.
      function: has more of them, as keywords of its own.
    """
    settings = {*GridSettings.__annotations__}
    known = sorted({*typed.__annotations__, *(function.__kwdefaults__ or {})})
    for name, value in given.items():
        if name not in known and nearest(name, known) not in {None, *settings}:
            raise SettingError.of_unknown(name, "is no setting", value, known)
