"""A run that was stopped goes on bit for bit, record included; what is kept of it is safe."""

import dataclasses
import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

import bpjax
from bpjax import run_folder, run_part
from bpjax.cli import main, stopping
from bpjax.errors import ResultsError
from bpjax.recording import Recording
from bpjax.training import plan_run, train_plan

XOR = {"max_epochs": 90, "learning_rate": 1.0, "block_size": 8}


class Stopped(Exception):
    """Ends a training."""


def stopped_at(plan, recording, epoch, part=None):
    """Train until at least so many epochs are made, and return the run as it stands."""
    kept = []

    def keep(as_it_stands):
        found = as_it_stands()
        if found.epoch >= epoch:
            kept.append(found)
            raise Stopped

    with pytest.raises(Stopped):
        train_plan(plan, recording, keep=keep, part=part)
    return kept[0]


def same_bits(one, other):
    ours, theirs = jax.tree.leaves(one), jax.tree.leaves(other)
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(ours, theirs, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.fixture(autouse=True)
def short_calls(monkeypatch):
    """Every call makes an epoch and is looked at."""
    monkeypatch.setattr("bpjax.training.SECONDS_PER_CALL", 0.0)
    monkeypatch.setattr("bpjax.recording.STATES_PER_LOOK", 4)


@pytest.mark.parametrize(
    ("task", "settings", "recording"),
    [
        (bpjax.tasks.xor(), XOR, Recording(1, 10)),
        (
            dataclasses.replace(bpjax.tasks.xor(), held_out=1),
            {"max_epochs": 40, "updates": "case", "order": "shuffled", "block_size": 8},
            Recording(3),
        ),
    ],
    ids=["float32", "held-out-shuffled"],
)
def test_a_run_that_was_stopped_twice_is_the_run_that_was_not(task, settings, recording, tmp_path):
    plan = plan_run(task, 4, **settings)
    whole = train_plan(plan, recording)
    part = None
    for epoch in (7, 20):
        part = stopped_at(plan, recording, epoch, part)
        assert epoch <= part.epoch < whole.epochs
        run_part.keep_part(run_folder.claim(tmp_path, plan), plan, recording, part)
        part = run_part.part_of_run(tmp_path, plan, recording)
    resumed = train_plan(plan, recording, part=part)
    same_bits(resumed[1:], whole[1:])


# ---- the file ------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    """The folder of a run that was stopped, with its plan."""
    plan, recording = plan_run(bpjax.tasks.xor(), 5, **XOR), Recording(1, 10)
    folder = run_folder.claim(tmp_path / "run", plan)
    run_part.keep_part(folder, plan, recording, stopped_at(plan, recording, 7))
    return folder, plan


def test_another_run_or_another_record_does_not_go_on(kept):
    folder, plan = kept
    for recording, named in ((Recording(), "`snapshot_every` was 10"), (Recording(5, 10), "1, is")):
        with pytest.raises(ResultsError, match=rf"holds the run up to epoch \d+: .*{named}.* --st"):
            run_part.part_of_run(folder, plan, recording)
    other = plan_run(bpjax.tasks.xor(), 6, **XOR)
    with pytest.raises(ResultsError, match="`seed` was 5, is now 6"):
        run_part.part_of_run(folder, other, Recording(1, 10))
    with pytest.raises(ResultsError, match="holds a run that has not ended; the command that"):
        bpjax.load(folder)


def test_every_damage_is_found(kept, capsys):
    folder, plan = kept
    checked = run_folder.verify_run(folder)
    assert (checked.faults, checked.unfinished) == ([], run_part.read_part(folder).part.epoch)
    assert main(["verify", str(folder)]) == 1
    assert "The run has not ended; it is kept up to epoch" in capsys.readouterr().out
    file = folder / run_part.NAME
    data = file.read_bytes()
    for position in np.random.default_rng(0).integers(0, len(data), 50).tolist():
        changed = bytearray(data)
        changed[position] ^= 1
        file.write_bytes(changed)
        ((path, reason),) = run_folder.verify_run(folder).faults
        assert (path, reason) == (file, "its bytes do not match its checksum")
        with pytest.raises(ValueError, match="its bytes do not match"):
            run_part.part_of_run(folder, plan, Recording(1, 10))


# ---- the command ---------------------------------------------------------------------------------

WORDS = [
    "train",
    "xor",
    "--seed",
    "4",
    "--max-epochs",
    "90",
    "--learning-rate",
    "1",
    "--no-figures",
]


def stop_after(monkeypatch, number):
    """Let a signal come at some safe point; never if there are fewer."""
    left = [number]

    def check():
        left[0] -= 1
        if left[0] == 0:
            raise stopping.Stopped

    monkeypatch.setattr(stopping, "check", check)


def test_train_says_what_it_keeps_and_goes_on_or_starts_again(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*WORDS, "--out", "whole"]) == 0
    assert "history and weights: whole" in capsys.readouterr().out
    stop_after(monkeypatch, 3)
    assert main([*WORDS, "--out", "run"]) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(
        r"stopped at epoch \d+, which is kept in run. Resume with: bpjax train xor .* --out run",
        said,
    )
    assert run_folder.verify_run("run").unfinished > 0
    stop_after(monkeypatch, 0)
    assert main([*WORDS, "--out", "run", "--json"]) == 0
    printed = capsys.readouterr()
    assert "The run goes on from epoch " in printed.err
    assert json.loads(printed.out)["folder"] == "run"
    assert Path("run/history.csv").read_bytes() == Path("whole/history.csv").read_bytes()
    same_bits(bpjax.load("run")[1:], bpjax.load("whole")[1:])
    assert not Path("run", run_part.NAME).exists()

    stop_after(monkeypatch, 3)
    assert main([*WORDS, "--out", "again"]) == 130
    stop_after(monkeypatch, 0)
    capsys.readouterr()
    assert main([*WORDS, "--out", "again", "--record-every", "5"]) == 2
    assert "`record_every` was 1, is now 5" in capsys.readouterr().err
    assert main([*WORDS, "--out", "again", "--record-every", "5", "--start-again"]) == 0
    assert "goes on" not in capsys.readouterr().err
    assert bpjax.load("again").history.epoch[1] == 5


def test_a_damaged_part_is_named_and_the_run_starts_again(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stop_after(monkeypatch, 3)
    assert main([*WORDS, "--out", "run"]) == 130
    stop_after(monkeypatch, 0)
    Path("run", run_part.NAME).write_bytes(b"half")
    assert main([*WORDS, "--out", "run"]) == 0
    assert "is damaged and not used: its bytes do not match its checksum" in capsys.readouterr().err
    assert main(["verify", "run"]) == 0
