"""Folders that are damaged or forged: quick versions of two proofs of `experiments.trust`."""

import random
import resource
import shutil

import pytest

from experiments.trust import corruption, forgeries


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("folders")
    for words in ([*forgeries.SWEEP, str(home / "rows")], [*forgeries.RUN, str(home / "run")]):
        assert forgeries.try_command(words)[0] == ""
    counts = [*forgeries.SWEEP, str(home / "counts"), "--summary-only"]
    assert forgeries.try_command(counts)[0] == ""
    return home


@pytest.mark.parametrize("kind", ["rows", "counts", "run"])
def test_no_forged_folder_makes_a_traceback(folders, tmp_path, kind):
    dice = random.Random(kind)
    if kind == "run":
        forged = list(forgeries.forged_json(folders / kind, "run.json"))
    else:
        forged = [
            *forgeries.forged_chunks(folders / kind),
            *dice.sample(list(forgeries.forged_json(folders / kind, "sweep.json")), 150),
            *dice.sample(list(forgeries.forged_json(folders / kind, "summary.json")), 30),
        ]
    forged = dice.sample(forged, 150)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    place, failures = tmp_path / "work", []
    for what, change in forged:
        shutil.copytree(folders / kind, place)
        change(place)
        words = [["verify", str(place)], ["export", str(place), "--out", "-", "--partial"]]
        for command in words[: 1 if kind == "run" else 2]:
            if wrong := forgeries.try_command(command)[0]:
                failures.append(f"{what}, {command[0]}: {wrong}")
        shutil.rmtree(place)
    assert failures == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000


def test_no_damage_is_silently_read(monkeypatch):
    monkeypatch.setattr(corruption, "QUICK", 90)
    monkeypatch.setattr(corruption, "REPAIRS", 3)
    found = corruption.measure(full=False)
    assert found["failures"] == []
    assert found["tried"] == 90
    assert found["repaired"] == 3
