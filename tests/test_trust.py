"""The page of promises, and quick versions of the proofs that the suite does not hold anyway."""

import importlib
import re
from pathlib import Path

import pytest
from helpers import daily

from experiments import trust
from experiments.trust import mixing, poison, statistics, teeth, teeth_store
from experiments.trust.page import write_up
from experiments.trust.promises import PROMISES, PROOFS

TRUST = Path(trust.__file__).parent


def record(**others):
    about = {"tried": 3, "failed": 0, "words": "Held.", "full": True, "date": "2026-01-01"}
    made = {
        "seconds": 2.0,
        "machine": "2 cores",
        "versions": {"jax": "1"},
        "command": "python -m x",
    }
    return about | made | others


def test_every_promise_is_there_and_every_proof_exists():
    assert list(PROMISES) == [f"P{k}" for k in range(21)]
    for name in PROOFS:
        proof = importlib.import_module(f"experiments.trust.{name}")
        assert callable(proof.measure), name
        assert re.match(r"P\d+", proof.__doc__), f"{name} does not say what it shows"


def test_the_page_has_every_promise_and_says_what_was_not_measured():
    page = write_up({})
    for name, (sentence, proofs) in PROMISES.items():
        assert re.search(rf"^\| \[{name}\].*{re.escape(sentence)} \| not measured \|", page, re.M)
        for proof in proofs:
            assert f"`{proof}`: not measured." in page
    assert "## What is not promised" in page


@pytest.mark.parametrize(
    ("others", "held"),
    [
        ({}, "yes"),
        ({"full": False}, r"yes \(quick\)"),
        ({"failed": 1}, r"\*\*no\*\*"),
        ({"tried": 0}, r"\*\*no\*\*"),
    ],
)
def test_the_page_says_what_held(others, held):
    page = write_up({"poison": record(weaker=["It is weak."], **others)})
    assert re.search(rf"^\| \[P7\].* \| {held} \|", page, re.M)
    assert "`python -m x`" in page
    assert "- It is weak." in page


def test_the_committed_page_is_that_of_the_committed_records():
    folder = trust.default_folder(full=True)
    assert (folder / "README.md").read_text() == write_up(trust.records_in(folder))


def test_records_are_kept_one_by_one_and_a_failure_is_the_exit_code(tmp_path, monkeypatch, capsys):
    outcomes = {"poison": record(full=False), "bits": record(failed=2)}
    monkeypatch.setattr(trust, "prove", lambda name, full: outcomes[name])
    assert trust.main(["--quick", "--only", "poison", "--out", str(tmp_path)]) == 0
    assert trust.main(["--quick", "--only", "bits", "--out", str(tmp_path)]) == 1
    assert trust.records_in(tmp_path) == outcomes
    assert "FAILED: bits" in capsys.readouterr().out
    assert "P5" in (tmp_path / "README.md").read_text()


def test_quick_records_never_replace_full_ones():
    assert trust.default_folder(full=True).parts[-2:] == ("results", "trust")
    assert trust.default_folder(full=False).parts[-2:] == ("results", "trust-quick")


def test_a_proof_that_breaks_down_is_a_record_that_failed(monkeypatch):
    monkeypatch.setattr(
        trust.subprocess, "run", lambda command: trust.subprocess.CompletedProcess("", 3)
    )
    assert trust.prove("poison", full=False)["failed"] == 1


@pytest.mark.parametrize(
    "proof",
    daily([poison, mixing], of=[poison, mixing, statistics]),
    ids=lambda proof: proof.__name__,
)
def test_quick_proofs(proof):
    found = proof.measure(full=False)
    assert not found["failed"], found["off"]
    assert found["tried"] > 20
    assert found["words"].endswith(".")


@pytest.mark.parametrize("proof", [teeth, teeth_store], ids=lambda proof: proof.__name__)
def test_every_mutant_can_be_made(proof):
    """That it dies is tried by `python -m experiments.trust --only teeth teeth_store`."""
    for mutants in proof.MUTANTS.values():
        for mutant in mutants:
            source = (TRUST.parents[1] / "bpjax" / f"{mutant.module}.py").read_text()
            assert source.count(mutant.old) == 1, mutant
            compile(source.replace(mutant.old, mutant.new), mutant.module, "exec")
