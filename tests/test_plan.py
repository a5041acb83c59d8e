"""Which runs a sweep has: their numbers, cells, compiled programs, shards and identity."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpjax.errors import SettingError
from bpjax.params import parameter_names
from bpjax.results.chunks import every_run, num_runs_of
from bpjax.schedule import Schedule
from bpjax.starts.initial import Initializer
from bpjax.sweeps.planning import check_seed, make_plan
from bpjax.task import Task
from bpjax.tasks import make_task, parity, symmetry, xor

# ---- runs ---------------------------------------------------------------------------------------


def test_runs_are_the_seeds_of_the_first_cell_then_of_the_next():
    plan = make_plan(xor(), 3, first_seed=5, learning_rate=[0.25, 0.5], momentum=[0.8, 0.9])
    runs = every_run(plan.runs)

    assert plan.num_runs == 12
    assert plan.runs.tolist() == [[k * 10**10 + 5, k * 10**10 + 8] for k in range(4)]
    assert plan.seeds_of(runs).tolist() == [5, 6, 7] * 4
    columns = plan.columns_of(runs)
    assert columns["learning_rate"].tolist() == [0.25] * 6 + [0.5] * 6
    assert columns["momentum"].tolist() == [0.8] * 3 + [0.9] * 3 + [0.8] * 3 + [0.9] * 3


def test_the_numbers_of_a_run_do_not_depend_on_the_others_asked_for():
    plan = make_plan(xor(), 3, learning_rate=[0.25, 0.5, 1.0], momentum=0.8, tolerance=0.3)
    some = every_run(plan.runs)[[8, 3, 3]]

    settings = plan.settings_of(some)
    assert plan.seeds_of(some).tolist() == [2, 0, 0]
    assert plan.columns_of(some)["learning_rate"].tolist() == [1.0, 0.5, 0.5]
    assert settings.learning_rate.tolist() == [[1.0, 0.5, 0.5]]
    np.testing.assert_array_equal(settings.momentum, np.full((1, 3), 0.8, np.float32))
    np.testing.assert_array_equal(settings.threshold, np.full(3, 0.3, np.float32))
    np.testing.assert_array_equal(settings.init_range, np.full(3, 0.3, np.float32))
    np.testing.assert_array_equal(settings.weight_decay, np.zeros((1, 3)))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_settings_have_the_precision_of_the_sweep(precision):
    settings = make_plan(xor(), 3, precision=precision).settings_of(np.arange(3))
    assert {column.dtype.name for column in settings} == {precision}


def test_the_last_seed_there_is_can_be_run():
    plan = make_plan(xor(), 2, first_seed=2**32 - 2)
    seeds = plan.seeds_of(every_run(plan.runs))
    assert seeds.dtype == np.uint32
    assert seeds.tolist() == [2**32 - 2, 2**32 - 1]


def test_a_sweep_without_a_grid_has_no_columns_of_settings():
    plan = make_plan(xor(), 4, learning_rate=0.5)
    assert plan.columns_of(np.arange(4)) == {}
    assert plan.cells[0].task.recipe.learning_rate == 0.5


def test_a_list_of_one_value_is_a_grid():
    plan = make_plan(xor(), 4, learning_rate=[0.5])
    assert plan.columns_of(np.arange(4))["learning_rate"].tolist() == [0.5] * 4


def test_every_run_keeps_its_settings_whatever_their_kind():
    tasks = [xor(hidden=h, direct=d) for h in (2, 3) for d in (False, True)]
    plan = make_plan(tasks, 1, optimizer=["paper", "adam"], decay_biases=[True, False])
    columns = plan.columns_of(every_run(plan.runs)[[0, 7, 15]])
    assert {name: column.tolist() for name, column in columns.items()} == {
        "hidden": [2, 2, 3],
        "direct": [False, True, True],
        "optimizer": ["paper", "adam", "adam"],
        "decay_biases": [True, False, False],
    }


# ---- cells and compiled programs ----------------------------------------------------------------


def extents(plan):
    return [(group.start // 10**10, group.stop // 10**10) for group in plan.groups()]


def test_a_grid_of_traced_settings_is_one_program():
    plan = make_plan(
        xor(),
        10,
        learning_rate=[0.25, 0.5],
        momentum=[0.0, 0.9],
        weight_decay=[0.0, 0.001],
        init_range=[0.3, 1.0],
        tolerance=[0.4, 0.5],
    )
    assert extents(plan) == [(0, 32)]


def test_structural_variants_are_one_program_each():
    plan = make_plan([xor(hidden=2), xor(hidden=3)], 5, learning_rate=[0.25, 0.5])
    assert extents(plan) == [(0, 2), (2, 4)]
    assert [group.task.network.describe() for group in plan.groups()] == ["2-2-1", "2-3-1"]
    assert [group.program.network for group in plan.groups()] == [
        xor(hidden=2).network,
        xor(hidden=3).network,
    ]
    assert plan.columns_of(every_run(plan.runs))["hidden"].tolist() == [2] * 10 + [3] * 10


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("optimizer", ["paper", "adam"]),
        ("updates", ["batch", "case"]),
        ("decay_biases", [True, False]),
        ("initializer", [Initializer(), Initializer("normal")]),
        ("learning_rate", [Schedule((0.1, 0.2), (5,)), Schedule((0.1, 0.2), (6,))]),
        ("learning_rate", [0.1, Schedule((0.1, 0.2), (5,))]),
    ],
)
def test_settings_that_change_the_program_split_it(name, values):
    plan = make_plan(xor(), 5, **{name: values})
    assert extents(plan) == [(0, 1), (1, 2)]


def test_cases_that_differ_split_the_program():
    plan = make_plan([xor(), xor(off=0.1, on=0.9)], 5)
    programs = [group.program for group in plan.groups()]
    assert extents(plan) == [(0, 1), (1, 2)]
    assert programs[0] == programs[1], "one compilation serves both"


def test_schedules_with_the_same_changes_share_a_program_and_are_named_in_the_table():
    rates = [Schedule((0.1, 0.2), (5,)), Schedule((0.3, 0.4), (5,))]
    plan = make_plan(xor(), 2, learning_rate=rates)
    assert extents(plan) == [(0, 2)]
    runs = every_run(plan.runs)
    np.testing.assert_array_equal(
        plan.settings_of(runs).learning_rate,
        np.array([[0.1, 0.1, 0.3, 0.3], [0.2, 0.2, 0.4, 0.4]], np.float32),
    )
    names = plan.columns_of(runs)["learning_rate"].tolist()
    assert names == ["0.1, 0.2 from 5"] * 2 + ["0.3, 0.4 from 5"] * 2


@pytest.mark.parametrize("decays", [[0.0, 0.1], [0.1, 0.0]])
def test_one_run_that_decays_makes_all_of_a_sweep_do_so_perhaps_by_nothing(decays):
    (group,) = make_plan(xor(), 2, weight_decay=decays).groups()
    assert group.program.decays


@pytest.mark.parametrize("name", ["loss", "status", "weights"])
def test_options_that_differ_may_not_have_the_name_of_a_column(name):
    variants = [dataclasses.replace(xor(), options={name: value}) for value in ("one", "two")]
    with pytest.raises(SettingError, match=f"`{name}` must be the same in all variants"):
        make_plan(variants, 5)
    assert make_plan(variants[0], 5).num_runs == 5


# ---- shards -------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 3), st.data())
@settings(deadline=None, max_examples=40)  # up to a hundred plans each
def test_shards_hold_every_run_exactly_once(seeds, num_hidden, data):
    tasks = [xor(hidden=2 + k) for k in range(num_hidden)]
    count = data.draw(st.integers(1, seeds * num_hidden))
    shards = [make_plan(tasks, seeds, shard=(k + 1, count)) for k in range(count)]

    whole = make_plan(tasks, seeds)
    runs = np.concatenate([every_run(shard.runs) for shard in shards])
    np.testing.assert_array_equal(runs, every_run(whole.runs))
    sizes = {num_runs_of(shard.runs) for shard in shards}
    assert max(sizes) - min(sizes) <= 1
    groups = [[(one.program, one.start) for one in each.groups()] for each in (whole, *shards)]
    assert groups == groups[:1] * (count + 1)


def test_a_run_has_the_same_seed_and_settings_in_its_shard():
    whole = make_plan(xor(), 7, learning_rate=[0.25, 0.5])
    part = make_plan(xor(), 7, learning_rate=[0.25, 0.5], shard=(2, 3))
    runs = every_run(part.runs)
    assert part.num_runs == whole.num_runs
    np.testing.assert_array_equal(part.seeds_of(runs), whole.seeds_of(runs))
    np.testing.assert_array_equal(part.settings_of(runs)[0], whole.settings_of(runs)[0])


# ---- identity -----------------------------------------------------------------------------------

BASE = {
    "task": (xor, {}),
    "seeds": 10,
    "learning_rate": 0.25,
    "weight_decay": 0.0,
    "tolerance": 0.4,
}


def identity(**changes):
    arguments = BASE | changes
    task, options = arguments.pop("task")
    return make_plan(task(**options), arguments.pop("seeds"), **arguments).identity()


def test_the_identity_is_json_and_comes_back_from_it_unchanged():
    plan = make_plan(
        [xor(hidden=2, direct=True), xor(hidden=3, direct=True)],
        5,
        learning_rate=[0.1, Schedule((0.1, 0.2), (5,))],
        initializer=Initializer("normal", "zero"),
        shard=(2, 3),
    )
    text = json.dumps(plan.identity(), allow_nan=False)
    assert json.dumps(json.loads(text)) == text
    assert json.loads(text)["columns"] == ["hidden", "learning_rate"]
    assert json.loads(text)["shard"] == {"index": 2, "count": 3}
    seeds = json.loads(text)["seeds"]
    assert (seeds, json.loads(text)["runs"]) == (
        [[0, 5]],
        [[10000000001, 10000000005], [20000000000, 20000000003]],
    )


def test_the_same_sweep_has_the_same_identity():
    assert identity() == identity()
    assert identity(implementation="auto") == identity(implementation="unrolled")
    assert identity(block_size=128, precision="float32", first_seed=0) == identity()


@pytest.mark.parametrize(
    "change",
    [
        {"task": (symmetry, {})},
        {"task": (xor, {"hidden": 3})},
        {"task": (xor, {"direct": True})},
        {"task": (xor, {"off": 0.1})},
        {"task": (xor, {"on": 0.9})},
        {"seeds": 11},
        {"first_seed": 1},
        {"learning_rate": 0.26},
        {"learning_rate": [0.25]},
        {"learning_rate": Schedule((0.25, 0.5), (20,))},
        {"momentum": 0.8},
        {"weight_decay": 0.001},
        {"init_range": 0.5},
        {"max_epochs": 9_999},
        {"optimizer": "sgd"},
        {"updates": "case"},
        {"decay_biases": False},
        {"initializer": Initializer("normal")},
        {"initializer": Initializer(biases="zero")},
        {"tolerance": 0.5},
        {"precision": "float64"},
        {"block_size": 256},
        {"keep_weights": True},
        {"shard": (1, 2)},
        {"shard": (2, 2)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_that_defines_a_sweep_is_in_its_identity(change):
    assert identity(**change) != identity()


def test_the_kind_of_criterion_is_in_the_identity():
    by_loss = make_plan(xor(), 10, loss_below=0.4).identity()
    by_tolerance = make_plan(xor(), 10, tolerance=0.4).identity()
    assert by_loss != by_tolerance


def test_kept_weights_are_named_in_the_identity():
    assert identity()["weight_names"] is None
    assert identity(keep_weights=True)["weight_names"] == parameter_names(xor().network)


# ---- refusals -----------------------------------------------------------------------------------

WHOLE = "must be a whole number from"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"seeds": 0}, rf"`seeds` {WHOLE} 1 to 2\*\*32, got 0"),
        ({"seeds": 2**32 + 1}, rf"`seeds` {WHOLE} 1 to 2\*\*32, got 4294967297"),
        ({"seeds": 1.5}, rf"`seeds` {WHOLE} 1 to 2\*\*32, got 1.5"),
        ({"seeds": True}, rf"`seeds` {WHOLE} 1 to 2\*\*32, got True"),
        ({"first_seed": -1}, rf"`first_seed` {WHOLE} 0 to 2\*\*32 - 1, got -1"),
        ({"first_seed": 2**32}, rf"`first_seed` {WHOLE} 0 to 2\*\*32 - 1, got 4294967296"),
        ({"seeds": []}, r"`seeds` must be at least one, got \[\]"),
        ({"seeds": [3, 1, 3]}, "`seeds` must not name a seed twice, got 3"),
        ({"seeds": [range(5), 4]}, "`seeds` must not name a seed twice, got 4"),
        ({"seeds": [3, 1.5]}, rf"`seeds` {WHOLE} 0 to 2\*\*32 - 1, got 1.5"),
        ({"seeds": range(-1, 3)}, rf"`seeds` {WHOLE} 0 to 2\*\*32 - 1, got -1"),
        ({"seeds": np.array([1, 2**32])}, rf"`seeds` {WHOLE} 0 to 2\*\*32 - 1, got 4294967296"),
        ({"seeds": np.array([0.5])}, rf"`seeds` {WHOLE} 0 to 2\*\*32 - 1, got 0.5"),
        ({"seeds": [1, 2], "first_seed": 0}, "`first_seed` must go with a number of seeds, got 0"),
        ({"first_seed": 2**32 - 1}, "`seeds` must keep all seeds at or below .* got 10"),
        ({"precision": "float16"}, "`precision` must be one of float32, float64, got 'float16'"),
        (
            {"implementation": "x"},
            "`implementation` must be one of auto, unrolled, fused, batched, matrix, got 'x'",
        ),
        ({"block_size": 0}, f"`block_size` {WHOLE} 1 to 1048576, got 0"),
        ({"learning_rate": []}, r"`learning_rate` must have at least one value, got \[\]"),
        ({"momentum": [0.5, 0.5]}, r"`momentum` must not have a value twice, got \[0.5, 0.5\]"),
        ({"max_epochs": [1, 2]}, r"`max_epochs` must be one number for the whole sweep, got \[1"),
        ({"shard": (0, 2)}, "`shard` must be i/n with 1 <= i <= n, got '0/2'"),
        ({"shard": (3, 2)}, "`shard` must be i/n with 1 <= i <= n, got '3/2'"),
        ({"shard": (1, 11)}, "`shard` must not split 10 runs into more parts, got '1/11'"),
        ({"task": []}, r"`task` must be a task, or at least one variant of it, got \[\]"),
        ({"task": [xor(), xor()]}, "`task` must be variants that differ in their options"),
        ({"learning_rate": [0.5, -1.0]}, "`learning_rate` must be a positive finite .* got -1.0"),
        ({"tolerance": 0.4, "loss_below": 1.0}, "`loss_below` cannot go with `tolerance`"),
        ({"speed": 1}, "`speed` is no setting; there are learning_rate, momentum, .* got 1"),
    ],
    ids=str,
)
def test_a_setting_that_breaks_its_rule_is_named_with_rule_and_value(settings, sentence):
    arguments = {"task": xor(), "seeds": 10} | settings
    with pytest.raises(SettingError, match=sentence):
        make_plan(arguments.pop("task"), arguments.pop("seeds"), **arguments)


@pytest.mark.parametrize(
    "tasks", [[xor(hidden=2), xor(hidden=3)], [parity(bits=2), parity(bits=3)]]
)
def test_weights_of_different_networks_do_not_fit_into_one_table(tasks):
    with pytest.raises(SettingError, match="`keep_weights` needs one network for all runs"):
        make_plan(tasks, 10, keep_weights=True)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, "7", None])
def test_a_seed_is_a_whole_number_of_32_bits(seed):
    with pytest.raises(SettingError, match=rf"`seed` {WHOLE} 0 to 2\*\*32 - 1, got "):
        check_seed(seed)


@pytest.mark.parametrize("seed", [0, 2**32 - 1, np.uint32(7)])
def test_good_seeds_pass(seed):
    check_seed(seed)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"learning_rate": 1e300}, "`learning_rate` must be within the range of float32"),
        ({"learning_rate": 1e-60}, "`learning_rate` must be within the range of float32"),
        ({"init_range": [0.3, 1e39]}, "`init_range` must be within the range of float32, got 1e"),
        ({"tolerance": 1e-60}, "`tolerance` must be within the range of float32"),
    ],
)
def test_a_number_that_the_precision_cannot_hold_is_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        make_plan(xor(), 1, **settings)
    make_plan(xor(), 1, precision="float64", **settings)


# ---- larger nets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("sizes", "taken"), [((24, 32), "matrix"), ((25, 31), "batched")])
def test_where_a_connection_has_many_weights_runs_are_trained_one_by_one(sizes, taken):
    num_in, num_hidden = sizes
    task = Task.from_arrays(np.eye(3, num_in), np.eye(3), num_hidden)
    assert make_plan(task, 1).implementation == taken


# ---- on a GPU ------------------------------------------------------------------------------------


def test_on_a_gpu_larger_nets_are_batched_in_blocks_that_fit(monkeypatch):
    monkeypatch.setattr("bpjax.sweeps.planning._platform", lambda: "gpu")
    plans = [make_plan(make_task(name), 1) for name in ("xor", "encoder", "family-trees")]
    assert [plan.implementation for plan in plans] == ["unrolled", "batched", "batched"]
    assert [plan.block_size for plan in plans] == [2**20, 2**20, 2**15]


def test_asked_for_something_that_cannot_serve_a_gpu_takes_batched(monkeypatch):
    monkeypatch.setattr("bpjax.sweeps.planning._platform", lambda: "gpu")
    plan = make_plan(make_task("family-trees"), 1, implementation="unrolled")
    assert plan.implementation == "batched"
    reason = "unrolled gave way to batched: cases times weights must be at most 2048, not 65520"
    assert plan.fallback == reason
