"""What a solved network has learned, measured from its weights. Arrays in, numbers out."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class MirrorWeights(NamedTuple):
    """The weights of symmetry detectors, split into a mirrored and a common part.

    Attributes:
      asymmetry: per hidden unit the share of its weights that is *not* mirror-antisymmetric,
        sum |w_k + w_k'| / sum (|w_k| + |w_k'|) over mirror pairs (k, k'): 0 for the solution that
        the paper describes, 1 for weights that are equal in mirror places.
      sizes: per hidden unit the sizes (|w_k| + |w_k'|) / 2 of its pairs, in increasing order,
        divided by the smallest: the paper's 1 : 2 : 4.
      order: per hidden unit the places of these pairs, counted from the edge inwards from 0.
    """

    asymmetry: NDArray[np.floating]
    sizes: NDArray[np.floating]
    order: NDArray[np.integer]


def mirror_weights(weights: NDArray[np.floating]) -> MirrorWeights:
    """Measure how mirror-antisymmetric the incoming weights of hidden units are.

    Args:
      weights: shape (..., bits): the weights from all inputs to one hidden unit, `bits` even.

    Returns:
      Arrays of shape (...), (..., bits / 2) and (..., bits / 2).

    Example:
      Unit A of PDP ch. 8, Fig. 9:

      >>> unit = np.array([-3.18, 6.32, -12.56, 12.56, -6.33, 3.17])
      >>> mirror = mirror_weights(unit)
      >>> mirror.sizes.round(2).tolist(), mirror.asymmetry.round(4).item()
      ([1.0, 1.99, 3.96], 0.0005)
    """
    half = weights.shape[-1] // 2
    left, right = weights[..., :half], weights[..., : half - 1 : -1]
    size = (np.abs(left) + np.abs(right)) / 2
    asymmetry = np.abs(left + right).sum(axis=-1) / (2 * size.sum(axis=-1))
    ordered = np.sort(size, axis=-1)
    return MirrorWeights(asymmetry, ordered / ordered[..., :1], np.argsort(size, axis=-1))


def distinct_sums(weights: NDArray[np.floating], smallest_gap: float) -> NDArray[np.bool_]:
    """Tell whether all half-patterns drive a unit differently, as detecting symmetry needs.

    Args:
      weights: shape (..., bits), `bits` even.
      smallest_gap: sums nearer than this share of the largest pair's size count as equal.

    Returns:
      Per unit, whether the 2**(bits / 2) sums over one half of the input are all distinct.
    """
    half = weights.shape[-1] // 2
    pair = (weights[..., :half] - weights[..., : half - 1 : -1]) / 2
    patterns = np.array(list(np.ndindex(*[2] * half)))
    sums = np.sort(pair @ patterns.T, axis=-1)
    gaps = np.diff(sums, axis=-1).min(axis=-1)
    return gaps > smallest_gap * np.abs(pair).max(axis=-1)
