"""Every study at tiny size: it computes, saves, draws, and says what it found."""

import json

import numpy as np
import pytest

from experiments import symmetry


@pytest.fixture(scope="module")
def symmetry_result():
    return symmetry.compute(num_runs=12, first_seed=5)


def test_symmetry_follows_the_same_runs_to_every_tolerance(symmetry_result):
    arrays = symmetry_result["arrays"]
    assert arrays["seed"].tolist() == list(range(5, 17))
    for earlier, later in ((0.5, 0.2), (0.2, 0.1)):
        assert np.all(arrays[f"epochs_{earlier}"] <= arrays[f"epochs_{later}"])


def test_symmetry_percentile_counts_unsolved_runs_as_slower(symmetry_result):
    arrays, first = symmetry_result["arrays"], symmetry_result["record"]["tolerances"][0]
    by_hand = np.mean((arrays["status_0.5"] == 1) & (arrays["epochs_0.5"] <= 1425))
    assert first["share_by_printed_epochs"]["estimate"] == pytest.approx(by_hand)
    assert 0 < by_hand < 1


def test_symmetry_nets_solved_to_the_end_are_mirror_antisymmetric(symmetry_result):
    last = symmetry_result["record"]["tolerances"][-1]["weights"]
    assert last["asymmetry"]["q95"] < 0.01
    shares = [share["estimate"] for share in last["solutions"].values()]
    assert sum(shares) == pytest.approx(1)


def test_symmetry_saves_and_draws(symmetry_result, tmp_path):
    symmetry.save(symmetry_result, tmp_path)
    symmetry.draw(symmetry_result, tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())["num_runs"] == 12
    assert "1,425" in (tmp_path / "README.md").read_text()
    figures = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert figures == ["epochs.png", "ratios.png", "survival.png"]


def test_symmetry_refuses_no_runs_in_one_sentence(capsys):
    with pytest.raises(SystemExit, match="2"):
        symmetry.main(["--runs", "0"])
    assert "--runs must be a whole number from 1" in capsys.readouterr().err
