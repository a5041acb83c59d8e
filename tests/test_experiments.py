"""Every study at tiny size: it computes, saves, draws, and says what it found."""

import copy
import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from reading import every_tick_has_a_number

import bpjax
from bpjax.analysis.convergence import success_rate, summarize_runs
from bpjax.sweeps.planning import make_plan
from experiments import (
    family_trees,
    initial_weights,
    pictures,
    reproduce,
    same_bits,
    solutions,
    symmetry,
)
from experiments.family_trees import codes, recipes
from experiments.reproduce import rows, training
from experiments.reproduce.table import epochs_overview
from experiments.reproduce.verdicts import (
    judge_addition,
    judge_learned,
    judge_local_minima,
    judge_timing,
    verdict,
)
from experiments.solutions import chapter, measures
from experiments.study import Result, Study, mean_over_runs, save_record

HERE = Path(symmetry.__file__).parent


def figures_in(folder):
    names = {path.name for path in (folder / "figures").iterdir()}
    figures = sorted({name.rpartition(".")[0] for name in names})
    assert names == {f"{name}.{ending}" for name in figures for ending in ("png", "svg")}
    return figures


# ---- symmetry ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def symmetry_result():
    return symmetry.compute(num_runs=12, first_seed=5)


@pytest.mark.slow
def test_symmetry_follows_the_same_runs_to_every_tolerance(symmetry_result):
    arrays = symmetry_result.arrays
    assert arrays["seed"].tolist() == list(range(5, 17))
    for earlier, later in ((0.5, 0.2), (0.2, 0.1)):
        assert np.all(arrays[f"epochs_{earlier}"] <= arrays[f"epochs_{later}"])


@pytest.mark.slow
def test_symmetry_percentile_counts_unsolved_runs_as_slower(symmetry_result):
    arrays, first = symmetry_result.arrays, symmetry_result.record["tolerances"][0]
    by_hand = np.mean((arrays["status_0.5"] == 1) & (arrays["epochs_0.5"] <= 1425))
    assert first["share_by_printed_epochs"]["estimate"] == pytest.approx(by_hand)
    assert 0 < by_hand < 1


@pytest.mark.slow
def test_symmetry_nets_solved_to_the_end_are_mirror_antisymmetric(symmetry_result):
    last = symmetry_result.record["tolerances"][-1]["weights"]
    assert last["asymmetry"]["q95"] <= last["asymmetry"]["largest"] < 0.01
    shares = [share["estimate"] for share in last["solutions"].values()]
    assert sum(shares) == pytest.approx(1)


@pytest.mark.slow
def test_symmetry_saves_and_draws(symmetry_result, tmp_path):
    symmetry.STUDY.save(symmetry_result, tmp_path)
    symmetry.draw(symmetry_result, tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())["num_runs"] == 12
    assert "1,425" in (tmp_path / "README.md").read_text()
    assert figures_in(tmp_path) == ["epochs", "ratios", "survival"]


def test_symmetry_refuses_no_runs_in_one_sentence(capsys):
    with pytest.raises(SystemExit, match="2"):
        symmetry.STUDY.main(["--runs", "0"])
    assert "--runs must be a whole number from 1" in capsys.readouterr().err


@pytest.mark.slow
def test_symmetry_words_follow_the_numbers(symmetry_result):
    record = copy.deepcopy(symmetry_result.record)
    first, *_, last = record["tolerances"]
    for row, (low, high) in ((first, (0.3, 0.4)), (last, (0.45, 0.55))):
        row["share_by_printed_epochs"] = {"estimate": (low + high) / 2, "low": low, "high": high}
    text = symmetry.write_up(record)
    assert "percentile 35.0 (30.0 to 40.0) for tolerance 0.5, faster than the median run" in text
    assert "percentile 50.0 (45.0 to 55.0) for tolerance 0.1, about the median run" in text
    first["share_by_printed_epochs"] = {"estimate": 0.7, "low": 0.6, "high": 0.8}
    assert "slower than the median run" in symmetry.write_up(record)
    assert f"| {last['weights']['asymmetry']['largest']:.5f} |" in text


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.25])
def test_symmetry_explains_the_second_solution_only_if_it_turned_up(symmetry_result, share):
    record = copy.deepcopy(symmetry_result.record)
    record["tolerances"][-1]["weights"]["solutions"]["2 : 3 : 4"]["estimate"] = share
    assert ("The second solution" in symmetry.write_up(record)) == bool(share)


def test_only_the_published_number_of_runs_goes_to_the_published_folder():
    root = HERE.parent
    assert symmetry.STUDY.folder(10_000) == root / "experiments" / "results" / "symmetry"
    assert symmetry.STUDY.folder(1000) == root / "results" / "symmetry-1000"


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        ("", HERE / "results" / "some"),
        ("--runs 7", HERE.parent / "results" / "some-7"),
        ("--runs 10 --short", HERE.parent / "results" / "some-10"),
        ("--runs 7 --out there", Path("there")),
    ],
)
def test_a_study_saves_where_it_was_told_and_draws_unless_unwanted(words, folder, monkeypatch):
    done = []
    monkeypatch.setattr("experiments.study.use_all_cpu_cores", lambda: None)
    monkeypatch.setattr("experiments.study.save_record", lambda *about: done.append(about))
    study = Study(
        name="some",
        published_runs=10,
        counted="runs",
        words=None,
        compute=lambda num_runs, folder, short: Result({"runs": num_runs, "short": short}),
        write_up=lambda record: f"{record['runs']} runs",
        draw=lambda result, folder: done.append(folder),
        own_options=lambda parser: parser.add_argument("--short", action="store_true"),
        holds=lambda record: record["runs"] == 10,
    )
    runs = 7 if "7" in words else 10
    assert study.main(words.split()) == (1 if runs == 7 else 0)
    record = {"runs": runs, "short": "--short" in words}
    assert done == [(record, f"{runs} runs", folder), folder]
    assert study.main([*words.split(), "--no-figures"]) == (1 if runs == 7 else 0)
    assert done[2:] == done[:1]


def test_reproduce_saves_where_it_was_told_and_draws_unless_unwanted(tmp_path, capsys):
    words = ["--only", "shift-register-3", "--runs", "5", "--out"]
    reproduce.STUDY.main([*words, str(tmp_path / "a")])
    assert figures_in(tmp_path / "a") == ["epochs"]
    reproduce.STUDY.main([*words, str(tmp_path / "b"), "--no-figures"])
    assert (tmp_path / "b" / "results.json").is_file()
    assert not (tmp_path / "b" / "figures").exists()


# ---- the same bits -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def same_bits_record():
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        return same_bits.compute(num_runs=40, num_devices=(1, 4))


@pytest.mark.slow
def test_all_ways_to_train_the_same_seeds_give_the_same_bits(same_bits_record):
    for row in same_bits_record["sweeps"]:
        assert row["combinations"] == 2 * 2**5
        assert len(row["distinct_hashes"]) == 1


def test_the_hash_sees_a_single_bit():
    table = {name: np.ones(3, np.float32) for name in ("seed", "status", "epochs", "loss")}
    weights = np.ones((3, 9), np.float32)
    other = weights.copy()
    other[1, 4] = np.nextafter(other[1, 4], 2, dtype=np.float32)
    ours, theirs = (same_bits._hash(table | {"weights": w}) for w in (weights, other))
    assert ours != theirs


@pytest.mark.slow
def test_same_bits_saves_its_table(same_bits_record, tmp_path):
    same_bits.STUDY.save(Result(same_bits_record), tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "| `bpjax sweep`, matrix | 64 | 1 (" in text
    assert "| `jit(vmap(train))`, batches of 250 against 64 | 2 |" in text


# ---- the table of all published experiments ------------------------------------------------------


def test_the_table_names_every_experiment():
    from bpjax.tasks import TASKS

    found = rows.experiments()
    assert {experiment.task.name for experiment in found} == set(TASKS)
    names = [experiment.name for experiment in found]
    assert len(set(names)) == len(names)


def test_a_small_table_is_computed_saved_and_drawn(tmp_path):
    told = []
    only = ["xor-2-1-1", "shift-register-3", "sequence"]
    record = reproduce.compute(6, tmp_path, only, told.append)
    reproduce.STUDY.save(Result(record), tmp_path)
    reproduce.draw(record, tmp_path)
    assert [row["name"] for row in record["rows"]] == only
    assert len(told) == 3
    assert (tmp_path / "figures" / "epochs.png").stat().st_size > 10_000
    text = (tmp_path / "README.md").read_text()
    assert "solved after 558 epochs at learning rate 0.5 (secondary; p. 331)" in text
    for row in record["rows"]:
        assert row["verdict"] in text
    held_out = record["rows"][2]["held_out"]
    assert held_out["cases"] == 5
    assert held_out["runs"] == record["rows"][2]["converged"]
    again = reproduce.compute(6, tmp_path, only, told.append)
    assert again["rows"] == record["rows"]  # nothing was trained anew


def test_slow_experiments_are_left_out_of_a_quick_look(monkeypatch):
    quick = [e for e in rows.experiments() if e.name == "shift-register-3"]
    slow = [dataclasses.replace(quick[0], name="slow", slow=True)]
    monkeypatch.setattr(training, "experiments", lambda: quick + slow)
    record = reproduce.compute(20, tell=lambda words: None)
    assert record["left_out"] == ["slow"]
    assert "Left out below 100 runs, being slow: slow." in reproduce.write_up(record)


def row_with(by_then, solved=1000, counts="run", runs=1000, because="It is so."):
    """A row of whose runs so many are solved, and so many by the published 100 epochs."""
    share = {k: v if k == "level" else 100 * v for k, v in told_share(by_then, runs).items()}
    figure = {"epochs": 100, "mark": "verified", "percentile": share, "counts": counts}
    return {
        "published": [figure],
        "because": because,
        "num_runs": runs,
        "converged": solved,
        "success_rate": told_share(solved, runs),
        "max_epochs": 5000,
        "title": "3 hidden units",
    }


def told_share(num, runs):
    return success_rate(num, runs)._asdict()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (row_with(500), "Matches: 100 (verified) is at percentile 50.0 (46.9 to 53.1)."),
        (row_with(26), "Matches"),
        (row_with(24), "Too few runs to tell"),
        (row_with(995), "Does not match"),
        (
            row_with(1),
            "Does not match: 100 (verified) is at percentile 0.1 (0.0 to 0.6). It is so.",
        ),
        # A run in forty unsolved is still among those that the rule leaves out; one in ten is not.
        (row_with(500, solved=975), "Matches: 100 (verified) is at percentile 50.0"),
        (
            row_with(450, solved=900),
            "Matches: 90.0 % (88.0 to 91.7) of runs are solved by epoch 5,000; among those, 100 "
            "(verified) is at percentile 50.0 (46.7 to 53.3).",
        ),
        # Among all runs it would be at percentile 4, and match.
        (
            row_with(42, solved=265),
            "Matches among the solved: 26.5 % (23.9 to 29.3) of runs are solved by epoch 5,000; "
            "among those, 100 (verified) is at percentile 15.8 (11.9 to 20.7).",
        ),
        # Among all runs the latest of the solved would be at percentile 26, and match.
        (row_with(265, solved=265), "Does not match, even among the solved: 26.5 %"),
        (row_with(899, solved=900), "Does not match: 90.0 %"),
        (row_with(10, solved=500), "Too few runs to tell among the solved"),
        (row_with(0, solved=0), "Does not match: 0.0 % (0.0 to 0.4) of runs are solved by epoch"),
        (
            row_with(600, counts="mean"),
            "Near the middle: a mean of 100 (verified) is at percentile 60.0 (56.9 to 63.0).",
        ),
        (row_with(770, counts="mean"), "Near the middle"),
        (row_with(900, counts="mean"), "Off the middle"),
        (row_with(999, counts="mean"), "Does not match"),
        (row_with(590, solved=600, counts="mean"), "Too few runs to tell: 60.0 %"),
        (row_with(400, solved=900, counts="trained"), ""),
        (
            row_with(999, counts="bound"),
            "Kept by nearly all runs: 99.9 % (99.4 to 100.0) within the bound of 100 (verified).",
        ),
        (row_with(881, solved=929, counts="bound"), "Kept by most runs: 88.1 % (85.9 to 90.0)"),
        (row_with(500, counts="bound"), "Kept by about half of runs"),
        (row_with(300, counts="bound"), "Kept by a minority of runs"),
        (row_with(0, counts="bound"), "Kept by none of our runs: 0.0 % (0.0 to 0.4)"),
    ],
)
def test_a_verdict_has_the_words_of_its_kind(row, words):
    said = verdict(row)
    assert said.startswith(words)
    assert bool(said) == (row["published"][0]["counts"] != "trained")
    if row["published"][0]["counts"] == "bound":
        assert "atch" not in said


@pytest.mark.parametrize(
    ("judge", "row", "words"),
    [
        (judge_learned, row_with(0), "Learned in nearly all runs by epoch 5,000, 100.0 %"),
        (judge_learned, row_with(0, solved=120), "Learned in a minority of runs by epoch 5,000, 1"),
        (judge_learned, row_with(0, solved=0), "Learned in none of our runs"),
        (judge_addition, row_with(0), "As published: local minima are said to be never met"),
        (judge_addition, row_with(0, solved=972), "Nearly as published"),
        (judge_addition, row_with(0, solved=950), "Too few runs to tell"),
        (judge_addition, row_with(0, solved=558), "Not as published"),
        (judge_addition, {**row_with(0), "title": "2 hidden units"}, "Not as published"),
        (judge_addition, {**row_with(0, solved=70), "title": "2 hidden"}, "As published: local"),
        (judge_local_minima, row_with(0, solved=972), "2.8 % (1.9 to 4.0) of runs are unsolved"),
    ],
)
def test_how_often_is_told_in_words_for_shares(judge, row, words):
    said = judge(row)
    assert said.startswith(words)
    assert "atches" not in said


def test_a_net_that_few_of_ours_are_as_good_as_is_a_lucky_run():
    for good, words in ((900, "Matches: "), (60, "Matches, as a lucky run: "), (2, "Does not")):
        held_out = {"runs": 1000, "at_most_one_wrong": told_share(good, 1000)}
        assert judge_timing({**row_with(0, solved=920), "held_out": held_out}).startswith(words)
    assert judge_timing({**row_with(0, solved=0), "held_out": {"runs": 0}}).startswith("Does not")


def test_words_follow_the_record_without_training(tmp_path, monkeypatch, capsys):
    published = HERE / "results" / "reproduce"
    record = json.loads((published / "results.json").read_text())
    assert training.judged_again(record) == record  # what is committed has the words of today
    old = copy.deepcopy(record)
    for row in old["rows"]:
        row["verdict"], row["because"] = "Matches.", ""
    save_record(old, "", tmp_path)
    monkeypatch.setattr(bpjax, "sweep", None)
    assert reproduce.STUDY.main(["--words-only", "--no-figures", "--out", str(tmp_path)]) == 0
    for name in ("results.json", "README.md"):
        assert (tmp_path / name).read_text() == (published / name).read_text()
    old["rows"][0]["our_recipe"] = "learning rate 7"
    save_record(old, "", tmp_path)
    for folder, words in ((tmp_path, "make it anew, got 'symmetry'"), (tmp_path / "no", "needs a")):
        with pytest.raises(SystemExit) as stop:
            reproduce.STUDY.main(["--words-only", "--out", str(folder)])
        assert stop.value.code == 2
        assert words in capsys.readouterr().err


def test_the_overview_names_the_runs_of_each_row_and_what_was_published():
    record = json.loads((HERE / "results" / "reproduce" / "results.json").read_text())
    ax = epochs_overview(record["rows"])
    every_tick_has_a_number(ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    few = {row["name"]: row["num_runs"] for row in record["rows"] if row["num_runs"] != 1000}
    assert few
    for row, words in zip(record["rows"], names, strict=True):
        assert (f", {row['num_runs']:,} runs, " in words) == (row["name"] in few)
    assert ax.get_title(loc="left") == "1,000 runs per experiment, or as many as its name says"
    same = [row for row in record["rows"] if row["num_runs"] == 1000]
    assert epochs_overview(same).get_title(loc="left") == "1,000 runs per experiment"
    bounds = {line.get_xdata()[0] for line in ax.lines if line.get_marker() == "<"}
    assert bounds == {200}
    runs = {line.get_xdata()[0] for line in ax.lines if line.get_marker() == "X"}
    assert 1425 in runs
    assert not runs & {200, 247, 500, 1500}  # a bound, a mean, and how long runs were trained


def test_a_mean_over_runs_has_the_interval_of_student():
    """The table's point of 4 degrees of freedom is 2.776."""
    interval = mean_over_runs([1.0, 2.0, np.nan, 3.0, 4.0, 5.0])
    assert interval["estimate"] == 3.0
    assert interval["high"] - 3.0 == pytest.approx(2.776 * np.sqrt(2.5 / 5), rel=1e-3)
    assert 3.0 - interval["low"] == pytest.approx(interval["high"] - 3.0)


def test_an_unknown_experiment_is_refused():
    with pytest.raises(SystemExit) as stop:
        reproduce.STUDY.main(["--only", "chess", "--runs", "5"])
    assert stop.value.code == 2


# ---- family trees --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def family_result():
    learns = recipes.Cell(rate=5, momentum=0.95, measured_from="margin", init_range=1.4)
    still = dataclasses.replace(learns, momentum=0.9, init_range=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes, "LONG_CAP", recipes.CAP)
        return family_trees.compute(num_runs=6, cells=[still, learns], best_runs=6)


@pytest.mark.slow
def test_family_trees_measures_what_runs_learn(family_result):
    record = family_result.record
    still, learns = record["rows"]
    assert still["solved"]["estimate"] == still["pairs_right"]["median"] == 0
    assert still["held_out"] is None
    assert learns["words"] == "rate x5, momentum 0.95, error from the margin, weights in +-1.4"
    assert learns["words"] == record["best"] == record["nearest"]
    assert learns["distance"] == {
        "numbers": 2,
        "factor": pytest.approx(10),
        "no_decay": False,
        "choices": 2,
    }
    assert learns["solved"]["estimate"] >= 0.5
    assert learns["pairs_right"]["median"] == 100
    assert record["ladder"] == [still["words"], learns["words"]]
    (look,) = record["looked_at"]
    assert look["solved_by_printed"] == learns["solved"]
    assert look["held_out_when_solved"]["right"] == learns["held_out"]["right"]
    assert record["chance"]["person"] == pytest.approx(96 / 104 / 24)


@pytest.mark.slow
def test_family_trees_saves_and_draws(family_result, tmp_path):
    family_trees.STUDY.save(family_result, tmp_path)
    family_trees.draw(family_result, tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())["num_runs"] == 6
    text = (tmp_path / "README.md").read_text()
    assert "The best recipe is *rate x5, momentum 0.95, error from the margin" in text
    assert "with 2 printed numbers changed (a factor of 10 in all) and 2 open choices" in text
    assert figures_in(tmp_path) == ["features", "person_units", "solved"]


def test_family_trees_vary_every_open_choice_from_the_printed_recipe():
    start, *others = recipes.variations(recipes.PRINTED)
    task = start.task()
    assert (start.words(), start.distance()) == ("as printed", (0, 1, 0))
    assert (
        task.recipe.learning_rate == bpjax.tasks.family_trees(recipe="printed").recipe.learning_rate
    )
    assert task.num_held_out == 4
    assert [cell.words() for cell in others] == [
        *("rate x2", "rate x5", "momentum 0.95", "decay 0.0002", "no decay"),
        *("error from the margin", "weights in +-1", "weights in +-1.4"),
        *("margin for whole cases", "no margin", "no biases", "biases do not decay"),
        *("decay from epoch 20", "weights change after every case"),
        "decay 2e-05, weights change after every case",
    ]
    assert len({repr(cell.task().describe()) for cell in [start, *others]}) == len(others) + 1


def test_family_trees_make_sweeps_of_all_variations():
    cells = [cell for cell in recipes.variations(recipes.PRINTED) if cell.bias]
    for updates in ("batch", "case"):
        tasks = [cell.task() for cell in cells if cell.updates == updates]
        assert make_plan(tasks, 5).num_runs == 5 * len(tasks)


def test_family_trees_the_best_recipe_is_the_nearest_of_the_equally_good():
    share = {"low": 0.8, "estimate": 0.85, "high": 0.9}
    far, near, bad = (recipes.Cell(rate=rate) for rate in (5, 2, 1))
    rows = {
        far: {"solved": share},
        near: {"solved": share | {"estimate": 0.84, "high": 0.89}},
        bad: {"solved": share | {"estimate": 0.1, "high": 0.2}},
    }
    assert recipes.choose_best(rows) == near
    assert recipes.nearest(rows) == near.words()
    assert recipes.ladder(rows) == ["as printed", "rate x5"]


def test_family_trees_only_the_published_number_of_runs_goes_to_the_published_folder():
    root = Path(symmetry.__file__).parent.parent
    assert family_trees.STUDY.folder(200) == root / "experiments" / "results" / "family_trees"
    assert family_trees.STUDY.folder(20) == root / "results" / "family_trees-20"


# ---- solutions -----------------------------------------------------------------------------------


def hand_made_weights(task):
    """Return printed nets, or for parity one that counts, for the encoder one that uses corners."""
    if task.name == "encoder":
        corners = 20.0 * np.array(list(np.ndindex(2, 2, 2))) - 10
        return np.concatenate([corners.ravel(), np.zeros(24 + 3 + 8)])
    if task.name == "parity":  # PDP ch. 8, Fig. 6
        into_hidden, thresholds = np.full((4, 4), 10.0), 5 - 10 * np.arange(1, 5)
        return np.concatenate([into_hidden.ravel(), [10, -10, 10, -10], thresholds, [-5]])
    if task.name == "graded-code":
        weights = np.zeros(task.network.num_parameters)
        weights[:2] = chapter.FIG_8[:2]
        return weights
    nets = {"symmetry": bpjax.printed.symmetry_detector, "xor": bpjax.printed.xor_direct}
    return nets[task.name]().vector()


class HandMade(dict):
    def summary(self):
        columns = self["status"], self["epochs"]
        return summarize_runs(*columns) | {"criterion": "tolerance 0.1"}


@pytest.fixture(scope="module")
def solutions_record():
    """Trains 2-2-1; takes the other tasks' nets ready-made, the last of each broken."""
    train = bpjax.sweep

    def sweep(task, num_runs, **settings):
        if task.network.describe() == "2-2-1":
            return train(task, num_runs, **settings)
        weights = np.tile(hand_made_weights(task), (num_runs, 1))
        weights[-1] = np.nan
        status = np.full(num_runs, bpjax.Status.CONVERGED, np.int32)
        status[-1] = bpjax.Status.NONFINITE
        return HandMade(status=status, epochs=np.full(num_runs, 9), weights=weights)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bpjax, "sweep", sweep)
        return solutions.compute(num_runs=12, first_seed=120)


def share_of(rows, name):
    (found,) = [row["estimate"] for row in rows if row["class"] == name]
    return found


def test_solutions_sorts_trained_nets(solutions_record):
    xor = solutions_record["xor"]
    counts = [sum(row["num_runs"] for row in xor[part]) for part in ("solved", "unsolved")]
    assert counts == [xor["converged"], 12 - xor["converged"]]
    assert counts[1] >= 1  # seed 126
    assert xor["unsolved_one_side_open"]["estimate"] == 1


def test_solutions_knows_the_printed_nets(solutions_record):
    record = solutions_record
    assert record["xor"]["printed"]["one_side_open"]
    assert share_of(record["xor_direct"]["solved"], record["xor_direct"]["printed"]["class"]) == 1
    assert record["encoder"]["printed"] == {
        "corners": 4,
        "intermediate_values": 4,
        "values": 24,
        "distinct": True,
    }
    for row in record["encoder"]["rows"]:
        assert row["all_corners"]["estimate"] == row["all_codes_distinct"]["estimate"] == 1
        assert row["intermediate_values"][0]["num_runs"] == row["converged"] == 11
    assert share_of(record["symmetry"]["classes"], "1 : 2 : 4") == 1
    assert record["symmetry"]["opposite_signs"]["estimate"] == 1
    for row in record["parity"]:
        assert row["nonfinite"] == 1
        assert row["as_printed"]["estimate"] == row["counting"]["estimate"] == 1
        assert row["counting_each_count_its_code"]["estimate"] == 1
    graded = record["graded_code"]
    assert share_of(graded["rows"][0]["orders"], graded["printed"]["order"]) == 1
    assert len(graded["rows"][0]["orders"]) == 4
    for case, value in graded["printed"]["values_of_drawn_weights"].items():
        quantiles = graded["rows"][0]["spacing"][case]["quantiles"]
        assert quantiles["q50"] == pytest.approx(value)


def test_solutions_calls_an_order_and_its_reverse_one():
    values = np.array([[0.6, 1.0, 0.0, 0.2], [0.4, 0.0, 1.0, 0.8], [0.0, 0.3, 0.6, 1.0]])
    names = measures._orders(values).tolist()
    assert names[0] == names[1] == "10 < 11 < 00 < 01"
    assert names[2] == "11 < 10 < 01 < 00"


def test_solutions_finds_one_side_open_whichever_side_it_is():
    targets = bpjax.tasks.xor().targets
    outputs = [[0.5, 1, 0.5, 0], [0, 0.5, 1, 0.5], [0.5, 0.5, 1, 0], [0, 1, 1, 0], [0.5] * 4]
    found = measures._one_side_open(np.array(outputs)[..., None], targets)
    assert found.tolist() == [True, True, True, False, False]


@pytest.mark.slow
def test_solutions_saves_and_draws(solutions_record, tmp_path):
    solutions.STUDY.save(Result(solutions_record), tmp_path)
    solutions.draw(solutions_record, tmp_path)
    assert json.loads((tmp_path / "results.json").read_text()) == solutions_record
    assert "the most frequent class among solved runs" in (tmp_path / "README.md").read_text()
    assert figures_in(tmp_path) == ["encoder", "graded-code", "parity", "xor", "xor-direct"]


@pytest.mark.slow
def test_solutions_can_write_and_draw_when_nothing_was_solved(tmp_path):
    def sweep(task, num_runs, **settings):
        status = np.full(num_runs, bpjax.Status.MAX_EPOCHS, np.int32)
        weights = np.zeros((num_runs, task.network.num_parameters))
        return HandMade(status=status, epochs=np.full(num_runs, 9), weights=weights)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bpjax, "sweep", sweep)
        record = solutions.compute(num_runs=3)
    assert "no runs" in solutions.write_up(record)
    solutions.draw(record, tmp_path)


def test_solutions_refuses_no_runs_in_one_sentence(capsys):
    with pytest.raises(SystemExit, match="2"):
        solutions.STUDY.main(["--runs", "0"])
    assert "--runs must be a whole number from 1" in capsys.readouterr().err


# ---- where a run starts --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def initial_weights_result():
    return initial_weights.compute(num_runs=36)


def test_every_pixel_is_the_run_of_its_weights(initial_weights_result):
    on, status, epochs = initial_weights_result.arrays["zoom"]
    assert (on.width, on.height) == (6, 6)
    for seed in (0, 17, 35):
        run = bpjax.train(bpjax.tasks.xor(), seed, initializer=on, record_every=10**6)
        assert (run.status, run.epochs) == (status[seed], epochs[seed])
        weights = run.snapshots.weights[0]
        assert weights[4] == on.columns()[seed % 6]
        assert weights[5] == on.rows()[seed // 6]


def test_neighbours_that_part_are_counted():
    status = np.array([[1, 1, 2], [1, 1, 2]])
    epochs = np.array([[10, 20, 99], [19, 70, 99]])
    assert initial_weights.neighbours(status, epochs) == {
        "pairs": 7,
        "one_never_converged": 2,  # 20 and 70 beside the third column; its own pair never does
        "factor": 2,
        "far_apart": 3,  # 10-20 and 19-70 in a row, 20-70 in a column
        "largest_ratio": 70 / 19,
    }


@pytest.mark.slow
def test_initial_weights_saves_and_draws(initial_weights_result, tmp_path):
    initial_weights.STUDY.save(initial_weights_result, tmp_path)
    initial_weights.draw(initial_weights_result, tmp_path)
    record = json.loads((tmp_path / "results.json").read_text())
    assert [row["name"] for row in record["planes"]] == ["wide", "zoom", "closer"]
    assert "36 runs a picture" in (tmp_path / "README.md").read_text()
    assert figures_in(tmp_path) == ["closer", "wide", "zoom"]


@pytest.mark.parametrize("runs", ["0", "-4", "1", "35"])
def test_a_picture_has_a_square_number_of_pixels(runs, capsys):
    with pytest.raises(SystemExit, match="2"):
        initial_weights.STUDY.main(["--runs", runs])
    words = f"--runs must be a square number from 4, like 65536, got {runs}."
    assert words in capsys.readouterr().err


def test_the_committed_pictures_are_those_of_the_committed_record():
    folder = initial_weights.STUDY.folder(initial_weights.STUDY.published_runs)
    record = json.loads((folder / "results.json").read_text())
    assert record["pixels"] == initial_weights.STUDY.published_runs
    assert initial_weights.write_up(record) == (folder / "README.md").read_text()
    for row in record["planes"]:
        assert (folder / "figures" / f"{row['name']}.png").stat().st_size > 10_000


def test_the_committed_table_is_that_of_the_committed_record():
    folder = Path(symmetry.__file__).parent / "results" / "reproduce"
    record = json.loads((folder / "results.json").read_text())
    assert record["num_runs"] == reproduce.STUDY.published_runs
    names = [experiment.name for experiment in rows.experiments()]
    assert [row["name"] for row in record["rows"]] == names  # no row is missing
    assert reproduce.write_up(record) == (folder / "README.md").read_text()


# ---- the pictures of the pages -------------------------------------------------------------------


def test_every_picture_has_its_command_and_the_gallery_names_both():
    gallery = (HERE.parent / "docs" / "understand" / "gallery.md").read_text().replace("\n", " ")
    there = {path.stem for path in (HERE / "results" / "tour").iterdir()}
    assert there == {each.name for each in (*pictures.PICTURES, *pictures.SHOTS)}
    for picture in pictures.PICTURES:
        assert f"results/tour/{picture.name}.png" in gallery
        assert f"bpjax {picture.command}" in gallery
        assert f"`{picture.figure}.png`" in gallery
    for shot in pictures.SHOTS:
        assert f"results/tour/{shot.name}.png" in gallery
        assert f"`bpjax {shot.command}`" in gallery


def test_a_picture_is_a_figure_of_its_command(tmp_path):
    quick = pictures.Picture("some", "sweep xor --seeds 20 --max-epochs 50", "epochs")
    pictures.make(quick.command, [quick], tmp_path)
    assert (tmp_path / "some.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(SystemExit, match="`bpjax sweep chess` failed"):
        pictures.make("sweep chess", [quick], tmp_path)
