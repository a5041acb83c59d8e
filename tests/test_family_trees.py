"""The family trees against the counts of the paper's facts, and against trees that are wrong."""

from collections import Counter

import numpy as np
import pytest
from helpers import daily

import bpjax
from bpjax import tasks
from bpjax.errors import SettingError
from bpjax.gradient_check import check_task
from bpjax.loss import HalfSquaredError, MarginSquaredError
from bpjax.schedule import Schedule
from bpjax.tasks.family_trees import (
    ENGLISH,
    FACTS,
    ITALIAN,
    PAIRS,
    PEOPLE,
    RELATIONS,
    Couple,
    Fact,
    branches,
    facts,
    generations,
    person_features,
    relatives,
)

TWINS = {
    "Christopher": "Roberto",
    "Penelope": "Maria",
    "Andrew": "Pierro",
    "Christine": "Francesca",
    "Arthur": "Emilio",
    "Victoria": "Lucia",
    "James": "Marco",
    "Jennifer": "Angela",
    "Margaret": "Gina",
    "Charles": "Tomaso",
    "Colin": "Alfonso",
    "Charlotte": "Sophia",
}
TRIPLES = dict(zip(RELATIONS, (12, 12, 10, 10, 12, 12, 8, 8, 6, 6, 8, 8), strict=True))
QUESTIONS = dict(zip(RELATIONS, (12, 12, 10, 10, 12, 12, 4, 4, 6, 6, 8, 8), strict=True))
OF_PERSON = {
    "Christopher Andrew": "wife son daughter",
    "Penelope Christine": "husband son daughter",
    "Margaret": "husband nephew niece",
    "Charles": "wife nephew niece",
    "Arthur": "father mother wife sister nephew niece",
    "Jennifer": "father mother husband brother nephew niece",
    "James": "father mother wife sister son daughter",
    "Victoria": "father mother husband brother son daughter",
    "Colin": "father mother sister uncle aunt",
    "Charlotte": "father mother brother uncle aunt",
}


def test_the_counts_of_the_paper():
    assert (len(PEOPLE), len(RELATIONS), len(set(FACTS)), len(set(PAIRS))) == (24, 12, 112, 104)
    assert len(FACTS) == 112
    assert [len(facts(tree)) for tree in (ENGLISH, ITALIAN)] == [56, 56]
    answers = Counter(fact[:2] for fact in FACTS)
    assert sorted(Counter(answers.values()).items()) == [(1, 96), (2, 8)]


def test_facts_per_relation():
    assert Counter(fact.relation for fact in FACTS) == TRIPLES
    assert Counter(relation for _, relation in PAIRS) == QUESTIONS


@pytest.mark.parametrize("names", OF_PERSON)
def test_relations_of_each_person_and_twin(names):
    for name in names.split():
        for person in (name, TWINS[name]):
            relations = [relation for who, relation in PAIRS if who == person]
            assert sorted(relations) == sorted(OF_PERSON[names].split())


def test_the_trees_are_twins():
    assert {Fact(TWINS[a], relation, TWINS[b]) for a, relation, b in facts(ENGLISH)} == {
        *facts(ITALIAN)
    }
    assert [TWINS[name] for name in PEOPLE[:12]] == list(PEOPLE[12:])


@pytest.mark.parametrize(
    ("people", "uncles", "aunts"),
    [
        (("Colin", "Charlotte"), {"Arthur", "Charles"}, {"Jennifer", "Margaret"}),
        (("Alfonso", "Sophia"), {"Emilio", "Tomaso"}, {"Angela", "Gina"}),
    ],
)
def test_questions_with_two_answers(people, uncles, aunts):
    task = tasks.family_trees()
    for person in people:
        for relation, answers in (("uncle", uncles), ("aunt", aunts)):
            row = task.targets[PAIRS.index((person, relation))]
            assert {PEOPLE[j] for j in np.flatnonzero(row)} == answers


# ---- wrong trees that public copies hold ---------------------------------------------------------

SWAPPED_MARGARET = (
    Couple("Christopher", "Penelope", ("Arthur",), ("Victoria",)),
    Couple("Andrew", "Christine", (), ("Margaret", "Jennifer")),
    Couple("Arthur", "Margaret", ("Colin",), ("Charlotte",)),
    Couple("James", "Victoria"),
    Couple("Charles", "Jennifer"),
)
TOMASO_A_SON = (
    ITALIAN[0],
    Couple("Pierro", "Francesca", ("Tomaso",), ("Angela",)),
    *ITALIAN[2:4],
    Couple("Tomaso", "Angela"),
)


def num_pairs(triples):
    return len({fact[:2] for fact in triples})


def test_james_an_outsider_has_the_triples_but_not_the_pairs():
    wrong = facts(SWAPPED_MARGARET)
    assert (2 * len(wrong), 2 * num_pairs(wrong)) == (112, 100)
    assert ("James", "father") in PAIRS
    assert ("Margaret", "father") not in PAIRS


def test_colins_sister_is_nobodys_son():
    assert Fact("James", "son", "Colin") in FACTS
    assert not any(fact.answer == "Charlotte" for fact in FACTS if fact.relation == "son")


def test_blood_uncles_and_aunts_only_are_too_few():
    by_marriage = {"Margaret", "Charles", "Gina", "Tomaso"}
    extended = {"uncle", "aunt", "nephew", "niece"}
    blood = [
        fact
        for fact in FACTS
        if not (fact.relation in extended and by_marriage & {fact.person, fact.answer})
    ]
    assert (len(blood), num_pairs(blood)) == (96, 96)
    assert relatives(ENGLISH, "Charles")["nephew"] == {"Colin"}


def test_tomaso_is_a_son_in_law():
    assert relatives(ITALIAN, "Pierro")["son"] == {"Marco"}
    assert relatives(ITALIAN, "Tomaso")["father"] == set()
    assert {*facts(TOMASO_A_SON)} != {*facts(ITALIAN)}


def test_a_fact_names_the_relative_of_its_person():
    assert Fact("Arthur", "father", "Christopher") in FACTS
    assert Fact("Christopher", "father", "Arthur") not in FACTS


# ---- what the person units may code --------------------------------------------------------------


def test_generations():
    first = {"Christopher", "Penelope", "Andrew", "Christine"}
    for name, generation in generations(ENGLISH).items():
        expected = 1 if name in first else 3 if name in ("Colin", "Charlotte") else 2
        assert generation == expected, name


def test_branches_are_founders_children_and_who_married_in():
    left = {"Christopher", "Penelope", "Arthur", "Victoria", "Margaret"}
    for name, branch in branches(ENGLISH).items():
        expected = -1 if name in ("Colin", "Charlotte") else int(name not in left)
        assert branch == expected, name


def test_features_stand_in_the_order_of_the_units_and_twins_share_theirs():
    features = person_features()
    assert features["nationality"].tolist() == [0] * 12 + [1] * 12
    for name in ("generation", "branch"):
        assert features[name].shape == (24,)
        np.testing.assert_array_equal(features[name][:12], features[name][12:])
    assert features["generation"][PEOPLE.index("Sophia")] == 3
    assert features["branch"][PEOPLE.index("Gina")] == 0


# ---- the task ------------------------------------------------------------------------------------


def test_one_unit_is_on_in_each_input_group_and_one_or_two_at_the_output():
    task = tasks.family_trees()
    assert task.inputs.shape == (104, 36)
    assert set(task.inputs[:, :24].sum(axis=1)) == set(task.inputs[:, 24:].sum(axis=1)) == {1}
    assert len(np.unique(task.inputs, axis=0)) == 104
    assert Counter(task.targets.sum(axis=1)) == {1: 96, 2: 8}
    case = PAIRS.index(("Colin", "father"))
    assert task.inputs[case].nonzero()[0].tolist() == [5, 24]
    assert task.targets[case].nonzero()[0].tolist() == [PEOPLE.index("James")]


def test_the_five_layer_net_has_576_weights():
    network = tasks.family_trees().network
    assert network.describe() == "24+12-6+6-12-6-24"
    assert sum(map(network.num_weights, network.connections)) == 576
    assert network.num_parameters == 630
    assert tasks.family_trees(bias=False).network.num_parameters == 576
    assert [(c.source, network.size(c.target)) for c in network.connections[:2]] == [
        ("person 1", 6),
        ("relation", 6),
    ]


def test_the_printed_recipe():
    recipe = tasks.family_trees(recipe="printed").recipe
    assert recipe.learning_rate == Schedule((0.005, 0.01), (20,))
    assert recipe.momentum == Schedule((0.5, 0.9), (20,))
    assert (recipe.weight_decay, recipe.max_epochs, recipe.updates) == (0.002, 1500, "batch")
    assert recipe.init_range == 0.3
    assert recipe.decay_biases


def test_the_recipe_that_learns_keeps_the_printed_decay_and_number_of_epochs():
    recipe = tasks.family_trees().recipe
    assert recipe.learning_rate == Schedule((0.025, 0.05), (20,))
    assert recipe.momentum == Schedule((0.5, 0.95), (20,))
    assert (recipe.weight_decay, recipe.max_epochs, recipe.updates) == (0.002, 1500, "batch")


@pytest.mark.slow
def test_it_learns():
    runs = bpjax.sweep(tasks.family_trees(), 8)
    assert np.sum(runs["status"] == bpjax.Status.CONVERGED) >= 4


def test_the_margin_and_its_readings():
    assert tasks.family_trees().loss == MarginSquaredError(0.8, 0.2, "margin", "unit")
    other = tasks.family_trees(measured_from="target", scope="case", margin=0.25)
    assert other.loss == MarginSquaredError(0.75, 0.25, "target", "case")
    assert tasks.family_trees().with_settings(loss="half-squared").loss == HalfSquaredError()


@pytest.mark.parametrize(
    "options",
    daily([{}], of=[{}, {"bias": False, "measured_from": "target", "scope": "case"}]),
    ids=str,
)
def test_every_connection(options):
    task = tasks.family_trees(**options)
    checks = check_task(task, seeds=[0], init_ranges=[3.0])
    assert sum(check.num_parameters for check in checks) == task.network.num_parameters
    assert all(check.ok for check in checks), checks


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"recipe": "mine"}, "`recipe` must be 'learns' or 'printed', got 'mine'."),
        ({"bias": 1}, "`bias` must be true or false, got 1."),
        ({"measured_from": "one"}, "`measured_from` must be 'target' or 'margin', got 'one'."),
        ({"scope": "tree"}, "`scope` must be 'unit' or 'case', got 'tree'."),
        ({"margin": 0.5}, "`margin` must be at least 0 and below 0.5, got 0.5."),
    ],
)
def test_a_fault_of_an_option_is_named(options, words):
    with pytest.raises(SettingError) as fault:
        tasks.family_trees(**options)
    assert str(fault.value) == words


def test_pairs_to_hold_out_can_be_named_or_counted():
    task = tasks.family_trees(held_out="Colin-aunt Andrew-son")
    shown = [PAIRS[row] for row in task.held_out]
    assert shown == [("Colin", "aunt"), ("Andrew", "son")]
    assert tasks.family_trees(held_out=4).held_out == 4
    for wrong in ("Colin-wife", "chess", 104, -1):
        with pytest.raises(SettingError, match="held_out"):
            tasks.family_trees(held_out=wrong)
