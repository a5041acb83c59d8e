"""The command line: what it refuses, what it prints, and how it stops.

Most tests call `main` in this process; the few that start a real one say why.
"""

import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import daily

import bpjax
import bpjax.gradient_check
import bpjax.sweeps.host_loop
import bpjax.training
from bpjax.cli import COMMANDS, main
from bpjax.cli.stopping import Stopped
from bpjax.layouts import IMPLEMENTATIONS
from bpjax.results.chunks import num_runs_of
from bpjax.results.export import table_bytes
from bpjax.results.store import SweepFolder, read_runs
from bpjax.settings import RULES

SOURCE = Path(bpjax.__file__).parents[1]
FAST = ["--learning-rate", "1", "--init-range", "1", "--max-epochs", "150"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Run every command in an empty folder, and give the signals back."""
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def tree(folder="."):
    """Return every file and folder with its bytes."""
    return {p: p.read_bytes() if p.is_file() else None for p in Path(folder).rglob("*")}


def run_in_another_process(*words, environment=os.environ, **options):
    """Start Python with bpjax, whether that is installed or in the source tree."""
    path = os.pathsep.join(filter(None, [str(SOURCE), environment.get("PYTHONPATH")]))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [sys.executable, *words], env=environment | {"PYTHONPATH": path}, **pipes, **options
    )


# ---- help and mistakes answer at once -----------------------------------------------------------

PROBE = """
import sys
from bpjax.cli import main
code = main({words!r})
slow = sorted({{"jax", "matplotlib", "rich", "scipy"}} & set(sys.modules))
print(f"code {{code}}, imported {{slow}}", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["sweep", "--help"], 0),
        (["--version"], 0),
        (["frobnicate"], 2),
        (["sweep", "xor", "--frob"], 2),
        (["sweep", "xor", "--seeds", "1.5"], 2),
    ],
    ids=str,
)
def test_help_and_mistakes_do_not_wait_for_jax(words, code):
    # A process of its own: here JAX is already there.
    process = run_in_another_process("-c", PROBE.format(words=words))
    _, errors = process.communicate(timeout=60)
    assert errors.splitlines()[-1] == f"code {code}, imported []"


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_the_help_lists_every_command(words, capsys):
    assert main(words) == 0
    printed = capsys.readouterr()
    assert all(re.search(rf"^  {command} ", printed.out, re.MULTILINE) for command in COMMANDS)
    assert printed.err == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    assert main([command, "--help"]) == 0
    printed = capsys.readouterr()
    assert f"usage: bpjax {command}" in printed.out
    assert printed.err == ""


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bpjax {bpjax.__version__}\n"


def test_the_list_of_tasks_is_a_table_that_fits(capsys):
    assert main(["tasks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-2]] == list(bpjax.tasks.TASKS)
    assert max(map(len, lines)) <= 80
    assert lines[2] == "xor                 4        9  exclusive-or, 2-2-1"


@pytest.mark.parametrize("columns", [40, 80])
def test_all_of_one_task_fits_the_terminal(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["tasks", "xor"]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= columns
    words = " ".join(printed.split())
    task = bpjax.tasks.xor()
    for said in (
        task.source,
        task.open_choices,
        "learning rate 0.25, momentum 0.9",
        "direct=False",
    ):
        assert " ".join(said.split()) in words


def test_tasks_tell_programs_all(capsys):
    assert main(["tasks", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == list(bpjax.tasks.TASKS)
    assert main(["tasks", "xor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told["xor"]
    assert (told["xor"]["num_cases"], told["xor"]["options"]["direct"]) == (4, False)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("swep xor", "sweep"),
        ("train XOR", "xor"),
        ("sweep family_trees", "family-trees"),
        ("sweep xor --lr 0.1", "--learning-rate"),
        ("check xor --unit Relu", "relu"),
        ("sweep xor --optimizer Adm", "adam"),
        ("sweep xor --set hiden=3", "`hidden`"),
        ("sweep xor --implementation unroled", "unrolled"),
        ("tasks xro", "xor"),
    ],
)
def test_what_was_meant_is_proposed(words, meant, capsys):
    assert main(words.split()) == 2
    assert f" Perhaps {meant}?" in capsys.readouterr().err


# ---- what is refused ----------------------------------------------------------------------------

BAD = {
    "sweep nosuch": "TASK must be one of symmetry, ",
    "train nosuch": "TASK must be one of symmetry, ",
    "sweep xor --learning-rate -0.1": "--learning-rate must be a positive finite number, got -0.1.",
    "sweep xor --learning-rate nan": "--learning-rate must be a positive finite number, got nan.",
    "sweep xor --learning-rate abc": "--learning-rate must be a number, got 'abc'.",
    "train xor --learning-rate inf": "--learning-rate must be a positive finite number, got inf.",
    "train xor --learning-rate 0": "--learning-rate must be a positive finite number, got 0.0.",
    "sweep xor --learning-rate": "--learning-rate must have at least one value, got [].",
    "sweep xor --learning-rate 0:1:log3": "--learning-rate must be a range like 0.1:10:log25",
    "sweep xor --learning-rate 1:2:lin": "--learning-rate must be a range like 0.1:10:log25",
    "sweep xor --learning-rate 1:2:lin1": "--learning-rate must be a range like ",
    "sweep xor --learning-rate 1:2:lin99999999999": "--learning-rate must be a range like ",
    "sweep xor --learning-rate 1:2:lin²": "--learning-rate must be a range like ",
    "sweep xor --learning-rate 1:inf:lin3": "--learning-rate must be a range like ",
    "sweep xor --learning-rate 1 1": "--learning-rate must not have a value twice, got [1.0, 1.0].",
    "train xor --learning-rate 1 2": "--learning-rate must be one value for one run, got ",
    "sweep xor --seeds 0": "--seeds must be a whole number from 1 to 2**32, got 0.",
    "sweep xor --seeds 1.5": "--seeds must be a whole number, got '1.5'.",
    "sweep xor --seeds=": "--seeds must not be empty, got ''.",
    "sweep xor --seeds": "--seeds",
    "sweep xor --seeds 2 --first-seed 4294967295": "--seeds must keep all seeds at or below 2**32",
    "sweep xor --first-seed -1": "--first-seed must be a whole number from 0 to 2**32 - 1, got -1.",
    "train xor --seed 4294967296": "--seed must be a whole number from 0 to 2**32 - 1, got 4294967",
    "train xor --seed -1": "--seed must be a whole number from 0 to 2**32 - 1, got -1.",
    "sweep xor --hidden -1": "--hidden must be a whole number of at least 0, got -1.",
    "sweep xor --hidden 2.5": "--hidden must be a whole number, got '2.5'.",
    "sweep xor --hidden": "--hidden must have a value, got [].",
    "sweep xor --hidden 2 2": "--hidden must not have a value twice, got [2, 2].",
    "sweep xor --hidden 2 --set hidden=3": "--hidden must not be given twice",
    "train xor --hidden 1 2": "--hidden must be one value for one run, got ['1', '2'].",
    "sweep xor --shard 3/2": "--shard must be i/n with 1 <= i <= n, got '3/2'.",
    "sweep xor --shard 0/2": "--shard must be i/n with 1 <= i <= n, got '0/2'.",
    "sweep xor --shard x": "--shard must be i/n with 1 <= i <= n, got 'x'.",
    "sweep xor --shard ²/2": "--shard must be i/n with 1 <= i <= n, got '²/2'.",
    "sweep xor --shard 1/9 --seeds 8": "--shard must not split 8 runs into more parts, got '1/9'.",
    "sweep xor --momentum 1": "--momentum must be at least 0 and below 1, got 1.0.",
    "sweep xor --weight-decay 1": "--weight-decay must be at least 0 and below 1, got 1.0.",
    "sweep xor --init-range -1": "--init-range must be a finite number, 0 or above, got -1.0.",
    "sweep xor --tolerance 0": "--tolerance must be above 0 and at most 1, got 0.0.",
    "sweep xor --tolerance nan": "--tolerance must be above 0 and at most 1, got nan.",
    "sweep xor --loss-below 0": "--loss-below must be a positive finite number, got 0.0.",
    "sweep xor --tolerance .4 --loss-below 1": "--loss-below cannot go with ",
    "sweep xor --max-epochs 0": "--max-epochs must be a whole number from 1 to 2**31 - 2, got 0.",
    "sweep xor --max-epochs 1e4": "--max-epochs must be a whole number, got '1e4'.",
    "sweep xor --optimizer foo": f"--optimizer must be one of {', '.join(RULES)}, optax.N",
    "sweep xor --precision float16": "--precision must be one of float32, float64, got 'float16'.",
    "sweep xor --implementation foo": "--implementation must be one of "
    f"{', '.join(IMPLEMENTATIONS)}, got",
    "sweep xor --set foo=3": "--set foo is no option of task xor; its options: hidden, ",
    "sweep xor --set direct=3": "--set direct must be true or false, got 3.",
    "sweep xor --set updates=foo": "--set updates must be batch, case or a whole number of cases",
    "sweep xor --set distribution=foo": "--set distribution must be one of uniform, normal, ran",
    "sweep xor --set on=2": "--set off, on must satisfy -1 <= off < on <= 1, got (0.0, 2).",
    "sweep xor --set on": "--set must be NAME=VALUE, got 'on'.",
    "sweep xor --set =3": "--set must be NAME=VALUE, got '=3'.",
    "sweep symmetry --set bits=40": "--set bits must be a whole number from 2 to 12, got 40.",
    "sweep symmetry --set bits=3,3": "--set bits must not have a value twice, got [3, 3].",
    "sweep xor --config nosuch": "--config must name a TOML file (No such file or directory), got",
    "sweep xor --config .": "--config must name a TOML file (Is a directory), got '.'.",
    "sweep xor --out /proc/foo": "--out: cannot create '/proc/foo': ",
    "sweep xor --out /etc": "--out: '/etc' is not empty and not a results folder",
    "train xor --out /etc": "--out: '/etc' is not empty and not the folder of a run",
    "sweep xor --out /etc/passwd": "--out: ",
    "train xor --out /etc/passwd": "--out: cannot create '/etc/passwd': ",
    "train xor --record-every 0": "--record-every must be a whole number from 1 to ",
    "train xor --snapshot-every 0": "--snapshot-every must be a whole number from 1 to ",
    "train xor --record-every 2 --snapshot-every 3": "--snapshot-every must be a multiple of ",
    "frobnicate": "COMMAND must be one of tasks, new, check, train, sweep, ",
    "sweep xor --frob": "Unrecognized options: --frob. See `bpjax sweep --help`.",
    "sweep xor --learing-rate 3": "Unrecognized options: --learing-rate. Perhaps --learning-rate?",
    "sweep xor --json 3": "Unrecognized options: 3.",
    "sweep": "TASK",
    "train": "TASK",
    "verify": "DIR",
    "export": "DIR must name at least one results folder",
    "export /nope": "cannot read '/nope': No such file or directory.",
    "verify /nope": "cannot read '/nope': No such file or directory.",
    "verify /etc": "'/etc' is not a results folder: it has no sweep.json.",
    "check nosuch": "TASK must be one of symmetry, ",
    "check --networks -1": "--networks must be 0 or more, got -1.",
    "check --networks x": "--networks must be a whole number, got 'x'.",
}


@pytest.mark.parametrize("command", BAD)
def test_bad_input_is_one_sentence_and_nothing_else(command, capsys):
    assert main(command.split(" ")) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"bpjax: [^\n]+\n", printed.err), "exactly one line"
    assert BAD[command] in printed.err
    assert tree() == {}, "nothing is written"


@pytest.fixture
def swept(capsys):
    """The folder `swept` with ten runs."""
    assert main(["sweep", "xor", "--seeds", "10", "--out", "swept", "--no-figures", *FAST]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--seeds", "10", "--momentum", "0.8"], "`task.recipe.momentum` was 0.9, is now 0.8"),
        (["--shard", "1/2", "--seeds", "10"], "`shard` was null, is now {"),
        (["--seeds", "10", "--keep-weights"], "`weight_names` was "),
        (["--seeds", "10", "--set", "hidden=3"], "`task.options.hidden` was 2, is now 3"),
    ],
    ids=str,
)
def test_the_folder_of_another_sweep_is_refused(words, sentence, swept, capsys):
    before = tree()
    assert main(["sweep", "xor", "--out", "swept", *FAST, *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("bpjax: --out: 'swept' holds another sweep: ")
    assert printed.err.count("\n") == 1
    assert sentence in printed.err
    assert tree() == before


def test_an_unknown_format_is_refused(swept, capsys):
    before = tree()
    assert main(["export", "swept", "--format", "foo"]) == 2
    assert capsys.readouterr().err == "bpjax: --format must be one of csv, parquet, got 'foo'.\n"
    assert tree() == before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seeds = ", "must name a TOML file ("),
        ("seeds = true", "--seeds must be a number or a word, got True."),
        ("seeds = 1.5", "--seeds must be a whole number, got '1.5'."),
        ("seeds = [1, true]", "--seeds must be a number or a word, got True."),
        ("sedes = 3", "--config must hold only "),
        ("learning_rate = []", "--learning-rate must have at least one value, got []."),
        ("learning_rate = true", "--learning-rate must be a number or a word, got True."),
        ("learning_rate = {a = 1}", "--learning-rate must be a number or a word, got {'a': 1}."),
        ("hidden = []", "--hidden must have a value, got []."),
        ("max_epochs = [1, 2]", "--max-epochs must be a number or a word, got [1, 2]."),
        ("set = 3", "--set must be a table in the file of --config, got 3."),
        ("set = {bits = 3}", "--set bits is no option of task xor"),
        ("set = {direct = []}", "--set direct must be true or false, got ''."),
        ("keep_weights = 1", "--keep-weights must be true or false, got 1."),
        ('no_figures = "false"', "--no-figures must be true or false, got 'false'."),
        ('json = "yes"', "--json must be true or false, got 'yes'."),
        ('out = "a\\u0000b"', "--out: "),
        ("seeds = 3\nseeds = 4", "must name a TOML file ("),
    ],
)
def test_bad_files_are_one_sentence_too(text, sentence, capsys):
    Path("settings.toml").write_text(text)
    assert main(["sweep", "xor", "--config", "settings.toml"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"bpjax: [^\n]+\n", printed.err)
    assert sentence in printed.err
    assert list(tree()) == [Path("settings.toml")]


# ---- sweep --------------------------------------------------------------------------------------


def sweep(capsys, *words):
    """Run a sweep with --json and return its summary."""
    assert main(["sweep", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_alone_is_on_standard_output(capsys):
    summary = sweep(capsys, "xor", "--seeds", "10", "--out", "here", "--no-figures", *FAST)
    stored = json.loads(Path("here/summary.json").read_text())
    assert summary.pop("folder") == "here"
    assert summary == {k: v for k, v in stored.items() if k not in ("fingerprint", "seal")}
    assert summary["num_runs"] == 10
    python = bpjax.sweep(
        bpjax.tasks.xor(), 10, learning_rate=1.0, init_range=1.0, max_epochs=150
    ).summary()
    differing = ("seconds", "seed_epochs_per_second", "occupancy")
    assert {**summary, **dict.fromkeys(differing)} == {**python, **dict.fromkeys(differing)}


def test_seeds_are_named_on_the_command_line_and_in_a_file(capsys):
    Path("seeds.toml").write_text('seeds = [3, "10-11", 7]')
    words = ["xor", "--out", "here", "--no-figures", *FAST]
    first = sweep(capsys, *words, "--config", "seeds.toml")
    assert first["seeds"]["ranges"] == [[3, 4], [7, 8], [10, 12]]
    assert sweep(capsys, *words, "--seeds", "3,7,10-11") == first
    assert main(["sweep", *words, "--seeds", "5-6"]) == 0
    said = capsys.readouterr().out
    assert "  seeds          5 to 6\n" in said
    assert "per-run table and summary, of seeds 3, 5 to 7, 10 to 11: here\n" in said
    for seeds in ("6-5", "5-", "5,", "a-b", "3,,4"):
        assert main(["sweep", *words, "--seeds", seeds]) == 2
        assert "--seeds must be how many, or which: a range like 100-" in capsys.readouterr().err
    assert main(["sweep", *words, "--seeds", "5-6", "--first-seed", "3"]) == 2
    assert "--first-seed must go with a number of seeds, got 3" in capsys.readouterr().err


def test_the_summary_for_people(capsys):
    words = ["xor", "--seeds", "20", "--out", "here", "--no-figures", *FAST]
    assert main(["sweep", *words]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith("xor: 20 runs, criterion tolerance 0.5\n")
    assert printed.out.endswith(": here\n")
    found = read_runs("here").columns["status"]
    converged = int(np.sum(found == bpjax.Status.CONVERGED))
    assert f"{converged} converged, {20 - converged} at the cap, 0 non-finite" in printed.out
    assert f"{converged / 20:.2%}" in printed.out
    assert "95% interval" in printed.out


def test_the_summary_of_a_grid_for_people_has_every_cell(capsys):
    words = ["xor", "--seeds", "20", "--out", "here", "--no-figures", "--max-epochs", "150"]
    words += ["--init-range", "1"]
    assert main(["sweep", *words, "--learning-rate", "1", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "xor: 40 runs, criterion tolerance 0.5"
    assert "  learning rate  1, 2" in lines
    table = read_runs("here").columns
    for rate in (1.0, 2.0):
        solved = np.mean(table["status"][table["learning_rate"] == rate] == bpjax.Status.CONVERGED)
        assert sum(f"{rate:g} " in line and f"{solved:.2%}" in line for line in lines) == 1


def test_figures_are_drawn_unless_unwanted(capsys):
    words = ["xor", "--seeds", "10", *FAST]
    sweep(capsys, *words, "--out", "with")
    sweep(capsys, *words, "--out", "without", "--no-figures")
    assert figures_in("with") == ["epochs", "loss-fan", "survival"]
    assert not Path("without/figures").exists()


def figures_in(folder):
    names = sorted(path.name for path in Path(folder, "figures").iterdir())
    figures = sorted({name.rpartition(".")[0] for name in names})
    assert names == sorted(f"{name}.{ending}" for name in figures for ending in ("png", "svg"))
    return figures


def test_a_grid_is_drawn_over_its_settings(capsys):
    words = ["xor", "--seeds", "4", "--learning-rate", "1", "4", "--momentum", "0.5", "0.9"]
    sweep(capsys, *words, "--max-epochs", "300", "--out", "grid")
    assert figures_in("grid") == ["median-epochs", "solved", "survival"]


def test_counts_are_drawn_without_training_anything_again(capsys, monkeypatch):
    monkeypatch.setattr("bpjax.histories.histories_of", None)
    sweep(capsys, "xor", "--seeds", "10", "--summary-only", *FAST, "--out", "counts")
    assert figures_in("counts") == ["epochs", "survival"]


def test_losses_are_drawn_only_where_training_again_is_cheap(capsys, monkeypatch):
    monkeypatch.setattr("bpjax.cli.sweep.FAN_WORK", 6 * 4 * 99)  # weights, cases, epochs
    words = ["xor", "--seeds", "5", "--learning-rate", "1"]
    sweep(capsys, *words, "--max-epochs", "99", "--out", "cheap")
    sweep(capsys, *words, "--max-epochs", "100", "--out", "dear")
    assert figures_in("cheap") == ["epochs", "loss-fan", "survival"]
    assert figures_in("dear") == ["epochs", "survival"]


def test_the_same_command_resumes_in_the_default_folder(capsys):
    words = ["xor", "--seeds", "10", "--no-figures", *FAST]
    sweep(capsys, *words)
    (folder,) = Path("results").iterdir()
    before = tree()
    for path in (folder / "chunks").iterdir():
        path.unlink()
    sweep(capsys, *words)
    after = tree()
    assert {p for p in before if p.name != "summary.json"} <= after.keys()
    assert all(before[p] == after[p] for p in before if p.suffix == ".npz")


def test_ranges_and_lists_make_a_grid(monkeypatch):
    plans = []
    monkeypatch.setattr(
        "bpjax.sweeps.host_loop.run_plan", lambda plan, *_, **__: plans.append(plan) or 1 / 0
    )
    words = ["--learning-rate", "0.05", "0.1:10:log3", "--momentum", "0:0.9:lin4"]
    words += ["--hidden", "2", "3", "--set", "direct=true,false", "--optimizer", "paper", "sgd"]
    with pytest.raises(ZeroDivisionError):
        main(["sweep", "xor", "--seeds", "5", *words])
    (plan,) = plans
    assert plan.grid["learning_rate"] == (0.05, 0.1, 1.0, 10.0)
    assert plan.grid["momentum"] == (0.0, 0.3, 0.6, 0.9)
    assert [task.options["hidden"] for task in plan.tasks] == [2, 3, 2, 3]
    assert [task.options["direct"] for task in plan.tasks] == [True, True, False, False]
    assert plan.num_runs == 4 * 4 * 4 * 2 * 5
    assert set(plan.cells[0].columns) == {
        "hidden",
        "direct",
        "learning_rate",
        "momentum",
        "optimizer",
    }


TOML = """
seeds = 7
first-seed = 3
learning_rate = [0.5, "1:2:lin2"]
momentum = 0.8
max-epochs = 20
keep_weights = true
precision = "float64"
set = { hidden = 3, updates = "case", decay_biases = false, biases = "zero" }
"""
FLAGS = [
    ["--seeds", "7"],
    ["--first-seed", "3"],
    ["--learning-rate", "0.5", "1:2:lin2"],
    ["--momentum", "0.8"],
    ["--max-epochs", "20"],
    ["--keep-weights"],
    ["--precision", "float64"],
    ["--set", "hidden=3"],
    ["--set", "updates=case"],
    ["--set", "decay_biases=false"],
    ["--set", "biases=zero"],
]


@pytest.mark.parametrize(
    "over",
    [
        [],
        ["--seeds", "9"],
        ["--learning-rate", "0.1"],
        ["--precision", "float32"],
        ["--set", "hidden=4"],
        ["--set", "updates=batch"],
    ],
    ids=str,
)
def test_a_file_equals_flags_and_the_command_line_wins(over, monkeypatch):
    plans = []
    monkeypatch.setattr(
        "bpjax.sweeps.host_loop.run_plan", lambda plan, *_, **__: plans.append(plan) or 1 / 0
    )
    Path("settings.toml").write_text(TOML)

    def about(flag):
        return flag[:1] if flag[:1] != ["--set"] else flag[1].split("=")[:1]

    flags = [flag for flag in FLAGS if not over or about(flag) != about(over)]
    for words in (["--config", "settings.toml"], itertools.chain(*flags)):
        with pytest.raises(ZeroDivisionError):
            main(["sweep", "xor", *words, *over])
    by_file, by_flags = (plan.identity() for plan in plans)
    assert by_file == by_flags


def test_shards_exported_together_equal_the_whole(capsys, monkeypatch):
    words = ["xor", "--seeds", "25", "--learning-rate", "1", "2", *FAST[2:], "--keep-weights"]
    for folder, shard in {"whole": [], "a": ["--shard", "1/2"], "b": ["--shard", "2/2"]}.items():
        sweep(capsys, *words, *shard, "--out", folder, "--no-figures")
    assert main(["export", "whole"]) == 0
    assert main(["export", "b", "a", "--out", "both.csv"]) == 0
    assert capsys.readouterr().out == "50 runs: whole/runs.csv\n50 runs: both.csv\n"
    whole = Path("whole/runs.csv").read_bytes()
    assert Path("both.csv").read_bytes() == whole
    assert len(whole.splitlines()) == 51

    assert main(["export", "a", "b", "--out", "half.csv"]) == 0
    assert Path("half.csv").read_bytes() == whole, "in any order"


# ---- export and verify --------------------------------------------------------------------------


def test_export_writes_a_file_or_standard_output(swept, capsys):
    assert main(["export", "swept", "--out", "runs.csv"]) == 0
    capsys.readouterr()
    assert main(["export", "swept", "--out", "-"]) == 0
    text = capsys.readouterr().out
    assert text == Path("runs.csv").read_text()
    assert text.splitlines()[0] == "seed,status,epochs,loss"
    assert len(text.splitlines()) == 11


def test_a_sweep_that_is_not_finished_is_exported_only_when_asked(capsys, monkeypatch):
    published = stop_after_a_chunk(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        main(["sweep", "xor", "--seeds", "1100", "--out", "part", *FAST])
    assert main(["export", "part"]) == 2
    assert "missing from 'part'; run the same sweep again" in capsys.readouterr().err
    assert main(["export", "part", "--partial"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{published[0]:,} runs: part/runs.csv\n"
    missing = 1100 - published[0]
    assert said.err.startswith(f"Not finished: {missing:,} runs are missing, those that take long")


def test_counts_are_exported_and_are_a_function_of_the_sweep(capsys, monkeypatch):
    """However the sweep was cut into chunks, calls and shards: the same file."""
    words = ["sweep", "xor", "--seeds", "300", "--summary-only", "--no-figures", *FAST]
    assert main([*words, "--out", "whole"]) == 0
    monkeypatch.setattr(bpjax.sweeps.host_loop, "SECONDS_PER_CHUNK", 0.0)
    monkeypatch.setattr("bpjax.sweeps.crew.FIRST_CALL", 7)
    assert main([*words, "--out", "cut"]) == 0
    for k in (1, 2):
        assert main([*words, "--out", f"shard-{k}", "--shard", f"{k}/2"]) == 0
    capsys.readouterr()
    exported = []
    for folders in (["whole"], ["cut"], ["shard-2", "shard-1"]):
        for format in ("csv", "parquet"):
            assert main(["export", *folders, "--format", format, "--out", f"out.{format}"]) == 0
            num_rows = len(read_runs("whole").columns["count"])
            printed = capsys.readouterr().out
            assert printed == f"{num_rows:,} outcomes of 300 runs: out.{format}\n"
        rows = Path("out.csv").read_bytes().splitlines()
        assert rows[0] == b"status,epochs,count"
        keys = [(int(epochs), status) for status, epochs, _ in (r.split(b",") for r in rows[1:])]
        assert len(set(keys)) == len(keys) == num_rows
        assert [epochs for epochs, _ in keys] == sorted(epochs for epochs, _ in keys)
        exported.append((Path("out.csv").read_bytes(), Path("out.parquet").read_bytes()))
    assert exported[0] == exported[1] == exported[2]


def stop_after_a_chunk(monkeypatch):
    """Let every chunk of a sweep but the first fail to be published."""
    publish, published = SweepFolder.publish_chunk, []

    def once(self, runs, columns):
        if published:
            raise ZeroDivisionError
        published.append(num_runs_of(runs))
        return publish(self, runs, columns)

    monkeypatch.setattr(SweepFolder, "publish_chunk", once)
    monkeypatch.setattr(bpjax.sweeps.host_loop, "SECONDS_PER_CHUNK", 0.0)
    return published


def test_verify_tells_whole_from_damaged_and_missing(swept, capsys):
    assert main(["verify", "swept"]) == 0
    assert capsys.readouterr().out == (
        "1 chunks intact, 10 runs in them, 0 chunks damaged, 0 ranges missing.\n"
    )
    (chunk,) = Path("swept/chunks").iterdir()
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:-1])
    assert main(["verify", "swept"]) == 1
    printed = capsys.readouterr().out
    assert f"damaged: {chunk} (some of seeds 0 to 9)" in printed
    assert "missing: seeds 0 to 9\n" in printed
    assert "given again, computes what is not there" in printed
    chunk.unlink()
    assert main(["verify", "swept"]) == 1
    assert "missing: seeds 0 to 9\n" in capsys.readouterr().out

    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as outside the tests: a line, not an error
        chunk.write_bytes(whole[:-1])
        assert main(["sweep", "xor", "--seeds", "10", "--out", "swept", "--no-figures", *FAST]) == 0
    printed = capsys.readouterr()
    assert re.fullmatch(r"bpjax: [^\n]*is damaged and computed again[^\n]*\n", printed.err)
    assert chunk.read_bytes() == whole
    assert main(["verify", "swept"]) == 0


# ---- train --------------------------------------------------------------------------------------


def test_train_shows_the_run_that_sweep_counts_as_seed_7(capsys):
    assert main(["train", "xor", "--seed", "7", "--json", "--out", "run"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome.pop("folder") == "run"
    sweep(capsys, "xor", "--seeds", "9", "--out", "runs", "--no-figures")
    assert main(["export", "runs", "--out", "-"]) == 0
    row = capsys.readouterr().out.splitlines()[8].split(",")
    assert row[:3] == ["7", outcome["status"], str(outcome["epochs"])]
    assert sorted(str(p.relative_to("run")) for p in Path("run").rglob("*") if p.is_file()) == [
        "figures/activities.png",
        "figures/activities.svg",
        "figures/gradient-size.png",
        "figures/gradient-size.svg",
        "figures/loss.png",
        "figures/loss.svg",
        "figures/network.png",
        "figures/network.svg",
        "history.csv",
        "run.json",
        "weights.npz",
    ]
    assert json.loads(Path("run/run.json").read_text())["outcome"] == outcome


@pytest.mark.slow
@pytest.mark.parametrize(("task", "epochs"), [("xor", 700), ("encoder", 100), ("family-trees", 50)])
def test_train_has_the_bits_of_sweep_as_people_run_them(task, epochs, tmp_path):
    """In processes of their own, with the flags that commands set for the compiler."""
    package = str(Path(bpjax.__file__).parents[1])
    for words in ("train --seed 3 --out run", "sweep --seeds 5 --keep-weights --out runs"):
        command, *rest = words.split()
        words = [command, task, *rest, "--max-epochs", str(epochs), "--no-figures"]
        environment = {**os.environ, "PYTHONPATH": package, "XLA_FLAGS": ""}
        program = [sys.executable, "-m", "bpjax.cli", *words]
        subprocess.run(program, cwd=tmp_path, env=environment, check=True, capture_output=True)
    swept = read_runs(tmp_path / "runs").columns
    with np.load(tmp_path / "run/weights.npz", allow_pickle=False) as saved:
        assert saved["epoch"][-1] == swept["epochs"][3]
        assert saved["weights"][-1].tobytes() == swept["weights"][3].tobytes()


def test_train_tells_the_outcome_in_a_sentence(capsys):
    words = ["train", "xor", "--max-epochs", "20", "--record-every", "5", "--snapshot-every", "10"]
    assert main([*words, "--out", "run", "--no-figures"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    first, second = printed.out.splitlines()
    assert first.startswith("exclusive-or, 2-2-1, seed 0: MAX_EPOCHS after 20 epochs (criterion ")
    assert second.endswith(": run")
    assert not Path("run/figures").exists()
    assert len(Path("run/history.csv").read_text().splitlines()) == 1 + 5
    with np.load("run/weights.npz") as saved:
        assert saved["epoch"].tolist() == [0, 10, 20]


def test_train_reads_a_file_too(capsys):
    Path("run.toml").write_text('seed = 3\nmax_epochs = 5\nout = "run"\nno_figures = true\n')
    assert main(["train", "xor", "--config", "run.toml", "--seed", "4", "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert (outcome["seed"], outcome["epochs"]) == (4, 5)
    assert not Path("run/figures").exists()


# ---- check --------------------------------------------------------------------------------------

ROW = ["name", "num_parameters", "largest_gradient"]
ROW += ["versus_jax", "versus_numpy", "versus_differences"]


def test_check_prints_a_table_and_fails_if_anything_is_off(capsys, monkeypatch):
    assert main(["check", "xor"]) == 0
    table = capsys.readouterr().out
    assert "input -> hidden" in table
    assert ", 0 off." in table.splitlines()[-1]

    (row, *rest) = bpjax.gradient_check.check_task(bpjax.tasks.xor())
    off = SimpleNamespace(**{name: getattr(row, name) for name in ROW}, ok=False)
    monkeypatch.setattr("bpjax.gradient_check.check_task", lambda task: [off, *rest])
    assert main(["check", "xor"]) == 1
    assert "  OFF\n" in capsys.readouterr().out


# ---- stopping -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "code"),
    [(KeyboardInterrupt(), 130), (Stopped(signal.SIGTERM), 143)],
    ids=["ctrl-c", "sigterm"],
)
@pytest.mark.parametrize(
    ("num_ended", "where"),
    [
        (None, "stopped before the first run had ended"),
        (0, "stopped before the first run had ended"),
        (1234, "stopped at 1,234 of 9,000 runs, all of them stored in my results"),
    ],
)
def test_a_stopped_sweep_says_what_is_kept_and_how_to_resume(
    stop, code, num_ended, where, capsys, monkeypatch
):
    def interrupted(plan, folder, show, **others):
        if num_ended is not None:
            show(bpjax.sweeps.host_loop.Progress(num_ended, 9000, 0, num_ended, 0, 0, 0.0))
        raise stop

    monkeypatch.setattr("bpjax.sweeps.host_loop.run_plan", interrupted)
    assert main(["sweep", "xor", "--out", "my results"]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (f"{where}. Resume with: bpjax sweep xor --out 'my results'\n")


LONG = ["sweep", "xor", "--seeds", "8000", "--no-figures", "--momentum", "0.5"]
LONG += ["--max-epochs", "3000", "--out", "here"]
IMPATIENT = f"""
import signal, sys, bpjax.cli, bpjax.sweeps.host_loop
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a script's background
bpjax.sweeps.host_loop.SECONDS_PER_CHUNK = 0.0  # a chunk per block: thirty of them
sys.argv[1:] = {LONG}
bpjax.cli.entry_point()
"""


def start_long_sweep(folder):
    one_device = os.environ | {"JAX_NUM_CPU_DEVICES": "1"}  # equally long on any machine
    return run_in_another_process("-c", IMPATIENT, cwd=folder, environment=one_device)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The table of the sweep that nothing stopped, as bytes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start_long_sweep(folder)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return table_bytes(read_runs(folder / "here"))


@pytest.mark.parametrize(
    ("number", "code"),
    daily(
        [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)],
        of=[(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
    ),
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_a_real_sweep_stops_at_a_signal_and_resumes(number, code, undisturbed, tmp_path):
    process = start_long_sweep(tmp_path)
    chunks = tmp_path / "here/chunks"
    deadline = time.monotonic() + 120
    while not list(chunks.glob("runs-*.npz")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    began = time.monotonic()
    printed, errors = process.communicate(timeout=60)
    assert time.monotonic() - began < 5
    assert process.returncode == code
    assert printed == ""
    if number != signal.SIGKILL:
        resume = shlex.join(["bpjax", *LONG])
        held = num_runs_of(read_runs(tmp_path / "here", allow_partial=True).held)
        kept = f"stopped at {held:,} of 8,000 runs, all of them stored in here"
        assert errors == f"{kept}. Resume with: {resume}\n"

    kept = {path: path.read_bytes() for path in chunks.glob("runs-*.npz")}
    again = start_long_sweep(tmp_path)
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    runs = json.loads((tmp_path / "here/summary.json").read_text())["seconds"]["runs"]
    assert 0 < runs < 8000, "some runs were left, not all"
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert table_bytes(read_runs(tmp_path / "here")) == undisturbed


@pytest.mark.parametrize(
    ("number", "code"),
    daily([(signal.SIGTERM, 143)], of=[(signal.SIGINT, 130), (signal.SIGTERM, 143)]),
)
def test_a_signal_that_comes_while_jax_compiles_stops_the_sweep(number, code, tmp_path):
    """An exception out of the handler would strike inside JAX, which drops it or crashes."""
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from bpjax.cli import entry_point; entry_point()"
    )
    words = ["sweep", "parity", "--seeds", "2000000", "--no-figures", "--out"]
    for wait in (0.3, 0.8):
        folder = tmp_path / f"after {wait}"
        process = subprocess.Popen(
            [sys.executable, "-c", program, *words, str(folder)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        while not (folder / "sweep.json").exists():
            time.sleep(0.02)  # planned, and about to compile
        time.sleep(wait)
        process.send_signal(number)
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == code, complaint
        assert "Resume with: bpjax sweep parity" in complaint


def test_figures_that_cannot_be_written_cost_one_sentence(tmp_path, capsys):
    words = ["sweep", "xor", "--seeds", "3", "--max-epochs", "5", "--out", str(tmp_path / "a")]
    assert main([*words, "--no-figures"]) == 0
    (tmp_path / "a" / "figures").touch()
    capsys.readouterr()
    assert main(words) == 2
    printed = capsys.readouterr()
    assert "success rate" in printed.out
    assert printed.err.startswith("bpjax: --out: cannot create ")
    assert len(printed.err.splitlines()) == 1


def test_the_folder_of_an_export_is_not_named_twice(tmp_path, capsys):
    folder = str(tmp_path / "a")
    assert main(["sweep", "xor", "--seeds", "3", "--max-epochs", "5", "--out", folder]) == 0
    capsys.readouterr()
    assert main(["export", folder, folder]) == 2
    assert capsys.readouterr().err == f"bpjax: {folder!r} is named twice.\n"


def test_hidden_takes_a_range_of_whole_numbers(tmp_path, capsys):
    words = ["sweep", "xor", "--seeds", "2", "--max-epochs", "3", "--out", str(tmp_path / "a")]
    assert main([*words, "--hidden", "2:4:lin3", "--json", "--no-figures"]) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    assert [cell["settings"]["hidden"] for cell in cells] == [2, 3, 4]
    assert main([*words, "--hidden", "2:3:lin3"]) == 2
    assert "--hidden must be a range of whole numbers" in capsys.readouterr().err
