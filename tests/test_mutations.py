"""Teeth: break the backward pass in one place, in many ways, and see the check turn red each time.

Each mutation changes a few characters of the package's own source text. The broken module runs in
the place of the right one, without `jax.jit`, and at least one of the problems must notice.
"""

import inspect
import itertools
import types
from dataclasses import fields
from unittest import mock

import numpy as np
import pytest
from helpers import daily

from bpjax import backprop, gradient_check, loss, oracles, params, surroundings, tasks, units
from bpjax.connections import Connection, Layer
from bpjax.gradient_check import check_gradients
from bpjax.loss import MarginSquaredError
from bpjax.network import Network
from bpjax.params import Params
from bpjax.problems import Problem, initial_problem
from bpjax.recurrent import unroll
from bpjax.units import UNITS

MUTATIONS = [
    # equations (1) and (2)
    ("backprop", "activations[c.source] @ weight  # (1)", "-activations[c.source] @ weight"),
    ("backprop", "preactivations += activations[c.s", "preactivations = activations[c.s"),
    ("backprop", "preactivations += params.bias", "preactivations -= params.bias"),
    ("backprop", ".activate(preactivations, axis=1)", ".activate(-preactivations, axis=1)"),
    # equation (5)
    ("backprop", "carry_back(d_activations[layer.name], seen", "carry_back(seen, seen"),
    ("backprop", "(d_activations[layer.name], seen", "(-d_activations[layer.name], seen"),
    ("backprop", "seen_by(unit.of, network", "seen_by('activation', network"),
    ("backprop", 'if of == "activation"', 'if of != "activation"'),
    ("units", "return d_activations * (slope", "return (slope"),
    ("units", "return d_activations * (slope", "return d_activations + (slope"),
    ("units", "slope + self.flat_spot", "slope"),
    # equation (6)
    ("backprop", "[c.source].T @ d_preactivation ", "[c.source].T @ -d_preactivation "),
    ("backprop", "activations[c.source].T @ d_pre", "activations[c.target].T @ d_pre"),
    (
        "backprop",
        "activations[c.source].T @ d_preactivation ",
        "(d_preactivation.T @ activations[c.source]) ",
    ),
    (
        "backprop",
        "activations[c.source].T @ d_preactivation ",
        "activations[c.source].T @ d_activations[layer.name] ",
    ),
    ("backprop", "@ d_preactivation  # (6)", "@ d_preactivation / len(d_preactivation)"),
    ("backprop", "jnp.sum(d_preactivation, axis=0)", "jnp.mean(d_preactivation, axis=0)"),
    ("backprop", "jnp.sum(d_preactivation, axis=0)", "d_preactivation[0]"),
    ("backprop", "jnp.sum(d_preactivation, axis=0)", "jnp.sum(d_activations[layer.name], axis=0)"),
    ("backprop", "weight_gradient(c, d_weight)", "d_weight"),
    # the sum over copies
    ("backprop", "] += weight_gradient(", "] = weight_gradient("),
    ("backprop", "grads.bias[layer.bias_key] += ", "grads.bias[layer.bias_key] = "),
    # equation (7)
    ("backprop", "+= d_preactivation @ weight.T", "= d_preactivation @ weight.T"),
    ("backprop", "+= d_preactivation @ weight.T", "-= d_preactivation @ weight.T"),
    ("backprop", "+= d_preactivation @ weight.T", "+= d_preactivation @ weight"),
    ("backprop", "+= d_preactivation @ weight.T", "+= d_activations[layer.name] @ weight.T"),
    ("backprop", "+= d_preactivation @ weight.T", "+= 0 * d_preactivation @ weight.T"),
    ("backprop", "in reversed(network.computed_layers)", "in network.computed_layers"),
    # equation (4) and the ways in
    ("backprop", "loss.derivative(seen, targets)  # (4)", "loss.derivative(targets, seen)"),
    ("backprop", "d_preactivation += d_total_inputs", "d_preactivation -= d_total_inputs"),
    ("backprop", 'if of_loss(loss) == "activation"', 'if of_loss(loss) != "activation"'),
    ("backprop", "seen_by(of_loss(loss), network", 'seen_by("activation", network'),
    (
        "backprop",
        "targets, loss)\n\n    return loss_and_grads",
        "targets)\n\n    return loss_and_grads",
    ),
    (
        "backprop",
        "_side_by_side(network.input_layers, d_activations)",
        "_side_by_side(network.input_layers[::-1], d_activations)",
    ),
    (
        "backprop",
        "return grads, _side_by_side(",
        "return jax.tree.map(jnp.negative, grads), _side_by_side(",
    ),
    ("backprop", "d_activations.get(name, jnp.zeros_like(entry))", "jnp.zeros_like(entry)"),
    # masks and ties
    ("params", "d_matrix = d_matrix * mask_of(connection, d_matrix)", "pass"),
    ("params", "weight * mask_of(connection, weight)", "weight"),
    (
        "params",
        "weight * mask_of(connection, weight)",
        "weight * (1 - mask_of(connection, weight))",
    ),
    ("params", "(entries[k] for k in own)", "(entries[k] for k in own[:1])"),
    ("params", "np.flatnonzero(tie == k)", "np.flatnonzero(tie >= k)"),
    ("params", "parameter[np.array(connection.tie)]", "parameter[np.array(connection.tie)[::-1]]"),
    # input-output functions
    ("units", "return y * (1 - y)", "return y * (1 + y)"),
    ("units", "return y * (1 - y)", "return (1 - y)"),
    ("units", "(1 + y) * (1 - y)", "(1 - y)"),
    ("units", "(1 + y) * (1 - y)", "y * (1 - y)"),
    ("units", "jnp.ones_like", "jnp.zeros_like"),
    ("units", "Unit(jax.nn.sigmoid, _logistic_slope)", "Unit(jax.nn.silu, _logistic_slope)"),
    ("units", "Unit(jnp.tanh, ", "Unit(jnp.sin, "),
    ("units", "jnp.where(y > 0, 1, 0)", "jnp.where(y > 0, 0, 1)"),
    ("units", "lambda x: jnp.where(x > 0, x, 0)", "lambda x: jnp.where(x < 0, x, 0)"),
    ("units", "jnp.where(y > 0, 1, SLOPE_OF_LEAK)", "jnp.where(y > 0, 1, 0)"),
    ("units", "Unit(softplus, jax.nn.sigmoid", "Unit(softplus, jnp.tanh"),
    ("units", "jnp.maximum(x, 0) + log", "log"),
    ("units", "Unit(jnp.sin, jnp.cos", "Unit(jnp.sin, jnp.sin"),
    ("units", "HEIGHT * STRETCH * _tanh", "HEIGHT * _tanh"),
    ("units", "return 4 * power", "return 3 * power"),
    ("units", "powers / jnp.sum(powers", "powers / jnp.max(powers"),
    ("units", "(d_y[:, None] - d_y[None])", "(d_y[None] - d_y[:, None])"),
    ("units", "(d_y[:, None] - d_y[None])", "d_y[:, None]"),
    # losses
    (
        "loss",
        "_check_shapes(outputs, targets)\n        return outputs - targets",
        "return targets - outputs",
    ),
    (
        "loss",
        "error = outputs - targets\n        return 0.5 * jnp.sum",
        "error = outputs - targets\n        return 1.0 * jnp.sum",
    ),
    (
        "loss",
        "error = outputs - targets\n        return 0.5 * jnp.sum",
        "error = outputs - targets\n        return 0.5 * jnp.mean",
    ),
    (
        "loss",
        "self.derivative(outputs, targets)\n        return 0.5 * jnp.sum",
        "self.derivative(outputs, targets)\n        return 1.0 * jnp.sum",
    ),
    ("loss", "outputs <= self.on, outputs >= self.off", "outputs >= self.on, outputs <= self.off"),
    ("loss", "outputs <= self.on, outputs >= self.off", "outputs <= self.on, outputs >= self.on"),
    ("loss", "jnp.any(outside", "jnp.all(outside"),
    ("loss", "jnp.where(outside, outputs - targets, 0)", "outputs - targets"),
    ("loss", "jnp.where(should_be_on, *inside)", "targets"),
    ("loss", "jnp.maximum(outputs, self.on)", "jnp.minimum(outputs, self.on)"),
    ("loss", "(1 - targets) * jax.nn.sigmoid(outputs)", "jax.nn.sigmoid(outputs)"),
    ("loss", "- targets * jax.nn.sigmoid(-outputs)", "- jax.nn.sigmoid(-outputs)"),
    ("loss", "targets * on + (1 - targets) * off", "targets * off + (1 - targets) * on"),
    ("loss", " - targets * rest", " - rest"),
    ("loss", "0, largest - outputs)", "0, largest)"),
    ("loss", "others = jnp.where(is_largest, 0, ", "others = (1 * "),
]
MODULES = {"backprop": backprop, "params": params, "units": units, "loss": loss}


def every_feature() -> list[Problem]:
    """Few problems that together use all that may be broken.

    All layers of the second have one size, so that no wrong shape gives a transposition away.
    """
    square = Network(
        [
            Layer("a", 2),
            Layer("b", 2),
            Layer("h", 2, "tanh"),
            Layer("k", 2),
            Layer("y", 2, "linear"),
        ],
        [
            Connection("a", "h"),
            Connection("b", "h", mask=[[True, False], [True, True]]),
            Connection("a", "k", mask=[[False, True], [True, True]], tie=[[0, 1], [1, 0]]),
            Connection("h", "k"),
            Connection("b", "y", tie=[[0, 1], [2, 0]]),
            Connection("h", "y"),
            Connection("k", "y"),
        ],
    )
    loop = Network([Layer("u", 2)], [Connection("u", "u", delay=1)])
    in_time = unroll(loop, 3, wanted={"u": [3]})
    logistic = Network([Layer("a", 2), Layer("y", 2)], [Connection("a", "y")])
    rng = np.random.default_rng(3)

    def problem(net, rule):
        params = Params(
            {key: rng.normal(size=net.weight_shape(c)) for key, c in net.weights.items()},
            {name: rng.normal(size=layer.size) for name, layer in net.biases.items()},
        )
        targets = rng.integers(0, 2, size=(6, 2)).astype(float)
        return Problem(net, params, rng.normal(size=(6, net.num_in)), targets, rule)

    readings = [("target", "unit"), ("target", "case"), ("margin", "unit")]
    margins = [MarginSquaredError(0.6, 0.4, *reading) for reading in readings]
    many = [
        Layer("a", 2),
        *(Layer(f"h {unit}", 2, unit) for unit in UNITS),
        Layer("y", 2, "linear"),
    ]
    hidden = [layer.name for layer in many[1:-1]]
    pairs = [*(("a", name) for name in hidden), *((name, "y") for name in hidden)]
    every_unit = Network(many, [Connection(*pair) for pair in pairs])
    choice = Network([Layer("a", 2), Layer("y", 2, "softmax")], [Connection("a", "y")])

    return [
        initial_problem(tasks.xor(direct=True), seed=0, init_range=1.0),
        problem(square, loss.HalfSquaredError()),
        problem(in_time, loss.HalfSquaredError()),
        *(problem(logistic, margin) for margin in margins),
        problem(every_unit, loss.HalfSquaredError()),
        problem(logistic, loss.CrossEntropy()),
        problem(choice, loss.CrossEntropy("softmax")),
    ]


def notices(problem: Problem) -> bool:
    with uncompiled():
        try:
            return not all(check.ok for check in check_gradients(*problem))
        except (TypeError, ValueError, KeyError):
            return True  # a shape that does not fit


def uncompiled():
    """Have our programs run step by step: what is compiled is that of the text before."""
    return mock.patch.dict(surroundings.PINNED, {"jax_disable_jit": True})


def run_text(name, source):
    """Return the namespace that running `source` as a module of the package leaves."""
    module = types.ModuleType(f"bpjax.{name}")
    exec(compile(source, f"changed {name}.py", "exec"), vars(module))
    return vars(module)


def keep_classes(broken, original):
    """Let the changed functions use the original classes, so that only formulas differ."""
    for key, entry in original.items():
        if isinstance(entry, type) and entry.__module__.startswith("bpjax"):
            broken[key] = entry


def mutated(name, old, new):
    source = inspect.getsource(MODULES[name])
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {name}.py"
    return source.replace(old, new)


LOSS_KINDS = ("HalfSquaredError", "MarginSquaredError", "CrossEntropy")


def put_methods(monkeypatch, original, broken, kinds, methods):
    for kind, method in itertools.product(kinds, methods):
        monkeypatch.setattr(original[kind], method, vars(broken[kind])[method])


def put_in_place(monkeypatch, name, broken):
    original = dict(vars(MODULES[name]))
    if name == "loss":  # the classes stay, so that the witness knows them
        put_methods(monkeypatch, original, broken, [*LOSS_KINDS], ["value", "derivative"])
        put_methods(monkeypatch, original, broken, ["CrossEntropy"], ["unit_values"])
        return
    if name == "units":
        put_methods(
            monkeypatch, original, broken, ["Unit", "LayerUnit"], ["activate", "carry_back"]
        )
        for key, unit in broken["UNITS"].items():
            functions = {
                field.name: getattr(unit, field.name) for field in fields(unit) if field.init
            }
            monkeypatch.setitem(UNITS, key, original[type(unit).__name__](**functions))
        return
    keep_classes(broken, original)
    for module in (backprop, gradient_check, oracles):
        for key, entry in list(vars(module).items()):
            ours = entry is original.get(key) and key in broken
            if ours and not isinstance(entry, type) and not key.startswith("__"):
                monkeypatch.setattr(module, key, broken[key])


PROBLEMS = every_feature()


@pytest.mark.slow
def test_nothing_broken_nothing_noticed():
    assert not any(notices(problem) for problem in PROBLEMS)


@pytest.mark.parametrize("name", daily(["params"], of=MODULES))
def test_running_the_same_text_again_changes_nothing(name, monkeypatch):
    put_in_place(monkeypatch, name, run_text(name, inspect.getsource(MODULES[name])))
    assert not any(notices(problem) for problem in PROBLEMS)


@pytest.mark.parametrize("oracle", ["versus_jax", "versus_numpy", "versus_differences"])
def test_every_oracle_notices_by_itself(oracle, monkeypatch):
    text = mutated("backprop", "+= d_preactivation @ weight.T", "-= d_preactivation @ weight.T")
    put_in_place(monkeypatch, "backprop", run_text("backprop", text))
    with uncompiled():
        checks = {check.name: check for check in check_gradients(*PROBLEMS[0])}
    assert getattr(checks["input -> hidden"], oracle) > 0.1
    assert getattr(checks["hidden -> output"], oracle) < 1e-8  # equation (7) is not in it


OF_A_DAY = [
    *[each for each in MUTATIONS if each[0] in ("backprop", "params")][::2],
    *[each for each in MUTATIONS if each[0] in ("units", "loss")][::6],
]


@pytest.mark.parametrize(("name", "old", "new"), daily(OF_A_DAY, of=MUTATIONS))
def test_every_mutation_is_noticed(name, old, new, monkeypatch):
    put_in_place(monkeypatch, name, run_text(name, mutated(name, old, new)))
    likely = PROBLEMS[::-1] if name in ("units", "loss") else PROBLEMS
    assert any(notices(problem) for problem in likely)
