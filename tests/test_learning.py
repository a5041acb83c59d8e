import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import advance, assert_trees_close

import bpjax
from bpjax.errors import SettingError
from bpjax.learning import (
    OPTIMIZERS,
    accelerated_descent,
    decay_after_change,
    learning_rule,
    steepest_descent,
)
from bpjax.params import Params
from bpjax.recipe import Recipe
from bpjax.schedule import Schedule, as_schedule, value_in_epoch

MATRIX = ("a", "b")


def roll(rule, num_changes, weight=1.0):
    """Descend on E = w^2 / 2, whose gradient is w, and return every weight on the way."""
    weight = jnp.asarray(weight)
    state = rule.init(weight)
    path = [float(weight)]
    for _ in range(num_changes):
        change, state = rule.update(weight, state, weight)
        weight = optax.apply_updates(weight, change)
        path.append(float(weight))
    return path


def some_params(*values):
    weight, bias = values
    return Params({MATRIX: jnp.array([[weight]])}, {"b": jnp.array([bias])})


def test_momentum_against_a_table_by_hand(float64):
    # eps 0.1, alpha 0.9. t: gradient, change, weight
    #  1: 1.000, -0.1000                = -0.100, 0.900
    #  2: 0.900, -0.0900 + 0.9 * -0.100 = -0.180, 0.720
    #  3: 0.720, -0.0720 + 0.9 * -0.180 = -0.234, 0.486
    path = roll(accelerated_descent(0.1, 0.9), 3)
    np.testing.assert_allclose(path, [1.0, 0.9, 0.72, 0.486], rtol=1e-15)


def test_zero_momentum_is_plain_descent(float64):
    assert roll(accelerated_descent(0.3, 0.0), 10) == roll(steepest_descent(0.3), 10)
    np.testing.assert_allclose(roll(steepest_descent(0.3), 10), 0.7 ** np.arange(11), rtol=1e-14)


def test_at_a_constant_rate_the_paper_and_optax_agree(float64):
    ours, theirs = roll(accelerated_descent(0.1, 0.9), 60), roll(optax.sgd(0.1, momentum=0.9), 60)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert ours[-1] == pytest.approx(0.03807, abs=5e-6)


def test_after_a_change_of_rate_the_paper_and_optax_part(float64):
    def rate(count):
        return jnp.where(count < 20, 0.05, 0.1)

    ours, theirs = roll(accelerated_descent(rate, 0.9), 60), roll(optax.sgd(rate, momentum=0.9), 60)
    np.testing.assert_allclose(ours[:21], theirs[:21], rtol=1e-12)
    assert ours[-1] == pytest.approx(-0.00527, abs=5e-6)
    assert theirs[-1] == pytest.approx(0.00351, abs=5e-6)


def test_momentum_may_change_too(float64):
    rule = accelerated_descent(0.1, lambda count: jnp.where(count < 1, 0.5, 0.9))
    # 1: -0.1 -> 0.9;  2: -0.09 + 0.9 * -0.1 = -0.18 -> 0.72
    np.testing.assert_allclose(roll(rule, 2), [1.0, 0.9, 0.72], rtol=1e-15)


def test_decay_shrinks_the_changed_weight_by_its_share(float64):
    rule = learning_rule("paper", 0.1, 0.9, weight_decay=0.002)
    params, grads = some_params(2.0, -1.0), some_params(5.0, 3.0)
    state = rule.init(params)
    changes, _ = rule.update(grads, state, params)
    after = optax.apply_updates(params, changes)
    # (1 - r) (w + Dw), with Dw = -0.1 g
    assert_trees_close(after, some_params(0.998 * 1.5, 0.998 * -1.3))


def test_decay_leaves_the_velocity_alone(float64):
    rule = learning_rule("paper", 0.1, 0.9, weight_decay=0.5)
    params, grads = some_params(2.0, -1.0), some_params(5.0, 3.0)
    _, state = rule.update(grads, rule.init(params), params)
    assert_trees_close(state[0].velocity, some_params(-0.5, -0.3))


def test_biases_may_be_spared_from_decay(float64):
    rule = learning_rule("paper", 0.1, 0.9, weight_decay=0.002, decay_biases=False)
    params, grads = some_params(2.0, -1.0), some_params(5.0, 3.0)
    changes, _ = rule.update(grads, rule.init(params), params)
    after = optax.apply_updates(params, changes)
    assert_trees_close(after, some_params(0.998 * 1.5, -1.3))


def test_no_decay_is_no_decay(float64):
    rule = decay_after_change(0.0)
    params, changes = some_params(2.0, -1.0), some_params(0.5, 0.25)
    assert_trees_close(rule.update(changes, rule.init(params), params)[0], changes, tolerance=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_descends_in_both_precisions(name, dtype):
    rule = learning_rule(name, 0.05, 0.5)
    weight = jnp.ones((), dtype)
    state = rule.init(weight)
    for _ in range(3):
        with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes types
            change, state = rule.update(weight, state, weight)
        weight = optax.apply_updates(weight, change)
    assert weight.dtype == dtype
    assert 0 < weight < 1


def test_a_schedule_changes_at_its_epochs():
    rate = Schedule((0.1, 0.2, 0.3), (5, 7))
    assert [rate.at(epoch) for epoch in (0, 4, 5, 6, 7, 100)] == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]
    assert str(rate) == "0.1, 0.2 from 5, 0.3 from 7"
    assert as_schedule(0.5) == Schedule((0.5,))
    assert as_schedule(rate) is rate


@pytest.mark.parametrize("rate", [Schedule((0.1, 0.2, 0.3), (5, 7)), Schedule((0.25,))])
def test_a_traced_schedule_is_the_schedule(rate):
    traced = jax.jit(lambda epoch: value_in_epoch(jnp.array(rate.values), rate.changes, epoch))
    for epoch in (*range(10), 2**31 - 2):
        assert float(traced(jnp.int32(epoch))) == np.float32(rate.at(epoch))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        *(
            ({"learning_rate": value}, f"`learning_rate` must be a positive finite number, {got}.")
            for value, got in [
                (-0.1, "got -0.1"),
                (0, "got 0"),
                (float("nan"), "got nan"),
                (float("inf"), "got inf"),
                ("fast", "got 'fast'"),
                (True, "got True"),
                (Schedule((0.1, 0.0), (5,)), "got 0.0"),
            ]
        ),
        *(
            ({"momentum": value}, f"`momentum` must be at least 0 and below 1, got {value}.")
            for value in (1, 1.0, -0.1, float("nan"))
        ),
        ({"weight_decay": 1.0}, "`weight_decay` must be at least 0 and below 1, got 1.0."),
        ({"init_range": -0.3}, "`init_range` must be a finite number, 0 or above, got -0.3."),
        ({"init_range": float("inf")}, "`init_range` must be a finite number, 0 or above, got inf"),
        (
            {"updates": "batches"},
            "`updates` must be batch, case or a whole number of cases, at least 1, got 'batches'.",
        ),
        (
            {"optimizer": "lamb"},
            f"`optimizer` must be one of {', '.join(OPTIMIZERS)}, optax.NAME, or an optax "
            "transformation, got 'lamb'.",
        ),
        (
            {"optimizer": 3},
            f"`optimizer` must be one of {', '.join(OPTIMIZERS)}, optax.NAME, or an optax "
            "transformation, got 3.",
        ),
        (
            {"optimizer": "rprop", "learning_rate": Schedule((0.1, 0.2), (20,))},
            "`learning_rate` must not change during a run if the optimizer is 'rprop', got '0.1, 0",
        ),
        (
            {"optimizer": "delta-bar-delta", "learning_rate": Schedule((0.1, 0.2), (20,))},
            "`learning_rate` must not change during a run if the optimizer is 'delta-bar-delta', g",
        ),
        (
            {"optimizer": "sgd", "momentum": Schedule((0.5, 0.9), (20,))},
            "`momentum` must not change during a run unless the optimizer is 'paper', got '0.5, 0",
        ),
        *(
            (
                {"max_epochs": value},
                f"`max_epochs` must be a whole number from 1 to 2**31 - 2, got {value}.",
            )
            for value in (0, 1.5, 2**31 - 1, True)
        ),
    ],
)
def test_a_fault_of_a_recipe_is_named(wrong, words):
    with pytest.raises(SettingError) as fault:
        Recipe(**{"learning_rate": 0.1, **wrong})
    assert words in str(fault.value)


@pytest.mark.parametrize(
    ("values", "changes", "words"),
    [
        ((0.1,), (5,), "`values` must have one entry more than `changes`, got (0.1,)."),
        ((0.1, 0.2), (), "`values` must have one entry more than `changes`"),
        ((0.1, 0.2), (0,), "`changes` must be a whole number from 1 to 2**31 - 2, got 0."),
        ((0.1, 0.2), (1.5,), "`changes` must be a whole number from 1 to 2**31 - 2, got 1.5."),
        ((0.1, 0.2), (2**31 - 1,), "`changes` must be a whole number from 1 to 2**31 - 2, got 2"),
        ((0.1, 0.2, 0.3), (5, 5), "`changes` must increase, got (5, 5)."),
        ((0.1, "fast"), (5,), "`values` must be finite numbers, got (0.1, 'fast')."),
        ((0.1, float("nan")), (5,), "`values` must be finite numbers, got (0.1, nan)."),
        (0.1, (), "`values` must be a sequence of numbers, got 0.1."),
    ],
)
def test_a_fault_of_a_schedule_is_named(values, changes, words):
    with pytest.raises(SettingError) as fault:
        Schedule(values, changes)
    assert words in str(fault.value)


def test_numpy_numbers_become_pythons_own():
    recipe = Recipe(
        np.float32(0.5), np.float64(0.9), np.int64(0), np.float32(0.5), max_epochs=np.int32(7)
    )
    assert recipe == Recipe(0.5, 0.9, 0.0, 0.5, max_epochs=7)
    numbers = recipe.learning_rate, recipe.momentum, recipe.weight_decay, recipe.init_range
    assert {type(number) for number in numbers} == {float}
    assert type(recipe.max_epochs) is int


def test_a_schedule_may_be_given_as_lists_or_arrays():
    rate = Schedule(np.array([0.5, 1.0]), [np.int64(3)])
    assert rate == Schedule((0.5, 1), (3,))
    assert hash(rate) == hash(Schedule((0.5, 1), (3,)))
    assert str(rate) == "0.5, 1.0 from 3"
    assert {type(value) for value in rate.values} == {float}
    assert type(rate.changes[0]) is int
    assert Recipe(rate).learning_rate == rate


def test_an_optimizer_may_be_the_users_own():
    for own in (optax.lion(0.1), optax.with_extra_args_support(optax.sgd(0.1))):
        assert Recipe(0.1, optimizer=own).optimizer is own


def test_the_edges_of_the_rules_are_allowed():
    Recipe(learning_rate=1, momentum=0, weight_decay=0, init_range=0, max_epochs=2**31 - 2)


def test_settings_may_be_traced():
    def change(rate):
        rule = learning_rule("paper", rate, 0.9, weight_decay=rate)
        params = some_params(1.0, 1.0)
        return rule.update(params, rule.init(params), params)[0].weight[MATRIX][0, 0]

    rates = jnp.array([0.1, 0.2])
    # -r - r (1 - r)
    np.testing.assert_allclose(jax.vmap(change)(rates), [-0.19, -0.36], rtol=1e-6)


def test_the_decay_of_adamw_is_not_the_recipes():
    """No gradient: -rate decay w of adamw, then (1 - r) of the recipe, which may go with it."""
    params, grads = some_params(2.0, -1.0), some_params(0.0, 0.0)

    def after(**settings):
        rule = learning_rule("adamw(weight_decay=0.25)", 0.5, 0.0, **settings)
        with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes types
            return optax.apply_updates(params, rule.update(grads, rule.init(params), params)[0])

    assert_trees_close(after(), some_params(1.75, -0.875))
    assert_trees_close(after(weight_decay=0.5), some_params(0.875, -0.4375))
    assert_trees_close(after(weight_decay=0.5, decay_biases=False), some_params(0.875, -0.875))


def test_decay_may_start_late():
    """Two pieces: none at first, a half from the second change on; the gradient is zero."""
    rule = optax.chain(
        steepest_descent(0.1), decay_after_change(lambda count: jnp.where(count < 1, 0.0, 0.5))
    )
    params = Params({("a", "b"): jnp.ones((1, 1))}, {"b": jnp.ones(1)})
    state, sizes = rule.init(params), []
    for _ in range(3):
        changes, state = rule.update(jax.tree.map(jnp.zeros_like, params), state, params)
        params = optax.apply_updates(params, changes)
        sizes.append(float(params.bias["b"][0]))
    assert sizes == [1.0, 0.5, 0.25]


def test_a_scheduled_decay_is_counted_in_epochs():
    task = bpjax.tasks.xor().with_settings(weight_decay=Schedule((0.0, 0.01), (3,)))
    plain = bpjax.tasks.xor()
    assert_trees_close(advance(task, 3).params, advance(plain, 3).params, 0)
    decayed = advance(plain.with_settings(weight_decay=0.01), 1, seed=0)
    for updates in ("batch", "case"):
        late = task.with_settings(updates=updates)
        without = plain.with_settings(updates=updates)
        assert_trees_close(advance(late, 3).params, advance(without, 3).params, 0)
        there = np.abs(advance(late, 4).params.bias["hidden"])
        assert np.all(there != np.abs(advance(without, 4).params.bias["hidden"]))
    assert not np.allclose(decayed.params.bias["hidden"], advance(plain, 1).params.bias["hidden"])
