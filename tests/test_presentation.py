"""How cases are shown: parts of an epoch, orders drawn from the seed, what stays where it is."""

import dataclasses
import itertools
import json

import jax
import numpy as np
import pytest
from fused_runs import by_kernel, by_steps
from helpers import daily
from layout_runs import assert_same, step_by_step, trained

import bpjax
from bpjax.analysis.activations import activations_of
from bpjax.cli import main
from bpjax.connections import Connection, Layer
from bpjax.epoch import program_of
from bpjax.errors import SettingError
from bpjax.layouts import layout_named
from bpjax.network import Network
from bpjax.params import parameter_names
from bpjax.presentation import changes_per_epoch, fixed_parts, shown_cases
from bpjax.report.command import repeat
from bpjax.results.identity import as_stored
from bpjax.results.store import read_runs
from bpjax.sweeps.planning import make_plan

FIVE = bpjax.Task.from_arrays(
    [[0, 0], [0, 1], [1, 0], [1, 1], [0.5, 0.2]],
    [0, 1, 1, 0, 1],
    hidden=2,
    learning_rate=0.4,
    momentum=0.5,
    tolerance=0.01,
)
ENCODER = bpjax.tasks.encoder(size=3, hidden=2)
WAYS = {
    "2 of 5": FIVE.with_settings(updates=2),
    "all at once, by number": FIVE.with_settings(updates=9),
    "2 of 5, some held out": dataclasses.replace(FIVE, held_out=(1, 4)).with_settings(updates=2),
    "2 of 3, one on": ENCODER.with_settings(updates=2, learning_rate=0.1),
    "a schedule": FIVE.with_settings(
        updates=2, learning_rate=bpjax.Schedule((0.1, 0.4), (5,)), optimizer="adam"
    ),
}
DRAWN = {
    "shuffled": FIVE.with_settings(updates="case", order="shuffled"),
    "shuffled, 2 of 5": FIVE.with_settings(updates=2, order="shuffled"),
    "random": FIVE.with_settings(updates="case", order="random"),
    "random, 3 of 5, some held out": dataclasses.replace(FIVE, held_out=2).with_settings(
        updates=3, order="random"
    ),
    "shuffled, one on": ENCODER.with_settings(updates="case", order="shuffled"),
}


# ---- every layout computes the same --------------------------------------------------------------


@pytest.mark.parametrize("name", daily(["2 of 5, some held out"], of=WAYS))
@pytest.mark.parametrize("layout", daily(["unrolled"], of=["matrix", "unrolled"]))
def test_parts_of_an_epoch_are_alike_in_every_layout(layout, name):
    assert_same(trained(WAYS[name], layout), step_by_step(WAYS[name]))


@pytest.mark.parametrize("name", daily(["random, 3 of 5, some held out"], of=DRAWN))
def test_orders_that_are_drawn_are_alike_too(name):
    assert_same(trained(DRAWN[name], "matrix"), step_by_step(DRAWN[name]))


@pytest.mark.usefixtures("float64")
def test_the_kernel_shows_parts_as_well():
    task = WAYS["2 of 5, some held out"]
    pairs = zip(
        jax.tree.leaves(by_kernel(task, 5)), jax.tree.leaves(by_steps(task, 5)), strict=True
    )
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_layout_of_constant_cases_gives_way_where_the_order_is_drawn():
    rule = "the cases must come in a fixed order"
    assert layout_named("unrolled").why_not(program_of(DRAWN["shuffled"]), 5) == rule
    assert layout_named("unrolled").why_not(program_of(WAYS["2 of 5"]), 5) is None


def test_all_cases_in_one_part_are_a_batch():
    by_number, batch = (trained(FIVE.with_settings(updates=u), "matrix") for u in (5, "batch"))
    np.testing.assert_allclose(by_number["weights"], batch["weights"], rtol=1e-12)


# ---- against a program of another kind -----------------------------------------------------------


def in_numpy(task, start, orders, size):
    """Train in NumPy, with the cases of each epoch in a given order; also the losses on the way."""
    w1, w2 = start[:4].reshape(2, 2), start[4:6].reshape(2, 1)
    b1, b2 = start[6:8], start[8:9]
    weights, speeds = [w1, w2, b1, b2], [0.0] * 4
    shown = []
    for order in orders:
        total = 0.0
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            x, d = task.inputs[rows], task.targets[rows]
            w1, w2, b1, b2 = weights
            hidden = 1 / (1 + np.exp(-(x @ w1 + b1)))
            y = 1 / (1 + np.exp(-(hidden @ w2 + b2)))
            total += 0.5 * np.sum((y - d) ** 2)
            at_y = (y - d) * y * (1 - y)
            at_hidden = (at_y @ w2.T) * hidden * (1 - hidden)
            slopes = [x.T @ at_hidden, hidden.T @ at_y, at_hidden.sum(0), at_y.sum(0)]
            speeds = [-0.4 * g + 0.5 * v for g, v in zip(slopes, speeds, strict=True)]
            weights = [w + v for w, v in zip(weights, speeds, strict=True)]
        shown.append(total)
    return np.concatenate([part.ravel() for part in weights]), shown


@pytest.mark.parametrize(
    ("updates", "order"),
    daily(
        [(2, "shuffled"), ("case", "fixed")],
        of=[("case", "fixed"), (2, "fixed"), (2, "shuffled"), ("case", "random")],
    ),
)
def test_a_run_is_that_of_a_program_in_numpy(updates, order):
    run = bpjax.train(
        FIVE, 11, updates=updates, order=order, max_epochs=6, precision="float64", snapshot_every=1
    )
    orders = [np.asarray(shown_cases(order, 5, 11, epoch)) for epoch in range(6)]
    size = 1 if updates == "case" else updates
    weights, shown = in_numpy(FIVE, run.snapshots.weights[0], orders, size)
    np.testing.assert_allclose(run.snapshots.weights[-1], weights, rtol=1e-11)
    np.testing.assert_allclose(run.history.loss_during_epoch[:-1], shown, rtol=1e-11)


def test_a_batch_shows_its_loss():
    run = bpjax.train(FIVE, 3, max_epochs=4)
    np.testing.assert_array_equal(run.history.loss_during_epoch, run.history.loss)


# ---- orders --------------------------------------------------------------------------------------


def test_orders_are_drawn_evenly_and_anew():
    def drawn(order, seeds, epochs):
        draw = jax.vmap(jax.vmap(lambda s, e: shown_cases(order, 3, s, e), (None, 0)), (0, None))
        return np.asarray(draw(np.arange(seeds, dtype=np.uint32), np.arange(epochs)))

    rows = drawn("shuffled", 400, 30)
    assert np.all(np.sort(rows, axis=-1) == [0, 1, 2])
    counts = [np.sum(np.all(rows == order, axis=-1)) for order in itertools.permutations(range(3))]
    assert np.sum((np.array(counts) - 2000) ** 2 / 2000) < 20.5  # chi-square of 5, 0.1 %
    alike = np.mean(np.all(rows[:, 1:] == rows[:, :-1], axis=-1))
    assert abs(alike - 1 / 6) < 0.01
    rows = drawn("random", 400, 30)
    counts = np.bincount((rows @ [9, 3, 1]).ravel(), minlength=27)
    assert np.sum((counts - 12_000 / 27) ** 2 / (12_000 / 27)) < 54.1  # of 26, 0.1 %


@pytest.mark.slow
def test_the_same_seed_is_the_same_run_whatever_is_beside_it(tmp_path):
    settings = {"updates": 2, "order": "shuffled", "max_epochs": 40, "keep_weights": True}
    whole = bpjax.sweep(FIVE, 30, block_size=8, **settings)
    part = bpjax.sweep(FIVE, 7, first_seed=11, block_size=8, **settings)
    assert whole["weights"][11:18].tobytes() == part["weights"].tobytes()
    run = bpjax.train(FIVE, 12, **{k: v for k, v in settings.items() if k != "keep_weights"})
    assert run.epochs == whole["epochs"][12]
    other = bpjax.sweep(FIVE, 30, block_size=8, **settings | {"order": "random"})
    assert other["weights"].tobytes() != whole["weights"].tobytes()


def test_parts_and_orders_can_be_said_and_are_told(tmp_path, capsys):
    out = tmp_path / "one"
    words = ["sweep", "xor", "--seeds", "9", "--max-epochs", "30", "--no-figures", "--json"]
    assert main([*words, "--set", "updates=2", "--set", "order=shuffled", "--out", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)["settings"]
    assert (told["updates"], told["order"]) == (2, "shuffled")
    ours = bpjax.sweep(bpjax.tasks.xor(), 9, updates=2, order="shuffled", max_epochs=30)
    assert read_runs(out).columns["loss"].tobytes() == ours["loss"].tobytes()
    plan = make_plan(bpjax.tasks.xor(), 9, updates=[1, 2, "case"], max_epochs=30)
    line = repeat(as_stored(plan.identity())).line
    assert "--set updates=1,2,case" in line


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"updates": 0}, "`updates` must be batch, case or a whole number of cases"),
        ({"updates": "cases"}, "`updates` must be batch, case or a whole number of cases"),
        ({"updates": 1.5}, "`updates` must be batch, case or a whole number of cases"),
        ({"updates": True}, "`updates` must be batch, case or a whole number of cases"),
        ({"order": "shuffled"}, "`order` must be fixed where weights change once"),
        ({"updates": "case", "order": "x"}, "`order` must be one of fixed, shuffled, random"),
    ],
)
def test_what_is_no_way_to_show_cases_is_refused(settings, says):
    with pytest.raises(SettingError, match=says):
        FIVE.with_settings(**settings)


def test_parts_cover_the_cases():
    for num_cases, updates in itertools.product(range(1, 9), ("batch", "case", 1, 2, 3, 20)):
        rows, there = fixed_parts(updates, num_cases)
        assert len(rows) == changes_per_epoch(updates, num_cases)
        real = rows if there is None else rows[there]
        assert real.ravel().tolist() == list(range(num_cases))


# ---- what stays where it is ----------------------------------------------------------------------


def frozen_net():
    layers = [Layer("input", 2), Layer("hidden", 2, frozen_bias=True), Layer("output", 1)]
    pairs = [
        Connection("input", "hidden"),
        Connection("input", "output", frozen=True),
        Connection("hidden", "output"),
    ]
    return Network(layers, pairs)


@pytest.mark.parametrize("layout", ["matrix", "unrolled"])
@pytest.mark.parametrize("optimizer", ["paper", "adam"])
def test_what_is_frozen_stays_and_the_rest_learns(layout, optimizer):
    task = bpjax.Task(frozen_net(), FIVE.inputs, FIVE.targets).with_settings(
        weight_decay=0.01, optimizer=optimizer, tolerance=0.01
    )
    found, start = trained(task, layout), trained(task, layout, max_epochs=1)
    names = np.array(parameter_names(task.network))
    drawn = np.stack(
        [
            bpjax.params.flatten_params(
                task.network,
                bpjax.Initializer().params_of(task.network, np.uint32(seed), 0.3, "float32"),
            )
            for seed in range(8)
        ]
    )
    held = np.array(
        [
            name.startswith(("input[0] -> output", "input[1] -> output", "bias hidden"))
            for name in names
        ]
    )
    np.testing.assert_allclose(found["weights"][:, held], drawn[:, held], rtol=1e-6)
    assert np.all(found["weights"][:, ~held] != start["weights"][:, ~held])
    assert task.network.num_parameters == int((~held).sum())
    assert_same(found, step_by_step(task))
    assert activations_of(task.network, found["weights"], task.inputs)["output"].shape == (8, 5, 1)


def test_copies_are_frozen_together():
    layers = [Layer("a", 1), Layer("b", 1), Layer("c", 1)]
    pairs = [Connection("a", "b", frozen=True), Connection("b", "c", copy_of=("a", "b"))]
    with pytest.raises(SettingError, match="`frozen` of its fellow"):
        Network(layers, pairs)
