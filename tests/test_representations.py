"""Features in hand-made codes: perfect ones are found, random ones as often as chance says."""

import numpy as np
import pytest

from bpjax.analysis.representations import (
    chance_level,
    chance_threshold,
    feature_shares,
    twin_distance,
    variance_explained,
    without_best_unit,
)
from bpjax.errors import SettingError
from bpjax.tasks.family_trees import person_features

FEATURES = person_features()
TWINS = np.roll(np.arange(24), 12)


def random_codes(num_runs, seed=0):
    return np.random.default_rng(seed).random((num_runs, 24, 6))


def perfect_codes(num_runs):
    """Units 0, 1 and 5 as in Fig. 4; the others say the same of twins and differ between them."""
    codes = random_codes(num_runs)
    codes[:, 12:] = codes[:, :12]
    codes[..., 0] = FEATURES["nationality"]
    codes[..., 1] = FEATURES["generation"] / 3
    codes[..., 5] = np.where(FEATURES["branch"] < 0, 0.5, FEATURES["branch"])
    return codes


def test_variance_explained_by_hand():
    # Mean 2, total 9 + 1 + 1 + 9 + 0; groups (1, 0) and (-1, 3, 2), in deviations.
    unit = np.array([[5.0], [1.0], [3.0], [-1.0], [2.0]])
    deviations = np.array([3.0, -1.0, 1.0, -3.0, 0.0])
    between = 2 * deviations[:2].mean() ** 2 + 3 * deviations[2:].mean() ** 2
    explained = variance_explained(unit, [7, 7, 2, 2, 2])
    np.testing.assert_allclose(explained, [between / 20], rtol=1e-14)


def test_who_has_no_label_is_left_out():
    unit = np.array([[0.0], [0.0], [1.0], [1.0], [100.0]])
    np.testing.assert_allclose(variance_explained(unit, [0, 0, 1, 1, -1]), [1.0])


def test_a_unit_that_never_changes_explains_nothing():
    assert variance_explained(np.full((4, 1), 0.1), [0, 0, 1, 1]).tolist() == [0.0]


def test_perfect_units_are_found_in_every_run():
    codes = perfect_codes(20)
    for name, unit in (("nationality", 0), ("generation", 1), ("branch", 5)):
        np.testing.assert_allclose(variance_explained(codes, FEATURES[name])[:, unit], 1.0)
    for name, share in feature_shares(codes, FEATURES, threshold=0.9).items():
        assert share.found.estimate == 1.0, name
        assert share.found.low > 0.8
        assert share.median == pytest.approx(1.0)


@pytest.mark.parametrize("name", FEATURES)
def test_random_units_explain_what_chance_says(name):
    explained = variance_explained(random_codes(4000), FEATURES[name])
    error = explained.std() / np.sqrt(explained.size)
    assert abs(explained.mean() - chance_level(FEATURES[name])) < 4 * error


def test_chance_levels():
    # k groups of n people: 2 of 24, 3 of 24, 2 of the 20 who belong to one branch.
    levels = {name: chance_level(labels) for name, labels in FEATURES.items()}
    assert levels == {"nationality": 1 / 23, "generation": 2 / 23, "branch": 1 / 19}


def test_a_feature_that_is_not_there_is_found_in_one_run_of_a_hundred():
    num_runs = 4000
    shares = feature_shares(random_codes(num_runs), FEATURES)
    for name, share in shares.items():
        # Both the share and the threshold are drawn: 0.01 +- 4 standard errors of each.
        error = np.sqrt(0.01 * 0.99 * (1 / num_runs + 1 / 10_000))
        assert abs(share.found.estimate - 0.01) < 4 * error, name
        assert share.threshold > 4 * share.chance


def test_the_threshold_is_that_of_the_best_unit():
    codes = random_codes(500)
    one_unit = chance_threshold(codes[..., :1], FEATURES["nationality"])
    assert chance_threshold(codes, FEATURES["nationality"]) > 1.2 * one_unit
    same = np.repeat(codes[..., :1], 6, axis=-1)  # six units that say the same are one
    assert chance_threshold(same, FEATURES["nationality"]) == pytest.approx(one_unit)


def test_twins_that_share_their_code_are_at_no_distance():
    codes = perfect_codes(5)
    others = without_best_unit(codes, FEATURES["nationality"])
    assert others.shape == (5, 24, 5)
    np.testing.assert_array_equal(others, codes[..., 1:])
    np.testing.assert_allclose(twin_distance(others, TWINS), 0.0)
    assert (twin_distance(codes, TWINS) > 0.5).all()  # all of it between the nationalities


def test_random_twins_are_as_far_apart_as_anybody():
    ratio = twin_distance(random_codes(2000), TWINS)
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(2000)


def test_twin_distance_by_hand():
    codes = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [3.0, 5.0]])
    others = (5 + np.hypot(3, 5) + np.hypot(3, 3) + 5) / 4
    assert twin_distance(codes, [2, 3, 0, 1]) == pytest.approx(1 / others)
    assert np.isnan(twin_distance(np.zeros((4, 2)), [2, 3, 0, 1]))


def test_the_best_unit_differs_from_run_to_run():
    codes = random_codes(2)
    codes[0, :, 3] = codes[1, :, 5] = FEATURES["nationality"]
    rest = without_best_unit(codes, FEATURES["nationality"])
    np.testing.assert_array_equal(rest[0], np.delete(codes[0], 3, axis=-1))
    np.testing.assert_array_equal(rest[1], np.delete(codes[1], 5, axis=-1))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: variance_explained(np.zeros((4, 2)), [0, 1]), "`labels` must be one for each"),
        (lambda: variance_explained(np.zeros((2, 2)), [0, 0]), "`labels` must form two groups"),
        (lambda: chance_threshold(np.zeros((4, 2)), [0, 0, 1, 1]), "`codes` must have shape"),
        (lambda: twin_distance(np.zeros((4, 2)), [2, 3, 1, 0]), "`twins` must be pairs"),
        (lambda: twin_distance(np.zeros((4, 2)), [0, 1, 2, 3]), "`twins` must be pairs"),
        (lambda: twin_distance(np.zeros((4, 2)), [2, 3, 0, 9]), "`twins` must name one of the"),
    ],
)
def test_a_fault_is_named(call, words):
    with pytest.raises(SettingError, match=words):
        call()
