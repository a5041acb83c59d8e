"""The settings that are keywords: their names and types, for Python and for a type checker."""

import dataclasses
import importlib.util
import inspect
import os
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import bpjax
from bpjax import keywords
from bpjax.errors import SettingError
from bpjax.recipe import Recipe
from bpjax.settings import SETTINGS
from bpjax.sweeps.planning import make_plan
from bpjax.task import CRITERION_SETTINGS, TASK_SETTINGS, is_grid
from bpjax.tasks import xor

SOURCE = Path(bpjax.__file__).parents[1]


def names(typed):
    return {*typing.get_type_hints(typed)}


def kinds(hint):
    """The members of a union; of a literal, its values."""
    parts = typing.get_args(hint) if not isinstance(hint, type) else (hint,)
    is_union = len(parts) > 1 and typing.get_origin(hint) is not typing.Literal
    return set().union(*map(kinds, parts)) if is_union else {hint}


def test_no_setting_is_missing_and_none_is_too_many():
    recipe = {field.name for field in dataclasses.fields(Recipe)}
    assert names(keywords.RecipeSettings) == recipe | {*CRITERION_SETTINGS}
    assert names(keywords.TaskSettings) == names(keywords.RecipeSettings) | {*TASK_SETTINGS}
    assert names(keywords.GridSettings) == names(keywords.TaskSettings)
    of_table = {s.name for s in SETTINGS if s.of in ("recipe", "criterion", "net")}
    assert names(keywords.TaskSettings) == of_table
    plan = {
        name
        for name, parameter in inspect.signature(make_plan).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert names(keywords.SweepSettings) == names(keywords.GridSettings) | plan
    of_rows = {"keep_weights", "summary_only", "refill", "zipped"}
    assert names(keywords.HistorySettings) == names(keywords.SweepSettings) - of_rows
    of_many = {"first_seed", "shard"}
    assert names(keywords.TrainSettings) == names(keywords.HistorySettings) - of_many


def test_a_setting_has_the_type_that_a_recipe_has():
    own, recipe = (typing.get_type_hints(kind) for kind in (keywords.RecipeSettings, Recipe))
    for name, hint in recipe.items():
        assert kinds(hint) <= kinds(own[name]), name


def test_a_grid_has_the_same_values_or_several():
    one, several = (
        typing.get_type_hints(kind) for kind in (keywords.TaskSettings, keywords.GridSettings)
    )
    single = {"max_epochs", "loss"}
    for name, hint in one.items():
        assert kinds(hint) <= kinds(several[name]), name
        assert (kinds(hint) == kinds(several[name])) == (name in single), name
        if name not in single:
            (rows,) = (k for k in kinds(several[name]) if "Sequence" in str(k))
            assert typing.get_args(rows) == (hint,)
    assert not is_grid("ab")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bpjax.sweep("xor", 10, learnin_rate=0.1), "Perhaps `learning_rate`"),
        (lambda: bpjax.sweep("xor", 10, kep_weights=True), "Perhaps `keep_weights`"),
        (lambda: bpjax.sweep("xor", 10, progres=True), "Perhaps `progress`"),
        (lambda: bpjax.sweep("xor", 10, hidden=3), "an option of the task"),
        (lambda: bpjax.train("xor", 1, lr=0.1), "Perhaps `learning_rate`"),
        (lambda: bpjax.train("xor", 1, recordevery=2), "Perhaps `record_every`"),
        (lambda: bpjax.train("xor", 1, momentun=0.1), "Perhaps `momentum`"),
        (lambda: xor().with_settings(tolerence=0.1), "Perhaps `tolerance`"),
        (lambda: bpjax.Task.from_arrays([[0]], [0], momentun=0.1), "Perhaps `momentum`"),
        (lambda: bpjax.loss_histories("xor", 1, momentun=0.1), "Perhaps `momentum`"),
        (lambda: bpjax.tasks.make_task("xor", hiden=3), "Perhaps `hidden`"),
    ],
)
def test_a_misspelled_name_is_refused_with_the_one_that_was_meant(call, words):
    with pytest.raises(SettingError, match=words):
        call()


CHECKED = """
import numpy as np
import optax  # type: ignore[import-untyped]
import bpjax
from bpjax import Initializer, Schedule, Unit

task = bpjax.tasks.xor()
soft = Unit(lambda x: x, lambda y: 1 + 0 * y)
rate = Schedule((0.1, 0.2), (20,))

bpjax.sweep(task, 10, learning_rate=0.1, momentum=rate, max_epochs=100, hidden_unit=soft)
bpjax.sweep("xor", 10, learning_rate=[0.1, 1], momentum=(0.5, 0.9), init_range=np.array([0.1]))
bpjax.sweep([task, task], 10, learning_rate=[0.1, rate], unit=["tanh", soft], optimizer="adam")
bpjax.sweep(task, 10, optimizer=optax.adam(0.1), order="shuffled", updates=["batch", "case", 2])
bpjax.sweep(task, 10, learning_rate=np.float32(0.1), initializer=Initializer("normal"))
bpjax.sweep(task, 10, first_seed=3, keep_weights=True, shard=(1, 2), loss=bpjax.CrossEntropy())
bpjax.sweep(task, 10, progress=True)
bpjax.sweep(task, 10, progress=lambda at: print(at.done, at.total, at.seconds))
bpjax.train(task, 7, learning_rate=1, tolerance=0.4, precision="float64", progress=print)
task.with_settings(loss="cross-entropy", output_unit="tanh", learning_rate=rate)
bpjax.Task.from_arrays([[0, 1]], [1], unit="tanh", learning_rate=0.5)
bpjax.loss_histories(task, 10, learning_rate=0.5, first_seed=3)

bpjax.sweep(task, 10, learnin_rate=0.1)  # WRONG
bpjax.sweep(task, 10, learning_rate="fast")  # WRONG
bpjax.sweep(task, 10, learning_rate=["fast"])  # WRONG
bpjax.sweep(task, 10, order="suffled")  # WRONG
bpjax.sweep(task, 10, keep_weights="yes")  # WRONG
bpjax.sweep(task, 10, hidden=2)  # WRONG
bpjax.sweep(task, 10, progress=3)  # WRONG
bpjax.train(task, 7, lr=0.1)  # WRONG
bpjax.train(task, 7, learning_rate=[0.1, 0.2])  # WRONG
task.with_settings(momentun=0.5)  # WRONG
task.with_settings(max_epochs=1.5)  # WRONG
bpjax.Task.from_arrays([[0, 1]], [1], learnin_rate=0.5)  # WRONG
bpjax.loss_histories(task, 10, learnin_rate=0.5)  # WRONG
bpjax.tasks.xor(hiden=3)  # WRONG
"""


@pytest.mark.slow
def test_a_type_checker_finds_what_is_wrong_and_nothing_else(tmp_path):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    (tmp_path / "user.py").write_text(CHECKED)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "user.py"],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(SOURCE), "MYPY_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("user.py:")]
    found = {int(line.split(":")[1]) for line in said if ": error:" in line}
    wrong = {k for k, line in enumerate(CHECKED.splitlines(), 1) if line.endswith("# WRONG")}
    assert found == wrong, done.stdout
    assert any("learnin_rate" in line and 'did you mean "learning_rate"' in line for line in said)


def test_the_package_says_that_it_is_typed():
    assert (SOURCE / "bpjax" / "py.typed").exists()
