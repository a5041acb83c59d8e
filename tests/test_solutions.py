"""What trained nets have learned: hand-made weights and codes with known answers."""

import itertools

import numpy as np
import pytest

import bpjax
from bpjax.analysis.activations import activations_of
from bpjax.analysis.convergence import success_rate
from bpjax.analysis.solutions import (
    class_in_words,
    count_classes,
    counted_inputs,
    distinct_sums,
    encoder_codes,
    hidden_truth_tables,
    mirror_class,
    mirror_weights,
    truth_table_class,
)
from bpjax.errors import SettingError

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


@pytest.mark.parametrize(
    ("sizes", "name"),
    [
        ((1, 2, 4), "1 : 2 : 4"),
        ((1, 1.5, 2), "2 : 3 : 4"),
        ((1, 2.19, 3.61), "1 : 2 : 4"),  # just within a tenth
        ((1, 2.21, 4), "other"),
        ((1, 2, 3.59), "other"),
        ((1, 1.5, 4), "other"),
        ((1, np.inf, np.inf), "other"),
    ],
)
def test_mirror_solutions_go_by_both_ratios(sizes, name):
    assert mirror_class(sizes) == name


def test_the_printed_network_is_of_the_papers_class():
    assert mirror_class(mirror_weights(PRINTED_UNITS).sizes.mean(axis=0)) == "1 : 2 : 4"
    assert mirror_class([1, 2, 3.9], near=0.01) == "other"
    with pytest.raises(SettingError, match=r"`sizes` must have shape \(\.\.\., 3\), got"):
        mirror_class([1, 2])


XOR = bpjax.tasks.xor()


def row_of(input_to_hidden, hidden_to_output, hidden_bias, output_bias):
    """One run's weights in the order of `parameter_names`."""
    parts = (input_to_hidden, hidden_to_output, hidden_bias, output_bias)
    return np.concatenate([np.ravel(part) for part in parts])


HAND_MADE = {
    "AND, OR": row_of([[9, 9], [9, 9]], [12, -12], [-4, -13], -6),
    "x1 and not x2, x2 and not x1": row_of([[9, -9], [-9, 9]], [12, 12], [-4, -4], -6),
}


def class_of(rows, **options):
    hidden = activations_of(XOR.network, np.atleast_2d(rows), XOR.inputs)["hidden"]
    return truth_table_class(hidden_truth_tables(hidden), **options)


@pytest.mark.parametrize("name", HAND_MADE)
def test_hand_made_solutions_are_named(name):
    row = HAND_MADE[name]
    outputs = activations_of(XOR.network, row[None], XOR.inputs)["output"]
    np.testing.assert_allclose(outputs[0], XOR.targets, atol=0.05)
    assert class_in_words(class_of(row)[0]) == name


def swapped(row):
    into, out, bias, last = row[:4].reshape(2, 2), row[4:6], row[6:8], row[8]
    return row_of(into[:, ::-1], out[::-1], bias[::-1], last)


def complemented(row, unit):
    """The same function with a hidden unit that is on when it was off."""
    into, out, bias, last = row[:4].reshape(2, 2), row[4:6], row[6:8], row[8]
    sign = np.where(np.arange(2) == unit, -1, 1)
    return row_of(into * sign, out * sign, bias * sign, last + out[unit])


@pytest.mark.parametrize("seed", range(20))
def test_the_class_does_not_change_where_the_function_does_not(seed):
    row = np.random.default_rng(seed).normal(scale=5, size=9)
    outputs = activations_of(XOR.network, row[None], XOR.inputs)["output"]
    same = (swapped(row), complemented(row, 0), complemented(swapped(row), 1))
    for other in same:
        again = activations_of(XOR.network, other[None], XOR.inputs)["output"]
        np.testing.assert_allclose(again, outputs, rtol=1e-12)
    np.testing.assert_array_equal(class_of(same), np.tile(class_of(row), (3, 1)))


def test_truth_tables_are_read_case_by_case():
    hidden = [[0.1, 0.9], [0.6, 0.5], [0.4, 0.2]]  # three cases, two units
    assert hidden_truth_tables(hidden).tolist() == [[False, True, False], [True, False, False]]
    assert hidden_truth_tables(hidden, threshold=0.05).all()
    with pytest.raises(SettingError, match="`hidden` must be finite; leave such runs out"):
        hidden_truth_tables([[np.nan, 0.5]])


def all_pairs():
    """Every pair of truth tables of two inputs: 256 nets with two hidden units."""
    tables = np.array(list(itertools.product([False, True], repeat=4)))
    return np.array(list(itertools.product(tables, tables)))


def test_there_are_36_classes_of_two_hidden_units():
    # 16 tables are 8 up to complement; unordered pairs of 8 with repetition are 36.
    classes = np.unique(truth_table_class(all_pairs()), axis=0)
    assert len(classes) == 36
    assert len({class_in_words(codes) for codes in classes}) == 36
    assert (classes < 8).all()


def can_solve(codes, targets):
    """Whether a threshold unit tells the hidden codes of the cases apart as the targets ask."""
    on = (np.array(codes)[:, None] >> np.array([3, 2, 1, 0]) & 1).T
    weights = np.array(list(itertools.product([-2, -1, 0, 1, 2], repeat=2)))
    thresholds = np.arange(-4.5, 5)
    answers = (on @ weights.T)[:, :, None] > thresholds
    return (answers == np.array(targets, bool)[:, None, None]).all(axis=0).any()


def test_two_classes_of_threshold_units_solve_exclusive_or():
    classes = np.unique(truth_table_class(all_pairs()), axis=0)
    solving = {class_in_words(codes) for codes in classes if can_solve(codes, [0, 1, 1, 0])}
    # No single unit computes XOR, so pairs with it are out of reach.
    assert {name for name in solving if "XOR" not in name} == set(HAND_MADE)


def test_input_symmetries_join_what_a_complemented_input_turns_into_each_other():
    rows = list(HAND_MADE.values())
    first, second = class_of(rows, input_symmetries=True)
    np.testing.assert_array_equal(first, second)
    x1_alone, x2_alone = [3, 7], [5, 7]  # "x1, OR" and "x2, OR"
    tables = [
        [[c >> 3 & 1, c >> 2 & 1, c >> 1 & 1, c & 1] for c in t] for t in (x1_alone, x2_alone)
    ]
    first, second = truth_table_class(tables, input_symmetries=True)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(*truth_table_class(tables))


@pytest.mark.parametrize(("num_inputs", "num_classes"), [(1, 2), (2, 4), (3, 14)])
def test_single_units_fall_into_the_known_number_of_classes(num_inputs, num_classes):
    # Boolean functions up to permuting and complementing inputs and the output (NPN classes):
    # 2, 4, 14 functions of one, two and three variables, with the constants.
    tables = np.array(list(itertools.product([False, True], repeat=2**num_inputs)))
    classes = np.unique(truth_table_class(tables[:, None], input_symmetries=True))
    assert len(classes) == num_classes


def test_the_coarser_class_is_one_of_the_finer_ones_and_no_larger():
    pairs = all_pairs()
    fine, coarse = truth_table_class(pairs), truth_table_class(pairs, input_symmetries=True)
    assert (coarse @ [8, 1] <= fine @ [8, 1]).all()
    # What it depends on is the finer class alone.
    joined = np.unique(np.concatenate([fine, coarse], axis=1), axis=0)
    assert len(joined) == 36


def test_tables_that_cannot_be_classed_are_refused():
    with pytest.raises(SettingError, match="`tables` must have 1 to 63 cases, got 64"):
        truth_table_class(np.zeros((1, 64)))
    with pytest.raises(SettingError, match="`tables` must have 2, 4, 8 or 16 cases"):
        truth_table_class(np.zeros((1, 3)), input_symmetries=True)
    with pytest.raises(SettingError, match="`codes` must be whole numbers from 0 to 7, got 8"):
        class_in_words([1, 8])


def test_the_printed_local_minimum_is_of_a_class_that_cannot_solve_exclusive_or():
    codes = class_of(bpjax.printed.xor_local_minimum().vector())[0]
    # Hidden unit 1 stands at exactly 0.5 for 10, which counts as off.
    assert class_in_words(codes) == "x1 and not x2, OR"
    assert not can_solve(codes, [0, 1, 1, 0])


@pytest.mark.parametrize("input_symmetries", [False, True])
def test_nets_without_hidden_units_are_one_class(input_symmetries):
    tables = hidden_truth_tables(np.zeros((5, 4, 0)))
    (shares,) = count_classes(truth_table_class(tables, input_symmetries)).items()
    assert (shares[0], shares[1].num_runs) == ((), 5)
    assert class_in_words(shares[0]) == "no hidden units"


def test_classes_are_counted_with_intervals():
    labels = ["b"] * 3 + ["a"] * 6 + ["c"] * 3
    counts = count_classes(labels, expected=["z", "a"], level=0.9)
    assert list(counts) == ["a", "b", "c", "z"]
    assert [found.num_runs for found in counts.values()] == [6, 3, 3, 0]
    assert counts["a"].share == success_rate(6, 12, 0.9)
    assert counts["z"].share == success_rate(0, 12, 0.9)
    assert counts["z"].share.high > 0.1


def test_rows_are_counted_as_tuples():
    counts = count_classes(np.array([[1, 7], [2, 4], [1, 7]]))
    assert {codes: found.num_runs for codes, found in counts.items()} == {(1, 7): 2, (2, 4): 1}


def test_no_networks_are_no_share():
    with pytest.raises(SettingError, match="`num_runs` must be at least 1"):
        count_classes([], expected=["a"])


TABLE_5 = np.array(
    [[0.5, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1], [0, 1, 1], [0.5, 0, 1], [1, 0, 0.5], [0, 0, 0.5]]
)
"""The learned code of PDP vol. 1 ch. 8, Table 5."""


def test_the_printed_code_uses_four_corners_and_is_distinct():
    found = encoder_codes(TABLE_5[None])
    np.testing.assert_array_equal(found.codes[0], TABLE_5)
    assert found.num_corners.tolist() == [4]
    assert found.intermediate.tolist() == [4 / 24]
    assert found.distinct.tolist() == [True]


def test_each_run_has_its_own_code():
    corners = np.array(list(itertools.product([0.01, 0.99], repeat=3)))
    repeated = corners.copy()
    repeated[7] = repeated[0]
    all_middle = np.full((8, 3), 0.5)
    found = encoder_codes([corners, repeated, all_middle])
    assert found.num_corners.tolist() == [8, 7, 0]
    assert found.distinct.tolist() == [True, False, False]
    assert found.intermediate.tolist() == [0, 0, 1]


def test_activations_round_to_the_nearest_of_three_unless_told_otherwise():
    hidden = [[[0.0, 0.249, 0.25, 0.75, 0.751, 1.0]]]
    assert encoder_codes(hidden).codes.tolist() == [[[0, 0, 0.5, 0.5, 1, 1]]]
    assert encoder_codes(hidden, low=0.1, high=0.9).codes.tolist() == [[[0, 0.5, 0.5, 0.5, 0.5, 1]]]


def test_wide_codes_are_told_apart_in_every_unit():
    codes = np.zeros((1, 40, 39))
    codes[0, np.arange(39), np.arange(39)] = 1
    assert encoder_codes(codes).distinct.all()
    assert encoder_codes(codes).num_corners.tolist() == [40]


@pytest.mark.parametrize(
    ("hidden", "options", "words"),
    [
        (np.zeros((8, 3)), {}, r"`hidden` must have shape \(num_runs, num_patterns, num_hidden\)"),
        (np.zeros((1, 8, 40)), {}, "1 to 39 hidden units"),
        (np.full((1, 8, 3), np.nan), {}, "`hidden` must be finite; leave such runs out"),
        (np.zeros((1, 8, 3)), {"low": 0.8}, "`low, high` must satisfy 0 <= low <= high <= 1"),
    ],
)
def test_what_is_no_code_is_refused(hidden, options, words):
    with pytest.raises(SettingError, match=words):
        encoder_codes(hidden, **options)


VECTORS = np.array(list(itertools.product((0, 1), repeat=4)))


@pytest.mark.parametrize(
    ("flips", "fewest"), [("0000", 0), ("0100", 1), ("1010", 2), ("0111", 1), ("1111", 0)]
)
def test_units_that_compare_a_count_with_a_threshold_count(flips, fewest):
    seen = VECTORS ^ np.array(list(flips), int)
    tables = np.array([seen.sum(axis=1) >= threshold for threshold in (1, 2, 3, 4)])
    assert counted_inputs(tables) == fewest
    assert counted_inputs(~tables) == fewest


def test_the_printed_code_of_parity_counts():
    by_count = ("1111", "1011", "1010", "0010", "0000")  # PDP ch. 8, Table 3
    code = np.array([list(map(int, by_count[n])) for n in VECTORS.sum(axis=1)])
    assert counted_inputs(code.T) == 0


def test_one_unit_that_sees_a_single_input_or_a_single_vector_spoils_the_count():
    counts = VECTORS.sum(axis=1) >= 2
    copies = VECTORS[:, 2] == 1
    single = np.arange(16) == 0b0100  # counts by itself, of 1011 off; not together with `counts`
    nets = [[counts, copies], [counts, single], [single, single], [counts, counts]]
    assert counted_inputs(nets).tolist() == [-1, -1, 1, 0]


def test_counted_inputs_needs_all_binary_vectors():
    with pytest.raises(SettingError, match=r"`tables` must have 2\*\*n cases"):
        counted_inputs(np.zeros((3, 12)))
