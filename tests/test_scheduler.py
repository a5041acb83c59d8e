"""Lanes that never idle: refilled on the device, they give the runs that waiting blocks give.

The equality matrix of the promises is in `experiments.same_bits`; here are its single claims, the
counts that stand for rows, memory, and the statuses at the edges of a stride.
"""

import functools
import json

import jax
import numpy as np
import optax
import pytest

import bpjax
from bpjax.analysis.outcomes import outcomes_of
from bpjax.errors import SettingError
from bpjax.layouts import unrolled
from bpjax.results.chunks import as_ranges, every_run, num_runs_of
from bpjax.results.counts import added_up
from bpjax.results.store import SweepFolder, read_runs, verify
from bpjax.status import Status
from bpjax.sweeps import host_loop, memory, scheduler
from bpjax.sweeps.crew import Crew, go_on
from bpjax.sweeps.devices import lane_mesh, loops_are_one_function
from bpjax.sweeps.host_loop import run_plan
from bpjax.sweeps.planning import make_plan
from bpjax.sweeps.scheduler import EMPTY

XOR = bpjax.tasks.xor().with_settings(learning_rate=1.0, init_range=1.0, max_epochs=150)
sweep = functools.partial(bpjax.sweep, block_size=8, keep_weights=True)


def table(result):
    return {name: column.tobytes() for name, column in result.table.columns.items()}


@pytest.fixture(scope="module")
def hundred():
    """A hundred runs in 32 lanes: most lanes carry several runs, one after the other."""
    return sweep(XOR, 100)


# ---- refilled lanes -----------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", ["matrix", "unrolled", "batched"])
def test_a_run_is_the_same_with_and_without_refill(implementation):
    refilled = sweep(XOR, 100, implementation=implementation)
    waiting = sweep(XOR, 100, implementation=implementation, refill=False)
    assert table(refilled) == table(waiting)
    assert refilled.timing.occupancy > 1.2 * waiting.timing.occupancy


@pytest.mark.parametrize("stride", [1, 2, 7, 50, 1000])
def test_the_stride_at_which_lanes_are_looked_after_shows_nowhere(stride, hundred):
    plan = make_plan(XOR, 100, block_size=8, keep_weights=True)
    crew = Crew(plan, *plan.groups(), lane_mesh())
    crew.begin(as_ranges([(0, 100)]))
    while not crew.all_ended:
        crew.advance(stride)
    found = {name: column.tobytes() for name, column in crew.ended().columns.items()}
    assert found == table(hundred)


def test_strides_are_whole_turns_of_the_loop(monkeypatch):
    several = unrolled.LAYOUT._replace(epochs_at_once=lambda *_: 3)
    monkeypatch.setattr(unrolled, "LAYOUT", several)
    plan = make_plan(XOR, 100, block_size=8, keep_weights=True)
    crew = Crew(plan, *plan.groups(), lane_mesh())
    crew.begin(as_ranges([(0, 100)]))
    strides = [crew.stride]
    while not crew.all_ended:
        crew.advance()
        strides.append(crew.stride)
    assert len(strides) > 2
    assert not any(stride % 3 for stride in strides)


def test_a_queue_that_runs_dry_in_the_middle_of_a_call_is_filled_again(monkeypatch, hundred):
    monkeypatch.setattr("bpjax.sweeps.crew.PLACES", 1)
    monkeypatch.setattr("bpjax.layouts.lanes.LANE_MULTIPLE", 64)
    plan = make_plan(XOR, 700, block_size=8, keep_weights=True)
    crew = Crew(plan, *plan.groups(), lane_mesh())
    assert crew.places < 700 / 4, "not all runs of a device have a place"
    monkeypatch.setattr(Crew, "_pace", lambda crew, made, on_device: None)
    crew.stride, crew.epochs_per_call = 1, 10**6  # a call lasts until no lane has anything to do
    crew.begin(as_ranges([(0, 700)]))
    while not crew.all_ended:
        crew.advance()
        busy = np.asarray(crew.pool.ticket != EMPTY).reshape(lane_mesh().size, -1).any(axis=1)
        first, stop = crew.waiting.T
        assert busy[first < stop].all(), "lanes ran empty while runs waited for one"
    columns = crew.ended().columns
    assert columns["seed"].tolist() == list(range(700))
    assert columns["epochs"][:100].tobytes() == table(hundred)["epochs"]


@pytest.fixture
def every_call_a_chunk(monkeypatch):
    """Store after every call of the program, and let calls be short."""
    monkeypatch.setattr(host_loop, "SECONDS_PER_CHUNK", 0.0)
    monkeypatch.setattr("bpjax.sweeps.crew.FIRST_CALL", 4)
    monkeypatch.setattr(Crew, "_pace", lambda crew, made, on_device: None)


def test_a_chunk_holds_what_has_ended_and_no_lane_waits_for_it(
    every_call_a_chunk, hundred, tmp_path
):
    result = sweep(XOR, 100, out=tmp_path)
    folder = SweepFolder.open_for_reading(tmp_path)
    held = [folder.read_chunk(chunk.path).runs for chunk in folder.chunks()]
    assert len(held) > 10
    assert max(map(len, held)) > 3, "some chunks have holes"
    assert sorted(np.concatenate([every_run(runs) for runs in held])) == list(range(100))
    assert table(result) == table(hundred)


def test_a_device_that_has_begun_all_it_had_gets_half_of_the_longest_stretch(hundred):
    plan = make_plan(XOR, 100, block_size=8, keep_weights=True)
    crew = Crew(plan, *plan.groups(), lane_mesh())
    crew.begin(as_ranges([(0, 100)]))
    assert crew.waiting.tolist() == [[0, 25], [25, 50], [50, 75], [75, 100]]
    crew.waiting = np.array([[0, 0], [0, 99], [99, 99], [99, 100]])
    crew._queue()
    assert crew.waiting.tolist() == [[50, 99], [0, 25], [25, 50], [99, 100]]
    while not crew.all_ended:
        crew.advance()
    found = {name: column.tobytes() for name, column in crew.ended().columns.items()}
    assert found == table(hundred)


def test_one_run_is_not_halved():
    plan = make_plan(XOR, 100, block_size=8)
    crew = Crew(plan, *plan.groups(), lane_mesh())
    crew.begin(as_ranges([(7, 8)]))
    crew._queue()
    assert (crew.waiting[:, 1] - crew.waiting[:, 0]).tolist() == [0, 0, 0, 1]


def test_holes_are_trained_together_in_few_batches(monkeypatch, hundred):
    monkeypatch.setattr(host_loop, "SECONDS_PER_CHUNK", 1e9)
    begun, begin = [], Crew.begin
    holes = as_ranges([(run, run + 1) for run in range(0, 80, 2)] + [(81, 100)])
    monkeypatch.setattr(Crew, "begin", lambda crew, runs: begun.append(runs) or begin(crew, runs))
    plan, parts = make_plan(XOR, 100, block_size=8, keep_weights=True), []
    for length in (1024, 16):
        monkeypatch.setattr("bpjax.sweeps.crew.most_ranges", lambda _, length=length: length)
        begun.clear()
        parts.clear()
        host_loop._train(plan, [holes], lane_mesh(), host_loop._Meter(None, go_on), parts.append)
        assert np.concatenate(begun).tolist() == holes.tolist()
        assert [len(runs) for runs in begun] == ([41] if length == 1024 else [16, 16, 9])
        (content,) = parts
        assert content.runs.tolist() == holes.tolist()
        for name, column in content.columns.items():
            assert column.tobytes() == hundred[name][every_run(holes)].tobytes()


def test_a_slow_host_does_not_make_calls_ever_shorter():
    plan = make_plan(XOR, 4000, block_size=8)
    crew = Crew(plan, *plan.groups(), lane_mesh())
    crew.begin(as_ranges([(0, 4000)]))
    crew.seconds, crew.epochs_per_call = 0.0, 1000
    for _ in range(20):
        made = crew.epochs_per_call
        on_device = made * 1e-5
        crew.seconds = on_device + 0.5  # the host takes longer than a call should
        crew._pace(made, on_device)
    assert crew.epochs_per_call * 1e-5 == pytest.approx(0.5, rel=0.01)


def test_occupancy_is_the_share_of_lane_epochs_that_runs_needed(hundred):
    timing = hundred.timing
    assert timing.seed_epochs == hundred["epochs"].sum()
    assert 0.3 < timing.occupancy <= 1
    assert hundred.summary()["occupancy"] == timing.occupancy


def test_a_rule_with_a_random_key_in_its_memory_trains():
    noisy = optax.noisy_sgd(0.1, eta=0.01, gamma=0.55, key=0)
    with jax.numpy_dtype_promotion("standard"):
        result = sweep(XOR, 2, optimizer=noisy, max_epochs=5)
    assert set(result["status"]) == {Status.MAX_EPOCHS}


# ---- outcomes at the edges of a stride ----------------------------------------------------------


@pytest.mark.parametrize("implementation", ["matrix", "unrolled"])
@pytest.mark.parametrize("refill", [True, False])
def test_statuses_at_the_edges(implementation, refill):
    settings = {"implementation": implementation, "refill": refill}
    at_once = sweep(XOR, 50, tolerance=1.0, **settings)
    assert set(at_once["status"]) == {Status.CONVERGED}
    assert set(at_once["epochs"]) == {0}

    free = sweep(XOR, 50, **settings)
    seed = int(np.argmax(free["status"] == Status.CONVERGED))
    epochs = int(free["epochs"][seed])
    exactly = sweep(XOR, 1, first_seed=seed, max_epochs=epochs, **settings)
    assert (exactly["status"][0], exactly["epochs"][0]) == (Status.CONVERGED, epochs)
    too_late = sweep(XOR, 1, first_seed=seed, max_epochs=epochs - 1, **settings)
    assert (too_late["status"][0], too_late["epochs"][0]) == (Status.MAX_EPOCHS, epochs - 1)

    wild = sweep(XOR, 50, learning_rate=3e38, momentum=0.0, loss_below=1e-30, **settings)
    assert set(wild["status"]) <= {Status.NONFINITE, Status.MAX_EPOCHS}


def test_the_finite_numbers_may_be_left_at_the_first_epoch():
    task = bpjax.tasks.symmetry().with_settings(learning_rate=3e38, momentum=0.0, max_epochs=9)
    result = sweep(task, 20, init_range=1e-3)
    assert (Status.NONFINITE, 1) in zip(result["status"], result["epochs"], strict=True)


# ---- counts instead of rows ---------------------------------------------------------------------


def counted(result):
    columns = result.table.columns
    return outcomes_of(columns["status"], columns["epochs"], columns.get("count"))


def test_counts_are_those_of_the_rows(hundred):
    only = bpjax.sweep(XOR, 100, block_size=8, summary_only=True)
    for ours, theirs in zip(counted(only), counted(hundred), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert "seed" not in only.table.columns
    untimed = dict.fromkeys(("seconds", "seed_epochs_per_second", "occupancy"))
    assert only.summary() | untimed == hundred.summary() | untimed


@pytest.mark.slow
def test_counts_of_a_grid_are_kept_per_point_and_resume(every_call_a_chunk, tmp_path):
    settings = {"block_size": 8, "learning_rate": [0.5, 1.0], "tolerance": [0.4, 0.5]}
    rows = bpjax.sweep(XOR, 50, **settings)
    plan = make_plan(XOR, 50, summary_only=True, **settings)
    whole = run_plan(plan, tmp_path)
    untimed = dict.fromkeys(("seconds", "seed_epochs_per_second", "occupancy"))
    assert whole.summary() | untimed == rows.summary() | untimed
    assert table(whole) == table(run_plan(plan))

    folder = SweepFolder.open_for_reading(tmp_path)
    lost = folder.chunks()[4]
    num_lost = num_runs_of(folder.read_chunk(lost.path).runs)
    lost.path.unlink()
    assert not verify(tmp_path).ok
    again = run_plan(plan, tmp_path)
    assert again.timing.runs == num_lost
    assert table(again) == table(whole)
    assert verify(tmp_path).ok


def test_each_chunk_of_counts_counts_the_runs_that_it_names(every_call_a_chunk, tmp_path):
    settings = {"block_size": 8, "learning_rate": [0.5, 1.0]}
    rows = bpjax.sweep(XOR, 100, **settings)
    bpjax.sweep(XOR, 100, summary_only=True, out=tmp_path, **settings)
    folder = SweepFolder.open_for_reading(tmp_path)
    contents = [folder.read_chunk(chunk.path) for chunk in folder.chunks()]
    assert len(contents) > 20
    assert max(len(content.runs) for content in contents) > 3, "some have holes"
    for content in contents:
        point, seed = np.divmod(every_run(content.runs), 10**10)
        runs = 100 * point + seed
        ours = outcomes_of(*(content.columns[name] for name in ("status", "epochs", "count")))
        theirs = outcomes_of(rows["status"][runs], rows["epochs"][runs])
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
        assert set(content.columns["learning_rate"]) == {rows["learning_rate"][runs[0]]}


def test_a_chunk_that_counts_other_runs_than_it_names_is_refused(tmp_path):
    plan = make_plan(XOR, 100, block_size=8, summary_only=True)
    columns = dict(run_plan(plan).table.columns)
    columns["count"] = columns["count"] + (np.arange(len(columns["count"])) == 3)
    with (
        SweepFolder.open_for_writing(tmp_path, plan.identity(), {}) as folder,
        pytest.raises(ValueError, match="must count 100 runs, and counts 101"),
    ):
        folder.publish_chunk([(0, 100)], columns)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("count", [-1, 6]),
        ("count", [0, 5]),
        ("count", [2**63 - 1, 6 - 2**63]),
        ("count", [2.5, 2.5]),
        ("epochs", [-1, 9]),
        ("epochs", [7, 9.0]),
        ("status", [0, 1]),
        ("status", [1, 4]),
    ],
)
def test_a_chunk_whose_counts_cannot_be_is_refused(name, values, tmp_path):
    identity = make_plan(XOR, 5, block_size=8, summary_only=True).identity()
    columns = {"status": np.int8([1, 2]), "epochs": np.int32([7, 9]), "count": np.array([3, 2])}
    with SweepFolder.open_for_writing(tmp_path, identity, {}) as folder:
        with pytest.raises(ValueError, match=f"column '{name}' must hold"):
            folder.publish_chunk([(0, 5)], columns | {name: np.array(values)})
        folder.publish_chunk([(0, 5)], columns)


def test_counts_and_rows_are_different_sweeps(tmp_path):
    bpjax.sweep(XOR, 5, block_size=8, out=tmp_path)
    with pytest.raises(bpjax.ResultsError, match='`rows` was "runs", is now "counts"'):
        bpjax.sweep(XOR, 5, block_size=8, out=tmp_path, summary_only=True)


def test_shards_of_counts_add_up(tmp_path, hundred):
    folders = [tmp_path / f"{k}" for k in (1, 2, 3)]
    for k, folder in enumerate(folders, 1):
        bpjax.sweep(XOR, 100, block_size=8, out=folder, summary_only=True, shard=(k, 3))
    joined = read_runs(*folders).columns
    whole = bpjax.sweep(XOR, 100, block_size=8, summary_only=True)
    assert {name: column.tobytes() for name, column in joined.items()} == table(whole)
    found = outcomes_of(joined["status"], joined["epochs"], joined["count"])
    for ours, theirs in zip(found, counted(hundred), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_counts_are_added_up_cell_by_cell():
    columns = {
        "status": np.int8([1, 2, 1, 1, 1]),
        "epochs": np.int32([5, 9, 5, 9, 5]),
        "count": np.array([3, 4, 10, 1, 2]),
        "learning_rate": np.array([0.5, 0.5, 0.5, 0.5, 1.0]),
    }
    rows = [column.tolist() for column in added_up(columns, np.array([0, 0, 0, 0, 1])).values()]
    assert rows == [[1, 1, 2, 1], [5, 9, 9, 5], [13, 1, 4, 2], [0.5, 0.5, 0.5, 1.0]]
    nothing = {name: column[:0] for name, column in columns.items()}
    assert [len(column) for column in added_up(nothing, np.array([], int)).values()] == [0] * 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"keep_weights": True}, "`keep_weights` cannot go with summary_only, got True"),
        ({"max_epochs": 10**8}, "`max_epochs` must be at most 10000000 with summary_only"),
    ],
)
def test_what_cannot_be_counted_is_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        make_plan(XOR, 5, summary_only=True, **settings)


def test_the_number_of_devices_is_checked():
    with pytest.raises(SettingError, match="`num_devices` must be a whole number from 1 to 4"):
        bpjax.sweep(XOR, 5, num_devices=5)


# ---- memory and compiler ------------------------------------------------------------------------


def test_too_little_memory_is_said_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr(memory, "bytes_free", lambda num_devices, of_host=False: 50_000)
    words = r"`block_size` is too large: training needs at least .* and 0 MB are free"
    with pytest.raises(SettingError, match=words):
        bpjax.sweep(XOR, 5, block_size=4096)


def test_the_compiler_says_what_a_call_needs():
    def needed(block_size):
        plan = make_plan(XOR, 10, block_size=block_size)
        crew = Crew(plan, *plan.groups(), lane_mesh(1))
        crew.begin(as_ranges([(0, 10)]))
        return memory.bytes_needed(scheduler.advance, crew.next_call())

    small, large = needed(64), needed(6400)
    state = 4 * (9 + 9 + 4 + 5)  # weights, velocities, what is known of a run, its settings
    assert large - small > (6400 - 64) * state
    assert (memory.bytes_free(1) or 10**9) > 10**8


def test_queues_and_results_on_the_devices_do_not_grow_with_the_number_of_runs():
    def shapes(num_runs):
        plan = make_plan(XOR, num_runs, block_size=8)
        crew = Crew(plan, *plan.groups(), lane_mesh())
        crew.begin(as_ranges([(0, num_runs)]))
        return [leaf.shape for leaf in jax.tree.leaves(crew.next_call()[8:])]

    assert shapes(10) == shapes(10**9)


def test_what_the_compiler_made_of_loops_is_recorded(tmp_path):
    sweep(XOR, 5, out=tmp_path)
    environment = json.loads((tmp_path / "sweep.json").read_text())["environment"]
    assert environment["loops_are_one_function"] is loops_are_one_function()
    assert isinstance(loops_are_one_function(), bool)
