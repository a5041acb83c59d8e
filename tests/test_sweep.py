"""Many runs at once: the same as one by one, in any order, on any devices, through any accident.

Sweeps here have 8 runs in the lanes on each of the four CPU devices of `conftest.py`.
"""

import dataclasses
import errno
import functools
import itertools
import json
import math
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import daily

import bpjax
from bpjax import layouts
from bpjax.analysis.convergence import summarize_runs
from bpjax.connections import Connection, Layer
from bpjax.epoch import Cases, Settings, program_of, settings_of, start, step
from bpjax.errors import SettingError
from bpjax.layouts import lanes
from bpjax.loss import HalfSquaredError
from bpjax.network import Network
from bpjax.params import flatten_params, parameter_names
from bpjax.recipe import Recipe
from bpjax.results import files
from bpjax.results.chunks import as_ranges, every_run, num_runs_of
from bpjax.results.export import table_bytes
from bpjax.results.store import SweepFolder, read_runs
from bpjax.starts.initial import init_params
from bpjax.status import Status
from bpjax.sweeps import host_loop, scheduler
from bpjax.sweeps.crew import Crew
from bpjax.sweeps.devices import lane_mesh
from bpjax.sweeps.host_loop import default_folder, run_plan
from bpjax.sweeps.planning import make_plan
from bpjax.task import Task

XOR = bpjax.tasks.xor().with_settings(learning_rate=1.0, init_range=1.0, max_epochs=150)
"""About half of the runs converge."""

sweep = functools.partial(bpjax.sweep, block_size=8)


def by_name(result):
    """Return the rows of a sweep by seed and settings, as bytes: equal means equal bit for bit."""
    columns = result.table.columns
    names = [name for name in columns if name not in ("status", "epochs", "loss", "weights")]
    keys = zip(*(columns[name].tolist() for name in names), strict=True)
    found = [columns[name] for name in ("status", "epochs", "loss", "weights") if name in columns]
    return {key: tuple(c[k].tobytes() for c in found) for k, key in enumerate(keys)}


@pytest.fixture(scope="module")
def forty():
    """Forty runs with their weights."""
    return sweep(XOR, 40, keep_weights=True)


# ---- a sweep is a loop --------------------------------------------------------------------------


def one_by_one(task, num_seeds):
    """Train in a plain Python loop over seeds and epochs, in float64."""
    program, numbers = program_of(task, "float64"), settings_of(task, "float64")
    cases = Cases(*task.cases(jnp.float64))
    begin = jax.jit(functools.partial(start, program, task.num_cases))
    one_epoch = jax.jit(functools.partial(step, program, cases))
    for seed in range(num_seeds):
        state = begin(jnp.uint32(seed), numbers)
        while state.status == Status.RUNNING:
            state = one_epoch(jnp.int32(task.recipe.max_epochs), numbers, state)
        yield state


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"updates": "case"},
        {"optimizer": "adam", "learning_rate": 0.1},
        {"weight_decay": 0.01, "loss_below": 0.1},
    ],
    ids=str,
)
def test_a_sweep_equals_a_loop_over_its_runs(settings, float64):
    # Optax's own rules are not written for strict promotion.
    promotion = "standard" if "optimizer" in settings else "strict"
    with jax.numpy_dtype_promotion(promotion):
        result = sweep(XOR, 24, precision="float64", keep_weights=True, **settings)
        states = list(one_by_one(XOR.with_settings(**settings), 24))

    assert result["status"].tolist() == [int(state.status) for state in states]
    assert result["epochs"].tolist() == [int(state.epoch) for state in states]
    assert {Status.CONVERGED, Status.MAX_EPOCHS} == set(result["status"])
    np.testing.assert_allclose(result["loss"], [state.loss for state in states], rtol=1e-9)
    weights = [flatten_params(XOR.network, state.params) for state in states]
    np.testing.assert_allclose(result["weights"], weights, rtol=1e-9, atol=1e-9)


def train_xor_in_numpy(w1, b1, w2, b2, case_by_case):
    """Equations (1) to (9) for 2-2-1, written out; returns the outcome and its epoch."""
    inputs = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    targets = np.array([0.0, 1.0, 1.0, 0.0])
    recipe = XOR.recipe
    velocity = [0.0] * 4

    def forward(x):
        hidden = 1 / (1 + np.exp(-(x @ w1 + b1)))
        return hidden, 1 / (1 + np.exp(-(hidden @ w2 + b2)))

    for epoch in range(recipe.max_epochs + 1):
        if np.all(np.abs(forward(inputs)[1] - targets) < 0.5):
            return Status.CONVERGED, epoch
        if epoch == recipe.max_epochs:
            return Status.MAX_EPOCHS, epoch
        for chosen in [[0], [1], [2], [3]] if case_by_case else [[0, 1, 2, 3]]:
            x, d = inputs[chosen], targets[chosen]
            hidden, y = forward(x)
            dx2 = (y - d) * y * (1 - y)
            dx1 = np.outer(dx2, w2) * hidden * (1 - hidden)
            grads = [x.T @ dx1, dx1.sum(axis=0), hidden.T @ dx2, dx2.sum()]
            velocity = [
                -recipe.learning_rate * g + recipe.momentum * v
                for g, v in zip(grads, velocity, strict=True)
            ]
            w1, b1, w2, b2 = (w + dw for w, dw in zip((w1, b1, w2, b2), velocity, strict=True))
    raise AssertionError("the cap comes first")


@pytest.mark.parametrize("updates", ["batch", "case"])
def test_a_sweep_equals_the_equations_written_out_in_numpy(updates, float64):
    result = sweep(XOR, 24, precision="float64", keep_weights=True, updates=updates)
    for seed in range(24):
        params = init_params(XOR.network, bpjax.run_key(seed), 1.0, dtype="float64")
        w1, w2 = params.weight["input", "hidden"], params.weight["hidden", "output"]
        b1, b2 = params.bias["hidden"], params.bias["output"]
        status, epochs = train_xor_in_numpy(
            *map(np.asarray, (w1, b1, w2[:, 0], b2[0])), case_by_case=updates == "case"
        )
        assert (result["status"][seed], result["epochs"][seed]) == (status, epochs), seed


# ---- same seed, same bits -----------------------------------------------------------------------


@pytest.mark.parametrize("num_devices", [1, 2])
def test_the_number_of_devices_does_not_matter(num_devices, forty):
    assert lane_mesh().size == 4, "the tests' own setting"
    assert by_name(sweep(XOR, 40, keep_weights=True, num_devices=num_devices)) == by_name(forty)


@pytest.mark.parametrize(("first_seed", "seeds"), [(0, 1), (0, 33), (7, 32), (39, 1), (3, 5)])
def test_neither_the_lane_nor_the_padding_matters(first_seed, seeds, forty):
    part = by_name(sweep(XOR, seeds, first_seed=first_seed, keep_weights=True))
    assert list(part) == [(seed,) for seed in range(first_seed, first_seed + seeds)]
    assert part.items() <= by_name(forty).items()


@pytest.mark.parametrize(
    ("name", "precision"),
    daily(
        [("symmetry", "float32"), ("parity", "float64")],
        of=itertools.product(["symmetry", "parity"], ["float32", "float64"]),
    ),
)
def test_the_lane_does_not_matter_at_the_block_shape_of_every_day(name, precision):
    task = bpjax.tasks.make_task(name).with_settings(max_epochs=150)
    settings = {"keep_weights": True, "precision": precision, "num_devices": 1}
    one = by_name(bpjax.sweep(task, 256, first_seed=100, **settings))
    other = by_name(bpjax.sweep(task, 256, first_seed=103, **settings))
    assert len(one.keys() & other.keys()) == 253
    assert one.items() & other.items() == {key: one[key] for key in one if key in other}.items()


SMALL_ENOUGH = {"sequence": {"hidden": 4}, "timing": {"hidden": 4}}
"""Options under which the largest nets are trained in a test."""


@pytest.mark.parametrize(
    ("layout", "name"),
    daily(
        [
            *((layout, "xor") for layout in layouts.LAYOUTS if layout != "fused"),
            ("batched", "t-c"),
        ],
        of=[
            *(("matrix", name) for name in bpjax.tasks.TASKS),
            *((layout, name) for layout in ("unrolled", "batched") for name in ("xor", "parity")),
            ("batched", "t-c"),  # a large product would have other bits in the last lanes
        ],
    ),
)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_run_has_the_same_bits_in_every_lane(layout, name, precision):
    task = bpjax.tasks.make_task(name, **SMALL_ENOUGH.get(name, {}))
    num_lanes = lanes.num_lanes(100)
    with jax.enable_x64(precision == "float64"):
        seeds, settings = np.full(num_lanes, 7, np.uint32), rows_of(task, precision, num_lanes)
        runs = train_lanes(layout, task, precision, seeds, settings, 100)
    for leaf in jax.tree.leaves(runs.params):
        np.testing.assert_array_equal(leaf, np.broadcast_to(leaf[..., :1], leaf.shape))


def test_the_order_of_a_grid_does_not_matter():
    grid = {"learning_rate": [0.5, 1.0], "momentum": [0.5, 0.9]}
    backwards = {"momentum": [0.9, 0.5], "learning_rate": [1.0, 0.5]}
    one = sweep(XOR, 11, keep_weights=True, **grid)
    other = sweep(XOR, 11, keep_weights=True, **backwards)
    other = {(seed, rate, momentum): row for (seed, momentum, rate), row in by_name(other).items()}
    assert by_name(one) == other


def test_a_run_of_a_grid_is_the_run_of_a_plain_sweep(forty):
    grid = by_name(sweep(XOR, 11, learning_rate=[0.5, 1.0], keep_weights=True))
    plain = by_name(forty)
    assert all(grid[seed, 1.0] == plain[seed,] for seed in range(11))
    assert any(grid[seed, 0.5] != plain[seed,] for seed in range(11))


def test_shards_hold_the_runs_of_the_whole(forty):
    shards = [by_name(sweep(XOR, 40, keep_weights=True, shard=(k, 3))) for k in (1, 2, 3)]
    assert shards[0] | shards[1] | shards[2] == by_name(forty)
    assert sum(map(len, shards)) == 40


def test_a_result_in_memory_equals_the_one_in_a_folder(forty, tmp_path):
    stored = sweep(XOR, 40, keep_weights=True, out=tmp_path / "sweep")
    assert by_name(stored) == by_name(forty)
    assert stored.table.identity == json.loads(json.dumps(forty.table.identity))
    assert table_bytes(stored.table) == table_bytes(forty.table)
    written = json.loads((tmp_path / "sweep/summary.json").read_text())
    assert len(written.pop("seal")) == len(written.pop("fingerprint")) == 64
    assert written == stored.summary()
    timing = dict.fromkeys(("seconds", "seed_epochs_per_second", "occupancy"))
    assert stored.summary() | timing == forty.summary() | timing


def test_kept_weights_are_in_the_order_of_their_names(forty):
    header = table_bytes(forty.table).decode().splitlines()[0].split(",")
    names = parameter_names(XOR.network)
    assert header[-len(names) :] == names

    rested = sweep(XOR, 3, keep_weights=True, tolerance=1.0)  # converged at once: initial weights
    for seed in range(3):
        params = init_params(XOR.network, bpjax.run_key(seed), 1.0)
        named = dict(zip(names, rested["weights"][seed].tolist(), strict=True))
        assert named["input[0] -> hidden[1]"] == params.weight["input", "hidden"][0, 1]
        assert named["bias output[0]"] == params.bias["output"][0]


def test_another_block_shape_may_move_last_bits_only(forty):
    wide = bpjax.sweep(XOR, 40, keep_weights=True, block_size=16)
    assert wide.table.identity != forty.table.identity
    # The 150 epochs amplify rounding; whole outcomes are compared, a few epochs may move by one.
    same = (wide["status"] == forty["status"]) & (np.abs(wide["epochs"] - forty["epochs"]) <= 1)
    assert np.mean(same) >= 0.9


# ---- one compilation ----------------------------------------------------------------------------


def num_compiled():
    return scheduler.advance._cache_size()


def test_a_grid_its_resume_and_more_seeds_need_one_compilation(monkeypatch, tmp_path):
    monkeypatch.setattr(host_loop, "SECONDS_PER_CHUNK", 0.0)
    task = bpjax.tasks.xor(hidden=5).with_settings(max_epochs=40)  # nobody else's program
    grid = {"learning_rate": [0.5, 1.0, 2.0], "init_range": [0.5, 1.0], "tolerance": [0.4, 0.5]}
    before = num_compiled()
    sweep(task, 10, momentum=[0.0, 0.9], **grid, out=tmp_path / "a")
    after = num_compiled()
    assert after == before + 1

    chunks = SweepFolder.open_for_reading(tmp_path / "a").chunks()
    assert len(chunks) > 1
    for chunk in chunks[::2]:
        chunk.path.unlink()
    sweep(task, 10, momentum=[0.0, 0.9], **grid, out=tmp_path / "a")
    sweep(task, 77, first_seed=10**9, learning_rate=0.3, max_epochs=50)
    assert num_compiled() == after


def test_the_matrix_form_compiles_once_for_all_cases_of_a_shape():
    settings = {"max_epochs": 2, "implementation": "matrix"}
    sweep(bpjax.tasks.xor(hidden=5), 3, **settings)
    after = num_compiled()
    sweep(bpjax.tasks.xor(hidden=5, off=0.1, on=0.9), 3, **settings)
    assert num_compiled() == after


# ---- outcomes, built on purpose -----------------------------------------------------------------


def outcomes(result):
    return list(zip(result["status"].tolist(), result["epochs"].tolist(), strict=True))


def test_a_criterion_that_holds_at_once_takes_no_epoch():
    result = sweep(XOR, 5, tolerance=1.0)
    assert outcomes(result) == [(Status.CONVERGED, 0)] * 5


def test_convergence_at_the_cap_counts_and_one_epoch_later_does_not(forty):
    seed = int(np.argmax(forty["status"] == Status.CONVERGED))
    epochs = int(forty["epochs"][seed])
    assert 1 < epochs < 150

    exactly = sweep(XOR, 1, first_seed=seed, max_epochs=epochs)
    assert outcomes(exactly) == [(Status.CONVERGED, epochs)]
    too_late = sweep(XOR, 1, first_seed=seed, max_epochs=epochs - 1)
    assert outcomes(too_late) == [(Status.MAX_EPOCHS, epochs - 1)]


def linear_task(learning_rate):
    """E = w^2 / 2 of one weight: each epoch multiplies it by 1 - learning_rate."""
    layers = [Layer("input", 1), Layer("output", 1, activation="linear", bias=False)]
    return Task(
        name="linear",
        title="one linear unit",
        options={},
        network=Network(layers, [Connection("input", "output")]),
        inputs=np.ones((1, 1)),
        targets=np.zeros((1, 1)),
        recipe=Recipe(learning_rate=learning_rate, momentum=0.0, max_epochs=100),
        criterion=bpjax.Criterion("loss", 1e-30),
        source="none",
    )


@pytest.mark.parametrize("learning_rate", [10.0, 1e3, 1e30])
def test_a_run_that_leaves_the_finite_numbers_ends_there(learning_rate):
    result = sweep(linear_task(learning_rate), 9, keep_weights=True)
    assert set(result["status"]) == {Status.NONFINITE}
    largest, factor = float(np.finfo(np.float32).max), abs(1 - learning_rate)
    for seed in range(9):
        weight = float(
            init_params(linear_task(1.0).network, bpjax.run_key(seed), 0.3).weight[
                "input", "output"
            ][0, 0]
        )
        # The loss w^2 / 2 overflows first, where the square does or the weight itself.
        epoch = 0
        while weight**2 <= largest:
            epoch, weight = epoch + 1, weight * factor
        assert result["epochs"][seed] == epoch
    assert not np.isfinite(result["loss"]).any()


def test_a_finite_explosion_is_no_convergence():
    result = sweep(linear_task(3.0), 4, max_epochs=20)
    assert outcomes(result) == [(Status.MAX_EPOCHS, 20)] * 4


LAYOUTS = ["matrix", "unrolled", "batched"]


def train_lanes(layout, task, precision, seeds, settings, max_epochs):
    """Train one run per lane to its outcome, with settings that no recipe might take."""
    program = program_of(task, precision)
    cases = layouts.layout_named(layout).cases_of(task, program)
    train = training(layout, program, task.num_cases)
    return jax.device_get(train(cases, np.int32(max_epochs), seeds, settings))


@functools.cache
def training(layout, program, num_cases):
    arithmetic, advance = lanes.Arithmetic(program, "cpu"), layouts.layout_named(layout).advance

    @jax.jit
    def train(cases, max_epochs, seeds, settings):
        runs = lanes.start(program, num_cases, seeds, settings)
        cases = jax.tree.map(jnp.asarray, cases)
        return advance(arithmetic, num_cases, cases, max_epochs, max_epochs + 1, settings, runs)

    return train


def rows_of(task, precision, num_lanes):
    rows = settings_of(task, precision)
    return Settings(*(np.repeat(column[..., None], num_lanes, axis=-1) for column in rows))


def poisoned(layout, field, poison):
    """Train lanes of which every third has a setting that no recipe would take."""
    seeds, settings = np.arange(64, dtype=np.uint32), rows_of(XOR, "float32", 64)
    if poison is not None:
        getattr(settings, field)[..., seeds % 3 == 0] = poison
    return train_lanes(layout, XOR, "float32", seeds, settings, 150)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("field", ["learning_rate", "momentum", "init_range"])
@pytest.mark.parametrize("poison", [np.inf, -np.inf, np.nan, 1e38])
def test_a_poisoned_run_harms_nobody(layout, field, poison):
    clean, runs = poisoned(layout, field, None), poisoned(layout, field, poison)
    healthy = np.arange(64) % 3 != 0
    for ours, theirs in zip(jax.tree.leaves(runs), jax.tree.leaves(clean), strict=True):
        assert ours[..., healthy].tobytes() == theirs[..., healthy].tobytes()
    if not math.isfinite(poison):
        assert set(runs.status[~healthy]) == {Status.NONFINITE}
        assert set(runs.epoch[~healthy]) <= {0, 1, 2}
    assert Status.RUNNING not in runs.status


def test_the_weights_of_a_finished_run_stay(forty):
    longer = sweep(XOR, 40, keep_weights=True, max_epochs=300)
    done = forty["status"] == Status.CONVERGED
    assert 5 < done.sum() < 35
    assert longer["weights"][done].tobytes() == forty["weights"][done].tobytes()


# ---- the summary --------------------------------------------------------------------------------


def assert_consistent(summary, status, epochs):
    converged = epochs[status == Status.CONVERGED]
    assert summary["num_runs"] == len(status)
    assert summary["converged"] == len(converged)
    assert summary["max_epochs_reached"] == np.sum(status == Status.MAX_EPOCHS)
    assert summary["nonfinite"] == np.sum(status == Status.NONFINITE)
    rate, over = summary["success_rate"], summary["epochs"]
    assert rate["estimate"] == len(converged) / len(status)
    assert rate["low"] <= rate["estimate"] <= rate["high"]
    assert rate["level"] == 0.95
    assert {"median", "q25", "q75", "low", "high"} <= set(over)
    assert (over["min"], over["max"]) == (converged.min(), converged.max())
    # Without non-finite runs and with one cap, Kaplan and Meier is the sorted list itself.
    ordered = [int(e) for e in sorted(converged)] + [None] * (len(status) - len(converged))
    for name, share in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
        assert over[name] == ordered[math.ceil(share * len(status)) - 1]
    assert summary["restart"]["cutoff"] in converged
    assert summary["restart"]["expected_epochs"] > 0


def test_the_summary_holds_what_the_contract_says(forty):
    summary = json.loads(json.dumps(forty.summary(), allow_nan=False))
    assert_consistent(summary, forty["status"], forty["epochs"])
    assert summary["task"] == "xor"
    assert summary["criterion"] == "tolerance 0.5"
    assert summary["seeds"] == {"first": 0, "count": 40, "ranges": [[0, 40]]}
    settings = {"hidden": 2, "learning_rate": 1.0, "momentum": 0.9, "max_epochs": 150}
    assert settings.items() <= summary["settings"].items()
    assert summary["seed_epochs"] == forty["epochs"].sum()
    assert summary["seconds"]["compile"] >= 0
    assert summary["seconds"]["run"] > 0
    assert summary["seconds"]["runs"] == 40
    rate = summary["seed_epochs"] / summary["seconds"]["run"]
    assert summary["seed_epochs_per_second"] == pytest.approx(rate)
    assert "cells" not in summary


def test_the_summary_of_a_grid_holds_the_same_per_cell():
    variants = [bpjax.tasks.xor(hidden=h).with_settings(max_epochs=150) for h in (2, 3)]
    result = sweep(variants, 20, learning_rate=[1.0, 2.0], init_range=1.0)
    summary = json.loads(json.dumps(result.summary(), allow_nan=False))
    assert summary["settings"]["hidden"] == [2, 3]
    assert summary["settings"]["learning_rate"] == [1.0, 2.0]
    assert_consistent(summary, result["status"], result["epochs"])

    points = [(h, rate) for h in (2, 3) for rate in (1.0, 2.0)]
    found = [(c["settings"]["hidden"], c["settings"]["learning_rate"]) for c in summary["cells"]]
    assert found == points
    for (hidden, rate), cell in zip(points, summary["cells"], strict=True):
        rows = (result["hidden"] == hidden) & (result["learning_rate"] == rate)
        assert rows.sum() == 20
        assert_consistent(cell, result["status"][rows], result["epochs"][rows])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tolerance": [0.3, 0.4]}, "tolerance 0.3, 0.4"),
        ({"loss_below": 0.01}, "loss below 0.01"),
        ({"loss_below": [0.01, 0.1]}, "loss below 0.01, 0.1"),
    ],
    ids=str,
)
def test_the_summary_names_the_criterion(settings, words):
    assert sweep(XOR, 2, max_epochs=5, **settings).summary()["criterion"] == words


def test_the_level_of_the_intervals_can_be_chosen(forty):
    wide, narrow = forty.summary(level=0.99), forty.summary(level=0.5)
    assert wide["success_rate"]["level"] == 0.99
    assert wide["success_rate"]["low"] < narrow["success_rate"]["low"]


def test_what_cannot_be_reached_is_null_and_non_finite_runs_are_counted_apart():
    result = sweep(linear_task(1e3), 6)
    summary = json.loads(json.dumps(result.summary(), allow_nan=False))
    assert summary["nonfinite"] == summary["num_runs"] == 6
    assert summary["max_epochs_reached"] == summary["converged"] == 0
    assert summary["epochs"]["median"] is summary["epochs"]["min"] is summary["restart"] is None
    counted = summarize_runs(result["status"], result["epochs"])
    assert counted.items() <= result.summary().items()


# ---- accidents ----------------------------------------------------------------------------------


@pytest.fixture
def small_steps(monkeypatch):
    """Store after every call of the program, and make every call a short one."""
    monkeypatch.setattr(host_loop, "SECONDS_PER_CHUNK", 0.0)
    monkeypatch.setattr("bpjax.sweeps.crew.FIRST_CALL", 2)
    monkeypatch.setattr(Crew, "_pace", lambda crew, made, on_device: None)


ACCIDENTAL = {"learning_rate": [1.0, 4.0], "max_epochs": 22}
"""80 runs of two points of a grid."""
KINDS = pytest.mark.parametrize("kind", ["keep_weights", "summary_only"])


def held(folder):
    """The runs that a folder holds."""
    opened = SweepFolder.open_for_reading(folder)
    return [run for chunk in opened.survey().intact for run in every_run(chunk.runs).tolist()]


@KINDS
@pytest.mark.parametrize("often", [0.0, 1e9], ids=["stored after each call", "stored at the stop"])
@pytest.mark.parametrize("reason", [KeyboardInterrupt, ZeroDivisionError])
def test_a_stopped_sweep_keeps_what_has_ended_and_resumes_to_the_same_table(
    small_steps, tmp_path, monkeypatch, kind, often, reason
):
    monkeypatch.setattr(host_loop, "SECONDS_PER_CHUNK", often)
    calls = []
    plan = make_plan(XOR, 40, block_size=8, **ACCIDENTAL, **{kind: True})
    undisturbed = table_bytes(run_plan(plan, tmp_path / "whole", calls.append).table)
    assert len(calls) > 20

    for k in range(1, len(calls) + 1, 7 if reason is KeyboardInterrupt else 20):
        folder, seen = tmp_path / f"stopped-{k}", []

        def stop(at, k=k, seen=seen):
            seen.append(at)
            if len(seen) == k:
                raise reason

        with pytest.raises(reason):
            run_plan(plan, folder, stop)
        kept = held(folder)
        assert len(kept) == seen[-1].done, "what was shown as done is stored"
        assert len(set(kept)) == len(kept)
        result = run_plan(plan, folder)
        assert table_bytes(result.table) == undisturbed
        if result.timing is not None and len(kept) < 80:
            assert result.timing.runs == 80 - len(kept)
    assert len(kept) > 20


@KINDS
@pytest.mark.parametrize("where", ["advance", "_note", "ended", "forget"])
def test_a_signal_within_the_loop_loses_one_call_at_most(
    small_steps, tmp_path, monkeypatch, kind, where
):
    """Python raises KeyboardInterrupt wherever it is, in programs that handle no signals."""
    plan = make_plan(XOR, 40, block_size=8, **ACCIDENTAL, **{kind: True})
    undisturbed = table_bytes(run_plan(plan).table)
    real, calls, seen = getattr(Crew, where), [], []
    moment = 20 if where in ("advance", "_note") else 3

    def struck(crew, *arguments):
        calls.append(None)
        if len(calls) == moment and where == "_note":
            raise KeyboardInterrupt
        result = real(crew, *arguments)
        if len(calls) == moment:
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Crew, where, struck)
        with pytest.raises(KeyboardInterrupt):
            run_plan(plan, tmp_path, seen.append)
    kept = held(tmp_path)
    assert len(set(kept)) == len(kept) >= seen[-1].done > 0
    assert table_bytes(run_plan(plan, tmp_path).table) == undisturbed


def test_what_cannot_be_stored_at_the_stop_is_said_instead(small_steps, tmp_path, monkeypatch):
    monkeypatch.setattr(host_loop, "SECONDS_PER_CHUNK", 1e9)
    plan, create = make_plan(XOR, 40, block_size=8, **ACCIDENTAL), files.create

    def full(path):
        if path.parent.name == "chunks":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return create(path)

    def stop(at):
        if at.runs_made > 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(files, "create", full)
    with pytest.raises(
        bpjax.ResultsError, match=r"cannot write to '.*': No space left on device\."
    ):
        run_plan(plan, tmp_path, stop)
    assert held(tmp_path) == []


def test_strides_stay_within_their_integer_however_fast_the_blocks_are(monkeypatch):
    monkeypatch.setattr(host_loop, "SECONDS_PER_CALL", 1e9)  # every call may be eight times as long
    result = sweep(XOR, 32 * 16, tolerance=1.0)
    assert outcomes(result) == [(Status.CONVERGED, 0)] * 512


def lose_a_chunk(folder, spoil=Path.unlink):
    """Damage a chunk that has holes; return how many runs were in it."""
    chunks = SweepFolder.open_for_reading(folder).survey().intact
    chunk = next(chunk for chunk in chunks if len(chunk.runs) > 1)
    spoil(chunk.path)
    return num_runs_of(chunk.runs)


def test_progress_only_grows_and_counts_earlier_sessions(small_steps, tmp_path):
    first, second = [], []
    plan = make_plan(XOR, 40, block_size=8, **ACCIDENTAL)
    run_plan(plan, tmp_path, first.append)
    num_lost = lose_a_chunk(tmp_path)
    result = run_plan(plan, tmp_path, second.append)

    for seen in (first, second):
        for name in ("done", "converged", "runs_made", "seed_epochs", "seconds"):
            values = [getattr(at, name) for at in seen]
            assert values == sorted(values), name
        assert seen[-1].done == seen[-1].total == 80
        assert seen[-1].converged == np.sum(result["status"] == Status.CONVERGED)
    assert (first[-1].runs_made, second[-1].runs_made) == (80, num_lost)
    assert first[-1].seed_epochs == result["epochs"].sum()


def test_a_damaged_chunk_alone_is_computed_again_with_a_warning(small_steps, tmp_path):
    plan = make_plan(XOR, 40, block_size=8, **ACCIDENTAL)
    before = table_bytes(run_plan(plan, tmp_path).table)
    spoiled = []

    def spoil(path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        spoiled.append(str(path))

    num_lost = lose_a_chunk(tmp_path, spoil)
    with pytest.warns(UserWarning, match="is damaged and computed again") as caught:
        result = run_plan(plan, tmp_path)
    assert [spoiled[0] in str(warning.message) for warning in caught] == [True]
    assert result.timing.runs == num_lost
    assert table_bytes(result.table) == before
    assert table_bytes(read_runs(tmp_path)) == before


def test_nothing_left_to_do_keeps_the_recorded_timing(tmp_path):
    first = sweep(XOR, 40, out=tmp_path)
    summary = (tmp_path / "summary.json").read_bytes()
    for _ in range(3):
        again = sweep(XOR, 40, out=tmp_path)
        assert again.timing == first.timing
        assert (tmp_path / "summary.json").read_bytes() == summary


def test_a_lost_summary_is_written_again_without_timing(tmp_path):
    first = sweep(XOR, 40, out=tmp_path)
    (tmp_path / "summary.json").unlink()
    again = sweep(XOR, 40, out=tmp_path).summary()
    assert again["seconds"] is again["seed_epochs_per_second"] is None
    timing = dict.fromkeys(("seconds", "seed_epochs_per_second", "occupancy"))
    assert again == first.summary() | timing


def test_a_resume_never_mixes_two_sweeps(tmp_path):
    sweep(XOR, 5, out=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(bpjax.ResultsError, match=r"`task.recipe.momentum` was 0.9, is now 0.8"):
        sweep(XOR, 5, momentum=0.8, out=tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_default_folder_names_the_task_and_tells_sweeps_apart():
    plans = [
        make_plan(XOR, 5, precision=p, shard=shard)
        for p in ("float32", "float64")
        for shard in (None, (1, 2), (2, 2))
    ]
    folders = {default_folder(plan) for plan in plans}
    assert len(folders) == 6
    assert all(folder.startswith("results/xor-") for folder in folders)
    assert {default_folder(make_plan(XOR, seeds)) for seeds in (5, 6, range(3, 7))} <= folders


@pytest.mark.parametrize("implementation", LAYOUTS)
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("name", ["xor", "encoder"])
def test_the_training_program_lowers_for_accelerators(implementation, name, platform):
    """All that can be known without such a device: that the program can be written down for it."""
    plan = make_plan(bpjax.tasks.make_task(name), 5, implementation=implementation)
    crew = Crew(plan, *plan.groups(), lane_mesh(1))
    crew.begin(as_ranges([(0, 5)]))
    lowered = scheduler.advance.trace(*crew.next_call()).lower(lowering_platforms=(platform,))
    assert "stablehlo.while" in lowered.as_text()


# ---- what a user may hand in --------------------------------------------------------------------


def test_any_optax_transformation_is_one_value_and_trains():
    by_hand = sweep(XOR, 4, optimizer=optax.sgd(1.0, momentum=0.9), keep_weights=True)
    by_name = sweep(XOR, 4, optimizer="sgd", keep_weights=True, implementation="matrix")
    assert by_name.table.identity["task"]["recipe"]["learning_rate"] == 1.0
    assert by_hand["weights"].tobytes() == by_name["weights"].tobytes()
    run = bpjax.train(XOR, 3, optimizer=optax.sgd(1.0, momentum=0.9), block_size=8)
    assert run.epochs == by_hand["epochs"][3]


def test_a_rule_and_a_loss_without_a_name_go_to_a_folder_too(tmp_path):
    class Nameless:
        value = staticmethod(HalfSquaredError().value)
        derivative = staticmethod(HalfSquaredError().derivative)

    task = dataclasses.replace(XOR, loss=Nameless())
    settings = {"optimizer": optax.sgd(1.0, momentum=0.9)}
    kept = sweep(task, 3, out=tmp_path / "sweep", **settings)
    assert outcomes(kept) == outcomes(sweep(XOR, 3, implementation="matrix", **settings))


def test_numpy_numbers_and_arrays_are_numbers_and_grids(tmp_path):
    settings = {"learning_rate": np.linspace(0.5, 1.0, 2), "max_epochs": np.int64(5)}
    ours = sweep(XOR, np.int64(2), first_seed=np.uint32(1), out=tmp_path / "a", **settings)
    theirs = sweep(XOR, 2, first_seed=1, learning_rate=[0.5, 1.0], max_epochs=5)
    assert table_bytes(ours.table) == table_bytes(theirs.table)


def test_every_cell_of_a_grid_names_its_criterion_and_its_work():
    summary = sweep(XOR, 3, tolerance=[0.4, 0.5], max_epochs=20).summary()
    assert [cell["criterion"] for cell in summary["cells"]] == ["tolerance 0.4", "tolerance 0.5"]
    assert sum(cell["seed_epochs"] for cell in summary["cells"]) == summary["seed_epochs"]


@pytest.mark.parametrize(
    ("task", "settings", "words"),
    [
        ([bpjax.tasks.xor(), bpjax.tasks.parity()], {}, "`task` must be variants of one task"),
        (bpjax.tasks.xor(), {"learning_rate": np.linspace(1, 2, 10_001)}, "at most 10000 points"),
        (bpjax.tasks.xor(), {"loss_below": 1e-60}, "`loss_below` must be within the range"),
    ],
)
def test_what_cannot_be_swept_is_refused(task, settings, words):
    with pytest.raises(SettingError, match=words):
        sweep(task, 2, **settings)
