"""A task: everything the paper says about one experiment, as data."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self, TypeGuard, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from bpjax.brought import Setting
from bpjax.connections import Layer
from bpjax.criteria import Criterion
from bpjax.display import Display
from bpjax.errors import SettingError
from bpjax.keywords import RecipeSettings, TaskSettings
from bpjax.loss import CrossEntropy, HalfSquaredError, Loss, check_fits, loss_named
from bpjax.network import Network, layered
from bpjax.numbers import whole_number
from bpjax.presentation import changes_per_epoch, part_size
from bpjax.recipe import Recipe
from bpjax.schedule import MOST_CHANGES, Schedule
from bpjax.units import UNITS, Activation, unit_of

RECIPE_SETTINGS = tuple(field.name for field in dataclasses.fields(Recipe))
CRITERION_SETTINGS = {"tolerance": "tolerance", "loss_below": "loss"}
"""By name, the kind of criterion whose threshold it is."""
TASK_SETTINGS = ("unit", "hidden_unit", "output_unit", "loss")
"""What every task lets its users choose."""


class Published(NamedTuple):
    """One published figure for a task: a single run unless it says otherwise.

    Attributes:
      figure: what was reported, in words.
      epochs: the number of epochs, where one was reported.
      mark: "verified" (read in the source), "secondary" (quoted by another source) or
        "unverified" (from recollection; never an expected value).
      source: where.
      counts: what the epochs are: those that one run needed ("run"), the mean of several runs
        ("mean"), what no run is said to have needed ("bound"), or how long a run was trained
        whether it had long converged or not ("trained").
      under: the recipe it belongs to, where it is known not to be the task's own, or cannot be the
        same; such a figure is never drawn beside runs of the task's own recipe.
    """

    figure: str
    epochs: int | None
    mark: Literal["verified", "secondary", "unverified"]
    source: str
    counts: Literal["run", "mean", "bound", "trained"] = "run"
    under: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """One experiment: network, cases, loss, recipe, criterion, and where they come from.

    Args:
      network: the net.
      inputs: one row per case, shape (num_cases, num_in).
      targets: desired outputs, shape (num_cases, num_out).
      name: the word that `bpjax tasks` lists.
      title: one line for people; "" for the name and the sizes of the net.
      options: the choices this task was made with, by name: `{"hidden": 2}`.
      recipe: how a run is trained.
      criterion: when it counts as solved.
      loss: what descent makes small: a name in `bpjax.loss.LOSSES`, kept as the loss it names, or
        an object of your own.
      held_out: cases that a run is not trained on: how many of them, drawn for each run from its
        seed, or which ones, by their rows. They count as answered right, so they neither teach nor
        keep a run from converging; a sweep counts in `held_out_right` how many a run has right.
      source: the citation of the experiment.
      open_choices: what the source leaves open, and the default taken here.
      published: what was reported.
      display: how pictures set the units out; no run depends on it.

    Raises:
      SettingError: if inputs, targets or loss do not fit the network or are not finite, for
        held-out cases that do not exist, come twice or leave none to train on, for more weight
        changes than are counted, or for an initialiser that cannot start the network.
    """

    network: Network
    inputs: np.ndarray
    targets: np.ndarray
    name: str = "task"
    title: str = ""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    recipe: Recipe = Recipe(learning_rate=0.1)  # noqa: RUF009  (frozen)
    source: str = ""
    criterion: Criterion = Criterion()  # noqa: RUF009  (frozen)
    loss: Any = HalfSquaredError()  # a Loss, whatever it was given as  # noqa: RUF009  (frozen)
    open_choices: str = ""
    published: tuple[Published, ...] = ()
    held_out: int | tuple[int, ...] = 0
    display: Display = Display()  # noqa: RUF009  (frozen)

    def __post_init__(self) -> None:
        for field in ("inputs", "targets"):
            object.__setattr__(self, field, _table(field, getattr(self, field)))
        num_cases = len(self.inputs)
        for field, width in (("inputs", self.network.num_in), ("targets", self.network.num_out)):
            shape = np.shape(getattr(self, field))
            if shape != (num_cases, width):
                raise SettingError(field, f"must have shape ({num_cases}, {width})", shape)
            _check_finite(field, getattr(self, field))
        object.__setattr__(self, "held_out", _held_out(self.held_out, num_cases))
        object.__setattr__(self, "loss", _fitting(self.loss, self.network))
        if hasattr(self.loss, "check_targets"):
            self.loss.check_targets(self.targets)
        object.__setattr__(self, "title", self.title or f"{self.name}, {self.network.describe()}")
        self.recipe.initializer.check(self.network)
        changes = changes_per_epoch(self.recipe.updates, num_cases)
        most = MOST_CHANGES // changes
        if changes > 1 and self.recipe.max_epochs > most:
            rule = f"must be at most {most:,} where weights change {changes:,} times an epoch"
            raise SettingError("max_epochs", rule, self.recipe.max_epochs)

    @classmethod
    def from_arrays(
        cls,
        inputs: ArrayLike,
        targets: ArrayLike,
        hidden: int | Sequence[int] = (8,),
        *,
        unit: Activation = "logistic",
        output_unit: Activation = "logistic",
        loss: Loss | str = "half-squared",
        name: str = "task",
        held_out: int | tuple[int, ...] = 0,
        **settings: Unpack[RecipeSettings],
    ) -> Self:
        """Return the task of learning some cases with a plain layered net.

        Args:
          inputs: one row per case, shape (num_cases, num_in).
          targets: desired outputs, shape (num_cases, num_out), or (num_cases,) for one output.
          hidden: number of units of each hidden layer; () for none.
          unit: the input-output function of hidden units, a name in `bpjax.units.UNITS` or a unit.
          output_unit: that of output units.
          loss: what descent makes small, a name in `bpjax.loss.LOSSES` or a loss.
          name: of the task.
          held_out: cases that a run is not trained on, as in `Task`.
          **settings: of the recipe or criterion, see `with_settings`.

        Raises:
          SettingError: for a setting that breaks its rule.

        Example:
          >>> from bpjax.task import Task
          >>> cases = [[0, 0], [0, 1], [1, 0], [1, 1]]
          >>> task = Task.from_arrays(cases, [0, 1, 1, 0], hidden=3, unit="tanh", learning_rate=0.5)
          >>> task.title, task.recipe.learning_rate
          ('task, 2-3-1', 0.5)
        """
        inputs, targets = _table("inputs", inputs), _table("targets", targets)
        targets = targets[:, None] if targets.ndim == 1 else targets
        for field, table in (("inputs", inputs), ("targets", targets)):
            if table.ndim != 2 or not table.size:
                raise SettingError(field, "must be a table with a row for every case", table.shape)
        sizes = [hidden] if np.ndim(hidden) == 0 else list(hidden)  # type: ignore[arg-type]
        network = layered(
            inputs.shape[1], *sizes, targets.shape[1], unit=unit, output_unit=output_unit
        )
        task = cls(network, inputs, targets, name, loss=loss, held_out=held_out)
        return task.with_settings(**settings)

    @property
    def num_cases(self) -> int:
        """Number of cases."""
        return len(self.inputs)

    @property
    def num_held_out(self) -> int:
        """Number of cases that a run is not trained on."""
        return self.held_out if isinstance(self.held_out, int) else len(self.held_out)

    def names_of(self, layer: Layer) -> tuple[str, ...]:
        """Return what the units of a layer stand for; nothing where there are no words for it.

        Example:
          >>> import bpjax
          >>> task = bpjax.tasks.family_trees()
          >>> task.names_of(task.network.layers[1])[:3], task.names_of(task.network.layers[2])
          (('father', 'mother', 'husband'), ())
        """
        return tuple(self.display.names.get(layer.bias_key, ()))

    def case_name(self, case: int) -> str:
        """Return a case in words: the units that it shows where they have names, or its inputs.

        Inputs that are the same for every case are left out.

        Example:
          >>> import bpjax
          >>> bpjax.tasks.family_trees().case_name(0), bpjax.tasks.symmetry().case_name(33)
          ('Christopher, wife', '100001')
        """
        parts, first = [], 0
        for layer in self.network.input_layers:
            columns = self.inputs[:, first : first + layer.size]
            shown, names = columns[case], self.names_of(layer)
            first += layer.size
            if not np.ptp(columns, axis=0).any():
                continue
            if names:
                parts += [name for name, value in zip(names, shown, strict=True) if value > 0.5]
            else:
                whole = all(value in (0, 1) for value in shown)
                parts.append(("" if whole else " ").join(f"{value:g}" for value in shown))
        return ", ".join(parts)

    def cases(self, dtype: Any = jnp.float32) -> tuple[jax.Array, jax.Array]:
        """Return (inputs, targets) as JAX arrays."""
        return jnp.asarray(self.inputs, dtype), jnp.asarray(self.targets, dtype)

    def with_settings(self, /, **settings: Unpack[TaskSettings]) -> Self:
        """Return this task with some of its settings replaced.

        Args:
          **settings: fields of `Recipe`; `tolerance` or `loss_below` for another criterion; `loss`;
            `unit` for other units in all layers that are computed, `hidden_unit` and `output_unit`
            for other ones in some.

        Raises:
          SettingError: for an unknown setting, a value that breaks its rule, or two criteria.

        Example:
          >>> import bpjax
          >>> bpjax.tasks.xor().with_settings(learning_rate=0.5, tolerance=0.4).criterion
          Criterion(kind='tolerance', threshold=0.4)
          >>> task = bpjax.tasks.xor().with_settings(hidden_unit="tanh", loss="cross-entropy")
          >>> [layer.activation for layer in task.network.computed_layers], task.loss
          (['tanh', 'logistic'], CrossEntropy(unit='logistic'))
        """
        given: dict[str, Any] = dict(settings)
        thresholds = {name: given[name] for name in CRITERION_SETTINGS if name in given}
        of_task = {name: given[name] for name in TASK_SETTINGS if name in given}
        recipe = {
            name: value for name, value in given.items() if name not in {**thresholds, **of_task}
        }
        for name in recipe:
            if name in self.options and name not in RECIPE_SETTINGS:
                rule = f"is an option of the task, not a setting: {self.name}({name}=...)"
                raise SettingError(name, rule, recipe[name])
            if name not in RECIPE_SETTINGS:
                choices = [*RECIPE_SETTINGS, *CRITERION_SETTINGS, *TASK_SETTINGS]
                rule = f"is no setting; there are {', '.join(choices)}"
                raise SettingError.of_unknown(name, rule, given[name], choices)
        if len(thresholds) > 1:
            raise SettingError("loss_below", "cannot go with `tolerance`", given["loss_below"])
        criterion = self.criterion
        for name, value in thresholds.items():
            criterion = Criterion(CRITERION_SETTINGS[name], value)  # type: ignore[arg-type]
        return dataclasses.replace(
            self,
            network=_with_units(self.network, **of_task),
            loss=of_task.get("loss", self._loss_of_other_units(of_task)),
            recipe=dataclasses.replace(self.recipe, **recipe),
            criterion=criterion,
        )

    def _loss_of_other_units(self, units: Mapping[str, Any]) -> Any:
        """Return the loss where only units are replaced: the cross-entropy is that of the new."""
        return "cross-entropy" if units and type(self.loss) is CrossEntropy else self.loss

    def describe(self, precision: str = "float32", lasting: bool = True) -> dict[str, Any]:
        """Return all that defines this task, in words and numbers fit for JSON.

        Two tasks with the same description train the same runs: the description is part of the
        identity of a sweep. What a user brings is told by what it computes, see `bpjax.brought`.

        Args:
          precision: "float32" or "float64", in which it computes.
          lasting: whether the description is kept; then it must tell everything.

        Raises:
          SettingError: for a lasting description of what cannot be told.
        """
        setting = self.setting(precision, lasting)
        recipe = {
            field.name: _plain(getattr(self.recipe, field.name))
            for field in dataclasses.fields(self.recipe)
        }
        units = setting.units()
        return {
            "name": self.name,
            "options": dict(self.options),
            "network": dataclasses.asdict(self.network, dict_factory=_in_words),
            "inputs": np.asarray(self.inputs).tolist(),
            "targets": np.asarray(self.targets).tolist(),
            "held_out": self.held_out,
            "loss": setting.loss(self.loss),
            "criterion": str(self.criterion),
            "recipe": {
                **recipe,
                "initializer": setting.initializer(self.recipe.initializer),
                "optimizer": setting.optimizer(self.recipe.optimizer),
            },
            **({"units": units} if units else {}),
        }

    def setting(self, precision: str = "float32", lasting: bool = True) -> Setting:
        """Return where this task uses what a user brings; arguments as for `describe`."""
        part = part_size(self.recipe.updates, self.num_cases)
        return Setting(self.network, self.num_cases, part, precision, lasting)


def _with_units(
    network: Network,
    unit: Activation | None = None,
    hidden_unit: Activation | None = None,
    output_unit: Activation | None = None,
    loss: Any = None,
) -> Network:
    del loss
    units = {"unit": unit, "hidden_unit": hidden_unit, "output_unit": output_unit}
    for name, activation in units.items():
        if activation is not None:
            try:
                unit_of(activation)
            except SettingError as fault:
                raise SettingError(name, fault.rule, activation, UNITS) from None
    hidden_unit, output_unit = hidden_unit or unit, output_unit or unit
    if hidden_unit is None and output_unit is None:
        return network
    return network.with_units(hidden_unit, output_unit)


def _fitting(loss: Loss | str, network: Network) -> Loss:
    """Return the loss that a name stands for, or the loss itself, if it fits the outputs."""
    outputs = [layer.activation for layer in network.output_layers]
    if isinstance(loss, str):
        loss = loss_named(loss, outputs)
    check_fits(loss, outputs)
    return loss


def _in_words(fields: list[tuple[str, Any]]) -> Any:
    """Return fields as `dataclasses.asdict` does; a user's unit is told by what it computes."""
    return "a unit of one's own" if fields[0][0] == "function" else dict(fields)


def _table(field: str, given: Any) -> np.ndarray:
    with contextlib.suppress(TypeError, ValueError):
        table = np.asarray(given, float)
        if table.ndim:
            return table
    raise SettingError(field, "must be a table of numbers, a row for every case", given)


def _check_finite(field: str, table: np.ndarray) -> None:
    for case, column in np.argwhere(~np.isfinite(table))[:1].tolist():
        rule = f"must be finite numbers, but not so: case {case}, column {column}, counted from 0"
        raise SettingError(field, rule, table[case, column].item())


def _held_out(given: Any, num_cases: int) -> int | tuple[int, ...]:
    if not isinstance(given, tuple | list | np.ndarray):
        return whole_number("held_out", given, 0, num_cases - 1)
    rows = [whole_number("held_out", row, 0, num_cases - 1) for row in given]
    if len(set(rows)) < len(rows) or len(rows) == num_cases:
        raise SettingError("held_out", "must name different cases and leave some", rows)
    return tuple(rows)


def is_grid(value: Any) -> TypeGuard[Sequence[Any] | np.ndarray[Any, Any]]:
    """Tell whether a setting was given several values: a list, a tuple or an array.

    An optax transformation is a tuple too, but a named one, and one value.
    """
    return isinstance(value, list | tuple | np.ndarray) and not hasattr(value, "_fields")


def _plain(value: Any) -> Any:
    if isinstance(value, Schedule):
        return value.values[0] if not value.changes else str(value)
    return value if isinstance(value, int | float | str | bool) else repr(value)
