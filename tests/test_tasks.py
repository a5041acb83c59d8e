import dataclasses
import json

import numpy as np
import pytest

from bpjax import tasks
from bpjax.criteria import Criterion
from bpjax.errors import SettingError
from bpjax.learning import Recipe, Schedule
from bpjax.network import layered
from bpjax.task import Task

MARKS = {"verified", "secondary", "unverified"}


def rows(array):
    return ["".join(str(int(bit)) for bit in row) for row in array]


@pytest.mark.parametrize(
    ("task", "network", "num_parameters", "num_cases"),
    [
        (tasks.xor(), "2-2-1", 9, 4),
        (tasks.xor(direct=True), "2-1-1 with input to output", 7, 4),
        (tasks.xor(hidden=32), "2-32-1", 129, 4),
        (tasks.parity(), "4-4-1", 25, 16),
        (tasks.parity(bits=4, hidden=4, hidden_layers=3), "4-4-4-4-1", 65, 16),
        (tasks.encoder(), "8-3-8", 59, 8),
        (tasks.symmetry(), "6-2-1", 17, 64),
    ],
    ids=lambda value: getattr(value, "title", value),
)
def test_the_nets_are_the_printed_ones(task, network, num_parameters, num_cases):
    assert task.network.describe() == network
    assert task.network.num_parameters == num_parameters
    assert task.num_cases == num_cases


def test_xor_by_hand():
    task = tasks.xor()
    assert rows(task.inputs) == ["00", "01", "10", "11"]
    assert rows(task.targets) == ["0", "1", "1", "0"]


def test_parity_counts_ones():
    task = tasks.parity(bits=5)
    assert len(set(rows(task.inputs))) == 32
    for case, target in zip(rows(task.inputs), task.targets[:, 0], strict=True):
        assert target == case.count("1") % 2


def test_symmetry_reads_the_same_backwards():
    task = tasks.symmetry()
    assert len(set(rows(task.inputs))) == 64
    assert task.targets.sum() == 8
    for case, target in zip(rows(task.inputs), task.targets[:, 0], strict=True):
        assert target == (case == case[::-1])


def test_the_encoder_reproduces_its_input():
    task = tasks.encoder(size=5)
    assert task.inputs.tolist() == np.eye(5).tolist() == task.targets.tolist()


@pytest.mark.parametrize("name", tasks.TASKS)
def test_targets_may_be_within_reach(name):
    task = tasks.make_task(name, off=0.1, on=0.9)
    extreme = tasks.make_task(name)
    assert set(task.targets.flat) == {0.1, 0.9}
    assert ((task.targets > 0.5) == (extreme.targets > 0.5)).all()
    assert task.criterion == Criterion("tolerance", 0.4)
    assert task.options["off"] == 0.1


@pytest.mark.parametrize("name", tasks.TASKS)
def test_every_task_says_where_it_comes_from(name):
    task = tasks.make_task(name)
    assert task.name == name
    assert "1986" in task.source
    assert task.open_choices
    assert {figure.mark for figure in task.published} <= MARKS
    assert set(task.options) == set(tasks.option_defaults(name))
    again = tasks.make_task(name, **task.options)
    assert again.describe() == task.describe()
    assert json.loads(json.dumps(task.describe()))["name"] == name


def test_the_printed_recipes():
    recipe = tasks.symmetry().recipe  # Nature, Fig. 1
    assert (recipe.learning_rate, recipe.momentum, recipe.init_range) == (0.1, 0.9, 0.3)
    assert recipe.updates == "batch"
    assert tasks.xor(direct=True).recipe.learning_rate == 0.5
    assert tasks.xor().recipe.learning_rate == 0.25
    assert tasks.parity().recipe.learning_rate == 0.5


def test_published_figures_go_with_the_published_net_only():
    assert tasks.symmetry().published[0].epochs == 1425
    assert tasks.xor(direct=True).published[0].epochs == 558
    assert tasks.parity().published[0].epochs == 2825
    for other in (tasks.symmetry(bits=4), tasks.parity(bits=3), tasks.encoder(size=4)):
        assert other.published == ()


def test_published_figures_of_xor_go_with_the_number_of_hidden_units():
    assert [figure.source for figure in tasks.xor(direct=True).published] == ["p. 331", "Fig. 3"]
    assert tasks.xor(direct=True, hidden=2).published == ()
    assert tasks.xor(hidden=1).published == tasks.xor(hidden=64).published == ()
    assert [figure.source for figure in tasks.xor().published] == [
        "pp. 331-332",
        "Fig. 5",
        "p. 333",
    ]
    # 280 - 33 log2 H
    for hidden, epochs in {2: 247, 4: 214, 8: 181, 16: 148, 32: 115}.items():
        formula = tasks.xor(hidden=hidden).published[-1]
        assert (formula.epochs, formula.mark) == (epochs, "secondary")
        assert f"about {epochs} for {hidden}" in formula.figure


def test_what_was_not_read_and_what_is_secondary_is_said():
    for task in (tasks.xor(), tasks.xor(direct=True), tasks.parity(), tasks.encoder()):
        assert "Not in the part of the chapter that was read" in task.open_choices
        assert "secondary" in task.open_choices
    pages = {"xor": "pp. 331-333", "parity": "p. 335", "encoder": "pp. 335-338"}
    for name, where in pages.items():
        assert tasks.make_task(name).source.endswith(where)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_options_may_be_numpy_numbers(name):
    plain = tasks.make_task(name).options
    kinds = {int: np.int64, float: np.longdouble, bool: bool, str: np.str_}
    given = {option: kinds[type(value)](value) for option, value in plain.items()}
    options = tasks.make_task(name, **given).options
    assert options == plain
    assert [type(value) for value in options.values()] == [type(v) for v in plain.values()]
    json.dumps(options)


def test_settings_are_replaced_and_the_rest_is_kept():
    task = tasks.xor()
    changed = task.with_settings(learning_rate=0.7, max_epochs=5, loss_below=0.01)
    assert changed.recipe == dataclasses.replace(task.recipe, learning_rate=0.7, max_epochs=5)
    assert changed.criterion == Criterion("loss", 0.01)
    assert changed.network is task.network
    assert task.recipe.learning_rate == 0.25


def test_the_description_tells_every_setting_apart():
    task = tasks.xor()
    changes = {
        "learning_rate": 0.3,
        "momentum": 0.5,
        "weight_decay": 0.1,
        "init_range": 1.0,
        "max_epochs": 7,
        "optimizer": "adam",
        "updates": "case",
        "decay_biases": False,
        "tolerance": 0.4,
        "loss_below": 0.5,
    }
    described = [task.with_settings(**{name: value}).describe() for name, value in changes.items()]
    described += [task.describe(), tasks.xor(off=0.1).describe(), tasks.xor(hidden=3).describe()]
    scheduled = task.with_settings(learning_rate=Schedule((0.25, 0.5), (3,)))
    described.append(scheduled.describe())
    assert len({json.dumps(d, sort_keys=True) for d in described}) == len(described)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (
            "chess",
            {},
            "`TASK` must be one of xor, parity, encoder, symmetry, family-trees, got 'chess'.",
        ),
        (
            "xor",
            {"bits": 3},
            "`bits` is no option of task xor; its options: hidden, direct, off, on, got 3.",
        ),
        ("xor", {"hidden": 0}, "`hidden` must be a whole number of at least 1, got 0."),
        ("xor", {"hidden": 2.0}, "`hidden` must be a whole number of at least 1, got 2.0."),
        ("xor", {"hidden": True}, "`hidden` must be a whole number of at least 1, got True."),
        ("xor", {"direct": 1}, "`direct` must be true or false, got 1."),
        ("xor", {"off": 1.0}, "`off, on` must satisfy 0 <= off < on <= 1, got (1.0, 1.0)."),
        ("xor", {"on": "high"}, "`off, on` must satisfy 0 <= off < on <= 1, got (0.0, 'high')."),
        ("parity", {"bits": 13}, "`bits` must be a whole number from 2 to 12, got 13."),
        ("parity", {"hidden_layers": 0}, "`hidden_layers` must be a whole number from 1 to 20"),
        ("symmetry", {"bits": 1}, "`bits` must be a whole number from 2 to 12, got 1."),
        ("encoder", {"size": 1}, "`size` must be a whole number from 2 to 4096, got 1."),
    ],
)
def test_a_fault_of_an_option_is_named(name, options, words):
    with pytest.raises(SettingError) as fault:
        tasks.make_task(name, **options)
    assert words in str(fault.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rate": 1}, "`rate` is no setting; there are learning_rate, momentum, weight_decay, "),
        ({"tolerance": 0.4, "loss_below": 0.1}, "`loss_below` cannot go with `tolerance`, got 0.1"),
        ({"learning_rate": -1}, "`learning_rate` must be a positive finite number, got -1."),
        ({"tolerance": 2}, "`tolerance` must be above 0 and at most 1, got 2."),
    ],
)
def test_a_fault_of_a_setting_is_named(settings, words):
    with pytest.raises(SettingError) as fault:
        tasks.xor().with_settings(**settings)
    assert words in str(fault.value)


@pytest.mark.parametrize(
    ("inputs", "targets", "words"),
    [
        ((4, 3), (4, 1), "`inputs` must have shape (4, 2), got (4, 3)."),
        ((4, 2), (3, 1), "`targets` must have shape (4, 1), got (3, 1)."),
        ((4, 2), (4,), "`targets` must have shape (4, 1), got (4,)."),
    ],
)
def test_cases_must_fit_the_network(inputs, targets, words):
    with pytest.raises(SettingError) as fault:
        Task(
            name="mine",
            title="mine",
            options={},
            network=layered(2, 1),
            inputs=np.zeros(inputs),
            targets=np.zeros(targets),
            recipe=Recipe(learning_rate=0.1),
            source="none",
        )
    assert str(fault.value) == words
