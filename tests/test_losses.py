"""Quantiles of losses, against values worked out by hand."""

import numpy as np
import pytest

from bpjax.analysis.losses import FAN, loss_quantiles
from bpjax.errors import SettingError


def test_quantiles_of_ten_runs_are_the_runs_at_their_places():
    loss = np.array([7.0, 1, 9, 3, 5, 10, 2, 8, 6, 4])[:, None]
    found = loss_quantiles(loss)
    assert found.shares == FAN
    assert found.num_runs == 10
    # 5 % of ten runs is half a run, so the best one; 25 % are two and a half, so the third.
    assert found.loss[:, 0].tolist() == [1, 3, 5, 8, 10]


def test_a_share_that_is_a_whole_number_of_runs_takes_that_run():
    loss = np.arange(1.0, 101.0)[:, None]
    shares = [k / 100 for k in range(1, 100)]
    assert loss_quantiles(loss, shares).loss[:, 0].tolist() == list(range(1, 100))


def test_points_of_training_are_taken_by_themselves():
    loss = [[3.0, 0.1, 0.1], [2.0, 2.0, 0.2], [1.0, 1.0, 1.0]]
    assert loss_quantiles(loss, [0.5]).loss.tolist() == [[2, 1, 0.2]]


def test_a_run_that_has_ended_counts_on_with_its_last_loss():
    """Two of three stopped at 0.1; the median is theirs although only one run trains on."""
    loss = [[1.0, 0.1, 0.1, 0.1], [1.0, 0.5, 0.1, 0.1], [1.0, 0.9, 0.8, 0.7]]
    assert loss_quantiles(loss, [0.5]).loss.tolist() == [[1, 0.5, 0.1, 0.1]]


def test_a_loss_that_is_no_number_is_worse_than_any():
    loss = [[np.nan], [np.inf], [1.0], [2.0]]
    assert loss_quantiles(loss, [0.25, 0.5, 0.75, 0.99]).loss[:, 0].tolist() == [
        1,
        2,
        np.inf,
        np.inf,
    ]


def test_quantiles_are_in_order_and_keep_their_type():
    loss = np.random.default_rng(3).exponential(size=(37, 5)).astype(np.float32)
    found = loss_quantiles(loss).loss
    assert found.dtype == np.float32
    assert (np.diff(found, axis=0) >= 0).all()
    for row, share in zip(found, FAN, strict=True):
        assert (np.mean(loss <= row, axis=0) >= share).all()
        assert (np.mean(loss < row, axis=0) < share).all()


@pytest.mark.parametrize(
    ("loss", "shares", "words"),
    [
        ([1.0, 2.0], FAN, "`loss` must have one row per run, at least one, got (2,)."),
        (np.zeros((0, 3)), FAN, "`loss` must have one row per run, at least one, got (0, 3)."),
        ([[1.0]], [], "`shares` must increase strictly, between 0 and 1, got []."),
        ([[1.0]], [0.5, 0.5], "`shares` must increase strictly, between 0 and 1"),
        ([[1.0]], [0.0, 0.5], "`shares` must increase strictly, between 0 and 1"),
        ([[1.0]], [0.5, 1.0], "`shares` must increase strictly, between 0 and 1"),
    ],
)
def test_a_fault_is_named(loss, shares, words):
    with pytest.raises(SettingError) as fault:
        loss_quantiles(loss, shares)
    assert words in str(fault.value)
