"""Answers to cases that a run was not trained on."""

import dataclasses
import json
import re

import numpy as np
import pytest
from helpers import daily

import bpjax
from bpjax import witness
from bpjax.analysis.convergence import success_rate
from bpjax.analysis.held_out import held_out_answers, mean_share, summarize_answers
from bpjax.cli.sweep import print_summary
from bpjax.errors import ResultsError, SettingError
from bpjax.held_out import trained_by
from bpjax.params import parameter_names, unflatten_params
from bpjax.results.export import export_table
from bpjax.results.store import SweepFolder, read_runs
from bpjax.status import Status
from bpjax.sweeps.host_loop import environment, run_plan
from bpjax.sweeps.planning import make_plan


def test_answers_are_those_of_the_network():
    """One unit that says whether the first of two inputs is on, by hand."""
    task = dataclasses.replace(bpjax.tasks.xor(hidden=1, direct=True), held_out=(1, 3))
    names = parameter_names(task.network)
    weights = np.zeros((2, len(names)))
    weights[:, names.index("input[0] -> output[0]")] = 10
    weights[:, names.index("bias output[0]")] = -5
    weights[1] *= -1  # the second run says the opposite
    trained = np.array([[True, False, True, False]] * 2)
    answers = held_out_answers(task, trained, weights)
    assert answers.case.tolist() == [[1, 3], [1, 3]]
    # Wanted is 1 for 01 and 0 for 11.
    assert answers.right.tolist() == [[False, False], [True, True]]
    assert answers.right_units.tolist() == [[0, 0], [1, 1]]


@pytest.mark.slow
def test_every_run_is_asked_its_own_cases():
    task = dataclasses.replace(bpjax.tasks.encoder(), held_out=2)
    runs = bpjax.sweep(task, 40, keep_weights=True, max_epochs=300)
    trained = trained_by(task, runs["seed"])
    answers = held_out_answers(task, trained, runs["weights"])
    assert all(not trained[run, case] for run, cases in enumerate(answers.case) for case in cases)
    run = bpjax.train(task, 7, max_epochs=300)
    assert run.history.num_held_out_right[-1] == answers.right[7].sum()
    assert len({tuple(cases) for cases in answers.case}) > 10


@pytest.mark.parametrize(
    ("held_out", "trained"), [(0, np.ones((1, 4), bool)), (1, np.ones((1, 4), bool))]
)
def test_there_must_be_something_to_ask(held_out, trained):
    task = dataclasses.replace(bpjax.tasks.xor(), held_out=held_out)
    with pytest.raises(SettingError, match="must leave"):
        held_out_answers(task, trained, np.zeros((1, 9)))


# ---- the column of a sweep -----------------------------------------------------------------------

NET = dataclasses.replace(bpjax.tasks.xor(hidden=1, direct=True), held_out=2).with_settings(
    init_range=3.0
)


def holding_out(number):
    return dataclasses.replace(NET, held_out=number, options={"held_out": number})


@pytest.mark.parametrize("implementation", daily(["matrix"], of=["matrix", "unrolled", "batched"]))
def test_a_sweep_counts_what_its_weights_answer(implementation):
    settings = {"tolerance": [0.3, 0.5], "max_epochs": 20, "implementation": implementation}
    runs = bpjax.sweep(NET, 40, keep_weights=True, **settings)
    for tolerance in (0.3, 0.5):
        part = runs["tolerance"] == tolerance
        trained = trained_by(NET, runs["seed"][part])
        answers = held_out_answers(NET, trained, runs["weights"][part], tolerance)
        assert runs["held_out_right"][part].tolist() == answers.right.sum(axis=1).tolist()
    assert {0, 1} <= set(runs["held_out_right"].tolist())
    without = bpjax.sweep(NET, 40, **settings)
    assert np.array_equal(without["held_out_right"], runs["held_out_right"])


@pytest.mark.parametrize("implementation", daily(["unrolled"], of=["matrix", "unrolled"]))
@pytest.mark.parametrize("criterion", [{"tolerance": 0.4}, {"loss_below": 0.3}])
def test_a_run_that_is_watched_gives_the_sweeps_number(implementation, criterion):
    settings = {"max_epochs": 25, "implementation": implementation, **criterion}
    runs = bpjax.sweep(NET, 6, first_seed=3, **settings)
    watched = [bpjax.train(NET, seed, record_every=5, **settings) for seed in range(3, 9)]
    ends = [int(run.history.num_held_out_right[-1]) for run in watched]
    assert ends == runs["held_out_right"].tolist()


def test_the_history_has_the_loss_of_what_is_held_out():
    run = bpjax.train(NET, 4, max_epochs=9, snapshot_every=1)
    (trained,) = trained_by(NET, [4])
    for part, losses in ((trained, run.history.loss), (~trained, run.history.held_out_loss)):
        cases = NET.inputs[part], NET.targets[part]
        for weights, ours in zip(run.snapshots.weights, losses, strict=True):
            params = unflatten_params(NET.network, weights.astype(float))
            expected, _ = witness.loss_and_gradient(NET.network, params, *cases, NET.loss)
            np.testing.assert_allclose(ours, expected, rtol=1e-5)
    assert np.isnan(bpjax.train(bpjax.tasks.xor(), 4, max_epochs=3).history.held_out_loss).all()


def test_a_sweep_of_per_case_changes_counts_them_too():
    runs = bpjax.sweep(NET, 20, keep_weights=True, max_epochs=3, updates="case")
    answers = held_out_answers(NET, trained_by(NET, runs["seed"]), runs["weights"])
    assert runs["held_out_right"].tolist() == answers.right.sum(axis=1).tolist()
    assert {0, 1} <= set(runs["held_out_right"].tolist())


def test_the_column_is_stored_exported_summed_up_and_printed(tmp_path, capsys):
    runs = bpjax.sweep(NET, 30, max_epochs=20, out=tmp_path / "runs")
    table = read_runs(tmp_path / "runs")
    assert np.array_equal(table.columns["held_out_right"], runs["held_out_right"])
    export_table(table, tmp_path / "runs.csv")
    head, first, *_ = (tmp_path / "runs.csv").read_text().splitlines()
    place = head.split(",").index("held_out_right")
    assert first.split(",")[place] == str(runs["held_out_right"][0])
    summary = json.loads((tmp_path / "runs" / "summary.json").read_text())
    share = summary["held_out"]["all_runs"]["share_right"]["estimate"]
    assert share == pytest.approx(runs["held_out_right"].mean() / 2)
    print_summary(summary)
    converged = runs["held_out_right"][runs["status"] == Status.CONVERGED]
    words = rf"held out +{converged.mean() / 2:.2%} \(.*\) of 2 cases right, all of them in "
    words += rf"{np.mean(converged == 2):.2%} \(.*\) of converged runs"
    assert re.search(words, capsys.readouterr().out)


@pytest.mark.parametrize(
    "wrong", [None, np.int32([3]), np.int32([-1]), np.float32([0.5])], ids=repr
)
def test_a_chunk_without_the_numbers_is_refused(wrong, tmp_path):
    plan = make_plan(NET, 1, max_epochs=1)
    right = dict(run_plan(plan).table.columns)
    columns = {name: column for name, column in right.items() if name != "held_out_right"}
    columns |= {} if wrong is None else {"held_out_right": wrong}
    rule = "must hold whole numbers from 0 to 2"
    said = "see 'held_out_right'" if wrong is None else f"'held_out_right' {rule}"
    with SweepFolder.open_for_writing(tmp_path, plan.identity(), environment()) as folder:
        with pytest.raises(ValueError, match=said):
            folder.publish_chunk([(0, 1)], columns)
        folder.publish_chunk([(0, 1)], right)


def test_a_folder_from_before_the_column_is_not_mixed_with_it(tmp_path):
    identity = make_plan(NET, 5).identity()
    del identity["num_held_out"]
    with SweepFolder.open_for_writing(tmp_path, identity, environment()):
        pass
    with pytest.raises(ResultsError, match="`num_held_out` was absent, is now 2"):
        bpjax.sweep(NET, 5, out=tmp_path)


def test_a_task_that_holds_out_nothing_has_no_such_column():
    runs = bpjax.sweep(bpjax.tasks.xor(), 5, max_epochs=9)
    assert "held_out_right" not in runs.table.columns
    assert "num_held_out" not in runs.table.identity
    assert runs.summary()["held_out"] is None


def test_counts_do_not_tell_answers():
    runs = bpjax.sweep(NET, 5, max_epochs=9, summary_only=True)
    assert runs.summary()["held_out"] is None
    assert "num_held_out" not in runs.table.identity


def test_variants_may_hold_out_different_numbers(capsys):
    runs = bpjax.sweep([holding_out(n) for n in (0, 1, 2)], 20, max_epochs=20)
    summary = runs.summary()
    assert summary["held_out"] is None
    none, *some = [cell["held_out"] for cell in summary["cells"]]
    assert none is None
    assert [found["num_cases"] for found in some] == [1, 2]
    assert not runs["held_out_right"][:20].any()
    for k, found in enumerate(some, 1):
        right = runs["held_out_right"][20 * k : 20 * (k + 1)]
        assert found["all_runs"]["share_right"]["estimate"] == pytest.approx(right.mean() / k)
    print_summary(summary)
    head, first, *_, last = capsys.readouterr().out.splitlines()[-6:-2]
    assert head.endswith("held-out cases right, of converged runs")
    assert first.endswith(" -")
    assert f"  {some[1]['converged']['share_right']['estimate']:.2%} (" in last


def test_variants_may_hold_out_a_number_or_names():
    variants = [bpjax.tasks.sequence(hidden=1, held_out=held) for held in (2, "AD BE")]
    cells = bpjax.sweep(variants, 2, max_epochs=1).summary()["cells"]
    assert [cell["settings"]["held_out"] for cell in cells] == ["2", "AD BE"]
    assert [cell["held_out"]["num_cases"] for cell in cells] == [2, 2]


# ---- shares --------------------------------------------------------------------------------------


def test_answers_are_summed_up_over_converged_runs_and_over_all():
    status = [Status.CONVERGED] * 3 + [Status.MAX_EPOCHS, Status.NONFINITE]
    found = summarize_answers(status, [4, 4, 1, 4, 0], num_cases=4)
    assert found["num_cases"] == 4
    assert found["converged"]["num_runs"] == 3
    assert found["converged"]["share_right"]["estimate"] == pytest.approx(0.75)
    assert found["converged"]["all_right"] == success_rate(2, 3)._asdict()
    assert found["all_runs"]["all_right"] == success_rate(3, 5)._asdict()
    assert (
        summarize_answers(status[:1], [3], num_cases=4)["converged"]["all_right"]["estimate"] == 0
    )
    assert summarize_answers([Status.MAX_EPOCHS], [1], 4)["converged"] is None
    with pytest.raises(SettingError, match="must be from 0 to 4"):
        summarize_answers(status, [4, 4, 1, 5, 0], num_cases=4)


def test_a_mean_share_of_one_answer_per_run_has_the_interval_of_a_rate():
    for num_right in (0, 3, 10):
        shares = [1.0] * num_right + [0.0] * (10 - num_right)
        assert mean_share(shares, 0.9) == pytest.approx(success_rate(num_right, 10, 0.9))


def test_a_mean_share_knows_that_answers_of_one_run_go_together():
    together = mean_share([0.0, 1.0] * 50)
    apart = mean_share([0.25, 0.75] * 50)
    assert together.estimate == apart.estimate == 0.5
    assert together.high - together.low == pytest.approx(2 * 1.96 * 0.05, rel=0.05)
    assert apart.high - apart.low == pytest.approx((together.high - together.low) / 2, rel=0.05)


def test_a_mean_share_of_few_runs_by_hand():
    """Variance 0.0417 of 4 runs: as uncertain as 18 answers; Student's point is 3.182."""
    found = mean_share([0.5, 0.75, 1.0, 0.75])
    n, t, p = 4 * 0.75 * 0.25 / (0.125 / 3), 3.1824463, 0.75
    half = t * np.sqrt(p * (1 - p) / n + t**2 / (4 * n**2))
    for end, sign in ((found.low, -1), (found.high, 1)):
        assert end == pytest.approx((p + t**2 / (2 * n) + sign * half) / (1 + t**2 / n))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.7, 0.75])
def test_runs_that_all_agree_prove_no_more_than_one_answer_each(share):
    """Of some shares the variance of equal numbers is not exactly 0 in floating point."""
    found = mean_share([share] * 10)
    assert found.high - found.low > 0.4
