"""Learning rules: equations (8) and (9) as optax transformations, and the recipe that sets them.

Two conventions differ from optax. The paper's velocity is the last *weight change*: it already
contains the learning rate, so after a change of rate it still remembers the old one. And its
decay shrinks every weight *after* each change, apart from the gradient.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from bpjax.errors import SettingError
from bpjax.named import Option, read_named, spell_named
from bpjax.network import Initializer, Params
from bpjax.numbers import as_float, real_number, whole_number
from bpjax.plane import Plane
from bpjax.resilient import rprop

ScalarOrSchedule = Any
"""A number, or a function from the number of weight changes made so far to a number."""

LARGEST_EPOCH = 2**31 - 2
"""Epochs are counted in 32 bits."""
MOST_CHANGES = 2**31 - 1
"""So are weight changes."""


class VelocityState(NamedTuple):
    """Memory of equation (9).

    Attributes:
      count: weight changes made so far.
      velocity: the last weight change Dw(t-1), like `params`.
    """

    count: Int[Array, ""]  # type: ignore[assignment]
    velocity: Any


class DecayState(NamedTuple):
    """Memory of a decay that changes: how many weight changes were made so far."""

    count: Int[Array, ""]  # type: ignore[assignment]


def _at(value: ScalarOrSchedule, count: Int[Array, ""]) -> Any:
    return value(count) if callable(value) else value


def steepest_descent(learning_rate: ScalarOrSchedule) -> optax.GradientTransformation:
    """Change each weight by an amount proportional to the accumulated gradient.

    Equation (8): Dw = -eps dE/dw, with eps -> `learning_rate`.

    Args:
      learning_rate: positive number or schedule.

    Returns:
      An optax transformation whose updates are the weight changes.

    Example:
      >>> rule = steepest_descent(0.1)
      >>> changes, _ = rule.update(jnp.array(2.0), rule.init(jnp.array(1.0)))
      >>> round(float(changes), 6)
      -0.2
    """
    return accelerated_descent(learning_rate, 0.0)


def accelerated_descent(
    learning_rate: ScalarOrSchedule, momentum: ScalarOrSchedule
) -> optax.GradientTransformation:
    """Let the gradient change the velocity of a point in weight space instead of its position.

    Equation (9): Dw(t) = -eps dE/dw(t) + alpha Dw(t-1), with eps -> `learning_rate`,
    alpha -> `momentum` and Dw -> velocity.

    Args:
      learning_rate: positive number, or a schedule of the number of changes made so far.
      momentum: 0 <= momentum < 1, the share of the last change that is kept; or a schedule.

    Returns:
      An optax transformation whose updates are the weight changes.

    Note:
      `optax.sgd(eps, momentum=alpha)` multiplies by eps outside its buffer. At a constant rate
      the two agree; when the rate changes during a run they part.

    Example:
      E = w^2 / 2 from w = 1, the rate going from 0.05 to 0.1 after 20 of 60 changes:

      >>> rule = accelerated_descent(lambda count: jnp.where(count < 20, 0.05, 0.1), 0.9)
      >>> weight = jnp.array(1.0)
      >>> state = rule.init(weight)
      >>> for _ in range(60):
      ...     change, state = rule.update(weight, state)
      ...     weight = weight + change
      >>> round(float(weight), 5)
      -0.00527
    """

    def init(params: Any) -> VelocityState:
        return VelocityState(jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params))

    def update(grads: Any, state: VelocityState, params: Any = None) -> tuple[Any, VelocityState]:
        del params
        eps, alpha = _at(learning_rate, state.count), _at(momentum, state.count)
        velocity = jax.tree.map(lambda g, v: -eps * g + alpha * v, grads, state.velocity)  # (9)
        return velocity, VelocityState(state.count + 1, velocity)

    return optax.GradientTransformation(init, update)


def decay_after_change(rate: ScalarOrSchedule, biases: bool = True) -> optax.GradientTransformation:
    """Shrink every weight by a fixed share after each change, as the family-tree net did.

    w <- (1 - rate) (w + Dw). Chain it behind a learning rule. Unlike L2 decay in the gradient it
    touches neither the velocity nor the learning rate.

    Args:
      rate: 0 <= rate < 1, or a schedule of the number of changes made so far; the paper's 0.2 % is
        0.002.
      biases: whether biases shrink too. The paper says "every weight" and treats a bias as one.

    Returns:
      An optax transformation; its `update` needs `params`, which must be `bpjax.Params`.

    Example:
      >>> rule = optax.chain(steepest_descent(0.1), decay_after_change(0.002))
      >>> params = Params({("a", "b"): jnp.ones((1, 1))}, {"b": jnp.ones(1)})
      >>> changes, _ = rule.update(jax.tree.map(jnp.zeros_like, params), rule.init(params), params)
      >>> optax.apply_updates(params, changes).bias["b"].tolist()
      [0.998...]
    """

    def shrink(changes: Params, params: Params, now: Any) -> Params:
        decayed = jax.tree.map(lambda c, w: c - now * (w + c), changes, params)
        return decayed if biases else decayed._replace(bias=changes.bias)

    if not callable(rate):
        return optax.stateless(lambda changes, params: shrink(changes, params, rate))

    def init(params: Params) -> DecayState:
        del params
        return DecayState(jnp.zeros((), jnp.int32))

    def update(changes: Params, state: DecayState, params: Any = None) -> tuple[Any, DecayState]:
        return shrink(changes, params, rate(state.count)), DecayState(state.count + 1)

    return optax.GradientTransformation(init, update)


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


def momentum_descent(
    learning_rate: ScalarOrSchedule, momentum: ScalarOrSchedule
) -> optax.GradientTransformation:
    """Descend with momentum as optax has it: "sgd".

    v(t) = dE/dw(t) + momentum v(t-1), v(0) = 0, and Dw(t) = -learning_rate v(t): equation (9), at a
    constant rate. (B. T. Polyak, USSR Comp. Math. and Math. Phys. 4(5), 1964: the heavy ball.)
    """
    return optax.sgd(learning_rate, momentum=momentum, nesterov=False)


def adam(learning_rate: ScalarOrSchedule) -> optax.GradientTransformation:
    """Descend by running means of the derivative and its square: "adam".

    With g = dE/dw(t), b1 = 0.9, b2 = 0.999, m(0) = v(0) = 0 and t from 1:
    m(t) = b1 m(t-1) + (1 - b1) g, v(t) = b2 v(t-1) + (1 - b2) g^2,
    Dw(t) = -learning_rate m(t)/(1 - b1^t) / (sqrt(v(t)/(1 - b2^t)) + 1e-8).

    Both means are corrected for their start at 0; epsilon, 1e-8, stands outside the root.
    (D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.)
    """
    return optax.adam(learning_rate, b1=0.9, b2=0.999, eps=1e-8, eps_root=0.0)


def rmsprop(learning_rate: ScalarOrSchedule) -> optax.GradientTransformation:
    """Divide the derivative by a running mean of its size: "rmsprop".

    With g = dE/dw(t) and v(0) = 0: v(t) = 0.9 v(t-1) + 0.1 g^2, and
    Dw(t) = -learning_rate g / sqrt(v(t) + 1e-8).

    Epsilon, 1e-8, stands inside the root; the mean is not corrected for its start at 0, so first
    changes are about three times as long as later ones. No momentum. (T. Tieleman and G. Hinton,
    "Lecture 6.5: rmsprop", Coursera 2012; epsilon, which the lecture leaves out, as in optax.)
    """
    return optax.rmsprop(
        learning_rate,
        decay=0.9,
        eps=1e-8,
        initial_scale=0.0,
        eps_in_sqrt=True,
        centered=False,
        momentum=None,
        bias_correction=False,
    )


class NamedRule(NamedTuple):
    """A learning rule that settings can name.

    Attributes:
      make: the rule, from a learning rate and, if it has one, a momentum; its keyword-only
        arguments are options: `NAME(key=value, ...)`.
      has_momentum: whether it takes a momentum.
      rate_may_change: whether the learning rate may follow a schedule.
    """

    make: Callable[..., optax.GradientTransformation]
    has_momentum: bool = True
    rate_may_change: bool = True


OPTIMIZERS: dict[str, NamedRule] = {
    "paper": NamedRule(accelerated_descent),
    "sgd": NamedRule(momentum_descent),
    "adam": NamedRule(adam, has_momentum=False),
    "rmsprop": NamedRule(rmsprop, has_momentum=False),
    "rprop": NamedRule(rprop, has_momentum=False, rate_may_change=False),
}
"""Learning rules by name."""

_MAKERS = {name: rule.make for name, rule in OPTIMIZERS.items()}


def name_of(optimizer: Any) -> str | None:
    """Return the name of a rule that is given by name, without its options; else None.

    Example:
      >>> name_of("rprop(backtracking=true)"), name_of(optax.adam(0.1)), name_of("else")
      ('rprop', None, None)
    """
    name = optimizer.partition("(")[0].strip() if isinstance(optimizer, str) else None
    return name if name in OPTIMIZERS else None


def ignores_momentum(optimizer: Any) -> bool:
    """Tell whether no momentum changes what a rule does: by its name, or because it is a user's."""
    name = name_of(optimizer)
    return not OPTIMIZERS[name].has_momentum if name else not isinstance(optimizer, str)


def as_spelled(optimizer: Any) -> Any:
    """Return a rule by name in the one spelling that it has; a transformation as it is.

    Raises:
      SettingError: for what is neither, and for an option that breaks its rule.

    Example:
      >>> as_spelled("rprop( backtracking=True,grow=1.2 )"), as_spelled("rprop(shrink=.7)")
      ('rprop(backtracking=true)', 'rprop(shrink=0.7)')
    """
    if isinstance(optimizer, optax.GradientTransformation):
        return optimizer
    if not isinstance(optimizer, str):
        rule = f"must be one of {', '.join(OPTIMIZERS)}, or an optax transformation"
        raise SettingError("optimizer", rule, optimizer)
    name, options = read_named("optimizer", optimizer, _MAKERS)
    try:
        _make(name, 1.0, 0.0, options)
    except SettingError as fault:
        rule = f"must be right in {fault.setting}, which {fault.rule}"
        raise SettingError("optimizer", rule, optimizer) from None
    return spell_named(name, options)


def _make(
    name: str, learning_rate: Any, momentum: Any, options: Mapping[str, Option]
) -> optax.GradientTransformation:
    rule = OPTIMIZERS[name]
    rates = (learning_rate, momentum) if rule.has_momentum else (learning_rate,)
    return rule.make(*rates, **options)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a run is trained; every number that the paper prints for an experiment.

    Args:
      learning_rate: eps of equations (8) and (9), positive; a number or a `Schedule` of epochs.
      momentum: alpha of equation (9), 0 <= momentum < 1; a number or a `Schedule`.
      weight_decay: share by which every weight shrinks after each change, 0 <= weight_decay < 1; a
        number or a `Schedule`.
      init_range: initial weights are drawn from [-init_range, init_range].
      initializer: the distribution of the draws, or a `Plane` on which runs start instead.
      updates: "batch" adds the gradients of all cases before each change, as in all work that
        the paper reports; "case" changes the weights after every case, in the order of the cases.
      decay_biases: whether `weight_decay` shrinks biases too.
      copies: what a net of Fig. 5 learns from: the "average" of the gradients of corresponding
        weights, as the paper prescribes, or their "sum", which takes steps longer by the number of
        iterations. Nets that are not iterated have no copies.
      optimizer: a name in `OPTIMIZERS`, with options in brackets where the rule has any
        ("rprop(backtracking=true)"), kept in one spelling; or any optax transformation (which then
        brings its own rate: `learning_rate` and `momentum` are not used). To "rprop" the learning
        rate is the first step; it takes no schedule of rates.
      max_epochs: the cap: a run that has not converged by then ends as MAX_EPOCHS.

    Numbers are kept as Python's own, whatever kind they were given as.

    Raises:
      SettingError: naming the first setting that breaks its rule.
    """

    learning_rate: float | Schedule
    momentum: float | Schedule = 0.9
    weight_decay: float | Schedule = 0.0
    init_range: float = 0.3
    initializer: Initializer | Plane = Initializer()  # noqa: RUF009  (frozen)
    updates: Literal["batch", "case"] = "batch"
    decay_biases: bool = True
    copies: Literal["average", "sum"] = "average"
    optimizer: str | optax.GradientTransformation = "paper"
    max_epochs: int = 10_000

    def __post_init__(self) -> None:
        self._keep("learning_rate", _each(_learning_rate, self.learning_rate))
        self._keep("momentum", _each(_momentum, self.momentum))
        self._keep("weight_decay", _each(_weight_decay, self.weight_decay))
        self._keep("init_range", _init_range(self.init_range))
        if not isinstance(self.initializer, Initializer | Plane):
            raise SettingError("initializer", "must be an Initializer or a Plane", self.initializer)
        if self.updates not in ("batch", "case"):
            raise SettingError("updates", "must be 'batch' or 'case'", self.updates)
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
            and not OPTIMIZERS[name].rate_may_change
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


def as_schedule(value: float | Schedule) -> Schedule:
    """Return `value` as a `Schedule`; a number is a schedule that never changes."""
    return value if isinstance(value, Schedule) else Schedule((value,))


def learning_rule(
    optimizer: str | optax.GradientTransformation,
    learning_rate: ScalarOrSchedule,
    momentum: ScalarOrSchedule,
    weight_decay: Any = None,
    decay_biases: bool = True,
    num_copies: int = 1,
) -> optax.GradientTransformation:
    """Return the optax transformation that a recipe asks for; its numbers may be traced.

    Args:
      optimizer: a name in `OPTIMIZERS`, with its options, or a transformation of the user's own.
      learning_rate: number or schedule of the number of weight changes made so far.
      momentum: likewise.
      weight_decay: share of every weight lost after each change, or a schedule; None leaves decay
        out.
      decay_biases: whether biases decay too.
      num_copies: gradients, which are sums over so many corresponding weights, are averaged.
    """
    if isinstance(optimizer, str):
        name, options = read_named("optimizer", optimizer, _MAKERS)
        optimizer = _make(name, learning_rate, momentum, options)
    if num_copies > 1:
        optimizer = optax.chain(optax.scale(1 / num_copies), optimizer)
    if weight_decay is None:
        return optimizer
    return optax.chain(optimizer, decay_after_change(weight_decay, decay_biases))


def piecewise(
    values: Float[Array, " pieces"], changes: tuple[int, ...], changes_per_epoch: int = 1
) -> ScalarOrSchedule:
    """Return `Schedule(values, changes)` in optax's form, with values that may be traced.

    Args:
      values: one number per piece.
      changes: epochs at which the next piece begins.
      changes_per_epoch: weight changes in one epoch: 1, or the number of cases.

    Returns:
      A function of the number of weight changes; the one number itself where nothing changes.
    """
    if not changes:
        return values[0]

    def at(count: Int[Array, ""]) -> Any:
        value = values[0]
        for later, change in zip(values[1:], changes, strict=True):
            start = min(change * changes_per_epoch, MOST_CHANGES)
            value = jnp.where(count >= start, later, value)
        return value

    return at
