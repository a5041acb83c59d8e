"""Experiments from files: what a TOML or a function means, and what of them is refused."""

import contextlib
import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import bpjax
from bpjax.cli import main
from bpjax.errors import ExperimentError, SettingError
from bpjax.experiment.makers import maker_of
from bpjax.experiment.schema import KEYS, REQUIRED, SECTIONS, keys_of
from bpjax.experiment.template import template
from bpjax.gradient_check import check_task
from bpjax.recipe import Recipe
from bpjax.results.identity import as_stored, differences
from bpjax.sweeps.planning import make_plan
from bpjax.told import told_plan

IRIS = Path(bpjax.__file__).parents[1] / "docs" / "do" / "iris.csv"
XOR = """
[cases]
inputs = [[0, 0], [0, 1], [1, 0], [1, 1]]
targets = [0, 1, 1, 0]
"""
FLOWERS = """
name = "iris"
title = "Three kinds of iris"
source = "Fisher, Annals of Eugenics 7 (1936)"

[cases]
file = "iris.csv"
scale = "standard"
held_out = 30

[network]
hidden = 3

[recipe]
learning_rate = 0.02
max_epochs = 40

[criterion]
loss_below = 12
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


def made(text, **options):
    """Return the task of an experiment file with this text."""
    Path("mine.toml").write_text(text)
    return maker_of("mine.toml").make(**options)


def bpjax_says(*words, code=0):
    """Run a command and return what it prints on both streams."""
    out, err = io.StringIO(), io.StringIO()
    out.reconfigure = err.reconfigure = lambda **_: None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(list(words)) == code, err.getvalue()
    return out.getvalue() + err.getvalue()


# ---- what a file means --------------------------------------------------------------------------


def test_a_file_with_nothing_but_cases_and_hidden_sizes_is_a_task():
    task = made(f"{XOR}\n[network]\nhidden = 2\n")
    plain = bpjax.Task.from_arrays(task.inputs, task.targets, hidden=2, name="mine")
    assert task.describe() == {**plain.describe(), "options": {"hidden": 2}}
    assert task.title == "mine, 2-2-1"


def like(name, **options):
    task = bpjax.tasks.make_task(name, **options)
    cases = f"[cases]\ninputs = {task.inputs.tolist()}\ntargets = {task.targets.tolist()}\n"
    return task, cases


SAME = {
    "xor": (
        {},
        "[network]\nhidden = 2\n[recipe]\nlearning_rate = 0.25\nmax_epochs = 3000\n",
    ),
    "xor direct": (
        {"direct": True, "off": 0.1, "on": 0.9},
        """
        [[network.layers]]
        name = "hidden"
        size = 1
        [[network.connections]]
        from = "input"
        to = "hidden"
        [[network.connections]]
        from = "input"
        to = "output"
        [[network.connections]]
        from = "hidden"
        to = "output"
        [criterion]
        tolerance = 0.4
        """,
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_a_task_of_ours_can_be_written_as_a_file(name):
    options, text = SAME[name]
    task, cases = like("xor", **options)
    mine = made(cases + text)
    ours, theirs = (as_stored(each.describe()) for each in (task, mine))
    keys = ["inputs", "targets", "loss", "held_out", "criterion"]
    assert [ours[key] for key in keys] == [theirs[key] for key in keys]
    assert not list(differences(ours["network"], theirs["network"]))


def test_everything_that_a_recipe_has_can_be_said():
    said = made(
        f"""{XOR}
        [loss]
        name = "margin"
        on = 0.9
        off = 0.3
        [recipe]
        learning_rate = {{ values = [0.005, 0.01], changes = [20] }}
        momentum = 0.5
        weight_decay = 0.002
        init_range = 0.7
        max_epochs = 77
        updates = "case"
        copies = "sum"
        decay_biases = false
        distribution = "normal"
        biases = "zero"
        [criterion]
        loss_below = 0.25
        """
    )
    assert said.loss == bpjax.MarginSquaredError(on=0.9, off=0.3)
    assert str(said.criterion) == "loss below 0.25"
    assert said.recipe == Recipe(
        learning_rate=bpjax.Schedule((0.005, 0.01), (20,)),
        momentum=0.5,
        weight_decay=0.002,
        init_range=0.7,
        max_epochs=77,
        updates="case",
        copies="sum",
        decay_biases=False,
        initializer=bpjax.Initializer("normal", "zero"),
    )
    rule = made(f'{XOR}[recipe]\noptimizer = {{ name = "rprop", backtracking = true }}')
    assert rule.recipe.optimizer == "rprop(backtracking=true)"


def test_no_field_of_a_recipe_is_without_a_key():
    fields = set(Recipe.__dataclass_fields__) - {"initializer"}
    assert fields <= keys_of("recipe").keys()
    assert set(bpjax.Initializer.__dataclass_fields__) <= keys_of("recipe").keys()


def test_layers_have_units_and_biases_of_their_own():
    task = made(
        f"""{XOR}
        [network]
        output_unit = "linear"
        bias = "none"
        [[network.layers]]
        name = "low"
        size = 3
        unit = "tanh"
        bias = "layer"
        [[network.layers]]
        name = "high"
        size = 2
        bias = "unit"
        [[network.connections]]
        from = "input"
        to = "low"
        mask = [[1, 0, 1], [0, 1, 1]]
        [[network.connections]]
        from = "low"
        to = "high"
        [[network.connections]]
        from = "high"
        to = "output"
        [[network.connections]]
        from = "input"
        to = "output"
        """
    )
    units = {layer.name: layer.activation for layer in task.network.computed_layers}
    assert units == {"low": "tanh", "high": "logistic", "output": "linear"}
    assert list(task.network.biases) == ["high"]
    assert task.network.num_parameters == 4 + 6 + 2 + 2 + 2 + 1  # masked, full; two biases, one
    assert task.inputs[:, 2].tolist() == [1, 1, 1, 1]  # the paper's extra input
    assert all(row.ok for row in check_task(task))


def test_one_bias_for_a_layer_is_one_number():
    task = made(f'{XOR}[network]\nhidden = 4\nbias = "layer"\n')
    assert {key: c.num_free for key, c in task.network.weights.items() if c.tie} == {
        ("one", "hidden"): 1,
        ("one", "output"): 1,
    }
    assert not task.network.biases
    assert task.network.num_parameters == 8 + 4 + 2


# ---- cases from other files ---------------------------------------------------------------------


def columns(*words):
    return "\n".join([*words, ""])


def test_words_become_units_and_numbers_are_scaled():
    Path("data.csv").write_text(
        columns("size,colour,kind", "1,red,a", "3,blue,b", "", "5,red,c", "7,green,a")
    )
    task = made('[cases]\nfile = "data.csv"\nscale = "range"\noff = 0.1\non = 0.9\n')
    third = 1 / 3
    assert np.allclose(task.inputs[:, 0], [0, third, 2 * third, 1])
    assert task.inputs[:, 1:].tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert task.targets.tolist() == [
        [0.9, 0.1, 0.1],
        [0.1, 0.9, 0.1],
        [0.1, 0.1, 0.9],
        [0.9, 0.1, 0.1],
    ]
    assert task.display.names == {"output": ("a", "b", "c")}
    words = made('[cases]\nfile = "data.csv"\ninputs = "colour"\ntargets = ["kind"]\n')
    assert words.display.names["input"] == ("blue", "green", "red")
    assert words.case_name(0) == "red"


def test_standard_scaling_does_not_see_what_is_held_out_by_row():
    Path("data.csv").write_text(columns("x,y,part", "1,0,fit", "3,10,fit", "100,20,test"))
    text = """[cases]\nfile = "data.csv"\nscale = "standard"\ntarget_scale = "range"
    held_out = { column = "part", is = "test" }\n"""
    task = made(text)
    assert task.held_out == (2,)
    assert task.inputs[:, 0].tolist() == [-1.0, 1.0, 98.0]
    assert task.targets[:, 0].tolist() == [0.0, 1.0, 2.0]


def test_text_files_are_read_as_they_are_written():
    Path("a.tsv").write_bytes(b"\xef\xbb\xbfx\ty\r\n1\t0\r\n2\t1\r\n")
    Path("b.csv").write_text('"a; b";y\n1;0\n2;1\n')
    Path("C.TXT").write_text("150,4\n1,0\n2,1\n")
    for name, more in (
        ("a.tsv", 'inputs = ["x"]'),
        ("b.csv", 'separator = ";"\ninputs = "a*"'),
        ("C.TXT", "skip = 1\nheader = false\ninputs = '1'"),
    ):
        task = made(f'[cases]\nfile = "{name}"\n{more}\n')
        assert (task.inputs.tolist(), task.targets.tolist()) == ([[1.0], [2.0]], [[0.0], [1.0]])


def test_numbers_can_be_words():
    Path("data.csv").write_text(columns("x,class", "1,10", "2,9", "3,10"))
    task = made('[cases]\nfile = "data.csv"\nwords = ["class"]\n')
    assert task.targets.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert task.display.names["output"] == ("class 9", "class 10")


def test_arrays_and_parquet_hold_cases_too():
    inputs, targets = np.arange(12.0).reshape(4, 3), np.array([0, 1, 1, 0])
    np.savez("data.npz", inputs=inputs, targets=targets)
    np.savez_compressed("words.npz", x=inputs, y=np.array(["a", "b", "a", "b"]))
    task = made('[cases]\nfile = "data.npz"\n')
    assert task.inputs.tolist() == inputs.tolist()
    assert task.targets[:, 0].tolist() == targets.tolist()
    task = made('[cases]\nfile = "words.npz"\ninputs = ["x"]\ntargets = ["y"]\n')
    assert (task.network.num_in, task.network.num_out) == (3, 2)

    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    parquet.write_table(
        pyarrow.table({"x": [1.0, 2.0], "good": [True, False], "y": ["u", "v"]}), "d.parquet"
    )
    task = made('[cases]\nfile = "d.parquet"\n')
    assert task.inputs.tolist() == [[1, 1], [2, 0]]
    assert task.targets.tolist() == [[1, 0], [0, 1]]


def test_files_are_looked_for_beside_the_experiment():
    Path("deep").mkdir()
    Path("deep/data.csv").write_text("x,y\n1,0\n2,1\n")
    Path("deep/mine.toml").write_text('[cases]\nfile = "data.csv"\n')
    assert maker_of("deep/mine.toml").make().name == "mine"


# ---- options -------------------------------------------------------------------------------------


def test_options_change_what_the_file_says():
    text = f"""{XOR}
    [network]
    hidden = [3, 3]
    [options]
    width = "network.hidden"
    bias = "network.bias"
    held_out = "cases.held_out"
    """
    Path("mine.toml").write_text(text)
    maker = maker_of("mine.toml")
    assert maker.options == {"width": (3, 3), "bias": "unit", "held_out": 0}
    task = maker.make(width=2, bias="none")
    assert task.network.describe() == "2-2-1"
    assert not task.network.biases
    assert task.options == {"width": 2, "bias": "none", "held_out": 0}
    with pytest.raises(SettingError, match=r"`bias` must be one of unit, layer, none, frozen, as"):
        maker.make(bias="no")
    with pytest.raises(SettingError, match=r"`hidden` is no option of mine.toml; its options: wi"):
        maker.make(hidden=3)


def test_an_option_may_lead_to_a_layer_or_to_several_keys():
    text = f"""{XOR}
    [[network.layers]]
    name = "a"
    size = 2
    [[network.layers]]
    name = "b"
    size = 2
    [loss]
    name = "margin"
    on = 0.7
    [options]
    size = ["network.layers.a.size", "network.layers.b.size"]
    margin = "loss.on"
    """
    task = made(text, size=4, margin=0.6)
    assert task.network.describe() == "2-4-4-1"
    assert task.loss.on == 0.6
    with pytest.raises(ExperimentError, match="must satisfy 0 <= off < on <= 1"):
        made(text, margin=0.1)


def test_a_grid_of_options_reads_the_cases_once(monkeypatch):
    shutil.copy(IRIS, "iris.csv")
    Path("mine.toml").write_text(FLOWERS)
    maker, read = maker_of("mine.toml"), []
    from bpjax.experiment import build

    original = build.read_data
    monkeypatch.setattr(build, "read_data", lambda *a: read.append(a) or original(*a))
    assert [maker.make(hidden=k).network.describe() for k in (2, 3)] == ["4-2-3", "4-3-3"]
    assert len(read) == 1


# ---- the table of keys --------------------------------------------------------------------------


def test_every_key_stands_once_in_a_known_table():
    paths = [key.path for key in KEYS]
    assert len(set(paths)) == len(paths)
    assert {key.section for key in KEYS} <= SECTIONS.keys()
    assert all(key.help.endswith(".") and (key.told or key.default is not None) for key in KEYS)


def test_a_default_is_good_by_its_own_rule():
    for key in KEYS:
        if key.default not in (None, REQUIRED, "", ()):
            assert key.kind.accept(key.default) == key.default, key.path


LINES = {
    "cases.file": ("inputs", "targets"),
    "cases.separator": ("inputs", "targets"),
    "criterion.loss_below": ("tolerance",),
}
"""Lines that must go where another is used."""


@pytest.mark.parametrize(
    "key", [key for key in KEYS if key.example and not key.used], ids=lambda key: key.path
)
def test_every_line_of_a_new_file_may_be_used(key):
    Path("cases.csv").write_text("x,class\n0,1\n1,0\n")
    Path("cases.txt").write_text("x;class\n0;1\n1;0\n")
    np.savez("weights.npz", weights=np.zeros(9))
    line = f"{key.name} = {key.example}"
    before, mark, after = template("mine").partition(f"\n# {line}\n")
    assert mark
    more = 'file = "cases.txt"\n' if key.path == "cases.separator" else ""
    text = f"{before}\n{more}{line}\n{after}"
    for gone in LINES.get(key.path, ()):
        text = "\n".join(each for each in text.splitlines() if not each.startswith(f"{gone} ="))
    if key.path == "cases.words":
        text = text.replace('["class"]', '"inputs*"')
    made(text)


def test_new_writes_a_file_that_runs_and_never_writes_over_one():
    said = bpjax_says("new", "mine")
    assert "experiment: mine.toml\n" in said
    before = Path("mine.toml").read_bytes()
    assert "there already" in bpjax_says("new", "mine", code=2)
    assert Path("mine.toml").read_bytes() == before
    assert maker_of("mine.toml").make().network.describe() == "2-2-1"
    for bad in ("../mine", "", "a b", ".hidden", "x" * 101):
        assert "NAME must" in bpjax_says("new", bad, code=2)
    assert os.listdir() == ["mine.toml"]


def test_a_folder_with_several_hidden_layers_tells_its_plan(tmp_path):
    file = tmp_path / "deep.toml"
    file.write_text("[cases]\ninputs = [0, 1]\ntargets = [0, 1]\n[network]\nhidden = [4, 3]\n")
    plan = make_plan(maker_of(str(file)).make(), 2, learning_rate=[0.1, 0.2])
    stored = as_stored(plan.identity())
    told = told_plan(stored)
    assert told is not None
    assert as_stored(told.identity()) == stored


def test_cases_are_held_out_by_one_value_of_a_column(tmp_path):
    (tmp_path / "split.csv").write_text("x,y,split\n0,0,0\n1,1,1\n2,0,0\n3,1,0\n")
    file = tmp_path / "split.toml"
    text = '[cases]\nfile = "split.csv"\ntargets = "y"\nheld_out = { column = "split", is = %s }\n'
    file.write_text(text % "1")
    assert maker_of(str(file)).make().held_out == (1,)
    file.write_text(text % "[1, 2]")
    with pytest.raises(ExperimentError, match=r"must be { column = NAME, is = VALUE }"):
        maker_of(str(file)).make()
