"""A user's own experiment, from its file to a report that no longer needs it."""

import contextlib
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_experiment_files import FLOWERS, IRIS

import bpjax
from bpjax.cli import main
from bpjax.connections import Connection, Layer
from bpjax.results.folder import SweepFolder
from bpjax.results.identity import as_stored, fingerprint
from bpjax.results.store import read_runs
from bpjax.run_folder import load_run
from bpjax.sweeps.plan import Plan
from bpjax.sweeps.planning import make_plan
from bpjax.told import told_plan, told_task
from bpjax.training import plan_run

FUNCTION = f"""
import numpy as np
import bpjax

def flowers(hidden=3, kinds="all"):
    table = np.genfromtxt({str(IRIS)!r}, delimiter=",", skip_header=1, usecols=range(4))
    targets = np.repeat(np.eye(3), 50, axis=0)
    return bpjax.Task.from_arrays(table, targets, hidden, learning_rate=0.001, max_epochs=20)
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder, without figures that take longer than the runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bpjax.cli.sweep.FAN_WORK", 0)


def says(*words, code=0):
    """Run a command and return what it prints on both streams."""
    out, err = io.StringIO(), io.StringIO()
    out.reconfigure = err.reconfigure = lambda **_: None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main([str(word) for word in words]) == code, err.getvalue()
    return out.getvalue() + err.getvalue()


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The folders of a sweep, a grid with weights and a run; their experiment file is gone."""
    folder = tmp_path_factory.mktemp("iris")
    before = os.getcwd()
    os.chdir(folder)
    try:
        shutil.copy(IRIS, "iris.csv")
        Path("iris.toml").write_text(FLOWERS)
        quiet = ["--no-figures", "--out"]
        said = says("sweep", "iris.toml", "--seeds", 6, *quiet, "sweep")
        grid = ["--hidden", 2, 3, "--learning-rate", 0.01, 0.02]
        says("sweep", "iris.toml", "--seeds", 3, *grid, *quiet, "grid")
        says("sweep", "iris.toml", "--seeds", 3, "--keep-weights", *quiet, "kept")
        says("train", "iris.toml", "--seed", 1, *quiet, "run")
        for name in ("iris.toml", "iris.csv"):
            os.replace(name, f"gone-{name}")
        yield folder, said
    finally:
        os.chdir(before)


@pytest.fixture
def copied(swept, tmp_path):
    """Copies of the folders."""
    for name in ("sweep", "grid", "kept", "run"):
        shutil.copytree(swept[0] / name, name)
    return tmp_path


def test_a_sweep_of_a_file_is_one_like_any_other(swept):
    assert swept[1].startswith("iris: 6 runs, criterion loss below 12\n") or "\niris: 6" in swept[1]
    table = read_runs(swept[0] / "sweep")
    task = table.identity["task"]
    assert (task["name"], task["options"], task["held_out"]) == ("iris", {"hidden": 3}, 30)
    assert np.shape(task["inputs"]) == (150, 4)
    assert np.allclose(np.mean(task["inputs"], axis=0), 0)


def test_the_run_is_the_one_that_the_sweep_counts(swept):
    table = read_runs(swept[0] / "sweep")
    outcome = json.loads((swept[0] / "run" / "run.json").read_text())["outcome"]
    (row,) = np.flatnonzero(table.columns["seed"] == 1)
    assert outcome["epochs"] == table.columns["epochs"][row]
    assert outcome["loss"] == table.columns["loss"][row]


def test_reports_verify_and_export_need_no_file(copied):
    says("report", "sweep", "grid", "run", "--out", "all.html")
    page = re.sub(r"<[^>]+>", " ", Path("all.html").read_text())
    for words in (
        "Three kinds of iris",
        "Fisher, Annals of Eugenics 7 (1936)",
        "It was made by this command.",
        "bpjax sweep iris.toml --seeds 6 --no-figures --out sweep",
        "bpjax train iris.toml --seed 1 --no-figures --out run",
        "4-3-3",
    ):
        assert words in page, words
    for folder in ("sweep", "grid", "run"):
        assert "damaged" in says("verify", folder)
    says("export", "grid", "--out", "grid.csv")
    head = Path("grid.csv").read_text().splitlines()[0].split(",")
    assert {"hidden", "learning_rate", "seed", "status", "held_out_right"} <= set(head)


@pytest.mark.filterwarnings("default:.*is damaged and computed again")
def test_a_damaged_folder_is_mended_without_the_file(copied):
    before = files("kept")
    chunk = min(Path("kept/chunks").iterdir())
    chunk.write_bytes(chunk.read_bytes()[:-100])
    assert "1 chunks damaged" in says("verify", "kept", code=1)
    assert "0 chunks damaged" in says("verify", "kept", "--repair")
    after = files("kept")
    assert {name for name in before if after[name] != before[name]} <= {"summary.json"}


def test_a_sweep_resumes_after_its_file_has_moved(swept, copied):
    Path("elsewhere").mkdir()
    shutil.copy(IRIS, "elsewhere/iris.csv")
    Path("elsewhere/flowers.toml").write_text("# moved, and with another remark\n" + FLOWERS)
    before = files("sweep/chunks")
    words = ["sweep", "elsewhere/flowers.toml", "--seeds", 6, "--no-figures", "--out", "sweep"]
    says(*words)
    assert files("sweep/chunks") == before
    chunk = min(Path("sweep/chunks").iterdir())
    chunk.unlink()
    says(*words)
    assert np.array_equal(
        read_runs("sweep").columns["loss"], read_runs(swept[0] / "sweep").columns["loss"]
    )


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("hidden = 3", "hidden = 4", "`task.options.hidden` was 3, is now 4"),
        ('"standard"', '"range"', "`task.inputs.0.0` was -0.900"),
        ("held_out = 30", "held_out = 31", "`task.held_out` was 30, is now 31"),
        ("loss_below = 12", "loss_below = 13", '`task.criterion` was "loss below 12", is now'),
        ("max_epochs = 40", "max_epochs = 41", "`task.recipe.max_epochs` was 40, is now 41"),
        ('name = "iris"', "", '`task.name` was "iris", is now "mine"'),
    ],
)
def test_an_edited_file_is_refused_by_the_name_of_what_differs(copied, old, new, differs):
    shutil.copy(IRIS, "iris.csv")
    assert old in FLOWERS
    Path("mine.toml").write_text(FLOWERS.replace(old, new))
    words = ["sweep", "mine.toml", "--seeds", 6, "--no-figures", "--out", "sweep"]
    before = files("sweep")
    said = says(*words, code=2)
    assert "holds another sweep: " in said
    assert differs in said
    assert files("sweep") == before


@pytest.mark.slow
def test_shards_config_start_and_explain(copied):
    shutil.copy(IRIS, "iris.csv")
    Path("iris.toml").write_text(FLOWERS)
    Path("all.toml").write_text('task = "iris.toml"\nseeds = 6\nno_figures = true\n')
    for index in (1, 2):
        says("sweep", "--config", "all.toml", "--shard", f"{index}/2", "--out", f"part{index}")
    whole, parts = read_runs("sweep"), read_runs("part1", "part2")
    assert np.array_equal(whole.columns["loss"], parts.columns["loss"])

    words = ["train", "iris.toml", "--seed", 2, "--no-figures"]
    says(*words, "--start", "kept:2", "--max-epochs", 3, "--out", "again")
    again = json.loads(Path("again/run.json").read_text())["identity"]["task"]["recipe"]
    assert again["initializer"].startswith("Start(27 weights")
    text = FLOWERS.replace("max_epochs = 40", 'max_epochs = 3\nstart = "kept:2"')
    Path("started.toml").write_text(text)
    says("train", "started.toml", "--seed", 2, "--no-figures", "--out", "started")
    runs = [load_run(name) for name in ("again", "started")]
    assert np.array_equal(*(run.snapshots.weights for run in runs))

    says("explain", "iris.toml", "--max-epochs", 2, "--out", "page.html")
    assert "Three kinds of iris" in Path("page.html").read_text()


@pytest.mark.slow
def test_a_function_sweeps_resumes_and_reports_without_its_file(tmp_path):
    Path("own.py").write_text(FUNCTION)
    words = ["sweep", "own.py:flowers", "--seeds", 2, "--hidden", 2, 3, "--no-figures"]
    says(*words, "--out", "own")
    assert "0 off" in says("check", "own.py:flowers")
    before = files("own/chunks")
    os.replace("own.py", "moved.py")
    words[1] = "moved.py:flowers"
    says(*words, "--out", "own")
    assert files("own/chunks") == before
    os.remove("moved.py")
    says("report", "own", "--out", "own.html")
    assert "bpjax sweep own.py:flowers --seeds 2 --hidden 2 3" in Path("own.html").read_text()


# ---- what a folder tells of its task ------------------------------------------------------------

TIED = Connection("input", "output", tie=[[0, 1], [1, 0]], mask=[[1, 0], [1, 1]])
OWN = bpjax.Task(
    bpjax.Network([Layer("input", 2), Layer("output", 2, "tanh", bias=False)], [TIED]),
    np.eye(2),
    [[0.0, 0.25], [1.0, 0.5]],
    "own",
    recipe=bpjax.Recipe(
        learning_rate=bpjax.Schedule((0.5, 0.25), (10,)),
        momentum=0.5,
        initializer=bpjax.Plane(
            "input -> output tied[0]", "input -> output tied[1]", width=4, height=4
        ),
        optimizer="paper",
    ),
    criterion=bpjax.Criterion("loss", 1e-7),
    loss=bpjax.MarginSquaredError(on=0.9, measured_from="margin"),
    held_out=(1,),
)


@pytest.mark.parametrize("name", bpjax.tasks.TASKS)
def test_a_description_tells_the_whole_task(name):
    told = as_stored(bpjax.tasks.make_task(name).describe())
    assert fingerprint(told_task(told).describe()) == fingerprint(told)


def test_a_description_tells_masks_ties_schedules_planes_and_rows():
    told = as_stored(OWN.describe())
    again = told_task(told, {"title": "mine", "source": "here"})
    assert fingerprint(again.describe()) == fingerprint(told)
    assert (again.title, again.source) == ("mine", "here")
    assert again.recipe == OWN.recipe
    assert again.loss == OWN.loss


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": [0.5, 0.9], "learning_rate": [0.1, 0.2]},
        {"tolerance": [0.4, 1], "optimizer": ["adam", "rprop(backtracking=true)"]},
        {"initializer": [bpjax.Initializer("normal"), bpjax.Initializer()]},
        {"shard": (2, 3), "keep_weights": True, "block_size": 50, "precision": "float64"},
        {"summary_only": True, "first_seed": 7},
    ],
    ids=str,
)
def test_an_identity_tells_the_whole_plan(settings):
    plan = make_plan(bpjax.tasks.xor(), 10, **settings)
    identity = as_stored(plan.identity())
    again = told_plan(identity)
    assert isinstance(again, Plan)
    assert fingerprint(again.identity()) == fingerprint(identity)
    assert again.runs.tolist() == plan.runs.tolist()


def test_what_was_brought_is_told_by_no_words():
    started = bpjax.tasks.xor().with_settings(initializer=bpjax.Start(np.ones(9)))
    assert told_plan(as_stored(plan_run(started, 0).identity())) is None
    identity = as_stored(make_plan(bpjax.tasks.xor(), 3).identity())
    for key, value in (
        ("loss", "program 0123456789abcdef"),
        ("loss", "__import__('os').system('true')"),
        ("loss", "HalfSquaredError().value(1, 2)"),
        ("loss", "(" * 900),
        ("criterion", "tolerance"),
        ("network", {"layers": [{"size": 3}]}),
        ("recipe", {**identity["task"]["recipe"], "unknown": 1}),
        ("units", {"own": "program 01234567"}),
    ):
        assert told_task({**identity["task"], key: value}) is None
    other = {**identity, "task": {**identity["task"], "inputs": [[0.0, 0.0]]}}
    assert told_plan(other) is None
    unknown = {**identity, "task": {**identity["task"], "another": 1}}  # of a later version, say
    assert told_plan(unknown) is None


def test_no_task_of_a_hostile_size_is_drawn(copied):
    identity = SweepFolder.open_for_reading("sweep").identity
    network = as_stored(identity["task"]["network"])
    network["layers"][1]["size"] = 10**12
    assert told_task({**identity["task"], "network": network}).network.num_parameters > 10**12
