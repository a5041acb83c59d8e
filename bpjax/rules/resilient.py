"""Rprop: steps that grow while a derivative keeps its sign, and know nothing of its size.

Source: M. Riedmiller and H. Braun, "A direct adaptive method for faster backpropagation learning:
the RPROP algorithm", Proc. IEEE Int. Conf. on Neural Networks, San Francisco 1993, 586-591.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from bpjax.errors import SettingError
from bpjax.numbers import real_number


class RpropState(NamedTuple):
    """Memory of Rprop.

    Attributes:
      step: size of each weight's next step, like `params`.
      sign: sign of each derivative at the last change; 0 at first, and after it has changed.
    """

    step: Any
    sign: Any


def rprop(
    first_step: Any,
    *,
    grow: float = 1.2,
    shrink: float = 0.5,
    smallest_step: float = 1e-6,
    largest_step: float = 50.0,
    backtracking: bool = False,
) -> optax.GradientTransformation:
    """Step by the sign of the derivative, the further the longer it has kept that sign.

    With s(t) = sign dE/dw(t), for every weight by itself:

    - s(t) s(t-1) > 0: step(t) = min(grow step(t-1), largest_step), Dw(t) = -s(t) step(t);
    - s(t) s(t-1) < 0: step(t) = max(shrink step(t-1), smallest_step), Dw(t) = 0, and s(t) counts
      as 0 from now on, so that the next change neither grows nor shrinks;
    - s(t) s(t-1) = 0: step(t) = step(t-1), Dw(t) = -s(t) step(t).

    This is the rule as simulators of the time had it. In the paper's own form, `backtracking`, a
    derivative that changes its sign takes the last step back: then Dw(t) = -Dw(t-1).

    Args:
      first_step: step(0), positive; what `learning_rate` is to other rules. It is taken as it is,
        also where it lies beyond the limits.
      grow: eta+ of the paper, above 1.
      shrink: eta- of the paper, between 0 and 1.
      smallest_step: above 0.
      largest_step: at least `smallest_step`.
      backtracking: whether the last step is taken back where a derivative changes its sign.

    Returns:
      An optax transformation whose updates are the weight changes. By name: "rprop", or
      "rprop(backtracking=true)" with any of the options.

    Raises:
      SettingError: for an option that breaks its rule.

    Example:
      E = w^2 / 2 from w = 1. The third step goes beyond the minimum; the fourth change is none:

      >>> rule = rprop(0.4)
      >>> weight = jnp.array(1.0)
      >>> state = rule.init(weight)
      >>> for _ in range(5):
      ...     change, state = rule.update(weight, state)
      ...     weight = weight + change
      ...     print(round(float(change), 4))
      -0.4
      -0.48
      -0.576
      0.0
      0.288

    Note:
      `optax.rprop` (0.2.8) makes each change one epoch late.
    """
    _check("grow", grow, "must be above 1", lambda x: x > 1)
    _check("shrink", shrink, "must be above 0 and below 1", lambda x: 0 < x < 1)
    _check("smallest_step", smallest_step, "must be above 0", lambda x: x > 0)
    rule = f"must be at least the smallest, {smallest_step}"
    _check("largest_step", largest_step, rule, lambda x: x >= smallest_step)
    if not isinstance(backtracking, bool):
        raise SettingError("backtracking", "must be true or false", backtracking)

    def init(params: Any) -> RpropState:
        steps = jax.tree.map(lambda w: jnp.full_like(w, first_step), params)
        return RpropState(steps, jax.tree.map(jnp.zeros_like, params))

    def update(grads: Any, state: RpropState, params: Any = None) -> tuple[Any, RpropState]:
        del params
        signs = jax.tree.map(jnp.sign, grads)
        kept = jax.tree.map(lambda s, last: s * last, signs, state.sign)
        steps = jax.tree.map(next_step, kept, state.step)
        changes = jax.tree.map(change, kept, signs, steps, state.sign, state.step)
        counted = jax.tree.map(lambda k, s: jnp.where(k < 0, jnp.zeros_like(s), s), kept, signs)
        return changes, RpropState(steps, counted)

    def next_step(kept: Any, step: Any) -> Any:
        longer = jnp.minimum(grow * step, largest_step)
        shorter = jnp.maximum(shrink * step, smallest_step)
        return jnp.where(kept > 0, longer, jnp.where(kept < 0, shorter, step))

    def change(kept: Any, sign: Any, step: Any, last_sign: Any, last_step: Any) -> Any:
        # Where a sign has changed there was one, so the last change was -last_sign * last_step.
        at_change = last_sign * last_step if backtracking else jnp.zeros_like(step)
        return jnp.where(kept < 0, at_change, -sign * step)

    return optax.GradientTransformation(init, update)


def _check(option: str, value: Any, rule: str, holds: Callable[[float], bool]) -> None:
    real_number(option, value, rule, holds)
