"""The table of settings: it lists what recipe, initialiser and criterion have, and no more."""

import dataclasses
import inspect

import pytest

from bpjax.layouts import IMPLEMENTATIONS, LAYOUTS, layout_named
from bpjax.layouts.lanes import Layout
from bpjax.learning import OPTIMIZERS
from bpjax.recipe import Recipe
from bpjax.settings import CRITERIA, RULES, SETTINGS, settings_by
from bpjax.starts.initial import Initializer
from bpjax.sweeps.planning import make_plan
from bpjax.task import CRITERION_SETTINGS
from bpjax.tasks import xor


def names(of):
    return {setting.name for setting in SETTINGS if setting.of == of}


def test_every_setting_of_recipe_initialiser_and_criterion_has_its_row():
    assert names("recipe") == {field.name for field in dataclasses.fields(Recipe)}
    assert names("initializer") == {field.name for field in dataclasses.fields(Initializer)}
    assert names("criterion") == {*CRITERIA} == {*CRITERION_SETTINGS}
    assert names("sweep") <= {*inspect.signature(make_plan).parameters}
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


def test_what_is_usual_is_the_default_of_a_recipe():
    usual = {s.name: s.usual for s in SETTINGS if s.of == "recipe" and s.usual is not None}
    recipe = {name: getattr(xor().recipe, name) for name in usual}
    assert {name: repr(v) if name == "initializer" else v for name, v in recipe.items()} == usual


def test_what_is_said_by_set_has_another_value_than_the_usual_for_an_example():
    for setting in settings_by("set"):
        assert setting.help != str(setting.usual).lower()


def test_every_rule_by_name_has_its_words():
    assert RULES.keys() == OPTIMIZERS.keys()


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_says_of_itself_what_it_is(name):
    assert isinstance(layout_named(name), Layout)
    assert ("auto", *LAYOUTS) == IMPLEMENTATIONS
