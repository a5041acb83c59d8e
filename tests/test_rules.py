"""P20: every learning rule that has a name, against NumPy programs from the rules' own papers."""

import optax
import pytest

import bpjax
from bpjax.errors import SettingError
from bpjax.learning import OPTIMIZERS, as_spelled, name_of
from bpjax.recipe import Recipe
from bpjax.sweeps.planning import make_plan
from experiments.trust import rules
from experiments.trust.rules import LARGEST_DIFFERENCE, TRIALS


def test_every_rule_by_name_is_tried():
    assert {name_of(trial.settings["optimizer"]) for trial in TRIALS.values()} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", TRIALS)
def test_a_rule_makes_the_changes_of_its_paper(name):
    assert max(rules.on_made_up_derivatives(TRIALS[name], 1)) <= LARGEST_DIFFERENCE


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == "rprop" else pytest.mark.slow) for name in TRIALS],
)
def test_a_net_learns_as_in_the_paper_for_fifty_epochs(name):
    compared = rules.on_a_net(TRIALS[name], rules.TASKS["xor"](), 0, "matrix")
    assert compared.epochs >= 30
    assert compared.difference <= LARGEST_DIFFERENCE


@pytest.mark.parametrize("optimizer", ["rprop", "rprop(backtracking=true)"])
def test_the_first_epoch_changes_the_weights(optimizer):
    loss = bpjax.train(
        bpjax.tasks.xor(), 0, optimizer=optimizer, learning_rate=0.1, max_epochs=2
    ).history.loss
    assert loss[0] != loss[1]


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("rprop()", "rprop"),
        (" rprop ( backtracking = TRUE ) ", "rprop(backtracking=true)"),
        ("rprop(backtracking=false, grow=1.2)", "rprop"),
        ("rprop(largest_step=1, shrink=.7)", "rprop(shrink=0.7, largest_step=1.0)"),
    ],
)
def test_a_rule_has_one_spelling(text, spelled):
    assert as_spelled(text) == spelled
    assert Recipe(0.1, optimizer=text) == Recipe(0.1, optimizer=spelled)


ONLY = "options of rprop (grow, shrink, smallest_step, largest_step, backtracking)"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rprop(", f"must be one of {', '.join(OPTIMIZERS)}, got 'rprop('."),
        ("adamw(weight_decay=1)", f"must be one of {', '.join(OPTIMIZERS)}, got 'adamw(w"),
        ("rprop(steps=3)", f"must have only {ONLY} in brackets, as key=value, got"),
        ("rprop(true)", f"must have only {ONLY} in brackets, as key=value, got"),
        ("adam(b1=0.5)", "must have no options in brackets, as key=value, got 'adam(b1=0.5)'."),
        ("rprop(grow=2, grow=3)", "must have grow only once, got"),
        ("rprop(grow=true)", "must have a finite number as grow, got"),
        ("rprop(grow=nan)", "must have a finite number as grow, got"),
        ("rprop(backtracking=1)", "must have true or false as backtracking, got"),
        ("rprop(grow=1)", "must be right in grow, which must be above 1, got 'rprop(grow=1)'."),
        ("rprop(shrink=1)", "must be right in shrink, which must be above 0 and below 1, got"),
        ("rprop(smallest_step=0)", "must be right in smallest_step, which must be above 0, got"),
        ("rprop(largest_step=1e-9)", "must be right in largest_step, which must be at least the"),
    ],
)
def test_a_fault_in_a_rule_is_named(text, words):
    with pytest.raises(SettingError) as fault:
        as_spelled(text)
    assert str(fault.value).startswith(f"`optimizer` {words}")


def test_the_spelling_is_what_a_sweep_is_known_by():
    plans = [
        make_plan(bpjax.tasks.xor(), 1, optimizer=["paper", text])
        for text in ("rprop(backtracking=true)", "rprop( backtracking=True,grow=1.2)")
    ]
    assert plans[0].identity() == plans[1].identity()
    with pytest.raises(SettingError, match="`optimizer` must not have a value twice"):
        make_plan(bpjax.tasks.xor(), 1, optimizer=["rprop", "rprop()"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizer": "adam", "momentum": 0.5}, "`momentum` must be left out where the optimizer"),
        ({"optimizer": ["adam", "rprop"], "momentum": [0.1, 0.5]}, "is adam or rprop: it takes no"),
        ({"optimizer": optax.sgd(0.1), "momentum": 0.5}, "optimizer is a transformation: it takes"),
        ({"optimizer": optax.sgd(0.1), "learning_rate": 0.5}, "`learning_rate` must be left out"),
    ],
)
def test_a_rate_that_no_rule_takes_is_refused(settings, words):
    with pytest.raises(SettingError) as fault:
        make_plan(bpjax.tasks.xor(), 1, **settings)
    assert words in str(fault.value)
