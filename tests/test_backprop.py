import ast
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import assert_trees_close

from bpjax import backprop, tasks
from bpjax.backprop import backward, backward_pass, forward, forward_pass, value_and_grad
from bpjax.connections import Connection, Layer
from bpjax.errors import SettingError
from bpjax.loss import HalfSquaredError, MarginSquaredError
from bpjax.network import Network, layered
from bpjax.params import Params
from bpjax.starts.initial import init_params, run_key
from bpjax.units import UNITS, Unit

XOR_INPUTS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]


def printed(network, weight, bias):
    return Params(
        {c.key: jnp.array(weight[c.key]) for c in network.connections},
        {name: jnp.array(entry) for name, entry in bias.items()},
    )


def outputs_of(network, params, inputs):
    return forward_pass(network, params, jnp.array(inputs))[network.outputs[0]][:, 0]


def random_state(task, dtype="float32", seed=0, init_range=1.0):
    return init_params(task.network, run_key(seed), init_range, dtype=dtype), *task.cases(dtype)


SINGLE = [name for name, unit in UNITS.items() if isinstance(unit, Unit)]


@pytest.mark.parametrize("activation", SINGLE)
def test_slopes_are_those_of_jax_in_and_out_of_saturation(activation, float64):
    unit = UNITS[activation]
    preactivations = jnp.linspace(-40.0, 40.0, 801)
    seen = preactivations if unit.of == "preactivation" else unit.function(preactivations)
    slopes = unit.derivative(seen)
    by_jax = jax.vmap(jax.grad(unit.function))(preactivations)
    # jax.grad's slope of tanh cancels near -1: one rounding of y is the most it can be asked for
    rounding = 0 if activation == "scaled-tanh" else 2e-16
    np.testing.assert_allclose(slopes, by_jax, rtol=1e-12, atol=rounding)


def test_the_printed_xor_net_with_direct_connections_computes_xor():
    # PDP vol. 1 ch. 8, Fig. 3: a learned solution
    network = tasks.xor(direct=True).network
    params = printed(
        network,
        {
            ("input", "hidden"): [[-6.4], [-6.4]],
            ("input", "output"): [[-4.2], [-4.2]],
            ("hidden", "output"): [[-9.4]],
        },
        {"hidden": [2.2], "output": [6.3]},
    )
    outputs = outputs_of(network, params, XOR_INPUTS)
    np.testing.assert_allclose(outputs, [0.103, 0.877, 0.877, 0.109], atol=5e-4)


def test_the_printed_local_minimum_is_one():
    # PDP vol. 1 ch. 8, Fig. 5: with input 2 on, the 2-2-1 net answers one half
    task = tasks.xor()
    params = printed(
        task.network,
        {
            ("input", "hidden"): [[-2.0, 4.3], [9.2, 8.8]],
            ("hidden", "output"): [[-4.5], [5.3]],
        },
        {"hidden": [2.0, -0.1], "output": [-0.8]},
    )
    by_case = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    outputs = outputs_of(task.network, params, by_case)
    np.testing.assert_allclose(outputs, [0.096, 0.898, 0.5, 0.5], atol=1e-3)


def test_one_unit_by_hand(float64):
    # y = 1/2, dE/dy = -1/2, dE/dx = -1/8, dE/dw = -1/8 * 3, dE/db = -1/8, dE/dinput = -1/8 * w
    network = layered(1, 1)
    params = Params({("input", "output"): jnp.array([[2.0]])}, {"output": jnp.array([-6.0])})
    inputs, targets = jnp.array([[3.0]]), jnp.array([[1.0]])
    activations = forward_pass(network, params, inputs)
    grads = backward(network, params, activations, targets)
    assert grads.weight["input", "output"].tolist() == [[-0.375]]
    assert grads.bias["output"].tolist() == [-0.125]
    d_outputs = {"output": activations["output"] - targets}
    _, d_activations, _ = backward_pass(network, params, activations, d_outputs)
    assert d_activations["input"].tolist() == [[-0.25]]


def test_a_skipping_connection_adds_to_the_path_through_the_hidden_layer(float64):
    # All linear and all weights 1: dy/dx = 1 directly + 1 through the hidden unit
    layers = [Layer("x", 1), Layer("h", 1, "linear", False), Layer("y", 1, "linear", False)]
    network = Network(layers, [Connection("x", "h"), Connection("x", "y"), Connection("h", "y")])
    params = Params({c.key: jnp.ones((1, 1)) for c in network.connections}, {})
    activations = forward_pass(network, params, jnp.array([[5.0]]))
    assert activations["y"].tolist() == [[10.0]]
    _, d_activations, _ = backward_pass(network, params, activations, {"y": jnp.array([[1.0]])})
    assert d_activations["x"].tolist() == [[2.0]]


def test_the_backward_pass_never_asks_jax_for_a_derivative():
    tree = ast.parse(inspect.getsource(backprop))
    oracles = {"grad", "vjp", "jvp", "linearize", "jacobian", "jacfwd", "jacrev"}
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert "custom_vjp" in used
    assert not oracles & (used | imported)


def test_the_order_of_cases_does_not_matter(dtype):
    task = tasks.parity()
    params, inputs, targets = random_state(task, dtype)
    order = np.random.default_rng(0).permutation(task.num_cases)
    loss_and_grads = jax.jit(value_and_grad(task.network))
    here = loss_and_grads(params, inputs, targets)
    there = loss_and_grads(params, inputs[order], targets[order])
    assert_trees_close(here, there)


def test_the_order_of_hidden_units_does_not_matter(dtype):
    task = tasks.parity()
    params, inputs, targets = random_state(task, dtype)
    order = np.array([2, 0, 3, 1])

    def reorder(params):
        weight, bias = dict(params.weight), dict(params.bias)
        weight["input", "hidden"] = weight["input", "hidden"][:, order]
        weight["hidden", "output"] = weight["hidden", "output"][order]
        bias["hidden"] = bias["hidden"][order]
        return Params(weight, bias)

    loss_and_grads = jax.jit(value_and_grad(task.network))
    loss, grads = loss_and_grads(params, inputs, targets)
    reordered = loss_and_grads(reorder(params), inputs, targets)
    assert_trees_close((loss, reorder(grads)), reordered)


def test_gradients_of_all_cases_add_up(float64):
    task = tasks.symmetry(bits=4)
    params, inputs, targets = random_state(task, "float64")
    loss_and_grads = jax.jit(value_and_grad(task.network))
    total = loss_and_grads(params, inputs, targets)
    pieces = [loss_and_grads(params, inputs[c : c + 1], targets[c : c + 1]) for c in range(16)]
    assert_trees_close(jax.tree.map(lambda *parts: sum(parts), *pieces), total)


def test_forward_is_forward_pass_and_carries_the_hand_derived_backward(float64):
    task = tasks.xor(direct=True)
    params, inputs, targets = random_state(task, "float64")
    network = task.network
    activations = forward_pass(network, params, inputs)
    assert_trees_close(forward(network, params, inputs), activations, tolerance=0)

    def loss_of(params):
        return HalfSquaredError().value(forward(network, params, inputs)["output"], targets)

    by_custom_rule = jax.grad(loss_of)(params)
    assert_trees_close(by_custom_rule, backward(network, params, activations, targets))


def test_a_derivative_may_enter_at_any_layer(float64):
    # a penalty on hidden activations: `forward` is more general than our own losses
    task = tasks.xor(direct=True)
    params, inputs, _ = random_state(task, "float64")

    def penalty(passes, params, inputs):
        activations = passes(task.network, params, inputs)
        return jnp.sum(activations["hidden"] ** 3) + jnp.sum(activations["output"])

    ours = jax.grad(penalty, argnums=(1, 2))(forward, params, inputs)
    plain = jax.grad(penalty, argnums=(1, 2))(forward_pass, params, inputs)
    assert_trees_close(ours, plain)


def test_forward_mode_is_refused():
    task = tasks.xor()
    params, inputs, _ = random_state(task)
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(lambda p: forward(task.network, p, inputs), (params,), (params,))


def test_jitted_and_mapped_passes_agree_with_a_loop(float64):
    task = tasks.xor()
    states = [random_state(task, "float64", seed)[0] for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    loss_and_grads = jax.jit(value_and_grad(task.network))
    cases = task.cases("float64")
    mapped = jax.jit(jax.vmap(loss_and_grads, in_axes=(0, None, None)))(stacked, *cases)
    looped = [loss_and_grads(params, *cases) for params in states]
    assert_trees_close(mapped, jax.tree.map(lambda *leaves: jnp.stack(leaves), *looped))


def test_a_second_call_does_not_recompile():
    task = tasks.xor()
    jitted = jax.jit(value_and_grad(task.network))
    for seed in range(3):
        jitted(*random_state(task, seed=seed))
    assert jitted._cache_size() == 1


def test_value_and_grad_serves_any_optax_rule():
    task = tasks.xor()
    params, inputs, targets = random_state(task)
    loss_and_grads = jax.jit(value_and_grad(task.network, MarginSquaredError()))
    optimizer = optax.adam(0.05)
    state = optimizer.init(params)
    before, _ = loss_and_grads(params, inputs, targets)
    for _ in range(30):
        _, grads = loss_and_grads(params, inputs, targets)
        with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes types
            updates, state = optimizer.update(grads, state)
        params = optax.apply_updates(params, updates)
    after, _ = loss_and_grads(params, inputs, targets)
    assert after < before


def test_inputs_of_the_wrong_width_are_refused():
    task = tasks.xor()
    params, inputs, _ = random_state(task)
    words = r"`inputs` must have shape \(num_cases, 2\), got \(4, 1\)\."
    with pytest.raises(SettingError, match=words):
        forward_pass(task.network, params, inputs[:, :1])


def test_targets_are_not_broadcast():
    task = tasks.xor()
    params, inputs, targets = random_state(task)
    activations = forward_pass(task.network, params, inputs)
    with pytest.raises(SettingError, match="nothing is broadcast"):
        backward(task.network, params, activations, jnp.hstack([targets, targets]))


def test_delayed_connections_are_refused():
    network = Network(
        layered(1, 1, 1).layers,
        [
            Connection("input", "hidden"),
            Connection("hidden", "hidden", delay=1),
            Connection("hidden", "output"),
        ],
    )
    params = init_params(network, run_key(0), 0.3)
    words = "`delay` must be 0 everywhere in a layered pass, got 1."
    with pytest.raises(SettingError, match=words):
        forward_pass(network, params, jnp.zeros((1, 1)))


def test_inputs_may_be_whole_numbers():
    task = tasks.xor()
    params = init_params(task.network, run_key(7), init_range=1.0)
    inputs, targets = task.cases()

    def loss_of(inputs):
        return lambda params: HalfSquaredError().value(
            forward(task.network, params, inputs)["output"], targets
        )

    ours = jax.grad(loss_of(inputs.astype(jnp.int32)))(params)
    assert_trees_close(ours, jax.grad(loss_of(inputs))(params))
