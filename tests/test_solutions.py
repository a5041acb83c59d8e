"""What solved symmetry nets have learned: hand-made weights with known answers."""

import numpy as np
import pytest

from bpjax.analysis.solutions import distinct_sums, mirror_weights

PRINTED_UNITS = np.array(
    [
        [-3.18, 6.32, -12.56, 12.56, -6.33, 3.17],
        [3.16, -6.34, 12.52, -12.51, 6.31, -3.17],
    ]
)
"""Both hidden units of PDP vol. 1 ch. 8, Fig. 9."""


def test_the_printed_network_is_mirror_antisymmetric_with_sizes_one_two_four():
    mirror = mirror_weights(PRINTED_UNITS)
    np.testing.assert_allclose(mirror.sizes, [[1, 1.992, 3.956], [1, 1.998, 3.954]], atol=1e-3)
    np.testing.assert_array_equal(mirror.order, [[0, 1, 2], [0, 1, 2]])
    np.testing.assert_allclose(mirror.asymmetry, [0.02 / 44.12, 0.05 / 44.01])


def test_equal_weights_in_mirror_places_are_wholly_asymmetric():
    assert mirror_weights(np.array([1.0, -2.0, -2.0, 1.0])).asymmetry == 1.0


def test_asymmetry_is_the_share_of_weight_that_does_not_cancel():
    # Pairs (3, -1) and (2, -2): |3 - 1| + |2 - 2| of 3 + 1 + 2 + 2.
    assert mirror_weights(np.array([3.0, 2.0, -2.0, -1.0])).asymmetry == pytest.approx(2 / 8)


def test_sizes_are_sorted_and_their_places_kept():
    mirror = mirror_weights(np.array([4.0, -1.0, 2.0, -2.0, 1.0, -4.0]))
    np.testing.assert_allclose(mirror.sizes, [1, 2, 4])
    np.testing.assert_array_equal(mirror.order, [1, 2, 0])


@pytest.mark.parametrize(
    ("sizes", "distinct"),
    [((1, 2, 4), True), ((2, 3, 4), True), ((1, 1, 4), False), ((1, 2, 3), False)],
)
def test_half_patterns_are_told_apart_unless_sums_coincide(sizes, distinct):
    a, b, c = sizes
    unit = np.array([a, -b, c, -c, b, -a], float)
    # The signs do not matter: 1, 2, 3 coincide in 1 + 2 = 3 whatever the signs.
    assert distinct_sums(unit, smallest_gap=0.01) == distinct


def test_the_printed_units_tell_all_half_patterns_apart():
    assert distinct_sums(PRINTED_UNITS, smallest_gap=0.1).all()
