"""The unrolled layout against the matrix form and `backprop`: any small net, loss and rule."""

import dataclasses

import jax
import numpy as np
import pytest

import bpjax
from bpjax.errors import SettingError
from bpjax.gradient_check import random_network
from bpjax.learning import Recipe, Schedule
from bpjax.loss import HalfSquaredError, MarginSquaredError
from bpjax.network import unflatten_params
from bpjax.sweeps import unrolled
from bpjax.sweeps.plan import make_plan
from bpjax.task import Task

TASKS = {
    "xor": bpjax.tasks.xor(),
    "xor direct": bpjax.tasks.xor(direct=True),
    "two hidden layers": bpjax.tasks.parity(bits=3, hidden_layers=2),
    "encoder": bpjax.tasks.encoder(size=4, hidden=2),
    "symmetry": bpjax.tasks.symmetry(bits=4),
}
RECIPES = {
    "the paper's rule": {},
    "scheduled": {
        "learning_rate": Schedule((0.1, 0.4), (5,)),
        "momentum": Schedule((0.5, 0.9), (7,)),
    },
    "decay": {"weight_decay": 0.01, "decay_biases": False},
    "per case": {"updates": "case", "learning_rate": Schedule((0.1, 0.4), (5,))},
    "adam": {"optimizer": "adam", "learning_rate": 0.01},
    "rprop": {"optimizer": "rprop", "learning_rate": 0.01},
    "loss below": {"loss_below": 0.4},
}


def task_of(network, loss, seed):
    rng = np.random.default_rng(seed)
    return Task(
        name="random",
        title="random",
        options={},
        network=network,
        inputs=rng.choice([0.0, 1.0, -0.5, 2.0], (3, network.num_in)),
        targets=rng.integers(0, 2, (3, network.num_out)).astype(float),
        recipe=Recipe(learning_rate=0.05, momentum=0.5, init_range=0.7),
        source="made up",
        criterion=bpjax.Criterion("tolerance", 0.01),
        loss=loss,
    )


def both(task, **settings):
    """Train eight seeds for a dozen epochs in float64 in either layout."""
    common = {"precision": "float64", "block_size": 8, "keep_weights": True, "max_epochs": 12}
    with jax.numpy_dtype_promotion("standard"):  # optax's Adam is not strict
        return [
            bpjax.sweep(task, 8, implementation=name, **common, **settings)
            for name in ("matrix", "unrolled")
        ]


def assert_same(matrix, scalar):
    np.testing.assert_array_equal(scalar["status"], matrix["status"])
    np.testing.assert_array_equal(scalar["epochs"], matrix["epochs"])
    np.testing.assert_allclose(scalar["loss"], matrix["loss"], rtol=1e-11)
    np.testing.assert_allclose(scalar["weights"], matrix["weights"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ["xor"])
def test_every_rule_gives_what_the_matrix_form_gives(name, recipe):
    assert_same(*both(TASKS[name], **RECIPES[recipe]))


@pytest.mark.parametrize("name", TASKS)
def test_every_task_gives_what_the_matrix_form_gives(name):
    assert_same(*both(TASKS[name]))


@pytest.mark.parametrize("seed", range(6))
def test_any_network_with_skips_masks_and_ties(seed):
    losses = [
        HalfSquaredError(),
        MarginSquaredError(),
        MarginSquaredError(measured_from="margin", scope="case"),
    ]
    network = random_network(seed)
    assert_same(*both(task_of(network, losses[seed % 3], seed)))


@pytest.mark.parametrize("name", TASKS)
def test_one_epoch_without_momentum_is_the_gradient_of_backprop(name):
    task = TASKS[name].with_settings(momentum=0.0, learning_rate=1.0)
    settings = {"precision": "float64", "block_size": 8, "keep_weights": True}
    settings |= {"implementation": "unrolled", "tolerance": 1e-9}
    before = bpjax.sweep(task, 4, max_epochs=1, learning_rate=1e-300, **settings)
    after = bpjax.sweep(task, 4, max_epochs=1, **settings)
    with jax.enable_x64(True):
        inputs, targets = task.cases("float64")
        for old, new in zip(before["weights"], after["weights"], strict=True):
            params = unflatten_params(task.network, jax.numpy.asarray(old))
            _, grads = bpjax.value_and_grad(task.network)(params, inputs, targets)
            moved = unflatten_params(task.network, jax.numpy.asarray(new))
            for g, p, m in zip(*map(jax.tree.leaves, (grads, params, moved)), strict=True):
                np.testing.assert_allclose(m - p, -g, rtol=1e-10, atol=1e-14)


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
        (bpjax.tasks.encoder(16, 4), "cases times parameters must be at most 2048, not 2368"),
        (
            dataclasses.replace(bpjax.tasks.xor(), loss=MarginSquaredError(scope="case")),
            "the loss must be a sum over single outputs",
        ),
    ],
)
def test_what_it_cannot_serve_is_refused_with_the_reason(task, reason):
    with pytest.raises(SettingError, match=f"`implementation` cannot be unrolled here: {reason}"):
        make_plan(task, 1, implementation="unrolled")


def test_inputs_of_zero_and_one_leave_no_trace_in_the_program():
    assert unrolled._times("weight", 0.0) == 0.0
    assert unrolled._times("weight", 1.0) == "weight"
    assert unrolled._plus("total", 0.0) == "total"
    assert unrolled._plus(0.0, "term") == "term"
