"""P10: bad input is caught early and said clearly, whatever it is."""

import dataclasses
import sys
from pathlib import Path

import pytest

import bpjax
from bpjax.cli import main
from bpjax.cli.options import options_of
from bpjax.errors import SettingError
from experiments.trust import options
from experiments.trust.options import Attempt, fault_of


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", options.STRATEGIES)
def test_whatever_is_written_is_trained_or_refused_in_one_sentence(name):
    assert options.try_many(options.STRATEGIES[name], 60) == []


@pytest.mark.slow
def test_the_proof_of_p10_holds():
    found = options.measure(full=False)
    assert found["failed"] == 0, found["faults"]


def test_every_option_of_every_command_is_tried():
    flags = {option for own in options.options_by_command().values() for option in own}
    assert {"learning_rate", "set", "config", "seeds", "seed", "format", "networks"} <= flags


def sentence_of(words, toml=None, capsys=None):
    """Return what a command line that is refused says."""
    if toml is not None:
        Path("fuzz.toml").write_text(toml)
    capsys.readouterr()
    with options.nothing_is_trained():
        assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.removeprefix("bpjax: ").rstrip("\n")


LINES = {
    "sweep xor --seeds 3 --seeds 4": "--seeds must not be given twice, got ",
    "sweep xor --learning_rate 1 --learning-rate=2": "--learning-rate must not be given twice, got",
    "sweep xor --json --json": "--json must not be given twice, got ",
    "sweep xor --set copies=sum --set copies=average": "--set copies must not be given twice, got ",
    "sweep xor --set hidden=2 --set hidden=3": "--hidden must not be given twice, got ",
    "sweep xor --set biases=zero --set biases=drawn": "--set biases must not be given twice, got ",
    "sweep xor --set name=x": "--set name is no option of task xor; its options: hidden,",
    "sweep xor --set self=x": "--set self is no option of task xor; its options: hidden,",
    "sweep xor --hidden 1e308:-1e308:lin3": "--hidden must be a range like 0.1:10:log25 or 0:1",
    "sweep xor --momentum 1e-300:1e300:log3": "--momentum must be a range like 0.1:10:log25 or 0:",
    "sweep encoder --hidden 1:10000:lin10000 --set size=4,8": "--set size must make at most 10,00",
    "sweep xor --optimizer adam --momentum 0.5": "--momentum must be left out where the optimizer",
    "sweep xor --out=": "--out must not be empty, got ''.",
    "sweep xor --config=": "--config must not be empty, got ''.",
    "sweep": "TASK must be named, here or as `task` in the file of --config, got None.",
    "sweep xor --sets 3": "Unrecognized options: --sets. Perhaps --set? See `bpjax sweep --help`.",
    "export d --format csv --out x.parquet": "--format must be parquet where the file is named pa",
    "export d --format parquet --out x.CSV": "--format must be csv where the file is named csv, g",
    "check xor --networks 3 --networks 4": "--networks must not be given twice, got ",
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_refused(line, capsys):
    assert sentence_of(line.split(" "), capsys=capsys).startswith(LINES[line])


FILES = {
    "learning_rate = 1\nlearning-rate = 2": "--config must not hold learning_rate in two spellings",
    "hidden = 2\nset = {hidden = 3}": "--config must not hold hidden as an option and under set,",
    'task = "parity"': "TASK must be the same as in the file of --config, which has 'parity',",
    "task = 3": "TASK must be text, in quotes, and not empty, got 3.",
    "out = 3": "--out must be text, in quotes, and not empty, got 3.",
    'out = ["a"]': "--out must be text, in quotes, and not empty, got ['a'].",
    'out = ""': "--out must be text, in quotes, and not empty, got ''.",
    "seeds = 3.7": "--seeds must be a whole number, got '3.7'.",
    "seeds = true": "--seeds must be a number or a word, got True.",
    "seeds = 1979-05-27": "--seeds must be a number or a word, got datetime.date(1979, 5, 27).",
    "learning_rate = [0.1, true]": "--learning-rate must be a number or a word, got True.",
    "hidden = [[1, 2]]": "--hidden must be a number or a word, got [1, 2].",
    "set = {on = {a = 1}}": "--set on must be a number, a word, true or false, or a list of them,",
    "set = {on = [[1]]}": "--set on must be a number, a word, true or false, or a list of them, g",
    "json = 1": "--json must be true or false, got 1.",
    'config = "other.toml"': "--config must hold only ",
    "seeds = 0x"
    + "f" * 9000: "--seeds must be a number of fewer digits, got a number of thousands",
    "x = " + "[" * 9000: "--config must name a TOML file (",
    "#" * 2**21: "--config must name a TOML file of at most 1,048,576 bytes, got 'fuzz.toml'.",
}


@pytest.mark.parametrize("toml", FILES, ids=lambda toml: toml[:30])
def test_a_file_is_refused(toml, capsys):
    words = ["sweep", "xor", "--config", "fuzz.toml"]
    assert sentence_of(words, toml, capsys).startswith(FILES[toml])


@pytest.mark.parametrize("command", ["sweep", "train", "explain"])
@pytest.mark.parametrize("words", [[], ["xor"]])
def test_a_file_may_name_the_task(command, words, monkeypatch):
    seen = []
    Path("fuzz.toml").write_text('task = "xor"')
    real = bpjax.cli.options.task_variants

    def note(name, *settings):
        seen.append(name)
        return real(name, *settings)

    for place in ("cli.table", "cli.options"):
        monkeypatch.setattr(f"bpjax.{place}.task_variants", note)
    with options.nothing_is_trained(), pytest.raises(options.WouldTrain):
        main([command, *words, "--config", "fuzz.toml"])
    assert seen == ["xor"]


def test_the_command_line_wins_over_set_and_its_flag(monkeypatch):
    from bpjax.cli.config import _settings_of
    from bpjax.cli.options import Settings

    file = {"set": ("hidden=3", "copies=sum"), "momentum": ("0.5",)}
    assert _settings_of(file, Settings(hidden=("4",))).set == ("copies=sum",)
    assert _settings_of(file, Settings(set=("hidden=4",))).set == ("copies=sum", "hidden=4")
    assert _settings_of({"hidden": ("3",)}, Settings(set=("hidden=4",))).hidden is None
    assert _settings_of(file, Settings(momentum=("0.1",))).momentum == ("0.1",)


def test_the_proof_sees_each_kind_of_fault(monkeypatch):
    """Teeth: what the fuzzing looks for is found where it is."""

    def run(code, out, err, write=None):
        def command(words):
            sys.stdout.write(out)
            sys.stderr.write(err)
            if write:
                Path(write).touch()
            return code

        monkeypatch.setattr(options, "main", command)
        fault = fault_of(Attempt(("sweep", "x" * 300)))
        for path in Path().iterdir():
            path.unlink()
        return fault

    good = "bpjax: --seeds must be good, got 1.\n"
    assert run(2, "", good) is None
    assert run(1, "", good) == "code 1"
    assert run(0, "", "") == "code 0 without having done anything"
    assert run(2, "words", good) == "words on standard output"
    assert run(2, "", good + good).startswith("not one printable line")
    assert run(2, "", "bpjax: --seeds \x1b[31m.\n").startswith("not one printable line")
    assert run(2, "", "bpjax: that is bad.\n").startswith("no option is named")
    assert run(2, "", f"bpjax: --seeds, got {'x' * 250}.\n").startswith("more than 200 characters")
    assert run(2, "", good, write="there") == "written: ['there']"

    def broken(words):
        raise ZeroDivisionError("here")

    monkeypatch.setattr(options, "main", broken)
    assert fault_of(Attempt(("sweep",))) == "ZeroDivisionError: here"


def test_options_are_those_of_the_dataclasses():
    from bpjax.cli.sweep import Options

    assert {"task", "seeds", "hidden", "set", "keep_weights"} <= options_of(Options).keys()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("field", ["inputs", "targets"])
def test_a_case_that_is_not_finite_is_refused_by_its_place(field, value):
    task = bpjax.tasks.xor()
    table = getattr(task, field).copy()
    table[2, 0] = value
    words = f"`{field}` must be finite numbers, but not so: case 2, column 0, counted from 0, got "
    with pytest.raises(SettingError) as fault:
        dataclasses.replace(task, **{field: table})
    assert str(fault.value).startswith(words)


def test_a_case_beyond_float32_is_refused_there():
    task = bpjax.tasks.xor()
    task = dataclasses.replace(task, inputs=task.inputs * 1e39)
    words = "`inputs` must be within the range of float32, and case 1, column 1 is not, got 1e+39"
    with pytest.raises(SettingError) as fault:
        bpjax.sweep(task, 1)
    assert str(fault.value).startswith(words)
    assert bpjax.sweep(task, 1, precision="float64", max_epochs=1).table.columns["status"][0] < 3


def test_what_is_no_table_of_numbers_is_refused():
    for wrong in ([["a"]], [[1], [1, 2]], [[1j]], None):
        with pytest.raises(SettingError, match="`inputs` must "):
            dataclasses.replace(bpjax.tasks.xor(), inputs=wrong)
