"""What comes back from `sweep` and `train`, as a program and as a person sees it."""

import jax
import numpy as np
import pytest

import bpjax
from bpjax.notebook import curve_of, shown
from bpjax.sweeps.result import SweepResult

XOR = bpjax.tasks.xor().with_settings(learning_rate=1.0, init_range=1.0, max_epochs=150)


@pytest.fixture(scope="module")
def result():
    return bpjax.sweep(XOR, 30, learning_rate=[0.5, 1.0], keep_weights=True)


@pytest.fixture(scope="module")
def run():
    return bpjax.train(XOR, 3)


def test_rows_have_outcomes_by_name_and_every_number(result):
    rows = list(result)
    assert len(rows) == len(result) == 60
    for k in (0, 31, 59):
        assert rows[k]["status"] == bpjax.Status(result["status"][k]).name
        assert rows[k]["epochs"] == result["epochs"][k]
        assert rows[k]["learning_rate"] == (0.5 if k < 30 else 1.0)
        weights = [value for name, value in rows[k].items() if "->" in name or "bias" in name]
        np.testing.assert_array_equal(np.float32(weights), result["weights"][k])


def test_columns_are_what_a_result_contains(result):
    assert "epochs" in result
    assert "epoch" not in result


def test_a_column_that_there_is_not_is_a_sentence(result):
    with pytest.raises(KeyError, match=r"there is no column 'epoch', only seed, .* Perhaps"):
        result["epoch"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_the_rows(library, result):
    pytest.importorskip(library)
    frame = getattr(result, f"to_{library}")()
    assert list(frame.columns) == list(next(iter(result)))
    assert frame["status"].to_list() == [row["status"] for row in result]
    assert frame["epochs"].to_list() == result["epochs"].tolist()


def test_a_result_and_a_run_are_told_in_a_line(result, run):
    converged = int((result["status"] == bpjax.Status.CONVERGED).sum())
    assert repr(result).startswith(
        f"SweepResult(xor, a grid of 2 points: 60 runs, {converged} CONVERGED, "
    )
    assert "columns seed, status, epochs, loss, learning_rate, weights" in repr(result)
    for told in (repr(result), repr(run), repr(run.history), repr(run.snapshots)):
        assert len(told) < 300
        assert "\n" not in told
    assert repr(run).startswith("Run(exclusive-or, 2-2-1, seed 3: CONVERGED after ")
    assert f"epochs 0 to {run.epochs}" in repr(run.history)
    assert "of 9 weights" in repr(run.snapshots)


def test_a_summary_is_told_by_its_counts():
    result = bpjax.sweep(XOR, 200, summary_only=True)
    assert ": 200 runs, " in repr(result)
    assert sum(row["count"] for row in result) == 200


def test_notebooks_show_a_table_and_a_curve(run):
    result = bpjax.sweep(XOR, 60, max_epochs=400)
    for page, words in ((result._repr_html_(), "60"), (run._repr_html_(), "tolerance 0.5")):
        assert words in page
        assert page.count("<svg") == page.count("<polyline") == 1
        assert len(page) < 20_000


def test_a_notebook_never_takes_points_of_a_grid_together():
    page = bpjax.sweep(XOR, 5, learning_rate=[0.5, 1.0], max_epochs=400)._repr_html_()
    assert "<svg" not in page
    assert page.count("of 5 converged") == 2
    many = bpjax.sweep(XOR, 1, learning_rate=list(np.linspace(0.1, 1, 25)), max_epochs=2)
    assert many._repr_html_().count("of 1 converged") == 20
    assert "5 more points" in many._repr_html_()


def test_words_of_a_notebook_are_text():
    evil = "<script>alert(1)</script>"
    page = shown(evil, {evil: evil}, curve_of([0, 1], [2, 3], evil))
    assert "<script" not in page


def test_a_curve_leaves_out_what_is_not_finite():
    assert curve_of([0, 1], [np.nan, 3], "loss") == ""
    assert "loss: 1 to 3, from 0 to 2" in curve_of([0, 1, 2], [1, np.inf, 3], "loss")
    stairs = curve_of([0, 1, 2], [0, 1, 2], "share", steps=True)
    assert "points='2.0,88.0 160.0,88.0 160.0,45.0 318.0,45.0 318.0,2.0'" in stairs


def test_tasks_go_by_their_names():
    by_name, by_task = (bpjax.sweep(task, 5, max_epochs=20) for task in ("xor", bpjax.tasks.xor()))
    assert by_name["loss"].tobytes() == by_task["loss"].tobytes()
    run = bpjax.train("xor", 3, max_epochs=20)
    assert run.loss == bpjax.train(bpjax.tasks.xor(), 3, max_epochs=20).loss == by_name["loss"][3]
    with pytest.raises(bpjax.SettingError, match=r"got 'XOR'. Perhaps xor\?"):
        bpjax.sweep("XOR", 5)
    assert isinstance(by_name, SweepResult)
    assert bpjax.SweepResult is SweepResult


def test_records_may_be_trees_of_anything(run):
    shapes = jax.tree.map(np.shape, run.history)
    assert repr(shapes).startswith("(")
    assert repr(jax.tree.map(len, run.snapshots)).startswith("(")


def test_an_option_of_the_task_is_called_one():
    with pytest.raises(bpjax.SettingError, match=r"option of the task, .*: xor\(hidden=...\)"):
        bpjax.train("xor", 5, hidden=3)


def test_a_setting_that_there_is_not_is_proposed():
    with pytest.raises(bpjax.SettingError, match=r"Perhaps `learning_rate`\?"):
        bpjax.sweep("xor", 5, learnin_rate=0.3)
    with pytest.raises(bpjax.SettingError, match=r"Perhaps `learning_rate`\?"):
        bpjax.train("xor", 5, lr=0.3)
