"""P20: every learning rule that has a name, against NumPy programs from the rules' own papers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import daily

import bpjax
from bpjax import quickprop
from bpjax.errors import SettingError
from bpjax.learning import OPTIMIZERS, as_spelled, learning_rule, name_of
from bpjax.named import defaults_of, read_named
from bpjax.recipe import Recipe
from bpjax.status import Status
from bpjax.sweeps.planning import make_plan
from experiments.trust import rules
from experiments.trust.rules import LARGEST_DIFFERENCE, TRIALS


def test_every_rule_by_name_is_tried():
    assert {name_of(trial.settings["optimizer"]) for trial in TRIALS.values()} == set(OPTIMIZERS)
    assert all(TRIALS[name].settings["optimizer"] == name for name in OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_option_of_a_rule_is_tried_at_its_default_and_away_from_it(name):
    spelled = [as_spelled(trial.settings["optimizer"]) for trial in TRIALS.values()]
    table = {each: rule.make for each, rule in OPTIMIZERS.items()}
    read = [read_named("optimizer", text, table) for text in spelled]
    given = [options for rule, options in read if rule == name]
    assert {} in given
    assert set().union(*given) == set(defaults_of(OPTIMIZERS[name].make))


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
        ("adamw(weight_decay=0.01)", "adamw(weight_decay=0.01)"),
        ("adam(b1=0.9, eps=1e-8)", "adam"),
        ("delta-bar-delta( phi = .5 )", "delta-bar-delta(phi=0.5)"),
        ("delta-bar-delta", "delta-bar-delta"),
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
        *(
            (text, f"must be one of {', '.join(OPTIMIZERS)}, optax.NAME, or an optax transf")
            for text in ("lamb(eps=1)", "delta bar delta", "delta-bar")
        ),
        ("optax.", "must be a rule of optax with a learning rate, got 'optax.'."),
        ("optax.chain", "must be a rule of optax with a learning rate, got 'optax.chain'."),
        ("optax.scale_by_rprop", "must be a rule of optax with a learning rate, got"),
        ("optax.lbfgs", "must be a rule that derivatives and weights are enough for, got"),
        ("optax.lion(b3=1)", "must have only options of optax.lion (b1, b2, weight_decay) in"),
        ("optax.lars(nesterov=1)", "must have true or false as nesterov, got"),
        ("optax.adafactor(decay_offset=0.5)", "must be right in decay_offset, which must be a wh"),
        ("rprop(steps=3)", f"must have only {ONLY} in brackets, as key=value, got"),
        ("rprop(true)", f"must have only {ONLY} in brackets, as key=value, got"),
        ("sgd(nesterov=true)", "must have no options in brackets, as key=value, got 'sgd(nest"),
        (
            "adam(weight_decay=1)",
            "must have only options of adam (b1, b2, eps) in brackets, as key",
        ),
        ("rprop(grow=2, grow=3)", "must have grow only once, got"),
        *(
            (f"rprop(grow={value})", "must have a number within float32 as grow, got 'rprop(grow=")
            for value in ("true", "nan", "inf", "1e300", "x", "")
        ),
        ("rprop(backtracking=1)", "must have true or false as backtracking, got"),
        ("rprop(grow=1)", "must be right in grow, which must be above 1, got 'rprop(grow=1)'."),
        ("rprop(shrink=1)", "must be right in shrink, which must be above 0 and below 1, got"),
        ("rprop(smallest_step=0)", "must be right in smallest_step, which must be above 0, got"),
        ("rprop(largest_step=1e-9)", "must be right in largest_step, which must be at least the"),
        *(
            (
                f"{rule}({option}={value})",
                f"must be right in {option}, which {words}, got '{rule}({option}={value})'.",
            )
            for rule, options, values, words in [
                ("adam", ("b1", "b2"), (1, -0.1), "must be at least 0 and below 1"),
                ("adamw", ("b1", "b2"), (1, -0.1), "must be at least 0 and below 1"),
                ("adam", ("eps",), (0, -1), "must be above 0"),
                ("adamw", ("eps",), (0, -1), "must be above 0"),
                ("adamw", ("weight_decay",), (-0.01,), "must be 0 or above"),
                ("adagrad", ("initial_accumulator_value", "eps"), (-1,), "must be 0 or above"),
                ("rmsprop", ("decay",), (1, -0.1), "must be at least 0 and below 1"),
                ("rmsprop", ("eps",), (0,), "must be above 0"),
                ("quickprop", ("mu",), (0, -1), "must be above 0"),
                ("quickprop", ("decay",), (-1e-4,), "must be 0 or above"),
                ("delta-bar-delta", ("kappa",), (-1,), "must be 0 or above"),
                ("delta-bar-delta", ("phi", "theta"), (1, -1), "must be at least 0 and below 1"),
            ]
            for option in options
            for value in values
        ),
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
        *(
            ({"optimizer": name, "momentum": 0.5}, "`momentum` must be left out where the optimiz")
            for name, rule in OPTIMIZERS.items()
            if not rule.has_momentum
        ),
        ({"optimizer": ["adam", "rprop"], "momentum": [0.1, 0.5]}, "is adam or rprop: it takes no"),
        ({"optimizer": optax.sgd(0.1), "momentum": 0.5}, "optimizer is a transformation: it takes"),
        ({"optimizer": optax.sgd(0.1), "learning_rate": 0.5}, "`learning_rate` must be left out"),
    ],
)
def test_a_rate_that_no_rule_takes_is_refused(settings, words):
    with pytest.raises(SettingError) as fault:
        make_plan(bpjax.tasks.xor(), 1, **settings)
    assert words in str(fault.value)


# ---- any other rule of optax ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("optax.lion(b1=0.8)", optax.lion(0.05, b1=0.8)),
        ("optax.sgd(momentum=0.5, nesterov=true)", optax.sgd(0.05, momentum=0.5, nesterov=True)),
        ("optax.lamb", optax.lamb(0.05)),  # looks at all weights of a connection at once
        ("optax.rprop(eta_plus=1.1)", optax.rprop(0.05, eta_plus=1.1)),
        ("optax.adafactor(decay_offset=0)", optax.adafactor(0.05)),
    ],
)
def test_a_rule_by_its_name_in_optax_is_that_rule(text, rule):
    task = bpjax.tasks.xor().with_settings(max_epochs=20)
    with jax.numpy_dtype_promotion("standard"):
        named = bpjax.sweep(task, 3, optimizer=text, learning_rate=0.05)
        given = bpjax.sweep(task, 3, optimizer=rule)
        other = bpjax.sweep(task, 3, optimizer="optax.sign_sgd", learning_rate=0.05)
    np.testing.assert_array_equal(named["loss"], given["loss"])
    assert (named["loss"] != other["loss"]).all()
    told = make_plan(task, 3, optimizer=text).identity()["task"]["recipe"]["optimizer"]
    assert told == as_spelled(text)


def test_a_rule_of_optax_is_served_where_all_weights_of_a_net_are_together():
    plan = make_plan(bpjax.tasks.xor(), 1, optimizer="optax.lamb", implementation="unrolled")
    assert plan.implementation == "matrix"
    assert plan.fallback.endswith("the optimizer must be one of bpjax's by name")
    with pytest.raises(SettingError, match="`learning_rate` must not change during a run if the"):
        Recipe(bpjax.Schedule((0.1, 0.2), (20,)), optimizer="optax.rprop")
    with pytest.raises(SettingError, match="`momentum` must be left out where the optimizer is op"):
        make_plan(bpjax.tasks.xor(), 1, optimizer="optax.lion", momentum=0.5)
    assert Recipe(bpjax.Schedule((0.1, 0.2), (20,)), optimizer="optax.lion").optimizer


# ---- numbers that are none ----------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_memory_that_is_not_finite_shows_in_the_change_where_it_is_said_to(name):
    """Every sequence of three gradients, each of another kind, for several rates and momenta."""
    largest = float(np.finfo(np.float32).max)
    kinds = [0.0, 1.0, -1.0, largest, -largest, np.inf, -np.inf, np.nan]
    gradients = jnp.asarray(list(itertools.product(kinds, repeat=3)), jnp.float32).T

    def shown(rate, momentum):
        rule = learning_rule(name, rate, momentum)
        weights = jnp.zeros_like(gradients[0])
        state = rule.init(weights)
        for each in gradients:
            change, state = rule.update(each, state, weights)
            weights = weights + change
        memory = [leaf for leaf in jax.tree.leaves(state) if jnp.ndim(leaf)]
        return jnp.isfinite(weights), jnp.isfinite(jnp.asarray(memory)).all(0)

    for rate, momentum in itertools.product((1e-30, 0.1, 1e30), (0.0, 0.9)):
        with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes types
            weights_are, memory_is = jax.jit(shown)(rate, momentum)
        if OPTIMIZERS[name].memory_shows:
            assert not (weights_are & ~memory_is).any()
        assert (weights_are & memory_is).any()


@pytest.mark.parametrize("name", daily(["adamw", "quickprop", "delta-bar-delta"], of=OPTIMIZERS))
def test_a_run_that_leaves_the_numbers_raises_nothing_and_harms_nobody(name):
    """A rate of 1e38 in the grid: its runs end as NONFINITE or go on; the others do as alone."""
    settings = {"optimizer": name, "max_epochs": 30, "implementation": "matrix"}
    with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes types
        alone = bpjax.sweep(bpjax.tasks.xor(), 4, learning_rate=[0.01], **settings)
        both = bpjax.sweep(bpjax.tasks.xor(), 4, learning_rate=[0.01, 1e38], **settings)
    for column in ("status", "epochs", "loss"):
        np.testing.assert_array_equal(both[column][:4], alone[column])
    finite = np.isfinite(both["loss"])
    assert (finite | (both["status"] == Status.NONFINITE)).all()
    assert np.isfinite(alone["loss"]).all()


# ---- a rule in Python goes into a folder --------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "same", "other"),
    [
        (
            lambda: optax.chain(optax.clip(0.1), optax.adamw(0.05)),
            lambda: optax.chain(optax.clip(0.1), optax.adamw(0.05, weight_decay=1e-4)),
            lambda: optax.chain(optax.clip(0.1), optax.adamw(0.05, weight_decay=0.2)),
        ),
        (lambda: quickprop(0.1), lambda: quickprop(0.1, mu=1.75), lambda: quickprop(0.1, mu=1.7)),
    ],
)
def test_a_rule_as_an_object_is_stored_resumed_and_told_from_another(rule, same, other, tmp_path):
    out, most = tmp_path / "sweep", {"max_epochs": 20, "block_size": 16}

    def swept(rule):
        with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes types
            return bpjax.sweep(bpjax.tasks.xor(), 6, optimizer=rule, out=out, **most)

    first = swept(rule())
    next((out / "chunks").iterdir()).unlink()
    np.testing.assert_array_equal(swept(same())["loss"], first["loss"])
    with pytest.raises(bpjax.ResultsError, match=r"`task.recipe.optimizer` was \"program \w+"):
        swept(other())
