"""Every layout against `epoch.step`, `backprop` and `jax.grad`: any net, loss and rule."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import daily, in_time, task_of
from layout_runs import assert_same, step_by_step, trained

import bpjax
from bpjax.backprop import forward_pass, outputs_of
from bpjax.connections import Connection, Layer
from bpjax.epoch import Settings, program_of, settings_of
from bpjax.layouts import lanes, layout_named, matrix, unrolled
from bpjax.layouts.lanes import EXP_OF_MINUS, logistic_float32
from bpjax.loss import HalfSquaredError, MarginSquaredError
from bpjax.network import Network, layered
from bpjax.params import flatten_params, unflatten_params
from bpjax.problems import random_network
from bpjax.schedule import Schedule
from bpjax.sweeps.planning import make_plan

TASKS = {
    "xor": bpjax.tasks.xor(),
    "xor direct": bpjax.tasks.xor(direct=True),
    "two hidden layers": bpjax.tasks.parity(bits=3, hidden_layers=2),
    "encoder": bpjax.tasks.encoder(size=3, hidden=2),
    "symmetry": bpjax.tasks.symmetry(bits=3),
    "shift register": bpjax.tasks.shift_register(),
}
RECIPES = {
    "the paper's rule": {},
    "scheduled": {
        "learning_rate": Schedule((0.1, 0.4), (5,)),
        "momentum": Schedule((0.5, 0.9), (7,)),
    },
    "decay": {"weight_decay": 0.01, "decay_biases": False},
    "per case": {"updates": "case", "learning_rate": Schedule((0.1, 0.4), (5,))},
    "per case, steadily": {"updates": "case", "learning_rate": 0.1},
    "nesterov": {"optimizer": "nesterov"},
    "adam": {"optimizer": "adam", "learning_rate": 0.01},
    "adamw": {"optimizer": "adamw(b1=0.5, weight_decay=0.3)", "learning_rate": 0.01},
    "adagrad": {"optimizer": "adagrad", "learning_rate": 0.1},
    "rmsprop": {"optimizer": "rmsprop", "learning_rate": 0.01},
    "rprop": {"optimizer": "rprop", "learning_rate": 0.5},
    "rprop, stepping back": {"optimizer": "rprop(backtracking=true)", "learning_rate": 0.5},
    "quickprop": {"optimizer": "quickprop(decay=0.01)", "learning_rate": 0.1},
    "delta-bar-delta": {"optimizer": "delta-bar-delta", "learning_rate": 0.5},
    "loss below": {"loss_below": 0.4},
}


RULES_OF_A_DAY = [
    "the paper's rule",
    "scheduled",
    "decay",
    "per case",
    "adam",
    "rprop",
    "quickprop",
]

TASKS["in time"] = task_of(in_time(), HalfSquaredError(), 5)
HELD_OUT = {"some held out": dataclasses.replace(TASKS["encoder"], held_out=1)}

LAYOUTS = ["matrix", "unrolled"]  # fused: test_fused.py; batched, which is `epoch.step`: below


@functools.cache
def by_steps(name, recipe):
    return step_by_step((TASKS | HELD_OUT)[name], **RECIPES[recipe])


@pytest.mark.parametrize("recipe", daily(RULES_OF_A_DAY, of=RECIPES))
@pytest.mark.parametrize("implementation", LAYOUTS)
def test_every_rule_gives_what_single_runs_give(implementation, recipe):
    settings = RECIPES[recipe]
    task = TASKS["xor"]
    assert_same(trained(task, implementation, **settings), by_steps("xor", recipe))


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("implementation", LAYOUTS)
def test_every_task_gives_what_single_runs_give(implementation, name):
    assert_same(trained(TASKS[name], implementation), by_steps(name, "the paper's rule"))


@pytest.mark.parametrize("seed", daily([0, 3], of=range(6)))
@pytest.mark.parametrize("implementation", LAYOUTS)
def test_any_network_with_skips_masks_and_ties(implementation, seed):
    losses = [
        HalfSquaredError(),
        MarginSquaredError(),
        MarginSquaredError(measured_from="margin", scope="case"),
    ]
    task = task_of(random_network(seed), losses[seed % 3], seed)
    assert_same(trained(task, implementation), step_by_step(task))


def test_a_loss_that_couples_outputs_and_a_rule_of_the_users_own():
    task = task_of(layered(3, 4, 3), MarginSquaredError(scope="case"), seed=1)
    settings = {"optimizer": optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(0.5))}
    assert_same(trained(task, "matrix", **settings), step_by_step(task, **settings))


@pytest.mark.parametrize(
    ("kind", "updates"),
    daily(
        [("tie", "batch"), ("mask", "case")],
        of=itertools.product(["tie", "mask", None], ["batch", "case"]),
    ),
)
def test_one_input_on_is_a_look_up_with_the_same_result(kind, updates):
    rng = np.random.default_rng(3)
    extra = {"tie": {"tie": rng.permutation(np.arange(12) % 5).reshape(4, 3)}, None: {}}
    extra["mask"] = {"mask": rng.integers(0, 2, (4, 3)).astype(bool)}
    layers = [Layer("one", 4), Layer("two", 3), Layer("hidden", 3), Layer("output", 2)]
    pairs = [Connection("one", "hidden", **extra[kind]), Connection("two", "hidden")]
    network = Network(layers, [*pairs, Connection("hidden", "output")])
    task = task_of(network, HalfSquaredError(), seed=2)
    which = rng.integers(0, (4, 3), (6, 2))
    inputs = np.concatenate([np.eye(4)[which[:, 0]], np.eye(3)[which[:, 1]]], axis=1)
    targets = rng.integers(0, 2, (6, 2)).astype(float)
    task = dataclasses.replace(task, inputs=inputs, targets=targets)
    cases = matrix.cases_of(task, program_of(task, "float64"))
    assert [table.dtype.name for table in cases.inputs.values()] == ["int32", "int32"]
    settings = {"updates": updates}
    assert_same(trained(task, "matrix", **settings), step_by_step(task, **settings))


def test_layers_too_large_for_sums_of_rows():
    task = task_of(layered(70, 66, 65), HalfSquaredError(), seed=4)
    assert matrix.MOST_ROWS < 65
    settings = {"learning_rate": 0.001}
    assert_same(trained(task, "matrix", **settings), step_by_step(task, **settings))


@pytest.mark.parametrize("name", daily(["xor direct", "encoder"], of=TASKS))
@pytest.mark.parametrize("implementation", LAYOUTS)
def test_one_epoch_without_momentum_is_the_gradient_of_jax(implementation, name):
    task = TASKS[name].with_settings(momentum=0.0, learning_rate=1.0, tolerance=1e-9, copies="sum")
    before = trained(task, implementation, max_epochs=1, learning_rate=1e-300)
    after = trained(task, implementation, max_epochs=1)
    with jax.enable_x64(True):
        inputs, targets = task.cases("float64")

        def loss(params):
            outputs = outputs_of(task.network, forward_pass(task.network, params, inputs))
            return task.loss.value(outputs, targets)

        gradient = jax.jit(jax.grad(loss))
        for old, new in zip(before["weights"], after["weights"], strict=True):
            params = unflatten_params(task.network, jax.numpy.asarray(old))
            moved = unflatten_params(task.network, jax.numpy.asarray(new))
            for g, p, m in zip(
                *map(jax.tree.leaves, (gradient(params), params, moved)), strict=True
            ):
                np.testing.assert_allclose(m - p, -g, rtol=1e-10, atol=1e-14)


# ---- one run for every lane ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "recipe"),
    daily(
        [("in time", "adam"), ("some held out", "per case, steadily")],
        of=[
            ("xor direct", "scheduled"),
            ("in time", "adam"),
            ("some held out", "the paper's rule"),
            ("some held out", "per case, steadily"),
        ],
    ),
)
def test_one_by_one_a_run_is_what_it_is_alone(name, recipe):
    task = (TASKS | HELD_OUT)[name]
    assert_same(trained(task, "batched", **RECIPES[recipe]), by_steps(name, recipe))


@pytest.mark.parametrize("name", ["xor direct", "some held out"])
def test_all_lanes_at_once_as_on_an_accelerator_a_run_is_what_it_is_alone(name):
    task, batched = (TASKS | HELD_OUT)[name].with_settings(max_epochs=12), layout_named("batched")
    with jax.enable_x64(True):
        program, numbers = program_of(task, "float64"), settings_of(task, "float64")
        settings = jax.tree.map(lambda row: np.repeat(np.asarray(row)[..., None], 8, -1), numbers)
        arithmetic, cases = lanes.Arithmetic(program, "gpu"), batched.cases_of(task, program)

        @jax.jit
        def train(seeds):
            runs = lanes.start(program, task.num_cases, seeds, settings)
            twelve = jnp.int32(12), jnp.int32(13)
            runs = batched.advance(arithmetic, task.num_cases, cases, *twelve, settings, runs)
            return runs, jax.vmap(functools.partial(flatten_params, task.network), -1)(runs.params)

        runs, weights = train(np.arange(8, dtype=np.uint32))
    alone = by_steps(name, "the paper's rule")
    assert runs.status.tolist() == alone["status"]
    assert runs.epoch.tolist() == alone["epochs"]
    np.testing.assert_allclose(weights, alone["weights"], rtol=1e-10, atol=1e-12)


def test_one_by_one_runs_take_a_rule_of_the_users_own_and_are_refilled():
    task = task_of(random_network(5), MarginSquaredError(scope="case"), seed=1)
    clip = {"optimizer": optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(0.5))}
    settings = clip | {"init_range": [0.3, 0.6], "tolerance": [0.2, 0.5], "max_epochs": 90}
    found = [trained(task, layout, num_runs=50, **settings) for layout in ("batched", "matrix")]
    assert_same(*found)
    assert len(found[0]["epochs"]) == 200 > 2 * 8 * jax.local_device_count()
    assert len(set(found[0]["epochs"])) > 10, "lanes are refilled at different times"


@pytest.mark.parametrize("layout", ["matrix", "unrolled", "batched"])
def test_a_stride_has_as_many_epochs_as_it_was_asked_for(layout):
    """Nobody would lose a run by one less: it would only take longer, or for ever."""
    task, of = TASKS["xor"], layout_named(layout)
    program, rows = program_of(task), settings_of(task)
    settings = Settings(*(np.repeat(row[..., None], 64, axis=-1) for row in rows))
    quick = {"xla_backend_optimization_level": 0}

    @functools.partial(jax.jit, compiler_options=quick)
    def epochs_made(seeds, num_epochs):
        runs = lanes.start(program, task.num_cases, seeds, settings)
        about = lanes.Arithmetic(program, "cpu"), task.num_cases, of.cases_of(task, program)
        return of.advance(*about, jnp.int32(100), num_epochs, settings, runs).epoch

    for many in (0, 1, 3):
        assert set(np.asarray(epochs_made(np.arange(64, dtype=np.uint32), many))) == {many}


# ---- which layout -------------------------------------------------------------------------------


def test_auto_takes_it_where_it_is_faster_for_every_run():
    def choice(task, **settings):
        return make_plan(task, 1, **settings).implementation

    coupled = dataclasses.replace(bpjax.tasks.xor(), loss=MarginSquaredError(scope="case"))
    assert choice(bpjax.tasks.xor()) == "unrolled"
    assert choice(bpjax.tasks.xor(), implementation="matrix") == "matrix"
    assert choice(bpjax.tasks.encoder()) == "matrix"
    assert choice(bpjax.tasks.encoder(), implementation="unrolled") == "unrolled"
    assert choice([bpjax.tasks.xor(), bpjax.tasks.xor(hidden=30)]) == "matrix"
    assert choice(coupled) == "matrix"


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (bpjax.tasks.encoder(16, 4), "cases times weights must be at most 2048, not 2368"),
        (
            dataclasses.replace(bpjax.tasks.xor(), loss=MarginSquaredError(scope="case")),
            "the loss must be a sum over single outputs",
        ),
    ],
)
def test_unrolled_gives_way_where_it_cannot_serve_the_net(task, reason):
    plan = make_plan(task, 1, implementation="unrolled")
    assert plan.implementation == "matrix"
    assert plan.fallback == f"unrolled gave way to matrix: {reason}"


def test_inputs_of_zero_and_one_leave_no_trace_in_the_program():
    assert unrolled._times("weight", 0.0) == 0.0
    assert unrolled._times("weight", 1.0) == "weight"
    assert unrolled._plus("total", 0.0) == "total"
    assert unrolled._plus(0.0, "term") == "term"


# ---- several epochs in a turn of the loop, as on a GPU -------------------------------------------


def in_strides(strides, at_once):
    """Train eight runs of XOR in float64, with so many epochs in a turn of the loop."""
    task = TASKS["xor"].with_settings(tolerance=0.5013)
    program, numbers = program_of(task, "float64"), settings_of(task, "float64")
    numbers = jax.tree.map(lambda row: np.repeat(row[..., None], 8, axis=-1), numbers)
    runs = lanes.start(program, 4, np.arange(8, dtype=np.uint32), numbers)
    arithmetic, cases = lanes.Arithmetic(program, "gpu"), unrolled.cases_of(task, program)

    @jax.jit
    def train(many, numbers, runs):
        about = unrolled.PASSES, arithmetic, 4, cases, np.int32(60), many, numbers, runs
        return lanes.train(*about, epochs_at_once=lambda *_: at_once)

    for many in strides:
        runs = train(np.int32(many), numbers, runs)
    return jax.device_get(runs)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("at_once", [3, 4])
def test_several_epochs_in_a_turn_make_the_same_runs(at_once):
    several, one = in_strides((1, 4, 6, 51, 0), at_once), in_strides((62,), 1)
    assert len(set(one.epoch)) > 2
    for ours, theirs in zip(jax.tree.leaves(several), jax.tree.leaves(one), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_only_small_nets_have_several_epochs_in_a_turn():
    def at_once(task, platform):
        return unrolled.epochs_at_once(program_of(task), task.num_cases, platform)

    assert at_once(TASKS["xor"], "cpu") == 1
    assert at_once(TASKS["xor"], "gpu") == 4
    assert at_once(TASKS["two hidden layers"], "gpu") == 1


# ---- the logistic in float32 --------------------------------------------------------------------


def test_the_fast_logistic_is_right_for_every_kind_of_number():
    # every 251st of all 2^32 float32 numbers: every exponent, both signs, infinities
    x = np.arange(0, 2**32, 251, dtype=np.uint32).view(np.float32)
    x = np.concatenate([x[np.isfinite(x)], np.float32([np.inf, -np.inf, 0.0, -0.0])])
    found = np.asarray(jax.jit(logistic_float32)(x)).astype(np.float64)
    with np.errstate(over="ignore"):
        exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    ulp = np.spacing(np.maximum(exact, 1e-37).astype(np.float32)).astype(np.float64)
    normal = exact > 1e-37
    assert np.max(np.abs(found - exact)[normal] / ulp[normal]) < LARGEST_ERROR
    assert np.max(found[~normal]) < 1.1e-37
    assert found[x == np.inf] == 1.0


LARGEST_ERROR = 5.0
"""Units in the last place; 4.05 were found with jax 0.10.2."""


def test_the_polynomial_is_the_one_through_the_chebyshev_nodes():
    nodes = np.cos(np.pi * (np.arange(6) + 0.5) / 6) * np.log(2) / 2
    np.testing.assert_allclose(EXP_OF_MINUS, np.polyfit(nodes, np.exp(-nodes), 5), rtol=1e-7)


def test_the_fast_logistic_lets_nan_pass():
    assert np.isnan(logistic_float32(np.float32([np.nan, -np.nan]))).all()


def test_the_fast_logistic_saturates_as_the_equation_does():
    x = np.float32([-200.0, -100.0, 0.0, 100.0, 200.0])
    found = logistic_float32(x).tolist()
    assert 0 <= found[0] == found[1] < 2e-38
    assert found[2:] == [0.5, 1.0, 1.0]
