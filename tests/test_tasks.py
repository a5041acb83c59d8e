import dataclasses
import json
import re

import numpy as np
import pytest
from scipy.optimize import linprog

import bpjax
from bpjax import tasks, witness
from bpjax.analysis.activations import activations_of
from bpjax.cli import main
from bpjax.criteria import Criterion
from bpjax.errors import SettingError
from bpjax.network import layered
from bpjax.params import Params, parameter_names, weight_matrix
from bpjax.recipe import Recipe
from bpjax.schedule import Schedule
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
        (tasks.xor(hidden=0), "2-1", 3, 4),
        (tasks.xor(hidden=0, direct=True), "2-1", 3, 4),
        (tasks.parity(hidden=0), "4-1", 5, 16),
        (tasks.encoder(hidden=0), "8-8", 72, 8),
        (tasks.symmetry(hidden=0), "6-1", 7, 64),
        (tasks.addition(hidden=0), "4-3", 15, 16),
        (tasks.negation(hidden=0), "4-3", 9, 16),
        (tasks.negation(hidden=0, wiring="full"), "4-3", 15, 16),
        (tasks.parity(), "4-4-1", 25, 16),
        (tasks.parity(bits=4, hidden=4, hidden_layers=3), "4-4-4-4-1", 65, 16),
        (tasks.encoder(), "8-3-8", 59, 8),
        (tasks.encoder(size=10, hidden=5), "10-5-10", 115, 10),
        (tasks.graded_code(), "2-1-4-4", 31, 4),
        (tasks.symmetry(), "6-2-1", 17, 64),
        (
            tasks.addition(),
            "4-1-1-3 with input to high_carry, input to output, low_carry to output",
            18,
            16,
        ),
        (
            tasks.addition(hidden=3),
            "4-1-1-1-3 with input to middle, input to left, input to output, right to output, "
            "middle to output",
            33,
            16,
        ),
        (tasks.negation(), "4-3-3 with input to output", 21, 16),
        (tasks.negation(wiring="full"), "4-3-3 with input to output", 39, 16),
        (tasks.t_c(), "16+1-36-1", 9 + 1 + 36 + 1, 40),
        (tasks.t_c(rows=5, columns=5), "25+1-49-1", 9 + 1 + 49 + 1, 84),
        (tasks.t_c(rows=3, columns=4, equal_output_weights=True), "12+1-30-1", 12, 22),
        (tasks.t_c(positions="one"), "16+1-36-1", 47, 8),
    ],
    ids=lambda value: getattr(value, "title", value),
)
def test_the_nets_are_the_printed_ones(task, network, num_parameters, num_cases):
    assert task.network.describe() == network
    assert task.network.num_parameters == num_parameters
    assert task.num_cases == num_cases


@pytest.mark.parametrize(
    ("task", "solvable"),
    [
        (tasks.xor(hidden=0), False),
        (tasks.parity(hidden=0), False),
        (tasks.symmetry(hidden=0), False),
        (tasks.addition(hidden=0), False),
        (tasks.negation(hidden=0, wiring="full"), False),
        (tasks.encoder(hidden=0), True),
    ],
    ids=lambda value: getattr(value, "title", value),
)
def test_without_hidden_units_only_the_encoder_can_be_solved(task, solvable):
    """An output has weights and a bias that solve it if a linear program says so."""
    ones = np.ones((task.num_cases, 1))
    parted = [
        linprog(
            np.zeros(task.network.num_in + 1),
            A_ub=np.where(column > 0.5, -1, 1)[:, None] * np.hstack([task.inputs, ones]),
            b_ub=-ones,
            bounds=(None, None),
        ).success
        for column in task.targets.T
    ]
    assert all(parted) == solvable
    assert "without hidden units" in task.title
    assert task.published == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["xor", "parity", "symmetry", "addition", "negation", "encoder"])
def test_every_command_takes_a_net_without_hidden_units(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    short = [name, "--hidden", "0", "--max-epochs", "9"]
    for words in (
        ["check", name, "--hidden", "0"],
        ["train", *short, "--out", "run"],
        ["explain", *short],
        ["sweep", *short, "--seeds", "8", "--keep-weights", "--out", "sweep"],
        ["verify", "sweep"],
        ["report", "sweep", "--out", "sweep.html"],
        ["report", "run", "--out", "run.html"],
        ["export", "sweep", "--format", "csv"],
    ):
        assert main(words) == 0, (words, capsys.readouterr().err)
    for figure in ("loss", "gradient-size", "network", "activities"):
        assert (tmp_path / f"run/figures/{figure}.png").is_file()
    task = tasks.make_task(name, hidden=0)
    weights = np.load(next((tmp_path / "sweep/chunks").glob("*.npz")))["weights"]
    found = activations_of(task.network, weights, task.inputs)
    assert list(found) == ["input", "output"]


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


@pytest.mark.parametrize(("size", "hidden"), [(2, 1), (3, 2), (4, 2), (5, 3), (9, 4), (16, 4)])
def test_the_encoder_has_log2_n_hidden_units(size, hidden):
    assert tasks.encoder(size=size).options["hidden"] == hidden
    assert tasks.encoder(size=size, hidden=7).options["hidden"] == 7


@pytest.mark.parametrize("bits", range(2, 9))
def test_parity_of_two_to_eight_bits(bits):
    task = tasks.parity(bits=bits)
    assert task.network.describe() == f"{bits}-{bits}-1"
    assert task.network.num_parameters == (bits + 1) ** 2
    assert task.num_cases == 2 * int(task.targets.sum()) == 2**bits
    assert [figure.mark for figure in task.published] == (["secondary"] if bits == 4 else [])
    # The solution of Fig. 6: hidden unit k is on when k or more inputs are on.
    counts = np.arange(bits)
    params = Params(
        {
            ("input", "hidden"): np.ones((bits, bits)),
            ("hidden", "output"): (-1.0) ** counts[:, None],
        },
        {"hidden": -0.5 - counts, "output": np.array([-0.5])},
    )
    assert (answers(task, params) == task.targets).all()


def answers(task, params, scale=40.0):
    """Which outputs are on when all weights are large, so that every unit is a threshold unit."""
    large = Params(
        {key: scale * np.asarray(entry) for key, entry in params.weight.items()},
        {name: scale * np.asarray(entry) for name, entry in params.bias.items()},
    )
    outputs = witness.all_activations(task.network, large, task.inputs)[task.network.outputs[0]]
    assert (np.abs(outputs - 0.5) > 0.49).all()
    return outputs > 0.5


def test_the_graded_code_is_table_6():
    task = tasks.graded_code()
    assert rows(task.inputs) == ["00", "01", "10", "11"]
    assert rows(task.targets) == ["1000", "0100", "0010", "0001"]


# ---- addition -----------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [2, 3])
def test_addition_adds(hidden):
    task = tasks.addition(hidden=hidden)
    assert len(set(rows(task.inputs))) == 16
    for case, target in zip(rows(task.inputs), rows(task.targets), strict=True):
        assert int(case[:2], 2) + int(case[2:], 2) == int(target, 2)


def wires(task):
    """All existing weights, as (source, target) with units named in words."""
    units = {
        ("input", 0): "a high",
        ("input", 1): "a low",
        ("input", 2): "b high",
        ("input", 3): "b low",
        ("output", 0): "highest",
        ("output", 1): "middle sum",
        ("output", 2): "lowest",
    }
    found = set()
    for c in task.network.connections:
        shape = task.network.weight_shape(c)
        mask = np.ones(shape) if c.mask is None else np.array(c.mask)
        for i, j in np.argwhere(mask).tolist():
            source = units.get((c.source, i), c.source)
            found.add((source, units.get((c.target, j), c.target)))
    return found


def pairs(words):
    """Pairs of "target: source, source; ..."."""
    parts = [part.split(":") for part in words.split(";")]
    return {(s.strip(), target.strip()) for target, names in parts for s in names.split(",")}


def test_the_minimal_net_of_addition_is_figure_10():
    assert wires(tasks.addition()) == pairs(
        "low_carry: a low, b low; high_carry: a high, b high, low_carry; highest: high_carry; "
        "middle sum: a high, b high, low_carry, high_carry; lowest: a low, b low, low_carry"
    )


def test_the_net_found_for_addition_is_figure_11():
    assert wires(tasks.addition(hidden=3)) == pairs(
        "right: a low, b low; middle: a high, a low, b high, b low, right; "
        "left: a high, a low, b high, b low, middle; lowest: a low, b low, right; "
        "middle sum: a high, a low, b high, b low, left, middle; "
        "highest: a high, a low, b high, b low, middle, right"
    )


@pytest.mark.parametrize(("hidden", "num_weights"), [(2, 27), (3, 35)])
def test_full_wiring_of_addition_adds_to_what_is_drawn(hidden, num_weights):
    full = wires(tasks.addition(hidden=hidden, wiring="full"))
    assert full > wires(tasks.addition(hidden=hidden))
    assert len(full) == num_weights
    assert tasks.addition(hidden=hidden, wiring="full").network.num_parameters == (
        num_weights + hidden + 3
    )


def test_the_minimal_net_can_add():
    task = tasks.addition()
    low, high = [[0.0], [1.0], [0.0], [1.0]], [[1.0], [0.0], [1.0], [0.0]]
    params = Params(
        {
            ("input", "low_carry"): low,
            ("input", "high_carry"): high,
            ("low_carry", "high_carry"): [[1.0]],
            ("input", "output"): [[0, 1, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1]],
            ("low_carry", "output"): [[0.0, 1.0, -2.0]],
            ("high_carry", "output"): [[1.0, -2.0, 0.0]],
        },
        {"low_carry": [-1.5], "high_carry": [-1.5], "output": [-0.5, -0.5, -0.5]},
    )
    assert (answers(task, params) == task.targets).all()


# ---- negation -----------------------------------------------------------------------------------


def test_negation_turns_the_bits_round():
    task = tasks.negation()
    assert len(set(rows(task.inputs))) == 16
    turned = str.maketrans("01", "10")
    for case, target in zip(rows(task.inputs), rows(task.targets), strict=True):
        assert target == (case[1:].translate(turned) if case[0] == "1" else case[1:])


def test_negation_is_three_exclusive_ors_side_by_side():
    task = tasks.negation()
    own = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    masks = {c.key: np.array(c.mask) for c in task.network.connections}
    assert (masks["input", "hidden"] == own).all()
    assert (masks["input", "output"] == own).all()
    assert (masks["hidden", "output"] == np.eye(3)).all()
    params = Params(  # Fig. 2, three times
        {
            ("input", "hidden"): 1.0 * own,
            ("input", "output"): 1.0 * own,
            ("hidden", "output"): -2.0 * np.eye(3),
        },
        {"hidden": [-1.5] * 3, "output": [-0.5] * 3},
    )
    assert (answers(task, params) == task.targets).all()


def test_full_wiring_of_negation_leaves_nothing_out():
    assert all(c.mask is None for c in tasks.negation(wiring="full").network.connections)


# ---- T-C ----------------------------------------------------------------------------------------

A_T, A_C = {(0, 0), (0, 1), (0, 2), (1, 1), (2, 1)}, {(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)}
ON_CENTRE = [[-1, -1, -1], [-1, 2, -1], [-1, -1, -1]]
VERTICAL_BAR = [[-1, 1, -1]] * 3
DIAGONAL_BAR = [[1, -1, -1], [-1, 2, -1], [-1, -1, 1]]
COMPACTNESS = [[-2] * 3] * 3


def in_the_corner(cells):
    top, left = min(row for row, _ in cells), min(column for _, column in cells)
    return frozenset((row - top, column - left) for row, column in cells)


def orientations(cells):
    turned = [cells]
    for _ in range(3):
        turned.append({(column, -row) for row, column in turned[-1]})
    return set(map(in_the_corner, turned))


def shown(task):
    """Per case the cells that are on."""
    num_cells = task.options["rows"] * task.options["columns"]
    shape = (task.options["rows"], task.options["columns"])
    return [
        frozenset(map(tuple, np.argwhere(row[:num_cells].reshape(shape)).tolist()))
        for row in task.inputs
    ]


@pytest.mark.parametrize("shape", [(4, 4), (3, 3), (5, 6)])
def test_t_and_c_are_shown_in_every_orientation_wherever_they_fit(shape):
    task = tasks.t_c(*shape)
    assert (task.inputs[:, -1] == 1).all()
    is_t = task.targets[:, 0] == 1
    for cells, kind in ((A_T, is_t), (A_C, ~is_t)):
        assert len(orientations(cells)) == 4
        expected = set()
        for pattern in orientations(cells):
            for top, left in np.ndindex(shape):
                moved = frozenset((row + top, column + left) for row, column in pattern)
                if all(row < shape[0] and column < shape[1] for row, column in moved):
                    expected.add(moved)
        cases = [case for case, chosen in zip(shown(task), kind, strict=True) if chosen]
        assert len(cases) == len(set(cases))
        assert set(cases) == expected


def test_t_and_c_in_one_place():
    task = tasks.t_c(rows=5, columns=5, positions="one")
    assert task.targets[:, 0].tolist() == [1.0] * 4 + [0.0] * 4
    corners = set(map(in_the_corner, shown(task)))
    assert corners == orientations(A_T) | orientations(A_C)
    for cells in shown(task):
        assert all(1 <= row <= 3 and 1 <= column <= 3 for row, column in cells)


def net_inputs(task, detector):
    """Of every hidden unit at every case, when all have the weights of one detector."""
    weights = {
        ("retina", "hidden"): np.array(detector, np.float32).reshape(-1),
        ("always_on", "hidden"): np.zeros(1, np.float32),
    }
    incoming = task.network.incoming["hidden"]
    matrix = np.vstack([weight_matrix(c, weights[c.key]) for c in incoming])
    return task.inputs @ matrix


@pytest.mark.parametrize(
    ("detector", "count", "of_a_t", "of_a_c"),
    [
        (ON_CENTRE, lambda net: (net > 0).sum(axis=1), 1, 0),
        (VERTICAL_BAR, lambda net: net.max(axis=1), 2, 1),
        (DIAGONAL_BAR, lambda net: (net > 0).sum(axis=1), 5, 3),
        (COMPACTNESS, lambda net: (net < 0).sum(axis=1), 21, 20),
    ],
    ids=["on-centre", "vertical bar", "diagonal bar", "compactness"],
)
@pytest.mark.parametrize("options", [{}, {"rows": 5, "columns": 3}, {"positions": "one"}], ids=str)
def test_the_detectors_of_figure_15_tell_a_t_from_a_c(detector, count, of_a_t, of_a_c, options):
    task = tasks.t_c(**options)
    expected = np.where(task.targets[:, 0] == 1, of_a_t, of_a_c)
    assert (count(net_inputs(task, detector)) == expected).all()


def test_every_hidden_unit_sees_another_window():
    task = tasks.t_c(rows=4, columns=3)
    (connection, threshold) = task.network.incoming["hidden"]
    kernel = np.arange(1, 10, dtype=np.float32)
    matrix = np.asarray(weight_matrix(connection, kernel)).reshape(4, 3, 6, 5)
    for row, column, down, right in np.ndindex(matrix.shape):
        i, j = row - (down - 2), column - (right - 2)  # its place in that unit's window
        inside = 0 <= i < 3 and 0 <= j < 3
        assert matrix[row, column, down, right] == (3 * i + j + 1 if inside else 0)
    assert threshold.num_free == 1
    assert not [name for name in parameter_names(task.network) if "bias hidden" in name]


@pytest.mark.parametrize("equal", [False, True])
def test_one_detector_solves_t_c_at_every_place(equal):
    task = tasks.t_c(equal_output_weights=equal)
    params = Params(
        {
            ("retina", "hidden"): np.array(ON_CENTRE, float).reshape(-1),
            ("always_on", "hidden"): np.array([-0.5]),
            ("hidden", "output"): np.ones(1 if equal else (36, 1)),
        },
        {"output": np.array([-0.5])},
    )
    assert (answers(task, params) == task.targets).all()


# ---- all tasks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [name for name in tasks.TASKS if "off" in tasks.option_defaults(name)]
)
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
    assert re.search(r"\b(19|20)\d\d\b", task.source), "with its year"
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
    assert {figure.mark for figure in tasks.encoder(size=10, hidden=5).published} == {"unverified"}
    assert tasks.encoder().published[0].mark == "verified"
    sources = [[f.source for f in tasks.addition(hidden=h).published] for h in (2, 3)]
    assert sources == [["Fig. 10", "ch. 8"], ["Table 8", "ch. 8"]]
    for other in (
        tasks.symmetry(bits=4),
        tasks.encoder(size=10),
        tasks.parity(bits=3),
        tasks.encoder(size=4),
    ):
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
    pages = {
        "xor": "pp. 331-333",
        "parity": "p. 335",
        "encoder": "pp. 335-338",
        "graded-code": "Fig. 8, Tables 6-7",
        "addition": "Figs 10-11, Table 8",
        "negation": "Fig. 12, Table 9",
        "t-c": "Figs 13-15",
        "shift-register": "Fig. 17",
        "sequence": "pp. 358-359, Tables 10-11",
        "timing": "Table 12",
    }
    for name, where in pages.items():
        assert tasks.make_task(name).source.endswith(where)
    for task in (*map(tasks.make_task, pages), tasks.xor(direct=True)):
        assert "Not in the part of the chapter that was read" in task.open_choices
        assert "secondary" in task.open_choices


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
            f"`TASK` must be one of {', '.join(tasks.TASKS)}, got 'chess'.",
        ),
        (
            "xor",
            {"bits": 3},
            "`bits` is no option of task xor; its options: hidden, direct, off, on, inputs, got 3.",
        ),
        ("xor", {"hidden": -1}, "`hidden` must be a whole number of at least 0, got -1."),
        ("xor", {"hidden": 2.0}, "`hidden` must be a whole number of at least 0, got 2.0."),
        ("xor", {"hidden": True}, "`hidden` must be a whole number of at least 0, got True."),
        ("xor", {"direct": 1}, "`direct` must be true or false, got 1."),
        ("xor", {"off": 1.0}, "`off, on` must satisfy -1 <= off < on <= 1, got (1.0, 1.0)."),
        ("xor", {"on": "high"}, "`off, on` must satisfy -1 <= off < on <= 1, got (0.0, 'high')."),
        ("parity", {"bits": 13}, "`bits` must be a whole number from 2 to 12, got 13."),
        ("parity", {"hidden_layers": 0}, "`hidden_layers` must be a whole number from 1 to 20"),
        ("symmetry", {"bits": 1}, "`bits` must be a whole number from 2 to 12, got 1."),
        ("encoder", {"size": 1}, "`size` must be a whole number from 2 to 1024, got 1."),
        ("encoder", {"hidden": -1}, "`hidden` must be a whole number of at least 0, got -1."),
        ("graded-code", {"off": -2}, "`off, on` must satisfy -1 <= off < on <= 1, got (-2, 1.0)."),
        ("graded-code", {"hidden": 2}, "`hidden` is no option of task graded-code; its options: "),
        ("addition", {"hidden": 1}, "`hidden` must be 0, 2 or 3, got 1."),
        ("addition", {"hidden": 4}, "`hidden` must be 0, 2 or 3, got 4."),
        ("addition", {"wiring": "loose"}, "`wiring` must be drawn or full, got 'loose'."),
        ("negation", {"hidden": 2}, "`hidden` must be 0 or 3, got 2."),
        (
            "parity",
            {"hidden": 0, "hidden_layers": 2},
            "`hidden_layers` must be 1 with `hidden` 0: there are none, got 2.",
        ),
        ("negation", {"wiring": True}, "`wiring` must be drawn or full, got True."),
        ("t-c", {"rows": 2}, "`rows` must be a whole number from 3 to 12, got 2."),
        ("t-c", {"columns": 13}, "`columns` must be a whole number from 3 to 12, got 13."),
        ("t-c", {"positions": 8}, "`positions` must be all or one, got 8."),
        ("t-c", {"equal_output_weights": 1}, "`equal_output_weights` must be true or false"),
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


# ---- iterative nets ------------------------------------------------------------------------------


def test_the_shift_register_moves_every_pattern_on():
    for units, steps in [(3, 2), (5, 2), (4, 1), (3, 3)]:
        task = tasks.shift_register(units=units, steps=steps)
        assert task.num_cases == 2**units
        assert task.network.num_parameters == units * units + units
        for pattern, wanted in zip(task.inputs.tolist(), task.targets.tolist(), strict=True):
            for place in range(units):
                assert wanted[(place + steps) % units] == pattern[place]


MEANING = {"A": (1, 2), "B": (2, 3), "C": (3, 1), "D": (2, 1), "E": (1, 3)}


def test_the_sequences_are_those_of_table_10():
    task = tasks.sequence()
    assert task.network.num_parameters == 5 * 30 + 30 * 30 + 30 * 3 + 30 + 3
    pairs = []
    for row, wanted in zip(task.inputs, task.targets, strict=True):
        first, start, second = row[:5], row[5:35], row[35:]
        assert (start == 0.2).all()
        pair = "".join("ABCDE"[letter.argmax()] for letter in (first, second))
        assert first.sum() == second.sum() == 1
        digits = [int(place.argmax()) + 1 for place in wanted.reshape(4, 3)]
        assert digits == [*MEANING[pair[0]], *MEANING[pair[1]]]
        pairs.append(pair)
    assert len(set(pairs)) == 25
    assert {pairs[row] for row in task.held_out} == {"AD", "BE", "CA", "DB", "EC"}


def test_the_timings_are_those_of_table_12():
    task = tasks.timing()
    assert (task.num_cases, task.num_held_out) == (150, 20)
    shown = []
    for row, wanted in zip(task.inputs, task.targets, strict=True):
        steps = np.vstack([row[:5], row[65:].reshape(3, 5)])
        letters = "".join("ABCDE"[step.argmax()] if step.any() else "-" for step in steps)
        digits = "".join(str(place.argmax() + 1) for place in wanted.reshape(4, 3))
        shown.append(letters + digits)
    assert len(set(shown)) == 150
    printed = {"EA--1312", "-EA-1312", "E-A-1312", "-E-A1312", "E--A1312", "--EA1312"}
    assert {words for words in shown if words.replace("-", "") == "EA1312"} == printed
    assert all(words.endswith("1312") == ("EA" in words.replace("-", "")) for words in shown)


def test_pairs_to_hold_out_can_be_named_or_counted():
    assert tasks.sequence(held_out="AA EE").held_out == (0, 24)
    assert tasks.sequence(held_out=3).held_out == 3
    assert tasks.sequence(held_out=0).num_held_out == 0
    with pytest.raises(SettingError, match="`held_out` must be a number, or pairs of the letters"):
        tasks.sequence(held_out="AF")


def test_weight_changes_must_fit_their_counter():
    """They are counted in 32 bits; one more would start the schedules over."""
    most = (2**31 - 1) // 4
    assert tasks.xor().with_settings(updates="case", max_epochs=most).recipe.max_epochs == most
    assert tasks.xor().with_settings(max_epochs=most + 1).recipe.max_epochs == most + 1
    words = f"`max_epochs` must be at most {most:,} where weights change 4 times an epoch"
    with pytest.raises(SettingError, match=f"{words}, got {most + 1}"):
        tasks.xor().with_settings(updates="case", max_epochs=most + 1)


def test_equal_output_weights_are_said_to_be_hard():
    assert "2 of 100" in tasks.t_c(equal_output_weights=True).open_choices
    assert "of 100" not in tasks.t_c().open_choices


# ---- of one's own --------------------------------------------------------------------------------


def test_arrays_make_a_task_that_trains_like_the_one_written_out():
    xor = tasks.xor()
    settings = {"hidden": 2, "learning_rate": 0.25, "init_range": 0.3}
    ours = Task.from_arrays(xor.inputs.tolist(), xor.targets[:, 0], **settings)
    for name in ("status", "epochs", "loss"):
        assert np.array_equal(bpjax.sweep(ours, 50)[name], bpjax.sweep(xor, 50)[name])


def test_arrays_make_the_net_that_they_need():
    task = Task.from_arrays(
        np.zeros((5, 3)), np.zeros((5, 2)), (4, 7), unit="tanh", output_unit="linear", held_out=1
    )
    assert [(layer.size, layer.activation) for layer in task.network.layers[1:]] == [
        (4, "tanh"),
        (7, "tanh"),
        (2, "linear"),
    ]
    assert task.num_held_out == 1
    assert Task.from_arrays([[0], [1]], [0, 1], ()).network.describe() == "1-1"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([[0.0]], [[0.0], [1.0]]), "`targets` must have shape"),
        (([0.0, 1.0], [0.0, 1.0]), "`inputs` must be a table"),
        (([], []), "`inputs` must be a table"),
        ((["a"], [0.0]), "`inputs` must be a table of numbers"),
        (([[float("nan")]], [0.0]), "`inputs` must be finite"),
        (([[0.0]], [0.0], 0), "`size` of layer 'hidden' must be"),
        (([[0.0]], [0.0], (2, "x")), "`size` of layer 'hidden2' must be"),
    ],
)
def test_arrays_that_make_no_task_are_refused(arguments, says):
    with pytest.raises(SettingError, match=says):
        Task.from_arrays(*arguments)


def test_a_task_needs_a_net_and_cases_and_no_more():
    task = Task(layered(2, 2, 1), [[0, 1]], [[1]])
    assert task.title == "task, 2-2-1"
    assert bpjax.train(task, 0, max_epochs=3).epochs == 3


@pytest.mark.parametrize("name", ["xor", "parity", "symmetry", "negation", "addition"])
def test_boolean_tasks_can_be_bipolar(name):
    usual, other = tasks.make_task(name), tasks.make_task(name, inputs="bipolar", off=-1, on=1)
    np.testing.assert_array_equal(other.inputs, 2 * usual.inputs - 1)
    np.testing.assert_array_equal(other.targets, 2 * usual.targets - 1)
    assert other.criterion.threshold == 1  # the right side of the middle
    with pytest.raises(SettingError, match="`inputs` must be binary or bipolar"):
        tasks.make_task(name, inputs="ternary")


def test_a_bipolar_net_of_tanh_units_learns_exclusive_or():
    task = tasks.make_task("xor", inputs="bipolar", off=-1, on=1)
    found = bpjax.sweep(task, 50, unit="tanh", max_epochs=2000)
    assert found.summary()["success_rate"]["estimate"] > 0.8
