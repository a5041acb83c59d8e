"""The folder of a run: sealed, stored so that no kill loses it, mended from its own copy."""

import errno
import json
import os
import random

import numpy as np
import pytest

from bpjax import run_folder
from bpjax.cli import main
from bpjax.errors import ResultsError
from bpjax.recording import Recording
from bpjax.results import files
from bpjax.results.manifest import FORMAT
from bpjax.results.sealed import sealed
from bpjax.tasks import xor
from bpjax.training import plan_run, train_plan

NAMES = ("history.csv", "run.json", "weights.npz")


@pytest.fixture(scope="module")
def plan():
    return plan_run(xor(), 7, max_epochs=40)


@pytest.fixture(scope="module")
def runs(plan):
    """One run, recorded more and less often."""
    return [train_plan(plan, Recording(every)) for every in (1, 10)]


@pytest.fixture
def folder(plan, runs, tmp_path):
    path = run_folder.claim(tmp_path / "run", plan)
    run_folder.save(runs[0], path, plan)
    return path


def contents(folder):
    return {name: (folder / name).read_bytes() for name in NAMES}


def test_every_flipped_bit_is_found_and_named(folder):
    dice = random.Random(0)
    whole = run_folder.load_run(folder)
    for name, data in contents(folder).items():
        for position in sorted(dice.sample(range(len(data)), 400)):
            changed = bytearray(data)
            changed[position] ^= 1 << dice.randrange(8)
            (folder / name).write_bytes(changed)
            ((path, reason),) = run_folder.verify_run(folder)[1]
            assert path == folder / name
            assert "do not match its checksum" in reason
        if name == "run.json":
            with pytest.warns(UserWarning, match=r"run.json' is not used: .* weights\.npz is"):
                saved = run_folder.load_run(folder)
            assert (saved.identity, saved.environment, saved.outcome) == whole[:3]
        else:
            with pytest.raises(ResultsError, match=f"{name}' is damaged: .*train the run again"):
                run_folder.load_run(folder)
        (folder / name).unlink()
        assert [tuple(f) for f in run_folder.verify_run(folder)[1]] == [
            (folder / name, "it is not there")
        ]
        (folder / name).write_bytes(data)
    assert run_folder.verify_run(folder)[1] == []


def test_files_of_another_run_are_told(folder, plan, runs, tmp_path):
    other_plan = plan_run(xor(), 8, max_epochs=40)
    other = run_folder.claim(tmp_path / "other", other_plan)
    run_folder.save(train_plan(other_plan), other, other_plan)
    for name, data in contents(folder).items():
        (folder / name).write_bytes((other / name).read_bytes())
        ((path, reason),) = run_folder.verify_run(folder)[1]
        assert path == folder / name
        if name == "run.json":
            assert reason == "it is that of another run"
            run_folder.mend_record(folder)
            assert (folder / name).read_bytes() == data
        (folder / name).write_bytes(data)


def test_a_run_is_mended_from_its_copy_or_by_its_command(folder, capsys):
    before = contents(folder)
    (folder / "run.json").write_bytes(b"{}")
    assert main(["verify", str(folder)]) == 1
    assert "Mend it with: bpjax verify DIR --repair" in capsys.readouterr().out
    assert main(["verify", str(folder), "--repair"]) == 0
    assert contents(folder) == before
    (folder / "history.csv").write_bytes(b"")
    capsys.readouterr()
    assert main(["verify", str(folder), "--repair"]) == 1
    said = capsys.readouterr().out
    assert "history.csv: its bytes do not match its checksum in run.json" in said
    assert "Mend it with: bpjax train xor --max-epochs 40 " in said
    assert f" --out {folder}" in said


class Killed(BaseException):
    """Ends the program."""


def until_killed(real, left):
    def step(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return real(*arguments)

    return step


def test_wherever_a_repetition_is_killed_the_folder_holds_a_run(plan, runs, tmp_path, monkeypatch):
    """The same run, recorded less often: its files differ, and each is whole at every moment."""
    steps = 0
    for kill_at in range(10**6):
        path = run_folder.claim(tmp_path / str(kill_at), plan)
        run_folder.save(runs[0], path, plan)
        with monkeypatch.context() as patch:
            left = [kill_at]
            for name in ("create", "write", "replace", "remove", "sync_folder"):
                patch.setattr(files, name, until_killed(getattr(files, name), left))
            try:
                run_folder.save(runs[1], path, plan)
                steps = kill_at
            except Killed:
                pass
        assert run_folder.verify_run(path)[1] == []
        saved = run_folder.load_run(path)
        assert len(saved.history.epoch) in {len(run.history.epoch) for run in runs}
        np.testing.assert_array_equal(saved.snapshots.weights, runs[0].snapshots.weights)
        if steps:
            break
    assert steps > 15
    assert len(saved.history.epoch) == len(runs[1].history.epoch)


def test_the_first_time_a_kill_leaves_a_run_that_has_not_ended(plan, runs, tmp_path, monkeypatch):
    path = run_folder.claim(tmp_path, plan)

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(files, "replace", killed)
        with pytest.raises(Killed):
            run_folder.save(runs[0], path, plan)
    with pytest.raises(ResultsError, match="has not ended; the command that began it"):
        run_folder.load_run(path)
    run_folder.save(runs[0], run_folder.claim(path, plan), plan)
    assert run_folder.verify_run(path)[1] == []


def test_another_format_is_refused_in_one_sentence(folder, plan, capsys):
    record = json.loads((folder / "run.json").read_text())
    for content in (
        json.dumps({k: record[k] for k in ("identity", "environment", "outcome")}).encode(),
        sealed({**{k: v for k, v in record.items() if k != "seal"}, "format": FORMAT + 1}),
    ):
        (folder / "run.json").write_bytes(content)
        for attempt in (run_folder.load_run, lambda path: run_folder.claim(path, plan)):
            with pytest.raises(
                ResultsError, match=r"has format [14], and this bpjax reads 3: read"
            ):
                attempt(folder)
        assert main(["verify", str(folder)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_cannot_be_listed_when_the_run_has_ended_is_a_sentence(
    folder, plan, runs, monkeypatch
):
    def listing(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files, "listing", listing)
    with pytest.raises(ResultsError, match=r"cannot write to .*: Input/output error"):
        run_folder.save(runs[0], folder, plan)


def test_a_folder_that_cannot_be_written_is_noticed_before_the_training(folder, plan, monkeypatch):
    def refused(path):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(files, "create", refused)
    with pytest.raises(ResultsError, match=r"cannot write to .*: Read-only file system"):
        run_folder.claim(folder, plan)
    for words in (["explain", "xor", "--out"], ["report", str(folder), "--out"]):
        assert main([*words, str(folder / "page.html")]) == 2
    monkeypatch.undo()
    (folder / "weights.npz").unlink()
    (folder / "weights.npz").mkdir()
    with pytest.raises(ResultsError, match=r"weights\.npz' is a folder, not a file; move it away"):
        run_folder.claim(folder, plan)
