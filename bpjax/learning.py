"""Learning rules: equations (8) and (9) as optax transformations, and others by name.

Two conventions differ from optax. The paper's velocity is the last *weight change*: it already
contains the learning rate, so after a change of rate it still remembers the old one. And its
decay shrinks every weight *after* each change, apart from the gradient.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from bpjax.errors import SettingError
from bpjax.named import Option, read_named, spell_named
from bpjax.params import Params
from bpjax.resilient import rprop
from bpjax.schedule import ScalarOrSchedule


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
