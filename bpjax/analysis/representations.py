"""What the units of a code have learned to say: features found in them, and how alike twins are.

The paper looked at one trained net and saw that of six units one codes nationality, one generation
and one the branch of the family, and that most ignore nationality, so that twins of the two trees
have similar codes. Here the same is measured in every net of many, beside what chance would give.
Arrays in, numbers out; which people have which feature is the caller's to say.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bpjax.analysis.convergence import Interval, success_rate
from bpjax.errors import SettingError


class FeatureShare(NamedTuple):
    """How often a feature is found in a code.

    Attributes:
      found: share of runs in which some unit explains more than `threshold`, with its interval.
      threshold: what the best of all units exceeds by chance in one run of a hundred (or as told).
      chance: variance explained by one unit that knows nothing of the feature: (k - 1) / (n - 1).
      median: variance explained by the best unit, median over runs.
    """

    found: Interval
    threshold: float
    chance: float
    median: float


def variance_explained(codes: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return the share of each unit's variance that a feature explains: eta squared.

    eta^2 = sum_g n_g (mean_g - mean)^2 / sum_i (y_i - mean)^2 over the groups g of one label. It
    is 1 if the unit has one value per group and 0 if all groups have the same mean. A unit that
    never changes explains nothing.

    Args:
      codes: activations, shape (..., num_items, num_units).
      labels: the group of each item, whole numbers of shape (num_items,); who has a label below 0
        belongs to no group and is left out.

    Returns:
      Shape (..., num_units).

    Raises:
      SettingError: unless there is one label per item, and two groups or more.

    Example:
      >>> codes = np.array([[0.1, 0.5], [0.1, 0.1], [0.9, 0.5], [0.9, 0.1]])
      >>> variance_explained(codes, [0, 0, 1, 1]).round(6).tolist()
      [1.0, 0.0]
    """
    codes, groups = _labelled(codes, labels)
    return _explained(codes, groups)


def chance_level(labels: ArrayLike) -> float:
    """Return the variance explained by a unit that knows nothing: (k - 1) / (n - 1).

    The expectation of eta squared over all relabellings, whatever the values, for n items in k
    groups.

    Example:
      >>> chance_level([0] * 12 + [1] * 12) == 1 / 23
      True
    """
    labels = np.asarray(labels)
    labels = labels[labels >= 0]
    return (len(np.unique(labels)) - 1) / (len(labels) - 1)


def chance_threshold(
    codes: ArrayLike, labels: ArrayLike, level: float = 0.99, num_draws: int = 10_000, seed: int = 0
) -> float:
    """Return what the best unit of a code exceeds with probability 1 - `level` by chance.

    The labels are dealt out anew to the items, in a run drawn anew each time, and the best unit is
    taken each time: so it is corrected for looking at several units, and for units that say the
    same.

    Args:
      codes: shape (num_runs, num_items, num_units).
      labels: as for `variance_explained`.
      level: the quantile.
      num_draws: number of relabellings.
      seed: of the relabellings.

    Example:
      >>> codes = np.random.default_rng(0).random((200, 24, 6))
      >>> 0.2 < chance_threshold(codes, [0] * 12 + [1] * 12) < 0.5
      True
    """
    codes, groups = _labelled(codes, labels)
    if codes.ndim != 3:
        raise SettingError("codes", "must have shape (num_runs, num_items, num_units)", codes.shape)
    random = np.random.default_rng(seed)
    runs = random.integers(len(codes), size=num_draws)
    orders = random.permuted(np.tile(np.arange(codes.shape[1]), (num_draws, 1)), axis=1)
    best = np.empty(num_draws)
    for first in range(0, num_draws, 1000):  # the memory of a thousand at a time
        part = slice(first, first + 1000)
        shuffled = np.take_along_axis(codes[runs[part]], orders[part, :, None], axis=1)
        best[part] = _explained(shuffled, groups).max(axis=-1)
    return float(np.quantile(best, level))


def feature_shares(
    codes: ArrayLike,
    features: Mapping[str, ArrayLike],
    threshold: float | None = None,
    **chance: Any,
) -> dict[str, FeatureShare]:
    """Return how often each feature is found among the units, over all runs.

    A feature is found in a run if it explains more than `threshold` of the variance of some unit.

    Args:
      codes: shape (num_runs, num_items, num_units).
      features: labels by name, each as for `variance_explained`.
      threshold: share of variance; None takes `chance_threshold` for each feature, so that a
        feature which is not there is found in one run of a hundred.
      **chance: arguments of `chance_threshold`.

    Example:
      Every net has a unit for nationality, and none for anything else:

      >>> nationality = np.repeat([0, 1], 12)
      >>> codes = np.random.default_rng(0).random((50, 24, 6))
      >>> codes[:, :, 2] = nationality
      >>> shares = feature_shares(codes, {"nationality": nationality}, threshold=0.9)
      >>> shares["nationality"].found.estimate
      1.0
    """
    codes, shares = np.asarray(codes, float), {}
    for name, labels in features.items():
        limit = chance_threshold(codes, labels, **chance) if threshold is None else threshold
        best = variance_explained(codes, labels).max(axis=-1)
        found = success_rate(int(np.sum(best > limit)), len(codes))
        shares[name] = FeatureShare(found, limit, chance_level(labels), float(np.median(best)))
    return shares


def twin_distance(codes: ArrayLike, twins: ArrayLike) -> NDArray[np.float64]:
    """Return how far twins are apart, as a share of how far all other pairs are.

    The mean distance between the codes of an item and its twin, divided by the mean distance of
    all pairs that are no twins: 0 if twins have the same code, 1 if they are as far apart as any
    two. A code in which all items coincide has no such share: NaN.

    Args:
      codes: shape (..., num_items, num_units).
      twins: for each item the index of its twin, shape (num_items,).

    Raises:
      SettingError: unless every item is the twin of its twin and of nobody else.

    Example:
      >>> codes = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
      >>> twin_distance(codes, [2, 3, 0, 1]).item()
      0.0
    """
    codes, partner = np.asarray(codes, float), np.asarray(twins)
    items = np.arange(codes.shape[-2])
    if partner.shape != items.shape or not np.isin(partner, items).all():
        raise SettingError("twins", "must name one of the items for each of them", twins)
    if (partner[partner] != items).any() or (partner == items).any():
        raise SettingError("twins", "must be pairs: everyone the twin of their twin", twins)
    first, second = np.triu_indices(len(items), 1)
    squares = (codes[..., first, :] - codes[..., second, :]) ** 2
    distances = np.sqrt(squares.sum(axis=-1))
    are_twins = partner[first] == second
    apart, others = distances[..., are_twins].mean(-1), distances[..., ~are_twins].mean(-1)
    return np.divide(apart, others, out=np.full_like(apart, np.nan), where=others > 0)


def without_best_unit(codes: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Return the codes without the unit that says most about a feature, run by run.

    Leaving out the unit for nationality shows whether the rest of the code ignores it.

    Args:
      codes: shape (..., num_items, num_units), two units or more.
      labels: as for `variance_explained`.

    Returns:
      Shape (..., num_items, num_units - 1).

    Example:
      >>> codes = np.array([[0.1, 0.5], [0.1, 0.1], [0.9, 0.5], [0.9, 0.1]])
      >>> without_best_unit(codes, [0, 0, 1, 1]).ravel().tolist()
      [0.5, 0.1, 0.5, 0.1]
    """
    codes = np.asarray(codes, float)
    best = variance_explained(codes, labels).argmax(axis=-1)
    rest = np.arange(codes.shape[-1] - 1)
    kept = rest + (rest >= best[..., None])
    return np.take_along_axis(codes, kept[..., None, :], axis=-1)


def _labelled(codes: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return the codes of items that have a label, and which group each is in, (groups, items)."""
    codes, labels = np.asarray(codes, float), np.asarray(labels)
    if codes.ndim < 2 or labels.shape != codes.shape[-2:-1]:
        raise SettingError("labels", "must be one for each item", labels.shape)
    kept = labels >= 0
    names = np.unique(labels[kept])
    if len(names) < 2:
        raise SettingError("labels", "must form two groups or more", names.tolist())
    return codes[..., kept, :], (labels[kept] == names[:, None]).astype(float)


def _explained(codes: NDArray[np.float64], groups: NDArray[Any]) -> NDArray[np.float64]:
    deviations = codes - codes.mean(axis=-2, keepdims=True)
    sizes = groups.sum(axis=1)
    means = groups @ deviations / sizes[:, None]  # (..., groups, units)
    between = (sizes[:, None] * means**2).sum(axis=-2)
    total = (deviations**2).sum(axis=-2)
    flat = total <= 1e-20 * np.maximum(1, (codes**2).sum(axis=-2))  # rounding is no variance
    return np.divide(between, total, out=np.zeros_like(total), where=~flat)
