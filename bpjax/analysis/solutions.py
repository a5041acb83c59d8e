"""What trained networks have learned, measured from their weights or from what their units do.

Arrays in, numbers out. `bpjax.analysis.activations` turns the weights of a sweep into the hidden
activations that are asked for here. Names of classes go to `count_classes` for shares with
intervals. One family of measures each: mirror symmetry, truth tables, codes; none is long.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bpjax.analysis.convergence import Interval, success_rate
from bpjax.errors import SettingError

MIRROR_SOLUTIONS: Mapping[str, tuple[float, float]] = {"1 : 2 : 4": (2, 4), "2 : 3 : 4": (3 / 2, 2)}
"""Second and third size of three mirror pairs, smallest = 1: the paper's solution, and a second one
that turned up in the runs of `experiments/symmetry.py`."""

_OF_TWO_INPUTS = {
    0b0000: "constant",
    0b0001: "AND",
    0b0010: "x1 and not x2",
    0b0011: "x1",
    0b0100: "x2 and not x1",
    0b0101: "x2",
    0b0110: "XOR",
    0b0111: "OR",
}
"""Truth tables of cases 00, 01, 10, 11 that are off for 00."""


class ClassShare(NamedTuple):
    """How often one class of solutions was found.

    Attributes:
      num_runs: number of networks in it.
      share: their share of all networks that were counted, with its Wilson interval. The interval
        is for this class by itself, not for all classes at once.
    """

    num_runs: int
    share: Interval


class EncoderCodes(NamedTuple):
    """The hidden codes of encoder networks, rounded to 0, 0.5 and 1.

    Attributes:
      codes: the rounded hidden activations, shape (num_runs, num_patterns, num_hidden).
      num_corners: per run, how many of the 2**num_hidden corners (codes of 0 and 1 only) are used.
      intermediate: per run, the share of its hidden activations that round to 0.5.
      distinct: per run, whether all its rounded codes differ. A net whose rounded codes coincide
        may still tell its patterns apart, by differences too small for the rounding.
    """

    codes: NDArray[np.float64]
    num_corners: NDArray[np.int64]
    intermediate: NDArray[np.float64]
    distinct: NDArray[np.bool_]


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


def mirror_class(sizes: ArrayLike, near: float = 0.1) -> NDArray[np.str_]:
    """Name the solution that symmetry detectors of six inputs have found.

    Args:
      sizes: shape (..., 3), as in `MirrorWeights.sizes`: sizes of the mirror pairs, smallest = 1.
        For a net of two hidden units, take the mean of both units.
      near: how far both ratios may be from a solution's, as a share of it.

    Returns:
      A key of `MIRROR_SOLUTIONS`, or "other", per net.

    Raises:
      SettingError: for another number of pairs than three.

    Example:
      >>> mirror_class([[1, 1.99, 3.96], [1, 1.5, 2.1], [1, 1.1, 5]]).tolist()
      ['1 : 2 : 4', '2 : 3 : 4', 'other']
    """
    ratios = np.asarray(sizes, float)
    if ratios.ndim < 1 or ratios.shape[-1] != 3:
        raise SettingError("sizes", "must have shape (..., 3)", ratios.shape)
    matches = [
        np.all(np.abs(ratios[..., 1:] / np.array(solution) - 1) < near, axis=-1)
        for solution in MIRROR_SOLUTIONS.values()
    ]
    return np.select(matches, list(MIRROR_SOLUTIONS), "other")


def hidden_truth_tables(hidden: ArrayLike, threshold: float = 0.5) -> NDArray[np.bool_]:
    """Return in which cases each hidden unit is on.

    Args:
      hidden: hidden activations, shape (..., num_cases, num_hidden).
      threshold: a unit is on above it, off at and below it.

    Returns:
      Booleans, shape (..., num_hidden, num_cases): one truth table per hidden unit.

    Raises:
      SettingError: for activations that are not finite: they are neither on nor off.
    """
    activations = np.asarray(hidden, float)
    if not np.isfinite(activations).all():
        raise SettingError("hidden", "must be finite; leave such runs out", "inf or nan")
    return np.swapaxes(activations > threshold, -1, -2)


def truth_table_class(tables: ArrayLike, input_symmetries: bool = False) -> NDArray[np.int64]:
    """Return the class of networks whose hidden units have these truth tables.

    A net of logistic units computes the same when two hidden units change places, and when one is
    complemented: turn the signs of its bias and of all its weights, and add what its outgoing
    weights were to the biases they lead to, since y(-x) = 1 - y(x). A class is what remains: each
    table is taken in the version that is off in the first case, and the tables are sorted.

    Args:
      tables: booleans, shape (..., num_hidden, num_cases), from `hidden_truth_tables`.
      input_symmetries: also count as one what differs only in the order of the inputs and in which
        of them are complemented. The cases must then be all binary vectors in counting order. The
        class is coarser than the task: exclusive-or with one input complemented is its opposite,
        which costs no more than the signs of the output's weights.

    Returns:
      Shape (..., num_hidden): per hidden unit its table as a whole number, the first case as its
      highest bit, in increasing order.

    Raises:
      SettingError: for more than 63 cases, or with `input_symmetries` for a number of cases other
        than 2, 4, 8 or 16.

    Example:
      OR and AND, and NAND and OR, are one class. So are, with one input complemented, the two that
      detect either single input.

      >>> or_and = [[0, 1, 1, 1], [0, 0, 0, 1]]
      >>> nand_or = [[1, 1, 1, 0], [0, 1, 1, 1]]
      >>> either = [[0, 0, 1, 0], [0, 1, 0, 0]]
      >>> truth_table_class([or_and, nand_or, either]).tolist()
      [[1, 7], [1, 7], [2, 4]]
      >>> truth_table_class([or_and, nand_or, either], input_symmetries=True).tolist()
      [[1, 7], [1, 7], [1, 7]]
    """
    on = np.asarray(tables, bool)
    num_cases = on.shape[-1]
    if not 1 <= num_cases <= 63:
        raise SettingError("tables", "must have 1 to 63 cases", num_cases)
    if not input_symmetries or not on.shape[-2]:  # nets without hidden units are all alike
        return _canonical_codes(on)
    found: NDArray[np.int64] | None = None
    for order in _case_orders(num_cases):
        codes = _canonical_codes(on[..., order])
        found = codes if found is None else np.where(_comes_first(codes, found), codes, found)
    assert found is not None
    return found


def _canonical_codes(on: NDArray[np.bool_]) -> NDArray[np.int64]:
    off_at_first = on ^ on[..., :1]
    places = 1 << np.arange(on.shape[-1], dtype=np.int64)[::-1]
    return np.sort(off_at_first @ places, axis=-1)


def _case_orders(num_cases: int) -> list[NDArray[np.int64]]:
    """Return how the cases change places under every permutation and complement of the inputs."""
    num_inputs = num_cases.bit_length() - 1
    if num_cases not in (2, 4, 8, 16):
        rule = "must have 2, 4, 8 or 16 cases, all binary vectors, for `input_symmetries`"
        raise SettingError("tables", rule, num_cases)
    vectors = np.array(list(itertools.product((0, 1), repeat=num_inputs)))
    places = 1 << np.arange(num_inputs)[::-1]
    return [
        (vectors[:, list(order)] ^ np.array(flips)) @ places
        for order in itertools.permutations(range(num_inputs))
        for flips in vectors
    ]


def _comes_first(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which rows come first in the order of the dictionary; shape (..., 1)."""
    differ = ours != theirs
    place = np.argmax(differ, axis=-1)[..., None]  # the first difference, or 0 if there is none
    return np.take_along_axis(ours, place, -1) < np.take_along_axis(theirs, place, -1)


def class_in_words(codes: Sequence[int] | NDArray[np.integer]) -> str:
    """Say what the hidden units of one class detect, where the inputs are two.

    Each unit stands for itself and its opposite: "AND" for NAND, too.

    Args:
      codes: shape (num_hidden,), from `truth_table_class` of tables with four cases in counting
        order: 00, 01, 10, 11, the first digit being x1.

    Raises:
      SettingError: for a number that is no such code.

    Example:
      >>> class_in_words([1, 7]), class_in_words([2, 4]), class_in_words([0, 5])
      ('AND, OR', 'x1 and not x2, x2 and not x1', 'constant, x2')
    """
    for code in codes:
        if int(code) not in _OF_TWO_INPUTS:
            raise SettingError("codes", "must be whole numbers from 0 to 7", int(code))
    return ", ".join(_OF_TWO_INPUTS[int(code)] for code in codes) or "no hidden units"


def count_classes(
    labels: ArrayLike, expected: Iterable[Any] = (), level: float = 0.95
) -> dict[Any, ClassShare]:
    """Count how many networks are in each class, with the share and its interval.

    Args:
      labels: one class per network: names, shape (num_runs,), or the rows of
        `truth_table_class`, shape (num_runs, num_hidden), which count as tuples.
      expected: classes to list even if no network is in them: none of many still has an interval.
      level: confidence level of each interval.

    Returns:
      The classes, most frequent first; among equals in the order of their labels, then of
      `expected`.

    Raises:
      SettingError: if there are no networks to count, or for a level out of range.

    Example:
      >>> counts = count_classes([[1, 7], [1, 7], [2, 4]], expected=[(0, 6)])
      >>> for codes, (num_runs, share) in counts.items():
      ...     print(class_in_words(codes), num_runs, f"{share.low:.2f} to {share.high:.2f}")
      AND, OR 2 0.21 to 0.94
      x1 and not x2, x2 and not x1 1 0.06 to 0.79
      constant, XOR 0 0.00 to 0.56
    """
    given = np.asarray(labels)
    values, counts = np.unique(given, axis=0, return_counts=True)
    as_keys = map(tuple, values.tolist()) if given.ndim > 1 else values.tolist()
    tally = dict(zip(as_keys, counts.tolist(), strict=True))
    tally |= {name: 0 for name in expected if name not in tally}
    most_frequent = sorted(tally, key=lambda name: -tally[name])
    return {
        name: ClassShare(tally[name], success_rate(tally[name], len(given), level))
        for name in most_frequent
    }


def counted_inputs(tables: ArrayLike) -> NDArray[np.int64]:
    """Tell whether hidden units only count the inputs that are on, some perhaps as their opposites.

    The hidden code of the printed solution of parity depends on nothing but the number of inputs
    that are on. A net does the same with a complemented input if the weights of that input have
    the other sign; parity, with one input complemented, is only its own opposite.

    Args:
      tables: booleans, shape (..., num_hidden, num_cases), from `hidden_truth_tables`; the cases
        are all binary vectors in counting order.

    Returns:
      Per net the fewest inputs to complement so that its hidden truth tables depend only on the
      number of inputs that are on: 0 for the printed solution; -1 if it does not count. To
      complement all inputs changes nothing: the number off says as much as the number on.

    Raises:
      SettingError: for a number of cases that is no power of 2 from 2 to 4096.

    Example:
      OR and AND count two inputs. The detectors of either single input count x1 and "not x2". A
      unit that copies x1 counts nothing.

      >>> or_and = [[0, 1, 1, 1], [0, 0, 0, 1]]
      >>> either = [[0, 0, 1, 0], [0, 1, 0, 0]]
      >>> copies = [[0, 0, 1, 1], [0, 0, 0, 1]]
      >>> counted_inputs([or_and, either, copies]).tolist()
      [0, 1, -1]
    """
    on = np.asarray(tables, bool)
    num_inputs = on.shape[-1].bit_length() - 1
    if not 1 <= num_inputs <= 12 or on.shape[-1] != 2**num_inputs:
        rule = "must have 2**n cases, all binary vectors of n = 1 to 12 inputs"
        raise SettingError("tables", rule, on.shape[-1])
    vectors = np.array(list(itertools.product((0, 1), repeat=num_inputs)))
    found = np.full(on.shape[:-2], -1, np.int64)
    for flips in sorted(vectors, key=sum, reverse=True):
        if 2 * flips.sum() <= num_inputs:
            _, first, count = np.unique(
                (vectors ^ flips).sum(axis=1), return_index=True, return_inverse=True
            )
            same = (on == on[..., first[count]]).all(axis=(-1, -2))
            found = np.where(same, flips.sum(), found)
    return found


def encoder_codes(hidden: ArrayLike, low: float = 0.25, high: float = 0.75) -> EncoderCodes:
    """Read the codes that encoder networks have given to their patterns.

    Args:
      hidden: hidden activations, shape (num_runs, num_patterns, num_hidden).
      low: activations below it round to 0.
      high: activations above it round to 1; all from `low` to `high` round to 0.5. The chapter
        does not say how its Table 5 was rounded; by default each goes to the nearest value.

    Raises:
      SettingError: for another number of axes, more than 39 hidden units, activations that are not
        finite, or unless 0 <= low <= high <= 1.

    Example:
      The first four codes of PDP ch. 8, Table 5:

      >>> found = encoder_codes([[[0.5, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1]]])
      >>> found.num_corners.tolist(), found.distinct.tolist(), found.intermediate.round(3).tolist()
      ([3], [True], [0.083])
    """
    activations = np.asarray(hidden, float)
    if activations.ndim != 3 or not 0 < activations.shape[-1] <= 39 or not activations.shape[1]:
        rule = "must have shape (num_runs, num_patterns, num_hidden), 1 to 39 hidden units"
        raise SettingError("hidden", rule, activations.shape)
    if not np.isfinite(activations).all():
        raise SettingError("hidden", "must be finite; leave such runs out", "inf or nan")
    if not 0 <= low <= high <= 1:
        raise SettingError("low, high", "must satisfy 0 <= low <= high <= 1", (low, high))
    halves = np.select([activations < low, activations > high], [0, 2], 1)
    as_numbers = halves @ 3 ** np.arange(activations.shape[-1], dtype=np.int64)
    corners = np.where((halves == 1).any(axis=-1), -1, as_numbers)
    return EncoderCodes(
        codes=halves / 2,
        num_corners=_num_distinct(corners) - (corners == -1).any(axis=-1),
        intermediate=(halves == 1).mean(axis=(-1, -2)),
        distinct=_num_distinct(as_numbers) == activations.shape[1],
    )


def _num_distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many different numbers each row holds."""
    return 1 + (np.diff(np.sort(numbers, axis=-1), axis=-1) != 0).sum(axis=-1)
