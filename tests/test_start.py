"""Given weights: the runs that start there, what tells them apart, and what is refused."""

import json
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bpjax
from bpjax.cli import main
from bpjax.errors import ResultsError, SettingError
from bpjax.network import Network
from bpjax.params import flatten_params, parameter_names
from bpjax.start_files import read_start_word
from bpjax.starts.given import Start
from bpjax.sweeps import scheduler
from bpjax.sweeps.planning import make_plan
from bpjax.witness import loss_and_gradient

XOR = bpjax.tasks.xor()
NUM_WEIGHTS = 9


def drawn(task, seeds, dtype=np.float32):
    """The weights at which runs start unless told otherwise, a row for each."""
    network, recipe = task.network, task.recipe
    with jax.enable_x64(dtype == np.float64):
        starts = [
            recipe.initializer.params_of(network, np.uint32(seed), recipe.init_range, dtype)
            for seed in range(seeds)
        ]
        return np.stack([flatten_params(network, params) for params in starts])


@pytest.fixture(scope="module")
def table():
    return drawn(XOR, 40)


def same_runs(one, other):
    names = "seed", "status", "epochs", "loss", "weights"
    return all(one[name].tobytes() == other[name].tobytes() for name in names)


# ---- the runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", ["matrix", "unrolled", "batched"])
def test_started_where_they_would_be_drawn_runs_have_the_same_bits(table, implementation):
    settings = {"implementation": implementation, "keep_weights": True, "max_epochs": 300}
    by_draw = bpjax.sweep(XOR, 40, **settings)
    assert same_runs(by_draw, bpjax.sweep(XOR, 40, initializer=Start(table), **settings))


def test_a_run_starts_at_the_row_of_its_seed_wherever_it_trains(table):
    settings = {"initializer": Start(table), "max_epochs": 200, "keep_weights": True}
    all_of_them = bpjax.sweep(XOR, 40, **settings)
    some = bpjax.sweep(XOR, 5, first_seed=17, **settings)
    for name in ("seed", "epochs", "loss", "weights"):
        assert some[name].tobytes() == all_of_them[name][17:22].tobytes()
    run = bpjax.train(XOR, 19, initializer=Start(table), max_epochs=200)
    assert run.snapshots.weights[0].tolist() == table[19].tolist()
    assert np.float32(run.loss) == all_of_them["loss"][19]


def test_one_set_of_weights_starts_every_run_in_any_of_its_forms(table):
    params = bpjax.params.unflatten_params(XOR.network, table[3])
    forms = [table[3], table[3].tolist(), table[3].astype(float), params]
    forms += [bpjax.Params(dict(reversed(params.weight.items())), params.bias)]
    found = [
        bpjax.sweep(XOR, 3, initializer=Start(form), keep_weights=True, max_epochs=200)
        for form in forms
    ]
    assert len(set(found[0]["epochs"].tolist())) == 1
    assert all(same_runs(found[0], other) for other in found)
    told = {make_plan(XOR, 3, initializer=Start(form)).identity()["task"]["recipe"]["initializer"]
            for form in forms}  # fmt: skip
    assert len(told) == 1


def test_a_run_starts_at_given_weights_in_float64(table):
    weights = np.linspace(-0.7, 0.9, NUM_WEIGHTS)
    run = bpjax.train(XOR, 0, initializer=Start(weights), precision="float64", max_epochs=1)
    assert run.snapshots.weights[0].tolist() == weights.tolist()
    params = jax.tree.map(np.asarray, bpjax.params.unflatten_params(XOR.network, weights))
    loss, _ = loss_and_gradient(XOR.network, params, XOR.inputs, XOR.targets, XOR.loss)
    assert run.history.loss[0] == pytest.approx(loss, rel=1e-14)


def test_a_grid_of_starts_and_draws_holds_each_to_its_own(table):
    starts = [Start(table), Start(table[5]), bpjax.Initializer()]
    settings = {"max_epochs": 200, "keep_weights": True}
    grid = bpjax.sweep(XOR, 10, initializer=starts, learning_rate=[0.25, 0.5], **settings)
    for k, start in enumerate(starts):
        for j, rate in enumerate([0.25, 0.5]):
            alone = bpjax.sweep(XOR, 10, initializer=start, learning_rate=rate, **settings)
            rows = slice(10 * (2 * k + j), 10 * (2 * k + j) + 10)
            assert grid["epochs"][rows].tolist() == alone["epochs"].tolist()
            assert grid["weights"][rows].tobytes() == alone["weights"].tobytes()


def test_other_weights_need_no_other_program(table):
    def sweep(weights, seeds):
        bpjax.sweep(XOR, seeds, initializer=Start(weights), max_epochs=50)
        return scheduler.advance._cache_size()

    assert sweep(table, 40) == sweep(table + 1, 40) == sweep(table[:33], 20)
    assert sweep(table[0], 40) == sweep(table[1], 7)


# ---- what tells them apart -----------------------------------------------------------------------


def test_a_sweep_is_told_by_every_bit_of_its_start(table, tmp_path):
    def sweep(weights, out):
        return bpjax.sweep(XOR, 40, initializer=Start(weights), max_epochs=50, out=tmp_path / out)

    first = sweep(table, "one")
    assert sweep(table.copy(), "one")["loss"].tobytes() == first["loss"].tobytes()
    for place in ((0, 0), (39, 8)):
        other = table.copy()
        other[place] = np.nextafter(other[place], np.float32(1))
        with pytest.raises(ResultsError, match="initializer"):
            sweep(other, "one")
    told = json.loads((tmp_path / "one" / "sweep.json").read_text())
    assert "40 rows of 9 weights" in told["identity"]["task"]["recipe"]["initializer"]


def test_starts_are_equal_by_what_they_hold(table):
    assert Start(table) == Start(table.tolist())
    assert hash(Start(table)) == hash(Start(table.tolist()))
    assert Start(table) != Start(table + 1)
    assert Start(table[:1]) != Start(table[0])  # one run, and every run
    assert Start(table[0]).num_seeds == 2**32
    assert Start(table).num_seeds == 40


# ---- files ---------------------------------------------------------------------------------------


def test_runs_start_where_files_say(table, tmp_path, capsys):
    def swept(*words, code=0):
        out = tmp_path / f"sweep-{len(list(tmp_path.iterdir()))}"
        words = ("sweep", "xor", *words, "--max-epochs", "50", "--no-figures", "--out", str(out))
        assert main(words) == code
        return capsys.readouterr().err if code else bpjax.results.store.read_runs(out)

    before = swept("--seeds", "20", "--keep-weights")
    folder = str(next(tmp_path.iterdir()))
    after = before.columns["weights"]
    np.save(tmp_path / "table.npy", after)
    np.savez_compressed(tmp_path / "own.npz", weights=after[4], names=parameter_names(XOR.network))
    train = ("train", "xor", "--seed", "4", "--max-epochs", "50", "--no-figures")
    assert main((*train, "--out", str(tmp_path / "run"))) == 0
    assert bpjax.read_start(tmp_path / "run") == bpjax.read_start(tmp_path / "run" / "weights.npz")
    starts = Start(after), Start(after[4])
    every, one = (bpjax.sweep(XOR, 20, initializer=start, max_epochs=50) for start in starts)
    words = {"table.npy": every, f"{folder}": every}
    words |= dict.fromkeys(("own.npz", "run", "run/weights.npz", "table.npy:4"), one)
    words |= {f"{folder}:4": one}
    for word, wanted in words.items():
        found = swept("--seeds", "20", "--start", str(tmp_path / word))
        assert found.columns["loss"].tobytes() == wanted["loss"].tobytes(), word


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("nothing.npy", "cannot read"),
        ("text.npy", "holds no weights"),
        ("other.npz", "holds no weights"),
        ("pickled.npy", "holds no weights"),
        ("bomb.npz", "holds no weights"),
        ("small.npy", "must have 9 weights for the network 2-2-1, got 4"),
        ("nan.npy", "finite numbers"),
        ("table.npy:7", "must name a seed that"),
        ("one.npy:0", "must name no seed"),
        ("named.npz", "must have the weights of this network"),
        (".", "no results folder"),
    ],
)
def test_a_file_that_holds_no_such_weights_is_refused(word, says, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.npy").write_text("0.1 0.2")
    np.savez("other.npz", other=np.zeros(9))
    np.save("pickled.npy", np.array([{}], object), allow_pickle=True)
    with zipfile.ZipFile("bomb.npz", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("weights.npy", bytes(2**20))
    monkeypatch.setattr("bpjax.start_files.MOST_BYTES", 2**20 - 1)
    np.save("small.npy", np.zeros(4))
    np.save("nan.npy", np.full(9, np.nan))
    np.save("table.npy", np.zeros((3, 9)))
    np.save("one.npy", np.zeros(9))
    np.savez("named.npz", weights=np.zeros(9), names=[f"w{k}" for k in range(9)])
    assert main(["sweep", "xor", "--seeds", "3", "--start", word, "--out", "new"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("bpjax: --start ")
    assert says in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not (tmp_path / "new").exists()


# ---- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "weights", [["x"], None, 3.0, [], [[[0.0]]], [0.0, float("inf")], {"a": 1}, [[1.0], [1.0, 2.0]]]
)
def test_what_are_no_weights_is_refused(weights):
    with pytest.raises(SettingError, match="`start` must be Params, a vector, or a table"):
        Start(weights)
    with pytest.raises(SettingError, match=r"bpjax\.read_start reads them from a file"):
        Start("run/weights.npz")


def test_a_seed_without_a_row_is_refused(table):
    with pytest.raises(SettingError, match="must keep all seeds at or below 39 with first_seed 0"):
        bpjax.sweep(XOR, 41, initializer=Start(table))
    with pytest.raises(SettingError, match=r"`seed` must be .* 39"):
        bpjax.train(XOR, 40, initializer=Start(table))


def test_weights_of_another_network_are_refused(table):
    with pytest.raises(SettingError, match="must have 13 weights for the network 2-3-1, got 9"):
        bpjax.sweep(bpjax.tasks.xor(hidden=3), 2, initializer=Start(table))
    params = bpjax.params.unflatten_params(XOR.network, table[0])
    with pytest.raises(SettingError, match="must have the entries of the network 2-3-1"):
        bpjax.sweep(bpjax.tasks.xor(hidden=3), 2, initializer=Start(params))


def test_a_weight_where_there_is_no_connection_is_refused():
    negation = bpjax.tasks.negation()
    weights = drawn(negation, 1)[0]
    bpjax.sweep(negation, 2, initializer=Start(weights), max_epochs=1)
    absent = int(np.flatnonzero(weights == 0)[0])
    weights[absent] = 1e-9
    name = parameter_names(negation.network)[absent]
    with pytest.raises(SettingError, match=r"must be 0 where a weight is masked") as fault:
        bpjax.sweep(negation, 2, initializer=Start(weights), max_epochs=1)
    assert fault.value.value == name


@pytest.mark.slow
def test_tied_weights_start_where_they_are_told():
    t_c = bpjax.tasks.t_c()
    table = drawn(t_c, 2)
    settings = {"max_epochs": 2, "keep_weights": True}
    by_draw = bpjax.sweep(t_c, 2, **settings)
    assert same_runs(by_draw, bpjax.sweep(t_c, 2, initializer=Start(table), **settings))


def test_a_number_that_would_not_fit_and_a_range_that_nothing_is_drawn_from_are_refused(table):
    with pytest.raises(SettingError, match="`start` must be within the range of float32"):
        bpjax.sweep(XOR, 2, initializer=Start([1e39] * NUM_WEIGHTS))
    with pytest.raises(SettingError, match="`init_range` must be left out"):
        bpjax.sweep(XOR, 2, initializer=Start(table), init_range=1.0)


def test_starts_and_draws_are_not_asked_for_together(capsys, tmp_path):
    np.save(tmp_path / "start.npy", np.zeros(NUM_WEIGHTS))
    words = ["sweep", "xor", "--start", str(tmp_path / "start.npy"), "--set", "biases=zero"]
    assert main(words) == 2
    assert "--start cannot go with a distribution of draws" in capsys.readouterr().err


def test_one_run_has_one_start(capsys, tmp_path):
    files = [str(tmp_path / f"{name}.npy") for name in "ab"]
    for k, file in enumerate(files):
        np.save(file, np.full(NUM_WEIGHTS, k))
    assert main(["train", "xor", "--start", *files]) == 2
    assert "--start must be one value for one run" in capsys.readouterr().err


# ---- a strategy of one's own ---------------------------------------------------------------------


class HalfTheUsual(bpjax.Initializer):
    """Draws from half of the range."""

    def params_of(self, network: Network, seed, init_range, dtype=np.float32):
        return super().params_of(network, seed, init_range / 2, dtype)


def test_a_strategy_of_ones_own_starts_runs(tmp_path):
    ours = bpjax.sweep(XOR, 20, init_range=0.5, max_epochs=100)
    theirs = bpjax.sweep(
        XOR, 20, init_range=1.0, initializer=HalfTheUsual(), max_epochs=100, out=tmp_path / "one"
    )
    assert theirs["loss"].tobytes() == ours["loss"].tobytes()
    with pytest.raises(ResultsError, match="initializer"):
        bpjax.sweep(XOR, 20, init_range=1.0, max_epochs=100, out=tmp_path / "one")


# ---- what is near to weights, and is none --------------------------------------------------------


class Mirrored(bpjax.Start):
    """Starts at the same weights with the other sign."""

    def params_of(self, network, seed, init_range=None, dtype=jnp.float32):
        return jax.tree.map(jnp.negative, super().params_of(network, seed, init_range, dtype))


def test_a_subclass_starts_where_it_says_and_is_told_apart():
    weights = np.linspace(-1, 1, 9)
    own, given = Mirrored(weights), bpjax.Start(weights)
    assert own != given
    plans = [make_plan(bpjax.tasks.xor(), 1, initializer=each) for each in (own, given)]
    assert plans[0].identity() != plans[1].identity()
    run = bpjax.train(bpjax.tasks.xor(), 0, initializer=own, max_epochs=1)
    np.testing.assert_array_equal(run.snapshots.weights[0], -weights.astype(np.float32))
    swept = bpjax.sweep(
        bpjax.tasks.xor(), 1, initializer=own, max_epochs=1, tolerance=1.0, keep_weights=True
    )
    np.testing.assert_array_equal(swept["weights"][0], -weights.astype(np.float32))


@pytest.mark.parametrize(
    "content",
    [
        {"weights": np.zeros(9), "names": np.array("x")},
        {"weights": np.array(0.0), "epoch": np.zeros(1)},
    ],
    ids=["names", "epoch"],
)
def test_an_odd_archive_is_refused_in_one_sentence(content, tmp_path):
    np.savez(tmp_path / "odd.npz", **content)
    with pytest.raises(SettingError, match="holds no weights"):
        read_start_word(str(tmp_path / "odd.npz"))


def test_a_damaged_archive_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "damaged.npz"
    np.savez_compressed(path, weights=np.arange(5000.0))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(SettingError, match="holds no weights"):
        read_start_word(str(path))
