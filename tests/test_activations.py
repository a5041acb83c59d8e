"""Activations of many runs in NumPy, against the forward pass and the loops of the witness."""

import jax.numpy as jnp
import numpy as np
import pytest

import bpjax
from bpjax.analysis.activations import activations_of
from bpjax.backprop import forward_pass
from bpjax.connections import Connection, Layer
from bpjax.errors import SettingError
from bpjax.network import Network
from bpjax.params import parameter_names, unflatten_params
from bpjax.problems import random_network
from bpjax.witness import all_activations

SEEDS = range(100)


def rows_and_cases(network, seed, num_runs=3, num_cases=4):
    # Masked entries get numbers too, which must not be read.
    rng = np.random.default_rng([seed, 2])
    weights = rng.normal(scale=2, size=(num_runs, len(parameter_names(network))))
    return weights, rng.normal(size=(num_cases, network.num_in))


def test_every_layer_of_every_run_is_that_of_the_witness():
    for seed in SEEDS:
        network = random_network(seed)
        weights, inputs = rows_and_cases(network, seed)
        found = activations_of(network, weights, inputs)
        for k, row in enumerate(weights):
            expected = all_activations(network, unflatten_params(network, row), inputs)
            for name, entry in expected.items():
                words = f"seed {seed}, run {k}, layer {name}"
                np.testing.assert_allclose(found[name][k], entry, 1e-12, 1e-12, err_msg=words)


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_every_layer_of_every_run_is_that_of_the_forward_pass(seed, float64):
    network = random_network(seed)
    weights, inputs = rows_and_cases(network, seed)
    found = activations_of(network, weights, inputs)
    assert list(found) == [
        layer.name for layer in (*network.input_layers, *network.computed_layers)
    ]
    for k, row in enumerate(weights):
        params = unflatten_params(network, jnp.asarray(row))
        expected = forward_pass(network, params, jnp.asarray(inputs))
        for name, entry in expected.items():
            assert found[name].dtype == np.float64
            np.testing.assert_allclose(found[name][k], entry, rtol=1e-12, atol=1e-12)


def test_the_random_networks_have_all_that_can_go_wrong():
    networks = [random_network(seed) for seed in SEEDS]
    connections = [c for network in networks for c in network.connections]
    assert any(c.mask and not c.tie for c in connections)
    assert any(c.tie and not c.mask for c in connections)
    assert any(c.mask and c.tie for c in connections)
    assert any(len(network.input_layers) > 1 for network in networks)
    assert any("with" in network.describe() for network in networks)  # skips a layer
    computed = [layer for network in networks for layer in network.computed_layers]
    assert len({layer.activation for layer in computed}) > 5
    assert {layer.bias for layer in computed} == {True, False}


def test_the_rows_of_a_sweep_are_in_this_order():
    task = bpjax.tasks.xor(direct=True)
    result = bpjax.sweep(task, 3, max_epochs=2, keep_weights=True)
    found = activations_of(task.network, result["weights"], task.inputs)
    loss = 0.5 * ((found["output"] - task.targets) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(loss, result["loss"], rtol=1e-5)


def test_tied_and_masked_weights_by_the_witness():
    layers = [Layer("input", 3), Layer("hidden", 2), Layer("output", 1)]
    shared = Connection(
        "input", "hidden", mask=[[1, 0], [1, 1], [0, 1]], tie=[[0, 0], [1, 0], [1, 1]]
    )
    network = Network(layers, [shared, Connection("hidden", "output", mask=[[1], [0]])])
    weights, inputs = rows_and_cases(network, 0)
    found = activations_of(network, weights, inputs)
    for k, row in enumerate(weights):
        expected = all_activations(network, unflatten_params(network, row), inputs)
        for name, entry in expected.items():
            np.testing.assert_allclose(found[name][k], entry, rtol=1e-13)


def test_broken_and_saturated_runs_disturb_no_other():
    task = bpjax.tasks.xor()
    weights, _ = rows_and_cases(task.network, 0)
    alone = activations_of(task.network, weights[2:], task.inputs)["output"]
    weights[0], weights[1] = np.nan, 1e6
    output = activations_of(task.network, weights, task.inputs)["output"]
    assert np.isnan(output[0]).all()
    np.testing.assert_array_equal(output[1], np.ones((4, 1)))
    np.testing.assert_array_equal(output[2], alone[0])


def test_no_runs_are_no_activations():
    assert activations_of(bpjax.layered(2, 3, 1), np.empty((0, 13)), np.ones((5, 2)))[
        "hidden"
    ].shape == (0, 5, 3)


def test_wrong_shapes_and_delays_are_refused():
    network = bpjax.layered(2, 1)
    with pytest.raises(SettingError, match=r"`weights` must have shape \(num_runs, 3\), got"):
        activations_of(network, np.zeros(3), np.zeros((4, 2)))
    with pytest.raises(SettingError, match=r"`weights` must have shape \(num_runs, 3\), got"):
        activations_of(network, np.zeros((1, 4)), np.zeros((4, 2)))
    with pytest.raises(SettingError, match=r"`inputs` must have shape \(num_cases, 2\), got"):
        activations_of(network, np.zeros((1, 3)), np.zeros((4, 3)))
    layers = [Layer("input", 1), Layer("output", 1)]
    delayed = Network(
        layers, [Connection("input", "output"), Connection("output", "output", delay=1)]
    )
    with pytest.raises(SettingError, match="`delay` must be 0 everywhere"):
        activations_of(delayed, np.zeros((1, 3)), np.zeros((1, 1)))
