"""P10: whatever a user writes, the command line trains or says in one sentence why not.

Property-based: options are those that the commands' own dataclasses have, so that a new one is
tried as soon as it is there. Each try is a command line, with or without a TOML file, of values
good, bad and hostile: numbers of all sizes, ranges, options of tasks, control characters, 149 kB
of anything. What would train, measure or take a folder is stopped there, since then the words were
good. Of all others: exit code 2, nothing on standard output, nothing written, and one printable
line that names an option, a setting, TASK, COMMAND, DIR or SHELL and repeats at most 200 characters
of a word.
"""

import contextlib
import importlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpjax.cli import COMMANDS, main
from bpjax.cli.options import options_of
from bpjax.errors import MOST_SHOWN
from bpjax.experiment.schema import KEYS
from bpjax.tasks import TASKS, option_defaults

LONG = 149_000
NAMES = re.compile(
    r"--[a-z]|\b(TASK|COMMAND|DIR|NAME|SHELL)\b|\.(toml|py)\b|Unrecognized options|argument '"
    "|the grid "
)
"""What a sentence names."""


class WouldTrain(Exception):
    """The words were good."""


class Attempt(NamedTuple):
    """A command line; `toml` is what `fuzz.toml`, which it may name, holds."""

    words: tuple[str, ...]
    toml: bytes | None = None


# ---- what is tried -------------------------------------------------------------------------------


def options_by_command() -> dict[str, dict[str, Any]]:
    """Return the types of all options of all commands, by Python name."""
    modules = {name: importlib.import_module(f"bpjax.cli.{name}") for name in COMMANDS}
    return {name: options_of(module.Options) for name, module in modules.items()}


def _options_of_tasks() -> list[str]:
    return sorted({option for name in TASKS for option in option_defaults(name)})


NUMBER = st.one_of(
    st.floats().map(str),
    st.floats(0, 1).map(str),
    st.integers(-(2**40), 2**40).map(str),
    st.sampled_from(["0", "1", "-1", "1e308", "-1e308", "5e-324", "1e999", "nan", "-inf", "1_0"]),
)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
HOSTILE = st.sampled_from(
    [
        *("", " ", "\x1b[31mred", "\r\n", "\u202e", "é", "\u0663", "a,b", ",", "=", ":"),
        *("..", "-", "--", "/dev/null/x", "x" * LONG, "9" * LONG),
        *("1:2:lin" + "9" * 5000, "rprop(" + "grow=2," * 999 + ")"),
    ]
)
RANGE = st.builds("{}:{}:{}{}".format, NUMBER, NUMBER, st.sampled_from(["lin", "log", ""]), NUMBER)
RULE = st.builds(
    "{}({}={})".format,
    st.sampled_from(["rprop", "adam", "x"]),
    st.sampled_from(["grow", "backtracking", "x"]),
    st.one_of(NUMBER, st.sampled_from(["true", "false"])),
)
GOOD = st.sampled_from(
    [
        *("paper", "rprop", "rprop(backtracking=true)", "adam", "float64", "float32", "matrix"),
        *(
            "auto",
            "1/2",
            "2/1",
            "csv",
            "parquet",
            "cpu",
            "bash",
            "xor",
            "fuzz.toml",
            "0.5",
            "2",
            "3",
            "true",
        ),
    ]
)
NAME = st.sampled_from(
    [
        *_options_of_tasks(),
        *("updates", "copies", "decay_biases", "distribution", "biases"),
        *("name", "self", "task", "seeds", "settings", "x"),
    ]
)
VALUE = st.one_of(NUMBER, TEXT, st.sampled_from(["true", "case", "sum", "zero", "2,3", ","]))
PAIR = st.builds("{}={}".format, NAME, VALUE)
WORD = st.one_of(GOOD, NUMBER, RANGE, RULE, PAIR, TEXT, HOSTILE)

TOML_VALUE = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        WORD.filter(lambda word: len(word) < 1000),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def command_lines(draw: Any) -> Attempt:
    """A command with some of its options, each with no, one or two values, perhaps twice."""
    options = options_by_command()
    command = draw(st.sampled_from(sorted(options)))
    words = [command]
    if draw(st.integers(0, 4)):
        words.append(draw(st.sampled_from(sorted(TASKS)) if "config" in options[command] else WORD))
    known = st.sampled_from(sorted(options[command]) or ["help"])
    for option in draw(st.lists(known, max_size=3)):
        flag = draw(st.sampled_from([f"--{option.replace('_', '-')}", f"--{option}"]))
        values = draw(st.lists(PAIR if option == "set" else WORD, max_size=2))
        if values and draw(st.booleans()):
            words += [f"{flag}={values[0]}", *values[1:]]
        else:
            words += [flag, *values]
    return Attempt(tuple(words))


@st.composite
def toml_files(draw: Any) -> Attempt:
    """A command with a file, whose keys are options of it in either spelling, or anything."""
    options = options_by_command()
    command = draw(st.sampled_from([name for name in options if "config" in options[name]]))
    known = sorted(options[command])
    key = st.sampled_from([*known, *(option.replace("_", "-") for option in known)])
    table = draw(st.dictionaries(st.one_of(key, NAME, TEXT), TOML_VALUE, max_size=4))
    lines = [f"{json.dumps(name)} = {_toml(value)}" for name, value in table.items()]
    content = "\n".join(lines).encode(errors="surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        content = draw(st.one_of(st.binary(max_size=40), st.sampled_from(HOSTILE_FILES)))
    words = [command, *draw(st.sampled_from([["xor"], []])), "--config", "fuzz.toml"]
    return Attempt(tuple(words), content)


HOSTILE_FILES = [
    b"seeds = 0x" + b"f" * LONG,
    b"seeds = " + b"9" * LONG,
    b"hidden = " + b"[" * LONG,
    b'"' + b"k" * LONG + b'" = 1',
    b"# " + b"x" * 2**21,
    b'out = "\\u0000"',
    b"learning_rate = 1\nlearning-rate = 2",
    b"hidden = 2\nset = {hidden = 3}",
    b'task = "parity"',
]

ANYTHING = st.lists(
    st.one_of(
        WORD,
        st.sampled_from([*COMMANDS, "-h", "-x", "None"]),
        st.sampled_from(sorted({o for own in options_by_command().values() for o in own})).map(
            lambda option: f"--{option.replace('_', '-')}"
        ),
    ),
    max_size=6,
).map(lambda words: Attempt(tuple(words)))
"""Words in any order."""

EXPERIMENT: dict[str, dict[str, Any]] = {
    "cases": {"inputs": [[0, 0], [0, 1], [1, 0], [1, 1]], "targets": [0, 1, 1, 0]},
    "network": {"hidden": 2},
}
SMALL = st.one_of(
    st.integers(-1, 3),
    st.sampled_from([0.5, -0.0, 1e308, "none", "layer", "tanh", "standard", "output", "x", True]),
    st.lists(st.lists(st.integers(0, 1), max_size=3), max_size=5),
    st.lists(st.sampled_from([0, 1, "a", "b", 0.5]), max_size=5),
)


@st.composite
def experiment_files(draw: Any) -> Attempt:
    """A command with an experiment file of which up to three keys are others, or anything."""
    content: dict[str, dict[str, Any]] = {name: {**table} for name, table in EXPERIMENT.items()}
    paths = st.sampled_from([key.path for key in KEYS])
    for path in draw(st.lists(st.one_of(paths, NAME.map("cases.{}".format)), max_size=3)):
        section, _, name = path.rpartition(".")
        value = draw(st.one_of(SMALL, TOML_VALUE))
        if section in ("network.layers", "network.connections"):
            section, name, value = "network", section.partition(".")[2], [{name: value}]
        content.setdefault(section, {})[name] = value
    lines = [f"{json.dumps(name)} = {_toml(value)}" for name, value in content.pop("", {}).items()]
    for section, table in content.items():
        lines.append(f"[{section}]")
        lines += [f"{json.dumps(name)} = {_toml(value)}" for name, value in table.items()]
    text = "\n".join(lines).encode(errors="surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        text = draw(st.one_of(st.binary(max_size=40), st.sampled_from(HOSTILE_FILES)))
    command = draw(st.sampled_from(["check", "train", "sweep", "explain"]))
    more = draw(st.sampled_from([[], ["--set", draw(PAIR)], ["--hidden", draw(WORD)]]))
    return Attempt((command, "fuzz.toml", *(more if command != "check" else [])), text)


STRATEGIES = {
    "command lines": command_lines(),
    "files": toml_files(),
    "experiment files": experiment_files(),
    "any words": ANYTHING,
}


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{json.dumps(name)} = {_toml(entry)}" for name, entry in value.items())
        return f"{{{pairs}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)


# ---- one try -------------------------------------------------------------------------------------

WHERE_WORK_BEGINS = (
    "bpjax.sweeps.host_loop.run_plan",
    "bpjax.run_folder.claim",
    "bpjax.training.train_plan",
    "bpjax.gradient_check.check_task",
    "bpjax.gradient_check.check_gradients",
    "bpjax.cli.bench._measure",
    "bpjax.results.files.publish",
)


@contextlib.contextmanager
def nothing_is_trained() -> Iterator[None]:
    """Stop with `WouldTrain` where a command begins its work."""

    def stop(*arguments: Any, **named: Any) -> None:
        raise WouldTrain

    with contextlib.ExitStack() as stack:
        for place in WHERE_WORK_BEGINS:
            importlib.import_module(place.rpartition(".")[0])
            stack.enter_context(mock.patch(place, stop))
        for place in ("make_folders", "probe_file"):
            stack.enter_context(mock.patch(f"bpjax.results.files.{place}", return_value=None))
        yield


def fault_of(attempt: Attempt) -> str | None:
    """Return what is wrong with what a command line does, None if nothing is.

    It works in the current folder, which must be empty.
    """
    if attempt.toml is not None:
        Path("fuzz.toml").write_bytes(attempt.toml)
    out, err = io.StringIO(), io.StringIO()
    out.reconfigure = err.reconfigure = lambda **_: None  # type: ignore[attr-defined]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(attempt.words)
    except WouldTrain:
        return _written(attempt)
    except BaseException as error:  # all of them are what is looked for
        return f"{type(error).__name__}: {str(error)[:200]}"
    return _fault_of_words(attempt, code, out.getvalue(), err.getvalue()) or _written(attempt)


def _fault_of_words(attempt: Attempt, code: int, out: str, err: str) -> str | None:
    if code == 0:
        helps = {"-h", "--help", "-V", "--version", "help", "tasks", "completion"} & set(
            attempt.words
        )
        return None if helps or not attempt.words else "code 0 without having done anything"
    sentence = re.fullmatch(r"bpjax: ([^\n]+)\n", err)
    if code != 2:
        return f"code {code}"
    if out:
        return "words on standard output"
    if sentence is None or not sentence[1].isprintable():
        return f"not one printable line: {err[:300]!r}"
    if not NAMES.search(sentence[1]) and not _names_a_file(attempt, sentence[1]):
        return f"no option is named: {sentence[1][:300]}"
    given = [*attempt.words, (attempt.toml or b"").decode(errors="replace")]
    if any(_repeats(word, sentence[1]) for word in given):
        return f"more than {MOST_SHOWN} characters repeated"
    return None


def _names_a_file(attempt: Attempt, sentence: str) -> bool:
    """Tell whether the sentence is about a results folder, which these commands take as a word."""
    return attempt.words[0] in ("report", "export", "verify", "compare") and len(sentence) > 10


def _repeats(word: str, sentence: str) -> bool:
    """Tell whether a sentence has a piece of a word in it that is too long."""
    size = MOST_SHOWN + 1
    return any(sentence[k : k + size] in word for k in range(len(sentence) - size + 1))


def _written(attempt: Attempt) -> str | None:
    there = {path.name for path in Path().iterdir()} - {"fuzz.toml"}
    return f"written: {sorted(there)}" if there else None


# ---- the proof -----------------------------------------------------------------------------------


def try_many(strategy: Any, tries: int, seed_of_tests: bool = True) -> list[str]:
    """Try so many command lines and return the faults; a failing one is made no smaller."""
    faults: list[str] = []

    @settings(
        max_examples=tries,
        deadline=None,
        database=None,
        derandomize=seed_of_tests,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def one(attempt: Attempt) -> None:
        fault = fault_of(attempt)
        if fault is not None:
            faults.append(f"{shown_words(attempt)}: {fault}")

    with in_an_empty_folder(), nothing_is_trained():
        one()
    return faults


def shown_words(attempt: Attempt) -> str:
    """Return a command line and its file, shortened."""
    words = " ".join(repr(word[:60]) for word in attempt.words)
    return words if attempt.toml is None else f"{words} with {attempt.toml[:200]!r}"


@contextlib.contextmanager
def in_an_empty_folder() -> Iterator[None]:
    """Work in a folder of its own, and come back."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def measure(full: bool) -> dict[str, Any]:
    """Return how many command lines and files were tried, and which broke the promise.

    Args:
      full: 2,000 of each kind instead of 200.
    """
    tries = 2_000 if full else 200
    faults: dict[str, Sequence[str]] = {
        name: try_many(strategy, tries) for name, strategy in STRATEGIES.items()
    }
    found = [fault for several in faults.values() for fault in several]
    options = {o for own in options_by_command().values() for o in own}
    words = (
        f"{tries * len(STRATEGIES):,} command lines and TOML files over all {len(options)} options "
        f"of {len(COMMANDS)} commands: {len(found)} that ended in anything but training, help or "
        "one sentence that names what is wrong."
    )
    return {
        "tried": tries * len(STRATEGIES),
        "failed": len(found),
        "words": words,
        "faults": found[:20],
    }
