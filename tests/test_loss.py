import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

from bpjax.errors import SettingError
from bpjax.loss import HalfSquaredError, MarginSquaredError
from bpjax.witness import loss_value

READINGS = [
    MarginSquaredError(on, off, measured_from, scope)
    for on, off in [(0.8, 0.2), (1.0, 0.0)]
    for measured_from in ("target", "margin")
    for scope in ("unit", "case")
]
LOSSES = [HalfSquaredError(), *READINGS]

# Two cases of three outputs; targets on, off, off. In the first all are inside the margins, in
# the second only the middle one is.
OUTPUTS = [[0.9, 0.1, 0.15], [0.7, 0.1, 0.5]]
TARGETS = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
ERRORS = {
    ("target", "unit"): [[0, 0, 0], [-0.3, 0, 0.5]],
    ("target", "case"): [[0, 0, 0], [-0.3, 0.1, 0.5]],
    ("margin", "unit"): [[0, 0, 0], [-0.1, 0, 0.3]],
    ("margin", "case"): [[0, 0, 0], [-0.1, 0, 0.3]],
}


def test_half_squared_error_by_hand(float64):
    outputs, targets = jnp.array([[0.5, 0.0], [1.0, 0.25]]), jnp.array([[1.0, 0.0], [1.0, 1.0]])
    # (0.25 + 0 + 0 + 0.5625) / 2: a sum over cases and outputs, no mean
    assert float(HalfSquaredError().value(outputs, targets)) == 0.40625
    derivative = HalfSquaredError().derivative(outputs, targets)
    assert derivative.tolist() == [[-0.5, 0], [0, -0.75]]


@pytest.mark.parametrize("reading", ERRORS, ids="-".join)
def test_margin_readings_by_hand(reading, float64):
    loss = MarginSquaredError(measured_from=reading[0], scope=reading[1])
    outputs, targets = jnp.array(OUTPUTS), jnp.array(TARGETS)
    expected = np.array(ERRORS[reading])
    np.testing.assert_allclose(loss.derivative(outputs, targets), expected, atol=1e-15)
    assert float(loss.value(outputs, targets)) == pytest.approx(0.5 * (expected**2).sum())


def test_on_the_edge_of_the_margin_an_output_is_still_wrong():
    edges, targets = jnp.array([[0.8, 0.2]]), jnp.array([[1.0, 0.0]])
    errors = MarginSquaredError().derivative(edges, targets)
    np.testing.assert_allclose(errors, [[-0.2, 0.2]], rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_derivative_belongs_to_the_value(loss, float64):
    rng = np.random.default_rng(1)
    outputs = jnp.asarray(rng.uniform(size=(20, 3)))
    targets = jnp.asarray(rng.uniform(size=(20, 3)))
    by_jax = jax.grad(loss.value)(outputs, targets)
    assert_trees_close(loss.derivative(outputs, targets), by_jax)
    assert float(loss.value(outputs, targets)) == pytest.approx(loss_value(loss, outputs, targets))


def test_no_margin_is_half_squared_error(float64):
    outputs, targets = jnp.array(OUTPUTS), jnp.array(TARGETS)
    without = MarginSquaredError(on=1.0, off=0.0)
    assert without.value(outputs, targets) == HalfSquaredError().value(outputs, targets)


@pytest.mark.parametrize("loss", [HalfSquaredError(), MarginSquaredError()], ids=repr)
@pytest.mark.parametrize("method", ["value", "derivative"])
def test_nothing_is_broadcast(loss, method):
    words = r"`targets` must have the shape of the outputs \(4, 1\); nothing is broadcast, got \(4,"
    with pytest.raises(SettingError, match=words):
        getattr(loss, method)(jnp.zeros((4, 1)), jnp.zeros((4, 4)))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"on": 0.2, "off": 0.2}, r"`off, on` must satisfy 0 <= off < on <= 1, got \(0.2, 0.2\)."),
        ({"off": -0.1}, r"`off, on` must satisfy .*, got \(-0.1, 0.8\)."),
        ({"on": 1.1}, r"`off, on` must satisfy .*, got \(0.2, 1.1\)."),
        ({"measured_from": "edge"}, "`measured_from` must be 'target' or 'margin', got 'edge'."),
        ({"scope": "net"}, "`scope` must be 'unit' or 'case', got 'net'."),
    ],
)
def test_a_fault_is_named(wrong, words):
    with pytest.raises(SettingError, match=words):
        MarginSquaredError(**wrong)
