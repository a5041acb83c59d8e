"""Delta-bar-delta: every weight has a learning rate of its own, which learns too.

Source: R. A. Jacobs, "Increased rates of convergence through learning rate adaptation", Neural
Networks 1(4), 1988, 295-307.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from bpjax.numbers import real_number


class DeltaBarDeltaState(NamedTuple):
    """Memory of delta-bar-delta.

    Attributes:
      rate: the learning rate of every weight, like `params`.
      mean: delta-bar, the running mean of every derivative, likewise.
    """

    rate: Any
    mean: Any


def delta_bar_delta(
    first_rate: Any, *, kappa: float = 0.035, phi: float = 0.333, theta: float = 0.7
) -> optax.GradientTransformation:
    """Raise a weight's rate while its derivative keeps its sign, and cut it where that changes.

    With delta(t) = dE/dw(t), its mean bar(0) = 0 and rate(0) = `first_rate`, for every weight by
    itself:

    - bar(t-1) delta(t) > 0: rate(t) = rate(t-1) + kappa;
    - bar(t-1) delta(t) < 0: rate(t) = (1 - phi) rate(t-1);
    - bar(t-1) delta(t) = 0: rate(t) = rate(t-1);
    - bar(t) = (1 - theta) delta(t) + theta bar(t-1), and Dw(t) = -rate(t) delta(t).

    So rates grow by equal steps and shrink by equal shares: quickly away from what oscillates.

    Args:
      first_rate: rate(0), positive; what `learning_rate` is to other rules.
      kappa: what is added, 0 or above.
      phi: the share that is cut, at least 0 and below 1.
      theta: the share of the mean that is kept, at least 0 and below 1.

    Returns:
      An optax transformation whose updates are the weight changes. By name: "delta-bar-delta", or
      "delta-bar-delta(kappa=0.1)" with any of the options.

    Raises:
      SettingError: for an option that breaks its rule.

    Example:
      E = w^2 / 2 from w = 1. The fourth change goes beyond the minimum, the fifth is made with a
      rate that was cut:

      >>> rule = delta_bar_delta(0.4, kappa=0.4, phi=0.5)
      >>> weight = jnp.array(1.0)
      >>> state = rule.init(weight)
      >>> for _ in range(4):
      ...     change, state = rule.update(weight, state)
      ...     weight = weight + change
      ...     print(round(float(state.rate), 4), round(float(weight), 4))
      0.4 0.6
      0.8 0.12
      1.2 -0.024
      0.6 -0.0096

    Note:
      The paper chooses kappa, phi and theta anew for each of its tasks. The defaults are those that
      are handed down for its exclusive-or; they suit a `first_rate` below 1. Its "hybrid" rule,
      which has momentum too, is not served.
    """
    real_number("kappa", kappa, "must be 0 or above", lambda x: x >= 0)
    for option, value in (("phi", phi), ("theta", theta)):
        real_number(option, value, "must be at least 0 and below 1", lambda x: 0 <= x < 1)

    def init(params: Any) -> DeltaBarDeltaState:
        rates = jax.tree.map(lambda w: jnp.full_like(w, first_rate), params)
        return DeltaBarDeltaState(rates, jax.tree.map(jnp.zeros_like, params))

    def update(
        grads: Any, state: DeltaBarDeltaState, params: Any = None
    ) -> tuple[Any, DeltaBarDeltaState]:
        del params
        rates = jax.tree.map(next_rate, grads, state.mean, state.rate)
        means = jax.tree.map(lambda g, bar: (1 - theta) * g + theta * bar, grads, state.mean)
        changes = jax.tree.map(lambda g, rate: -rate * g, grads, rates)
        return changes, DeltaBarDeltaState(rates, means)

    def next_rate(grad: Any, mean: Any, rate: Any) -> Any:
        # The signs' product, not the numbers': that of two small ones would be zero.
        agree = jnp.sign(grad) * jnp.sign(mean)
        cut = jnp.where(agree < 0, (1 - phi) * rate, rate)
        return jnp.where(agree > 0, rate + kappa, cut)

    return optax.GradientTransformation(init, update)
