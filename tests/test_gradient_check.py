"""The proof (P0), its witness, and the property that random networks pass it."""

import ast
import dataclasses
import inspect
import math

import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import daily
from hypothesis import given, settings

from bpjax import tasks, witness
from bpjax.connections import Connection, Layer
from bpjax.errors import SettingError
from bpjax.gradient_check import DIFFERENCE_TOLERANCE, check_gradients, check_task, with_zero_error
from bpjax.loss import HalfSquaredError, MarginSquaredError
from bpjax.network import Network, layered
from bpjax.params import Params
from bpjax.problems import (
    initial_problem,
    is_least_at_targets,
    random_network,
    random_problem,
)
from bpjax.units import UNITS

TASKS = [
    tasks.xor(),
    tasks.xor(direct=True),
    tasks.parity(),
    tasks.parity(bits=3, hidden=2, hidden_layers=4),
    tasks.encoder(),
    tasks.graded_code(),
    tasks.symmetry(),
    tasks.shift_register(units=5),
    tasks.sequence(hidden=4),
    tasks.addition(),
    tasks.addition(hidden=3),
    tasks.negation(),
    tasks.t_c(rows=3, columns=3),
    tasks.t_c(rows=3, columns=3, equal_output_weights=True),
]


@pytest.mark.parametrize(
    "task",
    daily([TASKS[k] for k in (0, 3, 6, 7)], of=TASKS),
    ids=lambda task: task.title,
)
def test_every_connection_of_every_task(task):
    checks = check_task(task)
    num_connections = len(task.network.weights) + len(task.network.biases)
    assert len(checks) == num_connections + 1
    assert sum(check.num_parameters for check in checks) == task.network.num_parameters
    for check in checks:
        assert check.ok, check
        assert check.versus_jax <= 1e-12
        assert check.versus_numpy <= 1e-12
        assert check.versus_differences <= DIFFERENCE_TOLERANCE
        assert check.largest_gradient > 0


def test_a_target_inside_no_margin_is_wrong_even_as_an_answer():
    loss = MarginSquaredError(measured_from="margin")
    task = dataclasses.replace(tasks.xor(), loss=loss)
    solved = with_zero_error(initial_problem(task, seed=0, init_range=1.0))
    assert not is_least_at_targets(solved.loss)
    assert is_least_at_targets(MarginSquaredError())
    assert all(check.ok for check in check_task(task))


@pytest.mark.parametrize(("cases", "num_points"), [(4, 12), (6000, 4)])
def test_the_largest_tasks_are_checked_from_one_seed(cases, num_points, monkeypatch):
    points = []
    ok = check_task(tasks.xor(), seeds=[0], init_ranges=[1.0])
    fake = lambda *problem, tolerance: points.append(problem) or ok  # noqa: E731
    monkeypatch.setattr("bpjax.gradient_check.check_gradients", fake)
    task = tasks.xor()
    rows = np.resize(np.arange(4), cases)
    check_task(dataclasses.replace(task, inputs=task.inputs[rows], targets=task.targets[rows]))
    assert len(points) == num_points


def test_zero_error_has_no_gradient():
    solved = with_zero_error(initial_problem(tasks.parity(), seed=0, init_range=1.0))
    for check in check_gradients(*solved):
        assert check.ok
        assert check.largest_gradient == 0


def test_the_wide_ranges_do_saturate_units():
    task = tasks.symmetry()
    problem = initial_problem(task, seed=0, init_range=30.0)
    activations = witness.all_activations(task.network, problem.params, task.inputs)
    hidden = activations["hidden"]
    assert np.mean((hidden < 1e-4) | (hidden > 1 - 1e-4)) > 0.3


@pytest.mark.parametrize("seed", range(6))
def test_random_networks_of_the_package(seed):
    for check in check_gradients(*random_problem(seed)):
        assert check.ok, check


def test_random_networks_are_of_every_kind():
    networks = [random_network(seed) for seed in range(200)]
    connections = [c for network in networks for c in network.connections]
    layers = [layer for network in networks for layer in network.computed_layers]
    assert {len(network.input_layers) for network in networks} == {1, 2}
    assert {len(network.computed_layers) for network in networks} == {1, 2, 3, 4}
    assert {layer.activation for layer in layers} == {*UNITS}
    assert {layer.bias for layer in layers} == {True, False}
    kinds = {(c.mask is not None, c.tie is not None) for c in connections}
    assert kinds == {(False, False), (False, True), (True, False), (True, True)}
    assert any(len(network.incoming[network.outputs[0]]) > 1 for network in networks)
    assert any(c.mask is not None and not np.any(c.mask) for c in connections)
    assert random_network(7) == random_network(7)
    losses = {random_problem(seed).loss for seed in range(60)}
    # half squared error, four readings of the margin, two cross-entropies
    assert len(losses) == 7


@st.composite
def tables(draw, shape, entries):
    """An integer table of the shape, with entries from 0 without a gap."""
    numbers = draw(st.lists(st.integers(0, entries), min_size=math.prod(shape)))
    _, places = np.unique(numbers[: math.prod(shape)], return_inverse=True)
    return places.reshape(shape)


@st.composite
def networks(draw):
    """Layer graphs of the test's own making; sizes are few because every shape is compiled."""
    num_layers = draw(st.integers(2, 4))
    layers = [
        Layer(
            f"l{k}",
            draw(st.sampled_from([1, 3])),
            draw(st.sampled_from(["logistic", "tanh", "linear"])),
            draw(st.booleans()),
        )
        for k in range(num_layers)
    ]
    connections = []
    for j in range(1, num_layers):
        least = 1 if j == num_layers - 1 else 0  # else a further input layer
        for i in draw(st.sets(st.integers(0, j - 1), min_size=least)):
            shape = layers[i].size, layers[j].size
            mask = draw(st.none() | tables(shape, 1))
            tie = draw(st.none() | tables(shape, 2))
            connections.append(Connection(f"l{i}", f"l{j}", mask, tie))
    joined = {name for connection in connections for name in connection.key}
    return Network([layer for layer in layers if layer.name in joined], connections)


LOSSES = [
    HalfSquaredError(),
    MarginSquaredError(),
    MarginSquaredError(0.6, 0.4, "margin"),
    MarginSquaredError(0.7, 0.3, scope="case"),
]


@given(networks(), st.integers(0, 2**32 - 1), st.sampled_from([1, 4]), st.sampled_from(LOSSES))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_any_network_passes(network, seed, num_cases, loss):
    rng = np.random.default_rng(seed)
    params = Params(
        {c.key: rng.uniform(-1, 1, network.weight_shape(c)) for c in network.connections},
        {name: rng.uniform(-1, 1, layer.size) for name, layer in network.biases.items()},
    )
    inputs = rng.normal(size=(num_cases, network.num_in))
    targets = rng.uniform(size=(num_cases, network.num_out))
    for check in check_gradients(network, params, inputs, targets, loss):
        assert check.ok, check


def test_a_masked_or_tied_connection_counts_what_can_change():
    layers = [Layer("a", 2), Layer("b", 2), Layer("c", 1, bias=False)]
    network = Network(
        layers,
        [
            Connection("a", "b", mask=[[True, False], [True, True]]),
            Connection("a", "c", tie=[[0], [0]]),
            Connection("b", "c"),
        ],
    )
    rng = np.random.default_rng(0)
    params = Params(
        {c.key: rng.normal(size=network.weight_shape(c)) for c in network.connections},
        {"b": rng.normal(size=2)},
    )
    checks = check_gradients(network, params, rng.normal(size=(3, 2)), rng.uniform(size=(3, 1)))
    counted = {check.name: check.num_parameters for check in checks}
    assert counted == {"a -> b": 3, "a -> c": 1, "b -> c": 2, "bias b": 2, "inputs": 0}
    assert all(check.ok for check in checks)


def test_a_gradient_that_is_not_finite_is_not_ok():
    problem = initial_problem(tasks.xor(), seed=0, init_range=1.0)
    targets = np.full((4, 1), np.nan)
    assert not any(check.ok for check in check_gradients(*problem._replace(targets=targets)))


class Cubed:
    """A loss of the user's own that the witness cannot know: the sum of |y - d|^3."""

    factor = 3

    def value(self, outputs, targets):
        return jnp.sum(jnp.abs(outputs - targets) ** 3)

    def derivative(self, outputs, targets):
        error = outputs - targets
        return self.factor * error * abs(error)


class WronglyCubed(Cubed):
    factor = 2


@pytest.mark.parametrize(("loss", "right"), [(Cubed(), True), (WronglyCubed(), False)])
def test_a_loss_of_ones_own_is_judged(loss, right):
    problem = initial_problem(tasks.xor(), seed=0, init_range=1.0)._replace(loss=loss)
    assert {check.ok for check in check_gradients(*problem)} == {right}


class Shifted:
    """A loss with a right derivative that does not vanish where every target is met."""

    def value(self, outputs, targets):
        return 0.5 * jnp.sum((outputs - targets - 0.1) ** 2)

    def derivative(self, outputs, targets):
        return outputs - targets - 0.1


def test_where_every_target_is_met_no_gradient_is_let_through():
    task = dataclasses.replace(tasks.xor(), loss=Shifted())
    assert all(check.ok for check in check_gradients(*initial_problem(task, 0, 1.0)))
    assert not any(check.ok for check in check_task(task, seeds=[0], init_ranges=[1.0]))


def test_a_tolerance_can_be_too_strict():
    checks = check_task(tasks.parity(), seeds=[0], init_ranges=[1.0], tolerance=-1.0)
    assert not any(check.ok for check in checks)


def test_delayed_connections_are_refused():
    network = Network(
        layered(1, 1).layers,
        [Connection("input", "output"), Connection("output", "output", delay=1)],
    )
    params = Params({c.key: np.ones((1, 1)) for c in network.connections}, {"output": np.ones(1)})
    for check in (check_gradients, witness.loss_and_gradient):
        with pytest.raises(SettingError, match="`delay` must be 0 everywhere in a layered pass"):
            check(network, params, np.ones((1, 1)), np.ones((1, 1)), HalfSquaredError())


def test_the_witness_works_the_textbook_example():
    # 1-1-1, logistic, all weights 0: every unit gives 1/2; x = 1, d = 1
    # dE/dx_out = (1/2 - 1) 1/4 = -1/8; dE/dw_out = -1/8 * 1/2; the hidden unit gets -1/8 * 0
    network = layered(1, 1, 1)
    zero = Params(
        {c.key: np.zeros((1, 1)) for c in network.connections},
        {name: np.zeros(1) for name in network.biases},
    )
    value, grads = witness.loss_and_gradient(network, zero, [[1.0]], [[1.0]], HalfSquaredError())
    assert value == 0.125
    assert grads.weight["hidden", "output"].tolist() == [[-0.0625]]
    assert grads.weight["input", "hidden"].tolist() == [[0.0]]
    assert grads.bias["output"].tolist() == [-0.125]
    assert grads.weight["hidden", "output"].dtype == np.float64


def test_the_witness_does_not_overflow():
    network = layered(1, 1)
    for weight, output in ((1e4, 1.0), (-1e4, 0.0)):
        params = Params({("input", "output"): np.array([[weight]])}, {"output": np.zeros(1)})
        activations = witness.all_activations(network, params, [[1.0]])
        assert activations["output"].tolist() == [[output]]


def test_the_witness_shares_no_code_with_what_it_judges():
    tree = ast.parse(inspect.getsource(witness))
    imported = {
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("bpjax")
        for alias in node.names
    }
    assert imported == {
        ("bpjax.errors", "SettingError"),
        *(("bpjax.loss", name) for name in ("CrossEntropy", "HalfSquaredError", "Loss")),
        ("bpjax.loss", "MarginSquaredError"),
        *(("bpjax.connections", name) for name in ("Connection", "Layer")),
        *(("bpjax.network", "Network"), ("bpjax.params", "Params")),
        *(("bpjax.units", name) for name in ("Activation", "LayerUnit", "Unit")),  # kinds of data
    }
    assert not any(isinstance(node, ast.MatMult) for node in ast.walk(tree))
