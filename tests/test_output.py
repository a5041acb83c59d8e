"""A full or closed standard output: said in one sentence, with an exit code of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bpjax.cli
from bpjax.cli import main, output
from bpjax.errors import MOST_SHOWN, SettingError

ROOT = Path(bpjax.__file__).parents[1]
SENTENCE = r"bpjax: standard output cannot be written \([^\n]+\)\.\n"
FAST = ["--max-epochs", "20", "--no-figures"]
GRID = ("--learning-rate", "0.25", "0.5")

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")


def in_a_shell(line, folder):
    """Run a line of shell in which `bpjax` stands for the command line of this copy."""
    bpjax = f"{sys.executable} -m bpjax.cli"
    return subprocess.run(
        ["bash", "-c", line.replace("bpjax", bpjax)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


class Full:
    """A stream on a disk that is full, whose faults come at the flush, as a real one's."""

    def __init__(self, fault=None):
        self.fault = fault or OSError(28, "No space left on device")
        self.buffer = self

    def write(self, content):
        return len(content)

    def flush(self):
        raise self.fault

    def isatty(self):
        return False

    def fileno(self):
        raise OSError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sweep and a run, to be read by commands."""
    place = tmp_path_factory.mktemp("output")
    here = os.getcwd()
    os.chdir(place)
    try:
        assert main(["sweep", "xor", "--seeds", "3", *GRID, "--out", "swept", *FAST]) == 0
    finally:
        os.chdir(here)
    return place


COMMANDS = {
    "new": ["mine"],
    "tasks": [],
    "check": ["xor"],
    "train": ["xor", "--out", "run", *FAST],
    "sweep": ["xor", "--seeds", "3", *GRID, "--out", "swept", *FAST],
    "plan": ["xor", "--max-epochs", "5", "--pilot", "50", "--until", "success_rate +- 0.2"],
    "explain": ["xor", "--max-epochs", "5", "--out", "page.html"],
    "report": ["swept", "--out", "report.html"],
    "compare": ["swept"],
    "completion": ["bash"],
    "export": ["swept", "--out", "runs.csv"],
    "verify": ["swept"],
}


def test_all_commands_are_here():
    assert set(COMMANDS) == set(bpjax.cli.COMMANDS) - {"bench"}  # which takes minutes


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_told_when_the_work_is_done(command, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdout", Full())
    assert main([command, *COMMANDS[command]]) == output.LOST_WORDS == 74
    assert re.search(rf"{SENTENCE}\Z", capsys.readouterr().err)
    out = dict(zip(COMMANDS[command][:-1], COMMANDS[command][1:], strict=True)).get("--out")
    assert out is None or (folder / out).exists()


@pytest.mark.parametrize("command", ["tasks", "verify"])
def test_a_reader_who_has_seen_enough_is_no_fault(command, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdout", Full(BrokenPipeError(32, "Broken pipe")))
    assert main([command, *COMMANDS[command]]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", ["export", "report"])
def test_a_file_on_standard_output_may_not_fit(command, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdout", Full())
    assert main([command, "swept", "--out", "-"]) == 74
    assert re.search(rf"{SENTENCE}\Z", capsys.readouterr().err)


def test_damage_is_told_by_the_exit_code_even_then(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "xor", "--seeds", "3", *GRID, "--out", "swept", *FAST]) == 0
    (chunk,) = Path("swept/chunks").iterdir()
    chunk.write_bytes(chunk.read_bytes()[:-9])
    for fault in (None, BrokenPipeError(32, "Broken pipe")):
        monkeypatch.setattr(sys, "stdout", Full(fault))
        assert main(["verify", "swept"]) == 1


def test_words_that_fit_again_are_written(capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Full())
        assert main(["--version"]) == 74
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("bpjax ")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("bpjax --help > /dev/full", 74),
        ("bpjax sweep --help > /dev/full", 74),
        ("bpjax sweep --help >&-", 74),
        ("bpjax --version >&- 2>&- <&-", 74),
        ("bpjax nope 2> /dev/full", 2),
        ("bpjax nope >&- 2>&-", 2),
        ("bpjax --help | head -0; exit ${PIPESTATUS[0]}", 0),
    ],
)
def test_real_streams(line, code, tmp_path):
    done = in_a_shell(line, tmp_path)
    assert done.returncode == code
    assert done.stdout == ""
    assert (
        re.fullmatch(SENTENCE, done.stderr) if code == 74 and "2>" not in line else not done.stderr
    )


def test_commands_speak_through_this_module_alone():
    for path in Path(bpjax.cli.__file__).parent.glob("*.py"):
        text = path.read_text()
        assert not re.search(r"(?<![\w.])print\(", text), path
        assert path.name == "output.py" or "sys.stdout.write" not in text, path


@pytest.mark.parametrize("word", ["\x1b[31mred\x07", "a\nb", "\u202egnp"])
def test_what_does_not_print_is_escaped(word, capsys):
    output.say(f"table: {word}".replace("\n", "") + "\nend")
    assert main([word]) == 2
    printed = capsys.readouterr()
    assert printed.out.replace("\n", "").isprintable()
    assert printed.err[:-1].isprintable()
    assert repr(word)[1:-1] in printed.err


@pytest.mark.parametrize(
    "value", ["x" * 10**5, ["x"] * 10**5, 10**5000, {"k" * 10**5: 1}], ids=type
)
def test_a_value_is_repeated_up_to_a_length(value):
    sentence = str(SettingError("momentum", "must be small", value))
    assert len(sentence) < MOST_SHOWN + 50
    assert sentence.startswith("`momentum` must be small, got ")


@pytest.mark.parametrize(
    "command", ["report", "export", "verify", "train xor --out", "sweep xor --out"]
)
@pytest.mark.parametrize("path", ["/proc/" + "n" * 3000, "/proc/n/" * 500, "/proc/a b" * 500])
def test_a_path_is_repeated_up_to_a_length(command, path, capsys):
    assert main([*command.split(" "), path]) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("bpjax: ")
    assert not any(path[k : k + MOST_SHOWN + 1] in sentence for k in range(0, len(path) - 201, 7))
