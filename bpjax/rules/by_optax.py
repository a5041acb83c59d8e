"""Learning rules that optax computes, each with all its constants said.

What a rule does is fixed here, whatever the defaults of an optax to come. Options have the names
they have in optax. A rule that has no name here is had as "optax.NAME", as the optax that is there
makes it.
"""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, get_args

import jax
import jax.numpy as jnp
import optax

from bpjax.errors import SettingError
from bpjax.named import Option
from bpjax.numbers import real_number, whole_number
from bpjax.schedule import ScalarOrSchedule


def momentum_descent(
    learning_rate: ScalarOrSchedule, momentum: ScalarOrSchedule
) -> optax.GradientTransformation:
    """Descend with momentum as optax has it: "sgd".

    v(t) = dE/dw(t) + momentum v(t-1), v(0) = 0, and Dw(t) = -learning_rate v(t): equation (9), at a
    constant rate. (B. T. Polyak, USSR Comp. Math. and Math. Phys. 4(5), 1964: the heavy ball.)
    """
    return optax.sgd(learning_rate, momentum=momentum, nesterov=False)


def nesterov(
    learning_rate: ScalarOrSchedule, momentum: ScalarOrSchedule
) -> optax.GradientTransformation:
    """Descend with momentum that looks ahead: "nesterov".

    v(t) = dE/dw(t) + momentum v(t-1), v(0) = 0, and
    Dw(t) = -learning_rate (dE/dw(t) + momentum v(t)).

    The weights that are trained, judged and kept are those *ahead*, at which the derivative is
    taken: w = u + momentum Du, where u is the point of the paper. Without momentum it is plain
    descent. (Y. Nesterov, Soviet Math. Doklady 27(2), 1983, 372-376; in this form I. Sutskever, J.
    Martens, G. Dahl and G. Hinton, ICML 2013, and Y. Bengio, N. Boulanger-Lewandowski and R.
    Pascanu, ICASSP 2013, 3.5.)
    """
    return optax.sgd(learning_rate, momentum=momentum, nesterov=True)


def adam(
    learning_rate: ScalarOrSchedule, *, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Descend by running means of the derivative and its square: "adam".

    With g = dE/dw(t), m(0) = v(0) = 0 and t from 1:
    m(t) = b1 m(t-1) + (1 - b1) g, v(t) = b2 v(t-1) + (1 - b2) g^2,
    Dw(t) = -learning_rate m(t)/(1 - b1^t) / (sqrt(v(t)/(1 - b2^t)) + eps).

    Both means are corrected for their start at 0; `eps` stands outside the root.
    (D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.)

    Args:
      learning_rate: number or schedule.
      b1: at least 0 and below 1.
      b2: likewise.
      eps: above 0.

    Raises:
      SettingError: for an option that breaks its rule.
    """
    _check_adam(b1, b2, eps)
    return optax.adam(learning_rate, b1=b1, b2=b2, eps=eps, eps_root=0.0)


def adamw(
    learning_rate: ScalarOrSchedule,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-4,
) -> optax.GradientTransformation:
    """Descend as "adam" does, and pull every weight towards 0 beside it: "adamw".

    Dw(t) = (the change of "adam") - learning_rate weight_decay w(t), biases like weights.
    (I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2;
    times the learning rate, which the paper keeps out of it, as in optax and PyTorch.)

    Its `weight_decay` is not the recipe's, which shrinks the weight *after* the change by a share
    that no learning rate touches: w <- (1 - r) (w + Dw), see `bpjax.decay_after_change`. A recipe
    that has both does both.

    Args:
      learning_rate: number or schedule.
      b1: at least 0 and below 1.
      b2: likewise.
      eps: above 0.
      weight_decay: at least 0.

    Raises:
      SettingError: for an option that breaks its rule.
    """
    _check_adam(b1, b2, eps)
    real_number("weight_decay", weight_decay, "must be 0 or above", lambda x: x >= 0)
    return optax.adamw(
        learning_rate,
        b1=b1,
        b2=b2,
        eps=eps,
        eps_root=0.0,
        weight_decay=weight_decay,
        mask=None,
        nesterov=False,
    )


def adagrad(
    learning_rate: ScalarOrSchedule, *, initial_accumulator_value: float = 0.1, eps: float = 1e-7
) -> optax.GradientTransformation:
    """Divide the derivative by the root of the sum of all its squares so far: "adagrad".

    With g = dE/dw(t) and s(0) = initial_accumulator_value: s(t) = s(t-1) + g^2, and
    Dw(t) = -learning_rate g / sqrt(s(t) + eps), or no change while s(t) is 0.

    (J. Duchi, E. Hazan and Y. Singer, J. Machine Learning Research 12, 2011, 2121-2159, with
    diagonal matrices: there s(0) = 0, and a small number is added to the root; 0.1, and 1e-7 inside
    the root, as in optax.)

    Args:
      learning_rate: number or schedule.
      initial_accumulator_value: 0 or above.
      eps: 0 or above.

    Raises:
      SettingError: for an option that breaks its rule.
    """
    for option, value in (("initial_accumulator_value", initial_accumulator_value), ("eps", eps)):
        real_number(option, value, "must be 0 or above", lambda x: x >= 0)
    return optax.adagrad(
        learning_rate, initial_accumulator_value=initial_accumulator_value, eps=eps
    )


def rmsprop(
    learning_rate: ScalarOrSchedule, *, decay: float = 0.9, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Divide the derivative by a running mean of its size: "rmsprop".

    With g = dE/dw(t) and v(0) = 0: v(t) = decay v(t-1) + (1 - decay) g^2, and
    Dw(t) = -learning_rate g / sqrt(v(t) + eps).

    `eps` stands inside the root; the mean is not corrected for its start at 0, so first changes
    are about three times as long as later ones. No momentum. (T. Tieleman and G. Hinton, "Lecture
    6.5: rmsprop", Coursera 2012; epsilon, which the lecture leaves out, as in optax.)

    Args:
      learning_rate: number or schedule.
      decay: at least 0 and below 1.
      eps: above 0.

    Raises:
      SettingError: for an option that breaks its rule.
    """
    _check_share("decay", decay)
    _check_above_zero("eps", eps)
    return optax.rmsprop(
        learning_rate,
        decay=decay,
        eps=eps,
        initial_scale=0.0,
        eps_in_sqrt=True,
        centered=False,
        momentum=None,
        bias_correction=False,
    )


def _check_adam(b1: float, b2: float, eps: float) -> None:
    _check_share("b1", b1)
    _check_share("b2", b2)
    _check_above_zero("eps", eps)


def _check_share(option: str, value: float) -> None:
    real_number(option, value, "must be at least 0 and below 1", lambda x: 0 <= x < 1)


def _check_above_zero(option: str, value: float) -> None:
    real_number(option, value, "must be above 0", lambda x: x > 0)


# ---- any other -----------------------------------------------------------------------------------

OPTAX = "optax."
"""What the name of a rule that only optax knows begins with."""


@functools.cache
def maker_by_optax(name: str) -> Callable[..., optax.GradientTransformation]:
    """Return what makes the rule `optax.NAME`: of a learning rate, and of options.

    Its options, keyword-only, are those that optax takes a number for, or true or false. All else
    is left as optax has it.

    Raises:
      SettingError: if optax has no rule of this name, or one that needs more than derivatives and
        weights.

    Example:
      >>> inspect.signature(maker_by_optax("optax.lion"))
      <Signature (learning_rate, *, b1=0.9, b2=0.99, weight_decay=0.001)>
    """
    function: Any = getattr(optax, name.removeprefix(OPTAX), None)
    try:
        known = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        known = []
    if not known or known[0].name != "learning_rate" or name.startswith("optax.scale_by"):
        raise SettingError("optimizer", "must be a rule of optax with a learning rate", name)
    rate, *others = known
    options = [each for each in others if _is_option(each)]
    whole = {each.name for each in options if type(each.default) is int}

    def make(learning_rate: Any, **given: Option) -> optax.GradientTransformation:
        for option in whole & given.keys():
            value = given[option]
            given[option] = whole_number(option, int(value) if value % 1 == 0 else value, 0)
        return function(learning_rate, **given)  # type: ignore[no-any-return]

    make.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [rate.replace(default=rate.empty, annotation=rate.empty)]
        + [each.replace(kind=each.KEYWORD_ONLY, annotation=each.empty) for each in options]
    )
    if not works(make, 0.1):
        rule = "must be a rule that derivatives and weights are enough for"
        raise SettingError("optimizer", rule, name)
    return make


def _is_option(parameter: inspect.Parameter) -> bool:
    """Tell whether a parameter may have a number, or be true or false."""
    may_be = get_args(parameter.annotation)
    return isinstance(parameter.default, bool | int | float) or (
        parameter.default is None and float in may_be
    )


def works(make: Callable[..., optax.GradientTransformation], rate: Any, **given: Option) -> bool:
    """Tell whether a rule can be made and followed; any word of optax means that it cannot.

    Example:
      >>> works(maker_by_optax("optax.rprop"), lambda count: 0.1)  # no schedule
      False
    """
    weights = {"weight": jnp.zeros((2, 3)), "bias": jnp.zeros(3)}

    def follow(weights: Any) -> Any:
        rule = make(rate, **given)
        return rule.update(weights, rule.init(weights), weights)

    try:
        with jax.numpy_dtype_promotion("standard"), warnings.catch_warnings(action="error"):
            jax.eval_shape(follow, weights)
    except Exception:
        return False
    return True
