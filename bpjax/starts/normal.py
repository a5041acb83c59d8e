"""Standard normal draws with the same bits in every program.

`jax.random.normal` takes a logarithm and a polynomial, of which compilers round the last bit in
other ways in the middle of an array than at its end, so a run's weights would depend on its
neighbours. Here a draw is one entry of a table plus one product that is exact in float32: there is
a single rounding, and no program can make it in another way.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float32, UInt32

_PIECES = 10  # bits: every octave of the tail's probability is cut into 2**10 pieces
_BITS = 23  # of the probability; one more is the sign


def standard_normal(bits: UInt32[Array, " n"]) -> Float32[Array, " n"]:
    """Return the standard normal quantiles that random bits stand for.

    The first bit is the sign, the next 23, with a half added, the probability p < 1/2 of the tail
    beyond, in units of 2**-24: |z| = -Phi^-1(p), up to 5.42, within 3e-7.

    Example:
      >>> standard_normal(jnp.array([0x7FFFFFFF, 0x40000000, 0xC0000000], jnp.uint32)).round(3)
      Array([ 0.   ,  0.674, -0.674], dtype=float32)
    """
    tail = (bits >> 8) & (2**_BITS - 1)
    # Tails below 2**10 have entries of their own; 2**s of one entry share a straight line.
    octave = 31 - jax.lax.clz(tail).astype(jnp.int32)
    s = jnp.maximum(octave - _PIECES, 0).astype(jnp.uint32)
    place = ((tail >> s) + (s << _PIECES)).astype(jnp.int32)
    steps = (tail & ((jnp.uint32(1) << s) - 1)).astype(jnp.float32)
    first, slope = map(jnp.asarray, _lines())
    size = first[place] + slope[place] * steps
    return jnp.where(bits >> 31 == 1, -size, size)


@functools.cache
def _lines() -> tuple[np.ndarray, np.ndarray]:
    """Return where the straight lines begin, and their slopes per step.

    A slope has 12 bits and there are fewer than 2**12 steps, so that their product has 24.
    """
    num_steps = 2 ** np.repeat(np.arange(_BITS - _PIECES), 2**_PIECES)
    starts = np.tile(np.arange(2**_PIECES, 2 ** (_PIECES + 1)), _BITS - _PIECES) * num_steps
    starts = np.concatenate([np.arange(2**_PIECES), starts]).astype(float)
    last = np.concatenate([np.zeros(2**_PIECES), num_steps - 1])

    def quantile(tail: np.ndarray) -> np.ndarray:
        return -scipy.special.ndtri((tail + 0.5) * 2.0 ** -(_BITS + 1))

    begin, middle, end = (quantile(starts + share * last) for share in (0, 0.5, 1))
    mantissa, exponent = np.frexp((end - begin) / np.maximum(last, 1))
    slope = np.ldexp(np.round(mantissa * 2**12), exponent - 12)
    # A quantile is convex: a line is as much too high in the middle as it is too low at the ends.
    ends = (begin + end) / 2
    first = (ends + middle) / 2 - slope * last / 2
    return first.astype(np.float32), slope.astype(np.float32)
