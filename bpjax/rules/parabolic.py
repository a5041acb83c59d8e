"""Quickprop: every weight jumps to the bottom of the parabola through its last two slopes.

Source: S. E. Fahlman, "An empirical study of learning speed in back-propagation networks", CMU
technical report CMU-CS-88-162, 1988, and his program, which settles what the report leaves open.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from bpjax.numbers import real_number
from bpjax.schedule import ScalarOrSchedule, value_at


class QuickpropState(NamedTuple):
    """Memory of quickprop.

    Attributes:
      count: weight changes made so far.
      change: the last of them, like `params`.
      slope: S at the last change, likewise.
    """

    count: Int[Array, ""]  # type: ignore[assignment]
    change: Any
    slope: Any


def quickprop(
    learning_rate: ScalarOrSchedule, *, mu: float = 1.75, decay: float = 0.0
) -> optax.GradientTransformation:
    """Jump to where the slope would be zero if it went on changing as it just did.

    With S(t) = dE/dw(t) + decay w(t), eps -> `learning_rate`, for every weight by itself, the
    change is a jump and a step by the slope, Dw(t) = jump(t) + step(t):

    - jump(t) = Dw(t-1) S(t) / (S(t-1) - S(t)), the bottom of the parabola;
    - jump(t) = mu Dw(t-1) instead, where that is nearer or the parabola has no bottom ahead: where
      the slope is still downhill in the direction of Dw(t-1) and at least mu / (1 + mu) times as
      steep as it was, or uphill and it was uphill as much before;
    - step(t) = -eps S(t) where Dw(t-1) = 0, or the slope is still downhill in its direction; else,
      beyond a minimum, step(t) = 0.

    Args:
      learning_rate: eps, positive; a number, or a schedule of the number of changes made so far.
      mu: how much longer than the last a jump may be, above 0.
      decay: what pulls a weight towards 0 within the slope, 0 or above. Fahlman's program has 1e-4
        for tasks whose weights would grow without end. It is not the recipe's `weight_decay`, which
        acts after the change.

    Returns:
      An optax transformation whose updates are the weight changes; with a decay its `update`
      needs `params`. By name: "quickprop", or "quickprop(mu=2)" with any of the options.

    Raises:
      SettingError: for an option that breaks its rule.

    Example:
      E = w^2 / 2 from w = 1: a step by the slope, two jumps as long as mu allows, each with a step,
      then the bottom:

      >>> rule = quickprop(0.1)
      >>> weight = jnp.array(1.0)
      >>> state = rule.init(weight)
      >>> for _ in range(4):
      ...     change, state = rule.update(weight, state, weight)
      ...     weight = weight + change
      ...     print(round(float(weight), 4))
      0.9
      0.635
      0.1077
      -0.0108

    Note:
      Fahlman's program can divide eps by the number of weights into the unit; here eps is the same
      for all. That he adds 0.1 to the derivative of the logistic is a matter of the unit.
    """
    real_number("mu", mu, "must be above 0", lambda x: x > 0)
    real_number("decay", decay, "must be 0 or above", lambda x: x >= 0)
    shrink = mu / (1 + mu)

    def init(params: Any) -> QuickpropState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return QuickpropState(jnp.zeros((), jnp.int32), zeros, zeros)

    def update(grads: Any, state: QuickpropState, params: Any = None) -> tuple[Any, QuickpropState]:
        eps = value_at(learning_rate, state.count)

        def change(slope: Any, last_slope: Any, last: Any) -> Any:
            # How steep it goes down in the direction of the last change, now and before.
            down, down_before = -jnp.sign(last) * slope, -jnp.sign(last) * last_slope
            bottom = last * slope / (last_slope - slope)
            jump = jnp.where(down >= shrink * down_before, mu * last, bottom)
            by_slope = (down > 0) | (last == 0)
            return jump + jnp.where(by_slope, -eps * slope, jnp.zeros_like(slope))

        slopes = jax.tree.map(lambda g, w: g + decay * w, grads, params) if decay else grads
        changes = jax.tree.map(change, slopes, state.slope, state.change)
        return changes, QuickpropState(state.count + 1, changes, slopes)

    return optax.GradientTransformation(init, update)
