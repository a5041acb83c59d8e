"""How a run is trained: every number that the paper prints for an experiment."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import optax

from bpjax.errors import SettingError
from bpjax.learning import as_spelled, name_of, rule_named
from bpjax.numbers import real_number, whole_number
from bpjax.presentation import Order, Updates, check_order, check_updates
from bpjax.schedule import LARGEST_EPOCH, Schedule, as_schedule
from bpjax.starts.initial import Initializer, Strategy, as_strategy


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a run is trained; every number that the paper prints for an experiment.

    Args:
      learning_rate: eps of equations (8) and (9), positive; a number or a `Schedule` of epochs.
      momentum: alpha of equation (9), 0 <= momentum < 1; a number or a `Schedule`.
      weight_decay: share by which every weight shrinks after each change, 0 <= weight_decay < 1; a
        number or a `Schedule`. "adamw" has another in its brackets, and may have both.
      init_range: initial weights are drawn from [-init_range, init_range]; what it is to other
        distributions is said of each in `bpjax.starts.distributions`.
      initializer: the distribution of the draws, a `Plane` on which runs start instead, or a
        strategy of your own with their methods.
      updates: "batch" adds the gradients of all cases before each change, as in all work that
        the paper reports; "case" changes the weights after every case; a number after so many.
      order: of the cases where weights change within an epoch: "fixed", "shuffled" anew for every
        epoch, or "random": every case drawn anew from all. Drawn from the run's seed.
      decay_biases: whether `weight_decay` shrinks biases too.
      copies: what a net of Fig. 5 learns from: the "average" of the gradients of corresponding
        weights, as the paper prescribes, or their "sum", which takes steps longer by the number of
        iterations. Nets that are not iterated have no copies.
      optimizer: a name in `OPTIMIZERS` or "optax.NAME", with options in brackets where the rule has
        any ("rprop(backtracking=true)"), kept in one spelling; or any optax transformation (which
        then brings its own rate: `learning_rate` and `momentum` are not used). To "rprop" the
        learning rate is the first step, to "delta-bar-delta" the first rate; neither takes a
        schedule of it.
      max_epochs: the cap: a run that has not converged by then ends as MAX_EPOCHS.

    Numbers are kept as Python's own, whatever kind they were given as.

    Raises:
      SettingError: naming the first setting that breaks its rule.
    """

    learning_rate: float | Schedule
    momentum: float | Schedule = 0.9
    weight_decay: float | Schedule = 0.0
    init_range: float = 0.3
    initializer: Strategy = Initializer()  # noqa: RUF009  (frozen)
    updates: Updates = "batch"
    order: Order = "fixed"
    decay_biases: bool = True
    copies: Literal["average", "sum"] = "average"
    optimizer: str | optax.GradientTransformation = "paper"
    max_epochs: int = 10_000

    def __post_init__(self) -> None:
        self._keep("learning_rate", _each(_learning_rate, self.learning_rate))
        self._keep("momentum", _each(_momentum, self.momentum))
        self._keep("weight_decay", _each(_weight_decay, self.weight_decay))
        self._keep("init_range", _init_range(self.init_range))
        as_strategy(self.initializer)
        self._keep("updates", check_updates(self.updates))
        check_order(self.order, self.updates)
        if not isinstance(self.decay_biases, bool):
            raise SettingError("decay_biases", "must be true or false", self.decay_biases)
        if self.copies not in ("average", "sum"):
            raise SettingError("copies", "must be 'average' or 'sum'", self.copies)
        self._keep("optimizer", as_spelled(self.optimizer))
        if self.optimizer != "paper" and as_schedule(self.momentum).changes:
            rule = "must not change during a run unless the optimizer is 'paper'"
            raise SettingError("momentum", rule, str(self.momentum))
        name = name_of(self.optimizer)
        if (
            name
            and not rule_named(name).rate_may_change
            and as_schedule(self.learning_rate).changes
        ):
            rule = f"must not change during a run if the optimizer is {name!r}"
            raise SettingError("learning_rate", rule, str(self.learning_rate))
        self._keep("max_epochs", whole_number("max_epochs", self.max_epochs, 1, LARGEST_EPOCH))

    @property
    def decays(self) -> bool:
        """Whether weights ever decay."""
        return max(as_schedule(self.weight_decay).values) > 0

    def _keep(self, setting: str, value: Any) -> None:
        object.__setattr__(self, setting, value)


def _each(rule: Callable[[Any], float], value: Any) -> float | Schedule:
    """Return a number, or every number of a schedule, as `rule` lets it pass."""
    if not isinstance(value, Schedule):
        return rule(value)
    return dataclasses.replace(value, values=tuple(map(rule, value.values)))


def _learning_rate(value: Any) -> float:
    return real_number("learning_rate", value, "must be a positive finite number", lambda x: x > 0)


def _momentum(value: Any) -> float:
    return _share("momentum", value)


def _weight_decay(value: Any) -> float:
    return _share("weight_decay", value)


def _share(setting: str, value: Any) -> float:
    return real_number(setting, value, "must be at least 0 and below 1", lambda x: 0 <= x < 1)


def _init_range(value: Any) -> float:
    rule = "must be a finite number, 0 or above"
    return real_number("init_range", value, rule, lambda x: x >= 0)
