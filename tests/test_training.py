"""One watched run: the run that a sweep counts, with a history that is recomputed here."""

import csv
import dataclasses
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bpjax
from bpjax import run_folder
from bpjax.backprop import backward, forward, value_and_grad
from bpjax.errors import ResultsError, SettingError
from bpjax.params import flatten_params, parameter_names, unflatten_params
from bpjax.recording import Recording
from bpjax.status import Status
from bpjax.sweeps.watched import follow
from bpjax.training import plan_run, train, train_plan

XOR = bpjax.tasks.xor().with_settings(learning_rate=1.0, init_range=1.0, max_epochs=150)
SYMMETRY = bpjax.tasks.symmetry(bits=4).with_settings(learning_rate=0.5, max_epochs=150)
SMALL = {"block_size": 8}
CONVERGING, STUCK = 3, 4
"""Seeds of XOR; `test_the_seeds_of_these_tests` looks."""


@pytest.fixture(scope="module")
def watched():
    """A run that converges, with all its weights."""
    return train(XOR, CONVERGING, snapshot_every=1, **SMALL)


def test_the_seeds_of_these_tests(watched):
    assert watched.status == Status.CONVERGED
    assert 20 < watched.epochs < 150
    assert train(XOR, STUCK, **SMALL).status == Status.MAX_EPOCHS


# ---- the run is the sweep's ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "precision"),
    [
        (XOR, "float32"),
        pytest.param(XOR, "float64", marks=pytest.mark.slow),
        pytest.param(SYMMETRY, "float32", marks=pytest.mark.slow),
        (SYMMETRY, "float64"),
    ],
    ids=["xor-float32", "xor-float64", "symmetry-float32", "symmetry-float64"],
)
def test_train_shows_the_run_that_a_sweep_counts(task, precision):
    settings = SMALL | {"precision": precision}
    result = bpjax.sweep(task, 4, first_seed=5, keep_weights=True, **settings)
    for k, seed in enumerate(range(5, 9)):
        run = train(task, seed, record_every=1 + k * 100, **settings)
        assert (run.status, run.epochs) == (result["status"][k], result["epochs"][k])
        assert run.loss == result["loss"][k]
        with jax.enable_x64(precision == "float64"):
            weights = np.asarray(flatten_params(task.network, run.params))
        assert weights.dtype == precision
        assert weights.tobytes() == result["weights"][k].tobytes()


@pytest.mark.slow
def test_train_shows_the_run_of_a_sweep_at_the_shape_that_both_have_unasked():
    run = train(XOR, 7)
    result = bpjax.sweep(XOR, 9, keep_weights=True)
    assert (run.status, run.epochs) == (result["status"][7], result["epochs"][7])
    weights = np.asarray(flatten_params(XOR.network, run.params))
    assert weights.tobytes() == result["weights"][7].tobytes()


def test_watching_closely_does_not_change_the_run(watched):
    glanced = train(XOR, CONVERGING, record_every=1000, **SMALL)
    assert (glanced.status, glanced.epochs) == (watched.status, watched.epochs)
    for ours, theirs in zip(
        jax.tree.leaves(glanced.params), jax.tree.leaves(watched.params), strict=True
    ):
        assert ours.tobytes() == theirs.tobytes()


def test_all_seeds_and_strides_of_a_task_share_one_compilation(watched):
    before = follow._cache_size()
    train(XOR, 99, record_every=7, learning_rate=0.3, max_epochs=20, tolerance=0.2, **SMALL)
    assert follow._cache_size() == before


def test_a_run_recorded_rarely_stops_soon_after_its_end():
    run = train(XOR, 99, record_every=2**31 - 1, max_epochs=2**31 - 2, tolerance=0.49, **SMALL)
    assert run.history.epoch.tolist() == [0, run.epochs]


# ---- the history --------------------------------------------------------------------------------


def test_the_history_goes_from_the_initial_weights_to_the_end(watched):
    history = watched.history
    assert history.epoch.tolist() == list(range(watched.epochs + 1))
    lengths = {len(column) for column in jax.tree.leaves(history)}
    assert lengths == {watched.epochs + 1}
    assert history.num_right[-1] == 4
    assert (history.num_right[:-1] < 4).all(), (
        "the first epoch at which the criterion holds ends it"
    )
    np.testing.assert_allclose(history.loss[-1], watched.loss, rtol=1e-6)


def signals_of(params):
    """Return dE/dx of both layers for all cases: equations (4), (5) and (7) for 2-2-1."""
    w1, w2 = params.weight["input", "hidden"], params.weight["hidden", "output"]
    b1, b2 = params.bias["hidden"], params.bias["output"]
    hidden = 1 / (1 + np.exp(-(XOR.inputs @ w1 + b1)))
    output = 1 / (1 + np.exp(-(hidden @ w2 + b2)))
    of_output = (output - XOR.targets) * output * (1 - output)
    return {"hidden": of_output @ w2.T * hidden * (1 - hidden), "output": of_output}


def test_loss_and_gradients_of_the_history_are_those_of_its_weights(watched):
    network, history = XOR.network, watched.history
    inputs, targets = XOR.cases()
    loss_and_grads = jax.jit(value_and_grad(network))
    size_of = {"hidden": 6, "output": 3}  # weights and biases of each layer
    assert list(history.gradient_norm) == [
        "input -> hidden",
        "hidden -> output",
        "bias hidden",
        "bias output",
    ]
    assert list(history.gradient_size) == list(history.error_signal_size) == list(size_of)
    for k, weights in enumerate(watched.snapshots.weights):
        params = unflatten_params(network, jnp.asarray(weights))
        loss, grads = loss_and_grads(params, inputs, targets)
        np.testing.assert_allclose(history.loss[k], loss, rtol=1e-5)

        by_hand = backward(network, params, forward(network, params, inputs), targets)
        for key, grad in [*by_hand.weight.items(), *by_hand.bias.items()]:
            name = " -> ".join(key) if isinstance(key, tuple) else f"bias {key}"
            ours = history.gradient_norm[name][k]
            np.testing.assert_allclose(ours, np.linalg.norm(grad), rtol=1e-4, atol=1e-6)
        for layer, size in size_of.items():
            source = {"hidden": "input", "output": "hidden"}[layer]
            squares = np.sum(grads.weight[source, layer] ** 2) + np.sum(grads.bias[layer] ** 2)
            ours = history.gradient_size[layer][k]
            np.testing.assert_allclose(ours, np.sqrt(squares / size), rtol=1e-4, atol=1e-6)
        signals = signals_of(jax.tree.map(np.asarray, params))
        for layer, signal in signals.items():
            ours = history.error_signal_size[layer][k]
            np.testing.assert_allclose(ours, np.sqrt(np.mean(signal**2)), rtol=1e-4, atol=1e-6)


def test_layers_stand_in_the_order_of_the_network():
    task = bpjax.tasks.parity(bits=2, hidden=1, hidden_layers=10)
    history = train(task, 0, max_epochs=1, **SMALL).history
    layers = [layer.name for layer in task.network.computed_layers]
    assert layers != sorted(layers), "ten sorts before two"
    assert list(history.gradient_size) == list(history.error_signal_size) == layers
    connections = [" -> ".join(c.key) for c in task.network.connections]
    assert list(history.gradient_norm) == connections + [f"bias {name}" for name in layers]


def test_cases_are_right_by_the_tolerance_of_the_criterion(watched):
    strict = train(XOR, CONVERGING, tolerance=0.2, snapshot_every=1, **SMALL)
    outputs = [
        forward(XOR.network, unflatten_params(XOR.network, jnp.asarray(weights)), XOR.cases()[0])
        for weights in strict.snapshots.weights
    ]
    away = np.array([np.abs(found["output"] - XOR.targets)[:, 0] for found in outputs])
    assert strict.history.num_right.tolist() == (away < 0.2).sum(axis=1).tolist()
    assert (strict.history.num_right[: len(watched.history.num_right)] < 4).all()


def test_a_criterion_of_loss_counts_the_right_side_of_one_half(watched):
    by_loss = train(XOR, CONVERGING, loss_below=0.3, **SMALL)
    common = min(by_loss.epochs, watched.epochs) + 1
    ours, theirs = by_loss.history, watched.history
    assert ours.num_right[:common].tolist() == theirs.num_right[:common].tolist()
    assert ours.loss[-1] < 0.3 <= ours.loss[-2]


def test_what_a_callback_does_to_its_weights_is_its_own_affair(watched):
    def spoil(epoch, params):
        params.weight["input", "hidden"][:] = 0

    run = train(XOR, CONVERGING, snapshot_every=1, callback=spoil, **SMALL)
    assert run.snapshots.weights.tobytes() == watched.snapshots.weights.tobytes()


@pytest.mark.parametrize("every", [3, 1000])
def test_the_loss_during_an_epoch_is_that_of_its_own_weights(every):
    """The rule's memory moves on behind the end of a run, and no epoch begins there."""
    dense = train(XOR, CONVERGING, updates="case", max_epochs=10, **SMALL).history
    sparse = train(XOR, CONVERGING, updates="case", max_epochs=10, record_every=every, **SMALL)
    ours, theirs = sparse.history.loss_during_epoch, dense.loss_during_epoch[sparse.history.epoch]
    np.testing.assert_array_equal(ours, theirs)
    assert np.isnan(ours[-1])
    assert np.isfinite(ours[:-1]).all()


@pytest.mark.parametrize("every", [2, 7, 64, 1000])
def test_a_sparser_history_has_the_same_entries(every, watched):
    sparse = train(XOR, CONVERGING, record_every=every, **SMALL).history
    dense = watched.history
    expected = sorted({*range(0, watched.epochs, every), watched.epochs})
    assert sparse.epoch.tolist() == expected
    for ours, theirs in zip(jax.tree.leaves(sparse), jax.tree.leaves(dense), strict=True):
        np.testing.assert_array_equal(ours, theirs[expected])


def test_snapshots_are_the_first_the_last_and_those_asked_for(watched):
    few = train(XOR, CONVERGING, **SMALL).snapshots
    some = train(XOR, CONVERGING, record_every=4, snapshot_every=8, **SMALL).snapshots
    assert watched.snapshots.epoch.tolist() == list(range(watched.epochs + 1))
    assert few.epoch.tolist() == [0, watched.epochs]
    assert some.epoch.tolist() == sorted({*range(0, watched.epochs, 8), watched.epochs})
    for snapshots in (few, some):
        ours, theirs = snapshots.weights, watched.snapshots.weights[snapshots.epoch]
        assert ours.tobytes() == theirs.tobytes()
    last = np.asarray(flatten_params(XOR.network, watched.params))
    assert few.weights[-1].tobytes() == last.tobytes()


def test_the_history_is_in_the_precision_of_the_run():
    run = train(XOR, CONVERGING, precision="float64", max_epochs=3, **SMALL)
    counts = ("epoch", "num_right", "num_held_out_right")
    floats = {k: v for k, v in run.history._asdict().items() if k not in counts}
    assert {leaf.dtype.name for leaf in jax.tree.leaves(floats)} == {"float64"}
    assert run.snapshots.weights.dtype == "float64"


def test_whoever_watches_sees_the_epochs_go_by(watched):
    seen = []
    train(XOR, STUCK, progress=seen.append, **SMALL)
    epochs = [at.done for at in seen]
    assert epochs == sorted(epochs)
    assert epochs[-1] == 150
    assert {(at.total, at.num_cases) for at in seen} == {(150, 4)}
    assert all(at.seconds > 0 for at in seen)


def test_a_callback_sees_the_chosen_epochs_and_their_weights(watched):
    seen = {}

    def look(epoch, params):
        seen[epoch] = np.asarray(flatten_params(XOR.network, params))

    train(XOR, CONVERGING, callback=look, callback_epochs=np.array([0, 20, 10, 149]), **SMALL)
    assert list(seen) == [0, 10, 20]  # the run has ended before 149
    for epoch, weights in seen.items():
        assert weights.tobytes() == watched.snapshots.weights[epoch].tobytes()
    seen.clear()
    train(XOR, CONVERGING, callback=look, record_every=7, **SMALL)
    assert list(seen) == [*range(0, watched.epochs, 7), watched.epochs]


def test_what_a_callback_raises_ends_the_training():
    def refuse(epoch, params):
        raise InterruptedError(epoch, params)

    with pytest.raises(InterruptedError, match="0"):
        train(XOR, STUCK, callback=refuse, **SMALL)


# ---- ends ---------------------------------------------------------------------------------------


def test_a_run_that_is_solved_at_once_has_a_history_of_one_entry():
    run = train(XOR, CONVERGING, tolerance=1.0, **SMALL)
    assert (run.status, run.epochs) == (Status.CONVERGED, 0)
    assert run.history.epoch.tolist() == run.snapshots.epoch.tolist() == [0]


@pytest.mark.parametrize("every", [1, 7, 150, 151])
def test_a_run_that_is_stopped_ends_at_the_cap(every):
    run = train(XOR, STUCK, record_every=every, **SMALL)
    assert (run.status, run.epochs) == (Status.MAX_EPOCHS, 150)
    assert run.history.epoch[-1] == 150
    assert run.history.num_right[-1] < 4
    assert "MAX_EPOCHS after 150 epochs (criterion tolerance 0.5)" in run.describe()


@pytest.fixture(scope="module")
def exploding():
    """XOR with a linear output unit and a rate that makes it explode."""
    layers = [dataclasses.replace(layer) for layer in XOR.network.layers]
    layers[-1] = dataclasses.replace(layers[-1], activation="linear")
    network = dataclasses.replace(XOR.network, layers=tuple(layers))
    return dataclasses.replace(XOR, network=network).with_settings(learning_rate=1e3)


@pytest.mark.parametrize("every", [1, 1000])
def test_a_run_that_explodes_ends_at_its_first_non_finite_epoch(every, exploding):
    run = train(exploding, 1, record_every=every, **SMALL)
    result = bpjax.sweep(exploding, 1, first_seed=1, **SMALL)
    assert run.status == result["status"][0] == Status.NONFINITE
    assert run.epochs == result["epochs"][0] == run.history.epoch[-1]
    assert 0 < run.epochs < 150
    assert "NONFINITE" in run.describe()
    before = run.history.epoch < run.epochs
    assert np.isfinite(run.history.loss[before]).all()
    assert not np.isfinite(run.loss) or not np.isfinite(run.snapshots.weights[-1]).all()


# ---- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"seed": -1}, r"`seed` must be a whole number from 0 to 2\*\*32 - 1, got -1"),
        ({"seed": 1.0}, r"`seed` must be a whole number .* got 1.0"),
        ({"record_every": 0}, "`record_every` must be a whole number from 1 to .*, got 0"),
        (
            {"callback": print, "callback_epochs": 5},
            "`callback_epochs` must be whole numbers, got 5",
        ),
        ({"callback_epochs": [5]}, "`callback_epochs` must go with a callback, got"),
        ({"callback": 3}, "`callback` must be a function, got 3"),
        (
            {"record_every": 2, "callback": print, "callback_epochs": [2, 5]},
            "`callback_epochs` must be a multiple of record_every 2, got 5",
        ),
        ({"snapshot_every": 0}, "`snapshot_every` must be a whole number from 1 to .*, got 0"),
        (
            {"record_every": 2, "snapshot_every": 3},
            "`snapshot_every` must be a multiple of record_every 2, got 3",
        ),
        (
            {"learning_rate": [0.1, 0.2]},
            r"`learning_rate` must be one value for one run, got \[0.1",
        ),
        ({"learning_rate": -1}, "`learning_rate` must be a positive finite number, got -1"),
        ({"shape": 3}, "`shape` is no setting"),
    ],
    ids=str,
)
def test_an_argument_that_breaks_its_rule_is_named(arguments, sentence):
    with pytest.raises(SettingError, match=sentence):
        train(XOR, **({"seed": 0} | arguments))


# ---- the folder of a run ------------------------------------------------------------------------


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def plan():
    return plan_run(XOR, CONVERGING, **SMALL)


def test_the_folder_holds_the_run(plan, tmp_path):
    folder = run_folder.claim(tmp_path / "deep/run", plan)
    assert json.loads((folder / "run.json").read_text())["outcome"] is None
    run = train_plan(plan, Recording(2, 10))
    outcome = run_folder.save(run, folder, plan)
    assert sorted(files_of(folder)) == ["history.csv", "run.json", "weights.npz"]

    record = json.loads((folder / "run.json").read_text())
    assert record["identity"] == json.loads(json.dumps(plan.identity()))
    assert record["outcome"] == outcome
    assert record["environment"]["versions"]["jax"] == jax.__version__
    assert outcome["status"] == "CONVERGED"
    assert outcome["epochs"] == run.epochs
    assert (outcome["num_right"], outcome["num_cases"]) == (4, 4)
    assert outcome["criterion"] == "tolerance 0.5"

    with np.load(folder / "weights.npz", allow_pickle=False) as saved:
        assert saved["names"].tolist() == parameter_names(XOR.network)
        np.testing.assert_array_equal(saved["epoch"], run.snapshots.epoch)
        np.testing.assert_array_equal(saved["weights"], run.snapshots.weights)


def test_the_table_of_the_history_reads_back_exactly(plan, tmp_path):
    folder = run_folder.claim(tmp_path, plan)
    run = train_plan(plan)
    run_folder.save(run, folder, plan)
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))

    history = run.history
    plain = ("epoch", "loss", "loss_during_epoch", "held_out_loss", "mean_squared_error")
    plain += ("num_right", "num_held_out_right")
    columns = {name: getattr(history, name) for name in plain}
    for field in ("gradient_norm", "gradient_size", "error_signal_size"):
        columns |= {f"{field} {name}": v for name, v in getattr(history, field).items()}
    assert list(rows[0]) == list(columns)
    for name, values in columns.items():
        read = np.array([float(row[name]) for row in rows]).astype(values.dtype)
        np.testing.assert_array_equal(read, values)


def test_a_run_that_exploded_can_be_saved(exploding, tmp_path):
    plan = plan_run(exploding, 1, **SMALL)
    folder = run_folder.claim(tmp_path, plan)
    outcome = run_folder.save(train_plan(plan), folder, plan)
    assert outcome["status"] == "NONFINITE"
    text = (folder / "run.json").read_text()
    assert not re.search("NaN|Infinity", text), "not JSON"


def test_the_same_run_may_be_repeated_in_its_folder(plan, tmp_path):
    contents = []
    for _ in range(2):
        folder = run_folder.claim(tmp_path, plan)
        run_folder.save(train_plan(plan), folder, plan)
        contents.append(files_of(tmp_path))
    assert contents[0] == contents[1]


@pytest.mark.parametrize("change", [{"momentum": 0.8}, {"precision": "float64"}], ids=str)
def test_the_folder_of_another_run_is_refused(change, plan, tmp_path):
    run_folder.claim(tmp_path, plan)
    before = files_of(tmp_path)
    with pytest.raises(ResultsError, match=rf"holds another run: .*{next(iter(change))}. was "):
        run_folder.claim(tmp_path, plan_run(XOR, CONVERGING, **(SMALL | change)))
    with pytest.raises(ResultsError, match="`seed` was 3, is now 4"):
        run_folder.claim(tmp_path, plan_run(XOR, 4, **SMALL))
    assert files_of(tmp_path) == before


def test_a_folder_with_anything_else_in_it_is_refused(plan, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ResultsError, match="is not empty and not the folder of a run"):
        run_folder.claim(tmp_path, plan)
    assert files_of(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_file_in_the_way_is_refused(plan, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResultsError, match=r"cannot create '.*file': "):
        run_folder.claim(tmp_path / "file", plan)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"identity": 3}', "\xff"])
def test_a_damaged_record_is_refused(content, plan, tmp_path):
    (tmp_path / "run.json").write_bytes(content.encode("latin1"))
    with pytest.raises(ResultsError, match=r"run.json' is damaged: .*; remove the folder, or"):
        run_folder.claim(tmp_path, plan)
    assert (tmp_path / "run.json").read_bytes() == content.encode("latin1")


def test_the_default_folder_names_the_seed_and_tells_runs_apart(plan):
    other = plan_run(XOR, CONVERGING, momentum=0.8, **SMALL)
    assert run_folder.default_folder(plan).startswith("results/xor-seed-3-")
    assert run_folder.default_folder(plan) != run_folder.default_folder(other)
