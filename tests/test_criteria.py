import jax.numpy as jnp
import numpy as np
import pytest

from bpjax.criteria import Criterion, cases_right
from bpjax.errors import SettingError

TARGETS = jnp.array([[0.0, 1.0], [1.0, 0.0]])


def holds(criterion, outputs, loss=1.0, threshold=None):
    return bool(criterion.holds(jnp.array(outputs), TARGETS, jnp.array(loss), threshold))


def test_every_output_of_every_case_must_be_near():
    criterion = Criterion("tolerance", 0.5)
    assert holds(criterion, [[0.49, 0.51], [0.51, 0.49]])
    for wrong in ([[0.51, 1], [1, 0]], [[0, 0.49], [1, 0]], [[0, 1], [1, 0.6]]):
        assert not holds(criterion, [[float(y) for y in case] for case in wrong])


def test_the_tolerance_itself_is_too_far():
    assert not holds(Criterion("tolerance", 0.5), [[0.5, 1.0], [1.0, 0.0]])
    assert holds(Criterion("tolerance", 0.5), [[0.4999, 1.0], [1.0, 0.0]])


def test_a_loss_must_be_below():
    criterion = Criterion("loss", 0.01)
    assert holds(criterion, [[9.0, 9.0], [9.0, 9.0]], loss=0.0099)
    assert not holds(criterion, [[0.0, 1.0], [1.0, 0.0]], loss=0.01)


def test_nothing_holds_for_nan():
    nan = float("nan")
    assert not holds(Criterion("loss", 1e30), [[nan] * 2] * 2, loss=nan)
    assert not holds(Criterion("tolerance", 1.0), [[nan, 1.0], [1.0, 0.0]])


def test_a_grid_brings_its_own_threshold():
    outputs = [[0.3, 0.7], [0.7, 0.3]]
    assert not holds(Criterion("tolerance", 0.1), outputs)
    assert holds(Criterion("tolerance", 0.1), outputs, threshold=0.4)
    assert holds(Criterion("loss", 0.1), outputs, loss=0.2, threshold=0.3)


def test_cases_are_judged_one_by_one():
    outputs = jnp.array([[0.1, 0.9], [0.9, 0.7]])
    assert cases_right(outputs, TARGETS).tolist() == [True, False]
    assert cases_right(outputs, TARGETS, tolerance=0.8).tolist() == [True, True]


def test_a_criterion_has_a_name():
    assert str(Criterion()) == "tolerance 0.5"
    assert str(Criterion("loss", 1e-4)) == "loss below 0.0001"


@pytest.mark.parametrize(
    ("kind", "threshold", "words"),
    [
        ("error", 0.5, "`kind` must be 'tolerance' or 'loss', got 'error'."),
        ("tolerance", 0.0, "`tolerance` must be above 0 and at most 1, got 0.0."),
        ("tolerance", 1.1, "`tolerance` must be above 0 and at most 1, got 1.1."),
        ("tolerance", float("nan"), "`tolerance` must be above 0 and at most 1, got nan."),
        ("loss", 0.0, "`loss_below` must be a positive finite number, got 0.0."),
        ("loss", float("inf"), "`loss_below` must be a positive finite number, got inf."),
    ],
)
def test_a_fault_is_named(kind, threshold, words):
    with pytest.raises(SettingError) as fault:
        Criterion(kind, threshold)
    assert str(fault.value) == words


@pytest.mark.parametrize("kind", ["tolerance", "loss"])
@pytest.mark.parametrize("value", ["a", True, None])
def test_a_threshold_that_is_no_number_is_refused(kind, value):
    with pytest.raises(SettingError, match="must be"):
        Criterion(kind, value)


@pytest.mark.parametrize("kind", ["tolerance", "loss"])
def test_a_numpy_threshold_becomes_pythons_own(kind):
    criterion = Criterion(kind, np.float32(0.5))
    assert type(criterion.threshold) is float
    assert criterion == Criterion(kind, 0.5)
