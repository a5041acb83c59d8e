"""Losses of many runs over training: the runs of `sweep` and `train`, whatever is recorded."""

import numpy as np
import pytest
from helpers import count_advances

import bpjax
from bpjax.errors import SettingError
from bpjax.histories import first_runs, histories_of
from bpjax.status import Status
from bpjax.sweeps.planning import make_plan

XOR = bpjax.tasks.xor().with_settings(learning_rate=1.0, init_range=1.0, max_epochs=150)
SMALL = {"block_size": 3}
"""Three lanes on each of the tests' four devices: 12 runs at once."""


@pytest.fixture(scope="module", params=["matrix", "unrolled"])
def layout(request):
    return SMALL | {"implementation": request.param}


def test_every_loss_is_that_of_the_run_stopped_there(layout):
    """`train` with its cap at a recorded epoch ends with the loss there, in the same bits."""
    epochs = [0, 1, 2, 40, 41, 149, 150, 400]
    found = bpjax.loss_histories(XOR, 5, first_seed=2, epochs=epochs, **layout)
    assert found.epoch.tolist() == epochs
    assert set(found.status) == {Status.CONVERGED, Status.MAX_EPOCHS}
    for k, seed in enumerate(found.seed):
        for loss, epoch in zip(found.loss[k], epochs, strict=True):
            cap = min(max(epoch, 1), 150)
            run = bpjax.train(XOR, seed, max_epochs=cap, record_every=10**6, **layout)
            if epoch > 0:
                assert run.loss == loss
            else:
                np.testing.assert_allclose(run.history.loss[0], loss, rtol=1e-6)


def test_the_runs_are_those_of_the_sweep_however_many_blocks_they_fill(layout):
    found = bpjax.loss_histories(XOR, 31, epochs=[7, 150], **layout)
    result = bpjax.sweep(XOR, 31, **layout)
    for ours, name in zip(found[1:4], ("seed", "status", "epochs"), strict=True):
        np.testing.assert_array_equal(ours, result[name])
    assert found.loss[:, -1].tobytes() == result["loss"].tobytes()
    for seed in (0, 11, 12, 30):
        run = bpjax.train(XOR, seed, max_epochs=7, record_every=7, **layout)
        assert run.loss == found.loss[seed, 0]


def test_a_run_keeps_its_last_loss(layout):
    found = bpjax.loss_histories(XOR, 12, epochs=range(151), **layout)
    converged = found.status == Status.CONVERGED
    assert converged.any()
    for loss, end in zip(found.loss[converged], found.epochs[converged], strict=True):
        assert (loss[end:] == loss[end]).all()
        assert loss[end] != loss[end - 1]


def test_unasked_about_a_hundred_epochs_reach_the_last_end():
    found = bpjax.loss_histories(XOR, 12, max_epochs=10_000, tolerance=0.49, **SMALL)
    steps = np.diff(found.epoch)
    assert found.epoch[0] == 0
    assert (np.diff(steps[20:]) >= -1).all()
    assert found.epoch[-2] < found.epochs.max() <= found.epoch[-1]
    assert len(found.epoch) <= 101


def test_few_calls_are_made(monkeypatch):
    made = count_advances(monkeypatch)
    bpjax.loss_histories(XOR, 12, epochs=[0, 10, 50], **SMALL)
    assert made[:4] == [1, 1, 10, 40]  # the first call only puts runs into lanes
    assert set(made[4:]) <= {None}


def test_runs_that_leave_the_finite_numbers_keep_a_loss_that_is_none():
    task = XOR.with_settings(learning_rate=1e38, momentum=0.99)
    found = bpjax.loss_histories(task, 4, epochs=[0, 150], **SMALL)
    assert (found.status == Status.NONFINITE).any()
    assert np.isfinite(found.loss[:, 0]).all()


def test_float64_is_recorded_in_float64():
    found = bpjax.loss_histories(XOR, 2, epochs=[3], precision="float64", **SMALL)
    assert found.loss.dtype == np.float64


def test_the_first_runs_of_a_sweep_are_trained_by_its_own_program():
    plan = make_plan(XOR, 40, first_seed=9, shard=(2, 2), **SMALL)
    found = histories_of(first_runs(plan, 3), [1])
    assert found.seed.tolist() == [9, 10, 11]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epochs": []}, "`epochs` must be at least one number, and increase, got []."),
        ({"epochs": [1, 1]}, "`epochs` must be at least one number, and increase, got [1, 1]."),
        ({"epochs": [-1]}, "`epochs` must be a whole number from 0 to 2**31 - 2, got -1."),
        ({"epochs": [0.5]}, "`epochs` must be a whole number from 0 to 2**31 - 2, got 0.5."),
        ({"momentum": [0.1, 0.2]}, "`momentum` must be one value for a history, got [0.1, 0.2]."),
        ({"summary_only": True}, "`summary_only` cannot go with a history of every run"),
    ],
)
def test_a_fault_is_named(settings, words):
    with pytest.raises(SettingError) as fault:
        bpjax.loss_histories(XOR, 3, **settings)
    assert words in str(fault.value)
