"""Wrong experiment files: one sentence each, exit code 2, nothing trained and nothing written."""

import os
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bpjax.cli import main
from bpjax.errors import MOST_SHOWN, ExperimentError
from bpjax.experiment.columns import read_columns
from bpjax.experiment.makers import maker_of
from bpjax.experiment.schema import keys_of
from experiments.trust import options
from experiments.trust.options import nothing_is_trained

CASES = """
[cases]
inputs = [[0, 0], [0, 1], [1, 0], [1, 1]]
targets = [0, 1, 1, 0]
"""
LAYERS = f"""{CASES}
[[network.layers]]
name = "low"
size = 2
"""
FROM_FILE = '[cases]\nfile = "data.csv"\n'
TEXT = {key: keys_of("cases")[key].default for key in ("separator", "header", "skip")}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


def sentence_of(words, capsys):
    """Return the one sentence with which a command line is refused."""
    before = sorted(os.listdir())
    capsys.readouterr()
    with nothing_is_trained():
        assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"bpjax: [^\n]+\n", printed.err), printed.err
    assert sorted(os.listdir()) == before
    return printed.err.removeprefix("bpjax: ").rstrip("\n")


BY_HAND = {
    "": "`cases.inputs` must hold a row for every case, unless `cases.file` names a file that does",
    "x = ": "must be TOML (Invalid value",
    "[cases]\nx = 1\nx = 2": "must be TOML (Cannot overwrite a value",
    f"learning_rate = 1\n{CASES}": "`learning_rate` is not known here; it belongs into [recipe], g",
    f"titel = 'a'\n{CASES}": "`titel` is not known here; the nearest name is `title`, got 'a'.",
    f"{CASES}scael = 'range'": "`cases.scael` is not known here; the nearest name is `scale`, got",
    f"{CASES}unit = 'tanh'": "`cases.unit` is not known here; it belongs into [network], got 'tan",
    f"{CASES}scale = 'max'": "`cases.scale` must be one of none, range, standard, got 'max'.",
    f"{CASES}off = nan": "`cases.off` must be a finite number, got nan.",
    f"{CASES}off = 1": "`cases.off` must be below `cases.on`, got 1.0.",
    f"{CASES}off = 0.1": "`cases.off` must be left out, or go with targets in words or with targe",
    f"{CASES}skip = 1": "`cases.skip` must be left out where no text file holds the cases, got 1.",
    f"{CASES}separator = ';'": "`cases.separator` must be left out where no text file holds the",
    f"{LAYERS}[network]\nhidden = 3": "`network.hidden` must be left out where `network.layers` s",
    f"{LAYERS}[options]\nhidden = 'network.hidden'": "`options.hidden` must not name it where `net",
    f"{CASES}held_out = 4": "`cases.held_out` must leave some of 4 cases, got 4.",
    f"{CASES}held_out = [1, 1]": "`cases.held_out` must be different cases, from 0 to 3, and leav",
    f"{CASES}held_out = [7]": "`cases.held_out` must be different cases, from 0 to 3, and leave so",
    f"{CASES}held_out = {{ column = 'a', is = 1 }}": "`cases.held_out` must be { column = NAME, is",
    f"{CASES}words = 'colour'": "`cases.words` must be among the columns inputs[0], inputs[1], t",
    f"name = '../up'\n{CASES}": "`name` must be letters, digits, dots, dashes or underscores, wi",
    f"title = 3\n{CASES}": "`title` must be text, got 3.",
    "cases = 3": "`cases` must be a table, got 3.",
    "[[cases]]": "`cases` must be a table, got [{}].",
    "[cases]\ninputs = [[0, 1], [1]]\ntargets = [0, 1]": "`cases.inputs` must have 2 entries in ev",
    "[cases]\ninputs = [0, 1]\ntargets = [0]": "`cases.targets` must have 2 rows, as many as `case",
    "[cases]\ninputs = [0, nan]\ntargets = [0, 1]": "`cases.inputs` must be text, or a list of nam",
    "[cases]\ninputs = [0, 'nan']\ntargets = [0, 1]": "case 1, column 'inputs[0]' must be a finit",
    "[cases]\ninputs = [0, 'a']\ntargets = [0, 1]": "case 1, column 'inputs[0]' must be a number, ",
    "[cases]\ninputs = ['a', 'a']\ntargets = [0, 1]": "cases must have two words at least in colum",
    "[cases]\ninputs = []\ntargets = []": "`cases.inputs` must be text, or a list of names of col",
    "[cases]\ninputs = [1, 1]\ntargets = [0, 1]\nscale = 'range'": "cases must have different numb",
    f"{FROM_FILE}inputs = [[0]]": "`cases.inputs` must be names of columns where `cases.file` hold",
    f"{FROM_FILE}inputs = 'z'": "`cases.inputs` must be among the columns x, y, got 'z'.",
    f"{FROM_FILE}inputs = 'y'": "`cases.targets` must not name a column of the inputs too, got '",
    f"{FROM_FILE}separator = ';;'": "`cases.separator` must be one character, got ';;'.",
    f"{CASES}[network]\nhidden = 0": "`network.hidden` must be a whole number from 1 to 65,536, or",
    f"{CASES}[network]\nhidden = 10000000000": "`network.hidden` must be a whole number from 1 to ",
    f"{CASES}[network]\nhidden = [60000, 60000]": "`network` must make at most 67,108,864 weights",
    f"{CASES}[network]\nhidden = true": "`network.hidden` must be a whole number from 1 to 65,536",
    f"{CASES}[network]\nunit = 'sigmoid'": "`network.unit` must be one of logistic, tanh, linear",
    f"{CASES}[network]\nbias = 'tied'": "`network.bias` must be one of unit, layer, none, frozen, ",
    f"{LAYERS}colour = 1": "`network.layers`, number 1: `colour` is not known here; the nearest na",
    f"{CASES}[[network.layers]]\nsize = 3": "`network.layers`, number 1: `name` must be there.",
    f"{CASES}[[network.layers]]\nname = 'a'": "`network.layers` must have the size of every layer ",
    f"{LAYERS}[[network.layers]]\nname = 'low'\nsize = 1": "`network.layers` must have different ",
    f"{LAYERS}[[network.layers]]\nname = 'output'\nsize = 2": "`network.layers` must give the laye",
    f"{CASES}[[network.layers]]\nname = 'input'\nsize = 2": "`network.layers` must have other name",
    f"{LAYERS}[[network.connections]]\nfrom = 'input'": "`network.connections`, number 1: `to` mus",
    f"{LAYERS}[[network.connections]]\nfrom = 'input'\nto = 'up'": "`network.connections` must joi",
    f"{LAYERS}[[network.connections]]\nfrom = 'low'\nto = 'input'": "`network.connections` without",
    f"{LAYERS}[[network.connections]]\nfrom = 'input'\nto = 'output'": "`network.layers` must not ",
    f"{LAYERS}[[network.connections]]\nfrom = 'low'\nto = 'output'": "`network.layers` must not in",
    f"{CASES}[[network.connections]]\nfrom = 'input'\nto = 'hidden'\nmask = [[1], [2]]": "`network",
    f"{CASES}[[network.connections]]\nfrom = 'input'\nto = 'hidden'\nmask = [[1]]": "`network.",
    f"{CASES}[loss]\nname = 'cube'": "`loss.name` must be one of half-squared, margin",
    f"{CASES}[loss]\non = 0.5": "`loss.on` is not known here; it belongs into [cases], got 0.5.",
    f"{CASES}[loss]\nname = 'margin'\non = 0.1": "`loss.off`, `loss.on` must satisfy 0 <= off < o",
    f"{CASES}[loss]\nname = 'margin'\non = 'a'": "`loss` must have numbers where it counts, got {",
    f"{CASES}[recipe]\nlearning_rate = -0.1": "`recipe.learning_rate` must be a positive finite nu",
    f"{CASES}[recipe]\nlearning_rate = [1, 2]": "`recipe.learning_rate` must be one value here; l",
    f"{CASES}[recipe]\nlearningrate = 1": "`recipe.learningrate` is not known here; the nearest n",
    f"{CASES}[recipe]\nmomentum = {{ values = [1], changes = [2] }}": "`recipe.momentum` must be r",
    f"{CASES}[recipe]\nmomentum = {{ a = 1 }}": "`recipe.momentum` must be one value, { values = ",
    f"{CASES}[recipe]\noptimizer = 'adm'": "`recipe.optimizer` must be one of paper, sgd, nest",
    f"{CASES}[recipe]\noptimizer = {{ name = 'rprop', grow = 0.5 }}": "`recipe.optimizer` must be ",
    f"{CASES}[recipe]\nmax_epochs = 0": "`recipe.max_epochs` must be a whole number from 1 to 2**3",
    f"{CASES}[recipe]\nbiases = 'none'": "`recipe.biases` must be 'drawn' or 'zero', got 'none'.",
    f"{CASES}[recipe]\nstart = 'no.npz'": "`recipe.start` must name weights to start at: cannot re",
    f"{CASES}[recipe]\nstart = 'a'\nbiases = 'zero'": "`recipe` cannot go with another way to star",
    f"{CASES}[criterion]\ntolerance = 2": "`criterion.tolerance` must be above 0 and at most 1",
    f"{CASES}[criterion]\ntolerance = 0.5\nloss_below = 1": "`criterion` must have one key of them",
    f"{CASES}[options]\nlearning_rate = 'network.hidden'": "`options.learning_rate` must have anot",
    f"{CASES}[options]\n'a b' = 'network.hidden'": "`options.a b` must be a name of letters, digit",
    f"{CASES}[options]\na = 'network.hiden'": "`options.a` must name a key that it changes, like n",
    f"{CASES}[options]\na = 'recipe.momentum'": "`options.a` must name a key that it changes, like",
    f"{CASES}[options]\na = 'network.layers'": "`options.a` must name a key with one value, got",
    f"{CASES}[options]\na = 3": "`options.a` must name a key that it changes, like network.hidden",
    f"{CASES}[options]\na = []": "`options.a` must name a key that it changes, like network.hidden",
    "a = " + "[" * 5000: "must be TOML, with tables and lists less deep.",
    f"title = '{'x' * 500}'\nbad = '{'y' * 500}'\n{CASES}": "`bad` is not known here; the nearest",
}


def test_there_are_more_than_fifty_of_them():
    assert len(BY_HAND) > 50


@pytest.mark.parametrize("text", BY_HAND, ids=range(len(BY_HAND)))
def test_a_wrong_file_is_one_sentence(text, capsys):
    Path("data.csv").write_text("x,y\n1,0\n2,1\n")
    Path("mine.toml").write_text(text)
    said = sentence_of(["sweep", "mine.toml", "--seeds", "3"], capsys)
    assert said.startswith(f"mine.toml: {BY_HAND[text]}") or said.startswith(
        f"mine.toml {BY_HAND[text]}"
    ), said
    assert said.count("got") <= 1
    assert not re.search(f"(.)\\1{{{MOST_SHOWN},}}", said)


@pytest.mark.parametrize("command", ["check", "train", "explain", "sweep"])
def test_every_command_refuses_it_alike(command, capsys):
    Path("mine.toml").write_text(f"{CASES}scale = 'max'")
    said = sentence_of([command, "mine.toml"], capsys)
    assert said == "mine.toml: `cases.scale` must be one of none, range, standard, got 'max'."


def test_files_of_any_content_are_trained_or_refused_in_one_sentence():
    assert options.try_many(options.STRATEGIES["experiment files"], 150) == []


def test_an_option_is_refused_by_its_own_name(capsys):
    Path("mine.toml").write_text(f"{CASES}[options]\nscale = 'cases.scale'\n")
    said = sentence_of(["sweep", "mine.toml", "--set", "scale=max"], capsys)
    rule = "must be one of none, range, standard, as `cases.scale` of mine.toml"
    assert said == f"--set scale {rule}, got 'max'."
    said = sentence_of(["sweep", "mine.toml", "--hidden", "3"], capsys)
    assert said == "--hidden is no option of mine.toml; its options: scale, got 3."


# ---- files that are no files --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mine.toml", "data.csv", "code.py"])
def test_only_regular_files_are_read(name, capsys):
    Path("mine.toml").write_text(FROM_FILE)
    word = "code.py:task" if name == "code.py" else "mine.toml"
    for make, cause in (
        (lambda: None, "No such file or directory"),
        (lambda: os.mkdir(name), "Is a directory"),
        (lambda: os.mkfifo(name), "it is no regular file"),
        (lambda: os.symlink(name, name), "Too many levels of symbolic links"),
        (lambda: os.symlink("/dev/zero", name), "it is no regular file"),
    ):
        path = Path(name)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        elif path.is_symlink() or path.exists():
            path.unlink()
        make()
        assert sentence_of(["train", word], capsys) == f"{name} cannot be read: {cause}."


def test_a_word_that_is_no_task_says_what_may_be_one(capsys):
    for word in ("mine", "mine.csv", "mine.TOML"):
        said = sentence_of(["train", word], capsys)
        assert said.startswith("TASK must be one of symmetry, xor, ")
        assert said.endswith(f", or FILE.toml, or FILE.py:NAME, got '{word}'.")
    said = sentence_of(["train", "mine.py"], capsys)
    assert (
        said == "TASK must be FILE.py:NAME, with the function that returns the task, got 'mine.py'."
    )


# ---- files of cases -----------------------------------------------------------------------------

WRONG_DATA = {
    "x,y\n1,0\n2,nan\n": "line 3, column 'y' must be a finite number or a word, and is, got 'nan'.",
    "x,y\n1,0\n\n2,inf\n": "line 4, column 'y' must be a finite number or a word, and is, got 'in",
    "x,y\n1,0\n2,\n": "line 3, column 'y' must be a finite number or a word, and is, got ''.",
    "x,y\n1,0\na,1\n": "line 3, column 'x' must be a number, as another cell of the column is, go",
    "x,y\n1,0\n2\n": "line 3 must have 2 cells, got 1.",
    "x,y\n1,0\n2,1,1\n": "line 3 must have 2 cells, got 3.",
    "x,x\n1,0\n": "must not name a column twice, got 'x'.",
    "1,0\n2,1\n": "line 1 must name the columns; otherwise say `header = false` in [cases], or ",
    "x,\n2,1\n": "line 1 must name the columns; otherwise say `header = false` in [cases], or ",
    "x,y\n": "must have a case.",
    "": "must have a case.",
    'x,y\n"1,0\n': "line 2 must be cells with something between them (unexpected end of data).",
    "x\n1\n2\n": "must have a column for the inputs, and one more.",
    b"x,y\n1,\xff\n": "line 2 must be text in UTF-8.",
    "x,y\n1,a\n2,a\n": "cases must have two words at least in column 'y', got 'a'.",
}


@pytest.mark.parametrize("content", WRONG_DATA, ids=range(len(WRONG_DATA)))
def test_a_wrong_table_of_cases_is_one_sentence(content, capsys):
    content = content if isinstance(content, bytes) else content.encode()
    Path("data.csv").write_bytes(content)
    Path("mine.toml").write_text(FROM_FILE)
    said = sentence_of(["check", "mine.toml"], capsys)
    rule = next(rule for text, rule in WRONG_DATA.items() if content in (text, text_bytes(text)))
    assert said.startswith((f"data.csv: {rule}", f"data.csv {rule}")), said


def text_bytes(text):
    return text.encode() if isinstance(text, str) else text


def archive(**members):
    with zipfile.ZipFile("data.npz", "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)


def header(shape, dtype="<f8"):
    """The first bytes of an array that claims a shape."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape!r}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("write", "rule"),
    [
        (lambda: archive(inputs=header((10**12,))), "must be a .npz of plain arrays."),
        (lambda: archive(inputs=header((2,), "|O") + b"x"), "must be a .npz of plain arrays."),
        (lambda: Path("data.npz").write_text("no archive"), "must be a .npz of plain arrays."),
        (lambda: np.savez("data.npz", x=np.zeros((2, 2, 2)), y=[1, 2]), "array 'x' must have on"),
        (lambda: np.savez("data.npz", x=np.zeros(2), y=np.zeros(3)), "array 'y' must have one o"),
        (lambda: np.savez("data.npz", x=[1 + 2j], y=[1]), "array 'x' must have one or two dimen"),
        (lambda: np.savez("data.npz", x=[1, np.nan], y=[0, 1]), "case 1, column 'x' must be a f"),
        (lambda: np.savez("data.npz", x=np.zeros(5_000_000)), "must have at most 4,194,304 cells"),
        (lambda: np.savez("data.npz"), "must have a case."),
        (lambda: bomb(), "must hold at most 268,435,456 bytes."),
    ],
    ids=range(10),
)  # fmt: skip
def test_a_wrong_archive_is_one_sentence_and_takes_no_memory(write, rule, capsys):
    write()
    Path("mine.toml").write_text('[cases]\nfile = "data.npz"\n')
    tracemalloc.start()
    said = sentence_of(["check", "mine.toml"], capsys)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert said.startswith((f"data.npz: {rule}", f"data.npz {rule}")), said
    assert peak < 150e6


def bomb():
    """An archive of a few kB that unpacks to half a gigabyte."""
    with (
        zipfile.ZipFile("data.npz", "w", zipfile.ZIP_DEFLATED) as file,
        file.open("x.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(512):
            member.write(bytes(2**20))


def test_words_that_would_make_too_many_units_are_refused_before_they_are_made(capsys):
    Path("data.csv").write_text("x,y\n" + "".join(f"w{k},{k}\n" for k in range(3000)))
    Path("mine.toml").write_text(FROM_FILE)
    said = sentence_of(["check", "mine.toml"], capsys)
    assert said == "mine.toml: `cases` must make at most 1,398 units for 3,000 cases, got 3001."


def test_damaged_parquet_is_one_sentence(capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    parquet.write_table(pyarrow.table({"x": [1.0, None], "y": [0, 1]}), "data.parquet")
    Path("mine.toml").write_text('[cases]\nfile = "data.parquet"\n')
    said = sentence_of(["check", "mine.toml"], capsys)
    assert said == "data.parquet: case 1, column 'x' must be a number or a word, got None."
    data = Path("data.parquet").read_bytes()
    Path("data.parquet").write_bytes(data[:-20] + bytes(20))
    said = sentence_of(["check", "mine.toml"], capsys)
    assert said == "data.parquet must be a Parquet file that is intact."


def test_another_ending_is_refused():
    with pytest.raises(ExperimentError, match=r"data.xls must end with one of .csv, .tsv, "):
        read_columns(Path("data.xls"), "data.xls", TEXT)


# ---- functions in files -------------------------------------------------------------------------

MINE = """
import bpjax

def task(hidden=2, {more}):
    return bpjax.Task.from_arrays([[0, 0], [1, 1]], [0, 1], hidden)
"""
WRONG_CODE = {
    "def task(:": "code.py: line 1 must run, and raises SyntaxError: ",
    "import nowhere_at_all": "code.py: line 1 must run, and raises ModuleNotFoundError: No modul",
    "\n\n1 / 0": "code.py: line 3 must run, and raises ZeroDivisionError: division by zero.",
    "raise SystemExit(0)": "code.py: line 1 must run, and raises SystemExit: 0.",
    "raise ValueError": "code.py: line 1 must run, and raises ValueError: no words.",
    "raise ValueError('a\\nb' * 500)": "code.py: line 1 must run, and raises ValueError: a ba ba b",
    "tasks = 3\ndef other(): pass": "code.py must have a function of this name; its functions: oth",
    "task = 3": "code.py must have a function of this name; its functions: none, got 'task'.",
    "def task(): return 3": "code.py must return a bpjax.Task from task, got 'int'.",
    "def task():\n  return\n\n\ndef task():\n  return nothing": "code.py: line 6 must run, and r",
    "def task(a, /): pass": "code.py: `a` must be an argument that can be given by name.",
    "def task(momentum=1): pass": "code.py: `momentum` must have another name: every task has a se",
    "def task(seed=1): pass": "code.py: `seed` must have another name: every task has a setting or",
    "def task(a=print): pass": "code.py: `a` must have a finite number, text, true or false, none,",
    "def task(a): pass": "--set a must be set: code.py:task has no default for it, got None.",
    "import bpjax\ndef task(): return bpjax.tasks.xor(hidden=-1)": "code.py: line 2 must run, and",
    "from bpjax import Task\ndef task(): return Task.from_arrays([[0]], [1], name='/')": "cod",
}


@pytest.mark.parametrize("code", WRONG_CODE, ids=range(len(WRONG_CODE)))
def test_wrong_code_is_one_sentence(code, capsys):
    Path("code.py").write_text(code)
    said = sentence_of(["sweep", "code.py:task", "--seeds", "3"], capsys)
    assert said.startswith(WRONG_CODE[code]), said
    assert not any("code" in name for name in sys_path_entries())


def sys_path_entries():
    import sys

    return [entry for entry in sys.path if entry == os.getcwd()]


def test_a_function_in_a_file_is_a_task_and_its_arguments_are_options():
    Path("beside.py").write_text("SIZES = 3\n")
    Path("code.py").write_text("import dataclasses\nimport beside\n" + MINE.format(more="kind='a'"))
    maker = maker_of("code.py:task")
    assert maker.options == {"hidden": 2, "kind": "a"}
    task = maker.make(hidden=5)
    assert task.options == {"hidden": 5, "kind": "a"}
    assert (task.name, task.title) == ("task", "task, 2-5-1")


def test_a_file_is_run_by_explicit_request_only(capsys):
    Path("code.py").write_text("open('ran', 'w').close()")
    for words in (["train", "code.py"], ["sweep", "xor", "--config", "code.py"], ["check", "code"]):
        sentence_of(words, capsys)
    assert not Path("ran").exists()
