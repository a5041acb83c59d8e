"""One run, epoch by epoch, against plain NumPy loops; and every way in which a run can end."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import advance, assert_trees_close, first_state

from bpjax import tasks, witness
from bpjax.epoch import Cases, program_of, settings_of, start
from bpjax.epoch import step as one_step
from bpjax.params import Params
from bpjax.schedule import Schedule, as_schedule
from bpjax.status import Status

XOR = tasks.xor()
NEVER = {"tolerance": 1e-6}  # a criterion that no run of these tests meets


step = jax.jit(one_step, static_argnames="program")


def map_params(function, *params):
    return jax.tree.map(function, *params)


def numpy_epochs(task, params, num_epochs):
    """Train with the witness's gradient, equation (9) and decay, as the paper words them."""
    recipe = task.recipe
    params = map_params(np.asarray, params)
    velocity = map_params(np.zeros_like, params)
    size = {"batch": task.num_cases, "case": 1}.get(recipe.updates, recipe.updates)
    held_out = task.held_out or ()
    for epoch in range(num_epochs):
        eps, alpha, decay = (
            as_schedule(setting).at(epoch)
            for setting in (recipe.learning_rate, recipe.momentum, recipe.weight_decay)
        )
        for first in range(0, task.num_cases, size):
            part = range(first, min(first + size, task.num_cases))
            block = [case for case in part if case not in held_out]
            if not block:
                continue
            inputs, targets = task.inputs[block], task.targets[block]
            _, grads = witness.loss_and_gradient(task.network, params, inputs, targets, task.loss)
            velocity = map_params(lambda g, v: -eps * g + alpha * v, grads, velocity)  # noqa: B023
            changed = map_params(np.add, params, velocity)
            decayed = map_params(lambda w: (1 - decay) * w, changed)  # noqa: B023
            params = decayed if recipe.decay_biases else Params(decayed.weight, changed.bias)
    return params, velocity


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": 0.0},
        {"updates": "case"},
        {"weight_decay": 0.01},
        {"weight_decay": 0.01, "decay_biases": False, "updates": "case"},
        {"learning_rate": Schedule((0.5, 0.1), (2,)), "momentum": Schedule((0.5, 0.9), (3,))},
        {
            "learning_rate": Schedule((0.5, 0.1), (2,)),
            "momentum": Schedule((0.5, 0.9), (3,)),
            "updates": "case",
        },
    ],
    ids=str,
)
def test_epochs_against_a_numpy_loop(settings, float64):
    follows_the_numpy_loop(XOR.with_settings(**settings, **NEVER))


@pytest.mark.parametrize("updates", ["batch", "case", 2])
def test_schedules_go_by_the_epoch_where_cases_are_held_out(updates, float64):
    """Three cases of four make fewer changes in an epoch; a count of changes would come late."""
    schedules = {
        "learning_rate": Schedule((0.5, 0.1), (2,)),
        "momentum": Schedule((0.5, 0.9), (3,)),
        "weight_decay": Schedule((0.0, 0.01), (3,)),
    }
    task = dataclasses.replace(XOR, held_out=(1,))
    follows_the_numpy_loop(task.with_settings(updates=updates, **schedules, **NEVER))


def follows_the_numpy_loop(task):
    _, _, state = first_state(task, seed=5, dtype="float64")
    trained = advance(task, 5, seed=5, dtype="float64")
    params, velocity = numpy_epochs(task, state.params, 5)
    assert_trees_close(trained.params, params)
    rule_state = trained.optimizer_state
    assert_trees_close((rule_state[0] if task.recipe.decays else rule_state).velocity, velocity)
    assert trained.epoch == 5


def test_momentum_zero_is_plain_descent(float64):
    task = XOR.with_settings(momentum=0.0, **NEVER)
    by_optax = XOR.with_settings(optimizer=optax.sgd(0.25), **NEVER)
    ours, theirs = (advance(t, 10, dtype="float64").params for t in (task, by_optax))
    assert_trees_close(ours, theirs)


def test_a_tiny_learning_rate_leaves_the_weights(dtype):
    task = XOR.with_settings(learning_rate=1e-30, **NEVER)
    _, _, state = first_state(task, dtype=dtype)
    trained = advance(task, 10, dtype=dtype)
    assert trained.epoch == 10
    assert_trees_close(trained.params, state.params, tolerance=0)


def test_the_order_of_cases_matters_only_case_by_case(float64):
    order = [2, 0, 3, 1]

    def difference(updates):
        task = XOR.with_settings(updates=updates, **NEVER)
        cases = Cases(*task.cases("float64"))
        shuffled = Cases(cases.inputs[np.array(order)], cases.targets[np.array(order)])
        program, numbers, state = first_state(task, dtype="float64")
        here, there = (
            step(program, shown, jnp.int32(9), numbers, state) for shown in (cases, shuffled)
        )
        weights = [run.params.weight["hidden", "output"] for run in (here, there)]
        return float(jnp.abs(weights[0] - weights[1]).max())

    assert difference("batch") < 1e-16
    assert difference("case") > 1e-5


@functools.cache
def epochs_of_xor(seed):
    state = advance(XOR, 3000, seed=seed)
    assert state.status == Status.CONVERGED
    return int(state.epoch)


def test_a_run_may_converge_before_its_first_epoch():
    task = XOR.with_settings(tolerance=1.0)
    _, _, state = first_state(task)
    ended = advance(task, 5)
    assert (ended.status, ended.epoch) == (Status.CONVERGED, 0)
    assert_trees_close(ended.params, state.params, tolerance=0)


def test_a_run_may_converge_exactly_at_the_cap_but_not_one_epoch_later():
    epochs = epochs_of_xor(0)
    at_the_cap = advance(XOR, 3000, max_epochs=epochs)
    too_late = advance(XOR, 3000, max_epochs=epochs - 1)
    assert (at_the_cap.status, at_the_cap.epoch) == (Status.CONVERGED, epochs)
    assert (too_late.status, too_late.epoch) == (Status.MAX_EPOCHS, epochs - 1)


def test_a_run_is_running_until_it_is_judged():
    epochs = epochs_of_xor(0)
    before = advance(XOR, epochs)
    assert (before.status, before.epoch) == (Status.RUNNING, epochs)
    judged = advance(XOR, epochs + 1)
    assert (judged.status, judged.epoch) == (Status.CONVERGED, epochs)
    assert_trees_close(judged.params, before.params, tolerance=0)


def forget(state):
    """Drop the memory of the learning rule, which is of no use once a run has ended."""
    return state._replace(optimizer_state=None)


def test_nothing_changes_after_the_outcome():
    epochs = epochs_of_xor(0)
    ended, much_later = advance(XOR, epochs + 1), advance(XOR, epochs + 500)
    assert_trees_close(forget(much_later), forget(ended), tolerance=0)


def test_the_loss_is_that_of_the_judged_weights():
    ended = advance(XOR, 3000)
    value, _ = witness.loss_and_gradient(
        XOR.network, ended.params, XOR.inputs, XOR.targets, XOR.loss
    )
    assert float(ended.loss) == pytest.approx(value, rel=1e-5)


def test_before_the_first_judgement_there_is_no_loss():
    _, _, state = first_state(XOR)
    assert jnp.isnan(state.loss)
    assert (state.status, state.epoch) == (Status.RUNNING, 0)


@pytest.mark.parametrize(
    ("settings", "epoch"),
    [
        ({"learning_rate": np.inf}, 1),
        ({"learning_rate": np.nan}, 1),
        ({"momentum": np.inf}, 1),
        ({"init_range": np.inf}, 0),
        ({"init_range": np.nan}, 0),
    ],
    ids=str,
)
def test_a_run_that_stops_being_finite_says_so(settings, epoch):
    ended = advance(XOR, 100, **settings)
    assert ended.status == Status.NONFINITE
    assert ended.epoch == epoch
    assert_trees_close(
        jax.tree.map(np.nan_to_num, forget(advance(XOR, 200, **settings))),
        jax.tree.map(np.nan_to_num, forget(ended)),
        tolerance=0,
    )


def test_nonfinite_is_no_success_and_no_cap():
    # judged at epoch 1, which is the cap, and with a tolerance that every output meets
    at_the_cap = advance(XOR, 10, max_epochs=1, learning_rate=np.inf)
    assert (at_the_cap.status, at_the_cap.epoch) == (Status.NONFINITE, 1)
    anything_goes = advance(XOR.with_settings(loss_below=1e6), 10, init_range=np.inf)
    assert (anything_goes.status, anything_goes.epoch) == (Status.NONFINITE, 0)


@pytest.mark.parametrize("memory", [False, True])
def test_an_infinity_that_no_output_shows_counts_too(memory):
    # a hidden bias that keeps the unit on: the loss is finite, every output meets the tolerance
    task = XOR.with_settings(tolerance=1.0, optimizer="adam" if memory else "paper")
    program, numbers, state = first_state(task)
    infinite = state.params._replace(bias={**state.params.bias, "hidden": jnp.full(2, np.inf)})
    if memory:
        moments, *rest = state.optimizer_state
        state = state._replace(optimizer_state=(moments._replace(nu=infinite), *rest))
    else:
        state = state._replace(params=infinite)
    with jax.numpy_dtype_promotion("standard"):  # optax's Adam is not strict
        judged = step(program, Cases(*XOR.cases()), jnp.int32(9), numbers, state)
    assert jnp.isfinite(judged.loss)
    assert judged.status == Status.NONFINITE


def test_a_velocity_that_is_not_finite_shows_in_the_weights_it_makes():
    program, numbers, state = first_state(XOR)
    infinite = jax.tree.map(lambda v: jnp.full_like(v, np.inf), state.optimizer_state.velocity)
    state = state._replace(optimizer_state=state.optimizer_state._replace(velocity=infinite))
    for _ in range(2):
        state = step(program, Cases(*XOR.cases()), jnp.int32(9), numbers, state)
    assert (state.status, state.epoch) == (Status.NONFINITE, 1)


def test_a_larger_cap_does_not_wake_an_ended_run():
    program, numbers, _ = first_state(XOR)
    ended = advance(XOR, 10, max_epochs=5)
    assert ended.status == Status.MAX_EPOCHS
    again = step(program, Cases(*XOR.cases()), jnp.int32(50), numbers, ended)
    assert_trees_close(forget(again), forget(ended), tolerance=0)


def test_tasks_that_differ_in_numbers_share_a_program():
    other = XOR.with_settings(
        learning_rate=0.7, momentum=0.1, init_range=2.0, tolerance=0.1, max_epochs=7
    )
    assert program_of(other) == program_of(XOR)
    assert hash(program_of(other)) == hash(program_of(XOR))
    for change in (
        {"weight_decay": 0.1},
        {"updates": "case"},
        {"loss_below": 0.1},
        {"optimizer": "adam"},
        {"learning_rate": Schedule((0.1, 0.2), (3,))},
    ):
        assert program_of(XOR.with_settings(**change)) != program_of(XOR)
    assert program_of(XOR, "float64") != program_of(XOR)
    assert program_of(XOR, decays=True).decays


def test_settings_are_the_numbers_of_the_recipe():
    task = XOR.with_settings(learning_rate=Schedule((0.5, 0.1), (2,)), weight_decay=0.25)
    settings = settings_of(task, "float64")
    assert settings.learning_rate.tolist() == [0.5, 0.1]
    assert settings.momentum.tolist() == [0.9]
    assert (settings.weight_decay, settings.init_range, settings.threshold) == (0.25, 0.3, 0.5)
    assert {entry.dtype for entry in settings} == {np.dtype("float64")}


def test_mapped_runs_are_those_of_a_loop():
    program, numbers, _ = first_state(XOR)
    cases = Cases(*XOR.cases())

    def train(seed):
        state = start(program, XOR.num_cases, seed, numbers)
        return jax.lax.fori_loop(
            0, 50, lambda _, s: step(program, cases, jnp.int32(10**6), numbers, s), state
        )

    mapped = jax.jit(jax.vmap(train))(jnp.arange(3, dtype=jnp.uint32))
    looped = [advance(XOR, 50, seed=seed) for seed in range(3)]
    assert_trees_close(mapped, jax.tree.map(lambda *leaves: jnp.stack(leaves), *looped))
