"""Learning rules: equations (8) and (9) as optax transformations, and others by name.

Two conventions differ from optax. The paper's velocity is the last *weight change*: it already
contains the learning rate, so after a change of rate it still remembers the old one. And its
decay shrinks every weight *after* each change, apart from the gradient.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from bpjax.errors import SettingError
from bpjax.named import Option, as_fault_of, read_named, spell_named
from bpjax.params import Params
from bpjax.rules.by_optax import (
    OPTAX,
    adagrad,
    adam,
    adamw,
    maker_by_optax,
    momentum_descent,
    nesterov,
    rmsprop,
    works,
)
from bpjax.rules.own_rates import delta_bar_delta
from bpjax.rules.parabolic import quickprop
from bpjax.rules.resilient import rprop
from bpjax.schedule import ScalarOrSchedule, value_at


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
        eps, alpha = value_at(learning_rate, state.count), value_at(momentum, state.count)
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


class NamedRule(NamedTuple):
    """A learning rule that settings can name.

    Attributes:
      make: the rule, from a learning rate and, if it has one, a momentum; its keyword-only
        arguments are options: `NAME(key=value, ...)`.
      has_momentum: whether it takes a momentum.
      rate_may_change: whether the learning rate may follow a schedule.
      memory_shows: whether a memory that is not finite makes changes that are not, so that weights
        show it at once.
    """

    make: Callable[..., optax.GradientTransformation]
    has_momentum: bool = True
    rate_may_change: bool = True
    memory_shows: bool = False


OPTIMIZERS: dict[str, NamedRule] = {
    "paper": NamedRule(accelerated_descent, memory_shows=True),
    "sgd": NamedRule(momentum_descent, memory_shows=True),
    "nesterov": NamedRule(nesterov, memory_shows=True),
    "adam": NamedRule(adam, has_momentum=False),
    "adamw": NamedRule(adamw, has_momentum=False),
    "adagrad": NamedRule(adagrad, has_momentum=False),
    "rmsprop": NamedRule(rmsprop, has_momentum=False),
    "rprop": NamedRule(rprop, has_momentum=False, rate_may_change=False),
    "quickprop": NamedRule(quickprop, has_momentum=False),
    "delta-bar-delta": NamedRule(delta_bar_delta, has_momentum=False, rate_may_change=False),
}
"""Learning rules by name."""


def rule_named(name: str) -> NamedRule:
    """Return the rule of a name: in `OPTIMIZERS`, or "optax.NAME".

    Raises:
      KeyError: for another name.
      SettingError: if optax has no rule of the name.

    Example:
      >>> rule_named("optax.lion").rate_may_change, rule_named("optax.rprop").rate_may_change
      (True, False)
    """
    return _rule_by_optax(name) if name.startswith(OPTAX) else OPTIMIZERS[name]


@functools.cache
def _rule_by_optax(name: str) -> NamedRule:
    make = maker_by_optax(name)
    return NamedRule(make, has_momentum=False, rate_may_change=works(make, lambda count: 0.1))


def name_of(optimizer: Any) -> str | None:
    """Return the name of a rule that is given by name, without its options; else None.

    Example:
      >>> name_of("rprop(backtracking=true)"), name_of(optax.adam(0.1)), name_of("else")
      ('rprop', None, None)
    """
    name = optimizer.partition("(")[0].strip() if isinstance(optimizer, str) else ""
    return name if name in OPTIMIZERS or name.startswith(OPTAX) else None


@functools.cache
def numbers_remembered(name: str) -> int:
    """Return how many numbers the rule of this name keeps for every weight.

    Example:
      >>> numbers_remembered("paper"), numbers_remembered("rprop")
      (1, 2)
    """
    memory = jax.eval_shape(_make(name, 1.0, 0.0, {}).init, jax.ShapeDtypeStruct((), jnp.float32))
    return sum(jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in jax.tree.leaves(memory))


def ignores_momentum(optimizer: Any) -> bool:
    """Tell whether no momentum changes what a rule does: by its name, or because it is a user's."""
    name = name_of(optimizer)
    return name is None or not rule_named(name).has_momentum


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
    if name_of(optimizer) is None:
        rule = f"must be one of {', '.join(OPTIMIZERS)}, optax.NAME, or an optax transformation"
        raise SettingError("optimizer", rule, optimizer, OPTIMIZERS)
    name, options = _read(optimizer)
    with as_fault_of("optimizer", optimizer):
        _make(name, 1.0, 0.0, options)
    if name.startswith(OPTAX) and not works(rule_named(name).make, 1.0, **options):
        raise SettingError("optimizer", "must have options that optax can follow", optimizer)
    return spell_named(name, options)


def _read(text: str) -> tuple[str, Mapping[str, Option]]:
    names = [*OPTIMIZERS, *filter(None, [name_of(text)])]
    return read_named("optimizer", text, {name: rule_named(name).make for name in names})


def _make(
    name: str, learning_rate: Any, momentum: Any, options: Mapping[str, Option]
) -> optax.GradientTransformation:
    rule = rule_named(name)
    rates = (learning_rate, momentum) if rule.has_momentum else (learning_rate,)
    return rule.make(*rates, **options)


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
      optimizer: a name in `OPTIMIZERS` or "optax.NAME", with options, or a transformation of the
        user's own.
      learning_rate: number or schedule of the number of weight changes made so far.
      momentum: likewise.
      weight_decay: share of every weight lost after each change, or a schedule; None leaves decay
        out.
      decay_biases: whether biases decay too.
      num_copies: gradients, which are sums over so many corresponding weights, are averaged.
    """
    if isinstance(optimizer, str):
        name, options = _read(optimizer)
        optimizer = _make(name, learning_rate, momentum, options)
    if num_copies > 1:
        optimizer = optax.chain(optax.scale(1 / num_copies), optimizer)
    if weight_decay is None:
        return optimizer
    return optax.chain(optimizer, decay_after_change(weight_decay, decay_biases))
