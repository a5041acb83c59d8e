"""A sweep grows: what is there stays, every seed has the same bits, and no kill spoils a folder."""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers import daily

import bpjax
from bpjax.cli import main
from bpjax.errors import ResultsError
from bpjax.report.folders import load as load_for_report
from bpjax.results import files
from bpjax.results.export import table_bytes
from bpjax.results.store import SweepFolder, read_runs, verify
from bpjax.sweeps import host_loop, scheduler
from bpjax.sweeps.host_loop import run_plan
from bpjax.sweeps.planning import make_plan, with_seeds

XOR = bpjax.tasks.xor().with_settings(max_epochs=60, init_range=1.0)
SMALL = {"learning_rate": [0.5, 1.0], "block_size": 8, "implementation": "matrix"}
ROWS, COUNTS = SMALL | {"keep_weights": True}, SMALL | {"summary_only": True}


class Killed(BaseException):
    """Ends the program."""


def sweep(seeds, out=None, kept=ROWS, **settings):
    return bpjax.sweep(XOR, seeds, out=out, **kept, **settings)


@pytest.fixture(scope="module")
def thirty():
    """By what is kept, the whole sweep that all folders here hold parts of."""
    return {name: sweep(30, kept=kept) for name, kept in (("rows", ROWS), ("counts", COUNTS))}


def part(whole, seeds):
    """The table of some seeds of a sweep."""
    rows = np.isin(whole["seed"], seeds)
    return {name: column[rows] for name, column in whole.table.columns.items()}


def assert_same(ours, theirs):
    assert list(ours) == list(theirs)
    for name, column in theirs.items():
        assert ours[name].dtype == column.dtype
        assert ours[name].tobytes() == column.tobytes()


def chunks_of(folder):
    return {path.name: path.read_bytes() for path in (folder / "chunks").iterdir()}


def seeds_of(folder):
    return SweepFolder.open_for_reading(folder).identity["seeds"]


# ---- growing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", ["rows", "counts"])
def test_more_seeds_are_added_to_those_that_are_there(tmp_path, thirty, kept):
    settings = {"rows": ROWS, "counts": COUNTS}[kept]
    for seeds in (10, 10, 17, range(25, 30), [19, 17, 18], range(30)):
        before = chunks_of(tmp_path) if tmp_path.joinpath("chunks").exists() else {}
        sweep(seeds, tmp_path, settings)
        assert before.items() <= chunks_of(tmp_path).items()
        assert verify(tmp_path).ok
        summary = json.loads((tmp_path / "summary.json").read_text())
        assert summary["num_runs"] == 2 * summary["seeds"]["count"]
        assert summary["seeds"]["ranges"] == seeds_of(tmp_path)
    assert seeds_of(tmp_path) == [[0, 30]]
    assert_same(read_runs(tmp_path).columns, thirty[kept].table.columns)
    assert_same(sweep(30, tmp_path, settings).table.columns, thirty[kept].table.columns)


def test_a_sweep_returns_the_seeds_that_it_was_asked_for(tmp_path, thirty):
    sweep(20, tmp_path)
    for seeds in (range(5, 9), np.array([8, 3, 19]), [range(2), 25]):
        result = sweep(seeds, tmp_path)
        named = np.concatenate([np.atleast_1d(each) for each in seeds])
        assert_same(result.table.columns, part(thirty["rows"], named))
        assert result.summary()["num_runs"] == 2 * len(named)
    assert seeds_of(tmp_path) == [[0, 20], [25, 26]]
    assert json.loads((tmp_path / "summary.json").read_text())["num_runs"] == 42


def test_counts_that_cannot_be_parted_are_refused(tmp_path):
    sweep(20, tmp_path, COUNTS)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ResultsError, match="seeds 0 to 4 were counted together with seeds 5"):
        sweep(5, tmp_path, COUNTS)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


# ---- stopped as it grows -------------------------------------------------------------------------


@pytest.mark.parametrize("kept", ["rows", "counts"])
def test_a_folder_that_is_stopped_as_it_grows_is_what_it_was(
    tmp_path, thirty, kept, monkeypatch, capsys
):
    settings = {"rows": ROWS, "counts": COUNTS}[kept]
    monkeypatch.setattr(host_loop, "SECONDS_PER_CHUNK", 0.0)
    sweep(10, tmp_path, settings)
    table, chunks = read_runs(tmp_path), chunks_of(tmp_path)

    def stop(at):
        if at.done > 20:
            raise Killed

    with pytest.raises(Killed):
        sweep(30, tmp_path, settings, progress=stop)
    assert chunks.items() < chunks_of(tmp_path).items()
    assert_same(read_runs(tmp_path).columns, table.columns)
    assert_same(bpjax.load(tmp_path).table.columns, table.columns)
    report = verify(tmp_path)
    assert report.ok
    assert report.num_further == report.num_runs - 20 > 0
    assert main(["verify", str(tmp_path)]) == 0
    assert "it was stopped as it grew" in capsys.readouterr().out
    assert sweep(30, tmp_path, settings).timing.runs < 40
    assert verify(tmp_path).num_further == 0
    assert_same(read_runs(tmp_path).columns, thirty[kept].table.columns)


def test_counts_that_a_sweep_grows_by_are_apart_from_those_it_lacked(tmp_path, thirty, monkeypatch):
    monkeypatch.setattr(host_loop, "SECONDS_PER_CHUNK", 0.0)

    def stop_behind(number):
        def stop(at):
            if at.done > number:
                raise Killed

        return stop

    for seeds, number in ((20, 0), (30, 40)):
        with pytest.raises(Killed):
            sweep(seeds, tmp_path, COUNTS, progress=stop_behind(number))
    report = verify(tmp_path)
    assert report.ok
    assert report.num_further
    assert_same(read_runs(tmp_path).columns, sweep(20, kept=COUNTS).table.columns)


STEPS = ["create", "write", "sync", "read", "replace", "sync_folder"]


@pytest.mark.parametrize("step", daily(["write", "replace"], of=STEPS))
def test_wherever_growing_is_killed_the_folder_is_as_before_or_as_it_is_to_be(
    tmp_path, thirty, step, monkeypatch
):
    real, outcomes = getattr(files, step), set()
    for kill_at in range(10**6):
        folder, left = tmp_path / str(kill_at), [10**6]

        def killing(*arguments, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*arguments)

        monkeypatch.setattr(files, step, killing)
        grow = SweepFolder.grow

        def from_now_on(opened, identity, grow=grow, left=left, kill_at=kill_at):
            left[0] = kill_at
            return grow(opened, identity)

        sweep(4, folder)
        with monkeypatch.context() as patch:
            patch.setattr(SweepFolder, "grow", from_now_on)
            try:
                sweep(6, folder)
            except Killed:
                killed = True
            else:
                killed = False
        left[0] = 10**6
        ((_, stop),) = seeds_of(folder)
        outcomes.add(stop)
        with warnings.catch_warnings():  # of the copy of sweep.json, between the two
            warnings.simplefilter("ignore")
            assert_same(read_runs(folder).columns, part(thirty["rows"], range(stop)))
        assert_same(sweep(6, folder).table.columns, part(thirty["rows"], range(6)))
        assert verify(folder).ok
        if not killed:
            break
    assert kill_at > 1
    assert outcomes == ({6} if step == "sync_folder" else {4, 6})  # it comes behind the renaming


def test_a_summary_of_fewer_seeds_is_not_taken_for_that_of_all(tmp_path):
    sweep(4, tmp_path)
    old = (tmp_path / "summary.json").read_bytes()
    sweep(6, tmp_path)
    (tmp_path / "summary.json").write_bytes(old)  # as a kill between the two files leaves it
    assert SweepFolder.open_for_reading(tmp_path).read_summary() is None
    assert bpjax.load(tmp_path).timing is None
    assert verify(tmp_path).ok
    sweep(6, tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text())["num_runs"] == 12


# ---- several folders -----------------------------------------------------------------------------


def test_folders_of_other_seeds_are_read_as_one(tmp_path, thirty, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep(range(10), "a")
    sweep(range(20, 30), "b")
    sweep(range(10, 20), "c", shard=(1, 2))
    sweep(range(10, 20), "d", shard=(2, 2))
    whole = thirty["rows"].table
    loaded = bpjax.load(*"abcd")
    assert_same(loaded.table.columns, whole.columns)
    assert loaded.table.identity["seeds"] == [[0, 30]]
    (sweep_of_report,) = load_for_report(list("dbca"))
    assert (sweep_of_report.outcomes.num_runs, sweep_of_report.missing) == (60, ())
    assert main(["export", *"cbda", "--out", "all.csv"]) == 0
    assert Path("all.csv").read_bytes() == table_bytes(whole)
    names = [row["status"] for row in loaded]  # by name in every table, by number in every array
    assert names == [bpjax.Status(code).name for code in loaded["status"]]
    with open("all.csv") as file:
        assert [row["status"] for row in csv.DictReader(file)] == names
    opened = SweepFolder.open_for_reading("a")
    codes = opened.read_chunk(opened.chunks()[0].path).columns["status"]
    assert codes.tolist() == part(loaded, range(10))["status"].tolist()
    assert main(["compare", *"abcd", "--json"]) == 0
    assert '"num_runs": 30' in capsys.readouterr().out
    assert main(["verify", *"abcd"]) == 0
    assert "together: every one of 60 runs once." in capsys.readouterr().out

    with pytest.raises(ResultsError, match="are 1 of 2 shards, and seeds 10 to 19 are not"):
        bpjax.load(*"abd")
    assert main(["verify", *"abc"]) == 1
    assert "together: 'a', 'b', 'c' are 1 of 2 shards" in capsys.readouterr().out
    sweep([9, 30], "e")
    with pytest.raises(ResultsError, match=r"seeds 9 are there twice.*share no run"):
        bpjax.load(*"ae")


def test_shards_that_grow_by_the_same_steps_have_every_run_once(tmp_path, thirty):
    for seeds in (12, range(10, 20), 30):
        for k in (1, 2, 3):
            sweep(seeds, tmp_path / str(k), shard=(k, 3))
            assert verify(tmp_path / str(k)).ok
    parts = [tmp_path / str(k) for k in (1, 2, 3)]
    assert_same(read_runs(*parts).columns, thirty["rows"].table.columns)
    chunk = min((parts[1] / "chunks").iterdir())
    chunk.write_bytes(b"half")
    with warnings.catch_warnings():  # it says so
        warnings.simplefilter("always")
        assert main(["verify", str(parts[1]), "--repair"]) == 0
    assert_same(read_runs(*parts).columns, thirty["rows"].table.columns)
    sweep(30, tmp_path / "at-once", shard=(2, 3))
    with pytest.raises(ResultsError, match="are there twice"):
        read_runs(parts[0], tmp_path / "at-once", parts[2])
    with pytest.raises(ResultsError, match=r"`shard` was .* is now null"):
        sweep(30, parts[0])


# ---- in memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", ["rows", "counts"])
def test_what_is_known_is_not_trained_again_and_nothing_is_compiled(thirty, kept):
    plan = make_plan(XOR, 5, **{"rows": ROWS, "counts": COUNTS}[kept])
    known, compiled = run_plan(plan).table, scheduler.advance._cache_size()
    for seeds, trained in ((12, 14), (30, 36)):
        found = run_plan(with_seeds(plan, seeds), known=known)
        assert found.timing.runs == trained
        known = found.table
    assert_same(known.columns, thirty[kept].table.columns)
    assert scheduler.advance._cache_size() == compiled
    other = run_plan(make_plan(XOR, 5, **ROWS | {"learning_rate": [0.5]})).table
    with pytest.raises(ResultsError, match="the known runs are of another sweep: `grid"):
        run_plan(plan, known=other)
