"""The Tab key: real shells ask, and what they are told is what the commands take."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bpjax
from bpjax.cli import COMMANDS, main
from bpjax.cli.bench import SUITES
from bpjax.cli.completing import FORMATS, parser_of
from bpjax.cli.completion import SHELLS
from bpjax.cli.options import options_of
from bpjax.layouts import IMPLEMENTATIONS
from bpjax.learning import OPTIMIZERS
from bpjax.loss import LOSSES
from bpjax.presentation import ORDERS
from bpjax.results.export import table_bytes
from bpjax.settings import LOSS_NAMES, SETTINGS, TASK_NAMES, UNIT_NAMES
from bpjax.starts.distributions import DISTRIBUTIONS
from bpjax.sweeps.planning import PRECISIONS
from bpjax.tasks import TASKS
from bpjax.units import UNITS

SOURCE = Path(bpjax.__file__).parents[1]
TASKS_AND_FILES = {*TASKS, "mine.toml", "mine.py", "folder/"}
ASKED = {
    "bpjax ": {*COMMANDS},
    "bpjax swe": {"sweep"},
    "bpjax sweep ": TASKS_AND_FILES,
    "bpjax check xor ": TASKS_AND_FILES,
    "bpjax tasks fam": {"family-trees"},
    "bpjax sweep m": {"mine.toml", "mine.py"},
    "bpjax sweep xor --learn": {"--learning-rate"},
    "bpjax train xor --unit relu ta": {"tanh"},
    "bpjax sweep xor --loss ": {*LOSSES},
    "bpjax sweep xor --optimizer ada": {"adam", "adamw", "adagrad"},
    "bpjax sweep xor --precision ": {*PRECISIONS},
    "bpjax sweep xor --implementation=": {*IMPLEMENTATIONS},
    "bpjax sweep xor --set or": {"order="},
    "bpjax sweep xor --set order=": {*ORDERS},
    "bpjax sweep xor --seeds ": set(),
    "bpjax sweep xor --config ": {"mine.toml", "folder/"},
    "bpjax sweep xor --out ": {"folder/"},
    "bpjax report ": {"folder/"},
    "bpjax export folder --format ": {*FORMATS},
    "bpjax bench com": {"compare"},
    "bpjax bench --suite ": {*SUITES},
    "bpjax bench compare a.json ": {"a.json", "folder/"},
    "bpjax bench compare --o": {"--out"},
    "bpjax completion ": {*SHELLS},
    "bpjax nonsense ": set(),
}
OF_BASH = """
eval "$(bpjax completion bash)"
for COMP_LINE in "$@"; do
    COMP_POINT=${#COMP_LINE}
    read -ra COMP_WORDS <<< "$COMP_LINE"
    if [[ $COMP_LINE == *" " ]]; then COMP_WORDS+=(""); fi
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _python_argcomplete bpjax "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
    (IFS=,; echo "$COMP_LINE|${COMPREPLY[*]}")
done
complete -p bpjax
"""
OF_ZSH = """
autoload -Uz compinit
compinit -u -D
eval "$(bpjax completion zsh)"
_describe() { for each in "${(@P)2}"; do print -rn -- "${each%%:*},"; done }
for BUFFER in "$@"; do
    CURSOR=${#BUFFER}
    words=(${(z)BUFFER})
    print -rn -- "$BUFFER|"
    _python_argcomplete
    print
done
print -r -- "${_comps[bpjax]}"
"""
OF_FISH = """
bpjax completion fish | source
for line in $argv
    set words (complete -C $line | string split -f1 \\t | string join ,)
    echo "$line|$words"
end
complete bpjax
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with files of all kinds, and `bpjax` on the path."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "bpjax"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m bpjax.cli "$@"\n')
    script.chmod(0o755)
    here = tmp_path / "here"
    (here / "folder").mkdir(parents=True)
    for name in ("mine.toml", "mine.py", "notes.txt", "a.json"):
        (here / name).touch()
    monkeypatch.chdir(here)
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))


def answers(*command):
    """What a shell prints: by line that it was asked for, the words; and its last line."""
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([*command, *ASKED], capture_output=True, text=True, timeout=240)
    assert done.stderr == ""
    *lines, last = done.stdout.rstrip("\n").split("\n")
    pairs = (line.rpartition("|") for line in lines)
    return {line: {w.strip() for w in words.split(",")} - {""} for line, _, words in pairs}, last


def test_bash_is_told_what_can_stand_next(place):
    told, last = answers("bash", "--norc", "-c", OF_BASH, "bash")
    assert told == ASKED
    assert last == "complete -o nospace -F _python_argcomplete bpjax"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "registered"),
    [
        (("zsh", "-f", "-c", OF_ZSH, "zsh"), "_python_argcomplete"),
        (("fish", "--no-config", "-c", OF_FISH), "complete "),
    ],
    ids=["zsh", "fish"],
)
def test_other_shells_are_told_the_same(place, command, registered):
    told, last = answers(*command)
    # These shells show whole words where bash shows what is behind a sign of equality.
    told = {
        line: {word.rpartition("=")[2] or word for word in words} for line, words in told.items()
    }
    assert told == ASKED
    assert last.startswith(registered)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_every_command_is_known(command):
    options = importlib.import_module(f"bpjax.cli.{command}").Options
    (commands,) = (a for a in parser_of(command)._actions if a.choices)
    assert set(commands.choices) == set(COMMANDS)
    actions = [action for action in commands.choices[command]._actions if action.dest != "help"]
    assert {action.dest for action in actions} == options_of(options).keys()
    for action in actions:
        positional = action.dest in ("task", "tasks", "folder", "folders", "experiment", "shell")
        flag = f"--{action.dest.replace('_', '-')}"
        assert action.option_strings == ([] if positional else [flag])
        assert (action.nargs == 0) == (options_of(options)[action.dest] is bool)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_every_option_has_a_description(shell):
    for command in COMMANDS:
        (commands,) = (a for a in parser_of(command, shell)._actions if a.choices)
        assert all(action.help for action in commands.choices[command]._actions), command


def test_the_names_are_those_that_there_are():
    assert tuple(TASKS) == TASK_NAMES
    assert tuple(UNITS) == UNIT_NAMES
    assert tuple(LOSSES) == LOSS_NAMES
    choices = {setting.name: setting.choices for setting in SETTINGS}
    assert choices["optimizer"] == tuple(OPTIMIZERS)
    assert choices["precision"] == PRECISIONS
    assert choices["implementation"] == IMPLEMENTATIONS
    assert choices["order"] == ORDERS
    assert choices["distribution"] == tuple(DISTRIBUTIONS)
    with pytest.raises(bpjax.SettingError, match=f"must be one of {', '.join(FORMATS)}, got"):
        table_bytes(None, "other")


def test_a_tab_does_not_wait_for_jax():
    program = (
        "import sys; from bpjax.cli import COMMANDS, completing\n"
        "for command in COMMANDS: completing.parser_of(command, 'zsh')\n"
        "sys.exit(str({'jax', 'matplotlib', 'scipy', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SOURCE, capture_output=True, text=True
    )
    assert done.stderr == "set()\n"


def test_another_shell_is_refused(capsys):
    assert main(["completion", "bsh"]) == 2
    assert capsys.readouterr().err == (
        "bpjax: SHELL must be one of bash, zsh, fish, got 'bsh'. Perhaps bash?\n"
    )
