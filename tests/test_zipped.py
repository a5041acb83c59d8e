"""Grids that are no products: lists that go together, and tables of settings."""

import dataclasses
import json

import numpy as np
import pytest

import bpjax
from bpjax.cli import main
from bpjax.errors import SettingError
from bpjax.results.identity import as_stored
from bpjax.results.schema import fault_of_identity, num_points, points_of
from bpjax.sweeps.planning import make_plan
from bpjax.tasks import xor
from bpjax.told import told_plan

RATES, MOMENTA = [0.1, 0.5, 0.5], [0.9, 0.9, 0.2]
TOGETHER = {"zipped": True, "learning_rate": RATES, "momentum": MOMENTA}


def test_lists_go_together_and_every_point_is_what_it_is_alone(tmp_path):
    found = bpjax.sweep("xor", 20, max_epochs=500, out=tmp_path, **TOGETHER)
    assert found["learning_rate"].tolist() == np.repeat(RATES, 20).tolist()
    for k, (rate, momentum) in enumerate(zip(RATES, MOMENTA, strict=True)):
        alone = bpjax.sweep("xor", 20, max_epochs=500, learning_rate=rate, momentum=momentum)
        part = found["epochs"][20 * k : 20 * (k + 1)]
        np.testing.assert_array_equal(part, alone["epochs"])
    cells = [cell["settings"] for cell in found.summary()["cells"]]
    assert cells == [
        {"learning_rate": rate, "momentum": momentum}
        for rate, momentum in zip(RATES, MOMENTA, strict=True)
    ]
    assert len(bpjax.load(tmp_path)) == 60
    assert len(bpjax.compare(found)) == 3


def test_variants_of_a_task_go_together_with_settings():
    tasks = [xor(hidden=2), xor(hidden=3), xor(hidden=2)]
    plan = make_plan(tasks, 5, learning_rate=RATES, zipped=True)
    assert plan.points == (0, 1, 0)
    assert [cell.columns for cell in plan.cells] == [
        {"hidden": hidden, "learning_rate": rate}
        for hidden, rate in zip((2, 3, 2), RATES, strict=True)
    ]
    assert [cell.task.network.describe() for cell in plan.cells] == ["2-2-1", "2-3-1", "2-2-1"]


def test_different_tasks_are_never_taken_for_one():
    slow, fast = (xor().with_settings(learning_rate=rate) for rate in (0.1, 0.9))
    other = dataclasses.replace(xor(), name="other")
    for tasks in ([slow, fast], [xor(), other]):
        with pytest.raises(SettingError, match="`task` must be variants"):
            make_plan(tasks, 5, zipped=True, momentum=[0.8, 0.9])


def test_one_point_is_the_sweep_that_it_is_without_lists():
    alone, zipped = (make_plan(xor(), 5, learning_rate=[0.2], zipped=z) for z in (False, True))
    assert zipped.identity() == alone.identity()


@pytest.mark.parametrize("tasks", [[xor()], [xor(hidden=2), xor(hidden=3), xor(hidden=2)]])
def test_an_identity_tells_the_points(tasks):
    plan = make_plan(tasks, 7, first_seed=3, **TOGETHER)
    identity = as_stored(plan.identity())
    assert fault_of_identity(identity) is None
    assert num_points(identity) == len(points_of(identity)) == 3
    told = told_plan(identity)
    assert (told.points, told.grid, told.seeds) == (plan.points, plan.grid, plan.seeds)
    assert [cell.columns for cell in told.cells] == [cell.columns for cell in plan.cells]
    assert "points" not in make_plan(xor(), 7).identity()
    for bad in ([0, 0], [0, 0, 5], [], "x", [1, 1, 1]):
        assert fault_of_identity({**identity, "points": bad})


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"momentum": [0.9]}, "`zipped` must have lists of one length"),
        ({"momentum": [0.9, 0.5, 0.5, 0.1]}, "`zipped` must have lists of one length"),
        (
            {"learning_rate": [0.5, 0.1, 0.5], "momentum": [0.9, 0.1, 0.9]},
            "must not have a point twice, got .points 1 and 3",
        ),
        ({"momentum": []}, "`momentum` must have at least one value"),
    ],
)
def test_lists_that_do_not_fit_are_refused(settings, sentence):
    with pytest.raises(SettingError, match=sentence):
        make_plan(xor(), 5, **{**TOGETHER, **settings})


# ---- on the command line -------------------------------------------------------------------------


def run(tmp_path, capsys, *words):
    out = tmp_path / "out"
    line = ["sweep", "xor", "--seeds", "10", "--max-epochs", "300", "--json", "--no-figures"]
    assert main([*line, "--out", str(out), *words]) == 0
    return out, json.loads(capsys.readouterr().out)


def test_a_table_has_a_point_in_every_row(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "points.csv"
    table.write_bytes(
        b"\xef\xbb\xbfhidden, learning-rate,hidden_unit,inputs\r\n"
        b"2,0.5,tanh,binary\r\n3,0.5,logistic,bipolar\r\n\r\n2,1,logistic,binary\r\n"
    )
    out, summary = run(tmp_path, capsys, "--table", "points.csv", "--momentum", "0.5")
    assert [cell["settings"] for cell in summary["cells"]] == [
        {"hidden": 2, "inputs": "binary", "learning_rate": 0.5, "hidden_unit": "tanh"},
        {"hidden": 3, "inputs": "bipolar", "learning_rate": 0.5, "hidden_unit": "logistic"},
        {"hidden": 2, "inputs": "binary", "learning_rate": 1.0, "hidden_unit": "logistic"},
    ]
    assert summary["settings"]["momentum"] == 0.5
    assert main(["verify", str(out)]) == 0
    report = tmp_path / "report.html"
    assert main(["report", str(out), "--out", str(report)]) == 0
    assert "bpjax sweep xor --seeds 10" in report.read_text()


def test_lists_of_the_command_line_go_together(tmp_path, capsys):
    lists = ("--zipped", "--learning-rate", "0.1", "0.5", "--set", "inputs=binary,bipolar")
    _, summary = run(tmp_path, capsys, *lists)
    assert [cell["settings"] for cell in summary["cells"]] == [
        {"inputs": "binary", "learning_rate": 0.1},
        {"inputs": "bipolar", "learning_rate": 0.5},
    ]


@pytest.mark.parametrize(
    ("text", "words", "sentence"),
    [
        (None, (), "--table must name a CSV file"),
        ("momentum\n", (), "--table must name a CSV file"),
        ("momentum,momentum\n1,2\n", (), "--table must have a name of its own for every column"),
        ("momentum,tolerance\n1\n", (), "--table must have 2 values at point 1, got ['1']"),
        ("momentum,tolerance\n0.1,\n", (), "--table must have 2 values at point 1"),
        (
            "momentum\n0.1\n",
            ("--momentum", "0.2"),
            "--table must not have a column momentum, which",
        ),
        ("loss\nmargin\n", (), "--table must leave out loss, which is one for all points"),
        ("inputs\n'a,b'\n", (), "--table must have"),
        ("momentum\nhigh\n", (), "--momentum must be a number, got 'high'"),
        ("momentun\n0.1\n", (), "momentun"),
        ("momentum\n0.1\n0.1\n", (), "--table must not have a point twice, got 'points 1 and 2'"),
        ("momentum\n0.1:0.9:lin5\n", (), "--table must have no ranges in column momentum"),
        ("init-range,init_range\n1,2\n", (), "--table must not have init_range in two spellings"),
        ("momentum\n0.1\n0.2\n", ("--learning-rate", "1", "2", "3"), "--table must have lists"),
    ],
)
def test_a_wrong_table_is_one_sentence(text, words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "points.csv").write_text(text)
    assert main(["sweep", "xor", "--seeds", "5", "--table", "points.csv", *words]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
