"""What initial weights are drawn from: one function for each distribution, by name.

A distribution makes, from the raw draws of one array of weights or biases, the numbers at which a
run starts. All draws of a run come from its key in one vector, so what one connection gets does not
depend on what another one's distribution is, and a wider distribution stretches the same draws.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bpjax.numbers import real_number


class Site(NamedTuple):
    """Where numbers are drawn: the weights of one connection, or the biases of one layer.

    Attributes:
      raw: of "uniform" or "normal", the raw draws, in the shape of the numbers: uniform on [-1, 1),
        or with mean 0 and standard deviation 1.
      init_range: of the recipe.
      fan_in: how many weights enter the unit that a number leads to, all connections together;
        absent ones do not count, nor do biases. An array in the shape of the numbers.
      fan_out: how many leave the unit that it comes from; likewise. Of no use for biases.
      num_units: how many units the layer has that the numbers lead to.
      biases: whether these are biases.
      to_output: whether they lead to an output layer.
      fellows: the raw uniform draws (num_in, num_units) of all connections into the layer that have
        this distribution, and which of them exist.
    """

    raw: Callable[[str], Array]
    init_range: Array
    fan_in: Float[np.ndarray, "..."]
    fan_out: Float[np.ndarray, "..."]
    num_units: int
    biases: bool
    to_output: bool
    fellows: Callable[[], list[tuple[Array, np.ndarray]]]


Draw = Callable[[Site], Array]


class Distribution(NamedTuple):
    """A distribution that settings can name.

    Attributes:
      make: the distribution; its keyword-only arguments are options: `NAME(key=value, ...)`.
      uses_range: whether the recipe's `init_range` has a meaning for it.
    """

    make: Callable[..., Draw]
    uses_range: bool = False


def uniform() -> Draw:
    """Draw uniformly from [-init_range, init_range], biases likewise: "uniform".

    As the paper states for the symmetry net, with 0.3.
    """
    return lambda site: site.raw("uniform") * site.init_range


def normal() -> Draw:
    """Draw from the normal distribution with mean 0 and standard deviation init_range: "normal".

    Biases likewise.
    """
    return lambda site: site.raw("normal") * site.init_range


def zero() -> Draw:
    """Start at 0, biases too: "zero". Hidden units that start alike stay alike."""
    return lambda site: jnp.zeros_like(site.raw("uniform"))


def between(*, low: float = -1.0, high: float = 1.0) -> Draw:
    """Draw uniformly from [low, high], biases likewise: "range(low=-0.2, high=0.8)".

    (low + high) / 2 + u (high - low) / 2, with u uniform on [-1, 1). `init_range` is not used.

    Args:
      low: any number.
      high: at least `low`; where it is the same, all weights are.

    Raises:
      SettingError: for an option that breaks its rule.
    """
    real_number("low", low, "must be a finite number", lambda x: True)
    real_number("high", high, f"must be at least the low end, {low}", lambda x: x >= low)
    centre, half = (low + high) / 2, (high - low) / 2
    return lambda site: centre + half * site.raw("uniform")


def glorot(*, normal: bool = False, gain: float = 1.0) -> Draw:
    """Draw so that signals and gradients both keep their size, on average: "glorot".

    Uniform on +-gain sqrt(6 / (fan_in + fan_out)), or normal with standard deviation
    gain sqrt(2 / (fan_in + fan_out)). Biases start at 0. `init_range` is not used. (X. Glorot and
    Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010, equation 16: for tanh units.)

    Args:
      normal: whether the draws are normal.
      gain: above 0; 4 for logistic units, whose slope at 0 is a quarter of that of tanh.

    Raises:
      SettingError: for an option that breaks its rule.
    """
    return _scaled(normal, gain, lambda fan_in, fan_out: 2 / (fan_in + fan_out))


def he(*, normal: bool = True, gain: float = 1.0) -> Draw:
    """Draw so that signals keep their size through units that pass half of them on: "he".

    Normal with standard deviation gain sqrt(2 / fan_in), not truncated, or uniform on
    +-gain sqrt(6 / fan_in). Biases start at 0. `init_range` is not used. (K. He, X. Zhang, S. Ren
    and J. Sun, "Delving deep into rectifiers", ICCV 2015, equation 10: for rectifiers.)

    Args:
      normal: whether the draws are normal.
      gain: above 0.

    Raises:
      SettingError: for an option that breaks its rule.
    """
    return _scaled(normal, gain, lambda fan_in, fan_out: 2 / fan_in)


def lecun(*, normal: bool = False, gain: float = 1.0) -> Draw:
    """Draw so that the total input of a unit has variance 1 if its inputs have: "lecun".

    Uniform on +-gain sqrt(3 / fan_in), or normal with standard deviation gain sqrt(1 / fan_in).
    Biases start at 0. `init_range` is not used. (Y. LeCun, L. Bottou, G. Orr and K.-R. Mueller,
    "Efficient BackProp", 1998, equation 16: for units 1.7159 tanh(2 x / 3), inputs of mean 0 and
    variance 1; "drawn from a distribution (e.g. uniform)".)

    Args:
      normal: whether the draws are normal.
      gain: above 0.

    Raises:
      SettingError: for an option that breaks its rule.
    """
    return _scaled(normal, gain, lambda fan_in, fan_out: 1 / fan_in)


def nguyen_widrow(*, factor: float = 0.7) -> Draw:
    """Spread the slopes of a layer's units over the space of its inputs: "nguyen-widrow".

    The weights into a hidden unit have a random direction, drawn uniformly from a cube, and the
    length beta = factor H^(1 / N), with H units in the layer and N weights into the unit; its bias
    is uniform on [-beta, beta]. Weights and biases of output layers are uniform on
    [-init_range, init_range] (0.5 in the paper). Not for tied weights. (D. Nguyen and B. Widrow,
    "Improving the learning speed of 2-layer neural networks by choosing initial values of the
    adaptive weights", IJCNN 1990, III, 21-26: for tanh units and inputs from -1 to 1.)

    Args:
      factor: above 0; 1.4 for logistic units, whose slope is spread over twice the width.

    Raises:
      SettingError: for an option that breaks its rule.
    """
    real_number("factor", factor, "must be above 0", lambda x: x > 0)

    def draw(site: Site) -> Array:
        raw = site.raw("uniform")
        if site.to_output:
            return raw * site.init_range
        beta = _like(raw, factor * site.num_units ** (1 / site.fan_in))
        if site.biases:
            return beta * raw
        fellows = site.fellows()
        bits = (30 - sum(len(each) for each, _ in fellows).bit_length()) // 2
        squares = [jnp.where(there, _odd(each, bits) ** 2, 0) for each, there in fellows]
        total = jnp.sum(jnp.concatenate(squares), 0, keepdims=True)
        length = jnp.sqrt(jnp.maximum(total, 1).astype(raw.dtype))
        return _odd(raw, bits).astype(raw.dtype) * (beta / length)

    return draw


def _odd(raw: Array, bits: int) -> Array:
    """Return draws from [-1, 1) as odd whole numbers below 2**bits.

    A sum of their squares is the same in any order and in any program, and it is never 0.
    """
    return 2 * jnp.floor(raw * 2.0 ** (bits - 1)).astype(jnp.int32) + 1


def _scaled(
    normal: bool, gain: float, variance: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Draw:
    real_number("gain", gain, "must be above 0", lambda x: x > 0)

    def draw(site: Site) -> Array:
        raw = site.raw("normal" if normal else "uniform")
        if site.biases:
            return jnp.zeros_like(raw)
        deviation = gain * np.sqrt(variance(site.fan_in, site.fan_out))
        return raw * _like(raw, deviation if normal else np.sqrt(3) * deviation)

    return draw


def _like(raw: Array, numbers: np.ndarray) -> Array:
    """Return numbers in the precision of the draws; what is too large is infinite there."""
    with np.errstate(over="ignore"):
        return jnp.asarray(numbers, raw.dtype)


DISTRIBUTIONS: dict[str, Distribution] = {
    "uniform": Distribution(uniform, uses_range=True),
    "normal": Distribution(normal, uses_range=True),
    "range": Distribution(between),
    "zero": Distribution(zero),
    "glorot": Distribution(glorot),
    "he": Distribution(he),
    "lecun": Distribution(lecun),
    "nguyen-widrow": Distribution(nguyen_widrow, uses_range=True),
}
"""Distributions by name."""
