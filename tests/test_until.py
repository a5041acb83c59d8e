"""A sweep of as many seeds as a question needs."""

import json

import numpy as np
import pytest

import bpjax
from bpjax.analysis.outcomes import outcomes_of
from bpjax.analysis.sequential import cutoff_of, read_target, share_converged
from bpjax.cli import main
from bpjax.errors import SettingError
from bpjax.status import Status
from bpjax.sweeps.host_loop import run_plan
from bpjax.sweeps.until import first_of, foretold, less, plan_until, sweep_until, tallied

SHORT = {"max_epochs": 600, "pilot": 100, "seeds": 3000}


def outcomes_without_pilot(known, first, look):
    """Return how the runs of a look ended, but for those of the pilot."""
    seed = known.result["seed"].astype(int)
    fresh = (seed >= first + known.pilot) & (seed < first + known.pilot + look.num_runs)
    return outcomes_of(known.result["status"][fresh], known.result["epochs"][fresh])


def test_seeds_are_added_until_the_interval_is_narrow(tmp_path):
    known = sweep_until("xor", "success_rate +- 0.04", first_seed=50, out=tmp_path, **SHORT)
    (point,) = known.points
    fresh = outcomes_without_pilot(known, 50, known.looks[-1])
    assert known.reached
    assert point.interval[:3] == share_converged(fresh, known.looks[-1].level)[:3]
    assert point.interval.high - point.interval.low <= 0.08
    assert len(known.result) == known.pilot + known.looks[-1].num_runs
    for look in known.looks[:-1]:
        before = share_converged(outcomes_without_pilot(known, 50, look), look.level)
        assert before.estimate - before.low > 0.04 or before.high - before.estimate > 0.04
    plain = bpjax.sweep("xor", range(50, 50 + len(known.result)), max_epochs=600)
    np.testing.assert_array_equal(plain["epochs"], known.result["epochs"])
    np.testing.assert_array_equal(plain["loss"], known.result["loss"])
    # The same command trains nothing more, and says the same.
    again = sweep_until("xor", "success_rate +- 0.04", first_seed=50, out=tmp_path, **SHORT)
    assert again._replace(result=known.result) == known
    assert len(bpjax.load(tmp_path)) == len(known.result)


def test_every_point_of_a_grid_is_as_narrow_as_asked():
    grid = {"learning_rate": [0.5, 1.0], **SHORT}
    known = sweep_until("xor", "median +- 15%", **grid)
    assert [point.settings for point in known.points] == [
        {"learning_rate": 0.5},
        {"learning_rate": 1.0},
    ]
    for estimate, low, high, level in (point.interval for point in known.points):
        assert level == 0.95
        assert max(estimate - low, high - estimate) <= 0.15 * estimate


def test_counts_do_as_well_as_rows():
    settings = {"until": "expected_epochs +- 15%", **SHORT}
    rows, counts = (sweep_until("xor", summary_only=only, **settings) for only in (False, True))
    assert counts.points == rows.points
    assert rows.points[0].cutoff == cutoff_of(
        outcomes_of(rows.result["status"][:100], rows.result["epochs"][:100])
    )


def test_where_the_next_look_is_too_far_it_says_so_and_more_seeds_go_on(tmp_path):
    """Of these seeds the first look is not enough: the same looks come, and then one more."""
    settings = {"max_epochs": 600, "pilot": 100, "first_seed": 50, "out": tmp_path}
    enough = sweep_until("xor", "success_rate +- 0.04", seeds=3000, **settings)
    assert len(enough.looks) > 1
    fewer = enough.num_seeds - 1
    short = sweep_until("xor", "success_rate +- 0.04", seeds=fewer, **settings)
    assert not short.reached
    assert short.looks == enough.looks[:-1]
    assert len(short.result) == short.num_seeds <= fewer


def test_what_the_pilot_says_cannot_be_is_refused_after_it():
    with pytest.raises(SettingError, match=r"`seeds` must be more: for success_rate .* got 3000"):
        sweep_until("xor", "success_rate +- 0.001", **SHORT)


def test_a_pilot_says_what_it_will_take():
    plan = plan_until("xor", seeds=10**6, max_epochs=600)
    pilot = run_plan(first_of(plan, 400))
    found = foretold(plan, pilot, read_target("success_rate +- 0.04"))
    assert found.seeds.low <= found.seeds.estimate <= found.seeds.high < 3000
    assert found.seconds > 0
    # Half the width takes four times the seeds beside the pilot; no width takes all.
    half = foretold(plan, pilot, read_target("success_rate +- 0.02"))
    assert (half.seeds.estimate - 400) / (found.seeds.estimate - 400) == pytest.approx(4, rel=0.1)
    none = foretold(plan, pilot, read_target("success_rate +- 1e-6"))
    assert none.seeds[:3] == (None, None, None)
    assert none.seconds is None


def test_outcomes_without_some_of_them():
    rng = np.random.default_rng(0)
    status, epochs = rng.integers(1, 4, 500), rng.integers(0, 9, 500)
    rest = less(outcomes_of(status, epochs), outcomes_of(status[:100], epochs[:100]))
    for ours, theirs in zip(rest, outcomes_of(status[100:], epochs[100:]), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_points_come_in_the_order_of_the_grid():
    result = bpjax.sweep("xor", 5, momentum=[0.9, 0.5], max_epochs=3)
    assert [settings for settings, _ in tallied(result)] == [{"momentum": 0.9}, {"momentum": 0.5}]
    assert all(outcomes.num_runs == 5 for _, outcomes in tallied(result))
    assert Status.MAX_EPOCHS in tallied(result)[0][1].status


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"until": "mean +- 3"}, "`until` must be NAME"),
        ({"pilot": 3}, "`pilot` must be a whole number from 50"),
        ({"seeds": 100}, "`seeds` must be above the 400 of the pilot, got 100"),
        ({"shard": (1, 2)}, "`shard`"),
        ({"pilott": 100}, "`pilott` .* `pilot`"),
        ({"learning_rate": -1}, "`learning_rate` must be"),
    ],
    ids=str,
)
def test_bad_input_is_refused_before_anything_is_trained(settings, sentence, monkeypatch):
    monkeypatch.setattr("bpjax.sweeps.until.run_plan", pytest.fail)
    with pytest.raises(SettingError, match=sentence):
        sweep_until("xor", **{"until": "median +- 3", **settings})


# ---- on the command line -------------------------------------------------------------------------


def test_the_command_goes_on_until_and_says_so(tmp_path, capsys):
    words = ["sweep", "xor", "--until", "success_rate +- 0.04", "--max-epochs", "600"]
    words += [
        "--first-seed",
        "50",
        "--pilot",
        "100",
        "--no-figures",
        "--out",
        str(tmp_path / "one"),
    ]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "  until          success_rate +- 0.04: reached\n" in said
    known = sweep_until("xor", "success_rate +- 0.04", max_epochs=600, pilot=100, first_seed=50)
    assert f"xor: {len(known.result):,} runs" in said
    assert main([*words, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["until"]["reached"]
    assert summary["until"]["points"][0]["interval"] == known.points[0].interval._asdict()
    fewer = ["--seeds", str(known.num_seeds - 1)]
    assert main([*words[:-1], str(tmp_path / "two"), *fewer]) == 1
    assert "not reached: the next look is beyond --seeds" in capsys.readouterr().out
    assert main([*words[:-1], str(tmp_path / "two"), "--seeds", "120"]) == 2
    assert "--seeds must be more: for success_rate +- 0.04" in capsys.readouterr().err


def test_the_command_plan_says_what_forecast_does(capsys):
    words = ["plan", "xor", "--max-epochs", "600", "--pilot", "100", "--until", "median +- 10%"]
    assert main([*words, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    (found,) = bpjax.forecast("xor", "median +- 10%", max_epochs=600, pilot=100)
    assert told["seeds"] == found.seeds._asdict()
    assert main(words) == 0
    assert "median +- 10%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--until", "mean +- 3"], "--until must be NAME +- NUMBER"),
        (["--until", "median +- 3", "--shard", "1/2"], "--shard cannot go with until"),
        (["--pilot", "100"], "--pilot must go with until"),
        (
            ["--until", "median +- 3", "--seeds", "100"],
            "--seeds must be above the 400 of the pilot",
        ),
        (["--until", "median +- 3", "--seeds", "1-9"], "--seeds must be a whole number"),
    ],
)
def test_wrong_words_are_one_sentence(words, sentence, capsys):
    assert main(["sweep", "xor", *words]) == 2
    assert sentence in capsys.readouterr().err
