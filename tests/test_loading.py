"""What is read back is what was returned."""

import dataclasses

import jax
import numpy as np
import pytest

import bpjax
from bpjax import run_folder
from bpjax.errors import ResultsError
from bpjax.recording import Recording
from bpjax.training import plan_run, train_plan

XOR = bpjax.tasks.xor().with_settings(learning_rate=1.0, init_range=1.0, max_epochs=150)


def assert_same_columns(ours, theirs):
    assert list(ours.table.columns) == list(theirs.table.columns)
    for name, column in theirs.table.columns.items():
        assert ours[name].dtype == column.dtype
        assert ours[name].tobytes() == column.tobytes()


def test_a_sweep_comes_back_whole_and_from_its_shards(tmp_path):
    settings = {"learning_rate": [0.5, 1.0], "keep_weights": True}
    made = bpjax.sweep(XOR, 20, out=tmp_path / "whole", **settings)
    loaded = bpjax.load(tmp_path / "whole")
    assert_same_columns(loaded, made)
    assert loaded.timing.runs == 40
    assert loaded.summary()["cells"] == made.summary()["cells"]
    for k in (1, 2, 3):
        bpjax.sweep(XOR, 20, out=tmp_path / f"{k}", shard=(k, 3), **settings)
    with pytest.raises(ResultsError, match="are 2 of 3 shards"):
        bpjax.load(tmp_path / "3", tmp_path / "1")
    assert len(bpjax.load(tmp_path / "3", tmp_path / "1", allow_partial=True)) < 40
    assert_same_columns(bpjax.load(*(tmp_path / name for name in "312")), made)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_run_comes_back(tmp_path, precision):
    task = dataclasses.replace(XOR, held_out=1)
    plan = plan_run(task, 3, updates="case", precision=precision)
    folder = run_folder.claim(tmp_path, plan)
    made = train_plan(plan, Recording(5, 10))
    run_folder.save(made, folder, plan)
    loaded = bpjax.load(tmp_path)
    assert loaded.task.describe() == made.task.describe()
    assert (loaded.seed, loaded.status, loaded.epochs) == (3, made.status, made.epochs)
    assert loaded.loss == made.loss
    for ours, theirs in zip(
        jax.tree.leaves((loaded.params, loaded.history, loaded.snapshots)),
        jax.tree.leaves((made.params, made.history, made.snapshots)),
        strict=True,
    ):
        assert ours.dtype == theirs.dtype
        assert np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()
    assert "seed 3" in repr(loaded)


def test_a_task_of_ones_own_is_read_without_its_task(tmp_path):
    own = bpjax.Unit(jax.numpy.arctan, lambda x: 1 / (1 + x * x), of="preactivation")
    plan = plan_run(XOR.with_settings(hidden_unit=own), 3, max_epochs=5)
    folder = run_folder.claim(tmp_path, plan)
    run_folder.save(train_plan(plan), folder, plan)
    with pytest.raises(ResultsError, match="something of its user's own"):
        bpjax.load(tmp_path)
    assert run_folder.load_run(tmp_path).outcome["epochs"] == 5


def test_what_is_no_folder_is_a_sentence(tmp_path):
    with pytest.raises(ResultsError, match="there is no folder"):
        bpjax.load()
    with pytest.raises(ResultsError, match="nowhere"):
        bpjax.load(tmp_path / "nowhere")
