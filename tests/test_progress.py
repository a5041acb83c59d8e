"""Progress: lines that fit, on terminals, in notebooks and in logs; and who is told what."""

import contextlib
import fcntl
import io
import os
import re
import struct
import sys
import termios
import types

import nbclient
import nbformat
import pytest

import bpjax
from bpjax import progress
from bpjax.cli import main
from bpjax.errors import SettingError
from bpjax.progress import Line, ProgressLine, fitted
from bpjax.recording import Glance
from bpjax.sweeps.host_loop import Progress

FAST = {"learning_rate": 1.0, "init_range": 1.0, "max_epochs": 50}
BILLIONS = Progress(0, 4_294_967_296, 0, 0, 10**12, 10**12, 9_000.0)
STEPS = [
    BILLIONS._replace(done=done, converged=done, runs_made=done)
    for done in (0, 7, 12_345, 3_000_000_000, 4_294_967_296)
]
EPOCHS = Glance(123_456, 10**9, 1.234e-12, 1_000_000, 2_000_000, 1e-3)


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes standard error a terminal, and one that reads what it shows."""
    with contextlib.ExitStack() as opened:

        def make(columns):
            ours, theirs = os.openpty()
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
            stream = opened.enter_context(os.fdopen(theirs, "w", encoding="utf-8"))
            opened.callback(os.close, ours)
            monkeypatch.setattr(sys, "stderr", stream)

            def read():
                stream.write("\0")
                stream.flush()
                written = b""
                while not written.endswith(b"\0"):
                    written += os.read(ours, 1 << 20)
                return written[:-1].decode()

            return read

        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setattr(progress, "SECONDS_UNSEEN", 0.0)
        yield make


def plain(written):
    return re.sub(r"\x1b\[[0-9;]*m", "", written)


def screen(written, columns):
    """Lines of a terminal that knows carriage return and new line, and wraps."""
    rows, across = [[]], 0
    for character in plain(written):
        if character == "\r":
            across = 0
        elif character == "\n":
            rows.append([])
        else:
            if across == columns:
                rows.append([])
                across = 0
            rows[-1][across : across + 1] = character
            across += 1
    return ["".join(row).rstrip() for row in rows]


@pytest.mark.parametrize("facts", [*STEPS, EPOCHS], ids=lambda facts: str(facts[0]))
def test_a_line_is_never_wider_than_asked(facts):
    whole = fitted(facts.line(), 10_000)
    assert f"{facts.done:,} of {facts.total:,}" in whole
    assert all(part in whole for part in facts.line().rest)
    for width in range(10, 130):
        text = fitted(facts.line(), width)
        assert len(text) <= width
        assert text.split(" | ")[1:] == [p for p in facts.line().rest if p in text.split(" | ")]
    assert len(fitted(facts.line(), 39).split(" | ")) > 1 or not facts.done


def test_what_is_said_of_a_sweep():
    at = Progress(50, 200, 40, 50, 7000, 9_000, 3.0)
    assert fitted(at.line(), 99) == "50 of 200 runs | 9 s left | 80.0% solved | 3.0 k seed-epochs/s"
    assert at._replace(done=200).line().rest[0] == "in 3.0 s"
    assert at._replace(done=0, runs_made=0).line().rest == ("3.0 k seed-epochs/s",)
    at = Glance(20, 100, 0.5, 3, 4, 0.1)
    assert fitted(at.line(), 99) == "epoch 20 of 100 | loss 0.5 | 3 of 4 cases right | 200 epochs/s"


@pytest.mark.parametrize("columns", [40, 41, 80, 200])
@pytest.mark.parametrize("told", [None, "200"])
def test_one_line_of_a_terminal_is_rewritten_and_never_wraps(terminal, columns, told, monkeypatch):
    if told:
        monkeypatch.setenv("COLUMNS", told)  # of another window
    read = terminal(columns)
    with ProgressLine() as line:
        for facts in [*STEPS, EPOCHS, *STEPS]:
            line.show(facts.line())
        line.show("what the bench measures at the moment, in more words than fit " * 5)
        line.show(STEPS[-1].line())
    written = read()
    *shown, last = screen(written, columns)
    assert (len(shown), last) == (1, "")
    assert shown[0].lstrip("━ ") == fitted(STEPS[-1].line(), columns - 1)
    assert ("━━━━━" in shown[0]) == (columns > 41)
    assert max(map(len, re.split(r"[\r\n]+", plain(written)))) < columns


@pytest.mark.parametrize("no_color", [None, "1", ""])
def test_colours_are_left_out_where_nobody_wants_them(terminal, no_color, monkeypatch):
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    read = terminal(80)
    with ProgressLine() as line:
        line.show(Line(1, 2, "{} of {} runs"))
    assert ("\x1b" in read()) == (not no_color)


def test_a_terminal_that_rewrites_nothing_has_lines_now_and_then(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    read = terminal(40)
    with ProgressLine() as line:
        for facts in STEPS:
            line.show(facts.line())
        line.show("more words than fit " * 5)
    written = read()
    assert "\r" not in written.replace("\r\n", "")
    assert "\x1b" not in written
    assert len(screen(written, 40)) == len(STEPS) + 2
    assert max(map(len, written.splitlines())) < 40


def test_a_log_has_whole_lines_now_and_then(capsys, monkeypatch):
    with ProgressLine() as line:
        line.show(STEPS[2].line())
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
        line.show(STEPS[3].line())
    assert capsys.readouterr().err == fitted(STEPS[3].line(), 999) + "\n"


def test_what_is_over_at_once_shows_nothing(terminal, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_UNSEEN", 60.0)
    read = terminal(80)
    with ProgressLine() as line:
        line.show(STEPS[1].line())
    with ProgressLine(always=True) as line:
        line.show(STEPS[2].line())
    (shown, end) = screen(read(), 80)
    assert "12,345 of 4,294,967,296 runs" in shown
    assert end == ""


def test_a_terminal_that_has_gone_stops_nothing(monkeypatch):
    class Gone(io.StringIO):
        def isatty(self):
            return True

        def flush(self):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stderr", Gone())
    assert bpjax.sweep("xor", 5, progress=True, **FAST).summary()["num_runs"] == 5
    monkeypatch.setattr(sys, "stderr", None)
    assert bpjax.sweep("xor", 5, progress=True, **FAST).summary()["num_runs"] == 5


# ---- functions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("train", [False, True])
def test_nothing_is_shown_where_nobody_is_attached(train, capsys):
    def call(**options):
        made = (
            bpjax.train("xor", 1, **FAST, **options)
            if train
            else bpjax.sweep("xor", 5, **FAST, **options)
        )
        assert made is not None
        return capsys.readouterr()

    assert call() == call(progress=False) == call(progress=None) == ("", "")
    out, err = call(progress=True)
    assert out == ""
    assert re.fullmatch(r"epoch [\d,]+ of 50 \| .*\n" if train else r"5 of 5 runs \| .*\n", err)


@pytest.mark.parametrize("train", [False, True])
def test_a_terminal_is_shown_it_unless_unwanted(train, terminal):
    read = terminal(40)

    def call(**options):
        if train:
            bpjax.train("xor", 1, **FAST, **options)
        else:
            bpjax.sweep("xor", 5, **FAST, **options)
        sys.stderr.write("end")
        return screen(read(), 40)

    assert call(progress=False) == ["end"]
    shown, end = call()
    assert re.search(r"epoch \d+ of 50" if train else "5 of 5 runs", shown)
    assert end == "end"


def test_a_function_is_told_the_facts():
    for call in (
        lambda f: bpjax.sweep("xor", 5, progress=f, **FAST),
        lambda f: bpjax.train("xor", 1, progress=f, **FAST),
    ):
        seen = []
        call(seen.append)
        assert [at.done for at in seen] == sorted(at.done for at in seen)
        assert {at.total for at in seen} <= {5, 50}
        assert all(at.seconds >= 0 and at.done <= at.total for at in seen)


@pytest.mark.parametrize("wrong", [3, "yes", [True]])
def test_anything_else_is_refused(wrong):
    rule = "`progress` must be True, False, None or a function, got "
    with pytest.raises(SettingError, match=rule):
        bpjax.sweep("xor", 5, progress=wrong)
    with pytest.raises(SettingError, match=rule):
        bpjax.train("xor", 5, progress=wrong)


@pytest.mark.parametrize("command", ["sweep", "train", "explain"])
def test_commands_show_the_same_line(command, terminal, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    read = terminal(40)
    number = ["--seeds", "5"] if command == "sweep" else ["--seed", "1"]
    fast = ["--learning-rate", "1", "--init-range", "1", "--max-epochs", "50"]
    assert main([command, "xor", *number, *fast, *(["--no-figures"] * (command != "explain"))]) == 0
    shown, end = screen(read(), 40)
    assert re.search("5 of 5 runs" if command == "sweep" else r"epoch \d+ of 50 \| loss", shown)
    assert end == ""


# ---- notebooks ----------------------------------------------------------------------------------


@pytest.fixture
def notebook(monkeypatch):
    """A kernel as far as it is asked; what it displays, one entry for each place."""
    places = []

    class Handle:
        def update(self, content, raw):
            assert raw
            places[-1].append(content)

    def display(content, raw, display_id):
        assert raw
        assert display_id
        places.append([content])
        return Handle()

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=1)
    shows = types.ModuleType("IPython.display")
    shows.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shows)
    monkeypatch.setattr(progress, "SECONDS_UNSEEN", 0.0)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return places


@pytest.mark.parametrize("no_color", [False, True])
def test_a_notebook_shows_one_line_below_the_cell(notebook, no_color, monkeypatch, capsys):
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    bpjax.sweep("xor", 5, **FAST)
    with ProgressLine() as line:
        line.show("<b>words</b>")
    first, second = notebook
    assert "━" * 20 + " 5 of 5 runs | in " in first[-1]["text/plain"]
    assert "5 of 5 runs | in " in first[-1]["text/html"]
    assert ("color" in first[-1]["text/html"]) is not no_color
    assert "&lt;b&gt;words" in second[0]["text/html"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_a_real_notebook_shows_it_by_itself():
    cells = [
        "import bpjax; bpjax.sweep('xor', 2000).summary();",
        "bpjax.sweep('xor', 9, progress=False);",
    ]
    made = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    nbclient.NotebookClient(made, timeout=120).execute()
    (shown,) = made.cells[0].outputs
    assert "2,000 of 2,000 runs | in " in shown["data"]["text/html"]
    assert made.cells[1].outputs == []
