"""Iterative nets: laid out in time they do what the net does step by step, gradient included."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import advance, assert_trees_close, daily

import bpjax
from bpjax.backprop import backward_pass, forward_pass
from bpjax.connections import Connection, Layer
from bpjax.errors import SettingError
from bpjax.gradient_check import check_gradients
from bpjax.held_out import trained_by
from bpjax.loss import HalfSquaredError
from bpjax.network import Network, layered
from bpjax.params import Params, weight_matrix
from bpjax.recurrent import at, history, unroll
from bpjax.units import UNITS

STEPS = 4


def random_iterative_net(seed):
    """Return a net of an input layer and two or three others, with loops of every kind."""
    rng = np.random.default_rng(seed)
    # What descends with a flat spot eliminated is no derivative.
    kinds = rng.choice([name for name in UNITS if name != "logistic-flat-spot"], 3)
    layers = [Layer("shown", 2)] + [
        Layer(f"layer{k}", int(rng.integers(1, 4)), str(kind), bool(rng.random() < 0.7))
        for k, kind in enumerate(kinds)
    ]
    names = [layer.name for layer in layers]
    keys = [("shown", "layer0", int(rng.integers(2))), ("layer2", "layer0", 1)]
    keys += [("layer0", "layer1", int(rng.integers(2))), ("layer1", "layer2", int(rng.integers(2)))]
    keys += [(name, name, 1) for name in names[1:] if rng.random() < 0.6]
    sizes = {layer.name: layer.size for layer in layers}
    connections = []
    for source, target, delay in keys:
        shape = sizes[source], sizes[target]
        mask = rng.random(shape) < 0.7 if rng.random() < 0.3 else None
        tie = None
        if rng.random() < 0.3:
            tie = np.unique(rng.integers(0, 3, size=shape), return_inverse=True)[1].reshape(shape)
        connections.append(Connection(source, target, mask, tie, delay))
    return Network(layers, connections)


def step_by_step(net, params, shown, start):
    """Run the net in the plainest way: a list of activations per step, nothing laid out.

    Args:
      shown: per step 0 to STEPS the activations of the input layer.
      start: activations of the computed layers at step 0.
    """
    past = [{"shown": shown[0], **start}]
    for step in range(1, STEPS + 1):
        now = {"shown": shown[step]}
        for layer in net.computed_layers:
            x = params.bias[layer.name][None, :] if layer.bias else 0.0
            for c in net.incoming[layer.name]:
                y = past[-1][c.source] if c.delay else now[c.source]
                x = x + y @ weight_matrix(c, params.weight[c.key])
            now[layer.name] = UNITS[layer.activation].activate(x, 1)
        past.append(now)
    return past


@pytest.fixture(params=daily([0], of=range(5)))
def drawn(request):
    """Return net, its layout, parameters, and cases in both forms."""
    net = random_iterative_net(request.param)
    rng = np.random.default_rng([request.param, 1])
    in_time = unroll(net, STEPS, wanted={"layer2": [2, 4], "layer1": [3]})
    with jax.enable_x64(True):
        params = Params(
            {c.key: jnp.array(rng.normal(size=net.weight_shape(c))) for c in net.connections},
            {name: jnp.array(rng.normal(size=layer.size)) for name, layer in net.biases.items()},
        )
        shown = [jnp.array(rng.normal(size=(3, 2))) for _ in range(STEPS + 1)]
        start = {
            layer.name: jnp.array(rng.normal(size=(3, layer.size))) for layer in net.computed_layers
        }
    cases = []
    for layer in in_time.input_layers:
        name, step = layer.name.split("@")
        cases.append(shown[int(step)] if name == "shown" else start[name])
        assert name == "shown" or step == "0"
    return net, in_time, params, jnp.hstack(cases), shown, start


def test_the_layout_does_what_the_net_does(drawn):
    net, in_time, params, cases, shown, start = drawn
    with jax.enable_x64(True):
        past = step_by_step(net, params, shown, start)
        activations = forward_pass(in_time, params, cases)
    assert_trees_close(
        activations,
        {
            layer.name: past[int(layer.name.split("@")[1])][layer.name.split("@")[0]]
            for layer in in_time.layers
        },
    )
    there = [step for step in range(STEPS + 1) if at("layer2", step) in activations]
    np.testing.assert_array_equal(
        history(in_time, activations, "layer2"),
        np.stack([activations[at("layer2", step)] for step in there]),
    )


def test_the_backward_pass_through_time_is_that_of_the_net(drawn):
    net, in_time, params, cases, shown, start = drawn
    rng = np.random.default_rng(0)

    def loss_of(params):
        past = step_by_step(net, params, shown, start)
        outputs = [past[2]["layer2"], past[3]["layer1"], past[4]["layer2"]]
        return HalfSquaredError().value(jnp.hstack(outputs), targets)

    with jax.enable_x64(True):
        targets = jnp.array(rng.random((3, in_time.num_out)))
        loss, ours = jax.jit(bpjax.value_and_grad(in_time))(params, cases, targets)
        expected, grads = jax.jit(jax.value_and_grad(loss_of))(params)
        assert_trees_close(ours, grads)
        np.testing.assert_allclose(loss, expected, rtol=1e-13)


def test_every_witness_agrees(drawn):
    _, in_time, params, cases, _, _ = drawn
    targets = np.random.default_rng(0).integers(0, 2, (3, in_time.num_out))
    checks = check_gradients(in_time, params, cases, targets)
    assert all(check.ok for check in checks), checks
    assert sum(check.num_parameters for check in checks) == in_time.num_parameters


def test_every_copy_has_its_share_in_the_gradient():
    """Two steps of one linear unit: y2 = w (w y0), so dy2/dw = 2 w y0, a share from each copy."""
    net = Network([Layer("u", 1, "linear", bias=False)], [Connection("u", "u", delay=1)])
    in_time = unroll(net, 2, wanted={"u": [2]})
    params = Params({("u", "u"): jnp.full((1, 1), 3.0)}, {})
    activations = forward_pass(in_time, params, jnp.full((1, 1), 5.0))
    assert history(in_time, activations, "u").ravel().tolist() == [5, 15, 45]
    grads, derivatives, _ = backward_pass(in_time, params, activations, {"u@2": jnp.ones((1, 1))})
    assert grads.weight["u", "u"].tolist() == [[30.0]]
    assert derivatives["u@0"].tolist() == [[9.0]]


def test_corresponding_weights_change_by_the_average():
    register = bpjax.tasks.shift_register(steps=3)
    averaged = advance(register.with_settings(learning_rate=0.75), 5)
    summed = advance(register.with_settings(learning_rate=0.25, copies="sum"), 5)
    assert_trees_close(averaged.params, summed.params)
    longer = advance(register.with_settings(learning_rate=0.75, copies="sum"), 5)
    assert not np.allclose(longer.params.bias["units"], averaged.params.bias["units"])


def test_the_average_is_over_all_steps_even_those_that_lead_nowhere():
    """The complete layout has a copy per step; that some cannot matter does not lengthen steps."""
    net = Network(
        [Layer("shown", 1), Layer("out", 1)],
        [Connection("shown", "out", delay=1)],
    )
    in_time = unroll(net, 4, wanted={"out": [2]})
    assert [layer.name for layer in in_time.layers] == ["shown@1", "out@2"]
    assert in_time.iterations == 4


def test_one_step_without_loops_is_the_layered_net():
    net = layered(2, 2, 1)
    in_time = unroll(net, 1, wanted={"output": [1]})
    plain = [(layer.name, layer.size) for layer in net.layers]
    assert [(layer.name.removesuffix("@1"), layer.size) for layer in in_time.layers] == plain
    assert bpjax.params.parameter_names(in_time) == bpjax.params.parameter_names(net)


def test_what_is_never_shown_is_left_out():
    net = bpjax.tasks.sequence().network
    assert [layer.name for layer in net.input_layers] == ["letters@0", "hidden@0", "letters@1"]
    assert net.outputs == ("digits@2", "digits@3", "digits@4", "digits@5")


def two_units():
    return Network([Layer("u", 2)], [Connection("u", "u", delay=1)])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: unroll(two_units(), 0, {"u": [1]}), "`steps` must be a whole number"),
        (lambda: unroll(two_units(), 2, {"v": [1]}), "`wanted` must name layers among ['u']"),
        (lambda: unroll(two_units(), 2, {"u": [3]}), "`wanted` must hold steps from 1 to 2, got 3"),
        (lambda: unroll(two_units(), 2, {"u": []}), "`wanted` must name a layer and a step"),
        (
            lambda: unroll(two_units(), 2, {"u": [1]}, {"u": [0]}),
            "`shown` must name layers among []",
        ),
        (
            lambda: history(unroll(two_units(), 2, {"u": [2]}), {}, "u"),
            "`name` must be a layer of the iterated net, got 'u'",
        ),
        (
            lambda: Network(
                [Layer("a", 1), Layer("b", 2), Layer("c", 1)],
                [
                    Connection("a", "b", copy_of=("x", "y")),
                    Connection("b", "c", copy_of=("x", "y")),
                ],
            ),
            "`copy_of` must have shape, mask, tie and `frozen` of its fellow ('a', 'b')",
        ),
        (
            lambda: Network(
                [Layer("a", 1), Layer("b", 2, copy_of="x"), Layer("c", 1, copy_of="x")],
                [Connection("a", "b"), Connection("b", "c")],
            ),
            "`copy_of` must have size and `frozen_bias` of its fellow 'b', got 'c'",
        ),
    ],
)
def test_a_fault_is_named(build, words):
    with pytest.raises(SettingError) as fault:
        build()
    assert words in str(fault.value)


# ---- cases held out ------------------------------------------------------------------------------


@pytest.mark.parametrize("updates", daily(["case"], of=["batch", "case"]))
@pytest.mark.parametrize("implementation", daily(["matrix"], of=["matrix", "unrolled"]))
def test_a_case_held_out_is_as_if_it_were_not_there(updates, implementation):
    whole = bpjax.tasks.parity(bits=3).with_settings(updates=updates, tolerance=0.3)
    kept = [0, 1, 3, 4, 6, 7]
    inputs, targets = whole.inputs[kept], whole.targets[kept]
    without = dataclasses.replace(whole, inputs=inputs, targets=targets)
    held_out = dataclasses.replace(whole, held_out=(2, 5))
    train = functools.partial(
        bpjax.sweep,
        seeds=8,
        implementation=implementation,
        precision="float64",
        keep_weights=True,
        max_epochs=300,
    )
    ours, reference = train(held_out), train(without)
    np.testing.assert_array_equal(ours["status"], reference["status"])
    np.testing.assert_array_equal(ours["epochs"], reference["epochs"])
    np.testing.assert_allclose(ours["weights"], reference["weights"], rtol=1e-6)
    assert np.sum(ours["status"] == bpjax.Status.CONVERGED) > 0


@pytest.mark.slow
def test_every_run_draws_its_own():
    task = dataclasses.replace(bpjax.tasks.parity(bits=3), held_out=2)
    masks = {tuple(mask) for mask in trained_by(task, range(200)).tolist()}
    assert {sum(mask) for mask in masks} == {6}
    assert len(masks) == 28  # all pairs of 8 turn up
    run = bpjax.train(task, 5, max_epochs=2000)
    assert run.history.num_right[-1] == 6
    assert run.history.num_held_out_right[-1] <= 2
    swept = bpjax.sweep(task, 8, max_epochs=2000)
    assert swept["epochs"][5] == run.epochs


@pytest.mark.parametrize("held_out", [-1, 8, (0, 0), tuple(range(8)), (8,), 1.5])
def test_cases_to_hold_out_must_exist(held_out):
    with pytest.raises(SettingError, match="held_out"):
        dataclasses.replace(bpjax.tasks.parity(bits=3), held_out=held_out)
